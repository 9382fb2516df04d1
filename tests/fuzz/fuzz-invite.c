/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The payload of an iq set that says to prove an invite, as XML from a stranger. What is read is the one spelling of what it says, and no
 * proof of any secret but its own.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/invite-proof.h"
#include "daemon/proto/xml-stream.h"
#include "tests/fuzz/fuzz.h"

#define HEADER "<stream:stream xmlns='" NS_CLIENT "' xmlns:stream='" NS_STREAM "'>"

static void
on_opened (gpointer user, const Stanza *header, const char *default_ns)
{
}

static void
on_stanza (gpointer user, Stanza *stanza)
{
  Stanza **payload = user;

  if (*payload == NULL)
    *payload = stanza_ref (stanza);
}

static void
on_closed (gpointer user)
{
}

static Stanza *
read_payload (const char *text, gsize len)
{
  static const XmlStreamHandlers handlers = { on_opened, on_stanza, on_closed };
  Stanza *payload = NULL;
  XmlStream *xs = xml_stream_new (&xml_stream_limits_after_auth, &handlers, &payload);

  if (xml_stream_feed (xs, HEADER, sizeof HEADER - 1, NULL, NULL))
    xml_stream_feed (xs, text, len, NULL, NULL);
  xml_stream_free (xs);
  return payload;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const guint8 secret[INVITE_SECRET_BYTES] = "a secret of ours", exporter[32] = { 1 };
  static const Fingerprint own = { { 2 } }, peer = { { 3 } };
  g_autoptr (Stanza) payload = read_payload ((const char *) data, size);
  guint8 given[INVITE_PROOF_BYTES], again[INVITE_PROOF_BYTES], wanted[INVITE_PROOF_BYTES];
  char id[INVITE_ID_LENGTH + 1], id_again[INVITE_ID_LENGTH + 1];

  if (payload != NULL && invite_stanza_read (payload, id, given))
    {
      g_autoptr (Stanza) made = invite_stanza_new (id, given);
      g_autofree char *was = stanza_dup_text (payload), *is = stanza_dup_text (made);

      g_assert (invite_id_is (id) && strcmp (was, is) == 0 && strcmp (stanza_get_attr (payload, "id"), id) == 0);
      g_assert (invite_stanza_read (made, id_again, again) && strcmp (id, id_again) == 0 && invite_proof_same (given, again));
      invite_proof (secret, exporter, &own, &peer, wanted);
      g_assert (!invite_proof_same (given, wanted));
    }
  return 0;
}
