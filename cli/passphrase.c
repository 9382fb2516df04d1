/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "cli/passphrase.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/line-edit.h"

#define PASSPHRASE_MAX 1024 /* bytes */

/* One line, without its end. */
static char *
read_line (FILE *file, const char *what, GError **error)
{
  char buffer[PASSPHRASE_MAX + 2] = "";
  char *line = NULL;
  gsize length;

  if (fgets (buffer, sizeof buffer, file) == NULL)
    g_set_error (error, CLI_ERROR, CLI_ERROR_USAGE, "there is no passphrase in %s", what);
  else
    {
      length = strcspn (buffer, "\r\n");
      if (buffer[length] == '\0' && length > PASSPHRASE_MAX)
        g_set_error (error, CLI_ERROR, CLI_ERROR_USAGE, "a passphrase has at most %d bytes", PASSPHRASE_MAX);
      else if (!g_utf8_validate (buffer, (gssize) length, NULL) || length == 0)
        g_set_error (error, CLI_ERROR, CLI_ERROR_USAGE, "there is no passphrase in %s", what);
      else
        line = g_strndup (buffer, length);
    }
  explicit_bzero (buffer, sizeof buffer);
  return line;
}

static char *
ask (const char *prompt, GError **error)
{
  char *line;

  /* First, so that not even somebody quick is shown. */
  if (!line_edit_quiet_terminal ())
    {
      g_set_error (error, CLI_ERROR, CLI_ERROR_FAILED, "the terminal can not be kept from showing what is typed");
      return NULL;
    }
  fprintf (stderr, "%s: ", prompt);
  fflush (stderr);
  line = read_line (stdin, "what was typed", error);
  line_edit_restore_terminal ();
  fputc ('\n', stderr);
  return line;
}

char *
passphrase_get (Ctl *ctl, const char *path, gboolean fresh, GError **error)
{
  char *passphrase, *again;
  FILE *file;

  if (path != NULL)
    {
      file = fopen (path, "re");
      if (file == NULL)
        {
          g_set_error (error, CLI_ERROR, CLI_ERROR_USAGE, "%s: %s", path, g_strerror (errno));
          return NULL;
        }
      setvbuf (file, NULL, _IONBF, 0); /* no copy that nobody wipes */
      passphrase = read_line (file, path, error);
      fclose (file);
      return passphrase;
    }
  if (!ctl->can_ask)
    {
      g_set_error (error, CLI_ERROR, CLI_ERROR_USAGE, "there is no terminal to ask for the passphrase: --passphrase-file FILE");
      return NULL;
    }
  setvbuf (stdin, NULL, _IONBF, 0);
  passphrase = ask ("Passphrase", error);
  if (passphrase == NULL || !fresh)
    return passphrase;
  again = ask ("Once more", error);
  if (again != NULL && strcmp (again, passphrase) != 0)
    g_set_error (error, CLI_ERROR, CLI_ERROR_USAGE, "these were two different passphrases");
  if (again == NULL || strcmp (again, passphrase) != 0)
    g_clear_pointer (&passphrase, passphrase_free);
  passphrase_free (again);
  return passphrase;
}

void
passphrase_free (char *passphrase)
{
  if (passphrase == NULL)
    return;
  explicit_bzero (passphrase, strlen (passphrase));
  g_free (passphrase);
}
