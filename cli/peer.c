/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "cli/name-warning.h"
#include "cli/peer.h"

#define HINTS_MAX 3

const char *
peer_get_trust (Ctl *ctl, const char *path)
{
  const char *trust = model_string (ctl->model, path, "Contact", "Trust");

  if (model_bool (ctl->model, path, "Contact", "Blocked"))
    return "blocked";
  return *trust != '\0' ? trust : "unknown";
}

gboolean
peer_is_legacy (Ctl *ctl, const char *path)
{
  return g_str_equal (model_string (ctl->model, path, "Contact", "Kind"), "legacy");
}

const char *
peer_get_petname (Ctl *ctl, const char *path)
{
  return model_string (ctl->model, path, "Contact", "Petname");
}

const char *
peer_get_reach (Ctl *ctl, const char *path)
{
  const char *reach = model_string (ctl->model, path, "Contact", "Reach");

  return *reach != '\0' ? reach : "offline";
}

const char *
peer_get_fingerprint (Ctl *ctl, const char *path)
{
  const char *active = model_string (ctl->model, path, "Contact", "ActiveKey");
  g_autofree const char **keys = NULL;

  if (model_has (ctl->model, active, "Key"))
    return model_string (ctl->model, active, "Key", "Fingerprint");
  keys = model_strv (ctl->model, path, "Contact", "Keys");
  return keys[0] != NULL ? model_string (ctl->model, keys[0], "Key", "Fingerprint") : "";
}

const char **
peer_get_fingerprints (Ctl *ctl, const char *path)
{
  const char **keys = model_strv (ctl->model, path, "Contact", "Keys");

  /* Each path makes room for its fingerprint; unset ones match nothing. */
  for (guint i = 0; keys[i] != NULL; i++)
    keys[i] = model_string (ctl->model, keys[i], "Key", "Fingerprint");
  return keys;
}

char *
peer_dup_label (Ctl *ctl, const char *path)
{
  const char *petname = peer_get_petname (ctl, path);
  const char *claimed = model_string (ctl->model, path, "Contact", "ClaimedName");
  const char *address = model_string (ctl->model, path, "Contact", "ClaimedAddress");
  const char *fingerprint = peer_get_fingerprint (ctl, path);

  if (g_str_equal (path, "/"))
    return g_strdup ("(never seen)");
  if (*petname != '\0')
    return g_strdup (petname);
  if (*claimed != '\0')
    return g_strdup_printf ("(%s)", claimed);
  if (*address != '\0')
    return g_strdup_printf ("(%s)", address);
  if (*fingerprint != '\0')
    return g_strdup_printf ("(%.16s)", fingerprint);
  return g_strdup_printf ("(%s)",
                          g_str_has_prefix (path, EARSHOT_ROOT "/") ? path + strlen (EARSHOT_ROOT "/") : "forgotten");
}

char *
peer_dup_selector (Ctl *ctl, const char *path)
{
  const char *petname = peer_get_petname (ctl, path);
  const char *fingerprint = peer_get_fingerprint (ctl, path);

  if (*petname != '\0')
    return g_shell_quote (petname);
  if (*fingerprint != '\0')
    return g_strndup (fingerprint, SELECTOR_PREFIX_MIN_TRUST);
  return g_shell_quote (model_string (ctl->model, path, "Contact", "ClaimedAddress"));
}

char *
peer_dup_endpoints (Ctl *ctl, const char *path)
{
  GVariant *endpoints = model_get (ctl->model, path, "Contact", "Endpoints");
  GString *text = g_string_new (NULL);
  GVariantIter iter;
  const char *link, *address;
  guint32 port;
  gboolean proven;
  gint64 last;

  if (endpoints != NULL && g_variant_is_of_type (endpoints, G_VARIANT_TYPE ("a(ssubx)")))
    {
      g_variant_iter_init (&iter, endpoints);
      while (g_variant_iter_next (&iter, "(&s&subx)", &link, &address, &port, &proven, &last))
        g_string_append_printf (text, "%s%s%s%s port %u%s", text->len > 0 ? ", " : "", link, *link != '\0' ? " " : "",
                                *address != '\0' ? address : "(not resolved)", port, proven ? " proven" : "");
    }
  return g_string_free (text, FALSE);
}

static JsonArray *
endpoints_to_json (Ctl *ctl, const char *path)
{
  GVariant *endpoints = model_get (ctl->model, path, "Contact", "Endpoints");
  JsonArray *array = json_array_new ();
  GVariantIter iter;
  const char *link, *address;
  guint32 port;
  gboolean proven;
  gint64 last;

  if (endpoints == NULL || !g_variant_is_of_type (endpoints, G_VARIANT_TYPE ("a(ssubx)")))
    return array;
  g_variant_iter_init (&iter, endpoints);
  while (g_variant_iter_next (&iter, "(&s&subx)", &link, &address, &port, &proven, &last))
    {
      JsonObject *endpoint = json_object_new ();

      json_object_set_string_member (endpoint, "link", link);
      json_object_set_string_member (endpoint, "address", address);
      json_object_set_int_member (endpoint, "port", port);
      json_object_set_boolean_member (endpoint, "proven", proven);
      json_set_time (endpoint, "last_success", last);
      json_array_add_object_element (array, endpoint);
    }
  return array;
}

/* --- who is meant ----------------------------------------------------------- */

static void
fail_nobody (Ctl *ctl, const char *text, SelectorUse use, gboolean matches_otherwise, GError **error)
{
  if (use == SELECTOR_TRUST && matches_otherwise)
    {
      ctl_hint (ctl, "copy the fingerprint from: xmppctl trust pending, or xmppctl show PEER");
      g_set_error (
        error, CLI_ERROR, CLI_ERROR_USAGE,
        "%s is what a peer claims, or too short: a trust decision takes a petname or %d digits of the fingerprint",
        text, SELECTOR_PREFIX_MIN_TRUST);
      return;
    }
  g_set_error (error, CLI_ERROR, CLI_ERROR_NOT_FOUND,
               "nobody is called %s (no petname, address or fingerprint matches)", text);
}

/* Whoever types the half of an address that is easy to remember shall not have to guess what is wrong with it. */
static void
hint_at_addresses (Ctl *ctl, GArray *candidates, const char *text)
{
  g_autoptr (GArray) like = selector_suggest (candidates, text);
  g_autoptr (GString) list = g_string_new (NULL);

  for (guint i = 0; i < like->len && i < HINTS_MAX; i++)
    {
      const SelectorCandidate *one = &g_array_index (candidates, SelectorCandidate, g_array_index (like, guint, i));

      g_string_append_printf (list, "%s%s", i > 0 ? ", " : "", one->address);
    }
  if (like->len > HINTS_MAX)
    g_string_append_printf (list, " and %u more", like->len - HINTS_MAX);
  if (like->len > 0)
    ctl_hint (ctl, "there is %s: who has no petname yet goes by the whole address, which is a claim; see: xmppctl peers", list->str);
}

static void
fail_ambiguous (Ctl *ctl, GArray *candidates, GArray *found, const char *text, GError **error)
{
  g_autoptr (GString) list = g_string_new (NULL);

  for (guint i = 0; i < found->len && i < 8; i++)
    {
      SelectorCandidate *candidate = &g_array_index (candidates, SelectorCandidate, g_array_index (found, guint, i));
      g_autofree char *label = peer_dup_label (ctl, candidate->path);

      g_string_append_printf (list, "%s%s %.16s", list->len > 0 ? ", " : "", label,
                              candidate->fingerprints[0] != NULL ? candidate->fingerprints[0] : "(no key yet)");
    }
  g_set_error (error, CLI_ERROR, CLI_ERROR_AMBIGUOUS, "%s matches %u peers: %s", text, found->len, list->str);
}

static void
clear_candidate (gpointer data)
{
  g_free ((gpointer) ((SelectorCandidate *) data)->fingerprints);
}

char *
peer_select (Ctl *ctl, const char *text, SelectorUse use, GError **error)
{
  g_autoptr (GPtrArray) paths = model_list (ctl->model, "Contact");
  g_autoptr (GArray) candidates = g_array_new (FALSE, FALSE, sizeof (SelectorCandidate));
  g_autoptr (GArray) found = NULL;

  g_array_set_clear_func (candidates, clear_candidate);
  for (guint i = 0; i < paths->len; i++)
    {
      const char *path = g_ptr_array_index (paths, i);
      SelectorCandidate candidate = { path, peer_get_petname (ctl, path),
                                      model_string (ctl->model, path, "Contact", "ClaimedAddress"),
                                      peer_get_fingerprints (ctl, path) };

      g_array_append_val (candidates, candidate);
    }
  found = selector_match (candidates, text, use);
  if (found->len == 1)
    return g_strdup (g_array_index (candidates, SelectorCandidate, g_array_index (found, guint, 0)).path);
  if (found->len > 1)
    {
      fail_ambiguous (ctl, candidates, found, text, error);
      return NULL;
    }
  g_autoptr (GArray) otherwise = selector_match (candidates, text, SELECTOR_ANY);
  const char *only = otherwise->len == 1
                       ? g_array_index (candidates, SelectorCandidate, g_array_index (otherwise, guint, 0)).path
                       : NULL;

  if (only != NULL && peer_is_legacy (ctl, only))
    return g_strdup (only);
  fail_nobody (ctl, text, use, otherwise->len > 0, error);
  if (use == SELECTOR_ANY)
    hint_at_addresses (ctl, candidates, text);
  return NULL;
}

/* --- JSON --------------------------------------------------------------------- */

JsonObject *
peer_ref_to_json (Ctl *ctl, const char *path, const char *trust)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "petname", peer_get_petname (ctl, path));
  json_object_set_string_member (object, "fingerprint", peer_get_fingerprint (ctl, path));
  json_object_set_string_member (object, "trust",
                                 trust != NULL ? trust : model_string (ctl->model, path, "Contact", "Trust"));
  return object;
}

JsonObject *
peer_to_json (Ctl *ctl, const char *path)
{
  static const struct {
    const char *json, *property;
  } texts[] = {
    { "claimed_name", "ClaimedName" },
    { "address", "ClaimedAddress" },
    { "display_name", "DisplayName" },
    { "name_warning", "NameWarning" },
    { "kind", "Kind" },
    { "show", "Show" },
    { "status_text", "StatusText" },
    { "last_error", "LastError" },
  };
  static const struct {
    const char *json, *property;
  } flags[] = {
    { "stored", "Stored" },
    { "blocked", "Blocked" },
    { "connected", "Connected" },
    { "presence_proven", "PresenceProven" },
    { "legacy_allowed", "LegacyAllowed" },
  };
  JsonObject *object = json_line_new ("peer");

  json_object_set_string_member (object, "petname", peer_get_petname (ctl, path));
  json_object_set_string_member (object, "fingerprint", peer_get_fingerprint (ctl, path));
  json_object_set_string_member (object, "trust", model_string (ctl->model, path, "Contact", "Trust"));
  json_object_set_string_member (object, "reach", peer_get_reach (ctl, path));
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    json_object_set_string_member (object, texts[i].json,
                                   model_string (ctl->model, path, "Contact", texts[i].property));
  for (guint i = 0; i < G_N_ELEMENTS (flags); i++)
    json_object_set_boolean_member (object, flags[i].json, model_bool (ctl->model, path, "Contact", flags[i].property));
  name_warning_add_json (ctl, path, object);
  json_object_set_array_member (object, "endpoints", endpoints_to_json (ctl, path));
  json_set_time (object, "last_seen", model_number (ctl->model, path, "Contact", "LastSeen"));
  json_set_time (object, "first_seen", model_number (ctl->model, path, "Contact", "FirstSeen"));
  json_object_set_int_member (object, "unread", model_number (ctl->model, path, "Conversation", "Unread"));
  json_object_set_string_member (object, "path", path);
  return object;
}

/* --- small things ----------------------------------------------------------------- */

char *
key_dup_source (Ctl *ctl, const char *key)
{
  const char *source = model_string (ctl->model, key, "Key", "TrustSource");
  const char *introducer = model_string (ctl->model, key, "Key", "IntroducedBy");
  g_autofree char *label = model_has (ctl->model, introducer, "Contact") ? peer_dup_label (ctl, introducer) : NULL;

  return label != NULL ? g_strdup_printf ("%s of %s", source, label) : g_strdup (source);
}

char *
fingerprint_dup_groups (const char *hex)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; hex[i] != '\0'; i++)
    {
      if (i > 0 && i % 8 == 0)
        g_string_append_c (text, ' ');
      g_string_append_c (text, hex[i]);
    }
  return g_string_free (text, FALSE);
}

gboolean
trust_reaches (const char *trust, const char *wanted)
{
  static const char *const ladder[] = { "unknown", "pinned", "vouched", "ca", "verified" };
  int have = -1, want = -1;

  for (int i = 0; i < (int) G_N_ELEMENTS (ladder); i++)
    {
      if (g_str_equal (ladder[i], trust))
        have = i;
      if (g_str_equal (ladder[i], wanted))
        want = i;
    }
  return want >= 0 && have >= want;
}
