/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Messages when everything goes wrong: cut cables, restarts, replaced keys, forgotten people, expiry, long queues.
 */
#include "earshot-config.h"

#include "tests/unit/talk-helper.h"

/* --- cut cables and restarts -------------------------------------------------------------- */

typedef struct
{
  Talk *talk;
  GRand *rand;
  guint cuts, restarts;
  gboolean over;
} Trouble;

/* At a random moment a random end loses the stream. */
static gboolean
on_cut (gpointer user)
{
  Trouble *trouble = user;
  gboolean first = g_rand_boolean (trouble->rand);
  Session *session = first ? host_session (trouble->talk->a, trouble->talk->b) : host_session (trouble->talk->b, trouble->talk->a);

  if (session == NULL)
    return G_SOURCE_CONTINUE;
  session_cut (session);
  if (--trouble->cuts > 0)
    return G_SOURCE_CONTINUE;
  trouble->over = TRUE;
  return G_SOURCE_REMOVE;
}

static void
meet (Talk *talk)
{
  host_sees (talk->a, talk->b);
  host_sees (talk->b, talk->a);
  /* Long backoffs are for real links. */
  sessions_want (talk->a->sessions, host_contact (talk->a, talk->b));
}

/* M-04, M-06: every message exactly once, in order, both ways, though the stream breaks again and again. */
static void
test_cuts (Talk *talk, gconstpointer unused)
{
  Trouble trouble = { talk, g_rand_new_with_seed (g_test_rand_int ()), 12, 0, FALSE };
  guint sent = 0;

  talk_befriend (talk);
  meet (talk);
  g_timeout_add (5, on_cut, &trouble);
  while (!trouble.over || sent < 300)
    {
      if (sent < 300 || !trouble.over)
        {
          talk_send_numbers (talk->a, host_contact (talk->a, talk->b), sent, sent + 1);
          talk_send_numbers (talk->b, host_contact (talk->b, talk->a), sent, sent + 1);
          sent++;
        }
      host_stay_quiet (0); /* what is less urgent has its turn, too */
      g_assert_cmpuint (sent, <, 50000);
    }
  host_wait_for (talk_is_settled (talk->a, 0, 0) && talk_is_settled (talk->b, 0, 0));
  talk_assert_numbers (talk->a, sent);
  talk_assert_numbers (talk->b, sent);
  talk_check_counts (talk->a);
  talk_check_counts (talk->b);
  g_rand_free (trouble.rand);
}

/* Either end restarts with everything under way. */
static void
test_restarts (Talk *talk, gconstpointer unused)
{
  guint sent = 0;

  talk_befriend (talk);
  for (int round = 0; round < 8; round++)
    {
      meet (talk);
      for (guint i = 0; i < 60; i++, sent++)
        {
          Sent result = { 0 };
          g_autofree char *body = g_strdup_printf ("%u", sent);

          talk_start_sending (talk->a, host_contact (talk->a, talk->b), body, NULL, &result);
          host_wait_for (result.done);
          g_free (result.id);
        }
      if (round % 2 == 0)
        host_restart (talk->a);
      else
        host_restart (talk->b);
      talk_check_counts (talk->a);
      talk_check_counts (talk->b);
    }
  meet (talk);
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  talk_assert_numbers (talk->b, sent);
  talk_check_counts (talk->a);
  talk_check_counts (talk->b);
}

/* What was accepted before the stop is there after it, what was not is told. */
static void
test_stop_while_sending (Talk *talk, gconstpointer unused)
{
  Sent sent[50] = { 0 };
  gint64 stored = 0;

  talk_befriend (talk);
  for (guint i = 0; i < G_N_ELEMENTS (sent); i++)
    talk_start_sending (talk->a, host_contact (talk->a, talk->b), "x", NULL, &sent[i]);
  host_restart (talk->a);
  for (guint i = 0; i < G_N_ELEMENTS (sent); i++)
    {
      g_assert_true (sent[i].done);
      stored += sent[i].code == -1;
      g_free (sent[i].id);
    }
  g_assert_cmpint (talk_sql (talk->a, "SELECT count(*) FROM outbox"), ==, stored);
  talk_check_counts (talk->a);
}

/* --- long queues ---------------------------------------------------------------------------- */

static void
test_long_queue (Talk *talk, gconstpointer unused)
{
  guint n = 3 * DELIVERY_WINDOW + 7;

  talk_befriend (talk);
  talk_send_numbers (talk->a, host_contact (talk->a, talk->b), 0, n);
  talk_check_counts (talk->a);
  host_sees (talk->a, talk->b);
  /* More while it flows. */
  host_wait_for (delivery_get_queued (talk->a->delivery, NULL) < n - 100);
  talk_send_numbers (talk->a, host_contact (talk->a, talk->b), n, n + 20);
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  talk_assert_numbers (talk->b, n + 20);
  talk_check_counts (talk->a);
  talk_check_counts (talk->b);
}

static void
test_large_messages (Talk *talk, gconstpointer unused)
{
  g_autofree char *text = g_strnfill (59000, 'x');
  g_autoptr (GPtrArray) bodies = NULL;

  talk_befriend (talk);
  for (guint i = 0; i < 120; i++)
    {
      g_autofree char *body = g_strdup_printf ("%u %s", i, text);

      g_free (talk_send (talk->a, talk->b, body));
    }
  host_restart (talk->a);
  host_sees (talk->a, talk->b);
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  bodies = talk_inbox (talk->b);
  g_assert_cmpuint (bodies->len, ==, 120);
  for (guint i = 0; i < bodies->len; i++)
    {
      g_autofree char *start = g_strdup_printf ("%u x", i);

      g_assert_true (g_str_has_prefix (g_ptr_array_index (bodies, i), start));
    }
  talk_check_counts (talk->a);
  talk_check_counts (talk->b);
}

/* One contact that does not move keeps nobody else's messages back. */
static void
test_stalled_contact (Talk *talk, gconstpointer unused)
{
  g_autoptr (Host) carol = host_new_started ("carol", FALSE); /* hears and never confirms */

  talk_befriend (talk);
  host_befriend (talk->a, carol);
  host_befriend (carol, talk->a);
  host_sees (talk->a, carol);
  talk_send_numbers (talk->a, host_contact (talk->a, carol), 0, 20);
  talk_send_numbers (talk->a, host_contact (talk->a, talk->b), 0, 20);
  host_sees (talk->a, talk->b);
  host_wait_for (talk_is_settled (talk->a, 20, 0));
  talk_assert_numbers (talk->b, 20);
  talk_check_counts (talk->a);
}

/* --- a key is replaced ---------------------------------------------------------------------------- */

/* Bob comes back with another key under his name. */
static Host *
bob_again (Talk *talk)
{
  Host *again = host_new_started ("bob", TRUE);

  host_befriend (again, talk->a);
  fake_discovery_gone (talk->a->discovery, "bob@test", 1, AF_INET6);
  contacts_on_gone (talk->a->people.contacts, "bob@test", "local", 1, AF_INET6);
  host_sees_as (talk->a, again, "bob@test", TRUE);
  return again;
}

static void
learn_bobs_name (Talk *talk)
{
  talk_befriend (talk);
  host_sees (talk->a, talk->b);
  g_assert_cmpint (host_connect (talk->a, talk->b), ==, -1);
  sessions_disconnect (talk->a->sessions, host_contact (talk->a, talk->b));
  host_wait_for (talk->a->closed > 0);
  fake_discovery_gone (talk->a->discovery, "bob@test", 1, AF_INET6);
  contacts_on_gone (talk->a->people.contacts, "bob@test", "local", 1, AF_INET6);
}

static void
test_replace (Talk *talk, gconstpointer how)
{
  g_autoptr (Host) again = NULL;
  g_autofree char *first = NULL, *late_id = NULL;
  gboolean release = strcmp (how, "release") == 0;
  Contact *bob;
  Outcome outcome = { 0 };
  Sent late = { 0 };

  learn_bobs_name (talk);
  bob = host_contact (talk->a, talk->b);
  first = talk_send_to (talk->a, bob, "0");
  talk_send_numbers (talk->a, bob, 1, 5);
  again = bob_again (talk);
  /* Dialled for the messages; tells that the key changed, and nothing leaves. */
  host_wait_for (host_count_requests (talk->a) == 1);
  g_assert_cmpstr (request_get_kind (host_only_request (talk->a)), ==, "name-conflict");
  g_assert_true (talk_is_settled (talk->a, 5, 0));
  {
    Request *request = host_only_request (talk->a);

    trust_resolve (talk->a->people.trust, request_get_id (request), "replace", host_fp (again), NULL, release, "test",
                   outcome_set, &outcome);
  }
  /* Written while the decision is on its way: still for the old key. */
  talk_start_sending (talk->a, bob, "late", NULL, &late);
  if (strcmp (how, "restart") == 0)
    {
      host_restart (talk->a);
      host_sees_as (talk->a, again, "bob@test", TRUE);
    }
  else
    g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  host_wait_for (late.done);
  g_assert_cmpint (late.code, ==, -1);
  late_id = late.id;
  bob = key_get_contact (contacts_get_key (talk->a->people.contacts, host_fp (again)));
  if (release)
    {
      g_autoptr (GPtrArray) bodies = NULL;

      host_wait_for (talk_is_settled (talk->a, 0, 0));
      bodies = talk_inbox (again);
      g_assert_cmpuint (bodies->len, ==, 6);
      talk_check_counts (talk->a);
      return;
    }
  host_wait_for (talk_is_settled (talk->a, 6, 6));
  talk_assert_state (talk->a, first, "held:key-replaced");
  talk_assert_state (talk->a, late_id, "held:key-replaced");
  talk_check_counts (talk->a);
  /* What is written from now on is for the new one, and gets there. */
  g_free (talk_send_to (talk->a, bob, "new"));
  host_wait_for (talk_is_settled (talk->a, 6, 6));
  host_wait_for (delivery_get_unread (again->delivery, NULL) == 1);
  talk_check_counts (talk->a);
  g_assert_cmpint (talk_sql (again, "SELECT count(*) FROM log WHERE body <> 'new'"), ==, 0);
  /* One by one, on the user's word. */
  g_assert_cmpint (talk_retry (talk->a, first), ==, -1);
  host_wait_for (talk_is_settled (talk->a, 5, 5));
  g_assert_cmpint (talk_sql (again, "SELECT count(*) FROM log WHERE body = '0'"), ==, 1);
  talk_check_counts (talk->a);
}

/* Written to the new key's own entry before the decision: it follows the key. */
static void
test_replace_moves (Talk *talk, gconstpointer with_old)
{
  g_autoptr (Host) again = NULL;
  g_autofree char *old_id = NULL, *new_id = NULL;
  Contact *entry;

  learn_bobs_name (talk);
  if (with_old != NULL)
    old_id = talk_send_to (talk->a, host_contact (talk->a, talk->b), "for the old key");
  else
    sessions_want (talk->a->sessions, host_contact (talk->a, talk->b));
  again = bob_again (talk);
  host_wait_for (host_count_requests (talk->a) == 1);
  entry = host_contact (talk->a, again);
  g_assert_true (entry != host_contact (talk->a, talk->b));
  new_id = talk_send_to (talk->a, entry, "for the new key");
  g_assert_cmpint (host_resolve (talk->a, "replace", FALSE), ==, -1);
  host_wait_for (delivery_get_unread (again->delivery, NULL) == 1);
  host_wait_for (talk_is_settled (talk->a, with_old != NULL, with_old != NULL));
  if (with_old != NULL)
    talk_assert_state (talk->a, old_id, "held:key-replaced");
  talk_assert_state (talk->a, new_id, "delivered");
  g_assert_cmpint (talk_sql (again, "SELECT count(*) FROM log WHERE body <> 'for the new key'"), ==, 0);
  talk_check_counts (talk->a);
}

/* The decision cannot be written: the old key stands, and what waits for it goes to it. */
static void
test_replace_disk_full (Talk *talk, gconstpointer unused)
{
  g_autoptr (Host) again = NULL;
  int code;

  learn_bobs_name (talk);
  talk_send_numbers (talk->a, host_contact (talk->a, talk->b), 0, 3);
  again = bob_again (talk);
  host_wait_for (host_count_requests (talk->a) == 1);
  db_worker_flush (talk->a->people.store.worker);
  disk_fill (1);
  code = host_resolve (talk->a, "replace", FALSE);
  disk_free ();
  g_assert_cmpint (code, ==, EARSHOT_ERROR_STORE_FULL);
  g_assert_true (host_contact (talk->a, talk->b) != host_contact (talk->a, again)
                 && contact_get_trust (host_contact (talk->a, talk->b)) == TRUST_PINNED);
  g_assert_cmpint (talk_sql (again, "SELECT count(*) FROM log"), ==, 0);
  host_wait_for (talk_is_settled (talk->a, 3, 0));
  talk_check_counts (talk->a);
  host_sees (talk->a, talk->b);
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  talk_assert_numbers (talk->b, 3);
}

/* --- levels ------------------------------------------------------------------------------------------ */

static void
set_level (Host *host, Host *other, TrustLevel level)
{
  Key *key = contacts_get_key (host->people.contacts, host_fp (other));
  KeyRow row;

  key_to_row (key, &row);
  row.level = level;
  contacts_apply_key (host->people.contacts, &row);
  key_row_clear (&row);
  delivery_on_level (host->delivery, key_get_contact (key), key, TRUE);
}

/* `require` is asked again at the wire. */
static void
test_require (Talk *talk, gconstpointer unused)
{
  DeliveryOptions verified = { .require = REQUIRE_VERIFIED };
  Sent sent = { 0 };

  talk_befriend (talk);
  set_level (talk->a, talk->b, TRUST_VERIFIED);
  talk_start_sending (talk->a, host_contact (talk->a, talk->b), "for verified eyes", &verified, &sent);
  host_wait_for (sent.done);
  g_assert_cmpint (sent.code, ==, -1);
  set_level (talk->a, talk->b, TRUST_PINNED);
  host_sees (talk->a, talk->b);
  host_wait_for (talk_is_settled (talk->a, 1, 1));
  talk_assert_state (talk->a, sent.id, "held:require");
  talk_check_counts (talk->a);
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM log"), ==, 0);
  set_level (talk->a, talk->b, TRUST_VERIFIED);
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  talk_assert_state (talk->a, sent.id, "delivered");
  g_free (sent.id);
}

/* --- taking back ---------------------------------------------------------------------------------------- */

static void
test_cancel (Talk *talk, gconstpointer unused)
{
  g_autoptr (Host) carol = host_new_started ("carol", FALSE);
  g_autofree char *one = NULL, *two = NULL, *out = NULL, *in = NULL;

  talk_befriend (talk);
  one = talk_send (talk->a, talk->b, "one");
  two = talk_send (talk->a, talk->b, "0");
  g_assert_cmpint (talk_cancel (talk->a, "no such id"), ==, EARSHOT_ERROR_NOT_FOUND);
  g_assert_cmpint (talk_cancel (talk->a, one), ==, -1);
  g_assert_cmpint (talk_cancel (talk->a, one), ==, EARSHOT_ERROR_NOT_FOUND);
  talk_assert_state (talk->a, one, "cancelled:user");
  talk_check_counts (talk->a);
  host_sees (talk->a, talk->b);
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  g_assert_cmpint (talk_cancel (talk->a, two), ==, EARSHOT_ERROR_NOT_FOUND);
  talk_assert_numbers (talk->b, 1);
  /* What came in is not ours to cancel. */
  g_assert_cmpint (talk_cancel (talk->b, two), ==, EARSHOT_ERROR_NOT_FOUND);
  /* What is on the wire has left. */
  host_befriend (talk->a, carol);
  host_befriend (carol, talk->a);
  out = talk_send (talk->a, carol, "out");
  host_sees (talk->a, carol);
  host_wait_for (delivery_get_live_state (talk->a->delivery, out) != NULL);
  g_assert_cmpstr (delivery_get_live_state (talk->a->delivery, out), ==, "sent");
  g_assert_cmpint (talk_cancel (talk->a, out), ==, EARSHOT_ERROR_FAILED);
  talk_check_counts (talk->a);
}

/* Held beyond the window, cancelled there: the counts know. */
static void
test_cancel_beyond_window (Talk *talk, gconstpointer unused)
{
  g_autofree char *last = NULL;

  host_sees (talk->a, talk->b);
  for (guint i = 0; i < DELIVERY_WINDOW + 10; i++)
    {
      g_free (last);
      last = talk_send (talk->a, talk->b, "x");
    }
  host_wait_for (talk_is_settled (talk->a, DELIVERY_WINDOW + 10, DELIVERY_WINDOW + 10));
  g_assert_cmpint (talk_cancel (talk->a, last), ==, -1);
  host_wait_for (talk_is_settled (talk->a, DELIVERY_WINDOW + 9, DELIVERY_WINDOW + 9));
  talk_check_counts (talk->a);
}

static char *
send_expiring (Talk *talk, guint seconds)
{
  DeliveryOptions options = { .require = REQUIRE_ENCRYPTED, .expires = g_get_real_time () + seconds * (gint64) G_USEC_PER_SEC };
  Sent sent = { 0 };

  talk_start_sending (talk->a, host_contact (talk->a, talk->b), "soon", &options, &sent);
  host_wait_for (sent.done);
  g_assert_cmpint (sent.code, ==, -1);
  return sent.id;
}

static void
test_expiry (Talk *talk, gconstpointer restart)
{
  g_autofree char *later = NULL, *soon = NULL;

  talk_befriend (talk);
  talk_send_numbers (talk->a, host_contact (talk->a, talk->b), 0, 2);
  if (restart == NULL)
    later = send_expiring (talk, 3);
  soon = send_expiring (talk, 2);
  if (restart != NULL)
    host_restart (talk->a);
  host_wait_for (talk_is_settled (talk->a, 2, 0));
  talk_assert_state (talk->a, soon, "expired:expired");
  if (later != NULL)
    talk_assert_state (talk->a, later, "expired:expired");
  talk_check_counts (talk->a);
}

/* --- forgetting --------------------------------------------------------------------------------------------- */

static void
test_forget (Talk *talk, gconstpointer unused)
{
  g_autoptr (Host) carol = host_new_started ("carol", FALSE);
  Outcome outcome = { 0 };
  Sent sent[10] = { 0 };
  guint stored = 0;
  Contact *bob;

  talk_befriend (talk);
  host_befriend (talk->a, carol);
  g_free (talk_send (talk->a, carol, "stays"));
  host_sees (talk->a, talk->b);
  talk_send_numbers (talk->b, host_contact (talk->b, talk->a), 0, 5);
  talk_send_numbers (talk->a, host_contact (talk->a, talk->b), 0, 5);
  host_wait_for (delivery_get_unread (talk->a->delivery, NULL) == 5);
  bob = host_contact (talk->a, talk->b);
  /* Both sides in the middle of it. */
  for (guint i = 0; i < G_N_ELEMENTS (sent); i++)
    {
      if (i == 5)
        trust_forget (talk->a->people.trust, bob, "test", outcome_set, &outcome);
      talk_start_sending (talk->a, bob, "x", NULL, &sent[i]);
    }
  talk_send_numbers (talk->b, host_contact (talk->b, talk->a), 5, 8);
  host_wait_for (outcome.done);
  g_assert_cmpint (outcome.code, ==, -1);
  for (guint i = 0; i < G_N_ELEMENTS (sent); i++)
    {
      host_wait_for (sent[i].done);
      stored += sent[i].code == -1;
      g_free (sent[i].id);
    }
  g_assert_cmpuint (stored, >=, 5);
  host_stay_quiet (50);
  g_assert_cmpint (talk_sql (talk->a, "SELECT count(*) FROM outbox"), ==, 1);
  g_assert_cmpint (talk_sql (talk->a, "SELECT count(*) FROM log WHERE kind = 0"), ==, 1);
  g_assert_true (talk_is_settled (talk->a, 1, 0));
  g_assert_cmpuint (delivery_get_unread (talk->a->delivery, NULL), ==, 0);
  talk_check_counts (talk->a);
  host_restart (talk->a);
  talk_check_counts (talk->a);
}

/* Written to a stranger, who is forgotten before his row is there. */
static void
test_forget_while_keeping (Talk *talk, gconstpointer unused)
{
  Outcome outcome = { 0 };
  Sent sent[3] = { 0 };
  Contact *bob;

  host_sees (talk->a, talk->b);
  bob = host_contact (talk->a, talk->b);
  talk_start_sending (talk->a, bob, "0", NULL, &sent[0]);
  talk_start_sending (talk->a, bob, "1", NULL, &sent[1]);
  trust_forget (talk->a->people.trust, bob, "test", outcome_set, &outcome);
  talk_start_sending (talk->a, bob, "2", NULL, &sent[2]);
  for (guint i = 0; i < 3; i++)
    {
      host_wait_for (sent[i].done);
      g_free (sent[i].id);
    }
  host_wait_for (outcome.done);
  host_stay_quiet (50);
  g_assert_cmpint (talk_sql (talk->a, "SELECT count(*) FROM outbox"), ==, 0);
  g_assert_true (talk_is_settled (talk->a, 0, 0));
  talk_check_counts (talk->a);
  /* Still announced: a stranger anew, who can be written to. */
  g_free (talk_send (talk->a, talk->b, "again"));
  talk_check_counts (talk->a);
}

/* --- the yes that is owed -------------------------------------------------------------------------------------- */

/* Accepted while they are away: told when they come, once, and then nobody dials any more. */
static void
test_grant_owed (Talk *talk, gconstpointer unused)
{
  host_befriend (talk->b, talk->a);
  host_sees (talk->b, talk->a);
  talk_send_numbers (talk->b, host_contact (talk->b, talk->a), 0, 3);
  host_wait_for (talk_is_settled (talk->b, 3, 3));
  sessions_disconnect (talk->b->sessions, host_contact (talk->b, talk->a));
  host_wait_for (talk->a->closed == 1 && talk->b->closed == 1);
  g_assert_cmpint (host_resolve (talk->a, "accept", FALSE), ==, -1);
  host_restart (talk->a);
  g_assert_true (key_is_grant_owed (contacts_get_key (talk->a->people.contacts, host_fp (talk->b))));
  host_sees (talk->a, talk->b);
  host_wait_for (talk_is_settled (talk->b, 0, 0));
  host_wait_for (!key_is_grant_owed (contacts_get_key (talk->a->people.contacts, host_fp (talk->b))));
  talk_assert_numbers (talk->a, 3);
  sessions_disconnect (talk->a->sessions, host_contact (talk->a, talk->b));
  host_wait_for (talk->a->closed == 2 || host_session (talk->a, talk->b) == NULL);
  host_stay_quiet (1200);
  g_assert_null (host_session (talk->a, talk->b));
}

/* Held for their decision, with nothing else to say: we do not call again and again. */
static void
test_no_needless_dials (Talk *talk, gconstpointer unused)
{
  host_befriend (talk->a, talk->b);
  host_sees (talk->a, talk->b);
  talk_send_numbers (talk->a, host_contact (talk->a, talk->b), 0, 1);
  host_wait_for (talk_is_settled (talk->a, 1, 1));
  host_wait_for (delivery_get_aside (talk->b->delivery, host_fp (talk->a)) == 1);
  /* The grant we owe them is not understood by a stranger's stream? It is: it was answered. */
  host_wait_for (!key_is_grant_owed (contacts_get_key (talk->a->people.contacts, host_fp (talk->b))));
  sessions_disconnect (talk->b->sessions, host_contact (talk->b, talk->a));
  host_wait_for (talk->a->closed == 1);
  host_stay_quiet (1500);
  g_assert_cmpuint (talk->a->opened, ==, 1);
}

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  TALK_TEST ("/delivery/M-04-cut-cables", NULL, test_cuts);
  TALK_TEST ("/delivery/M-06-restarts", NULL, test_restarts);
  TALK_TEST ("/delivery/M-01-stop-while-sending", NULL, test_stop_while_sending);
  TALK_TEST ("/delivery/long-queue", NULL, test_long_queue);
  TALK_TEST ("/delivery/large-messages", NULL, test_large_messages);
  TALK_TEST ("/delivery/M-04-stalled-contact", NULL, test_stalled_contact);
  TALK_TEST ("/delivery/replace/hold", "hold", test_replace);
  TALK_TEST ("/delivery/replace/hold-and-restart", "restart", test_replace);
  TALK_TEST ("/delivery/replace/release", "release", test_replace);
  TALK_TEST ("/delivery/replace/moves", NULL, test_replace_moves);
  TALK_TEST ("/delivery/replace/moves-beside-old", "old", test_replace_moves);
  TALK_TEST ("/delivery/replace/disk-full", NULL, test_replace_disk_full);
  TALK_TEST ("/delivery/require", NULL, test_require);
  TALK_TEST ("/delivery/cancel", NULL, test_cancel);
  TALK_TEST ("/delivery/cancel-beyond-window", NULL, test_cancel_beyond_window);
  TALK_TEST ("/delivery/expiry", NULL, test_expiry);
  TALK_TEST ("/delivery/expiry-after-restart", "restart", test_expiry);
  TALK_TEST ("/delivery/forget", NULL, test_forget);
  TALK_TEST ("/delivery/forget-while-keeping", NULL, test_forget_while_keeping);
  TALK_TEST ("/delivery/grant-owed", NULL, test_grant_owed);
  TALK_TEST ("/delivery/no-needless-dials", NULL, test_no_needless_dials);
  return g_test_run ();
}
