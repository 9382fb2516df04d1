/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Our key and certificate (docs/protocol.md 3.2), created once and privately, renewed with the same
 * key. The key is in a file or on a token that it never leaves; a certificate may come from an issuer.
 * Key memory is wiped on free. Main thread only.
 */
#pragma once

#include <glib.h>
#include <gnutls/gnutls.h>

#include "daemon/base/error.h"
#include "daemon/base/fingerprint.h"
#include "daemon/proto/succession.h"

typedef struct _Identity Identity;

/* Loads DIR/identity.key and DIR/identity.crt, creating both at first start with `addr` as CN and only
 * xmppAddr. Renews an expired certificate with the same key. A key file without a certificate gets a
 * new certificate; a damaged key is an error and is never replaced. Blocks: start-up only. */
Identity *identity_load_or_create (const char *dir, const char *addr, GError **error);
/* The same with the key that `url` ("pkcs11:...") names on a token; it is never made here. `pin_file` holds the PIN, NULL =
 * the token asks for none. INVALID_ARGUMENT: what is in the configuration does not fit the token, a wrong PIN among it: a
 * PIN that was refused is not tried again before the file changes. FAILED: no such token is there now. */
Identity *identity_load_token (const char *dir, const char *addr, const char *url, const char *pin_file, GError **error);
void identity_free (Identity *identity);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Identity, identity_free)

const Fingerprint *identity_get_fingerprint (const Identity *identity);
/* The certificate's only xmppAddr; NULL when it has none or several (a CA-issued one may). */
const char *identity_get_xmpp_addr (const Identity *identity);
/* All of them; NULL-terminated, borrowed. */
const char *const *identity_get_xmpp_addrs (const Identity *identity);
/* Somebody else signed it; its name (RFC 4514, cleaned), NULL for our own. */
const char *identity_get_issuer (const Identity *identity);
/* Seconds since the epoch. */
gint64 identity_get_expiry (const Identity *identity);
/* Unpredictable bytes. Ends the program when there are none: nothing it does is safe then. */
void identity_random (guint8 *out, gsize len);
/* For tls.c: credentials that live as long as the identity. */
gnutls_certificate_credentials_t identity_get_credentials (const Identity *identity);

/* A PKCS #10 request for our key and these names, PEM; g_free(). INVALID_ARGUMENT: no name, or one that is no address. */
char *identity_create_request (Identity *identity, const char *const *addrs, GError **error);
/* A certificate for our key from an issuer, PEM, with what leads to its root behind it. Kept in DIR, shown to everybody who
 * connects from now on. INVALID_ARGUMENT: it is not for this key, not good enough for others, or outside its dates. Blocks. */
gboolean identity_set_certificate (Identity *identity, const char *pem, GError **error);

/* --- another key in its place (docs/protocol.md 3.5), identity-rotate.c ---- */

/* Makes a new key and lets ours say that it takes its place; both are on disk when this returns, and ours is the old key still. What is
 * begun is ended by identity_finish_rotation(), at the latest at the next start. UNSUPPORTED: the key is on a token, or of a kind that
 * signs no such statement. ALREADY_RESOLVED: a rotation is under way. Blocks, for a moment. */
gboolean identity_begin_rotation (Identity *identity, GError **error);
/* The new key is ours from now on, on disk first, with a certificate of our own making for `addr`; the old private key is gone. Open
 * sessions keep what they have. On an error the old key stands and the rotation is still under way. */
gboolean identity_finish_rotation (Identity *identity, const char *addr, GError **error);
/* The statement of the rotation under way, or of the last one if it led to the key we have; NULL = none. Borrowed. */
const Succession *identity_get_succession (const Identity *identity);
gboolean identity_is_rotating (const Identity *identity);

/* --- portable copies, identity-portable.c ---- */

#define IDENTITY_PASSPHRASE_MIN 12   /* characters */
#define IDENTITY_PASSPHRASE_MAX 1024 /* bytes */

/* Key and certificate as PKCS #12 under a passphrase. The work is done in a thread; the identity outlives it. UNSUPPORTED: the key is on a
 * token. INVALID_ARGUMENT: the passphrase is too short. QUOTA_EXCEEDED: one at a time. STORE_FULL, TIMEOUT (30 s for a pipe), FAILED. */
void identity_export (Identity *identity, int fd_take, const char *passphrase, DoneFunc done, gpointer user);
/* The key in such a file (at most 64 KiB) becomes ours; the one we had is kept beside it, as identity.key.before-import-…. Without
 * `replace` a key that is not ours is INVALID_ARGUMENT, as is what is no such file. MISMATCH: a wrong passphrase. TOO_LARGE. Others as above. */
void identity_import (Identity *identity, int fd_take, const char *passphrase, gboolean replace, const char *addr, DoneFunc done,
                      gpointer user);

/* From tls.c: a handshake in which our key signed came to a good end (0), or GnuTLS failed with that code. Counts only where it
 * is about the token. */
void identity_note_signing (Identity *identity, int code);
/* What is wrong with the token, for people; NULL = nothing that is known. */
const char *identity_get_trouble (const Identity *identity);
/* Called when the certificate was set, or the trouble changed. */
void identity_watch (Identity *identity, void (*changed) (gpointer user), gpointer user);
