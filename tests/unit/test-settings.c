/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/model/settings.h"
#include "tests/unit/store-helper.h"

typedef struct
{
  Store store;
  TrustStore *trust_store;
  Settings *settings;
} Fixture;

static void
open_settings (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) contacts = NULL;
  g_autoptr (GArray) keys = NULL;
  g_autoptr (GArray) requests = NULL;
  GHashTable *words = NULL;

  fixture->trust_store = trust_store_open (fixture->store.worker, fixture->store.path, NULL, &error);
  g_assert_no_error (error);
  trust_store_load (fixture->trust_store, &contacts, &keys, &requests, &words, &error);
  g_assert_no_error (error);
  fixture->settings = settings_new (fixture->trust_store, words);
}

static void
close_settings (Fixture *fixture)
{
  trust_store_close (fixture->trust_store);
  settings_free (fixture->settings);
}

static void
set_up (Fixture *fixture, gconstpointer unused)
{
  store_set_up (&fixture->store, NULL);
  open_settings (fixture);
}

static void
tear_down (Fixture *fixture, gconstpointer unused)
{
  close_settings (fixture);
  store_tear_down (&fixture->store, NULL);
}

static int
set (Fixture *fixture, const char *key, const char *value)
{
  Outcome outcome = { 0 };

  settings_set (fixture->settings, key, value, outcome_set, &outcome);
  g_assert_false (outcome.done);
  return outcome_wait (&outcome);
}

static void
test_set (Fixture *fixture, gconstpointer unused)
{
  Outcome outcome = { 0 };

  g_assert_null (settings_get (fixture->settings, "nick"));
  settings_set (fixture->settings, "nick", "Juliet", outcome_set, &outcome);
  g_assert_null (settings_get (fixture->settings, "nick")); /* disk first */
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpstr (settings_get (fixture->settings, "nick"), ==, "Juliet");
  g_assert_cmpint (set (fixture, "nick", "Capulet"), ==, -1);
  g_assert_cmpint (set (fixture, "show", "away"), ==, -1);
  close_settings (fixture);
  open_settings (fixture);
  g_assert_cmpstr (settings_get (fixture->settings, "nick"), ==, "Capulet");
  g_assert_cmpint (set (fixture, "nick", NULL), ==, -1);
  g_assert_null (settings_get (fixture->settings, "nick"));
  settings_set (fixture->settings, "last", "word", NULL, NULL); /* committed by closing */
  close_settings (fixture);
  open_settings (fixture);
  g_assert_null (settings_get (fixture->settings, "nick"));
  g_assert_cmpstr (settings_get (fixture->settings, "show"), ==, "away");
  g_assert_cmpstr (settings_get (fixture->settings, "last"), ==, "word");
}

static void
test_order (Fixture *fixture, gconstpointer unused)
{
  for (int i = 0; i < 20; i++)
    {
      g_autofree char *value = g_strdup_printf ("%d", i);

      settings_set (fixture->settings, "n", value, NULL, NULL);
    }
  g_assert_cmpint (set (fixture, "n", "last"), ==, -1);
  g_assert_cmpstr (settings_get (fixture->settings, "n"), ==, "last");
}

static void
test_list (Fixture *fixture, gconstpointer unused)
{
  g_autoptr (GList) list = NULL;

  set (fixture, "static:b", "2");
  set (fixture, "static:a", "1");
  set (fixture, "statistics", "0");
  set (fixture, "nick", "x");
  list = settings_list (fixture->settings, "static:");
  g_assert_cmpuint (g_list_length (list), ==, 2);
  g_assert_cmpstr (list->data, ==, "static:a");
  g_assert_cmpstr (list->next->data, ==, "static:b");
  g_assert_null (settings_list (fixture->settings, "none"));
}

static void
test_disk_full (Fixture *fixture, gconstpointer unused)
{
  int code;

  g_assert_cmpint (set (fixture, "nick", "Juliet"), ==, -1);
  disk_fill (1);
  code = set (fixture, "nick", "Capulet");
  disk_free ();
  g_assert_cmpint (code, ==, EARSHOT_ERROR_STORE_FULL);
  g_assert_cmpstr (settings_get (fixture->settings, "nick"), ==, "Juliet");
}

#define SETTINGS_TEST(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  SETTINGS_TEST ("/settings/set", test_set);
  SETTINGS_TEST ("/settings/order", test_order);
  SETTINGS_TEST ("/settings/list", test_list);
  SETTINGS_TEST ("/settings/disk-full", test_disk_full);
  return g_test_run ();
}
