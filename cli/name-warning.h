/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is wrong with the names that a peer claims, in words.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "cli/ctl.h"

/* "lookalike of juliet"; NULL = nothing is wrong. Not escaped; caller frees. */
char *name_warning_dup_short (Ctl *ctl, const char *contact);
/* The same with what it means. */
char *name_warning_dup (Ctl *ctl, const char *contact);
/* Whom it can be taken for, as a reference to a peer; nothing where it can not. */
void name_warning_add_json (Ctl *ctl, const char *contact, JsonObject *object);
