/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A key as a link (docs/protocol.md 3.6 (b), the form of XEP-0434):
 *   xmpp:juliet@pronto?trust-message;encryption=im.earshot%3Atls%3A0;trust=<64 hex digits>
 * and as an invite, which adds where its owner can be reached, a secret that is good for once, or both:
 *   …;e=<endpoint>,<endpoint>;s=<16 bytes, base64url>;x=<seconds since 1970>
 *
 * Threat: links come from anywhere, and one that a person reads otherwise than we do is a lie. So for each content there is
 * exactly one link: what trust_uri_write() would not have written, byte for byte, is refused. That leaves no room for a second key, a
 * parameter twice or unknown, other spellings of a character, capitals, a resource, a fragment, or anything behind the end. Pure.
 */
#pragma once

#include "daemon/base/fingerprint.h"

#define TRUST_URI_ENDPOINTS_MAX 8
#define TRUST_URI_SECRET_BYTES 16
#define TRUST_URI_EXPIRES_MAX G_GINT64_CONSTANT (253402300799) /* the year 9999 ends */
#define TRUST_URI_MAX 960 /* bytes: the longest address, each byte escaped, 8 endpoints likewise, and the rest */

typedef struct {
  char *addr;      /* user@machine, a name like any other: nothing proves it */
  Fingerprint fp;
  char **endpoints; /* each as endpoint_normalise() writes it, none twice; NULL = none */
  gboolean one_time; /* what follows is there */
  guint8 secret[TRUST_URI_SECRET_BYTES];
  gint64 expires;  /* seconds since 1970, by the clock of who made it */
} TrustUri;

/* INVALID_ARGUMENT says what is wrong; `out` is untouched then. `text` needs no terminator. */
gboolean trust_uri_parse (const char *text, gsize length, TrustUri *out, GError **error);
/* Wipes the secret. */
void trust_uri_clear (TrustUri *uri);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TrustUri, trust_uri_clear)

/* NULL when `addr` is no address (jid_split_instance()), or an endpoint or the expiry is not as above. Caller frees. */
char *trust_uri_write (const TrustUri *uri);
/* The key alone. */
char *trust_uri_format (const char *addr, const Fingerprint *fp);
