/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The listener's caps, its interface filter, and what it does when descriptors run out.
 */
#include "earshot-config.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/error.h"
#include "tests/unit/test-link.h"

static const ListenerLimits no_rate = { 8, 32, 8, 1000 };

static void
close_all (GArray *fds)
{
  for (guint i = 0; i < fds->len; i++)
    close (g_array_index (fds, int, i));
  g_array_unref (fds);
}

static void
test_per_address (void)
{
  House house;
  GArray *fds = g_array_new (FALSE, FALSE, sizeof (int));
  int fd;

  house_open (&house, NULL, NULL);
  for (guint i = 0; i < 8; i++)
    {
      g_assert_true (call_and_see (&house, 2, &fd));
      g_array_append_val (fds, fd);
    }
  g_assert_false (call_and_see (&house, 2, &fd)); /* the ninth */
  g_array_append_val (fds, fd);
  g_assert_true (call_and_see (&house, 3, &fd)); /* somebody else */
  g_array_append_val (fds, fd);
  /* One of the eight gets through negotiation: there is room again. */
  link_mark_open (guest (&house, 0)->link);
  g_assert_true (call_and_see (&house, 2, &fd));
  g_array_append_val (fds, fd);
  /* One is dropped: the same. */
  g_clear_pointer (&guest (&house, 1)->link, link_free);
  g_assert_true (call_and_see (&house, 2, &fd));
  g_array_append_val (fds, fd);
  g_assert_false (call_and_see (&house, 2, &fd));
  g_array_append_val (fds, fd);
  close_all (fds);
  house_close (&house);
}

static guint
count_ended (House *house)
{
  guint n = 0;
  for (guint i = 0; i < house->sides->len; i++)
    n += guest (house, i)->ended;
  return n;
}

static void
test_hostile_addresses (void)
{
  House house;
  GArray *fds = g_array_new (FALSE, FALSE, sizeof (int));
  int fd;

  house_open (&house, &no_rate, NULL);
  /* Three hostile addresses take all that strangers get: 8 each, 24. */
  for (guint i = 0; i < 24; i++)
    {
      g_assert_true (call_and_see (&house, 2 + i % 3, &fd));
      g_array_append_val (fds, fd);
    }
  g_assert_cmpuint (count_ended (&house), ==, 0);
  /* A stranger still gets in, at the cost of the oldest of one that has most: the very first. */
  g_assert_true (call_and_see (&house, 9, &fd));
  g_array_append_val (fds, fd);
  g_assert_cmpuint (count_ended (&house), ==, 1);
  g_assert_true (guest (&house, 0)->ended);
  g_assert_error (guest (&house, 0)->error, EARSHOT_ERROR, EARSHOT_ERROR_QUOTA_EXCEEDED);
  WAIT_UNTIL (was_dropped (g_array_index (fds, int, 0)));
  /* They go on and on: the newcomer, having one, is not the one to go. */
  for (guint i = 0; i < 30; i++)
    {
      call_and_see (&house, 2 + i % 3, &fd);
      g_array_append_val (fds, fd);
    }
  g_assert_false (guest (&house, 24)->ended);
  close_all (fds);
  house_close (&house);
}

static void
test_reserved_slots (void)
{
  House house;
  GArray *fds = g_array_new (FALSE, FALSE, sizeof (int));
  g_autoptr (GInetAddress) friend = g_inet_address_new_from_string ("127.0.0.200");
  guint first_friend, ended;
  int fd;

  house_open (&house, &no_rate, NULL);
  for (guint i = 0; i < 100; i++)
    listener_know (house.listener, friend); /* once, however often */
  /* 24 different strangers, then more: each pushes out the oldest. */
  for (guint i = 0; i < 30; i++)
    {
      g_assert_true (call_and_see (&house, 2 + i, &fd));
      g_array_append_val (fds, fd);
    }
  g_assert_cmpuint (count_ended (&house), ==, 6);
  first_friend = house.sides->len;
  /* The friend's eight slots cost no stranger anything. */
  for (guint i = 0; i < 8; i++)
    {
      g_assert_true (call_and_see (&house, 200, &fd));
      g_array_append_val (fds, fd);
    }
  g_assert_cmpuint (count_ended (&house), ==, 6);
  g_assert_false (call_and_see (&house, 200, &fd));
  g_array_append_val (fds, fd);
  /* And strangers who come now push out strangers only. */
  ended = count_ended (&house);
  for (guint i = 0; i < 30; i++)
    {
      g_assert_true (call_and_see (&house, 50 + i, &fd));
      g_array_append_val (fds, fd);
    }
  g_assert_cmpuint (count_ended (&house), ==, ended + 30);
  for (guint i = 0; i < 8; i++)
    g_assert_false (guest (&house, first_friend + i)->ended);
  close_all (fds);
  house_close (&house);
}

static void
test_known_are_bounded (void)
{
  static const ListenerLimits tight = { 8, 2, 1, 1000 };
  House house;
  GArray *fds = g_array_new (FALSE, FALSE, sizeof (int));
  int fd;

  house_open (&house, &tight, NULL);
  /* 65 friends: the first is forgotten, the second is not. */
  for (guint i = 0; i < 65; i++)
    {
      g_autofree char *text = g_strdup_printf ("127.0.0.%u", 100 + i);
      g_autoptr (GInetAddress) address = g_inet_address_new_from_string (text);
      listener_know (house.listener, address);
    }
  g_assert_true (call_and_see (&house, 2, &fd)); /* takes the only slot of strangers */
  g_array_append_val (fds, fd);
  g_assert_true (call_and_see (&house, 101, &fd));
  g_array_append_val (fds, fd);
  g_assert_cmpuint (count_ended (&house), ==, 0);
  g_assert_true (call_and_see (&house, 100, &fd)); /* a stranger now: pushes out the stranger */
  g_array_append_val (fds, fd);
  g_assert_true (guest (&house, 0)->ended);
  g_assert_false (guest (&house, 1)->ended);
  close_all (fds);
  house_close (&house);
}

static void
test_per_minute (void)
{
  House house;
  GArray *fds = g_array_new (FALSE, FALSE, sizeof (int));
  int fd;

  house_open (&house, NULL, NULL);
  house.open = TRUE; /* so that only the rate counts */
  for (guint i = 0; i < 20; i++)
    {
      g_assert_true (call_and_see (&house, 2, &fd));
      g_array_append_val (fds, fd);
    }
  g_assert_false (call_and_see (&house, 2, &fd));
  g_array_append_val (fds, fd);
  g_assert_true (call_and_see (&house, 3, &fd));
  g_array_append_val (fds, fd);
  close_all (fds);
  house_close (&house);
}

static void
test_many_addresses (void)
{
  static const ListenerLimits one = { 8, 32, 8, 1 };
  House house;
  int fd;

  /* More addresses than are remembered, closed as they come: memory is bounded (LeakSanitizer and the table's own
   * limit), and nobody is locked out. */
  house_open (&house, &one, NULL);
  house.refuse = TRUE;
  for (guint i = 0; i < 1100; i++)
    {
      g_autofree char *from = g_strdup_printf ("127.1.%u.%u", i / 250, 1 + i % 250);
      struct sockaddr_in local = v4 (from, 0), remote = v4 ("127.0.0.1", listener_get_port (house.listener));
      fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      g_assert_no_errno (bind (fd, (struct sockaddr *) &local, sizeof local));
      g_assert_no_errno (connect (fd, (struct sockaddr *) &remote, sizeof remote));
      WAIT_UNTIL (was_dropped (fd));
      reset (fd);
    }
  house.refuse = FALSE;
  g_assert_true (call_and_see (&house, 77, &fd));
  close (fd);
  house_close (&house);
}

static void
test_interfaces (void)
{
  char *lo[] = { (char *) "nope0", (char *) "lo", NULL }, *other[] = { (char *) "nope0", NULL };
  House house;
  int fd;

  house_open (&house, NULL, lo);
  g_assert_true (call_and_see (&house, 2, &fd));
  close (fd);
  house_close (&house);
  house_open (&house, NULL, other);
  g_assert_false (call_and_see (&house, 2, &fd));
  close (fd);
  house_close (&house);
}

static void
test_no_descriptors (void)
{
  House house;
  struct rlimit saved, tight;
  const char *preload = g_getenv ("LD_PRELOAD");
  int fd, probe;

  if (preload != NULL && strstr (preload, "vgpreload") != NULL)
    {
      /* It keeps the limit itself: the kernel accepts and valgrind closes. */
      g_test_skip ("valgrind");
      return;
    }
  house_open (&house, NULL, NULL);
  fd = call_from (&house, 2);
  /* The lowest free number is the limit: the next accept4() fails with EMFILE. */
  probe = dup (fd);
  close (probe);
  g_assert_no_errno (getrlimit (RLIMIT_NOFILE, &saved));
  tight = saved;
  tight.rlim_cur = probe;
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &tight));
  guint turns = count_turns (300);
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &saved));
  g_assert_cmpuint (turns, <=, 3);
  g_assert_cmpuint (house.sides->len, ==, 0);
  /* It is still in the queue, and taken when the pause is over. */
  WAIT_UNTIL (house.sides->len == 1);
  close (fd);
  house_close (&house);
}

static void
test_listener_freed_inside (void)
{
  House house;
  int a, b;

  house_open (&house, NULL, NULL);
  house.suicide = TRUE;
  a = call_from (&house, 2);
  b = call_from (&house, 2);
  WAIT_UNTIL (house.sides->len == 1);
  g_assert_null (house.listener);
  /* What it accepted lives on. */
  g_assert_cmpint (send (a, "x", 1, 0), ==, 1);
  WAIT_UNTIL (guest (&house, 0)->got->len == 1);
  link_mark_open (guest (&house, 0)->link);
  close (a);
  close (b);
  house_close (&house);
}

static void
test_port_in_use (void)
{
  House house;
  g_autoptr (GError) error = NULL;

  house_open (&house, NULL, NULL);
  g_assert_null (listener_new (poller, listener_get_port (house.listener), NULL, NULL, on_link, &house, &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED);
  house_close (&house);
}

void
add_listener_tests (void)
{
  g_test_add_func ("/link/S-24-per-address", test_per_address);
  g_test_add_func ("/link/S-24-X-02-hostile-addresses", test_hostile_addresses);
  g_test_add_func ("/link/S-24-reserved-slots", test_reserved_slots);
  g_test_add_func ("/link/S-24-known-are-bounded", test_known_are_bounded);
  g_test_add_func ("/link/S-24-per-minute", test_per_minute);
  g_test_add_func ("/link/X-02-many-addresses", test_many_addresses);
  g_test_add_func ("/link/listener/interfaces", test_interfaces);
  g_test_add_func ("/link/listener/no-descriptors-no-spinning", test_no_descriptors);
  g_test_add_func ("/link/listener/freed-inside", test_listener_freed_inside);
  g_test_add_func ("/link/listener/port-in-use", test_port_in_use);
}
