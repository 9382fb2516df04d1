/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <glib.h>
#include <time.h>

#include "cli/time-text.h"

#define SECOND G_GINT64_CONSTANT (1000000)
/* 2026-01-05 10:02:11.512034 UTC; main() sets TZ. */
#define NOW G_GINT64_CONSTANT (1767607331512034)

static void
test_durations (void)
{
  static const struct {
    const char *text;
    gint64 seconds;
  } good[] = {
    { "90", 90 }, { "90s", 90 }, { "2m", 120 }, { "1h", 3600 }, { "1.5h", 5400 }, { "2h30m", 9000 }, { "3d", 259200 }, { "1w", 604800 },
  };
  static const char *const bad[] = {
    "", "0", "-1", "h", "2x", "2h30", "1e9", "inf", "nan", "0x10", "1..5h", "99999999999w", " 2h", "2h ", "2 h", "1,5h", ".",
  };
  gint64 usec;

  for (guint i = 0; i < G_N_ELEMENTS (good); i++) {
    g_assert_true (time_parse_duration (good[i].text, &usec));
    g_assert_cmpint (usec, ==, good[i].seconds * SECOND);
  }
  g_assert_true (time_parse_duration ("0.25", &usec));
  g_assert_cmpint (usec, ==, SECOND / 4);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (time_parse_duration (bad[i], &usec));
}

static void
assert_since (const char *text, gint64 wanted)
{
  gint64 point = 0;

  g_assert_true (time_parse_since (text, NOW, &point));
  g_assert_cmpint (point, ==, wanted);
}

static void
test_since (void)
{
  gint64 midnight = G_GINT64_CONSTANT (1767571200) * SECOND, point;

  assert_since ("2h", NOW - 7200 * SECOND);
  assert_since ("today", midnight);
  assert_since ("yesterday", midnight - 86400 * SECOND);
  assert_since ("10:02", midnight + 36120 * SECOND);
  assert_since ("23:00", midnight - 3600 * SECOND);
  assert_since ("2026-01-05", midnight);
  assert_since ("2026-01-05 10:02:11", midnight + 36131 * SECOND);
  assert_since ("2026-01-05T10:02", midnight + 36120 * SECOND);
  assert_since ("2026-01-05T12:02:11+02:00", midnight + 36131 * SECOND);
  assert_since ("2026-01-05T10:02:11.512034Z", NOW);
  g_assert_false (time_parse_since ("soon", NOW, &point));
  g_assert_false (time_parse_since ("2026-13-05", NOW, &point));
  g_assert_false (time_parse_since ("25:00", NOW, &point));
  g_assert_false (time_parse_since ("2026-01-05 10:02:11 and more", NOW, &point));
}

static void
test_until (void)
{
  gint64 midnight = G_GINT64_CONSTANT (1767571200) * SECOND, point;

  g_assert_true (time_parse_until ("2h", NOW, &point));
  g_assert_cmpint (point, ==, NOW + 7200 * SECOND);
  g_assert_true (time_parse_until ("23:30", NOW, &point));
  g_assert_cmpint (point, ==, midnight + 84600 * SECOND);
  g_assert_true (time_parse_until ("09:00", NOW, &point));
  g_assert_cmpint (point, ==, midnight + (86400 + 32400) * SECOND);
  g_assert_true (time_parse_until ("2026-02-01", NOW, &point));
  g_assert_false (time_parse_until ("2025-02-01", NOW, &point));
  g_assert_false (time_parse_until ("yesterday", NOW, &point));
}

static void
test_format (void)
{
  g_autofree char *utc = time_format_utc (NOW);
  g_autofree char *local = time_format_local (NOW);
  g_autofree char *never = time_format_local (0);
  g_autofree char *absurd = time_format_utc (G_MAXINT64);
  g_autofree char *age = time_format_age (NOW - 300 * SECOND, NOW);

  g_assert_cmpstr (utc, ==, "2026-01-05T10:02:11.512034Z");
  g_assert_cmpstr (local, ==, "2026-01-05 10:02:11");
  g_assert_cmpstr (never, ==, "-");
  g_assert_nonnull (absurd);
  g_assert_cmpstr (age, ==, "5m");
}

int
main (int argc, char **argv)
{
  g_setenv ("TZ", "UTC", TRUE);
  tzset ();
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cli/time/durations", test_durations);
  g_test_add_func ("/cli/time/since", test_since);
  g_test_add_func ("/cli/time/until", test_until);
  g_test_add_func ("/cli/time/format", test_format);
  return g_test_run ();
}
