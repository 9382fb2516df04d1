/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/history-private.h"

#include "tests/unit/history-helper.h"

/* The ids found, newest first; NULL: refused as INVALID_ARGUMENT. */
static char *
look (Past *past, guint32 contact, guint64 before, guint limit, const char *words, gboolean *more)
{
  g_auto (Listed) listed = { 0 };
  g_autoptr (GString) ids = g_string_new (NULL);

  history_search (past->history, contact, before, limit, words, past_on_entries, &listed);
  g_assert_false (listed.done);
  store_wait (&listed.done);
  if (listed.code == EARSHOT_ERROR_INVALID_ARGUMENT)
    return NULL;
  g_assert_cmpint (listed.code, ==, -1);
  for (guint i = 0; i < listed.items->len; i++)
    g_string_append_printf (ids, "%s%s", i > 0 ? " " : "", ((LogEntry *) listed.items->pdata[i])->id);
  if (more != NULL)
    *more = listed.more;
  return g_string_free (g_steal_pointer (&ids), FALSE);
}

#define assert_found(past, words, ids)                                    \
  G_STMT_START                                                            \
  {                                                                       \
    g_autofree char *found = look (past, 0, 0, 100, words, NULL);         \
    g_assert_cmpstr (found, ==, ids);                                     \
  }                                                                       \
  G_STMT_END

static void
test_words (Past *past, gconstpointer unused)
{
  g_autofree char *of_romeo = NULL;
  g_autofree char *older = NULL;
  g_autofree char *page = NULL;
  gboolean more;

  past_receive (past, ROMEO, "a", "The garden party is at eight");
  past_receive (past, JULIET, "b", "a party? In my GARDEN?");
  past_receive (past, ROMEO, "c", "Gärten und Cafés, re-do it");
  past_receive (past, ROMEO, "d", "it must be done, do re mi");
  assert_found (past, "garden", "b a");
  assert_found (past, "Party  garden", "b a");
  assert_found (past, "garden eight", "a");
  assert_found (past, "cafes", "c");
  assert_found (past, "cafe", "");
  assert_found (past, "re-do", "c");
  assert_found (past, "gard", "");
  of_romeo = look (past, ROMEO, 0, 10, "garden", NULL);
  g_assert_cmpstr (of_romeo, ==, "a");
  page = look (past, 0, 0, 1, "garden", &more);
  g_assert_cmpstr (page, ==, "b");
  g_assert_true (more);
  older = look (past, 0, 2, 1, "garden", &more);
  g_assert_cmpstr (older, ==, "a");
  g_assert_false (more);
  past_restart (past);
  past_receive (past, JULIET, "e", "another garden");
  assert_found (past, "garden", "e b a");
}

/* The query language of the index has operators, columns, brackets, and a way to command it. */
static void
test_query_is_data (Past *past, gconstpointer unused)
{
  static const char *const hostile[] = { "\"", "a\"b", "\" OR \"", "body:", "body : x", "{body} : x", "NEAR(a b)", "a*", "^a", "x NOT y",
                                         "((((", "- x", "'; DROP TABLE log; --", "a\\", "log_text MATCH x", "rank", "a AND", "+ a",
                                         "\"delete\"", "\xf0\x9f\x8e\x89 a" };

  past_receive (past, ROMEO, "a", "nothing to see");
  for (guint i = 0; i < G_N_ELEMENTS (hostile); i++)
    {
      g_autofree char *found = look (past, 0, 0, 10, hostile[i], NULL);

      g_assert_true (found == NULL || *found == '\0');
    }
  /* An operator is a word like others. */
  past_receive (past, ROMEO, "b", "this OR that, NOT near");
  assert_found (past, "OR NOT", "b");
  assert_found (past, "near", "b");
  assert_found (past, "this \"or\"", "b");
  assert_found (past, "body", "");
  g_assert_cmpint (past_sql (past, "SELECT count(*) FROM log"), ==, 2);
}

static void
test_bounds (Past *past, gconstpointer unused)
{
  g_autofree char *longest = g_strnfill (HISTORY_WORDS_MAX, 'x');
  g_autofree char *too_long = g_strnfill (HISTORY_WORDS_MAX + 1, 'x');

  assert_found (past, longest, "");
  assert_found (past, too_long, NULL);
  assert_found (past, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", "");
  assert_found (past, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", NULL);
  assert_found (past, "", NULL);
  assert_found (past, " \t\n", NULL);
  assert_found (past, "?! ...", NULL);
  assert_found (past, "\xff", NULL);
}

static void
delete_one (Past *past, const char *id)
{
  const char *const ids[] = { id, NULL };
  Outcome outcome = { 0 };

  history_delete (past->history, ids, outcome_set_deleted, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
}

static void
test_deleted_is_not_found (Past *past, gconstpointer unused)
{
  Outcome outcome = { 0 };

  past_receive (past, ROMEO, "a", "secret one");
  past_receive (past, ROMEO, "b", "secret two");
  past_receive (past, JULIET, "c", "secret three");
  assert_found (past, "secret", "c b a");
  past_receive (past, JULIET, "d", "secret four");
  delete_one (past, "a");
  delete_one (past, "d"); /* not in the index yet */
  assert_found (past, "secret", "c b");
  history_delete_contact (past->history, ROMEO, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  assert_found (past, "secret", "c");
  /* A text that is changed. */
  past_sql (past, "UPDATE log SET body = 'harmless' WHERE id = 'c'");
  assert_found (past, "secret", "");
  assert_found (past, "harmless", "c");
  past_sql (past, "UPDATE log SET body = NULL WHERE id = 'c'");
  assert_found (past, "harmless", "");
  past_sql (past, "UPDATE log SET body = 'back' WHERE id = 'c'");
  assert_found (past, "back", "c");
}

/* A search looks through many hits of others, in more than one job. */
static void
test_rare_among_common (Past *past, gconstpointer unused)
{
  g_autofree char *of_juliet = NULL;
  g_autofree char *page = NULL;
  gboolean more;

  past_receive (past, JULIET, "first", "common");
  past_fill (past, ROMEO, 5000, "'common ' || x");
  past_receive (past, JULIET, "last", "common");
  of_juliet = look (past, JULIET, 0, 10, "common", &more);
  g_assert_cmpstr (of_juliet, ==, "last first");
  g_assert_false (more);
  page = look (past, 0, 0, 3, "common", &more);
  g_assert_cmpstr (page, ==, "last f11-5000 f11-4999");
  g_assert_true (more);
  assert_found (past, "4711 common", "f11-4711");
}

static void
test_numbers_far_apart (Past *past, gconstpointer unused)
{
  past_receive (past, ROMEO, "a", "needle");
  past_sql (past, "UPDATE sqlite_sequence SET seq = 900000000 WHERE name = 'log'");
  past_receive (past, ROMEO, "b", "needle");
  assert_found (past, "needle", "b a");
}

static void
test_answer_bytes (Past *past, gconstpointer unused)
{
  g_auto (Listed) listed = { 0 };

  past_fill (past, ROMEO, 40, "'needle ' || hex (zeroblob (30000))");
  history_search (past->history, 0, 0, 100, "needle", past_on_entries, &listed);
  store_wait (&listed.done);
  g_assert_true (listed.more);
  g_assert_cmpuint (listed.items->len, >=, 10);
  g_assert_cmpuint (listed.items->len * 60000, <, 1024 * 1024);
}

static void
test_close_while_searching (Past *past, gconstpointer unused)
{
  g_auto (Listed) listed = { 0 };

  past_fill (past, ROMEO, 3000, "'word'");
  history_search (past->history, 0, 0, 100, "word", past_on_entries, &listed);
  past_restart (past);
  g_assert_true (listed.done);
  g_assert_cmpint (listed.code, ==, EARSHOT_ERROR_CANCELLED);
  assert_found (past, "nothing", "");
}

static void
test_index_ahead_of_time (Past *past, gconstpointer unused)
{
  Outcome outcome = { 0 };

  past_fill (past, ROMEO, 1500, "'word'");
  history_index (past->history, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (past_sql (past, "SELECT value FROM meta WHERE name = 'indexed'"), ==, 1500);
  history_index (past->history, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
}

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
#define ADD(name, func) g_test_add ("/history-search/" name, Past, NULL, past_set_up, func, past_tear_down)
  ADD ("words", test_words);
  ADD ("query-is-data", test_query_is_data);
  ADD ("X-02-words-are-bounded", test_bounds);
  ADD ("deleted-and-changed-is-not-found", test_deleted_is_not_found);
  ADD ("X-02-rare-among-common", test_rare_among_common);
  ADD ("numbers-far-apart", test_numbers_far_apart);
  ADD ("X-02-answer-bytes", test_answer_bytes);
  ADD ("close-while-searching", test_close_while_searching);
  ADD ("what-was-there-before-the-index", test_index_ahead_of_time);
#undef ADD
  return g_test_run ();
}
