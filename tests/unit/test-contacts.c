/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who is announced, and whose announcement it is; strangers and their cap; finding people.
 */
#include "earshot-config.h"

#include "tests/unit/people-helper.h"

/* --- announcements ------------------------------------------------------------ */

static void
test_merge_links (People *people, gconstpointer unused)
{
  Contact *contact;

  announce_full (people->contacts, "romeo@forza", 1, AF_INET, NULL, "Romeo");
  announce_full (people->contacts, "romeo@forza", 1, AF_INET6, NULL, "Romeo");
  announce_full (people->contacts, "romeo@forza", 2, AF_INET6, NULL, "Romeo");
  g_assert_cmpuint (count_contacts (people->contacts), ==, 1);
  g_assert_cmpuint (people->added, ==, 1);
  contact = find_one (people->contacts, "romeo@forza");
  g_assert_nonnull (contact);
  g_assert_cmpuint (contact_get_endpoints (contact)->len, ==, 2);
  g_assert_cmpstr (contact_get_claimed_name (contact), ==, "Romeo");
  g_assert_cmpint (contact_get_reach (contact), ==, REACH_SIGHTED);

  contacts_on_gone (people->contacts, "romeo@forza", "local", 1, AF_INET);
  g_assert_cmpuint (contact_get_endpoints (contact)->len, ==, 2);
  contacts_on_gone (people->contacts, "romeo@forza", "local", 1, AF_INET6);
  g_assert_cmpuint (contact_get_endpoints (contact)->len, ==, 1);
  /* A goodbye for what was never announced there changes nothing. */
  contacts_on_gone (people->contacts, "romeo@forza", "local", 7, AF_INET6);
  contacts_on_gone (people->contacts, "nobody@here", "local", 2, AF_INET6);
  g_assert_cmpuint (people->removed, ==, 0);
  contacts_on_gone (people->contacts, "romeo@forza", "local", 2, AF_INET6);
  g_assert_cmpuint (people->removed, ==, 1);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 0);
}

static void
test_presence_is_the_txt (People *people, gconstpointer unused)
{
  DiscoveryRecord record = { .instance = (char *) "romeo@forza", .domain = (char *) "local", .ifindex = 1,
                             .ifname = (char *) "eth1", .family = AF_INET };

  contacts_on_sighted (people->contacts, &record);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 0);
  announce_full (people->contacts, "romeo@forza", 1, AF_INET, NULL, NULL);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 1);
  g_assert_cmpuint (people->sighted, ==, 1);
  /* The same again is no news. */
  announce_full (people->contacts, "romeo@forza", 1, AF_INET, NULL, NULL);
  g_assert_cmpuint (people->sighted, ==, 1);
}

static void
test_hint_moves (People *people, gconstpointer unused)
{
  Fingerprint juliet = make_fp (1), other = make_fp (2);
  Contact *contact = add_person_named (people, "juliet", &juliet, "juliet@pronto");

  /* Known key, new name: hers. */
  announce (people->contacts, "jules@elsewhere", &juliet);
  g_assert_true (find_one (people->contacts, "jules@elsewhere") == contact);
  g_assert_cmpint (contact_get_reach (contact), ==, REACH_SIGHTED);
  /* Another hint under the same instance: somebody else's. */
  announce (people->contacts, "jules@elsewhere", &other);
  g_assert_true (find_one (people->contacts, "jules@elsewhere") != contact);
  g_assert_cmpint (contact_get_reach (contact), ==, REACH_OFFLINE);
  g_assert_cmpuint (contact_get_endpoints (contact)->len, ==, 0);
  announce (people->contacts, "jules@elsewhere", &juliet);
  g_assert_true (find_one (people->contacts, "jules@elsewhere") == contact);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 1);
}

static void
test_hint_no_trust (People *people, gconstpointer unused)
{
  Fingerprint juliet = make_fp (1), stranger = make_fp (2);
  Contact *contact = add_person_named (people, "juliet", &juliet, "juliet@pronto");

  announce (people->contacts, "juliet@pronto", &juliet);
  announce (people->contacts, "mallory@pronto", &stranger);
  people_settle (people);
  g_assert_cmpint (contact_get_trust (contact), ==, TRUST_PINNED);
  g_assert_null (contacts_get_key (people->contacts, &stranger));
  g_assert_cmpint (contact_get_trust (find_one (people->contacts, "mallory@pronto")), ==, TRUST_UNKNOWN);
  g_assert_cmpuint (contact_get_keys (find_one (people->contacts, "mallory@pronto"))->len, ==, 0);
  g_assert_cmpuint (people->levels, ==, 1); /* the pin by hand */
}

static void
test_pinned_name_other_hint (People *people, gconstpointer unused)
{
  Fingerprint juliet = make_fp (1), other = make_fp (2);
  Contact *owner = add_person_named (people, "juliet", &juliet, "juliet@pronto");
  Contact *stranger;

  announce (people->contacts, "Juliet@Pronto", &other); /* names are compared folded */
  g_assert_cmpuint (count_contacts (people->contacts), ==, 2);
  g_assert_cmpint (contact_get_reach (owner), ==, REACH_OFFLINE);
  g_assert_cmpuint (contact_get_endpoints (owner)->len, ==, 0);
  {
    g_autoptr (GPtrArray) all = contacts_list (people->contacts);

    stranger = g_ptr_array_index (all, 0) == owner ? g_ptr_array_index (all, 1) : g_ptr_array_index (all, 0);
  }
  g_assert_cmpuint (contact_get_contests (stranger)->len, ==, 1);
  g_assert_cmpuint (g_array_index (contact_get_contests (stranger), guint32, 0), ==, contact_get_id (owner));
  g_assert_cmpstr (contact_get_name_warning (stranger), ==, "duplicate");
  /* Without a hint it may be hers: the handshake will tell. */
  withdraw (people->contacts, "Juliet@Pronto");
  announce (people->contacts, "juliet@pronto", NULL);
  g_assert_cmpint (contact_get_reach (owner), ==, REACH_SIGHTED);
}

static void
test_forget_sightings (People *people, gconstpointer unused)
{
  Fingerprint juliet = make_fp (1);
  Contact *contact = add_person_named (people, "juliet", &juliet, "juliet@pronto");

  contacts_set_max_strangers (people->contacts, 2);
  for (int i = 0; i < 6; i++)
    {
      g_autofree char *name = g_strdup_printf ("user%d@host", i);

      announce (people->contacts, name, NULL);
    }
  announce (people->contacts, "juliet@pronto", &juliet);
  contacts_forget_sightings (people->contacts);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 1);
  g_assert_cmpint (contact_get_reach (contact), ==, REACH_OFFLINE);
  /* Announced anew they are back. */
  announce (people->contacts, "user1@host", NULL);
  announce (people->contacts, "juliet@pronto", &juliet);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 2);
  g_assert_cmpint (contact_get_reach (contact), ==, REACH_SIGHTED);
}

static void
test_hostile_names (People *people, gconstpointer unused)
{
  Contact *contact;
  g_autofree char *shown = NULL;

  announce_full (people->contacts, "mallory@host", 1, AF_INET6, NULL, "Juliet\342\200\256 (really)");
  contact = find_one (people->contacts, "mallory@host");
  g_assert_null (strstr (contact_get_claimed_name (contact), "\342\200\256"));
  g_assert_cmpstr (contact_get_name_warning (contact), ==, "bidi");
  shown = contact_dup_display_name (contact);
  g_assert_true (g_str_has_prefix (shown, "Juliet"));
}

/* Its announcement names another key: a spoofed status of a connected friend does not show. */
static void
test_spoofed_presence (People *people, gconstpointer unused)
{
  Fingerprint juliet = make_fp (1);
  Contact *contact = add_person_named (people, "juliet", &juliet, "juliet@pronto");

  announce_full (people->contacts, "mallory@host", 1, AF_INET6, &juliet, "Not Juliet");
  announce_full (people->contacts, "juliet@pronto", 1, AF_INET6, &juliet, "Juliet");
  contacts_set_connected (contact, contacts_get_key (people->contacts, &juliet), "juliet@pronto", TRUE);
  g_assert_cmpstr (contact_get_presence (contact)->nick, ==, "Juliet");
  g_assert_cmpstr (contact_get_claimed_name (contact), ==, "Juliet");
  g_assert_cmpstr (contact_get_claimed_addr (contact), ==, "juliet@pronto");
}

/* --- the cap ------------------------------------------------------------------- */

static void
test_cap (People *people, gconstpointer unused)
{
  Fingerprint friend = make_fp (1), connected = make_fp (2);
  Contact *contested;
  Key *key;

  add_person (people, "friend", &friend);
  contacts_set_max_strangers (people->contacts, 4);
  key = contacts_prove_key (people->contacts, &connected, "here@host", 0, &contested);
  contacts_set_connected (key_get_contact (key), key, "here@host", TRUE);
  g_assert_nonnull (contacts_add_static (people->contacts, "192.0.2.7:5298", NULL));
  for (int i = 0; i < 10; i++)
    {
      g_autofree char *name = g_strdup_printf ("user%d@host", i);

      announce (people->contacts, name, NULL);
    }
  /* The friend, whom we talk to, what was given by hand, and two of the crowd: the newest. */
  g_assert_cmpuint (count_contacts (people->contacts), ==, 5);
  g_assert_nonnull (find_one (people->contacts, "friend"));
  g_assert_nonnull (find_one (people->contacts, "here@host"));
  g_assert_nonnull (find_one (people->contacts, "user9@host"));
  g_assert_nonnull (find_one (people->contacts, "user8@host"));
  g_assert_null (find_one (people->contacts, "user7@host"));
  /* One of those without a place gets it when somebody leaves. */
  withdraw (people->contacts, "user9@host");
  g_assert_cmpuint (count_contacts (people->contacts), ==, 5);
}

/* Two names with one key's hint lose it to the contact that the key becomes; the place that the first leaves goes to a
 * name that waits, and under a cap lowered meanwhile that pushes out the second. */
static void
test_cap_lowered (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Contact *contact;

  contacts_set_max_strangers (people->contacts, 3);
  announce (people->contacts, "waits1@host", NULL);
  announce (people->contacts, "waits2@host", NULL);
  for (int i = 0; i < 3; i++)
    {
      g_autofree char *name = g_strdup_printf ("claims%d@host", i);

      announce (people->contacts, name, &fp);
    }
  contacts_set_max_strangers (people->contacts, 1);
  contact = add_person (people, "friend", &fp);
  people_settle (people);
  g_assert_cmpuint (contact_get_endpoints (contact)->len, ==, 3);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 2);
}

/* a thousand names that cost nothing do not push out who proved a key and asked. */
static void
test_cap_halves (People *people, gconstpointer unused)
{
  Contact *contested;

  contacts_set_max_strangers (people->contacts, 4);
  for (guint8 i = 1; i <= 2; i++)
    {
      Fingerprint fp = make_fp (i);
      g_autofree char *name = g_strdup_printf ("asks%d@host", i);

      g_assert_nonnull (contacts_prove_key (people->contacts, &fp, name, 0, &contested));
    }
  for (int i = 0; i < 50; i++)
    {
      g_autofree char *name = g_strdup_printf ("noise%d@host", i);

      announce (people->contacts, name, NULL);
    }
  g_assert_nonnull (find_one (people->contacts, "asks1@host"));
  g_assert_nonnull (find_one (people->contacts, "asks2@host"));
  /* … and the other way round. */
  for (guint8 i = 10; i < 60; i++)
    {
      Fingerprint fp = make_fp (i);

      contacts_prove_key (people->contacts, &fp, NULL, 0, &contested);
    }
  g_assert_nonnull (find_one (people->contacts, "noise49@host"));
  g_assert_cmpuint (count_contacts (people->contacts), ==, 4);
}

static void
test_cap_nobody_goes (People *people, gconstpointer unused)
{
  Fingerprint one = make_fp (1), two = make_fp (2);
  Contact *contested;
  Key *key;

  contacts_set_max_strangers (people->contacts, 1);
  key = contacts_prove_key (people->contacts, &one, "one@host", 0, &contested);
  contacts_set_connected (key_get_contact (key), key, "one@host", TRUE);
  g_assert_null (contacts_prove_key (people->contacts, &two, "two@host", 0, &contested));
  announce (people->contacts, "three@host", NULL);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 1);
  /* The stream ends and with it the stranger: the announcement gets the place. */
  contacts_set_connected (key_get_contact (key), key, "one@host", FALSE);
  g_assert_null (contacts_get_key (people->contacts, &one));
  g_assert_nonnull (find_one (people->contacts, "three@host"));
}

/* --- selecting ------------------------------------------------------------------ */

static void
test_select (People *people, gconstpointer unused)
{
  Fingerprint one = make_fp (0xab), two = make_fp (0xab), three = make_fp (0xcd);
  Contact *juliet, *nurse;
  g_autoptr (GPtrArray) several = NULL;

  two.bytes[31] = 0;
  juliet = add_person_named (people, "juliet", &one, "capulet@pronto");
  nurse = add_person (people, "abababab", &two);
  add_person (people, "", &three);
  /* A stranger who calls himself like a petname is not found by it; petname goes first. */
  announce_full (people->contacts, "juliet@pronto", 1, AF_INET6, NULL, "juliet");

  g_assert_true (find_one (people->contacts, "juliet") == juliet);
  g_assert_true (find_one (people->contacts, "JULIET") == juliet);
  g_assert_true (find_one (people->contacts, "Capulet@Pronto") == juliet);
  g_assert_true (find_one (people->contacts, "abababab") == nurse); /* petname before key */
  several = contacts_select (people->contacts, "ABAB-ABAB ab");
  g_assert_cmpuint (several->len, ==, 2);
  g_assert_true (find_one (people->contacts, "cdcdcdcd") != NULL);
  g_assert_null (find_one (people->contacts, "cdcdcdc"));
  g_assert_null (find_one (people->contacts, ""));
  g_assert_null (find_one (people->contacts, "juliet@nowhere"));
  g_assert_null (find_one (people->contacts, "cdcdcdcdx"));
}

/* --- petnames --------------------------------------------------------------------- */

static int
rename_to (People *people, Contact *contact, const char *petname)
{
  Outcome outcome = { 0 };

  contact_set_petname (contact, petname, outcome_set, &outcome);
  g_assert_false (outcome.done);
  return outcome_wait (&outcome);
}

static void
test_petnames (People *people, gconstpointer unused)
{
  Fingerprint one = make_fp (1), two = make_fp (2);
  Contact *juliet = add_person (people, "juliet", &one), *romeo = add_person (people, "", &two);
  g_autofree char *longest = g_strnfill (80, 'x');
  g_autofree char *too_long = g_strnfill (81, 'x');
  guint32 id = contact_get_id (romeo);

  g_assert_cmpint (rename_to (people, romeo, "JULIET"), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (rename_to (people, romeo, too_long), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (rename_to (people, romeo, "ro\nmeo"), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (rename_to (people, romeo, "ro\342\200\256meo"), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (rename_to (people, romeo, "\xff"), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpstr (contact_get_petname (romeo), ==, "");
  g_assert_cmpint (rename_to (people, romeo, longest), ==, -1);
  g_assert_cmpint (rename_to (people, juliet, "Juliet"), ==, -1); /* its own may change case */
  g_assert_cmpint (rename_to (people, romeo, "romeo \303\251"), ==, -1);
  people_reopen (people);
  g_assert_cmpstr (contact_get_petname (contacts_get (people->contacts, id)), ==, "romeo \303\251");
  g_assert_cmpint (rename_to (people, contacts_get (people->contacts, id), ""), ==, -1);
  g_assert_cmpstr (contact_get_petname (contacts_get (people->contacts, id)), ==, "");
}

/* Two of one petname in the same moment: one of them gets it. */
static void
test_petname_race (People *people, gconstpointer unused)
{
  Fingerprint one = make_fp (1), two = make_fp (2);
  Contact *a = add_person (people, "", &one), *b = add_person (people, "", &two);
  Outcome first = { 0 }, second = { 0 };

  contact_set_petname (a, "juliet", outcome_set, &first);
  contact_set_petname (b, "Juliet", outcome_set, &second);
  g_assert_cmpint (outcome_wait (&first), ==, -1);
  g_assert_cmpint (outcome_wait (&second), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpstr (contact_get_petname (b), ==, "");
}

/* A stranger with a petname is kept, key and all. */
static void
test_petname_keeps (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Contact *contested, *contact;
  guint32 id;

  contact = key_get_contact (contacts_prove_key (people->contacts, &fp, "juliet@pronto", 0, &contested));
  id = contact_get_id (contact);
  g_assert_false (contact_is_stored (contact));
  g_assert_cmpint (rename_to (people, contact, "juliet"), ==, -1);
  g_assert_true (contact_is_stored (contact));
  people_reopen (people);
  g_assert_nonnull (contacts_get (people->contacts, id));
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &fp)), ==, TRUST_UNKNOWN);
}

static void
test_petname_disk_full (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Contact *contact = add_person (people, "juliet", &fp);
  int code;

  people_settle (people);
  disk_fill (1);
  code = rename_to (people, contact, "capulet");
  disk_free ();
  g_assert_cmpint (code, ==, EARSHOT_ERROR_STORE_FULL);
  g_assert_cmpstr (contact_get_petname (contact), ==, "juliet");
  g_assert_cmpint (rename_to (people, contact, "capulet"), ==, -1);
}

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  PEOPLE_TEST ("/contacts/P-11-one-entry-for-all-links", test_merge_links);
  PEOPLE_TEST ("/contacts/presence-is-the-txt", test_presence_is_the_txt);
  PEOPLE_TEST ("/contacts/hint-moves-the-announcement", test_hint_moves);
  PEOPLE_TEST ("/contacts/P-08-hint-raises-nothing", test_hint_no_trust);
  PEOPLE_TEST ("/contacts/P-09-pinned-name-other-hint", test_pinned_name_other_hint);
  PEOPLE_TEST ("/contacts/forget-sightings", test_forget_sightings);
  PEOPLE_TEST ("/contacts/hostile-names", test_hostile_names);
  PEOPLE_TEST ("/contacts/spoofed-presence-of-a-friend", test_spoofed_presence);
  PEOPLE_TEST ("/contacts/cap/who-stays", test_cap);
  PEOPLE_TEST ("/contacts/cap/lowered-while-a-key-is-claimed", test_cap_lowered);
  PEOPLE_TEST ("/contacts/cap/X-02-halves", test_cap_halves);
  PEOPLE_TEST ("/contacts/cap/nobody-can-go", test_cap_nobody_goes);
  PEOPLE_TEST ("/contacts/select", test_select);
  PEOPLE_TEST ("/contacts/petname/rules", test_petnames);
  PEOPLE_TEST ("/contacts/petname/two-at-once", test_petname_race);
  PEOPLE_TEST ("/contacts/petname/keeps-a-stranger", test_petname_keeps);
  PEOPLE_TEST ("/contacts/petname/disk-full", test_petname_disk_full);
  return g_test_run ();
}
