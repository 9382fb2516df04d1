/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What delivery.c (the door), delivery-out.c (queues) and delivery-in.c (received) share. Nobody else includes it.
 */
#pragma once

#include "daemon/model/delivery.h"
#include "daemon/model/watchers.h"

/* One message of ours in memory. */
typedef struct {
  OutboxItem *row;
  gboolean settling;       /* a receipt or bounce for it is on its way to the disk */
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
  GHashTable *sent;        /* ids written on the present stream and not yet confirmed */
  guint64 loaded;          /* highest seq that is or was in the window */
  gboolean more, loading, reload;
  guint queued, held;      /* rows in the outbox; those held among them */
  guint aside_sent;        /* on the present restricted stream */
  gboolean no_receipts;    /* the present peer cannot confirm */
  guint retry_source;
  GPtrArray *keeping;      /* Send calls that wait for the contact's row; NULL = none */
  /* in */
  guint64 last_seq, read_seq;
  guint unread;
  gboolean muted;
  char *require;
  guint storing;           /* received messages on their way to the disk */
  guint64 holding;         /* session whose reading is held for that, 0 = none */
  gboolean typing_out, typing_in;
} Conv;

struct _Delivery {
  DeliveryConfig config;
  GHashTable *convs;       /* contact id -> Conv* (owned) */
  GHashTable *items;       /* id (in row) -> Item*: all windows */
  GHashTable *aside;       /* Fingerprint* (owned) -> count */
  Watchers watchers;
  guint64 head, tail;
  guint expire_source;
};

Conv *delivery_conv (Delivery *delivery, guint32 contact);
/* Without making one: NULL. */
Conv *delivery_find_conv (Delivery *delivery, guint32 contact);
void delivery_appended (Delivery *delivery, guint64 seq, const char *kind, guint32 contact);
void delivery_counts_changed (Delivery *delivery, guint32 contact);
Session *delivery_session (Delivery *delivery, guint32 contact);

/* delivery-out.c */
void conv_clear_out (Conv *conv);
void conv_pump (Conv *conv);
/* The stream ended: what it left unconfirmed goes out again, in order. */
void conv_stream_lost (Conv *conv);
void conv_reload (Conv *conv);
/* What is held changed on disk: counts and window follow. */
void conv_recount (Conv *conv);
void conv_hold (Conv *conv, const char *reason);
void conv_release (Conv *conv, const char *reason);
void conv_on_receipt (Conv *conv, const char *id);
void conv_on_bounce (Conv *conv, const char *id, const Stanza *stanza);
void conv_settle (Conv *conv, const char *id, const char *state, const char *reason, DoneFunc done, gpointer user);

/* delivery-in.c */
void delivery_receipt (Session *session, const char *id);
void delivery_admit (Delivery *delivery, Contact *contact, const Fingerprint *fp);
void delivery_discard (Delivery *delivery, const Fingerprint *fp);
