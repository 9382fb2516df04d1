/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * audit: who changed what about trust, and whether that record was tampered with. The daemon reads and checks; a
 * stranger's words in it are escaped like everywhere.
 */
#include "earshot-config.h"

#include <string.h>

#include "cli/commands.h"
#include "cli/complete.h"
#include "cli/out.h"
#include "cli/peer.h"
#include "cli/progress.h"
#include "cli/time-text.h"
#include "cli/usage.h"

#define AUDIT_DEFAULT 50
#define PAGE 256
#define HASH_DIGITS 64

/* What can be recorded; which words there are is the daemon's to say: it may be newer. */
#define EVENTS                                                                                                                       \
  "pin|join|resolve|accept|add-contact|revoke|block|unblock|forget|keep|legacy|resolve-legacy|setting|refused|denied|verify|"        \
  "app-access|invite|invited|accept-invite|succession|rotate|export-identity|import-identity|introduce|introduction|distrust"

static int option_number;
static char *option_since, *option_contact, *option_event, *option_head;
static gboolean option_check;

static const GOptionEntry audit_options[] = {
  { "number", 'n', 0, G_OPTION_ARG_INT, &option_number, "The last N records (50; with --since all)", "N" },
  { "since", 0, 0, G_OPTION_ARG_STRING, &option_since, "From then on: 2h, yesterday, 10:30, 2026-01-05", "TIME" },
  { "contact", 0, 0, G_OPTION_ARG_STRING, &option_contact, "About one peer, or a key by 8 or more digits", "PEER" },
  { "event", 0, 0, G_OPTION_ARG_STRING, &option_event, "Only these: accept, block, refused, denied, ...", "WORD" },
  { "check", 0, 0, G_OPTION_ARG_NONE, &option_check, "Is the record as it was written? Exit 1 says where not", NULL },
  { "head", 0, 0, G_OPTION_ARG_STRING, &option_head, "With --check: does it still hold this hash, noted before", "HASH" },
  G_OPTION_ENTRY_NULL
};

/* --- check ------------------------------------------------------------------------ */

static const char *
explain_break (const char *reason)
{
  static const struct {
    const char *reason, *text;
  } words[] = {
    { "altered", "this record, or the one before it, is not as it was written" },
    { "missing", "this record was removed" },
    { "inserted", "this record was put there by somebody else" },
    { "chain-lost", "the ends of the record were removed" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_str_equal (words[i].reason, reason))
      return words[i].text;
  return "something is wrong with it";
}

static guint64
number_of (GVariantDict *result, const char *key)
{
  guint64 value = 0;

  g_variant_dict_lookup (result, key, "t", &value);
  return value;
}

static void
print_check (Ctl *ctl, GVariantDict *result, gboolean sound, gboolean found)
{
  const char *head = "", *reason = "";

  g_variant_dict_lookup (result, "head", "&s", &head);
  g_variant_dict_lookup (result, "reason", "&s", &reason);
  if (ctl->json)
    {
      JsonObject *object = json_line_new ("audit-check");

      json_object_set_boolean_member (object, "sound", sound);
      json_object_set_string_member (object, "reason", reason);
      json_object_set_int_member (object, "broken", (gint64) number_of (result, "broken"));
      json_object_set_int_member (object, "first", (gint64) number_of (result, "first"));
      json_object_set_int_member (object, "last", (gint64) number_of (result, "last"));
      json_object_set_int_member (object, "count", (gint64) number_of (result, "count"));
      json_object_set_string_member (object, "head", head);
      if (option_head != NULL)
        json_object_set_boolean_member (object, "head_found", found);
      json_line_print (stdout, object);
      return;
    }
  if (sound)
    out_line (ctl, "sound:  %" G_GUINT64_FORMAT " records, %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT,
              number_of (result, "count"), number_of (result, "first"), number_of (result, "last"));
  else
    out_line (ctl, "broken: at record %" G_GUINT64_FORMAT ": %s (%s)", number_of (result, "broken"), explain_break (reason),
              reason);
  out_line (ctl, "head:   %s", head);
  if (option_head != NULL && found)
    out_line (ctl, "noted:  is record %" G_GUINT64_FORMAT, number_of (result, "noted"));
}

static int
run_check (Ctl *ctl)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotManager) manager = ctl_manager (ctl, &error);
  g_autoptr (GVariantBuilder) options = g_variant_builder_new (G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariantDict) result = NULL;
  gboolean sound = FALSE, found;

  if (option_head != NULL)
    g_variant_builder_add (options, "{sv}", "hash", g_variant_new_string (option_head));
  progress_begin (ctl, "checking every record");
  if (manager == NULL
      || !earshot_manager_call_check_audit_sync (manager, g_variant_builder_end (options), &reply, NULL, &error))
    return ctl_fail (ctl, error);
  progress_end ();
  result = g_variant_dict_new (reply);
  g_variant_dict_lookup (result, "sound", "b", &sound);
  found = option_head == NULL || g_variant_dict_contains (result, "noted");
  print_check (ctl, result, sound, found);
  if (sound && found)
    {
      if (option_head == NULL)
        ctl_note (ctl, "keep the head elsewhere, and check later with --head: only that finds a record rebuilt as a whole");
      return EXIT_DONE;
    }
  ctl_hint (ctl, "xmppctl audit shows what is there now; a copy of trust.db from before tells what was");
  error = !sound ? g_error_new_literal (CLI_ERROR, CLI_ERROR_FAILED, "the record of trust decisions was tampered with")
                 : g_error_new_literal (CLI_ERROR, CLI_ERROR_FAILED,
                                        "no record has that hash: the record was rebuilt, or pruned up to behind it");
  return ctl_fail (ctl, error);
}

/* --- list -------------------------------------------------------------------------- */

static void
print_record (Ctl *ctl, GVariant *item)
{
  const char *event, *fp, *verdict, *inputs = "", *caller = "", *hash = "", *contact = "";
  g_autoptr (GVariant) data = NULL;
  guint64 n;
  gint64 time;

  g_variant_get (item, "(tx&s&s&s@a{sv})", &n, &time, &event, &fp, &verdict, &data);
  g_variant_lookup (data, "inputs", "&s", &inputs);
  g_variant_lookup (data, "caller", "&s", &caller);
  g_variant_lookup (data, "hash", "&s", &hash);
  g_variant_lookup (data, "contact", "&o", &contact);
  if (ctl->json)
    {
      JsonObject *object = json_line_new ("audit");

      json_object_set_int_member (object, "n", (gint64) n);
      json_set_time (object, "time", time);
      json_object_set_string_member (object, "event", event);
      json_object_set_string_member (object, "verdict", verdict);
      json_object_set_string_member (object, "fingerprint", fp);
      if (model_has (ctl->model, contact, "Contact"))
        json_object_set_object_member (object, "peer", peer_ref_to_json (ctl, contact, NULL));
      json_object_set_string_member (object, "inputs", inputs);
      json_object_set_string_member (object, "caller", caller);
      json_object_set_string_member (object, "hash", hash);
      json_line_print (stdout, object);
      return;
    }
  g_autofree char *when = time_format_local (time);
  g_autofree char *label =
    model_has (ctl->model, contact, "Contact") ? peer_dup_label (ctl, contact) : g_strdup ("");

  out_rest (ctl, 0, "%-6" G_GUINT64_FORMAT "  %s  %s: %s%s%.16s%s%s", n, when, event, verdict, *fp != '\0' ? "  " : "", fp,
            *label != '\0' ? "  " : "", label);
  if (*inputs != '\0')
    out_rest (ctl, 0, "        %s", inputs);
  out_rest (ctl, 0, "        by %s", caller);
}

/* Whom: a peer, or, for one that was forgotten, the digits of its key. */
static gboolean
add_contact (Ctl *ctl, GVariantBuilder *filter, GError **error)
{
  g_autoptr (GError) none = NULL;
  g_autofree char *path = peer_select (ctl, option_contact, SELECTOR_ANY, &none);
  g_autofree char *prefix = NULL;

  if (path != NULL)
    {
      g_variant_builder_add (filter, "{sv}", "contact", g_variant_new_object_path (path));
      return TRUE;
    }
  prefix = selector_dup_prefix (option_contact, SELECTOR_PREFIX_MIN);
  if (prefix == NULL || !g_error_matches (none, CLI_ERROR, CLI_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&none));
      return FALSE;
    }
  g_variant_builder_add (filter, "{sv}", "fingerprint", g_variant_new_string (prefix));
  return TRUE;
}

static GVariant *
make_filter (Ctl *ctl, gint64 since, GError **error)
{
  g_autoptr (GVariantBuilder) filter = g_variant_builder_new (G_VARIANT_TYPE_VARDICT);

  if (since > 0)
    g_variant_builder_add (filter, "{sv}", "since", g_variant_new_int64 (since));
  if (option_event != NULL)
    g_variant_builder_add (filter, "{sv}", "event", g_variant_new_string (option_event));
  if (option_contact != NULL && !add_contact (ctl, filter, error))
    return NULL;
  return g_variant_ref_sink (g_variant_builder_end (filter));
}

/* The newest `wanted` of them, newest first: items of a(txsssa{sv}). */
static GPtrArray *
fetch (Ctl *ctl, GVariant *filter, guint wanted, GError **error)
{
  g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  g_autoptr (EarshotManager) manager = ctl_manager (ctl, error);
  guint64 before = 0;
  gboolean more = TRUE;

  if (manager == NULL)
    return NULL;
  while (more && items->len < wanted)
    {
      g_autoptr (GVariant) page = NULL;
      gsize n;

      if (!earshot_manager_call_list_audit_sync (manager, before, MIN (wanted - items->len, PAGE), filter, &page, &more, NULL,
                                                 error))
        return NULL;
      n = g_variant_n_children (page);
      for (gsize i = 0; i < n; i++)
        g_ptr_array_add (items, g_variant_get_child_value (page, i));
      if (n == 0)
        break;
      g_variant_get_child (g_ptr_array_index (items, items->len - 1), 0, "t", &before);
    }
  return g_steal_pointer (&items);
}

static int
run_audit (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) filter = NULL;
  g_autoptr (GPtrArray) items = NULL;
  gint64 since = 0;

  if (option_check && (option_number != 0 || option_since != NULL || option_contact != NULL || option_event != NULL))
    return ctl_usage (ctl, "--check looks at the whole record, and only --head goes with it");
  if (option_head != NULL && !option_check)
    return ctl_usage (ctl, "--head goes with --check");
  if (option_head != NULL
      && (strlen (option_head) != HASH_DIGITS || strspn (option_head, "0123456789abcdefABCDEF") != HASH_DIGITS))
    return ctl_usage (ctl, "--head takes the %d hex digits that --check printed", HASH_DIGITS);
  if (option_number < 0)
    return ctl_usage (ctl, "-n takes a positive number");
  if (option_since != NULL && !time_parse_since (option_since, g_get_real_time (), &since))
    return ctl_usage (ctl, "--since takes a time gone by, such as 2h, yesterday, 10:30 or 2026-01-05; not %s",
                      option_since);
  if (!ctl_load (ctl, &error))
    return ctl_fail (ctl, error);
  if (option_check)
    return run_check (ctl);
  filter = make_filter (ctl, since, &error);
  if (filter == NULL)
    return ctl_fail (ctl, error);
  progress_begin (ctl, "reading the record");
  items = fetch (ctl, filter, option_number > 0 ? (guint) option_number : since > 0 ? G_MAXUINT : AUDIT_DEFAULT, &error);
  progress_end ();
  if (items == NULL)
    return ctl_fail (ctl, error);
  for (guint i = items->len; i > 0; i--)
    print_record (ctl, g_ptr_array_index (items, i - 1));
  if (items->len == 0)
    ctl_note (ctl, "nothing is recorded%s", option_contact != NULL || option_event != NULL || since > 0 ? " of that" : " yet");
  return EXIT_DONE;
}

static gboolean
complete_event (Ctl *ctl, const char *what, const char *before, Completion *completion)
{
  g_auto (GStrv) events = usage_alternatives (EVENTS);

  for (guint i = 0; g_str_equal (what, "WORD") && events[i] != NULL; i++)
    completion_add (completion, events[i], NULL);
  return g_str_equal (what, "WORD");
}

const Command command_audit = {
  .name = "audit",
  .args = "",
  .summary = "The record of trust decisions and refusals, and whether it is whole",
  .detail = "Oldest first: number, time, what was done, verdict, key and peer; what it rested on; who did it.\n"
            "Records form a chain of hashes. --check finds one that was altered, removed or put between, and prints the\n"
            "head; who can write trust.db can also build a new chain, so keep a head elsewhere and give it to --head.",
  .examples = "xmppctl audit -n 20\n"
              "xmppctl audit --contact juliet --since 2026-01-05 --json\n"
              "xmppctl audit --event refused\n"
              "xmppctl audit --check\n"
              "xmppctl audit --check --head \"$(cat noted-head)\"",
  .options = audit_options,
  .run = run_audit,
  .complete = complete_event,
};
