/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Proofs of an invite's secret on paper (docs/protocol.md 3.11). The known answers were computed with Python's hmac and hashlib.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/invite-proof.h"

typedef struct {
  guint8 secret[INVITE_SECRET_BYTES], exporter[32];
  Fingerprint inviter, acceptor;
} Inputs;

static Inputs
make_inputs (void)
{
  Inputs in;

  for (guint8 i = 0; i < 32; i++)
    {
      in.secret[i % INVITE_SECRET_BYTES] = i % INVITE_SECRET_BYTES;
      in.exporter[i] = 0x40 + i;
      in.inviter.bytes[i] = 0x80 + i;
      in.acceptor.bytes[i] = 0xc0 + i;
    }
  return in;
}

static void
prove (const Inputs *in, guint8 out[INVITE_PROOF_BYTES])
{
  invite_proof (in->secret, in->exporter, &in->inviter, &in->acceptor, out);
}

static void
test_known_answers (void)
{
  static const char wanted[] = "zsWyer2DdszkaRQkqfcVIuMO3WZ7nmDduIlkDikFQRE=";
  Inputs in = make_inputs ();
  guint8 proof[INVITE_PROOF_BYTES], read[INVITE_PROOF_BYTES];
  char id[INVITE_ID_LENGTH + 1], read_id[INVITE_ID_LENGTH + 1];
  g_autoptr (Stanza) stanza = NULL;
  g_autofree char *text = NULL;

  invite_id (in.secret, id);
  g_assert_cmpstr (id, ==, "cdbf6839d14320c5");
  g_assert_true (invite_id_is (id));
  prove (&in, proof);
  stanza = invite_stanza_new (id, proof);
  text = stanza_dup_text (stanza);
  g_assert_cmpstr (text, ==, wanted);
  g_assert_cmpstr (stanza_get_ns (stanza), ==, "im.earshot:invite:0");
  g_assert_true (invite_stanza_read (stanza, read_id, read));
  g_assert_cmpstr (read_id, ==, id);
  g_assert_true (invite_proof_same (read, proof));
}

/* Another session, another secret, somebody else, or sent back: each bit counts. */
static void
test_bound (void)
{
  Inputs in = make_inputs ();
  guint8 proof[INVITE_PROOF_BYTES], other[INVITE_PROOF_BYTES];
  Fingerprint swapped;

  prove (&in, proof);
  for (gsize at = 0; at < sizeof in; at++)
    for (guint bit = 0; bit < 8; bit++)
      {
        Inputs bent = in;

        ((guint8 *) &bent)[at] ^= 1 << bit;
        prove (&bent, other);
        g_assert_false (invite_proof_same (proof, other));
      }
  swapped = in.inviter;
  in.inviter = in.acceptor;
  in.acceptor = swapped;
  prove (&in, other);
  g_assert_false (invite_proof_same (proof, other));
  for (gsize at = 0; at < sizeof proof; at++)
    {
      memcpy (other, proof, sizeof other);
      other[at] ^= 0x80;
      g_assert_false (invite_proof_same (proof, other));
    }
}

static void
test_malformed (void)
{
  static const struct {
    const char *name, *ns, *id, *text;
    gboolean child;
  } bad[] = {
    { "invites", NS_LL_INVITE, "cdbf6839d14320c5", "zsWyer2DdszkaRQkqfcVIuMO3WZ7nmDduIlkDikFQRE=", FALSE },
    { "invite", "im.earshot:invite:1", "cdbf6839d14320c5", "zsWyer2DdszkaRQkqfcVIuMO3WZ7nmDduIlkDikFQRE=", FALSE },
    { "invite", NS_LL_INVITE, NULL, "zsWyer2DdszkaRQkqfcVIuMO3WZ7nmDduIlkDikFQRE=", FALSE },
    { "invite", NS_LL_INVITE, "", "zsWyer2DdszkaRQkqfcVIuMO3WZ7nmDduIlkDikFQRE=", FALSE },
    { "invite", NS_LL_INVITE, "cdbf6839d14320c", "zsWyer2DdszkaRQkqfcVIuMO3WZ7nmDduIlkDikFQRE=", FALSE },
    { "invite", NS_LL_INVITE, "cdbf6839d14320c55", "zsWyer2DdszkaRQkqfcVIuMO3WZ7nmDduIlkDikFQRE=", FALSE },
    { "invite", NS_LL_INVITE, "CDBF6839D14320C5", "zsWyer2DdszkaRQkqfcVIuMO3WZ7nmDduIlkDikFQRE=", FALSE },
    { "invite", NS_LL_INVITE, "cdbf6839d14320c%", "zsWyer2DdszkaRQkqfcVIuMO3WZ7nmDduIlkDikFQRE=", FALSE },
    { "invite", NS_LL_INVITE, "cdbf6839d14320c5", "", FALSE },
    { "invite", NS_LL_INVITE, "cdbf6839d14320c5", "zsWyer2DdszkaRQkqfcVIuMO3WZ7nmDduIlkDikFQRE", FALSE },
    { "invite", NS_LL_INVITE, "cdbf6839d14320c5", "zsWyer2DdszkaRQkqfcVIuMO3WZ7nmDduIlkDikFQRF=", FALSE },
    { "invite", NS_LL_INVITE, "cdbf6839d14320c5", "zsWyer2DdszkaRQkqfcVIuMO3WZ7nmDduIlkDikFQRE=\n", FALSE },
    { "invite", NS_LL_INVITE, "cdbf6839d14320c5", "zsWyer2DdszkaRQkqfcVIuMO3WZ7nmDduIlkDikFQRE=", TRUE },
    { "invite", NS_LL_INVITE, "cdbf6839d14320c5", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (Stanza) stanza = stanza_new (bad[i].name, bad[i].ns);
      guint8 proof[INVITE_PROOF_BYTES];
      char id[INVITE_ID_LENGTH + 1];

      if (bad[i].id != NULL)
        stanza_set_attr (stanza, "id", bad[i].id);
      stanza_add_text (stanza, bad[i].text);
      if (bad[i].child)
        stanza_add_new (stanza, "x", NS_LL_INVITE, NULL);
      g_assert_false (invite_stanza_read (stanza, id, proof));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/invite-proof/known-answers", test_known_answers);
  g_test_add_func ("/invite-proof/bound-to-session-and-keys", test_bound);
  g_test_add_func ("/invite-proof/malformed", test_malformed);
  return g_test_run ();
}
