/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What becomes of a name that another on the link holds (docs/protocol.md 1.5): how far the number behind it goes on, and how often that
 * may happen. The first conflict gives the next number, which people expect. After that the step is random: Avahi weighs the records of
 * two that probe at once one by one, so both can lose, and what both did alike they would do alike for ever (RFC 6762 section 9 leaves
 * the choice of a name to us). Threat: anybody can force a rename by claiming a name; the budget bounds what that moves.
 * A plain value without a clock of its own, like Pace. Any thread; nothing to free.
 */
#pragma once

#include "daemon/io/pace.h"

#define RENAMES_STEP_MAX 99

typedef struct {
  Pace pace;
} Renames;

void renames_init (Renames *renames);
/* The name is taken, at `now`: what to add to its number, 1 to RENAMES_STEP_MAX. 0: the budget is spent, the name is kept and tried again. */
guint renames_step (Renames *renames, gint64 now);
/* In how many seconds: not the same for two that share the name, so that one of them is first. */
guint renames_retry_s (void);
