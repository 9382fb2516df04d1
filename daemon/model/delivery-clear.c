/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Messages in clear, for peers without TLS that were let in (docs/protocol.md 3.9, 8.3).
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/names.h"
#include "daemon/model/delivery-private.h"

#define NS_XHTML "http://www.w3.org/1999/xhtml"

/* Line by line; \r\n is one break. */
static void
add_lines (Stanza *font, const char *body)
{
  for (const char *line = body;;)
    {
      gsize length = strcspn (line, "\r\n");
      g_autofree char *text = g_strndup (line, length);

      stanza_add_text (font, text);
      line += length;
      if (*line == '\0')
        return;
      line += line[0] == '\r' && line[1] == '\n' ? 2 : 1;
      stanza_add_new (font, "br", NS_XHTML, NULL);
    }
}

/* Corrections, retractions and reactions are the text that says so; such peers know no better.
 * libpurple parses <body> as markup and turns line breaks into spaces, and reads this <html> instead where it is there. Nothing else goes
 * along: what such peers do not know they show, or drop the message for. */
Stanza *
delivery_clear_message (const OutboxItem *row)
{
  const MessageParts parts = { .kind = row->kind, .about = row->about, .body = row->body };
  gboolean words = row->kind == MESSAGE_TEXT || row->kind == MESSAGE_EDIT;
  g_autofree char *text = words ? g_strdup (row->body) : message_parts_dup_fallback (&parts);
  Stanza *message = stanza_new ("message", NS_CLIENT);
  Stanza *html, *body;

  stanza_set_attr (message, "type", "chat");
  stanza_set_attr (message, "id", row->id);
  stanza_add_new (message, "body", NS_CLIENT, text);
  html = stanza_add_new (message, "html", NS_XHTML, NULL);
  body = stanza_add_new (html, "body", NS_XHTML, NULL);
  add_lines (stanza_add_new (body, "font", NS_XHTML, NULL), text);
  return message;
}
