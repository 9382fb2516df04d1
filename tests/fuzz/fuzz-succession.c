/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A succession statement from a peer: what is accepted is the one spelling of what it says, within its bounds, and carries the key
 * whose hash it names.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/succession.h"
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
  Stanza **element = user;

  if (*element == NULL)
    *element = stanza_ref (stanza);
}

static void
on_closed (gpointer user)
{
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const XmlStreamHandlers handlers = { on_opened, on_stanza, on_closed };
  g_autoptr (Stanza) element = NULL;
  g_auto (Succession) succession = { .spki = NULL };
  XmlStream *xs = xml_stream_new (&xml_stream_limits_after_auth, &handlers, &element);

  if (xml_stream_feed (xs, HEADER, sizeof HEADER - 1, NULL, NULL))
    xml_stream_feed (xs, (const char *) data, size, NULL, NULL);
  xml_stream_free (xs);
  if (element == NULL)
    return 0;
  if (succession_parse (element, &succession))
    {
      g_autoptr (Stanza) again = succession_to_stanza (&succession);
      g_autofree char *hex = fingerprint_to_hex (&succession.old_fp);
      g_autofree char *hash = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, succession.spki);
      gsize spki = g_bytes_get_size (succession.spki), sig = g_bytes_get_size (succession.signature);

      g_assert (stanza_equal (element, again));
      g_assert_cmpstr (hex, ==, hash);
      g_assert (!fingerprint_equal (&succession.old_fp, &succession.new_fp));
      g_assert (succession_alg_to_string (succession.alg) != NULL);
      g_assert (spki > 0 && spki <= SUCCESSION_SPKI_MAX && sig > 0 && sig <= SUCCESSION_SIGNATURE_MAX);
    }
  else
    g_assert (succession.spki == NULL && succession.signature == NULL);
  return 0;
}
