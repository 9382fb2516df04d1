/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/log.h"

static void
test_safe (void)
{
  static const struct { const char *text, *safe; } rows[] = {
    { "romeo", "romeo" },
    { "j\xc3\xbcrgen", "j\xc3\xbcrgen" },
    { "a\nb\x1b[2J", "a\\u{a}b\\u{1b}[2J" },
    { "\xe2\x80\xae" "evil", "\\u{202e}evil" },
    { "\xff\xc3", "\\xff\\xc3" },
    { "\\u{a}", "\\\\u{a}" },
    { "%s%n", "%s%n" },
    { "", "" },
    { NULL, "-" },
  };
  g_autofree char *huge = g_strnfill (1 << 20, 'a');
  g_autofree char *cut = log_safe (huge);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *safe = log_safe (rows[i].text);

      g_assert_cmpstr (safe, ==, rows[i].safe);
    }
  g_assert_cmpuint (strlen (cut), ==, 80 + strlen ("…"));
}

static void
test_lines (void)
{
  if (g_test_subprocess ())
    {
      log_init (FALSE);
      log_init (FALSE);
      log_debug ("session", "a debug line");
      log_info ("session", "opened %d", 7);
      log_event (G_LOG_LEVEL_WARNING, "trust", 12, 34, "T-11", "refused %s", "one\ntwo\x1b[2J");
      g_message ("from\nelsewhere");
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr_unmatched ("*debug line*");
  g_test_trap_assert_stderr ("*info session: opened 7\n*");
  g_test_trap_assert_stderr ("*warning trust: refused one two [2J contact=12 session=34 rule=T-11\n*");
  g_test_trap_assert_stderr ("*notice earshot: from elsewhere\n*");
}

static void
test_verbose (void)
{
  if (g_test_subprocess ())
    {
      log_init (TRUE);
      log_debug ("session", "a debug line");
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr ("*debug session: a debug line\n*");
}

/* What is said about strangers fills no disk; the last word is that something is left out. */
static void
test_strangers (void)
{
  if (g_test_subprocess ())
    {
      log_init (FALSE);
      for (guint i = 1; i <= 1000; i++)
        log_event (log_for_stranger (G_LOG_LEVEL_MESSAGE), "session", 0, i, NULL, "stranger %u called", i);
      log_event (G_LOG_LEVEL_MESSAGE, "session", 0, 1001, NULL, "a friend called");
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr ("*stranger 60 called*left out*a friend called*");
  g_test_trap_assert_stderr_unmatched ("*left out*left out*");
  g_test_trap_assert_stderr_unmatched ("*stranger 61 *");
}

/* The world may be bad, the daemon goes on; a mistake of ours in a test does not. */
static void
test_fatal (void)
{
  if (g_test_subprocess ())
    {
      log_init (FALSE);
      log_warn ("link", "survived");
      g_critical ("our own mistake");
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_failed ();
  g_test_trap_assert_stderr ("*survived*our own mistake*");
}

static void
test_without_init (void)
{
  if (g_test_subprocess ())
    {
      log_warn ("link", "no writer yet");
      return;
    }
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr ("*warning link: no writer yet\n*");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/log/safe", test_safe);
  g_test_add_func ("/log/lines", test_lines);
  g_test_add_func ("/log/verbose", test_verbose);
  g_test_add_func ("/log/strangers-have-a-ration", test_strangers);
  g_test_add_func ("/log/fatal", test_fatal);
  g_test_add_func ("/log/without-init", test_without_init);
  return g_test_run ();
}
