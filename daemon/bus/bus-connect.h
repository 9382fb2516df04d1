/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From a word of the configuration to a bus. Blocks: start-up only.
 */
#pragma once

#include <gio/gio.h>

#include "daemon/bus/bus-gate.h"

/* `bus`: session, system, private, or a D-Bus address. `connection` NULL on success: there is no bus and none is needed, the private
 * socket (private-bus.h) takes its place. That is so for `private`, and for `session` where the user has no session bus at all, as
 * on machines that nobody logs in to. A bus that is there but does not answer is an error.
 * `gate` is what it came through, NULL if through none: bus_gate_free() ends both. */
gboolean bus_connect (const char *bus, GDBusConnection **connection, BusGate **gate, GError **error);
