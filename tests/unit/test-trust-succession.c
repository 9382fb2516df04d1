/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A key names its heir (docs/protocol.md 3.5, T-13): what trust makes of a statement that is well signed, over a real store. Whether it is
 * is not asked here.
 */
#include "earshot-config.h"

#include "daemon/io/trust-store-private.h"
#include "tests/unit/people-helper.h"

typedef struct
{
  gboolean done;
} Judged;

static void
on_judged (gpointer user, TrustVerdict verdict, Contact *contact, Key *key)
{
  ((Judged *) user)->done = TRUE;
}

static TrustProof
proof_of (const Fingerprint *fp, const char *addr)
{
  return (TrustProof){ .fp = *fp, .addr = addr, .link = "eth1", .inbound = TRUE };
}

/* A handshake showed it. */
static Key *
show (People *people, const Fingerprint *fp, const char *addr)
{
  TrustProof proof = proof_of (fp, addr);
  Judged judged = { FALSE };

  trust_judge (people->trust, &proof, on_judged, &judged);
  store_wait (&judged.done);
  people_settle (people);
  return contacts_get_key (people->contacts, fp);
}

static int
succeed (People *people, const Fingerprint *old, const Fingerprint *new)
{
  TrustProof proof = proof_of (new, "juliet@pronto");
  Outcome outcome = { 0 };
  int code;

  trust_succeed (people->trust, old, &proof, outcome_set, &outcome);
  g_assert_false (outcome.done);
  code = outcome_wait (&outcome);
  people_settle (people);
  return code;
}

static int
expect (People *people, const Fingerprint *old, const Fingerprint *new)
{
  TrustProof proof = proof_of (new, "juliet@pronto");
  Outcome outcome = { 0 };
  int code;

  trust_expect_heir (people->trust, old, &proof, outcome_set, &outcome);
  code = outcome_wait (&outcome);
  people_settle (people);
  return code;
}

static void
accept_key (People *people, const Fingerprint *fp, gboolean in_person)
{
  Outcome outcome = { 0 };

  trust_accept (people->trust, fp, &(TrustEvidence){ .source = "user", .in_person = in_person }, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  people_settle (people);
}

static void
revoke_key (People *people, const Fingerprint *fp)
{
  Outcome outcome = { 0 };

  trust_revoke (people->trust, fp, "lost", "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  people_settle (people);
}

static gint64
count_audit (People *people, const char *event)
{
  g_autofree char *sql = g_strdup_printf ("SELECT count(*) FROM audit WHERE event = '%s'", event);

  return raw_sql (people->trust_store->db, sql);
}

static Request *
only_request (People *people)
{
  g_autoptr (GPtrArray) all = trust_list_requests (people->trust);

  g_assert_cmpuint (all->len, ==, 1);
  return g_ptr_array_index (all, 0);
}

/* As it was before anybody said anything. */
static void
assert_nothing_moved (People *people, Contact *juliet, const Fingerprint *old, const Fingerprint *new, TrustLevel level)
{
  Key *old_key = contacts_get_key (people->contacts, old), *new_key = contacts_get_key (people->contacts, new);

  g_assert_cmpint (key_get_level (old_key), ==, level);
  g_assert_true (key_get_contact (old_key) == juliet);
  g_assert_true (new_key == NULL || key_get_contact (new_key) != juliet);
  g_assert_cmpint (count_audit (people, "succession"), ==, 0);
}

/* --- once ------------------------------------------------------------------------------- */

static void
test_inherits (People *people, gconstpointer level)
{
  Fingerprint old = make_fp (1), new = make_fp (2);
  Contact *juliet = add_person_named (people, "juliet", &old, "juliet@pronto");
  guint32 id = contact_get_id (juliet);
  TrustLevel wanted = level != NULL ? TRUST_VERIFIED : TRUST_PINNED;
  Key *heir;

  if (level != NULL)
    accept_key (people, &old, TRUE);
  show (people, &new, "juliet@pronto");
  g_assert_cmpstr (request_get_kind (only_request (people)), ==, "name-conflict");
  people->levels = 0;
  g_assert_cmpint (succeed (people, &old, &new), ==, -1);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GPtrArray) open = trust_list_requests (people->trust);
      g_autoptr (GPtrArray) all = contacts_list (people->contacts);

      g_assert_cmpuint (open->len, ==, 0);
      g_assert_cmpuint (all->len, ==, 1);
      juliet = contacts_get (people->contacts, id);
      g_assert_cmpstr (contact_get_petname (juliet), ==, "juliet");
      heir = contacts_get_key (people->contacts, &new);
      g_assert_true (key_get_contact (heir) == juliet);
      g_assert_cmpint (key_get_level (heir), ==, wanted);
      g_assert_cmpstr (key_get_source (heir), ==, "succession");
      g_assert_true (key_is_grant_owed (heir));
      g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &old)), ==, TRUST_REVOKED);
      g_assert_true (fingerprint_equal (key_get_replacement (contacts_get_key (people->contacts, &old)), &new));
      people_reopen (people);
    }
  g_assert_cmpuint (people->levels, ==, 1);
  g_assert_true (people->last_release);
  g_assert_cmpint (count_audit (people, "succession"), ==, 1);
}

static void
test_said_again (People *people, gconstpointer unused)
{
  Fingerprint old = make_fp (1), new = make_fp (2), other = make_fp (3);

  add_person_named (people, "juliet", &old, "juliet@pronto");
  show (people, &new, "juliet@pronto");
  g_assert_cmpint (succeed (people, &old, &new), ==, -1);
  people->levels = 0;
  for (guint i = 0; i < 3; i++)
    g_assert_cmpint (succeed (people, &old, &new), ==, -1);
  g_assert_cmpuint (people->levels, ==, 0);
  g_assert_cmpint (count_audit (people, "succession"), ==, 1);
  /* Once is once: the old key has no second heir, and is nobody's. */
  show (people, &other, "juliet@pronto");
  g_assert_cmpint (succeed (people, &old, &other), ==, EARSHOT_ERROR_NOT_TRUSTED);
  g_assert_cmpint (succeed (people, &new, &old), ==, EARSHOT_ERROR_NOT_TRUSTED);
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &other)), ==, TRUST_UNKNOWN);
  /* What people took back, its repetition does not bring back. */
  revoke_key (people, &new);
  g_assert_cmpint (succeed (people, &old, &new), ==, EARSHOT_ERROR_NOT_TRUSTED);
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &new)), ==, TRUST_REVOKED);
}

/* --- who leaves nothing, and who gets nothing ------------------------------------------------- */

static void
test_old_keys_without_a_say (People *people, gconstpointer unused)
{
  Fingerprint old = make_fp (1), new = make_fp (2), stranger = make_fp (3), nobody = make_fp (4);
  Contact *juliet = add_person_named (people, "juliet", &old, "juliet@pronto");
  Outcome outcome = { 0 };

  show (people, &new, "juliet@pronto");
  show (people, &stranger, "nurse@pronto");
  g_assert_cmpint (succeed (people, &nobody, &new), ==, EARSHOT_ERROR_NOT_TRUSTED);
  g_assert_cmpint (succeed (people, &stranger, &new), ==, EARSHOT_ERROR_NOT_TRUSTED);
  assert_nothing_moved (people, juliet, &old, &new, TRUST_PINNED);
  trust_set_blocked (people->trust, juliet, TRUE, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (succeed (people, &old, &new), ==, EARSHOT_ERROR_NOT_TRUSTED);
  assert_nothing_moved (people, juliet, &old, &new, TRUST_PINNED);
  trust_set_blocked (people->trust, juliet, FALSE, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  revoke_key (people, &old);
  g_assert_cmpint (succeed (people, &old, &new), ==, EARSHOT_ERROR_NOT_TRUSTED);
  assert_nothing_moved (people, juliet, &old, &new, TRUST_REVOKED);
}

static void
test_heirs_that_were_decided_about (People *people, gconstpointer unused)
{
  Fingerprint old = make_fp (1), refused = make_fp (2), forgotten = make_fp (3), blocked = make_fp (4), accepted = make_fp (5);
  Contact *juliet = add_person_named (people, "juliet", &old, "juliet@pronto");
  Outcome outcome = { 0 };

  show (people, &refused, "a@pronto");
  trust_resolve (people->trust, request_get_id (only_request (people)), "reject", &refused, NULL, FALSE, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  trust_forget (people->trust, key_get_contact (show (people, &forgotten, "b@pronto")), "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  show (people, &forgotten, "b@pronto");
  trust_set_blocked (people->trust, key_get_contact (show (people, &blocked, "c@pronto")), TRUE, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  show (people, &accepted, "d@pronto");
  accept_key (people, &accepted, FALSE);
  for (const Fingerprint *const *heir = (const Fingerprint *const[]){ &refused, &forgotten, &blocked, &accepted, NULL }; *heir != NULL; heir++)
    {
      g_assert_cmpint (succeed (people, &old, *heir), ==, EARSHOT_ERROR_NOT_TRUSTED);
      assert_nothing_moved (people, juliet, &old, *heir, TRUST_PINNED);
    }
  people_reopen (people);
  juliet = contacts_get (people->contacts, contact_get_id (key_get_contact (contacts_get_key (people->contacts, &old))));
  show (people, &forgotten, "b@pronto");
  g_assert_cmpint (succeed (people, &old, &forgotten), ==, EARSHOT_ERROR_NOT_TRUSTED);
  assert_nothing_moved (people, juliet, &old, &forgotten, TRUST_PINNED);
}

/* What an issuer gave, the issuer gives again. */
static void
test_by_chain (People *people, gconstpointer unused)
{
  Fingerprint old = make_fp (1), new = make_fp (2);
  Contact *juliet = add_person_named (people, "juliet", &old, "juliet@pronto");
  KeyRow row;

  key_to_row (contacts_get_key (people->contacts, &old), &row);
  row.level = TRUST_CA;
  contacts_apply_key (people->contacts, &row);
  key_row_clear (&row);
  show (people, &new, "juliet@pronto");
  g_assert_cmpint (succeed (people, &old, &new), ==, EARSHOT_ERROR_NOT_TRUSTED);
  assert_nothing_moved (people, juliet, &old, &new, TRUST_CA);
}

/* Between the word and its turn to be written somebody decides otherwise. */
static void
test_overtaken (People *people, gconstpointer unused)
{
  Fingerprint old = make_fp (1), new = make_fp (2);
  Contact *juliet = add_person_named (people, "juliet", &old, "juliet@pronto");
  TrustProof proof = proof_of (&new, "juliet@pronto");
  Outcome first = { 0 }, second = { 0 };

  show (people, &new, "juliet@pronto");
  trust_revoke (people->trust, &old, "stolen", "test", outcome_set, &first);
  trust_succeed (people->trust, &old, &proof, outcome_set, &second);
  g_assert_cmpint (outcome_wait (&first), ==, -1);
  g_assert_cmpint (outcome_wait (&second), ==, EARSHOT_ERROR_NOT_TRUSTED);
  people_settle (people);
  assert_nothing_moved (people, juliet, &old, &new, TRUST_REVOKED);
  g_assert_cmpstr (request_get_kind (only_request (people)), ==, "name-conflict");
}

static void
test_two_heirs_at_once (People *people, gconstpointer unused)
{
  Fingerprint old = make_fp (1), one = make_fp (2), two = make_fp (3);
  TrustProof first = proof_of (&one, "juliet@pronto"), second = proof_of (&two, "juliet@pronto");
  Outcome outcomes[2] = { { 0 }, { 0 } };

  add_person_named (people, "juliet", &old, "juliet@pronto");
  show (people, &one, "juliet@pronto");
  show (people, &two, "juliet@pronto");
  trust_succeed (people->trust, &old, &first, outcome_set, &outcomes[0]);
  trust_succeed (people->trust, &old, &second, outcome_set, &outcomes[1]);
  g_assert_cmpint (outcome_wait (&outcomes[0]), ==, -1);
  g_assert_cmpint (outcome_wait (&outcomes[1]), ==, EARSHOT_ERROR_NOT_TRUSTED);
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &two)), ==, TRUST_UNKNOWN);
}

static void
test_disk_full (People *people, gconstpointer unused)
{
  Fingerprint old = make_fp (1), new = make_fp (2);
  Contact *juliet = add_person_named (people, "juliet", &old, "juliet@pronto");
  int code;

  show (people, &new, "juliet@pronto");
  people->levels = 0;
  disk_fill (1);
  code = succeed (people, &old, &new);
  disk_free ();
  /* No word against the statement: it may be said again. */
  g_assert_cmpint (code, !=, -1);
  g_assert_cmpint (code, !=, EARSHOT_ERROR_NOT_TRUSTED);
  g_assert_cmpuint (people->levels, ==, 0);
  assert_nothing_moved (people, juliet, &old, &new, TRUST_PINNED);
  g_assert_cmpint (succeed (people, &old, &new), ==, -1);
}

/* --- modes that ask ------------------------------------------------------------------------ */

static void
test_strict_asks (People *people, gconstpointer beforehand)
{
  Fingerprint old = make_fp (1), new = make_fp (2);
  Contact *juliet = add_person_named (people, "juliet", &old, "juliet@pronto");
  Outcome outcome = { 0 };
  Request *request;

  accept_key (people, &old, TRUE);
  trust_set_mode (people->trust, TRUST_MODE_STRICT);
  if (beforehand == NULL)
    show (people, &new, "juliet@pronto");
  g_assert_cmpint (beforehand != NULL ? expect (people, &old, &new) : succeed (people, &old, &new), ==, -1);
  assert_nothing_moved (people, juliet, &old, &new, TRUST_VERIFIED);
  people_reopen (people);
  request = only_request (people);
  g_assert_cmpstr (request_get_kind (request), ==, "name-conflict");
  g_assert_true (fingerprint_equal (request_get_predecessor (request), &old));
  trust_resolve (people->trust, request_get_id (request), "replace", &new, NULL, FALSE, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &new)), ==, TRUST_VERIFIED);
  g_assert_cmpstr (key_get_source (contacts_get_key (people->contacts, &new)), ==, "succession");
}

/* Without a statement, or when it counts no more, `replace` is what it always was. */
static void
test_strict_outdated (People *people, gconstpointer unused)
{
  Fingerprint old = make_fp (1), new = make_fp (2), other = make_fp (3);
  Outcome outcome = { 0 };

  add_person_named (people, "juliet", &old, "juliet@pronto");
  accept_key (people, &old, TRUE);
  trust_set_mode (people->trust, TRUST_MODE_STRICT);
  show (people, &other, "juliet@pronto");
  g_assert_null (request_get_predecessor (only_request (people)));
  trust_resolve (people->trust, request_get_id (only_request (people)), "reject", &other, NULL, FALSE, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (expect (people, &old, &new), ==, -1);
  revoke_key (people, &old);
  trust_resolve (people->trust, request_get_id (only_request (people)), "replace", &new, NULL, FALSE, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &new)), ==, TRUST_PINNED);
}

/* On the old key's stream it is only heard, where unknown keys have a stream of their own. */
static void
test_beforehand_moves_nothing (People *people, gconstpointer unused)
{
  Fingerprint old = make_fp (1), new = make_fp (2);
  Contact *juliet = add_person_named (people, "juliet", &old, "juliet@pronto");
  g_autoptr (GPtrArray) open = NULL;

  g_assert_cmpint (expect (people, &old, &new), ==, -1);
  assert_nothing_moved (people, juliet, &old, &new, TRUST_PINNED);
  g_assert_null (contacts_get_key (people->contacts, &new));
  open = trust_list_requests (people->trust);
  g_assert_cmpuint (open->len, ==, 0);
}

/* A friend who turned leaves everything to the next key, and that one to the next, all day long: each stays in our files for ever. */
static void
test_all_day_long (People *people, gconstpointer unused)
{
  Fingerprint last = make_fp (1), next;
  guint heirs = 0;

  add_person_named (people, "juliet", &last, "juliet@pronto");
  for (guint i = 2; i < 40; i++)
    {
      int code;

      next = make_fp (i);
      show (people, &next, "juliet@pronto");
      code = succeed (people, &last, &next);
      /* Not now, rather than never: an honest one says it again, and people can decide. */
      g_assert_true (code == -1 || code == EARSHOT_ERROR_QUOTA_EXCEEDED);
      if (code != -1)
        continue;
      heirs++;
      last = next;
    }
  g_assert_cmpuint (heirs, ==, TRUST_HEIRS_A_DAY);
  g_assert_cmpint (count_audit (people, "succession"), ==, TRUST_HEIRS_A_DAY);
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &last)), ==, TRUST_PINNED);
  people_reopen (people);
  /* The next day. */
  raw_sql (people->trust_store->db, "UPDATE key SET since = since - 86400000000");
  people_reopen (people);
  next = make_fp (50);
  show (people, &next, "juliet@pronto");
  g_assert_cmpint (succeed (people, &last, &next), ==, -1);
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &next)), ==, TRUST_PINNED);
}

/* A friend who turned signs one statement after the other, for heirs that are nothing but numbers, and calls again for each four of them. */
static void
test_beforehand_is_bounded (People *people, gconstpointer unused)
{
  Fingerprint old = make_fp (1), other = make_fp (2), heir = make_fp (3);
  g_autoptr (GPtrArray) open = NULL;
  g_autoptr (GPtrArray) all = NULL;
  Outcome outcome = { 0 };
  guint taken = 0;

  add_person_named (people, "juliet", &old, "juliet@pronto");
  add_person_named (people, "romeo", &other, "romeo@forza");
  trust_set_mode (people->trust, TRUST_MODE_STRICT);
  for (guint i = 10; i < 60; i++)
    {
      Fingerprint number = make_fp (i);

      taken += expect (people, &old, &number) == -1;
    }
  g_assert_cmpuint (taken, ==, TRUST_HEIRS_EACH);
  open = trust_list_requests (people->trust);
  all = contacts_list (people->contacts);
  g_assert_cmpuint (open->len, ==, TRUST_HEIRS_EACH);
  g_assert_cmpuint (all->len, ==, 2 + TRUST_HEIRS_EACH);
  /* What is said again is taken again; another one's heir has its question; and an answer makes room. */
  g_assert_cmpint (expect (people, &old, request_get_fingerprint (open->pdata[0])), ==, -1);
  g_assert_cmpint (expect (people, &other, &heir), ==, -1);
  trust_resolve (people->trust, request_get_id (open->pdata[0]), "reject", NULL, NULL, FALSE, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  heir = make_fp (60);
  g_assert_cmpint (expect (people, &old, &heir), ==, -1);
  heir = make_fp (61);
  g_assert_cmpint (expect (people, &old, &heir), ==, EARSHOT_ERROR_NOT_TRUSTED);
  people_reopen (people);
  g_assert_cmpint (expect (people, &old, &heir), ==, EARSHOT_ERROR_NOT_TRUSTED);
}

/* Statements cost a stranger nothing, records do. */
static void
test_refusals_are_bounded (People *people, gconstpointer unused)
{
  Fingerprint old = make_fp (1), new = make_fp (2);

  show (people, &new, "nurse@pronto");
  for (guint i = 0; i < 200; i++)
    succeed (people, &old, &new);
  g_assert_cmpint (count_audit (people, "refused"), <=, 16);
  g_assert_cmpint (count_audit (people, "refused"), >, 0);
}

static char *
dup_setting (People *people)
{
  g_autoptr (GArray) contacts = NULL;
  g_autoptr (GArray) keys = NULL;
  g_autoptr (GArray) requests = NULL;
  g_autoptr (GHashTable) settings = NULL;

  people_settle (people);
  g_assert_true (trust_store_load (people->trust_store, &contacts, &keys, &requests, &settings, NULL));
  return g_strdup (g_hash_table_lookup (settings, TRUST_DUPLICATES_SETTING));
}

static void
set_own (People *people, const Fingerprint *own)
{
  g_autofree char *ignored = dup_setting (people);

  trust_set_own (people->trust, own, ignored);
}

static void
ignore (People *people)
{
  Outcome outcome = { 0 };

  trust_resolve (people->trust, request_get_id (only_request (people)), "ignore", NULL, NULL, FALSE, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
}

static gint64
count_requests (People *people)
{
  people_settle (people);
  return raw_sql (people->trust_store->db, "SELECT count(*) FROM request");
}

/* Our own key was shown by somebody else: one question, however often, and it lasts; until it is answered, or the key is another. */
static void
test_own_key_elsewhere (People *people, gconstpointer unused)
{
  Fingerprint own = make_fp (7), next = make_fp (8);
  TrustProof proof = proof_of (&own, "juliet@segundo");
  Outcome outcome = { 0 };
  Request *request;

  set_own (people, &own);
  for (guint i = 0; i < 200; i++)
    trust_note_duplicate (people->trust, &proof);
  people_settle (people);
  g_assert_cmpint (count_audit (people, "refused"), <=, 16);
  g_assert_nonnull (people->warning);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GPtrArray) all = contacts_list (people->contacts);

      request = only_request (people);
      g_assert_cmpstr (request_get_kind (request), ==, "duplicate-identity");
      g_assert_true (request_is_own (request));
      g_assert_null (request_get_contact (request));
      g_assert_true (g_strv_contains (request_get_choices (request), "rotate"));
      /* It made nobody of ourselves. */
      g_assert_cmpuint (all->len, ==, 0);
      g_assert_null (contacts_get_key (people->contacts, &own));
      people_reopen (people);
      set_own (people, &own);
    }
  request = only_request (people);
  for (const char *const *choice = (const char *const[]){ "accept", "block", "replace", "rotate", NULL }; *choice != NULL; choice++)
    {
      trust_resolve (people->trust, request_get_id (request), *choice, &own, NULL, FALSE, "test", outcome_set, &outcome);
      g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
    }
  trust_resolve (people->trust, request_get_id (request), "ignore", NULL, NULL, FALSE, "test", outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
  g_assert_null (people->warning);
  /* Ignored is ignored, also by the next run; not elsewhere. */
  for (guint i = 0; i < 3; i++)
    {
      trust_note_duplicate (people->trust, &proof);
      g_assert_cmpint (count_requests (people), ==, 0);
      g_assert_null (people->warning);
      people_reopen (people);
      set_own (people, &own);
    }
  proof.addr = "juliet@terzo";
  trust_note_duplicate (people->trust, &proof);
  g_assert_nonnull (people->warning);
  ignore (people);
  trust_note_duplicate (people->trust, &proof);
  proof.addr = "juliet@segundo";
  trust_note_duplicate (people->trust, &proof);
  g_assert_cmpint (count_requests (people), ==, 0);
  /* The last eight are remembered. */
  for (guint i = 0; i < 12; i++)
    {
      g_autofree char *addr = g_strdup_printf ("juliet@h%u", i);

      proof.addr = addr;
      trust_note_duplicate (people->trust, &proof);
      ignore (people);
    }
  proof.addr = "juliet@h11";
  people_reopen (people);
  set_own (people, &own);
  trust_note_duplicate (people->trust, &proof);
  g_assert_cmpint (count_requests (people), ==, 0);
  proof.addr = "juliet@segundo";
  trust_note_duplicate (people->trust, &proof);
  only_request (people);
  people_settle (people);
  /* What was said of one key is not said of the next. */
  set_own (people, &next);
  people_settle (people);
  g_assert_cmpint (count_requests (people), ==, 0);
  proof.fp = next;
  proof.addr = "juliet@h11";
  trust_note_duplicate (people->trust, &proof);
  ignore (people);
  set_own (people, &own);
  proof.fp = own;
  trust_note_duplicate (people->trust, &proof);
  g_assert_cmpint (count_requests (people), ==, 1);
  set_own (people, &next);
  set_own (people, &next);
  people_settle (people);
  g_assert_cmpint (raw_sql (people->trust_store->db, "SELECT count(*) FROM request"), ==, 0);
  g_assert_null (people->warning);
}

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  g_test_add ("/trust-succession/T-13-inherits-pinned", People, NULL, people_set_up, test_inherits, people_tear_down);
  g_test_add ("/trust-succession/T-13-inherits-verified", People, "", people_set_up, test_inherits, people_tear_down);
  PEOPLE_TEST ("/trust-succession/T-13-replayed-and-second-heirs", test_said_again);
  PEOPLE_TEST ("/trust-succession/T-13-old-keys-without-a-say", test_old_keys_without_a_say);
  PEOPLE_TEST ("/trust-succession/T-13-heirs-that-were-decided-about", test_heirs_that_were_decided_about);
  PEOPLE_TEST ("/trust-succession/T-13-by-chain", test_by_chain);
  PEOPLE_TEST ("/trust-succession/overtaken-by-a-revocation", test_overtaken);
  PEOPLE_TEST ("/trust-succession/two-heirs-at-once", test_two_heirs_at_once);
  PEOPLE_TEST ("/trust-succession/disk-full", test_disk_full);
  g_test_add ("/trust-succession/T-13-strict-asks", People, NULL, people_set_up, test_strict_asks, people_tear_down);
  g_test_add ("/trust-succession/T-13-strict-asks-beforehand", People, "", people_set_up, test_strict_asks, people_tear_down);
  PEOPLE_TEST ("/trust-succession/strict-outdated", test_strict_outdated);
  PEOPLE_TEST ("/trust-succession/beforehand-moves-nothing", test_beforehand_moves_nothing);
  PEOPLE_TEST ("/trust-succession/X-02-heirs-all-day-long", test_all_day_long);
  PEOPLE_TEST ("/trust-succession/X-02-heirs-that-are-only-numbers", test_beforehand_is_bounded);
  PEOPLE_TEST ("/trust-succession/X-02-refusals-are-bounded", test_refusals_are_bounded);
  PEOPLE_TEST ("/trust-succession/own-key-elsewhere", test_own_key_elsewhere);
  return g_test_run ();
}
