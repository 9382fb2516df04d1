/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Birth, wiring, and when news leaves: objects at the end of the loop turn, counters at most twenty times a second,
 * Appended once a turn for each kind and conversation, whatever the rooms report in between.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

#include "daemon/base/log.h"
#include "daemon/base/names.h"

#define COUNTERS_INTERVAL (50 * 1000) /* microseconds */

Window *
window_ref (Window *window)
{
  return g_rc_box_acquire (window);
}

static void
window_clear (gpointer data)
{
  Window *window = data;

  g_clear_object (&window->connection);
  g_clear_pointer (&window->appended, g_hash_table_unref);
  g_clear_pointer (&window->counted, g_hash_table_unref);
}

void
window_unref (Window *window)
{
  g_rc_box_release_full (window, window_clear);
}

/* --- objects --------------------------------------------------------------------------------------------------- */

void
window_untouch (Window *window, BusObject *object)
{
  if (object->touched.data == NULL)
    return;
  g_queue_unlink (&window->touched[object->id.kind], &object->touched);
  object->touched.data = NULL;
}

/* What is touched meanwhile is for the next turn. */
static void
flush_touched (Window *window, BusKind kind)
{
  for (guint n = window->touched[kind].length; n > 0 && window->touched[kind].head != NULL; n--)
    {
      BusObject *object = window->touched[kind].head->data;

      window_untouch (window, object);
      bus_object_refresh (window, object, FALSE);
      bus_objects_publish (window->objects, object);
    }
}

typedef struct {
  char *kind;
  guint32 contact;
  guint64 seq;
} Append;

static void
append_free (gpointer data)
{
  Append *append = data;

  g_free (append->kind);
  g_free (append);
}

static guint
append_hash (gconstpointer data)
{
  const Append *append = data;

  return g_str_hash (append->kind) ^ append->contact;
}

static gboolean
append_equal (gconstpointer a, gconstpointer b)
{
  const Append *x = a, *y = b;

  return x->contact == y->contact && g_str_equal (x->kind, y->kind);
}

static gboolean
on_turn (gpointer user)
{
  Window *window = user;
  GHashTableIter iter;
  gpointer key;

  window->turn_source = 0;
  /* The root, then a contact before its keys, both before a question about them. */
  for (BusKind kind = BUS_ROOT; kind < BUS_N_KINDS; kind++)
    flush_touched (window, kind);
  g_hash_table_iter_init (&iter, window->appended);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    {
      Append *append = key;

      bus_messages_emit_appended (window, append->seq, append->kind, append->contact);
      g_hash_table_iter_remove (&iter);
    }
  return G_SOURCE_REMOVE;
}

static void
window_want_turn (Window *window)
{
  if (window->turn_source == 0 && !window->closed)
    window->turn_source = g_idle_add_full (G_PRIORITY_DEFAULT, on_turn, window, NULL);
}

void
window_touch (Window *window, BusObject *object)
{
  if (object == NULL)
    return;
  if (object->touched.data == NULL)
    {
      object->touched.data = object;
      g_queue_push_tail_link (&window->touched[object->id.kind], &object->touched);
    }
  window_want_turn (window);
}

void
window_touch_root (Window *window)
{
  if (!window->closed)
    window_touch (window, window->root);
}

static void
touch_late (BusObject *object, gpointer user)
{
  if (object->late)
    {
      object->late = FALSE;
      window_touch (user, object);
    }
}

static gboolean
on_late (gpointer user)
{
  Window *window = user;

  window->late_source = 0;
  bus_objects_foreach (window->objects, BUS_CONTACT, touch_late, window);
  return G_SOURCE_REMOVE;
}

void
window_touch_later (Window *window, BusObject *object)
{
  object->late = TRUE;
  if (window->late_source == 0 && !window->closed)
    window->late_source = g_timeout_add_seconds (1, on_late, window);
}

static BusId
id_of_contact (guint32 id)
{
  return (BusId){ .kind = BUS_CONTACT, .contact = id };
}

static BusId
id_of_key (const Fingerprint *fp)
{
  return (BusId){ .kind = BUS_KEY, .key = *fp };
}

static BusId
id_of_verification (const Verification *run)
{
  return (BusId){ .kind = BUS_VERIFICATION, .verification = verification_get_id (run) };
}

static BusId
id_of_request (guint64 id)
{
  return (BusId){ .kind = BUS_REQUEST, .request = id };
}

static void
on_contact_added (gpointer user, Contact *contact)
{
  Window *window = user;
  BusId id = id_of_contact (contact_get_id (contact));

  window_touch (window, bus_objects_add (window->objects, &id));
}

static void
on_contact_changed (gpointer user, Contact *contact)
{
  Window *window = user;

  window_touch (window, bus_objects_get_contact (window->objects, contact_get_id (contact)));
}

static void
on_contact_removed (gpointer user, Contact *contact)
{
  Window *window = user;
  BusId id = id_of_contact (contact_get_id (contact));

  bus_objects_remove (window->objects, &id);
}

static void
on_key_added (gpointer user, Key *key)
{
  Window *window = user;
  BusId id = id_of_key (key_get_fingerprint (key));

  window_touch (window, bus_objects_add (window->objects, &id));
  window_touch (window, bus_objects_get_contact (window->objects, contact_get_id (key_get_contact (key))));
}

static void
on_key_changed (gpointer user, Key *key)
{
  Window *window = user;
  BusId id = id_of_key (key_get_fingerprint (key));

  window_touch (window, bus_objects_get (window->objects, &id));
}

static void
on_key_removed (gpointer user, Key *key)
{
  Window *window = user;
  BusId id = id_of_key (key_get_fingerprint (key));

  bus_objects_remove (window->objects, &id);
}

static const ContactsWatch contacts_callbacks = {
  .added = on_contact_added,
  .changed = on_contact_changed,
  .removed = on_contact_removed,
  .key_added = on_key_added,
  .key_changed = on_key_changed,
  .key_removed = on_key_removed,
};

/* --- questions ------------------------------------------------------------------------------------------------- */

/* PendingRequests, because of somebody. */
static void
touch_root_about (Window *window, const Contact *contact)
{
  if (contact != NULL && !contact_is_stored (contact))
    bus_objects_publish_root (window->objects);
  else
    window_touch_root (window);
}

static void
on_request_added (gpointer user, Request *request)
{
  Window *window = user;
  BusId id = id_of_request (request_get_id (request));

  window_touch (window, bus_objects_add (window->objects, &id));
  bus_request_load_preview (window, id.request);
  touch_root_about (window, request_get_contact (request));
}

static void
on_request_changed (gpointer user, Request *request)
{
  Window *window = user;
  BusObject *object = bus_objects_get_request (window->objects, request_get_id (request));

  if (object == NULL)
    return;
  window_touch (window, object);
  if (object->announced)
    bus_agents_request (window->front->agents, object->id.request);
}

static void
request_gone (Window *window, guint64 request)
{
  BusId id = id_of_request (request);

  bus_agents_request_gone (window->front->agents, id.request);
  bus_objects_remove (window->objects, &id);
}

/* Who knocks can count them up as fast as it likes. */
static void
on_warning (gpointer user, const char *key, const char *text)
{
  Window *window = user;

  bus_objects_publish_root (window->objects);
}

static void
on_request_removed (gpointer user, Request *request)
{
  request_gone (user, request_get_id (request));
  touch_root_about (user, request_get_contact (request));
}

static void
on_app_question_added (gpointer user, const AppRow *row)
{
  Window *window = user;
  BusId id = id_of_request (row->request);

  window_touch (window, bus_objects_add (window->objects, &id));
  window_touch_root (window);
}

static void
on_app_question_changed (gpointer user, const AppRow *row)
{
  Window *window = user;
  BusObject *object = bus_objects_get_request (window->objects, row->request);

  if (object != NULL && object->announced)
    bus_agents_request (window->front->agents, row->request);
}

static void
on_app_question_removed (gpointer user, guint64 request)
{
  request_gone (user, request);
  window_touch_root (user);
}

static const AppWatch app_callbacks = {
  .question_added = on_app_question_added,
  .question_changed = on_app_question_changed,
  .question_removed = on_app_question_removed,
};

static void
touch_vouched (BusObject *object, gpointer user)
{
  Window *window = user;
  Key *key = contacts_get_key (window->rooms.contacts, &object->id.key);

  if (key != NULL && key_get_level (key) == TRUST_VOUCHED)
    window_touch (window, object);
}

/* Somebody decided, and looks at what is left to decide. A key may be less than it was because of what became of its introducer. */
static void
on_level_changed (gpointer user, Contact *contact, Key *key, gboolean release)
{
  window_touch_root (user);
  bus_objects_foreach (((Window *) user)->objects, BUS_KEY, touch_vouched, user);
}

static void
on_forgotten (gpointer user, guint32 contact, const Fingerprint *fp)
{
  bus_objects_foreach (((Window *) user)->objects, BUS_KEY, touch_vouched, user);
}

static void
on_mode_changed (gpointer user)
{
  window_touch_root (user);
}

static const TrustWatch trust_callbacks = {
  .request_added = on_request_added,
  .request_changed = on_request_changed,
  .request_removed = on_request_removed,
  .level_changed = on_level_changed,
  .warning = on_warning,
  .forgotten = on_forgotten,
  .mode_changed = on_mode_changed,
};

/* --- codes to compare ------------------------------------------------------------------------------------------ */

static void
on_verification_added (gpointer user, Verification *run)
{
  Window *window = user;
  BusId id = id_of_verification (run);

  window_touch (window, bus_objects_add (window->objects, &id));
}

static void
on_verification_changed (gpointer user, Verification *run)
{
  Window *window = user;
  BusId id = id_of_verification (run);

  window_touch (window, bus_objects_get (window->objects, &id));
}

static void
on_verification_removed (gpointer user, Verification *run)
{
  Window *window = user;
  BusId id = id_of_verification (run);
  BusObject *object = bus_objects_get (window->objects, &id);

  bus_agents_verification_gone (window->front->agents, id.verification);
  if (object == NULL)
    return;
  /* How it ended is told before it goes; who was not told that it is there is not told that it went. */
  bus_verification_finish (object, run);
  bus_object_emit (object, &bus_verification);
  bus_objects_remove (window->objects, &id);
}

static void
on_invites_changed (gpointer user)
{
  window_touch_root (user);
}

static const InvitesWatch invites_callbacks = { .changed = on_invites_changed };

static const VerificationWatch verification_callbacks = {
  .added = on_verification_added,
  .changed = on_verification_changed,
  .removed = on_verification_removed,
};

/* --- messages -------------------------------------------------------------------------------------------------- */

static void
count_conversation (BusObject *object, gpointer user)
{
  Window *window = user;

  bus_conversation.refresh (window, object, object->skeletons[1], FALSE);
  bus_object_emit (object, &bus_conversation);
}

static gboolean
on_count (gpointer user)
{
  Window *window = user;
  GHashTableIter iter;
  gpointer id;

  window->count_source = 0;
  window->counted_at = g_get_monotonic_time ();
  bus_messages.refresh (window, window->root, window->root->skeletons[1], FALSE);
  bus_object_emit (window->root, &bus_messages);
  if (window->counted_all)
    bus_objects_foreach (window->objects, BUS_CONTACT, count_conversation, window);
  g_hash_table_iter_init (&iter, window->counted);
  while (!window->counted_all && g_hash_table_iter_next (&iter, &id, NULL))
    {
      BusObject *object = bus_objects_get_contact (window->objects, GPOINTER_TO_UINT (id));

      if (object != NULL)
        count_conversation (object, window);
    }
  g_hash_table_remove_all (window->counted);
  window->counted_all = FALSE;
  return G_SOURCE_REMOVE;
}

static void
on_counts_changed (gpointer user, Contact *contact)
{
  Window *window = user;
  gint64 wait;

  if (contact == NULL)
    window->counted_all = TRUE;
  else
    g_hash_table_add (window->counted, GUINT_TO_POINTER (contact_get_id (contact)));
  if (window->count_source != 0)
    return;
  wait = window->counted_at + COUNTERS_INTERVAL - g_get_monotonic_time ();
  window->count_source = g_timeout_add (wait > 0 ? (guint) ((wait + 999) / 1000) : 0, on_count, window);
}

static void
on_appended (gpointer user, guint64 seq, const char *kind, Contact *contact)
{
  Window *window = user;
  Append probe = { (char *) kind, contact != NULL ? contact_get_id (contact) : 0, seq };
  Append *append = NULL;

  on_counts_changed (window, contact);
  if (g_hash_table_lookup_extended (window->appended, &probe, (gpointer *) &append, NULL))
    {
      append->seq = MAX (append->seq, seq);
      return;
    }
  append = g_memdup2 (&probe, sizeof probe);
  append->kind = g_strdup (kind);
  g_hash_table_add (window->appended, append);
  window_want_turn (window);
}

static void
on_typing (gpointer user, Contact *contact, gboolean active)
{
  Window *window = user;
  BusObject *object = bus_objects_get_contact (window->objects, contact_get_id (contact));

  if (object != NULL && contact_is_stored (contact))
    earshot_conversation_emit_typing (EARSHOT_CONVERSATION (object->skeletons[1]), object->path, active);
}

static void
on_aside_changed (gpointer user, const Fingerprint *key)
{
  Window *window = user;
  g_autoptr (GPtrArray) requests = trust_list_requests (window->rooms.trust);

  for (guint i = 0; i < requests->len; i++)
    {
      const Fingerprint *asked = request_get_fingerprint (requests->pdata[i]);

      if (asked != NULL && fingerprint_equal (asked, key))
        bus_request_load_preview (window, request_get_id (requests->pdata[i]));
    }
}

static const DeliveryWatch delivery_callbacks = {
  .appended = on_appended,
  .counts_changed = on_counts_changed,
  .typing = on_typing,
  .aside_changed = on_aside_changed,
};

/* --- life ------------------------------------------------------------------------------------------------------ */

static void
announced_from_birth (BusObject *object, gpointer user)
{
  /* Nobody can have read anything before: what is there now is in GetManagedObjects. */
  object->announced = TRUE;
  window_untouch (user, object);
}

static void
export_present (Window *window)
{
  g_autoptr (GPtrArray) people = contacts_list (window->rooms.contacts);
  g_autoptr (GPtrArray) requests = trust_list_requests (window->rooms.trust);
  g_autoptr (GPtrArray) runs = verifications_list (window->rooms.verifications);
  g_autoptr (GPtrArray) apps = app_access_list (window->rooms.app_access);

  for (guint i = 0; i < people->len; i++)
    {
      const GPtrArray *keys = contact_get_keys (people->pdata[i]);
      BusId id = id_of_contact (contact_get_id (people->pdata[i]));

      bus_objects_add (window->objects, &id);
      for (guint k = 0; k < keys->len; k++)
        {
          BusId key = id_of_key (key_get_fingerprint (keys->pdata[k]));

          bus_objects_add (window->objects, &key);
        }
    }
  for (guint i = 0; i < requests->len; i++)
    {
      BusId id = id_of_request (request_get_id (requests->pdata[i]));

      if (bus_objects_add (window->objects, &id) != NULL)
        bus_request_load_preview (window, id.request);
    }
  for (guint i = 0; i < apps->len; i++)
    {
      BusId id = id_of_request (((const AppRow *) apps->pdata[i])->request);

      if (id.request != 0)
        bus_objects_add (window->objects, &id);
    }
  for (guint i = 0; i < runs->len; i++)
    {
      BusId id = id_of_verification (runs->pdata[i]);

      bus_objects_add (window->objects, &id);
    }
  for (BusKind kind = BUS_CONTACT; kind < BUS_N_KINDS; kind++)
    bus_objects_foreach (window->objects, kind, announced_from_birth, window);
  window->root->announced = TRUE;
}

Window *
window_open (Front *front, GDBusConnection *connection, GError **error)
{
  const Rooms *rooms = &front->rooms;
  Window *window = g_rc_box_new0 (Window);
  BusId root = { .kind = BUS_ROOT };

  window->front = front;
  window->connection = g_object_ref (connection);
  window->rooms = *rooms;
  window->appended = g_hash_table_new_full (append_hash, append_equal, append_free, NULL);
  window->counted = g_hash_table_new (g_direct_hash, g_direct_equal);
  window->access = bus_access_new (connection);
  window->objects = bus_objects_new (window);
  window->root = bus_objects_add (window->objects, &root);
  if (window->root == NULL)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "the root object can not be exported");
      window_close (window);
      return NULL;
    }
  if (!bus_calls_register (window, error))
    {
      window_close (window);
      return NULL;
    }
  export_present (window);
  contacts_watch (rooms->contacts, &contacts_callbacks, window);
  trust_watch (rooms->trust, &trust_callbacks, window);
  delivery_watch (rooms->delivery, &delivery_callbacks, window);
  verifications_watch (rooms->verifications, &verification_callbacks, window);
  app_access_watch (rooms->app_access, &app_callbacks, window);
  invites_watch (rooms->invites, &invites_callbacks, window);
  window->watching = TRUE;
  g_ptr_array_add (front->windows, window);
  return window;
}

void
window_close (Window *window)
{
  if (window == NULL)
    return;
  bus_agents_window_gone (window->front->agents, window);
  g_ptr_array_remove (window->front->windows, window);
  window->closed = TRUE;
  if (window->watching)
    {
      app_access_unwatch (window->rooms.app_access, window);
      invites_unwatch (window->rooms.invites, window);
      verifications_unwatch (window->rooms.verifications, window);
      delivery_unwatch (window->rooms.delivery, window);
      trust_unwatch (window->rooms.trust, window);
      contacts_unwatch (window->rooms.contacts, window);
    }
  g_clear_handle_id (&window->turn_source, g_source_remove);
  g_clear_handle_id (&window->count_source, g_source_remove);
  g_clear_handle_id (&window->late_source, g_source_remove);
  bus_calls_unregister (window);
  g_clear_pointer (&window->access, bus_access_free);
  window->root = NULL;
  g_clear_pointer (&window->objects, bus_objects_free);
  window_unref (window);
}
