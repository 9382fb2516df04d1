/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "cli/entry.h"
#include "cli/escape.h"
#include "cli/peer.h"
#include "cli/time-text.h"

#define PAGE 200
#define WINDOW_MAX (G_GUINT64_CONSTANT (1) << 48)

void
entry_read (Entry *entry, GVariant *entries, gsize index)
{
  GVariant *data = NULL;

  entry_clear (entry);
  g_variant_get_child (entries, index, "(tx&s&o&s@a{sv})", &entry->seq, &entry->time, &entry->kind,
                       &entry->conversation, &entry->id, &data);
  entry->data = data;
  entry->outgoing = g_str_equal (dict_string (data, "direction"), "out");
  entry->insecure = dict_bool (data, "insecure");
  entry->imported = dict_bool (data, "imported");
  entry->from = dict_string (data, "from");
  entry->key = dict_string (data, "key");
  entry->body = dict_string (data, "body");
  entry->trust = dict_string (data, "trust");
  entry->state = dict_string (data, "state");
  entry->reason = dict_string (data, "reason");
  entry->thread = dict_string (data, "thread");
  entry->reply_to = dict_string (data, "reply_to");
  entry->sent_time = dict_number (data, "sent_time");
  entry->about = dict_string (data, "about");
  entry->url = dict_string (data, "url");
  entry->change_state = dict_string (data, "change_state");
  entry->change_reason = dict_string (data, "change_reason");
  entry->edited = dict_number (data, "edited");
  entry->retracted = dict_number (data, "retracted");
  entry->unstyled = dict_bool (data, "unstyled");
}

void
entry_clear (Entry *entry)
{
  g_clear_pointer (&entry->data, g_variant_unref);
  memset (entry, 0, sizeof *entry);
}

gboolean
entry_is_incoming (const Entry *entry)
{
  return g_str_equal (entry->kind, "message") && !entry->outgoing;
}

gboolean
entry_is_amendment (const Entry *entry)
{
  return g_str_equal (entry->kind, "edit") || g_str_equal (entry->kind, "retract") || g_str_equal (entry->kind, "reaction");
}

char *
entry_dup_amendment (const Entry *entry)
{
  g_autoptr (GVariant) emojis = g_variant_lookup_value (entry->data, "emojis", G_VARIANT_TYPE_STRING_ARRAY);
  g_autofree const char **words = emojis != NULL ? g_variant_get_strv (emojis, NULL) : NULL;

  return words != NULL ? g_strjoinv (" ", (char **) words) : g_strdup (entry->body);
}

const char *
entry_get_trust (const Entry *entry)
{
  /* Whatever a file says about trust. */
  if (entry->imported)
    return "imported";
  if (entry->insecure)
    return "insecure";
  if (*entry->trust != '\0')
    return entry->trust;
  return entry->outgoing ? "-" : "unknown";
}

/* What follows the peer's name; for entries that are no message: their data in words. */
static char *
dup_text (const Entry *entry)
{
  GString *text = g_string_new (NULL);
  GVariantIter iter;
  const char *name;
  GVariant *value;

  if (g_str_equal (entry->kind, "message"))
    {
      g_string_append (text, entry->body);
    }
  else if (g_str_equal (entry->kind, "state"))
    {
      g_string_append_printf (text, "%.8s %s%s%s", entry->id, entry->state, *entry->reason != '\0' ? ": " : "",
                              entry->reason);
    }
  else if (entry_is_amendment (entry))
    {
      g_autofree char *said = entry_dup_amendment (entry);

      g_string_append_printf (text, "%.8s%s%s", entry->about, *said != '\0' ? " " : "", said);
    }
  else
    {
      g_variant_iter_init (&iter, entry->data);
      while (g_variant_iter_next (&iter, "{&sv}", &name, &value))
        {
          g_autofree char *shown = variant_to_text (value);

          g_string_append_printf (text, "%s%s=%s", text->len > 0 ? " " : "", name, shown);
          g_variant_unref (value);
        }
    }
  return g_string_free (text, FALSE);
}

GVariant *
entry_filter (EntryKinds kinds)
{
  static const char *const messages[] = { "message", NULL };
  static const char *const spoken[] = { "message", "edit", "retract", "reaction", NULL };
  g_autoptr (GVariantBuilder) builder = g_variant_builder_new (G_VARIANT_TYPE_VARDICT);

  if (kinds == ENTRY_MESSAGES)
    g_variant_builder_add (builder, "{sv}", "kinds", g_variant_new_strv (messages, -1));
  else if (kinds == ENTRY_SPOKEN)
    g_variant_builder_add (builder, "{sv}", "kinds", g_variant_new_strv (spoken, -1));
  return g_variant_builder_end (builder);
}

EntryKinds
entry_spoken (Ctl *ctl)
{
  g_autofree const char **features = model_strv (ctl->model, EARSHOT_ROOT, "Manager", "Features");

  return g_strv_contains (features, "reactions") ? ENTRY_SPOKEN : ENTRY_MESSAGES;
}

/* Who reacted how: "👍 by juliet". */
static void
append_reactions (Ctl *ctl, const Entry *entry, GString *marks)
{
  g_autoptr (GVariant) list = g_variant_lookup_value (entry->data, "reactions", G_VARIANT_TYPE ("a(oas)"));

  for (gsize i = 0; list != NULL && i < g_variant_n_children (list); i++)
    {
      const char *who;
      g_autofree const char **emojis = NULL;
      g_autoptr (GVariant) item = g_variant_get_child_value (list, i);

      g_variant_get (item, "(&o^a&s)", &who, &emojis);
      g_autofree char *joined = g_strjoinv (" ", (char **) emojis);
      g_autofree char *label = g_str_equal (who, "/") ? g_strdup ("me") : peer_dup_label (ctl, who);

      g_string_append_printf (marks, "%s%s by %s", marks->len > 0 ? "; " : "", joined, label);
    }
}

/* What was changed, and whether the other side knows: "edited (there: queued, NotReachable)", "correction failed, conflict". */
static void
append_change (const Entry *entry, GString *marks)
{
  static const char *const never[] = { "failed", "expired", "cancelled", NULL };
  const char *change = entry->change_state;
  const char *reason = g_str_equal (entry->change_reason, change) ? "" : entry->change_reason, *comma = *reason != '\0' ? ", " : "";

  if (entry->retracted > 0 || entry->edited > 0)
    g_string_append_printf (marks, "%s%s", marks->len > 0 ? "; " : "", entry->retracted > 0 ? "retracted" : "edited");
  if (*change == '\0')
    return;
  if (entry->retracted == 0 && g_strv_contains (never, change))
    g_string_append_printf (marks, "%scorrection %s%s%s", marks->len > 0 ? "; " : "", change, comma, reason);
  else
    g_string_append_printf (marks, " (there: %s%s%s)", change, comma, reason);
}

/* What stands in brackets before the text: how far it got, and what became of it. Escaped; caller frees. */
static char *
dup_marks (Ctl *ctl, const Entry *entry)
{
  g_autoptr (GString) marks = g_string_new (NULL);

  if (entry->outgoing && *entry->state != '\0')
    g_string_append_printf (marks, "%s%s%s", entry->state, *entry->reason != '\0' ? ", " : "", entry->reason);
  append_change (entry, marks);
  append_reactions (ctl, entry, marks);
  if (*entry->url != '\0' && strstr (entry->body, entry->url) == NULL)
    g_string_append_printf (marks, "%slink: %s", marks->len > 0 ? "; " : "", entry->url);
  return escape_text (marks->str);
}

/* "6f1c8a20  ", escaped; empty without show_id. Caller frees. */
static char *
dup_id_column (const Entry *entry)
{
  g_autofree char *safe = entry->show_id ? escape_cut (entry->id, 11) : NULL;

  if (safe == NULL)
    return g_strdup ("");
  return strlen (entry->id) > 8 && strcspn (entry->id, "-") == 8 ? g_strdup_printf ("%.8s  ", entry->id) : g_strdup_printf ("%s  ", safe);
}

void
entry_print (Ctl *ctl, const Entry *entry)
{
  gboolean message = g_str_equal (entry->kind, "message");
  g_autofree char *when = time_format_local (entry->time);
  g_autofree char *label = peer_dup_label (ctl, entry->conversation);
  g_autofree char *text = dup_text (entry);
  guint terminal = out_columns (ctl);
  g_autofree char *id = dup_id_column (entry);
  gboolean spoken = message || entry_is_amendment (entry);
  g_autofree char *marks = spoken ? dup_marks (ctl, entry) : g_strdup ("");
  guint indent = OUT_TRUST_WIDTH + 2, before = indent + (guint) strlen (when) + 5 + escape_columns (id);
  /* On a terminal it must not reach the end of the line: what wraps begins in column 0. */
  g_autofree char *safe = terminal > 0 ? escape_cut (label, terminal > before + 5 ? terminal - before - 1 : 4) : escape_text (label);
  g_auto (GStrv) lines = NULL;

  out_trust (ctl, message ? entry_get_trust (entry) : entry->kind);
  printf ("  %s  %s%s%s", when, id, spoken && entry->outgoing ? "-> " : "", safe);
  /* They are as long as the emojis and the link of others make them: what might wrap goes to a line of its own. */
  gboolean marks_fit = terminal == 0 || before + escape_columns (safe) + escape_columns (marks) + 3 < terminal;
  if (*marks != '\0' && marks_fit)
    printf (" [%s]", marks);
  else if (*marks != '\0')
    {
      g_auto (GStrv) folded = escape_lines (marks, terminal - indent - 5);

      for (guint i = 0; folded[i] != NULL; i++)
        printf ("\n%*s%s%s%s", (int) indent, "", i == 0 ? "[" : " ", folded[i], folded[i + 1] == NULL ? "]" : "");
    }
  /* A body that needs more than the rest of this line starts on its own, so that no wrapped line begins in column 0. */
  guint used = before + escape_columns (safe) + 4 + (*marks != '\0' ? 3 + escape_columns (marks) : 0);
  g_autofree char *first = escape_text (text);
  gboolean fits = strpbrk (text, "\n\t") == NULL && (terminal == 0 || used + escape_columns (first) < terminal);

  if (fits)
    {
      printf ("  %s\n", first);
      return;
    }
  printf ("\n");
  lines = escape_lines (text, terminal > 0 ? terminal - indent - 3 : 0);
  for (guint i = 0; lines[i] != NULL; i++)
    printf ("%*s| %s\n", (int) indent, "", lines[i]);
}

/* What became of a message; nothing where nothing did. */
static void
add_amended (Ctl *ctl, const Entry *entry, JsonObject *object)
{
  g_autoptr (GVariant) list = g_variant_lookup_value (entry->data, "reactions", G_VARIANT_TYPE ("a(oas)"));

  if (entry->edited > 0)
    json_set_time (object, "edited", entry->edited);
  if (entry->retracted > 0)
    json_set_time (object, "retracted", entry->retracted);
  if (*entry->change_state != '\0')
    {
      json_object_set_string_member (object, "change_state", entry->change_state);
      json_object_set_string_member (object, "change_reason", entry->change_reason);
    }
  if (*entry->url != '\0')
    json_object_set_string_member (object, "url", entry->url);
  if (entry->unstyled)
    json_object_set_boolean_member (object, "unstyled", TRUE);
  if (list == NULL)
    return;
  JsonArray *reactions = json_array_new ();

  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      const char *who;
      g_autofree const char **emojis = NULL;
      g_autoptr (GVariant) item = g_variant_get_child_value (list, i);
      JsonObject *one = json_object_new ();

      g_variant_get (item, "(&o^a&s)", &who, &emojis);
      json_object_set_string_member (one, "direction", g_str_equal (who, "/") ? "out" : "in");
      json_set_strv (one, "emojis", emojis);
      json_array_add_object_element (reactions, one);
    }
  json_object_set_array_member (object, "reactions", reactions);
}

static void
add_amendment (Ctl *ctl, const Entry *entry, JsonObject *object)
{
  g_autofree char *said = entry_dup_amendment (entry);

  json_object_set_string_member (object, "direction", entry->outgoing ? "out" : "in");
  json_object_set_object_member (object, "peer", peer_ref_to_json (ctl, entry->conversation, *entry->trust != '\0' ? entry->trust : NULL));
  json_object_set_string_member (object, "about", entry->about);
  if (g_str_equal (entry->kind, "edit"))
    json_object_set_string_member (object, "body", said);
  if (g_str_equal (entry->kind, "reaction"))
    {
      g_auto (GStrv) emojis = *said != '\0' ? g_strsplit (said, " ", -1) : g_new0 (char *, 1);

      json_set_strv (object, "emojis", (const char *const *) emojis);
    }
  if (*entry->state != '\0')
    {
      json_object_set_string_member (object, "state", entry->state);
      json_object_set_string_member (object, "reason", entry->reason);
    }
}

void
entry_print_json (Ctl *ctl, const Entry *entry)
{
  JsonObject *object = json_line_new (entry->kind);

  json_object_set_int_member (object, "seq", (gint64) entry->seq);
  json_object_set_string_member (object, "id", entry->id);
  json_set_time (object, "time", entry->time);
  if (g_str_equal (entry->kind, "message"))
    {
      JsonObject *peer = peer_ref_to_json (ctl, entry->conversation, *entry->trust != '\0' ? entry->trust : NULL);

      json_object_set_string_member (object, "direction", entry->outgoing ? "out" : "in");
      /* The key that sent this one, not the key the contact uses today. */
      if (*entry->key != '\0' && !entry->outgoing)
        json_object_set_string_member (peer, "fingerprint", entry->key);
      json_object_set_object_member (object, "peer", peer);
      json_object_set_string_member (object, "body", entry->body);
      json_object_set_boolean_member (object, "insecure", entry->insecure);
      if (entry->imported)
        json_object_set_boolean_member (object, "imported", TRUE);
      json_set_time (object, "sent_time", entry->sent_time);
      json_object_set_string_member (object, "thread", entry->thread);
      json_object_set_string_member (object, "reply_to", entry->reply_to);
      add_amended (ctl, entry, object);
      if (*entry->state != '\0')
        {
          json_object_set_string_member (object, "state", entry->state);
          json_object_set_string_member (object, "reason", entry->reason);
        }
    }
  else if (entry_is_amendment (entry))
    {
      add_amendment (ctl, entry, object);
    }
  else
    {
      json_object_set_object_member (object, "peer", peer_ref_to_json (ctl, entry->conversation, NULL));
      json_object_set_string_member (object, "state", entry->state);
      json_object_set_string_member (object, "reason", entry->reason);
      if (!g_str_equal (entry->kind, "state"))
        json_set_variant (object, "data", entry->data);
    }
  json_line_print (stdout, object);
}

/* --- reading forward ------------------------------------------------------------ */

/* Entries of (after, before), newest first, however many replies it takes; array of GVariant a(...). *cut: more than one, and that is
 * all that was asked for when the window is a wide one. */
static GPtrArray *
collect_window (Ctl *ctl, EarshotMessages *messages, const char *conversation, EntryKinds kinds, guint64 after,
                guint64 before, gboolean *cut, GError **error)
{
  g_autoptr (GPtrArray) replies = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  gboolean more = TRUE, wide = before - after > PAGE + 1;

  *cut = FALSE;
  while (more && before > after + 1)
    {
      g_autoptr (GVariant) entries = NULL;
      g_auto (Entry) oldest = { 0 };

      *cut = wide && replies->len > 0;
      if (*cut)
        break;

      if (!earshot_messages_call_list_sync (messages, conversation, before, PAGE, entry_filter (kinds), &entries, &more,
                                            NULL, error))
        return NULL;
      gsize n = g_variant_n_children (entries);

      if (n == 0)
        break;
      entry_read (&oldest, entries, n - 1);
      if (oldest.seq >= before)
        {
          g_set_error (error, CLI_ERROR, CLI_ERROR_FAILED, "the daemon listed its log out of order");
          return NULL;
        }
      before = oldest.seq;
      g_ptr_array_add (replies, g_steal_pointer (&entries));
    }
  return g_steal_pointer (&replies);
}

/* List() only goes back in time; a window of PAGE numbers holds at most PAGE entries, so going from window to window
 * keeps memory bounded whatever the log's length. Where numbers were left out (a log put back from a backup goes on
 * behind all that were given) windows grow, as long as what is in one comes in one reply. */
gboolean
entries_forward (Ctl *ctl, const char *conversation, EntryKinds kinds, guint64 after, guint64 head, EntryFunc each,
                 gpointer user, GError **error)
{
  g_autoptr (EarshotMessages) messages = ctl_messages (ctl, error);

  guint64 window = PAGE;

  if (messages == NULL)
    return FALSE;
  while (after < head)
    {
      guint64 before = after + MIN (window, head - after) + 1;
      gboolean cut;
      g_autoptr (GPtrArray) replies = collect_window (ctl, messages, conversation, kinds, after, before, &cut, error);

      if (replies == NULL)
        return FALSE;
      if (cut)
        {
          window = MAX (window / 16, PAGE);
          continue;
        }
      window = MIN (window * 2, WINDOW_MAX);
      for (guint r = replies->len; r > 0; r--)
        {
          GVariant *entries = g_ptr_array_index (replies, r - 1);

          for (gsize i = g_variant_n_children (entries); i > 0; i--)
            {
              g_auto (Entry) entry = { 0 };

              entry_read (&entry, entries, i - 1);
              if (entry.seq > after && !each (ctl, &entry, user, error))
                return FALSE;
            }
        }
      after = before - 1;
    }
  return TRUE;
}
