/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A new key under a known name, and the answer that takes a comparison: two whole stacks over loopback.
 */
#include "earshot-config.h"

#include "tests/unit/verify-helper.h"

typedef struct {
  Host *alice, *bob;
  Contact *old; /* bob, as alice knows him */
  Fingerprint old_fp;
} Pair;

static void
set_up (Pair *pair, gconstpointer unused)
{
  pair->alice = start_host ("alice", TRUE, &roomy);
  pair->bob = start_host ("bob", TRUE, &roomy);
  pair->old_fp = make_fp (9);
  pair->old = add_person_named (&pair->alice->people, "my bob", &pair->old_fp, "bob@test");
  meet (pair->bob, pair->alice);
  host_wait_for (host_count_requests (pair->alice) == 1);
}

static void
tear_down (Pair *pair, gconstpointer unused)
{
  host_free (pair->alice);
  host_free (pair->bob);
}

static Request *
question (Pair *pair)
{
  g_autoptr (GPtrArray) all = trust_list_requests (pair->alice->people.trust);

  return all->len > 0 ? g_ptr_array_index (all, 0) : NULL;
}

static TrustLevel
old_level (Pair *pair)
{
  return key_get_level (contacts_get_key (pair->alice->people.contacts, &pair->old_fp));
}

static Contact *
owner_of_new (Pair *pair)
{
  return key_get_contact (contacts_get_key (pair->alice->people.contacts, host_fp (pair->bob)));
}

/* Begins to compare, for that. */
static void
compare_for (Pair *pair, const char *choice, const char *petname)
{
  compare (pair->alice, pair->bob);
  verification_set_purpose (run_at (pair->alice), request_get_id (question (pair)), choice, petname, FALSE);
}

static Said
type_right (Pair *pair)
{
  g_autofree char *code = g_strdup (verification_get_code (run_at (pair->bob)));

  return type_code (pair->alice, code);
}

static void
assert_unchanged (Pair *pair)
{
  g_assert_cmpint (old_level (pair), ==, TRUST_PINNED);
  g_assert_cmpint (level_of (pair->alice, pair->bob), ==, TRUST_UNKNOWN);
  g_assert_true (owner_of_new (pair) != pair->old);
  g_assert_nonnull (question (pair));
}

static int
resolve (Pair *pair, const char *choice, const Fingerprint *fp)
{
  Outcome outcome = { 0 };

  trust_resolve (pair->alice->people.trust, request_get_id (question (pair)), choice, fp, NULL, FALSE, "test", outcome_set, &outcome);
  return outcome_wait (&outcome);
}

static gint64
resolved (Pair *pair, const char *verdict)
{
  g_autofree char *sql = g_strdup_printf ("SELECT count(*) FROM audit WHERE event = 'resolve' AND verdict = '%s' AND inputs LIKE '%%>verified source=%%'",
                                          verdict);

  db_worker_flush (pair->alice->people.store.worker);
  return raw_sql (pair->alice->people.trust_store->db, sql);
}

/* T-11: nothing follows from the answer but a comparison; from the right code the new key takes the old one's place, in one change. */
static void
test_replace (Pair *pair, gconstpointer unused)
{
  Said said;
  Key *old;

  compare_for (pair, "verify-replace", NULL);
  assert_unchanged (pair);
  said = type_right (pair);
  g_assert_true (said.matches && said.code == -1);
  g_assert_true (owner_of_new (pair) == pair->old);
  g_assert_cmpint (level_of (pair->alice, pair->bob), ==, TRUST_VERIFIED);
  g_assert_cmpstr (key_get_source (contacts_get_key (pair->alice->people.contacts, host_fp (pair->bob))), ==, "code");
  old = contacts_get_key (pair->alice->people.contacts, &pair->old_fp);
  g_assert_cmpint (key_get_level (old), ==, TRUST_REVOKED);
  g_assert_true (fingerprint_equal (key_get_replacement (old), host_fp (pair->bob)));
  g_assert_null (question (pair));
  g_assert_cmpstr (contact_get_petname (pair->old), ==, "my bob");
  g_assert_cmpint (resolved (pair, "verify-replace"), ==, 1);
  g_assert_cmpuint (count_contacts (pair->alice->people.contacts), ==, 1);
  /* On disk, too. */
  host_stop (pair->alice);
  host_start (pair->alice);
  g_assert_cmpint (level_of (pair->alice, pair->bob), ==, TRUST_VERIFIED);
  g_assert_cmpint (old_level (pair), ==, TRUST_REVOKED);
}

/* T-11: a wrong code: nothing changed, the stream is gone, the question waits. */
static void
test_wrong_code (Pair *pair, gconstpointer unused)
{
  g_autofree char *wrong = NULL;
  Said said;

  compare_for (pair, "verify-replace", NULL);
  wrong = other_code (verification_get_code (run_at (pair->bob)));
  said = type_code (pair->alice, wrong);
  g_assert_true (!said.matches && said.code == -1);
  assert_unchanged (pair);
  host_wait_for (host_session (pair->alice, pair->bob) == NULL);
  assert_unchanged (pair);
  g_assert_cmpint (audited (pair->alice, "mismatch: code", "test"), ==, 1);
}

/* The answer ends with its run: a later comparison, begun for itself, replaces nobody. */
static void
test_purpose_ends (Pair *pair, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;

  compare_for (pair, "verify-replace", NULL);
  g_assert_true (verification_cancel (run_at (pair->alice), "test", &error));
  host_wait_for (run_at (pair->bob) == NULL);
  assert_unchanged (pair);
  compare (pair->alice, pair->bob);
  g_assert_true (type_right (pair).matches);
  g_assert_cmpint (old_level (pair), ==, TRUST_PINNED);
  g_assert_cmpint (level_of (pair->alice, pair->bob), ==, TRUST_VERIFIED);
  g_assert_true (owner_of_new (pair) != pair->old);
  g_assert_null (question (pair));
}

/* Whoever answers first wins: the code then only verifies the key where it is, or, after a no, nothing. */
static void
test_answered_meanwhile (Pair *pair, gconstpointer unused)
{
  compare_for (pair, "verify-replace", NULL);
  g_assert_cmpint (resolve (pair, "separate", host_fp (pair->bob)), ==, -1);
  g_assert_true (type_right (pair).matches);
  g_assert_cmpint (level_of (pair->alice, pair->bob), ==, TRUST_VERIFIED);
  g_assert_cmpint (old_level (pair), ==, TRUST_PINNED);
  g_assert_true (owner_of_new (pair) != pair->old);
}

static void
test_rejected_meanwhile (Pair *pair, gconstpointer unused)
{
  compare_for (pair, "verify-replace", NULL);
  g_assert_cmpint (resolve (pair, "reject", NULL), ==, -1);
  host_wait_for (run_at (pair->alice) == NULL); /* with its stream */
  g_assert_cmpint (level_of (pair->alice, pair->bob), ==, TRUST_UNKNOWN);
  g_assert_cmpint (old_level (pair), ==, TRUST_PINNED);
}

/* There is nobody left to replace: it is said, and the run goes on. */
static void
test_forgotten_meanwhile (Pair *pair, gconstpointer unused)
{
  Outcome outcome = { 0 };
  Said said;

  compare_for (pair, "verify-replace", NULL);
  trust_forget (pair->alice->people.trust, pair->old, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  said = type_right (pair);
  g_assert_cmpint (said.code, ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (level_of (pair->alice, pair->bob), ==, TRUST_UNKNOWN);
  verification_set_purpose (run_at (pair->alice), request_get_id (question (pair)), "verify", "my bob", FALSE);
  g_assert_true (type_right (pair).matches);
  g_assert_cmpint (level_of (pair->alice, pair->bob), ==, TRUST_VERIFIED);
  g_assert_cmpstr (contact_get_petname (owner_of_new (pair)), ==, "my bob");
  g_assert_cmpint (resolved (pair, "verify"), ==, 1);
}

/* T-23: it can not be had by the plain way, for another key, or without naming it. */
static void
test_refusals (Pair *pair, gconstpointer unused)
{
  Trust *trust = pair->alice->people.trust;
  guint64 id = request_get_id (question (pair));
  g_autoptr (GError) none = NULL;
  g_autoptr (GError) other = NULL;
  g_autoptr (GError) plain = NULL;
  Outcome outcome = { 0 };

  g_assert_cmpint (resolve (pair, "verify-replace", host_fp (pair->bob)), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_false (trust_may_verify (trust, id, "verify-replace", NULL, NULL, "test", &none));
  g_assert_error (none, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_false (trust_may_verify (trust, id, "verify-replace", &pair->old_fp, NULL, "test", &other));
  g_assert_error (other, EARSHOT_ERROR, EARSHOT_ERROR_MISMATCH);
  g_assert_false (trust_may_verify (trust, id, "verify", host_fp (pair->bob), NULL, "test", &plain));
  g_assert_error (plain, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT);
  assert_unchanged (pair);
  /* Compared face to face it needs no codes; once. */
  trust_resolve_verified (trust, id, "verify-replace", host_fp (pair->bob), NULL, TRUE, "fingerprint", "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (level_of (pair->alice, pair->bob), ==, TRUST_VERIFIED);
  g_assert_true (owner_of_new (pair) == pair->old);
  trust_resolve_verified (trust, id, "verify-replace", host_fp (pair->bob), NULL, TRUE, "fingerprint", "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_ALREADY_RESOLVED);
}

#define PAIR_TEST(path, func) g_test_add ("/trust-verified/" path, Pair, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  PAIR_TEST ("T-11/replaced-by-the-right-code", test_replace);
  PAIR_TEST ("T-11/a-wrong-code-changes-nothing", test_wrong_code);
  PAIR_TEST ("the-answer-ends-with-its-run", test_purpose_ends);
  PAIR_TEST ("answered-otherwise-meanwhile", test_answered_meanwhile);
  PAIR_TEST ("rejected-meanwhile", test_rejected_meanwhile);
  PAIR_TEST ("forgotten-meanwhile", test_forgotten_meanwhile);
  PAIR_TEST ("T-23/refusals", test_refusals);
  return g_test_run ();
}
