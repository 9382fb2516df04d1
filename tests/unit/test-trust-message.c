/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What peers say about keys (docs/protocol.md 3.7): what is said is read, and each deviation is refused whole.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/error.h"
#include "daemon/base/names.h"
#include "daemon/proto/trust-message.h"
#include "daemon/proto/xml-stream.h"

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define OTHER "//////////////////////////////////////////8="
#define OPEN "<trust-message xmlns='urn:xmpp:tm:1' usage='im.earshot:intro:0' encryption='im.earshot:tls:0'>"
#define CLOSE "</trust-message>"
#define OWNER "<key-owner jid='juliet@pronto'><trust>" KEY "</trust></key-owner>"
#define GOOD OPEN OWNER CLOSE

static Stanza *
message_with (const char *children)
{
  g_autofree char *xml = g_strconcat ("<message>", children, "</message>", NULL);

  return xml_stream_read_one (xml);
}

static void
test_said_and_read (void)
{
  TrustMessage said = { .n_keys = 2, .name = (char *) "Juliet <3", .note = (char *) "met \"her\" & 'them'" };
  g_autoptr (Stanza) message = stanza_new ("message", NS_CLIENT);
  g_autoptr (Stanza) wire = NULL;
  g_autoptr (GString) xml = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_auto (TrustMessage) read = { .n_keys = 0 };

  memset (said.keys[0].fp.bytes, 0xfb, FINGERPRINT_BYTES);
  said.keys[1].distrust = TRUE;
  trust_message_add (message, &said, "juliet@pronto");
  stanza_serialize (message, NULL, xml);
  wire = xml_stream_read_one (xml->str);
  g_assert_nonnull (wire);
  g_assert_true (trust_message_is_in (wire));
  g_assert_true (trust_message_parse (wire, &read, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (read.n_keys, ==, 2);
  g_assert_true (fingerprint_equal (&read.keys[0].fp, &said.keys[0].fp));
  g_assert_true (fingerprint_equal (&read.keys[1].fp, &said.keys[1].fp));
  g_assert_false (read.keys[0].distrust);
  g_assert_true (read.keys[1].distrust);
  g_assert_cmpstr (read.name, ==, said.name);
  g_assert_cmpstr (read.note, ==, said.note);
}

static void
test_nothing_but_keys (void)
{
  g_autoptr (Stanza) message = message_with ("<body>hi</body>" OPEN "\n <key-owner>\n  <trust>" OTHER "</trust> </key-owner>\n" CLOSE);
  g_auto (TrustMessage) read = { .n_keys = 0 };
  Fingerprint ones;

  memset (ones.bytes, 0xff, sizeof ones.bytes);
  g_assert_true (trust_message_parse (message, &read, NULL));
  g_assert_cmpuint (read.n_keys, ==, 1);
  g_assert_true (fingerprint_equal (&read.keys[0].fp, &ones));
  g_assert_cmpstr (read.name, ==, "");
  g_assert_cmpstr (read.note, ==, "");
}

static const struct {
  const char *name, *children;
} bad[] = {
  { "none", "<body>hi</body>" },
  { "two", GOOD OPEN "<key-owner><trust>" OTHER "</trust></key-owner>" CLOSE },
  { "beside-another-of-its-namespace", GOOD "<trust-more xmlns='urn:xmpp:tm:1'/>" },
  { "other-namespace", "<trust-message xmlns='urn:xmpp:tm:0' usage='im.earshot:intro:0' encryption='im.earshot:tls:0'>" OWNER CLOSE },
  { "no-usage", "<trust-message xmlns='urn:xmpp:tm:1' encryption='im.earshot:tls:0'>" OWNER CLOSE },
  { "wrong-usage", "<trust-message xmlns='urn:xmpp:tm:1' usage='urn:xmpp:atm:1' encryption='im.earshot:tls:0'>" OWNER CLOSE },
  { "wrong-encryption", "<trust-message xmlns='urn:xmpp:tm:1' usage='im.earshot:intro:0' encryption='urn:xmpp:omemo:2'>" OWNER CLOSE },
  { "more-attributes", "<trust-message xmlns='urn:xmpp:tm:1' usage='im.earshot:intro:0' encryption='im.earshot:tls:0' depth='2'>" OWNER CLOSE },
  { "empty", OPEN CLOSE },
  { "words", OPEN OWNER "trust me" CLOSE },
  { "no-owner", OPEN "<trust>" KEY "</trust>" CLOSE },
  { "owner-of-another-namespace", OPEN "<key-owner xmlns='urn:x'><trust xmlns='urn:xmpp:tm:1'>" KEY "</trust></key-owner>" CLOSE },
  { "owner-without-key", OPEN "<key-owner jid='a@b'/>" CLOSE },
  { "owner-with-words", OPEN "<key-owner jid='a@b'>x<trust>" KEY "</trust></key-owner>" CLOSE },
  { "owner-with-more", OPEN "<key-owner jid='a@b' level='verified'><trust>" KEY "</trust></key-owner>" CLOSE },
  { "other-word", OPEN "<key-owner jid='a@b'><verify>" KEY "</verify></key-owner>" CLOSE },
  { "trust-of-another-namespace", OPEN "<key-owner jid='a@b'><trust xmlns='urn:x'>" KEY "</trust></key-owner>" CLOSE },
  { "trust-with-attribute", OPEN "<key-owner jid='a@b'><trust depth='2'>" KEY "</trust></key-owner>" CLOSE },
  { "trust-with-child", OPEN "<key-owner jid='a@b'><trust><b/>" KEY "</trust></key-owner>" CLOSE },
  { "no-base64", OPEN "<key-owner jid='a@b'><trust>AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd!h8=</trust></key-owner>" CLOSE },
  { "loose-base64", OPEN "<key-owner jid='a@b'><trust>AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=</trust></key-owner>" CLOSE },
  { "base64url", OPEN "<key-owner jid='a@b'><trust>__________________________________________8=</trust></key-owner>" CLOSE },
  { "base64-in-two-lines", OPEN "<key-owner jid='a@b'><trust>AAECAwQFBgcICQoLDA0ODxAR\nEhMUFRYXGBkaGxwdHh8=</trust></key-owner>" CLOSE },
  { "base64-with-blanks", OPEN "<key-owner jid='a@b'><trust> " KEY " </trust></key-owner>" CLOSE },
  { "unpadded", OPEN "<key-owner jid='a@b'><trust>AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8</trust></key-owner>" CLOSE },
  { "key-too-short", OPEN "<key-owner jid='a@b'><trust>AAECAwQFBgcICQoLDA0ODw==</trust></key-owner>" CLOSE },
  { "key-too-long", OPEN "<key-owner jid='a@b'><trust>AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v</trust></key-owner>" CLOSE },
  { "hex", OPEN "<key-owner jid='a@b'><trust>00010203f4f5f6f708090a0bfcfdfeff101112131415161718191a1b1c1d1e1f</trust></key-owner>" CLOSE },
  { "no-key-text", OPEN "<key-owner jid='a@b'><trust/></key-owner>" CLOSE },
  { "twice", OPEN "<key-owner jid='a@b'><trust>" KEY "</trust><trust>" KEY "</trust></key-owner>" CLOSE },
  { "yes-and-no", OPEN "<key-owner jid='a@b'><trust>" KEY "</trust><distrust>" KEY "</distrust></key-owner>" CLOSE },
  { "two-owners-of-one-key", OPEN OWNER "<key-owner jid='c@d'><trust>" KEY "</trust></key-owner>" CLOSE },
  { "about-two-owners", OPEN OWNER "<key-owner jid='c@d'><trust>" OTHER "</trust></key-owner>" CLOSE "<about xmlns='im.earshot:intro:0' name='x'/>" },
  { "about-twice", GOOD "<about xmlns='im.earshot:intro:0' name='x'/><about xmlns='im.earshot:intro:0' name='y'/>" },
  { "about-with-child", GOOD "<about xmlns='im.earshot:intro:0'><b/></about>" },
  { "about-with-more", GOOD "<about xmlns='im.earshot:intro:0' name='x' level='verified'/>" },
  { "unknown-of-ours", GOOD "<level xmlns='im.earshot:intro:0'/>" },
};

static void
test_bad (gconstpointer data)
{
  g_autoptr (Stanza) message = message_with (data);
  g_autoptr (GError) error = NULL;
  TrustMessage untouched = { .n_keys = 7 };

  g_assert_nonnull (message);
  g_assert_false (trust_message_parse (message, &untouched, &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpuint (untouched.n_keys, ==, 7);
  g_assert_null (untouched.name);
}

/* A thousand keys in one message are not a thousand questions: not one. */
static void
test_many_keys (void)
{
  for (guint owners = 1; owners <= 9; owners++)
    for (guint each = 1; each <= 1000; each += each < 20 ? 1 : 980)
      {
        g_autoptr (GString) xml = g_string_new ("<message>" OPEN);
        g_autoptr (Stanza) message = NULL;
        g_auto (TrustMessage) read = { .n_keys = 0 };

        for (guint i = 0; i < owners; i++)
          {
            g_string_append (xml, "<key-owner>");
            for (guint n = 0; n < each; n++)
              {
                guint8 bytes[32] = { (guint8) i, (guint8) n, (guint8) (n >> 8) };
                g_autofree char *text = g_base64_encode (bytes, sizeof bytes);

                g_string_append_printf (xml, "<trust>%s</trust>", text);
              }
            g_string_append (xml, "</key-owner>");
          }
        g_string_append (xml, CLOSE "</message>");
        message = xml_stream_read_one (xml->str);
        if (message == NULL)
          continue; /* larger than a stanza may be */
        g_assert_true (trust_message_parse (message, &read, NULL) == (owners <= 8 && owners * each <= TRUST_MESSAGE_KEYS_MAX));
      }
}

static void
test_texts (void)
{
  static const struct {
    const char *children, *name, *note;
  } texts[] = {
    { GOOD "<about xmlns='im.earshot:intro:0'/>", "", "" },
    { GOOD "<about xmlns='im.earshot:intro:0' name='J&#252;lie'> the&#10;cook&#x202e; evil&#x7f;</about>", "Jülie", "thecook evil" },
    { GOOD "<about xmlns='im.earshot:intro:0' name='&#9;&#x2066;'>&#x2028;</about>", "", "" },
  };
  g_autofree char *name = g_strnfill (TRUST_MESSAGE_NAME_MAX + 1, 'x'), *note = g_strnfill (TRUST_MESSAGE_NOTE_MAX + 1, 'x');

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (Stanza) message = message_with (texts[i].children);
      g_auto (TrustMessage) read = { .n_keys = 0 };

      g_assert_true (trust_message_parse (message, &read, NULL));
      g_assert_cmpstr (read.name, ==, texts[i].name);
      g_assert_cmpstr (read.note, ==, texts[i].note);
    }
  /* The last of each fits. */
  for (guint over = 0; over < 4; over++)
    {
      g_autofree char *xml = g_strdup_printf (GOOD "<about xmlns='im.earshot:intro:0' name='%s'>%s</about>", name + (over & 1 ? 0 : 1),
                                              note + (over & 2 ? 0 : 1));
      g_autoptr (Stanza) message = message_with (xml);
      g_auto (TrustMessage) read = { .n_keys = 0 };

      g_assert_true (trust_message_parse (message, &read, NULL) == (over == 0));
    }
}

/* What stands on our own disk is read like a stranger's. */
static void
test_one_element (void)
{
  static const char *const no[] = { "", " ", "x", "<message>", "<message/><message/>", "<message/>x", "</stream:stream>", "<message/></stream:stream>",
                                    "<!DOCTYPE a><message/>", "<message a='1' a='2'/>", "<message/><!-- x -->", "<message>&x;</message>" };

  for (guint i = 0; i < G_N_ELEMENTS (no); i++)
    {
      g_autoptr (Stanza) read = xml_stream_read_one (no[i]);

      g_assert_null (read);
    }
  {
    g_autoptr (Stanza) read = xml_stream_read_one ("<message xmlns='jabber:client'><a xmlns='urn:a'/></message>");

    g_assert_true (stanza_is (read, "message", NS_CLIENT));
    g_assert_nonnull (stanza_get_child (read, "a", "urn:a"));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/trust-message/said-and-read", test_said_and_read);
  g_test_add_func ("/trust-message/nothing-but-keys", test_nothing_but_keys);
  g_test_add_func ("/trust-message/many-keys", test_many_keys);
  g_test_add_func ("/trust-message/texts", test_texts);
  g_test_add_func ("/trust-message/one-element", test_one_element);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *path = g_strconcat ("/trust-message/refused/", bad[i].name, NULL);

      g_test_add_data_func (path, bad[i].children, test_bad);
    }
  return g_test_run ();
}
