/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A link that misbehaves, between veth ends in one network namespace: a learning switch that can be told to delay, lose,
 * reorder and cut. For tests/lan/link.py, which has the prose; not every kernel has netem.
 *
 * A command a line on stdin, each answered by one line on stdout ("ok …" or "no …"):
 *
 *   port NAME                 another interface of this namespace
 *   delay US                  every frame is that late, each way
 *   loss PPM                  that share of the frames is gone, each frame and each receiver for itself
 *   reorder PPM US            that share is that much later than its neighbours
 *   seed N                    where the dice begin
 *   cut FROM TO               nothing from one port reaches the other
 *   heal                      all cuts are gone
 *   counts                    passed=N lost=N cut=N late=N full=N
 *
 * It sleeps until there is a frame, a frame that is due, or a command; it ends with stdin.
 */
#include "earshot-config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define PORTS_MAX 64
#define WAITING_MAX 65536
#define PPM 1000000
#define BURST 256

typedef struct {
  char name[IF_NAMESIZE];
  int fd;
} Port;

typedef struct {
  gint64 due;
  guint64 number; /* of equally late ones the older goes first */
  guint to;
  gsize len;
  guint8 *bytes;  /* virtio_net_hdr, then the frame */
} Frame;

static Port ports[PORTS_MAX];
static guint n_ports;
static gboolean is_cut[PORTS_MAX][PORTS_MAX];
static GHashTable *known;      /* station address -> port number + 1 */
static GPtrArray *waiting;     /* Frame*: a heap, the next one first */
static GRand *dice;
static gint64 delay_us, later_us;
static gint32 loss_ppm, reorder_ppm;
static guint64 numbers, passed, lost, stopped, late, full;
static int poll_fd, timer_fd;

/* --- what waits --------------------------------------------------------------- */

static gboolean
is_before (guint a, guint b)
{
  const Frame *x = g_ptr_array_index (waiting, a), *y = g_ptr_array_index (waiting, b);

  return x->due < y->due || (x->due == y->due && x->number < y->number);
}

static void
swap (guint a, guint b)
{
  gpointer kept = g_ptr_array_index (waiting, a);

  g_ptr_array_index (waiting, a) = g_ptr_array_index (waiting, b);
  g_ptr_array_index (waiting, b) = kept;
}

static void
push (Frame *frame)
{
  guint i = waiting->len;

  g_ptr_array_add (waiting, frame);
  for (; i > 0 && is_before (i, (i - 1) / 2); i = (i - 1) / 2)
    swap (i, (i - 1) / 2);
}

static Frame *
pop (void)
{
  Frame *first = g_ptr_array_index (waiting, 0);
  guint i = 0;

  swap (0, waiting->len - 1);
  g_ptr_array_set_size (waiting, (gint) waiting->len - 1);
  for (;;)
    {
      guint least = i, left = 2 * i + 1, right = left + 1;

      if (left < waiting->len && is_before (left, least))
        least = left;
      if (right < waiting->len && is_before (right, least))
        least = right;
      if (least == i)
        return first;
      swap (i, least);
      i = least;
    }
}

static void
frame_free (gpointer data)
{
  Frame *frame = data;

  g_free (frame->bytes);
  g_free (frame);
}

static void
deliver (guint to, const guint8 *bytes, gsize len)
{
  if (send (ports[to].fd, bytes, len, 0) == (gssize) len)
    passed++;
  else
    full++;
}

/* Sends what is due and sets the clock for the rest. */
static void
deliver_due (void)
{
  struct itimerspec when = { 0 };

  while (waiting->len > 0 && ((Frame *) g_ptr_array_index (waiting, 0))->due <= g_get_monotonic_time ())
    {
      Frame *frame = pop ();

      deliver (frame->to, frame->bytes, frame->len);
      frame_free (frame);
    }
  if (waiting->len > 0)
    {
      gint64 due = ((Frame *) g_ptr_array_index (waiting, 0))->due;

      when.it_value.tv_sec = due / G_USEC_PER_SEC;
      when.it_value.tv_nsec = due % G_USEC_PER_SEC * 1000;
    }
  timerfd_settime (timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* --- the switch ---------------------------------------------------------------- */

static gboolean
falls (gint32 ppm)
{
  return ppm > 0 && g_rand_int_range (dice, 0, PPM) < ppm;
}

static void
forward (guint from, guint to, const guint8 *bytes, gsize len)
{
  gint64 wait = delay_us;
  Frame *frame;

  if (is_cut[from][to])
    {
      stopped++;
      return;
    }
  if (falls (loss_ppm))
    {
      lost++;
      return;
    }
  if (falls (reorder_ppm))
    {
      late++;
      wait += later_us;
    }
  if (wait == 0)
    {
      deliver (to, bytes, len);
      return;
    }
  if (waiting->len >= WAITING_MAX)
    {
      full++;
      return;
    }
  frame = g_new0 (Frame, 1);
  frame->due = g_get_monotonic_time () + wait;
  frame->number = numbers++;
  frame->to = to;
  frame->len = len;
  frame->bytes = g_memdup2 (bytes, len);
  push (frame);
}

static gint64
station (const guint8 *address)
{
  gint64 value = 0;

  for (int i = 0; i < ETH_ALEN; i++)
    value = value << 8 | address[i];
  return value;
}

static void
on_frame (guint from, const guint8 *bytes, gsize len)
{
  const struct ether_header *head = (const void *) (bytes + sizeof (struct virtio_net_hdr));
  gint64 source, target;
  gpointer to = NULL;

  if (len < sizeof (struct virtio_net_hdr) + sizeof *head)
    return;
  source = station (head->ether_shost);
  target = station (head->ether_dhost);
  if (g_hash_table_lookup (known, &source) != GUINT_TO_POINTER (from + 1))
    g_hash_table_insert (known, g_memdup2 (&source, sizeof source), GUINT_TO_POINTER (from + 1));
  if ((head->ether_dhost[0] & 1) == 0)
    to = g_hash_table_lookup (known, &target);
  for (guint i = 0; i < n_ports; i++)
    if (i != from && (to == NULL || GPOINTER_TO_UINT (to) == i + 1))
      forward (from, i, bytes, len);
}

static void
on_port (guint number)
{
  static guint8 bytes[sizeof (struct virtio_net_hdr) + 65536 + sizeof (struct ether_header)];

  /* A bound, so that the other ports and the clock get their turn. */
  for (int i = 0; i < BURST; i++)
    {
      gssize len = recv (ports[number].fd, bytes, sizeof bytes, MSG_DONTWAIT);

      if (len < 0)
        break;
      on_frame (number, bytes, (gsize) len);
    }
}

/* --- commands ------------------------------------------------------------------- */

static void
watch (int fd, guint word)
{
  struct epoll_event event = { .events = EPOLLIN, .data.u32 = word };

  if (epoll_ctl (poll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
    abort ();
}

static gboolean
add_port (const char *name)
{
  struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons (ETH_P_ALL) };
  int on = 1, size = 8 * 1024 * 1024;
  int fd;

  if (n_ports == PORTS_MAX || strlen (name) >= IF_NAMESIZE || (address.sll_ifindex = (int) if_nametoindex (name)) == 0)
    return FALSE;
  fd = socket (AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return FALSE;
  /* The header says which checksums the sender's kernel left to the card; the receiver's believes it. */
  if (setsockopt (fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) != 0
      || setsockopt (fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0
      || bind (fd, (struct sockaddr *) &address, sizeof address) != 0)
    {
      close (fd);
      return FALSE;
    }
  if (setsockopt (fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
    (void) setsockopt (fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  g_strlcpy (ports[n_ports].name, name, IF_NAMESIZE);
  ports[n_ports].fd = fd;
  watch (fd, n_ports++);
  return TRUE;
}

static gint
find_port (const char *name)
{
  for (guint i = 0; i < n_ports; i++)
    if (strcmp (ports[i].name, name) == 0)
      return (gint) i;
  return -1;
}

static gboolean
cut (const char *from, const char *to)
{
  gint a = find_port (from), b = find_port (to);

  if (a < 0 || b < 0)
    return FALSE;
  is_cut[a][b] = TRUE;
  return TRUE;
}

static gboolean
obey (char **word, guint n)
{
  if (n == 2 && strcmp (word[0], "port") == 0)
    return add_port (word[1]);
  if (n == 2 && strcmp (word[0], "delay") == 0)
    delay_us = g_ascii_strtoll (word[1], NULL, 10);
  else if (n == 2 && strcmp (word[0], "loss") == 0)
    loss_ppm = (gint32) g_ascii_strtoll (word[1], NULL, 10);
  else if (n == 3 && strcmp (word[0], "reorder") == 0)
    {
      reorder_ppm = (gint32) g_ascii_strtoll (word[1], NULL, 10);
      later_us = g_ascii_strtoll (word[2], NULL, 10);
    }
  else if (n == 2 && strcmp (word[0], "seed") == 0)
    g_rand_set_seed (dice, (guint32) g_ascii_strtoull (word[1], NULL, 10));
  else if (n == 3 && strcmp (word[0], "cut") == 0)
    return cut (word[1], word[2]);
  else if (n == 1 && strcmp (word[0], "heal") == 0)
    memset (is_cut, 0, sizeof is_cut);
  else if (n != 1 || strcmp (word[0], "counts") != 0)
    return FALSE;
  return TRUE;
}

/* FALSE at the end of the input. */
static gboolean
on_command (void)
{
  static char line[256];

  if (fgets (line, sizeof line, stdin) == NULL)
    return FALSE;
  {
    g_auto (GStrv) word = g_strsplit (g_strstrip (line), " ", 0);

    printf ("%s passed=%" G_GUINT64_FORMAT " lost=%" G_GUINT64_FORMAT " cut=%" G_GUINT64_FORMAT " late=%" G_GUINT64_FORMAT
            " full=%" G_GUINT64_FORMAT "\n", obey (word, g_strv_length (word)) ? "ok" : "no", passed, lost, stopped, late, full);
  }
  fflush (stdout);
  return TRUE;
}

int
main (void)
{
  struct epoll_event events[16];

  setvbuf (stdin, NULL, _IONBF, 0); /* a line that waits in a buffer wakes nobody */
  known = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  waiting = g_ptr_array_new ();
  dice = g_rand_new ();
  poll_fd = epoll_create1 (EPOLL_CLOEXEC);
  timer_fd = timerfd_create (CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  watch (timer_fd, PORTS_MAX);
  watch (STDIN_FILENO, PORTS_MAX + 1);
  puts ("ready");
  fflush (stdout);
  for (;;)
    {
      int n = epoll_wait (poll_fd, events, G_N_ELEMENTS (events), -1);

      if (n < 0 && errno != EINTR)
        return 1;
      for (int i = 0; i < n; i++)
        {
          guint64 ticks;

          if (events[i].data.u32 < PORTS_MAX)
            on_port (events[i].data.u32);
          else if (events[i].data.u32 == PORTS_MAX)
            (void) !read (timer_fd, &ticks, sizeof ticks);
          else if (!on_command ())
            goto end;
        }
      deliver_due ();
    }
end:
  g_ptr_array_set_free_func (waiting, frame_free);
  g_ptr_array_unref (waiting);
  g_hash_table_unref (known);
  g_rand_free (dice);
  return 0;
}
