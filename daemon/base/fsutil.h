/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Files that must be private and must survive a crash. Paths come from our own
 * configuration only, never from a peer. These block: for start-up, shut-down, and what a person asks for now and then.
 */
#pragma once

#include <glib.h>

/* Creates `path` and parents with mode 0700; refuses a directory that others
 * may write to or that belongs to somebody else. */
gboolean fs_ensure_private_dir (const char *path, GError **error);

/* Temp file in the same directory, mode 0600, fsync, rename, fsync of the directory. */
gboolean fs_write_private (const char *path, const void *data, gsize len, GError **error);

/* Reads a regular file of at most `max` bytes, refusing links and files readable by others. The bytes are
 * NUL-terminated beyond their length. EARSHOT_ERROR_NOT_FOUND when absent. */
gboolean fs_read_private (const char *path, gsize max, GBytes **out, GError **error);

/* The same for a file that everybody may read and only we, or root, may write; links are followed. */
gboolean fs_read_shared (const char *path, gsize max, GBytes **out, GError **error);

/* Takes the lock of a data directory (flock on DIR/lock) and returns the descriptor to
 * keep until exit, -1 with FAILED naming the holder's pid when another daemon has it and keeps it for `wait` microseconds
 * more: one that was just killed has it until the kernel has closed its files. Blocks that long: start-up only. */
int fs_lock_dir (const char *dir, gint64 wait, GError **error);

/* `from` takes the place of `to`, durably; what `to` was is overwritten with zeros, unless it has another name still. That is the best
 * that can be done: some file systems and disks keep what was overwritten. */
gboolean fs_replace_wiping (const char *from, const char *to, GError **error);
/* Removes a file after overwriting it likewise. One that is not there is removed already. */
gboolean fs_remove_wiping (const char *path, GError **error);
/* Gives a file a second name, PATH.WORD-YYYYMMDD-HHMMSS[-n], never over another, so that replacing PATH loses nothing. `kept_as` is the caller's. */
gboolean fs_keep_aside (const char *path, const char *word, char **kept_as, GError **error);

/* Renames a damaged file (and its -wal and -shm) to PATH.damaged-YYYYMMDD-HHMMSS[-n],
 * never over another. `moved_to` is the caller's. */
gboolean fs_set_aside (const char *path, char **moved_to, GError **error);
