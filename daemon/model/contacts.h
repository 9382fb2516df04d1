/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * People: merges what discovery announces, what handshakes prove and what the store remembers. Seen, reachable,
 * pinned and blocked stay separate facts. A contact is a set of keys + petname, never a name (docs/protocol.md 3.1).
 * Decisions are not made here (model/trust.h). Main thread only; objects live until `removed` was reported.
 */
#pragma once

#include <gio/gio.h>

#include "daemon/base/error.h"
#include "daemon/io/discovery.h"
#include "daemon/io/trust-store.h"
#include "daemon/proto/presence-txt.h"

typedef struct _Contacts Contacts;
typedef struct _Contact Contact;
typedef struct _Key Key;

typedef enum { REACH_OFFLINE, REACH_SIGHTED, REACH_ONLINE } Reach;

/* Each may be NULL. Reported after the fact, never from inside a getter. */
typedef struct {
  void (*added) (gpointer user, Contact *contact);
  void (*changed) (gpointer user, Contact *contact);   /* any property of it */
  void (*removed) (gpointer user, Contact *contact);   /* still readable during the call */
  void (*key_added) (gpointer user, Key *key);
  void (*key_changed) (gpointer user, Key *key);
  void (*key_removed) (gpointer user, Key *key);
  void (*sighted) (gpointer user, Contact *contact);   /* announced anew or elsewhere: worth dialling now */
} ContactsWatch;

#define CONTACTS_MAX_STRANGERS 256

/* Takes the rows. */
Contacts *contacts_new (TrustStore *store, GArray *contact_rows_take, GArray *key_rows_take);
void contacts_free (Contacts *contacts);
void contacts_watch (Contacts *contacts, const ContactsWatch *watch, gpointer user);
void contacts_unwatch (Contacts *contacts, gpointer user);
void contacts_set_max_strangers (Contacts *contacts, guint max);
guint contacts_get_max_strangers (Contacts *contacts);

/* Finding. All borrowed, NULL = none. */
Contact *contacts_get (Contacts *contacts, guint32 id);
Key *contacts_get_key (Contacts *contacts, const Fingerprint *fp);
/* A stored contact one of whose keys used that name (prepared, case-folded), or NULL. */
Contact *contacts_find_by_addr (Contacts *contacts, const char *addr);
/* Everybody; free with g_ptr_array_unref(), items borrowed. */
GPtrArray *contacts_list (Contacts *contacts);
/* Petname, then full address, then fingerprint prefix of >= 8 digits: the first rule with a match wins. Items borrowed;
 * empty array = nothing matches; several = ambiguous. */
GPtrArray *contacts_select (Contacts *contacts, const char *selector);

/* Reading a contact. Strings are borrowed and never NULL ("" = unset) except _dup. */
guint32 contact_get_id (const Contact *contact);
const char *contact_get_petname (const Contact *contact);
const char *contact_get_claimed_name (const Contact *contact);    /* nick of its TXT, else the one it said, cleaned */
const char *contact_get_claimed_addr (const Contact *contact);    /* the announced or last authenticated address */
char *contact_dup_display_name (const Contact *contact);          /* petname, nickname, user part of the address, key */
const char *contact_get_name_warning (const Contact *contact);    /* "", duplicate, lookalike, bidi, mixed-script */
Contact *contact_get_resembled (const Contact *contact);          /* whom a duplicate or lookalike can be taken for; or NULL */
gboolean contact_is_stored (const Contact *contact);
gboolean contact_is_blocked (const Contact *contact);
/* Our own key changed and it has not confirmed that it was told (model/succession.h). Set after the disk has it, or with contacts_save(). */
gboolean contact_is_succession_owed (const Contact *contact);
void contact_set_succession_owed (Contact *contact, gboolean owed);
Reach contact_get_reach (const Contact *contact);
const char *reach_to_string (Reach reach);
gboolean contact_is_connected (const Contact *contact);
const Presence *contact_get_presence (const Contact *contact);    /* NULL = none known */
gint64 contact_get_last_seen (const Contact *contact);
gint64 contact_get_first_seen (const Contact *contact);
const char *contact_get_last_error (const Contact *contact);      /* error word: NotReachable, Refused, NotTrusted, … */
TrustLevel contact_get_trust (const Contact *contact);            /* level of the active key; unknown without one */
gboolean contact_has_trusted_key (const Contact *contact);        /* any key >= pinned */
Key *contact_get_active_key (const Contact *contact);             /* of the current or last stream, else the best; or NULL */
/* Items Key*, borrowed; array borrowed. */
const GPtrArray *contact_get_keys (const Contact *contact);
/* Contacts whose name this one also claims (ids), array borrowed. */
const GArray *contact_get_contests (const Contact *contact);

typedef struct {
  char *ifname;            /* link, "static" for static ones */
  char *instance, *domain; /* announced ones: resolve to dial */
  char *address;           /* "fe80::1%wlan0" once known, else "" */
  guint16 port;
  gboolean direct_tls;     /* its TXT offers direct TLS: a claim, tried first */
  gboolean proven;         /* a handshake proved the key there since it appeared */
  gint64 last_success;
} Endpoint;
/* Items const Endpoint*, borrowed. */
const GPtrArray *contact_get_endpoints (const Contact *contact);

/* Peers without TLS (docs/protocol.md 3.9); contacts-legacy.c. */
gboolean contact_is_legacy (const Contact *contact);              /* keyless, and found to speak in clear only */
LegacyChoice contact_get_legacy_choice (const Contact *contact);  /* what a person said */
/* What a judgement about clear text must know: the contact has or had a key, or a name of it, or `addr` (may be NULL), was ever used by one. */
gboolean contacts_saw_tls (Contacts *contacts, const Contact *contact, const char *addr);
/* One of its announcements, or one under `addr`, offers TLS. */
gboolean contacts_announce_tls (Contacts *contacts, const Contact *contact, const char *addr);
/* More than one announcement, or one that is another contact's, bears a name of it, or `addr`. */
gboolean contacts_is_name_contested (Contacts *contacts, const Contact *contact, const char *addr);
/* It had no TLS to offer. */
void contacts_note_clear (Contact *contact);

/* Reading a key. */
const Fingerprint *key_get_fingerprint (const Key *key);
Contact *key_get_contact (const Key *key);
TrustLevel key_get_level (const Key *key);
const char *key_get_source (const Key *key);
gint64 key_get_since (const Key *key);
gint64 key_get_last_used (const Key *key);
gboolean key_is_refused (const Key *key);
gboolean key_is_expired (const Key *key);
gboolean key_distrusts_us (const Key *key);                       /* who has it says that our key is not to be trusted */
const char *key_get_chain_word (const Key *key);                  /* why its chain was not good enough when one was due, or NULL; static */
gboolean key_is_grant_owed (const Key *key);
const Fingerprint *key_get_replacement (const Key *key);          /* or NULL */
Contact *key_get_introduced_by (const Key *key);                  /* source introduction: who made it; NULL = nobody, or gone */
gboolean key_is_introducer_lost (const Key *key);                 /* `vouched` by somebody who counts no more */
gboolean key_is_distrusted (const Key *key);                      /* somebody verified warned of it since a person decided */
/* May this contact, by the word of that key, introduce others? Verified itself, or by what took that key's place; not blocked. */
gboolean contacts_may_introduce (Contacts *contacts, guint32 id, const Fingerprint *by);

/* The user's words that are no trust decision. INVALID_ARGUMENT: over 80 characters, control characters, nothing that shows, or in use
 * by another contact, or so alike that it can be taken for what that one is called. Disk first. */
void contact_set_petname (Contact *contact, const char *petname, DoneFunc done, gpointer user);
/* The same check without setting it; `contact` is the one it is for, NULL = one that does not exist yet. */
gboolean contacts_check_petname (Contacts *contacts, Contact *contact, const char *petname, GError **error);
/* "host:port", "[v6%scope]:port"; an existing static endpoint returns its contact. */
Contact *contacts_add_static (Contacts *contacts, const char *endpoint, GError **error);
/* The same for a contact that is known; the one whose it is then: another one's stays where it is. */
Contact *contacts_add_static_to (Contacts *contacts, Contact *contact, const char *endpoint, GError **error);
/* The same for one that was told anew (an invite): also another one's, unless that one is connected right now. */
Contact *contacts_take_static (Contacts *contacts, Contact *contact, const char *endpoint, GError **error);
/* "HOST:PORT" apart; brackets removed. INVALID_ARGUMENT says what an endpoint looks like. */
gboolean contacts_split_endpoint (const char *endpoint, char **host, guint16 *port, GError **error);
/* Start-up: the settings that begin with this, endpoint -> contact id, are handed back one by one. */
#define CONTACTS_STATIC_SETTING "static:"
void contacts_restore_static (Contacts *contacts, const char *endpoint, guint32 id);
gboolean contacts_remove_static (Contacts *contacts, const char *endpoint);
/* `done` when all of these that were called before are on disk, or with the error of one that is not: it counts until the end of this run. */
void contacts_await_statics (Contacts *contacts, DoneFunc done, gpointer user);

/* From discovery (daemon.c wires them). */
void contacts_on_sighted (Contacts *contacts, const DiscoveryRecord *record);
void contacts_on_gone (Contacts *contacts, const char *instance, const char *domain, int ifindex, int family);
/* Discovery restarted: nothing announced is known any more. */
void contacts_forget_sightings (Contacts *contacts);

/* For trust and session. */
/* The contact a proven key belongs to, made if need be: by key, else the keyless contact that was dialled (`expected`, 0 = none) or
 * is announced as `addr`, else a new stranger; NULL when there is no room for one. `contested` receives the stored contact that owns the name under another trusted key, or NULL. */
Key *contacts_prove_key (Contacts *contacts, const Fingerprint *fp, const char *addr, guint32 expected, Contact **contested);
/* The same for one that a chain names: what was written to that name is for it, whoever else answered there before. */
Key *contacts_prove_key_by_chain (Contacts *contacts, const Fingerprint *fp, const char *addr, guint32 expected,
                                  Contact **contested);
/* The key that announcements of that name hint at, where they do and none of them hints at `fp`; else NULL. A claim: it may make people
 * look twice, and never makes anything right. */
const Fingerprint *contacts_get_announced_key (Contacts *contacts, const char *addr, const Fingerprint *fp);
void contacts_set_connected (Contact *contact, Key *key, const char *addr, gboolean connected);
void contacts_set_last_error (Contact *contact, const char *error_word);
void contacts_set_key_expired (Key *key, gboolean expired);
void contacts_set_key_chain (Key *key, const char *word);
void contacts_set_key_distrusts_us (Key *key, gboolean distrusts);
/* The nickname that it told on a stream (XEP-0172): a label for who announces none, until we restart. */
void contacts_note_nick (Contact *contact, const char *nick);
void contacts_note_endpoint (Contact *contact, const char *ifname, const char *address, guint16 port);
/* Rows for a TrustChange, and taking over what it made true after the commit. Caller clears the rows. */
void contact_to_row (const Contact *contact, ContactRow *row);
void key_to_row (const Key *key, KeyRow *row);
void contacts_apply_contact (Contacts *contacts, const ContactRow *row);
Key *contacts_apply_key (Contacts *contacts, const KeyRow *row);
void contacts_apply_delete_key (Contacts *contacts, const Fingerprint *fp);
void contacts_apply_delete_contact (Contacts *contacts, guint32 id);
/* A contact that has no row yet and shall be kept (a message was written to it, a petname given). */
guint32 contacts_new_id (Contacts *contacts);
/* Was this name ever used by another key than this one (whatever its level)? */
gboolean contacts_name_was_used (Contacts *contacts, const char *addr, const Key *key);
/* Writing rows, one change at a time: `begin` is called when it is its turn (at once if nobody writes), copies what is to be
 * written from memory, and must bring about contacts_end_turn() after its change was reported and taken over. */
typedef void (*ContactsTurn) (gpointer user);
void contacts_await_turn (Contacts *contacts, ContactsTurn begin, gpointer user);
void contacts_end_turn (Contacts *contacts);
/* A held contact makes room for no other; counted. */
void contacts_hold (Contacts *contacts, guint32 id, gboolean hold);
/* Writes the rows of a contact as they stand in memory: what is no decision (names used, times, grants). */
void contacts_save (Contact *contact);
