/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "cli/name-warning.h"

#include "cli/peer.h"

/* NULL: nobody, or a daemon of before. */
static const char *
get_resembled (Ctl *ctl, const char *contact)
{
  const char *resembles = model_string (ctl->model, contact, "Contact", "Resembles");

  return model_has (ctl->model, resembles, "Contact") ? resembles : NULL;
}

char *
name_warning_dup_short (Ctl *ctl, const char *contact)
{
  const char *word = model_string (ctl->model, contact, "Contact", "NameWarning"), *resembled = get_resembled (ctl, contact);
  g_autofree char *label = resembled != NULL ? peer_dup_label (ctl, resembled) : NULL;

  if (*word == '\0')
    return NULL;
  return label != NULL ? g_strdup_printf ("%s of %s", word, label) : g_strdup (word);
}

char *
name_warning_dup (Ctl *ctl, const char *contact)
{
  static const struct {
    const char *word, *text;
  } words[] = {
    { "duplicate", "another one of that name" },
    { "lookalike", "another name that can be taken for it" },
    { "bidi", "characters that do not show, or turn others around, were removed from it" },
    { "mixed-script", "letters of several scripts in it, as in names that are made to be taken for others" },
  };
  const char *word = model_string (ctl->model, contact, "Contact", "NameWarning");
  g_autofree char *brief = name_warning_dup_short (ctl, contact);

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_str_equal (words[i].word, word))
      return g_strdup_printf ("%s: %s", brief, words[i].text);
  return g_steal_pointer (&brief);
}

void
name_warning_add_json (Ctl *ctl, const char *contact, JsonObject *object)
{
  const char *resembled = get_resembled (ctl, contact);

  if (resembled != NULL)
    json_object_set_object_member (object, "resembles", peer_ref_to_json (ctl, resembled, NULL));
}
