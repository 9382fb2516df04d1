/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The socket where there is no bus: who gets in, and that everybody who does sees and may what they would on a bus.
 */
#include "earshot-config.h"

#include "tests/unit/fake-rooms.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/names.h"
#include "daemon/bus/private-bus.h"
#include "daemon/bus/window-private.h"
#include "dbus/earshot-dbus.h"

#define ROOT EARSHOT_BUS_ROOT
#define I(name) EARSHOT_BUS_NAME "." name

typedef struct {
  char *dir, *path;
  Rooms rooms;
  Front *front;
  PrivateBus *bus;
} Fixture;

static void
setup (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->dir = g_dir_make_tmp ("private-bus-XXXXXX", &error);
  g_assert_no_error (error);
  f->path = g_build_filename (f->dir, "run", "bus", NULL);
  fake_setup (&f->rooms);
  fake_add_key (fake_add_contact (7, TRUE), 1);
  fake_add_request (3, fake.keys->pdata[0], "new-key");
  f->front = front_new (&f->rooms);
  f->bus = private_bus_new (f->front, f->path, &error);
  g_assert_no_error (error);
}

static void
settle (void)
{
  for (guint i = 0; i < 1000 && g_main_context_iteration (NULL, FALSE); i++)
    ;
}

static void
teardown (Fixture *f, gconstpointer data)
{
  g_autofree char *run = g_path_get_dirname (f->path);

  private_bus_free (f->bus);
  front_free (f->front);
  settle ();
  fake_teardown ();
  g_assert_false (g_file_test (f->path, G_FILE_TEST_EXISTS));
  g_rmdir (run);
  g_rmdir (f->dir);
  g_free (f->path);
  g_free (f->dir);
}

typedef struct {
  gboolean done;
  GObject *object;
  GVariant *reply;
  GError *error;
} Waiting;

static void
on_connected (GObject *source, GAsyncResult *result, gpointer user)
{
  Waiting *waiting = user;

  waiting->object = (GObject *) g_dbus_connection_new_for_address_finish (result, &waiting->error);
  waiting->done = TRUE;
}

static GDBusConnection *
try_connect (Fixture *f, GError **error)
{
  Waiting waiting = { FALSE };

  g_dbus_connection_new_for_address (private_bus_get_address (f->bus), G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL,
                                     on_connected, &waiting);
  while (!waiting.done)
    g_main_context_iteration (NULL, TRUE);
  if (waiting.error != NULL)
    g_propagate_error (error, waiting.error);
  else
    g_dbus_connection_set_exit_on_close ((GDBusConnection *) waiting.object, FALSE);
  return (GDBusConnection *) waiting.object;
}

static GDBusConnection *
join (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = try_connect (f, &error);

  g_assert_no_error (error);
  return connection;
}

static void
leave (GDBusConnection *connection)
{
  g_dbus_connection_close_sync (connection, NULL, NULL);
  g_object_unref (connection);
}

static void
on_replied (GObject *source, GAsyncResult *result, gpointer user)
{
  Waiting *waiting = user;
  GDBusMessage *reply = g_dbus_connection_send_message_with_reply_finish (G_DBUS_CONNECTION (source), result, &waiting->error);

  if (reply != NULL && !g_dbus_message_to_gerror (reply, &waiting->error) && g_dbus_message_get_body (reply) != NULL)
    waiting->reply = g_variant_ref (g_dbus_message_get_body (reply));
  g_clear_object (&reply);
  waiting->done = TRUE;
}

/* `sender`: what the program writes there itself, or NULL. */
static GVariant *
call_as (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *method, GVariant *args,
         GError **error)
{
  g_autoptr (GDBusMessage) message = g_dbus_message_new_method_call (NULL, path, interface, method);
  Waiting waiting = { FALSE };

  if (args != NULL)
    g_dbus_message_set_body (message, args);
  if (sender != NULL)
    g_dbus_message_set_sender (message, sender);
  g_dbus_connection_send_message_with_reply (connection, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, 30000, NULL, NULL, on_replied, &waiting);
  while (!waiting.done)
    g_main_context_iteration (NULL, TRUE);
  if (waiting.error != NULL)
    g_propagate_error (error, waiting.error);
  return waiting.reply;
}

static GVariant *
call_ok (GDBusConnection *connection, const char *path, const char *interface, const char *method, GVariant *args)
{
  g_autoptr (GError) error = NULL;
  GVariant *reply = call_as (connection, NULL, path, interface, method, args, &error);

  g_assert_no_error (error);
  return reply;
}

static void
test_everybody_sees_the_same (Fixture *f, gconstpointer data)
{
  GDBusConnection *one = join (f), *two = join (f);
  g_autoptr (GVariant) at_one = call_ok (one, ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL);
  g_autoptr (GVariant) at_two = call_ok (two, ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL);
  g_autoptr (GVariant) objects = g_variant_get_child_value (at_one, 0);
  g_autoptr (GVariant) contact = NULL;
  g_autoptr (GVariant) missing = NULL;
  g_autofree char *name = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_variant_equal (at_one, at_two));
  contact = g_variant_lookup_value (objects, ROOT "/contact/7", NULL);
  g_assert_nonnull (contact);
  missing = call_as (one, NULL, ROOT "/contact/8", I ("Contact"), "Disconnect", NULL, &error);
  g_assert_null (missing);
  name = g_dbus_error_get_remote_error (error);
  g_assert_cmpstr (name, ==, EARSHOT_ERROR_PREFIX "NotFound");
  leave (one);
  leave (two);
}

static void
on_signal (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *member,
           GVariant *parameters, gpointer user)
{
  g_autofree char *text = g_variant_print (parameters, FALSE);

  if (strstr (text, "something is wrong") != NULL)
    ++*(guint *) user;
}

static void
test_news_reach_everybody_and_who_comes_later (Fixture *f, gconstpointer data)
{
  GDBusConnection *one = join (f), *two = join (f), *late;
  guint heard_one = 0, heard_two = 0;
  g_autoptr (GVariant) warnings = NULL;
  g_autofree char *text = NULL;

  g_dbus_connection_signal_subscribe (one, NULL, "org.freedesktop.DBus.Properties", NULL, NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal,
                                      &heard_one, NULL);
  g_dbus_connection_signal_subscribe (two, NULL, "org.freedesktop.DBus.Properties", NULL, NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal,
                                      &heard_two, NULL);
  /* Connected is not yet looked after: an answer says that it is. */
  g_variant_unref (call_ok (two, ROOT, "org.freedesktop.DBus.Properties", "GetAll", g_variant_new ("(s)", I ("Manager"))));
  g_variant_unref (call_ok (one, ROOT, "org.freedesktop.DBus.Properties", "GetAll", g_variant_new ("(s)", I ("Manager"))));
  front_set_warning (f->front, "test", "something is wrong");
  while (heard_one == 0 || heard_two == 0)
    g_main_context_iteration (NULL, TRUE);
  late = join (f);
  warnings = call_ok (late, ROOT, "org.freedesktop.DBus.Properties", "Get", g_variant_new ("(ss)", I ("Manager"), "Warnings"));
  text = g_variant_print (warnings, FALSE);
  g_assert_nonnull (strstr (text, "something is wrong"));
  leave (one);
  leave (two);
  leave (late);
}

/* --- agents ------------------------------------------------------------------------------------------------------- */

static void
on_agent_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *method,
               GVariant *parameters, GDBusMethodInvocation *invocation, gpointer user)
{
  g_string_append_printf (user, "%s ", method);
  g_dbus_method_invocation_return_value (invocation, NULL);
}

static GDBusConnection *
join_as_agent (Fixture *f, GString *got, const char *sender)
{
  static const GDBusInterfaceVTable vtable = { on_agent_call, NULL, NULL, { NULL } };
  GDBusConnection *connection = join (f);
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GError) error = NULL;

  g_dbus_connection_register_object (connection, "/agent", earshot_agent_interface_info (), &vtable, got, NULL, NULL);
  reply = call_as (connection, sender, ROOT, I ("Manager"), "RegisterAgent", g_variant_new ("(osa{sv})", "/agent", "interactive", NULL),
                   &error);
  g_assert_no_error (error);
  return connection;
}

static void
wait_got (GString *got, const char *expected)
{
  while (!g_str_equal (got->str, expected))
    {
      g_assert_cmpuint (got->len, <=, strlen (expected));
      g_main_context_iteration (NULL, TRUE);
    }
}

static void
test_one_agent_is_in_charge (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) first = g_string_new (NULL);
  g_autoptr (GString) second = g_string_new (NULL);
  GDBusConnection *one = join_as_agent (f, first, NULL), *two;

  wait_got (first, "Present ");
  two = join_as_agent (f, second, NULL);
  wait_got (first, "Present Withdraw ");
  wait_got (second, "Present ");
  /* It dies without a word. */
  leave (two);
  wait_got (first, "Present Withdraw Present ");
  g_assert_cmpstr (fake.calls->str, ==, "");
  g_clear_pointer (&f->bus, private_bus_free);
  wait_got (first, "Present Withdraw Present Release ");
  leave (one);
}

/* Nobody writes the sender but the program itself: it must get to no assertion and pass for nobody. */
static void
test_forged_sender (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) first = g_string_new (NULL);
  g_autoptr (GString) second = g_string_new (NULL);
  GDBusConnection *one = join_as_agent (f, first, ":1.7"), *two = join (f);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;

  wait_got (first, "Present ");
  reply = call_as (two, ":1.7", ROOT, I ("Manager"), "UnregisterAgent", g_variant_new ("(o)", "/agent"), &error);
  g_assert_null (reply);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_DBUS_ERROR);
  g_clear_error (&error);
  reply = call_as (two, "org.freedesktop.DBus", ROOT, I ("Manager"), "ListAudit", g_variant_new ("(tua{sv})", (guint64) 0, 10, NULL), &error);
  g_clear_error (&error);
  settle ();
  g_assert_cmpstr (first->str, ==, "Present ");
  leave (one);
  leave (two);
}

/* --- the door ----------------------------------------------------------------------------------------------------- */

/* What the server answers to these bytes. */
static char *
talk (Fixture *f, const char *bytes, gsize length)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  char buffer[512];
  gssize n;
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_strlcpy (address.sun_path, f->path, sizeof address.sun_path);
  g_assert_cmpint (connect (fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (write (fd, bytes, length), ==, (gssize) length);
  /* Accepted by our loop, answered by a thread of GDBus. */
  while ((n = recv (fd, buffer, sizeof buffer - 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
    {
      g_main_context_iteration (NULL, FALSE);
      g_usleep (1000);
    }
  close (fd);
  return g_strndup (buffer, (gsize) MAX (n, 0));
}

static void
test_only_the_kernels_word_counts (Fixture *f, gconstpointer data)
{
  static const char anonymous[] = "\0AUTH ANONYMOUS 6869\r\n", cookie[] = "\0AUTH DBUS_COOKIE_SHA1 30\r\n";
  g_autofree char *one = talk (f, anonymous, sizeof anonymous - 1);
  g_autofree char *two = talk (f, cookie, sizeof cookie - 1);

  g_assert_cmpstr (one, ==, "REJECTED EXTERNAL\r\n");
  g_assert_cmpstr (two, ==, "REJECTED EXTERNAL\r\n");
}

static void
test_as_many_and_no_more (Fixture *f, gconstpointer data)
{
  GDBusConnection *all[PRIVATE_BUS_MAX], *more;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < PRIVATE_BUS_MAX; i++)
    {
      g_autoptr (GVariant) version = NULL;

      all[i] = join (f);
      version = call_ok (all[i], ROOT, "org.freedesktop.DBus.Properties", "Get", g_variant_new ("(ss)", I ("Manager"), "Version"));
    }
  g_test_expect_message (NULL, G_LOG_LEVEL_WARNING, "*no more are let in*");
  more = join (f);
  reply = call_as (more, NULL, ROOT, "org.freedesktop.DBus.Properties", "GetAll", g_variant_new ("(s)", I ("Manager")), &error);
  g_assert_null (reply);
  g_object_unref (more);
  /* Whoever leaves makes room. */
  leave (all[0]);
  g_clear_error (&error);
  for (guint i = 0; i < 100 && reply == NULL; i++)
    {
      g_clear_error (&error);
      settle ();
      more = join (f);
      reply = call_as (more, NULL, ROOT, "org.freedesktop.DBus.Properties", "GetAll", g_variant_new ("(s)", I ("Manager")), &error);
      g_object_unref (more);
    }
  g_assert_nonnull (reply);
  for (guint i = 1; i < PRIVATE_BUS_MAX; i++)
    leave (all[i]);
}

static void
dial (Fixture *f, int fd)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  g_strlcpy (address.sun_path, f->path, sizeof address.sun_path);
  g_assert_cmpint (connect (fd, (struct sockaddr *) &address, sizeof address), ==, 0);
}

/* Says who it is over `fd`, and then does what it likes: no library reads for it. FALSE: it is turned away. */
static gboolean
prove (int fd)
{
  g_autofree char *uid = g_strdup_printf ("%u", (guint) geteuid ());
  g_autoptr (GString) words = g_string_new ("AUTH EXTERNAL ");
  char answer[256] = "";

  for (const char *p = uid; *p != '\0'; p++)
    g_string_append_printf (words, "%02x", (guint) *p);
  g_string_append (words, "\r\n");
  g_assert_cmpint (write (fd, "", 1), ==, 1);
  g_assert_cmpint (write (fd, words->str, words->len), ==, (gssize) words->len);
  while (recv (fd, answer, sizeof answer, MSG_DONTWAIT) < 0 && errno == EAGAIN)
    {
      g_main_context_iteration (NULL, FALSE);
      g_usleep (1000);
    }
  return g_str_has_prefix (answer, "OK ") && write (fd, "BEGIN\r\n", 7) == 7;
}

/* A process of that number, which waits to be killed; FALSE when we may not choose. */
static gboolean
take_number (pid_t wanted, pid_t *got)
{
  g_autofree char *before = g_strdup_printf ("%d", (int) wanted - 1);
  int fd = open ("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
  gboolean chosen = fd >= 0 && write (fd, before, strlen (before)) > 0;

  if (fd >= 0)
    close (fd);
  *got = chosen ? fork () : -1;
  if (*got == 0)
    for (;;)
      pause ();
  return *got == wanted;
}

/* Who connects leaves, and another speaks over what it left: first there is nobody of its number, then somebody else. */
static void
test_speaks_for_who_is_gone (Fixture *f, gconstpointer data)
{
  int fds[2], status, pidfd = -1;
  socklen_t length = sizeof pidfd;
  pid_t child, other;
  gboolean tells;

  for (guint i = 0; i < 2; i++)
    fds[i] = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  tells = getsockopt (fds[0], SOL_SOCKET, 77 /* SO_PEERPIDFD */, &pidfd, &length) == 0 || errno != ENOPROTOOPT;
  child = fork ();
  if (child == 0)
    {
      dial (f, fds[0]);
      dial (f, fds[1]);
      _exit (0);
    }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_cmpint (status, ==, 0);
  g_assert_false (prove (fds[0]));
  if (take_number (child, &other) && tells)
    g_assert_false (prove (fds[1]));
  else
    g_test_message ("%s", "no second process of one number, or a kernel that does not tell: not tried");
  if (other > 0)
    {
      kill (other, SIGKILL);
      g_assert_cmpint (waitpid (other, &status, 0), ==, other);
    }
  settle ();
  g_assert_cmpuint (f->front->windows->len, ==, 0);
  close (fds[0]);
  close (fds[1]);
}

static void
test_its_program_is_known_by_then (Fixture *f, gconstpointer data)
{
  GDBusConnection *one = join (f);
  g_autoptr (GVariant) reply = NULL;
  GCredentials *credentials;
  Window *window;

  /* Answered, so it was judged. */
  reply = call_ok (one, ROOT, "org.freedesktop.DBus.Properties", "Get", g_variant_new ("(ss)", I ("Manager"), "Version"));
  window = f->front->windows->pdata[0];
  credentials = g_dbus_connection_get_peer_credentials (window->connection);
  g_assert_true (g_str_has_suffix (g_object_get_data (G_OBJECT (credentials), BUS_ACCESS_PROGRAM), "test-private-bus"));
  leave (one);
}

static void
count_typing (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *member,
              GVariant *parameters, gpointer user)
{
  ++*(guint *) user;
}

static void
test_listens_and_does_not_read (Fixture *f, gconstpointer data)
{
  GDBusConnection *friend = join (f);
  Window *window;
  guint heard = 0, told = 0;
  int fd;

  g_dbus_connection_signal_subscribe (friend, NULL, NULL, "Typing", NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE, count_typing, &heard, NULL);
  g_variant_unref (call_ok (friend, ROOT, "org.freedesktop.DBus.Properties", "GetAll", g_variant_new ("(s)", I ("Manager"))));
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  dial (f, fd);
  g_assert_true (prove (fd));
  while (f->front->windows->len < 2)
    g_main_context_iteration (NULL, TRUE);
  window = f->front->windows->pdata[1];
  for (; f->front->windows->len == 2; told++)
    {
      g_assert_cmpuint (told, <, 50000);
      /* The cardboard room knows whoever watched last. */
      fake.delivery_watch->typing (window, fake.contacts->pdata[0], TRUE);
      fake.delivery_watch->typing (f->front->windows->pdata[0], fake.contacts->pdata[0], TRUE);
      while (told > heard + 100)
        g_main_context_iteration (NULL, TRUE);
      g_main_context_iteration (NULL, FALSE);
    }
  g_assert_cmpuint (f->front->windows->len, ==, 1);
  g_assert_true (f->front->windows->pdata[0] != window);
  while (heard < told)
    g_main_context_iteration (NULL, TRUE);
  g_variant_unref (call_ok (friend, ROOT, "org.freedesktop.DBus.Properties", "GetAll", g_variant_new ("(s)", I ("Manager"))));
  leave (friend);
  close (fd);
}

static void
test_directory_of_others (Fixture *f, gconstpointer data)
{
  g_autofree char *open_dir = g_build_filename (f->dir, "open", NULL);
  g_autofree char *link = g_build_filename (f->dir, "link", NULL);
  g_autofree char *in_open = g_build_filename (open_dir, "bus", NULL);
  g_autofree char *in_link = g_build_filename (link, "bus", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir (open_dir, 0700), ==, 0);
  g_assert_cmpint (chmod (open_dir, 0770), ==, 0);
  g_assert_cmpint (symlink (open_dir, link), ==, 0);
  g_assert_null (private_bus_new (f->front, in_open, &error));
  g_assert_nonnull (error);
  g_clear_error (&error);
  g_assert_null (private_bus_new (f->front, in_link, &error));
  g_assert_nonnull (error);
  g_assert_false (g_file_test (in_open, G_FILE_TEST_EXISTS));
  unlink (link);
  g_rmdir (open_dir);
}

static void
test_what_is_there_already (Fixture *f, gconstpointer data)
{
  g_autofree char *run = g_path_get_dirname (f->path);
  g_autofree char *file = g_build_filename (run, "file", NULL);
  g_autofree char *stale = g_build_filename (run, "stale", NULL);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  g_autoptr (GError) error = NULL;
  PrivateBus *other;
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  /* Somebody listens. */
  g_assert_null (private_bus_new (f->front, f->path, &error));
  g_assert_nonnull (strstr (error->message, "another earshotd"));
  g_clear_error (&error);
  g_assert_true (g_file_test (f->path, G_FILE_TEST_EXISTS));
  /* A file that is none of ours stays. */
  g_assert_true (g_file_set_contents (file, "mine", -1, NULL));
  g_assert_null (private_bus_new (f->front, file, &error));
  g_assert_nonnull (strstr (error->message, "in the way"));
  g_clear_error (&error);
  g_assert_true (g_file_test (file, G_FILE_TEST_IS_REGULAR));
  /* What a killed daemon left goes. */
  g_strlcpy (address.sun_path, stale, sizeof address.sun_path);
  g_assert_cmpint (bind (fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  close (fd);
  other = private_bus_new (f->front, stale, &error);
  g_assert_no_error (error);
  private_bus_free (other);
  g_assert_false (g_file_test (stale, G_FILE_TEST_EXISTS));
  unlink (file);
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, setup, func, teardown)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
  ADD ("/private-bus/everybody-sees-the-same", test_everybody_sees_the_same);
  ADD ("/private-bus/news-reach-everybody", test_news_reach_everybody_and_who_comes_later);
  ADD ("/private-bus/one-agent-is-in-charge", test_one_agent_is_in_charge);
  ADD ("/private-bus/forged-sender", test_forged_sender);
  ADD ("/private-bus/anonymous", test_only_the_kernels_word_counts);
  ADD ("/private-bus/too-many", test_as_many_and_no_more);
  ADD ("/private-bus/speaks-for-who-is-gone", test_speaks_for_who_is_gone);
  ADD ("/private-bus/its-program-is-known", test_its_program_is_known_by_then);
  ADD ("/private-bus/listens-and-does-not-read", test_listens_and_does_not_read);
  ADD ("/private-bus/directory-of-others", test_directory_of_others);
  ADD ("/private-bus/what-is-there-already", test_what_is_there_already);
  return g_test_run ();
}
