/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/bus/bus-connect.h"

gboolean
bus_connect (const char *bus, GDBusConnection **connection, GError **error)
{
  g_autofree char *address = NULL;

  *connection = NULL;
  if (g_str_equal (bus, "private"))
    return TRUE;
  if (g_str_equal (bus, "session"))
    address = g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SESSION, NULL, NULL);
  if (g_str_equal (bus, "session") && address == NULL)
    return TRUE;
  if (g_str_equal (bus, "session"))
    *connection = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, error);
  else if (g_str_equal (bus, "system"))
    *connection = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, error);
  else
    *connection = g_dbus_connection_new_for_address_sync (
      bus, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL, error);
  if (*connection != NULL)
    g_dbus_connection_set_exit_on_close (*connection, FALSE);
  return *connection != NULL;
}
