/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Corrections, retractions, reactions, markers between whole stacks, and what a third one tries with them.
 */
#include "earshot-config.h"

#include "daemon/model/delivery-private.h"
#include "tests/unit/talk-helper.h"

/* --- helpers ------------------------------------------------------------------ */

static char *
say_edit (Host *host, Contact *to, const char *of, const char *body)
{
  DeliveryOptions options = { .require = REQUIRE_ENCRYPTED, .edit_of = of };
  Sent sent = { 0 };

  talk_start_sending (host, to, body, &options, &sent);
  host_wait_for (sent.done);
  g_assert_cmpint (sent.code, ==, -1);
  return sent.id;
}

static char *
react (Host *host, Contact *to, const char *id, const char *const *emojis)
{
  Sent sent = { 0 };

  delivery_react (host->delivery, to, id, emojis, talk_on_sent, &sent);
  host_wait_for (sent.done);
  g_assert_cmpint (sent.code, ==, -1);
  return sent.id;
}

static Sent
try_retract (Host *host, const char *id)
{
  Sent sent = { 0 };

  delivery_retract (host->delivery, id, talk_on_sent, &sent);
  host_wait_for (sent.done);
  return sent;
}

static char *
retract (Host *host, const char *id)
{
  Sent sent = try_retract (host, id);

  g_assert_cmpint (sent.code, ==, -1);
  return sent.id;
}

static void
mark_read (Host *host, Contact *contact)
{
  Outcome outcome = { 0 };

  delivery_mark_read (host->delivery, contact, delivery_get_last_seq (host->delivery, contact), outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
}

/* A bare peer's words to a whole one. */
static void
speak (Host *peer, Host *host, const char *id, const char *child, const char *ns, const char *about, const char *body)
{
  g_autoptr (Stanza) message = stanza_new ("message", NS_CLIENT);

  stanza_set_attr (message, "type", "chat");
  stanza_set_attr (message, "id", id);
  if (body != NULL)
    stanza_add_new (message, "body", NS_CLIENT, body);
  if (child != NULL)
    stanza_set_attr (stanza_add_new (message, child, ns, NULL), "id", about);
  stanza_add_new (message, "request", NS_RECEIPTS, NULL);
  g_assert_true (session_send (host_session (peer, host), message));
}

static void
bounce (Host *peer, Host *host, const char *id, const char *type, const char *condition)
{
  g_autoptr (Stanza) message = stanza_new ("message", NS_CLIENT);
  Stanza *error;

  stanza_set_attr (message, "type", "error");
  stanza_set_attr (message, "id", id);
  error = stanza_add_new (message, "error", NS_CLIENT, NULL);
  stanza_set_attr (error, "type", type);
  stanza_add_new (error, condition, NS_STANZA_ERRORS, NULL);
  g_assert_true (session_send (host_session (peer, host), message));
}

/* What a bare peer heard in answer to `id`: "received", or the error's condition. Caller frees. */
static char *
answer_to (Host *peer, const char *id)
{
  for (;;)
    {
      for (guint i = 0; i < peer->heard->len; i++)
        {
          const Stanza *stanza = g_ptr_array_index (peer->heard, i);
          const Stanza *received = stanza_get_child (stanza, "received", NS_RECEIPTS), *error = stanza_get_child (stanza, "error", NS_CLIENT);

          if (received != NULL && g_strcmp0 (stanza_get_attr (received, "id"), id) == 0)
            return g_strdup ("received");
          if (error != NULL && g_strcmp0 (stanza_get_attr (stanza, "id"), id) == 0)
            return g_strdup (stanza_get_name (stanza_next_child (error, NULL)));
        }
      g_main_context_iteration (NULL, TRUE);
    }
}

static void
assert_answer (Host *peer, const char *id, const char *wanted)
{
  g_autofree char *answer = answer_to (peer, id);

  g_assert_cmpstr (answer, ==, wanted);
}

static Host *
bare_friend (Host *host, const char *name)
{
  Host *peer = host_new_started (name, FALSE);

  host_befriend (host, peer);
  host_befriend (peer, host);
  host_sees (peer, host);
  g_assert_cmpint (host_connect (peer, host), ==, -1);
  host_wait_for (host_session (host, peer) != NULL);
  return peer;
}

/* --- between friends ------------------------------------------------------------------ */

/* Said while the other is away, through a restart; all of it arrives, once, in order, and is receipted (M-01, M-04). */
static void
test_said_to_the_absent (Talk *talk, gconstpointer unused)
{
  static const char *const thumb[] = { "👍", NULL }, *const none[] = { NULL };
  g_autofree char *first = NULL, *second = NULL, *edit = NULL, *again = NULL, *reaction = NULL, *taken = NULL, *gone = NULL;
  Contact *bob;

  talk_befriend (talk);
  bob = host_contact (talk->a, talk->b);
  first = talk_send (talk->a, talk->b, "helo");
  second = talk_send (talk->a, talk->b, "what was said");
  edit = say_edit (talk->a, bob, first, "hello");
  again = say_edit (talk->a, bob, edit, "hello!");
  reaction = react (talk->a, bob, first, thumb);
  host_restart (talk->a);
  bob = host_contact (talk->a, talk->b);
  host_sees (talk->a, talk->b);
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  talk_assert_state (talk->a, edit, "delivered");
  talk_assert_state (talk->a, reaction, "delivered");
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM log WHERE kind = 0 AND body = 'hello!' AND original = 'helo' AND edited"), ==, 1);
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM log WHERE reactions_in = '👍'"), ==, 1);
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM log WHERE kind = 5"), ==, 2);
  g_assert_cmpuint (delivery_get_unread (talk->b->delivery, NULL), ==, 2);
  taken = react (talk->a, bob, first, none);
  gone = retract (talk->a, second);
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  talk_assert_state (talk->a, gone, "delivered");
  talk_assert_state (talk->a, second, "delivered");
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM log WHERE retracted AND body IS NULL"), ==, 1);
  g_assert_cmpuint (delivery_get_unread (talk->b->delivery, NULL), ==, 1);
  g_assert_cmpint (talk_sql (talk->a, "SELECT count(*) FROM log WHERE retracted AND body IS NULL"), ==, 1);
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM log WHERE kind = 0 AND reactions_in = ''"), ==, 1);
  talk_check_counts (talk->a);
  talk_check_counts (talk->b);
}

/* What was taken back before it left is never seen by anybody, and counts for nothing. */
static void
test_taken_back_in_time (Talk *talk, gconstpointer unused)
{
  g_autofree char *first = NULL, *edit = NULL, *gone = NULL;
  Sent twice;

  talk_befriend (talk);
  first = talk_send (talk->a, talk->b, "not for you");
  edit = say_edit (talk->a, host_contact (talk->a, talk->b), first, "not for you either");
  gone = retract (talk->a, first);
  g_assert_cmpint (talk_cancel (talk->a, gone), ==, EARSHOT_ERROR_FAILED);
  talk_assert_state (talk->a, first, "cancelled:retracted");
  g_assert_cmpuint (delivery_get_queued (talk->a->delivery, NULL), ==, 1);
  talk_check_counts (talk->a);
  twice = try_retract (talk->a, first);
  g_assert_cmpint (twice.code, !=, -1);
  host_sees (talk->a, talk->b);
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  talk_assert_state (talk->a, gone, "delivered");
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM log"), ==, 0);
  talk_check_counts (talk->a);
}

/* Who cancels a message cancels what corrects it, in the window or not; what is about another message still goes. `restarted`: nothing of it
 * is in memory when it is cancelled, but on its way there. */
static void
test_cancelled_with_its_corrections (Talk *talk, gconstpointer restarted)
{
  g_autofree char *first = NULL, *edit = NULL, *again = NULL, *other = NULL, *better = NULL;
  Outcome outcome = { 0 };
  Contact *bob;

  talk_befriend (talk);
  bob = host_contact (talk->a, talk->b);
  first = talk_send (talk->a, talk->b, "not for you");
  other = talk_send (talk->a, talk->b, "for yuo");
  edit = say_edit (talk->a, bob, first, "not for you either");
  better = say_edit (talk->a, bob, other, "for you");
  again = say_edit (talk->a, bob, edit, "nor this");
  if (restarted != NULL)
    host_restart (talk->a);
  g_assert_cmpuint (delivery_get_queued (talk->a->delivery, NULL), ==, 5);
  delivery_cancel (talk->a->delivery, first, outcome_set, &outcome);
  /* It is looked for on disk first, and might leave until that is done; after that it does not, whoever comes. */
  host_wait_for (outcome.done || g_hash_table_contains (talk->a->delivery->cancelling, first));
  host_sees (talk->a, talk->b);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  talk_assert_state (talk->a, first, "cancelled:user");
  talk_assert_state (talk->a, edit, "cancelled:user");
  talk_assert_state (talk->a, again, "cancelled:user");
  g_assert_cmpint (talk_sql (talk->a, "SELECT count(*) FROM log WHERE kind = 1 AND state = 'cancelled'"), ==, 3);
  g_assert_cmpint (talk_cancel (talk->a, edit), ==, EARSHOT_ERROR_NOT_FOUND);
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  talk_assert_state (talk->a, better, "delivered");
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM log WHERE kind = 0 AND body = 'for you'"), ==, 1);
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM log WHERE kind IN (0, 5, 6, 8)"), ==, 2);
  talk_check_counts (talk->a);
  talk_check_counts (talk->b);
}

static void
assert_text (Host *host, const char *id, const char *wanted, const char *change)
{
  g_autofree char *sql = g_strdup_printf ("SELECT count(*) FROM log WHERE kind = 0 AND id = '%s' AND body = '%s' AND coalesce(change_state, '') = '%s'",
                                          id, wanted, change);

  g_assert_cmpint (talk_sql (host, sql), ==, 1);
}

static int
delete_one (Host *host, const char *id)
{
  const char *const ids[] = { id, NULL };
  Outcome outcome = { 0 };

  delivery_delete (host->delivery, ids, outcome_set, &outcome);
  return outcome_wait (&outcome);
}

/* What the other side does not have is not shown as if it had: cancelled, expired, bounced. */
static void
test_undone (Talk *talk, gconstpointer unused)
{
  DeliveryOptions soon = { .require = REQUIRE_ENCRYPTED, .expires = g_get_real_time () + G_USEC_PER_SEC };
  g_autofree char *first = NULL, *edit = NULL, *late = NULL, *refused = NULL, *ours = NULL;
  g_autoptr (Host) eve = NULL;
  Contact *bob, *contact;
  Sent sent = { 0 };

  talk_befriend (talk);
  bob = host_contact (talk->a, talk->b);
  host_sees (talk->a, talk->b);
  first = talk_send (talk->a, talk->b, "first");
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  sessions_disconnect (talk->a->sessions, bob);
  host_wait_for (host_session (talk->a, talk->b) == NULL);
  host_stop (talk->b);
  edit = say_edit (talk->a, bob, first, "second");
  assert_text (talk->a, first, "second", "queued");
  g_assert_cmpint (talk_cancel (talk->a, edit), ==, -1);
  assert_text (talk->a, first, "first", "cancelled");
  soon.edit_of = first;
  soon.expires = g_get_real_time () + G_USEC_PER_SEC / 5;
  talk_start_sending (talk->a, bob, "third", &soon, &sent);
  host_wait_for (sent.done);
  late = sent.id;
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  talk_assert_state (talk->a, late, "expired:expired");
  assert_text (talk->a, first, "first", "expired");
  talk_check_counts (talk->a);
  /* One who knows no such message says so. */
  host_start (talk->b);
  eve = bare_friend (talk->a, "eve");
  contact = host_contact (talk->a, eve);
  ours = talk_send_to (talk->a, contact, "to Eve");
  speak (eve, talk->a, "x", "received", NS_RECEIPTS, ours, NULL);
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  refused = say_edit (talk->a, contact, ours, "to Adam");
  host_wait_for (delivery_get_live_state (talk->a->delivery, refused) != NULL);
  bounce (eve, talk->a, refused, "cancel", "item-not-found");
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  talk_assert_state (talk->a, refused, "failed:item-not-found");
  assert_text (talk->a, ours, "to Eve", "failed");
}

/* A message is deleted here whatever is still to be said about it; that it was taken back is still said. */
static void
test_delete_owed (Talk *talk, gconstpointer unused)
{
  static const char *const thumb[] = { "👍", NULL };
  g_autofree char *first = NULL, *second = NULL, *edit = NULL, *reaction = NULL, *gone = NULL, *waiting = NULL, *third = NULL;
  Contact *bob;

  talk_befriend (talk);
  bob = host_contact (talk->a, talk->b);
  host_sees (talk->a, talk->b);
  first = talk_send (talk->a, talk->b, "first");
  second = talk_send (talk->a, talk->b, "second");
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  sessions_disconnect (talk->a->sessions, bob);
  host_wait_for (host_session (talk->a, talk->b) == NULL);
  host_stop (talk->b);
  edit = say_edit (talk->a, bob, first, "never said");
  reaction = react (talk->a, bob, first, thumb);
  gone = retract (talk->a, second);
  waiting = talk_send_to (talk->a, bob, "never sent");
  third = say_edit (talk->a, bob, waiting, "never sent either");
  g_assert_cmpuint (delivery_get_queued (talk->a->delivery, NULL), ==, 5);
  g_assert_cmpint (delete_one (talk->a, first), ==, -1);
  g_assert_cmpint (delete_one (talk->a, second), ==, -1);
  g_assert_cmpint (delete_one (talk->a, waiting), ==, -1);
  g_assert_cmpint (talk_sql (talk->a, "SELECT count(*) FROM log WHERE body IS NOT NULL"), ==, 0);
  g_assert_cmpuint (delivery_get_queued (talk->a->delivery, NULL), ==, 1);
  talk_check_counts (talk->a);
  g_assert_cmpint (delete_one (talk->a, first), ==, EARSHOT_ERROR_NOT_FOUND);
  host_start (talk->b);
  host_sees (talk->a, talk->b);
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  talk_assert_state (talk->a, gone, "delivered");
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM log WHERE kind = 0"), ==, 2);
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM log WHERE body = 'first' AND edited = 0"), ==, 1);
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM log WHERE retracted <> 0"), ==, 1);
  /* And what is deleted unread is not unread. */
  g_assert_cmpuint (delivery_get_unread (talk->b->delivery, NULL), ==, 1);
  talk_check_counts (talk->b);
  g_assert_cmpint (delete_one (talk->b, first), ==, -1);
  g_assert_cmpuint (delivery_get_unread (talk->b->delivery, NULL), ==, 0);
  talk_check_counts (talk->b);
}

static void
test_refused_input (Talk *talk, gconstpointer unused)
{
  static const char *const words[] = { "buy now", NULL };
  g_autofree char *first = NULL;
  DeliveryOptions link = { .require = REQUIRE_ENCRYPTED, .url = "javascript:1" }, empty = { .require = REQUIRE_ENCRYPTED, .edit_of = "" };
  DeliveryOptions nobody = { .require = REQUIRE_ENCRYPTED, .edit_of = "of nobody" };
  DeliveryOptions answer = { .require = REQUIRE_ENCRYPTED, .edit_of = "x", .reply_to = "y" };
  Sent sent = { 0 };
  Contact *bob;

  talk_befriend (talk);
  bob = host_contact (talk->a, talk->b);
  first = talk_send (talk->a, talk->b, "0");
  g_assert_cmpint (talk_send_fails (talk->a, bob, "x", &link), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (talk_send_fails (talk->a, bob, "x", &empty), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (talk_send_fails (talk->a, bob, "x", &answer), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (talk_send_fails (talk->a, bob, "x", &nobody), ==, EARSHOT_ERROR_NOT_FOUND);
  delivery_react (talk->a->delivery, bob, first, words, talk_on_sent, &sent);
  host_wait_for (sent.done);
  g_assert_cmpint (sent.code, ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (talk_sql (talk->a, "SELECT count(*) FROM log"), ==, 1);
  talk_check_counts (talk->a);
}

/* --- M-10 ------------------------------------------------------------------------------- */

/* Eve is Bob's friend, too, and knows the ids that Alice's messages have there. */
static void
test_third_contact (Talk *talk, gconstpointer unused)
{
  g_autofree char *first = NULL;
  g_autoptr (Host) eve = NULL;

  talk_befriend (talk);
  host_sees (talk->a, talk->b);
  first = talk_send (talk->a, talk->b, "by Alice");
  host_wait_for (talk_is_settled (talk->a, 0, 0));
  eve = bare_friend (talk->b, "eve");
  speak (eve, talk->b, "e1", "replace", NS_CORRECT, first, "forged");
  assert_answer (eve, "e1", "item-not-found");
  speak (eve, talk->b, "e2", "retract", NS_RETRACT, first, NULL);
  assert_answer (eve, "e2", "received"); /* as for an id that nobody has: she learns nothing */
  speak (eve, talk->b, "e3", "reactions", NS_REACTIONS, first, NULL);
  assert_answer (eve, "e3", "item-not-found");
  speak (eve, talk->b, "e4", "displayed", NS_MARKERS, first, NULL);
  speak (eve, talk->b, "e5", NULL, NULL, NULL, "a word of her own");
  assert_answer (eve, "e5", "received");
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM log WHERE body = 'by Alice' AND edited = 0 AND retracted = 0"
                                      " AND reactions_in IS NULL"), ==, 1);
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM log WHERE kind <> 0"), ==, 0);
  /* Malformed ones are refused, not guessed at. */
  speak (eve, talk->b, "e6", "replace", NS_CORRECT, "e5", NULL);
  assert_answer (eve, "e6", "bad-request");
  speak (eve, talk->b, "e7", "replace", NS_CORRECT, "", "x");
  assert_answer (eve, "e7", "bad-request");
  /* Her own she may correct, and once: M-06. */
  speak (eve, talk->b, "e8", "replace", NS_CORRECT, "e5", "another");
  assert_answer (eve, "e8", "received");
  g_ptr_array_set_size (eve->heard, 0);
  speak (eve, talk->b, "e8", "replace", NS_CORRECT, "e5", "another");
  assert_answer (eve, "e8", "received");
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM log WHERE kind = 5"), ==, 1);
}

/* Nothing but short texts is set aside for a key that nobody accepted. */
static void
test_stranger (Talk *talk, gconstpointer unused)
{
  g_autoptr (Host) eve = host_new_started ("eve", FALSE);

  host_befriend (eve, talk->b);
  host_sees (eve, talk->b);
  g_assert_cmpint (host_connect (eve, talk->b), ==, -1);
  host_wait_for (host_session (talk->b, eve) != NULL);
  speak (eve, talk->b, "e1", NULL, NULL, NULL, "let me in");
  speak (eve, talk->b, "e2", "replace", NS_CORRECT, "e1", "or else");
  assert_answer (eve, "e2", "not-authorized");
  speak (eve, talk->b, "e3", "retract", NS_RETRACT, "e1", NULL);
  assert_answer (eve, "e3", "not-authorized");
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM aside WHERE body = 'let me in'"), ==, 1);
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM log"), ==, 0);
}

/* --- markers ------------------------------------------------------------------------------ */

static guint
heard_markers (Host *peer)
{
  guint n = 0;

  for (guint i = 0; i < peer->heard->len; i++)
    n += stanza_get_child (g_ptr_array_index (peer->heard, i), "displayed", NS_MARKERS) != NULL;
  return n;
}

static void
test_displayed (Talk *talk, gconstpointer unused)
{
  g_autofree char *first = NULL, *second = NULL, *third = NULL;
  Contact *alice;

  talk_befriend (talk);
  alice = host_contact (talk->b, talk->a);
  host_sees (talk->a, talk->b);
  host_sees (talk->b, talk->a);
  first = talk_send (talk->a, talk->b, "0");
  second = talk_send (talk->a, talk->b, "1");
  host_wait_for (talk_is_settled (talk->a, 0, 0) && delivery_get_unread (talk->b->delivery, alice) == 2);
  mark_read (talk->b, alice);
  host_wait_for (talk_sql (talk->a, "SELECT count(*) FROM log WHERE kind = 0 AND state = 'displayed'") == 2);
  talk_assert_state (talk->a, first, "displayed");
  /* Read while Alice is away: told when she is back, also after a restart. */
  third = talk_send (talk->a, talk->b, "2");
  host_wait_for (talk_is_settled (talk->a, 0, 0) && delivery_get_unread (talk->b->delivery, alice) == 1);
  sessions_disconnect (talk->b->sessions, alice);
  host_wait_for (host_session (talk->b, talk->a) == NULL && host_session (talk->a, talk->b) == NULL);
  mark_read (talk->b, alice);
  host_restart (talk->b);
  talk_assert_state (talk->a, third, "delivered");
  host_sees (talk->b, talk->a);
  g_assert_cmpint (host_connect (talk->b, talk->a), ==, -1);
  host_wait_for (talk_sql (talk->a, "SELECT count(*) FROM log WHERE kind = 0 AND state = 'displayed'") == 3);
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM conversation WHERE marker <> ''"), ==, 0);
}

/* Markers answer nothing, are told to whom asked, and can be switched off. */
static void
test_markers_kept_back (Talk *talk, gconstpointer unused)
{
  g_autoptr (Host) eve = bare_friend (talk->b, "eve");
  Contact *contact = host_contact (talk->b, eve);
  g_autofree char *ours = NULL;

  speak (eve, talk->b, "e1", NULL, NULL, NULL, "did not ask");
  assert_answer (eve, "e1", "received");
  mark_read (talk->b, contact);
  delivery_set_markers (talk->b->delivery, FALSE);
  speak (eve, talk->b, "e2", "markable", NS_MARKERS, "x", "asked, and it is off");
  assert_answer (eve, "e2", "received");
  mark_read (talk->b, contact);
  delivery_set_markers (talk->b->delivery, TRUE);
  speak (eve, talk->b, "e3", "displayed", NS_MARKERS, "e2", NULL);
  speak (eve, talk->b, "e4", "markable", NS_MARKERS, "x", "asked");
  assert_answer (eve, "e4", "received");
  g_assert_cmpuint (heard_markers (eve), ==, 0);
  mark_read (talk->b, contact);
  host_wait_for (heard_markers (eve) == 1);
  /* A claim about what she never got moves nothing. */
  ours = talk_send_to (talk->b, contact, "0");
  speak (eve, talk->b, "e5", "displayed", NS_MARKERS, "no such id", NULL);
  speak (eve, talk->b, "e6", NULL, NULL, NULL, "x");
  assert_answer (eve, "e6", "received");
  g_assert_cmpint (talk_sql (talk->b, "SELECT count(*) FROM log WHERE state = 'displayed'"), ==, 0);
}

/* --- names ----------------------------------------------------------------------------------- */

static void
test_nick (Talk *talk, gconstpointer unused)
{
  g_autoptr (Stanza) message = stanza_new ("message", NS_CLIENT);
  g_autoptr (Host) eve = bare_friend (talk->b, "eve");
  Contact *contact = host_contact (talk->b, eve);

  stanza_set_attr (message, "id", "n1");
  stanza_add_new (message, "body", NS_CLIENT, "x");
  stanza_add_new (message, "nick", NS_NICK, "Eve\u202e of Bob");
  stanza_add_new (message, "request", NS_RECEIPTS, NULL);
  g_assert_true (session_send (host_session (eve, talk->b), message));
  assert_answer (eve, "n1", "received");
  g_assert_cmpstr (contact_get_claimed_name (contact), ==, "Eve of Bob");
  /* Ours goes along once a stream. */
  delivery_set_nick (talk->b->delivery, "Bob");
  g_free (talk_send_to (talk->b, contact, "0"));
  g_free (talk_send_to (talk->b, contact, "1"));
  for (guint told = 0, said = 0; said < 2; told = 0, said = 0)
    {
      for (guint i = 0; i < eve->heard->len; i++)
        {
          const Stanza *stanza = g_ptr_array_index (eve->heard, i);

          said += stanza_get_child (stanza, "origin-id", NS_SID) != NULL;
          told += stanza_get_child (stanza, "nick", NS_NICK) != NULL;
        }
      if (said == 2)
        {
          g_assert_cmpuint (told, ==, 1);
          break;
        }
      g_main_context_iteration (NULL, TRUE);
    }
}

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  TALK_TEST ("/delivery-amend/M-01-M-04-said-to-the-absent", NULL, test_said_to_the_absent);
  TALK_TEST ("/delivery-amend/taken-back-in-time", NULL, test_taken_back_in_time);
  TALK_TEST ("/delivery-amend/cancelled-with-its-corrections", NULL, test_cancelled_with_its_corrections);
  TALK_TEST ("/delivery-amend/cancelled-with-corrections-on-disk", "", test_cancelled_with_its_corrections);
  TALK_TEST ("/delivery-amend/M-08-what-does-not-arrive-is-undone", NULL, test_undone);
  TALK_TEST ("/delivery-amend/delete-what-something-is-owed-about", NULL, test_delete_owed);
  TALK_TEST ("/delivery-amend/refused-input", NULL, test_refused_input);
  TALK_TEST ("/delivery-amend/M-10-a-third-contact", NULL, test_third_contact);
  TALK_TEST ("/delivery-amend/T-08-stranger", NULL, test_stranger);
  TALK_TEST ("/delivery-amend/displayed", NULL, test_displayed);
  TALK_TEST ("/delivery-amend/markers-kept-back", NULL, test_markers_kept_back);
  TALK_TEST ("/delivery-amend/nick", NULL, test_nick);
  return g_test_run ();
}
