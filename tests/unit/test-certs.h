/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Certificates to order, good and hostile, for test-identity and test-tls; and a data
 * directory that goes away again.
 */
#pragma once

#include <glib.h>
#include <glib/gstdio.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <string.h>

#define TEST_OID_XMPP_ADDR "1.3.6.1.5.5.7.8.5"

typedef struct {
  gnutls_pk_algorithm_t pk;
  guint bits;
  gnutls_digest_algorithm_t hash;
  const guint8 *xmpp_addr_der; /* the otherName's value as DER; NULL: UTF8String of `addr` */
  gsize xmpp_addr_der_len;
  const char *addr;            /* NULL: no SAN */
  gint64 from, until;          /* seconds from now; 0, 0 = a day each way */
  int version;                 /* 0 = 3 */
} CertOrder;

#define ORDER_P256 .pk = GNUTLS_PK_ECDSA, .bits = GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP256R1), .hash = GNUTLS_DIG_SHA256

static inline gnutls_x509_privkey_t
make_key (const CertOrder *order)
{
  gnutls_x509_privkey_t key;

  g_assert_cmpint (gnutls_x509_privkey_init (&key), ==, 0);
  g_assert_cmpint (gnutls_x509_privkey_generate (key, order->pk, order->bits, 0), ==, 0);
  return key;
}

static inline gnutls_x509_crt_t
make_cert (const CertOrder *order, gnutls_x509_privkey_t key)
{
  gnutls_x509_crt_t crt;
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;

  g_assert_cmpint (gnutls_x509_crt_init (&crt), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_set_version (crt, order->version != 0 ? order->version : 3), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_set_serial (crt, "\x01\x02\x03\x04\x05\x06\x07\x08", 8), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_set_dn_by_oid (crt, GNUTLS_OID_X520_COMMON_NAME, 0, "peer", 4), ==, 0);
  gnutls_x509_crt_set_activation_time (crt, now + (order->from != 0 ? order->from : -86400));
  gnutls_x509_crt_set_expiration_time (crt, now + (order->until != 0 ? order->until : 86400));
  g_assert_cmpint (gnutls_x509_crt_set_key (crt, key), ==, 0);
  if (order->xmpp_addr_der != NULL)
    g_assert_cmpint (gnutls_x509_crt_set_subject_alt_othername (crt, TEST_OID_XMPP_ADDR, order->xmpp_addr_der,
                                                                order->xmpp_addr_der_len, GNUTLS_FSAN_APPEND),
                     ==, 0);
  else if (order->addr != NULL)
    g_assert_cmpint (gnutls_x509_crt_set_subject_alt_othername (crt, TEST_OID_XMPP_ADDR, order->addr,
                                                                strlen (order->addr),
                                                                GNUTLS_FSAN_APPEND | GNUTLS_FSAN_ENCODE_UTF8_STRING),
                     ==, 0);
  g_assert_cmpint (gnutls_x509_crt_sign2 (crt, crt, key, order->hash, 0), ==, 0);
  return crt;
}

/* A self-signed certificate; free `der->data` with gnutls_free(). `key_out` may be NULL. */
static inline void
make_der (const CertOrder *order, gnutls_datum_t *der, gnutls_x509_privkey_t *key_out)
{
  gnutls_x509_privkey_t key = make_key (order);
  gnutls_x509_crt_t crt = make_cert (order, key);

  g_assert_cmpint (gnutls_x509_crt_export2 (crt, GNUTLS_X509_FMT_DER, der), ==, 0);
  gnutls_x509_crt_deinit (crt);
  if (key_out != NULL)
    *key_out = key;
  else
    gnutls_x509_privkey_deinit (key);
}

static inline char *
make_dir (void)
{
  g_autoptr (GError) error = NULL;
  char *dir = g_dir_make_tmp ("earshot-test-XXXXXX", &error);
  g_assert_no_error (error);
  return dir;
}

static inline void
remove_dir (char *dir)
{
  const char *name;
  GDir *d = g_dir_open (dir, 0, NULL);

  while ((name = g_dir_read_name (d)) != NULL)
    {
      g_autofree char *path = g_build_filename (dir, name, NULL);
      g_assert_no_errno (g_unlink (path));
    }
  g_dir_close (d);
  g_assert_no_errno (g_rmdir (dir));
  g_free (dir);
}
