/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/live.h"
#include "cli/message-ref.h"
#include "cli/out.h"
#include "cli/peer.h"
#include "cli/progress.h"
#include "cli/time-text.h"
#include "cli/usage.h"

/* More than any message may have; the daemon knows the true limit and says TooLarge. */
#define BODY_MAX (256 * 1024)

/* Of --wait. */
#define WAIT_STATES "queued|sent|delivered|displayed"

static char *option_wait, *option_require, *option_expires, *option_token;
static char **option_to;
static char *option_reply_to, *option_url;
static gboolean option_lines, option_plain;

static const GOptionEntry options[] = {
  { "wait", 0, 0, G_OPTION_ARG_STRING, &option_wait, "Return when it is that; queued unless told", WAIT_STATES },
  { "require", 0, 0, G_OPTION_ARG_STRING, &option_require, "Only to a key of at least that trust",
    "insecure-ok|encrypted|pinned|vouched|ca|verified" },
  { "expires", 0, 0, G_OPTION_ARG_STRING, &option_expires, "Give up sending after that: 2h, 23:30, a date", "TIME" },
  { "token", 0, 0, G_OPTION_ARG_STRING, &option_token, "The same token within 7 days is the same message", "TOKEN" },
  { "lines", 0, 0, G_OPTION_ARG_NONE, &option_lines, "Each line is a message of its own", NULL },
  { "reply-to", 0, 0, G_OPTION_ARG_STRING, &option_reply_to, "Answers that message: an id, its first digits, or last", "ID" },
  { "url", 0, 0, G_OPTION_ARG_STRING, &option_url, "A http or https address that goes along", "URL" },
  { "plain", 0, 0, G_OPTION_ARG_NONE, &option_plain, "Ask to show * and _ as they are", NULL },
  { "to", 0, 0, G_OPTION_ARG_STRING_ARRAY, &option_to, "A receiver; then all arguments are text", "PEER" },
  G_OPTION_ENTRY_NULL
};

/* One message to one peer, as far as we know. */
typedef struct {
  const char *path; /* the target's */
  char *id;
  guint64 seq;
  char *state, *reason;
  gboolean settled;
} Sent;

typedef struct {
  GPtrArray *targets; /* contact paths */
  GPtrArray *failed;  /* those of them that got an error: no further lines for them */
  GPtrArray *sent;    /* Sent */
  const char *text;   /* NULL = stdin */
  int wanted;         /* rank of --wait */
  char *reply_to;     /* the id that --reply-to means */
  gint64 expires;
  guint line;
  int first_code; /* of the first target that failed */
} Job;

static void
sent_free (gpointer data)
{
  Sent *sent = data;

  g_free (sent->id);
  g_free (sent->state);
  g_free (sent->reason);
  g_free (sent);
}

/* -1: not on the way from queued to displayed. */
static int
rank_of (const char *state)
{
  static const char *const ladder[] = { "queued", "sent", "acked", "delivered", "displayed" };

  for (int i = 0; i < (int) G_N_ELEMENTS (ladder); i++)
    if (g_str_equal (ladder[i], state))
      return i;
  return -1;
}

/* --- the command line ------------------------------------------------------------ */

/* The last of two or more arguments is the text; one argument alone is a peer and the text comes from stdin. With --to
 * every argument is text. "-" as text is stdin. */
static gboolean
split_arguments (Ctl *ctl, Job *job, int argc, char **argv, GPtrArray *names)
{
  int peers = option_to != NULL ? 0 : (argc > 1 ? argc - 1 : argc);

  for (guint i = 0; option_to != NULL && option_to[i] != NULL; i++)
    g_ptr_array_add (names, option_to[i]);
  for (int i = 0; i < peers; i++)
    g_ptr_array_add (names, argv[i]);
  if (names->len == 0)
    {
      ctl_usage (ctl, "to whom? no PEER given");
      return FALSE;
    }
  if (argc - peers > 1)
    {
      ctl_hint (ctl, "quote the text, so that the shell passes it as one argument");
      ctl_usage (ctl, "with --to there is one TEXT, not %d", argc - peers);
      return FALSE;
    }
  job->text = argc > peers && !g_str_equal (argv[peers], "-") ? argv[peers] : NULL;
  if (argc == peers && isatty (STDIN_FILENO))
    {
      ctl_hint (ctl, "give the text as last argument, or - to type it and end with Ctrl-D");
      ctl_usage (ctl, "no TEXT given, and stdin is a terminal");
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_options (Ctl *ctl, Job *job)
{
  if (option_wait != NULL && !usage_allows (WAIT_STATES, option_wait))
    {
      ctl_usage (ctl, "--wait takes " WAIT_STATES ", not %s", option_wait);
      return FALSE;
    }
  job->wanted = option_wait != NULL ? rank_of (option_wait) : 0;
  if (option_expires != NULL && !time_parse_until (option_expires, g_get_real_time (), &job->expires))
    {
      ctl_usage (ctl, "--expires takes a time to come, such as 2h, 23:30 or 2030-01-31; not %s", option_expires);
      return FALSE;
    }
  return TRUE;
}

/* Everybody must be known before anything is sent. */
static int
find_targets (Ctl *ctl, Job *job, GPtrArray *names)
{
  for (guint i = 0; i < names->len; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *path = peer_select (ctl, g_ptr_array_index (names, i), SELECTOR_ANY, &error);

      if (path == NULL)
        {
          if (names->len > 1 && ctl->hint == NULL)
            ctl_hint (ctl, "nothing was sent; the last argument is the text: quote it if it has spaces");
          return ctl_fail (ctl, error);
        }
      if (!g_ptr_array_find_with_equal_func (job->targets, path, g_str_equal, NULL))
        g_ptr_array_add (job->targets, g_steal_pointer (&path));
    }
  return EXIT_DONE;
}

/* What is answered was said in one conversation. */
static int
find_answered (Ctl *ctl, Job *job)
{
  g_autoptr (GError) error = NULL;

  if (option_reply_to == NULL)
    return EXIT_DONE;
  if (job->targets->len != 1)
    return ctl_usage (ctl, "--reply-to takes one PEER, not %u", job->targets->len);
  job->reply_to = message_ref_find (ctl, g_ptr_array_index (job->targets, 0), option_reply_to, MESSAGE_THEIRS, &error);
  return job->reply_to != NULL ? EXIT_DONE : ctl_fail (ctl, error);
}

/* --- sending ---------------------------------------------------------------------- */

static GVariant *
message_options (Job *job)
{
  g_autoptr (GVariantBuilder) builder = g_variant_builder_new (G_VARIANT_TYPE_VARDICT);

  if (option_token != NULL && option_lines)
    g_variant_builder_add (builder, "{sv}", "token",
                           g_variant_new_take_string (g_strdup_printf ("%s.%u", option_token, job->line)));
  else if (option_token != NULL)
    g_variant_builder_add (builder, "{sv}", "token", g_variant_new_string (option_token));
  if (option_require != NULL)
    g_variant_builder_add (builder, "{sv}", "require", g_variant_new_string (option_require));
  if (job->expires > 0)
    g_variant_builder_add (builder, "{sv}", "expires", g_variant_new_int64 (job->expires));
  if (job->reply_to != NULL)
    g_variant_builder_add (builder, "{sv}", "reply_to", g_variant_new_string (job->reply_to));
  if (option_url != NULL)
    g_variant_builder_add (builder, "{sv}", "url", g_variant_new_string (option_url));
  if (option_plain)
    g_variant_builder_add (builder, "{sv}", "unstyled", g_variant_new_boolean (TRUE));
  return g_variant_builder_end (builder);
}

static void
note_failure (Ctl *ctl, Job *job, const char *path, int code)
{
  if (job->first_code == EXIT_DONE)
    job->first_code = code;
  if (!g_ptr_array_find (job->failed, path, NULL))
    g_ptr_array_add (job->failed, (gpointer) path);
}

static void
fail_target (Ctl *ctl, Job *job, const char *path, const GError *error)
{
  g_autofree char *label = peer_dup_label (ctl, path);
  g_autofree char *who = peer_dup_selector (ctl, path);

  if (exit_code_of_error (error, NULL, NULL) == EXIT_NOT_TRUSTED)
    ctl_hint (ctl, "see what is known about the key: xmppctl show %s; what waits for you: xmppctl trust pending", who);
  note_failure (ctl, job, path, ctl_fail_for (ctl, job->targets->len > 1 ? label : NULL, error));
}

static void
send_body (Ctl *ctl, Job *job, const char *body)
{
  job->line++;
  for (guint i = 0; i < job->targets->len; i++)
    {
      const char *path = g_ptr_array_index (job->targets, i);
      g_autoptr (GError) error = NULL;
      g_autoptr (EarshotMessages) messages = ctl_messages (ctl, &error);
      g_autofree char *id = NULL;
      guint64 seq = 0;

      if (g_ptr_array_find (job->failed, path, NULL))
        continue;
      if (messages == NULL
          || !earshot_messages_call_send_sync (messages, path, body, message_options (job), &id, &seq, NULL, &error))
        {
          fail_target (ctl, job, path, error);
          continue;
        }
      Sent *sent = g_new0 (Sent, 1);

      sent->path = path;
      sent->id = g_steal_pointer (&id);
      sent->seq = seq;
      sent->state = g_strdup ("queued");
      sent->reason = g_strdup ("");
      sent->settled = job->wanted == 0;
      g_ptr_array_add (job->sent, sent);
    }
}

/* One newline at the end belongs to the pipe, not to the message. */
static gboolean
send_whole (Ctl *ctl, Job *job, char *text, gsize len)
{
  if (len > 0 && text[len - 1] == '\n')
    text[--len] = '\0';
  if (len == 0)
    {
      ctl_usage (ctl, "there is nothing to send: the text is empty");
      return FALSE;
    }
  if (memchr (text, '\0', len) != NULL || !g_utf8_validate (text, (gssize) len, NULL))
    {
      ctl_usage (ctl, "the text is not UTF-8");
      return FALSE;
    }
  send_body (ctl, job, text);
  return TRUE;
}

static gboolean
read_whole (Ctl *ctl, Job *job)
{
  g_autoptr (GString) text = g_string_new (NULL);
  char buffer[4096];
  size_t n;

  while ((n = fread (buffer, 1, sizeof buffer, stdin)) > 0)
    {
      g_string_append_len (text, buffer, (gssize) n);
      if (text->len > BODY_MAX)
        {
          ctl_hint (ctl, "--lines sends each line as a message of its own");
          ctl_usage (ctl, "stdin has more than a message may have (%d bytes)", BODY_MAX);
          return FALSE;
        }
    }
  return send_whole (ctl, job, text->str, text->len);
}

static gboolean
read_lines (Ctl *ctl, Job *job)
{
  g_autofree char *line = g_malloc (BODY_MAX + 2);

  while (job->failed->len < job->targets->len && fgets (line, BODY_MAX + 2, stdin) != NULL)
    {
      gsize len = strlen (line);

      if (len > BODY_MAX)
        {
          ctl_usage (ctl, "line %u has more than a message may have (%d bytes)", job->line + 1, BODY_MAX);
          return FALSE;
        }
      if (len > 0 && !(len == 1 && line[0] == '\n') && !send_whole (ctl, job, line, len))
        return FALSE;
    }
  return TRUE;
}

static gboolean
send_all (Ctl *ctl, Job *job)
{
  if (job->text == NULL)
    return option_lines ? read_lines (ctl, job) : read_whole (ctl, job);
  if (!option_lines)
    {
      g_autofree char *copy = g_strdup (job->text);

      return send_whole (ctl, job, copy, strlen (copy));
    }
  g_auto (GStrv) lines = g_strsplit (job->text, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    if (*lines[i] != '\0' && !send_whole (ctl, job, lines[i], strlen (lines[i])))
      return FALSE;
  return TRUE;
}

/* --- waiting ----------------------------------------------------------------------- */

/* Asks for the state of one message; settles it when it is where we want it, or can get no further. */
static gboolean
look_at (Ctl *ctl, Job *job, EarshotMessages *messages, Sent *sent, GError **error)
{
  g_autoptr (GVariant) message = NULL;

  if (!earshot_messages_call_get_sync (messages, sent->id, &message, NULL, error))
    return FALSE;
  g_free (sent->state);
  g_free (sent->reason);
  sent->state = g_strdup (dict_string (message, "state"));
  sent->reason = g_strdup (dict_string (message, "reason"));
  int rank = rank_of (sent->state);
  /* Peers that confirm nothing stop at "sent" (docs/protocol.md 4.1). */
  gboolean last_word = rank == rank_of ("sent") && g_str_equal (sent->reason, "unconfirmed");

  sent->settled = rank >= job->wanted || rank < 0 || last_word;
  return TRUE;
}

static void
look_at_all (Ctl *ctl, Job *job)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotMessages) messages = ctl_messages (ctl, &error);
  guint open = 0;

  for (guint i = 0; messages != NULL && i < job->sent->len; i++)
    {
      Sent *sent = g_ptr_array_index (job->sent, i);

      if (!sent->settled && !look_at (ctl, job, messages, sent, &error))
        {
          live_fail (ctl, error);
          return;
        }
      open += sent->settled ? 0 : 1;
    }
  if (messages == NULL)
    live_fail (ctl, error);
  else if (open == 0)
    live_quit (ctl, EXIT_DONE);
}

static void
on_appended (Ctl *ctl, guint64 seq, const char *kind, const char *conversation, gpointer user)
{
  if (g_str_equal (kind, "state"))
    look_at_all (ctl, user);
}

static void
fail_aside (Ctl *ctl, Job *job, Sent *sent)
{
  g_autofree char *label = peer_dup_label (ctl, sent->path);
  int code = exit_code_of_state (sent->state, sent->reason);
  CliError kind = CLI_ERROR_FAILED;
  g_autoptr (GError) error = NULL;

  if (code == EXIT_NOT_TRUSTED)
    kind = CLI_ERROR_NOT_TRUSTED;
  else if (code == EXIT_REFUSED)
    kind = CLI_ERROR_REFUSED;
  else if (code == EXIT_TIMEOUT)
    kind = CLI_ERROR_TIMEOUT;
  if (g_str_equal (sent->state, "sent"))
    error = g_error_new (CLI_ERROR, kind, "%s got the message but cannot confirm it (%s)", label, sent->reason);
  else
    error = g_error_new (CLI_ERROR, kind, "the message to %s is %s%s%s%s", label, sent->state,
                         *sent->reason != '\0' ? " (" : "", sent->reason, *sent->reason != '\0' ? ")" : "");
  note_failure (ctl, job, sent->path, ctl_fail (ctl, error));
}

/* --- result ------------------------------------------------------------------------- */

static void
print_sent (Ctl *ctl, Sent *sent)
{
  if (ctl->json)
    {
      JsonObject *object = json_line_new ("sent");

      json_object_set_int_member (object, "seq", (gint64) sent->seq);
      json_object_set_string_member (object, "id", sent->id);
      json_object_set_string_member (object, "state", sent->state);
      json_object_set_string_member (object, "reason", sent->reason);
      json_object_set_object_member (object, "peer", peer_ref_to_json (ctl, sent->path, NULL));
      json_line_print (stdout, object);
    }
  else if (!ctl->quiet)
    {
      g_autofree char *label = peer_dup_label (ctl, sent->path);

      out_rest (ctl, 0, "%-9s  %s  %s", sent->state, sent->id, label);
    }
}

static int
finish (Ctl *ctl, Job *job, gboolean complete)
{
  for (guint i = 0; i < job->sent->len; i++)
    {
      Sent *sent = g_ptr_array_index (job->sent, i);

      print_sent (ctl, sent);
      if (job->wanted > 0 && sent->settled && rank_of (sent->state) < job->wanted)
        fail_aside (ctl, job, sent);
    }
  if (!complete)
    return EXIT_USAGE;
  if (job->failed->len == 0)
    return EXIT_DONE;
  return job->failed->len == job->targets->len ? job->first_code : EXIT_PARTIAL;
}

/* Before the first byte of it is stored. */
static void
warn_of_clear (Ctl *ctl, Job *job)
{
  for (guint i = 0; i < job->targets->len; i++)
    {
      const char *path = g_ptr_array_index (job->targets, i);
      g_autofree char *label = peer_dup_label (ctl, path);

      if (peer_is_legacy (ctl, path))
        ctl_note (ctl, "WITHOUT ENCRYPTION: %s has none; anybody on the link can read and change what goes there", label);
    }
}

/* Else somebody who writes to a stranger looks at "queued" and waits for nothing. */
static void
tell_of_decision (Ctl *ctl, Job *job)
{
  if (!g_str_equal (model_string (ctl->model, EARSHOT_ROOT, "Manager", "TrustMode"), "ask"))
    return;
  for (guint i = 0; i < job->targets->len; i++)
    {
      const char *path = g_ptr_array_index (job->targets, i);
      g_autofree char *label = peer_dup_label (ctl, path);

      if (g_str_equal (peer_get_trust (ctl, path), "unknown") && !peer_is_legacy (ctl, path))
        ctl_note (ctl, "it waits here until you have accepted the key of %s: see xmppctl trust pending", label);
    }
}

static int
run_job (Ctl *ctl, Job *job, GPtrArray *names)
{
  static const LiveHandlers handlers = { .appended = on_appended };
  g_autoptr (GError) error = NULL;
  gboolean loaded = job->wanted > 0 ? live_start (ctl, &handlers, job, &error) : ctl_load (ctl, &error);
  int code;

  if (!loaded)
    return ctl_fail (ctl, error);
  if ((code = find_targets (ctl, job, names)) != EXIT_DONE || (code = find_answered (ctl, job)) != EXIT_DONE)
    return code;
  warn_of_clear (ctl, job);
  gboolean complete = send_all (ctl, job);

  if (job->wanted > 0 && job->sent->len > 0)
    {
      look_at_all (ctl, job);
      ctl_hint (ctl, "what is queued stays queued and leaves later; see: xmppctl log PEER");
      progress_begin (ctl, "waiting until it is %s", option_wait);
      code = live_run (ctl);
      g_clear_pointer (&ctl->hint, g_free);
    }
  int result = finish (ctl, job, complete);

  if (job->wanted == 0 && job->sent->len > 0)
    tell_of_decision (ctl, job);
  return code != EXIT_DONE ? code : result;
}

static int
run_send (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autoptr (GPtrArray) targets = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) failed = g_ptr_array_new ();
  g_autoptr (GPtrArray) sent = g_ptr_array_new_with_free_func (sent_free);
  Job job = { .targets = targets, .failed = failed, .sent = sent };
  int code = EXIT_USAGE;

  if (check_options (ctl, &job) && split_arguments (ctl, &job, argc, argv, names))
    code = run_job (ctl, &job, names);
  g_free (job.reply_to);
  return code;
}

const Command command_send = {
  .name = "send",
  .args = "PEER... [TEXT|-]",
  .summary = "Send a message; done means stored, whoever is near",
  .detail = "The last of two or more arguments is the text; - or a single argument reads it from stdin. With --to all\n"
            "arguments are text. A text that begins with a dash goes behind --. Nothing is sent unless every PEER is\n"
            "known. With --wait: exit 6 when time ran out, 7 when a decision about trust holds the message, 8 when\n"
            "the other side refused it. Without --require a message may go unencrypted to a peer that you let speak that way\n"
            "(trust legacy); with --require encrypted or more it never does.",
  .examples = "xmppctl send juliet 'Wherefore art thou?'\n"
              "make 2>&1 | xmppctl send juliet -\n"
              "xmppctl send --wait=delivered --timeout 60 juliet 'are you there?'\n"
              "xmppctl send --require verified --to juliet --to romeo 'at nine'",
  .options = options,
  .max_args = -1,
  .run = run_send,
};
