/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/certificate.h"

#include <string.h>

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509-ext.h>

#include "daemon/base/error.h"

#define OID_SAN "2.5.29.17"
#define SANS_MAX 64
#define DER_MAX (64 * 1024)
#define RSA_BITS_MIN 3072
#define RSA_BITS_MAX 8192 /* above it a stranger's key is only work for us */

G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_x509_crt_t, gnutls_x509_crt_deinit, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_pubkey_t, gnutls_pubkey_deinit, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_subject_alt_names_t, gnutls_subject_alt_names_deinit, NULL)

static gboolean G_GNUC_PRINTF (2, 3)
reject (GError **error, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_propagate_error (error, g_error_new_valist (EARSHOT_ERROR, EARSHOT_ERROR_NOT_TRUSTED, format, args));
  va_end (args);
  return FALSE;
}

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
  if (at + len != der->size || len > CERTIFICATE_XMPP_ADDR_MAX)
    return NULL;
  /* A NUL is valid UTF-8 to some decoders and the end of the name to others: never here. */
  if (memchr (der->data + at, '\0', len) != NULL || !g_utf8_validate ((const char *) der->data + at, len, NULL))
    return NULL;
  return g_strndup ((const char *) der->data + at, len);
}

/* An address without resource; the localpart may be missing. */
gboolean
certificate_may_name (const char *addr)
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
GPtrArray *
certificate_read_xmpp_addrs (gnutls_x509_crt_t crt, GError **error)
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
      if (type != GNUTLS_SAN_OTHERNAME || oid.data == NULL || strcmp ((const char *) oid.data, CERTIFICATE_OID_XMPP_ADDR) != 0)
        continue;
      addr = decode_utf8_string (&value);
      if (addr == NULL || !certificate_may_name (addr))
        {
          reject (error, "the certificate has an xmppAddr that is no address");
          return NULL;
        }
      g_ptr_array_add (addrs, g_steal_pointer (&addr));
    }
}

/* "P-256 …; also accept Ed25519, P-384, RSA >= 3072". */
gboolean
certificate_check_public_key (gnutls_pubkey_t key, GError **error)
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

gboolean
certificate_is_expired (gnutls_x509_crt_t crt)
{
  time_t now = g_get_real_time () / G_USEC_PER_SEC;
  time_t from = gnutls_x509_crt_get_activation_time (crt), until = gnutls_x509_crt_get_expiration_time (crt);

  return from == (time_t) -1 || until == (time_t) -1 || now < from || now > until;
}

gboolean
certificate_check_strength (gnutls_x509_crt_t crt, GError **error)
{
  g_auto (gnutls_pubkey_t) key = NULL;

  if (gnutls_x509_crt_get_version (crt) != 3)
    return reject (error, "the certificate is not X.509 version 3");
  if (gnutls_pubkey_init (&key) < 0 || gnutls_pubkey_import_x509 (key, crt, 0) < 0)
    return reject (error, "the key can not be read");
  return certificate_check_public_key (key, error) && check_signature_algorithm (crt, error);
}

gboolean
certificate_get_fingerprint (gnutls_x509_crt_t crt, Fingerprint *fp)
{
  size_t len = sizeof fp->bytes;

  return gnutls_x509_crt_get_key_id (crt, GNUTLS_KEYID_USE_SHA256, fp->bytes, &len) >= 0 && len == sizeof fp->bytes;
}

gboolean
certificate_inspect (const gnutls_datum_t *der, Fingerprint *fp, gboolean *expired, GError **error)
{
  g_auto (gnutls_x509_crt_t) crt = NULL;
  g_auto (gnutls_pubkey_t) key = NULL;
  g_autoptr (GPtrArray) addrs = NULL;

  if (der->data == NULL || der->size == 0 || der->size > DER_MAX || gnutls_x509_crt_init (&crt) < 0
      || gnutls_pubkey_init (&key) < 0 || gnutls_x509_crt_import (crt, der, GNUTLS_X509_FMT_DER) < 0
      || gnutls_pubkey_import_x509 (key, crt, 0) < 0)
    return reject (error, "the certificate can not be read");
  if (!certificate_check_strength (crt, error))
    return FALSE;
  addrs = certificate_read_xmpp_addrs (crt, error);
  if (addrs == NULL || !hash_spki (key, der, fp, error))
    return FALSE;
  *expired = certificate_is_expired (crt);
  return TRUE;
}
