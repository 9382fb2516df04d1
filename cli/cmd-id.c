/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "cli/commands.h"
#include "cli/out.h"
#include "cli/peer.h"

static int
run_show (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  if (!ctl_load (ctl, &error))
    return ctl_fail (ctl, error);
  const char *fingerprint = model_string (ctl->model, EARSHOT_ROOT, "Manager", "Fingerprint");
  const char *address = model_string (ctl->model, EARSHOT_ROOT, "Manager", "Address");
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
      json_line_print (stdout, object);
      return EXIT_DONE;
    }
  out_field (ctl, "fingerprint", groups);
  out_field (ctl, "address", address);
  out_field (ctl, "nick", nick);
  return EXIT_DONE;
}

static const Command command_id_show = {
  .name = "show",
  .args = "",
  .summary = "Our fingerprint, for others to compare",
  .examples = "xmppctl id show\nxmppctl id show --json | jq -r .fingerprint",
  .run = run_show,
};

static const Command *const subcommands[] = { &command_id_show, NULL };

const Command command_id = {
  .name = "id",
  .args = "[show]",
  .summary = "Our own identity",
  .detail =
    "Read the fingerprint to the other person, or let it be compared on screen, when a decision about trust is due.",
  .examples = "xmppctl id\nxmppctl id show --json",
  .max_args = 0,
  .run = run_show,
  .subcommands = subcommands,
};
