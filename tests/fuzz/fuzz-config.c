/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The configuration file: anything in it is either understood or an error with file, line and reason; and a setting is
 * the same from the file and from the command line.
 */
#include "earshot-config.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/base/error.h"
#include "daemon/io/config.h"
#include "tests/fuzz/fuzz.h"

static void
check_config (const Config *config)
{
  g_assert (config->bus != NULL && *config->bus != '\0' && config->name != NULL && *config->name != '\0');
  g_assert (config->data_dir != NULL && g_path_is_absolute (config->data_dir));
  g_assert (g_utf8_validate (config->name, -1, NULL));
  g_assert (config->discovery <= DISCOVERY_NONE && config->trust_mode <= TRUST_MODE_STRICT);
  for (char **i = config->trust_roots; i != NULL && *i != NULL; i++)
    g_assert (g_path_is_absolute (*i) && strchr (*i, ';') == NULL);
  g_assert (config->identity == NULL || g_str_has_prefix (config->identity, "pkcs11:"));
  g_assert (config->pin_file == NULL || g_path_is_absolute (config->pin_file));
  for (char **i = config->interfaces; i != NULL && *i != NULL; i++)
    g_assert (**i != '\0' && strlen (*i) <= 15 && strpbrk (*i, "/ ") == NULL);
}

static void
check_file (const uint8_t *data, size_t size)
{
  int fd = memfd_create ("config", MFD_CLOEXEC);
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", fd), *prefix = g_strconcat (path, ":", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (Config) config = NULL;

  g_assert (fd >= 0 && write (fd, data, size) == (ssize_t) size);
  config = config_load (path, TRUE, &error);
  close (fd);
  g_assert ((config == NULL) == (error != NULL));
  if (config != NULL)
    check_config (config);
  else
    {
      g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT);
      g_assert (g_str_has_prefix (error->message, prefix));
      g_assert (g_ascii_strtoull (error->message + strlen (prefix), NULL, 10) > 0);
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autoptr (Config) config = config_load ("/nonexistent/earshotd.conf", FALSE, NULL);
  g_auto (GStrv) lines = g_strsplit (text, "\n", 64);

  check_file (data, size);
  for (char **line = lines; *line != NULL; line++)
    {
      char *equals = strchr (*line, '=');
      g_autoptr (GError) error = NULL;

      if (equals == NULL)
        continue;
      *equals = '\0';
      if (!config_set (config, *line, equals + 1, &error))
        g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT);
      check_config (config);
    }
  return 0;
}
