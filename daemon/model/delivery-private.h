/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What delivery.c (the door), delivery-send.c (what is to go), delivery-out.c (queues), delivery-in.c (received) and delivery-mark.c
 * (read, displayed) share. Nobody else includes it.
 */
#pragma once

#include "daemon/io/pace.h"
#include "daemon/model/delivery.h"
#include "daemon/model/watchers.h"

/* One message of ours in memory. */
typedef struct {
  OutboxItem *row;
  gboolean settling;       /* a receipt or bounce for it is on its way to the disk */
  gboolean untrue;         /* what it says besides words does not hold: it never leaves */
  gsize size;
} Item;

/* Everything about one conversation that must be at hand. */
typedef struct {
  Delivery *delivery;
  guint32 contact;
  /* out */
  GQueue window;           /* Item*, by seq */
  GList *cursor;           /* first of the window not looked at on this stream; NULL = all were */
  gsize window_bytes;
  GHashTable *sent;        /* ids written on the present stream, or on the one it resumes, and not yet confirmed by a receipt */
  GHashTable *acked;       /* those of them that the peer's stream counted */
  guint64 loaded;          /* highest seq that is or was in the window */
  gboolean more, loading, reload;
  gboolean bulky;          /* the last load was cut short by its bytes */
  guint changing;          /* changes of what is held, on their way to the disk: the window is not to be trusted to be complete */
  gboolean recount;        /* … and counts are wrong besides */
  GPtrArray *hold_retries; /* Holding*: the disk would not have them yet */
  guint blind;             /* receipts for what is not in the window, on their way to the disk */
  guint queued, held;      /* rows in the outbox; those held among them */
  guint aside_sent;        /* on the present restricted stream */
  gboolean no_receipts;    /* the present peer cannot confirm */
  gboolean chat_states;    /* the present peer showed that it knows XEP-0085 */
  guint retry_source;
  GPtrArray *keeping;      /* Send calls that wait for the contact's row; NULL = none */
  /* in */
  guint64 last_seq, read_seq;
  guint unread;
  gboolean muted;
  char *require;
  guint storing;           /* weight of the received messages on their way to the disk */
  guint64 holding;         /* session whose reading is held for that, 0 = none */
  gboolean typing_out, typing_in;
  Pace typing_pace;        /* of the news that the peer writes */
  gboolean nick_told;      /* on the present stream */
  char *marker;            /* id of what was displayed here and is still to be told; NULL = none */
  guint marking;           /* markers of the peer on their way to the disk */
} Conv;

struct _Delivery {
  DeliveryConfig config;
  GHashTable *convs;       /* contact id -> Conv* (owned) */
  GHashTable *items;       /* id (in row) -> Item*: all windows */
  GHashTable *cancelling;  /* ids of ours that are being cancelled, on their way to the disk: no correction of them leaves */
  GHashTable *aside;       /* Fingerprint* (owned) -> count */
  Watchers watchers;
  char *nick;              /* ours, "" = none */
  gboolean markers;        /* we tell what was displayed here */
  gboolean share_idle;
  gint64 used;             /* monotonic: when our user last said or read something */
  guint64 head, tail;
  guint expire_source;
  gint64 expire_at;        /* when it fires, 0 = not armed */
  DeliveryHeed heed;
  gpointer heed_user;
};

Conv *delivery_conv (Delivery *delivery, guint32 contact);
/* Without making one: NULL. */
Conv *delivery_find_conv (Delivery *delivery, guint32 contact);
void delivery_appended (Delivery *delivery, guint64 seq, const char *kind, guint32 contact);
void delivery_counts_changed (Delivery *delivery, guint32 contact);
/* The open session of a contact, or NULL. */
Session *delivery_session (Delivery *delivery, guint32 contact);
/* Dials, or stops dialling, according to what there is to say. */
void delivery_want (Delivery *delivery, Contact *contact);
void delivery_schedule_expiry (Delivery *delivery, gint64 at);
/* Frees the conversation of a contact that is no more, when nothing is under way for it. */
void delivery_reap_conv (Delivery *delivery, guint32 contact);

/* What leaves on a stream with TLS. */
Stanza *delivery_message (const OutboxItem *row);
/* delivery-payload.c: what a message says besides words. */
/* Adds it to the message under construction. */
void delivery_add_payload (Stanza *message, const OutboxItem *row);
/* NULL: it may leave now. Else the word for why it never will. */
const char *delivery_check_payload (Delivery *delivery, const OutboxItem *row);

/* What leaves in clear (docs/protocol.md 8.3). */
Stanza *delivery_clear_message (const OutboxItem *row);

/* delivery-out.c */
void conv_clear_out (Conv *conv);
void conv_pump (Conv *conv);
/* The stream ended: what it left unconfirmed goes out again, in order. */
void conv_stream_lost (Conv *conv);
void conv_reload (Conv *conv);
/* The newest row, durable now. TRUE when it was taken. */
gboolean conv_append (Conv *conv, OutboxItem *row);
/* It is owed no more. */
void conv_drop_item (Conv *conv, const char *id);
gboolean conv_window_is_full (const Conv *conv);
/* The peer turned out to be unable to confirm. */
void conv_confirm_unasked (Conv *conv);
/* What is awaited from the peer changed. */
void conv_update_awaiting (Conv *conv, Session *session);
/* The peer's stream counted it: stored there, and no receipt yet. */
void conv_on_acked (Conv *conv, const char *id);
void conv_on_receipt (Conv *conv, const char *id);
void conv_on_bounce (Conv *conv, const char *id, const Stanza *stanza);
void conv_settle (Conv *conv, const char *id, const char *state, const char *reason, DoneFunc done, gpointer user);

/* delivery-hold.c */
#define HELD_APPROVAL "approval-needed"      /* we did not accept their key yet */
#define HELD_WAITING "waiting-approval"      /* they did not accept ours yet */
#define HELD_REPLACED "key-replaced"         /* written for a key that another one replaced */
#define HELD_REQUIRE "require"               /* the key is below what the message demands */
#define HELD_INSECURE "PeerInsecure"         /* the peer speaks in clear only, and the message may not */
/* The disk changed: counts and window follow. */
void conv_recount (Conv *conv);
/* All that is not held yet; HELD_REPLACED takes the held ones, too. */
void conv_hold (Conv *conv, const char *reason);
void conv_hold_one (Conv *conv, Item *item, const char *reason);
/* All that is held for this reason. */
void conv_release (Conv *conv, const char *reason);
void conv_release_one (Conv *conv, const char *id, DoneFunc done, gpointer user);
void conv_drop_holds (Conv *conv);

/* delivery-mark.c */
/* Tells what was displayed, when there is something to tell and somebody who may know. */
void conv_send_marker (Conv *conv, Session *session);
void conv_on_displayed (Conv *conv, const char *id);

/* delivery-in.c */
void delivery_receipt (Session *session, const char *id);
void delivery_admit (Delivery *delivery, Contact *contact, const Fingerprint *fp);
void delivery_discard (Delivery *delivery, const Fingerprint *fp);
