/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Shared by test-link.c (bytes, dialling) and test-link-listener.c (caps): a house whose listener keeps what it
 * accepts, raw callers, and waiting.
 */
#pragma once

#include <glib.h>
#include <netinet/in.h>

#include "daemon/io/link.h"

extern Poller *poller;

gboolean on_too_long (gpointer user);
gboolean on_look_again (gpointer user);

/* Some conditions are the kernel's (has our end of a raw socket been closed?) and wake no source: look again now and then. */
#define WAIT_UNTIL(condition)                                                                                          \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    guint too_long_ = g_timeout_add_seconds (60, on_too_long, NULL), again_ = g_timeout_add (20, on_look_again, NULL); \
    while (!(condition))                                                                                               \
      g_main_context_iteration (NULL, TRUE);                                                                           \
    g_source_remove (too_long_);                                                                                       \
    g_source_remove (again_);                                                                                          \
  }                                                                                                                    \
  G_STMT_END

/* How often the loop wakes in `ms`, not counting the timer's own. */
guint count_turns (guint ms);

typedef enum { FREE_NEVER, FREE_IN_CONNECTED, FREE_IN_BYTES, FREE_IN_DRAINED, FREE_IN_ENDED } FreeWhen;

/* One of our links and what it reported. */
typedef struct {
  Link *link;
  GByteArray *got;
  gboolean connected, ended;
  guint drained;
  GError *error;
  FreeWhen free_when;
} Side;

extern const LinkCallbacks side_callbacks;
Side *side_new (void);
void side_free (gpointer data);

/* A listener that keeps what it accepts. */
typedef struct {
  Listener *listener;
  GPtrArray *sides; /* in order of arrival */
  gboolean open;    /* mark them open at once */
  gboolean suicide, refuse;
} House;

void house_open (House *house, const ListenerLimits *limits, char **interfaces);
void house_close (House *house);
Side *guest (House *house, guint i);
void on_link (gpointer user, Link *link);

struct sockaddr_in v4 (const char *address, guint16 port);
/* Connects to the listener from 127.0.0.`host`; the kernel answers by itself. */
int call_from (House *house, guint host);
/* Has the other side closed `fd`? */
gboolean was_dropped (int fd);
/* Calls and lets the listener decide about it; TRUE = it was let in. */
gboolean call_and_see (House *house, guint host, int *fd_out);
/* Closes with a reset, so that no port stays in TIME_WAIT. */
void reset (int fd);

void add_listener_tests (void);
