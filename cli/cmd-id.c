/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/out.h"
#include "cli/peer.h"
#include "cli/qr-draw.h"
#include "cli/time-text.h"

#define PEM_MAX (64 * 1024)

/* What our certificate says, where the daemon tells it. */
static void
show_certificate (Ctl *ctl, JsonObject *object)
{
  GVariant *certificate = model_get (ctl->model, EARSHOT_ROOT, "Manager", "Certificate");
  g_autofree const char **addresses = NULL;
  const char *none[] = { NULL };
  const char *issuer = "";
  gint64 expires = 0;

  if (certificate == NULL || !g_variant_is_of_type (certificate, G_VARIANT_TYPE_VARDICT))
    return;
  g_variant_lookup (certificate, "issuer", "&s", &issuer);
  g_variant_lookup (certificate, "expires", "x", &expires);
  g_variant_lookup (certificate, "addresses", "^a&s", &addresses);
  if (object != NULL)
    {
      json_set_strv (object, "certificate_addresses", addresses != NULL ? addresses : none);
      json_object_set_string_member (object, "certificate_issuer", issuer);
      json_set_time (object, "certificate_expires", expires);
      return;
    }
  if (*issuer != '\0')
    {
      g_autofree char *names = addresses != NULL ? g_strjoinv (", ", (char **) addresses) : g_strdup ("");
      g_autofree char *until = time_format_local (expires);

      out_field (ctl, "issuer", issuer);
      out_field (ctl, "issued to", names);
      out_field (ctl, "until", until);
    }
}

static int
run_show (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  if (!ctl_load (ctl, &error))
    return ctl_fail (ctl, error);
  const char *fingerprint = model_string (ctl->model, EARSHOT_ROOT, "Manager", "Fingerprint");
  const char *address = model_string (ctl->model, EARSHOT_ROOT, "Manager", "Address");
  const char *link = model_string (ctl->model, EARSHOT_ROOT, "Manager", "TrustLink");
  const char *nick = model_string (ctl->model, EARSHOT_ROOT, "Manager", "Nick");
  g_autofree char *groups = fingerprint_dup_groups (fingerprint);

  if (ctl->json)
    {
      JsonObject *object = json_line_new ("identity");

      json_object_set_string_member (object, "fingerprint", fingerprint);
      json_object_set_string_member (object, "display_id",
                                     model_string (ctl->model, EARSHOT_ROOT, "Manager", "DisplayId"));
      json_object_set_string_member (object, "address", address);
      json_object_set_string_member (object, "nick", nick);
      json_object_set_string_member (object, "link", link);
      show_certificate (ctl, object);
      json_line_print (stdout, object);
      return EXIT_DONE;
    }
  out_field (ctl, "fingerprint", groups);
  out_field (ctl, "address", address);
  out_field (ctl, "nick", nick);
  /* In one piece, to be copied. */
  if (*link != '\0')
    out_line (ctl, "%s", link);
  show_certificate (ctl, NULL);
  return EXIT_DONE;
}

static int
run_qr (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *groups = NULL;
  const char *link;

  if (ctl->json)
    return run_show (ctl, argc, argv);
  if (!ctl_load (ctl, &error))
    return ctl_fail (ctl, error);
  link = model_string (ctl->model, EARSHOT_ROOT, "Manager", "TrustLink");
  if (*link == '\0')
    {
      ctl_hint (ctl, "we are not announced under any address yet; see: xmppctl net");
      error = g_error_new_literal (CLI_ERROR, CLI_ERROR_NOT_FOUND, "there is no link to our key yet");
      return ctl_fail (ctl, error);
    }
  if (!qr_print (link, out_columns (ctl), ctl->color_out, &error))
    {
      ctl_hint (ctl, "the link as text: xmppctl id show");
      return ctl_fail (ctl, error);
    }
  groups = fingerprint_dup_groups (model_string (ctl->model, EARSHOT_ROOT, "Manager", "Fingerprint"));
  ctl_note (ctl, "%s", groups);
  return EXIT_DONE;
}

static const Command command_id_show = {
  .name = "show",
  .args = "",
  .summary = "Our fingerprint, for others to compare, and our key as a link",
  .examples = "xmppctl id show\nxmppctl id show --json | jq -r .fingerprint",
  .run = run_show,
};

static const Command command_id_qr = {
  .name = "qr",
  .args = "",
  .summary = "Our key as a QR code, for others to scan",
  .detail = "Drawn for a terminal that writes light on dark; with colours it does not matter. It holds the link of id show,\n"
            "which the other side gives to: xmppctl trust accept --link.",
  .examples = "xmppctl id qr\nxmppctl id qr --color=always",
  .run = run_qr,
};

static int
run_csr (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotManager) manager = NULL;
  g_autofree char *request = NULL;
  const char *none[] = { NULL };

  if (!ctl_load (ctl, &error) || (manager = ctl_manager (ctl, &error)) == NULL
      || !earshot_manager_call_create_certificate_request_sync (manager, argc > 0 ? (const char *const *) argv : none,
                                                                ctl_no_options (), &request, NULL, &error))
    return ctl_fail (ctl, error);
  if (ctl->json)
    {
      JsonObject *object = json_line_new ("certificate-request");

      json_object_set_string_member (object, "pem", request);
      json_line_print (stdout, object);
    }
  else
    fputs (request, stdout);
  return EXIT_DONE;
}

static const Command command_id_csr = {
  .name = "csr",
  .args = "[ADDRESS...]",
  .summary = "Print a request for a certificate, for the issuer of your site",
  .detail = "The key stays where it is. ADDRESS is what the certificate shall say you are called: user@machine; without one\n"
            "the address you are announced under.",
  .examples = "xmppctl id csr > juliet.csr\nxmppctl id csr juliet@pronto juliet@office > juliet.csr",
  .max_args = 16,
  .run = run_csr,
};

/* The text of a file, - = stdin. NULL sets the error. */
static char *
read_pem (const char *path, GError **error)
{
  gboolean is_stdin = g_str_equal (path, "-");
  FILE *file = is_stdin ? stdin : fopen (path, "re");
  g_autofree char *text = g_malloc0 (PEM_MAX + 2);
  gsize got = 0;

  if (file == NULL)
    {
      g_set_error (error, CLI_ERROR, CLI_ERROR_USAGE, "%s: %s", path, g_strerror (errno));
      return NULL;
    }
  got = fread (text, 1, PEM_MAX + 1, file);
  if (!is_stdin)
    fclose (file);
  if (got == 0 || got > PEM_MAX || strlen (text) != got || !g_utf8_validate (text, -1, NULL))
    {
      g_set_error (error, CLI_ERROR, CLI_ERROR_USAGE, "%s is no certificate in PEM", path);
      return NULL;
    }
  return g_steal_pointer (&text);
}

static int
run_certificate (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotManager) manager = NULL;
  g_autofree char *pem = read_pem (argv[0], &error);

  if (pem == NULL || !ctl_load (ctl, &error) || (manager = ctl_manager (ctl, &error)) == NULL)
    return ctl_fail (ctl, error);
  ctl_hint (ctl, "the file begins with the certificate made from `xmppctl id csr`; its issuer's follow, if there are any "
                 "below the root");
  if (!earshot_manager_call_set_certificate_sync (manager, pem, ctl_no_options (), NULL, &error))
    return ctl_fail (ctl, error);
  ctl_note (ctl, "installed; shown to everybody who connects from now on");
  return EXIT_DONE;
}

static const Command command_id_certificate = {
  .name = "certificate",
  .args = "FILE",
  .summary = "Install the certificate that an issuer made from the request",
  .detail = "PEM: yours first, then whatever leads to the issuer's root. - reads stdin. Who pinned your key notices nothing.",
  .examples = "xmppctl id certificate juliet.crt\ncat juliet.crt site-issuer.crt | xmppctl id certificate -",
  .min_args = 1,
  .max_args = 1,
  .run = run_certificate,
};

static const Command *const subcommands[] = { &command_id_show, &command_id_qr, &command_id_csr, &command_id_certificate,
                                             &command_id_rotate, &command_id_export, &command_id_import, &command_id_ignore, NULL };

const Command command_id = {
  .name = "id",
  .args = "[COMMAND]",
  .summary = "Our own identity",
  .detail =
    "Read the fingerprint to the other person, or let it be compared on screen, when a decision about trust is due.",
  .examples = "xmppctl id\nxmppctl id show --json\nxmppctl id qr",
  .max_args = 0,
  .run = run_show,
  .subcommands = subcommands,
};
