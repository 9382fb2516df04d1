/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A message as people name it: "last", an id, or the first digits of one. Several matches are an error, never a guess.
 */
#pragma once

#include "cli/ctl.h"

typedef enum { MESSAGE_OURS, MESSAGE_THEIRS } MessageSide;

/* The id of a message of that conversation; `side` is whose "last" means. Prefixes of 4 and more are looked for among the last
 * 1000 messages. Caller frees; NULL with NOT_FOUND or AMBIGUOUS. */
char *message_ref_find (Ctl *ctl, const char *conversation, const char *word, MessageSide side, GError **error);
