/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "cli/commands.h"
#include "cli/name-warning.h"
#include "cli/out.h"
#include "cli/peer.h"
#include "cli/time-text.h"

static gboolean option_all;

static const GOptionEntry options[] = {
  { "all", 'a', 0, G_OPTION_ARG_NONE, &option_all, "Also those who are not here now", NULL }, G_OPTION_ENTRY_NULL
};

static int
reach_rank (const char *reach)
{
  if (g_str_equal (reach, "online"))
    return 0;
  return g_str_equal (reach, "sighted") ? 1 : 2;
}

static int
compare_peers (gconstpointer a, gconstpointer b, gpointer user)
{
  Ctl *ctl = user;
  const char *left = *(const char *const *) a, *right = *(const char *const *) b;
  int by_reach = reach_rank (peer_get_reach (ctl, left)) - reach_rank (peer_get_reach (ctl, right));
  g_autofree char *left_label = peer_dup_label (ctl, left);
  g_autofree char *right_label = peer_dup_label (ctl, right);

  return by_reach != 0 ? by_reach : g_utf8_collate (left_label, right_label);
}

static void
add_row (Ctl *ctl, Table *table, const char *path)
{
  g_autofree char *label = peer_dup_label (ctl, path);
  g_autofree char *seen = time_format_age (model_number (ctl->model, path, "Contact", "LastSeen"), g_get_real_time ());
  g_autofree char *unread = g_strdup_printf ("%d", (int) model_number (ctl->model, path, "Conversation", "Unread"));
  g_autofree char *key = g_strndup (peer_get_fingerprint (ctl, path), SELECTOR_PREFIX_MIN_TRUST);
  const char *status = model_string (ctl->model, path, "Contact", "StatusText");
  g_autofree char *warning = name_warning_dup_short (ctl, path);
  g_autofree char *note = g_strdup_printf ("%s%s%s%s", warning != NULL ? "name warning: " : "", warning != NULL ? warning : "",
                                           warning != NULL && *status != '\0' ? "; " : "", status);

  table_add (table, peer_get_trust (ctl, path), peer_get_reach (ctl, path),
             model_string (ctl->model, path, "Contact", "Show"), label, key,
             model_string (ctl->model, path, "Contact", "ClaimedAddress"), unread, seen, note, NULL);
}

static int
run_peers (Ctl *ctl, int argc, char **argv)
{
  static const char *const headers[] = { "TRUST",   "REACH",  "SHOW", "NAME",   "KEY",
                                         "ADDRESS", "UNREAD", "SEEN", "STATUS", NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) paths = NULL;
  g_autoptr (Table) table = table_new (headers);
  guint shown = 0;

  if (!ctl_load (ctl, &error))
    return ctl_fail (ctl, error);
  paths = model_list (ctl->model, "Contact");
  g_ptr_array_sort_with_data (paths, compare_peers, ctl);
  for (guint i = 0; i < paths->len; i++)
    {
      const char *path = g_ptr_array_index (paths, i);

      if (!option_all && g_str_equal (peer_get_reach (ctl, path), "offline"))
        continue;
      shown++;
      if (ctl->json)
        json_line_print (stdout, peer_to_json (ctl, path));
      else
        add_row (ctl, table, path);
    }
  if (shown > 0 && !ctl->json)
    table_print (table, ctl);
  if (shown == 0)
    ctl_note (ctl, paths->len > 0 ? "nobody is within earshot now; -a lists the others" : "nobody is within earshot");
  return EXIT_DONE;
}

const Command command_peers = {
  .name = "peers",
  .args = "",
  .summary = "List the people within earshot",
  .detail = "Trust comes first. Names in parentheses are what a peer claims; the others are your petnames.\n"
            "REACH: sighted = announced, key not yet proven; online = a handshake proved the key.",
  .examples = "xmppctl peers\n"
              "xmppctl peers -a --json | jq -r .petname",
  .options = options,
  .run = run_peers,
};
