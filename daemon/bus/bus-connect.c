/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/bus/bus-connect.h"

static char *
address_of (const char *bus, GError **error)
{
  if (g_str_equal (bus, "session"))
    return g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SESSION, NULL, NULL);
  if (g_str_equal (bus, "system"))
    return g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SYSTEM, NULL, error);
  return g_strdup (bus);
}

gboolean
bus_connect (const char *bus, GDBusConnection **connection, BusGate **gate, GError **error)
{
  g_autofree char *address = NULL;
  g_autoptr (GIOStream) stream = NULL;
  g_autoptr (GIOStream) inside = NULL;
  GError *failure = NULL;

  *connection = NULL;
  *gate = NULL;
  if (g_str_equal (bus, "private"))
    return TRUE;
  address = address_of (bus, error);
  if (address == NULL)
    return g_str_equal (bus, "session");
  stream = g_dbus_address_get_stream_sync (address, NULL, NULL, error);
  if (stream == NULL)
    return FALSE;
  *gate = bus_gate_new (stream, &inside, &failure);
  if (failure != NULL)
    {
      g_propagate_error (error, failure);
      return FALSE;
    }
  *connection = g_dbus_connection_new_sync (
    *gate != NULL ? inside : stream, NULL,
    G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL, error);
  if (*connection != NULL)
    g_dbus_connection_set_exit_on_close (*connection, FALSE);
  else
    bus_gate_free (g_steal_pointer (gate), NULL);
  return *connection != NULL;
}
