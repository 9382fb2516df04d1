/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "tests/unit/bus-fixture.h"

#include <string.h>

GDBusConnection *
connect_bus (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (
    g_test_dbus_get_bus_address (f->bus),
    G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL, &error);

  g_assert_no_error (error);
  return connection;
}

static void
on_signal (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *member,
           GVariant *parameters, gpointer user)
{
  g_autofree char *text = g_variant_print (parameters, FALSE);

  g_ptr_array_add (user, g_strdup_printf ("%s %s %s", member, path, text));
}

void
bus_setup (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (f->bus);
  f->ours = connect_bus (f);
  f->theirs = connect_bus (f);
  f->signals = g_ptr_array_new_with_free_func (g_free);
  fake_setup (&f->rooms);
  fake.selector_matches = (char *) "1";
  fake_add_key (fake_add_contact (7, TRUE), 1);
  fake_add_request (3, fake.keys->pdata[0], "new-key");
  f->front = front_new (&f->rooms);
  f->window = window_open (f->front, f->ours, &error);
  g_assert_no_error (error);
  f->subscription = g_dbus_connection_signal_subscribe (f->theirs, g_dbus_connection_get_unique_name (f->ours), NULL, NULL, NULL,
                                                        NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, f->signals, NULL);
}

void
settle (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

void
bus_teardown (Fixture *f, gconstpointer data)
{
  g_clear_pointer (&f->front, front_free);
  f->window = NULL;
  settle ();
  g_dbus_connection_signal_unsubscribe (f->theirs, f->subscription);
  g_dbus_connection_close_sync (f->theirs, NULL, NULL);
  g_dbus_connection_close_sync (f->ours, NULL, NULL);
  settle ();
  g_object_unref (f->theirs);
  g_object_unref (f->ours);
  fake_teardown ();
  g_ptr_array_unref (f->signals);
  g_test_dbus_down (f->bus);
  g_object_unref (f->bus);
}

static void
on_reply (GObject *source, GAsyncResult *result, gpointer user)
{
  Reply *reply = user;

  reply->reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &reply->error);
  reply->done = TRUE;
}

void
start (Fixture *f, GDBusConnection *from, const char *path, const char *interface, const char *method, GVariant *args, Reply *reply)
{
  memset (reply, 0, sizeof *reply);
  g_dbus_connection_call (from, g_dbus_connection_get_unique_name (f->ours), path, interface, method, args, NULL,
                          G_DBUS_CALL_FLAGS_NONE, 30000, NULL, on_reply, reply);
}

void
wait_for (const gboolean *flag)
{
  while (!*flag)
    g_main_context_iteration (NULL, TRUE);
}

GVariant *
call (Fixture *f, const char *path, const char *interface, const char *method, GVariant *args, char **name)
{
  Reply reply;
  g_autofree char *remote = NULL;

  start (f, f->theirs, path, interface, method, args, &reply);
  wait_for (&reply.done);
  *name = NULL;
  if (reply.error == NULL)
    return reply.reply;
  remote = g_dbus_error_get_remote_error (reply.error);
  *name = g_strdup (g_str_has_prefix (remote, EARSHOT_ERROR_PREFIX) ? remote + strlen (EARSHOT_ERROR_PREFIX) : remote);
  for (const char *p = reply.error->message; *p != '\0'; p++)
    g_assert_cmpint ((guchar) *p, >=, 0x20);
  g_error_free (reply.error);
  return NULL;
}

GVariant *
call_ok (Fixture *f, const char *path, const char *interface, const char *method, GVariant *args)
{
  g_autofree char *name = NULL;
  GVariant *reply = call (f, path, interface, method, args, &name);

  g_assert_cmpstr (name, ==, NULL);
  return reply;
}

guint
count_signals (Fixture *f, const char *prefix)
{
  guint n = 0;

  for (guint i = 0; i < f->signals->len; i++)
    if (g_str_has_prefix (f->signals->pdata[i], prefix))
      n++;
  return n;
}

void
sync_signals (Fixture *f)
{
  g_autoptr (GVariant) reply = NULL;

  settle ();
  reply = call_ok (f, ROOT, PROPS, "Get", g_variant_new ("(ss)", I ("Manager"), "Version"));
  settle ();
}
