/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * completion: the scripts for three shells, which know nothing themselves, and `words`, which they ask. SECURITY: see complete.h; the
 * scripts read lines and quote, and evaluate nothing.
 */
#include "earshot-config.h"

#include <stdio.h>

#include "cli/commands.h"
#include "cli/complete.h"
#include "cli/completion-scripts.h"
#include "cli/usage.h"

#define WORDS_MAX 1000 /* of a line */

static int
print_script (Ctl *ctl, int argc, char **argv)
{
  if (g_str_equal (ctl->command->name, "bash"))
    fputs (completion_bash, stdout);
  else if (g_str_equal (ctl->command->name, "zsh"))
    fputs (completion_zsh, stdout);
  else
    fputs (completion_fish, stdout);
  return EXIT_DONE;
}

/* The first line says whether a file's name may stand there; then the words, one a line, a tab before what it is. Neither has one inside. */
static int
run_words (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GPtrArray) plain = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (Completion) completion = NULL;

  if (argc > WORDS_MAX)
    return EXIT_USAGE;
  for (int i = 0; i < argc; i++)
    g_ptr_array_add (plain, usage_dup_unquoted (argv[i]));
  completion = complete_line (ctl, (const char *const *) plain->pdata, plain->len);
  printf ("%s\n", completion_wants_files (completion) ? "files" : "words");
  for (guint i = 0; i < completion_get_n (completion); i++)
    printf ("%s\t%s\n", completion_get_word (completion, i), completion_get_text (completion, i));
  return EXIT_DONE;
}

static int
run_peers (Ctl *ctl, int argc, char **argv)
{
  const char *const line[] = { "show", "" };
  g_autoptr (Completion) completion = complete_line (ctl, line, G_N_ELEMENTS (line));

  if (!completion_ask (completion))
    return EXIT_UNAVAILABLE;
  for (guint i = 0; i < completion_get_n (completion); i++)
    printf ("%s\n", completion_get_word (completion, i));
  return EXIT_DONE;
}

#define SCRIPT(shell, example)                                                         \
  static const Command command_completion_##shell = {                                  \
    .name = #shell, .args = "", .summary = "The script for " #shell, .examples = example, .run = print_script, \
  }

SCRIPT (bash, "eval \"$(xmppctl completion bash)\"");
SCRIPT (zsh, "eval \"$(xmppctl completion zsh)\"");
SCRIPT (fish, "xmppctl completion fish | source");

static const Command command_completion_peers = {
  .name = "peers",
  .args = "",
  .summary = "Names to complete PEER with, one a line",
  .examples = "xmppctl completion peers",
  .run = run_peers,
};
static const Command command_completion_words = {
  .name = "words",
  .args = "WORD...",
  .summary = "What may come next; for the scripts",
  .examples = "xmppctl completion words send jul",
  .max_args = -1,
  .hidden = TRUE,
  .raw = TRUE,
  .run = run_words,
};

static const Command *const subcommands[] = { &command_completion_bash,  &command_completion_zsh,   &command_completion_fish,
                                              &command_completion_peers, &command_completion_words, NULL };

const Command command_completion = {
  .name = "completion",
  .args = "COMMAND",
  .summary = "Shell completion",
  .detail = "Packages install the scripts; this prints them for those who have none. They offer commands, options, their values, and\n"
            "who and what is there now; what they know comes from xmppctl itself.",
  .examples = "eval \"$(xmppctl completion bash)\"\n"
              "xmppctl completion zsh > ~/.zfunc/_xmppctl\n"
              "xmppctl completion fish > ~/.config/fish/completions/xmppctl.fish",
  .max_args = 0,
  .subcommands = subcommands,
};
