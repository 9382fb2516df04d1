/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who shows the dialog: agents are a stack, whatever connection they are on, the last registered is in charge. An agent's silence is
 * never a decision; nothing it answers changes trust. Each open question is shown by at most one agent at a time.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

#include "daemon/base/log.h"
#include "daemon/base/names.h"

#define AGENTS_MAX 32
#define AGENT_INTERFACE EARSHOT_BUS_NAME ".Agent"

typedef struct {
  Window *window; /* borrowed: bus_agents_window_gone() comes first */
  char *name;     /* on its bus; NULL where there is none between us */
  char *path;
  char *app;      /* in a sandbox: which application, else NULL */
  guint watch;
  GHashTable *shown; /* object path -> kind: what it was given */
} Agent;

struct _BusAgents {
  GQueue stack;   /* Agent*, the one in charge at the head */
  guint snooze_source;
  gint64 wake; /* when it fires */
};

static const char *
agent_label (const Agent *agent)
{
  return agent->name != NULL ? agent->name : "on the private socket";
}

static void
agent_call (const Agent *agent, const char *method, GVariant *arguments)
{
  g_dbus_connection_call (agent->window->connection, agent->name, agent->path, AGENT_INTERFACE, method, arguments,
                          NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, G_MAXINT, NULL, NULL, NULL);
}

static void
agent_withdraw (Agent *agent, const char *path, const char *reason)
{
  if (g_hash_table_remove (agent->shown, path))
    agent_call (agent, "Withdraw", g_variant_new ("(os)", path, reason));
}

static void
agent_free (gpointer data)
{
  Agent *agent = data;

  if (agent->watch != 0)
    g_bus_unwatch_name (agent->watch);
  g_hash_table_unref (agent->shown);
  g_free (agent->name);
  g_free (agent->path);
  g_free (agent->app);
  g_free (agent);
}

static Agent *
agents_find (BusAgents *agents, const GDBusConnection *connection, const char *name)
{
  for (GList *l = agents->stack.head; l != NULL; l = l->next)
    {
      Agent *agent = l->data;

      if (agent->window->connection == connection && g_strcmp0 (agent->name, name) == 0)
        return agent;
    }
  return NULL;
}

/* --- showing --------------------------------------------------------------------------------------------------- */

static void agents_show_all (BusAgents *agents);

static void
agents_drop (BusAgents *agents, Agent *agent, gboolean release)
{
  g_queue_remove (&agents->stack, agent);
  if (release)
    agent_call (agent, "Release", NULL);
  agent_free (agent);
}

typedef struct {
  Window *window;
  char *name, *path;
} Showing;

/* Only a front end that is no agent at all loses its place. */
static void
on_presented (GObject *source, GAsyncResult *result, gpointer user)
{
  Showing *showing = user;
  Window *window = showing->window;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  BusAgents *agents = window->closed ? NULL : window->front->agents;
  Agent *agent = agents == NULL ? NULL : agents_find (agents, window->connection, showing->name);

  if (reply == NULL && agent != NULL && g_str_equal (agent->path, showing->path))
    {
      g_autofree char *text = log_safe (error->message);

      log_info ("bus", "agent %s did not take a question: %s", agent_label (agent), text);
      if (g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD)
          || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT)
          || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_INTERFACE))
        {
          agents_drop (agents, agent, FALSE);
          agents_show_all (agents);
        }
    }
  window_unref (window);
  g_free (showing->name);
  g_free (showing->path);
  g_free (showing);
}

static gboolean
on_snooze_over (gpointer user)
{
  BusAgents *agents = user;

  agents->snooze_source = 0;
  agents_show_all (agents);
  return G_SOURCE_REMOVE;
}

/* Looks again when the first snooze ends; long ones by stages. */
static void
agents_wake_at (BusAgents *agents, gint64 until)
{
  gint64 seconds = (until - g_get_real_time ()) / G_USEC_PER_SEC + 1;

  if (agents->snooze_source != 0 && agents->wake <= until)
    return;
  g_clear_handle_id (&agents->snooze_source, g_source_remove);
  agents->wake = until;
  agents->snooze_source = g_timeout_add_seconds ((guint) CLAMP (seconds, 1, 3600), on_snooze_over, agents);
}

/* Once; `details` floating. */
static void
agent_present (Agent *agent, const char *path, const char *kind, GVariant *details)
{
  Showing *showing = g_new0 (Showing, 1);

  g_hash_table_replace (agent->shown, g_strdup (path), g_strdup (kind));
  showing->window = window_ref (agent->window);
  showing->name = g_strdup (agent->name);
  showing->path = g_strdup (agent->path);
  g_dbus_connection_call (agent->window->connection, agent->name, agent->path, AGENT_INTERFACE, "Present",
                          g_variant_new ("(os@a{sv})", path, kind, details), NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START,
                          G_MAXINT, NULL, on_presented, showing);
}

void
bus_agents_request (BusAgents *agents, guint64 id)
{
  Agent *agent = g_queue_peek_head (&agents->stack);
  Window *window = agent != NULL ? agent->window : NULL;
  BusObject *object = window != NULL ? bus_objects_get_request (window->objects, id) : NULL;
  const char *kind;
  gint64 snoozed;

  if (object == NULL || !object->announced || !bus_request_look (window, id, &kind, &snoozed))
    return;
  if (snoozed > g_get_real_time ())
    {
      agent_withdraw (agent, object->path, "snoozed");
      agents_wake_at (agents, snoozed);
      return;
    }
  /* Once more when it became another question: its choices are others. */
  if (g_strcmp0 (g_hash_table_lookup (agent->shown, object->path), kind) != 0)
    agent_present (agent, object->path, kind, bus_request_get_details (window, object));
}

/* Only what the peer began: who began it here has it on the screen already. And only when there is something to compare: who knocks and
 * goes no further bothers nobody. */
void
bus_agents_verification (BusAgents *agents, guint32 id)
{
  Agent *agent = g_queue_peek_head (&agents->stack);
  Verification *run = agent != NULL ? verifications_get (agent->window->rooms.verifications, id) : NULL;
  g_autofree char *path = bus_path_verification (id);

  if (run != NULL && !verification_is_ours (run)
      && verification_get_state (run) == VERIFICATION_COMPARING && !g_hash_table_contains (agent->shown, path))
    agent_present (agent, path, "verification", bus_verification_get_details (run));
}

static void
show_one (BusObject *object, gpointer user)
{
  if (object->id.kind == BUS_REQUEST)
    bus_agents_request (user, object->id.request);
  else if (object->announced)
    bus_agents_verification (user, object->id.verification);
}

static void
agents_show_all (BusAgents *agents)
{
  Agent *agent = g_queue_peek_head (&agents->stack);

  if (agent == NULL)
    return;
  bus_objects_foreach (agent->window->objects, BUS_REQUEST, show_one, agents);
  bus_objects_foreach (agent->window->objects, BUS_VERIFICATION, show_one, agents);
}

void
bus_agents_request_gone (BusAgents *agents, guint64 id)
{
  g_autofree char *path = bus_path_request (id);

  for (GList *l = agents->stack.head; l != NULL; l = l->next)
    agent_withdraw (l->data, path, "resolved");
}

void
bus_agents_verification_gone (BusAgents *agents, guint32 id)
{
  g_autofree char *path = bus_path_verification (id);

  for (GList *l = agents->stack.head; l != NULL; l = l->next)
    agent_withdraw (l->data, path, "resolved");
}

/* --- coming and going ------------------------------------------------------------------------------------------ */

static void
on_agent_vanished (GDBusConnection *connection, const char *name, gpointer user)
{
  BusAgents *agents = user;
  Agent *agent = agents_find (agents, connection, name);

  if (agent == NULL)
    return;
  log_info ("bus", "agent %s left", name);
  agents_drop (agents, agent, FALSE);
  agents_show_all (agents);
}

void
bus_agents_window_gone (BusAgents *agents, Window *window)
{
  gboolean left = FALSE;

  for (GList *l = agents->stack.head, *next; l != NULL; l = next)
    {
      next = l->next;
      if (((Agent *) l->data)->window != window)
        continue;
      agents_drop (agents, l->data, !g_dbus_connection_is_closed (window->connection));
      left = TRUE;
    }
  if (left)
    agents_show_all (agents);
}

/* The one in charge gives its open questions to the next. */
static void
agents_move_from (Agent *agent)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer path;

  g_hash_table_iter_init (&iter, agent->shown);
  while (g_hash_table_iter_next (&iter, &path, NULL))
    g_ptr_array_add (paths, g_strdup (path));
  for (guint i = 0; i < paths->len; i++)
    agent_withdraw (agent, paths->pdata[i], "moved");
}

void
bus_agents_review (BusAgents *agents, const char *app)
{
  gboolean left = FALSE;

  for (GList *l = agents->stack.head, *next; l != NULL; l = next)
    {
      Agent *agent = l->data;

      next = l->next;
      if (g_strcmp0 (agent->app, app) != 0
          || bus_scopes_allow (app_access_get (agent->window->rooms.app_access, app), "Manager", "RegisterAgent", BUS_CALL))
        continue;
      log_info ("bus", "agent %s may be one no more", agent_label (agent));
      agents_drop (agents, agent, TRUE);
      left = TRUE;
    }
  if (left)
    agents_show_all (agents);
}

void
bus_agents_register (BusCall *call, GVariant *args)
{
  BusAgents *agents = call->window->front->agents;
  const char *sender = bus_call_get_sender (call);
  g_autoptr (GVariant) options = NULL;
  const char *path, *role;
  GError *error = NULL;
  Agent *agent, *before;

  g_variant_get (args, "(&o&s@a{sv})", &path, &role, &options);
  if (!bus_options_none (options, &error))
    {
      bus_call_take_error (call, error);
      return;
    }
  if (!g_str_equal (role, "interactive"))
    {
      bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "the only role is interactive");
      return;
    }
  agent = agents_find (agents, call->window->connection, sender);
  if (agent == NULL && g_queue_get_length (&agents->stack) >= AGENTS_MAX)
    {
      bus_call_fail (call, EARSHOT_ERROR_QUOTA_EXCEEDED, "there are %d agents", AGENTS_MAX);
      return;
    }
  if (agent != NULL && !g_str_equal (agent->path, path))
    {
      agents_drop (agents, agent, TRUE);
      agent = NULL;
    }
  before = g_queue_peek_head (&agents->stack);
  if (before != NULL && before != agent)
    agents_move_from (before);
  if (agent != NULL)
    {
      g_queue_remove (&agents->stack, agent);
    }
  else
    {
      agent = g_new0 (Agent, 1);
      agent->window = call->window;
      agent->name = g_strdup (sender);
      agent->path = g_strdup (path);
      agent->app = g_strdup (call->app);
      agent->shown = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
      if (sender != NULL)
        agent->watch = g_bus_watch_name_on_connection (call->window->connection, sender, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                       NULL, on_agent_vanished, agents, NULL);
    }
  g_queue_push_head (&agents->stack, agent);
  bus_call_return (call, NULL);
  agents_show_all (agents);
}

void
bus_agents_unregister (BusCall *call, GVariant *args)
{
  BusAgents *agents = call->window->front->agents;
  Agent *agent = agents_find (agents, call->window->connection, bus_call_get_sender (call));
  const char *path;

  g_variant_get (args, "(&o)", &path);
  if (agent == NULL || !g_str_equal (agent->path, path))
    {
      bus_call_fail (call, EARSHOT_ERROR_NOT_FOUND, "you have no agent there");
      return;
    }
  agents_drop (agents, agent, TRUE);
  bus_call_return (call, NULL);
  agents_show_all (agents);
}

BusAgents *
bus_agents_new (void)
{
  BusAgents *agents = g_new0 (BusAgents, 1);

  g_queue_init (&agents->stack);
  return agents;
}

void
bus_agents_release_all (BusAgents *agents)
{
  while (!g_queue_is_empty (&agents->stack))
    agents_drop (agents, g_queue_peek_head (&agents->stack), TRUE);
}

void
bus_agents_free (BusAgents *agents)
{
  g_clear_handle_id (&agents->snooze_source, g_source_remove);
  g_free (agents);
}
