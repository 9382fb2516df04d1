/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "cli/consumer-lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

/* A consumer is one of a daemon: the same name at another daemon of this user is another one. Neither makes a path. */
static char *
dup_file_name (Ctl *ctl, const char *consumer)
{
  g_autofree char *both = g_strconcat (model_string (ctl->model, EARSHOT_ROOT, "Manager", "Fingerprint"), "/", consumer, NULL);
  g_autofree char *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, both, -1);

  return g_strdup_printf ("receive-%.32s.lock", sum);
}

int
consumer_lock (Ctl *ctl, const char *consumer, GError **error)
{
  g_autofree char *dir = g_build_filename (g_get_user_runtime_dir (), "earshot", NULL);
  g_autofree char *name = dup_file_name (ctl, consumer);
  g_autofree char *path = g_build_filename (dir, name, NULL);
  int fd = -1;

  if (g_mkdir_with_parents (dir, 0700) == 0)
    fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
  if (fd < 0)
    {
      g_set_error (error, CLI_ERROR, CLI_ERROR_FAILED, "cannot lock consumer %s: %s: %s", consumer, path, g_strerror (errno));
      return -1;
    }
  if (flock (fd, LOCK_EX | LOCK_NB) == 0)
    return fd;
  if (errno == EWOULDBLOCK)
    g_set_error (error, CLI_ERROR, CLI_ERROR_FAILED, "another xmppctl receive --exec, or a program it began, runs for consumer %s", consumer);
  else
    g_set_error (error, CLI_ERROR, CLI_ERROR_FAILED, "cannot lock consumer %s: %s", consumer, g_strerror (errno));
  close (fd);
  return -1;
}
