/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a contact's names claim, and whose they resemble. Threat: anybody may announce any name, and a thousand of them; each is
 * prepared once and found by look-up, and what people know each other by is indexed (model/lookalikes.h).
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/jid.h"
#include "daemon/io/confusable.h"
#include "daemon/model/contacts-private.h"

#define CLAIMED_MAX 80 /* characters: what jid_display_user() leaves */

static char *
clean_name (const char *text)
{
  /* The escaping round trip removes what jid_display_user() removes from addresses: one cleaner for all names. */
  g_autofree char *local = jid_escape_local (text);
  g_autofree char *addr = g_strconcat (local, "@x", NULL);

  return jid_display_user (addr);
}

/* "" when there is no address. */
static char *
dup_user (const char *addr)
{
  return *addr != '\0' ? jid_display_user (addr) : g_strdup ("");
}

/* --- whom others may not be taken for ------------------------------------------------------------------------------- */

static gboolean
on_names_changed (gpointer user)
{
  Contacts *contacts = user;
  g_autoptr (GPtrArray) all = contacts_list (contacts);
  g_autoptr (GArray) ids = g_array_sized_new (FALSE, FALSE, sizeof (guint32), all->len);

  contacts->names_source = 0;
  for (guint i = 0; i < all->len; i++)
    g_array_append_val (ids, ((Contact *) g_ptr_array_index (all, i))->row.id);
  /* By number: whoever is told of one may end another. */
  for (guint i = 0; i < ids->len; i++)
    {
      Contact *contact = contacts_get (contacts, g_array_index (ids, guint32, i));

      if (contact != NULL && contact_judge_names (contact))
        contact_changed (contact);
    }
  return G_SOURCE_REMOVE;
}

/* Once per turn of the loop, however many people's names changed in it. */
static void
judge_all_later (Contacts *contacts)
{
  if (contacts->names_source == 0)
    contacts->names_source = g_idle_add_full (G_PRIORITY_DEFAULT, on_names_changed, contacts, NULL);
}

/* A kept contact is known by its petname, its nickname and every address that its key used. */
void
contact_guard_names (Contact *contact)
{
  gboolean guarded = contact->row.stored && !contact->row.blocked;
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *state = NULL;

  g_ptr_array_add (names, g_strdup (contact->claimed_name));
  for (char **addr = contact->row.addrs; *addr != NULL; addr++)
    {
      g_ptr_array_add (names, g_strdup (*addr));
      g_ptr_array_add (names, dup_user (*addr));
    }
  g_ptr_array_add (names, NULL);
  state = g_strjoinv ("\n", (char **) names->pdata);
  if (!guarded)
    g_clear_pointer (&state, g_free);
  else
    {
      char *whole = g_strconcat (contact->row.petname, "\n", state, NULL);

      g_free (state);
      state = whole;
    }
  if (g_strcmp0 (state, contact->guarded) == 0)
    return;
  g_free (contact->guarded);
  contact->guarded = g_steal_pointer (&state);
  lookalikes_set (contact->contacts->lookalikes, contact->row.id, guarded ? contact->row.petname : "",
                  guarded ? (const char *const *) names->pdata : NULL);
  judge_all_later (contact->contacts);
}

void
contact_unguard_names (Contact *contact)
{
  if (contact->guarded == NULL)
    return;
  g_clear_pointer (&contact->guarded, g_free);
  lookalikes_set (contact->contacts->lookalikes, contact->row.id, "", NULL);
  judge_all_later (contact->contacts);
}

/* --- whom this one may be taken for -------------------------------------------------------------------------------- */

static void
prepare_claims (Contact *contact)
{
  const char *addr = contact_get_claimed_addr (contact);
  g_autofree char *user = dup_user (addr);
  const char *claims[] = { contact->claimed_name, user, addr, NULL };
  g_autofree char *state = g_strjoin ("\n", contact->claimed_name, addr, NULL);

  if (g_strcmp0 (state, contact->claims) == 0)
    return;
  g_free (contact->claims);
  g_strfreev (contact->prepared);
  contact->claims = g_steal_pointer (&state);
  contact->prepared = lookalikes_prepare (claims);
  contact->mixed_script = confusable_is_mixed_script (contact->claimed_name) || confusable_is_mixed_script (user);
}

/* As announced, else as told on a stream (XEP-0172). */
static const char *
get_nick (const Contact *contact)
{
  const Presence *presence = contact_get_presence (contact);

  if (presence != NULL && presence->nick != NULL)
    return presence->nick;
  return contact->said_nick != NULL ? contact->said_nick : "";
}

/* Characters that do not show, or move what others show, were taken out of the nickname. */
static gboolean
was_cleaned (const Contact *contact)
{
  const char *nick = get_nick (contact);

  return strcmp (contact->claimed_name, nick) != 0
         && !(g_utf8_strlen (contact->claimed_name, -1) == CLAIMED_MAX && g_str_has_prefix (nick, contact->claimed_name));
}

gboolean
contact_judge_names (Contact *contact)
{
  const char *warning = "";
  guint32 whose = 0;
  gboolean changed;

  if (contact->contests->len > 0)
    {
      warning = "duplicate";
      whose = g_array_index (contact->contests, guint32, 0);
    }
  else if (*contact->row.petname == '\0')
    {
      /* Who has a petname is shown by it, and resembles nobody. */
      prepare_claims (contact);
      switch (lookalikes_find (contact->contacts->lookalikes, (const char *const *) contact->prepared, contact->row.id, FALSE,
                               &whose))
        {
        case LIKENESS_SAME: warning = "duplicate"; break;
        case LIKENESS_LOOKS: warning = "lookalike"; break;
        case LIKENESS_NONE: warning = was_cleaned (contact) ? "bidi" : contact->mixed_script ? "mixed-script" : ""; break;
        }
    }
  else if (was_cleaned (contact))
    warning = "bidi";
  changed = strcmp (warning, contact->name_warning) != 0 || whose != contact->resembles;
  contact->name_warning = warning;
  contact->resembles = whose;
  return changed;
}

/* What the name claims, cleaned, and what is suspicious about it. */
void
contact_refresh_names (Contact *contact)
{
  const char *nick = get_nick (contact);
  g_autofree char *cleaned = *nick != '\0' ? clean_name (nick) : g_strdup ("");

  g_free (contact->claimed_name);
  contact->claimed_name = g_strdup (cleaned != NULL ? cleaned : "");
  if (contact->sightings->len > 0)
    {
      Sighting *sighting = g_ptr_array_index (contact->sightings, 0);

      if (!contact->connected)
        contact_set_claimed_addr (contact, sighting->instance);
    }
  contact_guard_names (contact);
  contact_judge_names (contact);
}

const char *
contact_get_name_warning (const Contact *contact)
{
  return contact->name_warning;
}

Contact *
contact_get_resembled (const Contact *contact)
{
  return contact->resembles != 0 ? contacts_get (contact->contacts, contact->resembles) : NULL;
}

gboolean
contacts_check_name (Contacts *contacts, const Contact *contact, const char *petname, GError **error)
{
  const char *names[] = { petname, NULL };
  g_auto (GStrv) prepared = lookalikes_prepare (names);
  guint32 whose;
  Likeness likeness = lookalikes_find (contacts->lookalikes, (const char *const *) prepared,
                                       contact != NULL ? contact->row.id : 0, TRUE, &whose);
  Contact *other = contacts_get (contacts, whose);

  if (*petname != '\0' && prepared[0] == NULL)
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "Nothing of this petname would show");
      return FALSE;
    }
  if (likeness == LIKENESS_SAME)
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "Another contact is already called \"%s\"", petname);
  else if (likeness == LIKENESS_LOOKS)
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT,
                 "\"%s\" can be taken for \"%s\", which is what another contact is called", petname,
                 other != NULL ? other->row.petname : "");
  return likeness == LIKENESS_NONE;
}
