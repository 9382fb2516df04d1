/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a later entry does to earlier messages: corrections, retractions, reactions, markers. Threat (M-10): the ids in
 * them are a peer's claim. Each search here names the contact, so that nobody reaches into another conversation, and a
 * correction or retraction the direction, so that nobody changes what the other one said. A correction by another key of the same contact
 * shows as that key's: it borrows no level.
 */
#include "earshot-config.h"

#include "daemon/io/history-private.h"

#define DISPLAYED_MAX 500 /* messages that one marker moves on */
#define NEVER_ARRIVES "'failed', 'expired', 'cancelled'"

static gboolean
set_text (sqlite3 *handle, const char *static_sql, guint64 seq, const char *text, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, static_sql, error);

  if (stmt == NULL)
    return FALSE;
  db_bind_seq (stmt, 1, seq);
  db_bind_text (stmt, 2, text);
  return db_step_done (handle, stmt, error);
}

static gboolean
set_number (sqlite3 *handle, const char *static_sql, guint64 seq, gint64 number, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, static_sql, error);

  if (stmt == NULL)
    return FALSE;
  db_bind_seq (stmt, 1, seq);
  sqlite3_bind_int64 (stmt, 2, number);
  return db_step_done (handle, stmt, error);
}

static gboolean
run_about (sqlite3 *handle, const char *static_sql, guint32 contact, const char *about, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, static_sql, error);

  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, about);
  sqlite3_bind_int64 (stmt, 2, contact);
  return db_step_done (handle, stmt, error);
}

/* --- the message that is meant ---------------------------------------------------------- */

/* Its seq, 0 = none, and its id, which is another one than `about` where that is the id of a correction. */
static gboolean
find_target (sqlite3 *handle, const LogEntry *entry, Kind kind, guint64 *seq, char **id, GError **error)
{
  /* What was taken back is no more, but that it may be asked for again when the other side never heard of it. Of two that have the id
   * the one of the other side is meant: one reacts to what somebody else said. */
  static const char sql[] = "SELECT seq, id FROM log INDEXED BY log_id WHERE id = coalesce((SELECT about FROM log INDEXED BY log_id"
                            " WHERE id = ?1 AND contact = ?2 AND kind = 5 AND (?4 OR direction = ?3) LIMIT 1), ?1)"
                            " AND contact = ?2 AND kind = 0 AND (?4 OR direction = ?3)"
                            " AND (retracted = 0 OR (?5 AND change_state IN (" NEVER_ARRIVES ")))"
                            " ORDER BY direction = ?3, seq DESC LIMIT 1";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  gboolean row;

  *seq = 0;
  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, entry->about);
  sqlite3_bind_int64 (stmt, 2, entry->contact);
  sqlite3_bind_int (stmt, 3, (int) entry->direction);
  sqlite3_bind_int (stmt, 4, kind == KIND_REACTION ? 1 : 0);
  sqlite3_bind_int (stmt, 5, kind == KIND_RETRACT && entry->direction == DIRECTION_OUT ? 1 : 0);
  if (!db_step_row (handle, stmt, &row, error))
    return FALSE;
  if (!row)
    return TRUE;
  *seq = (guint64) db_column_positive (stmt, 0);
  *id = db_column_dup_or_empty (stmt, 1);
  return TRUE;
}

/* A contact may have several keys, one that replaced a verified one among them: words stand beside the key that said them, and its level. */
static gboolean
put_speaker (sqlite3 *handle, const LogEntry *entry, guint64 seq, GError **error)
{
  sqlite3_stmt *stmt;

  if (entry->direction != DIRECTION_IN || !entry->has_key)
    return TRUE;
  stmt = db_prepare (handle, "UPDATE log SET key = ?2, trust = ?3 WHERE seq = ?1", error);
  if (stmt == NULL)
    return FALSE;
  db_bind_seq (stmt, 1, seq);
  db_bind_fingerprint (stmt, 2, &entry->key);
  db_bind_text (stmt, 3, entry->trust);
  return db_step_done (handle, stmt, error);
}

static gboolean
edit_message (sqlite3 *handle, const LogEntry *entry, guint64 seq, GError **error)
{
  static const char text[] = "UPDATE log SET original_url = CASE WHEN original IS NULL THEN url ELSE original_url END,"
                             " original_flags = CASE WHEN original IS NULL THEN flags & 1 ELSE original_flags END,"
                             " original = coalesce(original, body), body = ?2 WHERE seq = ?1";

  return put_speaker (handle, entry, seq, error) && set_text (handle, text, seq, entry->body, error)
         && set_text (handle, "UPDATE log SET url = ?2 WHERE seq = ?1", seq, entry->url, error)
         && set_number (handle, "UPDATE log SET edited = ?2 WHERE seq = ?1", seq, entry->time, error)
         && set_number (handle, "UPDATE log SET flags = (flags & ~1) | ?2 WHERE seq = ?1", seq,
                        entry->unstyled ? FLAG_UNSTYLED : 0, error)
         && history_unindex_in_job (handle, UNINDEX_MAX, NULL, error);
}

/* What is not there any more is not unread. */
static gboolean
count_as_read (sqlite3 *handle, LogEntry *entry, guint64 seq, GError **error)
{
  static const char sql[] = "UPDATE conversation SET unread = unread - 1 WHERE contact = ?1 AND read_seq < ?2 AND unread > 0";

  if (entry->direction != DIRECTION_IN)
    return TRUE;
  if (!history_run_numbers (handle, sql, (gint64[]){ entry->contact, (gint64) seq }, 2, error))
    return FALSE;
  entry->unread_gone = sqlite3_changes (handle) > 0;
  return TRUE;
}

/* The row stays, as a tombstone and to know a repeat by; no word of any version does, nor in the index. */
static gboolean
retract_message (sqlite3 *handle, LogEntry *entry, guint64 seq, GError **error)
{
  static const char words[] = "UPDATE log SET body = NULL, original = NULL, url = NULL, original_url = NULL, reply_to = NULL,"
                              " retracted = ?2 WHERE seq = ?1";
  static const char versions[] = "UPDATE log INDEXED BY log_about SET body = NULL, url = NULL WHERE about = ?1 AND contact = ?2"
                                 " AND kind = 5 AND direction = ?3";
  sqlite3_stmt *stmt;

  if (!count_as_read (handle, entry, seq, error) || !set_number (handle, words, seq, MAX (entry->time, 1), error))
    return FALSE;
  stmt = db_prepare (handle, versions, error);
  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, entry->about);
  sqlite3_bind_int64 (stmt, 2, entry->contact);
  sqlite3_bind_int (stmt, 3, (int) entry->direction);
  return db_step_done (handle, stmt, error) && history_unindex_in_job (handle, UNINDEX_MAX, NULL, error);
}

static gboolean
react_to_message (sqlite3 *handle, const LogEntry *entry, guint64 seq, GError **error)
{
  return set_text (handle,
                   entry->direction == DIRECTION_IN ? "UPDATE log SET reactions_in = ?2 WHERE seq = ?1"
                                                    : "UPDATE log SET reactions_out = ?2 WHERE seq = ?1",
                   seq, entry->body, error);
}

gboolean
history_amend_in_job (sqlite3 *handle, LogEntry *entry, gboolean *found, GError **error)
{
  g_autofree char *id = NULL;
  guint64 seq = 0;
  Kind kind;

  *found = FALSE;
  if (!kind_from_string (entry->kind, &kind) || entry->about == NULL || entry->contact == 0)
    return TRUE;
  if (!find_target (handle, entry, kind, &seq, &id, error))
    return FALSE;
  if (seq == 0)
    return TRUE;
  *found = TRUE;
  g_free (entry->about);
  entry->about = g_steal_pointer (&id);
  if (kind == KIND_EDIT)
    return edit_message (handle, entry, seq, error);
  if (kind == KIND_RETRACT)
    return retract_message (handle, entry, seq, error);
  if (kind == KIND_REACTION)
    return react_to_message (handle, entry, seq, error);
  *found = FALSE;
  return TRUE;
}

/* --- what became of it -------------------------------------------------------------------- */

/* The text of the newest correction that did not fail, or the first one; a correction to what was deleted or retracted changes nothing. */
static gboolean
recall_text (sqlite3 *handle, guint32 contact, const char *about, GError **error)
{
#define OURS "log.id = ?1 AND log.contact = ?2 AND log.kind = 0 AND log.direction = 1 AND log.retracted = 0 AND log.original IS NOT NULL"
#define STANDING "(SELECT body, url, flags, time FROM log INDEXED BY log_about WHERE about = ?1 AND contact = ?2 AND kind = 5" \
                 " AND direction = 1 AND state NOT IN (" NEVER_ARRIVES ") ORDER BY seq DESC LIMIT 1)"
  static const char *const sql[] = {
    "UPDATE log SET body = new.body, url = new.url, flags = (log.flags & ~1) | (new.flags & 1), edited = new.time FROM " STANDING
    " AS new WHERE " OURS,
    "UPDATE log SET body = original, original = NULL, url = CASE WHEN original_flags IS NULL THEN url ELSE original_url END,"
    " flags = (flags & ~1) | coalesce(original_flags, flags & 1), original_url = NULL, original_flags = NULL, edited = 0"
    " WHERE " OURS " AND NOT EXISTS " STANDING,
  };
#undef STANDING
#undef OURS

  for (guint i = 0; i < G_N_ELEMENTS (sql); i++)
    if (!run_about (handle, sql[i], contact, about, error))
      return FALSE;
  return history_unindex_in_job (handle, UNINDEX_MAX, NULL, error);
}

static gboolean
recall_reaction (sqlite3 *handle, guint32 contact, const char *about, GError **error)
{
  static const char sql[] = "UPDATE log SET reactions_out = (SELECT body FROM log INDEXED BY log_about WHERE about = ?1 AND contact = ?2"
                            " AND kind = 8 AND direction = 1 AND state NOT IN (" NEVER_ARRIVES ") ORDER BY seq DESC LIMIT 1)"
                            " WHERE seq = (SELECT seq FROM log INDEXED BY log_id WHERE id = ?1 AND contact = ?2 AND kind = 0"
                            " AND retracted = 0 ORDER BY direction = 1, seq DESC LIMIT 1)";

  return run_about (handle, sql, contact, about, error);
}

static gboolean
never_arrives (const char *state)
{
  return g_strcmp0 (state, "failed") == 0 || g_strcmp0 (state, "expired") == 0 || g_strcmp0 (state, "cancelled") == 0;
}

gboolean
history_change_in_job (sqlite3 *handle, guint32 contact, Kind kind, const char *about, const char *state, GError **error)
{
  static const char note[] = "UPDATE log INDEXED BY log_id SET change_state = new.state, change_reason = new.reason FROM"
                             " (SELECT CASE WHEN state IN ('acked', 'delivered', 'displayed') THEN NULL ELSE state END AS state,"
                             " CASE WHEN state IN ('acked', 'delivered', 'displayed') THEN NULL ELSE reason END AS reason"
                             " FROM log INDEXED BY log_about WHERE about = ?1 AND contact = ?2 AND kind IN (5, 6) AND direction = 1"
                             " ORDER BY seq DESC LIMIT 1) AS new"
                             " WHERE log.id = ?1 AND log.contact = ?2 AND log.kind = 0 AND log.direction = 1";

  if (kind == KIND_REACTION)
    return !never_arrives (state) || recall_reaction (handle, contact, about, error);
  if (kind == KIND_EDIT && never_arrives (state) && !recall_text (handle, contact, about, error))
    return FALSE;
  return (kind != KIND_EDIT && kind != KIND_RETRACT) || run_about (handle, note, contact, about, error);
}

gboolean
history_check_reply_in_job (sqlite3 *handle, LogEntry *entry, GError **error)
{
  static const char sql[] = "SELECT 1 FROM log INDEXED BY log_id WHERE id = ?1 AND contact = ?2 AND kind = 0 LIMIT 1";
  sqlite3_stmt *stmt;
  gboolean row;

  if (entry->reply_to == NULL)
    return TRUE;
  stmt = db_prepare (handle, sql, error);
  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, entry->reply_to);
  sqlite3_bind_int64 (stmt, 2, entry->contact);
  if (!db_step_row (handle, stmt, &row, error))
    return FALSE;
  if (!row)
    {
      /* The statement borrows it no longer. */
      stmt = db_prepare (handle, sql, error);
      g_clear_pointer (&entry->reply_to, g_free);
      return stmt != NULL;
    }
  return TRUE;
}

/* --- markers (XEP-0333) --------------------------------------------------------------------- */

gboolean
history_find_marker_in_job (sqlite3 *handle, guint32 contact, guint64 after, guint64 until, char **id, GError **error)
{
  static const char find[] = "SELECT id FROM log INDEXED BY log_contact WHERE contact = ?1 AND seq > ?2 AND seq <= ?3 AND kind = 0"
                             " AND direction = 0 AND insecure = 0 AND flags & 2 ORDER BY seq DESC LIMIT 1";
  sqlite3_stmt *stmt = db_prepare (handle, find, error);
  gboolean row;

  if (stmt == NULL)
    return FALSE;
  sqlite3_bind_int64 (stmt, 1, contact);
  db_bind_seq (stmt, 2, after);
  db_bind_seq (stmt, 3, until);
  if (!db_step_row (handle, stmt, &row, error))
    return FALSE;
  if (!row)
    return TRUE;
  *id = db_column_dup_or_empty (stmt, 0);
  stmt = db_prepare (handle, "UPDATE conversation SET marker = ?2 WHERE contact = ?1", error);
  if (stmt == NULL)
    return FALSE;
  sqlite3_bind_int64 (stmt, 1, contact);
  db_bind_text (stmt, 2, *id);
  return db_step_done (handle, stmt, error);
}

static gboolean
work_marker_sent (sqlite3 *handle, gpointer data, GError **error)
{
  Job *job = data;
  sqlite3_stmt *stmt = db_prepare (handle, "UPDATE conversation SET marker = '' WHERE contact = ?1 AND marker = ?2", error);

  job_reset (job);
  if (stmt == NULL)
    return FALSE;
  sqlite3_bind_int64 (stmt, 1, job->contact);
  db_bind_text (stmt, 2, job->name);
  return db_step_done (handle, stmt, error);
}

void
history_marker_sent (History *history, guint32 contact, const char *id)
{
  Job *job = job_new (NULL);

  job->contact = contact;
  job->name = g_strdup (id);
  job->report.done = NULL;
  db_submit (history->db, TRUE, work_marker_sent, job_done, job, job_free);
}

/* Ids of what the marker covers, oldest first; `*seq` is the message that it names, 0 = nothing new. */
static GPtrArray *
find_displayed (sqlite3 *handle, guint32 contact, const char *id, guint64 *seq, GError **error)
{
  static const char named[] = "SELECT seq FROM log INDEXED BY log_id WHERE id = ?1 AND contact = ?2 AND kind = 0 AND direction = 1"
                              " AND flags & 2 AND seq > (SELECT displayed FROM conversation WHERE contact = ?2)"
                              " ORDER BY seq DESC LIMIT 1";
  static const char covered[] = "SELECT id FROM log INDEXED BY log_contact WHERE contact = ?1 AND seq <= ?2"
                                " AND seq > (SELECT displayed FROM conversation WHERE contact = ?1) AND kind = 0 AND direction = 1"
                                " AND flags & 2 AND state IN ('delivered', 'acked') ORDER BY seq DESC LIMIT ?3";
  g_autoptr (GPtrArray) ids = g_ptr_array_new_with_free_func (g_free);
  sqlite3_stmt *stmt = db_prepare (handle, named, error);
  gboolean row;

  if (stmt == NULL)
    return NULL;
  db_bind_text (stmt, 1, id);
  sqlite3_bind_int64 (stmt, 2, contact);
  if (!db_step_row (handle, stmt, &row, error))
    return NULL;
  *seq = row ? (guint64) db_column_positive (stmt, 0) : 0;
  if (*seq == 0)
    return g_steal_pointer (&ids);
  stmt = db_prepare (handle, covered, error);
  if (stmt == NULL)
    return NULL;
  sqlite3_bind_int64 (stmt, 1, contact);
  db_bind_seq (stmt, 2, *seq);
  sqlite3_bind_int (stmt, 3, DISPLAYED_MAX);
  while (db_step_row (handle, stmt, &row, error))
    {
      if (!row)
        return g_steal_pointer (&ids);
      g_ptr_array_insert (ids, 0, db_column_dup_or_empty (stmt, 0));
    }
  return NULL;
}

static gboolean
work_displayed (sqlite3 *handle, gpointer data, GError **error)
{
  g_autoptr (GPtrArray) ids = NULL;
  Job *job = data;
  sqlite3_stmt *stmt;
  guint64 seq;

  job_reset (job);
  ids = find_displayed (handle, job->contact, job->name, &seq, error);
  if (ids == NULL)
    return FALSE;
  if (seq == 0)
    return TRUE;
  for (guint i = 0; i < ids->len; i++)
    if (!history_state_in_job (handle, job->contact, ids->pdata[i], "displayed", "", job->now, &job->last, error))
      return FALSE;
  stmt = db_prepare (handle, "UPDATE conversation SET displayed = ?2 WHERE contact = ?1", error);
  if (stmt == NULL)
    return FALSE;
  sqlite3_bind_int64 (stmt, 1, job->contact);
  db_bind_seq (stmt, 2, seq);
  return db_step_done (handle, stmt, error);
}

static void
done_displayed (gpointer data, const GError *error)
{
  Job *job = data;

  if (job->report.appended != NULL)
    job->report.appended (job->user, error == NULL ? job->last : 0, error);
}

void
history_displayed (History *history, guint32 contact, const char *id, HistoryAppended done, gpointer user)
{
  Job *job = job_new (user);

  job->contact = contact;
  job->name = g_strdup (id);
  job->now = g_get_real_time ();
  job->report.appended = done;
  db_submit (history->db, TRUE, work_displayed, done_displayed, job, job_free);
}
