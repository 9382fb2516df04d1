/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Names before the door that compares their looks: lines, each a name. What comes out is text, bounded and settled (what was folded
 * folds to itself), and a name resembles itself, whoever else bears it, and nobody who was taken out of the index.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/io/confusable.h"
#include "daemon/model/lookalikes.h"
#include "tests/fuzz/fuzz.h"

#define NAMES_MAX 16

static void
check_name (const char *name)
{
  g_autofree char *folded = confusable_fold (name), *again = confusable_fold (folded);
  g_auto (GStrv) looks = confusable_looks (name);

  g_assert (g_utf8_validate (folded, -1, NULL) && strlen (folded) <= CONFUSABLE_MAX);
  g_assert (g_strv_length (looks) <= CONFUSABLE_LOOKS);
  for (char **look = looks; *look != NULL; look++)
    g_assert (g_utf8_validate (*look, -1, NULL));
  g_assert ((*folded == '\0') == (looks[0] == NULL));
  g_assert (*folded == '\0' || *again != '\0');
  confusable_is_mixed_script (name);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_auto (GStrv) names = g_strsplit (text, "\n", NAMES_MAX);
  Lookalikes *lookalikes = lookalikes_new ();
  guint32 whose;

  for (guint i = 0; names[i] != NULL; i++)
    {
      check_name (names[i]);
      lookalikes_set (lookalikes, i + 1, i % 2 == 0 ? names[i] : "", (const char *const *) names + i);
    }
  for (guint i = 0; names[i] != NULL; i++)
    {
      const char *one[] = { names[i], NULL };
      g_auto (GStrv) prepared = lookalikes_prepare (one);
      Likeness likeness = lookalikes_find (lookalikes, (const char *const *) prepared, 0, FALSE, &whose);

      g_assert (likeness == (prepared[0] != NULL ? LIKENESS_SAME : LIKENESS_NONE));
      g_assert ((whose == 0) == (likeness == LIKENESS_NONE));
    }
  for (guint i = 0; names[i] != NULL; i++)
    lookalikes_set (lookalikes, i + 1, "", NULL);
  for (guint i = 0; names[i] != NULL; i++)
    {
      g_auto (GStrv) prepared = lookalikes_prepare ((const char *const *) names + i);

      g_assert (lookalikes_find (lookalikes, (const char *const *) prepared, 0, FALSE, &whose) == LIKENESS_NONE && whose == 0);
    }
  lookalikes_free (lookalikes);
  return 0;
}
