/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the outside of a D-Bus message says, without taking it apart: how long it is, what kind, from whom, and how many descriptors
 * come with it. Any thread; no memory of its own. The bytes are the bus daemon's, which has checked them, and still are believed in nothing:
 * whatever they are, nothing outside of them is read.
 */
#pragma once

#include <glib.h>

#define BUS_FRAME_HEAD 16                        /* enough for bus_frame_measure() */
#define BUS_FRAME_MAX (128 * 1024 * 1024)        /* D-Bus specification, "Message Format" */

typedef enum { BUS_FRAME_CALL = 1, BUS_FRAME_REPLY, BUS_FRAME_ERROR, BUS_FRAME_SIGNAL } BusFrameType;

typedef struct {
  guint8 type;             /* BusFrameType, or what a later version has */
  guint32 serial, reply_serial; /* 0 = none */
  guint32 n_fds;
  char sender[256], destination[256]; /* "" = none */
} BusFrame;

/* The whole length from the first BUS_FRAME_HEAD bytes; FALSE when these begin no message. */
gboolean bus_frame_measure (const guint8 *head, gsize *length);
/* From the first BUS_FRAME_HEAD bytes of a measured message: how many are its header. */
gsize bus_frame_get_header (const guint8 *head);
/* All of the header is there. FALSE when it has something that only bus_frame_read() understands. */
gboolean bus_frame_read_header (const guint8 *bytes, BusFrame *out);
/* The whole message, `length` as measured. FALSE when the header can not be read; what a receiver makes of such a message is its end of the connection. */
gboolean bus_frame_read (const guint8 *bytes, gsize length, BusFrame *out);
