/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "cli/commands.h"
#include "cli/complete.h"
#include "cli/escape.h"
#include "cli/peer.h"
#include "cli/usage.h"

#define TEXT_COLUMNS 120
#define TIMEOUT_US (2 * G_USEC_PER_SEC)

struct _Completion {
  Ctl *ctl;
  GPtrArray *words, *texts; /* char*, in pairs */
  gboolean files;
  char *whole;              /* what is being typed */
  gsize head;               /* bytes of it that stay: "--for=", "--kinds=message," */
  gboolean alive, asked;    /* the model was loaded; it was tried */
};

/* What stands before the word being typed. */
typedef struct {
  const Command *command;
  guint position;                /* arguments so far */
  const char *before;            /* the last of them, or NULL */
  const GOptionEntry *owes;      /* an option that waits for its value */
  gboolean only_arguments;       /* behind -- */
} Place;

/* --- what is offered --------------------------------------------------------------------------- */

static void
offer (Completion *completion, const char *word, const char *text)
{
  const char *typed = completion->whole + completion->head;

  if (completion->words->len >= COMPLETE_MAX || !g_str_has_prefix (word, typed))
    return;
  for (guint i = 0; i < completion->words->len; i++)
    if (g_str_equal ((const char *) completion->words->pdata[i] + completion->head, word))
      return;
  g_ptr_array_add (completion->words, g_strdup_printf ("%.*s%s", (int) completion->head, completion->whole, word));
  g_ptr_array_add (completion->texts, text != NULL ? escape_cut (text, TEXT_COLUMNS) : g_strdup (""));
}

/* Whether a word can stand in any command line, quoted. */
static gboolean
is_plain (const char *word)
{
  g_autofree char *safe = escape_text (word);

  return *word != '\0' && *word != '-' && g_str_equal (safe, word);
}

void
completion_add (Completion *completion, const char *word, const char *text)
{
  if (is_plain (word))
    offer (completion, word, text);
}

/* --- what is alive ------------------------------------------------------------------------------ */

gboolean
completion_ask (Completion *completion)
{
  Ctl *ctl = completion->ctl;

  if (completion->asked)
    return completion->alive;
  completion->asked = TRUE;
  /* Who keeps up by signals has it all. */
  if (ctl->live != NULL)
    return completion->alive = ctl->model != NULL;
  /* A key press neither starts the daemon nor waits long. */
  ctl->no_autostart = TRUE;
  if (ctl->deadline == 0)
    ctl->deadline = g_get_monotonic_time () + TIMEOUT_US;
  return completion->alive = ctl_load (ctl, NULL);
}

/* By petname; one that has none, or none that can be typed, by address where that is enough, else by 16 digits. */
static void
offer_peer (Completion *completion, const char *path, gboolean by_key)
{
  Ctl *ctl = completion->ctl;
  const char *petname = peer_get_petname (ctl, path), *address = model_string (ctl->model, path, "Contact", "ClaimedAddress");
  g_autofree char *digits = g_strndup (peer_get_fingerprint (ctl, path), SELECTOR_PREFIX_MIN_TRUST);
  g_autofree char *label = peer_dup_label (ctl, path);
  const char *word = digits;
  g_autofree char *text = NULL;

  if (is_plain (petname))
    word = petname;
  else if (*petname == '\0' && is_plain (address) && (!by_key || peer_is_legacy (ctl, path)))
    word = address;
  text = g_strdup_printf ("%s, %s%s%s", peer_get_trust (ctl, path), peer_get_reach (ctl, path), word == petname ? "" : ": ",
                          word == petname ? "" : label);
  completion_add (completion, word, text);
}

static void
offer_peers (Completion *completion, gboolean by_key)
{
  g_autoptr (GPtrArray) paths = NULL;

  if (!completion_ask (completion))
    return;
  paths = model_list (completion->ctl->model, "Contact");
  for (guint i = 0; i < paths->len; i++)
    offer_peer (completion, g_ptr_array_index (paths, i), by_key);
}

/* --- words of usage lines ------------------------------------------------------------------------- */

/* `what`: of a usage line or of an option. */
static void
offer_what (Completion *completion, const Place *place, const char *what)
{
  const Command *command = place->command;
  g_auto (GStrv) alternatives = usage_alternatives (what);
  const char *comma;

  /* One of a list: what stands behind the last comma is typed. */
  if (g_str_has_suffix (what, ",...") && (comma = strrchr (completion->whole + completion->head, ',')) != NULL)
    completion->head = (gsize) (comma + 1 - completion->whole);
  for (guint i = 0; alternatives[i] != NULL; i++)
    if (g_str_equal (alternatives[i], "-"))
      offer (completion, "-", "standard input or output");
    else if (usage_is_word (alternatives[i]))
      offer (completion, alternatives[i], NULL);
    else if (g_str_equal (alternatives[i], "FILE"))
      completion->files = TRUE;
    else if (command->complete != NULL && command->complete (completion->ctl, alternatives[i], place->before, completion))
      continue;
    else if (g_str_equal (alternatives[i], "PEER") || g_str_equal (alternatives[i], "OTHER"))
      offer_peers (completion, command->by_key);
}

static void
offer_entries (Completion *completion, const GOptionEntry *entries)
{
  for (; entries != NULL && entries->long_name != NULL; entries++)
    {
      g_autofree char *name = g_strconcat ("--", entries->long_name, NULL);
      char letter[] = { '-', entries->short_name, '\0' };

      offer (completion, name, entries->description);
      if (entries->short_name != 0)
        offer (completion, letter, entries->description);
    }
}

static void
offer_commands (Completion *completion, const Command *const *commands)
{
  for (guint i = 0; commands != NULL && commands[i] != NULL; i++)
    if (!commands[i]->hidden)
      offer (completion, commands[i]->name, commands[i]->summary);
}

/* --- where we are ----------------------------------------------------------------------------------- */

static gboolean
takes_value (const GOptionEntry *entry)
{
  return entry->arg != G_OPTION_ARG_NONE;
}

/* By its name, `length` bytes long, or by its letter. */
static const GOptionEntry *
find_entry (const GOptionEntry *entries, const char *name, gsize length, char letter)
{
  for (; entries != NULL && entries->long_name != NULL; entries++)
    if (name != NULL ? strlen (entries->long_name) == length && strncmp (entries->long_name, name, length) == 0
                     : entries->short_name == letter)
      return entries;
  return NULL;
}

static const GOptionEntry *
find_option (const Command *command, const char *name, gsize length, char letter)
{
  const GOptionEntry *entry = find_entry (command->options, name, length, letter);

  return entry != NULL ? entry : find_entry (global_options, name, length, letter);
}

/* An option that stands in the line: what it still waits for. */
static void
pass_option (Place *place, const char *word)
{
  const GOptionEntry *entry;

  if (word[1] == '-')
    {
      gsize length = strcspn (word + 2, "=");

      entry = find_option (place->command, word + 2, length, 0);
      if (entry != NULL && takes_value (entry) && word[2 + length] == '\0')
        place->owes = entry;
      return;
    }
  for (word++; *word != '\0'; word++)
    {
      entry = find_option (place->command, NULL, 0, *word);
      if (entry == NULL || !takes_value (entry))
        continue;
      /* The rest is its value. */
      if (word[1] == '\0')
        place->owes = entry;
      return;
    }
}

/* Where a completion asks is where the line would go: but no program is run for it, as some spellings of an address would. */
static void
note_bus (Ctl *ctl, const char *bus)
{
  if (usage_allows ("session|system|private", bus) || g_str_has_prefix (bus, "unix:path="))
    {
      g_free (ctl->bus);
      ctl->bus = g_strdup (bus);
    }
}

static void
pass_word (Completion *completion, Place *place, const char *word)
{
  const Command *next = NULL;

  if (place->owes != NULL)
    {
      if (completion->ctl->connection == NULL && g_str_equal (place->owes->long_name, "bus"))
        note_bus (completion->ctl, word);
      place->owes = NULL;
      return;
    }
  if (!place->only_arguments && word[0] == '-' && word[1] != '\0')
    {
      place->only_arguments = g_str_equal (word, "--");
      if (completion->ctl->connection == NULL && g_str_has_prefix (word, "--bus="))
        note_bus (completion->ctl, word + strlen ("--bus="));
      if (!place->only_arguments)
        pass_option (place, word);
      return;
    }
  for (guint i = 0; place->position == 0 && place->command->subcommands != NULL && place->command->subcommands[i] != NULL; i++)
    if (g_str_equal (place->command->subcommands[i]->name, word))
      next = place->command->subcommands[i];
  if (next != NULL)
    {
      place->command = next;
      return;
    }
  place->position++;
  place->before = word;
}

static void
offer_arguments (Completion *completion, const Place *place)
{
  const Command *command = place->command;
  g_autofree char *what = NULL;

  if (command->subcommands != NULL && place->position == 0)
    offer_commands (completion, command->subcommands);
  /* A group that takes nothing itself writes its commands there. */
  if (command->subcommands != NULL && command->max_args <= 0)
    return;
  what = usage_dup_position (command->args, place->position);
  if (what != NULL)
    offer_what (completion, place, what);
}

static void
offer_options (Completion *completion, const Place *place)
{
  const char *whole = completion->whole, *equals = strchr (whole, '=');
  const GOptionEntry *entry;

  if (g_str_has_prefix (whole, "--") && equals != NULL)
    {
      entry = find_option (place->command, whole + 2, (gsize) (equals - whole) - 2, 0);
      completion->head = (gsize) (equals + 1 - whole);
      if (entry != NULL && entry->arg_description != NULL)
        offer_what (completion, place, entry->arg_description);
      return;
    }
  offer_entries (completion, place->command->options);
  offer_entries (completion, global_options);
}

Completion *
complete_line (Ctl *ctl, const char *const *words, guint n)
{
  Completion *completion = g_new0 (Completion, 1);
  Place place = { .command = &command_root };

  completion->ctl = ctl;
  completion->words = g_ptr_array_new_with_free_func (g_free);
  completion->texts = g_ptr_array_new_with_free_func (g_free);
  completion->whole = g_strdup (n > 0 ? words[n - 1] : "");
  for (guint i = 0; i + 1 < n; i++)
    pass_word (completion, &place, words[i]);
  if (place.owes != NULL)
    {
      if (place.owes->arg_description != NULL)
        offer_what (completion, &place, place.owes->arg_description);
    }
  else if (completion->whole[0] == '-' && !place.only_arguments)
    {
      offer_options (completion, &place);
    }
  else
    {
      offer_arguments (completion, &place);
    }
  return completion;
}

void
completion_free (Completion *completion)
{
  g_ptr_array_unref (completion->words);
  g_ptr_array_unref (completion->texts);
  g_free (completion->whole);
  g_free (completion);
}

guint
completion_get_n (Completion *completion)
{
  return completion->words->len;
}

const char *
completion_get_word (Completion *completion, guint i)
{
  return g_ptr_array_index (completion->words, i);
}

const char *
completion_get_text (Completion *completion, guint i)
{
  return g_ptr_array_index (completion->texts, i);
}

gboolean
completion_wants_files (Completion *completion)
{
  return completion->files;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

void
completion_add_files (Completion *completion)
{
  const char *typed = completion->whole + completion->head, *slash = strrchr (typed, '/');
  g_autofree char *before = g_strndup (typed, slash != NULL ? (gsize) (slash + 1 - typed) : 0);
  g_autoptr (GDir) dir = completion->files ? g_dir_open (*before != '\0' ? before : ".", 0, NULL) : NULL;
  g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *word = NULL;

      /* What is hidden is so until its dot is typed. */
      if ((name[0] == '.' && typed[strlen (before)] != '.') || !g_str_has_prefix (name, typed + strlen (before)))
        continue;
      word = g_strconcat (before, name, NULL);
      g_ptr_array_add (words, g_strconcat (word, g_file_test (word, G_FILE_TEST_IS_DIR) ? "/" : "", NULL));
    }
  g_ptr_array_sort (words, compare_names);
  for (guint i = 0; i < words->len; i++)
    completion_add (completion, g_ptr_array_index (words, i), NULL);
}
