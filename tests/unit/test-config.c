/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "daemon/base/error.h"
#include "daemon/io/config.h"

static char *
write_file (const char *text, gssize length)
{
  g_autoptr (GError) error = NULL;
  char *path = NULL;
  int fd = g_file_open_tmp ("earshot-config-XXXXXX", &path, &error);

  g_assert_no_error (error);
  g_close (fd, NULL);
  g_file_set_contents (path, text, length, &error);
  g_assert_no_error (error);
  return path;
}

static void
expect_error (const char *text, gssize length, const char *line, const char *word)
{
  g_autofree char *path = write_file (text, length);
  g_autofree char *place = g_strconcat (path, ":", line, ":", NULL);
  g_autoptr (GError) error = NULL;
  Config *config = config_load (path, TRUE, &error);

  g_assert_null (config);
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT);
  if (!g_str_has_prefix (error->message, place) || strstr (error->message, word) == NULL)
    g_error ("\"%s\" does not begin with \"%s\" or lacks \"%s\"", error->message, place, word);
  g_unlink (path);
}

static void
test_absent (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Config) config = config_load ("/nonexistent/earshotd.conf", FALSE, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (config->bus, ==, "session");
  g_assert_cmpint (config->trust_mode, ==, TRUST_MODE_ASK);
  g_assert_cmpint (config->legacy_policy, ==, LEGACY_REFUSE);
  g_assert_cmpuint (config->port, ==, 0);
  g_assert_cmpuint (config->idle_close_s, ==, 600);
  g_assert_false (config->allow_loopback);
  g_assert_null (config_load ("/nonexistent/earshotd.conf", TRUE, &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT);
}

static void
test_all_keys (void)
{
  static const char text[] = "# comment\n[earshot]\nbus=system\ndata-dir=/var/lib/x\nname=J\xc3\xbcl\nport=5298\n"
                             "discovery=embedded\ninterfaces=wlan0; eth0 ;\ntrust-mode=strict\nlegacy-policy=ask\nverbose=true\n"
                             "allow-loopback=true\nidle-close=0\nhistory-max=1000\nhistory-mib=64\nhistory-days=365\n"
                             "trust-roots=/etc/earshot/site.crt; /srv/b.crt;\ntrust-crls=/etc/earshot/site.crl\n"
                             "identity=pkcs11:token=t;object=me;type=private\npin-file=/home/me/pin\n";
  g_autofree char *path = write_file (text, -1);
  g_autoptr (GError) error = NULL;
  g_autoptr (Config) config = config_load (path, TRUE, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (config->bus, ==, "system");
  g_assert_cmpstr (config->data_dir, ==, "/var/lib/x");
  g_assert_cmpstr (config->name, ==, "J\xc3\xbcl");
  g_assert_cmpuint (config->port, ==, 5298);
  g_assert_cmpint (config->discovery, ==, DISCOVERY_EMBEDDED);
  g_assert_cmpuint (g_strv_length (config->interfaces), ==, 2);
  g_assert_cmpstr (config->interfaces[1], ==, "eth0");
  g_assert_cmpint (config->trust_mode, ==, TRUST_MODE_STRICT);
  g_assert_cmpint (config->legacy_policy, ==, LEGACY_ASK);
  g_assert_true (config->verbose && config->allow_loopback);
  g_assert_cmpuint (config->idle_close_s, ==, 0);
  g_assert_cmpuint (config->history_max, ==, 1000);
  g_assert_cmpuint (config->history_mib, ==, 64);
  g_assert_cmpuint (config->history_days, ==, 365);
  g_assert_cmpuint (g_strv_length (config->trust_roots), ==, 2);
  g_assert_cmpstr (config->trust_roots[1], ==, "/srv/b.crt");
  g_assert_cmpstr (config->trust_crls[0], ==, "/etc/earshot/site.crl");
  g_assert_cmpstr (config->identity, ==, "pkcs11:token=t;object=me;type=private");
  g_assert_cmpstr (config->pin_file, ==, "/home/me/pin");
  g_unlink (path);
}

static void
test_damaged (void)
{
  expect_error ("[earshot]\nname=juliet\n\nport=eleven\n", -1, "4", "port");
  expect_error ("[earshot]\nport=65536\n", -1, "2", "65535");
  expect_error ("[earshot]\nprot=5298\n", -1, "2", "prot");
  expect_error ("\n[earshoot]\nport=1\n", -1, "2", "earshoot");
  expect_error ("[earshot]\nwhat is this\n", -1, "2", "key=value");
  expect_error ("port=1\n", -1, "1", "key=value");
  expect_error ("[earshot]\nname=\n", -1, "2", "empty");
  expect_error ("[earshot]\ndiscovery=magic\n", -1, "2", "embedded");
  expect_error ("[earshot]\ntrust-mode=everybody\n", -1, "2", "strict");
  expect_error ("[earshot]\nlegacy-policy=yes\n", -1, "2", "refuse, ask or allow");
  expect_error ("[earshot]\ntrust-roots=site.crt\n", -1, "2", "absolute");
  expect_error ("[earshot]\ntrust-roots=pkcs11:token=x\n", -1, "2", "absolute");
  expect_error ("[earshot]\ntrust-crls=/a;b\n", -1, "2", "absolute");
  expect_error ("[earshot]\nidentity=/home/me/key.pem\n", -1, "2", "pkcs11");
  expect_error ("[earshot]\nidentity=pkcs11:token=x?pin-value=1234\n", -1, "2", "pin-file");
  expect_error ("[earshot]\npin-file=pin\n", -1, "2", "absolute");
  expect_error ("[earshot]\ninterfaces=../../etc\n", -1, "2", "interface");
  expect_error ("[earshot]\nname=a\\x\n", -1, "2", "invalid value");
  expect_error ("[earshot]\nname=x\0y\n", 18, "1", "no configuration");
}

static void
test_command_line (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Config) config = config_load ("/nonexistent/earshotd.conf", FALSE, &error);

  g_assert_true (config_set (config, "port", "1234", &error));
  g_assert_cmpuint (config->port, ==, 1234);
  g_assert_true (config_set (config, "interfaces", "eth0", &error));
  g_assert_true (config_set (config, "interfaces", "", &error));
  g_assert_null (config->interfaces);
  g_assert_false (config_set (config, "port", "-1", &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "--port=-1"));
  g_assert_cmpuint (config->port, ==, 1234);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/config/absent-file-gives-defaults", test_absent);
  g_test_add_func ("/config/all-keys", test_all_keys);
  g_test_add_func ("/config/damaged-file-names-line-and-reason", test_damaged);
  g_test_add_func ("/config/command-line", test_command_line);
  return g_test_run ();
}
