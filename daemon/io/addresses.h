/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * This host's own addresses, for invites: what others could dial. Asked of the kernel each time; main thread, does not wait.
 */
#pragma once

#include <glib.h>

/* Up to `max` addresses of links that are up, without loopback: reachable from afar first, those that mean something on their own link
 * only last, without scope; each once. `interfaces`: only these links; NULL = all. Free with g_strfreev(). */
char **addresses_list (const char *const *interfaces, guint max);
/* Up to `max` links that are up and could reach a link-local IPv6 address. Free with g_strfreev(). */
char **addresses_list_links (const char *const *interfaces, guint max);
/* An IPv6 link-local address that does not say on which link. */
gboolean addresses_need_link (const char *host);
