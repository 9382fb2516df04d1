/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Real sockets on the loopback interface, whose 127.0.0.0/8 gives as many source addresses as a test wants.
 */
#include "earshot-config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/error.h"
#include "daemon/io/link-private.h"
#include "tests/unit/test-link.h"

Poller *poller;

/* --- waiting ------------------------------------------------------------------------ */

gboolean
on_too_long (gpointer user)
{
  g_error ("waited too long");
  return G_SOURCE_REMOVE;
}

gboolean
on_look_again (gpointer user)
{
  return G_SOURCE_CONTINUE;
}

static gboolean
on_tick (gpointer user)
{
  *(gboolean *) user = TRUE;
  return G_SOURCE_REMOVE;
}

/* How often the loop wakes in `ms`, not counting the timer's own. */
guint
count_turns (guint ms)
{
  gboolean over = FALSE;
  guint turns = 0;

  g_timeout_add (ms, on_tick, &over);
  for (; !over; turns++)
    g_main_context_iteration (NULL, TRUE);
  return turns - 1;
}

/* --- one of our links ------------------------------------------------------------------- */

static void
maybe_free (Side *side, FreeWhen now)
{
  if (side->free_when == now)
    g_clear_pointer (&side->link, link_free);
}

static void
on_connected (gpointer user)
{
  Side *side = user;
  g_assert_false (side->connected || side->ended);
  side->connected = TRUE;
  maybe_free (side, FREE_IN_CONNECTED);
}

static void
on_bytes (gpointer user, const guint8 *bytes, gsize len)
{
  Side *side = user;
  g_assert_false (side->ended);
  g_byte_array_append (side->got, bytes, len);
  maybe_free (side, FREE_IN_BYTES);
}

static void
on_drained (gpointer user)
{
  Side *side = user;
  g_assert_cmpuint (link_get_pending (side->link), ==, 0);
  side->drained++;
  maybe_free (side, FREE_IN_DRAINED);
}

static void
on_ended (gpointer user, const GError *error)
{
  Side *side = user;
  g_assert_false (side->ended);
  side->ended = TRUE;
  side->error = error != NULL ? g_error_copy (error) : NULL;
  maybe_free (side, FREE_IN_ENDED);
}

const LinkCallbacks side_callbacks = { on_connected, on_bytes, on_drained, on_ended };

Side *
side_new (void)
{
  Side *side = g_new0 (Side, 1);
  side->got = g_byte_array_new ();
  return side;
}

void
side_free (gpointer data)
{
  Side *side = data;
  link_free (side->link);
  g_byte_array_unref (side->got);
  g_clear_error (&side->error);
  g_free (side);
}

/* --- a listener that keeps what it accepts -------------------------------------------------- */

void
on_link (gpointer user, Link *link)
{
  House *house = user;
  Side *side = side_new ();

  if (house->refuse)
    {
      side_free (side);
      link_free (link);
      return;
    }
  side->link = link;
  link_set_callbacks (link, &side_callbacks, side);
  g_ptr_array_add (house->sides, side);
  if (house->open)
    link_mark_open (link);
  if (house->suicide)
    g_clear_pointer (&house->listener, listener_free);
}

void
house_open (House *house, const ListenerLimits *limits, char **interfaces)
{
  g_autoptr (GError) error = NULL;
  memset (house, 0, sizeof *house);
  house->sides = g_ptr_array_new_with_free_func (side_free);
  house->listener = listener_new (poller, 0, interfaces, limits, on_link, house, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (listener_get_port (house->listener), >, 0);
}

void
house_close (House *house)
{
  listener_free (house->listener);
  g_ptr_array_unref (house->sides);
}

Side *
guest (House *house, guint i)
{
  return house->sides->pdata[i];
}

/* --- raw callers -------------------------------------------------------------------------- */

struct sockaddr_in
v4 (const char *address, guint16 port)
{
  struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons (port) };
  g_autoptr (GInetAddress) inet = g_inet_address_new_from_string (address);
  memcpy (&a.sin_addr, g_inet_address_to_bytes (inet), 4);
  return a;
}

/* Connects to the listener from 127.0.0.`host`; the kernel answers by itself. */
int
call_from (House *house, guint host)
{
  g_autofree char *from = g_strdup_printf ("127.0.0.%u", host);
  struct sockaddr_in local = v4 (from, 0), remote = v4 ("127.0.0.1", listener_get_port (house->listener));
  int one = 1, fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (fd, >=, 0);
  setsockopt (fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  g_assert_no_errno (bind (fd, (struct sockaddr *) &local, sizeof local));
  g_assert_no_errno (connect (fd, (struct sockaddr *) &remote, sizeof remote));
  return fd;
}

/* Has the other side closed `fd`? Waits until it says something: EOF, RST, or the byte we make it send. */
gboolean
was_dropped (int fd)
{
  char c;
  ssize_t n;

  g_assert_cmpint (fcntl (fd, F_SETFL, O_NONBLOCK), ==, 0);
  n = recv (fd, &c, 1, MSG_PEEK);
  return n == 0 || (n < 0 && errno == ECONNRESET);
}

/* Calls and lets the listener decide about it; TRUE = it was let in. */
gboolean
call_and_see (House *house, guint host, int *fd_out)
{
  guint before = house->sides->len;
  int fd = call_from (house, host);

  WAIT_UNTIL (house->sides->len > before || was_dropped (fd));
  *fd_out = fd;
  return house->sides->len > before;
}

static GPtrArray *
targets_new (void)
{
  return g_ptr_array_new_with_free_func (g_object_unref);
}

static void
add_target (GPtrArray *targets, const char *address, guint16 port)
{
  GSocketAddress *target = g_inet_socket_address_new_from_string (address, port);
  g_assert_nonnull (target);
  g_ptr_array_add (targets, target);
}

static Side *
dial_port (guint16 port)
{
  g_autoptr (GPtrArray) targets = targets_new ();
  Side *side = side_new ();
  add_target (targets, "127.0.0.1", port);
  side->link = link_dial (poller, targets, TRUE, 0, &side_callbacks, side);
  g_assert_null (link_get_remote (side->link));
  return side;
}

static Side *
dial_house (House *house)
{
  Side *side = dial_port (listener_get_port (house->listener));
  WAIT_UNTIL (side->connected && house->sides->len > 0);
  return side;
}

#define WRITE(side, text) link_write ((side)->link, (const guint8 *) (text), strlen (text))

/* --- bytes --------------------------------------------------------------------------------- */

static void
test_both_ways (void)
{
  House house;
  house_open (&house, NULL, NULL);
  Side *caller = dial_house (&house);
  g_autofree char *remote = g_inet_address_to_string (g_inet_socket_address_get_address (link_get_remote (guest (&house, 0)->link)));

  g_assert_cmpstr (remote, ==, "127.0.0.1"); /* not ::ffff:127.0.0.1 */
  WRITE (caller, "hello");
  WRITE (guest (&house, 0), "welcome");
  WAIT_UNTIL (caller->got->len == 7 && guest (&house, 0)->got->len == 5);
  g_assert_cmpmem (caller->got->data, 7, "welcome", 7);
  g_assert_cmpuint (link_get_bytes_out (caller->link), ==, 5);
  g_assert_cmpuint (link_get_bytes_in (caller->link), ==, 7);
  g_assert_cmpuint (caller->drained, ==, 0);
  /* Nobody talks: the loop sleeps. */
  g_assert_cmpuint (count_turns (50), <=, 1);
  side_free (caller);
  house_close (&house);
}

static void
test_written_while_dialling (void)
{
  House house;
  house_open (&house, NULL, NULL);
  Side *caller = dial_port (listener_get_port (house.listener));
  WRITE (caller, "early");
  link_shutdown_write (caller->link);
  WAIT_UNTIL (house.sides->len == 1 && guest (&house, 0)->ended);
  g_assert_cmpmem (guest (&house, 0)->got->data, guest (&house, 0)->got->len, "early", 5);
  g_assert_no_error (guest (&house, 0)->error);
  side_free (caller);
  house_close (&house);
}

static void
test_back_pressure (void)
{
  enum { BIG = 6 * 1024 * 1024 };
  House house;
  g_autofree guint8 *big = g_malloc (BIG);

  house_open (&house, NULL, NULL);
  for (guint i = 0; i < BIG; i++)
    big[i] = (guint8) (i * 7 + i / 251);
  Side *caller = dial_house (&house);
  Side *host = guest (&house, 0);
  link_set_reading (host->link, FALSE);
  for (guint at = 0; at < BIG; at += BIG / 16)
    link_write (caller->link, big + at, BIG / 16);
  g_assert_cmpuint (link_get_pending (caller->link), >, LINK_HIGH_WATER);
  count_turns (50);
  g_assert_cmpuint (host->got->len, ==, 0);
  g_assert_cmpuint (caller->drained, ==, 0);
  link_set_reading (host->link, TRUE);
  WAIT_UNTIL (host->got->len == BIG);
  WAIT_UNTIL (caller->drained > 0);
  g_assert_cmpmem (host->got->data, host->got->len, big, BIG);
  g_assert_cmpuint (caller->drained, ==, 1);
  g_assert_cmpuint (link_get_bytes_out (caller->link), ==, BIG);
  side_free (caller);
  house_close (&house);
}

static void
test_output_is_bounded (void)
{
  enum { CHUNK = 1024 * 1024 };
  House house;
  g_autofree guint8 *chunk = g_malloc0 (CHUNK);

  house_open (&house, NULL, NULL);
  Side *caller = dial_house (&house);
  link_set_reading (guest (&house, 0)->link, FALSE);
  for (guint i = 0; i < 100; i++)
    link_write (caller->link, chunk, CHUNK);
  g_assert_cmpuint (link_get_pending (caller->link), <=, 8 * CHUNK);
  g_assert_false (caller->ended); /* only from the loop */
  WAIT_UNTIL (caller->ended);
  g_assert_error (caller->error, EARSHOT_ERROR, EARSHOT_ERROR_TIMEOUT);
  side_free (caller);
  house_close (&house);
}

static void
test_half_close (void)
{
  House house;
  house_open (&house, NULL, NULL);
  Side *caller = dial_house (&house);
  Side *host = guest (&house, 0);

  WRITE (caller, "last words");
  link_shutdown_write (caller->link);
  WRITE (caller, "never");
  WAIT_UNTIL (host->ended);
  g_assert_no_error (host->error);
  g_assert_cmpmem (host->got->data, host->got->len, "last words", 10);
  /* The other direction still works after `ended`. */
  WRITE (host, "answer");
  WAIT_UNTIL (caller->got->len == 6);
  g_assert_cmpuint (count_turns (50), <=, 1);
  g_clear_pointer (&host->link, link_free);
  WAIT_UNTIL (caller->ended);
  g_assert_no_error (caller->error);
  g_assert_cmpuint (count_turns (50), <=, 1);
  side_free (caller);
  house_close (&house);
}

void
reset (int fd)
{
  struct linger linger = { .l_onoff = 1, .l_linger = 0 };
  g_assert_no_errno (setsockopt (fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
  close (fd);
}

static void
test_reset (void)
{
  House house;
  int fd;

  house_open (&house, NULL, NULL);
  g_assert_true (call_and_see (&house, 2, &fd));
  reset (fd);
  WAIT_UNTIL (guest (&house, 0)->ended);
  g_assert_error (guest (&house, 0)->error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_REACHABLE);
  /* The same while we do not read: no spinning, and it comes out when we do. */
  g_assert_true (call_and_see (&house, 2, &fd));
  link_set_reading (guest (&house, 1)->link, FALSE);
  reset (fd);
  g_assert_cmpuint (count_turns (100), <=, 3);
  g_assert_false (guest (&house, 1)->ended);
  link_set_reading (guest (&house, 1)->link, TRUE);
  WAIT_UNTIL (guest (&house, 1)->ended);
  g_assert_nonnull (guest (&house, 1)->error);
  house_close (&house);
}

static void
test_words_before_the_break (void)
{
  House house;
  int fd;

  house_open (&house, NULL, NULL);
  g_assert_true (call_and_see (&house, 2, &fd));
  Side *host = guest (&house, 0);
  g_assert_cmpint (send (fd, "why", 3, 0), ==, 3);
  close (fd);
  /* The first write makes the kernel answer with a reset, the second meets it. */
  link_set_reading (host->link, FALSE);
  WRITE (host, "x");
  count_turns (20);
  WRITE (host, "y");
  WRITE (host, "z");
  g_assert_false (host->ended);
  link_set_reading (host->link, TRUE);
  WAIT_UNTIL (host->ended);
  g_assert_nonnull (host->error);
  g_assert_cmpmem (host->got->data, host->got->len, "why", 3);
  house_close (&house);
}

static void
test_keepalive (void)
{
  House house;
  int value = 0;
  socklen_t len = sizeof value;

  house_open (&house, NULL, NULL);
  Side *caller = dial_house (&house);
  link_enable_keepalive (caller->link);
  g_assert_no_errno (getsockopt (caller->link->fd, SOL_SOCKET, SO_KEEPALIVE, &value, &len));
  g_assert_cmpint (value, ==, 1);
  g_assert_no_errno (getsockopt (caller->link->fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, &len));
  g_assert_cmpint (value, ==, 60);
  g_assert_no_errno (getsockopt (caller->link->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &len));
  g_assert_cmpint (value, ==, 30000);
  g_assert_cmpint (fcntl (caller->link->fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
  g_assert_cmpint (fcntl (guest (&house, 0)->link->fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
  g_assert_cmpint (fcntl (guest (&house, 0)->link->fd, F_GETFL) & O_NONBLOCK, ==, O_NONBLOCK);
  side_free (caller);
  house_close (&house);
}

static void
test_freed_inside (void)
{
  static const FreeWhen when[] = { FREE_IN_CONNECTED, FREE_IN_BYTES, FREE_IN_DRAINED, FREE_IN_ENDED };
  g_autofree guint8 *big = g_malloc0 (4 * 1024 * 1024);

  for (guint i = 0; i < G_N_ELEMENTS (when); i++)
    {
      House house;
      house_open (&house, NULL, NULL);
      Side *caller = dial_port (listener_get_port (house.listener));
      caller->free_when = when[i];
      WAIT_UNTIL (house.sides->len == 1 && caller->connected);
      if (caller->link != NULL)
        link_write (caller->link, big, 4 * 1024 * 1024);
      WRITE (guest (&house, 0), "x");
      if (when[i] == FREE_IN_ENDED)
        g_clear_pointer (&guest (&house, 0)->link, link_free);
      WAIT_UNTIL (caller->link == NULL);
      side_free (caller);
      house_close (&house);
    }
}

/* --- dialling ---------------------------------------------------------------------------------- */

static void
refused (House *house, const char *address, guint16 port, gboolean allow_loopback, guint16 own_port)
{
  g_autoptr (GPtrArray) targets = targets_new ();
  Side *side = side_new ();

  add_target (targets, address, port);
  side->link = link_dial (poller, targets, allow_loopback, own_port, &side_callbacks, side);
  g_assert_false (side->ended); /* not before it returned */
  WAIT_UNTIL (side->ended);
  g_assert_false (side->connected);
  g_assert_error (side->error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_REACHABLE);
  g_assert_nonnull (strstr (side->error->message, "no address that may be dialled"));
  side_free (side);
  g_assert_cmpuint (house->sides->len, ==, 0);
}

static void
test_refused_targets (void)
{
  House house;
  house_open (&house, NULL, NULL);
  guint16 port = listener_get_port (house.listener);

  refused (&house, "127.0.0.1", port, FALSE, 0);
  refused (&house, "127.7.7.7", port, FALSE, 0);
  refused (&house, "::1", port, FALSE, 0);
  refused (&house, "::ffff:127.0.0.1", port, FALSE, 0);
  refused (&house, "0.0.0.0", port, TRUE, 0);
  refused (&house, "0.1.2.3", port, TRUE, 0);
  refused (&house, "::", port, TRUE, 0);
  refused (&house, "::ffff:0.0.0.0", port, TRUE, 0);
  refused (&house, "::7f00:1", port, TRUE, 0);
  refused (&house, "224.0.0.251", port, TRUE, 0);
  refused (&house, "ff02::fb", port, TRUE, 0);
  refused (&house, "255.255.255.255", port, TRUE, 0);
  refused (&house, "fe80::1", port, TRUE, 0); /* no scope */
  refused (&house, "127.0.0.1", 0, TRUE, 0);
  /* Our own listener, by whatever name. */
  refused (&house, "127.0.0.1", port, TRUE, port);
  refused (&house, "::1", port, TRUE, port);
  refused (&house, "::ffff:127.0.0.1", port, TRUE, port);
  house_close (&house);
}

static void
test_one_good_among_bad (void)
{
  House house;
  g_autoptr (GPtrArray) targets = targets_new ();
  Side *side = side_new ();

  house_open (&house, NULL, NULL);
  add_target (targets, "224.0.0.1", 5298);
  add_target (targets, "0.0.0.0", 5298);
  add_target (targets, "127.0.0.1", listener_get_port (house.listener));
  side->link = link_dial (poller, targets, TRUE, 0, &side_callbacks, side);
  WAIT_UNTIL (side->connected && house.sides->len == 1);
  side_free (side);
  house_close (&house);
}

/* A socket on `address` that takes connections (`deaf` FALSE: refuses them), its port in `*port`. */
static int
plain_listener (guint16 *port, gboolean accepting)
{
  struct sockaddr_in a = v4 ("127.0.0.1", 0);
  socklen_t len = sizeof a;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_no_errno (bind (fd, (struct sockaddr *) &a, sizeof a));
  if (accepting)
    g_assert_no_errno (listen (fd, 0));
  g_assert_no_errno (getsockname (fd, (struct sockaddr *) &a, &len));
  *port = ntohs (a.sin_port);
  return fd;
}

static void
test_next_when_refused (void)
{
  House house;
  guint16 dead;
  int fd = plain_listener (&dead, FALSE);
  g_autoptr (GPtrArray) targets = targets_new ();
  Side *side = side_new ();

  house_open (&house, NULL, NULL);
  add_target (targets, "127.0.0.1", dead);
  add_target (targets, "127.0.0.1", listener_get_port (house.listener));
  side->link = link_dial (poller, targets, TRUE, 0, &side_callbacks, side);
  WAIT_UNTIL (side->connected);
  g_assert_cmpuint (g_inet_socket_address_get_port (link_get_remote (side->link)), ==, listener_get_port (house.listener));
  side_free (side);
  /* And all refused: the kernel's reason. */
  side = dial_port (dead);
  WAIT_UNTIL (side->ended);
  g_assert_error (side->error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_REACHABLE);
  g_assert_cmpstr (side->error->message, ==, g_strerror (ECONNREFUSED));
  side_free (side);
  house_close (&house);
  close (fd);
}

static void
test_next_when_silent (void)
{
  House house;
  guint16 deaf;
  int fd = plain_listener (&deaf, TRUE), fill[8];
  struct sockaddr_in remote = v4 ("127.0.0.1", deaf);
  g_autoptr (GPtrArray) targets = targets_new ();
  Side *side = side_new ();
  gint64 start;

  /* A full queue answers no SYN, like a host that is gone. */
  for (guint i = 0; i < G_N_ELEMENTS (fill); i++)
    {
      fill[i] = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      (void) !connect (fill[i], (struct sockaddr *) &remote, sizeof remote);
    }
  house_open (&house, NULL, NULL);
  add_target (targets, "127.0.0.1", deaf);
  add_target (targets, "127.0.0.1", listener_get_port (house.listener));
  start = g_get_monotonic_time ();
  side->link = link_dial (poller, targets, TRUE, 0, &side_callbacks, side);
  WAIT_UNTIL (side->connected);
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 240 * 1000);
  g_assert_cmpuint (g_inet_socket_address_get_port (link_get_remote (side->link)), ==, listener_get_port (house.listener));
  side_free (side);
  /* Freed in the middle of it: nothing happens later. */
  side = side_new ();
  side->link = link_dial (poller, targets, TRUE, 0, &side_callbacks, side);
  g_clear_pointer (&side->link, link_free);
  count_turns (300);
  g_assert_false (side->connected || side->ended);
  side_free (side);
  for (guint i = 0; i < G_N_ELEMENTS (fill); i++)
    close (fill[i]);
  close (fd);
  house_close (&house);
}

static void
test_ipv6_first (void)
{
  House house;
  g_autoptr (GPtrArray) targets = targets_new ();
  Side *side = side_new ();

  house_open (&house, NULL, NULL);
  add_target (targets, "127.0.0.1", listener_get_port (house.listener));
  add_target (targets, "::1", listener_get_port (house.listener));
  side->link = link_dial (poller, targets, TRUE, 0, &side_callbacks, side);
  WAIT_UNTIL (side->connected);
  GInetAddress *address = g_inet_socket_address_get_address (link_get_remote (side->link));
  if (g_inet_address_get_family (address) != G_SOCKET_FAMILY_IPV6)
    {
      int fd = socket (AF_INET6, SOCK_STREAM, 0);
      struct sockaddr_in6 loopback = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
      /* Only where there is no IPv6. */
      g_assert_true (fd < 0 || bind (fd, (struct sockaddr *) &loopback, sizeof loopback) < 0);
      close (fd);
      g_test_skip ("no IPv6 here");
    }
  side_free (side);
  house_close (&house);
}

int
main (int argc, char **argv)
{
  int result;

  g_test_init (&argc, &argv, NULL);
  poller = poller_new ();
  g_test_add_func ("/link/both-ways", test_both_ways);
  g_test_add_func ("/link/written-while-dialling", test_written_while_dialling);
  g_test_add_func ("/link/back-pressure", test_back_pressure);
  g_test_add_func ("/link/output-is-bounded", test_output_is_bounded);
  g_test_add_func ("/link/half-close", test_half_close);
  g_test_add_func ("/link/reset", test_reset);
  g_test_add_func ("/link/words-before-the-break", test_words_before_the_break);
  g_test_add_func ("/link/S-28-kernel-keepalive", test_keepalive);
  g_test_add_func ("/link/freed-inside-its-callbacks", test_freed_inside);
  g_test_add_func ("/link/P-16-refused-targets", test_refused_targets);
  g_test_add_func ("/link/P-16-one-good-among-bad", test_one_good_among_bad);
  g_test_add_func ("/link/dial/next-when-refused", test_next_when_refused);
  g_test_add_func ("/link/dial/next-when-silent", test_next_when_silent);
  g_test_add_func ("/link/dial/ipv6-first", test_ipv6_first);
  add_listener_tests ();
  result = g_test_run ();
  poller_free (poller);
  return result;
}
