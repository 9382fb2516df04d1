/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who may call: processes as /proc shows them, and a caller whose root says that it is a Flatpak.
 */
#include "earshot-config.h"

#include "tests/unit/bus-fixture.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

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
    g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
    g_autoptr (GSubprocess) child = NULL;

    /* In that root there is no /proc, and the leak checker can not work without. */
    g_subprocess_launcher_setenv (launcher, "ASAN_OPTIONS", "detect_leaks=0", TRUE);
    child = g_subprocess_launcher_spawn (launcher, &error, program, "--sandboxed", g_test_dbus_get_bus_address (f->bus),
                                         g_dbus_connection_get_unique_name (f->ours), dir, calls[i][0], calls[i][1], calls[i][2],
                                         NULL);
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

int
main (int argc, char **argv)
{
  program = argv[0];
  if (argc == 8 && g_str_equal (argv[1], "--sandboxed"))
    return be_sandboxed (argv[2], argv[3], argv[4], argv[5], argv[6], argv[7]);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bus/inspect", test_inspect);
  g_test_add_func ("/bus/inspect-hidden", test_inspect_hidden);
  ADD ("/bus/sandboxed-caller", test_sandboxed_caller);
  return g_test_run ();
}
