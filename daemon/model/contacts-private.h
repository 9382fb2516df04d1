/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What contacts.c, contact.c and sightings.c share: the structs behind model/contacts.h. Nobody else includes it.
 */
#pragma once

#include "daemon/model/contacts.h"
#include "daemon/model/lookalikes.h"
#include "daemon/model/watchers.h"

#define CONTACT_ADDRS_MAX 8

/* One announced (instance, domain), however many links and families carry it. */
typedef struct {
  char *instance, *domain;
  char *prepared;          /* jid_prepare() of the instance */
  GArray *links;           /* SightingLink */
  Presence *presence;      /* NULL until its TXT is known */
  gboolean tls;            /* its TXT announced TLS, now or earlier: who takes that away later may be anybody */
  Contact *contact;        /* NULL until its TXT is known */
} Sighting;

typedef struct {
  int ifindex, family;
  char *ifname;
} SightingLink;

struct _Key {
  Contact *contact;
  KeyRow row;
  gboolean expired;
  const char *chain;       /* static */
  gboolean distrusts_us;
};

struct _Contact {
  Contacts *contacts;
  ContactRow row;
  gboolean has_row;        /* the store knows it */
  char *claimed_name, *claimed_addr;
  char *said_nick;         /* in this run, on a stream (XEP-0172), or NULL */
  char *claimed_prepared;  /* jid_prepare() of claimed_addr, or NULL */
  GPtrArray *names;        /* jid_prepare() of row.addrs */
  const char *name_warning; /* static */
  guint32 resembles;       /* the contact it warns of, or 0 */
  char *guarded;           /* the names under which `lookalikes` has it, or NULL */
  char *claims, **prepared; /* the names that were prepared for comparing, and what came out */
  gboolean mixed_script;
  GPtrArray *keys;         /* Key*, owned by the table */
  Key *active;
  GPtrArray *sightings;    /* Sighting*, owned by the table */
  GPtrArray *statics;      /* Endpoint*, owned */
  GPtrArray *endpoints;    /* Endpoint*, owned: what is shown, rebuilt on change */
  GArray *contests;        /* guint32 */
  char *proven_ifname, *proven_address;
  guint16 proven_port;
  gint64 last_success;
  gint64 first_seen;
  gboolean connected, proven;
  gboolean spoke_clear;    /* in this run: it had no TLS to offer */
  gboolean saving;         /* contacts_save() waits for its turn */
  guint busy;              /* decisions about it under way */
  char *last_error;
};

struct _Contacts {
  TrustStore *store;
  GHashTable *by_id;       /* GUINT_TO_POINTER(id) -> Contact* (owned) */
  GHashTable *keys;        /* Fingerprint* inside Key -> Key* (owned) */
  GHashTable *sightings;   /* "instance\ndomain" -> Sighting* (owned) */
  Watchers watchers;
  Lookalikes *lookalikes;  /* the names of kept contacts */
  guint names_source;      /* those changed: all are judged anew */
  guint max_strangers;
  GQueue turns;            /* Turn*, waiting to write */
  gboolean writing, turning;
  GError *statics_error;   /* why one of them is not on disk, until contacts_await_statics() has told */
};

Contact *contact_new (Contacts *contacts, guint32 id);
void contact_free (Contact *contact);
void contact_set_claimed_addr (Contact *contact, const char *addr);
/* After row.addrs changed. */
void contact_index_names (Contact *contact);
void contact_rebuild_endpoints (Contact *contact);
void contact_changed (Contact *contact);
void contact_pick_active_key (Contact *contact);
/* Drops a stranger that nothing holds any more. TRUE when it is gone. */
gboolean contacts_reap (Contacts *contacts, Contact *contact);
/* A fresh stranger, evicting the oldest idle one when the cap is reached; NULL when nobody can go. */
Contact *contacts_new_stranger (Contacts *contacts);
void contacts_attach_key (Contact *contact, Key *key);
gboolean contact_has_settled_key (const Contact *contact); /* a key that was ever trusted, revoked ones too */

/* Deep; clear the copy with contact_row_clear(). */
void contact_row_copy (const ContactRow *from, ContactRow *to);
char *contacts_join_endpoint (const char *host, guint16 port);
/* Keeps a static endpoint as a setting; id 0 drops it. */
void contacts_persist_static (Contacts *contacts, const char *host, guint16 port, guint32 id);

/* contact-names.c */
void contact_refresh_names (Contact *contact);
/* After what a kept contact is known by changed, and before it goes. */
void contact_guard_names (Contact *contact);
void contact_unguard_names (Contact *contact);
/* TRUE: another warning than before, or of another contact. */
gboolean contact_judge_names (Contact *contact);
/* No other contact has that petname, nor one that can be taken for it. `contact` may be NULL. */
gboolean contacts_check_name (Contacts *contacts, const Contact *contact, const char *petname, GError **error);

/* contacts-write.c */
void contacts_clear_turns (Contacts *contacts);

void sightings_init (Contacts *contacts);
void sightings_assign (Contacts *contacts, Sighting *sighting);
void sightings_move (Contact *from, Contact *to, const Fingerprint *only_hinting);
void sightings_claim (Contacts *contacts, Key *key);
void sighting_free (gpointer sighting);
