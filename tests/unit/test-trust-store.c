/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/trust-store.h"

#include "daemon/io/trust-store-private.h"
#include "tests/unit/store-helper.h"

#define ROMEO 11
#define JULIET 22

typedef struct
{
  Store store;
  TrustStore *trust;
} Fixture;

typedef struct
{
  GArray *contacts, *keys, *requests;
  GHashTable *settings;
} Loaded;

static void
loaded_clear (Loaded *l)
{
  g_clear_pointer (&l->contacts, g_array_unref);
  g_clear_pointer (&l->keys, g_array_unref);
  g_clear_pointer (&l->requests, g_array_unref);
  g_clear_pointer (&l->settings, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Loaded, loaded_clear)

static void
open_trust (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *aside = NULL;

  f->trust = trust_store_open (f->store.worker, f->store.path, &aside, &error);
  g_assert_no_error (error);
  g_assert_null (aside);
}

static void
set_up (Fixture *f, gconstpointer unused)
{
  store_set_up (&f->store, NULL);
  open_trust (f);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  g_assert_true (raw_is_sound (f->trust->db));
  trust_store_close (f->trust);
  store_tear_down (&f->store, NULL);
}

static void
restart (Fixture *f)
{
  trust_store_close (f->trust);
  open_trust (f);
}

static gint64
sql (Fixture *f, const char *text)
{
  return raw_sql (f->trust->db, text);
}

static int
apply (Fixture *f, TrustChange *change)
{
  Outcome outcome = { 0 };

  trust_store_apply (f->trust, change, outcome_set, &outcome);
  g_assert_false (outcome.done);
  return outcome_wait (&outcome);
}

static Loaded
load (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  Loaded l = { 0 };

  trust_store_load (f->trust, &l.contacts, &l.keys, &l.requests, &l.settings, &error);
  g_assert_no_error (error);
  return l;
}

static Fingerprint
key_of (guint8 n)
{
  Fingerprint fp;

  memset (fp.bytes, n, sizeof fp.bytes);
  return fp;
}

static ContactRow
contact_row (guint32 id)
{
  ContactRow row = { .id = id, .petname = (char *) "", .created = 1, .last_seen = 2, .stored = TRUE };

  return row;
}

static KeyRow
key_row (guint8 n, guint32 contact, TrustLevel level)
{
  KeyRow row = { .fp = key_of (n), .contact = contact, .level = level, .source = (char *) "user", .since = 3 };

  return row;
}

static RequestRow
request_row (guint64 id, guint8 n, guint32 contact)
{
  RequestRow row = { .id = id, .kind = (char *) "new-key", .contact = contact, .fp = key_of (n), .created = 4,
                     .name = (char *) "romeo@forza", .link = (char *) "wlan0" };

  return row;
}

/* A person with two keys and a question about one. */
static void
put_person (Fixture *f, guint32 id, guint8 n)
{
  TrustChange *change = trust_change_new ();
  ContactRow contact = contact_row (id);
  KeyRow one = key_row (n, id, TRUST_PINNED);
  KeyRow two = key_row ((guint8) (n + 1), id, TRUST_UNKNOWN);
  RequestRow request = request_row (n, (guint8) (n + 1), id);

  trust_change_put_contact (change, &contact);
  trust_change_put_key (change, &one);
  trust_change_put_key (change, &two);
  trust_change_put_request (change, &request);
  g_assert_cmpint (apply (f, change), ==, -1);
}

/* -------------------------------------------------------------------------- */

static void
test_round_trip (Fixture *f, gconstpointer unused)
{
  char *addrs[] = { (char *) "romeo@forza", (char *) "R\xc3\xb6meo@two", (char *) "\x1b[2J'; DROP TABLE key", NULL };
  ContactRow contact = contact_row (ROMEO);
  KeyRow key = key_row (1, ROMEO, TRUST_VERIFIED);
  RequestRow request = request_row (77, 1, ROMEO);
  TrustChange *change = trust_change_new ();
  const ContactRow *c;
  const KeyRow *k;
  const RequestRow *r;
  g_auto (Loaded) l = { 0 };
  Fingerprint other = key_of (9);

  contact.petname = (char *) "my romeo";
  contact.blocked = TRUE;
  contact.addrs = addrs;
  key.last_used = 6;
  key.first_seen = 7;
  key.refused = key.grant_owed = TRUE;
  key.has_replacement = TRUE;
  key.replaced_by = other;
  request.kind = (char *) "name-conflict";
  request.snoozed_until = 99;
  request.contested = JULIET;
  trust_change_put_contact (change, &contact);
  trust_change_put_key (change, &key);
  trust_change_put_request (change, &request);
  trust_change_put_setting (change, "mode", "tofu");
  trust_change_put_setting (change, "gone", "x");
  trust_change_put_setting (change, "gone", NULL);
  trust_change_audit (change, &(AuditEntry){ .time = 5, .event = "accept", .fp = "aa", .verdict = "pinned", .caller = ":1.7 pid 12" });
  g_assert_cmpint (apply (f, change), ==, -1);
  restart (f);
  l = load (f);
  g_assert_cmpuint (l.contacts->len, ==, 1);
  c = &g_array_index (l.contacts, ContactRow, 0);
  g_assert_cmpuint (c->id, ==, ROMEO);
  g_assert_cmpstr (c->petname, ==, "my romeo");
  g_assert_true (c->blocked && c->stored);
  g_assert_cmpint (c->created, ==, 1);
  g_assert_cmpint (c->last_seen, ==, 2);
  g_assert_true (g_strv_equal ((const char *const *) c->addrs, (const char *const *) addrs));
  g_assert_cmpuint (l.keys->len, ==, 1);
  k = &g_array_index (l.keys, KeyRow, 0);
  g_assert_true (fingerprint_equal (&k->fp, &key.fp));
  g_assert_cmpuint (k->contact, ==, ROMEO);
  g_assert_cmpint (k->level, ==, TRUST_VERIFIED);
  g_assert_cmpstr (k->source, ==, "user");
  g_assert_cmpint (k->since, ==, 3);
  g_assert_cmpint (k->last_used, ==, 6);
  g_assert_cmpint (k->first_seen, ==, 7);
  g_assert_true (k->refused && k->grant_owed && k->has_replacement && fingerprint_equal (&k->replaced_by, &other));
  g_assert_false (k->forgotten);
  g_assert_cmpuint (l.requests->len, ==, 1);
  r = &g_array_index (l.requests, RequestRow, 0);
  g_assert_cmpuint (r->id, ==, 77);
  g_assert_cmpstr (r->kind, ==, "name-conflict");
  g_assert_cmpuint (r->contact, ==, ROMEO);
  g_assert_true (fingerprint_equal (&r->fp, &key.fp));
  g_assert_cmpint (r->created, ==, 4);
  g_assert_cmpint (r->snoozed_until, ==, 99);
  g_assert_cmpstr (r->name, ==, "romeo@forza");
  g_assert_cmpuint (r->contested, ==, JULIET);
  g_assert_cmpstr (r->link, ==, "wlan0");
  g_assert_cmpuint (g_hash_table_size (l.settings), ==, 1);
  g_assert_cmpstr (g_hash_table_lookup (l.settings, "mode"), ==, "tofu");
  g_assert_cmpint (sql (f, "SELECT count(*) FROM audit WHERE time = 5 AND event = 'accept' AND fp = 'aa' AND verdict = 'pinned'"
                           " AND caller = ':1.7 pid 12'"), ==, 1);
}

static void
test_copied_and_replaced (Fixture *f, gconstpointer unused)
{
  char *addrs[] = { (char *) "1", (char *) "2", (char *) "3", (char *) "4", (char *) "5", (char *) "6", (char *) "7",
                    (char *) "8", (char *) "9", NULL };
  char *fewer[] = { (char *) "new", NULL };
  TrustChange *change = trust_change_new ();
  ContactRow contact = contact_row (ROMEO);
  g_auto (Loaded) l = { 0 };
  char petname[] = "before";

  contact.petname = petname;
  contact.addrs = addrs;
  trust_change_put_contact (change, &contact);
  memset (petname, 'x', sizeof petname - 1);
  g_assert_cmpint (apply (f, change), ==, -1);
  l = load (f);
  g_assert_cmpstr (g_array_index (l.contacts, ContactRow, 0).petname, ==, "before");
  g_assert_cmpuint (g_strv_length (g_array_index (l.contacts, ContactRow, 0).addrs), ==, 8);
  loaded_clear (&l);
  contact.petname = NULL;
  contact.addrs = fewer;
  change = trust_change_new ();
  trust_change_put_contact (change, &contact);
  g_assert_cmpint (apply (f, change), ==, -1);
  l = load (f);
  g_assert_cmpuint (l.contacts->len, ==, 1);
  g_assert_cmpstr (g_array_index (l.contacts, ContactRow, 0).petname, ==, "");
  g_assert_cmpuint (g_strv_length (g_array_index (l.contacts, ContactRow, 0).addrs), ==, 1);
}

static void
test_forget (Fixture *f, gconstpointer unused)
{
  Fingerprint one = key_of (1), two = key_of (2), other = key_of (5);
  TrustChange *change;
  KeyRow again = key_row (1, JULIET, TRUST_UNKNOWN);
  g_auto (Loaded) l = { 0 };

  put_person (f, ROMEO, 1);
  put_person (f, JULIET, 5);
  g_assert_false (trust_store_was_forgotten (f->trust, &one));
  change = trust_change_new ();
  trust_change_delete_contact (change, ROMEO);
  g_assert_cmpint (apply (f, change), ==, -1);
  g_assert_true (trust_store_was_forgotten (f->trust, &one));
  g_assert_true (trust_store_was_forgotten (f->trust, &two));
  g_assert_false (trust_store_was_forgotten (f->trust, &other));
  restart (f);
  g_assert_true (trust_store_was_forgotten (f->trust, &one));
  l = load (f);
  g_assert_cmpuint (l.contacts->len, ==, 1);
  g_assert_cmpuint (l.keys->len, ==, 2);
  g_assert_cmpuint (l.requests->len, ==, 1);
  loaded_clear (&l);
  /* It comes back, and is known to have been forgotten, whatever was put. */
  change = trust_change_new ();
  trust_change_put_key (change, &again);
  trust_change_delete_key (change, &other);
  g_assert_cmpint (apply (f, change), ==, -1);
  g_assert_true (trust_store_was_forgotten (f->trust, &other));
  l = load (f);
  g_assert_cmpuint (l.keys->len, ==, 2);
  for (guint i = 0; i < l.keys->len; i++)
    {
      const KeyRow *key = &g_array_index (l.keys, KeyRow, i);

      g_assert_cmpint (key->forgotten, ==, fingerprint_equal (&key->fp, &one));
    }
  /* Deleting what was never there leaves nothing. */
  other = key_of (200);
  change = trust_change_new ();
  trust_change_delete_key (change, &other);
  g_assert_cmpint (apply (f, change), ==, -1);
  g_assert_false (trust_store_was_forgotten (f->trust, &other));
}

static void
test_blocked_once (Fixture *f, gconstpointer unused)
{
  TrustChange *change = trust_change_new ();
  ContactRow contact = contact_row (ROMEO);
  KeyRow key = key_row (1, ROMEO, TRUST_PINNED);
  g_auto (Loaded) l = { 0 };

  key.forgotten = TRUE;
  trust_change_put_contact (change, &contact);
  trust_change_put_key (change, &key);
  g_assert_cmpint (apply (f, change), ==, -1);
  g_assert_true (trust_store_was_forgotten (f->trust, &key.fp));
  key.forgotten = FALSE;
  change = trust_change_new ();
  trust_change_put_key (change, &key);
  g_assert_cmpint (apply (f, change), ==, -1);
  l = load (f);
  g_assert_true (g_array_index (l.keys, KeyRow, 0).forgotten);
}

static void
test_drop (Fixture *f, gconstpointer unused)
{
  TrustChange *change = trust_change_new ();
  Fingerprint one = key_of (1);
  g_auto (Loaded) l = { 0 };

  put_person (f, ROMEO, 1);
  trust_change_drop_contact (change, ROMEO);
  g_assert_cmpint (apply (f, change), ==, -1);
  g_assert_false (trust_store_was_forgotten (f->trust, &one));
  l = load (f);
  g_assert_cmpuint (l.contacts->len + l.keys->len + l.requests->len, ==, 0);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM tombstone"), ==, 0);
}

/* The keys of one contact go to another, then the empty one is deleted: they are not forgotten by that. */
static void
test_move_key (Fixture *f, gconstpointer unused)
{
  TrustChange *change = trust_change_new ();
  KeyRow moved = key_row (1, JULIET, TRUST_PINNED);
  KeyRow second = key_row (2, JULIET, TRUST_UNKNOWN);
  g_auto (Loaded) l = { 0 };

  put_person (f, ROMEO, 1);
  put_person (f, JULIET, 5);
  trust_change_put_key (change, &moved);
  trust_change_put_key (change, &second);
  trust_change_delete_contact (change, ROMEO);
  g_assert_cmpint (apply (f, change), ==, -1);
  g_assert_false (trust_store_was_forgotten (f->trust, &moved.fp));
  l = load (f);
  g_assert_cmpuint (l.contacts->len, ==, 1);
  g_assert_cmpuint (l.keys->len, ==, 4);
}

static void
test_atomic (Fixture *f, gconstpointer unused)
{
  TrustChange *change = trust_change_new ();
  ContactRow good = contact_row (ROMEO);
  ContactRow bad = contact_row (G_MAXUINT32);
  KeyRow key = key_row (1, ROMEO, TRUST_PINNED);
  KeyRow impossible = key_row (2, 0, TRUST_PINNED);
  Outcome first = { 0 }, second = { 0 };

  /* One step that cannot be: nothing of the change is done, nothing of its neighbour is lost. */
  trust_change_put_contact (change, &good);
  trust_change_put_key (change, &key);
  trust_change_put_contact (change, &bad);
  trust_store_apply (f->trust, change, outcome_set, &first);
  change = trust_change_new ();
  trust_change_put_setting (change, "a", "b");
  trust_store_apply (f->trust, change, outcome_set, &second);
  g_assert_cmpint (outcome_wait (&first), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (outcome_wait (&second), ==, -1);
  g_assert_cmpint (sql (f, "SELECT (SELECT count(*) FROM contact) + (SELECT count(*) FROM key)"), ==, 0);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM setting"), ==, 1);
  change = trust_change_new ();
  trust_change_put_contact (change, &good);
  trust_change_put_key (change, &impossible);
  g_assert_cmpint (apply (f, change), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM contact"), ==, 0);
}

static void
test_full_disk (Fixture *f, gconstpointer unused)
{
  g_autofree char *wal = g_strconcat (f->store.path, "-wal", NULL);
  TrustChange *change = trust_change_new ();
  Fingerprint one = key_of (1);
  Outcome outcome = { 0 };
  struct stat st;

  put_person (f, ROMEO, 1);
  g_assert_cmpint (stat (wal, &st), ==, 0);
  trust_change_delete_contact (change, ROMEO);
  disk_fill ((rlim_t) st.st_size);
  trust_store_apply (f->trust, change, outcome_set, &outcome);
  store_wait (&outcome.done);
  disk_free ();
  g_assert_cmpint (outcome.code, ==, EARSHOT_ERROR_STORE_FULL);
  /* Disk first, memory second. */
  g_assert_false (trust_store_was_forgotten (f->trust, &one));
  restart (f);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM key"), ==, 2);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM tombstone"), ==, 0);
}

#define KEY_COLUMNS "fp, contact, level, source, since, last_used, first_seen, refused, grant_owed, replaced_by"
#define REQUEST_COLUMNS "id, kind, contact, fp, created, snoozed_until, name, contested, link"

static void
test_rotten_rows (Fixture *f, gconstpointer unused)
{
  g_auto (Loaded) l = { 0 };

  put_person (f, ROMEO, 1);
  sql (f, "INSERT INTO contact (id, petname, blocked, created, last_seen, stored, legacy, tls_seen) VALUES (-1, 'x', 0, 0, 0, 1, '', 0), (4294967299, 'x', 0, 0, 0, 1, '', 0),"
          " (0, 'x', 0, 0, 0, 1, 'allowed', 0)");
  sql (f, "INSERT INTO contact (id, petname, blocked, created, last_seen, stored, legacy, tls_seen) VALUES (33, CAST (x'61ff' AS TEXT), 0, -7, -7, 1, 'allowed ', 7)");
  sql (f, "INSERT INTO addr SELECT 33, value, 'a' || value FROM (WITH RECURSIVE c (value) AS"
          " (SELECT -3 UNION ALL SELECT value + 1 FROM c WHERE value < 20) SELECT value FROM c)");
  /* Short, long, of nobody, and of a level that nobody gave. */
  sql (f, "INSERT INTO key (" KEY_COLUMNS ") VALUES (x'00', 11, 'verified', '', 0, 0, 0, 0, 0, NULL)");
  sql (f, "INSERT INTO key (" KEY_COLUMNS ") VALUES (zeroblob (33), 11, 'verified', '', 0, 0, 0, 0, 0, NULL)");
  sql (f, "INSERT INTO key (" KEY_COLUMNS ") VALUES (randomblob (32), 999, 'verified', '', 0, 0, 0, 0, 0, NULL)");
  sql (f, "INSERT INTO key (" KEY_COLUMNS ") VALUES (randomblob (32), 4294967307, 'verified', '', 0, 0, 0, 0, 0, NULL)");
  sql (f, "INSERT INTO key (" KEY_COLUMNS ") VALUES (randomblob (32), 33, 'VERIFIED ', '', -1, -1, -1, 0, 0, x'01')");
  sql (f, "INSERT INTO request (" REQUEST_COLUMNS ") VALUES (-1, 'new-key', 11, randomblob (32), 0, 0, '', 0, ''),"
          " (5, 'free-beer', 11, randomblob (32), 0, 0, '', 0, ''), (6, 'new-key', 999, randomblob (32), 0, 0, '', 0, ''),"
          " (7, 'new-key', 11, x'01', 0, 0, '', 0, ''), (8, 'new-key', 11, randomblob (32), 0, 0, '', -9, ''),"
          " (9, 'legacy-peer', 11, randomblob (32), 0, 0, '', 0, ''), (10, 'new-key', 11, x'', 0, 0, '', 0, '')");
  /* Introduced by nobody, or warned of by nobody that can be; introductions without a key that makes them. */
  sql (f, "UPDATE key SET introduced_by = -3, warned_by = 4294967299 WHERE contact = 33");
  sql (f, "INSERT INTO request (" REQUEST_COLUMNS ", introducer) VALUES (11, 'introduction', 11, randomblob (32), 0, 0, '', 0, '', NULL),"
          " (12, 'introduction', 11, randomblob (32), 0, 0, '', 0, '', x'01'),"
          " (13, 'introduction', 11, x'01', 0, 0, '', 0, '', randomblob (32))");
  sql (f, "INSERT INTO declined (introducer, fp) VALUES (x'01', randomblob (32)), (randomblob (32), x'')");
  sql (f, "INSERT INTO tombstone (fp, time) VALUES (x'0102', 1)");
  restart (f);
  l = load (f);
  g_assert_cmpuint (l.contacts->len, ==, 2);
  g_assert_cmpstr (g_array_index (l.contacts, ContactRow, 1).petname, ==, "a\xef\xbf\xbd");
  g_assert_cmpint (g_array_index (l.contacts, ContactRow, 1).created, ==, 0);
  g_assert_cmpint (g_array_index (l.contacts, ContactRow, 1).legacy, ==, LEGACY_CHOICE_REFUSED);
  g_assert_true (g_array_index (l.contacts, ContactRow, 1).tls_seen);
  g_assert_cmpuint (g_strv_length (g_array_index (l.contacts, ContactRow, 1).addrs), ==, 8);
  g_assert_cmpuint (l.keys->len, ==, 3);
  g_assert_cmpuint (g_array_index (l.keys, KeyRow, 2).contact, ==, 33);
  g_assert_cmpint (g_array_index (l.keys, KeyRow, 2).level, ==, TRUST_UNKNOWN);
  g_assert_false (g_array_index (l.keys, KeyRow, 2).has_replacement);
  g_assert_cmpuint (g_array_index (l.keys, KeyRow, 2).introduced_by, ==, 0);
  g_assert_cmpuint (g_array_index (l.keys, KeyRow, 2).warned_by, ==, 0);
  g_assert_cmpuint (l.requests->len, ==, 1);
}

static void
test_introductions (Fixture *f, gconstpointer unused)
{
  Fingerprint by = { { 1 } }, about = { { 2 } }, other = { { 3 } };
  TrustChange *change = trust_change_new ();
  ContactRow contact = contact_row (ROMEO);
  KeyRow key = { .fp = other, .contact = ROMEO, .level = TRUST_VOUCHED, .source = (char *) "introduction", .introduced_by = JULIET,
                 .introducer = by, .warned_by = 7 };
  RequestRow request = { .id = 9, .kind = (char *) "introduction", .contact = ROMEO, .fp = about, .introducer = by,
                         .name = (char *) "Carol", .note = (char *) "the cook" };
  g_auto (Loaded) l = { 0 };

  trust_change_put_contact (change, &contact);
  trust_change_put_key (change, &key);
  trust_change_put_request (change, &request);
  trust_change_decline (change, &by, &other);
  trust_change_decline (change, &by, &other);
  g_assert_false (trust_store_was_declined (f->trust, &by, &other));
  g_assert_cmpint (apply (f, change), ==, -1);
  for (guint i = 0; i < 2; i++)
    {
      g_assert_true (trust_store_was_declined (f->trust, &by, &other));
      g_assert_false (trust_store_was_declined (f->trust, &other, &by));
      g_assert_false (trust_store_was_declined (f->trust, &by, &about));
      restart (f);
    }
  l = load (f);
  g_assert_cmpuint (l.requests->len, ==, 1);
  g_assert_cmpstr (g_array_index (l.requests, RequestRow, 0).note, ==, "the cook");
  g_assert_true (fingerprint_equal (&g_array_index (l.requests, RequestRow, 0).introducer, &by));
  g_assert_true (fingerprint_equal (&g_array_index (l.requests, RequestRow, 0).fp, &about));
  g_assert_cmpuint (g_array_index (l.keys, KeyRow, 0).introduced_by, ==, JULIET);
  g_assert_true (fingerprint_equal (&g_array_index (l.keys, KeyRow, 0).introducer, &by));
  g_assert_cmpuint (g_array_index (l.keys, KeyRow, 0).warned_by, ==, 7);
  /* The key it is about comes and goes as a stranger's: that is no answer. Its introducer is forgotten: there is nobody to ask about. */
  change = trust_change_new ();
  key.fp = about;
  trust_change_put_key (change, &key);
  trust_change_delete_key (change, &about);
  g_assert_cmpint (apply (f, change), ==, -1);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM request"), ==, 1);
  change = trust_change_new ();
  trust_change_delete_contact (change, ROMEO);
  g_assert_cmpint (apply (f, change), ==, -1);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM request"), ==, 0);
}

static void
test_legacy (Fixture *f, gconstpointer unused)
{
  TrustChange *change = trust_change_new ();
  ContactRow contact = contact_row (ROMEO), other = contact_row (JULIET);
  RequestRow request = { .id = 9, .kind = (char *) "legacy-peer", .contact = ROMEO, .keyless = TRUE, .created = 4,
                         .name = (char *) "bob@mac", .link = (char *) "eth0" };
  g_auto (Loaded) l = { 0 };

  contact.legacy = LEGACY_CHOICE_ALLOWED;
  other.legacy = LEGACY_CHOICE_REFUSED;
  other.tls_seen = TRUE;
  trust_change_put_contact (change, &contact);
  trust_change_put_contact (change, &other);
  trust_change_put_request (change, &request);
  g_assert_cmpint (apply (f, change), ==, -1);
  restart (f);
  l = load (f);
  g_assert_cmpint (g_array_index (l.contacts, ContactRow, 0).legacy, ==, LEGACY_CHOICE_ALLOWED);
  g_assert_false (g_array_index (l.contacts, ContactRow, 0).tls_seen);
  g_assert_cmpint (g_array_index (l.contacts, ContactRow, 1).legacy, ==, LEGACY_CHOICE_REFUSED);
  g_assert_true (g_array_index (l.contacts, ContactRow, 1).tls_seen);
  g_assert_cmpuint (l.requests->len, ==, 1);
  g_assert_true (g_array_index (l.requests, RequestRow, 0).keyless);
  g_assert_cmpstr (g_array_index (l.requests, RequestRow, 0).name, ==, "bob@mac");
}

/* The file as the first release wrote it. */
static const char first_release[] =
  "CREATE TABLE contact (id INTEGER PRIMARY KEY, petname TEXT NOT NULL, blocked INTEGER NOT NULL, created INTEGER NOT NULL,"
  " last_seen INTEGER NOT NULL, stored INTEGER NOT NULL) STRICT;"
  "CREATE TABLE addr (contact INTEGER NOT NULL, position INTEGER NOT NULL, addr TEXT NOT NULL,"
  " PRIMARY KEY (contact, position)) STRICT, WITHOUT ROWID;"
  "CREATE TABLE key (fp BLOB PRIMARY KEY NOT NULL, contact INTEGER NOT NULL, level TEXT NOT NULL, source TEXT NOT NULL,"
  " since INTEGER NOT NULL, last_used INTEGER NOT NULL, first_seen INTEGER NOT NULL, refused INTEGER NOT NULL,"
  " grant_owed INTEGER NOT NULL, replaced_by BLOB) STRICT, WITHOUT ROWID;"
  "CREATE INDEX key_contact ON key (contact);"
  "CREATE TABLE tombstone (n INTEGER PRIMARY KEY AUTOINCREMENT, fp BLOB NOT NULL UNIQUE, time INTEGER NOT NULL) STRICT;"
  "CREATE TABLE request (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, contact INTEGER NOT NULL, fp BLOB NOT NULL,"
  " created INTEGER NOT NULL, snoozed_until INTEGER NOT NULL, name TEXT NOT NULL, contested INTEGER NOT NULL,"
  " link TEXT NOT NULL) STRICT;"
  "CREATE INDEX request_contact ON request (contact);"
  "CREATE INDEX request_fp ON request (fp);"
  "CREATE TABLE setting (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
  "CREATE TABLE audit (n INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, event TEXT NOT NULL, fp TEXT NOT NULL,"
  " verdict TEXT NOT NULL, caller TEXT NOT NULL) STRICT;"
  "PRAGMA application_id=1165120561; PRAGMA user_version=1;"
  "INSERT INTO contact VALUES (11, 'romeo', 0, 1, 2, 1), (22, '', 0, 1, 2, 0), (33, 'kept', 1, 1, 2, 1);"
  "INSERT INTO addr VALUES (11, 0, 'romeo@forza'), (33, 0, 'bob@mac');"
  "INSERT INTO key VALUES (zeroblob (32), 11, 'pinned', 'user', 1, 1, 1, 0, 0, NULL),"
  " (x'0101010101010101010101010101010101010101010101010101010101010101', 22, 'unknown', '', 1, 1, 1, 0, 0, NULL);"
  "INSERT INTO request VALUES (5, 'new-key', 22, x'0101010101010101010101010101010101010101010101010101010101010101',"
  " 1, 0, 'jules@x', 0, 'eth0');"
  "INSERT INTO setting VALUES ('trust-mode', 'strict');"
  "INSERT INTO audit (time, event, fp, verdict, caller) VALUES (1, 'resolve', '', 'accept', 'x');";

/* Whoever has a key spoke TLS; where a key ever moved away from somebody, anybody may have. */
static void
test_first_release (Fixture *f, gconstpointer replaced)
{
  g_autofree char *path = g_strconcat (f->store.path, "-old", NULL);
  sqlite3 *handle = NULL;
  g_auto (Loaded) l = { 0 };

  g_assert_cmpint (sqlite3_open (path, &handle), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (handle, first_release, NULL, NULL, NULL), ==, SQLITE_OK);
  if (replaced != NULL)
    g_assert_cmpint (sqlite3_exec (handle, "INSERT INTO audit (time, event, fp, verdict, caller) VALUES (2, 'resolve', '', 'replace', 'x')",
                                   NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close (handle);
  trust_store_close (f->trust);
  g_free (f->store.path);
  f->store.path = g_steal_pointer (&path);
  for (guint i = 0; i < 2; i++)
    {
      open_trust (f);
      l = load (f);
      g_assert_cmpuint (l.contacts->len, ==, 3);
      g_assert_cmpuint (l.keys->len, ==, 2);
      g_assert_cmpuint (l.requests->len, ==, 1);
      g_assert_cmpstr (g_hash_table_lookup (l.settings, "trust-mode"), ==, "strict");
      g_assert_true (g_array_index (l.contacts, ContactRow, 0).tls_seen);
      g_assert_true (g_array_index (l.contacts, ContactRow, 1).tls_seen);
      g_assert_cmpstr (g_array_index (l.contacts, ContactRow, 1).addrs[0], ==, "jules@x");
      g_assert_cmpint (g_array_index (l.contacts, ContactRow, 2).tls_seen, ==, replaced != NULL);
      g_assert_true (g_array_index (l.contacts, ContactRow, 2).blocked);
      g_assert_cmpint (g_array_index (l.contacts, ContactRow, 2).legacy, ==, LEGACY_CHOICE_NONE);
      g_assert_cmpint (sql (f, "PRAGMA user_version"), ==, trust_schema.n_steps);
      loaded_clear (&l);
      if (i == 0)
        trust_store_close (f->trust);
    }
}

static void
test_audit_bound (Fixture *f, gconstpointer unused)
{
  TrustChange *change = trust_change_new ();

  sql (f, "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 100000)"
          " INSERT INTO audit (n, time, event, fp, verdict, caller) SELECT x, 1, 'e', '', 'v', 'c' FROM c;"
          "UPDATE audit_chain SET head = 100000");
  trust_change_audit (change, &(AuditEntry){ .time = 5, .event = "accept", .verdict = "pinned" });
  trust_change_audit (change, &(AuditEntry){ .time = 6, .event = "accept", .verdict = "pinned" });
  g_assert_cmpint (apply (f, change), ==, -1);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM audit"), ==, 100000);
  g_assert_cmpint (sql (f, "SELECT min(n) FROM audit"), ==, 3);
  g_assert_cmpint (sql (f, "SELECT time FROM audit ORDER BY n DESC LIMIT 1"), ==, 6);
}

/* Losing history never loses a pin: the file is another one. And a lost trust.db is said, not hidden. */
static void
test_damaged (Fixture *f, gconstpointer unused)
{
  g_autofree char *aside = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (Loaded) l = { 0 };

  put_person (f, ROMEO, 1);
  trust_store_close (f->trust);
  g_assert_true (g_file_set_contents (f->store.path, "rotten", 6, NULL));
  f->trust = trust_store_open (f->store.worker, f->store.path, &aside, &error);
  g_assert_no_error (error);
  g_assert_nonnull (aside);
  l = load (f);
  g_assert_cmpuint (l.contacts->len + l.keys->len, ==, 0);
}

static void
test_close_with_pending (Fixture *f, gconstpointer unused)
{
  TrustChange *change = trust_change_new ();
  ContactRow contact = contact_row (ROMEO);
  Outcome outcome = { 0 };
  g_auto (Loaded) l = { 0 };

  trust_change_put_contact (change, &contact);
  trust_store_apply (f->trust, change, outcome_set, &outcome);
  trust_store_close (f->trust);
  g_assert_true (outcome.done);
  g_assert_cmpint (outcome.code, ==, -1);
  open_trust (f);
  l = load (f);
  g_assert_cmpuint (l.contacts->len, ==, 1);
}

#define ADD(name, func) g_test_add ("/trust-store/" name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  ADD ("round-trip", test_round_trip);
  ADD ("rows-are-copied-and-replaced", test_copied_and_replaced);
  ADD ("forgotten-stays-forgotten", test_forget);
  ADD ("blocked-once", test_blocked_once);
  ADD ("dropped-is-not-forgotten", test_drop);
  ADD ("moved-key-is-not-forgotten", test_move_key);
  ADD ("introductions", test_introductions);
  ADD ("atomic", test_atomic);
  ADD ("full-disk-changes-nothing", test_full_disk);
  ADD ("rotten-rows-trust-nobody", test_rotten_rows);
  ADD ("legacy-choices-and-questions", test_legacy);
  ADD ("T-21-file-of-the-first-release", test_first_release);
  g_test_add ("/trust-store/T-21-file-of-the-first-release-after-a-replacement", Fixture, "replaced", set_up, test_first_release,
              tear_down);
  ADD ("X-02-audit-is-bounded", test_audit_bound);
  ADD ("damaged-is-set-aside", test_damaged);
  ADD ("close-with-pending-changes", test_close_with_pending);
  return g_test_run ();
}
