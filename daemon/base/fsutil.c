/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/base/fsutil.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/error.h"

#define SET_ASIDE_MAX 1000
#define LOCK_TRY_US (10 * G_TIME_SPAN_MILLISECOND)

typedef int Fd;
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (Fd, close, -1)

static gboolean
fail_errno (int saved, const char *what, const char *path, GError **error)
{
  EarshotError code = EARSHOT_ERROR_FAILED;

  if (saved == ENOSPC || saved == EDQUOT || saved == EFBIG)
    code = EARSHOT_ERROR_STORE_FULL;
  else if (saved == ENOENT)
    code = EARSHOT_ERROR_NOT_FOUND;
  g_set_error (error, EARSHOT_ERROR, code, "cannot %s %s: %s", what, path, g_strerror (saved));
  return FALSE;
}

gboolean
fs_ensure_private_dir (const char *path, GError **error)
{
  g_auto (Fd) fd = -1;
  struct stat st;

  if (g_mkdir_with_parents (path, 0700) != 0)
    return fail_errno (errno, "create", path, error);
  /* Looked at through the descriptor, so that what is judged is what is there. */
  fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || fstat (fd, &st) != 0)
    return fail_errno (errno, "open", path, error);
  if (st.st_uid != geteuid ())
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s belongs to another user (uid %u)",
                   path, (guint) st.st_uid);
      return FALSE;
    }
  if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s may be written to by others: chmod 700 it", path);
      return FALSE;
    }
  return TRUE;
}

static gboolean
write_all (int fd, const char *data, gsize len)
{
  while (len > 0)
    {
      ssize_t n = write (fd, data, len);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return FALSE;
      data += n;
      len -= (gsize) n;
    }
  return TRUE;
}

static gboolean
sync_dir_of (const char *path, GError **error)
{
  g_autofree char *dir = g_path_get_dirname (path);
  g_auto (Fd) fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  /* Some file systems cannot sync a directory and say EINVAL: nothing more can be done there. */
  if (fd < 0 || (fsync (fd) != 0 && errno != EINVAL))
    return fail_errno (errno, "sync", dir, error);
  return TRUE;
}

gboolean
fs_write_private (const char *path, const void *data, gsize len, GError **error)
{
  g_autofree char *dir = g_path_get_dirname (path);
  g_autofree char *base = g_path_get_basename (path);
  g_autofree char *tmp = g_strdup_printf ("%s/.%s.XXXXXX", dir, base);
  g_auto (Fd) fd = mkostemp (tmp, O_CLOEXEC); /* created with mode 0600 */
  int saved;

  if (fd < 0)
    return fail_errno (errno, "create a file beside", path, error);
  if (write_all (fd, data, len) && fsync (fd) == 0 && rename (tmp, path) == 0)
    return sync_dir_of (path, error);
  saved = errno;
  unlink (tmp);
  return fail_errno (saved, "write", path, error);
}

static gboolean
check_file (const struct stat *st, const char *why, const char *path, gsize max, GError **error)
{
  if (!S_ISREG (st->st_mode))
    why = "is not a regular file";
  if (why != NULL)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s %s", path, why);
      return FALSE;
    }
  if (st->st_size < 0 || (guint64) st->st_size > max)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_TOO_LARGE, "%s is larger than %" G_GSIZE_FORMAT " bytes",
                   path, max);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_private_file (const struct stat *st, const char *path, gsize max, GError **error)
{
  const char *why = NULL;

  if (st->st_uid != geteuid ())
    why = "belongs to another user";
  else if ((st->st_mode & (S_IRWXG | S_IRWXO)) != 0)
    why = "is open to others: chmod 600 it";
  return check_file (st, why, path, max, error);
}

static gboolean
check_shared_file (const struct stat *st, const char *path, gsize max, GError **error)
{
  const char *why = NULL;

  if (st->st_uid != geteuid () && st->st_uid != 0)
    why = "belongs to another user";
  else if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
    why = "may be written to by others: chmod go-w it";
  return check_file (st, why, path, max, error);
}

/* Reads what is open in `fd`; bytes that did not get all the way are wiped. */
static gboolean
read_all (int fd, gsize len, const char *path, GBytes **out, GError **error)
{
  g_autofree char *buf = g_malloc0 (len + 1);
  gsize got = 0;

  while (got < len)
    {
      ssize_t n = read (fd, buf + got, len - got);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        {
          int saved = errno;

          explicit_bzero (buf, len);
          return fail_errno (saved, "read", path, error);
        }
      if (n == 0)
        break;
      got += (gsize) n;
    }
  buf[got] = '\0';
  *out = g_bytes_new_take (g_steal_pointer (&buf), got);
  return TRUE;
}

gboolean
fs_read_private (const char *path, gsize max, GBytes **out, GError **error)
{
  /* O_NONBLOCK: a FIFO put in the place of the file must not hang us. */
  g_auto (Fd) fd = open (path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  struct stat st;

  if (fd < 0 || fstat (fd, &st) != 0)
    return fail_errno (errno, "open", path, error);
  return check_private_file (&st, path, max, error) && read_all (fd, (gsize) st.st_size, path, out, error);
}

gboolean
fs_read_shared (const char *path, gsize max, GBytes **out, GError **error)
{
  g_auto (Fd) fd = open (path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  struct stat st;

  if (fd < 0 || fstat (fd, &st) != 0)
    return fail_errno (errno, "open", path, error);
  return check_shared_file (&st, path, max, error) && read_all (fd, (gsize) st.st_size, path, out, error);
}

static void
describe_holder (int fd, const char *dir, GError **error)
{
  char pid[16] = "";
  ssize_t n = pread (fd, pid, sizeof pid - 1, 0);

  pid[n > 0 ? n : 0] = '\0';
  pid[strspn (pid, "0123456789")] = '\0';
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s is in use by another earshotd (pid %s)", dir,
               *pid != '\0' ? pid : "unknown");
}

/* A blocking flock() knows no deadline, and who holds this one may be in a pid namespace where we can not watch it end: so it is tried
 * again. 0, or -1 with errno. */
static int
lock_within (int fd, gint64 wait)
{
  gint64 deadline = g_get_monotonic_time () + wait;

  for (;;)
    {
      if (flock (fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
      if ((errno != EWOULDBLOCK && errno != EINTR) || g_get_monotonic_time () >= deadline)
        return -1;
      g_usleep (LOCK_TRY_US);
    }
}

int
fs_lock_dir (const char *dir, gint64 wait, GError **error)
{
  g_autofree char *path = g_build_filename (dir, "lock", NULL);
  g_autofree char *pid = g_strdup_printf ("%ld\n", (long) getpid ());
  g_auto (Fd) fd = open (path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  Fd locked;

  if (fd < 0)
    {
      fail_errno (errno, "open", path, error);
      return -1;
    }
  if (lock_within (fd, wait) != 0)
    {
      if (errno == EWOULDBLOCK)
        describe_holder (fd, dir, error);
      else
        fail_errno (errno, "lock", path, error);
      return -1;
    }
  /* The pid is for the message above only; the lock is the flock itself, so a full disk does not stop us. */
  if (ftruncate (fd, 0) != 0 || !write_all (fd, pid, strlen (pid)))
    g_debug ("cannot note the pid in the lock file");
  locked = fd;
  fd = -1;
  return locked;
}

static gboolean
is_there (const char *path)
{
  struct stat st;

  return lstat (path, &st) == 0;
}

/* Overwrites what is open in `fd`, once nothing leads to it any more. */
static void
wipe (int fd)
{
  static const char zeros[4096];
  struct stat st;

  if (fstat (fd, &st) != 0 || !S_ISREG (st.st_mode) || st.st_nlink > 0)
    return;
  for (off_t at = 0; at < st.st_size;)
    {
      ssize_t n = pwrite (fd, zeros, MIN ((gsize) (st.st_size - at), sizeof zeros), at);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return;
      at += n;
    }
  fsync (fd);
}

gboolean
fs_replace_wiping (const char *from, const char *to, GError **error)
{
  g_auto (Fd) fd = open (to, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

  if (rename (from, to) != 0)
    return fail_errno (errno, "replace", to, error);
  /* Only when the new one is sure to be there. */
  if (!sync_dir_of (to, error))
    return FALSE;
  if (fd >= 0)
    wipe (fd);
  return TRUE;
}

gboolean
fs_remove_wiping (const char *path, GError **error)
{
  g_auto (Fd) fd = open (path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

  if (unlink (path) != 0)
    return errno == ENOENT || fail_errno (errno, "remove", path, error);
  if (fd >= 0)
    wipe (fd);
  return sync_dir_of (path, error);
}

/* SQLite finds a log by its file's name: NAME-wal stays beside NAME, so that the set-aside file can still be opened. */
static const char *const companions[] = { "-shm", "-wal", "" };

static gboolean
is_taken (const char *target)
{
  for (gsize i = 0; i < G_N_ELEMENTS (companions); i++)
    {
      g_autofree char *name = g_strconcat (target, companions[i], NULL);

      if (is_there (name))
        return TRUE;
    }
  return FALSE;
}

static char *
pick_free_name (const char *path, const char *word)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *stamp = g_date_time_format (now, "%Y%m%d-%H%M%S");
  char *target = g_strdup_printf ("%s.%s-%s", path, word, stamp);

  for (guint n = 1; is_taken (target) && n <= SET_ASIDE_MAX; n++)
    {
      g_free (target);
      target = g_strdup_printf ("%s.%s-%s-%u", path, word, stamp, n);
    }
  return target;
}

gboolean
fs_set_aside (const char *path, char **moved_to, GError **error)
{
  g_autofree char *target = pick_free_name (path, "damaged");

  if (!is_there (path))
    return fail_errno (ENOENT, "set aside", path, error);
  if (is_taken (target))
    return fail_errno (EEXIST, "set aside", path, error);
  /* The file itself goes last: after a crash in between it is still found damaged, never a stale log beside a new file. */
  for (gsize i = 0; i < G_N_ELEMENTS (companions); i++)
    {
      g_autofree char *from = g_strconcat (path, companions[i], NULL);
      g_autofree char *to = g_strconcat (target, companions[i], NULL);

      if (is_there (from) && rename (from, to) != 0)
        return fail_errno (errno, "set aside", from, error);
    }
  if (!sync_dir_of (path, error))
    return FALSE;
  if (moved_to != NULL)
    *moved_to = g_steal_pointer (&target);
  return TRUE;
}

gboolean
fs_keep_aside (const char *path, const char *word, char **kept_as, GError **error)
{
  g_autofree char *target = pick_free_name (path, word);

  if (link (path, target) != 0)
    return fail_errno (errno, "keep", path, error);
  if (!sync_dir_of (path, error))
    return FALSE;
  *kept_as = g_steal_pointer (&target);
  return TRUE;
}
