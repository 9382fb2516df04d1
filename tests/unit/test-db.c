/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/db.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "tests/unit/store-helper.h"

#define APP_ID 0x45725331

static const char *const steps_1[] = { "CREATE TABLE item (n INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT" };
static const char *const steps_2[] = { "CREATE TABLE item (n INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT",
                                       "ALTER TABLE item ADD COLUMN more INTEGER NOT NULL DEFAULT 7" };
static const char *const steps_bad[] = { "CREATE TABLE item (n INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT",
                                         "CREATE TABLE other (x); INSERT INTO nowhere VALUES (1)" };
static const DbSchema schema_1 = { steps_1, 1, APP_ID };
static const DbSchema schema_2 = { steps_2, 2, APP_ID };
static const DbSchema schema_bad = { steps_bad, 2, APP_ID };

static Db *
open_ok (Store *store, const DbSchema *schema, char **set_aside)
{
  g_autoptr (GError) error = NULL;
  Db *db = db_open (store->worker, store->path, schema, set_aside, &error);

  g_assert_no_error (error);
  g_assert_nonnull (db);
  return db;
}

/* --- files ---------------------------------------------------------------- */

static void
test_private (Store *store, gconstpointer unused)
{
  struct stat st;
  mode_t mask = umask (0);
  char *aside = (char *) "untouched";
  Db *db = open_ok (store, &schema_1, &aside);
  g_autofree char *wal = g_strconcat (store->path, "-wal", NULL);

  umask (mask);
  g_assert_null (aside);
  raw_sql (db, "INSERT INTO item VALUES (1, 'x')");
  g_assert_cmpint (stat (store->path, &st), ==, 0);
  g_assert_cmpint (st.st_mode & 07777, ==, 0600);
  g_assert_cmpint (stat (wal, &st), ==, 0);
  g_assert_cmpint (st.st_mode & 07777, ==, 0600);
  g_assert_cmpint (raw_sql (db, "PRAGMA application_id"), ==, APP_ID);
  g_assert_cmpint (raw_sql (db, "PRAGMA user_version"), ==, 1);
  g_assert_cmpint (raw_sql (db, "PRAGMA synchronous"), ==, 2);
  db_close (db);
  /* One that was opened up by somebody is closed again. */
  g_assert_cmpint (chmod (store->path, 0644), ==, 0);
  db = open_ok (store, &schema_1, NULL);
  g_assert_cmpint (stat (store->path, &st), ==, 0);
  g_assert_cmpint (st.st_mode & 07777, ==, 0600);
  g_assert_cmpint (raw_sql (db, "SELECT count(*) FROM item"), ==, 1);
  db_close (db);
}

static void
make_raw (const char *path, const char *sql)
{
  sqlite3 *handle = NULL;

  g_assert_cmpint (sqlite3_open (path, &handle), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (handle, sql, NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close (handle);
}

/* Refused, and not a byte of it is another. */
static void
assert_refused_untouched (Store *store, int code)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;
  g_autofree char *aside = NULL;
  gsize n_before, n_after;

  g_assert_true (g_file_get_contents (store->path, &before, &n_before, NULL));
  g_assert_null (db_open (store->worker, store->path, &schema_1, &aside, &error));
  g_assert_error (error, EARSHOT_ERROR, code);
  g_assert_null (aside);
  g_assert_true (g_file_get_contents (store->path, &after, &n_after, NULL));
  g_assert_cmpmem (before, n_before, after, n_after);
}

static void
test_foreign (Store *store, gconstpointer unused)
{
  make_raw (store->path, "PRAGMA application_id=4711; CREATE TABLE t (x)");
  assert_refused_untouched (store, EARSHOT_ERROR_FAILED);
  g_remove (store->path);
  make_raw (store->path, "PRAGMA journal_mode=WAL; CREATE TABLE no_id (x)");
  assert_refused_untouched (store, EARSHOT_ERROR_FAILED);
}

static void
test_newer (Store *store, gconstpointer unused)
{
  make_raw (store->path, "PRAGMA application_id=1165120305; PRAGMA user_version=2; CREATE TABLE t (x)");
  g_assert_cmpint (APP_ID, ==, 1165120305);
  assert_refused_untouched (store, EARSHOT_ERROR_UNSUPPORTED);
}

/* The file is set aside with all its bytes, and a fresh one works. */
static void
assert_set_aside (Store *store)
{
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;
  g_autofree char *aside = NULL;
  gsize n_before, n_after;
  Db *db;

  g_assert_true (g_file_get_contents (store->path, &before, &n_before, NULL));
  db = open_ok (store, &schema_1, &aside);
  g_assert_nonnull (aside);
  g_assert_true (g_file_get_contents (aside, &after, &n_after, NULL));
  g_assert_cmpmem (before, n_before, after, n_after);
  g_assert_cmpint (raw_sql (db, "INSERT INTO item VALUES (1, 'x'); SELECT count(*) FROM item"), ==, 1);
  db_close (db);
  g_remove (store->path);
}

static void
test_garbage (Store *store, gconstpointer unused)
{
  guint8 bytes[8192];

  g_assert_true (g_file_set_contents (store->path, "hello", 5, NULL));
  assert_set_aside (store);
  for (guint i = 0; i < sizeof bytes; i++)
    bytes[i] = (guint8) (i * 7 + 3);
  g_assert_true (g_file_set_contents (store->path, (char *) bytes, sizeof bytes, NULL));
  assert_set_aside (store);
  memcpy (bytes, "SQLite format 3", 16);
  g_assert_true (g_file_set_contents (store->path, (char *) bytes, 60, NULL));
  assert_set_aside (store);
  memset (bytes, 0, sizeof bytes);
  g_assert_true (g_file_set_contents (store->path, (char *) bytes, sizeof bytes, NULL));
  assert_set_aside (store);
}

static void
test_missing_tables (Store *store, gconstpointer unused)
{
  make_raw (store->path, "PRAGMA application_id=1165120305; PRAGMA user_version=1; CREATE TABLE t (x)");
  assert_set_aside (store);
  make_raw (store->path, "PRAGMA application_id=1165120305; PRAGMA user_version=1; CREATE TABLE item (n)");
  assert_set_aside (store);
  make_raw (store->path, "PRAGMA application_id=1165120305; PRAGMA user_version=-5; CREATE TABLE item (n)");
  assert_set_aside (store);
}

static void
test_rotten_pages (Store *store, gconstpointer unused)
{
  g_autofree char *bytes = NULL;
  gsize n;
  Db *db = open_ok (store, &schema_1, NULL);

  raw_sql (db, "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 2000)"
               " INSERT INTO item SELECT x, 'some text of the row number ' || x FROM c");
  db_close (db);
  g_assert_true (g_file_get_contents (store->path, &bytes, &n, NULL));
  g_assert_cmpuint (n, >, 5 * 4096);
  memset (bytes + 4096, 0x5a, 3 * 4096);
  g_assert_true (g_file_set_contents (store->path, bytes, (gssize) n, NULL));
  assert_set_aside (store);
  /* Cut in the middle. */
  db = open_ok (store, &schema_1, NULL);
  raw_sql (db, "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 2000)"
               " INSERT INTO item SELECT x, 'some text of the row number ' || x FROM c");
  db_close (db);
  g_assert_cmpint (truncate (store->path, 3 * 4096 + 100), ==, 0);
  assert_set_aside (store);
}

static void
test_not_a_file (Store *store, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *target = g_build_filename (store->dir, "target", NULL);
  g_autofree char *content = NULL;

  g_assert_true (g_file_set_contents (target, "precious", -1, NULL));
  g_assert_cmpint (symlink (target, store->path), ==, 0);
  g_assert_null (db_open (store->worker, store->path, &schema_1, NULL, &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED);
  g_assert_true (g_file_get_contents (target, &content, NULL, NULL));
  g_assert_cmpstr (content, ==, "precious");
  g_clear_error (&error);
  g_remove (store->path);
  g_assert_cmpint (g_mkdir (store->path, 0700), ==, 0);
  g_assert_null (db_open (store->worker, store->path, &schema_1, NULL, &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED);
  g_rmdir (store->path);
}

static void
test_ladder (Store *store, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  Db *db = open_ok (store, &schema_1, NULL);

  raw_sql (db, "INSERT INTO item VALUES (1, 'x')");
  db_close (db);
  /* A step that fails leaves the file on its rung with all it had. */
  g_assert_null (db_open (store->worker, store->path, &schema_bad, NULL, &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED);
  db = open_ok (store, &schema_1, NULL);
  g_assert_cmpint (raw_sql (db, "SELECT count(*) FROM sqlite_schema WHERE name = 'other'"), ==, 0);
  db_close (db);
  db = open_ok (store, &schema_2, NULL);
  g_assert_cmpint (raw_sql (db, "PRAGMA user_version"), ==, 2);
  g_assert_cmpint (raw_sql (db, "SELECT more FROM item WHERE text = 'x'"), ==, 7);
  db_close (db);
  db = open_ok (store, &schema_2, NULL);
  db_close (db);
}

/* --- jobs ----------------------------------------------------------------- */

typedef struct
{
  pthread_mutex_t lock;
  pthread_cond_t cond;
  gboolean entered, open;
} Gate;

typedef struct
{
  int n;
  gboolean fail;
  const char *sql;
  Gate *gate;
  GArray *order; /* of reports */
  int runs;
  int code;
  gint64 seen;
  gboolean *freed;
} Item;

static gboolean
work_insert (sqlite3 *handle, gpointer data, GError **error)
{
  Item *item = data;
  sqlite3_stmt *stmt;

  item->runs++;
  if (item->gate != NULL)
    {
      pthread_mutex_lock (&item->gate->lock);
      item->gate->entered = TRUE;
      pthread_cond_broadcast (&item->gate->cond);
      while (!item->gate->open)
        pthread_cond_wait (&item->gate->cond, &item->gate->lock);
      pthread_mutex_unlock (&item->gate->lock);
    }
  stmt = db_prepare (handle, "INSERT INTO item (n, text) VALUES (?1, 'row')", error);
  g_assert_nonnull (stmt);
  sqlite3_bind_int (stmt, 1, item->n);
  if (!db_step_done (handle, stmt, error))
    return FALSE;
  if (!item->fail)
    return TRUE;
  g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_MISMATCH, "on purpose");
  return FALSE;
}

static gboolean
work_count (sqlite3 *handle, gpointer data, GError **error)
{
  Item *item = data;
  sqlite3_stmt *stmt = db_prepare (handle, "SELECT count(*) FROM item", error);
  gboolean row;

  item->runs++;
  if (stmt == NULL || !db_step_row (handle, stmt, &row, error))
    return FALSE;
  item->seen = sqlite3_column_int64 (stmt, 0);
  return TRUE;
}

static void
on_item (gpointer data, const GError *error)
{
  Item *item = data;

  item->code = error != NULL ? error->code : -1;
  g_array_append_val (item->order, item->n);
}

/* Holds the worker, so that what follows gathers into one batch. */
static void
gate_close (Gate *gate, Db *db, Item *item)
{
  *gate = (Gate){ 0 };
  pthread_mutex_init (&gate->lock, NULL);
  pthread_cond_init (&gate->cond, NULL);
  item->gate = gate;
  db_submit (db, TRUE, work_insert, on_item, item, NULL);
  pthread_mutex_lock (&gate->lock);
  while (!gate->entered)
    pthread_cond_wait (&gate->cond, &gate->lock);
  pthread_mutex_unlock (&gate->lock);
}

static void
gate_open (Gate *gate)
{
  pthread_mutex_lock (&gate->lock);
  gate->open = TRUE;
  pthread_cond_broadcast (&gate->cond);
  pthread_mutex_unlock (&gate->lock);
}

static void
gate_clear (Gate *gate)
{
  pthread_mutex_destroy (&gate->lock);
  pthread_cond_destroy (&gate->cond);
}

static int
on_commit (void *data)
{
  g_atomic_int_inc ((int *) data);
  return 0;
}

static gboolean
work_hook (sqlite3 *handle, gpointer data, GError **error)
{
  sqlite3_commit_hook (handle, on_commit, data);
  return TRUE;
}

static void
test_group_commit (Store *store, gconstpointer unused)
{
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (int));
  Db *db = open_ok (store, &schema_1, NULL);
  Item items[301] = { 0 };
  int commits = 0;
  Gate gate;

  g_assert_true (db_run_now (db, work_hook, &commits, NULL));
  commits = 0;
  for (int i = 0; i < 301; i++)
    items[i] = (Item){ .n = i, .order = order };
  gate_close (&gate, db, &items[0]);
  for (int i = 1; i < 301; i++)
    db_submit (db, TRUE, work_insert, on_item, &items[i], NULL);
  g_assert_cmpuint (order->len, ==, 0); /* never before the call returns */
  g_assert_cmpuint (db_get_pending (db), ==, 301);
  gate_open (&gate);
  while (order->len <= 1)
    g_main_context_iteration (NULL, TRUE);
  /* All of the second batch came in the turn that brought its first. */
  g_assert_cmpuint (order->len, ==, 301);
  g_assert_cmpuint (db_get_pending (db), ==, 0);
  for (int i = 0; i < 301; i++)
    {
      g_assert_cmpint (g_array_index (order, int, i), ==, i);
      g_assert_cmpint (items[i].code, ==, -1);
      g_assert_cmpint (items[i].runs, ==, 1);
    }
  g_assert_cmpint (g_atomic_int_get (&commits), ==, 2);
  /* And then nothing wakes the loop. */
  g_assert_false (g_main_context_iteration (NULL, FALSE));
  g_assert_false (g_main_context_pending (NULL));
  gate_clear (&gate);
  db_close (db);
}

/* A patient job goes with the next that somebody waits for, in order; alone it goes by itself, and with many of its kind, at a flush and at the
 * end at once. */
static void
test_patient (Store *store, gconstpointer unused)
{
  enum { ROUNDS = 20 };
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (int));
  Db *db = open_ok (store, &schema_1, NULL);
  Item items[2 * ROUNDS + 1000] = { 0 };
  int commits = 0;

  for (int i = 0; i < (int) G_N_ELEMENTS (items); i++)
    items[i] = (Item){ .n = i, .order = order };
  g_assert_true (db_run_now (db, work_hook, &commits, NULL));
  commits = 0;
  for (guint i = 0; i < ROUNDS; i++)
    {
      db_submit_patient (db, work_insert, on_item, &items[2 * i], NULL);
      g_usleep (1000); /* an impatient one would be on its way */
      db_submit (db, TRUE, work_insert, on_item, &items[2 * i + 1], NULL);
      while (order->len < 2 * i + 2)
        g_main_context_iteration (NULL, TRUE);
    }
  /* A machine that does something else for a while may make two of it. */
  g_assert_cmpint (g_atomic_int_get (&commits), <, ROUNDS * 3 / 2);
  db_submit_patient (db, work_insert, on_item, &items[2 * ROUNDS], NULL);
  while (order->len < 2 * ROUNDS + 1)
    g_main_context_iteration (NULL, TRUE);
  for (guint i = 2 * ROUNDS + 1; i < 2 * ROUNDS + 600; i++)
    db_submit_patient (db, work_insert, on_item, &items[i], NULL);
  while (order->len < 2 * ROUNDS + 600)
    g_main_context_iteration (NULL, TRUE);
  db_submit_patient (db, work_insert, on_item, &items[2 * ROUNDS + 600], NULL);
  db_worker_flush (store->worker);
  g_assert_cmpuint (order->len, ==, 2 * ROUNDS + 601);
  for (guint i = 2 * ROUNDS + 601; i < G_N_ELEMENTS (items); i++)
    db_submit_patient (db, work_insert, on_item, &items[i], NULL);
  db_close (db);
  g_assert_cmpuint (order->len, ==, G_N_ELEMENTS (items));
  for (int i = 0; i < (int) order->len; i++)
    {
      g_assert_cmpint (g_array_index (order, int, i), ==, i);
      g_assert_cmpint (items[i].code, ==, -1);
      g_assert_cmpint (items[i].runs, ==, 1);
    }
  g_assert_false (g_main_context_pending (NULL));
}

static void
test_failure_alone (Store *store, gconstpointer unused)
{
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (int));
  Db *db = open_ok (store, &schema_1, NULL);
  Item items[6] = { 0 };
  Gate gate;

  for (int i = 0; i < 6; i++)
    items[i] = (Item){ .n = i, .order = order, .fail = i == 2 || i == 4 };
  gate_close (&gate, db, &items[0]);
  for (int i = 1; i < 6; i++)
    db_submit (db, TRUE, i == 3 ? work_count : work_insert, on_item, &items[i], NULL);
  gate_open (&gate);
  while (order->len < 6)
    g_main_context_iteration (NULL, TRUE);
  for (int i = 0; i < 6; i++)
    {
      g_assert_cmpint (g_array_index (order, int, i), ==, i);
      g_assert_cmpint (items[i].code, ==, items[i].fail ? EARSHOT_ERROR_MISMATCH : -1);
    }
  g_assert_cmpint (items[1].runs, ==, 2); /* done again without the one that failed */
  g_assert_cmpint (items[3].seen, ==, 2);
  g_assert_cmpint (raw_sql (db, "SELECT count(*) FROM item"), ==, 3);
  g_assert_cmpint (raw_sql (db, "SELECT sum(n) FROM item"), ==, 0 + 1 + 5);
  gate_clear (&gate);
  db_close (db);
}

static void
test_two_files (Store *store, gconstpointer unused)
{
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (int));
  g_autofree char *path = g_build_filename (store->dir, "other.db", NULL);
  Db *one = open_ok (store, &schema_1, NULL);
  Db *two = db_open (store->worker, path, &schema_1, NULL, NULL);
  Item items[7] = { 0 };
  Gate gate;

  g_assert_nonnull (two);
  for (int i = 0; i < 7; i++)
    items[i] = (Item){ .n = i, .order = order, .fail = i == 3 };
  gate_close (&gate, one, &items[0]);
  for (int i = 1; i < 7; i++)
    db_submit (i % 2 == 0 ? one : two, TRUE, work_insert, on_item, &items[i], NULL);
  gate_open (&gate);
  while (order->len < 7)
    g_main_context_iteration (NULL, TRUE);
  for (int i = 0; i < 7; i++)
    g_assert_cmpint (g_array_index (order, int, i), ==, i);
  g_assert_cmpint (items[2].runs, ==, 1); /* the other file's failure does not touch this one */
  g_assert_cmpint (raw_sql (one, "SELECT sum(n) FROM item"), ==, 0 + 2 + 4 + 6);
  g_assert_cmpint (raw_sql (two, "SELECT sum(n) FROM item"), ==, 1 + 5);
  gate_clear (&gate);
  db_close (one);
  db_close (two);
}

static rlim_t
wal_size (Store *store)
{
  g_autofree char *wal = g_strconcat (store->path, "-wal", NULL);
  struct stat st;

  g_assert_cmpint (stat (wal, &st), ==, 0);
  return (rlim_t) st.st_size;
}

static void
test_commit_fails (Store *store, gconstpointer unused)
{
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (int));
  Db *db = open_ok (store, &schema_1, NULL);
  Item items[4] = { 0 };
  Gate gate;

  raw_sql (db, "INSERT INTO item VALUES (100, 'kept')");
  for (int i = 0; i < 4; i++)
    items[i] = (Item){ .n = i, .order = order };
  disk_fill (wal_size (store));
  gate_close (&gate, db, &items[0]);
  db_submit (db, TRUE, work_insert, on_item, &items[1], NULL);
  db_submit (db, FALSE, work_count, on_item, &items[2], NULL);
  db_submit (db, TRUE, work_insert, on_item, &items[3], NULL);
  gate_open (&gate);
  while (order->len < 4)
    g_main_context_iteration (NULL, TRUE);
  disk_free ();
  g_assert_cmpint (items[0].code, ==, EARSHOT_ERROR_STORE_FULL);
  g_assert_cmpint (items[1].code, ==, EARSHOT_ERROR_STORE_FULL);
  g_assert_cmpint (items[2].code, ==, -1);
  g_assert_cmpint (items[3].code, ==, EARSHOT_ERROR_STORE_FULL);
  /* What was never done was not seen either. */
  g_assert_cmpint (items[2].seen, ==, 1);
  g_assert_cmpint (raw_sql (db, "SELECT sum(n) FROM item"), ==, 100);
  raw_sql (db, "INSERT INTO item VALUES (200, 'room again')");
  gate_clear (&gate);
  db_close (db);
  db = open_ok (store, &schema_1, NULL);
  g_assert_cmpint (raw_sql (db, "SELECT sum(n) FROM item"), ==, 300);
  g_assert_true (raw_is_sound (db));
  db_close (db);
}

static gboolean
work_fill (sqlite3 *handle, gpointer data, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, "INSERT INTO item (text) VALUES (CAST (zeroblob (100000) AS TEXT))", error);

  return stmt != NULL && db_step_done (handle, stmt, error);
}

static void
test_page_limit (Store *store, gconstpointer unused)
{
  Db *db = open_ok (store, &schema_1, NULL);
  Outcome outcome = { 0 };
  gint64 before;
  int code = -1, stored = 0;

  raw_sql (db, "PRAGMA max_page_count=100");
  for (int i = 0; i < 50 && code == -1; i++)
    {
      db_submit (db, TRUE, work_fill, outcome_set, &outcome, NULL);
      code = outcome_wait (&outcome);
      stored += code == -1;
    }
  g_assert_cmpint (code, ==, EARSHOT_ERROR_STORE_FULL);
  before = raw_sql (db, "SELECT count(*) FROM item");
  g_assert_cmpint (before, ==, stored);
  g_assert_cmpint (before, >, 0);
  raw_sql (db, "PRAGMA max_page_count=10000");
  db_submit (db, TRUE, work_fill, outcome_set, &outcome, NULL);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_true (raw_is_sound (db));
  db_close (db);
}

/* In a child that only makes system calls: may we mount? */
static gboolean
can_mount (void)
{
  int status = -1;
  pid_t pid = fork ();

  if (pid == 0)
    _exit (unshare (CLONE_NEWNS) == 0 && mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0
                   && mount ("tmpfs", g_get_tmp_dir (), "tmpfs", 0, "size=1m") == 0
               ? 0
               : 1);
  return pid > 0 && waitpid (pid, &status, 0) == pid && status == 0;
}

/* A file system that is really full, in a mount namespace of our own. */
static void
test_full_disk (void)
{
  if (!g_test_subprocess ())
    {
      if (!can_mount ())
        {
          g_test_skip ("no tmpfs of our own: needs root and mount namespaces");
          return;
        }
      g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
      if (g_test_trap_reached_timeout () || !g_test_trap_has_passed ())
        g_test_fail ();
      return;
    }
  {
    Store store = { 0 };
    Outcome outcome = { 0 };
    Db *db;
    int code = -1, stored = 0;

    store.dir = g_dir_make_tmp ("earshot-store-XXXXXX", NULL);
    g_assert_cmpint (unshare (CLONE_NEWNS), ==, 0);
    g_assert_cmpint (mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), ==, 0);
    g_assert_cmpint (mount ("tmpfs", store.dir, "tmpfs", 0, "size=1m"), ==, 0);
    store.path = g_build_filename (store.dir, "test.db", NULL);
    store.worker = db_worker_new ();
    db = open_ok (&store, &schema_1, NULL);
    for (int i = 0; i < 100 && code == -1; i++)
      {
        db_submit (db, TRUE, work_fill, outcome_set, &outcome, NULL);
        code = outcome_wait (&outcome);
        stored += code == -1;
      }
    g_assert_cmpint (code, ==, EARSHOT_ERROR_STORE_FULL);
    g_assert_cmpint (stored, >, 0);
    g_assert_cmpint (raw_sql (db, "SELECT count(*) FROM item"), ==, stored);
    db_close (db);
    g_assert_cmpint (mount (NULL, store.dir, NULL, MS_REMOUNT, "size=8m"), ==, 0);
    db = open_ok (&store, &schema_1, NULL);
    g_assert_cmpint (raw_sql (db, "SELECT count(*) FROM item"), ==, stored);
    g_assert_true (raw_is_sound (db));
    db_submit (db, TRUE, work_fill, outcome_set, &outcome, NULL);
    g_assert_cmpint (outcome_wait (&outcome), ==, -1);
    db_close (db);
    db_worker_free (store.worker);
    g_assert_cmpint (umount (store.dir), ==, 0);
    g_rmdir (store.dir);
    g_free (store.path);
    g_free (store.dir);
  }
}

static void
free_item (gpointer data)
{
  Item *item = data;

  *item->freed = TRUE;
  g_free (item);
}

static Db *closing;
static Item late;

static void
on_last (gpointer data, const GError *error)
{
  on_item (data, error);
  db_submit (closing, TRUE, work_insert, on_item, &late, NULL);
}

static void
test_close_reports (Store *store, gconstpointer unused)
{
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (int));
  gboolean freed = FALSE;
  Item *item = g_new0 (Item, 1);

  *item = (Item){ .n = 1, .order = order, .freed = &freed };
  late = (Item){ .n = 2, .order = order };
  closing = open_ok (store, &schema_1, NULL);
  db_submit (closing, TRUE, work_insert, on_last, item, free_item);
  db_close (closing);
  g_assert_true (freed);
  g_assert_cmpuint (order->len, ==, 2);
  g_assert_cmpint (late.code, ==, EARSHOT_ERROR_CANCELLED);
  g_assert_cmpint (late.runs, ==, 0);
  closing = open_ok (store, &schema_1, NULL);
  g_assert_cmpint (raw_sql (closing, "SELECT count(*) FROM item"), ==, 1);
  db_close (closing);
}

static void
test_flush (Store *store, gconstpointer unused)
{
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (int));
  Db *db = open_ok (store, &schema_1, NULL);
  Item item = { .n = 1, .order = order };

  late = (Item){ .n = 2, .order = order };
  closing = db;
  db_submit (db, TRUE, work_insert, on_last, &item, NULL);
  db_worker_flush (store->worker);
  g_assert_cmpuint (order->len, ==, 2);
  g_assert_cmpint (late.code, ==, -1);
  db_close (db);
}

static void
test_log_stays_short (Store *store, gconstpointer unused)
{
  Db *db = open_ok (store, &schema_1, NULL);
  Outcome outcome = { 0 };

  for (int i = 0; i < 400; i++)
    {
      db_submit (db, TRUE, work_fill, outcome_set, &outcome, NULL);
      g_assert_cmpint (outcome_wait (&outcome), ==, -1);
    }
  g_assert_cmpuint (wal_size (store), <, 20 * 1024 * 1024);
  db_close (db);
}

static gboolean
work_bad_sql (sqlite3 *handle, gpointer data, GError **error)
{
  return db_prepare (handle, "SELECT nothing FROM nowhere", error) != NULL;
}

static void
test_bad_statement (Store *store, gconstpointer unused)
{
  Db *db = open_ok (store, &schema_1, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_false (db_run_now (db, work_bad_sql, NULL, &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED);
  g_clear_error (&error);
  g_assert_null (db_prepare (NULL, "SELECT 1", &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED);
  db_close (db);
}

/* Not every start reads all of a long file; but one behind a crash, behind damage met, and of a wrong length does. */
static void
test_long_files (Store *store, gconstpointer unused)
{
  static const char fill[] = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 10000)"
                             " INSERT INTO item SELECT x, hex (zeroblob (600)) || x FROM c";
  g_autofree char *suspect = g_strconcat (store->path, "-suspect", NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *bytes = NULL;
  Raw raw = { .sql = "SELECT sum(length(text)) FROM item" };
  gsize n;
  Db *db = open_ok (store, &schema_1, NULL);

  raw_sql (db, fill);
  db_close (db);
  g_assert_true (g_file_get_contents (store->path, &bytes, &n, NULL));
  g_assert_cmpuint (n, >, 9 * 1024 * 1024);
  memset (bytes + n / 2, 0x5a, 2 * 4096);
  g_assert_true (g_file_set_contents (store->path, bytes, (gssize) n, NULL));
  /* Nobody looked. Whoever meets it says so, and the next start looks. */
  db = open_ok (store, &schema_1, NULL);
  g_assert_false (g_file_test (suspect, G_FILE_TEST_EXISTS));
  g_assert_false (db_run_now (db, raw_work, &raw, &error));
  g_assert_true (g_file_test (suspect, G_FILE_TEST_EXISTS));
  db_close (db);
  assert_set_aside (store);
  g_assert_false (g_file_test (suspect, G_FILE_TEST_EXISTS));
  /* Cut by whole pages. */
  db = open_ok (store, &schema_1, NULL);
  raw_sql (db, fill);
  db_close (db);
  g_assert_cmpint (truncate (store->path, (off_t) (n / 4096 - 1) * 4096), ==, 0);
  assert_set_aside (store);
}

#define ADD(name, func) g_test_add (name, Store, NULL, store_set_up, func, store_tear_down)

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  ADD ("/db/open/private", test_private);
  ADD ("/db/open/foreign-stays-untouched", test_foreign);
  ADD ("/db/open/newer-stays-untouched", test_newer);
  ADD ("/db/open/garbage-is-set-aside", test_garbage);
  ADD ("/db/open/missing-tables-are-set-aside", test_missing_tables);
  ADD ("/db/open/rotten-pages-are-set-aside", test_rotten_pages);
  ADD ("/db/open/long-files-are-checked-when-there-is-reason", test_long_files);
  ADD ("/db/open/link-and-directory-are-refused", test_not_a_file);
  ADD ("/db/open/ladder", test_ladder);
  ADD ("/db/jobs/group-commit-one-turn-in-order", test_group_commit);
  ADD ("/db/jobs/patient-ones-go-with-others", test_patient);
  ADD ("/db/jobs/failure-is-undone-alone", test_failure_alone);
  ADD ("/db/jobs/two-files", test_two_files);
  ADD ("/db/jobs/commit-fails-whole-batch", test_commit_fails);
  ADD ("/db/jobs/page-limit", test_page_limit);
  ADD ("/db/jobs/close-reports", test_close_reports);
  ADD ("/db/jobs/flush", test_flush);
  ADD ("/db/jobs/log-stays-short", test_log_stays_short);
  ADD ("/db/jobs/bad-statement", test_bad_statement);
  g_test_add_func ("/db/full-disk", test_full_disk);
  return g_test_run ();
}
