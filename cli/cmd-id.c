/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "cli/commands.h"
#include "cli/out.h"
#include "cli/peer.h"
#include "cli/qr-draw.h"

/* White on black whatever the terminal's own colours are. */
#define QR_COLORS "38;5;231;48;5;16"

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
      json_line_print (stdout, object);
      return EXIT_DONE;
    }
  out_field (ctl, "fingerprint", groups);
  out_field (ctl, "address", address);
  out_field (ctl, "nick", nick);
  /* In one piece, to be copied. */
  if (*link != '\0')
    out_line (ctl, "%s", link);
  return EXIT_DONE;
}

static void
print_qr (Ctl *ctl, const char *drawing)
{
  g_auto (GStrv) lines = g_strsplit (drawing, "\n", -1);

  for (guint i = 0; lines[i] != NULL && *lines[i] != '\0'; i++)
    printf ("%s%s%s\n", out_color (ctl->color_out, QR_COLORS), lines[i], out_color (ctl->color_out, ""));
}

static int
run_qr (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *drawing = NULL, *groups = NULL;
  const char *link;
  guint columns = 0, terminal = out_columns (ctl);

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
  drawing = qr_draw (link, g_get_charset (NULL), &columns);
  if (drawing == NULL || (terminal > 0 && terminal < columns))
    {
      ctl_hint (ctl, "the link as text: xmppctl id show");
      error = drawing == NULL
                ? g_error_new_literal (CLI_ERROR, CLI_ERROR_FAILED, "this xmppctl was built without libqrencode")
                : g_error_new (CLI_ERROR, CLI_ERROR_FAILED, "the code is %u columns wide, the terminal %u", columns, terminal);
      return ctl_fail (ctl, error);
    }
  print_qr (ctl, drawing);
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

static const Command *const subcommands[] = { &command_id_show, &command_id_qr, NULL };

const Command command_id = {
  .name = "id",
  .args = "[show|qr]",
  .summary = "Our own identity",
  .detail =
    "Read the fingerprint to the other person, or let it be compared on screen, when a decision about trust is due.",
  .examples = "xmppctl id\nxmppctl id show --json\nxmppctl id qr",
  .max_args = 0,
  .run = run_show,
  .subcommands = subcommands,
};
