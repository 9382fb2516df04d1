/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The line a person is typing in chat: bytes of a raw terminal in, lines out. The buffer part is pure; the two terminal
 * functions own the mode of stdin, and the second is safe in a signal handler.
 */
#pragma once

#include <glib.h>

#define LINE_EDIT_MAX 60000

typedef enum {
  LINE_EDIT_MORE,        /* nothing to do, or redraw */
  LINE_EDIT_LINE,        /* line_edit_take() has one */
  LINE_EDIT_END,         /* Ctrl-D on an empty line */
  LINE_EDIT_INTERRUPT    /* Ctrl-C */
} LineEditEvent;

typedef struct _LineEdit LineEdit;

LineEdit *line_edit_new (void);
void line_edit_free (LineEdit *edit);
LineEditEvent line_edit_feed (LineEdit *edit, guchar byte);
/* What is there so far. Borrowed. */
const char *line_edit_get_text (LineEdit *edit);
/* The finished line, valid UTF-8; the buffer is empty then. Caller frees. */
char *line_edit_take (LineEdit *edit);

/* Character by character, no echo; FALSE when stdin is no terminal. */
gboolean line_edit_raw_terminal (void);
void line_edit_restore_terminal (void);
