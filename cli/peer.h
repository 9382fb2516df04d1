/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Contacts and keys of the model, as commands name and show them. Strings are borrowed from the model unless _dup.
 */
#pragma once

#include "cli/ctl.h"
#include "cli/out.h"
#include "cli/selector.h"

/* The word of the trust column: "blocked", or the level of the active key. */
const char *peer_get_trust (Ctl *ctl, const char *path);
const char *peer_get_petname (Ctl *ctl, const char *path);
const char *peer_get_reach (Ctl *ctl, const char *path);
/* 64 digits of the active key, else of the first one, else "". */
const char *peer_get_fingerprint (Ctl *ctl, const char *path);
/* All of them; container the caller's. */
const char **peer_get_fingerprints (Ctl *ctl, const char *path);
/* For people: the petname; without one what the peer claims, in parentheses. Not escaped. Caller frees. */
char *peer_dup_label (Ctl *ctl, const char *path);
/* What to type to mean this peer: petname, 16 digits, or address. Caller frees. */
char *peer_dup_selector (Ctl *ctl, const char *path);
/* "(link address:port), ..."; caller frees. */
char *peer_dup_endpoints (Ctl *ctl, const char *path);

/* Whether it speaks in clear only: it has no key to be known by, and never had one. */
gboolean peer_is_legacy (Ctl *ctl, const char *path);
/* The contact meant by `text`; NULL and NOT_FOUND, AMBIGUOUS (candidates named) or USAGE (a claimed name where trust
 * changes, unless it is the full address of the only peer of that address, and legacy: there is nothing else to name it by).
 * Caller frees. */
char *peer_select (Ctl *ctl, const char *text, SelectorUse use, GError **error);

/* {"petname","fingerprint","trust"}, with `trust` as given or, NULL, as it is now. */
JsonObject *peer_ref_to_json (Ctl *ctl, const char *path, const char *trust);
/* The line of type "peer". */
JsonObject *peer_to_json (Ctl *ctl, const char *path);

/* How a key came to be trusted, with who introduced it; "" = nobody decided. Not escaped. Caller frees. */
char *key_dup_source (Ctl *ctl, const char *key);
/* 8 groups of 8: the form for people. Caller frees. */
char *fingerprint_dup_groups (const char *hex);
/* Whether level `trust` is at least `wanted` ("pinned", ...); revoked, blocked and none reach nothing. */
gboolean trust_reaches (const char *trust, const char *wanted);
