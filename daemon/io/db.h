/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SQLite handles, the one writer thread and the schema ladder. The loop never waits for
 * a disk: all work is jobs, run in the order given; what has gathered is committed in one
 * transaction (group commit), and only then do the jobs report, in order, in one turn of the loop.
 * journal_mode=WAL, synchronous=FULL.
 *
 * A job that fails is rolled back alone: the batch is undone and the others are run once more, one by one. So work may run
 * twice and sets its results anew each time; a refusal that is no failure (NOT_FOUND, a duplicate) belongs into the job,
 * not into `error`. A commit that fails (disk full) fails every write job of its batch with STORE_FULL, and nothing of it
 * was done. Disk content is not trusted to be sane: readers check ranges.
 */
#pragma once

#include <glib.h>
#include <sqlite3.h>

typedef struct _DbWorker DbWorker;
typedef struct _Db Db;

/* The thread. Several files share one. */
DbWorker *db_worker_new (void);
/* Runs and reports what is queued, also what those reports queue. For tear-down, before the listeners go. Blocks. */
void db_worker_flush (DbWorker *worker);
/* Runs what is queued, reports it, joins. Its files are closed before. */
void db_worker_free (DbWorker *worker);

/* Schema step i brings a file from version i to i+1 (PRAGMA user_version); steps are never edited once released. */
typedef struct {
  const char *const *steps;
  guint n_steps;
  gint32 application_id;
} DbSchema;

/* Opens or creates, mode 0600, alone (no other process may read it meanwhile), checks application_id and `PRAGMA quick_check`, climbs the ladder. Blocks: start-up only.
 * The check is left out for a file over 8 MiB that was closed, or left by a process that died, and in which nobody met damage.
 * A damaged file is set aside (fs_set_aside()), a fresh one is made and `*set_aside` names the old one (else NULL).
 * A file from a newer version, or one that cannot be read for lack of rights or space, is an error and untouched. */
Db *db_open (DbWorker *worker, const char *path, const DbSchema *schema, char **set_aside, GError **error);
/* Runs and reports what is queued for it, then closes; what is submitted meanwhile fails with CANCELLED. Blocks. */
void db_close (Db *db);

/* Runs on the writer thread. FALSE with `error` rolls this job back. */
typedef gboolean (*DbWork) (sqlite3 *handle, gpointer job, GError **error);
/* Runs on the main loop, once, after the commit (or the failure). `job` is freed after it by `free_job`. */
typedef void (*DbDone) (gpointer job, const GError *error);

/* `write`: reports only after the commit that holds it. Reads see all earlier writes. */
void db_submit (Db *db, gboolean write, DbWork work, DbDone done, gpointer job, GDestroyNotify free_job);
/* A write that nobody waits for, such as that a peer has what we sent: it waits a few milliseconds for one that somebody does wait for, and
 * shares its commit. In the order given, as all are. */
void db_submit_patient (Db *db, DbWork work, DbDone done, gpointer job, GDestroyNotify free_job);
/* Jobs not yet reported, for back-pressure. */
guint db_get_pending (const Db *db);
/* For start-up only, before the loop runs: runs `work` on the calling thread while the worker is idle. */
gboolean db_run_now (Db *db, DbWork work, gpointer job, GError **error);

/* For work functions only: a prepared statement, cached for the handle's life, reset and unbound. Reset again when the
 * job ends, so that text may be bound as SQLITE_STATIC if it lives as long as the job. NULL sets error. */
sqlite3_stmt *db_prepare (sqlite3 *handle, const char *static_sql, GError **error);
/* Steps a statement that gives no rows. Maps SQLITE_FULL, IOERR_WRITE and READONLY to STORE_FULL. */
gboolean db_step_done (sqlite3 *handle, sqlite3_stmt *stmt, GError **error);
/* TRUE and *row = TRUE when a row is there, FALSE *row at the end. */
gboolean db_step_row (sqlite3 *handle, sqlite3_stmt *stmt, gboolean *row, GError **error);
void db_set_error (sqlite3 *handle, int code, GError **error);
