/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/discovery-auto.h"

#include "daemon/base/log.h"

#define AVAHI_BUS_NAME "org.freedesktop.Avahi"
#define ACTIVATION_TIMEOUT_MS 3000

struct _DiscoveryAuto {
  DiscoveryAutoFunc func;
  gpointer user;
  GCancellable *cancellable;
  GDBusConnection *bus;
  guint watch_id;
  gboolean told, there;
};

static void
tell (DiscoveryAuto *self, gboolean there)
{
  if (self->told && self->there == there)
    return;
  self->told = TRUE;
  self->there = there;
  self->func (self->user, there);
}

static void
on_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer user)
{
  tell (user, TRUE);
}

static void
on_vanished (GDBusConnection *bus, const char *name, gpointer user)
{
  tell (user, FALSE);
}

/* Whether activation worked shows in who owns the name, so the reply itself does not matter: an avahi-daemon that
 * the administrator switched off is not activatable. */
static void
on_activated (GObject *source, GAsyncResult *result, gpointer user)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  DiscoveryAuto *self = user;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (!reply)
    log_debug ("discovery", "avahi-daemon is not activatable: %s", error->message);
  self->watch_id = g_bus_watch_name_on_connection (self->bus, AVAHI_BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                   on_appeared, on_vanished, self, NULL);
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer user)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *bus = g_dbus_connection_new_for_address_finish (result, &error);
  DiscoveryAuto *self = user;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (!bus)
    {
      log_info ("discovery", "no system bus: %s", error->message);
      tell (self, FALSE);
      return;
    }
  self->bus = bus;
  g_dbus_connection_call (bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "StartServiceByName",
                          g_variant_new ("(su)", AVAHI_BUS_NAME, 0), G_VARIANT_TYPE ("(u)"), G_DBUS_CALL_FLAGS_NONE,
                          ACTIVATION_TIMEOUT_MS, self->cancellable, on_activated, self);
}

DiscoveryAuto *
discovery_auto_new (DiscoveryAutoFunc func, gpointer user)
{
  DiscoveryAuto *self = g_new0 (DiscoveryAuto, 1);
  g_autofree char *address = g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SYSTEM, NULL, NULL);

  self->func = func;
  self->user = user;
  self->cancellable = g_cancellable_new ();
  /* A connection of our own: the shared one of g_bus_get() ends the process with the bus. */
  g_dbus_connection_new_for_address (address ? address : "unix:path=/run/dbus/system_bus_socket",
                                     G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                     NULL, self->cancellable, on_connected, self);
  return self;
}

void
discovery_auto_free (DiscoveryAuto *self)
{
  if (!self)
    return;
  g_cancellable_cancel (self->cancellable);
  g_object_unref (self->cancellable);
  if (self->watch_id)
    g_bus_unwatch_name (self->watch_id);
  if (self->bus)
    {
      g_dbus_connection_close (self->bus, NULL, NULL, NULL);
      g_object_unref (self->bus);
    }
  g_free (self);
}
