/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A number of the log is never given to two entries, also when messages.db is put back from yesterday's backup or begun anew after
 * damage: programs keep such numbers. Beside the file, FILE-head says up to where numbers may have been given (in blocks, and on the
 * disk before a number of the block is), which run of ours that was, which file (inode), and whether the run ended in order. The file
 * says the run as well (meta `run`), which is another one as soon as it ended: one that says another than FILE-head was put back. That,
 * and a run that did not end in order, which may hide a backup made while it went on, goes on behind what stands beside it.
 * FILE-head may have been put back, too, with all of the directory. Then the file is another one than the one named, or, when it was
 * written over in its place, FILE-head has not the time of its last change (ctime, which nobody but the kernel sets) that the file says
 * (meta `changed`), or that it says itself; or FILE-head was lost. How many numbers the original gave away meanwhile nobody knows: it goes on where a thousand entries a second would
 * have come to. What can not be seen is a file system or a machine that was set back as a whole.
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
#define COPIED_AFTER_NS (60 * G_GINT64_CONSTANT (1000000000)) /* written by us it changed in the same moment */

typedef struct
{
  gint64 block; /* numbers up to here may have been given */
  gint64 run;
  guint64 inode;
  gboolean open;  /* the run goes on, or did not end in order */
  gint64 written; /* by our clock, nanoseconds; 0 = an earlier release does not say */
  gint64 changed; /* of the file beside, by the kernel; not written in it */
} Head;

static gint64
changed_at (const char *path)
{
  struct stat st;

  return stat (path, &st) == 0 ? (gint64) st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec : 0;
}

static gboolean
read_head (const char *path, Head *head)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *text = NULL;

  if (!fs_read_private (path, 128, &bytes, NULL))
    return FALSE;
  text = g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  head->changed = changed_at (path);
  head->open = FALSE;
  head->written = 0;
  return sscanf (text, "%" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GUINT64_FORMAT " %d %" G_GINT64_FORMAT, &head->block, &head->run,
                 &head->inode, &head->open, &head->written) >= 3
         && head->block >= 0 && head->block <= NUMBER_MAX && head->run >= 0 && head->run <= NUMBER_MAX;
}

static gboolean
write_head (sqlite3 *handle, const Head *head, GError **error)
{
  g_autofree char *path = g_strconcat (sqlite3_db_filename (handle, "main"), SUFFIX, NULL);
  g_autofree char *text = g_strdup_printf ("%" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GUINT64_FORMAT " %d %" G_GINT64_FORMAT "\n",
                                           head->block, head->run, head->inode, head->open, 1000 * g_get_real_time ());

  return fs_write_private (path, text, strlen (text), error)
         && history_run_numbers (handle, "INSERT OR REPLACE INTO meta (name, value) VALUES ('block', ?1), ('run', ?2),"
                                         " ('changed', ?3), ('changed-at', ?4)",
                                 (gint64[]){ head->block, head->run, changed_at (path), g_get_real_time () }, 4, error);
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
  Head head = { .block = (gint64) seq + BLOCK, .open = TRUE };
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

/* The pair was put back, or only FILE-head of it. */
static gboolean
was_put_back (const Head *head, gint64 run, gint64 changed)
{
  if (head->run == run && changed != 0 && head->changed != changed)
    return TRUE;
  return head->written != 0 && ABS (head->changed / COPIED_AFTER_NS - head->written / COPIED_AFTER_NS) > 1;
}

/* Numbers that a copy's original may have given away since. */
static gboolean
count_lost (sqlite3 *handle, gint64 *lost, GError **error)
{
  static const char since[] = "SELECT max(coalesce((SELECT time FROM log ORDER BY seq DESC LIMIT 1), 0),"
                              " coalesce((SELECT value FROM meta WHERE name = 'changed-at'), 0))";
  gint64 last;

  if (!history_ask_number (handle, since, NULL, 0, 0, &last, error))
    return FALSE;
  *lost = last > 0 ? CLAMP ((g_get_real_time () - last) / (G_USEC_PER_SEC / ENTRIES_A_SECOND), 0, LEAP_MAX) : 0;
  return TRUE;
}

gboolean
history_begin_numbers (sqlite3 *handle, gpointer unused, GError **error)
{
  g_autofree char *path = g_strconcat (sqlite3_db_filename (handle, "main"), SUFFIX, NULL);
  Head beside = { 0 };
  Head now = { .inode = inode_of (handle), .open = TRUE };
  gint64 run, changed, number, lost;
  guint64 given;

  if (!history_ask_number (handle, "SELECT value FROM meta WHERE name = 'run'", NULL, 0, 0, &run, error)
      || !history_head_in_job (handle, &given, error)
      || !history_ask_number (handle, "SELECT value FROM meta WHERE name = 'changed'", NULL, 0, 0, &changed, error)
      || !count_lost (handle, &lost, error))
    return FALSE;
  number = (gint64) MIN (given, (guint64) NUMBER_MAX);
  if (!read_head (path, &beside))
    {
      /* It had one, and lost it. */
      beside = (Head){ 0 };
      number += run != 0 ? lost : 0;
    }
  else
    {
      if (beside.run != run || beside.open)
        number = MAX (number, beside.block);
      if (beside.inode != now.inode || was_put_back (&beside, run, changed))
        number += lost;
    }
  number = MIN (number, NUMBER_MAX);
  if (number > (gint64) given && !go_on_behind (handle, number, error))
    return FALSE;
  now.run = MAX (beside.run, run) + 1;
  now.block = MAX (number + BLOCK, beside.block);
  return write_head (handle, &now, error);
}

gboolean
history_end_numbers (sqlite3 *handle, gpointer unused, GError **error)
{
  Head now = { .inode = inode_of (handle) };

  if (!history_ask_number (handle, "SELECT value FROM meta WHERE name = 'block'", NULL, 0, 0, &now.block, error)
      || !history_ask_number (handle, "SELECT value FROM meta WHERE name = 'run'", NULL, 0, 0, &now.run, error))
    return FALSE;
  now.run++;
  return write_head (handle, &now, error);
}
