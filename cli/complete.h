/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What may come next in a line that is being typed: commands, options, the words of usage lines, and what is alive (peers, questions,
 * invites). All of it from the tables that run the commands, so that it cannot drift from them.
 *
 * SECURITY: names of peers are strangers' text, and what is offered comes to stand in a command line. Only names that are plain text, and
 * no option, are offered at all; whoever calls himself anything else is offered by the digits of his key. What stands beside a word is escaped.
 * Quoting is the work of who puts it into a line. A fingerprint that is to be compared is never offered.
 */
#pragma once

#include "cli/ctl.h"

#define COMPLETE_MAX 500 /* words offered at once */

typedef struct _Completion Completion;

/* `words`: the line without the program's name; the last is the one being typed, maybe empty. Asks the daemon where something alive may
 * stand there; does not start one, complains of nothing. */
Completion *complete_line (Ctl *ctl, const char *const *words, guint n);
void completion_free (Completion *completion);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Completion, completion_free)

/* How many there are; 0 for one of a file's name, too. */
guint completion_get_n (Completion *completion);
/* The whole argument, not quoted, and what it is, maybe "". Borrowed. */
const char *completion_get_word (Completion *completion, guint i);
const char *completion_get_text (Completion *completion, guint i);
/* The name of a file may stand here. */
gboolean completion_wants_files (Completion *completion);
/* Then offers those there are, a directory with a / behind: for who has no shell that does. Names are others' text, too: see above. */
void completion_add_files (Completion *completion);

/* For the `complete` function of a command. Offers `word` if it goes on from what was typed; `text` says what it is, NULL = nothing. */
void completion_add (Completion *completion, const char *word, const char *text);
/* Asks the daemon for everything, once; FALSE where there is none. Nothing is in ctl->model before. */
gboolean completion_ask (Completion *completion);
