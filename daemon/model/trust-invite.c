/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SECURITY CRITICAL: what an invite makes of keys (docs/protocol.md 3.11). Threat: a link leaks, and whoever has it can prove it. That
 * says who holds the link, and nothing about names; so a name that is somebody else's is a question for people, as ever.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/model/trust-private.h"

/* Whose the name is must be decided by people first. */
static gboolean
is_contested (Trust *trust, const Fingerprint *fp)
{
  Request *request = trust_find_request (trust, fp);

  return request != NULL && !request->resolving && strcmp (request_get_kind (request), "name-conflict") == 0
         && request_get_contested (request) != NULL;
}

static void
spend_contested (Trust *trust, const Fingerprint *fp, const char *id, const char *caller, DoneFunc done, gpointer user)
{
  Key *key = contacts_get_key (trust->contacts, fp);
  g_autofree char *hex = fingerprint_to_hex (fp);
  g_autofree char *inputs = g_strconcat ("invite=", id, NULL);
  TrustChange *change = trust_change_new ();

  log_event (G_LOG_LEVEL_MESSAGE, "trust", key != NULL ? contact_get_id (key_get_contact (key)) : 0, 0, "name-conflict",
             "invited: key %.16s came under a name that is another's; people decide", hex);
  trust_change_use_invite (change, id, fp);
  trust_change_audit (change, &(AuditEntry){ .event = "invited", .fp = hex, .inputs = inputs, .verdict = "name-conflict",
                                             .caller = caller,
                                             .contact = key != NULL ? contact_get_id (key_get_contact (key)) : 0 });
  trust_store_apply (trust->store, change, done, user);
}

gboolean
trust_admit_invited (Trust *trust, const Fingerprint *fp, const char *id, gboolean in_person, const char *caller, DoneFunc done,
                     gpointer user)
{
  Key *key = contacts_get_key (trust->contacts, fp);
  Decision *decision;
  TrustLevel level;
  KeyRow *row;

  if (is_contested (trust, fp))
    {
      spend_contested (trust, fp, id, caller, done, user);
      return FALSE;
    }
  if (key != NULL && (key_get_level (key) == TRUST_REVOKED || key_is_refused (key)))
    {
      g_autoptr (GError) error = g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_NOT_TRUSTED, "revoked or rejected");

      trust_record_denied (trust, "invited", fp, contact_get_id (key_get_contact (key)), error, caller);
      trust_report (done, user, EARSHOT_ERROR_NOT_TRUSTED, "This key was revoked or rejected here");
      return TRUE;
    }
  decision = decide_about_key (trust, key, fp, "invited", caller, done, user);
  if (decision == NULL)
    return TRUE;
  trust_change_use_invite (decision->change, id, fp);
  decide_accept (decision, key, in_person ? TRUST_VERIFIED : TRUST_PINNED, "invite", NULL);
  row = &g_array_index (decision->keys, KeyRow, decision->keys->len - 1);
  level = row->level;
  /* A peer whose messages were let in before has its <granted/>, or it is owed already. */
  if (key_get_level (key) >= TRUST_PINNED)
    row->grant_owed = key_is_grant_owed (key);
  decision->unless_revoked = TRUE;
  decide (decision, "invited", trust_level_to_string (level), caller);
  return TRUE;
}

void
trust_accept_invite (Trust *trust, const char *petname, const Fingerprint *fp, gboolean in_person, const InviteOwedRow *owed,
                     const char *caller, TrustAdded done, gpointer user)
{
  const TrustEvidence evidence = { .source = "invite", .in_person = in_person };
  const TrustInvited invited = { .owed = owed };

  trust_add (trust, "accept-invite", petname, fp, &evidence, &invited, caller, done, user);
}
