/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Streams between two whole stacks over loopback: who is let in, who is let go, and which of two streams stays.
 */
#include "earshot-config.h"

#include <netinet/in.h>

#include "daemon/model/session-private.h"
#include "tests/unit/host-helper.h"

typedef struct
{
  Host *a, *b;
} Pair;

static void
set_up (Pair *pair, gconstpointer unused)
{
  pair->a = host_new_started ("alice", FALSE);
  pair->b = host_new_started ("bob", FALSE);
}

static void
tear_down (Pair *pair, gconstpointer unused)
{
  host_free (pair->a);
  host_free (pair->b);
}

static void
befriend (Pair *pair)
{
  host_befriend (pair->a, pair->b);
  host_befriend (pair->b, pair->a);
}

static gboolean
both_open (Pair *pair)
{
  return host_session (pair->a, pair->b) != NULL && host_session (pair->b, pair->a) != NULL;
}

static gboolean
none_open (Pair *pair)
{
  return host_session (pair->a, pair->b) == NULL && host_session (pair->b, pair->a) == NULL;
}

static void
say (Session *session, const char *text)
{
  g_autoptr (Stanza) message = stanza_new ("message", NS_CLIENT);

  stanza_add_new (message, "body", NS_CLIENT, text);
  g_assert_true (session_send (session, message));
}

static char *
heard (Host *host, guint index)
{
  const Stanza *message = g_ptr_array_index (host->heard, index);

  return stanza_dup_text (stanza_get_child (message, "body", NS_CLIENT));
}

/* --- who is let in -------------------------------------------------------------- */

static void
test_unknown_both (Pair *pair, gconstpointer unused)
{
  host_sees (pair->a, pair->b);
  g_assert_cmpint (host_connect (pair->a, pair->b), ==, -1);
  host_wait_for (both_open (pair));
  g_assert_false (session_is_trusted (host_session (pair->a, pair->b)));
  g_assert_false (session_is_trusted (host_session (pair->b, pair->a)));
  g_assert_true (session_is_restricted (host_session (pair->a, pair->b)));
  /* One question on each side, and a contact that can be reached though never announced. */
  g_assert_true (fingerprint_equal (request_get_fingerprint (host_only_request (pair->a)), host_fp (pair->b)));
  g_assert_true (fingerprint_equal (request_get_fingerprint (host_only_request (pair->b)), host_fp (pair->a)));
  g_assert_cmpint (contact_get_reach (host_contact (pair->b, pair->a)), ==, REACH_ONLINE);
  g_assert_cmpstr (contact_get_claimed_addr (host_contact (pair->b, pair->a)), ==, "alice@test");
  say (host_session (pair->a, pair->b), "hello");
  host_wait_for (pair->b->heard->len == 1);
  /* Accepted while it is open: the stream lives on, trusted. */
  g_assert_cmpint (host_resolve (pair->b, "accept", FALSE), ==, -1);
  g_assert_cmpuint (pair->b->changed, ==, 1);
  g_assert_true (session_is_trusted (host_session (pair->b, pair->a)));
  session_set_granted (host_session (pair->a, pair->b));
  g_assert_false (session_is_restricted (host_session (pair->a, pair->b)));
}

static void
test_mutual (Pair *pair, gconstpointer unused)
{
  g_autofree char *text = NULL;
  g_autoptr (GVariant) described = NULL;
  const char *word;

  befriend (pair);
  host_sees (pair->a, pair->b);
  g_assert_cmpint (host_connect (pair->a, pair->b), ==, -1);
  host_wait_for (both_open (pair));
  g_assert_true (session_is_trusted (host_session (pair->a, pair->b)));
  g_assert_false (session_is_restricted (host_session (pair->a, pair->b)));
  g_assert_true (session_is_trusted (host_session (pair->b, pair->a)));
  g_assert_cmpuint (host_count_requests (pair->a) + host_count_requests (pair->b), ==, 0);
  say (host_session (pair->a, pair->b), "to bob");
  say (host_session (pair->b, pair->a), "to alice");
  host_wait_for (pair->a->heard->len == 1 && pair->b->heard->len == 1);
  text = heard (pair->b, 0);
  g_assert_cmpstr (text, ==, "to bob");
  described = g_variant_ref_sink (session_describe (host_session (pair->a, pair->b)));
  g_assert_true (g_variant_lookup (described, "tls", "&s", &word));
  g_assert_cmpstr (word, ==, "TLS1.3");
  g_assert_true (g_variant_lookup (described, "direction", "&s", &word));
  g_assert_cmpstr (word, ==, "outbound");
  /* Connecting again is the same stream. */
  g_assert_cmpint (host_connect (pair->a, pair->b), ==, -1);
  g_assert_cmpint (host_connect (pair->b, pair->a), ==, -1);
  g_assert_cmpuint (pair->a->opened, ==, 1);
  sessions_disconnect (pair->a->sessions, host_contact (pair->a, pair->b));
  host_wait_for (none_open (pair));
  g_assert_cmpuint (pair->a->closed, ==, 1);
  g_assert_cmpuint (pair->b->closed, ==, 1);
}

/* S-14: a caller cannot tell blocked from rejected from strict. */
static void
test_refused_alike (Pair *pair, gconstpointer how)
{
  Outcome outcome = { 0 };

  host_sees (pair->a, pair->b);
  g_assert_cmpint (host_connect (pair->a, pair->b), ==, -1);
  host_wait_for (both_open (pair));
  if (strcmp (how, "strict") == 0)
    {
      sessions_disconnect (pair->a->sessions, host_contact (pair->a, pair->b));
      host_wait_for (none_open (pair));
      trust_set_mode (pair->b->people.trust, TRUST_MODE_STRICT);
    }
  else
    g_assert_cmpint (host_resolve (pair->b, how, FALSE), ==, -1);
  host_wait_for (none_open (pair));
  pair->b->opened = 0;
  g_assert_cmpint (host_connect (pair->a, pair->b), ==, EARSHOT_ERROR_REFUSED);
  g_assert_cmpstr (contact_get_last_error (host_contact (pair->a, pair->b)), ==, "Refused");
  g_assert_cmpuint (pair->b->opened, ==, 0);
  if (strcmp (how, "block") == 0)
    {
      /* Nor do we call whom we blocked. */
      host_sees (pair->b, pair->a);
      sessions_connect (pair->b->sessions, host_contact (pair->b, pair->a), outcome_set, &outcome);
      g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_BLOCKED);
    }
}

/* --- who is let go --------------------------------------------------------------- */

static void
test_lowered (Pair *pair, gconstpointer how)
{
  Contact *contact;
  Outcome outcome = { 0 };

  befriend (pair);
  host_sees (pair->a, pair->b);
  g_assert_cmpint (host_connect (pair->a, pair->b), ==, -1);
  host_wait_for (both_open (pair));
  contact = host_contact (pair->b, pair->a);
  if (strcmp (how, "block") == 0)
    trust_set_blocked (pair->b->people.trust, contact, TRUE, "test", outcome_set, &outcome);
  else if (strcmp (how, "revoke") == 0)
    trust_revoke (pair->b->people.trust, host_fp (pair->a), "", "test", outcome_set, &outcome);
  else
    trust_forget (pair->b->people.trust, contact, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  /* At once, not when the peer answers. */
  g_assert_cmpuint (pair->b->closed, ==, 1);
  g_assert_null (host_session (pair->b, pair->a));
  say (host_session (pair->a, pair->b), "too late");
  host_wait_for (none_open (pair));
  g_assert_cmpuint (pair->b->heard->len, ==, 0);
}

typedef struct
{
  Host *host;
  Outcome outcome;
} Blocking;

static void
block_at_once (gpointer user, Request *request)
{
  Blocking *blocking = user;

  trust_set_blocked (blocking->host->people.trust, request_get_contact (request), TRUE, "test", outcome_set,
                     &blocking->outcome);
}

/* Blocked between the verdict and the open stream. */
static void
test_blocked_while_negotiating (Pair *pair, gconstpointer unused)
{
  Blocking blocking = { pair->b, { 0 } };
  static const TrustWatch watch = { .request_added = block_at_once };

  trust_watch (pair->b->people.trust, &watch, &blocking);
  host_sees (pair->a, pair->b);
  sessions_want (pair->a->sessions, host_contact (pair->a, pair->b));
  host_wait_for (blocking.outcome.done);
  g_assert_cmpint (blocking.outcome.code, ==, -1);
  host_wait_for (pair->a->failed + pair->a->closed > 0 && none_open (pair));
  g_assert_cmpuint (pair->b->opened, ==, pair->b->closed);
  g_assert_false (contact_is_connected (host_contact (pair->b, pair->a)));
  trust_unwatch (pair->b->people.trust, &blocking);
}

static void
test_idle (Pair *pair, gconstpointer unused)
{
  host_free (pair->b);
  pair->b = host_new ("bob");
  pair->b->idle_close_s = 1;
  host_start (pair->b);
  host_sees (pair->a, pair->b);
  g_assert_cmpint (host_connect (pair->a, pair->b), ==, -1);
  host_wait_for (both_open (pair));
  host_wait_for (none_open (pair));
  g_assert_cmpuint (pair->a->closed, ==, 1);
  /* Nobody wanted it: nobody dials again. */
  host_stay_quiet (1500);
  g_assert_true (none_open (pair));
}

static void
test_goodbye (Pair *pair, gconstpointer unused)
{
  befriend (pair);
  host_sees (pair->a, pair->b);
  g_assert_cmpint (host_connect (pair->a, pair->b), ==, -1);
  host_wait_for (both_open (pair));
  host_stop (pair->b);
  host_wait_for (pair->a->closed == 1);
  g_assert_false (contact_is_connected (find_one (pair->a->people.contacts, "bob@test")));
}

/* --- another key answers ------------------------------------------------------------ */

/* Answers to bob's name with a key of its own. */
static Host *
impostor_new (void)
{
  Host *impostor = host_new_started ("mallory", FALSE);

  sessions_set_addr (impostor->sessions, "bob@test");
  return impostor;
}

static void
test_mismatch (Pair *pair, gconstpointer unused)
{
  g_autoptr (Host) impostor = impostor_new ();
  Contact *bob;

  befriend (pair);
  host_sees (pair->a, pair->b);
  bob = host_contact (pair->a, pair->b);
  /* The hint says bob; mallory answers. */
  fake_discovery_locate (pair->a->discovery, "bob@test", "::1", sessions_get_port (impostor->sessions));
  g_assert_cmpint (host_connect (pair->a, pair->b), ==, EARSHOT_ERROR_NAME_CONFLICT);
  g_assert_cmpstr (contact_get_last_error (bob), ==, "NameConflict");
  g_assert_cmpstr (request_get_kind (host_only_request (pair->a)), ==, "name-conflict");
  g_assert_true (request_get_contested (host_only_request (pair->a)) == bob);
  g_assert_true (fingerprint_equal (request_get_fingerprint (host_only_request (pair->a)), host_fp (impostor)));
  g_assert_cmpint (contact_get_trust (bob), ==, TRUST_PINNED);
  /* The impostor did not learn who called: our certificate never left. */
  host_stay_quiet (200);
  g_assert_cmpuint (count_contacts (impostor->people.contacts), ==, 0);
  g_assert_cmpuint (impostor->opened, ==, 0);
  g_assert_cmpuint (pair->a->opened, ==, 0);
}

/* He was here under his name, and the stream is over. */
static void
know_bob (Pair *pair)
{
  befriend (pair);
  add_person_named (&pair->a->people, "", &(Fingerprint){ { 9 } }, "nobody@test");
  host_sees (pair->a, pair->b);
  g_assert_cmpint (host_connect (pair->a, pair->b), ==, -1);
  host_wait_for (both_open (pair));
  sessions_disconnect (pair->a->sessions, host_contact (pair->a, pair->b));
  host_wait_for (none_open (pair));
}

static void
take_name (Pair *pair, Host *impostor)
{
  fake_discovery_gone (pair->a->discovery, "bob@test", 1, AF_INET6);
  contacts_on_gone (pair->a->people.contacts, "bob@test", "local", 1, AF_INET6);
  host_sees_as (pair->a, impostor, "bob@test", TRUE);
}

/* P-09: his name under another hint; he himself is nowhere. Dialling him tells that the key changed, and nothing leaves. */
static void
test_name_taken (Pair *pair, gconstpointer unused)
{
  g_autoptr (Host) impostor = impostor_new ();

  know_bob (pair);
  take_name (pair, impostor);
  g_assert_cmpint (contact_get_reach (host_contact (pair->a, pair->b)), ==, REACH_OFFLINE);
  g_assert_cmpint (host_connect (pair->a, pair->b), ==, EARSHOT_ERROR_NAME_CONFLICT);
  g_assert_cmpstr (request_get_kind (host_only_request (pair->a)), ==, "name-conflict");
  g_assert_cmpuint (count_contacts (impostor->people.contacts), ==, 0);
}

/* The same, and the name is taken while we call him where nobody answers: when that has failed, whoever took it is called. */
static void
test_name_taken_meanwhile (Pair *pair, gconstpointer unused)
{
  g_autoptr (Host) impostor = impostor_new ();
  struct sockaddr_in6 addr = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
  socklen_t length = sizeof addr;
  int silent = socket (AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), caller;
  Contact *bob;

  g_assert_cmpint (bind (silent, (struct sockaddr *) &addr, length), ==, 0);
  g_assert_cmpint (listen (silent, 1), ==, 0);
  g_assert_cmpint (getsockname (silent, (struct sockaddr *) &addr, &length), ==, 0);
  know_bob (pair);
  bob = host_contact (pair->a, pair->b);
  fake_discovery_locate (pair->a->discovery, "bob@test", "::1", ntohs (addr.sin6_port));
  sessions_want (pair->a->sessions, bob);
  while ((caller = accept (silent, NULL, NULL)) < 0)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (1000);
  take_name (pair, impostor);
  g_assert_cmpint (contact_get_reach (bob), ==, REACH_OFFLINE);
  close (caller);
  close (silent);
  host_wait_for (g_strcmp0 (contact_get_last_error (bob), "NameConflict") == 0);
  g_assert_cmpstr (request_get_kind (host_only_request (pair->a)), ==, "name-conflict");
  g_assert_cmpuint (count_contacts (impostor->people.contacts), ==, 0);
}

/* --- two streams of one key -------------------------------------------------------------- */

static void
test_simultaneous (Pair *pair, gconstpointer unused)
{
  befriend (pair);
  host_sees (pair->a, pair->b);
  host_sees (pair->b, pair->a);
  for (int round = 0; round < 8; round++)
    {
      Outcome from_a = { 0 }, from_b = { 0 };
      gboolean a_is_lower = fingerprint_compare (host_fp (pair->a), host_fp (pair->b)) < 0;

      sessions_connect (pair->a->sessions, host_contact (pair->a, pair->b), outcome_set, &from_a);
      sessions_connect (pair->b->sessions, host_contact (pair->b, pair->a), outcome_set, &from_b);
      g_assert_cmpint (outcome_wait (&from_a), ==, -1);
      g_assert_cmpint (outcome_wait (&from_b), ==, -1);
      /* The one opened by the lower key stays, on both sides, if both came that far. */
      host_wait_for (both_open (pair)
                     && host_session (pair->a, pair->b)->inbound != host_session (pair->b, pair->a)->inbound);
      if (pair->a->opened + pair->b->opened > 2)
        g_assert_true (host_session (pair->a, pair->b)->inbound != a_is_lower);
      g_assert_cmpuint (pair->a->opened - pair->a->closed, ==, 1);
      say (host_session (pair->a, pair->b), "hello");
      host_wait_for (pair->b->heard->len > 0);
      g_ptr_array_set_size (pair->b->heard, 0);
      sessions_disconnect (pair->a->sessions, host_contact (pair->a, pair->b));
      host_wait_for (none_open (pair));
      pair->a->opened = pair->a->closed = pair->b->opened = pair->b->closed = 0;
    }
}

/* The same person from the same side again: it crashed and came back. */
static Host *
clone_of (Host *host)
{
  g_autofree char *key = g_build_filename (host->people.store.dir, "identity.key", NULL);
  g_autofree char *crt = g_build_filename (host->people.store.dir, "identity.crt", NULL);
  Host *clone = host_new ("alice");
  g_autofree char *to_key = g_build_filename (clone->people.store.dir, "identity.key", NULL);
  g_autofree char *to_crt = g_build_filename (clone->people.store.dir, "identity.crt", NULL);
  g_autofree char *data = NULL;
  gsize len;

  g_assert_true (g_file_get_contents (key, &data, &len, NULL));
  g_assert_true (g_file_set_contents_full (to_key, data, len, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
  g_clear_pointer (&data, g_free);
  g_assert_true (g_file_get_contents (crt, &data, &len, NULL));
  g_assert_true (g_file_set_contents_full (to_crt, data, len, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
  host_start (clone);
  return clone;
}

static void
on_contact_changed (gpointer user, Contact *contact)
{
  gboolean *fell = user;

  *fell |= !contact_is_connected (contact);
}

static void
test_newer_replaces (Pair *pair, gconstpointer unused)
{
  g_autoptr (Host) again = clone_of (pair->a);
  static const ContactsWatch watch = { .changed = on_contact_changed };
  gboolean fell = FALSE;
  guint64 first;

  g_assert_true (fingerprint_equal (host_fp (again), host_fp (pair->a)));
  host_sees (pair->a, pair->b);
  g_assert_cmpint (host_connect (pair->a, pair->b), ==, -1);
  host_wait_for (both_open (pair));
  first = session_get_id (host_session (pair->b, pair->a));
  contacts_watch (pair->b->people.contacts, &watch, &fell);
  host_sees (again, pair->b);
  g_assert_cmpint (host_connect (again, pair->b), ==, -1);
  host_wait_for (pair->b->opened == 2);
  g_assert_cmpuint (pair->b->closed, ==, 1);
  g_assert_cmpuint (session_get_id (host_session (pair->b, pair->a)), !=, first);
  host_wait_for (pair->a->closed == 1);
  /* Who came back was never away. */
  g_assert_false (fell);
  g_assert_cmpuint (count_contacts (pair->b->people.contacts), ==, 1);
  contacts_unwatch (pair->b->people.contacts, &fell);
  say (host_session (again, pair->b), "still me");
  host_wait_for (pair->b->heard->len == 1);
}

typedef struct {
  gboolean deaf, young, gone;
} Stale;

static const Stale stale_deaf = { .deaf = TRUE }, stale_answers = { .deaf = FALSE }, stale_deaf_young = { .deaf = TRUE, .young = TRUE },
                   stale_gone_young = { .gone = TRUE, .young = TRUE }, stale_answers_young = { .young = TRUE };

/* S-27: we opened the old one, its other end is deaf, and it calls anew: asked first, then replaced; what the new stream said meanwhile
 * is heard. Long ago, or just now, when it could be a call that crossed ours, and ours is the one to stay. */
static void
test_stale (Pair *pair, gconstpointer how)
{
  const Stale *stale = how;
  gboolean swap = stale->young && fingerprint_compare (host_fp (pair->a), host_fp (pair->b)) < 0;
  Host *peer = swap ? pair->b : pair->a, *us = swap ? pair->a : pair->b;
  g_autoptr (Host) again = clone_of (peer);
  Session *old;

  befriend (pair);
  host_befriend (again, us);
  host_sees (us, peer);
  g_assert_cmpint (host_connect (us, peer), ==, -1);
  host_wait_for (both_open (pair));
  old = host_session (us, peer);
  if (!stale->young)
    {
      old->opened_at -= 11 * G_USEC_PER_SEC;
      old->last_rx -= 11 * G_USEC_PER_SEC;
    }
  if (stale->deaf || stale->gone)
    session_hold_reading (host_session (peer, us), TRUE);
  host_sees (again, us);
  g_assert_cmpint (host_connect (again, us), ==, -1);
  say (host_session (again, us), "it is me");
  if (stale->deaf || stale->gone)
    {
      gint64 began = g_get_monotonic_time ();

      /* A link that is reset says no more: nobody has to wait for the five seconds. */
      if (stale->gone)
        {
          host_wait_for (old->challenged);
          session_drop (host_session (peer, us));
        }
      host_wait_for (us->heard->len == 1);
      g_assert_true (host_session (us, peer) != old);
      g_assert_cmpuint (us->opened, ==, 2);
      if (stale->deaf)
        g_assert_cmpint (g_get_monotonic_time () - began, >, 4 * G_USEC_PER_SEC);
    }
  else
    {
      /* It answers (no router is here to do it by itself): the new one has to go. */
      host_wait_for (old->challenged);
      say (host_session (peer, us), "here");
      host_wait_for (again->closed == 1);
      g_assert_true (host_session (us, peer) == old);
      g_assert_cmpuint (us->opened, ==, 1);
    }
}

/* --- back-pressure --------------------------------------------------------------------------- */

static void
test_back_pressure (Pair *pair, gconstpointer unused)
{
  g_autofree char *text = g_strnfill (60000, 'x');
  Session *session;
  guint sent = 0;

  befriend (pair);
  pair->b->hold_on_open = TRUE;
  host_sees (pair->a, pair->b);
  g_assert_cmpint (host_connect (pair->a, pair->b), ==, -1);
  host_wait_for (both_open (pair));
  session = host_session (pair->a, pair->b);
  for (; !session_is_congested (session); sent++)
    {
      g_assert_cmpuint (sent, <, 5000);
      say (session, text);
      while (g_main_context_iteration (NULL, FALSE))
        ;
    }
  g_assert_cmpuint (link_get_pending (session->link), <, 2 * LINK_HIGH_WATER);
  g_assert_cmpuint (pair->a->writable, ==, 0);
  g_assert_cmpuint (pair->b->heard->len, ==, 0);
  session_hold_reading (host_session (pair->b, pair->a), FALSE);
  host_wait_for (pair->a->writable == 1);
  g_assert_false (session_is_congested (session));
  host_wait_for (pair->b->heard->len == sent);
}

/* --- dialling ---------------------------------------------------------------------------------- */

static void
test_not_reachable (Pair *pair, gconstpointer unused)
{
  const char *txt[] = { "txtvers=1", NULL };
  Contact *contact;
  Outcome outcome = { 0 };

  /* Announced, and nobody resolves it. */
  fake_discovery_sight (pair->a->discovery, "ghost@test", 1, AF_INET6, txt);
  contact = find_one (pair->a->people.contacts, "ghost@test");
  pair->a->unwant_on_fail = TRUE; /* inside the report of the failure */
  sessions_want (pair->a->sessions, contact);
  sessions_connect (pair->a->sessions, contact, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_NOT_REACHABLE);
  g_assert_cmpuint (pair->a->failed, ==, 1);
  g_assert_cmpstr (contact_get_last_error (contact), ==, "NotReachable");
  /* It goes while it is dialled. */
  sessions_connect (pair->a->sessions, contact, outcome_set, &outcome);
  g_main_context_iteration (NULL, FALSE);
  contacts_on_gone (pair->a->people.contacts, "ghost@test", "local", 1, AF_INET6);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_NOT_REACHABLE);
  g_assert_cmpuint (count_contacts (pair->a->people.contacts), ==, 0);
}

/* Who lets us in and hangs up at once is called less and less often, or its listener shuts us out. */
static void
test_turned_away (Pair *pair, gconstpointer unused)
{
  gint64 began = g_get_monotonic_time (), ended, pause;

  befriend (pair);
  host_sees (pair->a, pair->b);
  sessions_want (pair->a->sessions, host_contact (pair->a, pair->b));
  for (guint n = 0; n < 5; n++)
    {
      host_wait_for (pair->b->opened == n + 1);
      stream_fail (host_session (pair->b, pair->a)->stream, "conflict", NULL);
      host_wait_for (pair->a->closed == n + 1);
    }
  /* The least that four pauses may be, each twice the one before. */
  g_assert_cmpint (g_get_monotonic_time () - began, >=, (125 + 250 + 500 + 1000) * G_TIME_SPAN_MILLISECOND);
  ended = g_get_monotonic_time ();
  host_wait_for (both_open (pair));
  pause = g_get_monotonic_time () - ended;
  /* One that lasted for a while starts all over. */
  host_session (pair->a, pair->b)->opened_at -= 11 * G_USEC_PER_SEC;
  stream_fail (host_session (pair->b, pair->a)->stream, "conflict", NULL);
  ended = g_get_monotonic_time ();
  host_wait_for (pair->a->opened == 7);
  g_assert_cmpint (g_get_monotonic_time () - ended, <, pause);
}

static void
test_want (Pair *pair, gconstpointer unused)
{
  befriend (pair);
  /* Wanted while nowhere: dialled as soon as it is announced, and again when the stream is lost. */
  sessions_want (pair->a->sessions, host_contact (pair->a, pair->b));
  host_stay_quiet (50);
  g_assert_cmpuint (pair->a->opened, ==, 0);
  host_sees (pair->a, pair->b);
  host_wait_for (both_open (pair));
  sessions_disconnect (pair->b->sessions, host_contact (pair->b, pair->a));
  host_wait_for (pair->a->closed == 1);
  host_wait_for (both_open (pair));
  sessions_unwant (pair->a->sessions, host_contact (pair->a, pair->b));
  sessions_disconnect (pair->b->sessions, host_contact (pair->b, pair->a));
  host_wait_for (none_open (pair));
  host_stay_quiet (1500);
  g_assert_true (none_open (pair));
}

static void
test_static (Pair *pair, gconstpointer unused)
{
  g_autofree char *endpoint = g_strdup_printf ("[::1]:%u", sessions_get_port (pair->b->sessions));
  g_autofree char *own = g_strdup_printf ("[::1]:%u", sessions_get_port (pair->a->sessions));
  Contact *contact = contacts_add_static (pair->a->people.contacts, endpoint, NULL);
  Contact *self = contacts_add_static (pair->a->people.contacts, own, NULL);
  Outcome outcome = { 0 };

  sessions_connect (pair->a->sessions, contact, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  host_wait_for (both_open (pair));
  g_assert_true (host_contact (pair->a, pair->b) == contact);
  /* P-16: not ourselves. */
  sessions_connect (pair->a->sessions, self, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), !=, -1);
  g_assert_cmpuint (pair->a->opened, ==, 1);
}

static gboolean
on_hang_up (GSocketService *service, GSocketConnection *connection, GObject *source, gpointer user)
{
  (*(guint *) user)++;
  g_io_stream_close (G_IO_STREAM (connection), NULL, NULL);
  return TRUE;
}

/* Called together, who answers first is of no use, twice: each is called once, and the others again without it. */
static void
test_together (Pair *pair, gconstpointer unused)
{
  g_autoptr (GSocketService) useless = g_socket_service_new ();
  guint16 one = g_socket_listener_add_any_inet_port (G_SOCKET_LISTENER (useless), NULL, NULL);
  guint16 two = g_socket_listener_add_any_inet_port (G_SOCKET_LISTENER (useless), NULL, NULL);
  guint16 ports[] = { one, two, 1, sessions_get_port (pair->b->sessions) };
  Contact *contact = NULL;
  Outcome outcome = { 0 };
  guint hung_up = 0;

  g_signal_connect (useless, "incoming", G_CALLBACK (on_hang_up), &hung_up);
  for (guint i = 0; i < G_N_ELEMENTS (ports); i++)
    {
      g_autofree char *endpoint = g_strdup_printf (i == 0 ? "[::1]:%u" : "127.0.0.1:%u", ports[i]);

      /* All that there are so far useless: the attempt ends. */
      if (i == 3)
        {
          sessions_connect (pair->a->sessions, contact, outcome_set, &outcome);
          g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_NOT_REACHABLE);
          g_assert_cmpuint (hung_up, ==, 2);
        }
      if (contact == NULL)
        contact = contacts_add_static (pair->a->people.contacts, endpoint, NULL);
      else
        g_assert_nonnull (contacts_take_static (pair->a->people.contacts, contact, endpoint, NULL));
    }
  sessions_connect (pair->a->sessions, contact, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  host_wait_for (both_open (pair));
  g_assert_cmpuint (hung_up, ==, 4);
  g_assert_cmpuint (pair->a->opened, ==, 1);
  g_assert_cmpuint (pair->b->opened, ==, 1);
  g_socket_service_stop (useless);
  g_socket_listener_close (G_SOCKET_LISTENER (useless));
}

static void
test_no_name_yet (Pair *pair, gconstpointer unused)
{
  Outcome outcome = { 0 };

  host_sees (pair->a, pair->b);
  g_ptr_array_set_size (pair->a->sessions->addrs, 0);
  sessions_want (pair->a->sessions, host_contact (pair->a, pair->b));
  sessions_connect (pair->a->sessions, host_contact (pair->a, pair->b), outcome_set, &outcome);
  host_stay_quiet (50);
  g_assert_false (outcome.done);
  sessions_set_addr (pair->a->sessions, "alice@test");
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  host_wait_for (both_open (pair));
}

static gboolean
on_silent (GSocketService *service, GSocketConnection *connection, GObject *source, gpointer user)
{
  g_ptr_array_add (user, g_object_ref (connection));
  return TRUE;
}

/* Disconnect ends a call that nobody answers yet, too; what waits to be sent calls again. */
static void
test_hung_up_while_calling (Pair *pair, gconstpointer unused)
{
  g_autoptr (GPtrArray) heard = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GSocketService) silent = g_socket_service_new ();
  guint16 port = g_socket_listener_add_any_inet_port (G_SOCKET_LISTENER (silent), NULL, NULL);
  g_autofree char *endpoint = g_strdup_printf ("[::1]:%u", port);
  Contact *contact = contacts_add_static (pair->a->people.contacts, endpoint, NULL);
  Outcome outcome = { 0 }, early = { 0 };

  g_signal_connect (silent, "incoming", G_CALLBACK (on_silent), heard);
  /* Before it began. */
  sessions_connect (pair->a->sessions, contact, outcome_set, &early);
  sessions_disconnect (pair->a->sessions, contact);
  g_assert_true (early.done);
  g_assert_cmpint (outcome_wait (&early), ==, EARSHOT_ERROR_NOT_REACHABLE);
  g_assert_cmpuint (g_hash_table_size (pair->a->sessions->dials), ==, 0);
  sessions_connect (pair->a->sessions, contact, outcome_set, &outcome);
  host_wait_for (heard->len == 1);
  g_assert_false (outcome.done);
  sessions_disconnect (pair->a->sessions, contact);
  g_assert_true (outcome.done);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_NOT_REACHABLE);
  g_assert_cmpuint (pair->a->sessions->all->len, ==, 0);
  g_assert_cmpuint (g_hash_table_size (pair->a->sessions->dials), ==, 0);
  sessions_want (pair->a->sessions, contact);
  host_wait_for (heard->len == 2);
  sessions_disconnect (pair->a->sessions, contact);
  g_assert_cmpuint (pair->a->sessions->all->len, ==, 0);
  host_wait_for (heard->len == 3);
  sessions_unwant (pair->a->sessions, contact);
  sessions_disconnect (pair->a->sessions, contact);
  g_assert_cmpuint (g_hash_table_size (pair->a->sessions->dials), ==, 0);
  host_stay_quiet (1500);
  g_assert_cmpuint (heard->len, ==, 3);
  g_socket_service_stop (silent);
  g_socket_listener_close (G_SOCKET_LISTENER (silent));
}

static void
on_probed (gpointer user, GVariant *result, const GError *error)
{
  GVariant **out = user;

  *out = result != NULL ? g_variant_ref (result) : g_variant_ref_sink (g_variant_new_int32 (error->code));
}

static GVariant *
probe (Host *host, const char *endpoint)
{
  GVariant *result = NULL;

  sessions_probe (host->sessions, endpoint, 5000, on_probed, &result);
  g_assert_null (result);
  host_wait_for (result != NULL);
  return result;
}

static void
test_probe (Pair *pair, gconstpointer unused)
{
  g_autofree char *endpoint = g_strdup_printf ("[::1]:%u", sessions_get_port (pair->b->sessions));
  g_autoptr (GVariant) good = probe (pair->a, endpoint);
  g_autoptr (GVariant) nobody = probe (pair->a, "[::1]:1");
  g_autoptr (GVariant) malformed = probe (pair->a, "bob");
  g_autofree char *hex = fingerprint_to_hex (host_fp (pair->b));
  const char *shown;

  g_assert_true (g_variant_lookup (good, "fingerprint", "&s", &shown));
  g_assert_cmpstr (shown, ==, hex);
  g_assert_cmpint (g_variant_get_int32 (nobody), ==, EARSHOT_ERROR_NOT_REACHABLE);
  g_assert_cmpint (g_variant_get_int32 (malformed), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  /* It leaves no trace on either side. */
  g_assert_cmpuint (count_contacts (pair->a->people.contacts), ==, 0);
  host_stay_quiet (100);
  g_assert_cmpuint (count_contacts (pair->b->people.contacts), ==, 0);
}

/* 2.10: eight restricted streams; the oldest gives way to the ninth. */
static void
test_restricted_max (Pair *pair, gconstpointer unused)
{
  g_autoptr (GPtrArray) strangers = g_ptr_array_new_with_free_func ((GDestroyNotify) host_free);

  for (guint i = 0; i < 9; i++)
    {
      g_autofree char *name = g_strdup_printf ("user%u", i);
      Host *stranger = host_new_started (name, FALSE);

      g_ptr_array_add (strangers, stranger);
      host_sees (stranger, pair->b);
      g_assert_cmpint (host_connect (stranger, pair->b), ==, -1);
      host_wait_for (pair->b->opened == i + 1);
    }
  host_wait_for (((Host *) g_ptr_array_index (strangers, 0))->closed == 1);
  g_assert_cmpuint (pair->b->closed, ==, 1);
}

#define SESSION_TEST(path, data, func) g_test_add (path, Pair, data, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  SESSION_TEST ("/session/T-07-unknown-both", NULL, test_unknown_both);
  SESSION_TEST ("/session/mutual", NULL, test_mutual);
  SESSION_TEST ("/session/S-14-refused-alike/block", "block", test_refused_alike);
  SESSION_TEST ("/session/S-14-refused-alike/reject", "reject", test_refused_alike);
  SESSION_TEST ("/session/S-14-refused-alike/strict", "strict", test_refused_alike);
  SESSION_TEST ("/session/T-20-lowered/block", "block", test_lowered);
  SESSION_TEST ("/session/T-20-lowered/revoke", "revoke", test_lowered);
  SESSION_TEST ("/session/T-20-lowered/forget", "forget", test_lowered);
  SESSION_TEST ("/session/T-20-lowered/while-negotiating", NULL, test_blocked_while_negotiating);
  SESSION_TEST ("/session/S-28-idle", NULL, test_idle);
  SESSION_TEST ("/session/goodbye", NULL, test_goodbye);
  SESSION_TEST ("/session/T-12-another-key-answers", NULL, test_mismatch);
  SESSION_TEST ("/session/P-09-name-taken", NULL, test_name_taken);
  SESSION_TEST ("/session/P-09-name-taken-meanwhile", NULL, test_name_taken_meanwhile);
  SESSION_TEST ("/session/S-26-simultaneous", NULL, test_simultaneous);
  SESSION_TEST ("/session/newer-replaces", NULL, test_newer_replaces);
  SESSION_TEST ("/session/S-27-stale/deaf", &stale_deaf, test_stale);
  SESSION_TEST ("/session/S-27-stale/answers", &stale_answers, test_stale);
  SESSION_TEST ("/session/S-27-stale/deaf-young", &stale_deaf_young, test_stale);
  SESSION_TEST ("/session/S-27-stale/gone-young", &stale_gone_young, test_stale);
  SESSION_TEST ("/session/S-26-stale/answers-young", &stale_answers_young, test_stale);
  SESSION_TEST ("/session/dial/turned-away", NULL, test_turned_away);
  SESSION_TEST ("/session/back-pressure", NULL, test_back_pressure);
  SESSION_TEST ("/session/dial/not-reachable", NULL, test_not_reachable);
  SESSION_TEST ("/session/dial/want", NULL, test_want);
  SESSION_TEST ("/session/dial/static-P-16", NULL, test_static);
  SESSION_TEST ("/session/dial/together", NULL, test_together);
  SESSION_TEST ("/session/dial/no-name-yet", NULL, test_no_name_yet);
  SESSION_TEST ("/session/dial/hung-up-while-calling", NULL, test_hung_up_while_calling);
  SESSION_TEST ("/session/probe", NULL, test_probe);
  SESSION_TEST ("/session/restricted-max", NULL, test_restricted_max);
  return g_test_run ();
}
