/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Names of our messages on the wire and on disk: UUIDs of version 7 (RFC 9562 section 5.7). They begin with the time, so that those
 * of one evening lie side by side in an index instead of on as many pages as they are. 62 bits are random, so that nobody guesses one. The time is no secret to who gets the message.
 */
#pragma once

#include <glib.h>

#define MESSAGE_ID_LENGTH 36

/* `now`: microseconds since the epoch; only the order depends on it being right. The caller frees it. */
char *message_id_new (gint64 now);
