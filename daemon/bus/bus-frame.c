/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/bus/bus-frame.h"

#include <string.h>

#include <gio/gio.h>

#define FIELD_REPLY_SERIAL 5
#define FIELD_DESTINATION 6
#define FIELD_SENDER 7
#define FIELD_UNIX_FDS 9

typedef struct {
  const guint8 *bytes;
  gsize at, end;
  gboolean big;
} Reader;

static guint32
number_at (const guint8 *bytes, gboolean big)
{
  guint32 raw;

  memcpy (&raw, bytes, sizeof raw);
  return big ? GUINT32_FROM_BE (raw) : GUINT32_FROM_LE (raw);
}

gboolean
bus_frame_measure (const guint8 *head, gsize *length)
{
  gboolean big = head[0] == 'B';
  guint32 body = number_at (head + 4, big), fields = number_at (head + 12, big);

  if ((head[0] != 'l' && !big) || fields > BUS_FRAME_MAX || body > BUS_FRAME_MAX)
    return FALSE;
  *length = BUS_FRAME_HEAD + (((gsize) fields + 7) & ~(gsize) 7) + body;
  return *length <= BUS_FRAME_MAX;
}

/* A text of a header field with the length before it; FALSE when it does not lie within. */
static gboolean
read_text (Reader *reader, gsize length, const char **text)
{
  if (length >= reader->end - reader->at)
    return FALSE;
  *text = (const char *) reader->bytes + reader->at;
  reader->at += length + 1;
  return (*text)[length] == '\0' && memchr (*text, '\0', length) == NULL;
}

static gboolean
read_number (Reader *reader, guint32 *number)
{
  gsize at = (reader->at + 3) & ~(gsize) 3;

  if (at > reader->end || reader->end - at < 4)
    return FALSE;
  *number = number_at (reader->bytes + at, reader->big);
  reader->at = at + 4;
  return TRUE;
}

/* One longer than any name the specification allows is none. */
static void
keep_name (char *out, gsize room, const char *text, gsize length)
{
  if (length >= room)
    length = 0;
  memcpy (out, text, length);
  out[length] = '\0';
}

/* Fields that somebody here goes by, with the type they must have. */
static gboolean
is_of_type (guint8 code, guint8 type)
{
  switch (code)
    {
    case FIELD_REPLY_SERIAL:
    case FIELD_UNIX_FDS: return type == 'u';
    case FIELD_DESTINATION:
    case FIELD_SENDER: return type == 's';
    default: return TRUE;
    }
}

/* One (y, v) of those fields that the specification has; FALSE for any other type. */
static gboolean
read_field (Reader *reader, BusFrame *out)
{
  guint8 code, type;
  guint32 number;
  const char *text;

  reader->at = (reader->at + 7) & ~(gsize) 7;
  if (reader->at > reader->end || reader->end - reader->at < 5 || reader->bytes[reader->at + 1] != 1
      || reader->bytes[reader->at + 3] != '\0')
    return FALSE;
  code = reader->bytes[reader->at];
  type = reader->bytes[reader->at + 2];
  reader->at += 4;
  if (!is_of_type (code, type))
    return FALSE;
  switch (type)
    {
    case 'u':
      if (!read_number (reader, &number))
        return FALSE;
      if (code == FIELD_UNIX_FDS)
        out->n_fds = number;
      if (code == FIELD_REPLY_SERIAL)
        out->reply_serial = number;
      return TRUE;
    case 's':
    case 'o':
      if (!read_number (reader, &number) || !read_text (reader, number, &text))
        return FALSE;
      if (code == FIELD_SENDER)
        keep_name (out->sender, sizeof out->sender, text, number);
      if (code == FIELD_DESTINATION)
        keep_name (out->destination, sizeof out->destination, text, number);
      return TRUE;
    case 'g':
      number = reader->bytes[reader->at++];
      return read_text (reader, number, &text);
    default: return FALSE;
    }
}

gsize
bus_frame_get_header (const guint8 *head)
{
  return BUS_FRAME_HEAD + (gsize) number_at (head + 12, head[0] == 'B');
}

gboolean
bus_frame_read_header (const guint8 *bytes, BusFrame *out)
{
  Reader reader = { .bytes = bytes, .at = BUS_FRAME_HEAD, .end = bus_frame_get_header (bytes), .big = bytes[0] == 'B' };

  *out = (BusFrame){ .type = bytes[1], .serial = number_at (bytes + 8, reader.big) };
  while (reader.at < reader.end)
    if (!read_field (&reader, out))
      return FALSE;
  return TRUE;
}

/* The slow way, for fields that nobody needs to know: whoever takes the message in the end reads it like this. */
static gboolean
read_all (const guint8 *bytes, gsize length, BusFrame *out)
{
  g_autoptr (GDBusMessage) message =
    g_dbus_message_new_from_blob ((guchar *) bytes, length, G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, NULL);
  const char *sender = message != NULL ? g_dbus_message_get_sender (message) : NULL;
  const char *destination = message != NULL ? g_dbus_message_get_destination (message) : NULL;

  if (message == NULL)
    return FALSE;
  out->reply_serial = g_dbus_message_get_reply_serial (message);
  out->n_fds = g_dbus_message_get_num_unix_fds (message);
  keep_name (out->sender, sizeof out->sender, sender != NULL ? sender : "", sender != NULL ? strlen (sender) : 0);
  keep_name (out->destination, sizeof out->destination, destination != NULL ? destination : "", destination != NULL ? strlen (destination) : 0);
  return TRUE;
}

gboolean
bus_frame_read (const guint8 *bytes, gsize length, BusFrame *out)
{
  if (bus_frame_get_header (bytes) > length)
    return FALSE;
  return bus_frame_read_header (bytes, out) || read_all (bytes, length, out);
}
