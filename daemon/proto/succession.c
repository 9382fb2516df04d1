/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/proto/succession.h"

#include <string.h>

#include "daemon/base/names.h"

#define HEX_LENGTH 64

static const char label[] = "LL succession v1"; /* signed with its final zero byte */
G_STATIC_ASSERT (sizeof label + 2 * FINGERPRINT_BYTES == SUCCESSION_SIGNED_BYTES);

static const char *const attributes[] = { "old", "new", "alg", "spki", "sig" };

static const char *const algs[SUCCESSION_N_ALGS] = {
  [SUCCESSION_ECDSA_P256_SHA256] = "ecdsa-p256-sha256",
  [SUCCESSION_ECDSA_P384_SHA384] = "ecdsa-p384-sha384",
  [SUCCESSION_ED25519] = "ed25519",
  [SUCCESSION_RSA_PSS_SHA256] = "rsa-pss-sha256",
};

void
succession_clear (Succession *succession)
{
  g_clear_pointer (&succession->spki, g_bytes_unref);
  g_clear_pointer (&succession->signature, g_bytes_unref);
}

const char *
succession_alg_to_string (SuccessionAlg alg)
{
  return alg >= 0 && alg < SUCCESSION_N_ALGS ? algs[alg] : NULL;
}

void
succession_get_signed (const Fingerprint *old_fp, const Fingerprint *new_fp, guint8 out[SUCCESSION_SIGNED_BYTES])
{
  memcpy (out, label, sizeof label);
  memcpy (out + sizeof label, old_fp->bytes, FINGERPRINT_BYTES);
  memcpy (out + sizeof label + FINGERPRINT_BYTES, new_fp->bytes, FINGERPRINT_BYTES);
}

/* 64 small hex digits and nothing between them. */
static gboolean
parse_hex (const char *text, Fingerprint *out)
{
  if (text == NULL || strlen (text) != HEX_LENGTH || strspn (text, "0123456789abcdef") != HEX_LENGTH)
    return FALSE;
  return fingerprint_from_hex (text, out);
}

/* The one spelling that encoding gives, of 1 to `max` bytes. */
static GBytes *
parse_base64 (const char *text, gsize max)
{
  gsize length = text != NULL ? strlen (text) : 0, n = 0;
  g_autofree guint8 *bytes = NULL;
  g_autofree char *again = NULL;

  if (length == 0 || length > (max + 2) / 3 * 4)
    return NULL;
  bytes = g_base64_decode (text, &n);
  if (n == 0 || n > max)
    return NULL;
  again = g_base64_encode (bytes, n);
  return strcmp (again, text) == 0 ? g_bytes_new (bytes, n) : NULL;
}

static gboolean
parse_alg (const char *text, SuccessionAlg *out)
{
  for (guint i = 0; text != NULL && i < SUCCESSION_N_ALGS; i++)
    if (strcmp (text, algs[i]) == 0)
      {
        *out = (SuccessionAlg) i;
        return TRUE;
      }
  return FALSE;
}

/* docs/protocol.md 3.3: a fingerprint is the hash of exactly these bytes. */
static gboolean
is_key_of (GBytes *spki, const Fingerprint *fp)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  Fingerprint of;
  gsize n, length = sizeof of.bytes;
  gconstpointer data = g_bytes_get_data (spki, &n);

  g_checksum_update (sum, data, (gssize) n);
  g_checksum_get_digest (sum, of.bytes, &length);
  return fingerprint_equal (&of, fp);
}

gboolean
succession_from_words (const char *old, const char *new, const char *alg, const char *spki, const char *sig, Succession *out)
{
  g_auto (Succession) succession = { .spki = NULL };

  if (!parse_hex (old, &succession.old_fp) || !parse_hex (new, &succession.new_fp) || !parse_alg (alg, &succession.alg)
      || fingerprint_equal (&succession.old_fp, &succession.new_fp))
    return FALSE;
  succession.spki = parse_base64 (spki, SUCCESSION_SPKI_MAX);
  succession.signature = parse_base64 (sig, SUCCESSION_SIGNATURE_MAX);
  if (succession.spki == NULL || succession.signature == NULL || !is_key_of (succession.spki, &succession.old_fp))
    return FALSE;
  *out = succession;
  memset (&succession, 0, sizeof succession);
  return TRUE;
}

gboolean
succession_parse (const Stanza *element, Succession *out)
{
  const char *words[G_N_ELEMENTS (attributes)];
  g_autofree char *text = NULL;

  if (!stanza_is (element, "succession", NS_LL_TRUST) || stanza_n_attrs (element) != G_N_ELEMENTS (attributes)
      || stanza_n_children (element) != 0)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (attributes); i++)
    words[i] = stanza_get_attr (element, attributes[i]);
  text = stanza_dup_text (element);
  return *text == '\0' && succession_from_words (words[0], words[1], words[2], words[3], words[4], out);
}

static char *
encode (GBytes *bytes)
{
  gsize n;
  gconstpointer data = g_bytes_get_data (bytes, &n);

  return g_base64_encode (data, n);
}

Stanza *
succession_to_stanza (const Succession *succession)
{
  Stanza *element = stanza_new ("succession", NS_LL_TRUST);
  g_autofree char *old = fingerprint_to_hex (&succession->old_fp);
  g_autofree char *new = fingerprint_to_hex (&succession->new_fp);
  g_autofree char *spki = encode (succession->spki);
  g_autofree char *sig = encode (succession->signature);

  stanza_set_attr (element, "old", old);
  stanza_set_attr (element, "new", new);
  stanza_set_attr (element, "alg", succession_alg_to_string (succession->alg));
  stanza_set_attr (element, "spki", spki);
  stanza_set_attr (element, "sig", sig);
  return element;
}
