/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One group, [earshot]; one table of keys, each with its setter. What the table does not know is an error: a
 * misspelt key must not silently leave the default in force.
 */
#include "earshot-config.h"

#include "daemon/io/config.h"

#include <string.h>

#include "daemon/base/error.h"

#define GROUP "earshot"
#define FILE_MAX (256 * 1024)
#define LIST_MAX 64
#define URL_MAX 1024

typedef gboolean (*Setter) (Config *config, const char *value, char **reason);

/* --- setters: FALSE sets the reason ------------------------------------------------- */

static gboolean
set_text (char **field, const char *value, char **reason)
{
  if (*value == '\0')
    {
      *reason = g_strdup ("must not be empty");
      return FALSE;
    }
  g_free (*field);
  *field = g_strdup (value);
  return TRUE;
}

static gboolean
set_number (guint64 *field, const char *value, guint64 max, char **reason)
{
  if (g_ascii_string_to_unsigned (value, 10, 0, max, field, NULL))
    return TRUE;
  *reason = g_strdup_printf ("must be a whole number from 0 to %" G_GUINT64_FORMAT, max);
  return FALSE;
}

static gboolean
set_boolean (gboolean *field, const char *value, char **reason)
{
  if (strcmp (value, "true") == 0 || strcmp (value, "false") == 0)
    {
      *field = value[0] == 't';
      return TRUE;
    }
  *reason = g_strdup ("must be true or false");
  return FALSE;
}

static gboolean
set_bus (Config *config, const char *value, char **reason)
{
  return set_text (&config->bus, value, reason);
}

static gboolean
set_data_dir (Config *config, const char *value, char **reason)
{
  if (!g_path_is_absolute (value))
    {
      g_autofree char *absolute = *value != '\0' ? g_canonicalize_filename (value, NULL) : g_strdup ("");

      return set_text (&config->data_dir, absolute, reason);
    }
  return set_text (&config->data_dir, value, reason);
}

static gboolean
set_name (Config *config, const char *value, char **reason)
{
  if (!g_utf8_validate (value, -1, NULL))
    {
      *reason = g_strdup ("must be UTF-8");
      return FALSE;
    }
  return set_text (&config->name, value, reason);
}

static gboolean
set_port (Config *config, const char *value, char **reason)
{
  guint64 port;

  if (!set_number (&port, value, 65535, reason))
    return FALSE;
  config->port = port;
  return TRUE;
}

static gboolean
set_discovery (Config *config, const char *value, char **reason)
{
  static const char *const words[] = { "auto", "avahi", "embedded", "none" };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (strcmp (value, words[i]) == 0)
      {
        config->discovery = i;
        return TRUE;
      }
  *reason = g_strdup ("must be auto, avahi, embedded or none");
  return FALSE;
}

static gboolean
set_interfaces (Config *config, const char *value, char **reason)
{
  g_auto (GStrv) list = g_strsplit (value, ";", LIST_MAX);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  guint count = 0;

  for (char **item = list; *item != NULL; item++)
    {
      g_strstrip (*item);
      if (**item == '\0')
        continue;
      if (strlen (*item) > 15 || strpbrk (*item, "/ ") != NULL)
        {
          *reason = g_strdup ("must be interface names of at most 15 characters, separated by ;");
          return FALSE;
        }
      g_strv_builder_add (builder, *item);
      count++;
    }
  g_strfreev (config->interfaces);
  config->interfaces = count > 0 ? g_strv_builder_end (builder) : NULL;
  return TRUE;
}

static gboolean
set_trust_mode (Config *config, const char *value, char **reason)
{
  TrustMode mode;

  if (trust_mode_from_string (value, &mode))
    {
      config->trust_mode = mode;
      return TRUE;
    }
  *reason = g_strdup ("must be ask, tofu, ca or strict");
  return FALSE;
}

/* Files that are looked at again later: a path that depends on where we were started would not do. */
static gboolean
set_files (char ***field, const char *value, char **reason)
{
  g_auto (GStrv) list = g_strsplit (value, ";", LIST_MAX);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  guint count = 0;

  for (char **item = list; *item != NULL; item++)
    {
      g_strstrip (*item);
      if (**item == '\0')
        continue;
      if (!g_path_is_absolute (*item) || strchr (*item, ';') != NULL)
        {
          *reason = g_strdup_printf ("must be at most %d absolute paths of files, separated by ;", LIST_MAX - 1);
          return FALSE;
        }
      g_strv_builder_add (builder, *item);
      count++;
    }
  g_strfreev (*field);
  *field = count > 0 ? g_strv_builder_end (builder) : NULL;
  return TRUE;
}

static gboolean
set_trust_roots (Config *config, const char *value, char **reason)
{
  return set_files (&config->trust_roots, value, reason);
}

static gboolean
set_trust_crls (Config *config, const char *value, char **reason)
{
  return set_files (&config->trust_crls, value, reason);
}

static gboolean
set_identity (Config *config, const char *value, char **reason)
{
  /* A PIN does not belong into a file that is not closed to others, nor into a process list. */
  if (!g_str_has_prefix (value, "pkcs11:") || strlen (value) > URL_MAX || !g_utf8_validate (value, -1, NULL)
      || strstr (value, "pin-value=") != NULL || strstr (value, "pin-source=") != NULL)
    {
      *reason = g_strdup ("must be the URL of a private key on a token (pkcs11:token=...;object=...;type=private) without its PIN, "
                          "which goes into pin-file");
      return FALSE;
    }
  return set_text (&config->identity, value, reason);
}

static gboolean
set_pin_file (Config *config, const char *value, char **reason)
{
  if (!g_path_is_absolute (value))
    {
      *reason = g_strdup ("must be the absolute path of a file");
      return FALSE;
    }
  return set_text (&config->pin_file, value, reason);
}

static gboolean
set_legacy_policy (Config *config, const char *value, char **reason)
{
  if (legacy_policy_from_string (value, &config->legacy_policy))
    return TRUE;
  *reason = g_strdup ("must be refuse, ask or allow");
  return FALSE;
}

static gboolean
set_verbose (Config *config, const char *value, char **reason)
{
  return set_boolean (&config->verbose, value, reason);
}

static gboolean
set_allow_loopback (Config *config, const char *value, char **reason)
{
  return set_boolean (&config->allow_loopback, value, reason);
}

static gboolean
set_idle_close (Config *config, const char *value, char **reason)
{
  guint64 seconds;

  if (!set_number (&seconds, value, 7 * 24 * 3600, reason))
    return FALSE;
  config->idle_close_s = seconds;
  return TRUE;
}

static gboolean
set_history_max (Config *config, const char *value, char **reason)
{
  return set_number (&config->history_max, value, G_MAXINT32, reason);
}

static gboolean
set_history_mib (Config *config, const char *value, char **reason)
{
  return set_number (&config->history_mib, value, G_MAXINT32, reason);
}

static gboolean
set_history_days (Config *config, const char *value, char **reason)
{
  return set_number (&config->history_days, value, 36500, reason);
}

static const struct { const char *key; Setter set; } keys[] = {
  { "bus", set_bus },
  { "data-dir", set_data_dir },
  { "name", set_name },
  { "port", set_port },
  { "discovery", set_discovery },
  { "interfaces", set_interfaces },
  { "trust-mode", set_trust_mode },
  { "legacy-policy", set_legacy_policy },
  { "trust-roots", set_trust_roots },
  { "trust-crls", set_trust_crls },
  { "identity", set_identity },
  { "pin-file", set_pin_file },
  { "verbose", set_verbose },
  { "allow-loopback", set_allow_loopback },
  { "idle-close", set_idle_close },
  { "history-max", set_history_max },
  { "history-mib", set_history_mib },
  { "history-days", set_history_days },
};

static gboolean
set_key (Config *config, const char *key, const char *value, char **reason)
{
  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    if (strcmp (keys[i].key, key) == 0)
      return keys[i].set (config, value, reason);
  *reason = g_strdup ("is not a known key");
  return FALSE;
}

gboolean
config_set (Config *config, const char *key, const char *value, GError **error)
{
  g_autofree char *reason = NULL;

  if (set_key (config, key, value, &reason))
    return TRUE;
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "--%s=%s: %s", key, value, reason);
  return FALSE;
}

/* --- the file ----------------------------------------------------------------------------- */

/* GKeyFile keeps no lines: finds where a key, or a group header, stands. 0 = nowhere. */
static guint
line_of (const char *text, const char *group, const char *key)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  gboolean inside = FALSE;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      char *line = g_strstrip (lines[i]);

      if (*line == '[')
        {
          char *end = strchr (line, ']');

          inside = end != NULL && strlen (group) == (gsize) (end - line - 1)
                   && strncmp (line + 1, group, end - line - 1) == 0;
          if (inside && key == NULL)
            return i + 1;
        }
      else if (inside && key != NULL && g_str_has_prefix (line, key))
        {
          const char *rest = line + strlen (key);

          while (g_ascii_isspace (*rest))
            rest++;
          if (*rest == '=')
            return i + 1;
        }
    }
  return 0;
}

/* The first line that no key file may have: what GKeyFile stumbled over. */
static guint
first_odd_line (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  gboolean grouped = FALSE;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      char *line = g_strstrip (lines[i]);

      if (*line == '\0' || *line == '#')
        continue;
      if (*line == '[' && g_str_has_suffix (line, "]"))
        grouped = TRUE;
      else if (!grouped || strchr (line, '=') == NULL || *line == '=' || !g_utf8_validate (line, -1, NULL))
        return i + 1;
    }
  return 1;
}

static gboolean
read_groups (Config *config, GKeyFile *file, const char *path, const char *text, GError **error)
{
  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);
  g_auto (GStrv) names = NULL;

  for (char **group = groups; *group != NULL; group++)
    if (strcmp (*group, GROUP) != 0)
      {
        g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "%s:%u: there is no group [%s]; use [" GROUP "]",
                     path, line_of (text, *group, NULL), *group);
        return FALSE;
      }
  names = g_key_file_get_keys (file, GROUP, NULL, NULL);
  for (char **key = names; key != NULL && *key != NULL; key++)
    {
      g_autoptr (GError) escape = NULL; /* of a bad escape GKeyFile gives a value and an error */
      g_autofree char *value = g_key_file_get_string (file, GROUP, *key, &escape);
      g_autofree char *reason = NULL;

      if (value == NULL || escape != NULL || !set_key (config, *key, value, &reason))
        {
          g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "%s:%u: %s %s", path,
                       line_of (text, GROUP, *key), *key, reason != NULL ? reason : "has an invalid value");
          return FALSE;
        }
    }
  return TRUE;
}

static Config *
config_defaults (void)
{
  Config *config = g_new0 (Config, 1);

  config->bus = g_strdup ("session");
  config->data_dir = g_build_filename (g_get_user_data_dir (), "earshot", NULL);
  config->name = g_strdup (g_get_user_name ());
  config->discovery = DISCOVERY_AUTO;
  config->trust_mode = TRUST_MODE_ASK;
  config->idle_close_s = 600;
  return config;
}

Config *
config_load (const char *path, gboolean required, GError **error)
{
  g_autoptr (Config) config = config_defaults ();
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) inner = NULL;
  g_autofree char *text = NULL;
  gsize length = 0;

  if (!g_file_get_contents (path, &text, &length, &inner))
    {
      if (!required && g_error_matches (inner, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return g_steal_pointer (&config);
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "%s", inner->message);
      return NULL;
    }
  if (length > FILE_MAX || strlen (text) != length)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "%s:1: this is no configuration file", path);
      return NULL;
    }
  if (!g_key_file_load_from_data (file, text, length, G_KEY_FILE_NONE, &inner))
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT,
                   "%s:%u: not of the form [" GROUP "] or key=value", path, first_odd_line (text));
      return NULL;
    }
  if (!read_groups (config, file, path, text, error))
    return NULL;
  return g_steal_pointer (&config);
}

char *
config_default_path (void)
{
  return g_build_filename (g_get_user_config_dir (), "earshot", "earshotd.conf", NULL);
}

void
config_free (Config *config)
{
  if (config == NULL)
    return;
  g_free (config->bus);
  g_free (config->data_dir);
  g_free (config->name);
  g_strfreev (config->interfaces);
  g_strfreev (config->trust_roots);
  g_strfreev (config->trust_crls);
  g_free (config->identity);
  g_free (config->pin_file);
  g_free (config);
}
