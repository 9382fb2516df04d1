/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Endpoints of invites: one spelling each, and never a way back to the one who dials.
 */
#include "earshot-config.h"

#include "daemon/base/error.h"
#include "daemon/proto/endpoint.h"

static void
test_spelling (void)
{
  static const struct {
    const char *given, *normal;
  } good[] = {
    { "192.0.2.7:5298", "192.0.2.7:5298" },
    { "10.0.0.1:1", "10.0.0.1:1" },
    { "169.254.3.4:65535", "169.254.3.4:65535" },
    { "[2001:DB8:0:0::7]:5298", "[2001:db8::7]:5298" },
    { "[fe80::1%wlan0]:5298", "[fe80::1]:5298" },
    { "[fd00::1]:5298", "[fd00::1]:5298" },
    { "Pronto.Local:5298", "pronto.local:5298" },
    { "a-1.b:5298", "a-1.b:5298" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *normal = endpoint_normalise (good[i].given, &error);
      g_autofree char *again = NULL;

      g_assert_no_error (error);
      g_assert_cmpstr (normal, ==, good[i].normal);
      again = endpoint_normalise (normal, NULL);
      g_assert_cmpstr (again, ==, normal);
    }
}

static void
test_refused (void)
{
  static const char *const bad[] = {
    /* this host, in every notation a resolver might take */
    "127.0.0.1:5298", "127.1:5298", "0x7f.1:5298", "0x7f000001:5298", "2130706433:5298", "0177.0.0.1:5298", "127.0.0.1.:5298",
    "[::1]:5298", "[::ffff:127.0.0.1]:5298", "[::127.0.0.1]:5298", "[::ffff:192.0.2.7]:5298", "localhost:5298",
    "LOCALHOST:5298", "x.localhost:5298", "localhost.:5298",
    /* nobody, everybody */
    "0.0.0.0:5298", "0.1.2.3:5298", "[::]:5298", "224.0.0.251:5298", "255.255.255.255:5298", "240.0.0.1:5298",
    "[ff02::fb]:5298", "[ff02::fb%eth0]:5298",
    /* ports */
    "192.0.2.7", "192.0.2.7:", "192.0.2.7:0", "192.0.2.7:00080", "192.0.2.7:65536", "192.0.2.7:-1", "192.0.2.7:+1",
    "192.0.2.7: 1", "192.0.2.7:1 ", "192.0.2.7:99999999999999999999", "host:http",
    /* brackets and scopes */
    "2001:db8::7:5298", "[2001:db8::7:5298", "2001:db8::7]:5298", "[2001:db8::7%eth0]:5298", "[fe80::1%]:5298",
    "[fe80::1%abcdefghijklmnopq]:5298", "[192.0.2.7]:5298", "[host]:5298", "[]:5298", "[:5298", "]:5298", "[[::2]]:5298",
    /* names */
    ":5298", ".:5298", "a..b:5298", ".a:5298", "a.:5298", "-a:5298", "a-:5298", "a_b:5298", "a b:5298", "a/b:5298", "a@b:5298",
    "192.0.2:5298", "192.0.2.256:5298", "1:5298", "a.1:5298", "h\xc3\xb6st:5298", "a\n:5298", "a\x1b[31m:5298", "%61:5298",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1", "", ":",
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      if (endpoint_normalise (bad[i], &error) != NULL)
        g_error ("'%s' was taken", bad[i]);
      g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/endpoint/one-spelling", test_spelling);
  g_test_add_func ("/endpoint/T-17-never-this-host", test_refused);
  return g_test_run ();
}
