/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Forgetting a conversation, however long it was, with what is owed to it. The first job puts down that it is gone (`doomed`: all of the
 * contact's up to that number), and with that it is, for every question and for good: HISTORY_LEFT is part of each, and OUTBOX_LEFT of those
 * for what is owed. The rows go after it, a few a job, so that whoever sends meanwhile waits for one of these at most. What a crash
 * interrupts goes on when the file is opened.
 */
#include "earshot-config.h"

#include "daemon/io/history-private.h"
#include "daemon/io/outbox-private.h"

#define FORGET_ROWS 400 /* a job; some ten milliseconds */

typedef struct
{
  History *history;
  /* of one job */
  gboolean finished, some;
} Forgetting;

/* The next rows of a conversation; *left: there may be more. */
static gboolean
take_rows (sqlite3 *handle, gint64 contact, gint64 until, gboolean *left, GError **error)
{
  static const char next[] = "SELECT seq FROM log INDEXED BY log_contact WHERE contact = ?1 AND seq <= ?2 ORDER BY seq LIMIT 1 OFFSET ?3";
  static const char remember[] = "INSERT OR REPLACE INTO seen (contact, id, seq, time) SELECT contact, id, seq, time FROM log"
                                 " INDEXED BY log_contact WHERE contact = ?1 AND seq <= ?2 AND " SPOKEN
                                 " AND direction IN (0, 2) AND id <> ''";
  static const char drop[] = "DELETE FROM log INDEXED BY log_contact WHERE contact = ?1 AND seq <= ?2";
  gint64 last;

  if (!history_ask_number (handle, next, (gint64[]){ contact, until, FORGET_ROWS - 1 }, 3, -1, &last, error))
    return FALSE;
  *left = last >= 0;
  if (last >= 0)
    until = last;
  return history_run_numbers (handle, remember, (gint64[]){ contact, until }, 2, error)
         && outbox_drop_in_job (handle, (guint32) contact, (guint64) until, error)
         && history_run_numbers (handle, drop, (gint64[]){ contact, until }, 2, error)
         && history_unindex_in_job (handle, UNINDEX_MAX, NULL, error);
}

static gboolean
take_some (sqlite3 *handle, gint64 contact, gint64 until, GError **error)
{
  gboolean left, tokens;

  return take_rows (handle, contact, until, &left, error)
         && outbox_drop_tokens_in_job (handle, (guint32) contact, (guint64) until, FORGET_ROWS, &tokens, error)
         && (left || tokens || history_run_numbers (handle, "DELETE FROM doomed WHERE contact = ?1", &contact, 1, error));
}

static gboolean
work_step (sqlite3 *handle, gpointer data, GError **error)
{
  Forgetting *forgetting = data;
  gint64 contact, until;

  if (!history_ask_number (handle, "SELECT min(contact) FROM doomed", NULL, 0, -1, &contact, error)
      || !history_ask_number (handle, "SELECT until FROM doomed WHERE contact = ?1", &contact, 1, 0, &until, error))
    return FALSE;
  forgetting->finished = contact < 0;
  forgetting->some |= contact >= 0;
  return forgetting->finished || take_some (handle, contact, until, error);
}

static void
done_step (gpointer data, const GError *error)
{
  Forgetting *forgetting = data;
  History *history = forgetting->history;

  if (error == NULL && !forgetting->finished && !history_is_stopping (history, NULL))
    {
      db_submit (history->db, TRUE, work_step, done_step, forgetting, NULL);
      return;
    }
  history->forgetting = FALSE;
  if (forgetting->some)
    history_tidy_soon (history);
  g_free (forgetting);
}

void
history_forget_on (History *history)
{
  Forgetting *forgetting;

  if (history->forgetting)
    return;
  history->forgetting = TRUE;
  forgetting = g_new0 (Forgetting, 1);
  forgetting->history = history;
  db_submit (history->db, TRUE, work_step, done_step, forgetting, NULL);
}

gboolean
history_find_doomed (sqlite3 *handle, gpointer count, GError **error)
{
  return history_ask_number (handle, "SELECT count(*) FROM doomed", NULL, 0, 0, count, error);
}

static gboolean
work_doom (sqlite3 *handle, gpointer data, GError **error)
{
  static const char doom[] = "INSERT OR REPLACE INTO doomed (contact, until)"
                             " SELECT ?1, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'log'), 0)";
  static const char *const sql[] = {
    doom,
    "DELETE FROM aside WHERE contact = ?1",
    "DELETE FROM conversation WHERE contact = ?1",
  };
  Job *job = data;
  gint64 until;

  job_reset (job);
  if (job->contact == 0)
    return job_refuse (job, EARSHOT_ERROR_INVALID_ARGUMENT, "no contact");
  for (guint i = 0; i < G_N_ELEMENTS (sql); i++)
    if (!history_run_numbers (handle, sql[i], (gint64[]){ job->contact }, 1, error))
      return FALSE;
  return history_ask_number (handle, "SELECT until FROM doomed WHERE contact = ?1", (gint64[]){ job->contact }, 1, 0, &until, error)
         /* A short one is gone at once. */
         && take_some (handle, job->contact, until, error);
}

static void
done_doom (gpointer data, const GError *error)
{
  Job *job = data;

  if (error == NULL && job->refusal == NULL)
    history_forget_on (job->history);
  job_done (job, error);
}

void
history_delete_contact (History *history, guint32 contact, DoneFunc done, gpointer user)
{
  Job *job = job_new (user);

  job->history = history;
  job->contact = contact;
  job->report.done = done;
  db_submit (history->db, TRUE, work_doom, done_doom, job, job_free);
  history_tidy_soon (history);
}
