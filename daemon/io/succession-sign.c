/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/succession-sign.h"

#include <string.h>

#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include "daemon/base/error.h"
#include "daemon/io/certificate.h"

G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_pubkey_t, gnutls_pubkey_deinit, NULL)

/* The one way in which a key of this kind signs; FALSE: none. */
static gboolean
pick_alg (gnutls_pubkey_t key, SuccessionAlg *alg, gnutls_sign_algorithm_t *sign)
{
  gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
  gnutls_datum_t x = { NULL, 0 }, y = { NULL, 0 };

  switch (gnutls_pubkey_get_pk_algorithm (key, NULL))
    {
    case GNUTLS_PK_EDDSA_ED25519:
      *alg = SUCCESSION_ED25519;
      *sign = GNUTLS_SIGN_EDDSA_ED25519;
      return TRUE;
    case GNUTLS_PK_RSA:
    case GNUTLS_PK_RSA_PSS:
      *alg = SUCCESSION_RSA_PSS_SHA256;
      *sign = gnutls_pubkey_get_pk_algorithm (key, NULL) == GNUTLS_PK_RSA ? GNUTLS_SIGN_RSA_PSS_RSAE_SHA256
                                                                          : GNUTLS_SIGN_RSA_PSS_SHA256;
      return TRUE;
    case GNUTLS_PK_ECDSA:
      if (gnutls_pubkey_export_ecc_raw2 (key, &curve, &x, &y, 0) < 0)
        return FALSE;
      gnutls_free (x.data);
      gnutls_free (y.data);
      *alg = curve == GNUTLS_ECC_CURVE_SECP256R1 ? SUCCESSION_ECDSA_P256_SHA256 : SUCCESSION_ECDSA_P384_SHA384;
      *sign = curve == GNUTLS_ECC_CURVE_SECP256R1 ? GNUTLS_SIGN_ECDSA_SHA256 : GNUTLS_SIGN_ECDSA_SHA384;
      return curve == GNUTLS_ECC_CURVE_SECP256R1 || curve == GNUTLS_ECC_CURVE_SECP384R1;
    default:
      return FALSE;
    }
}

gboolean
succession_sign (gnutls_privkey_t old_key, const Fingerprint *new_fp, Succession *out, GError **error)
{
  g_auto (gnutls_pubkey_t) pubkey = NULL;
  gnutls_datum_t spki = { NULL, 0 }, signature = { NULL, 0 };
  guint8 text[SUCCESSION_SIGNED_BYTES];
  gnutls_datum_t data = { text, sizeof text };
  gnutls_sign_algorithm_t sign;
  Succession made = { .new_fp = *new_fp };
  int ret;

  ret = gnutls_pubkey_init (&pubkey);
  if (ret >= 0)
    ret = gnutls_pubkey_import_privkey (pubkey, old_key, GNUTLS_KEY_DIGITAL_SIGNATURE, 0);
  if (ret >= 0 && !pick_alg (pubkey, &made.alg, &sign))
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_UNSUPPORTED, "a key of this kind can not hand over to another");
      return FALSE;
    }
  if (ret >= 0)
    ret = gnutls_pubkey_export2 (pubkey, GNUTLS_X509_FMT_DER, &spki);
  if (ret >= 0)
    ret = gnutls_hash_fast (GNUTLS_DIG_SHA256, spki.data, spki.size, made.old_fp.bytes);
  if (ret >= 0)
    {
      succession_get_signed (&made.old_fp, new_fp, text);
      ret = gnutls_privkey_sign_data2 (old_key, sign, 0, &data, &signature);
    }
  if (ret >= 0)
    {
      made.spki = g_bytes_new (spki.data, spki.size);
      made.signature = g_bytes_new (signature.data, signature.size);
      *out = made;
    }
  else
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "the old key does not sign: %s", gnutls_strerror (ret));
  gnutls_free (spki.data);
  gnutls_free (signature.data);
  return ret >= 0;
}

static gnutls_datum_t
datum_of (GBytes *bytes)
{
  gsize size;
  gconstpointer data = g_bytes_get_data (bytes, &size);

  return (gnutls_datum_t){ (guchar *) data, size };
}

gboolean
succession_check (const Succession *succession, GError **error)
{
  g_auto (gnutls_pubkey_t) pubkey = NULL;
  gnutls_datum_t spki = datum_of (succession->spki), signature = datum_of (succession->signature);
  gnutls_datum_t again = { NULL, 0 };
  guint8 text[SUCCESSION_SIGNED_BYTES];
  gnutls_datum_t data = { text, sizeof text };
  gnutls_sign_algorithm_t sign;
  SuccessionAlg alg;
  const char *why = NULL;
  Fingerprint fp;

  succession_get_signed (&succession->old_fp, &succession->new_fp, text);
  if (gnutls_pubkey_init (&pubkey) < 0 || gnutls_pubkey_import (pubkey, &spki, GNUTLS_X509_FMT_DER) < 0
      || gnutls_pubkey_export2 (pubkey, GNUTLS_X509_FMT_DER, &again) < 0)
    why = "the old key can not be read";
  /* The same bytes that a certificate of this key is hashed by, or two programs would see two keys. */
  else if (again.size != spki.size || memcmp (again.data, spki.data, spki.size) != 0
           || gnutls_hash_fast (GNUTLS_DIG_SHA256, spki.data, spki.size, fp.bytes) < 0
           || !fingerprint_equal (&fp, &succession->old_fp))
    why = "the key is not the one it names";
  gnutls_free (again.data);
  if (why == NULL && !certificate_check_public_key (pubkey, error))
    return FALSE;
  if (why == NULL && (!pick_alg (pubkey, &alg, &sign) || alg != succession->alg))
    why = "the old key does not sign that way";
  if (why == NULL && gnutls_pubkey_verify_data2 (pubkey, sign, 0, &data, &signature) < 0)
    why = "the signature is not the old key's";
  if (why != NULL)
    g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_TRUSTED, why);
  return why == NULL;
}
