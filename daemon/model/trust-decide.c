/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SECURITY CRITICAL: the only file that wants a key's level raised or lowered.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/model/trust-private.h"

#define REASON_MAX 200
#define PEER_MISMATCHES_MAX 1000 /* a run of the daemon; knocking is rationed, but for ever */

/* Said no to, and written down: a caller wanted what must not be. */
static void
deny (Trust *trust, const char *event, const Fingerprint *fp, Contact *contact, const char *caller, GError *error_take)
{
  trust_record_denied (trust, event, fp, contact != NULL ? contact_get_id (contact) : 0, error_take, caller);
  g_error_free (error_take);
}

static GError *
blocked_error (void)
{
  return g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_BLOCKED, "The contact of this key is blocked: unblock it first");
}

static TrustLevel
evidence_get_level (const TrustEvidence *evidence)
{
  return evidence->in_person ? TRUST_VERIFIED : TRUST_PINNED;
}

/* What a person's word makes of a key. Anything higher stays, but for a level that only a chain vouched for: the key no longer hangs
 * on that chain. */
static TrustLevel
accepted_level (const Key *key, const TrustEvidence *evidence)
{
  TrustLevel level = key != NULL ? key_get_level (key) : TRUST_UNKNOWN;

  return MAX (evidence_get_level (evidence), level == TRUST_CA ? TRUST_UNKNOWN : level);
}

KeyRow *
decide_accept (Decision *decision, Key *key, TrustLevel level, const char *source, const char *petname)
{
  Contact *contact = key_get_contact (key);
  ContactRow *contact_row = decide_contact (decision, contact);
  Request *request = trust_find_request (decision->trust, key_get_fingerprint (key));
  /* The name it proved its key under, and not what is announced: anybody may announce a name with this key's hint, and
   * the name's true owner would later look like an impostor. */
  const char *addr = request != NULL ? request_get_name (request)
                     : contact_is_connected (contact) ? contact_get_claimed_addr (contact) : "";
  KeyRow *key_row = decide_key (decision, key);

  contact_row->stored = TRUE;
  if (contact_row->addrs[0] == NULL && *addr != '\0')
    {
      g_strfreev (contact_row->addrs);
      contact_row->addrs = g_new0 (char *, 2);
      contact_row->addrs[0] = g_strdup (addr);
    }
  if (petname != NULL && *petname != '\0')
    {
      g_free (contact_row->petname);
      contact_row->petname = g_strdup (petname);
    }
  if (key_row->level <= level || key_row->level == TRUST_CA)
    key_row_set_level (key_row, level, source);
  key_row->refused = FALSE;
  key_row->warned_by = 0;
  key_row->grant_owed = TRUE;
  return key_row;
}

KeyRow *
decide_new_contact (Decision *decision, const char *petname, const Fingerprint *fp, TrustLevel level, const char *source)
{
  ContactRow contact_row = { .id = contacts_new_id (decision->trust->contacts), .petname = g_strdup (petname), .stored = TRUE,
                             .created = g_get_real_time (), .addrs = g_new0 (char *, 1) };
  ContactRow no_contact = { .id = 0 };
  KeyRow key_row = { .fp = *fp, .contact = contact_row.id, .first_seen = contact_row.created, .grant_owed = TRUE };
  KeyRow no_key = { .contact = 0, .level = TRUST_UNKNOWN };

  key_row_set_level (&key_row, level, source);
  decision->subject_contact = contact_row.id;
  g_array_append_val (decision->contacts, contact_row);
  g_array_append_val (decision->contacts_before, no_contact);
  g_array_append_val (decision->keys, key_row);
  g_array_append_val (decision->keys_before, no_key);
  return &g_array_index (decision->keys, KeyRow, decision->keys->len - 1);
}

void
decide_replace (Decision *decision, Key *key, Contact *contested, TrustLevel level, const char *source)
{
  const GPtrArray *old_keys = contact_get_keys (contested);
  const Fingerprint *fp = key_get_fingerprint (key);
  Contact *from = key_get_contact (key);
  KeyRow *row;

  decide_contact (decision, contested)->stored = TRUE;
  for (guint i = 0; i < old_keys->len; i++)
    {
      Key *old = g_ptr_array_index (old_keys, i);

      if (old == key || key_get_level (old) < TRUST_PINNED)
        continue;
      row = decide_key (decision, old);
      key_row_set_level (row, TRUST_REVOKED, key_get_source (old));
      row->has_replacement = TRUE;
      row->replaced_by = *fp;
    }
  row = decide_key (decision, key);
  row->contact = contact_get_id (contested);
  row->refused = FALSE;
  row->grant_owed = TRUE;
  /* What a chain vouches for goes on doing so. */
  if (key_get_level (key) != TRUST_CA || level > TRUST_CA)
    key_row_set_level (row, level, source);
  if (from != contested && contact_is_stored (from))
    decision->moves_from = contact_get_id (from);
  else if (from != contested && contact_get_keys (from)->len == 1)
    decision->emptied = contact_get_id (from);
}

void
decide_release (Decision *decision, Contact *contested, gboolean release)
{
  decision->release = release;
  if (release)
    return;
  /* Before the new key is let in, on disk too: nothing written for the old one may slip through between. */
  decision->replaces = contact_get_id (contested);
  WATCHERS_CALL (&decision->trust->watchers, TrustWatch, replacing, decision->replaces, TRUE);
}

static void
decide_reject (Decision *decision, Key *key)
{
  KeyRow *row = decide_key (decision, key);

  decide_contact (decision, key_get_contact (key));
  row->refused = TRUE;
  row->grant_owed = FALSE;
}

static void
decide_block (Decision *decision, Contact *contact)
{
  ContactRow *row = decide_contact (decision, contact);
  const GPtrArray *keys = contact_get_keys (contact);
  Request *legacy = trust_find_legacy_request (decision->trust, contact);

  row->blocked = TRUE;
  row->stored = TRUE;
  if (decision->request == 0)
    decide_request (decision, legacy);
  for (guint i = 0; i < keys->len; i++)
    {
      Key *key = g_ptr_array_index (keys, i);
      Request *request = trust_find_request (decision->trust, key_get_fingerprint (key));

      decide_key (decision, key)->grant_owed = FALSE;
      if (request != NULL && decision->request == 0)
        decide_request (decision, request);
      else if (request != NULL)
        trust_change_delete_request (decision->change, request->row.id);
    }
}

/* Stores the contact with the name it is known by: nothing else will tell it again. */
void
decide_legacy (Decision *decision, Contact *contact, LegacyChoice choice, const char *addr, const char *petname)
{
  ContactRow *row = decide_contact (decision, contact);

  row->legacy = choice;
  row->stored |= choice == LEGACY_CHOICE_ALLOWED;
  if (row->addrs[0] == NULL && *addr != '\0')
    {
      g_strfreev (row->addrs);
      row->addrs = g_new0 (char *, 2);
      row->addrs[0] = g_strdup (addr);
    }
  if (petname != NULL && *petname != '\0')
    {
      g_free (row->petname);
      row->petname = g_strdup (petname);
    }
}

/* The audit names keys; who has none is named by number and, as it claims, by name. */
static void
decide_about_clear (Decision *decision, const char *event, const char *word, const Contact *contact, const char *caller)
{
  g_autofree char *name = log_safe (contact_get_claimed_addr (contact));
  g_autofree char *verdict = g_strdup_printf ("%s in clear: contact %u, %s", word, contact_get_id (contact), name);

  decide (decision, event, verdict, caller);
}

static void
on_kept_clear (gpointer user, const GError *error)
{
  if (error != NULL)
    log_warn ("trust", "a contact that speaks in clear could not be stored: %s", error->message);
}

void
trust_keep_clear (Trust *trust, Contact *contact, const char *addr)
{
  Decision *decision = decision_new (trust, on_kept_clear, NULL);

  decision->subject_contact = contact_get_id (contact);
  decide_legacy (decision, contact, LEGACY_CHOICE_NONE, addr != NULL && *addr != '\0' ? addr : contact_get_claimed_addr (contact), NULL);
  decide_contact (decision, contact)->stored = TRUE;
  decide_about_clear (decision, "legacy", "admitted", contact, "policy");
}

/* There is no key to name: the question is about a contact. */
static void
resolve_legacy (Trust *trust, Request *request, const char *choice, const char *petname, const char *caller, DoneFunc done,
                gpointer user)
{
  Contact *contact = request_get_contact (request);
  gboolean allow = strcmp (choice, "allow") == 0;
  g_autoptr (GError) error = NULL;
  Decision *decision;

  if (allow && !trust_check_legacy (trust, contact, &error))
    {
      deny (trust, "resolve-legacy", NULL, contact, caller, g_error_copy (error));
      trust_report (done, user, error->code, "%s", error->message);
      return;
    }
  decision = decision_new (trust, done, user);
  decision->subject_contact = contact_get_id (contact);
  decide_request (decision, request);
  decision->resolves = TRUE;
  if (strcmp (choice, "block") == 0)
    decide_block (decision, contact);
  else
    decide_legacy (decision, contact, allow ? LEGACY_CHOICE_ALLOWED : LEGACY_CHOICE_REFUSED, request_get_name (request),
                   allow ? petname : NULL);
  decide_about_clear (decision, "resolve-legacy", choice, contact, caller);
}

static gboolean
is_offered (const Request *request, const char *choice)
{
  return g_strv_contains (request_get_choices (request), choice);
}

gboolean
trust_check_answer (Trust *trust, Request *request, const char *choice, const Fingerprint *fp, const char *petname,
                    const char *caller, GError **error)
{
  Contact *contact = request != NULL ? request_get_contact (request) : NULL;
  gboolean raises = strcmp (choice, "reject") != 0 && strcmp (choice, "block") != 0;

  if (request == NULL || request->resolving)
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_ALREADY_RESOLVED, "This request was already resolved");
      return FALSE;
    }
  if (!is_offered (request, choice) || (contact == NULL && !request_is_introduction (request)))
    {
      g_autofree char *offered = g_strjoinv (", ", (char **) request_get_choices (request));

      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "choice is not one of: %s", offered);
      return FALSE;
    }
  if (petname != NULL && *petname != '\0' && !contacts_check_petname (trust->contacts, contact, petname, error))
    return FALSE;
  if (fp != NULL && request->row.keyless)
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_MISMATCH, "this request is about a peer without a key");
      return FALSE;
    }
  if (raises && fp == NULL && !request->row.keyless)
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT,
                           "option fingerprint is missing: a choice that raises trust names the full key");
      return FALSE;
    }
  if (fp != NULL && !fingerprint_equal (fp, &request->row.fp))
    {
      deny (trust, choice, fp, contact, caller,
            g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_MISMATCH, "not the key of the request"));
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_MISMATCH,
                           "the fingerprint given is not the one this request is about");
      return FALSE;
    }
  return TRUE;
}

void
trust_resolve (Trust *trust, guint64 id, const char *choice, const Fingerprint *fp, const char *petname,
               gboolean release, const char *caller, DoneFunc done, gpointer user)
{
  Request *request = trust_get_request (trust, id);
  g_autoptr (GError) error = NULL;
  Decision *decision;
  Contact *contact;
  Key *key;

  if (request != NULL && !request->resolving && request_is_own (request))
    {
      trust_resolve_own (trust, request, choice, caller, done, user);
      return;
    }
  if (trust_needs_comparison (choice) && (request == NULL || !request_is_introduction (request)))
    g_set_error_literal (&error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "that answer needs a comparison");
  else
    trust_check_answer (trust, request, choice, fp, petname, caller, &error);
  if (error != NULL)
    {
      trust_report (done, user, error->code, "%s", error->message);
      return;
    }
  if (request->row.keyless)
    {
      resolve_legacy (trust, request, choice, petname, caller, done, user);
      return;
    }
  if (request_is_introduction (request))
    {
      trust_resolve_introduction (trust, request, choice, strcmp (choice, "reject") != 0 ? petname : NULL, caller, done, user);
      return;
    }
  contact = request_get_contact (request);
  key = contacts_get_key (trust->contacts, &request->row.fp);
  decision = decision_new (trust, done, user);
  decide_subject (decision, &request->row.fp);
  decide_request (decision, request);
  decision->resolves = TRUE;
  decision->subject_contact = contact_get_id (contact);
  if (strcmp (choice, "replace") == 0 && request->row.is_heir
      && trust_why_no_heir (trust, &request->row.predecessor, &request->row.fp) == NULL)
    {
      /* The old key's own word, and now a person's (docs/protocol.md 3.5): it is the same person at the same level. */
      decision->succeeds = TRUE;
      decision->predecessor = request->row.predecessor;
      decide_succession (decision, contacts_get_key (trust->contacts, &request->row.predecessor), key);
    }
  else if (strcmp (choice, "replace") == 0)
    {
      decide_replace (decision, key, request_get_contested (request), TRUST_PINNED, "user");
      decide_release (decision, request_get_contested (request), release);
    }
  else if (strcmp (choice, "reject") == 0)
    decide_reject (decision, key);
  else if (strcmp (choice, "block") == 0)
    decide_block (decision, contact);
  else if (key_get_level (key) == TRUST_CA) /* another person who came by a chain stays who the chain says */
    decide_accept (decision, key, TRUST_CA, key_get_source (key), petname);
  else
    decide_accept (decision, key, TRUST_PINNED, "user", petname);
  decide (decision, "resolve", choice, caller);
}

typedef struct {
  Trust *trust;
  guint64 id;
  gint64 until;
  DoneFunc done;
  gpointer user;
} Snoozing;

static void
on_snoozed (gpointer user, const GError *error)
{
  g_autofree Snoozing *snoozing = user;
  Request *request = trust_get_request (snoozing->trust, snoozing->id);

  if (error == NULL && request != NULL)
    {
      request->row.snoozed_until = snoozing->until;
      WATCHERS_CALL (&snoozing->trust->watchers, TrustWatch, request_changed, request);
    }
  if (snoozing->done != NULL)
    snoozing->done (snoozing->user, error);
}

void
trust_snooze (Trust *trust, guint64 id, gint64 until, DoneFunc done, gpointer user)
{
  Request *request = trust_get_request (trust, id);
  TrustChange *change;
  Snoozing *snoozing;
  gint64 before;

  if (request == NULL || request->resolving)
    {
      trust_report (done, user, EARSHOT_ERROR_ALREADY_RESOLVED, "This request was already resolved");
      return;
    }
  snoozing = g_new0 (Snoozing, 1);
  snoozing->trust = trust;
  snoozing->id = id;
  snoozing->until = until;
  snoozing->done = done;
  snoozing->user = user;
  change = trust_change_new ();
  before = request->row.snoozed_until;
  request->row.snoozed_until = until;
  trust_change_put_request (change, &request->row);
  request->row.snoozed_until = before;
  trust_store_apply (trust->store, change, on_snoozed, snoozing);
}

Decision *
decide_about_key (Trust *trust, Key *key, const Fingerprint *fp, const char *event, const char *caller, DoneFunc done, gpointer user)
{
  Decision *decision;
  Request *request;

  if (key == NULL)
    {
      trust_report (done, user, EARSHOT_ERROR_NOT_FOUND, "No such key has been seen");
      return NULL;
    }
  if (contact_is_blocked (key_get_contact (key)))
    {
      deny (trust, event, fp, key_get_contact (key), caller, blocked_error ());
      trust_report (done, user, EARSHOT_ERROR_BLOCKED, "The contact of this key is blocked: unblock it first");
      return NULL;
    }
  request = trust_find_request (trust, fp);
  if (request != NULL && request->resolving)
    {
      trust_report (done, user, EARSHOT_ERROR_ALREADY_RESOLVED, "This key is being decided about right now");
      return NULL;
    }
  decision = decision_new (trust, done, user);
  decide_subject (decision, fp);
  decision->subject_contact = contact_get_id (key_get_contact (key));
  decide_request (decision, request);
  return decision;
}

void
trust_accept (Trust *trust, const Fingerprint *fp, const TrustEvidence *evidence, const char *caller, DoneFunc done,
              gpointer user)
{
  Key *key = contacts_get_key (trust->contacts, fp);
  Decision *decision = decide_about_key (trust, key, fp, "accept", caller, done, user);

  if (decision == NULL)
    return;
  decide_accept (decision, key, evidence_get_level (evidence), evidence->source, NULL);
  decide (decision, "accept", trust_level_to_string (accepted_level (key, evidence)), caller);
}

void
trust_verify (Trust *trust, const Fingerprint *fp, const char *caller, DoneFunc done, gpointer user)
{
  Key *key = contacts_get_key (trust->contacts, fp);
  Decision *decision;
  KeyRow *row;

  /* Comparing proves whose key it is, and not that a word against it was a mistake. */
  if (key != NULL && key_get_level (key) == TRUST_REVOKED)
    {
      deny (trust, "verify", fp, key_get_contact (key), caller,
            g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_NOT_TRUSTED, "revoked"));
      trust_report (done, user, EARSHOT_ERROR_NOT_TRUSTED, "This key is revoked: accept it first if that was a mistake");
      return;
    }
  decision = decide_about_key (trust, key, fp, "verify", caller, done, user);
  if (decision == NULL)
    return;
  row = decide_accept (decision, key, TRUST_VERIFIED, "code", NULL);
  /* A peer whose messages were let in before has its <granted/>, or it is owed already. */
  if (key_get_level (key) >= TRUST_PINNED)
    row->grant_owed = key_is_grant_owed (key);
  decision->unless_revoked = TRUE;
  decide (decision, "verify", "verified", caller);
}

void
trust_note_mismatch (Trust *trust, const Fingerprint *fp, const char *why, const char *caller)
{
  g_autofree char *hex = fingerprint_to_hex (fp);
  g_autofree char *who = log_safe (caller);
  g_autofree char *verdict = g_strconcat ("mismatch: ", why, NULL);
  Key *key = contacts_get_key (trust->contacts, fp);
  TrustChange *change;

  log_event (G_LOG_LEVEL_WARNING, "trust", 0, 0, "code-mismatch", "the codes of key %.16s do not match: %s, by %s", hex, why, who);
  if (strcmp (caller, "peer") == 0 && trust->mismatches++ >= PEER_MISMATCHES_MAX)
    return;
  change = trust_change_new ();
  trust_change_audit (change, &(AuditEntry){ .event = "verify", .fp = hex, .verdict = verdict, .caller = caller,
                                             .contact = key != NULL ? contact_get_id (key_get_contact (key)) : 0 });
  trust_store_apply (trust->store, change, NULL, NULL);
}

void
trust_revoke (Trust *trust, const Fingerprint *fp, const char *reason, const char *caller, DoneFunc done, gpointer user)
{
  Key *key = contacts_get_key (trust->contacts, fp);
  Decision *decision;
  g_autofree char *short_reason = NULL;

  if (key == NULL)
    {
      trust_report (done, user, EARSHOT_ERROR_NOT_FOUND, "No such key has been seen");
      return;
    }
  if (!g_utf8_validate (reason, -1, NULL) || strlen (reason) > REASON_MAX)
    {
      trust_report (done, user, EARSHOT_ERROR_INVALID_ARGUMENT, "reason is longer than %d bytes", REASON_MAX);
      return;
    }
  decision = decision_new (trust, done, user);
  decide_subject (decision, fp);
  decision->subject_contact = contact_get_id (key_get_contact (key));
  decide_request (decision, trust_find_request (trust, fp));
  decide_contact (decision, key_get_contact (key))->stored = TRUE;
  key_row_set_level (decide_key (decision, key), TRUST_REVOKED, key_get_source (key));
  short_reason = g_strconcat ("revoked: ", reason, NULL);
  decide (decision, "revoke", short_reason, caller);
}

void
trust_set_legacy_choice (Trust *trust, Contact *contact, LegacyChoice choice, const char *caller, DoneFunc done, gpointer user)
{
  Request *request = trust_find_legacy_request (trust, contact);
  g_autoptr (GError) error = NULL;
  Decision *decision;

  if (choice == LEGACY_CHOICE_ALLOWED && !trust_check_legacy (trust, contact, &error))
    {
      deny (trust, "legacy", NULL, contact, caller, g_error_copy (error));
      trust_report (done, user, error->code, "%s", error->message);
      return;
    }
  if (request != NULL && request->resolving)
    {
      trust_report (done, user, EARSHOT_ERROR_ALREADY_RESOLVED, "This contact is being decided about right now");
      return;
    }
  decision = decision_new (trust, done, user);
  decision->subject_contact = contact_get_id (contact);
  decide_request (decision, request);
  decide_legacy (decision, contact, choice, contact_get_claimed_addr (contact), NULL);
  decide_about_clear (decision, "legacy", choice == LEGACY_CHOICE_NONE ? "no choice" : legacy_choice_to_string (choice),
                      contact, caller);
}

void
trust_set_blocked (Trust *trust, Contact *contact, gboolean blocked, const char *caller, DoneFunc done, gpointer user)
{
  Key *active = contact_get_active_key (contact);
  Decision *decision = decision_new (trust, done, user);

  decision->subject_contact = contact_get_id (contact);
  if (active != NULL)
    decide_subject (decision, key_get_fingerprint (active));
  if (blocked)
    decide_block (decision, contact);
  else
    decide_contact (decision, contact)->blocked = FALSE;
  decide (decision, blocked ? "block" : "unblock", blocked ? "blocked" : "unblocked", caller);
}

void
trust_forget (Trust *trust, Contact *contact, const char *caller, DoneFunc done, gpointer user)
{
  g_autofree char *setting = g_strdup_printf (TRUST_FORGOTTEN_SETTING "%u", contact_get_id (contact));
  Key *active = contact_get_active_key (contact);
  Decision *decision = decision_new (trust, done, user);

  decision->forget = contact_get_id (contact);
  decision->subject_contact = decision->forget;
  if (active != NULL)
    decide_subject (decision, key_get_fingerprint (active));
  trust_change_delete_contact (decision->change, decision->forget);
  /* What was said with it is in another file: until that is gone, too, the next start would find it again. */
  trust_change_put_setting (decision->change, setting, "1");
  decide (decision, "forget", "forgotten", caller);
}

void
trust_forget_done (Trust *trust, guint32 contact)
{
  g_autofree char *setting = g_strdup_printf (TRUST_FORGOTTEN_SETTING "%u", contact);
  TrustChange *change = trust_change_new ();

  trust_change_put_setting (change, setting, NULL);
  trust_store_apply (trust->store, change, NULL, NULL);
}

typedef struct {
  TrustAdded done;
  gpointer user;
  GError *error;
} LateAdded;

static gboolean
on_late_added (gpointer data)
{
  LateAdded *late = data;

  late->done (late->user, 0, late->error);
  g_error_free (late->error);
  g_free (late);
  return G_SOURCE_REMOVE;
}

/* What stands against it, or NULL. */
static GError *
check_addition (Trust *trust, const char *petname, const Key *key, gboolean invited)
{
  GError *error = NULL;

  if (!contacts_check_petname (trust->contacts, key != NULL ? key_get_contact (key) : NULL, petname, &error))
    return error;
  if (key != NULL && contact_is_blocked (key_get_contact (key)))
    return blocked_error ();
  /* A link is no word against one that was given on purpose (T-17). */
  if (invited && key != NULL && (key_get_level (key) == TRUST_REVOKED || key_is_refused (key)))
    return g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_NOT_TRUSTED,
                                "This key was revoked or rejected here: accept it first if that was a mistake");
  return NULL;
}

void
trust_add_contact (Trust *trust, const char *petname, const Fingerprint *fp, const TrustEvidence *evidence,
                   const char *caller, TrustAdded done, gpointer user)
{
  trust_add (trust, "add-contact", petname, fp, evidence, NULL, caller, done, user);
}

void
trust_add (Trust *trust, const char *event, const char *petname, const Fingerprint *fp, const TrustEvidence *evidence,
           const TrustInvited *invited, const char *caller, TrustAdded done, gpointer user)
{
  Key *key = contacts_get_key (trust->contacts, fp);
  TrustLevel level = accepted_level (key, evidence);
  GError *error = check_addition (trust, petname, key, invited != NULL);
  Decision *decision;

  if (error != NULL)
    {
      LateAdded *late = g_new0 (LateAdded, 1);

      late->done = done;
      late->user = user;
      late->error = error;
      deny (trust, event, fp, key != NULL ? key_get_contact (key) : NULL, caller, g_error_copy (late->error));
      g_idle_add_full (G_PRIORITY_DEFAULT, on_late_added, late, NULL);
      return;
    }
  decision = decision_new (trust, NULL, user);
  decision->added = done;
  decision->unless_revoked = invited != NULL;
  if (invited != NULL && invited->owed != NULL)
    trust_change_put_owed (decision->change, invited->owed);
  decide_subject (decision, fp);
  if (key != NULL)
    {
      decision->subject_contact = contact_get_id (key_get_contact (key));
      decide_request (decision, trust_find_request (trust, fp));
      decide_accept (decision, key, evidence_get_level (evidence), evidence->source, petname);
    }
  else
    decide_new_contact (decision, petname, fp, level, evidence->source);
  decide (decision, event, trust_level_to_string (level), caller);
}

void
trust_keep (Trust *trust, Contact *contact, DoneFunc done, gpointer user)
{
  const GPtrArray *keys = contact_get_keys (contact);
  const char *addr = contact_get_claimed_addr (contact);
  Decision *decision;
  ContactRow *row;

  if (contact_is_stored (contact))
    {
      trust_report (done, user, -1, "%s", "");
      return;
    }
  decision = decision_new (trust, done, user);
  decision->subject_contact = contact_get_id (contact);
  row = decide_contact (decision, contact);
  row->stored = TRUE;
  if (row->addrs[0] == NULL && *addr != '\0')
    {
      g_strfreev (row->addrs);
      row->addrs = g_new0 (char *, 2);
      row->addrs[0] = g_strdup (addr);
    }
  for (guint i = 0; i < keys->len; i++)
    decide_key (decision, g_ptr_array_index (keys, i));
  decide (decision, "keep", "kept, no key trusted by it", "user");
}

void
trust_grant_done (Trust *trust, Key *key)
{
  KeyRow row;

  if (!key_is_grant_owed (key))
    return;
  key_to_row (key, &row);
  row.grant_owed = FALSE;
  contacts_apply_key (trust->contacts, &row); /* no level in it */
  key_row_clear (&row);
  contacts_save (key_get_contact (key));
}
