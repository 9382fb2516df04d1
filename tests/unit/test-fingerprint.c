/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/fingerprint.h"

#define HEX "00010203f4f5f6f7" "08090a0bfcfdfeff" "1011121314151617" "18191a1b1c1d1e1f"

static Fingerprint
sample (void)
{
  Fingerprint fp;

  g_assert_true (fingerprint_from_hex (HEX, &fp));
  return fp;
}

static void
test_spellings (void)
{
  Fingerprint fp = sample (), back;
  g_autofree char *hex = fingerprint_to_hex (&fp);
  g_autofree char *display = fingerprint_to_display (&fp);
  g_autofree char *url = fingerprint_to_base64url (&fp);

  g_assert_cmpstr (hex, ==, HEX);
  g_assert_cmpstr (display, ==, "00010203 f4f5f6f7 08090a0b fcfdfeff 10111213 14151617 18191a1b 1c1d1e1f");
  g_assert_cmpuint (strlen (url), ==, 43);
  g_assert_cmpstr (url, ==, "AAECA_T19vcICQoL_P3-_xAREhMUFRYXGBkaGxwdHh8");
  g_assert_true (fingerprint_from_base64url (url, 43, &back));
  g_assert_true (fingerprint_equal (&fp, &back));
  g_assert_true (fingerprint_from_hex (display, &back));
  g_assert_true (fingerprint_equal (&fp, &back));
}

static void
test_hex_as_people_type_it (void)
{
  Fingerprint fp = sample (), back;
  g_autofree char *upper = g_ascii_strup (HEX, -1);
  g_autoptr (GString) colons = g_string_new (NULL);

  for (guint i = 0; i < 64; i += 2)
    g_string_append_printf (colons, "%s%.2s", i > 0 ? ":" : "", HEX + i);
  g_assert_true (fingerprint_from_hex (upper, &back));
  g_assert_true (fingerprint_equal (&fp, &back));
  g_assert_true (fingerprint_from_hex (colons->str, &back));
  g_assert_true (fingerprint_equal (&fp, &back));
}

static void
test_bad_hex (void)
{
  static const char *const bad[] = { "", " ", "00", HEX "0", HEX "00", " " HEX, HEX " ", ":" HEX, "0x" HEX, HEX "\n" };
  Fingerprint fp = sample (), untouched = sample ();
  g_autofree char *letter = g_strdup (HEX);
  g_autofree char *missing = g_strndup (HEX, 63);

  letter[5] = 'g';
  g_assert_false (fingerprint_from_hex (NULL, &fp));
  g_assert_false (fingerprint_from_hex (letter, &fp));
  g_assert_false (fingerprint_from_hex (missing, &fp));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (fingerprint_from_hex (bad[i], &fp));
  g_assert_true (fingerprint_equal (&fp, &untouched));
}

static void
test_bad_base64url (void)
{
  Fingerprint fp = sample (), untouched = sample ();
  g_autofree char *url = fingerprint_to_base64url (&fp);
  g_autofree char *padded = g_strconcat (url, "=", NULL);
  static const char wrong[] = "+/=\n. ";

  g_assert_false (fingerprint_from_base64url (NULL, 43, &fp));
  g_assert_false (fingerprint_from_base64url (url, 42, &fp));
  g_assert_false (fingerprint_from_base64url (padded, 44, &fp));
  for (guint i = 0; i < sizeof wrong; i++) /* the last one is the NUL */
    {
      g_autofree char *copy = g_strdup (url);

      copy[20] = wrong[i];
      g_assert_false (fingerprint_from_base64url (copy, 43, &fp));
    }
  /* One key, one spelling: bits behind the last byte must be zero. */
  url[42] = '9';
  g_assert_false (fingerprint_from_base64url (url, 43, &fp));
  g_assert_true (fingerprint_equal (&fp, &untouched));
}

static void
test_order (void)
{
  Fingerprint a = sample (), b = sample ();

  g_assert_cmpint (fingerprint_compare (&a, &b), ==, 0);
  g_assert_cmpuint (fingerprint_hash (&a), ==, fingerprint_hash (&b));
  b.bytes[31]++;
  g_assert_cmpint (fingerprint_compare (&a, &b), <, 0);
  a.bytes[0] = 0x80; /* unsigned */
  g_assert_cmpint (fingerprint_compare (&a, &b), >, 0);
  g_assert_false (fingerprint_equal_func (&a, &b));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/fingerprint/spellings", test_spellings);
  g_test_add_func ("/fingerprint/hex-as-people-type-it", test_hex_as_people_type_it);
  g_test_add_func ("/fingerprint/bad-hex", test_bad_hex);
  g_test_add_func ("/fingerprint/bad-base64url", test_bad_base64url);
  g_test_add_func ("/fingerprint/order", test_order);
  return g_test_run ();
}
