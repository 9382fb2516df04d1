/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who may speak in clear (docs/protocol.md 3.9): what is asked, what the answers do, and who never may. Over a real store.
 */
#include "earshot-config.h"

#include "daemon/io/trust-store-private.h"
#include "tests/unit/people-helper.h"

#define IN_CLEAR(people, contact, addr) trust_admits_clear ((people)->trust, (contact), (addr), "eth1", TRUE)

static guint reviews;

static void
on_clear_changed (gpointer user)
{
  reviews++;
}

static const TrustWatch clear_watch = { .clear_changed = on_clear_changed };

static Contact *
see (People *people, const char *addr)
{
  announce (people->contacts, addr, NULL);
  return find_one (people->contacts, addr);
}

static guint
count_requests (People *people)
{
  g_autoptr (GPtrArray) all = trust_list_requests (people->trust);

  return all->len;
}

static Request *
only_request (People *people)
{
  g_autoptr (GPtrArray) all = trust_list_requests (people->trust);

  g_assert_cmpuint (all->len, ==, 1);
  return g_ptr_array_index (all, 0);
}

static int
resolve (People *people, const char *choice, const Fingerprint *fp, const char *petname)
{
  Outcome outcome = { 0 };

  trust_resolve (people->trust, request_get_id (only_request (people)), choice, fp, petname, FALSE, "tester pid 1", outcome_set,
                 &outcome);
  g_assert_false (outcome.done);
  return outcome_wait (&outcome);
}

static int
choose (People *people, Contact *contact, LegacyChoice choice)
{
  Outcome outcome = { 0 };

  trust_set_legacy_choice (people->trust, contact, choice, "tester pid 1", outcome_set, &outcome);
  g_assert_false (outcome.done);
  return outcome_wait (&outcome);
}

/* Policy is the window's to keep. */
static void
reopen (People *people)
{
  LegacyPolicy policy = trust_get_legacy_policy (people->trust);

  people_settle (people);
  people_reopen (people);
  trust_set_legacy_policy (people->trust, policy);
}

static Key *
prove (People *people, guint8 number, const char *addr)
{
  Fingerprint fp = make_fp (number);
  Contact *contested = NULL;

  return contacts_prove_key (people->contacts, &fp, addr, 0, &contested);
}

/* --- the switch ------------------------------------------------------------------ */

static void
test_refused_by_default (People *people, gconstpointer unused)
{
  Contact *contact = see (people, "bob@mac");

  g_assert_cmpint (trust_get_legacy_policy (people->trust), ==, LEGACY_REFUSE);
  g_assert_false (contact_is_legacy (contact));
  g_assert_false (IN_CLEAR (people, contact, "bob@mac"));
  g_assert_false (trust_still_admits_clear (people->trust, contact));
  g_assert_true (contact_is_legacy (contact));
  g_assert_false (contact_is_stored (contact));
  g_assert_cmpuint (count_requests (people), ==, 0);
}

static void
test_allow (People *people, gconstpointer unused)
{
  Contact *contact = see (people, "bob@mac");
  guint32 id = contact_get_id (contact);

  trust_set_legacy_policy (people->trust, LEGACY_ALLOW);
  g_assert_true (IN_CLEAR (people, contact, "bob@mac"));
  g_assert_true (trust_still_admits_clear (people->trust, contact));
  /* Kept with its name, since what it says is kept. */
  reopen (people);
  g_assert_cmpint (raw_sql (people->trust_store->db, "SELECT count(*) FROM audit WHERE event = 'legacy' AND caller = 'policy'"
                                                     " AND verdict LIKE 'admitted in clear%bob@mac'"), ==, 1);
  contact = see (people, "Bob@Mac");
  g_assert_cmpuint (contact_get_id (contact), ==, id);
  g_assert_true (contact_is_stored (contact));
  g_assert_true (IN_CLEAR (people, contact, "bob@mac"));
  trust_set_mode (people->trust, TRUST_MODE_STRICT);
  g_assert_false (trust_still_admits_clear (people->trust, contact));
  g_assert_false (IN_CLEAR (people, contact, "bob@mac"));
  g_assert_cmpuint (count_requests (people), ==, 0);
}

/* Names cost nothing. */
static void
test_allow_is_bounded (People *people, gconstpointer unused)
{
  guint admitted = 0;

  contacts_set_max_strangers (people->contacts, 3);
  trust_set_legacy_policy (people->trust, LEGACY_ALLOW);
  for (guint i = 0; i < 9; i++)
    {
      g_autofree char *name = g_strdup_printf ("user%u@host", i);
      Contact *contact = see (people, name);

      admitted += IN_CLEAR (people, contact, name);
      people_settle (people);
    }
  g_assert_cmpuint (admitted, ==, 3);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 6);
  g_assert_cmpuint (count_requests (people), ==, 3);
}

/* --- asking ------------------------------------------------------------------------ */

static void
test_ask (People *people, gconstpointer unused)
{
  Contact *contact = see (people, "bob@mac");
  guint32 id = contact_get_id (contact);
  Request *request;

  trust_set_legacy_policy (people->trust, LEGACY_ASK);
  for (guint i = 0; i < 20; i++)
    g_assert_false (IN_CLEAR (people, contact, "bob@mac"));
  g_assert_cmpuint (people->requests_added, ==, 1);
  request = only_request (people);
  g_assert_cmpstr (request_get_kind (request), ==, "legacy-peer");
  g_assert_null (request_get_fingerprint (request));
  g_assert_true (request_get_contact (request) == contact);
  g_assert_null (request_get_contested (request));
  g_assert_cmpstr (request_get_name (request), ==, "bob@mac");
  g_assert_cmpstr (request_get_link (request), ==, "eth1");
  g_assert_cmpstr (request_get_choices (request)[0], ==, "allow");
  /* The question waits, also for the next start, and is still about the one of that name. */
  reopen (people);
  g_assert_cmpuint (count_requests (people), ==, 1);
  contact = see (people, "bob@mac");
  g_assert_cmpuint (contact_get_id (contact), ==, id);
  g_assert_true (request_get_contact (only_request (people)) == contact);
  g_assert_true (contact_is_legacy (contact));
  g_assert_false (IN_CLEAR (people, contact, "bob@mac"));
  g_assert_cmpuint (count_requests (people), ==, 1);
  g_assert_cmpint (resolve (people, "accept", NULL, NULL), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (resolve (people, "allow", &(Fingerprint){ { 1 } }, NULL), ==, EARSHOT_ERROR_MISMATCH);
  g_assert_false (trust_still_admits_clear (people->trust, contact));
  g_assert_cmpint (resolve (people, "allow", NULL, "Bob"), ==, -1);
  g_assert_cmpuint (count_requests (people), ==, 0);
  g_assert_true (contact_is_stored (contact));
  g_assert_cmpstr (contact_get_petname (contact), ==, "Bob");
  g_assert_true (IN_CLEAR (people, contact, "bob@mac"));
  g_assert_cmpint (raw_sql (people->trust_store->db, "SELECT count(*) FROM audit WHERE event = 'resolve-legacy' AND verdict LIKE 'allow %bob@mac%'"), ==, 1);
  /* Remembered, and more than the switch: this one person said so. */
  reopen (people);
  contact = see (people, "bob@mac");
  g_assert_cmpuint (contact_get_id (contact), ==, id);
  trust_set_legacy_policy (people->trust, LEGACY_REFUSE);
  trust_set_mode (people->trust, TRUST_MODE_STRICT);
  g_assert_true (contact_is_legacy (contact));
  g_assert_true (IN_CLEAR (people, contact, "bob@mac"));
}

static void
test_refused_once (People *people, gconstpointer unused)
{
  Contact *contact = see (people, "bob@mac");

  trust_set_legacy_policy (people->trust, LEGACY_ASK);
  g_assert_false (IN_CLEAR (people, contact, "bob@mac"));
  g_assert_cmpint (resolve (people, "refuse", NULL, NULL), ==, -1);
  g_assert_false (contact_is_stored (contact));
  for (guint i = 0; i < 2; i++)
    {
      g_assert_cmpint (contact_get_legacy_choice (contact), ==, LEGACY_CHOICE_REFUSED);
      trust_set_legacy_policy (people->trust, LEGACY_ALLOW);
      g_assert_false (IN_CLEAR (people, contact, "bob@mac"));
      trust_set_legacy_policy (people->trust, LEGACY_ASK);
      g_assert_false (IN_CLEAR (people, contact, "bob@mac"));
      g_assert_cmpuint (count_requests (people), ==, 0);
      reopen (people);
      contact = see (people, "bob@mac");
    }
}

static void
test_blocked (People *people, gconstpointer unused)
{
  Contact *contact = see (people, "bob@mac");
  Outcome outcome = { 0 };

  trust_set_legacy_policy (people->trust, LEGACY_ASK);
  g_assert_false (IN_CLEAR (people, contact, "bob@mac"));
  g_assert_cmpint (resolve (people, "block", NULL, NULL), ==, -1);
  g_assert_true (contact_is_blocked (contact));
  g_assert_cmpint (choose (people, contact, LEGACY_CHOICE_ALLOWED), ==, EARSHOT_ERROR_BLOCKED);
  reopen (people);
  g_assert_cmpuint (count_requests (people), ==, 0);
  contact = see (people, "bob@mac");
  trust_set_legacy_policy (people->trust, LEGACY_ALLOW);
  g_assert_false (IN_CLEAR (people, contact, "bob@mac"));
  trust_set_blocked (people->trust, contact, FALSE, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_true (IN_CLEAR (people, contact, "bob@mac"));
}

/* Blocking answers an open question, on disk too. */
static void
test_block_answers (People *people, gconstpointer unused)
{
  Contact *contact = see (people, "bob@mac");
  Outcome outcome = { 0 };

  trust_set_legacy_policy (people->trust, LEGACY_ASK);
  g_assert_false (IN_CLEAR (people, contact, "bob@mac"));
  trust_set_blocked (people->trust, contact, TRUE, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpuint (count_requests (people), ==, 0);
  g_assert_cmpint (raw_sql (people->trust_store->db, "SELECT count(*) FROM request"), ==, 0);
}

static void
test_bounded (People *people, gconstpointer unused)
{
  contacts_set_max_strangers (people->contacts, 3);
  trust_set_legacy_policy (people->trust, LEGACY_ASK);
  for (guint i = 0; i < 9; i++)
    {
      g_autofree char *name = g_strdup_printf ("user%u@host", i);

      g_assert_false (IN_CLEAR (people, see (people, name), name));
    }
  g_assert_cmpuint (count_requests (people), ==, 3);
  g_assert_cmpuint (people->requests_added - people->requests_removed, ==, 3);
  reopen (people);
  g_assert_cmpuint (count_requests (people), ==, 3);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 3);
}

/* --- who never may --------------------------------------------------------------------- */

static void
expect_never (People *people, Contact *contact, const char *addr)
{
  guint before = count_requests (people);

  trust_set_legacy_policy (people->trust, LEGACY_ASK);
  g_assert_false (IN_CLEAR (people, contact, addr));
  g_assert_cmpuint (count_requests (people), ==, before);
  trust_set_legacy_policy (people->trust, LEGACY_ALLOW);
  g_assert_false (IN_CLEAR (people, contact, addr));
  g_assert_false (trust_still_admits_clear (people->trust, contact));
  g_assert_false (contact_is_legacy (contact));
  g_assert_cmpint (choose (people, contact, LEGACY_CHOICE_ALLOWED), ==, EARSHOT_ERROR_PEER_INSECURE);
  g_assert_cmpint (contact_get_legacy_choice (contact), !=, LEGACY_CHOICE_ALLOWED);
}

static void
test_has_key (People *people, gconstpointer unused)
{
  Fingerprint juliet = make_fp (1);
  Contact *contact = add_person_named (people, "juliet", &juliet, "juliet@pronto");

  /* Announced without a hint, as somebody would who strips it: still hers, and never in clear. */
  g_assert_true (see (people, "juliet@pronto") == contact);
  expect_never (people, contact, "juliet@pronto");
  expect_never (people, contact, "other@pronto");
}

static void
test_stranger_has_key (People *people, gconstpointer unused)
{
  Key *key;
  Contact *contact;

  /* Nobody trusts it, nobody was asked; but it showed a key under that name. */
  key = prove (people, 7, "romeo@forza");
  expect_never (people, key_get_contact (key), "romeo@forza");
  contact = see (people, "bob@mac");
  g_assert_true (IN_CLEAR (people, contact, "bob@mac"));
  g_assert_false (IN_CLEAR (people, contact, "Romeo@Forza"));
}

typedef struct
{
  gboolean done;
} Judged;

static void
on_judged (gpointer user, TrustVerdict verdict, Contact *contact, Key *key)
{
  ((Judged *) user)->done = TRUE;
}

/* The name that a stranger's key came under outlives the run, and the refusal. */
static void
test_stranger_after_restart (People *people, gconstpointer reject)
{
  Fingerprint fp = make_fp (7);
  TrustProof proof = { .fp = fp, .addr = "romeo@forza", .link = "eth1", .inbound = TRUE };
  Judged judged = { FALSE };
  Contact *contact;

  trust_judge (people->trust, &proof, on_judged, &judged);
  store_wait (&judged.done);
  if (reject != NULL)
    g_assert_cmpint (resolve (people, "reject", NULL, NULL), ==, -1);
  reopen (people);
  contact = see (people, "romeo@forza");
  trust_set_legacy_policy (people->trust, LEGACY_ALLOW);
  g_assert_false (IN_CLEAR (people, contact, "romeo@forza"));
  g_assert_false (contact_is_legacy (contact));
}

/* Its key went to another contact: it had one, for ever. */
static void
test_key_moved_away (People *people, gconstpointer unused)
{
  Fingerprint old = make_fp (1), new = make_fp (2);
  Contact *romeo = add_person_named (people, "romeo", &new, "romeo@forza");
  Contact *juliet = add_person_named (people, "juliet", &old, "juliet@pronto");
  guint32 id = contact_get_id (romeo);
  KeyRow row;
  TrustChange *change = trust_change_new ();

  key_to_row (contacts_get_key (people->contacts, &new), &row);
  row.contact = contact_get_id (juliet);
  trust_change_put_key (change, &row);
  trust_store_apply (people->trust_store, change, NULL, NULL);
  people_settle (people);
  contacts_apply_key (people->contacts, &row);
  key_row_clear (&row);
  g_assert_cmpuint (contact_get_keys (romeo)->len, ==, 0);
  expect_never (people, romeo, "romeo@forza");
  reopen (people);
  romeo = contacts_get (people->contacts, id);
  g_assert_nonnull (romeo);
  g_assert_cmpuint (contact_get_keys (romeo)->len, ==, 0);
  expect_never (people, romeo, "romeo@forza");
}

/* Allowed, then it shows a key: that ends it, on disk before anything else is asked. */
static void
test_gets_key (People *people, gconstpointer unused)
{
  Contact *contact = see (people, "bob@mac");
  guint32 id = contact_get_id (contact);

  g_assert_cmpint (choose (people, contact, LEGACY_CHOICE_ALLOWED), ==, -1);
  g_assert_true (IN_CLEAR (people, contact, "bob@mac"));
  people_settle (people);
  trust_watch (people->trust, &clear_watch, &reviews);
  reviews = 0;
  g_assert_true (key_get_contact (prove (people, 9, "bob@mac")) == contact);
  g_assert_false (trust_still_admits_clear (people->trust, contact));
  people_settle (people);
  g_assert_cmpuint (reviews, ==, 1);
  trust_unwatch (people->trust, &reviews);
  expect_never (people, contact, "bob@mac");
  reopen (people);
  contact = contacts_get (people->contacts, id);
  g_assert_cmpint (contact_get_legacy_choice (contact), ==, LEGACY_CHOICE_NONE);
  expect_never (people, contact, "bob@mac");
}

/* The question is open, or its answer on the way, when a key comes. */
static void
test_key_while_asked (People *people, gconstpointer answer)
{
  Contact *contact = see (people, "bob@mac");
  Outcome outcome = { 0 };

  trust_set_legacy_policy (people->trust, LEGACY_ASK);
  g_assert_false (IN_CLEAR (people, contact, "bob@mac"));
  if (answer != NULL)
    trust_resolve (people->trust, request_get_id (only_request (people)), "allow", NULL, NULL, FALSE, "test", outcome_set, &outcome);
  prove (people, 9, "bob@mac");
  if (answer != NULL)
    outcome_wait (&outcome); /* what was said first may be stored; it means nothing any more */
  people_settle (people);
  g_assert_cmpuint (count_requests (people), ==, 0);
  g_assert_cmpint (raw_sql (people->trust_store->db, "SELECT count(*) FROM request"), ==, 0);
  g_assert_cmpint (contact_get_legacy_choice (contact), ==, LEGACY_CHOICE_NONE);
  expect_never (people, contact, "bob@mac");
  reopen (people);
  g_assert_cmpuint (count_requests (people), ==, 0);
  contact = see (people, "bob@mac");
  g_assert_false (IN_CLEAR (people, contact, "bob@mac"));
}

static void
test_announces_tls (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (5);
  Contact *contact;

  announce (people->contacts, "bob@mac", &fp);
  expect_never (people, find_one (people->contacts, "bob@mac"), "bob@mac");
  /* Whoever takes the hint away later may be anybody. */
  contact = see (people, "bob@mac");
  expect_never (people, contact, "bob@mac");
  /* Really gone, and back without TLS: another program, as far as anybody can tell. */
  withdraw (people->contacts, "bob@mac");
  contact = see (people, "bob@mac");
  g_assert_true (IN_CLEAR (people, contact, "bob@mac"));
}

static void
test_contested (People *people, gconstpointer unused)
{
  Contact *contact = see (people, "b\303\266b@mac");

  trust_set_legacy_policy (people->trust, LEGACY_ALLOW);
  g_assert_true (IN_CLEAR (people, contact, "b\303\266b@mac"));
  people_settle (people);
  announce (people->contacts, "B\303\226B@mac", NULL);
  g_assert_false (trust_still_admits_clear (people->trust, contact));
  g_assert_false (IN_CLEAR (people, contact, "b\303\266b@mac"));
  withdraw (people->contacts, "B\303\226B@mac");
  g_assert_true (trust_still_admits_clear (people->trust, contact));
}

/* --- the disk ----------------------------------------------------------------------------- */

static void
test_disk_full (People *people, gconstpointer unused)
{
  Contact *contact = see (people, "bob@mac");

  trust_set_legacy_policy (people->trust, LEGACY_ASK);
  g_assert_false (IN_CLEAR (people, contact, "bob@mac"));
  people_settle (people);
  disk_fill (1);
  {
    int code = resolve (people, "allow", NULL, NULL);
    gboolean admitted = IN_CLEAR (people, contact, "bob@mac");

    disk_free ();
    g_assert_cmpint (code, ==, EARSHOT_ERROR_STORE_FULL);
    g_assert_false (admitted);
  }
  g_assert_cmpint (contact_get_legacy_choice (contact), ==, LEGACY_CHOICE_NONE);
  g_assert_cmpuint (count_requests (people), ==, 1);
  g_assert_cmpint (resolve (people, "allow", NULL, NULL), ==, -1);
  g_assert_true (IN_CLEAR (people, contact, "bob@mac"));
}

static void
test_takes_effect_late (People *people, gconstpointer unused)
{
  Contact *contact = see (people, "bob@mac");
  Outcome outcome = { 0 };

  trust_set_legacy_choice (people->trust, contact, LEGACY_CHOICE_ALLOWED, "test", outcome_set, &outcome);
  g_assert_false (IN_CLEAR (people, contact, "bob@mac"));
  outcome_wait (&outcome);
  g_assert_true (IN_CLEAR (people, contact, "bob@mac"));
  g_assert_cmpint (choose (people, contact, LEGACY_CHOICE_REFUSED), ==, -1);
  trust_set_legacy_policy (people->trust, LEGACY_ALLOW);
  g_assert_false (IN_CLEAR (people, contact, "bob@mac"));
}

static void
test_reviews (People *people, gconstpointer unused)
{
  Contact *contact = see (people, "bob@mac");

  trust_watch (people->trust, &clear_watch, &reviews);
  reviews = 0;
  trust_set_legacy_policy (people->trust, LEGACY_ALLOW);
  g_assert_cmpuint (reviews, ==, 0);
  people_settle (people);
  g_assert_cmpuint (reviews, ==, 1);
  trust_set_mode (people->trust, TRUST_MODE_STRICT);
  people_settle (people);
  g_assert_cmpuint (reviews, ==, 2);
  choose (people, contact, LEGACY_CHOICE_ALLOWED);
  people_settle (people);
  g_assert_cmpuint (reviews, ==, 3);
  trust_set_legacy_policy (people->trust, LEGACY_ALLOW);
  people_settle (people);
  g_assert_cmpuint (reviews, ==, 3);
  trust_unwatch (people->trust, &reviews);
}

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  PEOPLE_TEST ("/trust-clear/T-21-refused-by-default", test_refused_by_default);
  PEOPLE_TEST ("/trust-clear/allow", test_allow);
  PEOPLE_TEST ("/trust-clear/X-02-allow-is-bounded", test_allow_is_bounded);
  PEOPLE_TEST ("/trust-clear/ask", test_ask);
  PEOPLE_TEST ("/trust-clear/refused-once", test_refused_once);
  PEOPLE_TEST ("/trust-clear/blocked", test_blocked);
  PEOPLE_TEST ("/trust-clear/block-answers", test_block_answers);
  PEOPLE_TEST ("/trust-clear/X-02-questions-are-bounded", test_bounded);
  PEOPLE_TEST ("/trust-clear/T-21-has-a-key", test_has_key);
  PEOPLE_TEST ("/trust-clear/T-21-stranger-has-a-key", test_stranger_has_key);
  PEOPLE_TEST ("/trust-clear/T-21-stranger-after-restart", test_stranger_after_restart);
  g_test_add ("/trust-clear/T-21-rejected-stranger-after-restart", People, "reject", people_set_up, test_stranger_after_restart,
              people_tear_down);
  PEOPLE_TEST ("/trust-clear/T-21-key-moved-away", test_key_moved_away);
  PEOPLE_TEST ("/trust-clear/T-21-gets-a-key", test_gets_key);
  PEOPLE_TEST ("/trust-clear/T-21-key-while-asked", test_key_while_asked);
  g_test_add ("/trust-clear/T-21-key-while-answered", People, "answer", people_set_up, test_key_while_asked, people_tear_down);
  PEOPLE_TEST ("/trust-clear/T-21-announces-tls", test_announces_tls);
  PEOPLE_TEST ("/trust-clear/name-contested", test_contested);
  PEOPLE_TEST ("/trust-clear/disk-full", test_disk_full);
  PEOPLE_TEST ("/trust-clear/takes-effect-late", test_takes_effect_late);
  PEOPLE_TEST ("/trust-clear/reviews", test_reviews);
  return g_test_run ();
}
