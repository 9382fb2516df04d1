/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whatever arrives, the parser says the same about it whole and in bites (of two things wrong at once either may be
 * named), and holds no more than its limit. The first byte picks the limits and the bite.
 */
#include "earshot-config.h"

#include "daemon/proto/xml-stream.h"
#include "tests/fuzz/fuzz.h"

typedef struct {
  GString *events;
  XmlStream *xs;
  guint stop_after;
} Seen;

static void
on_opened (gpointer user, const Stanza *header, const char *default_ns)
{
  Seen *seen = user;

  g_string_append_printf (seen->events, "open %s;", default_ns != NULL ? default_ns : "");
  stanza_serialize (header, NULL, seen->events);
}

static void
on_stanza (gpointer user, Stanza *stanza)
{
  Seen *seen = user;

  stanza_serialize (stanza, NULL, seen->events);
  if (seen->stop_after > 0 && --seen->stop_after == 0)
    xml_stream_stop (seen->xs);
}

static void
on_closed (gpointer user)
{
  g_string_append (((Seen *) user)->events, "close");
}

/* Everything the parser said, its verdict and where it stopped. */
static char *
read_in_bites (const XmlStreamLimits *limits, const char *bytes, gsize len, gsize bite, guint stop_after)
{
  static const XmlStreamHandlers handlers = { on_opened, on_stanza, on_closed };
  Seen seen = { .events = g_string_new (NULL), .stop_after = stop_after };
  g_autoptr (GError) error = NULL;
  gsize total = 0;

  seen.xs = xml_stream_new (limits, &handlers, &seen);
  for (gsize i = 0; i < len && error == NULL; i += bite)
    {
      gsize n = MIN (bite, len - i), consumed = 0;

      if (xml_stream_feed (seen.xs, bytes + i, n, &consumed, &error))
        total += consumed;
      g_assert (error != NULL || xml_stream_pending (seen.xs) <= limits->element_bytes);
    }
  if (error == NULL)
    g_string_append_printf (seen.events, " consumed %" G_GSIZE_FORMAT, total);
  else
    g_string_append (seen.events, " error");
  xml_stream_free (seen.xs);
  return g_string_free (seen.events, FALSE);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const XmlStreamLimits tight = { 200, 1000, 4, 4, 4, 24, 24, 24 };
  g_autofree char *whole = NULL, *bitten = NULL;
  const XmlStreamLimits *limits;

  if (size < 1)
    return 0;
  limits = (data[0] & 1) != 0 ? &tight : &xml_stream_limits_before_auth;
  whole = read_in_bites (limits, (const char *) data + 1, size - 1, size, data[0] >> 6);
  bitten = read_in_bites (limits, (const char *) data + 1, size - 1, 1 + ((data[0] >> 1) & 15), data[0] >> 6);
  g_assert_cmpstr (whole, ==, bitten);
  return 0;
}
