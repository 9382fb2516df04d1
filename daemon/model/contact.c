/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One contact and one key: reading them, and what is derived from their parts.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/jid.h"
#include "daemon/model/contacts-private.h"

static void
endpoint_free (gpointer data)
{
  Endpoint *endpoint = data;

  g_free (endpoint->ifname);
  g_free (endpoint->instance);
  g_free (endpoint->domain);
  g_free (endpoint->address);
  g_free (endpoint);
}

Contact *
contact_new (Contacts *contacts, guint32 id)
{
  Contact *contact = g_new0 (Contact, 1);

  contact->contacts = contacts;
  contact->row.id = id;
  contact->row.petname = g_strdup ("");
  contact->row.addrs = g_new0 (char *, 1);
  contact->row.created = g_get_real_time ();
  contact->first_seen = contact->row.created;
  contact->claimed_name = g_strdup ("");
  contact->claimed_addr = g_strdup ("");
  contact->name_warning = "";
  contact->last_error = g_strdup ("");
  contact->keys = g_ptr_array_new ();
  contact->sightings = g_ptr_array_new ();
  contact->statics = g_ptr_array_new_with_free_func (endpoint_free);
  contact->endpoints = g_ptr_array_new_with_free_func (endpoint_free);
  contact->contests = g_array_new (FALSE, FALSE, sizeof (guint32));
  contact->names = g_ptr_array_new_with_free_func (g_free);
  return contact;
}

void
contact_free (Contact *contact)
{
  contact_row_clear (&contact->row);
  g_free (contact->claimed_name);
  g_free (contact->said_nick);
  g_free (contact->claimed_addr);
  g_free (contact->claimed_prepared);
  g_ptr_array_unref (contact->names);
  g_free (contact->guarded);
  g_free (contact->claims);
  g_strfreev (contact->prepared);
  g_free (contact->last_error);
  g_free (contact->proven_ifname);
  g_free (contact->proven_address);
  g_ptr_array_unref (contact->keys);
  g_ptr_array_unref (contact->sightings);
  g_ptr_array_unref (contact->statics);
  g_ptr_array_unref (contact->endpoints);
  g_array_unref (contact->contests);
  g_free (contact);
}

void
contact_set_claimed_addr (Contact *contact, const char *addr)
{
  if (strcmp (contact->claimed_addr, addr) == 0)
    return;
  g_free (contact->claimed_addr);
  g_free (contact->claimed_prepared);
  contact->claimed_addr = g_strdup (addr);
  contact->claimed_prepared = jid_prepare (addr);
}

/* Preparing is dear, and names are compared for every announcement. */
void
contact_index_names (Contact *contact)
{
  g_ptr_array_set_size (contact->names, 0);
  for (char **addr = contact->row.addrs; *addr != NULL; addr++)
    {
      char *prepared = jid_prepare (*addr);

      if (prepared != NULL)
        g_ptr_array_add (contact->names, prepared);
    }
}

static Endpoint *
add_endpoint (Contact *contact, const char *ifname, const char *instance, const char *domain, const char *address,
              guint16 port)
{
  Endpoint *endpoint = g_new0 (Endpoint, 1);

  endpoint->ifname = g_strdup (ifname);
  endpoint->instance = g_strdup (instance);
  endpoint->domain = g_strdup (domain);
  endpoint->address = g_strdup (address);
  endpoint->port = port;
  if (contact->proven && g_strcmp0 (contact->proven_ifname, ifname) == 0)
    {
      endpoint->proven = TRUE;
      endpoint->last_success = contact->last_success;
      if (*address == '\0' && contact->proven_address != NULL)
        {
          g_free (endpoint->address);
          endpoint->address = g_strdup (contact->proven_address);
          endpoint->port = contact->proven_port;
        }
    }
  g_ptr_array_add (contact->endpoints, endpoint);
  return endpoint;
}

/* One endpoint a link: families and addresses are settled when somebody dials (docs/protocol.md 1.7). */
void
contact_rebuild_endpoints (Contact *contact)
{
  gboolean proven_listed = FALSE;

  g_ptr_array_set_size (contact->endpoints, 0);
  for (guint i = 0; i < contact->sightings->len; i++)
    {
      Sighting *sighting = g_ptr_array_index (contact->sightings, i);

      for (guint j = 0; j < sighting->links->len; j++)
        {
          SightingLink *link = &g_array_index (sighting->links, SightingLink, j);
          gboolean seen = FALSE;

          for (guint k = 0; k < j && !seen; k++)
            seen = g_array_index (sighting->links, SightingLink, k).ifindex == link->ifindex;
          if (!seen)
            add_endpoint (contact, link->ifname, sighting->instance, sighting->domain, "", 0)->direct_tls
              = sighting->presence != NULL && sighting->presence->direct_tls;
          proven_listed |= g_strcmp0 (contact->proven_ifname, link->ifname) == 0;
        }
    }
  for (guint i = 0; i < contact->statics->len; i++)
    {
      Endpoint *endpoint = g_ptr_array_index (contact->statics, i);

      add_endpoint (contact, "static", NULL, NULL, endpoint->address, endpoint->port);
    }
  /* An inbound stream makes a contact reachable even if its announcement never arrived. */
  if (contact->connected && !proven_listed && contact->proven_address != NULL)
    add_endpoint (contact, contact->proven_ifname, NULL, NULL, contact->proven_address, contact->proven_port);
}

void
contact_changed (Contact *contact)
{
  WATCHERS_CALL (&contact->contacts->watchers, ContactsWatch, changed, contact);
}

/* Highest level wins, then the one used last. */
void
contact_pick_active_key (Contact *contact)
{
  if (contact->connected && contact->active != NULL)
    return;
  contact->active = NULL;
  for (guint i = 0; i < contact->keys->len; i++)
    {
      Key *key = g_ptr_array_index (contact->keys, i);

      if (contact->active == NULL || key->row.level > contact->active->row.level
          || (key->row.level == contact->active->row.level && key->row.last_used > contact->active->row.last_used))
        contact->active = key;
    }
}

gboolean
contact_has_settled_key (const Contact *contact)
{
  for (guint i = 0; i < contact->keys->len; i++)
    if (((Key *) g_ptr_array_index (contact->keys, i))->row.level != TRUST_UNKNOWN)
      return TRUE;
  return FALSE;
}

guint32
contact_get_id (const Contact *contact)
{
  return contact->row.id;
}

const char *
contact_get_petname (const Contact *contact)
{
  return contact->row.petname;
}

const char *
contact_get_claimed_name (const Contact *contact)
{
  return contact->claimed_name;
}

const char *
contact_get_claimed_addr (const Contact *contact)
{
  if (*contact->claimed_addr == '\0' && contact->row.addrs[0] != NULL)
    return contact->row.addrs[0];
  return contact->claimed_addr;
}

char *
contact_dup_display_name (const Contact *contact)
{
  const char *addr = contact_get_claimed_addr (contact);
  char *user;

  if (*contact->row.petname != '\0')
    return g_strdup (contact->row.petname);
  if (*contact->claimed_name != '\0')
    return g_strdup (contact->claimed_name);
  if (*addr != '\0' && (user = jid_display_user (addr)) != NULL)
    return user;
  if (contact->active != NULL)
    {
      g_autofree char *hex = fingerprint_to_hex (&contact->active->row.fp);

      return g_strndup (hex, 16);
    }
  return g_strdup ("?");
}

gboolean
contact_is_succession_owed (const Contact *contact)
{
  return contact->row.succession_owed;
}

void
contact_set_succession_owed (Contact *contact, gboolean owed)
{
  contact->row.succession_owed = owed;
}

gboolean
contact_is_stored (const Contact *contact)
{
  return contact->row.stored;
}

gboolean
contact_is_blocked (const Contact *contact)
{
  return contact->row.blocked;
}

Reach
contact_get_reach (const Contact *contact)
{
  if (contact->connected)
    return REACH_ONLINE;
  if (contact->sightings->len == 0 && contact->statics->len == 0)
    return REACH_OFFLINE;
  return contact->proven ? REACH_ONLINE : REACH_SIGHTED;
}

const char *
reach_to_string (Reach reach)
{
  switch (reach)
    {
    case REACH_OFFLINE: return "offline";
    case REACH_SIGHTED: return "sighted";
    case REACH_ONLINE: return "online";
    }
  return "offline";
}

gboolean
contact_is_connected (const Contact *contact)
{
  return contact->connected;
}

const Presence *
contact_get_presence (const Contact *contact)
{
  /* Anybody may announce something with a friend's key hint: the name that was authenticated comes first. */
  for (guint i = 0; contact->connected && i < contact->sightings->len; i++)
    {
      Sighting *sighting = g_ptr_array_index (contact->sightings, i);

      if (sighting->presence != NULL && g_strcmp0 (sighting->prepared, contact->claimed_prepared) == 0)
        return sighting->presence;
    }
  for (guint i = 0; i < contact->sightings->len; i++)
    {
      Sighting *sighting = g_ptr_array_index (contact->sightings, i);

      if (sighting->presence != NULL)
        return sighting->presence;
    }
  return NULL;
}

gint64
contact_get_last_seen (const Contact *contact)
{
  return contact->row.last_seen;
}

gint64
contact_get_first_seen (const Contact *contact)
{
  return contact->first_seen;
}

const char *
contact_get_last_error (const Contact *contact)
{
  return contact->last_error;
}

TrustLevel
contact_get_trust (const Contact *contact)
{
  return contact->active != NULL ? contact->active->row.level : TRUST_UNKNOWN;
}

gboolean
contact_has_trusted_key (const Contact *contact)
{
  for (guint i = 0; i < contact->keys->len; i++)
    if (((Key *) g_ptr_array_index (contact->keys, i))->row.level >= TRUST_PINNED)
      return TRUE;
  return FALSE;
}

Key *
contact_get_active_key (const Contact *contact)
{
  return contact->active;
}

const GPtrArray *
contact_get_keys (const Contact *contact)
{
  return contact->keys;
}

const GArray *
contact_get_contests (const Contact *contact)
{
  return contact->contests;
}

const GPtrArray *
contact_get_endpoints (const Contact *contact)
{
  return contact->endpoints;
}

const Fingerprint *
key_get_fingerprint (const Key *key)
{
  return &key->row.fp;
}

Contact *
key_get_contact (const Key *key)
{
  return key->contact;
}

TrustLevel
key_get_level (const Key *key)
{
  return key->row.level;
}

const char *
key_get_source (const Key *key)
{
  return key->row.source;
}

gint64
key_get_since (const Key *key)
{
  return key->row.since;
}

gint64
key_get_last_used (const Key *key)
{
  return key->row.last_used;
}

gboolean
key_is_refused (const Key *key)
{
  return key->row.refused;
}

gboolean
key_is_expired (const Key *key)
{
  return key->expired;
}

gboolean
key_distrusts_us (const Key *key)
{
  return key->distrusts_us;
}

const char *
key_get_chain_word (const Key *key)
{
  return key->chain;
}

gboolean
key_is_grant_owed (const Key *key)
{
  return key->row.grant_owed;
}

const Fingerprint *
key_get_replacement (const Key *key)
{
  return key->row.has_replacement ? &key->row.replaced_by : NULL;
}

Contact *
key_get_introduced_by (const Key *key)
{
  return key->row.introduced_by != 0 ? contacts_get (key->contact->contacts, key->row.introduced_by) : NULL;
}

gboolean
key_is_introducer_lost (const Key *key)
{
  return key->row.level == TRUST_VOUCHED && (strcmp (key->row.source, "introduction") == 0 || strcmp (key->row.source, "succession") == 0)
         && (key->row.introduced_by == 0
             || !contacts_may_introduce (key->contact->contacts, key->row.introduced_by, &key->row.introducer));
}

gboolean
key_is_distrusted (const Key *key)
{
  return key->row.warned_by != 0;
}

#define HEIRS_MAX 8 /* keys, each in the place of the one before */

gboolean
contacts_may_introduce (Contacts *contacts, guint32 id, const Fingerprint *by)
{
  Contact *contact = contacts_get (contacts, id);
  Key *key = contact != NULL && !contact->row.blocked ? contacts_get_key (contacts, by) : NULL;

  for (guint i = 0; i < HEIRS_MAX && key != NULL && key->contact == contact; i++)
    {
      if (key->row.level == TRUST_VERIFIED)
        return TRUE;
      key = key->row.has_replacement ? contacts_get_key (contacts, &key->row.replaced_by) : NULL;
    }
  return FALSE;
}
