/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "cli/commands.h"
#include "cli/entry.h"
#include "cli/live.h"
#include "cli/peer.h"
#include "cli/progress.h"
#include "cli/usage.h"

/* Of --for. */
#define EVENTS "sighted|online|pinned|verified|message"

static char *option_for;

static const GOptionEntry options[] = { { "for", 0, 0, G_OPTION_ARG_STRING, &option_for,
                                          "What to wait for", EVENTS },
                                        G_OPTION_ENTRY_NULL };

typedef struct {
  const char *selector;
  char *path;   /* NULL until somebody matches */
  guint64 seen; /* entries up to here are old */
} Waiter;

static gboolean
holds (Ctl *ctl, const char *path)
{
  const char *reach = peer_get_reach (ctl, path);

  if (g_str_equal (option_for, "sighted"))
    return !g_str_equal (reach, "offline");
  if (g_str_equal (option_for, "online"))
    return g_str_equal (reach, "online");
  return trust_reaches (peer_get_trust (ctl, path), option_for);
}

static void
succeed (Ctl *ctl, Waiter *waiter)
{
  g_autofree char *label = peer_dup_label (ctl, waiter->path);

  if (ctl->json)
    json_line_print (stdout, peer_to_json (ctl, waiter->path));
  else
    ctl_trace (ctl, "%s: %s, %s", label, peer_get_trust (ctl, waiter->path), peer_get_reach (ctl, waiter->path));
  live_quit (ctl, EXIT_DONE);
}

/* An address or a key may appear later; a petname is there from the start or is a mistake. */
static gboolean
may_appear (const char *selector)
{
  g_autofree char *prefix = selector_dup_prefix (selector, SELECTOR_PREFIX_MIN);

  return prefix != NULL || strchr (selector, '@') != NULL;
}

/* FALSE = nobody yet, or an error. */
static gboolean
find (Ctl *ctl, Waiter *waiter, GError **error)
{
  g_autoptr (GError) local = NULL;

  if (waiter->path != NULL && model_has (ctl->model, waiter->path, "Contact"))
    return TRUE;
  g_free (waiter->path);
  waiter->path = peer_select (ctl, waiter->selector, SELECTOR_ANY, &local);
  if (waiter->path != NULL)
    return TRUE;
  if (!g_error_matches (local, CLI_ERROR, CLI_ERROR_NOT_FOUND) || !may_appear (waiter->selector))
    g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

static gboolean
on_entry (Ctl *ctl, const Entry *entry, gpointer user, GError **error)
{
  Waiter *waiter = user;

  waiter->seen = entry->seq;
  if (!entry_is_incoming (entry) || !g_str_equal (entry->conversation, waiter->path))
    return TRUE;
  if (ctl->json)
    entry_print_json (ctl, entry);
  else
    entry_print (ctl, entry);
  live_quit (ctl, EXIT_DONE);
  return FALSE;
}

static void
look (Ctl *ctl, Waiter *waiter, guint64 head)
{
  g_autoptr (GError) error = NULL;

  if (find (ctl, waiter, &error) && !g_str_equal (option_for, "message"))
    {
      if (holds (ctl, waiter->path))
        succeed (ctl, waiter);
    }
  else if (error == NULL && waiter->path != NULL && head > waiter->seen)
    {
      if (entries_forward (ctl, waiter->path, ENTRY_MESSAGES, waiter->seen, head, on_entry, waiter, &error))
        waiter->seen = head;
    }
  if (error != NULL)
    live_fail (ctl, error);
}

static void
on_appended (Ctl *ctl, guint64 seq, const char *kind, const char *conversation, gpointer user)
{
  if (g_str_equal (option_for, "message"))
    look (ctl, user, seq);
}

static void
on_changed (Ctl *ctl, const char *path, const char *interface, gpointer user)
{
  if (g_str_equal (interface, "Contact") || g_str_equal (interface, "Key"))
    look (ctl, user, 0);
}

static void
on_resync (Ctl *ctl, gpointer user)
{
  look (ctl, user, (guint64) model_number (ctl->model, EARSHOT_ROOT, "Messages", "HeadSeq"));
}

static int
run_wait (Ctl *ctl, int argc, char **argv)
{
  static const LiveHandlers handlers = { .appended = on_appended, .changed = on_changed, .resync = on_resync };
  g_autoptr (GError) error = NULL;
  Waiter waiter = { .selector = argv[0] };

  if (option_for == NULL || !usage_allows (EVENTS, option_for))
    return ctl_usage (ctl, "--for takes " EVENTS);
  if (!live_start (ctl, &handlers, &waiter, &error))
    return ctl_fail (ctl, error);
  waiter.seen = (guint64) model_number (ctl->model, EARSHOT_ROOT, "Messages", "HeadSeq");
  look (ctl, &waiter, 0);
  progress_begin (ctl, g_str_equal (option_for, "message") ? "waiting for a message of %s" : "waiting for %s: %s", argv[0], option_for);
  int code = live_run (ctl);

  g_free (waiter.path);
  return code;
}

const Command command_wait = {
  .name = "wait",
  .args = "PEER --for WHAT",
  .summary = "Block until a peer is there, is trusted, or writes",
  .detail =
    "An address or fingerprint that nobody has yet is waited for; an unknown petname is an error. --for message\n"
    "prints the next message from PEER. Without --timeout it waits for ever; with it, exit 6.",
  .examples = "xmppctl wait juliet --for online --timeout 300 && xmppctl send juliet 'there you are'\n"
              "xmppctl wait romeo@forza --for sighted\n"
              "xmppctl wait juliet --for message --json",
  .options = options,
  .min_args = 1,
  .max_args = 1,
  .run = run_wait,
};
