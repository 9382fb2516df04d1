/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Programs in sandboxes and what they may do, in trust.db: one row for each that asked or was told. Plain values and their SQL; who may
 * decide, and how many rows there are, is daemon/model/app-access.h's.
 * A row that is not readable is nobody's grant.
 */
#pragma once

#include "daemon/base/app-id.h"
#include "daemon/io/db.h"

/* Open questions have ids of their own: those of peers lie below. */
#define APP_REQUEST_MIN (G_GUINT64_CONSTANT (1) << 31)
#define APP_REQUEST_MAX ((G_GUINT64_CONSTANT (1) << 32) - 1)

typedef struct {
  char *app;               /* flatpak:ID or snap:NAME */
  AppScopes scopes;
  guint64 request;         /* the open question, 0 = it was decided */
  AppScopes wants;         /* what its first call needed */
  gint64 since;            /* when it asked, or was decided */
  gint64 snoozed_until;
} AppRow;

void app_row_clear (AppRow *row);

/* --- for the store, within its jobs ---- */

gboolean trust_apps_put (sqlite3 *handle, const AppRow *row, GError **error);
gboolean trust_apps_delete (sqlite3 *handle, const char *app, GError **error);
