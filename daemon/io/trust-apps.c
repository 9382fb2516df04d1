/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/trust-apps.h"

#include "daemon/base/log.h"
#include "daemon/io/db-values.h"
#include "daemon/io/trust-store-private.h"

#define ROWS_MAX 1024 /* read from the disk; the model keeps fewer */

void
app_row_clear (AppRow *row)
{
  g_clear_pointer (&row->app, g_free);
}

/* --- on the writer thread ------------------------------------------------------------------------------------------ */

gboolean
trust_apps_put (sqlite3 *handle, const AppRow *row, GError **error)
{
  static const char sql[] = "INSERT OR REPLACE INTO app (app, scopes, request, wants, since, snoozed_until)"
                            " VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
  g_autofree char *scopes = app_scopes_to_string (row->scopes);
  g_autofree char *wants = app_scopes_to_string (row->wants);
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);

  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, row->app);
  db_bind_text (stmt, 2, scopes);
  db_bind_seq (stmt, 3, row->request);
  db_bind_text (stmt, 4, wants);
  sqlite3_bind_int64 (stmt, 5, row->since);
  sqlite3_bind_int64 (stmt, 6, row->snoozed_until);
  return db_step_done (handle, stmt, error);
}

gboolean
trust_apps_delete (sqlite3 *handle, const char *app, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, "DELETE FROM app WHERE app = ?1", error);

  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, app);
  return db_step_done (handle, stmt, error);
}

/* --- at start ------------------------------------------------------------------------------------------------------- */

static gboolean
read_row (sqlite3_stmt *stmt, AppRow *item)
{
  g_autofree char *app = db_column_dup_or_empty (stmt, 0);
  g_autofree char *scopes = db_column_dup_or_empty (stmt, 1);
  g_autofree char *wants = db_column_dup_or_empty (stmt, 3);
  gint64 request;

  if (!app_id_is_valid (app) || !db_column_range (stmt, 2, 0, APP_REQUEST_MAX, &request)
      || (request != 0 && (guint64) request < APP_REQUEST_MIN))
    return FALSE;
  if (!app_scopes_from_string (scopes, &item->scopes))
    {
      log_warn ("store", "what %s may do is not readable and counts as nothing", app);
      item->scopes = APP_MAY_NOTHING;
    }
  if (!app_scopes_from_string (wants, &item->wants))
    item->wants = APP_MAY_NOTHING;
  item->request = (guint64) request;
  if (item->request != 0)
    item->scopes = APP_MAY_NOTHING; /* nobody decides and asks at once */
  item->since = db_column_positive (stmt, 4);
  item->snoozed_until = db_column_positive (stmt, 5);
  item->app = g_steal_pointer (&app);
  return TRUE;
}

static gboolean
work_load (sqlite3 *handle, gpointer data, GError **error)
{
  static const char sql[] = "SELECT app, scopes, request, wants, since, snoozed_until FROM app ORDER BY app LIMIT ?1";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  GArray *rows = data;
  gboolean row;

  if (stmt == NULL)
    return FALSE;
  sqlite3_bind_int (stmt, 1, ROWS_MAX);
  while (db_step_row (handle, stmt, &row, error))
    {
      AppRow item = { 0 };

      if (!row)
        return TRUE;
      if (read_row (stmt, &item))
        g_array_append_val (rows, item);
      else
        log_warn ("store", "%s", "an application that makes no sense was left out");
    }
  return FALSE;
}

GArray *
trust_store_load_apps (TrustStore *store, GError **error)
{
  g_autoptr (GArray) rows = g_array_new (FALSE, TRUE, sizeof (AppRow));

  g_array_set_clear_func (rows, (GDestroyNotify) app_row_clear);
  return db_run_now (store->db, work_load, rows, error) ? g_steal_pointer (&rows) : NULL;
}
