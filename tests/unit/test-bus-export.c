/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Exports: nobody holds more than his slot, and nobody holds it for nothing.
 */
#include "earshot-config.h"

#include "tests/unit/bus-fixture.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/error.h"
#include "daemon/bus/bus-pour.h"

/* --- slots ---------------------------------------------------------------------------------------------------------- */

static void
on_exported (GObject *source, GAsyncResult *result, gpointer user)
{
  Reply *reply = user;

  reply->reply = g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source), NULL, result, &reply->error);
  reply->done = TRUE;
}

static void
export (Fixture *f, GDBusConnection *from, Reply *reply)
{
  int fd = open ("/dev/null", O_WRONLY | O_CLOEXEC);
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new_from_array (&fd, 1);

  *reply = (Reply){ FALSE };
  g_dbus_connection_call_with_unix_fd_list (from, g_dbus_connection_get_unique_name (f->ours), ROOT, I ("Messages"), "Export",
                                            g_variant_new ("(ha{sv})", 0, NULL), NULL, G_DBUS_CALL_FLAGS_NONE, 30000, fds, NULL, on_exported, reply);
}

/* So many are asked of the rooms. */
static void
wait_walks (guint n)
{
  for (guint found = 0; found < n;)
    {
      found = 0;
      for (const char *p = fake.calls->str; (p = strstr (p, "walk ")) != NULL; p++)
        found++;
      if (found < n)
        g_main_context_iteration (NULL, TRUE);
    }
}

static void
expect_refused (Reply *reply)
{
  g_autofree char *remote = NULL;

  wait_for (&reply->done);
  g_assert_nonnull (reply->error);
  remote = g_dbus_error_get_remote_error (reply->error);
  g_assert_cmpstr (remote, ==, EARSHOT_ERROR_PREFIX "QuotaExceeded");
  g_clear_error (&reply->error);
}

static void
expect_done (Reply *reply)
{
  wait_for (&reply->done);
  g_assert_no_error (reply->error);
  g_clear_pointer (&reply->reply, g_variant_unref);
}

static void
leave (GDBusConnection *connection)
{
  g_dbus_connection_close_sync (connection, NULL, NULL);
  g_object_unref (connection);
}

static void
test_holds_all_slots (Fixture *f, gconstpointer data)
{
  GDBusConnection *second = connect_bus (f), *third = connect_bus (f);
  Reply one, greedy, two, three;

  fake.mute = TRUE;
  g_string_truncate (fake.calls, 0);
  export (f, f->theirs, &one);
  wait_walks (1);
  export (f, f->theirs, &greedy);
  expect_refused (&greedy);
  export (f, second, &two);
  wait_walks (2);
  export (f, third, &three);
  expect_refused (&three);
  fake.mute = FALSE;
  fake_release ();
  expect_done (&one);
  expect_done (&two);
  /* And again: what ended holds nothing. */
  export (f, third, &three);
  expect_done (&three);
  export (f, f->theirs, &one);
  expect_done (&one);
  leave (second);
  leave (third);
}

/* --- readers -------------------------------------------------------------------------------------------------------- */

typedef struct {
  int fd;
  gsize length;
  guint patience_ms;
  GError *error;
  gint over;               /* atomic */
} Pouring;

static gpointer
pour (gpointer user)
{
  Pouring *pouring = user;
  g_autofree char *text = g_strnfill (pouring->length, 'x');
  BusPour state = { .patience_ms = pouring->patience_ms };

  if (!bus_pour (&state, pouring->fd, text, pouring->length, &pouring->error))
    g_assert_nonnull (pouring->error);
  close (pouring->fd);
  g_atomic_int_set (&pouring->over, TRUE);
  return NULL;
}

/* Takes `portion` every `every_ms`, 0 = nothing. Returns how much came. */
static gsize
play (gsize length, guint patience_ms, gsize portion, guint every_ms, GError **error)
{
  g_autofree char *buffer = g_malloc (portion + 1);
  Pouring pouring = { .length = length, .patience_ms = patience_ms };
  gsize taken = 0;
  gssize n = 1;
  GThread *thread;
  int fds[2];

  g_assert_cmpint (pipe2 (fds, O_CLOEXEC), ==, 0);
  pouring.fd = fds[1];
  thread = g_thread_new ("pour", pour, &pouring);
  while (n > 0 && (portion > 0 || !g_atomic_int_get (&pouring.over)))
    {
      n = portion > 0 ? read (fds[0], buffer, portion) : 1;
      taken += portion > 0 ? (gsize) MAX (n, 0) : 0;
      g_usleep (every_ms * 1000);
    }
  g_thread_join (thread);
  close (fds[0]);
  if (pouring.error != NULL)
    g_propagate_error (error, pouring.error);
  return taken;
}

static void
test_takes_nothing (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (play (1024 * 1024, 200, 0, 5, &error), ==, 0);
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_TIMEOUT);
}

static void
test_takes_a_little_now_and_then (void)
{
  g_autoptr (GError) error = NULL;

  /* 4 KiB in 30 ms are 27 KiB in 200 ms. A slow machine takes even less. */
  g_assert_cmpuint (play (4 * 1024 * 1024, 200, 4096, 30, &error), <, 1024 * 1024);
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_TIMEOUT);
}

static void
test_takes_its_time (void)
{
  g_autoptr (GError) error = NULL;

  /* Longer than patience in all. */
  g_assert_cmpuint (play (2 * 1024 * 1024, 2000, 16384, 20, &error), ==, 2 * 1024 * 1024);
  g_assert_no_error (error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/bus-export/holds-all-slots", test_holds_all_slots);
  g_test_add_func ("/bus-export/takes-nothing", test_takes_nothing);
  g_test_add_func ("/bus-export/a-little-now-and-then", test_takes_a_little_now_and_then);
  g_test_add_func ("/bus-export/takes-its-time", test_takes_its_time);
  return g_test_run ();
}
