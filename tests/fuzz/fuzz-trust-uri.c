/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A link to a key: what is accepted is the one spelling of what it says, down to the last byte.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/jid.h"
#include "daemon/proto/endpoint.h"
#include "daemon/proto/trust-uri.h"
#include "tests/fuzz/fuzz.h"

/* Whatever a person types: normal once is normal for ever. */
static void
check_endpoint (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *normal = endpoint_normalise (text, &error);
  g_autofree char *again = normal != NULL ? endpoint_normalise (normal, NULL) : NULL;

  g_assert ((normal == NULL) == (error != NULL));
  g_assert (normal == NULL || (strlen (normal) <= ENDPOINT_TEXT_MAX && g_strcmp0 (again, normal) == 0));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static const Fingerprint fp = { { 0xa5, 0x5a } };
  g_autofree char *addr = g_strndup ((const char *) data, size);
  g_autofree char *made = trust_uri_format (addr, &fp);
  g_autoptr (GError) error = NULL;
  TrustUri uri = { 0 };

  if (trust_uri_parse ((const char *) data, size, &uri, &error))
    {
      g_autofree char *again = trust_uri_write (&uri);

      g_assert (error == NULL && jid_split_instance (uri.addr, NULL, NULL));
      g_assert (strlen (again) == size && memcmp (again, data, size) == 0);
      /* None of them is ours to dial without thinking: one spelling, never this host. */
      for (guint i = 0; uri.endpoints != NULL && uri.endpoints[i] != NULL; i++)
        {
          g_autofree char *normal = endpoint_normalise (uri.endpoints[i], NULL);

          g_assert (i < TRUST_URI_ENDPOINTS_MAX && g_strcmp0 (normal, uri.endpoints[i]) == 0);
          g_assert (strlen (normal) <= ENDPOINT_TEXT_MAX && !g_str_has_prefix (normal, "127.") && strchr (normal, '%') == NULL);
        }
      g_assert (!uri.one_time || (uri.expires > 0 && uri.expires <= TRUST_URI_EXPIRES_MAX));
      trust_uri_clear (&uri);
    }
  else
    g_assert (error != NULL && uri.addr == NULL);
  check_endpoint (addr);
  /* Every address has a link, and it says just that. */
  g_assert ((made != NULL) == jid_split_instance (addr, NULL, NULL));
  if (made != NULL)
    {
      g_assert (trust_uri_parse (made, strlen (made), &uri, NULL));
      g_assert (strcmp (uri.addr, addr) == 0 && fingerprint_equal (&uri.fp, &fp));
      trust_uri_clear (&uri);
    }
  return 0;
}
