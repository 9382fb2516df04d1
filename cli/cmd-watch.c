/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "cli/commands.h"
#include "cli/entry.h"
#include "cli/live.h"
#include "cli/peer.h"
#include "cli/time-text.h"
#include "cli/trust-requests.h"
#include "cli/usage.h"

static gint64 option_since = -1;
/* Of --kinds; an entry of another kind is one of a newer daemon. */
#define KINDS "message|edit|retract|reaction|state|read|trust|request|transfer|reach"

static char *option_kinds;

static const GOptionEntry options[] = {
  { "since", 0, 0, G_OPTION_ARG_INT64, &option_since, "Begin behind that entry of the log; 0 = the oldest", "SEQ" },
  { "kinds", 0, 0, G_OPTION_ARG_STRING, &option_kinds, "Only these, with commas between", KINDS ",..." },
  G_OPTION_ENTRY_NULL
};

typedef struct {
  char **kinds; /* NULL = all */
  guint64 seen;
  GHashTable *reach; /* contact path -> what was last reported */
} Watcher;

static gboolean
is_wanted (Watcher *watcher, const char *kind)
{
  return watcher->kinds == NULL || g_strv_contains ((const char *const *) watcher->kinds, kind);
}

/* --- reach ----------------------------------------------------------------------------- */

static void
print_reach (Ctl *ctl, const char *path, const char *reach)
{
  gint64 now = g_get_real_time ();

  if (ctl->json)
    {
      JsonObject *object = json_line_new ("reach");

      json_set_time (object, "time", now);
      json_object_set_string_member (object, "reach", reach);
      json_object_set_object_member (object, "peer", peer_ref_to_json (ctl, path, NULL));
      json_object_set_string_member (object, "claimed_name", model_string (ctl->model, path, "Contact", "ClaimedName"));
      json_object_set_string_member (object, "address", model_string (ctl->model, path, "Contact", "ClaimedAddress"));
      json_object_set_string_member (object, "show", model_string (ctl->model, path, "Contact", "Show"));
      json_line_print (stdout, object);
    }
  else
    {
      g_autofree char *when = time_format_local (now);
      g_autofree char *label = peer_dup_label (ctl, path);

      out_trust (ctl, peer_get_trust (ctl, path));
      out_rest (ctl, OUT_TRUST_WIDTH, "  %s  %s is %s", when, label, reach);
    }
  if (!out_flush ())
    live_quit (ctl, EXIT_FAILED);
}

static void
note_reach (Ctl *ctl, Watcher *watcher, const char *path, const char *reach, gboolean report)
{
  const char *before = g_hash_table_lookup (watcher->reach, path);

  if (g_str_equal (before != NULL ? before : "offline", reach))
    return;
  g_hash_table_insert (watcher->reach, g_strdup (path), g_strdup (reach));
  if (report && is_wanted (watcher, "reach"))
    print_reach (ctl, path, reach);
}

static void
note_all (Ctl *ctl, Watcher *watcher, gboolean report)
{
  g_autoptr (GPtrArray) paths = model_list (ctl->model, "Contact");

  for (guint i = 0; i < paths->len; i++)
    {
      const char *path = g_ptr_array_index (paths, i);

      note_reach (ctl, watcher, path, peer_get_reach (ctl, path), report);
    }
}

/* --- the log ------------------------------------------------------------------------------ */

static gboolean
on_entry (Ctl *ctl, const Entry *entry, gpointer user, GError **error)
{
  Watcher *watcher = user;

  watcher->seen = entry->seq;
  if (!is_wanted (watcher, entry->kind))
    return TRUE;
  if (ctl->json)
    entry_print_json (ctl, entry);
  else
    entry_print (ctl, entry);
  if (out_flush ())
    return TRUE;
  g_set_error (error, CLI_ERROR, CLI_ERROR_FAILED, "cannot write the output");
  return FALSE;
}

static void
catch_up (Ctl *ctl, Watcher *watcher, guint64 head)
{
  g_autoptr (GError) error = NULL;
  guint64 tail = (guint64) model_number (ctl->model, EARSHOT_ROOT, "Messages", "TailSeq");

  if (tail > 0 && watcher->seen < tail - 1)
    watcher->seen = tail - 1;
  if (!entries_forward (ctl, "/", ENTRY_ALL, watcher->seen, head, on_entry, watcher, &error))
    live_fail (ctl, error);
  else
    watcher->seen = MAX (watcher->seen, head);
}

static void
on_appended (Ctl *ctl, guint64 seq, const char *kind, const char *conversation, gpointer user)
{
  catch_up (ctl, user, seq);
}

static void
on_changed (Ctl *ctl, const char *path, const char *interface, gpointer user)
{
  if (g_str_equal (interface, "Contact"))
    note_reach (ctl, user, path, peer_get_reach (ctl, path), TRUE);
  /* A new question appears as an object; people at a terminal want to know. */
  if (g_str_equal (interface, "Request") && !ctl->json && is_wanted (user, "request"))
    {
      const char *contact = model_string (ctl->model, path, "Request", "Contact");
      g_autofree char *label = request_is_app (ctl, path) ? g_strdup (request_detail (ctl, path, "app")) : peer_dup_label (ctl, contact);

      out_trust (ctl, "request");
      out_rest (ctl, OUT_TRUST_WIDTH, "  %s from %s waits for you: xmppctl trust pending",
                model_string (ctl->model, path, "Request", "Kind"), label);
      out_flush ();
    }
  /* Once, when there is a code: somebody over there waits for ours. */
  if (g_str_equal (interface, "Verification") && !ctl->json && is_wanted (user, "request")
      && g_str_equal (model_string (ctl->model, path, "Verification", "Role"), "responder")
      && g_str_equal (model_string (ctl->model, path, "Verification", "State"), "comparing"))
    {
      const char *contact = model_string (ctl->model, path, "Verification", "Contact");
      g_autofree char *label = peer_dup_label (ctl, contact);
      g_autofree char *selector = peer_dup_selector (ctl, contact);

      out_trust (ctl, "request");
      out_rest (ctl, OUT_TRUST_WIDTH, "  %s wants to compare codes with you: xmppctl verify %s", label, selector);
      out_flush ();
    }
}

static void
on_removed (Ctl *ctl, const char *path, gpointer user)
{
  if (model_has (ctl->model, path, "Contact"))
    note_reach (ctl, user, path, "offline", TRUE);
}

static guint64
head_of (Ctl *ctl)
{
  return (guint64) model_number (ctl->model, EARSHOT_ROOT, "Messages", "HeadSeq");
}

static void
on_resync (Ctl *ctl, gpointer user)
{
  note_all (ctl, user, TRUE);
  catch_up (ctl, user, head_of (ctl));
}

/* --- the command ---------------------------------------------------------------------------- */

static void
print_opening (Ctl *ctl)
{
  g_autoptr (GPtrArray) paths = model_list (ctl->model, "Contact");

  for (guint i = 0; i < paths->len; i++)
    {
      const char *path = g_ptr_array_index (paths, i);
      const char *reach = peer_get_reach (ctl, path);

      if (!g_str_equal (reach, "offline"))
        print_reach (ctl, path, reach);
    }
  ctl_note (ctl, "%s watches; Ctrl-C ends", model_string (ctl->model, EARSHOT_ROOT, "Manager", "Address"));
}

static gboolean
check_kinds (Ctl *ctl, Watcher *watcher)
{
  if (option_kinds == NULL)
    return TRUE;
  watcher->kinds = g_strsplit (option_kinds, ",", -1);
  for (guint i = 0; watcher->kinds[i] != NULL; i++)
    if (!usage_allows (KINDS, watcher->kinds[i]))
      {
        ctl_usage (ctl, "--kinds knows " KINDS ", not '%s'", watcher->kinds[i]);
        return FALSE;
      }
  return TRUE;
}

static int
watch (Ctl *ctl, Watcher *watcher)
{
  static const LiveHandlers handlers = {
    .appended = on_appended,
    .changed = on_changed,
    .removed = on_removed,
    .resync = on_resync,
  };
  g_autoptr (GError) error = NULL;

  if (!check_kinds (ctl, watcher))
    return EXIT_USAGE;
  if (option_since < -1)
    return ctl_usage (ctl, "--since takes the seq of an entry");
  if (!live_start (ctl, &handlers, watcher, &error))
    return ctl_fail (ctl, error);
  note_all (ctl, watcher, FALSE);
  if (is_wanted (watcher, "reach"))
    print_opening (ctl);
  watcher->seen = option_since >= 0 ? (guint64) option_since : head_of (ctl);
  catch_up (ctl, watcher, head_of (ctl));
  return live_run (ctl);
}

static int
run_watch (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GHashTable) reach = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  Watcher watcher = { .reach = reach };
  int code = watch (ctl, &watcher);

  g_strfreev (watcher.kinds);
  return code;
}

const Command command_watch = {
  .name = "watch",
  .args = "",
  .summary = "Live feed: messages, states, decisions, who comes and goes",
  .detail = "Begins with who is here now. Each entry of the log has a seq; --since resumes behind one, without gap.\n"
            "Coming and going (reach) is not in the log and has no seq.",
  .examples = "xmppctl watch\n"
              "xmppctl watch --kinds message,reach --json\n"
              "xmppctl watch --since 812 --kinds message",
  .options = options,
  .run = run_watch,
};
