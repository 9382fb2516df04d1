/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * log: the history with one peer. inbox: what nobody has read yet.
 */
#include "earshot-config.h"

#include <string.h>

#include "cli/archive.h"
#include "cli/commands.h"
#include "cli/history.h"
#include "cli/out.h"
#include "cli/peer.h"
#include "cli/progress.h"
#include "cli/time-text.h"

#define LOG_DEFAULT 50
#define INBOX_MAX 1000 /* messages of one conversation that inbox shows */

static int option_number;
static char *option_since, *option_grep, *option_export, *option_import;
static gboolean option_mark_read, option_ids;

static const GOptionEntry log_options[] = {
  { "number", 'n', 0, G_OPTION_ARG_INT, &option_number, "The last N messages (50; with --since all)", "N" },
  { "since", 0, 0, G_OPTION_ARG_STRING, &option_since, "From then on: 2h, yesterday, 10:30, 2026-01-05", "TIME" },
  { "ids", 'i', 0, G_OPTION_ARG_NONE, &option_ids, "With the first digits of each id, for edit, retract, react", NULL },
  { "grep", 'g', 0, G_OPTION_ARG_STRING, &option_grep, "Only messages with all of these words", "WORDS" },
  { "export", 0, 0, G_OPTION_ARG_FILENAME, &option_export, "Write it to a new file as JSON lines; - is standard output", "FILE" },
  { "import", 0, 0, G_OPTION_ARG_FILENAME, &option_import, "Take such a file back", "FILE" },
  G_OPTION_ENTRY_NULL
};

static const GOptionEntry inbox_options[] = {
  { "mark-read", 0, 0, G_OPTION_ARG_NONE, &option_mark_read, "Then count them as read", NULL }, G_OPTION_ENTRY_NULL
};

static int
run_log (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_auto (History) history = { 0 };
  g_autofree char *path = NULL;

  if (option_number < 0)
    return ctl_usage (ctl, "-n takes a positive number");
  if (option_since != NULL && !time_parse_since (option_since, g_get_real_time (), &history.since))
    return ctl_usage (ctl, "--since takes a time gone by, such as 2h, yesterday, 10:30 or 2026-01-05; not %s",
                      option_since);
  history.limit = option_number > 0 ? (guint) option_number : (history.since > 0 ? G_MAXUINT : LOG_DEFAULT);
  if (option_import != NULL && (argc > 0 || option_number > 0 || option_since != NULL || option_grep != NULL || option_export != NULL))
    return ctl_usage (ctl, "--import goes with nothing else");
  if (option_export != NULL && (option_number > 0 || option_grep != NULL))
    return ctl_usage (ctl, "--export goes with PEER and --since only");
  if (option_import != NULL)
    return ctl_load (ctl, &error) && archive_import (ctl, option_import, &error) ? EXIT_DONE : ctl_fail (ctl, error);
  history.words = option_grep;
  history.show_ids = option_ids;
  if (option_export != NULL)
    return ctl_load (ctl, &error) && (path = argc > 0 ? peer_select (ctl, argv[0], SELECTOR_ANY, &error) : g_strdup ("/")) != NULL
               && archive_export (ctl, option_export, path, history.since, &error)
             ? EXIT_DONE
             : ctl_fail (ctl, error);
  if (!ctl_load (ctl, &error) || (path = argc > 0 ? peer_select (ctl, argv[0], SELECTOR_ANY, &error) : g_strdup ("/")) == NULL)
    return ctl_fail (ctl, error);
  progress_begin (ctl, "reading the log");
  if (!history_read (ctl, path, &history, &error))
    return ctl_fail (ctl, error);
  progress_end ();
  history_print (ctl, &history);
  if (history_get_newest (&history) == NULL)
    ctl_note (ctl, "nothing %s%s", option_grep != NULL ? "with these words was said" : "was said",
              history.since > 0 ? " since then" : option_grep != NULL ? "" : " yet");
  return EXIT_DONE;
}

const Command command_log = {
  .name = "log",
  .args = "[PEER]",
  .summary = "The history, with one peer or with all, or a search through it",
  .detail = "The first column is what the sender's key was worth when the message arrived. What you wrote carries its\n"
            "state in brackets. Nothing is marked as read. --grep takes whole words, all of which must be there, in any\n"
            "order; case and accents make no difference. Without PEER it takes all conversations together.\n"
            "--export writes all of it, or of PEER, and never over a file that is there. --import takes what was said in such a\n"
            "file back whose peer's key is known here: as history, marked \"imported\", never sent and never unread.",
  .examples = "xmppctl log\n"
              "xmppctl log juliet -n 20\n"
              "xmppctl log juliet --since yesterday\n"
              "xmppctl log juliet --since 2026-01-05 --json > juliet.jsonl\n"
              "xmppctl log --grep 'garden party' -n 5\n"
              "xmppctl log --export - | gzip > history.jsonl.gz\n"
              "zcat history.jsonl.gz | xmppctl log --import -",
  .options = log_options,
  .min_args = 0,
  .max_args = 1,
  .run = run_log,
};

/* --- inbox ---------------------------------------------------------------------------- */

static gboolean
show_unread (Ctl *ctl, const char *path, GError **error)
{
  gint64 unread = model_number (ctl->model, path, "Conversation", "Unread");
  g_auto (History) history = {
    .limit = (guint) CLAMP (unread, 1, INBOX_MAX),
    .after = (guint64) model_number (ctl->model, path, "Conversation", "ReadSeq"),
    .incoming_only = TRUE,
  };

  if (!history_read (ctl, path, &history, error))
    return FALSE;
  if (!ctl->json)
    {
      g_autofree char *label = peer_dup_label (ctl, path);

      out_trust (ctl, peer_get_trust (ctl, path));
      out_rest (ctl, OUT_TRUST_WIDTH, "  %s: %d unread", label, (int) unread);
    }
  history_print (ctl, &history);
  if (!option_mark_read || history_get_newest (&history) == NULL)
    return TRUE;
  /* Only what reached its reader is read. */
  if (!out_flush ())
    {
      g_set_error (error, CLI_ERROR, CLI_ERROR_FAILED, "cannot write the output; nothing was marked as read");
      return FALSE;
    }
  g_autoptr (EarshotConversation) conversation = ctl_conversation (ctl, path, error);

  return conversation != NULL
         && earshot_conversation_call_mark_read_sync (conversation, history_get_newest (&history)->seq, NULL, error);
}

static int
run_inbox (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) paths = NULL;
  guint shown = 0;

  if (!ctl_load (ctl, &error))
    return ctl_fail (ctl, error);
  paths = model_list (ctl->model, "Conversation");
  for (guint i = 0; i < paths->len; i++)
    {
      const char *path = g_ptr_array_index (paths, i);

      if (model_number (ctl->model, path, "Conversation", "Unread") == 0)
        continue;
      shown++;
      if (!show_unread (ctl, path, &error))
        return ctl_fail (ctl, error);
    }
  if (shown == 0)
    ctl_note (ctl, "nothing unread");
  return EXIT_DONE;
}

const Command command_inbox = {
  .name = "inbox",
  .args = "",
  .summary = "Unread messages by conversation",
  .detail = "Messages of unknown keys are not here but in: xmppctl trust pending.",
  .examples = "xmppctl inbox\n"
              "xmppctl inbox --mark-read\n"
              "xmppctl inbox --json | jq -r .body",
  .options = inbox_options,
  .run = run_inbox,
};
