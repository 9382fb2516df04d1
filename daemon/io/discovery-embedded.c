/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Our own mDNS stack, libavahi-core in this process, for hosts without avahi-daemon. It does what presence needs: host
 * addresses, one service, browsing. Everything else that the library can do is off.
 */
#include "earshot-config.h"

#include "daemon/io/discovery-backend.h"

#include <avahi-common/alternative.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <avahi-core/core.h>
#include <avahi-core/log.h>
#include <avahi-core/lookup.h>
#include <avahi-core/publish.h>
#include <avahi-glib/glib-watch.h>
#include <net/if.h>
#include <sys/socket.h>

#include "daemon/base/error.h"
#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/io/discovery-symbols.h"
#include "daemon/io/pace.h"

#define LIBRARY "libavahi-core.so.7"
#define RETRY_FIRST_S 2
#define RETRY_MAX_S 60
/* Anybody can force a rename of the host by claiming its name: the same budget as for ours (1.5). */
#define HOST_RENAMES 3
#define HOST_WINDOW_US (G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC)
#define HOST_RETRY_S 60
#define CACHE_ENTRIES_MAX 8192
#define RDATA_MAX 2048

/* The functions of the library that are used here. */
#define CORE_FUNCTIONS(F) \
  F (avahi_server_config_init) F (avahi_server_config_free) F (avahi_server_new) F (avahi_server_free) \
  F (avahi_server_errno) F (avahi_server_get_state) F (avahi_server_get_host_name) \
  F (avahi_server_set_host_name) F (avahi_server_get_group_of_service) F (avahi_server_add_service_strlst) \
  F (avahi_server_update_service_txt_strlst) F (avahi_set_log_function) F (avahi_s_service_browser_new) \
  F (avahi_s_service_browser_free) F (avahi_s_record_browser_new) F (avahi_s_record_browser_free) \
  F (avahi_s_entry_group_new) F (avahi_s_entry_group_reset) F (avahi_s_entry_group_commit) F (avahi_key_new) \
  F (avahi_key_unref) F (avahi_rdata_serialize)

typedef struct {
  CORE_FUNCTIONS (DISCOVERY_SYMBOL_FIELD)
} Library;

#define SYMBOL(name) { #name, offsetof (Library, name) },
static const DiscoverySymbol symbols[] = { CORE_FUNCTIONS (SYMBOL) };
static Library lib;

typedef struct {
  Discovery *front;
  char **interfaces;
  AvahiGLibPoll *poll;
  AvahiServer *server;
  AvahiSServiceBrowser *browser;
  AvahiSEntryGroup *group;
  guint open_source, host_source, wait_s;
  Pace renames;
  gboolean up;
} Embedded;

typedef struct {
  AvahiSRecordBrowser *browser;
  RecordFunc func;
  gpointer user;
} Record;

static int
to_family (AvahiProtocol protocol)
{
  return protocol == AVAHI_PROTO_INET6 ? AF_INET6 : AF_INET;
}

/* The library logs names that strangers chose. */
static void
on_log (AvahiLogLevel level, const char *text)
{
  g_autofree char *safe = log_safe (text);

  if (level <= AVAHI_LOG_WARN)
    log_info ("mdns", "%s", safe);
  else
    log_debug ("mdns", "%s", safe);
}

/* --- the server and the host's name ------------------------------------------------ */

static gboolean
on_host_retry (gpointer user)
{
  Embedded *self = user;
  g_autofree char *name = g_strdup (lib.avahi_server_get_host_name (self->server));

  self->host_source = 0;
  lib.avahi_server_set_host_name (self->server, name);
  return G_SOURCE_REMOVE;
}

static void
host_collided (Embedded *self)
{
  gint64 now = g_get_monotonic_time ();
  char *name;

  if (pace_due (&self->renames, now) > now)
    {
      log_warn ("discovery", "the host name is taken on this network again and again; trying it again in a minute");
      if (!self->host_source)
        self->host_source = g_timeout_add_seconds (HOST_RETRY_S, on_host_retry, self);
      return;
    }
  pace_note (&self->renames, now);
  /* For host names this gives NAME-2, which is what 1.5 wants. */
  name = avahi_alternative_host_name (lib.avahi_server_get_host_name (self->server));
  log_notice ("discovery", "the host name is taken; this host is %s on this network", name);
  lib.avahi_server_set_host_name (self->server, name);
  avahi_free (name);
}

static void
server_changed (Embedded *self, AvahiServerState state)
{
  if (state == AVAHI_SERVER_RUNNING)
    {
      discovery_on_host (self->front, lib.avahi_server_get_host_name (self->server));
      return;
    }
  if (self->group)
    lib.avahi_s_entry_group_reset (self->group);
  discovery_on_host (self->front, NULL);
  if (state == AVAHI_SERVER_COLLISION)
    host_collided (self);
}

static gboolean on_open (gpointer user);

static gboolean
on_failure (gpointer user)
{
  Embedded *self = user;

  self->up = FALSE;
  discovery_on_down (self->front, "failed", "the mDNS stack failed");
  self->browser = NULL;
  self->group = NULL;
  g_clear_handle_id (&self->host_source, g_source_remove);
  g_clear_pointer (&self->server, lib.avahi_server_free);
  self->open_source = g_timeout_add_seconds (self->wait_s, on_open, self);
  return G_SOURCE_REMOVE;
}

static void
on_server (AvahiServer *server, AvahiServerState state, void *user)
{
  Embedded *self = user;

  if (!self->up) /* inside avahi_server_new(): on_open() asks for the state afterwards */
    return;
  if (state == AVAHI_SERVER_FAILURE)
    {
      if (!self->open_source)
        self->open_source = g_idle_add (on_failure, self);
      return;
    }
  server_changed (self, state);
}

static void
fill_config (const Embedded *self, AvahiServerConfig *config)
{
  struct if_nameindex *links;

  lib.avahi_server_config_init (config);
  config->publish_hinfo = 0;
  config->publish_workstation = 0;
  config->publish_domain = 0;
  config->enable_reflector = 0;
  config->enable_wide_area = 0;
  config->add_service_cookie = 0;
  config->disallow_other_stacks = 0;
  config->n_cache_entries_max = CACHE_ENTRIES_MAX;
  for (guint i = 0; self->interfaces && self->interfaces[i]; i++)
    config->allow_interfaces = avahi_string_list_add (config->allow_interfaces, self->interfaces[i]);
  if (self->interfaces || !(links = if_nameindex ()))
    return;
  /* Loopback is no link to be present on (1.7). */
  for (guint i = 0; links[i].if_index; i++)
    {
      char name[16];

      if (!discovery_link_usable ((int) links[i].if_index, NULL, name))
        config->deny_interfaces = avahi_string_list_add (config->deny_interfaces, links[i].if_name);
    }
  if_freenameindex (links);
}

static gboolean
on_open (gpointer user)
{
  Embedded *self = user;
  g_autoptr (GError) missing = NULL;
  AvahiServerConfig config;
  int error = 0;

  self->open_source = 0;
  if (!lib.avahi_server_new && !discovery_symbols_load (LIBRARY, symbols, G_N_ELEMENTS (symbols), &lib, &missing))
    {
      discovery_on_down (self->front, "failed", missing->message);
      return G_SOURCE_REMOVE;
    }
  lib.avahi_set_log_function (on_log);
  fill_config (self, &config);
  self->server = lib.avahi_server_new (avahi_glib_poll_get (self->poll), &config, on_server, self, &error);
  lib.avahi_server_config_free (&config);
  if (!self->server)
    {
      discovery_on_down (self->front, "waiting", avahi_strerror (error));
      self->wait_s = CLAMP (self->wait_s * 2, RETRY_FIRST_S, RETRY_MAX_S);
      self->open_source = g_timeout_add_seconds (self->wait_s, on_open, self);
      return G_SOURCE_REMOVE;
    }
  self->wait_s = RETRY_FIRST_S;
  self->up = TRUE;
  discovery_on_up (self->front);
  server_changed (self, lib.avahi_server_get_state (self->server));
  return G_SOURCE_REMOVE;
}

static gpointer
embedded_open (Discovery *front, char **interfaces)
{
  Embedded *self = g_new0 (Embedded, 1);

  self->front = front;
  self->interfaces = interfaces;
  self->wait_s = 1;
  self->renames = (Pace) { .window = HOST_WINDOW_US, .max = HOST_RENAMES };
  self->poll = avahi_glib_poll_new (NULL, G_PRIORITY_DEFAULT);
  self->open_source = g_idle_add (on_open, self);
  return self;
}

static void
embedded_close (gpointer data)
{
  Embedded *self = data;

  g_clear_handle_id (&self->open_source, g_source_remove);
  g_clear_handle_id (&self->host_source, g_source_remove);
  if (self->server)
    {
      self->up = FALSE;
      if (self->browser)
        lib.avahi_s_service_browser_free (self->browser);
      /* Frees the group, and sends the goodbyes that are due before it returns. */
      lib.avahi_server_free (self->server);
    }
  avahi_glib_poll_free (self->poll);
  g_free (self);
}

/* --- browsing ------------------------------------------------------------------------ */

/* OUR_OWN is a flag of avahi-daemon; here the server knows the group that a service came from. */
static gboolean
is_own (Embedded *self, AvahiIfIndex ifindex, AvahiProtocol protocol, const char *name, const char *type, const char *domain)
{
  AvahiSEntryGroup *group = NULL;

  return self->group
         && lib.avahi_server_get_group_of_service (self->server, ifindex, protocol, name, type, domain, &group) == AVAHI_OK
         && group == self->group;
}

static void
on_service (AvahiSServiceBrowser *browser, AvahiIfIndex ifindex, AvahiProtocol protocol, AvahiBrowserEvent event,
            const char *name, const char *type, const char *domain, AvahiLookupResultFlags flags, void *user)
{
  Embedded *self = user;

  switch (event)
    {
    case AVAHI_BROWSER_NEW:
      discovery_on_found (self->front, name, domain, ifindex, to_family (protocol),
                          is_own (self, ifindex, protocol, name, type, domain));
      break;
    case AVAHI_BROWSER_REMOVE:
      discovery_on_lost (self->front, name, domain, ifindex, to_family (protocol));
      break;
    case AVAHI_BROWSER_FAILURE:
      log_warn ("discovery", "browsing failed: %s", avahi_strerror (lib.avahi_server_errno (self->server)));
      break;
    case AVAHI_BROWSER_ALL_FOR_NOW:
    case AVAHI_BROWSER_CACHE_EXHAUSTED:
      break;
    }
}

static gboolean
embedded_browse (gpointer data)
{
  Embedded *self = data;

  if (self->browser)
    lib.avahi_s_service_browser_free (g_steal_pointer (&self->browser));
  self->browser = lib.avahi_s_service_browser_new (self->server, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, EARSHOT_SERVICE_TYPE, NULL,
                                               0, on_service, self);
  return self->browser != NULL;
}

static void
on_record (AvahiSRecordBrowser *browser, AvahiIfIndex ifindex, AvahiProtocol protocol, AvahiBrowserEvent event,
           AvahiRecord *rr, AvahiLookupResultFlags flags, void *user)
{
  Record *record = user;
  guint8 rdata[RDATA_MAX];
  gsize size;

  switch (event)
    {
    case AVAHI_BROWSER_NEW:
    case AVAHI_BROWSER_REMOVE:
      size = lib.avahi_rdata_serialize (rr, rdata, sizeof rdata);
      if (size <= sizeof rdata) /* (size_t) -1 when it does not fit: over every limit of ours, too */
        record->func (record->user, event == AVAHI_BROWSER_NEW ? RECORD_NEW : RECORD_REMOVED, ifindex, to_family (protocol),
                      rdata, size);
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
embedded_record_open (gpointer data, const char *name, guint16 type, RecordFunc func, gpointer user, GError **error)
{
  Embedded *self = data;
  Record *record = g_new0 (Record, 1);
  AvahiKey *key = lib.avahi_key_new (name, AVAHI_DNS_CLASS_IN, type);

  record->func = func;
  record->user = user;
  if (key)
    record->browser = lib.avahi_s_record_browser_new (self->server, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, key,
                                                  AVAHI_LOOKUP_USE_MULTICAST, on_record, record);
  g_clear_pointer (&key, lib.avahi_key_unref);
  if (record->browser)
    return record;
  g_free (record);
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s", avahi_strerror (lib.avahi_server_errno (self->server)));
  return NULL;
}

static void
embedded_record_close (gpointer data, gpointer handle)
{
  Record *record = handle;

  lib.avahi_s_record_browser_free (record->browser);
  g_free (record);
}

static gboolean
embedded_link (gpointer data, int ifindex, char name[16])
{
  return discovery_link_usable (ifindex, ((Embedded *) data)->interfaces, name);
}

/* --- publishing ---------------------------------------------------------------------- */

static void
on_group (AvahiServer *server, AvahiSEntryGroup *group, AvahiEntryGroupState state, void *user)
{
  Embedded *self = user;

  switch (state)
    {
    case AVAHI_ENTRY_GROUP_ESTABLISHED:
      discovery_on_registered (self->front, REGISTERED_STANDS, NULL);
      break;
    case AVAHI_ENTRY_GROUP_COLLISION:
      discovery_on_registered (self->front, REGISTERED_COLLISION, NULL);
      break;
    case AVAHI_ENTRY_GROUP_FAILURE:
      discovery_on_registered (self->front, REGISTERED_FAILED, avahi_strerror (lib.avahi_server_errno (server)));
      break;
    case AVAHI_ENTRY_GROUP_UNCOMMITED:
    case AVAHI_ENTRY_GROUP_REGISTERING:
      break;
    }
}

static PublishResult
embedded_publish (gpointer data, const char *instance, guint16 port, const GPtrArray *txt, char **reason)
{
  Embedded *self = data;
  AvahiStringList *list;
  int code = 0;

  if (self->group)
    lib.avahi_s_entry_group_reset (self->group);
  else if (!(self->group = lib.avahi_s_entry_group_new (self->server, on_group, self)))
    code = lib.avahi_server_errno (self->server);
  list = discovery_txt_to_list (txt);
  if (code == 0)
    code = lib.avahi_server_add_service_strlst (self->server, self->group, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, 0, instance,
                                            EARSHOT_SERVICE_TYPE, NULL, NULL, port, list);
  avahi_string_list_free (list);
  if (code == 0)
    code = lib.avahi_s_entry_group_commit (self->group);
  if (code == 0)
    return PUBLISH_BEGUN;
  if (code == AVAHI_ERR_COLLISION)
    return PUBLISH_COLLISION;
  *reason = g_strdup (avahi_strerror (code));
  return PUBLISH_FAILED;
}

static gboolean
embedded_update_txt (gpointer data, const char *instance, const GPtrArray *txt)
{
  Embedded *self = data;
  AvahiStringList *list = discovery_txt_to_list (txt);
  int code = AVAHI_ERR_BAD_STATE;

  if (self->group)
    code = lib.avahi_server_update_service_txt_strlst (self->server, self->group, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, 0, instance,
                                                   EARSHOT_SERVICE_TYPE, NULL, list);
  avahi_string_list_free (list);
  return code == 0;
}

static void
embedded_withdraw (gpointer data)
{
  Embedded *self = data;

  if (self->group)
    lib.avahi_s_entry_group_reset (self->group);
}

const DiscoveryBackend discovery_backend_embedded = {
  .word = "embedded",
  .open = embedded_open,
  .close = embedded_close,
  .browse = embedded_browse,
  .publish = embedded_publish,
  .update_txt = embedded_update_txt,
  .withdraw = embedded_withdraw,
  .record_new = embedded_record_open,
  .record_free = embedded_record_close,
  .link = embedded_link,
};
