/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * config: what of the daemon can be set while it runs. They are properties of its Manager object.
 */
#include "earshot-config.h"

#include "cli/commands.h"
#include "cli/complete.h"
#include "cli/out.h"
#include "cli/time-text.h"

static gboolean option_describe;

typedef struct {
  const char *name, *property;
  char type;          /* s, u, b */
  const char *values; /* what it takes */
  const char *about;
} Setting;

static const Setting settings[] = {
  { "nick", "Nick", 's', "text", "The name others see" },
  { "show", "Show", 's', "available, away, dnd", "Whether you are there" },
  { "status-text", "StatusText", 's', "text", "What others read beside it" },
  { "visibility", "Visibility", 's', "everyone, private, invisible", "Who can discover you" },
  { "eager-connect", "EagerConnect", 's', "never, queued, always", "When peers are dialled" },
  { "max-strangers", "MaxStrangers", 'u', "number", "How many unknown peers are remembered" },
  { "trust-mode", "TrustMode", 's', "ask, tofu, ca, strict", "What happens to unknown keys" },
  { "legacy-policy", "LegacyPolicy", 's', "refuse, ask, allow", "What happens to peers without encryption" },
  { "share-name", "ShareName", 'b', "true, false", "Announce your full name" },
  { "share-jid", "ShareJid", 'b', "true, false", "Announce your Internet address (JID)" },
  { "send-markers", "SendMarkers", 'b', "true, false", "Tell accepted peers what you have read" },
  { "share-idle", "ShareIdle", 'b', "true, false", "Tell accepted peers how long you have been idle" },
  { "share-email", "ShareEmail", 'b', "true, false", "Announce your e-mail address" },
};

static const Setting *
find_setting (Ctl *ctl, const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (settings); i++)
    if (g_str_equal (settings[i].name, name))
      return &settings[i];
  ctl_hint (ctl, "see what there is: xmppctl config ls --describe");
  g_autoptr (GError) error = g_error_new (CLI_ERROR, CLI_ERROR_NOT_FOUND, "there is no setting %s", name);

  ctl_fail (ctl, error);
  return NULL;
}

static char *
value_to_text (GVariant *value)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return g_variant_dup_string (value, NULL);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN))
    return g_strdup (g_variant_get_boolean (value) ? "true" : "false");
  return g_variant_print (value, FALSE);
}

static void
print_setting (Ctl *ctl, const Setting *setting, GVariant *value)
{
  g_autofree char *text = value_to_text (value);

  if (ctl->json)
    {
      JsonObject *object = json_line_new ("setting");

      json_object_set_string_member (object, "name", setting->name);
      json_set_variant (object, "value", value);
      if (option_describe)
        {
          json_object_set_string_member (object, "values", setting->values);
          json_object_set_string_member (object, "about", setting->about);
        }
      json_line_print (stdout, object);
    }
  else if (option_describe)
    {
      out_line (ctl, "%-13s = %-12s  %s (%s)", setting->name, text, setting->about, setting->values);
    }
  else
    {
      out_line (ctl, "%-13s = %s", setting->name, text);
    }
}

static int
run_ls (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  if (!ctl_load (ctl, &error))
    return ctl_fail (ctl, error);
  for (guint i = 0; i < G_N_ELEMENTS (settings); i++)
    {
      GVariant *value = model_get (ctl->model, EARSHOT_ROOT, "Manager", settings[i].property);

      /* An older daemon has fewer of them. */
      if (value != NULL)
        print_setting (ctl, &settings[i], value);
    }
  return EXIT_DONE;
}

static int
run_get (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  const Setting *setting = find_setting (ctl, argv[0]);

  if (setting == NULL)
    return EXIT_NOT_FOUND;
  if (!ctl_load (ctl, &error))
    return ctl_fail (ctl, error);
  GVariant *value = model_get (ctl->model, EARSHOT_ROOT, "Manager", setting->property);

  if (value == NULL)
    {
      error = g_error_new (CLI_ERROR, CLI_ERROR_NOT_FOUND, "the running daemon has no setting %s", setting->name);
      return ctl_fail (ctl, error);
    }
  if (ctl->json)
    {
      print_setting (ctl, setting, value);
    }
  else
    {
      g_autofree char *text = value_to_text (value);

      out_line (ctl, "%s", text);
    }
  return EXIT_DONE;
}

/* NULL = not of the setting's type. Floating. */
static GVariant *
parse_value (const Setting *setting, const char *text)
{
  guint64 number;

  if (setting->type == 's')
    return g_variant_new_string (text);
  if (setting->type == 'u')
    return g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT32, &number, NULL)
             ? g_variant_new_uint32 ((guint32) number)
             : NULL;
  if (g_str_equal (text, "true") || g_str_equal (text, "yes") || g_str_equal (text, "on"))
    return g_variant_new_boolean (TRUE);
  if (g_str_equal (text, "false") || g_str_equal (text, "no") || g_str_equal (text, "off"))
    return g_variant_new_boolean (FALSE);
  return NULL;
}

static int
run_set (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  const Setting *setting = find_setting (ctl, argv[0]);
  GVariant *value = setting != NULL ? parse_value (setting, argv[1]) : NULL;

  if (setting == NULL)
    return EXIT_NOT_FOUND;
  if (value == NULL)
    return ctl_usage (ctl, "%s takes %s, not '%s'", setting->name, setting->values, argv[1]);
  g_autoptr (GVariant) held = g_variant_ref_sink (value);

  if (!ctl_load (ctl, &error))
    return ctl_fail (ctl, error);
  /* Which words are allowed is the daemon's to say: it may be newer. */
  ctl_hint (ctl, "%s takes %s", setting->name, setting->values);
  if (!ctl_set_property (ctl, EARSHOT_ROOT, "Manager", setting->property, held, &error))
    return ctl_fail (ctl, error);
  if (ctl->json)
    print_setting (ctl, setting, held);
  return EXIT_DONE;
}

static gboolean
complete_setting (Ctl *ctl, const char *what, const char *before, Completion *completion)
{
  for (guint i = 0; i < G_N_ELEMENTS (settings); i++)
    if (g_str_equal (what, "NAME"))
      completion_add (completion, settings[i].name, settings[i].about);
    else if (g_strcmp0 (before, settings[i].name) == 0)
      {
        g_auto (GStrv) values = g_strsplit (settings[i].values, ", ", -1);

        /* One alone says what kind of thing it is. */
        for (guint j = 0; values[1] != NULL && values[j] != NULL; j++)
          completion_add (completion, values[j], NULL);
      }
  return TRUE;
}

static const GOptionEntry ls_options[] = { { "describe", 0, 0, G_OPTION_ARG_NONE, &option_describe,
                                             "With meaning and allowed values", NULL },
                                           G_OPTION_ENTRY_NULL };

static const Command command_config_ls = {
  .name = "ls",
  .args = "",
  .summary = "All settings",
  .examples = "xmppctl config ls --describe",
  .options = ls_options,
  .run = run_ls,
};
static const Command command_config_get = {
  .name = "get",
  .args = "NAME",
  .summary = "One setting",
  .examples = "xmppctl config get trust-mode",
  .min_args = 1,
  .max_args = 1,
  .run = run_get,
  .complete = complete_setting,
};
static const Command command_config_set = {
  .name = "set",
  .args = "NAME VALUE",
  .summary = "Change a setting; it is kept",
  .examples =
    "xmppctl config set show away\nxmppctl config set status-text 'back at nine'\nxmppctl config set max-strangers 64",
  .min_args = 2,
  .max_args = 2,
  .run = run_set,
  .complete = complete_setting,
};

static const Command *const subcommands[] = { &command_config_ls, &command_config_get, &command_config_set, NULL };

const Command command_config = {
  .name = "config",
  .args = "[COMMAND]",
  .summary = "Settings of the running daemon",
  .detail = "Without a subcommand: ls.",
  .examples = "xmppctl config ls --describe\nxmppctl config set show dnd",
  .max_args = 0,
  .run = run_ls,
  .subcommands = subcommands,
};
