/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The XEP-0115 hash over any disco#info. The input is the content of the <query/>: what a hash says must not depend on
 * the order things stand in, and two answers with one hash must say the same.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/caps.h"
#include "daemon/proto/xml-stream.h"
#include "tests/fuzz/fuzz.h"

#define HEADER "<stream:stream xmlns='" NS_CLIENT "' xmlns:stream='" NS_STREAM "'><query xmlns='" NS_DISCO_INFO "'>"

static void
on_opened (gpointer user, const Stanza *header, const char *default_ns)
{
}

static void
on_stanza (gpointer user, Stanza *stanza)
{
  Stanza **query = user;

  if (*query == NULL)
    *query = stanza_ref (stanza);
}

static void
on_closed (gpointer user)
{
}

static Stanza *
read_query (const char *bytes, gsize len)
{
  static const XmlStreamHandlers handlers = { on_opened, on_stanza, on_closed };
  Stanza *query = NULL;
  XmlStream *xs = xml_stream_new (&xml_stream_limits_after_auth, &handlers, &query);

  if (xml_stream_feed (xs, HEADER, sizeof HEADER - 1, NULL, NULL) && xml_stream_feed (xs, bytes, len, NULL, NULL))
    xml_stream_feed (xs, "</query>", 8, NULL, NULL);
  xml_stream_free (xs);
  return query;
}

/* The same children the other way round, through text: a stanza has no other way to take a child out. */
static Stanza *
turned_round (const Stanza *query)
{
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GString) all = g_string_new (NULL);

  for (const Stanza *c = NULL; (c = stanza_next_child (query, c)) != NULL;)
    {
      GString *one = g_string_new (NULL);

      stanza_serialize (c, NS_DISCO_INFO, one);
      g_ptr_array_add (texts, g_string_free (one, FALSE));
    }
  for (guint i = texts->len; i > 0; i--)
    g_string_append (all, texts->pdata[i - 1]);
  return read_query (all->str, all->len);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (Stanza) query = read_query ((const char *) data, size), turned = NULL;
  g_autofree char *ver = NULL, *again = NULL;

  if (query == NULL)
    return 0;
  ver = caps_ver_of (query);
  for (const Stanza *c = NULL; (c = stanza_next_child (query, c)) != NULL;)
    if (stanza_is (c, "feature", NS_DISCO_INFO) && stanza_get_attr (c, "var") != NULL)
      g_assert (caps_has_feature (query, stanza_get_attr (c, "var")));
  g_assert (ver == NULL || strlen (ver) == 28);
  turned = turned_round (query);
  if (turned == NULL) /* written out it may be larger than what may come in */
    return 0;
  again = caps_ver_of (turned);
  g_assert_cmpstr (ver, ==, again);
  return 0;
}
