/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whether avahi-daemon is there: owns its name on the system bus. One stack per host is right, so this is asked
 * before we run our own, and watched afterwards. Asynchronous, over a private bus connection; costs nothing while
 * nothing changes. Main thread only.
 */
#pragma once

#include <gio/gio.h>

typedef struct _DiscoveryAuto DiscoveryAuto;

/* Called once for the first finding and then at each change; never before discovery_auto_new() has returned. */
typedef void (*DiscoveryAutoFunc) (gpointer user, gboolean avahi_is_there);

DiscoveryAuto *discovery_auto_new (DiscoveryAutoFunc func, gpointer user);
/* No call follows. */
void discovery_auto_free (DiscoveryAuto *self);
