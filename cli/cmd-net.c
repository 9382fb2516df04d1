/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "cli/commands.h"
#include "cli/complete.h"
#include "cli/out.h"
#include "cli/peer.h"
#include "cli/progress.h"

#define PROBE_TIMEOUT_MS 10000

/* --- links ------------------------------------------------------------------------- */

static char *
dict_to_text (GVariant *dict)
{
  GString *text = g_string_new (NULL);
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, dict);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &value))
    {
      g_autofree char *shown = variant_to_text (value);

      g_string_append_printf (text, "%s%s %s", text->len > 0 ? ", " : "", name, shown);
      g_variant_unref (value);
    }
  return g_string_free (text, FALSE);
}

static void
print_link (Ctl *ctl, const char *name, const char *policy, const char **addresses, GVariant *more)
{
  g_autofree char *list = g_strjoinv (", ", (char **) addresses);
  g_autofree char *rest = dict_to_text (more);
  g_autofree char *line = g_strdup_printf ("%s  %s%s%s", policy, list, *rest != '\0' ? "  " : "", rest);

  if (ctl->json)
    {
      JsonObject *object = json_line_new ("link");

      json_object_set_string_member (object, "link", name);
      json_object_set_string_member (object, "policy", policy);
      json_set_strv (object, "addresses", addresses);
      json_set_variant (object, "details", more);
      json_line_print (stdout, object);
    }
  else
    {
      out_field (ctl, name, line);
    }
}

static int
run_links (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  GVariantIter iter;
  const char *name, *policy;
  const char **addresses;
  GVariant *more;

  if (!ctl_load (ctl, &error))
    return ctl_fail (ctl, error);
  GVariant *links = model_get (ctl->model, EARSHOT_ROOT, "Network", "Links");
  gboolean known = links != NULL && g_variant_is_of_type (links, G_VARIANT_TYPE ("a(ssasa{sv})"));

  if (!ctl->json)
    {
      const char *state = model_string (ctl->model, EARSHOT_ROOT, "Network", "State");
      g_autofree char *port = g_strdup_printf ("%d", (int) model_number (ctl->model, EARSHOT_ROOT, "Network", "Port"));

      out_field (ctl, "state", state);
      out_field (ctl, "backend", model_string (ctl->model, EARSHOT_ROOT, "Network", "Backend"));
      out_field (ctl, "announced as", model_string (ctl->model, EARSHOT_ROOT, "Network", "InstanceName"));
      out_field (ctl, "port", port);
    }
  if (!known || g_variant_n_children (links) == 0)
    {
      ctl_note (ctl, "no link carries discovery now");
      return EXIT_DONE;
    }
  g_variant_iter_init (&iter, links);
  while (g_variant_iter_next (&iter, "(&s&s^a&s@a{sv})", &name, &policy, &addresses, &more))
    {
      print_link (ctl, name, policy, addresses, more);
      g_free (addresses);
      g_variant_unref (more);
    }
  return EXIT_DONE;
}

/* --- rescan, probe ------------------------------------------------------------------- */

static int
run_rescan (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotNetwork) network = NULL;

  if (!ctl_load (ctl, &error) || (network = ctl_network (ctl, &error)) == NULL
      || !earshot_network_call_rescan_sync (network, NULL, &error))
    return ctl_fail (ctl, error);
  ctl_note (ctl, "asked every link who is there");
  return EXIT_DONE;
}

static int
run_probe (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotNetwork) network = NULL;
  g_autoptr (GVariant) result = NULL;
  GVariantIter iter;
  const char *name;
  GVariant *value;

  if (!ctl_load (ctl, &error) || (network = ctl_network (ctl, &error)) == NULL)
    return ctl_fail (ctl, error);
  guint timeout = ctl->deadline > 0 ? (guint) ctl_call_timeout (ctl) : PROBE_TIMEOUT_MS;

  /* The daemon's own verdict shall arrive before we lose patience. */
  g_dbus_proxy_set_default_timeout (G_DBUS_PROXY (network), (int) timeout + 5000);
  progress_begin (ctl, "trying %s", argv[0]);
  if (!earshot_network_call_probe_sync (network, argv[0], timeout, &result, NULL, &error))
    return ctl_fail (ctl, error);
  progress_end ();
  if (ctl->json)
    {
      JsonObject *object = json_line_new ("probe");

      json_object_set_string_member (object, "endpoint", argv[0]);
      json_set_variant (object, "result", result);
      json_line_print (stdout, object);
      return EXIT_DONE;
    }
  g_variant_iter_init (&iter, result);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &value))
    {
      g_autofree char *shown = variant_to_text (value);

      out_field (ctl, name, shown);
      g_variant_unref (value);
    }
  return EXIT_DONE;
}

/* --- static ----------------------------------------------------------------------------- */

static void
print_static (Ctl *ctl, Table *table, const char *endpoint, const char *contact)
{
  if (ctl->json)
    {
      JsonObject *object = json_line_new ("static");

      json_object_set_string_member (object, "endpoint", endpoint);
      json_object_set_object_member (object, "peer", peer_ref_to_json (ctl, contact, NULL));
      json_line_print (stdout, object);
    }
  else
    {
      g_autofree char *label = peer_dup_label (ctl, contact);

      table_add (table, peer_get_trust (ctl, contact), endpoint, peer_get_reach (ctl, contact), label, NULL);
    }
}

static int
run_static_ls (Ctl *ctl, int argc, char **argv)
{
  static const char *const headers[] = { "TRUST", "ENDPOINT", "REACH", "NAME", NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotNetwork) network = NULL;
  g_autoptr (GVariant) entries = NULL;
  g_autoptr (Table) table = table_new (headers);
  GVariantIter iter;
  const char *endpoint, *contact;

  if (!ctl_load (ctl, &error) || (network = ctl_network (ctl, &error)) == NULL
      || !earshot_network_call_list_static_sync (network, &entries, NULL, &error))
    return ctl_fail (ctl, error);
  g_variant_iter_init (&iter, entries);
  while (g_variant_iter_next (&iter, "(&s&o)", &endpoint, &contact))
    print_static (ctl, table, endpoint, contact);
  if (g_variant_n_children (entries) == 0)
    ctl_note (ctl, "no static address is set");
  else if (!ctl->json)
    table_print (table, ctl);
  return EXIT_DONE;
}

static int
run_static_add (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotNetwork) network = NULL;
  g_autofree char *contact = NULL;

  if (!ctl_load (ctl, &error) || (network = ctl_network (ctl, &error)) == NULL
      || !earshot_network_call_add_static_sync (network, argv[0], &contact, NULL, &error))
    return ctl_fail (ctl, error);
  if (ctl->json)
    print_static (ctl, NULL, argv[0], contact);
  else
    ctl_note (ctl, "%s is dialled from now on; its key is a stranger's until you accept it", argv[0]);
  return EXIT_DONE;
}

static int
run_static_rm (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotNetwork) network = NULL;

  if (!ctl_load (ctl, &error) || (network = ctl_network (ctl, &error)) == NULL
      || !earshot_network_call_remove_static_sync (network, argv[0], NULL, &error))
    return ctl_fail (ctl, error);
  ctl_note (ctl, "%s is no longer dialled", argv[0]);
  return EXIT_DONE;
}

/* --- the table ---------------------------------------------------------------------------- */

static const Command command_net_links = {
  .name = "links",
  .args = "",
  .summary = "The links we announce ourselves on",
  .examples = "xmppctl net links\nxmppctl net links --json",
  .run = run_links,
};
static const Command command_net_rescan = {
  .name = "rescan",
  .args = "",
  .summary = "Ask again who is there",
  .examples = "xmppctl net rescan",
  .run = run_rescan,
};
static const Command command_net_probe = {
  .name = "probe",
  .args = "ADDR",
  .summary = "Try a handshake with an address, and tell what answers",
  .examples = "xmppctl net probe 192.0.2.7:5298\nxmppctl net probe '[fe80::1%wlan0]:5298' --timeout 3",
  .min_args = 1,
  .max_args = 1,
  .run = run_probe,
};
static const Command command_net_static_ls = {
  .name = "ls",
  .args = "",
  .summary = "The static addresses",
  .examples = "xmppctl net static ls",
  .run = run_static_ls,
};
static const Command command_net_static_add = {
  .name = "add",
  .args = "ADDR",
  .summary = "Dial this address although nothing announces it",
  .examples = "xmppctl net static add 192.0.2.7:5298\nxmppctl net static add '[2001:db8::7]:5298'",
  .min_args = 1,
  .max_args = 1,
  .run = run_static_add,
};
static gboolean
complete_static (Ctl *ctl, const char *what, const char *before, Completion *completion)
{
  g_autoptr (EarshotNetwork) network = NULL;
  g_autoptr (GVariant) entries = NULL;
  const char *endpoint;

  if (!completion_ask (completion) || (network = ctl_network (ctl, NULL)) == NULL
      || !earshot_network_call_list_static_sync (network, &entries, NULL, NULL))
    return TRUE;
  for (gsize i = 0; i < g_variant_n_children (entries); i++)
    {
      g_variant_get_child (entries, i, "(&so)", &endpoint, NULL);
      completion_add (completion, endpoint, NULL);
    }
  return TRUE;
}

static const Command command_net_static_rm = {
  .name = "rm",
  .args = "ADDR",
  .summary = "Stop dialling it",
  .examples = "xmppctl net static rm 192.0.2.7:5298",
  .min_args = 1,
  .max_args = 1,
  .run = run_static_rm,
  .complete = complete_static,
};

static const Command *const static_subcommands[] = { &command_net_static_ls, &command_net_static_add,
                                                     &command_net_static_rm, NULL };

static const Command command_net_static = {
  .name = "static",
  .args = "[COMMAND]",
  .summary = "Peers beyond multicast, by address",
  .detail = "Without a subcommand: ls.",
  .examples = "xmppctl net static add 192.0.2.7:5298\nxmppctl net static ls",
  .max_args = 0,
  .run = run_static_ls,
  .subcommands = static_subcommands,
};

static const Command *const subcommands[] = { &command_net_links, &command_net_static, &command_net_probe,
                                              &command_net_rescan, NULL };

const Command command_net = {
  .name = "net",
  .args = "[COMMAND]",
  .summary = "Discovery and static peers",
  .detail = "Without a subcommand: links.",
  .examples = "xmppctl net\nxmppctl net static add 192.0.2.7:5298\nxmppctl net probe host.local:5298",
  .max_args = 0,
  .run = run_links,
  .subcommands = subcommands,
};
