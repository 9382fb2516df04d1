/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/model/lookalikes.h"

#include "daemon/io/confusable.h"

/* The first character of a prepared form. */
#define SPELLING '='
#define LOOK '~'

typedef struct {
  guint32 owner;
  gboolean petname;
} Bearer;

struct _Lookalikes {
  GHashTable *forms;  /* form -> GArray of Bearer (both owned); none is empty */
  GHashTable *owners; /* GUINT_TO_POINTER(owner) -> GStrv of its forms (owned); those of the petname have a '!' before */
};

Lookalikes *
lookalikes_new (void)
{
  Lookalikes *lookalikes = g_new0 (Lookalikes, 1);

  lookalikes->forms = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_array_unref);
  lookalikes->owners = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) g_strfreev);
  return lookalikes;
}

void
lookalikes_free (Lookalikes *lookalikes)
{
  if (lookalikes == NULL)
    return;
  g_hash_table_unref (lookalikes->forms);
  g_hash_table_unref (lookalikes->owners);
  g_free (lookalikes);
}

static void
add_form (GPtrArray *forms, char *form_take)
{
  if (g_ptr_array_find_with_equal_func (forms, form_take, g_str_equal, NULL))
    g_free (form_take);
  else
    g_ptr_array_add (forms, form_take);
}

char **
lookalikes_prepare (const char *const *names)
{
  g_autoptr (GPtrArray) forms = g_ptr_array_new_with_free_func (g_free);

  for (; names != NULL && *names != NULL; names++)
    {
      g_autofree char *folded = confusable_fold (*names);
      g_auto (GStrv) looks = confusable_looks (*names);

      if (*folded != '\0')
        add_form (forms, g_strdup_printf ("%c%s", SPELLING, folded));
      for (char **look = looks; *look != NULL; look++)
        if (**look != '\0')
          add_form (forms, g_strdup_printf ("%c%s", LOOK, *look));
    }
  g_ptr_array_add (forms, NULL);
  return (char **) g_ptr_array_steal (forms, NULL);
}

static void
bear (Lookalikes *lookalikes, guint32 owner, const char *form, gboolean petname)
{
  Bearer bearer = { owner, petname };
  GArray *bearers = g_hash_table_lookup (lookalikes->forms, form);

  if (bearers == NULL)
    {
      bearers = g_array_new (FALSE, FALSE, sizeof (Bearer));
      g_hash_table_insert (lookalikes->forms, g_strdup (form), bearers);
    }
  g_array_append_val (bearers, bearer);
}

static void
drop (Lookalikes *lookalikes, guint32 owner, const char *form, gboolean petname)
{
  GArray *bearers = g_hash_table_lookup (lookalikes->forms, form);

  for (guint i = 0; bearers != NULL && i < bearers->len; i++)
    {
      Bearer *bearer = &g_array_index (bearers, Bearer, i);

      if (bearer->owner != owner || bearer->petname != petname)
        continue;
      g_array_remove_index_fast (bearers, i);
      if (bearers->len == 0)
        g_hash_table_remove (lookalikes->forms, form);
      return;
    }
}

void
lookalikes_set (Lookalikes *lookalikes, guint32 owner, const char *petname, const char *const *names)
{
  const char *called[] = { *petname != '\0' ? petname : NULL, NULL };
  g_auto (GStrv) by_petname = lookalikes_prepare (called);
  g_auto (GStrv) by_names = lookalikes_prepare (names);
  char **before = g_hash_table_lookup (lookalikes->owners, GUINT_TO_POINTER (owner));
  g_autoptr (GPtrArray) forms = g_ptr_array_new_with_free_func (g_free);

  for (; before != NULL && *before != NULL; before++)
    drop (lookalikes, owner, **before == '!' ? *before + 1 : *before, **before == '!');
  for (char **form = by_petname; *form != NULL; form++)
    {
      bear (lookalikes, owner, *form, TRUE);
      g_ptr_array_add (forms, g_strconcat ("!", *form, NULL));
    }
  for (char **form = by_names; *form != NULL; form++)
    {
      bear (lookalikes, owner, *form, FALSE);
      g_ptr_array_add (forms, g_strdup (*form));
    }
  if (forms->len == 0)
    {
      g_hash_table_remove (lookalikes->owners, GUINT_TO_POINTER (owner));
      return;
    }
  g_ptr_array_add (forms, NULL);
  g_hash_table_replace (lookalikes->owners, GUINT_TO_POINTER (owner), g_ptr_array_steal (forms, NULL));
}

Likeness
lookalikes_find (Lookalikes *lookalikes, const char *const *prepared, guint32 self, gboolean petnames, guint32 *whose)
{
  Likeness closest = LIKENESS_NONE;
  gboolean called = FALSE;

  *whose = 0;
  for (; *prepared != NULL; prepared++)
    {
      GArray *bearers = g_hash_table_lookup (lookalikes->forms, *prepared);
      Likeness likeness = **prepared == SPELLING ? LIKENESS_SAME : LIKENESS_LOOKS;

      for (guint i = 0; bearers != NULL && i < bearers->len; i++)
        {
          const Bearer *bearer = &g_array_index (bearers, Bearer, i);

          if (bearer->owner == self || (petnames && !bearer->petname) || likeness < closest
              || (likeness == closest && (called || !bearer->petname)))
            continue;
          closest = likeness;
          called = bearer->petname;
          *whose = bearer->owner;
        }
    }
  return closest;
}
