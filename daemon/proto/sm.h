/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The counts of stream management (XEP-0198): what of ours the peer has not confirmed yet, and how much of theirs we
 * have dealt with. Paper: no I/O and no clock. It outlives the stream it began on, so that another one can go on with it.
 *
 * Threat: `h` is the peer's claim: above what was sent it is an error. A peer that confirms nothing costs at most
 * SM_STANZAS_MAX stanzas and SM_BYTES_MAX bytes: beyond that resumption is given up, the counting goes on.
 */
#pragma once

#include <glib.h>

#define SM_STANZAS_MAX 2048
#define SM_BYTES_MAX (2 * 1024 * 1024)
#define SM_ID_MAX 256

typedef struct _Sm Sm;

typedef struct {
  char *text;   /* as XML, without the addresses, which are the stream's */
  gsize len;
  char *tag;    /* the caller's word for it, or NULL */
  gint64 when;  /* the caller's clock when it first left */
} SmItem;

Sm *sm_new (void);
/* With both counts at `count` already: for tests of the wrap-around. */
Sm *sm_new_at (guint32 count);
void sm_free (Sm *sm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Sm, sm_free)

/* The name under which it can be resumed; NULL before it is known, and for good where the peer offers no resumption. */
void sm_set_id (Sm *sm, const char *id);
const char *sm_get_id (const Sm *sm);
/* It has a name, and everything unconfirmed is still here. */
gboolean sm_is_resumable (const Sm *sm);

/* --- ours. One more stanza left. `tag` may be NULL. */
void sm_sent (Sm *sm, const char *text, gsize len, const char *tag, gint64 when);
/* The peer dealt with `h` stanzas (mod 2^32). Tags of those that are now confirmed are appended to `tags` (char*, owned by it; may be NULL).
 * FALSE, and nothing is changed: it claims more than was sent. */
gboolean sm_acked (Sm *sm, guint32 h, GPtrArray *tags);
/* How many were sent, mod 2^32. */
guint32 sm_get_sent (const Sm *sm);
guint32 sm_get_unacked (const Sm *sm);
/* What is unconfirmed, oldest first: SmItem*. Not to be changed. */
const GQueue *sm_get_items (const Sm *sm);

/* --- theirs. One more stanza came; the ticket (never 0) says which, to sm_handled(). */
guint64 sm_received (Sm *sm);
/* It is on disk, or answered: in any order. Unknown tickets (from before a rewind, or used) do nothing. */
void sm_handled (Sm *sm, guint64 ticket);
/* `h`: how many of them are dealt with without a gap, mod 2^32. */
guint32 sm_get_h (const Sm *sm);
/* Everything that came up to this ticket is dealt with. */
gboolean sm_is_handled_up_to (const Sm *sm, guint64 ticket);
/* The ticket of the newest; 0 = none came. */
guint64 sm_get_last_ticket (const Sm *sm);
/* Resumption: the peer sends again what lies beyond `h`, so that is what counts as received. */
void sm_rewind (Sm *sm);
