/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/confusable.h"

#include <string.h>

#ifdef HAVE_ICU
#include <unicode/uchar.h>
#include <unicode/uspoof.h>
#endif

#define SKELETON_MAX 4096 /* bytes; one character becomes a few */

static gboolean
is_unseen (gunichar c)
{
#ifdef HAVE_ICU
  if (u_hasBinaryProperty ((UChar32) c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT))
    return TRUE;
#else
  /* Fillers of Hangul, and of Khmer and Mongolian what is not of the type below. */
  if (c == 0x034f || c == 0x115f || c == 0x1160 || c == 0x17b4 || c == 0x17b5 || (c >= 0x180b && c <= 0x180f) || c == 0x3164
      || (c >= 0xfe00 && c <= 0xfe0f) || c == 0xffa0 || (c >= 0xe0100 && c <= 0xe01ef))
    return TRUE;
#endif
  switch ((int) g_unichar_type (c))
    {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_SURROGATE:
      return TRUE;
    }
  return FALSE;
}

static gboolean
is_blank (gunichar c)
{
  return g_unichar_isspace (c) || c == 0x2028 || c == 0x2029 || c == 0x2800; /* the last is Braille without a dot */
}

/* At most CONFUSABLE_MAX bytes, whole characters. `text` is UTF-8. */
static char *
cut (const char *text)
{
  const char *end = text + strnlen (text, CONFUSABLE_MAX + 1);

  if (end - text <= CONFUSABLE_MAX)
    return g_strdup (text);
  end = g_utf8_find_prev_char (text, text + CONFUSABLE_MAX + 1);
  return g_strndup (text, end != NULL ? (gsize) (end - text) : 0);
}

/* What shows of it, the letters as they are. */
static char *
clean (const char *name)
{
  g_autofree char *bounded = g_strndup (name, CONFUSABLE_MAX);
  g_autofree char *valid = g_utf8_make_valid (bounded, -1);
  g_autofree char *normal = g_utf8_normalize (valid, -1, G_NORMALIZE_ALL_COMPOSE);
  g_autofree char *shown = NULL;
  GString *out = g_string_new (NULL);
  gboolean blank = FALSE;

  for (const char *p = normal != NULL ? normal : ""; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (is_blank (c))
        blank = TRUE;
      else if (!is_unseen (c))
        {
          if (blank && out->len > 0)
            g_string_append_c (out, ' ');
          blank = FALSE;
          g_string_append_unichar (out, c);
        }
    }
  shown = g_string_free (out, FALSE);
  return cut (shown);
}

char *
confusable_fold (const char *name)
{
  g_autofree char *cleaned = clean (name);
  g_autofree char *folded = g_utf8_casefold (cleaned, -1);
  /* Folding takes composed letters apart here and there. */
  g_autofree char *normal = g_utf8_normalize (folded, -1, G_NORMALIZE_ALL_COMPOSE);

  return cut (normal != NULL ? normal : "");
}

#ifdef HAVE_ICU

/* Opening reads tables that never change: once a process, never closed. NULL = ICU has no data. */
static USpoofChecker *
get_checker (void)
{
  static USpoofChecker *checker;
  static gboolean tried;
  UErrorCode status = U_ZERO_ERROR;

  if (tried)
    return checker;
  tried = TRUE;
  checker = uspoof_open (&status);
  uspoof_setRestrictionLevel (checker, USPOOF_MODERATELY_RESTRICTIVE);
  uspoof_setChecks (checker, USPOOF_RESTRICTION_LEVEL, &status);
  if (U_FAILURE (status))
    {
      g_warning ("names are not compared by their looks: ICU: %s", u_errorName (status));
      g_clear_pointer (&checker, uspoof_close);
    }
  return checker;
}

gboolean
confusable_has_icu (void)
{
  return get_checker () != NULL;
}

/* Caller frees; the text itself where there is no skeleton of it. */
static char *
skeleton (const char *text)
{
  char buffer[SKELETON_MAX];
  UErrorCode status = U_ZERO_ERROR;
  USpoofChecker *checker = get_checker ();
  gint32 len = checker != NULL ? uspoof_getSkeletonUTF8 (checker, 0, text, -1, buffer, sizeof buffer, &status) : 0;
  g_autofree char *raw = NULL;
  g_autofree char *folded = NULL;

  if (checker == NULL || U_FAILURE (status) || len < 0 || len >= (gint32) sizeof buffer)
    raw = g_strdup (text);
  else
    raw = g_strndup (buffer, (gsize) len);
  folded = g_utf8_casefold (raw, -1);
  return g_steal_pointer (&folded);
}

char **
confusable_looks (const char *name)
{
  g_autofree char *written = clean (name);
  g_autofree char *small = g_utf8_casefold (written, -1);
  g_autofree char *capital = g_utf8_strup (written, -1);
  const char *cases[CONFUSABLE_LOOKS] = { written, small, capital };
  g_autoptr (GPtrArray) looks = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < G_N_ELEMENTS (cases) && *written != '\0'; i++)
    {
      g_autofree char *look = skeleton (cases[i]);

      if (!g_ptr_array_find_with_equal_func (looks, look, g_str_equal, NULL))
        g_ptr_array_add (looks, g_steal_pointer (&look));
    }
  g_ptr_array_add (looks, NULL);
  return (char **) g_ptr_array_steal (looks, NULL);
}

gboolean
confusable_is_mixed_script (const char *name)
{
  g_autofree char *written = clean (name);
  USpoofChecker *checker = get_checker ();
  UErrorCode status = U_ZERO_ERROR;
  gint32 found = checker != NULL ? uspoof_checkUTF8 (checker, written, -1, NULL, &status) : 0;

  return U_SUCCESS (status) && (found & USPOOF_RESTRICTION_LEVEL) != 0;
}

#else

gboolean
confusable_has_icu (void)
{
  return FALSE;
}

char **
confusable_looks (const char *name)
{
  char **looks = g_new0 (char *, 2);
  g_autofree char *folded = confusable_fold (name);

  if (*folded != '\0')
    looks[0] = g_steal_pointer (&folded);
  return looks;
}

gboolean
confusable_is_mixed_script (const char *name)
{
  return FALSE;
}

#endif
