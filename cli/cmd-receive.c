/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The consumer loop: subscribe, fetch, handle, acknowledge, follow. At least once: an entry counts as handled only after
 * the output is written or the program said 0.
 */
#include "earshot-config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/consumer-lock.h"
#include "cli/entry.h"
#include "cli/escape.h"
#include "cli/live.h"
#include "cli/out.h"
#include "cli/peer.h"
#include "cli/time-text.h"

#define BATCH 100
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS (5 * 60 * 1000)
/* The lock's number in the program. */
#define LOCK_FD 3

static char *option_consumer, *option_from, *option_exec;
static gboolean option_follow, option_from_start, option_all;

static const GOptionEntry options[] = {
  { "consumer", 0, 0, G_OPTION_ARG_STRING, &option_consumer, "The durable cursor to read with (cli)", "NAME" },
  { "follow", 'f', 0, G_OPTION_ARG_NONE, &option_follow, "Wait for more", NULL },
  { "from", 0, 0, G_OPTION_ARG_STRING, &option_from, "Only messages of that peer; others are skipped", "PEER" },
  { "exec", 0, 0, G_OPTION_ARG_STRING, &option_exec, "Run sh -c CMD for each, the body on its stdin", "CMD" },
  { "all", 0, 0, G_OPTION_ARG_NONE, &option_all, "Corrections, retractions and reactions, too", NULL },
  { "from-start", 0, 0, G_OPTION_ARG_NONE, &option_from_start, "A new or expired cursor begins at the oldest entry",
    NULL },
  G_OPTION_ENTRY_NULL
};

typedef struct {
  Ctl *ctl;
  const char *consumer;
  char *from; /* contact path or NULL */
  guint64 acked;
  guint handled;
  int lock;        /* with --exec */
  gboolean failed; /* the program did: a reason to wait, not to end */
  guint wait_ms;   /* after the next failure */
  guint retry;     /* source: nothing is done before it fires */
} Receiver;

/* --- one message ------------------------------------------------------------------- */

/* The body in memory, as a file: unlike a pipe it cannot block, a program that does not read it breaks nothing, and no word of
 * it touches a disk that is not its own. */
static int
body_file (const char *body, GError **error)
{
  gsize left = strlen (body);
  int fd = memfd_create ("message", MFD_CLOEXEC);

  while (fd >= 0 && left > 0)
    {
      gssize n = write (fd, body, left);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        {
          close (fd);
          fd = -1;
          break;
        }
      body += n;
      left -= (gsize) n;
    }
  if (fd < 0 || lseek (fd, 0, SEEK_SET) != 0)
    g_set_error (error, CLI_ERROR, CLI_ERROR_FAILED, "cannot keep the message for --exec: %s", g_strerror (errno));
  return fd;
}

/* An id is the sender's text, and scripts make file names of it: "../x", a line break or a dash of its choosing must do no
 * harm there. What UUIDs are made of stays as it is. */
static char *
dup_harmless_id (const char *id)
{
  g_autofree char *escaped = g_uri_escape_string (id, NULL, FALSE);

  if (*escaped == '.' || *escaped == '-' || *escaped == '~')
    return g_strdup_printf ("%%%02X%s", (guint) *escaped, escaped + 1);
  return g_steal_pointer (&escaped);
}

static void
set_environment (Ctl *ctl, GSubprocessLauncher *launcher, const Entry *entry)
{
  g_autofree char *seq = g_strdup_printf ("%" G_GUINT64_FORMAT, entry->seq);
  g_autofree char *when = time_format_utc (entry->time);
  g_autofree char *sent = time_format_utc (entry->sent_time);
  g_autofree char *id = dup_harmless_id (entry->id);
  g_autofree char *claimed = escape_text (model_string (ctl->model, entry->conversation, "Contact", "ClaimedName"));
  g_autofree char *address = escape_text (model_string (ctl->model, entry->conversation, "Contact", "ClaimedAddress"));
  g_autofree char *thread = escape_text (entry->thread);
  g_autofree char *reply_to = escape_text (entry->reply_to);
  g_autofree char *about = dup_harmless_id (entry->about);
  const struct {
    const char *name, *value;
  } variables[] = {
    { "EARSHOT_ID", id },
    { "EARSHOT_SEQ", seq },
    { "EARSHOT_TIME", when },
    { "EARSHOT_SENT_TIME", sent },
    { "EARSHOT_TRUST", entry_get_trust (entry) },
    { "EARSHOT_FINGERPRINT", *entry->key != '\0' ? entry->key : peer_get_fingerprint (ctl, entry->conversation) },
    { "EARSHOT_PETNAME", peer_get_petname (ctl, entry->conversation) },
    { "EARSHOT_CLAIMED_NAME", claimed },
    { "EARSHOT_CLAIMED_ADDRESS", address },
    { "EARSHOT_INSECURE", entry->insecure ? "1" : "0" },
    { "EARSHOT_THREAD", thread },
    { "EARSHOT_REPLY_TO", reply_to },
    { "EARSHOT_KIND", entry->kind },
    { "EARSHOT_ABOUT", about },
    { "EARSHOT_CONSUMER", option_consumer != NULL ? option_consumer : "cli" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (variables); i++)
    g_subprocess_launcher_setenv (launcher, variables[i].name, variables[i].value, TRUE);
}

static gboolean
run_program (Ctl *ctl, Receiver *receiver, const Entry *entry, GError **error)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autoptr (GSubprocess) child = NULL;
  g_autofree char *said = entry_dup_amendment (entry);
  int fd = body_file (said, error);

  if (fd < 0)
    return FALSE;
  g_subprocess_launcher_take_stdin_fd (launcher, fd);
  g_subprocess_launcher_take_fd (launcher, fcntl (receiver->lock, F_DUPFD_CLOEXEC, LOCK_FD), LOCK_FD);
  set_environment (ctl, launcher, entry);
  child = g_subprocess_launcher_spawn (launcher, error, "/bin/sh", "-c", option_exec, NULL);
  if (child == NULL || !g_subprocess_wait (child, NULL, error))
    return FALSE;
  if (g_subprocess_get_if_exited (child) && g_subprocess_get_exit_status (child) == 0)
    return TRUE;
  receiver->failed = TRUE;
  if (!option_follow)
    ctl_hint (ctl, "the message stays unread for consumer %s; run again to retry", receiver->consumer);
  g_set_error (error, CLI_ERROR, CLI_ERROR_FAILED, "--exec ended with %s %d for message %s",
               g_subprocess_get_if_exited (child) ? "exit code" : "signal",
               g_subprocess_get_if_exited (child) ? g_subprocess_get_exit_status (child)
                                                  : g_subprocess_get_term_sig (child),
               entry->id);
  return FALSE;
}

static gboolean
handle_entry (Ctl *ctl, Receiver *receiver, const Entry *entry, GError **error)
{
  gboolean wanted = entry_is_incoming (entry) || (option_all && entry_is_amendment (entry) && !entry->outgoing);

  if (!wanted || (receiver->from != NULL && !g_str_equal (receiver->from, entry->conversation)))
    return TRUE;
  receiver->handled++;
  if (option_exec != NULL)
    return run_program (ctl, receiver, entry, error);
  if (ctl->json)
    entry_print_json (ctl, entry);
  else
    entry_print (ctl, entry);
  return TRUE;
}

/* --- the loop ------------------------------------------------------------------------ */

static gboolean
ack (EarshotMessages *messages, Receiver *receiver, guint64 seq, GError **error)
{
  if (seq <= receiver->acked)
    return TRUE;
  if (!out_flush ())
    {
      g_set_error (error, CLI_ERROR, CLI_ERROR_FAILED, "cannot write the output; nothing was acknowledged");
      return FALSE;
    }
  if (!earshot_messages_call_ack_sync (messages, receiver->consumer, seq, NULL, error))
    return FALSE;
  receiver->acked = seq;
  receiver->wait_ms = RETRY_FIRST_MS;
  return TRUE;
}

static gboolean
handle_batch (Ctl *ctl, Receiver *receiver, EarshotMessages *messages, GVariant *entries, guint64 last, GError **error)
{
  gsize n = g_variant_n_children (entries);

  for (gsize i = 0; i < n; i++)
    {
      g_auto (Entry) entry = { 0 };

      entry_read (&entry, entries, i);
      if (!handle_entry (ctl, receiver, &entry, error))
        return FALSE;
      /* A program's work is worth an acknowledgement of its own; lines are acknowledged together. */
      if (option_exec != NULL && !ack (messages, receiver, entry.seq, error))
        return FALSE;
    }
  return ack (messages, receiver, last, error);
}

/* Makes a consumer that is new, or begins anew where entries were pruned before it read them. FALSE: no cure, `error` is set. */
static gboolean
mend_cursor (Receiver *receiver, EarshotMessages *messages, GError **error)
{
  const char *name;
  g_autoptr (GVariantBuilder) builder = g_variant_builder_new (G_VARIANT_TYPE_VARDICT);
  guint64 cursor = 0;

  exit_code_of_error (*error, &name, NULL);
  if (g_str_equal (name, "CursorExpired") && option_from_start)
    {
      g_clear_error (error);
      receiver->acked = 0;
      if (!earshot_messages_call_delete_consumer_sync (messages, receiver->consumer, NULL, error))
        return FALSE;
    }
  else if (!g_str_equal (name, "NotFound"))
    {
      return FALSE;
    }
  g_clear_error (error);
  if (option_from_start)
    g_variant_builder_add (builder, "{sv}", "from_start", g_variant_new_boolean (TRUE));
  return earshot_messages_call_create_consumer_sync (messages, receiver->consumer, g_variant_builder_end (builder),
                                                     &cursor, NULL, error);
}

static gboolean
drain (Ctl *ctl, Receiver *receiver, GError **error)
{
  g_autoptr (EarshotMessages) messages = ctl_messages (ctl, error);
  gboolean more = TRUE, mended = FALSE;

  while (messages != NULL && more)
    {
      g_autoptr (GVariant) entries = NULL;
      g_autoptr (GError) local = NULL;
      guint64 last = 0;

      if (!earshot_messages_call_fetch_sync (messages, receiver->consumer, BATCH, entry_filter (option_all ? entry_spoken (ctl) : ENTRY_MESSAGES),
                                             &entries, &last, &more, NULL, &local))
        {
          if (mended || !mend_cursor (receiver, messages, &local))
            {
              g_propagate_error (error, g_steal_pointer (&local));
              return FALSE;
            }
          mended = TRUE;
          continue;
        }
      if (!handle_batch (ctl, receiver, messages, entries, last, error))
        return FALSE;
      /* No progress, no further asking. */
      if (g_variant_n_children (entries) == 0)
        break;
    }
  return messages != NULL;
}

static void follow (Ctl *ctl, Receiver *receiver);

static gboolean
on_retry (gpointer user)
{
  Receiver *receiver = user;

  receiver->retry = 0;
  follow (receiver->ctl, receiver);
  return G_SOURCE_REMOVE;
}

/* A program that fails gets the same message again, later and later; those behind it wait, since order is part of the bargain. */
static void
retry_later (Ctl *ctl, Receiver *receiver, const GError *error)
{
  ctl_note (ctl, "%s; again in %u s", error->message, receiver->wait_ms / 1000);
  receiver->retry = g_timeout_add (receiver->wait_ms, on_retry, receiver);
  receiver->wait_ms = MIN (receiver->wait_ms * 2, RETRY_MAX_MS);
}

static void
follow (Ctl *ctl, Receiver *receiver)
{
  g_autoptr (GError) error = NULL;

  if (receiver->retry != 0)
    return;
  receiver->failed = FALSE;
  if (drain (ctl, receiver, &error))
    return;
  if (receiver->failed)
    retry_later (ctl, receiver, error);
  else
    live_fail (ctl, error);
}

static void
on_resync (Ctl *ctl, gpointer user)
{
  follow (ctl, user);
}

static void
on_appended (Ctl *ctl, guint64 seq, const char *kind, const char *conversation, gpointer user)
{
  on_resync (ctl, user);
}

static int
run_receive (Ctl *ctl, int argc, char **argv)
{
  static const LiveHandlers handlers = { .appended = on_appended, .resync = on_resync };
  g_autoptr (GError) error = NULL;
  g_autofree char *from = NULL;
  Receiver receiver = { .ctl = ctl, .consumer = option_consumer != NULL ? option_consumer : "cli", .lock = -1, .wait_ms = RETRY_FIRST_MS };
  int code;

  if (!live_start (ctl, &handlers, &receiver, &error)
      || (option_from != NULL && (from = peer_select (ctl, option_from, SELECTOR_ANY, &error)) == NULL))
    return ctl_fail (ctl, error);
  receiver.from = from;
  if (option_exec != NULL && (receiver.lock = consumer_lock (ctl, receiver.consumer, &error)) < 0)
    return ctl_fail (ctl, error);
  if (option_follow)
    {
      follow (ctl, &receiver);
      code = live_run (ctl);
      g_clear_handle_id (&receiver.retry, g_source_remove);
      return code;
    }
  if (!drain (ctl, &receiver, &error))
    return ctl_fail (ctl, error);
  if (receiver.handled == 0)
    ctl_note (ctl, "nothing new for consumer %s", receiver.consumer);
  return EXIT_DONE;
}

const Command command_receive = {
  .name = "receive",
  .args = "",
  .summary = "Consume incoming messages, each acknowledged once handled",
  .detail =
    "A consumer is a cursor with a name that the daemon keeps; a new one begins now. What was not acknowledged is\n"
    "delivered again. --exec gets the body on stdin and EARSHOT_ID, EARSHOT_SEQ, EARSHOT_TIME, EARSHOT_SENT_TIME,\n"
    "EARSHOT_TRUST, EARSHOT_FINGERPRINT, EARSHOT_PETNAME, EARSHOT_CLAIMED_NAME, EARSHOT_CLAIMED_ADDRESS,\n"
    "EARSHOT_INSECURE, EARSHOT_THREAD, EARSHOT_REPLY_TO, EARSHOT_KIND, EARSHOT_ABOUT and EARSHOT_CONSUMER in the\n"
    "environment; any exit code but 0 leaves the message unacknowledged and ends xmppctl with 1; with --follow the\n"
    "program gets it again after 1 s, 2 s, 4 s and so on up to 5 min, and later messages wait. Never do two run at once\n"
    "for one consumer. With --all KIND may be edit (stdin has the new text), retract (nothing) or reaction (the emojis),\n"
    "each about the message ABOUT.",
  .examples = "xmppctl receive --consumer printer --follow --exec lp\n"
              "xmppctl receive --from juliet --json\n"
              "xmppctl receive --consumer bot --from-start --follow --exec './answer \"$EARSHOT_PETNAME\"'",
  .options = options,
  .run = run_receive,
};
