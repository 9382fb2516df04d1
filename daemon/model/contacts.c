/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The table of people: finding them, proving keys, taking over what the store made true.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/jid.h"
#include "daemon/base/log.h"
#include "daemon/model/contacts-private.h"

static void
key_free (gpointer data)
{
  Key *key = data;

  key_row_clear (&key->row);
  g_free (key);
}

static Key *
key_new (Contacts *contacts, Contact *contact, const Fingerprint *fp)
{
  Key *key = g_new0 (Key, 1);

  key->row.fp = *fp;
  key->row.level = TRUST_UNKNOWN;
  key->row.source = g_strdup ("");
  key->row.first_seen = g_get_real_time ();
  key->row.forgotten = contacts->store != NULL && trust_store_was_forgotten (contacts->store, fp);
  g_hash_table_insert (contacts->keys, &key->row.fp, key);
  contacts_attach_key (contact, key);
  return key;
}

void
contacts_attach_key (Contact *contact, Key *key)
{
  key->contact = contact;
  key->row.contact = contact->row.id;
  /* For ever: docs/protocol.md 3.9. */
  contact->row.tls_seen = TRUE;
  contact->row.legacy = LEGACY_CHOICE_NONE;
  contact->spoke_clear = FALSE;
  g_ptr_array_add (contact->keys, key);
  contact_pick_active_key (contact);
}

static void
take_contact_row (Contacts *contacts, ContactRow *row)
{
  Contact *contact = contact_new (contacts, row->id);

  contact_row_clear (&contact->row);
  contact->row = *row;
  memset (row, 0, sizeof *row);
  contact->has_row = TRUE;
  contact->first_seen = contact->row.created;
  contact_index_names (contact);
  g_hash_table_replace (contacts->by_id, GUINT_TO_POINTER (contact->row.id), contact);
}

/* Strangers whose key moved on left a row behind. One that never had a key has its row because it was asked about. */
static void
drop_empty (Contacts *contacts)
{
  TrustChange *change = NULL;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, contacts->by_id);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Contact *contact = value;

      if (contact->row.stored || contact->keys->len > 0
          || (!contact->row.tls_seen && contact->row.addrs[0] != NULL))
        continue;
      if (change == NULL)
        change = trust_change_new ();
      trust_change_drop_contact (change, contact->row.id);
      g_hash_table_iter_remove (&iter);
    }
  if (change != NULL)
    trust_store_apply (contacts->store, change, NULL, NULL);
}

Contacts *
contacts_new (TrustStore *store, GArray *contact_rows_take, GArray *key_rows_take)
{
  Contacts *contacts = g_new0 (Contacts, 1);
  GHashTableIter iter;
  gpointer value;

  contacts->store = store;
  contacts->max_strangers = CONTACTS_MAX_STRANGERS;
  contacts->by_id = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) contact_free);
  contacts->keys = g_hash_table_new_full (fingerprint_hash, fingerprint_equal_func, NULL, key_free);
  contacts->lookalikes = lookalikes_new ();
  watchers_init (&contacts->watchers);
  sightings_init (contacts);
  for (guint i = 0; contact_rows_take != NULL && i < contact_rows_take->len; i++)
    take_contact_row (contacts, &g_array_index (contact_rows_take, ContactRow, i));
  for (guint i = 0; key_rows_take != NULL && i < key_rows_take->len; i++)
    {
      KeyRow *row = &g_array_index (key_rows_take, KeyRow, i);

      if (contacts_get (contacts, row->contact) != NULL)
        contacts_apply_key (contacts, row);
    }
  g_clear_pointer (&contact_rows_take, g_array_unref);
  g_clear_pointer (&key_rows_take, g_array_unref);
  drop_empty (contacts);
  g_hash_table_iter_init (&iter, contacts->by_id);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    contact_refresh_names (value);
  return contacts;
}

void
contacts_free (Contacts *contacts)
{
  if (contacts == NULL)
    return;
  g_clear_handle_id (&contacts->names_source, g_source_remove);
  g_hash_table_unref (contacts->sightings);
  g_hash_table_unref (contacts->by_id);
  lookalikes_free (contacts->lookalikes);
  g_hash_table_unref (contacts->keys);
  contacts_clear_turns (contacts);
  watchers_clear (&contacts->watchers);
  g_clear_error (&contacts->statics_error);
  g_free (contacts);
}

void
contacts_watch (Contacts *contacts, const ContactsWatch *watch, gpointer user)
{
  watchers_add (&contacts->watchers, watch, user);
}

void
contacts_unwatch (Contacts *contacts, gpointer user)
{
  watchers_remove (&contacts->watchers, user);
}

void
contacts_set_max_strangers (Contacts *contacts, guint max)
{
  contacts->max_strangers = max;
}

guint
contacts_get_max_strangers (Contacts *contacts)
{
  return contacts->max_strangers;
}

Contact *
contacts_get (Contacts *contacts, guint32 id)
{
  return g_hash_table_lookup (contacts->by_id, GUINT_TO_POINTER (id));
}

Key *
contacts_get_key (Contacts *contacts, const Fingerprint *fp)
{
  return g_hash_table_lookup (contacts->keys, fp);
}

Contact *
contacts_find_by_addr (Contacts *contacts, const char *addr)
{
  g_autofree char *wanted = addr != NULL ? jid_prepare (addr) : NULL;
  GHashTableIter iter;
  gpointer value;
  Contact *found = NULL;

  if (wanted == NULL)
    return NULL;
  g_hash_table_iter_init (&iter, contacts->by_id);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Contact *contact = value;

      if (!contact->row.stored)
        continue;
      for (guint i = 0; i < contact->names->len; i++)
        {
          if (strcmp (g_ptr_array_index (contact->names, i), wanted) != 0)
            continue;
          /* A name that several used belongs to the one with a trusted key, then to the oldest. */
          if (found == NULL || contact_has_trusted_key (contact) > contact_has_trusted_key (found)
              || (contact_has_trusted_key (contact) == contact_has_trusted_key (found)
                  && contact->row.created < found->row.created))
            found = contact;
          break;
        }
    }
  return found;
}

gboolean
contacts_name_was_used (Contacts *contacts, const char *addr, const Key *key)
{
  g_autofree char *wanted = addr != NULL ? jid_prepare (addr) : NULL;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, contacts->by_id);
  while (wanted != NULL && g_hash_table_iter_next (&iter, NULL, &value))
    {
      Contact *contact = value;

      if (contact->keys->len == 0 || (contact == key->contact && contact->keys->len == 1))
        continue;
      if (g_strcmp0 (contact->claimed_prepared, wanted) == 0)
        return TRUE;
      for (guint i = 0; i < contact->names->len; i++)
        if (strcmp (g_ptr_array_index (contact->names, i), wanted) == 0)
          return TRUE;
    }
  return FALSE;
}

GPtrArray *
contacts_list (Contacts *contacts)
{
  GPtrArray *list = g_ptr_array_sized_new (g_hash_table_size (contacts->by_id));
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, contacts->by_id);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    g_ptr_array_add (list, value);
  return list;
}

guint32
contacts_new_id (Contacts *contacts)
{
  guint32 id;

  /* Random, so that a lost trust store can never hand one person's history to another. */
  do
    id = g_random_int () & 0x7fffffffu;
  while (id == 0 || contacts_get (contacts, id) != NULL);
  return id;
}

/* --- strangers -------------------------------------------------------------- */

static gboolean
is_held (Contact *contact)
{
  return contact->row.stored || contact->connected || contact->statics->len > 0 || contact->busy > 0;
}

static void
remove_contact (Contacts *contacts, Contact *contact)
{
  g_autoptr (GPtrArray) keys = g_ptr_array_new ();

  for (guint i = 0; i < contact->keys->len; i++)
    g_ptr_array_add (keys, g_ptr_array_index (contact->keys, i));
  for (guint i = 0; i < keys->len; i++)
    WATCHERS_CALL (&contacts->watchers, ContactsWatch, key_removed, (Key *) g_ptr_array_index (keys, i));
  WATCHERS_CALL (&contacts->watchers, ContactsWatch, removed, contact);
  contact_unguard_names (contact);
  contact->active = NULL;
  g_ptr_array_set_size (contact->keys, 0);
  for (guint i = 0; i < keys->len; i++)
    g_hash_table_remove (contacts->keys, &((Key *) g_ptr_array_index (keys, i))->row.fp);
  for (guint i = 0; i < contact->sightings->len; i++)
    ((Sighting *) g_ptr_array_index (contact->sightings, i))->contact = NULL;
  g_hash_table_remove (contacts->by_id, GUINT_TO_POINTER (contact->row.id));
}

/* Announcements that found no room get one when somebody leaves. */
static void
assign_waiting (Contacts *contacts)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, contacts->sightings);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Sighting *sighting = value;

      if (sighting->contact != NULL || sighting->presence == NULL || sighting->links->len == 0)
        continue;
      sightings_assign (contacts, sighting);
      return;
    }
}

gboolean
contacts_reap (Contacts *contacts, Contact *contact)
{
  /* A key that asked something, or was refused, is remembered until the cap needs its place. */
  if (is_held (contact) || contact->sightings->len > 0 || contact->has_row)
    return FALSE;
  remove_contact (contacts, contact);
  assign_waiting (contacts);
  return TRUE;
}

static gboolean
evict_one (Contacts *contacts)
{
  /* Announcing costs nothing, proving a key little: neither kind may push the other out beyond its half. */
  struct { Contact *oldest; guint count; } kinds[2] = { { NULL, 0 }, { NULL, 0 } };
  GHashTableIter iter;
  gpointer value;
  Contact *oldest;

  g_hash_table_iter_init (&iter, contacts->by_id);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Contact *contact = value;
      guint kind = contact->keys->len > 0;

      if (contact->row.stored)
        continue;
      kinds[kind].count++;
      if (!is_held (contact)
          && (kinds[kind].oldest == NULL || contact->row.last_seen < kinds[kind].oldest->row.last_seen))
        kinds[kind].oldest = contact;
    }
  oldest = kinds[kinds[1].count > kinds[0].count].oldest;
  if (oldest == NULL)
    oldest = kinds[kinds[1].count <= kinds[0].count].oldest;
  if (oldest == NULL)
    return FALSE;
  log_event (G_LOG_LEVEL_DEBUG, "contacts", oldest->row.id, 0, "max-strangers", "a stranger was dropped for a newer one");
  if (oldest->has_row)
    {
      TrustChange *change = trust_change_new ();

      trust_change_drop_contact (change, oldest->row.id);
      trust_store_apply (contacts->store, change, NULL, NULL);
    }
  remove_contact (contacts, oldest);
  return TRUE;
}

Contact *
contacts_new_stranger (Contacts *contacts)
{
  GHashTableIter iter;
  gpointer value;
  guint strangers = 0;
  Contact *contact;

  g_hash_table_iter_init (&iter, contacts->by_id);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    strangers += !((Contact *) value)->row.stored;
  if (strangers >= contacts->max_strangers && !evict_one (contacts))
    return NULL;
  contact = contact_new (contacts, contacts_new_id (contacts));
  contact->row.last_seen = g_get_real_time ();
  g_hash_table_insert (contacts->by_id, GUINT_TO_POINTER (contact->row.id), contact);
  return contact;
}

/* --- proving ---------------------------------------------------------------- */

/* What is announced for it names another key, and none names this one. A hint proves nothing, but nobody shall take over
 * an announcement by its name alone when it says whose it is. */
static gboolean
hints_another_key (const Contact *contact, const Fingerprint *fp)
{
  gboolean another = FALSE;

  for (guint i = 0; i < contact->sightings->len; i++)
    {
      const Presence *presence = ((Sighting *) g_ptr_array_index (contact->sightings, i))->presence;

      if (presence == NULL || !presence->has_spki)
        continue;
      if (fingerprint_equal (&presence->spki, fp))
        return FALSE;
      another = TRUE;
    }
  return another;
}

static Contact *
find_announced (Contacts *contacts, const char *addr, const Fingerprint *fp)
{
  g_autofree char *prepared = jid_prepare (addr);
  GHashTableIter iter;
  gpointer value;

  if (prepared == NULL)
    return NULL;
  g_hash_table_iter_init (&iter, contacts->sightings);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Sighting *sighting = value;

      if (sighting->contact != NULL && g_strcmp0 (sighting->prepared, prepared) == 0
          && sighting->contact->keys->len == 0 && !hints_another_key (sighting->contact, fp))
        return sighting->contact;
    }
  return NULL;
}

/* Has a key that came before this one, and is it in this one's way? */
static gboolean
is_taken (const Contact *contact, gboolean by_chain)
{
  return contact->keys->len > 0 && contact->active != NULL && !contact->active->row.refused
         && !(by_chain && contact->active->row.level == TRUST_UNKNOWN);
}

static Key *
prove_key (Contacts *contacts, const Fingerprint *fp, const char *addr, guint32 expected, gboolean by_chain,
           Contact **contested)
{
  Key *key = contacts_get_key (contacts, fp);
  Contact *owner = contacts_find_by_addr (contacts, addr);
  Contact *contact;
  gboolean fresh = FALSE, had_tls;

  *contested = NULL;
  if (key != NULL)
    {
      if (owner != NULL && owner != key->contact && contact_has_settled_key (owner))
        *contested = owner;
      return key;
    }
  if (owner != NULL && contact_has_settled_key (owner))
    *contested = owner;
  contact = owner != NULL && *contested == NULL ? owner : expected != 0 ? contacts_get (contacts, expected) : NULL;
  if (contact != NULL && contact_has_settled_key (contact))
    contact = NULL;
  if (contact != NULL && contact->row.id != expected && hints_another_key (contact, fp))
    contact = NULL;
  if (contact == NULL && addr != NULL)
    contact = find_announced (contacts, addr, fp);
  /* A keyless stored contact takes the first key that comes under its name, still unknown; a second one makes its own entry. */
  if (contact != NULL && is_taken (contact, by_chain))
    contact = NULL;
  if (contact == NULL)
    {
      contact = contacts_new_stranger (contacts);
      if (contact == NULL)
        return NULL;
      fresh = TRUE;
    }
  if (*contested != NULL && *contested != contact && contact->contests->len == 0)
    {
      guint32 id = (*contested)->row.id;

      g_array_append_val (contact->contests, id);
    }
  if (*contact->claimed_addr == '\0' && addr != NULL)
    contact_set_claimed_addr (contact, addr);
  had_tls = contact->row.tls_seen;
  key = key_new (contacts, contact, fp);
  /* The disk has to know that this one speaks TLS from now on, whatever becomes of the key. */
  if (!had_tls)
    contacts_save (contact);
  contact_refresh_names (contact);
  if (fresh)
    WATCHERS_CALL (&contacts->watchers, ContactsWatch, added, contact);
  WATCHERS_CALL (&contacts->watchers, ContactsWatch, key_added, key);
  if (!fresh)
    contact_changed (contact);
  return key;
}

Key *
contacts_prove_key (Contacts *contacts, const Fingerprint *fp, const char *addr, guint32 expected, Contact **contested)
{
  return prove_key (contacts, fp, addr, expected, FALSE, contested);
}

Key *
contacts_prove_key_by_chain (Contacts *contacts, const Fingerprint *fp, const char *addr, guint32 expected,
                             Contact **contested)
{
  return prove_key (contacts, fp, addr, expected, TRUE, contested);
}

/* Puts a name first among those the contact used. TRUE when the list changed. */
static gboolean
remember_addr (Contact *contact, const char *addr)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new ();

  if (contact->row.addrs[0] != NULL && strcmp (contact->row.addrs[0], addr) == 0)
    return FALSE;
  g_ptr_array_add (list, g_strdup (addr));
  for (char **known = contact->row.addrs; *known != NULL; known++)
    if (list->len < CONTACT_ADDRS_MAX && !jid_same (*known, addr))
      g_ptr_array_add (list, g_strdup (*known));
  g_ptr_array_add (list, NULL);
  g_strfreev (contact->row.addrs);
  contact->row.addrs = (char **) g_ptr_array_steal (list, NULL);
  contact_index_names (contact);
  return TRUE;
}

/* The announcement of a keyless stranger whose key turned out to be this contact's. */
static void
take_announcement (Contacts *contacts, Contact *contact, const char *addr, const Fingerprint *fp)
{
  Contact *other = find_announced (contacts, addr, fp);

  if (other == NULL || other == contact || other->row.stored)
    return;
  sightings_move (other, contact, NULL);
  if (!contacts_reap (contacts, other))
    contact_changed (other);
}

void
contacts_set_connected (Contact *contact, Key *key, const char *addr, gboolean connected)
{
  Contacts *contacts = contact->contacts;
  Contact *owner = addr != NULL ? contacts_find_by_addr (contacts, addr) : NULL;
  gint64 now = g_get_real_time ();

  contact->connected = connected;
  contact->row.last_seen = now;
  if (connected)
    {
      /* In clear nothing is proven. */
      contact->proven = key != NULL;
      contact->last_success = now;
      contact->active = key;
      contacts_set_last_error (contact, "");
      contact_set_claimed_addr (contact, addr != NULL ? addr : "");
      if (addr != NULL && key != NULL)
        take_announcement (contacts, contact, addr, &key->row.fp);
    }
  else if (contact->sightings->len == 0)
    contact->proven = FALSE;
  if (key != NULL)
    {
      key->row.last_used = now;
      if (contact->row.stored && key->row.level >= TRUST_PINNED)
        {
          /* A name that another stored contact owns is not taken over by using it. But whose key nobody trusts owns none: or who
           * was there first, in between, would keep the true one from being missed under it. */
          if (connected && addr != NULL && (owner == NULL || owner == contact || !contact_has_settled_key (owner)))
            remember_addr (contact, addr);
          contacts_save (contact);
        }
    }
  contact_refresh_names (contact);
  contact_rebuild_endpoints (contact);
  contact_pick_active_key (contact);
  if (connected || !contacts_reap (contacts, contact))
    {
      contact_changed (contact);
      if (key != NULL)
        WATCHERS_CALL (&contacts->watchers, ContactsWatch, key_changed, key);
    }
}

void
contacts_set_last_error (Contact *contact, const char *error_word)
{
  if (strcmp (contact->last_error, error_word) == 0)
    return;
  g_free (contact->last_error);
  contact->last_error = g_strdup (error_word);
  contact_changed (contact);
}

void
contacts_set_key_expired (Key *key, gboolean expired)
{
  if (key->expired == expired)
    return;
  key->expired = expired;
  WATCHERS_CALL (&key->contact->contacts->watchers, ContactsWatch, key_changed, key);
}

void
contacts_set_key_chain (Key *key, const char *word)
{
  if (g_strcmp0 (key->chain, word) == 0)
    return;
  key->chain = word;
  WATCHERS_CALL (&key->contact->contacts->watchers, ContactsWatch, key_changed, key);
}

void
contacts_set_key_distrusts_us (Key *key, gboolean distrusts)
{
  if (key->distrusts_us == distrusts)
    return;
  key->distrusts_us = distrusts;
  WATCHERS_CALL (&key->contact->contacts->watchers, ContactsWatch, key_changed, key);
}

void
contacts_note_endpoint (Contact *contact, const char *ifname, const char *address, guint16 port)
{
  g_free (contact->proven_ifname);
  g_free (contact->proven_address);
  contact->proven_ifname = g_strdup (ifname);
  contact->proven_address = g_strdup (address);
  contact->proven_port = port;
}

/* --- what the store made true ----------------------------------------------- */

void
contact_row_copy (const ContactRow *from, ContactRow *to)
{
  *to = *from;
  to->petname = g_strdup (from->petname);
  to->addrs = g_strdupv (from->addrs);
}

void
contact_to_row (const Contact *contact, ContactRow *row)
{
  contact_row_copy (&contact->row, row);
}

void
key_to_row (const Key *key, KeyRow *row)
{
  *row = key->row;
  row->source = g_strdup (key->row.source);
}

void
contacts_apply_contact (Contacts *contacts, const ContactRow *row)
{
  Contact *contact = contacts_get (contacts, row->id);
  gboolean fresh = contact == NULL;
  ContactRow copy;

  contact_row_copy (row, &copy);
  if (fresh)
    {
      contact = contact_new (contacts, row->id);
      g_hash_table_insert (contacts->by_id, GUINT_TO_POINTER (row->id), contact);
    }
  else
    {
      copy.last_seen = MAX (copy.last_seen, contact->row.last_seen);
      copy.succession_owed = contact->row.succession_owed; /* no decision: what was told meanwhile was told */
    }
  if (!fresh && contact->row.tls_seen)
    {
      copy.tls_seen = TRUE;
      copy.legacy = LEGACY_CHOICE_NONE;
    }
  contact_row_clear (&contact->row);
  contact->row = copy;
  contact->has_row = TRUE;
  contact_index_names (contact);
  contact_refresh_names (contact);
  if (fresh)
    WATCHERS_CALL (&contacts->watchers, ContactsWatch, added, contact);
  else
    contact_changed (contact);
}

/* A key that moves takes along what was announced for it; a stranger left empty goes. */
static void
move_key (Contacts *contacts, Key *key, Contact *to)
{
  Contact *from = key->contact;

  g_ptr_array_remove (from->keys, key);
  if (from->active == key)
    from->active = NULL;
  to->connected |= from->connected;
  to->proven |= from->proven;
  if (from->connected)
    {
      contact_set_claimed_addr (to, from->claimed_addr);
      contacts_note_endpoint (to, from->proven_ifname, from->proven_address, from->proven_port);
    }
  from->connected = FALSE;
  contacts_attach_key (to, key);
  to->active = key;
  sightings_move (from, to, from->row.stored ? &key->row.fp : NULL);
  while (!from->row.stored && from->statics->len > 0)
    {
      Endpoint *endpoint = g_ptr_array_steal_index (from->statics, 0);

      g_ptr_array_add (to->statics, endpoint);
      contacts_persist_static (contacts, endpoint->address, endpoint->port, to->row.id);
    }
  contact_rebuild_endpoints (to);
  if (!from->row.stored && from->keys->len == 0)
    remove_contact (contacts, from);
  else
    {
      contact_pick_active_key (from);
      contact_changed (from);
    }
}

Key *
contacts_apply_key (Contacts *contacts, const KeyRow *row)
{
  Contact *contact = contacts_get (contacts, row->contact);
  Key *key = contacts_get_key (contacts, &row->fp);
  gboolean fresh = key == NULL;
  gint64 last_used;

  if (contact == NULL)
    return NULL;
  if (fresh)
    key = key_new (contacts, contact, &row->fp);
  else if (key->contact != contact)
    move_key (contacts, key, contact);
  last_used = MAX (key->row.last_used, row->last_used);
  g_free (key->row.source);
  /* The table's key points into the row: the fingerprint itself does not change. */
  key->row = *row;
  key->row.source = g_strdup (row->source != NULL ? row->source : "");
  key->row.last_used = last_used;
  contact->has_row = TRUE;
  contact_pick_active_key (contact);
  if (fresh)
    WATCHERS_CALL (&contacts->watchers, ContactsWatch, key_added, key);
  else
    WATCHERS_CALL (&contacts->watchers, ContactsWatch, key_changed, key);
  contact_changed (contact);
  if (fresh)
    sightings_claim (contacts, key);
  return key;
}

void
contacts_apply_delete_key (Contacts *contacts, const Fingerprint *fp)
{
  Key *key = contacts_get_key (contacts, fp);
  Contact *contact;

  if (key == NULL)
    return;
  contact = key->contact;
  WATCHERS_CALL (&contacts->watchers, ContactsWatch, key_removed, key);
  g_ptr_array_remove (contact->keys, key);
  if (contact->active == key)
    contact->active = NULL;
  g_hash_table_remove (contacts->keys, fp);
  contact_pick_active_key (contact);
  contact_changed (contact);
}

void
contacts_apply_delete_contact (Contacts *contacts, guint32 id)
{
  Contact *contact = contacts_get (contacts, id);
  g_autoptr (GPtrArray) sightings = g_ptr_array_new ();
  g_autoptr (GPtrArray) statics = NULL;

  if (contact == NULL)
    return;
  statics = g_steal_pointer (&contact->statics);
  contact->statics = g_ptr_array_new ();
  for (guint i = 0; i < contact->sightings->len; i++)
    g_ptr_array_add (sightings, g_ptr_array_index (contact->sightings, i));
  remove_contact (contacts, contact);
  /* Still announced: from now on a stranger. */
  for (guint i = 0; i < sightings->len; i++)
    {
      Sighting *sighting = g_ptr_array_index (sightings, i);

      if (sighting->contact == NULL && sighting->presence != NULL)
        sightings_assign (contacts, sighting);
    }
  for (guint i = 0; i < statics->len; i++)
    {
      const Endpoint *endpoint = g_ptr_array_index (statics, i);
      g_autofree char *text = contacts_join_endpoint (endpoint->address, endpoint->port);

      contacts_add_static (contacts, text, NULL);
    }
}
