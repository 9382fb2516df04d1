/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Messages between two whole stacks: strangers, friends, decisions. What the counts say is compared with the disk.
 */
#include "earshot-config.h"

#include "tests/unit/talk-helper.h"

static void
check_both (Talk *talk)
{
  talk_check_counts (talk->a);
  talk_check_counts (talk->b);
}

/* --- friends ------------------------------------------------------------------------- */

static void
test_friends (Talk *talk, gconstpointer unused)
{
  g_autofree char *id = NULL;
  Outcome outcome = { 0 };
  Contact *alice;

  talk_befriend (talk);
  id = talk_send (talk->a, talk->b, "0");
  talk_assert_state (talk->a, id, "queued");
  talk_check_counts (talk->a);
  host_sees (talk->a, talk->b);
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  talk_assert_state (talk->a, id, "delivered");
  talk_send_numbers (talk->a, host_contact (talk->a, talk->b), 1, 50);
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  talk_assert_numbers (talk->b, 50);
  g_assert_cmpuint (talk->a->opened, ==, 1);
  check_both (talk);
  alice = host_contact (talk->b, talk->a);
  g_assert_cmpuint (delivery_get_unread (talk->b->delivery, alice), ==, 50);
  delivery_mark_read (talk->b->delivery, alice, delivery_get_last_seq (talk->b->delivery, alice), outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpuint (delivery_get_unread (talk->b->delivery, alice), ==, 0);
  talk_check_counts (talk->b);
  /* Nothing is awaited any more, so the stream may go when it is idle. */
  g_assert_false (host_session (talk->a, talk->b)->awaiting);
}

/* The other side's words wait for it on our disk; it dials as soon as it has something to say itself. */
static void
test_both_ways (Talk *talk, gconstpointer unused)
{
  talk_befriend (talk);
  talk_send_numbers (talk->a, host_contact (talk->a, talk->b), 0, 20);
  talk_send_numbers (talk->b, host_contact (talk->b, talk->a), 0, 20);
  host_sees (talk->a, talk->b);
  host_sees (talk->b, talk->a);
  host_wait_for (talk_is_settled (talk->a, 0, 0) && talk_is_settled (talk->b, 0, 0));
  talk_assert_numbers (talk->a, 20);
  talk_assert_numbers (talk->b, 20);
  check_both (talk);
}

static void
test_refused_input (Talk *talk, gconstpointer unused)
{
  g_autofree char *huge = g_strnfill (DELIVERY_BODY_MAX + 1, 'x'), *escapes = g_strnfill (30000, '<');
  g_autofree char *fits = g_strnfill (DELIVERY_BODY_MAX, 'x'), *long_thread = g_strnfill (256, 't');
  DeliveryOptions past = { .require = REQUIRE_ENCRYPTED, .expires = g_get_real_time () - 1 };
  DeliveryOptions thread = { .require = REQUIRE_ENCRYPTED, .thread = long_thread };
  DeliveryOptions verified = { .require = REQUIRE_VERIFIED }, pinned = { .require = REQUIRE_PINNED };
  Contact *bob;
  Outcome outcome = { 0 };
  Sent sent = { 0 };

  talk_befriend (talk);
  bob = host_contact (talk->a, talk->b);
  g_assert_cmpint (talk_send_fails (talk->a, bob, "", NULL), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (talk_send_fails (talk->a, bob, "a\001b", NULL), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (talk_send_fails (talk->a, bob, "\357\277\276", NULL), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (talk_send_fails (talk->a, bob, "\377", NULL), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (talk_send_fails (talk->a, bob, huge, NULL), ==, EARSHOT_ERROR_TOO_LARGE);
  g_assert_cmpint (talk_send_fails (talk->a, bob, escapes, NULL), ==, EARSHOT_ERROR_TOO_LARGE);
  g_assert_cmpint (talk_send_fails (talk->a, bob, "x", &past), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (talk_send_fails (talk->a, bob, "x", &thread), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (talk_send_fails (talk->a, bob, "x", &verified), ==, EARSHOT_ERROR_NOT_TRUSTED);
  g_assert_cmpint (talk_sql (talk->a, "SELECT count(*) FROM log"), ==, 0);
  talk_start_sending (talk->a, bob, fits, &pinned, &sent);
  host_wait_for (sent.done);
  g_assert_cmpint (sent.code, ==, -1);
  g_free (sent.id);
  trust_set_blocked (talk->a->people.trust, bob, TRUE, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (talk_send_fails (talk->a, bob, "x", NULL), ==, EARSHOT_ERROR_BLOCKED);
  talk_check_counts (talk->a);
}

static void
test_token (Talk *talk, gconstpointer unused)
{
  DeliveryOptions options = { .require = REQUIRE_ENCRYPTED, .token = "once" };
  Sent first = { 0 }, second = { 0 };

  talk_befriend (talk);
  talk_start_sending (talk->a, host_contact (talk->a, talk->b), "0", &options, &first);
  talk_start_sending (talk->a, host_contact (talk->a, talk->b), "0", &options, &second);
  host_wait_for (first.done && second.done);
  g_assert_cmpstr (first.id, ==, second.id);
  g_free (first.id);
  g_free (second.id);
  talk_check_counts (talk->a);
  host_sees (talk->a, talk->b);
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  talk_assert_numbers (talk->b, 1);
}

/* --- strangers ------------------------------------------------------------------------ */

/* Neither knows the other. Each yes lets as much through as it says. */
static void
test_strangers (Talk *talk, gconstpointer restart)
{
  g_autofree char *first = NULL;

  host_sees (talk->a, talk->b);
  first = talk_send (talk->a, talk->b, "0");
  talk_send_numbers (talk->a, host_contact (talk->a, talk->b), 1, 12);
  /* Ours is held until we accept their key. */
  host_wait_for (talk_is_settled (talk->a, 12, 12));
  talk_assert_state (talk->a, first, "held:approval-needed");
  check_both (talk);
  g_assert_cmpuint (delivery_get_aside (talk->b->delivery, host_fp (talk->a)), ==, 0);
  g_assert_cmpint (host_resolve (talk->a, "accept", FALSE), ==, -1);
  /* Now eight lie aside there: not told, not counted, not confirmed. */
  host_wait_for (delivery_get_aside (talk->b->delivery, host_fp (talk->a)) == DELIVERY_ASIDE_MAX);
  host_stay_quiet (100);
  g_assert_cmpuint (delivery_get_aside (talk->b->delivery, host_fp (talk->a)), ==, DELIVERY_ASIDE_MAX);
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM aside"), ==, DELIVERY_ASIDE_MAX);
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM log"), ==, 0);
  g_assert_cmpuint (delivery_get_unread (talk->b->delivery, NULL), ==, 0);
  g_assert_true (talk_is_settled (talk->a, 12, 12));
  talk_assert_state (talk->a, first, "held:waiting-approval");
  check_both (talk);
  /* Nothing comes of waiting: nobody asks the other whether it still lives. */
  g_assert_false (host_session (talk->a, talk->b)->awaiting);
  if (restart != NULL && strchr (restart, 'b') != NULL)
    {
      host_restart (talk->b);
      host_sees (talk->a, talk->b);
      g_assert_cmpuint (host_count_requests (talk->b), ==, 1);
      host_sees (talk->b, talk->a);
    }
  if (restart != NULL && strchr (restart, 'a') != NULL)
    {
      host_restart (talk->a);
      host_sees (talk->a, talk->b);
      host_sees (talk->b, talk->a);
    }
  g_assert_cmpint (host_resolve (talk->b, "accept", FALSE), ==, -1);
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  talk_assert_numbers (talk->b, 12);
  talk_assert_state (talk->a, first, "delivered");
  g_assert_cmpuint (delivery_get_unread (talk->b->delivery, NULL), ==, 12);
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM aside"), ==, 0);
  g_assert_cmpuint (delivery_get_aside (talk->b->delivery, host_fp (talk->a)), ==, 0);
  host_wait_for (!key_is_grant_owed (contacts_get_key (talk->b->people.contacts, host_fp (talk->a))));
  check_both (talk);
}

static void
test_rejected (Talk *talk, gconstpointer choice)
{
  host_befriend (talk->a, talk->b);
  host_sees (talk->a, talk->b);
  talk_send_numbers (talk->a, host_contact (talk->a, talk->b), 0, 3);
  host_wait_for (delivery_get_aside (talk->b->delivery, host_fp (talk->a)) == 3);
  g_assert_cmpint (host_resolve (talk->b, choice, FALSE), ==, -1);
  host_wait_for (talk->a->closed > 0);
  host_stay_quiet (100);
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM aside"), ==, 0);
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM log"), ==, 0);
  g_assert_true (talk_is_settled (talk->a, 3, 3));
  check_both (talk);
}

/* What does not fit a message request waits, and what was written after it does not go first. */
static void
test_request_in_order (Talk *talk, gconstpointer unused)
{
  g_autofree char *large = g_strnfill (DELIVERY_ASIDE_BODY_MAX + 1, 'x');
  g_autofree char *id = NULL;
  g_autoptr (GPtrArray) bodies = NULL;

  host_befriend (talk->a, talk->b);
  talk_send_numbers (talk->a, host_contact (talk->a, talk->b), 0, 2);
  id = talk_send (talk->a, talk->b, large);
  talk_send_numbers (talk->a, host_contact (talk->a, talk->b), 2, 4);
  host_sees (talk->a, talk->b);
  host_wait_for (delivery_get_aside (talk->b->delivery, host_fp (talk->a)) == 2);
  host_wait_for (talk_is_settled (talk->a, 5, 5));
  host_stay_quiet (100);
  g_assert_cmpuint (delivery_get_aside (talk->b->delivery, host_fp (talk->a)), ==, 2);
  g_assert_cmpint (host_resolve (talk->b, "accept", FALSE), ==, -1);
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  bodies = talk_inbox (talk->b);
  g_assert_cmpuint (bodies->len, ==, 5);
  g_assert_cmpstr (g_ptr_array_index (bodies, 1), ==, "1");
  g_assert_cmpstr (g_ptr_array_index (bodies, 2), ==, large);
  g_assert_cmpstr (g_ptr_array_index (bodies, 3), ==, "2");
  check_both (talk);
}

static Stanza *
make_message (const char *id, const char *body)
{
  Stanza *message = stanza_new ("message", NS_CLIENT);

  stanza_set_attr (message, "type", "chat");
  stanza_set_attr (message, "id", id);
  if (body != NULL)
    {
      stanza_add_new (message, "body", NS_CLIENT, body);
      stanza_add_new (message, "request", NS_RECEIPTS, NULL);
    }
  return message;
}

static void
say (Session *session, Stanza *message_take)
{
  g_assert_true (session_send (session, message_take));
  stanza_unref (message_take);
}

/* What a bare host heard besides questions. */
static guint
count_messages (Host *host)
{
  guint count = 0;

  for (guint i = 0; i < host->heard->len; i++)
    count += stanza_is (g_ptr_array_index (host->heard, i), "message", NS_CLIENT);
  return count;
}

/* How many of what a bare host heard are errors that say `untrusted`. */
static guint
count_untrusted (Host *host)
{
  guint count = 0;

  for (guint i = 0; i < host->heard->len; i++)
    {
      const Stanza *error = stanza_get_child (g_ptr_array_index (host->heard, i), "error", NS_CLIENT);

      count += error != NULL && stanza_get_child (error, "untrusted", NS_LL_TRUST) != NULL
               && stanza_get_child (error, "not-authorized", NS_STANZA_ERRORS) != NULL;
    }
  return count;
}

/* A caller that does as it likes on a restricted stream. */
static void
test_hostile_stranger (Talk *talk, gconstpointer unused)
{
  g_autoptr (Host) mallory = host_new_started ("mallory", FALSE);
  g_autofree char *large = g_strnfill (DELIVERY_ASIDE_BODY_MAX + 1, 'x'), *long_id = g_strnfill (257, 'i');
  Session *session;

  host_sees (mallory, talk->b);
  g_assert_cmpint (host_connect (mallory, talk->b), ==, -1);
  session = host_session (mallory, talk->b);
  say (session, make_message ("large", large));
  for (int i = 0; i < 200; i++)
    {
      g_autofree char *id = g_strdup_printf ("id%d", i);

      say (session, make_message (id, "buy!"));
    }
  host_wait_for (count_untrusted (mallory) == 193);
  g_assert_cmpuint (delivery_get_aside (talk->b->delivery, host_fp (mallory)), ==, 8);
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM aside"), ==, 8);
  /* Receipts, typing and errors of a stranger are nothing; an error is never answered (M-08). */
  g_ptr_array_set_size (mallory->heard, 0);
  for (int i = 0; i < 3; i++)
    {
      Stanza *message = make_message ("e", i == 0 ? "body" : NULL);

      if (i == 0)
        stanza_set_attr (message, "type", "error");
      else if (i == 1)
        stanza_set_attr (stanza_add_new (message, "received", NS_RECEIPTS, NULL), "id", "x");
      else
        stanza_add_new (message, "composing", NS_CHATSTATES, NULL);
      say (session, message);
    }
  say (session, make_message (long_id, "last"));
  host_wait_for (count_messages (mallory) == 1);
  g_assert_cmpuint (count_untrusted (mallory), ==, 0); /* bad-request for an id that nobody would store */
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM log"), ==, 0);
  talk_check_counts (talk->b);
  /* M-09: never a receipt to who is not trusted. */
  for (guint i = 0; i < mallory->heard->len; i++)
    g_assert_null (stanza_get_child (g_ptr_array_index (mallory->heard, i), "received", NS_RECEIPTS));
}

/* --- a friend who does not behave -------------------------------------------------------- */

static Stanza *
make_error (const char *id, const char *type, const char *condition, const char *app)
{
  Stanza *message = make_message (id, NULL), *error;

  stanza_set_attr (message, "type", "error");
  error = stanza_add_new (message, "error", NS_CLIENT, NULL);
  stanza_set_attr (error, "type", type);
  stanza_add_new (error, condition, NS_STANZA_ERRORS, NULL);
  if (app != NULL)
    stanza_add_new (error, app, NS_LL_TRUST, NULL);
  return message;
}

static void
test_bounces (Talk *talk, gconstpointer unused)
{
  g_autoptr (Host) carol = host_new_started ("carol", FALSE);
  g_autofree char *cancel = NULL, *waits = NULL, *auth = NULL, *behind = NULL, *other = NULL;
  Session *session;

  host_befriend (talk->a, carol);
  host_befriend (carol, talk->a);
  talk_befriend (talk);
  host_sees (talk->a, carol);
  cancel = talk_send (talk->a, carol, "one");
  waits = talk_send (talk->a, carol, "two");
  auth = talk_send (talk->a, carol, "three");
  other = talk_send (talk->a, talk->b, "for bob"); /* who is not there */
  host_wait_for (count_messages (carol) >= 3);
  session = host_session (carol, talk->a);
  say (session, make_error (waits, "wait", "resource-constraint", NULL));
  say (session, make_error (other, "cancel", "conflict", NULL)); /* not hers */
  say (session, make_message ("no-error-in-it", NULL));
  say (session, make_error (cancel, "cancel", "service-unavailable", NULL));
  host_wait_for (talk_is_settled (talk->a, 3, 0));
  talk_assert_state (talk->a, cancel, "failed:service-unavailable");
  talk_assert_state (talk->a, waits, "queued");
  say (session, make_error (auth, "auth", "not-authorized", "untrusted"));
  host_wait_for (talk_is_settled (talk->a, 3, 1));
  talk_assert_state (talk->a, auth, "held:waiting-approval");
  talk_assert_state (talk->a, other, "queued");
  talk_check_counts (talk->a);
  /* What is written after it waits behind it … */
  behind = talk_send (talk->a, carol, "four");
  host_stay_quiet (100);
  g_assert_cmpuint (count_messages (carol), ==, 3);
  /* … and goes when that one is given up. */
  g_assert_cmpint (talk_cancel (talk->a, auth), ==, -1);
  host_wait_for (count_messages (carol) == 4);
  talk_check_counts (talk->a);
}

static Stanza *
make_receipt (const char *id)
{
  Stanza *message = make_message ("receipt", NULL);

  stanza_set_attr (stanza_add_new (message, "received", NS_RECEIPTS, NULL), "id", id);
  return message;
}

static void
test_forged_receipts (Talk *talk, gconstpointer unused)
{
  g_autoptr (Host) carol = host_new_started ("carol", FALSE);
  g_autofree char *for_bob = NULL, *for_carol = NULL;
  Session *session;

  host_befriend (talk->a, carol);
  host_befriend (carol, talk->a);
  talk_befriend (talk);
  for_bob = talk_send (talk->a, talk->b, "for bob");
  host_sees (talk->a, carol);
  for_carol = talk_send (talk->a, carol, "for carol");
  host_wait_for (count_messages (carol) >= 1);
  session = host_session (carol, talk->a);
  say (session, make_receipt (for_bob));
  for (int i = 0; i < 300; i++)
    say (session, make_receipt ("no such id"));
  say (session, make_receipt (for_carol));
  say (session, make_receipt (for_carol));
  host_wait_for (talk_is_settled (talk->a, 1, 0));
  talk_assert_state (talk->a, for_bob, "queued");
  talk_assert_state (talk->a, for_carol, "delivered");
  talk_check_counts (talk->a);
}

/* M-06: a repeat is confirmed again and not shown; the same id with other words is an error. */
static void
test_repeats (Talk *talk, gconstpointer unused)
{
  g_autoptr (Host) carol = host_new_started ("carol", FALSE);
  Session *session;

  host_befriend (talk->b, carol);
  host_befriend (carol, talk->b);
  for (int round = 0; round < 2; round++)
    {
      host_sees (carol, talk->b);
      g_assert_cmpint (host_connect (carol, talk->b), ==, -1);
      session = host_session (carol, talk->b);
      g_ptr_array_set_size (carol->heard, 0);
      say (session, make_message ("same", "0"));
      say (session, make_message ("same", "0"));
      host_wait_for (count_messages (carol) >= 2);
      g_ptr_array_set_size (carol->heard, 0);
      say (session, make_message ("same", "something else"));
      host_wait_for (count_messages (carol) >= 1);
      g_assert_nonnull (stanza_get_child (g_ptr_array_index (carol->heard, carol->heard->len - 1), "error", NS_CLIENT));
      talk_assert_numbers (talk->b, 1);
      talk_check_counts (talk->b);
      if (round == 0)
        {
          host_restart (talk->b);
          host_wait_for (carol->closed == 1);
        }
    }
}

/* --- typing ------------------------------------------------------------------------------------ */

typedef struct
{
  guint on, off;
} Typing;

static void
on_typing (gpointer user, Contact *contact, gboolean active)
{
  Typing *typing = user;

  *(active ? &typing->on : &typing->off) += 1;
}

static void
test_typing (Talk *talk, gconstpointer unused)
{
  static const DeliveryWatch watch = { .typing = on_typing };
  Typing typing = { 0 };
  Contact *bob;

  talk_befriend (talk);
  bob = host_contact (talk->a, talk->b);
  delivery_watch (talk->b->delivery, &watch, &typing);
  delivery_set_typing (talk->a->delivery, bob, TRUE); /* never queued */
  host_sees (talk->a, talk->b);
  g_assert_cmpint (host_connect (talk->a, talk->b), ==, -1);
  host_wait_for (host_session (talk->b, talk->a) != NULL);
  for (int i = 0; i < 3; i++)
    delivery_set_typing (talk->a->delivery, bob, TRUE);
  host_wait_for (typing.on == 1);
  /* A message ends it. */
  g_free (talk_send (talk->a, talk->b, "0"));
  host_wait_for (typing.off == 1 && talk_is_settled (talk->a, 0, 0));
  delivery_set_typing (talk->a->delivery, bob, FALSE);
  delivery_set_typing (talk->a->delivery, bob, TRUE);
  host_wait_for (typing.on == 2);
  /* So does the end of the stream. */
  sessions_disconnect (talk->a->sessions, bob);
  host_wait_for (typing.off == 2);
  g_assert_cmpint (talk_sql (talk->a, "SELECT count(*) FROM outbox"), ==, 0);
}

/* A friend who turned writes, and does not, and writes: it fills no queue of a program on the bus that looks away. */
static void
test_typing_flood (Talk *talk, gconstpointer unused)
{
  static const DeliveryWatch watch = { .typing = on_typing };
  Typing typing = { 0 };

  talk_befriend (talk);
  delivery_watch (talk->b->delivery, &watch, &typing);
  host_sees (talk->a, talk->b);
  g_assert_cmpint (host_connect (talk->a, talk->b), ==, -1);
  host_wait_for (host_session (talk->b, talk->a) != NULL);
  for (int i = 0; i < 200; i++)
    {
      g_autoptr (Stanza) message = stanza_new ("message", NS_CLIENT);

      stanza_add_new (message, i % 2 == 0 ? "composing" : "active", NS_CHATSTATES, NULL);
      g_assert_true (session_send (host_session (talk->a, talk->b), message));
    }
  g_free (talk_send (talk->a, talk->b, "0"));
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  g_assert_cmpuint (typing.on, ==, DELIVERY_TYPING_MAX);
  g_assert_cmpuint (typing.off, ==, DELIVERY_TYPING_MAX);
}

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  TALK_TEST ("/delivery/friends", NULL, test_friends);
  TALK_TEST ("/delivery/both-ways", NULL, test_both_ways);
  TALK_TEST ("/delivery/refused-input", NULL, test_refused_input);
  TALK_TEST ("/delivery/token", NULL, test_token);
  TALK_TEST ("/delivery/strangers/T-08-T-09", NULL, test_strangers);
  TALK_TEST ("/delivery/strangers/T-09-receiver-restarts", "b", test_strangers);
  TALK_TEST ("/delivery/strangers/T-09-sender-restarts", "a", test_strangers);
  TALK_TEST ("/delivery/strangers/T-09-both-restart", "ba", test_strangers);
  TALK_TEST ("/delivery/strangers/rejected", "reject", test_rejected);
  TALK_TEST ("/delivery/strangers/blocked", "block", test_rejected);
  TALK_TEST ("/delivery/strangers/in-order", NULL, test_request_in_order);
  TALK_TEST ("/delivery/strangers/T-08-M-09-hostile", NULL, test_hostile_stranger);
  TALK_TEST ("/delivery/M-08-bounces", NULL, test_bounces);
  TALK_TEST ("/delivery/forged-receipts", NULL, test_forged_receipts);
  TALK_TEST ("/delivery/M-06-repeats", NULL, test_repeats);
  TALK_TEST ("/delivery/M-11-typing", NULL, test_typing);
  TALK_TEST ("/delivery/X-02-typing-flood", NULL, test_typing_flood);
  return g_test_run ();
}
