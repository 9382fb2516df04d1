/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * People and trust over a real store in a directory of their own, and announcements to order.
 */
#pragma once

#include <sys/socket.h>

#include "daemon/model/trust.h"
#include "tests/unit/store-helper.h"

typedef struct
{
  Store store;
  TrustStore *trust_store;
  GHashTable *words;
  Contacts *contacts;
  Trust *trust;
  /* what was reported */
  guint added, removed, keys_added, keys_removed, sighted, requests_added, requests_removed, levels, forgotten;
  gboolean last_release;
  char *warning;
} People;

static inline void people_on_added (gpointer user, Contact *contact) { ((People *) user)->added++; }
static inline void people_on_removed (gpointer user, Contact *contact)
{
  g_assert_cmpuint (contact_get_id (contact), !=, 0); /* still readable */
  ((People *) user)->removed++;
}
static inline void people_on_key_added (gpointer user, Key *key) { ((People *) user)->keys_added++; }
static inline void people_on_key_removed (gpointer user, Key *key)
{
  g_assert_nonnull (key_get_contact (key));
  ((People *) user)->keys_removed++;
}
static inline void people_on_sighted (gpointer user, Contact *contact) { ((People *) user)->sighted++; }
static inline void people_on_request_added (gpointer user, Request *request) { ((People *) user)->requests_added++; }
static inline void people_on_request_removed (gpointer user, Request *request)
{
  g_assert_cmpuint (request_get_id (request), !=, 0);
  ((People *) user)->requests_removed++;
}
static inline void
people_on_level (gpointer user, Contact *contact, Key *key, gboolean release)
{
  ((People *) user)->levels++;
  ((People *) user)->last_release = release;
}
static inline void people_on_forgotten (gpointer user, guint32 id, const Fingerprint *fp) { ((People *) user)->forgotten++; }
static inline void
people_on_warning (gpointer user, const char *key, const char *text)
{
  g_free (((People *) user)->warning);
  ((People *) user)->warning = g_strdup (text);
}

static const ContactsWatch people_contacts_watch = {
  .added = people_on_added, .removed = people_on_removed, .key_added = people_on_key_added,
  .key_removed = people_on_key_removed, .sighted = people_on_sighted
};
static const TrustWatch people_trust_watch = {
  .request_added = people_on_request_added, .request_removed = people_on_request_removed,
  .level_changed = people_on_level, .forgotten = people_on_forgotten, .warning = people_on_warning
};

static inline void
people_open (People *people, TrustMode mode)
{
  g_autoptr (GError) error = NULL;
  GArray *contacts = NULL, *keys = NULL, *requests = NULL;

  people->trust_store = trust_store_open (people->store.worker, people->store.path, NULL, &error);
  g_assert_no_error (error);
  trust_store_load (people->trust_store, &contacts, &keys, &requests, &people->words, &error);
  g_assert_no_error (error);
  people->contacts = contacts_new (people->trust_store, contacts, keys);
  people->trust = trust_new (people->contacts, people->trust_store, mode, requests);
  contacts_watch (people->contacts, &people_contacts_watch, people);
  trust_watch (people->trust, &people_trust_watch, people);
}

static inline void
people_close (People *people)
{
  db_worker_flush (people->store.worker);
  trust_store_close (people->trust_store);
  trust_free (people->trust);
  contacts_free (people->contacts);
  g_hash_table_unref (people->words);
}

static inline void
people_reopen (People *people)
{
  TrustMode mode = trust_get_mode (people->trust);

  people_close (people);
  people_open (people, mode);
}

static inline void
people_set_up (People *people, gconstpointer unused)
{
  store_set_up (&people->store, NULL);
  people_open (people, TRUST_MODE_ASK);
}

static inline void
people_tear_down (People *people, gconstpointer unused)
{
  people_close (people);
  g_free (people->warning);
  store_tear_down (&people->store, NULL);
}

/* Everything on its way to the disk arrives and reports. */
static inline void
people_settle (People *people)
{
  do
    db_worker_flush (people->store.worker);
  while (g_main_context_iteration (NULL, FALSE));
}

static inline Fingerprint
make_fp (guint8 number)
{
  Fingerprint fp;

  memset (fp.bytes, number, sizeof fp.bytes);
  return fp;
}

/* Announces; `hint` and `nick` may be NULL. */
static inline void
announce_full (Contacts *contacts, const char *instance, int ifindex, int family, const Fingerprint *hint, const char *nick)
{
  DiscoveryRecord record = { .instance = (char *) instance, .domain = (char *) "local", .ifindex = ifindex,
                             .family = family };
  g_autofree char *ifname = g_strdup_printf ("eth%d", ifindex);
  g_autoptr (GPtrArray) txt = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);

  record.ifname = ifname;
  record.txt = txt;
  g_ptr_array_add (txt, g_bytes_new_static ("txtvers=1", 9));
  if (hint != NULL)
    {
      g_autofree char *base64 = fingerprint_to_base64url (hint);
      g_autofree char *item = g_strconcat ("tls.spki=", base64, NULL);

      g_ptr_array_add (txt, g_bytes_new (item, strlen (item)));
    }
  if (nick != NULL)
    {
      g_autofree char *item = g_strconcat ("nick=", nick, NULL);

      g_ptr_array_add (txt, g_bytes_new (item, strlen (item)));
    }
  contacts_on_sighted (contacts, &record);
}

static inline void
announce (Contacts *contacts, const char *instance, const Fingerprint *hint)
{
  announce_full (contacts, instance, 1, AF_INET6, hint, NULL);
}

static inline void
withdraw (Contacts *contacts, const char *instance)
{
  contacts_on_gone (contacts, instance, "local", 1, AF_INET6);
}

/* The only contact that the selector finds. */
static inline Contact *
find_one (Contacts *contacts, const char *selector)
{
  g_autoptr (GPtrArray) found = contacts_select (contacts, selector);

  return found->len == 1 ? g_ptr_array_index (found, 0) : NULL;
}

static inline guint
count_contacts (Contacts *contacts)
{
  g_autoptr (GPtrArray) all = contacts_list (contacts);

  return all->len;
}

typedef struct
{
  gboolean done;
  guint32 id;
  int code;
} Added;

static inline void
people_on_contact_added (gpointer user, guint32 id, const GError *error)
{
  Added *added = user;

  added->done = TRUE;
  added->id = id;
  added->code = error != NULL ? error->code : -1;
}

/* A contact pinned by fingerprint. */
static inline Contact *
add_person (People *people, const char *petname, const Fingerprint *fp)
{
  Added added = { 0 };

  trust_add_contact (people->trust, petname, fp, &(TrustEvidence){ .source = "fingerprint" }, "test", people_on_contact_added, &added);
  store_wait (&added.done);
  g_assert_cmpint (added.code, ==, -1);
  return contacts_get (people->contacts, added.id);
}

/* The same, having used a name once. */
static inline Contact *
add_person_named (People *people, const char *petname, const Fingerprint *fp, const char *addr)
{
  Contact *contact = add_person (people, petname, fp);
  Key *key = contacts_get_key (people->contacts, fp);

  contacts_set_connected (contact, key, addr, TRUE);
  contacts_set_connected (contact, key, addr, FALSE);
  people_settle (people);
  return contact;
}

#define PEOPLE_TEST(path, func) g_test_add (path, People, NULL, people_set_up, func, people_tear_down)
