/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * discovery.h without a network, for the tests of the model floor: link fake-discovery.c before libio and the program gets this one.
 * A test plays the link with the verbs below; callbacks run inside them.
 */
#pragma once

#include "daemon/io/discovery.h"

/* The latest one made, or NULL. */
Discovery *fake_discovery_get (void);

/* What the code under test published: NULL while it has not, or has withdrawn. */
const char *fake_discovery_get_user_part (Discovery *d);
guint16 fake_discovery_get_port (Discovery *d);
GPtrArray *fake_discovery_get_txt (Discovery *d); /* borrowed */
guint fake_discovery_count_updates (Discovery *d);
guint fake_discovery_count_rescans (Discovery *d);

/* The stack speaks. `machine` is "pronto" until another is given; establish() uses the published user part. */
void fake_discovery_state (Discovery *d, const char *state, const char *reason);
void fake_discovery_establish (Discovery *d, const char *machine);
void fake_discovery_warn (Discovery *d, const char *key, const char *text);

/* A peer on the link; `txt` are strings up to NULL, or NULL = TXT not known yet. */
void fake_discovery_sight (Discovery *d, const char *instance, int ifindex, int family, const char *const *txt);
void fake_discovery_gone (Discovery *d, const char *instance, int ifindex, int family);

/* What resolving that instance gives from now on: "ADDRESS" and port, or NULL = nobody answers. Answers come from the main loop. */
void fake_discovery_locate (Discovery *d, const char *instance, const char *address, guint16 port);
/* One more address there. */
void fake_discovery_locate_also (Discovery *d, const char *instance, const char *address, guint16 port);
guint fake_discovery_count_resolves (Discovery *d, const char *instance);
