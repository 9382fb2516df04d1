/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Between link.c (bytes), link-dial.c (calling) and link-listener.c (being called). Nobody else includes it.
 */
#pragma once

#include "daemon/io/link.h"

#include <netinet/in.h>
#include <sys/socket.h>

typedef struct _Dial Dial;

struct _Link {
  Poller *poller;
  int refs;                /* one is the owner's; more while a callback runs */
  LinkCallbacks callbacks;
  gpointer user;
  int fd;                  /* -1 while dialling and after an error */
  PollerWatch *watch;
  guint32 events;          /* what the watch waits for */
  GByteArray *out;
  gsize out_at;            /* bytes of `out` already written */
  gsize pending_max;
  GInetSocketAddress *remote;
  Dial *dial;              /* while calling */
  Listener *listener;      /* while half-open: where it is counted */
  GSource *report;         /* an end to be reported from the loop */
  GError *failure;         /* what it will report */
  gboolean has_callbacks;
  gboolean freed;
  gboolean ended;          /* `ended` was called */
  gboolean reading;        /* the owner wants bytes */
  gboolean first;          /* served before others */
  gboolean eof;            /* the peer said it will write no more */
  gboolean was_high;       /* more than LINK_HIGH_WATER was pending */
  gboolean shut;           /* we will write no more */
  gboolean shut_done;
  guint64 bytes_in, bytes_out;
};

/* A link without socket. */
Link *link_new (Poller *poller);
/* Takes the connected, non-blocking `fd`; FALSE when it can not be watched. */
gboolean link_adopt (Link *link, int fd);
void link_ref (Link *link);
void link_unref (Link *link);
/* Ends with a failure, reported from the loop. Takes the error. */
void link_fail_later (Link *link, GError *error_take);
/* Ends with a failure now; only from the loop. Takes the error. */
void link_fail_now (Link *link, GError *error_take);

void dial_cancel (Dial *dial);

/* The link no longer counts (opened or freed). */
void listener_forget (Listener *listener, Link *link);

/* An IPv4-mapped address as IPv4. FALSE: neither IPv4 nor IPv6. */
gboolean link_normalize (const struct sockaddr_storage *in, struct sockaddr_storage *out);
