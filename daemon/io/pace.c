/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/pace.h"

#include <string.h>

gint64
pace_due (const Pace *pace, gint64 now)
{
  gint64 due = now;

  if (pace->n > 0)
    due = MAX (due, pace->at[pace->n - 1] + pace->gap);
  if (pace->n > 0 && pace->n >= pace->max)
    due = MAX (due, pace->at[0] + pace->window);
  return due;
}

void
pace_note (Pace *pace, gint64 now)
{
  guint max = CLAMP (pace->max, 1, PACE_MAX);

  if (pace->n >= max)
    {
      memmove (pace->at, pace->at + 1, (max - 1) * sizeof pace->at[0]);
      pace->n = max - 1;
    }
  pace->at[pace->n++] = now;
}
