/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <glib.h>
#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/emoji.h"
#include "daemon/proto/message-parts.h"
#include "daemon/proto/web-link.h"
#include "daemon/proto/xml-stream.h"

#define HEADER "<stream:stream xmlns='" NS_CLIENT "' xmlns:stream='" NS_STREAM "'>"
#define REPLACE "<replace xmlns='" NS_CORRECT "' id='m1'/>"
#define RETRACT "<retract xmlns='" NS_RETRACT "' id='m1'/>"

static void
on_opened (gpointer user, const Stanza *header, const char *default_ns)
{
}

static void
on_stanza (gpointer user, Stanza *stanza)
{
  *(Stanza **) user = stanza_ref (stanza);
}

static void
on_closed (gpointer user)
{
}

/* What a peer wrote, through the parser that it comes through. */
static Stanza *
message_of (const char *content)
{
  static const XmlStreamHandlers handlers = { on_opened, on_stanza, on_closed };
  g_autofree char *text = g_strconcat (HEADER "<message type='chat' id='own'>", content, "</message>", NULL);
  Stanza *message = NULL;
  XmlStream *xs = xml_stream_new (&xml_stream_limits_after_auth, &handlers, &message);

  g_assert_true (xml_stream_feed (xs, text, strlen (text), NULL, NULL));
  xml_stream_free (xs);
  g_assert_nonnull (message);
  return message;
}

static MessageVerdict
read_text (const char *content, MessageParts *parts)
{
  g_autoptr (Stanza) message = message_of (content);

  return message_parts_read (message, parts);
}

static void
assert_verdict (const char *content, MessageVerdict wanted)
{
  g_auto (MessageParts) parts = { 0 };

  g_assert_cmpint (read_text (content, &parts), ==, wanted);
}

static void
assert_body (const char *content, const char *wanted)
{
  g_auto (MessageParts) parts = { 0 };

  g_assert_cmpint (read_text (content, &parts), ==, MESSAGE_SAID);
  g_assert_cmpstr (parts.body, ==, wanted);
}

/* --- what is sent is what is read ---------------------------------------------------------- */

static void
check_round_trip (const MessageParts *parts)
{
  g_autoptr (Stanza) message = stanza_new ("message", NS_CLIENT);
  g_auto (MessageParts) again = { 0 };

  message_parts_write (parts, message);
  g_assert_cmpint (message_parts_read (message, &again), ==, MESSAGE_SAID);
  g_assert_cmpint (again.kind, ==, parts->kind);
  g_assert_cmpstr (again.about, ==, parts->about);
  g_assert_cmpstr (again.body, ==, parts->body);
  g_assert_cmpstr (again.thread, ==, parts->thread);
  g_assert_cmpstr (again.reply_to, ==, parts->reply_to);
  g_assert_cmpstr (again.url, ==, parts->url);
  g_assert_cmpstr (again.nick, ==, parts->nick);
  g_assert_cmpint (again.unstyled, ==, parts->unstyled);
  g_assert_cmpint (again.markable, ==, parts->markable);
}

static void
test_round_trips (void)
{
  const MessageParts all[] = {
    { .body = (char *) "hi" },
    { .body = (char *) "see http", .thread = (char *) "t", .reply_to = (char *) "m0", .url = (char *) "https://x.example/a?b=c#d",
      .nick = (char *) "Juliet", .unstyled = TRUE, .markable = TRUE },
    { .kind = MESSAGE_EDIT, .about = (char *) "m1", .body = (char *) "better" },
    { .kind = MESSAGE_RETRACT, .about = (char *) "m1" },
    { .kind = MESSAGE_REACTION, .about = (char *) "m1", .body = (char *) "👍 ❤️" },
    { .kind = MESSAGE_REACTION, .about = (char *) "m1", .body = (char *) "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    check_round_trip (&all[i]);
}

/* Who knows none of it has still a text to show, and what is one for others is none for us. */
static void
test_fallback_texts (void)
{
  const MessageParts said[] = {
    { .kind = MESSAGE_RETRACT, .about = (char *) "m1" },
    { .kind = MESSAGE_REACTION, .about = (char *) "m1", .body = (char *) "👍" },
    { .kind = MESSAGE_REACTION, .about = (char *) "m1", .body = (char *) "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (said); i++)
    {
      g_autoptr (Stanza) message = stanza_new ("message", NS_CLIENT);
      const Stanza *body;
      g_autofree char *text = NULL, *wanted = message_parts_dup_fallback (&said[i]);

      message_parts_write (&said[i], message);
      body = stanza_get_child (message, "body", NS_CLIENT);
      g_assert_nonnull (body);
      text = stanza_dup_text (body);
      g_assert_cmpstr (text, ==, wanted);
      g_assert_cmpstr (text, !=, "");
    }
}

/* --- attacks --------------------------------------------------------------------------------- */

static void
test_two_purposes (void)
{
  assert_verdict (REPLACE RETRACT "<body>x</body>", MESSAGE_MALFORMED);
  assert_verdict (REPLACE REPLACE "<body>x</body>", MESSAGE_MALFORMED);
  assert_verdict (RETRACT "<reactions xmlns='" NS_REACTIONS "' id='m1'/>", MESSAGE_MALFORMED);
  assert_verdict (REPLACE "<body>x</body>", MESSAGE_SAID);
}

static void
test_ids_without_measure (void)
{
  g_autofree char *longest = g_strnfill (MESSAGE_ID_MAX, 'x'), *longer = g_strnfill (MESSAGE_ID_MAX + 1, 'x');
  g_autofree char *fits = g_strdup_printf ("<retract xmlns='" NS_RETRACT "' id='%s'/>", longest);
  g_autofree char *over = g_strdup_printf ("<retract xmlns='" NS_RETRACT "' id='%s'/>", longer);
  g_autofree char *reply = g_strdup_printf ("<body>x</body><reply xmlns='" NS_REPLY "' id='%s'/>", longer);
  g_auto (MessageParts) parts = { 0 };

  assert_verdict (fits, MESSAGE_SAID);
  assert_verdict (over, MESSAGE_MALFORMED);
  assert_verdict ("<retract xmlns='" NS_RETRACT "' id=''/>", MESSAGE_MALFORMED);
  assert_verdict ("<retract xmlns='" NS_RETRACT "'/>", MESSAGE_MALFORMED);
  assert_verdict ("<body>x</body><replace xmlns='" NS_CORRECT "'/>", MESSAGE_MALFORMED);
  /* A label that cannot be one is none; the text stays. */
  g_assert_cmpint (read_text (reply, &parts), ==, MESSAGE_SAID);
  g_assert_null (parts.reply_to);
}

static void
test_correction_to_nothing (void)
{
  assert_verdict (REPLACE, MESSAGE_MALFORMED);
  assert_verdict (REPLACE "<body/>", MESSAGE_MALFORMED);
  assert_verdict ("<replace xmlns='urn:example:other' id='m1'/><body>x</body>", MESSAGE_SAID);
}

#define REACTIONS(content) "<reactions xmlns='" NS_REACTIONS "' id='m1'>" content "</reactions>"
#define REACTION(text) "<reaction>" text "</reaction>"

static void
test_words_as_reaction (void)
{
  g_auto (MessageParts) parts = { 0 };

  assert_verdict (REACTIONS (REACTION ("buy now")), MESSAGE_MALFORMED);
  assert_verdict (REACTIONS (REACTION ("👍") REACTION ("x")), MESSAGE_MALFORMED);
  assert_verdict (REACTIONS (REACTION ("👍👍")), MESSAGE_MALFORMED);
  assert_verdict (REACTIONS (REACTION ("")), MESSAGE_MALFORMED);
  g_assert_cmpint (read_text (REACTIONS (REACTION ("👍") REACTION (" ❤️ ") REACTION ("👍")) "<body>words</body>", &parts), ==,
                   MESSAGE_SAID);
  g_assert_cmpstr (parts.body, ==, "👍 ❤️");
}

static void
test_too_many_reactions (void)
{
  assert_verdict (REACTIONS (REACTION ("😀") REACTION ("😁") REACTION ("😂") REACTION ("😃") REACTION ("😄") REACTION ("😅")
                               REACTION ("😆") REACTION ("😇")),
                  MESSAGE_SAID);
  assert_verdict (REACTIONS (REACTION ("😀") REACTION ("😁") REACTION ("😂") REACTION ("😃") REACTION ("😄") REACTION ("😅")
                               REACTION ("😆") REACTION ("😇") REACTION ("😈")),
                  MESSAGE_MALFORMED);
}

/* Characters, not bytes; and no range may reach outside. */
static void
test_lying_ranges (void)
{
#define REPLY "<reply xmlns='" NS_REPLY "' id='m0'/>"
#define FALLBACK(what, content) "<fallback xmlns='" NS_FALLBACK "' for='" what "'>" content "</fallback>"
  assert_body ("<body>&gt; é\nyes</body>" REPLY FALLBACK (NS_REPLY, "<body start='0' end='4'/>"), "yes");
  assert_body ("<body>yes</body>" REPLY FALLBACK (NS_REPLY, "<body start='2' end='1'/>"), "yes");
  assert_body ("<body>yes</body>" REPLY FALLBACK (NS_REPLY, "<body start='3' end='900'/>"), "yes");
  assert_body ("<body>yes</body>" REPLY FALLBACK (NS_REPLY, "<body start='-1' end='2'/>"), "yes");
  assert_body ("<body>yes</body>" REPLY FALLBACK (NS_REPLY, "<body start='0' end='99999999999999999999'/>"), "yes");
  assert_body ("<body>abcdef</body>" REPLY FALLBACK (NS_REPLY, "<body start='0' end='2'/><body start='4'/>"), "cd");
  /* A text that hides itself altogether is shown. */
  assert_body ("<body>yes</body>" REPLY FALLBACK (NS_REPLY, "<body/>"), "yes");
  assert_body ("<body>yes</body>" REPLY FALLBACK (NS_REPLY, ""), "yes");
  /* For what is not there, or is not known here, nothing is taken away. */
  assert_body ("<body>abcdef</body>" FALLBACK (NS_REPLY, "<body start='0' end='2'/>"), "abcdef");
  assert_body ("<body>abcdef</body>" REPLY FALLBACK ("urn:example:other", "<body start='0' end='2'/>"), "abcdef");
}

static void
test_links (void)
{
  static const char *const bad[] = { "javascript:alert(1)", "file:///etc/passwd", "http://", "http:///x", "https://user:pw@x/",
                                     "http://x/\"onload", "http://x/a b", "http://x/\u202e", "//x/", "x", "",
                                     "data:text/html,x", "https://x/<b>" };
  g_autofree char *path = g_strnfill (WEB_LINK_MAX, 'a'), *too_long = g_strconcat ("http://x/", path, NULL);
  g_auto (MessageParts) parts = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (web_link_is_valid (bad[i]));
  g_assert_false (web_link_is_valid (too_long));
  g_assert_true (web_link_is_valid ("https://x.example/a%20b?q=1&r=(2)#f"));
  g_assert_true (web_link_is_valid ("http://[fe80::1]:8080/x"));
  assert_body ("<x xmlns='" NS_OOB "'><url>http://x.example/</url></x>", "http://x.example/");
  assert_verdict ("<x xmlns='" NS_OOB "'><url>javascript:1</url></x>", MESSAGE_NOTHING);
  g_assert_cmpint (read_text ("<body>b</body><x xmlns='" NS_OOB "'><url>javascript:1</url></x>", &parts), ==, MESSAGE_SAID);
  g_assert_null (parts.url);
}

static void
test_nothing_said (void)
{
  assert_verdict ("", MESSAGE_NOTHING);
  assert_verdict ("<received xmlns='" NS_RECEIPTS "' id='m1'/>", MESSAGE_NOTHING);
  assert_verdict ("<composing xmlns='" NS_CHATSTATES "'/>", MESSAGE_NOTHING);
}

/* --- emojis ------------------------------------------------------------------------------------ */

static void
test_emoji (void)
{
  static const char *const good[] = { "👍", "👍🏽", "❤️", "❤", "🇫🇷", "1️⃣", "#⃣", "👩‍🚀", "👩🏽‍🚀", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🏴‍☠️", "👨‍👩‍👧‍👦", "🫠", "☑️", "©️", "‼️", "🀄" };
  static const char *const bad[] = { "", " ", "a", "1", "👍a", "a👍", "👍👍", "🇫", "🇫🇷🇩🇪", "\u200d", "👍\u200d", "\u200d👍", "\ufe0f", "👍\u202e",
                                     "\xff", "👍\ufe0f\ufe0f", "<b>", "🏴\U000e0067", "\U000e0067", "é", "字", "١", "👍\n", "\u20e3" };
  g_autoptr (GString) chain = g_string_new ("👩");

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    if (!emoji_is_one (good[i]))
      g_error ("no emoji: %s", good[i]);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    if (emoji_is_one (bad[i]))
      g_error ("an emoji: %s", bad[i]);
  while (chain->len <= EMOJI_BYTES_MAX)
    g_string_append (chain, "\u200d👩");
  g_assert_false (emoji_is_one (chain->str));
}

static void
test_join (void)
{
  g_autofree char *joined = message_reactions_join ((const char *const[]){ "👍", "❤️", "👍", NULL });
  g_autofree char *none = message_reactions_join ((const char *const[]){ NULL });

  g_assert_cmpstr (joined, ==, "👍 ❤️");
  g_assert_cmpstr (none, ==, "");
  g_assert_null (message_reactions_join ((const char *const[]){ "👍 ❤️", NULL }));
  g_assert_null (message_reactions_join ((const char *const[]){ "", NULL }));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/message-parts/round-trips", test_round_trips);
  g_test_add_func ("/message-parts/fallback-texts", test_fallback_texts);
  g_test_add_func ("/message-parts/two-purposes-in-one", test_two_purposes);
  g_test_add_func ("/message-parts/ids-without-measure", test_ids_without_measure);
  g_test_add_func ("/message-parts/correction-to-nothing", test_correction_to_nothing);
  g_test_add_func ("/message-parts/words-as-a-reaction", test_words_as_reaction);
  g_test_add_func ("/message-parts/too-many-reactions", test_too_many_reactions);
  g_test_add_func ("/message-parts/lying-ranges", test_lying_ranges);
  g_test_add_func ("/message-parts/links-that-do-something", test_links);
  g_test_add_func ("/message-parts/nothing-said", test_nothing_said);
  g_test_add_func ("/message-parts/reactions-join", test_join);
  g_test_add_func ("/emoji/one-or-none", test_emoji);
  return g_test_run ();
}
