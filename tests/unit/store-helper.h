/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the tests of the store share: a directory of their own, waiting on events, a disk that fills up.
 */
#pragma once

#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/error.h"
#include "daemon/io/db.h"

typedef struct
{
  char *dir;
  char *path; /* of the file under test */
  DbWorker *worker;
} Store;

static inline void
store_set_up (Store *store, gconstpointer unused)
{
  store->dir = g_dir_make_tmp ("earshot-store-XXXXXX", NULL);
  g_assert_nonnull (store->dir);
  store->path = g_build_filename (store->dir, "test.db", NULL);
  store->worker = db_worker_new ();
}

static inline void
store_remove_dir (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      g_remove (child);
    }
  g_rmdir (path);
}

static inline void
store_tear_down (Store *store, gconstpointer unused)
{
  db_worker_free (store->worker);
  store_remove_dir (store->dir);
  g_free (store->path);
  g_free (store->dir);
}

/* Runs the loop until `flag`; a test that hangs dies by the alarm in store_main(). */
static inline void
store_wait (const gboolean *flag)
{
  while (!*flag)
    g_main_context_iteration (NULL, TRUE);
}

/* A DoneFunc and what it said. */
typedef struct
{
  gboolean done;
  int code; /* -1: no error */
} Outcome;

static inline void
outcome_set (gpointer user, const GError *error)
{
  Outcome *outcome = user;

  g_assert_false (outcome->done);
  outcome->done = TRUE;
  g_assert_true (error == NULL || error->domain == EARSHOT_ERROR);
  outcome->code = error != NULL ? error->code : -1;
}

static inline int
outcome_wait (Outcome *outcome)
{
  int code;

  store_wait (&outcome->done);
  code = outcome->code;
  *outcome = (Outcome){ 0 };
  return code;
}

/* SQL straight into the file under test, or a number out of it. */
typedef struct
{
  const char *sql;
  gint64 value;
} Raw;

static inline gboolean
raw_work (sqlite3 *handle, gpointer data, GError **error)
{
  Raw *raw = data;
  sqlite3_stmt *stmt = NULL;
  const char *rest = raw->sql;

  raw->value = -1;
  while (rest != NULL && rest[0] != '\0')
    {
      int code = sqlite3_prepare_v2 (handle, rest, -1, &stmt, &rest);

      if (code == SQLITE_OK && stmt != NULL)
        while ((code = sqlite3_step (stmt)) == SQLITE_ROW)
          raw->value = sqlite3_column_int64 (stmt, 0);
      sqlite3_finalize (stmt);
      if (code != SQLITE_OK && code != SQLITE_DONE)
        {
          g_test_message ("%s: %s", raw->sql, sqlite3_errmsg (handle));
          db_set_error (handle, code, error);
          return FALSE;
        }
    }
  return TRUE;
}

static inline gint64
raw_sql (Db *db, const char *sql)
{
  g_autoptr (GError) error = NULL;
  Raw raw = { .sql = sql };

  db_run_now (db, raw_work, &raw, &error);
  g_assert_no_error (error);
  return raw.value;
}

/* The whole file, checked by SQLite. */
static inline gboolean
raw_is_sound (Db *db)
{
  return raw_sql (db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'") == 0;
}

/* A disk that is full from here on: no file may grow beyond `bytes`. Nothing may be printed meanwhile. */
static inline void
disk_fill (rlim_t bytes)
{
  struct rlimit limit;

  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  limit.rlim_cur = bytes;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
}

static inline void
disk_free (void)
{
  struct rlimit limit;

  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  limit.rlim_cur = limit.rlim_max;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
}

static inline void
store_main (int *argc, char ***argv)
{
  g_test_init (argc, argv, NULL);
  /* A damaged file is reported by a warning on purpose. */
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
  alarm (300);
}
