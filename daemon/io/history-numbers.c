/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A number of the log is never given to two entries, also when messages.db is put back from yesterday's backup or begun anew after
 * damage: programs keep such numbers. Beside the file, FILE-head says up to where numbers may have been given (in blocks, and on the
 * disk before a number of the block is), which run of ours that was, and which file (inode). The file says the run as well (meta
 * `run`): one that says another was put back, and goes on behind what stands beside it. One that is another file than the one named
 * was copied, and how many numbers the original gave away nobody knows: it goes on where a thousand entries a second would have come
 * to. No backup should have FILE-head in it; that it is lost does no harm but that numbers may come again.
 */
#include "earshot-config.h"

#include "daemon/io/history-private.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/base/fsutil.h"
#include "daemon/base/log.h"

#define BLOCK 10000         /* one more write to the disk for so many entries */
#define SUFFIX "-head"
#define ENTRIES_A_SECOND 1000
#define LEAP_MAX ((gint64) 10 * 366 * 24 * 3600 * ENTRIES_A_SECOND)
#define NUMBER_MAX (G_MAXINT64 / 4)

typedef struct
{
  gint64 block; /* numbers up to here may have been given */
  gint64 run;
  guint64 inode;
} Head;

static gboolean
read_head (const char *path, Head *head)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *text = NULL;

  if (!fs_read_private (path, 128, &bytes, NULL))
    return FALSE;
  text = g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  return sscanf (text, "%" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GUINT64_FORMAT, &head->block, &head->run, &head->inode) == 3
         && head->block >= 0 && head->block <= NUMBER_MAX && head->run >= 0 && head->run <= NUMBER_MAX;
}

static gboolean
write_head (sqlite3 *handle, const Head *head, GError **error)
{
  g_autofree char *path = g_strconcat (sqlite3_db_filename (handle, "main"), SUFFIX, NULL);
  g_autofree char *text = g_strdup_printf ("%" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GUINT64_FORMAT "\n", head->block,
                                           head->run, head->inode);

  return fs_write_private (path, text, strlen (text), error)
         && history_run_numbers (handle, "INSERT OR REPLACE INTO meta (name, value) VALUES ('block', ?1), ('run', ?2)",
                                 (gint64[]){ head->block, head->run }, 2, error);
}

static guint64
inode_of (sqlite3 *handle)
{
  struct stat st;

  return stat (sqlite3_db_filename (handle, "main"), &st) == 0 ? (guint64) st.st_ino : 0;
}

gboolean
history_number_in_job (sqlite3 *handle, guint64 seq, GError **error)
{
  Head head = { .block = (gint64) seq + BLOCK };
  gint64 block;

  if (!history_ask_number (handle, "SELECT value FROM meta WHERE name = 'block'", NULL, 0, 0, &block, error))
    return FALSE;
  if ((gint64) seq <= block)
    return TRUE;
  head.inode = inode_of (handle);
  return history_ask_number (handle, "SELECT value FROM meta WHERE name = 'run'", NULL, 0, 0, &head.run, error)
         && write_head (handle, &head, error);
}

/* sqlite_sequence has no row for a table in which there never was one. */
static gboolean
go_on_behind (sqlite3 *handle, gint64 number, GError **error)
{
  log_notice ("store", "the log is an older one, or a copy: it goes on behind number %" G_GINT64_FORMAT, number);
  return history_run_numbers (handle, "DELETE FROM sqlite_sequence WHERE name = 'log'", NULL, 0, error)
         && history_run_numbers (handle, "INSERT INTO sqlite_sequence (name, seq) VALUES ('log', ?1)", &number, 1, error);
}

gboolean
history_begin_numbers (sqlite3 *handle, gpointer unused, GError **error)
{
  g_autofree char *path = g_strconcat (sqlite3_db_filename (handle, "main"), SUFFIX, NULL);
  Head beside = { 0 };
  Head now = { .inode = inode_of (handle) };
  gint64 run, last, number;
  guint64 given;

  if (!history_ask_number (handle, "SELECT value FROM meta WHERE name = 'run'", NULL, 0, 0, &run, error)
      || !history_head_in_job (handle, &given, error)
      || !history_ask_number (handle, "SELECT time FROM log ORDER BY seq DESC LIMIT 1", NULL, 0, 0, &last, error))
    return FALSE;
  number = (gint64) MIN (given, (guint64) NUMBER_MAX);
  if (read_head (path, &beside))
    {
      if (beside.run != run)
        number = MAX (number, beside.block);
      if (beside.inode != now.inode && last > 0)
        number += CLAMP ((g_get_real_time () - last) / (G_USEC_PER_SEC / ENTRIES_A_SECOND), 0, LEAP_MAX);
      number = MIN (number, NUMBER_MAX);
      if (number > (gint64) given && !go_on_behind (handle, number, error))
        return FALSE;
    }
  now.run = MAX (beside.run, run) + 1;
  now.block = MAX (number + BLOCK, beside.block);
  return write_head (handle, &now, error);
}
