/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a later entry does to an earlier one, and what a peer tries with it.
 */
#include "earshot-config.h"

#include "daemon/io/history-private.h"
#include "daemon/io/outbox.h"

#include "tests/unit/history-helper.h"

/* --- helpers ------------------------------------------------------------------ */

typedef struct
{
  gboolean done;
  ReceivedResult result;
} Verdict;

static void
on_verdict (gpointer user, const LogEntry *entry, ReceivedResult result, const GError *error)
{
  g_assert_no_error (error);
  *(Verdict *) user = (Verdict){ TRUE, result };
}

static ReceivedResult
say (Past *past, guint32 contact, const char *kind, const char *id, const char *about, const char *body)
{
  LogEntry *entry = past_message (contact, id, body);
  Verdict verdict = { 0 };

  entry->kind = g_strdup (kind);
  entry->about = g_strdup (about);
  history_receive (past->history, entry, on_verdict, &verdict);
  store_wait (&verdict.done);
  return verdict.result;
}

typedef struct
{
  gboolean done;
  LogEntry *entry;
} Fetched;

static void
on_fetched (gpointer user, const LogEntry *entry, const GError *error)
{
  Fetched *fetched = user;

  fetched->done = TRUE;
  if (entry == NULL)
    return;
  fetched->entry = log_entry_new ();
  fetched->entry->body = g_strdup (entry->body);
  fetched->entry->has_key = entry->has_key;
  fetched->entry->key = entry->key;
  fetched->entry->trust = g_strdup (entry->trust);
  fetched->entry->edited = entry->edited;
  fetched->entry->retracted = entry->retracted;
  fetched->entry->reactions_in = g_strdup (entry->reactions_in);
  fetched->entry->reactions_out = g_strdup (entry->reactions_out);
  fetched->entry->about = g_strdup (entry->about);
  fetched->entry->reply_to = g_strdup (entry->reply_to);
  fetched->entry->state = g_strdup (entry->state);
  fetched->entry->reason = g_strdup (entry->reason);
  fetched->entry->change_state = g_strdup (entry->change_state);
  fetched->entry->change_reason = g_strdup (entry->change_reason);
  fetched->entry->url = g_strdup (entry->url);
  fetched->entry->unstyled = entry->unstyled;
}

static LogEntry *
get (Past *past, const char *id)
{
  Fetched fetched = { 0 };

  history_get (past->history, id, on_fetched, &fetched);
  store_wait (&fetched.done);
  g_assert_nonnull (fetched.entry);
  return fetched.entry;
}

#define assert_body(past, id, text)                                        \
  G_STMT_START                                                             \
  {                                                                        \
    g_autoptr (LogEntry) got = get (past, id);                             \
    g_assert_cmpstr (got->body, ==, text);                                 \
  }                                                                        \
  G_STMT_END

#define assert_speaker(past, id, byte, level)                              \
  G_STMT_START                                                             \
  {                                                                        \
    g_autoptr (LogEntry) got = get (past, id);                             \
    g_assert_true (got->has_key);                                          \
    g_assert_cmpuint (got->key.bytes[0], ==, byte);                        \
    g_assert_cmpstr (got->trust, ==, level);                               \
  }                                                                        \
  G_STMT_END

typedef struct
{
  gboolean done;
  int code;
  guint dropped;
} Queued;

static void
on_queued (gpointer user, OutboxItem *item_take, const char *id, guint64 seq, gboolean repeat, const char *const *dropped,
           const GError *error)
{
  *(Queued *) user = (Queued){ TRUE, error != NULL ? error->code : -1, dropped != NULL ? g_strv_length ((char **) dropped) : 0 };
  outbox_item_free (item_take);
}

static Queued
queue (Outbox *outbox, guint32 contact, MessageKind kind, const char *id, const char *about, const char *body)
{
  OutboxItem *item = g_new0 (OutboxItem, 1);
  Queued queued = { 0 };

  item->contact = contact;
  item->kind = kind;
  item->id = g_strdup (id);
  item->about = g_strdup (about);
  item->body = g_strdup (body);
  item->reason = g_strdup ("");
  outbox_add (outbox, item, NULL, on_queued, &queued);
  store_wait (&queued.done);
  return queued;
}

static void
on_settled (gpointer user, guint32 contact, const char *id, guint64 seq, const char *const *dropped, const GError *error)
{
  g_assert_no_error (error);
  *(gboolean *) user = TRUE;
}

static void
settle (Outbox *outbox, guint32 contact, const char *id, const char *state)
{
  gboolean done = FALSE;

  outbox_settle (outbox, contact, id, state, "", on_settled, &done);
  store_wait (&done);
}

/* --- corrections ------------------------------------------------------------------ */

static void
test_edit (Past *past, gconstpointer unused)
{
  past_receive (past, ROMEO, "a", "helo");
  g_assert_cmpint (say (past, ROMEO, "edit", "e1", "a", "hello"), ==, RECEIVED_NEW);
  assert_body (past, "a", "hello");
  g_assert_cmpint (say (past, ROMEO, "edit", "e2", "a", "hello!"), ==, RECEIVED_NEW);
  assert_body (past, "a", "hello!");
  /* Some name the correction before: that is the same message. */
  g_assert_cmpint (say (past, ROMEO, "edit", "e3", "e2", "hello?"), ==, RECEIVED_NEW);
  assert_body (past, "a", "hello?");
  {
    g_autoptr (LogEntry) third = get (past, "e3"), first = get (past, "a");

    g_assert_cmpstr (third->about, ==, "a");
    g_assert_cmpint (first->edited, >, 0);
  }
  /* M-06: what comes again changes nothing, the first text under its id included. */
  g_assert_cmpint (say (past, ROMEO, "edit", "e1", "a", "hello"), ==, RECEIVED_DUPLICATE);
  g_assert_cmpint (say (past, ROMEO, "message", "a", NULL, "helo"), ==, RECEIVED_DUPLICATE);
  g_assert_cmpint (say (past, ROMEO, "message", "a", NULL, "hello?"), ==, RECEIVED_CONFLICT);
  g_assert_cmpint (say (past, ROMEO, "message", "e1", NULL, "hello"), ==, RECEIVED_CONFLICT);
  past_restart (past);
  g_assert_cmpint (say (past, ROMEO, "edit", "e1", "a", "hello"), ==, RECEIVED_DUPLICATE);
  assert_body (past, "a", "hello?");
}

/* M-10 */
static void
test_another_contact (Past *past, gconstpointer unused)
{
  Outbox *outbox = outbox_new (history_get_db (past->history));

  past_receive (past, ROMEO, "a", "by Romeo");
  g_assert_cmpint (queue (outbox, ROMEO, MESSAGE_TEXT, "ours", NULL, "by us").code, ==, -1);
  /* Juliet names ids of the conversation with Romeo. */
  g_assert_cmpint (say (past, JULIET, "edit", "e", "a", "forged"), ==, RECEIVED_UNKNOWN);
  g_assert_cmpint (say (past, JULIET, "reaction", "r", "a", "👍"), ==, RECEIVED_UNKNOWN);
  g_assert_cmpint (say (past, JULIET, "reaction", "r", "ours", "👍"), ==, RECEIVED_UNKNOWN);
  g_assert_cmpint (say (past, JULIET, "retract", "t", "a", NULL), ==, RECEIVED_DUPLICATE);
  /* Romeo may correct and retract what he said, and nothing of ours. */
  g_assert_cmpint (say (past, ROMEO, "edit", "e", "ours", "forged"), ==, RECEIVED_UNKNOWN);
  g_assert_cmpint (say (past, ROMEO, "retract", "t", "ours", NULL), ==, RECEIVED_DUPLICATE);
  /* … nor may we of his. */
  g_assert_cmpint (queue (outbox, ROMEO, MESSAGE_EDIT, "oe", "a", "forged").code, ==, EARSHOT_ERROR_NOT_FOUND);
  g_assert_cmpint (queue (outbox, ROMEO, MESSAGE_RETRACT, "ot", "a", NULL).code, ==, EARSHOT_ERROR_NOT_FOUND);
  g_assert_cmpint (queue (outbox, JULIET, MESSAGE_EDIT, "oe", "ours", "elsewhere").code, ==, EARSHOT_ERROR_NOT_FOUND);
  assert_body (past, "a", "by Romeo");
  assert_body (past, "ours", "by us");
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log WHERE kind <> 0 OR edited OR retracted OR reactions_in IS NOT NULL"), ==, 0);
  outbox_free (outbox);
}

/* A verified key said it; the one that people let in its place, and nobody verified, says that it meant something else. A program that
 * does what verified people say, and comes for it only now, must see whose words these are. */
static void
test_edit_borrows_no_level (Past *past, gconstpointer unused)
{
  LogEntry *said = past_message (ROMEO, "a", "open the gate at six"), *edit = past_message (ROMEO, "e", "open the gate now");
  const guint8 first = said->key.bytes[0], second = 77;
  Verdict verdict = { 0 };

  g_free (said->trust);
  said->trust = g_strdup ("verified");
  history_receive (past->history, said, on_verdict, &verdict);
  store_wait (&verdict.done);
  assert_speaker (past, "a", first, "verified");
  /* A reaction says nothing in its place. */
  g_assert_cmpint (say (past, ROMEO, "reaction", "r", "a", "👍"), ==, RECEIVED_NEW);
  assert_speaker (past, "a", first, "verified");
  verdict.done = FALSE;
  edit->kind = g_strdup ("edit");
  edit->about = g_strdup ("a");
  memset (edit->key.bytes, second, sizeof edit->key.bytes);
  history_receive (past->history, edit, on_verdict, &verdict);
  store_wait (&verdict.done);
  g_assert_cmpint (verdict.result, ==, RECEIVED_NEW);
  assert_body (past, "a", "open the gate now");
  assert_speaker (past, "a", second, "pinned");
  /* What the first key said is still known by its id. */
  g_assert_cmpint (say (past, ROMEO, "message", "a", NULL, "open the gate at six"), ==, RECEIVED_DUPLICATE);
  past_restart (past);
  assert_speaker (past, "a", second, "pinned");
}

/* Both sides used one id: each correction finds its own side's. */
static void
test_one_id_on_both_sides (Past *past, gconstpointer unused)
{
  Outbox *outbox = outbox_new (history_get_db (past->history));

  g_assert_cmpint (queue (outbox, ROMEO, MESSAGE_TEXT, "a", NULL, "ours").code, ==, -1);
  past_receive (past, ROMEO, "a", "his");
  g_assert_cmpint (say (past, ROMEO, "edit", "e", "a", "his, corrected"), ==, RECEIVED_NEW);
  g_assert_cmpint (say (past, ROMEO, "reaction", "r", "a", "👍"), ==, RECEIVED_NEW);
  g_assert_cmpint (queue (outbox, ROMEO, MESSAGE_REACTION, "or", "a", "❤️").code, ==, -1);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log WHERE kind = 0 AND direction = 1 AND body = 'ours' AND reactions_in = '👍'"
                                   " AND reactions_out IS NULL"), ==, 1);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log WHERE kind = 0 AND direction = 0 AND body = 'his, corrected'"
                                   " AND reactions_out = '❤️' AND reactions_in IS NULL"), ==, 1);
  outbox_free (outbox);
}

/* --- retractions ------------------------------------------------------------------- */

static gboolean
file_has (const char *path, const char *word)
{
  g_autofree char *bytes = NULL;
  gsize length;

  return g_file_get_contents (path, &bytes, &length, NULL) && memmem (bytes, length, word, strlen (word)) != NULL;
}

static void
test_retract (Past *past, gconstpointer unused)
{
  g_auto (Listed) listed = { 0 };

  past_receive (past, ROMEO, "a", "unspeakable");
  g_assert_cmpint (say (past, ROMEO, "edit", "e1", "a", "unspeakable twice"), ==, RECEIVED_NEW);
  /* It was found by its words, which the index then has. */
  history_search (past->history, 0, 0, 10, "unspeakable", past_on_entries, &listed);
  store_wait (&listed.done);
  g_assert_cmpuint (listed.items->len, ==, 1);
  listed_clear (&listed);
  g_assert_cmpint (say (past, ROMEO, "retract", "t", "a", NULL), ==, RECEIVED_NEW);
  {
    g_autoptr (LogEntry) tombstone = get (past, "a"), version = get (past, "e1");

    g_assert_null (tombstone->body);
    g_assert_cmpint (tombstone->retracted, >, 0);
    g_assert_null (version->body);
  }
  history_search (past->history, 0, 0, 10, "unspeakable", past_on_entries, &listed);
  store_wait (&listed.done);
  g_assert_cmpuint (listed.items->len, ==, 0);
  /* Repeats of any of it bring nothing back, also after a restart. */
  past_restart (past);
  g_assert_cmpint (say (past, ROMEO, "message", "a", NULL, "unspeakable"), ==, RECEIVED_DUPLICATE);
  g_assert_cmpint (say (past, ROMEO, "edit", "e1", "a", "unspeakable twice"), ==, RECEIVED_DUPLICATE);
  g_assert_cmpint (say (past, ROMEO, "edit", "e2", "a", "unspeakable again"), ==, RECEIVED_UNKNOWN);
  g_assert_cmpint (say (past, ROMEO, "retract", "t", "a", NULL), ==, RECEIVED_DUPLICATE);
  assert_body (past, "a", NULL);
  /* The index is to be merged, and that is what upkeep does. */
  g_assert_cmpint (past_sql (past, "SELECT value FROM meta WHERE name = 'unmerged'"), ==, 1);
  past_sql (past, "INSERT INTO log_text (log_text) VALUES ('optimize')");
  history_close (past->history);
  g_assert_false (file_has (past->store.path, "unspeakable"));
  past_open (past);
}

/* What is taken back before it left does not leave; what was taken out of the queue is counted out. */
static void
test_retract_queued (Past *past, gconstpointer unused)
{
  Outbox *outbox = outbox_new (history_get_db (past->history));
  Queued queued;

  queue (outbox, ROMEO, MESSAGE_TEXT, "a", NULL, "one");
  queue (outbox, ROMEO, MESSAGE_EDIT, "e", "a", "two");
  queue (outbox, ROMEO, MESSAGE_TEXT, "b", NULL, "other");
  queued = queue (outbox, ROMEO, MESSAGE_RETRACT, "t", "a", NULL);
  g_assert_cmpint (queued.code, ==, -1);
  g_assert_cmpuint (queued.dropped, ==, 2);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM outbox JOIN log USING (seq) WHERE id IN ('b', 't')"), ==, 2);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM outbox"), ==, 2);
  {
    g_autoptr (LogEntry) message = get (past, "a"), edit = get (past, "e");

    g_assert_cmpstr (message->state, ==, "cancelled");
    g_assert_cmpstr (message->reason, ==, "retracted");
    g_assert_cmpstr (edit->state, ==, "cancelled");
    g_assert_null (message->body);
    g_assert_null (edit->body);
  }
  g_assert_cmpint (queue (outbox, ROMEO, MESSAGE_RETRACT, "t2", "a", NULL).code, !=, -1);
  outbox_free (outbox);
}

static void
on_loaded (gpointer user, GPtrArray *items, const GError *error)
{
  g_assert_no_error (error);
  *(GPtrArray **) user = items;
}

/* An owed message leaves with the text it had: the other end compares repeats. */
static void
test_owed_keep_their_text (Past *past, gconstpointer unused)
{
  g_autoptr (GPtrArray) items = NULL;
  Outbox *outbox = outbox_new (history_get_db (past->history));
  OutboxItem *item;

  queue (outbox, ROMEO, MESSAGE_TEXT, "a", NULL, "one");
  queue (outbox, ROMEO, MESSAGE_EDIT, "e", "a", "two");
  queue (outbox, ROMEO, MESSAGE_EDIT, "e2", "e", "three");
  outbox_load (outbox, ROMEO, 0, 10, on_loaded, &items);
  while (items == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (items->len, ==, 3);
  item = items->pdata[0];
  g_assert_cmpint (item->kind, ==, MESSAGE_TEXT);
  g_assert_cmpstr (item->body, ==, "one");
  item = items->pdata[2];
  g_assert_cmpint (item->kind, ==, MESSAGE_EDIT);
  g_assert_cmpstr (item->about, ==, "a"); /* repeated corrections name the first id */
  g_assert_cmpstr (item->body, ==, "three");
  assert_body (past, "a", "three");
  /* One that never arrived has nothing to correct over there. */
  settle (outbox, ROMEO, "a", "failed");
  g_assert_cmpint (queue (outbox, ROMEO, MESSAGE_EDIT, "e3", "a", "four").code, ==, EARSHOT_ERROR_FAILED);
  assert_body (past, "a", "three");
  outbox_free (outbox);
}

static int
queue_demanding (Outbox *outbox, MessageKind kind, const char *id, const char *about, Require require)
{
  OutboxItem *item = g_new0 (OutboxItem, 1);
  Queued queued = { 0 };

  item->contact = ROMEO;
  item->kind = kind;
  item->id = g_strdup (id);
  item->about = g_strdup (about);
  item->body = g_strdup (id);
  item->reason = g_strdup ("");
  item->require = require;
  outbox_add (outbox, item, NULL, on_queued, &queued);
  store_wait (&queued.done);
  return queued.code;
}

/* What was said to a verified key only is not corrected to a lesser one, neither before the message leaves nor after it arrived. */
static void
test_edit_demands_as_much (Past *past, gconstpointer unused)
{
  static const struct { const char *id; Require require; } wanted[] = {
    { "a", REQUIRE_VERIFIED }, { "a1", REQUIRE_VERIFIED }, { "a2", REQUIRE_VERIFIED }, { "b1", REQUIRE_CA }, { "b2", REQUIRE_VERIFIED },
  };
  g_autoptr (GPtrArray) items = NULL;
  Outbox *outbox = outbox_new (history_get_db (past->history));

  g_assert_cmpint (queue_demanding (outbox, MESSAGE_TEXT, "a", NULL, REQUIRE_VERIFIED), ==, -1);
  g_assert_cmpint (queue_demanding (outbox, MESSAGE_TEXT, "b", NULL, REQUIRE_CA), ==, -1);
  g_assert_cmpint (queue_demanding (outbox, MESSAGE_EDIT, "a1", "a", REQUIRE_DEFAULT), ==, -1);
  settle (outbox, ROMEO, "b", "delivered");
  /* By the id of an earlier correction. */
  g_assert_cmpint (queue_demanding (outbox, MESSAGE_EDIT, "a2", "a1", REQUIRE_PINNED), ==, -1);
  g_assert_cmpint (queue_demanding (outbox, MESSAGE_EDIT, "b1", "b", REQUIRE_INSECURE_OK), ==, -1);
  g_assert_cmpint (queue_demanding (outbox, MESSAGE_EDIT, "b2", "b", REQUIRE_VERIFIED), ==, -1);
  outbox_load (outbox, ROMEO, 0, 10, on_loaded, &items);
  while (items == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (items->len, ==, G_N_ELEMENTS (wanted));
  for (guint i = 0; i < items->len; i++)
    {
      g_assert_cmpstr (((OutboxItem *) items->pdata[i])->id, ==, wanted[i].id);
      g_assert_cmpint (((OutboxItem *) items->pdata[i])->require, ==, wanted[i].require);
    }
  outbox_free (outbox);
}

/* --- reactions, replies ---------------------------------------------------------------- */

static void
test_reactions (Past *past, gconstpointer unused)
{
  Outbox *outbox = outbox_new (history_get_db (past->history));

  past_receive (past, ROMEO, "a", "one");
  queue (outbox, ROMEO, MESSAGE_REACTION, "r1", "a", "👍 ❤️");
  queue (outbox, ROMEO, MESSAGE_REACTION, "r2", "a", "❤️");
  g_assert_cmpint (say (past, ROMEO, "reaction", "r3", "a", "😀"), ==, RECEIVED_NEW);
  {
    g_autoptr (LogEntry) message = get (past, "a");

    g_assert_cmpstr (message->reactions_out, ==, "❤️");
    g_assert_cmpstr (message->reactions_in, ==, "😀");
  }
  g_assert_cmpint (say (past, ROMEO, "reaction", "r4", "a", ""), ==, RECEIVED_NEW);
  {
    g_autoptr (LogEntry) message = get (past, "a");

    g_assert_cmpstr (message->reactions_in, ==, "");
  }
  outbox_free (outbox);
}

static void
test_reply_into_another_conversation (Past *past, gconstpointer unused)
{
  LogEntry *entry = past_message (JULIET, "x", "answer"), *own = past_message (ROMEO, "y", "answer");
  gboolean done = FALSE, own_done = FALSE;

  past_receive (past, ROMEO, "a", "one");
  entry->reply_to = g_strdup ("a");
  own->reply_to = g_strdup ("a");
  history_receive (past->history, entry, past_on_received, &done);
  history_receive (past->history, own, past_on_received, &own_done);
  store_wait (&done);
  store_wait (&own_done);
  {
    g_autoptr (LogEntry) foreign = get (past, "x"), answer = get (past, "y");

    g_assert_null (foreign->reply_to);
    g_assert_cmpstr (answer->reply_to, ==, "a");
  }
}

/* --- markers ------------------------------------------------------------------------------ */

static void
on_displayed (gpointer user, guint64 seq, const GError *error)
{
  g_assert_no_error (error);
  *(gint64 *) user = (gint64) seq;
}

static guint64
displayed (Past *past, guint32 contact, const char *id)
{
  gint64 seq = -1;

  history_displayed (past->history, contact, id, on_displayed, &seq);
  while (seq < 0)
    g_main_context_iteration (NULL, TRUE);
  return (guint64) seq;
}

static void
test_displayed (Past *past, gconstpointer unused)
{
  Outbox *outbox = outbox_new (history_get_db (past->history));

  for (guint i = 0; i < 4; i++)
    {
      const char *const ids[] = { "a", "b", "c", "d" };

      queue (outbox, ROMEO, MESSAGE_TEXT, ids[i], NULL, "text");
      if (i < 3)
        settle (outbox, ROMEO, ids[i], i == 1 ? "failed" : "delivered");
    }
  /* Nobody speaks for another conversation. */
  g_assert_cmpuint (displayed (past, JULIET, "c"), ==, 0);
  g_assert_cmpuint (displayed (past, ROMEO, "nothing"), ==, 0);
  g_assert_cmpuint (displayed (past, ROMEO, "c"), >, 0);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log WHERE kind = 0 AND state = 'displayed' AND id IN ('a', 'c')"), ==, 2);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log WHERE kind = 0 AND state IN ('failed', 'queued')"), ==, 2);
  /* Forward only, and once. */
  g_assert_cmpuint (displayed (past, ROMEO, "c"), ==, 0);
  g_assert_cmpuint (displayed (past, ROMEO, "a"), ==, 0);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log WHERE kind = 1 AND state = 'displayed'"), ==, 2);
  outbox_free (outbox);
}

typedef struct
{
  gboolean done;
  char *marker;
} Read;

static void
on_read (gpointer user, guint32 contact, guint64 read_seq, guint unread, const char *marker, const GError *error)
{
  Read *read = user;

  g_assert_no_error (error);
  read->done = TRUE;
  read->marker = g_strdup (marker);
}

static char *
mark_read (Past *past, guint64 seq, gboolean marker)
{
  Read read = { 0 };

  history_mark_read (past->history, ROMEO, seq, marker, on_read, &read);
  store_wait (&read.done);
  return read.marker;
}

static void
receive_markable (Past *past, const char *id)
{
  LogEntry *entry = past_message (ROMEO, id, "text");
  gboolean done = FALSE;

  entry->markable = TRUE;
  history_receive (past->history, entry, past_on_received, &done);
  store_wait (&done);
}

static void
test_marker_to_tell (Past *past, gconstpointer unused)
{
  g_autoptr (GArray) rows = NULL;
  g_autofree char *first = NULL, *second = NULL, *off = NULL;
  guint64 head, tail;

  receive_markable (past, "a");                  /* 1 */
  receive_markable (past, "b");                  /* 2 */
  past_receive (past, ROMEO, "c", "unasked");    /* 3 */
  first = mark_read (past, 3, TRUE);
  g_assert_cmpstr (first, ==, "b"); /* the newest that asked */
  past_restart (past);
  g_assert_true (history_load_conversations (past->history, &rows, &head, &tail, NULL));
  g_assert_cmpstr (g_array_index (rows, ConversationRow, 0).marker, ==, "b");
  history_marker_sent (past->history, ROMEO, "another");
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM conversation WHERE marker = 'b'"), ==, 1);
  history_marker_sent (past->history, ROMEO, "b");
  second = mark_read (past, 3, TRUE);
  g_assert_null (second);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM conversation WHERE marker = ''"), ==, 1);
  receive_markable (past, "d");                  /* 4 */
  off = mark_read (past, 4, FALSE);
  g_assert_null (off);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM conversation WHERE marker = ''"), ==, 1);
}

/* --- deleting ------------------------------------------------------------------------------- */

static void
test_delete (Past *past, gconstpointer unused)
{
  const char *const a[] = { "a", NULL }, *const ours[] = { "ours", NULL };
  Outbox *outbox = outbox_new (history_get_db (past->history));
  Outcome outcome = { 0 };

  past_receive (past, ROMEO, "a", "one");
  say (past, ROMEO, "edit", "e", "a", "two");
  say (past, ROMEO, "reaction", "r", "a", "👍");
  history_delete (past->history, a, outcome_set_deleted, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log"), ==, 0);
  g_assert_cmpint (say (past, ROMEO, "edit", "e", "a", "two"), ==, RECEIVED_DUPLICATE);
  /* What is owed itself stays. A correction of it that is owed goes with it, and leaves no state of its own behind. */
  queue (outbox, ROMEO, MESSAGE_TEXT, "ours", NULL, "one");
  history_delete (past->history, ours, outcome_set_deleted, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_FAILED);
  settle (outbox, ROMEO, "ours", "delivered");
  queue (outbox, ROMEO, MESSAGE_EDIT, "oe", "ours", "two");
  settle (outbox, ROMEO, "oe", "delivered");
  queue (outbox, ROMEO, MESSAGE_EDIT, "oe2", "ours", "three");
  queue (outbox, ROMEO, MESSAGE_REACTION, "or", "ours", "👍");
  history_delete (past->history, ours, outcome_set_deleted, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log"), ==, 0);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM outbox"), ==, 0);
  /* That it was taken back is still told. */
  queue (outbox, ROMEO, MESSAGE_TEXT, "ours", NULL, "one");
  settle (outbox, ROMEO, "ours", "delivered");
  queue (outbox, ROMEO, MESSAGE_RETRACT, "gone", "ours", NULL);
  history_delete (past->history, ours, outcome_set_deleted, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log WHERE id = 'ours'"), ==, 0);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM outbox JOIN log USING (seq) WHERE kind = 6 AND about = 'ours'"), ==, 1);
  settle (outbox, ROMEO, "gone", "delivered");
  outbox_free (outbox);
}

/* --- what never arrives -------------------------------------------------------------- */

static void
assert_change (Past *past, const char *id, const char *body, gboolean edited, const char *state)
{
  g_autoptr (LogEntry) got = get (past, id);

  g_assert_cmpstr (got->body, ==, body);
  g_assert_cmpint (got->edited != 0, ==, edited);
  g_assert_cmpstr (got->change_state, ==, state);
}

static void
on_found (gpointer user, GPtrArray *entries, gboolean more, guint64 last, const GError *error)
{
  g_assert_no_error (error);
  *(guint *) user = entries->len + 1;
  g_ptr_array_unref (entries);
}

static guint
count_hits (Past *past, const char *words)
{
  guint n = 0;

  history_search (past->history, 0, 0, 10, words, on_found, &n);
  while (n == 0)
    g_main_context_iteration (NULL, TRUE);
  return n - 1;
}

/* What is shown is what the other side has, or says that it is not. */
static void
test_failed_edit (Past *past, gconstpointer unused)
{
  static const char *const ends[] = { "failed", "expired", "cancelled" };
  Outbox *outbox = outbox_new (history_get_db (past->history));

  for (guint i = 0; i < G_N_ELEMENTS (ends); i++)
    {
      g_autofree char *id = g_strdup_printf ("m%u", i), *first = g_strdup_printf ("a%u", i), *second = g_strdup_printf ("b%u", i);

      queue (outbox, ROMEO, MESSAGE_TEXT, id, NULL, "original");
      settle (outbox, ROMEO, id, "delivered");
      assert_change (past, id, "original", FALSE, NULL);
      queue (outbox, ROMEO, MESSAGE_EDIT, first, id, "corrected");
      assert_change (past, id, "corrected", TRUE, "queued");
      g_assert_cmpuint (count_hits (past, "original"), ==, i);
      settle (outbox, ROMEO, first, ends[i]);
      assert_change (past, id, "original", FALSE, ends[i]);
      g_assert_cmpuint (count_hits (past, "corrected"), ==, 0);
      g_assert_cmpuint (count_hits (past, "original"), ==, i + 1);
      /* One that arrived stays when the next one does not, also when that was said before it arrived. */
      queue (outbox, ROMEO, MESSAGE_EDIT, second, id, "there");
      g_free (g_steal_pointer (&first));
      first = g_strdup_printf ("c%u", i);
      queue (outbox, ROMEO, MESSAGE_EDIT, first, second, "lost");
      assert_change (past, id, "lost", TRUE, "queued");
      settle (outbox, ROMEO, second, "delivered");
      assert_change (past, id, "lost", TRUE, "queued");
      settle (outbox, ROMEO, first, ends[i]);
      assert_change (past, id, "there", TRUE, ends[i]);
      g_free (g_steal_pointer (&first));
      first = g_strdup_printf ("d%u", i);
      queue (outbox, ROMEO, MESSAGE_EDIT, first, id, "last");
      settle (outbox, ROMEO, first, "delivered");
      assert_change (past, id, "last", TRUE, NULL);
      past_sql (past, "UPDATE log SET body = 'original', original = NULL WHERE kind = 0 AND body = 'last'");
    }
  outbox_free (outbox);
}

/* The link and the style are those of the text that counts, also of one that waits itself. */
static void
test_failed_edit_of_link (Past *past, gconstpointer unused)
{
  Outbox *outbox = outbox_new (history_get_db (past->history));
  g_autoptr (LogEntry) after = NULL;

  queue (outbox, ROMEO, MESSAGE_TEXT, "m", NULL, "see");
  past_sql (past, "UPDATE log SET url = 'https://first.example/', flags = 3 WHERE id = 'm' AND kind = 0");
  queue (outbox, ROMEO, MESSAGE_EDIT, "e", "m", "see this");
  g_assert_cmpint (past_sql (past, "SELECT url IS NULL AND flags = 2 AND body = 'see this' FROM log WHERE id = 'm' AND kind = 0"), ==, 1);
  g_assert_cmpint (past_sql (past, "SELECT original = 'see' AND original_url = 'https://first.example/' AND original_flags = 1"
                                   " FROM log WHERE id = 'm' AND kind = 0"), ==, 1);
  settle (outbox, ROMEO, "e", "failed");
  after = get (past, "m");
  g_assert_cmpstr (after->url, ==, "https://first.example/");
  g_assert_true (after->unstyled);
  g_assert_cmpint (past_sql (past, "SELECT flags = 3 AND original IS NULL FROM log WHERE id = 'm' AND kind = 0"), ==, 1);
  outbox_free (outbox);
}

static void
test_failed_reaction (Past *past, gconstpointer unused)
{
  Outbox *outbox = outbox_new (history_get_db (past->history));
  g_autoptr (LogEntry) one = NULL, two = NULL;

  past_receive (past, ROMEO, "theirs", "hello");
  queue (outbox, ROMEO, MESSAGE_REACTION, "r1", "theirs", "👍");
  settle (outbox, ROMEO, "r1", "delivered");
  queue (outbox, ROMEO, MESSAGE_REACTION, "r2", "theirs", "🎉");
  settle (outbox, ROMEO, "r2", "failed");
  one = get (past, "theirs");
  g_assert_cmpstr (one->reactions_out, ==, "👍");
  queue (outbox, ROMEO, MESSAGE_REACTION, "r3", "theirs", "");
  settle (outbox, ROMEO, "r3", "expired");
  two = get (past, "theirs");
  g_assert_cmpstr (two->reactions_out, ==, "👍");
  outbox_free (outbox);
}

/* The words are gone here whatever the other side does; that it has them is said, and it may be asked again. */
static void
test_failed_retraction (Past *past, gconstpointer unused)
{
  Outbox *outbox = outbox_new (history_get_db (past->history));
  Queued again;

  queue (outbox, ROMEO, MESSAGE_TEXT, "m", NULL, "words");
  settle (outbox, ROMEO, "m", "delivered");
  queue (outbox, ROMEO, MESSAGE_EDIT, "e", "m", "other words");
  queue (outbox, ROMEO, MESSAGE_RETRACT, "r", "m", NULL);
  assert_change (past, "m", NULL, TRUE, "queued");
  again = queue (outbox, ROMEO, MESSAGE_RETRACT, "r2", "m", NULL);
  g_assert_cmpint (again.code, ==, EARSHOT_ERROR_NOT_FOUND);
  settle (outbox, ROMEO, "r", "failed");
  assert_change (past, "m", NULL, TRUE, "failed");
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log WHERE body IS NOT NULL"), ==, 0);
  g_assert_cmpint (past_sql (past, "SELECT retracted <> 0 FROM log WHERE id = 'm' AND kind = 0"), ==, 1);
  /* Nothing else is said about it any more. */
  again = queue (outbox, ROMEO, MESSAGE_EDIT, "e2", "m", "and others");
  g_assert_cmpint (again.code, ==, EARSHOT_ERROR_NOT_FOUND);
  again = queue (outbox, ROMEO, MESSAGE_RETRACT, "r3", "m", NULL);
  g_assert_cmpint (again.code, ==, -1);
  assert_change (past, "m", NULL, TRUE, "queued");
  settle (outbox, ROMEO, "r3", "delivered");
  assert_change (past, "m", NULL, TRUE, NULL);
  again = queue (outbox, ROMEO, MESSAGE_RETRACT, "r4", "m", NULL);
  g_assert_cmpint (again.code, ==, EARSHOT_ERROR_NOT_FOUND);
  outbox_free (outbox);
}

/* --- unread ----------------------------------------------------------------------------- */

static void
on_unread (gpointer user, guint32 contact, guint64 read_seq, guint unread, const char *marker, const GError *error)
{
  g_assert_no_error (error);
  *(gint *) user = (gint) unread;
}

static gint
unread_after (Past *past, guint64 seq)
{
  gint unread = -1;

  history_mark_read (past->history, ROMEO, seq, FALSE, on_unread, &unread);
  while (unread < 0)
    g_main_context_iteration (NULL, TRUE);
  return unread;
}

static void
test_retracted_is_not_unread (Past *past, gconstpointer unused)
{
  past_receive (past, ROMEO, "a", "one");
  past_receive (past, ROMEO, "b", "two");
  past_receive (past, ROMEO, "c", "three");
  g_assert_cmpint (unread_after (past, 1), ==, 2);
  say (past, ROMEO, "retract", "r1", "b", NULL);
  g_assert_cmpint (unread_after (past, 0), ==, 1);
  /* Twice, or of what was read: counts once, or not. */
  say (past, ROMEO, "retract", "r2", "b", NULL);
  say (past, ROMEO, "retract", "r3", "a", NULL);
  g_assert_cmpint (unread_after (past, 0), ==, 1);
  /* Counted anew it is the same. */
  g_assert_cmpint (unread_after (past, 2), ==, 1);
  g_assert_cmpint (unread_after (past, 3), ==, 0);
}

#define PAST_TEST(path, func) g_test_add (path, Past, NULL, past_set_up, func, past_tear_down)

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  PAST_TEST ("/amend/M-06-edit-and-repeats", test_edit);
  PAST_TEST ("/amend/M-10-ids-of-another-conversation", test_another_contact);
  PAST_TEST ("/amend/M-10-a-correction-borrows-no-level", test_edit_borrows_no_level);
  PAST_TEST ("/amend/one-id-on-both-sides", test_one_id_on_both_sides);
  PAST_TEST ("/amend/retracted-words-are-nowhere", test_retract);
  PAST_TEST ("/amend/retracted-before-it-left", test_retract_queued);
  PAST_TEST ("/amend/owed-messages-keep-their-text", test_owed_keep_their_text);
  PAST_TEST ("/amend/correction-demands-as-much", test_edit_demands_as_much);
  PAST_TEST ("/amend/reactions", test_reactions);
  PAST_TEST ("/amend/reply-into-another-conversation", test_reply_into_another_conversation);
  PAST_TEST ("/amend/displayed-moves-forward-only", test_displayed);
  PAST_TEST ("/amend/marker-to-tell", test_marker_to_tell);
  PAST_TEST ("/amend/delete-with-what-is-about-it", test_delete);
  PAST_TEST ("/amend/a-correction-that-fails-is-undone", test_failed_edit);
  PAST_TEST ("/amend/with-its-link-and-style", test_failed_edit_of_link);
  PAST_TEST ("/amend/a-reaction-that-fails-is-undone", test_failed_reaction);
  PAST_TEST ("/amend/a-retraction-that-fails-says-so", test_failed_retraction);
  PAST_TEST ("/amend/retracted-is-not-unread", test_retracted_is_not_unread);
  return g_test_run ();
}
