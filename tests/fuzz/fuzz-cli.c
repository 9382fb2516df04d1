/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What xmppctl makes of words a person types and of text a stranger wrote. The first byte is a width; the rest is a
 * time, a selector, a line from the keyboard and a message at once.
 */
#include "earshot-config.h"

#include <string.h>

#include "cli/escape.h"
#include "cli/line-edit.h"
#include "cli/selector.h"
#include "cli/time-text.h"
#include "tests/fuzz/fuzz.h"

#define NOW G_GINT64_CONSTANT (1767225600000000) /* 2026-01-01 */
#define CENTURY (G_GINT64_CONSTANT (36525) * 86400 * 1000000)

static void
check_times (const char *text)
{
  gint64 span = 0, since = 0, until = 0;

  if (time_parse_duration (text, &span))
    g_assert (span > 0 && span <= CENTURY);
  if (time_parse_since (text, NOW, &since))
    {
      g_autofree char *utc = time_format_utc (since), *local = time_format_local (since), *age = time_format_age (since, NOW);
      g_autoptr (GDateTime) back = g_date_time_new_from_iso8601 (utc, NULL);

      g_assert (since > 0 && local != NULL && age != NULL && back != NULL);
      g_assert (g_date_time_to_unix (back) == since / 1000000);
    }
  if (time_parse_until (text, NOW, &until))
    g_assert (until > NOW);
}

static void
check_safe (const char *shown)
{
  g_assert (g_utf8_validate (shown, -1, NULL));
  for (const char *p = shown; *p != '\0'; p = g_utf8_next_char (p))
    g_assert (!escape_is_unsafe (g_utf8_get_char (p)));
}

static void
check_escapes (const char *text, guint columns)
{
  g_autofree char *line = escape_text (text), *cut = escape_cut (text, columns), *json = escape_json (text);
  g_auto (GStrv) lines = escape_lines (text, columns);

  check_safe (line);
  check_safe (cut);
  check_safe (json);
  g_assert (escape_columns (cut) <= columns);
  g_assert (lines[0] != NULL);
  for (char **l = lines; *l != NULL; l++)
    {
      check_safe (*l);
      g_assert (columns < 2 || escape_columns (*l) <= columns);
    }
}

static void
check_selector (const char *text)
{
  static const char *const keys[] = { "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", NULL };
  static const SelectorCandidate people[] = {
    { "/a", "Romeo", "romeo@forza", keys }, { "/b", "", "0123456789abcdef@x", NULL }, { "/c", "01234567", "", keys },
    { "/d", "Caf\xc3\xa9", "caf\xc3\xa9@x", NULL },
  };
  g_autoptr (GArray) candidates = g_array_new (FALSE, FALSE, sizeof (SelectorCandidate));
  g_autoptr (GArray) any = NULL, trust = NULL;
  g_autofree char *prefix = selector_dup_prefix (text, SELECTOR_PREFIX_MIN_TRUST);

  g_array_append_vals (candidates, people, G_N_ELEMENTS (people));
  any = selector_match (candidates, text, SELECTOR_ANY);
  trust = selector_match (candidates, text, SELECTOR_TRUST);
  g_assert (any->len <= candidates->len && trust->len <= candidates->len);
  if (prefix != NULL)
    g_assert (strlen (prefix) >= 16 && strlen (prefix) <= 64 && strspn (prefix, "0123456789abcdef") == strlen (prefix));
  for (guint i = 0; i < trust->len; i++) /* a claimed address is no answer to "who" */
    g_assert (g_array_index (trust, guint, i) != 1);
}

static void
check_line (const uint8_t *data, size_t size)
{
  LineEdit *edit = line_edit_new ();

  for (size_t i = 0; i < size; i++)
    {
      g_autofree char *row = NULL;
      gboolean ended = line_edit_feed (edit, data[i]) == LINE_EDIT_LINE;

      g_assert_cmpuint (line_edit_get_cursor (edit), <=, strlen (line_edit_get_text (edit)));
      row = line_edit_dup_row (edit, "> ", 40);
      g_assert (g_utf8_validate (row, -1, NULL));
      if (!ended)
        continue;
      {
        g_autofree char *line = line_edit_take (edit);

        g_assert (g_utf8_validate (line, -1, NULL) && strlen (line) <= LINE_EDIT_MAX);
        g_assert_cmpstr (line_edit_get_text (edit), ==, "");
      }
    }
  line_edit_free (edit);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = NULL, *valid = NULL;

  if (size < 1)
    return 0;
  text = g_strndup ((const char *) data + 1, size - 1);
  valid = g_utf8_make_valid (text, -1);
  check_times (text);
  check_escapes (text, data[0] & 63);
  check_selector (text);
  check_line (data + 1, size - 1);
  check_escapes (valid, data[0] & 63);
  return 0;
}
