/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is known about peers that speak no TLS (docs/protocol.md 3.9). Threat: they prove nothing, and whoever strips STARTTLS looks like
 * one. So each question here errs towards "it spoke TLS once": a name counts for everybody who ever bore it, and announcing TLS
 * for once counts as long as the announcement stands.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/jid.h"
#include "daemon/model/contacts-private.h"

/* Prepared names, borrowed: those of the contact, and `prepared`. */
static GPtrArray *
names_of (const Contact *contact, const char *prepared)
{
  GPtrArray *names = g_ptr_array_new ();

  if (prepared != NULL)
    g_ptr_array_add (names, (char *) prepared);
  if (contact->claimed_prepared != NULL)
    g_ptr_array_add (names, contact->claimed_prepared);
  for (guint i = 0; i < contact->names->len; i++)
    g_ptr_array_add (names, g_ptr_array_index (contact->names, i));
  for (guint i = 0; i < contact->sightings->len; i++)
    {
      const Sighting *sighting = g_ptr_array_index (contact->sightings, i);

      if (sighting->prepared != NULL)
        g_ptr_array_add (names, sighting->prepared);
    }
  return names;
}

static gboolean
is_among (const GPtrArray *names, const char *name)
{
  for (guint i = 0; name != NULL && i < names->len; i++)
    if (strcmp (g_ptr_array_index (names, i), name) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
has_tls (const Contact *contact)
{
  return contact->row.tls_seen || contact->keys->len > 0;
}

static gboolean
bears_one_of (const Contact *contact, const GPtrArray *names)
{
  if (is_among (names, contact->claimed_prepared))
    return TRUE;
  for (guint i = 0; i < contact->names->len; i++)
    if (is_among (names, g_ptr_array_index (contact->names, i)))
      return TRUE;
  return FALSE;
}

gboolean
contacts_saw_tls (Contacts *contacts, const Contact *contact, const char *addr)
{
  g_autofree char *prepared = addr != NULL ? jid_prepare (addr) : NULL;
  g_autoptr (GPtrArray) names = NULL;
  GHashTableIter iter;
  gpointer value;

  if (has_tls (contact))
    return TRUE;
  names = names_of (contact, prepared);
  g_hash_table_iter_init (&iter, contacts->by_id);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (has_tls (value) && bears_one_of (value, names))
      return TRUE;
  return FALSE;
}

gboolean
contacts_announce_tls (Contacts *contacts, const Contact *contact, const char *addr)
{
  g_autofree char *prepared = addr != NULL ? jid_prepare (addr) : NULL;
  g_autoptr (GPtrArray) names = names_of (contact, prepared);
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, contacts->sightings);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const Sighting *sighting = value;

      if (sighting->tls && (sighting->contact == contact || is_among (names, sighting->prepared)))
        return TRUE;
    }
  return FALSE;
}

gboolean
contacts_is_name_contested (Contacts *contacts, const Contact *contact, const char *addr)
{
  g_autofree char *prepared = addr != NULL ? jid_prepare (addr) : NULL;
  g_autoptr (GPtrArray) names = names_of (contact, prepared);
  GHashTableIter iter;
  gpointer value;
  guint count = 0;

  if (contact->contests->len > 0)
    return TRUE;
  g_hash_table_iter_init (&iter, contacts->sightings);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const Sighting *sighting = value;

      if (sighting->links->len == 0 || (sighting->contact != contact && !is_among (names, sighting->prepared)))
        continue;
      count++;
      if (count > 1 || sighting->contact != contact)
        return TRUE;
    }
  return FALSE;
}

LegacyChoice
contact_get_legacy_choice (const Contact *contact)
{
  return contact->row.legacy;
}

gboolean
contact_is_legacy (const Contact *contact)
{
  if (has_tls (contact) || (contact->row.legacy == LEGACY_CHOICE_NONE && !contact->spoke_clear))
    return FALSE;
  for (guint i = 0; i < contact->sightings->len; i++)
    if (((const Sighting *) g_ptr_array_index (contact->sightings, i))->tls)
      return FALSE;
  return TRUE;
}

void
contacts_note_clear (Contact *contact)
{
  if (contact->spoke_clear || has_tls (contact))
    return;
  contact->spoke_clear = TRUE;
  contact_changed (contact);
}
