/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How often something may be done: at least `gap` apart, and at most `max` times within any
 * `window`. A plain value without a clock of its own: the caller names the time, in
 * microseconds of g_get_monotonic_time(). Any thread; nothing to free.
 */
#pragma once

#include <glib.h>

#define PACE_MAX 16

typedef struct {
  gint64 gap;
  gint64 window;
  guint max;             /* <= PACE_MAX */
  guint n;
  gint64 at[PACE_MAX];   /* the latest `n` times, oldest first */
} Pace;

/* The earliest time it may be done again: `now` or later. */
gint64 pace_due (const Pace *pace, gint64 now);
/* It is done now. */
void pace_note (Pace *pace, gint64 now);
