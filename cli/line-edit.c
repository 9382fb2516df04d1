/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/escape.h"
#include "cli/line-edit.h"

#define KEY_CTRL(letter) ((letter) - '@')
#define ESCAPE 27
#define DELETE 127
#define SEQUENCE_MAX 16

struct _LineEdit {
  GString *text;
  gsize cursor;
  enum { PLAIN, AFTER_ESCAPE, IN_SEQUENCE, ONE_MORE } state;
  char sequence[SEQUENCE_MAX]; /* what came behind ESC [ */
  guint sequence_length;
  gboolean pasting;
  GPtrArray *past; /* char*, oldest first */
  guint at;        /* which of them is shown; past->len = none */
  char *draft;     /* what was typed before calling one back, or NULL */
};

LineEdit *
line_edit_new (void)
{
  LineEdit *edit = g_new0 (LineEdit, 1);

  edit->text = g_string_new (NULL);
  edit->past = g_ptr_array_new_with_free_func (g_free);
  return edit;
}

void
line_edit_free (LineEdit *edit)
{
  if (edit == NULL)
    return;
  g_string_free (edit->text, TRUE);
  g_ptr_array_unref (edit->past);
  g_free (edit->draft);
  g_free (edit);
}

/* --- moving: by characters, also where bytes are no UTF-8 -------------------------- */

static gboolean
is_continuation (const LineEdit *edit, gsize at)
{
  return at < edit->text->len && ((guchar) edit->text->str[at] & 0xc0) == 0x80;
}

static gsize
before (const LineEdit *edit, gsize at)
{
  do
    at -= at > 0;
  while (at > 0 && is_continuation (edit, at));
  return at;
}

static gsize
behind (const LineEdit *edit, gsize at)
{
  do
    at += at < edit->text->len;
  while (is_continuation (edit, at));
  return at;
}

static gsize
word_before (const LineEdit *edit)
{
  gsize at = edit->cursor;

  while (at > 0 && g_ascii_isspace (edit->text->str[at - 1]))
    at--;
  while (at > 0 && !g_ascii_isspace (edit->text->str[at - 1]))
    at--;
  return at;
}

static gsize
word_behind (const LineEdit *edit)
{
  gsize at = edit->cursor;

  while (at < edit->text->len && g_ascii_isspace (edit->text->str[at]))
    at++;
  while (at < edit->text->len && !g_ascii_isspace (edit->text->str[at]))
    at++;
  return at;
}

static void
erase (LineEdit *edit, gsize from, gsize to)
{
  g_string_erase (edit->text, (gssize) from, (gssize) (to - from));
  edit->cursor = from;
}

static void
insert_byte (LineEdit *edit, guchar byte)
{
  if (edit->text->len < LINE_EDIT_MAX)
    g_string_insert_c (edit->text, (gssize) edit->cursor++, (char) byte);
}

void
line_edit_insert (LineEdit *edit, const char *text)
{
  for (; *text != '\0'; text++)
    insert_byte (edit, (guchar) *text);
}

void
line_edit_replace (LineEdit *edit, gsize from, const char *text)
{
  g_return_if_fail (from <= edit->cursor);
  erase (edit, from, edit->cursor);
  line_edit_insert (edit, text);
}

/* --- lines said before --------------------------------------------------------------- */

static void
show_past (LineEdit *edit, guint at)
{
  if (edit->at == edit->past->len && at < edit->past->len)
    {
      g_free (edit->draft);
      edit->draft = g_strdup (edit->text->str);
    }
  edit->at = at;
  g_string_assign (edit->text, at < edit->past->len ? edit->past->pdata[at] : edit->draft != NULL ? edit->draft : "");
  edit->cursor = edit->text->len;
}

static void
remember (LineEdit *edit, const char *line)
{
  const char *last = edit->past->len > 0 ? edit->past->pdata[edit->past->len - 1] : "";

  if (*line != '\0' && !g_str_equal (line, last))
    g_ptr_array_add (edit->past, g_strdup (line));
  if (edit->past->len > LINE_EDIT_PAST_MAX)
    g_ptr_array_remove_index (edit->past, 0);
  edit->at = edit->past->len;
  g_clear_pointer (&edit->draft, g_free);
}

/* --- keys ------------------------------------------------------------------------------ */

static void
up (LineEdit *edit)
{
  if (edit->at > 0)
    show_past (edit, edit->at - 1);
}

static void
down (LineEdit *edit)
{
  if (edit->at < edit->past->len)
    show_past (edit, edit->at + 1);
}

/* `final` ends what stands in edit->sequence: ESC [ 3 ~, ESC [ 1 ; 5 C and the like. Unknown ones leave no litter in the message. */
static void
end_sequence (LineEdit *edit, char final)
{
  gboolean by_word = strstr (edit->sequence, ";5") != NULL || strstr (edit->sequence, ";3") != NULL;

  switch (final)
    {
    case 'A': up (edit); break;
    case 'B': down (edit); break;
    case 'C': edit->cursor = by_word ? word_behind (edit) : behind (edit, edit->cursor); break;
    case 'D': edit->cursor = by_word ? word_before (edit) : before (edit, edit->cursor); break;
    case 'H': edit->cursor = 0; break;
    case 'F': edit->cursor = edit->text->len; break;
    case '~':
      if (g_str_equal (edit->sequence, "1") || g_str_equal (edit->sequence, "7"))
        edit->cursor = 0;
      else if (g_str_equal (edit->sequence, "4") || g_str_equal (edit->sequence, "8"))
        edit->cursor = edit->text->len;
      else if (g_str_equal (edit->sequence, "3"))
        erase (edit, edit->cursor, behind (edit, edit->cursor));
      else if (g_str_equal (edit->sequence, "200"))
        edit->pasting = TRUE;
      else if (g_str_equal (edit->sequence, "201"))
        edit->pasting = FALSE;
      break;
    default: break;
    }
}

static void
after_escape (LineEdit *edit, guchar byte)
{
  edit->state = PLAIN;
  switch (byte)
    {
    case '[':
      edit->state = IN_SEQUENCE;
      edit->sequence_length = 0;
      edit->sequence[0] = '\0';
      break;
    case 'O': edit->state = ONE_MORE; break;
    case ESCAPE: edit->state = AFTER_ESCAPE; break;
    case '\r':
    case '\n': insert_byte (edit, '\n'); break;
    case 'b': edit->cursor = word_before (edit); break;
    case 'f': edit->cursor = word_behind (edit); break;
    case DELETE: erase (edit, word_before (edit), edit->cursor); break;
    default: break;
    }
}

/* TRUE: the byte belongs to a key that sends several. */
static gboolean
in_escape_sequence (LineEdit *edit, guchar byte)
{
  switch (edit->state)
    {
    case PLAIN:
      if (byte == ESCAPE)
        edit->state = AFTER_ESCAPE;
      return byte == ESCAPE;
    case AFTER_ESCAPE: after_escape (edit, byte); return TRUE;
    case IN_SEQUENCE:
      if (byte >= 0x40 && byte <= 0x7e)
        {
          edit->state = PLAIN;
          end_sequence (edit, (char) byte);
        }
      else if (edit->sequence_length + 1 < SEQUENCE_MAX)
        {
          edit->sequence[edit->sequence_length++] = (char) byte;
          edit->sequence[edit->sequence_length] = '\0';
        }
      return TRUE;
    case ONE_MORE: /* ESC O A: arrows in application mode */
      edit->state = PLAIN;
      edit->sequence[0] = '\0';
      end_sequence (edit, (char) byte);
      return TRUE;
    }
  return FALSE;
}

/* Between the brackets of a paste everything is text, and Enter no end of the line. */
static void
paste (LineEdit *edit, guchar byte)
{
  if (byte == '\r')
    byte = '\n';
  if (byte >= 0x20 || byte == '\t' || byte == '\n')
    insert_byte (edit, byte);
}

LineEditEvent
line_edit_feed (LineEdit *edit, guchar byte)
{
  if (in_escape_sequence (edit, byte))
    return LINE_EDIT_MORE;
  if (edit->pasting)
    {
      paste (edit, byte);
      return LINE_EDIT_MORE;
    }
  switch (byte)
    {
    case '\r':
    case '\n': return LINE_EDIT_LINE;
    case '\t': return LINE_EDIT_TAB;
    case KEY_CTRL ('C'): return LINE_EDIT_INTERRUPT;
    case KEY_CTRL ('L'): return LINE_EDIT_CLEAR;
    case KEY_CTRL ('D'):
      if (edit->text->len == 0)
        return LINE_EDIT_END;
      erase (edit, edit->cursor, behind (edit, edit->cursor));
      break;
    case KEY_CTRL ('A'): edit->cursor = 0; break;
    case KEY_CTRL ('E'): edit->cursor = edit->text->len; break;
    case KEY_CTRL ('B'): edit->cursor = before (edit, edit->cursor); break;
    case KEY_CTRL ('F'): edit->cursor = behind (edit, edit->cursor); break;
    case KEY_CTRL ('P'): up (edit); break;
    case KEY_CTRL ('N'): down (edit); break;
    case KEY_CTRL ('H'):
    case DELETE: erase (edit, before (edit, edit->cursor), edit->cursor); break;
    case KEY_CTRL ('K'): erase (edit, edit->cursor, edit->text->len); break;
    case KEY_CTRL ('U'): erase (edit, 0, edit->cursor); break;
    case KEY_CTRL ('W'): erase (edit, word_before (edit), edit->cursor); break;
    default:
      if (byte >= 0x20)
        insert_byte (edit, byte);
      break;
    }
  return LINE_EDIT_MORE;
}

const char *
line_edit_get_text (LineEdit *edit)
{
  return edit->text->str;
}

gsize
line_edit_get_cursor (LineEdit *edit)
{
  return edit->cursor;
}

char *
line_edit_take (LineEdit *edit)
{
  char *line = g_utf8_make_valid (edit->text->str, (gssize) edit->text->len);

  g_string_truncate (edit->text, 0);
  edit->cursor = 0;
  edit->pasting = FALSE;
  remember (edit, line);
  return line;
}

void
line_edit_clear (LineEdit *edit)
{
  g_string_truncate (edit->text, 0);
  edit->cursor = 0;
  edit->state = PLAIN;
  edit->pasting = FALSE;
  remember (edit, "");
}

/* --- the row ----------------------------------------------------------------------------- */

/* What may stand on a terminal for these bytes of the line, on one row. */
static char *
dup_shown (const char *text, gsize length)
{
  g_autofree char *valid = g_utf8_make_valid (text, (gssize) length);
  g_auto (GStrv) rows = g_strsplit (valid, "\n", -1);
  g_autoptr (GString) shown = g_string_new (NULL);

  for (guint i = 0; rows[i] != NULL; i++)
    {
      g_autofree char *safe = escape_text (rows[i]);

      g_string_append_printf (shown, "%s%s", i > 0 ? "\342\217\216" : "", safe); /* U+23CE */
    }
  return g_string_free (g_steal_pointer (&shown), FALSE);
}

static guint
columns_of (const char *character)
{
  char one[8] = { 0 };

  memcpy (one, character, (gsize) (g_utf8_next_char (character) - character));
  return escape_columns (one);
}

char *
line_edit_dup_row (LineEdit *edit, const char *prompt, guint columns)
{
  g_autofree char *left = dup_shown (edit->text->str, edit->cursor);
  g_autofree char *right = dup_shown (edit->text->str + edit->cursor, edit->text->len - edit->cursor);
  guint used = escape_columns (prompt), room = columns > used + 8 ? columns - used - 1 : 8;
  const char *from = left + strlen (left);
  char *to = right;
  guint at = 0, width;

  /* From the cursor to the left, then what is left of the row to the right. */
  while (from > left && at + columns_of (g_utf8_prev_char (from)) <= room)
    {
      from = g_utf8_prev_char (from);
      at += columns_of (from);
    }
  for (width = at; *to != '\0' && width + columns_of (to) <= room; to = g_utf8_next_char (to))
    width += columns_of (to);
  *to = '\0';
  if (*right == '\0')
    return g_strdup_printf ("\r\033[K%s%s", prompt, from);
  return g_strdup_printf ("\r\033[K%s%s%s\r\033[%uC", prompt, from, right, used + at);
}

/* --- the terminal -------------------------------------------------------------- */

static struct termios saved;
static volatile gboolean is_raw, is_bracketing;

/* By one system call: also from a signal handler. */
static void
bracket_pastes (gboolean on)
{
  static const char yes[] = "\033[?2004h", no[] = "\033[?2004l";

  is_bracketing = on && write (STDOUT_FILENO, yes, sizeof yes - 1) > 0;
  if (!on && write (STDOUT_FILENO, no, sizeof no - 1) < 0)
    return;
}

static gboolean
change_terminal (tcflag_t without)
{
  struct termios raw;

  if (!isatty (STDIN_FILENO) || tcgetattr (STDIN_FILENO, &saved) != 0)
    return FALSE;
  raw = saved;
  /* Ctrl-C still is a signal; the terminal's other keys are ours, Ctrl-Z among them: it would leave the shell with a raw terminal. */
  raw.c_lflag &= ~without;
  raw.c_cc[VSUSP] = _POSIX_VDISABLE;
  if (without & ICANON)
    {
      raw.c_cc[VMIN] = 1;
      raw.c_cc[VTIME] = 0;
    }
  is_raw = TRUE;
  if (tcsetattr (STDIN_FILENO, TCSADRAIN, &raw) != 0)
    {
      is_raw = FALSE;
      return FALSE;
    }
  if ((without & ICANON) && isatty (STDOUT_FILENO))
    bracket_pastes (TRUE);
  return TRUE;
}

gboolean
line_edit_raw_terminal (void)
{
  return change_terminal (ICANON | ECHO | IEXTEN);
}

gboolean
line_edit_quiet_terminal (void)
{
  return change_terminal (ECHO);
}

void
line_edit_restore_terminal (void)
{
  if (!is_raw)
    return;
  is_raw = FALSE;
  if (is_bracketing)
    bracket_pastes (FALSE);
  tcsetattr (STDIN_FILENO, TCSANOW, &saved);
}
