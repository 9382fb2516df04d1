/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/poller.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <glib-unix.h>

#include "daemon/base/log.h"

#define EVENTS_A_TURN 64
#define OTHERS_A_TURN_US 2000

struct _Poller {
  int epfd;
  GSource *source;
  guint watches;
  guint turns;
  guint depth;        /* > 0: inside on_ready() */
  gboolean freed;     /* poller_free() was called from inside it */
  GPtrArray *removed; /* watches removed inside it: the events at hand may still point at them */
};

struct _PollerWatch {
  Poller *poller;
  int fd;
  gboolean first;
  PollerFunc func; /* NULL = removed */
  gpointer user;
};

static void
poller_destroy (Poller *poller)
{
  g_ptr_array_unref (poller->removed);
  close (poller->epfd);
  g_free (poller);
}

static void
serve (const struct epoll_event *event)
{
  PollerWatch *watch = event->data.ptr;

  if (watch->func != NULL)
    watch->func (watch->user, event->events);
}

/* epoll is level-triggered here and gives the ready descriptors in turn, so whatever exceeds one
 * turn's worth is served by the next one, between the loop's other sources. */
static gboolean
on_ready (int fd, GIOCondition condition, gpointer user)
{
  Poller *poller = user;
  struct epoll_event events[EVENTS_A_TURN];
  int others[EVENTS_A_TURN];
  int n = epoll_wait (poller->epfd, events, EVENTS_A_TURN, 0), n_others = 0;
  gint64 end;

  poller->depth++;
  for (int i = 0; i < n; i++)
    if (((PollerWatch *) events[i].data.ptr)->first)
      serve (&events[i]);
    else
      others[n_others++] = i;
  end = g_get_monotonic_time () + OTHERS_A_TURN_US;
  poller->turns++;
  for (int i = 0; i < n_others && (i == 0 || g_get_monotonic_time () < end); i++)
    serve (&events[others[(poller->turns + (guint) i) % (guint) n_others]]);
  poller->depth--;
  if (poller->depth == 0)
    {
      g_ptr_array_set_size (poller->removed, 0);
      if (poller->freed)
        {
          poller_destroy (poller);
          return G_SOURCE_REMOVE;
        }
    }
  return G_SOURCE_CONTINUE;
}

Poller *
poller_new (void)
{
  Poller *poller = g_new0 (Poller, 1);

  poller->epfd = epoll_create1 (EPOLL_CLOEXEC);
  if (poller->epfd < 0)
    g_error ("epoll_create1: %s", g_strerror (errno));
  poller->removed = g_ptr_array_new_with_free_func (g_free);
  poller->source = g_unix_fd_source_new (poller->epfd, G_IO_IN);
  g_source_set_callback (poller->source, G_SOURCE_FUNC (on_ready), poller, NULL);
  g_source_attach (poller->source, NULL);
  return poller;
}

void
poller_free (Poller *poller)
{
  if (poller == NULL)
    return;
  g_return_if_fail (poller->watches == 0);
  g_source_destroy (poller->source);
  g_source_unref (poller->source);
  if (poller->depth > 0)
    poller->freed = TRUE;
  else
    poller_destroy (poller);
}

PollerWatch *
poller_add (Poller *poller, int fd, guint32 events, PollerFunc func, gpointer user)
{
  PollerWatch *watch = g_new0 (PollerWatch, 1);
  struct epoll_event event = { .events = events, .data.ptr = watch };

  watch->poller = poller;
  watch->fd = fd;
  watch->func = func;
  watch->user = user;
  if (epoll_ctl (poller->epfd, EPOLL_CTL_ADD, fd, &event) < 0)
    {
      /* Out of memory or of watches (fs.epoll.max_user_watches): the machine's state, not our mistake. */
      log_warn ("poller", "a descriptor can not be watched: %s", g_strerror (errno));
      g_free (watch);
      return NULL;
    }
  poller->watches++;
  return watch;
}

void
poller_modify (PollerWatch *watch, guint32 events)
{
  struct epoll_event event = { .events = events, .data.ptr = watch };

  g_return_if_fail (watch->func != NULL);
  if (epoll_ctl (watch->poller->epfd, EPOLL_CTL_MOD, watch->fd, &event) < 0)
    log_warn ("poller", "a watch can not be changed: %s", g_strerror (errno));
}

void
poller_set_first (PollerWatch *watch, gboolean first)
{
  watch->first = first;
}

void
poller_remove (PollerWatch *watch)
{
  Poller *poller;

  if (watch == NULL)
    return;
  poller = watch->poller;
  epoll_ctl (poller->epfd, EPOLL_CTL_DEL, watch->fd, NULL);
  watch->func = NULL;
  poller->watches--;
  if (poller->depth > 0)
    g_ptr_array_add (poller->removed, watch);
  else
    g_free (watch);
}
