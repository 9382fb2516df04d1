/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/completion-bash.h"
#include "cli/escape.h"
#include "cli/peer.h"

#define COMPLETION_TIMEOUT_US (5 * G_USEC_PER_SEC)

static int
run_bash (Ctl *ctl, int argc, char **argv)
{
  fputs (completion_bash, stdout);
  return EXIT_DONE;
}

/* What the script offers for PEER: petnames, else addresses, one a line. Whatever is not plain text stays out: these
 * lines come to stand in a shell's command line. */
static int
run_peers (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) paths = NULL;

  /* A key press neither starts the daemon nor waits long nor complains. */
  ctl->no_autostart = TRUE;
  if (ctl->deadline == 0)
    ctl->deadline = g_get_monotonic_time () + COMPLETION_TIMEOUT_US;
  if (!ctl_load (ctl, &error))
    return exit_code_of_error (error, NULL, NULL);
  paths = model_list (ctl->model, "Contact");
  for (guint i = 0; i < paths->len; i++)
    {
      const char *path = g_ptr_array_index (paths, i);
      const char *name = peer_get_petname (ctl, path);

      if (*name == '\0')
        name = model_string (ctl->model, path, "Contact", "ClaimedAddress");
      g_autofree char *safe = escape_text (name);

      if (*name != '\0' && g_str_equal (safe, name))
        printf ("%s\n", name);
    }
  return EXIT_DONE;
}

static const Command command_completion_bash = {
  .name = "bash",
  .args = "",
  .summary = "The script for bash",
  .examples = "eval \"$(xmppctl completion bash)\"",
  .run = run_bash,
};
static const Command command_completion_peers = {
  .name = "peers",
  .args = "",
  .summary = "Names to complete PEER with, one a line",
  .examples = "xmppctl completion peers",
  .run = run_peers,
};

static const Command *const subcommands[] = { &command_completion_bash, &command_completion_peers, NULL };

const Command command_completion = {
  .name = "completion",
  .args = "bash|peers",
  .summary = "Shell completion",
  .detail = "Packages install the script; this prints it for those who have none.",
  .examples = "xmppctl completion bash > ~/.local/share/bash-completion/completions/xmppctl\n"
              "eval \"$(xmppctl completion bash)\"",
  .max_args = 0,
  .subcommands = subcommands,
};
