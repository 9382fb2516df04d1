/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * im.earshot.Earshot1.Manager: ourselves, finding and adding people.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

#include <string.h>

#include "daemon/base/log.h"

#define SELECTOR_MAX 400
#define PETNAME_MAX 320 /* bytes; the room counts characters */
#define TEXT_MAX 255
#define ENDPOINTS_MAX 16
#define STRANGERS_MIN 1
#define STRANGERS_MAX 1024
#define CANDIDATES_MAX 8
#define EARSHOT_API_MINOR 3

static const char *const features[] = {
  "edits", "reactions", "markers", "change-state", "distrusts-us",
  "messages", "consumers", "agents", "message-requests", "key-change", "static", "probe", "legacy",
  "audit", "trust-links", "verification", "trust-roots", "search", "export", "import-amended",
  "name-warnings", "verify-choices",
  "app-access",
  "rotation",
  "invites",
  "introductions",
  "diagnose",
  NULL,
};

static gboolean
add_warning (gpointer key, gpointer text, gpointer builder)
{
  g_variant_builder_add (builder, "(ss)", key, text);
  return FALSE;
}

static const char *
eager_connect (Window *window)
{
  const char *word = settings_get (window->rooms.settings, "eager-connect");

  return word != NULL ? word : "queued";
}

static void
manager_refresh (Window *window, BusObject *object, GDBusInterfaceSkeleton *skeleton, gboolean full)
{
  EarshotManager *manager = EARSHOT_MANAGER (skeleton);
  const Rooms *rooms = &window->rooms;
  const Fingerprint *own = identity_get_fingerprint (rooms->identity);
  g_autofree char *hex = fingerprint_to_hex (own);
  g_autofree char *display = fingerprint_to_display (own);
  g_autofree char *link = bus_own_link (window);
  GVariantBuilder warnings;

  g_variant_builder_init (&warnings, G_VARIANT_TYPE ("a(ss)"));
  g_tree_foreach (window->front->warnings, add_warning, &warnings);
  earshot_manager_set_version (manager, PACKAGE_VERSION);
  earshot_manager_set_api_minor (manager, EARSHOT_API_MINOR);
  earshot_manager_set_features (manager, features);
  earshot_manager_set_fingerprint (manager, hex);
  earshot_manager_set_display_id (manager, display);
  earshot_manager_set_address (manager, window->front->instance != NULL ? window->front->instance : "");
  earshot_manager_set_trust_link (manager, link);
  earshot_manager_set_invites (manager, bus_invites_describe (window));
  earshot_manager_set_start_time (manager, window->front->start_time);
  earshot_manager_set_pending_requests (manager, bus_objects_count (window->objects, BUS_REQUEST));
  earshot_manager_set_warnings (manager, g_variant_builder_end (&warnings));
  earshot_manager_set_nick (manager, self_get_nick (rooms->self));
  earshot_manager_set_show (manager, show_to_string (self_get_show (rooms->self)));
  earshot_manager_set_status_text (manager, self_get_status_text (rooms->self));
  earshot_manager_set_visibility (manager, visibility_to_string (self_get_visibility (rooms->self)));
  earshot_manager_set_eager_connect (manager, eager_connect (window));
  earshot_manager_set_max_strangers (manager, contacts_get_max_strangers (rooms->contacts));
  earshot_manager_set_trust_mode (manager, trust_mode_to_string (trust_get_mode (rooms->trust)));
  earshot_manager_set_legacy_policy (manager, legacy_policy_to_string (trust_get_legacy_policy (rooms->trust)));
  earshot_manager_set_trust_roots (manager, roots_list (rooms->roots));
  earshot_manager_set_certificate (manager, bus_identity_describe (rooms->identity));
  earshot_manager_set_share_name (manager, self_get_share (rooms->self, "name"));
  earshot_manager_set_share_jid (manager, self_get_share (rooms->self, "jid"));
  earshot_manager_set_share_email (manager, self_get_share (rooms->self, "email"));
  earshot_manager_set_send_markers (manager, delivery_get_markers (rooms->delivery));
  earshot_manager_set_share_idle (manager, delivery_get_share_idle (rooms->delivery));
}

/* --- finding and adding ---------------------------------------------------------------------------------------- */

static void
find_contact (BusCall *call, GVariant *args)
{
  g_autoptr (GPtrArray) found = NULL;
  g_autoptr (GString) candidates = NULL;
  g_autofree char *path = NULL;
  const char *selector;
  GError *error = NULL;

  g_variant_get (args, "(&s)", &selector);
  if (*selector == '\0')
    {
      bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "the selector is empty");
      return;
    }
  if (!bus_check_line ("the selector", selector, SELECTOR_MAX, &error))
    {
      bus_call_take_error (call, error);
      return;
    }
  found = contacts_select (call->window->rooms.contacts, selector);
  if (found->len == 0)
    {
      bus_call_fail (call, EARSHOT_ERROR_NOT_FOUND, "nobody is called that");
      return;
    }
  path = bus_path_contact (contact_get_id (found->pdata[0]));
  if (found->len == 1)
    {
      bus_call_return (call, g_variant_new ("(o)", path));
      return;
    }
  candidates = g_string_new (path);
  for (guint i = 1; i < MIN (found->len, CANDIDATES_MAX); i++)
    {
      g_autofree char *other = bus_path_contact (contact_get_id (found->pdata[i]));

      g_string_append_printf (candidates, " %s", other);
    }
  bus_call_fail (call, EARSHOT_ERROR_AMBIGUOUS, "%u contacts match: %s", found->len, candidates->str);
}

/* Its key is, when the call says where it is to be found. */
typedef struct {
  char **endpoints;
  char *path;
} Pinning;

static void
pinning_free (gpointer data)
{
  Pinning *pinning = data;

  g_strfreev (pinning->endpoints);
  g_free (pinning->path);
  g_free (pinning);
}

static void
on_endpoints_kept (gpointer user, const GError *error)
{
  BusCall *call = user;
  Pinning *pinning = call->data;

  if (error != NULL)
    bus_call_take_error (call, g_error_new (error->domain, error->code, "the contact is stored as %s, its endpoints until earshotd ends: %s",
                                            pinning->path, error->message));
  else
    bus_call_return (call, g_variant_new ("(o)", pinning->path));
}

static void
on_contact_pinned (gpointer user, guint32 id, const GError *error)
{
  BusCall *call = user;
  Pinning *pinning = call->data;
  char **endpoints = pinning->endpoints;

  if (error != NULL)
    {
      bus_call_return_error (call, error);
      return;
    }
  pinning->path = bus_path_contact (id);
  for (gsize i = 0; endpoints[i] != NULL && !call->window->closed; i++)
    {
      Contact *contact = contacts_get (call->window->rooms.contacts, id);
      g_autoptr (GError) failed = NULL;

      if (contact == NULL
          || contacts_add_static_to (call->window->rooms.contacts, contact, endpoints[i], &failed) == NULL)
        {
          bus_call_fail (call,
                         failed != NULL && failed->domain == EARSHOT_ERROR ? (EarshotError) failed->code
                                                                           : EARSHOT_ERROR_FAILED,
                         "the contact is stored as %s, the endpoint %s is not: %s", pinning->path, endpoints[i],
                         failed != NULL ? failed->message : "the contact is gone");
          return;
        }
    }
  if (endpoints[0] == NULL || call->window->closed)
    bus_call_return (call, g_variant_new ("(o)", pinning->path));
  else
    contacts_await_statics (call->window->rooms.contacts, on_endpoints_kept, call);
}

static void
add_contact (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) options = NULL;
  g_auto (GStrv) endpoints = NULL;
  const char *petname, *hex;
  TrustEvidence evidence;
  Pinning *pinning;
  GError *error = NULL;
  Fingerprint fp;

  g_variant_get (args, "(&s&s^as@a{sv})", &petname, &hex, &endpoints, &options);
  if (!bus_evidence_parse (options, "fingerprint", &evidence, &error) || !bus_check_line ("the petname", petname, PETNAME_MAX, &error)
      || !bus_check_fingerprint (hex, &fp, &error))
    {
      bus_call_take_error (call, error);
      return;
    }
  if (g_strv_length (endpoints) > ENDPOINTS_MAX)
    {
      bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "at most %d endpoints", ENDPOINTS_MAX);
      return;
    }
  for (gsize i = 0; endpoints[i] != NULL; i++)
    if (!bus_check_endpoint (endpoints[i], &error))
      {
        bus_call_take_error (call, error);
        return;
      }
  if (fingerprint_equal (&fp, identity_get_fingerprint (call->window->rooms.identity)))
    {
      bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "that is our own key");
      return;
    }
  pinning = g_new0 (Pinning, 1);
  pinning->endpoints = g_steal_pointer (&endpoints);
  call->data = pinning;
  call->data_free = pinning_free;
  trust_add_contact (call->window->rooms.trust, petname, &fp, &evidence, call->audit, on_contact_pinned, call);
}

/* --- profile --------------------------------------------------------------------------------------------------- */

typedef struct {
  struct {
    const char *key;
    char *value;
  } items[4];
  guint n, next;
} Profile;

static void
profile_free (gpointer data)
{
  Profile *profile = data;

  for (guint i = 0; i < G_N_ELEMENTS (profile->items); i++)
    g_free (profile->items[i].value);
  g_free (profile);
}

/* One after the other, so that the first error ends it. */
static void
profile_next (gpointer user, const GError *error)
{
  BusCall *call = user;
  Profile *profile = call->data;
  guint i = profile->next++;

  if (error != NULL || i == profile->n)
    bus_call_done (call, error);
  else if (call->window->closed)
    bus_call_fail (call, EARSHOT_ERROR_FAILED, "earshotd is going away");
  else
    self_set_profile (call->window->rooms.self, profile->items[i].key, profile->items[i].value, profile_next, call);
}

static void
set_profile (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) given = g_variant_get_child_value (args, 0);
  char *values[4] = { NULL, NULL, NULL, NULL };
  const BusOption table[] = {
    { "first", "s", &values[0] }, { "last", "s", &values[1] }, { "jid", "s", &values[2] },
    { "email", "s", &values[3] }, { NULL, NULL, NULL },
  };
  Profile *profile = g_new0 (Profile, 1);
  GError *error = NULL;
  gboolean ok = bus_options_parse (given, table, &error);

  call->data = profile;
  call->data_free = profile_free;
  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    if (values[i] != NULL)
      {
        ok = ok && bus_check_line (table[i].key, values[i], TEXT_MAX, &error);
        profile->items[profile->n].key = table[i].key;
        profile->items[profile->n++].value = values[i];
      }
  if (!ok)
    bus_call_take_error (call, error);
  else
    profile_next (call, NULL);
}

/* --- properties ------------------------------------------------------------------------------------------------ */

static const char *
checked_text (BusCall *call, GVariant *value, const char *what)
{
  const char *text = g_variant_get_string (value, NULL);
  GError *error = NULL;

  if (bus_check_line (what, text, TEXT_MAX, &error))
    return text;
  bus_call_take_error (call, error);
  return NULL;
}

static void
on_nick_kept (gpointer user, const GError *error)
{
  BusCall *call = user;

  if (error == NULL && !call->window->closed)
    delivery_set_nick (call->window->rooms.delivery, self_get_nick (call->window->rooms.self));
  bus_call_done_root (call, error);
}

static void
set_nick (BusCall *call, GVariant *value)
{
  const char *text = checked_text (call, value, "Nick");

  if (text != NULL)
    self_set_nick (call->window->rooms.self, text, on_nick_kept, call);
}

static void
set_status_text (BusCall *call, GVariant *value)
{
  const char *text = checked_text (call, value, "StatusText");

  if (text != NULL)
    self_set_status_text (call->window->rooms.self, text, bus_call_done_root, call);
}

static void
set_show (BusCall *call, GVariant *value)
{
  Show show;

  if (!show_from_string (g_variant_get_string (value, NULL), &show))
    bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "Show is available, away or dnd");
  else
    self_set_show (call->window->rooms.self, show, bus_call_done_root, call);
}

static void
set_visibility (BusCall *call, GVariant *value)
{
  Visibility visibility;

  if (!visibility_from_string (g_variant_get_string (value, NULL), &visibility))
    bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "Visibility is everyone, private or invisible");
  else
    self_set_visibility (call->window->rooms.self, visibility, bus_call_done_root, call);
}

static void
set_eager_connect (BusCall *call, GVariant *value)
{
  static const char *const words[] = { "never", "queued", "always", NULL };
  const char *word = g_variant_get_string (value, NULL);

  if (!g_strv_contains (words, word))
    bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "EagerConnect is never, queued or always");
  else
    settings_set (call->window->rooms.settings, "eager-connect", word, bus_call_done_root, call);
}

static void
on_max_strangers_kept (gpointer user, const GError *error)
{
  BusCall *call = user;

  if (error == NULL && !call->window->closed)
    contacts_set_max_strangers (call->window->rooms.contacts, GPOINTER_TO_UINT (call->data));
  bus_call_done_root (call, error);
}

static void
set_max_strangers (BusCall *call, GVariant *value)
{
  guint n = g_variant_get_uint32 (value);
  g_autofree char *word = g_strdup_printf ("%u", n);

  if (n < STRANGERS_MIN || n > STRANGERS_MAX)
    {
      bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "MaxStrangers is %d to %d", STRANGERS_MIN, STRANGERS_MAX);
      return;
    }
  call->data = GUINT_TO_POINTER (n);
  settings_set (call->window->rooms.settings, "max-strangers", word, on_max_strangers_kept, call);
}

static void
on_trust_mode_kept (gpointer user, const GError *error)
{
  BusCall *call = user;

  if (error == NULL && !call->window->closed)
    {
      TrustMode mode = (TrustMode) GPOINTER_TO_INT (call->data);
      g_autofree char *inputs = NULL;

      log_event (G_LOG_LEVEL_MESSAGE, "trust", 0, 0, NULL, "mode %s becomes %s by %s",
                 trust_mode_to_string (trust_get_mode (call->window->rooms.trust)), trust_mode_to_string (mode),
                 call->audit);
      inputs = g_strconcat ("trust-mode=", trust_mode_to_string (trust_get_mode (call->window->rooms.trust)), NULL);
      trust_record (call->window->rooms.trust, "setting", inputs, trust_mode_to_string (mode), call->audit);
      trust_set_mode (call->window->rooms.trust, mode);
    }
  bus_call_done_root (call, error);
}

static void
set_trust_mode (BusCall *call, GVariant *value)
{
  TrustMode mode;

  if (!trust_mode_from_string (g_variant_get_string (value, NULL), &mode))
    {
      bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "TrustMode is ask, tofu, ca or strict");
      return;
    }
  if (mode == TRUST_MODE_CA && roots_list (call->window->rooms.roots)[0] == NULL)
    {
      bus_call_fail (call, EARSHOT_ERROR_UNSUPPORTED,
                     "there is no trust root to check against: name its file in earshotd.conf (trust-roots)");
      return;
    }
  call->data = GINT_TO_POINTER (mode);
  settings_set (call->window->rooms.settings, "trust-mode", trust_mode_to_string (mode), on_trust_mode_kept, call);
}

static void
on_legacy_policy_kept (gpointer user, const GError *error)
{
  BusCall *call = user;

  if (error == NULL && !call->window->closed)
    {
      LegacyPolicy policy = (LegacyPolicy) GPOINTER_TO_INT (call->data);
      g_autofree char *inputs = NULL;

      log_event (G_LOG_LEVEL_MESSAGE, "trust", 0, 0, NULL, "legacy policy %s becomes %s by %s",
                 legacy_policy_to_string (trust_get_legacy_policy (call->window->rooms.trust)),
                 legacy_policy_to_string (policy), call->audit);
      inputs = g_strconcat ("legacy-policy=", legacy_policy_to_string (trust_get_legacy_policy (call->window->rooms.trust)), NULL);
      trust_record (call->window->rooms.trust, "setting", inputs, legacy_policy_to_string (policy), call->audit);
      trust_set_legacy_policy (call->window->rooms.trust, policy);
    }
  bus_call_done_root (call, error);
}

static void
set_legacy_policy (BusCall *call, GVariant *value)
{
  LegacyPolicy policy;

  if (!legacy_policy_from_string (g_variant_get_string (value, NULL), &policy))
    {
      bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "LegacyPolicy is refuse, ask or allow");
      return;
    }
  call->data = GINT_TO_POINTER (policy);
  settings_set (call->window->rooms.settings, "legacy-policy", legacy_policy_to_string (policy), on_legacy_policy_kept, call);
}

static void
set_share_name (BusCall *call, GVariant *value)
{
  self_set_share (call->window->rooms.self, "name", g_variant_get_boolean (value), bus_call_done_root, call);
}

static void
set_share_jid (BusCall *call, GVariant *value)
{
  self_set_share (call->window->rooms.self, "jid", g_variant_get_boolean (value), bus_call_done_root, call);
}

static void
set_share_email (BusCall *call, GVariant *value)
{
  self_set_share (call->window->rooms.self, "email", g_variant_get_boolean (value), bus_call_done_root, call);
}

static void
on_markers_kept (gpointer user, const GError *error)
{
  BusCall *call = user;

  if (error == NULL && !call->window->closed)
    delivery_set_markers (call->window->rooms.delivery, GPOINTER_TO_INT (call->data));
  bus_call_done_root (call, error);
}

static void
set_send_markers (BusCall *call, GVariant *value)
{
  call->data = GINT_TO_POINTER (g_variant_get_boolean (value));
  settings_set (call->window->rooms.settings, "send-markers", g_variant_get_boolean (value) ? "true" : "false", on_markers_kept, call);
}

static void
on_share_idle_kept (gpointer user, const GError *error)
{
  BusCall *call = user;

  if (error == NULL && !call->window->closed)
    delivery_set_share_idle (call->window->rooms.delivery, GPOINTER_TO_INT (call->data));
  bus_call_done_root (call, error);
}

static void
set_share_idle (BusCall *call, GVariant *value)
{
  call->data = GINT_TO_POINTER (g_variant_get_boolean (value));
  settings_set (call->window->rooms.settings, "share-idle", g_variant_get_boolean (value) ? "true" : "false", on_share_idle_kept, call);
}

static const BusVerb methods[] = {
  { "SetProfile", set_profile },
  { "FindContact", find_contact },
  { "AddContact", add_contact },
  { "ParseLink", bus_link_parse },
  { "CreateInvite", bus_invite_create },
  { "RevokeInvite", bus_invite_revoke },
  { "AcceptInvite", bus_invite_accept },
  { "ListAudit", bus_audit_list },
  { "CheckAudit", bus_audit_check },
  { "CreateCertificateRequest", bus_identity_create_request },
  { "SetCertificate", bus_identity_set_certificate },
  { "RotateIdentity", bus_identity_rotate },
  { "ExportIdentity", bus_identity_export },
  { "ImportIdentity", bus_identity_import },
  { "RegisterAgent", bus_agents_register },
  { "UnregisterAgent", bus_agents_unregister },
  { "SetAppAccess", bus_apps_set },
  { "ForgetApp", bus_apps_forget },
  { "ListAppAccess", bus_apps_list },
  { NULL, NULL },
};

static const BusVerb setters[] = {
  { "Nick", set_nick },
  { "Show", set_show },
  { "StatusText", set_status_text },
  { "Visibility", set_visibility },
  { "EagerConnect", set_eager_connect },
  { "MaxStrangers", set_max_strangers },
  { "TrustMode", set_trust_mode },
  { "LegacyPolicy", set_legacy_policy },
  { "ShareName", set_share_name },
  { "ShareJid", set_share_jid },
  { "ShareEmail", set_share_email },
  { "SendMarkers", set_send_markers },
  { "ShareIdle", set_share_idle },
  { NULL, NULL },
};

const BusInterface bus_manager = { earshot_manager_skeleton_get_type, methods, setters, manager_refresh, NULL };
