/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The thread: takes what has gathered, runs it in one transaction a file, commits, hands the jobs back. It starts at
 * once when idle (latency) and gathers while a commit runs (throughput); patient jobs alone wait for company. Idle, it sleeps on a condition and the
 * loop has no timer and no descriptor of ours.
 */
#include "earshot-config.h"

#include "daemon/io/db.h"

#include <errno.h>

#include "daemon/base/error.h"
#include "daemon/base/log.h"
#include "daemon/base/thread.h"
#include "daemon/io/db-private.h"

#define BATCH_MAX 512
#define PATIENCE_US 5000 /* what patient jobs wait for company, */
#define PATIENT_MAX 64   /* unless they are so many */
#define STACK_BYTES (512 * 1024)
/* Frames in the log after which it is copied into the file: when there is nothing else to do, and in any case. The copy
 * happens after the jobs of a batch were reported, so nobody waits for it who was already served. */
#define CHECKPOINT_IDLE 1000
#define CHECKPOINT_FORCED 4000

typedef struct _Task Task;
struct _Task
{
  Task *next;
  Db *db;
  gboolean write;
  gboolean patient;
  gboolean settled; /* committed alone, or failed for good */
  DbWork work;
  DbDone done;
  gpointer job;
  GDestroyNotify free_job;
  GError *error;
};

typedef struct
{
  Task *head, *tail;
  guint length;
} TaskList;

typedef struct
{
  GSource base;
  DbWorker *worker;
} DoneSource;

struct _DbWorker
{
  /* POSIX and not GLib, so that ThreadSanitizer sees them, and for the size of the stack. */
  pthread_t thread;
  pthread_mutex_t lock; /* queue, done, files, the flags */
  pthread_cond_t work;
  pthread_cond_t idle;
  TaskList queue;
  guint pressing; /* in the queue, and not patient */
  guint flushes;  /* the main thread waits for the queue to be empty */
  gint64 since;   /* of the monotonic clock: the first patient job came into an empty queue */
  TaskList done;
  GPtrArray *files; /* changed by the main thread while the worker is idle */
  gboolean waiting, busy, stop;
  TaskList reports; /* main thread: being reported, survives nesting */
  GSource *source;
};

struct _Db
{
  DbWorker *worker;
  sqlite3 *handle;
  char *path;
  gboolean damaged;       /* met while it was in use; said once */
  GHashTable *statements; /* static text → sqlite3_stmt */
  GPtrArray *used;        /* statements of the running job */
  gboolean in_transaction;
  int wal_frames;
  int checkpoint_at;
  guint pending; /* main thread */
  gboolean closing;
};

/* db_prepare() is given a handle only; this is whose it is, while work runs. */
static _Thread_local Db *running;

static void
list_push (TaskList *list, Task *task)
{
  task->next = NULL;
  if (list->tail != NULL)
    list->tail->next = task;
  else
    list->head = task;
  list->tail = task;
  list->length++;
}

static Task *
list_pop (TaskList *list)
{
  Task *task = list->head;

  if (task == NULL)
    return NULL;
  list->head = task->next;
  if (list->head == NULL)
    list->tail = NULL;
  list->length--;
  task->next = NULL;
  return task;
}

static void
list_append (TaskList *list, TaskList *more)
{
  if (more->head == NULL)
    return;
  if (list->tail != NULL)
    list->tail->next = more->head;
  else
    list->head = more->head;
  list->tail = more->tail;
  list->length += more->length;
  *more = (TaskList){ 0 };
}

/* --- errors and statements, for work functions ---------------------------- */

void
db_set_error (sqlite3 *handle, int code, GError **error)
{
  int system = handle != NULL ? sqlite3_system_errno (handle) : 0;
  EarshotError what = EARSHOT_ERROR_FAILED;

  if ((code & 0xff) == SQLITE_FULL || (code & 0xff) == SQLITE_READONLY || code == SQLITE_IOERR_WRITE)
    what = EARSHOT_ERROR_STORE_FULL;
  else if (((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB) && running != NULL && !running->damaged)
    {
      running->damaged = TRUE;
      db_note_damage (running->path);
      log_warn ("store", "%s", "a database is damaged; it is checked, and set aside if it is, when earshotd starts the next time");
    }
  /* A file system that allocates late says so at the fsync. */
  else if ((code & 0xff) == SQLITE_IOERR && (system == ENOSPC || system == EDQUOT || system == EFBIG))
    what = EARSHOT_ERROR_STORE_FULL;
  g_set_error (error, EARSHOT_ERROR, what, "store: %s (%d)", sqlite3_errstr (code), code);
}

sqlite3_stmt *
db_prepare (sqlite3 *handle, const char *static_sql, GError **error)
{
  Db *db = running;
  sqlite3_stmt *stmt;
  int code;

  if (db == NULL || db->handle != handle)
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "store: statement outside a job");
      return NULL;
    }
  stmt = g_hash_table_lookup (db->statements, static_sql);
  if (stmt == NULL)
    {
      code = sqlite3_prepare_v3 (handle, static_sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
      if (code != SQLITE_OK || stmt == NULL)
        {
          log_warn ("store", "statement refused: %s", sqlite3_errmsg (handle));
          db_set_error (handle, code, error);
          return NULL;
        }
      g_hash_table_insert (db->statements, (gpointer) static_sql, stmt);
    }
  else
    {
      sqlite3_reset (stmt);
      sqlite3_clear_bindings (stmt);
    }
  g_ptr_array_add (db->used, stmt);
  return stmt;
}

gboolean
db_step_done (sqlite3 *handle, sqlite3_stmt *stmt, GError **error)
{
  int code = sqlite3_step (stmt);

  if (code == SQLITE_ROW)
    code = SQLITE_MISUSE;
  if (code == SQLITE_DONE)
    return TRUE;
  db_set_error (handle, code, error);
  return FALSE;
}

gboolean
db_step_row (sqlite3 *handle, sqlite3_stmt *stmt, gboolean *row, GError **error)
{
  int code = sqlite3_step (stmt);

  *row = code == SQLITE_ROW;
  if (code == SQLITE_ROW || code == SQLITE_DONE)
    return TRUE;
  db_set_error (handle, code, error);
  return FALSE;
}

/* --- running, on the writer thread (or the main one while that is idle) --- */

static gboolean
command (Db *db, const char *static_sql, GError **error)
{
  sqlite3_stmt *stmt;
  gboolean ok;

  running = db;
  stmt = db_prepare (db->handle, static_sql, error);
  ok = stmt != NULL && db_step_done (db->handle, stmt, error);
  if (stmt != NULL)
    sqlite3_reset (stmt);
  g_ptr_array_set_size (db->used, 0);
  running = NULL;
  return ok;
}

static gboolean
begin (Db *db, GError **error)
{
  if (!command (db, "BEGIN IMMEDIATE", error))
    return FALSE;
  db->in_transaction = TRUE;
  return TRUE;
}

static void
roll_back (Db *db)
{
  /* After some failures (disk full, I/O) SQLite has done it already. */
  if (db->in_transaction && !sqlite3_get_autocommit (db->handle))
    command (db, "ROLLBACK", NULL);
  db->in_transaction = FALSE;
}

static gboolean
commit (Db *db, GError **error)
{
  if (command (db, "COMMIT", error))
    {
      db->in_transaction = FALSE;
      return TRUE;
    }
  roll_back (db);
  return FALSE;
}

static gboolean
run_work (Task *task)
{
  Db *db = task->db;
  gboolean ok;

  g_clear_error (&task->error);
  running = db;
  ok = task->work (db->handle, task->job, &task->error);
  running = NULL;
  for (guint i = 0; i < db->used->len; i++)
    sqlite3_reset (db->used->pdata[i]);
  g_ptr_array_set_size (db->used, 0);
  if (!ok && task->error == NULL)
    g_set_error_literal (&task->error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "store: job failed");
  if (ok)
    g_clear_error (&task->error);
  return ok;
}

static void
run_alone (Task *task)
{
  Db *db = task->db;

  g_clear_error (&task->error);
  task->settled = TRUE;
  if (task->write && !begin (db, &task->error))
    return;
  if (!run_work (task))
    roll_back (db);
  else if (db->in_transaction && !commit (db, &task->error) && task->error == NULL)
    g_set_error_literal (&task->error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "store: commit failed");
}

/* `failed` spoilt the transaction of its file: it fails, those before it are done again without it. */
static void
run_without (Task *batch, Task *failed)
{
  roll_back (failed->db);
  failed->settled = TRUE;
  for (Task *task = batch; task != failed; task = task->next)
    if (task->db == failed->db && !task->settled)
      run_alone (task);
}

static void
finish_file (Task *batch, Db *db)
{
  g_autoptr (GError) error = NULL;

  if (commit (db, &error))
    return;
  /* Nothing of it was done. Reads have seen what is now undone: they look again. */
  for (Task *task = batch; task != NULL; task = task->next)
    {
      if (task->db != db || task->settled)
        continue;
      if (!task->write)
        {
          run_alone (task);
          continue;
        }
      task->settled = TRUE;
      g_clear_error (&task->error);
      task->error = error != NULL ? g_error_copy (error) : g_error_new (EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "store: commit failed");
    }
}

static void
run_batch (Task *batch)
{
  for (Task *task = batch; task != NULL; task = task->next)
    {
      Db *db = task->db;

      if (task->write && !db->in_transaction && !begin (db, &task->error))
        {
          task->settled = TRUE;
          continue;
        }
      if (run_work (task))
        continue;
      if (task->write || (db->in_transaction && sqlite3_get_autocommit (db->handle)))
        run_without (batch, task);
      else
        task->settled = TRUE;
    }
  for (Task *task = batch; task != NULL; task = task->next)
    if (task->db->in_transaction)
      finish_file (batch, task->db);
}

static int
on_wal (void *user, sqlite3 *handle, const char *name, int frames)
{
  Db *db = user;

  db->wal_frames = frames;
  return SQLITE_OK;
}

static void
checkpoint (Db *db)
{
  int in_log = 0, copied = 0;
  int code = sqlite3_wal_checkpoint_v2 (db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied);

  if (code == SQLITE_OK && in_log == copied)
    {
      db->wal_frames = 0;
      db->checkpoint_at = CHECKPOINT_IDLE;
    }
  else /* a full disk: what is committed stays safe in the log; not at every turn again */
    db->checkpoint_at = db->wal_frames + CHECKPOINT_IDLE;
}

static gboolean
wants_checkpoint (const Db *db, gboolean idle)
{
  if (db->wal_frames < db->checkpoint_at)
    return FALSE;
  return idle || db->wal_frames >= CHECKPOINT_FORCED;
}

static void
checkpoint_files (DbWorker *worker, gboolean idle)
{
  for (guint i = 0; i < worker->files->len; i++)
    if (wants_checkpoint (worker->files->pdata[i], idle))
      checkpoint (worker->files->pdata[i]);
}

/* Under the lock: is there something to do now? */
static gboolean
has_pressing (const DbWorker *worker)
{
  return worker->pressing > 0 || worker->flushes > 0 || worker->stop || worker->queue.length >= PATIENT_MAX;
}

/* Under the lock, until there is something to do. */
static void
wait_for_work (DbWorker *worker)
{
  while (worker->queue.head == NULL && !worker->stop)
    {
      worker->busy = FALSE;
      pthread_cond_broadcast (&worker->idle);
      worker->waiting = TRUE;
      pthread_cond_wait (&worker->work, &worker->lock);
    }
  while (!has_pressing (worker))
    {
      gint64 until = worker->since + PATIENCE_US;
      struct timespec at = { .tv_sec = until / G_USEC_PER_SEC, .tv_nsec = until % G_USEC_PER_SEC * 1000 };

      worker->waiting = TRUE;
      if (pthread_cond_timedwait (&worker->work, &worker->lock, &at) != 0)
        break;
    }
  worker->waiting = FALSE;
}

/* Under the lock: the next transaction. */
static TaskList
take_batch (DbWorker *worker)
{
  TaskList batch = { 0 };

  if (worker->queue.length <= BATCH_MAX)
    {
      list_append (&batch, &worker->queue);
      worker->pressing = 0;
      return batch;
    }
  while (batch.length < BATCH_MAX)
    {
      worker->pressing -= !worker->queue.head->patient;
      list_push (&batch, list_pop (&worker->queue));
    }
  return batch;
}

static void *
worker_main (void *user)
{
  DbWorker *worker = user;

  pthread_mutex_lock (&worker->lock);
  for (;;)
    {
      TaskList batch;
      gboolean idle;

      wait_for_work (worker);
      if (worker->queue.head == NULL)
        break;
      worker->busy = TRUE;
      batch = take_batch (worker);
      pthread_mutex_unlock (&worker->lock);

      run_batch (batch.head);

      pthread_mutex_lock (&worker->lock);
      list_append (&worker->done, &batch);
      /* One wake-up for all of them; none while the loop has not yet fetched the last. */
      g_source_set_ready_time (worker->source, 0);
      idle = worker->queue.head == NULL;
      pthread_mutex_unlock (&worker->lock);

      checkpoint_files (worker, idle);
      pthread_mutex_lock (&worker->lock);
    }
  worker->busy = FALSE;
  pthread_cond_broadcast (&worker->idle);
  pthread_mutex_unlock (&worker->lock);
  return NULL;
}

/* --- the main thread's side ----------------------------------------------- */

static void
report (DbWorker *worker)
{
  Task *task;

  pthread_mutex_lock (&worker->lock);
  g_source_set_ready_time (worker->source, -1);
  list_append (&worker->reports, &worker->done);
  pthread_mutex_unlock (&worker->lock);

  /* Popped one by one: a report that closes a file or runs the loop goes on here, in order. */
  while ((task = list_pop (&worker->reports)) != NULL)
    {
      task->db->pending--;
      if (task->done != NULL)
        task->done (task->job, task->error);
      else if (task->error != NULL)
        log_warn ("store", "%s", task->error->message);
      if (task->free_job != NULL)
        task->free_job (task->job);
      g_clear_error (&task->error);
      g_free (task);
    }
}

static gboolean
on_done_ready (GSource *source, GSourceFunc func, gpointer user)
{
  report (((DoneSource *) source)->worker);
  return G_SOURCE_CONTINUE;
}

static void
wait_idle (DbWorker *worker)
{
  pthread_mutex_lock (&worker->lock);
  worker->flushes++;
  pthread_cond_signal (&worker->work);
  while (worker->queue.head != NULL || worker->busy)
    pthread_cond_wait (&worker->idle, &worker->lock);
  worker->flushes--;
  pthread_mutex_unlock (&worker->lock);
}

DbWorker *
db_worker_new (void)
{
  static GSourceFuncs funcs = { .dispatch = on_done_ready };
  DbWorker *worker = g_new0 (DbWorker, 1);
  pthread_condattr_t monotonic;
  int code;

  /* Nobody asks SQLite how much memory it uses, and to count it costs a lock each time. Before its first use; refused, and no harm, later. */
  sqlite3_config (SQLITE_CONFIG_MEMSTATUS, 0);
  pthread_mutex_init (&worker->lock, NULL);
  pthread_condattr_init (&monotonic);
  pthread_condattr_setclock (&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init (&worker->work, &monotonic);
  pthread_condattr_destroy (&monotonic);
  pthread_cond_init (&worker->idle, NULL);
  worker->files = g_ptr_array_new ();
  worker->source = g_source_new (&funcs, sizeof (DoneSource));
  ((DoneSource *) worker->source)->worker = worker;
  g_source_set_name (worker->source, "store");
  g_source_set_can_recurse (worker->source, TRUE);
  g_source_attach (worker->source, g_main_context_get_thread_default ());
  code = thread_start (&worker->thread, STACK_BYTES, worker_main, worker);
  if (code != 0) /* at start-up, as g_thread_new() would */
    g_error ("store: no thread: %s", g_strerror (code));
  return worker;
}

static gboolean
has_work (DbWorker *worker)
{
  gboolean any;

  pthread_mutex_lock (&worker->lock);
  any = worker->queue.head != NULL || worker->busy || worker->done.head != NULL;
  pthread_mutex_unlock (&worker->lock);
  return any;
}

void
db_worker_flush (DbWorker *worker)
{
  do
    {
      wait_idle (worker);
      report (worker);
    }
  while (has_work (worker));
}

void
db_worker_free (DbWorker *worker)
{
  if (worker == NULL)
    return;
  db_worker_flush (worker);
  g_warn_if_fail (worker->files->len == 0);
  pthread_mutex_lock (&worker->lock);
  worker->stop = TRUE;
  pthread_cond_signal (&worker->work);
  pthread_mutex_unlock (&worker->lock);
  pthread_join (worker->thread, NULL);
  g_source_destroy (worker->source);
  g_source_unref (worker->source);
  g_ptr_array_unref (worker->files);
  pthread_mutex_destroy (&worker->lock);
  pthread_cond_destroy (&worker->work);
  pthread_cond_destroy (&worker->idle);
  g_free (worker);
}

static void
finalize_statement (gpointer stmt)
{
  sqlite3_finalize (stmt);
}

Db *
db_open (DbWorker *worker, const char *path, const DbSchema *schema, char **set_aside, GError **error)
{
  sqlite3 *handle = db_open_handle (path, schema, set_aside, error);
  Db *db;

  if (handle == NULL)
    return NULL;
  db = g_new0 (Db, 1);
  db->worker = worker;
  db->handle = handle;
  db->path = g_strdup (path);
  db->statements = g_hash_table_new_full (g_direct_hash, g_direct_equal, NULL, finalize_statement);
  db->used = g_ptr_array_new ();
  db->checkpoint_at = CHECKPOINT_IDLE;
  sqlite3_wal_hook (handle, on_wal, db);
  wait_idle (worker);
  pthread_mutex_lock (&worker->lock);
  g_ptr_array_add (worker->files, db);
  pthread_mutex_unlock (&worker->lock);
  return db;
}

void
db_close (Db *db)
{
  DbWorker *worker;

  if (db == NULL)
    return;
  worker = db->worker;
  db->closing = TRUE;
  do
    {
      wait_idle (worker);
      report (worker);
    }
  while (db->pending > 0);
  wait_idle (worker);
  pthread_mutex_lock (&worker->lock);
  g_ptr_array_remove (worker->files, db);
  pthread_mutex_unlock (&worker->lock);
  g_hash_table_unref (db->statements);
  g_ptr_array_unref (db->used);
  if (sqlite3_close (db->handle) != SQLITE_OK)
    log_warn ("store", "%s", "a statement outlived its file");
  db_note_closed (db->path);
  g_free (db->path);
  g_free (db);
}

static void
submit (Db *db, gboolean write, gboolean patient, DbWork work, DbDone done, gpointer job, GDestroyNotify free_job)
{
  DbWorker *worker = db->worker;
  Task *task = g_new0 (Task, 1);

  task->db = db;
  task->write = write;
  task->patient = patient;
  task->work = work;
  task->done = done;
  task->job = job;
  task->free_job = free_job;
  db->pending++;
  pthread_mutex_lock (&worker->lock);
  if (db->closing)
    {
      g_set_error_literal (&task->error, EARSHOT_ERROR, EARSHOT_ERROR_CANCELLED, "store: closing");
      list_push (&worker->done, task);
    }
  else
    {
      list_push (&worker->queue, task);
      worker->pressing += !patient;
      if (worker->queue.length == 1)
        worker->since = patient ? g_get_monotonic_time () : 0;
      /* The first patient one is a reason to look at the clock, those after it are none. */
      if (worker->waiting && (worker->queue.length == 1 || has_pressing (worker)))
        {
          worker->waiting = FALSE;
          pthread_cond_signal (&worker->work);
        }
    }
  pthread_mutex_unlock (&worker->lock);
}

void
db_submit (Db *db, gboolean write, DbWork work, DbDone done, gpointer job, GDestroyNotify free_job)
{
  submit (db, write, FALSE, work, done, job, free_job);
}

void
db_submit_patient (Db *db, DbWork work, DbDone done, gpointer job, GDestroyNotify free_job)
{
  submit (db, TRUE, TRUE, work, done, job, free_job);
}

guint
db_get_pending (const Db *db)
{
  return db->pending;
}

gboolean
db_run_now (Db *db, DbWork work, gpointer job, GError **error)
{
  Task task = { .db = db, .write = TRUE, .work = work, .job = job };

  wait_idle (db->worker);
  run_alone (&task);
  if (task.error == NULL)
    return TRUE;
  g_propagate_error (error, task.error);
  return FALSE;
}
