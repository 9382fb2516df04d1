/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "tests/unit/fake-discovery.h"

#include <string.h>

#include "daemon/base/error.h"
#include "daemon/base/jid.h"

struct _Discovery {
  DiscoveryCallbacks callbacks;
  gpointer user;
  char *user_part, *machine, *instance;
  guint16 port;
  GPtrArray *txt;
  guint updates, rescans;
  GHashTable *targets; /* instance → GPtrArray of GSocketAddress */
  GHashTable *asked;   /* instance → count */
  GPtrArray *queries;
};

struct _DiscoveryQuery {
  Discovery *d;
  char *instance;
  DiscoveryResolved done;
  gpointer user;
  guint source;
};

static Discovery *latest;

void
discovery_record_free (DiscoveryRecord *record)
{
  if (!record)
    return;
  g_free (record->instance);
  g_free (record->domain);
  g_free (record->ifname);
  g_clear_pointer (&record->txt, g_ptr_array_unref);
  g_free (record);
}

Discovery *
discovery_new (DiscoveryChoice choice, char **interfaces, const DiscoveryCallbacks *callbacks, gpointer user)
{
  Discovery *d = g_new0 (Discovery, 1);

  d->callbacks = *callbacks;
  d->user = user;
  d->machine = g_strdup ("pronto");
  d->targets = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
  d->asked = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  d->queries = g_ptr_array_new ();
  latest = d;
  return d;
}

static void
query_free (DiscoveryQuery *query)
{
  g_ptr_array_remove (query->d->queries, query);
  g_clear_handle_id (&query->source, g_source_remove);
  g_free (query->instance);
  g_free (query);
}

void
discovery_free (Discovery *d)
{
  if (!d)
    return;
  if (latest == d)
    latest = NULL;
  while (d->queries->len > 0)
    query_free (d->queries->pdata[0]);
  g_ptr_array_unref (d->queries);
  g_hash_table_unref (d->targets);
  g_hash_table_unref (d->asked);
  g_clear_pointer (&d->txt, g_ptr_array_unref);
  g_free (d->user_part);
  g_free (d->machine);
  g_free (d->instance);
  g_free (d);
}

static void
set_txt (Discovery *d, GPtrArray *txt)
{
  g_ptr_array_ref (txt);
  g_clear_pointer (&d->txt, g_ptr_array_unref);
  d->txt = txt;
}

void
discovery_publish (Discovery *d, const char *user_part, guint16 port, GPtrArray *txt)
{
  char *copy = g_strdup (user_part);

  g_free (d->user_part);
  d->user_part = copy;
  d->port = port;
  set_txt (d, txt);
}

void
discovery_update_txt (Discovery *d, GPtrArray *txt)
{
  set_txt (d, txt);
  d->updates++;
}

void
discovery_withdraw (Discovery *d)
{
  g_clear_pointer (&d->user_part, g_free);
  g_clear_pointer (&d->instance, g_free);
}

static gboolean
on_answer (gpointer data)
{
  DiscoveryQuery *query = data;
  GPtrArray *known = g_hash_table_lookup (query->d->targets, query->instance);
  g_autoptr (GPtrArray) targets = known ? g_ptr_array_ref (known) : NULL;
  g_autoptr (GError) error = NULL;
  DiscoveryResolved done = query->done;
  gpointer user = query->user;

  query->source = 0;
  query_free (query);
  if (!targets)
    g_set_error_literal (&error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_REACHABLE, "no address was announced for this name");
  done (user, error ? NULL : targets, error);
  return G_SOURCE_REMOVE;
}

DiscoveryQuery *
discovery_resolve (Discovery *d, const char *instance, const char *domain, DiscoveryResolved done, gpointer user)
{
  DiscoveryQuery *query = g_new0 (DiscoveryQuery, 1);
  guint asked = GPOINTER_TO_UINT (g_hash_table_lookup (d->asked, instance));

  g_hash_table_insert (d->asked, g_strdup (instance), GUINT_TO_POINTER (asked + 1));
  query->d = d;
  query->instance = g_strdup (instance);
  query->done = done;
  query->user = user;
  query->source = g_idle_add (on_answer, query);
  g_ptr_array_add (d->queries, query);
  return query;
}

void
discovery_query_cancel (DiscoveryQuery *query)
{
  if (query)
    query_free (query);
}

void
discovery_rescan (Discovery *d)
{
  d->rescans++;
}

const char *
discovery_get_machine (const Discovery *d)
{
  return d->machine;
}

const char *
discovery_get_instance (const Discovery *d)
{
  return d->instance;
}

/* --- the test's side ------------------------------------------------------------ */

Discovery *
fake_discovery_get (void)
{
  return latest;
}

const char *
fake_discovery_get_user_part (Discovery *d)
{
  return d->user_part;
}

guint16
fake_discovery_get_port (Discovery *d)
{
  return d->port;
}

GPtrArray *
fake_discovery_get_txt (Discovery *d)
{
  return d->txt;
}

guint
fake_discovery_count_updates (Discovery *d)
{
  return d->updates;
}

guint
fake_discovery_count_rescans (Discovery *d)
{
  return d->rescans;
}

void
fake_discovery_state (Discovery *d, const char *state, const char *reason)
{
  if (d->callbacks.state)
    d->callbacks.state (d->user, "fake", state, reason);
}

void
fake_discovery_establish (Discovery *d, const char *machine)
{
  g_autoptr (GError) error = NULL;
  char *instance;

  g_assert_nonnull (d->user_part);
  if (machine)
    {
      g_free (d->machine);
      d->machine = g_strdup (machine);
    }
  instance = jid_build_instance (d->user_part, d->machine, 0, &error);
  g_assert_no_error (error);
  g_free (d->instance);
  d->instance = instance;
  if (d->callbacks.established)
    d->callbacks.established (d->user, d->instance);
}

void
fake_discovery_warn (Discovery *d, const char *key, const char *text)
{
  if (d->callbacks.warning)
    d->callbacks.warning (d->user, key, text);
}

void
fake_discovery_sight (Discovery *d, const char *instance, int ifindex, int family, const char *const *txt)
{
  DiscoveryRecord *record = g_new0 (DiscoveryRecord, 1);

  record->instance = g_strdup (instance);
  record->domain = g_strdup ("local");
  record->ifindex = ifindex;
  record->ifname = g_strdup_printf ("eth%d", ifindex);
  record->family = family;
  if (txt)
    record->txt = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  for (; txt && *txt; txt++)
    g_ptr_array_add (record->txt, g_bytes_new (*txt, strlen (*txt)));
  if (d->callbacks.sighted)
    d->callbacks.sighted (d->user, record);
  discovery_record_free (record);
}

void
fake_discovery_gone (Discovery *d, const char *instance, int ifindex, int family)
{
  if (d->callbacks.gone)
    d->callbacks.gone (d->user, instance, "local", ifindex, family);
}

void
fake_discovery_locate (Discovery *d, const char *instance, const char *address, guint16 port)
{
  g_hash_table_remove (d->targets, instance);
  if (address)
    fake_discovery_locate_also (d, instance, address, port);
}

void
fake_discovery_locate_also (Discovery *d, const char *instance, const char *address, guint16 port)
{
  GSocketAddress *target = g_inet_socket_address_new_from_string (address, port);
  GPtrArray *known = g_hash_table_lookup (d->targets, instance);

  g_assert_nonnull (target);
  if (!known)
    {
      known = g_ptr_array_new_with_free_func (g_object_unref);
      g_hash_table_insert (d->targets, g_strdup (instance), known);
    }
  g_ptr_array_add (known, target);
}

guint
fake_discovery_count_resolves (Discovery *d, const char *instance)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (d->asked, instance));
}
