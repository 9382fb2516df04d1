/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <glib.h>
#include <sys/stat.h>

#include "daemon/base/error.h"
#include "daemon/io/certificate.h"
#include "daemon/io/identity.h"
#include "tests/unit/test-certs.h"

#define ADDR "juliet@pronto"

static Identity *
load (const char *dir, const char *addr)
{
  g_autoptr (GError) error = NULL;
  Identity *identity = identity_load_or_create (dir, addr, &error);
  g_assert_no_error (error);
  g_assert_nonnull (identity);
  return identity;
}

static void
load_fails (const char *dir, const char *about)
{
  g_autoptr (GError) error = NULL;
  Identity *identity = identity_load_or_create (dir, ADDR, &error);
  g_assert_null (identity);
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, about));
}

static void
put_file (const char *dir, const char *name, const void *data, gssize len)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);
  g_unlink (path);
  g_assert_true (g_file_set_contents_full (path, data, len, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

static char *
get_file (const char *dir, const char *name, gsize *len)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);
  char *data = NULL;
  g_assert_true (g_file_get_contents (path, &data, len, NULL));
  return data;
}

static gnutls_x509_crt_t
own_cert (const char *dir)
{
  gsize len;
  g_autofree char *pem = get_file (dir, "identity.crt", &len);
  gnutls_datum_t datum = { (guchar *) pem, len };
  gnutls_x509_crt_t crt;

  g_assert_cmpint (gnutls_x509_crt_init (&crt), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_import (crt, &datum, GNUTLS_X509_FMT_PEM), ==, 0);
  return crt;
}

static void
put_key_and_cert (const char *dir, gnutls_x509_privkey_t key, gnutls_x509_crt_t crt)
{
  gnutls_datum_t pem;

  g_assert_cmpint (gnutls_x509_privkey_export2_pkcs8 (key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem), ==, 0);
  put_file (dir, "identity.key", pem.data, pem.size);
  gnutls_free (pem.data);
  g_assert_cmpint (gnutls_x509_crt_export2 (crt, GNUTLS_X509_FMT_PEM, &pem), ==, 0);
  put_file (dir, "identity.crt", pem.data, pem.size);
  gnutls_free (pem.data);
}

static void
check_extensions (gnutls_x509_crt_t crt)
{
  /* otherName { 1.3.6.1.5.5.7.8.5, [0] UTF8String "juliet@pronto" } and nothing else, byte by byte. */
  static const guint8 san[] = "\x30\x1d\xa0\x1b\x06\x08\x2b\x06\x01\x05\x05\x07\x08\x05\xa0\x0f\x0c\x0djuliet@pronto";
  gnutls_datum_t ext;
  char oid[64];
  size_t size;
  guint critical, ca, usage;
  int pathlen;

  g_assert_cmpint (gnutls_x509_crt_get_extension_by_oid2 (crt, "2.5.29.17", 0, &ext, &critical), ==, 0);
  g_assert_cmpmem (ext.data, ext.size, san, sizeof san - 1);
  gnutls_free (ext.data);
  g_assert_cmpint (gnutls_x509_crt_get_basic_constraints (crt, &critical, &ca, &pathlen), >=, 0);
  g_assert_true (critical && !ca);
  g_assert_cmpint (gnutls_x509_crt_get_key_usage (crt, &usage, &critical), >=, 0);
  g_assert_true (critical && usage == GNUTLS_KEY_DIGITAL_SIGNATURE);
  size = sizeof oid;
  g_assert_cmpint (gnutls_x509_crt_get_key_purpose_oid (crt, 0, oid, &size, &critical), >=, 0);
  g_assert_cmpstr (oid, ==, GNUTLS_KP_TLS_WWW_SERVER);
  size = sizeof oid;
  g_assert_cmpint (gnutls_x509_crt_get_key_purpose_oid (crt, 1, oid, &size, &critical), >=, 0);
  g_assert_cmpstr (oid, ==, GNUTLS_KP_TLS_WWW_CLIENT);
  size = sizeof oid;
  g_assert_cmpint (gnutls_x509_crt_get_key_purpose_oid (crt, 2, oid, &size, &critical), ==,
                   GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE);
}

static void
test_created (void)
{
  char *dir = make_dir ();
  g_autoptr (Identity) identity = load (dir, ADDR);
  gnutls_x509_crt_t crt = own_cert (dir);
  g_autofree char *key_path = g_build_filename (dir, "identity.key", NULL);
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;
  gnutls_ecc_curve_t curve;
  gnutls_datum_t x, y;
  guint8 serial[32];
  char cn[128];
  size_t size = sizeof cn;
  struct stat st;

  g_assert_no_errno (stat (key_path, &st));
  g_assert_cmpint (st.st_mode & 07777, ==, 0600);
  g_assert_cmpint (gnutls_x509_crt_get_version (crt), ==, 3);
  g_assert_cmpint (gnutls_x509_crt_get_signature_algorithm (crt), ==, GNUTLS_SIGN_ECDSA_SHA256);
  g_assert_cmpint (gnutls_x509_crt_get_pk_ecc_raw (crt, &curve, &x, &y), ==, 0);
  g_assert_cmpint (curve, ==, GNUTLS_ECC_CURVE_SECP256R1);
  gnutls_free (x.data);
  gnutls_free (y.data);
  g_assert_cmpint (gnutls_x509_crt_get_dn_by_oid (crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, cn, &size), ==, 0);
  g_assert_cmpstr (cn, ==, ADDR);
  size = sizeof serial;
  g_assert_cmpint (gnutls_x509_crt_get_serial (crt, serial, &size), ==, 0);
  g_assert_cmpuint (size, >=, 8);
  g_assert_cmpint (ABS (gnutls_x509_crt_get_activation_time (crt) - (now - 86400)), <, 60);
  g_assert_cmpint (ABS (gnutls_x509_crt_get_expiration_time (crt) - (now + 3650LL * 86400)), <, 60);
  g_assert_true (gnutls_x509_crt_check_issuer (crt, crt));
  check_extensions (crt);
  g_assert_cmpstr (identity_get_xmpp_addr (identity), ==, ADDR);
  g_assert_nonnull (identity_get_credentials (identity));
  gnutls_x509_crt_deinit (crt);
  remove_dir (dir);
}

static void
test_fingerprint_is_spki (void)
{
  char *dir = make_dir ();
  g_autoptr (Identity) identity = load (dir, ADDR);
  gnutls_x509_crt_t crt = own_cert (dir);
  gnutls_datum_t der, spki;
  gnutls_pubkey_t key;
  Fingerprint expected, fp;
  gboolean expired = TRUE;
  g_autoptr (GError) error = NULL;

  /* SHA-256 over the 91 bytes that every P-256 SubjectPublicKeyInfo has. */
  g_assert_cmpint (gnutls_pubkey_init (&key), ==, 0);
  g_assert_cmpint (gnutls_pubkey_import_x509 (key, crt, 0), ==, 0);
  g_assert_cmpint (gnutls_pubkey_export2 (key, GNUTLS_X509_FMT_DER, &spki), ==, 0);
  g_assert_cmpuint (spki.size, ==, 91);
  gnutls_hash_fast (GNUTLS_DIG_SHA256, spki.data, spki.size, expected.bytes);
  g_assert_true (fingerprint_equal (identity_get_fingerprint (identity), &expected));
  /* And a peer that inspects our certificate sees the same. */
  g_assert_cmpint (gnutls_x509_crt_export2 (crt, GNUTLS_X509_FMT_DER, &der), ==, 0);
  g_assert_true (certificate_inspect (&der, &fp, &expired, &error));
  g_assert_no_error (error);
  g_assert_true (fingerprint_equal (&fp, &expected));
  g_assert_false (expired);
  gnutls_free (der.data);
  gnutls_free (spki.data);
  gnutls_pubkey_deinit (key);
  gnutls_x509_crt_deinit (crt);
  remove_dir (dir);
}

static void
test_loaded_again (void)
{
  char *dir = make_dir ();
  Identity *first = load (dir, ADDR), *second;
  Fingerprint fp = *identity_get_fingerprint (first);
  gsize len;
  g_autofree char *crt = get_file (dir, "identity.crt", &len), *crt_again = NULL;

  identity_free (first);
  /* Another name today: the certificate is a hint that is never checked, so it stays. */
  second = load (dir, "romeo@forza");
  crt_again = get_file (dir, "identity.crt", &len);
  g_assert_cmpstr (crt, ==, crt_again);
  g_assert_cmpstr (identity_get_xmpp_addr (second), ==, ADDR);
  g_assert_true (fingerprint_equal (&fp, identity_get_fingerprint (second)));
  identity_free (second);
  remove_dir (dir);
}

static void
test_renewal (void)
{
  CertOrder order = { ORDER_P256, .addr = "old@name", .from = -20 * 86400, .until = -86400 };
  char *dir = make_dir ();
  gnutls_x509_privkey_t key = make_key (&order);
  gnutls_x509_crt_t crt = make_cert (&order, key), renewed;
  gnutls_datum_t der;
  Fingerprint fp;
  gboolean expired = FALSE;

  put_key_and_cert (dir, key, crt);
  g_assert_cmpint (gnutls_x509_crt_export2 (crt, GNUTLS_X509_FMT_DER, &der), ==, 0);
  g_assert_true (certificate_inspect (&der, &fp, &expired, NULL));
  g_assert_true (expired);
  Identity *identity = load (dir, ADDR);
  g_assert_true (fingerprint_equal (&fp, identity_get_fingerprint (identity)));
  g_assert_cmpstr (identity_get_xmpp_addr (identity), ==, ADDR);
  renewed = own_cert (dir);
  g_assert_cmpint (gnutls_x509_crt_get_expiration_time (renewed), >, g_get_real_time () / G_USEC_PER_SEC);
  identity_free (identity);
  gnutls_free (der.data);
  gnutls_x509_crt_deinit (renewed);
  gnutls_x509_crt_deinit (crt);
  gnutls_x509_privkey_deinit (key);
  remove_dir (dir);
}

static void
test_key_without_cert (void)
{
  char *dir = make_dir ();
  Identity *identity = load (dir, ADDR);
  Fingerprint fp = *identity_get_fingerprint (identity);
  g_autofree char *crt_path = g_build_filename (dir, "identity.crt", NULL);

  identity_free (identity);
  g_assert_no_errno (g_unlink (crt_path));
  identity = load (dir, ADDR);
  g_assert_true (fingerprint_equal (&fp, identity_get_fingerprint (identity)));
  identity_free (identity);
  /* A damaged one is kept beside the new one. */
  put_file (dir, "identity.crt", "-----BEGIN nonsense", -1);
  identity = load (dir, ADDR);
  g_assert_true (fingerprint_equal (&fp, identity_get_fingerprint (identity)));
  identity_free (identity);
  GDir *d = g_dir_open (dir, 0, NULL);
  guint set_aside = 0;
  for (const char *name; (name = g_dir_read_name (d)) != NULL;)
    set_aside += g_str_has_prefix (name, "identity.crt.damaged-");
  g_dir_close (d);
  g_assert_cmpuint (set_aside, ==, 1);
  remove_dir (dir);
}

static void
test_key_is_never_replaced (void)
{
  char *dir = make_dir ();
  gsize len;
  g_autofree char *key_path = g_build_filename (dir, "identity.key", NULL);

  identity_free (load (dir, ADDR));
  g_autofree char *good = get_file (dir, "identity.key", &len);
  /* Half a file, as after a full disk. */
  put_file (dir, "identity.key", good, len / 2);
  load_fails (dir, "damaged");
  g_autofree char *half = get_file (dir, "identity.key", &len);
  g_assert_true (g_str_has_prefix (good, half));
  put_file (dir, "identity.key", "", 0);
  load_fails (dir, "damaged");
  /* Readable by others. */
  put_file (dir, "identity.key", good, -1);
  g_assert_no_errno (g_chmod (key_path, 0644));
  load_fails (dir, "identity.key");
  /* Gone, while its certificate is there. */
  g_assert_no_errno (g_unlink (key_path));
  load_fails (dir, "missing");
  g_assert_false (g_file_test (key_path, G_FILE_TEST_EXISTS));
  remove_dir (dir);
}

/* --- an issuer's certificate --- */

static char *
issue (gnutls_x509_privkey_t issuer_key, gnutls_x509_crt_t issuer, const char *request, gint64 until, gboolean ca)
{
  gnutls_datum_t pem = { (guchar *) request, strlen (request) }, out;
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;
  gnutls_x509_crq_t crq;
  gnutls_x509_crt_t crt;
  char *text;

  g_assert_cmpint (gnutls_x509_crq_init (&crq), ==, 0);
  g_assert_cmpint (gnutls_x509_crq_import (crq, &pem, GNUTLS_X509_FMT_PEM), ==, 0);
  g_assert_cmpint (gnutls_x509_crq_verify (crq, 0), ==, 0); /* signed by the key it is for */
  g_assert_cmpint (gnutls_x509_crt_init (&crt), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_set_crq (crt, crq), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_set_crq_extensions (crt, crq), ==, 0);
  gnutls_x509_crt_set_version (crt, 3);
  gnutls_x509_crt_set_serial (crt, "\x07", 1);
  gnutls_x509_crt_set_activation_time (crt, now - 20 * 86400);
  gnutls_x509_crt_set_expiration_time (crt, now + until);
  if (ca)
    gnutls_x509_crt_set_basic_constraints (crt, 1, -1);
  g_assert_cmpint (gnutls_x509_crt_sign2 (crt, issuer, issuer_key, GNUTLS_DIG_SHA256, 0), ==, 0);
  g_assert_cmpint (gnutls_x509_crt_export2 (crt, GNUTLS_X509_FMT_PEM, &out), ==, 0);
  text = g_strndup ((const char *) out.data, out.size);
  gnutls_free (out.data);
  gnutls_x509_crt_deinit (crt);
  gnutls_x509_crq_deinit (crq);
  return text;
}

static void
count_call (gpointer user)
{
  (*(guint *) user)++;
}

static void
set_fails (Identity *identity, const char *pem, const char *about)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (identity_set_certificate (identity, pem, &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, about));
}

static void
test_issued (void)
{
  static const char *const addrs[] = { "juliet@pronto", "juliet@office", NULL }, *const none[] = { NULL },
                           *const bad[] = { "juliet@pronto", "a@b@c", NULL };
  CertOrder order = { ORDER_P256 };
  gnutls_x509_privkey_t issuer_key = make_key (&order);
  gnutls_x509_crt_t issuer = make_cert (&order, issuer_key);
  char *dir = make_dir (), *other_dir = make_dir ();
  Identity *identity = load (dir, ADDR), *other = load (other_dir, ADDR);
  Fingerprint fp = *identity_get_fingerprint (identity);
  gnutls_certificate_credentials_t before = identity_get_credentials (identity);
  g_autoptr (GError) error = NULL;
  g_autofree char *request = NULL, *others = NULL, *good = NULL, *old = NULL, *ca = NULL, *foreign = NULL, *kept = NULL;
  g_autoptr (GString) nine = g_string_new (NULL);
  guint changes = 0;
  gsize len;

  g_assert_null (identity_create_request (identity, none, &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_assert_null (identity_create_request (identity, bad, NULL));
  request = identity_create_request (identity, addrs, &error);
  g_assert_no_error (error);
  others = identity_create_request (other, addrs, &error);
  good = issue (issuer_key, issuer, request, 86400, FALSE);
  old = issue (issuer_key, issuer, request, -86400, FALSE);
  ca = issue (issuer_key, issuer, request, 86400, TRUE);
  foreign = issue (issuer_key, issuer, others, 86400, FALSE);
  identity_watch (identity, count_call, &changes);
  set_fails (identity, foreign, "another key");
  set_fails (identity, old, "dates");
  set_fails (identity, ca, "CA:TRUE");
  set_fails (identity, "", "PEM");
  set_fails (identity, request, "PEM");
  for (guint i = 0; i < 9; i++)
    g_string_append (nine, good);
  set_fails (identity, nine->str, "eight");
  /* Nothing of that left a trace. */
  g_assert_true (identity_get_credentials (identity) == before && changes == 0);
  g_assert_cmpstr (identity_get_xmpp_addr (identity), ==, ADDR);
  g_assert_null (identity_get_issuer (identity));

  g_assert_true (identity_set_certificate (identity, good, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (changes, ==, 1);
  g_assert_true (identity_get_credentials (identity) != before);
  g_assert_true (fingerprint_equal (&fp, identity_get_fingerprint (identity)));
  g_assert_null (identity_get_xmpp_addr (identity));
  g_assert_cmpuint (g_strv_length ((char **) identity_get_xmpp_addrs (identity)), ==, 2);
  g_assert_cmpstr (identity_get_issuer (identity), ==, "CN=peer");
  identity_free (identity);
  /* It is still there after a restart, and left alone when it has ended: its issuer makes the next one. */
  identity = load (dir, ADDR);
  g_assert_cmpstr (identity_get_issuer (identity), ==, "CN=peer");
  identity_free (identity);
  put_file (dir, "identity.crt", old, -1);
  identity = load (dir, ADDR);
  g_assert_cmpstr (identity_get_issuer (identity), ==, "CN=peer");
  kept = get_file (dir, "identity.crt", &len);
  g_assert_cmpstr (kept, ==, old);
  g_assert_true (fingerprint_equal (&fp, identity_get_fingerprint (identity)));
  identity_free (identity);
  identity_free (other);
  gnutls_x509_crt_deinit (issuer);
  gnutls_x509_privkey_deinit (issuer_key);
  remove_dir (dir);
  remove_dir (other_dir);
}

static void
test_bad_addr (void)
{
  static const char *const bad[] = { "", "@pronto", "juliet@", "a@b@c", "a b@c", "a@b/c", "a\n@b", "\xff@b", NULL };
  char *dir = make_dir ();

  for (guint i = 0; bad[i] != NULL; i++)
    {
      g_autoptr (GError) error = NULL;
      g_assert_null (identity_load_or_create (dir, bad[i], &error));
      g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT);
    }
  remove_dir (dir);
}

static void
inspect (const CertOrder *order, const char *refusal)
{
  gnutls_datum_t der;
  Fingerprint fp;
  gboolean expired;
  g_autoptr (GError) error = NULL;
  gboolean ok;

  make_der (order, &der, NULL);
  ok = certificate_inspect (&der, &fp, &expired, &error);
  if (refusal == NULL)
    g_assert_no_error (error);
  else
    {
      g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_TRUSTED);
      g_assert_nonnull (strstr (error->message, refusal));
    }
  g_assert_cmpint (ok, ==, refusal == NULL);
  gnutls_free (der.data);
}

static void
test_peer_keys (void)
{
  inspect (&(CertOrder){ ORDER_P256, .addr = ADDR }, NULL);
  inspect (&(CertOrder){ ORDER_P256 }, NULL); /* no xmppAddr at all: a hint that is not there */
  inspect (&(CertOrder){ .pk = GNUTLS_PK_ECDSA, .bits = GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP384R1),
                         .hash = GNUTLS_DIG_SHA384, .addr = ADDR }, NULL);
  inspect (&(CertOrder){ .pk = GNUTLS_PK_EDDSA_ED25519, .bits = GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_ED25519),
                         .hash = GNUTLS_DIG_SHA512, .addr = ADDR }, NULL);
  inspect (&(CertOrder){ .pk = GNUTLS_PK_RSA, .bits = 3072, .hash = GNUTLS_DIG_SHA256, .addr = ADDR }, NULL);
  inspect (&(CertOrder){ .pk = GNUTLS_PK_RSA, .bits = 2048, .hash = GNUTLS_DIG_SHA256, .addr = ADDR }, "2048 bits");
  inspect (&(CertOrder){ .pk = GNUTLS_PK_ECDSA, .bits = GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP521R1),
                         .hash = GNUTLS_DIG_SHA512, .addr = ADDR }, "curve");
  inspect (&(CertOrder){ .pk = GNUTLS_PK_ECDSA, .bits = GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP256R1),
                         .hash = GNUTLS_DIG_SHA1, .addr = ADDR }, "hash");
  inspect (&(CertOrder){ ORDER_P256, .version = 1 }, "version");
}

#define RAW(der) .xmpp_addr_der = (const guint8 *) (der), .xmpp_addr_der_len = sizeof (der) - 1

static void
test_peer_names (void)
{
  inspect (&(CertOrder){ ORDER_P256, RAW ("\x0c\x05" "a@b.c") }, NULL);
  inspect (&(CertOrder){ ORDER_P256, RAW ("\x0c\x05" "a@b\0c") }, "xmppAddr");
  inspect (&(CertOrder){ ORDER_P256, RAW ("\x0c\x05" "a@b\xff\xfe") }, "xmppAddr");
  inspect (&(CertOrder){ ORDER_P256, RAW ("\x16\x05" "a@b.c") }, "xmppAddr"); /* IA5String */
  inspect (&(CertOrder){ ORDER_P256, RAW ("\x0c\x05" "a@b@c") }, "xmppAddr");
  inspect (&(CertOrder){ ORDER_P256, RAW ("\x0c\x05" "a@b/c") }, "xmppAddr");
  inspect (&(CertOrder){ ORDER_P256, RAW ("\x0c\x03" "a\nb") }, "xmppAddr");
  inspect (&(CertOrder){ ORDER_P256, RAW ("\x0c\x02" "a@") }, "xmppAddr");
}

static void
test_peer_dates (void)
{
  static const struct {
    gint64 from, until;
    gboolean expired;
  } table[] = { { -2, 86400, FALSE }, { -86400, -60, TRUE }, { 3600, 7200, TRUE } };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      CertOrder order = { ORDER_P256, .addr = ADDR, .from = table[i].from, .until = table[i].until };
      gnutls_datum_t der;
      Fingerprint fp;
      gboolean expired = !table[i].expired;
      make_der (&order, &der, NULL);
      g_assert_true (certificate_inspect (&der, &fp, &expired, NULL));
      g_assert_cmpint (expired, ==, table[i].expired);
      gnutls_free (der.data);
    }
}

static void
test_same_key_new_cert (void)
{
  CertOrder order = { ORDER_P256, .addr = ADDR }, other = { ORDER_P256, .addr = "new@name", .until = 999999 };
  gnutls_x509_privkey_t key = make_key (&order);
  gnutls_x509_crt_t certs[2] = { make_cert (&order, key), make_cert (&other, key) };
  Fingerprint fps[2];

  for (guint i = 0; i < 2; i++)
    {
      gnutls_datum_t der;
      gboolean expired;
      gnutls_x509_crt_export2 (certs[i], GNUTLS_X509_FMT_DER, &der);
      g_assert_true (certificate_inspect (&der, &fps[i], &expired, NULL));
      gnutls_free (der.data);
      gnutls_x509_crt_deinit (certs[i]);
    }
  g_assert_true (fingerprint_equal (&fps[0], &fps[1]));
  gnutls_x509_privkey_deinit (key);
}

static void
test_fuzzed (void)
{
  CertOrder order = { ORDER_P256, .addr = ADDR };
  gnutls_datum_t der;
  guint accepted = 0;

  make_der (&order, &der, NULL);
  for (guint i = 0; i < 3000; i++)
    {
      g_autofree guint8 *bytes = g_memdup2 (der.data, der.size);
      gnutls_datum_t bent = { bytes, g_test_rand_int_range (0, 10) == 0 ? (guint) g_test_rand_int_range (0, der.size) : der.size };
      Fingerprint fp;
      gboolean expired;
      for (int n = g_test_rand_int_range (1, 4); n > 0; n--)
        bytes[g_test_rand_int_range (0, der.size)] = g_test_rand_int_range (0, 256);
      accepted += certificate_inspect (&bent, &fp, &expired, NULL);
    }
  g_test_message ("%u of 3000 bent certificates read", accepted);
  g_assert_false (certificate_inspect (&(gnutls_datum_t){ NULL, 0 }, &(Fingerprint){ 0 }, &(gboolean){ 0 }, NULL));
  gnutls_free (der.data);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/identity/T-01-created-as-the-sheet-says", test_created);
  g_test_add_func ("/identity/T-02-peer-keys-and-signatures", test_peer_keys);
  g_test_add_func ("/identity/T-02-peer-names", test_peer_names);
  g_test_add_func ("/identity/T-03-fingerprint-is-the-spki-hash", test_fingerprint_is_spki);
  g_test_add_func ("/identity/T-03-renewal-keeps-the-key", test_renewal);
  g_test_add_func ("/identity/T-04-new-name-same-key", test_same_key_new_cert);
  g_test_add_func ("/identity/T-05-dates-are-told-not-judged", test_peer_dates);
  g_test_add_func ("/identity/X-01-fuzzed-certificates", test_fuzzed);
  g_test_add_func ("/identity/loaded-again-under-another-name", test_loaded_again);
  g_test_add_func ("/identity/key-without-certificate", test_key_without_cert);
  g_test_add_func ("/identity/key-is-never-replaced", test_key_is_never_replaced);
  g_test_add_func ("/identity/bad-address", test_bad_addr);
  g_test_add_func ("/identity/issued-by-somebody-else", test_issued);
  return g_test_run ();
}
