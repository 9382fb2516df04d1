/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/base/message-id.h"

#include <sys/random.h>

char *
message_id_new (gint64 now)
{
  guint64 time = (guint64) MAX (now, 0), ms = time / 1000 & G_GUINT64_CONSTANT (0xffffffffffff);
  /* RFC 9562 section 6.2, method 3: the part of the millisecond goes where random bits might. */
  guint fraction = (guint) (time % 1000 * 4096 / 1000);
  guint64 random;

  /* Blocks only while the machine has no entropy at all. */
  if (getrandom (&random, sizeof random, 0) != sizeof random)
    random = (guint64) g_random_int () << 32 | g_random_int ();
  return g_strdup_printf ("%08x-%04x-7%03x-%04x-%012" G_GINT64_MODIFIER "x", (guint) (ms >> 16), (guint) (ms & 0xffff), fraction,
                          0x8000 | (guint) (random >> 48 & 0x3fff), random & G_GUINT64_CONSTANT (0xffffffffffff));
}
