/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/model/settings.h"

#include <string.h>

struct _Settings {
  TrustStore *store;
  GHashTable *words; /* char* -> char* */
};

/* One change on its way to the disk. */
typedef struct {
  Settings *settings;
  char *key;
  char *value; /* NULL removes */
  DoneFunc done;
  gpointer user;
} Pending;

Settings *
settings_new (TrustStore *store, GHashTable *loaded_take)
{
  Settings *settings = g_new0 (Settings, 1);

  settings->store = store;
  settings->words = loaded_take;
  return settings;
}

void
settings_free (Settings *settings)
{
  if (settings == NULL)
    return;
  g_hash_table_unref (settings->words);
  g_free (settings);
}

const char *
settings_get (Settings *settings, const char *key)
{
  return g_hash_table_lookup (settings->words, key);
}

/* Disk first, memory second. */
static void
on_written (gpointer user, const GError *error)
{
  Pending *pending = user;

  if (error == NULL)
    {
      if (pending->value != NULL)
        g_hash_table_replace (pending->settings->words, g_strdup (pending->key), g_strdup (pending->value));
      else
        g_hash_table_remove (pending->settings->words, pending->key);
    }
  if (pending->done != NULL)
    pending->done (pending->user, error);
  g_free (pending->key);
  g_free (pending->value);
  g_free (pending);
}

void
settings_set (Settings *settings, const char *key, const char *value, DoneFunc done, gpointer user)
{
  TrustChange *change = trust_change_new ();
  Pending *pending = g_new0 (Pending, 1);

  pending->settings = settings;
  pending->key = g_strdup (key);
  pending->value = g_strdup (value);
  pending->done = done;
  pending->user = user;
  trust_change_put_setting (change, key, value);
  trust_store_apply (settings->store, change, on_written, pending);
}

GList *
settings_list (Settings *settings, const char *prefix)
{
  GHashTableIter iter;
  gpointer key;
  GList *list = NULL;

  g_hash_table_iter_init (&iter, settings->words);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    if (g_str_has_prefix (key, prefix))
      list = g_list_insert_sorted (list, key, (GCompareFunc) strcmp);
  return list;
}
