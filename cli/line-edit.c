/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <termios.h>
#include <unistd.h>

#include "cli/line-edit.h"

enum { CTRL_C = 3, CTRL_D = 4, BACKSPACE = 8, CTRL_U = 21, CTRL_W = 23, ESCAPE = 27, DELETE = 127 };

struct _LineEdit {
  GString *text;
  enum { PLAIN, AFTER_ESCAPE, IN_SEQUENCE } state;
};

LineEdit *
line_edit_new (void)
{
  LineEdit *edit = g_new0 (LineEdit, 1);

  edit->text = g_string_new (NULL);
  return edit;
}

void
line_edit_free (LineEdit *edit)
{
  if (edit == NULL)
    return;
  g_string_free (edit->text, TRUE);
  g_free (edit);
}

/* Removes one character: its continuation bytes and its first byte. */
static void
drop_last (GString *text)
{
  while (text->len > 0)
    {
      guchar last = (guchar) text->str[text->len - 1];

      g_string_truncate (text, text->len - 1);
      if ((last & 0xc0) != 0x80)
        break;
    }
}

static void
drop_word (GString *text)
{
  while (text->len > 0 && text->str[text->len - 1] == ' ')
    drop_last (text);
  while (text->len > 0 && text->str[text->len - 1] != ' ')
    drop_last (text);
}

/* Arrow keys and the like arrive as ESC [ ... letter: swallowed, so that they leave no litter in the message. */
static gboolean
in_escape_sequence (LineEdit *edit, guchar byte)
{
  switch (edit->state)
    {
    case PLAIN:
      if (byte == ESCAPE)
        edit->state = AFTER_ESCAPE;
      return byte == ESCAPE;
    case AFTER_ESCAPE: edit->state = byte == '[' || byte == 'O' ? IN_SEQUENCE : PLAIN; return TRUE;
    case IN_SEQUENCE:
      if (byte >= 0x40 && byte <= 0x7e)
        edit->state = PLAIN;
      return TRUE;
    }
  return FALSE;
}

LineEditEvent
line_edit_feed (LineEdit *edit, guchar byte)
{
  if (in_escape_sequence (edit, byte))
    return LINE_EDIT_MORE;
  switch (byte)
    {
    case '\r':
    case '\n': return LINE_EDIT_LINE;
    case CTRL_C: return LINE_EDIT_INTERRUPT;
    case CTRL_D: return edit->text->len == 0 ? LINE_EDIT_END : LINE_EDIT_MORE;
    case BACKSPACE:
    case DELETE: drop_last (edit->text); break;
    case CTRL_U: g_string_truncate (edit->text, 0); break;
    case CTRL_W: drop_word (edit->text); break;
    default:
      if ((byte >= 0x20 || byte == '\t') && edit->text->len < LINE_EDIT_MAX)
        g_string_append_c (edit->text, (char) byte);
      break;
    }
  return LINE_EDIT_MORE;
}

const char *
line_edit_get_text (LineEdit *edit)
{
  return edit->text->str;
}

char *
line_edit_take (LineEdit *edit)
{
  char *line = g_utf8_make_valid (edit->text->str, (gssize) edit->text->len);

  g_string_truncate (edit->text, 0);
  return line;
}

/* --- the terminal -------------------------------------------------------------- */

static struct termios saved;
static volatile gboolean is_raw;

gboolean
line_edit_raw_terminal (void)
{
  struct termios raw;

  if (!isatty (STDIN_FILENO) || tcgetattr (STDIN_FILENO, &saved) != 0)
    return FALSE;
  raw = saved;
  raw.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  is_raw = TRUE;
  if (tcsetattr (STDIN_FILENO, TCSADRAIN, &raw) != 0)
    {
      is_raw = FALSE;
      return FALSE;
    }
  return TRUE;
}

void
line_edit_restore_terminal (void)
{
  if (!is_raw)
    return;
  is_raw = FALSE;
  tcsetattr (STDIN_FILENO, TCSANOW, &saved);
}
