/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "cli/escape.h"
#include "cli/name-warning.h"
#include "cli/out.h"
#include "cli/peer.h"
#include "cli/time-text.h"
#include "cli/trust-requests.h"

#define PREVIEW_MAX 8 /* messages a stranger may leave */

GVariant *
request_get_details (Ctl *ctl, const char *path)
{
  GVariant *details = model_get (ctl->model, path, "Request", "Details");

  return details != NULL && g_variant_is_of_type (details, G_VARIANT_TYPE_VARDICT) ? details : NULL;
}

const char *
request_detail (Ctl *ctl, const char *path, const char *key)
{
  GVariant *details = request_get_details (ctl, path);

  return details != NULL ? dict_string (details, key) : "";
}

const char *
request_get_fingerprint (Ctl *ctl, const char *path)
{
  const char *key = model_string (ctl->model, path, "Request", "Key");
  const char *said = request_detail (ctl, path, "fingerprint");

  /* The Key object is what a handshake proved; Details only repeat it. */
  if (model_has (ctl->model, key, "Key"))
    return model_string (ctl->model, key, "Key", "Fingerprint");
  return said;
}

gboolean
request_offers (Ctl *ctl, const char *path, const char *choice)
{
  g_autofree const char **choices = model_strv (ctl->model, path, "Request", "Choices");

  return g_strv_contains (choices, choice);
}

const char *
request_get_introducer (Ctl *ctl, const char *path)
{
  return request_detail (ctl, path, "introducer");
}

gboolean
request_is_legacy (Ctl *ctl, const char *path)
{
  return g_str_equal (model_string (ctl->model, path, "Request", "Kind"), "legacy-peer");
}

gboolean
request_is_app (Ctl *ctl, const char *path)
{
  return g_str_equal (model_string (ctl->model, path, "Request", "Kind"), "app-access");
}

gboolean
request_is_own (Ctl *ctl, const char *path)
{
  return g_str_equal (model_string (ctl->model, path, "Request", "Kind"), "duplicate-identity");
}

/* --- showing --------------------------------------------------------------------------- */

static void
print_preview (Ctl *ctl, GVariant *details)
{
  g_autoptr (GVariant) preview = g_variant_lookup_value (details, "preview", G_VARIANT_TYPE ("aa{sv}"));
  gsize n = preview != NULL ? MIN (g_variant_n_children (preview), PREVIEW_MAX) : 0;
  guint terminal = out_columns (ctl);

  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) message = g_variant_get_child_value (preview, i);
      g_auto (GStrv) lines =
        escape_lines (dict_string (message, "body"), terminal > 0 ? terminal - OUT_TRUST_WIDTH - 5 : 0);

      for (guint line = 0; lines[line] != NULL; line++)
        printf ("%*s| %s\n", OUT_TRUST_WIDTH + 2, "", lines[line]);
    }
}

static void print_indented (Ctl *ctl, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
print_indented (Ctl *ctl, const char *format, ...)
{
  va_list args;
  guint terminal = out_columns (ctl);

  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *safe = escape_text (text);
  g_auto (GStrv) lines = escape_lines (safe, terminal > 0 ? terminal - OUT_TRUST_WIDTH - 3 : 0);

  for (guint i = 0; lines[i] != NULL; i++)
    printf ("%*s%s\n", OUT_TRUST_WIDTH + 2, "", lines[i]);
}

/* Eight groups, on one line or on two: a group that is folded is not compared. */
void
request_print_key (Ctl *ctl, const char *label, const char *fingerprint)
{
  g_autofree char *groups = fingerprint_dup_groups (fingerprint);
  gsize half = strlen (groups) / 2;
  guint terminal = out_columns (ctl);

  if (terminal == 0 || terminal > OUT_TRUST_WIDTH + 3 + strlen (label) + 1 + strlen (groups))
    {
      print_indented (ctl, "%s %s", label, groups);
      return;
    }
  print_indented (ctl, "%s %.*s", label, (int) half, groups);
  print_indented (ctl, "%*s %s", (int) strlen (label), "", groups + half + 1);
}

/* The command line that says yes, ready to copy. */
static char *
dup_answer (Ctl *ctl, const char *path)
{
  const char *fingerprint = request_get_fingerprint (ctl, path);
  const char *verb = request_offers (ctl, path, "replace") ? "replace" : "accept";
  g_autofree char *who = peer_dup_selector (ctl, model_string (ctl->model, path, "Request", "Contact"));

  if (request_offers (ctl, path, "rotate"))
    return g_strdup ("xmppctl id rotate, or stop it there and: xmppctl id ignore");
  if (*fingerprint == '\0')
    return g_strdup_printf ("xmppctl trust legacy %s allow, or refuse, or block", who);
  if (request_offers (ctl, path, "verify-replace"))
    return g_strdup_printf ("xmppctl trust replace %.*s --verify, or replace, or accept --separate, or reject, or block",
                            SELECTOR_PREFIX_MIN_TRUST, fingerprint);
  return g_strdup_printf ("xmppctl trust %s %.*s%s, or reject%s", verb, SELECTOR_PREFIX_MIN_TRUST, fingerprint,
                          request_offers (ctl, path, "verify") && request_offers (ctl, path, "block") ? ", also with --verify" : "",
                          request_offers (ctl, path, "block") ? ", or block" : "");
}

/* Whose word it is comes before the words. */
static void
print_introduction (Ctl *ctl, const char *path)
{
  const char *introducer = request_get_introducer (ctl, path), *note = request_detail (ctl, path, "note");
  g_autofree char *label = NULL;

  if (*introducer == '\0')
    return;
  label = model_has (ctl->model, introducer, "Contact") ? peer_dup_label (ctl, introducer)
                                                       : g_strdup (request_detail (ctl, path, "introducer_name"));
  print_indented (ctl, "introduced by %s, key %.16s; the name is what they call this person", label,
                  request_detail (ctl, path, "introducer_fingerprint"));
  if (*note != '\0')
    print_indented (ctl, "| %s", note);
}

static void
print_app (Ctl *ctl, const char *path)
{
  const char *app = request_detail (ctl, path, "app"), *wants = request_detail (ctl, path, "wants");
  g_autofree char *age = time_format_age (model_number (ctl->model, path, "Request", "Created"), g_get_real_time ());

  out_trust (ctl, "-");
  out_line (ctl, "  app-access  %s, %s ago", app, age);
  print_indented (ctl, "a program in a sandbox wants to %s", g_str_equal (wants, "send") ? "read and send messages" : "read your messages and contacts");
}

void
request_show (Ctl *ctl, const char *path)
{
  if (request_is_app (ctl, path))
    {
      print_app (ctl, path);
      return;
    }

  GVariant *details = request_get_details (ctl, path);
  const char *contact = model_string (ctl->model, path, "Request", "Contact");
  const char *name = request_detail (ctl, path, "name"), *link = request_detail (ctl, path, "link");
  const char *old = request_detail (ctl, path, "old_fingerprint"), *fingerprint = request_get_fingerprint (ctl, path);
  const char *announced = request_detail (ctl, path, "announced_fingerprint");
  g_autofree char *age = time_format_age (model_number (ctl->model, path, "Request", "Created"), g_get_real_time ());
  g_autofree char *label = *name != '\0' ? g_strdup_printf ("(%s)", name) : peer_dup_label (ctl, contact);
  g_autofree char *cut = escape_cut (label, 30);
  g_autofree char *warning = name_warning_dup (ctl, contact);

  out_trust (ctl, model_has (ctl->model, contact, "Contact") ? peer_get_trust (ctl, contact) : "unknown");
  out_rest (ctl, OUT_TRUST_WIDTH, "  %s  %s%s%s, %s ago", model_string (ctl->model, path, "Request", "Kind"), cut,
            *link != '\0' ? " on " : "", link, age);
  if (*fingerprint != '\0')
    request_print_key (ctl, "key", fingerprint);
  if (request_is_own (ctl, path))
    print_indented (ctl, "YOUR OWN KEY is in use on another machine: a copy you forgot, or somebody took it");
  if (*old != '\0')
    {
      request_print_key (ctl, "old", old);
      print_indented (ctl, "ANOTHER KEY is known as %s%s", request_detail (ctl, path, "old_name"),
                      dict_bool (details, "old_online") ? ", and it is online too: somebody pretends" : "");
    }
  if (warning != NULL && *old == '\0') /* the line above says more */
    print_indented (ctl, "NAME WARNING: %s", warning);
  if (*announced != '\0')
    {
      g_autofree char *announced_groups = fingerprint_dup_groups (announced);

      print_indented (ctl, "announced with ANOTHER KEY %s: somebody may be in between, compare a code first", announced_groups);
    }
  print_introduction (ctl, path);
  if (details != NULL && dict_bool (details, "forgotten"))
    print_indented (ctl, "you forgot this key once");
  if (details != NULL)
    print_preview (ctl, details);
  if (request_is_legacy (ctl, path))
    {
      print_indented (ctl, "address %s", request_detail (ctl, path, "address"));
      print_indented (ctl, "no encryption: anybody on the link could read and change it, and claim that name");
    }
}

void
request_print (Ctl *ctl, const char *path)
{
  request_show (ctl, path);
  if (request_is_app (ctl, path))
    {
      print_indented (ctl, "xmppctl access grant %s %s, or revoke", request_detail (ctl, path, "app"), request_detail (ctl, path, "wants"));
    }
  else if (request_is_own (ctl, path))
    {
      print_indented (ctl, "xmppctl id rotate, or xmppctl id ignore");
    }
  else if (*request_get_fingerprint (ctl, path) != '\0' || request_is_legacy (ctl, path))
    {
      g_autofree char *answer = dup_answer (ctl, path);

      print_indented (ctl, "%s", answer);
    }
}

static JsonArray *
preview_to_json (GVariant *details)
{
  g_autoptr (GVariant) preview = g_variant_lookup_value (details, "preview", G_VARIANT_TYPE ("aa{sv}"));
  JsonArray *array = json_array_new ();

  for (gsize i = 0; preview != NULL && i < g_variant_n_children (preview); i++)
    {
      g_autoptr (GVariant) message = g_variant_get_child_value (preview, i);
      JsonObject *object = json_object_new ();

      json_object_set_string_member (object, "id", dict_string (message, "id"));
      json_set_time (object, "time", dict_number (message, "time"));
      json_object_set_string_member (object, "body", dict_string (message, "body"));
      json_array_add_object_element (array, object);
    }
  return array;
}

void
request_fill_json (Ctl *ctl, const char *path, JsonObject *object)
{
  GVariant *details = request_get_details (ctl, path);
  const char *contact = model_string (ctl->model, path, "Request", "Contact");
  g_autofree const char **choices = model_strv (ctl->model, path, "Request", "Choices");

  json_object_set_int_member (object, "id", model_number (ctl->model, path, "Request", "Id"));
  json_object_set_string_member (object, "kind", model_string (ctl->model, path, "Request", "Kind"));
  json_set_time (object, "created", model_number (ctl->model, path, "Request", "Created"));
  json_set_strv (object, "choices", choices);
  json_object_set_object_member (object, "peer", peer_ref_to_json (ctl, contact, NULL));
  json_object_set_string_member (object, "app", request_detail (ctl, path, "app"));
  json_object_set_string_member (object, "wants", request_detail (ctl, path, "wants"));
  json_object_set_string_member (object, "fingerprint", request_get_fingerprint (ctl, path));
  json_object_set_string_member (object, "claimed_name", request_detail (ctl, path, "name"));
  json_object_set_string_member (object, "address", request_detail (ctl, path, "address"));
  json_object_set_string_member (object, "link", request_detail (ctl, path, "link"));
  json_object_set_string_member (object, "note", request_detail (ctl, path, "note"));
  if (*request_get_introducer (ctl, path) != '\0')
    json_object_set_object_member (object, "introducer", peer_ref_to_json (ctl, request_get_introducer (ctl, path), NULL));
  json_object_set_string_member (object, "old_fingerprint", request_detail (ctl, path, "old_fingerprint"));
  json_object_set_string_member (object, "announced_fingerprint", request_detail (ctl, path, "announced_fingerprint"));
  json_object_set_string_member (object, "old_name", request_detail (ctl, path, "old_name"));
  json_object_set_string_member (object, "name_warning", model_string (ctl->model, contact, "Contact", "NameWarning"));
  name_warning_add_json (ctl, contact, object);
  json_object_set_boolean_member (object, "old_online", details != NULL && dict_bool (details, "old_online"));
  json_object_set_boolean_member (object, "forgotten", details != NULL && dict_bool (details, "forgotten"));
  if (details != NULL)
    json_object_set_array_member (object, "preview", preview_to_json (details));
}

void
request_print_json (Ctl *ctl, const char *path)
{
  JsonObject *object = json_line_new ("request");

  request_fill_json (ctl, path, object);
  json_line_print (stdout, object);
}

/* --- deciding ---------------------------------------------------------------------------- */

void
decision_clear (Decision *decision)
{
  g_clear_pointer (&decision->contact, g_free);
  g_clear_pointer (&decision->request, g_free);
  g_clear_pointer (&decision->fingerprint, g_free);
}

/* Only questions about whom to trust; a file offer has an "accept" of its own. */
static gboolean
is_about_trust (Ctl *ctl, const char *path)
{
  static const char *const kinds[] = { "new-key", "name-conflict", "introduction", "legacy-peer", NULL };

  return g_strv_contains (kinds, model_string (ctl->model, path, "Request", "Kind"));
}

/* A name conflict is meant by its new key as well as by the name it contests. */
static gboolean
concerns (Ctl *ctl, const char *request, const char *contact, const char *prefix)
{
  const char *fingerprint = request_get_fingerprint (ctl, request);
  g_autofree const char **known = peer_get_fingerprints (ctl, contact);

  if (!is_about_trust (ctl, request) || (prefix != NULL && !g_str_has_prefix (fingerprint, prefix)))
    return FALSE;
  return g_str_equal (model_string (ctl->model, request, "Request", "Contact"), contact)
         || g_strv_contains (known, fingerprint)
         || g_strv_contains (known, request_detail (ctl, request, "old_fingerprint"));
}

static gboolean
find_request (Ctl *ctl, const char *prefix, Decision *decision, GError **error)
{
  g_autoptr (GPtrArray) requests = model_list (ctl->model, "Request");

  for (guint i = 0; i < requests->len; i++)
    {
      const char *path = g_ptr_array_index (requests, i);

      if (!concerns (ctl, path, decision->contact, prefix))
        continue;
      /* Asked about twice: what a friend says of it is more than that it knocked. */
      if (decision->request != NULL
          && g_str_equal (request_get_fingerprint (ctl, path), request_get_fingerprint (ctl, decision->request)))
        {
          if (*request_get_introducer (ctl, decision->request) == '\0' && *request_get_introducer (ctl, path) != '\0')
            {
              g_free (decision->request);
              decision->request = g_strdup (path);
            }
          continue;
        }
      if (decision->request != NULL)
        {
          ctl_hint (ctl, "say which key: --fingerprint FP; see them: xmppctl trust pending");
          g_set_error (error, CLI_ERROR, CLI_ERROR_AMBIGUOUS,
                       "several keys wait for a decision about this peer: %.16s, %.16s",
                       request_get_fingerprint (ctl, decision->request), request_get_fingerprint (ctl, path));
          return FALSE;
        }
      decision->request = g_strdup (path);
    }
  return TRUE;
}

/* Without a question: the one key of the contact that is meant. */
static gboolean
find_key (Ctl *ctl, const char *prefix, Decision *decision, GError **error)
{
  g_autofree const char **known = peer_get_fingerprints (ctl, decision->contact);
  guint matches = 0;

  for (guint i = 0; known[i] != NULL; i++)
    if (*known[i] != '\0' && (prefix == NULL || g_str_has_prefix (known[i], prefix)))
      {
        matches++;
        g_free (decision->fingerprint);
        decision->fingerprint = g_strdup (known[i]);
      }
  if (matches <= 1)
    return TRUE;
  ctl_hint (ctl, "say which key: --fingerprint FP; see them: xmppctl show PEER");
  g_set_error (error, CLI_ERROR, CLI_ERROR_AMBIGUOUS, "this peer has %u keys", matches);
  return FALSE;
}

/* A key that was introduced and never seen belongs to nobody yet: only its own digits mean it. */
static gboolean
find_introduced (Ctl *ctl, const char *peer, Decision *decision)
{
  g_autoptr (GPtrArray) requests = model_list (ctl->model, "Request");
  g_autofree char *prefix = selector_dup_prefix (peer, SELECTOR_PREFIX_MIN_TRUST);

  for (guint i = 0; prefix != NULL && i < requests->len; i++)
    {
      const char *path = g_ptr_array_index (requests, i);

      if (*request_get_introducer (ctl, path) == '\0' || !g_str_has_prefix (request_get_fingerprint (ctl, path), prefix))
        continue;
      if (decision->request != NULL
          && !g_str_equal (request_get_fingerprint (ctl, path), request_get_fingerprint (ctl, decision->request)))
        {
          g_clear_pointer (&decision->request, g_free);
          return FALSE;
        }
      if (decision->request == NULL)
        decision->request = g_strdup (path);
    }
  if (decision->request == NULL)
    return FALSE;
  decision->contact = g_strdup ("/");
  decision->fingerprint = g_strdup (request_get_fingerprint (ctl, decision->request));
  return TRUE;
}

gboolean
decision_find (Ctl *ctl, const char *peer, const char *fingerprint, Decision *decision, GError **error)
{
  g_autofree char *prefix = NULL;
  g_autofree char *by_key = NULL;

  if (fingerprint != NULL && (prefix = selector_dup_prefix (fingerprint, SELECTOR_PREFIX_MIN_TRUST)) == NULL)
    {
      g_set_error (error, CLI_ERROR, CLI_ERROR_USAGE, "--fingerprint takes %d to %d hex digits",
                   SELECTOR_PREFIX_MIN_TRUST, SELECTOR_HEX_DIGITS);
      return FALSE;
    }
  decision->contact = peer_select (ctl, peer, SELECTOR_TRUST, error);
  if (decision->contact == NULL)
    {
      if (!find_introduced (ctl, peer, decision) || (prefix != NULL && !g_str_has_prefix (decision->fingerprint, prefix)))
        return FALSE;
      g_clear_error (error);
      return TRUE;
    }
  /* PEER itself may be digits: then they narrow as --fingerprint does. */
  if (!g_str_equal (peer_get_petname (ctl, decision->contact), peer))
    by_key = selector_dup_prefix (peer, SELECTOR_PREFIX_MIN_TRUST);
  if (!find_request (ctl, prefix != NULL ? prefix : by_key, decision, error))
    return FALSE;
  if (decision->request != NULL && *request_get_fingerprint (ctl, decision->request) != '\0')
    decision->fingerprint = g_strdup (request_get_fingerprint (ctl, decision->request));
  else if (!find_key (ctl, prefix != NULL ? prefix : by_key, decision, error))
    return FALSE;
  if (prefix != NULL && (decision->fingerprint == NULL || !g_str_has_prefix (decision->fingerprint, prefix)))
    {
      g_set_error (error, CLI_ERROR, CLI_ERROR_MISMATCH, "no key of this peer begins with %s; nothing was changed",
                   prefix);
      return FALSE;
    }
  return TRUE;
}
