/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For history-keep.c: the outbox's part of its transactions. Writer thread only.
 */
#pragma once

#include "daemon/io/outbox.h"

gboolean outbox_move_in_job (sqlite3 *handle, guint32 from, guint32 to, GError **error);
gboolean outbox_drop_in_job (sqlite3 *handle, guint32 contact, GError **error);

typedef void (*OutboxCounted) (gpointer user, guint32 contact, guint queued, guint held, guint64 last_seq,
                               const GError *error);
void outbox_count (Outbox *outbox, guint32 contact, OutboxCounted done, gpointer user);
void outbox_drop_contact (Outbox *outbox, guint32 contact, DoneFunc done, gpointer user);
