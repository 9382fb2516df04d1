/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "cli/commands.h"
#include "cli/name-warning.h"
#include "cli/out.h"
#include "cli/peer.h"
#include "cli/time-text.h"

/* Why nothing gets there now, and what a person can do about it; "" when all is well. */
static char *
explain_reach (Ctl *ctl, const char *path)
{
  const char *reach = peer_get_reach (ctl, path), *last = model_string (ctl->model, path, "Contact", "LastError");
  GVariant *endpoints = model_get (ctl->model, path, "Contact", "Endpoints");
  gsize known = endpoints != NULL && g_variant_is_container (endpoints) ? g_variant_n_children (endpoints) : 0;
  static const struct {
    const char *word, *text;
  } errors[] = {
    { "NotReachable", "the last dial got no answer: a firewall, or it left without saying so" },
    { "Refused", "it closed the last stream: its user blocked or rejected our key" },
    { "NotTrusted", "a key we do not trust answered there: xmppctl trust pending" },
    { "NameConflict", "another key answered under this name: xmppctl trust pending" },
    { "PeerInsecure", "it offers no encryption, and may not be spoken to without: xmppctl trust legacy --help" },
    { "Timeout", "it took too long to answer" },
    { "Mismatch", "the key that answered is not the announced one" },
  };

  if (model_bool (ctl->model, path, "Contact", "Blocked"))
    return g_strdup ("blocked by you; undo with: xmppctl unblock");
  if (model_bool (ctl->model, path, "Contact", "Connected"))
    return g_strdup ("");
  for (guint i = 0; i < G_N_ELEMENTS (errors); i++)
    if (g_str_equal (errors[i].word, last))
      return g_strdup_printf ("%s (%s)", errors[i].text, last);
  if (*last != '\0')
    return g_strdup_printf ("last attempt failed: %s", last);
  if (g_str_equal (reach, "offline") && known == 0)
    return g_strdup ("not announced on any of our links, and no static address is known (xmppctl net static add ADDR)");
  if (g_str_equal (reach, "offline"))
    return g_strdup ("not announced now; its known addresses are dialled when there is something to send");
  return g_strdup ("");
}

/* Nothing of a time that never was. */
static char *
dup_when (const char *before, gint64 time)
{
  g_autofree char *text = time > 0 ? time_format_local (time) : NULL;

  return text != NULL ? g_strconcat (before, text, NULL) : g_strdup ("");
}

static void
print_key (Ctl *ctl, const char *key, gboolean active)
{
  g_autofree char *groups = fingerprint_dup_groups (model_string (ctl->model, key, "Key", "Fingerprint"));
  g_autofree char *since = dup_when (" since ", model_number (ctl->model, key, "Key", "TrustSince"));
  g_autofree char *used = dup_when (", used ", model_number (ctl->model, key, "Key", "LastUsed"));
  g_autofree const char **warnings = model_strv (ctl->model, key, "Key", "Warnings");
  g_autofree char *list = g_strjoinv (", ", (char **) warnings);
  const char *trust = model_string (ctl->model, key, "Key", "Trust");
  g_autofree char *source = key_dup_source (ctl, key);
  g_autofree char *line =
    g_strdup_printf ("%s%s%s%s%s%s%s%s", trust, *source != '\0' ? " by " : "", source, since, used,
                     active ? ", active" : "", *list != '\0' ? ", warnings: " : "", list);

  out_field (ctl, "key", groups);
  out_field (ctl, "", line);
}

static gboolean
is_time (const char *name, GVariant *value)
{
  return strcmp (name, "opened") == 0 && g_variant_is_of_type (value, G_VARIANT_TYPE_INT64);
}

static void
print_session (Ctl *ctl, const char *path)
{
  GVariant *session = model_get (ctl->model, path, "Contact", "Session");
  GVariantIter iter;
  const char *name;
  GVariant *value;
  g_autoptr (GString) text = g_string_new (NULL);

  if (session == NULL || !g_variant_is_of_type (session, G_VARIANT_TYPE_VARDICT))
    return;
  g_variant_iter_init (&iter, session);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &value))
    {
      g_autofree char *shown =
        is_time (name, value) ? time_format_local (g_variant_get_int64 (value)) : variant_to_text (value);

      g_string_append_printf (text, "%s%s %s", text->len > 0 ? ", " : "", name, shown);
      g_variant_unref (value);
    }
  out_field (ctl, "session", text->str);
}

static void
print_presence (Ctl *ctl, const char *path)
{
  const char *status = model_string (ctl->model, path, "Contact", "StatusText");
  gboolean proven = model_bool (ctl->model, path, "Contact", "PresenceProven");
  g_autofree char *presence = g_strdup_printf ("%s%s%s%s", model_string (ctl->model, path, "Contact", "Show"),
                                               *status != '\0' ? ": " : "", status, proven ? "" : " (claimed)");
  g_autofree char *reach = g_strdup_printf ("%s%s", peer_get_reach (ctl, path),
                                            model_bool (ctl->model, path, "Contact", "Connected") ? ", connected" : "");
  g_autofree char *why = explain_reach (ctl, path);
  g_autofree char *endpoints = peer_dup_endpoints (ctl, path);
  g_autofree char *first = time_format_local (model_number (ctl->model, path, "Contact", "FirstSeen"));
  g_autofree char *last = time_format_local (model_number (ctl->model, path, "Contact", "LastSeen"));
  g_autofree char *seen = g_strdup_printf ("first %s, last %s", first, last);

  out_field (ctl, "reach", reach);
  out_field (ctl, "why", why);
  if (!g_str_equal (peer_get_reach (ctl, path), "offline"))
    out_field (ctl, "presence", presence);
  out_field (ctl, "endpoints", endpoints);
  out_field (ctl, "seen", seen);
  print_session (ctl, path);
}

static void
print_text (Ctl *ctl, const char *path)
{
  g_autofree char *label = peer_dup_label (ctl, path);
  g_autofree char *warning = name_warning_dup (ctl, path);
  g_autofree const char **keys = model_strv (ctl->model, path, "Contact", "Keys");
  g_autofree const char **contests = model_strv (ctl->model, path, "Contact", "Contests");
  const char *active = model_string (ctl->model, path, "Contact", "ActiveKey");
  gint64 unread = model_number (ctl->model, path, "Conversation", "Unread");

  out_field (ctl, "trust", peer_get_trust (ctl, path));
  out_field (ctl, "name", label);
  if (peer_is_legacy (ctl, path))
    out_field (ctl, "kind", model_bool (ctl->model, path, "Contact", "LegacyAllowed")
                              ? "legacy: no encryption, allowed by you" : "legacy: no encryption");
  out_field (ctl, "claims", model_string (ctl->model, path, "Contact", "ClaimedName"));
  out_field (ctl, "address", model_string (ctl->model, path, "Contact", "ClaimedAddress"));
  out_field (ctl, "name warning", warning);
  for (guint i = 0; contests[i] != NULL; i++)
    {
      g_autofree char *other = peer_dup_label (ctl, contests[i]);

      out_field (ctl, "contests", other);
    }
  for (guint i = 0; keys[i] != NULL; i++)
    print_key (ctl, keys[i], g_str_equal (keys[i], active));
  print_presence (ctl, path);
  if (unread > 0)
    {
      g_autofree char *count = g_strdup_printf ("%d", (int) unread);

      out_field (ctl, "unread", count);
    }
  out_field (ctl, "requires", model_string (ctl->model, path, "Conversation", "DefaultRequire"));
}

/* Times are RFC 3339 like everywhere else. */
static JsonObject *
session_to_json (GVariant *session)
{
  JsonObject *object = json_object_new ();
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, session);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &value))
    {
      if (is_time (name, value))
        json_set_time (object, name, g_variant_get_int64 (value));
      else
        json_set_variant (object, name, value);
      g_variant_unref (value);
    }
  return object;
}

static void
print_json (Ctl *ctl, const char *path)
{
  JsonObject *object = peer_to_json (ctl, path);
  JsonArray *array = json_array_new ();
  g_autofree const char **keys = model_strv (ctl->model, path, "Contact", "Keys");
  g_autofree char *why = explain_reach (ctl, path);
  GVariant *session = model_get (ctl->model, path, "Contact", "Session");

  for (guint i = 0; keys[i] != NULL; i++)
    {
      JsonObject *key = json_object_new ();
      g_autofree const char **warnings = model_strv (ctl->model, keys[i], "Key", "Warnings");

      json_object_set_string_member (key, "fingerprint", model_string (ctl->model, keys[i], "Key", "Fingerprint"));
      json_object_set_string_member (key, "trust", model_string (ctl->model, keys[i], "Key", "Trust"));
      json_object_set_string_member (key, "source", model_string (ctl->model, keys[i], "Key", "TrustSource"));
      json_set_time (key, "since", model_number (ctl->model, keys[i], "Key", "TrustSince"));
      json_set_time (key, "last_used", model_number (ctl->model, keys[i], "Key", "LastUsed"));
      json_set_strv (key, "warnings", warnings);
      if (model_has (ctl->model, model_string (ctl->model, keys[i], "Key", "IntroducedBy"), "Contact"))
        json_object_set_object_member (key, "introduced_by",
                                       peer_ref_to_json (ctl, model_string (ctl->model, keys[i], "Key", "IntroducedBy"), NULL));
      json_array_add_object_element (array, key);
    }
  json_object_set_array_member (object, "keys", array);
  json_object_set_string_member (object, "why", why);
  if (session != NULL)
    json_object_set_object_member (object, "session", session_to_json (session));
  json_line_print (stdout, object);
}

static int
run_show (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;

  if (!ctl_load (ctl, &error) || (path = peer_select (ctl, argv[0], SELECTOR_ANY, &error)) == NULL)
    return ctl_fail (ctl, error);
  if (ctl->json)
    print_json (ctl, path);
  else
    print_text (ctl, path);
  return EXIT_DONE;
}

const Command command_show = {
  .name = "show",
  .args = "PEER",
  .summary = "All about one peer, and why it is unreachable",
  .examples = "xmppctl show juliet\n"
              "xmppctl show romeo@forza --json\n"
              "xmppctl show b1946ac9",
  .min_args = 1,
  .max_args = 1,
  .run = run_show,
};
