/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whether a text is one emoji: the only thing that a reaction may be (XEP-0444), since it is shown where there is no
 * room for words. By the grammar of Unicode TS #51 over whole blocks instead of a table of single characters, so that
 * the emoji of next year are known, too. Pure.
 */
#pragma once

#include <glib.h>

#define EMOJI_BYTES_MAX 64

/* UTF-8 of 1 to EMOJI_BYTES_MAX bytes and exactly one emoji: with skin tones, joined ones, flags, keycaps. */
gboolean emoji_is_one (const char *text);
/* Appends it behind a space unless it is there; FALSE: it is none, or would be one more than `max`. */
gboolean emoji_append (GString *joined, guint *count, const char *emoji, guint max);
/* All of them with one space between, each once; NULL when one is none, or there are more than `max`. Caller frees. */
char *emoji_join (const char *const *emojis, guint max);
