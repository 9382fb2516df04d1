/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/proto/presence-txt.h"

#include <string.h>

#define STRING_MAX 255 /* RFC 1035 section 3.3.14: one octet of length */

/* What we understand of a record. The order is that of publishing; the number is also the bit that
 * marks a key as seen, because "the first of a repeated key wins" (RFC 6763 section 6.4). */
typedef enum {
  KEY_STATUS,
  KEY_SPKI,
  KEY_DIRECT,
  KEY_HASH,
  KEY_NODE,
  KEY_VER,
  KEY_PHSH,
  KEY_NICK,
  KEY_FIRST,
  KEY_LAST,
  KEY_EMAIL,
  KEY_JID,
  KEY_MSG,
  KEY_N
} TxtKey;

static const char *const key_words[KEY_N] = {
  [KEY_STATUS] = "status", [KEY_SPKI] = "tls.spki", [KEY_DIRECT] = "tls.direct", [KEY_HASH] = "hash", [KEY_NODE] = "node",
  [KEY_VER] = "ver",       [KEY_PHSH] = "phsh",     [KEY_NICK] = "nick",  [KEY_FIRST] = "1st",
  [KEY_LAST] = "last",     [KEY_EMAIL] = "email",   [KEY_JID] = "jid",    [KEY_MSG] = "msg",
};

static const char *const show_words[] = {
  [SHOW_AVAILABLE] = "available",
  [SHOW_AWAY] = "away",
  [SHOW_DND] = "dnd",
};

static const char *const status_words[] = {
  [SHOW_AVAILABLE] = "avail",
  [SHOW_AWAY] = "away",
  [SHOW_DND] = "dnd",
};

Presence *
presence_new (void)
{
  return g_new0 (Presence, 1);
}

Presence *
presence_copy (const Presence *p)
{
  Presence *copy = presence_new ();

  *copy = *p;
  copy->msg = g_strdup (p->msg);
  copy->nick = g_strdup (p->nick);
  copy->node = g_strdup (p->node);
  copy->ver = g_strdup (p->ver);
  copy->phsh = g_strdup (p->phsh);
  copy->first = g_strdup (p->first);
  copy->last = g_strdup (p->last);
  copy->email = g_strdup (p->email);
  copy->jid = g_strdup (p->jid);
  return copy;
}

gboolean
presence_equal (const Presence *a, const Presence *b)
{
  return a->show == b->show && g_strcmp0 (a->msg, b->msg) == 0 && g_strcmp0 (a->nick, b->nick) == 0
         && g_strcmp0 (a->node, b->node) == 0 && g_strcmp0 (a->ver, b->ver) == 0 && g_strcmp0 (a->phsh, b->phsh) == 0
         && g_strcmp0 (a->first, b->first) == 0 && g_strcmp0 (a->last, b->last) == 0
         && g_strcmp0 (a->email, b->email) == 0 && g_strcmp0 (a->jid, b->jid) == 0 && a->has_spki == b->has_spki && a->direct_tls == b->direct_tls
         && (!a->has_spki || fingerprint_equal (&a->spki, &b->spki));
}

void
presence_free (Presence *p)
{
  if (p == NULL)
    return;
  g_free (p->msg);
  g_free (p->nick);
  g_free (p->node);
  g_free (p->ver);
  g_free (p->phsh);
  g_free (p->first);
  g_free (p->last);
  g_free (p->email);
  g_free (p->jid);
  g_free (p);
}

/* A copy that is valid UTF-8, free of control characters and line separators, and at most `max` octets, cut at
 * a character boundary. NULL when nothing is left. Bidirectional controls stay: contacts warns of them
 * (NameWarning "bidi") and can only do so while they are there. */
static char *
clean (const char *bytes, gsize len, gsize max)
{
  g_autofree char *valid = g_utf8_make_valid (bytes, len);
  GString *out = g_string_new (NULL);

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);
      gsize width = g_utf8_next_char (p) - p;
      GUnicodeType type = g_unichar_type (c);

      if (type == G_UNICODE_CONTROL || type == G_UNICODE_LINE_SEPARATOR || type == G_UNICODE_PARAGRAPH_SEPARATOR)
        continue;
      if (out->len + width > max)
        break;
      g_string_append_len (out, p, width);
    }
  if (out->len == 0)
    {
      g_string_free (out, TRUE);
      return NULL;
    }
  return g_string_free (out, FALSE);
}

static Show
parse_status (const char *value, gsize len)
{
  static const struct {
    const char *word;
    Show show;
  } table[] = {
    { "away", SHOW_AWAY },
    { "xa", SHOW_AWAY }, /* "xa received reads as away" */
    { "dnd", SHOW_DND },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    if (len == strlen (table[i].word) && g_ascii_strncasecmp (value, table[i].word, len) == 0)
      return table[i].show;
  /* XEP-0174 section 4: absent or unknown is available. */
  return SHOW_AVAILABLE;
}

/* base64 of a SHA-1: 27 digits and one '='. */
static gboolean
looks_like_ver (const char *ver)
{
  if (strlen (ver) != 28 || ver[27] != '=')
    return FALSE;
  for (guint i = 0; i < 27; i++)
    if (!g_ascii_isalnum (ver[i]) && ver[i] != '+' && ver[i] != '/')
      return FALSE;
  return TRUE;
}

static char *
parse_phsh (const char *value, gsize len)
{
  if (len != 40)
    return NULL;
  for (gsize i = 0; i < len; i++)
    if (!g_ascii_isxdigit (value[i]))
      return NULL;
  return g_ascii_strdown (value, len);
}

/* Stores the first value of a known key. */
static void
take_pair (Presence *p, TxtKey key, const char *value, gsize len, gboolean *sha1)
{
  switch (key)
    {
    case KEY_STATUS:
      p->show = parse_status (value, len);
      break;
    case KEY_SPKI:
      p->has_spki = fingerprint_from_base64url (value, len, &p->spki);
      break;
    case KEY_DIRECT:
      p->direct_tls = len == 1 && *value == '1';
      break;
    case KEY_HASH:
      *sha1 = len == 5 && g_ascii_strncasecmp (value, "sha-1", 5) == 0;
      break;
    case KEY_NODE:
      p->node = clean (value, len, STRING_MAX);
      break;
    case KEY_VER:
      p->ver = clean (value, len, STRING_MAX);
      break;
    case KEY_PHSH:
      p->phsh = parse_phsh (value, len);
      break;
    case KEY_NICK:
      p->nick = clean (value, len, STRING_MAX);
      break;
    case KEY_FIRST:
      p->first = clean (value, len, STRING_MAX);
      break;
    case KEY_LAST:
      p->last = clean (value, len, STRING_MAX);
      break;
    case KEY_EMAIL:
      p->email = clean (value, len, STRING_MAX);
      break;
    case KEY_JID:
      p->jid = clean (value, len, STRING_MAX);
      break;
    case KEY_MSG:
      p->msg = clean (value, len, STRING_MAX);
      break;
    case KEY_N:
      break;
    }
}

Presence *
presence_from_txt (const GPtrArray *strings)
{
  Presence *p = presence_new ();
  guint seen = 0;
  gboolean sha1 = FALSE;
  gsize total = 0;

  for (guint i = 0; strings != NULL && i < strings->len; i++)
    {
      gsize len;
      const char *bytes = g_bytes_get_data (strings->pdata[i], &len);
      const char *equals;
      gsize key_len;

      /* Beyond what a record may hold nothing counts, however the strings came here. */
      total += len + 1;
      if (total > PRESENCE_TXT_MAX)
        break;
      if (len == 0 || len > STRING_MAX)
        continue;
      /* RFC 6763 section 6.4: a string that starts with '=' is silently ignored; a key without '=' is there without a
       * value, and being there it is the first of its name. */
      equals = memchr (bytes, '=', len);
      key_len = equals != NULL ? (gsize) (equals - bytes) : len;
      for (guint key = 0; key < KEY_N; key++)
        {
          if (key_len != strlen (key_words[key]) || g_ascii_strncasecmp (bytes, key_words[key], key_len) != 0)
            continue;
          if ((seen & (1u << key)) == 0 && equals != NULL)
            take_pair (p, key, equals + 1, len - key_len - 1, &sha1);
          seen |= 1u << key;
          break;
        }
    }
  /* "`ver` without `hash` (libpurple) is legacy: ignore": there it is a program's version. */
  if (!sha1 || p->node == NULL || p->ver == NULL || !looks_like_ver (p->ver))
    {
      g_clear_pointer (&p->node, g_free);
      g_clear_pointer (&p->ver, g_free);
    }
  return p;
}

typedef struct {
  GPtrArray *strings;
  gsize used;
} Writer;

/* Appends KEY=VALUE if it fits; with `cut` as much of the value as fits. FALSE: nothing was appended. */
static gboolean
put (Writer *w, const char *key, const char *value, gboolean cut)
{
  gsize key_len = strlen (key) + 1;
  gsize left = w->used + 1 < PRESENCE_TXT_BUDGET ? PRESENCE_TXT_BUDGET - w->used - 1 : 0;
  gsize room = MIN (left, STRING_MAX);
  g_autofree char *text = NULL;
  char *pair;

  if (value == NULL || room <= key_len)
    return FALSE;
  text = clean (value, strlen (value), cut ? room - key_len : G_MAXSIZE);
  if (text == NULL || key_len + strlen (text) > room)
    return FALSE;
  pair = g_strdup_printf ("%s=%s", key, text);
  w->used += strlen (pair) + 1;
  g_ptr_array_add (w->strings, g_bytes_new_take (pair, strlen (pair)));
  return TRUE;
}

/* The three say something only together (XEP-0174 section 4): all of them or none. */
static void
put_caps (Writer *w, const char *node, const char *ver)
{
  gsize used = w->used;
  guint n = w->strings->len;

  if (node == NULL || ver == NULL)
    return;
  if (put (w, key_words[KEY_HASH], "sha-1", FALSE) && put (w, key_words[KEY_NODE], node, FALSE)
      && put (w, key_words[KEY_VER], ver, FALSE))
    return;
  g_ptr_array_set_size (w->strings, (gint) n);
  w->used = used;
}

/* What a machine needs comes first, then the name, then what the user chose to share, then the status text: under a
 * full budget the text is cut, never the rest. Half an address would be another address, so those are whole or absent. */
GPtrArray *
presence_to_txt (const Presence *p)
{
  Writer w = { .strings = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref) };

  put (&w, "txtvers", "1", FALSE);
  put (&w, key_words[KEY_STATUS], (guint) p->show < G_N_ELEMENTS (status_words) ? status_words[p->show] : "avail", FALSE);
  if (p->has_spki)
    {
      g_autofree char *spki = fingerprint_to_base64url (&p->spki);
      put (&w, key_words[KEY_SPKI], spki, FALSE);
    }
  if (p->direct_tls)
    put (&w, key_words[KEY_DIRECT], "1", FALSE);
  put_caps (&w, p->node, p->ver);
  put (&w, key_words[KEY_PHSH], p->phsh, FALSE);
  put (&w, key_words[KEY_NICK], p->nick, TRUE);
  put (&w, key_words[KEY_FIRST], p->first, FALSE);
  put (&w, key_words[KEY_LAST], p->last, FALSE);
  put (&w, key_words[KEY_EMAIL], p->email, FALSE);
  put (&w, key_words[KEY_JID], p->jid, FALSE);
  put (&w, key_words[KEY_MSG], p->msg, TRUE);
  return w.strings;
}

const char *
show_to_string (Show show)
{
  return (guint) show < G_N_ELEMENTS (show_words) ? show_words[show] : "available";
}

gboolean
show_from_string (const char *text, Show *out)
{
  for (guint i = 0; text != NULL && i < G_N_ELEMENTS (show_words); i++)
    if (strcmp (show_words[i], text) == 0)
      {
        *out = (Show) i;
        return TRUE;
      }
  return FALSE;
}
