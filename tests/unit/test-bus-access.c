/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who may call: processes as /proc shows them, and a caller whose root says that it is a Flatpak.
 */
#include "earshot-config.h"

#include "tests/unit/bus-fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/app-id.h"
#include "daemon/bus/bus-access.h"

static const char *program;

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
  check_process ("0::/user.slice\n", "[Application]\nname=org.evil.App\n", NULL, "flatpak:org.evil.App");
  check_process ("0::/user.slice\n", NULL, "snap.evil.app (enforce)", "snap:evil");
  check_process ("0::/user.slice/snap.evil.app-1.scope\n", NULL, "unconfined", "snap:evil");
}

/* Whoever is in a sandbox stays in one, whatever it calls itself; and what is no name is nobody's. */
static void
test_inspect_names (void)
{
  static const char *const infos[] = {
    "not a key file", "", "[Application]\n", "[Application]\nname=\n", "[Application]\nname=evil\n", "[Application]\nname=snap.evil\n",
    "[Application]\nname=../../etc/passwd\n", "[Application]\nname=org.evil.\n", "[Application]\nname=.org.evil.App\n",
    "[Application]\nname=org..evil.App\n", "[Application]\nname=org.evil.A%n\n", "[Application]\nname=org.evil.A\x1b[31m\n",
    "[Application]\nname=org.evil.A b\n", "[Application]\nname=org.evil.\xd0\x90pp\n", "[Runtime]\nruntime=org.gnome.Platform\n",
  };
  g_autofree char *name = g_strnfill (APP_ID_MAX, 'a');
  g_autofree char *info = g_strdup_printf ("[Application]\nname=org.evil.%s\n", name);

  for (guint i = 0; i < G_N_ELEMENTS (infos); i++)
    check_process ("0::/user.slice\n", infos[i], "unconfined", "");
  check_process ("0::/user.slice\n", info, "unconfined", "");
  /* A Flatpak that bears a Snap's name is still a Flatpak. */
  check_process ("0::/user.slice\n", "[Application]\nname=snap.evil.app\n", "snap.good.app", "flatpak:snap.evil.app");
  check_process ("0::/user.slice\n", NULL, "snap.", "");
  check_process ("0::/user.slice\n", NULL, "snap.evil", "");
  check_process ("0::/user.slice\n", NULL, "snap.Evil App.x", "");
  check_process ("0::/user.slice\n", NULL, "snap.-evil.x", "");
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

/* What the process of call_from_sandbox() does: one call from inside a root that says it is a Flatpak. `text` is the tuple of arguments. */
static int
be_sandboxed (char **argv)
{
  const char *address = argv[2], *name = argv[3], *dir = argv[4], *path = argv[5], *interface = argv[6], *method = argv[7], *text = argv[8];
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) args = g_variant_parse (NULL, text, NULL, NULL, &error);
  g_autofree char *out = NULL;
  g_autoptr (GDBusConnection) connection = NULL;

  g_assert_no_error (error);
  connection = g_dbus_connection_new_for_address_sync (
    address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL, &error);
  g_assert_no_error (error);
  if (chroot (dir) != 0) {
    g_print ("no chroot");
    return 0;
  }
  reply = g_dbus_connection_call_sync (connection, name, path, interface, method, args, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
  if (reply != NULL)
    out = g_variant_print (reply, FALSE);
  else
    out = g_strdup (error->message);
  g_print ("%s", out);
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

/* The reply in print, or the error with its name; NULL: this machine does not let us try. Caller frees. */
static char *
call_from_sandbox (Fixture *f, const char *app, const char *path, const char *interface, const char *method, const char *args)
{
  g_autofree char *info = g_strdup_printf ("[Application]\nname=%s\n", app);
  char *proc = make_proc ("", info);
  g_autofree char *dir = g_build_filename (proc, "42", "root", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_autoptr (GSubprocess) child = NULL;
  char *out = NULL;

  /* In that root there is no /proc, and the leak checker can not work without. */
  g_subprocess_launcher_setenv (launcher, "ASAN_OPTIONS", "detect_leaks=0", TRUE);
  child = g_subprocess_launcher_spawn (launcher, &error, program, "--sandboxed", g_test_dbus_get_bus_address (f->bus),
                                       g_dbus_connection_get_unique_name (f->ours), dir, path, interface, method, args, NULL);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8_async (child, NULL, NULL, on_child, &out);
  while (out == NULL)
    g_main_context_iteration (NULL, TRUE);
  remove_proc (proc);
  if (!g_str_equal (out, "no chroot"))
    return out;
  g_free (out);
  g_test_skip ("chroot is not permitted");
  return NULL;
}

typedef struct {
  const char *path, *interface, *method, *args;
  AppScopes needs; /* 0: refused whatever was granted */
} Try;

#define EVIL "flatpak:org.evil.App"

static const Try tries[] = {
  { ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "()", APP_MAY_READ },
  { ROOT, PROPS, "GetAll", "('" I ("Manager") "',)", APP_MAY_READ },
  { ROOT, PROPS, "Get", "('" I ("Manager") "', 'Nick')", APP_MAY_READ },
  { R3, PROPS, "Get", "('" I ("Request") "', 'Details')", APP_MAY_READ },
  { ROOT, I ("Messages"), "List", "(objectpath '/', uint64 0, uint32 1, @a{sv} {})", APP_MAY_READ },
  { ROOT, I ("Messages"), "Send", "(objectpath '" C7 "', 'hi', @a{sv} {})", APP_MAY_SEND },
  { C7, I ("Conversation"), "MarkRead", "(uint64 1,)", APP_MAY_SEND },
  { R3, I ("Request"), "Resolve", "('accept', {'fingerprint': <'" HEX1 "'>})", APP_MAY_TRUST },
  { K1, I ("Key"), "Accept", "('" HEX1 "', @a{sv} {})", APP_MAY_TRUST },
  { C7, PROPS, "Set", "('" I ("Contact") "', 'Petname', <'Mother'>)", APP_MAY_TRUST },
  { ROOT, I ("Manager"), "RegisterAgent", "(objectpath '/', 'interactive', @a{sv} {})", APP_MAY_TRUST },
  { ROOT, PROPS, "Set", "('" I ("Manager") "', 'TrustMode', <'tofu'>)", APP_MAY_ADMIN },
  { ROOT, I ("Manager"), "ListAudit", "(uint64 0, uint32 1, @a{sv} {})", APP_MAY_ADMIN },
  { ROOT, I ("Manager"), "SetAppAccess", "('" EVIL "', ['send'], @a{sv} {})", 0 },
  { ROOT, I ("Manager"), "ForgetApp", "('" EVIL "',)", 0 },
};

/* Refused by name, nothing happened, and a person is asked about `read` and `send` only. */
static void
test_sandboxed_caller (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (tries); i++) {
    const Try *t = &tries[i];
    g_autofree char *out = call_from_sandbox (f, "org.evil.App", t->path, t->interface, t->method, t->args);

    if (out == NULL)
      return;
    g_assert_nonnull (strstr (out, "Error.AccessDenied"));
    g_assert_cmpstr (fake.calls->str, ==, t->needs == APP_MAY_SEND ? "app-ask " EVIL " send\n" : "app-ask " EVIL " read\n");
    g_string_truncate (fake.calls, 0);
  }
}

/* Each scope opens what it names and nothing else; no scope opens what is for people. */
static void
test_scopes (Fixture *f, gconstpointer data)
{
  static const AppScopes granted[] = { APP_MAY_READ, APP_MAY_READ | APP_MAY_SEND, APP_MAY_TRUST, APP_SCOPES_ALL };
  AppRow *row = fake_add_app (EVIL, APP_MAY_NOTHING, 0);

  g_ptr_array_add (fake.entries, fake_entry (1, 7, "m1", 3));
  for (guint g = 0; g < G_N_ELEMENTS (granted); g++)
    for (guint i = 0; i < G_N_ELEMENTS (tries); i++) {
      const Try *t = &tries[i];
      g_autofree char *out = NULL;
      gboolean may = t->needs != 0 && (t->needs & granted[g]) != 0;

      row->scopes = granted[g];
      out = call_from_sandbox (f, "org.evil.App", t->path, t->interface, t->method, t->args);
      if (out == NULL)
        return;
      g_assert_cmpint (strstr (out, "Error.AccessDenied") != NULL, ==, !may);
      g_assert_cmpint (strstr (fake.calls->str, "app-ask") != NULL, ==, !may);
      if (!may)
        g_assert_null (strchr (strchr (fake.calls->str, '\n') + 1, '\n')); /* and nothing else happened */
      g_string_truncate (fake.calls, 0);
    }
}

/* No application lets in applications, itself least of all. */
static void
test_sandboxed_judge (Fixture *f, gconstpointer data)
{
  static const char *const calls[][2] = { { "Resolve", "('send', @a{sv} {})" }, { "Snooze", "(int64 1,)" } };

  fake_add_app (EVIL, APP_SCOPES_ALL, 0);
  fake_add_app ("flatpak:org.evil.Other", APP_MAY_NOTHING, APP_REQUEST_MIN + 9);
  for (guint i = 0; i < G_N_ELEMENTS (calls); i++) {
    g_autofree char *out = call_from_sandbox (f, "org.evil.App", ROOT "/request/2147483657", I ("Request"), calls[i][0], calls[i][1]);

    if (out == NULL)
      return;
    g_assert_nonnull (strstr (out, "Error.AccessDenied"));
    g_assert_cmpstr (fake.calls->str, ==, "");
  }
}

/* A reader moves no other reader's cursor, and sees no code that is for comparing. */
static void
test_sandboxed_reader (Fixture *f, gconstpointer data)
{
  Verification *run = fake_add_verification (5, fake.keys->pdata[0], FALSE);
  g_autofree char *stolen = NULL, *own = NULL, *all = NULL, *code = NULL, *objects = NULL;

  fake_show_code (run);
  fake_add_app (EVIL, APP_MAY_READ, 0);
  stolen = call_from_sandbox (f, "org.evil.App", ROOT, I ("Messages"), "Ack", "('desktop', uint64 9)");
  if (stolen == NULL)
    return;
  g_assert_nonnull (strstr (stolen, "Error.AccessDenied"));
  g_assert_cmpstr (fake.calls->str, ==, "");
  own = call_from_sandbox (f, "org.evil.App", ROOT, I ("Messages"), "Ack", "('org.evil.App', uint64 9)");
  g_assert_cmpstr (own, ==, "()");
  all = call_from_sandbox (f, "org.evil.App", V5, PROPS, "GetAll", "('" I ("Verification") "',)");
  g_assert_nonnull (strstr (all, "comparing"));
  g_assert_null (strstr (all, "4821"));
  code = call_from_sandbox (f, "org.evil.App", V5, PROPS, "Get", "('" I ("Verification") "', 'Code')");
  g_assert_nonnull (strstr (code, "Error.AccessDenied"));
  objects = call_from_sandbox (f, "org.evil.App", ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "()");
  g_assert_nonnull (strstr (objects, "verification/5"));
  g_assert_null (strstr (objects, "4821"));
}

/* GDBus's thread: the bus is asked who calls, and never says. */
static GDBusMessage *
keep_secret (GDBusConnection *connection, GDBusMessage *message, gboolean incoming, gpointer user)
{
  gint *asked = user;

  if (!incoming && g_strcmp0 (g_dbus_message_get_member (message), "GetConnectionCredentials") == 0)
    {
      g_atomic_int_set (asked, TRUE);
      g_main_context_wakeup (NULL);
    }
  if (!incoming || g_dbus_message_get_message_type (message) != G_DBUS_MESSAGE_TYPE_METHOD_RETURN
      || g_strcmp0 (g_dbus_message_get_signature (message), "a{sv}") != 0)
    return message;
  g_object_unref (message);
  return NULL;
}

/* Who called just before the daemon went is told so, and nothing was done for somebody unknown. */
static void
test_unknown_at_the_end (Fixture *f, gconstpointer data)
{
  gint asked = FALSE;
  guint filter = g_dbus_connection_add_filter (f->ours, keep_secret, &asked, NULL);
  g_autofree char *remote = NULL;
  Reply reply;

  start (f, f->theirs, C7, I ("Contact"), "Disconnect", NULL, &reply);
  while (!g_atomic_int_get (&asked))
    g_main_context_iteration (NULL, TRUE);
  g_clear_pointer (&f->front, front_free);
  wait_for (&reply.done);
  remote = g_dbus_error_get_remote_error (reply.error);
  g_assert_cmpstr (remote, ==, EARSHOT_ERROR_PREFIX "Cancelled");
  g_assert_cmpstr (fake.calls->str, ==, "");
  g_error_free (reply.error);
  g_dbus_connection_remove_filter (f->ours, filter);
}

int
main (int argc, char **argv)
{
  program = argv[0];
  if (argc == 9 && g_str_equal (argv[1], "--sandboxed"))
    return be_sandboxed (argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bus/inspect", test_inspect);
  g_test_add_func ("/bus/inspect-names", test_inspect_names);
  g_test_add_func ("/bus/inspect-hidden", test_inspect_hidden);
  ADD ("/bus/sandboxed-caller", test_sandboxed_caller);
  ADD ("/bus/scopes", test_scopes);
  ADD ("/bus/sandboxed-judge", test_sandboxed_judge);
  ADD ("/bus/sandboxed-reader", test_sandboxed_reader);
  ADD ("/bus/unknown-at-the-end", test_unknown_at_the_end);
  return g_test_run ();
}
