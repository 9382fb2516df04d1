/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The last messages of a conversation, read backwards and printed forwards.
 */
#pragma once

#include "cli/entry.h"

typedef struct {
  /* what is wanted */
  guint limit;             /* messages */
  gint64 since;            /* not older than this time; 0 = any */
  guint64 after;           /* only entries above this seq */
  gboolean incoming_only;  /* and what was not taken back: what counts as unread */
  gboolean show_ids;       /* history_print(): as in Entry */
  const char *words;       /* only messages with all of these; NULL = any */
  /* what there is, after history_read() */
  GArray *entries;         /* Entry, newest first */
  GPtrArray *replies;      /* own the strings of `entries` */
} History;

void history_clear (History *history);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (History, history_clear)

gboolean history_read (Ctl *ctl, const char *conversation, History *history, GError **error);
/* The newest of them, or NULL. */
const Entry *history_get_newest (const History *history);
void history_print (Ctl *ctl, const History *history);
