/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What an invite is called (docs/protocol.md 3.11): a name made of its one-time secret, which both ends can make. Pure.
 */
#pragma once

#include "daemon/proto/trust-uri.h"

#define INVITE_SECRET_BYTES TRUST_URI_SECRET_BYTES
#define INVITE_ID_LENGTH 16

/* The first 8 bytes of SHA-256 ("LL-INVITE-1 id" ‖ 00 ‖ secret), in hex: tells nothing about a secret of 128 random bits. */
void invite_id (const guint8 secret[INVITE_SECRET_BYTES], char out[INVITE_ID_LENGTH + 1]);
/* Could it be one? */
gboolean invite_id_is (const char *text);
