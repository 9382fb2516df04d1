/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many calls at once, and somebody who asks little things meanwhile. BUS is the address of a message bus, or `private:PATH`: earshotd's own socket.
 *
 *   bench-burst send BUS CONVERSATION CLIENTS EACH [PID AFTER]
 *     CLIENTS connections, EACH `Send` calls on each, none waiting for another (at a private socket, which cuts off who goes further,
 *     no more than WINDOW of a connection are unanswered); the texts are "CLIENT NUMBER". Prints when it began, had asked
 *     and had its last answer (microseconds of the monotonic clock), and how many answers were errors, had an id that another
 *     had, or came out of order. With PID: kills that process at once with -9 when AFTER are answered, and prints what was: CLIENT NUMBER ID SEQ.
 *   bench-burst take BUS
 *     The least service that takes the same calls: has the name, and answers each in the moment it comes out of the socket, with nothing behind it.
 *   bench-burst ping BUS
 *     Until standard input ends or nobody answers, in turns a Ping and a property Get of earshotd, and a Ping of somebody who does nothing else
 *     than to answer it; then prints of each when it began, `ping`, `get` or `floor`, and how long it took. Says `ready` after the first ones. */
#include "earshot-config.h"

#include <gio/gio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAME "im.earshot.Earshot1"
#define ROOT "/im/earshot/Earshot1"
#define PATIENCE_S 120
#define PAUSE_US 1000
#define WINDOW 200
#define PRIVATE "private:"

typedef struct {
  guint client, number;
  char *id;
  guint64 seq;
} Call;

static struct {
  Call *calls;
  guint64 *last_seq; /* by client */
  GHashTable *ids;
  guint answered, errors, strange, disordered, after;
  pid_t pid;
  GDBusConnection **buses; /* by client, as are the next two */
  guint *asked, each, n_clients;
  const char *name, *conversation;
} burst;

static void
give_up (const char *what, const GError *error)
{
  g_printerr ("bench-burst: %s: %s\n", what, error ? error->message : "nothing happened in time");
  exit (1);
}

static gboolean
on_patience (gpointer what)
{
  give_up (what, NULL);
  return G_SOURCE_REMOVE;
}

/* Of earshotd there; NULL at its own socket, where nobody else is. */
static const char *
name_at (const char *address)
{
  return g_str_has_prefix (address, PRIVATE) ? NULL : NAME;
}

static GDBusConnection *
open_bus (const char *address)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *own = name_at (address) ? g_strdup (address) : g_strconcat ("unix:path=", address + strlen (PRIVATE), NULL);
  GDBusConnectionFlags flags = name_at (address) ? G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION : G_DBUS_CONNECTION_FLAGS_NONE;
  GDBusConnection *bus =
    g_dbus_connection_new_for_address_sync (own, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | flags, NULL, NULL, &error);

  if (!bus)
    give_up (own, error);
  return bus;
}

static void on_sent (GObject *source, GAsyncResult *result, gpointer user);

static void
send_next (guint client)
{
  guint number = burst.asked[client]++;
  Call *call = &burst.calls[number * burst.n_clients + client];
  g_autofree char *text = g_strdup_printf ("%u %u", call->client = client, call->number = number);

  g_dbus_connection_call (burst.buses[client], burst.name, ROOT, NAME ".Messages", "Send",
                          g_variant_new ("(os@a{sv})", burst.conversation, text, g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0)),
                          G_VARIANT_TYPE ("(st)"), G_DBUS_CALL_FLAGS_NONE, PATIENCE_S * 1000, NULL, on_sent, call);
}

static void
on_sent (GObject *source, GAsyncResult *result, gpointer user)
{
  Call *call = user;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (burst.asked[call->client] < burst.each)
    send_next (call->client);
  if (burst.answered >= burst.after)
    return;
  if (++burst.answered == burst.after && burst.pid > 0)
    kill (burst.pid, SIGKILL);
  if (!reply) {
    if (burst.errors++ == 0)
      g_printerr ("bench-burst: Send: %s\n", error->message);
    return;
  }
  g_variant_get (reply, "(st)", &call->id, &call->seq);
  burst.strange += !g_hash_table_add (burst.ids, call->id);
  burst.disordered += call->seq <= burst.last_seq[call->client];
  burst.last_seq[call->client] = MAX (burst.last_seq[call->client], call->seq);
}

static void
send_all (const char *address, const char *conversation, guint n_clients, guint each)
{
  guint at_once = name_at (address) ? each : MIN (each, WINDOW);
  gint64 start, asked, end;

  burst.name = name_at (address);
  burst.conversation = conversation;
  burst.n_clients = n_clients;
  burst.each = each;
  burst.ids = g_hash_table_new (g_str_hash, g_str_equal);
  burst.calls = g_new0 (Call, n_clients * each);
  burst.last_seq = g_new0 (guint64, n_clients);
  burst.asked = g_new0 (guint, n_clients);
  burst.buses = g_new0 (GDBusConnection *, n_clients);
  for (guint i = 0; i < n_clients; i++)
    burst.buses[i] = open_bus (address);
  g_timeout_add_seconds (PATIENCE_S, on_patience, (gpointer) "Send");
  start = g_get_monotonic_time ();
  for (guint i = 0; i < n_clients * at_once; i++)
    send_next (i % n_clients);
  asked = g_get_monotonic_time ();
  while (burst.answered < burst.after)
    g_main_context_iteration (NULL, TRUE);
  end = g_get_monotonic_time ();
  g_print ("{\"start\": %" G_GINT64_FORMAT ", \"asked\": %" G_GINT64_FORMAT ", \"end\": %" G_GINT64_FORMAT
           ", \"errors\": %u, \"strange\": %u, \"disordered\": %u}\n",
           start, asked, end, burst.errors, burst.strange, burst.disordered);
  for (guint i = 0; burst.pid > 0 && i < n_clients * each; i++)
    if (burst.calls[i].id)
      g_print ("%u %u %s %" G_GUINT64_FORMAT "\n", burst.calls[i].client, burst.calls[i].number, burst.calls[i].id, burst.calls[i].seq);
}

/* FALSE when nobody is there. */
static gboolean
ask (GDBusConnection *bus, GString *log, const char *word, const char *name, const char *interface, const char *method, GVariant *args)
{
  gint64 start = g_get_monotonic_time ();
  g_autoptr (GVariant) reply =
    g_dbus_connection_call_sync (bus, name, ROOT, interface, method, args, NULL, G_DBUS_CALL_FLAGS_NONE, PATIENCE_S * 1000, NULL, NULL);

  g_string_append_printf (log, "%" G_GINT64_FORMAT " %s %" G_GINT64_FORMAT "\n", start, word, g_get_monotonic_time () - start);
  return reply != NULL;
}

static gboolean
is_wanted (void)
{
  GPollFD in = { STDIN_FILENO, G_IO_IN | G_IO_HUP, 0 };

  return g_poll (&in, 1, 0) == 0;
}

/* Two who talk D-Bus over a pair of sockets: nobody between. */
static GDBusConnection *
open_pair (int fd)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocket) socket = g_socket_new_from_fd (fd, &error);
  g_autoptr (GSocketConnection) stream = socket ? g_socket_connection_factory_create_connection (socket) : NULL;
  GDBusConnection *bus = stream ? g_dbus_connection_new_sync (G_IO_STREAM (stream), NULL, G_DBUS_CONNECTION_FLAGS_NONE, NULL, NULL, &error) : NULL;

  if (!bus)
    give_up ("a pair of sockets", error);
  return bus;
}

/* GDBus answers Peer.Ping by itself, from its thread: a connection of a process of its own is all it takes. */
static void
answer (const char *address, int to)
{
  GDBusConnection *bus = name_at (address) ? open_bus (address) : open_pair (to);
  const char *name = g_dbus_connection_get_unique_name (bus);

  if (name && write (to, name, strlen (name) + 1) < 0)
    exit (1);
  g_main_loop_run (g_main_loop_new (NULL, FALSE));
}

/* On GDBus's thread, before any loop. */
static GDBusMessage *
on_message (GDBusConnection *bus, GDBusMessage *message, gboolean incoming, gpointer user)
{
  static guint64 seq;
  g_autoptr (GDBusMessage) reply = NULL;
  const char *method = g_dbus_message_get_member (message);

  if (!incoming || g_dbus_message_get_message_type (message) != G_DBUS_MESSAGE_TYPE_METHOD_CALL)
    return message;
  reply = g_dbus_message_new_method_reply (message);
  if (g_str_equal (method, "Send")) {
    g_autofree char *id = g_strdup_printf ("%" G_GUINT64_FORMAT, ++seq);
    g_dbus_message_set_body (reply, g_variant_new ("(st)", id, seq));
  } else if (g_str_equal (method, "Get")) {
    g_dbus_message_set_body (reply, g_variant_new ("(v)", g_variant_new_uint64 (seq)));
  }
  g_dbus_connection_send_message (bus, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
  g_object_unref (message);
  return NULL;
}

static void
on_name (GDBusConnection *bus, const char *name, gpointer user)
{
  g_print ("ready\n");
}

static void
take (const char *address)
{
  GDBusConnection *bus = open_bus (address);

  g_dbus_connection_add_filter (bus, on_message, NULL, NULL);
  g_bus_own_name_on_connection (bus, NAME, G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE, on_name, NULL, NULL, NULL);
  g_main_loop_run (g_main_loop_new (NULL, FALSE));
}

static void
ping (const char *address)
{
  const char *name = name_at (address);
  GDBusConnection *bus, *floor_bus;
  g_autoptr (GString) log = g_string_new (NULL);
  char floor[64] = "";
  int names[2];
  pid_t child;

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, names) < 0 || (child = fork ()) < 0)
    exit (1);
  if (child == 0) {
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    answer (address, names[1]);
  }
  close (names[1]);
  if (name && read (names[0], floor, sizeof floor - 1) <= 0)
    exit (1);
  bus = open_bus (address);
  floor_bus = name ? bus : open_pair (names[0]);
  for (guint n = 0; is_wanted (); n++) {
    if (n == 3)
      g_print ("ready\n");
    if (!(n % 3 == 0   ? ask (bus, log, "ping", name, "org.freedesktop.DBus.Peer", "Ping", NULL)
          : n % 3 == 1 ? ask (bus, log, "get", name, "org.freedesktop.DBus.Properties", "Get",
                              g_variant_new ("(ss)", NAME ".Messages", "HeadSeq"))
                       : ask (floor_bus, log, "floor", name ? floor : NULL, "org.freedesktop.DBus.Peer", "Ping", NULL)))
      break;
    g_usleep (PAUSE_US);
  }
  kill (child, SIGKILL);
  g_print ("%s", log->str);
}

int
main (int argc, char **argv)
{
  if ((argc == 6 || argc == 8) && g_str_equal (argv[1], "send")) {
    guint clients = (guint) atoi (argv[4]), each = (guint) atoi (argv[5]);

    burst.pid = argc == 8 ? atoi (argv[6]) : 0;
    burst.after = argc == 8 ? (guint) atoi (argv[7]) : clients * each;
    send_all (argv[2], argv[3], clients, each);
  } else if (argc == 3 && g_str_equal (argv[1], "take")) {
    take (argv[2]);
  } else if (argc == 3 && g_str_equal (argv[1], "ping")) {
    ping (argv[2]);
  } else {
    g_printerr ("usage: bench-burst send BUS CONVERSATION CLIENTS EACH [PID AFTER] | take BUS | ping BUS\n");
    return 2;
  }
  return 0;
}
