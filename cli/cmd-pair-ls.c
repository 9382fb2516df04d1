/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * pair ls, pair revoke: the invites in force. SECURITY: an id is no secret and brings nobody in; the link itself is shown once, when it is
 * made, and the daemon does not tell it again.
 */
#include "earshot-config.h"

#include "cli/commands.h"
#include "cli/complete.h"
#include "cli/out.h"
#include "cli/peer.h"
#include "cli/time-text.h"

typedef struct {
  const char *id, *state; /* borrowed from the model */
  gint64 expires;
  GVariant *details;
} Invite;

static void
invite_clear (Invite *invite)
{
  g_clear_pointer (&invite->details, g_variant_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Invite, invite_clear)

/* NULL: an older daemon, which knows none. */
static GVariant *
get_invites (Ctl *ctl)
{
  GVariant *list = model_get (ctl->model, EARSHOT_ROOT, "Manager", "Invites");

  return list != NULL && g_variant_is_of_type (list, G_VARIANT_TYPE ("a(ssxa{sv})")) ? list : NULL;
}

static void
read_invite (GVariant *list, gsize index, Invite *invite)
{
  invite_clear (invite);
  g_variant_get_child (list, index, "(&s&sx@a{sv})", &invite->id, &invite->state, &invite->expires, &invite->details);
}

static gboolean
is_made_here (const Invite *invite)
{
  return dict_number (invite->details, "uses") > 0;
}

static char *
dup_who (Ctl *ctl, const Invite *invite)
{
  g_autofree const char **used = NULL;
  GString *who = g_string_new (NULL);
  const char *contact = NULL;

  g_variant_lookup (invite->details, "used", "^a&s", &used);
  g_variant_lookup (invite->details, "contact", "&o", &contact);
  if (contact != NULL)
    {
      g_autofree char *label = peer_dup_label (ctl, contact);

      g_string_append (who, label);
    }
  for (guint i = 0; used != NULL && used[i] != NULL; i++)
    {
      g_autofree char *key = g_strconcat (EARSHOT_ROOT "/key/", used[i], NULL);
      const char *its = model_string (ctl->model, key, "Key", "Contact");
      g_autofree char *label = model_has (ctl->model, its, "Contact") ? peer_dup_label (ctl, its) : g_strdup_printf ("(%.16s)", used[i]);

      g_string_append_printf (who, "%s%s", i > 0 ? ", " : "", label);
    }
  return g_string_free (who, FALSE);
}

static void
print_json (Ctl *ctl, const Invite *invite)
{
  JsonObject *object = json_line_new ("invite-state");
  g_autofree const char **used = NULL;
  const char *contact = NULL;

  json_object_set_string_member (object, "id", invite->id);
  json_object_set_string_member (object, "state", invite->state);
  json_set_time (object, "expires", invite->expires);
  json_object_set_boolean_member (object, "made", is_made_here (invite));
  if (is_made_here (invite))
    {
      json_object_set_int_member (object, "uses", dict_number (invite->details, "uses"));
      json_object_set_int_member (object, "left", dict_number (invite->details, "left"));
      json_object_set_boolean_member (object, "in_person", dict_bool (invite->details, "in_person"));
    }
  if (g_variant_lookup (invite->details, "used", "^a&s", &used))
    json_set_strv (object, "used", used);
  if (g_variant_lookup (invite->details, "contact", "&o", &contact) && model_has (ctl->model, contact, "Contact"))
    json_object_set_object_member (object, "peer", peer_ref_to_json (ctl, contact, NULL));
  json_line_print (stdout, object);
}

static int
run_ls (Ctl *ctl, int argc, char **argv)
{
  static const char *const headers[] = { "STATE", "ID", "UNTIL", "USES", "WHO", NULL };
  g_autoptr (Table) table = table_new (headers);
  g_autoptr (GError) error = NULL;
  GVariant *list;
  gsize n;

  if (!ctl_load (ctl, &error))
    return ctl_fail (ctl, error);
  list = get_invites (ctl);
  n = list != NULL ? g_variant_n_children (list) : 0;
  for (gsize i = 0; i < n; i++)
    {
      g_auto (Invite) invite = { 0 };
      g_autofree char *until = NULL, *who = NULL, *uses = NULL;

      read_invite (list, i, &invite);
      if (ctl->json)
        {
          print_json (ctl, &invite);
          continue;
        }
      until = time_format_local (invite.expires);
      who = dup_who (ctl, &invite);
      if (is_made_here (&invite))
        uses = g_strdup_printf ("%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " left", dict_number (invite.details, "left"),
                                dict_number (invite.details, "uses"));
      table_add (table, invite.state, invite.id, until, uses != NULL ? uses : "theirs", who, NULL);
    }
  if (n == 0)
    ctl_note (ctl, "no invite is in force; make one: xmppctl pair");
  else if (!ctl->json)
    table_print (table, ctl);
  return EXIT_DONE;
}

static int
run_revoke (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotManager) manager = NULL;

  if (!ctl_load (ctl, &error) || (manager = ctl_manager (ctl, &error)) == NULL
      || !earshot_manager_call_revoke_invite_sync (manager, argv[0], NULL, &error))
    {
      ctl_hint (ctl, "see what there is: xmppctl pair ls");
      return ctl_fail (ctl, error);
    }
  ctl_note (ctl, "nobody can use it any more");
  return EXIT_DONE;
}

static gboolean
complete_invite (Ctl *ctl, const char *what, const char *before, Completion *completion)
{
  GVariant *list = completion_ask (completion) ? get_invites (ctl) : NULL;

  for (gsize i = 0; list != NULL && i < g_variant_n_children (list); i++)
    {
      g_auto (Invite) invite = { 0 };
      g_autofree char *until = NULL, *text = NULL;

      read_invite (list, i, &invite);
      if (!is_made_here (&invite))
        continue;
      until = time_format_local (invite.expires);
      text = g_strdup_printf ("%s, until %s", invite.state, until);
      completion_add (completion, invite.id, text);
    }
  return TRUE;
}

const Command command_pair_ls = {
  .name = "ls",
  .args = "",
  .summary = "The invites in force",
  .detail = "Made here: open, or used-up; accepted here: waiting for who made it, done, or refused there. The link itself is not\n"
            "kept: it is shown once, when it is made.",
  .examples = "xmppctl pair ls\nxmppctl pair ls --json",
  .run = run_ls,
};

const Command command_pair_revoke = {
  .name = "revoke",
  .args = "ID",
  .summary = "Take an invite back: nobody can use it any more",
  .detail = "Who came with it before stays.",
  .examples = "xmppctl pair revoke 7744c0392e2e9a27",
  .min_args = 1,
  .max_args = 1,
  .run = run_revoke,
  .complete = complete_invite,
};
