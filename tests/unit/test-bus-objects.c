/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the window shows and when it tells: objects, signals, and calls that outlive what they were about.
 */
#include "earshot-config.h"

#include "tests/unit/bus-fixture.h"

#include <string.h>

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
  g_autoptr (GRegex) generator = g_regex_new (" *<annotation name=\"org\\.gtk\\.GDBus\\.C\\.[^>]*>\\s*</annotation>\n", 0, 0, NULL);
  g_autofree char *all = NULL;

  g_assert_no_error (error);
  g_assert_nonnull (g_dbus_node_info_lookup_interface (node, name));
  g_dbus_interface_info_generate_xml (g_dbus_node_info_lookup_interface (node, name), 0, text);
  all = g_string_free (text, FALSE);
  /* What is said to the code generator alone is not told to callers. */
  return g_regex_replace_literal (generator, all, -1, 0, "", 0, NULL);
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

/* Milliseconds; -1 = nothing but news from outside. */
static gint
until_next_wake_up (void)
{
  GMainContext *context = g_main_context_default ();
  GPollFD fds[64];
  gint priority, timeout, n;

  g_assert_true (g_main_context_acquire (context));
  g_main_context_prepare (context, &priority);
  n = g_main_context_query (context, G_MAXINT, &timeout, fds, G_N_ELEMENTS (fds));
  g_main_context_check (context, priority, fds, MIN (n, (gint) G_N_ELEMENTS (fds)));
  g_main_context_release (context);
  return timeout;
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
  /* Ten signals a minute, of which three are kept for questions. */
  g_assert_cmpuint (count_signals (f, "InterfacesAdded"), ==, 7);
  g_assert_cmpuint (count_signals (f, "InterfacesAdded " ROOT " ('" ROOT "/contact/1039'"), <=, 1);
  /* A friend does not wait. */
  last->stored = TRUE;
  fake.contacts_watch->changed (fake.user, last);
  sync_signals (f);
  g_assert_cmpuint (count_signals (f, "InterfacesAdded " ROOT " ('" ROOT "/contact/1039'"), ==, 1);
}

/* News that wait for the ration, which is back in a minute, wake nobody meanwhile. */
static void
test_what_waits_does_not_poll (Fixture *f, gconstpointer data)
{
  gint64 end = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;

  for (guint32 id = 1000; id < 1040; id++)
    fake_add_contact (id, FALSE);
  sync_signals (f);
  while (until_next_wake_up () < 2000 && g_get_monotonic_time () < end)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (until_next_wake_up (), >=, 2000);
  g_assert_cmpuint (count_signals (f, "InterfacesAdded"), ==, 7);
}

/* Who appears by the thousand does not keep a question from being heard, and what went is told within the ration, too. */
static void
test_question_among_strangers (Fixture *f, gconstpointer data)
{
  Key *key;

  for (guint32 id = 1000; id < 1100; id++)
    fake_add_contact (id, FALSE);
  settle ();
  key = fake_add_key (fake_add_contact (2000, FALSE), 200);
  fake_add_request (4, key, "new-key");
  sync_signals (f);
  g_assert_cmpuint (count_signals (f, "InterfacesAdded " ROOT " ('" ROOT "/contact/2000'"), ==, 1);
  g_assert_cmpuint (count_signals (f, "InterfacesAdded " ROOT " ('" ROOT "/request/4'"), ==, 1);
  g_assert_cmpuint (count_signals (f, "InterfacesAdded"), ==, 10);
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
  g_assert_cmpuint (count_signals (f, "PropertiesChanged " ROOT "/contact/1000"), <=, 4);
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
  g_autofree char *remote = NULL;
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
  remote = g_dbus_error_get_remote_error (ping.error);
  g_assert_cmpstr (remote, ==, EARSHOT_ERROR_PREFIX "NotReachable");
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
  g_clear_pointer (&f->front, front_free);
  f->window = NULL;
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
  g_clear_pointer (&f->front, front_free);
  f->window = NULL;
  wait_for (&reply.done);
  g_assert_nonnull (reply.error);
  g_assert_cmpstr (fake.calls->str, ==, "");
  g_clear_error (&reply.error);
}

/* --- codes to compare ------------------------------------------------------------------------------------------ */

static char *
read_code (Fixture *f)
{
  g_autoptr (GVariant) reply = call_ok (f, V5, PROPS, "Get", g_variant_new ("(ss)", I ("Verification"), "Code"));
  g_autoptr (GVariant) value = NULL;

  g_variant_get (reply, "(v)", &value);
  return g_variant_dup_string (value, NULL);
}

/* It comes, changes and goes, and says how it ended before it does. No signal has the code in it. */
static void
test_verification (Fixture *f, gconstpointer data)
{
  Verification *run = fake_add_verification (5, fake.keys->pdata[0], TRUE);
  g_autofree char *code = NULL, *gone = NULL;
  g_autoptr (GVariant) objects = NULL, all = NULL;

  sync_signals (f);
  g_assert_cmpuint (count_signals (f, "InterfacesAdded " ROOT " ('" V5 "'"), ==, 1);
  fake_show_code (run);
  sync_signals (f);
  g_assert_cmpuint (count_signals (f, "PropertiesChanged " V5), ==, 1);
  code = read_code (f);
  g_assert_cmpstr (code, ==, "4821 7305 1192");
  objects = managed (f);
  g_assert_true (has_object (objects, V5, I ("Verification")));
  all = call_ok (f, V5, PROPS, "GetAll", g_variant_new ("(s)", I ("Verification")));
  fake_end_verification (run, VERIFICATION_MISMATCH, "code");
  sync_signals (f);
  g_assert_cmpuint (count_signals (f, "PropertiesChanged " V5), ==, 2);
  g_assert_cmpuint (count_signals (f, "InterfacesRemoved " ROOT " ('" V5 "'"), ==, 1);
  for (guint i = 0; i < f->signals->len; i++)
    g_assert_null (strstr (f->signals->pdata[i], "4821"));
  for (guint i = 0, last = 0; i < f->signals->len; i++)
    {
      const char *text = f->signals->pdata[i];

      if (g_str_has_prefix (text, "PropertiesChanged " V5) && strstr (text, "mismatch") != NULL)
        last = i;
      if (g_str_has_prefix (text, "InterfacesRemoved " ROOT " ('" V5))
        g_assert_true (last != 0 && strstr (f->signals->pdata[last], "'code'") != NULL);
    }
  g_assert_null (call (f, V5, I ("Verification"), "Confirm", g_variant_new ("(b)", TRUE), &gone));
  g_assert_cmpstr (gone, ==, "NotFound");
  g_assert_cmpstr (fake.calls->str, ==, "");
}

/* Of a run that began and ended before anybody was told of it nothing is told. */
static void
test_verification_unseen (Fixture *f, gconstpointer data)
{
  fake_end_verification (fake_add_verification (5, fake.keys->pdata[0], TRUE), VERIFICATION_CANCELLED, "refused");
  sync_signals (f);
  g_assert_cmpuint (count_signals (f, "InterfacesAdded " ROOT " ('" V5 "'") + count_signals (f, "PropertiesChanged " V5), ==, 0);
  g_assert_cmpuint (count_signals (f, "InterfacesRemoved " ROOT " ('" V5 "'"), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/bus/objects", test_objects);
  ADD ("/bus/introspection", test_introspection);
  ADD ("/bus/strangers-are-rationed", test_strangers_are_rationed);
  ADD ("/bus/what-waits-does-not-poll", test_what_waits_does_not_poll);
  ADD ("/bus/stranger-flaps", test_stranger_flaps);
  ADD ("/bus/question-among-strangers", test_question_among_strangers);
  ADD ("/bus/property-changes", test_property_changes);
  ADD ("/bus/appended-is-coalesced", test_appended_is_coalesced);
  ADD ("/bus/preview-stays-out-of-signals", test_preview_stays_out_of_signals);
  ADD ("/bus/contact-vanishes", test_contact_vanishes);
  ADD ("/bus/window-goes-first", test_window_goes_first);
  ADD ("/bus/free-while-identifying", test_free_while_identifying);
  ADD ("/bus/verification", test_verification);
  ADD ("/bus/verification-unseen", test_verification_unseen);
  return g_test_run ();
}
