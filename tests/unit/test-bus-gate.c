/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The gate to the bus: headers as they come and as nobody should write them, lines and turns, and the gate itself between two sockets: a
 * flood of one caller, descriptors, a bus that goes, a daemon that ends.
 */
#include "earshot-config.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <gio/gunixfdmessage.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/bus/bus-gate.h"
#include "daemon/bus/bus-lines.h"

/* --- headers ------------------------------------------------------------------------------------------------------- */

static GDBusMessage *
message_new (BusFrameType type, const char *sender, guint32 serial, const char *body)
{
  GDBusMessage *message = g_dbus_message_new ();

  g_dbus_message_set_message_type (message, (GDBusMessageType) type);
  if (type == BUS_FRAME_REPLY || type == BUS_FRAME_ERROR)
    g_dbus_message_set_reply_serial (message, serial);
  if (type == BUS_FRAME_ERROR)
    g_dbus_message_set_error_name (message, "a.b");
  if (type == BUS_FRAME_CALL || type == BUS_FRAME_SIGNAL)
    {
      g_dbus_message_set_path (message, "/im/earshot/Earshot1");
      g_dbus_message_set_interface (message, "im.earshot.Earshot1.Messages");
      g_dbus_message_set_member (message, "Send");
    }
  g_dbus_message_set_destination (message, ":1.99");
  if (sender != NULL)
    g_dbus_message_set_sender (message, sender);
  if (body != NULL)
    g_dbus_message_set_body (message, g_variant_new ("(s)", body));
  g_dbus_message_set_serial (message, serial);
  return message;
}

static GBytes *
bytes_of (GDBusMessage *message)
{
  g_autoptr (GError) error = NULL;
  gsize length;
  guchar *blob = g_dbus_message_to_blob (message, &length, G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, &error);

  g_assert_no_error (error);
  g_object_unref (message);
  return g_bytes_new_take (blob, length);
}

static GBytes *
bytes_new (BusFrameType type, const char *sender, guint32 serial, const char *body)
{
  return bytes_of (message_new (type, sender, serial, body));
}

static void
test_frame (void)
{
  static const struct {
    BusFrameType type;
    const char *sender;
  } plain[] = { { BUS_FRAME_CALL, ":1.7" }, { BUS_FRAME_REPLY, "org.freedesktop.DBus" }, { BUS_FRAME_ERROR, ":1.70" },
                { BUS_FRAME_SIGNAL, NULL } };

  for (guint i = 0; i < G_N_ELEMENTS (plain) * 2; i++)
    {
      GDBusMessage *message = message_new (plain[i / 2].type, plain[i / 2].sender, 9, "a text");
      g_autoptr (GBytes) bytes = NULL;
      BusFrame frame;
      gsize length, size;
      const guint8 *data;

      g_dbus_message_set_byte_order (message, i % 2 ? G_DBUS_MESSAGE_BYTE_ORDER_BIG_ENDIAN : G_DBUS_MESSAGE_BYTE_ORDER_LITTLE_ENDIAN);
      bytes = bytes_of (message);
      data = g_bytes_get_data (bytes, &size);
      g_assert_true (bus_frame_measure (data, &length));
      g_assert_cmpuint (length, ==, size);
      g_assert_true (bus_frame_read (data, length, &frame));
      g_assert_cmpint (frame.type, ==, plain[i / 2].type);
      g_assert_cmpstr (frame.sender, ==, plain[i / 2].sender != NULL ? plain[i / 2].sender : "");
      g_assert_cmpstr (frame.destination, ==, ":1.99");
      g_assert_cmpuint (frame.serial, ==, 9);
      g_assert_cmpuint (frame.reply_serial, ==, frame.type == BUS_FRAME_REPLY || frame.type == BUS_FRAME_ERROR ? 9 : 0);
      g_assert_cmpuint (frame.n_fds, ==, 0);
      g_assert_true (bus_frame_read_header (data, &frame));
      g_assert_cmpuint (bus_frame_get_header (data), <, length);
    }
}

/* A field that the specification does not have, of a type that nobody expects: read the slow way, and the sender is still the bus's word. */
static void
test_frame_strange_field (void)
{
  GDBusMessage *message = message_new (BUS_FRAME_CALL, ":1.7", 9, "a text");
  g_autoptr (GBytes) bytes = NULL;
  const guint8 *data;
  BusFrame frame;
  gsize length;

  g_dbus_message_set_header (message, (GDBusMessageHeaderField) 66, g_variant_new ("(sas)", ":1.8", NULL));
  bytes = bytes_of (message);
  data = g_bytes_get_data (bytes, NULL);
  g_assert_true (bus_frame_measure (data, &length));
  g_assert_true (bus_frame_read (data, length, &frame));
  g_assert_cmpstr (frame.sender, ==, ":1.7");
}

static void
test_frame_lies_about_length (void)
{
  g_autoptr (GBytes) bytes = bytes_new (BUS_FRAME_CALL, ":1.7", 9, "a text");
  guint8 head[BUS_FRAME_HEAD];
  gsize length;

  for (guint i = 0; i < 2; i++)
    {
      memcpy (head, g_bytes_get_data (bytes, NULL), sizeof head);
      memset (head + (i == 0 ? 4 : 12), 0xff, 4);
      g_assert_false (bus_frame_measure (head, &length));
      memset (head + (i == 0 ? 4 : 12), 0x07, 4); /* 117 MiB: the sum of both may still be too much */
      g_assert_true (bus_frame_measure (head, &length) && length <= BUS_FRAME_MAX);
      memset (head + 4, 0x07, 4);
      memset (head + 12, 0x07, 4);
      g_assert_false (bus_frame_measure (head, &length));
    }
  head[0] = 'x';
  g_assert_false (bus_frame_measure (head, &length));
}

/* Any byte of the header is anything: nothing outside is read (a sanitizer sees it), nothing is written beyond the name. */
static void
test_frame_any_byte (void)
{
  g_autoptr (GBytes) bytes = bytes_new (BUS_FRAME_CALL, ":1.7", 9, "a text");
  gsize size, length;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  for (gsize at = 0; at < size; at++)
    for (guint value = 0; value < 256; value += at < 16 ? 1 : 3)
      {
        g_autofree guint8 *copy = g_memdup2 (data, size);
        BusFrame frame;

        copy[at] = (guint8) value;
        if (!bus_frame_measure (copy, &length) || length > size)
          continue;
        if (bus_frame_read (copy, length, &frame))
          g_assert_cmpuint (strlen (frame.sender), <, sizeof frame.sender);
      }
}

/* --- lines --------------------------------------------------------------------------------------------------------- */

static void
push (BusLines *lines, BusFrameType type, const char *sender, const char *text)
{
  BusFrame frame = { .type = type };

  g_strlcpy (frame.sender, sender, sizeof frame.sender);
  bus_lines_push (lines, bus_message_new (text, strlen (text) + 1), &frame);
}

static void
assert_pops (BusLines *lines, gboolean more, const char *text)
{
  BusMessage *message = bus_lines_pop (lines, more, 1000);

  g_assert_cmpstr (message != NULL ? (const char *) message->bytes : NULL, ==, text);
  bus_message_free (message);
}

static void
test_lines_order (void)
{
  BusLines *lines = bus_lines_new ();

  push (lines, BUS_FRAME_CALL, ":1.1", "a1");
  push (lines, BUS_FRAME_CALL, ":1.1", "a2");
  push (lines, BUS_FRAME_CALL, ":1.1", "a3");
  push (lines, BUS_FRAME_SIGNAL, "org.freedesktop.DBus", "a went");
  push (lines, BUS_FRAME_CALL, ":1.2", "b1");
  push (lines, BUS_FRAME_CALL, ":1.2", "b2");
  push (lines, BUS_FRAME_SIGNAL, "org.freedesktop.DBus", "b went");
  push (lines, BUS_FRAME_REPLY, "org.freedesktop.DBus", "answer");
  push (lines, BUS_FRAME_ERROR, ":1.2", "no");
  g_assert_cmpuint (bus_lines_get_bytes (lines), ==, 5 * 3 + 2 * 7 + 7 + 3);
  assert_pops (lines, FALSE, "answer");
  assert_pops (lines, FALSE, "no");
  assert_pops (lines, TRUE, "a1");
  assert_pops (lines, TRUE, "b1");
  assert_pops (lines, TRUE, "a2");
  assert_pops (lines, TRUE, "b2");
  assert_pops (lines, FALSE, NULL); /* b's end comes behind a's, which comes behind a3 */
  push (lines, BUS_FRAME_CALL, ":1.3", "c1");
  assert_pops (lines, FALSE, "c1"); /* has none open */
  assert_pops (lines, TRUE, "a3");
  assert_pops (lines, TRUE, "a went");
  assert_pops (lines, FALSE, "b went");
  assert_pops (lines, TRUE, NULL);
  g_assert_cmpuint (bus_lines_get_bytes (lines), ==, 0);
  push (lines, BUS_FRAME_CALL, ":1.1", "left");
  push (lines, BUS_FRAME_SIGNAL, ":1.1", "left");
  bus_lines_free (lines);
}

static void
push_call (BusLines *lines, const char *sender, guint32 serial, const char *text)
{
  BusFrame frame = { .type = BUS_FRAME_CALL, .serial = serial };

  g_strlcpy (frame.sender, sender, sizeof frame.sender);
  bus_lines_push (lines, bus_message_new (text, strlen (text) + 1), &frame);
}

/* Answers that nobody waits for, for callers that are not there, and twice: nothing comes of them. */
static void
test_lines_open (void)
{
  BusLines *lines = bus_lines_new ();

  push_call (lines, ":1.1", 1, "a1");
  push_call (lines, ":1.1", 2, "a2");
  push_call (lines, ":1.1", 3, "a3");
  push_call (lines, ":1.2", 1, "b1");
  assert_pops (lines, FALSE, "a1");
  assert_pops (lines, FALSE, "b1");
  assert_pops (lines, FALSE, NULL);
  bus_lines_answered (lines, ":1.2", 1);
  bus_lines_answered (lines, ":1.2", 1);
  bus_lines_answered (lines, ":1.9", 1);
  bus_lines_answered (lines, ":1.1", 2); /* is not in yet */
  g_assert_cmpuint (bus_lines_count_open (lines), ==, 1);
  assert_pops (lines, FALSE, NULL);
  bus_lines_answered (lines, ":1.1", 1);
  g_assert_cmpuint (bus_lines_count_open (lines), ==, 0);
  assert_pops (lines, FALSE, "a2");
  bus_lines_expire (lines, 999);
  assert_pops (lines, FALSE, NULL);
  bus_lines_expire (lines, 1000);
  bus_lines_answered (lines, ":1.1", 2);
  assert_pops (lines, FALSE, "a3");
  g_assert_cmpuint (bus_lines_count_open (lines), ==, 1);
  bus_lines_free (lines);
}

/* --- the gate ------------------------------------------------------------------------------------------------------ */

typedef struct {
  int bus;                 /* the bus's end */
  int inside;              /* GDBus's end */
  GIOStream *stream;
  BusGate *gate;
} Fixture;

static GIOStream *
stream_of (int fd)
{
  g_autoptr (GSocket) socket = g_socket_new_from_fd (fd, NULL);

  g_assert_nonnull (socket);
  return G_IO_STREAM (g_socket_connection_factory_create_connection (socket));
}

/* The loop turns while something is awaited from the gate's thread. */
static void
read_whole (int fd, void *bytes, gsize size)
{
  gsize got = 0;

  while (got < size)
    {
      gssize n = recv (fd, (char *) bytes + got, size - got, MSG_DONTWAIT);

      if (n > 0)
        {
          got += (gsize) n;
          continue;
        }
      g_assert_true (n < 0 && (errno == EAGAIN || errno == EINTR));
      g_main_context_iteration (NULL, FALSE);
      g_usleep (100);
    }
}

/* The loop does not turn. */
static void
read_blocked (int fd, void *bytes, gsize size)
{
  gsize got = 0;

  while (got < size)
    {
      GPollFD news = { fd, G_IO_IN, 0 };
      gssize n;

      g_poll (&news, 1, -1);
      n = recv (fd, (char *) bytes + got, size - got, MSG_DONTWAIT);
      g_assert_true (n > 0 || errno == EAGAIN || errno == EINTR);
      got += (gsize) MAX (n, 0);
    }
}

static GBytes *
read_message (int fd)
{
  guint8 head[BUS_FRAME_HEAD];
  guint8 *whole;
  gsize length;

  read_whole (fd, head, sizeof head);
  g_assert_true (bus_frame_measure (head, &length));
  whole = g_malloc (length);
  memcpy (whole, head, sizeof head);
  read_whole (fd, whole + sizeof head, length - sizeof head);
  return g_bytes_new_take (whole, length);
}

static void
write_whole (int fd, const void *bytes, gsize size)
{
  gsize sent = 0;

  while (sent < size)
    {
      gssize n = send (fd, (const char *) bytes + sent, size - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

      g_assert_true (n > 0 || errno == EAGAIN);
      sent += (gsize) MAX (n, 0);
      if (n < 0)
        g_usleep (100);
    }
}

static void
write_bytes (int fd, GBytes *bytes_take)
{
  gsize size;
  const void *data = g_bytes_get_data (bytes_take, &size);

  write_whole (fd, data, size);
  g_bytes_unref (bytes_take);
}

static void
say (int from, int to, const char *words, gsize length)
{
  char heard[64];

  write_whole (from, words, length);
  read_whole (to, heard, length);
  g_assert_cmpmem (heard, length, words, length);
}

static void
setup (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GIOStream) outside = NULL;
  int pair[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
  f->bus = pair[0];
  outside = stream_of (pair[1]);
  f->gate = bus_gate_new (outside, &f->stream, &error);
  g_assert_no_error (error);
  g_assert_nonnull (f->gate);
  f->inside = g_socket_get_fd (g_socket_connection_get_socket (G_SOCKET_CONNECTION (f->stream)));
  /* The words before the first message, in the pieces in which they come. */
  say (f->inside, f->bus, "\0", 1);
  say (f->inside, f->bus, "AUTH EXTERNAL 30\r\n", 18);
  say (f->bus, f->inside, "OK 1234deadbeef\r\n", 17);
  say (f->inside, f->bus, "NEGOTIATE_UNIX_FD\r\n", 19);
  say (f->bus, f->inside, "AGREE_UNIX_FD\r\n", 15);
  say (f->inside, f->bus, "BEGIN\r\n", 7);
}

static void
teardown (Fixture *f, gconstpointer data)
{
  bus_gate_free (f->gate, NULL);
  g_object_unref (f->stream);
  if (f->bus >= 0)
    close (f->bus);
}

/* Reads a call inside; its caller and serial. */
static guint32
read_call (Fixture *f, char **sender)
{
  g_autoptr (GBytes) bytes = read_message (f->inside);
  gsize size;
  gconstpointer data = g_bytes_get_data (bytes, &size);
  g_autoptr (GDBusMessage) message = g_dbus_message_new_from_blob ((guchar *) data, size, G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, NULL);

  g_assert_nonnull (message);
  *sender = g_strdup (g_dbus_message_get_sender (message));
  return g_dbus_message_get_serial (message);
}

/* 2,000 calls of one, then one of another: that one does not wait for them; each stays in its order, and all are there. */
static void
test_flood (Fixture *f, gconstpointer data)
{
  const gboolean *answered = data;
  guint32 expected = 1, others = 0;

  for (guint32 serial = 1; serial <= 2000; serial++)
    write_bytes (f->bus, bytes_new (BUS_FRAME_CALL, ":1.1", serial, "one of many"));
  write_bytes (f->bus, bytes_new (BUS_FRAME_CALL, ":1.2", 7, "alone"));
  for (guint i = 0; i < 2001; i++)
    {
      g_autofree char *sender = NULL;
      guint32 serial = read_call (f, &sender);

      if (g_str_equal (sender, ":1.2"))
        others = i;
      else
        g_assert_cmpuint (serial, ==, expected++);
      if (*answered)
        {
          g_autoptr (GBytes) heard = NULL;

          write_bytes (f->inside, bytes_new (BUS_FRAME_REPLY, NULL, serial, "done"));
          heard = read_message (f->bus);
        }
    }
  g_assert_cmpuint (expected, ==, 2001);
  /* What was inside before it came, and its turn. The writer of 2,000 may be slower than we are; so this can only be too good. */
  g_assert_cmpuint (others, <, 2000);
}

/* The loop does nothing and nobody answers: no more comes in than was agreed on, but answers to us do. */
static void
test_stuck_loop (Fixture *f, gconstpointer data)
{
  guint let_in = 0;

  for (guint32 serial = 1; serial <= 500; serial++)
    write_bytes (f->bus, bytes_new (BUS_FRAME_CALL, ":1.1", serial, "one of many"));
  write_bytes (f->bus, bytes_new (BUS_FRAME_CALL, ":1.2", 1, "of another"));
  write_bytes (f->bus, bytes_new (BUS_FRAME_REPLY, "org.freedesktop.DBus", 3, "for us"));
  for (;;)
    {
      guint8 head[BUS_FRAME_HEAD], rest[512];
      gsize length;

      read_blocked (f->inside, head, sizeof head);
      g_assert_true (bus_frame_measure (head, &length) && length - sizeof head <= sizeof rest);
      read_blocked (f->inside, rest, length - sizeof head);
      let_in++;
      if (head[1] == BUS_FRAME_REPLY)
        break;
    }
  /* 32, the other one and the answer. */
  g_assert_cmpuint (let_in, <=, 34);
  for (; let_in < 502; let_in++)
    g_bytes_unref (read_message (f->inside));
}

static void
write_with_fd (int to, GBytes *before_take, GDBusMessage *message, int fd)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_autoptr (GSocket) socket = g_socket_new_from_fd (dup (to), NULL);
  g_autoptr (GSocketControlMessage) control = g_unix_fd_message_new ();
  GOutputVector vector = { 0 };
  gsize size;
  const void *data;

  g_assert_cmpint (g_unix_fd_list_append (fds, fd, NULL), ==, 0);
  g_dbus_message_set_unix_fd_list (message, fds); /* and says so in its header */
  bytes = bytes_of (message);
  /* Sent first and at once: the gate may read both with one call. */
  write_bytes (to, before_take);
  g_assert_true (g_unix_fd_message_append_fd (G_UNIX_FD_MESSAGE (control), fd, NULL));
  data = g_bytes_get_data (bytes, &size);
  vector.buffer = data;
  vector.size = size;
  g_assert_cmpint (g_socket_send_message (socket, NULL, &vector, 1, &control, 1, 0, NULL, NULL), ==, (gssize) size);
}

/* Descriptors stay with their message, whatever else is on the way. */
/* Says things until nobody takes them any more, all the way; how many bytes those were. */
static gsize
fill (Fixture *f)
{
  g_autoptr (GBytes) bytes = bytes_new (BUS_FRAME_SIGNAL, NULL, 1, "news");
  gsize size, at = 0, total = 0;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  guint silent = 0;

  while (silent < 5)
    {
      GPollFD room = { f->inside, G_IO_OUT, 0 };
      gssize n = send (f->inside, data + at, size - at, MSG_DONTWAIT | MSG_NOSIGNAL);

      g_assert_true (n > 0 || errno == EAGAIN);
      if (n > 0)
        {
          total += (gsize) n;
          at = (at + (gsize) n) % size;
          silent = 0;
        }
      else
        silent += g_poll (&room, 1, 100) == 0;
    }
  return total;
}

/* The bus does not take what we say: of a burst no more comes in, however the loop turns; a newcomer and what is for us do. */
static void
test_bus_stands (Fixture *f, gconstpointer data)
{
  gsize said = fill (f);
  guint let_in = 0;

  for (guint32 serial = 1; serial <= 500; serial++)
    write_bytes (f->bus, bytes_new (BUS_FRAME_CALL, ":1.1", serial, "one of many"));
  write_bytes (f->bus, bytes_new (BUS_FRAME_CALL, ":1.2", 1, "of another"));
  write_bytes (f->bus, bytes_new (BUS_FRAME_REPLY, "org.freedesktop.DBus", 3, "for us"));
  for (gboolean ours = FALSE; !ours; let_in++)
    {
      g_autoptr (GBytes) bytes = read_message (f->inside);

      ours = ((const guint8 *) g_bytes_get_data (bytes, NULL))[1] == BUS_FRAME_REPLY;
    }
  g_assert_cmpuint (let_in, <=, 3);
  while (said > 0)
    {
      guint8 heard[4096];
      gssize n = recv (f->bus, heard, MIN (said, sizeof heard), 0);

      g_assert_cmpint (n, >, 0);
      said -= (gsize) n;
    }
  for (; let_in < 502; let_in++)
    g_bytes_unref (read_message (f->inside));
}

static void
test_descriptors (Fixture *f, gconstpointer data)
{
  for (guint32 i = 0; i < 20; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);
      int pipe_fds[2];

      g_assert_cmpint (pipe (pipe_fds), ==, 0);
      g_assert_cmpint (write (pipe_fds[1], text, strlen (text) + 1), ==, (gssize) strlen (text) + 1);
      write_with_fd (f->bus, bytes_new (BUS_FRAME_CALL, ":1.1", 1000 + i, "without"),
                     message_new (BUS_FRAME_CALL, i % 2 ? ":1.2" : ":1.3", i + 1, text), pipe_fds[0]);
      close (pipe_fds[0]);
      close (pipe_fds[1]);
    }
  for (guint i = 0; i < 40; i++)
    {
      guint8 head[BUS_FRAME_HEAD];
      union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE (4 * sizeof (int))];
      } control;
      struct iovec part = { head, sizeof head };
      struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
      g_autofree guint8 *whole = NULL;
      g_autoptr (GDBusMessage) parsed = NULL;
      gsize length;

      while (recvmsg (f->inside, &message, MSG_DONTWAIT) < 0)
        {
          g_main_context_iteration (NULL, FALSE);
          g_usleep (100);
          message.msg_controllen = sizeof control;
        }
      g_assert_true (bus_frame_measure (head, &length));
      whole = g_malloc (length);
      memcpy (whole, head, sizeof head);
      read_whole (f->inside, whole + sizeof head, length - sizeof head);
      parsed = g_dbus_message_new_from_blob (whole, length, G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, NULL);
      g_assert_nonnull (parsed);
      g_assert_cmpint (CMSG_FIRSTHDR (&message) != NULL, ==, g_dbus_message_get_num_unix_fds (parsed) == 1);
      if (CMSG_FIRSTHDR (&message) != NULL)
        {
          g_autofree char *text = g_strdup_printf ("%u", g_dbus_message_get_serial (parsed) - 1);
          char found[16] = "";
          int fd;

          memcpy (&fd, CMSG_DATA (CMSG_FIRSTHDR (&message)), sizeof fd);
          g_assert_cmpint (read (fd, found, sizeof found), >, 0);
          g_assert_cmpstr (found, ==, text);
          close (fd);
        }
    }
}

/* A large one comes in pieces, and the small ones behind it. */
static void
test_large (Fixture *f, gconstpointer data)
{
  g_autofree char *text = g_strnfill (3 * 1024 * 1024, 'x');
  GBytes *large = bytes_new (BUS_FRAME_CALL, ":1.1", 1, text);
  gsize size = g_bytes_get_size (large), sent = 0;
  const char *bytes = g_bytes_get_data (large, NULL);

  while (sent < size)
    {
      gssize n = send (f->bus, bytes + sent, MIN (size - sent, 30011), MSG_DONTWAIT);

      if (n < 0)
        g_usleep (100);
      sent += (gsize) MAX (n, 0);
    }
  write_bytes (f->bus, bytes_new (BUS_FRAME_CALL, ":1.1", 2, "small"));
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GBytes) got = read_message (f->inside);

      if (i == 0)
        g_assert_true (g_bytes_equal (got, large));
    }
  g_bytes_unref (large);
}

static void
assert_ends (int fd)
{
  char byte;
  gssize n;

  while ((n = recv (fd, &byte, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
    {
      g_main_context_iteration (NULL, FALSE);
      g_usleep (100);
    }
  g_assert_cmpint (n, <=, 0);
}

/* Who called without waiting and whose bus then ended was heard all the same. */
static void
test_bus_goes (Fixture *f, gconstpointer data)
{
  for (guint32 serial = 1; serial <= 300; serial++)
    write_bytes (f->bus, bytes_new (BUS_FRAME_CALL, ":1.1", serial, "one of many"));
  close (f->bus);
  f->bus = -1;
  for (guint32 serial = 1; serial <= 300; serial++)
    {
      g_autofree char *sender = NULL;

      g_assert_cmpuint (read_call (f, &sender), ==, serial);
    }
  assert_ends (f->inside);
}

static void
test_nonsense (Fixture *f, gconstpointer data)
{
  write_whole (f->bus, "GET / HTTP/1.1\r\nHost: a", 23);
  assert_ends (f->inside);
  assert_ends (f->bus);
}

/* What was answered before the end leaves. */
static void
test_last_words (void)
{
  Fixture f = { 0 };
  guint8 byte;
  gssize total = 0, n;

  setup (&f, NULL);
  for (guint32 serial = 1; serial <= 100; serial++)
    write_bytes (f.inside, bytes_new (BUS_FRAME_REPLY, NULL, serial, "done"));
  bus_gate_free (f.gate, NULL);
  for (guint32 serial = 1; serial <= 100; serial++)
    g_bytes_unref (read_message (f.bus));
  while ((n = recv (f.bus, &byte, 1, 0)) > 0)
    total += n;
  g_assert_cmpint (total, ==, 0);
  g_object_unref (f.stream);
  close (f.bus);
}

/* A bus that takes nothing any more does not keep us. */
static void
test_last_words_unheard (void)
{
  Fixture f = { 0 };
  g_autoptr (GBytes) bytes = bytes_new (BUS_FRAME_REPLY, NULL, 1, "done");
  gint64 start;

  setup (&f, NULL);
  for (guint idle = 0; idle < 100;)
    if (send (f.inside, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), MSG_DONTWAIT) < 0)
      {
        idle++;
        g_usleep (1000);
      }
  start = g_get_monotonic_time ();
  bus_gate_free (f.gate, NULL);
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 1000 * 1000);
  g_object_unref (f.stream);
  close (f.bus);
}

int
main (int argc, char **argv)
{
  static const gboolean yes = TRUE, no = FALSE;

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bus-gate/frame/as-it-comes", test_frame);
  g_test_add_func ("/bus-gate/frame/strange-field", test_frame_strange_field);
  g_test_add_func ("/bus-gate/frame/lies-about-length", test_frame_lies_about_length);
  g_test_add_func ("/bus-gate/frame/any-byte", test_frame_any_byte);
  g_test_add_func ("/bus-gate/lines/turns-and-order", test_lines_order);
  g_test_add_func ("/bus-gate/lines/answers-that-nobody-waits-for", test_lines_open);
  g_test_add ("/bus-gate/flood/answered", Fixture, &yes, setup, test_flood, teardown);
  g_test_add ("/bus-gate/flood/never-answered", Fixture, &no, setup, test_flood, teardown);
  g_test_add ("/bus-gate/flood/bus-stands", Fixture, NULL, setup, test_bus_stands, teardown);
  g_test_add ("/bus-gate/flood/stuck-loop", Fixture, NULL, setup, test_stuck_loop, teardown);
  g_test_add ("/bus-gate/descriptors", Fixture, NULL, setup, test_descriptors, teardown);
  g_test_add ("/bus-gate/large", Fixture, NULL, setup, test_large, teardown);
  g_test_add ("/bus-gate/bus-goes", Fixture, NULL, setup, test_bus_goes, teardown);
  g_test_add ("/bus-gate/nonsense", Fixture, NULL, setup, test_nonsense, teardown);
  g_test_add_func ("/bus-gate/last-words", test_last_words);
  g_test_add_func ("/bus-gate/last-words-unheard", test_last_words_unheard);
  return g_test_run ();
}
