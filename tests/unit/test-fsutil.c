/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/error.h"
#include "daemon/base/fsutil.h"

static char *top; /* a fresh directory for the run */

static char *
in (const char *name)
{
  return g_build_filename (top, name, NULL);
}

static guint
mode_of (const char *path)
{
  struct stat st;

  g_assert_cmpint (lstat (path, &st), ==, 0);
  return st.st_mode & 07777;
}

static guint
n_entries (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static void
test_private_dir (void)
{
  g_autofree char *path = in ("a/b/c");
  g_autofree char *file = in ("file");
  g_autoptr (GError) error = NULL;

  g_assert_true (fs_ensure_private_dir (path, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (mode_of (path), ==, 0700);
  g_assert_true (fs_ensure_private_dir (path, &error));
  g_assert_cmpint (chmod (path, 0770), ==, 0);
  g_assert_false (fs_ensure_private_dir (path, &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED);
  g_clear_error (&error);
  g_assert_cmpint (chmod (path, 0702), ==, 0);
  g_assert_false (fs_ensure_private_dir (path, NULL));
  g_assert_cmpint (chmod (path, 0755), ==, 0); /* readable is the umask's business, writable is not */
  g_assert_true (fs_ensure_private_dir (path, NULL));
  g_assert_true (g_file_set_contents (file, "", 0, NULL));
  g_assert_false (fs_ensure_private_dir (file, NULL));
}

static void
test_foreign_dir (void)
{
  g_autofree char *path = in ("foreign");

  if (geteuid () != 0)
    {
      g_test_skip ("needs root to give a directory away");
      return;
    }
  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
  g_assert_cmpint (chown (path, 12345, 12345), ==, 0);
  g_assert_false (fs_ensure_private_dir (path, NULL));
}

static void
test_write_and_read (void)
{
  g_autofree char *dir = in ("w");
  g_autofree char *path = in ("w/key");
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = NULL, again = NULL;

  g_assert_true (fs_ensure_private_dir (dir, NULL));
  g_assert_true (fs_write_private (path, "a\0b", 3, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (mode_of (path), ==, 0600);
  g_assert_true (fs_read_private (path, 3, &bytes, &error));
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), "a\0b", 3);
  g_assert_cmpint (((const char *) g_bytes_get_data (bytes, NULL))[3], ==, '\0');
  /* Replaced as a whole, whatever the old mode was; nothing is left beside it. */
  g_assert_cmpint (chmod (path, 0400), ==, 0);
  g_assert_true (fs_write_private (path, "", 0, &error));
  g_assert_true (fs_read_private (path, 3, &again, &error));
  g_assert_cmpuint (g_bytes_get_size (again), ==, 0);
  g_assert_cmpuint (n_entries (dir), ==, 1);
}

static void
test_write_fails (void)
{
  g_autofree char *nowhere = in ("nowhere/key");
  g_autofree char *dir = in ("is-a-dir");
  g_autofree char *inner = in ("is-a-dir/x");
  g_autoptr (GError) error = NULL;
  guint before;

  g_assert_false (fs_write_private (nowhere, "x", 1, &error));
  g_assert_nonnull (error);
  g_assert_true (fs_ensure_private_dir (inner, NULL));
  before = n_entries (top);
  g_assert_false (fs_write_private (dir, "x", 1, NULL));
  g_assert_cmpuint (n_entries (top), ==, before); /* the temporary file is gone again */
}

static void
test_read_refusals (void)
{
  g_autofree char *path = in ("secret");
  g_autofree char *link = in ("link");
  g_autofree char *fifo = in ("fifo");
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = NULL;

  g_assert_false (fs_read_private (path, 10, &bytes, &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_true (fs_write_private (path, "12345", 5, NULL));
  g_assert_false (fs_read_private (path, 4, &bytes, &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_TOO_LARGE);
  g_clear_error (&error);
  g_assert_cmpint (symlink (path, link), ==, 0);
  g_assert_false (fs_read_private (link, 10, &bytes, NULL));
  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  g_assert_false (fs_read_private (fifo, 10, &bytes, NULL));
  g_assert_false (fs_read_private (top, 10, &bytes, NULL));
  g_assert_cmpint (chmod (path, 0640), ==, 0);
  g_assert_false (fs_read_private (path, 10, &bytes, &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED);
  g_assert_null (bytes);
}

static void
test_lock (void)
{
  g_autofree char *lock = in ("lock");
  g_autofree char *me = g_strdup_printf ("pid %ld)", (long) getpid ());
  g_autoptr (GError) error = NULL;
  int fd = fs_lock_dir (top, 0, &error);

  g_assert_no_error (error);
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpuint (mode_of (lock), ==, 0600);
  g_assert_cmpint (fs_lock_dir (top, 0, &error), ==, -1);
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, me));
  close (fd);
  /* What is left in the file holds nothing: the lock is the kernel's. */
  fd = fs_lock_dir (top, 0, NULL);
  g_assert_cmpint (fd, >=, 0);
  close (fd);
}

static void
test_lock_garbage (void)
{
  g_autofree char *lock = in ("lock");
  g_autoptr (GError) error = NULL;
  int fd = fs_lock_dir (top, 0, NULL);

  g_assert_cmpint (ftruncate (fd, 0), ==, 0);
  g_assert_cmpint (pwrite (fd, "\x1b[2J%s%n", 8, 0), ==, 8);
  g_assert_cmpint (fs_lock_dir (top, 0, &error), ==, -1);
  g_assert_nonnull (strstr (error->message, "pid unknown"));
  close (fd);
}

static gpointer
let_go (gpointer fd)
{
  g_usleep (50 * G_TIME_SPAN_MILLISECOND);
  close (GPOINTER_TO_INT (fd));
  return NULL;
}

/* One that was killed has it a little longer: it is waited for, and no longer than allowed for one that stays. */
static void
test_lock_of_a_dying_one (void)
{
  g_autoptr (GError) error = NULL;
  int fd = fs_lock_dir (top, 0, NULL), next;
  gint64 start = g_get_monotonic_time ();
  GThread *thread;

  g_assert_cmpint (fs_lock_dir (top, 50 * G_TIME_SPAN_MILLISECOND, &error), ==, -1);
  g_assert_nonnull (strstr (error->message, "in use by another earshotd"));
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 50 * G_TIME_SPAN_MILLISECOND);
  thread = g_thread_new ("dying", let_go, GINT_TO_POINTER (fd));
  next = fs_lock_dir (top, 60 * G_TIME_SPAN_SECOND, NULL);
  g_thread_join (thread);
  g_assert_cmpint (next, >=, 0);
  g_assert_cmpint (fs_lock_dir (top, 0, NULL), ==, -1);
  close (next);
}

static void
put (const char *path, const char *text)
{
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static void
expect_text (const char *base, const char *suffix, const char *text)
{
  g_autofree char *path = g_strconcat (base, suffix, NULL);
  g_autofree char *got = NULL;

  g_assert_true (g_file_get_contents (path, &got, NULL, NULL));
  g_assert_cmpstr (got, ==, text);
}

static void
test_set_aside (void)
{
  g_autofree char *db = in ("h.db");
  g_autofree char *wal = in ("h.db-wal");
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 5; i++)
    {
      g_autofree char *text = g_strdup_printf ("db %u", i);
      char *moved = NULL;

      put (db, text);
      put (wal, "log");
      g_assert_true (fs_set_aside (db, &moved, &error));
      g_assert_no_error (error);
      g_assert_false (g_file_test (db, G_FILE_TEST_EXISTS));
      g_assert_false (g_file_test (wal, G_FILE_TEST_EXISTS));
      g_assert_true (g_str_has_prefix (moved, db));
      g_assert_nonnull (strstr (moved, ".damaged-"));
      expect_text (moved, "", text);
      expect_text (moved, "-wal", "log");
      g_assert_true (g_hash_table_add (seen, moved));
    }
  g_assert_false (fs_set_aside (db, NULL, &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_FOUND);
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = NULL;
  const char *name;

  if (!g_file_test (path, G_FILE_TEST_IS_SYMLINK))
    dir = g_dir_open (path, 0, NULL);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      remove_tree (child);
    }
  g_remove (path);
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  top = g_dir_make_tmp ("earshot-fsutil-XXXXXX", NULL);
  g_assert_nonnull (top);
  g_test_add_func ("/fsutil/private-dir", test_private_dir);
  g_test_add_func ("/fsutil/foreign-dir", test_foreign_dir);
  g_test_add_func ("/fsutil/write-and-read", test_write_and_read);
  g_test_add_func ("/fsutil/write-fails", test_write_fails);
  g_test_add_func ("/fsutil/read-refusals", test_read_refusals);
  g_test_add_func ("/fsutil/lock", test_lock);
  g_test_add_func ("/fsutil/lock-file-with-garbage", test_lock_garbage);
  g_test_add_func ("/fsutil/lock-of-a-dying-one", test_lock_of_a_dying_one);
  g_test_add_func ("/fsutil/set-aside", test_set_aside);
  status = g_test_run ();
  remove_tree (top);
  g_free (top);
  return status;
}
