/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "cli/agent-hook.h"
#include "cli/escape.h"

#define EVENTS_MAX 256

struct _AgentHook {
  Ctl *ctl;
  char *command;
  GQueue events; /* JsonObject*; the one that runs is none of them */
  gboolean running;
  GCancellable *cancellable;
};

static void hook_next (AgentHook *hook);

static void
on_done (GObject *source, GAsyncResult *result, gpointer user)
{
  AgentHook *hook = user;
  g_autoptr (GError) error = NULL;

  if (!g_subprocess_communicate_finish (G_SUBPROCESS (source), result, NULL, NULL, &error)
      && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return; /* the hook is gone */
  if (error == NULL && !g_subprocess_get_successful (G_SUBPROCESS (source)))
    ctl_note (hook->ctl, "--exec did not succeed");
  hook->running = FALSE;
  hook_next (hook);
}

/* Environment takes text only, escaped: programs print it. */
static void
set_environment (GSubprocessLauncher *launcher, JsonObject *event)
{
  static const struct {
    const char *member, *variable;
  } names[] = {
    { "type", "EARSHOT_EVENT" },        { "object", "EARSHOT_OBJECT" },       { "kind", "EARSHOT_KIND" },
    { "reason", "EARSHOT_REASON" },     { "fingerprint", "EARSHOT_FINGERPRINT" }, { "claimed_name", "EARSHOT_CLAIMED_NAME" },
    { "app", "EARSHOT_APP" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      const char *text = json_object_get_string_member_with_default (event, names[i].member, "");
      g_autofree char *safe = escape_text (text);

      g_subprocess_launcher_setenv (launcher, names[i].variable, safe, TRUE);
    }
}

static void
hook_next (AgentHook *hook)
{
  JsonObject *event = g_queue_pop_head (&hook->events);
  g_autoptr (GSubprocessLauncher) launcher = NULL;
  g_autoptr (GSubprocess) child = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *text = NULL;
  g_autofree char *line = NULL;

  if (event == NULL)
    return;
  launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_PIPE);
  set_environment (launcher, event);
  node = json_node_alloc ();
  json_node_init_object (node, event);
  text = json_to_string (node, FALSE);
  line = g_strconcat (text, "\n", NULL);
  json_object_unref (event);
  child = g_subprocess_launcher_spawn (launcher, &error, "/bin/sh", "-c", hook->command, NULL);
  if (child == NULL)
    {
      ctl_note (hook->ctl, "--exec cannot be started: %s", error->message);
      hook_next (hook);
      return;
    }
  hook->running = TRUE;
  bytes = g_bytes_new (line, strlen (line));
  g_subprocess_communicate_async (child, bytes, hook->cancellable, on_done, hook);
}

void
agent_hook_run (AgentHook *hook, JsonObject *event_take)
{
  if (g_queue_get_length (&hook->events) >= EVENTS_MAX)
    {
      ctl_note (hook->ctl, "--exec is too slow: an event was left out; see xmppctl trust pending");
      json_object_unref (event_take);
      return;
    }
  g_queue_push_tail (&hook->events, event_take);
  if (!hook->running)
    hook_next (hook);
}

AgentHook *
agent_hook_new (Ctl *ctl, const char *command)
{
  AgentHook *hook = g_new0 (AgentHook, 1);

  hook->ctl = ctl;
  hook->command = g_strdup (command);
  hook->cancellable = g_cancellable_new ();
  g_queue_init (&hook->events);
  return hook;
}

void
agent_hook_free (AgentHook *hook)
{
  g_cancellable_cancel (hook->cancellable);
  g_object_unref (hook->cancellable);
  g_queue_clear_full (&hook->events, (GDestroyNotify) json_object_unref);
  g_free (hook->command);
  g_free (hook);
}
