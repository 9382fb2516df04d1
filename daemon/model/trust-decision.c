/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SECURITY CRITICAL: how a decision becomes true. Disk first: rows are written in one change together with their audit
 * record, one decision at a time, and memory follows after the commit. What changed between the word and its turn is not undone.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/model/trust-private.h"

static GArray *
contact_rows_new (void)
{
  GArray *rows = g_array_new (FALSE, FALSE, sizeof (ContactRow));

  g_array_set_clear_func (rows, (GDestroyNotify) contact_row_clear);
  return rows;
}

static GArray *
key_rows_new (void)
{
  GArray *rows = g_array_new (FALSE, FALSE, sizeof (KeyRow));

  g_array_set_clear_func (rows, (GDestroyNotify) key_row_clear);
  return rows;
}

Decision *
decision_new (Trust *trust, DoneFunc done, gpointer user)
{
  Decision *decision = g_new0 (Decision, 1);

  decision->trust = trust;
  decision->change = trust_change_new ();
  decision->contacts = contact_rows_new ();
  decision->contacts_before = contact_rows_new ();
  decision->keys = key_rows_new ();
  decision->keys_before = key_rows_new ();
  decision->release = TRUE;
  decision->done = done;
  decision->user = user;
  return decision;
}

static void
decision_free (Decision *decision)
{
  g_array_unref (decision->contacts);
  g_array_unref (decision->contacts_before);
  g_array_unref (decision->keys);
  g_array_unref (decision->keys_before);
  trust_change_free (decision->change);
  g_free (decision->event);
  g_free (decision->verdict);
  g_free (decision->caller);
  g_free (decision);
}

ContactRow *
decide_contact (Decision *decision, const Contact *contact)
{
  ContactRow row;

  for (guint i = 0; i < decision->contacts->len; i++)
    if (g_array_index (decision->contacts, ContactRow, i).id == contact_get_id (contact))
      return &g_array_index (decision->contacts, ContactRow, i);
  contact_to_row (contact, &row);
  g_array_append_val (decision->contacts_before, row);
  contact_to_row (contact, &row);
  g_array_append_val (decision->contacts, row);
  return &g_array_index (decision->contacts, ContactRow, decision->contacts->len - 1);
}

KeyRow *
decide_key (Decision *decision, const Key *key)
{
  KeyRow row;

  key_to_row (key, &row);
  g_array_append_val (decision->keys_before, row);
  key_to_row (key, &row);
  g_array_append_val (decision->keys, row);
  return &g_array_index (decision->keys, KeyRow, decision->keys->len - 1);
}

void
key_row_set_level (KeyRow *row, TrustLevel level, const char *source)
{
  row->level = level;
  row->since = g_get_real_time ();
  g_free (row->source);
  row->source = g_strdup (source);
  /* It rests on another word than an introducer's now. */
  if (strcmp (source, "introduction") != 0)
    row->introduced_by = 0;
}

void
decide_subject (Decision *decision, const Fingerprint *fp)
{
  decision->has_subject = TRUE;
  decision->subject = *fp;
}

/* Closes the question of a key, whoever decided it. */
void
decide_request (Decision *decision, Request *request)
{
  if (request == NULL)
    return;
  request->resolving = TRUE;
  decision->request = request->row.id;
  trust_change_delete_request (decision->change, request->row.id);
}

static void
report_decided (Decision *decision)
{
  Trust *trust = decision->trust;
  Key *key = decision->has_subject ? contacts_get_key (trust->contacts, &decision->subject) : NULL;
  Contact *contact = key != NULL ? key_get_contact (key) : contacts_get (trust->contacts, decision->subject_contact);

  if (decision->forget != 0)
    WATCHERS_CALL (&trust->watchers, TrustWatch, forgotten, decision->forget, NULL);
  else if (contact != NULL)
    WATCHERS_CALL (&trust->watchers, TrustWatch, level_changed, contact, key, decision->release);
  trust_review_clear (trust);
  trust_review_introductions (trust);
  if (decision->moves_from != 0 && contact != NULL && contact_get_id (contact) != decision->moves_from)
    WATCHERS_CALL (&trust->watchers, TrustWatch, moved, decision->moves_from, contact);
}

/* Questions about keys of a contact that is blocked, or of keys that got trusted, have their answer. */
static void
drop_answered (Trust *trust, Decision *decision)
{
  Request *request = decision->request != 0 ? trust_get_request (trust, decision->request) : NULL;
  g_autoptr (GPtrArray) all = NULL;

  if (request != NULL)
    trust_drop_request (trust, request);
  request = decision->also != 0 ? trust_get_request (trust, decision->also) : NULL;
  if (request != NULL)
    trust_drop_request (trust, request);
  all = trust_list_requests (trust);
  for (guint i = 0; i < all->len; i++)
    {
      Contact *contact = request_get_contact (g_ptr_array_index (all, i));

      if (contact != NULL && contact_is_blocked (contact) && !request_is_introduction (g_ptr_array_index (all, i)))
        trust_drop_request (trust, g_ptr_array_index (all, i));
    }
  /* It knocked while the disk was being told about it. */
  for (guint i = 0; i < decision->keys->len; i++)
    {
      const KeyRow *row = &g_array_index (decision->keys, KeyRow, i);

      request = row->level != TRUST_UNKNOWN || row->refused ? trust_find_request (trust, &row->fp) : NULL;
      if (request != NULL && !request->resolving)
        trust_withdraw_request (trust, request);
    }
}

static void
on_decided (gpointer user, const GError *error)
{
  Decision *decision = user;
  Trust *trust = decision->trust;
  Request *request = decision->request != 0 ? trust_get_request (trust, decision->request) : NULL;

  for (guint i = 0; i < decision->contacts->len; i++)
    contacts_hold (trust->contacts, g_array_index (decision->contacts, ContactRow, i).id, FALSE);
  if (error == NULL)
    {
      for (guint i = 0; i < decision->contacts->len; i++)
        contacts_apply_contact (trust->contacts, &g_array_index (decision->contacts, ContactRow, i));
      for (guint i = 0; i < decision->keys->len; i++)
        contacts_apply_key (trust->contacts, &g_array_index (decision->keys, KeyRow, i));
      drop_answered (trust, decision);
      if (decision->forget != 0)
        contacts_apply_delete_contact (trust->contacts, decision->forget);
      report_decided (decision);
    }
  else
    {
      log_warn ("trust", "a decision was not stored: %s", error->message);
      if (request != NULL)
        trust_reopen_request (trust, request);
      request = decision->also != 0 ? trust_get_request (trust, decision->also) : NULL;
      if (request != NULL)
        trust_reopen_request (trust, request);
      trust_review_introductions (trust);
      if (decision->replaces != 0)
        WATCHERS_CALL (&trust->watchers, TrustWatch, replacing, decision->replaces, FALSE);
    }
  if (decision->added != NULL)
    decision->added (decision->user, decision->subject_contact, error);
  else if (decision->done != NULL)
    decision->done (decision->user, error);
  decision_free (decision);
  contacts_end_turn (trust->contacts);
}

/* Onto the contact as it is now goes what this decision wanted to change. */
static gboolean
merge_contact (Trust *trust, ContactRow *wanted, const ContactRow *before, GError **error)
{
  Contact *contact = contacts_get (trust->contacts, wanted->id);
  ContactRow row;

  if (before->id == 0)
    return contacts_check_petname (trust->contacts, contact, wanted->petname, error);
  if (contact == NULL)
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_FOUND, "The contact was forgotten meanwhile");
      return FALSE;
    }
  contact_to_row (contact, &row);
  if (strcmp (wanted->petname, before->petname) != 0)
    {
      if (!contacts_check_petname (trust->contacts, contact, wanted->petname, error))
        {
          contact_row_clear (&row);
          return FALSE;
        }
      g_free (row.petname);
      row.petname = g_strdup (wanted->petname);
    }
  if (wanted->blocked != before->blocked)
    row.blocked = wanted->blocked;
  if (wanted->legacy != before->legacy)
    {
      if (wanted->legacy == LEGACY_CHOICE_ALLOWED && !trust_check_legacy (trust, contact, error))
        {
          contact_row_clear (&row);
          return FALSE;
        }
      row.legacy = row.tls_seen ? LEGACY_CHOICE_NONE : wanted->legacy;
    }
  row.stored |= wanted->stored;
  if (row.addrs[0] == NULL && wanted->addrs[0] != NULL)
    {
      g_strfreev (row.addrs);
      row.addrs = g_strdupv (wanted->addrs);
    }
  contact_row_clear (wanted);
  *wanted = row;
  return TRUE;
}

static gboolean
merge_key (Trust *trust, KeyRow *wanted, const KeyRow *before, GError **error)
{
  Key *key = contacts_get_key (trust->contacts, &wanted->fp);
  /* From `ca` to `pinned` it is a person's word, too. */
  gboolean raises = wanted->level != before->level && wanted->level >= TRUST_PINNED;
  KeyRow row;

  /* A new contact's key: unknown anywhere, or seen meanwhile as a stranger's. */
  if (before->contact == 0 && (key == NULL || key_get_level (key) == TRUST_UNKNOWN)
      && (key == NULL || !contact_is_blocked (key_get_contact (key))))
    return TRUE;
  if (key == NULL || (before->contact == 0 && !contact_is_blocked (key_get_contact (key))))
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_ALREADY_RESOLVED,
                           "Something else was decided about this key meanwhile");
      return FALSE;
    }
  if (raises && contact_is_blocked (key_get_contact (key)))
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_BLOCKED,
                           "The contact of this key is blocked: unblock it first");
      return FALSE;
    }
  key_to_row (key, &row);
  if (wanted->contact != before->contact)
    row.contact = wanted->contact;
  if (wanted->level != before->level || wanted->since != before->since)
    {
      key_row_set_level (&row, wanted->level, wanted->source);
      row.refused = wanted->refused;
      row.introduced_by = wanted->introduced_by;
      row.introducer = wanted->introducer;
    }
  if (wanted->refused != before->refused)
    row.refused = wanted->refused;
  if (wanted->warned_by != before->warned_by)
    row.warned_by = wanted->warned_by;
  if (wanted->grant_owed != before->grant_owed)
    row.grant_owed = wanted->grant_owed;
  if (wanted->has_replacement && !before->has_replacement)
    {
      row.has_replacement = TRUE;
      row.replaced_by = wanted->replaced_by;
    }
  key_row_clear (wanted);
  *wanted = row;
  return TRUE;
}

/* The stranger whose last key moves away goes, unless somebody wrote to it or it got another key meanwhile. */
static void
check_emptied (Decision *decision)
{
  Contact *from = decision->emptied != 0 ? contacts_get (decision->trust->contacts, decision->emptied) : NULL;

  if (from == NULL || contact_is_stored (from) || contact_get_keys (from)->len != 1)
    decision->emptied = 0;
}

static gboolean
still_open (Decision *decision, GError **error)
{
  if (!decision->resolves || trust_get_request (decision->trust, decision->request) != NULL)
    return TRUE;
  g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_ALREADY_RESOLVED, "This request was already resolved");
  return FALSE;
}

static gboolean
still_wanted (Decision *decision, GError **error)
{
  const char *why = decision->succeeds
                      ? trust_why_no_heir (decision->trust, &decision->predecessor, &decision->subject)
                      : NULL;
  Key *key = decision->unless_revoked ? contacts_get_key (decision->trust->contacts, &decision->subject) : NULL;

  if (why != NULL)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_TRUSTED, "No heir any more: %s", why);
      return FALSE;
    }
  if (key == NULL || (key_get_level (key) != TRUST_REVOKED && !key_is_refused (key)))
    return TRUE;
  g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_TRUSTED, "This key was revoked meanwhile");
  return FALSE;
}

/* Its turn has come: rows as they are now, with what was decided. */
static void
on_turn (gpointer user)
{
  Decision *decision = user;
  Trust *trust = decision->trust;
  g_autofree char *hex = decision->has_subject ? fingerprint_to_hex (&decision->subject) : g_strdup ("");
  g_autofree char *inputs = decision_dup_inputs (decision);
  g_autoptr (GError) error = NULL;
  gboolean good = still_open (decision, &error) && still_wanted (decision, &error);

  if (good && decision->forget != 0 && contacts_get (trust->contacts, decision->forget) == NULL)
    {
      g_set_error_literal (&error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_FOUND, "The contact was forgotten already");
      good = FALSE;
    }
  for (guint i = 0; good && i < decision->contacts->len; i++)
    good = merge_contact (trust, &g_array_index (decision->contacts, ContactRow, i),
                          &g_array_index (decision->contacts_before, ContactRow, i), &error);
  for (guint i = 0; good && i < decision->keys->len; i++)
    good = merge_key (trust, &g_array_index (decision->keys, KeyRow, i),
                      &g_array_index (decision->keys_before, KeyRow, i), &error);
  if (!good)
    {
      trust_record_denied (trust, decision->event, decision->has_subject ? &decision->subject : NULL, decision->subject_contact,
                           error, decision->caller);
      on_decided (decision, error);
      return;
    }
  check_emptied (decision);
  for (guint i = 0; i < decision->contacts->len; i++)
    trust_change_put_contact (decision->change, &g_array_index (decision->contacts, ContactRow, i));
  for (guint i = 0; i < decision->keys->len; i++)
    trust_change_put_key (decision->change, &g_array_index (decision->keys, KeyRow, i));
  if (decision->emptied != 0)
    trust_change_drop_contact (decision->change, decision->emptied);
  trust_change_audit (decision->change, &(AuditEntry){ .event = decision->event, .fp = hex, .contact = decision->subject_contact,
                                                       .inputs = inputs, .verdict = decision->verdict,
                                                       .caller = decision->caller });
  trust_store_apply (trust->store, g_steal_pointer (&decision->change), on_decided, decision);
}

void
decide (Decision *decision, const char *event, const char *verdict, const char *caller)
{
  g_autofree char *hex = decision->has_subject ? fingerprint_to_hex (&decision->subject) : g_strdup ("");
  g_autofree char *who = log_safe (caller);

  decision->event = g_strdup (event);
  decision->verdict = g_strdup (verdict);
  decision->caller = g_strdup (caller);
  for (guint i = 0; i < decision->contacts->len; i++)
    contacts_hold (decision->trust->contacts, g_array_index (decision->contacts, ContactRow, i).id, TRUE);
  log_event (G_LOG_LEVEL_MESSAGE, "trust", decision->subject_contact, 0, NULL, "%s: %s, key %.16s, by %s", event,
             verdict, hex, who);
  contacts_await_turn (decision->trust->contacts, on_turn, decision);
}
