/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/proto/invite-proof.h"

#include <string.h>

#include "daemon/base/names.h"

#define BASE64_LENGTH 44 /* of 32 bytes */

static const char proof_label[] = "LL-INVITE-1"; /* hashed with its final zero byte */

void
invite_proof (const guint8 secret[INVITE_SECRET_BYTES], const guint8 exporter[32], const Fingerprint *inviter,
              const Fingerprint *acceptor, guint8 out[INVITE_PROOF_BYTES])
{
  GHmac *hmac = g_hmac_new (G_CHECKSUM_SHA256, secret, INVITE_SECRET_BYTES);
  gsize len = INVITE_PROOF_BYTES;

  g_hmac_update (hmac, (const guchar *) proof_label, sizeof proof_label);
  g_hmac_update (hmac, exporter, 32);
  g_hmac_update (hmac, inviter->bytes, sizeof inviter->bytes);
  g_hmac_update (hmac, acceptor->bytes, sizeof acceptor->bytes);
  g_hmac_get_digest (hmac, out, &len);
  g_hmac_unref (hmac);
}

gboolean
invite_proof_same (const guint8 a[INVITE_PROOF_BYTES], const guint8 b[INVITE_PROOF_BYTES])
{
  const volatile guint8 *x = a, *y = b;
  guint8 differing = 0;

  for (gsize i = 0; i < INVITE_PROOF_BYTES; i++)
    differing |= x[i] ^ y[i];
  return differing == 0;
}

Stanza *
invite_stanza_new (const char *id, const guint8 proof[INVITE_PROOF_BYTES])
{
  g_autofree char *text = g_base64_encode (proof, INVITE_PROOF_BYTES);
  Stanza *element = stanza_new ("invite", NS_LL_INVITE);

  stanza_set_attr (element, "id", id);
  stanza_add_text (element, text);
  return element;
}

gboolean
invite_stanza_read (const Stanza *payload, char id[INVITE_ID_LENGTH + 1], guint8 proof[INVITE_PROOF_BYTES])
{
  const char *given = stanza_get_attr (payload, "id");
  g_autofree char *text = NULL, *again = NULL;
  g_autofree guchar *bytes = NULL;
  gsize len = 0;

  if (!stanza_is (payload, "invite", NS_LL_INVITE) || stanza_n_children (payload) > 0 || given == NULL || !invite_id_is (given))
    return FALSE;
  text = stanza_dup_text (payload);
  if (strlen (text) != BASE64_LENGTH)
    return FALSE;
  /* One spelling only: g_base64_decode() alone takes nearly everything. */
  bytes = g_base64_decode (text, &len);
  if (len != INVITE_PROOF_BYTES)
    return FALSE;
  again = g_base64_encode (bytes, len);
  if (strcmp (text, again) != 0)
    return FALSE;
  memcpy (proof, bytes, INVITE_PROOF_BYTES);
  g_strlcpy (id, given, INVITE_ID_LENGTH + 1);
  return TRUE;
}
