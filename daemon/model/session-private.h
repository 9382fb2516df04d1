/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What session.c, session-*.c, sessions.c and dialer.c share: the structs behind model/session.h. Nobody else includes it.
 */
#pragma once

#include "daemon/io/pace.h"
#include "daemon/io/tls.h"
#include "daemon/model/session.h"
#include "daemon/proto/stream.h"

#define SIMULTANEOUS_US (10 * G_USEC_PER_SEC) /* docs/protocol.md 2.8 */

typedef struct _Dial Dial;
typedef struct _Probe Probe;

typedef struct {
  Stanza *stanza;
  guint64 ticket;
} Early;

struct _Sessions {
  SessionsConfig config;
  SessionCallbacks callbacks;
  gpointer user;
  Listener *listener;
  GPtrArray *all;          /* Session*, each holds a reference */
  GHashTable *open;        /* &session->fp -> Session*: the one OPEN stream of a key */
  GHashTable *clear;       /* contact id -> Session*: the one OPEN stream without TLS of a contact */
  GHashTable *kept;        /* Fingerprint -> what is left of its last stream, session-resume.c */
  GHashTable *dials;       /* contact id -> Dial* (owned) */
  GPtrArray *probes;       /* Probe* */
  GPtrArray *addrs;        /* char*: ours in this run, the current one last */
  guint64 next_id;
  guint opened[2];         /* streams since the start: out, in */
  gint64 named_at;         /* monotonic: our record stands since */
  Pace own_pace;           /* of looking whether our own key is live elsewhere */
  guint review_source;
  gboolean withhold_addr;
  gboolean stopping;
};

struct _Session {
  guint refs;
  Sessions *sessions;
  guint64 id;
  gboolean inbound;
  Link *link;
  Tls *tls;
  Stream *stream;
  gboolean has_key;
  gboolean clear;          /* OPEN without TLS; `contact` says with whom */
  guint32 contact;
  DiscoveryQuery *query;   /* inbound: is that where the name lives? */
  guint clear_source;
  gboolean crossed;        /* inbound: our call to the same peer was answered while this one waited for its verdict */
  Fingerprint fp;
  char *claimed;           /* the peer's address as it claims it, or the instance we dialled */
  char *ifname, *address;  /* for people */
  Dial *dial;              /* outbound: on whose behalf; NULL once settled */
  Probe *probe;
  GString *out;            /* plaintext of this loop turn */
  GQueue early;            /* Early*, heard while it waited to be registered */
  guint64 ticket;          /* of the stanza that is being handed up; 0 = it was claimed */
  guint resent;            /* stanzas sent again when it was resumed */
  guint flush_source, deadline_source, drain_source, idle_source, watch_source, limbo_source;
  gint64 opened_at, last_rx, last_tx; /* monotonic */
  gint64 opened_time;      /* wall clock */
  guint holds;
  gsize drained;           /* bytes thrown away since the end */
  gboolean direct;         /* TLS from the first byte (docs/protocol.md 2.2) */
  gboolean connected, heard, tls_up;
  gboolean open, ended, granted, congested, awaiting, pinged, mismatch;
  gboolean other_name;     /* it calls itself what its chain does not */
  TrustLevel level;        /* what its key is worth, as of the last change */
  gboolean challenged;     /* a newer one of its key waits for whether it is still heard */
  gboolean sent_off;       /* the peer ended it, by a word and not by a break */
  gboolean fallen;         /* and it became less: what was under way is not to go on elsewhere */
  gboolean resumed;        /* it goes on where another one ended */
  gboolean suspended;      /* another one may go on, or does, where it ended */
};

Session *session_ref (Session *session);
void session_unref (Session *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Session, session_unref)
/* ListenerFunc: a stranger calls. */
void session_on_accepted (gpointer user, Link *link_take);
Session *session_start_outbound (Sessions *sessions, Dial *dial, Probe *probe, GPtrArray *targets, const char *instance,
                                 gboolean direct);
/* How much may wait for a peer that does not read: after opening, and when its trust changed. */
void session_rank_link (Session *session);
/* Of a line about this session: strangers' have a ration. */
GLogLevelFlags session_log_level (const Session *session, GLogLevelFlags level);
/* Ends it because its key is worth less now. */
void session_fail_fallen (Session *session);
/* Closes at once without a word; no callback follows. */
void session_drop (Session *session);

/* Once: tells everybody, says what is left to say, and drains. `word`: why, for a dial that waits. */
void session_end (Session *session, const char *word);
/* Writes what is there within this turn of the loop. */
void session_flush_later (Session *session);

/* Hands a stanza up. Who needs the disk for it claims the ticket by session_defer(); for others it is dealt with on return. */
void session_hear (Session *session, Stanza *stanza, guint64 ticket);
void session_early_free (gpointer early);

/* session-open.c */
/* StreamCallbacks.opened. */
void session_on_opened (gpointer user);
/* The one that a newer one waits for (`challenged`) was heard again, or ended: the newer one is told in the next turn of the loop. */
void session_end_limbo (Session *old);

/* session-chain.c: what the private roots say of the chain it showed, for a peer of that address. */
RootsVerdict session_judge_chain (Session *session, const char *addr);
gboolean session_on_accept_addr (gpointer user, const char *addr);

/* session-resume.c */
extern const StreamManagement session_management;
void session_kept_init (Sessions *sessions);
void session_kept_clear (Sessions *sessions);
void session_kept_review (Sessions *sessions);
void session_kept_drop_all (Sessions *sessions);
void session_keep (Session *session);
void session_supersede (Session *session);

/* session-clear.c */
/* StreamCallbacks.judge_clear. */
void session_on_judge_clear (gpointer user, const char *from);
/* The machine opened it in clear: it is the one of its contact. */
void session_open_clear (Session *session);
/* What was asked before the verdict. */
void session_stop_asking (Session *session);
gboolean session_admits_clear (const Session *session);
/* From the loop: people, keys or announcements changed. */
void session_review_later (Sessions *sessions);

/* session-alive.c */
void session_start_idling (Session *session);
void session_ping (Session *session);

/* From session.c: how an outbound attempt ended. `word` NULL = OPEN, else an error word of api.md 8. */
void dial_on_session (Dial *dial, const char *word);
/* An OPEN session of the contact ended; `turned_away`: it had hardly begun when the peer said so. */
void dialer_on_closed (Sessions *sessions, Contact *contact, gboolean turned_away);
/* The contact has an open session now, whoever dialled. */
void dialer_on_opened (Sessions *sessions, Contact *contact);
/* They called us in clear: an attempt of ours that did not get as far as TLS is abandoned (docs/protocol.md 8.2). */
void dialer_on_clear (Sessions *sessions, Contact *contact);
/* We have an address of our own now. */
void dialer_on_named (Sessions *sessions);
/* Who may speak in clear may have changed. */
void dialer_on_clear_changed (Sessions *sessions);
void dialer_on_decided (Sessions *sessions, Contact *contact);
/* A call that is under way, or about to be, ends; whoever waits for it is told. */
void dialer_hang_up (Sessions *sessions, Contact *contact);
guint32 dial_get_contact_id (const Dial *dial);
void dialer_init (Sessions *sessions);
void dialer_clear (Sessions *sessions);

/* probe.c */
void probes_init (Sessions *sessions);
/* Whoever waits is told. */
void probes_clear (Sessions *sessions, const GError *error);
void probe_on_session (Probe *probe, Session *session, const char *word);
/* Reports every address of a host name or literal, with its scope; not when cancelled. */
void dialer_look_up (const char *host, guint16 port, GCancellable *cancellable, DiscoveryResolved done, gpointer user);
