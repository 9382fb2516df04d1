/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/proto/trust-message.h"

#include <string.h>

#include "daemon/base/error.h"
#include "daemon/base/names.h"

#define OWNERS_MAX 8
#define BASE64_LENGTH 44 /* of 32 bytes: 43 digits and one '=' */

static gboolean
refuse (GError **error, const char *why)
{
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "no trust message: %s", why);
  return FALSE;
}

void
trust_message_clear (TrustMessage *said)
{
  g_clear_pointer (&said->name, g_free);
  g_clear_pointer (&said->note, g_free);
}

gboolean
trust_message_is_in (const Stanza *message)
{
  return stanza_get_child (message, "trust-message", NS_TRUST_MESSAGE) != NULL;
}

/* --- texts ------------------------------------------------------------------------------------ */

/* Whatever ends a line, or changes how what stands around it is shown. */
static gboolean
is_unwanted (gunichar c)
{
  GUnicodeType type = g_unichar_type (c);

  if (type == G_UNICODE_CONTROL || type == G_UNICODE_SURROGATE || type == G_UNICODE_LINE_SEPARATOR
      || type == G_UNICODE_PARAGRAPH_SEPARATOR)
    return TRUE;
  return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

char *
trust_message_clean (const char *text, guint max)
{
  g_autofree char *valid = g_utf8_make_valid (text != NULL ? text : "", -1);
  GString *out = g_string_new (NULL);
  guint n = 0;

  for (const char *p = valid; *p != '\0' && n < max; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (is_unwanted (c))
        continue;
      g_string_append_len (out, p, g_utf8_next_char (p) - p);
      n++;
    }
  g_strstrip (out->str);
  return g_string_free (out, FALSE);
}

static gboolean
fits (const char *text, guint max)
{
  return g_utf8_validate (text, -1, NULL) && g_utf8_strlen (text, -1) <= (glong) max;
}

/* An element that holds elements may be indented, no more. */
static gboolean
has_words (const Stanza *element)
{
  g_autofree char *text = stanza_dup_text (element);

  return text[strspn (text, " \t\r\n")] != '\0';
}

/* --- reading ---------------------------------------------------------------------------------- */

/* One key, one spelling: g_base64_decode() alone takes nearly everything. */
static gboolean
read_key (const Stanza *element, Fingerprint *out)
{
  g_autofree char *text = stanza_dup_text (element);

  if (stanza_n_children (element) > 0 || stanza_n_attrs (element) > 0 || strlen (text) != BASE64_LENGTH
      || text[BASE64_LENGTH - 1] != '=' || strpbrk (text, "-_") != NULL)
    return FALSE;
  g_strdelimit (text, "+", '-');
  g_strdelimit (text, "/", '_');
  return fingerprint_from_base64url (text, BASE64_LENGTH - 1, out);
}

static gboolean
names_key (const TrustMessage *said, const Fingerprint *fp)
{
  for (guint i = 0; i < said->n_keys; i++)
    if (fingerprint_equal (&said->keys[i].fp, fp))
      return TRUE;
  return FALSE;
}

static gboolean
read_owner (const Stanza *owner, TrustMessage *said, GError **error)
{
  guint attrs = stanza_get_attr (owner, "jid") != NULL ? 1 : 0;

  if (!stanza_is (owner, "key-owner", NS_TRUST_MESSAGE) || stanza_n_attrs (owner) != attrs || has_words (owner))
    return refuse (error, "it holds something else than owners of keys");
  if (stanza_n_children (owner) == 0)
    return refuse (error, "an owner has no key");
  for (const Stanza *child = stanza_next_child (owner, NULL); child != NULL; child = stanza_next_child (owner, child))
    {
      TrustMessageKey key = { .distrust = stanza_is (child, "distrust", NS_TRUST_MESSAGE) };

      if (!key.distrust && !stanza_is (child, "trust", NS_TRUST_MESSAGE))
        return refuse (error, "it says something else of a key than to trust it or not");
      if (!read_key (child, &key.fp))
        return refuse (error, "a key is no fingerprint in base64");
      if (names_key (said, &key.fp))
        return refuse (error, "it names a key twice");
      if (said->n_keys == TRUST_MESSAGE_KEYS_MAX)
        return refuse (error, "it names too many keys");
      said->keys[said->n_keys++] = key;
    }
  return TRUE;
}

static gboolean
read_about (const Stanza *message, const Stanza *about, TrustMessage *said, GError **error)
{
  const char *name = about != NULL ? stanza_get_attr (about, "name") : NULL;
  g_autofree char *note = about != NULL ? stanza_dup_text (about) : g_strdup ("");
  guint n = 0;

  for (const Stanza *child = stanza_next_child (message, NULL); child != NULL; child = stanza_next_child (message, child))
    n += strcmp (stanza_get_ns (child), NS_LL_INTRO) == 0;
  if (n > (about != NULL ? 1u : 0u))
    return refuse (error, "it says something of the owner that is not known here");
  if (about != NULL && (stanza_n_attrs (about) != (name != NULL ? 1u : 0u) || stanza_n_children (about) > 0))
    return refuse (error, "what it says of the owner is not known here");
  if ((name != NULL && !fits (name, TRUST_MESSAGE_NAME_MAX)) || !fits (note, TRUST_MESSAGE_NOTE_MAX))
    return refuse (error, "the name or the note is too long");
  said->name = trust_message_clean (name, TRUST_MESSAGE_NAME_MAX);
  said->note = trust_message_clean (note, TRUST_MESSAGE_NOTE_MAX);
  return TRUE;
}

gboolean
trust_message_parse (const Stanza *message, TrustMessage *out, GError **error)
{
  const Stanza *element = stanza_get_child (message, "trust-message", NS_TRUST_MESSAGE);
  const Stanza *about = stanza_get_child (message, "about", NS_LL_INTRO);
  g_auto (TrustMessage) said = { .n_keys = 0 };
  guint n = 0;

  for (const Stanza *child = stanza_next_child (message, NULL); child != NULL; child = stanza_next_child (message, child))
    n += strcmp (stanza_get_ns (child), NS_TRUST_MESSAGE) == 0;
  if (element == NULL || n != 1)
    return refuse (error, "there is none, or more than one");
  /* XEP-0434 4: for another purpose, or about keys of another kind, it is not for us. */
  if (g_strcmp0 (stanza_get_attr (element, "usage"), NS_LL_INTRO) != 0
      || g_strcmp0 (stanza_get_attr (element, "encryption"), NS_LL_TLS) != 0 || stanza_n_attrs (element) != 2)
    return refuse (error, "it is for another purpose, or about other keys");
  if (stanza_n_children (element) == 0 || stanza_n_children (element) > OWNERS_MAX || has_words (element))
    return refuse (error, "it names no owner, or too many");
  if (about != NULL && stanza_n_children (element) != 1)
    return refuse (error, "it says something of several owners at once");
  for (const Stanza *child = stanza_next_child (element, NULL); child != NULL; child = stanza_next_child (element, child))
    if (!read_owner (child, &said, error))
      return FALSE;
  if (!read_about (message, about, &said, error))
    return FALSE;
  *out = said;
  memset (&said, 0, sizeof said);
  return TRUE;
}

/* --- writing ---------------------------------------------------------------------------------- */

void
trust_message_add (Stanza *message, const TrustMessage *said, const char *jid)
{
  g_autofree char *name = trust_message_clean (said->name, TRUST_MESSAGE_NAME_MAX);
  g_autofree char *note = trust_message_clean (said->note, TRUST_MESSAGE_NOTE_MAX);
  Stanza *element = stanza_add_new (message, "trust-message", NS_TRUST_MESSAGE, NULL);
  Stanza *owner = stanza_add_new (element, "key-owner", NS_TRUST_MESSAGE, NULL);

  stanza_set_attr (element, "usage", NS_LL_INTRO);
  stanza_set_attr (element, "encryption", NS_LL_TLS);
  if (*jid != '\0')
    stanza_set_attr (owner, "jid", jid);
  for (guint i = 0; i < MIN (said->n_keys, TRUST_MESSAGE_KEYS_MAX); i++)
    {
      g_autofree char *text = g_base64_encode (said->keys[i].fp.bytes, FINGERPRINT_BYTES);

      stanza_add_new (owner, said->keys[i].distrust ? "distrust" : "trust", NS_TRUST_MESSAGE, text);
    }
  if (*name != '\0' || *note != '\0')
    {
      Stanza *about = stanza_add_new (message, "about", NS_LL_INTRO, *note != '\0' ? note : NULL);

      if (*name != '\0')
        stanza_set_attr (about, "name", name);
    }
}
