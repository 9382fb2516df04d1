/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The table of objects, what is told about them, and when. Reading is always current; only signals wait.
 *
 * Threat: anybody on the link can appear, change and go as fast as it likes. All that is told about strangers costs a token of ten
 * a minute: that they, their keys and their questions appeared, changed or went, and what Manager says because of them. What
 * finds no token waits here, once per object, and is told in the state it has then. Questions come first, and a part of the
 * tokens is for them alone: who appears or flaps by the thousand must not keep one from being heard.
 *
 * Skeletons stay frozen (g_object_freeze_notify): properties can be written at any time, and PropertiesChanged goes
 * out only when we thaw, with the difference to what was told last.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/names.h"

#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"
#define STRANGERS_A_MINUTE 10
#define GONE_MAX 1024 /* each was told of, ten a minute */

/* How many tokens of the minute each kind of news may leave behind it as used, the most urgent first. */
typedef enum { NEWS_QUESTION, NEWS_APPEARED, NEWS_CHANGED, N_NEWS } News;
static const guint news_max[N_NEWS] = { STRANGERS_A_MINUTE, 7, 4 };
/* Codes to compare can not wait for others' news: so many runs a minute are told of beside it, each to its end (it appears, has a code,
 * ended, is gone). Who begins one holds one of the few streams for strangers, three times in ten minutes (model/verification.h). */
#define RUNS_A_MINUTE 12
#define RUN_SIGNALS 4

struct _BusObjects {
  Window *window;            /* borrowed */
  GHashTable *contacts;      /* guint32 -> BusObject, owns */
  GHashTable *keys;          /* Fingerprint -> BusObject, owns */
  GHashTable *requests;      /* guint64 -> BusObject, owns */
  GHashTable *verifications; /* guint32 -> BusObject, owns */
  BusObject *root;
  GQueue waiting; /* objects with news, in order of arrival; borrowed */
  GQueue gone;    /* (oas), floating no more: strangers' objects of which it is to be told that they went */
  guint waiting_source;
  gboolean root_waiting; /* Manager has news because of a stranger */
  gint64 told[STRANGERS_A_MINUTE]; /* monotonic times, a ring */
  guint n_told;
  gint64 runs[RUNS_A_MINUTE]; /* the same of verifications */
  guint n_runs;
};

char *
bus_path_contact (guint32 id)
{
  return g_strdup_printf (EARSHOT_BUS_ROOT "/contact/%u", id);
}

char *
bus_path_key (const Fingerprint *fp)
{
  g_autofree char *hex = fingerprint_to_hex (fp);

  return g_strconcat (EARSHOT_BUS_ROOT "/key/", hex, NULL);
}

char *
bus_path_request (guint64 id)
{
  return g_strdup_printf (EARSHOT_BUS_ROOT "/request/%" G_GUINT64_FORMAT, id);
}

char *
bus_path_verification (guint32 id)
{
  return g_strdup_printf (EARSHOT_BUS_ROOT "/verification/%u", id);
}

/* --- one object ------------------------------------------------------------------------------------------------ */

static void
object_add_interface (BusObject *object, const BusInterface *interface)
{
  object->interfaces[object->n++] = interface;
}

static BusObject *
object_new (const BusId *id)
{
  BusObject *object = g_new0 (BusObject, 1);

  object->id = *id;
  switch (id->kind)
    {
    case BUS_ROOT:
      object->path = g_strdup (EARSHOT_BUS_ROOT);
      object_add_interface (object, &bus_manager);
      object_add_interface (object, &bus_messages);
      object_add_interface (object, &bus_network);
      break;
    case BUS_CONTACT:
      object->path = bus_path_contact (id->contact);
      object_add_interface (object, &bus_contact);
      object_add_interface (object, &bus_conversation);
      break;
    case BUS_KEY:
      object->path = bus_path_key (&id->key);
      object_add_interface (object, &bus_key);
      break;
    case BUS_VERIFICATION:
      object->path = bus_path_verification (id->verification);
      object_add_interface (object, &bus_verification);
      break;
    case BUS_REQUEST:
    case BUS_N_KINDS:
      object->path = bus_path_request (id->request);
      object_add_interface (object, &bus_request);
      break;
    }
  return object;
}

static void
object_free (gpointer data)
{
  BusObject *object = data;

  for (guint i = 0; i < object->n; i++)
    if (object->skeletons[i] != NULL)
      {
        bus_call_unbind (object->skeletons[i]);
        if (g_dbus_interface_skeleton_get_connection (object->skeletons[i]) != NULL)
          g_dbus_interface_skeleton_unexport (object->skeletons[i]);
        g_object_thaw_notify (G_OBJECT (object->skeletons[i]));
        g_object_unref (object->skeletons[i]);
      }
  g_clear_pointer (&object->preview, g_variant_unref);
  g_free (object->path);
  g_free (object);
}

static gboolean
object_export (Window *window, BusObject *object, GError **error)
{
  for (guint i = 0; i < object->n; i++)
    {
      object->skeletons[i] = g_object_new (bus_interface_get_type (object->interfaces[i]), NULL);
      g_object_freeze_notify (G_OBJECT (object->skeletons[i]));
      bus_call_bind (window, object, object->skeletons[i]);
    }
  bus_object_refresh (window, object, TRUE);
  for (guint i = 0; i < object->n; i++)
    if (!g_dbus_interface_skeleton_export (object->skeletons[i], window->connection, object->path, error))
      return FALSE;
  return TRUE;
}

void
bus_object_refresh (Window *window, BusObject *object, gboolean full)
{
  for (guint i = 0; i < object->n; i++)
    object->interfaces[i]->refresh (window, object, object->skeletons[i], full);
}

static void
skeleton_emit (GDBusInterfaceSkeleton *skeleton)
{
  GObject *object = G_OBJECT (skeleton);

  g_object_thaw_notify (object);
  g_dbus_interface_skeleton_flush (skeleton);
  g_object_freeze_notify (object);
}

void
bus_object_emit (BusObject *object, const BusInterface *interface)
{
  for (guint i = 0; i < object->n; i++)
    if (object->announced && (interface == NULL || object->interfaces[i] == interface))
      skeleton_emit (object->skeletons[i]);
}

GVariant *
bus_object_describe (Window *window, BusObject *object, guint index, AppScopes scopes)
{
  const BusInterface *interface = object->interfaces[index];
  const char *full = g_dbus_interface_skeleton_get_info (object->skeletons[index])->name;
  g_autoptr (GVariant) all = NULL;
  GVariantBuilder builder;
  GVariantIter iter;
  const char *name;
  GVariant *value;

  interface->refresh (window, object, object->skeletons[index], TRUE);
  all = g_variant_take_ref (g_dbus_interface_skeleton_get_properties (object->skeletons[index]));
  if (interface->read == NULL && scopes == APP_SCOPES_ALL)
    return g_steal_pointer (&all);
  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_iter_init (&iter, all);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    {
      GVariant *other;

      if (scopes != APP_SCOPES_ALL && !bus_scopes_allow (scopes, full + strlen (EARSHOT_BUS_NAME "."), name, BUS_READ))
        continue;
      other = interface->read != NULL ? interface->read (window, object, name) : NULL;
      g_variant_builder_add (&builder, "{sv}", name, other != NULL ? other : value);
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

/* a{sa{sv}}; `signal`: without what only reading may show. */
static GVariant *
object_describe_all (Window *window, BusObject *object, gboolean signal, AppScopes scopes)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{sa{sv}}"));
  for (guint i = 0; i < object->n; i++)
    {
      g_autoptr (GVariant) properties = NULL;

      if (signal)
        properties = g_variant_take_ref (g_dbus_interface_skeleton_get_properties (object->skeletons[i]));
      else
        properties = bus_object_describe (window, object, i, scopes);
      g_variant_builder_add (&builder, "{s@a{sv}}", g_dbus_interface_skeleton_get_info (object->skeletons[i])->name,
                             properties);
    }
  return g_variant_builder_end (&builder);
}

/* --- the table ------------------------------------------------------------------------------------------------- */

static BusObjects *
objects_init (Window *window)
{
  BusObjects *objects = g_new0 (BusObjects, 1);

  objects->window = window;
  objects->contacts = g_hash_table_new_full (g_direct_hash, g_direct_equal, NULL, object_free);
  objects->keys = g_hash_table_new_full (fingerprint_hash, fingerprint_equal_func, NULL, object_free);
  objects->requests = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, object_free);
  objects->verifications = g_hash_table_new_full (g_direct_hash, g_direct_equal, NULL, object_free);
  g_queue_init (&objects->waiting);
  g_queue_init (&objects->gone);
  return objects;
}

BusObjects *
bus_objects_new (Window *window)
{
  return objects_init (window);
}

void
bus_objects_free (BusObjects *objects)
{
  g_clear_handle_id (&objects->waiting_source, g_source_remove);
  for (BusKind kind = BUS_ROOT; kind < BUS_N_KINDS; kind++)
    g_queue_init (&objects->window->touched[kind]); /* those in there go with us */
  g_queue_clear (&objects->waiting);
  g_queue_clear_full (&objects->gone, (GDestroyNotify) g_variant_unref);
  g_hash_table_unref (objects->verifications);
  g_hash_table_unref (objects->requests);
  g_hash_table_unref (objects->keys);
  g_hash_table_unref (objects->contacts);
  g_clear_pointer (&objects->root, object_free);
  g_free (objects);
}

BusObject *
bus_objects_get_contact (BusObjects *objects, guint32 id)
{
  return g_hash_table_lookup (objects->contacts, GUINT_TO_POINTER (id));
}

BusObject *
bus_objects_get_request (BusObjects *objects, guint64 id)
{
  return g_hash_table_lookup (objects->requests, &id);
}

BusObject *
bus_objects_get (BusObjects *objects, const BusId *id)
{
  switch (id->kind)
    {
    case BUS_ROOT: return objects->root;
    case BUS_CONTACT: return bus_objects_get_contact (objects, id->contact);
    case BUS_KEY: return g_hash_table_lookup (objects->keys, &id->key);
    case BUS_REQUEST: return bus_objects_get_request (objects, id->request);
    case BUS_VERIFICATION: return g_hash_table_lookup (objects->verifications, GUINT_TO_POINTER (id->verification));
    case BUS_N_KINDS: break;
    }
  return NULL;
}

static GHashTable *
table_of (BusObjects *objects, BusKind kind)
{
  if (kind == BUS_CONTACT)
    return objects->contacts;
  if (kind == BUS_VERIFICATION)
    return objects->verifications;
  return kind == BUS_KEY ? objects->keys : objects->requests;
}

guint
bus_objects_count (BusObjects *objects, BusKind kind)
{
  return g_hash_table_size (table_of (objects, kind));
}

void
bus_objects_foreach (BusObjects *objects, BusKind kind, void (*func) (BusObject *object, gpointer user), gpointer user)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, table_of (objects, kind));
  while (g_hash_table_iter_next (&iter, NULL, &value))
    func (value, user);
}

/* --- the ration ------------------------------------------------------------------------------------------------ */

static guint
count_told (BusObjects *objects, gint64 now)
{
  guint count = 0;

  for (guint i = 0; i < STRANGERS_A_MINUTE; i++)
    count += objects->told[i] != 0 && now - objects->told[i] < G_TIME_SPAN_MINUTE;
  return count;
}

static gboolean
take_tokens (BusObjects *objects, News news, guint n)
{
  gint64 now = g_get_monotonic_time ();

  if (count_told (objects, now) + n > news_max[news])
    return FALSE;
  while (n-- > 0)
    objects->told[objects->n_told++ % STRANGERS_A_MINUTE] = now;
  return TRUE;
}

/* Whom the object is about; NULL for ourselves. */
static Contact *
object_get_contact (Window *window, BusObject *object)
{
  Request *request;
  Verification *run;
  Key *key;

  switch (object->id.kind)
    {
    case BUS_CONTACT: return contacts_get (window->rooms.contacts, object->id.contact);
    case BUS_KEY:
      key = contacts_get_key (window->rooms.contacts, &object->id.key);
      return key != NULL ? key_get_contact (key) : NULL;
    case BUS_REQUEST:
      request = trust_get_request (window->rooms.trust, object->id.request);
      if (request != NULL && request_get_introducer (request) != NULL)
        return request_get_introducer (request); /* a friend's question, whomever it is about */
      return request != NULL ? request_get_contact (request) : NULL;
    case BUS_VERIFICATION:
      run = verifications_get (window->rooms.verifications, object->id.verification);
      /* What our own user began is no stranger's news. */
      return run != NULL && !verification_is_ours (run) ? verification_get_contact (run) : NULL;
    case BUS_ROOT:
    case BUS_N_KINDS: break;
    }
  return NULL;
}

static void object_speak (BusObjects *objects, BusObject *object);

static void
speak_out_of_turn (BusObjects *objects, BusObject *object)
{
  if (object->waiting)
    g_queue_remove (&objects->waiting, object);
  object->waiting = FALSE;
  object_speak (objects, object);
}

static gboolean
run_may_speak (BusObjects *objects, BusObject *object, BusObject *person)
{
  gint64 now = g_get_monotonic_time (), *oldest = &objects->runs[objects->n_runs % RUNS_A_MINUTE];

  if (*oldest != 0 && now - *oldest < G_TIME_SPAN_MINUTE)
    return FALSE;
  *oldest = now;
  objects->n_runs++;
  object->prepaid = RUN_SIGNALS - 1;
  if (person != NULL && !person->announced)
    speak_out_of_turn (objects, person);
  return TRUE;
}

/* A question brings with it whom it is about: all of it or, for now, nothing. */
static gboolean
question_may_speak (BusObjects *objects, BusObject *object, BusObject *person)
{
  Request *request = trust_get_request (objects->window->rooms.trust, object->id.request);
  const Fingerprint *fp = request != NULL ? request_get_fingerprint (request) : NULL;
  BusObject *key = fp != NULL ? g_hash_table_lookup (objects->keys, fp) : NULL;
  gboolean tells_person = person != NULL && !person->announced, tells_key = key != NULL && !key->announced;

  if (!take_tokens (objects, NEWS_QUESTION, 1u + tells_person + tells_key))
    return FALSE;
  if (tells_person)
    speak_out_of_turn (objects, person);
  if (tells_key)
    speak_out_of_turn (objects, key);
  return TRUE;
}

/* Whether the news about the object may go out now; takes the tokens. `most`: only what is so urgent or more. */
static gboolean
object_may_speak (BusObjects *objects, BusObject *object, News most)
{
  Contact *contact = object_get_contact (objects->window, object);
  BusObject *person;

  object->of_stranger = contact != NULL && !contact_is_stored (contact);
  if (!object->of_stranger)
    return TRUE;
  person = bus_objects_get_contact (objects, contact_get_id (contact));
  if (object->id.kind == BUS_REQUEST && !object->announced)
    return question_may_speak (objects, object, person);
  if (object->id.kind == BUS_VERIFICATION && !object->announced)
    return run_may_speak (objects, object, person);
  if (object->prepaid > 0)
    {
      object->prepaid--;
      return TRUE;
    }
  if (object->announced)
    return most >= NEWS_CHANGED && take_tokens (objects, NEWS_CHANGED, 1);
  if (person != NULL && person != object && !person->announced)
    return FALSE; /* whose key it is comes first */
  return most >= NEWS_APPEARED && take_tokens (objects, NEWS_APPEARED, 1);
}

static gboolean on_waiting (gpointer user);

static void
wait_for_tokens (BusObjects *objects)
{
  if (objects->waiting_source == 0)
    objects->waiting_source = g_timeout_add_seconds (1, on_waiting, objects);
}

static gint64
earlier (gint64 first, const gint64 *spent, guint n, gint64 now)
{
  for (guint i = 0; i < n; i++)
    if (spent[i] != 0 && spent[i] + G_TIME_SPAN_MINUTE > now)
      first = MIN (first, spent[i] + G_TIME_SPAN_MINUTE);
  return first;
}

/* Until a token comes back: nothing that waits for one can be told before. */
static guint
count_seconds_to_token (const BusObjects *objects)
{
  gint64 now = g_get_monotonic_time (), first = now + G_TIME_SPAN_MINUTE;

  first = earlier (first, objects->told, STRANGERS_A_MINUTE, now);
  first = earlier (first, objects->runs, RUNS_A_MINUTE, now);
  return (guint) ((first - now + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC);
}

static void
emit_gone (BusObjects *objects, GVariant *gone)
{
  g_dbus_connection_emit_signal (objects->window->connection, NULL, EARSHOT_BUS_ROOT, OBJECT_MANAGER, "InterfacesRemoved", gone, NULL);
}

/* A stranger's object that comes back before it was told that it went: at once, or the two would be told in the wrong order. */
static void
hurry_gone (BusObjects *objects, const char *path)
{
  for (GList *l = objects->gone.head; l != NULL; l = l->next)
    {
      g_autoptr (GVariant) gone = l->data;
      const char *other;

      g_variant_get_child (gone, 0, "&o", &other);
      if (g_str_equal (other, path))
        {
          g_queue_delete_link (&objects->gone, l);
          emit_gone (objects, gone);
          return;
        }
      g_steal_pointer (&gone);
    }
}

static void
tell_gone (BusObjects *objects, BusObject *object)
{
  GVariantBuilder builder;
  GVariant *gone;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint i = 0; i < object->n; i++)
    g_variant_builder_add (&builder, "s", g_dbus_interface_skeleton_get_info (object->skeletons[i])->name);
  gone = g_variant_new ("(oas)", object->path, &builder);
  /* As last told: the room may know nothing of it any more. */
  if (!object->of_stranger || object->prepaid > 0
      || (g_queue_is_empty (&objects->gone) && take_tokens (objects, NEWS_CHANGED, 1))
      || g_queue_get_length (&objects->gone) >= GONE_MAX)
    {
      emit_gone (objects, gone);
      return;
    }
  g_queue_push_tail (&objects->gone, g_variant_ref_sink (gone));
  wait_for_tokens (objects);
}

BusObject *
bus_objects_add (BusObjects *objects, const BusId *id)
{
  BusObject *object = bus_objects_get (objects, id);
  g_autoptr (GError) error = NULL;

  if (object != NULL)
    return object;
  object = object_new (id);
  hurry_gone (objects, object->path);
  /* In the table first: a refresh may ask for the object's neighbours. */
  if (id->kind == BUS_ROOT)
    objects->root = object;
  else if (id->kind == BUS_CONTACT)
    g_hash_table_insert (objects->contacts, GUINT_TO_POINTER (id->contact), object);
  else if (id->kind == BUS_KEY)
    g_hash_table_insert (objects->keys, &object->id.key, object);
  else if (id->kind == BUS_VERIFICATION)
    g_hash_table_insert (objects->verifications, GUINT_TO_POINTER (id->verification), object);
  else
    g_hash_table_insert (objects->requests, &object->id.request, object);
  if (!object_export (objects->window, object, &error))
    {
      log_warn ("bus", "%s can not be exported: %s", object->path, error->message);
      bus_objects_remove (objects, id);
      return NULL;
    }
  return object;
}

void
bus_objects_remove (BusObjects *objects, const BusId *id)
{
  BusObject *object = bus_objects_get (objects, id);

  if (object == NULL)
    return;
  window_untouch (objects->window, object);
  if (object->waiting)
    g_queue_remove (&objects->waiting, object);
  if (object->announced)
    tell_gone (objects, object);
  if (id->kind == BUS_ROOT)
    g_clear_pointer (&objects->root, object_free);
  else if (id->kind == BUS_CONTACT)
    g_hash_table_remove (objects->contacts, GUINT_TO_POINTER (id->contact));
  else if (id->kind == BUS_KEY)
    g_hash_table_remove (objects->keys, &object->id.key);
  else if (id->kind == BUS_VERIFICATION)
    g_hash_table_remove (objects->verifications, GUINT_TO_POINTER (id->verification));
  else
    g_hash_table_remove (objects->requests, &object->id.request);
}

static void
describe_into (BusObjects *objects, BusObject *object, AppScopes scopes, GVariantBuilder *builder)
{
  g_variant_builder_add (builder, "{o@a{sa{sv}}}", object->path, object_describe_all (objects->window, object, FALSE, scopes));
}

GVariant *
bus_objects_describe (BusObjects *objects, AppScopes scopes)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{oa{sa{sv}}}"));
  if (objects->root != NULL)
    describe_into (objects, objects->root, scopes, &builder);
  for (BusKind kind = BUS_CONTACT; kind < BUS_N_KINDS; kind++)
    {
      GHashTableIter iter;
      gpointer value;

      g_hash_table_iter_init (&iter, table_of (objects, kind));
      while (g_hash_table_iter_next (&iter, NULL, &value))
        describe_into (objects, value, scopes, &builder);
    }
  return g_variant_builder_end (&builder);
}

/* --- telling --------------------------------------------------------------------------------------------------- */

static void
object_speak (BusObjects *objects, BusObject *object)
{
  gboolean announced = object->announced;

  object->announced = TRUE;
  if (announced)
    {
      bus_object_emit (object, NULL);
      bus_request_tell_stale (objects->window, object);
    }
  else
    g_dbus_connection_emit_signal (
      objects->window->connection, NULL, EARSHOT_BUS_ROOT, OBJECT_MANAGER, "InterfacesAdded",
      g_variant_new ("(o@a{sa{sv}})", object->path, object_describe_all (objects->window, object, TRUE, APP_SCOPES_ALL)), NULL);
  if (object->id.kind == BUS_REQUEST && !announced)
    bus_agents_request (objects->window->front->agents, object->id.request);
  if (object->id.kind == BUS_VERIFICATION)
    bus_agents_verification (objects->window->front->agents, object->id.verification);
}

static gboolean
on_waiting (gpointer user)
{
  BusObjects *objects = user;
  guint spent = objects->n_told + objects->n_runs;

  objects->waiting_source = 0;
  if (objects->root_waiting && take_tokens (objects, NEWS_APPEARED, 1))
    {
      objects->root_waiting = FALSE;
      window_touch_root (objects->window);
    }
  /* The most urgent first; within one kind, in order of arrival. What went is told last, but told. */
  for (News most = NEWS_QUESTION; most < N_NEWS && count_told (objects, g_get_monotonic_time ()) < news_max[most]; most++)
    {
      for (guint n = g_queue_get_length (&objects->waiting); n > 0; n--)
        {
          BusObject *object = g_queue_pop_head (&objects->waiting);

          if (object == NULL)
            break; /* some were told with a question */
          object->waiting = !object_may_speak (objects, object, most);
          if (object->waiting)
            g_queue_push_tail (&objects->waiting, object);
          else
            object_speak (objects, object);
        }
    }
  while (!g_queue_is_empty (&objects->gone) && take_tokens (objects, NEWS_CHANGED, 1))
    {
      g_autoptr (GVariant) gone = g_queue_pop_head (&objects->gone);

      emit_gone (objects, gone);
    }
  /* What was told may have been what others waited for: soon once more. Then not before a token is back. */
  if (objects->waiting_source == 0
      && (objects->root_waiting || !g_queue_is_empty (&objects->waiting) || !g_queue_is_empty (&objects->gone)))
    objects->waiting_source
      = g_timeout_add_seconds (objects->n_told + objects->n_runs != spent ? 1 : count_seconds_to_token (objects), on_waiting, objects);
  return G_SOURCE_REMOVE;
}

void
bus_objects_publish_root (BusObjects *objects)
{
  if (objects->root_waiting)
    return;
  if (take_tokens (objects, NEWS_APPEARED, 1))
    {
      window_touch_root (objects->window);
      return;
    }
  objects->root_waiting = TRUE;
  wait_for_tokens (objects);
}

void
bus_objects_publish (BusObjects *objects, BusObject *object)
{
  if (object->waiting)
    {
      Contact *contact = object_get_contact (objects->window, object);

      /* It became a friend meanwhile. */
      if (contact != NULL && !contact_is_stored (contact))
        return;
      g_queue_remove (&objects->waiting, object);
      object->waiting = FALSE;
    }
  else if (!object_may_speak (objects, object, NEWS_CHANGED))
    {
      object->waiting = TRUE;
      g_queue_push_tail (&objects->waiting, object);
      wait_for_tokens (objects);
      return;
    }
  object_speak (objects, object);
}
