/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * im.earshot.Earshot1.Verification: two people compare a code. SECURITY CRITICAL: what a word is worth is model/verification.c's; here it
 * comes from a caller who may call, and is well-formed.
 *
 * The code is read and never told: signals reach every program that may listen, also those that may not call.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

#define CODE_MAX 64 /* bytes, with whatever separators people type */
#define REASON_MAX 255

GVariant *
bus_verification_get_details (Verification *run)
{
  Contact *contact = verification_get_contact (run);
  g_autofree char *hex = fingerprint_to_hex (verification_get_fingerprint (run));
  g_autofree char *display = fingerprint_to_display (verification_get_fingerprint (run));
  g_autofree char *name = contact != NULL ? contact_dup_display_name (contact) : g_strdup ("");
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder, "{sv}", "fingerprint", g_variant_new_string (hex));
  g_variant_builder_add (&builder, "{sv}", "display_id", g_variant_new_string (display));
  g_variant_builder_add (&builder, "{sv}", "name", g_variant_new_string (name));
  return g_variant_builder_end (&builder);
}

static GVariant *
verification_read (Window *window, BusObject *object, const char *name)
{
  Verification *run = verifications_get (window->rooms.verifications, object->id.verification);

  return run != NULL && g_str_equal (name, "Code") ? g_variant_new_string (verification_get_code (run)) : NULL;
}

static void
verification_refresh (Window *window, BusObject *object, GDBusInterfaceSkeleton *interface, gboolean full)
{
  EarshotVerification *skeleton = EARSHOT_VERIFICATION (interface);
  Verification *run = verifications_get (window->rooms.verifications, object->id.verification);
  Contact *contact = run != NULL ? verification_get_contact (run) : NULL;
  g_autofree char *person = contact != NULL ? bus_path_contact (contact_get_id (contact)) : g_strdup ("/");
  g_autofree char *key = NULL;

  if (run == NULL)
    return;
  key = bus_path_key (verification_get_fingerprint (run));
  earshot_verification_set_contact (skeleton, person);
  earshot_verification_set_key (skeleton, key);
  earshot_verification_set_state (skeleton, verification_state_to_string (verification_get_state (run)));
  earshot_verification_set_role (skeleton, verification_is_ours (run) ? "initiator" : "responder");
  earshot_verification_set_expires (skeleton, verification_get_expires (run));
  earshot_verification_set_reason (skeleton, verification_get_reason (run));
}

void
bus_verification_finish (BusObject *object, const Verification *run)
{
  EarshotVerification *skeleton = EARSHOT_VERIFICATION (object->skeletons[0]);

  earshot_verification_set_state (skeleton, verification_state_to_string (verification_get_state (run)));
  earshot_verification_set_reason (skeleton, verification_get_reason (run));
}

/* --- methods --------------------------------------------------------------------------------------------------- */

/* NULL after having failed the call. */
static Verification *
call_get_verification (BusCall *call)
{
  Verification *run =
    call->window->closed ? NULL : verifications_get (call->window->rooms.verifications, call->id.verification);

  if (run == NULL)
    bus_call_fail (call, EARSHOT_ERROR_NOT_FOUND, "the verification is over");
  return run;
}

static void
on_code_answered (gpointer user, gboolean matches, const GError *error)
{
  BusCall *call = user;

  if (error != NULL)
    bus_call_return_error (call, error);
  else
    bus_call_return (call, g_variant_new ("(b)", matches));
}

static void
on_confirmed (gpointer user, gboolean matches, const GError *error)
{
  bus_call_done (user, error);
}

static void
enter_code (BusCall *call, GVariant *args)
{
  GError *error = NULL;
  const char *code;
  Verification *run;

  g_variant_get (args, "(&s)", &code);
  if (!bus_check_line ("the code", code, CODE_MAX, &error))
    {
      bus_call_take_error (call, error);
      return;
    }
  run = call_get_verification (call);
  if (run != NULL)
    verification_enter_code (run, code, call->audit, on_code_answered, call);
}

static void
confirm (BusCall *call, GVariant *args)
{
  Verification *run = call_get_verification (call);
  gboolean matches;

  g_variant_get (args, "(b)", &matches);
  if (run != NULL)
    verification_confirm (run, matches, call->audit, on_confirmed, call);
}

static void
cancel (BusCall *call, GVariant *args)
{
  GError *error = NULL;
  const char *reason;
  Verification *run;

  g_variant_get (args, "(&s)", &reason);
  if (!bus_check_line ("the reason", reason, REASON_MAX, &error))
    {
      bus_call_take_error (call, error);
      return;
    }
  run = call_get_verification (call);
  if (run == NULL)
    return;
  if (verification_cancel (run, call->audit, &error))
    bus_call_return (call, NULL);
  else
    bus_call_take_error (call, error);
}

static const BusVerb methods[] = {
  { "EnterCode", enter_code },
  { "Confirm", confirm },
  { "Cancel", cancel },
  { NULL, NULL },
};

static const BusVerb setters[] = { { NULL, NULL } };

const BusInterface bus_verification = { earshot_verification_skeleton_get_type, methods, setters, verification_refresh,
                                        verification_read };
