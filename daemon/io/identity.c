/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/identity-private.h"

#include <string.h>

#include <gnutls/crypto.h>

#include "daemon/base/error.h"
#include "daemon/base/fsutil.h"
#include "daemon/base/log.h"

#define COMMON_NAME_CHARS 64 /* ub-common-name, RFC 5280 appendix A */
#define DAY (24 * 60 * 60)
#define VALID_FOR (10LL * 365 * DAY)
#define ADDRS_MAX 16
#define RETIRED_MAX 64

G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_x509_crq_t, gnutls_x509_crq_deinit, NULL)

void
identity_chain_clear (IdentityChain *chain)
{
  for (guint i = 0; i < chain->n; i++)
    gnutls_x509_crt_deinit (chain->crts[i]);
  chain->n = 0;
}

gboolean
identity_fail (GError **error, int code, const char *what)
{
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s: %s", what, gnutls_strerror (code));
  return FALSE;
}

/* --- ours --------------------------------------------------------------------------- */

/* Frees bytes that held a private key, after wiping them. */
static void
wipe_bytes (GBytes *bytes)
{
  gsize len;
  char *data = g_bytes_unref_to_data (bytes, &len);

  explicit_bzero (data, len);
  g_free (data);
}

gboolean
identity_load_key (const char *path, gnutls_x509_privkey_t key, GError **error)
{
  GBytes *bytes = NULL;
  gnutls_datum_t datum;
  gsize len;
  int ret;

  if (!fs_read_private (path, IDENTITY_FILE_MAX, &bytes, error))
    return FALSE;
  datum.data = (guchar *) g_bytes_get_data (bytes, &len);
  datum.size = len;
  ret = gnutls_x509_privkey_import2 (key, &datum, GNUTLS_X509_FMT_PEM, NULL, 0);
  if (ret >= 0)
    ret = gnutls_x509_privkey_verify_params (key);
  wipe_bytes (bytes);
  if (ret < 0)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED,
                   "%s is damaged (%s). It is who you are to others and is never replaced: restore it from a backup, or "
                   "move it and the certificate away to become somebody new",
                   path, gnutls_strerror (ret));
      return FALSE;
    }
  return TRUE;
}

gboolean
identity_write_key (const char *path, gnutls_x509_privkey_t key, GError **error)
{
  gnutls_datum_t pem = { NULL, 0 };
  gboolean ok;
  int ret = gnutls_x509_privkey_export2_pkcs8 (key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem);

  if (ret < 0)
    return identity_fail (error, ret, "cannot write the key");
  ok = fs_write_private (path, pem.data, pem.size, error);
  explicit_bzero (pem.data, pem.size);
  gnutls_free (pem.data);
  return ok;
}

gboolean
identity_create_key (const char *path, gnutls_x509_privkey_t key, GError **error)
{
  int ret = gnutls_x509_privkey_generate (key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP256R1), 0);

  return ret < 0 ? identity_fail (error, ret, "cannot make a key") : identity_write_key (path, key, error);
}

gboolean
identity_get_key_fingerprint (gnutls_x509_privkey_t key, Fingerprint *fp)
{
  size_t len = sizeof fp->bytes;

  return gnutls_x509_privkey_get_key_id (key, GNUTLS_KEYID_USE_SHA256, fp->bytes, &len) >= 0 && len == sizeof fp->bytes;
}

void
identity_random (guint8 *out, gsize len)
{
  int ret = gnutls_rnd (GNUTLS_RND_KEY, out, len);

  if (ret < 0)
    g_error ("GnuTLS: %s", gnutls_strerror (ret));
}

gnutls_privkey_t
identity_open_file_key (gnutls_x509_privkey_t file_key, GError **error)
{
  g_auto (gnutls_privkey_t) key = NULL;
  int ret = gnutls_privkey_init (&key);

  if (ret >= 0)
    ret = gnutls_privkey_import_x509 (key, file_key, GNUTLS_PRIVKEY_IMPORT_COPY);
  if (ret < 0)
    {
      identity_fail (error, ret, "cannot use the key");
      return NULL;
    }
  return g_steal_pointer (&key);
}

/* A handle on the key, wherever it is, that whoever gets it may keep. */
static gnutls_privkey_t
open_key (Identity *identity, GError **error)
{
  return identity->token != NULL ? token_open_key (identity->token, error) : identity_open_file_key (identity->file_key, error);
}

static gboolean
get_public (gnutls_privkey_t key, gnutls_pubkey_t *pubkey, GError **error)
{
  int ret = gnutls_pubkey_init (pubkey);

  if (ret >= 0)
    ret = gnutls_pubkey_import_privkey (*pubkey, key, GNUTLS_KEY_DIGITAL_SIGNATURE, 0);
  return ret >= 0 || identity_fail (error, ret, "cannot read the public half of the key");
}

/* SHA-256 where the kind of the key leaves a choice (Ed25519 does not). */
static gnutls_digest_algorithm_t
digest_for (gnutls_pubkey_t pubkey)
{
  gnutls_digest_algorithm_t hash = GNUTLS_DIG_SHA256;
  guint mandatory = 0;

  if (gnutls_pubkey_get_preferred_hash_algorithm (pubkey, &hash, &mandatory) < 0 || !mandatory)
    return GNUTLS_DIG_SHA256;
  return hash;
}

static int
set_common_name (gnutls_x509_crt_t crt, gnutls_x509_crq_t crq, const char *addr)
{
  g_autofree char *cn = g_utf8_substring (addr, 0, MIN (g_utf8_strlen (addr, -1), COMMON_NAME_CHARS));

  return crt != NULL ? gnutls_x509_crt_set_dn_by_oid (crt, GNUTLS_OID_X520_COMMON_NAME, 0, cn, strlen (cn))
                     : gnutls_x509_crq_set_dn_by_oid (crq, GNUTLS_OID_X520_COMMON_NAME, 0, cn, strlen (cn));
}

/* Everything the certificate says, from docs/protocol.md 3.2 line by line. */
static int
fill_certificate (gnutls_x509_crt_t crt, gnutls_privkey_t key, gnutls_pubkey_t pubkey, const char *addr)
{
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;
  guint8 serial[16]; /* "Random serial >= 64 bits" */
  int ret;

  if ((ret = gnutls_rnd (GNUTLS_RND_NONCE, serial, sizeof serial)) < 0)
    return ret;
  serial[0] = (serial[0] & 0x7f) | 0x40; /* positive and of full length */
  if ((ret = gnutls_x509_crt_set_version (crt, 3)) < 0
      || (ret = gnutls_x509_crt_set_serial (crt, serial, sizeof serial)) < 0
      || (ret = set_common_name (crt, NULL, addr)) < 0
      /* A clock that starts at 1970 must not go below it; the certificate is renewed once the clock is right. */
      || (ret = gnutls_x509_crt_set_activation_time (crt, MAX (now - DAY, 0))) < 0
      || (ret = gnutls_x509_crt_set_expiration_time (crt, now + VALID_FOR)) < 0
      || (ret = gnutls_x509_crt_set_pubkey (crt, pubkey)) < 0
      || (ret = gnutls_x509_crt_set_subject_alt_othername (crt, CERTIFICATE_OID_XMPP_ADDR, addr, strlen (addr),
                                                           GNUTLS_FSAN_SET | GNUTLS_FSAN_ENCODE_UTF8_STRING)) < 0
      || (ret = gnutls_x509_crt_set_basic_constraints (crt, 0, -1)) < 0
      || (ret = gnutls_x509_crt_set_key_usage (crt, GNUTLS_KEY_DIGITAL_SIGNATURE)) < 0
      || (ret = gnutls_x509_crt_set_key_purpose_oid (crt, GNUTLS_KP_TLS_WWW_SERVER, 0)) < 0
      || (ret = gnutls_x509_crt_set_key_purpose_oid (crt, GNUTLS_KP_TLS_WWW_CLIENT, 0)) < 0)
    return ret;
  return gnutls_x509_crt_privkey_sign (crt, crt, key, digest_for (pubkey), 0);
}

/* What was imported, and not the text it came in, goes to the disk. */
static gboolean
write_chain (const char *path, const IdentityChain *chain, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < chain->n; i++)
    {
      gnutls_datum_t pem = { NULL, 0 };
      int ret = gnutls_x509_crt_export2 (chain->crts[i], GNUTLS_X509_FMT_PEM, &pem);

      if (ret < 0)
        return identity_fail (error, ret, "cannot write the certificate");
      g_string_append_len (text, (const char *) pem.data, pem.size);
      gnutls_free (pem.data);
    }
  return fs_write_private (path, text->str, text->len, error);
}

static gboolean
make_certificate (gnutls_privkey_t key, const char *addr, IdentityChain *chain, GError **error)
{
  g_auto (gnutls_pubkey_t) pubkey = NULL;
  g_auto (gnutls_x509_crt_t) crt = NULL;
  int ret;

  if (key == NULL || !get_public (key, &pubkey, error))
    return FALSE;
  ret = gnutls_x509_crt_init (&crt);
  if (ret >= 0)
    ret = fill_certificate (crt, key, pubkey, addr);
  if (ret < 0)
    return identity_fail (error, ret, "cannot make a certificate");
  identity_chain_clear (chain);
  chain->crts[chain->n++] = g_steal_pointer (&crt);
  return TRUE;
}

static gboolean
create_certificate (Identity *identity, const char *addr, IdentityChain *chain, GError **error)
{
  g_auto (gnutls_privkey_t) key = open_key (identity, error);

  return make_certificate (key, addr, chain, error) && write_chain (identity->crt_path, chain, error);
}

/* Does the certificate carry our key's public half? */
static gboolean
is_ours (Identity *identity, gnutls_x509_crt_t crt, GError **error)
{
  g_auto (gnutls_privkey_t) key = open_key (identity, error);
  g_auto (gnutls_pubkey_t) pubkey = NULL;
  Fingerprint theirs, ours;
  size_t len = sizeof ours.bytes;

  return key != NULL && get_public (key, &pubkey, error) && certificate_get_fingerprint (crt, &theirs)
         && gnutls_pubkey_get_key_id (pubkey, GNUTLS_KEYID_USE_SHA256, ours.bytes, &len) >= 0 && len == sizeof ours.bytes
         && fingerprint_equal (&theirs, &ours);
}

static gboolean
parse_chain (const void *pem, gsize len, IdentityChain *chain)
{
  gnutls_datum_t datum = { (guchar *) pem, len };

  chain->n = CERTIFICATE_CHAIN_MAX;
  if (gnutls_x509_crt_list_import (chain->crts, &chain->n, &datum, GNUTLS_X509_FMT_PEM,
                                   GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED) < 0)
    chain->n = 0;
  return chain->n > 0;
}

/* Loads the chain file. TRUE with an empty chain when there is none to use: absent, or unusable and then set aside. */
static gboolean
load_certificate (Identity *identity, IdentityChain *chain, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) local = NULL;
  g_autofree char *moved_to = NULL;

  if (!fs_read_private (identity->crt_path, IDENTITY_FILE_MAX, &bytes, &local))
    {
      if (g_error_matches (local, EARSHOT_ERROR, EARSHOT_ERROR_NOT_FOUND))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  if (parse_chain (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), chain)
      && is_ours (identity, chain->crts[0], &local))
    return TRUE;
  /* The token is away, which says nothing about the certificate. */
  if (local != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  identity_chain_clear (chain);
  /* It may be somebody's expensive certificate in the wrong place, so it is not overwritten. */
  if (!fs_set_aside (identity->crt_path, &moved_to, error))
    return FALSE;
  log_warn ("identity", "the certificate could not be used with the key: kept as %s, a new one is made", moved_to);
  return TRUE;
}

gboolean
identity_load_chain (Identity *identity, IdentityChain *chain, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;

  return fs_read_private (identity->crt_path, IDENTITY_FILE_MAX, &bytes, error)
         && (parse_chain (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), chain)
             || identity_fail (error, GNUTLS_E_CERTIFICATE_ERROR, "cannot read our certificate"));
}

static char *
describe_issuer (gnutls_x509_crt_t crt)
{
  gnutls_datum_t dn = { NULL, 0 };
  char *text;

  if (gnutls_x509_crt_check_issuer (crt, crt))
    return NULL;
  if (gnutls_x509_crt_get_issuer_dn3 (crt, &dn, 0) < 0)
    return g_strdup ("");
  text = log_safe ((const char *) dn.data);
  gnutls_free (dn.data);
  return text;
}

/* The rules that others will apply to it; `what` names it in errors. */
static gboolean
check_own (gnutls_x509_crt_t crt, const char *what, Fingerprint *fp, GError **error)
{
  g_autoptr (GError) local = NULL;
  gnutls_datum_t der = { NULL, 0 };
  gboolean expired = FALSE, ok;
  int ret = gnutls_x509_crt_export2 (crt, GNUTLS_X509_FMT_DER, &der);

  if (ret < 0)
    return identity_fail (error, ret, "cannot read the certificate");
  ok = certificate_inspect (&der, fp, &expired, &local);
  gnutls_free (der.data);
  if (!ok)
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s would be refused by others: %s", what, local->message);
  else if (expired)
    log_warn ("identity", "the certificate is outside its dates; peers that trust it by its issuer will refuse it");
  return ok;
}

/* What the certificate says of us. */
static gboolean
adopt_certificate (Identity *identity, gnutls_x509_crt_t crt, GError **error)
{
  GPtrArray *addrs = certificate_read_xmpp_addrs (crt, error);

  if (addrs == NULL)
    return FALSE;
  g_ptr_array_add (addrs, NULL);
  g_strfreev (identity->xmpp_addrs);
  identity->xmpp_addrs = (char **) g_ptr_array_free (addrs, FALSE);
  g_free (identity->issuer);
  identity->issuer = describe_issuer (crt);
  identity->expiry = gnutls_x509_crt_get_expiration_time (crt);
  return TRUE;
}

/* Credentials of key and chain; GnuTLS owns both then. */
static gnutls_certificate_credentials_t
make_credentials (gnutls_privkey_t key_take, const IdentityChain *chain, GError **error)
{
  g_auto (gnutls_certificate_credentials_t) credentials = NULL;
  g_auto (gnutls_privkey_t) key = key_take;
  g_autofree gnutls_pcert_st *certs = g_new0 (gnutls_pcert_st, chain->n);
  guint n = 0;
  int ret = 0;

  if (key == NULL)
    return NULL;
  while (n < chain->n && (ret = gnutls_pcert_import_x509 (&certs[n], chain->crts[n], 0)) >= 0)
    n++;
  if (ret >= 0)
    ret = gnutls_certificate_allocate_credentials (&credentials);
  if (ret >= 0)
    ret = gnutls_certificate_set_key (credentials, NULL, 0, certs, (int) n, key);
  if (ret < 0)
    {
      for (guint i = 0; i < n; i++)
        gnutls_pcert_deinit (&certs[i]);
      identity_fail (error, ret, "cannot use the key");
      return NULL;
    }
  key = NULL; /* theirs, with what certs[] points to: GnuTLS copied the array */
  return g_steal_pointer (&credentials);
}

static gboolean
load_or_create_key (const char *path, const char *crt_path, gnutls_x509_privkey_t key, GError **error)
{
  g_autoptr (GError) local = NULL;

  if (identity_load_key (path, key, &local))
    return TRUE;
  if (!g_error_matches (local, EARSHOT_ERROR, EARSHOT_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  /* The key is written first and synced, so a certificate alone means that the key was lost. Making another would
   * silently turn this user into a stranger to all friends. */
  if (g_file_test (crt_path, G_FILE_TEST_EXISTS))
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED,
                   "%s is missing but its certificate %s is there: restore the key, or move the certificate away "
                   "to become somebody new",
                   path, crt_path);
      return FALSE;
    }
  log_notice ("identity", "making a new key");
  return identity_create_key (path, key, error);
}

/* With the key at hand: the certificate, made or renewed where that is ours to do. */
static gboolean
finish (Identity *identity, const char *addr, GError **error)
{
  g_auto (IdentityChain) chain = { .n = 0 };

  if (!load_certificate (identity, &chain, error))
    return FALSE;
  /* Ours to renew only when we signed it; one from an issuer is left to its issuer. */
  if (chain.n == 0
      || (certificate_is_expired (chain.crts[0]) && gnutls_x509_crt_check_issuer (chain.crts[0], chain.crts[0])))
    if (!create_certificate (identity, addr, &chain, error))
      return FALSE;
  if (!check_own (chain.crts[0], identity->crt_path, &identity->fp, error)
      || !adopt_certificate (identity, chain.crts[0], error))
    return FALSE;
  identity->credentials = make_credentials (open_key (identity, error), &chain, error);
  return identity->credentials != NULL;
}

static Identity *
identity_new (const char *dir, const char *addr, GError **error)
{
  Identity *identity;

  if (addr == NULL || !g_utf8_validate (addr, -1, NULL) || strlen (addr) > CERTIFICATE_XMPP_ADDR_MAX
      || !certificate_may_name (addr))
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "no address to put into the certificate");
      return NULL;
    }
  if (!fs_ensure_private_dir (dir, error))
    return NULL;
  identity = g_new0 (Identity, 1);
  identity->crt_path = g_build_filename (dir, "identity.crt", NULL);
  identity->key_path = g_build_filename (dir, "identity.key", NULL);
  identity->next_path = g_build_filename (dir, "identity-next.key", NULL);
  identity->statement_path = g_build_filename (dir, "identity.succession", NULL);
  identity->retired = g_ptr_array_new_with_free_func ((GDestroyNotify) gnutls_certificate_free_credentials);
  return identity;
}

Identity *
identity_load_or_create (const char *dir, const char *addr, GError **error)
{
  g_autoptr (Identity) identity = identity_new (dir, addr, error);
  int ret;

  if (identity == NULL)
    return NULL;
  if ((ret = gnutls_x509_privkey_init (&identity->file_key)) < 0)
    {
      identity_fail (error, ret, "cannot start the cryptography");
      return NULL;
    }
  if (!load_or_create_key (identity->key_path, identity->crt_path, identity->file_key, error)
      || !identity_settle_rotation (identity, error) || !finish (identity, addr, error))
    return NULL;
  return g_steal_pointer (&identity);
}

Identity *
identity_load_token (const char *dir, const char *addr, const char *url, const char *pin_file, GError **error)
{
  g_autoptr (Identity) identity = identity_new (dir, addr, error);
  g_autofree char *guard = g_build_filename (dir, "pin-refused", NULL);

  if (identity == NULL)
    return NULL;
  identity->token = token_new (url, pin_file, guard);
  if (!finish (identity, addr, error))
    return NULL;
  return g_steal_pointer (&identity);
}

void
identity_free (Identity *identity)
{
  if (identity == NULL)
    return;
  /* GnuTLS wipes the key's numbers when the last holder lets go. */
  if (identity->credentials != NULL)
    gnutls_certificate_free_credentials (identity->credentials);
  g_ptr_array_unref (identity->retired);
  if (identity->file_key != NULL)
    gnutls_x509_privkey_deinit (identity->file_key);
  token_free (identity->token);
  g_strfreev (identity->xmpp_addrs);
  g_free (identity->issuer);
  g_free (identity->trouble);
  if (identity->next_key != NULL)
    gnutls_x509_privkey_deinit (identity->next_key);
  if (identity->statement != NULL)
    succession_clear (identity->statement);
  g_free (identity->statement);
  g_free (identity->crt_path);
  g_free (identity->key_path);
  g_free (identity->next_path);
  g_free (identity->statement_path);
  g_free (identity);
}

const Fingerprint *
identity_get_fingerprint (const Identity *identity)
{
  return &identity->fp;
}

const char *
identity_get_xmpp_addr (const Identity *identity)
{
  char **addrs = identity->xmpp_addrs;

  return addrs[0] != NULL && addrs[1] == NULL ? addrs[0] : NULL;
}

const char *const *
identity_get_xmpp_addrs (const Identity *identity)
{
  return (const char *const *) identity->xmpp_addrs;
}

const char *
identity_get_issuer (const Identity *identity)
{
  return identity->issuer;
}

gint64
identity_get_expiry (const Identity *identity)
{
  return identity->expiry;
}

gnutls_certificate_credentials_t
identity_get_credentials (const Identity *identity)
{
  return identity->credentials;
}

/* --- an issuer's certificate for it ------------------------------------------------------- */

static gboolean
check_addrs (const char *const *addrs, GError **error)
{
  guint n = 0;

  for (; addrs[n] != NULL; n++)
    if (n == ADDRS_MAX || !g_utf8_validate (addrs[n], -1, NULL) || strlen (addrs[n]) > CERTIFICATE_XMPP_ADDR_MAX
        || !certificate_may_name (addrs[n]))
      {
        g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "%s",
                     n == ADDRS_MAX ? "these are too many addresses" : "one of these is no address (user@machine)");
        return FALSE;
      }
  if (n == 0)
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "no address to ask for");
  return n > 0;
}

static int
fill_request (gnutls_x509_crq_t crq, gnutls_privkey_t key, gnutls_pubkey_t pubkey, const char *const *addrs)
{
  int ret;

  if ((ret = gnutls_x509_crq_set_version (crq, 1)) < 0 || (ret = set_common_name (NULL, crq, addrs[0])) < 0
      || (ret = gnutls_x509_crq_set_pubkey (crq, pubkey)) < 0)
    return ret;
  for (guint i = 0; addrs[i] != NULL; i++)
    if ((ret = gnutls_x509_crq_set_subject_alt_othername (crq, CERTIFICATE_OID_XMPP_ADDR, addrs[i], strlen (addrs[i]),
                                                          GNUTLS_FSAN_APPEND | GNUTLS_FSAN_ENCODE_UTF8_STRING)) < 0)
      return ret;
  if ((ret = gnutls_x509_crq_set_basic_constraints (crq, 0, -1)) < 0
      || (ret = gnutls_x509_crq_set_key_usage (crq, GNUTLS_KEY_DIGITAL_SIGNATURE)) < 0
      || (ret = gnutls_x509_crq_set_key_purpose_oid (crq, GNUTLS_KP_TLS_WWW_SERVER, 0)) < 0
      || (ret = gnutls_x509_crq_set_key_purpose_oid (crq, GNUTLS_KP_TLS_WWW_CLIENT, 0)) < 0)
    return ret;
  return gnutls_x509_crq_privkey_sign (crq, key, digest_for (pubkey), 0);
}

char *
identity_create_request (Identity *identity, const char *const *addrs, GError **error)
{
  g_auto (gnutls_x509_crq_t) crq = NULL;
  g_auto (gnutls_privkey_t) key = NULL;
  g_auto (gnutls_pubkey_t) pubkey = NULL;
  gnutls_datum_t pem = { NULL, 0 };
  char *text;
  int ret;

  if (!check_addrs (addrs, error) || (key = open_key (identity, error)) == NULL || !get_public (key, &pubkey, error))
    return NULL;
  ret = gnutls_x509_crq_init (&crq);
  if (ret >= 0)
    ret = fill_request (crq, key, pubkey, addrs);
  if (ret >= 0)
    ret = gnutls_x509_crq_export2 (crq, GNUTLS_X509_FMT_PEM, &pem);
  if (ret < 0)
    {
      identity_fail (error, ret, "cannot make a certificate request");
      return NULL;
    }
  text = g_strndup ((const char *) pem.data, pem.size);
  gnutls_free (pem.data);
  return text;
}

static void
report_change (Identity *identity)
{
  if (identity->changed != NULL)
    identity->changed (identity->user);
}

gboolean
identity_set_certificate (Identity *identity, const char *pem, GError **error)
{
  g_auto (IdentityChain) chain = { .n = 0 };
  g_auto (gnutls_certificate_credentials_t) credentials = NULL;
  g_autoptr (GError) local = NULL;
  const char *why = NULL;
  Fingerprint fp;
  guint ca = 0;

  if (identity->retired->len >= RETIRED_MAX)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_QUOTA_EXCEEDED, "%d certificates were installed since the start",
                   RETIRED_MAX);
      return FALSE;
    }
  if (strlen (pem) > IDENTITY_FILE_MAX || !parse_chain (pem, strlen (pem), &chain))
    why = "this is no certificate in PEM, or more than eight";
  else if (!is_ours (identity, chain.crts[0], &local))
    why = "the first certificate is for another key than ours";
  else if (certificate_is_expired (chain.crts[0]))
    why = "the certificate is outside its dates";
  else if (gnutls_x509_crt_get_basic_constraints (chain.crts[0], NULL, &ca, NULL) >= 0 && ca)
    why = "the certificate is an issuer's (CA:TRUE)";
  if (local != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  if (why != NULL)
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, why);
      return FALSE;
    }
  if (!check_own (chain.crts[0], "this certificate", &fp, &local))
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, local->message);
      return FALSE;
    }
  credentials = make_credentials (open_key (identity, error), &chain, error);
  /* Disk first, memory second. */
  if (credentials == NULL || !write_chain (identity->crt_path, &chain, error)
      || !adopt_certificate (identity, chain.crts[0], error))
    return FALSE;
  g_ptr_array_add (identity->retired, identity->credentials);
  identity->credentials = g_steal_pointer (&credentials);
  log_notice ("identity", "a certificate was installed%s%s", identity->issuer != NULL ? ", issued by " : "",
              identity->issuer != NULL ? identity->issuer : "");
  report_change (identity);
  return TRUE;
}

gboolean
identity_become (Identity *identity, gnutls_x509_privkey_t *key_take, IdentityChain *chain, const char *addr, GError **error)
{
  g_auto (gnutls_certificate_credentials_t) credentials = NULL;
  g_auto (gnutls_privkey_t) key = identity_open_file_key (*key_take, error);
  g_autoptr (GError) local = NULL;
  Fingerprint fp;

  if (key == NULL || (chain->n == 0 && !make_certificate (key, addr, chain, error))
      || !check_own (chain->crts[0], "the new certificate", &fp, error))
    return FALSE;
  credentials = make_credentials (g_steal_pointer (&key), chain, error);
  if (credentials == NULL || !adopt_certificate (identity, chain->crts[0], error))
    return FALSE;
  /* The key is who we are, the certificate can be made again: at the next start it is, if it did not get to the disk. */
  if (!write_chain (identity->crt_path, chain, &local))
    log_warn ("identity", "the certificate of the new key is not on disk yet: %s", local->message);
  g_ptr_array_add (identity->retired, identity->credentials);
  identity->credentials = g_steal_pointer (&credentials);
  gnutls_x509_privkey_deinit (identity->file_key);
  identity->file_key = g_steal_pointer (key_take);
  identity->fp = fp;
  report_change (identity);
  return TRUE;
}

void
identity_note_signing (Identity *identity, int code)
{
  /* GnuTLS has a range of codes for tokens, and nothing of a peer's brings one about. */
  gboolean trouble = code <= GNUTLS_E_PKCS11_ERROR && code >= GNUTLS_E_PKCS11_REQUESTED_OBJECT_NOT_AVAILBLE;

  if (identity->token == NULL || trouble == (identity->trouble != NULL) || (code != 0 && !trouble))
    return;
  g_clear_pointer (&identity->trouble, g_free);
  if (trouble)
    {
      identity->trouble = g_strdup_printf ("The token with your key does not sign (%s): no stream can be opened. Put it in, and if "
                                           "that does not help start earshotd again", gnutls_strerror (code));
      log_warn ("identity", "%s", identity->trouble);
    }
  report_change (identity);
}

const char *
identity_get_trouble (const Identity *identity)
{
  return identity->trouble;
}

void
identity_watch (Identity *identity, void (*changed) (gpointer user), gpointer user)
{
  identity->changed = changed;
  identity->user = user;
}
