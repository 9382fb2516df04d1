/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/io/poller.h"

typedef struct _End End;
struct _End {
  int fd, peer;
  PollerWatch *watch;
  guint fired;
  guint32 events;
  End *victims; /* removed when this one fires */
  guint n_victims;
};

static void
end_open (End *end)
{
  int fds[2];
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
  end->fd = fds[0];
  end->peer = fds[1];
}

static void
end_close (End *end)
{
  g_clear_pointer (&end->watch, poller_remove);
  close (end->fd);
  close (end->peer);
}

static void
on_event (gpointer user, guint32 events)
{
  End *end = user;
  char buffer[16];

  end->fired++;
  end->events = events;
  if (events & EPOLLIN)
    g_assert_cmpint (read (end->fd, buffer, sizeof buffer), >=, 0);
  for (guint i = 0; i < end->n_victims; i++)
    g_clear_pointer (&end->victims[i].watch, poller_remove);
}

static void
turn (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static void
test_read_write (void)
{
  Poller *poller = poller_new ();
  End end = { 0 };

  end_open (&end);
  end.watch = poller_add (poller, end.fd, EPOLLIN, on_event, &end);
  turn ();
  g_assert_cmpuint (end.fired, ==, 0);
  g_assert_cmpint (write (end.peer, "x", 1), ==, 1);
  turn ();
  g_assert_cmpuint (end.fired, ==, 1);
  poller_modify (end.watch, EPOLLOUT);
  g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (end.fired, >, 1);
  g_assert_true ((end.events & EPOLLOUT) != 0);
  poller_modify (end.watch, 0);
  end.fired = 0;
  g_assert_cmpint (write (end.peer, "x", 1), ==, 1);
  turn ();
  g_assert_cmpuint (end.fired, ==, 0);
  g_clear_pointer (&end.watch, poller_remove);
  /* The descriptor stays open. */
  g_assert_cmpint (fcntl (end.fd, F_GETFD), >=, 0);
  end_close (&end);
  poller_free (poller);
}

static void
test_remove_others (void)
{
  enum { N = 40 };
  Poller *poller = poller_new ();
  End ends[N] = { 0 };
  guint fired = 0;

  for (guint i = 0; i < N; i++)
    {
      end_open (&ends[i]);
      ends[i].victims = ends;
      ends[i].n_victims = N;
      ends[i].watch = poller_add (poller, ends[i].fd, EPOLLIN, on_event, &ends[i]);
      g_assert_cmpint (write (ends[i].peer, "x", 1), ==, 1);
    }
  /* All are ready in one turn; the first to fire removes all, itself too. */
  turn ();
  for (guint i = 0; i < N; i++)
    {
      fired += ends[i].fired;
      end_close (&ends[i]);
    }
  g_assert_cmpuint (fired, ==, 1);
  poller_free (poller);
}

static void
on_event_free_poller (gpointer user, guint32 events)
{
  End *end = user;
  Poller *poller = (Poller *) end->victims;

  end->fired++;
  g_clear_pointer (&end->watch, poller_remove);
  poller_free (poller);
}

static void
test_free_inside (void)
{
  Poller *poller = poller_new ();
  End end = { 0 };

  end_open (&end);
  end.victims = (End *) poller;
  end.watch = poller_add (poller, end.fd, EPOLLIN, on_event_free_poller, &end);
  g_assert_cmpint (write (end.peer, "x", 1), ==, 1);
  turn ();
  turn ();
  g_assert_cmpuint (end.fired, ==, 1);
  end_close (&end);
}

static void
test_many (void)
{
  enum { N = 200 };
  Poller *poller = poller_new ();
  End ends[N] = { 0 };

  for (guint i = 0; i < N; i++)
    {
      end_open (&ends[i]);
      ends[i].watch = poller_add (poller, ends[i].fd, EPOLLIN, on_event, &ends[i]);
      g_assert_cmpint (write (ends[i].peer, "x", 1), ==, 1);
    }
  turn ();
  for (guint i = 0; i < N; i++)
    {
      g_assert_cmpuint (ends[i].fired, ==, 1);
      end_close (&ends[i]);
    }
  /* Nothing is ready, so nothing wakes the loop. */
  g_assert_false (g_main_context_pending (NULL));
  poller_free (poller);
}

static void
test_hangup (void)
{
  Poller *poller = poller_new ();
  End end = { 0 };

  end_open (&end);
  end.watch = poller_add (poller, end.fd, 0, on_event, &end);
  shutdown (end.peer, SHUT_RDWR);
  g_main_context_iteration (NULL, TRUE);
  g_assert_true ((end.events & EPOLLHUP) != 0);
  end_close (&end);
  poller_free (poller);
}

/* --- who comes first --------------------------------------------------------------- */

typedef struct {
  int fd, peer;
  PollerWatch *watch;
  guint fired;
  guint *order, *n; /* who fired when */
  guint number;
} Busy;

/* Never reads, so that it is ready again at every turn; and takes its time. */
static void
on_busy (gpointer user, guint32 events)
{
  Busy *busy = user;

  busy->fired++;
  if (*busy->n < 64)
    busy->order[(*busy->n)++] = busy->number;
  if (busy->number > 0)
    g_usleep (1000);
}

static void
test_strangers_wait (void)
{
  enum { N = 30, TURNS = 3 * N };
  Poller *poller = poller_new ();
  Busy busy[N] = { 0 };
  guint order[64], n = 0;

  for (guint i = 0; i < N; i++)
    {
      int fds[2];

      g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
      /* The friend is the last one that epoll tells of. */
      busy[i] = (Busy){ .fd = fds[0], .peer = fds[1], .order = order, .n = &n, .number = N - 1 - i };
      busy[i].watch = poller_add (poller, fds[0], EPOLLIN, on_busy, &busy[i]);
      g_assert_cmpint (write (fds[1], "x", 1), ==, 1);
    }
  poller_set_first (busy[N - 1].watch, TRUE);
  for (guint turn = 0; turn < TURNS; turn++)
    {
      n = 0;
      g_main_context_iteration (NULL, TRUE);
      /* A turn of the loop: the friend, then as many strangers as 2 ms have room for. */
      g_assert_cmpuint (n, >=, 2);
      g_assert_cmpuint (n, <=, 3);
      g_assert_cmpuint (order[0], ==, 0);
      g_assert_cmpuint (order[1], !=, 0);
    }
  /* And none of them is forgotten. */
  for (guint i = 0; i < N; i++)
    {
      g_assert_cmpuint (busy[i].fired, >=, 2);
      poller_remove (busy[i].watch);
      close (busy[i].fd);
      close (busy[i].peer);
    }
  g_assert_cmpuint (busy[N - 1].fired, ==, TURNS);
  poller_free (poller);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/poller/read-write-modify", test_read_write);
  g_test_add_func ("/poller/removed-in-the-same-turn-never-fires", test_remove_others);
  g_test_add_func ("/poller/freed-inside-its-callback", test_free_inside);
  g_test_add_func ("/poller/more-than-a-turn-holds", test_many);
  g_test_add_func ("/poller/hangup", test_hangup);
  g_test_add_func ("/poller/strangers-wait", test_strangers_wait);
  return g_test_run ();
}
