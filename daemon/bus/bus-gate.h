/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Between the bus and GDBus: takes what the bus has for us as fast as it comes, and lets it in a little at a time, in turns by caller (bus-lines.h),
 * as fast as the loop gets on with it. All clients of a bus share one socket into this process and one queue in GDBus. Without
 * this one client's burst of calls is everybody's queue.
 *
 * A thread of its own, because it must take while the loop works. It owns both sockets, knows no objects and changes nothing: bytes are passed
 * on as they came, with their descriptors. What it holds is bounded (HELD_MAX); then the bus has to keep the rest, as it would without it.
 *
 * THREAT: programs of the same user that call without waiting, by mistake or on purpose. The bus tells who calls, and bounds how many calls each
 * may have open.
 */
#pragma once

#include <gio/gio.h>

typedef struct _BusGate BusGate;

/* `bus`: a stream to a bus, at which nothing was said yet. `inside` is the stream to give to GDBus instead; the caller frees it. NULL with
 * error, or without one for a stream that is no socket: use it as it is. The thread runs until bus_gate_free(); its turns are those of
 * the loop of the calling thread. */
BusGate *bus_gate_new (GIOStream *bus, GIOStream **inside, GError **error);
/* Passes on what was said over `connection` (which uses `inside`; NULL when there is none), and closes. Blocks for two seconds at most. */
void bus_gate_free (BusGate *gate, GDBusConnection *connection);
