/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/base/fingerprint.h"

#include <string.h>

#define BASE64URL_LEN 43 /* 256 bits in groups of six, no padding */

gboolean
fingerprint_equal (const Fingerprint *a, const Fingerprint *b)
{
  return memcmp (a->bytes, b->bytes, FINGERPRINT_BYTES) == 0;
}

int
fingerprint_compare (const Fingerprint *a, const Fingerprint *b)
{
  return memcmp (a->bytes, b->bytes, FINGERPRINT_BYTES);
}

guint
fingerprint_hash (gconstpointer fp)
{
  guint hash;

  /* The bytes are a SHA-256 already: any four of them are spread well enough. */
  memcpy (&hash, ((const Fingerprint *) fp)->bytes, sizeof hash);
  return hash;
}

gboolean
fingerprint_equal_func (gconstpointer a, gconstpointer b)
{
  return fingerprint_equal (a, b);
}

char *
fingerprint_to_hex (const Fingerprint *fp)
{
  static const char digits[] = "0123456789abcdef";
  char *hex = g_malloc (FINGERPRINT_BYTES * 2 + 1);

  for (guint i = 0; i < FINGERPRINT_BYTES; i++)
    {
      hex[i * 2] = digits[fp->bytes[i] >> 4];
      hex[i * 2 + 1] = digits[fp->bytes[i] & 0xf];
    }
  hex[FINGERPRINT_BYTES * 2] = '\0';
  return hex;
}

gboolean
fingerprint_from_hex (const char *text, Fingerprint *out)
{
  Fingerprint fp = { { 0 } };
  guint digits = 0;
  const char *p;

  if (text == NULL || !g_ascii_isxdigit (*text))
    return FALSE;
  for (p = text; *p != '\0'; p++)
    {
      int value;

      if (*p == ' ' || *p == '-' || *p == ':')
        continue;
      value = g_ascii_xdigit_value (*p);
      if (value < 0 || digits == FINGERPRINT_BYTES * 2)
        return FALSE;
      fp.bytes[digits / 2] |= (guint8) (digits % 2 == 0 ? value << 4 : value);
      digits++;
    }
  /* A separator stands between digits, never behind the last. */
  if (digits != FINGERPRINT_BYTES * 2 || !g_ascii_isxdigit (p[-1]))
    return FALSE;
  *out = fp;
  return TRUE;
}

char *
fingerprint_to_display (const Fingerprint *fp)
{
  GString *text = g_string_sized_new (FINGERPRINT_BYTES * 2 + 7);

  for (guint i = 0; i < FINGERPRINT_BYTES; i++)
    g_string_append_printf (text, i > 0 && i % 4 == 0 ? " %02x" : "%02x", fp->bytes[i]);
  return g_string_free (text, FALSE);
}

char *
fingerprint_to_base64url (const Fingerprint *fp)
{
  char *text = g_base64_encode (fp->bytes, FINGERPRINT_BYTES);

  text[BASE64URL_LEN] = '\0';
  g_strdelimit (text, "+", '-');
  g_strdelimit (text, "/", '_');
  return text;
}

static int
base64url_value (char c)
{
  if (c >= 'A' && c <= 'Z')
    return c - 'A';
  if (c >= 'a' && c <= 'z')
    return c - 'a' + 26;
  if (c >= '0' && c <= '9')
    return c - '0' + 52;
  return c == '-' ? 62 : c == '_' ? 63 : -1;
}

gboolean
fingerprint_from_base64url (const char *text, gsize len, Fingerprint *out)
{
  Fingerprint fp;
  guint32 bits = 0;
  guint n_bits = 0, n_bytes = 0;

  if (text == NULL || len != BASE64URL_LEN)
    return FALSE;
  for (gsize i = 0; i < len; i++)
    {
      int value = base64url_value (text[i]);

      if (value < 0)
        return FALSE;
      bits = (bits << 6 | (guint32) value) & 0xffff;
      n_bits += 6;
      if (n_bits >= 8)
        {
          n_bits -= 8;
          fp.bytes[n_bytes++] = (guint8) (bits >> n_bits);
        }
    }
  /* The two bits left over must be zero (RFC 4648 section 3.5): one key, one spelling. */
  if ((bits & 3) != 0)
    return FALSE;
  *out = fp;
  return TRUE;
}
