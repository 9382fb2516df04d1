/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * im.earshot.Earshot1.Contact: one person.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

#include "daemon/base/names.h"

#define PETNAME_MAX 320 /* bytes; the room counts characters */
#define NOTE_MAX 1024   /* the same */
#define PING_DEFAULT 10000
#define PING_MAX 60000
#define TOLD_INTERVAL G_USEC_PER_SEC

static void
refresh_keys (Contact *contact, EarshotContact *skeleton)
{
  const GPtrArray *keys = contact_get_keys (contact);
  const GArray *contests = contact_get_contests (contact);
  Key *active = contact_get_active_key (contact);
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) rivals = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *active_path = active != NULL ? bus_path_key (key_get_fingerprint (active)) : g_strdup ("/");

  for (guint i = 0; keys != NULL && i < keys->len; i++)
    g_ptr_array_add (paths, bus_path_key (key_get_fingerprint (keys->pdata[i])));
  g_ptr_array_add (paths, NULL);
  for (guint i = 0; contests != NULL && i < contests->len; i++)
    g_ptr_array_add (rivals, bus_path_contact (g_array_index (contests, guint32, i)));
  g_ptr_array_add (rivals, NULL);
  earshot_contact_set_keys (skeleton, (const char *const *) paths->pdata);
  earshot_contact_set_contests (skeleton, (const char *const *) rivals->pdata);
  earshot_contact_set_active_key (skeleton, active_path);
  earshot_contact_set_trust (skeleton, contact_is_legacy (contact) ? "none"
                                                                  : trust_level_to_string (contact_get_trust (contact)));
}

static void
refresh_reach (Contact *contact, EarshotContact *skeleton)
{
  const Presence *presence = contact_get_presence (contact);
  const GPtrArray *endpoints = contact_get_endpoints (contact);
  GVariantBuilder builder;

  earshot_contact_set_reach (skeleton, reach_to_string (contact_get_reach (contact)));
  earshot_contact_set_connected (skeleton, contact_is_connected (contact));
  earshot_contact_set_show (skeleton, presence != NULL ? show_to_string (presence->show) : "");
  earshot_contact_set_status_text (skeleton, presence != NULL && presence->msg != NULL ? presence->msg : "");
  earshot_contact_set_presence_proven (skeleton, presence != NULL && contact_get_reach (contact) == REACH_ONLINE
                                                     && contact_get_active_key (contact) != NULL);
  earshot_contact_set_last_error (skeleton, contact_get_last_error (contact));
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(ssubx)"));
  for (guint i = 0; endpoints != NULL && i < endpoints->len; i++)
    {
      const Endpoint *endpoint = endpoints->pdata[i];

      g_variant_builder_add (&builder, "(ssubx)", endpoint->ifname != NULL ? endpoint->ifname : "",
                             endpoint->address != NULL ? endpoint->address : "", (guint32) endpoint->port,
                             endpoint->proven, endpoint->last_success);
    }
  earshot_contact_set_endpoints (skeleton, g_variant_builder_end (&builder));
}

/* What grows with every byte: at most once a second in signals. */
static void
refresh_activity (Window *window, BusObject *object, Contact *contact, EarshotContact *skeleton, gboolean full)
{
  gint64 now = g_get_monotonic_time ();
  Session *session = sessions_find (window->rooms.sessions, contact);
  gboolean opened = session != NULL;

  if (!full && opened == object->has_session && now - object->last_seen_told < TOLD_INTERVAL)
    {
      if (earshot_contact_get_last_seen (skeleton) != contact_get_last_seen (contact))
        window_touch_later (window, object);
      return;
    }
  object->has_session = opened;
  if (!full)
    object->last_seen_told = now;
  earshot_contact_set_last_seen (skeleton, contact_get_last_seen (contact));
  earshot_contact_set_session (skeleton, opened ? session_describe (session) : g_variant_new ("a{sv}", NULL));
}

static void
contact_refresh (Window *window, BusObject *object, GDBusInterfaceSkeleton *interface, gboolean full)
{
  EarshotContact *skeleton = EARSHOT_CONTACT (interface);
  Contact *contact = contacts_get (window->rooms.contacts, object->id.contact);
  g_autofree char *name = contact != NULL ? contact_dup_display_name (contact) : NULL;
  Contact *resembled = contact != NULL ? contact_get_resembled (contact) : NULL;
  g_autofree char *resembles = resembled != NULL ? bus_path_contact (contact_get_id (resembled)) : g_strdup ("/");

  if (contact == NULL)
    return;
  earshot_contact_set_petname (skeleton, contact_get_petname (contact));
  earshot_contact_set_claimed_name (skeleton, contact_get_claimed_name (contact));
  earshot_contact_set_claimed_address (skeleton, contact_get_claimed_addr (contact));
  earshot_contact_set_display_name (skeleton, name);
  earshot_contact_set_name_warning (skeleton, contact_get_name_warning (contact));
  earshot_contact_set_resembles (skeleton, resembles);
  earshot_contact_set_stored (skeleton, contact_is_stored (contact));
  earshot_contact_set_kind (skeleton, contact_is_legacy (contact) ? "legacy" : "person");
  earshot_contact_set_legacy_allowed (skeleton, contact_get_legacy_choice (contact) == LEGACY_CHOICE_ALLOWED);
  earshot_contact_set_first_seen (skeleton, contact_get_first_seen (contact));
  earshot_contact_set_blocked (skeleton, contact_is_blocked (contact));
  refresh_keys (contact, skeleton);
  refresh_reach (contact, skeleton);
  refresh_activity (window, object, contact, skeleton, full);
}

/* --- methods --------------------------------------------------------------------------------------------------- */

static gboolean
no_options (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (args, 0);
  GError *error = NULL;

  if (bus_options_none (options, &error))
    return TRUE;
  bus_call_take_error (call, error);
  return FALSE;
}

static void
connect_contact (BusCall *call, GVariant *args)
{
  Contact *contact = no_options (call, args) ? bus_call_get_contact (call) : NULL;

  if (contact != NULL)
    sessions_connect (call->window->rooms.sessions, contact, bus_call_done, call);
}

static void
disconnect_contact (BusCall *call, GVariant *args)
{
  Contact *contact = bus_call_get_contact (call);

  if (contact == NULL)
    return;
  sessions_disconnect (call->window->rooms.sessions, contact);
  bus_call_return (call, NULL);
}

static void
on_pong (gpointer user, const Stanza *reply, const GError *error)
{
  BusCall *call = user;
  gint64 *started = call->data;

  if (error != NULL)
    bus_call_return_error (call, error);
  else
    bus_call_return (call, g_variant_new ("(u)", (guint32) CLAMP (g_get_monotonic_time () - *started, 0, G_MAXUINT32)));
}

static void
ping (BusCall *call, GVariant *args)
{
  Contact *contact;
  Session *session;
  guint timeout;

  g_variant_get (args, "(u)", &timeout);
  if (timeout > PING_MAX)
    {
      bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "timeout_ms is at most %d", PING_MAX);
      return;
    }
  contact = bus_call_get_contact (call);
  if (contact == NULL)
    return;
  session = sessions_find (call->window->rooms.sessions, contact);
  if (session == NULL || call->window->rooms.router == NULL)
    {
      bus_call_fail (call, EARSHOT_ERROR_NOT_REACHABLE, "there is no open stream");
      return;
    }
  if (session_is_clear (session))
    {
      /* docs/protocol.md 8.2: they answer no IQ that they do not know. */
      bus_call_fail (call, EARSHOT_ERROR_UNSUPPORTED, "a peer without TLS answers no ping");
      return;
    }
  call->data = g_new (gint64, 1);
  call->data_free = g_free;
  *(gint64 *) call->data = g_get_monotonic_time ();
  router_query (call->window->rooms.router, session, "get", stanza_new ("ping", NS_PING),
                timeout != 0 ? timeout : PING_DEFAULT, on_pong, call);
}

static void
forget (BusCall *call, GVariant *args)
{
  Contact *contact = no_options (call, args) ? bus_call_get_contact (call) : NULL;

  if (contact != NULL)
    trust_forget (call->window->rooms.trust, contact, call->audit, bus_call_done, call);
}

static void
begin_to_verify (BusCall *call, Session *session)
{
  GError *error = NULL;
  Verification *run = verifications_start (call->window->rooms.verifications, session, call->audit, &error);
  g_autofree char *path = NULL;

  if (run == NULL)
    {
      bus_call_take_error (call, error);
      return;
    }
  path = bus_path_verification (verification_get_id (run));
  bus_call_return (call, g_variant_new ("(o)", path));
}

static void
on_connected_to_verify (gpointer user, const GError *error)
{
  BusCall *call = user;
  Contact *contact;
  Session *session;

  if (error != NULL)
    {
      bus_call_return_error (call, error);
      return;
    }
  contact = bus_call_get_contact (call);
  if (contact == NULL)
    return;
  session = sessions_find (call->window->rooms.sessions, contact);
  if (session == NULL)
    bus_call_fail (call, EARSHOT_ERROR_NOT_REACHABLE, "the stream closed again");
  else
    begin_to_verify (call, session);
}

static void
verify (BusCall *call, GVariant *args)
{
  Contact *contact = no_options (call, args) ? bus_call_get_contact (call) : NULL;
  Session *session;

  if (contact == NULL)
    return;
  session = sessions_find (call->window->rooms.sessions, contact);
  if (contact_is_blocked (contact))
    bus_call_fail (call, EARSHOT_ERROR_BLOCKED, "the contact is blocked: unblock it first");
  else if (session != NULL)
    begin_to_verify (call, session);
  else
    sessions_connect (call->window->rooms.sessions, contact, on_connected_to_verify, call);
}

static void
introduce (BusCall *call, GVariant *args)
{
  const char *path, *note;
  GError *error = NULL;
  Contact *to, *other;

  g_variant_get (args, "(&o&s)", &path, &note);
  if (!bus_check_line ("note", note, NOTE_MAX, &error))
    {
      bus_call_take_error (call, error);
      return;
    }
  to = bus_call_get_contact (call);
  if (to == NULL)
    return;
  other = bus_contact_at (call->window, path, &error);
  if (other == NULL)
    bus_call_take_error (call, error);
  else
    introductions_send (call->window->rooms.introductions, to, other, note, call->audit, bus_call_done, call);
}

static void
set_petname (BusCall *call, GVariant *value)
{
  const char *petname = g_variant_get_string (value, NULL);
  GError *error = NULL;
  Contact *contact;

  if (!bus_check_line ("Petname", petname, PETNAME_MAX, &error))
    {
      bus_call_take_error (call, error);
      return;
    }
  contact = bus_call_get_contact (call);
  if (contact != NULL)
    contact_set_petname (contact, petname, bus_call_done, call);
}

static void
set_blocked (BusCall *call, GVariant *value)
{
  Contact *contact = bus_call_get_contact (call);

  if (contact != NULL)
    trust_set_blocked (call->window->rooms.trust, contact, g_variant_get_boolean (value), call->audit, bus_call_done,
                       call);
}

/* TRUE and FALSE are both a word about this person; there is no way to have said nothing but Forget. */
static void
set_legacy_allowed (BusCall *call, GVariant *value)
{
  Contact *contact = bus_call_get_contact (call);

  if (contact != NULL)
    trust_set_legacy_choice (call->window->rooms.trust, contact,
                             g_variant_get_boolean (value) ? LEGACY_CHOICE_ALLOWED : LEGACY_CHOICE_REFUSED, call->audit,
                             bus_call_done, call);
}

static const BusVerb methods[] = {
  { "Connect", connect_contact },
  { "Disconnect", disconnect_contact },
  { "Ping", ping },
  { "Forget", forget },
  { "Introduce", introduce },
  { "Verify", verify },
  { NULL, NULL },
};

static const BusVerb setters[] = {
  { "Petname", set_petname },
  { "Blocked", set_blocked },
  { "LegacyAllowed", set_legacy_allowed },
  { NULL, NULL },
};

const BusInterface bus_contact = { earshot_contact_skeleton_get_type, methods, setters, contact_refresh, NULL };
