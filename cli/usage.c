/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "cli/usage.h"

#define DOTS "..."

/* Without the brackets around it. */
static char *
dup_bare (const char *token)
{
  gsize length = strlen (token);

  if (length > 0 && token[0] == '[')
    token++, length--;
  if (length > 0 && token[length - 1] == ']')
    length--;
  return g_strndup (token, length);
}

char *
usage_dup_position (const char *args, guint position)
{
  g_auto (GStrv) tokens = g_strsplit (args, " ", -1);

  for (guint i = 0; tokens[i] != NULL && *tokens[i] != '\0'; i++)
    {
      g_autofree char *bare = dup_bare (tokens[i]);
      gboolean goes_on = g_str_has_suffix (bare, DOTS);

      if (bare[0] == '-' && bare[1] != '\0')
        break;
      if (i < position && !goes_on)
        continue;
      if (goes_on)
        bare[strlen (bare) - strlen (DOTS)] = '\0';
      return g_steal_pointer (&bare);
    }
  return NULL;
}

char **
usage_alternatives (const char *what)
{
  g_autofree char *text = g_strdup (what);

  if (g_str_has_suffix (text, "," DOTS))
    text[strlen (text) - strlen ("," DOTS)] = '\0';
  return g_strsplit (text, "|", -1);
}

gboolean
usage_is_word (const char *alternative)
{
  return g_ascii_islower (alternative[0]) || g_str_equal (alternative, "-");
}

gboolean
usage_allows (const char *what, const char *text)
{
  g_auto (GStrv) alternatives = usage_alternatives (what);

  return usage_is_word (text) && g_strv_contains ((const char *const *) alternatives, text);
}

GPtrArray *
usage_split (const char *line, gsize *from)
{
  GPtrArray *words = g_ptr_array_new_with_free_func (g_free);
  const char *begin = line, *p;
  char quote = '\0';

  for (p = line; *p != '\0'; p++)
    if (*p == '\\' && quote != '\'' && p[1] != '\0')
      p++;
    else if (quote == '\0' && (*p == '\'' || *p == '"'))
      quote = *p;
    else if (quote != '\0' && *p == quote)
      quote = '\0';
    else if (quote == '\0' && g_ascii_isspace (*p))
      {
        g_autofree char *raw = g_strndup (begin, (gsize) (p - begin));

        if (*raw != '\0')
          g_ptr_array_add (words, usage_dup_unquoted (raw));
        begin = p + 1;
      }
  g_ptr_array_add (words, usage_dup_unquoted (begin));
  *from = (gsize) (begin - line);
  return words;
}

char *
usage_dup_unquoted (const char *typed)
{
  GString *plain = g_string_new (NULL);
  char quote = '\0';

  for (; *typed != '\0'; typed++)
    if (quote == '\0' && (*typed == '\'' || *typed == '"'))
      quote = *typed;
    else if (quote != '\0' && *typed == quote)
      quote = '\0';
    else if (*typed == '\\' && (quote == '\0' || (quote == '"' && typed[1] != '\0' && strchr ("\\\"$`", typed[1]) != NULL)))
      {
        /* At the very end it has nothing to protect yet. */
        if (typed[1] == '\0')
          break;
        g_string_append_c (plain, *++typed);
      }
    else
      g_string_append_c (plain, *typed);
  return g_string_free (plain, FALSE);
}
