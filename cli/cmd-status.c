/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "cli/commands.h"
#include "cli/out.h"
#include "cli/peer.h"
#include "cli/time-text.h"

typedef struct {
  guint online, sighted, offline;
} ReachCounts;

static ReachCounts
count_reach (Ctl *ctl)
{
  g_autoptr (GPtrArray) paths = model_list (ctl->model, "Contact");
  ReachCounts counts = { 0 };

  for (guint i = 0; i < paths->len; i++)
    {
      const char *reach = peer_get_reach (ctl, g_ptr_array_index (paths, i));

      if (g_str_equal (reach, "online"))
        counts.online++;
      else if (g_str_equal (reach, "sighted"))
        counts.sighted++;
      else
        counts.offline++;
    }
  return counts;
}

static gint64
number (Ctl *ctl, const char *interface, const char *property)
{
  return model_number (ctl->model, EARSHOT_ROOT, interface, property);
}

static const char *
string (Ctl *ctl, const char *interface, const char *property)
{
  return model_string (ctl->model, EARSHOT_ROOT, interface, property);
}

static void
print_json (Ctl *ctl, ReachCounts counts)
{
  JsonObject *object = json_line_new ("status");
  GVariant *warnings = model_get (ctl->model, EARSHOT_ROOT, "Manager", "Warnings");

  json_object_set_string_member (object, "address", string (ctl, "Manager", "Address"));
  json_object_set_string_member (object, "nick", string (ctl, "Manager", "Nick"));
  json_object_set_string_member (object, "fingerprint", string (ctl, "Manager", "Fingerprint"));
  json_object_set_string_member (object, "show", string (ctl, "Manager", "Show"));
  json_object_set_string_member (object, "status_text", string (ctl, "Manager", "StatusText"));
  json_object_set_string_member (object, "visibility", string (ctl, "Manager", "Visibility"));
  json_object_set_string_member (object, "trust_mode", string (ctl, "Manager", "TrustMode"));
  json_object_set_string_member (object, "legacy_policy", string (ctl, "Manager", "LegacyPolicy"));
  json_object_set_string_member (object, "version", string (ctl, "Manager", "Version"));
  json_set_time (object, "start_time", number (ctl, "Manager", "StartTime"));
  json_object_set_string_member (object, "network", string (ctl, "Network", "State"));
  json_object_set_string_member (object, "backend", string (ctl, "Network", "Backend"));
  json_object_set_int_member (object, "online", counts.online);
  json_object_set_int_member (object, "sighted", counts.sighted);
  json_object_set_int_member (object, "offline", counts.offline);
  json_object_set_int_member (object, "unread", number (ctl, "Messages", "Unread"));
  json_object_set_int_member (object, "queued", number (ctl, "Messages", "Queued"));
  json_object_set_int_member (object, "held", number (ctl, "Messages", "Held"));
  json_object_set_int_member (object, "pending", number (ctl, "Manager", "PendingRequests"));
  if (warnings != NULL)
    json_set_variant (object, "warnings", warnings);
  json_line_print (stdout, object);
}

static void
print_warnings (Ctl *ctl)
{
  GVariant *warnings = model_get (ctl->model, EARSHOT_ROOT, "Manager", "Warnings");
  GVariantIter iter;
  const char *key, *text;

  if (warnings == NULL || !g_variant_is_of_type (warnings, G_VARIANT_TYPE ("a(ss)")))
    return;
  g_variant_iter_init (&iter, warnings);
  while (g_variant_iter_next (&iter, "(&s&s)", &key, &text))
    {
      g_autofree char *line = g_strdup_printf ("%s (%s)", text, key);

      out_field (ctl, "warning", line);
    }
}

static void
print_counts (Ctl *ctl, ReachCounts counts)
{
  gint64 pending = number (ctl, "Manager", "PendingRequests"), unread = number (ctl, "Messages", "Unread");
  g_autofree char *peers =
    g_strdup_printf ("%u online, %u sighted, %u offline", counts.online, counts.sighted, counts.offline);
  g_autofree char *messages =
    g_strdup_printf ("%d unread, %d queued, %d held%s", (int) unread, (int) number (ctl, "Messages", "Queued"),
                     (int) number (ctl, "Messages", "Held"), unread > 0 ? " (xmppctl inbox)" : "");
  g_autofree char *decisions =
    g_strdup_printf ("%d waiting%s", (int) pending, pending > 0 ? " (xmppctl trust pending)" : "");

  out_field (ctl, "peers", peers);
  out_field (ctl, "messages", messages);
  out_field (ctl, "decisions", decisions);
}

static int
run_status (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  if (!ctl_load (ctl, &error))
    return ctl_fail (ctl, error);
  ReachCounts counts = count_reach (ctl);

  if (ctl->json)
    {
      print_json (ctl, counts);
      return EXIT_DONE;
    }
  const char *nick = string (ctl, "Manager", "Nick"), *text = string (ctl, "Manager", "StatusText");
  g_autofree char *groups = fingerprint_dup_groups (string (ctl, "Manager", "Fingerprint"));
  g_autofree char *me = g_strdup_printf ("%s%s%s%s", string (ctl, "Manager", "Address"), *nick != '\0' ? " (" : "",
                                         nick, *nick != '\0' ? ")" : "");
  g_autofree char *presence = g_strdup_printf ("%s%s%s, visible to %s", string (ctl, "Manager", "Show"),
                                               *text != '\0' ? ": " : "", text, string (ctl, "Manager", "Visibility"));
  g_autofree char *network =
    g_strdup_printf ("%s (%s), port %d", string (ctl, "Network", "State"), string (ctl, "Network", "Backend"),
                     (int) number (ctl, "Network", "Port"));

  out_field (ctl, "me", me);
  out_field (ctl, "key", groups);
  out_field (ctl, "presence", presence);
  out_field (ctl, "network", network);
  print_counts (ctl, counts);
  if (ctl->verbose)
    {
      g_autofree const char **features = model_strv (ctl->model, EARSHOT_ROOT, "Manager", "Features");
      g_autofree char *list = g_strjoinv (", ", (char **) features);
      g_autofree char *since = time_format_local (number (ctl, "Manager", "StartTime"));

      out_field (ctl, "trust mode", string (ctl, "Manager", "TrustMode"));
      out_field (ctl, "legacy policy", string (ctl, "Manager", "LegacyPolicy"));
      out_field (ctl, "daemon", string (ctl, "Manager", "Version"));
      out_field (ctl, "running since", since);
      out_field (ctl, "features", list);
    }
  print_warnings (ctl);
  return EXIT_DONE;
}

const Command command_status = {
  .name = "status",
  .args = "",
  .summary = "Overview: who I am, who is near, what waits",
  .detail = "Queued messages leave as soon as their peer is reachable; held ones wait for a decision about trust,\n"
            "here (xmppctl trust pending) or on the other side.",
  .examples = "xmppctl\n"
              "xmppctl status --json | jq .unread",
  .run = run_status,
};
