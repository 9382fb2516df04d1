/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whose key is it: proving, connecting, moving, forgetting; and the endpoints given by hand.
 */
#include "earshot-config.h"

#include "tests/unit/people-helper.h"

static Contact *
prove (People *people, const Fingerprint *fp, const char *addr, guint32 expected, Contact **contested)
{
  Contact *ignored;
  Key *key = contacts_prove_key (people->contacts, fp, addr, expected, contested != NULL ? contested : &ignored);

  return key != NULL ? key_get_contact (key) : NULL;
}

/* --- proving ------------------------------------------------------------------- */

static void
test_known_key (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1), other = make_fp (2);
  Contact *juliet = add_person_named (people, "juliet", &fp, "juliet@pronto"), *contested;
  Contact *romeo = add_person_named (people, "romeo", &other, "romeo@forza");

  g_assert_true (prove (people, &fp, "juliet@pronto", 0, &contested) == juliet);
  g_assert_null (contested);
  /* A known key under a friend's name is still its own contact's, and it is told. */
  g_assert_true (prove (people, &fp, "romeo@forza", 0, &contested) == juliet);
  g_assert_true (contested == romeo);
  g_assert_true (prove (people, &fp, "romeo@forza", contact_get_id (romeo), &contested) == juliet);
}

static void
test_announced_stranger (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1), second = make_fp (2);
  Contact *announced, *contact;

  announce (people->contacts, "romeo@forza", &fp);
  announced = find_one (people->contacts, "romeo@forza");
  contact = prove (people, &fp, "romeo@forza", 0, NULL);
  g_assert_true (contact == announced);
  g_assert_cmpuint (people->keys_added, ==, 1);
  g_assert_cmpint (contact_get_trust (contact), ==, TRUST_UNKNOWN);
  /* P-11: two keys behind one name make two entries. */
  g_assert_true (prove (people, &second, "romeo@forza", 0, NULL) != announced);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 2);
}

/* Who comes first under a name does not get what is announced for another key. */
static void
test_name_thief (People *people, gconstpointer unused)
{
  Fingerprint romeo = make_fp (1), thief = make_fp (2), friend = make_fp (3);
  Contact *announced, *contact;
  Contact *known = add_person (people, "known", &friend);
  Key *key;

  announce (people->contacts, "romeo@forza", &romeo);
  announced = find_one (people->contacts, "romeo@forza");
  contact = prove (people, &thief, "romeo@forza", 0, NULL);
  g_assert_true (contact != announced);
  g_assert_cmpuint (contact_get_endpoints (contact)->len, ==, 0);
  /* Nor does a friend who says he is called so. */
  key = contacts_get_key (people->contacts, &friend);
  contacts_set_connected (known, key, "romeo@forza", TRUE);
  g_assert_cmpuint (contact_get_endpoints (announced)->len, ==, 1);
  g_assert_true (prove (people, &romeo, "romeo@forza", 0, NULL) == announced || contact_get_endpoints (announced)->len == 1);
  contacts_set_connected (known, key, "romeo@forza", FALSE);
}

static void
test_expected (People *people, gconstpointer unused)
{
  Fingerprint first = make_fp (1), second = make_fp (2);
  Contact *contact = contacts_add_static (people->contacts, "192.0.2.7:5298", NULL);

  g_assert_nonnull (contact);
  /* Whoever answers where we dialled is the one we dialled … */
  g_assert_true (prove (people, &first, NULL, contact_get_id (contact), NULL) == contact);
  /* … until another key answers there. */
  g_assert_true (prove (people, &second, NULL, contact_get_id (contact), NULL) != contact);
  g_assert_cmpuint (contact_get_keys (contact)->len, ==, 1);
  /* A contact that is gone is expected no more. */
  g_assert_nonnull (prove (people, &(Fingerprint){ { 9 } }, NULL, 0x12345, NULL));
}

static void
test_contested (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1), other = make_fp (2), revoked = make_fp (3);
  Contact *juliet = add_person_named (people, "juliet", &fp, "juliet@pronto");
  Contact *nurse = add_person_named (people, "nurse", &revoked, "nurse@pronto");
  Contact *contact, *contested;
  Outcome outcome = { 0 };

  contact = prove (people, &other, "JULIET@pronto", contact_get_id (juliet), &contested);
  g_assert_true (contact != juliet);
  g_assert_true (contested == juliet);
  g_assert_cmpuint (contact_get_contests (contact)->len, ==, 1);
  g_assert_cmpstr (contact_get_name_warning (contact), ==, "duplicate");
  g_assert_cmpint (contact_get_trust (juliet), ==, TRUST_PINNED);
  /* A name whose key was revoked is still not free. */
  trust_revoke (people->trust, &revoked, "lost", "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  contact = prove (people, &(Fingerprint){ { 7 } }, "nurse@pronto", 0, &contested);
  g_assert_true (contact != nurse && contested == nurse);
}

/* A contact that was kept without a key takes the first one that comes, still unknown, and the next one after a no. */
static void
test_keyless_kept (People *people, gconstpointer unused)
{
  Fingerprint first = make_fp (1), second = make_fp (2), third = make_fp (3);
  Contact *contact;
  Outcome outcome = { 0 };
  KeyRow row;

  announce (people->contacts, "romeo@forza", NULL);
  contact = find_one (people->contacts, "romeo@forza");
  trust_keep (people->trust, contact, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  withdraw (people->contacts, "romeo@forza");
  g_assert_true (contact_is_stored (contact));
  g_assert_true (prove (people, &first, "romeo@forza", 0, NULL) == contact);
  g_assert_true (prove (people, &second, "romeo@forza", 0, NULL) != contact);
  key_to_row (contacts_get_key (people->contacts, &first), &row);
  row.refused = TRUE;
  contacts_apply_key (people->contacts, &row);
  key_row_clear (&row);
  g_assert_true (prove (people, &third, "romeo@forza", 0, NULL) == contact);
  g_assert_cmpint (contact_get_trust (contact), ==, TRUST_UNKNOWN);
}

/* --- connected ------------------------------------------------------------------- */

static void
test_connected (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Contact *juliet = add_person (people, "juliet", &fp);
  Key *key = contacts_get_key (people->contacts, &fp);
  const Endpoint *endpoint;

  g_assert_cmpint (contact_get_reach (juliet), ==, REACH_OFFLINE);
  contacts_note_endpoint (juliet, "eth1", "fe80::1%eth1", 4711);
  contacts_set_connected (juliet, key, "juliet@pronto", TRUE);
  /* Reachable although never announced. */
  g_assert_cmpint (contact_get_reach (juliet), ==, REACH_ONLINE);
  g_assert_cmpuint (contact_get_endpoints (juliet)->len, ==, 1);
  endpoint = g_ptr_array_index (contact_get_endpoints (juliet), 0);
  g_assert_cmpstr (endpoint->address, ==, "fe80::1%eth1");
  g_assert_true (endpoint->proven);
  announce (people->contacts, "juliet@pronto", &fp);
  g_assert_cmpuint (contact_get_endpoints (juliet)->len, ==, 1);
  contacts_set_connected (juliet, key, "juliet@pronto", FALSE);
  /* Proven since it appeared. */
  g_assert_cmpint (contact_get_reach (juliet), ==, REACH_ONLINE);
  withdraw (people->contacts, "juliet@pronto");
  g_assert_cmpint (contact_get_reach (juliet), ==, REACH_OFFLINE);
  announce (people->contacts, "juliet@pronto", &fp);
  g_assert_cmpint (contact_get_reach (juliet), ==, REACH_SIGHTED);
  /* The name she used is remembered, also on disk. */
  people_reopen (people);
  g_assert_nonnull (contacts_find_by_addr (people->contacts, "Juliet@PRONTO"));
}

static void
test_names_used (People *people, gconstpointer unused)
{
  Fingerprint one = make_fp (1), two = make_fp (2);
  Contact *juliet = add_person_named (people, "juliet", &one, "juliet@pronto");
  Contact *romeo = add_person (people, "romeo", &two);
  Key *key = contacts_get_key (people->contacts, &two);

  /* A friend's name is not taken over by using it. */
  contacts_set_connected (romeo, key, "juliet@pronto", TRUE);
  contacts_set_connected (romeo, key, "juliet@pronto", FALSE);
  g_assert_true (contacts_find_by_addr (people->contacts, "juliet@pronto") == juliet);
  /* At most eight are kept, the newest. */
  for (int i = 0; i < 12; i++)
    {
      g_autofree char *name = g_strdup_printf ("romeo%d@forza", i);

      contacts_set_connected (romeo, key, name, TRUE);
      contacts_set_connected (romeo, key, name, FALSE);
    }
  people_reopen (people);
  g_assert_null (contacts_find_by_addr (people->contacts, "romeo3@forza"));
  g_assert_nonnull (contacts_find_by_addr (people->contacts, "romeo4@forza"));
  g_assert_nonnull (contacts_find_by_addr (people->contacts, "romeo11@forza"));
}

/* The entry of a keyless announcement merges into the contact whose key answers there. */
static void
test_takes_announcement (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Contact *juliet = add_person (people, "juliet", &fp);

  announce (people->contacts, "capulet@pronto", NULL);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 2);
  contacts_set_connected (juliet, contacts_get_key (people->contacts, &fp), "capulet@pronto", TRUE);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 1);
  g_assert_true (find_one (people->contacts, "capulet@pronto") == juliet);
}

/* --- moving and forgetting ---------------------------------------------------------- */

static void
test_move_key (People *people, gconstpointer unused)
{
  Fingerprint old = make_fp (1), new = make_fp (2);
  Contact *juliet = add_person_named (people, "juliet", &old, "juliet@pronto"), *stranger;
  Key *key;
  KeyRow row;

  announce (people->contacts, "juliet@pronto", &new);
  stranger = contacts_add_static (people->contacts, "192.0.2.7:5298", NULL);
  g_assert_true (prove (people, &new, "juliet@pronto", contact_get_id (stranger), NULL) == stranger);
  key = contacts_get_key (people->contacts, &new);
  contacts_note_endpoint (stranger, "eth1", "fe80::7%eth1", 1);
  contacts_set_connected (stranger, key, "juliet@pronto", TRUE);

  key_to_row (key, &row);
  row.contact = contact_get_id (juliet);
  row.level = TRUST_PINNED;
  g_assert_true (contacts_apply_key (people->contacts, &row) == key);
  key_row_clear (&row);
  g_assert_true (key_get_contact (key) == juliet);
  g_assert_true (contact_get_active_key (juliet) == key);
  g_assert_true (contact_is_connected (juliet));
  g_assert_cmpint (contact_get_reach (juliet), ==, REACH_ONLINE);
  /* The stranger left with nothing is gone; what was given by hand for it is hers. */
  g_assert_true (find_one (people->contacts, "02020202") == juliet);
  g_assert_true (contacts_add_static (people->contacts, "192.0.2.7:5298", NULL) == juliet);
  contacts_set_connected (juliet, key, "juliet@pronto", FALSE);
}

static int
forget (People *people, Contact *contact)
{
  Outcome outcome = { 0 };

  trust_forget (people->trust, contact, "test", outcome_set, &outcome);
  return outcome_wait (&outcome);
}

static void
test_forget (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Contact *juliet = add_person_named (people, "juliet", &fp, "juliet@pronto"), *stranger;
  guint32 id = contact_get_id (juliet);

  announce (people->contacts, "juliet@pronto", &fp);
  g_assert_cmpint (forget (people, juliet), ==, -1);
  g_assert_cmpuint (people->forgotten, ==, 1);
  g_assert_null (contacts_get (people->contacts, id));
  g_assert_null (contacts_get_key (people->contacts, &fp));
  g_assert_true (trust_store_was_forgotten (people->trust_store, &fp));
  /* Still announced: a stranger from now on. */
  stranger = find_one (people->contacts, "juliet@pronto");
  g_assert_nonnull (stranger);
  g_assert_false (contact_is_stored (stranger));
  g_assert_cmpstr (contact_get_petname (stranger), ==, "");
  g_assert_cmpuint (contact_get_contests (stranger)->len, ==, 0);
  people_reopen (people);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 0);
  g_assert_true (trust_store_was_forgotten (people->trust_store, &fp));
}

static void
restore_statics (People *people)
{
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init (&iter, people->words);
  while (g_hash_table_iter_next (&iter, &key, &value))
    if (g_str_has_prefix (key, CONTACTS_STATIC_SETTING))
      contacts_restore_static (people->contacts, (char *) key + strlen (CONTACTS_STATIC_SETTING), atoi (value));
}

static void
test_forget_static (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Contact *contact = contacts_add_static (people->contacts, "[fe80::1%eth0]:5298", NULL), *stranger;
  Outcome outcome = { 0 };

  prove (people, &fp, NULL, contact_get_id (contact), NULL);
  trust_accept (people->trust, &fp, &(TrustEvidence){ .source = "user" }, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (forget (people, contact), ==, -1);
  stranger = contacts_add_static (people->contacts, "[fe80::1%eth0]:5298", NULL);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 1);
  g_assert_cmpuint (contact_get_keys (stranger)->len, ==, 0);
  people_reopen (people);
  restore_statics (people);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 1);
}

static void
test_forget_twice (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Contact *juliet = add_person (people, "juliet", &fp);
  Outcome first = { 0 }, second = { 0 }, name = { 0 };

  trust_forget (people->trust, juliet, "test", outcome_set, &first);
  trust_forget (people->trust, juliet, "test", outcome_set, &second);
  contact_set_petname (juliet, "nurse", outcome_set, &name);
  g_assert_cmpint (outcome_wait (&first), ==, -1);
  g_assert_cmpint (outcome_wait (&second), ==, EARSHOT_ERROR_NOT_FOUND);
  g_assert_cmpint (outcome_wait (&name), ==, EARSHOT_ERROR_NOT_FOUND);
  /* Nothing came back by it, on disk neither. */
  g_assert_cmpuint (count_contacts (people->contacts), ==, 0);
  people_reopen (people);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 0);
}

/* --- endpoints by hand ----------------------------------------------------------------- */

static void
test_split_endpoint (void)
{
  static const struct { const char *text, *host; guint16 port; } good[] = {
    { "192.0.2.7:5298", "192.0.2.7", 5298 },       { "[fe80::1%wlan0]:5298", "fe80::1%wlan0", 5298 },
    { "host.local:1", "host.local", 1 },           { "[::1]:65535", "::1", 65535 },
  };
  static const char *const bad[] = { "", ":", "host", "host:", ":5298", "host:0", "host:65536", "host:-1", "host:+1", "host: 1",
                                     "host:1x", "fe80::1:5298", "[fe80::1:5298", "fe80::1]:5298", "[]:1", "a b:1", "a/b:1",
                                     "a@b:1", "a\nb:1", "\"a\":1", "a\\b:1", "[a]b]:1", "\303\251:1" };
  g_autofree char *long_host = g_strnfill (300, 'a');
  g_autofree char *too_long = g_strconcat (long_host, ":1", NULL);
  g_autoptr (GError) error = NULL;
  char *host = NULL;
  guint16 port;

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_assert_true (contacts_split_endpoint (good[i].text, &host, &port, &error));
      g_assert_no_error (error);
      g_assert_cmpstr (host, ==, good[i].host);
      g_assert_cmpuint (port, ==, good[i].port);
      g_clear_pointer (&host, g_free);
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_test_message ("%s", bad[i]);
      g_assert_false (contacts_split_endpoint (bad[i], &host, &port, &error));
      g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT);
      g_clear_error (&error);
      g_assert_null (host);
    }
  g_assert_false (contacts_split_endpoint (too_long, &host, &port, NULL));
}

static void
test_statics (People *people, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  Contact *contact = contacts_add_static (people->contacts, "Host.local:5298", &error);

  g_assert_no_error (error);
  g_assert_cmpuint (people->added, ==, 1);
  g_assert_cmpuint (people->sighted, ==, 1);
  g_assert_cmpint (contact_get_reach (contact), ==, REACH_SIGHTED);
  g_assert_true (contacts_add_static (people->contacts, "host.LOCAL:5298", NULL) == contact);
  g_assert_true (contacts_add_static (people->contacts, "host.local:5299", NULL) != contact);
  g_assert_null (contacts_add_static (people->contacts, "host.local", &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  people_reopen (people);
  restore_statics (people);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 2);
  g_assert_true (contacts_remove_static (people->contacts, "host.local:5298"));
  g_assert_false (contacts_remove_static (people->contacts, "host.local:5298"));
  g_assert_false (contacts_remove_static (people->contacts, "nonsense"));
  g_assert_cmpuint (count_contacts (people->contacts), ==, 1);
  people_reopen (people);
  restore_statics (people);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 1);
}

/* An endpoint named together with a key is that key's contact's, also when it was added without one before. */
static void
test_statics_of_contact (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Contact *romeo = add_person (people, "romeo", &fp), *stranger;
  guint32 id = contact_get_id (romeo);

  g_assert_true (contacts_add_static_to (people->contacts, romeo, "192.0.2.7:5298", NULL) == romeo);
  g_assert_cmpint (contact_get_reach (romeo), ==, REACH_SIGHTED);
  stranger = contacts_add_static (people->contacts, "192.0.2.8:5298", NULL);
  g_assert_true (stranger != romeo);
  g_assert_true (contacts_add_static_to (people->contacts, romeo, "192.0.2.8:5298", NULL) == romeo);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 1);
  people_reopen (people);
  restore_statics (people);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 1);
  g_assert_cmpuint (contact_get_endpoints (contacts_get (people->contacts, id))->len, ==, 2);
}

static int
await_statics (People *people)
{
  Outcome outcome = { 0 };

  contacts_await_statics (people->contacts, outcome_set, &outcome);
  return outcome_wait (&outcome);
}

/* What is said to be kept is on disk; what the disk does not take is said, once. */
static void
test_statics_kept (People *people, gconstpointer unused)
{
  people_settle (people);
  g_assert_cmpint (await_statics (people), ==, -1);
  disk_fill (1);
  contacts_add_static (people->contacts, "192.0.2.7:5298", NULL);
  contacts_add_static (people->contacts, "192.0.2.8:5298", NULL);
  g_assert_cmpint (await_statics (people), ==, EARSHOT_ERROR_STORE_FULL);
  disk_free ();
  g_assert_cmpuint (count_contacts (people->contacts), ==, 2);
  g_assert_cmpint (await_statics (people), ==, -1);
  contacts_add_static (people->contacts, "192.0.2.9:5298", NULL);
  g_assert_cmpint (await_statics (people), ==, -1);
  people_reopen (people);
  g_assert_true (g_hash_table_contains (people->words, CONTACTS_STATIC_SETTING "192.0.2.9:5298"));
  g_assert_false (g_hash_table_contains (people->words, CONTACTS_STATIC_SETTING "192.0.2.7:5298"));
}

static void
test_statics_cap (People *people, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 256; i++)
    {
      g_autofree char *text = g_strdup_printf ("192.0.2.7:%d", i + 1);

      g_assert_nonnull (contacts_add_static (people->contacts, text, NULL));
    }
  g_assert_null (contacts_add_static (people->contacts, "192.0.2.7:999", &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_QUOTA_EXCEEDED);
}

/* --- writing ---------------------------------------------------------------------------- */

/* In the same moment: a block, a petname, a stream that ends and a grant that arrived. None undoes another, on disk neither. */
static void
test_changes_at_once (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Contact *juliet = add_person (people, "juliet", &fp);
  Key *key = contacts_get_key (people->contacts, &fp);
  guint32 id = contact_get_id (juliet);
  Outcome block = { 0 }, name = { 0 };

  g_assert_true (key_is_grant_owed (key));
  contacts_set_connected (juliet, key, "juliet@pronto", TRUE);
  trust_set_blocked (people->trust, juliet, TRUE, "test", outcome_set, &block);
  contact_set_petname (juliet, "capulet", outcome_set, &name);
  contacts_set_connected (juliet, key, "juliet@pronto", FALSE);
  trust_grant_done (people->trust, key);
  g_assert_cmpint (outcome_wait (&block), ==, -1);
  g_assert_cmpint (outcome_wait (&name), ==, -1);
  for (int i = 0; i < 2; i++)
    {
      juliet = contacts_get (people->contacts, id);
      g_assert_true (contact_is_blocked (juliet));
      g_assert_cmpstr (contact_get_petname (juliet), ==, "capulet");
      g_assert_cmpstr (contact_get_claimed_addr (juliet), ==, "juliet@pronto");
      g_assert_false (key_is_grant_owed (contacts_get_key (people->contacts, &fp)));
      people_reopen (people);
    }
}

/* A stranger that is being decided about makes room for nobody. */
static void
test_held_while_decided (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Contact *contact;
  guint32 id;
  Outcome outcome = { 0 };

  contacts_set_max_strangers (people->contacts, 1);
  contact = prove (people, &fp, "romeo@forza", 0, NULL);
  id = contact_get_id (contact);
  trust_keep (people->trust, contact, outcome_set, &outcome);
  announce (people->contacts, "noise@host", NULL);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  people_reopen (people);
  g_assert_nonnull (contacts_get (people->contacts, id));
  g_assert_nonnull (contacts_get_key (people->contacts, &fp));
}

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  PEOPLE_TEST ("/contacts/prove/known-key", test_known_key);
  PEOPLE_TEST ("/contacts/prove/P-11-two-keys-two-entries", test_announced_stranger);
  PEOPLE_TEST ("/contacts/prove/thief-of-a-name", test_name_thief);
  PEOPLE_TEST ("/contacts/prove/expected", test_expected);
  PEOPLE_TEST ("/contacts/prove/T-11-contested", test_contested);
  PEOPLE_TEST ("/contacts/prove/keyless-kept", test_keyless_kept);
  PEOPLE_TEST ("/contacts/connected/reach", test_connected);
  PEOPLE_TEST ("/contacts/connected/names", test_names_used);
  PEOPLE_TEST ("/contacts/connected/takes-announcement", test_takes_announcement);
  PEOPLE_TEST ("/contacts/move-key", test_move_key);
  PEOPLE_TEST ("/contacts/forget/still-announced", test_forget);
  PEOPLE_TEST ("/contacts/forget/static-endpoint-stays", test_forget_static);
  PEOPLE_TEST ("/contacts/forget/twice", test_forget_twice);
  g_test_add_func ("/contacts/static/split", test_split_endpoint);
  PEOPLE_TEST ("/contacts/static/add-remove-restore", test_statics);
  PEOPLE_TEST ("/contacts/static/of-a-contact", test_statics_of_contact);
  PEOPLE_TEST ("/contacts/static/kept", test_statics_kept);
  PEOPLE_TEST ("/contacts/static/cap", test_statics_cap);
  PEOPLE_TEST ("/contacts/write/at-once", test_changes_at_once);
  PEOPLE_TEST ("/contacts/write/held-while-decided", test_held_while_decided);
  return g_test_run ();
}
