/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * xmppctl: the front end that ships with Earshot. Options, the table of subcommands, help; the rest is in cmd-*.c.
 */
#include "earshot-config.h"

#include <locale.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/escape.h"
#include "cli/line-edit.h"
#include "cli/live.h"
#include "cli/out.h"
#include "cli/progress.h"
#include "cli/time-text.h"

#define OPTION_WIDTH 26

static gboolean option_help, option_version, json_wanted;
static Ctl ctl_of_process;

const GOptionEntry global_options[] = {
  { "json", 0, 0, G_OPTION_ARG_NONE, &ctl_of_process.json, "One JSON object per line", NULL },
  { "timeout", 0, 0, G_OPTION_ARG_STRING, &ctl_of_process.timeout_text, "Give up after that time (exit 6)", "SEC" },
  { "color", 0, 0, G_OPTION_ARG_STRING, &ctl_of_process.color, "When to use colours", "auto|always|never" },
  { "bus", 0, 0, G_OPTION_ARG_STRING, &ctl_of_process.bus, "Where the daemon is", "session|system|private|ADDRESS" },
  { "quiet", 'q', 0, G_OPTION_ARG_NONE, &ctl_of_process.quiet, "Only data and errors", NULL },
  { "verbose", 'v', 0, G_OPTION_ARG_NONE, &ctl_of_process.verbose, "Say more on stderr", NULL },
  { "help", 'h', 0, G_OPTION_ARG_NONE, &option_help, "Show help with examples", NULL },
  G_OPTION_ENTRY_NULL
};

static const GOptionEntry version_option[] = {
  { "version", 0, 0, G_OPTION_ARG_NONE, &option_version, "Show the version", NULL }, G_OPTION_ENTRY_NULL
};

const Command *const all_commands[] = { &command_status,
                                        &command_peers,
                                        &command_show,
                                        &command_send,
                                        &command_edit,
                                        &command_retract,
                                        &command_react,
                                        &command_inbox,
                                        &command_log,
                                        &command_receive,
                                        &command_wait,
                                        &command_watch,
                                        &command_chat,
                                        &command_shell,
                                        &command_trust,
                                        &command_verify,
                                        &command_pair,
                                        &command_block,
                                        &command_unblock,
                                        &command_name,
                                        &command_id,
                                        &command_audit,
                                        &command_access,
                                        &command_agent,
                                        &command_net,
                                        &command_doctor,
                                        &command_config,
                                        &command_completion,
                                        NULL };

const Command command_root = {
  .name = "",
  .args = "COMMAND",
  .summary = "Talk to the people within earshot.",
  .detail = "First steps: peers shows who is near. Write to one of them (send, chat): each of you is asked once whether the\n"
            "other's key is accepted (trust pending, trust accept). Then talk; inbox and log show what was said.\n"
            "Without a COMMAND: status. PEER is a petname, a full address, or at least 8 digits of a fingerprint;\n"
            "decisions about trust take a petname or at least 16 digits.\n"
            "Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 ambiguous, 5 not reachable, 6 time ran out,\n"
            "7 trust says no, 8 refused over there, 9 no daemon or no access, 10 some of several failed.",
  .examples = "xmppctl peers\n"
              "xmppctl send juliet@pronto 'Wherefore art thou?'\n"
              "xmppctl trust pending\n"
              "xmppctl trust accept b1946ac92492d234 --name juliet\n"
              "xmppctl chat juliet\n"
              "make 2>&1 | xmppctl send juliet -\n"
              "xmppctl log juliet\n"
              "xmppctl wait juliet --for online --timeout 300",
  .options = version_option,
  .subcommands = all_commands,
};

/* --- help ------------------------------------------------------------------------ */

static void
print_options (const GOptionEntry *options)
{
  for (; options->long_name != NULL; options++)
    {
      g_autofree char *text = g_strdup_printf ("%s--%s%s%s", options->short_name != 0 ? "-x, " : "    ",
                                               options->long_name, options->arg_description != NULL ? "=" : "",
                                               options->arg_description != NULL ? options->arg_description : "");

      if (options->short_name != 0)
        text[1] = options->short_name;
      if (strlen (text) > OPTION_WIDTH)
        printf ("  %s\n  %-*s %s\n", text, OPTION_WIDTH, "", options->description);
      else
        printf ("  %-*s %s\n", OPTION_WIDTH, text, options->description);
    }
}

static void
print_help (const Command *command, const char *line)
{
  g_auto (GStrv) examples = g_strsplit (command->examples, "\n", -1);
  const char *space = *line != '\0' ? " " : "";

  printf ("Usage: xmppctl%s%s [OPTION...]%s%s\n\n%s\n", space, line, *command->args != '\0' ? " " : "", command->args,
          command->summary);
  if (command->detail != NULL)
    printf ("\n%s\n", command->detail);
  if (command->subcommands != NULL)
    {
      printf ("\nCommands:\n");
      for (guint i = 0; command->subcommands[i] != NULL; i++)
        if (!command->subcommands[i]->hidden)
          printf ("  %-12s %s\n", command->subcommands[i]->name, command->subcommands[i]->summary);
    }
  printf ("\nOptions:\n");
  if (command->options != NULL)
    print_options (command->options);
  print_options (global_options);
  printf ("\nExamples:\n");
  for (guint i = 0; examples[i] != NULL; i++)
    printf ("  %s\n", examples[i]);
}

/* --- options --------------------------------------------------------------------- */

static gboolean
settle_options (Ctl *ctl)
{
  const char *no_color = g_getenv ("NO_COLOR");
  gboolean wanted = no_color == NULL || *no_color == '\0';
  const char *when = ctl->color != NULL ? ctl->color : "auto";
  gint64 span;

  ctl->tty_out = isatty (STDOUT_FILENO);
  ctl->can_ask = isatty (STDIN_FILENO) && isatty (STDERR_FILENO) && !ctl->json;
  if (g_str_equal (when, "auto"))
    {
      ctl->color_out = wanted && ctl->tty_out;
      ctl->color_err = wanted && isatty (STDERR_FILENO);
    }
  else if (g_str_equal (when, "always"))
    {
      ctl->color_out = ctl->color_err = TRUE;
    }
  else if (!g_str_equal (when, "never"))
    {
      ctl_usage (ctl, "--color takes auto, always or never, not %s", when);
      return FALSE;
    }
  if (ctl->timeout_text != NULL)
    {
      if (!time_parse_duration (ctl->timeout_text, &span))
        {
          ctl_usage (ctl, "--timeout takes seconds, or 5m, 2h; not %s", ctl->timeout_text);
          return FALSE;
        }
      ctl->deadline = g_get_monotonic_time () + span;
    }
  return TRUE;
}

/* Options may stand anywhere in a leaf's arguments; before a subcommand's name only until that name. */
static gboolean
parse_options (Ctl *ctl, const Command *command, gboolean strict, int *argc, char ***argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;

  g_option_context_set_help_enabled (context, FALSE);
  g_option_context_set_strict_posix (context, strict);
  if (command->options != NULL)
    g_option_context_add_main_entries (context, command->options, NULL);
  g_option_context_add_main_entries (context, global_options, NULL);
  if (!g_option_context_parse (context, argc, argv, &error))
    {
      ctl->json = json_wanted;
      ctl_usage (ctl, "%s", error->message);
      return FALSE;
    }
  return TRUE;
}

static const Command *
find_command (const Command *const *commands, const char *name)
{
  for (guint i = 0; commands[i] != NULL; i++)
    if (g_str_equal (commands[i]->name, name))
      return commands[i];
  return NULL;
}

/* --- running ---------------------------------------------------------------------- */

static int
run_leaf (Ctl *ctl, const Command *command, int argc, char **argv)
{
  /* GOption leaves the first "--" where something behind it begins with a dash. */
  for (int i = 0; i < argc && !command->raw; i++)
    if (g_str_equal (argv[i], "--"))
      {
        memmove (argv + i, argv + i + 1, sizeof *argv * (gsize) (argc - i));
        argc--;
        break;
      }
  for (int i = 0; i < argc; i++)
    if (!g_utf8_validate (argv[i], -1, NULL))
      return ctl_usage (ctl, "argument %d is not UTF-8 text", i + 1);
  if (argc < command->min_args)
    return ctl_usage (ctl, "something is missing: %s", command->args);
  if (command->max_args >= 0 && argc > command->max_args)
    return ctl_usage (ctl, "one argument too many: %s", argv[command->max_args]);
  int code = command->run (ctl, argc, argv);

  live_stop (ctl);
  progress_end ();
  if (!out_flush () && code == EXIT_DONE)
    {
      ctl_note (ctl, "cannot write the output");
      code = EXIT_FAILED;
    }
  return code;
}

static int
run (Ctl *ctl, const Command *command, GString *line, int argc, char **argv)
{
  gboolean behind = FALSE;

  for (;;)
    {
      gboolean group = command->subcommands != NULL;

      ctl->command = command;
      ctl->command_line = line->str;
      if (!command->raw && !parse_options (ctl, command, group && !behind, &argc, &argv))
        return EXIT_USAGE;
      if (option_help)
        {
          print_help (command, line->str);
          return out_flush () ? EXIT_DONE : EXIT_FAILED;
        }
      if (option_version)
        {
          printf ("xmppctl %s\n", PACKAGE_VERSION);
          return EXIT_DONE;
        }
      if (!group || behind || argc < 2)
        break;
      const Command *next = find_command (command->subcommands, argv[1]);

      if (next == NULL && command->max_args <= 0)
        return ctl_usage (ctl, "there is no command '%s'", argv[1]);
      if (next == NULL)
        {
          /* It takes arguments itself, and options may stand behind those. */
          behind = TRUE;
          continue;
        }
      command = next;
      g_string_append_printf (line, "%s%s", line->len > 0 ? " " : "", next->name);
      argc--;
      argv++;
    }
  if (command->run == NULL && line->len > 0)
    return ctl_usage (ctl, "which one?");
  if (command->run == NULL)
    {
      ctl->command = command = &command_status;
      ctl->command_line = command->name;
    }
  if (!settle_options (ctl))
    return EXIT_USAGE;
  return run_leaf (ctl, command, argc - 1, argv + 1);
}

/* A bad line is reported in the form that was asked for, though GOption takes its settings back when it fails. */
static gboolean
wants_json (char **argv)
{
  for (guint i = 1; argv[i] != NULL && !g_str_equal (argv[i], "--"); i++)
    if (g_str_equal (argv[i], "--json"))
      return TRUE;
  return FALSE;
}

/* Ctrl-C: documented as exit 130, with the terminal as it was. */
static void
on_interrupt (int number)
{
  progress_wipe ();
  line_edit_restore_terminal ();
  _exit (EXIT_INTERRUPTED);
}

int
main (int argc, char **argv)
{
  struct sigaction action = { .sa_handler = on_interrupt }, before;
  g_autoptr (GString) line = g_string_new (NULL);
  g_autofree char **arguments = g_memdup2 (argv, sizeof *argv * ((gsize) argc + 1));

  setlocale (LC_ALL, "");
  json_wanted = wants_json (argv);
  /* A shell that starts us in the background has it ignored. */
  sigaction (SIGINT, NULL, &before);
  if (before.sa_handler != SIG_IGN)
    sigaction (SIGINT, &action, NULL);
  int code = run (&ctl_of_process, &command_root, line, argc, arguments);

  ctl_clear (&ctl_of_process);
  return code;
}
