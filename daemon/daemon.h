/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Builds the rooms, wires them, opens the windows, and tears down in reverse. Main thread only.
 */
#pragma once

#include <gio/gio.h>

#include "daemon/io/config.h"

typedef struct _Daemon Daemon;

/* Opens stores and doors; the store is replayed when it returns. `config` outlives the daemon. Blocks: start-up only. */
Daemon *daemon_new (const Config *config, GError **error);
/* Exports everything on `connection`; the caller takes the bus name afterwards. */
gboolean daemon_open_window (Daemon *daemon, GDBusConnection *connection, GError **error);
/* The same for every program of this user that connects to the socket `path`, NULL = private_bus_dup_path(). */
gboolean daemon_open_private (Daemon *daemon, const char *path, GError **error);
/* Announces and listens: only after the name, or the socket, is ours. */
void daemon_go_public (Daemon *daemon);
/* Reads anew what may change while it runs: trust roots and revocation lists. */
void daemon_reload (Daemon *daemon);
/* Says goodbye on streams and on the link, flushes the store, frees. */
void daemon_free (Daemon *daemon);
