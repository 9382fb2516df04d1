/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/proto/stream-in.h"

#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/stream-out.h"
#include "daemon/proto/stream-words.h"

/* RFC 6120 section 13.12 forbids a limit below 10 000; above a megabyte nothing of ours ever is. */
#define LIMIT_FLOOR 10000
#define LIMIT_CEILING (1024 * 1024)

/* RFC 6120 section 4.7.5: "MAJOR.MINOR", both numbers; ours is 1.0, a higher one is answered by ours. */
gboolean
stream_version_is_low (const char *version)
{
  guint64 major;
  char *rest = NULL;

  if (!g_ascii_isdigit (*version))
    return TRUE;
  major = g_ascii_strtoull (version, &rest, 10);
  return major < 1 || *rest != '.' || !g_ascii_isdigit (rest[1]);
}

gboolean
stream_offers_external (const Stanza *features)
{
  const Stanza *mechanisms = stanza_get_child (features, "mechanisms", NS_SASL), *m = NULL;

  while (mechanisms != NULL && (m = stanza_next_child (mechanisms, m)) != NULL)
    {
      g_autofree char *name = stanza_dup_text (m);

      if (stanza_is (m, "mechanism", NS_SASL) && strcmp (g_strstrip (name), "EXTERNAL") == 0)
        return TRUE;
    }
  return FALSE;
}

gsize
stream_read_limit (const Stanza *features)
{
  const Stanza *limits = stanza_get_child (features, "limits", NS_LIMITS);
  const Stanza *max = limits != NULL ? stanza_get_child (limits, "max-bytes", NS_LIMITS) : NULL;
  g_autofree char *text = max != NULL ? stanza_dup_text (max) : NULL;
  guint64 value;

  if (text != NULL && g_ascii_string_to_unsigned (text, 10, LIMIT_FLOOR, LIMIT_CEILING, &value, NULL))
    return (gsize) value;
  return STREAM_MAX_STANZA;
}

/* docs/protocol.md 2.4: empty, or exactly the stream's `from`. */
const char *
stream_check_auth (const Stanza *auth, const char *from)
{
  g_autofree char *text = stanza_dup_text (auth);
  g_autofree guchar *authzid = NULL;
  gsize len;

  if (g_strcmp0 (stanza_get_attr (auth, "mechanism"), "EXTERNAL") != 0)
    return "invalid-mechanism";
  authzid = sasl_decode (text, &len);
  if (authzid == NULL)
    return "incorrect-encoding";
  /* By length: a NUL behind the right name makes it another one. */
  if (len > 0 && (from == NULL || len != strlen (from) || memcmp (authzid, from, len) != 0))
    return "invalid-authzid";
  return NULL;
}

gboolean
stream_is_stanza (const Stanza *e)
{
  return stanza_is (e, "message", NS_CLIENT) || stanza_is (e, "iq", NS_CLIENT) || stanza_is (e, "presence", NS_CLIENT);
}

gboolean
stream_is_blank (const char *bytes, gsize len)
{
  for (gsize i = 0; i < len; i++)
    if (bytes[i] != ' ' && bytes[i] != '\t' && bytes[i] != '\r' && bytes[i] != '\n')
      return FALSE;
  return TRUE;
}

const char *
stream_parse_word (XmlStreamError error)
{
  switch (error)
    {
    case XML_STREAM_ERROR_NOT_WELL_FORMED:
      return "not-well-formed";
    case XML_STREAM_ERROR_UNSUPPORTED_ENCODING:
      return "unsupported-encoding";
    case XML_STREAM_ERROR_RESTRICTED_XML:
      return "restricted-xml";
    case XML_STREAM_ERROR_BAD_FORMAT:
      return "bad-format";
    case XML_STREAM_ERROR_POLICY_VIOLATION:
    case XML_STREAM_ERROR_STANZA_TOO_BIG:
      return "policy-violation";
    }
  return "undefined-condition";
}
