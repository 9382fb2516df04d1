/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/proto/emoji.h"

#include <string.h>

#define JOINER 0x200d
#define TEXT_STYLE 0xfe0e
#define EMOJI_STYLE 0xfe0f
#define KEYCAP 0x20e3
#define BLACK_FLAG 0x1f3f4
#define TAG_FIRST 0xe0020
#define TAG_LAST 0xe007e
#define TAG_END 0xe007f

static gboolean
is_regional (gunichar c)
{
  return c >= 0x1f1e6 && c <= 0x1f1ff;
}

static gboolean
is_tone (gunichar c)
{
  return c >= 0x1f3fb && c <= 0x1f3ff;
}

/* Whole blocks of pictures and dingbats; no letter, digit or mark is in them. */
static gboolean
is_picture (gunichar c)
{
  static const gunichar single[] = { 0xa9, 0xae, 0x203c, 0x2049, 0x2122, 0x2139, 0x24c2, 0x3030, 0x303d, 0x3297, 0x3299 };
  static const gunichar blocks[][2] = {
    { 0x2194, 0x21aa },   /* arrows */
    { 0x231a, 0x23ff },   /* technical */
    { 0x25a0, 0x27bf },   /* shapes, symbols, dingbats */
    { 0x2934, 0x2935 },
    { 0x2b05, 0x2b55 },
    { 0x1f004, 0x1f0cf }, /* tiles and cards */
    { 0x1f170, 0x1f19a },
    { 0x1f201, 0x1f251 },
    { 0x1f300, 0x1f64f },
    { 0x1f680, 0x1f6ff },
    { 0x1f7e0, 0x1f7f0 },
    { 0x1f90c, 0x1faff },
  };

  for (guint i = 0; i < G_N_ELEMENTS (single); i++)
    if (c == single[i])
      return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (blocks); i++)
    if (c >= blocks[i][0] && c <= blocks[i][1])
      return TRUE;
  return FALSE;
}

/* 1️⃣ */
static const char *
skip_keycap (const char *p)
{
  if (*p == '\0' || strchr ("0123456789#*", *p) == NULL)
    return NULL;
  p++;
  if (g_utf8_get_char (p) == EMOJI_STYLE)
    p = g_utf8_next_char (p);
  return g_utf8_get_char (p) == KEYCAP ? g_utf8_next_char (p) : NULL;
}

/* Flags of regions: spelt by invisible letters, and ended. */
static const char *
skip_tags (const char *p)
{
  const char *start = p;
  gunichar c;

  while ((c = g_utf8_get_char (p)) >= TAG_FIRST && c <= TAG_LAST)
    p = g_utf8_next_char (p);
  if (p == start)
    return p;
  return c == TAG_END ? g_utf8_next_char (p) : NULL;
}

/* One picture with what belongs to it, NULL = none here. */
static const char *
skip_element (const char *p)
{
  gunichar first = g_utf8_get_char (p), c;

  if (is_regional (first))
    {
      p = g_utf8_next_char (p);
      return is_regional (g_utf8_get_char (p)) ? g_utf8_next_char (p) : NULL;
    }
  if (!is_picture (first))
    return skip_keycap (p);
  p = g_utf8_next_char (p);
  c = g_utf8_get_char (p);
  if (c == EMOJI_STYLE || c == TEXT_STYLE || is_tone (c))
    p = g_utf8_next_char (p);
  return first == BLACK_FLAG ? skip_tags (p) : p;
}

gboolean
emoji_is_one (const char *text)
{
  const char *p = text;
  gsize length = strlen (text);

  if (length == 0 || length > EMOJI_BYTES_MAX || !g_utf8_validate (text, (gssize) length, NULL))
    return FALSE;
  for (;;)
    {
      p = skip_element (p);
      if (p == NULL)
        return FALSE;
      if (*p == '\0')
        return TRUE;
      if (g_utf8_get_char (p) != JOINER)
        return FALSE;
      p = g_utf8_next_char (p);
    }
}

gboolean
emoji_append (GString *joined, guint *count, const char *emoji, guint max)
{
  g_auto (GStrv) before = NULL;

  if (!emoji_is_one (emoji))
    return FALSE;
  before = g_strsplit (joined->str, " ", -1);
  if (g_strv_contains ((const char *const *) before, emoji))
    return TRUE;
  if (++*count > max)
    return FALSE;
  if (joined->len > 0)
    g_string_append_c (joined, ' ');
  g_string_append (joined, emoji);
  return TRUE;
}

char *
emoji_join (const char *const *emojis, guint max)
{
  g_autoptr (GString) joined = g_string_new (NULL);
  guint count = 0;

  for (guint i = 0; emojis[i] != NULL; i++)
    if (!emoji_append (joined, &count, emojis[i], max))
      return NULL;
  return g_string_free (g_steal_pointer (&joined), FALSE);
}
