/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Streams without TLS between a whole stack and scripted legacy peers over loopback (docs/protocol.md 2.7, 3.9, 8.2). What people allow
 * is the test's to say; what is seen is who gets as far as being judged, and what a stream in clear is once it is open.
 */
#include "earshot-config.h"

#include <errno.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "daemon/model/session-private.h"
#include "tests/unit/host-helper.h"

#define US "alice@test"
#define PEER "romeo@forza"

/* --- trust's word, by the linker ------------------------------------------------------------ */

gboolean __wrap_trust_admits_clear (Trust *trust, Contact *contact, const char *addr, const char *link, gboolean inbound);
gboolean __real_trust_admits_clear (Trust *trust, Contact *contact, const char *addr, const char *link, gboolean inbound);
gboolean __wrap_trust_still_admits_clear (Trust *trust, Contact *contact);

static struct {
  gboolean real, admit;
  guint asked;
  gboolean inbound;
  guint32 contact;
} word;

gboolean
__wrap_trust_admits_clear (Trust *trust, Contact *contact, const char *addr, const char *link, gboolean inbound)
{
  word.asked++;
  word.inbound = inbound;
  word.contact = contact_get_id (contact);
  return word.real ? __real_trust_admits_clear (trust, contact, addr, link, inbound) : word.admit;
}

gboolean
__wrap_trust_still_admits_clear (Trust *trust, Contact *contact)
{
  return word.admit;
}

/* --- a peer of few words ---------------------------------------------------------------------- */

typedef struct {
  int fd;
  guint source;
  GString *got;
  gboolean ended;
} Wire;

static gboolean
on_readable (gint fd, GIOCondition condition, gpointer user)
{
  Wire *wire = user;
  char chunk[4096];
  ssize_t n = recv (fd, chunk, sizeof chunk, MSG_DONTWAIT);

  if (n > 0)
    g_string_append_len (wire->got, chunk, n);
  if (n > 0 || (n < 0 && errno == EAGAIN))
    return G_SOURCE_CONTINUE;
  wire->ended = TRUE;
  wire->source = 0;
  return G_SOURCE_REMOVE;
}

static Wire *
wire_new (int fd)
{
  Wire *wire = g_new0 (Wire, 1);

  g_assert_cmpint (fd, >=, 0);
  wire->fd = fd;
  wire->got = g_string_new (NULL);
  wire->source = g_unix_fd_add (fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, wire);
  return wire;
}

static void
wire_hang_up (Wire *wire, gboolean reset)
{
  struct linger linger = { .l_onoff = 1 };

  g_clear_handle_id (&wire->source, g_source_remove);
  if (reset)
    g_assert_cmpint (setsockopt (wire->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), ==, 0);
  close (wire->fd);
  wire->fd = -1;
}

static void
wire_free (Wire *wire)
{
  if (wire->fd >= 0)
    wire_hang_up (wire, FALSE);
  g_string_free (wire->got, TRUE);
  g_free (wire);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Wire, wire_free)

static void
wire_say (Wire *wire, const char *text)
{
  g_assert_cmpint (send (wire->fd, text, strlen (text), MSG_NOSIGNAL), ==, (gssize) strlen (text));
}

/* Until it said that; nothing before it is kept. */
static void
wire_await (Wire *wire, const char *text)
{
  const char *found;

  host_wait_for (strstr (wire->got->str, text) != NULL || wire->ended);
  found = strstr (wire->got->str, text);
  if (found == NULL)
    g_error ("ended without %s: %s", text, wire->got->str);
  g_string_erase (wire->got, 0, found + strlen (text) - wire->got->str);
}

static Wire *
call_to (Host *host, const char *address, const char *source)
{
  g_autoptr (GSocketAddress) here = g_inet_socket_address_new_from_string (address, sessions_get_port (host->sessions));
  g_autoptr (GSocketAddress) from = g_inet_socket_address_new_from_string (source, 0);
  struct sockaddr_storage to;
  int fd = socket (g_socket_address_get_family (here) == G_SOCKET_FAMILY_IPV6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_true (g_socket_address_to_native (from, &to, sizeof to, NULL));
  g_assert_cmpint (bind (fd, (struct sockaddr *) &to, (socklen_t) g_socket_address_get_native_size (from)), ==, 0);
  g_assert_true (g_socket_address_to_native (here, &to, sizeof to, NULL));
  g_assert_cmpint (connect (fd, (struct sockaddr *) &to, (socklen_t) g_socket_address_get_native_size (here)), ==, 0);
  return wire_new (fd);
}

static Wire *
call_from (Host *host, const char *address)
{
  return call_to (host, address, address);
}

typedef struct {
  int fd;
  guint16 port;
} Ear;

static void
ear_open (Ear *ear, const char *address, guint16 port)
{
  g_autoptr (GSocketAddress) here = g_inet_socket_address_new_from_string (address, port);
  gboolean v6 = g_socket_address_get_family (here) == G_SOCKET_FAMILY_IPV6;
  struct sockaddr_storage raw;
  socklen_t len = sizeof raw;
  int one = 1;

  ear->fd = socket (v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (v6)
    g_assert_cmpint (setsockopt (ear->fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one), ==, 0);
  g_assert_true (g_socket_address_to_native (here, &raw, sizeof raw, NULL));
  g_assert_cmpint (bind (ear->fd, (struct sockaddr *) &raw, (socklen_t) g_socket_address_get_native_size (here)), ==, 0);
  g_assert_cmpint (listen (ear->fd, 8), ==, 0);
  g_assert_cmpint (getsockname (ear->fd, (struct sockaddr *) &raw, &len), ==, 0);
  ear->port = g_ntohs (v6 ? ((struct sockaddr_in6 *) &raw)->sin6_port : ((struct sockaddr_in *) &raw)->sin_port);
}

static void
ear_close (Ear *ear)
{
  if (ear->fd > 0)
    close (ear->fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Ear, ear_close)

static gboolean
on_heard (gint fd, GIOCondition condition, gpointer user)
{
  *(gboolean *) user = TRUE;
  return G_SOURCE_REMOVE;
}

static Wire *
ear_answer (Ear *ear)
{
  gboolean heard = FALSE;

  g_unix_fd_add (ear->fd, G_IO_IN, on_heard, &heard);
  host_wait_for (heard);
  return wire_new (accept4 (ear->fd, NULL, NULL, SOCK_CLOEXEC));
}

#define CALLS "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<stream:stream xmlns=\"jabber:client\" " \
              "xmlns:stream=\"http://etherx.jabber.org/streams\" from=\"" PEER "\" to=\"" US "\">"
#define SALUT_ANSWERS "<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' to='" US "' from='' version='1.0'>"
#define STRIPPED "<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' from='" PEER "' id='1' version='1.0'>" \
                 "<stream:features/>"
#define OUR_ANSWER "from='" US "' to='" PEER "'>"
#define OUR_CALL "from='" US "' to='" PEER "' version='1.0'>"
#define HELLO "<message to=\"" US "\" from=\"" PEER "\" type=\"chat\"><body>hello</body></message>"
#define BYE "</stream:stream>"

/* --- the host ------------------------------------------------------------------------------------ */

typedef struct {
  Host *host;
} Rig;

static void
set_up (Rig *rig, gconstpointer unused)
{
  memset (&word, 0, sizeof word);
  word.admit = TRUE;
  rig->host = host_new_started ("alice", FALSE);
  rig->host->sessions->named_at = 0; /* our record stands since long ago */
}

static void
tear_down (Rig *rig, gconstpointer unused)
{
  host_free (rig->host);
}

static Contact *
sight (Rig *rig, const char *instance)
{
  const char *txt[] = { "txtvers=1", "status=avail", NULL };
  Contact *contact;

  fake_discovery_sight (rig->host->discovery, instance, 1, AF_INET6, txt);
  contact = find_one (rig->host->people.contacts, instance);
  g_assert_nonnull (contact);
  return contact;
}

static Contact *
sight_at (Rig *rig, const char *address, guint16 port)
{
  fake_discovery_locate (rig->host->discovery, PEER, address, port);
  return sight (rig, PEER);
}

static Session *
session_with (Rig *rig, Contact *contact)
{
  return sessions_find (rig->host->sessions, contact);
}

static void
send_body (Session *session, const char *body)
{
  g_autoptr (Stanza) message = stanza_new ("message", NS_CLIENT);

  stanza_add_new (message, "body", NS_CLIENT, body);
  g_assert_true (session_send (session, message));
}

/* Called, admitted, open. */
static Wire *
open_inbound (Rig *rig, Contact *contact)
{
  Wire *wire = call_from (rig->host, "::1");
  guint opened = rig->host->opened;

  wire_say (wire, CALLS);
  host_wait_for (rig->host->opened > opened || wire->ended);
  g_assert_nonnull (session_with (rig, contact));
  wire_await (wire, OUR_ANSWER);
  return wire;
}

/* --- who is judged at all --------------------------------------------------------------------------- */

static void
expect_refused_caller (Rig *rig, const char *address, guint asked)
{
  g_autoptr (Wire) wire = call_from (rig->host, address);

  wire_say (wire, CALLS HELLO);
  host_wait_for (wire->ended);
  /* S-21: not a byte, or the caller's clear text would follow. */
  g_assert_cmpuint (wire->got->len, ==, 0);
  g_assert_cmpuint (word.asked, ==, asked);
  g_assert_cmpuint (rig->host->opened + rig->host->heard->len, ==, 0);
  word.asked = 0;
}

static void
test_callers_refused (Rig *rig, gconstpointer unused)
{
  Fingerprint fp = make_fp (7);

  /* Nobody is announced under that name. */
  expect_refused_caller (rig, "::1", 0);
  /* It does not resolve; it lives elsewhere. */
  sight (rig, PEER);
  expect_refused_caller (rig, "::1", 0);
  fake_discovery_locate (rig->host->discovery, PEER, "127.0.0.1", 5298);
  expect_refused_caller (rig, "::1", 0);
  fake_discovery_locate (rig->host->discovery, PEER, "::1", 5298);
  expect_refused_caller (rig, "127.0.0.1", 0);
  /* People say no; and this is what they say unless told otherwise. */
  word.admit = FALSE;
  expect_refused_caller (rig, "::1", 1);
  word.admit = word.real = TRUE;
  expect_refused_caller (rig, "::1", 1);
  word.real = FALSE;
  /* In clear everybody would read the name that we hide. */
  sessions_set_withheld (rig->host->sessions, TRUE);
  expect_refused_caller (rig, "::1", 0);
  sessions_set_withheld (rig->host->sessions, FALSE);
  /* The same name twice, as another domain can have it: it says nothing. */
  {
    g_autoptr (GPtrArray) txt = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
    DiscoveryRecord twin = { .instance = (char *) PEER, .domain = (char *) "example", .ifindex = 1, .ifname = (char *) "eth1",
                             .family = AF_INET6, .txt = txt };

    g_ptr_array_add (txt, g_bytes_new_static ("txtvers=1", 9));
    contacts_on_sighted (rig->host->people.contacts, &twin);
    expect_refused_caller (rig, "::1", 0);
    contacts_on_gone (rig->host->people.contacts, PEER, "example", 1, AF_INET6);
  }
  /* Gone from the link. */
  fake_discovery_gone (rig->host->discovery, PEER, 1, AF_INET6);
  contacts_on_gone (rig->host->people.contacts, PEER, "local", 1, AF_INET6);
  expect_refused_caller (rig, "::1", 0);
  /* Somebody with a key has that name: whatever trust says, this door is shut, too. */
  announce (rig->host->people.contacts, PEER, &fp);
  add_person_named (&rig->host->people, "", &fp, PEER);
  {
    g_autoptr (Wire) wire = call_from (rig->host, "::1");

    wire_say (wire, CALLS HELLO);
    host_wait_for (wire->ended);
    g_assert_cmpuint (wire->got->len + rig->host->opened + rig->host->heard->len, ==, 0);
  }
}

/* It vanishes while it is looked up, or it hangs up. */
static void
test_gone_while_asked (Rig *rig, gconstpointer unused)
{
  g_autoptr (Wire) wire = call_from (rig->host, "::1");
  g_autoptr (Wire) other = NULL;
  guint looked;

  sight_at (rig, "::1", 5298);
  looked = fake_discovery_count_resolves (rig->host->discovery, PEER);
  wire_say (wire, CALLS HELLO);
  host_wait_for (fake_discovery_count_resolves (rig->host->discovery, PEER) > looked);
  contacts_on_gone (rig->host->people.contacts, PEER, "local", 1, AF_INET6);
  host_wait_for (wire->ended);
  g_assert_cmpuint (wire->got->len + word.asked + rig->host->opened, ==, 0);
  /* The daemon stops in the middle of it. */
  sight_at (rig, "::1", 5298);
  other = call_from (rig->host, "::1");
  looked = fake_discovery_count_resolves (rig->host->discovery, PEER);
  wire_say (other, CALLS HELLO);
  host_wait_for (fake_discovery_count_resolves (rig->host->discovery, PEER) > looked);
  host_stop (rig->host);
  g_assert_cmpuint (other->got->len + word.asked + rig->host->opened, ==, 0);
}

/* --- a stream that they opened ------------------------------------------------------------------------- */

static void
test_inbound (Rig *rig, gconstpointer how)
{
  Contact *contact = sight_at (rig, "::1", 5298);
  g_autoptr (Wire) wire = open_inbound (rig, contact);
  Session *session = session_with (rig, contact);
  g_autoptr (GVariant) described = g_variant_ref_sink (session_describe (session));
  g_autofree char *heard = NULL;
  const char *text;
  gboolean yes;

  g_assert_true (word.inbound);
  g_assert_cmpuint (word.contact, ==, contact_get_id (contact));
  g_assert_true (session_is_clear (session) && session_is_trusted (session));
  g_assert_false (session_is_restricted (session) || session_is_managed (session) || session_is_resumed (session));
  g_assert_null (session_get_key (session));
  g_assert_null (session_get_peer_disco (session));
  g_assert_true (session_get_contact (session) == contact);
  g_assert_true (contact_is_connected (contact));
  g_assert_null (contact_get_active_key (contact));
  g_assert_true (g_variant_lookup (described, "insecure", "b", &yes) && yes);
  g_assert_true (g_variant_lookup (described, "tls", "&s", &text));
  g_assert_cmpstr (text, ==, "none");
  g_assert_true (g_variant_lookup (described, "cipher", "&s", &text));
  g_assert_cmpstr (text, ==, "");
  g_assert_true (g_variant_lookup (described, "sm", "b", &yes) && !yes);
  wire_say (wire, HELLO);
  host_wait_for (rig->host->heard->len == 1);
  send_body (session, "good night");
  wire_await (wire, "<message from='" US "' to='" PEER "'><body>good night</body></message>");
  /* Nothing else is ever said: no question whether it lives, no features, no presence. */
  session_set_awaiting (session, TRUE);
  session_ping (session);
  g_assert_cmpuint (session->watch_source, ==, 0);
  /* libpurple's way to end, Salut's, and a crash: all of them normal, and what was said before is heard. */
  wire_say (wire, HELLO);
  if (strcmp (how, "crash") != 0)
    wire_say (wire, BYE);
  if (strcmp (how, "salut") == 0)
    wire_await (wire, BYE);
  else
    wire_hang_up (wire, strcmp (how, "purple") == 0);
  host_wait_for (rig->host->closed == 1);
  g_assert_cmpuint (rig->host->heard->len, ==, 2);
  g_assert_null (session_with (rig, contact));
  g_assert_false (contact_is_connected (contact));
  g_assert_cmpuint (wire->got->len, ==, 0);
  /* It is not taken for proven now. */
  g_assert_cmpint (contact_get_reach (contact), ==, REACH_SIGHTED);
}

/* docs/protocol.md 8.2: who calls again lost the old one. */
static void
test_newer_replaces (Rig *rig, gconstpointer unused)
{
  Contact *contact = sight_at (rig, "::1", 5298);
  g_autoptr (Wire) old = open_inbound (rig, contact);
  g_autoptr (Wire) new = open_inbound (rig, contact);

  host_wait_for (old->ended);
  g_assert_cmpuint (rig->host->opened, ==, 2);
  g_assert_cmpuint (rig->host->closed, ==, 1);
  g_assert_true (contact_is_connected (contact));
  send_body (session_with (rig, contact), "to the new one");
  wire_await (new, "to the new one");
  g_assert_null (strstr (old->got->str, "<message"));
}

/* T-20: what people allow is asked for every stanza, and a stream that is not allowed any more closes. */
static void
test_taken_back (Rig *rig, gconstpointer how)
{
  Contact *contact = sight_at (rig, "::1", 5298);
  g_autoptr (Wire) wire = open_inbound (rig, contact);
  g_autoptr (Session) session = session_ref (session_with (rig, contact));
  g_autoptr (Stanza) message = stanza_new ("message", NS_CLIENT);
  Fingerprint fp = make_fp (3), other = make_fp (4);
  Outcome outcome = { 0 };
  Contact *contested;

  /* What befalls others does not end it. */
  trust_forget (rig->host->people.trust, add_person (&rig->host->people, "", &other), "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  sessions_review_clear (rig->host->sessions);
  g_assert_true (session_with (rig, contact) == session && session_is_trusted (session));
  if (strcmp (how, "policy") == 0)
    {
      people_settle (&rig->host->people); /* no review is due: the stream stands, and it counts all the same */
      word.admit = FALSE;
      g_assert_false (session_is_trusted (session));
      g_assert_false (session_send (session, message));
      wire_say (wire, HELLO);
      host_wait_for (link_get_bytes_in (session->link) >= strlen (CALLS HELLO));
      g_assert_true (session->open);
      g_assert_cmpuint (rig->host->heard->len, ==, 0);
      sessions_review_clear (rig->host->sessions);
    }
  else if (strcmp (how, "block") == 0)
    {
      trust_set_blocked (rig->host->people.trust, contact, TRUE, "test", outcome_set, &outcome);
      g_assert_cmpint (outcome_wait (&outcome), ==, -1);
    }
  else if (strcmp (how, "key") == 0)
    {
      g_assert_nonnull (contacts_prove_key (rig->host->people.contacts, &fp, PEER, contact_get_id (contact), &contested));
      g_assert_cmpuint (contact_get_keys (contact)->len, ==, 1);
      g_assert_false (session_is_trusted (session));
      g_assert_false (session_send (session, message));
      host_wait_for (rig->host->closed == 1);
    }
  g_assert_cmpuint (rig->host->closed, ==, 1);
  g_assert_null (session_with (rig, contact));
  host_wait_for (wire->ended);
  g_assert_null (strstr (wire->got->str, "<message"));
  g_assert_cmpuint (rig->host->heard->len, ==, 0);
}

/* Names cost nothing: so many streams and no more. */
static void
test_max (Rig *rig, gconstpointer unused)
{
  g_autoptr (GPtrArray) wires = g_ptr_array_new_with_free_func ((GDestroyNotify) wire_free);

  for (guint i = 0; i < 33; i++)
    {
      g_autofree char *name = g_strdup_printf ("user%u@forza", i);
      g_autofree char *address = g_strdup_printf ("127.0.0.%u", 2 + i / 16); /* 20 calls a minute and address */
      g_autofree char *header = g_strdup_printf ("<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' from='%s'>", name);
      Wire *wire;

      fake_discovery_locate (rig->host->discovery, name, address, 5298);
      sight (rig, name);
      wire = call_to (rig->host, "127.0.0.1", address);
      g_ptr_array_add (wires, wire);
      wire_say (wire, header);
      host_wait_for (rig->host->opened == i + 1 || wire->ended);
    }
  host_wait_for (((Wire *) g_ptr_array_index (wires, 0))->ended);
  g_assert_cmpuint (rig->host->opened, ==, 33);
  g_assert_cmpuint (rig->host->closed, ==, 1);
}

/* --- a stream that we opened ----------------------------------------------------------------------------- */

static void
test_outbound (Rig *rig, gconstpointer header)
{
  g_auto (Ear) ear = { 0 };
  g_autoptr (Wire) wire = NULL, again = NULL;
  Contact *contact;
  Outcome outcome = { 0 };

  ear_open (&ear, "::1", 0);
  contact = sight_at (rig, "::1", ear.port);
  sessions_connect (rig->host->sessions, contact, outcome_set, &outcome);
  wire = ear_answer (&ear);
  wire_await (wire, OUR_CALL);
  g_assert_cmpuint (word.asked, ==, 0);
  wire_say (wire, header);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpuint (word.asked, ==, 1);
  g_assert_false (word.inbound);
  g_assert_true (session_is_clear (session_with (rig, contact)));
  send_body (session_with (rig, contact), "good night");
  wire_await (wire, "<message from='" US "' to='" PEER "'><body>good night</body></message>");
  /* Salut's features come late; and it speaks on the stream that it was called by. */
  wire_say (wire, "<stream:features/>" HELLO);
  host_wait_for (rig->host->heard->len == 1);
  wire_say (wire, BYE);
  wire_await (wire, BYE);
  host_wait_for (rig->host->closed == 1);
  g_assert_cmpuint (wire->got->len, ==, 0);
  /* And again. */
  sessions_connect (rig->host->sessions, contact, outcome_set, &outcome);
  again = ear_answer (&ear);
  wire_await (again, OUR_CALL);
  wire_say (again, header);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpuint (rig->host->opened, ==, 2);
  /* We close. */
  sessions_disconnect (rig->host->sessions, contact);
  wire_await (again, BYE);
  wire_say (again, BYE);
  host_wait_for (again->ended && rig->host->closed == 2);
}

/* S-03: refused, it is what it was before anybody could be allowed clear text. */
static void
test_outbound_refused (Rig *rig, gconstpointer header)
{
  for (guint i = 0; i < 2; i++)
    {
      g_auto (Ear) ear = { 0 };
      g_autoptr (Wire) wire = NULL;
      Contact *contact;
      Outcome outcome = { 0 };

      word.real = i == 1;
      word.admit = i == 1;
      ear_open (&ear, "::1", 0);
      contact = sight_at (rig, "::1", ear.port);
      sessions_connect (rig->host->sessions, contact, outcome_set, &outcome);
      wire = ear_answer (&ear);
      wire_await (wire, OUR_CALL);
      wire_say (wire, header);
      g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_PEER_INSECURE);
      g_assert_cmpstr (contact_get_last_error (contact), ==, "PeerInsecure");
      host_wait_for (wire->ended);
      g_assert_cmpstr (wire->got->str, ==, BYE);
      g_assert_cmpuint (rig->host->opened, ==, 0);
    }
}

/* A probe is nobody's wish to talk, and an address is nobody's name. */
static void
on_probed (gpointer user, GVariant *result, const GError *error)
{
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_PEER_INSECURE);
  *(gboolean *) user = TRUE;
}

static void
test_nobodys (Rig *rig, gconstpointer unused)
{
  g_auto (Ear) ear = { 0 };
  g_autoptr (Wire) wire = NULL, other = NULL;
  g_autofree char *endpoint = NULL;
  gboolean probed = FALSE;
  Outcome outcome = { 0 };

  ear_open (&ear, "::1", 0);
  endpoint = g_strdup_printf ("[::1]:%u", ear.port);
  sessions_probe (rig->host->sessions, endpoint, 5000, on_probed, &probed);
  wire = ear_answer (&ear);
  wire_say (wire, CALLS);
  host_wait_for (probed);
  sessions_connect (rig->host->sessions, contacts_add_static (rig->host->people.contacts, endpoint, NULL), outcome_set, &outcome);
  other = ear_answer (&ear);
  wire_say (other, CALLS);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_PEER_INSECURE);
  g_assert_cmpuint (word.asked + rig->host->opened, ==, 0);
}

/* docs/protocol.md 8.2: a message from a name that it has not resolved yet kills Salut. Nothing leaves before our record had three seconds. */
static void
test_settles (Rig *rig, gconstpointer unused)
{
  g_auto (Ear) ear = { 0 };
  g_autoptr (Wire) wire = NULL, other = NULL;
  gint64 named;
  Contact *contact;
  Outcome outcome = { 0 };

  sessions_set_addr (rig->host->sessions, US);
  named = rig->host->sessions->named_at;
  ear_open (&ear, "::1", 0);
  contact = sight_at (rig, "::1", ear.port);
  sessions_connect (rig->host->sessions, contact, outcome_set, &outcome);
  wire = ear_answer (&ear);
  wire_say (wire, CALLS);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (g_get_monotonic_time () - named, >=, 3 * G_USEC_PER_SEC);
  sessions_disconnect (rig->host->sessions, contact);
  wire_say (wire, BYE);
  host_wait_for (rig->host->closed == 1);
  /* Meanwhile people may think better of it. */
  sessions_set_addr (rig->host->sessions, US);
  sessions_connect (rig->host->sessions, contact, outcome_set, &outcome);
  other = ear_answer (&ear);
  wire_await (other, OUR_CALL);
  word.asked = 0;
  wire_say (other, CALLS);
  host_wait_for (word.asked == 1);
  trust_set_blocked (rig->host->people.trust, contact, TRUE, "test", outcome_set, &(Outcome){ 0 });
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_PEER_INSECURE);
  host_wait_for (other->ended);
  g_assert_cmpstr (other->got->str, ==, BYE);
  g_assert_cmpuint (rig->host->opened, ==, 1);
}

/* docs/protocol.md 8.2: both call. libpurple keeps the stream that came last, and that is ours once it has our header. */
static void
test_both_call (Rig *rig, gconstpointer how)
{
  g_auto (Ear) ear = { 0 };
  g_autoptr (Wire) ours = NULL, theirs = NULL;
  gboolean settling = strcmp (how, "settling") == 0, hangs_up = strcmp (how, "hangs-up") == 0;
  Contact *contact;
  Outcome outcome = { 0 };

  ear_open (&ear, "::1", 0);
  contact = sight_at (rig, "::1", ear.port);
  if (settling)
    sessions_set_addr (rig->host->sessions, US);
  sessions_connect (rig->host->sessions, contact, outcome_set, &outcome);
  ours = ear_answer (&ear);
  wire_await (ours, OUR_CALL);
  if (settling)
    {
      wire_say (ours, CALLS);
      host_wait_for (word.asked == 1);
    }
  theirs = call_from (rig->host, "::1");
  wire_say (theirs, CALLS HELLO);
  host_wait_for (word.asked == (settling ? 2 : 1));
  g_assert_cmpuint (theirs->got->len + rig->host->opened, ==, 0);
  if (hangs_up)
    {
      wire_hang_up (ours, FALSE);
      wire_await (theirs, OUR_ANSWER);
      host_wait_for (rig->host->heard->len == 1);
      return;
    }
  /* Also where ours has come and gone before theirs is looked at again: it was left all the same. */
  if (!settling)
    wire_say (ours, strcmp (how, "comes-and-goes") == 0 ? CALLS BYE : CALLS);
  host_wait_for (theirs->ended);
  g_assert_cmpuint (theirs->got->len, ==, 0); /* S-21 */
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpuint (rig->host->opened, ==, 1);
  g_assert_cmpuint (rig->host->heard->len, ==, 0);
  if (strcmp (how, "comes-and-goes") == 0)
    return;
  send_body (session_with (rig, contact), "on ours");
  wire_await (ours, "on ours");
}

/* docs/protocol.md 8.2: it resolved one address of ours and hangs up on the other one without a word. */
static void
test_other_family (Rig *rig, gconstpointer how)
{
  g_auto (Ear) six = { 0 }, four = { 0 };
  g_autoptr (Wire) rude = NULL, wire = NULL;
  Contact *contact;
  Outcome outcome = { 0 };

  ear_open (&six, "::1", 0);
  ear_open (&four, "127.0.0.1", 0);
  contact = sight_at (rig, "::1", six.port);
  fake_discovery_locate_also (rig->host->discovery, PEER, "127.0.0.1", four.port);
  sessions_connect (rig->host->sessions, contact, outcome_set, &outcome);
  rude = ear_answer (&six);
  wire_await (rude, OUR_CALL);
  wire_hang_up (rude, strcmp (how, "reset") == 0);
  wire = ear_answer (&four);
  wire_await (wire, OUR_CALL);
  if (strcmp (how, "twice") == 0)
    {
      wire_hang_up (wire, FALSE);
      g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_NOT_REACHABLE);
      g_assert_cmpuint (fake_discovery_count_resolves (rig->host->discovery, PEER), ==, 1);
      return;
    }
  wire_say (wire, CALLS);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_true (session_is_clear (session_with (rig, contact)));
}

/* Who said something has no quarrel with our address. */
static void
test_no_other_family_heard (Rig *rig, gconstpointer unused)
{
  g_auto (Ear) six = { 0 }, four = { 0 };
  g_autoptr (Wire) wire = NULL;
  Contact *contact;
  Outcome outcome = { 0 };

  ear_open (&six, "::1", 0);
  ear_open (&four, "127.0.0.1", 0);
  contact = sight_at (rig, "::1", six.port);
  fake_discovery_locate_also (rig->host->discovery, PEER, "127.0.0.1", four.port);
  sessions_connect (rig->host->sessions, contact, outcome_set, &outcome);
  wire = ear_answer (&six);
  wire_await (wire, OUR_CALL);
  wire_say (wire, "<?xml");
  wire_hang_up (wire, FALSE);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_NOT_REACHABLE);
  g_assert_cmpint (accept4 (four.fd, NULL, NULL, SOCK_CLOEXEC), <, 0);
}

/* Whoever has a key is called once, as ever. */
static void
test_no_other_family (Rig *rig, gconstpointer unused)
{
  g_auto (Ear) six = { 0 }, four = { 0 };
  g_autoptr (Wire) rude = NULL;
  Fingerprint fp = make_fp (9);
  Contact *contact;
  Outcome outcome = { 0 };

  ear_open (&six, "::1", 0);
  ear_open (&four, "127.0.0.1", 0);
  contact = add_person_named (&rig->host->people, "", &fp, PEER);
  fake_discovery_locate (rig->host->discovery, PEER, "::1", six.port);
  fake_discovery_locate_also (rig->host->discovery, PEER, "127.0.0.1", four.port);
  announce (rig->host->people.contacts, PEER, NULL);
  sessions_connect (rig->host->sessions, contact, outcome_set, &outcome);
  rude = ear_answer (&six);
  wire_await (rude, OUR_CALL);
  wire_hang_up (rude, FALSE);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_NOT_REACHABLE);
  g_assert_cmpint (accept4 (four.fd, NULL, NULL, SOCK_CLOEXEC), <, 0);
}

#define CLEAR_TEST(path, data, func) g_test_add ("/session-clear/" path, Rig, data, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  CLEAR_TEST ("S-21-T-21-callers-refused", NULL, test_callers_refused);
  CLEAR_TEST ("gone-while-asked", NULL, test_gone_while_asked);
  CLEAR_TEST ("inbound/purple", "purple", test_inbound);
  CLEAR_TEST ("inbound/salut", "salut", test_inbound);
  CLEAR_TEST ("inbound/eof", "eof", test_inbound);
  CLEAR_TEST ("inbound/crash", "crash", test_inbound);
  CLEAR_TEST ("newer-replaces", NULL, test_newer_replaces);
  CLEAR_TEST ("T-20-taken-back/policy", "policy", test_taken_back);
  CLEAR_TEST ("T-20-taken-back/block", "block", test_taken_back);
  CLEAR_TEST ("T-20-T-21-taken-back/key", "key", test_taken_back);
  CLEAR_TEST ("max", NULL, test_max);
  CLEAR_TEST ("outbound/purple", CALLS, test_outbound);
  CLEAR_TEST ("outbound/salut", SALUT_ANSWERS, test_outbound);
  CLEAR_TEST ("S-03-outbound-refused/purple", CALLS, test_outbound_refused);
  CLEAR_TEST ("S-03-outbound-refused/salut", SALUT_ANSWERS, test_outbound_refused);
  CLEAR_TEST ("S-03-outbound-refused/stripped", STRIPPED, test_outbound_refused);
  CLEAR_TEST ("nobodys", NULL, test_nobodys);
  CLEAR_TEST ("settles", NULL, test_settles);
  CLEAR_TEST ("both-call/negotiating", "negotiating", test_both_call);
  CLEAR_TEST ("both-call/settling", "settling", test_both_call);
  CLEAR_TEST ("both-call/hangs-up", "hangs-up", test_both_call);
  CLEAR_TEST ("both-call/comes-and-goes", "comes-and-goes", test_both_call);
  CLEAR_TEST ("other-family/eof", "eof", test_other_family);
  CLEAR_TEST ("other-family/reset", "reset", test_other_family);
  CLEAR_TEST ("other-family/twice", "twice", test_other_family);
  CLEAR_TEST ("other-family/not-when-heard", NULL, test_no_other_family_heard);
  CLEAR_TEST ("other-family/not-with-a-key", NULL, test_no_other_family);
  return g_test_run ();
}
