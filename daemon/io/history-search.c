/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Finding what was said. The index (log_text) is behind the log by what came since the last search: appending a message
 * costs nothing more than before, and what an older version wrote is indexed the same way, in small steps. A row of
 * `meta`, `indexed`, says how far it goes and changes in the transaction that moves it; what is deleted or changed below
 * it is put down by triggers, and leaves the index in the same transaction (history_unindex_in_job()) or, where that is
 * much, in small steps right after it.
 *
 * A search is a row of jobs, none of them long: the writer has other things to do. Threat: whoever asks may be careless,
 * and bodies are a stranger's. Words become quoted strings of the query language, so that none of its operators,
 * columns or brackets can be said; their number and length is bounded. A stranger can make words common, and that costs
 * a search more jobs, not longer ones.
 */
#include "earshot-config.h"

#include "daemon/io/history-private.h"

#include <string.h>

#define INDEX_ROWS 400          /* a job; some ten milliseconds */
#define LOOKED_AT_MAX 1000      /* hits read in one job */
#define WINDOW_FIRST 0x20000    /* numbers searched in one job; four times as many each time that went fast */
#define WINDOW_MAX 0x4000000
#define FAST_US 3000

typedef struct
{
  History *history;
  guint32 contact;
  guint limit;
  char *query; /* of FTS5; NULL: only the index is brought up to date */
  guint64 below, window;
  gsize bytes;
  GPtrArray *items;
  gboolean more;
  /* of one job */
  gboolean caught_up, finished;
  guint64 next_below, next_window;
  gsize next_bytes;
  gboolean next_more;
  GPtrArray *found;
  HistoryEntries entries;
  DoneFunc done;
  gpointer user;
} Search;

static void
search_free (gpointer data)
{
  Search *search = data;

  g_free (search->query);
  g_clear_pointer (&search->items, g_ptr_array_unref);
  g_clear_pointer (&search->found, g_ptr_array_unref);
  g_free (search);
}

static void
search_report (Search *search, const GError *error)
{
  if (search->done != NULL)
    search->done (search->user, error);
  if (search->entries != NULL && error != NULL)
    search->entries (search->user, NULL, FALSE, 0, error);
  else if (search->entries != NULL)
    {
      guint64 last = search->items->len > 0 ? ((LogEntry *) search->items->pdata[search->items->len - 1])->seq : 0;

      search->entries (search->user, g_steal_pointer (&search->items), search->more, last, NULL);
    }
  search_free (search);
}

/* --- the index ------------------------------------------------------------ */

static gboolean
indexed_in_job (sqlite3 *handle, guint64 *indexed, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, "SELECT value FROM meta WHERE name = 'indexed'", error);
  gboolean row;

  if (stmt == NULL || !db_step_row (handle, stmt, &row, error))
    return FALSE;
  *indexed = row ? (guint64) db_column_positive (stmt, 0) : 0;
  return TRUE;
}

static gboolean
run_range (sqlite3 *handle, const char *static_sql, guint64 from, guint64 to, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, static_sql, error);

  if (stmt == NULL)
    return FALSE;
  db_bind_seq (stmt, 1, from);
  db_bind_seq (stmt, 2, to);
  return db_step_done (handle, stmt, error);
}

/* The highest number of the next INDEX_ROWS entries above `indexed`; the head where there are fewer. */
static gboolean
next_stop (sqlite3 *handle, guint64 indexed, guint64 head, guint64 *stop, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, "SELECT seq FROM log WHERE seq > ?1 ORDER BY seq LIMIT 1 OFFSET ?2", error);
  gboolean row;

  if (stmt == NULL)
    return FALSE;
  db_bind_seq (stmt, 1, indexed);
  sqlite3_bind_int (stmt, 2, INDEX_ROWS - 1);
  if (!db_step_row (handle, stmt, &row, error))
    return FALSE;
  *stop = row ? (guint64) db_column_positive (stmt, 0) : head;
  return TRUE;
}

static gboolean
run_n (sqlite3 *handle, const char *static_sql, int n, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, static_sql, error);

  if (stmt == NULL)
    return FALSE;
  sqlite3_bind_int (stmt, 1, n);
  return db_step_done (handle, stmt, error);
}

gboolean
history_unindex_in_job (sqlite3 *handle, int limit, gboolean *left, GError **error)
{
#define GONE "(SELECT seq, body FROM log_text_gone ORDER BY seq LIMIT ?1) AS gone"
  static const char *const sql[] = {
    "INSERT INTO log_text (log_text, rowid, body) SELECT 'delete', gone.seq, gone.body FROM " GONE " WHERE gone.body IS NOT NULL",
    "INSERT INTO log_text (rowid, body) SELECT log.seq, log.body FROM " GONE " CROSS JOIN log ON log.seq = gone.seq"
    " WHERE log.kind = 0 AND log.body IS NOT NULL",
    "INSERT OR REPLACE INTO meta (name, value) SELECT 'unmerged', 1 FROM " GONE " LIMIT 1",
    "DELETE FROM log_text_gone WHERE seq IN (SELECT seq FROM log_text_gone ORDER BY seq LIMIT ?1)",
  };
#undef GONE

  for (guint i = 0; i < G_N_ELEMENTS (sql); i++)
    if (!run_n (handle, sql[i], limit, error))
      return FALSE;
  if (left != NULL)
    *left = sqlite3_changes (handle) == limit;
  return TRUE;
}

static gboolean
work_index (sqlite3 *handle, gpointer data, GError **error)
{
  static const char fill[] = "INSERT INTO log_text (rowid, body) SELECT seq, body FROM log WHERE seq > ?1 AND seq <= ?2"
                             " AND kind = 0 AND body IS NOT NULL";
  static const char mark[] = "INSERT OR REPLACE INTO meta (name, value) SELECT 'indexed', ?2 WHERE ?2 > ?1";
  Search *search = data;
  guint64 indexed, head, stop;
  gboolean left;

  search->caught_up = FALSE;
  if (!history_unindex_in_job (handle, INDEX_ROWS, &left, error))
    return FALSE;
  if (left)
    return TRUE;
  if (!indexed_in_job (handle, &indexed, error) || !history_head_in_job (handle, &head, error))
    return FALSE;
  if (indexed >= head)
    {
      search->caught_up = TRUE;
      return TRUE;
    }
  if (!next_stop (handle, indexed, head, &stop, error) || !run_range (handle, fill, indexed, stop, error)
      || !run_range (handle, mark, indexed, stop, error))
    return FALSE;
  search->caught_up = stop >= head;
  return TRUE;
}

/* --- looking -------------------------------------------------------------- */

static gboolean
read_hit (sqlite3 *handle, guint64 seq, guint32 contact, LogEntry **entry, GError **error)
{
  static const char sql[] = "SELECT " LOG_COLUMNS " FROM log WHERE seq = ?1 AND kind = 0 AND (?2 = 0 OR contact = ?2) AND " HISTORY_LEFT;
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  gboolean row;

  *entry = NULL;
  if (stmt == NULL)
    return FALSE;
  db_bind_seq (stmt, 1, seq);
  sqlite3_bind_int64 (stmt, 2, contact);
  if (!db_step_row (handle, stmt, &row, error))
    return FALSE;
  if (row)
    *entry = log_entry_read (stmt);
  return TRUE;
}

/* FALSE: `entry` finds no room any more, and that is all. */
static gboolean
take_hit (Search *search, LogEntry *entry)
{
  search->next_bytes += log_entry_bytes (entry);
  if (search->items->len + search->found->len < search->limit
      && (search->next_bytes <= ANSWER_BYTES_MAX || search->items->len + search->found->len == 0))
    {
      g_ptr_array_add (search->found, entry);
      return TRUE;
    }
  log_entry_free (entry);
  search->next_more = search->finished = TRUE;
  return FALSE;
}

static gboolean
read_hits (sqlite3 *handle, sqlite3_stmt *hits, Search *search, gboolean *cut, GError **error)
{
  gboolean row;

  *cut = FALSE;
  for (guint n = 0; db_step_row (handle, hits, &row, error); n++)
    {
      LogEntry *entry;

      if (!row)
        return TRUE;
      if (n == LOOKED_AT_MAX)
        {
          *cut = TRUE;
          return TRUE;
        }
      search->next_below = (guint64) db_column_positive (hits, 0);
      if (!read_hit (handle, search->next_below, search->contact, &entry, error))
        return FALSE;
      if (entry != NULL && !take_hit (search, entry))
        return TRUE;
    }
  return FALSE;
}

static gboolean
work_look (sqlite3 *handle, gpointer data, GError **error)
{
  static const char sql[] = "SELECT rowid FROM log_text WHERE log_text MATCH ?1 AND rowid >= ?2 AND rowid < ?3"
                            " ORDER BY rowid DESC";
  Search *search = data;
  gint64 start = g_get_monotonic_time ();
  guint64 from;
  sqlite3_stmt *stmt;
  gboolean cut;

  g_clear_pointer (&search->found, g_ptr_array_unref);
  search->found = g_ptr_array_new_with_free_func ((GDestroyNotify) log_entry_free);
  search->finished = search->next_more = FALSE;
  search->next_bytes = search->bytes;
  search->next_window = search->window;
  if (search->below == 0)
    {
      if (!history_head_in_job (handle, &search->next_below, error))
        return FALSE;
      search->next_below++;
    }
  else
    {
      search->next_below = search->below;
    }
  from = search->next_below > search->window ? search->next_below - search->window : 0;
  stmt = db_prepare (handle, sql, error);
  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, search->query);
  db_bind_seq (stmt, 2, from);
  db_bind_seq (stmt, 3, search->next_below);
  if (!read_hits (handle, stmt, search, &cut, error))
    return FALSE;
  if (search->finished || cut)
    return TRUE;
  search->next_below = from;
  search->finished = from == 0;
  if (g_get_monotonic_time () - start < FAST_US)
    search->next_window = MIN (search->window * 4, WINDOW_MAX);
  return TRUE;
}

static void
done_look (gpointer data, const GError *error)
{
  g_autoptr (GError) stopping = NULL;
  Search *search = data;

  if (error == NULL)
    {
      search->below = search->next_below;
      search->window = search->next_window;
      search->bytes = search->next_bytes;
      search->more = search->next_more;
      g_ptr_array_extend_and_steal (search->items, g_steal_pointer (&search->found));
      if (!search->finished && !history_is_stopping (search->history, &stopping))
        {
          db_submit (search->history->db, FALSE, work_look, done_look, search, NULL);
          return;
        }
    }
  search_report (search, stopping != NULL ? stopping : error);
}

static void
done_index (gpointer data, const GError *error)
{
  g_autoptr (GError) stopping = NULL;
  Search *search = data;

  if (error != NULL || (!search->caught_up && history_is_stopping (search->history, &stopping)))
    search_report (search, stopping != NULL ? stopping : error);
  else if (!search->caught_up)
    db_submit (search->history->db, TRUE, work_index, done_index, search, NULL);
  else if (search->query != NULL)
    db_submit (search->history->db, FALSE, work_look, done_look, search, NULL);
  else
    search_report (search, NULL);
}

/* --- asking --------------------------------------------------------------- */

/* Each word a string of FTS5, which means all of them in any order; a word that its tokenizer takes apart ("re-do") is a
 * phrase. NULL: nothing to look for, or more than is allowed. */
static char *
make_query (const char *words)
{
  g_auto (GStrv) parts = NULL;
  g_autoptr (GString) query = g_string_new (NULL);
  guint n = 0;

  if (words == NULL || strlen (words) > HISTORY_WORDS_MAX || !g_utf8_validate (words, -1, NULL))
    return NULL;
  parts = g_strsplit_set (words, " \t\n\r", -1);
  for (guint i = 0; parts[i] != NULL; i++)
    {
      gboolean sayable = FALSE;

      for (const char *p = parts[i]; *p != '\0' && !sayable; p = g_utf8_next_char (p))
        sayable = g_unichar_isalnum (g_utf8_get_char (p));
      if (!sayable)
        continue;
      if (++n > HISTORY_WORDS_N)
        return NULL;
      g_string_append (query, "\"");
      for (const char *p = parts[i]; *p != '\0'; p++)
        g_string_append (query, *p == '"' ? "\"\"" : (char[]){ *p, '\0' });
      g_string_append (query, "\" ");
    }
  return n > 0 ? g_string_free (g_steal_pointer (&query), FALSE) : NULL;
}

typedef struct
{
  HistoryEntries entries;
  gpointer user;
} Refusal;

static gboolean
work_nothing (sqlite3 *handle, gpointer data, GError **error)
{
  return TRUE;
}

static void
done_refused (gpointer data, const GError *error)
{
  g_autoptr (GError) refusal = g_error_new (EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT,
                                            "1 to %d words of together at most %d bytes", HISTORY_WORDS_N, HISTORY_WORDS_MAX);
  Refusal *asked = data;

  if (asked->entries != NULL)
    asked->entries (asked->user, NULL, FALSE, 0, error != NULL ? error : refusal);
}

void
history_search (History *history, guint32 contact, guint64 before, guint limit, const char *words, HistoryEntries done,
                gpointer user)
{
  char *query = make_query (words);
  Search *search;

  if (query == NULL)
    {
      Refusal *refusal = g_new0 (Refusal, 1);

      refusal->entries = done;
      refusal->user = user;
      db_submit (history->db, FALSE, work_nothing, done_refused, refusal, g_free);
      return;
    }
  search = g_new0 (Search, 1);
  search->history = history;
  search->contact = contact;
  search->below = before;
  search->limit = history_clamp_limit (limit);
  search->window = WINDOW_FIRST;
  search->query = query;
  search->items = g_ptr_array_new_with_free_func ((GDestroyNotify) log_entry_free);
  search->entries = done;
  search->user = user;
  db_submit (history->db, TRUE, work_index, done_index, search, NULL);
}

void
history_index (History *history, DoneFunc done, gpointer user)
{
  Search *search = g_new0 (Search, 1);

  search->history = history;
  search->done = done;
  search->user = user;
  db_submit (history->db, TRUE, work_index, done_index, search, NULL);
}
