/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Messages: outbox to session, retries, receipts, then history (docs/protocol.md 4.1). Nothing is lost, nothing is doubled:
 * durable before Send reports, receipts only after the receiver's commit, the same id on every retry, FIFO per contact.
 * Memory per contact is bounded: at most DELIVERY_WINDOW unconfirmed messages are held in memory, the rest waits on disk.
 * Main thread only.
 */
#pragma once

#include "daemon/io/history.h"
#include "daemon/io/outbox.h"
#include "daemon/model/router.h"

#define DELIVERY_WINDOW 512
#define DELIVERY_BODY_MAX 60000     /* so that the serialised stanza fits 65 536 bytes, escapes permitting */
#define DELIVERY_PAYLOAD_MAX 8192   /* bytes of XML besides the words */
#define DELIVERY_ASIDE_MAX 8        /* message request of an unknown key */
#define DELIVERY_ASIDE_BODY_MAX 4096
#define DELIVERY_TYPING_MAX 16      /* times that a contact begins to write, in … */
#define DELIVERY_TYPING_WINDOW (30 * G_TIME_SPAN_SECOND)

typedef struct _Delivery Delivery;

/* Each may be NULL. */
typedef struct {
  /* The log grew, or (kind state, no entry) a message was written to the wire or acked there. Coalescing is the receiver's. */
  void (*appended) (gpointer user, guint64 seq, const char *kind, Contact *contact);
  void (*counts_changed) (gpointer user, Contact *contact);  /* queued, held, unread of the contact (NULL = several) */
  void (*typing) (gpointer user, Contact *contact, gboolean active); /* DELIVERY_TYPING_MAX times; what is more is not news */
  void (*aside_changed) (gpointer user, const Fingerprint *key);
} DeliveryWatch;

typedef struct {
  History *history;
  Outbox *outbox;
  Contacts *contacts;
  Trust *trust;
  Sessions *sessions;   /* set later through delivery_start() */
  Router *router;
} DeliveryConfig;

Delivery *delivery_new (const DeliveryConfig *config, GError **error);
void delivery_start (Delivery *delivery, Sessions *sessions, Router *router);
/* Before the sessions go: what the disk still reports is counted, and nothing is sent any more. */
void delivery_stop (Delivery *delivery);
void delivery_free (Delivery *delivery);
void delivery_watch (Delivery *delivery, const DeliveryWatch *watch, gpointer user);
void delivery_unwatch (Delivery *delivery, gpointer user);

typedef struct {
  const char *token;    /* NULL = none */
  Require require;
  gint64 expires;       /* absolute microseconds, 0 = default */
  const char *reply_to, *thread;
  const char *edit_of;  /* id of the message that this one corrects (XEP-0308), or of an earlier correction; NULL = none */
  const char *url;      /* a link that goes along (XEP-0066); NULL = none */
  gboolean unstyled;    /* XEP-0393 */
  const Stanza *payload; /* a <message/> whose children go along, at most DELIVERY_PAYLOAD_MAX; NULL = none */
} DeliveryOptions;

/* What a received message says about keys, besides words (docs/protocol.md 3.7). It is confirmed only when `done` was called, perhaps
 * before this returns; NULL where nothing is confirmed; an error: it could not be stored, and the sender is asked to try again later. */
typedef void (*DeliveryHeed) (gpointer user, Session *session, const Stanza *message, DoneFunc done, gpointer done_user);
void delivery_set_heed (Delivery *delivery, DeliveryHeed heed, gpointer user);

/* Queues durably. Errors: INVALID_ARGUMENT (empty body, not UTF-8, characters XML forbids), TOO_LARGE, BLOCKED, NOT_TRUSTED (`require`
 * does not hold for the contact's key), PEER_INSECURE (it demands TLS, and the contact has none), STORE_FULL, QUOTA_EXCEEDED; with
 * edit_of NOT_FOUND (no message of ours to this contact, or retracted) and FAILED (it never arrived). */
typedef void (*DeliverySent) (gpointer user, const char *id, guint64 seq, const GError *error);
void delivery_send (Delivery *delivery, Contact *contact, const char *body, const DeliveryOptions *options,
                    DeliverySent done, gpointer user);
/* The emojis of ours to a message of this conversation, in place of those before; none takes them back. Errors as of delivery_send(),
 * and UNSUPPORTED (the contact speaks in clear only). */
void delivery_react (Delivery *delivery, Contact *contact, const char *id, const char *const *emojis, DeliverySent done, gpointer user);
/* Takes a message of ours back: its words leave our disk now, and the contact is asked to do the same. What is still queued of it
 * does not leave any more. Once that failed it may be asked for again. Errors: NOT_FOUND, FAILED (it never arrived: delete it), and those of
 * delivery_send(). */
void delivery_retract (Delivery *delivery, const char *id, DeliverySent done, gpointer user);
/* NOT_FOUND, FAILED once sent and for retractions. A correction or reaction is undone; what corrects a cancelled message is cancelled
 * with it. */
void delivery_cancel (Delivery *delivery, const char *id, DoneFunc done, gpointer user);
/* Here only. What can still be cancelled of them is; what we owe about them is not sent any more, but for retractions. FAILED while
 * one is on the wire. NOT_FOUND: none of them is there. */
void delivery_delete (Delivery *delivery, const char *const *ids, DoneFunc done, gpointer user);
void delivery_retry (Delivery *delivery, const char *id, DoneFunc done, gpointer user);  /* releases a held one */
/* The nickname that goes along with the first text on a stream (XEP-0172); "" = none. */
void delivery_set_nick (Delivery *delivery, const char *nick);
/* Whether contacts hear that what they wrote was displayed (XEP-0333); a fresh one tells. */
void delivery_set_markers (Delivery *delivery, gboolean on);
gboolean delivery_get_markers (Delivery *delivery);
/* Whether contacts that we accepted may ask how long nobody has said or read anything here (XEP-0012); a fresh one answers nobody. */
void delivery_set_share_idle (Delivery *delivery, gboolean on);
gboolean delivery_get_share_idle (Delivery *delivery);
/* Seconds since then; -1 when it is nobody's business. */
gint64 delivery_get_idle (Delivery *delivery);
/* "sent" for a message on the wire, "acked" once the peer's stream counted it, until its receipt comes; else NULL: overlays
 * history_get(). */
const char *delivery_get_live_state (Delivery *delivery, const char *id);
void delivery_set_typing (Delivery *delivery, Contact *contact, gboolean active);

guint delivery_get_queued (Delivery *delivery, Contact *contact);  /* contact NULL = all */
guint delivery_get_held (Delivery *delivery, Contact *contact);
guint delivery_get_unread (Delivery *delivery, Contact *contact);
guint64 delivery_get_head (Delivery *delivery);
guint64 delivery_get_tail (Delivery *delivery);
/* Something else than a message came into the log: the head is at least here. */
void delivery_raise_head (Delivery *delivery, guint64 seq);
/* Retention took what is below. */
void delivery_set_tail (Delivery *delivery, guint64 tail);
/* … unread messages of that contact among it. */
void delivery_set_unread (Delivery *delivery, guint32 contact_id, guint unread);
guint64 delivery_get_last_seq (Delivery *delivery, Contact *contact);
guint64 delivery_get_read_seq (Delivery *delivery, Contact *contact);
gboolean delivery_get_muted (Delivery *delivery, Contact *contact);
const char *delivery_get_require (Delivery *delivery, Contact *contact); /* "" = none */
void delivery_set_conversation (Delivery *delivery, Contact *contact, gboolean muted, const char *require, DoneFunc done, gpointer user);
void delivery_mark_read (Delivery *delivery, Contact *contact, guint64 seq, DoneFunc done, gpointer user);
guint delivery_get_aside (Delivery *delivery, const Fingerprint *key);

/* From router and sessions (daemon.c wires them). */
void delivery_on_message (Delivery *delivery, Session *session, const Stanza *stanza);
void delivery_on_opened (Delivery *delivery, Session *session);
void delivery_on_changed (Delivery *delivery, Session *session);
void delivery_on_closed (Delivery *delivery, Session *session);
void delivery_on_acked (Delivery *delivery, Session *session, const char *id);
/* The stream that ended before will not be resumed. */
void delivery_on_lost (Delivery *delivery, Contact *contact);
void delivery_on_failed (Delivery *delivery, Contact *contact);
void delivery_on_writable (Delivery *delivery, Session *session);
void delivery_on_granted (Delivery *delivery, Session *session);
/* What there is to say to it may have changed, other than messages. */
void delivery_review (Delivery *delivery, Contact *contact);
/* From trust. */
void delivery_on_level (Delivery *delivery, Contact *contact, Key *key, gboolean release);
void delivery_on_forgotten (Delivery *delivery, guint32 contact_id, const Fingerprint *fp);
