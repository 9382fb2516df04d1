/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Invites between whole stacks (docs/protocol.md 3.11): honest people, whoever got hold of a link, and whoever guesses.
 */
#include "earshot-config.h"

#include "tests/unit/invite-helper.h"

/* --- honest people ------------------------------------------------------------------------------------------------- */

static void
test_both_ends (Talk *talk, gconstpointer in_person)
{
  g_auto (Invite) invite = invite_wish (talk->a, 600, 1, in_person != NULL);
  g_auto (TrustUri) uri = invite_read (&invite, talk->a);
  TrustLevel wanted = in_person != NULL ? TRUST_VERIFIED : TRUST_PINNED;
  g_autofree char *id = NULL;

  g_assert_cmpstr (uri.addr, ==, talk->a->addr);
  g_assert_cmpint (invite_accept (talk->b, &uri, in_person != NULL), ==, -1);
  g_assert_cmpint (level_of (talk->b, talk->a), ==, wanted);
  host_wait_for (invite_is (talk->b, invite.id, "done"));
  g_assert_cmpint (level_of (talk->a, talk->b), ==, wanted);
  g_assert_cmpstr (invite_state (talk->a, invite.id), ==, "used-up");
  g_assert_cmpstr (key_get_source (contacts_get_key (talk->a->people.contacts, host_fp (talk->b))), ==, "invite");
  g_assert_cmpstr (key_get_source (contacts_get_key (talk->b->people.contacts, host_fp (talk->a))), ==, "invite");
  g_assert_cmpuint (host_count_requests (talk->a) + host_count_requests (talk->b), ==, 0);
  id = talk_send (talk->b, talk->a, "0");
  host_wait_for (talk_is_settled (talk->b, 0, 0));
  talk_assert_numbers (talk->a, 1);
  /* Nothing is owed any more, and the use is on disk. */
  g_assert_cmpint (trust_sql (talk->b, "SELECT count(*) FROM invite_owed"), ==, 0);
  g_assert_cmpint (trust_sql (talk->a, "SELECT remaining FROM invite"), ==, 0);
  g_assert_cmpint (trust_sql (talk->a, "SELECT count(*) FROM audit WHERE event = 'invited' AND caller LIKE 'invite % of test'"), ==, 1);
  g_assert_cmpint (trust_sql (talk->b, "SELECT count(*) FROM audit WHERE event = 'accept-invite' AND caller = 'test'"), ==, 1);
}

/* Each side says for itself that it was face to face. */
static void
test_one_in_person (Talk *talk, gconstpointer unused)
{
  g_auto (Invite) invite = invite_wish (talk->a, 600, 1, FALSE);
  g_auto (TrustUri) uri = invite_read (&invite, talk->a);

  g_assert_cmpint (invite_accept (talk->b, &uri, TRUE), ==, -1);
  host_wait_for (invite_is (talk->b, invite.id, "done"));
  g_assert_cmpint (level_of (talk->b, talk->a), ==, TRUST_VERIFIED);
  g_assert_cmpint (level_of (talk->a, talk->b), ==, TRUST_PINNED);
}

/* "at most 10 minutes old" */
static void
test_stale_in_person (Talk *talk, gconstpointer unused)
{
  g_auto (Invite) invite = invite_wish (talk->a, 3600, 1, TRUE);
  g_auto (TrustUri) uri = invite_read (&invite, talk->a);

  invite_made (talk->a, invite.id)->row.created -= (INVITE_FRESH_S + 1) * G_TIME_SPAN_SECOND;
  g_assert_cmpint (invite_accept (talk->b, &uri, FALSE), ==, -1);
  host_wait_for (invite_is (talk->b, invite.id, "done"));
  g_assert_cmpint (level_of (talk->a, talk->b), ==, TRUST_PINNED);
}

/* The inviter calls first: the proof goes out on that stream. */
static void
test_the_inviter_calls (Talk *talk, gconstpointer unused)
{
  g_auto (Invite) invite = invite_wish (talk->a, 600, 1, FALSE);
  g_auto (TrustUri) uri = invite_read (&invite, NULL);

  g_assert_cmpint (invite_accept (talk->b, &uri, FALSE), ==, -1);
  g_assert_cmpstr (invite_state (talk->b, invite.id), ==, "waiting");
  invite_meet (talk->a, talk->b);
  host_wait_for (invite_is (talk->b, invite.id, "done"));
  g_assert_cmpint (level_of (talk->a, talk->b), ==, TRUST_PINNED);
}

/* Accepted where a stream of the two is open already. */
static void
test_open_stream (Talk *talk, gconstpointer unused)
{
  g_auto (Invite) invite = invite_wish (talk->a, 600, 1, FALSE);
  g_auto (TrustUri) uri = invite_read (&invite, NULL);

  invite_meet (talk->b, talk->a);
  g_assert_cmpint (level_of (talk->a, talk->b), ==, TRUST_UNKNOWN);
  g_assert_cmpint (invite_accept (talk->b, &uri, FALSE), ==, -1);
  host_wait_for (invite_is (talk->b, invite.id, "done"));
  g_assert_cmpint (level_of (talk->a, talk->b), ==, TRUST_PINNED);
  g_assert_cmpuint (host_count_requests (talk->a), ==, 0);
}

/* Killed between acceptance and proof: what is owed is still known, and the invite, too. */
static void
test_restarts (Talk *talk, gconstpointer unused)
{
  g_auto (Invite) invite = invite_wish (talk->a, 600, 1, TRUE);
  g_auto (TrustUri) uri = invite_read (&invite, NULL);

  g_assert_cmpint (invite_accept (talk->b, &uri, FALSE), ==, -1);
  host_restart (talk->b);
  host_restart (talk->a);
  g_assert_cmpstr (invite_state (talk->b, invite.id), ==, "waiting");
  g_assert_cmpstr (invite_state (talk->a, invite.id), ==, "open");
  host_sees (talk->b, talk->a); /* dials by itself: it owes something */
  host_wait_for (invite_is (talk->b, invite.id, "done"));
  g_assert_cmpint (level_of (talk->a, talk->b), ==, TRUST_VERIFIED);
  host_restart (talk->a);
  g_assert_cmpstr (invite_state (talk->a, invite.id), ==, "used-up");
  g_assert_cmpint (level_of (talk->a, talk->b), ==, TRUST_VERIFIED);
}

/* Our answer got lost: the same key proves again, on another stream, and it costs no second use. */
static void
test_proved_again (Talk *talk, gconstpointer unused)
{
  g_auto (Invite) invite = invite_wish (talk->a, 600, 2, FALSE);
  g_auto (TrustUri) uri = invite_read (&invite, talk->a);
  guint8 proof[INVITE_PROOF_BYTES];

  g_assert_cmpint (invite_accept (talk->b, &uri, FALSE), ==, -1);
  host_wait_for (invite_is (talk->b, invite.id, "done"));
  sessions_disconnect (talk->b->sessions, host_contact (talk->b, talk->a));
  host_wait_for (host_session (talk->a, talk->b) == NULL && host_session (talk->b, talk->a) == NULL);
  host_restart (talk->a);
  invite_meet (talk->b, talk->a);
  invite_compute (talk->b, talk->a, uri.secret, proof);
  g_assert_cmpint (invite_prove (talk->b, talk->a, invite.id, proof).code, ==, -1);
  g_assert_cmpuint (invite_made (talk->a, invite.id)->row.left, ==, 1);
  g_assert_cmpint (trust_sql (talk->a, "SELECT remaining FROM invite"), ==, 1);
}

/* A link without secret: the key and where to find it; the other side is asked as always. */
static void
test_plain_link (Talk *talk, gconstpointer unused)
{
  g_auto (Invite) none = { .code = -1, .link = trust_uri_format (talk->a->addr, host_fp (talk->a)) };
  g_auto (TrustUri) uri = invite_read (&none, talk->a);

  g_assert_cmpint (invite_accept (talk->b, &uri, FALSE), ==, -1);
  g_assert_cmpint (level_of (talk->b, talk->a), ==, TRUST_PINNED);
  host_wait_for (host_session (talk->a, talk->b) != NULL && host_count_requests (talk->a) == 1);
  g_assert_cmpint (level_of (talk->a, talk->b), ==, TRUST_UNKNOWN);
  g_assert_cmpint (trust_sql (talk->b, "SELECT count(*) FROM invite_owed"), ==, 0);
}

/* --- who got hold of a link ------------------------------------------------------------------------------------------ */

/* Somebody else was first: it is theirs, once, and who comes second hears so. Two uses are two, and no third. */
static void
test_used_twice (Talk *talk, gconstpointer unused)
{
  Host *eve = host_new_started ("eve", TRUE);
  g_auto (Invite) one = invite_wish (talk->a, 600, 1, FALSE), two = invite_wish (talk->a, 600, 2, FALSE);
  g_auto (TrustUri) uri = invite_read (&one, talk->a), again = invite_read (&two, talk->a);

  g_assert_cmpint (invite_accept (eve, &uri, FALSE), ==, -1);
  host_wait_for (invite_is (eve, one.id, "done"));
  g_assert_cmpint (invite_accept (talk->b, &uri, FALSE), ==, -1);
  host_wait_for (invite_is (talk->b, one.id, "refused"));
  g_assert_cmpint (level_of (talk->a, eve), ==, TRUST_PINNED);
  g_assert_cmpint (level_of (talk->a, talk->b), ==, TRUST_UNKNOWN);
  g_assert_cmpuint (host_count_requests (talk->a), ==, 1); /* as for any stranger */
  g_assert_cmpint (trust_sql (talk->b, "SELECT count(*) FROM invite_owed"), ==, 0);
  g_assert_cmpint (trust_sql (talk->a, "SELECT count(*) FROM audit WHERE event = 'invite' AND verdict = 'used-up'"), ==, 1);
  g_assert_cmpint (invite_accept (talk->b, &again, FALSE), ==, -1);
  host_wait_for (invite_is (talk->b, two.id, "done"));
  g_assert_cmpint (level_of (talk->a, talk->b), ==, TRUST_PINNED);
  g_assert_cmpuint (invite_made (talk->a, two.id)->row.left, ==, 1);
  host_free (eve);
}

static void
test_over (Talk *talk, gconstpointer what)
{
  g_auto (Invite) invite = invite_wish (talk->a, 600, 1, TRUE);
  g_auto (TrustUri) uri = invite_read (&invite, talk->a);

  if (strcmp (what, "revoked") == 0)
    g_assert_cmpint (invite_revoke (talk->a, invite.id), ==, -1);
  else if (strcmp (what, "expired") == 0)
    invite_made (talk->a, invite.id)->row.expires = g_get_real_time ();
  else if (strcmp (what, "clock-set-back") == 0)
    invite_made (talk->a, invite.id)->row.created += 3600 * G_TIME_SPAN_SECOND;
  else
    uri.secret[7] ^= 1; /* another id, too */
  g_assert_cmpint (invite_accept (talk->b, &uri, FALSE), ==, -1);
  host_wait_for (g_hash_table_size (talk->b->invites->owed) == 1
                 && ((Owed *) g_hash_table_lookup (talk->b->invites->owed, host_fp (talk->a)))->state == OWED_REFUSED);
  g_assert_cmpint (level_of (talk->a, talk->b), ==, TRUST_UNKNOWN);
  g_assert_cmpint (trust_sql (talk->a, "SELECT count(*) FROM invite_use"), ==, 0);
  g_assert_cmpint (trust_sql (talk->a, "SELECT count(*) FROM audit WHERE event = 'invite' AND verdict = 'no-such-invite'"), ==, 1);
  g_assert_cmpint (invite_revoke (talk->a, "0011223344556677"), ==, EARSHOT_ERROR_NOT_FOUND);
}

/* Right on one TLS session, wrong on any other, and from anybody else. */
static void
test_replayed (Talk *talk, gconstpointer unused)
{
  Host *eve = host_new_started ("eve", TRUE);
  g_auto (Invite) invite = invite_wish (talk->a, 600, 1, FALSE);
  g_auto (TrustUri) uri = invite_read (&invite, NULL);
  guint8 proof[INVITE_PROOF_BYTES];

  invite_meet (talk->b, talk->a);
  invite_compute (talk->b, talk->a, uri.secret, proof);
  sessions_disconnect (talk->b->sessions, host_contact (talk->b, talk->a));
  host_wait_for (host_session (talk->a, talk->b) == NULL && host_session (talk->b, talk->a) == NULL);
  invite_meet (talk->b, talk->a);
  g_assert_cmpint (invite_prove (talk->b, talk->a, invite.id, proof).code, ==, EARSHOT_ERROR_REFUSED);
  invite_compute (talk->b, talk->a, uri.secret, proof);
  invite_meet (eve, talk->a);
  g_assert_cmpint (invite_prove (eve, talk->a, invite.id, proof).code, ==, EARSHOT_ERROR_REFUSED);
  g_assert_cmpint (level_of (talk->a, talk->b), ==, TRUST_UNKNOWN);
  g_assert_cmpint (level_of (talk->a, eve), ==, TRUST_UNKNOWN);
  g_assert_cmpuint (invite_made (talk->a, invite.id)->wrong, ==, 2);
  /* Where it belongs it is still good. */
  g_assert_cmpint (invite_prove (talk->b, talk->a, invite.id, proof).code, ==, -1);
  g_assert_cmpint (level_of (talk->a, talk->b), ==, TRUST_PINNED);
  host_free (eve);
}

/* At the address that the link names somebody else answers: nothing is said to him, and he can not have it said to the other. */
static void
test_man_in_the_middle (Talk *talk, gconstpointer unused)
{
  Host *mallory = host_new_started ("mallory", TRUE);
  g_auto (Invite) invite = invite_wish (talk->a, 600, 1, FALSE);
  g_auto (TrustUri) uri = invite_read (&invite, mallory);

  g_assert_cmpint (invite_accept (talk->b, &uri, FALSE), ==, -1);
  host_wait_for (strcmp (contact_get_last_error (host_contact (talk->b, talk->a)), "NameConflict") == 0);
  g_assert_cmpuint (mallory->opened, ==, 0);
  g_assert_cmpstr (invite_state (talk->b, invite.id), ==, "waiting");
  g_assert_cmpint (host_connect (talk->b, talk->a), ==, EARSHOT_ERROR_NAME_CONFLICT);
  /* As himself, called by him: he gets no proof either. */
  invite_meet (mallory, talk->b);
  host_stay_quiet (100);
  g_assert_cmpstr (invite_state (talk->b, invite.id), ==, "waiting");
  g_assert_cmpuint (g_hash_table_size (mallory->invites->tries), ==, 0);
  host_free (mallory);
}

/* --- guessing ---------------------------------------------------------------------------------------------------------- */

static const InviteLimits few = { .stream_tries = 3, .invite_tries = 5, .answer_ms = 60000, .again_ms = 50 };

static void
test_tries (Talk *talk, gconstpointer unused)
{
  g_auto (Invite) invite = invite_wish (talk->a, 600, 1, FALSE);
  g_auto (TrustUri) uri = invite_read (&invite, NULL);
  guint8 wrong[INVITE_PROOF_BYTES] = { 0 }, right[INVITE_PROOF_BYTES];

  talk->a->invites->limits = few;
  for (guint stream = 0; stream < 2; stream++)
    {
      invite_meet (talk->b, talk->a);
      for (guint i = 0; i < 3; i++)
        g_assert_cmpint (invite_prove (talk->b, talk->a, invite.id, wrong).code, ==, EARSHOT_ERROR_REFUSED);
      /* Three a stream, then nothing is right on it. */
      invite_compute (talk->b, talk->a, uri.secret, right);
      g_assert_cmpint (invite_prove (talk->b, talk->a, invite.id, right).code, ==, EARSHOT_ERROR_REFUSED);
      sessions_disconnect (talk->b->sessions, host_contact (talk->b, talk->a));
      host_wait_for (host_session (talk->a, talk->b) == NULL && host_session (talk->b, talk->a) == NULL);
      g_assert_cmpuint (g_hash_table_size (talk->a->invites->tries), ==, 0);
    }
  /* Five in all, and it is void. */
  g_assert_null (invite_made (talk->a, invite.id));
  g_assert_cmpint (trust_sql (talk->a, "SELECT count(*) FROM invite"), ==, 0);
  g_assert_cmpint (trust_sql (talk->a, "SELECT count(*) FROM audit WHERE verdict LIKE 'void:%'"), ==, 1);
  invite_meet (talk->b, talk->a);
  invite_compute (talk->b, talk->a, uri.secret, right);
  g_assert_cmpint (invite_prove (talk->b, talk->a, invite.id, right).code, ==, EARSHOT_ERROR_REFUSED);
  g_assert_cmpint (level_of (talk->a, talk->b), ==, TRUST_UNKNOWN);
}

/* Who knows no invite can end none, and what he does costs a bounded number of records. */
static void
test_flood (Talk *talk, gconstpointer unused)
{
  static const InviteLimits many = { .stream_tries = 1000, .invite_tries = 10, .answer_ms = 60000, .again_ms = 50 };
  g_auto (Invite) invite = invite_wish (talk->a, 600, 1, FALSE);
  guint8 wrong[INVITE_PROOF_BYTES] = { 0 };

  talk->a->invites->limits = many;
  invite_meet (talk->b, talk->a);
  for (guint i = 0; i < 100; i++)
    g_assert_cmpint (invite_prove (talk->b, talk->a, "0011223344556677", wrong).code, ==, EARSHOT_ERROR_REFUSED);
  g_assert_cmpstr (invite_state (talk->a, invite.id), ==, "open");
  g_assert_cmpint (trust_sql (talk->a, "SELECT count(*) FROM audit WHERE verdict = 'no-such-invite'"), ==, 16);
}

/* --- what an invite may not do --------------------------------------------------------------------------------------------- */

static int
admit (Host *host, Host *other, const char *id)
{
  Outcome outcome = { 0 };

  g_assert_true (trust_admit_invited (host->people.trust, host_fp (other), id, TRUE, "test", outcome_set, &outcome));
  return outcome_wait (&outcome);
}

/* T-17: no block is lifted, no word against a key taken back; not by its owner's proof … */
static void
test_inviter_said_no (Talk *talk, gconstpointer unused)
{
  g_auto (Invite) invite = invite_wish (talk->a, 600, 1, TRUE);
  Outcome blocked = { 0 }, unblocked = { 0 }, revoked = { 0 };

  invite_meet (talk->b, talk->a);
  trust_set_blocked (talk->a->people.trust, host_contact (talk->a, talk->b), TRUE, "test", outcome_set, &blocked);
  g_assert_cmpint (outcome_wait (&blocked), ==, -1);
  g_assert_cmpint (admit (talk->a, talk->b, invite.id), ==, EARSHOT_ERROR_BLOCKED);
  g_assert_true (contact_is_blocked (host_contact (talk->a, talk->b)));
  trust_set_blocked (talk->a->people.trust, host_contact (talk->a, talk->b), FALSE, "test", outcome_set, &unblocked);
  g_assert_cmpint (outcome_wait (&unblocked), ==, -1);
  trust_revoke (talk->a->people.trust, host_fp (talk->b), "lost", "test", outcome_set, &revoked);
  g_assert_cmpint (outcome_wait (&revoked), ==, -1);
  g_assert_cmpint (admit (talk->a, talk->b, invite.id), ==, EARSHOT_ERROR_NOT_TRUSTED);
  g_assert_cmpint (level_of (talk->a, talk->b), ==, TRUST_REVOKED);
  g_assert_cmpint (trust_sql (talk->a, "SELECT remaining FROM invite"), ==, 1);
}

/* … nor by a link that is accepted. */
static void
test_acceptor_said_no (Talk *talk, gconstpointer unused)
{
  g_auto (Invite) invite = invite_wish (talk->a, 600, 1, TRUE);
  g_auto (TrustUri) uri = invite_read (&invite, talk->a);
  Outcome blocked = { 0 }, unblocked = { 0 }, revoked = { 0 };

  host_befriend (talk->b, talk->a);
  trust_set_blocked (talk->b->people.trust, host_contact (talk->b, talk->a), TRUE, "test", outcome_set, &blocked);
  g_assert_cmpint (outcome_wait (&blocked), ==, -1);
  g_assert_cmpint (invite_accept (talk->b, &uri, TRUE), ==, EARSHOT_ERROR_BLOCKED);
  trust_set_blocked (talk->b->people.trust, host_contact (talk->b, talk->a), FALSE, "test", outcome_set, &unblocked);
  g_assert_cmpint (outcome_wait (&unblocked), ==, -1);
  trust_revoke (talk->b->people.trust, host_fp (talk->a), "lost", "test", outcome_set, &revoked);
  g_assert_cmpint (outcome_wait (&revoked), ==, -1);
  g_assert_cmpint (invite_accept (talk->b, &uri, TRUE), ==, EARSHOT_ERROR_NOT_TRUSTED);
  g_assert_cmpint (level_of (talk->b, talk->a), ==, TRUST_REVOKED);
  g_assert_cmpint (trust_sql (talk->b, "SELECT count(*) FROM invite_owed"), ==, 0);
  g_assert_cmpuint (talk->b->opened + talk->a->opened, ==, 0);
}

/* Who is forgotten or blocked after all gets nothing from us. */
static void
test_withdrawn (Talk *talk, gconstpointer forget)
{
  g_auto (Invite) invite = invite_wish (talk->a, 600, 1, TRUE);
  g_auto (TrustUri) uri = invite_read (&invite, NULL);
  Outcome outcome = { 0 };

  g_assert_cmpint (invite_accept (talk->b, &uri, TRUE), ==, -1);
  if (forget != NULL)
    trust_forget (talk->b->people.trust, host_contact (talk->b, talk->a), "test", outcome_set, &outcome);
  else
    trust_set_blocked (talk->b->people.trust, host_contact (talk->b, talk->a), TRUE, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpstr (invite_state (talk->b, invite.id), ==, "");
  g_assert_cmpint (trust_sql (talk->b, "SELECT count(*) FROM invite_owed"), ==, 0);
}

/* Who has the link is not therefore who the name says: the question stays, the use is spent. */
static void
test_name_of_another (Talk *talk, gconstpointer unused)
{
  Host *other = host_new_started ("bob", TRUE);
  g_auto (Invite) invite = invite_wish (talk->a, 600, 1, TRUE);
  g_auto (TrustUri) uri = invite_read (&invite, talk->a);

  host_befriend (talk->a, talk->b);
  host_befriend (talk->b, talk->a);
  invite_meet (talk->b, talk->a);
  sessions_disconnect (talk->b->sessions, host_contact (talk->b, talk->a));
  g_assert_cmpint (invite_accept (other, &uri, FALSE), ==, -1);
  host_wait_for (invite_is (other, invite.id, "done"));
  g_assert_cmpint (level_of (talk->a, other), ==, TRUST_UNKNOWN);
  g_assert_cmpstr (request_get_kind (host_only_request (talk->a)), ==, "name-conflict");
  g_assert_cmpint (level_of (talk->a, talk->b), ==, TRUST_PINNED);
  g_assert_cmpstr (invite_state (talk->a, invite.id), ==, "used-up");
  g_assert_cmpint (trust_sql (talk->a, "SELECT count(*) FROM audit WHERE event = 'invited' AND verdict = 'name-conflict'"), ==, 1);
  host_free (other);
}

/* The disk has the last word: no use left there, and nobody is raised, whatever memory thought. */
static void
test_disk_says_used (Talk *talk, gconstpointer unused)
{
  g_auto (Invite) invite = invite_wish (talk->a, 600, 1, FALSE);
  g_auto (TrustUri) uri = invite_read (&invite, NULL);
  guint8 proof[INVITE_PROOF_BYTES];
  Proved proved;

  trust_sql (talk->a, "UPDATE invite SET remaining = 0 RETURNING 1");
  invite_meet (talk->b, talk->a);
  invite_compute (talk->b, talk->a, uri.secret, proof);
  proved = invite_prove (talk->b, talk->a, invite.id, proof);
  g_assert_true (proved.code == -1 && proved.later);
  g_assert_cmpint (level_of (talk->a, talk->b), ==, TRUST_UNKNOWN);
  g_assert_cmpint (trust_sql (talk->a, "SELECT count(*) FROM key WHERE level = 'pinned'"), ==, 0);
  g_assert_cmpint (trust_sql (talk->a, "SELECT count(*) FROM invite_use"), ==, 0);
}

static int
wish_fails (Host *host, guint ttl_s, guint uses, gboolean in_person)
{
  g_auto (Invite) invite = invite_wish (host, ttl_s, uses, in_person);

  g_assert_null (invite.link);
  return invite.code;
}

static void
test_bounds (Talk *talk, gconstpointer unused)
{
  g_auto (Invite) own = invite_wish (talk->b, 600, 1, FALSE);
  g_auto (TrustUri) uri = invite_read (&own, NULL);

  g_assert_cmpint (invite_accept (talk->b, &uri, FALSE), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  uri.expires = g_get_real_time () / G_USEC_PER_SEC - 301;
  g_assert_cmpint (invite_accept (talk->a, &uri, FALSE), ==, EARSHOT_ERROR_TIMEOUT);
  g_assert_null (contacts_get_key (talk->a->people.contacts, host_fp (talk->b)));
  /* Whatever a link says, nobody dials for it for ever. */
  uri.expires = TRUST_URI_EXPIRES_MAX;
  g_assert_cmpint (invite_accept (talk->a, &uri, FALSE), ==, -1);
  g_assert_cmpint (owed_next_expiry (talk->a->invites), <, g_get_real_time () + 8 * G_TIME_SPAN_DAY);
  g_assert_cmpint (wish_fails (talk->a, 29, 1, FALSE), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (wish_fails (talk->a, 604801, 1, FALSE), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (wish_fails (talk->a, 600, 0, FALSE), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (wish_fails (talk->a, 600, 101, FALSE), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (wish_fails (talk->a, 600, 2, TRUE), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  trust_set_mode (talk->a->people.trust, TRUST_MODE_STRICT);
  g_assert_cmpint (wish_fails (talk->a, 600, 1, FALSE), ==, EARSHOT_ERROR_UNSUPPORTED);
  trust_set_mode (talk->a->people.trust, TRUST_MODE_ASK);
  for (guint i = 0; i < INVITES_MAX; i++)
    {
      g_auto (Invite) invite = invite_wish (talk->a, 600, 1, FALSE);

      g_assert_cmpint (invite.code, ==, -1);
    }
  g_assert_cmpint (wish_fails (talk->a, 600, 1, FALSE), ==, EARSHOT_ERROR_QUOTA_EXCEEDED);
}

/* An expired one leaves the list and the disk by itself. */
static void
test_expiry (Talk *talk, gconstpointer unused)
{
  g_auto (Invite) invite = invite_wish (talk->a, 600, 1, FALSE);
  g_auto (TrustUri) uri = invite_read (&invite, NULL);

  g_assert_cmpint (invite_accept (talk->b, &uri, FALSE), ==, -1);
  invite_made (talk->a, invite.id)->row.expires = g_get_real_time ();
  invites_schedule (talk->a->invites);
  ((Owed *) g_hash_table_lookup (talk->b->invites->owed, host_fp (talk->a)))->row.expires = g_get_real_time ();
  invites_schedule (talk->b->invites);
  host_wait_for (invite_is (talk->a, invite.id, "") && invite_is (talk->b, invite.id, ""));
  g_assert_cmpint (trust_sql (talk->a, "SELECT count(*) FROM invite"), ==, 0);
  g_assert_cmpint (trust_sql (talk->b, "SELECT count(*) FROM invite_owed"), ==, 0);
  g_assert_cmpint (level_of (talk->b, talk->a), ==, TRUST_PINNED); /* a word that was given stays */
  g_assert_cmpuint (talk->a->invites->expiry_source + talk->b->invites->expiry_source, ==, 0);
}

int
main (int argc, char **argv)
{
  alarm (240);
  g_test_init (&argc, &argv, NULL);
  TALK_TEST ("/invites/both-ends-pinned", NULL, test_both_ends);
  TALK_TEST ("/invites/both-ends-verified-in-person", "", test_both_ends);
  TALK_TEST ("/invites/in-person-at-one-end", NULL, test_one_in_person);
  TALK_TEST ("/invites/in-person-but-stale", NULL, test_stale_in_person);
  TALK_TEST ("/invites/the-inviter-calls", NULL, test_the_inviter_calls);
  TALK_TEST ("/invites/stream-is-open", NULL, test_open_stream);
  TALK_TEST ("/invites/killed-between-acceptance-and-proof", NULL, test_restarts);
  TALK_TEST ("/invites/proved-again-costs-nothing", NULL, test_proved_again);
  TALK_TEST ("/invites/plain-link", NULL, test_plain_link);
  TALK_TEST ("/invites/stolen-link-used-first-and-used-twice", NULL, test_used_twice);
  TALK_TEST ("/invites/revoked", "revoked", test_over);
  TALK_TEST ("/invites/expired", "expired", test_over);
  TALK_TEST ("/invites/clock-set-back-before-its-making", "clock-set-back", test_over);
  TALK_TEST ("/invites/wrong-secret", "wrong-secret", test_over);
  TALK_TEST ("/invites/proof-replayed-on-another-session-and-by-another-key", NULL, test_replayed);
  TALK_TEST ("/invites/man-in-the-middle-gets-nothing", NULL, test_man_in_the_middle);
  TALK_TEST ("/invites/guessing-is-bounded", NULL, test_tries);
  TALK_TEST ("/invites/flood-of-guesses", NULL, test_flood);
  TALK_TEST ("/invites/T-17-inviter-said-no-to-the-key", NULL, test_inviter_said_no);
  TALK_TEST ("/invites/T-17-acceptor-said-no-to-the-key", NULL, test_acceptor_said_no);
  TALK_TEST ("/invites/T-17-blocked-after-acceptance", NULL, test_withdrawn);
  TALK_TEST ("/invites/forgotten-after-acceptance", "", test_withdrawn);
  TALK_TEST ("/invites/T-11-name-of-another", NULL, test_name_of_another);
  TALK_TEST ("/invites/disk-says-used", NULL, test_disk_says_used);
  TALK_TEST ("/invites/bounds", NULL, test_bounds);
  TALK_TEST ("/invites/expiry", NULL, test_expiry);
  return g_test_run ();
}
