/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/error.h"
#include "daemon/base/jid.h"

static void
test_escape (void)
{
  static const struct { const char *text, *local; } rows[] = {
    { "romeo", "romeo" },
    { "space cadet", "space\\20cadet" },
    { "\"&'/:<>@\\", "\\22\\26\\27\\2f\\3a\\3c\\3e\\40\\5c" },
    { "\\20", "\\5c20" },
    { "j\xc3\xbcrgen", "j\xc3\xbcrgen" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *local = jid_escape_local (rows[i].text);
      g_autofree char *back = jid_unescape_local (local);

      g_assert_cmpstr (local, ==, rows[i].local);
      g_assert_cmpstr (back, ==, rows[i].text);
    }
  {
    /* Not in the table, not an escape. */
    g_autofree char *odd = jid_unescape_local ("a\\41\\2\\\\3A\\");

    g_assert_cmpstr (odd, ==, "a\\41\\2\\\\3A\\");
  }
}

static void
expect_instance (const char *user, const char *machine, guint collision, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *instance = jid_build_instance (user, machine, collision, &error);

  g_assert_cmpstr (instance, ==, expected);
  if (expected == NULL)
    g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT);
  else
    {
      g_assert_no_error (error);
      g_assert_true (jid_split_instance (instance, NULL, NULL));
      g_assert_true (jid_same (instance, instance));
    }
}

static void
test_build (void)
{
  expect_instance ("romeo", "forza", 0, "romeo@forza");
  expect_instance ("romeo", "forza", 2, "romeo-2@forza");
  expect_instance (" Romeo  M\t", "forza", 0, "Romeo\\20\\20M@forza");
  expect_instance ("a@b", "forza-2", 0, "a\\40b@forza-2");
  expect_instance ("ju\xcc\x88rgen\x1b[31m", "forza", 0, "j\xc3\xbcrgen[31m@forza");
  expect_instance ("ro\xe2\x80\xaemeo\xf0\x9f\xa6\x8a", "forza", 0, "romeo@forza");
  expect_instance ("", "forza", 0, NULL);
  expect_instance ("  \x01\xe2\x80\x8b", "forza", 0, NULL);
  expect_instance (NULL, "forza", 0, NULL);
  expect_instance ("romeo", "", 0, NULL);
  expect_instance ("romeo", "for za", 0, NULL);
  expect_instance ("romeo", "-forza", 0, NULL);
  expect_instance ("romeo", "forza.local", 0, NULL);
  expect_instance ("romeo", "f\xc3\xb6rza", 0, NULL);
  expect_instance ("romeo", NULL, 0, NULL);
}

/* P-02: 63 octets, cut between characters and never inside an escape. */
static void
test_build_cuts (void)
{
  for (guint pad = 0; pad < 8; pad++)
    for (guint collision = 0; collision < 1000; collision += 333)
      {
        static const char *const fillers[] = { "x", "\xc3\xbc", "\xe4\xbd\xa0", "'", " y" };

        for (guint f = 0; f < G_N_ELEMENTS (fillers); f++)
          {
            g_autoptr (GString) user = g_string_new (NULL);
            g_autofree char *instance = NULL, *local = NULL, *plain = NULL;

            g_string_append_printf (user, "%.*s", (int) pad, "abcdefgh");
            for (guint i = 0; i < 80; i++)
              g_string_append (user, fillers[f]);
            instance = jid_build_instance (user->str, "forza", collision, NULL);
            g_assert_nonnull (instance);
            g_assert_cmpuint (strlen (instance), <=, JID_INSTANCE_MAX);
            g_assert_cmpuint (strlen (instance), >=, JID_INSTANCE_MAX - 6);
            g_assert_true (g_utf8_validate (instance, -1, NULL));
            g_assert_true (jid_split_instance (instance, &local, NULL));
            plain = jid_unescape_local (local);
            g_assert_null (strchr (plain, '\\'));
            g_assert_false (g_str_has_suffix (local, "\\20"));
          }
      }
  {
    g_autofree char *machine = g_strnfill (63, 'm');

    expect_instance ("romeo", machine, 0, NULL);
  }
}

static void
test_split (void)
{
  g_autofree char *user = NULL, *machine = NULL;

  g_assert_true (jid_split_instance ("romeo\\40x@forza-2", &user, &machine));
  g_assert_cmpstr (user, ==, "romeo\\40x");
  g_assert_cmpstr (machine, ==, "forza-2");
}

static void
test_malformed (void)
{
  static const char *const bad[] = {
    "", "@", "romeo", "romeo@", "@forza", "a@b@c", "romeo@for za", "romeo@forza/res", "ro/meo@forza", "romeo@f\xc3\xb6rza",
    "ro\x01meo@forza", "ro\nmeo@forza", "romeo@forza\n", "ro\xffmeo@forza", "ro\xc0\xaf" "meo@forza", "ro\xe2\x80\xaemeo@forza",
    "ro\xc2\x85meo@forza", "romeo@for\x1bza", "romeo@<forza>", "0123456789012345678901234567890123456789012345678901234567@forza",
  };
  g_autofree char *huge = g_strnfill (1 << 20, 'a');

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      char *user = NULL, *machine = NULL;

      if (jid_split_instance (bad[i], &user, &machine))
        g_error ("taken: %s", bad[i]);
      g_assert_null (user);
      g_assert_null (machine);
      g_assert_null (jid_prepare (bad[i]));
      g_assert_false (jid_same (bad[i], bad[i]));
    }
  g_assert_false (jid_split_instance (NULL, NULL, NULL));
  g_assert_null (jid_prepare (NULL));
  g_assert_false (jid_split_instance (huge, NULL, NULL));
}

/* There is a short way for ASCII: a full-width letter in front makes an address go the long way, and both must say the same. */
static void
test_ways_agree (void)
{
  for (int c = 1; c < 0x80; c++)
    for (int place = 0; place < 3; place++)
      {
        g_autofree char *tail = place == 0 ? g_strdup_printf ("x%cY@Forza", c) : place == 1 ? g_strdup_printf ("x@a%cB", c) : g_strdup_printf ("%c@forza", c);
        g_autofree char *shorter = g_strconcat ("A", tail, NULL), *longer = g_strconcat ("\xef\xbc\xa1", tail, NULL);
        g_autofree char *a = jid_prepare (shorter), *b = jid_prepare (longer);

        g_assert_cmpstr (a, ==, b);
        g_assert_true (jid_same (shorter, longer) == (a != NULL));
      }
  for (gsize n = JID_INSTANCE_MAX - 2; n < JID_INSTANCE_MAX + 3; n++)
    {
      g_autofree char *user = g_strnfill (n - 2, 'A'), *addr = g_strconcat (user, "@h", NULL), *prepared = jid_prepare (addr);

      g_assert_true ((prepared != NULL) == (n <= JID_INSTANCE_MAX));
    }
}

static void
test_same (void)
{
  g_assert_true (jid_same ("Romeo@Forza", "romeo@forza"));
  g_assert_true (jid_same ("JU\xcc\x88RGEN@forza", "j\xc3\xbcrgen@FORZA"));
  g_assert_true (jid_same ("\xef\xbc\xb2omeo@forza", "romeo@forza")); /* full-width R */
  g_assert_true (jid_same ("stra\xc3\x9f" "e@x", "STRASSE@x"));
  g_assert_false (jid_same ("romeo@forza", "romeo@forza-2"));
  g_assert_false (jid_same ("romeo@forza", "r\xd0\xbemeo@forza")); /* a Cyrillic o is another letter */
  g_assert_false (jid_same ("romeo@forza", NULL));
  g_assert_false (jid_same (NULL, NULL));
  /* A full-width '@' or '/' folds into a separator: no address. */
  g_assert_null (jid_prepare ("a\xef\xbc\xa0" "b@c"));
  g_assert_null (jid_prepare ("a\xef\xbc\x8f" "b@c"));
}

static void
test_display (void)
{
  static const struct { const char *addr, *shown; } rows[] = {
    { "romeo@forza", "romeo" },
    { "space\\20cadet@forza", "space cadet" },
    { "a\\40b@forza", "a@b" },
    { "ro\xe2\x80\xaemeo\x1b[2J\n@forza", "romeo[2J" },
    { "no address", "no address" },
    { "\xff@x", "\xef\xbf\xbd" },
    { "", "" },
    { NULL, "" },
  };
  g_autofree char *huge = g_strnfill (1 << 20, 'a');
  g_autofree char *cut = jid_display_user (huge);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *shown = jid_display_user (rows[i].addr);

      g_assert_cmpstr (shown, ==, rows[i].shown);
    }
  g_assert_cmpuint (strlen (cut), ==, 80);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/jid/escape", test_escape);
  g_test_add_func ("/jid/P-02-build", test_build);
  g_test_add_func ("/jid/P-02-build-cuts", test_build_cuts);
  g_test_add_func ("/jid/split", test_split);
  g_test_add_func ("/jid/P-19-malformed", test_malformed);
  g_test_add_func ("/jid/ways-agree", test_ways_agree);
  g_test_add_func ("/jid/same", test_same);
  g_test_add_func ("/jid/display", test_display);
  return g_test_run ();
}
