/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A link to a key: what is accepted is the one spelling of what it says, down to the last byte.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/jid.h"
#include "daemon/proto/trust-uri.h"
#include "tests/fuzz/fuzz.h"

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
      g_autofree char *again = trust_uri_format (uri.addr, &uri.fp);

      g_assert (error == NULL && jid_split_instance (uri.addr, NULL, NULL));
      g_assert (strlen (again) == size && memcmp (again, data, size) == 0);
      trust_uri_clear (&uri);
    }
  else
    g_assert (error != NULL && uri.addr == NULL);
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
