/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Text into a descriptor of a caller's own, flags and all: it is not made non-blocking, and never more than PIPE_BUF is written to a pipe that said
 * it has room. Blocks: a thread's.
 *
 * Threat: a reader that takes nothing, or a byte now and then, holds what is poured for it. It must take BUS_POUR_PACE bytes in `patience_ms` of
 * waiting for it; the time in which it waits for us does not count.
 */
#pragma once

#include <glib.h>

#define BUS_POUR_PACE 65536

typedef struct {
  guint patience_ms;
  gint64 waited;           /* microseconds, since it last took so much; begin with 0 */
  gsize taken;
} BusPour;

/* FALSE: TIMEOUT (the reader is too slow), STORE_FULL, FAILED (it is gone). */
gboolean bus_pour (BusPour *pour, int fd, const char *text, gsize length, GError **error) G_GNUC_WARN_UNUSED_RESULT;
