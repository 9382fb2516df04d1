/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "cli/time-text.h"

#define SECOND G_GINT64_CONSTANT (1000000)
#define DAY (G_GINT64_CONSTANT (86400) * SECOND)
#define DURATION_MAX (36525 * DAY)

static gint64
unit_of (char c)
{
  switch (c)
    {
    case 's': return SECOND;
    case 'm': return 60 * SECOND;
    case 'h': return 3600 * SECOND;
    case 'd': return DAY;
    case 'w': return 7 * DAY;
    default: return 0;
    }
}

gboolean
time_parse_duration (const char *text, gint64 *usec)
{
  double total = 0;
  const char *p = text;

  if (*p == '\0' || strlen (text) > 40)
    return FALSE;
  while (*p != '\0')
    {
      char *end;

      if (!g_ascii_isdigit (*p))
        return FALSE;
      /* Digits and a point only: strtod itself would take hex, exponents and infinity. */
      gsize len = strspn (p, "0123456789.");
      double value = g_ascii_strtod (p, &end);

      if (end != p + len)
        {
          g_autofree char *number = g_strndup (p, len);
          char *number_end;

          value = g_ascii_strtod (number, &number_end);
          if (*number_end != '\0')
            return FALSE;
        }
      p += len;
      gint64 unit = *p != '\0' ? unit_of (*p) : (p - len == text ? SECOND : 0);

      if (unit == 0)
        return FALSE;
      if (*p != '\0')
        p++;
      total += value * (double) unit;
      if (total > (double) DURATION_MAX)
        return FALSE;
    }
  if (total < 1)
    return FALSE;
  *usec = (gint64) total;
  return TRUE;
}

static gint64
to_usec (GDateTime *when)
{
  return g_date_time_to_unix (when) * SECOND + g_date_time_get_microsecond (when);
}

static gboolean
parse_number (const char **p, int digits, int *out)
{
  int value = 0;

  for (int i = 0; i < digits; i++)
    {
      if (!g_ascii_isdigit ((*p)[i]))
        return FALSE;
      value = value * 10 + ((*p)[i] - '0');
    }
  *p += digits;
  *out = value;
  return TRUE;
}

/* "HH:MM[:SS]" and nothing behind it. */
static gboolean
parse_clock (const char *p, int *hour, int *minute, int *second)
{
  *second = 0;
  if (!parse_number (&p, 2, hour) || *p++ != ':' || !parse_number (&p, 2, minute))
    return FALSE;
  if (*p == ':')
    {
      p++;
      if (!parse_number (&p, 2, second))
        return FALSE;
    }
  return *p == '\0' && *hour < 24 && *minute < 60 && *second < 60;
}

/* An absolute date, with or without a time of day, in local time unless it carries a zone. */
static gboolean
parse_date (const char *text, gint64 *point)
{
  int year, month, day, hour = 0, minute = 0, second = 0;
  const char *p = text;
  g_autoptr (GDateTime) when = NULL;

  if (strlen (text) > 40 || !parse_number (&p, 4, &year) || *p++ != '-' || !parse_number (&p, 2, &month) || *p++ != '-'
      || !parse_number (&p, 2, &day))
    return FALSE;
  if (*p == '\0' || ((*p == ' ' || *p == 'T') && parse_clock (p + 1, &hour, &minute, &second)))
    when = g_date_time_new_local (year, month, day, hour, minute, second);
  else
    when = g_date_time_new_from_iso8601 (text, NULL);
  if (when == NULL)
    return FALSE;
  *point = to_usec (when);
  return *point > 0;
}

/* Midnight of today, moved by `days`. */
static gint64
midnight (gint64 now, int days)
{
  g_autoptr (GDateTime) here = g_date_time_new_from_unix_local (now / SECOND);
  g_autoptr (GDateTime) moved = here != NULL ? g_date_time_add_days (here, days) : NULL;
  g_autoptr (GDateTime) start = NULL;

  if (moved != NULL)
    start = g_date_time_new_local (g_date_time_get_year (moved), g_date_time_get_month (moved),
                                   g_date_time_get_day_of_month (moved), 0, 0, 0);
  return start != NULL ? to_usec (start) : 0;
}

gboolean
time_parse_since (const char *text, gint64 now, gint64 *point)
{
  gint64 span;
  int hour, minute, second;

  if (time_parse_duration (text, &span))
    {
      *point = MAX (now - span, 1);
      return TRUE;
    }
  if (g_str_equal (text, "today") || g_str_equal (text, "yesterday"))
    {
      *point = midnight (now, g_str_equal (text, "today") ? 0 : -1);
      return *point > 0;
    }
  if (parse_clock (text, &hour, &minute, &second))
    {
      gint64 offset = ((gint64) hour * 3600 + minute * 60 + second) * SECOND;

      *point = midnight (now, 0) + offset;
      if (*point > now)
        *point = midnight (now, -1) + offset;
      return TRUE;
    }
  return parse_date (text, point);
}

gboolean
time_parse_until (const char *text, gint64 now, gint64 *point)
{
  gint64 span;
  int hour, minute, second;

  if (time_parse_duration (text, &span))
    {
      *point = now + span;
      return TRUE;
    }
  if (parse_clock (text, &hour, &minute, &second))
    {
      gint64 offset = ((gint64) hour * 3600 + minute * 60 + second) * SECOND;

      *point = midnight (now, 0) + offset;
      if (*point <= now)
        *point = midnight (now, 1) + offset;
      return TRUE;
    }
  return parse_date (text, point) && *point > now;
}

char *
time_format_utc (gint64 point)
{
  g_autoptr (GDateTime) when = g_date_time_new_from_unix_utc (point / SECOND);
  g_autofree char *seconds = when != NULL ? g_date_time_format (when, "%Y-%m-%dT%H:%M:%S") : NULL;

  if (seconds == NULL)
    return g_strdup ("1970-01-01T00:00:00.000000Z");
  return g_strdup_printf ("%s.%06dZ", seconds, (int) (point % SECOND));
}

char *
time_format_local (gint64 point)
{
  g_autoptr (GDateTime) when = point > 0 ? g_date_time_new_from_unix_local (point / SECOND) : NULL;

  return when != NULL ? g_date_time_format (when, "%Y-%m-%d %H:%M:%S") : g_strdup ("-");
}

char *
time_format_age (gint64 point, gint64 now)
{
  gint64 seconds = MAX (now - point, 0) / SECOND;

  if (point <= 0)
    return g_strdup ("-");
  if (seconds < 60)
    return g_strdup_printf ("%" G_GINT64_FORMAT "s", seconds);
  if (seconds < 3600)
    return g_strdup_printf ("%" G_GINT64_FORMAT "m", seconds / 60);
  if (seconds < 2 * 86400)
    return g_strdup_printf ("%" G_GINT64_FORMAT "h", seconds / 3600);
  return g_strdup_printf ("%" G_GINT64_FORMAT "d", seconds / 86400);
}
