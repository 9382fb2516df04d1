/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/bus/bus-gate.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/error.h"
#include "daemon/base/log.h"
#include "daemon/base/thread.h"
#include "daemon/bus/bus-lines.h"

#define CHUNK (64 * 1024)
#define HELD_MAX (64 * 1024 * 1024) /* bytes that wait here; one message more may come whole */
#define FDS_MAX 253                 /* SCM_MAX_FD of Linux: what one message on a socket carries */
#define INSIDE_BUFFER 4096          /* about ten calls of the common size are in GDBus's hands */
#define GLUED_MAX 2048              /* small messages that go in with one call */
#define TURN_CALLS 32               /* calls let in for one turn of the loop, besides one of each who has none open */
#define OPEN_CALLS 64               /* so many may be open, likewise: what somebody who comes now may find before him */
#define OPEN_US 10000               /* one that takes longer waits for a disk, a peer or a person, and not for us */
#define STACK_BYTES (512 * 1024)
#define LAST_WORDS_MS 2000

typedef struct {
  GSource base;
  BusGate *gate;
} TurnSource;

struct _BusGate {
  pthread_t thread;
  int wake;                /* eventfd: a turn of the loop is over, or stop */
  gint credit;             /* atomic: calls that may still come in before the next turn */
  gint stop, flushed;      /* atomic: only pass on what is said; nothing more will be */
  GSource *turn;           /* of the loop */

  /* The thread's. */
  int bus, inside;         /* -1 = ended */
  gboolean talking;        /* GDBus has said BEGIN: messages from now on, both ways */
  GByteArray *line;        /* what GDBus says before, up to the end of the line */
  GByteArray *in;          /* from the bus, not yet a whole message */
  gsize in_wanted;         /* so much of it is needed */
  GArray *in_fds;          /* int: came, and belong to messages not yet whole */
  BusLines *lines;
  GByteArray *entering;    /* on its way in */
  gsize entering_at;
  GArray *entering_fds;    /* int: go with the first byte of it */
  BusMessage *next;        /* taken out of its line already; NULL = none */
  GByteArray *out;         /* from GDBus */
  gsize out_at;
  GArray *out_fds;         /* int: go with the next byte of it */
  gsize rest;              /* so much is to come of the message that GDBus is writing */
  guint8 head[BUS_FRAME_HEAD]; /* the beginning of one that did not all come at once */
  gsize head_length;
};

static void
close_fds (GArray *fds)
{
  for (guint i = 0; i < fds->len; i++)
    close (g_array_index (fds, int, i));
  g_array_set_size (fds, 0);
}

/* Empty again; a large message is gone, and so is its room. */
static void
shrink (GByteArray **array)
{
  if ((*array)->len <= 4 * CHUNK)
    {
      g_byte_array_set_size (*array, 0);
      return;
    }
  g_byte_array_unref (*array);
  *array = g_byte_array_new ();
}

/* --- sockets --------------------------------------------------------------------------------------------------- */

/* As recv(), with descriptors. */
static gssize
receive (int fd, void *bytes, gsize size, GArray *fds)
{
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (FDS_MAX * sizeof (int))];
  } control;
  struct iovec part = { bytes, size };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
  gssize got;

  do
    got = recvmsg (fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got < 0)
    return -1;
  for (struct cmsghdr *header = CMSG_FIRSTHDR (&message); header != NULL; header = CMSG_NXTHDR (&message, header))
    if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
      g_array_append_vals (fds, CMSG_DATA (header), (guint) ((header->cmsg_len - CMSG_LEN (0)) / sizeof (int)));
  return got;
}

/* As send(); the descriptors go along with the first byte. */
static gssize
transmit (int fd, const void *bytes, gsize size, const int *fds, guint n_fds)
{
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (FDS_MAX * sizeof (int))];
  } control;
  struct iovec part = { (void *) bytes, size };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
  gssize sent;

  if (n_fds > 0 && n_fds <= FDS_MAX)
    {
      struct cmsghdr *header;

      memset (&control, 0, sizeof control);
      message.msg_control = &control;
      message.msg_controllen = CMSG_SPACE (n_fds * sizeof (int));
      header = CMSG_FIRSTHDR (&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN (n_fds * sizeof (int));
      memcpy (CMSG_DATA (header), fds, n_fds * sizeof (int));
    }
  do
    sent = sendmsg (fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent;
}

static gboolean
is_patient (int code)
{
  return code == EAGAIN || code == EWOULDBLOCK;
}

static void
end (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

/* --- from the bus ---------------------------------------------------------------------------------------------- */

/* A whole message is in front: into its line. FALSE when its descriptors did not come. */
static gboolean
take_message (BusGate *gate, const guint8 *bytes, gsize length)
{
  BusMessage *message;
  BusFrame frame;

  /* What can not be read here can not be read there: GDBus ends the connection, in its turn. */
  if (!bus_frame_read (bytes, length, &frame))
    frame = (BusFrame){ .type = BUS_FRAME_SIGNAL };
  if (frame.n_fds > gate->in_fds->len)
    return FALSE;
  message = bus_message_new (bytes, length);
  if (frame.n_fds > 0)
    {
      message->n_fds = frame.n_fds;
      message->fds = g_memdup2 (gate->in_fds->data, frame.n_fds * sizeof (int));
      g_array_remove_range (gate->in_fds, 0, frame.n_fds);
    }
  bus_lines_push (gate->lines, message, &frame);
  return TRUE;
}

static gboolean
take_messages (BusGate *gate)
{
  gsize at = 0, length;

  gate->in_wanted = BUS_FRAME_HEAD;
  while (gate->in->len - at >= BUS_FRAME_HEAD)
    {
      if (!bus_frame_measure (gate->in->data + at, &length))
        return FALSE;
      if (gate->in->len - at < length)
        {
          gate->in_wanted = length;
          break;
        }
      if (!take_message (gate, gate->in->data + at, length))
        return FALSE;
      at += length;
    }
  if (at == gate->in->len)
    shrink (&gate->in);
  else
    g_byte_array_remove_range (gate->in, 0, (guint) at);
  return gate->in_fds->len <= FDS_MAX;
}

/* Before BEGIN nothing is cut into messages; GDBus waits for each answer, so what comes fits and is in order. */
static void
take_words (BusGate *gate)
{
  BusFrame answer = { .type = BUS_FRAME_REPLY };

  if (gate->in->len > 0)
    bus_lines_push (gate->lines, bus_message_new (gate->in->data, gate->in->len), &answer);
  g_byte_array_set_size (gate->in, 0);
}

static void
read_bus (BusGate *gate)
{
  guint before = gate->in->len;
  gsize room = MAX (CHUNK, MIN (gate->in_wanted, CHUNK * 16));
  gssize got;

  g_byte_array_set_size (gate->in, before + (guint) room);
  got = receive (gate->bus, gate->in->data + before, room, gate->in_fds);
  g_byte_array_set_size (gate->in, before + (guint) MAX (got, 0));
  if (got < 0 && is_patient (errno))
    return;
  if (got > 0 && !gate->talking)
    take_words (gate);
  else if (got <= 0)
    end (&gate->bus);
  else if (gate->in->len >= gate->in_wanted && !take_messages (gate))
    {
      log_warn ("bus", "%s", "what the bus says is no D-Bus: the connection is given up");
      end (&gate->bus);
    }
}

/* --- in -------------------------------------------------------------------------------------------------------- */

/* The next that may go in: answers always, calls as we get on. */
static BusMessage *
take_next (BusGate *gate)
{
  gint64 now = g_get_monotonic_time ();
  /* The bus does not take our answers: more of them would be before those of who comes now, and those that are under way are not heard of. */
  gboolean stands = gate->out_at < gate->out->len;
  BusMessage *message = g_steal_pointer (&gate->next);
  gboolean more;

  if (message != NULL)
    return message;
  if (!stands)
    bus_lines_expire (gate->lines, now - OPEN_US);
  more = !stands && bus_lines_count_open (gate->lines) < OPEN_CALLS && g_atomic_int_get (&gate->credit) > 0;
  message = bus_lines_pop (gate->lines, more, now);
  if (message != NULL && message->bytes[1] == BUS_FRAME_CALL && g_atomic_int_add (&gate->credit, -1) == TURN_CALLS / 2)
    g_source_set_ready_time (gate->turn, 0);
  return message;
}

/* Is something on its way in? If not, takes what may come: several small ones, or one with its descriptors at its first byte. */
static gboolean
is_entering (BusGate *gate)
{
  BusMessage *message;

  if (gate->entering_at < gate->entering->len)
    return TRUE;
  shrink (&gate->entering);
  gate->entering_at = 0;
  while (gate->inside >= 0 && gate->entering_fds->len == 0 && (message = take_next (gate)) != NULL)
    {
      if (gate->entering->len > 0 && (message->n_fds > 0 || gate->entering->len + message->length > GLUED_MAX))
        {
          gate->next = message;
          break;
        }
      g_byte_array_append (gate->entering, message->bytes, (guint) message->length);
      g_array_append_vals (gate->entering_fds, message->fds, message->n_fds);
      message->n_fds = 0;
      bus_message_free (message);
    }
  return gate->entering->len > 0;
}

static void
write_inside (BusGate *gate)
{
  while (gate->inside >= 0 && is_entering (gate))
    {
      gssize sent = transmit (gate->inside, gate->entering->data + gate->entering_at, gate->entering->len - gate->entering_at,
                              (const int *) gate->entering_fds->data, gate->entering_fds->len);

      if (sent < 0 && is_patient (errno))
        return;
      close_fds (gate->entering_fds);
      if (sent < 0)
        end (&gate->inside);
      else
        gate->entering_at += (gsize) sent;
    }
}

/* --- and out --------------------------------------------------------------------------------------------------- */

/* D-Bus specification, "Authentication Protocol": the client's BEGIN is its last line, messages follow at once. Returns how much was before. */
static gsize
hear_begin (BusGate *gate, const guint8 *bytes, gsize length)
{
  gsize i;

  for (i = 0; i < length && !gate->talking; i++)
    {
      if (gate->line->len < CHUNK)
        g_byte_array_append (gate->line, bytes + i, 1);
      if (bytes[i] != '\n')
        continue;
      gate->talking = gate->line->len == 7 && memcmp (gate->line->data, "BEGIN\r\n", 7) == 0;
      g_byte_array_set_size (gate->line, 0);
    }
  return i;
}

/* Notes one answer. What GDBus writes is believed to be D-Bus; if it is not, nothing but the count is wrong, and that for OPEN_US. */
static void
hear_answer (BusGate *gate, const guint8 *bytes, gsize length)
{
  BusFrame frame;

  if ((bytes[1] == BUS_FRAME_REPLY || bytes[1] == BUS_FRAME_ERROR) && bus_frame_get_header (bytes) <= length
      && bus_frame_read_header (bytes, &frame))
    bus_lines_answered (gate->lines, frame.destination, frame.reply_serial);
}

/* Finds the answers in what GDBus writes. One whose header is cut in two is not looked at: it is open a while longer. */
static void
hear_answers (BusGate *gate, const guint8 *bytes, gsize length)
{
  while (length > 0)
    {
      gsize n = MIN (length, gate->rest);

      if (gate->rest == 0)
        {
          n = MIN (length, BUS_FRAME_HEAD - gate->head_length);
          memcpy (gate->head + gate->head_length, bytes, n);
          if (n == BUS_FRAME_HEAD && bus_frame_measure (bytes, &gate->rest))
            hear_answer (gate, bytes, length);
          gate->head_length += n;
          if (gate->head_length == BUS_FRAME_HEAD)
            {
              gate->rest = bus_frame_measure (gate->head, &gate->rest) ? gate->rest - BUS_FRAME_HEAD : 0;
              gate->head_length = 0;
            }
          else
            gate->rest = 0;
        }
      else
        gate->rest -= n;
      bytes += n;
      length -= n;
    }
}

static void
write_bus (BusGate *gate)
{
  gssize sent;

  while (gate->bus >= 0 && gate->out_at < gate->out->len)
    {
      sent = transmit (gate->bus, gate->out->data + gate->out_at, gate->out->len - gate->out_at, (const int *) gate->out_fds->data,
                       gate->out_fds->len);
      if (sent < 0 && is_patient (errno))
        return;
      close_fds (gate->out_fds);
      /* What it said before it went is still heard: read_bus() comes to the end. */
      if (sent < 0)
        break;
      gate->out_at += (gsize) sent;
    }
  g_byte_array_set_size (gate->out, 0);
  close_fds (gate->out_fds);
  gate->out_at = 0;
}

/* FALSE when nothing is there. */
static gboolean
read_inside (BusGate *gate)
{
  gsize words;
  gssize got;

  g_byte_array_set_size (gate->out, CHUNK);
  got = receive (gate->inside, gate->out->data, CHUNK, gate->out_fds);
  g_byte_array_set_size (gate->out, (guint) MAX (got, 0));
  if (got < 0 && is_patient (errno))
    return FALSE;
  if (got <= 0)
    {
      end (&gate->inside);
      return FALSE;
    }
  words = hear_begin (gate, gate->out->data, (gsize) got);
  hear_answers (gate, gate->out->data + words, (gsize) got - words);
  write_bus (gate);
  return TRUE;
}

/* --- the thread ------------------------------------------------------------------------------------------------ */

static void
wait_for_news (BusGate *gate, struct pollfd *news)
{
  gboolean room = bus_lines_get_bytes (gate->lines) < HELD_MAX;
  gboolean out_waits = gate->out_at < gate->out->len, entering = is_entering (gate), wait;

  news[0] = (struct pollfd){ .fd = gate->wake, .events = POLLIN };
  news[1] = (struct pollfd){ .fd = room || out_waits ? gate->bus : -1,
                             .events = (short) ((room ? POLLIN : 0) | (out_waits ? POLLOUT : 0)) };
  news[2] = (struct pollfd){ .fd = gate->inside,
                             .events = (short) ((out_waits ? 0 : POLLIN) | (entering ? POLLOUT : 0)) };
  /* What waits for room at the bus can not be read; a hang-up alone would spin. */
  if (out_waits && !entering)
    news[2].fd = -1;
  /* What waits until something else is answered waits for OPEN_US at most; until the bus takes answers, for that and no time. */
  wait = !entering && !out_waits && bus_lines_get_bytes (gate->lines) > 0 && bus_lines_count_open (gate->lines) > 0;
  while (poll (news, 3, wait ? OPEN_US / 1000 : -1) < 0 && errno == EINTR)
    ;
}

static void
drain_wake (BusGate *gate)
{
  guint64 count;

  while (read (gate->wake, &count, sizeof count) < 0 && errno == EINTR)
    ;
}

/* The bus is gone, and all it said is told. */
static gboolean
is_over (const BusGate *gate)
{
  return gate->inside < 0 || (gate->bus < 0 && gate->entering->len == gate->entering_at && gate->next == NULL && bus_lines_get_bytes (gate->lines) == 0);
}

/* Of a daemon that ends: what GDBus has written, and still writes until bus_gate_free() says that this was all. */
static void
say_last_words (BusGate *gate)
{
  gint64 until = g_get_monotonic_time () + LAST_WORDS_MS * 1000;

  for (;;)
    {
      gint64 left = until - g_get_monotonic_time ();
      gboolean all = g_atomic_int_get (&gate->flushed); /* looked at before what it speaks of */
      struct pollfd bus = { .fd = gate->bus, .events = POLLOUT };
      struct pollfd news[] = { { .fd = gate->wake, .events = POLLIN }, { .fd = gate->inside, .events = POLLIN } };

      if (left <= 0 || gate->bus < 0)
        return;
      if (gate->out_at < gate->out->len)
        {
          poll (&bus, 1, (int) (left / 1000) + 1);
          write_bus (gate);
          continue;
        }
      if (gate->inside >= 0 && read_inside (gate))
        continue;
      if (gate->inside < 0 || all)
        return;
      if (poll (news, 2, (int) (left / 1000) + 1) > 0 && news[0].revents != 0)
        drain_wake (gate);
    }
}

static void *
gate_main (void *user)
{
  BusGate *gate = user;
  struct pollfd news[3];

  while (!is_over (gate) && !g_atomic_int_get (&gate->stop))
    {
      wait_for_news (gate, news);
      if (news[0].revents != 0)
        drain_wake (gate);
      if (news[1].revents != 0 && (news[1].events & POLLIN) == 0 && (news[1].revents & (POLLHUP | POLLERR)) != 0)
        end (&gate->bus);
      if ((news[1].revents & POLLOUT) != 0)
        write_bus (gate);
      if ((news[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && gate->bus >= 0)
        read_bus (gate);
      if ((news[2].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && gate->inside >= 0 && gate->out_at == gate->out->len)
        read_inside (gate);
      write_inside (gate);
    }
  say_last_words (gate);
  /* GDBus sees the end, and says so to the loop. */
  end (&gate->inside);
  end (&gate->bus);
  return NULL;
}

/* --- the loop's side ------------------------------------------------------------------------------------------- */

static void
wake (BusGate *gate)
{
  guint64 one = 1;

  while (write (gate->wake, &one, sizeof one) < 0 && errno == EINTR)
    ;
}

/* Calls that were let in before are dispatched in this turn, too, or have been. */
static gboolean
on_turn (GSource *source, GSourceFunc func, gpointer user)
{
  BusGate *gate = ((TurnSource *) source)->gate;

  g_source_set_ready_time (source, -1);
  g_atomic_int_set (&gate->credit, TURN_CALLS);
  wake (gate);
  return G_SOURCE_CONTINUE;
}

static void
gate_clear (BusGate *gate)
{
  end (&gate->bus);
  end (&gate->inside);
  end (&gate->wake);
  g_source_destroy (gate->turn);
  g_source_unref (gate->turn);
  bus_message_free (gate->next);
  bus_lines_free (gate->lines);
  close_fds (gate->in_fds);
  close_fds (gate->out_fds);
  close_fds (gate->entering_fds);
  g_array_unref (gate->entering_fds);
  g_byte_array_unref (gate->entering);
  g_array_unref (gate->in_fds);
  g_array_unref (gate->out_fds);
  g_byte_array_unref (gate->in);
  g_byte_array_unref (gate->out);
  g_byte_array_unref (gate->line);
  g_free (gate);
}

static BusGate *
gate_create (int bus, int inside, int wake)
{
  static GSourceFuncs funcs = { .dispatch = on_turn };
  BusGate *gate = g_new0 (BusGate, 1);

  gate->bus = bus;
  gate->inside = inside;
  gate->wake = wake;
  gate->credit = TURN_CALLS;
  gate->in_wanted = BUS_FRAME_HEAD;
  gate->line = g_byte_array_new ();
  gate->in = g_byte_array_sized_new (CHUNK);
  gate->out = g_byte_array_sized_new (CHUNK);
  gate->entering = g_byte_array_new ();
  gate->entering_fds = g_array_new (FALSE, FALSE, sizeof (int));
  gate->in_fds = g_array_new (FALSE, FALSE, sizeof (int));
  gate->out_fds = g_array_new (FALSE, FALSE, sizeof (int));
  gate->lines = bus_lines_new ();
  gate->turn = g_source_new (&funcs, sizeof (TurnSource));
  ((TurnSource *) gate->turn)->gate = gate;
  g_source_set_name (gate->turn, "bus-gate");
  g_source_attach (gate->turn, g_main_context_get_thread_default ());
  return gate;
}

static GIOStream *
stream_of (int fd_take, GError **error)
{
  g_autoptr (GSocket) socket = g_socket_new_from_fd (fd_take, error);

  if (socket == NULL)
    {
      close (fd_take);
      return NULL;
    }
  return G_IO_STREAM (g_socket_connection_factory_create_connection (socket));
}

BusGate *
bus_gate_new (GIOStream *bus, GIOStream **inside, GError **error)
{
  int size = INSIDE_BUFFER, code = 0, pair[2], outside, wake;
  BusGate *gate;

  if (!G_IS_SOCKET_CONNECTION (bus))
    return NULL;
  outside = fcntl (g_socket_get_fd (g_socket_connection_get_socket (G_SOCKET_CONNECTION (bus))), F_DUPFD_CLOEXEC, 3);
  wake = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (outside < 0 || wake < 0 || socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "no gate to the bus: %s", g_strerror (errno));
      end (&outside);
      end (&wake);
      return NULL;
    }
  setsockopt (pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  gate = gate_create (outside, pair[0], wake);
  *inside = stream_of (pair[1], error);
  if (*inside != NULL && (code = thread_start (&gate->thread, STACK_BYTES, gate_main, gate)) == 0)
    return gate;
  if (*inside != NULL)
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "no gate to the bus: %s", g_strerror (code));
  g_clear_object (inside);
  gate_clear (gate);
  return NULL;
}

void
bus_gate_free (BusGate *gate, GDBusConnection *connection)
{
  if (gate == NULL)
    return;
  /* From now on it ends in time, whatever the bus does; and when it ends, so does this flush. */
  g_atomic_int_set (&gate->stop, TRUE);
  wake (gate);
  if (connection != NULL)
    g_dbus_connection_flush_sync (connection, NULL, NULL);
  g_atomic_int_set (&gate->flushed, TRUE);
  wake (gate);
  pthread_join (gate->thread, NULL);
  gate_clear (gate);
}
