/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A line chat: history, then what is said above the line being typed. On a pipe the lines of stdin are sent as they come.
 */
#include "earshot-config.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/escape.h"
#include "cli/history.h"
#include "cli/line-edit.h"
#include "cli/live.h"
#include "cli/message-ref.h"
#include "cli/name-warning.h"
#include "cli/peer.h"

#define HISTORY_DEFAULT 20
#define PENDING_MAX 32 /* own messages whose state is followed */
#define PROMPT "> "
#define TYPING_IDLE_S 5 /* after the last key we do not type any more */

static int option_number = HISTORY_DEFAULT;

static const GOptionEntry options[] = {
  { "number", 'n', 0, G_OPTION_ARG_INT, &option_number, "Lines of history on entry (20)", "N" }, G_OPTION_ENTRY_NULL
};

typedef struct {
  guint number;
  char *id, *state;
} Own;

typedef struct {
  char *path;
  char *reach;
  guint64 seen, read;
  gboolean over; /* nothing typed counts any more */
  gboolean raw;  /* a prompt is on the terminal */
  LineEdit *edit;
  GQueue own; /* Own, newest first */
  guint count;
  gboolean peer_types;
  gboolean we_type; /* as the peer was told */
  guint input_id, resize_id, typing_id;
} Chat;

static void
own_free (gpointer data)
{
  Own *own = data;

  g_free (own->id);
  g_free (own->state);
  g_free (own);
}

/* --- the prompt ---------------------------------------------------------------------------- */

static void
hide_prompt (Chat *chat)
{
  if (chat->raw)
    fputs ("\r\033[K", stdout);
}

static void
show_prompt (Ctl *ctl, Chat *chat)
{
  if (!chat->raw)
    return;
  g_autofree char *row =
    line_edit_dup_row (chat->edit, chat->peer_types ? "(typing) " PROMPT : PROMPT, out_columns (ctl));

  fputs (row, stdout);
  fflush (stdout);
}

static void say (Ctl *ctl, Chat *chat, const char *format, ...) G_GNUC_PRINTF (3, 4);

/* A line of our own, not of the peer: marked, and quiet on pipes. */
static void
say (Ctl *ctl, Chat *chat, const char *format, ...)
{
  va_list args;

  if (ctl->quiet || ctl->json)
    return;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  hide_prompt (chat);
  printf ("%s", out_color (ctl->color_out, "2"));
  out_rest (ctl, 0, "* %s", text);
  printf ("%s", out_color (ctl->color_out, ""));
  show_prompt (ctl, chat);
}

/* --- what is said --------------------------------------------------------------------------- */

static gboolean
is_own (Chat *chat, const char *id)
{
  for (GList *l = chat->own.head; l != NULL; l = l->next)
    if (g_str_equal (((Own *) l->data)->id, id))
      return TRUE;
  return FALSE;
}

static gboolean
on_entry (Ctl *ctl, const Entry *entry, gpointer user, GError **error)
{
  Chat *chat = user;

  chat->seen = entry->seq;
  gboolean message = g_str_equal (entry->kind, "message");

  if (message ? is_own (chat, entry->id) : !entry_is_amendment (entry) || entry->outgoing)
    return TRUE;
  if (message && !entry->outgoing)
    chat->read = entry->seq;
  hide_prompt (chat);
  if (ctl->json)
    entry_print_json (ctl, entry);
  else
    entry_print (ctl, entry);
  show_prompt (ctl, chat);
  return TRUE;
}

static gboolean
mark_read (Ctl *ctl, Chat *chat, GError **error)
{
  g_autoptr (EarshotConversation) conversation = NULL;

  if (chat->read <= (guint64) model_number (ctl->model, chat->path, "Conversation", "ReadSeq") || !out_flush ())
    return TRUE;
  conversation = ctl_conversation (ctl, chat->path, error);
  return conversation != NULL && earshot_conversation_call_mark_read_sync (conversation, chat->read, NULL, error);
}

/* Steps on the way are no news; where it ends is. */
static gboolean
is_worth_saying (const char *state, const char *reason)
{
  return *reason != '\0'
         || !(g_str_equal (state, "queued") || g_str_equal (state, "sent") || g_str_equal (state, "acked"));
}

/* Of the two holds that everybody meets first, what they want. */
static const char *
what_to_do (const char *reason)
{
  if (g_str_equal (reason, "approval-needed"))
    return " (you have not accepted this key: xmppctl trust pending)";
  return g_str_equal (reason, "waiting-approval") ? " (they have not accepted your key yet)" : "";
}

static void
say_marks (Ctl *ctl, Chat *chat, guint first, guint last, const char *state, const char *reason)
{
  g_autofree char *range = first == last ? g_strdup_printf ("[%u]", first) : g_strdup_printf ("[%u]-[%u]", first, last);

  if (first > 0 && is_worth_saying (state, reason))
    say (ctl, chat, "%s %s%s%s%s", range, state, *reason != '\0' ? ": " : "", reason, what_to_do (reason));
}

/* Follows the states of what was typed here; a mark is one line naming the messages by their numbers, neighbours that share a fate in one. */
static gboolean
look_at_own (Ctl *ctl, Chat *chat, GError **error)
{
  g_autoptr (EarshotMessages) messages = ctl_messages (ctl, error);
  g_autofree char *run_state = g_strdup (""), *run_reason = g_strdup ("");
  guint first = 0, last = 0;

  for (GList *l = chat->own.tail; messages != NULL && l != NULL; l = l->prev)
    {
      Own *own = l->data;
      g_autoptr (GVariant) message = NULL;

      if (g_str_equal (own->state, "displayed"))
        continue;
      if (!earshot_messages_call_get_sync (messages, own->id, &message, NULL, error))
        return FALSE;
      const char *state = dict_string (message, "state"), *reason = dict_string (message, "reason");

      if (g_str_equal (own->state, state))
        continue;
      g_free (own->state);
      own->state = g_strdup (state);
      if (last + 1 != own->number || !g_str_equal (state, run_state) || !g_str_equal (reason, run_reason))
        {
          say_marks (ctl, chat, first, last, run_state, run_reason);
          first = own->number;
          g_free (run_state);
          g_free (run_reason);
          run_state = g_strdup (state);
          run_reason = g_strdup (reason);
        }
      last = own->number;
    }
  say_marks (ctl, chat, first, last, run_state, run_reason);
  return messages != NULL;
}

static void
on_appended (Ctl *ctl, guint64 seq, const char *kind, const char *conversation, gpointer user)
{
  Chat *chat = user;
  g_autoptr (GError) error = NULL;

  if (!entries_forward (ctl, chat->path, entry_spoken (ctl), chat->seen, seq, on_entry, chat, &error)
      || !mark_read (ctl, chat, &error) || !look_at_own (ctl, chat, &error))
    live_fail (ctl, error);
  else
    chat->seen = MAX (chat->seen, seq);
}

static void
on_changed (Ctl *ctl, const char *path, const char *interface, gpointer user)
{
  Chat *chat = user;

  if (!g_str_equal (path, chat->path) || !g_str_equal (interface, "Contact"))
    return;
  const char *reach = peer_get_reach (ctl, path);

  if (g_strcmp0 (reach, chat->reach) == 0)
    return;
  g_free (chat->reach);
  chat->reach = g_strdup (reach);
  g_autofree char *label = peer_dup_label (ctl, path);

  say (ctl, chat, "%s is %s", label, reach);
}

static void
on_resync (Ctl *ctl, gpointer user)
{
  Chat *chat = user;

  if (!model_has (ctl->model, chat->path, "Contact"))
    return;
  on_changed (ctl, chat->path, "Contact", chat);
  on_appended (ctl, (guint64) model_number (ctl->model, EARSHOT_ROOT, "Messages", "HeadSeq"), "message", chat->path,
               chat);
}

static void
on_typing (Ctl *ctl, const char *path, gboolean active, gpointer user)
{
  Chat *chat = user;

  if (!g_str_equal (path, chat->path) || chat->peer_types == active)
    return;
  chat->peer_types = active;
  show_prompt (ctl, chat);
}

static gboolean
on_resize (gpointer user)
{
  show_prompt (((gpointer *) user)[0], ((gpointer *) user)[1]);
  return G_SOURCE_CONTINUE;
}

/* --- what is typed --------------------------------------------------------------------------- */

/* Whether the other side may know is the daemon's business. Nobody waits for an answer. */
static void
tell_typing (Ctl *ctl, Chat *chat, gboolean active)
{
  g_autoptr (EarshotConversation) conversation = NULL;

  if (chat->we_type == active)
    return;
  chat->we_type = active;
  conversation = ctl_conversation (ctl, chat->path, NULL);
  if (conversation != NULL)
    earshot_conversation_call_set_typing (conversation, active, NULL, NULL, NULL);
}

static gboolean
on_typing_idle (gpointer user)
{
  Ctl *ctl = ((gpointer *) user)[0];
  Chat *chat = ((gpointer *) user)[1];

  chat->typing_id = 0;
  tell_typing (ctl, chat, FALSE);
  return G_SOURCE_REMOVE;
}

/* A key was hit. Commands are nobody's business. */
static void
note_typing (Ctl *ctl, Chat *chat, gpointer both)
{
  const char *text = line_edit_get_text (chat->edit);

  if (!chat->raw)
    return;
  g_clear_handle_id (&chat->typing_id, g_source_remove);
  tell_typing (ctl, chat, *text != '\0' && *text != '/');
  if (chat->we_type)
    chat->typing_id = g_timeout_add_seconds (TYPING_IDLE_S, on_typing_idle, both);
}

static void
end (Ctl *ctl, Chat *chat, int code)
{
  chat->over = TRUE;
  live_quit (ctl, code);
}

static void
send_line (Ctl *ctl, Chat *chat, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotMessages) messages = ctl_messages (ctl, &error);
  g_autofree char *id = NULL;
  guint64 seq;

  if (messages == NULL
      || !earshot_messages_call_send_sync (messages, chat->path, text, ctl_no_options (), &id, &seq, NULL, &error))
    {
      hide_prompt (chat);
      int code = ctl_fail (ctl, error);

      /* A text that cannot go ends no conversation; a daemon that is gone does, on a pipe where nobody sees it return. */
      if (!chat->raw)
        end (ctl, chat, code);
      show_prompt (ctl, chat);
      return;
    }
  Own *own = g_new0 (Own, 1);

  own->number = ++chat->count;
  own->id = g_steal_pointer (&id);
  own->state = g_strdup ("queued");
  g_queue_push_head (&chat->own, own);
  if (g_queue_get_length (&chat->own) > PENDING_MAX)
    own_free (g_queue_pop_tail (&chat->own));
  if (ctl->json)
    return;
  g_autofree char *line = g_strdup_printf ("[%u] %s", own->number, text);
  guint terminal = out_columns (ctl);
  g_auto (GStrv) folded = escape_lines (line, terminal > 0 ? terminal - OUT_TRUST_WIDTH - 3 : 0);

  hide_prompt (chat);
  for (guint i = 0; folded[i] != NULL; i++)
    printf ("%*s  %s\n", OUT_TRUST_WIDTH, i == 0 ? "me" : "", folded[i]);
  show_prompt (ctl, chat);
}

static void
say_who (Ctl *ctl, Chat *chat)
{
  g_autofree char *label = peer_dup_label (ctl, chat->path);
  const char *key = model_string (ctl->model, chat->path, "Contact", "ActiveKey");

  say (ctl, chat, "%s: %s, %s, key %s", label, peer_get_trust (ctl, chat->path), chat->reach,
       model_has (ctl->model, key, "Key") ? model_string (ctl->model, key, "Key", "DisplayId") : "-");
}

static void
clear_screen (Chat *chat)
{
  if (chat->raw)
    fputs ("\033[H\033[2J", stdout);
}

static const struct {
  const char *word, *help;
} commands[] = {
  { "/help", "what there is" },
  { "/who", "whom this goes to, and how far their key is trusted" },
  { "/edit", "TEXT: what your last line should say" },
  { "/retract", "takes your last line back" },
  { "/react", "EMOJI: to their last line" },
  { "/verify", "how to compare codes with them" },
  { "/clear", "empty screen" },
  { "/quit", "the end; Ctrl-D too" },
};

static void
say_help (Ctl *ctl, Chat *chat)
{
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    say (ctl, chat, "%-8s %s", commands[i].word, commands[i].help);
  say (ctl, chat, "//text sends a line that begins with /; Alt-Enter breaks a line; [n] marks follow your lines");
}

/* The rest of a command; anything else gets the tab itself. */
static void
complete (Chat *chat)
{
  const char *text = line_edit_get_text (chat->edit), *found = NULL;
  guint n = 0;

  if (*text != '/')
    {
      line_edit_insert (chat->edit, "\t");
      return;
    }
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    if (g_str_has_prefix (commands[i].word, text))
      {
        found = commands[i].word;
        n++;
      }
  if (n == 1 && line_edit_get_cursor (chat->edit) == strlen (text))
    line_edit_insert (chat->edit, found + strlen (text));
}

/* About the last message of either side; `argument` is a text, an emoji, or nothing. */
static gboolean
amend (Ctl *ctl, Chat *chat, const char *command, const char *argument, GError **error)
{
  gboolean react = g_str_equal (command, "/react");
  g_autoptr (EarshotMessages) messages = ctl_messages (ctl, error);
  g_autofree char *of = NULL, *id = NULL;
  const char *emojis[] = { argument, NULL };
  GVariantDict options;
  guint64 seq;

  if (messages == NULL || (of = message_ref_find (ctl, chat->path, "last", react ? MESSAGE_THEIRS : MESSAGE_OURS, error)) == NULL)
    return FALSE;
  if (react)
    return earshot_messages_call_react_sync (messages, chat->path, of, emojis, &id, &seq, NULL, error);
  if (g_str_equal (command, "/retract"))
    return earshot_messages_call_retract_sync (messages, of, &id, &seq, NULL, error);
  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "edit_of", "s", of);
  return earshot_messages_call_send_sync (messages, chat->path, argument, g_variant_dict_end (&options), &id, &seq, NULL, error);
}

/* TRUE when it was such a command. */
static gboolean
handle_amendment (Ctl *ctl, Chat *chat, const char *line)
{
  gsize length = strcspn (line, " ");
  g_autofree char *command = g_strndup (line, length);
  g_autofree char *argument = g_strstrip (g_strdup (line + length));
  gboolean retract = g_str_equal (command, "/retract");
  g_autoptr (GError) error = NULL;

  if (!retract && !g_str_equal (command, "/edit") && !g_str_equal (command, "/react"))
    return FALSE;
  if ((*argument == '\0') != retract)
    {
      say (ctl, chat, "%s; /help tells more", retract ? "/retract takes nothing" : "what? there is nothing behind it");
    }
  else if (amend (ctl, chat, command, argument, &error))
    {
      say (ctl, chat, "%s: done here, and told when it can be", command);
    }
  else
    {
      hide_prompt (chat);
      int code = ctl_fail (ctl, error);

      if (!chat->raw)
        end (ctl, chat, code);
      show_prompt (ctl, chat);
    }
  return TRUE;
}

static void
handle_line (Ctl *ctl, Chat *chat, const char *line)
{
  if (*line == '\0')
    return;
  if (*line != '/')
    send_line (ctl, chat, line);
  else if (line[1] == '/')
    send_line (ctl, chat, line + 1);
  else if (g_str_equal (line, "/quit"))
    end (ctl, chat, EXIT_DONE);
  else if (g_str_equal (line, "/help"))
    say_help (ctl, chat);
  else if (g_str_equal (line, "/who"))
    say_who (ctl, chat);
  else if (g_str_equal (line, "/clear"))
    clear_screen (chat);
  else if (g_str_equal (line, "/verify"))
    say (ctl, chat, "each of you, in another terminal: xmppctl verify PEER; read your numbers aloud, not here");
  else if (handle_amendment (ctl, chat, line))
    return;
  else
    say (ctl, chat, "there is no %s here; /help lists what there is", line);
}

static gboolean
on_typed (int fd, GIOCondition condition, gpointer user)
{
  Ctl *ctl = ((gpointer *) user)[0];
  Chat *chat = ((gpointer *) user)[1];
  guchar bytes[256];
  ssize_t n = read (fd, bytes, sizeof bytes);

  if (n < 0 && (errno == EINTR || errno == EAGAIN))
    return G_SOURCE_CONTINUE;
  for (ssize_t i = 0; i < n && !chat->over; i++)
    {
      LineEditEvent event = line_edit_feed (chat->edit, bytes[i]);

      if (event == LINE_EDIT_LINE)
        {
          g_autofree char *line = line_edit_take (chat->edit);

          chat->we_type = FALSE; /* the message itself says so */
          handle_line (ctl, chat, line);
        }
      else if (event == LINE_EDIT_END)
        {
          n = 0;
        }
      else if (event == LINE_EDIT_CLEAR)
        {
          clear_screen (chat);
        }
      else if (event == LINE_EDIT_TAB)
        {
          complete (chat);
        }
      else if (event == LINE_EDIT_INTERRUPT)
        {
          end (ctl, chat, EXIT_INTERRUPTED);
        }
    }
  if (n <= 0 && !chat->over)
    {
      /* The last line of a file may lack its newline. */
      g_autofree char *line = line_edit_take (chat->edit);

      handle_line (ctl, chat, line);
      end (ctl, chat, EXIT_DONE);
    }
  if (chat->over)
    {
      chat->input_id = 0;
      return G_SOURCE_REMOVE;
    }
  note_typing (ctl, chat, user);
  show_prompt (ctl, chat);
  return G_SOURCE_CONTINUE;
}

/* --- the command -------------------------------------------------------------------------------- */

/* The last lines said. */
static gboolean
print_history (Ctl *ctl, Chat *chat, GError **error)
{
  g_auto (History) history = { .limit = (guint) option_number };
  guint64 last = (guint64) model_number (ctl->model, chat->path, "Conversation", "LastSeq");

  if (!history_read (ctl, chat->path, &history, error))
    return FALSE;
  history_print (ctl, &history);
  chat->seen = MAX ((guint64) model_number (ctl->model, EARSHOT_ROOT, "Messages", "HeadSeq"), last);
  chat->read = history_get_newest (&history) != NULL ? history_get_newest (&history)->seq : 0;
  /* What came between loading and listing was printed already. */
  chat->seen = MAX (chat->seen, chat->read);
  return mark_read (ctl, chat, error);
}

static int
converse (Ctl *ctl, Chat *chat)
{
  gpointer both[] = { ctl, chat };
  g_autoptr (GError) error = NULL;
  g_autofree char *label = peer_dup_label (ctl, chat->path);
  g_autofree char *warning = name_warning_dup (ctl, chat->path);

  if (!print_history (ctl, chat, &error))
    return ctl_fail (ctl, error);
  say (ctl, chat, "chat with %s (%s, %s); /quit ends, /help lists more", label, peer_get_trust (ctl, chat->path),
       chat->reach);
  if (warning != NULL)
    say (ctl, chat, "NAME WARNING: %s", warning);
  if (g_str_equal (peer_get_trust (ctl, chat->path), "unknown") && !peer_is_legacy (ctl, chat->path))
    say (ctl, chat, "their key is not accepted: until it is, what either of you writes is held back; see xmppctl trust pending");
  if (peer_is_legacy (ctl, chat->path))
    say (ctl, chat, "without encryption: anybody on the link can read and change it, and who it is nobody knows");
  chat->raw = ctl->tty_out && !ctl->json && line_edit_raw_terminal ();
  show_prompt (ctl, chat);
  if (chat->raw)
    chat->resize_id = g_unix_signal_add (SIGWINCH, on_resize, both);
  chat->input_id = g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, on_typed, both);
  int code = live_run (ctl);

  g_clear_handle_id (&chat->input_id, g_source_remove);
  g_clear_handle_id (&chat->resize_id, g_source_remove);
  g_clear_handle_id (&chat->typing_id, g_source_remove);
  tell_typing (ctl, chat, FALSE);
  hide_prompt (chat);
  line_edit_restore_terminal ();
  return code;
}

static int
run_chat (Ctl *ctl, int argc, char **argv)
{
  static const LiveHandlers handlers = {
    .appended = on_appended, .changed = on_changed, .typing = on_typing, .resync = on_resync
  };
  g_autoptr (GError) error = NULL;
  Chat chat = { .edit = line_edit_new () };
  int code;

  if (option_number < 0)
    code = ctl_usage (ctl, "-n takes a number");
  else if (!live_start (ctl, &handlers, &chat, &error)
           || (chat.path = peer_select (ctl, argv[0], SELECTOR_ANY, &error)) == NULL)
    {
      code = ctl_fail (ctl, error);
    }
  else
    {
      chat.reach = g_strdup (peer_get_reach (ctl, chat.path));
      code = converse (ctl, &chat);
    }
  g_queue_clear_full (&chat.own, own_free);
  line_edit_free (chat.edit);
  g_free (chat.reach);
  g_free (chat.path);
  return code;
}

const Command command_chat = {
  .name = "chat",
  .args = "PEER",
  .summary = "Line chat: history, what comes in, what you type",
  .detail =
    "What you type gets a number; marks such as \"[3] delivered\" tell how far it got. Arrows edit the line and bring\n"
    "back earlier ones, Alt-Enter breaks it, a paste stays one message. Lines on a pipe are sent as they come.\n"
    "/help lists what else there is; /quit or Ctrl-D ends.",
  .examples = "xmppctl chat juliet\n"
              "xmppctl chat juliet -n 100\n"
              "printf '%s\\n' 'one' 'two' | xmppctl chat juliet",
  .options = options,
  .min_args = 1,
  .max_args = 1,
  .run = run_chat,
};
