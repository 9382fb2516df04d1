/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Threat: the file may be anything: cut short, overwritten, of another program, of a later version of ours. What is
 * damaged is moved aside and kept for a person to look at; what is somebody else's or newer is left exactly as it is.
 */
#include "earshot-config.h"

#include "daemon/io/db-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/error.h"
#include "daemon/base/fsutil.h"
#include "daemon/base/log.h"

#define HEADER_BYTES 100
#define HEADER_MAGIC "SQLite format 3" /* with its NUL: 16 bytes */
#define HEADER_APPLICATION_ID 68
#define ROW_BYTES_MAX (4 * 1024 * 1024)
#define CHECK_BYTES (8 * 1024 * 1024)
#define SUSPECT_SUFFIX "-suspect"
#define OPEN_SUFFIX "-open"
#define REMAKE_PAGES_MAX 2048 /* 8 MiB */

typedef enum {
  OPENED,
  FOREIGN, /* an error, file untouched */
  DAMAGED  /* to be set aside */
} Opened;

static Opened
judge_code (sqlite3 *handle, int code, GError **error)
{
  db_set_error (handle, code, error);
  switch (code & 0xff)
    {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
      return DAMAGED;
    default:
      return FOREIGN;
    }
}

static Opened
run_sql (sqlite3 *handle, const char *sql, GError **error)
{
  int code = sqlite3_exec (handle, sql, NULL, NULL, NULL);

  return code == SQLITE_OK ? OPENED : judge_code (handle, code, error);
}

static Opened
read_int (sqlite3 *handle, const char *sql, gint64 *value, GError **error)
{
  sqlite3_stmt *stmt = NULL;
  int code = sqlite3_prepare_v2 (handle, sql, -1, &stmt, NULL);

  if (code == SQLITE_OK)
    code = sqlite3_step (stmt);
  if (code == SQLITE_ROW)
    {
      *value = sqlite3_column_int64 (stmt, 0);
      code = SQLITE_OK;
    }
  else if (code == SQLITE_DONE)
    {
      *value = 0;
      code = SQLITE_OK;
    }
  sqlite3_finalize (stmt);
  return code == SQLITE_OK ? OPENED : judge_code (handle, code, error);
}

static Opened
check_pages (sqlite3 *handle, GError **error)
{
  sqlite3_stmt *stmt = NULL;
  Opened result = DAMAGED;
  int code = sqlite3_prepare_v2 (handle, "PRAGMA quick_check(1)", -1, &stmt, NULL);

  if (code == SQLITE_OK)
    code = sqlite3_step (stmt);
  if (code != SQLITE_ROW)
    result = judge_code (handle, code, error);
  else if (g_strcmp0 ((const char *) sqlite3_column_text (stmt, 0), "ok") == 0)
    result = OPENED;
  else
    g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "its pages contradict each other");
  sqlite3_finalize (stmt);
  return result;
}

/* Each step is one transaction with its version, so a crash leaves the file on a rung, never between two. */
static Opened
climb (sqlite3 *handle, const DbSchema *schema, guint from, guint to, GError **error)
{
  for (guint i = from; i < to; i++)
    {
      g_autofree char *mark = g_strdup_printf ("PRAGMA application_id=%d; PRAGMA user_version=%u; COMMIT",
                                               schema->application_id, i + 1);
      Opened result = run_sql (handle, "BEGIN IMMEDIATE", error);

      if (result == OPENED)
        result = run_sql (handle, schema->steps[i], error);
      if (result == OPENED)
        result = run_sql (handle, mark, error);
      if (result != OPENED)
        {
          if (!sqlite3_get_autocommit (handle))
            sqlite3_exec (handle, "ROLLBACK", NULL, NULL, NULL);
          return result;
        }
    }
  return OPENED;
}

/* Names of tables with their columns, of indices and triggers, as a set of lines. */
static GHashTable *
list_schema (sqlite3 *handle)
{
  static const char sql[] = "SELECT m.type || ' ' || m.name || ' ' || coalesce((SELECT group_concat(p.name)"
                            " FROM pragma_table_info(m.name) AS p), '') FROM sqlite_schema AS m"
                            " WHERE m.name NOT LIKE 'sqlite_%'";
  g_autoptr (GHashTable) set = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  sqlite3_stmt *stmt = NULL;
  int code = sqlite3_prepare_v2 (handle, sql, -1, &stmt, NULL);

  while (code == SQLITE_OK && (code = sqlite3_step (stmt)) == SQLITE_ROW)
    {
      g_hash_table_add (set, g_strdup ((const char *) sqlite3_column_text (stmt, 0)));
      code = SQLITE_OK;
    }
  sqlite3_finalize (stmt);
  return code == SQLITE_DONE ? g_steal_pointer (&set) : NULL;
}

/* Is everything there that our steps made up to `version`? Compared with what they make in memory; more is no harm. Where
 * this SQLite can not even make it (built without FTS5), that says nothing about the file. */
static Opened
check_schema (sqlite3 *handle, const char *path, const DbSchema *schema, guint version, GError **error)
{
  g_autoptr (GHashTable) want = NULL;
  g_autoptr (GHashTable) have = NULL;
  sqlite3 *model = NULL;
  GHashTableIter iter;
  gpointer line;
  gboolean same = TRUE;

  if (sqlite3_open_v2 (":memory:", &model, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK
      && climb (model, schema, 0, version, NULL) == OPENED)
    want = list_schema (model);
  sqlite3_close (model);
  if (want == NULL)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_UNSUPPORTED, "%s: this SQLite lacks what its tables need", path);
      return FOREIGN;
    }
  have = list_schema (handle);
  g_hash_table_iter_init (&iter, want);
  while (same && g_hash_table_iter_next (&iter, &line, NULL))
    same = have != NULL && g_hash_table_contains (have, line);
  if (same)
    return OPENED;
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s: tables are missing", path);
  return DAMAGED;
}

/* As long as its header says? */
static gboolean
is_cut (const char *path, gint64 size)
{
  guint8 header[HEADER_BYTES];
  int fd = open (path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  gboolean whole = fd >= 0 && pread (fd, header, sizeof header, 0) == (ssize_t) sizeof header;
  guint page;

  if (fd >= 0)
    close (fd);
  if (!whole)
    return TRUE;
  page = (guint) header[16] << 8 | header[17];
  return size != (gint64) (page == 1 ? 65536 : page)
                   * ((gint64) header[28] << 24 | header[29] << 16 | header[30] << 8 | header[31]);
}

/* Who opens a file says in which boot of the machine, and takes that back when it is closed. */
static char *
dup_boot (void)
{
  char *boot = NULL;

  g_file_get_contents ("/proc/sys/kernel/random/boot_id", &boot, NULL, NULL);
  return boot;
}

static gboolean
was_left_in_this_boot (const char *path)
{
  g_autofree char *mark = g_strconcat (path, OPEN_SUFFIX, NULL);
  g_autofree char *now = dup_boot ();
  char then[64];
  int fd = open (mark, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  ssize_t n = fd >= 0 ? read (fd, then, sizeof then) : -1;

  if (fd >= 0)
    close (fd);
  return now != NULL && n == (ssize_t) strlen (now) && memcmp (now, then, (gsize) n) == 0;
}

static void
note_open (const char *path)
{
  g_autofree char *mark = g_strconcat (path, OPEN_SUFFIX, NULL);
  g_autofree char *now = dup_boot ();
  int fd = open (mark, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);

  /* Where it fails, the next start may check once too often. */
  if (fd >= 0 && now != NULL && write (fd, now, strlen (now)) < 0)
    log_debug ("store", "%s", "cannot note that a database is open");
  if (fd >= 0)
    close (fd);
}

void
db_note_closed (const char *path)
{
  g_autofree char *mark = g_strconcat (path, OPEN_SUFFIX, NULL);

  unlink (mark);
}

/* A check reads the whole file. It is due where the machine went down under it (its log is there, from an earlier boot: a process
 * that dies, however, can not spoil a page), where a run met damage (db_note_damage()), and where the length is wrong; a small file
 * is checked in any case. Else a long history would cost every start what it is long. */
static gboolean
is_check_due (const char *path)
{
  g_autofree char *wal = g_strconcat (path, "-wal", NULL);
  g_autofree char *suspect = g_strconcat (path, SUSPECT_SUFFIX, NULL);
  struct stat st;

  if (stat (path, &st) < 0 || st.st_size <= CHECK_BYTES)
    return TRUE;
  if (stat (suspect, &st) == 0)
    return TRUE;
  if (stat (wal, &st) == 0 && st.st_size > 0)
    return !was_left_in_this_boot (path);
  return stat (path, &st) < 0 || is_cut (path, st.st_size);
}

void
db_note_damage (const char *path)
{
  g_autofree char *suspect = g_strconcat (path, SUSPECT_SUFFIX, NULL);
  int fd = open (suspect, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

  if (fd >= 0)
    close (fd);
}

static void
forget_damage (const char *path)
{
  g_autofree char *suspect = g_strconcat (path, SUSPECT_SUFFIX, NULL);

  unlink (suspect);
}

/* Makes the file private and looks at it before SQLite does: opening is not allowed to change a stranger's file. */
static Opened
look_at_file (const char *path, const DbSchema *schema, GError **error)
{
  guint8 header[HEADER_BYTES];
  g_autofree char *wal = g_strconcat (path, "-wal", NULL);
  struct stat st;
  gint32 id;
  ssize_t n = 0;
  int fd = open (path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
  int saved = errno;

  if (fd < 0 || fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    {
      if (fd >= 0)
        close (fd);
      g_set_error (error, EARSHOT_ERROR, fd < 0 && saved == ENOSPC ? EARSHOT_ERROR_STORE_FULL : EARSHOT_ERROR_FAILED,
                   "%s: %s", path, fd < 0 ? g_strerror (saved) : "not a regular file");
      return FOREIGN;
    }
  if (st.st_size > 0)
    n = pread (fd, header, sizeof header, 0);
  if (n >= 0 && (st.st_mode & 077) != 0 && fchmod (fd, 0600) < 0)
    n = -1;
  saved = errno;
  close (fd);
  if (n < 0)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s: %s", path, g_strerror (saved));
      return FOREIGN;
    }
  if (st.st_size == 0)
    {
      /* A log without its file: SQLite would delete it. */
      if (stat (wal, &st) < 0 || st.st_size == 0)
        return OPENED;
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s: empty beside a write-ahead log", path);
      return DAMAGED;
    }
  if (n < HEADER_BYTES || memcmp (header, HEADER_MAGIC, sizeof HEADER_MAGIC) != 0)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s: no database", path);
      return DAMAGED;
    }
  memcpy (&id, header + HEADER_APPLICATION_ID, sizeof id);
  id = GINT32_FROM_BE (id);
  if (id != 0 && id != schema->application_id)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s: a database of another program", path);
      return FOREIGN;
    }
  return OPENED;
}

/* Ours, new, newer, foreign or damaged? Nothing is written before that is known. */
static Opened
identify (sqlite3 *handle, const char *path, const DbSchema *schema, gboolean check, guint *version, GError **error)
{
  gint64 id = 0, user = 0, objects = 0;
  Opened result = read_int (handle, "PRAGMA application_id", &id, error);

  if (result == OPENED)
    result = read_int (handle, "PRAGMA user_version", &user, error);
  if (result == OPENED)
    result = read_int (handle, "SELECT count(*) FROM sqlite_schema", &objects, error);
  if (result != OPENED)
    return result;
  if (id != schema->application_id && (id != 0 || user != 0 || objects != 0))
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s: a database of another program", path);
      return FOREIGN;
    }
  if (user > (gint64) schema->n_steps)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_UNSUPPORTED,
                   "%s: written by a newer version (schema %" G_GINT64_FORMAT ", this one knows %u)", path, user,
                   schema->n_steps);
      return FOREIGN;
    }
  if (user < 0 || (user == 0 && objects != 0))
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s: impossible schema version", path);
      return DAMAGED;
    }
  *version = (guint) user;
  if (user == 0)
    return OPENED;
  result = check ? check_pages (handle, error) : OPENED;
  return result == OPENED ? check_schema (handle, path, schema, *version, error) : result;
}

static void
harden (sqlite3 *handle)
{
  sqlite3_extended_result_codes (handle, 1);
  sqlite3_busy_timeout (handle, 2000);
  sqlite3_limit (handle, SQLITE_LIMIT_LENGTH, ROW_BYTES_MAX);
  sqlite3_limit (handle, SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_db_config (handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  sqlite3_db_config (handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
  sqlite3_db_config (handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
  sqlite3_db_config (handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
  sqlite3_db_config (handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

/* Free pages go back by and by (PRAGMA incremental_vacuum), which a file has to be made for. One of an earlier release is made anew
 * for it where that takes no time; where it would, its free pages are only used again. A disk without the room for it is no
 * reason not to open. */
static void
adopt_vacuum (sqlite3 *handle)
{
  gint64 mode = 0, pages = 0;

  if (read_int (handle, "PRAGMA auto_vacuum", &mode, NULL) != OPENED || mode == 2
      || read_int (handle, "PRAGMA page_count", &pages, NULL) != OPENED || pages > REMAKE_PAGES_MAX)
    return;
  if (run_sql (handle, "PRAGMA auto_vacuum=INCREMENTAL; VACUUM", NULL) != OPENED)
    log_debug ("store", "%s", "no room to make the file anew");
}

static Opened
open_once (const char *path, const DbSchema *schema, sqlite3 **out, GError **error)
{
  /* Exclusive before the first access: the index of the log is then kept in memory, no shared file is mapped, and no
   * lock is taken and given back for every transaction. */
  static const char before[] = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0;"
                               "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-512";
  /* secure_delete: what somebody deletes is overwritten. */
  static const char after[] = "PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA journal_size_limit=8388608;"
                              "PRAGMA wal_autocheckpoint=0";
  sqlite3 *handle = NULL;
  guint version = 0;
  gboolean check = is_check_due (path); /* opening makes the log */
  Opened result = look_at_file (path, schema, error);
  int code;

  if (result != OPENED)
    return result;
  code = sqlite3_open_v2 (path, &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);
  if (code != SQLITE_OK)
    result = judge_code (handle, code, error);
  if (result == OPENED)
    {
      harden (handle);
      result = run_sql (handle, before, error);
    }
  if (result == OPENED)
    result = identify (handle, path, schema, check, &version, error);
  if (result == OPENED)
    {
      sqlite3_db_config (handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
      result = run_sql (handle, version == 0 ? "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL" : "PRAGMA journal_mode=WAL",
                        error);
    }
  if (result == OPENED)
    result = run_sql (handle, after, error);
  if (result == OPENED)
    result = climb (handle, schema, version, schema->n_steps, error);
  if (result == OPENED)
    adopt_vacuum (handle);
  if (result != OPENED)
    sqlite3_close (handle);
  else
    *out = handle;
  if (result != FOREIGN) /* sound, or on its way aside */
    forget_damage (path);
  if (result == OPENED)
    note_open (path);
  return result;
}

sqlite3 *
db_open_handle (const char *path, const DbSchema *schema, char **set_aside, GError **error)
{
  g_autoptr (GError) why = NULL;
  g_autofree char *moved = NULL;
  sqlite3 *handle = NULL;
  Opened result;

  if (set_aside != NULL)
    *set_aside = NULL;
  result = open_once (path, schema, &handle, &why);
  if (result == DAMAGED)
    {
      log_warn ("store", "damaged, set aside: %s", why->message);
      if (!fs_set_aside (path, &moved, error))
        return NULL;
      g_clear_error (&why);
      result = open_once (path, schema, &handle, &why);
    }
  if (set_aside != NULL)
    *set_aside = g_steal_pointer (&moved);
  if (result != OPENED)
    {
      g_propagate_error (error, g_steal_pointer (&why));
      return NULL;
    }
  return handle;
}
