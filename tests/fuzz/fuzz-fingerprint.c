/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A fingerprint in the spellings people and records use: what is accepted has one value, and out of every value comes
 * a spelling that is accepted again.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/fingerprint.h"
#include "tests/fuzz/fuzz.h"

static void
check_spellings (const Fingerprint *fp)
{
  g_autofree char *hex = fingerprint_to_hex (fp), *display = fingerprint_to_display (fp);
  g_autofree char *base64 = fingerprint_to_base64url (fp);
  Fingerprint a, b, c;

  g_assert (strlen (hex) == 64 && strlen (display) == 71 && strlen (base64) == 43);
  g_assert (fingerprint_from_hex (hex, &a) && fingerprint_equal (&a, fp));
  g_assert (fingerprint_from_hex (display, &b) && fingerprint_equal (&b, fp));
  g_assert (fingerprint_from_base64url (base64, strlen (base64), &c) && fingerprint_equal (&c, fp));
  g_assert (fingerprint_compare (&a, fp) == 0 && fingerprint_hash (&a) == fingerprint_hash (fp));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const Fingerprint mark = { { 0xa5, 0x5a } };
  g_autofree char *text = g_strndup ((const char *) data, size);
  Fingerprint fp = mark;

  if (fingerprint_from_hex (text, &fp))
    {
      guint digits = 0;

      for (const char *p = text; *p != '\0'; p++)
        if (g_ascii_isxdigit (*p))
          digits++;
        else
          g_assert (strchr (" -:", *p) != NULL);
      g_assert_cmpuint (digits, ==, 64);
      check_spellings (&fp);
    }
  else
    g_assert (fingerprint_equal (&fp, &mark)); /* FALSE leaves it untouched */
  fp = mark;
  if (fingerprint_from_base64url ((const char *) data, size, &fp))
    {
      g_autofree char *back = fingerprint_to_base64url (&fp);

      g_assert (size == 43 && memcmp (back, data, size) == 0); /* one key, one spelling */
      check_spellings (&fp);
    }
  else
    g_assert (fingerprint_equal (&fp, &mark));
  if (size >= FINGERPRINT_BYTES)
    {
      memcpy (fp.bytes, data, FINGERPRINT_BYTES);
      check_spellings (&fp);
    }
  return 0;
}
