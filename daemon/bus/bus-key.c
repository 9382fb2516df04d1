/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * im.earshot.Earshot1.Key: one key. SECURITY CRITICAL: raises and lowers trust; each call names the fingerprint in full.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

#define REASON_MAX 255

static void
key_refresh (Window *window, BusObject *object, GDBusInterfaceSkeleton *interface, gboolean full)
{
  EarshotKey *skeleton = EARSHOT_KEY (interface);
  Key *key = contacts_get_key (window->rooms.contacts, &object->id.key);
  const Fingerprint *heir = key != NULL ? key_get_replacement (key) : NULL;
  g_autofree char *hex = fingerprint_to_hex (&object->id.key);
  g_autofree char *display = fingerprint_to_display (&object->id.key);
  g_autofree char *heir_path = heir != NULL ? bus_path_key (heir) : g_strdup ("/");
  Contact *introducer = key != NULL ? key_get_introduced_by (key) : NULL;
  g_autofree char *introducer_path = introducer != NULL ? bus_path_contact (contact_get_id (introducer)) : g_strdup ("/");
  g_autofree char *contact = NULL;
  const char *warnings[7] = { NULL };
  guint n = 0;

  if (key == NULL)
    return;
  if (key_is_expired (key))
    warnings[n++] = "cert-expired";
  if (key_is_refused (key))
    warnings[n++] = "refused";
  if (key_get_chain_word (key) != NULL)
    warnings[n++] = key_get_chain_word (key);
  if (key_is_distrusted (key))
    warnings[n++] = "distrusted";
  if (key_distrusts_us (key))
    warnings[n++] = "distrusts-us";
  if (key_is_introducer_lost (key))
    warnings[n++] = "introducer-untrusted";
  contact = bus_path_contact (contact_get_id (key_get_contact (key)));
  earshot_key_set_fingerprint (skeleton, hex);
  earshot_key_set_display_id (skeleton, display);
  earshot_key_set_contact (skeleton, contact);
  earshot_key_set_trust (skeleton, trust_level_to_string (key_get_level (key)));
  earshot_key_set_trust_source (skeleton, key_get_source (key));
  earshot_key_set_trust_since (skeleton, key_get_since (key));
  earshot_key_set_introduced_by (skeleton, introducer_path);
  earshot_key_set_replaced_by (skeleton, heir_path);
  earshot_key_set_last_used (skeleton, key_get_last_used (key));
  earshot_key_set_warnings (skeleton, warnings);
}

/* FALSE after having failed the call. */
static gboolean
names_this_key (BusCall *call, const char *hex)
{
  GError *error = NULL;
  Fingerprint fp;

  if (!bus_check_fingerprint (hex, &fp, &error))
    {
      bus_call_take_error (call, error);
      return FALSE;
    }
  if (!fingerprint_equal (&fp, &call->id.key))
    {
      bus_call_fail (call, EARSHOT_ERROR_MISMATCH, "that is another key's fingerprint");
      return FALSE;
    }
  return bus_call_get_key (call) != NULL;
}

static void
accept_key (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) options = NULL;
  TrustEvidence evidence;
  GError *error = NULL;
  const char *hex;

  g_variant_get (args, "(&s@a{sv})", &hex, &options);
  if (!bus_evidence_parse (options, "user", &evidence, &error))
    bus_call_take_error (call, error);
  else if (names_this_key (call, hex))
    trust_accept (call->window->rooms.trust, &call->id.key, &evidence, call->audit, bus_call_done, call);
}

static void
revoke_key (BusCall *call, GVariant *args)
{
  const char *hex, *reason;
  GError *error = NULL;

  g_variant_get (args, "(&s&s)", &hex, &reason);
  if (!bus_check_line ("the reason", reason, REASON_MAX, &error))
    bus_call_take_error (call, error);
  else if (names_this_key (call, hex))
    trust_revoke (call->window->rooms.trust, &call->id.key, reason, call->audit, bus_call_done, call);
}

static const BusVerb methods[] = {
  { "Accept", accept_key },
  { "Revoke", revoke_key },
  { NULL, NULL },
};

static const BusVerb setters[] = { { NULL, NULL } };

const BusInterface bus_key = { earshot_key_skeleton_get_type, methods, setters, key_refresh, NULL };
