/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/bus/private-bus.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/base/error.h"
#include "daemon/base/fsutil.h"
#include "daemon/base/log.h"
#include "daemon/bus/bus-access.h"
#include "daemon/bus/bus-debt.h"

struct _PrivateBus {
  Front *front; /* borrowed */
  GDBusServer *server;
  GPtrArray *guests; /* Guest*, owned */
  char *path;
  gboolean made; /* the socket is ours to remove */
};

typedef struct {
  PrivateBus *bus;
  GDBusConnection *connection;
  Window *window;
  BusDebt *debt;
  gulong closed_id;
} Guest;

char *
private_bus_dup_path (void)
{
  return g_build_filename (g_get_user_runtime_dir (), "earshot", "bus", NULL);
}

const char *
private_bus_get_address (const PrivateBus *bus)
{
  return g_dbus_server_get_client_address (bus->server);
}

/* --- who may come in: asked by a thread of GDBus ---------------------------------------------------------------- */

static gboolean
on_allow_mechanism (GDBusAuthObserver *observer, const char *mechanism, gpointer user)
{
  return g_str_equal (mechanism, "EXTERNAL");
}

/* The security module's label of the peer, as GetConnectionCredentials tells it on a bus; NULL = none. */
static char *
dup_label (GIOStream *stream)
{
  char label[256];
  socklen_t length = sizeof label - 1;
  int fd;

  if (!G_IS_SOCKET_CONNECTION (stream))
    return NULL;
  fd = g_socket_get_fd (g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream)));
  if (getsockopt (fd, SOL_SOCKET, SO_PEERSEC, label, &length) != 0)
    return NULL;
  label[length] = '\0';
  return g_strdup (label);
}

/* Linux 6.5: the process that connected, whatever its number has become since. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* What was read of `pid` was read of who connected: it still runs, under this number. Not so when it left and handed its end to another; where the
 * kernel can not tell, it is believed. */
static gboolean
is_who_connected (GIOStream *stream, pid_t pid, GError **error)
{
  char path[64], line[128];
  struct pollfd ended = { .fd = -1, .events = POLLIN };
  socklen_t length = sizeof ended.fd;
  long number = -1;
  FILE *info;

  if (getsockopt (g_socket_get_fd (g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream))), SOL_SOCKET, SO_PEERPIDFD, &ended.fd, &length)
      != 0)
    {
      if (errno == ENOPROTOOPT)
        return TRUE;
      ended.fd = -1;
    }
  g_snprintf (path, sizeof path, "/proc/self/fdinfo/%d", ended.fd);
  info = ended.fd >= 0 ? fopen (path, "re") : NULL;
  while (info != NULL && number < 0 && fgets (line, sizeof line, info) != NULL)
    if (g_str_has_prefix (line, "Pid:"))
      number = strtol (line + strlen ("Pid:"), NULL, 10);
  if (info != NULL)
    fclose (info);
  if (ended.fd >= 0 && (number != (long) pid || poll (&ended, 1, 0) != 0))
    number = -1;
  if (ended.fd >= 0)
    close (ended.fd);
  if (number < 0)
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_ACCESS_DENIED, "the process that connected is gone, or another speaks for it");
  return number >= 0;
}

static gboolean
on_authorize (GDBusAuthObserver *observer, GIOStream *stream, GCredentials *credentials, gpointer user)
{
  pid_t pid = credentials != NULL ? g_credentials_get_unix_pid (credentials, NULL) : -1;
  g_autofree char *label = dup_label (stream);
  BusProcess process = { NULL, NULL };
  g_autoptr (GError) error = NULL;
  gboolean good = pid > 0 && bus_access_inspect ("/proc", (guint) pid, label, &process, &error) && process.app == NULL
                  && G_IS_SOCKET_CONNECTION (stream) && is_who_connected (stream, pid, &error);

  /* Its number may be another's by the time it calls: this is who it is, as long as it is connected. */
  if (good)
    g_object_set_data_full (G_OBJECT (credentials), BUS_ACCESS_PROGRAM, g_strdup (process.program), g_free);
  else
    {
      g_autofree char *program = log_safe (process.program);
      g_autofree char *app = log_safe (process.app);

      log_event (G_LOG_LEVEL_MESSAGE, "bus", 0, 0, "caller", "turned away at the private socket: pid=%d program=%s app=%s%s%s", (int) pid,
                 program, app, error != NULL ? ": " : "", error != NULL ? error->message : "");
    }
  g_free (process.program);
  g_free (process.app);
  return good;
}

/* --- guests ------------------------------------------------------------------------------------------------------ */

/* Closing alone would drop what waits to be written: an answer, an agent's Release. */
static void
on_flushed (GObject *source, GAsyncResult *result, gpointer user)
{
  g_dbus_connection_flush_finish (G_DBUS_CONNECTION (source), result, NULL);
  g_dbus_connection_close (G_DBUS_CONNECTION (source), NULL, NULL, NULL);
}

static void
guest_free (gpointer data)
{
  Guest *guest = data;

  g_signal_handler_disconnect (guest->connection, guest->closed_id);
  window_close (guest->window);
  bus_debt_free (guest->debt);
  if (!g_dbus_connection_is_closed (guest->connection))
    g_dbus_connection_flush (guest->connection, NULL, on_flushed, NULL);
  g_object_unref (guest->connection);
  g_free (guest);
}

static void
on_closed (GDBusConnection *connection, gboolean vanished, GError *error, gpointer user)
{
  Guest *guest = user;
  const char *reason = bus_debt_get_reason (guest->debt);
  GCredentials *credentials = g_dbus_connection_get_peer_credentials (connection);

  if (reason != NULL)
    log_event (G_LOG_LEVEL_MESSAGE, "bus", 0, 0, "caller", "cut off at the private socket: pid=%d: %s",
               credentials != NULL ? (int) g_credentials_get_unix_pid (credentials, NULL) : -1, reason);
  g_ptr_array_remove_fast (guest->bus->guests, guest);
}

/* GDBus hands on no message of the connection before this returns. */
static gboolean
on_new_connection (GDBusServer *server, GDBusConnection *connection, gpointer user)
{
  PrivateBus *bus = user;
  g_autoptr (GError) error = NULL;
  BusDebt *debt;
  Window *window;
  Guest *guest;

  if (bus->guests->len >= PRIVATE_BUS_MAX)
    {
      log_warn ("bus", "%d programs are connected to the private socket: no more are let in", PRIVATE_BUS_MAX);
      return FALSE;
    }
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  debt = bus_debt_new (connection, BUS_DEBT_PATIENCE_MS);
  window = debt != NULL ? window_open (bus->front, connection, &error) : NULL;
  if (debt == NULL)
    g_set_error (&error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "no descriptor for it: %s", g_strerror (errno));
  if (window == NULL)
    {
      bus_debt_free (debt);
      log_warn ("bus", "a program on the private socket can not be served: %s", error->message);
      return FALSE;
    }
  guest = g_new0 (Guest, 1);
  guest->bus = bus;
  guest->connection = g_object_ref (connection);
  guest->window = window;
  guest->debt = debt;
  guest->closed_id = g_signal_connect (connection, "closed", G_CALLBACK (on_closed), guest);
  g_ptr_array_add (bus->guests, guest);
  return TRUE;
}

/* --- the socket ---------------------------------------------------------------------------------------------------- */

/* Ours, and nobody else's to write in: else another could put a socket of his own there, and be told everything. */
static gboolean
check_directory (const char *path, GError **error)
{
  g_autofree char *dir = g_path_get_dirname (path);
  struct stat info;

  if (!fs_ensure_private_dir (dir, error))
    return FALSE;
  if (lstat (dir, &info) == 0 && S_ISDIR (info.st_mode) && info.st_uid == geteuid () && (info.st_mode & 077) == 0)
    return TRUE;
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s is not a directory of yours alone: chmod 700 it, or remove it", dir);
  return FALSE;
}

/* What a daemon left that was killed. */
static gboolean
clear_stale (const char *path, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  struct stat info;
  gboolean listening;
  int fd;

  if (strlen (path) >= sizeof address.sun_path)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s is too long a name for a socket", path);
      return FALSE;
    }
  if (lstat (path, &info) != 0)
    return TRUE;
  strcpy (address.sun_path, path);
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  listening = fd >= 0 && (connect (fd, (struct sockaddr *) &address, sizeof address) == 0 || errno == EAGAIN);
  if (fd >= 0)
    close (fd);
  if (!S_ISSOCK (info.st_mode) || listening)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED,
                   listening ? "another earshotd listens at %s: stop it first" : "%s is in the way: remove it", path);
      return FALSE;
    }
  if (unlink (path) == 0 || errno == ENOENT)
    return TRUE;
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s can not be removed: %s", path, g_strerror (errno));
  return FALSE;
}

PrivateBus *
private_bus_new (Front *front, const char *path, GError **error)
{
  g_autofree char *fallback = private_bus_dup_path ();
  g_autofree char *escaped = g_dbus_address_escape_value (path != NULL ? path : fallback);
  g_autofree char *address = g_strconcat ("unix:path=", escaped, NULL);
  g_autofree char *guid = g_dbus_generate_guid ();
  g_autoptr (GDBusAuthObserver) observer = g_dbus_auth_observer_new ();
  PrivateBus *bus = g_new0 (PrivateBus, 1);
  GError *reason = NULL;

  bus->front = front;
  bus->guests = g_ptr_array_new_with_free_func (guest_free);
  bus->path = g_strdup (path != NULL ? path : fallback);
  g_signal_connect (observer, "allow-mechanism", G_CALLBACK (on_allow_mechanism), NULL);
  g_signal_connect (observer, "authorize-authenticated-peer", G_CALLBACK (on_authorize), NULL);
  if (check_directory (bus->path, error) && clear_stale (bus->path, error))
    {
      bus->server = g_dbus_server_new_sync (address, G_DBUS_SERVER_FLAGS_AUTHENTICATION_REQUIRE_SAME_USER, guid, observer, NULL, &reason);
      if (bus->server == NULL)
        g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "no socket at %s: %s", bus->path, reason->message);
      g_clear_error (&reason);
    }
  if (bus->server == NULL)
    {
      private_bus_free (bus);
      return NULL;
    }
  bus->made = TRUE;
  g_signal_connect (bus->server, "new-connection", G_CALLBACK (on_new_connection), bus);
  g_dbus_server_start (bus->server);
  return bus;
}

void
private_bus_free (PrivateBus *bus)
{
  if (bus == NULL)
    return;
  if (bus->server != NULL)
    {
      g_signal_handlers_disconnect_by_data (bus->server, bus);
      g_dbus_server_stop (bus->server);
    }
  g_ptr_array_unref (bus->guests);
  g_clear_object (&bus->server);
  if (bus->made)
    unlink (bus->path);
  g_free (bus->path);
  g_free (bus);
}
