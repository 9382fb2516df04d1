/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "cli/bus.h"

#include <sys/stat.h>
#include <unistd.h>

#include "cli/exit-code.h"

char *
private_socket_dup_path (void)
{
  return g_build_filename (g_get_user_runtime_dir (), "earshot", "bus", NULL);
}

/* Only where nobody else could have put the socket: what is said to it is for our daemon alone. */
static gboolean
is_ours (const char *path)
{
  g_autofree char *dir = g_path_get_dirname (path);
  struct stat folder, socket;

  return lstat (dir, &folder) == 0 && S_ISDIR (folder.st_mode) && folder.st_uid == geteuid () && (folder.st_mode & 022) == 0
         && lstat (path, &socket) == 0 && S_ISSOCK (socket.st_mode) && socket.st_uid == geteuid ();
}

static GDBusConnection *
open_private (char **where, GError **error)
{
  g_autofree char *path = private_socket_dup_path ();
  g_autofree char *escaped = g_dbus_address_escape_value (path);
  g_autofree char *address = g_strconcat ("unix:path=", escaped, NULL);
  GDBusConnection *connection = NULL;
  g_autoptr (GError) local = NULL;

  if (is_ours (path))
    connection = g_dbus_connection_new_for_address_sync (address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL, &local);
  if (connection == NULL)
    g_set_error (error, CLI_ERROR, CLI_ERROR_UNAVAILABLE, "no earshotd listens at %s%s%s", path, local != NULL ? ": " : "",
                 local != NULL ? local->message : "");
  else
    *where = g_steal_pointer (&address);
  return connection;
}

static char *
bus_address (const char *bus, GError **error)
{
  if (bus == NULL || g_str_equal (bus, "session"))
    return g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SESSION, NULL, error);
  if (g_str_equal (bus, "system"))
    return g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SYSTEM, NULL, error);
  if (!g_dbus_is_address (bus))
    {
      g_set_error (error, CLI_ERROR, CLI_ERROR_USAGE, "--bus takes session, system, private or a D-Bus address, not %s", bus);
      return NULL;
    }
  return g_strdup (bus);
}

GDBusConnection *
bus_open (const char *bus, gboolean *is_private, char **where, GError **error)
{
  gboolean only_private = g_strcmp0 (bus, "private") == 0;
  g_autoptr (GError) refused = NULL;
  g_autoptr (GError) local = NULL;
  GDBusConnection *connection = bus == NULL || only_private ? open_private (where, &refused) : NULL;
  g_autofree char *address = NULL;

  *is_private = connection != NULL;
  if (connection != NULL)
    return connection;
  if (only_private)
    {
      g_propagate_error (error, g_steal_pointer (&refused));
      return NULL;
    }
  address = bus_address (bus, &local);
  if (address != NULL)
    connection = g_dbus_connection_new_for_address_sync (
      address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL, &local);
  if (connection != NULL)
    *where = g_steal_pointer (&address);
  else if (local->domain == CLI_ERROR)
    g_propagate_error (error, g_steal_pointer (&local));
  else
    {
      /* Of a bus that nobody named GIO tells that it can not start one without X11. */
      gboolean named = bus != NULL || g_getenv ("DBUS_SESSION_BUS_ADDRESS") != NULL;
      g_autofree char *why = named ? g_strdup_printf (" (%s)", local->message) : g_strdup ("");

      g_set_error (error, CLI_ERROR, CLI_ERROR_UNAVAILABLE, "the daemon earshotd is not running, or out of reach: no message bus%s%s%s", why,
                   refused != NULL ? ", and " : "", refused != NULL ? refused->message : "");
    }
  return connection;
}
