/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A private bus, a window on one connection of it and a front end on another, in front of cardboard rooms.
 */
#pragma once

#include "tests/unit/fake-rooms.h"

#include "daemon/base/names.h"
#include "dbus/earshot-dbus.h"

#define ROOT EARSHOT_BUS_ROOT
#define C7 ROOT "/contact/7"
#define K1 ROOT "/key/" HEX1
#define R3 ROOT "/request/3"
#define V5 ROOT "/verification/5"
#define HEX1 "0101010101010101010101010101010101010101010101010101010101010101"
#define HEX2 "0202020202020202020202020202020202020202020202020202020202020202"
#define I(name) EARSHOT_BUS_NAME "." name
#define PROPS "org.freedesktop.DBus.Properties"

typedef struct {
  GTestDBus *bus;
  GDBusConnection *ours, *theirs;
  Rooms rooms;
  Front *front;
  Window *window;
  GPtrArray *signals;      /* "member path args" */
  guint subscription;
} Fixture;

typedef struct {
  gboolean done;
  GVariant *reply;
  GError *error;
} Reply;

/* The window of contact 7 (stored), its key 1 and request 3. */
void bus_setup (Fixture *f, gconstpointer data);
void bus_teardown (Fixture *f, gconstpointer data);
#define ADD(path, func) g_test_add (path, Fixture, NULL, bus_setup, func, bus_teardown)

GDBusConnection *connect_bus (Fixture *f);
/* Runs what is due, without waiting. */
void settle (void);
void start (Fixture *f, GDBusConnection *from, const char *path, const char *interface, const char *method, GVariant *args, Reply *reply);
void wait_for (const gboolean *flag);
/* The error's short name in `name`, or the reply. */
GVariant *call (Fixture *f, const char *path, const char *interface, const char *method, GVariant *args, char **name);
GVariant *call_ok (Fixture *f, const char *path, const char *interface, const char *method, GVariant *args);
guint count_signals (Fixture *f, const char *prefix);
/* All signals that were sent before arrive before this returns. */
void sync_signals (Fixture *f);
