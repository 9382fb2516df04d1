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
#define SECRET "AAECAwQFBgcICQoLDA0ODw"
#define ONCE ";s=" SECRET ";x=1800000000"
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

/* Where to find her, the secret, or both; nothing is lost on the way. */
static void
test_good_invites (void)
{
  static const struct {
    const char *endpoints, *text;
    gboolean one_time;
  } good[] = {
    { "192.0.2.7:5298", "xmpp:juliet@pronto" TAIL ";e=192.0.2.7%3A5298", FALSE },
    { NULL, "xmpp:juliet@pronto" TAIL ONCE, TRUE },
    { "192.0.2.7:5298 [2001:db8::7]:1 [fe80::1]:65535 pronto.local:5298",
      "xmpp:juliet@pronto" TAIL ";e=192.0.2.7%3A5298,%5B2001%3Adb8%3A%3A7%5D%3A1,%5Bfe80%3A%3A1%5D%3A65535,pronto.local%3A5298" ONCE, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_auto (GStrv) endpoints = good[i].endpoints != NULL ? g_strsplit (good[i].endpoints, " ", -1) : NULL;
      g_auto (TrustUri) uri = { 0 };
      g_autoptr (GError) error = NULL;
      g_autofree char *again = NULL, *joined = NULL;

      g_assert_true (trust_uri_parse (good[i].text, strlen (good[i].text), &uri, &error));
      g_assert_no_error (error);
      g_assert_true (uri.one_time == good[i].one_time);
      joined = uri.endpoints != NULL ? g_strjoinv (" ", uri.endpoints) : NULL;
      g_assert_cmpstr (joined, ==, good[i].endpoints);
      for (guint8 byte = 0; byte < TRUST_URI_SECRET_BYTES; byte++)
        g_assert_cmpuint (uri.secret[byte], ==, uri.one_time ? byte : 0);
      g_assert_cmpint (uri.expires, ==, uri.one_time ? 1800000000 : 0);
      again = trust_uri_write (&uri);
      g_assert_cmpstr (again, ==, good[i].text);
    }
}

/* What has no spelling is not written either. */
static void
test_bad_invites (void)
{
  static const char *const endpoints[] = { "127.0.0.1:5298", "[FE80::1]:5298", "host", "host:0", "a:1 a:1",
                                           "a:1 a:2 a:3 a:4 a:5 a:6 a:7 a:8 a:9" };
  TrustUri uri = { .addr = (char *) "juliet@pronto", .one_time = TRUE };
  g_autofree char *good = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (endpoints); i++)
    {
      g_auto (GStrv) list = g_strsplit (endpoints[i], " ", -1);

      uri.endpoints = list;
      uri.expires = 1;
      g_assert_null (trust_uri_write (&uri));
    }
  uri.endpoints = NULL;
  uri.expires = 0;
  g_assert_null (trust_uri_write (&uri));
  uri.expires = TRUST_URI_EXPIRES_MAX + 1;
  g_assert_null (trust_uri_write (&uri));
  uri.expires = TRUST_URI_EXPIRES_MAX;
  good = trust_uri_write (&uri);
  g_assert_nonnull (good);
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
  { "endpoint-behind-the-secret", "xmpp:juliet@pronto" TAIL ONCE ";e=192.0.2.7%3A5298" },
  { "endpoint-before-the-key", "xmpp:juliet@pronto?trust-message;" ENCRYPTION ";e=192.0.2.7%3A5298;trust=" HEX },
  { "endpoints-twice", "xmpp:juliet@pronto" TAIL ";e=192.0.2.7%3A5298;e=192.0.2.8%3A5298" },
  { "endpoint-empty", "xmpp:juliet@pronto" TAIL ";e=" },
  { "endpoint-and-nothing", "xmpp:juliet@pronto" TAIL ";e=192.0.2.7%3A5298," },
  { "endpoint-named-twice", "xmpp:juliet@pronto" TAIL ";e=192.0.2.7%3A5298,192.0.2.7%3A5298" },
  { "endpoint-not-escaped", "xmpp:juliet@pronto" TAIL ";e=192.0.2.7:5298" },
  { "endpoint-escaped-in-small", "xmpp:juliet@pronto" TAIL ";e=192.0.2.7%3a5298" },
  { "endpoint-comma-escaped", "xmpp:juliet@pronto" TAIL ";e=192.0.2.7%3A5298%2C192.0.2.8%3A5298" },
  { "endpoint-this-host", "xmpp:juliet@pronto" TAIL ";e=127.0.0.1%3A5298" },
  { "endpoint-this-host-in-short", "xmpp:juliet@pronto" TAIL ";e=127.1%3A5298" },
  { "endpoint-this-host-in-another-coat", "xmpp:juliet@pronto" TAIL ";e=%5B%3A%3Affff%3A127.0.0.1%5D%3A5298" },
  { "endpoint-nobody", "xmpp:juliet@pronto" TAIL ";e=%5B%3A%3A%5D%3A5298" },
  { "endpoint-everybody", "xmpp:juliet@pronto" TAIL ";e=%5Bff02%3A%3A1%5D%3A5298" },
  { "endpoint-with-a-link", "xmpp:juliet@pronto" TAIL ";e=%5Bfe80%3A%3A1%25eth0%5D%3A5298" },
  { "endpoint-in-capitals", "xmpp:juliet@pronto" TAIL ";e=%5BFE80%3A%3A1%5D%3A5298" },
  { "endpoint-with-newline", "xmpp:juliet@pronto" TAIL ";e=host%0A%3A5298" },
  { "endpoint-with-nul", "xmpp:juliet@pronto" TAIL ";e=host%00%3A5298" },
  { "nine-endpoints", "xmpp:juliet@pronto" TAIL ";e=a%3A1,a%3A2,a%3A3,a%3A4,a%3A5,a%3A6,a%3A7,a%3A8,a%3A9" },
  { "secret-without-expiry", "xmpp:juliet@pronto" TAIL ";s=" SECRET },
  { "expiry-without-secret", "xmpp:juliet@pronto" TAIL ";x=1800000000" },
  { "expiry-before-the-secret", "xmpp:juliet@pronto" TAIL ";x=1800000000;s=" SECRET },
  { "secret-twice", "xmpp:juliet@pronto" TAIL ";s=" SECRET ONCE },
  { "secret-short", "xmpp:juliet@pronto" TAIL ";s=AAECAwQFBgcICQoLDA0OD;x=1800000000" },
  { "secret-long", "xmpp:juliet@pronto" TAIL ";s=" SECRET "A;x=1800000000" },
  { "secret-padded", "xmpp:juliet@pronto" TAIL ";s=" SECRET "==;x=1800000000" },
  { "secret-other-last-bits", "xmpp:juliet@pronto" TAIL ";s=AAECAwQFBgcICQoLDA0ODx;x=1800000000" },
  { "secret-other-alphabet", "xmpp:juliet@pronto" TAIL ";s=++++++++++++++++++++++;x=1800000000" },
  { "secret-no-base64", "xmpp:juliet@pronto" TAIL ";s=!!!!!!!!!!!!!!!!!!!!!!;x=1800000000" },
  { "secret-empty", "xmpp:juliet@pronto" TAIL ";s=;x=1800000000" },
  { "expiry-empty", "xmpp:juliet@pronto" TAIL ";s=" SECRET ";x=" },
  { "expiry-zero", "xmpp:juliet@pronto" TAIL ";s=" SECRET ";x=0" },
  { "expiry-negative", "xmpp:juliet@pronto" TAIL ";s=" SECRET ";x=-1" },
  { "expiry-with-zeros", "xmpp:juliet@pronto" TAIL ";s=" SECRET ";x=01800000000" },
  { "expiry-with-sign", "xmpp:juliet@pronto" TAIL ";s=" SECRET ";x=+1800000000" },
  { "expiry-beyond-the-years", "xmpp:juliet@pronto" TAIL ";s=" SECRET ";x=253402300800" },
  { "expiry-beyond-64-bits", "xmpp:juliet@pronto" TAIL ";s=" SECRET ";x=18446744073709551617" },
  { "something-behind-an-invite", "xmpp:juliet@pronto" TAIL ONCE ";y=1" },
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
  {
    g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
    g_auto (GStrv) endpoints = NULL;
    g_autofree char *invite = NULL;
    TrustUri whole = { .addr = addr->str, .fp = fp, .one_time = TRUE, .expires = TRUST_URI_EXPIRES_MAX };

    for (guint i = 0; i < TRUST_URI_ENDPOINTS_MAX; i++)
      {
        g_autofree char *host = g_strnfill (31, 'a'), *endpoint = g_strdup_printf ("%s.%s%d:65535", host, host, (int) i);

        g_strv_builder_add (builder, endpoint);
      }
    whole.endpoints = endpoints = g_strv_builder_end (builder);
    invite = trust_uri_write (&whole);
    g_assert_nonnull (invite);
    g_assert_cmpuint (strlen (invite), <=, TRUST_URI_MAX);
    g_assert_true (trust_uri_parse (invite, strlen (invite), &uri, &error));
    trust_uri_clear (&uri);
  }
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
  g_test_add_func ("/trust-uri/invites", test_good_invites);
  g_test_add_func ("/trust-uri/T-17-no-invite-is-written-that-is-not-read", test_bad_invites);
  g_test_add_func ("/trust-uri/T-17-strict", test_bad);
  g_test_add_func ("/trust-uri/T-17-every-byte-counts", test_every_byte);
  g_test_add_func ("/trust-uri/T-17-bounds", test_bounds);
  return g_test_run ();
}
