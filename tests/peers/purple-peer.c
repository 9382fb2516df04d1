/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A peer that is not ours: libpurple's Bonjour, as Pidgin and Finch have it, without a screen. It talks in clear to whoever it finds
 * by mDNS. For tests/lan/test-legacy.py.
 *
 *   purple-peer FOLDER USER PORT
 *
 * FOLDER takes everything libpurple writes. Commands come on stdin, events go to stdout, a line each of words between single spaces;
 * a word is percent-escaped (spaces, line breaks, `%`, controls), so it never breaks the line, and may be empty.
 *
 *   send NAME TEXT      TEXT as a person types it; libpurple gets it as markup
 *   status WORD TEXT    avail, away or dnd as XEP-0174 writes them
 *   close NAME          the conversation's window is closed
 *   quit                or end of input
 *
 *   ready VERSION TYPING      TYPING: whether its protocol plugin can say that somebody types (yes, no)
 *   online NAME               what it calls itself
 *   buddy NAME STATUS TEXT    seen for the first time, or changed; STATUS: available, away
 *   alias NAME TEXT
 *   gone NAME
 *   message NAME TEXT         what a person reads: the markup below, rendered
 *   markup NAME MARKUP
 *   typing NAME
 *   sent NAME TEXT            libpurple took it over, which says nothing about the wire
 *   failed NAME               libpurple did not take it
 *   notice NAME TEXT          what libpurple writes into the conversation by itself
 *   error TEXT                the account is off
 *
 * EARSHOT_PURPLE_DEBUG=1 has libpurple's own log on stderr: message bodies are in it.
 */
#include "earshot-config.h"

#include <purple.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UI "earshot-test"
#define MAX_COMMAND (1 << 20)

static GMainLoop *loop;
static PurpleAccount *account;
static GString *input;

/* What, then words, ended by NULL. */
G_GNUC_NULL_TERMINATED static void
say (const char *what, ...)
{
  va_list words;
  const char *word;

  fputs (what, stdout);
  va_start (words, what);
  while ((word = va_arg (words, const char *)) != NULL)
    {
      g_autofree char *valid = g_utf8_make_valid (word, -1);
      g_autofree char *escaped = g_uri_escape_string (valid, "!\"#$&'()*+,/:;<=>?@[]{}|", TRUE);

      printf (" %s", escaped);
    }
  va_end (words);
  putchar ('\n');
  fflush (stdout);
}

static const char *
or_empty (const char *text)
{
  return text != NULL ? text : "";
}

/* --- the main loop, as libpurple wants it --------------------------------------- */

typedef struct {
  PurpleInputFunction function;
  gpointer data;
} Watch;

static gboolean
on_ready (GIOChannel *channel, GIOCondition condition, gpointer user)
{
  Watch *watch = user;
  int what = 0;

  if (condition & (G_IO_IN | G_IO_HUP | G_IO_ERR))
    what |= PURPLE_INPUT_READ;
  if (condition & (G_IO_OUT | G_IO_ERR | G_IO_NVAL))
    what |= PURPLE_INPUT_WRITE;
  watch->function (watch->data, g_io_channel_unix_get_fd (channel), (PurpleInputCondition) what);
  return TRUE;
}

static guint
add_input (int fd, PurpleInputCondition condition, PurpleInputFunction function, gpointer data)
{
  GIOChannel *channel = g_io_channel_unix_new (fd);
  Watch *watch = g_new0 (Watch, 1);
  int what = 0;
  guint id;

  watch->function = function;
  watch->data = data;
  if (condition & PURPLE_INPUT_READ)
    what |= G_IO_IN | G_IO_HUP | G_IO_ERR;
  if (condition & PURPLE_INPUT_WRITE)
    what |= G_IO_OUT | G_IO_HUP | G_IO_ERR | G_IO_NVAL;
  id = g_io_add_watch_full (channel, G_PRIORITY_DEFAULT, (GIOCondition) what, on_ready, watch, g_free);
  g_io_channel_unref (channel);
  return id;
}

static PurpleEventLoopUiOps event_loop = {
  .timeout_add = g_timeout_add,
  .timeout_remove = g_source_remove,
  .input_add = add_input,
  .input_remove = g_source_remove,
  .timeout_add_seconds = g_timeout_add_seconds,
};

/* --- what libpurple tells ------------------------------------------------------- */

static void
on_signed_on (PurpleConnection *connection, gpointer user)
{
  say ("online", purple_account_get_username (account), NULL);
}

static void
on_connection_error (PurpleConnection *connection, PurpleConnectionError reason, const char *text, gpointer user)
{
  say ("error", or_empty (text), NULL);
}

static void
say_buddy (PurpleBuddy *buddy)
{
  PurpleStatus *status = purple_presence_get_active_status (purple_buddy_get_presence (buddy));

  say ("buddy", purple_buddy_get_name (buddy), purple_status_get_id (status),
       or_empty (purple_status_get_attr_string (status, "message")), NULL);
}

static void
on_buddy_on (PurpleBuddy *buddy, gpointer user)
{
  say_buddy (buddy);
}

static void
on_buddy_status (PurpleBuddy *buddy, PurpleStatus *before, PurpleStatus *now, gpointer user)
{
  if (purple_status_is_online (now))
    say_buddy (buddy);
}

static void
on_buddy_off (PurpleBuddy *buddy, gpointer user)
{
  say ("gone", purple_buddy_get_name (buddy), NULL);
}

static void
on_aliased (PurpleBlistNode *node, const char *before, gpointer user)
{
  if (PURPLE_BLIST_NODE_IS_BUDDY (node))
    say ("alias", purple_buddy_get_name ((PurpleBuddy *) node),
         or_empty (purple_buddy_get_server_alias ((PurpleBuddy *) node)), NULL);
}

static void
on_typing (PurpleAccount *at, const char *name, gpointer user)
{
  say ("typing", name, NULL);
}

static void
on_message (PurpleAccount *at, char *sender, char *markup, PurpleConversation *conversation, PurpleMessageFlags flags,
            gpointer user)
{
  g_autofree char *text = purple_markup_strip_html (markup);

  say ("markup", sender, markup, NULL);
  say ("message", sender, text, NULL);
}

static void
on_write (PurpleConversation *conversation, const char *name, const char *alias, const char *markup,
          PurpleMessageFlags flags, time_t when)
{
  g_autofree char *text = purple_markup_strip_html (markup);

  if (flags & PURPLE_MESSAGE_SEND)
    say ("sent", purple_conversation_get_name (conversation), text, NULL);
  else if (flags & (PURPLE_MESSAGE_SYSTEM | PURPLE_MESSAGE_ERROR))
    say ("notice", purple_conversation_get_name (conversation), text, NULL);
}

static PurpleConversationUiOps conversations = { .write_conv = on_write };

static void
on_ui_init (void)
{
  purple_conversations_set_ui_ops (&conversations);
}

static void
on_debug (PurpleDebugLevel level, const char *category, const char *text)
{
  fprintf (stderr, "%s: %s", or_empty (category), text);
}

static gboolean
wants_debug (PurpleDebugLevel level, const char *category)
{
  return g_getenv ("EARSHOT_PURPLE_DEBUG") != NULL;
}

static PurpleDebugUiOps debug = { .print = on_debug, .is_enabled = wants_debug };

static void
on_debug_init (void)
{
  purple_debug_set_ui_ops (&debug);
}

static PurpleCoreUiOps core = { .debug_ui_init = on_debug_init, .ui_init = on_ui_init };

static void
listen_to_libpurple (void)
{
  static int handle;

  purple_signal_connect (purple_connections_get_handle (), "signed-on", &handle, PURPLE_CALLBACK (on_signed_on), NULL);
  purple_signal_connect (purple_connections_get_handle (), "connection-error", &handle,
                         PURPLE_CALLBACK (on_connection_error), NULL);
  purple_signal_connect (purple_blist_get_handle (), "buddy-signed-on", &handle, PURPLE_CALLBACK (on_buddy_on), NULL);
  purple_signal_connect (purple_blist_get_handle (), "buddy-status-changed", &handle, PURPLE_CALLBACK (on_buddy_status),
                         NULL);
  purple_signal_connect (purple_blist_get_handle (), "buddy-signed-off", &handle, PURPLE_CALLBACK (on_buddy_off), NULL);
  purple_signal_connect (purple_blist_get_handle (), "buddy-removed", &handle, PURPLE_CALLBACK (on_buddy_off), NULL);
  purple_signal_connect (purple_blist_get_handle (), "blist-node-aliased", &handle, PURPLE_CALLBACK (on_aliased), NULL);
  purple_signal_connect (purple_conversations_get_handle (), "received-im-msg", &handle, PURPLE_CALLBACK (on_message),
                         NULL);
  purple_signal_connect (purple_conversations_get_handle (), "buddy-typing", &handle, PURPLE_CALLBACK (on_typing),
                         NULL);
}

/* --- what we are told ------------------------------------------------------------ */

static void
send_text (const char *name, const char *text)
{
  PurpleConversation *conversation = purple_find_conversation_with_account (PURPLE_CONV_TYPE_IM, name, account);
  g_autofree char *escaped = g_markup_escape_text (text, -1);
  g_autofree char *markup = purple_strdup_withhtml (escaped); /* line breaks to <BR>, as a person's Enter */

  if (purple_find_buddy (account, name) == NULL)
    {
      say ("failed", name, NULL);
      return;
    }
  if (conversation == NULL)
    conversation = purple_conversation_new (PURPLE_CONV_TYPE_IM, account, name);
  purple_conv_im_send (PURPLE_CONV_IM (conversation), markup);
}

static void
set_status (const char *word, const char *text)
{
  /* Its Bonjour writes `away` for an idle person, `dnd` for one who is away. */
  gboolean away = strcmp (word, "away") == 0;
  const char *id = strcmp (word, "avail") == 0 ? "available" : "away";

  purple_presence_set_idle (purple_account_get_presence (account), away, 0);
  purple_account_set_status (account, id, TRUE, "message", text, NULL);
}

static void
obey (const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", 3);
  guint count = g_strv_length (words);
  g_autofree char *first = count > 1 ? g_uri_unescape_string (words[1], NULL) : NULL;
  g_autofree char *second = count > 2 ? g_uri_unescape_string (words[2], NULL) : NULL;

  if (count == 3 && first != NULL && second != NULL && strcmp (words[0], "send") == 0)
    send_text (first, second);
  else if (count == 3 && first != NULL && second != NULL && strcmp (words[0], "status") == 0)
    set_status (first, second);
  else if (count == 2 && first != NULL && strcmp (words[0], "close") == 0)
    {
      PurpleConversation *conversation = purple_find_conversation_with_account (PURPLE_CONV_TYPE_IM, first, account);

      if (conversation != NULL)
        purple_conversation_destroy (conversation);
    }
  else if (count == 1 && strcmp (words[0], "quit") == 0)
    g_main_loop_quit (loop);
  else
    say ("error", "no such command", NULL);
}

static gboolean
on_input (GIOChannel *channel, GIOCondition condition, gpointer user)
{
  char chunk[4096];
  ssize_t got = read (STDIN_FILENO, chunk, sizeof chunk);
  char *end;

  if (got <= 0 || input->len > MAX_COMMAND)
    {
      g_main_loop_quit (loop);
      return FALSE;
    }
  g_string_append_len (input, chunk, got);
  while ((end = strchr (input->str, '\n')) != NULL)
    {
      g_autofree char *line = g_strndup (input->str, (gsize) (end - input->str));

      g_string_erase (input, 0, end - input->str + 1);
      obey (line);
    }
  return TRUE;
}

/* --- start ------------------------------------------------------------------------- */

/* Its own complaints are its own: a test looks for those of ours, by the words GLib uses. */
static void
on_log (const char *domain, GLogLevelFlags level, const char *text, gpointer user)
{
  if (wants_debug (PURPLE_DEBUG_ALL, domain))
    fprintf (stderr, "it complains: %s\n", text);
}

/* libpurple would load each plugin of its folder: a dozen protocols, NSS, Perl. It names the folder by this call, finds ours, and
 * knows none. (Where it is linked so that it finds its own, it merely takes longer.) */
void
purple_plugins_add_search_path (const char *path)
{
}

static PurplePlugin *
load_bonjour (void)
{
  purple_plugin_probe (PURPLE_PLUGIN_DIR "/libbonjour." G_MODULE_SUFFIX);
  purple_plugins_probe (G_MODULE_SUFFIX);
  return purple_find_prpl ("prpl-bonjour");
}

/* Nothing is written elsewhere, also not by what libpurple brings along, and every start is the first. */
static void
keep_to (const char *folder)
{
  g_autofree char *accounts = g_build_filename (folder, "accounts.xml", NULL);
  g_autofree char *registry = g_build_filename (folder, "gstreamer", NULL);

  g_setenv ("HOME", folder, TRUE);
  g_setenv ("XDG_CACHE_HOME", folder, TRUE);
  g_setenv ("XDG_CONFIG_HOME", folder, TRUE);
  g_setenv ("XDG_DATA_HOME", folder, TRUE);
  g_setenv ("XDG_RUNTIME_DIR", folder, TRUE);
  g_setenv ("GST_REGISTRY", registry, TRUE);
  g_setenv ("GST_PLUGIN_SYSTEM_PATH", folder, TRUE);
  g_unsetenv ("DISPLAY");
  g_setenv ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent", TRUE);
  purple_util_set_user_dir (folder);
  unlink (accounts);
}

int
main (int argc, char **argv)
{
  g_autoptr (GIOChannel) channel = g_io_channel_unix_new (STDIN_FILENO);
  PurplePlugin *plugin;

  if (argc != 4)
    {
      fprintf (stderr, "Usage: purple-peer FOLDER USER PORT\n");
      return 2;
    }
  /* It resolves names in children and waits for none of them. */
  signal (SIGCHLD, SIG_IGN);
  signal (SIGPIPE, SIG_IGN);
  g_log_set_default_handler (on_log, NULL);
  g_log_set_always_fatal (G_LOG_FATAL_MASK); /* G_DEBUG is about our programs */
  keep_to (argv[1]);
  loop = g_main_loop_new (NULL, FALSE);
  input = g_string_new (NULL);

  purple_core_set_ui_ops (&core);
  purple_eventloop_set_ui_ops (&event_loop);
  if (!purple_core_init (UI))
    {
      fprintf (stderr, "purple-peer: libpurple does not start\n");
      return 1;
    }
  purple_set_blist (purple_blist_new ());
  purple_prefs_set_bool ("/purple/logging/log_ims", FALSE);
  plugin = load_bonjour ();
  if (plugin == NULL)
    {
      fprintf (stderr, "purple-peer: libpurple has no Bonjour\n");
      return 1;
    }
  say ("ready", purple_core_get_version (), PURPLE_PLUGIN_PROTOCOL_INFO (plugin)->send_typing != NULL ? "yes" : "no",
       NULL);
  listen_to_libpurple ();
  g_io_add_watch (channel, G_IO_IN | G_IO_HUP, on_input, NULL);

  account = purple_account_new (argv[2], "prpl-bonjour");
  purple_account_set_int (account, "port", atoi (argv[3]));
  purple_accounts_add (account);
  purple_account_set_status (account, "available", TRUE, NULL);
  purple_account_set_enabled (account, UI, TRUE);
  if (purple_account_is_disconnected (account))
    purple_account_connect (account);

  g_main_loop_run (loop);
  purple_core_quit ();
  g_string_free (input, TRUE);
  g_main_loop_unref (loop);
  say ("offline", NULL);
  return 0;
}
