/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One program at a time for each consumer: a lock in the user's run-time directory, held by whoever runs `receive --exec` and by the
 * program it runs. So a program that outlives a killed xmppctl still keeps the next one from starting.
 */
#pragma once

#include "cli/ctl.h"

/* The locked descriptor, close-on-exec, or -1: somebody else has it. Closing all copies of it gives it back. */
int consumer_lock (Ctl *ctl, const char *consumer, GError **error);
