/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Values in and out of statements. What comes from the disk is checked here: type, length, range, UTF-8.
 * Writer thread (or whoever runs the job).
 */
#pragma once

#include "daemon/base/fingerprint.h"
#include "daemon/io/db.h"

#define CONTACT_ID_MAX G_MAXINT32

/* NULL binds NULL. The value must live until the job ends. */
void db_bind_text (sqlite3_stmt *stmt, int index, const char *text);
void db_bind_fingerprint (sqlite3_stmt *stmt, int index, const Fingerprint *fp);
/* Above 2^63-1 binds 2^63-1. */
void db_bind_seq (sqlite3_stmt *stmt, int index, guint64 seq);

/* NULL for SQL NULL; always valid UTF-8. */
char *db_column_dup (sqlite3_stmt *stmt, int column);
/* Never NULL. */
char *db_column_dup_or_empty (sqlite3_stmt *stmt, int column);
/* FALSE when the value lies outside. */
gboolean db_column_range (sqlite3_stmt *stmt, int column, gint64 min, gint64 max, gint64 *out);
gboolean db_column_contact (sqlite3_stmt *stmt, int column, guint32 *out);
gboolean db_column_fingerprint (sqlite3_stmt *stmt, int column, Fingerprint *out);
/* Negative gives 0: times and counters. */
gint64 db_column_positive (sqlite3_stmt *stmt, int column);
