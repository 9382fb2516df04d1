/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/escape.h"
#include "cli/out.h"
#include "cli/progress.h"
#include "cli/time-text.h"

#define FIELD_WIDTH 13
#define CELL_MAX 32 /* columns of a terminal that one column of a table may have */

struct _Table {
  guint columns;
  GPtrArray *cells; /* row by row, headers first; escaped already */
};

const char *
out_color (gboolean enabled, const char *code)
{
  static const struct {
    const char *code, *sequence;
  } known[] = {
    { "", "\033[0m" },    { "1", "\033[1m" },   { "2", "\033[2m" },   { "31", "\033[31m" },
    { "32", "\033[32m" }, { "33", "\033[33m" }, { "36", "\033[36m" },
    { "38;5;231;48;5;16", "\033[38;5;231;48;5;16m" },
  };

  for (guint i = 0; enabled && i < G_N_ELEMENTS (known); i++)
    if (g_str_equal (known[i].code, code))
      return known[i].sequence;
  return "";
}

guint
out_columns (Ctl *ctl)
{
  struct winsize size;

  if (!ctl->tty_out)
    return 0;
  if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return 80;
  return MAX (size.ws_col, OUT_COLUMNS_MIN);
}

static const char *
trust_color (const char *trust)
{
  if (g_str_equal (trust, "verified"))
    return "32";
  if (g_str_equal (trust, "pinned") || g_str_equal (trust, "vouched") || g_str_equal (trust, "ca"))
    return "36";
  if (g_str_equal (trust, "unknown") || g_str_equal (trust, "none"))
    return "33";
  if (g_str_equal (trust, "revoked") || g_str_equal (trust, "blocked") || g_str_equal (trust, "insecure"))
    return "31";
  return "2";
}

void
out_trust (Ctl *ctl, const char *trust)
{
  g_autofree char *safe = escape_cut (trust, OUT_TRUST_WIDTH);

  progress_hide ();
  printf ("%s%-*s%s", out_color (ctl->color_out, trust_color (safe)), OUT_TRUST_WIDTH, safe,
          out_color (ctl->color_out, ""));
}

void
out_line (Ctl *ctl, const char *format, ...)
{
  va_list args;

  progress_hide ();
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *safe = escape_text (text);

  printf ("%s\n", safe);
}

void
out_rest (Ctl *ctl, guint used, const char *format, ...)
{
  va_list args;
  guint terminal = out_columns (ctl), room;

  progress_hide ();
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *safe = escape_text (text);

  if (terminal == 0 || used + escape_columns (safe) < terminal)
    {
      printf ("%s\n", safe);
      return;
    }
  room = terminal > used + 1 ? terminal - used - 1 : 1;
  for (const char *at = safe; *at != '\0';)
    {
      gsize next, len = escape_fold (at, room, &next);

      printf ("%s%.*s\n", at == safe ? "" : OUT_INDENT, (int) len, at);
      at += next;
      room = terminal - (guint) strlen (OUT_INDENT) - 1;
    }
}

void
out_field (Ctl *ctl, const char *label, const char *text)
{
  g_autofree char *safe = NULL;
  g_auto (GStrv) lines = NULL;
  guint terminal = out_columns (ctl);

  progress_hide ();
  if (text == NULL || *text == '\0')
    return;
  safe = escape_text (text);
  lines = escape_lines (safe, terminal > 0 ? terminal - FIELD_WIDTH - 2 : 0);
  for (guint i = 0; lines[i] != NULL; i++)
    printf ("%s%-*s%s %s\n", out_color (ctl->color_out, "2"), FIELD_WIDTH, i == 0 ? label : "",
            out_color (ctl->color_out, ""), lines[i]);
}

gboolean
out_flush (void)
{
  return fflush (stdout) == 0 && !ferror (stdout);
}

Table *
table_new (const char *const *headers)
{
  Table *table = g_new0 (Table, 1);

  table->cells = g_ptr_array_new_with_free_func (g_free);
  for (table->columns = 0; headers[table->columns] != NULL; table->columns++)
    g_ptr_array_add (table->cells, g_strdup (headers[table->columns]));
  return table;
}

void
table_add (Table *table, ...)
{
  va_list args;

  va_start (args, table);
  for (guint i = 0; i < table->columns; i++)
    {
      const char *text = va_arg (args, const char *);

      g_ptr_array_add (table->cells, escape_text (text != NULL && *text != '\0' ? text : "-"));
    }
  va_end (args);
}

static void
print_trust_cell (Table *table, Ctl *ctl, const char *cell, gboolean header, guint width)
{
  if (header)
    printf ("%-*s", (int) width, cell);
  else
    {
      out_trust (ctl, cell);
      printf ("%*s", (int) (width - OUT_TRUST_WIDTH), "");
    }
}

static void
print_row (Table *table, Ctl *ctl, guint row, const guint *widths, guint terminal)
{
  guint used = widths[0];

  print_trust_cell (table, ctl, g_ptr_array_index (table->cells, row * table->columns), row == 0, widths[0]);
  for (guint i = 1; i < table->columns; i++)
    {
      const char *cell = g_ptr_array_index (table->cells, row * table->columns + i);
      gboolean last = i + 1 == table->columns;
      guint width = last ? MIN (escape_columns (cell), widths[i]) : widths[i];
      g_autofree char *cut = NULL;

      /* One column stays free: some terminals wrap when the last is written. */
      if (terminal > 0 && used + 2 + width >= terminal)
        {
          printf ("\n%.*s", OUT_TRUST_WIDTH, OUT_INDENT);
          used = OUT_TRUST_WIDTH;
        }
      cut = terminal > 0 ? escape_cut (cell, MIN (width, terminal - used - 3)) : g_strdup (cell);
      printf ("  %s%*s", cut, last ? 0 : (int) (width - MIN (width, escape_columns (cut))), "");
      used += 2 + width;
    }
  printf ("\n");
}

void
table_print (Table *table, Ctl *ctl)
{
  guint rows = table->cells->len / table->columns, terminal = out_columns (ctl), whole = terminal - OUT_TRUST_WIDTH - 3;
  g_autofree guint *widths = g_new0 (guint, table->columns);

  progress_hide ();
  widths[0] = OUT_TRUST_WIDTH;
  for (guint i = 0; i < table->cells->len; i++)
    {
      guint width = escape_columns (g_ptr_array_index (table->cells, i));

      /* Each may have a line of its own, and the last one all of it. */
      if (terminal > 0)
        width = MIN (width, i % table->columns == table->columns - 1 ? whole : MIN (whole, CELL_MAX));
      if (i % table->columns > 0)
        widths[i % table->columns] = MAX (widths[i % table->columns], width);
    }
  for (guint row = 0; row < rows; row++)
    print_row (table, ctl, row, widths, terminal);
}

void
table_free (Table *table)
{
  if (table == NULL)
    return;
  g_ptr_array_unref (table->cells);
  g_free (table);
}

JsonObject *
json_line_new (const char *type)
{
  JsonObject *object = json_object_new ();

  json_object_set_int_member (object, "v", 1);
  json_object_set_string_member (object, "type", type);
  return object;
}

void
json_set_time (JsonObject *object, const char *name, gint64 point)
{
  g_autofree char *text = point > 0 ? time_format_utc (point) : NULL;

  if (text != NULL)
    json_object_set_string_member (object, name, text);
  else
    json_object_set_null_member (object, name);
}

void
json_set_strv (JsonObject *object, const char *name, const char *const *texts)
{
  JsonArray *array = json_array_new ();

  for (guint i = 0; texts[i] != NULL; i++)
    json_array_add_string_element (array, texts[i]);
  json_object_set_array_member (object, name, array);
}

void
json_set_variant (JsonObject *object, const char *name, GVariant *value)
{
  json_object_set_member (object, name, json_gvariant_serialize (value));
}

void
json_line_print (FILE *file, JsonObject *object_take)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *text = NULL;
  g_autofree char *safe = NULL;

  json_node_take_object (node, object_take);
  text = json_to_string (node, FALSE);
  safe = escape_json (text);
  fprintf (file, "%s\n", safe);
}

char *
variant_to_text (GVariant *value)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING) || g_variant_is_of_type (value, G_VARIANT_TYPE_OBJECT_PATH))
    return g_variant_dup_string (value, NULL);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN))
    return g_strdup (g_variant_get_boolean (value) ? "yes" : "no");
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING_ARRAY))
    {
      g_autofree const char **texts = g_variant_get_strv (value, NULL);

      return g_strjoinv (", ", (char **) texts);
    }
  return g_variant_print (value, FALSE);
}
