/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A private key on a PKCS #11 token (smartcard, TPM, HSM): found by its URL, unlocked with a PIN from a file. Hides GnuTLS's
 * PKCS #11 half. Main thread only.
 *
 * Threat: a token destroys itself after a few wrong PINs, and a daemon that is started again and again would see to that. So
 * a PIN that was refused is written down and never tried again before its file changes; a token's last try is left to people.
 */
#pragma once

#include <glib.h>
#include <gnutls/abstract.h>

typedef struct _Token Token;

/* `pin_file` NULL: none is needed. `guard` is a file of ours beside the identity. */
Token *token_new (const char *url, const char *pin_file, const char *guard);
/* After the keys it opened. */
void token_free (Token *token);
/* A handle on the key, which stays where it is; gnutls_privkey_deinit(). Errors as identity_load_token(). Blocks. */
gnutls_privkey_t token_open_key (Token *token, GError **error);
