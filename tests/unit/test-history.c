/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/history.h"
#include "daemon/io/outbox.h"

#include "tests/unit/history-helper.h"

#define ROMEO 11
#define JULIET 22

typedef struct
{
  Store store;
  History *history;
} Fixture;

static void
open_history (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *aside = NULL;

  f->history = history_open (f->store.worker, f->store.path, &aside, &error);
  g_assert_no_error (error);
  g_assert_null (aside);
}

static void
set_up (Fixture *f, gconstpointer unused)
{
  store_set_up (&f->store, NULL);
  open_history (f);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  g_assert_true (raw_is_sound (history_get_db (f->history)));
  history_close (f->history);
  store_tear_down (&f->store, NULL);
}

static void
restart (Fixture *f)
{
  history_close (f->history);
  open_history (f);
}

static gint64
sql (Fixture *f, const char *text)
{
  return raw_sql (history_get_db (f->history), text);
}

static Fingerprint
key_of (guint8 n)
{
  Fingerprint fp;

  memset (fp.bytes, n, sizeof fp.bytes);
  return fp;
}

/* --- what callbacks said -------------------------------------------------- */

typedef struct
{
  gboolean done;
  int code;
  ReceivedResult result;
  guint64 seq, cursor;
  guint count;
  GPtrArray *items;
  gboolean more;
  char *state, *body;
} Answer;

static void
answer_clear (Answer *a)
{
  g_clear_pointer (&a->items, g_ptr_array_unref);
  g_free (a->state);
  g_free (a->body);
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
on_received (gpointer user, const LogEntry *entry, ReceivedResult result, const GError *error)
{
  Answer *a = user;

  a->result = result;
  a->seq = entry->seq;
  answered (a, error);
}

static void
on_entries (gpointer user, GPtrArray *entries, gboolean more, guint64 last, const GError *error)
{
  Answer *a = user;

  g_assert_true ((entries == NULL) == (error != NULL));
  a->items = entries;
  a->more = more;
  a->cursor = last;
  answered (a, error);
}

static void
on_got (gpointer user, const LogEntry *entry, const GError *error)
{
  Answer *a = user;

  g_assert_true ((entry == NULL) == (error != NULL));
  if (entry != NULL)
    {
      a->seq = entry->seq;
      a->state = g_strdup (entry->state);
      a->body = g_strdup (entry->body);
    }
  answered (a, error);
}

static void
on_seq (gpointer user, guint64 seq, const GError *error)
{
  ((Answer *) user)->cursor = seq;
  answered (user, error);
}

static void
on_consumers (gpointer user, GPtrArray *consumers, const GError *error)
{
  ((Answer *) user)->items = consumers;
  answered (user, error);
}

static void
on_read (gpointer user, guint32 contact, guint64 read_seq, guint unread, const char *marker, const GError *error)
{
  ((Answer *) user)->cursor = read_seq;
  ((Answer *) user)->count = unread;
  answered (user, error);
}

static LogEntry *
message (guint32 contact, const char *id, const char *body)
{
  LogEntry *entry = log_entry_new ();

  entry->time = g_get_real_time ();
  entry->sent_time = 1234567;
  entry->contact = contact;
  entry->id = g_strdup (id);
  entry->body = g_strdup (body);
  entry->trust = g_strdup ("pinned");
  entry->has_key = TRUE;
  entry->key = key_of ((guint8) contact);
  return entry;
}

static guint64
receive (Fixture *f, guint32 contact, const char *id, const char *body, ReceivedResult expected)
{
  g_auto (Answer) a = { 0 };

  history_receive (f->history, message (contact, id, body), on_received, &a);
  g_assert_false (a.done);
  store_wait (&a.done);
  g_assert_cmpint (a.code, ==, -1);
  g_assert_cmpint (a.result, ==, expected);
  return a.seq;
}

/* Our message, as the outbox logs it. */
typedef struct
{
  guint32 contact;
  const char *id, *state;
  guint64 seq;
} Ours;

static gboolean
work_ours (sqlite3 *handle, gpointer data, GError **error)
{
  Ours *ours = data;
  LogEntry entry = { .time = 5, .kind = (char *) "message", .contact = ours->contact, .id = (char *) ours->id,
                     .direction = DIRECTION_OUT, .body = (char *) "ours", .state = (char *) "queued" };

  if (!history_append_in_job (handle, &entry, error))
    return FALSE;
  ours->seq = entry.seq;
  return TRUE;
}

static gboolean
work_state (sqlite3 *handle, gpointer data, GError **error)
{
  Ours *ours = data;

  return history_state_in_job (handle, ours->contact, ours->id, ours->state, "why", 6, &ours->seq, error);
}

static guint64
append_ours (Fixture *f, guint32 contact, const char *id)
{
  Ours ours = { contact, id, NULL, 0 };

  g_assert_true (db_run_now (history_get_db (f->history), work_ours, &ours, NULL));
  return ours.seq;
}

static guint64
set_state (Fixture *f, guint32 contact, const char *id, const char *state)
{
  Ours ours = { contact, id, state, 99 };

  g_assert_true (db_run_now (history_get_db (f->history), work_state, &ours, NULL));
  return ours.seq;
}

static char *
list_bodies (Fixture *f, guint32 contact, guint64 before, guint limit, const char *const *kinds, gboolean *more)
{
  g_auto (Answer) a = { 0 };
  g_autoptr (GString) text = g_string_new ("");

  history_list (f->history, contact, before, limit, kinds, on_entries, &a);
  store_wait (&a.done);
  g_assert_cmpint (a.code, ==, -1);
  for (guint i = 0; i < a.items->len; i++)
    {
      const LogEntry *entry = a.items->pdata[i];

      g_string_append_printf (text, "%s%s", i > 0 ? " " : "", entry->body != NULL ? entry->body : entry->kind);
    }
  if (more != NULL)
    *more = a.more;
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static ConversationRow
conversation (Fixture *f, guint32 contact)
{
  g_autoptr (GArray) rows = NULL;
  ConversationRow found = { 0 };
  guint64 head, tail;

  g_assert_true (history_load_conversations (f->history, &rows, &head, &tail, NULL));
  for (guint i = 0; i < rows->len; i++)
    if (g_array_index (rows, ConversationRow, i).contact == contact)
      {
        found = g_array_index (rows, ConversationRow, i);
        found.require = NULL;
      }
  return found;
}

static int
got (Fixture *f, const char *id)
{
  g_auto (Answer) a = { 0 };

  history_get (f->history, id, on_got, &a);
  store_wait (&a.done);
  return a.code;
}

/* --- receiving ------------------------------------------------------------ */

static void
test_dedup (Fixture *f, gconstpointer unused)
{
  guint64 first = receive (f, ROMEO, "a", "one", RECEIVED_NEW);

  g_assert_cmpuint (receive (f, ROMEO, "a", "one", RECEIVED_DUPLICATE), ==, first);
  receive (f, ROMEO, "a", "another", RECEIVED_CONFLICT);
  restart (f);
  g_assert_cmpuint (receive (f, ROMEO, "a", "one", RECEIVED_DUPLICATE), ==, first);
  /* The same id from somebody else is another message. */
  receive (f, JULIET, "a", "one", RECEIVED_NEW);
  /* So is ours of the same id. */
  append_ours (f, ROMEO, "b");
  receive (f, ROMEO, "b", "mirrored", RECEIVED_NEW);
  /* No id, no duplicate. */
  receive (f, ROMEO, "", "same", RECEIVED_NEW);
  receive (f, ROMEO, "", "same", RECEIVED_NEW);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log"), ==, 6);
}

static void
test_dedup_after_delete (Fixture *f, gconstpointer unused)
{
  const char *const ids[] = { "a", NULL };
  Outcome outcome = { 0 };
  guint64 seq = receive (f, ROMEO, "a", "one", RECEIVED_NEW);

  history_delete (f->history, ids, outcome_set_deleted, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (got (f, "a"), ==, EARSHOT_ERROR_NOT_FOUND);
  restart (f);
  g_assert_cmpuint (receive (f, ROMEO, "a", "one", RECEIVED_DUPLICATE), ==, seq);
  history_delete (f->history, ids, outcome_set_deleted, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_NOT_FOUND);
}

static void
test_dedup_same_batch (Fixture *f, gconstpointer unused)
{
  g_auto (Answer) a = { 0 };
  g_auto (Answer) b = { 0 };

  history_receive (f->history, message (ROMEO, "x", "one"), on_received, &a);
  history_receive (f->history, message (ROMEO, "x", "one"), on_received, &b);
  store_wait (&b.done);
  g_assert_cmpint (a.result, ==, RECEIVED_NEW);
  g_assert_cmpint (b.result, ==, RECEIVED_DUPLICATE);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log"), ==, 1);
}

static void
test_hostile_text (Fixture *f, gconstpointer unused)
{
  static const char id[] = "'; DROP TABLE log; --%s%n";
  static const char body[] = "\x1b[2J \xe2\x80\xae %n '); DELETE FROM log; \xf0\x9f\x92\x80";
  g_auto (Answer) a = { 0 };

  receive (f, ROMEO, id, body, RECEIVED_NEW);
  history_get (f->history, id, on_got, &a);
  store_wait (&a.done);
  g_assert_cmpstr (a.body, ==, body);
  receive (f, ROMEO, id, body, RECEIVED_DUPLICATE);
}

static void
test_fields (Fixture *f, gconstpointer unused)
{
  g_auto (Answer) a = { 0 };
  LogEntry *entry = message (ROMEO, "a", "one");
  const LogEntry *back;
  Fingerprint key = key_of (ROMEO);

  receive (f, ROMEO, "r", "zero", RECEIVED_NEW);

  entry->thread = g_strdup ("t");
  entry->reply_to = g_strdup ("r");
  entry->insecure = TRUE;
  entry->time = 4711;
  history_receive (f->history, entry, NULL, NULL);
  history_list (f->history, 0, 0, 0, NULL, on_entries, &a);
  store_wait (&a.done);
  g_assert_cmpuint (a.items->len, ==, 2);
  back = a.items->pdata[0];
  g_assert_cmpuint (back->seq, ==, 2);
  g_assert_cmpint (back->time, ==, 4711);
  g_assert_cmpstr (back->kind, ==, "message");
  g_assert_cmpuint (back->contact, ==, ROMEO);
  g_assert_cmpstr (back->id, ==, "a");
  g_assert_cmpint (back->direction, ==, DIRECTION_IN);
  g_assert_true (back->has_key && fingerprint_equal (&back->key, &key));
  g_assert_cmpstr (back->body, ==, "one");
  g_assert_cmpint (back->sent_time, ==, 1234567);
  g_assert_cmpstr (back->trust, ==, "pinned");
  g_assert_true (back->insecure);
  g_assert_cmpstr (back->thread, ==, "t");
  g_assert_cmpstr (back->reply_to, ==, "r");
  g_assert_null (back->state);
}

static void
test_full_disk (Fixture *f, gconstpointer unused)
{
  g_autofree char *wal = g_strconcat (f->store.path, "-wal", NULL);
  g_auto (Answer) a = { 0 };
  struct stat st;

  receive (f, ROMEO, "a", "one", RECEIVED_NEW);
  g_assert_cmpint (stat (wal, &st), ==, 0);
  disk_fill ((rlim_t) st.st_size);
  history_receive (f->history, message (ROMEO, "b", "two"), on_received, &a);
  store_wait (&a.done);
  disk_free ();
  g_assert_cmpint (a.code, ==, EARSHOT_ERROR_STORE_FULL);
  /* Not stored, so not seen: the sender's next try counts. */
  receive (f, ROMEO, "b", "two", RECEIVED_NEW);
  receive (f, ROMEO, "a", "one", RECEIVED_DUPLICATE);
}

/* --- aside ---------------------------------------------------------------- */

static int
set_aside (Fixture *f, guint8 key, const char *id, const char *body, guint max, ReceivedResult *result)
{
  g_auto (Answer) a = { 0 };
  LogEntry *entry = message (ROMEO, id, body);

  entry->key = key_of (key);
  history_set_aside (f->history, entry, max, on_received, &a);
  store_wait (&a.done);
  if (result != NULL)
    *result = a.result;
  return a.code;
}

static void
test_aside (Fixture *f, gconstpointer unused)
{
  g_autoptr (GArray) keys = NULL;
  Fingerprint one = key_of (1), two = key_of (2);
  g_auto (Answer) a = { 0 };
  Outcome outcome = { 0 };
  ReceivedResult result;

  g_assert_cmpint (set_aside (f, 1, "a", "first", 3, &result), ==, -1);
  g_assert_cmpint (result, ==, RECEIVED_NEW);
  g_assert_cmpint (set_aside (f, 1, "a", "first", 3, &result), ==, -1);
  g_assert_cmpint (result, ==, RECEIVED_DUPLICATE);
  g_assert_cmpint (set_aside (f, 1, "a", "other", 3, &result), ==, -1);
  g_assert_cmpint (result, ==, RECEIVED_CONFLICT);
  g_assert_cmpint (set_aside (f, 1, "b", "second", 3, NULL), ==, -1);
  g_assert_cmpint (set_aside (f, 2, "x", "of two", 3, NULL), ==, -1);
  g_assert_cmpint (set_aside (f, 1, "c", "third", 3, NULL), ==, -1);
  g_assert_cmpint (set_aside (f, 1, "d", "too much", 3, NULL), ==, EARSHOT_ERROR_QUOTA_EXCEEDED);
  /* Nothing of it is in the log, nothing is unread. */
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log"), ==, 0);
  g_assert_cmpuint (conversation (f, ROMEO).unread, ==, 0);
  restart (f);
  g_assert_true (history_list_aside (f->history, &keys, NULL));
  g_assert_cmpuint (keys->len, ==, 2);
  history_preview (f->history, &one, on_entries, &a);
  store_wait (&a.done);
  g_assert_cmpuint (a.items->len, ==, 3);
  g_assert_cmpstr (((LogEntry *) a.items->pdata[2])->body, ==, "third");
  answer_clear (&a);
  /* Admitted in order; what came by another way meanwhile is not doubled. */
  receive (f, JULIET, "b", "second", RECEIVED_NEW);
  history_admit (f->history, &one, JULIET, on_entries, &a);
  store_wait (&a.done);
  g_assert_cmpuint (a.items->len, ==, 2);
  g_assert_cmpstr (((LogEntry *) a.items->pdata[0])->body, ==, "first");
  g_assert_cmpstr (((LogEntry *) a.items->pdata[1])->body, ==, "third");
  g_assert_cmpuint (((LogEntry *) a.items->pdata[1])->contact, ==, JULIET);
  g_assert_cmpuint (a.cursor, ==, ((LogEntry *) a.items->pdata[1])->seq);
  g_assert_cmpuint (conversation (f, JULIET).unread, ==, 3);
  answer_clear (&a);
  history_admit (f->history, &one, JULIET, on_entries, &a);
  store_wait (&a.done);
  g_assert_cmpuint (a.items->len, ==, 0);
  receive (f, JULIET, "a", "first", RECEIVED_DUPLICATE);
  history_discard (f->history, &two, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM aside"), ==, 0);
  /* Discarded is not seen: it was never acknowledged. */
  receive (f, ROMEO, "x", "of two", RECEIVED_NEW);
}

static void
test_aside_bound (Fixture *f, gconstpointer unused)
{
  /* Many strangers with a few messages each end at a bound, too. */
  sql (f, "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 4096)"
          " INSERT INTO aside (key, contact, id, time, sent_time, insecure, body)"
          " SELECT randomblob(32), x, 'i' || x, 1, 1, 0, 'b' FROM c");
  g_assert_cmpint (set_aside (f, 1, "a", "one more", 8, NULL), ==, EARSHOT_ERROR_QUOTA_EXCEEDED);
}

/* --- reading -------------------------------------------------------------- */

static void
test_list (Fixture *f, gconstpointer unused)
{
  static const char *const messages[] = { "message", NULL };
  static const char *const states[] = { "state", "trust", NULL };
  static const char *const nonsense[] = { "message", "' OR 1", NULL };
  g_auto (Answer) a = { 0 };
  g_autofree char *all = NULL;
  g_autofree char *page = NULL;
  g_autofree char *older = NULL;
  g_autofree char *of_romeo = NULL;
  g_autofree char *only_state = NULL;
  gboolean more;

  receive (f, ROMEO, "a", "one", RECEIVED_NEW);
  receive (f, JULIET, "b", "two", RECEIVED_NEW);
  append_ours (f, ROMEO, "c");
  g_assert_cmpuint (set_state (f, ROMEO, "c", "delivered"), ==, 4);
  receive (f, ROMEO, "d", "five", RECEIVED_NEW);
  all = list_bodies (f, 0, 0, 100, NULL, &more);
  g_assert_cmpstr (all, ==, "five state ours two one");
  g_assert_false (more);
  page = list_bodies (f, 0, 0, 2, messages, &more);
  g_assert_cmpstr (page, ==, "five ours");
  g_assert_true (more);
  older = list_bodies (f, 0, 3, 2, messages, &more);
  g_assert_cmpstr (older, ==, "two one");
  g_assert_false (more);
  of_romeo = list_bodies (f, ROMEO, 5, 10, NULL, &more);
  g_assert_cmpstr (of_romeo, ==, "state ours one");
  only_state = list_bodies (f, ROMEO, 0, 10, states, NULL);
  g_assert_cmpstr (only_state, ==, "state");
  history_list (f->history, 0, 0, 10, nonsense, on_entries, &a);
  store_wait (&a.done);
  g_assert_cmpint (a.code, ==, EARSHOT_ERROR_INVALID_ARGUMENT);
}

static void
test_state_of_message (Fixture *f, gconstpointer unused)
{
  g_auto (Answer) a = { 0 };

  append_ours (f, ROMEO, "c");
  history_get (f->history, "c", on_got, &a);
  store_wait (&a.done);
  g_assert_cmpstr (a.state, ==, "queued");
  answer_clear (&a);
  g_assert_cmpuint (set_state (f, ROMEO, "c", "delivered"), ==, 2);
  history_get (f->history, "c", on_got, &a);
  store_wait (&a.done);
  g_assert_cmpstr (a.state, ==, "delivered");
  g_assert_cmpuint (a.seq, ==, 1);
  /* Another contact naming the id changes nothing, nor does an id that was received. */
  g_assert_cmpuint (set_state (f, JULIET, "c", "failed"), ==, 0);
  receive (f, ROMEO, "r", "theirs", RECEIVED_NEW);
  g_assert_cmpuint (set_state (f, ROMEO, "r", "failed"), ==, 0);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log WHERE state = 'failed'"), ==, 0);
  g_assert_cmpint (got (f, ""), ==, EARSHOT_ERROR_NOT_FOUND);
  g_assert_cmpint (got (f, "nothing"), ==, EARSHOT_ERROR_NOT_FOUND);
}

static void
test_answer_bytes (Fixture *f, gconstpointer unused)
{
  g_autofree char *body = g_strnfill (60000, 'x');
  g_auto (Answer) a = { 0 };

  for (int i = 0; i < 40; i++)
    {
      g_autofree char *id = g_strdup_printf ("%d", i);

      receive (f, ROMEO, id, body, RECEIVED_NEW);
    }
  history_list (f->history, ROMEO, 0, 100, NULL, on_entries, &a);
  store_wait (&a.done);
  g_assert_true (a.more);
  g_assert_cmpuint (a.items->len, >=, 10);
  g_assert_cmpuint (a.items->len * 60000, <, 1024 * 1024);
}

/* Rows that cannot be are left out, whatever put them there; the others are still told. */
static void
test_rotten_rows (Fixture *f, gconstpointer unused)
{
  g_autofree char *all = NULL;

  receive (f, ROMEO, "a", "one", RECEIVED_NEW);
  sql (f, "INSERT INTO log (time, kind, contact, id, direction, insecure, sent_time) VALUES (1, 77, 11, 'k', 0, 0, 0)");
  sql (f, "INSERT INTO log (time, kind, contact, id, direction, insecure, sent_time) VALUES (1, 0, 99999999999, 'c', 0, 0, 0)");
  sql (f, "INSERT INTO log (time, kind, contact, id, direction, insecure, sent_time) VALUES (1, 0, 11, 'd', 9, 0, 0)");
  sql (f, "INSERT INTO log (time, kind, contact, id, direction, insecure, sent_time, key, body)"
          " VALUES (-1, 0, 11, 'e', 0, 0, -5, x'0102', CAST (x'61ff62' AS TEXT))");
  sql (f, "INSERT INTO conversation (contact, last_seq, read_seq, unread, muted, require) VALUES (-4, -1, -1, -1, 5, ''), (77, -1, -1, -9, 0, CAST (x'ff' AS TEXT))");
  all = list_bodies (f, 0, 0, 100, NULL, NULL);
  g_assert_cmpstr (all, ==, "a\xef\xbf\xbd" "b one");
  g_assert_cmpuint (conversation (f, 77).unread, ==, 0);
  g_assert_cmpuint (conversation (f, (guint32) -4).contact, ==, 0);
}

static void
test_seq_never_again (Fixture *f, gconstpointer unused)
{
  const char *const ids[] = { "a", "b", NULL };
  Outcome outcome = { 0 };

  receive (f, ROMEO, "a", "one", RECEIVED_NEW);
  g_assert_cmpuint (receive (f, ROMEO, "b", "two", RECEIVED_NEW), ==, 2);
  history_delete (f->history, ids, outcome_set_deleted, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  restart (f);
  g_assert_cmpuint (receive (f, ROMEO, "c", "three", RECEIVED_NEW), ==, 3);
}

/* --- consumers ------------------------------------------------------------ */

static int
create (Fixture *f, const char *name, gboolean from_start, guint64 *cursor)
{
  g_auto (Answer) a = { 0 };

  history_create_consumer (f->history, name, from_start, on_seq, &a);
  store_wait (&a.done);
  if (cursor != NULL)
    *cursor = a.cursor;
  return a.code;
}

static int
ack (Fixture *f, const char *name, guint64 seq)
{
  Outcome outcome = { 0 };

  history_ack (f->history, name, seq, outcome_set, &outcome);
  return outcome_wait (&outcome);
}

static int
fetch (Fixture *f, const char *name, guint limit, guint32 contact, Answer *a)
{
  answer_clear (a);
  history_fetch (f->history, name, limit, contact, NULL, on_entries, a);
  store_wait (&a->done);
  return a->code;
}

static void
test_consumers (Fixture *f, gconstpointer unused)
{
  g_autofree char *long_name = g_strnfill (65, 'n');
  g_auto (Answer) a = { 0 };
  Outcome outcome = { 0 };
  guint64 cursor;

  receive (f, ROMEO, "a", "one", RECEIVED_NEW);
  receive (f, JULIET, "b", "two", RECEIVED_NEW);
  g_assert_cmpint (create (f, "late", FALSE, &cursor), ==, -1);
  g_assert_cmpuint (cursor, ==, 2);
  g_assert_cmpint (create (f, "bot", TRUE, &cursor), ==, -1);
  g_assert_cmpuint (cursor, ==, 0);
  g_assert_cmpint (create (f, "", TRUE, NULL), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (create (f, long_name, TRUE, NULL), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (create (f, "\xff", TRUE, NULL), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (fetch (f, "nobody", 10, 0, &a), ==, EARSHOT_ERROR_NOT_FOUND);
  g_assert_cmpint (fetch (f, "late", 10, 0, &a), ==, -1);
  g_assert_cmpuint (a.items->len, ==, 0);
  g_assert_cmpint (fetch (f, "bot", 1, 0, &a), ==, -1);
  g_assert_cmpuint (a.items->len, ==, 1);
  g_assert_true (a.more);
  g_assert_cmpuint (a.cursor, ==, 1);
  /* Fetching does not move it. */
  g_assert_cmpint (fetch (f, "bot", 10, 0, &a), ==, -1);
  g_assert_cmpuint (a.items->len, ==, 2);
  g_assert_false (a.more);
  g_assert_cmpuint (a.cursor, ==, 2);
  /* Filtered: what was left out is done with, too. */
  g_assert_cmpint (fetch (f, "bot", 10, ROMEO, &a), ==, -1);
  g_assert_cmpuint (a.items->len, ==, 1);
  g_assert_cmpuint (a.cursor, ==, 2);
  g_assert_cmpint (ack (f, "bot", 3), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (ack (f, "bot", G_MAXUINT64), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (ack (f, "nobody", 1), ==, EARSHOT_ERROR_NOT_FOUND);
  g_assert_cmpint (ack (f, "bot", 2), ==, -1);
  g_assert_cmpint (ack (f, "bot", 1), ==, -1);
  restart (f);
  /* An old one is what it was. */
  g_assert_cmpint (create (f, "bot", TRUE, &cursor), ==, -1);
  g_assert_cmpuint (cursor, ==, 2);
  answer_clear (&a);
  history_list_consumers (f->history, on_consumers, &a);
  store_wait (&a.done);
  g_assert_cmpuint (a.items->len, ==, 2);
  g_assert_cmpstr (((ConsumerRow *) a.items->pdata[0])->name, ==, "bot");
  g_assert_cmpuint (((ConsumerRow *) a.items->pdata[0])->cursor, ==, 2);
  g_assert_cmpint (((ConsumerRow *) a.items->pdata[0])->last_seen, >, 0);
  history_delete_consumer (f->history, "bot", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  history_delete_consumer (f->history, "bot", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_NOT_FOUND);
}

static void
test_consumer_bound (Fixture *f, gconstpointer unused)
{
  sql (f, "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 256)"
          " INSERT INTO consumer SELECT 'c' || x, 0, 0 FROM c");
  g_assert_cmpint (create (f, "one more", TRUE, NULL), ==, EARSHOT_ERROR_QUOTA_EXCEEDED);
  g_assert_cmpint (create (f, "c1", TRUE, NULL), ==, -1);
}

/* --- reading state -------------------------------------------------------- */

static guint
mark_read (Fixture *f, guint32 contact, guint64 seq, guint64 *read)
{
  g_auto (Answer) a = { 0 };

  history_mark_read (f->history, contact, seq, FALSE, on_read, &a);
  store_wait (&a.done);
  g_assert_cmpint (a.code, ==, -1);
  *read = a.cursor;
  return a.count;
}

static void
test_unread (Fixture *f, gconstpointer unused)
{
  const char *const ids[] = { "d", NULL };
  Outcome outcome = { 0 };
  guint64 read;

  receive (f, ROMEO, "a", "one", RECEIVED_NEW);   /* 1 */
  receive (f, JULIET, "x", "other", RECEIVED_NEW); /* 2 */
  receive (f, ROMEO, "b", "two", RECEIVED_NEW);   /* 3 */
  append_ours (f, ROMEO, "o");                     /* 4: ours is not unread */
  receive (f, ROMEO, "c", "three", RECEIVED_NEW); /* 5 */
  receive (f, ROMEO, "d", "four", RECEIVED_NEW);  /* 6 */
  g_assert_cmpuint (conversation (f, ROMEO).unread, ==, 4);
  g_assert_cmpuint (conversation (f, ROMEO).last_seq, ==, 6);
  g_assert_cmpuint (mark_read (f, ROMEO, 3, &read), ==, 2);
  g_assert_cmpuint (read, ==, 3);
  g_assert_cmpuint (mark_read (f, ROMEO, 1, &read), ==, 2);
  g_assert_cmpuint (read, ==, 3);
  history_delete (f->history, ids, outcome_set_deleted, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  restart (f);
  g_assert_cmpuint (conversation (f, ROMEO).unread, ==, 1);
  /* Nobody has read what is not there yet. */
  g_assert_cmpuint (mark_read (f, ROMEO, G_MAXUINT64, &read), ==, 0);
  g_assert_cmpuint (read, ==, 6);
  receive (f, ROMEO, "e", "five", RECEIVED_NEW);
  g_assert_cmpuint (conversation (f, ROMEO).unread, ==, 1);
  g_assert_cmpuint (conversation (f, JULIET).unread, ==, 1);
  g_assert_cmpuint (mark_read (f, 12345, 9, &read), ==, 0);
}

static void
test_settings (Fixture *f, gconstpointer unused)
{
  g_autoptr (GArray) rows = NULL;
  Outcome outcome = { 0 };
  guint64 head, tail;
  const ConversationRow *row;

  receive (f, ROMEO, "a", "one", RECEIVED_NEW);
  history_set_conversation (f->history, ROMEO, TRUE, "verified", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  history_set_conversation (f->history, 0, TRUE, "verified", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  receive (f, ROMEO, "b", "two", RECEIVED_NEW);
  restart (f);
  g_assert_true (history_load_conversations (f->history, &rows, &head, &tail, NULL));
  g_assert_cmpuint (rows->len, ==, 1);
  g_assert_cmpuint (head, ==, 2);
  g_assert_cmpuint (tail, ==, 1);
  row = &g_array_index (rows, ConversationRow, 0);
  g_assert_true (row->muted);
  g_assert_cmpstr (row->require, ==, "verified");
  g_assert_cmpuint (row->unread, ==, 2);
}

/* --- deleting, moving, retention ------------------------------------------ */

static void
test_delete_owed (Fixture *f, gconstpointer unused)
{
  const char *const ids[] = { "r", "o", "", NULL };
  const char *const nothing[] = { "", NULL };
  Outcome outcome = { 0 };

  receive (f, ROMEO, "r", "theirs", RECEIVED_NEW);
  append_ours (f, ROMEO, "o");
  sql (f, "INSERT INTO log (time, kind, contact, id, direction, insecure, sent_time) VALUES (1, 3, 0, '', 0, 0, 0)");
  history_delete (f->history, ids, outcome_set_deleted, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_FAILED);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log"), ==, 3);
  history_delete (f->history, nothing, outcome_set_deleted, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_NOT_FOUND);
  set_state (f, ROMEO, "o", "delivered");
  history_delete (f->history, ids, outcome_set_deleted, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  /* With its state entry; what has no id stays. */
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log"), ==, 1);
}

static void
test_delete_contact (Fixture *f, gconstpointer unused)
{
  Outcome outcome = { 0 };

  receive (f, ROMEO, "a", "one", RECEIVED_NEW);
  receive (f, JULIET, "b", "two", RECEIVED_NEW);
  set_aside (f, 1, "s", "aside", 8, NULL);
  history_delete_contact (f->history, ROMEO, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log"), ==, 1);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM aside"), ==, 0);
  g_assert_cmpuint (conversation (f, ROMEO).contact, ==, 0);
  receive (f, ROMEO, "a", "one", RECEIVED_DUPLICATE);
  history_delete_contact (f->history, 0, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
}

static void
test_move (Fixture *f, gconstpointer unused)
{
  Outcome outcome = { 0 };
  guint64 read;

  receive (f, ROMEO, "a", "one", RECEIVED_NEW);  /* 1 */
  receive (f, JULIET, "b", "two", RECEIVED_NEW); /* 2 */
  receive (f, ROMEO, "c", "three", RECEIVED_NEW); /* 3 */
  receive (f, JULIET, "d", "four", RECEIVED_NEW); /* 4 */
  mark_read (f, ROMEO, 3, &read);
  mark_read (f, JULIET, 2, &read);
  history_move_contact (f->history, ROMEO, JULIET, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpuint (conversation (f, ROMEO).contact, ==, 0);
  g_assert_cmpuint (conversation (f, JULIET).last_seq, ==, 4);
  g_assert_cmpuint (conversation (f, JULIET).read_seq, ==, 2);
  g_assert_cmpuint (conversation (f, JULIET).unread, ==, 2);
  receive (f, JULIET, "a", "one", RECEIVED_DUPLICATE);
  /* Into one that is not there yet. */
  history_move_contact (f->history, JULIET, 33, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpuint (conversation (f, 33).unread, ==, 2);
  history_move_contact (f->history, 33, 33, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log WHERE contact = 33"), ==, 4);
}

static void
prune (Fixture *f, gint64 now, guint64 max)
{
  g_auto (Answer) a = { 0 };

  /* As if the daemon had run all the while: a leap of the clock makes nothing old. */
  sql (f, "DELETE FROM meta WHERE name LIKE 'clock%'");
  history_prune (f->history, now, &(HistoryLimits){ .entries = max }, NULL, on_seq, &a);
  store_wait (&a.done);
  g_assert_cmpint (a.code, ==, -1);
}

static void
test_prune (Fixture *f, gconstpointer unused)
{
  gint64 now = g_get_real_time ();
  g_autoptr (GArray) rows = NULL;
  g_auto (Answer) a = { 0 };
  guint64 head, tail;

  append_ours (f, ROMEO, "owed"); /* 1 */
  for (int i = 2; i <= 10; i++)
    {
      g_autofree char *id = g_strdup_printf ("%d", i);

      receive (f, ROMEO, id, "text", RECEIVED_NEW);
    }
  receive (f, JULIET, "j", "text", RECEIVED_NEW); /* 11 */
  g_assert_cmpint (create (f, "bot", TRUE, NULL), ==, -1);
  g_assert_cmpint (ack (f, "bot", 3), ==, -1);
  /* The slow consumer holds it at 3; what is owed stays in any case. */
  prune (f, now, 4);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log WHERE contact = 11"), ==, 8);
  g_assert_cmpint (sql (f, "SELECT min(seq) FROM log"), ==, 1);
  g_assert_cmpint (fetch (f, "bot", 100, 0, &a), ==, -1);
  /* After 30 days of silence it does not. */
  prune (f, now + 31 * G_TIME_SPAN_DAY, 4);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log WHERE contact = 11"), ==, 5);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log WHERE contact = 22"), ==, 1);
  g_assert_cmpint (fetch (f, "bot", 100, 0, &a), ==, EARSHOT_ERROR_CURSOR_EXPIRED);
  g_assert_true (history_load_conversations (f->history, &rows, &head, &tail, NULL));
  g_assert_cmpuint (tail, ==, 7);
  g_assert_cmpuint (head, ==, 11);
  g_assert_cmpuint (conversation (f, ROMEO).unread, ==, 4);
  g_assert_cmpint (ack (f, "bot", 6), ==, -1);
  g_assert_cmpint (fetch (f, "bot", 100, 0, &a), ==, -1);
  g_assert_cmpuint (a.items->len, ==, 5);
  /* What was pruned still counts as seen: it is among the last 10 000. */
  receive (f, ROMEO, "4", "text", RECEIVED_DUPLICATE);
  prune (f, now, 0);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM log"), ==, 6);
}

static void
test_prune_seen (Fixture *f, gconstpointer unused)
{
  gint64 now = g_get_real_time ();

  receive (f, ROMEO, "live", "text", RECEIVED_NEW);
  sql (f, "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 10050)"
          " INSERT INTO seen SELECT 11, 's' || x, x, 1 FROM c");
  sql (f, "INSERT INTO seen VALUES (77, 'gone', 1, 1)");
  prune (f, now, 0);
  /* Old, but among the last 10 000 of a living conversation. */
  g_assert_cmpint (sql (f, "SELECT count(*) FROM seen WHERE contact = 11"), ==, 10000);
  g_assert_cmpint (sql (f, "SELECT min(seq) FROM seen WHERE contact = 11"), ==, 51);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM seen WHERE contact = 77"), ==, 0);
  sql (f, "UPDATE seen SET time = 1");
  receive (f, ROMEO, "s60", "text", RECEIVED_DUPLICATE);
  receive (f, ROMEO, "s20", "text", RECEIVED_NEW);
}

static void
test_note (Fixture *f, gconstpointer unused)
{
  g_auto (Answer) a = { 0 };
  LogEntry *note = log_entry_new ();
  LogEntry *wrong = log_entry_new ();

  note->kind = g_strdup ("trust");
  note->contact = ROMEO;
  note->time = 9;
  note->state = g_strdup ("pinned");
  history_note (f->history, note, on_seq, &a);
  store_wait (&a.done);
  g_assert_cmpint (a.code, ==, -1);
  g_assert_cmpuint (a.cursor, ==, 1);
  g_assert_cmpuint (conversation (f, ROMEO).unread, ==, 0);
  g_assert_cmpuint (conversation (f, ROMEO).last_seq, ==, 1);
  answer_clear (&a);
  wrong->kind = g_strdup ("message");
  history_note (f->history, wrong, on_seq, &a);
  store_wait (&a.done);
  g_assert_cmpint (a.code, ==, EARSHOT_ERROR_INVALID_ARGUMENT);
}

#define ADD(name, func) g_test_add ("/history/" name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  ADD ("M-06-duplicate-also-after-restart", test_dedup);
  ADD ("M-06-duplicate-of-deleted", test_dedup_after_delete);
  ADD ("M-06-duplicate-in-one-batch", test_dedup_same_batch);
  ADD ("hostile-text", test_hostile_text);
  ADD ("fields", test_fields);
  ADD ("M-03-full-disk-is-not-stored", test_full_disk);
  ADD ("T-08-aside-and-T-09-admitted", test_aside);
  ADD ("X-02-aside-is-bounded", test_aside_bound);
  ADD ("list", test_list);
  ADD ("state-of-message", test_state_of_message);
  ADD ("answer-bytes", test_answer_bytes);
  ADD ("rotten-rows", test_rotten_rows);
  ADD ("seq-is-never-given-again", test_seq_never_again);
  ADD ("consumers", test_consumers);
  ADD ("consumers-are-bounded", test_consumer_bound);
  ADD ("unread", test_unread);
  ADD ("conversation-settings", test_settings);
  ADD ("delete-owed-is-refused", test_delete_owed);
  ADD ("delete-contact", test_delete_contact);
  ADD ("move-contact", test_move);
  ADD ("prune", test_prune);
  ADD ("prune-seen", test_prune_seen);
  ADD ("note", test_note);
  return g_test_run ();
}
