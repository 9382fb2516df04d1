/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * id rotate, export, import, ignore: our key changes, is kept elsewhere, or comes from there. SECURITY: each says what will happen and asks, or is
 * told --yes; the file that is written holds who we are, so it is new, ours alone and gone again when it could not be finished.
 */
#include "earshot-config.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/out.h"
#include "cli/passphrase.h"
#include "cli/peer.h"
#include "cli/progress.h"

static gboolean option_yes;
static char *option_passphrase_file;

/* TRUE: go on. Else `*status` is how to end. */
static gboolean
confirm (Ctl *ctl, const char *question, int *status)
{
  if (option_yes)
    return TRUE;
  if (!ctl->can_ask)
    *status = ctl_usage (ctl, "there is no terminal to ask: --yes");
  else if (!ctl_ask (ctl, question))
    *status = EXIT_FAILED;
  else
    return TRUE;
  return FALSE;
}

static int
print_identity (Ctl *ctl, const char *fingerprint, const char *note)
{
  g_autofree char *groups = fingerprint_dup_groups (fingerprint);

  if (ctl->json)
    {
      JsonObject *object = json_line_new ("identity");

      json_object_set_string_member (object, "fingerprint", fingerprint);
      json_line_print (stdout, object);
      return EXIT_DONE;
    }
  out_field (ctl, "fingerprint", groups);
  ctl_note (ctl, "%s", note);
  return EXIT_DONE;
}

/* --- rotate ----------------------------------------------------------------------------------- */

static int
run_rotate (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotManager) manager = NULL;
  g_autofree char *fingerprint = NULL;
  int status = EXIT_DONE;
  gboolean good;

  if (!ctl_load (ctl, &error) || (manager = ctl_manager (ctl, &error)) == NULL)
    return ctl_fail (ctl, error);
  if (!option_yes)
    ctl_note (ctl, "You get a new key and the old one is wiped. Everybody whose key you trust is told, now or when you next meet, and "
                   "keeps you as who you are, verified as you were. Others see a stranger. Links and QR codes of the old key, and a "
                   "certificate for it, are of no use any more; so is a copy made by: xmppctl id export");
  if (!confirm (ctl, "Change your key?", &status))
    return status;
  ctl_hint (ctl, "what came of it: xmppctl id show");
  progress_begin (ctl, "making a new key");
  good = earshot_manager_call_rotate_identity_sync (manager, ctl_no_options (), &fingerprint, NULL, &error);
  progress_end ();
  if (!good)
    return ctl_fail (ctl, error);
  return print_identity (ctl, fingerprint, "your key from now on; who was not told yet: xmppctl status");
}

static const GOptionEntry rotate_options[] = { { "yes", 0, 0, G_OPTION_ARG_NONE, &option_yes, "Do not ask", NULL }, G_OPTION_ENTRY_NULL };

const Command command_id_rotate = {
  .name = "rotate",
  .args = "",
  .summary = "Put a new key in the place of ours; contacts are told",
  .detail = "For when the old key may be known to somebody, or once in a while. The old key signs who its heir is, so contacts keep\n"
            "you without a question. One that misses a change before the next has to verify you again: xmppctl status says\n"
            "whether there are such. A copy of the old key is worth nothing from then on; make a new one.",
  .examples = "xmppctl id rotate\nxmppctl id rotate --yes --json | jq -r .fingerprint",
  .options = rotate_options,
  .run = run_rotate,
};

/* --- export ----------------------------------------------------------------------------------- */

/* A new file that nobody else reads, or stdout; -1 sets the error. */
static int
open_out (const char *path, GError **error)
{
  int fd;

  if (g_str_equal (path, "-"))
    {
      if (!isatty (STDOUT_FILENO))
        return dup (STDOUT_FILENO);
      g_set_error (error, CLI_ERROR, CLI_ERROR_USAGE, "this is nothing for a terminal: name a file");
      return -1;
    }
  fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    g_set_error (error, CLI_ERROR, CLI_ERROR_USAGE, "%s: %s", path, g_strerror (errno));
  return fd;
}

static int
run_export (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotManager) manager = NULL;
  g_autoptr (GUnixFDList) files = NULL;
  char *passphrase;
  gboolean good;
  int fd;

  if (!ctl_load (ctl, &error) || (manager = ctl_manager (ctl, &error)) == NULL)
    return ctl_fail (ctl, error);
  if (option_passphrase_file == NULL && ctl->can_ask)
    ctl_note (ctl, "Whoever has the file and its passphrase is you. At least 12 characters; four random words are good.");
  passphrase = passphrase_get (ctl, option_passphrase_file, TRUE, &error);
  if (passphrase == NULL)
    return ctl_fail (ctl, error);
  fd = open_out (argv[0], &error);
  if (fd < 0)
    {
      passphrase_free (passphrase);
      return ctl_fail (ctl, error);
    }
  files = g_unix_fd_list_new_from_array (&fd, 1);
  progress_begin (ctl, "locking the key with the passphrase");
  good = earshot_manager_call_export_identity_sync (manager, g_variant_new_handle (0), passphrase, ctl_no_options (), files, NULL, NULL,
                                                    &error);
  progress_end ();
  passphrase_free (passphrase);
  if (!good && !g_str_equal (argv[0], "-"))
    unlink (argv[0]); /* ours, made a moment ago */
  if (!good)
    return ctl_fail (ctl, error);
  ctl_note (ctl, "key and certificate are in the file; contacts and messages are not. On the other machine: xmppctl id import");
  return EXIT_DONE;
}

#define PASSPHRASE_ENTRY { "passphrase-file", 0, 0, G_OPTION_ARG_FILENAME, &option_passphrase_file, "Its first line is the passphrase", "FILE" }

static const GOptionEntry export_options[] = { PASSPHRASE_ENTRY, G_OPTION_ENTRY_NULL };

const Command command_id_export = {
  .name = "export",
  .args = "FILE|-",
  .summary = "Write our key and certificate to a file, under a passphrase",
  .detail = "PKCS #12, readable by openssl pkcs12 and certtool too. FILE must not exist yet; - is stdout. The passphrase is asked for\n"
            "twice, or is the first line of the file given.",
  .examples = "xmppctl id export me.p12\nxmppctl id export - --passphrase-file secret | ssh backup 'cat > me.p12'",
  .options = export_options,
  .min_args = 1,
  .max_args = 1,
  .run = run_export,
};

/* --- import ----------------------------------------------------------------------------------- */

static int
open_in (const char *path, GError **error)
{
  gboolean is_stdin = g_str_equal (path, "-");
  int fd = is_stdin ? dup (STDIN_FILENO) : open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

  if (is_stdin && option_passphrase_file == NULL)
    {
      g_set_error (error, CLI_ERROR, CLI_ERROR_USAGE, "the identity is on stdin, so the passphrase can not be: --passphrase-file FILE");
      close (fd);
      return -1;
    }
  if (fd < 0)
    g_set_error (error, CLI_ERROR, CLI_ERROR_USAGE, "%s: %s", path, g_strerror (errno));
  return fd;
}

static int
run_import (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotManager) manager = NULL;
  g_autoptr (GUnixFDList) files = NULL;
  g_autofree char *fingerprint = NULL;
  GVariantBuilder options;
  char *passphrase = NULL;
  int status = EXIT_DONE, fd;
  gboolean good;

  if (!ctl_load (ctl, &error) || (manager = ctl_manager (ctl, &error)) == NULL)
    return ctl_fail (ctl, error);
  fd = open_in (argv[0], &error);
  if (fd < 0)
    return ctl_fail (ctl, error);
  files = g_unix_fd_list_new_from_array (&fd, 1);
  if (!option_yes)
    ctl_note (ctl, "You become who the file says. The key that is here now is kept in a file beside the new one and is not used any more.");
  if (!confirm (ctl, "Take the identity from the file?", &status))
    return status;
  passphrase = passphrase_get (ctl, option_passphrase_file, FALSE, &error);
  if (passphrase == NULL)
    return ctl_fail (ctl, error);
  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&options, "{sv}", "replace", g_variant_new_boolean (TRUE));
  progress_begin (ctl, "opening the file with the passphrase");
  good = earshot_manager_call_import_identity_sync (manager, g_variant_new_handle (0), passphrase, g_variant_builder_end (&options), files,
                                                    &fingerprint, NULL, NULL, &error);
  progress_end ();
  passphrase_free (passphrase);
  if (!good)
    return ctl_fail (ctl, error);
  return print_identity (ctl, fingerprint, "that is you from now on; see to it that this key lives on no other machine");
}

static const GOptionEntry import_options[] = { PASSPHRASE_ENTRY, { "yes", 0, 0, G_OPTION_ARG_NONE, &option_yes, "Do not ask", NULL },
                                               G_OPTION_ENTRY_NULL };

const Command command_id_import = {
  .name = "import",
  .args = "FILE|-",
  .summary = "Become who an exported file says",
  .detail = "For a new machine, or one that was installed anew. The key that was here is kept in the data directory, as\n"
            "identity.key.before-import-TIME. People who know the imported key notice nothing; you have to accept their keys anew.",
  .examples = "xmppctl id import me.p12\nxmppctl id import me.p12 --yes --passphrase-file secret",
  .options = import_options,
  .min_args = 1,
  .max_args = 1,
  .run = run_import,
};

/* --- ignore ----------------------------------------------------------------------------------- */

static int
run_ignore (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) requests = NULL;
  g_autoptr (EarshotRequest) request = NULL;

  if (!ctl_load (ctl, &error))
    return ctl_fail (ctl, error);
  requests = model_list (ctl->model, "Request");
  for (guint i = 0; i < requests->len && request == NULL; i++)
    if (g_str_equal (model_string (ctl->model, requests->pdata[i], "Request", "Kind"), "duplicate-identity"))
      {
        request = ctl_request (ctl, requests->pdata[i], &error);
        if (request == NULL)
          return ctl_fail (ctl, error);
      }
  if (request == NULL)
    error = g_error_new (CLI_ERROR, CLI_ERROR_NOT_FOUND, "nobody else was found with your key");
  if (request == NULL || !earshot_request_call_resolve_sync (request, "ignore", ctl_no_options (), NULL, &error))
    return ctl_fail (ctl, error);
  ctl_note (ctl, "left at that; whoever has your key is you to everybody");
  return EXIT_DONE;
}

const Command command_id_ignore = {
  .name = "ignore",
  .args = "",
  .summary = "Leave it at that: our own key is live on another machine",
  .detail = "Answers the question duplicate-identity (see: xmppctl trust pending) when you know of the copy and have stopped it. The\n"
            "other answer is: xmppctl id rotate.",
  .examples = "xmppctl id ignore",
  .run = run_ignore,
};
