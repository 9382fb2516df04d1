/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What an mDNS stack must be able to do for discovery.c, and what it reports back. Internal to discovery-*.c and its tests.
 * A backend is thin: it knows names, records and interfaces of its library, and no policy. Main thread only, whatever thread it has
 * behind it.
 */
#pragma once

#include <avahi-common/strlst.h>

#include "daemon/io/discovery.h"

#define DNS_TYPE_A 1
#define DNS_TYPE_TXT 16
#define DNS_TYPE_AAAA 28
#define DNS_TYPE_SRV 33

typedef enum {
  RECORD_NEW,
  RECORD_REMOVED,
  RECORD_ALL_FOR_NOW, /* nobody else answers soon; no rdata */
  RECORD_FAILED,      /* no rdata; nothing more will come */
} RecordEvent;

/* `family`: AF_INET or AF_INET6, by which protocol it was heard. `rdata` is a stranger's: any bytes. */
typedef void (*RecordFunc) (gpointer user, RecordEvent event, int ifindex, int family, const guint8 *rdata, gsize size);

typedef enum { PUBLISH_BEGUN, PUBLISH_COLLISION, PUBLISH_FAILED } PublishResult;

typedef struct {
  const char *word;
  /* Begins; the first report comes from the loop. `interfaces` lives as long as `front`. */
  gpointer (*open) (Discovery *front, char **interfaces);
  /* Withdraws what is published, with goodbyes, and frees; no report follows. */
  void (*close) (gpointer self);

  /* The rest is called between discovery_on_up() and discovery_on_down() only, but for record_free(). */
  /* (Re)starts the one PTR browser. */
  gboolean (*browse) (gpointer self);
  /* Replaces what was published before; the outcome of PUBLISH_BEGUN comes by discovery_on_registered(). */
  PublishResult (*publish) (gpointer self, const char *instance, guint16 port, const GPtrArray *txt, char **reason);
  gboolean (*update_txt) (gpointer self, const char *instance, const GPtrArray *txt);
  void (*withdraw) (gpointer self);
  /* Watches the records of one name and type. QUOTA_EXCEEDED: the stack takes no more watches. */
  gpointer (*record_new) (gpointer self, const char *name, guint16 type, RecordFunc func, gpointer user, GError **error);
  void (*record_free) (gpointer self, gpointer record);
  /* Whether peers on this interface concern us; its name if so. */
  gboolean (*link) (gpointer self, int ifindex, char name[16]);
} DiscoveryBackend;

extern const DiscoveryBackend discovery_backend_avahi;
extern const DiscoveryBackend discovery_backend_embedded;
extern const DiscoveryBackend discovery_backend_none;

/* For tests: the common part over a backend of their own. */
Discovery *discovery_new_with_backend (const DiscoveryBackend *backend, char **interfaces,
                                       const DiscoveryCallbacks *callbacks, gpointer user);

/* Reports of a backend. */
void discovery_on_up (Discovery *d);
/* The stack is gone, and with it every browser and registration; record_free() is still called for each record.
 * `state` is "waiting" or "failed". */
void discovery_on_down (Discovery *d, const char *state, const char *reason);
/* The host label in force; NULL while it is being settled (registrations are void then). */
void discovery_on_host (Discovery *d, const char *label);
/* What publish() began stands, or another holds the name, or it failed. May be reported from inside publish(). */
typedef enum { REGISTERED_STANDS, REGISTERED_COLLISION, REGISTERED_FAILED } Registered;
void discovery_on_registered (Discovery *d, Registered outcome, const char *reason);
/* A PTR record. `own`: the stack knows that it is our registration. */
void discovery_on_found (Discovery *d, const char *instance, const char *domain, int ifindex, int family, gboolean own);
void discovery_on_lost (Discovery *d, const char *instance, const char *domain, int ifindex, int family);
/* The interfaces to publish on are others than at publish(). */
void discovery_on_links (Discovery *d);

/* For the backends. */
gboolean discovery_link_usable (int ifindex, char **interfaces, char name[16]);
/* TXT or SRV from the wire; FALSE or NULL when malformed or over its limit. */
GPtrArray *discovery_txt_from_rdata (const guint8 *rdata, gsize size);
AvahiStringList *discovery_txt_to_list (const GPtrArray *txt);
gboolean discovery_srv_from_rdata (const guint8 *rdata, gsize size, guint16 *port, char **host);
