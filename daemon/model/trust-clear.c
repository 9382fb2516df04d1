/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Peers without TLS (docs/protocol.md 3.9). Threat: whoever strips STARTTLS looks like one of them, and a name is anybody's claim.
 * SECURITY CRITICAL: gathers what the policy must know and asks it; what it may not know counts against the peer. Refused
 * unless people said otherwise, and never for anybody who ever showed a key (T-21).
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/jid.h"
#include "daemon/base/log.h"
#include "daemon/model/trust-private.h"

LegacyPolicy
trust_get_legacy_policy (Trust *trust)
{
  return trust->legacy;
}

void
trust_set_legacy_policy (Trust *trust, LegacyPolicy policy)
{
  if (trust->legacy == policy)
    return;
  log_notice ("trust", "legacy policy %s replaces %s", legacy_policy_to_string (policy),
              legacy_policy_to_string (trust->legacy));
  trust->legacy = policy;
  WATCHERS_CALL (&trust->watchers, TrustWatch, mode_changed);
  trust_review_clear (trust);
}

static gboolean
on_review (gpointer user)
{
  Trust *trust = user;

  trust->review_source = 0;
  WATCHERS_CALL (&trust->watchers, TrustWatch, clear_changed);
  return G_SOURCE_REMOVE;
}

/* From the loop: what changed may have come from inside a session. */
void
trust_review_clear (Trust *trust)
{
  if (trust->review_source == 0)
    trust->review_source = g_idle_add_full (G_PRIORITY_HIGH, on_review, trust, NULL);
}

/* --- open questions ----------------------------------------------------------- */

Request *
trust_find_legacy_request (Trust *trust, const Contact *contact)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, trust->requests);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Request *request = value;

      if (request->row.keyless && request->row.contact == contact_get_id (contact))
        return request;
    }
  return NULL;
}

void
trust_clear_on_removed (Trust *trust, Contact *contact)
{
  Request *request = trust_find_legacy_request (trust, contact);

  if (request != NULL)
    trust_drop_request (trust, request);
}

void
trust_withdraw_request (Trust *trust, Request *request)
{
  TrustChange *change = trust_change_new ();

  trust_change_delete_request (change, request->row.id);
  trust_store_apply (trust->store, change, NULL, NULL);
  trust_drop_request (trust, request);
}

void
trust_clear_on_key (Trust *trust, Contact *contact)
{
  Request *request = trust_find_legacy_request (trust, contact);

  if (request != NULL && !request->resolving)
    trust_withdraw_request (trust, request);
  trust_review_clear (trust);
}

void
trust_reopen_request (Trust *trust, Request *request)
{
  Contact *contact = request->row.keyless ? request_get_contact (request) : NULL;

  request->resolving = FALSE;
  if (request->row.keyless && (contact == NULL || contact_get_keys (contact)->len > 0))
    trust_withdraw_request (trust, request);
}

/* Once a contact, however often it knocks. */
static void
ask (Trust *trust, Contact *contact, const char *addr, const char *link)
{
  Request *request = trust_find_legacy_request (trust, contact);

  if (request != NULL)
    return;
  request = g_new0 (Request, 1);
  request->row.keyless = TRUE;
  request->row.contact = contact_get_id (contact);
  request->row.kind = g_strdup ("legacy-peer");
  request->row.name = g_strdup (addr != NULL && *addr != '\0' ? addr : contact_get_claimed_addr (contact));
  request->row.link = g_strdup (link != NULL ? link : "");
  trust_open_request (trust, request);
}

/* --- judging --------------------------------------------------------------------- */

/* Names cost nothing: who makes up a thousand must not be kept a thousand times. As many as strangers, then people are asked. */
static gboolean
has_room (Trust *trust)
{
  g_autoptr (GPtrArray) all = contacts_list (trust->contacts);
  guint count = 0;

  for (guint i = 0; i < all->len; i++)
    {
      const Contact *contact = g_ptr_array_index (all, i);

      count += contact_is_stored (contact) && contact_is_legacy (contact)
               && contact_get_legacy_choice (contact) == LEGACY_CHOICE_NONE;
    }
  return count < contacts_get_max_strangers (trust->contacts);
}

static LegacyQuestion
question_about (Trust *trust, Contact *contact, const char *addr, gboolean inbound)
{
  LegacyQuestion question = { .policy = trust->legacy, .mode = trust->mode, .inbound = inbound };

  question.blocked = contact_is_blocked (contact);
  question.choice = contact_get_legacy_choice (contact);
  question.tls_seen = contacts_saw_tls (trust->contacts, contact, addr);
  question.announces_tls = contacts_announce_tls (trust->contacts, contact, addr);
  question.contested = contacts_is_name_contested (trust->contacts, contact, addr);
  return question;
}

gboolean
trust_still_admits_clear (Trust *trust, Contact *contact)
{
  LegacyQuestion question = question_about (trust, contact, NULL, FALSE);

  return trust_policy_judge_clear (&question).action == LEGACY_ACTION_ADMIT;
}

gboolean
trust_admits_clear (Trust *trust, Contact *contact, const char *addr, const char *link, gboolean inbound)
{
  g_autofree char *name = log_safe (addr != NULL ? addr : "");
  LegacyQuestion question = question_about (trust, contact, addr, inbound);
  LegacyVerdict verdict = trust_policy_judge_clear (&question);

  /* Who would only be let in by the policy is kept, and there is no room for more. */
  if (verdict.action == LEGACY_ACTION_ADMIT && question.choice == LEGACY_CHOICE_NONE && !contact_is_stored (contact)
      && !has_room (trust))
    {
      question.policy = LEGACY_ASK;
      verdict = trust_policy_judge_clear (&question);
    }
  log_event (verdict.action == LEGACY_ACTION_ADMIT || question.tls_seen ? G_LOG_LEVEL_MESSAGE : G_LOG_LEVEL_INFO, "trust",
             contact_get_id (contact), 0, verdict.reason, "%s speaks no TLS (%s, legacy %s, mode %s, said \"%s\"%s%s%s%s): %s, %s", name,
             inbound ? "inbound" : "outbound", legacy_policy_to_string (question.policy),
             trust_mode_to_string (question.mode), legacy_choice_to_string (question.choice),
             question.blocked ? ", blocked" : "", question.tls_seen ? ", TLS seen before" : "",
             question.announces_tls ? ", TLS announced" : "", question.contested ? ", name contested" : "",
             verdict.action == LEGACY_ACTION_ADMIT ? "admitted in clear" : "refused", verdict.reason);
  if (verdict.action == LEGACY_ACTION_REFUSE)
    trust_record_clear_refusal (trust, contact, addr, link, &question, verdict.reason);
  if (!question.tls_seen && !question.announces_tls)
    contacts_note_clear (contact);
  if (verdict.action == LEGACY_ACTION_ASK)
    ask (trust, contact, addr, link);
  /* The policy is the decision, and on disk: that the contact is kept with what it says may follow. */
  else if (verdict.action == LEGACY_ACTION_ADMIT && !contact_is_stored (contact))
    trust_keep_clear (trust, contact, addr);
  return verdict.action == LEGACY_ACTION_ADMIT;
}

gboolean
trust_check_legacy (Trust *trust, const Contact *contact, GError **error)
{
  if (contacts_saw_tls (trust->contacts, contact, NULL))
    g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_PEER_INSECURE,
                         "This contact, or its name, has used a key: it is never spoken to in clear. If it really has no TLS any more, "
                         "forget the contact that has the key, and let the other one be seen anew");
  else if (contacts_announce_tls (trust->contacts, contact, NULL))
    g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_PEER_INSECURE,
                         "This contact announces TLS: it is never spoken to in clear. Connect to it, and decide about its key");
  else if (contact_is_blocked (contact))
    g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_BLOCKED, "The contact is blocked: unblock it first");
  else
    return TRUE;
  return FALSE;
}
