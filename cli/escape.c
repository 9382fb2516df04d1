/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "cli/escape.h"

#define TAB_COLUMNS 4

gboolean
escape_is_unsafe (gunichar c)
{
  if (c == 0x200c || c == 0x200d)
    return FALSE;
  switch ((int) g_unichar_type (c))
    {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_UNASSIGNED:
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR: return TRUE;
    default: return FALSE;
    }
}

/* Appends the next character of `p`, escaped where needed, and returns what follows it. */
static const char *
append_one (GString *out, const char *p)
{
  gunichar c = g_utf8_get_char_validated (p, -1);

  if (c == (gunichar) -1 || c == (gunichar) -2)
    {
      g_string_append_printf (out, "\\x{%02x}", (guchar) *p);
      return p + 1;
    }
  if (escape_is_unsafe (c))
    g_string_append_printf (out, "\\u{%x}", c);
  else
    g_string_append_unichar (out, c);
  return g_utf8_next_char (p);
}

char *
escape_text (const char *text)
{
  GString *out = g_string_new (NULL);

  for (const char *p = text; *p != '\0';)
    p = append_one (out, p);
  return g_string_free (out, FALSE);
}

static guint
char_columns (gunichar c)
{
  /* Asks for the wide form of what stands before it. */
  if (c == 0xfe0f)
    return 1;
  if (g_unichar_iszerowidth (c))
    return 0;
  return g_unichar_iswide (c) ? 2 : 1;
}

guint
escape_columns (const char *text)
{
  guint columns = 0;

  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    columns += char_columns (g_utf8_get_char (p));
  return columns;
}

gsize
escape_fitting (const char *text, guint columns)
{
  guint used = 0;
  const char *p = text;

  while (*p != '\0')
    {
      guint width = char_columns (g_utf8_get_char (p));

      if (used + width > columns && p != text)
        break;
      used += width;
      p = g_utf8_next_char (p);
    }
  return (gsize) (p - text);
}

gsize
escape_fold (const char *text, guint columns, gsize *next)
{
  gsize fits = escape_fitting (text, columns), space = fits;

  *next = fits;
  if (text[fits] == '\0')
    return fits;
  while (space > 0 && text[space] != ' ')
    space--;
  /* A word that is nearly a line is cut: a line with next to nothing in it reads worse. */
  if (space < fits / 3 || space == 0)
    return fits;
  *next = space + 1;
  return space;
}

char *
escape_cut (const char *text, guint columns)
{
  g_autofree char *whole = escape_text (text);

  if (escape_columns (whole) <= columns)
    return g_steal_pointer (&whole);
  guint room = columns > 3 ? columns - 3 : 0;
  /* Half of a wide character is none. */
  gsize len = room > 0 && char_columns (g_utf8_get_char (whole)) <= room ? escape_fitting (whole, room) : 0;

  return g_strdup_printf ("%.*s%.*s", (int) len, whole, (int) MIN (columns, 3), "...");
}

static void
add_folded (GPtrArray *lines, const char *line, guint columns)
{
  if (columns == 0)
    {
      g_ptr_array_add (lines, g_strdup (line));
      return;
    }
  do
    {
      gsize next, len = escape_fold (line, columns, &next);

      g_ptr_array_add (lines, g_strndup (line, len));
      line += next;
    }
  while (*line != '\0');
}

char **
escape_lines (const char *text, guint columns)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new ();
  g_autoptr (GString) line = g_string_new (NULL);

  for (const char *p = text; *p != '\0';)
    {
      if (*p == '\n')
        {
          add_folded (lines, line->str, columns);
          g_string_truncate (line, 0);
          p++;
        }
      else if (*p == '\t')
        {
          g_string_append_printf (line, "%*s", TAB_COLUMNS, "");
          p++;
        }
      else
        {
          p = append_one (line, p);
        }
    }
  if (line->len > 0 || lines->len == 0)
    add_folded (lines, line->str, columns);
  g_ptr_array_add (lines, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&lines), FALSE);
}

char *
escape_json (const char *json)
{
  GString *out = g_string_new (NULL);

  for (const char *p = json; *p != '\0';)
    {
      gunichar c = g_utf8_get_char_validated (p, -1);

      if (c == (gunichar) -1 || c == (gunichar) -2)
        {
          g_string_append (out, "\\ufffd");
          p++;
          continue;
        }
      if (!escape_is_unsafe (c))
        g_string_append_unichar (out, c);
      else if (c < 0x10000)
        g_string_append_printf (out, "\\u%04x", c);
      else
        g_string_append_printf (out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                                0xdc00 + ((c - 0x10000) & 0x3ff));
      p = g_utf8_next_char (p);
    }
  return g_string_free (out, FALSE);
}
