/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Links to keys (docs/protocol.md 3.6): one spelling is right, and each deviation is refused.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/error.h"
#include "daemon/proto/trust-uri.h"

#define HEX "00010203f4f5f6f708090a0bfcfdfeff101112131415161718191a1b1c1d1e1f"
#define OTHER "10010203f4f5f6f708090a0bfcfdfeff101112131415161718191a1b1c1d1e1f"
#define ENCRYPTION "encryption=im.earshot%3Atls%3A0"
#define TAIL "?trust-message;" ENCRYPTION ";trust=" HEX

static void
test_good (void)
{
  static const struct {
    const char *addr, *text;
  } good[] = {
    { "juliet@pronto", "xmpp:juliet@pronto" TAIL },
    { "Juliet.C-1_~@pronto", "xmpp:Juliet.C-1_~@pronto" TAIL },
    { "juliet\\20capulet@pronto", "xmpp:juliet%5C20capulet@pronto" TAIL },
    { "j\xc3\xbclie@pronto", "xmpp:j%C3%BClie@pronto" TAIL },
    { "a?b;c=d#e&f+g(h)@pronto", "xmpp:a%3Fb%3Bc%3Dd%23e%26f%2Bg%28h%29@pronto" TAIL },
  };
  Fingerprint fp;

  g_assert_true (fingerprint_from_hex (HEX, &fp));
  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_auto (TrustUri) uri = { 0 };
      g_autoptr (GError) error = NULL;
      g_autofree char *made = trust_uri_format (good[i].addr, &fp);

      g_assert_cmpstr (made, ==, good[i].text);
      g_assert_true (trust_uri_parse (made, strlen (made), &uri, &error));
      g_assert_no_error (error);
      g_assert_cmpstr (uri.addr, ==, good[i].addr);
      g_assert_true (fingerprint_equal (&uri.fp, &fp));
    }
}

static const struct {
  const char *name, *text;
} bad[] = {
  { "empty", "" },
  { "scheme-only", "xmpp:" },
  { "no-scheme", "juliet@pronto" TAIL },
  { "other-scheme", "sip:juliet@pronto" TAIL },
  { "scheme-in-capitals", "XMPP:juliet@pronto" TAIL },
  { "authority", "xmpp://juliet@pronto" TAIL },
  { "empty-authority", "xmpp:///juliet@pronto" TAIL },
  { "no-query", "xmpp:juliet@pronto" },
  { "empty-query", "xmpp:juliet@pronto?" },
  { "other-action", "xmpp:juliet@pronto?message;" ENCRYPTION ";trust=" HEX },
  { "action-in-capitals", "xmpp:juliet@pronto?Trust-Message;" ENCRYPTION ";trust=" HEX },
  { "action-escaped", "xmpp:juliet@pronto?trust%2Dmessage;" ENCRYPTION ";trust=" HEX },
  { "action-longer", "xmpp:juliet@pronto?trust-messages;" ENCRYPTION ";trust=" HEX },
  { "action-alone", "xmpp:juliet@pronto?trust-message" },
  { "action-empty", "xmpp:juliet@pronto?trust-message;" },
  { "ampersands", "xmpp:juliet@pronto?trust-message&" ENCRYPTION "&trust=" HEX },
  { "no-key", "xmpp:juliet@pronto?trust-message;" ENCRYPTION },
  { "empty-key", "xmpp:juliet@pronto?trust-message;" ENCRYPTION ";trust=" },
  { "no-encryption", "xmpp:juliet@pronto?trust-message;trust=" HEX },
  { "omemo", "xmpp:juliet@pronto?trust-message;encryption=urn%3Axmpp%3Aomemo%3A2;trust=" HEX },
  { "omemo-fingerprint", "xmpp:juliet@pronto?omemo-sid-7=" HEX },
  { "encryption-not-escaped", "xmpp:juliet@pronto?trust-message;encryption=im.earshot:tls:0;trust=" HEX },
  { "encryption-escaped-in-small", "xmpp:juliet@pronto?trust-message;encryption=im.earshot%3atls%3a0;trust=" HEX },
  { "encryption-escaped-more", "xmpp:juliet@pronto?trust-message;encryption=%69m.earshot%3Atls%3A0;trust=" HEX },
  { "encryption-next-version", "xmpp:juliet@pronto?trust-message;encryption=im.earshot%3Atls%3A1;trust=" HEX },
  { "encryption-twice", "xmpp:juliet@pronto?trust-message;" ENCRYPTION ";" ENCRYPTION ";trust=" HEX },
  { "other-order", "xmpp:juliet@pronto?trust-message;trust=" HEX ";" ENCRYPTION },
  { "two-keys", "xmpp:juliet@pronto" TAIL ";trust=" OTHER },
  { "one-key-twice", "xmpp:juliet@pronto" TAIL ";trust=" HEX },
  { "distrust", "xmpp:juliet@pronto?trust-message;" ENCRYPTION ";distrust=" HEX },
  { "trust-and-distrust", "xmpp:juliet@pronto" TAIL ";distrust=" OTHER },
  { "unknown-parameter", "xmpp:juliet@pronto" TAIL ";petname=nurse" },
  { "unknown-before", "xmpp:juliet@pronto?trust-message;v=1;" ENCRYPTION ";trust=" HEX },
  { "endpoints-of-an-invite", "xmpp:juliet@pronto" TAIL ";e=192.0.2.7%3A5298" },
  { "many-parameters", "xmpp:juliet@pronto" TAIL ";a=1;b=2;c=3;d=4;e=5" },
  { "parameter-without-value", "xmpp:juliet@pronto" TAIL ";trust" },
  { "empty-parameter", "xmpp:juliet@pronto" TAIL ";" },
  { "name-in-capitals", "xmpp:juliet@pronto?trust-message;" ENCRYPTION ";Trust=" HEX },
  { "name-escaped", "xmpp:juliet@pronto?trust-message;" ENCRYPTION ";%74rust=" HEX },
  { "key-in-capitals", "xmpp:juliet@pronto?trust-message;" ENCRYPTION ";trust=00010203F4F5F6F708090A0BFCFDFEFF101112131415161718191A1B1C1D1E1F" },
  { "key-one-capital", "xmpp:juliet@pronto?trust-message;" ENCRYPTION ";trust=00010203F4f5f6f708090a0bfcfdfeff101112131415161718191a1b1c1d1e1f" },
  { "key-short", "xmpp:juliet@pronto?trust-message;" ENCRYPTION ";trust=00010203f4f5f6f708090a0bfcfdfeff101112131415161718191a1b1c1d1e" },
  { "key-long", "xmpp:juliet@pronto" TAIL "00" },
  { "key-odd", "xmpp:juliet@pronto" TAIL "0" },
  { "key-with-separators", "xmpp:juliet@pronto?trust-message;" ENCRYPTION ";trust=00010203-f4f5f6f7-08090a0b-fcfdfeff-10111213-14151617-18191a1b-1c1d1e1f" },
  { "key-escaped", "xmpp:juliet@pronto?trust-message;" ENCRYPTION ";trust=%30" "0010203f4f5f6f708090a0bfcfdfeff101112131415161718191a1b1c1d1e1f" },
  { "key-no-hex", "xmpp:juliet@pronto?trust-message;" ENCRYPTION ";trust=g0010203f4f5f6f708090a0bfcfdfeff101112131415161718191a1b1c1d1e1f" },
  { "key-of-blanks", "xmpp:juliet@pronto?trust-message;" ENCRYPTION ";trust=----------------------------------------------------------------" },
  { "fragment", "xmpp:juliet@pronto" TAIL "#x" },
  { "empty-fragment", "xmpp:juliet@pronto" TAIL "#" },
  { "second-query", "xmpp:juliet@pronto" TAIL "?trust=" OTHER },
  { "space-before", " xmpp:juliet@pronto" TAIL },
  { "space-behind", "xmpp:juliet@pronto" TAIL " " },
  { "newline-behind", "xmpp:juliet@pronto" TAIL "\n" },
  { "tab-within", "xmpp:juliet@pronto?trust-message;\t" ENCRYPTION ";trust=" HEX },
  { "delete", "xmpp:juliet\x7f@pronto" TAIL },
  { "raw-utf8", "xmpp:j\xc3\xbclie@pronto" TAIL },
  { "no-user", "xmpp:@pronto" TAIL },
  { "no-machine", "xmpp:juliet@" TAIL },
  { "no-at", "xmpp:pronto" TAIL },
  { "no-address", "xmpp:" TAIL },
  { "two-ats", "xmpp:juliet@a@pronto" TAIL },
  { "at-escaped", "xmpp:juliet%40pronto" TAIL },
  { "two-ats-one-escaped", "xmpp:juliet%40a@pronto" TAIL },
  { "resource", "xmpp:juliet@pronto/balcony" TAIL },
  { "resource-escaped", "xmpp:juliet@pronto%2Fbalcony" TAIL },
  { "escaped-needlessly", "xmpp:%6Auliet@pronto" TAIL },
  { "escaped-in-small", "xmpp:j%c3%bclie@pronto" TAIL },
  { "not-escaped", "xmpp:a;b@pronto" TAIL },
  { "escape-cut", "xmpp:juliet%@pronto" TAIL },
  { "escape-cut-at-the-end", "xmpp:juliet@pronto%" TAIL },
  { "escape-no-hex", "xmpp:juliet%G1@pronto" TAIL },
  { "escape-twice", "xmpp:j%25C3%25BClie%2540x%00@pronto" TAIL },
  { "escaped-nul", "xmpp:juliet%00@pronto" TAIL },
  { "escaped-newline", "xmpp:juliet%0A@pronto" TAIL },
  { "escaped-escape", "xmpp:juliet%1B%5B31m@pronto" TAIL },
  { "escaped-half-a-character", "xmpp:juliet%C3@pronto" TAIL },
  { "escaped-overlong", "xmpp:juliet%C0%80@pronto" TAIL },
  { "escaped-surrogate", "xmpp:juliet%ED%A0%80@pronto" TAIL },
  { "machine-not-ascii", "xmpp:juliet@pr%C3%B6nto" TAIL },
  { "address-too-long", "xmpp:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b" TAIL },
};

static void
assert_refused (const char *name, const char *text, gsize length)
{
  TrustUri uri = { .addr = (char *) "untouched" };
  g_autoptr (GError) error = NULL;

  if (trust_uri_parse (text, length, &uri, &error))
    g_error ("%s was taken", name);
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpstr (uri.addr, ==, "untouched");
}

static void
test_bad (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    assert_refused (bad[i].name, bad[i].text, strlen (bad[i].text));
}

/* Whatever single byte is changed, taken or added: another link, or none. */
static void
test_every_byte (void)
{
  static const char text[] = "xmpp:j%C3%BClie@pronto" TAIL;
  const gsize length = sizeof text - 1;

  for (gsize at = 0; at <= length; at++)
    {
      g_autofree char *shorter = g_strdup (text);

      if (at < length)
        {
          memmove (shorter + at, shorter + at + 1, length - at);
          if (at < 5 || at > 22)
            assert_refused ("one byte less", shorter, length - 1);
        }
      for (guint byte = 0; byte < 256; byte++)
        {
          g_autofree char *longer = g_strconcat (text, "x", NULL);
          g_auto (TrustUri) uri = { 0 };

          memmove (longer + at + 1, text + at, length - at);
          longer[at] = (char) byte;
          /* Within the address another letter is another name; nowhere else. */
          if (trust_uri_parse (longer, length + 1, &uri, NULL))
            {
              g_autofree char *again = trust_uri_format (uri.addr, &uri.fp);

              g_assert_cmpuint (at, >=, 5);
              g_assert_cmpuint (at, <=, 22);
              g_assert_cmpuint (strlen (again), ==, length + 1);
              g_assert_cmpint (memcmp (again, longer, length + 1), ==, 0);
            }
        }
    }
}

static void
test_bounds (void)
{
  static const char nul[] = "xmpp:juliet@pronto" TAIL "\0;trust=" OTHER;
  g_autofree char *huge = g_strnfill (10000000, 'a');
  g_autofree char *longest = NULL;
  g_autoptr (GString) addr = g_string_new (NULL);
  g_auto (TrustUri) uri = { 0 };
  g_autoptr (GError) error = NULL;
  Fingerprint fp = { { 255 } };

  assert_refused ("NUL behind", nul, sizeof nul - 1);
  assert_refused ("the NUL itself", nul, strlen (nul) + 1);
  assert_refused ("cut", nul, strlen (nul) - 1);
  memcpy (huge, "xmpp:", 5);
  assert_refused ("huge", huge, 10000000);
  while (addr->len < 61)
    g_string_append (addr, "=");
  g_string_append (addr, "@h");
  longest = trust_uri_format (addr->str, &fp);
  g_assert_nonnull (longest);
  g_assert_cmpuint (strlen (longest), <=, TRUST_URI_MAX);
  g_assert_true (trust_uri_parse (longest, strlen (longest), &uri, &error));
  g_assert_cmpstr (uri.addr, ==, addr->str);
  /* No link for what is no address. */
  g_assert_null (trust_uri_format ("", &fp));
  g_assert_null (trust_uri_format ("juliet", &fp));
  g_assert_null (trust_uri_format ("juliet@pronto/balcony", &fp));
  g_assert_null (trust_uri_format ("jul\niet@pronto", &fp));
  g_assert_null (trust_uri_format ("\xff@pronto", &fp));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/trust-uri/round-trip", test_good);
  g_test_add_func ("/trust-uri/T-17-strict", test_bad);
  g_test_add_func ("/trust-uri/T-17-every-byte-counts", test_every_byte);
  g_test_add_func ("/trust-uri/T-17-bounds", test_bounds);
  return g_test_run ();
}
