/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "cli/trust-link.h"

#include <string.h>

#include "cli/name-warning.h"
#include "cli/out.h"
#include "cli/peer.h"
#include "cli/time-text.h"

void
trust_link_clear (TrustLink *link)
{
  g_clear_pointer (&link->address, g_free);
  g_clear_pointer (&link->fingerprint, g_free);
  g_clear_pointer (&link->endpoints, g_strfreev);
  g_clear_pointer (&link->invite, g_free);
}

gboolean
trust_link_is (const char *text)
{
  return strpbrk (text, "@?") != NULL || g_str_has_prefix (text, "xmpp:");
}

gboolean
trust_link_read (Ctl *ctl, const char *text, TrustLink *link, GError **error)
{
  g_autoptr (EarshotManager) manager = ctl_manager (ctl, error);
  g_autoptr (GVariant) more = NULL;

  if (manager == NULL
      || !earshot_manager_call_parse_link_sync (manager, text, &link->address, &link->fingerprint, &more, NULL, error))
    return FALSE;
  g_variant_lookup (more, "endpoints", "^as", &link->endpoints);
  g_variant_lookup (more, "invite", "s", &link->invite);
  g_variant_lookup (more, "expires", "x", &link->expires);
  return TRUE;
}

gboolean
trust_link_is_evidence (const TrustLink *link)
{
  return link->fingerprint != NULL || link->in_person;
}

/* A daemon of before knows no options: none without need. */
GVariant *
trust_link_options (const TrustLink *link)
{
  g_autoptr (GVariantBuilder) builder = g_variant_builder_new (G_VARIANT_TYPE_VARDICT);
  const char *source = link->fingerprint != NULL && link->in_person ? "qr" : "fingerprint";

  if (trust_link_is_evidence (link))
    g_variant_builder_add (builder, "{sv}", "source", g_variant_new_string (source));
  if (link->in_person)
    g_variant_builder_add (builder, "{sv}", "in_person", g_variant_new_boolean (TRUE));
  return g_variant_builder_end (builder);
}

int
trust_link_confirm (Ctl *ctl, const TrustLink *link, const char *contact, const char *petname)
{
  g_autofree char *label = contact != NULL ? peer_dup_label (ctl, contact) : g_strdup ("nobody we know");
  g_autofree char *groups = fingerprint_dup_groups (link->fingerprint);
  g_autofree char *warning = contact != NULL ? name_warning_dup (ctl, contact) : NULL;
  const char *before = contact != NULL ? peer_get_trust (ctl, contact) : "none";
  const char *claimed = contact != NULL ? model_string (ctl->model, contact, "Contact", "ClaimedAddress") : "";
  const char *wanted = link->in_person ? "verified" : "pinned";
  const char *after = trust_reaches (before, wanted) ? before : wanted;
  g_autofree char *change = g_strdup_printf ("%s becomes %s%s%s", before, after, petname != NULL ? ", petname " : "",
                                             petname != NULL ? petname : "");

  if (link->yes)
    return EXIT_DONE;
  if (!ctl->can_ask)
    return ctl_usage (ctl, "without a terminal a link needs --yes");
  out_field (ctl, "peer", label);
  out_field (ctl, "NAME WARNING", warning);
  out_field (ctl, "fingerprint", groups);
  out_field (ctl, "link says", link->address);
  if (*claimed != '\0' && !g_str_equal (claimed, link->address))
    out_field (ctl, "it says", claimed);
  if (link->endpoints != NULL)
    {
      g_autofree char *endpoints = g_strjoinv (", ", link->endpoints);
      g_autofree char *until = link->invite != NULL ? time_format_local (link->expires) : g_strdup ("");

      out_field (ctl, "dials", endpoints);
      out_field (ctl, "good until", until);
    }
  out_field (ctl, "trust", change);
  ctl_note (ctl, "%s", link->in_person ? "you say that you compared it face to face, or scanned it from their screen"
                                       : "only if the link came from them by a way you trust");
  if (ctl_ask (ctl, "Trust this key?"))
    return EXIT_DONE;
  ctl_note (ctl, "nothing was changed");
  return EXIT_FAILED;
}

char *
trust_link_dup_petname (Ctl *ctl, const TrustLink *link, const char *name)
{
  g_autoptr (GPtrArray) contacts = model_list (ctl->model, "Contact");
  g_autofree char *user = g_strndup (link->address, strcspn (link->address, "@"));

  if (name != NULL)
    return g_strdup (name);
  for (guint i = 0; i < contacts->len; i++)
    if (g_ascii_strcasecmp (peer_get_petname (ctl, g_ptr_array_index (contacts, i)), user) == 0)
      return g_strdup ("");
  /* With escapes (XEP-0106) it is no name to read. */
  return strchr (user, '\\') == NULL ? g_steal_pointer (&user) : g_strdup ("");
}

int
trust_link_add (Ctl *ctl, const TrustLink *link, const char *name)
{
  static const char *const no_endpoints[] = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (EarshotManager) manager = ctl_manager (ctl, &error);
  g_autofree char *petname = trust_link_dup_petname (ctl, link, name);
  g_autofree char *path = NULL;
  int code = trust_link_confirm (ctl, link, NULL, *petname != '\0' ? petname : NULL);

  if (code != EXIT_DONE)
    return code;
  if (manager == NULL
      || !earshot_manager_call_add_contact_sync (manager, petname, link->fingerprint, no_endpoints, trust_link_options (link),
                                                 &path, NULL, &error))
    return ctl_fail (ctl, error);
  if (ctl->json)
    {
      JsonObject *object = json_line_new ("decision");

      json_object_set_string_member (object, "choice", "accept");
      json_object_set_string_member (object, "fingerprint", link->fingerprint);
      json_object_set_string_member (object, "petname", petname);
      json_line_print (stdout, object);
    }
  else
    {
      ctl_note (ctl, "accepted %s, before they were ever here", *petname != '\0' ? petname : link->address);
    }
  return EXIT_DONE;
}
