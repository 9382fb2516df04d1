/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is asked of the log: listing, fetching for a consumer, one message, start-up. Answers are bounded in number
 * and bytes.
 */
#include "earshot-config.h"

#include "daemon/io/history-private.h"

#include <string.h>

#define ANSWER_ENTRIES_MAX 1000
#define ENTRY_BYTES 512                /* keys, types and numbers of one entry on the bus, generously */
#define SEEN_EVERY (G_TIME_SPAN_HOUR)  /* how exactly a consumer's last_seen is kept */

gsize
log_entry_bytes (const LogEntry *entry)
{
  const char *const texts[] = { entry->id, entry->body, entry->trust, entry->thread, entry->reply_to, entry->state, entry->reason,
                                entry->about, entry->url, entry->reactions_in, entry->reactions_out, entry->change_state,
                                entry->change_reason };
  gsize bytes = ENTRY_BYTES;

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    bytes += texts[i] != NULL ? strlen (texts[i]) : 0;
  return bytes;
}

/* `stmt` gives one row more than job->limit when there is more. */
static gboolean
collect (sqlite3 *handle, sqlite3_stmt *stmt, Job *job, GError **error)
{
  gsize bytes = 0;
  gboolean row;

  job->items = g_ptr_array_new_with_free_func ((GDestroyNotify) log_entry_free);
  while (db_step_row (handle, stmt, &row, error))
    {
      g_autoptr (LogEntry) entry = NULL;

      if (!row)
        return TRUE;
      entry = log_entry_read (stmt);
      if (entry == NULL)
        continue;
      bytes += log_entry_bytes (entry);
      if (job->items->len >= job->limit || (job->items->len > 0 && bytes > ANSWER_BYTES_MAX))
        {
          job->more = TRUE;
          return TRUE;
        }
      job->last = entry->seq;
      g_ptr_array_add (job->items, g_steal_pointer (&entry));
    }
  return FALSE;
}

guint
history_clamp_limit (guint limit)
{
  return limit == 0 || limit > ANSWER_ENTRIES_MAX ? ANSWER_ENTRIES_MAX : limit;
}

static gboolean
work_list (sqlite3 *handle, gpointer data, GError **error)
{
  static const char of_one[] = "SELECT " LOG_COLUMNS " FROM log INDEXED BY log_contact WHERE contact = ?4 AND seq < ?1"
                               " AND ((?2 >> kind) & 1) AND " HISTORY_LEFT " ORDER BY seq DESC LIMIT ?3";
  static const char of_all[] = "SELECT " LOG_COLUMNS " FROM log WHERE seq < ?1 AND ((?2 >> kind) & 1) AND " HISTORY_LEFT
                               " ORDER BY seq DESC LIMIT ?3";
  Job *job = data;
  sqlite3_stmt *stmt = db_prepare (handle, job->contact != 0 ? of_one : of_all, error);

  job_reset (job);
  if (stmt == NULL)
    return FALSE;
  if (job->kinds == 0)
    return job_refuse (job, EARSHOT_ERROR_INVALID_ARGUMENT, "no such kind");
  db_bind_seq (stmt, 1, job->seq != 0 ? job->seq : G_MAXINT64);
  sqlite3_bind_int64 (stmt, 2, job->kinds);
  sqlite3_bind_int64 (stmt, 3, (gint64) job->limit + 1);
  if (job->contact != 0)
    sqlite3_bind_int64 (stmt, 4, job->contact);
  return collect (handle, stmt, job, error);
}

void
history_list (History *history, guint32 contact, guint64 before, guint limit, const char *const *kinds,
              HistoryEntries done, gpointer user)
{
  Job *job = job_new (user);

  job->contact = contact;
  job->seq = before;
  job->limit = history_clamp_limit (limit);
  if (!kinds_from_strings (kinds, &job->kinds))
    job->kinds = 0;
  job->report.entries = done;
  db_submit (history->db, FALSE, work_list, job_done_entries, job, job_free);
}

static gboolean
read_number (sqlite3 *handle, const char *static_sql, guint64 otherwise, guint64 *value, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, static_sql, error);
  gboolean row;

  if (stmt == NULL || !db_step_row (handle, stmt, &row, error))
    return FALSE;
  *value = row ? (guint64) db_column_positive (stmt, 0) : otherwise;
  return TRUE;
}

gboolean
history_head_in_job (sqlite3 *handle, guint64 *head, GError **error)
{
  return read_number (handle, "SELECT seq FROM sqlite_sequence WHERE name = 'log'", 0, head, error);
}

gboolean
history_tail_in_job (sqlite3 *handle, guint64 *tail, GError **error)
{
  if (!read_number (handle, "SELECT value FROM meta WHERE name = 'tail'", 1, tail, error))
    return FALSE;
  *tail = MAX (*tail, 1);
  return TRUE;
}

static gboolean
note_consumer_seen (sqlite3 *handle, const char *name, gint64 now, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, "UPDATE consumer SET last_seen = ?2 WHERE name = ?1", error);

  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, name);
  sqlite3_bind_int64 (stmt, 2, now);
  return db_step_done (handle, stmt, error);
}

static gboolean
work_fetch (sqlite3 *handle, gpointer data, GError **error)
{
  static const char of_one[] = "SELECT " LOG_COLUMNS " FROM log INDEXED BY log_contact WHERE contact = ?4 AND seq > ?1"
                               " AND ((?2 >> kind) & 1) AND direction < 2 AND " HISTORY_LEFT " ORDER BY seq LIMIT ?3";
  static const char of_all[] = "SELECT " LOG_COLUMNS " FROM log WHERE seq > ?1 AND ((?2 >> kind) & 1) AND direction < 2 AND " HISTORY_LEFT
                               " ORDER BY seq LIMIT ?3";
  Job *job = data;
  sqlite3_stmt *stmt = db_prepare (handle, "SELECT cursor, last_seen FROM consumer WHERE name = ?1", error);
  guint64 cursor, head, tail;
  gint64 last_seen;
  gboolean row;

  job_reset (job);
  if (stmt == NULL)
    return FALSE;
  if (job->kinds == 0)
    return job_refuse (job, EARSHOT_ERROR_INVALID_ARGUMENT, "no such kind");
  db_bind_text (stmt, 1, job->name);
  if (!db_step_row (handle, stmt, &row, error))
    return FALSE;
  if (!row)
    return job_refuse (job, EARSHOT_ERROR_NOT_FOUND, "no such consumer");
  cursor = (guint64) db_column_positive (stmt, 0);
  last_seen = sqlite3_column_int64 (stmt, 1);
  if (!history_head_in_job (handle, &head, error) || !history_tail_in_job (handle, &tail, error))
    return FALSE;
  if (cursor + 1 < tail)
    return job_refuse (job, EARSHOT_ERROR_CURSOR_EXPIRED, "entries behind the cursor are gone");
  if ((last_seen > job->now || last_seen < job->now - SEEN_EVERY) && !note_consumer_seen (handle, job->name, job->now, error))
    return FALSE;
  stmt = db_prepare (handle, job->contact != 0 ? of_one : of_all, error);
  if (stmt == NULL)
    return FALSE;
  db_bind_seq (stmt, 1, cursor);
  sqlite3_bind_int64 (stmt, 2, job->kinds);
  sqlite3_bind_int64 (stmt, 3, (gint64) job->limit + 1);
  if (job->contact != 0)
    sqlite3_bind_int64 (stmt, 4, job->contact);
  if (!collect (handle, stmt, job, error))
    return FALSE;
  if (!job->more)
    job->last = MAX (cursor, head);
  return TRUE;
}

void
history_fetch (History *history, const char *consumer, guint limit, guint32 contact, const char *const *kinds,
               HistoryEntries done, gpointer user)
{
  Job *job = job_new (user);

  job->name = g_strdup (consumer);
  job->limit = history_clamp_limit (limit);
  job->contact = contact;
  job->now = g_get_real_time ();
  if (!kinds_from_strings (kinds, &job->kinds))
    job->kinds = 0;
  job->report.entries = done;
  db_submit (history->db, TRUE, work_fetch, job_done_entries, job, job_free);
}

static gboolean
work_walk (sqlite3 *handle, gpointer data, GError **error)
{
  static const char of_one[] = "SELECT " LOG_COLUMNS " FROM log INDEXED BY log_contact WHERE contact = ?4 AND seq > ?1"
                               " AND ((?2 >> kind) & 1) AND " HISTORY_LEFT " ORDER BY seq LIMIT ?3";
  static const char of_all[] = "SELECT " LOG_COLUMNS " FROM log WHERE seq > ?1 AND ((?2 >> kind) & 1) AND " HISTORY_LEFT
                               " ORDER BY seq LIMIT ?3";
  Job *job = data;
  sqlite3_stmt *stmt = db_prepare (handle, job->contact != 0 ? of_one : of_all, error);

  job_reset (job);
  if (stmt == NULL)
    return FALSE;
  if (job->kinds == 0)
    return job_refuse (job, EARSHOT_ERROR_INVALID_ARGUMENT, "no such kind");
  db_bind_seq (stmt, 1, job->seq);
  sqlite3_bind_int64 (stmt, 2, job->kinds);
  sqlite3_bind_int64 (stmt, 3, (gint64) job->limit + 1);
  if (job->contact != 0)
    sqlite3_bind_int64 (stmt, 4, job->contact);
  return collect (handle, stmt, job, error);
}

void
history_walk (History *history, guint32 contact, guint64 after, guint limit, const char *const *kinds, HistoryEntries done,
              gpointer user)
{
  Job *job = job_new (user);

  job->contact = contact;
  job->seq = after;
  job->limit = history_clamp_limit (limit);
  if (!kinds_from_strings (kinds, &job->kinds))
    job->kinds = 0;
  job->report.entries = done;
  db_submit (history->db, FALSE, work_walk, job_done_entries, job, job_free);
}

static gboolean
work_get (sqlite3 *handle, gpointer data, GError **error)
{
  /* Ours first: a peer knows the ids of what we sent to it, and may use one for a message of its own. What a file says comes last. */
  static const char sql[] = "SELECT " LOG_COLUMNS " FROM log INDEXED BY log_id WHERE id = ?1 AND " SPOKEN " AND id <> '' AND " HISTORY_LEFT
                            " ORDER BY direction & 2, direction DESC, kind, seq DESC LIMIT 1";
  Job *job = data;
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  gboolean row;

  job_reset (job);
  g_clear_pointer (&job->entry, log_entry_free);
  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, job->name);
  if (!db_step_row (handle, stmt, &row, error))
    return FALSE;
  if (row)
    job->entry = log_entry_read (stmt);
  if (job->entry == NULL)
    return job_refuse (job, EARSHOT_ERROR_NOT_FOUND, "no message has that id");
  return TRUE;
}

static void
done_got (gpointer data, const GError *error)
{
  Job *job = data;

  if (error == NULL)
    error = job->refusal;
  if (job->report.got != NULL)
    job->report.got (job->user, error == NULL ? job->entry : NULL, error);
}

void
history_get (History *history, const char *id, HistoryGot done, gpointer user)
{
  Job *job = job_new (user);

  job->name = g_strdup (id != NULL ? id : "");
  job->report.got = done;
  db_submit (history->db, FALSE, work_get, done_got, job, job_free);
}

/* --- start-up ------------------------------------------------------------- */

typedef struct
{
  GArray *rows;
  guint64 head, tail;
} Loading;

void
conversation_row_clear (ConversationRow *row)
{
  g_clear_pointer (&row->require, g_free);
  g_clear_pointer (&row->marker, g_free);
}

static gboolean
work_load (sqlite3 *handle, gpointer data, GError **error)
{
  Loading *loading = data;
  sqlite3_stmt *stmt = db_prepare (handle, "SELECT contact, last_seq, read_seq, unread, muted, require, marker FROM conversation"
                                           " ORDER BY contact", error);
  gboolean row;

  g_array_set_size (loading->rows, 0);
  if (stmt == NULL || !history_head_in_job (handle, &loading->head, error)
      || !history_tail_in_job (handle, &loading->tail, error))
    return FALSE;
  while (db_step_row (handle, stmt, &row, error))
    {
      ConversationRow item = { 0 };

      if (!row)
        return TRUE;
      if (!db_column_contact (stmt, 0, &item.contact))
        continue;
      item.last_seq = (guint64) db_column_positive (stmt, 1);
      item.read_seq = (guint64) db_column_positive (stmt, 2);
      item.unread = (guint) MIN (db_column_positive (stmt, 3), G_MAXINT32);
      item.muted = sqlite3_column_int (stmt, 4) != 0;
      item.require = db_column_dup_or_empty (stmt, 5);
      item.marker = db_column_dup_or_empty (stmt, 6);
      g_array_append_val (loading->rows, item);
    }
  return FALSE;
}

gboolean
history_load_conversations (History *history, GArray **rows, guint64 *head, guint64 *tail, GError **error)
{
  g_autoptr (GArray) found = g_array_new (FALSE, TRUE, sizeof (ConversationRow));
  Loading loading = { .rows = found };

  g_array_set_clear_func (found, (GDestroyNotify) conversation_row_clear);
  if (!db_run_now (history->db, work_load, &loading, error))
    return FALSE;
  *rows = g_steal_pointer (&found);
  *head = loading.head;
  *tail = loading.tail;
  return TRUE;
}
