/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * pair: invites, made and accepted. SECURITY: whoever has the link first can use it: it is data on stdout and in no message of ours; and a
 * link of somebody else is shown for what it does before it does it.
 */
#include "earshot-config.h"

#include <string.h>

#include "cli/commands.h"
#include "cli/live.h"
#include "cli/out.h"
#include "cli/peer.h"
#include "cli/progress.h"
#include "cli/qr-draw.h"
#include "cli/time-text.h"
#include "cli/trust-link.h"

static char *option_ttl, *option_name;
static char **option_endpoints;
static int option_uses = 1;
static gboolean option_qr, option_in_person, option_yes, option_wait, option_no_wait;

static const GOptionEntry options[] = {
  { "ttl", 0, 0, G_OPTION_ARG_STRING, &option_ttl, "How long it is good for; 10m unless told", "TIME" },
  { "uses", 0, 0, G_OPTION_ARG_INT, &option_uses, "For how many people; 1 unless told", "N" },
  { "endpoint", 0, 0, G_OPTION_ARG_STRING_ARRAY, &option_endpoints, "Where we are reached, instead of our addresses; repeatable", "HOST:PORT" },
  { "qr", 0, 0, G_OPTION_ARG_NONE, &option_qr, "Draw it, to be scanned face to face", NULL },
  { "in-person", 0, 0, G_OPTION_ARG_NONE, &option_in_person, "It is shown, or was got, face to face", NULL },
  { "name", 0, 0, G_OPTION_ARG_STRING, &option_name, "What to call who made it", "PETNAME" },
  { "yes", 0, 0, G_OPTION_ARG_NONE, &option_yes, "Ask nothing", NULL },
  { "wait", 0, 0, G_OPTION_ARG_NONE, &option_wait, "Wait for who comes, also in a script", NULL },
  { "no-wait", 0, 0, G_OPTION_ARG_NONE, &option_no_wait, "Do not wait for the other side", NULL },
  G_OPTION_ENTRY_NULL
};

typedef struct {
  char *id;
  gint64 expires;
  gboolean made;
  guint told;         /* made: how many that came were told of */
  char *contact;      /* accepted */
  char *word;         /* accepted: LastError as told last */
  gboolean over;
} Pairing;

/* --- the list that the daemon keeps ----------------------------------------------------------------------------------- */

/* FALSE: it is not in it any more. `details` is the caller's to unref. */
static gboolean
find_invite (Ctl *ctl, const char *id, char **state, GVariant **details)
{
  GVariant *list = model_get (ctl->model, EARSHOT_ROOT, "Manager", "Invites");

  if (list == NULL || !g_variant_is_of_type (list, G_VARIANT_TYPE ("a(ssxa{sv})")))
    return FALSE;
  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      const char *its_id, *its_state;
      GVariant *its_details;

      g_variant_get_child (list, i, "(&s&sx@a{sv})", &its_id, &its_state, NULL, &its_details);
      if (g_str_equal (its_id, id))
        {
          *state = g_strdup (its_state);
          *details = its_details;
          return TRUE;
        }
      g_variant_unref (its_details);
    }
  return FALSE;
}

static const char *
contact_of_key (Ctl *ctl, const char *fingerprint)
{
  g_autofree char *path = g_strconcat (EARSHOT_ROOT "/key/", fingerprint, NULL);
  const char *contact = model_string (ctl->model, path, "Key", "Contact");

  return *contact != '\0' && !g_str_equal (contact, "/") ? contact : NULL;
}

static void
end (Ctl *ctl, Pairing *pairing, CliError code, const char *text)
{
  g_autoptr (GError) error = g_error_new_literal (CLI_ERROR, (int) code, text);

  pairing->over = TRUE;
  live_fail (ctl, error);
}

/* --- making ------------------------------------------------------------------------------------------------------------- */

static void
tell_who_came (Ctl *ctl, Pairing *pairing, const char *fingerprint)
{
  const char *contact;
  const char *trust;

  /* What the property says may be ahead of the objects. */
  ctl_load (ctl, NULL);
  contact = contact_of_key (ctl, fingerprint);
  trust = contact != NULL ? peer_get_trust (ctl, contact) : "unknown";
  if (ctl->json)
    {
      JsonObject *object = json_line_new ("paired");

      json_object_set_string_member (object, "id", pairing->id);
      json_object_set_string_member (object, "fingerprint", fingerprint);
      json_object_set_string_member (object, "trust", trust);
      if (contact != NULL)
        json_object_set_object_member (object, "peer", peer_ref_to_json (ctl, contact, NULL));
      json_line_print (stdout, object);
      out_flush ();
    }
  else
    {
      g_autofree char *label = contact != NULL ? peer_dup_label (ctl, contact) : g_strdup ("somebody");
      g_autofree char *groups = fingerprint_dup_groups (fingerprint);

      if (trust_reaches (trust, "pinned"))
        ctl_note (ctl, "%s came with it and is %s: %s", label, trust, groups);
      else
        ctl_note (ctl, "%s came with it, under a name that you know with another key; decide: xmppctl trust pending", label);
    }
}

static void
look_made (Ctl *ctl, Pairing *pairing)
{
  g_autofree char *state = NULL;
  g_autoptr (GVariant) details = NULL;
  g_autofree const char **used = NULL;

  if (!find_invite (ctl, pairing->id, &state, &details))
    {
      end (ctl, pairing, CLI_ERROR_TIMEOUT, "the invite is over");
      return;
    }
  g_variant_lookup (details, "used", "^a&s", &used);
  for (guint i = 0; used != NULL && used[i] != NULL; i++)
    if (i >= pairing->told)
      {
        pairing->told = i + 1;
        tell_who_came (ctl, pairing, used[i]);
      }
  if (!g_str_equal (state, "open"))
    {
      pairing->over = TRUE;
      live_quit (ctl, EXIT_DONE);
    }
}

static GVariant *
make_options (guint32 ttl)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  if (ttl > 0)
    g_variant_builder_add (&builder, "{sv}", "ttl", g_variant_new_uint32 (ttl));
  if (option_uses != 1)
    g_variant_builder_add (&builder, "{sv}", "uses", g_variant_new_uint32 ((guint32) option_uses));
  if (option_endpoints != NULL)
    g_variant_builder_add (&builder, "{sv}", "endpoints", g_variant_new_strv ((const char *const *) option_endpoints, -1));
  if (option_qr || option_in_person)
    g_variant_builder_add (&builder, "{sv}", "in_person", g_variant_new_boolean (TRUE));
  return g_variant_builder_end (&builder);
}

/* The code, or nothing: a link that can not be drawn was not shown face to face. */
static gboolean
draw (Ctl *ctl, EarshotManager *manager, const char *link, const char *id, GError **error)
{
  if (qr_print (link, out_columns (ctl), ctl->color_out, error))
    return TRUE;
  earshot_manager_call_revoke_invite_sync (manager, id, NULL, NULL);
  ctl_hint (ctl, "fewer --endpoint make it smaller; as text, without --qr: xmppctl pair");
  return FALSE;
}

static void
print_made (Ctl *ctl, const char *link, const Pairing *pairing)
{
  g_autofree char *until = time_format_local (pairing->expires);

  if (ctl->json)
    {
      JsonObject *object = json_line_new ("invite");

      json_object_set_string_member (object, "id", pairing->id);
      json_object_set_string_member (object, "link", link);
      json_set_time (object, "expires", pairing->expires);
      json_object_set_int_member (object, "uses", option_uses);
      json_object_set_boolean_member (object, "in_person", option_qr || option_in_person);
      json_line_print (stdout, object);
      out_flush ();
      return;
    }
  if (!option_qr)
    out_line (ctl, "%s", link);
  out_flush ();
  ctl_note (ctl, "on the other side: xmppctl pair 'LINK'%s", option_qr || option_in_person ? " --in-person" : "");
  ctl_note (ctl, "good until %s for %d %s: whoever has it first; take it back with: xmppctl pair revoke %s", until, option_uses,
            option_uses == 1 ? "person" : "people", pairing->id);
}

static int
make (Ctl *ctl, Pairing *pairing)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotManager) manager = NULL;
  g_autofree char *link = NULL;
  gint64 ttl = 0;

  if (option_name != NULL || option_yes)
    return ctl_usage (ctl, "--name and --yes go with the link of somebody else");
  if (option_ttl != NULL && (!time_parse_duration (option_ttl, &ttl) || ttl > G_MAXUINT32 * G_TIME_SPAN_SECOND))
    return ctl_usage (ctl, "--ttl takes a time like 10m, not %s", option_ttl);
  if (option_uses < 1)
    return ctl_usage (ctl, "--uses takes a number");
  if (option_qr && ctl->json)
    return ctl_usage (ctl, "--qr draws, --json does not");
  if ((manager = ctl_manager (ctl, &error)) == NULL
      || !earshot_manager_call_create_invite_sync (manager, make_options ((guint32) ((ttl + G_TIME_SPAN_SECOND - 1) / G_TIME_SPAN_SECOND)),
                                                   &link, &pairing->id, &pairing->expires, NULL, &error)
      || (option_qr && !draw (ctl, manager, link, pairing->id, &error)))
    return ctl_fail (ctl, error);
  print_made (ctl, link, pairing);
  if (option_no_wait || !(ctl->can_ask || option_wait))
    return EXIT_DONE;
  ctl_note (ctl, "waiting; Ctrl-C ends this, not the invite");
  if (!ctl_load (ctl, &error))
    return ctl_fail (ctl, error);
  look_made (ctl, pairing);
  return live_run (ctl);
}

/* --- accepting ----------------------------------------------------------------------------------------------------------- */

static void
print_accepted (Ctl *ctl, const Pairing *pairing, const char *state)
{
  g_autofree char *label = peer_dup_label (ctl, pairing->contact);

  if (ctl->json)
    {
      JsonObject *object = json_line_new ("paired");

      json_object_set_string_member (object, "id", pairing->id != NULL ? pairing->id : "");
      json_object_set_string_member (object, "state", state);
      json_object_set_object_member (object, "peer", peer_ref_to_json (ctl, pairing->contact, NULL));
      json_line_print (stdout, object);
    }
  else if (g_str_equal (state, "done"))
    ctl_note (ctl, "%s is %s here, and has taken your proof", label, peer_get_trust (ctl, pairing->contact));
  else
    ctl_note (ctl, "%s is %s here%s", label, peer_get_trust (ctl, pairing->contact),
              pairing->id != NULL ? "; the proof goes out when they are reached" : "");
}

/* Why it is not there yet, once a reason. */
static void
tell_trouble (Ctl *ctl, Pairing *pairing)
{
  const char *word = model_string (ctl->model, pairing->contact, "Contact", "LastError");

  if (g_strcmp0 (word, pairing->word) == 0)
    return;
  g_free (pairing->word);
  pairing->word = g_strdup (word);
  if (g_str_equal (word, "NameConflict"))
    {
      ctl_hint (ctl, "nothing was sent to it; ask them for a new invite, and whether the address is theirs");
      end (ctl, pairing, CLI_ERROR_NOT_TRUSTED, "another key answers where the invite says");
    }
  else if (*word != '\0')
    ctl_note (ctl, "not reached yet (%s); trying until it expires", word);
}

static void
look_accepted (Ctl *ctl, Pairing *pairing)
{
  g_autofree char *state = NULL;
  g_autoptr (GVariant) details = NULL;

  if (!find_invite (ctl, pairing->id, &state, &details))
    end (ctl, pairing, CLI_ERROR_TIMEOUT, "the invite has expired before they were reached");
  else if (g_str_equal (state, "refused"))
    {
      ctl_hint (ctl, "it was used by somebody else, taken back, or has expired: tell them, and ask for a new one");
      end (ctl, pairing, CLI_ERROR_REFUSED, "they do not take this invite");
    }
  else if (g_str_equal (state, "done"))
    {
      pairing->over = TRUE;
      ctl_load (ctl, NULL);
      print_accepted (ctl, pairing, state);
      live_quit (ctl, EXIT_DONE);
    }
  else
    tell_trouble (ctl, pairing);
}

static GVariant *
accept_options (const char *petname)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  if (option_in_person)
    g_variant_builder_add (&builder, "{sv}", "in_person", g_variant_new_boolean (TRUE));
  if (petname != NULL && *petname != '\0')
    g_variant_builder_add (&builder, "{sv}", "petname", g_variant_new_string (petname));
  return g_variant_builder_end (&builder);
}

static int
accept_link (Ctl *ctl, Pairing *pairing, const char *text)
{
  g_auto (TrustLink) link = { .in_person = option_in_person, .yes = option_yes };
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotManager) manager = NULL;
  g_autofree char *petname = NULL;
  const char *known;
  int code;

  if (option_ttl != NULL || option_uses != 1 || option_endpoints != NULL || option_qr)
    return ctl_usage (ctl, "--ttl, --uses, --endpoint and --qr make an invite; this is one");
  if (!trust_link_read (ctl, text, &link, &error))
    return ctl_fail (ctl, error);
  known = contact_of_key (ctl, link.fingerprint);
  petname = known != NULL ? g_strdup (option_name) : trust_link_dup_petname (ctl, &link, option_name);
  code = trust_link_confirm (ctl, &link, known, petname != NULL && *petname != '\0' ? petname : NULL);
  if (code != EXIT_DONE)
    return code;
  if ((manager = ctl_manager (ctl, &error)) == NULL
      || !earshot_manager_call_accept_invite_sync (manager, text, accept_options (petname), &pairing->contact, NULL, &error)
      || !ctl_load (ctl, &error))
    return ctl_fail (ctl, error);
  pairing->id = g_strdup (link.invite);
  if (link.invite == NULL || option_no_wait)
    {
      print_accepted (ctl, pairing, link.invite == NULL ? "accepted" : "waiting");
      return EXIT_DONE;
    }
  look_accepted (ctl, pairing);
  progress_begin (ctl, "waiting for the other side");
  return live_run (ctl);
}

/* --- the command ---------------------------------------------------------------------------------------------------------- */

static void
on_changed (Ctl *ctl, const char *path, const char *interface, gpointer user)
{
  Pairing *pairing = user;

  if (pairing->id == NULL || pairing->over)
    return;
  if (pairing->made)
    look_made (ctl, pairing);
  else if (pairing->contact != NULL)
    look_accepted (ctl, pairing);
}

static int
run_pair (Ctl *ctl, int argc, char **argv)
{
  static const LiveHandlers handlers = { .changed = on_changed };
  Pairing pairing = { .made = argc == 0 };
  g_autoptr (GError) error = NULL;
  int code;

  if (argc == 1 && !g_str_has_prefix (argv[0], "xmpp:"))
    return ctl_usage (ctl, "a link begins with xmpp:");
  if (option_wait && option_no_wait)
    return ctl_usage (ctl, "--wait or --no-wait, not both");
  if (!live_start (ctl, &handlers, &pairing, &error))
    return ctl_fail (ctl, error);
  code = argc == 0 ? make (ctl, &pairing) : accept_link (ctl, &pairing, argv[0]);
  live_stop (ctl);
  g_free (pairing.id);
  g_free (pairing.contact);
  g_free (pairing.word);
  return code;
}

static const Command *const subcommands[] = { &command_pair_ls, &command_pair_revoke, NULL };

const Command command_pair = {
  .name = "pair",
  .args = "[LINK]",
  .summary = "Make an invite, or accept one: key and address in one link",
  .detail =
    "Without LINK it prints a link to your key with your addresses and a one-time secret; on a terminal it then waits and\n"
    "says who came. With LINK it trusts that key, dials those addresses, where only that key will do, and proves the\n"
    "secret, so that the other side trusts yours, too. No multicast is needed. Both get pinned; verified is for who says\n"
    "--in-person: shown or scanned face to face, for one person and within ten minutes (--qr draws it and implies that).\n"
    "Whoever has the link first can use it. Nothing lifts a block, and a name that you know with another key is asked about.",
  .examples = "xmppctl pair\n"
              "xmppctl pair --qr\n"
              "xmppctl pair 'xmpp:juliet@pronto?trust-message;...' --in-person\n"
              "xmppctl pair --ttl 1h --uses 5 --endpoint pronto.example:5298\n"
              "xmppctl pair ls",
  .options = options,
  .max_args = 1,
  .run = run_pair,
  .subcommands = subcommands,
};
