/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One epoll descriptor behind one GSource: a thousand idle sockets cost the loop nothing. At each turn of the loop those that come first
 * are served, all of them, then others in rotation while 2 ms are not over (one of them always): what strangers let us compute delays
 * whom we know by no more than that, and the longest callback. Main thread only.
 */
#pragma once

#include <glib.h>

typedef struct _Poller Poller;
typedef struct _PollerWatch PollerWatch;

/* `events` is a mask of EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR. */
typedef void (*PollerFunc) (gpointer user, guint32 events);

/* Attached to the default main context. */
Poller *poller_new (void);
/* All watches must be gone. Safe inside a callback. */
void poller_free (Poller *poller);

/* NULL when the kernel refuses (out of memory or of watches). */
PollerWatch *poller_add (Poller *poller, int fd, guint32 events, PollerFunc func, gpointer user);
void poller_modify (PollerWatch *watch, guint32 events);
/* FALSE to begin with. */
void poller_set_first (PollerWatch *watch, gboolean first);
/* Safe inside a callback, also for other watches of the same turn: none fires after this. The fd stays open. */
void poller_remove (PollerWatch *watch);
