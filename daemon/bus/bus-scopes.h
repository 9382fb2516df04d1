/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a call needs: a table of every method and property of every interface. Pure.
 *
 * SECURITY CRITICAL. It is asked about programs in sandboxes only (docs/api.md section 2); the user's unconfined programs need nothing.
 * The default is refusal: what is not in the table needs `admin`. tests/unit/test-bus-scopes.c walks dbus/ and fails for a member that is
 * not here.
 */
#pragma once

#include <glib.h>

#include "daemon/base/app-id.h"

typedef enum { BUS_CALL, BUS_READ, BUS_WRITE } BusAction;

/* No grant is enough: only who is in no sandbox. Beside AppScopes in the same word. */
#define BUS_ONLY_UNCONFINED (1u << 8)

/* What `member` of `interface` (without the prefix; "ObjectManager") needs. FALSE: not in the table, `*need` is APP_MAY_ADMIN. */
gboolean bus_scopes_find (const char *interface, const char *member, BusAction action, guint *need);
/* Whether `granted` is enough. */
gboolean bus_scopes_allow (AppScopes granted, const char *interface, const char *member, BusAction action);
/* Every name in the table, "Interface.Member action": for the test that nothing is there in vain. */
GPtrArray *bus_scopes_list (void);
