/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a person is told while something takes longer than a second: one line on stderr, erased when it is over or something else is to be
 * said. Nothing unless stderr is a terminal that can move its cursor, and nothing under --quiet or --json. One at a time; it is a
 * thread, because the calls that take long block, and it sleeps: it wakes up once after that second, and then only for news.
 */
#pragma once

#include "cli/ctl.h"

/* `format`: "waiting for juliet"; escaped and cut here. In the place of the one before. */
void progress_begin (Ctl *ctl, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* Something is going to be printed: the line goes, and comes back after another second. */
void progress_hide (void);
void progress_end (void);
/* Erases the line; for a signal handler that ends the process. */
void progress_wipe (void);
