/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * block, unblock, name: single properties of a contact.
 */
#include "earshot-config.h"

#include "cli/commands.h"
#include "cli/out.h"
#include "cli/peer.h"

static int
set (Ctl *ctl, const char *text, SelectorUse use, const char *property, GVariant *value_floating, const char *said)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (value_floating);
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;

  if (!ctl_load (ctl, &error) || (path = peer_select (ctl, text, use, &error)) == NULL)
    return ctl_fail (ctl, error);
  g_autofree char *label = peer_dup_label (ctl, path);

  if (!ctl_set_property (ctl, path, "Contact", property, value, &error))
    return ctl_fail (ctl, error);
  if (ctl->json)
    {
      JsonObject *object = json_line_new ("changed");

      json_object_set_string_member (object, "property", property);
      json_set_variant (object, "value", value);
      json_object_set_object_member (object, "peer", peer_ref_to_json (ctl, path, NULL));
      json_line_print (stdout, object);
    }
  else
    {
      ctl_note (ctl, "%s %s", label, said);
    }
  return EXIT_DONE;
}

static int
run_block (Ctl *ctl, int argc, char **argv)
{
  return set (ctl, argv[0], SELECTOR_TRUST, "Blocked", g_variant_new_boolean (TRUE), "is blocked");
}

static int
run_unblock (Ctl *ctl, int argc, char **argv)
{
  return set (ctl, argv[0], SELECTOR_TRUST, "Blocked", g_variant_new_boolean (FALSE), "is no longer blocked");
}

static int
run_name (Ctl *ctl, int argc, char **argv)
{
  g_autofree char *said = g_strdup_printf ("%s%s", *argv[1] != '\0' ? "is now " : "has no petname any more", argv[1]);

  return set (ctl, argv[0], SELECTOR_ANY, "Petname", g_variant_new_string (argv[1]), said);
}

const Command command_block = {
  .name = "block",
  .args = "PEER",
  .summary = "Refuse a peer whatever key it shows",
  .detail = "PEER is a petname or 16 digits of the fingerprint: a claimed name could be anybody's.",
  .examples = "xmppctl block romeo\nxmppctl block b1946ac92492d234",
  .min_args = 1,
  .max_args = 1,
  .by_key = TRUE,
  .run = run_block,
};

const Command command_unblock = {
  .name = "unblock",
  .args = "PEER",
  .summary = "Undo a block",
  .examples = "xmppctl unblock romeo",
  .min_args = 1,
  .max_args = 1,
  .by_key = TRUE,
  .run = run_unblock,
};

const Command command_name = {
  .name = "name",
  .args = "PEER PETNAME",
  .summary = "Give a peer the name you know it by",
  .detail = "A petname is yours alone and nobody can claim it. An empty one removes it.",
  .examples = "xmppctl name romeo@forza romeo\nxmppctl name b1946ac9 'Romeo Montague'\nxmppctl name romeo ''",
  .min_args = 2,
  .max_args = 2,
  .run = run_name,
};
