/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is kept and for whom: deleting, consumers' cursors, reading state.
 */
#include "earshot-config.h"

#include "daemon/io/history-private.h"
#include "daemon/io/outbox-private.h"

#include <string.h>

#define CONSUMERS_MAX 256
#define CONSUMER_NAME_MAX 64

gboolean
history_run_numbers (sqlite3 *handle, const char *static_sql, const gint64 *numbers, int n, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, static_sql, error);

  if (stmt == NULL)
    return FALSE;
  for (int i = 0; i < n; i++)
    sqlite3_bind_int64 (stmt, i + 1, numbers[i]);
  return db_step_done (handle, stmt, error);
}

gboolean
history_ask_number (sqlite3 *handle, const char *static_sql, const gint64 *numbers, int n, gint64 otherwise, gint64 *value, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, static_sql, error);
  gboolean row;

  if (stmt == NULL)
    return FALSE;
  for (int i = 0; i < n; i++)
    sqlite3_bind_int64 (stmt, i + 1, numbers[i]);
  if (!db_step_row (handle, stmt, &row, error))
    return FALSE;
  *value = row && sqlite3_column_type (stmt, 0) != SQLITE_NULL ? sqlite3_column_int64 (stmt, 0) : otherwise;
  return TRUE;
}

gboolean
history_recount_in_job (sqlite3 *handle, guint32 contact, GError **error)
{
  /* Two counts that an index answers, rather than one that reads every row. */
  static const char sql[] = "UPDATE conversation SET unread = (SELECT count(*) FROM log INDEXED BY log_contact WHERE"
                            " log.contact = ?1 AND seq > conversation.read_seq AND kind = 0 AND direction = 0)"
                            " - (SELECT count(*) FROM log INDEXED BY log_retracted WHERE log.contact = ?1"
                            " AND seq > conversation.read_seq AND retracted <> 0 AND kind = 0 AND direction = 0)"
                            " WHERE contact = ?1";

  return history_run_numbers (handle, sql, (gint64[]){ contact }, 1, error);
}

/* --- deleting ------------------------------------------------------------- */

static void
gone_free (gpointer data)
{
  HistoryGone *gone = data;

  g_strfreev (gone->dropped);
  g_free (gone);
}

static HistoryGone *
gone_of (Job *job, guint32 contact)
{
  HistoryGone *gone;

  for (guint i = 0; i < job->items->len; i++)
    if (((HistoryGone *) job->items->pdata[i])->contact == contact)
      return job->items->pdata[i];
  gone = g_new0 (HistoryGone, 1);
  gone->contact = contact;
  gone->dropped = g_new0 (char *, 1);
  g_ptr_array_add (job->items, gone);
  return gone;
}

/* Conversations with a message of that id into job->items; refuses what is owed itself. */
static gboolean
find_doomed (sqlite3 *handle, Job *job, const char *id, GError **error)
{
  static const char sql[] = "SELECT contact, " OWED " FROM log INDEXED BY log_id WHERE id = ?1 AND " SPOKEN;
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  gboolean row;

  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, id);
  while (db_step_row (handle, stmt, &row, error))
    {
      if (!row)
        return TRUE;
      if (sqlite3_column_int (stmt, 1) != 0)
        job_refuse (job, EARSHOT_ERROR_FAILED, "still queued: cancel it first");
      gone_of (job, (guint32) sqlite3_column_int64 (stmt, 0));
    }
  return FALSE;
}

/* A correction of what is no more, or a smile at it, is not said any more. That it was taken back is. */
static gboolean
drop_owed_about (sqlite3 *handle, Job *job, const char *id, GError **error)
{
  static const char sql[] = "SELECT seq, contact, id FROM log INDEXED BY log_about WHERE about = ?1 AND kind IN (5, 8) AND " OWED
                            " LIMIT 1";
  gboolean row = TRUE;

  while (row)
    {
      sqlite3_stmt *stmt = db_prepare (handle, sql, error);
      HistoryGone *gone;
      guint64 seq;
      guint n;

      if (stmt == NULL)
        return FALSE;
      db_bind_text (stmt, 1, id);
      if (!db_step_row (handle, stmt, &row, error))
        return FALSE;
      if (!row)
        return TRUE;
      seq = (guint64) db_column_positive (stmt, 0);
      gone = gone_of (job, (guint32) sqlite3_column_int64 (stmt, 1));
      n = g_strv_length (gone->dropped);
      gone->dropped = g_renew (char *, gone->dropped, n + 2);
      gone->dropped[n] = db_column_dup_or_empty (stmt, 2);
      gone->dropped[n + 1] = NULL;
      if (!outbox_remove_in_job (handle, seq, error)
          || !history_run_numbers (handle, "DELETE FROM log WHERE seq = ?1", (gint64[]){ (gint64) seq }, 1, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
delete_id (sqlite3 *handle, const char *id, GError **error)
{
  static const char *const sql[] = {
    "INSERT OR REPLACE INTO seen (contact, id, seq, time) SELECT contact, id, seq, time FROM log INDEXED BY log_id"
    " WHERE id = ?1 AND " SPOKEN " AND direction IN (0, 2)",
    ("INSERT OR REPLACE INTO seen (contact, id, seq, time) SELECT contact, id, seq, time FROM log INDEXED BY log_about"
     " WHERE about = ?1 AND direction IN (0, 2) AND id <> ''"),
    "DELETE FROM log INDEXED BY log_id WHERE id = ?1 AND (" SPOKEN " OR kind = 1)",
    ("DELETE FROM log INDEXED BY log_id WHERE kind = 1 AND id IN (SELECT id FROM log INDEXED BY log_about WHERE about = ?1"
     " AND id <> '' AND NOT " OWED ")"),
    "DELETE FROM log INDEXED BY log_about WHERE about = ?1 AND NOT " OWED,
  };

  for (guint i = 0; i < G_N_ELEMENTS (sql); i++)
    {
      sqlite3_stmt *stmt = db_prepare (handle, sql[i], error);

      if (stmt == NULL)
        return FALSE;
      db_bind_text (stmt, 1, id);
      if (!db_step_done (handle, stmt, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
work_delete (sqlite3 *handle, gpointer data, GError **error)
{
  static const char unread[] = "SELECT unread FROM conversation WHERE contact = ?1";
  Job *job = data;

  job_reset (job);
  job->items = g_ptr_array_new_with_free_func (gone_free);
  for (guint i = 0; job->ids[i] != NULL; i++)
    if (job->ids[i][0] != '\0' && !find_doomed (handle, job, job->ids[i], error))
      return FALSE;
  if (job->refusal != NULL)
    return TRUE;
  if (job->items->len == 0)
    return job_refuse (job, EARSHOT_ERROR_NOT_FOUND, "no message has that id");
  for (guint i = 0; job->ids[i] != NULL; i++)
    if (job->ids[i][0] != '\0'
        && (!drop_owed_about (handle, job, job->ids[i], error) || !delete_id (handle, job->ids[i], error)))
      return FALSE;
  for (guint i = 0; i < job->items->len; i++)
    {
      HistoryGone *gone = job->items->pdata[i];
      gint64 left;

      if (!history_recount_in_job (handle, gone->contact, error)
          || !history_ask_number (handle, unread, (gint64[]){ gone->contact }, 1, 0, &left, error))
        return FALSE;
      gone->unread = (guint) CLAMP (left, 0, G_MAXINT32);
    }
  return history_unindex_in_job (handle, UNINDEX_MAX, NULL, error);
}

static void
done_delete (gpointer data, const GError *error)
{
  Job *job = data;

  if (error == NULL)
    error = job->refusal;
  if (job->report.deleted != NULL)
    job->report.deleted (job->user, error == NULL ? job->items : NULL, error);
}

void
history_delete (History *history, const char *const *ids, HistoryDeleted done, gpointer user)
{
  Job *job = job_new (user);

  job->ids = ids != NULL ? g_strdupv ((char **) ids) : g_new0 (char *, 1);
  job->report.deleted = done;
  db_submit (history->db, TRUE, work_delete, done_delete, job, job_free);
  history_tidy_soon (history);
}

/* --- moving --------------------------------------------------------------- */

/* Two reading states become one: what was unread in either stays unread, so the lower mark of those that have unread counts. */
static gboolean
merge_conversations (sqlite3 *handle, guint32 from, guint32 to, GError **error)
{
  static const char *const sql[] = {
    "INSERT OR IGNORE INTO conversation (contact, last_seq, read_seq, unread, muted, require)"
    " SELECT ?2, last_seq, read_seq, unread, muted, require FROM conversation WHERE contact = ?1",
    "UPDATE conversation SET read_seq = CASE"
    " WHEN unread > 0 AND f.funread > 0 THEN min(read_seq, f.fread)"
    " WHEN unread > 0 THEN read_seq WHEN f.funread > 0 THEN f.fread ELSE max(read_seq, f.fread) END,"
    " last_seq = max(last_seq, f.flast)"
    " FROM (SELECT last_seq AS flast, read_seq AS fread, unread AS funread FROM conversation WHERE contact = ?1) AS f"
    " WHERE contact = ?2",
    "DELETE FROM conversation WHERE contact = ?1 AND ?2 <> ?1",
  };

  for (guint i = 0; i < G_N_ELEMENTS (sql); i++)
    if (!history_run_numbers (handle, sql[i], (gint64[]){ from, to }, 2, error))
      return FALSE;
  return history_recount_in_job (handle, to, error);
}

static gboolean
work_move (sqlite3 *handle, gpointer data, GError **error)
{
  static const char *const sql[] = {
    "UPDATE log INDEXED BY log_contact SET contact = ?2 WHERE contact = ?1",
    "UPDATE OR REPLACE seen SET contact = ?2 WHERE contact = ?1",
    "UPDATE aside SET contact = ?2 WHERE contact = ?1",
  };
  Job *job = data;

  job_reset (job);
  if (job->contact == job->other)
    return TRUE;
  if (job->contact == 0 || job->other == 0 || job->other > CONTACT_ID_MAX)
    return job_refuse (job, EARSHOT_ERROR_INVALID_ARGUMENT, "no contact");
  for (guint i = 0; i < G_N_ELEMENTS (sql); i++)
    if (!history_run_numbers (handle, sql[i], (gint64[]){ job->contact, job->other }, 2, error))
      return FALSE;
  return merge_conversations (handle, job->contact, job->other, error)
         && outbox_move_in_job (handle, job->contact, job->other, error);
}

void
history_move_contact (History *history, guint32 from, guint32 to, DoneFunc done, gpointer user)
{
  Job *job = job_new (user);

  job->contact = from;
  job->other = to;
  job->report.done = done;
  db_submit (history->db, TRUE, work_move, job_done, job, job_free);
}

/* --- consumers ------------------------------------------------------------ */

static gboolean
is_consumer_name (const char *name)
{
  gsize length = strlen (name);

  return length >= 1 && length <= CONSUMER_NAME_MAX && g_utf8_validate (name, (gssize) length, NULL);
}

static gboolean
find_consumer (sqlite3 *handle, const char *name, gboolean *found, guint64 *cursor, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, "SELECT cursor FROM consumer WHERE name = ?1", error);

  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, name);
  if (!db_step_row (handle, stmt, found, error))
    return FALSE;
  if (*found)
    *cursor = (guint64) db_column_positive (stmt, 0);
  return TRUE;
}

static gboolean
work_create_consumer (sqlite3 *handle, gpointer data, GError **error)
{
  Job *job = data;
  sqlite3_stmt *stmt;
  gboolean found;
  guint64 tail;
  gint64 count;

  job_reset (job);
  if (!is_consumer_name (job->name))
    return job_refuse (job, EARSHOT_ERROR_INVALID_ARGUMENT, "a consumer has a name of 1 to 64 bytes");
  if (!find_consumer (handle, job->name, &found, &job->last, error))
    return FALSE;
  if (found)
    return TRUE;
  if (!history_ask_number (handle, "SELECT count(*) FROM consumer", NULL, 0, 0, &count, error))
    return FALSE;
  if (count >= CONSUMERS_MAX)
    return job_refuse (job, EARSHOT_ERROR_QUOTA_EXCEEDED, "too many consumers");
  if (!history_head_in_job (handle, &job->last, error) || !history_tail_in_job (handle, &tail, error))
    return FALSE;
  if (job->flag)
    job->last = tail - 1;
  stmt = db_prepare (handle, "INSERT INTO consumer (name, cursor, last_seen) VALUES (?1, ?2, ?3)", error);
  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, job->name);
  db_bind_seq (stmt, 2, job->last);
  sqlite3_bind_int64 (stmt, 3, job->now);
  return db_step_done (handle, stmt, error);
}

static void
done_cursor (gpointer data, const GError *error)
{
  Job *job = data;

  if (error == NULL)
    error = job->refusal;
  if (job->report.cursor != NULL)
    job->report.cursor (job->user, error == NULL ? job->last : 0, error);
}

void
history_create_consumer (History *history, const char *name, gboolean from_start, HistoryCursor done, gpointer user)
{
  Job *job = job_new (user);

  job->name = g_strdup (name);
  job->flag = from_start;
  job->now = g_get_real_time ();
  job->report.cursor = done;
  db_submit (history->db, TRUE, work_create_consumer, done_cursor, job, job_free);
}

static gboolean
work_delete_consumer (sqlite3 *handle, gpointer data, GError **error)
{
  Job *job = data;
  sqlite3_stmt *stmt = db_prepare (handle, "DELETE FROM consumer WHERE name = ?1", error);

  job_reset (job);
  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, job->name);
  if (!db_step_done (handle, stmt, error))
    return FALSE;
  return sqlite3_changes (handle) > 0 || job_refuse (job, EARSHOT_ERROR_NOT_FOUND, "no such consumer");
}

void
history_delete_consumer (History *history, const char *name, DoneFunc done, gpointer user)
{
  Job *job = job_new (user);

  job->name = g_strdup (name);
  job->report.done = done;
  db_submit (history->db, TRUE, work_delete_consumer, job_done, job, job_free);
}

static gboolean
work_ack (sqlite3 *handle, gpointer data, GError **error)
{
  Job *job = data;
  sqlite3_stmt *stmt;
  guint64 cursor, head;
  gboolean found;

  job_reset (job);
  if (!find_consumer (handle, job->name, &found, &cursor, error) || !history_head_in_job (handle, &head, error))
    return FALSE;
  if (!found)
    return job_refuse (job, EARSHOT_ERROR_NOT_FOUND, "no such consumer");
  if (job->seq > head)
    return job_refuse (job, EARSHOT_ERROR_INVALID_ARGUMENT, "beyond the head of the log");
  if (job->seq <= cursor)
    return TRUE;
  stmt = db_prepare (handle, "UPDATE consumer SET cursor = ?2, last_seen = ?3 WHERE name = ?1", error);
  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, job->name);
  db_bind_seq (stmt, 2, job->seq);
  sqlite3_bind_int64 (stmt, 3, job->now);
  return db_step_done (handle, stmt, error);
}

void
history_ack (History *history, const char *consumer, guint64 seq, DoneFunc done, gpointer user)
{
  Job *job = job_new (user);

  job->name = g_strdup (consumer);
  job->seq = seq;
  job->now = g_get_real_time ();
  job->report.done = done;
  db_submit (history->db, TRUE, work_ack, job_done, job, job_free);
}

static void
consumer_row_free (gpointer data)
{
  ConsumerRow *row = data;

  g_free (row->name);
  g_free (row);
}

static gboolean
work_list_consumers (sqlite3 *handle, gpointer data, GError **error)
{
  Job *job = data;
  sqlite3_stmt *stmt = db_prepare (handle, "SELECT name, cursor, last_seen FROM consumer ORDER BY name", error);
  gboolean row;

  job_reset (job);
  job->items = g_ptr_array_new_with_free_func (consumer_row_free);
  if (stmt == NULL)
    return FALSE;
  while (db_step_row (handle, stmt, &row, error))
    {
      ConsumerRow *item;

      if (!row)
        return TRUE;
      item = g_new0 (ConsumerRow, 1);
      item->name = db_column_dup_or_empty (stmt, 0);
      item->cursor = (guint64) db_column_positive (stmt, 1);
      item->last_seen = db_column_positive (stmt, 2);
      g_ptr_array_add (job->items, item);
    }
  return FALSE;
}

static void
done_consumers (gpointer data, const GError *error)
{
  Job *job = data;

  if (job->report.consumers != NULL)
    job->report.consumers (job->user, error == NULL ? g_steal_pointer (&job->items) : NULL, error);
}

void
history_list_consumers (History *history, HistoryConsumers done, gpointer user)
{
  Job *job = job_new (user);

  job->report.consumers = done;
  db_submit (history->db, FALSE, work_list_consumers, done_consumers, job, job_free);
}

/* --- reading state -------------------------------------------------------- */

static gboolean
work_mark_read (sqlite3 *handle, gpointer data, GError **error)
{
  static const char ask[] = "SELECT last_seq, read_seq, unread FROM conversation WHERE contact = ?1";
  Job *job = data;
  sqlite3_stmt *stmt = db_prepare (handle, ask, error);
  guint64 last, read, seq;
  gboolean row;

  job_reset (job);
  g_clear_pointer (&job->name, g_free);
  if (stmt == NULL)
    return FALSE;
  sqlite3_bind_int64 (stmt, 1, job->contact);
  if (!db_step_row (handle, stmt, &row, error))
    return FALSE;
  if (!row)
    return TRUE; /* nothing was ever said: nothing is unread */
  last = (guint64) db_column_positive (stmt, 0);
  read = (guint64) db_column_positive (stmt, 1);
  job->count = (guint) MIN (db_column_positive (stmt, 2), G_MAXINT32);
  job->last = read;
  seq = MIN (job->seq, last); /* what is not there yet cannot be read */
  if (seq <= read)
    return TRUE;
  job->last = seq;
  if (!history_run_numbers (handle, "UPDATE conversation SET read_seq = ?2 WHERE contact = ?1",
                    (gint64[]){ job->contact, (gint64) seq }, 2, error)
      || !history_recount_in_job (handle, job->contact, error))
    return FALSE;
  stmt = db_prepare (handle, ask, error);
  if (stmt == NULL)
    return FALSE;
  sqlite3_bind_int64 (stmt, 1, job->contact);
  if (!db_step_row (handle, stmt, &row, error))
    return FALSE;
  job->count = row ? (guint) MIN (db_column_positive (stmt, 2), G_MAXINT32) : 0;
  return !job->flag || history_find_marker_in_job (handle, job->contact, read, seq, &job->name, error);
}

static void
done_read (gpointer data, const GError *error)
{
  Job *job = data;

  if (error == NULL)
    error = job->refusal;
  if (job->report.read != NULL)
    job->report.read (job->user, job->contact, job->last, job->count, error == NULL ? job->name : NULL, error);
}

void
history_mark_read (History *history, guint32 contact, guint64 seq, gboolean marker, HistoryRead done, gpointer user)
{
  Job *job = job_new (user);

  job->contact = contact;
  job->seq = seq;
  job->flag = marker;
  job->report.read = done;
  db_submit (history->db, TRUE, work_mark_read, done_read, job, job_free);
}

static gboolean
work_set_conversation (sqlite3 *handle, gpointer data, GError **error)
{
  static const char sql[] = "INSERT INTO conversation (contact, last_seq, read_seq, unread, muted, require)"
                            " VALUES (?1, 0, 0, 0, ?2, ?3) ON CONFLICT (contact)"
                            " DO UPDATE SET muted = excluded.muted, require = excluded.require";
  Job *job = data;
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);

  job_reset (job);
  if (stmt == NULL)
    return FALSE;
  if (job->contact == 0 || job->contact > CONTACT_ID_MAX)
    return job_refuse (job, EARSHOT_ERROR_INVALID_ARGUMENT, "no contact");
  sqlite3_bind_int64 (stmt, 1, job->contact);
  sqlite3_bind_int (stmt, 2, job->flag ? 1 : 0);
  db_bind_text (stmt, 3, job->name);
  return db_step_done (handle, stmt, error);
}

void
history_set_conversation (History *history, guint32 contact, gboolean muted, const char *require, DoneFunc done, gpointer user)
{
  Job *job = job_new (user);

  job->contact = contact;
  job->flag = muted;
  job->name = g_strdup (require != NULL ? require : "");
  job->report.done = done;
  db_submit (history->db, TRUE, work_set_conversation, job_done, job, job_free);
}
