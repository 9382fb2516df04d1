/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/proto/message-parts.h"

#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/emoji.h"
#include "daemon/proto/web-link.h"

#define TEXT_RETRACTED "/me retracted a previous message, which your program does not know how to do"
#define TEXT_NO_REACTION "/me took a reaction back"

void
message_parts_clear (MessageParts *parts)
{
  g_clear_pointer (&parts->about, g_free);
  g_clear_pointer (&parts->body, g_free);
  g_clear_pointer (&parts->thread, g_free);
  g_clear_pointer (&parts->reply_to, g_free);
  g_clear_pointer (&parts->url, g_free);
  g_clear_pointer (&parts->nick, g_free);
}

const char *
message_kind_to_string (MessageKind kind)
{
  static const char *const words[] = { "message", "edit", "retract", "reaction" };

  return words[kind];
}

/* --- reactions ------------------------------------------------------------------------ */

char *
message_reactions_join (const char *const *emojis)
{
  return emoji_join (emojis, MESSAGE_REACTIONS_MAX);
}

static gboolean
read_reactions (const Stanza *reactions, MessageParts *parts)
{
  g_autoptr (GString) joined = g_string_new (NULL);
  guint count = 0;

  for (const Stanza *c = NULL; (c = stanza_next_child (reactions, c)) != NULL;)
    if (stanza_is (c, "reaction", NS_REACTIONS))
      {
        g_autofree char *emoji = g_strstrip (stanza_dup_text (c));

        if (!emoji_append (joined, &count, emoji, MESSAGE_REACTIONS_MAX))
          return FALSE;
      }
  parts->body = g_string_free (g_steal_pointer (&joined), FALSE);
  return TRUE;
}

/* --- fallbacks (XEP-0428) --------------------------------------------------------------- */

typedef struct {
  guint64 start, end; /* characters; end is behind the last */
} Range;

/* FALSE: no range that could be meant. */
static gboolean
read_range (const Stanza *body, Range *range)
{
  const char *start = stanza_get_attr (body, "start"), *end = stanza_get_attr (body, "end");

  range->start = 0;
  range->end = G_MAXUINT64;
  return (start == NULL || g_ascii_string_to_unsigned (start, 10, 0, G_MAXINT32, &range->start, NULL))
         && (end == NULL || g_ascii_string_to_unsigned (end, 10, 0, G_MAXINT32, &range->end, NULL));
}

static void
read_fallback (const Stanza *fallback, GArray *ranges)
{
  gboolean any = FALSE;
  Range range = { 0, G_MAXUINT64 };

  for (const Stanza *c = NULL; (c = stanza_next_child (fallback, c)) != NULL;)
    {
      any |= stanza_is (c, "body", NS_FALLBACK) || stanza_is (c, "subject", NS_FALLBACK);
      if (stanza_is (c, "body", NS_FALLBACK) && ranges->len < MESSAGE_FALLBACKS_MAX && read_range (c, &range))
        g_array_append_val (ranges, range);
    }
  /* Without a part it is all of it. */
  if (!any && ranges->len < MESSAGE_FALLBACKS_MAX)
    g_array_append_val (ranges, range);
}

static gboolean
is_in_range (const GArray *ranges, guint64 index)
{
  for (guint i = 0; i < ranges->len; i++)
    if (index >= g_array_index (ranges, Range, i).start && index < g_array_index (ranges, Range, i).end)
      return TRUE;
  return FALSE;
}

/* The body without what is there for who does not know `feature`. A text that would be nothing then is kept whole. */
static char *
strip_fallback (const Stanza *message, const char *feature, char *body_take)
{
  g_autoptr (GArray) ranges = g_array_new (FALSE, FALSE, sizeof (Range));
  g_autoptr (GString) kept = NULL;
  guint seen = 0;
  guint64 index = 0;

  for (const Stanza *c = NULL; (c = stanza_next_child (message, c)) != NULL && seen < MESSAGE_FALLBACKS_MAX;)
    if (stanza_is (c, "fallback", NS_FALLBACK))
      {
        seen++;
        if (g_strcmp0 (stanza_get_attr (c, "for"), feature) == 0)
          read_fallback (c, ranges);
      }
  if (ranges->len == 0)
    return body_take;
  kept = g_string_new (NULL);
  for (const char *p = body_take; *p != '\0'; p = g_utf8_next_char (p))
    if (!is_in_range (ranges, index++))
      g_string_append_unichar (kept, g_utf8_get_char (p));
  if (kept->len == 0)
    return body_take;
  g_free (body_take);
  return g_string_free (g_steal_pointer (&kept), FALSE);
}

/* --- reading ------------------------------------------------------------------------------ */

static gboolean
is_label (const char *id)
{
  return id != NULL && *id != '\0' && strlen (id) <= MESSAGE_ID_MAX;
}

/* Its text, NULL for none or one that is too long. */
static char *
dup_child_text (const Stanza *message, const char *name, const char *ns, gsize max)
{
  const Stanza *child = stanza_get_child (message, name, ns);
  g_autofree char *text = child != NULL ? stanza_dup_text (child) : NULL;

  return text != NULL && *text != '\0' && strlen (text) <= max ? g_steal_pointer (&text) : NULL;
}

static void
read_text_parts (const Stanza *message, MessageParts *parts)
{
  const Stanza *reply = stanza_get_child (message, "reply", NS_REPLY);
  const Stanza *oob = stanza_get_child (message, "x", NS_OOB);
  const char *id = reply != NULL ? stanza_get_attr (reply, "id") : NULL;

  if (is_label (id))
    {
      parts->reply_to = g_strdup (id);
      if (parts->body != NULL)
        parts->body = strip_fallback (message, NS_REPLY, g_steal_pointer (&parts->body));
    }
  if (oob != NULL)
    parts->url = dup_child_text (oob, "url", NS_OOB, WEB_LINK_MAX);
  if (parts->url != NULL && !web_link_is_valid (g_strstrip (parts->url)))
    g_clear_pointer (&parts->url, g_free);
  /* XEP-0066 does not ask for a body. */
  if (parts->body == NULL && parts->url != NULL)
    parts->body = g_strdup (parts->url);
  parts->unstyled = stanza_get_child (message, "unstyled", NS_STYLING) != NULL;
  parts->markable = stanza_get_child (message, "markable", NS_MARKERS) != NULL;
}

/* The element that makes it more than a text, or NULL; *several when it is more than one thing. */
static const Stanza *
find_purpose (const Stanza *message, MessageKind *kind, gboolean *several)
{
  static const struct {
    const char *name, *ns;
    MessageKind kind;
  } known[] = {
    { "replace", NS_CORRECT, MESSAGE_EDIT },
    { "retract", NS_RETRACT, MESSAGE_RETRACT },
    { "reactions", NS_REACTIONS, MESSAGE_REACTION },
  };
  const Stanza *found = NULL;

  *kind = MESSAGE_TEXT;
  for (const Stanza *c = NULL; (c = stanza_next_child (message, c)) != NULL;)
    for (guint i = 0; i < G_N_ELEMENTS (known); i++)
      if (stanza_is (c, known[i].name, known[i].ns))
        {
          *several |= found != NULL;
          found = c;
          *kind = known[i].kind;
        }
  return found;
}

MessageVerdict
message_parts_read (const Stanza *message, MessageParts *parts)
{
  const Stanza *body = stanza_get_child (message, "body", NS_CLIENT);
  gboolean several = FALSE;
  const Stanza *purpose;

  memset (parts, 0, sizeof *parts);
  purpose = find_purpose (message, &parts->kind, &several);
  if (several || (purpose != NULL && !is_label (stanza_get_attr (purpose, "id"))))
    return MESSAGE_MALFORMED;
  if (purpose != NULL)
    parts->about = g_strdup (stanza_get_attr (purpose, "id"));
  parts->thread = dup_child_text (message, "thread", NS_CLIENT, MESSAGE_ID_MAX);
  parts->nick = dup_child_text (message, "nick", NS_NICK, MESSAGE_NICK_MAX);
  /* What else is in the body of these is for who does not know them. */
  if (parts->kind == MESSAGE_RETRACT)
    return MESSAGE_SAID;
  if (parts->kind == MESSAGE_REACTION)
    return read_reactions (purpose, parts) ? MESSAGE_SAID : MESSAGE_MALFORMED;
  if (body != NULL)
    parts->body = stanza_dup_text (body);
  read_text_parts (message, parts);
  if (parts->kind == MESSAGE_EDIT && (parts->body == NULL || *parts->body == '\0'))
    return MESSAGE_MALFORMED;
  return parts->body != NULL ? MESSAGE_SAID : MESSAGE_NOTHING;
}

/* --- writing ------------------------------------------------------------------------------ */

char *
message_parts_dup_fallback (const MessageParts *parts)
{
  if (parts->kind == MESSAGE_REACTION)
    return g_strdup (parts->body != NULL && *parts->body != '\0' ? parts->body : TEXT_NO_REACTION);
  return g_strdup (TEXT_RETRACTED);
}

static void
write_fallback (const MessageParts *parts, const char *feature, Stanza *message)
{
  g_autofree char *text = message_parts_dup_fallback (parts);
  Stanza *fallback;

  stanza_add_new (message, "body", NS_CLIENT, text);
  fallback = stanza_add_new (message, "fallback", NS_FALLBACK, NULL);
  stanza_set_attr (fallback, "for", feature);
  stanza_add_new (fallback, "body", NS_FALLBACK, NULL);
}

static void
write_reactions (const MessageParts *parts, Stanza *message)
{
  g_auto (GStrv) emojis = g_strsplit (parts->body != NULL ? parts->body : "", " ", -1);
  Stanza *reactions;

  write_fallback (parts, NS_REACTIONS, message);
  reactions = stanza_add_new (message, "reactions", NS_REACTIONS, NULL);
  stanza_set_attr (reactions, "id", parts->about);
  for (guint i = 0; emojis[i] != NULL; i++)
    if (*emojis[i] != '\0')
      stanza_add_new (reactions, "reaction", NS_REACTIONS, emojis[i]);
}

void
message_parts_write (const MessageParts *parts, Stanza *message)
{
  switch (parts->kind)
    {
    case MESSAGE_TEXT:
      stanza_add_new (message, "body", NS_CLIENT, parts->body);
      break;
    case MESSAGE_EDIT:
      stanza_add_new (message, "body", NS_CLIENT, parts->body);
      stanza_set_attr (stanza_add_new (message, "replace", NS_CORRECT, NULL), "id", parts->about);
      break;
    case MESSAGE_RETRACT:
      write_fallback (parts, NS_RETRACT, message);
      stanza_set_attr (stanza_add_new (message, "retract", NS_RETRACT, NULL), "id", parts->about);
      break;
    case MESSAGE_REACTION:
      write_reactions (parts, message);
      break;
    }
  if (parts->thread != NULL)
    stanza_add_new (message, "thread", NS_CLIENT, parts->thread);
  /* No quote goes along: to who does not know replies it is a message like any other. */
  if (parts->reply_to != NULL)
    stanza_set_attr (stanza_add_new (message, "reply", NS_REPLY, NULL), "id", parts->reply_to);
  if (parts->url != NULL)
    stanza_add_new (stanza_add_new (message, "x", NS_OOB, NULL), "url", NS_OOB, parts->url);
  if (parts->unstyled)
    stanza_add_new (message, "unstyled", NS_STYLING, NULL);
  if (parts->nick != NULL)
    stanza_add_new (message, "nick", NS_NICK, parts->nick);
  if (parts->markable)
    stanza_add_new (message, "markable", NS_MARKERS, NULL);
}
