/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/history-private.h"
#include "daemon/io/outbox.h"

#include "tests/unit/history-helper.h"

typedef struct
{
  gboolean done;
  guint added, skipped;
  guint64 last;
} Told;

static void
on_imported (gpointer user, guint added, guint skipped, guint64 last, const GError *error)
{
  g_assert_no_error (error);
  *(Told *) user = (Told){ TRUE, added, skipped, last };
}

static Told
import (Past *past, Direction direction, const char *id, const char *state)
{
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func ((GDestroyNotify) log_entry_free);
  LogEntry *entry = past_message (ROMEO, id, "old garden");
  Told told = { 0 };

  entry->time = 1000;
  entry->direction = direction;
  entry->state = g_strdup (state);
  g_ptr_array_add (entries, entry);
  history_import (past->history, g_steal_pointer (&entries), on_imported, &told);
  store_wait (&told.done);
  return told;
}

static void
test_once (Past *past, gconstpointer unused)
{
  const char *const ids[] = { "there", NULL };
  Outcome outcome = { 0 };

  past_receive (past, ROMEO, "there", "text");
  g_assert_cmpuint (import (past, DIRECTION_IN, "there", NULL).skipped, ==, 1);
  g_assert_cmpuint (import (past, DIRECTION_IN, "new", NULL).added, ==, 1);
  past_restart (past);
  g_assert_cmpuint (import (past, DIRECTION_IN, "new", NULL).skipped, ==, 1);
  /* The same id, sent by us, is another message. */
  g_assert_cmpuint (import (past, DIRECTION_OUT, "new", "delivered").added, ==, 1);
  g_assert_cmpuint (import (past, DIRECTION_OUT, "new", "delivered").skipped, ==, 1);
  /* What was deleted does not come back. */
  history_delete (past->history, ids, outcome_set_deleted, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpuint (import (past, DIRECTION_IN, "there", NULL).skipped, ==, 1);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log"), ==, 2);
}

/* A file makes nothing happen: not unread, for no consumer, not owed, no state of another message. */
static void
test_history_only (Past *past, gconstpointer unused)
{
  g_autoptr (GArray) owed = NULL;
  g_auto (Listed) listed = { 0 };
  Outbox *outbox = outbox_new (history_get_db (past->history));

  past_sql (past, "INSERT INTO consumer VALUES ('bot', 0, 1)");
  past_receive (past, ROMEO, "a", "real");
  import (past, DIRECTION_IN, "x", "queued");
  import (past, DIRECTION_OUT, "y", "queued");
  import (past, DIRECTION_OUT, "z", "held");
  g_assert_cmpint (past_sql (past, "SELECT unread FROM conversation WHERE contact = 11"), ==, 1);
  g_assert_true (outbox_summarize (outbox, &owed, NULL));
  g_assert_cmpuint (owed->len, ==, 0);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log WHERE state = 'failed' AND reason = 'imported'"), ==, 2);
  history_fetch (past->history, "bot", 100, 0, NULL, past_on_entries, &listed);
  store_wait (&listed.done);
  g_assert_cmpuint (listed.items->len, ==, 1);
  g_assert_cmpuint (listed.last, ==, 4);
  listed_clear (&listed);
  history_list (past->history, ROMEO, 0, 10, NULL, past_on_entries, &listed);
  store_wait (&listed.done);
  g_assert_cmpuint (listed.items->len, ==, 4);
  g_assert_true (((LogEntry *) listed.items->pdata[0])->imported);
  g_assert_cmpint (((LogEntry *) listed.items->pdata[0])->direction, ==, DIRECTION_OUT);
  g_assert_cmpint (((LogEntry *) listed.items->pdata[0])->time, ==, 1000);
  g_assert_false (((LogEntry *) listed.items->pdata[3])->imported);
  listed_clear (&listed);
  history_search (past->history, 0, 0, 10, "garden", past_on_entries, &listed);
  store_wait (&listed.done);
  g_assert_cmpuint (listed.items->len, ==, 3);
  /* Nothing on disk that a receipt, a retry or a cancellation would look for. */
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log WHERE kind = 0 AND direction = 1"), ==, 0);
  outbox_free (outbox);
}

static Told
take (Past *past, LogEntry *entry)
{
  GPtrArray *entries = g_ptr_array_new_with_free_func ((GDestroyNotify) log_entry_free);
  Told told = { 0 };

  entry->time = 1000;
  g_ptr_array_add (entries, entry);
  history_import (past->history, entries, on_imported, &told);
  store_wait (&told.done);
  return told;
}

static LogEntry *
record (const char *kind, Direction direction, const char *id, const char *about, const char *body)
{
  LogEntry *entry = past_message (ROMEO, id, body);

  entry->kind = g_strdup (kind);
  entry->direction = direction;
  entry->about = g_strdup (about);
  return entry;
}

static void
on_got (gpointer user, const LogEntry *entry, const GError *error)
{
  g_assert_no_error (error);
  *(char **) user = g_strdup_printf ("%s/%s", entry->kind, entry->body);
}

/* What became of a message comes with it; the records of how do nothing again, to nobody's message. */
static void
test_amended (Past *past, gconstpointer unused)
{
  LogEntry *edited = record ("message", DIRECTION_IN, "m", NULL, "newest"), *gone = record ("message", DIRECTION_OUT, "g", NULL, NULL);
  g_autofree char *got = NULL;

  edited->edited = 7;
  edited->reactions_in = g_strdup ("👍");
  edited->reactions_out = g_strdup ("🎉");
  edited->url = g_strdup ("https://x.example/");
  gone->retracted = 8;
  gone->change_state = g_strdup ("queued");
  past_receive (past, ROMEO, "real", "real");
  g_assert_cmpuint (take (past, edited).added, ==, 1);
  g_assert_cmpuint (take (past, gone).added, ==, 1);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log WHERE id = 'm' AND edited = 7 AND reactions_in = '👍' AND reactions_out = '🎉'"
                                   " AND url = 'https://x.example/' AND body = 'newest'"), ==, 1);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log WHERE id = 'g' AND retracted = 8 AND body IS NULL AND change_state = 'failed'"), ==, 1);
  g_assert_cmpuint (take (past, record ("edit", DIRECTION_IN, "e1", "real", "forged")).added, ==, 1);
  g_assert_cmpuint (take (past, record ("retract", DIRECTION_IN, "e2", "real", NULL)).added, ==, 1);
  g_assert_cmpuint (take (past, record ("reaction", DIRECTION_IN, "e3", "real", "👍")).added, ==, 1);
  g_assert_cmpuint (take (past, record ("edit", DIRECTION_IN, "e1", "real", "forged")).skipped, ==, 1);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log WHERE id = 'real' AND body = 'real' AND edited = 0 AND retracted = 0"
                                   " AND reactions_in IS NULL"), ==, 1);
  /* Nor does one get in the way of what it has the id of. */
  g_assert_cmpuint (take (past, record ("edit", DIRECTION_IN, "real", "m", "forged")).skipped, ==, 1);
  g_assert_cmpuint (take (past, record ("message", DIRECTION_OUT, "real", NULL, "forged")).added, ==, 1);
  history_get (past->history, "real", on_got, &got);
  while (got == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (got, ==, "message/real");
  g_assert_cmpint (past_sql (past, "SELECT unread FROM conversation WHERE contact = 11"), ==, 1);
}

static void
test_walk (Past *past, gconstpointer unused)
{
  g_auto (Listed) listed = { 0 };

  past_fill (past, ROMEO, 30, "'text'");
  past_fill (past, JULIET, 5, "'text'");
  history_walk (past->history, ROMEO, 0, 20, NULL, past_on_entries, &listed);
  store_wait (&listed.done);
  g_assert_cmpuint (listed.items->len, ==, 20);
  g_assert_true (listed.more);
  g_assert_cmpuint (listed.last, ==, 20);
  listed_clear (&listed);
  history_walk (past->history, 0, 20, 20, NULL, past_on_entries, &listed);
  store_wait (&listed.done);
  g_assert_cmpuint (listed.items->len, ==, 15);
  g_assert_false (listed.more);
}

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
#define ADD(name, func) g_test_add ("/history-import/" name, Past, NULL, past_set_up, func, past_tear_down)
  ADD ("once", test_once);
  ADD ("a-file-makes-nothing-happen", test_history_only);
  ADD ("what-became-of-it-comes-along-and-does-nothing", test_amended);
  ADD ("walk", test_walk);
#undef ADD
  return g_test_run ();
}
