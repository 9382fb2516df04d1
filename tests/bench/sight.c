/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The floor for coming into sight: libavahi-core alone, which publishes one service and prints "sighted" when it has the TXT
 * record of another one. Goodbye and exit on SIGTERM. Run it in a network namespace only.
 *
 *   bench-sight USER */
#include "earshot-config.h"

#include <avahi-common/domain.h>
#include <avahi-common/error.h>
#include <avahi-common/simple-watch.h>
#include <avahi-core/core.h>
#include <avahi-core/log.h>
#include <avahi-core/lookup.h>
#include <avahi-core/publish.h>
#include <glib.h>
#include <signal.h>

typedef struct {
  AvahiSimplePoll *poll;
  AvahiServer *server;
  AvahiSEntryGroup *group;
  char *instance;
  const char *user;
} Sight;

static AvahiSimplePoll *the_poll;

static void
on_log (AvahiLogLevel level, const char *text)
{
}

static void
on_term (int signum)
{
  avahi_simple_poll_quit (the_poll);
}

static void
on_group (AvahiServer *server, AvahiSEntryGroup *group, AvahiEntryGroupState state, void *user)
{
}

static void
on_record (AvahiSRecordBrowser *browser, AvahiIfIndex interface, AvahiProtocol protocol, AvahiBrowserEvent event,
           AvahiRecord *record, AvahiLookupResultFlags flags, void *user)
{
  if (event != AVAHI_BROWSER_NEW)
    return;
  g_print ("sighted\n");
}

static void
on_service (AvahiSServiceBrowser *browser, AvahiIfIndex interface, AvahiProtocol protocol, AvahiBrowserEvent event,
            const char *name, const char *type, const char *domain, AvahiLookupResultFlags flags, void *user)
{
  Sight *sight = user;
  char full[AVAHI_DOMAIN_NAME_MAX];

  if (event != AVAHI_BROWSER_NEW || g_strcmp0 (name, sight->instance) == 0)
    return;
  if (avahi_service_name_join (full, sizeof full, name, type, domain) != 0)
    return;
  AvahiKey *key = avahi_key_new (full, AVAHI_DNS_CLASS_IN, AVAHI_DNS_TYPE_TXT);
  avahi_s_record_browser_new (sight->server, interface, protocol, key, AVAHI_LOOKUP_USE_MULTICAST, on_record, sight);
  avahi_key_unref (key);
}

static void
on_server (AvahiServer *server, AvahiServerState state, void *user)
{
  Sight *sight = user;

  sight->server = server;
  if (state != AVAHI_SERVER_RUNNING || sight->group)
    return;
  sight->instance = g_strdup_printf ("%s@%s", sight->user, avahi_server_get_host_name (server));
  sight->group = avahi_s_entry_group_new (server, on_group, sight);
  if (!sight->group ||
      avahi_server_add_service (server, sight->group, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, 0, sight->instance, "_presence._tcp",
                                NULL, NULL, 5298, "txtvers=1", "status=avail", NULL) < 0 ||
      avahi_s_entry_group_commit (sight->group) < 0)
    g_error ("publish: %s", avahi_strerror (avahi_server_errno (server)));
  avahi_s_service_browser_new (server, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, "_presence._tcp", NULL, 0, on_service, sight);
}

int
main (int argc, char **argv)
{
  Sight sight = { .user = argc > 1 ? argv[1] : "somebody" };
  AvahiServerConfig config;
  int error = 0;

  avahi_set_log_function (on_log);
  signal (SIGTERM, on_term);
  the_poll = sight.poll = avahi_simple_poll_new ();
  avahi_server_config_init (&config);
  config.publish_hinfo = 0;
  config.publish_workstation = 0;
  AvahiServer *server = avahi_server_new (avahi_simple_poll_get (sight.poll), &config, on_server, &sight, &error);
  avahi_server_config_free (&config);
  if (!server)
    g_error ("avahi: %s", avahi_strerror (error));
  avahi_simple_poll_loop (sight.poll);
  avahi_server_free (server);
  avahi_simple_poll_free (sight.poll);
  g_free (sight.instance);
  return 0;
}
