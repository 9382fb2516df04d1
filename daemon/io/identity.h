/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Our key and certificate (docs/protocol.md 3.2), created once and privately, renewed with the same
 * key; and the rules for other people's certificates. Hides GnuTLS's key half. Key memory is wiped on free.
 */
#pragma once

#include <glib.h>
#include <gnutls/gnutls.h>

#include "daemon/base/fingerprint.h"

typedef struct _Identity Identity;

/* Loads DIR/identity.key and DIR/identity.crt, creating both at first start with `addr` as CN and only
 * xmppAddr. Renews an expired certificate with the same key. A key file without a certificate gets a
 * new certificate; a damaged key is an error and is never replaced. Blocks: start-up only. */
Identity *identity_load_or_create (const char *dir, const char *addr, GError **error);
void identity_free (Identity *identity);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Identity, identity_free)

const Fingerprint *identity_get_fingerprint (const Identity *identity);
/* The certificate's only xmppAddr; NULL when it has none or several (a CA-issued one may). */
const char *identity_get_xmpp_addr (const Identity *identity);
/* Unpredictable bytes. Ends the program when there are none: nothing it does is safe then. */
void identity_random (guint8 *out, gsize len);
/* For tls.c: credentials that live as long as the identity. */
gnutls_certificate_credentials_t identity_get_credentials (const Identity *identity);

/* A peer's certificate, judged by 3.2: P-256, P-384, Ed25519, RSA >= 3072; no SHA-1; xmppAddr
 * without NUL and valid UTF-8. FALSE with NOT_TRUSTED and the reason. Dates are not judged: `expired` tells.
 * `fp` receives the SPKI SHA-256. */
gboolean identity_inspect_peer (const gnutls_datum_t *der, Fingerprint *fp, gboolean *expired, GError **error);
