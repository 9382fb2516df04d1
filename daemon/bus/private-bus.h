/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where there is no bus: a socket of our own, to which the programs of this user connect one by one and speak D-Bus with us alone. Each
 * gets a window; objects, errors and rules are those of the bus. Main thread only, but for what GDBus asks while a program proves who it is.
 *
 * Threat: the socket stands in a directory of mode 0700 that must be ours, so no other user gets to it or can put another in its place.
 * A program must prove by the kernel's word (EXTERNAL) that it is of our user; what runs in a sandbox is turned away before it hears a
 * signal, and so is (Linux 6.5 on) whoever speaks for a process that connected and left: its number may name another program by now. At most
 * PRIVATE_BUS_MAX programs at a time; one that does not read what it is sent is cut off (bus-debt.h). Known gap: one that connects and says
 * nothing holds a thread of GDBus until it leaves; it is a program of the same user.
 */
#pragma once

#include "daemon/bus/window.h"

#define PRIVATE_BUS_MAX 64

typedef struct _PrivateBus PrivateBus;

/* $XDG_RUNTIME_DIR/earshot/bus; without a runtime directory the one that GLib takes instead, in ~/.cache. Caller frees. */
char *private_bus_dup_path (void);
/* `path` NULL = the default. Takes the place of a socket that nobody listens on any more. FAILED: somebody does, or the directory is
 * not ours alone. */
PrivateBus *private_bus_new (Front *front, const char *path, GError **error);
/* Closes the windows of those who are connected. NULL is nothing. */
void private_bus_free (PrivateBus *bus);
const char *private_bus_get_address (const PrivateBus *bus);
