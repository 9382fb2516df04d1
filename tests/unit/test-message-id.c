/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/base/message-id.h"

#include <string.h>

#define NOW G_GINT64_CONSTANT (1796095657246648)

static void
test_form (void)
{
  static const gint64 times[] = { NOW, 0, -1, 1, 999, 1000, G_MAXINT64, G_MININT64 };

  for (gsize i = 0; i < G_N_ELEMENTS (times); i++)
    {
      g_autofree char *id = message_id_new (times[i]);

      g_assert_cmpuint (strlen (id), ==, MESSAGE_ID_LENGTH);
      g_assert_true (g_uuid_string_is_valid (id));
      g_assert_true (id[14] == '7' && strchr ("89ab", id[19]) != NULL);
    }
}

static void
test_time_leads (void)
{
  g_autofree char *id = message_id_new (NOW);
  g_autofree char *before = g_strdup ("");

  /* 1796095657246 ms, and 648/1000 of one in 4096ths. */
  g_assert_true (g_str_has_prefix (id, "01a22fa4-c51e-7a5e-"));
  for (gint64 now = NOW; now < NOW + 20000; now++)
    {
      g_autofree char *next = message_id_new (now);

      g_assert_cmpstr (before, <, next);
      g_free (before);
      before = g_steal_pointer (&next);
    }
}

/* A clock that stands still names no two messages alike. */
static void
test_unique (void)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < 100000; i++)
    g_assert_true (g_hash_table_add (seen, message_id_new (NOW)));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/message-id/form", test_form);
  g_test_add_func ("/message-id/the-time-leads", test_time_leads);
  g_test_add_func ("/message-id/unique-when-the-clock-stands", test_unique);
  return g_test_run ();
}
