/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Options and texts from the bus, checked in one place. An unknown key fails: a misspelt `require` must not send.
 * Errors name the key.
 */
#pragma once

#include <glib.h>

#include "daemon/base/fingerprint.h"

/* `type` is "s" or "o" (out: char **, new), "b" (gboolean *), "u" (guint32 *), "x" (gint64 *), "as" (char ***, new; at most 64 words).
 * Keys that are not given leave `out` alone. A table ends with a NULL key. */
typedef struct {
  const char *key;
  const char *type;
  gpointer out;
} BusOption;

/* INVALID_ARGUMENT: unknown key, another type, a key twice, a text over 4096 bytes. */
gboolean bus_options_parse (GVariant *options, const BusOption *table, GError **error);
/* For methods that define no option. */
gboolean bus_options_none (GVariant *options, GError **error);

/* INVALID_ARGUMENT: longer than `max` bytes, or control characters. */
gboolean bus_check_line (const char *what, const char *text, gsize max, GError **error);
/* 64 hex digits of either case, separators skipped. */
gboolean bus_check_fingerprint (const char *text, Fingerprint *out, GError **error);
/* `[v6%scope]:port`, `v4:port`, `host:port`. */
gboolean bus_check_endpoint (const char *endpoint, GError **error);
