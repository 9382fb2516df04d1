/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * shell: a prompt for the commands, without the program's name. Each runs in a process of its own, which is this program again: so it is
 * interrupted, killed or left in the middle of a question without a trace here, and its options are those of one line. The prompt has a
 * connection that follows the daemon: who we are, what is unread, and what there is to complete. SECURITY: a line is split and quoted
 * (g_shell_parse_argv) and never expanded; there is no way from here to a program other than this one.
 */
#include "earshot-config.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/complete.h"
#include "cli/escape.h"
#include "cli/line-edit.h"
#include "cli/live.h"
#include "cli/out.h"
#include "cli/usage.h"

#define PROMPT_COLUMNS 40
#define SHOWN_MAX 40 /* words listed at once */
#define OURSELVES "/proc/self/exe"

static gboolean option_keep_going;

static const GOptionEntry options[] = {
  { "keep-going", 'k', 0, G_OPTION_ARG_NONE, &option_keep_going, "On a pipe: go on behind a command that failed, and exit 10", NULL },
  G_OPTION_ENTRY_NULL
};

static const struct {
  const char *word, *help;
} own_words[] = {
  { "help", "what there is; help COMMAND tells more" },
  { "quit", "the end; Ctrl-D too" },
};

typedef struct {
  Ctl *ctl;
  LineEdit *edit;
  struct termios before; /* as we were given the terminal */
  GByteArray *ahead;     /* typed while a command ran */
  gboolean prompts;      /* there is a row to be drawn */
  gboolean over;
  guint input_id, child_id;
} Shell;

/* --- running a command -------------------------------------------------------------------------- */

/* What `argv` of a line becomes: the options that we were given come first, so that its own count more. */
static GPtrArray *
full_line (Ctl *ctl, char **argv)
{
  GPtrArray *line = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (line, g_strdup (OURSELVES));
  g_ptr_array_add (line, g_strdup ("xmppctl"));
  if (ctl->json)
    g_ptr_array_add (line, g_strdup ("--json"));
  if (ctl->quiet)
    g_ptr_array_add (line, g_strdup ("--quiet"));
  if (ctl->verbose)
    g_ptr_array_add (line, g_strdup ("--verbose"));
  if (ctl->bus != NULL)
    g_ptr_array_add (line, g_strconcat ("--bus=", ctl->bus, NULL));
  if (ctl->color != NULL)
    g_ptr_array_add (line, g_strconcat ("--color=", ctl->color, NULL));
  if (ctl->timeout_text != NULL)
    g_ptr_array_add (line, g_strconcat ("--timeout=", ctl->timeout_text, NULL));
  for (; *argv != NULL; argv++)
    g_ptr_array_add (line, g_strdup (*argv));
  g_ptr_array_add (line, NULL);
  return line;
}

typedef enum { NOTHING, QUIT, RUN, WRONG } Meaning;

/* What a line means; with RUN `argv` is what to run, and the caller's. WRONG has been said. */
static Meaning
read_line (Ctl *ctl, const char *text, char ***argv)
{
  g_auto (GStrv) words = NULL;
  g_autoptr (GError) error = NULL;
  gsize skip = 0;

  if (!g_shell_parse_argv (text, NULL, &words, &error))
    {
      if (g_error_matches (error, G_SHELL_ERROR, G_SHELL_ERROR_EMPTY_STRING))
        return NOTHING;
      g_autoptr (GError) wrong = g_error_new_literal (CLI_ERROR, CLI_ERROR_USAGE, error->message);

      ctl_fail (ctl, wrong);
      return WRONG;
    }
  /* As hints and examples write it. */
  if (g_str_equal (words[0], "xmppctl"))
    skip = 1;
  if (words[skip] == NULL)
    return NOTHING;
  if (g_str_equal (words[skip], "quit") || g_str_equal (words[skip], "exit"))
    return QUIT;
  if (g_str_equal (words[skip], "shell"))
    {
      ctl_note (ctl, "this is it");
      return NOTHING;
    }
  if (g_str_equal (words[skip], "help"))
    {
      g_autoptr (GStrvBuilder) help = g_strv_builder_new ();

      g_strv_builder_addv (help, (const char **) words + skip + 1);
      g_strv_builder_add (help, "--help");
      *argv = g_strv_builder_end (help);
      return RUN;
    }
  *argv = g_strdupv (words + skip);
  return RUN;
}

/* --- lines of a pipe ------------------------------------------------------------------------------- */

/* FALSE at the end, or with a line that no command has. */
static gboolean
next_line (Ctl *ctl, GString *line, int *code)
{
  int byte;

  g_string_truncate (line, 0);
  while ((byte = getchar ()) != EOF && byte != '\n')
    {
      if (line->len >= LINE_EDIT_MAX || byte == '\0')
        {
          *code = ctl_usage (ctl, byte == '\0' ? "a byte of a line is 0" : "a line is too long");
          return FALSE;
        }
      g_string_append_c (line, (char) byte);
    }
  return byte != EOF || line->len > 0;
}

static int
run_waiting (Ctl *ctl, char **argv)
{
  g_autoptr (GPtrArray) line = full_line (ctl, argv);
  g_autoptr (GError) error = NULL;
  int status;

  out_flush ();
  /* Its standard input is empty: the lines are ours. */
  if (!g_spawn_sync (NULL, (char **) line->pdata, NULL, G_SPAWN_FILE_AND_ARGV_ZERO, NULL, NULL, NULL, NULL, &status, &error))
    return ctl_fail (ctl, error);
  return WIFEXITED (status) ? WEXITSTATUS (status) : EXIT_FAILED;
}

static int
run_pipe (Ctl *ctl)
{
  g_autoptr (GString) line = g_string_new (NULL);
  int code = EXIT_DONE;

  while (next_line (ctl, line, &code))
    {
      g_auto (GStrv) argv = NULL;
      Meaning meaning = read_line (ctl, line->str, &argv);
      int its = meaning == RUN ? run_waiting (ctl, argv) : meaning == WRONG ? EXIT_USAGE : EXIT_DONE;

      if (meaning == QUIT)
        break;
      if (its != EXIT_DONE && (!option_keep_going || its == EXIT_INTERRUPTED))
        return its;
      if (its != EXIT_DONE)
        code = EXIT_PARTIAL;
    }
  return code;
}

/* --- the prompt -------------------------------------------------------------------------------------- */

static void
hide_prompt (Shell *shell)
{
  if (shell->prompts)
    fputs ("\r\033[K", stdout);
}

static void
show_prompt (Shell *shell)
{
  Ctl *ctl = shell->ctl;
  gint64 unread = model_number (ctl->model, EARSHOT_ROOT, "Messages", "Unread");
  const char *address = model_string (ctl->model, EARSHOT_ROOT, "Manager", "Address");
  g_autofree char *who = NULL, *count = NULL, *prompt = NULL, *row = NULL;

  if (!shell->prompts)
    return;
  who = escape_cut (*address != '\0' ? address : "xmppctl", PROMPT_COLUMNS);
  count = unread > 0 ? g_strdup_printf (" (%" G_GINT64_FORMAT " unread)", unread) : g_strdup ("");
  prompt = g_strdup_printf ("%s%s> ", who, count);
  row = line_edit_dup_row (shell->edit, prompt, out_columns (ctl));
  fputs (row, stdout);
  fflush (stdout);
}

static void
end (Shell *shell)
{
  shell->over = TRUE;
  live_quit (shell->ctl, EXIT_DONE);
}

static gboolean on_typed (int fd, GIOCondition condition, gpointer user);
static void take_bytes (Shell *shell, const guint8 *bytes, gsize n);

/* As one that has a prompt wants the terminal. */
static void
take_terminal (Shell *shell)
{
  tcsetattr (STDIN_FILENO, TCSADRAIN, &shell->before);
  shell->prompts = line_edit_raw_terminal ();
  shell->input_id = g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, on_typed, shell);
}

static void
leave_terminal (Shell *shell)
{
  shell->prompts = FALSE;
  g_clear_handle_id (&shell->input_id, g_source_remove);
  line_edit_restore_terminal ();
}

/* --- commands of a person --------------------------------------------------------------------------- */

static void
on_child (GPid pid, int status, gpointer user)
{
  Shell *shell = user;
  g_autoptr (GByteArray) ahead = shell->ahead;

  shell->child_id = 0;
  shell->ahead = g_byte_array_new ();
  g_spawn_close_pid (pid);
  if (WIFSIGNALED (status))
    ctl_note (shell->ctl, "that was ended by signal %d", WTERMSIG (status));
  take_terminal (shell);
  take_bytes (shell, ahead->data, ahead->len);
  show_prompt (shell);
}

static void
run_command (Shell *shell, char **argv)
{
  g_autoptr (GPtrArray) line = full_line (shell->ctl, argv);
  g_autoptr (GError) error = NULL;
  GPid pid;

  leave_terminal (shell);
  out_flush ();
  if (!g_spawn_async (NULL, (char **) line->pdata, NULL,
                      G_SPAWN_FILE_AND_ARGV_ZERO | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL, &pid, &error))
    {
      ctl_fail (shell->ctl, error);
      take_terminal (shell);
      return;
    }
  shell->child_id = g_child_watch_add (pid, on_child, shell);
}

static void
handle_line (Shell *shell)
{
  g_autofree char *text = line_edit_take (shell->edit);
  g_auto (GStrv) argv = NULL;

  /* What was typed stays above what comes of it. */
  fputc ('\n', stdout);
  switch (read_line (shell->ctl, text, &argv))
    {
    case QUIT: end (shell); break;
    case RUN:
      /* Alone, help is about this prompt, too. */
      for (guint i = 0; g_str_equal (argv[0], "--help") && i < G_N_ELEMENTS (own_words); i++)
        printf ("  %-12s %s\n", own_words[i].word, own_words[i].help);
      run_command (shell, argv);
      break;
    case NOTHING:
    case WRONG: break;
    }
}

/* --- completion ------------------------------------------------------------------------------------- */

/* What the words have in common, in whole characters. Caller frees. */
static char *
dup_common (Completion *completion)
{
  const char *first = completion_get_word (completion, 0);
  gsize length = strlen (first);

  for (guint i = 1; i < completion_get_n (completion); i++)
    {
      const char *word = completion_get_word (completion, i);
      gsize n = 0;

      while (n < length && first[n] == word[n])
        n++;
      length = n;
    }
  while (length > 0 && ((guchar) first[length] & 0xc0) == 0x80)
    length--;
  return g_strndup (first, length);
}

/* As read_line() gives it back. `open`: more of it is to come. NULL: that can not be. Caller frees. */
static char *
dup_quoted (const char *word, gboolean open)
{
  static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%_+=:,./-";

  if (strspn (word, safe) == strlen (word))
    return open ? g_strdup (word) : g_strconcat (word, " ", NULL);
  if (open)
    return strchr (word, '\'') != NULL ? NULL : g_strconcat ("'", word, NULL);
  g_autofree char *quoted = g_shell_quote (word);

  return g_strconcat (quoted, " ", NULL);
}

static void
list_words (Shell *shell, Completion *completion)
{
  guint n = completion_get_n (completion);

  hide_prompt (shell);
  for (guint i = 0; i < MIN (n, SHOWN_MAX); i++)
    {
      g_autofree char *line = g_strdup_printf ("  %-20s %s", completion_get_word (completion, i), completion_get_text (completion, i));
      /* What a terminal wraps begins in column 0. */
      g_autofree char *cut = escape_cut (line, MAX (out_columns (shell->ctl), OUT_COLUMNS_MIN) - 1);

      printf ("%s\n", g_strchomp (cut));
    }
  if (n > SHOWN_MAX)
    out_line (shell->ctl, "  ... and %u more", n - SHOWN_MAX);
}

static void
complete (Shell *shell)
{
  g_autofree char *typed = g_strndup (line_edit_get_text (shell->edit), line_edit_get_cursor (shell->edit));
  gsize from = 0;
  g_autoptr (GPtrArray) words = usage_split (typed, &from);
  gboolean about = words->len > 1 && g_str_equal (words->pdata[0], "help");
  g_autoptr (Completion) completion = NULL;
  g_autofree char *common = NULL, *quoted = NULL;
  guint n;

  if (!g_utf8_validate (typed, -1, NULL))
    return;
  if (words->len > 1 && (about || g_str_equal (words->pdata[0], "xmppctl")))
    g_ptr_array_remove_index (words, 0);
  completion = complete_line (shell->ctl, (const char *const *) words->pdata, words->len);
  for (guint i = 0; words->len == 1 && !about && i < G_N_ELEMENTS (own_words); i++)
    completion_add (completion, own_words[i].word, own_words[i].help);
  completion_add_files (completion);
  n = completion_get_n (completion);
  if (n == 0)
    return;
  common = dup_common (completion);
  /* Behind a directory its files come. */
  quoted = dup_quoted (common, n > 1 || (completion_wants_files (completion) && g_str_has_suffix (common, "/")));
  /* What is not offered any more may have less in common. */
  if (quoted != NULL && n < COMPLETE_MAX && (n == 1 || strlen (common) > strlen (words->pdata[words->len - 1])))
    line_edit_replace (shell->edit, from, quoted);
  else
    list_words (shell, completion);
}

/* --- keys ---------------------------------------------------------------------------------------------- */

static void
take_bytes (Shell *shell, const guint8 *bytes, gsize n)
{
  for (gsize i = 0; i < n && !shell->over; i++)
    {
      if (shell->child_id != 0)
        {
          g_byte_array_append (shell->ahead, bytes + i, (guint) (n - i));
          return;
        }
      switch (line_edit_feed (shell->edit, bytes[i]))
        {
        case LINE_EDIT_MORE: break;
        case LINE_EDIT_LINE:
          show_prompt (shell);
          handle_line (shell);
          break;
        case LINE_EDIT_END:
          fputc ('\n', stdout);
          end (shell);
          break;
        case LINE_EDIT_INTERRUPT: line_edit_clear (shell->edit); break;
        case LINE_EDIT_CLEAR: fputs ("\033[H\033[2J", stdout); break;
        case LINE_EDIT_TAB: complete (shell); break;
        }
    }
}

static gboolean
on_typed (int fd, GIOCondition condition, gpointer user)
{
  Shell *shell = user;
  guint8 bytes[256];
  ssize_t n = read (fd, bytes, sizeof bytes);

  if (n < 0 && (errno == EINTR || errno == EAGAIN))
    return G_SOURCE_CONTINUE;
  if (n <= 0)
    {
      shell->input_id = 0;
      end (shell);
      return G_SOURCE_REMOVE;
    }
  take_bytes (shell, bytes, (gsize) n);
  if (shell->over || shell->child_id != 0)
    return shell->input_id != 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
  show_prompt (shell);
  return G_SOURCE_CONTINUE;
}

/* The command that runs has it from the terminal itself. */
static gboolean
on_interrupt (gpointer user)
{
  Shell *shell = user;

  if (shell->child_id != 0)
    return G_SOURCE_CONTINUE;
  line_edit_clear (shell->edit);
  if (shell->prompts)
    fputs ("^C\n", stdout);
  show_prompt (shell);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_resize (gpointer user)
{
  show_prompt (user);
  return G_SOURCE_CONTINUE;
}

/* --- what the daemon says -------------------------------------------------------------------------------- */

static void
on_changed (Ctl *ctl, const char *path, const char *interface, gpointer user)
{
  if (g_str_equal (path, EARSHOT_ROOT) && (g_str_equal (interface, "Messages") || g_str_equal (interface, "Manager")))
    show_prompt (user);
}

static void
on_resync (Ctl *ctl, gpointer user)
{
  show_prompt (user);
}

/* --- the command ------------------------------------------------------------------------------------------ */

static int
run_terminal (Ctl *ctl)
{
  static const LiveHandlers handlers = { .changed = on_changed, .resync = on_resync };
  g_autoptr (GError) error = NULL;
  Shell shell = { .ctl = ctl };
  guint interrupt_id, resize_id;
  int code;

  /* Of a command, not of the prompt. */
  ctl->deadline = 0;
  if (!live_start (ctl, &handlers, &shell, &error))
    return ctl_fail (ctl, error);
  tcgetattr (STDIN_FILENO, &shell.before);
  shell.edit = line_edit_new ();
  shell.ahead = g_byte_array_new ();
  interrupt_id = g_unix_signal_add (SIGINT, on_interrupt, &shell);
  resize_id = g_unix_signal_add (SIGWINCH, on_resize, &shell);
  ctl_note (ctl, "commands without the program's name; Tab completes, help lists them, quit or Ctrl-D ends");
  take_terminal (&shell);
  show_prompt (&shell);
  code = live_run (ctl);
  leave_terminal (&shell);
  g_source_remove (interrupt_id);
  g_source_remove (resize_id);
  /* The daemon's end is ours: a command that still runs has its own word about that. */
  if (shell.child_id != 0)
    g_source_remove (shell.child_id);
  g_byte_array_unref (shell.ahead);
  line_edit_free (shell.edit);
  return code;
}

static int
run_shell (Ctl *ctl, int argc, char **argv)
{
  gboolean prompts = ctl->tty_out && !ctl->json && isatty (STDIN_FILENO);

  if (prompts && option_keep_going)
    return ctl_usage (ctl, "--keep-going is for lines on a pipe");
  return prompts ? run_terminal (ctl) : run_pipe (ctl);
}

const Command command_shell = {
  .name = "shell",
  .args = "",
  .summary = "A prompt for these commands, with completion",
  .detail = "The prompt shows who you are and how much is unread. Lines are quoted as in a shell, and nothing in them is expanded.\n"
            "Tab completes, names of files too, Up brings back earlier lines, Ctrl-C ends the command that runs and not the prompt, Ctrl-D ends that.\n"
            "On a pipe each line is a command, with nothing to read itself; the first one that fails ends it with its exit code.",
  .examples = "xmppctl shell\n"
              "printf '%s\\n' 'config set show dnd' 'send juliet \"at nine\"' | xmppctl shell\n"
              "xmppctl shell --keep-going < commands",
  .options = options,
  .run = run_shell,
};
