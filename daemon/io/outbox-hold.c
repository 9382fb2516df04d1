/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What happens to items between adding and settling: held and released, expired, counted, first sent, and what history
 * does to all of a contact's.
 */
#include "earshot-config.h"

#include "daemon/io/history-private.h"
#include "daemon/io/outbox-private.h"

#define MARKS_MAX 512
#define MARKS_DELAY_MS 500

typedef struct
{
  guint64 seq;
  guint32 contact;
  char *id;
} Found;

static void
found_clear (gpointer data)
{
  g_free (((Found *) data)->id);
}

/* Rows (seq, contact, id) of a bound statement, read to the end before anything is changed. */
static GArray *
read_found (sqlite3 *handle, sqlite3_stmt *stmt, GError **error)
{
  g_autoptr (GArray) list = g_array_new (FALSE, TRUE, sizeof (Found));
  gboolean row;

  g_array_set_clear_func (list, found_clear);
  while (db_step_row (handle, stmt, &row, error))
    {
      Found found;

      if (!row)
        return g_steal_pointer (&list);
      found.seq = (guint64) db_column_positive (stmt, 0);
      found.contact = (guint32) CLAMP (sqlite3_column_int64 (stmt, 1), 0, CONTACT_ID_MAX);
      found.id = db_column_dup_or_empty (stmt, 2);
      g_array_append_val (list, found);
    }
  return NULL;
}

/* Those of the contact whose state is another one now; of `id` only if that is given. */
static GArray *
find_to_hold (sqlite3 *handle, const Owing *owing, guint64 only, GError **error)
{
  static const char sql[] = "SELECT outbox.seq, outbox.contact, log.id FROM outbox INDEXED BY outbox_contact"
                            " CROSS JOIN log ON log.seq = outbox.seq WHERE outbox.contact = ?1 AND (?2 = 0 OR outbox.seq = ?2) AND " OUTBOX_LEFT
                            " AND CASE WHEN ?3 THEN outbox.held = 0 OR outbox.reason NOT IN (?4, 'key-replaced')"
                            " ELSE outbox.held <> 0 AND (?4 IS NULL OR outbox.reason = ?4) END ORDER BY outbox.seq";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);

  if (stmt == NULL)
    return NULL;
  sqlite3_bind_int64 (stmt, 1, owing->contact);
  db_bind_seq (stmt, 2, only);
  sqlite3_bind_int (stmt, 3, owing->flag ? 1 : 0);
  db_bind_text (stmt, 4, owing->reason);
  return read_found (handle, stmt, error);
}

static gboolean
work_hold (sqlite3 *handle, gpointer data, GError **error)
{
  g_autoptr (GArray) list = NULL;
  Owing *owing = data;
  const char *reason = owing->flag ? owing->reason : "";
  guint64 only = 0;

  owing_reset (owing);
  if (owing->text != NULL)
    {
      if (!outbox_find_in_job (handle, owing->contact, owing->text, &only, error))
        return FALSE;
      if (only == 0)
        return owing_refuse (owing, EARSHOT_ERROR_NOT_FOUND, "nothing of that id is owed to this contact");
    }
  list = find_to_hold (handle, owing, only, error);
  if (list == NULL)
    return FALSE;
  for (guint i = 0; i < list->len; i++)
    {
      const Found *found = &g_array_index (list, Found, i);
      sqlite3_stmt *stmt = db_prepare (handle, "UPDATE outbox SET held = ?2, reason = ?3 WHERE seq = ?1", error);

      if (stmt == NULL)
        return FALSE;
      db_bind_seq (stmt, 1, found->seq);
      sqlite3_bind_int (stmt, 2, owing->flag ? 1 : 0);
      db_bind_text (stmt, 3, reason);
      if (!db_step_done (handle, stmt, error)
          || !history_state_in_job (handle, found->contact, found->id, owing->flag ? "held" : "queued", reason, owing->now,
                                    NULL, error))
        return FALSE;
    }
  return TRUE;
}

void
outbox_set_held (Outbox *outbox, guint32 contact, const char *id, gboolean held, const char *reason,
                 DoneFunc done, gpointer user)
{
  Owing *owing = owing_new (outbox, user);

  owing->contact = contact;
  owing->text = g_strdup (id);
  owing->flag = held;
  owing->reason = held && reason == NULL ? g_strdup ("") : g_strdup (reason);
  owing->now = g_get_real_time ();
  owing->report.done = done;
  db_submit (outbox->db, TRUE, work_hold, owing_done, owing, owing_free);
}

static gboolean
drop_tokens (sqlite3 *handle, gint64 now, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, "DELETE FROM token WHERE time <= ?1", error);

  if (stmt == NULL)
    return FALSE;
  sqlite3_bind_int64 (stmt, 1, now - TOKEN_LIFE);
  return db_step_done (handle, stmt, error);
}

static gboolean
work_expire (sqlite3 *handle, gpointer data, GError **error)
{
  static const char due[] = "SELECT outbox.seq, outbox.contact, log.id FROM outbox LEFT JOIN log ON log.seq = outbox.seq"
                            " WHERE outbox.expires <= ?1 AND " OUTBOX_LEFT " ORDER BY outbox.seq";
  g_autoptr (GArray) list = NULL;
  Owing *owing = data;
  sqlite3_stmt *stmt;
  gint64 age;

  owing_reset (owing);
  if (!history_clock_in_job (handle, owing->now, TRUE, &age, error))
    return FALSE;
  stmt = db_prepare (handle, due, error);
  if (stmt == NULL)
    return FALSE;
  sqlite3_bind_int64 (stmt, 1, age);
  list = read_found (handle, stmt, error);
  if (list == NULL)
    return FALSE;
  for (guint i = 0; i < list->len; i++)
    {
      const Found *found = &g_array_index (list, Found, i);

      if (!outbox_remove_in_job (handle, found->seq, error)
          || !history_state_in_job (handle, found->contact, found->id, "expired", "expired", owing->now, NULL, error))
        return FALSE;
    }
  owing->count = list->len;
  return drop_tokens (handle, age, error);
}

static void
done_expired (gpointer data, const GError *error)
{
  Owing *owing = data;

  if (error == NULL)
    owing->outbox->items -= MIN (owing->outbox->items, owing->count);
  owing_done (owing, error);
}

void
outbox_expire (Outbox *outbox, gint64 now, DoneFunc done, gpointer user)
{
  Owing *owing = owing_new (outbox, user);

  owing->now = now;
  owing->report.done = done;
  db_submit (outbox->db, TRUE, work_expire, done_expired, owing, owing_free);
}

/* --- counting ------------------------------------------------------------- */

static gboolean
work_count_contact (sqlite3 *handle, gpointer data, GError **error)
{
  static const char sql[] = "SELECT count(*), sum(held <> 0), (SELECT last_seq FROM conversation WHERE contact = ?1)"
                            " FROM outbox INDEXED BY outbox_contact WHERE contact = ?1 AND " OUTBOX_LEFT;
  Owing *owing = data;
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  gboolean row;

  owing_reset (owing);
  if (stmt == NULL)
    return FALSE;
  sqlite3_bind_int64 (stmt, 1, owing->contact);
  if (!db_step_row (handle, stmt, &row, error))
    return FALSE;
  if (row)
    {
      owing->count = (guint64) MIN (db_column_positive (stmt, 0), G_MAXINT32);
      owing->held = (guint) MIN (db_column_positive (stmt, 1), G_MAXINT32);
      owing->seq = (guint64) db_column_positive (stmt, 2);
    }
  return TRUE;
}

static void
done_counted (gpointer data, const GError *error)
{
  Owing *owing = data;

  if (error != NULL)
    owing_reset (owing);
  if (owing->report.counted != NULL)
    owing->report.counted (owing->user, owing->contact, (guint) owing->count, owing->held, owing->seq, error);
}

void
outbox_count (Outbox *outbox, guint32 contact, OutboxCounted done, gpointer user)
{
  Owing *owing = owing_new (outbox, user);

  owing->contact = contact;
  owing->report.counted = done;
  db_submit (outbox->db, FALSE, work_count_contact, done_counted, owing, owing_free);
}

/* --- first sent ----------------------------------------------------------- */

static gboolean
work_marks (sqlite3 *handle, gpointer data, GError **error)
{
  Owing *owing = data;
  GHashTableIter iter;
  gpointer id, when;
  guint64 seq;

  owing_reset (owing);
  g_hash_table_iter_init (&iter, owing->marks);
  while (g_hash_table_iter_next (&iter, &id, &when))
    {
      sqlite3_stmt *stmt;

      if (!outbox_find_in_job (handle, 0, id, &seq, error))
        return FALSE;
      if (seq == 0)
        continue;
      stmt = db_prepare (handle, "UPDATE outbox SET first_sent = ?2 WHERE seq = ?1 AND first_sent = 0", error);
      if (stmt == NULL)
        return FALSE;
      db_bind_seq (stmt, 1, seq);
      sqlite3_bind_int64 (stmt, 2, *(gint64 *) when);
      if (!db_step_done (handle, stmt, error))
        return FALSE;
    }
  return TRUE;
}

void
outbox_write_marks (Outbox *outbox)
{
  Owing *owing;

  if (outbox->marks_timer != NULL)
    {
      g_source_destroy (outbox->marks_timer);
      g_clear_pointer (&outbox->marks_timer, g_source_unref);
    }
  if (g_hash_table_size (outbox->marks) == 0)
    return;
  owing = owing_new (outbox, NULL);
  owing->marks = g_steal_pointer (&outbox->marks);
  outbox->marks = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  db_submit (outbox->db, TRUE, work_marks, owing_done, owing, owing_free);
}

static gboolean
on_marks_due (gpointer user)
{
  outbox_write_marks (user);
  return G_SOURCE_REMOVE;
}

void
outbox_mark_sent (Outbox *outbox, const char *id, gint64 when)
{
  if (g_hash_table_contains (outbox->marks, id))
    return;
  g_hash_table_insert (outbox->marks, g_strdup (id), g_memdup2 (&when, sizeof when));
  if (g_hash_table_size (outbox->marks) >= MARKS_MAX)
    outbox_write_marks (outbox);
  else if (outbox->marks_timer == NULL)
    {
      outbox->marks_timer = g_timeout_source_new (MARKS_DELAY_MS);
      g_source_set_callback (outbox->marks_timer, on_marks_due, outbox, NULL);
      g_source_attach (outbox->marks_timer, g_main_context_get_thread_default ());
    }
}

/* --- for history ---------------------------------------------------------- */

gboolean
outbox_move_in_job (sqlite3 *handle, guint32 from, guint32 to, GError **error)
{
  const gint64 contacts[] = { from, to };

  return history_run_numbers (handle, "UPDATE outbox SET contact = ?2 WHERE contact = ?1", contacts, 2, error)
         && history_run_numbers (handle, "UPDATE OR REPLACE token SET contact = ?2 WHERE contact = ?1", contacts, 2, error);
}

gboolean
outbox_drop_in_job (sqlite3 *handle, guint32 contact, guint64 until, GError **error)
{
  return history_run_numbers (handle, "DELETE FROM outbox INDEXED BY outbox_contact WHERE contact = ?1 AND seq <= ?2",
                              (gint64[]){ contact, (gint64) until }, 2, error);
}

gboolean
outbox_drop_tokens_in_job (sqlite3 *handle, guint32 contact, guint64 until, guint limit, gboolean *left, GError **error)
{
  static const char sql[] = "DELETE FROM token WHERE contact = ?1 AND token IN"
                            " (SELECT token FROM token WHERE contact = ?1 AND seq <= ?2 LIMIT ?3)";

  if (!history_run_numbers (handle, sql, (gint64[]){ contact, (gint64) until, limit }, 3, error))
    return FALSE;
  *left = sqlite3_changes (handle) >= (int) limit;
  return TRUE;
}
