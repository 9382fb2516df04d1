/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where the daemon is: on a bus, or on a socket of its own where there is none (docs/api.md section 2).
 */
#pragma once

#include <gio/gio.h>

/* $XDG_RUNTIME_DIR/earshot/bus; caller frees. */
char *private_socket_dup_path (void);
/* `bus` is NULL, session, system, private, or an address. NULL: the daemon's own socket if somebody listens there, else the session bus.
 * `*is_private`: there is no bus between us, thus no names. CLI_ERROR_USAGE, CLI_ERROR_UNAVAILABLE. `*where` is for traces; caller frees. */
GDBusConnection *bus_open (const char *bus, gboolean *is_private, char **where, GError **error);
