/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The one-time secret of an invite (docs/protocol.md 3.11) on paper: the proof that somebody knows it. No I/O, no clock.
 *
 * SECURITY CRITICAL. The secret itself never crosses a stream. A proof is good for one TLS session between two keys in these two roles:
 * played on another session, passed on by a man in the middle, or sent back to where it came from it is wrong.
 */
#pragma once

#include "daemon/base/fingerprint.h"
#include "daemon/proto/invite-id.h"
#include "daemon/proto/stanza.h"

#define INVITE_PROOF_BYTES 32

/* HMAC-SHA-256 (secret, "LL-INVITE-1" ‖ 00 ‖ exporter ‖ fp of who made the invite ‖ fp of who accepts it). `exporter`: the RFC 9266 value
 * of the TLS session. */
void invite_proof (const guint8 secret[INVITE_SECRET_BYTES], const guint8 exporter[32], const Fingerprint *inviter,
                   const Fingerprint *acceptor, guint8 out[INVITE_PROOF_BYTES]);
/* How long it takes tells nothing about where they differ. */
gboolean invite_proof_same (const guint8 a[INVITE_PROOF_BYTES], const guint8 b[INVITE_PROOF_BYTES]);

/* The payload of the iq set, new. */
Stanza *invite_stanza_new (const char *id, const guint8 proof[INVITE_PROOF_BYTES]);
/* FALSE: not just that; `id` and `proof` are undefined then. */
gboolean invite_stanza_read (const Stanza *payload, char id[INVITE_ID_LENGTH + 1], guint8 proof[INVITE_PROOF_BYTES]);
