/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A change is a list of steps, done in one transaction on the writer thread. The tombstones are also kept in memory,
 * and grow there only after the disk has them.
 */
#include "earshot-config.h"

#include "daemon/io/trust-store.h"

#include <string.h>

#include "daemon/io/db-values.h"
#include "daemon/io/trust-audit.h"
#include "daemon/io/trust-invites.h"
#include "daemon/io/trust-store-private.h"

#define TOMBSTONES_MAX 65536 /* decisions of a person; the oldest go */
#define DECLINED_MAX 4096

typedef enum
{
  PUT_CONTACT,
  DELETE_CONTACT,
  DROP_CONTACT,
  PUT_KEY,
  DELETE_KEY,
  PUT_REQUEST,
  DELETE_REQUEST,
  DECLINE,
  PUT_SETTING,
  PUT_APP,
  DELETE_APP,
  PUT_INVITE,
  USE_INVITE,
  DELETE_INVITE,
  PUT_OWED,
  DELETE_OWED,
  AUDIT
} StepKind;

typedef struct
{
  StepKind kind;
  ContactRow contact;
  KeyRow key;
  RequestRow request;
  AppRow app;
  Declined declined;
  guint64 id;
  AuditEntry audit; /* points into texts */
  InviteRow invite;
  InviteOwedRow owed;
  char *texts[5];   /* setting: name, value; audit: all of its own */
} Step;

struct _TrustChange
{
  GPtrArray *steps;
  TrustStore *store;
  GPtrArray *forgotten; /* result: Fingerprint*, keys that got a tombstone */
  GArray *declined;     /* result: Declined */
  DoneFunc done;
  gpointer user;
};

static void
step_free (gpointer data)
{
  Step *step = data;

  contact_row_clear (&step->contact);
  key_row_clear (&step->key);
  request_row_clear (&step->request);
  app_row_clear (&step->app);
  invite_row_clear (&step->invite);
  invite_owed_row_clear (&step->owed);
  for (guint i = 0; i < G_N_ELEMENTS (step->texts); i++)
    g_free (step->texts[i]);
  g_free (step);
}

static Step *
add_step (TrustChange *change, StepKind kind)
{
  Step *step = g_new0 (Step, 1);

  step->kind = kind;
  g_ptr_array_add (change->steps, step);
  return step;
}

static char *
dup_or_empty (const char *text)
{
  return g_strdup (text != NULL ? text : "");
}

TrustChange *
trust_change_new (void)
{
  TrustChange *change = g_new0 (TrustChange, 1);

  change->steps = g_ptr_array_new_with_free_func (step_free);
  change->forgotten = g_ptr_array_new_with_free_func (g_free);
  change->declined = g_array_new (FALSE, FALSE, sizeof (Declined));
  return change;
}

static void
store_unref (TrustStore *store)
{
  if (--store->refs > 0)
    return;
  g_hash_table_unref (store->tombstones);
  g_hash_table_unref (store->declined);
  g_free (store);
}

void
trust_change_free (TrustChange *change)
{
  if (change == NULL)
    return;
  g_ptr_array_unref (change->steps);
  g_ptr_array_unref (change->forgotten);
  g_array_unref (change->declined);
  if (change->store != NULL)
    store_unref (change->store);
  g_free (change);
}

void
trust_change_put_contact (TrustChange *change, const ContactRow *row)
{
  Step *step = add_step (change, PUT_CONTACT);

  step->contact = *row;
  step->contact.petname = dup_or_empty (row->petname);
  step->contact.addrs = g_strdupv (row->addrs);
}

void
trust_change_delete_contact (TrustChange *change, guint32 id)
{
  add_step (change, DELETE_CONTACT)->id = id;
}

void
trust_change_drop_contact (TrustChange *change, guint32 id)
{
  add_step (change, DROP_CONTACT)->id = id;
}

void
trust_change_put_key (TrustChange *change, const KeyRow *row)
{
  Step *step = add_step (change, PUT_KEY);

  step->key = *row;
  step->key.source = dup_or_empty (row->source);
}

void
trust_change_delete_key (TrustChange *change, const Fingerprint *fp)
{
  add_step (change, DELETE_KEY)->key.fp = *fp;
}

void
trust_change_put_request (TrustChange *change, const RequestRow *row)
{
  Step *step = add_step (change, PUT_REQUEST);

  step->request = *row;
  step->request.kind = dup_or_empty (row->kind);
  step->request.name = dup_or_empty (row->name);
  step->request.link = dup_or_empty (row->link);
  step->request.note = dup_or_empty (row->note);
}

void
trust_change_delete_request (TrustChange *change, guint64 id)
{
  add_step (change, DELETE_REQUEST)->id = id;
}

void
trust_change_decline (TrustChange *change, const Fingerprint *introducer, const Fingerprint *fp)
{
  add_step (change, DECLINE)->declined = (Declined){ .introducer = *introducer, .fp = *fp };
}

void
trust_change_put_setting (TrustChange *change, const char *key, const char *value)
{
  Step *step = add_step (change, PUT_SETTING);

  step->texts[0] = dup_or_empty (key);
  step->texts[1] = g_strdup (value);
}

void
trust_change_put_app (TrustChange *change, const AppRow *row)
{
  Step *step = add_step (change, PUT_APP);

  step->app = *row;
  step->app.app = g_strdup (row->app);
}

void
trust_change_delete_app (TrustChange *change, const char *app)
{
  add_step (change, DELETE_APP)->app.app = g_strdup (app);
}

void
trust_change_put_invite (TrustChange *change, const InviteRow *row)
{
  Step *step = add_step (change, PUT_INVITE);

  step->invite = *row;
  step->invite.caller = dup_or_empty (row->caller);
  step->invite.used = NULL;
}

void
trust_change_use_invite (TrustChange *change, const char *id, const Fingerprint *fp)
{
  Step *step = add_step (change, USE_INVITE);

  g_strlcpy (step->invite.id, id, sizeof step->invite.id);
  step->key.fp = *fp;
}

void
trust_change_delete_invite (TrustChange *change, const char *id)
{
  Step *step = add_step (change, DELETE_INVITE);

  g_strlcpy (step->invite.id, id, sizeof step->invite.id);
}

void
trust_change_put_owed (TrustChange *change, const InviteOwedRow *row)
{
  add_step (change, PUT_OWED)->owed = *row;
}

void
trust_change_delete_owed (TrustChange *change, const Fingerprint *fp)
{
  add_step (change, DELETE_OWED)->owed.fp = *fp;
}

/* At most so many bytes, and UTF-8. */
static char *
dup_cut (const char *text, gsize max)
{
  const char *end;
  g_autofree char *valid = g_utf8_make_valid (text != NULL ? text : "", -1);

  if (strlen (valid) <= max)
    return g_steal_pointer (&valid);
  end = g_utf8_find_prev_char (valid, valid + max + 1);
  return g_strndup (valid, (gsize) (end - valid));
}

void
trust_change_audit (TrustChange *change, const AuditEntry *entry)
{
  Step *step = add_step (change, AUDIT);

  step->audit.time = entry->time != 0 ? entry->time : g_get_real_time ();
  step->audit.contact = MIN (entry->contact, CONTACT_ID_MAX);
  step->audit.event = step->texts[0] = dup_cut (entry->event, 32);
  step->audit.fp = step->texts[1] = dup_cut (entry->fp, 64);
  step->audit.inputs = step->texts[2] = dup_cut (entry->inputs, 2048);
  step->audit.verdict = step->texts[3] = dup_cut (entry->verdict, 256);
  step->audit.caller = step->texts[4] = dup_cut (entry->caller, 2048);
}

/* --- on the writer thread ------------------------------------------------- */

static gboolean
run_number (sqlite3 *handle, const char *static_sql, guint64 number, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, static_sql, error);

  if (stmt == NULL)
    return FALSE;
  db_bind_seq (stmt, 1, number);
  return db_step_done (handle, stmt, error);
}

static gboolean
put_contact (sqlite3 *handle, const ContactRow *row, GError **error)
{
  static const char sql[] = "INSERT OR REPLACE INTO contact (id, petname, blocked, created, last_seen, stored,"
                            " legacy, tls_seen, succession_owed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);

  if (stmt == NULL)
    return FALSE;
  if (row->id == 0 || row->id > CONTACT_ID_MAX)
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "store: impossible contact id");
      return FALSE;
    }
  sqlite3_bind_int64 (stmt, 1, row->id);
  db_bind_text (stmt, 2, row->petname);
  sqlite3_bind_int (stmt, 3, row->blocked ? 1 : 0);
  sqlite3_bind_int64 (stmt, 4, row->created);
  sqlite3_bind_int64 (stmt, 5, row->last_seen);
  sqlite3_bind_int (stmt, 6, row->stored ? 1 : 0);
  db_bind_text (stmt, 7, legacy_choice_to_string (row->legacy));
  sqlite3_bind_int (stmt, 8, row->tls_seen ? 1 : 0);
  sqlite3_bind_int (stmt, 9, row->succession_owed ? 1 : 0);
  if (!db_step_done (handle, stmt, error) || !run_number (handle, "DELETE FROM addr WHERE contact = ?1", row->id, error))
    return FALSE;
  for (guint i = 0; row->addrs != NULL && row->addrs[i] != NULL && i < CONTACT_ADDRS_MAX; i++)
    {
      stmt = db_prepare (handle, "INSERT INTO addr (contact, position, addr) VALUES (?1, ?2, ?3)", error);
      if (stmt == NULL)
        return FALSE;
      sqlite3_bind_int64 (stmt, 1, row->id);
      sqlite3_bind_int (stmt, 2, (int) i);
      db_bind_text (stmt, 3, row->addrs[i]);
      if (!db_step_done (handle, stmt, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
put_tombstone (sqlite3 *handle, TrustChange *change, const Fingerprint *fp, GError **error)
{
  static const char put[] = "INSERT INTO tombstone (fp, time) VALUES (?1, ?2) ON CONFLICT (fp) DO NOTHING";
  static const char trim[] = "DELETE FROM tombstone WHERE n <= (SELECT max(n) FROM tombstone) - ?1";
  sqlite3_stmt *stmt = db_prepare (handle, put, error);

  if (stmt == NULL)
    return FALSE;
  db_bind_fingerprint (stmt, 1, fp);
  sqlite3_bind_int64 (stmt, 2, g_get_real_time ());
  if (!db_step_done (handle, stmt, error))
    return FALSE;
  g_ptr_array_add (change->forgotten, g_memdup2 (fp, sizeof *fp));
  return run_number (handle, trim, TOMBSTONES_MAX, error);
}

static gboolean
put_key (sqlite3 *handle, TrustChange *change, const KeyRow *row, GError **error)
{
  static const char sql[] = "INSERT OR REPLACE INTO key (fp, contact, level, source, since, last_used, first_seen, refused,"
                            " grant_owed, replaced_by, introduced_by, introducer, warned_by)"
                            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
  const char *level = trust_level_to_string (row->level);
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);

  if (stmt == NULL)
    return FALSE;
  if (row->contact == 0 || row->contact > CONTACT_ID_MAX || level == NULL)
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "store: impossible key");
      return FALSE;
    }
  db_bind_fingerprint (stmt, 1, &row->fp);
  sqlite3_bind_int64 (stmt, 2, row->contact);
  db_bind_text (stmt, 3, level);
  db_bind_text (stmt, 4, row->source);
  sqlite3_bind_int64 (stmt, 5, row->since);
  sqlite3_bind_int64 (stmt, 6, row->last_used);
  sqlite3_bind_int64 (stmt, 7, row->first_seen);
  sqlite3_bind_int (stmt, 8, row->refused ? 1 : 0);
  sqlite3_bind_int (stmt, 9, row->grant_owed ? 1 : 0);
  if (row->has_replacement)
    db_bind_fingerprint (stmt, 10, &row->replaced_by);
  sqlite3_bind_int64 (stmt, 11, MIN (row->introduced_by, CONTACT_ID_MAX));
  if (row->introduced_by != 0)
    db_bind_fingerprint (stmt, 12, &row->introducer);
  sqlite3_bind_int64 (stmt, 13, MIN (row->warned_by, CONTACT_ID_MAX));
  if (!db_step_done (handle, stmt, error))
    return FALSE;
  return !row->forgotten || put_tombstone (handle, change, &row->fp, error);
}

static gboolean
delete_key (sqlite3 *handle, TrustChange *change, const Fingerprint *fp, gboolean tombstone, GError **error)
{
  /* Somebody else's word about it stands, whether it was seen or not. */
  static const char *const sql[] = { "DELETE FROM request WHERE fp = ?1 AND kind <> 'introduction'",
                                     "DELETE FROM key WHERE fp = ?1" };
  gboolean had = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (sql); i++)
    {
      sqlite3_stmt *stmt = db_prepare (handle, sql[i], error);

      if (stmt == NULL)
        return FALSE;
      db_bind_fingerprint (stmt, 1, fp);
      if (!db_step_done (handle, stmt, error))
        return FALSE;
      had = sqlite3_changes (handle) > 0;
    }
  return !tombstone || !had || put_tombstone (handle, change, fp, error);
}

static gboolean
delete_contact (sqlite3 *handle, TrustChange *change, guint64 id, gboolean tombstones, GError **error)
{
  static const char *const sql[] = {
    "DELETE FROM request WHERE contact = ?1",
    "UPDATE request SET contested = 0 WHERE contested = ?1",
    "DELETE FROM addr WHERE contact = ?1",
    "DELETE FROM contact WHERE id = ?1",
  };
  g_autoptr (GArray) keys = g_array_new (FALSE, FALSE, sizeof (Fingerprint));
  sqlite3_stmt *stmt = db_prepare (handle, "SELECT fp FROM key INDEXED BY key_contact WHERE contact = ?1", error);
  Fingerprint fp;
  gboolean row = TRUE;

  if (stmt == NULL)
    return FALSE;
  db_bind_seq (stmt, 1, id);
  while (row)
    {
      if (!db_step_row (handle, stmt, &row, error))
        return FALSE;
      if (row && db_column_fingerprint (stmt, 0, &fp))
        g_array_append_val (keys, fp);
    }
  for (guint i = 0; i < keys->len; i++)
    if (!delete_key (handle, change, &g_array_index (keys, Fingerprint, i), tombstones, error))
      return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (sql); i++)
    if (!run_number (handle, sql[i], id, error))
      return FALSE;
  return TRUE;
}

static gboolean
put_request (sqlite3 *handle, const RequestRow *row, GError **error)
{
  static const char sql[] = "INSERT OR REPLACE INTO request (id, kind, contact, fp, created, snoozed_until, name, contested, link,"
                            " predecessor, introducer, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);

  if (stmt == NULL)
    return FALSE;
  db_bind_seq (stmt, 1, row->id);
  db_bind_text (stmt, 2, row->kind);
  sqlite3_bind_int64 (stmt, 3, row->contact);
  if (row->keyless)
    sqlite3_bind_zeroblob (stmt, 4, 0);
  else
    db_bind_fingerprint (stmt, 4, &row->fp);
  sqlite3_bind_int64 (stmt, 5, row->created);
  sqlite3_bind_int64 (stmt, 6, row->snoozed_until);
  db_bind_text (stmt, 7, row->name);
  sqlite3_bind_int64 (stmt, 8, row->contested);
  db_bind_text (stmt, 9, row->link);
  if (row->is_heir)
    db_bind_fingerprint (stmt, 10, &row->predecessor);
  else
    sqlite3_bind_zeroblob (stmt, 10, 0);
  if (strcmp (row->kind, "introduction") == 0)
    db_bind_fingerprint (stmt, 11, &row->introducer);
  db_bind_text (stmt, 12, row->note);
  return db_step_done (handle, stmt, error);
}

static gboolean
put_declined (sqlite3 *handle, TrustChange *change, const Declined *declined, GError **error)
{
  static const char put[] = "INSERT INTO declined (introducer, fp) VALUES (?1, ?2) ON CONFLICT (introducer, fp) DO NOTHING";
  static const char trim[] = "DELETE FROM declined WHERE n <= (SELECT max(n) FROM declined) - ?1";
  sqlite3_stmt *stmt = db_prepare (handle, put, error);

  if (stmt == NULL)
    return FALSE;
  db_bind_fingerprint (stmt, 1, &declined->introducer);
  db_bind_fingerprint (stmt, 2, &declined->fp);
  if (!db_step_done (handle, stmt, error))
    return FALSE;
  g_array_append_val (change->declined, *declined);
  return run_number (handle, trim, DECLINED_MAX, error);
}

static gboolean
put_setting (sqlite3 *handle, const Step *step, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, step->texts[1] != NULL
                                             ? "INSERT OR REPLACE INTO setting (name, value) VALUES (?1, ?2)"
                                             : "DELETE FROM setting WHERE name = ?1",
                                   error);

  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, step->texts[0]);
  if (step->texts[1] != NULL)
    db_bind_text (stmt, 2, step->texts[1]);
  return db_step_done (handle, stmt, error);
}

static gboolean
do_step (sqlite3 *handle, TrustChange *change, const Step *step, GError **error)
{
  switch (step->kind)
    {
    case PUT_CONTACT:
      return put_contact (handle, &step->contact, error);
    case DELETE_CONTACT:
      return delete_contact (handle, change, step->id, TRUE, error);
    case DROP_CONTACT:
      return delete_contact (handle, change, step->id, FALSE, error);
    case PUT_KEY:
      return put_key (handle, change, &step->key, error);
    case DELETE_KEY:
      return delete_key (handle, change, &step->key.fp, TRUE, error);
    case PUT_REQUEST:
      return put_request (handle, &step->request, error);
    case DELETE_REQUEST:
      return run_number (handle, "DELETE FROM request WHERE id = ?1", step->id, error);
    case DECLINE:
      return put_declined (handle, change, &step->declined, error);
    case PUT_SETTING:
      return put_setting (handle, step, error);
    case PUT_APP:
      return trust_apps_put (handle, &step->app, error);
    case DELETE_APP:
      return trust_apps_delete (handle, step->app.app, error);
    case PUT_INVITE:
      return invites_put (handle, &step->invite, error);
    case USE_INVITE:
      return invites_use (handle, step->invite.id, &step->key.fp, error);
    case DELETE_INVITE:
      return invites_delete (handle, step->invite.id, error);
    case PUT_OWED:
      return invites_put_owed (handle, &step->owed, error);
    case DELETE_OWED:
      return invites_delete_owed (handle, &step->owed.fp, error);
    case AUDIT:
      return audit_append (handle, &step->audit, change->store->audit_max, error);
    }
  g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "store: no such step");
  return FALSE;
}

static gboolean
work_apply (sqlite3 *handle, gpointer data, GError **error)
{
  TrustChange *change = data;

  g_ptr_array_set_size (change->forgotten, 0);
  g_array_set_size (change->declined, 0);
  for (guint i = 0; i < change->steps->len; i++)
    if (!do_step (handle, change, change->steps->pdata[i], error))
      return FALSE;
  return TRUE;
}

static void
done_apply (gpointer data, const GError *error)
{
  TrustChange *change = data;

  if (error == NULL)
    for (guint i = 0; i < change->forgotten->len; i++)
      g_hash_table_add (change->store->tombstones, g_memdup2 (change->forgotten->pdata[i], sizeof (Fingerprint)));
  for (guint i = 0; error == NULL && i < change->declined->len; i++)
    g_hash_table_add (change->store->declined, g_memdup2 (&g_array_index (change->declined, Declined, i), sizeof (Declined)));
  if (change->done != NULL)
    change->done (change->user, error);
}

static void
free_apply (gpointer data)
{
  trust_change_free (data);
}

/* --- on the main thread --------------------------------------------------- */

void
trust_store_apply (TrustStore *store, TrustChange *change_take, DoneFunc done, gpointer user)
{
  store->refs++;
  change_take->store = store;
  change_take->done = done;
  change_take->user = user;
  db_submit (store->db, TRUE, work_apply, done_apply, change_take, free_apply);
}

gboolean
trust_store_was_forgotten (TrustStore *store, const Fingerprint *fp)
{
  return g_hash_table_contains (store->tombstones, fp);
}

guint
declined_hash (gconstpointer declined)
{
  const Declined *item = declined;

  return fingerprint_hash (&item->introducer) * 31 + fingerprint_hash (&item->fp);
}

gboolean
declined_equal (gconstpointer a, gconstpointer b)
{
  const Declined *left = a, *right = b;

  return fingerprint_equal (&left->introducer, &right->introducer) && fingerprint_equal (&left->fp, &right->fp);
}

gboolean
trust_store_was_declined (TrustStore *store, const Fingerprint *introducer, const Fingerprint *fp)
{
  Declined probe = { .introducer = *introducer, .fp = *fp };

  return g_hash_table_contains (store->declined, &probe);
}

void
trust_store_close (TrustStore *store)
{
  if (store == NULL)
    return;
  db_close (store->db);
  store_unref (store);
}
