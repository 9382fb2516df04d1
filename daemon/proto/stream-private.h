/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What stream.c, stream-negotiate.c (all before OPEN), stream-manage.c (step 9 and XEP-0198) and stream-clear.c (peers without TLS) share. Nobody else includes it.
 */
#pragma once

#include "daemon/proto/stream.h"
#include "daemon/proto/stream-out.h"
#include "daemon/proto/xml-stream.h"

/* docs/protocol.md 2.1. */
typedef enum {
  STATE_NEW,
  STATE_HEADER,   /* both: the peer's header of this section is due */
  STATE_CLEAR,    /* both: our own verdict about a peer without TLS is due */
  STATE_FEATURES, /* initiator */
  STATE_STARTTLS, /* responder: <starttls/> is due */
  STATE_PROCEED,  /* initiator */
  STATE_TLS,      /* both: the handshake runs, the wire is not ours */
  STATE_AUTH,     /* responder: <auth/> is due */
  STATE_JUDGE,    /* responder: our own verdict is due */
  STATE_SUCCESS,  /* initiator: their verdict is due */
  STATE_AGREE,    /* responder, step 9: <enable/>, <resume/> or a stanza is due */
  STATE_RESUME,   /* initiator, step 9: the answer to <resume/> is due */
  STATE_OPEN,
  STATE_CLOSING,  /* our closing tag is sent, theirs is due */
  STATE_ENDED
} State;

/* What an element that ends a section asks for, done once the parser has returned and shown what stands behind it. */
typedef enum { THEN_NOTHING, THEN_OFFER_TLS, THEN_START_TLS, THEN_JUDGE, THEN_RESTART } Then;

struct _Stream {
  StreamRole role;
  StreamCallbacks callbacks;
  gpointer user;
  char *local_addr;
  char *remote_addr;
  gboolean withhold_addr;
  gboolean self_addr_in_cert;
  Stanza *disco_info;

  State state;
  StreamSection section;
  XmlStream *xml;
  Then then;
  gboolean direct;      /* direct TLS: there is no section in clear */
  gboolean header_sent; /* in this section */
  gboolean tag_sent;    /* our </stream:stream> is on its way: nothing may follow it */
  gboolean judged;      /* the verdict was given: there is one a stream */
  gboolean restricted;
  gboolean reached_open;
  gboolean tls_begun;   /* from here on never in clear */
  gboolean clear;       /* admitted without TLS */
  gboolean own_features;/* responder: the caller sent some before TLS, as only Salut does */
  GQueue parked;        /* Stanza*: heard before the verdict about clear text */
  gboolean parked_close;/* … and the closing tag behind them */
  char *claimed_from;   /* `from` of the peer's header in this section; NULL */
  char *peer_addr;      /* bound; the responder's header is believed no more than the key behind it */
  Stanza *peer_disco;
  gsize max_stanza;
  guint step_ticks, whole_ticks;

  /* Stream management (XEP-0198), all NULL or FALSE without it. */
  const StreamManagement *manage;
  Sm *sm;               /* owned once it is this stream's */
  gboolean counting;    /* theirs are counted: <enabled/> was sent or read */
  gboolean resumed, suspended;
  guint32 resume_h;     /* what our <resume/> said */
  char *resume_id;
  guint32 peer_h;       /* what their <resume/> or <resumed/> said */
  guint resent;         /* stanzas sent again at the resumption */
  guint64 ticket;       /* of the stanza that is being handed up; 0 = somebody took it over */
  gboolean ask_due;     /* stanzas left since the last <r/> */
  gboolean asked;       /* … which was not answered yet */
  gboolean answer_due;  /* they asked */
  guint32 answered_h;   /* what they were told last */
  guint64 answer_to;    /* the newest stanza when they asked */

  guint busy;           /* calls in progress: free waits for them */
  gboolean in_feed;
  gboolean doomed;
};

void stream_enter (Stream *stream);
void stream_leave (Stream *stream);
void stream_send_text (Stream *stream, const char *text);
/* Once, whoever asks again from inside the callback. */
void stream_send_closing_tag (Stream *stream);
void stream_send_built (Stream *stream, GString *text_take);
void stream_end (Stream *stream, gboolean by_peer, gboolean clean, const char *condition);
void stream_reproach (Stream *stream, const char *condition, const char *app_error);
void stream_step (Stream *stream, State state);
void stream_become_open (Stream *stream);
void stream_send_header (Stream *stream);
void stream_send_auth (Stream *stream);
/* RFC 6120 section 6.4.5; one attempt a connection (docs/protocol.md 2.4). */
void stream_fail_auth (Stream *stream, const char *condition);
/* The parser stops behind this element; `then` follows. */
void stream_stop_and (Stream *stream, Then then);

void stream_in_open (Stream *stream, Stanza *e);

/* An attribute that is not empty: Salut writes from="" (docs/protocol.md 8.2). */
const char *stream_get_filled (const Stanza *s, const char *name);
void stream_on_closed (Stream *stream);

/* stream-negotiate.c */
gboolean stream_is_address (const char *text);
void stream_on_opened (gpointer user, const Stanza *header, const char *default_ns);
void stream_in_features (Stream *stream, const Stanza *e);
void stream_in_starttls (Stream *stream, Stanza *e);
void stream_in_proceed (Stream *stream, const Stanza *e);
void stream_in_auth (Stream *stream, const Stanza *e);
void stream_in_success (Stream *stream, const Stanza *e);

/* stream-clear.c */
/* Its header has no version, or no id. */
void stream_clear_on_header (Stream *stream, const Stanza *header, const char *default_ns);
/* Its features do not offer TLS. */
void stream_clear_on_features (Stream *stream);
/* Responder: a stanza where <starttls/> is due. */
void stream_clear_on_stanza (Stream *stream, Stanza *stanza);
/* STATE_CLEAR. */
void stream_in_clear (Stream *stream, Stanza *e);
/* Not a byte of ours left yet, and none may: the caller's clear text must not follow it (S-21). */
gboolean stream_clear_is_mute (const Stream *stream);
/* OPEN in clear: something else than a stanza. */
void stream_clear_other (Stream *stream, const Stanza *e);
void stream_clear_drop (Stream *stream);

/* stream-manage.c */
/* Responder: <sm/> is among the final features, and step 9 waits for what the initiator makes of it. */
gboolean stream_manage_offers (const Stream *stream);
/* Initiator: TRUE = an answer is due, else it is OPEN from here on. */
gboolean stream_manage_begin (Stream *stream, const Stanza *features);
void stream_in_agree (Stream *stream, Stanza *e);
void stream_in_resume (Stream *stream, const Stanza *e);
/* An element of NS_SM once OPEN. */
void stream_in_managed (Stream *stream, const Stanza *e);
/* One more stanza leaves, as `text` without addresses. */
void stream_manage_sent (Stream *stream, const char *text, gsize len, const char *tag);
/* The last word before a closing tag. */
void stream_manage_last_ack (Stream *stream);
void stream_manage_clear (Stream *stream);
/* A stanza's text with the stream's addresses where it has none of its own. */
GString *stream_address (Stream *stream, const char *text, gsize len);
