/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/base/jid.h"

#include <string.h>

#include "daemon/base/error.h"

#define DISPLAY_MAX 80

/* XEP-0106 section 3.3: the ten characters and their escapes, the same table both ways. */
static const struct {
  char c;
  char escape[4];
} escapes[] = {
  { ' ', "\\20" }, { '"', "\\22" }, { '&', "\\26" }, { '\'', "\\27" }, { '/', "\\2f" },
  { ':', "\\3a" }, { '<', "\\3c" }, { '>', "\\3e" }, { '@', "\\40" },  { '\\', "\\5c" },
};

static const char *
escape_of (gunichar c)
{
  for (gsize i = 0; i < G_N_ELEMENTS (escapes); i++)
    if ((gunichar) escapes[i].c == c)
      return escapes[i].escape;
  return NULL;
}

/* Characters that show nothing or move what others show; the two joiners belong to living scripts. */
static gboolean
is_invisible (gunichar c)
{
  if (c == 0x200c || c == 0x200d)
    return FALSE;
  switch ((int) g_unichar_type (c))
    {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
      return TRUE;
    }
  return FALSE;
}

char *
jid_escape_local (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *out = g_string_new (NULL);

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);
      const char *escape = escape_of (c);

      if (escape != NULL)
        g_string_append (out, escape);
      else
        g_string_append_unichar (out, c);
    }
  return g_string_free (out, FALSE);
}

char *
jid_unescape_local (const char *local)
{
  GString *out = g_string_new (NULL);

  for (const char *p = local; *p != '\0';)
    {
      gsize i;

      for (i = 0; i < G_N_ELEMENTS (escapes); i++)
        if (strncmp (p, escapes[i].escape, 3) == 0)
          break;
      if (i < G_N_ELEMENTS (escapes))
        {
          g_string_append_c (out, escapes[i].c);
          p += 3;
        }
      else
        g_string_append_c (out, *p++);
    }
  return g_string_free (out, FALSE);
}

/* RFC 1123 section 2.1: letters, digits and hyphens, no hyphen at either end. */
static gboolean
is_host_label (const char *text)
{
  gsize len = strlen (text);

  if (len == 0 || len > 63 || text[0] == '-' || text[len - 1] == '-')
    return FALSE;
  for (const char *p = text; *p != '\0'; p++)
    if (!g_ascii_isalnum (*p) && *p != '-')
      return FALSE;
  return TRUE;
}

/* Others' machine parts: any name of ASCII that cannot be mistaken for another part of an address. */
static gboolean
is_machine (const char *text)
{
  if (*text == '\0')
    return FALSE;
  for (const char *p = text; *p != '\0'; p++)
    if (!g_ascii_isalnum (*p) && strchr ("-._", *p) == NULL)
      return FALSE;
  return TRUE;
}

/* What RFC 7622 (PRECIS IdentifierClass) lets a localpart hold: printable ASCII, and letters, marks and
 * digits of any script. We publish nothing else; what we accept from others is wider. */
static gboolean
may_publish (gunichar c)
{
  if (c < 0x80)
    return c >= 0x20 && c < 0x7f;
  return g_unichar_isalpha (c) || g_unichar_ismark (c) || g_unichar_isdigit (c) || c == 0x200c || c == 0x200d;
}

/* The chosen name as text: NFC, blanks of any kind as one kind, no blank at the ends, nothing unpublishable. */
static char *
clean_user (const char *user)
{
  g_autofree char *valid = g_utf8_make_valid (user, -1);
  g_autofree char *nfc = g_utf8_normalize (valid, -1, G_NORMALIZE_NFC);
  GString *out = g_string_new (NULL);

  for (const char *p = nfc != NULL ? nfc : ""; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (g_unichar_isspace (c))
        c = ' ';
      if (may_publish (c))
        g_string_append_unichar (out, c);
    }
  return g_strstrip (g_string_free (out, FALSE));
}

/* Escapes as much of `text` as fits `room` octets: whole characters, whole escapes. */
static char *
escape_within (const char *text, gsize room)
{
  GString *out = g_string_new (NULL);

  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    {
      const char *escape = escape_of (g_utf8_get_char (p));
      gsize len = escape != NULL ? 3 : (gsize) (g_utf8_next_char (p) - p);

      if (out->len + len > room)
        break;
      g_string_append_len (out, escape != NULL ? escape : p, (gssize) len);
    }
  /* XEP-0106 section 4.2: "\20" may not end a localpart. */
  while (g_str_has_suffix (out->str, "\\20"))
    g_string_truncate (out, out->len - 3);
  return g_string_free (out, FALSE);
}

char *
jid_build_instance (const char *user, const char *machine, guint collision, GError **error)
{
  g_autofree char *cleaned = NULL, *local = NULL, *suffix = NULL;
  gsize fixed;

  if (user == NULL || machine == NULL || !is_host_label (machine))
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT,
                           "the machine name is not an ASCII host label");
      return NULL;
    }
  suffix = collision > 0 ? g_strdup_printf ("-%u", collision) : g_strdup ("");
  fixed = strlen (suffix) + 1 + strlen (machine);
  cleaned = clean_user (user);
  local = escape_within (cleaned, fixed < JID_INSTANCE_MAX ? JID_INSTANCE_MAX - fixed : 0);
  if (*local == '\0')
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT,
                           "the user name leaves nothing that an address may hold");
      return NULL;
    }
  return g_strdup_printf ("%s%s@%s", local, suffix, machine);
}

/* '/' ends an address (a resource follows), so a user part cannot hold one unescaped. */
static gboolean
is_user (const char *text)
{
  if (*text == '\0')
    return FALSE;
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    if (*p == '/' || *p == '@' || is_invisible (g_utf8_get_char (p)))
      return FALSE;
  return TRUE;
}

gboolean
jid_split_instance (const char *instance, char **user, char **machine)
{
  g_autofree char *local = NULL;
  const char *at;

  if (instance == NULL || strnlen (instance, JID_INSTANCE_MAX + 1) > JID_INSTANCE_MAX)
    return FALSE;
  if (!g_utf8_validate (instance, -1, NULL))
    return FALSE;
  at = strchr (instance, '@');
  if (at == NULL || !is_machine (at + 1))
    return FALSE;
  local = g_strndup (instance, (gsize) (at - instance));
  if (!is_user (local))
    return FALSE;
  if (machine != NULL)
    *machine = g_strdup (at + 1);
  if (user != NULL)
    *user = g_steal_pointer (&local);
  return TRUE;
}

/* RFC 8264 section 5.2.1 (width mapping): full- and half-width forms become their ordinary selves. */
static char *
fold_width (const char *text)
{
  GString *out = g_string_new (NULL);

  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (c == 0x3000 || (c >= 0xff00 && c <= 0xffef))
        {
          g_autofree char *plain = g_utf8_normalize (p, g_utf8_next_char (p) - p, G_NORMALIZE_NFKC);

          g_string_append (out, plain != NULL ? plain : "");
        }
      else
        g_string_append_unichar (out, c);
    }
  return g_string_free (out, FALSE);
}

/* What jid_prepare() makes of an address of ASCII alone, where folding is lower case and nothing else; every stanza brings one. NULL: look
 * closer. */
static char *
prepare_ascii (const char *addr)
{
  char *out = g_malloc (JID_INSTANCE_MAX + 1);
  gsize n = 0, at = 0;

  for (; n < JID_INSTANCE_MAX && addr[n] > 0x20 && addr[n] < 0x7f && addr[n] != '/'; n++)
    {
      out[n] = g_ascii_tolower (addr[n]);
      if (addr[n] == '@' && at++ > 0)
        break;
    }
  out[n] = '\0';
  if (addr[n] == '\0' && at == 1 && out[0] != '@' && is_machine (strchr (out, '@') + 1))
    return out;
  g_free (out);
  return NULL;
}

char *
jid_prepare (const char *addr)
{
  g_autofree char *user = NULL, *machine = NULL, *wide = NULL, *folded = NULL, *nfc = NULL, *host = NULL;
  char *simple = addr != NULL ? prepare_ascii (addr) : NULL;

  if (simple != NULL)
    return simple;
  if (!jid_split_instance (addr, &user, &machine))
    return NULL;
  wide = fold_width (user);
  folded = g_utf8_casefold (wide, -1);
  nfc = g_utf8_normalize (folded, -1, G_NORMALIZE_NFC);
  /* Folding may bring forth a '@' or '/': then it was no address to begin with. */
  if (nfc == NULL || !is_user (nfc))
    return NULL;
  host = g_ascii_strdown (machine, -1);
  return g_strconcat (nfc, "@", host, NULL);
}

gboolean
jid_same (const char *a, const char *b)
{
  g_autofree char *prepared_a = jid_prepare (a);
  g_autofree char *prepared_b = NULL;

  if (prepared_a == NULL || g_strcmp0 (a, b) == 0)
    return prepared_a != NULL;
  prepared_b = jid_prepare (b);
  return g_strcmp0 (prepared_a, prepared_b) == 0;
}

char *
jid_display_user (const char *addr)
{
  g_autofree char *valid = g_utf8_make_valid (addr != NULL ? addr : "", -1);
  g_autofree char *user = NULL;
  GString *out = g_string_new (NULL);
  guint n = 0;

  valid[strcspn (valid, "@")] = '\0';
  user = jid_unescape_local (valid);
  for (const char *p = user; *p != '\0' && n < DISPLAY_MAX; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (is_invisible (c))
        continue;
      g_string_append_unichar (out, c);
      n++;
    }
  return g_string_free (out, FALSE);
}
