/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Forgetting a conversation of many messages: gone at once, off the disk soon, and nobody waits for it.
 */
#include "earshot-config.h"

#include "daemon/io/history-private.h"
#include "daemon/io/outbox.h"

#include "tests/unit/history-helper.h"

#define MANY 6000

static void
on_got (gpointer user, const LogEntry *entry, const GError *error)
{
  g_assert_null (entry);
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_FOUND);
  *(gboolean *) user = TRUE;
}

/* Whatever is asked, only Juliet's `n` messages are told of. */
static void
assert_gone (Past *past, guint n)
{
  static const char *const messages[] = { "message", NULL };
  g_autoptr (GArray) rows = NULL;
  guint64 head, tail;
  gboolean got = FALSE;

  for (guint i = 0; i < 6; i++)
    {
      g_auto (Listed) listed = { 0 };

      if (i == 0)
        history_list (past->history, 0, 0, 1000, messages, past_on_entries, &listed);
      else if (i == 1)
        history_walk (past->history, 0, 0, 1000, messages, past_on_entries, &listed);
      else if (i == 2)
        history_fetch (past->history, "bot", 1000, 0, messages, past_on_entries, &listed);
      else if (i == 3)
        history_search (past->history, 0, 0, 1000, "garden", past_on_entries, &listed);
      else if (i == 4)
        history_list (past->history, ROMEO, 0, 1000, NULL, past_on_entries, &listed);
      else
        history_search (past->history, ROMEO, 0, 1000, "garden", past_on_entries, &listed);
      store_wait (&listed.done);
      g_assert_cmpint (listed.code, ==, -1);
      g_assert_cmpuint (listed.items->len, ==, i < 4 ? n : 0);
      for (guint j = 0; j < listed.items->len; j++)
        g_assert_cmpuint (((LogEntry *) listed.items->pdata[j])->contact, ==, JULIET);
    }
  history_get (past->history, "f11-17", on_got, &got);
  store_wait (&got);
  g_assert_true (history_load_conversations (past->history, &rows, &head, &tail, NULL));
  for (guint i = 0; i < rows->len; i++)
    g_assert_cmpuint (g_array_index (rows, ConversationRow, i).contact, ==, JULIET);
}

static gint64
left (Past *past)
{
  return past_sql (past, "SELECT count(*) FROM log WHERE contact = 11");
}

static void
wait_clean (Past *past)
{
  while (past_sql (past, "SELECT count(*) FROM doomed") > 0)
    g_main_context_iteration (NULL, FALSE);
  g_assert_cmpint (left (past), ==, 0);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log_text_gone"), ==, 0);
}

static void
fill (Past *past)
{
  Outcome outcome = { 0 };

  past_sql (past, "INSERT INTO consumer VALUES ('bot', 0, 1)");
  past_fill (past, ROMEO, MANY, "'a garden of words ' || x");
  past_fill (past, JULIET, 3, "'garden'");
  past_sql (past, "INSERT INTO outbox SELECT seq, contact, 1, 0, 9, 'encrypted', 0, '', NULL FROM log WHERE contact = 11");
  past_sql (past, "INSERT INTO token SELECT contact, 't' || seq, seq, id, 9223372036854775807 FROM log WHERE contact = 11");
  history_index (past->history, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
}

typedef struct
{
  Past *past;
  gint64 left; /* of the forgotten one's rows, when a message of another was committed */
  gboolean done;
} Between;

static void
on_between (gpointer user, const LogEntry *entry, ReceivedResult result, const GError *error)
{
  Between *between = user;

  g_assert_no_error (error);
  between->done = TRUE;
}

/* A message of another conversation is committed after a step of it, not after all of them. */
static void
test_nobody_waits (Past *past, gconstpointer unused)
{
  Outcome outcome = { 0 };
  guint between_steps = 0;

  fill (past);
  history_delete_contact (past->history, ROMEO, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  for (guint i = 0; left (past) > 0; i++)
    {
      g_autofree char *id = g_strdup_printf ("j%u", i);
      Between between = { .past = past };
      gint64 before = left (past);

      history_receive (past->history, past_message (JULIET, id, "garden"), on_between, &between);
      store_wait (&between.done);
      /* One step at most was before it. */
      g_assert_cmpint (before - left (past), <=, 2 * 400);
      between_steps += left (past) > 0;
    }
  g_assert_cmpuint (between_steps, >=, MANY / 400 / 2 - 1);
  wait_clean (past);
}

static void
on_summed (gpointer user, guint32 contact, guint queued, guint held, guint64 last_seq, const GError *error)
{
  g_assert_no_error (error);
  g_assert_cmpuint (queued, ==, contact == ROMEO ? 0 : 1);
  *(gboolean *) user = TRUE;
}

static void
on_loaded (gpointer user, GPtrArray *items, const GError *error)
{
  g_assert_no_error (error);
  g_assert_cmpuint (items->len, ==, 0);
  g_ptr_array_unref (items);
  *(gboolean *) user = TRUE;
}

static void
on_settled (gpointer user, guint32 contact, const char *id, guint64 seq, const char *const *dropped, const GError *error)
{
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_FOUND);
  *(gboolean *) user = TRUE;
}

static void
on_added (gpointer user, OutboxItem *item, const char *id, guint64 seq, gboolean repeat, const char *const *dropped, const GError *error)
{
  g_assert_no_error (error);
  g_assert_false (repeat);
  outbox_item_free (item);
  *(gboolean *) user = TRUE;
}

static void
send_to (Past *past, Outbox *outbox, guint32 contact, const char *id, const char *token)
{
  OutboxItem *item = g_new0 (OutboxItem, 1);
  gboolean done = FALSE;

  item->contact = contact;
  item->id = g_strdup (id);
  item->body = g_strdup ("text");
  item->require = REQUIRE_ENCRYPTED;
  outbox_add (outbox, item, token, on_added, &done);
  store_wait (&done);
}

/* Nothing is owed to the forgotten one any more, whoever asks; what is said to another is stored between two steps. */
static void
test_owed (Past *past, gconstpointer unused)
{
  gboolean counted[2] = { 0 }, loaded = FALSE, settled = FALSE;
  g_autoptr (GArray) owed = NULL;
  Outcome outcome = { 0 };
  Outbox *outbox;

  fill (past);
  past_sql (past, "UPDATE log SET direction = 1, state = 'queued' WHERE contact = 11");
  outbox = outbox_new (history_get_db (past->history));
  history_delete_contact (past->history, ROMEO, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  send_to (past, outbox, JULIET, "ours", NULL);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM outbox WHERE contact = 11"), >, MANY / 2);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM token"), >, MANY / 2);
  /* A crash here changes nothing of it. */
  outbox_free (outbox);
  history_stop (past->history);
  past_restart (past);
  outbox = outbox_new (history_get_db (past->history));
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM outbox WHERE contact = 11"), >, MANY / 2);
  g_assert_true (outbox_summarize (outbox, &owed, NULL));
  g_assert_cmpuint (owed->len, ==, 1);
  g_assert_cmpuint (g_array_index (owed, OutboxSummary, 0).contact, ==, JULIET);
  outbox_count (outbox, ROMEO, on_summed, &counted[0]);
  outbox_count (outbox, JULIET, on_summed, &counted[1]);
  outbox_load (outbox, ROMEO, 0, 10, on_loaded, &loaded);
  outbox_settle (outbox, ROMEO, "f11-5999", "delivered", "", on_settled, &settled);
  outbox_expire (outbox, 10, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_true (counted[0] && counted[1] && loaded && settled);
  /* Under the number comes somebody else: a token of before says nothing. */
  send_to (past, outbox, ROMEO, "new", "t5999");
  while (past_sql (past, "SELECT count(*) FROM doomed") > 0)
    g_main_context_iteration (NULL, FALSE);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM outbox"), ==, 2);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM token"), ==, 1);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log WHERE kind = 1"), ==, 0);
  outbox_free (outbox);
}

static void
test_gone_at_once (Past *past, gconstpointer unused)
{
  Outcome outcome = { 0 };

  fill (past);
  history_delete_contact (past->history, ROMEO, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (left (past), >, MANY / 2);
  assert_gone (past, 3);
  wait_clean (past);
  assert_gone (past, 3);
}

/* Ended in the middle, in order or not: nothing is visible, and the rest goes. What came under the number since stays. */
static void
test_ended (Past *past, gconstpointer crashed)
{
  Outcome outcome = { 0 };

  fill (past);
  if (crashed != NULL)
    {
      past_sql (past, "INSERT INTO doomed SELECT 11, max(seq) FROM log; DELETE FROM conversation WHERE contact = 11");
      history_close (past->history);
    }
  else
    {
      history_delete_contact (past->history, ROMEO, outcome_set, &outcome);
      g_assert_cmpint (outcome_wait (&outcome), ==, -1);
      history_stop (past->history);
      history_close (past->history);
    }
  past_open (past);
  g_assert_cmpint (left (past), >, MANY / 2);
  assert_gone (past, 3);
  past_receive (past, ROMEO, "later", "garden");
  while (past_sql (past, "SELECT count(*) FROM doomed") > 0)
    g_main_context_iteration (NULL, FALSE);
  g_assert_cmpint (left (past), ==, 1);
}

/* Several at once, one of them short, and one twice. */
static void
test_several (Past *past, gconstpointer unused)
{
  Outcome outcomes[4] = { 0 };
  const guint32 contacts[] = { ROMEO, 33, JULIET, ROMEO };

  fill (past);
  past_fill (past, 33, 1500, "'garden'");
  for (guint i = 0; i < G_N_ELEMENTS (contacts); i++)
    history_delete_contact (past->history, contacts[i], outcome_set, &outcomes[i]);
  for (guint i = 0; i < G_N_ELEMENTS (contacts); i++)
    g_assert_cmpint (outcome_wait (&outcomes[i]), ==, -1);
  assert_gone (past, 0);
  wait_clean (past);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log"), ==, 0);
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM outbox"), ==, 0);
}

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
#define ADD(name, data, func) g_test_add ("/history-forget/" name, Past, data, past_set_up, func, past_tear_down)
  ADD ("gone-at-once", NULL, test_gone_at_once);
  ADD ("nobody-waits", NULL, test_nobody_waits);
  ADD ("ended-in-the-middle", NULL, test_ended);
  ADD ("killed-in-the-middle", "", test_ended);
  ADD ("several", NULL, test_several);
  ADD ("owed", NULL, test_owed);
#undef ADD
  return g_test_run ();
}
