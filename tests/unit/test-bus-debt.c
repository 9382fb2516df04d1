/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who does not read what he is sent is cut, whatever he does instead; who reads slowly is not.
 */
#include "earshot-config.h"

#include <errno.h>
#include <gio/gio.h>
#include <malloc.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/bus/bus-debt.h"

#define SIGNALS 20000
#define PATIENCE_MS 1000

typedef struct {
  GDBusConnection *connection;   /* ours */
  BusDebt *debt;
  int fd;                        /* theirs: no D-Bus library reads behind our back */
  gboolean closed;
} Fixture;

static void
on_closed (GDBusConnection *connection, gboolean vanished, GError *error, gpointer user)
{
  *(gboolean *) user = TRUE;
}

static void
open_pair (Fixture *f, guint patience_ms)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocket) socket = NULL;
  g_autoptr (GSocketConnection) stream = NULL;
  int pair[2];

  f->closed = FALSE;
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
  f->fd = pair[1];
  socket = g_socket_new_from_fd (pair[0], &error);
  g_assert_no_error (error);
  stream = g_socket_connection_factory_create_connection (socket);
  f->connection = g_dbus_connection_new_sync (G_IO_STREAM (stream), NULL, G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING, NULL, NULL, &error);
  g_assert_no_error (error);
  g_dbus_connection_set_exit_on_close (f->connection, FALSE);
  g_signal_connect (f->connection, "closed", G_CALLBACK (on_closed), &f->closed);
  f->debt = bus_debt_new (f->connection, patience_ms);
  g_assert_nonnull (f->debt);
  g_dbus_connection_start_message_processing (f->connection);
}

static void
close_pair (Fixture *f)
{
  if (!f->closed)
    g_dbus_connection_close (f->connection, NULL, NULL, NULL);
  while (!f->closed)
    g_main_context_iteration (NULL, TRUE);
  bus_debt_free (f->debt);
  g_object_unref (f->connection);
  close (f->fd);
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* Returns its size: about 200 bytes. */
static gsize
tell (Fixture *f)
{
  g_autoptr (GDBusMessage) message = g_dbus_message_new_signal ("/im/earshot/Earshot1", "im.earshot.Earshot1.Messages", "Appended");
  g_autofree guchar *blob = NULL;
  gsize size = 0;

  g_dbus_message_set_body (message, g_variant_new ("(tso)", (guint64) 1, "message", "/im/earshot/Earshot1/contact/7"));
  g_dbus_connection_send_message (f->connection, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
  blob = g_dbus_message_to_blob (message, &size, G_DBUS_CAPABILITY_FLAGS_NONE, NULL);
  return size;
}

static gboolean
on_time (gpointer user)
{
  *(gboolean *) user = TRUE;
  return G_SOURCE_REMOVE;
}

static void
run_for (guint ms)
{
  gboolean over = FALSE;

  g_timeout_add (ms, on_time, &over);
  while (!over)
    g_main_context_iteration (NULL, TRUE);
}

static gsize
drain (Fixture *f, gsize most)
{
  char buffer[65536];
  gssize n = recv (f->fd, buffer, MIN (most, sizeof buffer), MSG_DONTWAIT);

  return n > 0 ? (gsize) n : 0;
}

static void
test_stops_reading_while_much_is_told (void)
{
  Fixture deaf, other;
  gsize said = 0, heard = 0, before = mallinfo2 ().uordblks, most = 0;
  guint told = 0;

  open_pair (&deaf, BUS_DEBT_PATIENCE_MS);
  open_pair (&other, BUS_DEBT_PATIENCE_MS);
  for (guint i = 0; i < SIGNALS; i++)
    {
      if (!deaf.closed)
        {
          tell (&deaf);
          told++;
        }
      said += tell (&other);
      if (i % 50 == 49)
        {
          g_main_context_iteration (NULL, FALSE);
          for (gsize n; (n = drain (&other, 65536)) > 0;)
            heard += n;
        }
      if (i % 2000 == 1999)
        most = MAX (most, mallinfo2 ().uordblks);
      /* As fast as the other reads, not faster: it is not he who is tested, and GDBus' thread may get no processor for long. */
      while (i % 1000 == 999 && heard < said && !other.closed)
        {
          struct pollfd come = { .fd = other.fd, .events = POLLIN };

          g_main_context_iteration (NULL, FALSE);
          poll (&come, 1, 20);
          heard += drain (&other, 65536);
        }
    }
  g_assert_false (other.closed);
  g_assert_true (deaf.closed);
  g_assert_cmpstr (bus_debt_get_reason (deaf.debt), ==, "it has too much to read");
  /* What fits into the socket, what may wait, and what was told until the loop said that it is closed. */
  g_assert_cmpuint (told, <, 2 * BUS_DEBT_MESSAGES);
  g_test_message ("cut after %u signals; memory grew by %" G_GSIZE_FORMAT " KiB", told, (MAX (most, before) - before) / 1024);
  g_assert_cmpuint (MAX (most, before) - before, <, 32 * 1024 * 1024);
  g_assert_null (bus_debt_get_reason (other.debt));
  close_pair (&deaf);
  close_pair (&other);
}

static void
test_takes_nothing_for_long (void)
{
  Fixture f;

  open_pair (&f, PATIENCE_MS);
  for (guint i = 0; i < 3000; i++)
    tell (&f);
  while (!f.closed)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (bus_debt_get_reason (f.debt), ==, "it does not read what it is sent");
  close_pair (&f);
}

/* One large message and others behind it: for long no message is finished, but bytes are. */
static void
test_reads_slowly (void)
{
  g_autofree char *text = g_strnfill (2 * 1024 * 1024, 'x');
  Fixture f;
  gsize heard = 0;

  open_pair (&f, PATIENCE_MS);
  g_dbus_connection_emit_signal (f.connection, NULL, "/a", "a.b", "C", g_variant_new ("(s)", text), NULL);
  for (guint i = 0; i < 100; i++)
    tell (&f);
  for (guint i = 0; i < 10; i++)
    {
      run_for (PATIENCE_MS / 5);
      heard += drain (&f, 50000 + 1000 * i);
      g_assert_false (f.closed);
    }
  g_assert_null (bus_debt_get_reason (f.debt));
  while (heard < strlen (text) + 100 * 150 && !f.closed)
    {
      g_main_context_iteration (NULL, FALSE);
      heard += drain (&f, 65536);
    }
  g_assert_false (f.closed);
  close_pair (&f);
}

/* Nothing waits: silence is no fault. */
static void
test_has_read_all_and_is_silent (void)
{
  Fixture f;

  open_pair (&f, PATIENCE_MS);
  for (guint i = 0; i < 10; i++)
    tell (&f);
  run_for (3 * PATIENCE_MS);
  g_assert_false (f.closed);
  close_pair (&f);
}

/* --- calls ---------------------------------------------------------------------------------------------------------- */

/* Never answers. */
static void
on_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *method, GVariant *parameters,
         GDBusMethodInvocation *invocation, gpointer user)
{
  if (g_str_equal (method, "Answer"))
    g_dbus_method_invocation_return_value (invocation, NULL);
  else
    g_ptr_array_add (user, invocation);
}

static guint
register_object (Fixture *f, GPtrArray *kept)
{
  static const GDBusInterfaceVTable vtable = { on_call, NULL, NULL, { NULL } };
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml ("<node><interface name='a.b'><method name='Answer'/><method name='Keep'/></interface></node>", NULL);
  guint id = g_dbus_connection_register_object (f->connection, "/a", node->interfaces[0], &vtable, kept, NULL, NULL);

  g_assert_cmpuint (id, !=, 0);
  return id;
}

static void
ask (Fixture *f, const char *method, guint32 serial, GDBusMessageFlags flags)
{
  g_autoptr (GDBusMessage) message = g_dbus_message_new_method_call (NULL, "/a", "a.b", method);
  g_autofree guchar *blob = NULL;
  gsize size;

  g_dbus_message_set_serial (message, serial);
  g_dbus_message_set_flags (message, flags);
  blob = g_dbus_message_to_blob (message, &size, G_DBUS_CAPABILITY_FLAGS_NONE, NULL);
  /* Cut meanwhile: an error, and no SIGPIPE. */
  send (f->fd, blob, size, MSG_NOSIGNAL);
}

static void
abandon (gpointer invocation)
{
  g_dbus_method_invocation_return_value (invocation, NULL);
}

static void
play_calls (const char *method, guint n, guint32 step, const char *reason)
{
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func (abandon);
  Fixture f;
  guint id;

  open_pair (&f, BUS_DEBT_PATIENCE_MS);
  id = register_object (&f, kept);
  for (guint i = 0; i < n && !f.closed; i++)
    {
      ask (&f, method, 1 + step * i, G_DBUS_MESSAGE_FLAGS_NONE);
      g_main_context_iteration (NULL, FALSE);
      if (reason == NULL)
        while (drain (&f, 65536) == 0 && !f.closed)
          g_main_context_iteration (NULL, FALSE);
    }
  while (reason != NULL && !f.closed)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (bus_debt_get_reason (f.debt), ==, reason);
  g_assert_cmpuint (kept->len, <=, BUS_DEBT_CALLS);
  g_ptr_array_set_size (kept, 0);
  g_dbus_connection_unregister_object (f.connection, id);
  close_pair (&f);
}

static void
test_calls_without_end (void)
{
  play_calls ("Keep", 2 * BUS_DEBT_CALLS, 1, "too many calls before their answers were read");
}

static void
test_one_number_for_all_calls (void)
{
  play_calls ("Keep", 10, 0, "two calls of one number");
}

static void
test_many_calls_one_after_the_other (void)
{
  play_calls ("Answer", 4 * BUS_DEBT_CALLS, 1, NULL);
}

/* Answers that nobody asked for must not pay for calls that wait. */
static void
test_buys_room_with_calls_that_want_no_answer (void)
{
  g_autoptr (GPtrArray) kept = g_ptr_array_new_with_free_func (abandon);
  Fixture f;
  guint id;

  open_pair (&f, BUS_DEBT_PATIENCE_MS);
  id = register_object (&f, kept);
  for (guint i = 0; i < 2 * BUS_DEBT_CALLS && !f.closed; i++)
    {
      ask (&f, "Keep", 1 + 2 * i, G_DBUS_MESSAGE_FLAGS_NONE);
      ask (&f, "Nothing", 2 + 2 * i, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
      g_main_context_iteration (NULL, FALSE);
      drain (&f, 65536);
    }
  while (!f.closed)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (kept->len, <=, BUS_DEBT_CALLS);
  g_ptr_array_set_size (kept, 0);
  g_dbus_connection_unregister_object (f.connection, id);
  close_pair (&f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
  g_test_add_func ("/bus-debt/stops-reading", test_stops_reading_while_much_is_told);
  g_test_add_func ("/bus-debt/takes-nothing", test_takes_nothing_for_long);
  g_test_add_func ("/bus-debt/reads-slowly", test_reads_slowly);
  g_test_add_func ("/bus-debt/has-read-all", test_has_read_all_and_is_silent);
  g_test_add_func ("/bus-debt/calls-without-end", test_calls_without_end);
  g_test_add_func ("/bus-debt/one-number", test_one_number_for_all_calls);
  g_test_add_func ("/bus-debt/one-after-the-other", test_many_calls_one_after_the_other);
  g_test_add_func ("/bus-debt/buys-room", test_buys_room_with_calls_that_want_no_answer);
  return g_test_run ();
}
