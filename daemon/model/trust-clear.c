/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Peers without TLS (docs/protocol.md 3.9). Threat: whoever strips STARTTLS looks like one of them, and a name is anybody's claim.
 * Refused unless people said otherwise.
 */
#include "earshot-config.h"

#include "daemon/base/log.h"
#include "daemon/model/trust-private.h"

gboolean
trust_admits_clear (Trust *trust, Contact *contact, const char *addr, const char *link, gboolean inbound)
{
  g_autofree char *name = log_safe (addr);

  log_event (G_LOG_LEVEL_INFO, "trust", contact_get_id (contact), 0, "legacy-refused", "%s speaks no TLS (%s): refused", name,
             inbound ? "inbound" : "outbound");
  return FALSE;
}
