/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a <message/> of a person says, as a bounded value, and back (docs/protocol.md 4.3): a text, or a correction
 * (XEP-0308), retraction (XEP-0424) or reactions (XEP-0444) to an earlier one, with what may go along. Who may say
 * that of which message is not judged here. Pure; fuzzed.
 * Threat: all of it is a stranger's. Ids are labels of bounded length, never looked up here; a link is data and nothing
 * fetches it; a range of a fallback may lie, and then strips nothing or too much of its sender's own text.
 */
#pragma once

#include <glib.h>

#include "daemon/proto/stanza.h"

#define MESSAGE_ID_MAX 255
#define MESSAGE_REACTIONS_MAX 8 /* emojis of one person to one message */
#define MESSAGE_NICK_MAX 255
#define MESSAGE_FALLBACKS_MAX 8 /* <fallback/> elements, and ranges in each */

typedef enum { MESSAGE_TEXT, MESSAGE_EDIT, MESSAGE_RETRACT, MESSAGE_REACTION } MessageKind;

typedef struct {
  MessageKind kind;
  char *about;    /* not for text: id of the message that is meant */
  char *body;     /* text, edit: what is to be shown. reaction: the emojis, one space between; "" = none any more. retract: NULL */
  char *thread;   /* at most 255 bytes; NULL = none, here and below */
  char *reply_to; /* id of the message that is answered (XEP-0461); text only, as are the next two */
  char *url;      /* a web_link_is_valid() (XEP-0066) */
  gboolean unstyled; /* XEP-0393: the text means what it says, `*` included */
  char *nick;     /* XEP-0172, not cleaned; any kind */
  gboolean markable; /* the sender wants to know when it was displayed (XEP-0333); text only */
} MessageParts;

void message_parts_clear (MessageParts *parts);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MessageParts, message_parts_clear)

/* NOTHING: no content, which may still be a receipt or a chat state. MALFORMED: to be refused (bad-request): several
 * kinds at once, no id or one that is too long, a reaction that is no emoji, more than MESSAGE_REACTIONS_MAX, a
 * correction without a text. Fallbacks that we understand better are no part of the body. `parts` is to be cleared
 * in any case. */
typedef enum { MESSAGE_NOTHING, MESSAGE_SAID, MESSAGE_MALFORMED } MessageVerdict;
MessageVerdict message_parts_read (const Stanza *message, MessageParts *parts);

/* Adds it to a <message/>, with a text for peers that know no better where there is no body. */
void message_parts_write (const MessageParts *parts, Stanza *message);
/* That text: for retract and reaction. Caller frees. */
char *message_parts_dup_fallback (const MessageParts *parts);

/* The body of a reaction out of emojis; NULL when one is none, or there are too many. Repeats count once. */
char *message_reactions_join (const char *const *emojis);
/* "text", … as in the log: message, edit, retract, reaction. */
const char *message_kind_to_string (MessageKind kind);
