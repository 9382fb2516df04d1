/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What this machine says of itself, for whoever asks why nobody is heard: its links, who else holds the mDNS port, where its default
 * route goes, room on the disk. Asked of the kernel, without a packet. Reading /proc may take a while on a busy machine, so it is done
 * in a thread of GLib's that shares nothing with us; the answer comes on the main thread.
 *
 * Threat: names of programs are what other users of this machine call them. Every list is bounded.
 */
#pragma once

#include <gio/gio.h>

typedef struct {
  char *name;
  int index;
  gboolean up, multicast, point_to_point;
  gboolean has_v4, has_v6; /* v6: a link-local address */
} HostLink;

/* A process that holds UDP port 5353. */
typedef struct {
  char *program; /* "" where another user's process does not show it */
  char *user;
  gboolean own;  /* this process */
} HostHolder;

typedef struct {
  GPtrArray *links;    /* HostLink, without loopback, at most 64 */
  GPtrArray *holders;  /* HostHolder, at most 32; each program of a user once */
  char *default_link;  /* where the default route goes; NULL = there is none */
  gboolean default_is_tunnel;
  gint64 free_bytes;   /* of the data directory's file system; -1 = unknown */
  gboolean writable;   /* the data directory */
} HostFacts;

/* Reports once, never before it returned; `facts` is borrowed for the call. */
typedef void (*HostFactsDone) (gpointer user, const HostFacts *facts);
void host_facts_gather (const char *data_dir, HostFactsDone done, gpointer user);

/* /proc/net/udp or udp6, whole: appends the inodes (guint64) and users (guint) of sockets bound to `port`, at most `max`. */
void host_facts_parse_udp (const char *text, guint16 port, GArray *inodes, GArray *uids, guint max);
/* /proc/net/route, whole: the link of the default route with the least metric; NULL = none. Caller frees. */
char *host_facts_parse_route (const char *text);
