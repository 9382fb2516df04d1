/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What every window shows alike, whoever looks through it: kept here, told by each.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

#include <string.h>

#define WARNINGS_MAX 64

static void
touch_roots (Front *front)
{
  for (guint i = 0; i < front->windows->len; i++)
    window_touch_root (front->windows->pdata[i]);
}

/* FALSE: it says what it said. */
static gboolean
keep_warning (Front *front, const char *key, const char *text)
{
  g_autofree char *valid = text != NULL ? g_utf8_make_valid (text, -1) : NULL;
  const char *before = g_tree_lookup (front->warnings, key);

  if (g_strcmp0 (before, valid) == 0 || (before == NULL && g_tree_nnodes (front->warnings) >= WARNINGS_MAX))
    return FALSE;
  if (valid == NULL)
    g_tree_remove (front->warnings, key);
  else
    g_tree_replace (front->warnings, g_strdup (key), g_steal_pointer (&valid));
  return TRUE;
}

void
front_set_warning (Front *front, const char *key, const char *text)
{
  if (!keep_warning (front, key, text))
    return;
  /* Some of them anybody on the link can cause, again and again. */
  for (guint i = 0; i < front->windows->len; i++)
    bus_objects_publish_root (((Window *) front->windows->pdata[i])->objects);
}

void
front_set_network (Front *front, const char *backend, const char *state, const char *reason)
{
  g_free (front->backend);
  g_free (front->state);
  front->backend = g_strdup (backend);
  front->state = g_strdup (state);
  front_set_warning (front, "discovery", g_strcmp0 (state, "running") != 0 ? reason : NULL);
  touch_roots (front);
}

void
front_refresh_manager (Front *front)
{
  touch_roots (front);
}

void
front_set_address (Front *front, const char *instance)
{
  g_free (front->instance);
  front->instance = g_strdup (instance);
  touch_roots (front);
}

/* The windows hear of it, too, and tell it when they may. */
static void
on_warning (gpointer user, const char *key, const char *text)
{
  keep_warning (user, key, text);
}

/* Before the windows hear of it: who asks for it from now on was too late. */
static void
on_request_removed (gpointer user, Request *request)
{
  Front *front = user;

  front->resolved[front->n_resolved++ % G_N_ELEMENTS (front->resolved)] = request_get_id (request);
}

static const TrustWatch trust_callbacks = { .warning = on_warning, .request_removed = on_request_removed };

static void
on_app_question_removed (gpointer user, guint64 id)
{
  Front *front = user;

  front->resolved[front->n_resolved++ % G_N_ELEMENTS (front->resolved)] = id;
}

static void
on_app_changed (gpointer user, const char *app)
{
  Front *front = user;

  bus_agents_review (front->agents, app);
}

static const AppWatch app_callbacks = { .question_removed = on_app_question_removed, .changed = on_app_changed };

static int
compare_keys (gconstpointer a, gconstpointer b, gpointer user)
{
  return strcmp (a, b);
}

Front *
front_new (const Rooms *rooms)
{
  Front *front = g_new0 (Front, 1);

  front->rooms = *rooms;
  front->windows = g_ptr_array_new ();
  front->agents = bus_agents_new ();
  front->start_time = g_get_real_time ();
  front->backend = g_strdup ("");
  front->state = g_strdup ("waiting");
  front->instance = g_strdup (rooms->discovery != NULL ? discovery_get_instance (rooms->discovery) : NULL);
  front->warnings = g_tree_new_full (compare_keys, NULL, g_free, g_free);
  trust_watch (rooms->trust, &trust_callbacks, front);
  app_access_watch (rooms->app_access, &app_callbacks, front);
  return front;
}

void
front_free (Front *front)
{
  if (front == NULL)
    return;
  app_access_unwatch (front->rooms.app_access, front);
  trust_unwatch (front->rooms.trust, front);
  bus_agents_release_all (front->agents);
  while (front->windows->len > 0)
    window_close (front->windows->pdata[front->windows->len - 1]);
  bus_agents_free (front->agents);
  g_ptr_array_unref (front->windows);
  g_tree_unref (front->warnings);
  g_free (front->backend);
  g_free (front->state);
  g_free (front->instance);
  g_free (front);
}
