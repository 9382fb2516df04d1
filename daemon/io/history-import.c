/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Taking back what was exported, and walking the log for an export. Threat: the file may be anybody's. What comes from one is history
 * and nothing else: it is never owed, never unread, never fetched by a consumer (a bot would answer it), changes nothing of another
 * message, and says of itself that it was imported. On disk that is a bit of its direction, which every question about messages of the
 * wire leaves out by itself. A message brings along what became of it (edited, taken back, reactions); the corrections, retractions and
 * reactions that did that come as records, and are not done again.
 */
#include "earshot-config.h"

#include "daemon/io/history-private.h"

#include <string.h>

typedef struct
{
  GPtrArray *entries; /* LogEntry */
  guint added, skipped;
  guint64 last;
  HistoryImported done;
  gpointer user;
} Import;

static void
import_free (gpointer data)
{
  Import *import = data;

  g_ptr_array_unref (import->entries);
  g_free (import);
}

/* In the log, imported or not, or deleted from it: what was deleted stays deleted. */
static gboolean
is_known (sqlite3 *handle, const LogEntry *entry, gboolean *known, GError **error)
{
  static const char sql[] = "SELECT 1 FROM log INDEXED BY log_id WHERE id = ?1 AND contact = ?2 AND " SPOKEN " AND direction & 1 = ?3"
                            " UNION ALL SELECT 1 FROM seen WHERE contact = ?2 AND id = ?1 AND ?3 = 0 LIMIT 1";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);

  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, entry->id);
  sqlite3_bind_int64 (stmt, 2, entry->contact);
  sqlite3_bind_int (stmt, 3, entry->direction);
  return db_step_row (handle, stmt, known, error);
}

/* What appending knows nothing of. */
static gboolean
put_amended (sqlite3 *handle, const LogEntry *entry, GError **error)
{
  static const char sql[] = "UPDATE log SET edited = ?2, retracted = ?3, reactions_in = ?4, reactions_out = ?5, change_state = ?6,"
                            " change_reason = ?7 WHERE seq = ?1";
  sqlite3_stmt *stmt;

  if (strcmp (entry->kind, "message") != 0)
    return TRUE;
  stmt = db_prepare (handle, sql, error);
  if (stmt == NULL)
    return FALSE;
  db_bind_seq (stmt, 1, entry->seq);
  sqlite3_bind_int64 (stmt, 2, entry->edited);
  sqlite3_bind_int64 (stmt, 3, entry->retracted);
  db_bind_text (stmt, 4, entry->reactions_in);
  db_bind_text (stmt, 5, entry->reactions_out);
  db_bind_text (stmt, 6, entry->change_state);
  db_bind_text (stmt, 7, entry->change_reason);
  return db_step_done (handle, stmt, error);
}

static gboolean
work_import (sqlite3 *handle, gpointer data, GError **error)
{
  Import *import = data;

  import->added = import->skipped = 0;
  import->last = 0;
  for (guint i = 0; i < import->entries->len; i++)
    {
      LogEntry *entry = import->entries->pdata[i];
      gboolean known;

      if (!is_known (handle, entry, &known, error))
        return FALSE;
      if (known)
        {
          import->skipped++;
          continue;
        }
      if (!history_append_in_job (handle, entry, error) || !put_amended (handle, entry, error))
        return FALSE;
      import->last = entry->seq;
      import->added++;
    }
  return TRUE;
}

static void
done_import (gpointer data, const GError *error)
{
  Import *import = data;

  if (import->done != NULL)
    import->done (import->user, error == NULL ? import->added : 0, error == NULL ? import->skipped : 0,
                  error == NULL ? import->last : 0, error);
}

/* No state that somebody would have to bring to an end. */
static void
settle (Direction direction, char **state, char **reason)
{
  static const char *const settled[] = { "acked", "delivered", "displayed", "failed", "expired", "cancelled", NULL };
  gboolean unconfirmed = g_strcmp0 (*state, "sent") == 0 && g_strcmp0 (*reason, "unconfirmed") == 0;

  if (direction == DIRECTION_IN)
    {
      g_clear_pointer (state, g_free);
      g_clear_pointer (reason, g_free);
    }
  else if (!unconfirmed && (*state == NULL || !g_strv_contains (settled, *state)))
    {
      g_free (*state);
      g_free (*reason);
      *state = g_strdup ("failed");
      *reason = g_strdup ("imported");
    }
}

void
history_import (History *history, GPtrArray *entries_take, HistoryImported done, gpointer user)
{
  Import *import = g_new0 (Import, 1);

  import->entries = entries_take;
  import->done = done;
  import->user = user;
  for (guint i = 0; i < entries_take->len; i++)
    {
      LogEntry *entry = entries_take->pdata[i];

      if (entry->kind == NULL)
        entry->kind = g_strdup ("message");
      entry->imported = TRUE;
      settle (entry->direction, &entry->state, &entry->reason);
      if (entry->change_state != NULL)
        settle (entry->direction, &entry->change_state, &entry->change_reason);
    }
  db_submit (history->db, TRUE, work_import, done_import, import, import_free);
}
