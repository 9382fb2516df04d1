/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Strangers who claim the names of friends: who is warned of, and when that changes.
 */
#include "earshot-config.h"

#include "daemon/io/confusable.h"
#include "tests/unit/people-helper.h"

static Contact *
meet (People *people, const char *instance, const char *nick)
{
  announce_full (people->contacts, instance, 1, AF_INET6, NULL, nick);
  return find_one (people->contacts, instance);
}

static void
assert_warned (Contact *contact, const char *warning, Contact *of)
{
  g_assert_cmpstr (contact_get_name_warning (contact), ==, warning);
  g_assert_true (contact_get_resembled (contact) == of);
}

/* By nickname, by user part, by whole address; against a petname, and against names that only the address tells. */
static void
test_claims (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1), nurse_fp = make_fp (2);
  Contact *juliet = add_person_named (people, "my love", &fp, "juliet@pronto");
  Contact *nurse = add_person_named (people, "", &nurse_fp, "angelica@villa");
  const char *alike = confusable_has_icu () ? "lookalike" : "";

  assert_warned (meet (people, "mallory@host1", "My Love"), "duplicate", juliet);
  assert_warned (meet (people, "JULIET@host2", NULL), "duplicate", juliet);
  assert_warned (meet (people, "mallory@host3", "juliet@pronto"), "duplicate", juliet);
  assert_warned (meet (people, "mallory@host4", "Angelica"), "duplicate", nurse);
  assert_warned (meet (people, "mallory@host5", "my\342\200\213 love"), "duplicate", juliet);
  assert_warned (meet (people, "ju1iet@host6", NULL), alike, *alike != '\0' ? juliet : NULL);
  assert_warned (meet (people, "mallory@host7", "\320\234\321\203 l\320\276ve"), alike, *alike != '\0' ? juliet : NULL);
  assert_warned (meet (people, "mallory@host8", "\320\234\321\203 friend"), confusable_has_icu () ? "mixed-script" : "", NULL);
  assert_warned (meet (people, "mallory@host9", "Romeo\342\200\256"), "bidi", NULL);
  assert_warned (meet (people, "romeo@host10", "Romeo"), "", NULL);
  /* They themselves resemble nobody. */
  assert_warned (juliet, "", NULL);
  assert_warned (nurse, "", NULL);
  announce_full (people->contacts, "juliet@presto", 1, AF_INET6, &fp, "My Love"); /* her key under another host */
  people_settle (people);
  assert_warned (juliet, "", NULL);
}

/* What we call somebody is compared with who is there, and the other way round; strangers are told of in time. */
static void
test_later (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Contact *stranger = meet (people, "romeo@forza", "Romeo M."), *juliet = add_person (people, "juliet", &fp);

  assert_warned (stranger, "", NULL);
  contact_set_petname (juliet, "romeo", NULL, NULL);
  people_settle (people);
  assert_warned (stranger, "duplicate", juliet);
  /* Named by the user it is shown by that. */
  contact_set_petname (stranger, "the real one", NULL, NULL);
  people_settle (people);
  assert_warned (stranger, "", NULL);
  contact_set_petname (stranger, "", NULL, NULL);
  people_settle (people);
  assert_warned (stranger, "duplicate", juliet);
  contact_set_petname (juliet, "juliet", NULL, NULL);
  people_settle (people);
  assert_warned (stranger, "", NULL);
}

/* Who is blocked or forgotten is nobody to be taken for; and after a restart all is as it was. */
static void
test_blocked_forgotten (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Contact *juliet = add_person_named (people, "juliet", &fp, "juliet@pronto");
  Contact *stranger = meet (people, "romeo@forza", "Juliet");

  assert_warned (stranger, "duplicate", juliet);
  trust_set_blocked (people->trust, juliet, TRUE, "test", NULL, NULL);
  people_settle (people);
  assert_warned (stranger, "", NULL);
  trust_set_blocked (people->trust, juliet, FALSE, "test", NULL, NULL);
  people_settle (people);
  assert_warned (stranger, "duplicate", juliet);
  people_reopen (people);
  juliet = find_one (people->contacts, "juliet");
  stranger = meet (people, "juliet@forza", NULL);
  assert_warned (stranger, "duplicate", juliet);
  trust_forget (people->trust, juliet, "test", NULL, NULL);
  people_settle (people);
  assert_warned (stranger, "", NULL);
}

static int
rename_to (Contact *contact, const char *petname)
{
  Outcome outcome = { 0 };

  contact_set_petname (contact, petname, outcome_set, &outcome);
  return outcome_wait (&outcome);
}

/* Petnames are what people trust: no two that can be taken for each other. */
static void
test_petnames (People *people, gconstpointer unused)
{
  Fingerprint one = make_fp (1), two = make_fp (2), three = make_fp (3);
  Contact *juliet = add_person (people, "juliet", &one), *other = add_person (people, "", &two);
  Added added = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (rename_to (other, "JULIET"), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (rename_to (other, " juliet "), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (rename_to (other, "\343\205\244"), ==, EARSHOT_ERROR_INVALID_ARGUMENT); /* a filler, and nothing else */
  if (confusable_has_icu ())
    {
      g_assert_cmpint (rename_to (other, "ju1iet"), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
      g_assert_cmpint (rename_to (other, "\321\230uliet"), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
      g_assert_false (contacts_check_petname (people->contacts, NULL, "juIiet", &error));
      g_assert_nonnull (strstr (error->message, "juliet"));
      trust_add_contact (people->trust, "juIiet", &three, &(TrustEvidence){ .source = "fingerprint" }, "test",
                         people_on_contact_added, &added);
      store_wait (&added.done);
      g_assert_cmpint (added.code, ==, EARSHOT_ERROR_INVALID_ARGUMENT);
      g_assert_null (contacts_get_key (people->contacts, &three));
      /* The own one may be spelled anew. */
      g_assert_cmpint (rename_to (juliet, "JuIiet"), ==, -1);
      g_assert_cmpint (rename_to (juliet, "juliet"), ==, -1);
    }
  g_assert_cmpstr (contact_get_petname (other), ==, "");
  g_assert_cmpint (rename_to (other, "juliet 2"), ==, -1);
  g_assert_cmpint (rename_to (juliet, "capulet"), ==, -1);
  g_assert_cmpint (rename_to (other, "juliet"), ==, -1);
}

/* A crowd that claims one name, and a friend who gets it: nobody is compared with everybody. */
static void
test_crowd (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Contact *juliet = add_person (people, "juliet", &fp);
  guint warned = 0;

  contacts_set_max_strangers (people->contacts, 1000);
  for (guint i = 0; i < 1000; i++)
    {
      g_autofree char *name = g_strdup_printf ("x%u@h", i);

      announce_full (people->contacts, name, 1, AF_INET6, NULL, "capulet");
    }
  contact_set_petname (juliet, "capulet", NULL, NULL);
  people_settle (people);
  {
    g_autoptr (GPtrArray) all = contacts_list (people->contacts);

    for (guint i = 0; i < all->len; i++)
      warned += contact_get_resembled (g_ptr_array_index (all, i)) == juliet;
  }
  g_assert_cmpuint (warned, ==, 1000);
  contacts_forget_sightings (people->contacts);
  g_assert_cmpuint (count_contacts (people->contacts), ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  PEOPLE_TEST ("/names/claims-of-a-friends-name", test_claims);
  PEOPLE_TEST ("/names/warnings-follow-what-we-call-people", test_later);
  PEOPLE_TEST ("/names/blocked-and-forgotten-are-nobody", test_blocked_forgotten);
  PEOPLE_TEST ("/names/petnames-can-not-be-taken-for-each-other", test_petnames);
  PEOPLE_TEST ("/names/a-crowd-of-one-name", test_crowd);
  return g_test_run ();
}
