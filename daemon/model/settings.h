/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the user set over D-Bus and wants kept: words by key, in the trust store. Disk first, memory second.
 * Main thread only.
 */
#pragma once

#include "daemon/io/trust-store.h"

typedef struct _Settings Settings;

/* Takes the table that trust_store_load() gave. */
Settings *settings_new (TrustStore *store, GHashTable *loaded_take);
void settings_free (Settings *settings);
/* Borrowed, NULL = never set. */
const char *settings_get (Settings *settings, const char *key);
/* `value` NULL removes. Memory changes when the disk has it. `done` may be NULL. */
void settings_set (Settings *settings, const char *key, const char *value, DoneFunc done, gpointer user);
/* All keys that begin with `prefix`; free the list with g_list_free(). */
GList *settings_list (Settings *settings, const char *prefix);
