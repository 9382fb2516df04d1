/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Our own mDNS stack. It does what presence needs: host addresses, one service, browsing. Everything else that the library can
 * do is off. Everything named Engine is the thread's, and so is each of its functions.
 */
#include "earshot-config.h"

#include "daemon/io/discovery-core.h"

#include <avahi-common/alternative.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <avahi-core/core.h>
#include <avahi-core/log.h>
#include <avahi-core/lookup.h>
#include <avahi-core/publish.h>
#include <avahi-glib/glib-watch.h>
#include <errno.h>
#include <net/if.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/base/thread.h"
#include "daemon/io/discovery-symbols.h"
#include "daemon/io/mailbox.h"
#include "daemon/io/pace.h"
#include "daemon/io/renames.h"

#define LIBRARY "libavahi-core.so.7"
#define RETRY_FIRST_S 2
#define RETRY_MAX_S 60
/* As avahi-daemon has it; each 1024 instances with their TXT are half of it. Every new record is compared with all of its name. */
#define CACHE_ENTRIES_MAX 4096
#define RDATA_MAX 2048
/* What the loop reads at one of its turns, and what may wait for it: behind that the thread stops reading its sockets. */
#define REPORTS_A_TURN 8
#define REPORTS_MAX 1024
#define STACK_BYTES (1024 * 1024)
#define NICER 10
/* The library complains about strangers' packets. */
#define COMPLAINTS 10
#define COMPLAINTS_WINDOW_US (60 * G_USEC_PER_SEC)

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
static Library lib; /* filled by the main thread before there is another */

typedef struct {
  char **interfaces;
  GMainContext *context;
  GMainLoop *loop;
  Mailbox *reports;
  AvahiGLibPoll *poll;
  AvahiServer *server;
  AvahiSServiceBrowser *browser;
  AvahiSEntryGroup *group;
  GHashTable *watches; /* number → Watch */
  guint64 browsing, registration;
  GSource *open_source, *host_source;
  guint wait_s;
  Renames renames; /* of the host */
  gboolean up;
} Engine;

typedef struct {
  Engine *engine;
  guint64 number;
  AvahiSRecordBrowser *browser;
} Watch;

struct _DiscoveryCore {
  void (*on_report) (gpointer user, const CoreReport *report);
  gpointer user;
  Mailbox *orders, *reports;
  Engine *engine;
  pthread_t thread;
  gboolean running;
};

static _Thread_local Pace complaints = { .window = COMPLAINTS_WINDOW_US, .max = COMPLAINTS };

static void
order_free (gpointer data)
{
  CoreOrder *order = data;

  avahi_string_list_free (order->txt);
  g_free (order->name);
  g_free (order);
}

static void
report_free (gpointer data)
{
  CoreReport *report = data;

  g_free (report->name);
  g_free (report->text);
  g_free (report->rdata);
  g_free (report);
}

static void
tell (Engine *engine, CoreReport report)
{
  report.name = g_strdup (report.name);
  report.text = g_strdup (report.text);
  report.rdata = g_memdup2 (report.rdata, report.size);
  mailbox_put (engine->reports, g_memdup2 (&report, sizeof report));
}

static int
to_family (AvahiProtocol protocol)
{
  return protocol == AVAHI_PROTO_INET6 ? AF_INET6 : AF_INET;
}

/* The library logs names that strangers chose, and as often as they like. */
static void
on_log (AvahiLogLevel level, const char *text)
{
  g_autofree char *safe = log_safe (text);
  gint64 now = g_get_monotonic_time ();

  if (level > AVAHI_LOG_WARN || pace_due (&complaints, now) > now)
    {
      log_debug ("mdns", "%s", safe);
      return;
    }
  pace_note (&complaints, now);
  log_info ("mdns", "%s", safe);
}

static void
clear_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static GSource *
call_in (Engine *engine, guint seconds, GSourceFunc func)
{
  GSource *source = seconds > 0 ? g_timeout_source_new_seconds (seconds) : g_idle_source_new ();

  g_source_set_callback (source, func, engine, NULL);
  g_source_attach (source, engine->context);
  return source;
}

/* --- the server and the host's name ------------------------------------------------ */

static gboolean
on_host_retry (gpointer user)
{
  Engine *engine = user;
  g_autofree char *name = g_strdup (lib.avahi_server_get_host_name (engine->server));

  clear_source (&engine->host_source);
  lib.avahi_server_set_host_name (engine->server, name);
  return G_SOURCE_REMOVE;
}

static void
host_collided (Engine *engine)
{
  guint step = renames_step (&engine->renames, g_get_monotonic_time ());
  char *name;

  if (step == 0)
    {
      log_warn ("discovery", "the host name is taken on this network again and again; trying it again in a minute");
      if (!engine->host_source)
        engine->host_source = call_in (engine, renames_retry_s (), on_host_retry);
      return;
    }
  name = avahi_strdup (lib.avahi_server_get_host_name (engine->server));
  while (step-- > 0)
    {
      /* For host names this gives NAME-2, which is what 1.5 wants. */
      char *next = avahi_alternative_host_name (name);

      avahi_free (name);
      name = next;
    }
  log_notice ("discovery", "the host name is taken; this host is %s on this network", name);
  lib.avahi_server_set_host_name (engine->server, name);
  avahi_free (name);
}

static void
server_changed (Engine *engine, AvahiServerState state)
{
  if (state == AVAHI_SERVER_RUNNING)
    {
      tell (engine, (CoreReport){ .kind = REPORT_HOST, .name = (char *) lib.avahi_server_get_host_name (engine->server) });
      return;
    }
  if (engine->group)
    lib.avahi_s_entry_group_reset (engine->group);
  tell (engine, (CoreReport){ .kind = REPORT_HOST });
  if (state == AVAHI_SERVER_COLLISION)
    host_collided (engine);
}

/* Sends the goodbyes that are due, and frees the group. */
static void
end_server (Engine *engine)
{
  engine->up = FALSE;
  clear_source (&engine->host_source);
  if (engine->server == NULL)
    return;
  g_hash_table_remove_all (engine->watches);
  g_clear_pointer (&engine->browser, lib.avahi_s_service_browser_free);
  engine->group = NULL;
  g_clear_pointer (&engine->server, lib.avahi_server_free);
}

static gboolean on_open (gpointer user);

static gboolean
on_failure (gpointer user)
{
  Engine *engine = user;

  clear_source (&engine->open_source);
  end_server (engine);
  tell (engine, (CoreReport){ .kind = REPORT_DOWN, .name = (char *) "failed", .text = (char *) "the mDNS stack failed" });
  engine->open_source = call_in (engine, engine->wait_s, on_open);
  return G_SOURCE_REMOVE;
}

static void
on_server (AvahiServer *server, AvahiServerState state, void *user)
{
  Engine *engine = user;

  if (!engine->up) /* inside avahi_server_new(): on_open() asks for the state afterwards */
    return;
  if (state == AVAHI_SERVER_FAILURE)
    {
      if (!engine->open_source)
        engine->open_source = call_in (engine, 0, on_failure);
      return;
    }
  server_changed (engine, state);
}

static void
fill_config (const Engine *engine, AvahiServerConfig *config)
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
  for (guint i = 0; engine->interfaces && engine->interfaces[i]; i++)
    config->allow_interfaces = avahi_string_list_add (config->allow_interfaces, engine->interfaces[i]);
  if (engine->interfaces || !(links = if_nameindex ()))
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
  Engine *engine = user;
  AvahiServerConfig config;
  int error = 0;

  clear_source (&engine->open_source);
  fill_config (engine, &config);
  engine->server = lib.avahi_server_new (avahi_glib_poll_get (engine->poll), &config, on_server, engine, &error);
  lib.avahi_server_config_free (&config);
  if (!engine->server)
    {
      tell (engine, (CoreReport){ .kind = REPORT_DOWN, .name = (char *) "waiting", .text = (char *) avahi_strerror (error) });
      engine->wait_s = CLAMP (engine->wait_s * 2, RETRY_FIRST_S, RETRY_MAX_S);
      engine->open_source = call_in (engine, engine->wait_s, on_open);
      return G_SOURCE_REMOVE;
    }
  engine->wait_s = RETRY_FIRST_S;
  engine->up = TRUE;
  tell (engine, (CoreReport){ .kind = REPORT_UP });
  server_changed (engine, lib.avahi_server_get_state (engine->server));
  return G_SOURCE_REMOVE;
}

/* --- browsing ------------------------------------------------------------------------ */

/* OUR_OWN is a flag of avahi-daemon; here the server knows the group that a service came from. */
static gboolean
is_own (Engine *engine, AvahiIfIndex ifindex, AvahiProtocol protocol, const char *name, const char *type, const char *domain)
{
  AvahiSEntryGroup *group = NULL;

  return engine->group
         && lib.avahi_server_get_group_of_service (engine->server, ifindex, protocol, name, type, domain, &group) == AVAHI_OK
         && group == engine->group;
}

static void
on_service (AvahiSServiceBrowser *browser, AvahiIfIndex ifindex, AvahiProtocol protocol, AvahiBrowserEvent event,
            const char *name, const char *type, const char *domain, AvahiLookupResultFlags flags, void *user)
{
  Engine *engine = user;
  CoreReport report = { .number = engine->browsing, .name = (char *) name, .text = (char *) domain, .ifindex = ifindex,
                        .family = to_family (protocol) };

  switch (event)
    {
    case AVAHI_BROWSER_NEW:
      report.kind = REPORT_FOUND;
      report.own = is_own (engine, ifindex, protocol, name, type, domain);
      tell (engine, report);
      break;
    case AVAHI_BROWSER_REMOVE:
      report.kind = REPORT_LOST;
      tell (engine, report);
      break;
    case AVAHI_BROWSER_FAILURE:
      log_warn ("discovery", "browsing failed: %s", avahi_strerror (lib.avahi_server_errno (engine->server)));
      break;
    case AVAHI_BROWSER_ALL_FOR_NOW:
    case AVAHI_BROWSER_CACHE_EXHAUSTED:
      break;
    }
}

static void
browse (Engine *engine, guint64 number)
{
  g_clear_pointer (&engine->browser, lib.avahi_s_service_browser_free);
  engine->browsing = number;
  engine->browser = lib.avahi_s_service_browser_new (engine->server, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, EARSHOT_SERVICE_TYPE, NULL, 0,
                                                     on_service, engine);
  if (engine->browser == NULL)
    log_warn ("discovery", "cannot browse: %s", avahi_strerror (lib.avahi_server_errno (engine->server)));
}

static void
on_record (AvahiSRecordBrowser *browser, AvahiIfIndex ifindex, AvahiProtocol protocol, AvahiBrowserEvent event, AvahiRecord *rr,
           AvahiLookupResultFlags flags, void *user)
{
  Watch *watch = user;
  CoreReport report = { .kind = REPORT_RECORD, .number = watch->number };
  guint8 rdata[RDATA_MAX];

  switch (event)
    {
    case AVAHI_BROWSER_NEW:
    case AVAHI_BROWSER_REMOVE:
      report.size = lib.avahi_rdata_serialize (rr, rdata, sizeof rdata);
      if (report.size > sizeof rdata) /* (size_t) -1 when it does not fit: over every limit of ours, too */
        return;
      report.event = event == AVAHI_BROWSER_NEW ? RECORD_NEW : RECORD_REMOVED;
      report.ifindex = ifindex;
      report.family = to_family (protocol);
      report.rdata = rdata;
      break;
    case AVAHI_BROWSER_ALL_FOR_NOW:
      report.event = RECORD_ALL_FOR_NOW;
      break;
    case AVAHI_BROWSER_FAILURE:
      report.event = RECORD_FAILED;
      break;
    case AVAHI_BROWSER_CACHE_EXHAUSTED:
      return;
    }
  tell (watch->engine, report);
}

static void
watch_free (gpointer data)
{
  Watch *watch = data;

  if (watch->browser)
    lib.avahi_s_record_browser_free (watch->browser);
  g_free (watch);
}

static void
watch_name (Engine *engine, guint64 number, const char *name, guint16 type)
{
  AvahiKey *key = lib.avahi_key_new (name, AVAHI_DNS_CLASS_IN, type);
  Watch *watch = g_new0 (Watch, 1);

  watch->engine = engine;
  watch->number = number;
  g_hash_table_insert (engine->watches, &watch->number, watch);
  if (key)
    watch->browser = lib.avahi_s_record_browser_new (engine->server, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, key, AVAHI_LOOKUP_USE_MULTICAST,
                                                     on_record, watch);
  g_clear_pointer (&key, lib.avahi_key_unref);
  if (watch->browser)
    return;
  log_debug ("discovery", "no watch: %s", avahi_strerror (lib.avahi_server_errno (engine->server)));
  g_hash_table_remove (engine->watches, &number);
  tell (engine, (CoreReport){ .kind = REPORT_RECORD, .number = number, .event = RECORD_FAILED });
}

/* --- publishing ---------------------------------------------------------------------- */

static void
tell_outcome (Engine *engine, Registered outcome, const char *why)
{
  tell (engine, (CoreReport){ .kind = REPORT_REGISTERED, .number = engine->registration, .outcome = outcome, .text = (char *) why });
}

static void
on_group (AvahiServer *server, AvahiSEntryGroup *group, AvahiEntryGroupState state, void *user)
{
  Engine *engine = user;

  switch (state)
    {
    case AVAHI_ENTRY_GROUP_ESTABLISHED:
      tell_outcome (engine, REGISTERED_STANDS, NULL);
      break;
    case AVAHI_ENTRY_GROUP_COLLISION:
      tell_outcome (engine, REGISTERED_COLLISION, NULL);
      break;
    case AVAHI_ENTRY_GROUP_FAILURE:
      tell_outcome (engine, REGISTERED_FAILED, avahi_strerror (lib.avahi_server_errno (server)));
      break;
    case AVAHI_ENTRY_GROUP_UNCOMMITED:
    case AVAHI_ENTRY_GROUP_REGISTERING:
      break;
    }
}

static void
publish (Engine *engine, const CoreOrder *order)
{
  int code = 0;

  engine->registration = order->number;
  if (engine->group)
    lib.avahi_s_entry_group_reset (engine->group);
  else if (!(engine->group = lib.avahi_s_entry_group_new (engine->server, on_group, engine)))
    code = lib.avahi_server_errno (engine->server);
  if (code == 0)
    code = lib.avahi_server_add_service_strlst (engine->server, engine->group, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, 0, order->name,
                                                EARSHOT_SERVICE_TYPE, NULL, NULL, order->port, order->txt);
  if (code == 0)
    code = lib.avahi_s_entry_group_commit (engine->group);
  if (code != 0)
    tell_outcome (engine, code == AVAHI_ERR_COLLISION ? REGISTERED_COLLISION : REGISTERED_FAILED, avahi_strerror (code));
}

static void
update_txt (Engine *engine, const CoreOrder *order)
{
  if (!engine->group
      || lib.avahi_server_update_service_txt_strlst (engine->server, engine->group, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, 0, order->name,
                                                     EARSHOT_SERVICE_TYPE, NULL, order->txt) != 0)
    tell (engine, (CoreReport){ .kind = REPORT_UNTOLD, .number = engine->registration });
}

/* --- the thread --------------------------------------------------------------------------- */

/* What was ordered of a server that is gone by now, its REPORT_DOWN has answered. */
static void
on_order (gpointer user, gpointer letter_take)
{
  Engine *engine = user;
  CoreOrder *order = letter_take;

  switch (order->kind)
    {
    case ORDER_BROWSE:
      if (engine->up)
        browse (engine, order->number);
      break;
    case ORDER_PUBLISH:
      if (engine->up)
        publish (engine, order);
      break;
    case ORDER_UPDATE_TXT:
      if (engine->up)
        update_txt (engine, order);
      break;
    case ORDER_WITHDRAW:
      if (engine->group)
        lib.avahi_s_entry_group_reset (engine->group);
      break;
    case ORDER_WATCH:
      if (engine->up)
        watch_name (engine, order->number, order->name, order->type);
      break;
    case ORDER_UNWATCH:
      g_hash_table_remove (engine->watches, &order->number);
      break;
    case ORDER_END:
      g_main_loop_quit (engine->loop);
      break;
    }
  order_free (order);
}

static void *
engine_main (void *data)
{
  Engine *engine = data;
  int nice;

  prctl (PR_SET_NAME, "mdns");
  /* Linux has this for the thread alone, whatever POSIX says. */
  errno = 0;
  nice = getpriority (PRIO_PROCESS, 0);
  if (errno == 0)
    setpriority (PRIO_PROCESS, 0, MIN (nice + NICER, 19));
  g_main_context_push_thread_default (engine->context);
  lib.avahi_set_log_function (on_log);
  on_open (engine);
  g_main_loop_run (engine->loop);
  clear_source (&engine->open_source);
  end_server (engine);
  avahi_glib_poll_free (engine->poll);
  g_main_context_pop_thread_default (engine->context);
  return NULL;
}

/* --- the loop's side ----------------------------------------------------------------------- */

static void
on_report_letter (gpointer user, gpointer letter_take)
{
  DiscoveryCore *core = user;

  core->on_report (core->user, letter_take);
  report_free (letter_take);
}

DiscoveryCore *
discovery_core_new (char **interfaces, void (*on_report) (gpointer user, const CoreReport *report), gpointer user)
{
  DiscoveryCore *core = g_new0 (DiscoveryCore, 1);
  Engine *engine = core->engine = g_new0 (Engine, 1);
  g_autoptr (GError) missing = NULL;
  int code;

  core->on_report = on_report;
  core->user = user;
  core->reports = engine->reports = mailbox_new (NULL, REPORTS_MAX, REPORTS_A_TURN, on_report_letter, report_free, core);
  engine->interfaces = interfaces;
  engine->context = g_main_context_new ();
  engine->loop = g_main_loop_new (engine->context, FALSE);
  engine->watches = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, watch_free);
  engine->wait_s = 1;
  renames_init (&engine->renames);
  core->orders = mailbox_new (engine->context, 0, G_MAXUINT, on_order, order_free, engine);
  if (!lib.avahi_server_new && !discovery_symbols_load (LIBRARY, symbols, G_N_ELEMENTS (symbols), &lib, &missing))
    {
      tell (engine, (CoreReport){ .kind = REPORT_DOWN, .name = (char *) "failed", .text = missing->message });
      return core;
    }
  engine->poll = avahi_glib_poll_new (engine->context, G_PRIORITY_DEFAULT);
  code = thread_start (&core->thread, STACK_BYTES, engine_main, engine);
  core->running = code == 0;
  if (core->running)
    return core;
  log_warn ("discovery", "no thread: %s", g_strerror (code));
  tell (engine, (CoreReport){ .kind = REPORT_DOWN, .name = (char *) "failed", .text = (char *) "no thread for the mDNS stack" });
  avahi_glib_poll_free (engine->poll);
  return core;
}

void
discovery_core_order (DiscoveryCore *core, CoreOrder order)
{
  order.name = g_strdup (order.name);
  mailbox_put (core->orders, g_memdup2 (&order, sizeof order));
}

void
discovery_core_free (DiscoveryCore *core)
{
  Engine *engine = core->engine;

  /* Whoever waits for room in there is let go. */
  mailbox_close (core->reports);
  discovery_core_order (core, (CoreOrder){ .kind = ORDER_END });
  if (core->running)
    pthread_join (core->thread, NULL);
  mailbox_free (core->orders);
  mailbox_free (core->reports);
  g_hash_table_unref (engine->watches);
  g_main_loop_unref (engine->loop);
  g_main_context_unref (engine->context);
  g_free (engine);
  g_free (core);
}
