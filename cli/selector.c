/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "cli/selector.h"

char *
selector_dup_prefix (const char *text, guint min)
{
  char digits[SELECTOR_HEX_DIGITS + 1];
  guint n = 0;

  for (const char *p = text; *p != '\0'; p++)
    {
      if (g_ascii_isxdigit (*p))
        {
          if (n == SELECTOR_HEX_DIGITS)
            return NULL;
          digits[n++] = g_ascii_tolower (*p);
        }
      else if (n == 0 || strchr (" -:", *p) == NULL)
        {
          return NULL;
        }
    }
  if (n < min)
    return NULL;
  digits[n] = '\0';
  return g_strdup (digits);
}

/* What is no UTF-8 names nobody; g_utf8_normalize() would read behind its end. */
static char *
normal (const char *text)
{
  char *done = g_utf8_validate (text, -1, NULL) ? g_utf8_normalize (text, -1, G_NORMALIZE_NFC) : NULL;

  return done != NULL ? done : g_strdup ("");
}

/* Addresses are compared without case, as mDNS compares instance names. */
static char *
folded (const char *text)
{
  g_autofree char *composed = normal (text);

  return g_utf8_casefold (composed, -1);
}

typedef gboolean (*Rule) (const SelectorCandidate *candidate, const char *wanted);

static gboolean
has_petname (const SelectorCandidate *candidate, const char *wanted)
{
  g_autofree char *petname = normal (candidate->petname);

  return *wanted != '\0' && g_str_equal (petname, wanted);
}

static gboolean
has_address (const SelectorCandidate *candidate, const char *wanted)
{
  g_autofree char *address = folded (candidate->address);

  return *wanted != '\0' && g_str_equal (address, wanted);
}

static gboolean
has_prefix (const SelectorCandidate *candidate, const char *wanted)
{
  for (guint i = 0; candidate->fingerprints != NULL && candidate->fingerprints[i] != NULL; i++)
    if (g_str_has_prefix (candidate->fingerprints[i], wanted))
      return TRUE;
  return FALSE;
}

static gboolean
collect (GArray *candidates, Rule rule, const char *wanted, GArray *found)
{
  for (guint i = 0; wanted != NULL && i < candidates->len; i++)
    if (rule (&g_array_index (candidates, SelectorCandidate, i), wanted))
      g_array_append_val (found, i);
  return found->len > 0;
}

static gboolean
has_user_part (const SelectorCandidate *candidate, const char *wanted)
{
  const char *at = strrchr (candidate->address, '@');
  g_autofree char *user = at != NULL ? g_strndup (candidate->address, (gsize) (at - candidate->address)) : g_strdup ("");
  g_autofree char *address = folded (user);

  return *wanted != '\0' && g_str_equal (address, wanted);
}

GArray *
selector_suggest (GArray *candidates, const char *text)
{
  GArray *found = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autofree char *user = folded (text);

  collect (candidates, has_user_part, user, found);
  return found;
}

GArray *
selector_match (GArray *candidates, const char *text, SelectorUse use)
{
  GArray *found = g_array_new (FALSE, FALSE, sizeof (guint));
  guint min = use == SELECTOR_TRUST ? SELECTOR_PREFIX_MIN_TRUST : SELECTOR_PREFIX_MIN;
  g_autofree char *petname = normal (text);
  g_autofree char *address = folded (text);
  g_autofree char *prefix = selector_dup_prefix (text, min);

  if (collect (candidates, has_petname, petname, found))
    return found;
  if (use == SELECTOR_ANY && collect (candidates, has_address, address, found))
    return found;
  collect (candidates, has_prefix, prefix, found);
  return found;
}
