/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Times as people type and read them. A time is microseconds since the epoch. Pure; `now` is given, so that tests
 * can stop the clock. Strings returned are the caller's.
 */
#pragma once

#include <glib.h>

/* "90", "90s", "1.5h", "2h30m", "3d", "1w"; a bare number is seconds. Positive, at most 100 years. */
gboolean time_parse_duration (const char *text, gint64 *usec);

/* A point in the past: "2h" (ago), "today", "yesterday", "10:02", "2026-01-05", "2026-01-05 10:02[:11]", RFC 3339. */
gboolean time_parse_since (const char *text, gint64 now, gint64 *point);

/* A point in the future: "2h" (from now), "23:30" (today, or tomorrow once past), dates as above. */
gboolean time_parse_until (const char *text, gint64 now, gint64 *point);

/* RFC 3339, UTC, microseconds: the form of JSON. */
char *time_format_utc (gint64 point);
/* "2026-01-05 10:02:11" of here; "-" for 0. */
char *time_format_local (gint64 point);
/* "12s", "5m", "3h", "9d" between the two; "-" for 0. */
char *time_format_age (gint64 point, gint64 now);
