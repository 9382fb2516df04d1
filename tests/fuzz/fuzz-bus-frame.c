/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The outside of a D-Bus message, against what GDBus makes of the same bytes: never more than they are is read, and what both can read they read alike.
 */
#include "earshot-config.h"

#include <gio/gio.h>
#include <string.h>

#include "daemon/bus/bus-frame.h"
#include "tests/fuzz/fuzz.h"

/* What does not fit is as if it were not there. */
static void
check_name (const char *seen, gsize room, const char *told)
{
  if (told == NULL || strlen (told) >= room)
    told = "";
  g_assert_cmpstr (seen, ==, told);
}

static void
check_alike (const BusFrame *frame, GDBusMessage *message)
{
  g_assert_cmpuint (frame->type, ==, (guint) g_dbus_message_get_message_type (message));
  g_assert_cmpuint (frame->serial, ==, g_dbus_message_get_serial (message));
  g_assert_cmpuint (frame->reply_serial, ==, g_dbus_message_get_reply_serial (message));
  g_assert_cmpuint (frame->n_fds, ==, g_dbus_message_get_num_unix_fds (message));
  check_name (frame->sender, sizeof frame->sender, g_dbus_message_get_sender (message));
  check_name (frame->destination, sizeof frame->destination, g_dbus_message_get_destination (message));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree guint8 *copy = NULL;
  g_autoptr (GDBusMessage) message = NULL;
  gsize length, header;
  BusFrame frame, quick;

  if (size < BUS_FRAME_HEAD || !bus_frame_measure (data, &length))
    return 0;
  header = bus_frame_get_header (data);
  g_assert_cmpuint (length, <=, BUS_FRAME_MAX);
  g_assert_cmpuint (length, >=, header);
  if (header > size)
    return 0;
  /* Its header and no byte more. */
  copy = g_memdup2 (data, header);
  if (bus_frame_read_header (copy, &quick))
    {
      g_assert (memchr (quick.sender, '\0', sizeof quick.sender) != NULL);
      g_assert (memchr (quick.destination, '\0', sizeof quick.destination) != NULL);
      g_assert_cmpuint (quick.type, ==, data[1]);
    }
  if (length > size)
    return 0;
  g_free (copy);
  copy = g_memdup2 (data, length);
  message = g_dbus_message_new_from_blob (copy, length, G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, NULL);
  if (!bus_frame_read (copy, length, &frame))
    g_assert_null (message);
  else if (message != NULL)
    check_alike (&frame, message);
  return 0;
}
