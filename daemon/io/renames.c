/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/renames.h"

/* "At most 3 renames an hour" (1.5). */
#define WINDOW_US (G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC)
#define RENAMES_MAX 3
/* "It is tried again every minute", or a little later: probing takes under a second (RFC 6762 section 8.1). */
#define RETRY_S 60
#define RETRY_JITTER_S 30

void
renames_init (Renames *renames)
{
  renames->pace = (Pace){ .window = WINDOW_US, .max = RENAMES_MAX };
}

guint
renames_step (Renames *renames, gint64 now)
{
  const Pace *pace = &renames->pace;
  gboolean again = pace->n > 0 && now - pace->at[pace->n - 1] < WINDOW_US;

  if (pace_due (pace, now) > now)
    return 0;
  pace_note (&renames->pace, now);
  return again ? (guint) g_random_int_range (1, RENAMES_STEP_MAX + 1) : 1;
}

guint
renames_retry_s (void)
{
  return RETRY_S + (guint) g_random_int_range (0, RETRY_JITTER_S + 1);
}
