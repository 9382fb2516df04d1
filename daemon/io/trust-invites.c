/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Threat: a doctored or rotten row must not let anybody in. What is out of range is left out.
 */
#include "earshot-config.h"

#include "daemon/io/trust-invites.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/io/db-values.h"
#include "daemon/io/trust-store-private.h"

void
invite_row_clear (InviteRow *row)
{
  explicit_bzero (row->secret, sizeof row->secret);
  g_clear_pointer (&row->caller, g_free);
  g_clear_pointer (&row->used, g_array_unref);
}

void
invite_owed_row_clear (InviteOwedRow *row)
{
  explicit_bzero (row->secret, sizeof row->secret);
}

/* --- writing, on the writer thread ----------------------------------------------- */

gboolean
invites_put (sqlite3 *handle, const InviteRow *row, GError **error)
{
  static const char sql[] = "INSERT OR REPLACE INTO invite (id, secret, created, expires, uses, remaining, in_person, caller)"
                            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);

  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, row->id);
  sqlite3_bind_blob (stmt, 2, row->secret, sizeof row->secret, SQLITE_STATIC);
  sqlite3_bind_int64 (stmt, 3, row->created);
  sqlite3_bind_int64 (stmt, 4, row->expires);
  sqlite3_bind_int64 (stmt, 5, row->uses);
  sqlite3_bind_int64 (stmt, 6, row->left);
  sqlite3_bind_int (stmt, 7, row->in_person ? 1 : 0);
  db_bind_text (stmt, 8, row->caller != NULL ? row->caller : "");
  return db_step_done (handle, stmt, error);
}

/* A statement about one invite, which must have changed a row. */
static gboolean
use_step (sqlite3 *handle, const char *static_sql, const char *id, const Fingerprint *fp, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, static_sql, error);

  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, id);
  if (fp != NULL)
    {
      db_bind_fingerprint (stmt, 2, fp);
      sqlite3_bind_int64 (stmt, 3, g_get_real_time ());
    }
  if (!db_step_done (handle, stmt, error))
    return FALSE;
  if (sqlite3_changes (handle) == 1)
    return TRUE;
  g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_ALREADY_RESOLVED, "This invite has no use left");
  return FALSE;
}

gboolean
invites_use (sqlite3 *handle, const char *id, const Fingerprint *fp, GError **error)
{
  return use_step (handle, "UPDATE invite SET remaining = remaining - 1 WHERE id = ?1 AND remaining > 0", id, NULL, error)
         && use_step (handle, "INSERT INTO invite_use (invite, fp, time) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING", id, fp,
                      error);
}

gboolean
invites_delete (sqlite3 *handle, const char *id, GError **error)
{
  static const char *const sql[] = { "DELETE FROM invite_use WHERE invite = ?1", "DELETE FROM invite WHERE id = ?1" };

  for (guint i = 0; i < G_N_ELEMENTS (sql); i++)
    {
      sqlite3_stmt *stmt = db_prepare (handle, sql[i], error);

      if (stmt == NULL)
        return FALSE;
      db_bind_text (stmt, 1, id);
      if (!db_step_done (handle, stmt, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
invites_put_owed (sqlite3 *handle, const InviteOwedRow *row, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, "INSERT OR REPLACE INTO invite_owed (fp, secret, expires) VALUES (?1, ?2, ?3)", error);

  if (stmt == NULL)
    return FALSE;
  db_bind_fingerprint (stmt, 1, &row->fp);
  sqlite3_bind_blob (stmt, 2, row->secret, sizeof row->secret, SQLITE_STATIC);
  sqlite3_bind_int64 (stmt, 3, row->expires);
  return db_step_done (handle, stmt, error);
}

gboolean
invites_delete_owed (sqlite3 *handle, const Fingerprint *fp, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, "DELETE FROM invite_owed WHERE fp = ?1", error);

  if (stmt == NULL)
    return FALSE;
  db_bind_fingerprint (stmt, 1, fp);
  return db_step_done (handle, stmt, error);
}

/* --- reading, at start ----------------------------------------------------------- */

typedef struct {
  GArray *invites, *owed;
} Loading;

static gboolean
column_secret (sqlite3_stmt *stmt, int column, guint8 secret[INVITE_SECRET_BYTES])
{
  if (sqlite3_column_type (stmt, column) != SQLITE_BLOB || sqlite3_column_bytes (stmt, column) != INVITE_SECRET_BYTES)
    return FALSE;
  memcpy (secret, sqlite3_column_blob (stmt, column), INVITE_SECRET_BYTES);
  return TRUE;
}

static gboolean
read_invite (sqlite3_stmt *stmt, InviteRow *row)
{
  g_autofree char *id = db_column_dup_or_empty (stmt, 0);
  gint64 uses, left;

  if (!column_secret (stmt, 1, row->secret) || !db_column_range (stmt, 4, 1, INVITE_USES_MAX, &uses)
      || !db_column_range (stmt, 5, 0, uses, &left))
    return FALSE;
  invite_id (row->secret, row->id);
  row->created = db_column_positive (stmt, 2);
  row->expires = db_column_positive (stmt, 3);
  row->uses = (guint) uses;
  row->left = (guint) left;
  row->in_person = uses == 1 && sqlite3_column_int (stmt, 6) == 1;
  row->caller = db_column_dup_or_empty (stmt, 7);
  return strcmp (row->id, id) == 0;
}

static gboolean
load_uses (sqlite3 *handle, InviteRow *row, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, "SELECT fp FROM invite_use WHERE invite = ?1 LIMIT 100", error);
  Fingerprint fp;
  gboolean more;

  row->used = g_array_new (FALSE, FALSE, sizeof (Fingerprint));
  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, row->id);
  while (db_step_row (handle, stmt, &more, error))
    {
      if (!more)
        return TRUE;
      if (db_column_fingerprint (stmt, 0, &fp))
        g_array_append_val (row->used, fp);
    }
  return FALSE;
}

static gboolean
load_invites (sqlite3 *handle, GArray *invites, GError **error)
{
  static const char sql[] = "SELECT id, secret, created, expires, uses, remaining, in_person, caller FROM invite ORDER BY created";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  gboolean more = TRUE;

  if (stmt == NULL)
    return FALSE;
  while (more)
    {
      InviteRow row = { .left = 0 };

      if (!db_step_row (handle, stmt, &more, error))
        return FALSE;
      if (more && read_invite (stmt, &row))
        g_array_append_val (invites, row);
      else if (more)
        {
          log_warn ("store", "%s", "an invite that makes no sense was left out");
          invite_row_clear (&row);
        }
    }
  for (guint i = 0; i < invites->len; i++)
    if (!load_uses (handle, &g_array_index (invites, InviteRow, i), error))
      return FALSE;
  return TRUE;
}

static gboolean
load_owed (sqlite3 *handle, GArray *owed, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, "SELECT fp, secret, expires FROM invite_owed", error);
  gboolean more;

  if (stmt == NULL)
    return FALSE;
  while (db_step_row (handle, stmt, &more, error))
    {
      InviteOwedRow row;

      if (!more)
        return TRUE;
      if (!db_column_fingerprint (stmt, 0, &row.fp) || !column_secret (stmt, 1, row.secret))
        {
          log_warn ("store", "%s", "an accepted invite that makes no sense was left out");
          continue;
        }
      row.expires = db_column_positive (stmt, 2);
      g_array_append_val (owed, row);
      invite_owed_row_clear (&row);
    }
  return FALSE;
}

static gboolean
work_load (sqlite3 *handle, gpointer data, GError **error)
{
  Loading *loading = data;

  return load_invites (handle, loading->invites, error) && load_owed (handle, loading->owed, error);
}

gboolean
trust_store_load_invites (TrustStore *store, GArray **invites, GArray **owed, GError **error)
{
  g_autoptr (GArray) all_invites = g_array_new (FALSE, TRUE, sizeof (InviteRow));
  g_autoptr (GArray) all_owed = g_array_new (FALSE, TRUE, sizeof (InviteOwedRow));
  Loading loading = { all_invites, all_owed };

  g_array_set_clear_func (all_invites, (GDestroyNotify) invite_row_clear);
  g_array_set_clear_func (all_owed, (GDestroyNotify) invite_owed_row_clear);
  if (!db_run_now (store->db, work_load, &loading, error))
    return FALSE;
  *invites = g_steal_pointer (&all_invites);
  *owed = g_steal_pointer (&all_owed);
  return TRUE;
}
