/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * agent: shows each open question as it comes. SECURITY: nothing is decided but by a whole word that a person types after the question
 * was shown, and what raises trust needs the first group of the fingerprint on top; what was typed before is thrown away. --json and
 * --exec only tell. Questions come from the daemon that answered us and from nobody who merely talks like it.
 */
#include "earshot-config.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/agent-hook.h"
#include "cli/commands.h"
#include "cli/escape.h"
#include "cli/live.h"
#include "cli/out.h"
#include "cli/peer.h"
#include "cli/trust-requests.h"

#define AGENT_PATH "/im/earshot/xmppctl/agent"
#define LINE_MAX_BYTES 256
#define WAITING_MAX 1024 /* questions; the daemon has fewer */
#define GROUP_DIGITS 8
#define RELEASE_WAIT 2 /* seconds until a daemon that goes has gone */

static char *option_exec;

static const GOptionEntry options[] = {
  { "exec", 0, 0, G_OPTION_ARG_STRING, &option_exec, "Run sh -c CMD for each Present and Withdraw, with a JSON line on its stdin", "CMD" },
  G_OPTION_ENTRY_NULL
};

typedef struct {
  Ctl *ctl;
  EarshotAgent *skeleton;
  AgentHook *hook;   /* --exec */
  GQueue waiting;    /* char*, paths; the one on the screen at the head */
  GString *line;     /* what is being typed */
  enum { IDLE, CHOOSING, CONFIRMING, COMPARING } step;
  char *choice;      /* CONFIRMING */
  guint stdin_source, next_source, release_source;
  GSubprocess *verify;
  struct sigaction interrupt; /* as it was before `verify` had the terminal */
} Agent;

/* --- what a question is ------------------------------------------------------------------------------------------ */

static gboolean
is_run (const char *path)
{
  return g_str_has_prefix (path, EARSHOT_ROOT "/verification/");
}

/* Signals never carry everything: it is read when it is shown. FALSE: gone. */
static gboolean
look_up (Ctl *ctl, const char *path, const char *interface)
{
  g_autofree char *full = g_strconcat (EARSHOT_NAME ".", interface, NULL);
  g_autoptr (GVariant) reply =
    g_dbus_connection_call_sync (ctl->connection, ctl->owner, path, "org.freedesktop.DBus.Properties", "GetAll",
                                 g_variant_new ("(s)", full), G_VARIANT_TYPE ("(a{sv})"), G_DBUS_CALL_FLAGS_NONE,
                                 ctl_call_timeout (ctl), NULL, NULL);
  g_autoptr (GVariant) all = reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;

  if (all == NULL)
    return FALSE;
  if (model_has (ctl->model, path, interface))
    model_change (ctl->model, path, interface, all);
  else
    model_add (ctl->model, path, g_variant_new_parsed ("{%s: %@a{sv}}", full, all));
  return TRUE;
}

/* Whose answer can do no harm that another answer does not undo. */
static gboolean
is_harmless (const char *choice)
{
  static const char *const words[] = { "reject", "refuse", "deny", "block", "ignore", NULL };

  return g_strv_contains (words, choice);
}

/* Whose answer is about one key, which is named: to the daemon in full, and to us by who has compared it. */
static gboolean
names_key (const char *choice)
{
  static const char *const words[] = { "accept", "replace", "separate", "verify", "verify-replace", NULL };

  return g_strv_contains (words, choice);
}

static gboolean
knows (const char *kind)
{
  static const char *const kinds[] = { "new-key", "name-conflict", "legacy-peer", "introduction", "duplicate-identity", "app-access",
                                       "verification", NULL };

  return g_strv_contains (kinds, kind);
}

/* --- showing ----------------------------------------------------------------------------------------------------- */

static void show_next (Agent *agent);

static gboolean
on_next (gpointer user)
{
  Agent *agent = user;

  agent->next_source = 0;
  show_next (agent);
  return G_SOURCE_REMOVE;
}

static void
want_next (Agent *agent)
{
  if (agent->next_source == 0)
    agent->next_source = g_idle_add (on_next, agent);
}

static void
prompt (Agent *agent)
{
  const char *path = g_queue_peek_head (&agent->waiting);

  fflush (stdout);
  if (is_run (path))
    {
      fputs ("Compare codes now? [y/N] ", stderr);
    }
  else
    {
      g_autofree const char **choices = model_strv (agent->ctl->model, path, "Request", "Choices");
      g_autofree char *words = g_strjoinv (", ", (char **) choices);
      g_autofree char *safe = escape_text (words);

      fprintf (stderr, "%s? [Enter: later] ", safe);
    }
  fflush (stderr);
}

/* Whatever was typed so far was not about this question. */
static void
forget_typing (Agent *agent)
{
  g_string_truncate (agent->line, 0);
  tcflush (STDIN_FILENO, TCIFLUSH);
}

static void
show_run (Ctl *ctl, const char *path)
{
  const char *contact = model_string (ctl->model, path, "Verification", "Contact");
  const char *key = model_string (ctl->model, path, "Verification", "Key");
  g_autofree char *label = peer_dup_label (ctl, contact);

  out_trust (ctl, peer_get_trust (ctl, contact));
  out_rest (ctl, OUT_TRUST_WIDTH, "  verification  %s wants to compare codes", label);
  request_print_key (ctl, "key", model_string (ctl->model, key, "Key", "Fingerprint"));
}

static void
drop_head (Agent *agent)
{
  g_free (g_queue_pop_head (&agent->waiting));
  g_clear_pointer (&agent->choice, g_free);
  agent->step = IDLE;
}

static void
show_next (Agent *agent)
{
  const char *path;

  if (agent->step != IDLE || agent->hook != NULL || agent->ctl->json)
    return;
  while ((path = g_queue_peek_head (&agent->waiting)) != NULL
         && !look_up (agent->ctl, path, is_run (path) ? "Verification" : "Request"))
    drop_head (agent); /* its Withdraw is on its way */
  if (path == NULL)
    return;
  agent->step = CHOOSING;
  forget_typing (agent);
  if (is_run (path))
    show_run (agent->ctl, path);
  else
    request_show (agent->ctl, path);
  prompt (agent);
}

/* --- deciding ---------------------------------------------------------------------------------------------------- */

static void take_lines (Agent *agent);

static void
on_verified (GObject *source, GAsyncResult *result, gpointer user)
{
  Agent *agent = user;

  g_subprocess_wait_finish (G_SUBPROCESS (source), result, NULL);
  g_clear_object (&agent->verify);
  sigaction (SIGINT, &agent->interrupt, NULL);
  take_lines (agent);
  drop_head (agent);
  want_next (agent);
}

/* `verify` has the terminal until it ends; a Ctrl-C is for it. */
static void
compare (Agent *agent, const char *fingerprint)
{
  Ctl *ctl = agent->ctl;
  g_autofree char *digits = g_strndup (fingerprint, SELECTOR_PREFIX_MIN_TRUST);
  g_autofree char *program = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *bus = ctl->bus != NULL ? g_strconcat ("--bus=", ctl->bus, NULL) : g_strdup ("--color=auto");
  struct sigaction ignore = { .sa_handler = SIG_IGN };
  g_autoptr (GError) error = NULL;

  agent->verify = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_INHERIT, &error, program != NULL ? program : "xmppctl", bus, "verify",
                                    digits, NULL);
  if (agent->verify == NULL)
    {
      ctl_note (ctl, "cannot start xmppctl verify: %s", error->message);
      drop_head (agent);
      want_next (agent);
      return;
    }
  agent->step = COMPARING;
  g_clear_handle_id (&agent->stdin_source, g_source_remove);
  sigaction (SIGINT, &ignore, &agent->interrupt);
  g_subprocess_wait_async (agent->verify, NULL, on_verified, agent);
}

static void
resolve (Agent *agent, const char *path, const char *choice)
{
  Ctl *ctl = agent->ctl;
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotRequest) request = ctl_request (ctl, path, &error);
  g_autoptr (GVariantBuilder) builder = g_variant_builder_new (G_VARIANT_TYPE_VARDICT);
  const char *fingerprint = request_get_fingerprint (ctl, path), *name = "";

  if (names_key (choice) && *fingerprint != '\0')
    g_variant_builder_add (builder, "{sv}", "fingerprint", g_variant_new_string (fingerprint));
  if (request != NULL && earshot_request_call_resolve_sync (request, choice, g_variant_builder_end (builder), NULL, &error))
    {
      /* The answer is the right code, typed in the comparison that this began; the question goes when it is. */
      if (g_str_equal (choice, "verify") || g_str_equal (choice, "verify-replace"))
        {
          compare (agent, fingerprint);
          return;
        }
      ctl_note (ctl, "%s: done", choice);
      drop_head (agent);
      want_next (agent);
      return;
    }
  exit_code_of_error (error, &name, NULL);
  if (g_str_equal (name, "AlreadyResolved") || g_str_equal (name, "NotFound"))
    {
      ctl_note (ctl, "it was decided elsewhere");
      drop_head (agent);
      want_next (agent);
      return;
    }
  g_dbus_error_strip_remote_error (error);
  ctl_note (ctl, "nothing was changed: %s", error->message);
  agent->step = CHOOSING;
  prompt (agent);
}

static void
choose_run (Agent *agent, const char *path, const char *line)
{
  if (*line == 'y' || *line == 'Y')
    {
      compare (agent, model_string (agent->ctl->model, model_string (agent->ctl->model, path, "Verification", "Key"), "Key", "Fingerprint"));
      return;
    }
  ctl_note (agent->ctl, "not now; it waits for a few minutes: xmppctl verify");
  drop_head (agent);
  want_next (agent);
}

static void
choose (Agent *agent, const char *path, const char *line)
{
  const char *fingerprint = request_get_fingerprint (agent->ctl, path);

  if (*line == '\0' || g_str_equal (line, "later"))
    {
      ctl_note (agent->ctl, "it waits: xmppctl trust pending");
      drop_head (agent);
      want_next (agent);
    }
  else if (!request_offers (agent->ctl, path, line))
    {
      ctl_note (agent->ctl, "type one of these words whole, or nothing");
      prompt (agent);
    }
  else if (is_harmless (line) || request_is_app (agent->ctl, path))
    {
      resolve (agent, path, line);
    }
  else
    {
      agent->choice = g_strdup (line);
      agent->step = CONFIRMING;
      if (names_key (line) && *fingerprint != '\0')
        fprintf (stderr, "To %s, type the first group of the key, as the other side's screen shows it: ", line);
      else
        fprintf (stderr, "%s? [y/N] ", line);
      fflush (stderr);
    }
}

static void
confirm (Agent *agent, const char *path, const char *line)
{
  const char *fingerprint = request_get_fingerprint (agent->ctl, path);
  g_autofree char *choice = g_steal_pointer (&agent->choice);
  gboolean group = names_key (choice) && *fingerprint != '\0';
  gboolean yes = group ? strlen (line) == GROUP_DIGITS && g_ascii_strncasecmp (line, fingerprint, GROUP_DIGITS) == 0
                                      : *line == 'y' || *line == 'Y';

  agent->step = CHOOSING;
  if (yes)
    {
      resolve (agent, path, choice);
      return;
    }
  ctl_note (agent->ctl, "%snothing was changed", group && *line != '\0' ? "that is not the first group; " : "");
  prompt (agent);
}

static void
on_line (Agent *agent, char *line)
{
  g_autofree char *path = g_strdup (g_queue_peek_head (&agent->waiting));

  g_strstrip (line);
  if (g_str_equal (line, "quit") || g_str_equal (line, "/quit"))
    live_quit (agent->ctl, EXIT_DONE);
  else if (agent->step == CHOOSING && is_run (path))
    choose_run (agent, path, line);
  else if (agent->step == CHOOSING)
    choose (agent, path, line);
  else if (agent->step == CONFIRMING)
    confirm (agent, path, line);
}

static gboolean
on_stdin (int fd, GIOCondition condition, gpointer user)
{
  Agent *agent = user;
  char buffer[LINE_MAX_BYTES];
  ssize_t n;

  n = read (fd, buffer, sizeof buffer);
  if (n < 0 && (errno == EINTR || errno == EAGAIN))
    return G_SOURCE_CONTINUE;
  if (n <= 0)
    {
      agent->stdin_source = 0;
      live_quit (agent->ctl, EXIT_DONE);
      return G_SOURCE_REMOVE;
    }
  for (ssize_t i = 0; i < n; i++)
    if (buffer[i] == '\n')
      {
        g_autofree char *line = g_strdup (agent->line->str);

        g_string_truncate (agent->line, 0);
        on_line (agent, line);
        break; /* what was typed behind it was typed before the next question */
      }
    else if (buffer[i] != '\0' && agent->line->len < LINE_MAX_BYTES)
      {
        g_string_append_c (agent->line, buffer[i]);
      }
  return agent->stdin_source != 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE; /* `verify` has the terminal now */
}

static void
take_lines (Agent *agent)
{
  agent->stdin_source = g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, on_stdin, agent);
}

/* --- what the daemon says ---------------------------------------------------------------------------------------- */

static GList *
find_waiting (Agent *agent, const char *path)
{
  return g_queue_find_custom (&agent->waiting, path, (GCompareFunc) strcmp);
}

static gboolean
is_from_daemon (Agent *agent, GDBusMethodInvocation *invocation)
{
  if (g_strcmp0 (g_dbus_method_invocation_get_sender (invocation), agent->ctl->owner) == 0 || agent->ctl->is_private)
    return TRUE;
  g_dbus_method_invocation_return_dbus_error (invocation, "org.freedesktop.DBus.Error.AccessDenied", "only earshotd presents questions");
  return FALSE;
}

static JsonObject *
event_to_json (Agent *agent, const char *type, const char *path, const char *kind, const char *reason)
{
  JsonObject *object = json_line_new (type);

  json_object_set_string_member (object, "object", path);
  if (reason != NULL)
    json_object_set_string_member (object, "reason", reason);
  if (kind == NULL)
    return object;
  if (is_run (path))
    json_object_set_string_member (object, "kind", kind);
  else
    request_fill_json (agent->ctl, path, object);
  if (is_run (path))
    {
      const char *key = model_string (agent->ctl->model, path, "Verification", "Key");

      json_object_set_string_member (object, "fingerprint", model_string (agent->ctl->model, key, "Key", "Fingerprint"));
      json_object_set_object_member (
        object, "peer", peer_ref_to_json (agent->ctl, model_string (agent->ctl->model, path, "Verification", "Contact"), NULL));
    }
  return object;
}

static void
tell (Agent *agent, const char *type, const char *path, const char *kind, const char *reason)
{
  JsonObject *object = event_to_json (agent, type, path, kind, reason);

  if (agent->hook != NULL)
    agent_hook_run (agent->hook, object);
  else
    json_line_print (stdout, object);
  out_flush ();
}

static gboolean
on_present (EarshotAgent *skeleton, GDBusMethodInvocation *invocation, const char *path, const char *kind, GVariant *details, gpointer user)
{
  Agent *agent = user;
  GList *there = find_waiting (agent, path);

  if (!is_from_daemon (agent, invocation))
    return TRUE;
  earshot_agent_complete_present (skeleton, invocation);
  if (agent->hook != NULL || agent->ctl->json)
    {
      if (look_up (agent->ctl, path, is_run (path) ? "Verification" : "Request"))
        tell (agent, "present", path, kind, NULL);
      return TRUE;
    }
  if (!knows (kind) || g_queue_get_length (&agent->waiting) >= WAITING_MAX)
    {
      ctl_note (agent->ctl, "a question of a kind not known here (%s) waits: xmppctl trust pending", kind);
      return TRUE;
    }
  if (there == NULL)
    g_queue_push_tail (&agent->waiting, g_strdup (path));
  else if (there == agent->waiting.head && agent->step != IDLE && agent->step != COMPARING)
    {
      /* It became another question while it was on the screen. */
      fputs ("\n", stderr);
      ctl_note (agent->ctl, "it changed:");
      g_clear_pointer (&agent->choice, g_free);
      agent->step = IDLE;
    }
  want_next (agent);
  return TRUE;
}

static const char *
explain (const char *reason)
{
  if (g_str_equal (reason, "snoozed"))
    return "it comes again later";
  if (g_str_equal (reason, "moved"))
    return "another agent shows it now";
  return "it was decided elsewhere, or is over";
}

static gboolean
on_withdraw (EarshotAgent *skeleton, GDBusMethodInvocation *invocation, const char *path, const char *reason, gpointer user)
{
  Agent *agent = user;
  GList *there = find_waiting (agent, path);

  if (!is_from_daemon (agent, invocation))
    return TRUE;
  earshot_agent_complete_withdraw (skeleton, invocation);
  if (agent->hook != NULL || agent->ctl->json)
    {
      tell (agent, "withdraw", path, NULL, reason);
      return TRUE;
    }
  /* `verify` sees for itself how its run ends. */
  if (there == NULL || (there == agent->waiting.head && agent->step == COMPARING))
    return TRUE;
  if (there == agent->waiting.head && agent->step != IDLE)
    {
      fputs ("\n", stderr);
      ctl_note (agent->ctl, "%s", explain (reason));
      forget_typing (agent);
      drop_head (agent);
      want_next (agent);
      return TRUE;
    }
  g_free (there->data);
  g_queue_delete_link (&agent->waiting, there);
  return TRUE;
}

static gboolean on_released (gpointer user);

/* The daemon is going, and live.c waits for it; or we may be no agent any more. */
static gboolean
on_release (EarshotAgent *skeleton, GDBusMethodInvocation *invocation, gpointer user)
{
  Agent *agent = user;

  if (!is_from_daemon (agent, invocation))
    return TRUE;
  earshot_agent_complete_release (skeleton, invocation);
  if (agent->release_source == 0)
    agent->release_source = g_timeout_add_seconds (RELEASE_WAIT, on_released, agent);
  return TRUE;
}

/* --- life -------------------------------------------------------------------------------------------------------- */

static gboolean
agent_register (Agent *agent, GError **error)
{
  Ctl *ctl = agent->ctl;
  g_autoptr (EarshotManager) manager = NULL;

  /* The private socket gives another connection each time. */
  if (g_dbus_interface_skeleton_get_connection (G_DBUS_INTERFACE_SKELETON (agent->skeleton)) != ctl->connection)
    {
      if (g_dbus_interface_skeleton_get_connection (G_DBUS_INTERFACE_SKELETON (agent->skeleton)) != NULL)
        g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (agent->skeleton));
      if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (agent->skeleton), ctl->connection, AGENT_PATH, error))
        return FALSE;
    }
  manager = ctl_manager (ctl, error);
  return manager != NULL
         && earshot_manager_call_register_agent_sync (manager, AGENT_PATH, "interactive", ctl_no_options (), NULL, error);
}

static gboolean
on_released (gpointer user)
{
  Agent *agent = user;
  g_autoptr (GError) error = NULL;
  const char *name = "";

  agent->release_source = 0;
  if (agent_register (agent, &error))
    return G_SOURCE_REMOVE;
  exit_code_of_error (error, &name, NULL);
  /* Whoever is not there will be back; only a no is a no. */
  if (g_strcmp0 (name, "AccessDenied") == 0)
    live_fail (agent->ctl, error);
  return G_SOURCE_REMOVE;
}

/* The daemon is new: it presents what is still open. */
static void
on_resync (Ctl *ctl, gpointer user)
{
  Agent *agent = user;
  g_autoptr (GError) error = NULL;

  g_clear_handle_id (&agent->release_source, g_source_remove);
  if (agent->step == CHOOSING || agent->step == CONFIRMING)
    fputs ("\n", stderr);
  while (agent->waiting.head != NULL && agent->step != COMPARING)
    drop_head (agent);
  if (!agent_register (agent, &error))
    live_fail (ctl, error);
}

static int
run (Agent *agent)
{
  static const LiveHandlers handlers = { .resync = on_resync };
  Ctl *ctl = agent->ctl;
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotManager) manager = NULL;
  int code;

  if (!ctl->can_ask && !ctl->json && option_exec == NULL)
    {
      ctl_hint (ctl, "xmppctl agent --json, or --exec CMD; they tell, and decide nothing");
      return ctl_usage (ctl, "an agent asks on a terminal; there is none");
    }
  if (option_exec != NULL && ctl->json)
    return ctl_usage (ctl, "--exec or --json, not both");
  if (!live_start (ctl, &handlers, agent, &error) || !agent_register (agent, &error))
    return ctl_fail (ctl, error);
  if (option_exec != NULL)
    agent->hook = agent_hook_new (ctl, option_exec);
  else if (!ctl->json)
    take_lines (agent);
  ctl_note (ctl, "waiting for questions; quit ends it, and the questions wait");
  code = live_run (ctl);
  manager = ctl_manager (ctl, NULL);
  if (manager != NULL && code != EXIT_UNAVAILABLE)
    earshot_manager_call_unregister_agent_sync (manager, AGENT_PATH, NULL, NULL);
  return code;
}

static int
run_agent (Ctl *ctl, int argc, char **argv)
{
  Agent agent = { .ctl = ctl, .line = g_string_new (NULL), .skeleton = earshot_agent_skeleton_new () };
  int code;

  g_queue_init (&agent.waiting);
  g_signal_connect (agent.skeleton, "handle-present", G_CALLBACK (on_present), &agent);
  g_signal_connect (agent.skeleton, "handle-withdraw", G_CALLBACK (on_withdraw), &agent);
  g_signal_connect (agent.skeleton, "handle-release", G_CALLBACK (on_release), &agent);
  code = run (&agent);
  if (g_dbus_interface_skeleton_get_connection (G_DBUS_INTERFACE_SKELETON (agent.skeleton)) != NULL)
    g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (agent.skeleton));
  g_clear_handle_id (&agent.stdin_source, g_source_remove);
  g_clear_handle_id (&agent.next_source, g_source_remove);
  g_clear_handle_id (&agent.release_source, g_source_remove);
  g_clear_pointer (&agent.hook, agent_hook_free);
  g_clear_object (&agent.verify);
  g_object_unref (agent.skeleton);
  g_queue_clear_full (&agent.waiting, g_free);
  g_string_free (agent.line, TRUE);
  g_free (agent.choice);
  return code;
}

const Command command_agent = {
  .name = "agent",
  .args = "",
  .summary = "Show each question about trust as it comes, and take the answer",
  .detail =
    "The last agent that registered is in charge; when it ends, the one before it is. The answer is one of the words shown, typed\n"
    "whole; what raises trust asks for the first group of the fingerprint, too. Enter leaves the question waiting, quit ends the\n"
    "agent. It stays while the daemon restarts. With --json, or in the environment of --exec, each Present and Withdraw is\n"
    "told, and nothing is decided.",
  .examples = "xmppctl agent\nxmppctl --json agent\nxmppctl agent --exec 'notify-send \"Earshot asks: $EARSHOT_KIND\"'",
  .options = options,
  .run = run_agent,
};
