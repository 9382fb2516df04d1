/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the usage line of a command says, read by program: "PEER ID|last EMOJI..." has a peer first, then an id or the word "last", then
 * any number of emojis. So help, completion and the check of what was given cannot say different things. Pure.
 */
#pragma once

#include <glib.h>

/* What stands at `position` (from 0) of a usage line, without brackets and dots: "ID|last". What ends with dots goes on for ever; what
 * follows an option is not counted. NULL: nothing more. Caller frees. */
char *usage_dup_position (const char *args, guint position);

/* The alternatives of "never|queued|FILE|X,..." without the dots. Never NULL; caller frees (g_strfreev). */
char **usage_alternatives (const char *what);
/* Whether an alternative is a word to be typed as it stands; "FILE" stands for one. */
gboolean usage_is_word (const char *alternative);
/* Whether `text` is one of the words among the alternatives. */
gboolean usage_allows (const char *what, const char *text);

/* The words of a line that is being typed, unquoted; the last is the one at its end, maybe empty, and `from` where it begins. Caller unrefs. */
GPtrArray *usage_split (const char *line, gsize *from);

/* What a shell makes of an argument that is being typed: quotes and backslashes gone, an open quote taken as closed at the end, and
 * nothing expanded. Caller frees. */
char *usage_dup_unquoted (const char *typed);
