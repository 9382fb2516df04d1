/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * avahi-daemon, through avahi-client. It may be absent, come late, restart or take its bus along: then we wait, without
 * waking up where the bus tells us, and register anew. avahi-client asks the daemon in calls that
 * wait for the answer; each is made to a daemon that has just shown itself alive, and is answered from its memory.
 */
#include "earshot-config.h"

#include "daemon/io/discovery-backend.h"

#include <avahi-client/client.h>
#include <avahi-client/lookup.h>
#include <avahi-client/publish.h>
#include <avahi-common/error.h>
#include <avahi-glib/glib-watch.h>
#include <glib-unix.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <stddef.h>
#include <unistd.h>

#include "daemon/base/error.h"
#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/io/discovery-symbols.h"

#define LIBRARY "libavahi-client.so.3"
#define RETRY_FIRST_S 2
#define RETRY_MAX_S 60
#define LINKS_MAX 32
/* avahi-daemon's objects-per-client-max is 1024 unless set; connecting needs a few beside the TXT watches. */
#define TXT_WATCHES_MAX 960

/* The functions of the library that are used here. */
#define CLIENT_FUNCTIONS(F) \
  F (avahi_client_new) F (avahi_client_free) F (avahi_client_errno) F (avahi_client_get_host_name) \
  F (avahi_service_browser_new) F (avahi_service_browser_free) F (avahi_record_browser_new) \
  F (avahi_record_browser_free) F (avahi_entry_group_new) F (avahi_entry_group_reset) \
  F (avahi_entry_group_commit) F (avahi_entry_group_add_service_strlst) \
  F (avahi_entry_group_update_service_txt_strlst)

typedef struct {
  CLIENT_FUNCTIONS (DISCOVERY_SYMBOL_FIELD)
} Library;

#define SYMBOL(name) { #name, offsetof (Library, name) },
static const DiscoverySymbol symbols[] = { CLIENT_FUNCTIONS (SYMBOL) };
static Library lib;

typedef struct {
  Discovery *front;
  char **interfaces;
  AvahiGLibPoll *poll;
  AvahiClient *client;
  AvahiServiceBrowser *browser;
  AvahiEntryGroup *group;
  guint reopen_idle, reopen_timer, wait_s;
  gboolean up;
  guint n_txt;
  int netlink;
  guint netlink_source;
  int links[LINKS_MAX]; /* where the group is registered; AVAHI_IF_UNSPEC alone = everywhere */
  guint n_links;
} Avahi;

typedef struct {
  AvahiRecordBrowser *browser;
  RecordFunc func;
  gpointer user;
  gboolean is_txt;
} Record;

static int
to_family (AvahiProtocol protocol)
{
  return protocol == AVAHI_PROTO_INET6 ? AF_INET6 : AF_INET;
}

/* --- the connection ---------------------------------------------------------------- */

static gboolean on_reopen (gpointer user);
static gboolean on_reopen_timer (gpointer user);

static void
drop_client (Avahi *self)
{
  self->up = FALSE;
  /* The client frees its browser and group. */
  self->browser = NULL;
  self->group = NULL;
  g_clear_pointer (&self->client, lib.avahi_client_free);
}

static void
go_down (Avahi *self, const char *state, const char *reason)
{
  self->up = FALSE;
  discovery_on_down (self->front, state, reason);
}

static void
host_settled (Avahi *self, AvahiClient *client)
{
  discovery_on_host (self->front, lib.avahi_client_get_host_name (client));
}

static void
on_client (AvahiClient *client, AvahiClientState state, void *user)
{
  Avahi *self = user;

  self->client = client; /* the first call comes from inside avahi_client_new() */
  switch (state)
    {
    case AVAHI_CLIENT_S_RUNNING:
    case AVAHI_CLIENT_S_REGISTERING:
    case AVAHI_CLIENT_S_COLLISION:
      if (!self->up)
        {
          self->up = TRUE;
          self->wait_s = RETRY_FIRST_S;
          discovery_on_up (self->front);
        }
      if (state == AVAHI_CLIENT_S_RUNNING)
        host_settled (self, client);
      else
        {
          /* The host gets another name: "withdraw your records and wait for RUNNING" (avahi-client). */
          if (self->group)
            lib.avahi_entry_group_reset (self->group);
          discovery_on_host (self->front, NULL);
        }
      break;
    case AVAHI_CLIENT_CONNECTING:
      go_down (self, "waiting", "avahi-daemon is not running");
      break;
    case AVAHI_CLIENT_FAILURE:
      go_down (self, "waiting", avahi_strerror (lib.avahi_client_errno (client)));
      /* This client is of no more use, and cannot be freed inside its own callback. */
      if (!self->reopen_idle)
        self->reopen_idle = g_idle_add (on_reopen, self);
      break;
    }
}

static void
open_client (Avahi *self)
{
  g_autoptr (GError) missing = NULL;
  int error = 0;
  AvahiClient *client;

  if (!lib.avahi_client_new && !discovery_symbols_load (LIBRARY, symbols, G_N_ELEMENTS (symbols), &lib, &missing))
    {
      go_down (self, "failed", missing->message);
      return;
    }
  drop_client (self);
  client = lib.avahi_client_new (avahi_glib_poll_get (self->poll), AVAHI_CLIENT_NO_FAIL, on_client, self, &error);
  self->client = client;
  if (client)
    return;
  /* NO_FAIL waits for avahi-daemon, not for the bus itself. */
  go_down (self, "waiting", avahi_strerror (error));
  self->wait_s = CLAMP (self->wait_s * 2, RETRY_FIRST_S, RETRY_MAX_S);
  if (!self->reopen_timer)
    self->reopen_timer = g_timeout_add_seconds (self->wait_s, on_reopen_timer, self);
}

static gboolean
on_reopen (gpointer user)
{
  Avahi *self = user;

  self->reopen_idle = 0;
  open_client (self);
  return G_SOURCE_REMOVE;
}

static gboolean
on_reopen_timer (gpointer user)
{
  Avahi *self = user;

  self->reopen_timer = 0;
  open_client (self);
  return G_SOURCE_REMOVE;
}

/* --- interfaces that come and go -------------------------------------------------- */

static guint
current_links (Avahi *self, int links[LINKS_MAX])
{
  guint n = 0;

  if (!self->interfaces)
    {
      links[0] = AVAHI_IF_UNSPEC;
      return 1;
    }
  for (guint i = 0; self->interfaces[i] && n < LINKS_MAX; i++)
    {
      int index = (int) if_nametoindex (self->interfaces[i]);

      if (index > 0)
        links[n++] = index;
    }
  return n;
}

static gboolean
on_netlink (int fd, GIOCondition condition, gpointer user)
{
  Avahi *self = user;
  char buffer[8192];
  int links[LINKS_MAX];
  guint n;
  gboolean same;

  /* What changed is in the messages; what is, is asked of the kernel. */
  while (recv (fd, buffer, sizeof buffer, MSG_DONTWAIT) > 0)
    ;
  n = current_links (self, links);
  same = n == self->n_links;
  for (guint i = 0; same && i < n; i++)
    same = links[i] == self->links[i];
  if (!same && self->up && self->group)
    discovery_on_links (self->front);
  return G_SOURCE_CONTINUE;
}

static void
watch_links (Avahi *self)
{
  struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };

  self->netlink = socket (AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (self->netlink < 0 || bind (self->netlink, (struct sockaddr *) &address, sizeof address) < 0)
    {
      log_warn ("discovery", "changes of interfaces go unnoticed: %s", g_strerror (errno));
      return;
    }
  self->netlink_source = g_unix_fd_add (self->netlink, G_IO_IN, on_netlink, self);
}

static gpointer
avahi_open (Discovery *front, char **interfaces)
{
  Avahi *self = g_new0 (Avahi, 1);

  self->front = front;
  self->interfaces = interfaces;
  self->wait_s = 1;
  self->netlink = -1;
  self->poll = avahi_glib_poll_new (NULL, G_PRIORITY_DEFAULT);
  if (interfaces)
    watch_links (self);
  self->reopen_idle = g_idle_add (on_reopen, self);
  return self;
}

static void
avahi_close (gpointer data)
{
  Avahi *self = data;

  g_clear_handle_id (&self->reopen_idle, g_source_remove);
  g_clear_handle_id (&self->reopen_timer, g_source_remove);
  g_clear_handle_id (&self->netlink_source, g_source_remove);
  if (self->netlink >= 0)
    close (self->netlink);
  /* avahi-daemon says goodbye for a client that leaves. */
  drop_client (self);
  avahi_glib_poll_free (self->poll);
  g_free (self);
}

/* --- browsing ------------------------------------------------------------------------ */

static void
on_service (AvahiServiceBrowser *browser, AvahiIfIndex ifindex, AvahiProtocol protocol, AvahiBrowserEvent event,
            const char *name, const char *type, const char *domain, AvahiLookupResultFlags flags, void *user)
{
  Avahi *self = user;

  switch (event)
    {
    case AVAHI_BROWSER_NEW:
      /* "Skip results flagged OUR_OWN, not LOCAL" (1.4): another user's daemon on this host is a peer. */
      discovery_on_found (self->front, name, domain, ifindex, to_family (protocol), (flags & AVAHI_LOOKUP_RESULT_OUR_OWN) != 0);
      break;
    case AVAHI_BROWSER_REMOVE:
      discovery_on_lost (self->front, name, domain, ifindex, to_family (protocol));
      break;
    case AVAHI_BROWSER_FAILURE:
      log_warn ("discovery", "browsing failed: %s", avahi_strerror (lib.avahi_client_errno (self->client)));
      break;
    case AVAHI_BROWSER_ALL_FOR_NOW:
    case AVAHI_BROWSER_CACHE_EXHAUSTED:
      break;
    }
}

static gboolean
avahi_browse (gpointer data)
{
  Avahi *self = data;

  if (self->browser)
    lib.avahi_service_browser_free (g_steal_pointer (&self->browser));
  self->browser = lib.avahi_service_browser_new (self->client, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, EARSHOT_SERVICE_TYPE, NULL,
                                             0, on_service, self);
  return self->browser != NULL;
}

static void
on_record (AvahiRecordBrowser *browser, AvahiIfIndex ifindex, AvahiProtocol protocol, AvahiBrowserEvent event,
           const char *name, uint16_t clazz, uint16_t type, const void *rdata, size_t size, AvahiLookupResultFlags flags,
           void *user)
{
  Record *record = user;

  switch (event)
    {
    case AVAHI_BROWSER_NEW:
      record->func (record->user, RECORD_NEW, ifindex, to_family (protocol), rdata, size);
      break;
    case AVAHI_BROWSER_REMOVE:
      record->func (record->user, RECORD_REMOVED, ifindex, to_family (protocol), rdata, size);
      break;
    case AVAHI_BROWSER_ALL_FOR_NOW:
      record->func (record->user, RECORD_ALL_FOR_NOW, 0, 0, NULL, 0);
      break;
    case AVAHI_BROWSER_FAILURE:
      record->func (record->user, RECORD_FAILED, 0, 0, NULL, 0);
      break;
    case AVAHI_BROWSER_CACHE_EXHAUSTED:
      break;
    }
}

static gpointer
avahi_record_open (gpointer data, const char *name, guint16 type, RecordFunc func, gpointer user, GError **error)
{
  Avahi *self = data;
  Record *record = g_new0 (Record, 1);
  gboolean full = type == DNS_TYPE_TXT && self->n_txt >= TXT_WATCHES_MAX;

  record->func = func;
  record->user = user;
  record->is_txt = type == DNS_TYPE_TXT;
  if (!full)
    record->browser = lib.avahi_record_browser_new (self->client, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, name, AVAHI_DNS_CLASS_IN,
                                                type, AVAHI_LOOKUP_USE_MULTICAST, on_record, record);
  if (!record->browser)
    {
      int code = full ? AVAHI_ERR_TOO_MANY_OBJECTS : lib.avahi_client_errno (self->client);

      g_free (record);
      if (code == AVAHI_ERR_TOO_MANY_OBJECTS)
        g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_QUOTA_EXCEEDED,
                             "avahi-daemon watches no more names for us, so some people show without their status. "
                             "Raise objects-per-client-max in avahi-daemon.conf.");
      else
        g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s", avahi_strerror (code));
      return NULL;
    }
  self->n_txt += record->is_txt;
  return record;
}

static void
avahi_record_close (gpointer data, gpointer handle)
{
  Avahi *self = data;
  Record *record = handle;

  lib.avahi_record_browser_free (record->browser);
  self->n_txt -= record->is_txt;
  g_free (record);
}

static gboolean
avahi_link (gpointer data, int ifindex, char name[16])
{
  return discovery_link_usable (ifindex, ((Avahi *) data)->interfaces, name);
}

/* --- publishing ---------------------------------------------------------------------- */

static void
on_group (AvahiEntryGroup *group, AvahiEntryGroupState state, void *user)
{
  Avahi *self = user;

  if (group != self->group) /* inside avahi_entry_group_new() */
    return;
  switch (state)
    {
    case AVAHI_ENTRY_GROUP_ESTABLISHED:
      discovery_on_registered (self->front, REGISTERED_STANDS, NULL);
      break;
    case AVAHI_ENTRY_GROUP_COLLISION:
      discovery_on_registered (self->front, REGISTERED_COLLISION, NULL);
      break;
    case AVAHI_ENTRY_GROUP_FAILURE:
      discovery_on_registered (self->front, REGISTERED_FAILED, avahi_strerror (lib.avahi_client_errno (self->client)));
      break;
    case AVAHI_ENTRY_GROUP_UNCOMMITED:
    case AVAHI_ENTRY_GROUP_REGISTERING:
      break;
    }
}

static PublishResult
avahi_publish (gpointer data, const char *instance, guint16 port, const GPtrArray *txt, char **reason)
{
  Avahi *self = data;
  AvahiStringList *list;
  int code = 0;

  if (self->group)
    code = lib.avahi_entry_group_reset (self->group);
  else if (!(self->group = lib.avahi_entry_group_new (self->client, on_group, self)))
    code = lib.avahi_client_errno (self->client);
  self->n_links = current_links (self, self->links);
  list = discovery_txt_to_list (txt);
  for (guint i = 0; code == 0 && i < self->n_links; i++)
    code = lib.avahi_entry_group_add_service_strlst (self->group, self->links[i], AVAHI_PROTO_UNSPEC, 0, instance, EARSHOT_SERVICE_TYPE,
                                                 NULL, NULL, port, list);
  avahi_string_list_free (list);
  /* With none of the chosen interfaces here the registration waits for one. */
  if (code == 0 && self->n_links > 0)
    code = lib.avahi_entry_group_commit (self->group);
  if (code == 0)
    return PUBLISH_BEGUN;
  if (code == AVAHI_ERR_COLLISION)
    return PUBLISH_COLLISION;
  *reason = g_strdup (avahi_strerror (code));
  return PUBLISH_FAILED;
}

static gboolean
avahi_update_txt (gpointer data, const char *instance, const GPtrArray *txt)
{
  Avahi *self = data;
  AvahiStringList *list = discovery_txt_to_list (txt);
  int code = self->group ? 0 : AVAHI_ERR_BAD_STATE;

  for (guint i = 0; code == 0 && i < self->n_links; i++)
    code = lib.avahi_entry_group_update_service_txt_strlst (self->group, self->links[i], AVAHI_PROTO_UNSPEC, 0, instance,
                                                        EARSHOT_SERVICE_TYPE, NULL, list);
  avahi_string_list_free (list);
  return code == 0;
}

static void
avahi_withdraw (gpointer data)
{
  Avahi *self = data;

  if (self->group)
    lib.avahi_entry_group_reset (self->group);
}

const DiscoveryBackend discovery_backend_avahi = {
  .word = "avahi",
  .open = avahi_open,
  .close = avahi_close,
  .browse = avahi_browse,
  .publish = avahi_publish,
  .update_txt = avahi_update_txt,
  .withdraw = avahi_withdraw,
  .record_new = avahi_record_open,
  .record_free = avahi_record_close,
  .link = avahi_link,
};
