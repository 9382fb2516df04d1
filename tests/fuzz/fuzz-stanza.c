/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What was read, written and read again is the same; and what a caller puts into a stanza, legal
 * or not, can be read by the other side.
 */
#include "earshot-config.h"

#include "daemon/base/names.h"
#include "daemon/proto/stanza.h"
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
  g_ptr_array_add (user, stanza_ref (stanza));
}

static void
on_closed (gpointer user)
{
}

static GPtrArray *
read_all (const XmlStreamLimits *limits, const char *bytes, gsize len, gboolean must_parse)
{
  static const XmlStreamHandlers handlers = { on_opened, on_stanza, on_closed };
  GPtrArray *stanzas = g_ptr_array_new_with_free_func ((GDestroyNotify) stanza_unref);
  XmlStream *xs = xml_stream_new (limits, &handlers, stanzas);
  g_autoptr (GError) error = NULL;

  xml_stream_feed (xs, HEADER, sizeof HEADER - 1, NULL, NULL);
  xml_stream_feed (xs, bytes, len, NULL, &error);
  xml_stream_free (xs);
  if (must_parse)
    g_assert_no_error (error);
  return stanzas;
}

/* Written out, escapes and declarations take more room than they came in. */
static const XmlStreamLimits roomy = { 64 << 20, 0, 64, 4096, 65536, 4096, 1 << 20, 1 << 20 };

static void
check_round_trip (const Stanza *stanza, const char *outer_ns)
{
  g_autoptr (GString) xml = g_string_new (NULL);
  g_autoptr (GPtrArray) again = NULL;

  stanza_serialize (stanza, outer_ns, xml);
  g_assert_cmpuint (xml->len, ==, stanza_serialized_length (stanza, outer_ns));
  again = read_all (&roomy, xml->str, xml->len, TRUE);
  g_assert_cmpuint (again->len, ==, 1);
  g_assert (stanza_equal (stanza, g_ptr_array_index (again, 0)));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GPtrArray) stanzas = read_all (&xml_stream_limits_after_auth, (const char *) data, size, FALSE);
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autoptr (Stanza) made = stanza_new ("message", NS_CLIENT);

  for (guint i = 0; i < stanzas->len; i++)
    check_round_trip (g_ptr_array_index (stanzas, i), NS_CLIENT);
  stanza_set_attr (made, "id", text);
  stanza_set_attr_ns (made, "x", "urn:x", text);
  stanza_add_text (made, text);
  stanza_add_new (made, "body", NS_CLIENT, text);
  check_round_trip (made, NS_CLIENT);
  check_round_trip (made, NULL);
  return 0;
}
