/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What may come to the socket that asked whether multicast works. Two bytes are the port, two the number of the question; the rest came.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/io/mdns-echo.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree guint8 *packet = NULL;
  guint16 port, number;

  if (size < 4)
    return 0;
  port = (guint16) (data[0] << 8 | data[1]);
  number = (guint16) (data[2] << 8 | data[3]);
  packet = g_memdup2 (data + 4, size - 4);
  if (!mdns_echo_is_answer (packet != NULL ? packet : (const guint8 *) "", size - 4, port, number))
    return 0;
  /* RFC 6762 section 6.7: from port 5353, a whole head, with the number of the question, and marked as an answer. */
  g_assert_cmpuint (port, ==, 5353);
  g_assert_cmpuint (size - 4, >=, 12);
  g_assert_cmpint (memcmp (packet, data + 2, 2), ==, 0);
  g_assert_cmpint (packet[2] & 0x80, !=, 0);
  /* Any other number, any other port, or a question is none. */
  g_assert (!mdns_echo_is_answer (packet, size - 4, port, (guint16) (number + 1)));
  g_assert (!mdns_echo_is_answer (packet, size - 4, (guint16) (port + 1), number));
  g_assert (!mdns_echo_is_answer (packet, 11, port, number));
  packet[2] &= 0x7f;
  g_assert (!mdns_echo_is_answer (packet, size - 4, port, number));
  return 0;
}
