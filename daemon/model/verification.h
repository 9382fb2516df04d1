/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Two people compare three numbers (docs/protocol.md 3.6c): the runs under way, over the streams that carry them. Owns their limits: one
 * run a stream, 3 a key in 10 minutes, whoever starts them, 5 minutes each. Main thread only.
 *
 * SECURITY CRITICAL. A run is bound at birth to one session and one key and never changes either. Only the word of the local user makes
 * a key `verified`: the right code typed, or Confirm. There is one try: a wrong code ends the run and the stream. What the peer says can
 * only end a run. Numbers and nonces are not logged.
 */
#pragma once

#include "daemon/model/router.h"

typedef struct _Verifications Verifications;
typedef struct _Verification Verification;

typedef enum {
  VERIFICATION_WAITING_PEER,   /* the exchange is under way */
  VERIFICATION_COMPARING,      /* there is a code */
  VERIFICATION_CONFIRMED_HERE, /* the user said yes; it is on its way to the disk */
  VERIFICATION_DONE,           /* the last four: it is over */
  VERIFICATION_MISMATCH,
  VERIFICATION_CANCELLED,
  VERIFICATION_EXPIRED
} VerificationState;

typedef struct {
  guint runs;          /* a key, in `window_ms`, whoever starts them */
  guint strangers;     /* unknown keys whose runs are counted at a time; more of them may not begin one */
  guint window_ms;
  guint run_ms;        /* from the first step to the user's word */
  guint step_ms;       /* the exchange needs nobody's help: how long a step of it may take */
} VerificationLimits;

extern const VerificationLimits verification_limits_default;

/* Each may be NULL. */
typedef struct {
  void (*added) (gpointer user, Verification *verification);
  void (*changed) (gpointer user, Verification *verification);
  void (*removed) (gpointer user, Verification *verification); /* over: readable during the call, for the last time */
} VerificationWatch;

typedef struct {
  Identity *identity;
  Contacts *contacts;
  Trust *trust;
  Router *router;
  const VerificationLimits *limits; /* NULL = default */
} VerificationsConfig;

Verifications *verifications_new (const VerificationsConfig *config);
/* After the sessions, and after the store has reported. */
void verifications_free (Verifications *verifications);
void verifications_watch (Verifications *verifications, const VerificationWatch *watch, gpointer user);
void verifications_unwatch (Verifications *verifications, gpointer user);

/* From RouterCallbacks.sas and SessionCallbacks.closed. */
void verifications_on_iq (Verifications *verifications, Session *session, const Stanza *iq, const Stanza *payload);
void verifications_on_closed (Verifications *verifications, Session *session);

/* The run of this session, begun now if there is none. QUOTA_EXCEEDED, NOT_REACHABLE (the stream is closing), UNSUPPORTED (the peer said
 * that it can not). `caller` for the log. Borrowed. */
Verification *verifications_start (Verifications *verifications, Session *session, const char *caller, GError **error);
/* What the right code decides besides the level: the answer `verify` or `verify-replace` to an open question about this key, as of
 * trust_resolve_verified(). Ends with the run; who says it again changes it. A question that is answered otherwise meanwhile is: then the code
 * verifies the key where it is. */
void verification_set_purpose (Verification *verification, guint64 request, const char *choice, const char *petname, gboolean release);
Verification *verifications_get (Verifications *verifications, guint32 id);
GPtrArray *verifications_list (Verifications *verifications);   /* items borrowed */

/* Random, so that a path of an earlier run, or of an earlier life of the daemon, does not come to mean another one. */
guint32 verification_get_id (const Verification *verification);
Contact *verification_get_contact (const Verification *verification);  /* NULL = gone */
const Fingerprint *verification_get_fingerprint (const Verification *verification);
VerificationState verification_get_state (const Verification *verification);
const char *verification_state_to_string (VerificationState state);
gboolean verification_is_ours (const Verification *verification);      /* our user began it */
char verification_get_role (const Verification *verification);         /* 'A', 'B' */
const char *verification_get_code (const Verification *verification);  /* "" = none yet */
gint64 verification_get_expires (const Verification *verification);    /* wall clock */
/* Why it is over: "", "user" (here), "peer", "code" (a wrong one was typed or read), "commitment", "protocol", "limit", "timeout", "refused",
 * "stream-closed"; static. */
const char *verification_get_reason (const Verification *verification);

/* Reported once, perhaps before the verb returns.
 * The user typed what stands on the other screen. Right: `matches` is reported when the level is on disk. Wrong: FALSE, and the run is
 * over. INVALID_ARGUMENT: no code looks like this, nothing happened. FAILED: there is no code yet. TIMEOUT: the time ran out. ALREADY_RESOLVED: the user's word is
 * on its way to the disk. Else what trust_verify() reports; the run goes on then. */
typedef void (*VerificationAnswered) (gpointer user, gboolean matches, const GError *error);
void verification_enter_code (Verification *verification, const char *code, const char *caller, VerificationAnswered done,
                              gpointer user);
/* The user compared with the eyes. */
void verification_confirm (Verification *verification, gboolean matches, const char *caller, VerificationAnswered done, gpointer user);
/* ALREADY_RESOLVED as above. */
gboolean verification_cancel (Verification *verification, const char *caller, GError **error);
