/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <glib.h>
#include <string.h>

#include "cli/escape.h"

static void
assert_escaped (const char *text, const char *wanted)
{
  g_autofree char *got = escape_text (text);

  g_assert_cmpstr (got, ==, wanted);
}

static void
test_controls (void)
{
  assert_escaped ("", "");
  assert_escaped ("plain, schön, 日本語, 👩‍🚀", "plain, schön, 日本語, 👩‍🚀");
  assert_escaped ("\033[31mred", "\\u{1b}[31mred");
  assert_escaped ("a\nb\tc\rd", "a\\u{a}b\\u{9}c\\u{d}d");
  assert_escaped ("\177\302\233" "0m", "\\u{7f}\\u{9b}0m");
  assert_escaped ("\342\200\256txt.exe", "\\u{202e}txt.exe");
  assert_escaped ("\342\201\246\342\201\251", "\\u{2066}\\u{2069}");
  assert_escaped ("\342\200\250\342\200\251", "\\u{2028}\\u{2029}");
  assert_escaped ("\357\273\277bom", "\\u{feff}bom");
  assert_escaped ("\363\240\201\201tag", "\\u{e0041}tag");
}

static void
test_broken_utf8 (void)
{
  assert_escaped ("\377\376", "\\x{ff}\\x{fe}");
  assert_escaped ("\303", "\\x{c3}");
  assert_escaped ("\300\200", "\\x{c0}\\x{80}");
  assert_escaped ("\355\240\200", "\\x{ed}\\x{a0}\\x{80}");
}

static void
test_lines (void)
{
  g_auto (GStrv) lines = escape_lines ("one\ntwo\033\n\nfour\n", 0);
  g_auto (GStrv) empty = escape_lines ("", 0);
  g_auto (GStrv) tab = escape_lines ("a\tb", 0);

  g_assert_cmpuint (g_strv_length (lines), ==, 4);
  g_assert_cmpstr (lines[1], ==, "two\\u{1b}");
  g_assert_cmpstr (lines[2], ==, "");
  g_assert_cmpuint (g_strv_length (empty), ==, 1);
  g_assert_cmpstr (tab[0], ==, "a    b");
}

/* No folded line is wider than asked, whatever is in it, and nothing is lost. */
static void
test_folding (void)
{
  static const char *const texts[] = {
    "abcdefghijklmnopqrstuvwxyz", "日本語日本語日本語", "a\033\033\033\033", "e\314\201e\314\201e\314\201e\314\201e\314\201e\314\201", "",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    for (guint columns = 2; columns < 12; columns++) {
      g_auto (GStrv) lines = escape_lines (texts[i], columns);
      g_autofree char *joined = g_strjoinv ("", lines);
      g_autofree char *whole = escape_text (texts[i]);

      g_assert_cmpstr (joined, ==, whole);
      for (guint n = 0; lines[n] != NULL; n++)
        g_assert_cmpuint (escape_columns (lines[n]), <=, columns);
    }
}

/* Words stay whole where they can, and no line begins with the space it was broken at. */
static void
test_words (void)
{
  g_auto (GStrv) lines = escape_lines ("one two three", 8), exact = escape_lines ("seven ab", 5), own = escape_lines ("  x  y", 4);
  g_auto (GStrv) long_word = escape_lines ("a bcdefghijklmnop", 8);
  gsize next;

  g_assert_cmpstr (lines[0], ==, "one two");
  g_assert_cmpstr (lines[1], ==, "three");
  g_assert_null (lines[2]);
  g_assert_cmpstr (exact[0], ==, "seven");
  g_assert_cmpstr (exact[1], ==, "ab");
  g_assert_cmpstr (own[0], ==, "  x ");
  g_assert_cmpstr (own[1], ==, "y");
  g_assert_cmpstr (long_word[0], ==, "a bcdefg");
  g_assert_cmpstr (long_word[1], ==, "hijklmno");
  g_assert_cmpuint (escape_fold ("", 8, &next), ==, 0);
  g_assert_cmpuint (next, ==, 0);
  /* Nothing but spaces ends, too. */
  g_auto (GStrv) blank = escape_lines ("          ", 3);

  g_assert_cmpuint (g_strv_length (blank), <=, 10);
}

static void
test_cut (void)
{
  g_autofree char *fits = escape_cut ("short", 5);
  g_autofree char *cut = escape_cut ("much too long", 8);
  g_autofree char *wide = escape_cut ("日本語日本語", 8);

  g_assert_cmpstr (fits, ==, "short");
  g_assert_cmpstr (cut, ==, "much ...");
  g_assert_cmpuint (escape_columns (wide), <=, 8);
}

static void
test_json (void)
{
  g_autofree char *plain = escape_json ("{\"a\":\"schön\\n\"}");
  g_autofree char *bidi = escape_json ("\"\342\200\256\363\240\201\201\302\233\"");

  g_assert_cmpstr (plain, ==, "{\"a\":\"schön\\n\"}");
  g_assert_cmpstr (bidi, ==, "\"\\u202e\\udb40\\udc41\\u009b\"");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cli/escape/controls-bidi-and-tags", test_controls);
  g_test_add_func ("/cli/escape/broken-utf8", test_broken_utf8);
  g_test_add_func ("/cli/escape/lines", test_lines);
  g_test_add_func ("/cli/escape/folding-never-wraps", test_folding);
  g_test_add_func ("/cli/escape/folding-keeps-words-whole", test_words);
  g_test_add_func ("/cli/escape/cut", test_cut);
  g_test_add_func ("/cli/escape/json-stays-the-same-json", test_json);
  return g_test_run ();
}
