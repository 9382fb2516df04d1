/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Messages to and from a peer without TLS (docs/protocol.md 3.9, 4.1, 8.3): a whole stack, trust's own verdicts, and a scripted legacy peer
 * over loopback. What is seen is what leaves, what does not, and what the databases say afterwards.
 */
#include "earshot-config.h"

#include <glib-unix.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "daemon/model/delivery-private.h"
#include "tests/unit/talk-helper.h"

#define US "alice@test"
#define PEER "romeo@forza"
#define CALLS "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='" PEER "' to='" US "'>"

typedef struct {
  Host *host;
  Contact *peer;
  int fd;
  guint source;
  GString *got;
  gboolean ended;
} Rig;

static gboolean
on_readable (gint fd, GIOCondition condition, gpointer user)
{
  Rig *rig = user;
  char chunk[4096];
  ssize_t n = recv (fd, chunk, sizeof chunk, MSG_DONTWAIT);

  if (n > 0)
    {
      g_string_append_len (rig->got, chunk, n);
      return G_SOURCE_CONTINUE;
    }
  rig->ended = TRUE;
  rig->source = 0;
  return G_SOURCE_REMOVE;
}

static void
hang_up (Rig *rig)
{
  g_clear_handle_id (&rig->source, g_source_remove);
  if (rig->fd >= 0)
    close (rig->fd);
  rig->fd = -1;
}

static void
call_host (Rig *rig)
{
  struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                             .sin6_port = g_htons (sessions_get_port (rig->host->sessions)) };

  hang_up (rig);
  rig->ended = FALSE;
  g_string_truncate (rig->got, 0);
  rig->fd = socket (AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (connect (rig->fd, (struct sockaddr *) &to, sizeof to), ==, 0);
  rig->source = g_unix_fd_add (rig->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, rig);
}

static void
say (Rig *rig, const char *text)
{
  g_assert_cmpint (send (rig->fd, text, strlen (text), MSG_NOSIGNAL), ==, (gssize) strlen (text));
}

static void
await (Rig *rig, const char *text)
{
  const char *found;

  host_wait_for (strstr (rig->got->str, text) != NULL || rig->ended);
  found = strstr (rig->got->str, text);
  if (found == NULL)
    g_error ("ended without %s: %s", text, rig->got->str);
  g_string_erase (rig->got, 0, found + strlen (text) - rig->got->str);
}

static void
sight (Rig *rig)
{
  const char *txt[] = { "txtvers=1", "status=avail", NULL };

  fake_discovery_locate (rig->host->discovery, PEER, "::1", 5298);
  fake_discovery_sight (rig->host->discovery, PEER, 1, AF_INET6, txt);
  rig->peer = find_one (rig->host->people.contacts, PEER);
  g_assert_nonnull (rig->peer);
}

static void
set_up (Rig *rig, gconstpointer unused)
{
  rig->host = host_new_started ("alice", TRUE);
  rig->host->sessions->named_at = 0; /* our record stands since long ago */
  rig->got = g_string_new (NULL);
  rig->fd = -1;
  sight (rig);
}

static void
tear_down (Rig *rig, gconstpointer unused)
{
  hang_up (rig);
  g_string_free (rig->got, TRUE);
  host_free (rig->host);
}

static Trust *
trust_of (Rig *rig)
{
  return rig->host->people.trust;
}

/* Called, admitted, open. */
static void
open_stream (Rig *rig)
{
  guint opened = rig->host->opened;

  call_host (rig);
  say (rig, CALLS);
  host_wait_for (rig->host->opened > opened || rig->ended);
  g_assert_false (rig->ended);
  await (rig, "to='" PEER "'>");
}

static char *
send_requiring (Rig *rig, const char *body, Require require)
{
  DeliveryOptions options = { .require = require };
  Sent sent = { 0 };

  talk_start_sending (rig->host, rig->peer, body, &options, &sent);
  host_wait_for (sent.done);
  g_assert_cmpint (sent.code, ==, -1);
  return sent.id;
}

static void
await_state (Rig *rig, const char *id, const char *wanted)
{
  gboolean there = FALSE;

  while (!there)
    {
      g_autofree char *state = talk_state (rig->host, id);

      there = strcmp (state, wanted) == 0;
      if (!there)
        g_main_context_iteration (NULL, FALSE);
    }
}

static gint64
count (Rig *rig, const char *where)
{
  g_autofree char *sql = g_strconcat ("SELECT count(*) FROM log WHERE kind = 0 AND ", where, NULL);

  return talk_sql (rig->host, sql);
}

static void
decide (Rig *rig, LegacyChoice choice)
{
  Outcome outcome = { 0 };

  trust_set_legacy_choice (trust_of (rig), rig->peer, choice, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
}

/* --- out ------------------------------------------------------------------------------- */

static void
test_form (Rig *rig, gconstpointer unused)
{
  g_autofree char *id = NULL, *expected = NULL;

  trust_set_legacy_policy (trust_of (rig), LEGACY_ALLOW);
  open_stream (rig);
  id = send_requiring (rig, "1 < 2 &amp;\r\n\n<b>bold</b>", REQUIRE_DEFAULT);
  expected = g_strdup_printf (" id='%s'", id);
  await (rig, " type='chat'");
  await (rig, expected);
  await (rig, "</message>");
  await_state (rig, id, "sent:unconfirmed");
  g_assert_cmpint (count (rig, "insecure = 1 AND direction = 1 AND state = 'sent'"), ==, 1);
  g_assert_cmpuint (delivery_get_queued (rig->host->delivery, NULL), ==, 0);
  g_assert_null (delivery_get_live_state (rig->host->delivery, id));
  /* Its very bytes, for they are what these peers show or choke on. */
  {
    OutboxItem row = { .id = id, .body = (char *) "1 < 2 &amp;\r\n\n<b>bold</b>" };
    g_autoptr (Stanza) message = delivery_clear_message (&row);
    g_autoptr (GString) text = g_string_new (NULL);

    stanza_serialize (message, NS_CLIENT, text);
    g_test_message ("%s", text->str);
    g_assert_nonnull (strstr (text->str, "<html xmlns='http://www.w3.org/1999/xhtml'><body><font>1 &lt; 2 &amp;amp;<br/><br/>&lt;b&gt;bold"
                                         "&lt;/b&gt;</font></body></html></message>"));
    g_assert_null (strstr (text->str, "request"));
    g_assert_null (strstr (text->str, "origin-id"));
    g_assert_null (strstr (text->str, "delay"));
  }
}

/* T-21: what demands encryption never leaves there, whatever was switched; what stands behind it does. */
static void
test_require (Rig *rig, gconstpointer unused)
{
  g_autofree char *strict = NULL, *plain = NULL, *careless = NULL;

  trust_set_legacy_policy (trust_of (rig), LEGACY_ALLOW);
  strict = send_requiring (rig, "secret", REQUIRE_ENCRYPTED);
  plain = send_requiring (rig, "plain", REQUIRE_DEFAULT);
  careless = send_requiring (rig, "careless", REQUIRE_INSECURE_OK);
  open_stream (rig);
  await (rig, "plain");
  await (rig, "careless");
  await_state (rig, strict, "held:PeerInsecure");
  await_state (rig, plain, "sent:unconfirmed");
  await_state (rig, careless, "sent:unconfirmed");
  g_assert_null (strstr (rig->got->str, "secret"));
  talk_check_counts (rig->host);
  /* Now it is known what this one is: said at once. */
  g_assert_true (contact_is_legacy (rig->peer));
  g_assert_cmpint (talk_send_fails (rig->host, rig->peer, "x", &(DeliveryOptions){ .require = REQUIRE_ENCRYPTED }), ==,
                   EARSHOT_ERROR_PEER_INSECURE);
  g_assert_cmpint (talk_send_fails (rig->host, rig->peer, "x", &(DeliveryOptions){ .require = REQUIRE_VERIFIED }), ==,
                   EARSHOT_ERROR_PEER_INSECURE);
  g_assert_cmpint (count (rig, "body = 'x'"), ==, 0);
  g_assert_cmpint (count (rig, "insecure = 1"), ==, 2);
}

/* A held one, released by hand, is held again. */
static void
test_retry (Rig *rig, gconstpointer unused)
{
  g_autofree char *strict = send_requiring (rig, "secret", REQUIRE_ENCRYPTED);

  trust_set_legacy_policy (trust_of (rig), LEGACY_ALLOW);
  open_stream (rig);
  await_state (rig, strict, "held:PeerInsecure");
  g_assert_cmpint (talk_retry (rig->host, strict), ==, -1);
  await_state (rig, strict, "held:PeerInsecure");
  g_assert_null (strstr (rig->got->str, "secret"));
}

/* --- asking first ---------------------------------------------------------------------------- */

static void
test_ask_then_allow (Rig *rig, gconstpointer unused)
{
  g_autofree char *id = send_requiring (rig, "are you there", REQUIRE_DEFAULT);
  Outcome outcome = { 0 };

  trust_set_legacy_policy (trust_of (rig), LEGACY_ASK);
  call_host (rig);
  say (rig, CALLS "<message><body>too early</body></message>");
  host_wait_for (rig->ended);
  g_assert_cmpuint (rig->got->len, ==, 0);
  g_assert_cmpuint (host_count_requests (rig->host), ==, 1);
  g_assert_cmpint (count (rig, "direction = 0"), ==, 0);
  talk_assert_state (rig->host, id, "queued");
  trust_resolve (trust_of (rig), request_get_id (host_only_request (rig->host)), "allow", NULL, NULL, FALSE, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  open_stream (rig);
  await (rig, "are you there");
  await_state (rig, id, "sent:unconfirmed");
  /* A no closes it, at once and with nothing more. */
  decide (rig, LEGACY_CHOICE_REFUSED);
  {
    g_autofree char *later = send_requiring (rig, "later", REQUIRE_DEFAULT);

    host_wait_for (rig->ended);
    g_assert_null (strstr (rig->got->str, "later"));
    talk_assert_state (rig->host, later, "queued");
  }
}

/* T-21: it shows a key while a stream in clear is open. */
static void
test_key_ends_it (Rig *rig, gconstpointer unused)
{
  Fingerprint fp = make_fp (9);
  Contact *contested = NULL;
  g_autofree char *id = NULL;

  trust_set_legacy_policy (trust_of (rig), LEGACY_ALLOW);
  open_stream (rig);
  say (rig, "<message><body>before</body></message>");
  host_wait_for (delivery_get_unread (rig->host->delivery, rig->peer) == 1);
  g_assert_nonnull (contacts_prove_key (rig->host->people.contacts, &fp, PEER, 0, &contested));
  id = send_requiring (rig, "after", REQUIRE_INSECURE_OK);
  host_wait_for (rig->ended);
  g_assert_null (strstr (rig->got->str, "after"));
  talk_assert_state (rig->host, id, "queued");
  call_host (rig);
  say (rig, CALLS "<message><body>again</body></message>");
  host_wait_for (rig->ended);
  g_assert_cmpint (count (rig, "direction = 0"), ==, 1);
}

/* --- in ---------------------------------------------------------------------------------------- */

static void
test_received (Rig *rig, gconstpointer unused)
{
  g_autoptr (GPtrArray) bodies = NULL;

  trust_set_legacy_policy (trust_of (rig), LEGACY_ALLOW);
  open_stream (rig);
  say (rig, "<message type='chat'><body>one</body><html xmlns='http://www.w3.org/1999/xhtml'><body><font>ONE</font></body></html></message>"
            "<message id=''><body>two</body></message>"
            "<message id='7'><body>three</body><request xmlns='urn:xmpp:receipts'/></message>"
            "<message id='7'><body>three</body></message>"      /* the same again */
            "<message id='7'><body>four</body></message>"       /* its program counts from seven each time */
            "<message type='error' id='7'><body>no speech</body><error type='cancel'/></message>"
            "<message type='groupchat'><body>no speech</body></message>"
            "<message><received xmlns='urn:xmpp:receipts' id='7'/><composing xmlns='http://jabber.org/protocol/chatstates'/></message>"
            "<iq type='get' id='9'><bogus xmlns='bogus'/></iq><iq type='set' id='8'><granted xmlns='im.earshot:trust:0'/></iq>"
            "<message to='nobody@nowhere' id='5'><body>no speech</body></message>"
            "<message><body>last</body></message>");
  host_wait_for (delivery_get_unread (rig->host->delivery, rig->peer) == 5);
  bodies = talk_inbox (rig->host);
  g_ptr_array_add (bodies, NULL);
  {
    g_autofree char *all = g_strjoinv (" ", (char **) bodies->pdata);

    g_assert_cmpstr (all, ==, "one two three four last");
  }
  g_assert_cmpint (count (rig, "insecure = 1 AND trust = 'none' AND key IS NULL AND direction = 0"), ==, 5);
  g_assert_cmpint (count (rig, "id = ''"), ==, 0);
  g_assert_cmpint (talk_sql (rig->host, "SELECT count(*) FROM aside"), ==, 0);
  g_assert_cmpuint (host_count_requests (rig->host), ==, 0);
  /* 8.3: whatever we would answer would be shown as speech. */
  g_assert_cmpuint (rig->got->len, ==, 0);
  delivery_set_typing (rig->host->delivery, rig->peer, TRUE);
  {
    g_autofree char *id = send_requiring (rig, "end", REQUIRE_DEFAULT);

    await (rig, "end</body>");
    g_assert_null (strstr (rig->got->str, "composing"));
    await_state (rig, id, "sent:unconfirmed");
  }
}

/* The disk is full: it is lost, and nobody is told so in words. */
static void
test_disk_full (Rig *rig, gconstpointer unused)
{
  trust_set_legacy_policy (trust_of (rig), LEGACY_ALLOW);
  open_stream (rig);
  people_settle (&rig->host->people);
  disk_fill (1);
  say (rig, "<message><body>lost</body></message>");
  say (rig, "</stream:stream>");
  host_wait_for (rig->ended);
  disk_free ();
  g_assert_cmpint (count (rig, "direction = 0"), ==, 0);
  g_assert_null (strstr (rig->got->str, "error"));
}

#define CLEAR_TEST(path, func) g_test_add ("/delivery-clear/" path, Rig, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  CLEAR_TEST ("what-leaves", test_form);
  CLEAR_TEST ("T-21-what-demands-encryption-stays", test_require);
  CLEAR_TEST ("T-21-released-by-hand-is-held-again", test_retry);
  CLEAR_TEST ("T-21-asked-first", test_ask_then_allow);
  CLEAR_TEST ("T-21-a-key-ends-it", test_key_ends_it);
  CLEAR_TEST ("what-comes", test_received);
  CLEAR_TEST ("disk-full", test_disk_full);
  return g_test_run ();
}
