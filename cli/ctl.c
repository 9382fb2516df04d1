/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/bus.h"
#include "cli/ctl.h"
#include "cli/escape.h"
#include "cli/out.h"
#include "cli/progress.h"

#define CALL_TIMEOUT_MS 30000

/* Without the round trips of loading properties, matching signals or starting the service: ctl_load() did that. */
#define PROXY_FLAGS                                                                      \
  (G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES | G_DBUS_PROXY_FLAGS_DO_NOT_CONNECT_SIGNALS \
   | G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START)

gboolean
ctl_connect (Ctl *ctl, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autofree char *where = NULL;

  if (ctl->connection != NULL)
    return TRUE;
  ctl->connection = bus_open (ctl->bus, &ctl->is_private, &where, &local);
  if (ctl->connection == NULL)
    {
      if (local->code != CLI_ERROR_USAGE)
        ctl_hint (ctl, "start it in another terminal: earshotd (without a bus it listens on a socket of its own); if it runs on a bus, set DBUS_SESSION_BUS_ADDRESS or name that with "
                       "--bus=ADDRESS");
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  /* GIO ignores SIGPIPE; a pipe that is closed early shall end us as it ends every filter. */
  signal (SIGPIPE, SIG_DFL);
  g_dbus_connection_set_exit_on_close (ctl->connection, FALSE);
  ctl_trace (ctl, "bus %s, our name %s", where, ctl->is_private ? "-" : g_dbus_connection_get_unique_name (ctl->connection));
  return TRUE;
}

int
ctl_call_timeout (Ctl *ctl)
{
  if (ctl->deadline == 0)
    return CALL_TIMEOUT_MS;
  gint64 left = (ctl->deadline - g_get_monotonic_time ()) / 1000;

  return (int) CLAMP (left, 1, 24 * 3600 * 1000);
}

/* Says which of the two is missing: the bus answers, the daemon does not. */
static void
explain_absence (Ctl *ctl, GError **error)
{
  const char *name = NULL;

  if (exit_code_of_error (*error, &name, NULL) != EXIT_UNAVAILABLE || !g_str_equal (name, "Unavailable"))
    return;
  g_autoptr (GError) was = g_steal_pointer (error);

  g_dbus_error_strip_remote_error (was);
  ctl_hint (ctl, "start it with: systemctl --user start earshotd (or run earshotd in another terminal)");
  /* What the bus says of a name that nobody owns is true, and tells a person nothing. */
  if (g_error_matches (was, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN))
    g_set_error (error, CLI_ERROR, CLI_ERROR_UNAVAILABLE, "the daemon earshotd is not running on this bus, and nothing is installed that would start it");
  else
    g_set_error (error, CLI_ERROR, CLI_ERROR_UNAVAILABLE, "the daemon earshotd is not running: %s", was->message);
}

gboolean
ctl_load (Ctl *ctl, GError **error)
{
  g_autoptr (GDBusMessage) call = NULL;
  g_autoptr (GDBusMessage) reply = NULL;
  GError *local = NULL;

  if (!ctl_connect (ctl, error))
    return FALSE;
  call = g_dbus_message_new_method_call (ctl->is_private ? NULL : EARSHOT_NAME, EARSHOT_ROOT, "org.freedesktop.DBus.ObjectManager",
                                         "GetManagedObjects");
  if (ctl->no_autostart)
    g_dbus_message_set_flags (call, G_DBUS_MESSAGE_FLAGS_NO_AUTO_START);
  /* It may have to be started first. */
  if (ctl->model == NULL)
    progress_begin (ctl, "waiting for earshotd");
  reply = g_dbus_connection_send_message_with_reply_sync (ctl->connection, call, G_DBUS_SEND_MESSAGE_FLAGS_NONE,
                                                          ctl_call_timeout (ctl), NULL, NULL, &local);
  if (ctl->model == NULL)
    progress_end ();
  if (reply != NULL)
    g_dbus_message_to_gerror (reply, &local);
  if (local != NULL)
    {
      explain_absence (ctl, &local);
      g_propagate_error (error, local);
      return FALSE;
    }
  GVariant *body = g_dbus_message_get_body (reply);

  if (body == NULL || !g_variant_is_of_type (body, G_VARIANT_TYPE ("(a{oa{sa{sv}}})")))
    {
      g_set_error (error, CLI_ERROR, CLI_ERROR_FAILED, "what owns %s on this bus is not earshotd", EARSHOT_NAME);
      return FALSE;
    }
  g_autoptr (GVariant) managed = g_variant_get_child_value (body, 0);

  if (ctl->model == NULL)
    ctl->model = model_new ();
  model_load (ctl->model, managed);
  g_free (ctl->owner);
  ctl->owner = NULL;
  if (!ctl->is_private)
    ctl->owner = g_strdup (g_dbus_message_get_sender (reply) != NULL ? g_dbus_message_get_sender (reply) : EARSHOT_NAME);
  ctl_trace (ctl, "daemon %s, version %s", ctl->is_private ? "on its own socket" : ctl->owner, model_string (ctl->model, EARSHOT_ROOT, "Manager", "Version"));
  return TRUE;
}

void
ctl_clear (Ctl *ctl)
{
  if (ctl->connection != NULL)
    g_dbus_connection_close_sync (ctl->connection, NULL, NULL);
  g_clear_object (&ctl->connection);
  g_clear_pointer (&ctl->model, model_free);
  g_clear_pointer (&ctl->owner, g_free);
  g_clear_pointer (&ctl->hint, g_free);
  g_clear_pointer (&ctl->bus, g_free);
  g_clear_pointer (&ctl->color, g_free);
  g_clear_pointer (&ctl->timeout_text, g_free);
}

#define DEFINE_PROXY(Type, type)                                                                     \
  static Earshot##Type *new_##type (Ctl *ctl, const char *path, GError **error)                      \
  {                                                                                                  \
    Earshot##Type *proxy =                                                                           \
      earshot_##type##_proxy_new_sync (ctl->connection, PROXY_FLAGS, ctl->owner, path, NULL, error); \
    if (proxy != NULL)                                                                               \
      g_dbus_proxy_set_default_timeout (G_DBUS_PROXY (proxy), ctl_call_timeout (ctl));               \
    return proxy;                                                                                    \
  }

DEFINE_PROXY (Manager, manager)
DEFINE_PROXY (Messages, messages)
DEFINE_PROXY (Network, network)
DEFINE_PROXY (Contact, contact)
DEFINE_PROXY (Conversation, conversation)
DEFINE_PROXY (Key, key)
DEFINE_PROXY (Request, request)
DEFINE_PROXY (Verification, verification)

EarshotManager *
ctl_manager (Ctl *ctl, GError **error)
{
  return new_manager (ctl, EARSHOT_ROOT, error);
}

EarshotMessages *
ctl_messages (Ctl *ctl, GError **error)
{
  return new_messages (ctl, EARSHOT_ROOT, error);
}

EarshotNetwork *
ctl_network (Ctl *ctl, GError **error)
{
  return new_network (ctl, EARSHOT_ROOT, error);
}

EarshotContact *
ctl_contact (Ctl *ctl, const char *path, GError **error)
{
  return new_contact (ctl, path, error);
}

EarshotConversation *
ctl_conversation (Ctl *ctl, const char *path, GError **error)
{
  return new_conversation (ctl, path, error);
}

EarshotKey *
ctl_key (Ctl *ctl, const char *path, GError **error)
{
  return new_key (ctl, path, error);
}

EarshotRequest *
ctl_request (Ctl *ctl, const char *path, GError **error)
{
  return new_request (ctl, path, error);
}

EarshotVerification *
ctl_verification (Ctl *ctl, const char *path, GError **error)
{
  return new_verification (ctl, path, error);
}

gboolean
ctl_set_property (Ctl *ctl, const char *path, const char *interface, const char *property, GVariant *value,
                  GError **error)
{
  g_autofree char *full = g_strconcat (EARSHOT_NAME, ".", interface, NULL);
  g_autoptr (GVariant) done = g_dbus_connection_call_sync (
    ctl->connection, ctl->owner, path, "org.freedesktop.DBus.Properties", "Set",
    g_variant_new ("(ssv)", full, property, value), NULL, G_DBUS_CALL_FLAGS_NONE, ctl_call_timeout (ctl), NULL, error);

  return done != NULL;
}

GVariant *
ctl_no_options (void)
{
  return g_variant_new ("a{sv}", NULL);
}

void
ctl_hint (Ctl *ctl, const char *format, ...)
{
  va_list args;

  g_free (ctl->hint);
  va_start (args, format);
  ctl->hint = g_strdup_vprintf (format, args);
  va_end (args);
}

static void
print_error_json (const char *name, int code, const char *message, const char *hint)
{
  JsonObject *object = json_line_new ("error");

  json_object_set_string_member (object, "error", name);
  json_object_set_int_member (object, "exit", code);
  json_object_set_string_member (object, "message", message);
  if (hint != NULL)
    json_object_set_string_member (object, "hint", hint);
  json_line_print (stderr, object);
}

/* Escaped, for stderr: on a terminal it is folded here, because what a terminal wraps begins in column 0, where trust stands. `used`: columns
 * that stand before it. Caller frees. */
static char *
dup_for_stderr (const char *text, guint used)
{
  g_autofree char *safe = escape_text (text);
  GString *folded = g_string_new (NULL);
  struct winsize size;
  guint columns, room;

  columns = ioctl (STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? MAX (size.ws_col, OUT_COLUMNS_MIN) : G_MAXUINT;
  room = columns - used - 1;
  for (const char *at = safe; *at != '\0'; room = columns - (guint) strlen (OUT_INDENT) - 1)
    {
      gsize next, len = escape_fold (at, room, &next);

      if (at != safe)
        g_string_append (folded, "\n" OUT_INDENT);
      g_string_append_len (folded, at, (gssize) len);
      at += next;
    }
  return g_string_free (folded, FALSE);
}

int
ctl_fail (Ctl *ctl, const GError *error)
{
  return ctl_fail_for (ctl, NULL, error);
}

int
ctl_fail_for (Ctl *ctl, const char *whom, const GError *error)
{
  const char *name, *hint;
  int code = exit_code_of_error (error, &name, &hint);
  g_autoptr (GError) copy = g_error_copy (error);
  g_autofree char *own_hint = g_steal_pointer (&ctl->hint);

  progress_hide ();
  fflush (stdout);
  g_dbus_error_strip_remote_error (copy);
  if (whom != NULL)
    g_prefix_error (&copy, "%s: ", whom);
  if (own_hint != NULL)
    hint = own_hint;
  if (ctl->json)
    {
      print_error_json (name, code, copy->message, hint);
      return code;
    }
  g_autofree char *message = dup_for_stderr (copy->message, strlen ("xmppctl: "));

  fprintf (stderr, "%sxmppctl: %s%s\n", out_color (ctl->color_err, "31"), message, out_color (ctl->color_err, ""));
  if (hint != NULL)
    {
      g_autofree char *safe = dup_for_stderr (hint, strlen ("  hint: "));

      fprintf (stderr, "  hint: %s\n", safe);
    }
  return code;
}

int
ctl_usage (Ctl *ctl, const char *format, ...)
{
  g_autofree char *text = NULL;
  g_autofree char *own_hint = g_steal_pointer (&ctl->hint);
  const char *command = ctl->command_line != NULL ? ctl->command_line : "";
  const char *space = *command != '\0' ? " " : "";
  const char *args = ctl->command != NULL ? ctl->command->args : "COMMAND";
  va_list list;

  progress_hide ();
  va_start (list, format);
  text = g_strdup_vprintf (format, list);
  va_end (list);
  if (ctl->json)
    {
      if (own_hint == NULL)
        own_hint = g_strdup_printf ("xmppctl %s%s--help", command, space);
      print_error_json ("InvalidArgument", EXIT_USAGE, text, own_hint);
      return EXIT_USAGE;
    }
  g_autofree char *safe = dup_for_stderr (text, (guint) (strlen ("xmppctl: ") + strlen (space) + strlen (command)));

  fprintf (stderr, "xmppctl%s%s: %s\n", space, command, safe);
  if (own_hint != NULL)
    {
      g_autofree char *safe_hint = dup_for_stderr (own_hint, strlen ("  hint: "));

      fprintf (stderr, "  hint: %s\n", safe_hint);
    }
  fprintf (stderr, "Usage: xmppctl%s%s [OPTION...]%s%s\n", space, command, *args != '\0' ? " " : "", args);
  fprintf (stderr, "Try 'xmppctl%s%s --help'.\n", space, command);
  return EXIT_USAGE;
}

static void G_GNUC_PRINTF (1, 0) print_note (const char *format, va_list args)
{
  g_autofree char *text = g_strdup_vprintf (format, args);
  g_autofree char *safe = dup_for_stderr (text, strlen ("xmppctl: "));

  progress_hide ();
  fflush (stdout);
  fprintf (stderr, "xmppctl: %s\n", safe);
}

void
ctl_note (Ctl *ctl, const char *format, ...)
{
  va_list args;

  if (ctl->quiet || ctl->json)
    return;
  va_start (args, format);
  print_note (format, args);
  va_end (args);
}

void
ctl_trace (Ctl *ctl, const char *format, ...)
{
  va_list args;

  if (!ctl->verbose)
    return;
  va_start (args, format);
  print_note (format, args);
  va_end (args);
}

gboolean
ctl_ask (Ctl *ctl, const char *question)
{
  char answer[16];

  g_return_val_if_fail (ctl->can_ask, FALSE);
  progress_hide ();
  fflush (stdout);
  fprintf (stderr, "%s [y/N] ", question);
  fflush (stderr);
  if (fgets (answer, sizeof answer, stdin) == NULL)
    return FALSE;
  return answer[0] == 'y' || answer[0] == 'Y';
}
