/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The audit on the Manager: reading it, a page at a time, and checking it. Nothing here writes.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

#include <string.h>

#include "daemon/io/trust-audit.h"

#define PREFIX_MIN 8
#define EVENT_MAX 32

/* Lower case in place; FALSE for what are no hex digits, or too few or many of them. */
static gboolean
take_hex (char *text, gsize min, gsize max)
{
  gsize length = strlen (text);

  if (length < min || length > max)
    return FALSE;
  for (char *p = text; *p != '\0'; p++)
    if (g_ascii_isxdigit (*p))
      *p = g_ascii_tolower (*p);
    else
      return FALSE;
  return TRUE;
}

static void
on_listed (gpointer user, GPtrArray *records, gboolean more, const GError *error)
{
  BusCall *call = user;
  GVariantBuilder builder;

  if (error != NULL)
    {
      bus_call_return_error (call, error);
      return;
    }
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(txsssa{sv})"));
  for (guint i = 0; i < records->len; i++)
    {
      const AuditRecord *record = records->pdata[i];
      GVariantBuilder data;

      g_variant_builder_init (&data, G_VARIANT_TYPE_VARDICT);
      if (record->contact != 0)
        {
          g_autofree char *path = bus_path_contact (record->contact);

          g_variant_builder_add (&data, "{sv}", "contact", g_variant_new_object_path (path));
        }
      g_variant_builder_add (&data, "{sv}", "inputs", g_variant_new_string (record->inputs));
      g_variant_builder_add (&data, "{sv}", "caller", g_variant_new_string (record->caller));
      g_variant_builder_add (&data, "{sv}", "hash", g_variant_new_string (record->hash));
      g_variant_builder_add (&builder, "(txsss@a{sv})", record->n, record->time, record->event, record->fp, record->verdict,
                             g_variant_builder_end (&data));
    }
  g_ptr_array_unref (records);
  bus_call_return (call, g_variant_new ("(a(txsssa{sv})b)", &builder, more));
}

/* Of this contact are records about it and about each of its keys, wherever they were then. */
static GPtrArray *
list_keys (Contact *contact)
{
  const GPtrArray *keys = contact_get_keys (contact);
  GPtrArray *list = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < keys->len; i++)
    g_ptr_array_add (list, fingerprint_to_hex (key_get_fingerprint (keys->pdata[i])));
  g_ptr_array_add (list, NULL);
  return list;
}

void
bus_audit_list (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) given = NULL;
  g_autofree char *path = NULL, *prefix = NULL, *event = NULL;
  g_autoptr (GPtrArray) keys = NULL;
  AuditFilter filter = { 0 };
  Contact *contact;
  GError *error = NULL;
  const BusOption table[] = {
    { "contact", "o", &path }, { "fingerprint", "s", &prefix }, { "event", "s", &event }, { "since", "x", &filter.since },
    { NULL, NULL, NULL },
  };

  g_variant_get (args, "(tu@a{sv})", &filter.before, &filter.limit, &given);
  if (!bus_options_parse (given, table, &error))
    {
      bus_call_take_error (call, error);
      return;
    }
  if (prefix != NULL && !take_hex (prefix, PREFIX_MIN, 2 * FINGERPRINT_BYTES))
    {
      bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "fingerprint is %d to %d hex digits", PREFIX_MIN,
                     2 * FINGERPRINT_BYTES);
      return;
    }
  if (event != NULL && (*event == '\0' || strlen (event) > EVENT_MAX))
    {
      bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "event is a word of at most %d letters", EVENT_MAX);
      return;
    }
  if (path != NULL)
    {
      contact = bus_contact_at (call->window, path, &error);
      if (contact == NULL)
        {
          bus_call_take_error (call, error);
          return;
        }
      keys = list_keys (contact);
      filter.contact = contact_get_id (contact);
      filter.keys = (const char *const *) keys->pdata;
    }
  filter.fp = prefix;
  filter.event = event;
  trust_store_list_audit (call->window->rooms.trust_store, &filter, on_listed, call);
}

static void
on_checked (gpointer user, const AuditCheck *check, const GError *error)
{
  BusCall *call = user;
  GVariantBuilder result;

  if (error != NULL)
    {
      bus_call_return_error (call, error);
      return;
    }
  g_variant_builder_init (&result, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&result, "{sv}", "first", g_variant_new_uint64 (check->first));
  g_variant_builder_add (&result, "{sv}", "last", g_variant_new_uint64 (check->last));
  g_variant_builder_add (&result, "{sv}", "count", g_variant_new_uint64 (check->count));
  g_variant_builder_add (&result, "{sv}", "head", g_variant_new_string (check->head));
  g_variant_builder_add (&result, "{sv}", "sound", g_variant_new_boolean (check->reason == NULL));
  if (check->reason != NULL)
    {
      g_variant_builder_add (&result, "{sv}", "reason", g_variant_new_string (check->reason));
      g_variant_builder_add (&result, "{sv}", "broken", g_variant_new_uint64 (check->broken));
    }
  if (check->found)
    g_variant_builder_add (&result, "{sv}", "noted", g_variant_new_uint64 (check->noted));
  bus_call_return (call, g_variant_new ("(a{sv})", &result));
}

void
bus_audit_check (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) given = g_variant_get_child_value (args, 0);
  g_autofree char *hash = NULL;
  GError *error = NULL;
  const BusOption table[] = { { "hash", "s", &hash }, { NULL, NULL, NULL } };

  if (!bus_options_parse (given, table, &error))
    bus_call_take_error (call, error);
  else if (hash != NULL && !take_hex (hash, AUDIT_HASH_HEX, AUDIT_HASH_HEX))
    bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "hash is %d hex digits", AUDIT_HASH_HEX);
  else
    trust_store_check_audit (call->window->rooms.trust_store, hash, on_checked, call);
}
