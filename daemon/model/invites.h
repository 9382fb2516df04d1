/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Invites (docs/protocol.md 3.11): those made here and who proves to have one, and those accepted here and the proofs that are owed for
 * them, until their makers acknowledge. Over router, trust and sessions. Main thread only.
 *
 * SECURITY CRITICAL. A link is a bearer's token: whoever has it first can use it, as often as it was made for. Kept here: the secret never
 * crosses a stream, a log or a signal; a proof counts for one TLS session and two keys; who guesses learns nothing, not even whether
 * there is such an invite, and has few tries; a use is on disk in the change that raises the key, before the peer hears of it. Times are
 * those of the wall clock, since both ends must agree on them: a clock that is set back lengthens the life of an invite made here, but one set
 * back to before it was made ends it; a clock set forward ends it early.
 */
#pragma once

#include "daemon/io/trust-invites.h"
#include "daemon/model/router.h"

#define INVITES_MAX 64           /* made here, or accepted here and not acknowledged, at a time */
#define INVITE_TTL_MIN_S 30
#define INVITE_TTL_MAX_S (7 * 24 * 3600)
#define INVITE_FRESH_S 600       /* until when one that was shown face to face makes `verified` */

typedef struct _Invites Invites;

typedef struct {
  guint stream_tries;      /* wrong proofs on a stream; then all are wrong */
  guint invite_tries;      /* wrong proofs for an invite; then it is void */
  guint answer_ms;         /* how long a peer may take to answer */
  guint again_ms;          /* until a proof that it could not deal with is given again */
} InviteLimits;

extern const InviteLimits invite_limits_default;

typedef struct {
  Identity *identity;
  Contacts *contacts;
  Trust *trust;
  TrustStore *store;
  Router *router;
  const InviteLimits *limits; /* NULL = default */
} InvitesConfig;

/* May be NULL. */
typedef struct {
  void (*changed) (gpointer user); /* the list is another one */
} InvitesWatch;

/* Takes the rows. */
Invites *invites_new (const InvitesConfig *config, GArray *made_take, GArray *owed_take);
/* Whom proofs are owed to is dialled from now on. */
void invites_start (Invites *invites, Sessions *sessions);
/* Before the sessions go. */
void invites_stop (Invites *invites);
/* After the store has reported. */
void invites_free (Invites *invites);
void invites_watch (Invites *invites, const InvitesWatch *watch, gpointer user);
void invites_unwatch (Invites *invites, gpointer user);

/* From RouterCallbacks.invite and SessionCallbacks. */
void invites_on_iq (Invites *invites, Session *session, const Stanza *iq, const Stanza *payload);
void invites_on_opened (Invites *invites, Session *session);
void invites_on_closed (Invites *invites, Session *session);

typedef struct {
  const char *addr;        /* ours, for the link */
  char **endpoints;        /* where we can be reached; NULL = none are told */
  guint ttl_s;
  guint uses;
  gboolean in_person;      /* it is shown face to face: only with one use */
  const char *caller;
} InviteWish;

/* Reported from the loop. INVALID_ARGUMENT, QUOTA_EXCEEDED, UNSUPPORTED (in the trust modes `strict` and `ca` nobody unknown gets far enough
 * to prove anything). The link is wiped afterwards. */
typedef void (*InviteMade) (gpointer user, const char *link, const char *id, gint64 expires, const GError *error);
void invites_create (Invites *invites, const InviteWish *wish, InviteMade done, gpointer user);
/* Nobody can use it any more when `done` is called. NOT_FOUND. */
void invites_revoke (Invites *invites, const char *id, const char *caller, DoneFunc done, gpointer user);
/* Reports the contact when it is on disk, and that a proof is owed with it; its endpoints are dialled then. INVALID_ARGUMENT (our own, a
 * petname), TIMEOUT (expired), QUOTA_EXCEEDED, BLOCKED, NOT_TRUSTED. */
void invites_accept (Invites *invites, const TrustUri *uri, const char *petname, gboolean in_person, const char *caller,
                     TrustAdded done, gpointer user);

/* Borrowed texts. */
typedef struct {
  const char *id;
  gboolean made;           /* here; else accepted */
  const char *state;       /* made: "open", "used-up"; accepted: "waiting", "done", "refused" */
  gint64 expires;
  guint uses, left;        /* made */
  gboolean in_person;      /* made */
  const GArray *used;      /* made: Fingerprint, in the order of their coming */
  Fingerprint fp;          /* accepted: of who made it */
} InviteInfo;
/* InviteInfo by value, oldest expiry first. Free with g_array_unref(). */
GArray *invites_list (Invites *invites);
