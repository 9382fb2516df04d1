/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The stream machine of XEP-0174 with STARTTLS required and SASL EXTERNAL
 * (docs/protocol.md 2.1-2.6, 2.9). Paper: no socket, no clock, no TLS; it asks for sends, deadlines,
 * the handshake and a trust verdict by callback. One enum of states, one function a state.
 *
 * Threat: the other end is hostile. Nothing leaves as a stanza and none is handed up before
 * OPEN; bytes left behind <starttls/> or <proceed/> end the stream; what was learnt before TLS is forgotten after it.
 * A stream opens in clear only when the caller admitted it by stream_judged_clear(), and never once TLS was begun.
 */
#pragma once

#include <glib.h>

#include "daemon/proto/sm.h"
#include "daemon/proto/stanza.h"

typedef enum { STREAM_INITIATOR, STREAM_RESPONDER } StreamRole;

typedef enum {
  STREAM_ADMIT,           /* full use */
  STREAM_ADMIT_RESTRICTED,/* OPEN, announced as <restricted/> (docs/protocol.md 3.4) */
  STREAM_REFUSE,          /* not-authorized: blocked, refused, unacceptable look the same */
  STREAM_REFUSE_EXPIRED   /* credentials-expired (CA mode only) */
} StreamVerdict;

/* How it ended. `condition` is a stream-error or SASL condition name ("not-authorized"), or
 * one of our own words: "closed" (clean), "eof", "tls", "peer-insecure", "injection". */
typedef struct {
  gboolean by_peer;        /* the peer sent the error or closed first */
  gboolean clean;          /* both closing tags were seen */
  gboolean reached_open;
  const char *condition;   /* known words only, never a stranger's text: unknown ones read "undefined-condition" */
} StreamEnd;

typedef struct {
  /* Bytes for the wire (before TLS) or for the TLS layer (after start_tls). */
  void (*send) (gpointer user, const char *bytes, gsize len);
  /* STARTTLS agreed: run the handshake, then stream_tls_done(). Feed nothing meanwhile. */
  void (*start_tls) (gpointer user);
  /* Responder, step 7: `from` (borrowed, checked to be an address) is what the peer's header claims.
   * Answer with stream_judged(), now or later. */
  void (*judge) (gpointer user, const char *from);
  /* Step 9 reached. Initiator: stream_is_restricted(), stream_get_peer_disco() are known. */
  void (*opened) (gpointer user);
  /* Only while OPEN, or between our closing tag and theirs. `from` was checked against the bound address. Borrowed. */
  void (*stanza) (gpointer user, Stanza *stanza);
  /* Exactly once; the caller then drains and closes the transport. No callback follows. */
  void (*ended) (gpointer user, const StreamEnd *end);
  /* One deadline at a time: `ms` from now call stream_deadline(); 0 cancels. While it negotiates, the machine
   * asks for one tick a second and counts: 10 a step, 30 in all (docs/protocol.md 2.1). It comes in the middle of
   * things: set a timer and, of the stream, call nothing but stream_free(). */
  void (*deadline) (gpointer user, guint ms);
  /* Is this header `to` an address of ours, present or former in this run? */
  gboolean (*is_ours) (gpointer user, const char *addr);
  /* The peer speaks no TLS (docs/protocol.md 2.7, 8.2). `from` (borrowed) is what its header claims; NULL = nothing, which only an
   * initiator hears. Answer with stream_judged_clear(), now or later. NULL here = refused. */
  void (*judge_clear) (gpointer user, const char *from);
  /* Initiator: the header under TLS says that the peer is `addr`. FALSE: it may not call itself that. May be NULL. */
  gboolean (*accept_addr) (gpointer user, const char *addr);
} StreamCallbacks;

/* Stream management (XEP-0198): what the machine asks for. Responders offer it on streams that are not restricted, initiators
 * enable it where it is offered. */
typedef struct {
  /* Initiator, step 9: a state of this very key that could be resumed, lent for the call; NULL = begin anew. May fail
   * the stream instead. */
  const Sm *(*wish) (gpointer user);
  /* Responder, step 9: is there a state of this very key? Then its owner is waited for as in any other step. */
  gboolean (*expects) (gpointer user);
  /* Hands over the state of that id and of this very key; NULL = there is none (any more). May fail the stream instead. */
  Sm *(*take) (gpointer user, const char *id);
  /* Call stream_flush() within this turn of the loop. */
  void (*wake) (gpointer user);
  /* The peer dealt with what was sent as `tag`. */
  void (*acked) (gpointer user, const char *tag);
  /* Initiator: offered and then refused; what was sent until now will be acked by nobody. */
  void (*declined) (gpointer user);
  /* Microseconds since the epoch. */
  gint64 (*now) (gpointer user);
} StreamManagement;

typedef struct {
  StreamRole role;
  const char *local_addr;  /* our `from` */
  const char *remote_addr; /* initiator: `to`, NULL when only an address is known */
  gboolean self_addr_in_cert; /* our certificate's only xmppAddr equals local_addr: authzid "=" (2.4) */
  Stanza *disco_info;      /* our <query/> for the final features; a reference is taken */
  gboolean withhold_addr;  /* not in the header before TLS: invisible mode (docs/protocol.md 0, conflict 2) */
  const StreamManagement *manage; /* static; NULL = without */
} StreamConfig;

typedef struct _Stream Stream;

Stream *stream_new (const StreamConfig *config, const StreamCallbacks *callbacks, gpointer user);
/* Safe inside a callback. */
void stream_free (Stream *stream);

/* Initiator: sends its header. Responder: arms the first deadline. */
void stream_start (Stream *stream);
/* Direct TLS (XEP-0368): instead of stream_start(), or, as responder, when the first byte that arrived is 0x16 and
 * nothing was fed. Asks for the handshake at once; no header is ever sent in clear. */
void stream_start_direct (Stream *stream);
/* Not from inside a callback of the same stream. */
void stream_feed (Stream *stream, const char *bytes, gsize len);
/* The handshake is done and (initiator) the peer's key is acceptable for going on. */
void stream_tls_done (Stream *stream);
void stream_judged (Stream *stream, StreamVerdict verdict);
/* FALSE: it ends as if nobody had been asked: the initiator before any stanza, the responder without a header of its own where it
 * sent none. TRUE: it is OPEN in clear, for good. */
void stream_judged_clear (Stream *stream, gboolean admit);
/* OPEN only (a no-op otherwise, FALSE). `from` and `to` are set by the machine if absent. FALSE also for what must
 * never leave: no message or iq, or larger than the peer takes (XEP-0478; it would end the stream over it). */
gboolean stream_send (Stream *stream, const Stanza *stanza);
/* The same; `tag` comes back through `acked` where management is on. */
gboolean stream_send_tagged (Stream *stream, const Stanza *stanza, const char *tag);
/* Appends the <a/> and the <r/> that are due. To be called when a turn's batch is about to be written, and only then. */
void stream_flush (Stream *stream);
/* Asks whether the peer is alive, by <r/>. FALSE: management is off, ask otherwise. */
gboolean stream_probe (Stream *stream);
/* From inside `stanza`: it counts as handled (`h`) only after stream_handled() with this ticket, 0 = no counting. Without
 * this call it counts when the callback returns. */
guint64 stream_defer (Stream *stream);
void stream_handled (Stream *stream, guint64 ticket);
/* Sends </stream:stream>, goes on receiving until the peer's (5 s). Before OPEN: ends at once. */
void stream_close (Stream *stream);
/* Sends the stream error `condition` (+ optional application element name in NS_APP_ERRORS) and ends. One of our own
 * words ("tls") ends without an error element. During the handshake no byte is sent. */
void stream_fail (Stream *stream, const char *condition, const char *app_error);
void stream_deadline (Stream *stream);
/* The transport ended. */
void stream_eof (Stream *stream);

gboolean stream_is_open (const Stream *stream);
gboolean stream_is_restricted (const Stream *stream);
/* It was opened without TLS: nothing is proven, anybody reads it, and there is neither management nor disco. */
gboolean stream_is_clear (const Stream *stream);
/* The address bound to the peer for this stream, as it wrote it; NULL before it is known. */
const char *stream_get_peer_addr (const Stream *stream);
/* What the responder's final features said, or NULL. Borrowed. */
const Stanza *stream_get_peer_disco (const Stream *stream);
/* The peer confirmed that it counts: the state, lent; else NULL. */
const Sm *stream_get_sm (const Stream *stream);
/* What leaves now is counted: also while the answer to our <enable/> is due. */
gboolean stream_is_managed (const Stream *stream);
/* It goes on where another one ended; `resent` stanzas were sent again for that. */
gboolean stream_is_resumed (const Stream *stream, guint *resent);
/* The <resume/> on this stream may have left before its sender had heard of ours on the other, which it granted: it has
 * counted nothing since. */
gboolean stream_is_behind (const Stream *stream, const Stream *resumed);
/* Initiator: <resume/> was sent and not answered yet. */
gboolean stream_is_resuming (const Stream *stream);
/* The state of a stream that ends uncleanly or gives way, for another one to resume; NULL where that is not possible. Also
 * from inside `ended`. */
Sm *stream_take_sm (Stream *stream);
/* Before step 9: this one is without. */
void stream_forgo_management (Stream *stream);
