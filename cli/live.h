/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Commands that wait: signals of the daemon, the deadline, and the daemon's coming and going. The model follows the
 * signals by itself; handlers hear about it afterwards. Signals are hints: what they mean is asked for.
 */
#pragma once

#include "cli/ctl.h"

/* Each may be NULL. */
typedef struct {
  /* The log grew, or the state of a message changed without an entry. */
  void (*appended) (Ctl *ctl, guint64 seq, const char *kind, const char *conversation, gpointer user);
  /* A property changed or an object appeared; interface without prefix. */
  void (*changed) (Ctl *ctl, const char *path, const char *interface, gpointer user);
  /* About to be removed: still readable. */
  void (*removed) (Ctl *ctl, const char *path, gpointer user);
  /* Somebody types, or stopped. */
  void (*typing) (Ctl *ctl, const char *path, gboolean active, gpointer user);
  /* The daemon came back and the model is fresh. NULL: its leaving ends the command (exit 9). */
  void (*resync) (Ctl *ctl, gpointer user);
} LiveHandlers;

/* Subscribes first, then loads, so that nothing falls between. */
gboolean live_start (Ctl *ctl, const LiveHandlers *handlers, gpointer user, GError **error);
/* Runs until live_quit(), the deadline (exit 6) or a lost bus (exit 9). */
int live_run (Ctl *ctl);
void live_quit (Ctl *ctl, int code);
/* Reports the error and ends with its code. */
void live_fail (Ctl *ctl, const GError *error);
void live_stop (Ctl *ctl);
