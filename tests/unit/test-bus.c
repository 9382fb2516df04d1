/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The window on a private bus, in front of cardboard rooms (fake-rooms.c). A refusal is tested twice: the error's name,
 * and that no room was asked.
 */
#include "earshot-config.h"

#include "tests/unit/fake-rooms.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/names.h"
#include "daemon/bus/bus-access.h"
#include "dbus/earshot-dbus.h"

#define ROOT EARSHOT_BUS_ROOT
#define C7 ROOT "/contact/7"
#define K1 ROOT "/key/" HEX1
#define R3 ROOT "/request/3"
#define HEX1 "0101010101010101010101010101010101010101010101010101010101010101"
#define HEX2 "0202020202020202020202020202020202020202020202020202020202020202"
#define I(name) EARSHOT_BUS_NAME "." name
#define PROPS "org.freedesktop.DBus.Properties"

static const char *program;

typedef struct {
  GTestDBus *bus;
  GDBusConnection *ours, *theirs;
  Rooms rooms;
  Window *window;
  GPtrArray *signals;      /* "member path args" */
  guint subscription;
} Fixture;

static GDBusConnection *
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

static void
setup (Fixture *f, gconstpointer data)
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
  f->window = window_new (f->ours, &f->rooms, &error);
  g_assert_no_error (error);
  f->subscription = g_dbus_connection_signal_subscribe (f->theirs, g_dbus_connection_get_unique_name (f->ours), NULL, NULL, NULL,
                                                        NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, f->signals, NULL);
}

static void
settle (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static void
teardown (Fixture *f, gconstpointer data)
{
  g_clear_pointer (&f->window, window_free);
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

/* --- calling --------------------------------------------------------------------------------------------------- */

typedef struct {
  gboolean done;
  GVariant *reply;
  GError *error;
} Reply;

static void
on_reply (GObject *source, GAsyncResult *result, gpointer user)
{
  Reply *reply = user;

  reply->reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &reply->error);
  reply->done = TRUE;
}

static void
start (Fixture *f, GDBusConnection *from, const char *path, const char *interface, const char *method, GVariant *args, Reply *reply)
{
  memset (reply, 0, sizeof *reply);
  g_dbus_connection_call (from, g_dbus_connection_get_unique_name (f->ours), path, interface, method, args, NULL,
                          G_DBUS_CALL_FLAGS_NONE, 30000, NULL, on_reply, reply);
}

static void
wait_for (const gboolean *flag)
{
  while (!*flag)
    g_main_context_iteration (NULL, TRUE);
}

/* The error's short name in `name`, or the reply. */
static GVariant *
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

static GVariant *
call_ok (Fixture *f, const char *path, const char *interface, const char *method, GVariant *args)
{
  g_autofree char *name = NULL;
  GVariant *reply = call (f, path, interface, method, args, &name);

  g_assert_cmpstr (name, ==, NULL);
  return reply;
}

typedef struct {
  const char *path, *interface, *method, *args;
  const char *expected;    /* error name, or the first line the rooms got */
} Case;

static void
run_case (Fixture *f, const Case *c, gboolean refusal)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) args = g_variant_parse (NULL, c->args, NULL, NULL, &error);
  g_autoptr (GVariant) reply = NULL;
  g_autofree char *name = NULL;

  g_test_message ("%s %s %s", c->path, c->method, c->args);
  g_assert_no_error (error);
  g_string_truncate (fake.calls, 0);
  reply = call (f, c->path, c->interface, c->method, args, &name);
  if (refusal) {
    g_assert_cmpstr (name, ==, c->expected);
    g_assert_cmpstr (fake.calls->str, ==, "");
  } else {
    g_autofree char *line = g_strndup (fake.calls->str, strcspn (fake.calls->str, "\n"));

    g_assert_cmpstr (name, ==, NULL);
    g_assert_cmpstr (line, ==, c->expected);
  }
}

/* --- methods --------------------------------------------------------------------------------------------------- */

static const Case good[] = {
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'hi\\tthere', @a{sv} {})", "send 7 hi\tthere encrypted -" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'hi', {'token': <'t'>, 'require': <'verified'>, 'receipt': <true>})",
    "send 7 hi verified t" },
  { ROOT, I ("Messages"), "Fetch", "('cli', uint32 0, @a{sv} {})", "fetch cli 1000 0 -" },
  { ROOT, I ("Messages"), "Fetch", "('cli', uint32 5000, {'conversation': <objectpath '" C7 "'>, 'kinds': <['message']>})",
    "fetch cli 1000 7 message" },
  { ROOT, I ("Messages"), "Fetch", "('cli', uint32 5, {'conversation': <objectpath '/'>})", "fetch cli 5 0 -" },
  { ROOT, I ("Messages"), "List", "(objectpath '/', uint64 0, uint32 10, {'kinds': <['state']>})", "list 0 0 10 state" },
  { ROOT, I ("Messages"), "List", "(objectpath '" C7 "', uint64 9, uint32 10, @a{sv} {})", "list 7 9 10 -" },
  { ROOT, I ("Messages"), "Ack", "('cli', uint64 100)", "ack cli 100" },
  { ROOT, I ("Messages"), "CreateConsumer", "('cli', {'from_start': <true>})", "create cli 1" },
  { ROOT, I ("Messages"), "DeleteConsumer", "('cli',)", "delete-consumer cli" },
  { ROOT, I ("Messages"), "ListConsumers", "()", "" },
  { ROOT, I ("Messages"), "Get", "('m1',)", "get m1" },
  { ROOT, I ("Messages"), "Cancel", "('m1',)", "cancel m1" },
  { ROOT, I ("Messages"), "Retry", "('m1',)", "retry m1" },
  { ROOT, I ("Messages"), "Delete", "(['m1'], @a{sv} {})", "cancel m1" },
  { ROOT, I ("Manager"), "SetProfile", "({'first': <'Ann'>},)", "profile first Ann" },
  { ROOT, I ("Manager"), "FindContact", "('ann',)", "select ann" },
  { ROOT, I ("Manager"), "AddContact", "('ann', '" HEX2 "', ['[fe80::1%wlan0]:5298', 'host.local:1'], @a{sv} {})",
    "add-contact ann 02" },
  { ROOT, I ("Network"), "Rescan", "()", "rescan" },
  { ROOT, I ("Network"), "AddStatic", "('192.0.2.7:5298',)", "add-static 192.0.2.7:5298" },
  { ROOT, I ("Network"), "RemoveStatic", "('192.0.2.7:5298',)", "remove-static 192.0.2.7:5298" },
  { ROOT, I ("Network"), "ListStatic", "()", "" },
  { ROOT, I ("Network"), "Probe", "('host.local:5298', uint32 0)", "probe host.local:5298 10000" },
  { C7, I ("Contact"), "Connect", "(@a{sv} {},)", "connect 7" },
  { C7, I ("Contact"), "Disconnect", "()", "disconnect 7" },
  { C7, I ("Contact"), "Forget", "(@a{sv} {},)", "forget 7" },
  { C7, I ("Conversation"), "MarkRead", "(uint64 100,)", "read 7 100" },
  { C7, I ("Conversation"), "SetTyping", "(true,)", "typing 7 1" },
  { K1, I ("Key"), "Accept", "('" HEX1 "', @a{sv} {})", "accept 01 user" },
  { K1, I ("Key"), "Revoke", "('" HEX1 "', 'lost')", "revoke 01 lost" },
  { R3, I ("Request"), "Resolve", "('accept', {'fingerprint': <'" HEX1 "'>, 'petname': <'ann'>, 'release': <true>})",
    "resolve 3 accept fp ann 1" },
  { R3, I ("Request"), "Resolve", "('reject', @a{sv} {})", "resolve 3 reject - - 0" },
  { R3, I ("Request"), "Snooze", "(int64 0,)", "snooze 3" },
};

static void
test_methods (Fixture *f, gconstpointer data)
{
  g_ptr_array_add (fake.entries, fake_entry (5, 7, "m1", 10));
  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    run_case (f, &good[i], FALSE);
}

static const Case bad[] = {
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', '', @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'a\\u0001b', @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'a\\uffffb', @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'x', {'requier': <'verified'>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'x', {'require': <true>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'x', {'require': <'maximum'>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'x', {'receipt': <false>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'x', {'expires': <int64 5>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'x', {'expires': <int64 -5>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'x', {'token': <''>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'x', {'thread': <'a\\nb'>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Send", "(objectpath '/', 'x', @a{sv} {})", "NotFound" },
  { ROOT, I ("Messages"), "Send", "(objectpath '/etc/passwd', 'x', @a{sv} {})", "NotFound" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "7', 'x', @a{sv} {})", "NotFound" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" ROOT "/contact/07', 'x', @a{sv} {})", "NotFound" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" ROOT "/contact/4294967303', 'x', @a{sv} {})", "NotFound" },
  { ROOT, I ("Messages"), "Send", "(objectpath '" K1 "', 'x', @a{sv} {})", "NotFound" },
  { ROOT, I ("Messages"), "Fetch", "('', uint32 0, @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Fetch", "('a/b', uint32 0, @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Fetch", "('cli', uint32 0, {'kinds': <['gossip']>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Fetch", "('cli', uint32 0, {'kinds': <'message'>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Fetch", "('cli', uint32 0, {'conversation': <'" C7 "'>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Fetch", "('cli', uint32 0, {'conversation': <objectpath '" ROOT "/contact/9'>})", "NotFound" },
  { ROOT, I ("Messages"), "Fetch", "('cli', uint32 0, {'since': <int64 0>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "List", "(objectpath '" C7 "', uint64 0, uint32 0, {'conversation': <objectpath '/'>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "List", "(objectpath '/x', uint64 0, uint32 0, @a{sv} {})", "NotFound" },
  { ROOT, I ("Messages"), "Ack", "('cli', uint64 101)", "InvalidArgument" },
  { ROOT, I ("Messages"), "CreateConsumer", "('a b', @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "CreateConsumer", "('cli', {'start': <true>})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Get", "('',)", "InvalidArgument" },
  { ROOT, I ("Messages"), "Get", "('a\\nb',)", "InvalidArgument" },
  { ROOT, I ("Messages"), "Delete", "(@as [], @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Delete", "(['m1', ''], @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Messages"), "Delete", "(['m1'], {'force': <true>})", "InvalidArgument" },
  { ROOT, I ("Manager"), "SetProfile", "({'shoe': <'44'>},)", "InvalidArgument" },
  { ROOT, I ("Manager"), "SetProfile", "({'first': <'a'>, 'last': <'b\\u0007'>},)", "InvalidArgument" },
  { ROOT, I ("Manager"), "FindContact", "('',)", "InvalidArgument" },
  { ROOT, I ("Manager"), "AddContact", "('ann', 'abc', @as [], @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Manager"), "AddContact", "('a\\nb', '" HEX2 "', @as [], @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Manager"), "AddContact", "('ann', '" HEX2 "', ['nowhere'], @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Manager"), "AddContact", "('ann', '" HEX2 "', @as [], {'verified': <true>})", "InvalidArgument" },
  { ROOT, I ("Manager"), "AddContact",
    "('me', 'ee00000000000000000000000000000000000000000000000000000000000000', @as [], @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Manager"), "RegisterAgent", "(objectpath '/a', 'silent', @a{sv} {})", "InvalidArgument" },
  { ROOT, I ("Manager"), "RegisterAgent", "(objectpath '/a', 'interactive', {'x': <1>})", "InvalidArgument" },
  { ROOT, I ("Manager"), "UnregisterAgent", "(objectpath '/a',)", "NotFound" },
  { ROOT, I ("Network"), "AddStatic", "('',)", "InvalidArgument" },
  { ROOT, I ("Network"), "AddStatic", "('host.local',)", "InvalidArgument" },
  { ROOT, I ("Network"), "AddStatic", "('host.local:0',)", "InvalidArgument" },
  { ROOT, I ("Network"), "AddStatic", "('host.local:65536',)", "InvalidArgument" },
  { ROOT, I ("Network"), "AddStatic", "('fe80::1:5298',)", "InvalidArgument" },
  { ROOT, I ("Network"), "AddStatic", "('[fe80::1%]:5298',)", "InvalidArgument" },
  { ROOT, I ("Network"), "AddStatic", "('[fe80::1%../x]:5298',)", "InvalidArgument" },
  { ROOT, I ("Network"), "AddStatic", "('[192.0.2.7]:5298',)", "InvalidArgument" },
  { ROOT, I ("Network"), "AddStatic", "('a b:5298',)", "InvalidArgument" },
  { ROOT, I ("Network"), "Probe", "('host.local:5298', uint32 60001)", "InvalidArgument" },
  { C7, I ("Contact"), "Connect", "({'now': <true>},)", "InvalidArgument" },
  { C7, I ("Contact"), "Forget", "({'sure': <true>},)", "InvalidArgument" },
  { C7, I ("Contact"), "Ping", "(uint32 60001,)", "InvalidArgument" },
  { C7, I ("Contact"), "Ping", "(uint32 0,)", "NotReachable" },
  { C7, I ("Conversation"), "MarkRead", "(uint64 101,)", "InvalidArgument" },
  { K1, I ("Key"), "Accept", "('" HEX2 "', @a{sv} {})", "Mismatch" },
  { K1, I ("Key"), "Accept", "('', @a{sv} {})", "InvalidArgument" },
  { K1, I ("Key"), "Accept", "('" HEX1 "', {'level': <'verified'>})", "InvalidArgument" },
  { K1, I ("Key"), "Revoke", "('" HEX2 "', '')", "Mismatch" },
  { K1, I ("Key"), "Revoke", "('" HEX1 "', 'a\\u001bb')", "InvalidArgument" },
  { R3, I ("Request"), "Resolve", "('trust-me', @a{sv} {})", "InvalidArgument" },
  { R3, I ("Request"), "Resolve", "('accept', {'fingerprint': <'" HEX2 "'>})", "Mismatch" },
  { R3, I ("Request"), "Resolve", "('accept', {'fingerprint': <'zz'>})", "InvalidArgument" },
  { R3, I ("Request"), "Resolve", "('accept', {'fingerprnt': <'" HEX1 "'>})", "InvalidArgument" },
  { R3, I ("Request"), "Snooze", "(int64 -1,)", "InvalidArgument" },
  { R3, I ("Request"), "Snooze", "(int64 9223372036854775807,)", "InvalidArgument" },
  { ROOT "/contact/8", I ("Contact"), "Disconnect", "()", "NotFound" },
  { ROOT "/contact/8", PROPS, "Get", "('" I ("Contact") "', 'Petname')", "NotFound" },
  { ROOT "/key/" HEX2, I ("Key"), "Revoke", "('" HEX2 "', '')", "NotFound" },
  { ROOT "/request/99", I ("Request"), "Snooze", "(int64 0,)", "NotFound" },
};

static void
test_refusals (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    run_case (f, &bad[i], TRUE);
}

static void
test_refusal_sizes (Fixture *f, gconstpointer data)
{
  g_autofree char *body = g_strnfill (DELIVERY_BODY_MAX + 1, 'x');
  g_autofree char *token = g_strnfill (129, 't');
  g_autofree char *name = NULL;
  g_autofree char *second = NULL;
  g_autofree char *third = NULL;
  GVariantBuilder options;

  g_assert_null (call (f, ROOT, I ("Messages"), "Send", g_variant_new ("(osa{sv})", C7, body, NULL), &name));
  g_assert_cmpstr (name, ==, "TooLarge");
  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&options, "{sv}", "token", g_variant_new_string (token));
  g_assert_null (call (f, ROOT, I ("Messages"), "Send", g_variant_new ("(osa{sv})", C7, "x", &options), &second));
  g_assert_cmpstr (second, ==, "InvalidArgument");
  /* The same key twice: neither value may win silently. */
  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&options, "{sv}", "require", g_variant_new_string ("verified"));
  g_variant_builder_add (&options, "{sv}", "require", g_variant_new_string ("encrypted"));
  g_assert_null (call (f, ROOT, I ("Messages"), "Send", g_variant_new ("(osa{sv})", C7, "x", &options), &third));
  g_assert_cmpstr (third, ==, "InvalidArgument");
  g_assert_cmpstr (fake.calls->str, ==, "");
}

static void
test_room_errors (Fixture *f, gconstpointer data)
{
  for (int code = 0; code < EARSHOT_ERROR_N; code++) {
    g_autofree char *name = NULL;
    g_autofree char *other = NULL;

    fake.error = code;
    g_assert_null (call (f, ROOT, I ("Messages"), "Send", g_variant_new ("(osa{sv})", C7, "x", NULL), &name));
    g_assert_cmpstr (name, ==, earshot_error_name (code));
    g_assert_null (call (f, K1, I ("Key"), "Accept", g_variant_new ("(sa{sv})", HEX1, NULL), &other));
    g_assert_cmpstr (other, ==, earshot_error_name (code));
  }
}

static void
test_ambiguous (Fixture *f, gconstpointer data)
{
  g_autofree char *name = NULL;
  g_autofree char *none = NULL;

  fake_add_contact (8, TRUE);
  fake.selector_matches = (char *) "2";
  g_assert_null (call (f, ROOT, I ("Manager"), "FindContact", g_variant_new ("(s)", "ann"), &name));
  g_assert_cmpstr (name, ==, "Ambiguous");
  fake.selector_matches = (char *) "0";
  g_assert_null (call (f, ROOT, I ("Manager"), "FindContact", g_variant_new ("(s)", "ann"), &none));
  g_assert_cmpstr (none, ==, "NotFound");
}

static void
test_default_require (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) reply = NULL;

  g_free (fake.require);
  fake.require = g_strdup ("verified");
  reply = call_ok (f, ROOT, I ("Messages"), "Send", g_variant_new ("(osa{sv})", C7, "x", NULL));
  g_assert_cmpstr (fake.calls->str, ==, "send 7 x verified -\n");
}

static void
test_audit_names_caller (Fixture *f, gconstpointer data)
{
  g_autofree char *expected = g_strdup_printf ("by name=%s pid=%d program=", g_dbus_connection_get_unique_name (f->theirs), getpid ());
  g_autoptr (GVariant) reply = call_ok (f, R3, I ("Request"), "Resolve", g_variant_new ("(sa{sv})", "reject", NULL));

  g_assert_nonnull (strstr (fake.calls->str, expected));
  g_assert_nonnull (strstr (fake.calls->str, "test-bus"));
}

static void
test_reply_limit (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) entries = NULL;
  g_autofree char *id = NULL;
  guint64 last;
  gboolean more;
  gsize n;

  for (guint i = 1; i <= 40; i++)
    g_ptr_array_add (fake.entries, fake_entry (i, 7, "m", 60000));
  reply = call_ok (f, ROOT, I ("Messages"), "Fetch", g_variant_new ("(sua{sv})", "cli", 0, NULL));
  g_variant_get (reply, "(@a(txsosa{sv})tb)", &entries, &last, &more);
  n = g_variant_n_children (entries);
  g_assert_cmpuint (n, >, 10);
  g_assert_cmpuint (g_variant_get_size (reply), <=, 1024 * 1024);
  g_assert_true (more);
  g_assert_cmpuint (last, ==, n);
}

/* --- properties ------------------------------------------------------------------------------------------------ */

static const Case bad_sets[] = {
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'Nick', <'a\\u001bb'>)", "InvalidArgument" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'Nick', <true>)", "org.freedesktop.DBus.Error.InvalidArgs" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'Show', <'asleep'>)", "InvalidArgument" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'Visibility', <'ghost'>)", "InvalidArgument" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'EagerConnect', <'often'>)", "InvalidArgument" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'MaxStrangers', <uint32 0>)", "InvalidArgument" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'MaxStrangers', <uint32 1025>)", "InvalidArgument" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'MaxStrangers', <'many'>)", "org.freedesktop.DBus.Error.InvalidArgs" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'TrustMode', <'everybody'>)", "InvalidArgument" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'TrustMode', <'ca'>)", "Unsupported" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'ShareName', <'yes'>)", "org.freedesktop.DBus.Error.InvalidArgs" },
  { C7, PROPS, "Set", "('" I ("Contact") "', 'Petname', <'a\\nb'>)", "InvalidArgument" },
  { C7, PROPS, "Set", "('" I ("Contact") "', 'Blocked', <'no'>)", "org.freedesktop.DBus.Error.InvalidArgs" },
  { C7, PROPS, "Set", "('" I ("Conversation") "', 'DefaultRequire', <'most'>)", "InvalidArgument" },
  { C7, PROPS, "Set", "('" I ("Contact") "', 'Trust', <'verified'>)", "org.freedesktop.DBus.Error.InvalidArgs" },
  { ROOT "/contact/8", PROPS, "Set", "('" I ("Contact") "', 'Blocked', <true>)", "NotFound" },
};

static const Case good_sets[] = {
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'Nick', <'ann'>)", "nick ann" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'Show', <'dnd'>)", "show dnd" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'StatusText', <'out'>)", "status out" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'Visibility', <'everyone'>)", "visibility" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'EagerConnect', <'always'>)", "set eager-connect always" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'MaxStrangers', <uint32 9>)", "set max-strangers 9" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'TrustMode', <'strict'>)", "set trust-mode strict" },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'ShareEmail', <true>)", "share email 1" },
  { C7, PROPS, "Set", "('" I ("Contact") "', 'Petname', <'ann'>)", "petname 7 ann" },
  { C7, PROPS, "Set", "('" I ("Contact") "', 'Blocked', <true>)", "blocked 7 1" },
  { C7, PROPS, "Set", "('" I ("Conversation") "', 'Muted', <true>)", "conversation 7 1 " },
  { C7, PROPS, "Set", "('" I ("Conversation") "', 'DefaultRequire', <'ca'>)", "conversation 7 0 ca" },
  { C7, PROPS, "Set", "('" I ("Conversation") "', 'DefaultRequire', <''>)", "conversation 7 0 " },
};

static void
test_set (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad_sets); i++)
    run_case (f, &bad_sets[i], TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (good_sets); i++)
    run_case (f, &good_sets[i], FALSE);
  g_assert_cmpint (fake.mode, ==, TRUST_MODE_STRICT);
  g_assert_cmpuint (fake.max_strangers, ==, 9);
  fake.error = EARSHOT_ERROR_STORE_FULL;
  for (guint i = 0; i < G_N_ELEMENTS (good_sets); i++) {
    g_autoptr (GVariant) args = g_variant_parse (NULL, good_sets[i].args, NULL, NULL, NULL);
    g_autofree char *name = NULL;

    g_assert_null (call (f, good_sets[i].path, PROPS, "Set", args, &name));
    g_assert_cmpstr (name, ==, "StoreFull");
  }
}

static void
test_failed_mode_stays (Fixture *f, gconstpointer data)
{
  g_autofree char *name = NULL;

  fake.error = EARSHOT_ERROR_STORE_FULL;
  g_assert_null (call (f, ROOT, PROPS, "Set", g_variant_new_parsed ("(%s, 'TrustMode', <'tofu'>)", I ("Manager")), &name));
  g_assert_cmpstr (name, ==, "StoreFull");
  g_assert_cmpint (fake.mode, ==, TRUST_MODE_ASK);
  g_assert_null (strstr (fake.calls->str, "mode tofu\nmode"));
}

/* Set must not report success before the disk has it. */
static void
test_set_waits_for_disk (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) value = NULL;
  Reply reply;

  fake.mute = TRUE;
  start (f, f->theirs, ROOT, PROPS, "Set", g_variant_new_parsed ("(%s, 'Nick', <'ann'>)", I ("Manager")), &reply);
  /* A second call answered on the same connection: the first had its turn. */
  value = call_ok (f, ROOT, PROPS, "Get", g_variant_new ("(ss)", I ("Manager"), "Show"));
  g_assert_cmpstr (fake.calls->str, ==, "nick ann\n");
  g_assert_false (reply.done);
  fake_release ();
  wait_for (&reply.done);
  g_assert_no_error (reply.error);
  g_variant_unref (reply.reply);
}

static void
test_get (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) nick = NULL;
  g_autoptr (GVariant) all = NULL;
  g_autoptr (GVariant) dict = NULL;
  g_autofree char *name = NULL;
  g_autofree char *text = NULL;
  guint64 head;

  nick = call_ok (f, ROOT, PROPS, "Get", g_variant_new ("(ss)", I ("Manager"), "Address"));
  text = g_variant_print (nick, FALSE);
  g_assert_cmpstr (text, ==, "(<'me@pronto'>,)");
  fake.head = 1234; /* no callback: reading is current all the same */
  all = call_ok (f, ROOT, PROPS, "GetAll", g_variant_new ("(s)", I ("Messages")));
  dict = g_variant_get_child_value (all, 0);
  g_assert_true (g_variant_lookup (dict, "HeadSeq", "t", &head));
  g_assert_cmpuint (head, ==, 1234);
  g_assert_null (call (f, ROOT, PROPS, "Get", g_variant_new ("(ss)", I ("Manager"), "Password"), &name));
  g_assert_cmpstr (name, ==, "org.freedesktop.DBus.Error.InvalidArgs");
}

/* --- objects --------------------------------------------------------------------------------------------------- */

static GVariant *
managed (Fixture *f)
{
  g_autoptr (GVariant) reply = call_ok (f, ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL);

  return g_variant_get_child_value (reply, 0);
}

static gboolean
has_object (GVariant *objects, const char *path, const char *interface)
{
  g_autoptr (GVariant) interfaces = g_variant_lookup_value (objects, path, NULL);
  g_autoptr (GVariant) properties = interfaces != NULL ? g_variant_lookup_value (interfaces, interface, NULL) : NULL;

  return properties != NULL;
}

static guint
count_signals (Fixture *f, const char *prefix)
{
  guint n = 0;

  for (guint i = 0; i < f->signals->len; i++)
    if (g_str_has_prefix (f->signals->pdata[i], prefix))
      n++;
  return n;
}

/* All signals that were sent before arrive before this returns. */
static void
sync_signals (Fixture *f)
{
  g_autoptr (GVariant) reply = NULL;

  settle ();
  reply = call_ok (f, ROOT, PROPS, "Get", g_variant_new ("(ss)", I ("Manager"), "Version"));
  settle ();
}

static void
test_objects (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) objects = managed (f);
  g_autofree char *gone = NULL;
  g_autofree char *resolved = NULL;

  g_assert_cmpuint (g_variant_n_children (objects), ==, 4);
  g_assert_true (has_object (objects, ROOT, I ("Manager")));
  g_assert_true (has_object (objects, ROOT, I ("Messages")));
  g_assert_true (has_object (objects, ROOT, I ("Network")));
  g_assert_true (has_object (objects, C7, I ("Contact")));
  g_assert_true (has_object (objects, C7, I ("Conversation")));
  g_assert_true (has_object (objects, K1, I ("Key")));
  g_assert_true (has_object (objects, R3, I ("Request")));

  fake_add_contact (8, TRUE);
  sync_signals (f);
  g_assert_cmpuint (count_signals (f, "InterfacesAdded " ROOT " ('" ROOT "/contact/8'"), ==, 1);
  fake_remove_contact (8);
  sync_signals (f);
  g_assert_cmpuint (count_signals (f, "InterfacesRemoved " ROOT " ('" ROOT "/contact/8'"), ==, 1);
  g_assert_null (call (f, ROOT "/contact/8", I ("Contact"), "Disconnect", NULL, &gone));
  g_assert_cmpstr (gone, ==, "NotFound");
  fake_remove_request (3);
  g_string_truncate (fake.calls, 0);
  g_assert_null (call (f, R3, I ("Request"), "Resolve", g_variant_new ("(sa{sv})", "accept", NULL), &resolved));
  g_assert_cmpstr (resolved, ==, "AlreadyResolved");
  g_assert_cmpstr (fake.calls->str, ==, "");
}

static char *
interface_xml (const char *xml, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (xml, &error);
  GString *text = g_string_new (NULL);

  g_assert_no_error (error);
  g_assert_nonnull (g_dbus_node_info_lookup_interface (node, name));
  g_dbus_interface_info_generate_xml (g_dbus_node_info_lookup_interface (node, name), 0, text);
  return g_string_free (text, FALSE);
}

/* Running introspection equals the shipped XML. */
static void
test_introspection (Fixture *f, gconstpointer data)
{
  static const struct { const char *path, *name; } all[] = {
    { ROOT, I ("Manager") },    { ROOT, I ("Messages") }, { ROOT, I ("Network") }, { C7, I ("Contact") },
    { C7, I ("Conversation") }, { K1, I ("Key") },        { R3, I ("Request") },
  };
  const char *top = g_getenv ("top_srcdir") != NULL ? g_getenv ("top_srcdir") : "..";

  for (guint i = 0; i < G_N_ELEMENTS (all); i++) {
    g_autoptr (GVariant) reply = call_ok (f, all[i].path, "org.freedesktop.DBus.Introspectable", "Introspect", NULL);
    g_autofree char *file = g_strdup_printf ("%s/dbus/%s.xml", top, all[i].name);
    g_autofree char *shipped = NULL;
    g_autofree char *expected = NULL;
    g_autofree char *running = NULL;
    g_autoptr (GError) error = NULL;
    const char *xml;

    g_file_get_contents (file, &shipped, NULL, &error);
    g_assert_no_error (error);
    g_variant_get (reply, "(&s)", &xml);
    running = interface_xml (xml, all[i].name);
    expected = interface_xml (shipped, all[i].name);
    g_assert_cmpstr (running, ==, expected);
  }
}

static void
test_strangers_are_rationed (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) objects = NULL;
  Contact *last = NULL;

  for (guint32 id = 1000; id < 1040; id++) {
    last = fake_add_contact (id, FALSE);
    fake_add_key (last, (guint8) (id - 900));
  }
  objects = managed (f);
  g_assert_cmpuint (g_variant_n_children (objects), ==, 4 + 80);
  sync_signals (f);
  /* Ten people and their ten keys; a slow machine may have earned a few more. */
  g_assert_cmpuint (count_signals (f, "InterfacesAdded"), >=, 10);
  g_assert_cmpuint (count_signals (f, "InterfacesAdded"), <=, 30);
  g_assert_cmpuint (count_signals (f, "InterfacesAdded " ROOT " ('" ROOT "/contact/1039'"), <=, 1);
  /* A friend does not wait. */
  last->stored = TRUE;
  fake.contacts_watch->changed (fake.user, last);
  sync_signals (f);
  g_assert_cmpuint (count_signals (f, "InterfacesAdded " ROOT " ('" ROOT "/contact/1039'"), ==, 1);
}

static void
test_stranger_flaps (Fixture *f, gconstpointer data)
{
  Contact *contact = fake_add_contact (1000, FALSE);

  sync_signals (f);
  for (guint i = 0; i < 500; i++) {
    contact->connected = !contact->connected;
    fake.contacts_watch->changed (fake.user, contact);
    settle ();
  }
  sync_signals (f);
  g_assert_cmpuint (count_signals (f, "PropertiesChanged " ROOT "/contact/1000"), <=, 90);
}

static void
test_property_changes (Fixture *f, gconstpointer data)
{
  Contact *contact = fake.contacts->pdata[0];

  for (guint i = 0; i < 50; i++) {
    contact->last_seen = i;
    contact->connected = TRUE;
    fake.contacts_watch->changed (fake.user, contact);
    settle ();
  }
  sync_signals (f);
  g_assert_cmpuint (count_signals (f, "PropertiesChanged " C7), >=, 1);
  /* LastSeen alone is not worth a signal a turn. */
  g_assert_cmpuint (count_signals (f, "PropertiesChanged " C7), <=, 10);
}

static void
test_appended_is_coalesced (Fixture *f, gconstpointer data)
{
  Contact *contact = fake.contacts->pdata[0];

  for (guint64 seq = 101; seq <= 1100; seq++) {
    fake.head = seq;
    fake.delivery_watch->appended (fake.user, seq, "message", contact);
    fake.delivery_watch->counts_changed (fake.user, contact);
  }
  fake.delivery_watch->appended (fake.user, 1101, "state", contact);
  while (count_signals (f, "Appended") < 2 || count_signals (f, "PropertiesChanged " ROOT " ") < 1)
    g_main_context_iteration (NULL, TRUE);
  sync_signals (f);
  g_assert_cmpuint (count_signals (f, "Appended " ROOT " (1100, 'message', '" C7 "')"), ==, 1);
  g_assert_cmpuint (count_signals (f, "Appended " ROOT " (1101, 'state', '" C7 "')"), ==, 1);
  g_assert_cmpuint (count_signals (f, "Appended"), ==, 2);
}

/* Signals carry nobody's words; reading does. */
static void
test_preview_stays_out_of_signals (Fixture *f, gconstpointer data)
{
  Key *key = fake.keys->pdata[0];
  g_autoptr (GVariant) reply = NULL;
  g_autofree char *text = NULL;

  g_ptr_array_add (fake.preview, fake_entry (1, 7, "p1", 4));
  fake.delivery_watch->aside_changed (fake.user, &key->fp);
  fake_add_request (4, key, "new-key");
  while (count_signals (f, "PropertiesChanged " R3) == 0 || count_signals (f, "InterfacesAdded") == 0)
    g_main_context_iteration (NULL, TRUE);
  sync_signals (f);
  for (guint i = 0; i < f->signals->len; i++)
    g_assert_null (strstr (f->signals->pdata[i], "xxxx"));
  reply = call_ok (f, R3, PROPS, "Get", g_variant_new ("(ss)", I ("Request"), "Details"));
  text = g_variant_print (reply, FALSE);
  g_assert_nonnull (strstr (text, "'body': <'xxxx'>"));
  g_assert_nonnull (strstr (text, "'fingerprint': <'" HEX1 "'>"));
}

/* --- lives of calls -------------------------------------------------------------------------------------------- */

static void
test_contact_vanishes (Fixture *f, gconstpointer data)
{
  Reply ping, connect;

  fake.session_open = TRUE;
  fake.mute = TRUE;
  fake.error = EARSHOT_ERROR_NOT_REACHABLE;
  start (f, f->theirs, C7, I ("Contact"), "Ping", g_variant_new ("(u)", 0), &ping);
  start (f, f->theirs, C7, I ("Contact"), "Connect", g_variant_new ("(a{sv})", NULL), &connect);
  sync_signals (f);
  g_assert_cmpstr (fake.calls->str, ==, "query get 10000\nconnect 7\n");
  fake_remove_request (3);
  fake_remove_contact (7);
  fake_release ();
  wait_for (&ping.done);
  wait_for (&connect.done);
  g_assert_cmpstr (g_dbus_error_get_remote_error (ping.error), ==, EARSHOT_ERROR_PREFIX "NotReachable");
  g_clear_error (&ping.error);
  g_clear_error (&connect.error);
}

static void
test_window_goes_first (Fixture *f, gconstpointer data)
{
  Reply fetch, send;

  g_ptr_array_add (fake.entries, fake_entry (5, 7, "m1", 10));
  fake.mute = TRUE;
  start (f, f->theirs, ROOT, I ("Messages"), "Fetch", g_variant_new ("(sua{sv})", "cli", 0, NULL), &fetch);
  start (f, f->theirs, ROOT, I ("Messages"), "Send", g_variant_new ("(osa{sv})", C7, "x", NULL), &send);
  sync_signals (f);
  g_clear_pointer (&f->window, window_free);
  fake_release ();
  wait_for (&fetch.done);
  wait_for (&send.done);
  g_assert_nonnull (fetch.error);
  g_assert_no_error (send.error);
  g_clear_error (&fetch.error);
  g_variant_unref (send.reply);
}

static void
test_free_while_identifying (Fixture *f, gconstpointer data)
{
  Reply reply;

  start (f, f->theirs, ROOT, I ("Network"), "Rescan", NULL, &reply);
  /* The call has arrived and its caller is being looked up, or not even that: both must end well. */
  g_main_context_iteration (NULL, FALSE);
  g_clear_pointer (&f->window, window_free);
  wait_for (&reply.done);
  g_assert_nonnull (reply.error);
  g_assert_cmpstr (fake.calls->str, ==, "");
  g_clear_error (&reply.error);
}

/* --- agents ---------------------------------------------------------------------------------------------------- */

typedef struct {
  GDBusConnection *connection;
  GString *got;            /* "Present 3\n…" */
  guint registration;
} TestAgent;

static void
on_agent_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *method,
               GVariant *parameters, GDBusMethodInvocation *invocation, gpointer user)
{
  TestAgent *agent = user;
  const char *object, *word;

  if (g_str_equal (method, "Release")) {
    g_string_append (agent->got, "Release\n");
  } else {
    g_variant_get_child (parameters, 0, "&o", &object);
    g_variant_get_child (parameters, 1, "&s", &word);
    g_string_append_printf (agent->got, "%s %s %s\n", method, strrchr (object, '/') + 1, word);
  }
  g_dbus_method_invocation_return_value (invocation, NULL);
}

static void
agent_up (Fixture *f, TestAgent *agent, const char *path)
{
  static const GDBusInterfaceVTable vtable = { on_agent_call, NULL, NULL, { NULL } };
  Reply reply;

  agent->connection = connect_bus (f);
  agent->got = g_string_new (NULL);
  agent->registration = g_dbus_connection_register_object (agent->connection, "/agent", earshot_agent_interface_info (), &vtable,
                                                           agent, NULL, NULL);
  start (f, agent->connection, ROOT, I ("Manager"), "RegisterAgent", g_variant_new ("(osa{sv})", path, "interactive", NULL), &reply);
  wait_for (&reply.done);
  g_assert_no_error (reply.error);
  g_variant_unref (reply.reply);
}

static void
agent_down (TestAgent *agent)
{
  if (agent->connection != NULL) {
    g_dbus_connection_unregister_object (agent->connection, agent->registration);
    g_dbus_connection_close_sync (agent->connection, NULL, NULL);
    g_clear_object (&agent->connection);
  }
}

static void
wait_got (TestAgent *agent, const char *expected)
{
  while (!g_str_equal (agent->got->str, expected)) {
    g_assert_true (g_str_has_prefix (expected, agent->got->str));
    g_main_context_iteration (NULL, TRUE);
  }
}

static void
test_agents (Fixture *f, gconstpointer data)
{
  TestAgent first, second;

  agent_up (f, &first, "/agent");
  wait_got (&first, "Present 3 new-key\n");
  agent_up (f, &second, "/agent");
  wait_got (&second, "Present 3 new-key\n");
  wait_got (&first, "Present 3 new-key\nWithdraw 3 moved\n");
  /* The one in charge dies: the question goes back, and stays open. */
  agent_down (&second);
  wait_got (&first, "Present 3 new-key\nWithdraw 3 moved\nPresent 3 new-key\n");
  g_assert_nonnull (trust_get_request (NULL, 3));
  fake_remove_request (3);
  wait_got (&first, "Present 3 new-key\nWithdraw 3 moved\nPresent 3 new-key\nWithdraw 3 resolved\n");
  /* Nobody ever decided anything for the user. */
  g_assert_cmpstr (fake.calls->str, ==, "");
  g_string_truncate (first.got, 0);
  fake_add_request (9, fake.keys->pdata[0], "name-conflict");
  wait_got (&first, "Present 9 name-conflict\n");
  window_free (g_steal_pointer (&f->window));
  wait_got (&first, "Present 9 name-conflict\nRelease\n");
  agent_down (&first);
  g_string_free (first.got, TRUE);
  g_string_free (second.got, TRUE);
}

static void
test_agent_unregisters (Fixture *f, gconstpointer data)
{
  TestAgent first, second;
  Reply reply;

  agent_up (f, &first, "/agent");
  wait_got (&first, "Present 3 new-key\n");
  agent_up (f, &second, "/agent");
  wait_got (&second, "Present 3 new-key\n");
  start (f, second.connection, ROOT, I ("Manager"), "UnregisterAgent", g_variant_new ("(o)", "/agent"), &reply);
  wait_for (&reply.done);
  g_assert_no_error (reply.error);
  g_variant_unref (reply.reply);
  wait_got (&second, "Present 3 new-key\nRelease\n");
  wait_got (&first, "Present 3 new-key\nWithdraw 3 moved\nPresent 3 new-key\n");
  agent_down (&first);
  agent_down (&second);
  g_string_free (first.got, TRUE);
  g_string_free (second.got, TRUE);
}

/* An agent that is none (nothing at its path) loses its place to the one before. */
static void
test_agent_is_none (Fixture *f, gconstpointer data)
{
  TestAgent first, second;

  agent_up (f, &first, "/agent");
  wait_got (&first, "Present 3 new-key\n");
  agent_up (f, &second, "/elsewhere");
  wait_got (&first, "Present 3 new-key\nWithdraw 3 moved\nPresent 3 new-key\n");
  agent_down (&first);
  agent_down (&second);
  g_string_free (first.got, TRUE);
  g_string_free (second.got, TRUE);
}

static void
test_agent_snooze (Fixture *f, gconstpointer data)
{
  Request *request = fake.requests->pdata[0];
  TestAgent agent;

  agent_up (f, &agent, "/agent");
  wait_got (&agent, "Present 3 new-key\n");
  request->snoozed = g_get_real_time () + G_USEC_PER_SEC / 2;
  fake.trust_watch->request_changed (fake.user, request);
  wait_got (&agent, "Present 3 new-key\nWithdraw 3 snoozed\nPresent 3 new-key\n");
  agent_down (&agent);
  g_string_free (agent.got, TRUE);
}

/* --- callers --------------------------------------------------------------------------------------------------- */

static char *
make_proc (const char *cgroup, const char *flatpak)
{
  char *proc = g_dir_make_tmp ("earshot-proc-XXXXXX", NULL);
  g_autofree char *root = g_build_filename (proc, "42", "root", NULL);
  g_autofree char *group = g_build_filename (proc, "42", "cgroup", NULL);
  g_autofree char *info = g_build_filename (root, ".flatpak-info", NULL);
  g_autofree char *exe = g_build_filename (proc, "42", "exe", NULL);

  g_assert_cmpint (g_mkdir_with_parents (root, 0700), ==, 0);
  g_assert_cmpint (symlink ("/usr/bin/thing", exe), ==, 0);
  g_assert_true (g_file_set_contents (group, cgroup, -1, NULL));
  if (flatpak != NULL)
    g_assert_true (g_file_set_contents (info, flatpak, -1, NULL));
  return proc;
}

static void
remove_proc (char *proc)
{
  static const char *const names[] = { "42/root/.flatpak-info", "42/root", "42/cgroup", "42/exe", "42", "" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_build_filename (proc, names[i], NULL);

    g_remove (path);
  }
  g_free (proc);
}

static void
check_process (const char *cgroup, const char *flatpak, const char *label, const char *app)
{
  char *proc = make_proc (cgroup, flatpak);
  g_autoptr (GError) error = NULL;
  BusProcess process = { NULL, NULL };

  g_assert_true (bus_access_inspect (proc, 42, label, &process, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (process.program, ==, "/usr/bin/thing");
  g_assert_cmpstr (process.app, ==, app);
  g_free (process.program);
  g_free (process.app);
  remove_proc (proc);
}

static void
test_inspect (void)
{
  check_process ("0::/user.slice/app-xmppctl.scope\n", NULL, "unconfined", NULL);
  check_process ("0::/user.slice\n", "[Application]\nname=org.evil.App\n", NULL, "org.evil.App");
  check_process ("0::/user.slice\n", "not a key file", NULL, "flatpak");
  check_process ("0::/user.slice\n", "", NULL, "flatpak");
  check_process ("0::/user.slice\n", NULL, "snap.evil.app (enforce)", "snap.evil.app (enforce)");
  check_process ("0::/user.slice/snap.evil.app-1.scope\n", NULL, "unconfined", "snap.evil.app-1.scope");
}

static void
test_inspect_hidden (void)
{
  char *proc = make_proc ("", NULL);
  g_autofree char *root = g_build_filename (proc, "42", "root", NULL);
  g_autofree char *info = g_build_filename (root, ".flatpak-info", NULL);
  g_autoptr (GError) link = NULL;
  g_autoptr (GError) hidden = NULL;
  g_autoptr (GError) gone = NULL;
  BusProcess process = { NULL, NULL };

  /* What can not be read is not taken for absent. */
  g_assert_cmpint (symlink ("/nowhere", info), ==, 0);
  g_assert_false (bus_access_inspect (proc, 42, NULL, &process, &link));
  g_assert_error (link, EARSHOT_ERROR, EARSHOT_ERROR_ACCESS_DENIED);
  g_clear_pointer (&process.program, g_free);
  g_remove (info);
  g_rmdir (root);
  g_assert_false (bus_access_inspect (proc, 42, NULL, &process, &hidden));
  g_assert_error (hidden, EARSHOT_ERROR, EARSHOT_ERROR_ACCESS_DENIED);
  g_clear_pointer (&process.program, g_free);
  g_assert_false (bus_access_inspect (proc, 43, NULL, &process, &gone));
  g_assert_error (gone, EARSHOT_ERROR, EARSHOT_ERROR_ACCESS_DENIED);
  remove_proc (proc);
}

/* What the process of test_sandboxed_caller() does: one call from inside a root that says it is a Flatpak. */
static int
be_sandboxed (const char *address, const char *name, const char *dir, const char *path, const char *interface, const char *method)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) args = NULL;
  g_autofree char *remote = NULL;
  g_autoptr (GDBusConnection) connection = g_dbus_connection_new_for_address_sync (
    address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL, &error);

  g_assert_no_error (error);
  if (chroot (dir) != 0) {
    g_print ("no chroot");
    return 0;
  }
  if (g_str_equal (method, "GetAll"))
    args = g_variant_ref_sink (g_variant_new ("(s)", I ("Manager")));
  reply = g_dbus_connection_call_sync (connection, name, path, interface, method, args, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
  remote = error != NULL ? g_dbus_error_get_remote_error (error) : g_strdup ("answered");
  g_print ("%s", remote);
  return 0;
}

static void
on_child (GObject *source, GAsyncResult *result, gpointer user)
{
  g_autoptr (GError) error = NULL;
  char **out = user;

  g_subprocess_communicate_utf8_finish (G_SUBPROCESS (source), result, out, NULL, &error);
  g_assert_no_error (error);
  if (*out == NULL)
    *out = g_strdup ("");
}

static void
test_sandboxed_caller (Fixture *f, gconstpointer data)
{
  static const char *const calls[][3] = {
    { ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects" },
    { ROOT, PROPS, "GetAll" },
    { ROOT, I ("Network"), "Rescan" },
    { C7, I ("Contact"), "Disconnect" },
  };
  char *proc = make_proc ("", "[Application]\nname=org.evil.App\n");
  g_autofree char *dir = g_build_filename (proc, "42", "root", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (calls); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *out = NULL;
    g_autoptr (GSubprocess) child =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, program, "--sandboxed", g_test_dbus_get_bus_address (f->bus),
                        g_dbus_connection_get_unique_name (f->ours), dir, calls[i][0], calls[i][1], calls[i][2], NULL);

    g_assert_no_error (error);
    g_subprocess_communicate_utf8_async (child, NULL, NULL, on_child, &out);
    while (out == NULL)
      g_main_context_iteration (NULL, TRUE);
    if (g_str_equal (out, "no chroot")) {
      g_test_skip ("chroot is not permitted");
      break;
    }
    g_assert_cmpstr (out, ==, EARSHOT_ERROR_PREFIX "AccessDenied");
    g_assert_cmpstr (fake.calls->str, ==, "");
  }
  remove_proc (proc);
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, setup, func, teardown)

int
main (int argc, char **argv)
{
  program = argv[0];
  if (argc == 8 && g_str_equal (argv[1], "--sandboxed"))
    return be_sandboxed (argv[2], argv[3], argv[4], argv[5], argv[6], argv[7]);
  g_test_init (&argc, &argv, NULL);
  ADD ("/bus/methods", test_methods);
  ADD ("/bus/refusals", test_refusals);
  ADD ("/bus/refusal-sizes", test_refusal_sizes);
  ADD ("/bus/room-errors", test_room_errors);
  ADD ("/bus/ambiguous", test_ambiguous);
  ADD ("/bus/default-require", test_default_require);
  ADD ("/bus/audit-names-caller", test_audit_names_caller);
  ADD ("/bus/reply-limit", test_reply_limit);
  ADD ("/bus/set", test_set);
  ADD ("/bus/failed-mode-stays", test_failed_mode_stays);
  ADD ("/bus/set-waits-for-disk", test_set_waits_for_disk);
  ADD ("/bus/get", test_get);
  ADD ("/bus/objects", test_objects);
  ADD ("/bus/introspection", test_introspection);
  ADD ("/bus/strangers-are-rationed", test_strangers_are_rationed);
  ADD ("/bus/stranger-flaps", test_stranger_flaps);
  ADD ("/bus/property-changes", test_property_changes);
  ADD ("/bus/appended-is-coalesced", test_appended_is_coalesced);
  ADD ("/bus/preview-stays-out-of-signals", test_preview_stays_out_of_signals);
  ADD ("/bus/contact-vanishes", test_contact_vanishes);
  ADD ("/bus/window-goes-first", test_window_goes_first);
  ADD ("/bus/free-while-identifying", test_free_while_identifying);
  ADD ("/bus/agents", test_agents);
  ADD ("/bus/agent-unregisters", test_agent_unregisters);
  ADD ("/bus/agent-is-none", test_agent_is_none);
  ADD ("/bus/agent-snooze", test_agent_snooze);
  g_test_add_func ("/bus/inspect", test_inspect);
  g_test_add_func ("/bus/inspect-hidden", test_inspect_hidden);
  ADD ("/bus/sandboxed-caller", test_sandboxed_caller);
  return g_test_run ();
}
