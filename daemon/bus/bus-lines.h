/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Messages from the bus on their way in, a line for each caller. Whoever has 10,000 calls waiting waits for them itself: a caller of whom
 * nothing is open (let in and not answered) comes first, the others are served in turns, a message each, as long as not too much is open in all.
 *
 * Order: what one caller sends stays in order. Answers to what we asked overtake all calls. A signal (a caller is gone, our name is lost) comes
 * behind every call that came before it. No lock: one thread at a time. No clock: who calls tells the time.
 */
#pragma once

#include <glib.h>

#include "daemon/bus/bus-frame.h"

typedef struct _BusMessage BusMessage;
typedef struct _BusLines BusLines;

struct _BusMessage {
  BusMessage *next;
  guint64 arrival;         /* set by bus_lines_push() */
  gsize length;
  guint32 serial;
  guint n_fds;
  int *fds;                /* owned, closed with it; NULL when there is none */
  guint8 bytes[];
};

BusMessage *bus_message_new (gconstpointer bytes, gsize length);
void bus_message_free (BusMessage *message);

BusLines *bus_lines_new (void);
/* Frees what waits, too. */
void bus_lines_free (BusLines *lines);
void bus_lines_push (BusLines *lines, BusMessage *message_take, const BusFrame *frame);
/* The next one, caller frees; NULL when none may come. `more` FALSE: no call of those that have one open. */
BusMessage *bus_lines_pop (BusLines *lines, gboolean more, gint64 now);
/* What was let in is answered: it is not open any more. Others than those that are open may be named. */
void bus_lines_answered (BusLines *lines, const char *caller, guint32 serial);
/* Nor what was let in at `before` or earlier. */
void bus_lines_expire (BusLines *lines, gint64 before);
guint bus_lines_count_open (const BusLines *lines);
/* Bytes of all that wait. */
gsize bus_lines_get_bytes (const BusLines *lines);
