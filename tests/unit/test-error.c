/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <gio/gio.h>

#include "daemon/base/error.h"
#include "daemon/base/names.h"

static void
test_names (void)
{
  g_assert_cmpstr (earshot_error_name (EARSHOT_ERROR_STORE_FULL), ==, "StoreFull");
  g_assert_cmpstr (earshot_error_name (EARSHOT_ERROR_FAILED), ==, "Failed");
  g_assert_cmpstr (earshot_error_name (EARSHOT_ERROR_CANCELLED), ==, "Cancelled");
  g_assert_cmpstr (earshot_error_name ((EarshotError) 9999), ==, "Failed");
}

/* Every code crosses the bus under its own name and comes back as itself. */
static void
test_bus_names (void)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (int code = 0; code < EARSHOT_ERROR_N; code++)
    {
      g_autoptr (GError) error = g_error_new_literal (EARSHOT_ERROR, code, "why");
      g_autoptr (GError) back = NULL;
      g_autofree char *name = g_dbus_error_encode_gerror (error);
      g_autofree char *expected = g_strconcat (EARSHOT_ERROR_PREFIX, earshot_error_name ((EarshotError) code), NULL);

      g_assert_cmpstr (name, ==, expected);
      back = g_dbus_error_new_for_dbus_error (name, "why");
      g_assert_error (back, EARSHOT_ERROR, code);
      g_assert_true (g_hash_table_add (seen, g_steal_pointer (&name)));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/error/names", test_names);
  g_test_add_func ("/error/bus-names", test_bus_names);
  return g_test_run ();
}
