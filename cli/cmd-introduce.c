/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * trust introduce: tells two people about each other. SECURITY: whom we vouch for is named by petname or key, never by a claimed name.
 */
#include "earshot-config.h"

#include "cli/commands.h"
#include "cli/out.h"
#include "cli/peer.h"
#include "cli/progress.h"

static char *option_note;
static gboolean option_one_way;

static gboolean
tell (Ctl *ctl, const char *to, const char *other, GError **error)
{
  g_autoptr (EarshotContact) contact = ctl_contact (ctl, to, error);
  g_autofree char *to_label = peer_dup_label (ctl, to);
  g_autofree char *other_label = peer_dup_label (ctl, other);
  gboolean good;

  if (contact == NULL)
    return FALSE;
  progress_begin (ctl, "introducing %s to %s", other_label, to_label);
  good = earshot_contact_call_introduce_sync (contact, other, option_note != NULL ? option_note : "", NULL, error);
  progress_end ();
  if (!good)
    return FALSE;
  if (ctl->json)
    {
      JsonObject *object = json_line_new ("introduction");

      json_object_set_object_member (object, "peer", peer_ref_to_json (ctl, to, NULL));
      json_object_set_object_member (object, "introduced", peer_ref_to_json (ctl, other, NULL));
      json_line_print (stdout, object);
    }
  else
    {
      ctl_note (ctl, "%s will be told about %s", to_label, other_label);
    }
  return TRUE;
}

static int
run_introduce (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;

  if (!ctl_load (ctl, &error) || (first = peer_select (ctl, argv[0], SELECTOR_TRUST, &error)) == NULL
      || (second = peer_select (ctl, argv[1], SELECTOR_TRUST, &error)) == NULL)
    return ctl_fail (ctl, error);
  if (!tell (ctl, first, second, &error))
    {
      ctl_hint (ctl, "only who is verified here is introduced, and only to who is: xmppctl verify PEER");
      return ctl_fail (ctl, error);
    }
  if (option_one_way || tell (ctl, second, first, &error))
    return EXIT_DONE;
  ctl_fail (ctl, error);
  return EXIT_PARTIAL;
}

static const GOptionEntry options[] = {
  { "note", 0, 0, G_OPTION_ARG_STRING, &option_note, "Say this along with it; one line of at most 256 characters", "TEXT" },
  { "one-way", 0, 0, G_OPTION_ARG_NONE, &option_one_way, "Tell the first about the second, and not the other way round", NULL },
  { NULL, 0, 0, 0, NULL, NULL, NULL },
};

const Command command_trust_introduce = {
  .name = "introduce",
  .args = "PEER OTHER",
  .summary = "Tell two people about each other's keys",
  .detail = "Both must be verified by you, and each must have verified you: then each is asked whether to accept the key of\n"
            "the other, which becomes vouched, with you shown as who introduced it. What is told goes out like a message, as\n"
            "soon as they are there: the fingerprint, the petname you gave the other, and the note. PEER and OTHER are\n"
            "petnames or 16 digits of fingerprints.",
  .examples = "xmppctl trust introduce alice bob\n"
              "xmppctl trust introduce alice carol --one-way --note 'the new cook'",
  .options = options,
  .min_args = 2,
  .max_args = 2,
  .by_key = TRUE,
  .run = run_introduce,
};
