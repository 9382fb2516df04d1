/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libavahi-core in a thread of its own: what any host on the link sends is parsed, compared with everything else in its cache and answered
 * there, which takes the library milliseconds for a packet and a tenth of a second for one that was made to (its cache compares a record
 * with each other of the same name). Nobody's message waits for that. The thread is also nicer than the loop, for hosts with one processor.
 * Orders go in, reports come out, each in order; neither side waits for the other, but for the thread when 1024 reports wait.
 * All functions here: main thread. Internal to discovery-embedded.c.
 */
#pragma once

#include "daemon/io/discovery-backend.h"

typedef enum {
  ORDER_BROWSE,     /* number: of this browser */
  ORDER_PUBLISH,    /* number: of this registration; name, port, txt */
  ORDER_UPDATE_TXT, /* name, txt */
  ORDER_WITHDRAW,
  ORDER_WATCH,      /* number: of this watch; name, type */
  ORDER_UNWATCH,    /* number */
  ORDER_END,
} OrderKind;

typedef struct {
  OrderKind kind;
  guint64 number;
  char *name;
  guint16 port, type;
  AvahiStringList *txt;
} CoreOrder;

typedef enum {
  REPORT_UP,
  REPORT_DOWN,       /* name: "waiting" or "failed"; text: why. What was ordered is gone; it begins anew by itself */
  REPORT_HOST,       /* name, or NULL */
  REPORT_REGISTERED, /* number; outcome; text: why not */
  REPORT_UNTOLD,     /* an ORDER_UPDATE_TXT could not be done */
  REPORT_FOUND,      /* number: the browser's; name, text: the domain; ifindex, family, own */
  REPORT_LOST,
  REPORT_RECORD,     /* number: the watch's; event, ifindex, family, rdata */
} ReportKind;

typedef struct {
  ReportKind kind;
  guint64 number;
  char *name, *text;
  Registered outcome;
  RecordEvent event;
  gboolean own;
  int ifindex, family;
  guint8 *rdata;
  gsize size;
} CoreReport;

typedef struct _DiscoveryCore DiscoveryCore;

/* Starts the thread; what it reports comes from the loop. `interfaces` outlives it. */
DiscoveryCore *discovery_core_new (char **interfaces, void (*on_report) (gpointer user, const CoreReport *report), gpointer user);
/* Copies `name`, takes `order->txt`. */
void discovery_core_order (DiscoveryCore *core, CoreOrder order);
/* Withdraws what is published, with goodbyes, and waits until the thread has ended. No report follows. */
void discovery_core_free (DiscoveryCore *core);
