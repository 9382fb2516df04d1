/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Messages.Import. It takes entries and no file: what reads somebody's JSON is the caller, with the caller's rights. Threat: the entries
 * are anybody's all the same. Each value is checked as if it came from a peer, and history-import.c makes history of them and nothing else.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

#include "daemon/proto/emoji.h"
#include "daemon/proto/web-link.h"

#define IMPORT_MAX 1000
#define TEXT_MAX 255
#define TIME_MAX G_GINT64_CONSTANT (253402300800000000) /* the year 10000 */

static gboolean
is_trust_word (const char *word)
{
  static const char *const words[] = { "unknown", "pinned", "vouched", "ca", "verified", "revoked", "none", NULL };

  return g_strv_contains (words, word);
}

static gboolean
is_time (gint64 time)
{
  return time >= 0 && time < TIME_MAX;
}

/* Emojis and nothing else; NULL stays NULL. */
static gboolean
take_emojis (char **emojis, char **joined, GError **error)
{
  if (emojis == NULL)
    return TRUE;
  *joined = emoji_join ((const char *const *) emojis, MESSAGE_REACTIONS_MAX);
  if (*joined != NULL)
    return TRUE;
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "reactions are at most %d emojis, and nothing else",
               MESSAGE_REACTIONS_MAX);
  return FALSE;
}

static gboolean
check_lines (const LogEntry *entry, GError **error)
{
  const char *const lines[][2] = {
    { "thread", entry->thread }, { "reply_to", entry->reply_to }, { "state", entry->state }, { "reason", entry->reason },
    { "about", entry->about }, { "change_state", entry->change_state }, { "change_reason", entry->change_reason },
  };

  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    if (lines[i][1] != NULL && !bus_check_line (lines[i][0], lines[i][1], TEXT_MAX, error))
      return FALSE;
  return TRUE;
}

static gboolean
read_data (GVariant *data, LogEntry *entry, GError **error)
{
  g_autofree char *direction = NULL, *key = NULL;
  g_auto (GStrv) emojis = NULL;
  g_auto (GStrv) in = NULL;
  g_auto (GStrv) out = NULL;
  const BusOption table[] = {
    { "direction", "s", &direction }, { "sent_time", "x", &entry->sent_time }, { "key", "s", &key },
    { "trust", "s", &entry->trust }, { "insecure", "b", &entry->insecure }, { "thread", "s", &entry->thread },
    { "reply_to", "s", &entry->reply_to }, { "state", "s", &entry->state }, { "reason", "s", &entry->reason },
    { "kind", "s", &entry->kind }, { "about", "s", &entry->about }, { "emojis", "as", &emojis },
    { "edited", "x", &entry->edited }, { "retracted", "x", &entry->retracted }, { "reactions_in", "as", &in },
    { "reactions_out", "as", &out }, { "url", "s", &entry->url }, { "unstyled", "b", &entry->unstyled },
    { "change_state", "s", &entry->change_state }, { "change_reason", "s", &entry->change_reason }, { NULL, NULL, NULL },
  };

  if (!bus_options_parse (data, table, error))
    return FALSE;
  if (direction == NULL || (!g_str_equal (direction, "in") && !g_str_equal (direction, "out")))
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "direction is in or out");
  else if (!is_time (entry->sent_time) || !is_time (entry->edited) || !is_time (entry->retracted))
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "sent_time, edited or retracted is no time");
  else if (entry->trust != NULL && !is_trust_word (entry->trust))
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "no such level: %.64s", entry->trust);
  else if (entry->url != NULL && !web_link_is_valid (entry->url))
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "url is not an http or https address of at most 2048 bytes");
  else if ((key == NULL || bus_check_fingerprint (key, &entry->key, error)) && check_lines (entry, error)
           && take_emojis (in, &entry->reactions_in, error) && take_emojis (out, &entry->reactions_out, error)
           && take_emojis (emojis, &entry->body, error))
    {
      entry->direction = g_str_equal (direction, "in") ? DIRECTION_IN : DIRECTION_OUT;
      entry->has_key = key != NULL;
      return TRUE;
    }
  return FALSE;
}

/* What there is goes with what it is. A retracted message has no text, and neither have its corrections. */
static gboolean
read_content (LogEntry *entry, const char *body, GError **error)
{
  gboolean message = entry->kind == NULL || g_str_equal (entry->kind, "message");
  gboolean edit = !message && g_str_equal (entry->kind, "edit"), retract = !message && g_str_equal (entry->kind, "retract");
  gboolean reaction = !message && g_str_equal (entry->kind, "reaction");

  if (!message && !edit && !retract && !reaction)
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "kind is message, edit, retract or reaction");
  else if (message != (entry->about == NULL) || (entry->about != NULL && *entry->about == '\0') || reaction != (entry->body != NULL))
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "what is no message has about, a reaction has emojis, and nothing else has");
  else if (!message && (entry->edited != 0 || entry->retracted != 0 || entry->reactions_in != NULL || entry->reactions_out != NULL))
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "only messages are edited, retracted and reacted to");
  else if (*body != '\0' && (retract || reaction || entry->retracted != 0))
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "what was taken back has no text, and a reaction has none");
  else if ((*body == '\0' && (!message || entry->retracted != 0)) || bus_check_body (body, error))
    {
      if (*body != '\0')
        entry->body = g_strdup (body);
      return TRUE;
    }
  return FALSE;
}

static LogEntry *
read_entry (Window *window, GVariant *item, GError **error)
{
  g_autoptr (LogEntry) entry = log_entry_new ();
  g_autoptr (GVariant) data = NULL;
  const char *path, *id, *body;

  g_variant_get (item, "(x&o&s&s@a{sv})", &entry->time, &path, &id, &body, &data);
  if (entry->time <= 0 || !is_time (entry->time))
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "the time is none");
  else if (bus_check_id (id, error) && bus_check_conversation (window, path, &entry->contact, error) && read_data (data, entry, error)
           && read_content (entry, body, error))
    {
      if (entry->contact != 0)
        {
          entry->id = g_strdup (id);
          return g_steal_pointer (&entry);
        }
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "a message has a conversation");
    }
  return NULL;
}

static void
on_imported (gpointer user, guint added, guint skipped, guint64 last, const GError *error)
{
  BusCall *call = user;

  if (error != NULL)
    {
      bus_call_return_error (call, error);
      return;
    }
  if (last != 0 && !call->window->closed)
    delivery_raise_head (call->window->rooms.delivery, last);
  bus_call_return (call, g_variant_new ("(uu)", added, skipped));
}

void
bus_messages_import (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) list = g_variant_get_child_value (args, 0);
  g_autoptr (GVariant) options = g_variant_get_child_value (args, 1);
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func ((GDestroyNotify) log_entry_free);
  GError *error = NULL;
  gsize n = g_variant_n_children (list);

  if (n > IMPORT_MAX)
    g_set_error (&error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "at most %d entries", IMPORT_MAX);
  else
    bus_options_none (options, &error);
  for (gsize i = 0; i < n && error == NULL; i++)
    {
      g_autoptr (GVariant) item = g_variant_get_child_value (list, i);
      LogEntry *entry = read_entry (call->window, item, &error);

      if (entry != NULL)
        g_ptr_array_add (entries, entry);
      else
        g_prefix_error (&error, "entry %" G_GSIZE_FORMAT ": ", i);
    }
  if (error != NULL)
    bus_call_take_error (call, error);
  else
    history_import (call->window->rooms.history, g_steal_pointer (&entries), on_imported, call);
}
