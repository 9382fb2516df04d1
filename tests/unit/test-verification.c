/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Two whole stacks over loopback whose people compare codes: how it goes, its limits, and what may come between.
 */
#include "earshot-config.h"

#include "tests/unit/verify-helper.h"

typedef struct {
  Host *a, *b;
  Diary at_a, at_b;
} Pair;

static void
set_up (Pair *pair, gconstpointer limits)
{
  pair->a = start_host ("alice", TRUE, limits);
  pair->b = start_host ("bob", TRUE, limits);
  pair->at_a.ends = g_string_new (NULL);
  pair->at_b.ends = g_string_new (NULL);
  verifications_watch (pair->a->verifications, &watch, &pair->at_a);
  verifications_watch (pair->b->verifications, &watch, &pair->at_b);
  meet (pair->a, pair->b);
}

static void
tear_down (Pair *pair, gconstpointer unused)
{
  host_free (pair->a);
  host_free (pair->b);
  g_string_free (pair->at_a.ends, TRUE);
  g_string_free (pair->at_b.ends, TRUE);
}

static void
befriend (Pair *pair)
{
  Outcome outcome = { 0 };

  trust_accept (pair->a->people.trust, host_fp (pair->b), &(TrustEvidence){ .source = "user" }, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  trust_accept (pair->b->people.trust, host_fp (pair->a), &(TrustEvidence){ .source = "user" }, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
}

static gboolean
none_open (Pair *pair)
{
  return host_session (pair->a, pair->b) == NULL && host_session (pair->b, pair->a) == NULL;
}

/* --- honest people --------------------------------------------------------------------------------------------------- */

/* Strangers on a restricted stream: each side decides for itself, and what the other decides changes nothing here. */
static void
test_strangers (Pair *pair, gconstpointer unused)
{
  g_autofree char *code = NULL;
  Said said;
  Key *key;

  compare (pair->a, pair->b);
  g_assert_cmpint (verification_get_role (run_at (pair->a)), ==, 'A');
  g_assert_cmpint (verification_get_role (run_at (pair->b)), ==, 'B');
  g_assert_false (verification_is_ours (run_at (pair->b)));
  g_assert_cmpint (level_of (pair->a, pair->b), ==, TRUST_UNKNOWN);
  g_assert_cmpint (level_of (pair->b, pair->a), ==, TRUST_UNKNOWN);
  code = g_strdup (verification_get_code (run_at (pair->b)));
  said = type_code (pair->a, code);
  g_assert_true (said.matches && said.code == -1);
  g_assert_cmpint (level_of (pair->a, pair->b), ==, TRUST_VERIFIED);
  g_assert_null (run_at (pair->a));
  key = contacts_get_key (pair->a->people.contacts, host_fp (pair->b));
  g_assert_cmpstr (key_get_source (key), ==, "code");
  g_assert_true (contact_is_stored (key_get_contact (key)));
  g_assert_cmpuint (host_count_requests (pair->a), ==, 0);
  g_assert_cmpint (audited (pair->a, "verified", "test"), ==, 1);
  /* T-16: it needs the local user. */
  host_stay_quiet (50);
  g_assert_cmpint (level_of (pair->b, pair->a), ==, TRUST_UNKNOWN);
  g_assert_cmpuint (host_count_requests (pair->b), ==, 1);
  {
    Said yes = { 0 };

    verification_confirm (run_at (pair->b), TRUE, "test", on_said, &yes);
    g_assert_cmpint (verification_get_state (run_at (pair->b)), ==, VERIFICATION_CONFIRMED_HERE);
    g_assert_cmpint (level_of (pair->b, pair->a), ==, TRUST_UNKNOWN); /* disk first */
    host_wait_for (yes.done);
    g_assert_true (yes.matches && yes.code == -1);
  }
  g_assert_cmpint (level_of (pair->b, pair->a), ==, TRUST_VERIFIED);
  g_assert_cmpstr (pair->at_a.ends->str, ==, "done:user ");
  g_assert_cmpstr (pair->at_b.ends->str, ==, "done:user ");
  /* Their stream is open to messages now. */
  g_autofree char *id = talk_send (pair->a, pair->b, "0");

  host_wait_for (talk_is_settled (pair->a, 0, 0));
  talk_assert_numbers (pair->b, 1);
}

static void
test_survives_restart (Pair *pair, gconstpointer unused)
{
  compare (pair->a, pair->b);
  g_assert_true (type_code (pair->a, verification_get_code (run_at (pair->b))).matches);
  host_restart (pair->a);
  g_assert_cmpint (level_of (pair->a, pair->b), ==, TRUST_VERIFIED);
  g_assert_cmpstr (key_get_source (contacts_get_key (pair->a->people.contacts, host_fp (pair->b))), ==, "code");
}

static void
test_friends (Pair *pair, gconstpointer unused)
{
  befriend (pair);
  compare (pair->b, pair->a);
  /* A slip of the finger is no answer. */
  g_assert_cmpint (type_code (pair->b, "4821 7305").code, ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (type_code (pair->b, "0999 7305 1192").code, ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_true (has_code (pair->b));
  g_assert_true (type_code (pair->b, verification_get_code (run_at (pair->a))).matches);
  g_assert_cmpint (level_of (pair->b, pair->a), ==, TRUST_VERIFIED);
  g_assert_cmpint (level_of (pair->a, pair->b), ==, TRUST_PINNED);
}

static void
test_both_begin (Pair *pair, gconstpointer unused)
{
  begin (pair->a, pair->b);
  begin (pair->b, pair->a);
  host_wait_for (has_code (pair->a) && has_code (pair->b));
  g_assert_cmpstr (verification_get_code (run_at (pair->a)), ==, verification_get_code (run_at (pair->b)));
  g_assert_cmpint (verification_get_role (run_at (fingerprint_compare (host_fp (pair->a), host_fp (pair->b)) < 0 ? pair->a : pair->b)),
                   ==, 'A');
  /* The same run, whoever asks for it. */
  g_assert_true (verifications_start (pair->a->verifications, host_session (pair->a, pair->b), "test", NULL) == run_at (pair->a));
  g_assert_cmpuint (pair->at_a.added + pair->at_b.added, ==, 2);
}

static void
test_cancelled (Pair *pair, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;

  compare (pair->a, pair->b);
  g_assert_true (verification_cancel (run_at (pair->b), "test", &error));
  host_wait_for (run_at (pair->a) == NULL);
  g_assert_cmpstr (pair->at_a.ends->str, ==, "cancelled:peer ");
  g_assert_cmpstr (pair->at_b.ends->str, ==, "cancelled:user ");
  g_assert_false (none_open (pair));
  g_assert_cmpint (level_of (pair->a, pair->b), ==, TRUST_UNKNOWN);
}

/* --- codes that differ -------------------------------------------------------------------------------------------------- */

static void
test_wrong_code (Pair *pair, gconstpointer eyes)
{
  g_autofree char *wrong = NULL;

  befriend (pair);
  compare (pair->a, pair->b);
  wrong = other_code (verification_get_code (run_at (pair->b)));
  if (eyes != NULL)
    {
      Said said = { 0 };

      verification_confirm (run_at (pair->a), FALSE, "test", on_said, &said);
      g_assert_true (said.done && said.code == -1);
    }
  else
    {
      Said said = type_code (pair->a, wrong);

      g_assert_false (said.matches);
      g_assert_cmpint (said.code, ==, -1);
    }
  /* One try: there is nothing left to answer. */
  g_assert_null (run_at (pair->a));
  host_wait_for (none_open (pair) && run_at (pair->b) == NULL);
  g_assert_cmpstr (pair->at_a.ends->str, ==, "mismatch:code ");
  g_assert_cmpstr (pair->at_b.ends->str, ==, "mismatch:peer ");
  g_assert_cmpint (level_of (pair->a, pair->b), ==, TRUST_PINNED);
  g_assert_cmpint (level_of (pair->b, pair->a), ==, TRUST_PINNED);
  g_assert_cmpint (audited (pair->a, "mismatch: code", "test"), ==, 1);
  g_assert_cmpint (audited (pair->b, "mismatch: peer", "peer"), ==, 1);
  g_assert_cmpint (audited (pair->a, "verified", "%"), ==, 0);
}

/* --- T-16: limits ---------------------------------------------------------------------------------------------------------- */

static void
cancel_both (Pair *pair)
{
  verification_cancel (run_at (pair->a), "test", NULL);
  host_wait_for (run_at (pair->a) == NULL && run_at (pair->b) == NULL);
}

/* Three, whoever begins them; then neither side begins, nor lets the other. */
static void
test_three_runs (Pair *pair, gconstpointer unused)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < 3; i++)
    {
      compare (i == 1 ? pair->b : pair->a, i == 1 ? pair->a : pair->b);
      g_assert_true (g_hash_table_add (seen, g_strdup (verification_get_code (run_at (pair->a)))));
      cancel_both (pair);
    }
  g_assert_cmpint (begin_fails (pair->a, pair->b), ==, EARSHOT_ERROR_QUOTA_EXCEEDED);
  g_assert_cmpint (begin_fails (pair->b, pair->a), ==, EARSHOT_ERROR_QUOTA_EXCEEDED);
  /* A new stream is no new start. */
  sessions_disconnect (pair->a->sessions, host_contact (pair->a, pair->b));
  host_wait_for (none_open (pair));
  meet (pair->a, pair->b);
  g_assert_cmpint (begin_fails (pair->a, pair->b), ==, EARSHOT_ERROR_QUOTA_EXCEEDED);
  g_assert_cmpuint (pair->at_a.added, ==, 3);
}

/* A peer that does not count is refused, told so, and stays where it was. */
static void
test_peer_does_not_count (Pair *pair, gconstpointer unused)
{
  Host *eve = start_host ("eve", TRUE, &roomy);
  Diary diary = { .ends = g_string_new (NULL) };

  verifications_watch (eve->verifications, &watch, &diary);
  meet (eve, pair->a);
  for (guint i = 0; i < 3; i++)
    {
      begin (eve, pair->a);
      host_wait_for (has_code (eve) && has_code (pair->a));
      verification_cancel (run_at (eve), "test", NULL);
      host_wait_for (run_at (pair->a) == NULL && run_at (eve) == NULL);
    }
  for (guint i = 0; i < 20; i++)
    {
      begin (eve, pair->a);
      host_wait_for (run_at (eve) == NULL);
    }
  g_assert_cmpuint (pair->at_a.added, ==, 3);
  g_assert_nonnull (strstr (diary.ends->str, "cancelled:limit"));
  /* That is eve's affair: bob is not refused. */
  compare (pair->a, pair->b);
  host_free (eve);
  g_string_free (diary.ends, TRUE);
}

/* Keys cost nothing: when too many unknown ones are counted others may not begin; our own user may. */
static const VerificationLimits few = { .runs = 3, .strangers = 1, .window_ms = 600000, .run_ms = 300000, .step_ms = 60000 };

static void
test_many_keys (Pair *pair, gconstpointer unused)
{
  Host *eve = start_host ("eve", TRUE, &roomy);
  Diary diary = { .ends = g_string_new (NULL) };

  verifications_watch (eve->verifications, &watch, &diary);
  compare (pair->b, pair->a);
  meet (eve, pair->a);
  begin (eve, pair->a);
  host_wait_for (run_at (eve) == NULL);
  g_assert_cmpstr (diary.ends->str, ==, "cancelled:refused ");
  g_assert_cmpuint (pair->at_a.added, ==, 1);
  cancel_both (pair);
  compare (pair->a, eve);
  host_free (eve);
  g_string_free (diary.ends, TRUE);
}

static const VerificationLimits short_window = { .runs = 3, .strangers = 100, .window_ms = 300, .run_ms = 300000, .step_ms = 60000 };

static void
test_window_ends (Pair *pair, gconstpointer unused)
{
  for (guint i = 0; i < 3; i++)
    {
      compare (pair->a, pair->b);
      cancel_both (pair);
    }
  host_stay_quiet (400);
  compare (pair->a, pair->b);
}

static const VerificationLimits short_run = { .runs = 3, .strangers = 100, .window_ms = 600000, .run_ms = 2000, .step_ms = 60000 };

static void
test_expires (Pair *pair, gconstpointer unused)
{
  begin (pair->a, pair->b);
  host_wait_for (pair->at_b.added == 1 && run_at (pair->a) == NULL && run_at (pair->b) == NULL);
  /* Whoever was first told the other. */
  g_assert_cmpstr (pair->at_a.ends->str, ==, "expired:timeout ");
  g_assert_cmpstr (pair->at_b.ends->str, ==, "expired:timeout ");
  g_assert_cmpint (level_of (pair->a, pair->b), ==, TRUST_UNKNOWN);
  g_assert_false (none_open (pair));
}

static void
test_stream_closes (Pair *pair, gconstpointer unused)
{
  compare (pair->a, pair->b);
  sessions_disconnect (pair->a->sessions, host_contact (pair->a, pair->b));
  host_wait_for (none_open (pair));
  g_assert_null (run_at (pair->a));
  g_assert_null (run_at (pair->b));
  g_assert_cmpstr (pair->at_a.ends->str, ==, "cancelled:stream-closed ");
  g_assert_cmpstr (pair->at_b.ends->str, ==, "cancelled:stream-closed ");
}

/* Whoever is quick: only one word counts, and the word that is on its way to the disk is not taken back by anybody. */
static void
test_two_words (Pair *pair, gconstpointer unused)
{
  g_autofree char *code = NULL, *wrong = NULL;
  Said said = { 0 }, late = { 0 };
  g_autoptr (GError) error = NULL;

  begin (pair->a, pair->b);
  verification_enter_code (run_at (pair->a), "4821 7305 1192", "test", on_said, &late);
  g_assert_cmpint (late.code, ==, EARSHOT_ERROR_FAILED);
  host_wait_for (has_code (pair->a) && has_code (pair->b));
  code = g_strdup (verification_get_code (run_at (pair->b)));
  wrong = other_code (code);
  verification_enter_code (run_at (pair->a), code, "test", on_said, &said);
  late = (Said){ 0 };
  verification_enter_code (run_at (pair->a), wrong, "test", on_said, &late);
  g_assert_cmpint (late.code, ==, EARSHOT_ERROR_ALREADY_RESOLVED);
  g_assert_false (verification_cancel (run_at (pair->a), "test", &error));
  g_assert_cmpint (error->code, ==, EARSHOT_ERROR_ALREADY_RESOLVED);
  host_wait_for (said.done);
  g_assert_true (said.matches);
  g_assert_cmpint (level_of (pair->a, pair->b), ==, TRUST_VERIFIED);
}

/* Our user has compared and said yes; what the peer says before the disk has it, or that it hangs up, changes nothing. */
static void
test_peer_takes_back (Pair *pair, gconstpointer unused)
{
  g_autoptr (Stanza) iq = stanza_new ("iq", NS_CLIENT);
  Said said = { 0 };
  Stanza *cancel;

  compare (pair->a, pair->b);
  stanza_set_attr (iq, "type", "set");
  stanza_set_attr (iq, "id", "late");
  cancel = stanza_add_child (iq, sas_cancel_new ("mismatch"));
  verification_enter_code (run_at (pair->a), verification_get_code (run_at (pair->b)), "test", on_said, &said);
  g_assert_false (said.done);
  verifications_on_iq (pair->a->verifications, host_session (pair->a, pair->b), iq, cancel);
  g_assert_nonnull (host_session (pair->a, pair->b));
  session_cut (host_session (pair->b, pair->a));
  sessions_disconnect (pair->a->sessions, host_contact (pair->a, pair->b));
  host_wait_for (said.done);
  g_assert_true (said.matches && said.code == -1);
  g_assert_cmpint (level_of (pair->a, pair->b), ==, TRUST_VERIFIED);
  g_assert_cmpstr (pair->at_a.ends->str, ==, "done:user ");
  g_assert_cmpint (audited (pair->a, "mismatch: peer", "peer"), ==, 0);
}

/* --- the store ------------------------------------------------------------------------------------------------------------- */

static void
test_disk_full (Pair *pair, gconstpointer unused)
{
  g_autofree char *code = NULL;
  Said said;

  compare (pair->a, pair->b);
  people_settle (&pair->a->people);
  people_settle (&pair->b->people);
  code = g_strdup (verification_get_code (run_at (pair->b)));
  disk_fill (1);
  said = type_code (pair->a, code);
  disk_free ();
  g_assert_cmpint (said.code, ==, EARSHOT_ERROR_STORE_FULL);
  g_assert_cmpint (level_of (pair->a, pair->b), ==, TRUST_UNKNOWN);
  /* Nothing was used up. */
  g_assert_true (has_code (pair->a));
  g_assert_true (type_code (pair->a, code).matches);
  g_assert_cmpint (level_of (pair->a, pair->b), ==, TRUST_VERIFIED);
}

/* Somebody revokes the key in the same moment: that word counts, whichever came first. */
static void
test_revoked_meanwhile (Pair *pair, gconstpointer revoked_first)
{
  Outcome outcome = { 0 };
  Said said = { 0 };

  befriend (pair);
  compare (pair->a, pair->b);
  if (revoked_first != NULL)
    trust_revoke (pair->a->people.trust, host_fp (pair->b), "", "test", outcome_set, &outcome);
  verification_enter_code (run_at (pair->a), verification_get_code (run_at (pair->b)), "test", on_said, &said);
  if (revoked_first == NULL)
    trust_revoke (pair->a->people.trust, host_fp (pair->b), "", "test", outcome_set, &outcome);
  host_wait_for (said.done && outcome.done);
  g_assert_cmpint (outcome.code, ==, -1);
  g_assert_cmpint (said.code, ==, revoked_first != NULL ? EARSHOT_ERROR_NOT_TRUSTED : -1);
  host_wait_for (host_session (pair->a, pair->b) == NULL && run_at (pair->a) == NULL);
  g_assert_cmpint (level_of (pair->a, pair->b), ==, TRUST_REVOKED);
}

static void
test_blocked_meanwhile (Pair *pair, gconstpointer unused)
{
  Outcome outcome = { 0 };

  compare (pair->a, pair->b);
  trust_set_blocked (pair->a->people.trust, host_contact (pair->a, pair->b), TRUE, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  host_wait_for (run_at (pair->a) == NULL);
  g_assert_cmpstr (pair->at_a.ends->str, ==, "cancelled:stream-closed ");
  trust_verify (pair->a->people.trust, host_fp (pair->b), "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_BLOCKED);
}

#define PAIR(path, limits, func) g_test_add (path, Pair, limits, set_up, func, tear_down)

static void
test_wrong_typed (Pair *pair, gconstpointer unused)
{
  test_wrong_code (pair, NULL);
}

static void
test_wrong_seen (Pair *pair, gconstpointer unused)
{
  test_wrong_code (pair, "eyes");
}

static void
test_revoked_first (Pair *pair, gconstpointer unused)
{
  test_revoked_meanwhile (pair, "first");
}

static void
test_revoked_second (Pair *pair, gconstpointer unused)
{
  test_revoked_meanwhile (pair, NULL);
}

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  PAIR ("/verification/T-14-strangers", NULL, test_strangers);
  PAIR ("/verification/survives-restart", NULL, test_survives_restart);
  PAIR ("/verification/T-14-friends", NULL, test_friends);
  PAIR ("/verification/both-begin", NULL, test_both_begin);
  PAIR ("/verification/cancelled", NULL, test_cancelled);
  PAIR ("/verification/wrong-code-typed", NULL, test_wrong_typed);
  PAIR ("/verification/wrong-code-seen", NULL, test_wrong_seen);
  PAIR ("/verification/T-16-three-runs", NULL, test_three_runs);
  PAIR ("/verification/T-16-peer-does-not-count", NULL, test_peer_does_not_count);
  PAIR ("/verification/T-16-attack-many-keys", &few, test_many_keys);
  PAIR ("/verification/T-16-window-ends", &short_window, test_window_ends);
  PAIR ("/verification/T-16-expires", &short_run, test_expires);
  PAIR ("/verification/stream-closes", NULL, test_stream_closes);
  PAIR ("/verification/T-16-one-word", NULL, test_two_words);
  PAIR ("/verification/attack-peer-takes-back", NULL, test_peer_takes_back);
  PAIR ("/verification/disk-full", NULL, test_disk_full);
  PAIR ("/verification/revoked-before", NULL, test_revoked_first);
  PAIR ("/verification/revoked-after", NULL, test_revoked_second);
  PAIR ("/verification/blocked-meanwhile", NULL, test_blocked_meanwhile);
  return g_test_run ();
}
