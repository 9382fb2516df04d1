/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who says what: IQs between a whole stack and a bare one that writes what it likes.
 */
#include "earshot-config.h"

#include "daemon/proto/caps.h"
#include "tests/unit/talk-helper.h"

typedef struct
{
  Host *host;  /* routes */
  Host *peer;  /* bare: hears stanzas as they come */
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer stranger)
{
  fixture->host = host_new_started ("alice", TRUE);
  fixture->peer = host_new_started ("mallory", FALSE);
  host_befriend (fixture->peer, fixture->host);
  if (stranger == NULL)
    host_befriend (fixture->host, fixture->peer);
  host_sees (fixture->peer, fixture->host);
  g_assert_cmpint (host_connect (fixture->peer, fixture->host), ==, -1);
  host_wait_for (host_session (fixture->host, fixture->peer) != NULL);
  /* What the host asks by itself goes unanswered. */
  host_stay_quiet (20);
  g_ptr_array_set_size (fixture->peer->heard, 0);
}

static void
tear_down (Fixture *fixture, gconstpointer unused)
{
  host_free (fixture->host);
  host_free (fixture->peer);
}

static Stanza *
make_iq (const char *type, const char *id, const char *child, const char *ns)
{
  Stanza *iq = stanza_new ("iq", NS_CLIENT);

  if (type != NULL)
    stanza_set_attr (iq, "type", type);
  if (id != NULL)
    stanza_set_attr (iq, "id", id);
  if (child != NULL)
    stanza_add_new (iq, child, ns, NULL);
  return iq;
}

static void
say (Fixture *fixture, Stanza *stanza_take)
{
  g_assert_true (session_send (host_session (fixture->peer, fixture->host), stanza_take));
  stanza_unref (stanza_take);
}

/* The answer to the last thing said, which has this id. */
static const Stanza *
answer (Fixture *fixture, const char *id)
{
  const Stanza *stanza;

  host_wait_for (fixture->peer->heard->len >= 1);
  g_assert_cmpuint (fixture->peer->heard->len, ==, 1);
  stanza = g_ptr_array_index (fixture->peer->heard, 0);
  g_assert_cmpstr (stanza_get_attr (stanza, "id"), ==, id);
  return stanza;
}

static void
assert_error (Fixture *fixture, const char *id, const char *type, const char *condition, gboolean untrusted)
{
  const Stanza *stanza = answer (fixture, id), *error = stanza_get_child (stanza, "error", NS_CLIENT);

  g_assert_cmpstr (stanza_get_attr (stanza, "type"), ==, "error");
  g_assert_nonnull (error);
  g_assert_cmpstr (stanza_get_attr (error, "type"), ==, type);
  g_assert_nonnull (stanza_get_child (error, condition, NS_STANZA_ERRORS));
  g_assert_true ((stanza_get_child (error, "untrusted", NS_LL_TRUST) != NULL) == untrusted);
  g_ptr_array_set_size (fixture->peer->heard, 0);
}

/* --- what is answered -------------------------------------------------------------- */

static void
test_answers (Fixture *fixture, gconstpointer stranger)
{
  g_autoptr (Stanza) own = caps_own_disco_info ();
  Stanza *iq;

  say (fixture, make_iq ("get", "1", "ping", NS_PING));
  g_assert_cmpstr (stanza_get_attr (answer (fixture, "1"), "type"), ==, "result");
  g_ptr_array_set_size (fixture->peer->heard, 0);
  say (fixture, make_iq ("get", "2", "query", NS_DISCO_INFO));
  g_assert_true (stanza_equal (stanza_get_child (answer (fixture, "2"), "query", NS_DISCO_INFO), own)); /* M-13 */
  g_ptr_array_set_size (fixture->peer->heard, 0);
  iq = make_iq ("get", "3", "query", NS_DISCO_INFO);
  stanza_set_attr ((Stanza *) stanza_get_child (iq, "query", NULL), "node", "https://example.org#other");
  say (fixture, iq);
  assert_error (fixture, "3", "cancel", "item-not-found", FALSE);
  /* S-29; to a stranger that he is one. */
  say (fixture, make_iq ("get", "4", "query", "jabber:iq:roster"));
  assert_error (fixture, "4", stranger ? "auth" : "cancel", stranger ? "not-authorized" : "service-unavailable",
                stranger != NULL);
  say (fixture, make_iq ("set", "5", "ping", NS_PING));
  assert_error (fixture, "5", stranger ? "auth" : "cancel", stranger ? "not-authorized" : "service-unavailable",
                stranger != NULL);
  /* Neither none nor two payloads. */
  say (fixture, make_iq ("get", "6", NULL, NULL));
  assert_error (fixture, "6", "modify", "bad-request", FALSE);
  iq = make_iq ("get", "7", "ping", NS_PING);
  stanza_add_new (iq, "ping", NS_PING, NULL);
  say (fixture, iq);
  assert_error (fixture, "7", "modify", "bad-request", FALSE);
}

/* What tells of us: to whom we accepted, and no more than it needs. */
static void
test_about_us (Fixture *fixture, gconstpointer stranger)
{
  static const struct {
    const char *name, *ns;
  } asked[] = { { "time", NS_TIME }, { "query", NS_VERSION }, { "query", NS_LAST } };
  const Stanza *told;
  g_autofree char *tzo = NULL, *utc = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (asked); i++)
    {
      if (stranger == NULL && i < 2)
        continue;
      say (fixture, make_iq ("get", "1", asked[i].name, asked[i].ns));
      /* Nobody consented to tell how long he has been idle. */
      assert_error (fixture, "1", "auth", stranger ? "not-authorized" : "forbidden", stranger != NULL);
    }
  if (stranger)
    return;
  say (fixture, make_iq ("get", "2", "time", NS_TIME));
  told = stanza_get_child (answer (fixture, "2"), "time", NS_TIME);
  tzo = stanza_dup_text (stanza_get_child (told, "tzo", NS_TIME));
  utc = stanza_dup_text (stanza_get_child (told, "utc", NS_TIME));
  g_assert_cmpstr (tzo, ==, "+00:00");
  g_assert_true (g_str_has_suffix (utc, "Z"));
  g_ptr_array_set_size (fixture->peer->heard, 0);
  say (fixture, make_iq ("get", "3", "query", NS_VERSION));
  told = stanza_get_child (answer (fixture, "3"), "query", NS_VERSION);
  g_assert_nonnull (stanza_get_child (told, "name", NS_VERSION));
  g_assert_nonnull (stanza_get_child (told, "version", NS_VERSION));
  g_assert_null (stanza_get_child (told, "os", NS_VERSION));
  g_ptr_array_set_size (fixture->peer->heard, 0);
  say (fixture, make_iq ("set", "4", "time", NS_TIME));
  assert_error (fixture, "4", "cancel", "service-unavailable", FALSE);
}

static void
test_silence (Fixture *fixture, gconstpointer unused)
{
  g_autofree char *long_id = g_strnfill (257, 'i');
  Session *session = host_session (fixture->peer, fixture->host);

  /* S-32 (ours would not send one), answers to nothing, errors, IQs of no type or of a new one: no answer. */
  /* Our own machine would not send it, so it is counted by hand: the other one counts it. */
  host_wait_for (stream_get_sm (session->stream) != NULL);
  sm_sent ((Sm *) stream_get_sm (session->stream), "<presence/>", strlen ("<presence/>"), NULL, 0);
  tls_write (session->tls, "<presence/>", strlen ("<presence/>"));
  say (fixture, make_iq ("result", "nobody asked", "query", NS_DISCO_INFO));
  say (fixture, make_iq ("error", "nobody asked", NULL, NULL));
  say (fixture, make_iq (NULL, "1", "ping", NS_PING));
  say (fixture, make_iq ("fetch", "1", "ping", NS_PING));
  say (fixture, make_iq ("get", "probe", "ping", NS_PING));
  g_assert_cmpstr (stanza_get_attr (answer (fixture, "probe"), "type"), ==, "result");
  g_ptr_array_set_size (fixture->peer->heard, 0);
  say (fixture, make_iq ("get", long_id, "ping", NS_PING));
  assert_error (fixture, long_id, "modify", "bad-request", FALSE);
}

/* --- what is asked --------------------------------------------------------------------- */

typedef struct
{
  guint calls;
  int code; /* -1 = a reply */
} Asked;

static void
on_reply (gpointer user, const Stanza *reply, const GError *error)
{
  Asked *asked = user;

  asked->calls++;
  asked->code = error != NULL ? error->code : -1;
  g_assert_true ((reply != NULL) == (error == NULL));
}

static char *
ask (Fixture *fixture, guint timeout_ms, Asked *asked)
{
  guint before = fixture->peer->heard->len;

  router_query (fixture->host->router, host_session (fixture->host, fixture->peer), "get", stanza_new ("ping", NS_PING),
                timeout_ms, on_reply, asked);
  g_assert_cmpuint (asked->calls, ==, 0);
  host_wait_for (fixture->peer->heard->len > before);
  return g_strdup (stanza_get_attr (g_ptr_array_index (fixture->peer->heard, before), "id"));
}

static void
test_queries (Fixture *fixture, gconstpointer unused)
{
  g_autoptr (Host) other = host_new_started ("eve", FALSE);
  Asked asked = { 0 }, error = { 0 }, silent = { 0 }, closed = { 0 };
  g_autofree char *id = ask (fixture, 60000, &asked);
  g_autofree char *error_id = NULL, *silent_id = NULL, *closed_id = NULL;
  Stanza *stolen;

  /* Another peer that knows the id answers nothing (replies match by key and id). */
  host_befriend (fixture->host, other);
  host_befriend (other, fixture->host);
  host_sees (other, fixture->host);
  g_assert_cmpint (host_connect (other, fixture->host), ==, -1);
  stolen = make_iq ("result", id, NULL, NULL);
  g_assert_true (session_send (host_session (other, fixture->host), stolen));
  stanza_unref (stolen);
  host_stay_quiet (100);
  g_assert_cmpuint (asked.calls, ==, 0);
  say (fixture, make_iq ("result", id, NULL, NULL));
  say (fixture, make_iq ("result", id, NULL, NULL)); /* once is enough */
  host_wait_for (asked.calls == 1);
  g_assert_cmpint (asked.code, ==, -1);
  error_id = ask (fixture, 60000, &error);
  say (fixture, make_iq ("error", error_id, NULL, NULL));
  host_wait_for (error.calls == 1);
  g_assert_cmpint (error.code, ==, EARSHOT_ERROR_REFUSED);
  silent_id = ask (fixture, 50, &silent);
  host_wait_for (silent.calls == 1);
  g_assert_cmpint (silent.code, ==, EARSHOT_ERROR_TIMEOUT);
  say (fixture, make_iq ("result", silent_id, NULL, NULL)); /* too late */
  closed_id = ask (fixture, 60000, &closed);
  sessions_disconnect (fixture->peer->sessions, host_contact (fixture->peer, fixture->host));
  host_wait_for (closed.calls == 1);
  g_assert_cmpint (closed.code, ==, EARSHOT_ERROR_NOT_REACHABLE);
  g_assert_cmpuint (asked.calls + silent.calls, ==, 2);
}

/* Questions beyond what a peer may leave open fail; another peer's do not count. */
static void
test_many_queries (Fixture *fixture, gconstpointer unused)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (g_free);
  guint open = 0, failed = 0;

  for (int i = 0; i < 80; i++)
    {
      Asked *asked = g_new0 (Asked, 1);

      g_ptr_array_add (all, asked);
      router_query (fixture->host->router, host_session (fixture->host, fixture->peer), "get",
                    stanza_new ("ping", NS_PING), 60000, on_reply, asked);
    }
  host_stay_quiet (50);
  for (guint i = 0; i < all->len; i++)
    {
      const Asked *asked = g_ptr_array_index (all, i);

      g_assert_true (asked->calls == 0 || asked->code == EARSHOT_ERROR_TIMEOUT);
      *(asked->calls == 0 ? &open : &failed) += 1;
    }
  g_assert_cmpuint (open, <=, 64);
  g_assert_cmpuint (open, >=, 60);
  host_stop (fixture->host); /* reports to all that is open */
  for (guint i = 0; i < all->len; i++)
    g_assert_cmpuint (((Asked *) g_ptr_array_index (all, i))->calls, ==, 1);
}

static void
test_granted (Fixture *fixture, gconstpointer unused)
{
  for (int i = 0; i < 50; i++)
    {
      g_autofree char *id = g_strdup_printf ("%d", i);

      say (fixture, make_iq ("set", id, "granted", NS_LL_TRUST));
    }
  host_wait_for (fixture->peer->heard->len == 50);
  g_assert_false (session_is_restricted (host_session (fixture->host, fixture->peer)));
  talk_check_counts (fixture->host);
}

#define ROUTER_TEST(path, data, func) g_test_add (path, Fixture, data, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  ROUTER_TEST ("/router/S-29-M-13-answers", NULL, test_answers);
  ROUTER_TEST ("/router/S-29-answers-to-a-stranger", "stranger", test_answers);
  ROUTER_TEST ("/router/about-us", NULL, test_about_us);
  ROUTER_TEST ("/router/about-us-to-a-stranger", "stranger", test_about_us);
  ROUTER_TEST ("/router/S-32-silence", NULL, test_silence);
  ROUTER_TEST ("/router/queries", NULL, test_queries);
  ROUTER_TEST ("/router/many-queries", NULL, test_many_queries);
  ROUTER_TEST ("/router/granted-again-and-again", NULL, test_granted);
  return g_test_run ();
}
