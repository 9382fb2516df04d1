/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "cli/model.h"

#define INTERFACE_PREFIX "im.earshot.Earshot1."

struct _Model {
  GHashTable *objects; /* path -> (interface -> (property -> GVariant)) */
};

Model *
model_new (void)
{
  Model *model = g_new0 (Model, 1);

  model->objects = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_hash_table_unref);
  return model;
}

void
model_free (Model *model)
{
  if (model == NULL)
    return;
  g_hash_table_unref (model->objects);
  g_free (model);
}

static const char *
short_name (const char *interface)
{
  return g_str_has_prefix (interface, INTERFACE_PREFIX) ? interface + strlen (INTERFACE_PREFIX) : NULL;
}

static void
set_properties (GHashTable *properties, GVariant *values)
{
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, values);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &value))
    {
      /* In one piece from now on: what is read out of it points into its bytes. As a tree of values, which is how GDBus hands it out,
       * GLib may put it together later and let go of what was read before. */
      g_variant_get_data (value);
      g_hash_table_insert (properties, g_strdup (name), value);
    }
}

static GHashTable *
ensure_interface (Model *model, const char *path, const char *name)
{
  GHashTable *interfaces = g_hash_table_lookup (model->objects, path);

  if (interfaces == NULL)
    {
      interfaces = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_hash_table_unref);
      g_hash_table_insert (model->objects, g_strdup (path), interfaces);
    }
  GHashTable *properties = g_hash_table_lookup (interfaces, name);

  if (properties == NULL)
    {
      properties = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
      g_hash_table_insert (interfaces, g_strdup (name), properties);
    }
  return properties;
}

void
model_add (Model *model, const char *path, GVariant *interfaces)
{
  GVariantIter iter;
  const char *interface;
  GVariant *values;

  g_variant_iter_init (&iter, interfaces);
  while (g_variant_iter_next (&iter, "{&s@a{sv}}", &interface, &values))
    {
      const char *name = short_name (interface);

      if (name != NULL)
        set_properties (ensure_interface (model, path, name), values);
      g_variant_unref (values);
    }
}

void
model_load (Model *model, GVariant *managed)
{
  GVariantIter iter;
  const char *path;
  GVariant *interfaces;

  g_hash_table_remove_all (model->objects);
  g_variant_iter_init (&iter, managed);
  while (g_variant_iter_next (&iter, "{&o@a{sa{sv}}}", &path, &interfaces))
    {
      model_add (model, path, interfaces);
      g_variant_unref (interfaces);
    }
}

void
model_remove (Model *model, const char *path, const char *const *interfaces)
{
  GHashTable *known = g_hash_table_lookup (model->objects, path);

  for (guint i = 0; known != NULL && interfaces[i] != NULL; i++)
    {
      const char *name = short_name (interfaces[i]);

      if (name != NULL)
        g_hash_table_remove (known, name);
    }
  if (known != NULL && g_hash_table_size (known) == 0)
    g_hash_table_remove (model->objects, path);
}

void
model_change (Model *model, const char *path, const char *interface, GVariant *changed)
{
  const char *name = short_name (interface);

  /* An object that was never announced stays unknown. */
  if (name != NULL && model_has (model, path, name))
    set_properties (ensure_interface (model, path, name), changed);
}

gboolean
model_has (Model *model, const char *path, const char *interface)
{
  GHashTable *interfaces = g_hash_table_lookup (model->objects, path);

  return interfaces != NULL && g_hash_table_contains (interfaces, interface);
}

/* contact/9 before contact/10. */
static int
compare_paths (gconstpointer a, gconstpointer b)
{
  const char *left = *(const char *const *) a, *right = *(const char *const *) b;
  gsize left_len = strlen (left), right_len = strlen (right);

  if (left_len != right_len)
    return left_len < right_len ? -1 : 1;
  return strcmp (left, right);
}

GPtrArray *
model_list (Model *model, const char *interface)
{
  GPtrArray *paths = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer path, interfaces;

  g_hash_table_iter_init (&iter, model->objects);
  while (g_hash_table_iter_next (&iter, &path, &interfaces))
    if (g_hash_table_contains (interfaces, interface))
      g_ptr_array_add (paths, path);
  g_ptr_array_sort (paths, compare_paths);
  return paths;
}

GVariant *
model_get (Model *model, const char *path, const char *interface, const char *property)
{
  GHashTable *interfaces = g_hash_table_lookup (model->objects, path);
  GHashTable *properties = interfaces != NULL ? g_hash_table_lookup (interfaces, interface) : NULL;

  return properties != NULL ? g_hash_table_lookup (properties, property) : NULL;
}

static const char *
read_string (GVariant *value)
{
  if (value == NULL
      || !(g_variant_is_of_type (value, G_VARIANT_TYPE_STRING)
           || g_variant_is_of_type (value, G_VARIANT_TYPE_OBJECT_PATH)))
    return "";
  return g_variant_get_string (value, NULL);
}

static gint64
read_number (GVariant *value)
{
  if (value == NULL)
    return 0;
  switch ((int) g_variant_classify (value))
    {
    case G_VARIANT_CLASS_BYTE: return g_variant_get_byte (value);
    case G_VARIANT_CLASS_INT16: return g_variant_get_int16 (value);
    case G_VARIANT_CLASS_UINT16: return g_variant_get_uint16 (value);
    case G_VARIANT_CLASS_INT32: return g_variant_get_int32 (value);
    case G_VARIANT_CLASS_UINT32: return g_variant_get_uint32 (value);
    case G_VARIANT_CLASS_INT64: return g_variant_get_int64 (value);
    case G_VARIANT_CLASS_UINT64: return (gint64) MIN (g_variant_get_uint64 (value), (guint64) G_MAXINT64);
    default: return 0;
    }
}

const char *
model_string (Model *model, const char *path, const char *interface, const char *property)
{
  return read_string (model_get (model, path, interface, property));
}

gboolean
model_bool (Model *model, const char *path, const char *interface, const char *property)
{
  GVariant *value = model_get (model, path, interface, property);

  return value != NULL && g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN) && g_variant_get_boolean (value);
}

gint64
model_number (Model *model, const char *path, const char *interface, const char *property)
{
  return read_number (model_get (model, path, interface, property));
}

const char **
model_strv (Model *model, const char *path, const char *interface, const char *property)
{
  GVariant *value = model_get (model, path, interface, property);

  if (value != NULL && g_variant_is_of_type (value, G_VARIANT_TYPE_STRING_ARRAY))
    return g_variant_get_strv (value, NULL);
  if (value != NULL && g_variant_is_of_type (value, G_VARIANT_TYPE_OBJECT_PATH_ARRAY))
    return g_variant_get_objv (value, NULL);
  return g_new0 (const char *, 1);
}

const char *
dict_string (GVariant *dict, const char *key)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (dict, key, NULL);

  /* The string lives in the dict's own bytes. */
  return read_string (value);
}

gboolean
dict_bool (GVariant *dict, const char *key)
{
  gboolean value = FALSE;

  return g_variant_lookup (dict, key, "b", &value) && value;
}

gint64
dict_number (GVariant *dict, const char *key)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (dict, key, NULL);

  return read_number (value);
}
