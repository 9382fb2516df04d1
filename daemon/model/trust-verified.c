/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SECURITY CRITICAL: answers that end in `verified`. They are given twice: when somebody chooses one, and nothing but a comparison of
 * codes follows from that; and when a person has compared, which is the word that counts. In between the question stays open.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/model/trust-private.h"

gboolean
trust_needs_comparison (const char *choice)
{
  return strcmp (choice, "verify") == 0 || strcmp (choice, "verify-replace") == 0;
}

gboolean
trust_may_verify (Trust *trust, guint64 id, const char *choice, const Fingerprint *fp, const char *petname, const char *caller,
                  GError **error)
{
  Request *request = trust_get_request (trust, id);
  Key *key;

  if (!trust_check_answer (trust, request, choice, fp, petname, caller, error))
    return FALSE;
  key = contacts_get_key (trust->contacts, fp);
  if (key != NULL && key_get_level (key) != TRUST_REVOKED && !contact_is_blocked (key_get_contact (key)))
    return TRUE;
  g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_TRUSTED, "This key is gone, revoked or blocked");
  return FALSE;
}

void
trust_resolve_verified (Trust *trust, guint64 id, const char *choice, const Fingerprint *fp, const char *petname, gboolean release,
                        const char *source, const char *caller, DoneFunc done, gpointer user)
{
  Request *request = trust_get_request (trust, id);
  g_autoptr (GError) error = NULL;
  Decision *decision;
  Key *key;

  if (!trust_may_verify (trust, id, choice, fp, petname, caller, &error))
    {
      trust_report (done, user, error->code, "%s", error->message);
      return;
    }
  key = contacts_get_key (trust->contacts, fp);
  decision = decision_new (trust, done, user);
  decide_subject (decision, fp);
  decide_request (decision, request);
  decision->resolves = TRUE;
  decision->unless_revoked = TRUE;
  decision->subject_contact = contact_get_id (key_get_contact (key));
  if (strcmp (choice, "verify-replace") == 0)
    {
      decide_replace (decision, key, request_get_contested (request), TRUST_VERIFIED, source);
      decide_release (decision, request_get_contested (request), release);
    }
  else
    decide_accept (decision, key, TRUST_VERIFIED, source, petname);
  decide (decision, "resolve", choice, caller);
}
