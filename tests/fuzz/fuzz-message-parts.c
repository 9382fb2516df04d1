/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a message says. The input is the content of the <message/>: whatever is read stays within its bounds, and written
 * again it says the same.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/message-parts.h"
#include "daemon/proto/web-link.h"
#include "daemon/proto/xml-stream.h"
#include "tests/fuzz/fuzz.h"

#define HEADER "<stream:stream xmlns='" NS_CLIENT "' xmlns:stream='" NS_STREAM "'><message type='chat' id='x'>"

static void
on_opened (gpointer user, const Stanza *header, const char *default_ns)
{
}

static void
on_stanza (gpointer user, Stanza *stanza)
{
  Stanza **message = user;

  if (*message == NULL)
    *message = stanza_ref (stanza);
}

static void
on_closed (gpointer user)
{
}

static Stanza *
read_message (const char *bytes, gsize len)
{
  static const XmlStreamHandlers handlers = { on_opened, on_stanza, on_closed };
  Stanza *message = NULL;
  XmlStream *xs = xml_stream_new (&xml_stream_limits_after_auth, &handlers, &message);

  if (xml_stream_feed (xs, HEADER, sizeof HEADER - 1, NULL, NULL) && xml_stream_feed (xs, bytes, len, NULL, NULL))
    xml_stream_feed (xs, "</message>", 10, NULL, NULL);
  xml_stream_free (xs);
  return message;
}

static void
check_label (const char *text, gsize max)
{
  g_assert (text == NULL || (*text != '\0' && strlen (text) <= max));
}

static void
check_bounds (const MessageParts *parts)
{
  check_label (parts->about, MESSAGE_ID_MAX);
  check_label (parts->thread, MESSAGE_ID_MAX);
  check_label (parts->reply_to, MESSAGE_ID_MAX);
  check_label (parts->nick, MESSAGE_NICK_MAX);
  g_assert ((parts->kind == MESSAGE_TEXT) == (parts->about == NULL));
  g_assert ((parts->kind == MESSAGE_RETRACT) == (parts->body == NULL));
  g_assert (parts->kind != MESSAGE_EDIT || *parts->body != '\0');
  g_assert (parts->url == NULL || web_link_is_valid (parts->url));
  if (parts->kind == MESSAGE_REACTION && *parts->body != '\0')
    {
      g_auto (GStrv) emojis = g_strsplit (parts->body, " ", -1);
      g_autofree char *joined = message_reactions_join ((const char *const *) emojis);

      g_assert_cmpstr (joined, ==, parts->body);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (Stanza) message = read_message ((const char *) data, size);
  g_auto (MessageParts) parts = { 0 }, again = { 0 };
  MessageVerdict verdict = message != NULL ? message_parts_read (message, &parts) : MESSAGE_NOTHING;
  g_autoptr (Stanza) written = stanza_new ("message", NS_CLIENT);

  if (verdict != MESSAGE_SAID)
    return 0;
  check_bounds (&parts);
  message_parts_write (&parts, written);
  g_assert (message_parts_read (written, &again) == MESSAGE_SAID);
  g_assert_cmpint (again.kind, ==, parts.kind);
  g_assert_cmpstr (again.about, ==, parts.about);
  g_assert_cmpstr (again.body, ==, parts.body);
  g_assert_cmpstr (again.thread, ==, parts.thread);
  g_assert_cmpstr (again.reply_to, ==, parts.reply_to);
  g_assert_cmpstr (again.url, ==, parts.url);
  g_assert_cmpstr (again.nick, ==, parts.nick);
  g_assert (again.unstyled == parts.unstyled && again.markable == parts.markable);
  return 0;
}
