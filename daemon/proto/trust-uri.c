/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/proto/trust-uri.h"

#include <string.h>

#include "daemon/base/error.h"
#include "daemon/base/jid.h"
#include "daemon/base/names.h"

#define SCHEME "xmpp:"
#define ACTION "trust-message"
#define PARAMETERS_MAX 4 /* one more than there can be, so that the message names the one too many */

static gboolean
refuse (GError **error, const char *why)
{
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "no trust link: %s", why);
  return FALSE;
}

void
trust_uri_clear (TrustUri *uri)
{
  g_clear_pointer (&uri->addr, g_free);
}

char *
trust_uri_format (const char *addr, const Fingerprint *fp)
{
  g_autofree char *path = NULL;
  g_autofree char *encryption = NULL;
  g_autofree char *hex = NULL;

  if (!jid_split_instance (addr, NULL, NULL))
    return NULL;
  /* RFC 3986 2.3: all but the unreserved characters are escaped, with capital digits; the one '@' is what it means. */
  path = g_uri_escape_string (addr, "@", FALSE);
  encryption = g_uri_escape_string (NS_LL_TLS, NULL, FALSE);
  hex = fingerprint_to_hex (fp);
  return g_strconcat (SCHEME, path, "?" ACTION ";encryption=", encryption, ";trust=", hex, NULL);
}

/* The query behind the action. Duplicates and strangers are named here; spelling is checked by the caller. */
static gboolean
read_parameters (char **parameters, const char **trust, GError **error)
{
  const char *encryption = NULL;

  for (gsize i = 0; parameters[i] != NULL; i++)
    {
      const char **value;

      if (g_str_has_prefix (parameters[i], "encryption="))
        value = &encryption;
      else if (g_str_has_prefix (parameters[i], "trust="))
        value = trust;
      else if (g_str_has_prefix (parameters[i], "distrust="))
        return refuse (error, "it asks to distrust a key, which no link may");
      else
        return refuse (error, "it has a parameter that is not known here");
      if (*value != NULL)
        return refuse (error, value == trust ? "it names more than one key" : "a parameter stands twice");
      *value = strchr (parameters[i], '=') + 1;
    }
  if (encryption == NULL || *trust == NULL)
    return refuse (error, "encryption or trust is missing");
  return TRUE;
}

gboolean
trust_uri_parse (const char *text, gsize length, TrustUri *out, GError **error)
{
  g_autofree char *copy = NULL, *addr = NULL, *canonical = NULL;
  g_auto (GStrv) parameters = NULL;
  const char *trust = NULL;
  char *query;
  Fingerprint fp;

  if (length > TRUST_URI_MAX)
    return refuse (error, "it is too long");
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isgraph (text[i]))
      return refuse (error, "it has characters that no link has");
  copy = g_strndup (text, length);
  if (!g_str_has_prefix (copy, SCHEME))
    return refuse (error, "it does not begin with " SCHEME);
  query = strchr (copy, '?');
  if (query == NULL)
    return refuse (error, "it names no key");
  *query++ = '\0';
  if (!g_str_has_prefix (query, ACTION ";"))
    return refuse (error, "it asks for something else than trust");
  parameters = g_strsplit (query + strlen (ACTION ";"), ";", PARAMETERS_MAX);
  if (!read_parameters (parameters, &trust, error))
    return FALSE;
  if (strlen (trust) != 2 * FINGERPRINT_BYTES || !fingerprint_from_hex (trust, &fp))
    return refuse (error, "the key is not 64 hex digits");
  addr = g_uri_unescape_string (copy + strlen (SCHEME), NULL);
  canonical = addr != NULL ? trust_uri_format (addr, &fp) : NULL;
  if (canonical == NULL)
    return refuse (error, "its address is none");
  if (strlen (canonical) != length || memcmp (canonical, text, length) != 0)
    return refuse (error, "it is for another protocol, or not spelled as it must be");
  out->addr = g_steal_pointer (&addr);
  out->fp = fp;
  return TRUE;
}
