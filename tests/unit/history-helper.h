/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A history in a directory of its own, messages into it and answers out of it, for the tests of searching, upkeep, export.
 */
#pragma once

#include "daemon/io/history.h"
#include "tests/unit/store-helper.h"

#define ROMEO 11
#define JULIET 22

typedef struct
{
  Store store;
  History *history;
} Past;

static inline void
past_open (Past *past)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *aside = NULL;

  past->history = history_open (past->store.worker, past->store.path, &aside, &error);
  g_assert_no_error (error);
  g_assert_null (aside);
}

static inline void
past_set_up (Past *past, gconstpointer unused)
{
  store_set_up (&past->store, NULL);
  past_open (past);
}

static inline gint64
past_sql (Past *past, const char *text)
{
  return raw_sql (history_get_db (past->history), text);
}

static inline void
past_tear_down (Past *past, gconstpointer unused)
{
  g_assert_true (raw_is_sound (history_get_db (past->history)));
  /* The index against the text it is of; what is above `indexed` is not in it yet. */
  past_sql (past, "INSERT INTO log_text (log_text) VALUES ('integrity-check')");
  history_close (past->history);
  store_tear_down (&past->store, NULL);
}

static inline void
past_restart (Past *past)
{
  history_close (past->history);
  past_open (past);
}

static inline LogEntry *
past_message (guint32 contact, const char *id, const char *body)
{
  LogEntry *entry = log_entry_new ();

  entry->time = g_get_real_time ();
  entry->sent_time = 1234567;
  entry->contact = contact;
  entry->id = g_strdup (id);
  entry->body = g_strdup (body);
  entry->trust = g_strdup ("pinned");
  entry->has_key = TRUE;
  memset (entry->key.bytes, (int) contact, sizeof entry->key.bytes);
  return entry;
}

static inline void
past_on_received (gpointer user, const LogEntry *entry, ReceivedResult result, const GError *error)
{
  g_assert_no_error (error);
  *(gboolean *) user = TRUE;
}

static inline void
past_receive (Past *past, guint32 contact, const char *id, const char *body)
{
  gboolean done = FALSE;

  history_receive (past->history, past_message (contact, id, body), past_on_received, &done);
  store_wait (&done);
}

/* Many rows at once, without the history: what an older version wrote. */
static inline void
past_fill (Past *past, guint32 contact, guint n, const char *body_sql)
{
  g_autofree char *sql = g_strdup_printf ("WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < %u)"
                                          " INSERT INTO log (time, kind, contact, id, direction, insecure, sent_time, trust, body)"
                                          " SELECT x, 0, %u, 'f%u-' || x, 0, 0, 1, 'pinned', %s FROM c", n, contact, contact,
                                          body_sql);
  g_autofree char *conversation = g_strdup_printf ("INSERT OR REPLACE INTO conversation (contact, last_seq, read_seq, unread, muted,"
                                                   " require) SELECT contact, max(seq), 0, count(*), 0, '' FROM log WHERE"
                                                   " contact = %u", contact);

  past_sql (past, sql);
  past_sql (past, conversation);
}

/* outcome_set() for history_delete(). */
static inline void
outcome_set_deleted (gpointer user, GPtrArray *gone, const GError *error)
{
  outcome_set (user, error);
}

typedef struct
{
  gboolean done, more;
  int code;
  GPtrArray *items;
  guint64 last;
} Listed;

static inline void
listed_clear (Listed *listed)
{
  g_clear_pointer (&listed->items, g_ptr_array_unref);
  *listed = (Listed){ 0 };
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Listed, listed_clear)

static inline void
past_on_entries (gpointer user, GPtrArray *entries, gboolean more, guint64 last, const GError *error)
{
  Listed *listed = user;

  g_assert_false (listed->done);
  g_assert_true ((entries == NULL) == (error != NULL));
  *listed = (Listed){ .done = TRUE, .more = more, .code = error != NULL ? error->code : -1, .items = entries, .last = last };
}
