/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "cli/bus.h"
#include "cli/live.h"
#include "cli/progress.h"

#define KNOCK_MS 50
#define KNOCKS 40

struct _Live {
  LiveHandlers handlers;
  gpointer user;
  GMainLoop *loop;
  int code;
  gboolean done, lost;
  guint signals_id, owner_id, timer_id;
  gulong closed_id;
  GFileMonitor *socket; /* private: the daemon is awaited there */
  guint knock_id, knocks;
};
typedef struct _Live Live;

void
live_quit (Ctl *ctl, int code)
{
  Live *live = ctl->live;

  if (live->done)
    return;
  progress_end ();
  live->done = TRUE;
  live->code = code;
  g_main_loop_quit (live->loop);
}

void
live_fail (Ctl *ctl, const GError *error)
{
  if (!ctl->live->done)
    live_quit (ctl, ctl_fail (ctl, error));
}

static void
lose_daemon (Ctl *ctl, const char *what)
{
  g_autoptr (GError) error = g_error_new (CLI_ERROR, CLI_ERROR_UNAVAILABLE, "%s", what);

  live_fail (ctl, error);
}

/* --- what the daemon says ------------------------------------------------------ */

static void
on_appended (Ctl *ctl, GVariant *parameters)
{
  guint64 seq;
  const char *kind, *conversation;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(tso)")) || ctl->live->handlers.appended == NULL)
    return;
  g_variant_get (parameters, "(t&s&o)", &seq, &kind, &conversation);
  ctl->live->handlers.appended (ctl, seq, kind, conversation, ctl->live->user);
}

static void
on_typing (Ctl *ctl, const char *path, GVariant *parameters)
{
  gboolean active;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(ob)")) || ctl->live->handlers.typing == NULL)
    return;
  g_variant_get (parameters, "(&ob)", NULL, &active);
  ctl->live->handlers.typing (ctl, path, active, ctl->live->user);
}

static void
on_properties_changed (Ctl *ctl, const char *path, GVariant *parameters)
{
  const char *interface;
  g_autoptr (GVariant) changed = NULL;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sa{sv}as)")))
    return;
  g_variant_get (parameters, "(&s@a{sv}@as)", &interface, &changed, NULL);
  model_change (ctl->model, path, interface, changed);
  if (ctl->live->handlers.changed != NULL && g_str_has_prefix (interface, EARSHOT_NAME "."))
    ctl->live->handlers.changed (ctl, path, interface + strlen (EARSHOT_NAME "."), ctl->live->user);
}

static void
on_interfaces_added (Ctl *ctl, GVariant *parameters)
{
  const char *path, *interface;
  g_autoptr (GVariant) interfaces = NULL;
  GVariantIter iter;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(oa{sa{sv}})")))
    return;
  g_variant_get (parameters, "(&o@a{sa{sv}})", &path, &interfaces);
  model_add (ctl->model, path, interfaces);
  g_variant_iter_init (&iter, interfaces);
  while (ctl->live->handlers.changed != NULL && g_variant_iter_next (&iter, "{&s@a{sv}}", &interface, NULL))
    if (g_str_has_prefix (interface, EARSHOT_NAME "."))
      ctl->live->handlers.changed (ctl, path, interface + strlen (EARSHOT_NAME "."), ctl->live->user);
}

static void
on_interfaces_removed (Ctl *ctl, GVariant *parameters)
{
  const char *path;
  g_autofree const char **interfaces = NULL;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(oas)")))
    return;
  g_variant_get (parameters, "(&o^a&s)", &path, &interfaces);
  if (ctl->live->handlers.removed != NULL)
    ctl->live->handlers.removed (ctl, path, ctl->live->user);
  model_remove (ctl->model, path, interfaces);
}

static void
on_signal (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *member,
           GVariant *parameters, gpointer user)
{
  Ctl *ctl = user;

  /* Of the daemon that answered us, and of nobody who merely talks like it. */
  if (ctl->live->done || g_strcmp0 (sender, ctl->owner) != 0)
    return;
  if (g_str_equal (interface, EARSHOT_NAME ".Messages") && g_str_equal (member, "Appended"))
    on_appended (ctl, parameters);
  else if (g_str_equal (interface, EARSHOT_NAME ".Conversation") && g_str_equal (member, "Typing"))
    on_typing (ctl, path, parameters);
  else if (g_str_equal (interface, "org.freedesktop.DBus.Properties") && g_str_equal (member, "PropertiesChanged"))
    on_properties_changed (ctl, path, parameters);
  else if (g_str_equal (interface, "org.freedesktop.DBus.ObjectManager") && g_str_equal (member, "InterfacesAdded"))
    on_interfaces_added (ctl, parameters);
  else if (g_str_equal (interface, "org.freedesktop.DBus.ObjectManager") && g_str_equal (member, "InterfacesRemoved"))
    on_interfaces_removed (ctl, parameters);
}

static void
come_back (Ctl *ctl)
{
  g_autoptr (GError) error = NULL;

  if (!ctl_load (ctl, &error))
    {
      live_fail (ctl, error);
      return;
    }
  ctl->live->lost = FALSE;
  ctl_note (ctl, "earshotd is back");
  ctl->live->handlers.resync (ctl, ctl->live->user);
}

static void
on_owner_changed (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                  const char *member, GVariant *parameters, gpointer user)
{
  Ctl *ctl = user;
  const char *name, *before, *after;

  if (ctl->live->done || !g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sss)")))
    return;
  g_variant_get (parameters, "(&s&s&s)", &name, &before, &after);
  if (g_strcmp0 (after, ctl->owner) == 0 && !ctl->live->lost)
    return;
  if (*after == '\0' && g_strcmp0 (before, ctl->owner) != 0)
    return;
  if (ctl->live->handlers.resync == NULL)
    {
      lose_daemon (ctl, "the daemon earshotd stopped while we waited");
      return;
    }
  if (*after == '\0')
    {
      ctl->live->lost = TRUE;
      ctl_note (ctl, "earshotd stopped; waiting for it to come back");
      return;
    }
  come_back (ctl);
}

/* --- a daemon that has no bus: its end is the end of the connection ------------------------- */

static void on_closed (GDBusConnection *connection, gboolean vanished, GError *error, gpointer user);

static void
subscribe (Ctl *ctl)
{
  Live *live = ctl->live;
  const char *name = ctl->is_private ? NULL : EARSHOT_NAME;

  live->signals_id = g_dbus_connection_signal_subscribe (ctl->connection, name, NULL, NULL, NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE,
                                                         on_signal, ctl, NULL);
  if (!ctl->is_private)
    live->owner_id = g_dbus_connection_signal_subscribe (ctl->connection, "org.freedesktop.DBus", "org.freedesktop.DBus",
                                                         "NameOwnerChanged", "/org/freedesktop/DBus", EARSHOT_NAME,
                                                         G_DBUS_SIGNAL_FLAGS_NONE, on_owner_changed, ctl, NULL);
  live->closed_id = g_signal_connect (ctl->connection, "closed", G_CALLBACK (on_closed), ctl);
}

static void
unsubscribe (Ctl *ctl)
{
  Live *live = ctl->live;

  g_dbus_connection_signal_unsubscribe (ctl->connection, live->signals_id);
  if (live->owner_id != 0)
    g_dbus_connection_signal_unsubscribe (ctl->connection, live->owner_id);
  g_signal_handler_disconnect (ctl->connection, live->closed_id);
  live->owner_id = 0;
}

/* FALSE: not there yet. */
static gboolean
try_socket (Ctl *ctl)
{
  gboolean is_private;
  g_autofree char *where = NULL;
  GDBusConnection *connection = bus_open ("private", &is_private, &where, NULL);

  if (connection == NULL)
    return FALSE;
  unsubscribe (ctl);
  g_object_unref (ctl->connection);
  ctl->connection = connection;
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  g_clear_object (&ctl->live->socket);
  subscribe (ctl);
  come_back (ctl);
  return TRUE;
}

static gboolean
on_knock (gpointer user)
{
  Ctl *ctl = user;
  Live *live = ctl->live;

  if (live->done || !live->lost || live->knocks == 0 || try_socket (ctl))
    {
      live->knock_id = 0;
      return G_SOURCE_REMOVE;
    }
  live->knocks--;
  return G_SOURCE_CONTINUE;
}

/* Something happened to the socket. It is there a moment before anybody listens on it, and that moment makes no event: so a few tries. */
static void
on_socket (GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event, gpointer user)
{
  Live *live = ((Ctl *) user)->live;

  live->knocks = KNOCKS;
  if (live->knock_id == 0 && live->lost && !live->done)
    live->knock_id = g_timeout_add (KNOCK_MS, on_knock, user);
}

static void
await_socket (Ctl *ctl)
{
  g_autofree char *path = private_socket_dup_path ();
  g_autoptr (GFile) file = g_file_new_for_path (path);

  ctl->live->lost = TRUE;
  ctl_note (ctl, "earshotd stopped; waiting for it to come back");
  ctl->live->socket = g_file_monitor_file (file, G_FILE_MONITOR_NONE, NULL, NULL);
  if (ctl->live->socket == NULL)
    {
      lose_daemon (ctl, "the daemon earshotd stopped while we waited");
      return;
    }
  g_signal_connect (ctl->live->socket, "changed", G_CALLBACK (on_socket), ctl);
  /* Who came back before we looked. */
  on_socket (ctl->live->socket, NULL, NULL, G_FILE_MONITOR_EVENT_CHANGED, ctl);
}

static void
on_closed (GDBusConnection *connection, gboolean vanished, GError *error, gpointer user)
{
  Ctl *ctl = user;

  if (!ctl->is_private)
    lose_daemon (ctl, "the message bus closed the connection");
  else if (ctl->live->handlers.resync == NULL)
    lose_daemon (ctl, "the daemon earshotd stopped while we waited");
  else if (!ctl->live->done && !ctl->live->lost)
    await_socket (ctl);
}

static gboolean
on_deadline (gpointer user)
{
  Ctl *ctl = user;
  g_autoptr (GError) error = g_error_new (CLI_ERROR, CLI_ERROR_TIMEOUT, "time ran out after %s s", ctl->timeout_text);

  ctl->live->timer_id = 0;
  live_fail (ctl, error);
  return G_SOURCE_REMOVE;
}

/* --- life ------------------------------------------------------------------------ */

gboolean
live_start (Ctl *ctl, const LiveHandlers *handlers, gpointer user, GError **error)
{
  Live *live;

  if (!ctl_connect (ctl, error))
    return FALSE;
  live = g_new0 (Live, 1);
  live->handlers = *handlers;
  live->user = user;
  live->loop = g_main_loop_new (NULL, FALSE);
  ctl->live = live;
  subscribe (ctl);
  return ctl_load (ctl, error);
}

int
live_run (Ctl *ctl)
{
  Live *live = ctl->live;

  if (!live->done && ctl->deadline > 0)
    {
      gint64 left = MAX (ctl->deadline - g_get_monotonic_time (), 0) / 1000;

      live->timer_id = g_timeout_add ((guint) MIN (left, G_MAXINT), on_deadline, ctl);
    }
  if (!live->done)
    g_main_loop_run (live->loop);
  return live->code;
}

void
live_stop (Ctl *ctl)
{
  Live *live = ctl->live;

  if (live == NULL)
    return;
  unsubscribe (ctl);
  g_clear_object (&live->socket);
  g_clear_handle_id (&live->knock_id, g_source_remove);
  g_clear_handle_id (&live->timer_id, g_source_remove);
  g_main_loop_unref (live->loop);
  g_free (live);
  ctl->live = NULL;
}
