/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The rules for certificates (docs/protocol.md 3.2): which keys and signatures are good enough, which names may stand in
 * them, who a key is. No trust is decided here. Any thread.
 *
 * Threat: every certificate but our own is a stranger's.
 */
#pragma once

#include <glib.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>

#include "daemon/base/fingerprint.h"

#define CERTIFICATE_OID_XMPP_ADDR "1.3.6.1.5.5.7.8.5" /* id-on-xmppAddr, RFC 6120 section 13.7.1.4 */
#define CERTIFICATE_XMPP_ADDR_MAX 2047                /* localpart @ domainpart, 1023 octets each (RFC 7622) */
#define CERTIFICATE_CHAIN_MAX 8                       /* certificates in a chain, ours and theirs */

/* A peer's certificate, judged by 3.2: P-256, P-384, Ed25519, RSA >= 3072; no SHA-1; xmppAddr
 * without NUL and valid UTF-8. FALSE with NOT_TRUSTED and the reason. Dates are not judged: `expired` tells.
 * `fp` receives the SPKI SHA-256. */
gboolean certificate_inspect (const gnutls_datum_t *der, Fingerprint *fp, gboolean *expired, GError **error);
/* The same demands on a key alone. */
gboolean certificate_check_public_key (gnutls_pubkey_t key, GError **error);
/* The same demands on the key and the signature alone: of an issuer. */
gboolean certificate_check_strength (gnutls_x509_crt_t crt, GError **error);
/* SPKI SHA-256 of a certificate that was read. */
gboolean certificate_get_fingerprint (gnutls_x509_crt_t crt, Fingerprint *fp);
/* Outside its dates, either side. */
gboolean certificate_is_expired (gnutls_x509_crt_t crt);
/* Its xmppAddr names, each checked: char *, free with g_ptr_array_unref(). NULL with NOT_TRUSTED. */
GPtrArray *certificate_read_xmpp_addrs (gnutls_x509_crt_t crt, GError **error);
/* May this stand as xmppAddr? An address without resource; the localpart may be missing. */
gboolean certificate_may_name (const char *addr);
