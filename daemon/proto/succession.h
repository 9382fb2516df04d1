/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A succession statement on paper (docs/protocol.md 3.5): the old key says which key takes its place. Pure; any thread.
 *
 *   <succession xmlns='im.earshot:trust:0' old='64 hex' new='64 hex' alg='ecdsa-p256-sha256' spki='base64' sig='base64'/>
 *
 * Threat: whoever can have one accepted becomes somebody's friend. So there is one spelling of each statement and nothing may stand
 * beside it; the public key it carries is the one whose hash is `old`, or it is no statement. Whether the signature is good is
 * identity_check_succession()'s to say, and whether it may do anything is model/trust.h's.
 */
#pragma once

#include "daemon/base/fingerprint.h"
#include "daemon/proto/stanza.h"

#define SUCCESSION_SPKI_MAX 1200      /* bytes: RSA of 8192 bits has 1062 */
#define SUCCESSION_SIGNATURE_MAX 1024 /* bytes: that of RSA of 8192 bits */
#define SUCCESSION_SIGNED_BYTES (17 + 32 + 32)

/* A closed list: no other way of signing is ever tried. */
typedef enum {
  SUCCESSION_ECDSA_P256_SHA256,
  SUCCESSION_ECDSA_P384_SHA384,
  SUCCESSION_ED25519,
  SUCCESSION_RSA_PSS_SHA256,
  SUCCESSION_N_ALGS
} SuccessionAlg;

typedef struct {
  Fingerprint old_fp, new_fp;
  SuccessionAlg alg;
  GBytes *spki;            /* DER SubjectPublicKeyInfo of the old key: pins hold only its hash */
  GBytes *signature;       /* over succession_get_signed(); ECDSA as DER Ecdsa-Sig-Value */
} Succession;

void succession_clear (Succession *succession);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Succession, succession_clear)

/* FALSE leaves `out` alone: malformed, another spelling, a key that is not `old`'s, a key that succeeds itself. */
gboolean succession_parse (const Stanza *element, Succession *out);
/* New. */
Stanza *succession_to_stanza (const Succession *succession);
/* The same in words, as our own is kept on disk. Any may be NULL, which is malformed. */
gboolean succession_from_words (const char *old, const char *new, const char *alg, const char *spki, const char *sig,
                                Succession *out);
const char *succession_alg_to_string (SuccessionAlg alg);
/* "LL succession v1" ‖ 00 ‖ old ‖ new */
void succession_get_signed (const Fingerprint *old_fp, const Fingerprint *new_fp, guint8 out[SUCCESSION_SIGNED_BYTES]);
