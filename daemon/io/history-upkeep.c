/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tidying: retention, the index, and giving space back. A run is a row of jobs, none of them long, so that whoever sends
 * meanwhile waits for one of them at most. Each job is complete in itself: a run may end anywhere, and the next one goes on.
 *
 *   LIMITS   for one contact after the other: up to which entry do the limits let things go?
 *   DROP     take them, the oldest first; never what is owed, never past the slowest consumer of the last 30 days
 *   SEEN     forget ids past their time
 *   INDEX    history_index()
 *   MERGE    only if something left the index: its words stay in its pages until they are merged
 *   VACUUM   give free pages back, but keep some, which the next messages want
 */
#include "earshot-config.h"

#include "daemon/io/history-private.h"

#define DROP_ROWS 400        /* a job */
#define SIZE_ROWS 4000       /* sizes added up in one job */
#define MERGE_PAGES 64
#define VACUUM_PAGES 256
#define FREE_PAGES_KEPT 1024 /* 4 MiB, and a tenth of the file */
#define DAYS_30 (30 * G_TIME_SPAN_DAY)
#define SEEN_KEPT 10000      /* docs/protocol.md 4.1: (contact, id) kept >= 30 days and >= 10 000 ids */

typedef enum { UPKEEP_CLOCK, UPKEEP_NEXT, UPKEEP_SIZE, UPKEEP_DROP, UPKEEP_SEEN, UPKEEP_MERGE, UPKEEP_VACUUM, UPKEEP_END } Step;

/* What one job changes of it is in `then`, and counts only when it is committed. */
typedef struct
{
  Step step;
  gint64 age;           /* now, as far as age goes */
  gint64 slowest;       /* no consumer needs what is up to here */
  gint64 contact;       /* being looked at; -1 = none yet */
  gint64 last;          /* entries up to here are beyond a limit */
  gint64 size, size_at; /* bytes so far, and the entry the walk stands at */
  gboolean begun;       /* merging */
} Place;

typedef struct
{
  History *history;
  HistoryLimits limits;
  gint64 now;
  Place place, then;
  guint64 tail;
  gint64 unread; /* of the contact, after this job; -1 = as before */
  HistoryLost lost;
  HistoryAppended done;
  gpointer user;
} Upkeep;

/* --- limits --------------------------------------------------------------- */

static gboolean
work_clock (sqlite3 *handle, Upkeep *run, GError **error)
{
  if (!history_clock_in_job (handle, run->now, TRUE, &run->then.age, error)
      || !history_ask_number (handle, "SELECT min(cursor) FROM consumer WHERE last_seen > ?1",
                              (gint64[]){ run->then.age - DAYS_30 }, 1, G_MAXINT64, &run->then.slowest, error))
    return FALSE;
  run->then.contact = -1;
  run->then.step = run->limits.entries > 0 || run->limits.bytes > 0 || run->limits.days > 0 ? UPKEEP_NEXT : UPKEEP_SEEN;
  return TRUE;
}

/* 0, the entries of nobody, counts as a contact. */
static gboolean
work_next (sqlite3 *handle, Upkeep *run, GError **error)
{
  static const char next[] = "SELECT min(contact) FROM log INDEXED BY log_contact WHERE contact > ?1";
  static const char cut[] = "SELECT seq FROM log INDEXED BY log_contact WHERE contact = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2";

  if (!history_ask_number (handle, next, &run->place.contact, 1, -1, &run->then.contact, error))
    return FALSE;
  run->then.last = 0;
  run->then.size = 0;
  run->then.size_at = G_MAXINT64;
  if (run->then.contact < 0)
    run->then.step = UPKEEP_SEEN;
  else
    run->then.step = run->limits.bytes > 0 ? UPKEEP_SIZE : UPKEEP_DROP;
  if (run->then.contact < 0 || run->limits.entries == 0)
    return TRUE;
  return history_ask_number (handle, cut, (gint64[]){ run->then.contact, (gint64) MIN (run->limits.entries, G_MAXINT32) }, 2, 0,
                             &run->then.last, error);
}

/* Walks from the newest: where the bytes are used up, the rest goes. */
static gboolean
work_size (sqlite3 *handle, Upkeep *run, GError **error)
{
  static const char sql[] = "SELECT seq, 64 + coalesce(length(CAST(body AS BLOB)), 0) FROM log INDEXED BY log_contact"
                            " WHERE contact = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  gboolean row;

  if (stmt == NULL)
    return FALSE;
  sqlite3_bind_int64 (stmt, 1, run->place.contact);
  sqlite3_bind_int64 (stmt, 2, run->place.size_at);
  sqlite3_bind_int (stmt, 3, SIZE_ROWS);
  run->then.step = UPKEEP_DROP;
  for (guint n = 0; db_step_row (handle, stmt, &row, error); n++)
    {
      if (!row)
        {
          run->then.step = n == SIZE_ROWS ? UPKEEP_SIZE : UPKEEP_DROP;
          return TRUE;
        }
      run->then.size_at = db_column_positive (stmt, 0);
      run->then.size += db_column_positive (stmt, 1);
      if (run->then.size > (gint64) run->limits.bytes)
        {
          run->then.last = MAX (run->then.last, run->then.size_at);
          return TRUE;
        }
    }
  return FALSE;
}

/* --- dropping ------------------------------------------------------------- */

/* The last of the next DROP_ROWS entries that may go; 0: none. Old ones go up to the first that is not. */
static gboolean
find_last (sqlite3 *handle, Upkeep *run, gint64 *last, gboolean *left, GError **error)
{
  static const char sql[] = "SELECT seq, time FROM log INDEXED BY log_contact WHERE contact = ?1 AND seq <= ?2 AND NOT " OWED
                            " ORDER BY seq LIMIT ?3";
  gint64 since = run->limits.days > 0 ? run->place.age - (gint64) run->limits.days * G_TIME_SPAN_DAY : 0;
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  gboolean row;

  *last = 0;
  if (stmt == NULL)
    return FALSE;
  sqlite3_bind_int64 (stmt, 1, run->place.contact);
  sqlite3_bind_int64 (stmt, 2, run->place.slowest);
  sqlite3_bind_int (stmt, 3, DROP_ROWS);
  for (guint n = 0; db_step_row (handle, stmt, &row, error); n++)
    {
      gint64 seq;

      *left = n == DROP_ROWS;
      if (!row)
        return TRUE;
      seq = db_column_positive (stmt, 0);
      if (seq > run->place.last && sqlite3_column_int64 (stmt, 1) >= since)
        return TRUE;
      *last = seq;
    }
  return FALSE;
}

/* Once a job, and only where it took what is above the mark: it counts all that is unread. */
static gboolean
recount (sqlite3 *handle, Upkeep *run, gint64 last, GError **error)
{
  static const char is_read[] = "SELECT read_seq >= ?2 FROM conversation WHERE contact = ?1";
  static const char unread[] = "SELECT unread FROM conversation WHERE contact = ?1";
  gint64 contact = run->place.contact, read, before, after;

  if (!history_ask_number (handle, is_read, (gint64[]){ contact, last }, 2, 1, &read, error))
    return FALSE;
  if (read != 0)
    return TRUE;
  if (!history_ask_number (handle, unread, &contact, 1, 0, &before, error) || !history_recount_in_job (handle, (guint32) contact, error)
      || !history_ask_number (handle, unread, &contact, 1, 0, &after, error))
    return FALSE;
  if (after != before)
    run->unread = CLAMP (after, 0, G_MAXINT32);
  return TRUE;
}

static gboolean
work_drop (sqlite3 *handle, Upkeep *run, GError **error)
{
  static const char remember[] = "INSERT OR REPLACE INTO seen (contact, id, seq, time) SELECT contact, id, seq, time FROM log"
                                 " INDEXED BY log_contact WHERE contact = ?1 AND seq <= ?2 AND " SPOKEN
                                 " AND direction IN (0, 2) AND id <> ''";
  static const char drop[] = "DELETE FROM log INDEXED BY log_contact WHERE contact = ?1 AND seq <= ?2 AND NOT " OWED;
  static const char tail[] = "INSERT INTO meta (name, value) VALUES ('tail', ?1 + 1)"
                             " ON CONFLICT (name) DO UPDATE SET value = max (value, excluded.value)";
  gint64 last;
  gboolean left = FALSE;

  if (!find_last (handle, run, &last, &left, error))
    return FALSE;
  run->then.step = left ? UPKEEP_DROP : UPKEEP_NEXT;
  if (last == 0)
    return TRUE;
  return history_run_numbers (handle, remember, (gint64[]){ run->place.contact, last }, 2, error)
         && history_run_numbers (handle, drop, (gint64[]){ run->place.contact, last }, 2, error)
         && history_run_numbers (handle, tail, &last, 1, error) && history_unindex_in_job (handle, UNINDEX_MAX, NULL, error)
         && (run->place.contact == 0 || recount (handle, run, last, error));
}

/* Contacts with more than ?1 ids. */
static GArray *
list_seen_above (sqlite3 *handle, gint64 limit, GError **error)
{
  static const char sql[] = "SELECT contact FROM seen GROUP BY contact HAVING count(*) > ?1";
  g_autoptr (GArray) contacts = g_array_new (FALSE, FALSE, sizeof (gint64));
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  gboolean row;

  if (stmt == NULL)
    return NULL;
  sqlite3_bind_int64 (stmt, 1, limit);
  while (db_step_row (handle, stmt, &row, error))
    {
      gint64 contact;

      if (!row)
        return g_steal_pointer (&contacts);
      contact = sqlite3_column_int64 (stmt, 0);
      g_array_append_val (contacts, contact);
    }
  return NULL;
}

static gboolean
work_seen (sqlite3 *handle, Upkeep *run, GError **error)
{
  static const char drop[] = "DELETE FROM seen WHERE contact = ?1 AND time < ?2 AND seq <"
                             " (SELECT seq FROM seen WHERE contact = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?3)";
  static const char drop_gone[] = "DELETE FROM seen WHERE time < ?1 AND contact NOT IN (SELECT contact FROM conversation)";
  g_autoptr (GArray) contacts = list_seen_above (handle, SEEN_KEPT, error);
  gint64 since = run->place.age - DAYS_30;

  run->then.step = UPKEEP_MERGE;
  if (contacts == NULL)
    return FALSE;
  for (guint i = 0; i < contacts->len; i++)
    if (!history_run_numbers (handle, drop, (gint64[]){ g_array_index (contacts, gint64, i), since, SEEN_KEPT - 1 }, 3, error))
      return FALSE;
  return history_run_numbers (handle, drop_gone, &since, 1, error) && history_tail_in_job (handle, &run->tail, error);
}

/* --- giving back ---------------------------------------------------------- */

/* 2: a merge runs that will take with it what left before it began. What leaves meanwhile makes it 1 again. */
static gboolean
work_merge (sqlite3 *handle, Upkeep *run, GError **error)
{
  static const char merge[] = "INSERT INTO log_text (log_text, rank) VALUES ('merge', ?1)";
  gint64 unmerged;
  int before;

  run->then.step = UPKEEP_VACUUM;
  if (!history_ask_number (handle, "SELECT value FROM meta WHERE name = 'unmerged'", NULL, 0, 0, &unmerged, error))
    return FALSE;
  if (!run->place.begun && unmerged == 0)
    return TRUE;
  if (!run->place.begun
      && !history_run_numbers (handle, "UPDATE meta SET value = 2 WHERE name = 'unmerged'", NULL, 0, error))
    return FALSE;
  /* Negative: all of it, not only what would be due; that is said once. */
  before = sqlite3_total_changes (handle);
  if (!history_run_numbers (handle, merge, (gint64[]){ run->place.begun ? MERGE_PAGES : -MERGE_PAGES }, 1, error))
    return FALSE;
  run->then.begun = TRUE;
  /* "If the difference is less than two, the command did nothing." */
  if (sqlite3_total_changes (handle) - before >= 2)
    {
      run->then.step = UPKEEP_MERGE;
      return TRUE;
    }
  return history_run_numbers (handle, "UPDATE meta SET value = 0 WHERE name = 'unmerged' AND value = 2", NULL, 0, error);
}

static gboolean
work_vacuum (sqlite3 *handle, Upkeep *run, GError **error)
{
  gint64 mode, free_pages, pages;
  sqlite3_stmt *stmt;
  gboolean row = TRUE;

  run->then.step = UPKEEP_END;
  if (!history_ask_number (handle, "PRAGMA auto_vacuum", NULL, 0, 0, &mode, error)
      || !history_ask_number (handle, "PRAGMA freelist_count", NULL, 0, 0, &free_pages, error)
      || !history_ask_number (handle, "PRAGMA page_count", NULL, 0, 0, &pages, error))
    return FALSE;
  if (mode != 2 || free_pages <= MAX (FREE_PAGES_KEPT, pages / 10))
    return TRUE;
  run->then.step = UPKEEP_VACUUM;
  stmt = db_prepare (handle, "PRAGMA incremental_vacuum(" G_STRINGIFY (VACUUM_PAGES) ")", error);
  if (stmt == NULL)
    return FALSE;
  while (row)
    if (!db_step_row (handle, stmt, &row, error))
      return FALSE;
  return TRUE;
}

/* --- running -------------------------------------------------------------- */

static gboolean
work_step (sqlite3 *handle, gpointer data, GError **error)
{
  Upkeep *run = data;

  run->then = run->place;
  run->unread = -1;
  switch (run->place.step)
    {
    case UPKEEP_CLOCK:
      return work_clock (handle, run, error);
    case UPKEEP_NEXT:
      return work_next (handle, run, error);
    case UPKEEP_SIZE:
      return work_size (handle, run, error);
    case UPKEEP_DROP:
      return work_drop (handle, run, error);
    case UPKEEP_SEEN:
      return work_seen (handle, run, error);
    case UPKEEP_MERGE:
      return work_merge (handle, run, error);
    case UPKEEP_VACUUM:
      return work_vacuum (handle, run, error);
    case UPKEEP_END:
      return TRUE;
    }
  return TRUE;
}

static void on_indexed (gpointer user, const GError *error);

static void
done_step (gpointer data, const GError *error)
{
  Upkeep *run = data;
  g_autoptr (GError) stopping = NULL;
  gboolean index = run->place.step != UPKEEP_MERGE && run->then.step == UPKEEP_MERGE;

  if (error == NULL && run->unread >= 0 && run->lost != NULL)
    run->lost (run->user, (guint32) run->place.contact, (guint) run->unread);
  run->unread = -1; /* told, should the index come between */
  run->place = run->then;
  if (error == NULL && run->place.step != UPKEEP_END && history_is_stopping (run->history, &stopping))
    error = stopping;
  if (error != NULL || run->place.step == UPKEEP_END)
    {
      if (run->done != NULL)
        run->done (run->user, error == NULL ? run->tail : 0, error);
      g_free (run);
    }
  else if (index)
    history_index (run->history, on_indexed, run);
  else
    db_submit (run->history->db, TRUE, work_step, done_step, run, NULL);
}

static void
on_indexed (gpointer user, const GError *error)
{
  Upkeep *run = user;

  if (error != NULL)
    done_step (run, error);
  else
    db_submit (run->history->db, TRUE, work_step, done_step, run, NULL);
}

static void
start (History *history, Step step, gint64 now, const HistoryLimits *limits, HistoryLost lost, HistoryAppended done, gpointer user)
{
  Upkeep *run = g_new0 (Upkeep, 1);

  run->history = history;
  run->limits = limits != NULL ? *limits : (HistoryLimits){ 0 };
  run->now = now;
  run->place.step = step;
  run->unread = -1;
  run->lost = lost;
  run->done = done;
  run->user = user;
  db_submit (history->db, TRUE, work_step, done_step, run, NULL);
}

void
history_prune (History *history, gint64 now, const HistoryLimits *limits, HistoryLost lost, HistoryAppended done, gpointer user)
{
  history_forget_on (history); /* a full disk may have ended it */
  start (history, UPKEEP_CLOCK, now, limits, lost, done, user);
}

static gboolean
on_tidy_time (gpointer user)
{
  History *history = user;

  history->tidy_source = 0;
  start (history, UPKEEP_MERGE, 0, NULL, NULL, NULL, NULL);
  return G_SOURCE_REMOVE;
}

void
history_tidy_soon (History *history)
{
  if (history->tidy_source == 0)
    history->tidy_source = g_timeout_add_seconds (TIDY_AFTER_S, on_tidy_time, history);
}
