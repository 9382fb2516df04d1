/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/base/app-id.h"

#include <string.h>

static const struct {
  AppScopes scope;
  const char *word;
} words[] = { { APP_MAY_READ, "read" }, { APP_MAY_SEND, "send" }, { APP_MAY_TRUST, "trust" }, { APP_MAY_ADMIN, "admin" } };

/* org.example.App: three parts at least, so that none can look like a Snap's (docs/api.md section 2). */
static gboolean
is_flatpak_name (const char *name)
{
  guint dots = 0;

  for (const char *p = name; *p != '\0'; p++)
    if (*p == '.')
      {
        dots++;
        if (p == name || p[1] == '.' || p[1] == '\0')
          return FALSE;
      }
    else if (!g_ascii_isalnum (*p) && *p != '_' && *p != '-')
      {
        return FALSE;
      }
  return dots >= 2;
}

static gboolean
is_snap_name (const char *name)
{
  return *name != '\0' && *name != '-' && *name != '_' && strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == strlen (name);
}

gboolean
app_id_is_valid (const char *app)
{
  if (app == NULL || strlen (app) > APP_ID_MAX)
    return FALSE;
  if (g_str_has_prefix (app, "flatpak:"))
    return is_flatpak_name (app + strlen ("flatpak:"));
  return g_str_has_prefix (app, "snap:") && is_snap_name (app + strlen ("snap:"));
}

char *
app_scopes_to_string (AppScopes scopes)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (scopes & words[i].scope)
      g_string_append_printf (text, "%s%s", text->len > 0 ? " " : "", words[i].word);
  return g_string_free (text, FALSE);
}

gboolean
app_scope_from_word (const char *word, AppScopes *out)
{
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_str_equal (word, words[i].word))
      {
        *out = words[i].scope;
        return TRUE;
      }
  return FALSE;
}

gboolean
app_scopes_from_string (const char *text, AppScopes *out)
{
  g_auto (GStrv) parts = g_strsplit (text, " ", G_N_ELEMENTS (words) + 1);
  AppScopes scopes = APP_MAY_NOTHING, one;

  for (guint i = 0; *text != '\0' && parts[i] != NULL; i++)
    {
      if (!app_scope_from_word (parts[i], &one))
        return FALSE;
      scopes |= one;
    }
  *out = scopes;
  return TRUE;
}
