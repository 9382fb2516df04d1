/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Threads besides the loop's. POSIX and not GLib, so that ThreadSanitizer sees them begin and end.
 */
#pragma once

#include <glib.h>
#include <pthread.h>

/* Runs main(user) in a thread that gets no signals: those are the loop's. `stack` in bytes. 0, or an errno; the caller joins it. */
int thread_start (pthread_t *thread, gsize stack, void *(*main) (void *user), void *user);
