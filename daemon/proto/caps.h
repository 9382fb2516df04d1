/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What we can do, said once: the disco#info answer (XEP-0030) and its XEP-0115 hash.
 * No security decision rests on caps. One thread.
 */
#pragma once

#include <glib.h>

#include "daemon/proto/stanza.h"

/* base64 SHA-1 verification string of our own disco#info (XEP-0115 section 5); static. */
const char *caps_own_ver (void);
/* Our <query xmlns='http://jabber.org/protocol/disco#info' node='NODE#VER'>; a new reference. */
Stanza *caps_own_disco_info (void);
/* XEP-0115 section 5.1 over any disco#info query; NULL when it is ill-formed by section 5.4. Caller frees. */
char *caps_ver_of (const Stanza *query);
/* Does this disco#info (may be NULL) list the feature? */
gboolean caps_has_feature (const Stanza *query, const char *feature);
