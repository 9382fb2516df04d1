/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who is calling: identifies each unique name once, from its bus credentials and from /proc, never from what it claims; where there is no
 * bus between us (bus/private-bus.h) the one program at the other end.
 *
 * SECURITY CRITICAL. Trusted: the user we run as, and root. Refused: everybody else, Flatpak and Snap callers, and
 * whoever can not be identified (no process id, a process that may not be inspected, one that has gone).
 * Known gaps: the bus is no boundary between the unconfined programs of one user. A signal reaches every program
 * that its bus policy lets listen, so signals carry no text of anybody. Introspection answers before this file is
 * asked and shows which object paths exist. A process id may be used again if a caller hands its connection to
 * another process and exits; a program that does so lends its own rights.
 */
#pragma once

#include <gio/gio.h>

typedef struct _BusAccess BusAccess;

BusAccess *bus_access_new (GDBusConnection *connection);
/* Pending checks report CANCELLED. */
void bus_access_free (BusAccess *access);

/* Reports once: `audit` describes the caller for logs and audit ("name=:1.7 pid=… program=… app=…"), `denied` is NULL for
 * those who may call. Known callers are reported at once, before this returns; calls of one sender stay in order. */
typedef void (*BusAccessChecked) (gpointer user, const char *audit, const GError *denied);
void bus_access_check (BusAccess *access, const char *sender, BusAccessChecked done, gpointer user);

/* What /proc tells about a process. */
typedef struct {
  char *program;           /* path of its executable, "?" if unknown */
  char *app;               /* sandboxed application, NULL = none */
} BusProcess;

/* Blocks; any thread. `proc` is "/proc"; `label` is its security label or NULL. FALSE with ACCESS_DENIED when it can not tell. */
gboolean bus_access_inspect (const char *proc, guint pid, const char *label, BusProcess *out, GError **error);
