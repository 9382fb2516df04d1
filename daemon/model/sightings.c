/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Announcements and whose they are. Threat: a record is anybody's claim. It may attach an endpoint to a
 * person, whom the handshake then must prove; it never creates, raises or satisfies a pin (docs/protocol.md 1.3).
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/jid.h"
#include "daemon/base/log.h"
#include "daemon/model/contacts-private.h"

static void
link_clear (gpointer data)
{
  g_free (((SightingLink *) data)->ifname);
}

void
sighting_free (gpointer data)
{
  Sighting *sighting = data;

  g_free (sighting->instance);
  g_free (sighting->domain);
  g_free (sighting->prepared);
  g_array_unref (sighting->links);
  presence_free (sighting->presence);
  g_free (sighting);
}

static char *
table_key (const char *instance, const char *domain)
{
  return g_strconcat (instance, "\n", domain, NULL);
}

void
sightings_init (Contacts *contacts)
{
  contacts->sightings = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, sighting_free);
}

/* A stranger bears the name it claims, and the one it was asked about under in another run. */
static gboolean
contact_bears_name (const Contact *contact, const char *prepared)
{
  if (prepared == NULL || g_strcmp0 (contact->claimed_prepared, prepared) == 0)
    return g_strcmp0 (contact->claimed_prepared, prepared) == 0;
  for (guint i = 0; i < contact->names->len; i++)
    if (strcmp (g_ptr_array_index (contact->names, i), prepared) == 0)
      return TRUE;
  return FALSE;
}

/* The keyed or nameless stranger that already stands for this name, or NULL. */
static Contact *
find_stranger_named (Contacts *contacts, const char *prepared, gboolean has_spki)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, contacts->by_id);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Contact *contact = value;

      if (contact->row.stored || contact->sightings->len > 0 || !contact_bears_name (contact, prepared))
        continue;
      /* Another key is hinted than the one this stranger proved: not the same one. */
      if (has_spki && contact->keys->len > 0)
        continue;
      return contact;
    }
  return NULL;
}

/* Whose announcement is this? Hint first (a known key under a new name), then name, then a stranger. */
void
sightings_assign (Contacts *contacts, Sighting *sighting)
{
  const Presence *presence = sighting->presence;
  Contact *owner = contacts_find_by_addr (contacts, sighting->instance);
  Contact *contact = NULL;
  Key *hinted = presence->has_spki ? contacts_get_key (contacts, &presence->spki) : NULL;
  gboolean fresh = FALSE;

  if (hinted != NULL && hinted->row.level != TRUST_REVOKED)
    contact = hinted->contact;
  else if (owner != NULL && (!presence->has_spki || !contact_has_settled_key (owner)))
    contact = owner;
  if (contact == NULL)
    contact = find_stranger_named (contacts, sighting->prepared, presence->has_spki);
  if (contact == NULL)
    {
      contact = contacts_new_stranger (contacts);
      if (contact == NULL)
        return; /* the cap holds and nobody idle can go: the announcement stays unowned until somebody leaves */
      fresh = TRUE;
    }
  sighting->contact = contact;
  g_ptr_array_add (contact->sightings, sighting);
  if (owner != NULL && owner != contact && contact->contests->len == 0)
    {
      /* P-09: a pinned name under another key hint. Nothing of the owner's is sent there. */
      guint32 id = owner->row.id;
      g_autofree char *name = log_safe (sighting->instance);

      g_array_append_val (contact->contests, id);
      log_event (G_LOG_LEVEL_MESSAGE, "contacts", contact->row.id, 0, "name-conflict",
                 "%s is announced with another key than the one known under that name", name);
    }
  contact->row.last_seen = g_get_real_time ();
  contact_refresh_names (contact);
  contact_rebuild_endpoints (contact);
  if (fresh)
    WATCHERS_CALL (&contacts->watchers, ContactsWatch, added, contact);
  else
    contact_changed (contact);
}

static void
detach (Contacts *contacts, Sighting *sighting)
{
  Contact *contact = sighting->contact;

  if (contact == NULL)
    return;
  sighting->contact = NULL;
  g_ptr_array_remove (contact->sightings, sighting);
  contact->row.last_seen = g_get_real_time ();
  if (contact->sightings->len == 0 && !contact->connected)
    contact->proven = FALSE;
  contact_refresh_names (contact);
  contact_rebuild_endpoints (contact);
  if (!contacts_reap (contacts, contact))
    contact_changed (contact);
}

static gboolean
add_link (Sighting *sighting, const DiscoveryRecord *record)
{
  SightingLink link = { record->ifindex, record->family, NULL };

  for (guint i = 0; i < sighting->links->len; i++)
    {
      SightingLink *known = &g_array_index (sighting->links, SightingLink, i);

      if (known->ifindex == record->ifindex && known->family == record->family)
        return FALSE;
    }
  link.ifname = g_strdup (record->ifname);
  g_array_append_val (sighting->links, link);
  return TRUE;
}

static Sighting *
obtain (Contacts *contacts, const DiscoveryRecord *record)
{
  char *key = table_key (record->instance, record->domain);
  Sighting *sighting = g_hash_table_lookup (contacts->sightings, key);

  if (sighting != NULL)
    {
      g_free (key);
      return sighting;
    }
  sighting = g_new0 (Sighting, 1);
  sighting->instance = g_strdup (record->instance);
  sighting->domain = g_strdup (record->domain);
  sighting->prepared = jid_prepare (record->instance);
  sighting->links = g_array_new (FALSE, FALSE, sizeof (SightingLink));
  g_array_set_clear_func (sighting->links, link_clear);
  g_hash_table_insert (contacts->sightings, key, sighting);
  return sighting;
}

void
contacts_on_sighted (Contacts *contacts, const DiscoveryRecord *record)
{
  Sighting *sighting = obtain (contacts, record);
  gboolean new_link = add_link (sighting, record);
  gboolean changed = new_link;

  if (record->txt != NULL)
    {
      Presence *presence = presence_from_txt (record->txt);

      if (sighting->presence != NULL && presence_equal (sighting->presence, presence))
        presence_free (presence);
      else
        {
          gboolean other_key = sighting->presence != NULL && sighting->contact != NULL
                               && (presence->has_spki != sighting->presence->has_spki
                                   || (presence->has_spki
                                       && !fingerprint_equal (&presence->spki, &sighting->presence->spki)));

          g_clear_pointer (&sighting->presence, presence_free);
          sighting->presence = presence;
          sighting->tls |= presence->has_spki || presence->direct_tls;
          changed = TRUE;
          if (other_key)
            detach (contacts, sighting);
        }
    }
  /* Presence is the TXT record: until it is known nobody is shown. */
  if (sighting->presence == NULL || !changed)
    return;
  if (sighting->contact == NULL)
    sightings_assign (contacts, sighting);
  else
    {
      contact_refresh_names (sighting->contact);
      contact_rebuild_endpoints (sighting->contact);
      contact_changed (sighting->contact);
    }
  if (sighting->contact != NULL)
    WATCHERS_CALL (&contacts->watchers, ContactsWatch, sighted, sighting->contact);
}

void
contacts_on_gone (Contacts *contacts, const char *instance, const char *domain, int ifindex, int family)
{
  g_autofree char *key = table_key (instance, domain);
  Sighting *sighting = g_hash_table_lookup (contacts->sightings, key);

  if (sighting == NULL)
    return;
  for (guint i = 0; i < sighting->links->len; i++)
    {
      SightingLink *link = &g_array_index (sighting->links, SightingLink, i);

      if (link->ifindex != ifindex || link->family != family)
        continue;
      g_array_remove_index (sighting->links, i);
      break;
    }
  if (sighting->links->len > 0)
    {
      if (sighting->contact != NULL)
        {
          contact_rebuild_endpoints (sighting->contact);
          contact_changed (sighting->contact);
        }
      return;
    }
  /* P-11: gone only when gone everywhere. */
  detach (contacts, sighting);
  g_hash_table_remove (contacts->sightings, key);
}

void
contacts_forget_sightings (Contacts *contacts)
{
  g_autoptr (GList) all = g_hash_table_get_values (contacts->sightings);

  /* Without links none of them is given to anybody again while the others go. */
  for (GList *item = all; item != NULL; item = item->next)
    g_array_set_size (((Sighting *) item->data)->links, 0);
  for (GList *item = all; item != NULL; item = item->next)
    detach (contacts, item->data);
  g_hash_table_remove_all (contacts->sightings);
}

const Fingerprint *
contacts_get_announced_key (Contacts *contacts, const char *addr, const Fingerprint *fp)
{
  g_autofree char *prepared = addr != NULL ? jid_prepare (addr) : NULL;
  const Fingerprint *other = NULL;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, contacts->sightings);
  while (prepared != NULL && g_hash_table_iter_next (&iter, NULL, &value))
    {
      const Sighting *sighting = value;

      if (sighting->presence == NULL || !sighting->presence->has_spki || g_strcmp0 (sighting->prepared, prepared) != 0)
        continue;
      if (fingerprint_equal (&sighting->presence->spki, fp))
        return NULL;
      other = &sighting->presence->spki;
    }
  return other;
}

/* A key became known (by fingerprint, or from the store): what was already announced with its hint is its contact's. */
void
sightings_claim (Contacts *contacts, Key *key)
{
  /* By number: the place that one leaves may be given to a name that waited, and that may push out the next. */
  g_autoptr (GHashTable) left = g_hash_table_new (NULL, NULL);
  g_autoptr (GList) ids = NULL;
  Contact *to = key->contact;
  GHashTableIter iter;
  gpointer value;
  gboolean moved = FALSE;

  g_hash_table_iter_init (&iter, contacts->sightings);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Sighting *sighting = value;

      if (sighting->presence == NULL || !sighting->presence->has_spki || sighting->contact == to
          || !fingerprint_equal (&sighting->presence->spki, &key->row.fp))
        continue;
      if (sighting->contact != NULL)
        {
          g_ptr_array_remove (sighting->contact->sightings, sighting);
          g_hash_table_add (left, GUINT_TO_POINTER (sighting->contact->row.id));
        }
      sighting->contact = to;
      g_ptr_array_add (to->sightings, sighting);
      moved = TRUE;
    }
  ids = g_hash_table_get_keys (left);
  for (GList *id = ids; id != NULL; id = id->next)
    {
      Contact *from = contacts_get (contacts, GPOINTER_TO_UINT (id->data));

      if (from == NULL)
        continue;
      contact_refresh_names (from);
      contact_rebuild_endpoints (from);
      if (!contacts_reap (contacts, from))
        contact_changed (from);
    }
  if (!moved)
    return;
  contact_refresh_names (to);
  contact_rebuild_endpoints (to);
  contact_changed (to);
  WATCHERS_CALL (&contacts->watchers, ContactsWatch, sighted, to);
}

/* Hands announcements over when a key turns out to be somebody else's. */
void
sightings_move (Contact *from, Contact *to, const Fingerprint *only_hinting)
{
  for (guint i = from->sightings->len; i > 0; i--)
    {
      Sighting *sighting = g_ptr_array_index (from->sightings, i - 1);

      if (only_hinting != NULL
          && (!sighting->presence->has_spki || !fingerprint_equal (&sighting->presence->spki, only_hinting)))
        continue;
      g_ptr_array_remove_index (from->sightings, i - 1);
      sighting->contact = to;
      g_ptr_array_add (to->sightings, sighting);
    }
  contact_refresh_names (from);
  contact_rebuild_endpoints (from);
  contact_refresh_names (to);
  contact_rebuild_endpoints (to);
}
