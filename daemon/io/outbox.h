/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What we owe: messages of ours, corrections, retractions and reactions among them, until the peer has stored them. Owns its tables in messages.db
 * (outbox, token); the log entry that goes with a row is written in the same transaction through history.
 * FIFO per contact by seq. Asynchronous verbs report on the main loop after the commit.
 */
#pragma once

#include <glib.h>

#include "daemon/base/error.h"
#include "daemon/io/db.h"
#include "daemon/proto/message-parts.h"
#include "daemon/proto/trust-policy.h"

typedef struct {
  guint64 seq;             /* of its log entry: the order */
  char *id;                /* UUIDv4: stanza id and origin-id, the same on every retry */
  guint32 contact;
  MessageKind kind;
  char *about;             /* not of text: id of the message that is meant */
  char *body;              /* of a text the first version, whatever was corrected since; NULL for a retraction */
  char *thread, *reply_to; /* NULL = none */
  char *url;               /* NULL = none */
  gboolean unstyled;
  char *payload;           /* what it says besides words: a <message/> as XML whose children go along; NULL = nothing */
  gint64 created;          /* microseconds since the epoch */
  gint64 first_sent;       /* 0 = never left */
  gint64 expires;          /* 0 = 30 days after created; never 0 once stored */
  Require require;
  gboolean held;           /* waits for a decision, `reason` says for which */
  char *reason;            /* "" or held reason: approval-needed, waiting-approval, key-replaced, … */
} OutboxItem;

void outbox_item_free (OutboxItem *item);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (OutboxItem, outbox_item_free)

typedef struct _Outbox Outbox;

/* Shares the history's database; see history_get_db(). */
Outbox *outbox_new (Db *db);
/* Before history_close(), which reports what is still on its way. */
void outbox_free (Outbox *outbox);

/* Queues durably. `token` may be NULL; a token used in the last 7 days for this contact stores nothing and reports the
 * first id and seq with `repeat`. Fills item->seq. INVALID_ARGUMENT (a token over 256 bytes), STORE_FULL when the disk is, QUOTA_EXCEEDED past 100 000 items.
 * What is about a message does to it in our log what it says, in the same transaction: NOT_FOUND (no message of ours to that
 * contact; for a reaction: no message of that conversation; retracted), FAILED (that failed or was cancelled: it never arrived).
 * A retraction takes the message, and corrections of it, out of the queue where they are in it: `dropped` (NULL = none) are their
 * ids, and each has got a state entry `cancelled`, reason `retracted`. */
typedef void (*OutboxAdded) (gpointer user, OutboxItem *item_take, const char *id, guint64 seq, gboolean repeat,
                             const char *const *dropped, const GError *error);
void outbox_add (Outbox *outbox, OutboxItem *item_take, const char *token, OutboxAdded done, gpointer user);

/* Items of a contact with seq > after, oldest first, at most `limit`; array of OutboxItem owned by the callee. */
typedef void (*OutboxLoaded) (gpointer user, GPtrArray *items, const GError *error);
void outbox_load (Outbox *outbox, guint32 contact, guint64 after, guint limit, OutboxLoaded done, gpointer user);

/* The peer has it, or it will never go: removes the row and logs `state` with `reason` (delivered, failed, expired, cancelled).
 * `contact` must own the id, else nothing happens and NOT_FOUND. Reports the seq of the state entry, 0 = none.
 * A message that is cancelled takes the corrections of it that are in the queue along, in the same transaction: `dropped` (NULL = none)
 * are their ids, and each has got a state entry like its own, before its own. */
typedef void (*OutboxSettled) (gpointer user, guint32 contact, const char *id, guint64 seq, const char *const *dropped, const GError *error);
void outbox_settle (Outbox *outbox, guint32 contact, const char *id, const char *state, const char *reason,
                    OutboxSettled done, gpointer user);
/* The same after it left in clear to a peer that can not confirm (docs/protocol.md 4.1): state `sent`, reason `unconfirmed`, and the
 * log flags it insecure. */
void outbox_settle_clear (Outbox *outbox, guint32 contact, const char *id, OutboxSettled done, gpointer user);
/* First write to a wire; needed for <delay/>. No log entry. Gathered for half a second, because most items are settled
 * before that and then need no write; loading and freeing write it at once. A crash may forget the last half second. */
void outbox_mark_sent (Outbox *outbox, const char *id, gint64 when);
/* Holds or releases one (id) or all (id NULL) items of a contact: logs `held`+reason or `queued` for those that changed. A release
 * with a `reason` frees only those held for it; NULL frees all. */
void outbox_set_held (Outbox *outbox, guint32 contact, const char *id, gboolean held, const char *reason,
                      DoneFunc done, gpointer user);
/* How many rows a contact has, how many of them are held, and the newest log seq of the conversation. */
typedef void (*OutboxCounted) (gpointer user, guint32 contact, guint queued, guint held, guint64 last_seq,
                               const GError *error);
void outbox_count (Outbox *outbox, guint32 contact, OutboxCounted done, gpointer user);
/* Expires what is due by `now` (log state `expired`). Reports contacts touched by nothing but their state entries. */
void outbox_expire (Outbox *outbox, gint64 now, DoneFunc done, gpointer user);

/* Start-up: contacts with something owed: `queued` rows, `held` of them; next_expiry is the earliest. */
typedef struct { guint32 contact; guint queued, held; guint64 first_seq; gint64 next_expiry; } OutboxSummary;
gboolean outbox_summarize (Outbox *outbox, GArray **summaries, GError **error);
