/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whom a person means by what was typed.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/jid.h"
#include "daemon/model/contacts-private.h"

static gboolean
matches_addr (Contact *contact, const char *prepared)
{
  g_autofree char *claimed = jid_prepare (contact_get_claimed_addr (contact));

  if (g_strcmp0 (claimed, prepared) == 0)
    return TRUE;
  for (guint i = 0; i < contact->sightings->len; i++)
    if (g_strcmp0 (((Sighting *) g_ptr_array_index (contact->sightings, i))->prepared, prepared) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
matches_key (Contact *contact, const char *digits)
{
  for (guint i = 0; i < contact->keys->len; i++)
    {
      g_autofree char *hex = fingerprint_to_hex (&((Key *) g_ptr_array_index (contact->keys, i))->row.fp);

      if (g_str_has_prefix (hex, digits))
        return TRUE;
    }
  return FALSE;
}

/* 8 hex digits or more, as people group them; NULL for anything else. */
static char *
selector_digits (const char *selector)
{
  GString *digits = g_string_new (NULL);

  for (const char *p = selector; *p != '\0'; p++)
    {
      if (*p == ' ' || *p == '-' || *p == ':')
        continue;
      if (!g_ascii_isxdigit (*p) || digits->len >= 64)
        {
          g_string_free (digits, TRUE);
          return NULL;
        }
      g_string_append_c (digits, g_ascii_tolower (*p));
    }
  return g_string_free (digits, digits->len < 8);
}

GPtrArray *
contacts_select (Contacts *contacts, const char *selector)
{
  g_autoptr (GPtrArray) all = contacts_list (contacts);
  g_autofree char *folded = g_utf8_casefold (selector, -1);
  g_autofree char *prepared = jid_prepare (selector);
  g_autofree char *digits = selector_digits (selector);
  GPtrArray *found = g_ptr_array_new ();

  for (int rule = 0; rule < 3 && found->len == 0; rule++)
    for (guint i = 0; i < all->len; i++)
      {
        Contact *contact = g_ptr_array_index (all, i);
        g_autofree char *petname = g_utf8_casefold (contact->row.petname, -1);
        gboolean hit = rule == 0   ? *selector != '\0' && *petname != '\0' && strcmp (petname, folded) == 0
                       : rule == 1 ? prepared != NULL && matches_addr (contact, prepared)
                                   : digits != NULL && matches_key (contact, digits);

        if (hit)
          g_ptr_array_add (found, contact);
      }
  return found;
}
