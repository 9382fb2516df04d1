/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Between db.c (thread, jobs) and db-open.c (files, schema ladder).
 */
#pragma once

#include "daemon/io/db.h"

/* Opens, checks and climbs; see db_open(). The handle belongs to one thread at a time. */
/* The next db_open_handle() checks the file, whatever its size. Any thread. */
void db_note_damage (const char *path);
/* After the handle was closed. */
void db_note_closed (const char *path);
sqlite3 *db_open_handle (const char *path, const DbSchema *schema, char **set_aside, GError **error);
