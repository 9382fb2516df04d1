/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Verification by code on paper (docs/protocol.md 3.6c): commit, nonce, reveal, and the three numbers that two people compare. One run,
 * one stream, one pair of keys. No I/O, no clock; random numbers are given. Any thread, one at a time; wiped on free.
 *
 * SECURITY CRITICAL. The peer may be a man in the middle who holds another run with the person it pretends to be. All that keeps him
 * from having the same numbers on both screens: A has committed to its nonce before it sees B's, B has sent its own before it sees A's,
 * and the numbers depend on both, on both keys and on this TLS session. So nothing here may accept a step twice, late, early or almost
 * right: whatever deviates ends the run.
 */
#pragma once

#include "daemon/base/fingerprint.h"
#include "daemon/proto/stanza.h"

#define SAS_BYTES 32 /* a nonce, a commitment, an exporter value */

typedef struct _Sas Sas;

typedef enum {
  SAS_NEW,
  SAS_COMMITTED, /* A: our commitment is out, B's nonce is awaited */
  SAS_ANSWERED,  /* B: our nonce is out, A's is awaited */
  SAS_REVEALED,  /* A: our nonce is out, B's word that it matches the commitment is awaited */
  SAS_AGREED,    /* there are numbers to compare */
  SAS_ENDED
} SasState;

/* What a step of the peer came to. */
typedef enum {
  SAS_GOOD,       /* go on; an iq set is answered with the reply, or with nothing in it */
  SAS_OVERRULED,  /* both started and we stay A (the lower key): the peer's commitment is refused, the run goes on */
  SAS_DEVIATES,   /* not what the run allows now, or not well formed: the run has ended */
  SAS_MISMATCHES, /* the nonce revealed is not the one committed to: somebody cheats, the run has ended */
  SAS_CANCELLED   /* the peer ended it: sas_get_cancel() tells why */
} SasVerdict;

typedef enum { SAS_CODE_MALFORMED, SAS_CODE_WRONG, SAS_CODE_RIGHT } SasCode;

/* `exporter`: the RFC 9266 value of the stream's TLS session. */
Sas *sas_new (const Fingerprint *own, const Fingerprint *peer, const guint8 exporter[SAS_BYTES]);
void sas_free (Sas *sas);
SasState sas_get_state (const Sas *sas);
/* 'A' or 'B'; 0 before the first step. */
char sas_get_role (const Sas *sas);

/* We start and are A: the <commit/> to send, new. Only in SAS_NEW. */
Stanza *sas_start (Sas *sas, const guint8 nonce[SAS_BYTES]);
/* The payload of an iq set. `nonce`: fresh, ours should we become B now; it is not used otherwise. `reply`: new or NULL. */
SasVerdict sas_on_set (Sas *sas, const Stanza *payload, const guint8 nonce[SAS_BYTES], Stanza **reply);
/* Our <commit/> was answered by a result with this payload (NULL = none). `reveal`: the <reveal/> to send, new. */
SasVerdict sas_on_nonce (Sas *sas, const Stanza *payload, Stanza **reveal);
/* Our <reveal/> was answered by a result. */
SasVerdict sas_on_accepted (Sas *sas);
/* An iq set of ours was refused. FALSE: that was to be expected, the run goes on (both had started, we became B). */
gboolean sas_on_refused (Sas *sas);

/* After SAS_CANCELLED: "user", "mismatch", "timeout", "limit"; static, "user" for words nobody defined. */
const char *sas_get_cancel (const Sas *sas);
/* The <cancel/> to send, new. */
Stanza *sas_cancel_new (const char *reason);

/* "4821 7305 1192"; NULL unless SAS_AGREED. Borrowed. */
const char *sas_get_code (const Sas *sas);
/* What a person typed. Spaces and dashes may stand anywhere. MALFORMED: no code can look like this; that is a slip and no answer. */
SasCode sas_check_code (const Sas *sas, const char *text);

/* --- the arithmetic, for known answers ----------------------------------------------------------------------------------- */

/* SHA-256 ("LL-SAS-1 commit" ‖ 00 ‖ nA ‖ fpA ‖ fpB) */
void sas_commitment (const guint8 na[SAS_BYTES], const Fingerprint *a, const Fingerprint *b, guint8 out[SAS_BYTES]);
/* HKDF-SHA-256 (nA ‖ nB, salt exporter, info "LL-SAS-1" ‖ fpA ‖ fpB): its first 39 bits as three numbers of 1000 to 9191. */
void sas_numbers (const guint8 na[SAS_BYTES], const guint8 nb[SAS_BYTES], const guint8 exporter[SAS_BYTES], const Fingerprint *a,
                  const Fingerprint *b, guint out[3]);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Sas, sas_free)
