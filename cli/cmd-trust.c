/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * trust: decisions about keys. SECURITY: what raises trust names the full fingerprint to the daemon, and a person has
 * seen it (the prompt) or a script has brought it (--fingerprint); a claimed name never selects whom.
 */
#include "earshot-config.h"

#include <string.h>

#include "cli/commands.h"
#include "cli/name-warning.h"
#include "cli/out.h"
#include "cli/peer.h"
#include "cli/time-text.h"
#include "cli/trust-link.h"
#include "cli/trust-requests.h"
#include "cli/verify.h"

static char *option_fingerprint, *option_name, *option_reason, *option_link;
static gboolean option_release, option_separate, option_yes, option_in_person, option_verify;

#define FINGERPRINT_ENTRY                                          \
  {                                                                \
    "fingerprint", 0, 0, G_OPTION_ARG_STRING, &option_fingerprint, \
      "The key meant, 16 to 64 digits; asks nothing then", "FP"    \
  }

/* --- ls, pending ------------------------------------------------------------------------------ */

static void
print_key_json (Ctl *ctl, const char *path)
{
  JsonObject *object = json_line_new ("key");
  g_autofree const char **warnings = model_strv (ctl->model, path, "Key", "Warnings");

  json_object_set_string_member (object, "fingerprint", model_string (ctl->model, path, "Key", "Fingerprint"));
  json_object_set_string_member (object, "trust", model_string (ctl->model, path, "Key", "Trust"));
  json_object_set_string_member (object, "source", model_string (ctl->model, path, "Key", "TrustSource"));
  json_set_time (object, "since", model_number (ctl->model, path, "Key", "TrustSince"));
  json_set_time (object, "last_used", model_number (ctl->model, path, "Key", "LastUsed"));
  json_set_strv (object, "warnings", warnings);
  if (model_has (ctl->model, model_string (ctl->model, path, "Key", "IntroducedBy"), "Contact"))
    json_object_set_object_member (object, "introduced_by",
                                   peer_ref_to_json (ctl, model_string (ctl->model, path, "Key", "IntroducedBy"), NULL));
  json_object_set_object_member (object, "peer",
                                 peer_ref_to_json (ctl, model_string (ctl->model, path, "Key", "Contact"), NULL));
  json_line_print (stdout, object);
}

static int
run_ls (Ctl *ctl, int argc, char **argv)
{
  static const char *const headers[] = { "TRUST", "NAME", "KEY", "SOURCE", "SINCE", "USED", "WARNINGS", NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) keys = NULL;
  g_autoptr (Table) table = table_new (headers);

  if (!ctl_load (ctl, &error))
    return ctl_fail (ctl, error);
  keys = model_list (ctl->model, "Key");
  for (guint i = 0; i < keys->len; i++)
    {
      const char *key = g_ptr_array_index (keys, i);
      g_autofree char *label = peer_dup_label (ctl, model_string (ctl->model, key, "Key", "Contact"));
      g_autofree char *digits =
        g_strndup (model_string (ctl->model, key, "Key", "Fingerprint"), SELECTOR_PREFIX_MIN_TRUST);
      g_autofree char *since = time_format_local (model_number (ctl->model, key, "Key", "TrustSince"));
      g_autofree char *used = time_format_age (model_number (ctl->model, key, "Key", "LastUsed"), g_get_real_time ());
      g_autofree const char **warnings = model_strv (ctl->model, key, "Key", "Warnings");
      g_autofree char *list = g_strjoinv (", ", (char **) warnings);
      g_autofree char *source = key_dup_source (ctl, key);

      if (ctl->json)
        print_key_json (ctl, key);
      else
        table_add (table, model_string (ctl->model, key, "Key", "Trust"), label, digits,
                   source, since, used, list, NULL);
    }
  if (keys->len > 0 && !ctl->json)
    table_print (table, ctl);
  if (keys->len == 0)
    ctl_note (ctl, "no key is known yet");
  return EXIT_DONE;
}

/* Codes that are being compared; the code itself stands on `verify` only, where the other one is asked for. */
static void
print_run (Ctl *ctl, const char *path)
{
  const char *contact = model_string (ctl->model, path, "Verification", "Contact");
  const char *state = model_string (ctl->model, path, "Verification", "State");
  gboolean theirs = g_str_equal (model_string (ctl->model, path, "Verification", "Role"), "responder");
  const char *fingerprint = model_string (ctl->model, model_string (ctl->model, path, "Verification", "Key"), "Key", "Fingerprint");

  if (ctl->json)
    {
      JsonObject *object = json_line_new ("verification");

      json_object_set_string_member (object, "state", state);
      json_object_set_string_member (object, "role", theirs ? "responder" : "initiator");
      json_object_set_string_member (object, "fingerprint", fingerprint);
      json_set_time (object, "expires", model_number (ctl->model, path, "Verification", "Expires"));
      json_object_set_object_member (object, "peer", peer_ref_to_json (ctl, contact, NULL));
      json_line_print (stdout, object);
    }
  else
    {
      g_autofree char *label = peer_dup_label (ctl, contact);
      g_autofree char *digits = g_strndup (fingerprint, SELECTOR_PREFIX_MIN_TRUST);

      out_trust (ctl, peer_get_trust (ctl, contact));
      out_rest (ctl, OUT_TRUST_WIDTH, "  %s %s: xmppctl verify %s", label, theirs ? "wants to compare codes" : "is being verified", digits);
    }
}

static int
run_pending (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) requests = NULL, runs = NULL;

  if (!ctl_load (ctl, &error))
    return ctl_fail (ctl, error);
  requests = model_list (ctl->model, "Request");
  runs = model_list (ctl->model, "Verification");
  for (guint i = 0; i < requests->len; i++)
    {
      if (ctl->json)
        request_print_json (ctl, g_ptr_array_index (requests, i));
      else
        request_print (ctl, g_ptr_array_index (requests, i));
    }
  for (guint i = 0; i < runs->len; i++)
    print_run (ctl, runs->pdata[i]);
  if (requests->len + runs->len == 0)
    ctl_note (ctl, "nothing waits for a decision; a key is asked about when one of you first writes to the other");
  return EXIT_DONE;
}

/* --- asking ------------------------------------------------------------------------------------- */

/* Whom: PEER, or the key that --fingerprint names. */
static const char *
named (Ctl *ctl, int argc, char **argv)
{
  if (argc > 0)
    return argv[0];
  if (option_fingerprint == NULL)
    ctl_usage (ctl, "whose key? give PEER or --fingerprint");
  return option_fingerprint;
}

/* There is no key to compare: a person is told what that means, a script says that it knows. */
static int
confirm_legacy (Ctl *ctl, const char *contact)
{
  g_autofree char *label = peer_dup_label (ctl, contact);
  g_autofree char *endpoints = peer_dup_endpoints (ctl, contact);
  g_autofree char *who = peer_dup_selector (ctl, contact);

  if (option_yes)
    return EXIT_DONE;
  if (!ctl->can_ask)
    {
      ctl_hint (ctl, "xmppctl trust legacy %s allow --yes", who);
      return ctl_usage (ctl, "without a terminal, letting a peer speak without encryption needs --yes");
    }
  out_field (ctl, "peer", label);
  out_field (ctl, "address", model_string (ctl->model, contact, "Contact", "ClaimedAddress"));
  out_field (ctl, "endpoints", endpoints);
  out_line (ctl, "%s", "It has no key. Anybody on the link can read and change what goes there, and claim that name.");
  if (ctl_ask (ctl, "Let it speak without encryption?"))
    return EXIT_DONE;
  ctl_note (ctl, "nothing was changed");
  return EXIT_FAILED;
}

/* Has somebody seen the fingerprint? Scripts bring it, people are shown it. */
static int
confirm (Ctl *ctl, const Decision *decision, const char *verb)
{
  g_autofree char *label = peer_dup_label (ctl, decision->contact);
  g_autofree char *groups = fingerprint_dup_groups (decision->fingerprint != NULL ? decision->fingerprint : "");
  g_autofree char *question = g_strdup_printf ("%s this key?", verb);
  g_autofree char *warning = name_warning_dup (ctl, decision->contact);

  if (decision->request != NULL && request_is_legacy (ctl, decision->request))
    return confirm_legacy (ctl, decision->contact);
  if (option_fingerprint != NULL)
    return EXIT_DONE;
  if (!ctl->can_ask)
    {
      ctl_hint (ctl, "compare the fingerprint by another way than this network, then pass it: --fingerprint FP");
      return ctl_usage (ctl, "without a terminal the decision needs --fingerprint");
    }
  if (decision->request != NULL)
    request_print (ctl, decision->request);
  out_field (ctl, "peer", label);
  if (decision->request == NULL)
    out_field (ctl, "NAME WARNING", warning);
  out_field (ctl, "address", model_string (ctl->model, decision->contact, "Contact", "ClaimedAddress"));
  out_field (ctl, "fingerprint", groups);
  if (ctl_ask (ctl, question))
    return EXIT_DONE;
  ctl_note (ctl, "nothing was changed");
  return EXIT_FAILED;
}

static const char *
past_tense (const char *choice)
{
  static const struct {
    const char *choice, *past;
  } words[] = {
    { "accept", "accepted" }, { "allow", "allowed" },  { "separate", "accepted as another person:" },
    { "reject", "rejected" }, { "refuse", "refused" }, { "replace", "took the new key of" },
    { "revoke", "revoked" },  { "forget", "forgot" },  { "verify", "accepted as compared face to face:" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_str_equal (words[i].choice, choice))
      return words[i].past;
  return choice;
}

static void
report (Ctl *ctl, const Decision *decision, const char *choice)
{
  g_autofree char *label = peer_dup_label (ctl, decision->contact);

  if (ctl->json)
    {
      JsonObject *object = json_line_new ("decision");

      json_object_set_string_member (object, "choice", choice);
      json_object_set_string_member (object, "fingerprint", decision->fingerprint != NULL ? decision->fingerprint : "");
      json_object_set_object_member (object, "peer", peer_ref_to_json (ctl, decision->contact, NULL));
      json_line_print (stdout, object);
    }
  else
    {
      ctl_note (ctl, "%s %s", past_tense (choice), label);
      if (g_str_equal (choice, "accept") && option_name == NULL && decision->fingerprint != NULL && *peer_get_petname (ctl, decision->contact) == '\0')
        ctl_note (ctl, "that name is what they claim; give them one of your own: xmppctl name %.16s NAME", decision->fingerprint);
    }
}

/* The a{sv} of Resolve(), floating. */
static GVariant *
resolve_options (const Decision *decision, gboolean raises)
{
  g_autoptr (GVariantBuilder) builder = g_variant_builder_new (G_VARIANT_TYPE_VARDICT);

  if (raises && decision->fingerprint != NULL)
    g_variant_builder_add (builder, "{sv}", "fingerprint", g_variant_new_string (decision->fingerprint));
  if (option_name != NULL)
    g_variant_builder_add (builder, "{sv}", "petname", g_variant_new_string (option_name));
  if (option_release)
    g_variant_builder_add (builder, "{sv}", "release", g_variant_new_boolean (TRUE));
  if (option_in_person)
    g_variant_builder_add (builder, "{sv}", "in_person", g_variant_new_boolean (TRUE));
  return g_variant_builder_end (builder);
}

static gboolean
resolve (Ctl *ctl, const Decision *decision, const char *choice, gboolean raises, GError **error)
{
  g_autoptr (EarshotRequest) request = ctl_request (ctl, decision->request, error);

  return request != NULL
         && earshot_request_call_resolve_sync (request, choice, resolve_options (decision, raises), NULL, error);
}

/* --- accept, reject, replace ------------------------------------------------------------------ */

/* NULL = the question takes no such answer. */
static const char *
accepting_choice (Ctl *ctl, const Decision *decision)
{
  if (option_verify)
    return request_offers (ctl, decision->request, "verify") ? "verify" : NULL;
  if (option_separate)
    return request_offers (ctl, decision->request, "separate") ? "separate" : NULL;
  if (request_offers (ctl, decision->request, "accept"))
    return "accept";
  return request_offers (ctl, decision->request, "allow") ? "allow" : NULL;
}

static gboolean
accept_key (Ctl *ctl, const Decision *decision, const TrustLink *link, GError **error)
{
  g_autofree char *path = g_strconcat (EARSHOT_ROOT "/key/", decision->fingerprint, NULL);
  g_autoptr (EarshotKey) key = ctl_key (ctl, path, error);

  return key != NULL && earshot_key_call_accept_sync (key, decision->fingerprint, trust_link_options (link), NULL, error)
         && (option_name == NULL
             || ctl_set_property (ctl, decision->contact, "Contact", "Petname", g_variant_new_string (option_name),
                                  error));
}

/* The key that is meant, by link or digits, is whose? -1: go on with `decision`. */
static int
find_accepted (Ctl *ctl, int argc, char **argv, TrustLink *link, Decision *decision)
{
  g_autoptr (GError) error = NULL;
  const char *text = option_link != NULL ? option_link : option_fingerprint;
  const char *fingerprint = option_fingerprint, *who;

  if (option_link != NULL && option_fingerprint != NULL)
    return ctl_usage (ctl, "a link has the fingerprint in it: give --link or --fingerprint");
  if (!ctl_load (ctl, &error))
    return ctl_fail (ctl, error);
  if (text != NULL && (option_link != NULL || trust_link_is (text)))
    {
      if (!trust_link_read (ctl, text, link, &error))
        return ctl_fail (ctl, error);
      fingerprint = link->fingerprint;
    }
  who = argc == 0 && link->fingerprint != NULL ? link->fingerprint : named (ctl, argc, argv);
  if (who == NULL)
    return EXIT_USAGE;
  if (!decision_find (ctl, who, fingerprint, decision, &error))
    {
      if (argc == 0 && link->fingerprint != NULL && g_error_matches (error, CLI_ERROR, CLI_ERROR_NOT_FOUND))
        return trust_link_add (ctl, link, option_name);
      return ctl_fail (ctl, error);
    }
  /* The owner's own link says more than who introduces it. */
  if (link->fingerprint != NULL && g_str_equal (decision->contact, "/"))
    return trust_link_add (ctl, link, option_name);
  if (model_bool (ctl->model, decision->contact, "Contact", "Blocked"))
    {
      ctl_hint (ctl, "xmppctl unblock comes first, if that is what you want");
      error = g_error_new_literal (CLI_ERROR, CLI_ERROR_NOT_TRUSTED, "this peer is blocked; nothing was changed");
      return ctl_fail (ctl, error);
    }
  return -1;
}

static int
run_accept (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_auto (Decision) decision = { 0 };
  g_auto (TrustLink) link = { .in_person = option_in_person, .yes = option_yes };
  const char *choice = "accept";
  int code = option_verify && (option_link != NULL || option_in_person || option_separate)
               ? ctl_usage (ctl, "--verify goes with none of --link, --in-person and --separate")
               : find_accepted (ctl, argc, argv, &link, &decision);

  if (code >= 0)
    return code;
  if (decision.request != NULL && (choice = accepting_choice (ctl, &decision)) == NULL)
    {
      ctl_hint (ctl, "xmppctl trust replace %s makes it the new key of that person; accept --separate keeps two people",
                argc > 0 ? argv[0] : decision.fingerprint);
      error = g_error_new (CLI_ERROR, CLI_ERROR_NOT_TRUSTED, "this question takes no plain yes: %s",
                           model_string (ctl->model, decision.request, "Request", "Kind"));
      return ctl_fail (ctl, error);
    }
  if (decision.request == NULL && decision.fingerprint == NULL)
    {
      ctl_hint (ctl, "a key is seen at the first handshake; see: xmppctl show %s", argc > 0 ? argv[0] : "PEER");
      error = g_error_new (CLI_ERROR, CLI_ERROR_NOT_FOUND, "no key of this peer is known yet");
      return ctl_fail (ctl, error);
    }
  if (option_verify && decision.request == NULL)
    {
      ctl_hint (ctl, "xmppctl verify %s", argc > 0 ? argv[0] : decision.fingerprint);
      error = g_error_new (CLI_ERROR, CLI_ERROR_NOT_FOUND, "nothing about this key waits for a decision");
      return ctl_fail (ctl, error);
    }
  if (option_verify)
    return verify_decision (ctl, &decision, choice, resolve_options (&decision, TRUE));
  code = link.fingerprint != NULL ? trust_link_confirm (ctl, &link, decision.contact, option_name)
                                  : confirm (ctl, &decision, "Accept");
  if (code != EXIT_DONE)
    return code;
  if (decision.request != NULL && link.fingerprint == NULL && link.in_person && request_offers (ctl, decision.request, "verify"))
    {
      choice = "verify";
      link.in_person = FALSE; /* the choice says it */
    }
  /* Accept() answers the question, too, and takes what the word rests on. */
  if (!(decision.request != NULL && !trust_link_is_evidence (&link) ? resolve (ctl, &decision, choice, TRUE, &error)
                                                                   : accept_key (ctl, &decision, &link, &error)))
    return ctl_fail (ctl, error);
  report (ctl, &decision, choice);
  return EXIT_DONE;
}

static int
run_reject (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_auto (Decision) decision = { 0 };
  const char *who = named (ctl, argc, argv);

  if (who == NULL)
    return EXIT_USAGE;
  if (!ctl_load (ctl, &error) || !decision_find (ctl, who, option_fingerprint, &decision, &error))
    return ctl_fail (ctl, error);
  if (decision.request == NULL)
    {
      ctl_hint (ctl, "take back a trust given earlier with: xmppctl trust revoke %s", who);
      error = g_error_new (CLI_ERROR, CLI_ERROR_NOT_FOUND, "nothing about %s waits for a decision", who);
      return ctl_fail (ctl, error);
    }
  const char *choice = request_offers (ctl, decision.request, "reject") ? "reject" : "refuse";

  if (!resolve (ctl, &decision, choice, FALSE, &error))
    return ctl_fail (ctl, error);
  report (ctl, &decision, choice);
  return EXIT_DONE;
}

static int
run_replace (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_auto (Decision) decision = { 0 };
  const char *who = named (ctl, argc, argv), *choice = option_verify || option_in_person ? "verify-replace" : "replace";
  int code;

  if (who == NULL)
    return EXIT_USAGE;
  if (option_verify && option_in_person)
    return ctl_usage (ctl, "--verify compares now, --in-person says that you did: not both");
  if (!ctl_load (ctl, &error) || !decision_find (ctl, who, option_fingerprint, &decision, &error))
    return ctl_fail (ctl, error);
  if (decision.request == NULL || !request_offers (ctl, decision.request, choice))
    {
      error = g_error_new (CLI_ERROR, CLI_ERROR_NOT_FOUND, "no new key contests the name of %s", who);
      return ctl_fail (ctl, error);
    }
  if (option_verify)
    {
      if (ctl->can_ask)
        request_print (ctl, decision.request);
      return verify_decision (ctl, &decision, choice, resolve_options (&decision, TRUE));
    }
  if ((code = confirm (ctl, &decision, "Replace the old key, which becomes revoked, by")) != EXIT_DONE)
    return code;
  if (!resolve (ctl, &decision, choice, TRUE, &error))
    return ctl_fail (ctl, error);
  report (ctl, &decision, "replace");
  return EXIT_DONE;
}

/* --- revoke, forget --------------------------------------------------------------------------- */

static int
run_revoke (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_auto (Decision) decision = { 0 };
  const char *who = named (ctl, argc, argv);
  g_autoptr (EarshotKey) key = NULL;
  g_autofree char *path = NULL;
  int code;

  if (who == NULL)
    return EXIT_USAGE;
  if (!ctl_load (ctl, &error) || !decision_find (ctl, who, option_fingerprint, &decision, &error))
    return ctl_fail (ctl, error);
  if (decision.fingerprint == NULL)
    {
      error = g_error_new (CLI_ERROR, CLI_ERROR_NOT_FOUND, "no key of %s is known", who);
      return ctl_fail (ctl, error);
    }
  if ((code = confirm (ctl, &decision, "Never trust again")) != EXIT_DONE)
    return code;
  path = g_strconcat (EARSHOT_ROOT "/key/", decision.fingerprint, NULL);
  key = ctl_key (ctl, path, &error);
  if (key == NULL
      || !earshot_key_call_revoke_sync (key, decision.fingerprint, option_reason != NULL ? option_reason : "", NULL,
                                        &error))
    return ctl_fail (ctl, error);
  report (ctl, &decision, "revoke");
  return EXIT_DONE;
}

static int
run_forget (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_auto (Decision) decision = { 0 };
  g_autoptr (EarshotContact) contact = NULL;

  if (!ctl_load (ctl, &error))
    return ctl_fail (ctl, error);
  decision.contact = peer_select (ctl, argv[0], SELECTOR_TRUST, &error);
  if (decision.contact == NULL)
    return ctl_fail (ctl, error);
  decision.fingerprint = g_strdup (peer_get_fingerprint (ctl, decision.contact));
  if (!option_yes && !ctl->can_ask)
    return ctl_usage (ctl, "without a terminal forgetting needs --yes");
  if (!option_yes)
    {
      g_autofree char *label = peer_dup_label (ctl, decision.contact);

      out_field (ctl, "peer", label);
      if (!ctl_ask (ctl, "Forget this peer, its keys and all that was said?"))
        {
          ctl_note (ctl, "nothing was changed");
          return EXIT_FAILED;
        }
    }
  contact = ctl_contact (ctl, decision.contact, &error);
  if (contact == NULL || !earshot_contact_call_forget_sync (contact, ctl_no_options (), NULL, &error))
    return ctl_fail (ctl, error);
  report (ctl, &decision, "forget");
  return EXIT_DONE;
}

/* --- legacy ------------------------------------------------------------------------------------ */

static int
run_legacy (Ctl *ctl, int argc, char **argv)
{
  g_auto (Decision) decision = { 0 };
  g_autoptr (GError) error = NULL;
  gboolean allow = g_str_equal (argv[1], "allow");
  int code;

  if (!allow && !g_str_equal (argv[1], "refuse"))
    return ctl_usage (ctl, "say allow or refuse, not '%s'", argv[1]);
  if (!ctl_load (ctl, &error))
    return ctl_fail (ctl, error);
  /* By address, too: who has no key is nothing but its name, and the daemon says no to all others. */
  decision.contact = peer_select (ctl, argv[0], SELECTOR_ANY, &error);
  if (decision.contact == NULL)
    return ctl_fail (ctl, error);
  if (*peer_get_fingerprint (ctl, decision.contact) != '\0')
    {
      ctl_hint (ctl, "its key is what you decide about: xmppctl show %s", argv[0]);
      error = g_error_new (CLI_ERROR, CLI_ERROR_NOT_TRUSTED, "%s has a key, and is never spoken to without encryption", argv[0]);
      return ctl_fail (ctl, error);
    }
  if (allow && (code = confirm_legacy (ctl, decision.contact)) != EXIT_DONE)
    return code;
  if (!ctl_set_property (ctl, decision.contact, "Contact", "LegacyAllowed", g_variant_new_boolean (allow), &error)
      || (option_name != NULL
          && !ctl_set_property (ctl, decision.contact, "Contact", "Petname", g_variant_new_string (option_name), &error)))
    return ctl_fail (ctl, error);
  report (ctl, &decision, argv[1]);
  return EXIT_DONE;
}

/* --- the table ------------------------------------------------------------------------------------ */

static const GOptionEntry accept_options[] = { FINGERPRINT_ENTRY,
                                               { "link", 0, 0, G_OPTION_ARG_STRING, &option_link,
                                                 "The key meant, as a link (xmpp:...); asks unless --yes", "URI" },
                                               { "in-person", 0, 0, G_OPTION_ARG_NONE, &option_in_person,
                                                 "You compared it face to face: it becomes verified", NULL },
                                               { "verify", 0, 0, G_OPTION_ARG_NONE, &option_verify,
                                                 "Compare codes first: it becomes verified by the right one", NULL },
                                               { "yes", 0, 0, G_OPTION_ARG_NONE, &option_yes,
                                                 "Follow a link without asking", NULL },
                                               { "name", 0, 0, G_OPTION_ARG_STRING, &option_name,
                                                 "Give it this petname at once", "PETNAME" },
                                               { "separate", 0, 0, G_OPTION_ARG_NONE, &option_separate,
                                                 "In a name conflict: another person of the same name", NULL },
                                               G_OPTION_ENTRY_NULL };
static const GOptionEntry reject_options[] = { FINGERPRINT_ENTRY, G_OPTION_ENTRY_NULL };
static const GOptionEntry replace_options[] = { FINGERPRINT_ENTRY,
                                                { "verify", 0, 0, G_OPTION_ARG_NONE, &option_verify,
                                                  "Compare codes first: the right one replaces, as verified", NULL },
                                                { "in-person", 0, 0, G_OPTION_ARG_NONE, &option_in_person,
                                                  "You compared it face to face: it becomes verified", NULL },
                                                { "release", 0, 0, G_OPTION_ARG_NONE, &option_release,
                                                  "Send what was written for the old key to the new one", NULL },
                                                G_OPTION_ENTRY_NULL };
static const GOptionEntry revoke_options[] = { FINGERPRINT_ENTRY,
                                               { "reason", 0, 0, G_OPTION_ARG_STRING, &option_reason,
                                                 "Why, for the record", "TEXT" },
                                               G_OPTION_ENTRY_NULL };
static const GOptionEntry legacy_options[] = { { "yes", 0, 0, G_OPTION_ARG_NONE, &option_yes, "Do not ask", NULL },
                                               { "name", 0, 0, G_OPTION_ARG_STRING, &option_name,
                                                 "Give it this petname at once", "PETNAME" },
                                               G_OPTION_ENTRY_NULL };
static const GOptionEntry forget_options[] = { { "yes", 0, 0, G_OPTION_ARG_NONE, &option_yes, "Do not ask", NULL },
                                               G_OPTION_ENTRY_NULL };

static const Command command_trust_ls = {
  .name = "ls",
  .args = "",
  .summary = "Every key we know and what it is worth",
  .examples = "xmppctl trust ls\nxmppctl trust ls --json",
  .run = run_ls,
};
static const Command command_trust_pending = {
  .name = "pending",
  .args = "",
  .summary = "What waits for your decision",
  .detail = "With the messages that unknown keys left, and the command that answers.",
  .examples = "xmppctl trust pending\nxmppctl trust pending --json | jq -r .fingerprint",
  .run = run_pending,
};
static const Command command_trust_accept = {
  .name = "accept",
  .args = "[PEER]",
  .summary = "Accept a key: it becomes pinned",
  .detail =
    "PEER is a petname or 16 digits of the fingerprint. Shows the whole fingerprint and asks; scripts bring it,\n"
    "and then PEER may be left out. A link (of: xmppctl id show) may bring the key of somebody who was never here;\n"
    "it says what will change and asks. Nothing here lifts a block.",
  .examples = "xmppctl trust accept b1946ac92492d234\n"
              "xmppctl trust accept --fingerprint b1946ac92492d2347c6235b4d2611184 --name romeo\n"
              "xmppctl trust accept --in-person --link 'xmpp:romeo@forza?trust-message;encryption=...;trust=...'",
  .options = accept_options,
  .max_args = 1,
  .by_key = TRUE,
  .run = run_accept,
};
static const Command command_trust_reject = {
  .name = "reject",
  .args = "[PEER]",
  .summary = "Refuse a key that knocks; its messages are deleted",
  .examples = "xmppctl trust reject b1946ac92492d234",
  .options = reject_options,
  .max_args = 1,
  .by_key = TRUE,
  .run = run_reject,
};
static const Command command_trust_replace = {
  .name = "replace",
  .args = "[PEER]",
  .summary = "Take the new key of a person whose name it claims",
  .detail = "The old key becomes revoked. Messages written for it stay held unless --release, or until: xmppctl trust release.\n"
            "With --verify nothing is replaced before you have typed the code that stands on the other screen.",
  .examples = "xmppctl trust replace juliet --verify\n"
              "xmppctl trust replace juliet\n"
              "xmppctl trust replace juliet --release --fingerprint b1946ac92492d234",
  .options = replace_options,
  .max_args = 1,
  .by_key = TRUE,
  .run = run_replace,
};
static const Command command_trust_revoke = {
  .name = "revoke",
  .args = "[PEER]",
  .summary = "Never trust this key again",
  .examples = "xmppctl trust revoke romeo --reason 'phone stolen'",
  .options = revoke_options,
  .max_args = 1,
  .by_key = TRUE,
  .run = run_revoke,
};
static const Command command_trust_forget = {
  .name = "forget",
  .args = "PEER",
  .summary = "Forget a peer, its keys and its history",
  .detail = "A note stays that this key was forgotten, so that it cannot come back unseen.",
  .examples = "xmppctl trust forget romeo\nxmppctl trust forget romeo --yes",
  .options = forget_options,
  .min_args = 1,
  .max_args = 1,
  .by_key = TRUE,
  .run = run_forget,
};

static const Command command_trust_legacy = {
  .name = "legacy",
  .args = "PEER allow|refuse",
  .summary = "Let a peer without encryption speak, or not",
  .detail =
    "Old iChat, Pidgin and Salut know no encryption, and are refused. PEER is a petname or a full address. What goes\n"
    "there can be read and changed by anybody on the link, and who sends under that name nobody knows; such messages\n"
    "are marked insecure. A peer that ever showed a key is never spoken to that way. For all peers at once:\n"
    "xmppctl config set legacy-policy ask.",
  .examples = "xmppctl trust legacy bob@mac allow --name bob\n"
              "xmppctl trust legacy bob refuse",
  .options = legacy_options,
  .min_args = 2,
  .max_args = 2,
  .run = run_legacy,
};

static const Command *const subcommands[] = { &command_trust_ls,      &command_trust_pending,
                                              &command_trust_accept,  &command_trust_reject,
                                              &command_trust_replace, &command_trust_release,
                                              &command_trust_revoke,  &command_trust_legacy,
                                              &command_trust_forget,  &command_trust_introduce,
                                              NULL };

const Command command_trust = {
  .name = "trust",
  .args = "[COMMAND]",
  .summary = "Decide whose keys to trust",
  .detail = "Without a subcommand: ls.",
  .examples = "xmppctl trust pending\n"
              "xmppctl trust accept b1946ac92492d234",
  .max_args = 0,
  .run = run_ls,
  .subcommands = subcommands,
};
