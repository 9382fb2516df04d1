/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/escape.h"
#include "cli/out.h"
#include "cli/progress.h"

#define PATIENCE_US G_USEC_PER_SEC
#define REDRAW_US (G_USEC_PER_SEC / 10)
#define COLUMNS_MAX 200

static struct {
  GMutex lock;
  GCond news;
  GThread *thread;
  char *text;               /* NULL: nothing goes on */
  gint64 due;               /* when it may be drawn; monotonic */
  gboolean stale;           /* another text than the one that stands there */
  volatile guint columns;   /* of what stands there; 0 = nothing */
} progress;

static void
put (const char *bytes, gsize length)
{
  while (length > 0)
    {
      ssize_t n = write (STDERR_FILENO, bytes, length);

      if (n < 0 && errno != EINTR)
        return;
      bytes += MAX (n, 0);
      length -= (gsize) MAX (n, 0);
    }
}

void
progress_wipe (void)
{
  char blank[COLUMNS_MAX + 2];
  guint columns = progress.columns;

  if (columns == 0)
    return;
  progress.columns = 0;
  memset (blank, ' ', sizeof blank);
  blank[0] = blank[columns + 1] = '\r';
  put (blank, columns + 2);
}

/* With the lock. */
static void
draw (void)
{
  struct winsize size;
  guint room = ioctl (STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? MAX (size.ws_col, OUT_COLUMNS_MIN) : 80;
  g_autofree char *line = g_strconcat (progress.text, " ...", NULL);
  g_autofree char *cut = escape_cut (line, MIN (room, COLUMNS_MAX) - 1);

  progress_wipe ();
  progress.columns = escape_columns (cut);
  progress.stale = FALSE;
  put (cut, strlen (cut));
}

static gpointer
run (gpointer unused)
{
  g_mutex_lock (&progress.lock);
  while (progress.text != NULL)
    if (!progress.stale)
      {
        g_cond_wait (&progress.news, &progress.lock);
      }
    else if (g_get_monotonic_time () < progress.due)
      {
        g_cond_wait_until (&progress.news, &progress.lock, progress.due);
      }
    else
      {
        draw ();
        progress.due = g_get_monotonic_time () + REDRAW_US;
      }
  g_mutex_unlock (&progress.lock);
  return NULL;
}

static gboolean
is_wanted (Ctl *ctl)
{
  return !ctl->quiet && !ctl->json && isatty (STDERR_FILENO) && g_strcmp0 (g_getenv ("TERM"), "dumb") != 0;
}

void
progress_begin (Ctl *ctl, const char *format, ...)
{
  va_list args;

  if (!is_wanted (ctl))
    return;
  g_mutex_lock (&progress.lock);
  if (progress.text == NULL)
    progress.due = g_get_monotonic_time () + PATIENCE_US;
  g_free (progress.text);
  va_start (args, format);
  progress.text = g_strdup_vprintf (format, args);
  va_end (args);
  progress.stale = TRUE;
  if (progress.thread == NULL)
    progress.thread = g_thread_new ("progress", run, NULL);
  g_cond_signal (&progress.news);
  g_mutex_unlock (&progress.lock);
}

void
progress_hide (void)
{
  if (progress.thread == NULL)
    return;
  g_mutex_lock (&progress.lock);
  progress_wipe ();
  progress.stale = TRUE;
  progress.due = g_get_monotonic_time () + PATIENCE_US;
  g_cond_signal (&progress.news);
  g_mutex_unlock (&progress.lock);
}

void
progress_end (void)
{
  if (progress.thread == NULL)
    return;
  g_mutex_lock (&progress.lock);
  progress_wipe ();
  g_clear_pointer (&progress.text, g_free);
  g_cond_signal (&progress.news);
  g_mutex_unlock (&progress.lock);
  g_thread_join (g_steal_pointer (&progress.thread));
}
