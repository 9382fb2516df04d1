/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * xmppctl doctor: what the daemon finds wrong with the network, this machine and a peer, and one thing to do about each.
 */
#include "earshot-config.h"

#include "cli/commands.h"
#include "cli/escape.h"
#include "cli/out.h"
#include "cli/peer.h"

/* A handshake that nobody answers takes its time; the daemon ends by itself. */
#define PATIENCE_MS 30000
#define FIX_INDENT 6

static const char *
color_of (const char *status)
{
  return g_str_equal (status, "ok") ? "32" : g_str_equal (status, "warn") ? "33" : "31";
}

/* A line under the title, after what it is. */
static void
print_under (Ctl *ctl, const char *what, const char *text)
{
  guint terminal = out_columns (ctl), indent = FIX_INDENT + (guint) g_utf8_strlen (what, -1);
  g_auto (GStrv) lines = NULL;

  if (*text == '\0')
    return;
  g_autofree char *safe = escape_text (text);

  lines = escape_lines (safe, terminal > indent + 1 ? terminal - indent - 1 : 0);
  for (guint i = 0; lines[i] != NULL; i++)
    printf ("%*s%s%s\n", FIX_INDENT, "", i == 0 ? what : "  ", lines[i]);
}

static void
print_check (Ctl *ctl, const char *id, const char *status, const char *title, GVariant *details)
{
  const char *meaning = dict_string (details, "meaning"), *fix = dict_string (details, "fix"), *contact = dict_string (details, "contact");
  g_autofree char *word = escape_cut (status, FIX_INDENT - 2);

  if (ctl->json)
    {
      JsonObject *object = json_line_new ("check");

      json_object_set_string_member (object, "check", id);
      json_object_set_string_member (object, "status", status);
      json_object_set_string_member (object, "title", title);
      json_object_set_string_member (object, "meaning", meaning);
      json_object_set_string_member (object, "fix", fix);
      if (*dict_string (details, "link") != '\0')
        json_object_set_string_member (object, "link", dict_string (details, "link"));
      if (model_has (ctl->model, contact, "Contact"))
        json_object_set_object_member (object, "peer", peer_ref_to_json (ctl, contact, NULL));
      json_line_print (stdout, object);
      return;
    }
  if (ctl->quiet && g_str_equal (status, "ok"))
    return;
  printf ("%s%-*s%s", out_color (ctl->color_out, color_of (word)), FIX_INDENT, word, out_color (ctl->color_out, ""));
  out_rest (ctl, FIX_INDENT, "%s", title);
  print_under (ctl, "", meaning);
  print_under (ctl, "-> ", fix);
}

static GVariant *
dup_options (const char *contact)
{
  GVariantBuilder options;

  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  if (contact != NULL)
    g_variant_builder_add (&options, "{sv}", "contact", g_variant_new_object_path (contact));
  return g_variant_builder_end (&options);
}

static int
run_doctor (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotNetwork) network = NULL;
  g_autoptr (GVariant) checks = NULL;
  g_autofree char *contact = NULL;
  const char *id, *status, *title;
  GVariant *details;
  GVariantIter iter;
  guint failed = 0, warned = 0;

  if (!ctl_load (ctl, &error) || (argc > 0 && (contact = peer_select (ctl, argv[0], SELECTOR_ANY, &error)) == NULL)
      || (network = ctl_network (ctl, &error)) == NULL)
    return ctl_fail (ctl, error);
  if (ctl->deadline == 0)
    g_dbus_proxy_set_default_timeout (G_DBUS_PROXY (network), PATIENCE_MS);
  if (!ctl->json && ctl->tty_out)
    ctl_note (ctl, "looking; this takes a few seconds");
  if (!earshot_network_call_diagnose_sync (network, dup_options (contact), &checks, NULL, &error))
    return ctl_fail (ctl, error);
  g_variant_iter_init (&iter, checks);
  while (g_variant_iter_next (&iter, "(&s&s&s@a{sv})", &id, &status, &title, &details))
    {
      failed += g_str_equal (status, "fail");
      warned += g_str_equal (status, "warn");
      print_check (ctl, id, status, title, details);
      g_variant_unref (details);
    }
  if (failed > 0)
    ctl_note (ctl, "wrong: %u, doubtful: %u", failed, warned);
  else if (warned > 0)
    ctl_note (ctl, "nothing is wrong, doubtful: %u", warned);
  else
    ctl_note (ctl, "nothing is wrong");
  return failed > 0 ? EXIT_FAILED : EXIT_DONE;
}

const Command command_doctor = {
  .name = "doctor",
  .args = "[PEER]",
  .summary = "What may be wrong with the network, this machine or a peer",
  .detail = "Each line begins with ok, warn or fail; what is not ok says what that means and one thing to do (->). Exit 1\n"
            "when something failed, 0 otherwise. It asks one question on each link, and with PEER tries its addresses; it\n"
            "sends no message and changes nothing. Run it on both machines when two do not see each other. -q leaves out\n"
            "what is ok.",
  .examples = "xmppctl doctor\n"
              "xmppctl doctor juliet\n"
              "xmppctl doctor -q || echo 'ask the admin'\n"
              "xmppctl doctor --json | jq -r 'select(.status == \"fail\") | .fix'",
  .max_args = 1,
  .run = run_doctor,
};
