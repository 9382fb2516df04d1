/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Requests of the model: the questions that wait for a person, and which of them a peer's name means.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "cli/ctl.h"

/* The a{sv} Details; NULL = none. Borrowed. */
GVariant *request_get_details (Ctl *ctl, const char *path);
const char *request_detail (Ctl *ctl, const char *path, const char *key);
/* 64 digits of the key it asks about, "" = it is not about a key. */
const char *request_get_fingerprint (Ctl *ctl, const char *path);
/* About a program in a sandbox: neither contact nor key. */
gboolean request_is_app (Ctl *ctl, const char *path);
/* Our own key is live on another machine. */
gboolean request_is_own (Ctl *ctl, const char *path);
/* Path of the contact that introduces the key, "" = it is no introduction. */
const char *request_get_introducer (Ctl *ctl, const char *path);
/* About a peer without a key. */
gboolean request_is_legacy (Ctl *ctl, const char *path);
gboolean request_offers (Ctl *ctl, const char *path, const char *choice);

/* A fingerprint in groups, as people compare it. */
void request_print_key (Ctl *ctl, const char *label, const char *fingerprint);
/* What a person needs to decide, … */
void request_show (Ctl *ctl, const char *path);
/* … and the command line that says yes. */
void request_print (Ctl *ctl, const char *path);
void request_print_json (Ctl *ctl, const char *path);
void request_fill_json (Ctl *ctl, const char *path, JsonObject *object);

/* What a decision is about. Cleared with decision_clear(). */
typedef struct {
  char *contact;       /* path; "/" = a key that was introduced and never seen */
  char *request;       /* path, or NULL: nothing is pending */
  char *fingerprint;   /* 64 digits, or NULL: no key */
} Decision;

void decision_clear (Decision *decision);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Decision, decision_clear)

/* Finds contact, pending request and key for `peer`; `fingerprint` (--fingerprint, NULL = not given) narrows and must
 * match. Errors: NOT_FOUND, AMBIGUOUS, USAGE, MISMATCH. */
gboolean decision_find (Ctl *ctl, const char *peer, const char *fingerprint, Decision *decision, GError **error);
