/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The program of `agent --exec`: one run after the other, each with a JSON line on its stdin and EARSHOT_* in its environment. What it does
 * or how it ends decides nothing. At most 256 events wait for it; later ones are left out, and said so.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "cli/ctl.h"

typedef struct _AgentHook AgentHook;

AgentHook *agent_hook_new (Ctl *ctl, const char *command);
/* What runs is left to itself. */
void agent_hook_free (AgentHook *hook);
void agent_hook_run (AgentHook *hook, JsonObject *event_take);
