/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Comparing codes, as `verify` does it, for other subcommands.
 */
#pragma once

#include "cli/trust-requests.h"

/* The answer `choice` (verify, verify-replace) to the decision's request, with the options of Resolve() (floating): compares codes
 * with that key, or without a terminal prints ours and ends. An exit code. */
int verify_decision (Ctl *ctl, const Decision *decision, const char *choice, GVariant *resolve_options);
