/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The line a person is typing: bytes of a raw terminal in, lines out. It knows the keys that people expect (arrows, Home, End, Ctrl-A, E, B,
 * F, K, U, W, L, P, N, Alt-B, F, Delete, Alt-Enter for a line break) and bracketed paste, whose line breaks stay in the line. The
 * buffer part is pure; the two terminal functions own the mode of stdin, and the second is safe in a signal handler.
 */
#pragma once

#include <glib.h>

#define LINE_EDIT_MAX 60000      /* bytes of a line */
#define LINE_EDIT_PAST_MAX 100   /* lines that can be called back */

typedef enum {
  LINE_EDIT_MORE,        /* nothing to do, or redraw */
  LINE_EDIT_LINE,        /* line_edit_take() has one */
  LINE_EDIT_END,         /* Ctrl-D on an empty line */
  LINE_EDIT_INTERRUPT,   /* Ctrl-C */
  LINE_EDIT_CLEAR,       /* Ctrl-L: the screen */
  LINE_EDIT_TAB          /* typed, not pasted; nothing was inserted */
} LineEditEvent;

typedef struct _LineEdit LineEdit;

LineEdit *line_edit_new (void);
void line_edit_free (LineEdit *edit);
LineEditEvent line_edit_feed (LineEdit *edit, guchar byte);
/* At the cursor, as far as there is room. */
void line_edit_insert (LineEdit *edit, const char *text);
/* The same in the place of what stands between `from` and the cursor. */
void line_edit_replace (LineEdit *edit, gsize from, const char *text);
/* Nothing is typed any more, and nothing to be called back by it. */
void line_edit_clear (LineEdit *edit);
/* What is there so far. Borrowed. */
const char *line_edit_get_text (LineEdit *edit);
/* The cursor, in bytes from the start; never inside a character. */
gsize line_edit_get_cursor (LineEdit *edit);
/* The finished line, valid UTF-8; the buffer is empty then, and the line can be called back with Up. Caller frees. */
char *line_edit_take (LineEdit *edit);
/* One row of a terminal: the prompt, as much of the line around the cursor as `columns` has room for, escaped, with line breaks as a sign,
 * and the cursor brought to its place. Caller frees. */
char *line_edit_dup_row (LineEdit *edit, const char *prompt, guint columns);

/* Character by character, no echo, pastes bracketed; FALSE when stdin is no terminal. */
gboolean line_edit_raw_terminal (void);
/* Line by line, no echo; likewise. */
gboolean line_edit_quiet_terminal (void);
void line_edit_restore_terminal (void);
