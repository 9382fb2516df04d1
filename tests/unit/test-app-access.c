/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Grants and questions of sandboxed programs, over the real store: what a program can do to get more than a person said.
 */
#include "earshot-config.h"

#include "daemon/io/trust-audit.h"
#include "daemon/io/trust-store-private.h"
#include "daemon/model/app-access.h"
#include "tests/unit/store-helper.h"

#define CHAT "flatpak:org.example.Chat"
#define CALLER "name=:1.7 pid=7 program=/usr/bin/xmppctl app=-"

typedef struct
{
  Store store;
  TrustStore *trust_store;
  AppAccess *access;
  GString *news;
} Fixture;

static void
on_added (gpointer user, const AppRow *row)
{
  g_string_append_printf (user, "added %s\n", row->app);
}

static void
on_changed (gpointer user, const char *app)
{
  g_string_append_printf (user, "changed %s\n", app);
}

static void
on_snoozed (gpointer user, const AppRow *row)
{
  g_string_append_printf (user, "snoozed %s\n", row->app);
}

static void
on_removed (gpointer user, guint64 id)
{
  g_string_append (user, "removed\n");
}

static const AppWatch watch = {
  .question_added = on_added, .question_changed = on_snoozed, .question_removed = on_removed, .changed = on_changed
};

static void
open_access (Fixture *f)
{
  g_autoptr (GError) error = NULL;

  f->trust_store = trust_store_open (f->store.worker, f->store.path, NULL, &error);
  g_assert_no_error (error);
  f->access = app_access_new (f->trust_store, trust_store_load_apps (f->trust_store, &error));
  g_assert_no_error (error);
  app_access_watch (f->access, &watch, f->news);
}

static void
close_access (Fixture *f)
{
  trust_store_close (f->trust_store);
  app_access_unwatch (f->access, f->news);
  app_access_free (f->access);
}

static void
reopen (Fixture *f)
{
  close_access (f);
  open_access (f);
}

static void
set_up (Fixture *f, gconstpointer unused)
{
  store_set_up (&f->store, NULL);
  f->news = g_string_new (NULL);
  open_access (f);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  close_access (f);
  g_string_free (f->news, TRUE);
  store_tear_down (&f->store, NULL);
}

static const AppRow *
row_of (Fixture *f, const char *app)
{
  g_autoptr (GPtrArray) rows = app_access_list (f->access);

  for (guint i = 0; i < rows->len; i++)
    if (g_str_equal (((const AppRow *) rows->pdata[i])->app, app))
      return rows->pdata[i];
  return NULL;
}

static guint64
question_of (Fixture *f, const char *app)
{
  const AppRow *row = row_of (f, app);

  return row != NULL ? row->request : 0;
}

static AppAsked
ask (Fixture *f, const char *app, AppScopes wants)
{
  return app_access_ask (f->access, app, wants, CALLER);
}

static int
resolve (Fixture *f, guint64 id, const char *choice)
{
  Outcome outcome = { 0 };

  app_access_resolve (f->access, id, choice, CALLER, outcome_set, &outcome);
  g_assert_false (outcome.done);
  return outcome_wait (&outcome);
}

static int
set (Fixture *f, const char *app, AppScopes scopes)
{
  Outcome outcome = { 0 };

  app_access_set (f->access, app, scopes, CALLER, outcome_set, &outcome);
  g_assert_false (outcome.done);
  return outcome_wait (&outcome);
}

static int
forget (Fixture *f, const char *app)
{
  Outcome outcome = { 0 };

  app_access_forget (f->access, app, CALLER, outcome_set, &outcome);
  return outcome_wait (&outcome);
}

static gint64
audited (Fixture *f, const char *where)
{
  g_autofree char *sql = g_strconcat ("SELECT count(*) FROM audit WHERE event = 'app-access' AND ", where, NULL);

  return raw_sql (f->trust_store->db, sql);
}

/* --- one program ------------------------------------------------------------------------------------------------------ */

static void
test_one_question (Fixture *f, gconstpointer unused)
{
  guint64 id;

  g_assert_cmpint (app_access_get (f->access, CHAT), ==, APP_MAY_NOTHING);
  g_assert_cmpint (ask (f, CHAT, APP_MAY_READ), ==, APP_ASKED);
  for (guint i = 0; i < 100; i++)
    g_assert_cmpint (ask (f, CHAT, APP_MAY_SEND), ==, APP_WAITING);
  g_assert_cmpstr (f->news->str, ==, "added " CHAT "\n");
  id = question_of (f, CHAT);
  g_assert_cmpuint (id, >=, APP_REQUEST_MIN);
  g_assert_cmpuint (id, <=, APP_REQUEST_MAX);
  g_assert_cmpint (app_access_get_question (f->access, id)->wants, ==, APP_MAY_READ);
  g_assert_null (app_access_get_question (f->access, 0));

  /* It waits for a person, not for a daemon's lifetime. */
  reopen (f);
  g_assert_cmpuint (question_of (f, CHAT), ==, id);
  g_assert_cmpint (ask (f, CHAT, APP_MAY_READ), ==, APP_WAITING);
  g_string_truncate (f->news, 0);
  g_assert_cmpint (resolve (f, id, "read"), ==, -1);
  g_assert_cmpstr (f->news->str, ==, "changed " CHAT "\nremoved\n");
  g_assert_cmpint (app_access_get (f->access, CHAT), ==, APP_MAY_READ);
  g_assert_cmpint (resolve (f, id, "send"), ==, EARSHOT_ERROR_ALREADY_RESOLVED);
  g_assert_cmpint (app_access_get (f->access, CHAT), ==, APP_MAY_READ);
  /* What it was not given it does not ask for again. */
  g_assert_cmpint (ask (f, CHAT, APP_MAY_SEND), ==, APP_DECIDED);
  reopen (f);
  g_assert_cmpint (app_access_get (f->access, CHAT), ==, APP_MAY_READ);
  g_assert_cmpint (audited (f, "verdict = 'asked'"), ==, 1);
  g_assert_cmpint (audited (f, "verdict = 'read' AND caller = '" CALLER "'"), ==, 1);
}

static void
test_choices (Fixture *f, gconstpointer unused)
{
  static const char *const wrong[] = { "", "trust", "admin", "accept", "Read", "read send", "read,trust" };
  guint64 id;

  ask (f, CHAT, APP_MAY_READ);
  id = question_of (f, CHAT);
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    g_assert_cmpint (resolve (f, id, wrong[i]), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpuint (question_of (f, CHAT), ==, id);
  g_assert_cmpint (resolve (f, id, "send"), ==, -1);
  g_assert_cmpint (app_access_get (f->access, CHAT), ==, APP_MAY_READ | APP_MAY_SEND);
}

static void
test_deny_is_remembered (Fixture *f, gconstpointer unused)
{
  ask (f, CHAT, APP_MAY_SEND);
  g_assert_cmpint (resolve (f, question_of (f, CHAT), "deny"), ==, -1);
  g_assert_cmpint (ask (f, CHAT, APP_MAY_READ), ==, APP_DECIDED);
  reopen (f);
  g_assert_cmpint (ask (f, CHAT, APP_MAY_READ), ==, APP_DECIDED);
  g_assert_cmpint (app_access_get (f->access, CHAT), ==, APP_MAY_NOTHING);
  g_assert_cmpint (audited (f, "verdict = 'nothing'"), ==, 1);
  g_assert_cmpint (forget (f, CHAT), ==, -1);
  g_assert_cmpint (forget (f, CHAT), ==, EARSHOT_ERROR_NOT_FOUND);
  g_assert_cmpint (ask (f, CHAT, APP_MAY_READ), ==, APP_ASKED);
}

static void
test_grant_and_revoke (Fixture *f, gconstpointer unused)
{
  g_assert_cmpint (set (f, CHAT, APP_MAY_TRUST), ==, -1);
  g_assert_cmpint (app_access_get (f->access, CHAT), ==, APP_MAY_TRUST); /* implies nothing */
  g_assert_cmpint (ask (f, CHAT, APP_MAY_READ), ==, APP_DECIDED);
  g_assert_cmpint (set (f, CHAT, APP_MAY_SEND), ==, -1);
  g_assert_cmpint (app_access_get (f->access, CHAT), ==, APP_MAY_READ | APP_MAY_SEND); /* and is implied by nothing */
  g_string_truncate (f->news, 0);
  g_assert_cmpint (set (f, CHAT, APP_MAY_NOTHING), ==, -1);
  g_assert_cmpstr (f->news->str, ==, "changed " CHAT "\n");
  g_assert_cmpint (app_access_get (f->access, CHAT), ==, APP_MAY_NOTHING);
  reopen (f);
  g_assert_cmpint (app_access_get (f->access, CHAT), ==, APP_MAY_NOTHING);
  g_assert_cmpint (audited (f, "verdict = 'nothing' AND inputs = 'app=" CHAT " before=read send'"), ==, 1);
}

static void
test_grant_answers (Fixture *f, gconstpointer unused)
{
  guint64 id;

  ask (f, CHAT, APP_MAY_READ);
  id = question_of (f, CHAT);
  g_string_truncate (f->news, 0);
  g_assert_cmpint (set (f, CHAT, APP_MAY_READ), ==, -1);
  g_assert_cmpstr (f->news->str, ==, "changed " CHAT "\nremoved\n");
  g_assert_cmpint (resolve (f, id, "send"), ==, EARSHOT_ERROR_ALREADY_RESOLVED);
}

static void
test_bad_ids (Fixture *f, gconstpointer unused)
{
  static const char *const ids[] = { "", "flatpak:", "flatpak:a", "org.example.Chat", "flatpak:org.example.Ch\033at", "snap:", "snap:a b",
                                     "snap:A", "flatpak:../../x.y.z/", "flatpak:org.example.%s%n", "flatpak:org.example.Chat\n", "docker:x.y.z" };

  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    {
      g_assert_cmpint (ask (f, ids[i], APP_MAY_READ), ==, APP_NO_ROOM);
      g_assert_cmpint (set (f, ids[i], APP_MAY_READ), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
    }
  g_assert_cmpstr (f->news->str, ==, "");
  g_assert_cmpint (audited (f, "1"), ==, 0);
}

/* --- many programs ------------------------------------------------------------------------------------------------------- */

/* Names cost nothing: who makes up a thousand does not get a thousand questions, nor the room of those who come honestly. */
static void
test_flood (Fixture *f, gconstpointer unused)
{
  guint asked = 0;

  for (guint i = 0; i < 1000; i++)
    {
      g_autofree char *app = g_strdup_printf ("flatpak:org.evil.App%u", i);

      asked += ask (f, app, APP_MAY_READ) == APP_ASKED;
    }
  g_assert_cmpuint (asked, ==, 8); /* an hour */
  g_assert_cmpint (set (f, CHAT, APP_MAY_READ), ==, -1); /* a person always may */
  for (guint i = 0; i < 3; i++)
    {
      reopen (f); /* a new hour, as far as the pace knows */
      for (guint n = 0; n < 16; n++)
        {
          g_autofree char *app = g_strdup_printf ("flatpak:org.evil.Again%u-%u", i, n);

          asked += ask (f, app, APP_MAY_READ) == APP_ASKED;
        }
    }
  g_assert_cmpuint (asked, ==, APP_QUESTIONS_MAX);
}

static void
test_apps_bounded (Fixture *f, gconstpointer unused)
{
  for (guint i = 0; i < APPS_MAX; i++)
    {
      g_autofree char *app = g_strdup_printf ("snap:app%u", i);

      app_access_set (f->access, app, APP_MAY_READ, CALLER, NULL, NULL);
    }
  g_assert_cmpint (set (f, CHAT, APP_MAY_READ), ==, EARSHOT_ERROR_QUOTA_EXCEEDED);
  g_assert_cmpint (ask (f, CHAT, APP_MAY_READ), ==, APP_NO_ROOM);
  g_assert_cmpint (set (f, "snap:app7", APP_MAY_NOTHING), ==, -1);
  g_assert_cmpint (forget (f, "snap:app8"), ==, -1);
  g_assert_cmpint (set (f, CHAT, APP_MAY_READ), ==, -1);
}

/* --- time and disk ---------------------------------------------------------------------------------------------------------- */

/* A call, a snooze or a second word that crosses a decision on its way to the disk undoes nothing of it. */
static void
test_crossing (Fixture *f, gconstpointer unused)
{
  Outcome first = { 0 }, second = { 0 }, snooze = { 0 };

  app_access_set (f->access, CHAT, APP_MAY_SEND, CALLER, outcome_set, &first);
  g_assert_cmpint (app_access_get (f->access, CHAT), ==, APP_MAY_NOTHING); /* disk first */
  g_assert_cmpint (ask (f, CHAT, APP_MAY_READ), ==, APP_DECIDED);
  g_assert_null (row_of (f, CHAT));
  g_assert_cmpint (outcome_wait (&first), ==, -1);
  reopen (f);
  g_assert_cmpint (app_access_get (f->access, CHAT), ==, APP_MAY_READ | APP_MAY_SEND);

  app_access_forget (f->access, CHAT, CALLER, outcome_set, &first);
  app_access_set (f->access, CHAT, APP_MAY_READ, CALLER, outcome_set, &second);
  g_assert_cmpint (outcome_wait (&first), ==, -1);
  if (!second.done) /* both may have come in one commit */
    g_assert_cmpint (app_access_get (f->access, CHAT), ==, APP_MAY_NOTHING);
  g_assert_cmpint (ask (f, CHAT, APP_MAY_READ), ==, APP_DECIDED);
  g_assert_cmpint (outcome_wait (&second), ==, -1);
  reopen (f);
  g_assert_cmpint (app_access_get (f->access, CHAT), ==, APP_MAY_READ);

  ask (f, "snap:chat", APP_MAY_READ);
  app_access_resolve (f->access, question_of (f, "snap:chat"), "deny", CALLER, outcome_set, &first);
  app_access_resolve (f->access, question_of (f, "snap:chat"), "send", CALLER, outcome_set, &second);
  app_access_snooze (f->access, question_of (f, "snap:chat"), G_MAXINT64, outcome_set, &snooze);
  g_assert_cmpint (outcome_wait (&second), ==, EARSHOT_ERROR_ALREADY_RESOLVED);
  g_assert_cmpint (outcome_wait (&snooze), ==, EARSHOT_ERROR_ALREADY_RESOLVED);
  g_assert_cmpint (outcome_wait (&first), ==, -1);
  reopen (f);
  g_assert_cmpint (app_access_get (f->access, "snap:chat"), ==, APP_MAY_NOTHING);
  g_assert_cmpint (ask (f, "snap:chat", APP_MAY_READ), ==, APP_DECIDED);
}

static void
test_snooze (Fixture *f, gconstpointer unused)
{
  Outcome outcome = { 0 };
  guint64 id;

  ask (f, CHAT, APP_MAY_READ);
  id = question_of (f, CHAT);
  app_access_snooze (f->access, id, 12345, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  reopen (f);
  g_assert_cmpuint (question_of (f, CHAT), ==, id);
  g_assert_cmpint (row_of (f, CHAT)->snoozed_until, ==, 12345);
  app_access_snooze (f->access, 77, 12345, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_ALREADY_RESOLVED);
}

/* The store fails: nothing is granted, nothing is answered, and the same question can be answered later. */
static void
test_full_disk (Fixture *f, gconstpointer unused)
{
  guint64 id;
  int code;

  ask (f, CHAT, APP_MAY_READ);
  id = question_of (f, CHAT);
  reopen (f);
  g_assert_cmpint (raw_sql (f->trust_store->db, "CREATE TRIGGER full BEFORE INSERT ON app BEGIN SELECT RAISE (ABORT, 'full'); END"), ==, -1);
  code = resolve (f, id, "send");
  g_assert_cmpint (code, >=, 0);
  g_assert_cmpint (set (f, "snap:chat", APP_MAY_READ), >=, 0);
  g_assert_null (row_of (f, "snap:chat"));
  g_assert_cmpint (app_access_get (f->access, CHAT), ==, APP_MAY_NOTHING);
  g_assert_cmpint (raw_sql (f->trust_store->db, "DROP TRIGGER full"), ==, -1);
  g_assert_cmpuint (question_of (f, CHAT), ==, id);
  g_assert_cmpint (resolve (f, id, "read"), ==, -1);
}

/* A doctored file lets nobody in. */
static void
test_rotten_rows (Fixture *f, gconstpointer unused)
{
  raw_sql (f->trust_store->db,
           "INSERT INTO app VALUES ('org.evil.App', 'send', 0, '', 0, 0), ('flatpak:org.evil.A', 'read everything', 0, '', 0, 0),"
           " ('flatpak:org.evil.B', 'admin', 2147483649, 'x', -5, 0), ('flatpak:org.evil.C', 'send', 7, '', 0, 0),"
           " ('flatpak:org.evil.D', '', 2147483649, '', 0, 0), ('snap:ok', 'read', 0, 'read', 3, 0)");
  reopen (f);
  g_assert_null (row_of (f, "org.evil.App"));
  g_assert_cmpint (app_access_get (f->access, "flatpak:org.evil.A"), ==, APP_MAY_NOTHING);
  g_assert_cmpint (app_access_get (f->access, "flatpak:org.evil.B"), ==, APP_MAY_NOTHING);
  g_assert_null (row_of (f, "flatpak:org.evil.C"));
  g_assert_null (row_of (f, "flatpak:org.evil.D")); /* its question is another's */
  g_assert_cmpint (app_access_get (f->access, "snap:ok"), ==, APP_MAY_READ);
}

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)
  ADD ("/app-access/one-question", test_one_question);
  ADD ("/app-access/choices", test_choices);
  ADD ("/app-access/deny-is-remembered", test_deny_is_remembered);
  ADD ("/app-access/grant-and-revoke", test_grant_and_revoke);
  ADD ("/app-access/grant-answers", test_grant_answers);
  ADD ("/app-access/bad-ids", test_bad_ids);
  ADD ("/app-access/flood", test_flood);
  ADD ("/app-access/apps-bounded", test_apps_bounded);
  ADD ("/app-access/crossing", test_crossing);
  ADD ("/app-access/snooze", test_snooze);
  ADD ("/app-access/full-disk", test_full_disk);
  ADD ("/app-access/rotten-rows", test_rotten_rows);
  return g_test_run ();
}
