/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * access: what programs in sandboxes may do. SECURITY: an application is named in full or is one that is listed; `trust` and `admin` are
 * given after a yes only.
 */
#include "earshot-config.h"

#include <string.h>

#include "cli/commands.h"
#include "cli/complete.h"
#include "cli/out.h"
#include "cli/time-text.h"

static gboolean option_yes;

/* One row of ListAppAccess. */
typedef struct {
  char *app, *wants;
  char **scopes;
  gboolean asks;
  gint64 since;
} App;

static const char *const all_scopes[] = { "read", "send", "trust", "admin", NULL };

static void
app_clear (App *app)
{
  g_clear_pointer (&app->app, g_free);
  g_clear_pointer (&app->wants, g_free);
  g_clear_pointer (&app->scopes, g_strfreev);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (App, app_clear)

static GVariant *
list_apps (Ctl *ctl, GError **error)
{
  g_autoptr (EarshotManager) manager = ctl_manager (ctl, error);
  GVariant *apps = NULL;

  return manager != NULL && earshot_manager_call_list_app_access_sync (manager, &apps, NULL, error) ? apps : NULL;
}

static void
read_app (GVariant *apps, gsize index, App *app)
{
  g_autoptr (GVariant) row = g_variant_get_child_value (apps, index);
  g_autoptr (GVariant) data = g_variant_get_child_value (row, 2);
  g_autoptr (GVariant) request = g_variant_lookup_value (data, "request", G_VARIANT_TYPE_OBJECT_PATH);

  app_clear (app);
  g_variant_get_child (row, 0, "s", &app->app);
  g_variant_get_child (row, 1, "^as", &app->scopes);
  app->asks = request != NULL && !g_str_equal (g_variant_get_string (request, NULL), "/");
  app->wants = g_strdup (dict_string (data, "wants"));
  app->since = dict_number (data, "since");
}

/* By its whole id, or by what stands behind the colon. FALSE: none, or two. */
static gboolean
find_app (GVariant *apps, const char *text, App *app, GError **error)
{
  gsize found = 0, at = 0;

  for (gsize i = 0; i < g_variant_n_children (apps); i++)
    {
      const char *colon;

      read_app (apps, i, app);
      colon = strchr (app->app, ':');
      if (g_str_equal (app->app, text) || (colon != NULL && g_str_equal (colon + 1, text)))
        {
          found++;
          at = i;
        }
    }
  app_clear (app);
  if (found == 1)
    read_app (apps, at, app);
  else if (found == 0)
    g_set_error (error, CLI_ERROR, CLI_ERROR_NOT_FOUND, "no application called %s has asked or was told", text);
  else
    g_set_error (error, CLI_ERROR, CLI_ERROR_AMBIGUOUS, "%s is a Flatpak and a Snap: say flatpak:%s or snap:%s", text, text, text);
  return found == 1;
}

/* --- ls ------------------------------------------------------------------------------------------ */

static const char *
state_of (const App *app)
{
  if (app->asks)
    return "asks";
  return app->scopes[0] != NULL ? "allowed" : "denied";
}

static void
print_json (const App *app)
{
  JsonObject *object = json_line_new ("app");

  json_object_set_string_member (object, "app", app->app);
  json_object_set_string_member (object, "state", state_of (app));
  json_set_strv (object, "scopes", (const char *const *) app->scopes);
  json_object_set_string_member (object, "wants", app->wants);
  json_set_time (object, "since", app->since);
  json_line_print (stdout, object);
}

static int
run_ls (Ctl *ctl, int argc, char **argv)
{
  static const char *const headers[] = { "STATE", "APPLICATION", "MAY", "WANTS", "SINCE", NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (Table) table = table_new (headers);
  g_autoptr (GVariant) apps = NULL;

  if (!ctl_load (ctl, &error) || (apps = list_apps (ctl, &error)) == NULL)
    return ctl_fail (ctl, error);
  for (gsize i = 0; i < g_variant_n_children (apps); i++)
    {
      g_auto (App) app = { 0 };

      read_app (apps, i, &app);
      g_autofree char *may = g_strjoinv (" ", app.scopes);
      g_autofree char *since = time_format_local (app.since);

      if (ctl->json)
        print_json (&app);
      else
        table_add (table, state_of (&app), app.app, may, app.wants, since, NULL);
    }
  if (g_variant_n_children (apps) > 0 && !ctl->json)
    table_print (table, ctl);
  if (g_variant_n_children (apps) == 0)
    ctl_note (ctl, "no program in a sandbox has asked for anything");
  return EXIT_DONE;
}

/* --- grant, revoke, forget -------------------------------------------------------------------------- */

static int
check_scopes (Ctl *ctl, int argc, char **argv)
{
  for (int i = 1; i < argc; i++)
    if (!g_strv_contains (all_scopes, argv[i]))
      return ctl_usage (ctl, "%s is no scope: read, send, trust or admin", argv[i]);
  return EXIT_DONE;
}

static int
set_scopes (Ctl *ctl, const char *name, GPtrArray *scopes)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotManager) manager = ctl_manager (ctl, &error);
  g_autofree char *words = NULL;

  g_ptr_array_add (scopes, NULL);
  words = g_strjoinv (" ", (char **) scopes->pdata);
  if (manager == NULL
      || !earshot_manager_call_set_app_access_sync (manager, name, (const char *const *) scopes->pdata, ctl_no_options (), NULL, &error))
    return ctl_fail (ctl, error);
  if (ctl->json)
    {
      JsonObject *object = json_line_new ("app");

      json_object_set_string_member (object, "app", name);
      json_set_strv (object, "scopes", (const char *const *) scopes->pdata);
      json_line_print (stdout, object);
    }
  else
    {
      ctl_note (ctl, "%s may %s", name, *words != '\0' ? words : "do nothing, and is not asked about again");
    }
  return EXIT_DONE;
}

/* Whoever decides whom to trust decides everything. */
static int
confirm (Ctl *ctl, const char *name, gboolean great)
{
  if (!great || option_yes)
    return EXIT_DONE;
  if (!ctl->can_ask)
    return ctl_usage (ctl, "without a terminal, granting trust or admin needs --yes");
  out_line (ctl, "%s could then decide whom to trust, or change how this daemon works, without asking you.", name);
  out_flush ();
  if (ctl_ask (ctl, "Let it?"))
    return EXIT_DONE;
  ctl_note (ctl, "nothing was changed");
  return EXIT_FAILED;
}

static int
run_grant (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) apps = NULL;
  g_autoptr (GPtrArray) scopes = g_ptr_array_new ();
  g_auto (App) app = { 0 };
  gboolean wanted[G_N_ELEMENTS (all_scopes)] = { FALSE };
  int code = check_scopes (ctl, argc, argv);

  if (code != EXIT_DONE)
    return code;
  if (!ctl_load (ctl, &error) || (apps = list_apps (ctl, &error)) == NULL)
    return ctl_fail (ctl, error);
  /* One that never called can be let in beforehand, by its whole id. */
  if (!find_app (apps, argv[0], &app, &error) && (error->code != CLI_ERROR_NOT_FOUND || strchr (argv[0], ':') == NULL))
    {
      ctl_hint (ctl, "xmppctl access ls lists them; one that never called is named in full: flatpak:ID or snap:NAME");
      return ctl_fail (ctl, error);
    }
  for (guint i = 0; all_scopes[i] != NULL; i++)
    {
      wanted[i] = app.scopes != NULL && g_strv_contains ((const char *const *) app.scopes, all_scopes[i]);
      for (int n = 1; n < argc; n++)
        wanted[i] = wanted[i] || g_str_equal (argv[n], all_scopes[i]);
    }
  wanted[0] = wanted[0] || wanted[1]; /* send brings read */
  for (guint i = 0; all_scopes[i] != NULL; i++)
    if (wanted[i])
      g_ptr_array_add (scopes, (char *) all_scopes[i]);
  code = confirm (ctl, app.app != NULL ? app.app : argv[0], wanted[2] || wanted[3]);
  return code == EXIT_DONE ? set_scopes (ctl, app.app != NULL ? app.app : argv[0], scopes) : code;
}

static int
run_revoke (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) apps = NULL;
  g_autoptr (GPtrArray) scopes = g_ptr_array_new ();
  g_auto (App) app = { 0 };
  int code = check_scopes (ctl, argc, argv);

  if (code != EXIT_DONE)
    return code;
  if (!ctl_load (ctl, &error) || (apps = list_apps (ctl, &error)) == NULL || !find_app (apps, argv[0], &app, &error))
    return ctl_fail (ctl, error);
  for (guint i = 0; argc > 1 && app.scopes[i] != NULL; i++)
    {
      gboolean stays = TRUE;

      for (int n = 1; n < argc; n++)
        stays = stays && !g_str_equal (argv[n], app.scopes[i])
                && !(g_str_equal (argv[n], "read") && g_str_equal (app.scopes[i], "send")); /* which would bring it back */
      if (stays)
        g_ptr_array_add (scopes, app.scopes[i]);
    }
  return set_scopes (ctl, app.app, scopes);
}

static int
run_forget (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) apps = NULL;
  g_autoptr (EarshotManager) manager = NULL;
  g_auto (App) app = { 0 };

  if (!ctl_load (ctl, &error) || (apps = list_apps (ctl, &error)) == NULL || !find_app (apps, argv[0], &app, &error)
      || (manager = ctl_manager (ctl, &error)) == NULL || !earshot_manager_call_forget_app_sync (manager, app.app, NULL, &error))
    return ctl_fail (ctl, error);
  ctl_note (ctl, "%s may do nothing; its next call is asked about", app.app);
  return EXIT_DONE;
}

/* --- the command ---------------------------------------------------------------------------------------- */

static gboolean
complete_app (Ctl *ctl, const char *what, const char *before, Completion *completion)
{
  g_autoptr (GVariant) apps = NULL;

  for (guint i = 0; g_str_equal (what, "SCOPE") && all_scopes[i] != NULL; i++)
    completion_add (completion, all_scopes[i], NULL);
  if (g_str_equal (what, "SCOPE") || !completion_ask (completion) || (apps = list_apps (ctl, NULL)) == NULL)
    return TRUE;
  for (gsize i = 0; i < g_variant_n_children (apps); i++)
    {
      g_auto (App) app = { 0 };

      read_app (apps, i, &app);
      completion_add (completion, app.app, state_of (&app));
    }
  return TRUE;
}

static const GOptionEntry grant_options[] = {
  { "yes", 'y', 0, G_OPTION_ARG_NONE, &option_yes, "Grant trust or admin without asking", NULL },
  G_OPTION_ENTRY_NULL
};

static const Command command_ls = {
  .name = "ls",
  .args = "",
  .summary = "List them",
  .examples = "xmppctl access ls",
  .run = run_ls,
};

static const Command command_grant = {
  .name = "grant",
  .args = "APP SCOPE...",
  .summary = "Let a program do more",
  .detail = "read: people and messages. send: speak in your name; brings read. trust: decide whom to trust. admin: everything else.\n"
            "It answers an open question about the program. To what was granted before it adds.",
  .examples = "xmppctl access grant flatpak:org.example.Chat send\nxmppctl access grant org.example.Chat read",
  .options = grant_options,
  .min_args = 2,
  .max_args = 5,
  .run = run_grant,
  .complete = complete_app,
};

static const Command command_revoke = {
  .name = "revoke",
  .args = "APP [SCOPE...]",
  .summary = "Take it back, at once",
  .detail = "Without SCOPE all of it. The program is not asked about again: xmppctl access forget makes that so.",
  .examples = "xmppctl access revoke org.example.Chat\nxmppctl access revoke org.example.Chat send",
  .min_args = 1,
  .max_args = 5,
  .run = run_revoke,
  .complete = complete_app,
};

static const Command command_forget = {
  .name = "forget",
  .args = "APP",
  .summary = "As if it had never called: its next call is asked about",
  .examples = "xmppctl access forget org.example.Chat",
  .min_args = 1,
  .max_args = 1,
  .run = run_forget,
  .complete = complete_app,
};

static const Command *const subcommands[] = { &command_ls, &command_grant, &command_revoke, &command_forget, NULL };

const Command command_access = {
  .name = "access",
  .args = "COMMAND",
  .summary = "What programs in sandboxes may do",
  .detail = "A Flatpak or Snap may do nothing here until you say so; its first call asks you (xmppctl trust pending).",
  .examples = "xmppctl access ls\nxmppctl access grant org.example.Chat send\nxmppctl access revoke org.example.Chat",
  .subcommands = subcommands,
};
