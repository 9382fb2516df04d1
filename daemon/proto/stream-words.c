/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/proto/stream-words.h"

#include <string.h>

static const char *const stream_errors[] = {
  "bad-format", "bad-namespace-prefix", "conflict", "connection-timeout", "host-gone", "host-unknown",
  "improper-addressing", "internal-server-error", "invalid-from", "invalid-namespace", "invalid-xml",
  "not-authorized", "not-well-formed", "policy-violation", "remote-connection-failed", "reset",
  "resource-constraint", "restricted-xml", "see-other-host", "system-shutdown", "undefined-condition",
  "unsupported-encoding", "unsupported-feature", "unsupported-stanza-type", "unsupported-version", NULL
};

static const char *const sasl_errors[] = {
  "aborted", "account-disabled", "credentials-expired", "encryption-required", "incorrect-encoding",
  "invalid-authzid", "invalid-mechanism", "malformed-request", "mechanism-too-weak", "not-authorized",
  "temporary-auth-failure", NULL
};

static const char *const own_words[] = { "closed", "eof", "tls", "peer-insecure", "injection", NULL };

static const char *
find (const char *const *table, const char *name)
{
  for (; *table != NULL; table++)
    if (g_strcmp0 (*table, name) == 0)
      return *table;
  return NULL;
}

const char *
stream_error_word (const char *name)
{
  return find (stream_errors, name);
}

const char *
sasl_error_word (const char *name)
{
  return find (sasl_errors, name);
}

const char *
stream_end_word (const char *name)
{
  const char *word = find (own_words, name);

  return word != NULL ? word : "undefined-condition";
}

guchar *
sasl_decode (const char *text, gsize *len)
{
  g_autofree guchar *bytes = NULL;
  g_autofree char *again = NULL;

  *len = 0;
  if (*text == '\0' || strcmp (text, "=") == 0)
    return (guchar *) g_strdup ("");
  if (strlen (text) % 4 != 0)
    return NULL;
  /* GLib skips what is not base64; written again it must be what came. */
  bytes = g_base64_decode (text, len);
  again = g_base64_encode (bytes, *len);
  return strcmp (again, text) == 0 ? g_steal_pointer (&bytes) : NULL;
}
