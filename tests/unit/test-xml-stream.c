/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Every document is read whole, byte by byte and in uneven bites: the outcome must be the same.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/xml-stream.h"

#define HEADER "<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' version='1.0'>"

typedef struct {
  XmlStream *xs;
  GString *events; /* what was seen, serialised */
  guint n_stanzas;
  guint stop_after; /* stop in the callback of that stanza */
  gboolean free_too;
  gsize consumed, max_pending;
  gboolean dead;
  GError *error;
} Reader;

static void
on_opened (gpointer user, const Stanza *header, const char *default_ns)
{
  Reader *r = user;

  g_string_append_printf (r->events, "open %s %s %s;", stanza_get_name (header), stanza_get_ns (header), default_ns);
}

static void
on_stanza (gpointer user, Stanza *s)
{
  Reader *r = user;

  stanza_serialize (s, NS_CLIENT, r->events);
  g_string_append_c (r->events, ';');
  if (++r->n_stanzas == r->stop_after)
    {
      xml_stream_stop (r->xs);
      if (r->free_too)
        g_clear_pointer (&r->xs, xml_stream_free);
    }
}

static void
on_closed (gpointer user)
{
  g_string_append (((Reader *) user)->events, "close;");
}

static const XmlStreamHandlers handlers = { on_opened, on_stanza, on_closed };

static void
reader_clear (Reader *r)
{
  g_clear_pointer (&r->xs, xml_stream_free);
  if (r->events != NULL)
    g_string_free (r->events, TRUE);
  g_clear_error (&r->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Reader, reader_clear)

static void
reader_feed (Reader *r, const XmlStreamLimits *limits, const char *doc, gsize len, gsize bite)
{
  r->events = g_string_new (NULL);
  r->xs = xml_stream_new (limits, &handlers, r);
  for (gsize i = 0; i < len && r->xs != NULL; i += bite)
    {
      gsize n = MIN (bite, len - i), consumed = 0;
      /* Exactly as long as said: a read behind it is for the sanitizer to find. */
      g_autofree char *copy = g_memdup2 (doc + i, n);

      if (!xml_stream_feed (r->xs, copy, n, &consumed, &r->error))
        {
          g_autoptr (GError) again = NULL;

          /* Dead is dead. */
          g_assert_false (xml_stream_feed (r->xs, "<a/>", 4, NULL, &again));
          g_assert_error (again, XML_STREAM_ERROR, r->error->code);
          return;
        }
      r->consumed += consumed;
      if (r->xs != NULL)
        r->max_pending = MAX (r->max_pending, xml_stream_pending (r->xs));
      if (consumed < n)
        return;
    }
}

static const gsize bites[] = { 1, 2, 7, 100, 1460, 1 << 20 };

static void
expect_len (const XmlStreamLimits *limits, const char *doc, gsize len, const char *events, int code)
{
  for (guint i = 0; i < G_N_ELEMENTS (bites); i++)
    {
      g_auto (Reader) r = { 0 };

      reader_feed (&r, limits, doc, len, bites[i]);
      if (events != NULL)
        g_assert_cmpstr (r.events->str, ==, events);
      if (code < 0)
        g_assert_no_error (r.error);
      else
        g_assert_error (r.error, XML_STREAM_ERROR, code);
      g_assert_cmpuint (r.max_pending, <=, limits->element_bytes);
    }
}

static void
expect (const char *doc, const char *events, int code)
{
  expect_len (&xml_stream_limits_before_auth, doc, strlen (doc), events, code);
}

#define OPEN "open stream " NS_STREAM " jabber:client;"

static void
test_stream (void)
{
  expect ("<?xml version='1.0' encoding='utf-8'?>\n" HEADER " \r\n\t"
          "<message to='a@b'><body>x &lt;&#x41;&amp; <![CDATA[<y>]]></body></message> <iq xml:lang='de'/></stream:stream>",
          OPEN "<message to='a@b'><body>x &lt;A&amp; &lt;y&gt;</body></message>;<iq xml:lang='de'/>;close;", -1);
  expect ("<?xml version='1.0'?><s/>", "open s  (null);close;", -1);
}

static void
test_prefixes_are_not_names (void)
{
  expect ("<x:stream xmlns='urn:other' xmlns:x='" NS_STREAM "' xmlns:c='jabber:client'><c:message><c:body/></c:message>"
          "<x:error/></x:stream>",
          "open stream " NS_STREAM " urn:other;<message><body/></message>;<stream:error/>;close;", -1);
}

static void
test_restricted (void)
{
  const int code = XML_STREAM_ERROR_RESTRICTED_XML;

  expect ("<!DOCTYPE s [<!ENTITY a 'b'>]>" HEADER, "", code);
  expect ("<?xml version='1.0'?><!DOCTYPE s SYSTEM 'file:///etc/passwd'>" HEADER, "", code);
  expect ("<!DOCTYPE s [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><s>&b;</s>", "", code);
  expect ("<!-- hello -->" HEADER, "", code);
  expect (HEADER "<!-- -->", OPEN, code);
  expect (HEADER "<a/><a><!----></a>", OPEN "<a/>;", code);
  expect ("<?php echo ?>" HEADER, "", code);
  expect (HEADER "<a><?x y?></a>", OPEN, code);
  expect (HEADER "<a>&foo;</a>", OPEN, code);
  expect (HEADER "<a b='&foo;'/>", OPEN, code);
}

static void
test_not_well_formed (void)
{
  const int code = XML_STREAM_ERROR_NOT_WELL_FORMED;

  expect ("GET / HTTP/1.0\r\n\r\n", "", code);
  expect ("\x16\x03\x01", "", code);
  expect ("\xfe<", "", code);
  expect (HEADER "<a></b>", OPEN, code);
  expect (HEADER "<a b='1' b='2'/>", OPEN, code);
  expect (HEADER "<a b=1/>", OPEN, code);
  expect (HEADER "<u:a/>", OPEN, code);
  expect (HEADER "<a xmlns:x='urn:x' xmlns:y='urn:x' x:b='' y:b=''/>", OPEN, code);
  expect (HEADER "<a>\xc0\xaf</a>", OPEN, code);
  expect (HEADER "<a>\xed\xa0\x80</a>", OPEN, code);
  expect (HEADER "<a>\xff</a>", OPEN, code);
  expect (HEADER "<a>&#0;</a>", OPEN, code);
  expect (HEADER "<a>&#xD800;</a>", OPEN, code);
  expect (HEADER "<a>\x01</a>", OPEN, code);
  expect (HEADER "<a/><?xml version='1.0'?>", OPEN "<a/>;", code);
  expect (" <?xml version='1.0'?>" HEADER, "", code);
  expect ("<?xml version='1.1'?>" HEADER, "", code);
  expect ("\xef\xbb\xbf" HEADER, "", code);
  expect_len (&xml_stream_limits_before_auth, HEADER "<a>\0</a>", strlen (HEADER) + 8, OPEN, code);
}

static void
test_other_encoding (void)
{
  const int code = XML_STREAM_ERROR_UNSUPPORTED_ENCODING;
  static const char utf16le[] = "<\0s\0>\0", utf16be[] = "\0<\0s\0>", bom_le[] = "\xff\xfe<\0s\0", bom_be[] = "\xfe\xff\0<\0s";

  expect ("<?xml version='1.0' encoding='ISO-8859-1'?>" HEADER, "", code);
  expect ("<?xml version='1.0' encoding='UTF-16'?>" HEADER, "", code);
  /* Anything with a zero second: expat would take it for UTF-16 whatever it was told. */
  expect_len (&xml_stream_limits_before_auth, " \0<\0s\0>\0", 8, "", code);
  expect_len (&xml_stream_limits_before_auth, utf16le, 6, "", code);
  expect_len (&xml_stream_limits_before_auth, utf16be, 6, "", code);
  expect_len (&xml_stream_limits_before_auth, bom_le, 6, "", code);
  expect_len (&xml_stream_limits_before_auth, bom_be, 6, "", code);
}

static void
test_text_between (void)
{
  expect (HEADER "<a/>hello", OPEN "<a/>;", XML_STREAM_ERROR_BAD_FORMAT);
}

/* An element of exactly the limit passes, one more byte does not; whitespace between elements is free. */
static void
test_element_limit (void)
{
  gsize limit = xml_stream_limits_before_auth.element_bytes;
  g_autoptr (GString) doc = g_string_new (HEADER);
  g_autofree char *text = g_strnfill (limit - 7, 'x');

  g_string_append (doc, "<b/>\n\n\n     ");
  g_string_append_printf (doc, "<a>%s</a>   \n<b/>", text);
  for (guint i = 0; i < G_N_ELEMENTS (bites); i++)
    {
      g_auto (Reader) r = { 0 };

      reader_feed (&r, &xml_stream_limits_before_auth, doc->str, doc->len, bites[i]);
      g_assert_no_error (r.error);
      g_assert_cmpuint (r.n_stanzas, ==, 3);
    }
  g_string_assign (doc, HEADER);
  g_string_append_printf (doc, "<a>%sx</a>", text);
  expect_len (&xml_stream_limits_before_auth, doc->str, doc->len, OPEN, XML_STREAM_ERROR_STANZA_TOO_BIG);
}

static void
test_endless (void)
{
  static const char *const starts[] = {
    "<", "<s a='", HEADER "<a>", HEADER "<a b='", HEADER "<", HEADER "<!--", HEADER "<![CDATA[", "<?", "<!DOCTYPE ",
  };

  for (guint i = 0; i < G_N_ELEMENTS (starts); i++)
    {
      g_autoptr (GString) doc = g_string_new (starts[i]);
      g_auto (Reader) r = { 0 };

      g_string_set_size (doc, 1 << 20);
      memset (doc->str + strlen (starts[i]), 'a', doc->len - strlen (starts[i]));
      reader_feed (&r, &xml_stream_limits_after_auth, doc->str, doc->len, 1460);
      g_assert_nonnull (r.error);
      g_assert_cmpuint (r.consumed, <=, xml_stream_limits_after_auth.element_bytes + sizeof HEADER);
      g_assert_cmpuint (r.max_pending, <=, xml_stream_limits_after_auth.element_bytes);
    }
}

static void
test_total_limit (void)
{
  g_autoptr (GString) doc = g_string_new (HEADER);

  while (doc->len <= xml_stream_limits_before_auth.total_bytes)
    g_string_append (doc, "<a/>      ");
  expect_len (&xml_stream_limits_before_auth, doc->str, doc->len, NULL, XML_STREAM_ERROR_POLICY_VIOLATION);
  expect_len (&xml_stream_limits_after_auth, doc->str, doc->len, NULL, -1);
}

static void
repeat (GString *doc, const char *text, guint n)
{
  for (guint i = 0; i < n; i++)
    g_string_append (doc, text);
}

static void
test_depth (void)
{
  g_autoptr (GString) doc = g_string_new (HEADER);

  repeat (doc, "<a>", 31);
  repeat (doc, "</a>", 31);
  expect_len (&xml_stream_limits_before_auth, doc->str, doc->len, NULL, -1);
  repeat (doc, "<a>", 32);
  expect_len (&xml_stream_limits_before_auth, doc->str, doc->len, NULL, XML_STREAM_ERROR_POLICY_VIOLATION);
}

static void
append_attributes (GString *doc, const char *pattern, guint n)
{
  g_string_append (doc, "<a");
  for (guint i = 0; i < n; i++)
    {
      g_string_append_printf (doc, " %s%u='%u'", pattern, i, i);
    }
  g_string_append (doc, "/>");
}

static void
test_attributes (void)
{
  static const char *const patterns[] = { "b", "xmlns:b" };

  for (guint i = 0; i < G_N_ELEMENTS (patterns); i++)
    {
      g_autoptr (GString) doc = g_string_new (HEADER);

      append_attributes (doc, patterns[i], 64);
      expect_len (&xml_stream_limits_before_auth, doc->str, doc->len, NULL, -1);
      append_attributes (doc, patterns[i], 65);
      expect_len (&xml_stream_limits_before_auth, doc->str, doc->len, NULL, XML_STREAM_ERROR_POLICY_VIOLATION);
    }
}

static void
test_children (void)
{
  g_autoptr (GString) doc = g_string_new (HEADER "<a>");

  repeat (doc, "<b/>", 1024);
  g_string_append (doc, "</a><a>");
  expect_len (&xml_stream_limits_before_auth, doc->str, doc->len, NULL, -1);
  repeat (doc, "<b/>", 1025);
  expect_len (&xml_stream_limits_before_auth, doc->str, doc->len, NULL, XML_STREAM_ERROR_POLICY_VIOLATION);
}

static void
test_lengths (void)
{
  g_autofree char *name = g_strnfill (256, 'n');
  g_autofree char *value = g_strnfill (8192, 'v');
  g_autofree char *ok = g_strdup_printf (HEADER "<%s/><a xmlns='%s'/><a b='%s'/>", name, name, value);
  g_autofree char *long_name = g_strdup_printf (HEADER "<%sx/>", name);
  g_autofree char *long_attr = g_strdup_printf (HEADER "<a %sx=''/>", name);
  g_autofree char *long_prefix = g_strdup_printf (HEADER "<a xmlns:%sx='urn:x'/>", name);
  g_autofree char *long_ns = g_strdup_printf (HEADER "<a xmlns='%sx'/>", name);
  g_autofree char *long_value = g_strdup_printf (HEADER "<a b='%sx'/>", value);
  const int code = XML_STREAM_ERROR_POLICY_VIOLATION;

  expect (ok, NULL, -1);
  expect (long_name, NULL, code);
  expect (long_attr, NULL, code);
  expect (long_prefix, NULL, code);
  expect (long_ns, NULL, code);
  expect (long_value, NULL, code);
}

/* expat remembers every name for ever: small stanzas, each with new names, would fill the memory unseen. */
static void
test_names_forever (void)
{
  static const char *const patterns[] = {
    "<n%u/>", "<a n%u=''/>", "<a xmlns='urn:%u'/>", "<a xmlns:p%u='urn:x'/>", "<p%u:a xmlns:p%u='urn:x'/>",
  };

  for (guint i = 0; i < G_N_ELEMENTS (patterns); i++)
    {
      g_autoptr (GString) doc = g_string_new (HEADER);
      g_auto (Reader) r = { 0 };
      g_auto (GStrv) parts = g_strsplit (patterns[i], "%u", -1);

      for (guint n = 0; n < 5000; n++)
        {
          g_autofree char *number = g_strdup_printf ("%u", n);
          g_autofree char *element = g_strjoinv (number, parts);

          g_string_append (doc, element);
        }
      reader_feed (&r, &xml_stream_limits_after_auth, doc->str, doc->len, 1460);
      g_assert_error (r.error, XML_STREAM_ERROR, XML_STREAM_ERROR_POLICY_VIOLATION);
      g_assert_cmpuint (r.n_stanzas, <, 4096);
    }
}

/* What stands behind the element that stopped the parser is counted and not read. */
static void
test_stop (void)
{
  const char *doc = HEADER "<a/><starttls xmlns='" NS_TLS "'/><message>injected</message>";
  gsize cut = (gsize) (strstr (doc, "<message>") - doc);

  for (guint i = 0; i < G_N_ELEMENTS (bites); i++)
    {
      g_auto (Reader) r = { .stop_after = 2 };
      gsize consumed = 1;

      reader_feed (&r, &xml_stream_limits_before_auth, doc, strlen (doc), bites[i]);
      g_assert_no_error (r.error);
      g_assert_cmpuint (r.n_stanzas, ==, 2);
      g_assert_cmpuint (r.consumed, ==, cut);
      g_assert_true (xml_stream_feed (r.xs, "<b/>", 4, &consumed, NULL));
      g_assert_cmpuint (consumed, ==, 0);
      g_assert_cmpuint (r.n_stanzas, ==, 2);
    }
}

static void
test_free_inside (void)
{
  const char *doc = HEADER "<a/><b></b><c/></stream:stream>";

  for (guint i = 0; i < G_N_ELEMENTS (bites); i++)
    for (guint stop = 1; stop <= 3; stop++)
      {
        g_auto (Reader) r = { .stop_after = stop, .free_too = TRUE };

        reader_feed (&r, &xml_stream_limits_before_auth, doc, strlen (doc), bites[i]);
        g_assert_null (r.xs);
        g_assert_cmpuint (r.n_stanzas, ==, stop);
      }
}

static void
test_behind_close (void)
{
  const char *doc = HEADER "</stream:stream><message/>";

  expect (doc, OPEN "close;", -1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/xml-stream/stream", test_stream);
  g_test_add_func ("/xml-stream/prefixes-are-not-names", test_prefixes_are_not_names);
  g_test_add_func ("/xml-stream/S-19-restricted-xml", test_restricted);
  g_test_add_func ("/xml-stream/S-20-not-well-formed", test_not_well_formed);
  g_test_add_func ("/xml-stream/S-20-other-encoding", test_other_encoding);
  g_test_add_func ("/xml-stream/text-between-stanzas", test_text_between);
  g_test_add_func ("/xml-stream/S-22-element-limit", test_element_limit);
  g_test_add_func ("/xml-stream/S-22-endless-token", test_endless);
  g_test_add_func ("/xml-stream/S-22-total-before-sasl", test_total_limit);
  g_test_add_func ("/xml-stream/S-22-depth", test_depth);
  g_test_add_func ("/xml-stream/S-22-attributes", test_attributes);
  g_test_add_func ("/xml-stream/S-22-children", test_children);
  g_test_add_func ("/xml-stream/S-22-name-and-value-lengths", test_lengths);
  g_test_add_func ("/xml-stream/S-22-names-kept-for-ever", test_names_forever);
  g_test_add_func ("/xml-stream/S-04-stop-leaves-the-rest", test_stop);
  g_test_add_func ("/xml-stream/free-inside-callback", test_free_inside);
  g_test_add_func ("/xml-stream/bytes-behind-close", test_behind_close);
  return g_test_run ();
}
