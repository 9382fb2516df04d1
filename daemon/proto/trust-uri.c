/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/proto/trust-uri.h"

#include <string.h>

#include "daemon/base/error.h"
#include "daemon/base/jid.h"
#include "daemon/base/names.h"
#include "daemon/proto/endpoint.h"

#define SCHEME "xmpp:"
#define ACTION "trust-message"
#define PARAMETERS_MAX 6 /* one more than there can be, so that the message names the one too many */
#define SECRET_LENGTH 22 /* of 16 bytes in base64url, without padding */

/* What stands behind the equals signs; NULL = the parameter is not there. */
typedef struct {
  const char *encryption, *trust, *endpoints, *secret, *expires;
} Values;

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
  g_clear_pointer (&uri->endpoints, g_strfreev);
  explicit_bzero (uri->secret, sizeof uri->secret);
}

/* --- writing --------------------------------------------------------------------------------------------------- */

/* RFC 4648 section 5, without padding. */
static void
append_secret (GString *out, const guint8 secret[TRUST_URI_SECRET_BYTES])
{
  g_autofree char *text = g_base64_encode (secret, TRUST_URI_SECRET_BYTES);

  g_strdelimit (text, "+", '-');
  g_strdelimit (text, "/", '_');
  g_string_append_len (out, text, SECRET_LENGTH);
  explicit_bzero (text, strlen (text));
}

static gboolean
append_endpoints (GString *out, char **endpoints)
{
  for (guint i = 0; endpoints[i] != NULL; i++)
    {
      g_autofree char *normal = endpoint_normalise (endpoints[i], NULL);
      g_autofree char *escaped = NULL;

      if (i >= TRUST_URI_ENDPOINTS_MAX || g_strcmp0 (normal, endpoints[i]) != 0)
        return FALSE;
      for (guint j = 0; j < i; j++)
        if (strcmp (endpoints[j], endpoints[i]) == 0)
          return FALSE;
      escaped = g_uri_escape_string (endpoints[i], NULL, FALSE);
      g_string_append (out, i == 0 ? ";e=" : ",");
      g_string_append (out, escaped);
    }
  return TRUE;
}

char *
trust_uri_write (const TrustUri *uri)
{
  g_autoptr (GString) out = NULL;
  g_autofree char *path = NULL;
  g_autofree char *encryption = NULL;
  g_autofree char *hex = NULL;

  if (!jid_split_instance (uri->addr, NULL, NULL))
    return NULL;
  /* RFC 3986 2.3: all but the unreserved characters are escaped, with capital digits; the one '@' is what it means. */
  path = g_uri_escape_string (uri->addr, "@", FALSE);
  encryption = g_uri_escape_string (NS_LL_TLS, NULL, FALSE);
  hex = fingerprint_to_hex (&uri->fp);
  out = g_string_sized_new (TRUST_URI_MAX + 1);
  g_string_append_printf (out, SCHEME "%s?" ACTION ";encryption=%s;trust=%s", path, encryption, hex);
  if (uri->endpoints != NULL && !append_endpoints (out, uri->endpoints))
    return NULL;
  if (uri->one_time)
    {
      if (uri->expires < 1 || uri->expires > TRUST_URI_EXPIRES_MAX)
        return NULL;
      g_string_append (out, ";s=");
      append_secret (out, uri->secret);
      g_string_append_printf (out, ";x=%" G_GINT64_FORMAT, uri->expires);
    }
  return g_string_free (g_steal_pointer (&out), FALSE);
}

char *
trust_uri_format (const char *addr, const Fingerprint *fp)
{
  TrustUri uri = { .addr = (char *) addr, .fp = *fp };

  return trust_uri_write (&uri);
}

/* --- reading --------------------------------------------------------------------------------------------------- */

/* The query behind the action. Duplicates and strangers are named here; spelling and order are checked by the caller. */
static gboolean
read_parameters (char **parameters, Values *values, GError **error)
{
  const struct {
    const char *name;
    const char **value;
  } known[] = { { "encryption=", &values->encryption }, { "trust=", &values->trust }, { "e=", &values->endpoints },
                { "s=", &values->secret }, { "x=", &values->expires } };

  for (gsize i = 0; parameters[i] != NULL; i++)
    {
      const char **value = NULL;

      if (g_str_has_prefix (parameters[i], "distrust="))
        return refuse (error, "it asks to distrust a key, which no link may");
      for (guint k = 0; k < G_N_ELEMENTS (known) && value == NULL; k++)
        if (g_str_has_prefix (parameters[i], known[k].name))
          value = known[k].value;
      if (value == NULL)
        return refuse (error, "it has a parameter that is not known here");
      if (*value != NULL)
        return refuse (error, value == &values->trust ? "it names more than one key" : "a parameter stands twice");
      *value = strchr (parameters[i], '=') + 1;
    }
  if (values->encryption == NULL || values->trust == NULL)
    return refuse (error, "encryption or trust is missing");
  if ((values->secret == NULL) != (values->expires == NULL))
    return refuse (error, "a secret goes with an expiry");
  return TRUE;
}

static gboolean
read_endpoints (const char *value, TrustUri *uri, GError **error)
{
  g_auto (GStrv) items = g_strsplit (value, ",", TRUST_URI_ENDPOINTS_MAX + 1);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  if (g_strv_length (items) > TRUST_URI_ENDPOINTS_MAX)
    return refuse (error, "it names too many endpoints");
  for (guint i = 0; items[i] != NULL; i++)
    {
      g_autofree char *text = g_uri_unescape_string (items[i], NULL);
      g_autofree char *normal = text != NULL ? endpoint_normalise (text, NULL) : NULL;

      if (normal == NULL || strcmp (normal, text) != 0)
        return refuse (error, "one of its endpoints is none, or not spelled as it must be");
      g_strv_builder_add (builder, text);
    }
  uri->endpoints = g_strv_builder_end (builder);
  return TRUE;
}

static gboolean
read_one_time (const Values *values, TrustUri *uri, GError **error)
{
  char padded[SECRET_LENGTH + 3];
  guint64 expires;
  gsize len = 0;

  if (strlen (values->secret) != SECRET_LENGTH || strpbrk (values->secret, "+/=") != NULL)
    return refuse (error, "its secret is none");
  if (!g_ascii_string_to_unsigned (values->expires, 10, 1, TRUST_URI_EXPIRES_MAX, &expires, NULL))
    return refuse (error, "its expiry is none");
  g_snprintf (padded, sizeof padded, "%s==", values->secret);
  g_strdelimit (padded, "-", '+');
  g_strdelimit (padded, "_", '/');
  g_base64_decode_inplace (padded, &len);
  if (len == TRUST_URI_SECRET_BYTES)
    memcpy (uri->secret, padded, TRUST_URI_SECRET_BYTES);
  explicit_bzero (padded, sizeof padded);
  if (len != TRUST_URI_SECRET_BYTES)
    return refuse (error, "its secret is none");
  uri->one_time = TRUE;
  uri->expires = (gint64) expires;
  return TRUE;
}

static gboolean
read_values (const Values *values, TrustUri *uri, GError **error)
{
  if (strlen (values->trust) != 2 * FINGERPRINT_BYTES || !fingerprint_from_hex (values->trust, &uri->fp))
    return refuse (error, "the key is not 64 hex digits");
  return (values->endpoints == NULL || read_endpoints (values->endpoints, uri, error))
         && (values->secret == NULL || read_one_time (values, uri, error));
}

gboolean
trust_uri_parse (const char *text, gsize length, TrustUri *out, GError **error)
{
  g_autofree char *copy = NULL, *canonical = NULL;
  g_auto (GStrv) parameters = NULL;
  g_auto (TrustUri) uri = { 0 };
  Values values = { 0 };
  char *query;

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
  if (!read_parameters (parameters, &values, error) || !read_values (&values, &uri, error))
    return FALSE;
  uri.addr = g_uri_unescape_string (copy + strlen (SCHEME), NULL);
  canonical = uri.addr != NULL ? trust_uri_write (&uri) : NULL;
  if (canonical == NULL)
    return refuse (error, uri.addr != NULL && jid_split_instance (uri.addr, NULL, NULL) ? "an endpoint stands twice"
                                                                                        : "its address is none");
  if (strlen (canonical) != length || memcmp (canonical, text, length) != 0)
    return refuse (error, "it is for another protocol, or not spelled as it must be");
  *out = uri;
  memset (&uri, 0, sizeof uri);
  return TRUE;
}
