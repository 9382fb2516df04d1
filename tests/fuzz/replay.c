/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Runs the committed corpus of one harness and speaks TAP: what the fuzzer once found stays found.
 * Without arguments the corpus named at build time; with arguments those files.
 */
#include "earshot-config.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static void
run (guint n, const char *path)
{
  g_autofree char *bytes = NULL;
  g_autofree char *base = g_path_get_basename (path);
  g_autofree guint8 *copy = NULL;
  gsize len = 0;

  if (!g_file_get_contents (path, &bytes, &len, NULL))
    {
      printf ("not ok %u - %s cannot be read\n", n, base);
      return;
    }
  /* Without the terminator GLib adds, so that a read behind the end is one. */
  copy = g_memdup2 (bytes, len);
  LLVMFuzzerTestOneInput (copy != NULL ? copy : (const guint8 *) "", len);
  printf ("ok %u - X-01 " FUZZ_NAME " %s\n", n, base);
  fflush (stdout);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

static GPtrArray *
list_corpus (void)
{
  const char *dir = FUZZ_CORPUS "/" FUZZ_NAME;
  g_autoptr (GDir) entries = g_dir_open (dir, 0, NULL);
  GPtrArray *paths = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  while (entries != NULL && (name = g_dir_read_name (entries)) != NULL)
    g_ptr_array_add (paths, g_build_filename (dir, name, NULL));
  g_ptr_array_sort (paths, compare);
  return paths;
}

int
main (int argc, char **argv)
{
  g_autoptr (GPtrArray) paths = list_corpus ();

  if (argc > 1)
    {
      g_ptr_array_set_size (paths, 0);
      for (int i = 1; i < argc; i++)
        g_ptr_array_add (paths, g_strdup (argv[i]));
    }
  if (paths->len == 0)
    {
      printf ("1..1\nnot ok 1 - the corpus " FUZZ_NAME " is empty\n");
      return 1;
    }
  printf ("1..%u\n", paths->len);
  for (guint i = 0; i < paths->len; i++)
    run (i + 1, g_ptr_array_index (paths, i));
  return 0;
}
