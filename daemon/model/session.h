/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Streams with people: one link, tls, stream and contact each; owns the timers; dials, backs off, settles two
 * peers dialling at once (docs/protocol.md 2.8). No stanza leaves or is handed up before the verdict. Main thread only.
 */
#pragma once

#include "daemon/io/identity.h"
#include "daemon/io/link.h"
#include "daemon/io/roots.h"
#include "daemon/model/trust.h"
#include "daemon/proto/stanza.h"

typedef struct _Sessions Sessions;
typedef struct _Session Session;

/* Callbacks to the floor's neighbours above. */
typedef struct {
  void (*opened) (gpointer user, Session *session);
  void (*closed) (gpointer user, Session *session);     /* still readable during the call */
  void (*stanza) (gpointer user, Session *session, Stanza *stanza);
  /* The session became trusted or restricted without closing. */
  void (*changed) (gpointer user, Session *session);
  /* A dial of a wanted contact failed for good or for now: contact_get_last_error() tells. */
  void (*failed) (gpointer user, Contact *contact);
  void (*writable) (gpointer user, Session *session);   /* output drained after back-pressure */
  /* The peer dealt with the stanza that went out under `tag` (XEP-0198). Before `opened` where a stream is resumed. May be NULL. */
  void (*acked) (gpointer user, Session *session, const char *tag);
  /* A suspended stream of the contact will not be resumed any more, and none is open. May be NULL. */
  void (*lost) (gpointer user, Contact *contact);
} SessionCallbacks;

typedef struct {
  Poller *poller;
  Identity *identity;
  Contacts *contacts;
  Trust *trust;
  Roots *roots;            /* NULL = none */
  Discovery *discovery;
  guint16 port;
  char **interfaces;
  gboolean allow_loopback;
  guint idle_close_s;
} SessionsConfig;

Sessions *sessions_new (const SessionsConfig *config, const SessionCallbacks *callbacks, gpointer user, GError **error);
/* Says goodbye on every stream (system-shutdown), without waiting for answers. */
void sessions_free (Sessions *sessions);
guint16 sessions_get_port (Sessions *sessions);
/* How many streams with TLS opened since we began: those that others called for, and ours. */
void sessions_count_opened (Sessions *sessions, guint *inbound, guint *outbound);

/* There is something to send: dial when it can be reached, retry with backoff until sessions_unwant(). Idempotent. */
void sessions_want (Sessions *sessions, Contact *contact);
void sessions_unwant (Sessions *sessions, Contact *contact);
/* The same for whoever else has something to send: each reason is taken back by itself. */
typedef enum { SESSIONS_FOR_MESSAGES = 1, SESSIONS_FOR_INVITE = 2 } SessionsReason;
void sessions_want_for (Sessions *sessions, Contact *contact, SessionsReason reason);
void sessions_unwant_for (Sessions *sessions, Contact *contact, SessionsReason reason);
/* D-Bus Connect: one attempt at once. NOT_REACHABLE, TIMEOUT, REFUSED, NOT_TRUSTED, PEER_INSECURE, BLOCKED. */
void sessions_connect (Sessions *sessions, Contact *contact, DoneFunc done, gpointer user);
/* Ends its stream, or the call that is to become one. */
void sessions_disconnect (Sessions *sessions, Contact *contact);
/* The OPEN session of a contact, or NULL. */
Session *sessions_find (Sessions *sessions, Contact *contact);
/* Handshake with an address, tell what it showed, send nothing. Keys: fingerprint s, address s, tls s, result s. */
typedef void (*SessionsProbed) (gpointer user, GVariant *result, const GError *error);
void sessions_probe (Sessions *sessions, const char *endpoint, guint timeout_ms, SessionsProbed done, gpointer user);
/* It announces our own key: is that so? Asks it for its key and sends nothing; trust_note_duplicate() hears of it. Anybody can announce that,
 * so this happens now and then only. */
void sessions_prove_own (Sessions *sessions, Contact *contact);
/* What people allow in clear changed: a stream that would not be admitted any more closes. */
void sessions_review_clear (Sessions *sessions);
/* Our address changed or was established. The old one is still accepted as `to` in this run. */
void sessions_set_addr (Sessions *sessions, const char *addr);

/* The private roots changed: streams that would not be let in by them today end. */
void sessions_review_chains (Sessions *sessions);

/* Our own key is another one now: streams that stand on the old one end (`reset`), and none of them is resumed. */
void sessions_reset (Sessions *sessions);
/* The OPEN session with this number, or NULL. */
Session *sessions_get (Sessions *sessions, guint64 id);

/* Invisible: our name does not stand in what is sent before TLS. */
void sessions_set_withheld (Sessions *sessions, gboolean withheld);

guint64 session_get_id (const Session *session);
Contact *session_get_contact (const Session *session);
Key *session_get_key (const Session *session);          /* NULL in clear */
/* Both sides let each other in: messages may flow. */
gboolean session_is_trusted (const Session *session);   /* we trust the peer, or admit it in clear */
/* The peer speaks no TLS and was admitted all the same (docs/protocol.md 3.9): there is no key, nothing is proven and anybody reads it. */
gboolean session_is_clear (const Session *session);
gboolean session_is_restricted (const Session *session);/* the peer announced that it does not trust us yet */
void session_set_granted (Session *session);            /* it granted */
/* Is `addr` an address of ours, present or former in this run? */
gboolean session_is_ours (const Session *session, const char *addr);
/* What it showed, for a judgement of trust; points into the session. */
TrustProof session_get_proof (const Session *session);
const Stanza *session_get_peer_disco (const Session *session);
/* The RFC 9266 tls-exporter value: what only the two ends of this TLS session know. FALSE when it is closing. */
gboolean session_get_exporter (const Session *session, guint8 out[32]);
/* Ends it with a stream error, behind what was sent. */
void session_fail (Session *session, const char *condition);
/* Queued and written once a loop turn. FALSE when it is closing. */
gboolean session_send (Session *session, const Stanza *stanza);
/* The same; `tag` comes back through `acked` where session_is_managed(). */
gboolean session_send_tagged (Session *session, const Stanza *stanza, const char *tag);
/* What was queued is written now: when a key falls, what has not left is dropped. */
void session_flush (Session *session);
/* Stream management is on: what is sent will be acked, or sent again by a stream that resumes this one, or `lost`. */
gboolean session_is_managed (const Session *session);
/* It goes on where another stream ended: what that one left unconfirmed was sent again already. */
gboolean session_is_resumed (const Session *session);
/* In `closed`: another stream may go on where this one ended. */
gboolean session_is_suspended (const Session *session);
/* From inside `stanza`: it counts as dealt with only after session_handled() with this ticket (M-03); 0 = nobody counts. */
guint64 session_defer (Session *session);
void session_handled (Session *session, guint64 ticket);
/* Too much is queued towards the socket: wait for `writable`. */
gboolean session_is_congested (const Session *session);
/* Stops and resumes reading, counted. */
void session_hold_reading (Session *session, gboolean hold);
/* Something is awaited from the peer (receipts): silence of 60 s is then probed by a ping, 30 s more end it. */
void session_set_awaiting (Session *session, gboolean awaiting);
/* insecure, tls, cipher, direction, address, opened, bytes-in, bytes-out, restricted, sm, resumable, resumed, stanzas-in, stanzas-out: a{sv}
 * for Contact.Session; floating. */
GVariant *session_describe (const Session *session);
