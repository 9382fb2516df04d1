/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whether an address that a peer puts beside its words may be shown as a link (XEP-0066): somebody may click it, and then
 * it goes to a browser and nowhere else. Pure.
 */
#pragma once

#include <glib.h>

#define WEB_LINK_MAX 2048

/* An http or https URI with a host, no user in it, at most WEB_LINK_MAX bytes, nothing but printable ASCII. */
gboolean web_link_is_valid (const char *url);
