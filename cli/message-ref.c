/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "cli/history.h"
#include "cli/message-ref.h"

#define LOOKED_AT 1000
#define PREFIX_MIN 4

/* What the other side never had, or what came from a file, is nothing to correct, take back or answer. */
static gboolean
was_said (const Entry *entry)
{
  return entry->retracted == 0 && !entry->imported && !g_str_equal (entry->state, "cancelled") && !g_str_equal (entry->state, "failed");
}

static char *
find_last (const History *history, MessageSide side, GError **error)
{
  for (guint i = 0; i < history->entries->len; i++)
    {
      const Entry *entry = &g_array_index (history->entries, Entry, i);

      if (entry->outgoing == (side == MESSAGE_OURS) && was_said (entry))
        return g_strdup (entry->id);
    }
  g_set_error (error, CLI_ERROR, CLI_ERROR_NOT_FOUND, "%s among the last %d messages",
               side == MESSAGE_OURS ? "there is none of yours" : "there is none of theirs", LOOKED_AT);
  return NULL;
}

static char *
find_prefix (const History *history, const char *word, GError **error)
{
  const Entry *found = NULL;

  for (guint i = 0; i < history->entries->len; i++)
    {
      const Entry *entry = &g_array_index (history->entries, Entry, i);

      /* The whole id is no prefix of another one. */
      if (g_str_equal (entry->id, word))
        return g_strdup (word);
      if (strlen (word) < PREFIX_MIN || !g_str_has_prefix (entry->id, word))
        continue;
      if (found != NULL && !g_str_equal (found->id, entry->id))
        {
          g_set_error (error, CLI_ERROR, CLI_ERROR_AMBIGUOUS, "several messages begin with %s", word);
          return NULL;
        }
      found = entry;
    }
  if (found != NULL)
    return g_strdup (found->id);
  g_set_error (error, CLI_ERROR, CLI_ERROR_NOT_FOUND, "no message of the last %d has the id %s", LOOKED_AT, word);
  return NULL;
}

/* An older one that is named in full. */
static gboolean
has_message (Ctl *ctl, const char *conversation, const char *id)
{
  g_autoptr (EarshotMessages) messages = ctl_messages (ctl, NULL);
  g_autoptr (GVariant) message = NULL;

  return messages != NULL && earshot_messages_call_get_sync (messages, id, &message, NULL, NULL)
         && g_str_equal (dict_string (message, "conversation"), conversation);
}

char *
message_ref_find (Ctl *ctl, const char *conversation, const char *word, MessageSide side, GError **error)
{
  g_auto (History) history = { .limit = LOOKED_AT };
  char *id;

  if (!history_read (ctl, conversation, &history, error))
    return NULL;
  if (g_str_equal (word, "last"))
    return find_last (&history, side, error);
  id = find_prefix (&history, word, error);
  if (id == NULL && g_error_matches (*error, CLI_ERROR, CLI_ERROR_NOT_FOUND) && has_message (ctl, conversation, word))
    {
      g_clear_error (error);
      return g_strdup (word);
    }
  if (id == NULL)
    ctl_hint (ctl, "see the ids: xmppctl log PEER --ids");
  return id;
}
