/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * im.earshot.Earshot1.Network: discovery, links, static peers.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <string.h>

#define PROBE_DEFAULT 10000
#define PROBE_MAX 60000
#define LINKS_MAX 64

typedef struct {
  char *name;
  guint flags;
  GPtrArray *addresses;
} NetLink;

static void
net_link_free (gpointer data)
{
  NetLink *link = data;

  g_free (link->name);
  g_ptr_array_unref (link->addresses);
  g_free (link);
}

static NetLink *
find_or_add_link (GPtrArray *links, const char *name, guint flags)
{
  NetLink *link;

  for (guint i = 0; i < links->len; i++)
    if (g_str_equal (((NetLink *) links->pdata[i])->name, name))
      return links->pdata[i];
  if (links->len >= LINKS_MAX)
    return NULL;
  link = g_new0 (NetLink, 1);
  link->name = g_utf8_make_valid (name, -1);
  link->flags = flags;
  link->addresses = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (links, link);
  return link;
}

static GPtrArray *
list_links (void)
{
  GPtrArray *links = g_ptr_array_new_with_free_func (net_link_free);
  struct ifaddrs *all = NULL;

  if (getifaddrs (&all) != 0)
    return links;
  for (struct ifaddrs *item = all; item != NULL; item = item->ifa_next)
    {
      char text[NI_MAXHOST];
      socklen_t size;
      NetLink *link;

      if ((item->ifa_flags & IFF_UP) == 0 || (item->ifa_flags & IFF_LOOPBACK) != 0)
        continue;
      link = find_or_add_link (links, item->ifa_name, item->ifa_flags);
      if (link == NULL || item->ifa_addr == NULL)
        continue;
      if (item->ifa_addr->sa_family == AF_INET)
        size = sizeof (struct sockaddr_in);
      else if (item->ifa_addr->sa_family == AF_INET6)
        size = sizeof (struct sockaddr_in6);
      else
        continue;
      if (getnameinfo (item->ifa_addr, size, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
        g_ptr_array_add (link->addresses, g_strdup (text));
    }
  freeifaddrs (all);
  return links;
}

/* a(ssasa{sv}), floating. */
static GVariant *
describe_links (Window *window)
{
  const char *const *only = (const char *const *) window->rooms.config->interfaces;
  g_autoptr (GPtrArray) links = list_links ();
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(ssasa{sv})"));
  for (guint i = 0; i < links->len; i++)
    {
      const NetLink *link = links->pdata[i];
      GVariantBuilder addresses, extra;

      g_variant_builder_init (&addresses, G_VARIANT_TYPE_STRING_ARRAY);
      for (guint a = 0; a < link->addresses->len; a++)
        g_variant_builder_add (&addresses, "s", link->addresses->pdata[a]);
      g_variant_builder_init (&extra, G_VARIANT_TYPE_VARDICT);
      g_variant_builder_add (&extra, "{sv}", "multicast", g_variant_new_boolean ((link->flags & IFF_MULTICAST) != 0));
      g_variant_builder_add (&extra, "{sv}", "point_to_point",
                             g_variant_new_boolean ((link->flags & IFF_POINTOPOINT) != 0));
      g_variant_builder_add (&extra, "{sv}", "index", g_variant_new_uint32 (if_nametoindex (link->name)));
      g_variant_builder_add (&builder, "(ssasa{sv})", link->name,
                             only == NULL || g_strv_contains (only, link->name) ? "auto" : "ignore", &addresses,
                             &extra);
    }
  return g_variant_builder_end (&builder);
}

static void
network_refresh (Window *window, BusObject *object, GDBusInterfaceSkeleton *interface, gboolean full)
{
  EarshotNetwork *skeleton = EARSHOT_NETWORK (interface);

  earshot_network_set_backend (skeleton, window->front->backend);
  earshot_network_set_state (skeleton, window->front->state);
  earshot_network_set_instance_name (skeleton, window->front->instance != NULL ? window->front->instance : "");
  earshot_network_set_port (skeleton, sessions_get_port (window->rooms.sessions));
  earshot_network_set_links (skeleton, describe_links (window));
}

/* --- methods --------------------------------------------------------------------------------------------------- */

static void
rescan (BusCall *call, GVariant *args)
{
  discovery_rescan (call->window->rooms.discovery);
  bus_call_return (call, NULL);
}

/* NULL after having failed the call. */
static const char *
arg_endpoint (BusCall *call, GVariant *args)
{
  GError *error = NULL;
  const char *endpoint;

  g_variant_get_child (args, 0, "&s", &endpoint);
  if (bus_check_endpoint (endpoint, &error))
    return endpoint;
  bus_call_take_error (call, error);
  return NULL;
}

/* `data`: the answer's path, or NULL where there is none. */
static void
on_statics_kept (gpointer user, const GError *error)
{
  BusCall *call = user;

  if (error != NULL)
    bus_call_take_error (call, g_error_new (error->domain, error->code, "changed until earshotd ends, but not on disk: %s", error->message));
  else
    bus_call_return (call, call->data != NULL ? g_variant_new ("(o)", call->data) : NULL);
}

static void
add_static (BusCall *call, GVariant *args)
{
  const char *endpoint = arg_endpoint (call, args);
  GError *error = NULL;
  Contact *contact;

  if (endpoint == NULL)
    return;
  contact = contacts_add_static (call->window->rooms.contacts, endpoint, &error);
  if (contact == NULL)
    {
      bus_call_take_error (call, error);
      return;
    }
  call->data = bus_path_contact (contact_get_id (contact));
  call->data_free = g_free;
  contacts_await_statics (call->window->rooms.contacts, on_statics_kept, call);
}

static void
remove_static (BusCall *call, GVariant *args)
{
  const char *endpoint = arg_endpoint (call, args);

  if (endpoint == NULL)
    return;
  if (contacts_remove_static (call->window->rooms.contacts, endpoint))
    contacts_await_statics (call->window->rooms.contacts, on_statics_kept, call);
  else
    bus_call_fail (call, EARSHOT_ERROR_NOT_FOUND, "no such static endpoint");
}

static void
list_static (BusCall *call, GVariant *args)
{
  g_autoptr (GPtrArray) people = contacts_list (call->window->rooms.contacts);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(so)"));
  for (guint i = 0; i < people->len; i++)
    {
      const GPtrArray *endpoints = contact_get_endpoints (people->pdata[i]);
      g_autofree char *path = bus_path_contact (contact_get_id (people->pdata[i]));

      for (guint e = 0; endpoints != NULL && e < endpoints->len; e++)
        {
          const Endpoint *endpoint = endpoints->pdata[e];
          g_autofree char *text = NULL;

          if (g_strcmp0 (endpoint->ifname, "static") != 0 || endpoint->address == NULL)
            continue;
          text = g_strdup_printf (strchr (endpoint->address, ':') != NULL ? "[%s]:%u" : "%s:%u", endpoint->address,
                                  endpoint->port);
          g_variant_builder_add (&builder, "(so)", text, path);
        }
    }
  bus_call_return (call, g_variant_new ("(a(so))", &builder));
}

static void
on_probed (gpointer user, GVariant *result, const GError *error)
{
  BusCall *call = user;

  if (error != NULL)
    bus_call_return_error (call, error);
  else
    bus_call_return (call, g_variant_new ("(@a{sv})", result));
}

static void
probe (BusCall *call, GVariant *args)
{
  const char *endpoint = arg_endpoint (call, args);
  guint timeout;

  if (endpoint == NULL)
    return;
  g_variant_get_child (args, 1, "u", &timeout);
  if (timeout > PROBE_MAX)
    bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "timeout_ms is at most %d", PROBE_MAX);
  else
    sessions_probe (call->window->rooms.sessions, endpoint, timeout != 0 ? timeout : PROBE_DEFAULT, on_probed, call);
}

/* --- Diagnose ---------------------------------------------------------------------------------------------------- */

static GVariant *
describe_check (const Check *check, guint32 contact)
{
  GVariantBuilder details;

  g_variant_builder_init (&details, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&details, "{sv}", "meaning", g_variant_new_string (check->meaning));
  g_variant_builder_add (&details, "{sv}", "fix", g_variant_new_string (check->fix));
  if (check->link != NULL)
    g_variant_builder_add (&details, "{sv}", "link", g_variant_new_string (check->link));
  if (g_str_has_prefix (check->id, "peer-"))
    {
      g_autofree char *path = bus_path_contact (contact);

      g_variant_builder_add (&details, "{sv}", "contact", g_variant_new_object_path (path));
    }
  return g_variant_new ("(sss@a{sv})", check->id, check_status_to_string (check->status), check->title, g_variant_builder_end (&details));
}

static void
on_examined (gpointer user, GPtrArray *checks, const GError *error)
{
  BusCall *call = user;
  GVariantBuilder builder;

  if (error != NULL)
    {
      bus_call_return_error (call, error);
      return;
    }
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(sssa{sv})"));
  for (guint i = 0; i < checks->len; i++)
    g_variant_builder_add_value (&builder, describe_check (checks->pdata[i], GPOINTER_TO_UINT (call->data)));
  bus_call_return (call, g_variant_new ("(a(sssa{sv}))", &builder));
}

static void
diagnose (BusCall *call, GVariant *args)
{
  Window *window = call->window;
  DoctorView view = { .backend = window->front->backend, .state = window->front->state, .warnings = window->front->warnings };
  g_autoptr (GVariant) options = g_variant_get_child_value (args, 0);
  g_autofree char *path = NULL;
  const BusOption table[] = { { "contact", "o", &path }, { NULL, NULL, NULL } };
  Contact *contact = NULL;
  GError *error = NULL;

  if (bus_options_parse (options, table, &error) && (path == NULL || (contact = bus_contact_at (window, path, &error)) != NULL))
    {
      guint32 id = contact != NULL ? contact_get_id (contact) : 0;

      call->data = GUINT_TO_POINTER (id);
      if (doctor_examine (window->rooms.doctor, &view, id, on_examined, call, &error))
        return;
    }
  bus_call_take_error (call, error);
}

static const BusVerb methods[] = {
  { "Rescan", rescan },          { "AddStatic", add_static }, { "RemoveStatic", remove_static },
  { "ListStatic", list_static }, { "Probe", probe },          { "Diagnose", diagnose }, { NULL, NULL },
};

static const BusVerb setters[] = { { NULL, NULL } };

const BusInterface bus_network = { earshot_network_skeleton_get_type, methods, setters, network_refresh, NULL };
