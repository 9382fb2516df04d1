/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "daemon/io/confusable.h"
#include "daemon/model/lookalikes.h"

static Likeness
likeness (const char *known, const char *claimed)
{
  Lookalikes *lookalikes = lookalikes_new ();
  const char *names[] = { claimed, NULL };
  g_auto (GStrv) prepared = lookalikes_prepare (names);
  guint32 whose = 99;
  Likeness found;

  lookalikes_set (lookalikes, 7, known, NULL);
  found = lookalikes_find (lookalikes, (const char *const *) prepared, 0, FALSE, &whose);
  g_assert_cmpuint (whose, ==, found == LIKENESS_NONE ? 0 : 7);
  lookalikes_free (lookalikes);
  return found;
}

/* What a reader can not tell apart at all. */
static void
test_same (void)
{
  static const char *const same[] = {
    "juliet", "JULIET", "Juliet", " juliet ", "juliet\t", "\357\275\212\357\275\225\357\275\214\357\275\211\357\275\205\357\275\224" /* full width */,
    "jul\342\200\213iet" /* zero width space */, "jul\342\200\215iet" /* joiner */, "jul\302\255iet" /* soft hyphen */,
    "\342\200\256juliet" /* override */, "juliet\357\270\217" /* variation selector */, "\343\205\244juliet" /* Hangul filler */,
    "juliet\342\240\200" /* blank Braille */, "ju\315\217liet" /* grapheme joiner */,
  };

  for (guint i = 0; i < G_N_ELEMENTS (same); i++)
    {
      g_test_message ("%u", i);
      g_assert_cmpint (likeness ("juliet", same[i]), ==, LIKENESS_SAME);
      g_assert_cmpint (likeness (same[i], "juliet"), ==, LIKENESS_SAME);
    }
  g_assert_cmpint (likeness ("romeo montague", "Romeo \302\240 Montague"), ==, LIKENESS_SAME);
  g_assert_cmpint (likeness ("Stra\303\237e", "STRASSE"), ==, LIKENESS_SAME);
}

/* Foreign letters, digits for letters, and letters that run together. */
static void
test_lookalikes (void)
{
  static const struct { const char *known, *claimed; } pairs[] = {
    { "juliet", "ju1iet" }, { "juliet", "juIiet" }, { "juliet", "jul\321\226et" /* Ukrainian i */ },
    { "juliet", "\321\230uliet" /* Cyrillic j */ }, { "JULIET", "JULlET" }, { "juliet", "JUIIET" }, { "juliet", "JULlET" },
    { "romeo", "r0meo" }, { "romeo", "rorneo" }, { "ROMEO", "R0ME0" }, { "bob", "b\320\276b" }, { "Bob", "\320\222\320\276b" },
    { "paul@pronto", "pau1@pronto" },
    { "\320\220\320\275\320\275\320\260" /* Anna in Cyrillic */, "\320\220\320\275\320\275a" },
    { "ace", "\320\260\321\201\320\265" /* Cyrillic throughout */ },
  };

  if (!confusable_has_icu ())
    {
      g_test_skip ("built without ICU");
      return;
    }
  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    {
      g_test_message ("%s %s", pairs[i].known, pairs[i].claimed);
      g_assert_cmpint (likeness (pairs[i].known, pairs[i].claimed), ==, LIKENESS_LOOKS);
      g_assert_cmpint (likeness (pairs[i].claimed, pairs[i].known), ==, LIKENESS_LOOKS);
    }
}

static void
test_different (void)
{
  static const struct { const char *known, *claimed; } pairs[] = {
    { "juliet", "romeo" }, { "juliet", "juliette" }, { "juliet", "j\303\272liet" }, { "juliet", "juliet-1" }, { "juliet", "juliet@pronto" },
    { "anna", "hanna" }, { "\347\214\253", "\347\212\254" }, { "juliet", "" }, { "juliet", "\342\200\213" }, { "juliet", "@" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    g_assert_cmpint (likeness (pairs[i].known, pairs[i].claimed), ==, LIKENESS_NONE);
}

static void
test_mixed_scripts (void)
{
  static const char *const good[] = {
    "", "juliet", "Juliet 2", "J\303\274rgen \303\205s", "\320\220\320\275\320\275\320\260", "\316\243\317\211\317\204\316\256\317\201\316\267\317\202", "\347\214\253 neko",
    "\346\235\261\343\201\256\343\203\215\343\202\263 neko", "\355\225\234\352\270\200 abc", "ada \360\237\230\200", "ada \342\235\244", "123",
    "\330\271\331\204\331\212 Ali",
  };
  static const char *const bad[] = {
    "\321\230uliet", "p\320\260ypal", "\316\261-team", "\316\232ostas", "\320\220\320\275\320\275a", "\316\243\317\211\320\272" /* Greek with a Cyrillic letter */,
  };

  if (!confusable_has_icu ())
    {
      g_test_skip ("built without ICU");
      return;
    }
  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_test_message ("%s", good[i]);
      g_assert_false (confusable_is_mixed_script (good[i]));
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_test_message ("%s", bad[i]);
      g_assert_true (confusable_is_mixed_script (bad[i]));
    }
}

/* However long, however many marks on a letter, whatever bytes: bounded, and no two answers. */
static void
test_bounds (void)
{
  GString *flood = g_string_new ("j");
  g_autofree char *folded = NULL;
  g_auto (GStrv) looks = NULL;

  for (int i = 0; i < 100000; i++)
    g_string_append (flood, "\314\200");
  folded = confusable_fold (flood->str);
  looks = confusable_looks (flood->str);
  g_assert_cmpuint (strlen (folded), <=, CONFUSABLE_MAX);
  g_assert_cmpuint (g_strv_length (looks), <=, CONFUSABLE_LOOKS);
  g_clear_pointer (&folded, g_free);
  g_string_set_size (flood, 0);
  for (int i = 0; i < 1000; i++)
    g_string_append (flood, "\357\267\272"); /* one letter that becomes eighteen */
  folded = confusable_fold (flood->str);
  g_assert_cmpuint (strlen (folded), <=, CONFUSABLE_MAX);
  g_string_free (flood, TRUE);
  for (int i = 1; i < 256; i++)
    {
      const char bytes[] = { (char) i, (char) 0xff, (char) i, 0 };
      g_autofree char *any = confusable_fold (bytes);

      g_assert_true (g_utf8_validate (any, -1, NULL));
      confusable_is_mixed_script (bytes);
    }
}

/* --- the index -------------------------------------------------------------------------------------------------------- */

static Likeness
ask (Lookalikes *lookalikes, const char *claimed, guint32 self, gboolean petnames, guint32 *whose)
{
  const char *names[] = { claimed, NULL };
  g_auto (GStrv) prepared = lookalikes_prepare (names);

  return lookalikes_find (lookalikes, (const char *const *) prepared, self, petnames, whose);
}

static void
test_index (void)
{
  Lookalikes *lookalikes = lookalikes_new ();
  const char *names[] = { "Juliet", "juliet@pronto", "", "juliet", NULL };
  guint32 whose;

  g_assert_cmpint (ask (lookalikes, "juliet", 0, FALSE, &whose), ==, LIKENESS_NONE);
  lookalikes_set (lookalikes, 1, "", names);
  g_assert_cmpint (ask (lookalikes, "JULIET", 0, FALSE, &whose), ==, LIKENESS_SAME);
  g_assert_cmpuint (whose, ==, 1);
  g_assert_cmpint (ask (lookalikes, "JULIET", 0, TRUE, &whose), ==, LIKENESS_NONE); /* what it calls itself is no petname */
  g_assert_cmpint (ask (lookalikes, "juliet@PRONTO", 1, FALSE, &whose), ==, LIKENESS_NONE); /* its own */
  g_assert_cmpuint (whose, ==, 0);
  /* Among equals the one with a petname. */
  lookalikes_set (lookalikes, 2, "juliet", NULL);
  g_assert_cmpint (ask (lookalikes, "juliet", 0, FALSE, &whose), ==, LIKENESS_SAME);
  g_assert_cmpuint (whose, ==, 2);
  g_assert_cmpint (ask (lookalikes, "juliet", 2, FALSE, &whose), ==, LIKENESS_SAME);
  g_assert_cmpuint (whose, ==, 1);
  /* Other names replace those before, and nothing of them stays. */
  lookalikes_set (lookalikes, 2, "nurse", NULL);
  lookalikes_set (lookalikes, 1, "", NULL);
  g_assert_cmpint (ask (lookalikes, "juliet", 0, FALSE, &whose), ==, LIKENESS_NONE);
  g_assert_cmpint (ask (lookalikes, "nurse", 0, TRUE, &whose), ==, LIKENESS_SAME);
  lookalikes_free (lookalikes);
}

/* Ten thousand who bear names, and as many who claim one: each costs the same. */
static void
test_many (void)
{
  Lookalikes *lookalikes = lookalikes_new ();
  guint32 whose;
  gint64 start = g_get_monotonic_time ();

  for (guint i = 1; i <= 10000; i++)
    {
      g_autofree char *name = g_strdup_printf ("friend %u", i);

      lookalikes_set (lookalikes, i, name, NULL);
    }
  for (guint i = 1; i <= 10000; i++)
    {
      g_autofree char *name = g_strdup_printf ("FRIEND %u", i);

      g_assert_cmpint (ask (lookalikes, name, 0, FALSE, &whose), ==, LIKENESS_SAME);
      g_assert_cmpuint (whose, ==, i);
    }
  g_test_message ("%.1f us a name", (double) (g_get_monotonic_time () - start) / 20000);
  lookalikes_free (lookalikes);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/confusable/same-to-a-reader", test_same);
  g_test_add_func ("/confusable/lookalikes", test_lookalikes);
  g_test_add_func ("/confusable/different", test_different);
  g_test_add_func ("/confusable/mixed-scripts", test_mixed_scripts);
  g_test_add_func ("/confusable/floods-are-bounded", test_bounds);
  g_test_add_func ("/lookalikes/index", test_index);
  g_test_add_func ("/lookalikes/many", test_many);
  return g_test_run ();
}
