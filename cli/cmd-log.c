/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * log: the history with one peer. inbox: what nobody has read yet.
 */
#include "earshot-config.h"

#include <string.h>

#include "cli/commands.h"
#include "cli/entry.h"
#include "cli/out.h"
#include "cli/peer.h"
#include "cli/time-text.h"

#define PAGE 100
#define LOG_DEFAULT 50
#define INBOX_MAX 1000   /* messages of one conversation that inbox shows */

static int option_number;
static char *option_since;
static gboolean option_mark_read;

static const GOptionEntry log_options[] = {
  { "number", 'n', 0, G_OPTION_ARG_INT, &option_number, "The last N messages (50; with --since all)", "N" },
  { "since", 0, 0, G_OPTION_ARG_STRING, &option_since, "From then on: 2h, yesterday, 10:30, 2026-01-05", "TIME" },
  G_OPTION_ENTRY_NULL
};

static const GOptionEntry inbox_options[] = {
  { "mark-read", 0, 0, G_OPTION_ARG_NONE, &option_mark_read, "Then count them as read", NULL },
  G_OPTION_ENTRY_NULL
};

/* What to collect, newest first, and what was. */
typedef struct {
  guint limit;            /* messages */
  gint64 since;           /* time, 0 = any */
  guint64 after;          /* seq */
  gboolean incoming_only;
  GPtrArray *replies;     /* keep the strings of `entries` alive */
  GArray *entries;        /* Entry, newest first */
  GHashTable *states;     /* message id -> its last state (char *, borrowed) */
} Collection;

static void
collection_init (Collection *c)
{
  memset (c, 0, sizeof *c);
  c->replies = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  c->entries = g_array_new (FALSE, TRUE, sizeof (Entry));
  g_array_set_clear_func (c->entries, (GDestroyNotify) entry_clear);
  c->states = g_hash_table_new (g_str_hash, g_str_equal);
}

static void
collection_clear (Collection *c)
{
  g_array_unref (c->entries);
  g_hash_table_unref (c->states);
  g_ptr_array_unref (c->replies);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Collection, collection_clear)

/* FALSE = this entry, and so all further ones, lie before what is wanted. */
static gboolean
take_entry (Collection *c, GVariant *entries, gsize index)
{
  Entry entry = { 0 };

  entry_read (&entry, entries, index);
  if (entry.seq <= c->after || (c->since > 0 && entry.time < c->since)) {
    entry_clear (&entry);
    return FALSE;
  }
  /* Newest first: the first state met is the one that counts. */
  if (g_str_equal (entry.kind, "state") && !g_hash_table_contains (c->states, entry.id))
    g_hash_table_insert (c->states, (gpointer) entry.id, (gpointer) entry.state);
  if (!g_str_equal (entry.kind, "message") || (c->incoming_only && entry.outgoing)) {
    entry_clear (&entry);
    return TRUE;
  }
  g_array_append_val (c->entries, entry);
  return c->entries->len < c->limit;
}

static gboolean
collect (Ctl *ctl, const char *path, Collection *c, GError **error)
{
  g_autoptr (EarshotMessages) messages = ctl_messages (ctl, error);
  guint64 before = 0;
  gboolean more = TRUE;

  while (messages != NULL && more) {
    g_autoptr (GVariant) entries = NULL;
    g_auto (Entry) last = { 0 };

    if (!earshot_messages_call_list_sync (messages, path, before, PAGE, ctl_no_options (), &entries, &more, NULL, error))
      return FALSE;
    gsize n = g_variant_n_children (entries);

    if (n == 0)
      break;
    entry_read (&last, entries, n - 1);
    if (before != 0 && last.seq >= before)
      break;
    before = last.seq;
    g_ptr_array_add (c->replies, g_variant_ref (entries));
    for (gsize i = 0; i < n; i++)
      if (!take_entry (c, entries, i))
        return TRUE;
  }
  return messages != NULL;
}

static void
print_collection (Ctl *ctl, Collection *c)
{
  for (guint i = c->entries->len; i > 0; i--) {
    Entry *entry = &g_array_index (c->entries, Entry, i - 1);
    const char *state = entry->outgoing ? g_hash_table_lookup (c->states, entry->id) : NULL;

    if (ctl->json)
      entry_print_json (ctl, entry, state);
    else
      entry_print (ctl, entry, state);
  }
}

static int
run_log (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_auto (Collection) c;
  g_autofree char *path = NULL;

  collection_init (&c);
  if (option_number < 0)
    return ctl_usage (ctl, "-n takes a positive number");
  if (option_since != NULL && !time_parse_since (option_since, g_get_real_time (), &c.since))
    return ctl_usage (ctl, "--since takes a time gone by, such as 2h, yesterday, 10:30 or 2026-01-05; not %s", option_since);
  c.limit = option_number > 0 ? (guint) option_number : (c.since > 0 ? G_MAXUINT : LOG_DEFAULT);
  if (!ctl_load (ctl, &error) || (path = peer_select (ctl, argv[0], SELECTOR_ANY, &error)) == NULL ||
      !collect (ctl, path, &c, &error))
    return ctl_fail (ctl, error);
  print_collection (ctl, &c);
  if (c.entries->len == 0)
    ctl_note (ctl, "nothing was said%s", c.since > 0 ? " since then" : " yet");
  return EXIT_DONE;
}

const Command command_log = {
  .name = "log",
  .args = "PEER",
  .summary = "The history with one peer",
  .detail = "The first column is what the sender's key was worth when the message arrived. What you wrote carries its\n"
            "state in brackets. Nothing is marked as read.",
  .examples = "xmppctl log juliet -n 20\n"
              "xmppctl log juliet --since yesterday\n"
              "xmppctl log juliet --since 2026-01-05 --json > juliet.jsonl",
  .options = log_options,
  .min_args = 1,
  .max_args = 1,
  .run = run_log,
};

/* --- inbox ---------------------------------------------------------------------------- */

static gboolean
show_unread (Ctl *ctl, const char *path, GError **error)
{
  gint64 unread = model_number (ctl->model, path, "Conversation", "Unread");
  g_auto (Collection) c;

  collection_init (&c);
  c.limit = (guint) CLAMP (unread, 1, INBOX_MAX);
  c.after = (guint64) model_number (ctl->model, path, "Conversation", "ReadSeq");
  c.incoming_only = TRUE;
  if (!collect (ctl, path, &c, error))
    return FALSE;
  if (!ctl->json) {
    g_autofree char *label = peer_dup_label (ctl, path);

    out_trust (ctl, peer_get_trust (ctl, path));
    out_line (ctl, "  %s: %d unread", label, (int) unread);
  }
  print_collection (ctl, &c);
  if (!option_mark_read || c.entries->len == 0)
    return TRUE;
  /* Only what reached its reader is read. */
  if (!out_flush ()) {
    g_set_error (error, CLI_ERROR, CLI_ERROR_FAILED, "cannot write the output; nothing was marked as read");
    return FALSE;
  }
  g_autoptr (EarshotConversation) conversation = ctl_conversation (ctl, path, error);

  return conversation != NULL &&
         earshot_conversation_call_mark_read_sync (conversation, g_array_index (c.entries, Entry, 0).seq, NULL, error);
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
  for (guint i = 0; i < paths->len; i++) {
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
