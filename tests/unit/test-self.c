/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What we show of ourselves, as it leaves through the fake discovery.
 */
#include "earshot-config.h"

#include "daemon/model/self.h"
#include "daemon/proto/caps.h"
#include "tests/unit/fake-discovery.h"
#include "tests/unit/store-helper.h"

typedef struct
{
  Store store;
  TrustStore *trust_store;
  Settings *settings;
  Discovery *discovery;
  Self *self;
  Fingerprint fp;
} Fixture;

static void
open_self (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) contacts = NULL;
  g_autoptr (GArray) keys = NULL;
  g_autoptr (GArray) requests = NULL;
  GHashTable *words = NULL;
  DiscoveryCallbacks callbacks = { 0 };

  fixture->trust_store = trust_store_open (fixture->store.worker, fixture->store.path, NULL, &error);
  g_assert_no_error (error);
  trust_store_load (fixture->trust_store, &contacts, &keys, &requests, &words, &error);
  g_assert_no_error (error);
  fixture->settings = settings_new (fixture->trust_store, words);
  fixture->discovery = discovery_new (DISCOVERY_NONE, NULL, &callbacks, NULL);
  fixture->self = self_new (fixture->settings, &fixture->fp, "juliet");
}

static void
close_self (Fixture *fixture)
{
  discovery_free (fixture->discovery);
  trust_store_close (fixture->trust_store);
  self_free (fixture->self);
  settings_free (fixture->settings);
}

static void
set_up (Fixture *fixture, gconstpointer unused)
{
  store_set_up (&fixture->store, NULL);
  memset (fixture->fp.bytes, 7, sizeof fixture->fp.bytes);
  open_self (fixture);
}

static void
tear_down (Fixture *fixture, gconstpointer unused)
{
  close_self (fixture);
  store_tear_down (&fixture->store, NULL);
}

/* What a peer reads out of what we publish. */
static Presence *
published (Fixture *fixture)
{
  GPtrArray *txt = fake_discovery_get_txt (fixture->discovery);

  g_assert_nonnull (txt);
  return presence_from_txt (txt);
}

static void
test_defaults (Fixture *fixture, gconstpointer unused)
{
  g_autoptr (Presence) presence = NULL;

  g_assert_null (fake_discovery_get_user_part (fixture->discovery));
  self_start (fixture->self, fixture->discovery, 5298);
  g_assert_cmpstr (fake_discovery_get_user_part (fixture->discovery), ==, "juliet");
  g_assert_cmpuint (fake_discovery_get_port (fixture->discovery), ==, 5298);
  presence = published (fixture);
  g_assert_cmpint (presence->show, ==, SHOW_AVAILABLE);
  g_assert_cmpstr (presence->ver, ==, caps_own_ver ()); /* P-18: what disco#info hashes to */
  g_assert_true (presence->has_spki && fingerprint_equal (&presence->spki, &fixture->fp));
  /* P-07: nothing personal. */
  g_assert_null (presence->first);
  g_assert_null (presence->last);
  g_assert_null (presence->email);
  g_assert_null (presence->jid);
  g_assert_null (presence->nick);
  g_assert_null (presence->msg);
}

static int
wait_for (Outcome *outcome)
{
  g_assert_false (outcome->done);
  return outcome_wait (outcome);
}

static void
test_words (Fixture *fixture, gconstpointer unused)
{
  Outcome outcome = { 0 };
  g_autoptr (Presence) presence = NULL;
  guint updates;

  self_start (fixture->self, fixture->discovery, 1);
  updates = fake_discovery_count_updates (fixture->discovery);
  self_set_nick (fixture->self, "Juliet C.", outcome_set, &outcome);
  g_assert_cmpint (wait_for (&outcome), ==, -1);
  self_set_show (fixture->self, SHOW_DND, outcome_set, &outcome);
  g_assert_cmpint (wait_for (&outcome), ==, -1);
  self_set_status_text (fixture->self, "on the balcony", outcome_set, &outcome);
  g_assert_cmpint (wait_for (&outcome), ==, -1);
  g_assert_cmpuint (fake_discovery_count_updates (fixture->discovery), ==, updates + 3);
  close_self (fixture);
  open_self (fixture);
  self_start (fixture->self, fixture->discovery, 1);
  presence = published (fixture);
  g_assert_cmpstr (presence->nick, ==, "Juliet C.");
  g_assert_cmpstr (presence->msg, ==, "on the balcony");
  g_assert_cmpint (presence->show, ==, SHOW_DND);
  self_set_nick (fixture->self, "", outcome_set, &outcome);
  g_assert_cmpint (wait_for (&outcome), ==, -1);
  g_assert_cmpstr (self_get_nick (fixture->self), ==, "");
}

/* P-07: absent unless switched on, and gone when switched off. */
static void
test_personal (Fixture *fixture, gconstpointer unused)
{
  static const struct { const char *key, *share; gsize offset; } fields[] = {
    { "first", "name", G_STRUCT_OFFSET (Presence, first) }, { "last", "name", G_STRUCT_OFFSET (Presence, last) },
    { "email", "email", G_STRUCT_OFFSET (Presence, email) }, { "jid", "jid", G_STRUCT_OFFSET (Presence, jid) },
  };
  Outcome outcome = { 0 };

  self_start (fixture->self, fixture->discovery, 1);
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    {
      self_set_profile (fixture->self, fields[i].key, "value", outcome_set, &outcome);
      g_assert_cmpint (wait_for (&outcome), ==, -1);
      for (int on = 0; on < 3; on++)
        {
          g_autoptr (Presence) presence = NULL;

          self_set_share (fixture->self, fields[i].share, on == 1, outcome_set, &outcome);
          g_assert_cmpint (wait_for (&outcome), ==, -1);
          presence = published (fixture);
          g_assert_cmpstr (G_STRUCT_MEMBER (char *, presence, fields[i].offset), ==, on == 1 ? "value" : NULL);
          g_assert_cmpint (self_get_share (fixture->self, fields[i].share), ==, on == 1);
        }
    }
}

static void
test_refused (Fixture *fixture, gconstpointer unused)
{
  g_autofree char *too_long = g_strnfill (241, 'x'), *longest = g_strnfill (240, 'x');
  const char *bad[] = { too_long, "a\nb", "\001", "\377", "\177" };
  Outcome outcome = { 0 };
  guint updates;

  self_start (fixture->self, fixture->discovery, 1);
  updates = fake_discovery_count_updates (fixture->discovery);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      self_set_nick (fixture->self, bad[i], outcome_set, &outcome);
      g_assert_cmpint (wait_for (&outcome), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
      self_set_status_text (fixture->self, bad[i], NULL, NULL);
      self_set_profile (fixture->self, "email", bad[i], outcome_set, &outcome);
      g_assert_cmpint (wait_for (&outcome), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
    }
  g_assert_cmpuint (fake_discovery_count_updates (fixture->discovery), ==, updates);
  g_assert_cmpstr (self_get_nick (fixture->self), ==, "");
  self_set_nick (fixture->self, longest, outcome_set, &outcome);
  g_assert_cmpint (wait_for (&outcome), ==, -1);
}

static void
test_visibility (Fixture *fixture, gconstpointer unused)
{
  Outcome outcome = { 0 };
  Visibility visibility;

  self_start (fixture->self, fixture->discovery, 1);
  self_set_visibility (fixture->self, VISIBILITY_PRIVATE, outcome_set, &outcome);
  g_assert_cmpint (wait_for (&outcome), ==, -1);
  {
    g_autoptr (Presence) presence = published (fixture);

    /* A random name, and no key to follow us by. */
    g_assert_cmpstr (fake_discovery_get_user_part (fixture->discovery), !=, "juliet");
    g_assert_false (presence->has_spki);
  }
  self_set_visibility (fixture->self, VISIBILITY_INVISIBLE, outcome_set, &outcome);
  g_assert_cmpint (wait_for (&outcome), ==, -1);
  g_assert_null (fake_discovery_get_user_part (fixture->discovery));
  self_set_nick (fixture->self, "still hidden", outcome_set, &outcome);
  g_assert_cmpint (wait_for (&outcome), ==, -1);
  g_assert_null (fake_discovery_get_user_part (fixture->discovery));
  close_self (fixture);
  open_self (fixture);
  self_start (fixture->self, fixture->discovery, 1); /* hidden from the first moment */
  g_assert_null (fake_discovery_get_user_part (fixture->discovery));
  self_set_visibility (fixture->self, VISIBILITY_EVERYONE, outcome_set, &outcome);
  g_assert_cmpint (wait_for (&outcome), ==, -1);
  g_assert_cmpstr (fake_discovery_get_user_part (fixture->discovery), ==, "juliet");
  g_assert_true (visibility_from_string ("private", &visibility) && visibility == VISIBILITY_PRIVATE);
  g_assert_false (visibility_from_string ("hidden", &visibility));
  g_assert_false (visibility_from_string ("", &visibility));
}

static void
test_disk_full (Fixture *fixture, gconstpointer unused)
{
  Outcome outcome = { 0 };
  guint updates;
  int code;

  self_start (fixture->self, fixture->discovery, 1);
  updates = fake_discovery_count_updates (fixture->discovery);
  disk_fill (1);
  self_set_nick (fixture->self, "Juliet", outcome_set, &outcome);
  code = wait_for (&outcome);
  disk_free ();
  g_assert_cmpint (code, ==, EARSHOT_ERROR_STORE_FULL);
  g_assert_cmpuint (fake_discovery_count_updates (fixture->discovery), ==, updates);
}

#define SELF_TEST(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  SELF_TEST ("/self/P-18-defaults", test_defaults);
  SELF_TEST ("/self/words", test_words);
  SELF_TEST ("/self/P-07-personal", test_personal);
  SELF_TEST ("/self/refused", test_refused);
  SELF_TEST ("/self/visibility", test_visibility);
  SELF_TEST ("/self/disk-full", test_disk_full);
  return g_test_run ();
}
