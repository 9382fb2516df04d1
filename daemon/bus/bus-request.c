/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * im.earshot.Earshot1.Request: a decision that waits. SECURITY CRITICAL: what a choice means and whether it is allowed is
 * model/trust.c's; here a choice is one of those offered and the fingerprint is well-formed.
 *
 * Details with its preview never enters the skeleton after birth, because the skeleton's properties go into signals,
 * and signals carry nobody's words. Reading gets them; a change is told as "invalidated".
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

#include "daemon/base/names.h"

#define PETNAME_MAX 320 /* bytes; the room counts characters */
#define SNOOZE_MAX (366 * G_TIME_SPAN_DAY)

static void
add_contested (GVariantBuilder *builder, Contact *old)
{
  Key *key = contact_get_active_key (old);
  g_autofree char *name = contact_dup_display_name (old);

  g_variant_builder_add (builder, "{sv}", "old_name", g_variant_new_string (name));
  g_variant_builder_add (builder, "{sv}", "old_online", g_variant_new_boolean (contact_is_connected (old)));
  if (key != NULL)
    {
      g_autofree char *hex = fingerprint_to_hex (key_get_fingerprint (key));

      g_variant_builder_add (builder, "{sv}", "old_fingerprint", g_variant_new_string (hex));
    }
}

/* Who says whose key it is; everything beside the introducer's own object is that one's word. */
static void
add_introducer (GVariantBuilder *builder, Request *request)
{
  Contact *introducer = request_get_introducer (request);
  g_autofree char *name = introducer != NULL ? contact_dup_display_name (introducer) : g_strdup ("");
  g_autofree char *path = introducer != NULL ? bus_path_contact (contact_get_id (introducer)) : g_strdup ("/");
  g_autofree char *hex = fingerprint_to_hex (request_get_introducer_fingerprint (request));
  g_autofree char *note = g_utf8_make_valid (request_get_note (request), -1);

  g_variant_builder_add (builder, "{sv}", "introducer", g_variant_new_object_path (path));
  g_variant_builder_add (builder, "{sv}", "introducer_name", g_variant_new_string (name));
  g_variant_builder_add (builder, "{sv}", "introducer_fingerprint", g_variant_new_string (hex));
  g_variant_builder_add (builder, "{sv}", "note", g_variant_new_string (note));
}

static void
add_key (GVariantBuilder *builder, Request *request, const Fingerprint *fp)
{
  g_autofree char *hex = fingerprint_to_hex (fp);
  g_autofree char *display = fingerprint_to_display (fp);

  g_variant_builder_add (builder, "{sv}", "fingerprint", g_variant_new_string (hex));
  g_variant_builder_add (builder, "{sv}", "display_id", g_variant_new_string (display));
  g_variant_builder_add (builder, "{sv}", "forgotten", g_variant_new_boolean (request_was_forgotten (request)));
}

static void
add_name_warning (GVariantBuilder *builder, Contact *contact)
{
  Contact *resembled = contact != NULL ? contact_get_resembled (contact) : NULL;
  g_autofree char *path = resembled != NULL ? bus_path_contact (contact_get_id (resembled)) : NULL;
  g_autofree char *name = resembled != NULL ? contact_dup_display_name (resembled) : NULL;

  g_variant_builder_add (builder, "{sv}", "name_warning",
                         g_variant_new_string (contact != NULL ? contact_get_name_warning (contact) : ""));
  if (resembled == NULL)
    return;
  g_variant_builder_add (builder, "{sv}", "resembles", g_variant_new_object_path (path));
  g_variant_builder_add (builder, "{sv}", "resembles_name", g_variant_new_string (name));
}

/* A peer without a key is known by nothing but what it claims and where it was met. */
static void
add_addresses (GVariantBuilder *builder, Contact *contact)
{
  const GPtrArray *endpoints = contact != NULL ? contact_get_endpoints (contact) : NULL;
  g_autofree char *claimed = g_utf8_make_valid (contact != NULL ? contact_get_claimed_addr (contact) : "", -1);
  GVariantBuilder list;

  g_variant_builder_add (builder, "{sv}", "address", g_variant_new_string (claimed));
  g_variant_builder_init (&list, G_VARIANT_TYPE ("as"));
  for (guint i = 0; endpoints != NULL && i < endpoints->len; i++)
    {
      const Endpoint *endpoint = endpoints->pdata[i];

      if (endpoint->address != NULL && *endpoint->address != '\0')
        g_variant_builder_add (&list, "s", endpoint->address);
    }
  g_variant_builder_add (builder, "{sv}", "endpoints", g_variant_builder_end (&list));
}

/* Floating. `preview`: aa{sv} or NULL. */
static GVariant *
build_details (Window *window, Request *request, GVariant *preview)
{
  const Fingerprint *fp = request_get_fingerprint (request);
  Contact *contact = request_get_contact (request);
  g_autofree char *name = g_utf8_make_valid (request_get_name (request) != NULL ? request_get_name (request) : "", -1);
  const char *link = request_get_link (request);
  const Fingerprint *announced
    = fp != NULL && request_get_introducer_fingerprint (request) == NULL
        ? contacts_get_announced_key (window->rooms.contacts, request_get_name (request), fp)
        : NULL;
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  if (fp != NULL)
    add_key (&builder, request, fp);
  else
    add_addresses (&builder, contact);
  g_variant_builder_add (&builder, "{sv}", "name", g_variant_new_string (name));
  g_variant_builder_add (&builder, "{sv}", "link", g_variant_new_string (link != NULL ? link : ""));
  add_name_warning (&builder, contact);
  if (announced != NULL)
    {
      g_autofree char *hex = fingerprint_to_hex (announced);

      g_variant_builder_add (&builder, "{sv}", "announced_fingerprint", g_variant_new_string (hex));
    }
  if (request_get_introducer_fingerprint (request) != NULL)
    add_introducer (&builder, request);
  if (request_get_contested (request) != NULL)
    add_contested (&builder, request_get_contested (request));
  if (request_get_predecessor (request) != NULL)
    g_variant_builder_add (&builder, "{sv}", "succession", g_variant_new_boolean (TRUE));
  if (preview != NULL)
    g_variant_builder_add (&builder, "{sv}", "preview", preview);
  return g_variant_builder_end (&builder);
}

GVariant *
bus_request_get_details (Window *window, BusObject *object)
{
  Request *request = trust_get_request (window->rooms.trust, object->id.request);
  const AppRow *app = app_access_get_question (window->rooms.app_access, object->id.request);

  if (app != NULL)
    return bus_apps_describe (app);
  return request != NULL ? build_details (window, request, object->preview) : g_variant_new ("a{sv}", NULL);
}

gboolean
bus_request_look (Window *window, guint64 id, const char **kind, gint64 *snoozed)
{
  Request *request = trust_get_request (window->rooms.trust, id);
  const AppRow *app = request == NULL ? app_access_get_question (window->rooms.app_access, id) : NULL;

  if (request == NULL && app == NULL)
    return FALSE;
  *kind = app != NULL ? "app-access" : request_get_kind (request);
  *snoozed = app != NULL ? app->snoozed_until : request_get_snoozed (request);
  return TRUE;
}

static GVariant *
request_read (Window *window, BusObject *object, const char *name)
{
  return g_str_equal (name, "Details") ? bus_request_get_details (window, object) : NULL;
}

static void
request_refresh (Window *window, BusObject *object, GDBusInterfaceSkeleton *interface, gboolean full)
{
  EarshotRequest *skeleton = EARSHOT_REQUEST (interface);
  Request *request = trust_get_request (window->rooms.trust, object->id.request);
  Contact *contact = request != NULL ? request_get_contact (request) : NULL;
  g_autofree char *key = NULL;
  g_autofree char *person = contact != NULL ? bus_path_contact (contact_get_id (contact)) : g_strdup ("/");

  if (request == NULL)
    {
      const AppRow *app = app_access_get_question (window->rooms.app_access, object->id.request);

      if (app != NULL)
        bus_apps_refresh (object, app, skeleton);
      return;
    }
  /* Our own key, and one that was introduced and never seen, have no object. */
  key = request_get_fingerprint (request) != NULL && contact != NULL && !request_is_own (request) ? bus_path_key (request_get_fingerprint (request)) : g_strdup ("/");
  earshot_request_set_id (skeleton, object->id.request);
  earshot_request_set_kind (skeleton, request_get_kind (request));
  earshot_request_set_contact (skeleton, person);
  earshot_request_set_key (skeleton, key);
  earshot_request_set_created (skeleton, request_get_created (request));
  earshot_request_set_choices (skeleton, request_get_choices (request));
  if (!object->announced)
    earshot_request_set_details (skeleton, build_details (window, request, NULL));
}

/* --- preview --------------------------------------------------------------------------------------------------- */

typedef struct {
  Window *window;
  guint64 id;
} Loading;

void
bus_request_tell_stale (Window *window, BusObject *object)
{
  static const char *const names[] = { "Details", NULL };

  if (object->stale)
    g_dbus_connection_emit_signal (window->connection, NULL, object->path, "org.freedesktop.DBus.Properties",
                                   "PropertiesChanged",
                                   g_variant_new ("(sa{sv}^as)", EARSHOT_BUS_NAME ".Request", NULL, names), NULL);
  object->stale = FALSE;
}

static void
on_preview (gpointer user, GPtrArray *entries, gboolean more, guint64 last, const GError *error)
{
  g_autoptr (GPtrArray) owned = entries;
  Loading *loading = user;
  Window *window = loading->window;
  BusObject *object = window->closed ? NULL : bus_objects_get_request (window->objects, loading->id);
  GVariantBuilder builder;

  if (object != NULL && error == NULL && (entries->len > 0 || object->preview != NULL))
    {
      g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
      for (guint i = 0; i < entries->len; i++)
        {
          const LogEntry *entry = entries->pdata[i];

          g_variant_builder_open (&builder, G_VARIANT_TYPE_VARDICT);
          g_variant_builder_add (&builder, "{sv}", "id", g_variant_new_string (entry->id));
          g_variant_builder_add (&builder, "{sv}", "body", g_variant_new_string (entry->body));
          g_variant_builder_add (&builder, "{sv}", "time", g_variant_new_int64 (entry->time));
          g_variant_builder_close (&builder);
        }
      g_clear_pointer (&object->preview, g_variant_unref);
      object->preview = g_variant_ref_sink (g_variant_builder_end (&builder));
      object->stale = TRUE;
      window_touch (window, object);
    }
  window_unref (window);
  g_free (loading);
}

void
bus_request_load_preview (Window *window, guint64 id)
{
  Request *request = trust_get_request (window->rooms.trust, id);
  Loading *loading;

  /* Nothing is left aside by who has no key. */
  if (request == NULL || request_get_fingerprint (request) == NULL)
    return;
  loading = g_new0 (Loading, 1);
  loading->window = window_ref (window);
  loading->id = id;
  history_preview (window->rooms.history, request_get_fingerprint (request), on_preview, loading);
}

/* --- methods --------------------------------------------------------------------------------------------------- */

static Request *
call_get_request (BusCall *call)
{
  Request *request = trust_get_request (call->window->rooms.trust, call->id.request);

  if (request == NULL)
    bus_call_fail (call, EARSHOT_ERROR_ALREADY_RESOLVED, "the request was resolved before");
  return request;
}

/* An answer that needs a comparison, on its way to one. */
typedef struct {
  char *choice, *petname;
  Fingerprint fp;
  gboolean release;
} Comparing;

static void
comparing_free (gpointer data)
{
  Comparing *comparing = data;

  g_free (comparing->choice);
  g_free (comparing->petname);
  g_free (comparing);
}

/* The codes are compared over the very stream that the key in question has; what they decide is fixed here. */
static void
begin_to_compare (BusCall *call, Session *session)
{
  Comparing *comparing = call->data;
  GError *error = NULL;
  Verification *run;

  if (!trust_may_verify (call->window->rooms.trust, call->id.request, comparing->choice, &comparing->fp, comparing->petname, call->audit,
                         &error))
    {
      bus_call_take_error (call, error);
      return;
    }
  run = verifications_start (call->window->rooms.verifications, session, call->audit, &error);
  if (run == NULL)
    bus_call_take_error (call, error);
  else if (!fingerprint_equal (verification_get_fingerprint (run), &comparing->fp))
    bus_call_fail (call, EARSHOT_ERROR_MISMATCH, "another key answers there");
  else
    {
      verification_set_purpose (run, call->id.request, comparing->choice, comparing->petname, comparing->release);
      bus_call_return (call, NULL);
    }
}

static void
on_connected_to_compare (gpointer user, const GError *error)
{
  BusCall *call = user;
  Request *request = error == NULL ? trust_get_request (call->window->rooms.trust, call->id.request) : NULL;
  Contact *contact = request != NULL ? request_get_contact (request) : NULL;
  Session *session = contact != NULL ? sessions_find (call->window->rooms.sessions, contact) : NULL;

  if (error != NULL)
    bus_call_return_error (call, error);
  else if (request == NULL)
    bus_call_fail (call, EARSHOT_ERROR_ALREADY_RESOLVED, "the request was resolved before");
  else if (session == NULL)
    bus_call_fail (call, EARSHOT_ERROR_NOT_REACHABLE, "the stream closed again");
  else
    begin_to_compare (call, session);
}

static void
compare (BusCall *call, const char *choice, const Fingerprint *fp, const char *petname, gboolean release)
{
  Contact *contact = request_get_contact (trust_get_request (call->window->rooms.trust, call->id.request));
  Comparing *comparing;
  GError *error = NULL;
  Session *session;

  if (!trust_may_verify (call->window->rooms.trust, call->id.request, choice, fp, petname, call->audit, &error))
    {
      bus_call_take_error (call, error);
      return;
    }
  comparing = g_new0 (Comparing, 1);
  comparing->choice = g_strdup (choice);
  comparing->petname = g_strdup (petname);
  comparing->fp = *fp;
  comparing->release = release;
  call->data = comparing;
  call->data_free = comparing_free;
  session = sessions_find (call->window->rooms.sessions, contact);
  if (session != NULL)
    begin_to_compare (call, session);
  else
    sessions_connect (call->window->rooms.sessions, contact, on_connected_to_compare, call);
}

static void
resolve (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) options = NULL;
  g_autofree char *hex = NULL;
  g_autofree char *petname = NULL;
  gboolean release = FALSE, in_person = FALSE, introduced;
  const BusOption table[] = {
    { "fingerprint", "s", &hex },
    { "petname", "s", &petname },
    { "release", "b", &release },
    { "in_person", "b", &in_person },
    { NULL, NULL, NULL },
  };
  GError *error = NULL;
  const char *choice;
  const AppRow *app;
  Request *request;
  Fingerprint fp;

  g_variant_get (args, "(&s@a{sv})", &choice, &options);
  if (!bus_options_parse (options, table, &error) || (hex != NULL && !bus_check_fingerprint (hex, &fp, &error))
      || (petname != NULL && !bus_check_line ("petname", petname, PETNAME_MAX, &error)))
    {
      bus_call_take_error (call, error);
      return;
    }
  app = app_access_get_question (call->window->rooms.app_access, call->id.request);
  if (app != NULL)
    {
      bus_apps_resolve (call, app, choice, g_variant_n_children (options) > 0);
      return;
    }
  request = call_get_request (call);
  if (request == NULL)
    return;
  introduced = g_str_equal (request_get_kind (request), "introduction");
  if (!g_strv_contains (request_get_choices (request), choice))
    bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "the choices are those of the property Choices");
  /* T-16: `verified` is the user's word to have compared, face to face; it is said twice, so that no script says it by chance. */
  else if (in_person && !trust_needs_comparison (choice))
    bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "in_person goes with verify and verify-replace only");
  else if (introduced && trust_needs_comparison (choice) && !in_person)
    bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "verify of an introduction means compared face to face: it needs in_person");
  else if (hex != NULL
           && (request_get_fingerprint (request) == NULL || !fingerprint_equal (&fp, request_get_fingerprint (request))))
    bus_call_fail (call, EARSHOT_ERROR_MISMATCH, "that is another key's fingerprint");
  else if (request_is_own (request) && call->app != NULL) /* as the Manager's methods about our key */
    bus_call_fail (call, EARSHOT_ERROR_ACCESS_DENIED, "no program in a sandbox decides about our own key");
  else if (request_is_own (request) && g_str_equal (choice, "rotate"))
    successions_rotate (call->window->rooms.successions, bus_own_addr (call->window), call->audit, bus_call_done_root, call);
  else if (in_person && !introduced)
    trust_resolve_verified (call->window->rooms.trust, call->id.request, choice, hex != NULL ? &fp : NULL, petname, release, "fingerprint",
                            call->audit, bus_call_done, call);
  else if (trust_needs_comparison (choice) && !introduced)
    compare (call, choice, hex != NULL ? &fp : NULL, petname, release);
  else
    trust_resolve (call->window->rooms.trust, call->id.request, choice, hex != NULL ? &fp : NULL, petname, release,
                   call->audit, bus_call_done, call);
}

static void
snooze (BusCall *call, GVariant *args)
{
  const AppRow *app = app_access_get_question (call->window->rooms.app_access, call->id.request);
  gint64 until;

  g_variant_get (args, "(x)", &until);
  if (until < 0 || until > g_get_real_time () + SNOOZE_MAX)
    bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "until is at most a year ahead");
  else if (app != NULL)
    bus_apps_snooze (call, app, until);
  else if (call_get_request (call) != NULL)
    trust_snooze (call->window->rooms.trust, call->id.request, until, bus_call_done, call);
}

static const BusVerb methods[] = {
  { "Resolve", resolve },
  { "Snooze", snooze },
  { NULL, NULL },
};

static const BusVerb setters[] = { { NULL, NULL } };

const BusInterface bus_request = { earshot_request_skeleton_get_type, methods, setters, request_refresh, request_read };
