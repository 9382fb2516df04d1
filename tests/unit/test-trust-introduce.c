/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What trust makes of words about keys (docs/protocol.md 3.7, T-18, T-19): who is heard, what is asked, and what stands afterwards, in
 * memory and on disk.
 */
#include "earshot-config.h"

#include "daemon/io/trust-store-private.h"
#include "tests/unit/people-helper.h"

enum { BOB = 1, CAROL, DAVE, EVE };

typedef struct {
  People people;
  Fingerprint bob, carol, dave, eve;
} Fixture;

static Contact *
add_verified (Fixture *f, const char *petname, const Fingerprint *fp)
{
  Added added = { 0 };

  trust_add_contact (f->people.trust, petname, fp, &(TrustEvidence){ .source = "qr", .in_person = TRUE }, "test",
                     people_on_contact_added, &added);
  store_wait (&added.done);
  g_assert_cmpint (added.code, ==, -1);
  return contacts_get (f->people.contacts, added.id);
}

static void
set_up (Fixture *f, gconstpointer unused)
{
  people_set_up (&f->people, NULL);
  f->bob = make_fp (BOB);
  f->carol = make_fp (CAROL);
  f->dave = make_fp (DAVE);
  f->eve = make_fp (EVE);
  add_verified (f, "bob", &f->bob);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  people_tear_down (&f->people, NULL);
}

static Key *
key_of (Fixture *f, const Fingerprint *fp)
{
  return contacts_get_key (f->people.contacts, fp);
}

static TrustLevel
level_of (Fixture *f, const Fingerprint *fp)
{
  return key_of (f, fp) != NULL ? key_get_level (key_of (f, fp)) : TRUST_UNKNOWN;
}

static int
hear_full (Fixture *f, const Fingerprint *by, const Fingerprint *fp, Testimony said)
{
  Outcome outcome = { 0 };

  said.by = key_of (f, by);
  said.from = key_get_contact (said.by);
  said.fp = *fp;
  said.name = said.name != NULL ? said.name : "";
  said.note = said.note != NULL ? said.note : "";
  trust_hear (f->people.trust, &said, outcome_set, &outcome);
  return outcome.done ? outcome.code : outcome_wait (&outcome);
}

static void
hear (Fixture *f, const Fingerprint *by, const Fingerprint *fp)
{
  g_assert_cmpint (hear_full (f, by, fp, (Testimony){ .trusted = TRUE, .name = "Carol", .note = "the cook" }), ==, -1);
}

static void
hear_distrust (Fixture *f, const Fingerprint *by, const Fingerprint *fp)
{
  g_assert_cmpint (hear_full (f, by, fp, (Testimony){ .trusted = TRUE, .distrust = TRUE }), ==, -1);
}

static guint
count_requests (Fixture *f)
{
  g_autoptr (GPtrArray) all = trust_list_requests (f->people.trust);
  gint64 on_disk;

  people_settle (&f->people);
  on_disk = raw_sql (f->people.trust_store->db, "SELECT count(*) FROM request");
  g_assert_cmpint (on_disk, ==, all->len);
  return all->len;
}

static Request *
only_request (Fixture *f)
{
  g_autoptr (GPtrArray) all = trust_list_requests (f->people.trust);

  g_assert_cmpuint (all->len, ==, 1);
  return all->pdata[0];
}

static int
answer (Fixture *f, Request *request, const char *choice, const Fingerprint *fp, const char *petname)
{
  Outcome outcome = { 0 };

  trust_resolve (f->people.trust, request_get_id (request), choice, fp, petname, FALSE, "tester", outcome_set, &outcome);
  return outcome_wait (&outcome);
}

static gint64
audited (Fixture *f, const char *where)
{
  g_autofree char *sql = g_strconcat ("SELECT count(*) FROM audit WHERE ", where, NULL);

  people_settle (&f->people);
  return raw_sql (f->people.trust_store->db, sql);
}

static void
revoke_key (Fixture *f, const Fingerprint *fp)
{
  Outcome outcome = { 0 };

  trust_revoke (f->people.trust, fp, "", "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
}

static void
set_blocked (Fixture *f, const Fingerprint *fp, gboolean blocked)
{
  Outcome outcome = { 0 };

  trust_set_blocked (f->people.trust, key_get_contact (key_of (f, fp)), blocked, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
}

static void
forget (Fixture *f, const Fingerprint *fp)
{
  Outcome outcome = { 0 };

  trust_forget (f->people.trust, key_get_contact (key_of (f, fp)), "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
}

static void
on_judged (gpointer user, TrustVerdict verdict, Contact *contact, Key *key)
{
  *(gboolean *) user = TRUE;
}

/* Knocks as a stranger. */
static void
knock (Fixture *f, const Fingerprint *fp, const char *addr)
{
  TrustProof proof = { .fp = *fp, .addr = addr, .link = "eth0", .inbound = TRUE };
  gboolean done = FALSE;

  trust_judge (f->people.trust, &proof, on_judged, &done);
  store_wait (&done);
  people_settle (&f->people);
}

/* --- the good case -------------------------------------------------------------------- */

static void
test_accepted (Fixture *f, gconstpointer unused)
{
  static const char *const choices[] = { "accept", "verify", "reject", NULL };
  Request *request;
  Contact *carol;
  Key *key;

  hear (f, &f->bob, &f->carol);
  for (guint i = 0; i < 2; i++)
    {
      g_assert_cmpuint (count_requests (f), ==, 1);
      request = only_request (f);
      g_assert_cmpstr (request_get_kind (request), ==, "introduction");
      g_assert_true (g_strv_equal (request_get_choices (request), choices));
      g_assert_true (fingerprint_equal (request_get_fingerprint (request), &f->carol));
      g_assert_true (fingerprint_equal (request_get_introducer_fingerprint (request), &f->bob));
      g_assert_cmpstr (contact_get_petname (request_get_introducer (request)), ==, "bob");
      g_assert_cmpstr (request_get_name (request), ==, "Carol");
      g_assert_cmpstr (request_get_note (request), ==, "the cook");
      g_assert_false (request_was_forgotten (request));
      /* A question and nothing else: nobody is there yet. */
      g_assert_null (request_get_contact (request));
      g_assert_null (key_of (f, &f->carol));
      g_assert_cmpuint (count_contacts (f->people.contacts), ==, 1);
      people_reopen (&f->people);
    }
  request = only_request (f);
  g_assert_cmpint (answer (f, request, "accept", NULL, NULL), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (answer (f, request, "accept", &f->bob, NULL), ==, EARSHOT_ERROR_MISMATCH);
  g_assert_cmpint (answer (f, request, "block", &f->carol, NULL), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (answer (f, request, "accept", &f->carol, "bob"), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (level_of (f, &f->carol), ==, TRUST_UNKNOWN);
  g_assert_cmpint (answer (f, request, "accept", &f->carol, "carol"), ==, -1);
  for (guint i = 0; i < 2; i++)
    {
      key = key_of (f, &f->carol);
      carol = key_get_contact (key);
      g_assert_cmpint (key_get_level (key), ==, TRUST_VOUCHED);
      g_assert_cmpstr (key_get_source (key), ==, "introduction");
      g_assert_cmpstr (contact_get_petname (key_get_introduced_by (key)), ==, "bob");
      g_assert_false (key_is_introducer_lost (key));
      g_assert_true (key_is_grant_owed (key));
      g_assert_cmpstr (contact_get_petname (carol), ==, "carol");
      g_assert_true (contact_is_stored (carol));
      g_assert_cmpuint (count_requests (f), ==, 0);
      people_reopen (&f->people);
    }
  g_assert_cmpint (audited (f, "event = 'introduction' AND verdict = 'asked' AND caller = 'peer' AND inputs LIKE 'by=0101%'"), ==, 1);
  g_assert_cmpint (audited (f, "event = 'resolve' AND verdict = 'accept' AND caller = 'tester' AND inputs LIKE '%unknown>vouched%'"), ==, 1);
  /* Undone like any other. */
  revoke_key (f, &f->carol);
  g_assert_cmpint (level_of (f, &f->carol), ==, TRUST_REVOKED);
  hear (f, &f->bob, &f->carol);
  g_assert_cmpuint (count_requests (f), ==, 0);
}

static void
test_verify (Fixture *f, gconstpointer unused)
{
  hear (f, &f->bob, &f->carol);
  g_assert_cmpint (answer (f, only_request (f), "verify", &f->carol, NULL), ==, -1);
  g_assert_cmpint (level_of (f, &f->carol), ==, TRUST_VERIFIED);
  g_assert_cmpstr (key_get_source (key_of (f, &f->carol)), ==, "fingerprint");
  g_assert_null (key_get_introduced_by (key_of (f, &f->carol)));
}

/* It knocked before, and it knocks while it is asked about: two questions, and the answer to one is the answer to both. */
static void
test_knocks (Fixture *f, gconstpointer first)
{
  g_autoptr (GPtrArray) all = NULL;
  Request *introduction = NULL;

  if (first != NULL)
    knock (f, &f->carol, "carol@mac");
  hear (f, &f->bob, &f->carol);
  if (first == NULL)
    knock (f, &f->carol, "carol@mac");
  g_assert_cmpuint (count_requests (f), ==, 2);
  all = trust_list_requests (f->people.trust);
  for (guint i = 0; i < all->len; i++)
    {
      g_assert_true (request_get_contact (all->pdata[i]) == key_get_contact (key_of (f, &f->carol)));
      if (request_get_introducer (all->pdata[i]) != NULL)
        introduction = all->pdata[i];
    }
  g_assert_cmpint (level_of (f, &f->carol), ==, TRUST_UNKNOWN);
  g_assert_cmpint (answer (f, introduction, "accept", &f->carol, NULL), ==, -1);
  g_assert_cmpint (level_of (f, &f->carol), ==, TRUST_VOUCHED);
  g_assert_cmpuint (count_requests (f), ==, 0);
  g_assert_nonnull (contacts_find_by_addr (f->people.contacts, "carol@mac"));
  people_reopen (&f->people);
  g_assert_cmpuint (count_requests (f), ==, 0);
}

/* The mode pins it before the user answers: there is nothing left to ask. */
static void
test_first_use (Fixture *f, gconstpointer unused)
{
  trust_set_mode (f->people.trust, TRUST_MODE_TOFU);
  hear (f, &f->bob, &f->carol);
  g_assert_cmpint (level_of (f, &f->carol), ==, TRUST_UNKNOWN);
  knock (f, &f->carol, "carol@mac");
  g_assert_cmpint (level_of (f, &f->carol), ==, TRUST_PINNED);
  g_assert_cmpuint (count_requests (f), ==, 0);
}

/* Whatever else is decided about the key answers what was asked about it. */
static void
test_answered_otherwise (Fixture *f, gconstpointer what)
{
  Outcome outcome = { 0 };
  g_autoptr (GPtrArray) all = NULL;

  knock (f, &f->carol, "carol@mac");
  hear (f, &f->bob, &f->carol);
  g_assert_cmpuint (count_requests (f), ==, 2);
  all = trust_list_requests (f->people.trust);
  if (g_str_equal (what, "reject"))
    {
      Request *knocked = request_get_introducer (all->pdata[0]) == NULL ? all->pdata[0] : all->pdata[1];

      g_assert_cmpint (answer (f, knocked, "reject", NULL, NULL), ==, -1);
    }
  if (g_str_equal (what, "accept"))
    {
      trust_accept (f->people.trust, &f->carol, &(TrustEvidence){ .source = "user" }, "test", outcome_set, &outcome);
      g_assert_cmpint (outcome_wait (&outcome), ==, -1);
    }
  else if (g_str_equal (what, "block"))
    set_blocked (f, &f->carol, TRUE);
  else if (g_str_equal (what, "revoke"))
    revoke_key (f, &f->carol);
  g_assert_cmpuint (count_requests (f), ==, 0);
  hear (f, &f->bob, &f->carol);
  g_assert_cmpuint (count_requests (f), ==, 0);
}

/* --- who is not heard ---------------------------------------------------------------------- */

static void
test_pinned_introducer (Fixture *f, gconstpointer unused)
{
  add_person (&f->people, "dave", &f->dave);
  hear (f, &f->dave, &f->carol);
  g_assert_cmpuint (count_requests (f), ==, 0);
  g_assert_null (key_of (f, &f->carol));
  g_assert_cmpint (audited (f, "event = 'introduction' AND verdict = 'speaker-not-verified' AND inputs LIKE '%level=pinned%'"), ==, 1);
}

/* Whom somebody vouches for vouches for nobody. */
static void
test_chain (Fixture *f, gconstpointer unused)
{
  hear (f, &f->bob, &f->carol);
  g_assert_cmpint (answer (f, only_request (f), "accept", &f->carol, NULL), ==, -1);
  hear (f, &f->carol, &f->dave);
  g_assert_cmpuint (count_requests (f), ==, 0);
  g_assert_cmpint (audited (f, "verdict = 'speaker-not-verified' AND inputs LIKE '%level=vouched%'"), ==, 1);
}

static void
test_restricted_stream (Fixture *f, gconstpointer unused)
{
  g_assert_cmpint (hear_full (f, &f->bob, &f->carol, (Testimony){ .trusted = FALSE }), ==, -1);
  g_assert_cmpint (hear_full (f, &f->bob, &f->bob, (Testimony){ .trusted = FALSE, .distrust = TRUE }), ==, -1);
  knock (f, &f->eve, "eve@x");
  g_assert_cmpint (hear_full (f, &f->eve, &f->carol, (Testimony){ .trusted = TRUE }), ==, -1);
  g_assert_cmpuint (count_requests (f), ==, 1); /* eve's own */
  g_assert_cmpint (level_of (f, &f->bob), ==, TRUST_VERIFIED);
}

static void
test_blocked_introducer (Fixture *f, gconstpointer unused)
{
  set_blocked (f, &f->bob, TRUE);
  hear (f, &f->bob, &f->carol);
  g_assert_cmpuint (count_requests (f), ==, 0);
}

/* About keys that nobody needs to say anything about, or nobody may. */
static void
test_keys_not_asked_about (Fixture *f, gconstpointer unused)
{
  Fingerprint own = make_fp (99);

  hear (f, &f->bob, &f->bob);
  g_assert_cmpint (hear_full (f, &f->bob, &own, (Testimony){ .trusted = TRUE, .ours = TRUE }), ==, -1);
  add_person (&f->people, "carol", &f->carol);
  hear (f, &f->bob, &f->carol);
  g_assert_cmpint (level_of (f, &f->carol), ==, TRUST_PINNED);
  add_verified (f, "dave", &f->dave);
  hear (f, &f->bob, &f->dave);
  g_assert_cmpint (level_of (f, &f->dave), ==, TRUST_VERIFIED);
  set_blocked (f, &f->carol, TRUE);
  hear (f, &f->bob, &f->carol);
  g_assert_true (contact_is_blocked (key_get_contact (key_of (f, &f->carol))));
  g_assert_cmpuint (count_requests (f), ==, 0);
}

static void
reopen_with (Fixture *f, const Fingerprint *own)
{
  g_autoptr (GArray) contacts = NULL;
  g_autoptr (GArray) keys = NULL;
  g_autoptr (GArray) requests = NULL;
  g_autoptr (GHashTable) settings = NULL;
  GHashTableIter iter;
  gpointer name, value;

  people_settle (&f->people);
  people_reopen (&f->people);
  g_assert_true (trust_store_load (f->people.trust_store, &contacts, &keys, &requests, &settings, NULL));
  trust_set_own (f->people.trust, own, NULL);
  g_hash_table_iter_init (&iter, settings);
  while (g_hash_table_iter_next (&iter, &name, &value))
    if (g_str_has_prefix (name, TRUST_DISTRUST_SETTING))
      trust_restore_distrust (f->people.trust, (const char *) name + strlen (TRUST_DISTRUST_SETTING), value);
}

/* That a friend says so of our key changes nothing, and people hear of it; of whom the word does not count, they do not. */
static void
test_distrust_of_ours (Fixture *f, gconstpointer unused)
{
  Fingerprint own = make_fp (99), next = make_fp (98);
  Testimony distrust = { .trusted = TRUE, .ours = TRUE, .distrust = TRUE }, trusted = { .trusted = TRUE, .ours = TRUE };

  trust_set_own (f->people.trust, &own, NULL);
  add_person (&f->people, "carol", &f->carol);
  g_assert_cmpint (hear_full (f, &f->carol, &own, distrust), ==, -1);
  g_assert_false (key_distrusts_us (key_of (f, &f->carol)));
  g_assert_null (f->people.warning);
  for (guint i = 0; i < 40; i++)
    g_assert_cmpint (hear_full (f, &f->bob, &own, distrust), ==, -1);
  g_assert_true (key_distrusts_us (key_of (f, &f->bob)));
  g_assert_cmpint (level_of (f, &f->bob), ==, TRUST_VERIFIED);
  g_assert_nonnull (strstr (f->people.warning, "1 verified contact says"));
  reopen_with (f, &own);
  g_assert_true (key_distrusts_us (key_of (f, &f->bob)));
  g_assert_nonnull (f->people.warning);
  /* It thought better of it. */
  g_assert_cmpint (hear_full (f, &f->bob, &own, trusted), ==, -1);
  g_assert_false (key_distrusts_us (key_of (f, &f->bob)));
  g_assert_null (f->people.warning);
  reopen_with (f, &own);
  g_assert_false (key_distrusts_us (key_of (f, &f->bob)));
  /* Or our key is another. */
  g_assert_cmpint (hear_full (f, &f->bob, &own, distrust), ==, -1);
  trust_set_own (f->people.trust, &next, NULL);
  g_assert_false (key_distrusts_us (key_of (f, &f->bob)));
  g_assert_null (f->people.warning);
  reopen_with (f, &next);
  g_assert_false (key_distrusts_us (key_of (f, &f->bob)));
}

/* An introduction cannot bring a key back; it can only raise a question that says so. */
static void
test_forgotten_key (Fixture *f, gconstpointer blocked)
{
  add_person (&f->people, "carol", &f->carol);
  if (blocked != NULL)
    set_blocked (f, &f->carol, TRUE);
  forget (f, &f->carol);
  g_assert_null (key_of (f, &f->carol));
  hear (f, &f->bob, &f->carol);
  g_assert_cmpuint (count_requests (f), ==, 1);
  g_assert_true (request_was_forgotten (only_request (f)));
  g_assert_null (key_of (f, &f->carol));
  people_reopen (&f->people);
  g_assert_true (request_was_forgotten (only_request (f)));
  g_assert_cmpint (answer (f, only_request (f), "accept", &f->carol, NULL), ==, -1);
  g_assert_cmpint (level_of (f, &f->carol), ==, TRUST_VOUCHED);
}

static void
test_said_again (Fixture *f, gconstpointer unused)
{
  for (guint i = 0; i < 3; i++)
    hear (f, &f->bob, &f->carol);
  g_assert_cmpuint (count_requests (f), ==, 1);
  g_assert_cmpint (answer (f, only_request (f), "reject", NULL, NULL), ==, -1);
  g_assert_null (key_of (f, &f->carol));
  for (guint i = 0; i < 3; i++)
    {
      hear (f, &f->bob, &f->carol);
      g_assert_cmpuint (count_requests (f), ==, 0);
      people_reopen (&f->people);
    }
  /* The no was to his word. Another friend has one, too. */
  add_verified (f, "dave", &f->dave);
  hear (f, &f->dave, &f->carol);
  g_assert_cmpuint (count_requests (f), ==, 1);
  g_assert_cmpstr (contact_get_petname (request_get_introducer (only_request (f))), ==, "dave");
  /* And a key that was introduced and rejected may knock like any other. */
  knock (f, &f->carol, "carol@mac");
  g_assert_cmpuint (count_requests (f), ==, 2);
}

/* Both say their no or yes at the same moment: the first counts. */
static void
test_two_answers (Fixture *f, gconstpointer unused)
{
  Outcome first = { 0 }, second = { 0 };
  guint64 id;

  hear (f, &f->bob, &f->carol);
  id = request_get_id (only_request (f));
  trust_resolve (f->people.trust, id, "reject", NULL, NULL, FALSE, "one", outcome_set, &first);
  trust_resolve (f->people.trust, id, "accept", &f->carol, NULL, FALSE, "two", outcome_set, &second);
  g_assert_cmpint (outcome_wait (&second), ==, EARSHOT_ERROR_ALREADY_RESOLVED);
  g_assert_cmpint (outcome_wait (&first), ==, -1);
  g_assert_null (key_of (f, &f->carol));
}

static void
test_two_introducers (Fixture *f, gconstpointer unused)
{
  g_autoptr (GPtrArray) all = NULL;

  add_verified (f, "dave", &f->dave);
  hear (f, &f->bob, &f->carol);
  hear (f, &f->dave, &f->carol);
  g_assert_cmpuint (count_requests (f), ==, 2);
  all = trust_list_requests (f->people.trust);
  g_assert_cmpint (answer (f, all->pdata[0], "accept", &f->carol, NULL), ==, -1);
  g_assert_cmpuint (count_requests (f), ==, 0);
}

/* --- bounds ------------------------------------------------------------------------------ */

static Fingerprint
numbered_fp (guint number)
{
  Fingerprint fp = make_fp (200);

  fp.bytes[0] = (guint8) number;
  fp.bytes[1] = (guint8) (number >> 8);
  return fp;
}

static void
test_thousand_keys (Fixture *f, gconstpointer unused)
{
  for (guint i = 0; i < 1000; i++)
    {
      Fingerprint fp = numbered_fp (i);

      hear (f, &f->bob, &fp);
    }
  g_assert_cmpuint (count_requests (f), ==, TRUST_INTRODUCTIONS_EACH);
  g_assert_cmpuint (count_contacts (f->people.contacts), ==, 1);
  /* The rest is counted, not written down. */
  g_assert_cmpint (audited (f, "event = 'introduction' AND verdict = 'too-many'"), ==, 16);
  for (guint8 friend = 10; friend < 20; friend++)
    {
      Fingerprint by = make_fp (friend);
      g_autofree char *name = g_strdup_printf ("friend %u", friend);

      add_verified (f, name, &by);
      for (guint i = 0; i < 20; i++)
        {
          Fingerprint fp = numbered_fp (1000 + friend * 20 + i);

          hear (f, &by, &fp);
        }
    }
  g_assert_cmpuint (count_requests (f), ==, TRUST_INTRODUCTIONS_MAX);
}

/* --- introducers that count no more ------------------------------------------------------------ */

static void
test_introducer_lost (Fixture *f, gconstpointer how)
{
  hear (f, &f->bob, &f->carol);
  g_assert_cmpint (answer (f, only_request (f), "accept", &f->carol, NULL), ==, -1);
  hear (f, &f->bob, &f->dave);
  g_assert_cmpuint (count_requests (f), ==, 1);
  if (g_str_equal (how, "revoked"))
    revoke_key (f, &f->bob);
  else if (g_str_equal (how, "blocked"))
    set_blocked (f, &f->bob, TRUE);
  else
    forget (f, &f->bob);
  /* What waits is withdrawn. What the user accepted stands, and says what became of it. */
  for (guint i = 0; i < 2; i++)
    {
      g_assert_cmpuint (count_requests (f), ==, 0);
      g_assert_cmpint (level_of (f, &f->carol), ==, TRUST_VOUCHED);
      g_assert_true (key_is_introducer_lost (key_of (f, &f->carol)));
      people_reopen (&f->people);
    }
  g_assert_true ((key_get_introduced_by (key_of (f, &f->carol)) == NULL) == g_str_equal (how, "forgotten"));
  /* The user's own word does not hang on his. */
  {
    Outcome outcome = { 0 };

    trust_verify (f->people.trust, &f->carol, "test", outcome_set, &outcome);
    g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  }
  g_assert_false (key_is_introducer_lost (key_of (f, &f->carol)));
  g_assert_null (key_get_introduced_by (key_of (f, &f->carol)));
}

/* A crash between the revocation and what follows from it. */
static void
test_withdrawn_at_start (Fixture *f, gconstpointer unused)
{
  hear (f, &f->bob, &f->carol);
  people_settle (&f->people);
  raw_sql (f->people.trust_store->db, "UPDATE key SET level = 'pinned'");
  people_reopen (&f->people);
  g_assert_cmpuint (count_requests (f), ==, 0);
}

static void
test_full_disk (Fixture *f, gconstpointer unused)
{
  raw_sql (f->people.trust_store->db, "CREATE TRIGGER full BEFORE INSERT ON request BEGIN SELECT RAISE (ABORT, 'full'); END");
  g_assert_cmpint (hear_full (f, &f->bob, &f->carol, (Testimony){ .trusted = TRUE }), !=, -1);
  g_assert_cmpuint (count_requests (f), ==, 0);
  raw_sql (f->people.trust_store->db, "DROP TRIGGER full");
  hear (f, &f->bob, &f->carol);
  g_assert_cmpuint (count_requests (f), ==, 1);
}

/* --- distrust -------------------------------------------------------------------------------- */

static void
test_own_key (Fixture *f, gconstpointer unused)
{
  add_person (&f->people, "carol", &f->carol);
  hear_distrust (f, &f->carol, &f->carol);
  g_assert_cmpint (level_of (f, &f->carol), ==, TRUST_REVOKED);
  hear_distrust (f, &f->bob, &f->bob);
  g_assert_cmpint (level_of (f, &f->bob), ==, TRUST_REVOKED);
  g_assert_cmpint (audited (f, "event = 'revoke' AND verdict = 'revoked: given up by its owner' AND caller = 'peer'"), ==, 2);
  people_reopen (&f->people);
  g_assert_cmpint (level_of (f, &f->bob), ==, TRUST_REVOKED);
}

/* A stranger has nothing to give up, and gets no row that stays. */
static void
test_own_key_of_a_stranger (Fixture *f, gconstpointer unused)
{
  knock (f, &f->eve, "eve@x");
  hear_distrust (f, &f->eve, &f->eve);
  g_assert_cmpint (level_of (f, &f->eve), ==, TRUST_UNKNOWN);
  g_assert_false (contact_is_stored (key_get_contact (key_of (f, &f->eve))));
}

static void
test_others_key (Fixture *f, gconstpointer unused)
{
  Outcome outcome = { 0 };

  add_person (&f->people, "carol", &f->carol);
  add_person (&f->people, "dave", &f->dave);
  /* Only a verified friend is heard. */
  hear_distrust (f, &f->dave, &f->carol);
  g_assert_false (key_is_distrusted (key_of (f, &f->carol)));
  for (guint i = 0; i < 3; i++)
    hear_distrust (f, &f->bob, &f->carol);
  for (guint i = 0; i < 2; i++)
    {
      g_assert_true (key_is_distrusted (key_of (f, &f->carol)));
      g_assert_cmpint (level_of (f, &f->carol), ==, TRUST_PINNED);
      people_reopen (&f->people);
    }
  g_assert_cmpint (audited (f, "event = 'distrust' AND verdict = 'warned' AND caller = 'peer'"), ==, 1);
  /* A person's word after it. */
  trust_accept (f->people.trust, &f->carol, &(TrustEvidence){ .source = "user" }, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_false (key_is_distrusted (key_of (f, &f->carol)));
  /* Of one that nobody met there is a record, and nothing to show it at. */
  hear_distrust (f, &f->bob, &f->eve);
  g_assert_null (key_of (f, &f->eve));
  g_assert_cmpint (audited (f, "event = 'distrust' AND verdict = 'key never seen'"), ==, 1);
  g_assert_cmpuint (count_requests (f), ==, 0);
}

/* Whoever has her key leaves it to another one of theirs: what was said about the key, and by whom, is not left behind. */
static void
test_heir_of_what_was_said (Fixture *f, gconstpointer unused)
{
  TrustProof proof = { .fp = f->eve, .addr = "carol@x", .link = "eth0", .inbound = TRUE };
  Outcome outcome = { 0 };

  hear (f, &f->bob, &f->carol);
  g_assert_cmpint (answer (f, only_request (f), "accept", &f->carol, "carol"), ==, -1);
  hear_distrust (f, &f->bob, &f->carol);
  g_assert_true (key_is_distrusted (key_of (f, &f->carol)));
  knock (f, &f->eve, "carol@x");
  trust_succeed (f->people.trust, &f->carol, &proof, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  people_settle (&f->people);
  for (guint i = 0; i < 2; i++)
    {
      Key *heir = key_of (f, &f->eve);

      g_assert_cmpint (key_get_level (heir), ==, TRUST_VOUCHED);
      g_assert_cmpstr (key_get_source (heir), ==, "succession");
      g_assert_true (key_is_distrusted (heir));
      g_assert_true (key_get_introduced_by (heir) == key_get_contact (key_of (f, &f->bob)));
      g_assert_false (key_is_introducer_lost (heir));
      people_reopen (&f->people);
    }
  revoke_key (f, &f->bob);
  g_assert_true (key_is_introducer_lost (key_of (f, &f->eve)));
}

/* A thousand in one breath, before the first of them is on disk: they push nothing out of the audit. */
static void
test_warned_in_one_breath (Fixture *f, gconstpointer unused)
{
  g_autofree Outcome *outcomes = g_new0 (Outcome, 1000);
  Testimony said = { .trusted = TRUE, .distrust = TRUE, .fp = f->carol, .name = "", .note = "" };

  add_person (&f->people, "carol", &f->carol);
  said.by = key_of (f, &f->bob);
  said.from = key_get_contact (said.by);
  for (guint i = 0; i < 1000; i++)
    trust_hear (f->people.trust, &said, outcome_set, &outcomes[i]);
  /* Each is confirmed, and only when the warning is on disk. */
  g_assert_false (outcomes[0].done || outcomes[999].done);
  for (guint i = 0; i < 1000; i++)
    {
      store_wait (&outcomes[i].done);
      g_assert_true (key_is_distrusted (key_of (f, &f->carol)));
      g_assert_cmpint (outcomes[i].code, ==, -1);
    }
  g_assert_cmpint (audited (f, "event = 'distrust'"), ==, 1);
}

#define TEST(path, data, func) g_test_add ("/trust-introduce/" path, Fixture, data, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  TEST ("T-18-accepted", NULL, test_accepted);
  TEST ("T-18-compared-face-to-face", NULL, test_verify);
  TEST ("knocked-before", "first", test_knocks);
  TEST ("knocks-meanwhile", NULL, test_knocks);
  TEST ("answered-by-first-use", NULL, test_first_use);
  TEST ("answered-by-accept", "accept", test_answered_otherwise);
  TEST ("answered-by-reject", "reject", test_answered_otherwise);
  TEST ("answered-by-block", "block", test_answered_otherwise);
  TEST ("answered-by-revoke", "revoke", test_answered_otherwise);
  TEST ("T-18-pinned-introducer", NULL, test_pinned_introducer);
  TEST ("T-18-chain", NULL, test_chain);
  TEST ("T-18-restricted-stream", NULL, test_restricted_stream);
  TEST ("blocked-introducer", NULL, test_blocked_introducer);
  TEST ("keys-not-asked-about", NULL, test_keys_not_asked_about);
  TEST ("T-19-distrust-of-our-own-key", NULL, test_distrust_of_ours);
  TEST ("forgotten-key", NULL, test_forgotten_key);
  TEST ("blocked-and-forgotten-key", "blocked", test_forgotten_key);
  TEST ("said-again", NULL, test_said_again);
  TEST ("two-answers", NULL, test_two_answers);
  TEST ("two-introducers", NULL, test_two_introducers);
  TEST ("X-02-thousand-keys", NULL, test_thousand_keys);
  TEST ("introducer-revoked", "revoked", test_introducer_lost);
  TEST ("introducer-blocked", "blocked", test_introducer_lost);
  TEST ("introducer-forgotten", "forgotten", test_introducer_lost);
  TEST ("withdrawn-at-start", NULL, test_withdrawn_at_start);
  TEST ("full-disk", NULL, test_full_disk);
  TEST ("T-19-own-key", NULL, test_own_key);
  TEST ("own-key-of-a-stranger", NULL, test_own_key_of_a_stranger);
  TEST ("others-key", NULL, test_others_key);
  TEST ("heir-of-what-was-said", NULL, test_heir_of_what_was_said);
  TEST ("X-02-warned-in-one-breath", NULL, test_warned_in_one_breath);
  return g_test_run ();
}
