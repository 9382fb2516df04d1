/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/identity.h"

#include <string.h>

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509-ext.h>
#include <gnutls/x509.h>

#include "daemon/base/error.h"
#include "daemon/base/fsutil.h"
#include "daemon/base/log.h"

#define OID_SAN "2.5.29.17"
#define OID_XMPP_ADDR "1.3.6.1.5.5.7.8.5" /* id-on-xmppAddr, RFC 6120 section 13.7.1.4 */
#define COMMON_NAME_CHARS 64              /* ub-common-name, RFC 5280 appendix A */
#define DAY (24 * 60 * 60)
#define VALID_FOR (10LL * 365 * DAY)
#define FILE_MAX (64 * 1024)
#define CHAIN_MAX 8
#define SANS_MAX 64
#define XMPP_ADDR_MAX 2047 /* localpart @ domainpart, 1023 octets each (RFC 7622) */
#define RSA_BITS_MIN 3072
#define RSA_BITS_MAX 8192 /* above it a stranger's key is only work for us */

struct _Identity {
  gnutls_certificate_credentials_t credentials;
  Fingerprint fp;
  char *xmpp_addr; /* NULL when the certificate has none or several */
};

G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_x509_crt_t, gnutls_x509_crt_deinit, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_x509_privkey_t, gnutls_x509_privkey_deinit, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_pubkey_t, gnutls_pubkey_deinit, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_subject_alt_names_t, gnutls_subject_alt_names_deinit, NULL)

typedef struct {
  gnutls_x509_crt_t crts[CHAIN_MAX]; /* ours first */
  guint n;
} Chain;

static void
chain_clear (Chain *chain)
{
  for (guint i = 0; i < chain->n; i++)
    gnutls_x509_crt_deinit (chain->crts[i]);
  chain->n = 0;
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Chain, chain_clear)

static gboolean
fail (GError **error, int code, const char *what)
{
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s: %s", what, gnutls_strerror (code));
  return FALSE;
}

static gboolean G_GNUC_PRINTF (2, 3)
reject (GError **error, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_propagate_error (error, g_error_new_valist (EARSHOT_ERROR, EARSHOT_ERROR_NOT_TRUSTED, format, args));
  va_end (args);
  return FALSE;
}

/* --- the rules of docs/protocol.md 3.2 -------------------------------------------------- */

/* DER UTF8String of a definite length that fills `der`. */
static char *
decode_utf8_string (const gnutls_datum_t *der)
{
  gsize at = 2, len;

  if (der->size < 2 || der->data[0] != 0x0c)
    return NULL;
  len = der->data[1];
  if (len == 0x81 && der->size >= 3)
    {
      len = der->data[2];
      at = 3;
    }
  else if (len == 0x82 && der->size >= 4)
    {
      len = (gsize) der->data[2] << 8 | der->data[3];
      at = 4;
    }
  else if (len >= 0x80)
    return NULL;
  if (at + len != der->size || len > XMPP_ADDR_MAX)
    return NULL;
  /* A NUL is valid UTF-8 to some decoders and the end of the name to others: never here. */
  if (memchr (der->data + at, '\0', len) != NULL || !g_utf8_validate ((const char *) der->data + at, len, NULL))
    return NULL;
  return g_strndup ((const char *) der->data + at, len);
}

/* An address without resource; the localpart may be missing. */
static gboolean
parses_as_bare_addr (const char *addr)
{
  const char *at = strchr (addr, '@');

  if (*addr == '\0' || at == addr || (at != NULL && (at[1] == '\0' || strchr (at + 1, '@') != NULL)))
    return FALSE;
  for (const char *p = addr; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);
      if (c == '/' || g_unichar_isspace (c) || g_unichar_iscntrl (c))
        return FALSE;
    }
  return TRUE;
}

/* The xmppAddr names of a certificate, each checked: "NUL, non-UTF-8 or unparsable: reject". */
static GPtrArray *
read_xmpp_addrs (gnutls_x509_crt_t crt, GError **error)
{
  g_autoptr (GPtrArray) addrs = g_ptr_array_new_with_free_func (g_free);
  g_auto (gnutls_subject_alt_names_t) sans = NULL;
  gnutls_datum_t ext = { NULL, 0 };
  guint critical;
  int ret;

  ret = gnutls_x509_crt_get_extension_by_oid2 (crt, OID_SAN, 0, &ext, &critical);
  if (ret == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
    return g_steal_pointer (&addrs);
  if (ret >= 0)
    ret = gnutls_subject_alt_names_init (&sans);
  if (ret >= 0)
    ret = gnutls_x509_ext_import_subject_alt_names (&ext, sans, 0);
  gnutls_free (ext.data);
  if (ret < 0)
    {
      reject (error, "the certificate's names can not be read");
      return NULL;
    }
  for (guint i = 0;; i++)
    {
      gnutls_datum_t value = { NULL, 0 }, oid = { NULL, 0 };
      g_autofree char *addr = NULL;
      guint type = 0;

      ret = gnutls_subject_alt_names_get (sans, i, &type, &value, &oid);
      if (ret == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
        return g_steal_pointer (&addrs);
      if (ret < 0 || i >= SANS_MAX)
        {
          reject (error, "the certificate's names can not be read");
          return NULL;
        }
      if (type != GNUTLS_SAN_OTHERNAME || oid.data == NULL || strcmp ((const char *) oid.data, OID_XMPP_ADDR) != 0)
        continue;
      addr = decode_utf8_string (&value);
      if (addr == NULL || !parses_as_bare_addr (addr))
        {
          reject (error, "the certificate has an xmppAddr that is no address");
          return NULL;
        }
      g_ptr_array_add (addrs, g_steal_pointer (&addr));
    }
}

/* "P-256 …; also accept Ed25519, P-384, RSA >= 3072". */
static gboolean
check_public_key (gnutls_pubkey_t key, GError **error)
{
  guint bits = 0;
  int algorithm = gnutls_pubkey_get_pk_algorithm (key, &bits);

  if (algorithm == GNUTLS_PK_EDDSA_ED25519)
    return TRUE;
  if (algorithm == GNUTLS_PK_ECDSA)
    {
      gnutls_datum_t x = { NULL, 0 }, y = { NULL, 0 };
      gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
      int ret = gnutls_pubkey_export_ecc_raw2 (key, &curve, &x, &y, 0);

      gnutls_free (x.data);
      gnutls_free (y.data);
      if (ret >= 0 && (curve == GNUTLS_ECC_CURVE_SECP256R1 || curve == GNUTLS_ECC_CURVE_SECP384R1))
        return TRUE;
      return reject (error, "the key is on a curve other than P-256 and P-384");
    }
  if (algorithm == GNUTLS_PK_RSA || algorithm == GNUTLS_PK_RSA_PSS)
    {
      if (bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX)
        return TRUE;
      return reject (error, "the RSA key has %u bits; %d to %d are accepted", bits, RSA_BITS_MIN, RSA_BITS_MAX);
    }
  return reject (error, "the key is of a kind that is not accepted");
}

static gboolean
check_signature_algorithm (gnutls_x509_crt_t crt, GError **error)
{
  gnutls_digest_algorithm_t hash = gnutls_sign_get_hash_algorithm (gnutls_x509_crt_get_signature_algorithm (crt));

  /* A list of what is good, so that SHA-1, MD5 and whatever nobody has heard of fail alike. */
  if (hash == GNUTLS_DIG_SHA256 || hash == GNUTLS_DIG_SHA384 || hash == GNUTLS_DIG_SHA512
      || hash == GNUTLS_DIG_SHA3_256 || hash == GNUTLS_DIG_SHA3_384 || hash == GNUTLS_DIG_SHA3_512)
    return TRUE;
  return reject (error, "the certificate is signed with a hash that is not accepted");
}

/* `fp` is defined over the DER bytes on the wire, GnuTLS gives its own encoding of the same key. They differ only
 * where the certificate's is not DER, and then two programs would see two people: refuse. */
static gboolean
hash_spki (gnutls_pubkey_t key, const gnutls_datum_t *der, Fingerprint *fp, GError **error)
{
  gnutls_datum_t spki = { NULL, 0 };
  gboolean ok = gnutls_pubkey_export2 (key, GNUTLS_X509_FMT_DER, &spki) >= 0
                && memmem (der->data, der->size, spki.data, spki.size) != NULL
                && gnutls_hash_fast (GNUTLS_DIG_SHA256, spki.data, spki.size, fp->bytes) >= 0;

  gnutls_free (spki.data);
  return ok || reject (error, "the key's encoding is not canonical");
}

static gboolean
is_expired (gnutls_x509_crt_t crt)
{
  time_t now = g_get_real_time () / G_USEC_PER_SEC;
  time_t from = gnutls_x509_crt_get_activation_time (crt), until = gnutls_x509_crt_get_expiration_time (crt);

  return from == (time_t) -1 || until == (time_t) -1 || now < from || now > until;
}

gboolean
identity_inspect_peer (const gnutls_datum_t *der, Fingerprint *fp, gboolean *expired, GError **error)
{
  g_auto (gnutls_x509_crt_t) crt = NULL;
  g_auto (gnutls_pubkey_t) key = NULL;
  g_autoptr (GPtrArray) addrs = NULL;

  if (der->data == NULL || der->size == 0 || der->size > FILE_MAX || gnutls_x509_crt_init (&crt) < 0
      || gnutls_pubkey_init (&key) < 0 || gnutls_x509_crt_import (crt, der, GNUTLS_X509_FMT_DER) < 0
      || gnutls_pubkey_import_x509 (key, crt, 0) < 0)
    return reject (error, "the certificate can not be read");
  if (gnutls_x509_crt_get_version (crt) != 3)
    return reject (error, "the certificate is not X.509 version 3");
  if (!check_public_key (key, error) || !check_signature_algorithm (crt, error))
    return FALSE;
  addrs = read_xmpp_addrs (crt, error);
  if (addrs == NULL || !hash_spki (key, der, fp, error))
    return FALSE;
  *expired = is_expired (crt);
  return TRUE;
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

static gboolean
load_key (const char *path, gnutls_x509_privkey_t key, GError **error)
{
  GBytes *bytes = NULL;
  gnutls_datum_t datum;
  gsize len;
  int ret;

  if (!fs_read_private (path, FILE_MAX, &bytes, error))
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

static gboolean
create_key (const char *path, gnutls_x509_privkey_t key, GError **error)
{
  gnutls_datum_t pem = { NULL, 0 };
  gboolean ok;
  int ret;

  ret = gnutls_x509_privkey_generate (key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP256R1), 0);
  if (ret >= 0)
    ret = gnutls_x509_privkey_export2_pkcs8 (key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem);
  if (ret < 0)
    return fail (error, ret, "cannot make a key");
  ok = fs_write_private (path, pem.data, pem.size, error);
  explicit_bzero (pem.data, pem.size);
  gnutls_free (pem.data);
  return ok;
}

void
identity_random (guint8 *out, gsize len)
{
  int ret = gnutls_rnd (GNUTLS_RND_KEY, out, len);

  if (ret < 0)
    g_error ("GnuTLS: %s", gnutls_strerror (ret));
}

/* Everything the certificate says, from docs/protocol.md 3.2 line by line. */
static int
fill_certificate (gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *addr)
{
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;
  g_autofree char *cn = g_utf8_substring (addr, 0, MIN (g_utf8_strlen (addr, -1), COMMON_NAME_CHARS));
  guint8 serial[16]; /* "Random serial >= 64 bits" */
  int ret;

  if ((ret = gnutls_rnd (GNUTLS_RND_NONCE, serial, sizeof serial)) < 0)
    return ret;
  serial[0] = (serial[0] & 0x7f) | 0x40; /* positive and of full length */
  if ((ret = gnutls_x509_crt_set_version (crt, 3)) < 0
      || (ret = gnutls_x509_crt_set_serial (crt, serial, sizeof serial)) < 0
      || (ret = gnutls_x509_crt_set_dn_by_oid (crt, GNUTLS_OID_X520_COMMON_NAME, 0, cn, strlen (cn))) < 0
      /* A clock that starts at 1970 must not go below it; the certificate is renewed once the clock is right. */
      || (ret = gnutls_x509_crt_set_activation_time (crt, MAX (now - DAY, 0))) < 0
      || (ret = gnutls_x509_crt_set_expiration_time (crt, now + VALID_FOR)) < 0
      || (ret = gnutls_x509_crt_set_key (crt, key)) < 0
      || (ret = gnutls_x509_crt_set_subject_alt_othername (crt, OID_XMPP_ADDR, addr, strlen (addr),
                                                           GNUTLS_FSAN_SET | GNUTLS_FSAN_ENCODE_UTF8_STRING)) < 0
      || (ret = gnutls_x509_crt_set_basic_constraints (crt, 0, -1)) < 0
      || (ret = gnutls_x509_crt_set_key_usage (crt, GNUTLS_KEY_DIGITAL_SIGNATURE)) < 0
      || (ret = gnutls_x509_crt_set_key_purpose_oid (crt, GNUTLS_KP_TLS_WWW_SERVER, 0)) < 0
      || (ret = gnutls_x509_crt_set_key_purpose_oid (crt, GNUTLS_KP_TLS_WWW_CLIENT, 0)) < 0)
    return ret;
  return gnutls_x509_crt_sign2 (crt, crt, key, GNUTLS_DIG_SHA256, 0);
}

static gboolean
create_certificate (const char *path, gnutls_x509_privkey_t key, const char *addr, Chain *chain, GError **error)
{
  g_auto (gnutls_x509_crt_t) crt = NULL;
  gnutls_datum_t pem = { NULL, 0 };
  gboolean ok;
  int ret;

  ret = gnutls_x509_crt_init (&crt);
  if (ret >= 0)
    ret = fill_certificate (crt, key, addr);
  if (ret >= 0)
    ret = gnutls_x509_crt_export2 (crt, GNUTLS_X509_FMT_PEM, &pem);
  if (ret < 0)
    return fail (error, ret, "cannot make a certificate");
  ok = fs_write_private (path, pem.data, pem.size, error);
  gnutls_free (pem.data);
  if (ok)
    {
      chain_clear (chain);
      chain->crts[chain->n++] = g_steal_pointer (&crt);
    }
  return ok;
}

/* Does the certificate carry this private key's public half? */
static gboolean
belongs_together (gnutls_x509_crt_t crt, gnutls_x509_privkey_t key)
{
  guint8 a[64], b[64];
  size_t a_len = sizeof a, b_len = sizeof b;

  return gnutls_x509_crt_get_key_id (crt, GNUTLS_KEYID_USE_SHA256, a, &a_len) >= 0
         && gnutls_x509_privkey_get_key_id (key, GNUTLS_KEYID_USE_SHA256, b, &b_len) >= 0 && a_len == b_len
         && memcmp (a, b, a_len) == 0;
}

/* Loads the chain file. TRUE with an empty chain when there is none to use: absent, or unusable and then set aside. */
static gboolean
load_certificate (const char *path, gnutls_x509_privkey_t key, Chain *chain, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) local = NULL;
  g_autofree char *moved_to = NULL;
  gnutls_datum_t datum;
  gsize len;

  if (!fs_read_private (path, FILE_MAX, &bytes, &local))
    {
      if (g_error_matches (local, EARSHOT_ERROR, EARSHOT_ERROR_NOT_FOUND))
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  datum.data = (guchar *) g_bytes_get_data (bytes, &len);
  datum.size = len;
  chain->n = CHAIN_MAX;
  if (gnutls_x509_crt_list_import (chain->crts, &chain->n, &datum, GNUTLS_X509_FMT_PEM,
                                   GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED) < 0)
    chain->n = 0;
  if (chain->n > 0 && belongs_together (chain->crts[0], key))
    return TRUE;
  chain_clear (chain);
  /* It may be somebody's expensive certificate in the wrong place, so it is not overwritten. */
  if (!fs_set_aside (path, &moved_to, error))
    return FALSE;
  log_warn ("identity", "the certificate could not be used with the key: kept as %s, a new one is made", moved_to);
  return TRUE;
}

/* Reads what the certificate says of us, under the rules that others will apply to it. */
static gboolean
adopt_certificate (Identity *identity, const char *path, gnutls_x509_crt_t crt, GError **error)
{
  g_autoptr (GPtrArray) addrs = NULL;
  g_autoptr (GError) local = NULL;
  gnutls_datum_t der = { NULL, 0 };
  gboolean expired = FALSE, ok;
  int ret = gnutls_x509_crt_export2 (crt, GNUTLS_X509_FMT_DER, &der);

  if (ret < 0)
    return fail (error, ret, "cannot read the certificate");
  ok = identity_inspect_peer (&der, &identity->fp, &expired, &local);
  gnutls_free (der.data);
  if (!ok)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s would be refused by others: %s", path, local->message);
      return FALSE;
    }
  if (expired)
    log_warn ("identity", "the certificate is outside its dates; peers that trust it by its issuer will refuse it");
  addrs = read_xmpp_addrs (crt, error);
  if (addrs == NULL)
    return FALSE;
  if (addrs->len == 1)
    identity->xmpp_addr = g_strdup (addrs->pdata[0]);
  return TRUE;
}

static gboolean
load_or_create_key (const char *dir, const char *crt_path, gnutls_x509_privkey_t key, GError **error)
{
  g_autofree char *path = g_build_filename (dir, "identity.key", NULL);
  g_autoptr (GError) local = NULL;

  if (load_key (path, key, &local))
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
  return create_key (path, key, error);
}

Identity *
identity_load_or_create (const char *dir, const char *addr, GError **error)
{
  g_autoptr (Identity) identity = g_new0 (Identity, 1);
  g_autofree char *crt_path = g_build_filename (dir, "identity.crt", NULL);
  g_auto (gnutls_x509_privkey_t) key = NULL;
  g_auto (Chain) chain = { .n = 0 };
  int ret;

  if (addr == NULL || !g_utf8_validate (addr, -1, NULL) || strlen (addr) > XMPP_ADDR_MAX || !parses_as_bare_addr (addr))
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "no address to put into the certificate");
      return NULL;
    }
  if (!fs_ensure_private_dir (dir, error))
    return NULL;
  if ((ret = gnutls_x509_privkey_init (&key)) < 0
      || (ret = gnutls_certificate_allocate_credentials (&identity->credentials)) < 0)
    {
      fail (error, ret, "cannot start the cryptography");
      return NULL;
    }
  if (!load_or_create_key (dir, crt_path, key, error) || !load_certificate (crt_path, key, &chain, error))
    return NULL;
  /* Ours to renew only when we signed it; one from an issuer is left to its issuer. */
  if (chain.n == 0 || (is_expired (chain.crts[0]) && gnutls_x509_crt_check_issuer (chain.crts[0], chain.crts[0])))
    if (!create_certificate (crt_path, key, addr, &chain, error))
      return NULL;
  if (!adopt_certificate (identity, crt_path, chain.crts[0], error))
    return NULL;
  ret = gnutls_certificate_set_x509_key (identity->credentials, chain.crts, (int) chain.n, key);
  if (ret < 0)
    {
      fail (error, ret, "cannot use the key");
      return NULL;
    }
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
  g_free (identity->xmpp_addr);
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
  return identity->xmpp_addr;
}

gnutls_certificate_credentials_t
identity_get_credentials (const Identity *identity)
{
  return identity->credentials;
}
