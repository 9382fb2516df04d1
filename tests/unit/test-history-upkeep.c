/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/history-private.h"
#include "daemon/io/outbox.h"

#include "tests/unit/history-helper.h"

#define DAY G_TIME_SPAN_DAY

static gint64 today;

typedef struct
{
  gboolean done;
  int code;
  guint64 seq;
} Told;

static void
on_told (gpointer user, guint64 seq, const GError *error)
{
  *(Told *) user = (Told){ TRUE, error != NULL ? error->code : -1, seq };
}

static guint64
prune_at (Past *past, gint64 now, HistoryLimits limits)
{
  Told told = { 0 };

  history_prune (past->history, now, &limits, NULL, on_told, &told);
  g_assert_false (told.done);
  store_wait (&told.done);
  g_assert_cmpint (told.code, ==, -1);
  return told.seq;
}

static guint64
prune (Past *past, HistoryLimits limits)
{
  return prune_at (past, today, limits);
}

static gint64
count (Past *past, guint32 contact)
{
  g_autofree char *sql = g_strdup_printf ("SELECT count(*) FROM log WHERE contact = %u", contact);

  return past_sql (past, sql);
}

static void
on_cursor (gpointer user, guint64 cursor, const GError *error)
{
  on_told (user, cursor, error);
}

static void
consume (Past *past, const char *name, guint64 seq)
{
  Told told = { 0 };
  Outcome outcome = { 0 };

  history_create_consumer (past->history, name, TRUE, on_cursor, &told);
  store_wait (&told.done);
  history_ack (past->history, name, seq, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
}

static int
fetch (Past *past, const char *name)
{
  g_auto (Listed) listed = { 0 };

  history_fetch (past->history, name, 10, 0, NULL, past_on_entries, &listed);
  store_wait (&listed.done);
  return listed.code;
}

static void
test_entries (Past *past, gconstpointer unused)
{
  g_auto (Listed) listed = { 0 };

  past_fill (past, ROMEO, 5000, "'word ' || x");
  past_fill (past, JULIET, 900, "'word ' || x");
  g_assert_cmpuint (prune (past, (HistoryLimits){ .entries = 1000 }), ==, 4001);
  g_assert_cmpint (count (past, ROMEO), ==, 1000);
  g_assert_cmpint (count (past, JULIET), ==, 900);
  g_assert_cmpint (past_sql (past, "SELECT min(seq) FROM log WHERE contact = 11"), ==, 4001);
  g_assert_cmpint (past_sql (past, "SELECT unread FROM conversation WHERE contact = 11"), ==, 1000);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM seen WHERE contact = 11"), ==, 4000);
  history_search (past->history, ROMEO, 0, 1000, "word", past_on_entries, &listed);
  store_wait (&listed.done);
  g_assert_cmpuint (listed.items->len, ==, 1000);
  /* Nothing to do is nothing done. */
  g_assert_cmpuint (prune (past, (HistoryLimits){ .entries = 1000 }), ==, 4001);
  g_assert_cmpuint (prune (past, (HistoryLimits){ 0 }), ==, 4001);
  g_assert_cmpint (count (past, ROMEO), ==, 1000);
}

static void
test_bytes (Past *past, gconstpointer unused)
{
  past_fill (past, ROMEO, 9000, "hex (zeroblob (468))"); /* 936 and 64 */
  past_fill (past, JULIET, 100, "hex (zeroblob (468))");
  prune (past, (HistoryLimits){ .bytes = 2000000 });
  g_assert_cmpint (count (past, ROMEO), ==, 2000);
  g_assert_cmpint (count (past, JULIET), ==, 100);
  prune (past, (HistoryLimits){ .bytes = 50000, .entries = 70 });
  g_assert_cmpint (count (past, ROMEO), ==, 50);
  g_assert_cmpint (count (past, JULIET), ==, 50);
}

static void
test_days (Past *past, gconstpointer unused)
{
  g_autofree char *sql = g_strdup_printf ("UPDATE log SET time = %" G_GINT64_FORMAT " - (1000 - seq) * 86400000000", today);

  past_fill (past, ROMEO, 1000, "'text'"); /* one a day */
  past_sql (past, sql);
  prune (past, (HistoryLimits){ .days = 365 });
  g_assert_cmpint (count (past, ROMEO), ==, 366);
  /* The entries of nobody, too. */
  past_sql (past, "INSERT INTO log (time, kind, contact, id, direction, insecure, sent_time) VALUES (1, 3, 0, '', 0, 0, 0)");
  prune (past, (HistoryLimits){ .days = 365 });
  g_assert_cmpint (count (past, 0), ==, 0);
}

/* Never past the slowest consumer that is alive; one that was away for long has to begin anew, and is told so. */
static void
test_consumers (Past *past, gconstpointer unused)
{
  past_fill (past, ROMEO, 1000, "'text'");
  consume (past, "slow", 300);
  consume (past, "quick", 1000);
  g_assert_cmpuint (prune (past, (HistoryLimits){ .entries = 10 }), ==, 301);
  g_assert_cmpint (count (past, ROMEO), ==, 700);
  g_assert_cmpint (fetch (past, "slow"), ==, -1);
  past_sql (past, "UPDATE consumer SET last_seen = last_seen - 31 * 86400000000 WHERE name = 'slow'");
  g_assert_cmpuint (prune (past, (HistoryLimits){ .entries = 10 }), ==, 991);
  g_assert_cmpint (count (past, ROMEO), ==, 10);
  g_assert_cmpint (fetch (past, "slow"), ==, EARSHOT_ERROR_CURSOR_EXPIRED);
  g_assert_cmpint (fetch (past, "quick"), ==, -1);
}

static void
test_owed (Past *past, gconstpointer unused)
{
  past_fill (past, ROMEO, 100, "'text'");
  past_sql (past, "UPDATE log SET direction = 1, state = 'queued' WHERE seq IN (5, 50)");
  past_sql (past, "UPDATE log SET direction = 1, state = 'held' WHERE seq = 60");
  past_sql (past, "UPDATE log SET direction = 1, state = 'delivered' WHERE seq = 70");
  prune (past, (HistoryLimits){ .entries = 1, .days = 1 });
  g_assert_cmpint (count (past, ROMEO), ==, 3);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log WHERE state IN ('queued', 'held')"), ==, 3);
}

/* A year ahead: nothing is old for that. After a day of its own the clock is believed. */
static void
test_clock_leaps_ahead (Past *past, gconstpointer unused)
{
  g_autofree char *times = g_strdup_printf ("UPDATE log SET time = %" G_GINT64_FORMAT, today);
  gint64 year = today + 365 * DAY;

  past_fill (past, ROMEO, 10, "'text'");
  past_sql (past, times);
  past_sql (past, "INSERT INTO seen VALUES (77, 'gone', 1, 1)");
  prune (past, (HistoryLimits){ .days = 30 });
  past_sql (past, "INSERT INTO seen SELECT 78, 'gone', 1, max(time) FROM log");
  consume (past, "bot", 0);
  for (gint64 hours = 0; hours <= 24; hours += 6)
    prune_at (past, year + hours * G_TIME_SPAN_HOUR, (HistoryLimits){ .days = 30, .entries = 1 });
  g_assert_cmpint (count (past, ROMEO), ==, 10);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM seen"), ==, 1);
  past_restart (past);
  prune_at (past, year + DAY + 1, (HistoryLimits){ .days = 30 });
  g_assert_cmpint (count (past, ROMEO), ==, 0);
}

/* There and back: as if nothing had been. An hour back is no leap. */
static void
test_clock_comes_back (Past *past, gconstpointer unused)
{
  g_autofree char *times = g_strdup_printf ("UPDATE log SET time = %" G_GINT64_FORMAT, today - 29 * DAY);

  past_fill (past, ROMEO, 10, "'text'");
  past_sql (past, times);
  prune (past, (HistoryLimits){ .days = 30 });
  prune_at (past, today + 365 * DAY, (HistoryLimits){ .days = 30 });
  prune_at (past, today - G_TIME_SPAN_HOUR, (HistoryLimits){ .days = 30 });
  prune_at (past, today + DAY / 2, (HistoryLimits){ .days = 30 });
  g_assert_cmpint (count (past, ROMEO), ==, 10);
  prune_at (past, today + DAY / 2 + G_TIME_SPAN_HOUR, (HistoryLimits){ .days = 30 });
  prune_at (past, today + DAY / 2, (HistoryLimits){ .days = 30 });
  prune_at (past, today + 2 * DAY, (HistoryLimits){ .days = 30 });
  g_assert_cmpint (count (past, ROMEO), ==, 0);
}

static void
on_added (gpointer user, OutboxItem *item, const char *id, guint64 seq, gboolean repeat, const char *const *dropped,
          const GError *error)
{
  g_assert_no_error (error);
  outbox_item_free (item);
  *(Told *) user = (Told){ TRUE, repeat, seq };
}

static gboolean
add (Outbox *outbox, const char *token)
{
  OutboxItem *item = g_new0 (OutboxItem, 1);
  Told told = { 0 };

  item->id = g_uuid_string_random ();
  item->contact = ROMEO;
  item->body = g_strdup ("text");
  item->require = REQUIRE_ENCRYPTED;
  outbox_add (outbox, item, token, on_added, &told);
  store_wait (&told.done);
  return told.code;
}

/* What was acknowledged does not expire because the clock says so, and a token still is what it was. */
static void
test_outbox_and_the_clock (Past *past, gconstpointer unused)
{
  Outbox *outbox = outbox_new (history_get_db (past->history));
  Outcome outcome = { 0 };

  add (outbox, "token");
  prune (past, (HistoryLimits){ 0 });
  outbox_expire (outbox, today + 365 * DAY, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM outbox"), ==, 1);
  /* Real time is "back" again for it, and still the token counts. */
  g_assert_true (add (outbox, "token"));
  /* Behind by years, a message is of now and does not expire. */
  outbox_expire (outbox, today - 3000 * DAY, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM outbox"), ==, 1);
  /* The clock is right again, for a day; then what is really old goes. */
  outbox_expire (outbox, today, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  for (guint day = 2; day <= 32; day += 6)
    {
      outbox_expire (outbox, today + day * DAY, outcome_set, &outcome);
      g_assert_cmpint (outcome_wait (&outcome), ==, -1);
    }
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM outbox"), ==, 0);
  outbox_free (outbox);
}

/* What was said and deleted is nowhere in the file: not as text, and not as a word of the index. */
static void
test_words_leave_the_file (Past *past, gconstpointer unused)
{
  const char *const ids[] = { "secret", NULL };
  g_autofree char *bytes = NULL;
  Outcome outcome = { 0 };
  gsize length;

  past_fill (past, ROMEO, 3000, "'chaff ' || x");
  past_receive (past, JULIET, "secret", "meet me under zanzibarine");
  history_index (past->history, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  past_receive (past, JULIET, "other", "nothing");
  history_delete (past->history, ids, outcome_set_deleted, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (past_sql (past, "SELECT value FROM meta WHERE name = 'unmerged'"), ==, 1);
  prune (past, (HistoryLimits){ 0 });
  g_assert_cmpint (past_sql (past, "SELECT value FROM meta WHERE name = 'unmerged'"), ==, 0);
  past_sql (past, "INSERT INTO log_text (log_text) VALUES ('integrity-check')");
  past_restart (past);
  g_assert_true (g_file_get_contents (past->store.path, &bytes, &length, NULL));
  g_assert_nonnull (memmem (bytes, length, "chaff", 5));
  g_assert_null (memmem (bytes, length, "zanzibarine", 11));
}

static void
test_space_comes_back (Past *past, gconstpointer unused)
{
  gint64 pages;

  past_fill (past, ROMEO, 10000, "hex (zeroblob (2000))");
  pages = past_sql (past, "PRAGMA page_count");
  g_assert_cmpint (pages, >, 10000);
  prune (past, (HistoryLimits){ .entries = 10 });
  g_assert_cmpint (past_sql (past, "PRAGMA page_count"), <, 2500);
  g_assert_cmpint (past_sql (past, "PRAGMA freelist_count"), <=, 1024);
}

/* A run is many jobs; whoever ends the daemon waits for one. */
static void
test_stop (Past *past, gconstpointer unused)
{
  Told told = { 0 };

  past_fill (past, ROMEO, 20000, "'text'");
  history_prune (past->history, today, &(HistoryLimits){ .entries = 10 }, NULL, on_told, &told);
  history_stop (past->history);
  db_worker_flush (past->store.worker);
  g_assert_true (told.done);
  g_assert_cmpint (told.code, ==, EARSHOT_ERROR_CANCELLED);
  g_assert_cmpint (count (past, ROMEO), >, 19000);
  past_restart (past);
  prune (past, (HistoryLimits){ .entries = 10 });
  g_assert_cmpint (count (past, ROMEO), ==, 10);
}

typedef struct
{
  Told told; /* first: what on_told() gets */
  guint32 contact;
  guint unread, times;
} Lost;

static void
on_lost (gpointer user, guint32 contact, guint unread)
{
  Lost *lost = user;

  g_assert_true (lost->contact == 0 || lost->contact == contact);
  lost->contact = contact;
  lost->unread = unread;
  lost->times++;
}

/* What goes unread is not unread, and that is told: once a job that took such, of that conversation only. */
static void
test_unread_ones_go (Past *past, gconstpointer unused)
{
  Lost lost = { 0 }, again = { 0 };

  past_fill (past, ROMEO, 1000, "'text'");
  past_fill (past, JULIET, 1000, "'text'");
  past_fill (past, 33, 5, "'text'");
  past_sql (past, "UPDATE conversation SET read_seq = last_seq, unread = 0 WHERE contact = 22");
  past_sql (past, "UPDATE conversation SET read_seq = 500, unread = 500 WHERE contact = 11");
  history_prune (past->history, today, &(HistoryLimits){ .entries = 10 }, on_lost, on_told, &lost);
  store_wait (&lost.told.done);
  g_assert_cmpuint (lost.contact, ==, ROMEO);
  g_assert_cmpuint (lost.unread, ==, 10);
  g_assert_cmpuint (lost.times, ==, 2);
  g_assert_cmpint (past_sql (past, "SELECT unread FROM conversation WHERE contact = 11"), ==, 10);
  history_prune (past->history, today, &(HistoryLimits){ .entries = 10 }, on_lost, on_told, &again);
  store_wait (&again.told.done);
  g_assert_cmpuint (again.times, ==, 0);
}

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  today = g_get_real_time ();
#define ADD(name, func) g_test_add ("/history-upkeep/" name, Past, NULL, past_set_up, func, past_tear_down)
  ADD ("newest-entries-stay", test_entries);
  ADD ("bytes-of-each-contact", test_bytes);
  ADD ("days", test_days);
  ADD ("never-past-a-consumer", test_consumers);
  ADD ("what-is-owed-stays", test_owed);
  ADD ("clock-a-year-ahead-makes-nothing-old", test_clock_leaps_ahead);
  ADD ("clock-comes-back", test_clock_comes_back);
  ADD ("M-01-clock-expires-nothing", test_outbox_and_the_clock);
  ADD ("deleted-words-leave-the-file", test_words_leave_the_file);
  ADD ("space-comes-back", test_space_comes_back);
  ADD ("stop", test_stop);
  ADD ("unread-ones-go", test_unread_ones_go);
#undef ADD
  return g_test_run ();
}
