/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Does multicast work on a link? One question ("who offers presence?", RFC 6762 section 6.7, from a port of its own) is multicast on each
 * link that is named, and answered by the mDNS stacks that heard it: by that of this host, to which multicast loops back, so that its
 * answer proves sending, receiving and that no filter stands between; and by those of others. Nothing leaves the link. Main thread only;
 * costs a socket for each link and family while it runs.
 *
 * Threat: anybody on the link can answer anything: of an answer only number, port and sender are looked at, and the sender's number is
 * the only thing that is counted, up to a bound.
 */
#pragma once

#include <glib.h>

#define MDNS_ECHO_LINKS_MAX 32
#define MDNS_ECHO_OTHERS_MAX 256

typedef struct {
  int index;               /* the link */
  gboolean v4, v6;         /* in: ask by it */
  gboolean own_v4, own_v6; /* out: this host answered */
  gboolean refused;        /* out: the kernel did not let a question out */
  guint others;            /* out: how many others did, by the family that more answered by */
} MdnsEchoLink;

typedef struct _MdnsEcho MdnsEcho;
/* Reports once, never before it returned: when everybody asked of this host has answered and others had a moment, or after `timeout_ms`. `links`
 * (MdnsEchoLink, in the order given) is borrowed for the call; then the echo is gone. */
typedef void (*MdnsEchoDone) (gpointer user, const GArray *links);
MdnsEcho *mdns_echo_new (const GArray *links, guint timeout_ms, MdnsEchoDone done, gpointer user);
/* No report follows. Not after it reported. */
void mdns_echo_free (MdnsEcho *echo);
/* Is this, from `port` (host order), an answer of an mDNS stack to the question of this number? Whatever else it is. */
gboolean mdns_echo_is_answer (const guint8 *data, gsize size, guint16 port, guint16 number);
