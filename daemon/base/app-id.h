/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Programs in sandboxes: how they are called, and words for what they may do. Pure.
 *
 * Threat: an id comes from a file in the sandbox or from a label. Only what app_id_is_valid() ever becomes a row on the disk, a text on the
 * bus or a word of the audit; it is never a path.
 */
#pragma once

#include <glib.h>

/* None implies another here; who grants `send` grants `read` with it (daemon/model/app-access.h). */
typedef enum {
  APP_MAY_NOTHING = 0,
  APP_MAY_READ = 1 << 0,   /* people, messages, questions */
  APP_MAY_SEND = 1 << 1,   /* speak in our name */
  APP_MAY_TRUST = 1 << 2,  /* decide whom to trust */
  APP_MAY_ADMIN = 1 << 3,  /* everything else */
} AppScopes;

#define APP_SCOPES_ALL (APP_MAY_READ | APP_MAY_SEND | APP_MAY_TRUST | APP_MAY_ADMIN)
#define APP_ID_MAX 128

/* `flatpak:` and at least three parts of A-Z a-z 0-9 _ - between dots, or `snap:` and a-z 0-9 - _; APP_ID_MAX bytes. */
gboolean app_id_is_valid (const char *app);
/* "read send", "" = nothing. Caller frees. */
char *app_scopes_to_string (AppScopes scopes);
gboolean app_scopes_from_string (const char *text, AppScopes *out);
/* One word. */
gboolean app_scope_from_word (const char *word, AppScopes *out);
