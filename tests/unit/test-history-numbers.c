/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/history-private.h"

#include "tests/unit/history-helper.h"

typedef struct
{
  char *bytes;
  gsize length;
} Backup;

static Backup
back_up (Past *past)
{
  Backup backup;

  history_close (past->history);
  g_assert_true (g_file_get_contents (past->store.path, &backup.bytes, &backup.length, NULL));
  past_open (past);
  return backup;
}

/* In place: the same file. Else another one of that name. */
static void
put_back (Past *past, Backup *backup, gboolean in_place)
{
  history_close (past->history);
  if (!in_place)
    {
      g_autofree char *moved = g_strconcat (past->store.path, ".old", NULL);

      g_assert_cmpint (g_rename (past->store.path, moved), ==, 0); /* it keeps its inode */
    }
  FILE *file = fopen (past->store.path, "w");
  g_assert_cmpuint (fwrite (backup->bytes, 1, backup->length, file), ==, backup->length);
  fclose (file);
  past_open (past);
  g_clear_pointer (&backup->bytes, g_free);
}

static gint64
append (Past *past, const char *id)
{
  past_receive (past, ROMEO, id, "text");
  return past_sql (past, "SELECT max(seq) FROM log");
}

static void
test_no_gaps (Past *past, gconstpointer unused)
{
  for (gint64 i = 1; i <= 5; i++)
    {
      g_autofree char *id = g_strdup_printf ("%d", (int) i);

      g_assert_cmpint (append (past, id), ==, i);
      past_restart (past);
    }
}

static void
test_backup (Past *past, gconstpointer unused)
{
  Backup backup;
  gint64 given;

  append (past, "a");
  backup = back_up (past);
  append (past, "b");
  given = append (past, "c");
  put_back (past, &backup, TRUE);
  /* What the backup has is there, and a peer that sends the rest again is listened to. */
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log"), ==, 1);
  g_assert_cmpint (append (past, "b"), >, given);
  given = append (past, "d");
  past_restart (past);
  g_assert_cmpint (append (past, "e"), ==, given + 1);
}

/* All of the directory, taken back by a program that makes files anew. */
static void
test_backup_of_all (Past *past, gconstpointer unused)
{
  g_autofree char *beside = g_strconcat (past->store.path, "-head", NULL);
  g_autofree char *head = NULL;
  Backup backup;
  gint64 given;

  append (past, "a");
  past_sql (past, "UPDATE log SET time = time - 3600000000");
  backup = back_up (past);
  history_close (past->history);
  g_assert_true (g_file_get_contents (beside, &head, NULL, NULL));
  past_open (past);
  past_fill (past, JULIET, 30000, "'text'");
  given = append (past, "b");
  put_back (past, &backup, FALSE);
  history_close (past->history);
  g_assert_true (g_file_set_contents (beside, head, -1, NULL));
  past_open (past);
  g_assert_cmpint (append (past, "c"), >, given);
}

/* Written over where it stands, as cp does: nothing but the kernel's clock tells. */
static void
write_over (const char *path, const char *bytes, gsize length)
{
  FILE *file = fopen (path, "w");

  g_assert_nonnull (file);
  g_assert_cmpuint (fwrite (bytes, 1, length, file), ==, length);
  fclose (file);
}

static void
test_backup_in_place_of_all (Past *past, gconstpointer unused)
{
  g_autofree char *beside = g_strconcat (past->store.path, "-head", NULL);
  g_autofree char *head = NULL;
  g_autofree char *bytes = NULL;
  sqlite3 *handle = NULL;
  gsize length;
  gint64 given;

  append (past, "a");
  history_close (past->history);
  /* Made an hour ago. */
  g_assert_cmpint (sqlite3_open (past->store.path, &handle), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (handle, "UPDATE log SET time = time - 3600000000; UPDATE meta SET value = value - 3600000000"
                                         " WHERE name = 'changed-at'", NULL, NULL, NULL), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_close (handle), ==, SQLITE_OK);
  g_assert_true (g_file_get_contents (past->store.path, &bytes, &length, NULL));
  g_assert_true (g_file_get_contents (beside, &head, NULL, NULL));
  past_open (past);
  past_fill (past, JULIET, 30000, "'text'");
  given = append (past, "b");
  history_close (past->history);
  write_over (past->store.path, bytes, length);
  write_over (beside, head, strlen (head));
  past_open (past);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log"), ==, 1);
  g_assert_cmpint (append (past, "c"), >, given);
  /* From there on it is the log. */
  given = append (past, "d");
  past_restart (past);
  g_assert_cmpint (append (past, "e"), ==, given + 1);
}

/* FILE-head is no more, or nothing that is read: a copy that left it out. */
static void
test_lost_beside (Past *past, gconstpointer unused)
{
  g_autofree char *beside = g_strconcat (past->store.path, "-head", NULL);
  gint64 given = append (past, "a");

  for (guint i = 0; i < 2; i++)
    {
      sqlite3 *handle = NULL;
      g_autofree char *id = g_strdup_printf ("%u", i);

      history_close (past->history);
      g_assert_cmpint (sqlite3_open (past->store.path, &handle), ==, SQLITE_OK);
      g_assert_cmpint (sqlite3_exec (handle, "UPDATE log SET time = time - 3600000000; UPDATE meta SET value = value - 3600000000"
                                             " WHERE name = 'changed-at'", NULL, NULL, NULL), ==, SQLITE_OK);
      g_assert_cmpint (sqlite3_close (handle), ==, SQLITE_OK);
      if (i == 0)
        g_assert_cmpint (g_unlink (beside), ==, 0);
      else
        g_assert_cmpint (g_chmod (beside, 0644), ==, 0);
      past_open (past);
      g_assert_cmpint (append (past, id), >, given + 3600000);
      given = past_sql (past, "SELECT max(seq) FROM log");
    }
}

/* A backup made while it ran, put back where it stands after it ended, in order or not. */
static void
test_backup_while_running (Past *past, gconstpointer died)
{
  g_autofree char *beside = g_strconcat (past->store.path, "-head", NULL);
  g_autofree char *head = NULL;
  g_autofree char *bytes = NULL;
  g_autofree char *wal = g_strconcat (past->store.path, "-wal", NULL);
  g_autofree char *log = NULL;
  gsize length, log_length;
  gint64 given;

  append (past, "a");
  history_close (past->history);
  /* It was open, and this is what a backup of that moment has. */
  past_open (past);
  g_assert_true (g_file_get_contents (beside, &head, NULL, NULL));
  past_sql (past, "SELECT 1"); /* all is written */
  g_assert_true (g_file_get_contents (past->store.path, &bytes, &length, NULL));
  g_assert_true (g_file_get_contents (wal, &log, &log_length, NULL));
  append (past, "b");
  given = append (past, "c");
  history_close (past->history);
  if (died != NULL)
    {
      g_assert_true (g_file_set_contents (beside, head, -1, NULL)); /* as it stood when it died */
      g_assert_cmpint (g_chmod (beside, 0600), ==, 0);
    }
  write_over (past->store.path, bytes, length);
  write_over (wal, log, log_length);
  past_open (past);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log"), ==, 1);
  g_assert_cmpint (append (past, "d"), >, given);
}

static void
test_set_aside (Past *past, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *aside = NULL;
  gint64 given;

  append (past, "a");
  given = append (past, "b");
  history_close (past->history);
  g_assert_true (g_file_set_contents (past->store.path, "rotten", 6, NULL));
  past->history = history_open (past->store.worker, past->store.path, &aside, &error);
  g_assert_no_error (error);
  g_assert_nonnull (aside);
  g_assert_cmpint (append (past, "c"), >, given);
}

/* What stands beside may be anything. */
static void
test_rotten_beside (Past *past, gconstpointer unused)
{
  static const char *const texts[] = { "", "x", "-5 1 1", "99999999999999999999 1 1", "1", "9223372036854775807 1 1", "1 1 1 1 1" };
  g_autofree char *beside = g_strconcat (past->store.path, "-head", NULL);
  gint64 given = append (past, "a");

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autofree char *id = g_strdup_printf ("%u", i);

      history_close (past->history);
      g_assert_true (g_file_set_contents (beside, texts[i], -1, NULL));
      past_open (past);
      g_assert_cmpint (append (past, id), >, given);
      given = past_sql (past, "SELECT max(seq) FROM log");
      g_assert_cmpint (given, <, G_MAXINT64 / 2);
    }
}

/* Many entries: the mark beside is always ahead. */
static void
test_ahead (Past *past, gconstpointer unused)
{
  g_autofree char *beside = g_strconcat (past->store.path, "-head", NULL);
  g_autofree char *text = NULL;

  past_sql (past, "INSERT INTO sqlite_sequence (name, seq) VALUES ('log', 123456)");
  g_assert_cmpint (append (past, "a"), ==, 123457);
  g_assert_true (g_file_get_contents (beside, &text, NULL, NULL));
  g_assert_cmpint (g_ascii_strtoll (text, NULL, 10), >=, 123457);
}

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
#define ADD(name, func) g_test_add ("/history-numbers/" name, Past, NULL, past_set_up, func, past_tear_down)
  ADD ("no-gaps-without-reason", test_no_gaps);
  ADD ("never-twice-after-a-backup", test_backup);
  ADD ("never-twice-after-a-backup-of-all", test_backup_of_all);
  ADD ("never-twice-after-a-backup-of-all-in-place", test_backup_in_place_of_all);
  ADD ("never-twice-after-a-backup-made-while-it-ran", test_backup_while_running);
  g_test_add ("/history-numbers/never-twice-after-such-a-backup-and-a-crash", Past, "", past_set_up, test_backup_while_running, past_tear_down);
  ADD ("never-twice-without-the-mark", test_lost_beside);
  ADD ("never-twice-after-damage", test_set_aside);
  ADD ("rotten-mark", test_rotten_beside);
  ADD ("mark-is-ahead", test_ahead);
#undef ADD
  return g_test_run ();
}
