/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Files that earlier releases left (tests/unit/old/NAME-VERSION.sql, replayed): nothing in them is lost on the way up, whatever
 * happens on the way. Each schema version that was released has one, and none is ever edited.
 */
#include "earshot-config.h"

#include <sys/wait.h>

#include "daemon/io/history-private.h"
#include "daemon/io/outbox.h"
#include "daemon/io/trust-audit.h"
#include "daemon/io/trust-store-private.h"

#include "tests/unit/history-helper.h"

typedef struct
{
  const char *name;
  guint version;
} Old;

static void
replay (const char *name, const char *path)
{
  const char *top = g_getenv ("top_srcdir") != NULL ? g_getenv ("top_srcdir") : "..";
  g_autofree char *file = g_strdup_printf ("%s/tests/unit/old/%s.sql", top, name);
  g_autofree char *sql = NULL;
  sqlite3 *handle = NULL;

  g_assert_true (g_file_get_contents (file, &sql, NULL, NULL));
  g_assert_cmpint (sqlite3_open (path, &handle), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (handle, sql, NULL, NULL, NULL), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_close (handle), ==, SQLITE_OK);
}

static void
set_up (Store *store, gconstpointer old)
{
  store_set_up (store, NULL);
  replay (((const Old *) old)->name, store->path);
}

static History *
open_history (Store *store)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *aside = NULL;
  History *history = history_open (store->worker, store->path, &aside, &error);

  g_assert_no_error (error);
  g_assert_null (aside);
  return history;
}

/* --- messages.db ---------------------------------------------------------------- */

/* All of a table, in one number; what later versions add to it is not looked at. */
#define LOG_SUM \
  "SELECT sum(seq * 7 + time % 1000003 + kind + contact * 3 + length(id) + direction + insecure + sent_time % 997 + coalesce(length(key), 0)" \
  " + coalesce(unicode(trust), 0) + coalesce(length(thread), 0) + coalesce(length(reply_to), 0) + coalesce(unicode(state), 0)" \
  " + coalesce(length(reason), 0) + coalesce(length(body), 0)) FROM log"

static void
check_messages (History *history)
{
  g_autoptr (GArray) rows = NULL;
  g_autoptr (GArray) owed = NULL;
  g_autoptr (GArray) aside = NULL;
  g_auto (Listed) listed = { 0 };
  Outbox *outbox = outbox_new (history_get_db (history));
  Db *db = history_get_db (history);
  guint64 head, tail;

  g_assert_true (raw_is_sound (db));
  g_assert_cmpint (raw_sql (db, "PRAGMA user_version"), ==, (gint64) messages_schema.n_steps);
  g_assert_true (history_load_conversations (history, &rows, &head, &tail, NULL));
  g_assert_cmpuint (rows->len, ==, 3);
  g_assert_cmpuint (head, >=, 12); /* one that died while it opened the file leaves a gap: history-numbers.c */
  g_assert_cmpuint (tail, ==, 1);
  g_assert_cmpstr (g_array_index (rows, ConversationRow, 0).require, ==, "pinned");
  g_assert_cmpuint (g_array_index (rows, ConversationRow, 0).unread, ==, 1);
  g_assert_true (g_array_index (rows, ConversationRow, 1).muted);
  g_assert_true (outbox_summarize (outbox, &owed, NULL));
  g_assert_cmpuint (owed->len, ==, 2);
  g_assert_true (history_list_aside (history, &aside, NULL));
  g_assert_cmpuint (aside->len, ==, 1);
  g_assert_cmpint (raw_sql (db, "SELECT count(*) FROM token WHERE token = 'make-42' AND seq = 8"), ==, 1);
  g_assert_cmpint (raw_sql (db, "SELECT sum(cursor) FROM consumer"), ==, 15);
  g_assert_cmpint (raw_sql (db, "SELECT seq FROM seen WHERE contact = 11 AND id = 'in-4'"), ==, 7);
  history_list (history, 0, 0, 100, NULL, past_on_entries, &listed);
  store_wait (&listed.done);
  g_assert_cmpuint (listed.items->len, ==, 11);
  listed_clear (&listed);
  history_search (history, 0, 0, 100, "garden", past_on_entries, &listed);
  store_wait (&listed.done);
  g_assert_cmpuint (listed.items->len, ==, 2);
  outbox_free (outbox);
}

static gint64
raw_file (const char *path, const char *sql)
{
  sqlite3 *handle = NULL;
  sqlite3_stmt *stmt = NULL;
  gint64 value;

  g_assert_cmpint (sqlite3_open (path, &handle), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_prepare_v2 (handle, sql, -1, &stmt, NULL), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_step (stmt), ==, SQLITE_ROW);
  value = sqlite3_column_int64 (stmt, 0);
  sqlite3_finalize (stmt);
  sqlite3_close (handle);
  return value;
}

static void
test_messages (Store *store, gconstpointer old)
{
  gint64 before = raw_file (store->path, LOG_SUM);

  for (guint i = 0; i < 3; i++)
    {
      History *history = open_history (store);

      g_assert_cmpint (raw_sql (history_get_db (history), LOG_SUM), ==, before);
      check_messages (history);
      history_close (history);
    }
}

/* The disk is full in the middle of the ladder: said, and as it was. */
static void
test_messages_full_disk (Store *store, gconstpointer old)
{
  gint64 before = raw_file (store->path, LOG_SUM);
  History *history;

  for (rlim_t bytes = 4096; bytes < 80000; bytes += 4096)
    {
      g_autoptr (GError) error = NULL;
      char *aside = NULL;

      disk_fill (bytes);
      history = history_open (store->worker, store->path, &aside, &error);
      disk_free ();
      g_assert_null (aside);
      if (history == NULL)
        g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_STORE_FULL);
      history_close (history);
    }
  history = open_history (store);
  g_assert_cmpint (raw_sql (history_get_db (history), LOG_SUM), ==, before);
  check_messages (history);
  history_close (history);
}

/* kill -9 on the way up, at moments of its own choosing. */
static void
test_messages_killed (Store *store, gconstpointer old)
{
  gint64 before = raw_file (store->path, LOG_SUM);
  History *history;

  for (guint i = 0; i < 40; i++)
    {
      pid_t child = fork ();

      if (child == 0)
        {
          history_open (db_worker_new (), store->path, NULL, NULL);
          pause ();
        }
      g_usleep (i * 150);
      kill (child, SIGKILL);
      g_assert_cmpint (waitpid (child, NULL, 0), ==, child);
    }
  history = open_history (store);
  g_assert_cmpint (raw_sql (history_get_db (history), LOG_SUM), ==, before);
  check_messages (history);
  history_close (history);
}

/* --- trust.db ------------------------------------------------------------------- */

typedef struct
{
  gboolean done, sound;
  guint64 count;
} Checked;

static void
on_checked (gpointer user, const AuditCheck *check, const GError *error)
{
  Checked *checked = user;

  g_assert_no_error (error);
  *checked = (Checked){ TRUE, check->reason == NULL, check->count };
}

static void
check_trust (TrustStore *trust, guint version)
{
  g_autoptr (GArray) contacts = NULL;
  g_autoptr (GArray) keys = NULL;
  g_autoptr (GArray) requests = NULL;
  g_autoptr (GHashTable) settings = NULL;
  g_autoptr (GError) error = NULL;
  Checked checked = { 0 };
  Fingerprint gone;
  guint verified = 0, revoked = 0;

  g_assert_true (raw_is_sound (trust->db));
  g_assert_cmpint (raw_sql (trust->db, "PRAGMA user_version"), ==, (gint64) trust_schema.n_steps);
  g_assert_true (trust_store_load (trust, &contacts, &keys, &requests, &settings, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (contacts->len, ==, 4);
  g_assert_cmpuint (keys->len, ==, 4);
  g_assert_cmpuint (requests->len, ==, 1);
  g_assert_cmpstr (g_hash_table_lookup (settings, "trust-mode"), ==, "strict");
  g_assert_cmpstr (g_array_index (contacts, ContactRow, 0).petname, ==, "romeo");
  g_assert_cmpuint (g_strv_length (g_array_index (contacts, ContactRow, 0).addrs), ==, 2);
  g_assert_true (g_array_index (contacts, ContactRow, 0).tls_seen);
  g_assert_true (g_array_index (contacts, ContactRow, 2).blocked);
  g_assert_cmpint (g_array_index (contacts, ContactRow, 2).legacy, ==, version > 1 ? LEGACY_CHOICE_ALLOWED : LEGACY_CHOICE_NONE);
  for (guint i = 0; i < keys->len; i++)
    {
      const KeyRow *key = &g_array_index (keys, KeyRow, i);

      verified += key->level == TRUST_VERIFIED;
      revoked += key->level == TRUST_REVOKED && key->has_replacement;
    }
  g_assert_cmpuint (verified, ==, 1);
  g_assert_cmpuint (revoked, ==, 1);
  memset (gone.bytes, 7, sizeof gone.bytes);
  g_assert_true (trust_store_was_forgotten (trust, &gone));
  trust_store_check_audit (trust, NULL, on_checked, &checked);
  store_wait (&checked.done);
  g_assert_true (checked.sound);
  g_assert_cmpuint (checked.count, ==, 3);
}

static void
test_trust (Store *store, gconstpointer old)
{
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *aside = NULL;
      TrustStore *trust = trust_store_open (store->worker, store->path, &aside, &error);

      g_assert_no_error (error);
      g_assert_null (aside);
      check_trust (trust, ((const Old *) old)->version);
      trust_store_close (trust);
    }
}

/* --- both ----------------------------------------------------------------------- */

/* What a later release wrote is not ours to open, to change, or to call damaged. */
static void
test_newer (Store *store, gconstpointer old)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;
  sqlite3 *handle = NULL;
  char *aside = NULL;
  gsize length, again;

  g_assert_cmpint (sqlite3_open (store->path, &handle), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (handle, "PRAGMA user_version = 1000", NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close (handle);
  g_assert_true (g_file_get_contents (store->path, &before, &length, NULL));
  if (g_str_has_prefix (((const Old *) old)->name, "messages"))
    g_assert_null (history_open (store->worker, store->path, &aside, &error));
  else
    g_assert_null (trust_store_open (store->worker, store->path, &aside, &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_UNSUPPORTED);
  g_assert_null (aside);
  g_assert_true (g_file_get_contents (store->path, &after, &again, NULL));
  g_assert_cmpmem (before, length, after, again);
}

int
main (int argc, char **argv)
{
  static const Old messages_1 = { "messages-1", 1 };
  static const Old trust_1 = { "trust-1", 1 };
  static const Old trust_2 = { "trust-2", 2 };
  static const Old trust_3 = { "trust-3", 3 };

  store_main (&argc, &argv);
#define ADD(name, old, func) g_test_add ("/old-files/" name, Store, &old, set_up, func, store_tear_down)
  ADD ("messages-1", messages_1, test_messages);
  ADD ("messages-1-full-disk-on-the-way", messages_1, test_messages_full_disk);
  ADD ("messages-1-kill-9-on-the-way", messages_1, test_messages_killed);
  ADD ("messages-newer-stays-untouched", messages_1, test_newer);
  ADD ("trust-1", trust_1, test_trust);
  ADD ("trust-2", trust_2, test_trust);
  ADD ("trust-3", trust_3, test_trust);
  ADD ("trust-newer-stays-untouched", trust_3, test_newer);
#undef ADD
  return g_test_run ();
}
