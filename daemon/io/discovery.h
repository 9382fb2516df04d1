/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who is announced on the link, as plain records: no contacts, no XMPP here. One interface,
 * behind it avahi-daemon (avahi-client), libavahi-core in this process, nothing, or a fake.
 * Main thread only (docs/protocol.md 1.1-1.7).
 *
 * Threat: anybody can publish anything. At most 1024 instances are tracked; instance names that are no
 * address, TXT over its limits and our own registration are dropped here.
 */
#pragma once

#include <gio/gio.h>

#include "daemon/io/config.h"

typedef struct {
  char *instance;          /* user@machine, checked by jid_split_instance() */
  char *domain;            /* "local" */
  int ifindex;
  char *ifname;
  int family;              /* AF_INET or AF_INET6: by which protocol it was heard */
  GPtrArray *txt;          /* GBytes per string; NULL = not known yet */
} DiscoveryRecord;

void discovery_record_free (DiscoveryRecord *record);

typedef struct {
  /* Backend word ("avahi", "embedded", "none") and state ("running", "waiting", "failed"); reason for people or NULL. */
  void (*state) (gpointer user, const char *backend, const char *state, const char *reason);
  /* Our registration stands under this instance name (again, after a rename or a restart of the other side). */
  void (*established) (gpointer user, const char *instance);
  /* An instance appeared on (interface, family), or its TXT changed. Borrowed. */
  void (*sighted) (gpointer user, const DiscoveryRecord *record);
  void (*gone) (gpointer user, const char *instance, const char *domain, int ifindex, int family);
  /* For Manager.Warnings: a stable key and text for people; text NULL withdraws it. */
  void (*warning) (gpointer user, const char *key, const char *text);
} DiscoveryCallbacks;

typedef struct _Discovery Discovery;
typedef struct _DiscoveryQuery DiscoveryQuery;

/* `auto`: avahi-daemon when it answers on the system bus, else embedded. Never fails for lack of a network:
 * it waits. `interfaces` NULL = all. No callback before it returns. */
Discovery *discovery_new (DiscoveryChoice choice, char **interfaces, const DiscoveryCallbacks *callbacks, gpointer user);
/* Withdraws (goodbye packets leave) and frees. */
void discovery_free (Discovery *discovery);

/* Publishes PTR, SRV, TXT (addresses are the host's). `user_part` is unescaped; collisions and host renames are handled here
 * (`-1`, then further on; at most 3 renames an hour, then a warning). Calling again with another user_part re-registers. */
void discovery_publish (Discovery *discovery, const char *user_part, guint16 port, GPtrArray *txt);
/* Coalesced: >= 1 s apart, <= 10 a minute, ends in the last state (P-14). */
void discovery_update_txt (Discovery *discovery, GPtrArray *txt);
void discovery_withdraw (Discovery *discovery);

/* SRV + addresses of an instance, now: `targets` are GInetSocketAddress, IPv6 first, link-local ones with scope (P-15).
 * Reports once: on the first complete answer or after 5 s with what there is; NOT_REACHABLE when nothing. */
typedef void (*DiscoveryResolved) (gpointer user, GPtrArray *targets, const GError *error);
DiscoveryQuery *discovery_resolve (Discovery *discovery, const char *instance, const char *domain,
                                   DiscoveryResolved done, gpointer user);
/* No report follows. Not after it reported. */
void discovery_query_cancel (DiscoveryQuery *query);
/* Drops what is known and browses anew. */
void discovery_rescan (Discovery *discovery);

/* How often our name gave way to another's since we began ("-1", "-2", …). */
guint discovery_get_collisions (const Discovery *discovery);
/* Somebody else has the name of this host: the stack gave it another one. */
gboolean discovery_is_host_renamed (const Discovery *discovery);

/* The host label in force ("pronto"), or NULL. */
const char *discovery_get_machine (const Discovery *discovery);
/* The instance name in force, or NULL while nothing stands. */
const char *discovery_get_instance (const Discovery *discovery);
