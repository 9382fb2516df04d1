/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/proto/sas.h"

#include <string.h>

#include "daemon/base/names.h"

#define NUMBER_BITS 13
#define NUMBER_LEAST 1000
#define NUMBER_MOST (NUMBER_LEAST + (1 << NUMBER_BITS) - 1)
#define CODE_DIGITS 12
#define BASE64_LENGTH 44 /* of 32 bytes */
#define HASH_BYTES 32

static const char commit_label[] = "LL-SAS-1 commit"; /* hashed with its final zero byte */
static const char code_label[] = "LL-SAS-1";          /* without */

struct _Sas {
  Fingerprint own, peer;
  guint8 exporter[SAS_BYTES];
  SasState state;
  char role;
  gboolean yielded;   /* our own commitment went out and is void: the lower key's counts */
  gboolean overruled; /* the peer's went out and is void */
  guint8 own_nonce[SAS_BYTES];
  guint8 commitment[SAS_BYTES]; /* B: what A committed to */
  char code[16];
  const char *cancel;
};

/* --- the arithmetic ----------------------------------------------------------------------------------------- */

/* How long it takes tells nothing about where they differ. */
static gboolean
same_bytes (const void *a, const void *b, gsize len)
{
  const volatile guint8 *x = a, *y = b;
  guint8 differing = 0;

  for (gsize i = 0; i < len; i++)
    differing |= x[i] ^ y[i];
  return differing == 0;
}

void
sas_commitment (const guint8 na[SAS_BYTES], const Fingerprint *a, const Fingerprint *b, guint8 out[SAS_BYTES])
{
  GChecksum *sum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize len = SAS_BYTES;

  g_checksum_update (sum, (const guchar *) commit_label, sizeof commit_label);
  g_checksum_update (sum, na, SAS_BYTES);
  g_checksum_update (sum, a->bytes, sizeof a->bytes);
  g_checksum_update (sum, b->bytes, sizeof b->bytes);
  g_checksum_get_digest (sum, out, &len);
  g_checksum_free (sum);
}

static void
finish_hmac (GHmac *hmac, guint8 out[HASH_BYTES])
{
  gsize len = HASH_BYTES;

  g_hmac_get_digest (hmac, out, &len);
  g_hmac_unref (hmac);
}

/* RFC 5869. Five bytes are wanted, so that T(1) is all of the output. */
void
sas_numbers (const guint8 na[SAS_BYTES], const guint8 nb[SAS_BYTES], const guint8 exporter[SAS_BYTES],
             const Fingerprint *a, const Fingerprint *b, guint out[3])
{
  static const guint8 one = 1;
  guint8 prk[HASH_BYTES], okm[HASH_BYTES];
  GHmac *hmac = g_hmac_new (G_CHECKSUM_SHA256, exporter, SAS_BYTES);
  guint64 bits = 0;

  g_hmac_update (hmac, na, SAS_BYTES);
  g_hmac_update (hmac, nb, SAS_BYTES);
  finish_hmac (hmac, prk);
  hmac = g_hmac_new (G_CHECKSUM_SHA256, prk, sizeof prk);
  g_hmac_update (hmac, (const guchar *) code_label, sizeof code_label - 1);
  g_hmac_update (hmac, a->bytes, sizeof a->bytes);
  g_hmac_update (hmac, b->bytes, sizeof b->bytes);
  g_hmac_update (hmac, &one, 1);
  finish_hmac (hmac, okm);
  for (guint i = 0; i < 5; i++)
    bits = bits << 8 | okm[i];
  bits >>= 1; /* the first 39 of 40 */
  for (guint i = 3; i > 0; i--)
    {
      out[i - 1] = NUMBER_LEAST + (guint) (bits & ((1 << NUMBER_BITS) - 1));
      bits >>= NUMBER_BITS;
    }
  explicit_bzero (prk, sizeof prk);
  explicit_bzero (okm, sizeof okm);
}

/* --- words on the wire --------------------------------------------------------------------------------------- */

static Stanza *
element_with (const char *name, const guint8 bytes[SAS_BYTES])
{
  g_autofree char *text = g_base64_encode (bytes, SAS_BYTES);
  Stanza *element = stanza_new (name, NS_LL_SAS);

  stanza_add_text (element, text);
  return element;
}

/* One spelling only, and nothing beside it: g_base64_decode() alone takes nearly everything. */
static gboolean
read_bytes (const Stanza *element, guint8 out[SAS_BYTES])
{
  g_autofree char *text = stanza_dup_text (element);
  g_autofree char *again = NULL;
  g_autofree guchar *bytes = NULL;
  gsize len = 0;

  if (stanza_n_children (element) > 0 || strlen (text) != BASE64_LENGTH)
    return FALSE;
  bytes = g_base64_decode (text, &len);
  if (len != SAS_BYTES)
    return FALSE;
  again = g_base64_encode (bytes, len);
  if (strcmp (text, again) != 0)
    return FALSE;
  memcpy (out, bytes, SAS_BYTES);
  return TRUE;
}

Stanza *
sas_cancel_new (const char *reason)
{
  Stanza *cancel = stanza_new ("cancel", NS_LL_SAS);

  stanza_set_attr (cancel, "reason", reason);
  return cancel;
}

/* --- life ------------------------------------------------------------------------------------------------------ */

Sas *
sas_new (const Fingerprint *own, const Fingerprint *peer, const guint8 exporter[SAS_BYTES])
{
  Sas *sas = g_new0 (Sas, 1);

  sas->own = *own;
  sas->peer = *peer;
  memcpy (sas->exporter, exporter, SAS_BYTES);
  sas->cancel = "user";
  return sas;
}

void
sas_free (Sas *sas)
{
  if (sas == NULL)
    return;
  explicit_bzero (sas, sizeof *sas);
  g_free (sas);
}

SasState
sas_get_state (const Sas *sas)
{
  return sas->state;
}

char
sas_get_role (const Sas *sas)
{
  return sas->role;
}

const char *
sas_get_cancel (const Sas *sas)
{
  return sas->cancel;
}

static SasVerdict
end (Sas *sas, SasVerdict verdict)
{
  sas->state = SAS_ENDED;
  explicit_bzero (sas->own_nonce, sizeof sas->own_nonce);
  explicit_bzero (sas->code, sizeof sas->code);
  return verdict;
}

static void
agree (Sas *sas, const guint8 na[SAS_BYTES], const guint8 nb[SAS_BYTES])
{
  gboolean we_are_a = sas->role == 'A';
  guint n[3];

  sas_numbers (na, nb, sas->exporter, we_are_a ? &sas->own : &sas->peer, we_are_a ? &sas->peer : &sas->own, n);
  g_snprintf (sas->code, sizeof sas->code, "%u %u %u", n[0], n[1], n[2]);
  explicit_bzero (n, sizeof n);
}

/* --- as A -------------------------------------------------------------------------------------------------------- */

Stanza *
sas_start (Sas *sas, const guint8 nonce[SAS_BYTES])
{
  guint8 commitment[SAS_BYTES];

  g_return_val_if_fail (sas->state == SAS_NEW, NULL);
  sas->state = SAS_COMMITTED;
  sas->role = 'A';
  memcpy (sas->own_nonce, nonce, SAS_BYTES);
  sas_commitment (nonce, &sas->own, &sas->peer, commitment);
  return element_with ("commit", commitment);
}

SasVerdict
sas_on_nonce (Sas *sas, const Stanza *payload, Stanza **reveal)
{
  guint8 nb[SAS_BYTES];

  *reveal = NULL;
  if (sas->state != SAS_COMMITTED || payload == NULL || !stanza_is (payload, "nonce", NS_LL_SAS)
      || !read_bytes (payload, nb))
    return end (sas, SAS_DEVIATES);
  /* "(3) A→B nA": only now, when B can not change its own any more. */
  *reveal = element_with ("reveal", sas->own_nonce);
  agree (sas, sas->own_nonce, nb);
  sas->state = SAS_REVEALED;
  return SAS_GOOD;
}

SasVerdict
sas_on_accepted (Sas *sas)
{
  if (sas->state != SAS_REVEALED)
    return end (sas, SAS_DEVIATES);
  sas->state = SAS_AGREED;
  return SAS_GOOD;
}

gboolean
sas_on_refused (Sas *sas)
{
  if (sas->yielded && sas->role == 'B')
    {
      sas->yielded = FALSE; /* a second refusal would be of something else */
      return FALSE;
    }
  end (sas, SAS_DEVIATES);
  return TRUE;
}

/* --- as B -------------------------------------------------------------------------------------------------------- */

/* "both start → lower fp" is A */
static SasVerdict
on_commit (Sas *sas, const Stanza *payload, const guint8 nonce[SAS_BYTES], Stanza **reply)
{
  guint8 commitment[SAS_BYTES];

  if ((sas->state != SAS_NEW && sas->state != SAS_COMMITTED) || !read_bytes (payload, commitment))
    return end (sas, SAS_DEVIATES);
  if (sas->state == SAS_COMMITTED && fingerprint_compare (&sas->own, &sas->peer) < 0)
    {
      /* Once can be an accident of timing. */
      if (sas->overruled)
        return end (sas, SAS_DEVIATES);
      sas->overruled = TRUE;
      return SAS_OVERRULED;
    }
  sas->yielded = sas->state == SAS_COMMITTED;
  sas->state = SAS_ANSWERED;
  sas->role = 'B';
  memcpy (sas->commitment, commitment, SAS_BYTES);
  /* A new one: the old nonce is what our own commitment hides. */
  memcpy (sas->own_nonce, nonce, SAS_BYTES);
  *reply = element_with ("nonce", sas->own_nonce);
  return SAS_GOOD;
}

/* "(3) A→B nA, B checks the commit" */
static SasVerdict
on_reveal (Sas *sas, const Stanza *payload)
{
  guint8 na[SAS_BYTES], commitment[SAS_BYTES];

  if (sas->state != SAS_ANSWERED || !read_bytes (payload, na))
    return end (sas, SAS_DEVIATES);
  sas_commitment (na, &sas->peer, &sas->own, commitment);
  if (!same_bytes (commitment, sas->commitment, SAS_BYTES))
    return end (sas, SAS_MISMATCHES);
  agree (sas, na, sas->own_nonce);
  sas->state = SAS_AGREED;
  return SAS_GOOD;
}

static SasVerdict
on_cancel (Sas *sas, const Stanza *payload)
{
  static const char *const reasons[] = { "user", "mismatch", "timeout", "limit" };
  const char *reason = stanza_get_attr (payload, "reason");

  for (guint i = 0; reason != NULL && i < G_N_ELEMENTS (reasons); i++)
    if (strcmp (reason, reasons[i]) == 0)
      sas->cancel = reasons[i];
  return end (sas, SAS_CANCELLED);
}

SasVerdict
sas_on_set (Sas *sas, const Stanza *payload, const guint8 nonce[SAS_BYTES], Stanza **reply)
{
  *reply = NULL;
  if (sas->state == SAS_ENDED)
    return SAS_DEVIATES;
  if (stanza_is (payload, "commit", NS_LL_SAS))
    return on_commit (sas, payload, nonce, reply);
  if (stanza_is (payload, "reveal", NS_LL_SAS))
    return on_reveal (sas, payload);
  if (stanza_is (payload, "cancel", NS_LL_SAS))
    return on_cancel (sas, payload);
  return end (sas, SAS_DEVIATES);
}

/* --- people ------------------------------------------------------------------------------------------------------- */

const char *
sas_get_code (const Sas *sas)
{
  return sas->state == SAS_AGREED ? sas->code : NULL;
}

SasCode
sas_check_code (const Sas *sas, const char *text)
{
  char digits[CODE_DIGITS + 1] = "", ours[CODE_DIGITS + 1] = "";
  guint n = 0, m = 0;

  for (; *text != '\0'; text++)
    {
      if (*text == ' ' || *text == '-')
        continue;
      if (!g_ascii_isdigit (*text) || n == CODE_DIGITS)
        return SAS_CODE_MALFORMED;
      digits[n++] = *text;
    }
  if (n != CODE_DIGITS)
    return SAS_CODE_MALFORMED;
  for (guint i = 0; i < 3; i++)
    {
      guint number = 0;

      for (guint k = 0; k < 4; k++)
        number = number * 10 + (guint) (digits[4 * i + k] - '0');
      if (number < NUMBER_LEAST || number > NUMBER_MOST)
        return SAS_CODE_MALFORMED;
    }
  if (sas->state != SAS_AGREED)
    return SAS_CODE_WRONG;
  for (const char *p = sas->code; *p != '\0'; p++)
    if (*p != ' ')
      ours[m++] = *p;
  return m == CODE_DIGITS && same_bytes (digits, ours, CODE_DIGITS) ? SAS_CODE_RIGHT : SAS_CODE_WRONG;
}
