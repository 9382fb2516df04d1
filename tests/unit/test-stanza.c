/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/stanza.h"
#include "daemon/proto/xml-stream.h"

static char *
xml_of (const Stanza *s, const char *outer_ns)
{
  GString *out = g_string_new (NULL);

  stanza_serialize (s, outer_ns, out);
  g_assert_cmpuint (out->len, ==, stanza_serialized_length (s, outer_ns));
  return g_string_free (out, FALSE);
}

static void
on_opened (gpointer user, const Stanza *header, const char *default_ns)
{
}

static void
on_stanza (gpointer user, Stanza *s)
{
  *(Stanza **) user = stanza_ref (s);
}

static void
on_closed (gpointer user)
{
}

/* Through the wire and back: what a peer would read of it. */
static Stanza *
reread (const Stanza *s)
{
  static const XmlStreamHandlers handlers = { on_opened, on_stanza, on_closed };
  g_autoptr (GString) xml = g_string_new ("<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "'>");
  g_autoptr (GError) error = NULL;
  Stanza *seen = NULL;
  XmlStream *xs = xml_stream_new (&xml_stream_limits_after_auth, &handlers, &seen);

  stanza_serialize (s, NS_CLIENT, xml);
  xml_stream_feed (xs, xml->str, xml->len, NULL, &error);
  g_assert_no_error (error);
  xml_stream_free (xs);
  g_assert_nonnull (seen);
  return seen;
}

static Stanza *
make_message (void)
{
  Stanza *s = stanza_new ("message", NS_CLIENT);

  stanza_set_attr (s, "type", "chat");
  stanza_set_attr_ns (s, "lang", NS_XML, "en");
  stanza_add_new (s, "body", NS_CLIENT, "art thou not Romeo?");
  stanza_add_new (s, "request", NS_RECEIPTS, NULL);
  return s;
}

static void
test_serialize (void)
{
  g_autoptr (Stanza) s = make_message ();
  g_autofree char *inside = xml_of (s, NS_CLIENT);
  g_autofree char *outside = xml_of (s, NULL);

  g_assert_cmpstr (inside, ==,
                   "<message type='chat' xml:lang='en'><body>art thou not Romeo?</body>"
                   "<request xmlns='urn:xmpp:receipts'/></message>");
  g_assert_cmpstr (outside, ==,
                   "<message xmlns='jabber:client' type='chat' xml:lang='en'><body>art thou not Romeo?</body>"
                   "<request xmlns='urn:xmpp:receipts'/></message>");
}

static void
test_stream_prefix (void)
{
  g_autoptr (Stanza) s = stanza_new ("features", NS_STREAM);
  g_autofree char *xml = NULL;

  stanza_add_new (s, "starttls", NS_TLS, NULL);
  stanza_add_new (s, "x", NS_CLIENT, NULL);
  xml = xml_of (s, NS_CLIENT);
  g_assert_cmpstr (xml, ==,
                   "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><x/></stream:features>");
}

static void
test_markup_injection (void)
{
  const char *evil = "</body></message><iq id='x' a=\"y\"/>&lt;]]>\r\n\t'";
  g_autoptr (Stanza) s = stanza_new ("message", NS_CLIENT);
  g_autoptr (Stanza) back = NULL;
  g_autofree char *text = NULL;

  stanza_set_attr (s, "id", evil);
  stanza_add_new (s, "body", NS_CLIENT, evil);
  back = reread (s);
  g_assert_true (stanza_equal (s, back));
  g_assert_cmpstr (stanza_get_attr (back, "id"), ==, evil);
  text = stanza_dup_text (stanza_get_child (back, "body", NS_CLIENT));
  g_assert_cmpstr (text, ==, evil);
  g_assert_cmpuint (stanza_n_children (back), ==, 1);
}

static void
test_illegal_characters (void)
{
  g_autoptr (Stanza) s = stanza_new ("body", NS_CLIENT);
  g_autoptr (Stanza) back = NULL;
  g_autoptr (GString) escaped = g_string_new (NULL);
  g_autofree char *text = NULL;

  stanza_add_text (s, "a\x01" "b\x1b[2J\xff" "c\xef\xbf\xbe\xed\xa0\x80");
  stanza_set_attr (s, "x", "\x02\xc3");
  back = reread (s);
  g_assert_true (stanza_equal (s, back));
  text = stanza_dup_text (back);
  g_assert_true (g_str_has_prefix (text, "a\xef\xbf\xbd" "b\xef\xbf\xbd[2J\xef\xbf\xbd" "c\xef\xbf\xbd"));
  g_assert_cmpstr (stanza_get_attr (back, "x"), ==, "\xef\xbf\xbd\xef\xbf\xbd");
  stanza_escape ("<\x01\n&'\"", escaped);
  g_assert_cmpstr (escaped->str, ==, "&lt;\xef\xbf\xbd&#10;&amp;&apos;&quot;");
}

static void
test_foreign_attributes (void)
{
  g_autoptr (Stanza) s = stanza_new ("x", NS_CLIENT);
  g_autoptr (Stanza) back = NULL;

  stanza_set_attr (s, "a", "plain");
  stanza_set_attr_ns (s, "a", "urn:one", "1");
  stanza_set_attr_ns (s, "b", "urn:two", "2");
  stanza_set_attr_ns (s, "c", "urn:one", "3");
  stanza_set_attr_ns (s, "s", NS_STREAM, "4");
  g_assert_cmpuint (stanza_n_attrs (s), ==, 5);
  back = reread (s);
  g_assert_true (stanza_equal (s, back));
  g_assert_cmpstr (stanza_get_attr_ns (back, "c", "urn:one"), ==, "3");
  g_assert_null (stanza_get_attr (back, "b"));
  stanza_set_attr (s, "a", "other");
  stanza_set_attr_ns (s, "b", "urn:two", NULL);
  g_assert_cmpstr (stanza_get_attr (s, "a"), ==, "other");
  g_assert_cmpuint (stanza_n_attrs (s), ==, 4);
  g_assert_false (stanza_equal (s, back));
}

static void
test_odd_namespaces (void)
{
  g_autoptr (Stanza) s = stanza_new ("x", NS_CLIENT);
  g_autoptr (Stanza) back = NULL;
  Stanza *none;

  none = stanza_add_new (s, "none", "", NULL);
  stanza_add_new (none, "deep", "urn:a'b&c", "t");
  stanza_add_new (s, "xmlish", NS_XML, "u");
  back = reread (s);
  g_assert_true (stanza_equal (s, back));
  g_assert_nonnull (stanza_get_child (back, "none", ""));
}

static void
test_tree (void)
{
  g_autoptr (Stanza) s = stanza_new ("x", NS_CLIENT);
  g_autofree char *text = NULL;
  const Stanza *child = NULL;
  guint n = 0;

  stanza_add_text (s, "a");
  stanza_add_text (s, "b");
  stanza_add_new (s, "one", NS_CLIENT, NULL);
  stanza_add_text (s, "c");
  stanza_add_new (s, "two", NS_PING, "inner");
  while ((child = stanza_next_child (s, child)) != NULL)
    n++;
  g_assert_cmpuint (n, ==, 2);
  text = stanza_dup_text (s);
  g_assert_cmpstr (text, ==, "abc");
  g_assert_nonnull (stanza_get_child (s, NULL, NS_PING));
  g_assert_nonnull (stanza_get_child (s, "one", NULL));
  g_assert_null (stanza_get_child (s, "one", NS_PING));
  g_assert_null (stanza_get_child (s, "two", NS_CLIENT));
}

/* Our disco#info answer goes into every stream's features: the second parent must not cut the first one's list. */
static void
test_child_of_two (void)
{
  g_autoptr (Stanza) a = stanza_new ("a", NS_CLIENT);
  g_autoptr (Stanza) b = stanza_new ("b", NS_CLIENT);
  g_autoptr (Stanza) shared = make_message ();

  stanza_add_child (a, stanza_ref (shared));
  stanza_add_child (b, stanza_ref (shared));
  stanza_add_new (b, "tail", NS_CLIENT, NULL);
  stanza_add_new (a, "end", NS_CLIENT, NULL);
  g_assert_nonnull (stanza_get_child (a, "end", NULL));
  g_assert_null (stanza_get_child (a, "tail", NULL));
  g_assert_nonnull (stanza_get_child (b, "tail", NULL));
  g_assert_true (stanza_equal (stanza_get_child (b, "message", NULL), shared));
}

static void
test_equal (void)
{
  g_autoptr (Stanza) a = make_message ();
  g_autoptr (Stanza) b = make_message ();
  g_autoptr (Stanza) c = stanza_new ("message", NS_CLIENT);

  g_assert_true (stanza_equal (a, b));
  stanza_set_attr_ns (c, "lang", NS_XML, "en");
  stanza_set_attr (c, "type", "chat");
  stanza_add_new (c, "body", NS_CLIENT, "art thou not Romeo?");
  g_assert_false (stanza_equal (a, c));
  stanza_add_new (c, "request", NS_RECEIPTS, NULL);
  g_assert_true (stanza_equal (a, c));
  stanza_add_text (c, " ");
  g_assert_false (stanza_equal (a, c));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stanza/serialize", test_serialize);
  g_test_add_func ("/stanza/stream-prefix", test_stream_prefix);
  g_test_add_func ("/stanza/markup-injection", test_markup_injection);
  g_test_add_func ("/stanza/illegal-characters", test_illegal_characters);
  g_test_add_func ("/stanza/foreign-attributes", test_foreign_attributes);
  g_test_add_func ("/stanza/odd-namespaces", test_odd_namespaces);
  g_test_add_func ("/stanza/tree", test_tree);
  g_test_add_func ("/stanza/child-of-two", test_child_of_two);
  g_test_add_func ("/stanza/equal", test_equal);
  return g_test_run ();
}
