/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What identity.c (key and certificate) and identity-rotate.c (another key in its place) share. Nobody else includes it.
 */
#pragma once

#include <gnutls/abstract.h>
#include <gnutls/x509.h>

#include "daemon/io/certificate.h"
#include "daemon/io/identity.h"
#include "daemon/io/token.h"

#define IDENTITY_FILE_MAX (64 * 1024)

struct _Identity {
  char *crt_path, *key_path, *next_path, *statement_path;
  gnutls_x509_privkey_t file_key; /* NULL: the token has it */
  Token *token;
  gnutls_certificate_credentials_t credentials;
  GPtrArray *retired; /* credentials that open sessions may still use */
  Fingerprint fp;
  char **xmpp_addrs;
  char *issuer;       /* NULL: we signed it ourselves */
  gint64 expiry;
  char *trouble;      /* with the token */
  Succession *statement; /* NULL: none; that of a key to come while `next_key` is there, else that of the key we have */
  gnutls_x509_privkey_t next_key;
  gboolean portable_busy; /* it is being exported or imported, in a thread */
  void (*changed) (gpointer user);
  gpointer user;
};

G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_x509_crt_t, gnutls_x509_crt_deinit, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_x509_privkey_t, gnutls_x509_privkey_deinit, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_privkey_t, gnutls_privkey_deinit, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_pubkey_t, gnutls_pubkey_deinit, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_certificate_credentials_t, gnutls_certificate_free_credentials, NULL)

typedef struct {
  gnutls_x509_crt_t crts[CERTIFICATE_CHAIN_MAX]; /* ours first */
  guint n;
} IdentityChain;

void identity_chain_clear (IdentityChain *chain);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (IdentityChain, identity_chain_clear)

/* FALSE with FAILED and GnuTLS's words. */
gboolean identity_fail (GError **error, int code, const char *what);
gboolean identity_load_key (const char *path, gnutls_x509_privkey_t key, GError **error);
/* A fresh key, on disk too. */
gboolean identity_create_key (const char *path, gnutls_x509_privkey_t key, GError **error);
gboolean identity_write_key (const char *path, gnutls_x509_privkey_t key, GError **error);
gboolean identity_get_key_fingerprint (gnutls_x509_privkey_t key, Fingerprint *fp);
/* A handle on a copy of it. */
gnutls_privkey_t identity_open_file_key (gnutls_x509_privkey_t key, GError **error);
/* As it is on disk. */
gboolean identity_load_chain (Identity *identity, IdentityChain *chain, GError **error);
/* The key, which is taken, and its certificate become ours in memory and the certificate on disk, where the key is already. `chain` empty:
 * a new certificate for `addr`. */
gboolean identity_become (Identity *identity, gnutls_x509_privkey_t *key_take, IdentityChain *chain, const char *addr, GError **error);

/* identity-rotate.c: at start, before there is a certificate. Ends a rotation that was interrupted, or undoes it. */
gboolean identity_settle_rotation (Identity *identity, GError **error);
