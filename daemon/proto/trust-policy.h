/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whether a key gets in: one pure function from what is known to verdict and reason.
 * SECURITY CRITICAL and thus intentionally verbose: it starts from "no" and
 * passes numbered checks (docs/protocol.md 3.4). No I/O, no state, no clock.
 */
#pragma once

#include <glib.h>

typedef enum { /* ascending; comparisons rely on it */
  TRUST_REVOKED,
  TRUST_UNKNOWN,
  TRUST_PINNED,
  TRUST_VOUCHED,
  TRUST_CA,
  TRUST_VERIFIED
} TrustLevel;

typedef enum { TRUST_MODE_ASK, TRUST_MODE_TOFU, TRUST_MODE_CA, TRUST_MODE_STRICT } TrustMode;

/* What a message may demand of the stream that carries it, ascending. Who demands nothing gets DEFAULT: on a TLS stream that is
 * `encrypted`; it may leave in clear, but only where people let that contact speak in clear. */
typedef enum {
  REQUIRE_INSECURE_OK,
  REQUIRE_DEFAULT,
  REQUIRE_ENCRYPTED,
  REQUIRE_PINNED,
  REQUIRE_VOUCHED,
  REQUIRE_CA,
  REQUIRE_VERIFIED
} Require;

typedef struct {
  TrustMode mode;
  gboolean inbound;        /* the peer called us */
  gboolean blocked;        /* the contact is blocked */
  gboolean refused;        /* the user rejected this key before */
  TrustLevel level;        /* what is stored for this key */
  gboolean name_known;     /* its name belongs to a contact that has another trusted key */
  gboolean name_seen;      /* its name was ever used by another key */
  gboolean hint_differs;   /* what is announced under its name names another key */
  gboolean chain_valid;    /* a chain to a configured root, with matching xmppAddr */
  gboolean chain_expired;
  gboolean chain_revoked;  /* its issuer says that the certificate counts no more */
} TrustQuestion;

typedef enum {
  TRUST_ACTION_REFUSE,
  TRUST_ACTION_REFUSE_EXPIRED,
  TRUST_ACTION_RESTRICT,   /* let it in as a restricted stream */
  TRUST_ACTION_PIN,        /* store it as pinned (first-use), then admit */
  TRUST_ACTION_JOIN_CA,    /* store it as ca, then admit */
  TRUST_ACTION_ADMIT
} TrustAction;

typedef enum { TRUST_ASK_NOTHING, TRUST_ASK_NEW_KEY, TRUST_ASK_NAME_CONFLICT } TrustAsk;

typedef struct {
  TrustAction action;
  TrustAsk ask;            /* which question the user should get, once a key */
  const char *reason;      /* static word for log, audit and LastError: "blocked", "strict", … */
} TrustVerdict;

TrustVerdict trust_policy_judge (const TrustQuestion *question);

/* May a message with `require` leave on a TLS stream whose key has `level`? Below pinned nothing ever leaves. */
gboolean trust_policy_may_send (TrustLevel level, gboolean blocked, Require require);

/* What a peer says about a key: an introduction, or a warning (docs/protocol.md 3.7). */
typedef struct {
  gboolean trusted_stream; /* it came over one that we let in in full */
  TrustLevel speaker;      /* what is stored for the key that says it … */
  gboolean speaker_blocked;
  gboolean distrust;       /* it says no */
  gboolean ours;           /* it is about our own key */
  gboolean own;            /* it is about the very key that says it … */
  gboolean same_contact;   /* … or another one of the same person */
  TrustLevel level;        /* what is stored for the key it is about; one never seen is unknown */
  gboolean blocked, refused; /* of that key */
  gboolean declined;       /* the user said no to this speaker about this key before */
  gboolean asked;          /* the user is being asked about just this */
  gboolean full;           /* there is no room for another question of this speaker, or at all */
} TestimonyQuestion;

typedef enum {
  TESTIMONY_IGNORE,
  TESTIMONY_ASK,           /* a question to the user; whatever it says, nothing else follows from it */
  TESTIMONY_REVOKE,        /* it gives itself up */
  TESTIMONY_WARN           /* the user is told */
} TestimonyAction;

typedef struct {
  TestimonyAction action;
  const char *reason;      /* static word for log and audit */
} TestimonyVerdict;

TestimonyVerdict trust_policy_judge_testimony (const TestimonyQuestion *question);

/* Peers that speak no TLS (docs/protocol.md 3.9). */
typedef enum { LEGACY_REFUSE, LEGACY_ASK, LEGACY_ALLOW } LegacyPolicy;
typedef enum { LEGACY_CHOICE_NONE, LEGACY_CHOICE_ALLOWED, LEGACY_CHOICE_REFUSED } LegacyChoice;

typedef struct {
  LegacyPolicy policy;
  TrustMode mode;
  gboolean inbound;        /* the peer called us; belongs to the log line */
  gboolean blocked;        /* the contact is blocked */
  LegacyChoice choice;     /* what a person said about this contact */
  gboolean tls_seen;       /* the contact has or had a key, or its name was ever used by one */
  gboolean announces_tls;  /* its TXT has tls.spki or tls.direct */
  gboolean contested;      /* several announce that name */
} LegacyQuestion;

typedef enum { LEGACY_ACTION_REFUSE, LEGACY_ACTION_ASK, LEGACY_ACTION_ADMIT } LegacyAction;

typedef struct {
  LegacyAction action;     /* ASK refuses, too, and asks the user, once a contact */
  const char *reason;      /* static word for log and audit */
} LegacyVerdict;

LegacyVerdict trust_policy_judge_clear (const LegacyQuestion *question);
/* May a message with `require` leave on an admitted stream in clear? */
gboolean trust_policy_may_send_clear (Require require);

const char *legacy_policy_to_string (LegacyPolicy policy);
gboolean legacy_policy_from_string (const char *text, LegacyPolicy *out);
/* "", allowed, refused. What is not readable is no choice at all: FALSE. */
const char *legacy_choice_to_string (LegacyChoice choice);
gboolean legacy_choice_from_string (const char *text, LegacyChoice *out);
const char *trust_level_to_string (TrustLevel level);
gboolean trust_level_from_string (const char *text, TrustLevel *out);
const char *trust_mode_to_string (TrustMode mode);
gboolean trust_mode_from_string (const char *text, TrustMode *out);
const char *require_to_string (Require require);
gboolean require_from_string (const char *text, Require *out);
