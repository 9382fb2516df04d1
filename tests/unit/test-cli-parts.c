/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Small parts of xmppctl: exit codes, the model, the line a person types.
 */
#include "earshot-config.h"

#include <gio/gio.h>
#include <string.h>

#include "cli/exit-code.h"
#include "cli/escape.h"
#include "cli/line-edit.h"
#include "cli/model.h"
#include "cli/usage.h"

/* --- exit codes ------------------------------------------------------------------- */

static void
assert_code (GError *error_take, ExitCode wanted, const char *wanted_name)
{
  g_autoptr (GError) error = error_take;
  const char *name, *hint;

  g_assert_cmpint (exit_code_of_error (error, &name, &hint), ==, wanted);
  g_assert_cmpstr (name, ==, wanted_name);
}

static void
test_exit_codes (void)
{
  assert_code (g_dbus_error_new_for_dbus_error ("im.earshot.Earshot1.Error.NotTrusted", "x"), EXIT_NOT_TRUSTED, "NotTrusted");
  assert_code (g_dbus_error_new_for_dbus_error ("im.earshot.Earshot1.Error.Invented", "x"), EXIT_FAILED, "Failed");
  assert_code (g_dbus_error_new_for_dbus_error ("im.earshot.Earshot1.Error.", "x"), EXIT_FAILED, "Failed");
  assert_code (g_dbus_error_new_for_dbus_error ("org.example.Strange", "x"), EXIT_FAILED, "Failed");
  assert_code (g_dbus_error_new_for_dbus_error ("org.freedesktop.DBus.Error.ServiceUnknown", "x"), EXIT_UNAVAILABLE, "Unavailable");
  assert_code (g_dbus_error_new_for_dbus_error ("org.freedesktop.DBus.Error.Spawn.ChildExited", "x"), EXIT_UNAVAILABLE, "Unavailable");
  assert_code (g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "x"), EXIT_TIMEOUT, "Timeout");
  assert_code (g_error_new (G_IO_ERROR, G_IO_ERROR_CLOSED, "x"), EXIT_UNAVAILABLE, "Unavailable");
  assert_code (g_error_new (G_FILE_ERROR, G_FILE_ERROR_IO, "x"), EXIT_FAILED, "Failed");
  assert_code (g_error_new (CLI_ERROR, CLI_ERROR_AMBIGUOUS, "x"), EXIT_AMBIGUOUS, "Ambiguous");
  assert_code (g_error_new (CLI_ERROR, CLI_ERROR_FAILED, "x"), EXIT_FAILED, "Failed");
}

static void
test_states (void)
{
  g_assert_cmpint (exit_code_of_state ("held", "approval-needed"), ==, EXIT_NOT_TRUSTED);
  g_assert_cmpint (exit_code_of_state ("held", "key-replaced"), ==, EXIT_NOT_TRUSTED);
  g_assert_cmpint (exit_code_of_state ("held", "waiting-approval"), ==, EXIT_REFUSED);
  g_assert_cmpint (exit_code_of_state ("failed", ""), ==, EXIT_REFUSED);
  g_assert_cmpint (exit_code_of_state ("failed", "not-trusted"), ==, EXIT_NOT_TRUSTED);
  g_assert_cmpint (exit_code_of_state ("expired", ""), ==, EXIT_TIMEOUT);
  g_assert_cmpint (exit_code_of_state ("cancelled", ""), ==, EXIT_FAILED);
}

/* --- the model --------------------------------------------------------------------- */

static GVariant *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  GVariant *value = g_variant_parse (NULL, text, NULL, NULL, &error);

  g_assert_no_error (error);
  return value;
}

static Model *
loaded (void)
{
  Model *model = model_new ();
  g_autoptr (GVariant) managed =
    parse ("@a{oa{sa{sv}}} {objectpath '/r/contact/10': {'im.earshot.Earshot1.Contact': {'Petname': <'ten'>, 'Blocked': <true>}},"
           " '/r/contact/9': {'im.earshot.Earshot1.Contact': {'Keys': <[objectpath '/k']>, 'LastSeen': <int64 5>, 'Petname': <uint32 1>}},"
           " '/r': {'org.example.Other': {}, 'im.earshot.Earshot1.Messages': {'HeadSeq': <uint64 18446744073709551615>}}}");

  model_load (model, managed);
  return model;
}

static void
test_model_reads (void)
{
  g_autoptr (Model) model = loaded ();
  g_autoptr (GPtrArray) contacts = model_list (model, "Contact");
  g_autofree const char **keys = model_strv (model, "/r/contact/9", "Contact", "Keys");
  g_autofree const char **none = model_strv (model, "/r/contact/9", "Contact", "LastSeen");

  g_assert_cmpuint (contacts->len, ==, 2);
  g_assert_cmpstr (g_ptr_array_index (contacts, 0), ==, "/r/contact/9");
  g_assert_cmpstr (model_string (model, "/r/contact/10", "Contact", "Petname"), ==, "ten");
  g_assert_true (model_bool (model, "/r/contact/10", "Contact", "Blocked"));
  g_assert_cmpstr (keys[0], ==, "/k");
  g_assert_null (none[0]);
  g_assert_cmpint (model_number (model, "/r/contact/9", "Contact", "LastSeen"), ==, 5);
  g_assert_cmpint (model_number (model, "/r", "Messages", "HeadSeq"), ==, G_MAXINT64);
  g_assert_false (model_has (model, "/r", "org.example.Other"));
}

/* Missing and mistyped read as unset. */
static void
test_model_wrong_types (void)
{
  g_autoptr (Model) model = loaded ();

  g_assert_cmpstr (model_string (model, "/r/contact/9", "Contact", "Petname"), ==, "");
  g_assert_cmpstr (model_string (model, "/nowhere", "Contact", "Petname"), ==, "");
  g_assert_false (model_bool (model, "/r/contact/10", "Contact", "Petname"));
  g_assert_cmpint (model_number (model, "/r/contact/10", "Contact", "Petname"), ==, 0);
}

static void
test_model_follows (void)
{
  static const char *const interfaces[] = { "im.earshot.Earshot1.Contact", "org.example.Other", NULL };
  g_autoptr (Model) model = loaded ();
  g_autoptr (GVariant) changed = parse ("@a{sv} {'Petname': <'X'>}");
  g_autoptr (GVariant) added = parse ("@a{sa{sv}} {'im.earshot.Earshot1.Key': {'Trust': <'pinned'>}}");

  model_change (model, "/r/contact/10", "im.earshot.Earshot1.Contact", changed);
  g_assert_cmpstr (model_string (model, "/r/contact/10", "Contact", "Petname"), ==, "X");
  model_change (model, "/never/announced", "im.earshot.Earshot1.Contact", changed);
  g_assert_false (model_has (model, "/never/announced", "Contact"));
  model_add (model, "/k", added);
  g_assert_cmpstr (model_string (model, "/k", "Key", "Trust"), ==, "pinned");
  model_remove (model, "/r/contact/10", interfaces);
  model_remove (model, "/r/contact/10", interfaces);
  g_assert_false (model_has (model, "/r/contact/10", "Contact"));
}

/* --- the line ------------------------------------------------------------------------ */

static LineEditEvent
feed (LineEdit *edit, const char *bytes)
{
  LineEditEvent event = LINE_EDIT_MORE;

  for (; *bytes != '\0'; bytes++)
    event = line_edit_feed (edit, (guchar) *bytes);
  return event;
}

static void
test_line_edit (void)
{
  LineEdit *edit = line_edit_new ();

  g_assert_cmpint (feed (edit, "sch\303\266\177one r\033[99;zdum"), ==, LINE_EDIT_MORE);
  g_assert_cmpstr (line_edit_get_text (edit), ==, "schone rdum");
  feed (edit, "\027");
  g_assert_cmpstr (line_edit_get_text (edit), ==, "schone ");
  g_assert_cmpint (feed (edit, "\004"), ==, LINE_EDIT_MORE);
  g_assert_cmpint (feed (edit, "\r"), ==, LINE_EDIT_LINE);
  g_autofree char *line = line_edit_take (edit);

  g_assert_cmpstr (line, ==, "schone ");
  g_assert_cmpint (feed (edit, "x\025\177\027"), ==, LINE_EDIT_MORE);
  g_assert_cmpint (feed (edit, "\004"), ==, LINE_EDIT_END);
  g_assert_cmpint (feed (edit, "\003"), ==, LINE_EDIT_INTERRUPT);
  line_edit_free (edit);
}

static void
expect_line (LineEdit *edit, const char *bytes, const char *line, gsize cursor)
{
  feed (edit, bytes);
  g_assert_cmpstr (line_edit_get_text (edit), ==, line);
  g_assert_cmpuint (line_edit_get_cursor (edit), ==, cursor);
}

static void
test_line_edit_moves (void)
{
  LineEdit *edit = line_edit_new ();
  g_autofree char *line = NULL;

  expect_line (edit, "gr\303\274n ist\033[D\033[D\033[D", "gr\303\274n ist", 6);
  expect_line (edit, "\033[1;5D", "gr\303\274n ist", 0);
  expect_line (edit, "\033[C\033[C\033[C", "gr\303\274n ist", 4);   /* over the whole character */
  expect_line (edit, "\177", "grn ist", 2);
  expect_line (edit, "\033[H\033[3~", "rn ist", 0);
  expect_line (edit, "\033f\013", "rn", 2);
  expect_line (edit, "\002\002\002x\005y", "xrny", 4);
  expect_line (edit, "\033[D\033[1~\004", "rny", 0);
  expect_line (edit, "\033[F\033\r\033OD\033OCz", "rny\nz", 5);
  g_assert_cmpint (feed (edit, "\t"), ==, LINE_EDIT_TAB);
  g_assert_cmpint (feed (edit, "\014"), ==, LINE_EDIT_CLEAR);
  g_assert_cmpint (feed (edit, "\r"), ==, LINE_EDIT_LINE);
  line = line_edit_take (edit);
  g_assert_cmpstr (line, ==, "rny\nz");
  line_edit_free (edit);
}

static void
say_line (LineEdit *edit, const char *text)
{
  feed (edit, text);
  g_free (line_edit_take (edit));
}

static void
test_line_edit_past (void)
{
  LineEdit *edit = line_edit_new ();

  expect_line (edit, "\033[A\033[B", "", 0);
  say_line (edit, "one");
  say_line (edit, "two");
  say_line (edit, "two");
  say_line (edit, "");
  expect_line (edit, "draft\033[A", "two", 3);
  expect_line (edit, "\033[A\033[A", "one", 3);
  expect_line (edit, "\033[B", "two", 3);
  expect_line (edit, "\033[B\033[B", "draft", 5);
  /* What was called back and changed is a line of its own; the old one stays as it was said. */
  expect_line (edit, "\033[A\177\177o!", "to!", 3);
  g_free (line_edit_take (edit));
  expect_line (edit, "\020\020", "two", 3);
  for (guint i = 0; i < LINE_EDIT_PAST_MAX + 50; i++)
    {
      g_autofree char *text = g_strdup_printf ("line %u", i);

      say_line (edit, text);
    }
  for (guint i = 0; i < LINE_EDIT_PAST_MAX + 50; i++)
    feed (edit, "\033[A");
  g_assert_cmpstr (line_edit_get_text (edit), ==, "line 50");
  line_edit_free (edit);
}

/* What is pasted may end in Enter, hold control characters, and pretend that the paste is over. */
static void
test_line_edit_paste (void)
{
  LineEdit *edit = line_edit_new ();

  g_assert_cmpint (feed (edit, "\033[200~rm -rf\r\n\003\004\tb\007\033[201~"), ==, LINE_EDIT_MORE);
  g_assert_cmpstr (line_edit_get_text (edit), ==, "rm -rf\n\n\tb");
  g_assert_cmpint (feed (edit, "\r"), ==, LINE_EDIT_LINE);
  g_free (line_edit_take (edit));
  /* A key that never ends is bounded. */
  for (guint i = 0; i < 1000; i++)
    feed (edit, i == 0 ? "\033[" : "9");
  expect_line (edit, "~ok", "ok", 2);
  line_edit_free (edit);
}

static void
test_line_edit_row (void)
{
  LineEdit *edit = line_edit_new ();
  g_autofree char *short_row = NULL, *long_row = NULL, *middle = NULL, *hostile = NULL;

  feed (edit, "abc");
  short_row = line_edit_dup_row (edit, "> ", 80);
  g_assert_cmpstr (short_row, ==, "\r\033[K> abc");
  feed (edit, "\033[D");
  middle = line_edit_dup_row (edit, "> ", 80);
  g_assert_cmpstr (middle, ==, "\r\033[K> abc\r\033[4C");
  feed (edit, "\025\013");
  for (guint i = 0; i < 50; i++)
    feed (edit, "\345\255\227"); /* two columns each */
  long_row = line_edit_dup_row (edit, "> ", 21);
  g_assert_cmpuint (escape_columns (long_row + strlen ("\r\033[K")), <=, 20);
  feed (edit, "\025\013\033[200~a\n\342\200\256b\033[201~");
  hostile = line_edit_dup_row (edit, "> ", 80);
  g_assert_cmpstr (hostile, ==, "\r\033[K> a\342\217\216\\u{202e}b");
  line_edit_free (edit);
}

static void
test_line_edit_bounds (void)
{
  LineEdit *edit = line_edit_new ();

  for (guint i = 0; i < LINE_EDIT_MAX + 100; i++)
    line_edit_feed (edit, 0xc3);
  g_assert_cmpuint (strlen (line_edit_get_text (edit)), ==, LINE_EDIT_MAX);
  g_autofree char *line = line_edit_take (edit);

  g_assert_true (g_utf8_validate (line, -1, NULL));
  line_edit_free (edit);
}

/* --- usage ---------------------------------------------------------------------------------- */

static void
assert_position (const char *args, guint position, const char *wanted)
{
  g_autofree char *what = usage_dup_position (args, position);

  g_assert_cmpstr (what, ==, wanted);
}

static void
test_usage_positions (void)
{
  assert_position ("", 0, NULL);
  assert_position ("PEER", 0, "PEER");
  assert_position ("PEER", 1, NULL);
  assert_position ("[PEER]", 0, "PEER");
  assert_position ("PEER ID|last EMOJI...", 1, "ID|last");
  assert_position ("PEER ID|last EMOJI...", 2, "EMOJI");
  assert_position ("PEER ID|last EMOJI...", G_MAXUINT, "EMOJI");
  assert_position ("APP [SCOPE...]", 5, "SCOPE");
  assert_position ("PEER... [TEXT|-]", 3, "PEER");
  assert_position ("PEER --for WHAT", 1, NULL);
}

static void
test_usage_words (void)
{
  g_auto (GStrv) list = usage_alternatives ("message|edit,...");

  g_assert_cmpuint (g_strv_length (list), ==, 2);
  g_assert_cmpstr (list[1], ==, "edit");
  g_assert_true (usage_allows ("a|b|FILE", "b"));
  g_assert_false (usage_allows ("a|b|FILE", "FILE"));
  g_assert_false (usage_allows ("a|b|FILE", ""));
  g_assert_false (usage_allows ("a|b", "a|b"));
  g_assert_true (usage_allows ("FILE|-", "-"));
}

static void
test_usage_unquoted (void)
{
  static const char *const typed[][2] = {
    { "", "" },          { "plain", "plain" }, { "'two words'", "two words" }, { "two\\ words", "two words" },  { "\"open", "open" },
    { "'op\\en", "op\\en" }, { "a\\", "a" },      { "\"a\\\"b\\c\"", "a\"b\\c" },     { "a'$(x)'\"`y`\"", "a$(x)`y`" }, { "\"\\", "\\" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (typed); i++)
    {
      g_autofree char *plain = usage_dup_unquoted (typed[i][0]);

      g_assert_cmpstr (plain, ==, typed[i][1]);
    }
}

static void
test_usage_split (void)
{
  static const struct {
    const char *line;
    guint n;
    gsize from;
    const char *last;
  } lines[] = {
    { "", 1, 0, "" },           { "send", 1, 0, "send" },          { "send ", 2, 5, "" },
    { "  send  ju", 2, 8, "ju" }, { "send 'two wo", 2, 5, "two wo" }, { "send two\\ wo", 2, 5, "two wo" },
    { "a '' b", 2 + 1, 5, "b" }, { "a \"b\\\" c", 2, 2, "b\" c" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      gsize from = 99;
      g_autoptr (GPtrArray) words = usage_split (lines[i].line, &from);

      g_assert_cmpuint (words->len, ==, lines[i].n);
      g_assert_cmpuint (from, ==, lines[i].from);
      g_assert_cmpstr (words->pdata[words->len - 1], ==, lines[i].last);
    }
}

static void
test_line_edit_replace (void)
{
  LineEdit *edit = line_edit_new ();

  line_edit_insert (edit, "send ju x");
  line_edit_feed (edit, 2);
  line_edit_feed (edit, 2);
  line_edit_replace (edit, 5, "juliet");
  g_assert_cmpstr (line_edit_get_text (edit), ==, "send juliet x");
  g_assert_cmpuint (line_edit_get_cursor (edit), ==, strlen ("send juliet"));
  /* In the middle of a key, a paste and the past: all of that is over. */
  line_edit_feed (edit, 27);
  line_edit_feed (edit, '[');
  line_edit_clear (edit);
  g_assert_cmpstr (line_edit_get_text (edit), ==, "");
  g_assert_cmpint (line_edit_feed (edit, 4), ==, LINE_EDIT_END);
  line_edit_free (edit);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cli/exit-code/errors", test_exit_codes);
  g_test_add_func ("/cli/exit-code/states", test_states);
  g_test_add_func ("/cli/model/reads", test_model_reads);
  g_test_add_func ("/cli/model/wrong-types-read-as-unset", test_model_wrong_types);
  g_test_add_func ("/cli/model/follows-signals", test_model_follows);
  g_test_add_func ("/cli/usage/positions", test_usage_positions);
  g_test_add_func ("/cli/usage/words", test_usage_words);
  g_test_add_func ("/cli/usage/unquoted-and-never-expanded", test_usage_unquoted);
  g_test_add_func ("/cli/usage/split", test_usage_split);
  g_test_add_func ("/cli/line-edit/replace-and-clear", test_line_edit_replace);
  g_test_add_func ("/cli/line-edit/keys", test_line_edit);
  g_test_add_func ("/cli/line-edit/moves", test_line_edit_moves);
  g_test_add_func ("/cli/line-edit/past", test_line_edit_past);
  g_test_add_func ("/cli/line-edit/paste", test_line_edit_paste);
  g_test_add_func ("/cli/line-edit/row", test_line_edit_row);
  g_test_add_func ("/cli/line-edit/bounds-and-broken-utf8", test_line_edit_bounds);
  return g_test_run ();
}
