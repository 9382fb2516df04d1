/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Judging keys, asking, and what the answers do; over a real store, whose disk may be full.
 */
#include "earshot-config.h"

#include "daemon/io/trust-store-private.h"
#include "tests/unit/people-helper.h"

typedef struct
{
  gboolean done;
  TrustVerdict verdict;
  Contact *contact;
  Key *key;
} Judged;

static void
on_judged (gpointer user, TrustVerdict verdict, Contact *contact, Key *key)
{
  Judged *judged = user;

  g_assert_false (judged->done);
  *judged = (Judged){ TRUE, verdict, contact, key };
}

static RootsVerdict shown_chain; /* with the next handshakes */

static void
start_judging (People *people, const Fingerprint *fp, const char *addr, gboolean inbound, Judged *judged)
{
  TrustProof proof = { .fp = *fp, .addr = addr, .link = "eth1", .inbound = inbound, .chain = shown_chain };

  trust_judge (people->trust, &proof, on_judged, judged);
  g_assert_false (judged->done);
}

static Judged
judge (People *people, const Fingerprint *fp, const char *addr)
{
  Judged judged = { 0 };

  start_judging (people, fp, addr, TRUE, &judged);
  store_wait (&judged.done);
  return judged;
}

static Request *
only_request (People *people)
{
  g_autoptr (GPtrArray) all = trust_list_requests (people->trust);

  g_assert_cmpuint (all->len, ==, 1);
  return g_ptr_array_index (all, 0);
}

static guint
count_requests (People *people)
{
  g_autoptr (GPtrArray) all = trust_list_requests (people->trust);

  return all->len;
}

static int
resolve_full (People *people, guint64 id, const char *choice, const Fingerprint *fp, const char *petname, gboolean release)
{
  Outcome outcome = { 0 };

  trust_resolve (people->trust, id, choice, fp, petname, release, "tester pid 1", outcome_set, &outcome);
  g_assert_false (outcome.done);
  return outcome_wait (&outcome);
}

static int
resolve (People *people, const char *choice, const Fingerprint *fp)
{
  return resolve_full (people, request_get_id (only_request (people)), choice, fp, NULL, FALSE);
}

static gint64
audited (People *people, const char *event, const char *verdict)
{
  g_autofree char *sql = g_strdup_printf ("SELECT count(*) FROM audit WHERE event = '%s' AND verdict = '%s'", event, verdict);

  return raw_sql (people->trust_store->db, sql);
}

/* --- ask ------------------------------------------------------------------------- */

static void
test_ask (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Judged judged = judge (people, &fp, "romeo@forza");
  Request *request = only_request (people);

  g_assert_cmpint (judged.verdict.action, ==, TRUST_ACTION_RESTRICT);
  g_assert_cmpstr (request_get_kind (request), ==, "new-key");
  g_assert_true (fingerprint_equal (request_get_fingerprint (request), &fp));
  g_assert_true (request_get_contact (request) == judged.contact);
  g_assert_null (request_get_contested (request));
  g_assert_cmpstr (request_get_name (request), ==, "romeo@forza");
  g_assert_cmpstr (request_get_link (request), ==, "eth1");
  g_assert_true (g_strv_contains (request_get_choices (request), "accept"));
  g_assert_false (g_strv_contains (request_get_choices (request), "replace"));
  /* One question, however often it knocks, and from which side. */
  for (int i = 0; i < 20; i++)
    {
      Judged again = { 0 };

      start_judging (people, &fp, "romeo@forza", i % 2, &again);
      store_wait (&again.done);
      g_assert_cmpint (again.verdict.action, ==, TRUST_ACTION_RESTRICT);
    }
  g_assert_cmpuint (people->requests_added, ==, 1);
  g_assert_cmpint (key_get_level (judged.key), ==, TRUST_UNKNOWN);
  g_assert_cmpuint (people->levels, ==, 0);
  people_settle (people);
  g_assert_cmpint (raw_sql (people->trust_store->db, "SELECT count(*) FROM key WHERE level <> 'unknown'"), ==, 0);
}

static void
test_persist (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1), other = make_fp (2);
  Contact *juliet = add_person_named (people, "juliet", &fp, "juliet@pronto");
  guint32 contested = contact_get_id (juliet);
  Request *request;
  Outcome outcome = { 0 };
  guint64 id;
  gint64 created;

  judge (people, &other, "juliet@pronto");
  request = only_request (people);
  id = request_get_id (request);
  created = request_get_created (request);
  trust_snooze (people->trust, id, 12345, outcome_set, &outcome);
  g_assert_cmpint (request_get_snoozed (request), ==, 0); /* disk first */
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (request_get_snoozed (request), ==, 12345);
  people_reopen (people);
  request = only_request (people);
  g_assert_cmpuint (request_get_id (request), ==, id);
  g_assert_cmpint (request_get_created (request), ==, created);
  g_assert_cmpint (request_get_snoozed (request), ==, 12345);
  g_assert_cmpstr (request_get_kind (request), ==, "name-conflict");
  g_assert_cmpuint (contact_get_id (request_get_contested (request)), ==, contested);
  /* Knocking again asks nothing new after a restart either. */
  judge (people, &other, "juliet@pronto");
  g_assert_cmpuint (count_requests (people), ==, 1);
  g_assert_cmpint (resolve (people, "separate", &other), ==, -1);
  people_reopen (people);
  g_assert_cmpuint (count_requests (people), ==, 0);
  trust_snooze (people->trust, id, 1, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_ALREADY_RESOLVED);
}

/* --- answers to new-key -------------------------------------------------------------- */

/* Somebody announces another's name with the hint of a key that waits for an answer. Accepting that key must not make the
 * name its own: who really has it would be the impostor. */
static void
test_accept_keeps_proven_name (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1), true_owner = make_fp (2);
  Contact *contact;

  judge (people, &fp, "paris@forza");
  announce (people->contacts, "bob@villa", &fp);
  g_assert_cmpint (resolve (people, "accept", &fp), ==, -1);
  people_settle (people);
  contact = key_get_contact (contacts_get_key (people->contacts, &fp));
  g_assert_true (contacts_find_by_addr (people->contacts, "paris@forza") == contact);
  g_assert_null (contacts_find_by_addr (people->contacts, "bob@villa"));
  judge (people, &true_owner, "bob@villa");
  g_assert_cmpstr (request_get_kind (only_request (people)), ==, "new-key");
}

static void
test_accept (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  guint32 id;

  id = contact_get_id (judge (people, &fp, "romeo@forza").contact);
  g_assert_cmpint (resolve_full (people, request_get_id (only_request (people)), "accept", &fp, "romeo", FALSE), ==, -1);
  for (int i = 0; i < 2; i++)
    {
      Contact *contact = contacts_get (people->contacts, id);
      Key *key = contacts_get_key (people->contacts, &fp);

      g_assert_cmpint (key_get_level (key), ==, TRUST_PINNED);
      g_assert_cmpstr (key_get_source (key), ==, "user");
      g_assert_true (key_is_grant_owed (key));
      g_assert_true (contact_is_stored (contact));
      g_assert_cmpstr (contact_get_petname (contact), ==, "romeo");
      g_assert_true (contacts_find_by_addr (people->contacts, "romeo@forza") == contact);
      g_assert_cmpuint (count_requests (people), ==, 0);
      people_reopen (people);
    }
  g_assert_cmpuint (people->levels, ==, 1);
  g_assert_cmpuint (people->requests_removed, ==, 1);
  g_assert_cmpint (audited (people, "resolve", "accept"), ==, 1);
  g_assert_cmpint (raw_sql (people->trust_store->db, "SELECT count(*) FROM audit WHERE caller = 'tester pid 1'"), ==, 1);
  g_assert_cmpint (judge (people, &fp, "romeo@forza").verdict.action, ==, TRUST_ACTION_ADMIT);
}

static void
test_reject (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Outcome outcome = { 0 };

  judge (people, &fp, "romeo@forza");
  g_assert_cmpint (resolve (people, "reject", NULL), ==, -1); /* lowering names no key */
  g_assert_true (key_is_refused (contacts_get_key (people->contacts, &fp)));
  people_reopen (people);
  g_assert_cmpint (judge (people, &fp, "romeo@forza").verdict.action, ==, TRUST_ACTION_REFUSE);
  g_assert_cmpint (judge (people, &fp, "other@name").verdict.action, ==, TRUST_ACTION_REFUSE);
  g_assert_cmpuint (count_requests (people), ==, 0);
  /* Until it is accepted by hand. */
  trust_accept (people->trust, &fp, &(TrustEvidence){ .source = "user" }, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (judge (people, &fp, "romeo@forza").verdict.action, ==, TRUST_ACTION_ADMIT);
}

static void
test_block (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Judged judged;
  Contact *contact;
  Outcome outcome = { 0 };

  judge (people, &fp, "romeo@forza");
  g_assert_cmpint (resolve (people, "block", NULL), ==, -1);
  people_reopen (people);
  judged = judge (people, &fp, "romeo@forza");
  g_assert_cmpint (judged.verdict.action, ==, TRUST_ACTION_REFUSE);
  g_assert_cmpstr (judged.verdict.reason, ==, "blocked");
  g_assert_cmpuint (count_requests (people), ==, 0);
  /* A block is not lifted by anything but lifting it. */
  trust_accept (people->trust, &fp, &(TrustEvidence){ .source = "user" }, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_BLOCKED);
  {
    Added added = { 0 };

    trust_add_contact (people->trust, "romeo", &fp, &(TrustEvidence){ .source = "fingerprint" }, "test", people_on_contact_added, &added);
    store_wait (&added.done);
    g_assert_cmpint (added.code, ==, EARSHOT_ERROR_BLOCKED);
  }
  contact = key_get_contact (contacts_get_key (people->contacts, &fp));
  trust_set_blocked (people->trust, contact, FALSE, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (judge (people, &fp, "romeo@forza").verdict.action, ==, TRUST_ACTION_RESTRICT);
}

/* Accepting and blocking in the same moment: the block stays. */
static void
test_accept_and_block (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Contact *contact = judge (people, &fp, "romeo@forza").contact;
  Outcome block = { 0 }, accept = { 0 };

  trust_set_blocked (people->trust, contact, TRUE, "test", outcome_set, &block);
  trust_accept (people->trust, &fp, &(TrustEvidence){ .source = "user" }, "test", outcome_set, &accept);
  g_assert_cmpint (outcome_wait (&accept), ==, EARSHOT_ERROR_ALREADY_RESOLVED);
  g_assert_cmpint (outcome_wait (&block), ==, -1);
  people_reopen (people);
  g_assert_true (contact_is_blocked (key_get_contact (contacts_get_key (people->contacts, &fp))));
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &fp)), ==, TRUST_UNKNOWN);
  g_assert_cmpuint (count_requests (people), ==, 0);
}

/* --- only the first, only the right key -------------------------------------------------- */

static void
test_first_wins (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Outcome first = { 0 }, second = { 0 }, third = { 0 };
  guint64 id;

  judge (people, &fp, "romeo@forza");
  id = request_get_id (only_request (people));
  trust_resolve (people->trust, id, "reject", &fp, NULL, FALSE, "one", outcome_set, &first);
  trust_resolve (people->trust, id, "accept", &fp, NULL, FALSE, "two", outcome_set, &second);
  trust_accept (people->trust, &fp, &(TrustEvidence){ .source = "user" }, "three", outcome_set, &third);
  g_assert_cmpint (outcome_wait (&first), ==, -1);
  g_assert_cmpint (outcome_wait (&second), ==, EARSHOT_ERROR_ALREADY_RESOLVED);
  g_assert_cmpint (outcome_wait (&third), ==, EARSHOT_ERROR_ALREADY_RESOLVED);
  g_assert_true (key_is_refused (contacts_get_key (people->contacts, &fp)));
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &fp)), ==, TRUST_UNKNOWN);
  g_assert_cmpint (resolve_full (people, id, "accept", &fp, NULL, FALSE), ==, EARSHOT_ERROR_ALREADY_RESOLVED);
}

static void
test_full_fingerprint (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1), other = make_fp (1);

  other.bytes[31] ^= 1;
  judge (people, &fp, "romeo@forza");
  g_assert_cmpint (resolve (people, "accept", NULL), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (resolve (people, "accept", &other), ==, EARSHOT_ERROR_MISMATCH);
  g_assert_cmpint (resolve (people, "reject", &other), ==, EARSHOT_ERROR_MISMATCH);
  g_assert_cmpint (resolve (people, "replace", &fp), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (resolve (people, "", &fp), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (resolve (people, "Accept", &fp), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (resolve_full (people, request_get_id (only_request (people)), "accept", &fp, "a\nb", FALSE), ==,
                   EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &fp)), ==, TRUST_UNKNOWN);
  g_assert_cmpuint (people->levels, ==, 0);
  people_settle (people);
  g_assert_cmpint (raw_sql (people->trust_store->db, "SELECT count(*) FROM audit WHERE event <> 'denied'"), ==, 0);
  g_assert_cmpint (raw_sql (people->trust_store->db, "SELECT count(*) FROM audit WHERE event = 'denied' AND verdict = 'Mismatch'"
                                                     " AND caller = 'tester pid 1'"), ==, 2);
  g_assert_cmpint (resolve (people, "accept", &fp), ==, -1);
}

/* --- answers to name-conflict ---------------------------------------------------------------- */

static Contact *
make_conflict (People *people, const Fingerprint *old, const Fingerprint *new)
{
  Contact *juliet = add_person_named (people, "juliet", old, "juliet@pronto");
  Judged judged = judge (people, new, "juliet@pronto");
  Request *request = only_request (people);

  g_assert_cmpint (judged.verdict.action, ==, TRUST_ACTION_RESTRICT);
  g_assert_cmpstr (request_get_kind (request), ==, "name-conflict");
  g_assert_true (request_get_contested (request) == juliet);
  g_assert_true (judged.contact != juliet);
  g_assert_cmpint (key_get_level (judged.key), ==, TRUST_UNKNOWN);
  people->levels = 0;
  return juliet;
}

static void
test_replace (People *people, gconstpointer release)
{
  Fingerprint old = make_fp (1), new = make_fp (2);
  Contact *juliet = make_conflict (people, &old, &new);
  guint32 id = contact_get_id (juliet), from = contact_get_id (request_get_contact (only_request (people)));

  g_assert_cmpint (resolve_full (people, request_get_id (only_request (people)), "replace", &new, NULL, release != NULL), ==, -1);
  g_assert_cmpuint (people->levels, ==, 1);
  g_assert_cmpint (people->last_release, ==, release != NULL);
  for (int i = 0; i < 2; i++)
    {
      Key *old_key = contacts_get_key (people->contacts, &old), *new_key = contacts_get_key (people->contacts, &new);

      juliet = contacts_get (people->contacts, id);
      g_assert_true (key_get_contact (new_key) == juliet && key_get_contact (old_key) == juliet);
      g_assert_cmpint (key_get_level (new_key), ==, TRUST_PINNED);
      g_assert_cmpint (key_get_level (old_key), ==, TRUST_REVOKED);
      g_assert_true (fingerprint_equal (key_get_replacement (old_key), &new));
      g_assert_true (contact_get_active_key (juliet) == new_key);
      g_assert_cmpstr (contact_get_petname (juliet), ==, "juliet");
      g_assert_null (contacts_get (people->contacts, from));
      people_reopen (people);
    }
  g_assert_cmpint (judge (people, &old, "juliet@pronto").verdict.action, ==, TRUST_ACTION_REFUSE);
  g_assert_cmpint (judge (people, &new, "juliet@pronto").verdict.action, ==, TRUST_ACTION_ADMIT);
  g_assert_false (trust_store_was_forgotten (people->trust_store, &new));
}

static void
test_separate (People *people, gconstpointer unused)
{
  Fingerprint old = make_fp (1), new = make_fp (2);
  Contact *juliet = make_conflict (people, &old, &new);

  g_assert_cmpint (resolve (people, "separate", &new), ==, -1);
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &new)), ==, TRUST_PINNED);
  g_assert_true (key_get_contact (contacts_get_key (people->contacts, &new)) != juliet);
  g_assert_cmpint (contact_get_trust (juliet), ==, TRUST_PINNED);
  /* The name stays the first one's. */
  g_assert_true (contacts_find_by_addr (people->contacts, "juliet@pronto") == juliet);
}

static void
test_conflict_no (People *people, gconstpointer choice)
{
  Fingerprint old = make_fp (1), new = make_fp (2);
  Contact *juliet = make_conflict (people, &old, &new);

  g_assert_cmpint (resolve (people, choice, NULL), ==, -1);
  g_assert_cmpint (contact_get_trust (juliet), ==, TRUST_PINNED);
  g_assert_false (contact_is_blocked (juliet));
  g_assert_cmpint (judge (people, &new, "juliet@pronto").verdict.action, ==, TRUST_ACTION_REFUSE);
  g_assert_cmpint (judge (people, &old, "juliet@pronto").verdict.action, ==, TRUST_ACTION_ADMIT);
  g_assert_cmpuint (count_requests (people), ==, 0);
}

/* Asked as a stranger first, then it comes under a friend's name: the question gets louder. */
static void
test_louder (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1), other = make_fp (2);
  Contact *juliet = add_person_named (people, "juliet", &fp, "juliet@pronto");
  guint64 id;

  judge (people, &other, "mallory@host");
  id = request_get_id (only_request (people));
  judge (people, &other, "juliet@pronto");
  g_assert_cmpuint (request_get_id (only_request (people)), ==, id);
  g_assert_cmpstr (request_get_kind (only_request (people)), ==, "name-conflict");
  g_assert_true (request_get_contested (only_request (people)) == juliet);
  g_assert_cmpstr (request_get_name (only_request (people)), ==, "juliet@pronto");
  people_reopen (people);
  g_assert_cmpstr (request_get_kind (only_request (people)), ==, "name-conflict");
  /* It does not get quieter. */
  judge (people, &other, "mallory@host");
  g_assert_cmpstr (request_get_kind (only_request (people)), ==, "name-conflict");
}

/* The contested contact was forgotten meanwhile: there is nothing left to replace. */
static void
test_contested_gone (People *people, gconstpointer unused)
{
  Fingerprint old = make_fp (1), new = make_fp (2);
  Contact *juliet = make_conflict (people, &old, &new);
  Outcome outcome = { 0 };

  trust_forget (people->trust, juliet, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_null (request_get_contested (only_request (people)));
  g_assert_cmpint (resolve (people, "replace", &new), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (resolve (people, "accept", &new), ==, -1);
}

/* --- tofu -------------------------------------------------------------------------------------- */

static void
test_tofu (People *people, gconstpointer unused)
{
  Fingerprint first = make_fp (1), second = make_fp (2), seen = make_fp (3), later = make_fp (4);
  Judged judged;

  judge (people, &seen, "nurse@pronto"); /* still in mode ask */
  trust_set_mode (people->trust, TRUST_MODE_TOFU);
  judged = judge (people, &first, "juliet@pronto");
  g_assert_cmpint (judged.verdict.action, ==, TRUST_ACTION_PIN);
  /* Written by the time it is told. */
  g_assert_cmpint (key_get_level (judged.key), ==, TRUST_PINNED);
  g_assert_cmpstr (key_get_source (judged.key), ==, "first-use");
  g_assert_cmpint (raw_sql (people->trust_store->db, "SELECT count(*) FROM key WHERE level = 'pinned'"), ==, 1);
  g_assert_cmpint (audited (people, "pin", "pinned"), ==, 1);
  /* T-11: known name, new key. */
  judged = judge (people, &second, "juliet@pronto");
  g_assert_cmpint (judged.verdict.action, ==, TRUST_ACTION_RESTRICT);
  g_assert_cmpint (key_get_level (judged.key), ==, TRUST_UNKNOWN);
  /* A name that another key used, though nobody decided about that one. */
  judged = judge (people, &later, "nurse@pronto");
  g_assert_cmpint (judged.verdict.action, ==, TRUST_ACTION_RESTRICT);
  g_assert_cmpint (key_get_level (judged.key), ==, TRUST_UNKNOWN);
  g_assert_cmpuint (count_requests (people), ==, 3);
  people_reopen (people);
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &first)), ==, TRUST_PINNED);
  g_assert_cmpint (judge (people, &(Fingerprint){ { 9 } }, "JULIET@pronto").verdict.action, ==, TRUST_ACTION_RESTRICT);
}

/* Somebody in between answers with a key of his own, while what is announced names the true one. */
static void
test_tofu_announced (People *people, gconstpointer unused)
{
  Fingerprint romeo = make_fp (1), middle = make_fp (2), nurse = make_fp (3);
  Judged judged;

  trust_set_mode (people->trust, TRUST_MODE_TOFU);
  announce (people->contacts, "romeo@forza", &romeo);
  announce (people->contacts, "nurse@pronto", NULL);
  judged = judge (people, &middle, "romeo@forza");
  g_assert_cmpint (judged.verdict.action, ==, TRUST_ACTION_RESTRICT);
  g_assert_cmpstr (judged.verdict.reason, ==, "announced-other");
  g_assert_cmpint (key_get_level (judged.key), ==, TRUST_UNKNOWN);
  g_assert_cmpstr (request_get_kind (only_request (people)), ==, "new-key");
  g_assert_true (fingerprint_equal (contacts_get_announced_key (people->contacts, "ROMEO@forza", &middle), &romeo));
  g_assert_null (contacts_get_announced_key (people->contacts, "romeo@forza", &romeo));
  /* What hints at nothing, or is not announced at all, is as it was. */
  g_assert_cmpint (judge (people, &nurse, "nurse@pronto").verdict.action, ==, TRUST_ACTION_PIN);
  g_assert_cmpint (judge (people, &(Fingerprint){ { 9 } }, "paris@verona").verdict.action, ==, TRUST_ACTION_PIN);
  /* An announcement makes nothing right either. */
  g_assert_cmpint (judge (people, &romeo, "romeo@forza").verdict.action, ==, TRUST_ACTION_RESTRICT);
  announce (people->contacts, "romeo@forza", &middle);
  g_assert_cmpint (judge (people, &middle, "romeo@forza").verdict.action, ==, TRUST_ACTION_RESTRICT);
}

/* Two keys under one new name in the same moment: one is the first, the other is not. */
static void
test_tofu_race (People *people, gconstpointer unused)
{
  Fingerprint one = make_fp (1), two = make_fp (2);
  Judged first = { 0 }, second = { 0 }, again = { 0 };

  trust_set_mode (people->trust, TRUST_MODE_TOFU);
  start_judging (people, &one, "juliet@pronto", TRUE, &first);
  start_judging (people, &two, "juliet@pronto", TRUE, &second);
  start_judging (people, &one, "juliet@pronto", FALSE, &again);
  store_wait (&first.done);
  store_wait (&second.done);
  store_wait (&again.done);
  g_assert_cmpint (first.verdict.action, ==, TRUST_ACTION_PIN);
  g_assert_cmpint (second.verdict.action, ==, TRUST_ACTION_RESTRICT);
  g_assert_cmpint (again.verdict.action, ==, TRUST_ACTION_ADMIT);
  g_assert_cmpint (key_get_level (second.key), ==, TRUST_UNKNOWN);
  g_assert_cmpstr (request_get_kind (only_request (people)), ==, "name-conflict");
}

static void
test_tofu_forgotten (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Contact *contact = add_person (people, "juliet", &fp);
  Outcome outcome = { 0 };

  trust_set_mode (people->trust, TRUST_MODE_TOFU);
  trust_forget (people->trust, contact, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  people_reopen (people);
  g_assert_cmpint (judge (people, &fp, "juliet@pronto").verdict.action, ==, TRUST_ACTION_RESTRICT);
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &fp)), ==, TRUST_UNKNOWN);
  g_assert_cmpuint (count_requests (people), ==, 1);
}

static void
test_tofu_disk_full (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Judged judged;

  trust_set_mode (people->trust, TRUST_MODE_TOFU);
  disk_fill (1);
  judged = judge (people, &fp, "juliet@pronto");
  disk_free ();
  g_assert_cmpint (judged.verdict.action, ==, TRUST_ACTION_REFUSE);
  g_assert_cmpint (key_get_level (judged.key), ==, TRUST_UNKNOWN);
  g_assert_false (contact_is_stored (judged.contact));
  g_assert_cmpint (judge (people, &fp, "juliet@pronto").verdict.action, ==, TRUST_ACTION_PIN);
}

/* --- strict, ca ------------------------------------------------------------------------------------ */

static void
test_strict (People *people, gconstpointer unused)
{
  Fingerprint friend = make_fp (1), fp = make_fp (2), thief = make_fp (3);

  add_person_named (people, "juliet", &friend, "juliet@pronto");
  trust_set_mode (people->trust, TRUST_MODE_STRICT);
  for (int i = 0; i < 3; i++)
    g_assert_cmpint (judge (people, &fp, "romeo@forza").verdict.action, ==, TRUST_ACTION_REFUSE);
  g_assert_cmpuint (count_requests (people), ==, 0);
  g_assert_nonnull (strstr (people->warning, "3 attempts"));
  people_settle (people);
  g_assert_cmpint (audited (people, "refused", "strict"), ==, 3);
  g_assert_cmpint (judge (people, &friend, "juliet@pronto").verdict.action, ==, TRUST_ACTION_ADMIT);
  /* Refused, but told: somebody uses a friend's name. */
  g_assert_cmpint (judge (people, &thief, "juliet@pronto").verdict.action, ==, TRUST_ACTION_REFUSE);
  g_assert_cmpstr (request_get_kind (only_request (people)), ==, "name-conflict");
}

static void
test_ca (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (2);

  trust_set_mode (people->trust, TRUST_MODE_CA);
  g_assert_cmpint (judge (people, &fp, "romeo@forza").verdict.action, ==, TRUST_ACTION_REFUSE);
  g_assert_cmpuint (count_requests (people), ==, 0);
}

static const RootsVerdict good_chain = { .valid = TRUE }, expired_chain = { .expired = TRUE, .word = "chain-expired" },
                          revoked_chain = { .revoked = TRUE, .word = "chain-revoked" }, other_chain = { .word = "chain-unknown-root" };

static gboolean
still_admits (People *people, const Fingerprint *fp, RootsVerdict chain)
{
  TrustProof proof = { .fp = *fp, .addr = "romeo@forza", .link = "eth1", .chain = chain };

  return trust_still_admits (people->trust, &proof);
}

static void
test_chain (People *people, gconstpointer unused)
{
  Fingerprint romeo = make_fp (1), laptop = make_fp (2), pinned = make_fp (3);
  Judged judged;
  Request *request;
  Contact *old;

  trust_set_mode (people->trust, TRUST_MODE_CA);
  shown_chain = other_chain;
  judged = judge (people, &romeo, "romeo@forza");
  g_assert_cmpint (judged.verdict.action, ==, TRUST_ACTION_REFUSE);
  g_assert_cmpstr (key_get_chain_word (judged.key), ==, "chain-unknown-root");
  g_assert_false (contact_is_stored (judged.contact));
  shown_chain = good_chain;
  judged = judge (people, &romeo, "romeo@forza");
  g_assert_cmpint (judged.verdict.action, ==, TRUST_ACTION_JOIN_CA);
  g_assert_cmpint (key_get_level (judged.key), ==, TRUST_CA);
  g_assert_cmpstr (key_get_source (judged.key), ==, "ca");
  g_assert_null (key_get_chain_word (judged.key));
  g_assert_true (contact_is_stored (judged.contact) && trust_is_by_chain (people->trust, &romeo));
  g_assert_cmpuint (count_requests (people), ==, 0);
  g_assert_cmpuint (people->levels, ==, 1);
  people_settle (people);
  g_assert_cmpint (audited (people, "join", "ca"), ==, 1);
  people_reopen (people);
  g_assert_cmpint (judge (people, &romeo, "romeo@forza").verdict.action, ==, TRUST_ACTION_ADMIT);

  /* It stands on its chain, in every mode. */
  for (guint mode = TRUST_MODE_ASK; mode <= TRUST_MODE_STRICT; mode++)
    {
      trust_set_mode (people->trust, (TrustMode) mode);
      g_assert_true (still_admits (people, &romeo, good_chain));
      g_assert_false (still_admits (people, &romeo, other_chain));
      g_assert_false (still_admits (people, &romeo, expired_chain));
      g_assert_false (still_admits (people, &romeo, revoked_chain));
    }
  trust_set_mode (people->trust, TRUST_MODE_CA);
  shown_chain = expired_chain;
  g_assert_cmpint (judge (people, &romeo, "romeo@forza").verdict.action, ==, TRUST_ACTION_REFUSE_EXPIRED);
  shown_chain = revoked_chain;
  g_assert_cmpint (judge (people, &romeo, "romeo@forza").verdict.action, ==, TRUST_ACTION_REFUSE);
  /* A person's word does not. */
  add_person (people, "paris", &pinned);
  g_assert_true (still_admits (people, &pinned, other_chain));
  g_assert_false (still_admits (people, &pinned, revoked_chain));
  g_assert_false (trust_is_by_chain (people->trust, &pinned));

  /* Another key with a chain for his name: let in, not as him, and told. */
  shown_chain = good_chain;
  old = key_get_contact (contacts_get_key (people->contacts, &romeo));
  judged = judge (people, &laptop, "romeo@forza");
  g_assert_cmpint (judged.verdict.action, ==, TRUST_ACTION_JOIN_CA);
  g_assert_true (judged.contact != old && key_get_level (judged.key) == TRUST_CA);
  request = only_request (people);
  g_assert_cmpstr (request_get_kind (request), ==, "name-conflict");
  g_assert_true (request_get_contested (request) == old);
  g_assert_cmpint (judge (people, &laptop, "romeo@forza").verdict.action, ==, TRUST_ACTION_ADMIT);
  g_assert_cmpint (resolve (people, "separate", &laptop), ==, -1);
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &laptop)), ==, TRUST_CA);
  shown_chain = (RootsVerdict){ .valid = FALSE };
}

/* Somebody in between answered first, and was refused: what people wrote to that name is for whom the root names, not for him. */
static void
test_chain_after_middle (People *people, gconstpointer unused)
{
  Fingerprint middle = make_fp (1), romeo = make_fp (2), other = make_fp (3);
  Outcome outcome = { 0 };
  Contact *written;
  Judged judged;

  trust_set_mode (people->trust, TRUST_MODE_CA);
  announce (people->contacts, "romeo@forza", NULL);
  written = find_one (people->contacts, "romeo@forza");
  trust_keep (people->trust, written, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  shown_chain = other_chain;
  judged = judge (people, &middle, "romeo@forza");
  g_assert_true (judged.contact == written && judged.verdict.action == TRUST_ACTION_REFUSE);
  /* Another without a chain is no better. */
  judged = judge (people, &other, "romeo@forza");
  g_assert_true (judged.contact != written && judged.verdict.action == TRUST_ACTION_REFUSE);
  shown_chain = good_chain;
  judged = judge (people, &romeo, "romeo@forza");
  g_assert_true (judged.contact == written && judged.verdict.action == TRUST_ACTION_JOIN_CA);
  g_assert_true (contact_get_active_key (written) == judged.key);
  g_assert_cmpint (contact_get_trust (written), ==, TRUST_CA);
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &middle)), ==, TRUST_UNKNOWN);
  shown_chain = (RootsVerdict){ .valid = FALSE };
}

/* Somebody in between had the name first, with a key that nobody trusts: the one people trust is missed under it all the same. */
static void
test_name_after_middle (People *people, gconstpointer unused)
{
  Fingerprint middle = make_fp (1), romeo = make_fp (2), later = make_fp (3);
  Outcome outcome = { 0 };
  Contact *contact;
  Judged judged;

  judged = judge (people, &middle, "romeo@forza");
  trust_keep (people->trust, judged.contact, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  contact = add_person (people, "romeo", &romeo);
  judged = judge (people, &romeo, "romeo@forza");
  g_assert_true (judged.contact == contact && judged.verdict.action == TRUST_ACTION_ADMIT);
  contacts_set_connected (contact, judged.key, "romeo@forza", TRUE);
  contacts_set_connected (contact, judged.key, "romeo@forza", FALSE);
  judged = judge (people, &later, "romeo@forza");
  g_assert_cmpint (judged.verdict.ask, ==, TRUST_ASK_NAME_CONFLICT);
  g_assert_true (contacts_find_by_addr (people->contacts, "romeo@forza") == contact);
  people_settle (people);
  people_reopen (people);
  g_assert_true (contacts_find_by_addr (people->contacts, "romeo@forza") == key_get_contact (contacts_get_key (people->contacts, &romeo)));
}

/* One key comes twice in the same moment; the disk is full. */
static void
test_chain_disk (People *people, gconstpointer unused)
{
  Fingerprint romeo = make_fp (1), nurse = make_fp (2);
  Judged judged[2] = { { 0 }, { 0 } };

  trust_set_mode (people->trust, TRUST_MODE_CA);
  shown_chain = good_chain;
  start_judging (people, &romeo, "romeo@forza", TRUE, &judged[0]);
  start_judging (people, &romeo, "romeo@forza", FALSE, &judged[1]);
  store_wait (&judged[0].done);
  store_wait (&judged[1].done);
  g_assert_cmpint (judged[0].verdict.action, ==, TRUST_ACTION_JOIN_CA);
  g_assert_cmpint (judged[1].verdict.action, ==, TRUST_ACTION_ADMIT);
  people_settle (people);
  disk_fill (1);
  judged[0] = judge (people, &nurse, "nurse@forza");
  g_assert_cmpint (judged[0].verdict.action, ==, TRUST_ACTION_REFUSE);
  g_assert_cmpint (key_get_level (judged[0].key), ==, TRUST_UNKNOWN);
  disk_free ();
  g_assert_cmpint (judge (people, &nurse, "nurse@forza").verdict.action, ==, TRUST_ACTION_JOIN_CA);
  shown_chain = (RootsVerdict){ .valid = FALSE };
}

/* --- before our certificate leaves --------------------------------------------------------------------- */

static void
test_accepts_for (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1), other = make_fp (2), friend = make_fp (3), blocked = make_fp (4);
  Contact *juliet = add_person_named (people, "juliet", &fp, "juliet@pronto");
  Contact *nurse = add_person (people, "nurse", &friend), *enemy = add_person (people, "enemy", &blocked), *announced;
  Outcome outcome = { 0 };

  trust_set_blocked (people->trust, enemy, TRUE, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  announce (people->contacts, "romeo@forza", NULL);
  announced = find_one (people->contacts, "romeo@forza");

  g_assert_true (trust_accepts_for (people->trust, juliet, &fp, "juliet@pronto", "eth1"));
  g_assert_cmpuint (count_requests (people), ==, 0);
  g_assert_false (trust_accepts_for (people->trust, juliet, &other, "juliet@pronto", "eth1"));
  g_assert_cmpstr (request_get_kind (only_request (people)), ==, "name-conflict");
  g_assert_true (request_get_contested (only_request (people)) == juliet);
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &other)), ==, TRUST_UNKNOWN);
  /* A friend who answers in her place is no question, and gets nothing of hers. */
  g_assert_false (trust_accepts_for (people->trust, juliet, &friend, "juliet@pronto", "eth1"));
  g_assert_cmpuint (count_requests (people), ==, 1);
  /* Where nobody in particular is expected anybody may answer, as himself; but never a blocked one. */
  g_assert_true (trust_accepts_for (people->trust, announced, &(Fingerprint){ { 77 } }, "romeo@forza", "eth1"));
  g_assert_true (trust_accepts_for (people->trust, announced, &friend, "romeo@forza", "eth1"));
  g_assert_false (trust_accepts_for (people->trust, announced, &blocked, "romeo@forza", "eth1"));
  g_assert_false (trust_accepts_for (people->trust, enemy, &blocked, "enemy@host", "eth1"));
  /* Rejected, and there again: no question, but it is on record. */
  g_assert_cmpint (resolve (people, "reject", &other), ==, -1);
  g_assert_false (trust_accepts_for (people->trust, juliet, &other, "juliet@pronto", "eth1"));
  g_assert_cmpuint (count_requests (people), ==, 0);
  people_settle (people);
  g_assert_cmpint (audited (people, "refused", "refused"), ==, 1);
  g_assert_cmpint (audited (people, "refused", "name-conflict"), ==, 2);
  g_assert_cmpint (audited (people, "refused", "blocked"), ==, 2);
  trust_revoke (people->trust, &friend, "lost", "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_false (trust_accepts_for (people->trust, nurse, &friend, "nurse@pronto", "eth1"));
}

/* --- without a question ----------------------------------------------------------------------------------- */

static void
test_revoke (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  g_autofree char *too_long = g_strnfill (201, 'x');
  Outcome outcome = { 0 };

  add_person_named (people, "juliet", &fp, "juliet@pronto");
  trust_revoke (people->trust, &(Fingerprint){ { 9 } }, "", "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_NOT_FOUND);
  trust_revoke (people->trust, &fp, too_long, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &fp)), ==, TRUST_PINNED);
  trust_revoke (people->trust, &fp, "stolen", "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  people_reopen (people);
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &fp)), ==, TRUST_REVOKED);
  g_assert_cmpint (judge (people, &fp, "juliet@pronto").verdict.action, ==, TRUST_ACTION_REFUSE);
  g_assert_cmpint (audited (people, "revoke", "revoked: stolen"), ==, 1);
}

static void
test_add_contact (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1), other = make_fp (2);
  Contact *juliet, *romeo;
  Added one = { 0 }, two = { 0 };

  judge (people, &fp, "juliet@pronto");
  announce (people->contacts, "romeo@forza", &other);
  juliet = add_person (people, "juliet", &fp); /* answers the question, too */
  g_assert_cmpuint (count_requests (people), ==, 0);
  g_assert_cmpint (contact_get_trust (juliet), ==, TRUST_PINNED);
  romeo = add_person (people, "romeo", &other); /* takes what is announced for it */
  g_assert_cmpint (contact_get_reach (romeo), ==, REACH_SIGHTED);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 2);
  /* The same new key twice, the same petname twice, in one moment. */
  trust_add_contact (people->trust, "nurse", &(Fingerprint){ { 7 } }, &(TrustEvidence){ .source = "fingerprint" }, "test", people_on_contact_added, &one);
  trust_add_contact (people->trust, "nurse", &(Fingerprint){ { 8 } }, &(TrustEvidence){ .source = "fingerprint" }, "test", people_on_contact_added, &two);
  store_wait (&one.done);
  store_wait (&two.done);
  g_assert_cmpint (one.code, ==, -1);
  g_assert_cmpint (two.code, ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  one.done = two.done = FALSE;
  trust_add_contact (people->trust, "", &(Fingerprint){ { 9 } }, &(TrustEvidence){ .source = "fingerprint" }, "test", people_on_contact_added, &one);
  trust_add_contact (people->trust, "", &(Fingerprint){ { 9 } }, &(TrustEvidence){ .source = "fingerprint" }, "test", people_on_contact_added, &two);
  store_wait (&one.done);
  store_wait (&two.done);
  g_assert_cmpint (one.code, ==, -1);
  g_assert_cmpint (two.code, ==, EARSHOT_ERROR_ALREADY_RESOLVED);
  people_reopen (people);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 4);
}

/* The key knocks while the disk is being told that people trust it: no question stays behind. */
static void
test_add_while_it_knocks (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Judged judged = { 0 };
  Added added = { 0 };

  trust_add_contact (people->trust, "romeo", &fp, &(TrustEvidence){ .source = "fingerprint" }, "test", people_on_contact_added, &added);
  start_judging (people, &fp, "romeo@forza", TRUE, &judged);
  g_assert_cmpuint (count_requests (people), ==, 1);
  store_wait (&added.done);
  store_wait (&judged.done);
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &fp)), ==, TRUST_PINNED);
  g_assert_cmpuint (count_requests (people), ==, 0);
  people_settle (people);
  people_reopen (people);
  g_assert_cmpuint (count_requests (people), ==, 0);
}

static void
test_forget (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Outcome outcome = { 0 };

  judge (people, &fp, "romeo@forza");
  trust_forget (people->trust, key_get_contact (contacts_get_key (people->contacts, &fp)), "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpuint (count_requests (people), ==, 0);
  g_assert_cmpuint (people->forgotten, ==, 1);
  g_assert_true (trust_store_was_forgotten (people->trust_store, &fp));
  g_assert_cmpint (judge (people, &fp, "romeo@forza").verdict.action, ==, TRUST_ACTION_RESTRICT);
  g_assert_cmpuint (count_requests (people), ==, 1);
}

/* --- a full disk --------------------------------------------------------------------------------------------- */

static void
test_disk_full (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1), friend = make_fp (2);
  Contact *juliet = add_person_named (people, "juliet", &friend, "juliet@pronto");
  Outcome outcome = { 0 };
  int codes[6];
  Added added = { 0 };

  judge (people, &fp, "romeo@forza");
  people_settle (people);
  people->levels = 0;
  disk_fill (1);
  codes[0] = resolve (people, "accept", &fp);
  codes[1] = resolve (people, "block", NULL);
  trust_revoke (people->trust, &friend, "", "test", outcome_set, &outcome);
  codes[2] = outcome_wait (&outcome);
  trust_set_blocked (people->trust, juliet, TRUE, "test", outcome_set, &outcome);
  codes[3] = outcome_wait (&outcome);
  trust_forget (people->trust, juliet, "test", outcome_set, &outcome);
  codes[4] = outcome_wait (&outcome);
  trust_snooze (people->trust, request_get_id (only_request (people)), 99, outcome_set, &outcome);
  codes[5] = outcome_wait (&outcome);
  trust_add_contact (people->trust, "nurse", &(Fingerprint){ { 9 } }, &(TrustEvidence){ .source = "fingerprint" }, "test", people_on_contact_added, &added);
  store_wait (&added.done);
  disk_free ();
  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    g_assert_cmpint (codes[i], ==, EARSHOT_ERROR_STORE_FULL);
  g_assert_cmpint (added.code, ==, EARSHOT_ERROR_STORE_FULL);
  /* Nothing of it is true, and nothing was told. */
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &fp)), ==, TRUST_UNKNOWN);
  g_assert_cmpint (contact_get_trust (juliet), ==, TRUST_PINNED);
  g_assert_false (contact_is_blocked (juliet));
  g_assert_cmpint (request_get_snoozed (only_request (people)), ==, 0);
  g_assert_null (find_one (people->contacts, "nurse"));
  g_assert_cmpuint (people->levels, ==, 0);
  g_assert_cmpuint (people->forgotten, ==, 0);
  /* The question is still open. */
  g_assert_cmpint (resolve (people, "accept", &fp), ==, -1);
}

/* A stranger that makes room takes its question along. */
static void
test_evicted (People *people, gconstpointer unused)
{
  contacts_set_max_strangers (people->contacts, 3);
  for (guint8 i = 1; i < 30; i++)
    {
      Fingerprint fp = make_fp (i);
      g_autofree char *name = g_strdup_printf ("user%u@host", i);

      judge (people, &fp, name);
    }
  g_assert_cmpuint (count_requests (people), ==, 3);
  g_assert_cmpuint (people->requests_added - people->requests_removed, ==, 3);
  people_reopen (people);
  g_assert_cmpuint (count_requests (people), ==, 3);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 3);
  /* Nobody forgot them. */
  g_assert_false (trust_store_was_forgotten (people->trust_store, &(Fingerprint){ { 1 } }));
}

/* Judging when everything goes away: it answers, with a no. */
static void
test_free_while_judging (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Judged judged = { 0 };

  start_judging (people, &fp, "romeo@forza", TRUE, &judged);
  people_close (people);
  g_assert_true (judged.done);
  g_assert_cmpint (judged.verdict.action, ==, TRUST_ACTION_REFUSE);
  people_open (people, TRUST_MODE_ASK);
}

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  PEOPLE_TEST ("/trust/accept-keeps-the-proven-name", test_accept_keeps_proven_name);
  PEOPLE_TEST ("/trust/ask/T-07-T-10-one-question", test_ask);
  PEOPLE_TEST ("/trust/ask/persist", test_persist);
  PEOPLE_TEST ("/trust/new-key/accept", test_accept);
  PEOPLE_TEST ("/trust/new-key/reject", test_reject);
  PEOPLE_TEST ("/trust/new-key/block", test_block);
  PEOPLE_TEST ("/trust/new-key/accept-and-block", test_accept_and_block);
  PEOPLE_TEST ("/trust/resolve/first-wins", test_first_wins);
  PEOPLE_TEST ("/trust/resolve/T-23-full-fingerprint", test_full_fingerprint);
  g_test_add ("/trust/name-conflict/replace", People, NULL, people_set_up, test_replace, people_tear_down);
  g_test_add ("/trust/name-conflict/replace-and-release", People, "release", people_set_up, test_replace, people_tear_down);
  PEOPLE_TEST ("/trust/name-conflict/separate", test_separate);
  g_test_add ("/trust/name-conflict/reject", People, "reject", people_set_up, test_conflict_no, people_tear_down);
  g_test_add ("/trust/name-conflict/block", People, "block", people_set_up, test_conflict_no, people_tear_down);
  PEOPLE_TEST ("/trust/name-conflict/question-gets-louder", test_louder);
  PEOPLE_TEST ("/trust/name-conflict/contested-gone", test_contested_gone);
  PEOPLE_TEST ("/trust/tofu/T-10-T-11-never-seen-names", test_tofu);
  PEOPLE_TEST ("/trust/tofu/T-10-two-at-once", test_tofu_race);
  PEOPLE_TEST ("/trust/tofu/T-10-announced-with-another-key", test_tofu_announced);
  PEOPLE_TEST ("/trust/tofu/forgotten-key", test_tofu_forgotten);
  PEOPLE_TEST ("/trust/tofu/disk-full", test_tofu_disk_full);
  PEOPLE_TEST ("/trust/strict/T-10-refused-and-counted", test_strict);
  PEOPLE_TEST ("/trust/ca/no-chain", test_ca);
  PEOPLE_TEST ("/trust/ca/T-06-T-11-by-a-chain", test_chain);
  PEOPLE_TEST ("/trust/ca/disk-first", test_chain_disk);
  PEOPLE_TEST ("/trust/ca/T-06-after-a-middle", test_chain_after_middle);
  PEOPLE_TEST ("/trust/name-conflict/T-11-after-a-middle", test_name_after_middle);
  PEOPLE_TEST ("/trust/T-12-accepts-for", test_accepts_for);
  PEOPLE_TEST ("/trust/revoke", test_revoke);
  PEOPLE_TEST ("/trust/add-contact", test_add_contact);
  PEOPLE_TEST ("/trust/add-contact/while-it-knocks", test_add_while_it_knocks);
  PEOPLE_TEST ("/trust/forget", test_forget);
  PEOPLE_TEST ("/trust/disk-full", test_disk_full);
  PEOPLE_TEST ("/trust/X-02-evicted", test_evicted);
  PEOPLE_TEST ("/trust/free-while-judging", test_free_while_judging);
  return g_test_run ();
}
