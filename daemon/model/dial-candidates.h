/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where somebody may be: which of a contact's endpoints to call, and in what order. What became of the calls is the dialer's to note.
 * Main thread only. Internal to dialer.c.
 */
#pragma once

#include <gio/gio.h>

#include "daemon/model/contacts.h"
#include "daemon/model/session.h"

typedef struct {
  char *instance, *domain; /* announced; or */
  char *host;              /* static */
  guint16 port;
  GSocketAddress *literal; /* static, and no name: nothing has to be looked up */
  gboolean direct;         /* announced: direct TLS first */
  gboolean called;         /* literal: under way, beside others */
  gboolean spent;          /* literal: had its turn */
} DialCandidate;

/* Of DialCandidate, owned, 16 at most. Its own endpoints first; then whoever took its name: dialling tells the people that the key changed
 * (P-09), and the expected key is demanded there, too, so that nothing can leave (T-12). */
GPtrArray *dial_candidates_of (Sessions *sessions, Contact *contact);
/* Is that the address of this literal? */
gboolean dial_candidate_is_at (const DialCandidate *candidate, GInetSocketAddress *place);
