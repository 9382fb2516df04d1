/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the program at the other end of a private socket owes us: the reading of what it was sent. GDBus keeps what can not be written, without
 * bound; on a bus the bus ends a client that lets it come to that, here nobody else does. Main thread, but for what GDBus' thread counts.
 *
 * Threat: a program of the same user that listens or calls and does not read, by mistake (stopped in a terminal) or on purpose. It is cut,
 * and only it: when it has BUS_DEBT_MESSAGES waiting; when something waits and in `patience_ms` nothing is taken; and when it has BUS_DEBT_CALLS
 * calls of its own unanswered, or uses the number of one of these again. That bounds answers, 1 MiB each at most but for GetManagedObjects. One
 * that reads slowly stays: a message, or a buffer of the socket (some 64 KiB of a large one), is enough each time. Costs a look in each turn of
 * the loop, and a timer only while something waits. Known gap: calls that want no answer are counted by nobody.
 */
#pragma once

#include <gio/gio.h>

#define BUS_DEBT_MESSAGES 8192
#define BUS_DEBT_CALLS 256
#define BUS_DEBT_PATIENCE_MS 30000

typedef struct _BusDebt BusDebt;

/* Of a connection over a socket (NULL: it is none, or there is no descriptor left), and from a loop's thread: who sends on it is that thread. A cut is a shutdown: GDBus reports the connection
 * closed, as if the other side had gone. */
BusDebt *bus_debt_new (GDBusConnection *connection, guint patience_ms);
void bus_debt_free (BusDebt *debt);
/* Why it was cut, for a log; NULL when it was not. */
const char *bus_debt_get_reason (const BusDebt *debt);
