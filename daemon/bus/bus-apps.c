/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What programs in sandboxes may do: puts together who calls (bus-access.h), what the call needs (bus-scopes.h) and what a person granted
 * (daemon/model/app-access.h). SECURITY CRITICAL: every call and every property goes through bus_apps_permit(); no application answers a
 * question about an application, whatever it was granted.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

#include <string.h>

#include "daemon/base/log.h"

#define SCOPES_GIVEN_MAX 8

AppScopes
bus_apps_granted (BusCall *call)
{
  return call->app == NULL ? APP_SCOPES_ALL : app_access_get (call->window->rooms.app_access, call->app);
}

/* What the caller, and whoever reads its log, is told. */
static void
deny (BusCall *call, AppAsked asked, guint need)
{
  g_autofree char *words = app_scopes_to_string (need);
  g_autofree char *has = app_scopes_to_string (bus_apps_granted (call));

  if (need & BUS_ONLY_UNCONFINED)
    bus_call_fail (call, EARSHOT_ERROR_ACCESS_DENIED, "no program in a sandbox may do this, whatever it was granted");
  else if (asked == APP_ASKED || asked == APP_WAITING)
    bus_call_fail (call, EARSHOT_ERROR_ACCESS_DENIED,
                   "%s runs in a sandbox and needs leave (%s); a person %s: xmppctl access grant %s %s", call->app, words,
                   asked == APP_ASKED ? "is asked now and can also say" : "was asked and did not answer yet; also", call->app, words);
  else if (asked == APP_NO_ROOM)
    bus_call_fail (call, EARSHOT_ERROR_ACCESS_DENIED,
                   "%s runs in a sandbox and needs leave (%s); too many others ask already, so nobody was asked: xmppctl access grant %s %s",
                   call->app, words, call->app, words);
  else
    bus_call_fail (call, EARSHOT_ERROR_ACCESS_DENIED, "%s may %s; this needs %s: xmppctl access grant %s %s", call->app,
                   *has != '\0' ? has : "do nothing", words, call->app, words);
}

gboolean
bus_apps_permit (BusCall *call, const char *interface, const char *member, BusAction action)
{
  AppScopes granted;
  AppAsked asked;
  guint need;

  if (call->app == NULL)
    return TRUE;
  bus_scopes_find (interface, member, action, &need);
  granted = bus_apps_granted (call);
  if ((need & ~(guint) granted) == 0)
    return TRUE;
  /* A question offers no more than this; what needs more is for a person to grant unasked. */
  asked = app_access_ask (call->window->rooms.app_access, call->app, need & APP_MAY_SEND ? APP_MAY_SEND : APP_MAY_READ, call->audit);
  log_debug ("bus", "denied %s.%s to %s", interface, member, call->audit);
  deny (call, asked, need);
  return FALSE;
}

/* --- grants ---------------------------------------------------------------------------------------------------- */

static gboolean
parse_scopes (char **words, AppScopes *out, GError **error)
{
  AppScopes one;

  *out = APP_MAY_NOTHING;
  for (guint i = 0; words[i] != NULL; i++)
    {
      if (i >= SCOPES_GIVEN_MAX || !app_scope_from_word (words[i], &one))
        {
          g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "the scopes are read, send, trust and admin");
          return FALSE;
        }
      *out |= one;
    }
  return TRUE;
}

void
bus_apps_set (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) options = NULL;
  g_auto (GStrv) words = NULL;
  GError *error = NULL;
  AppScopes scopes;
  const char *app;

  g_variant_get (args, "(&s^as@a{sv})", &app, &words, &options);
  if (!bus_options_none (options, &error) || !parse_scopes (words, &scopes, &error))
    bus_call_take_error (call, error);
  else
    app_access_set (call->window->rooms.app_access, app, scopes, call->audit, bus_call_done, call);
}

void
bus_apps_forget (BusCall *call, GVariant *args)
{
  const char *app;

  g_variant_get (args, "(&s)", &app);
  app_access_forget (call->window->rooms.app_access, app, call->audit, bus_call_done, call);
}

void
bus_apps_list (BusCall *call, GVariant *args)
{
  g_autoptr (GPtrArray) rows = app_access_list (call->window->rooms.app_access);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(sasa{sv})"));
  for (guint i = 0; i < rows->len; i++)
    {
      const AppRow *row = rows->pdata[i];
      g_autofree char *text = app_scopes_to_string (row->scopes);
      g_auto (GStrv) words = g_strsplit (text, " ", -1);
      g_autofree char *request = row->request != 0 ? bus_path_request (row->request) : g_strdup ("/");
      g_autofree char *wants = app_scopes_to_string (row->wants);
      GVariantBuilder data;

      g_variant_builder_init (&data, G_VARIANT_TYPE_VARDICT);
      g_variant_builder_add (&data, "{sv}", "since", g_variant_new_int64 (row->since));
      g_variant_builder_add (&data, "{sv}", "request", g_variant_new_object_path (request));
      if (row->wants != APP_MAY_NOTHING)
        g_variant_builder_add (&data, "{sv}", "wants", g_variant_new_string (wants));
      g_variant_builder_add (&builder, "(s^asa{sv})", row->app, *text != '\0' ? words : words + g_strv_length (words), &data);
    }
  bus_call_return (call, g_variant_new ("(a(sasa{sv}))", &builder));
}

/* --- questions --------------------------------------------------------------------------------------------------- */

GVariant *
bus_apps_describe (const AppRow *row)
{
  g_autofree char *wants = app_scopes_to_string (row->wants);
  g_auto (GStrv) parts = g_strsplit (row->app, ":", 2);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder, "{sv}", "app", g_variant_new_string (row->app));
  g_variant_builder_add (&builder, "{sv}", "sandbox", g_variant_new_string (parts[0]));
  g_variant_builder_add (&builder, "{sv}", "name", g_variant_new_string (parts[1]));
  g_variant_builder_add (&builder, "{sv}", "wants", g_variant_new_string (wants));
  return g_variant_builder_end (&builder);
}

void
bus_apps_refresh (BusObject *object, const AppRow *row, EarshotRequest *skeleton)
{
  earshot_request_set_id (skeleton, row->request);
  earshot_request_set_kind (skeleton, "app-access");
  earshot_request_set_contact (skeleton, "/");
  earshot_request_set_key (skeleton, "/");
  earshot_request_set_created (skeleton, row->since);
  earshot_request_set_choices (skeleton, app_access_get_choices ());
  if (!object->announced)
    earshot_request_set_details (skeleton, bus_apps_describe (row));
}

/* Whoever was let in must not let in others. */
static gboolean
is_for_people (BusCall *call)
{
  if (call->app == NULL)
    return TRUE;
  log_event (G_LOG_LEVEL_MESSAGE, "bus", 0, 0, "app-access", "an application may not answer for applications: %s", call->audit);
  bus_call_fail (call, EARSHOT_ERROR_ACCESS_DENIED, "no program in a sandbox answers questions about such programs");
  return FALSE;
}

void
bus_apps_resolve (BusCall *call, const AppRow *row, const char *choice, gboolean options)
{
  if (!is_for_people (call))
    return;
  if (options)
    bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "there is no key and no contact: no option is known here");
  else
    app_access_resolve (call->window->rooms.app_access, row->request, choice, call->audit, bus_call_done, call);
}

void
bus_apps_snooze (BusCall *call, const AppRow *row, gint64 until)
{
  if (is_for_people (call))
    app_access_snooze (call->window->rooms.app_access, row->request, until, bus_call_done, call);
}
