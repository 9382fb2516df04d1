/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/history.h"
#include "daemon/io/outbox.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "tests/unit/store-helper.h"

#define ROMEO 11
#define JULIET 22

typedef struct
{
  Store store;
  History *history;
  Outbox *outbox;
} Fixture;

static const char *program;

static void
open_outbox (Fixture *f)
{
  g_autoptr (GError) error = NULL;

  f->history = history_open (f->store.worker, f->store.path, NULL, &error);
  g_assert_no_error (error);
  f->outbox = outbox_new (history_get_db (f->history));
}

static void
set_up (Fixture *f, gconstpointer unused)
{
  store_set_up (&f->store, NULL);
  open_outbox (f);
}

static void
restart (Fixture *f)
{
  outbox_free (f->outbox);
  history_close (f->history);
  open_outbox (f);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  outbox_free (f->outbox);
  g_assert_true (raw_is_sound (history_get_db (f->history)));
  history_close (f->history);
  store_tear_down (&f->store, NULL);
}

static gint64
sql (Fixture *f, const char *text)
{
  return raw_sql (history_get_db (f->history), text);
}

static OutboxItem *
item_new (guint32 contact, const char *id, const char *body)
{
  OutboxItem *item = g_new0 (OutboxItem, 1);

  item->contact = contact;
  item->id = g_strdup (id);
  item->body = g_strdup (body);
  item->require = REQUIRE_PINNED;
  return item;
}

typedef struct
{
  gboolean done;
  int code;
  char *id;
  guint64 seq;
  gboolean repeat;
  GPtrArray *items;
  guint queued, held;
} Answer;

static void
answer_clear (Answer *a)
{
  g_free (a->id);
  g_clear_pointer (&a->items, g_ptr_array_unref);
  *a = (Answer){ 0 };
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Answer, answer_clear)

static void
answered (Answer *a, const GError *error)
{
  g_assert_false (a->done);
  a->done = TRUE;
  a->code = error != NULL ? error->code : -1;
}

static void
on_added (gpointer user, OutboxItem *item_take, const char *id, guint64 seq, gboolean repeat, const char *const *dropped,
          const GError *error)
{
  g_autoptr (OutboxItem) item = item_take;
  Answer *a = user;

  g_assert_nonnull (item);
  g_assert_true (error != NULL || item->seq == seq);
  a->id = g_strdup (id);
  a->seq = seq;
  a->repeat = repeat;
  answered (a, error);
}

static void
on_loaded (gpointer user, GPtrArray *items, const GError *error)
{
  ((Answer *) user)->items = items;
  answered (user, error);
}

static void
on_settled (gpointer user, guint32 contact, const char *id, guint64 seq, const char *const *dropped, const GError *error)
{
  Answer *a = user;

  a->id = g_strdup (id);
  a->seq = seq;
  answered (a, error);
}

static void
on_counted (gpointer user, guint32 contact, guint queued, guint held, guint64 last_seq, const GError *error)
{
  Answer *a = user;

  a->queued = queued;
  a->held = held;
  a->seq = last_seq;
  answered (a, error);
}

static guint64
add (Fixture *f, guint32 contact, const char *id)
{
  g_auto (Answer) a = { 0 };

  outbox_add (f->outbox, item_new (contact, id, "hello"), NULL, on_added, &a);
  g_assert_false (a.done);
  store_wait (&a.done);
  g_assert_cmpint (a.code, ==, -1);
  g_assert_cmpstr (a.id, ==, id);
  return a.seq;
}

static int
settle (Fixture *f, guint32 contact, const char *id, const char *state, guint64 *seq)
{
  g_auto (Answer) a = { 0 };

  outbox_settle (f->outbox, contact, id, state, "", on_settled, &a);
  store_wait (&a.done);
  if (seq != NULL)
    *seq = a.seq;
  return a.code;
}

/* "id" of each, with + where held. */
static char *
load (Fixture *f, guint32 contact, guint64 after, guint limit)
{
  g_autoptr (GString) text = g_string_new ("");
  g_auto (Answer) a = { 0 };

  outbox_load (f->outbox, contact, after, limit, on_loaded, &a);
  store_wait (&a.done);
  g_assert_cmpint (a.code, ==, -1);
  for (guint i = 0; i < a.items->len; i++)
    {
      const OutboxItem *item = a.items->pdata[i];

      g_string_append_printf (text, "%s%s%s", i > 0 ? " " : "", item->id, item->held ? "+" : "");
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
assert_load (Fixture *f, guint32 contact, const char *expected)
{
  g_autofree char *text = load (f, contact, 0, 100);

  g_assert_cmpstr (text, ==, expected);
}

static gint64
count_state (Fixture *f, const char *state)
{
  g_autofree char *text = g_strdup_printf ("SELECT count(*) FROM log WHERE kind = 1 AND state = '%s'", state);

  return sql (f, text);
}

/* -------------------------------------------------------------------------- */

static void
test_durable (Fixture *f, gconstpointer unused)
{
  g_autofree char *page = NULL;
  g_auto (Answer) a = { 0 };
  OutboxItem *item = item_new (ROMEO, "full", "text \xe2\x82\xac");
  const OutboxItem *back;

  item->thread = g_strdup ("t");
  item->reply_to = g_strdup ("r");
  item->created = 1000;
  item->expires = 5000;
  item->require = REQUIRE_VERIFIED;
  outbox_add (f->outbox, item, NULL, on_added, &a);
  store_wait (&a.done);
  answer_clear (&a);
  add (f, JULIET, "j");
  add (f, ROMEO, "b");
  add (f, ROMEO, "a");
  restart (f);
  assert_load (f, ROMEO, "full b a");
  assert_load (f, JULIET, "j");
  page = load (f, ROMEO, 1, 1);
  g_assert_cmpstr (page, ==, "b");
  outbox_load (f->outbox, ROMEO, 0, 10, on_loaded, &a);
  store_wait (&a.done);
  back = a.items->pdata[0];
  g_assert_cmpuint (back->seq, ==, 1);
  g_assert_cmpuint (back->contact, ==, ROMEO);
  g_assert_cmpstr (back->body, ==, "text \xe2\x82\xac");
  g_assert_cmpstr (back->thread, ==, "t");
  g_assert_cmpstr (back->reply_to, ==, "r");
  g_assert_cmpint (back->created, ==, 1000);
  g_assert_cmpint (back->expires, ==, 5000);
  g_assert_cmpint (back->first_sent, ==, 0);
  g_assert_cmpint (back->require, ==, REQUIRE_VERIFIED);
  g_assert_false (back->held);
  g_assert_cmpstr (back->reason, ==, "");
  back = a.items->pdata[1];
  g_assert_null (back->thread);
  g_assert_cmpint (back->expires, ==, back->created + 30 * G_TIME_SPAN_DAY);
}

static void
test_token (Fixture *f, gconstpointer unused)
{
  g_autofree char *long_token = g_strnfill (257, 't');
  g_auto (Answer) a = { 0 };
  g_auto (Answer) b = { 0 };

  outbox_add (f->outbox, item_new (ROMEO, "first", "x"), "tok", on_added, &a);
  outbox_add (f->outbox, item_new (ROMEO, "second", "x"), "tok", on_added, &b);
  store_wait (&b.done);
  g_assert_false (a.repeat);
  g_assert_true (b.repeat);
  g_assert_cmpstr (b.id, ==, "first");
  g_assert_cmpuint (b.seq, ==, a.seq);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log"), ==, 1);
  settle (f, ROMEO, "first", "delivered", NULL);
  restart (f);
  answer_clear (&b);
  outbox_add (f->outbox, item_new (ROMEO, "third", "x"), "tok", on_added, &b);
  store_wait (&b.done);
  g_assert_true (b.repeat);
  g_assert_cmpstr (b.id, ==, "first");
  answer_clear (&b);
  /* For another contact it is another token. */
  outbox_add (f->outbox, item_new (JULIET, "fourth", "x"), "tok", on_added, &b);
  store_wait (&b.done);
  g_assert_false (b.repeat);
  answer_clear (&b);
  sql (f, "UPDATE token SET time = time - 8 * 86400 * 1000000");
  outbox_add (f->outbox, item_new (ROMEO, "fifth", "x"), "tok", on_added, &b);
  store_wait (&b.done);
  g_assert_false (b.repeat);
  g_assert_cmpstr (b.id, ==, "fifth");
  answer_clear (&b);
  outbox_add (f->outbox, item_new (ROMEO, "sixth", "x"), long_token, on_added, &b);
  store_wait (&b.done);
  g_assert_cmpint (b.code, ==, EARSHOT_ERROR_INVALID_ARGUMENT);
}

/* In clear: the word and the mark, and the mark only on that message. */
static void
test_settle_clear (Fixture *f, gconstpointer unused)
{
  g_auto (Answer) a = { 0 }, b = { 0 };

  add (f, ROMEO, "a");
  add (f, ROMEO, "b");
  outbox_settle_clear (f->outbox, JULIET, "a", on_settled, &a);
  store_wait (&a.done);
  g_assert_cmpint (a.code, ==, EARSHOT_ERROR_NOT_FOUND);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log WHERE insecure <> 0"), ==, 0);
  outbox_settle_clear (f->outbox, ROMEO, "a", on_settled, &b);
  store_wait (&b.done);
  g_assert_cmpint (b.code, ==, -1);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log WHERE insecure = 1 AND kind = 0 AND id = 'a' AND state = 'sent'"
                           " AND reason = 'unconfirmed'"), ==, 1);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log WHERE insecure <> 0"), ==, 1);
  assert_load (f, ROMEO, "b");
}

static void
test_settle_once (Fixture *f, gconstpointer unused)
{
  guint64 seq;

  add (f, ROMEO, "a");
  add (f, ROMEO, "b");
  /* A receipt for a message that is another's settles nothing. */
  g_assert_cmpint (settle (f, JULIET, "a", "delivered", &seq), ==, EARSHOT_ERROR_NOT_FOUND);
  g_assert_cmpint (settle (f, ROMEO, "zzz", "delivered", &seq), ==, EARSHOT_ERROR_NOT_FOUND);
  g_assert_cmpint (settle (f, 0, "a", "delivered", &seq), ==, EARSHOT_ERROR_NOT_FOUND);
  assert_load (f, ROMEO, "a b");
  g_assert_cmpint (settle (f, ROMEO, "a", "delivered", &seq), ==, -1);
  g_assert_cmpuint (seq, ==, 3);
  g_assert_cmpint (settle (f, ROMEO, "a", "failed", &seq), ==, EARSHOT_ERROR_NOT_FOUND);
  g_assert_cmpuint (seq, ==, 0);
  g_assert_cmpint (count_state (f, "delivered"), ==, 1);
  g_assert_cmpint (count_state (f, "failed"), ==, 0);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log WHERE kind = 0 AND id = 'a' AND state = 'delivered'"), ==, 1);
  assert_load (f, ROMEO, "b");
  restart (f);
  g_assert_cmpint (settle (f, ROMEO, "a", "delivered", &seq), ==, EARSHOT_ERROR_NOT_FOUND);
}

static void
test_hold (Fixture *f, gconstpointer unused)
{
  g_autoptr (GArray) summaries = NULL;
  g_auto (Answer) a = { 0 };
  Outcome outcome = { 0 };
  const OutboxSummary *summary;
  OutboxItem *item = item_new (ROMEO, "born", "x");

  item->held = TRUE;
  item->reason = g_strdup ("approval-needed");
  outbox_add (f->outbox, item, NULL, on_added, &a);
  add (f, ROMEO, "a");
  add (f, ROMEO, "b");
  add (f, JULIET, "j");
  assert_load (f, ROMEO, "born+ a b");
  /* One. */
  outbox_set_held (f->outbox, ROMEO, "a", TRUE, "key-replaced", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  assert_load (f, ROMEO, "born+ a+ b");
  outbox_set_held (f->outbox, ROMEO, "j", TRUE, "key-replaced", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_NOT_FOUND);
  assert_load (f, JULIET, "j");
  /* Only those held for a reason. */
  outbox_set_held (f->outbox, ROMEO, NULL, FALSE, "key-replaced", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  assert_load (f, ROMEO, "born+ a b");
  /* All; what is so already is not told again. */
  outbox_set_held (f->outbox, ROMEO, NULL, TRUE, "approval-needed", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  assert_load (f, ROMEO, "born+ a+ b+");
  g_assert_cmpint (count_state (f, "held"), ==, 3);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log WHERE kind = 0 AND state = 'held' AND reason = 'approval-needed'"), ==, 3);
  outbox_set_held (f->outbox, ROMEO, NULL, TRUE, "waiting-approval", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (count_state (f, "held"), ==, 6);
  restart (f);
  g_assert_true (outbox_summarize (f->outbox, &summaries, NULL));
  g_assert_cmpuint (summaries->len, ==, 2);
  summary = &g_array_index (summaries, OutboxSummary, 0);
  g_assert_cmpuint (summary->contact, ==, ROMEO);
  g_assert_cmpuint (summary->queued, ==, 3);
  g_assert_cmpuint (summary->held, ==, 3);
  g_assert_cmpuint (summary->first_seq, ==, 1);
  g_assert_cmpint (summary->next_expiry, >, g_get_real_time ());
  answer_clear (&a);
  outbox_count (f->outbox, ROMEO, on_counted, &a);
  store_wait (&a.done);
  g_assert_cmpuint (a.queued, ==, 3);
  g_assert_cmpuint (a.held, ==, 3);
  g_assert_cmpint (sql (f, "SELECT max(seq) FROM log WHERE contact = 11"), ==, (gint64) a.seq);
  outbox_set_held (f->outbox, ROMEO, NULL, FALSE, NULL, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  assert_load (f, ROMEO, "born a b");
  g_assert_cmpint (count_state (f, "queued"), ==, 4);
}

static void
test_expire (Fixture *f, gconstpointer unused)
{
  g_auto (Answer) a = { 0 };
  Outcome outcome = { 0 };
  OutboxItem *item = item_new (ROMEO, "short", "x");

  item->created = 1000;
  item->expires = 2000;
  outbox_add (f->outbox, item, "token", on_added, &a);
  add (f, ROMEO, "long");
  outbox_expire (f->outbox, 1999, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  assert_load (f, ROMEO, "short long");
  outbox_expire (f->outbox, 2000, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  assert_load (f, ROMEO, "long");
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log WHERE kind = 0 AND id = 'short' AND state = 'expired'"), ==, 1);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM token"), ==, 1);
  sql (f, "DELETE FROM meta WHERE name LIKE 'clock%'");
  outbox_expire (f->outbox, g_get_real_time () + 31 * G_TIME_SPAN_DAY, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  assert_load (f, ROMEO, "");
  g_assert_cmpint (sql (f, "SELECT count(*) FROM token"), ==, 0);
}

static gint64
first_sent (Fixture *f, guint32 contact)
{
  g_auto (Answer) a = { 0 };

  outbox_load (f->outbox, contact, 0, 1, on_loaded, &a);
  store_wait (&a.done);
  g_assert_cmpuint (a.items->len, ==, 1);
  return ((OutboxItem *) a.items->pdata[0])->first_sent;
}

static void
test_first_sent (Fixture *f, gconstpointer unused)
{
  add (f, ROMEO, "a");
  outbox_mark_sent (f->outbox, "a", 77);
  outbox_mark_sent (f->outbox, "a", 88);
  g_assert_cmpint (first_sent (f, ROMEO), ==, 77);
  outbox_mark_sent (f->outbox, "a", 99);
  outbox_mark_sent (f->outbox, "never heard of", 1);
  restart (f);
  g_assert_cmpint (first_sent (f, ROMEO), ==, 77);
  add (f, JULIET, "b");
  outbox_mark_sent (f->outbox, "b", 5);
  /* A stranger naming the id does not make it forget. */
  g_assert_cmpint (settle (f, ROMEO, "b", "delivered", NULL), ==, EARSHOT_ERROR_NOT_FOUND);
  restart (f);
  g_assert_cmpint (first_sent (f, JULIET), ==, 5);
  outbox_mark_sent (f->outbox, "b", 6);
  g_assert_cmpint (settle (f, JULIET, "b", "delivered", NULL), ==, -1);
}

static void
test_quota (Fixture *f, gconstpointer unused)
{
  g_auto (Answer) a = { 0 };

  sql (f, "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 99999)"
          " INSERT INTO log (seq, time, kind, contact, id, direction, insecure, sent_time, body, state)"
          " SELECT x, 1, 0, 11, 'i' || x, 1, 0, 1, 'b', 'queued' FROM c");
  sql (f, "INSERT INTO outbox SELECT seq, contact, 1, 0, 9000000000000000, 'pinned', 0, '', NULL FROM log");
  restart (f);
  add (f, ROMEO, "the last");
  outbox_add (f->outbox, item_new (JULIET, "too much", "x"), NULL, on_added, &a);
  store_wait (&a.done);
  g_assert_cmpint (a.code, ==, EARSHOT_ERROR_QUOTA_EXCEEDED);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log"), ==, 100000);
  g_assert_cmpint (settle (f, ROMEO, "i7", "delivered", NULL), ==, -1);
  add (f, JULIET, "now");
}

static void
test_full_disk (Fixture *f, gconstpointer unused)
{
  g_autofree char *wal = g_strconcat (f->store.path, "-wal", NULL);
  g_auto (Answer) a = { 0 };
  g_auto (Answer) b = { 0 };
  struct stat st;

  add (f, ROMEO, "a");
  g_assert_cmpint (stat (wal, &st), ==, 0);
  disk_fill ((rlim_t) st.st_size);
  outbox_add (f->outbox, item_new (ROMEO, "b", "hello"), "tok", on_added, &a);
  outbox_settle (f->outbox, ROMEO, "a", "delivered", "", on_settled, &b);
  store_wait (&a.done);
  store_wait (&b.done);
  disk_free ();
  g_assert_cmpint (a.code, ==, EARSHOT_ERROR_STORE_FULL);
  g_assert_cmpint (b.code, ==, EARSHOT_ERROR_STORE_FULL);
  assert_load (f, ROMEO, "a");
  restart (f);
  assert_load (f, ROMEO, "a");
  answer_clear (&a);
  outbox_add (f->outbox, item_new (ROMEO, "b", "hello"), "tok", on_added, &a);
  store_wait (&a.done);
  g_assert_false (a.repeat);
  assert_load (f, ROMEO, "a b");
}

static void
test_rotten_rows (Fixture *f, gconstpointer unused)
{
  g_auto (Answer) a = { 0 };
  Outcome outcome = { 0 };
  const OutboxItem *item;

  add (f, ROMEO, "a");
  sql (f, "UPDATE outbox SET require = 'nonsense', created = -5, first_sent = -1, held = 7");
  /* Owed, but gone from the log; owed to nobody. */
  sql (f, "INSERT INTO outbox VALUES (500, 11, 1, 0, 2, 'pinned', 0, '', NULL), (501, -1, 1, 0, 2, 'pinned', 0, '', NULL)");
  outbox_load (f->outbox, ROMEO, 0, 10, on_loaded, &a);
  store_wait (&a.done);
  g_assert_cmpuint (a.items->len, ==, 1);
  item = a.items->pdata[0];
  g_assert_cmpint (item->require, ==, REQUIRE_VERIFIED);
  g_assert_cmpint (item->created, ==, 0);
  g_assert_cmpint (item->first_sent, ==, 0);
  g_assert_true (item->held);
  outbox_expire (f->outbox, 1000, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM outbox"), ==, 1);
}

static void
test_with_history (Fixture *f, gconstpointer unused)
{
  Outcome outcome = { 0 };

  add (f, ROMEO, "a");
  add (f, ROMEO, "b");
  add (f, JULIET, "j");
  history_move_contact (f->history, ROMEO, JULIET, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  assert_load (f, ROMEO, "");
  assert_load (f, JULIET, "a b j");
  g_assert_cmpint (settle (f, JULIET, "a", "delivered", NULL), ==, -1);
  history_delete_contact (f->history, JULIET, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  assert_load (f, JULIET, "");
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log"), ==, 0);
  add (f, JULIET, "k");
  history_delete_contact (f->history, JULIET, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  assert_load (f, JULIET, "");
  g_assert_cmpint (count_state (f, "failed"), ==, 0);
}

/* The owner goes while jobs are on their way: they report, and touch nothing that is gone. */
static void
test_free_with_pending (Fixture *f, gconstpointer unused)
{
  g_auto (Answer) a = { 0 };

  outbox_add (f->outbox, item_new (ROMEO, "a", "x"), NULL, on_added, &a);
  outbox_mark_sent (f->outbox, "a", 3);
  outbox_free (f->outbox);
  history_close (f->history);
  g_assert_true (a.done);
  g_assert_cmpint (a.code, ==, -1);
  open_outbox (f);
  g_assert_cmpint (first_sent (f, ROMEO), ==, 3);
}

/* --- kill -9 -------------------------------------------------------------- */

#define ROUNDS 12
#define IN_FLIGHT 20

typedef struct
{
  Outbox *outbox;
  guint64 next;
} Child;

static void child_add (Child *child);

static void
say (const char *word, const char *id)
{
  g_autofree char *line = g_strdup_printf ("%s %s\n", word, id);
  gsize length = strlen (line);

  if (write (STDOUT_FILENO, line, length) != (gssize) length)
    _exit (3);
}

static void
on_child_settled (gpointer user, guint32 contact, const char *id, guint64 seq, const char *const *dropped, const GError *error)
{
  if (error != NULL)
    _exit (4);
  say ("settled", id);
}

static void
on_child_added (gpointer user, OutboxItem *item, const char *id, guint64 seq, gboolean repeat, const char *const *dropped,
                const GError *error)
{
  Child *child = user;

  if (error != NULL)
    _exit (5);
  say ("added", id);
  if (seq % 3 == 0)
    outbox_settle (child->outbox, ROMEO, id, "delivered", "", on_child_settled, child);
  outbox_item_free (item);
  child_add (child);
}

static void
child_add (Child *child)
{
  g_autofree char *id = g_uuid_string_random ();

  outbox_add (child->outbox, item_new (ROMEO, id, "a message that must not be lost"), NULL, on_child_added, child);
}

/* Adds and settles until it is killed, and says what it was told is done. */
static int
child_main (const char *path)
{
  DbWorker *worker = db_worker_new ();
  History *history = history_open (worker, path, NULL, NULL);
  Child child = { 0 };

  if (history == NULL)
    return 2;
  child.outbox = outbox_new (history_get_db (history));
  for (int i = 0; i < IN_FLIGHT; i++)
    child_add (&child);
  for (;;)
    g_main_context_iteration (NULL, TRUE);
}

/* Reads what the child said; kills it after `lines` of it, at whatever it is doing then. */
static void
run_and_kill (const char *path, guint lines, GHashTable *added, GHashTable *settled)
{
  char *argv[] = { (char *) program, (char *) "--child", (char *) path, NULL };
  g_autoptr (GError) error = NULL;
  char line[128];
  int out = -1, status;
  GPid pid;
  FILE *stream;

  g_assert_true (g_spawn_async_with_pipes (NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid, NULL, &out, NULL,
                                           &error));
  g_assert_no_error (error);
  stream = fdopen (out, "r");
  for (guint n = 0; fgets (line, sizeof line, stream) != NULL; n++)
    {
      char *id = strchr (line, ' ');

      if (n == lines)
        kill (pid, SIGKILL);
      /* A line cut short by the kill was not said. */
      if (id == NULL || strchr (id, '\n') == NULL)
        continue;
      g_strchomp (id);
      g_hash_table_add (g_str_has_prefix (line, "added") ? added : settled, g_strdup (id + 1));
    }
  fclose (stream);
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);
}

static void
test_kill (Fixture *f, gconstpointer unused)
{
  g_autoptr (GHashTable) added = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) settled = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  gpointer id;

  for (int round = 0; round < ROUNDS; round++)
    {
      outbox_free (f->outbox);
      history_close (f->history);
      run_and_kill (f->store.path, (guint) g_test_rand_int_range (1, 400), added, settled);
      open_outbox (f);
      g_assert_true (raw_is_sound (history_get_db (f->history)));
    }
  g_assert_cmpuint (g_hash_table_size (added), >, ROUNDS);
  g_hash_table_iter_init (&iter, added);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    {
      g_autofree char *log = g_strdup_printf ("SELECT count(*) FROM log WHERE kind = 0 AND id = '%s'", (char *) id);
      g_autofree char *owed = g_strdup_printf ("SELECT count(*) FROM outbox JOIN log USING (seq) WHERE id = '%s'", (char *) id);
      gint64 n = sql (f, owed);

      g_assert_cmpint (sql (f, log), ==, 1);
      g_assert_cmpint (n, <=, 1);
      if (g_hash_table_contains (settled, id))
        g_assert_cmpint (n, ==, 0);
    }
  /* Owed and logged agree: nothing is half done. */
  g_assert_cmpint (sql (f, "SELECT count(*) FROM outbox WHERE seq NOT IN (SELECT seq FROM log WHERE kind = 0 AND state = 'queued')"),
                   ==, 0);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log WHERE kind = 0 AND state = 'queued' AND seq NOT IN (SELECT seq FROM outbox)"),
                   ==, 0);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log WHERE kind = 0 AND state = 'delivered'"), ==, count_state (f, "delivered"));
  g_test_message ("%u added, %u settled in %d lives", g_hash_table_size (added), g_hash_table_size (settled), ROUNDS);
}

/* --- speed, with -m perf -------------------------------------------------- */

#define PERF_N 20000
#define PERF_WINDOW 256

typedef struct
{
  Fixture *f;
  guint started, finished;
  gboolean done;
} Perf;

static void
on_perf_received (gpointer user, const LogEntry *entry, ReceivedResult result, const GError *error)
{
  Perf *perf = user;

  if (++perf->finished == PERF_N)
    perf->done = TRUE;
}

static void perf_add (Perf *perf);

static void
on_perf_settled (gpointer user, guint32 contact, const char *id, guint64 seq, const char *const *dropped, const GError *error)
{
  Perf *perf = user;

  if (++perf->finished == PERF_N)
    perf->done = TRUE;
  perf_add (perf);
}

static void
on_perf_added (gpointer user, OutboxItem *item, const char *id, guint64 seq, gboolean repeat, const char *const *dropped,
               const GError *error)
{
  Perf *perf = user;

  outbox_mark_sent (perf->f->outbox, id, 1);
  outbox_settle (perf->f->outbox, ROMEO, id, "delivered", "", on_perf_settled, perf);
  outbox_item_free (item);
}

static void
perf_add (Perf *perf)
{
  g_autofree char *id = g_uuid_string_random ();

  if (perf->started++ < PERF_N)
    outbox_add (perf->f->outbox, item_new (ROMEO, id, "a message of about one hundred bytes, as people write them to each"
                                                      " other all day long"), NULL, on_perf_added, perf);
}

static void
test_speed (Fixture *f, gconstpointer unused)
{
  Perf perf = { .f = f };
  double seconds;

  g_test_timer_start ();
  for (int i = 0; i < PERF_WINDOW; i++)
    perf_add (&perf);
  store_wait (&perf.done);
  seconds = g_test_timer_elapsed ();
  g_test_maximized_result (PERF_N / seconds, "add and settle: %.0f messages/s", PERF_N / seconds);
  perf = (Perf){ .f = f };
  g_test_timer_start ();
  for (int i = 0; i < PERF_N; i++)
    {
      LogEntry *entry = log_entry_new ();

      entry->contact = ROMEO;
      entry->id = g_uuid_string_random ();
      entry->body = g_strdup ("a message of about one hundred bytes, as people write them to each other all day long");
      history_receive (f->history, entry, on_perf_received, &perf);
      while (db_get_pending (history_get_db (f->history)) > PERF_WINDOW)
        g_main_context_iteration (NULL, TRUE);
    }
  store_wait (&perf.done);
  seconds = g_test_timer_elapsed ();
  g_test_maximized_result (PERF_N / seconds, "receive: %.0f messages/s", PERF_N / seconds);
}

#define ADD(name, func) g_test_add ("/outbox/" name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);

  if (argc == 3 && g_str_equal (argv[1], "--child"))
    return child_main (argv[2]);
  program = self;
  store_main (&argc, &argv);
  ADD ("M-01-durable-in-order", test_durable);
  ADD ("token-repeats", test_token);
  ADD ("settle-once-and-by-its-contact-only", test_settle_once);
  ADD ("settle-in-clear-flags-it", test_settle_clear);
  ADD ("hold-and-release", test_hold);
  ADD ("expire", test_expire);
  ADD ("M-05-first-sent", test_first_sent);
  ADD ("X-02-quota", test_quota);
  ADD ("full-disk", test_full_disk);
  ADD ("rotten-rows", test_rotten_rows);
  ADD ("move-and-delete-with-history", test_with_history);
  ADD ("free-with-pending-jobs", test_free_with_pending);
  ADD ("M-01-kill-9", test_kill);
  if (g_test_perf ())
    ADD ("speed", test_speed);
  return g_test_run ();
}
