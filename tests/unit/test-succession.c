/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Succession statements on paper (docs/protocol.md 3.5, T-13): one spelling is right, and each deviation is refused.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/succession.h"

#define NEW "10010203f4f5f6f708090a0bfcfdfeff101112131415161718191a1b1c1d1e1f"
#define SPKI "c3BraSBvZiB0aGUgb2xkIGtleQ==" /* "spki of the old key" */
#define SIG "c2lnbmF0dXJl"

static char *
old_hex (void)
{
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, "spki of the old key", -1);
}

static Stanza *
good_stanza (void)
{
  Stanza *element = stanza_new ("succession", NS_LL_TRUST);
  g_autofree char *old = old_hex ();

  stanza_set_attr (element, "old", old);
  stanza_set_attr (element, "new", NEW);
  stanza_set_attr (element, "alg", "ecdsa-p256-sha256");
  stanza_set_attr (element, "spki", SPKI);
  stanza_set_attr (element, "sig", SIG);
  return element;
}

static void
test_good (void)
{
  g_autoptr (Stanza) element = good_stanza ();
  g_autoptr (Stanza) again = NULL;
  g_auto (Succession) succession = { .spki = NULL };
  g_autofree char *new = NULL;

  g_assert_true (succession_parse (element, &succession));
  new = fingerprint_to_hex (&succession.new_fp);
  g_assert_cmpstr (new, ==, NEW);
  g_assert_cmpint (succession.alg, ==, SUCCESSION_ECDSA_P256_SHA256);
  g_assert_cmpmem (g_bytes_get_data (succession.spki, NULL), g_bytes_get_size (succession.spki), "spki of the old key", 19);
  g_assert_cmpmem (g_bytes_get_data (succession.signature, NULL), g_bytes_get_size (succession.signature), "signature", 9);
  again = succession_to_stanza (&succession);
  g_assert_true (stanza_equal (element, again));
}

static void
test_algorithms (void)
{
  static const char *const known[] = { "ecdsa-p256-sha256", "ecdsa-p384-sha384", "ed25519", "rsa-pss-sha256" };
  static const char *const unknown[] = { "", "none", "ECDSA-P256-SHA256", "ecdsa-p256-sha1", "rsa-sha256", "ecdsa-p256-sha256 ",
                                         "ecdsa-p521-sha512", "dsa-sha256" };

  for (guint i = 0; i < SUCCESSION_N_ALGS; i++)
    {
      g_autoptr (Stanza) element = good_stanza ();
      g_auto (Succession) succession = { .spki = NULL };

      stanza_set_attr (element, "alg", known[i]);
      g_assert_true (succession_parse (element, &succession));
      g_assert_cmpstr (succession_alg_to_string (succession.alg), ==, known[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (unknown); i++)
    {
      g_autoptr (Stanza) element = good_stanza ();
      Succession succession = { .spki = NULL };

      stanza_set_attr (element, "alg", unknown[i]);
      g_assert_false (succession_parse (element, &succession));
      g_assert_null (succession.spki);
    }
  g_assert_null (succession_alg_to_string (SUCCESSION_N_ALGS));
}

/* The bytes are the sheet's, so that nothing else that an old key ever signed can be one of these. */
static void
test_signed_bytes (void)
{
  Fingerprint a, b;
  guint8 out[SUCCESSION_SIGNED_BYTES];

  memset (a.bytes, 0xaa, sizeof a.bytes);
  memset (b.bytes, 0xbb, sizeof b.bytes);
  succession_get_signed (&a, &b, out);
  g_assert_cmpmem (out, 17, "LL succession v1\0", 17);
  g_assert_cmpmem (out + 17, 32, a.bytes, 32);
  g_assert_cmpmem (out + 49, 32, b.bytes, 32);
}

static const struct
{
  const char *name, *attribute, *value;
} bad[] = {
  { "no-old", "old", NULL },
  { "no-new", "new", NULL },
  { "no-alg", "alg", NULL },
  { "no-key", "spki", NULL },
  { "no-signature", "sig", NULL },
  { "new-in-capitals", "new", "10010203F4F5F6F708090A0BFCFDFEFF101112131415161718191A1B1C1D1E1F" },
  { "new-short", "new", "10010203f4f5f6f708090a0bfcfdfeff101112131415161718191a1b1c1d1e" },
  { "new-with-blanks", "new", "10010203 f4f5f6f7 08090a0b fcfdfeff 10111213 14151617 18191a1b 1c1d1e1f" },
  { "new-empty", "new", "" },
  { "old-of-another-key", "old", NEW },
  { "key-of-another", "spki", "c3BraSBvZiBhbm90aGVyIGtleQ==" },
  { "key-empty", "spki", "" },
  { "key-without-padding", "spki", "c3BraSBvZiB0aGUgb2xkIGtleQ" },
  { "key-with-loose-bits", "spki", "c3BraSBvZiB0aGUgb2xkIGtleR==" },
  { "key-with-a-blank", "spki", "c3BraSBvZiB0aGUg b2xkIGtleQ==" },
  { "key-with-more-behind", "spki", "c3BraSBvZiB0aGUgb2xkIGtleQ==AAAA" },
  { "signature-empty", "sig", "" },
  { "signature-no-base64", "sig", "*" },
  { "signature-base64url", "sig", "__-_" },
  { "something-more", "until", "2030" },
};

static void
test_bad (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  g_autoptr (Stanza) element = good_stanza ();
  Succession succession = { .spki = NULL };

  stanza_set_attr (element, bad[i].attribute, bad[i].value);
  g_assert_false (succession_parse (element, &succession));
  g_assert_null (succession.spki);
  g_assert_null (succession.signature);
}

static void
test_other_elements (void)
{
  g_autofree char *old = old_hex ();
  Succession succession = { .spki = NULL };
  g_autoptr (Stanza) text = good_stanza ();
  g_autoptr (Stanza) child = good_stanza ();
  g_autoptr (Stanza) foreign = good_stanza ();
  g_autoptr (Stanza) other_name = stanza_new ("successor", NS_LL_TRUST);
  g_autoptr (Stanza) other_ns = stanza_new ("succession", NS_LL_SAS);

  stanza_add_text (text, " ");
  g_assert_false (succession_parse (text, &succession));
  stanza_add_new (child, "succession", NS_LL_TRUST, NULL);
  g_assert_false (succession_parse (child, &succession));
  /* An attribute of another namespace is not ours, whatever its name; and it is one too many. */
  stanza_set_attr (foreign, "sig", NULL);
  stanza_set_attr_ns (foreign, "sig", "urn:x", SIG);
  g_assert_false (succession_parse (foreign, &succession));
  g_assert_false (succession_parse (other_name, &succession));
  g_assert_false (succession_parse (other_ns, &succession));
  /* A key that takes its own place says nothing. */
  g_assert_false (succession_from_words (old, old, "ed25519", SPKI, SIG, &succession));
}

static void
test_sizes (void)
{
  g_autofree guint8 *bytes = g_malloc0 (SUCCESSION_SPKI_MAX + 1);
  g_autofree char *most = g_base64_encode (bytes, SUCCESSION_SPKI_MAX);
  g_autofree char *more = g_base64_encode (bytes, SUCCESSION_SPKI_MAX + 1);
  g_autofree char *most_hash = g_compute_checksum_for_data (G_CHECKSUM_SHA256, bytes, SUCCESSION_SPKI_MAX);
  g_autofree char *more_hash = g_compute_checksum_for_data (G_CHECKSUM_SHA256, bytes, SUCCESSION_SPKI_MAX + 1);
  g_autofree char *sig_most = g_base64_encode (bytes, SUCCESSION_SIGNATURE_MAX);
  g_autofree char *sig_more = g_base64_encode (bytes, SUCCESSION_SIGNATURE_MAX + 1);
  g_auto (Succession) succession = { .spki = NULL };

  g_assert_false (succession_from_words (more_hash, NEW, "ed25519", more, sig_most, &succession));
  g_assert_false (succession_from_words (most_hash, NEW, "ed25519", most, sig_more, &succession));
  g_assert_true (succession_from_words (most_hash, NEW, "ed25519", most, sig_most, &succession));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/succession/T-13-good", test_good);
  g_test_add_func ("/succession/closed-list-of-algorithms", test_algorithms);
  g_test_add_func ("/succession/signed-bytes", test_signed_bytes);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *path = g_strconcat ("/succession/refused/", bad[i].name, NULL);

      g_test_add_data_func (path, GUINT_TO_POINTER (i), test_bad);
    }
  g_test_add_func ("/succession/refused/other-elements", test_other_elements);
  g_test_add_func ("/succession/bounded", test_sizes);
  return g_test_run ();
}
