/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/db-values.h"

#include <string.h>

void
db_bind_text (sqlite3_stmt *stmt, int index, const char *text)
{
  if (text != NULL)
    sqlite3_bind_text (stmt, index, text, -1, SQLITE_STATIC);
}

void
db_bind_fingerprint (sqlite3_stmt *stmt, int index, const Fingerprint *fp)
{
  sqlite3_bind_blob (stmt, index, fp->bytes, sizeof fp->bytes, SQLITE_STATIC);
}

void
db_bind_seq (sqlite3_stmt *stmt, int index, guint64 seq)
{
  sqlite3_bind_int64 (stmt, index, (gint64) MIN (seq, (guint64) G_MAXINT64));
}

char *
db_column_dup (sqlite3_stmt *stmt, int column)
{
  const char *text = (const char *) sqlite3_column_text (stmt, column);
  int length = sqlite3_column_bytes (stmt, column);

  if (text == NULL)
    return NULL;
  if (g_utf8_validate_len (text, (gsize) length, NULL))
    return g_strndup (text, (gsize) length);
  return g_utf8_make_valid (text, length);
}

char *
db_column_dup_or_empty (sqlite3_stmt *stmt, int column)
{
  char *text = db_column_dup (stmt, column);

  return text != NULL ? text : g_strdup ("");
}

gboolean
db_column_range (sqlite3_stmt *stmt, int column, gint64 min, gint64 max, gint64 *out)
{
  gint64 value = sqlite3_column_int64 (stmt, column);

  if (value < min || value > max)
    return FALSE;
  *out = value;
  return TRUE;
}

gboolean
db_column_contact (sqlite3_stmt *stmt, int column, guint32 *out)
{
  gint64 value;

  if (!db_column_range (stmt, column, 1, CONTACT_ID_MAX, &value))
    return FALSE;
  *out = (guint32) value;
  return TRUE;
}

gboolean
db_column_fingerprint (sqlite3_stmt *stmt, int column, Fingerprint *out)
{
  const void *bytes = sqlite3_column_blob (stmt, column);

  if (bytes == NULL || sqlite3_column_bytes (stmt, column) != FINGERPRINT_BYTES)
    return FALSE;
  memcpy (out->bytes, bytes, FINGERPRINT_BYTES);
  return TRUE;
}

gint64
db_column_positive (sqlite3_stmt *stmt, int column)
{
  return MAX (sqlite3_column_int64 (stmt, column), 0);
}
