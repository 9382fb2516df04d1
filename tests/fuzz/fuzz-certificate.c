/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Certificates of strangers (T-02, T-03). After an 'R' the input is the certificate in DER; otherwise it is what a
 * stranger wrote into his own: otherName values parted by 0xff, in a certificate that is well made in all else.
 */
#include "earshot-config.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <string.h>

#include "daemon/base/error.h"
#include "daemon/io/certificate.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/input.h"

#define OID_XMPP_ADDR "1.3.6.1.5.5.7.8.5"

static gboolean
inspect (const guint8 *der, gsize len, Fingerprint *fp)
{
  static const Fingerprint mark = { { 0x5a } };
  gnutls_datum_t datum = { (guchar *) der, (unsigned int) len };
  g_autoptr (GError) error = NULL;
  gboolean expired = 2;

  *fp = mark;
  if (!certificate_inspect (&datum, fp, &expired, &error))
    {
      g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_TRUSTED);
      g_assert (g_utf8_validate (error->message, -1, NULL));
      return FALSE;
    }
  g_assert_no_error (error);
  g_assert (expired == TRUE || expired == FALSE);
  return TRUE;
}

/* The key of the certificate that is made; new in each run, which changes nothing but the signature. */
static gnutls_x509_privkey_t
get_key (Fingerprint *fp)
{
  static gnutls_x509_privkey_t key;
  static Fingerprint known;

  if (key == NULL)
    {
      gnutls_pubkey_t pub;
      gnutls_privkey_t private;
      gnutls_datum_t spki;

      g_assert (gnutls_x509_privkey_init (&key) == 0 && gnutls_pubkey_init (&pub) == 0);
      g_assert (gnutls_x509_privkey_generate (key, GNUTLS_PK_EDDSA_ED25519, 0, 0) == 0 && gnutls_privkey_init (&private) == 0);
      g_assert (gnutls_privkey_import_x509 (private, key, 0) == 0);
      g_assert (gnutls_pubkey_import_privkey (pub, private, 0, 0) == 0);
      g_assert (gnutls_pubkey_export2 (pub, GNUTLS_X509_FMT_DER, &spki) == 0);
      g_assert (gnutls_hash_fast (GNUTLS_DIG_SHA256, spki.data, spki.size, known.bytes) == 0);
      gnutls_free (spki.data);
      gnutls_pubkey_deinit (pub);
      gnutls_privkey_deinit (private);
    }
  *fp = known;
  return key;
}

static gboolean
is_plain_addr (const guint8 *der, gsize len)
{
  return len == 13 && memcmp (der, "\x0c\x0bromeo@forza", 13) == 0;
}

static void
inspect_names (Input *in)
{
  gnutls_x509_crt_t crt;
  gnutls_datum_t der = { NULL, 0 };
  Fingerprint expected, fp;
  gnutls_x509_privkey_t key = get_key (&expected);
  gboolean plain = TRUE;

  g_assert (gnutls_x509_crt_init (&crt) == 0 && gnutls_x509_crt_set_version (crt, 3) == 0);
  g_assert (gnutls_x509_crt_set_serial (crt, "\x01", 1) == 0 && gnutls_x509_crt_set_key (crt, key) == 0);
  gnutls_x509_crt_set_activation_time (crt, 0);
  gnutls_x509_crt_set_expiration_time (crt, 4000000000);
  for (guint i = 0; i < 70 && in->at < in->stop; i++)
    {
      gsize len;
      const guint8 *value = input_span (in, 0xff, 4096, &len);

      plain = plain && is_plain_addr (value, len);
      if (len > 0)
        gnutls_x509_crt_set_subject_alt_othername (crt, OID_XMPP_ADDR, value, (unsigned int) len, GNUTLS_FSAN_APPEND);
    }
  if (gnutls_x509_crt_sign2 (crt, crt, key, GNUTLS_DIG_SHA512, 0) == 0
      && gnutls_x509_crt_export2 (crt, GNUTLS_X509_FMT_DER, &der) == 0)
    {
      if (inspect (der.data, der.size, &fp))
        g_assert (fingerprint_equal (&fp, &expected));
      else
        g_assert (!plain || der.size > 1500); /* some 64 names are too many */
    }
  gnutls_free (der.data);
  gnutls_x509_crt_deinit (crt);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  Input in = { data, data + size };
  Fingerprint fp;

  if (size < 1)
    return 0;
  if (input_byte (&in) == 'R')
    inspect (in.at, (gsize) (in.stop - in.at), &fp);
  else
    inspect_names (&in);
  return 0;
}
