/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Introductions between whole stacks (docs/protocol.md 3.7): alice hears, bob speaks, carol is spoken about. That they arrive once, that
 * every message is answered whatever is in it, and that nobody is vouched for against what its speaker knows by then.
 */
#include "earshot-config.h"

#include "daemon/io/trust-store-private.h"
#include "daemon/proto/trust-message.h"
#include "tests/unit/talk-helper.h"

typedef struct
{
  Host *a, *b, *c;
} Trio;

static void
know (Host *host, Host *other, const char *petname, gboolean verified)
{
  Added added = { 0 };

  trust_add_contact (host->people.trust, petname, host_fp (other), &(TrustEvidence){ .source = "qr", .in_person = verified }, "test",
                     people_on_contact_added, &added);
  host_wait_for (added.done);
  g_assert_cmpint (added.code, ==, -1);
}

static void
trio_set_up (Trio *trio, gconstpointer unused)
{
  trio->a = host_new_started ("alice", TRUE);
  trio->b = host_new_started ("bob", TRUE);
  trio->c = host_new_started ("carol", TRUE);
  know (trio->b, trio->a, "alice", TRUE);
  know (trio->b, trio->c, "Carol", TRUE);
}

static void
trio_tear_down (Trio *trio, gconstpointer unused)
{
  host_free (trio->a);
  host_free (trio->b);
  host_free (trio->c);
}

static int
introduce_with (Host *host, Host *to, Host *other, const char *note)
{
  Outcome outcome = { 0 };

  introductions_send (host->introductions, host_contact (host, to), host_contact (host, other), note, "tester pid 1", outcome_set, &outcome);
  g_assert_false (outcome.done);
  return outcome_wait (&outcome);
}

static void
introduce (Trio *trio)
{
  g_assert_cmpint (introduce_with (trio->b, trio->a, trio->c, "the cook"), ==, -1);
}

/* Bob has nothing left to say, and it was confirmed. */
static void
bob_is_done (Trio *trio)
{
  host_wait_for (talk_is_settled (trio->b, 0, 0));
  talk_check_counts (trio->b);
}

static Key *
carol_at (Host *host, Trio *trio)
{
  return contacts_get_key (host->people.contacts, host_fp (trio->c));
}

static gint64
audited (Host *host, const char *where)
{
  g_autofree char *sql = g_strconcat ("SELECT count(*) FROM audit WHERE ", where, NULL);

  people_settle (&host->people);
  return raw_sql (host->people.trust_store->db, sql);
}

/* Opens a stream between the two; each knows the other's key. */
static void
meet (Host *a, Host *b)
{
  host_sees (a, b);
  g_assert_cmpint (host_connect (a, b), ==, -1);
  host_wait_for (host_session (a, b) != NULL && host_session (b, a) != NULL);
}

/* What bob's program would never say. */
static void
say_raw (Host *host, Host *to, const char *id, const char *body, const TrustMessage *said)
{
  g_autoptr (Stanza) message = stanza_new ("message", NS_CLIENT);

  stanza_set_attr (message, "type", "chat");
  stanza_set_attr (message, "id", id);
  if (body != NULL)
    stanza_add_new (message, "body", NS_CLIENT, body);
  stanza_add_new (message, "request", NS_RECEIPTS, NULL);
  if (said != NULL)
    trust_message_add (message, said, "carol@x");
  else
    stanza_add_new (message, "trust-message", NS_TRUST_MESSAGE, NULL);
  g_assert_true (session_send (host_session (host, to), message));
}

typedef struct {
  gboolean done;
  gboolean ok;
} Pong;

static void
on_pong (gpointer user, const Stanza *reply, const GError *error)
{
  Pong *pong = user;

  pong->done = TRUE;
  pong->ok = error == NULL;
}

/* Everything said before was read at the other end, and what followed from it is on its disk. */
static void
worked_off (Host *host, Host *other)
{
  Pong pong = { 0 };

  router_query (host->router, host_session (host, other), "get", stanza_new ("ping", NS_PING), 60000, on_pong, &pong);
  host_wait_for (pong.done);
  g_assert_true (pong.ok);
  people_settle (&other->people);
}

/* --- T-18 ------------------------------------------------------------------------------ */

static void
test_introduced (Trio *trio, gconstpointer unused)
{
  Request *request;
  Outcome outcome = { 0 };
  g_autoptr (GPtrArray) words = NULL;
  g_autofree char *id = NULL;
  DeliveryOptions options = { .require = REQUIRE_VOUCHED };
  Sent sent = { 0 };

  know (trio->a, trio->b, "bob", TRUE);
  /* Nobody is there yet: it waits, and survives. */
  introduce (trio);
  g_assert_cmpuint (delivery_get_queued (trio->b->delivery, NULL), ==, 1);
  host_restart (trio->b);
  g_assert_cmpuint (delivery_get_queued (trio->b->delivery, NULL), ==, 1);
  host_sees (trio->b, trio->a);
  bob_is_done (trio);
  host_wait_for (host_count_requests (trio->a) == 1);
  request = host_only_request (trio->a);
  g_assert_cmpstr (request_get_kind (request), ==, "introduction");
  g_assert_cmpstr (request_get_name (request), ==, "Carol");
  g_assert_cmpstr (request_get_note (request), ==, "the cook");
  g_assert_true (request_get_introducer (request) == host_contact (trio->a, trio->b));
  g_assert_null (carol_at (trio->a, trio));
  words = talk_inbox (trio->a);
  g_assert_cmpuint (words->len, ==, 1);
  g_assert_true (g_str_has_prefix (words->pdata[0], "This is Carol, by the key "));
  g_assert_true (g_str_has_suffix (words->pdata[0], ": the cook"));
  host_restart (trio->a);
  request = host_only_request (trio->a);
  trust_resolve (trio->a->people.trust, request_get_id (request), "accept", host_fp (trio->c), "carol", FALSE, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (key_get_level (carol_at (trio->a, trio)), ==, TRUST_VOUCHED);
  g_assert_true (key_get_introduced_by (carol_at (trio->a, trio)) == host_contact (trio->a, trio->b));
  /* And they talk. */
  know (trio->c, trio->a, "alice", FALSE);
  talk_start_sending (trio->a, host_contact (trio->a, trio->c), "hello", &options, &sent);
  host_sees (trio->a, trio->c);
  host_wait_for (sent.done && talk_is_settled (trio->a, 0, 0));
  g_assert_cmpint (sent.code, ==, -1);
  talk_assert_state (trio->a, sent.id, "delivered");
  g_free (sent.id);
  id = talk_send (trio->c, trio->a, "yes?");
  host_wait_for (talk_is_settled (trio->c, 0, 0));
  talk_assert_state (trio->c, id, "delivered");
  g_assert_cmpint (audited (trio->b, "event = 'introduce' AND verdict = 'queued' AND caller = 'tester pid 1'"), ==, 1);
}

/* She pinned him and no more: she reads it, it counts for nothing, and he is confirmed like anybody. */
static void
test_from_pinned (Trio *trio, gconstpointer unused)
{
  g_autoptr (GPtrArray) words = NULL;

  know (trio->a, trio->b, "bob", FALSE);
  introduce (trio);
  host_sees (trio->b, trio->a);
  bob_is_done (trio);
  words = talk_inbox (trio->a);
  g_assert_cmpuint (words->len, ==, 1);
  g_assert_cmpuint (host_count_requests (trio->a), ==, 0);
  g_assert_null (carol_at (trio->a, trio));
  g_assert_cmpint (audited (trio->a, "event = 'introduction' AND verdict = 'speaker-not-verified'"), ==, 1);
  /* Being verified later does not make it heard later. */
  know (trio->a, trio->b, "bob", TRUE);
  people_settle (&trio->a->people);
  g_assert_cmpuint (host_count_requests (trio->a), ==, 0);
}

/* She does not know him: what he says stands aside with his knock, and the rest of it nowhere. */
static void
test_from_stranger (Trio *trio, gconstpointer unused)
{
  TrustMessage said = { .n_keys = 1, .name = (char *) "Carol" };

  said.keys[0].fp = *host_fp (trio->c);
  meet (trio->b, trio->a);
  say_raw (trio->b, trio->a, "r1", "this is Carol", &said);
  say_raw (trio->b, trio->a, "r2", NULL, &said);
  worked_off (trio->b, trio->a);
  host_wait_for (delivery_get_aside (trio->a->delivery, host_fp (trio->b)) == 1);
  g_assert_cmpuint (host_count_requests (trio->a), ==, 1);
  g_assert_cmpstr (request_get_kind (host_only_request (trio->a)), ==, "new-key");
  g_assert_cmpint (host_resolve (trio->a, "accept", TRUE), ==, -1);
  people_settle (&trio->a->people);
  g_assert_cmpuint (host_count_requests (trio->a), ==, 0);
  g_assert_null (carol_at (trio->a, trio));
}

/* The same message again and again, with words and without, and ones that nobody can read: each is confirmed, one is asked about. */
static void
test_replayed (Trio *trio, gconstpointer unused)
{
  TrustMessage said = { .n_keys = 1, .name = (char *) "Carol" };
  g_autoptr (GPtrArray) words = NULL;

  said.keys[0].fp = *host_fp (trio->c);
  know (trio->a, trio->b, "bob", TRUE);
  meet (trio->b, trio->a);
  for (guint i = 0; i < 3; i++)
    {
      say_raw (trio->b, trio->a, "same", "this is Carol", &said);
      say_raw (trio->b, trio->a, "mute", NULL, &said);
      say_raw (trio->b, trio->a, "malformed", "trust me", NULL);
      say_raw (trio->b, trio->a, "malformed-mute", NULL, NULL);
    }
  worked_off (trio->b, trio->a);
  host_wait_for (host_count_requests (trio->a) == 1);
  g_assert_cmpint (host_resolve (trio->a, "reject", TRUE), ==, -1);
  host_restart (trio->a);
  host_wait_for (host_session (trio->b, trio->a) == NULL);
  meet (trio->b, trio->a);
  say_raw (trio->b, trio->a, "same", "this is Carol", &said);
  say_raw (trio->b, trio->a, "another", "this is Carol, really", &said);
  worked_off (trio->b, trio->a);
  host_wait_for (delivery_get_unread (trio->a->delivery, NULL) == 3);
  g_assert_cmpuint (host_count_requests (trio->a), ==, 0);
  words = talk_inbox (trio->a);
  g_assert_cmpuint (words->len, ==, 3);
  g_assert_cmpint (audited (trio->a, "event = 'introduction' AND verdict = 'malformed'"), ==, 6);
}

/* --- what is said --------------------------------------------------------------------------- */

static void
test_refused_here (Trio *trio, gconstpointer unused)
{
  g_autofree char *long_note = g_strnfill (257, 'x');
  Outcome outcome = { 0 };

  g_assert_cmpint (introduce_with (trio->b, trio->a, trio->a, ""), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (introduce_with (trio->b, trio->a, trio->c, "two\nlines"), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (introduce_with (trio->b, trio->a, trio->c, "\342\200\256evil"), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (introduce_with (trio->b, trio->a, trio->c, long_note), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  know (trio->a, trio->b, "bob", TRUE);
  know (trio->a, trio->c, "carol", FALSE);
  /* Neither to nor about somebody who is pinned. */
  g_assert_cmpint (introduce_with (trio->a, trio->b, trio->c, ""), ==, EARSHOT_ERROR_NOT_TRUSTED);
  g_assert_cmpint (introduce_with (trio->a, trio->c, trio->b, ""), ==, EARSHOT_ERROR_NOT_TRUSTED);
  trust_set_blocked (trio->b->people.trust, host_contact (trio->b, trio->c), TRUE, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (introduce_with (trio->b, trio->a, trio->c, ""), ==, EARSHOT_ERROR_BLOCKED);
  g_assert_cmpint (introduce_with (trio->b, trio->c, trio->a, ""), ==, EARSHOT_ERROR_BLOCKED);
  g_assert_cmpint (talk_sql (trio->a, "SELECT count(*) FROM outbox") + talk_sql (trio->b, "SELECT count(*) FROM outbox"), ==, 0);
}

/* We have another key since the daemon started: it is the one that nobody introduces to us, and the one we speak of as ours. */
static void
test_our_key_is_another (Trio *trio, gconstpointer unused)
{
  TrustMessage said = { .n_keys = 1, .name = (char *) "somebody", .note = (char *) "" };
  g_autoptr (Stanza) message = stanza_new ("message", NS_CLIENT);
  g_autoptr (GError) error = NULL;
  Session *session;
  Pong pong = { 0 };

  know (trio->a, trio->b, "bob", TRUE);
  meet (trio->b, trio->a);
  session = host_session (trio->b, trio->a); /* of the key that she had */
  g_assert_true (identity_begin_rotation (trio->a->identity, &error));
  g_assert_true (identity_finish_rotation (trio->a->identity, trio->a->addr, &error));
  g_assert_no_error (error);
  said.keys[0].fp = *host_fp (trio->a);
  trust_message_add (message, &said, "somebody@x");
  g_assert_true (session_send (session, message));
  router_query (trio->b->router, session, "get", stanza_new ("ping", NS_PING), 60000, on_pong, &pong);
  host_wait_for (pong.done);
  people_settle (&trio->a->people);
  g_assert_cmpuint (host_count_requests (trio->a), ==, 0);
  g_assert_null (contacts_get_key (trio->a->people.contacts, host_fp (trio->a)));
  g_assert_cmpint (audited (trio->a, "verdict = 'our-key'"), ==, 1);
}

/* It waited, and what it says is not what he thinks any more; what lies on his disk may be damaged, too. */
static void
test_untrue_by_then (Trio *trio, gconstpointer how)
{
  Outcome outcome = { 0 };
  g_autoptr (GPtrArray) words = NULL;
  g_autofree char *id = NULL;

  know (trio->a, trio->b, "bob", TRUE);
  introduce (trio);
  if (g_str_equal (how, "damaged"))
    {
      talk_sql (trio->b, "UPDATE outbox SET payload = '<message><trust-message'");
      host_restart (trio->b);
    }
  else
    {
      trust_revoke (trio->b->people.trust, host_fp (trio->c), "", "test", outcome_set, &outcome);
      g_assert_cmpint (outcome_wait (&outcome), ==, -1);
    }
  id = talk_send (trio->b, trio->a, "how are you?");
  host_sees (trio->b, trio->a);
  bob_is_done (trio);
  talk_assert_state (trio->b, id, "delivered");
  words = talk_inbox (trio->a);
  g_assert_cmpuint (words->len, ==, 1);
  g_assert_cmpstr (words->pdata[0], ==, "how are you?");
  g_assert_cmpuint (host_count_requests (trio->a), ==, 0);
  g_assert_cmpint (talk_sql (trio->b, g_str_equal (how, "damaged") ? "SELECT count(*) FROM log WHERE kind = 0 AND state = 'cancelled' AND reason = 'damaged'"
                                                                   : "SELECT count(*) FROM log WHERE kind = 0 AND state = 'cancelled' AND reason = 'not-verified'"),
                   ==, 1);
}

/* --- T-19 ------------------------------------------------------------------------------------ */

/* He gives his key up: whoever trusted it and hears it has his last word confirmed, ends the stream, and lets the key in no more. */
static void
test_disowned (Trio *trio, gconstpointer level)
{
  TrustMessage said = { .n_keys = 1 };

  said.keys[0] = (TrustMessageKey){ .fp = *host_fp (trio->b), .distrust = TRUE };
  know (trio->a, trio->b, "bob", level != NULL);
  meet (trio->b, trio->a);
  say_raw (trio->b, trio->a, "d1", "my key is in other hands", &said);
  host_wait_for (host_session (trio->a, trio->b) == NULL && host_session (trio->b, trio->a) == NULL);
  g_assert_cmpint (contact_get_trust (host_contact (trio->a, trio->b)), ==, TRUST_REVOKED);
  g_assert_cmpint (audited (trio->a, "event = 'revoke' AND caller = 'peer'"), ==, 1);
  /* Also behind a restart. */
  host_restart (trio->a);
  host_sees (trio->b, trio->a);
  g_assert_cmpint (host_connect (trio->b, trio->a), !=, -1);
}

static void
test_warned (Trio *trio, gconstpointer unused)
{
  TrustMessage said = { .n_keys = 1 };

  said.keys[0] = (TrustMessageKey){ .fp = *host_fp (trio->c), .distrust = TRUE };
  know (trio->a, trio->b, "bob", TRUE);
  know (trio->a, trio->c, "carol", FALSE);
  meet (trio->b, trio->a);
  say_raw (trio->b, trio->a, "w1", "carol lost her phone", &said);
  worked_off (trio->b, trio->a);
  host_wait_for (key_is_distrusted (carol_at (trio->a, trio)));
  g_assert_cmpint (key_get_level (carol_at (trio->a, trio)), ==, TRUST_PINNED);
  g_assert_nonnull (host_session (trio->a, trio->b));
}

#define TEST(path, data, func) g_test_add ("/introductions/" path, Trio, data, trio_set_up, func, trio_tear_down)

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  TEST ("T-18-introduced", NULL, test_introduced);
  TEST ("T-18-from-pinned", NULL, test_from_pinned);
  TEST ("T-18-from-stranger", NULL, test_from_stranger);
  TEST ("replayed", NULL, test_replayed);
  TEST ("refused-here", NULL, test_refused_here);
  TEST ("untrue-by-then", "revoked", test_untrue_by_then);
  TEST ("damaged-by-then", "damaged", test_untrue_by_then);
  TEST ("T-19-disowned", NULL, test_disowned);
  TEST ("T-19-disowned-verified", "verified", test_disowned);
  TEST ("T-18-our-key-is-another", NULL, test_our_key_is_another);
  TEST ("T-19-warned", NULL, test_warned);
  return g_test_run ();
}
