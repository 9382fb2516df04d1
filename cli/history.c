/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "cli/history.h"

#define PAGE 100

void
history_clear (History *history)
{
  g_clear_pointer (&history->entries, g_array_unref);
  g_clear_pointer (&history->replies, g_ptr_array_unref);
}

/* FALSE = enough: this entry lies before what is wanted, or the limit is reached. */
static gboolean
take_entry (History *history, GVariant *entries, gsize index)
{
  Entry entry = { 0 };

  entry_read (&entry, entries, index);
  /* What was imported stands where it came in, and is older than what is before it. */
  gboolean old = history->since > 0 && entry.time < history->since;
  gboolean before = entry.seq <= history->after || (old && !entry.imported);

  if (before || old || !g_str_equal (entry.kind, "message") || (history->incoming_only && (entry.outgoing || entry.retracted > 0)))
    {
      entry_clear (&entry);
      return !before;
    }
  g_array_append_val (history->entries, entry);
  return history->entries->len < history->limit;
}

static GVariant *
dup_filter (const History *history)
{
  g_autoptr (GVariant) kinds = g_variant_ref_sink (entry_filter (ENTRY_MESSAGES));
  GVariantDict dict;

  g_variant_dict_init (&dict, kinds);
  if (history->words != NULL)
    g_variant_dict_insert (&dict, "words", "s", history->words);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

gboolean
history_read (Ctl *ctl, const char *conversation, History *history, GError **error)
{
  g_autoptr (EarshotMessages) messages = ctl_messages (ctl, error);
  g_autoptr (GVariant) filter = dup_filter (history);
  guint64 before = 0;
  gboolean more = TRUE;

  history_clear (history);
  history->replies = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  history->entries = g_array_new (FALSE, TRUE, sizeof (Entry));
  g_array_set_clear_func (history->entries, (GDestroyNotify) entry_clear);
  while (messages != NULL && more && history->limit > 0)
    {
      g_autoptr (GVariant) entries = NULL;
      g_auto (Entry) last = { 0 };

      if (!earshot_messages_call_list_sync (messages, conversation, before, MIN (PAGE, history->limit),
                                            filter, &entries, &more, NULL, error))
        return FALSE;
      gsize n = g_variant_n_children (entries);

      if (n == 0)
        break;
      entry_read (&last, entries, n - 1);
      /* A daemon that goes in circles shall not take us along. */
      if (before != 0 && last.seq >= before)
        break;
      before = last.seq;
      g_ptr_array_add (history->replies, g_variant_ref (entries));
      for (gsize i = 0; i < n; i++)
        if (!take_entry (history, entries, i))
          return TRUE;
    }
  return messages != NULL;
}

const Entry *
history_get_newest (const History *history)
{
  return history->entries != NULL && history->entries->len > 0 ? &g_array_index (history->entries, Entry, 0) : NULL;
}

void
history_print (Ctl *ctl, const History *history)
{
  for (guint i = history->entries->len; i > 0; i--)
    {
      Entry *entry = &g_array_index (history->entries, Entry, i - 1);

      entry->show_id = history->show_ids;
      if (ctl->json)
        entry_print_json (ctl, entry);
      else
        entry_print (ctl, entry);
    }
}
