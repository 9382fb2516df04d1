/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sockets: the listener, dialling, and bytes each way; byte budgets and connection caps
 * (docs/protocol.md 1.7, 2.10). Main thread only.
 *
 * Threat: anybody on the link may connect, as often and as slowly as they like. Caps are
 * by source address, never by a claimed name; reading stops before memory grows. A hostile SRV record
 * may point anywhere: loopback, multicast, unspecified and our own listener are refused.
 */
#pragma once

#include <gio/gio.h>

#include "daemon/io/poller.h"

typedef struct _Link Link;
typedef struct _Listener Listener;

/* `ended` fires at most once and is the last; `error` NULL = the peer closed its writing half cleanly.
 * link_free() is allowed inside any of them. */
typedef struct {
  void (*connected) (gpointer user);                           /* dialled links only */
  void (*bytes) (gpointer user, const guint8 *bytes, gsize len);
  void (*drained) (gpointer user);                             /* output fell to zero after having been above LINK_HIGH_WATER */
  void (*ended) (gpointer user, const GError *error);
} LinkCallbacks;

#define LINK_HIGH_WATER (256 * 1024)

/* An accepted link: caps were checked, callbacks not set yet: the callee calls
 * link_set_callbacks() before returning, or frees it. */
typedef void (*ListenerFunc) (gpointer user, Link *link_take);

typedef struct {
  guint half_open_per_address; /* 8 */
  guint half_open_total;       /* 32 */
  guint half_open_reserved;    /* 8 of those, for addresses told to listener_know() */
  guint per_minute;            /* 20 connects a minute and address */
} ListenerLimits;
extern const ListenerLimits listener_limits_default;

/* Listens on [::] (both families) at `port`, 0 = ephemeral. If `interfaces` is not NULL, connections
 * arriving on other interfaces are dropped. */
Listener *listener_new (Poller *poller, guint16 port, char **interfaces, const ListenerLimits *limits,
                        ListenerFunc func, gpointer user, GError **error);
void listener_free (Listener *listener);
guint16 listener_get_port (const Listener *listener);
/* A stored contact used this address lately: it may take a reserved slot. At most 64 are remembered. */
void listener_know (Listener *listener, GInetAddress *address);

/* Dials all of `targets` (GInetSocketAddress, scope set for link-local), in the order given with IPv6 first,
 * 250 ms apart (RFC 8305 in spirit); the first to connect wins. Refused targets are skipped; with none left it ends
 * with NOT_REACHABLE, from the loop. Whole attempt <= 10 s. */
Link *link_dial (Poller *poller, GPtrArray *targets, gboolean allow_loopback, guint16 own_port,
                 const LinkCallbacks *callbacks, gpointer user);
void link_set_callbacks (Link *link, const LinkCallbacks *callbacks, gpointer user);
/* Closes at once. No callback follows. */
void link_free (Link *link);

/* The negotiation is over: no longer counted as half-open. */
void link_mark_open (Link *link);
/* Is it served before others (poller.h)? Not unless this is said, or it comes from an address told to listener_know(). */
void link_set_first (Link *link, gboolean first);
/* Queues; tries to write at once, the rest when the socket allows. The caller batches. */
void link_write (Link *link, const guint8 *bytes, gsize len);
gsize link_get_pending (const Link *link);
/* More than that towards a peer that does not read ends the link (8 MiB unless set). */
void link_set_pending_max (Link *link, gsize max);
/* FALSE: reads no more until TRUE (back-pressure). */
void link_set_reading (Link *link, gboolean reading);
/* Writes what is queued, then shuts down writing; reading goes on. Used to drain after an error. */
void link_shutdown_write (Link *link);
/* What is queued and has not left never leaves; then as link_shutdown_write(). */
void link_discard (Link *link);
/* Kernel keepalive (60 s + 3 x 10 s) and TCP_USER_TIMEOUT 30 s: a dead peer is found without waking us
 * when nobody talks (docs/protocol.md 2.9). */
void link_enable_keepalive (Link *link);
/* Borrowed; NULL while dialling. */
GInetSocketAddress *link_get_remote (const Link *link);
guint64 link_get_bytes_in (const Link *link);
guint64 link_get_bytes_out (const Link *link);
