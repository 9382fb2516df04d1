/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Every call comes through here: caller first, then the table of verbs. The generated skeletons keep the properties
 * and announce them; their calls and property writes are taken over, because a write must be able to wait for the
 * disk and to fail by name, and a caller must be known before anything is read.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/names.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"

/* What ties a skeleton to us. */
typedef struct {
  Window *window;
  BusObject *object;
} Binding;

static const char object_manager_xml[] =
  "<node><interface name='org.freedesktop.DBus.ObjectManager'>"
  "<method name='GetManagedObjects'><arg name='objects' type='a{oa{sa{sv}}}' direction='out'/></method>"
  "<signal name='InterfacesAdded'><arg name='object' type='o'/><arg name='interfaces' type='a{sa{sv}}'/></signal>"
  "<signal name='InterfacesRemoved'><arg name='object' type='o'/><arg name='interfaces' type='as'/></signal>"
  "</interface></node>";

/* --- the end of a call ----------------------------------------------------------------------------------------- */

static void
call_free (BusCall *call)
{
  if (call->data_free != NULL)
    call->data_free (call->data);
  g_clear_object (&call->skeleton);
  g_free (call->audit);
  g_free (call->app);
  window_unref (call->window);
  g_free (call);
}

void
bus_call_return (BusCall *call, GVariant *reply)
{
  g_dbus_method_invocation_return_value (g_steal_pointer (&call->invocation), reply);
  call_free (call);
}

static void
call_fail_text (BusCall *call, EarshotError code, const char *text)
{
  g_autofree char *name = g_strconcat (EARSHOT_ERROR_PREFIX, earshot_error_name (code), NULL);
  g_autofree char *message = g_utf8_make_valid (text, -1);

  /* Messages may quote what a stranger typed, and end on terminals. */
  for (char *p = message; *p != '\0'; p++)
    if ((guchar) *p < 0x20 || *p == 0x7f)
      *p = ' ';
  g_dbus_method_invocation_return_dbus_error (g_steal_pointer (&call->invocation), name, message);
  call_free (call);
}

void
bus_call_fail (BusCall *call, EarshotError code, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  call_fail_text (call, code, text);
}

void
bus_call_return_error (BusCall *call, const GError *error)
{
  call_fail_text (call, error->domain == EARSHOT_ERROR ? (EarshotError) error->code : EARSHOT_ERROR_FAILED,
                  error->message);
}

void
bus_call_take_error (BusCall *call, GError *error)
{
  bus_call_return_error (call, error);
  g_error_free (error);
}

void
bus_call_done (gpointer user, const GError *error)
{
  BusCall *call = user;

  if (error != NULL)
    bus_call_return_error (call, error);
  else
    bus_call_return (call, NULL);
}

void
bus_call_done_root (gpointer user, const GError *error)
{
  BusCall *call = user;

  if (error == NULL)
    window_touch_root (call->window);
  bus_call_done (call, error);
}

const char *
bus_call_get_sender (const BusCall *call)
{
  /* On a bus the bus writes it; where there is none it is what the program typed. */
  return g_dbus_connection_get_unique_name (call->window->connection) != NULL ? g_dbus_method_invocation_get_sender (call->invocation) : NULL;
}

Contact *
bus_call_get_contact (BusCall *call)
{
  Contact *contact = call->window->closed ? NULL : contacts_get (call->window->rooms.contacts, call->id.contact);

  if (contact == NULL)
    bus_call_fail (call, EARSHOT_ERROR_NOT_FOUND, "the contact is gone");
  return contact;
}

Key *
bus_call_get_key (BusCall *call)
{
  Key *key = call->window->closed ? NULL : contacts_get_key (call->window->rooms.contacts, &call->id.key);

  if (key == NULL)
    bus_call_fail (call, EARSHOT_ERROR_NOT_FOUND, "the key is gone");
  return key;
}

Contact *
bus_contact_at (Window *window, const char *path, GError **error)
{
  static const char prefix[] = EARSHOT_BUS_ROOT "/contact/";
  const char *number = path + strlen (prefix);
  Contact *contact = NULL;
  guint64 id;

  /* No leading zero: one contact, one path. */
  if (g_str_has_prefix (path, prefix) && *number != '0'
      && g_ascii_string_to_unsigned (number, 10, 1, G_MAXUINT32, &id, NULL))
    contact = contacts_get (window->rooms.contacts, (guint32) id);
  if (contact == NULL)
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_FOUND, "no such conversation: %.128s", path);
  return contact;
}

/* --- properties ------------------------------------------------------------------------------------------------ */

static guint
object_index (BusObject *object, GDBusInterfaceSkeleton *skeleton)
{
  guint i = 0;

  while (i < object->n && object->skeletons[i] != skeleton)
    i++;
  return i;
}

/* The object as it is now, or NULL when it went while the caller was identified. */
static BusObject *
call_get_object (BusCall *call)
{
  return call->window->closed ? NULL : bus_objects_get (call->window->objects, &call->id);
}

static void
properties_get (BusCall *call, const char *name)
{
  BusObject *object = call_get_object (call);
  guint index = object != NULL ? object_index (object, call->skeleton) : 0;
  g_autoptr (GVariant) all = NULL;
  g_autoptr (GVariant) value = NULL;

  if (object == NULL || index == object->n)
    {
      bus_call_fail (call, EARSHOT_ERROR_NOT_FOUND, "the object is gone");
      return;
    }
  all = bus_object_describe (call->window, object, index, bus_apps_granted (call));
  if (name == NULL)
    {
      bus_call_return (call, g_variant_new ("(@a{sv})", all));
      return;
    }
  value = g_variant_lookup_value (all, name, NULL);
  if (value == NULL)
    bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "no such property");
  else
    bus_call_return (call, g_variant_new ("(v)", value));
}

static void
properties_set (BusCall *call, const char *name, GVariant *value)
{
  const GDBusPropertyInfo *info = g_dbus_method_invocation_get_property_info (call->invocation);
  const BusVerb *verb = call->interface->setters;

  while (verb->name != NULL && !g_str_equal (verb->name, name))
    verb++;
  if (verb->name == NULL)
    bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "%s can not be set", name);
  else if (info == NULL || strcmp (info->signature, g_variant_get_type_string (value)) != 0)
    bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "%s must be of type %s", name,
                   info != NULL ? info->signature : "?");
  else
    verb->func (call, value);
}

/* GetAll leaves out what the caller may not see; one property by name is denied. */
static void
call_properties (BusCall *call, const char *own, const char *method, GVariant *parameters)
{
  g_autoptr (GVariant) value = NULL;
  g_autofree char *name = NULL;

  if (g_str_equal (method, "GetAll"))
    {
      if (bus_apps_permit (call, "ObjectManager", "GetManagedObjects", BUS_CALL))
        properties_get (call, NULL);
    }
  else if (g_str_equal (method, "Get"))
    {
      g_variant_get (parameters, "(&ss)", NULL, &name);
      if (bus_apps_permit (call, own, name, BUS_READ))
        properties_get (call, name);
    }
  else
    {
      g_variant_get (parameters, "(&ssv)", NULL, &name, &value);
      if (bus_apps_permit (call, own, name, BUS_WRITE))
        properties_set (call, name, value);
    }
}

/* --- the way in ------------------------------------------------------------------------------------------------ */

static void
call_objects (BusCall *call)
{
  if (bus_apps_permit (call, "ObjectManager", "GetManagedObjects", BUS_CALL))
    bus_call_return (call, g_variant_new ("(@a{oa{sa{sv}}})", bus_objects_describe (call->window->objects, bus_apps_granted (call))));
}

static void
call_method (BusCall *call, const char *own, const char *method, GVariant *parameters)
{
  const BusVerb *verb = call->interface->methods;

  while (verb->name != NULL && !g_str_equal (verb->name, method))
    verb++;
  if (!bus_apps_permit (call, own, method, BUS_CALL))
    return;
  if (verb->name != NULL)
    {
      g_autoptr (GVariant) args = g_variant_ref (parameters); /* the answer may free the invocation */

      verb->func (call, args);
      return;
    }
  bus_call_fail (call, EARSHOT_ERROR_UNSUPPORTED, "%s is not part of this version", method);
}

static void
call_dispatch (gpointer user, const BusCaller *caller, const GError *denied)
{
  BusCall *call = user;
  GDBusMethodInvocation *invocation = call->invocation;
  const char *method = g_dbus_method_invocation_get_method_name (invocation);
  GVariant *parameters = g_dbus_method_invocation_get_parameters (invocation);
  const char *own;

  if (denied != NULL)
    {
      bus_call_return_error (call, denied);
      return;
    }
  if (call->window->closed)
    {
      bus_call_fail (call, EARSHOT_ERROR_FAILED, "earshotd is going away");
      return;
    }
  call->audit = g_strdup (caller->audit);
  call->app = g_strdup (caller->app);
  if (call->interface == NULL)
    {
      call_objects (call);
      return;
    }
  own = g_dbus_interface_skeleton_get_info (call->skeleton)->name + strlen (EARSHOT_BUS_NAME ".");
  if (g_str_equal (g_dbus_method_invocation_get_interface_name (invocation), PROPERTIES))
    call_properties (call, own, method, parameters);
  else
    call_method (call, own, method, parameters);
}

static void
call_begin (Window *window, BusObject *object, GDBusInterfaceSkeleton *skeleton, const char *sender,
            GDBusMethodInvocation *invocation_take)
{
  BusCall *call = g_new0 (BusCall, 1);

  call->window = window_ref (window);
  call->invocation = invocation_take;
  if (object != NULL)
    {
      call->id = object->id;
      call->skeleton = g_object_ref (skeleton);
      call->interface = object->interfaces[object_index (object, skeleton)];
    }
  bus_access_check (window->access, sender, call_dispatch, call);
}

static void
on_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *method,
         GVariant *parameters, GDBusMethodInvocation *invocation, gpointer user)
{
  GDBusInterfaceSkeleton *skeleton = user;
  Binding *binding = g_object_get_data (G_OBJECT (skeleton), "earshot-binding");

  if (binding == NULL || binding->window->closed)
    g_dbus_method_invocation_return_dbus_error (invocation, EARSHOT_ERROR_PREFIX "NotFound", "the object is gone");
  else
    call_begin (binding->window, binding->object, skeleton, sender, invocation);
}

static void
on_manager_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                 const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer user)
{
  call_begin (user, NULL, NULL, sender, invocation);
}

/* With no property functions GDBus hands Get, GetAll and Set to `method_call` as well (since GLib 2.38). */
static const GDBusInterfaceVTable hooked_vtable = { on_call, NULL, NULL, { NULL } };
static const GDBusInterfaceVTable manager_vtable = { on_manager_call, NULL, NULL, { NULL } };

static GDBusInterfaceVTable *
hooked_get_vtable (GDBusInterfaceSkeleton *skeleton)
{
  return (GDBusInterfaceVTable *) &hooked_vtable;
}

static void
hooked_class_init (gpointer class, gpointer data)
{
  G_DBUS_INTERFACE_SKELETON_CLASS (class)->get_vtable = hooked_get_vtable;
}

GType
bus_interface_get_type (const BusInterface *interface)
{
  GType parent = interface->skeleton_type ();
  g_autofree char *name = g_strconcat ("Window", g_type_name (parent), NULL);
  GType type = g_type_from_name (name);
  GTypeQuery query;

  if (type != 0)
    return type;
  g_type_query (parent, &query);
  return g_type_register_static_simple (parent, name, query.class_size, hooked_class_init, query.instance_size, NULL,
                                        0);
}

/* --- objects that are not there -------------------------------------------------------------------------------- */

/* GDBus would answer for a path that is gone with a name of its own; the contract says NotFound or AlreadyResolved. */
static void
on_missing_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                 const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer user)
{
  Window *window = user;
  static const char prefix[] = EARSHOT_BUS_ROOT "/request/";
  guint64 id;

  if (g_str_has_prefix (path, prefix)
      && g_ascii_string_to_unsigned (path + strlen (prefix), 10, 1, G_MAXUINT64, &id, NULL))
    for (guint i = 0; i < MIN (window->front->n_resolved, G_N_ELEMENTS (window->front->resolved)); i++)
      if (window->front->resolved[i] == id)
        {
          g_dbus_method_invocation_return_dbus_error (invocation, EARSHOT_ERROR_PREFIX "AlreadyResolved",
                                                      "the request was resolved before");
          return;
        }
  g_dbus_method_invocation_return_dbus_error (invocation, EARSHOT_ERROR_PREFIX "NotFound", "no such object");
}

static const GDBusInterfaceVTable missing_vtable = { on_missing_call, NULL, NULL, { NULL } };

static void
add_name (BusObject *object, gpointer user)
{
  g_ptr_array_add (user, g_strdup (strrchr (object->path, '/') + 1));
}

static BusKind
kind_of_path (const char *path)
{
  if (g_str_has_prefix (path, EARSHOT_BUS_ROOT "/contact"))
    return BUS_CONTACT;
  if (g_str_has_prefix (path, EARSHOT_BUS_ROOT "/verification"))
    return BUS_VERIFICATION;
  return g_str_has_prefix (path, EARSHOT_BUS_ROOT "/key") ? BUS_KEY : BUS_REQUEST;
}

static char **
on_enumerate (GDBusConnection *connection, const char *sender, const char *path, gpointer user)
{
  Window *window = user;
  GPtrArray *names = g_ptr_array_new ();

  bus_objects_foreach (window->objects, kind_of_path (path), add_name, names);
  g_ptr_array_add (names, NULL);
  return (char **) g_ptr_array_free (names, FALSE);
}

static GDBusInterfaceInfo **
on_introspect (GDBusConnection *connection, const char *sender, const char *path, const char *node, gpointer user)
{
  GDBusInterfaceInfo **infos;

  if (node == NULL)
    return NULL;
  infos = g_new0 (GDBusInterfaceInfo *, 3);
  switch (kind_of_path (path))
    {
    case BUS_KEY: infos[0] = g_dbus_interface_info_ref (earshot_key_interface_info ()); break;
    case BUS_REQUEST: infos[0] = g_dbus_interface_info_ref (earshot_request_interface_info ()); break;
    case BUS_VERIFICATION: infos[0] = g_dbus_interface_info_ref (earshot_verification_interface_info ()); break;
    case BUS_CONTACT:
    case BUS_ROOT:
    case BUS_N_KINDS:
      infos[0] = g_dbus_interface_info_ref (earshot_contact_interface_info ());
      infos[1] = g_dbus_interface_info_ref (earshot_conversation_interface_info ());
      break;
    }
  return infos;
}

static const GDBusInterfaceVTable *
on_dispatch (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *node,
             gpointer *out, gpointer user)
{
  *out = user;
  return &missing_vtable;
}

static const GDBusSubtreeVTable missing_subtree = { on_enumerate, on_introspect, on_dispatch, { NULL } };

gboolean
bus_calls_register (Window *window, GError **error)
{
  static const char *const paths[] = { EARSHOT_BUS_ROOT "/contact", EARSHOT_BUS_ROOT "/key",
                                       EARSHOT_BUS_ROOT "/request", EARSHOT_BUS_ROOT "/verification" };
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (object_manager_xml, error);

  if (node == NULL)
    return FALSE;
  window->registrations[0] = g_dbus_connection_register_object (
    window->connection, EARSHOT_BUS_ROOT, node->interfaces[0], &manager_vtable, window, NULL, error);
  if (window->registrations[0] == 0)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      window->registrations[i + 1] =
        g_dbus_connection_register_subtree (window->connection, paths[i], &missing_subtree,
                                            G_DBUS_SUBTREE_FLAGS_DISPATCH_TO_UNENUMERATED_NODES, window, NULL, error);
      if (window->registrations[i + 1] == 0)
        return FALSE;
    }
  return TRUE;
}

void
bus_calls_unregister (Window *window)
{
  if (window->registrations[0] != 0)
    g_dbus_connection_unregister_object (window->connection, window->registrations[0]);
  for (guint i = 1; i < G_N_ELEMENTS (window->registrations); i++)
    if (window->registrations[i] != 0)
      g_dbus_connection_unregister_subtree (window->connection, window->registrations[i]);
  memset (window->registrations, 0, sizeof window->registrations);
}

void
bus_call_bind (Window *window, BusObject *object, GDBusInterfaceSkeleton *skeleton)
{
  Binding *binding = g_new0 (Binding, 1);

  binding->window = window;
  binding->object = object;
  g_object_set_data_full (G_OBJECT (skeleton), "earshot-binding", binding, g_free);
}

void
bus_call_unbind (GDBusInterfaceSkeleton *skeleton)
{
  g_object_set_data (G_OBJECT (skeleton), "earshot-binding", NULL);
}
