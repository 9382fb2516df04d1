/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What comes in: appending, duplicates, messages aside. Threat: ids, bodies and threads are a stranger's; they are
 * bound as values and never part of a statement.
 */
#include "earshot-config.h"

#include "daemon/io/history.h"

#include "daemon/io/history-private.h"

#include <string.h>

#define ASIDE_MAX 4096

LogEntry *
log_entry_new (void)
{
  return g_new0 (LogEntry, 1);
}

void
log_entry_free (LogEntry *entry)
{
  if (entry == NULL)
    return;
  g_free (entry->kind);
  g_free (entry->id);
  g_free (entry->body);
  g_free (entry->trust);
  g_free (entry->thread);
  g_free (entry->reply_to);
  g_free (entry->url);
  g_free (entry->reactions_in);
  g_free (entry->reactions_out);
  g_free (entry->change_state);
  g_free (entry->change_reason);
  g_free (entry->about);
  g_free (entry->state);
  g_free (entry->reason);
  g_free (entry);
}

static const char *const kind_words[KIND_N] = { "message", "state", "read", "trust", "request", "edit", "retract", "transfer", "reaction" };

gboolean
kind_from_string (const char *text, Kind *kind)
{
  for (guint i = 0; i < KIND_N; i++)
    if (g_strcmp0 (text, kind_words[i]) == 0)
      {
        *kind = (Kind) i;
        return TRUE;
      }
  return FALSE;
}

gboolean
kinds_from_strings (const char *const *words, guint *kinds)
{
  guint bits = 0;
  Kind kind;

  for (guint i = 0; words != NULL && words[i] != NULL; i++)
    {
      if (!kind_from_string (words[i], &kind))
        return FALSE;
      bits |= 1u << kind;
    }
  *kinds = bits != 0 ? bits : (1u << KIND_N) - 1;
  return TRUE;
}

LogEntry *
log_entry_read (sqlite3_stmt *stmt)
{
  g_autoptr (LogEntry) entry = log_entry_new ();
  gint64 kind, contact, direction;

  entry->seq = (guint64) db_column_positive (stmt, 0);
  entry->time = db_column_positive (stmt, 1);
  if (!db_column_range (stmt, 2, 0, KIND_N - 1, &kind) || !db_column_range (stmt, 3, 0, CONTACT_ID_MAX, &contact)
      || !db_column_range (stmt, 5, DIRECTION_IN, DIRECTION_OUT | DIRECTION_IMPORTED, &direction))
    return NULL;
  entry->kind = g_strdup (kind_words[kind]);
  entry->contact = (guint32) contact;
  entry->id = db_column_dup_or_empty (stmt, 4);
  entry->direction = (Direction) (direction & DIRECTION_OUT);
  entry->imported = (direction & DIRECTION_IMPORTED) != 0;
  entry->insecure = sqlite3_column_int (stmt, 6) != 0;
  entry->sent_time = db_column_positive (stmt, 7);
  entry->has_key = db_column_fingerprint (stmt, 8, &entry->key);
  entry->trust = db_column_dup (stmt, 9);
  entry->thread = db_column_dup (stmt, 10);
  entry->reply_to = db_column_dup (stmt, 11);
  entry->state = db_column_dup (stmt, 12);
  entry->reason = db_column_dup (stmt, 13);
  entry->body = db_column_dup (stmt, 14);
  entry->about = db_column_dup (stmt, 15);
  entry->edited = db_column_positive (stmt, 16);
  entry->retracted = db_column_positive (stmt, 17);
  entry->reactions_in = db_column_dup (stmt, 18);
  entry->reactions_out = db_column_dup (stmt, 19);
  entry->url = db_column_dup (stmt, 20);
  entry->unstyled = (sqlite3_column_int (stmt, 21) & FLAG_UNSTYLED) != 0;
  entry->markable = (sqlite3_column_int (stmt, 21) & FLAG_MARKABLE) != 0;
  entry->change_state = db_column_dup (stmt, 22);
  entry->change_reason = db_column_dup (stmt, 23);
  return g_steal_pointer (&entry);
}

/* --- jobs ----------------------------------------------------------------- */

Job *
job_new (gpointer user)
{
  Job *job = g_new0 (Job, 1);

  job->user = user;
  return job;
}

void
job_reset (Job *job)
{
  g_clear_error (&job->refusal);
  g_clear_pointer (&job->items, g_ptr_array_unref);
  job->received = RECEIVED_NEW;
  job->more = FALSE;
  job->last = 0;
  job->count = 0;
}

void
job_free (gpointer data)
{
  Job *job = data;

  job_reset (job);
  log_entry_free (job->entry);
  g_free (job->name);
  g_strfreev (job->ids);
  g_free (job);
}

gboolean
job_refuse (Job *job, EarshotError code, const char *message)
{
  g_clear_error (&job->refusal);
  job->refusal = g_error_new_literal (EARSHOT_ERROR, (gint) code, message);
  return TRUE;
}

void
job_done (gpointer data, const GError *error)
{
  Job *job = data;

  if (job->report.done != NULL)
    job->report.done (job->user, error != NULL ? error : job->refusal);
}

void
job_done_entries (gpointer data, const GError *error)
{
  Job *job = data;

  if (error == NULL)
    error = job->refusal;
  if (job->report.entries == NULL)
    return;
  if (error != NULL)
    job->report.entries (job->user, NULL, FALSE, 0, error);
  else
    job->report.entries (job->user, g_steal_pointer (&job->items), job->more, job->last, NULL);
}

/* --- opening -------------------------------------------------------------- */

History *
history_open (DbWorker *worker, const char *path, char **set_aside, GError **error)
{
  Db *db = db_open (worker, path, &messages_schema, set_aside, error);
  gint64 doomed = 0;
  History *history;

  if (db == NULL)
    return NULL;
  if (!db_run_now (db, history_begin_numbers, NULL, error) || !db_run_now (db, history_find_doomed, &doomed, error))
    {
      db_close (db);
      return NULL;
    }
  history = g_new0 (History, 1);
  history->db = db;
  if (doomed > 0)
    history_forget_on (history);
  return history;
}

void
history_stop (History *history)
{
  history->stopping = TRUE;
}

gboolean
history_is_stopping (History *history, GError **error)
{
  if (history->stopping)
    g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_CANCELLED, "store: closing");
  return history->stopping;
}

void
history_close (History *history)
{
  if (history == NULL)
    return;
  if (history->tidy_source != 0)
    g_source_remove (history->tidy_source);
  history->tidy_source = 0;
  /* Where that fails the next start takes it for one that died. */
  db_submit (history->db, TRUE, history_end_numbers, NULL, NULL, NULL);
  db_close (history->db);
  if (history->tidy_source != 0) /* a report of the last moment */
    g_source_remove (history->tidy_source);
  g_free (history);
}

Db *
history_get_db (History *history)
{
  return history->db;
}

/* --- appending, in a job -------------------------------------------------- */

static gboolean
touch_conversation (sqlite3 *handle, guint32 contact, guint64 seq, gboolean unread, GError **error)
{
  static const char sql[] = "INSERT INTO conversation (contact, last_seq, read_seq, unread, muted, require)"
                            " VALUES (?1, ?2, 0, ?3, 0, '') ON CONFLICT (contact)"
                            " DO UPDATE SET last_seq = excluded.last_seq, unread = unread + excluded.unread";
  sqlite3_stmt *stmt;

  if (contact == 0)
    return TRUE;
  stmt = db_prepare (handle, sql, error);
  if (stmt == NULL)
    return FALSE;
  sqlite3_bind_int64 (stmt, 1, contact);
  db_bind_seq (stmt, 2, seq);
  sqlite3_bind_int (stmt, 3, unread ? 1 : 0);
  return db_step_done (handle, stmt, error);
}

static int
flags_of (const LogEntry *entry)
{
  return (entry->unstyled ? FLAG_UNSTYLED : 0) | (entry->markable ? FLAG_MARKABLE : 0) | (int) entry->require << FLAG_REQUIRE_SHIFT;
}

gboolean
history_append_in_job (sqlite3 *handle, LogEntry *entry, GError **error)
{
  static const char sql[] = "INSERT INTO log (time, kind, contact, id, direction, insecure, sent_time, key, trust, thread,"
                            " reply_to, state, reason, body, about, url, flags)"
                            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";
  sqlite3_stmt *stmt;
  Kind kind;

  if (!kind_from_string (entry->kind, &kind) || entry->contact > CONTACT_ID_MAX)
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "no log entry");
      return FALSE;
    }
  stmt = db_prepare (handle, sql, error);
  if (stmt == NULL)
    return FALSE;
  sqlite3_bind_int64 (stmt, 1, entry->time);
  sqlite3_bind_int (stmt, 2, (int) kind);
  sqlite3_bind_int64 (stmt, 3, entry->contact);
  db_bind_text (stmt, 4, entry->id != NULL ? entry->id : "");
  sqlite3_bind_int (stmt, 5, (int) entry->direction | (entry->imported ? DIRECTION_IMPORTED : 0));
  sqlite3_bind_int (stmt, 6, entry->insecure ? 1 : 0);
  sqlite3_bind_int64 (stmt, 7, entry->sent_time);
  if (entry->has_key)
    db_bind_fingerprint (stmt, 8, &entry->key);
  db_bind_text (stmt, 9, entry->trust);
  db_bind_text (stmt, 10, entry->thread);
  db_bind_text (stmt, 11, entry->reply_to);
  db_bind_text (stmt, 12, entry->state);
  db_bind_text (stmt, 13, entry->reason);
  db_bind_text (stmt, 14, entry->body);
  db_bind_text (stmt, 15, entry->about);
  db_bind_text (stmt, 16, entry->url);
  sqlite3_bind_int (stmt, 17, flags_of (entry));
  if (!db_step_done (handle, stmt, error))
    return FALSE;
  entry->seq = (guint64) sqlite3_last_insert_rowid (handle);
  if (!history_number_in_job (handle, entry->seq, error))
    return FALSE;
  return touch_conversation (handle, entry->contact, entry->seq,
                             kind == KIND_MESSAGE && entry->direction == DIRECTION_IN && !entry->imported, error);
}

/* *about is the caller's, NULL for a message. */
static gboolean
find_our_message (sqlite3 *handle, guint32 contact, const char *id, guint64 *seq, Kind *kind, char **about, GError **error)
{
  static const char sql[] = "SELECT seq, kind, about FROM log INDEXED BY log_id WHERE id = ?1 AND contact = ?2 AND " SPOKEN " AND direction = 1"
                            " ORDER BY seq DESC LIMIT 1";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  gboolean row;

  *seq = 0;
  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, id);
  sqlite3_bind_int64 (stmt, 2, contact);
  if (!db_step_row (handle, stmt, &row, error))
    return FALSE;
  if (row)
    {
      *seq = (guint64) db_column_positive (stmt, 0);
      *kind = (Kind) sqlite3_column_int (stmt, 1);
      *about = db_column_dup (stmt, 2);
    }
  return TRUE;
}

gboolean
history_state_in_job (sqlite3 *handle, guint32 contact, const char *id, const char *state, const char *reason,
                      gint64 time, guint64 *seq, GError **error)
{
  LogEntry entry = { .time = time, .kind = (char *) "state", .contact = contact, .id = (char *) id,
                     .direction = DIRECTION_OUT, .state = (char *) state, .reason = (char *) reason };
  g_autofree char *about = NULL;
  sqlite3_stmt *stmt;
  Kind kind = KIND_MESSAGE;
  guint64 row;

  if (seq != NULL)
    *seq = 0;
  if (!find_our_message (handle, contact, id, &row, &kind, &about, error))
    return FALSE;
  if (row == 0)
    return TRUE;
  stmt = db_prepare (handle, "UPDATE log SET state = ?2, reason = ?3 WHERE seq = ?1", error);
  if (stmt == NULL)
    return FALSE;
  db_bind_seq (stmt, 1, row);
  db_bind_text (stmt, 2, state);
  db_bind_text (stmt, 3, reason);
  if (!db_step_done (handle, stmt, error) || !history_append_in_job (handle, &entry, error)
      || (about != NULL && !history_change_in_job (handle, contact, kind, about, state, error)))
    return FALSE;
  if (seq != NULL)
    *seq = entry.seq;
  return TRUE;
}

/* --- receiving ------------------------------------------------------------ */

/* In the log, or gone from it and remembered? */
static gboolean
find_duplicate (sqlite3 *handle, const LogEntry *entry, ReceivedResult *result, guint64 *seq, GError **error)
{
  /* The row of the least direction: one that came, before one that was imported. Nulls where there is none. To sort would cost a table each time. */
  static const char in_log[] = "SELECT seq, coalesce(original, body), kind, min(direction) FROM log INDEXED BY log_id WHERE id = ?1"
                               " AND contact = ?2 AND " SPOKEN " AND direction IN (0, 2)";
  guint32 contact = entry->contact;
  const char *id = entry->id;
  sqlite3_stmt *stmt;
  gboolean row;
  Kind kind;

  *result = RECEIVED_NEW;
  if (id == NULL || id[0] == '\0' || !kind_from_string (entry->kind, &kind))
    return TRUE;
  stmt = db_prepare (handle, in_log, error);
  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, id);
  sqlite3_bind_int64 (stmt, 2, contact);
  if (!db_step_row (handle, stmt, &row, error))
    return FALSE;
  if (row && sqlite3_column_type (stmt, 0) != SQLITE_NULL)
    {
      const char *first = (const char *) sqlite3_column_text (stmt, 1);

      *seq = (guint64) db_column_positive (stmt, 0);
      /* Without a text it was retracted, and nobody knows any more. */
      *result = sqlite3_column_int (stmt, 2) == (int) kind && (first == NULL || g_strcmp0 (first, entry->body) == 0)
                  ? RECEIVED_DUPLICATE
                  : RECEIVED_CONFLICT;
      return TRUE;
    }
  stmt = db_prepare (handle, "SELECT seq FROM seen WHERE contact = ?1 AND id = ?2", error);
  if (stmt == NULL)
    return FALSE;
  sqlite3_bind_int64 (stmt, 1, contact);
  db_bind_text (stmt, 2, id);
  if (!db_step_row (handle, stmt, &row, error))
    return FALSE;
  if (row)
    {
      *seq = (guint64) db_column_positive (stmt, 0);
      *result = RECEIVED_DUPLICATE;
    }
  return TRUE;
}

/* What it says about earlier messages counts in its own conversation only. */
static gboolean
receive_about (sqlite3 *handle, Job *job, GError **error)
{
  LogEntry *entry = job->entry;
  gboolean found;

  if (strcmp (entry->kind, "message") == 0)
    return history_check_reply_in_job (handle, entry, error);
  if (!history_amend_in_job (handle, entry, &found, error))
    return FALSE;
  if (!found)
    job->received = strcmp (entry->kind, "retract") == 0 ? RECEIVED_DUPLICATE : RECEIVED_UNKNOWN;
  return TRUE;
}

static gboolean
work_receive (sqlite3 *handle, gpointer data, GError **error)
{
  Job *job = data;
  LogEntry *entry = job->entry;

  job_reset (job);
  entry->seq = 0;
  entry->unread_gone = FALSE;
  if (!find_duplicate (handle, entry, &job->received, &entry->seq, error))
    return FALSE;
  /* In clear an id is what a program counted to: another text under it is another message (docs/protocol.md 4.1). */
  if (job->received == RECEIVED_CONFLICT && entry->insecure)
    {
      g_free (entry->id);
      entry->id = g_uuid_string_random ();
      job->received = RECEIVED_NEW;
    }
  if (job->received == RECEIVED_NEW && !receive_about (handle, job, error))
    return FALSE;
  return job->received != RECEIVED_NEW || history_append_in_job (handle, entry, error);
}

static void
done_received (gpointer data, const GError *error)
{
  Job *job = data;

  if (job->report.received != NULL)
    job->report.received (job->user, job->entry, job->received, error != NULL ? error : job->refusal);
}

static void
make_message (LogEntry *entry)
{
  Kind kind;

  if (!kind_from_string (entry->kind, &kind) || (kind != KIND_EDIT && kind != KIND_RETRACT && kind != KIND_REACTION))
    {
      g_free (entry->kind);
      entry->kind = g_strdup ("message");
    }
  entry->direction = DIRECTION_IN;
}

void
history_receive (History *history, LogEntry *entry_take, HistoryReceived done, gpointer user)
{
  Job *job = job_new (user);

  make_message (entry_take);
  job->entry = entry_take;
  job->report.received = done;
  db_submit (history->db, TRUE, work_receive, done_received, job, job_free);
}

/* --- aside ---------------------------------------------------------------- */

static gboolean
count_rows (sqlite3 *handle, const char *static_sql, const Fingerprint *key, guint64 *count, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, static_sql, error);
  gboolean row;

  if (stmt == NULL)
    return FALSE;
  if (key != NULL)
    db_bind_fingerprint (stmt, 1, key);
  if (!db_step_row (handle, stmt, &row, error))
    return FALSE;
  *count = row ? (guint64) db_column_positive (stmt, 0) : 0;
  return TRUE;
}

static gboolean
insert_aside (sqlite3 *handle, const LogEntry *entry, GError **error)
{
  static const char sql[] = "INSERT INTO aside (key, contact, id, time, sent_time, insecure, trust, thread, reply_to, body, url, flags)"
                            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);

  if (stmt == NULL)
    return FALSE;
  db_bind_fingerprint (stmt, 1, &entry->key);
  sqlite3_bind_int64 (stmt, 2, entry->contact);
  db_bind_text (stmt, 3, entry->id != NULL ? entry->id : "");
  sqlite3_bind_int64 (stmt, 4, entry->time);
  sqlite3_bind_int64 (stmt, 5, entry->sent_time);
  sqlite3_bind_int (stmt, 6, entry->insecure ? 1 : 0);
  db_bind_text (stmt, 7, entry->trust);
  db_bind_text (stmt, 8, entry->thread);
  db_bind_text (stmt, 9, entry->reply_to);
  db_bind_text (stmt, 10, entry->body != NULL ? entry->body : "");
  db_bind_text (stmt, 11, entry->url);
  sqlite3_bind_int (stmt, 12, flags_of (entry));
  return db_step_done (handle, stmt, error);
}

static gboolean
work_set_aside (sqlite3 *handle, gpointer data, GError **error)
{
  static const char by_id[] = "SELECT body FROM aside INDEXED BY aside_key WHERE key = ?1 AND id = ?2 AND id <> '' LIMIT 1";
  Job *job = data;
  LogEntry *entry = job->entry;
  sqlite3_stmt *stmt;
  guint64 of_key = 0, of_all = 0;
  gboolean row;

  job_reset (job);
  if (!entry->has_key || strcmp (entry->kind, "message") != 0)
    return job_refuse (job, EARSHOT_ERROR_INVALID_ARGUMENT, "what is set aside is a message and has its key");
  stmt = db_prepare (handle, by_id, error);
  if (stmt == NULL)
    return FALSE;
  db_bind_fingerprint (stmt, 1, &entry->key);
  db_bind_text (stmt, 2, entry->id != NULL ? entry->id : "");
  if (!db_step_row (handle, stmt, &row, error))
    return FALSE;
  if (row)
    {
      job->received = g_strcmp0 ((const char *) sqlite3_column_text (stmt, 0), entry->body) == 0 ? RECEIVED_DUPLICATE
                                                                                                : RECEIVED_CONFLICT;
      return TRUE;
    }
  if (!count_rows (handle, "SELECT count(*) FROM aside INDEXED BY aside_key WHERE key = ?1", &entry->key, &of_key, error)
      || !count_rows (handle, "SELECT count(*) FROM aside", NULL, &of_all, error))
    return FALSE;
  if (of_key >= job->max || of_all >= ASIDE_MAX)
    return job_refuse (job, EARSHOT_ERROR_QUOTA_EXCEEDED, "enough messages wait for a decision");
  return insert_aside (handle, entry, error);
}

void
history_set_aside (History *history, LogEntry *entry_take, guint max, HistoryReceived done, gpointer user)
{
  Job *job = job_new (user);

  make_message (entry_take);
  job->entry = entry_take;
  job->max = max;
  job->report.received = done;
  db_submit (history->db, TRUE, work_set_aside, done_received, job, job_free);
}

/* Reads a key's messages aside, in order of arrival, into job->items. */
static gboolean
read_aside (sqlite3 *handle, Job *job, GError **error)
{
  static const char sql[] = "SELECT 0, time, 0, contact, id, 0, insecure, sent_time, key, trust, thread, reply_to, NULL, NULL,"
                            " body, NULL, 0, 0, NULL, NULL, url, flags, NULL, NULL FROM aside INDEXED BY aside_key WHERE key = ?1 ORDER BY n";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  gboolean row;

  job->items = g_ptr_array_new_with_free_func ((GDestroyNotify) log_entry_free);
  if (stmt == NULL)
    return FALSE;
  db_bind_fingerprint (stmt, 1, &job->key);
  while (db_step_row (handle, stmt, &row, error))
    {
      LogEntry *entry;

      if (!row)
        return TRUE;
      entry = log_entry_read (stmt);
      if (entry != NULL)
        g_ptr_array_add (job->items, entry);
    }
  return FALSE;
}

static gboolean
work_preview (sqlite3 *handle, gpointer data, GError **error)
{
  job_reset (data);
  return read_aside (handle, data, error);
}

void
history_preview (History *history, const Fingerprint *key, HistoryEntries done, gpointer user)
{
  Job *job = job_new (user);

  job->key = *key;
  job->report.entries = done;
  db_submit (history->db, FALSE, work_preview, job_done_entries, job, job_free);
}

static gboolean
drop_aside (sqlite3 *handle, const Fingerprint *key, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, "DELETE FROM aside WHERE key = ?1", error);

  if (stmt == NULL)
    return FALSE;
  db_bind_fingerprint (stmt, 1, key);
  return db_step_done (handle, stmt, error);
}

static gboolean
work_admit (sqlite3 *handle, gpointer data, GError **error)
{
  Job *job = data;
  guint i = 0;

  job_reset (job);
  if (!read_aside (handle, job, error))
    return FALSE;
  while (i < job->items->len)
    {
      LogEntry *entry = job->items->pdata[i];
      ReceivedResult result;
      guint64 seq;

      entry->contact = job->contact;
      if (!find_duplicate (handle, entry, &result, &seq, error) || !history_check_reply_in_job (handle, entry, error))
        return FALSE;
      if (result != RECEIVED_NEW)
        {
          g_ptr_array_remove_index (job->items, i);
          continue;
        }
      if (!history_append_in_job (handle, entry, error))
        return FALSE;
      job->last = entry->seq;
      i++;
    }
  return drop_aside (handle, &job->key, error);
}

void
history_admit (History *history, const Fingerprint *key, guint32 contact, HistoryEntries done, gpointer user)
{
  Job *job = job_new (user);

  job->key = *key;
  job->contact = contact;
  job->report.entries = done;
  db_submit (history->db, TRUE, work_admit, job_done_entries, job, job_free);
}

static gboolean
work_discard (sqlite3 *handle, gpointer data, GError **error)
{
  Job *job = data;

  job_reset (job);
  return drop_aside (handle, &job->key, error);
}

void
history_discard (History *history, const Fingerprint *key, DoneFunc done, gpointer user)
{
  Job *job = job_new (user);

  job->key = *key;
  job->report.done = done;
  db_submit (history->db, TRUE, work_discard, job_done, job, job_free);
}

static gboolean
work_list_aside (sqlite3 *handle, gpointer data, GError **error)
{
  GArray *keys = data;
  sqlite3_stmt *stmt = db_prepare (handle, "SELECT DISTINCT key FROM aside ORDER BY key", error);
  Fingerprint key;
  gboolean row;

  g_array_set_size (keys, 0);
  if (stmt == NULL)
    return FALSE;
  while (db_step_row (handle, stmt, &row, error))
    {
      if (!row)
        return TRUE;
      if (db_column_fingerprint (stmt, 0, &key))
        g_array_append_val (keys, key);
    }
  return FALSE;
}

gboolean
history_list_aside (History *history, GArray **keys, GError **error)
{
  g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (Fingerprint));

  if (!db_run_now (history->db, work_list_aside, found, error))
    return FALSE;
  *keys = g_steal_pointer (&found);
  return TRUE;
}

/* --- notes ---------------------------------------------------------------- */

static gboolean
work_note (sqlite3 *handle, gpointer data, GError **error)
{
  Job *job = data;
  Kind kind;

  job_reset (job);
  if (!kind_from_string (job->entry->kind, &kind) || (kind != KIND_READ && kind != KIND_TRUST && kind != KIND_REQUEST))
    return job_refuse (job, EARSHOT_ERROR_INVALID_ARGUMENT, "not a kind to note");
  if (!history_append_in_job (handle, job->entry, error))
    return FALSE;
  job->last = job->entry->seq;
  return TRUE;
}

static void
done_note (gpointer data, const GError *error)
{
  Job *job = data;

  if (error == NULL)
    error = job->refusal;
  if (job->report.appended != NULL)
    job->report.appended (job->user, error == NULL ? job->last : 0, error);
}

void
history_note (History *history, LogEntry *entry_take, HistoryAppended done, gpointer user)
{
  Job *job = job_new (user);

  job->entry = entry_take;
  job->report.appended = done;
  db_submit (history->db, TRUE, work_note, done_note, job, job_free);
}
