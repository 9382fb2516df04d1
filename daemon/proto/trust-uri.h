/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A key as a link (docs/protocol.md 3.6 (b), the form of XEP-0434):
 *   xmpp:juliet@pronto?trust-message;encryption=im.earshot%3Atls%3A0;trust=<64 hex digits>
 *
 * Threat: links come from anywhere, and one that a person reads otherwise than we do is a lie. So each name and key has exactly
 * one link: what trust_uri_format() would not have written, byte for byte, is refused. That leaves no room for a second key, a
 * parameter twice or unknown, other spellings of a character, capitals, a resource, a fragment, or anything behind the end. Pure.
 */
#pragma once

#include "daemon/base/fingerprint.h"

#define TRUST_URI_MAX 320 /* bytes: the longest address, each byte escaped, and the rest */

typedef struct {
  char *addr;      /* user@machine, a name like any other: nothing proves it */
  Fingerprint fp;
} TrustUri;

/* INVALID_ARGUMENT says what is wrong; `out` is untouched then. `text` needs no terminator. */
gboolean trust_uri_parse (const char *text, gsize length, TrustUri *out, GError **error);
void trust_uri_clear (TrustUri *uri);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TrustUri, trust_uri_clear)

/* NULL when `addr` is no address (jid_split_instance()). Caller frees. */
char *trust_uri_format (const char *addr, const Fingerprint *fp);
