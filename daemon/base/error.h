/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The one table of errors: what can go wrong, in words a caller can act on,
 * and the D-Bus name each has on the bus (im.earshot.Earshot1.Error.*).
 * Any thread; nothing to free.
 */
#pragma once

#include <glib.h>

#define EARSHOT_ERROR (earshot_error_quark ())

typedef enum {
  EARSHOT_ERROR_FAILED,
  EARSHOT_ERROR_STORE_FULL,
  EARSHOT_ERROR_UNSUPPORTED,
  EARSHOT_ERROR_INVALID_ARGUMENT,
  EARSHOT_ERROR_TOO_LARGE,
  EARSHOT_ERROR_NOT_FOUND,
  EARSHOT_ERROR_CURSOR_EXPIRED,
  EARSHOT_ERROR_ALREADY_RESOLVED,
  EARSHOT_ERROR_AMBIGUOUS,
  EARSHOT_ERROR_NOT_REACHABLE,
  EARSHOT_ERROR_TIMEOUT,
  EARSHOT_ERROR_NOT_TRUSTED,
  EARSHOT_ERROR_NAME_CONFLICT,
  EARSHOT_ERROR_BLOCKED,
  EARSHOT_ERROR_MISMATCH,
  EARSHOT_ERROR_PEER_INSECURE,
  EARSHOT_ERROR_REFUSED,
  EARSHOT_ERROR_QUOTA_EXCEEDED,
  EARSHOT_ERROR_ACCESS_DENIED,
  EARSHOT_ERROR_CANCELLED,
  EARSHOT_ERROR_N
} EarshotError;

/* The domain; registered with GDBusError on first use, so that a GError of
 * this domain crosses the bus under its documented name. */
GQuark earshot_error_quark (void);

/* The short name, e.g. "StoreFull"; static. */
const char *earshot_error_name (EarshotError code);

/* How an asynchronous verb reports: exactly once, from the main loop, never
 * before the verb has returned. `error` is NULL on success and borrowed. */
typedef void (*DoneFunc) (gpointer user, const GError *error);
