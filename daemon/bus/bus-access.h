/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who is calling: identifies each unique name once, from its bus credentials and from /proc, never from what it claims; where there is no
 * bus between us (bus/private-bus.h) the one program at the other end.
 *
 * SECURITY CRITICAL. Trusted: the user we run as, and root. Refused: everybody else, sandboxed callers whose name is none, and
 * whoever can not be identified (no process id, a process that may not be inspected, one that has gone). Flatpak and Snap callers are
 * told by name; what they may do is said elsewhere: what a call needs in bus-scopes.h, what a person granted in
 * daemon/model/app-access.h, and bus-apps.c puts the two together.
 * Known gaps: the bus is no boundary between the unconfined programs of one user. A signal reaches every program
 * that its bus policy lets listen, granted or not, so signals carry no message, no preview and no code; but they do carry
 * properties: who is near, under what name and status text, whether it is trusted, and which applications ask. Flatpak's proxy keeps them
 * from an application without `--talk-name=im.earshot.Earshot1` (or `--see-name`), Snap's AppArmor profile from one without a plug for
 * it; who may talk to us may listen. Introspection and calls to objects that are not there answer before this file is
 * asked and show which object paths exist. A process id may be used again if a caller hands its connection to
 * another process and exits; a program that does so lends its own rights.
 */
#pragma once

#include <gio/gio.h>

typedef struct _BusAccess BusAccess;

BusAccess *bus_access_new (GDBusConnection *connection);
/* Pending checks report CANCELLED. */
void bus_access_free (BusAccess *access);

typedef struct {
  const char *audit;       /* for logs and audit: "name=:1.7 pid=… program=… app=…" */
  const char *app;         /* sandboxed application, as app_id_is_valid() has it; NULL: in no sandbox */
} BusCaller;

/* Reports once: `denied` is NULL for those who are known and may be listened to. Known callers are reported at once, before this
 * returns; calls of one sender stay in order. */
typedef void (*BusAccessChecked) (gpointer user, const BusCaller *caller, const GError *denied);
void bus_access_check (BusAccess *access, const char *sender, BusAccessChecked done, gpointer user);

/* What /proc tells about a process. */
typedef struct {
  char *program;           /* path of its executable, "?" if unknown */
  char *app;               /* sandboxed application, "" = without a name that could be one; NULL = no sandbox */
} BusProcess;

/* Blocks; any thread. `proc` is "/proc"; `label` is its security label or NULL. FALSE with ACCESS_DENIED when it can not tell. */
gboolean bus_access_inspect (const char *proc, guint pid, const char *label, BusProcess *out, GError **error);
/* On the GCredentials of a peer without a bus: the program it was found to be, unconfined, when it connected. It is not looked at again. */
#define BUS_ACCESS_PROGRAM "earshot-program"
