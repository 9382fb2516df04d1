/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What of trust ends up in the audit: every change with its inputs and its caller, every refusal, and no flood.
 */
#include "earshot-config.h"

#include "daemon/io/trust-audit.h"
#include "tests/unit/people-helper.h"

#define CALLER "name=:1.7 pid=12 program=/usr/bin/xmppctl app=-"

typedef struct
{
  gboolean done;
  GPtrArray *records;
} Listed;

static void
on_listed (gpointer user, GPtrArray *records, gboolean more, const GError *error)
{
  Listed *listed = user;

  g_assert_no_error (error);
  g_assert_false (more);
  listed->records = records;
  listed->done = TRUE;
}

/* Newest first. */
static GPtrArray *
list (People *people)
{
  Listed listed = { 0 };

  people_settle (people);
  trust_store_list_audit (people->trust_store, &(AuditFilter){ 0 }, on_listed, &listed);
  store_wait (&listed.done);
  return listed.records;
}

static void
on_checked (gpointer user, const AuditCheck *check, const GError *error)
{
  g_assert_no_error (error);
  g_assert_cmpstr (check->reason, ==, NULL);
  *(gboolean *) user = TRUE;
}

/* The newest record, and that the whole chain is sound. */
static void
assert_newest (People *people, guint count, const char *event, const char *verdict, const char *inputs, const char *caller)
{
  g_autoptr (GPtrArray) records = list (people);
  const AuditRecord *record = records->pdata[0];
  gboolean checked = FALSE;

  g_assert_cmpuint (records->len, ==, count);
  g_assert_cmpstr (record->event, ==, event);
  g_assert_cmpstr (record->verdict, ==, verdict);
  if (!g_pattern_match_simple (inputs, record->inputs))
    g_error ("%s: inputs are %s", event, record->inputs);
  g_assert_cmpstr (record->caller, ==, caller);
  g_assert_cmpint (record->time, >, G_USEC_PER_SEC);
  trust_store_check_audit (people->trust_store, NULL, on_checked, &checked);
  store_wait (&checked);
}

static void
on_judged (gpointer user, TrustVerdict verdict, Contact *contact, Key *key)
{
  *(gboolean *) user = TRUE;
}

static RootsVerdict shown_chain; /* with the next handshakes */

static void
knock (People *people, guint8 key, const char *addr)
{
  Fingerprint fp = make_fp (key);
  TrustProof proof = { .fp = fp, .addr = addr, .link = "eth1", .inbound = TRUE, .chain = shown_chain };
  gboolean done = FALSE;

  trust_judge (people->trust, &proof, on_judged, &done);
  store_wait (&done);
}

static guint64
only_request (People *people)
{
  g_autoptr (GPtrArray) all = trust_list_requests (people->trust);

  g_assert_cmpuint (all->len, ==, 1);
  return request_get_id (all->pdata[0]);
}

static void
expect_done (Outcome *outcome, int code)
{
  g_assert_cmpint (outcome_wait (outcome), ==, code);
}

/* -------------------------------------------------------------------------- */

static void
test_decisions (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Outcome outcome = { 0 };
  Contact *contact;

  knock (people, 1, "romeo@forza\x1b[31m pin=yes");
  trust_resolve (people->trust, only_request (people), "accept", &fp, "my romeo", TRUE, CALLER, outcome_set, &outcome);
  expect_done (&outcome, -1);
  assert_newest (people, 1, "resolve", "accept",
                 "key=0101010101010101 level=unknown>pinned source=user petname=my romeo request=new-key link=eth1"
                 " name=*u{1b}?31m pin=yes", CALLER);
  trust_accept (people->trust, &fp, &(TrustEvidence){ .source = "qr", .in_person = TRUE }, CALLER, outcome_set, &outcome);
  expect_done (&outcome, -1);
  assert_newest (people, 2, "accept", "verified", "key=0101010101010101 level=pinned>verified source=qr", CALLER);
  /* Less than is there: it stays, and what it rests on. */
  trust_accept (people->trust, &fp, &(TrustEvidence){ .source = "user" }, CALLER, outcome_set, &outcome);
  expect_done (&outcome, -1);
  assert_newest (people, 3, "accept", "verified", "", CALLER);
  g_assert_cmpstr (key_get_source (contacts_get_key (people->contacts, &fp)), ==, "qr");
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &fp)), ==, TRUST_VERIFIED);
  contact = key_get_contact (contacts_get_key (people->contacts, &fp));
  trust_set_blocked (people->trust, contact, TRUE, CALLER, outcome_set, &outcome);
  expect_done (&outcome, -1);
  assert_newest (people, 4, "block", "blocked", "blocked=no>yes", CALLER);
  trust_set_blocked (people->trust, contact, FALSE, CALLER, outcome_set, &outcome);
  expect_done (&outcome, -1);
  assert_newest (people, 5, "unblock", "unblocked", "blocked=yes>no", CALLER);
  trust_revoke (people->trust, &fp, "stolen", CALLER, outcome_set, &outcome);
  expect_done (&outcome, -1);
  assert_newest (people, 6, "revoke", "revoked: stolen", "key=0101010101010101 level=verified>revoked source=qr", CALLER);
  trust_forget (people->trust, contact, CALLER, outcome_set, &outcome);
  expect_done (&outcome, -1);
  assert_newest (people, 7, "forget", "forgotten", "", CALLER);
  trust_record (people->trust, "setting", "trust-mode=ask", "strict", CALLER);
  assert_newest (people, 8, "setting", "strict", "trust-mode=ask", CALLER);
}

/* T-17: nothing but unblocking lifts a block; that somebody tried is written down, and nothing else. */
static void
test_block_stays (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  TrustEvidence face_to_face = { .source = "qr", .in_person = TRUE };
  Outcome outcome = { 0 };
  Added added = { 0 };
  Contact *contact;

  knock (people, 1, "romeo@forza");
  trust_resolve (people->trust, only_request (people), "block", NULL, NULL, FALSE, CALLER, outcome_set, &outcome);
  expect_done (&outcome, -1);
  contact = key_get_contact (contacts_get_key (people->contacts, &fp));
  trust_accept (people->trust, &fp, &face_to_face, CALLER, outcome_set, &outcome);
  expect_done (&outcome, EARSHOT_ERROR_BLOCKED);
  assert_newest (people, 2, "denied", "Blocked", "wanted=accept", CALLER);
  trust_add_contact (people->trust, "romeo", &fp, &face_to_face, CALLER, people_on_contact_added, &added);
  store_wait (&added.done);
  g_assert_cmpint (added.code, ==, EARSHOT_ERROR_BLOCKED);
  assert_newest (people, 3, "denied", "Blocked", "wanted=add-contact", CALLER);
  people_reopen (people);
  contact = key_get_contact (contacts_get_key (people->contacts, &fp));
  g_assert_true (contact_is_blocked (contact));
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &fp)), ==, TRUST_UNKNOWN);
}

/* In one moment: the block is written first, and the accept that came after is denied, not undone silently. */
static void
test_lost_race (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  Outcome block = { 0 }, accept = { 0 };
  Contact *contact;

  add_person (people, "romeo", &fp);
  contact = key_get_contact (contacts_get_key (people->contacts, &fp));
  trust_set_blocked (people->trust, contact, TRUE, "first", outcome_set, &block);
  trust_accept (people->trust, &fp, &(TrustEvidence){ .source = "qr", .in_person = TRUE }, "second", outcome_set, &accept);
  expect_done (&block, -1);
  expect_done (&accept, EARSHOT_ERROR_BLOCKED);
  assert_newest (people, 3, "denied", "Blocked", "wanted=accept", "second");
}

static void
test_in_person (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (7), other = make_fp (8);
  Added added = { 0 };

  trust_add_contact (people->trust, "nurse", &fp, &(TrustEvidence){ .source = "qr", .in_person = TRUE }, CALLER,
                     people_on_contact_added, &added);
  store_wait (&added.done);
  g_assert_cmpint (added.code, ==, -1);
  assert_newest (people, 1, "add-contact", "verified", "key=0707070707070707 level=unknown>verified source=qr petname=nurse", CALLER);
  added = (Added){ 0 };
  trust_add_contact (people->trust, "", &other, &(TrustEvidence){ .source = "fingerprint" }, CALLER, people_on_contact_added, &added);
  store_wait (&added.done);
  assert_newest (people, 2, "add-contact", "pinned", "key=0808080808080808 level=unknown>pinned source=fingerprint", CALLER);
  people_reopen (people);
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &fp)), ==, TRUST_VERIFIED);
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &other)), ==, TRUST_PINNED);
}

static void
test_first_use (People *people, gconstpointer unused)
{
  trust_set_mode (people->trust, TRUST_MODE_TOFU);
  knock (people, 1, "romeo@forza");
  assert_newest (people, 1, "pin", "pinned", "direction=in mode=tofu level=unknown name=romeo@forza", "first-use");
}

static void
test_refusals (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1), other = make_fp (2);
  Outcome outcome = { 0 };

  add_person (people, "romeo", &fp);
  trust_revoke (people->trust, &fp, "", CALLER, outcome_set, &outcome);
  expect_done (&outcome, -1);
  knock (people, 1, "romeo@forza");
  assert_newest (people, 3, "refused", "revoked", "direction=in mode=ask level=revoked left-out=0 link=eth1 name=romeo@forza", "peer");
  trust_set_mode (people->trust, TRUST_MODE_STRICT);
  knock (people, 2, "a\nb\xff");
  assert_newest (people, 4, "refused", "strict", "* mode=strict level=unknown left-out=0 link=eth1 name=a*u{a}b*xff", "peer");
  add_person (people, "juliet", &other);
  g_assert_false (trust_accepts_for (people->trust, key_get_contact (contacts_get_key (people->contacts, &other)),
                                     &(Fingerprint){ { 9 } }, "juliet@pronto", "eth0"));
  assert_newest (people, 6, "refused", "name-conflict", "direction=out * link=eth0 name=juliet@pronto", "peer");
}

static Key *
join (People *people, guint8 n, const char *addr, guint count)
{
  Fingerprint fp = make_fp (n);
  Key *key;

  shown_chain = (RootsVerdict){ .valid = TRUE };
  knock (people, n, addr);
  shown_chain = (RootsVerdict){ .valid = FALSE };
  assert_newest (people, count, "join", "ca", "direction=in mode=ca level=unknown name=*", "ca");
  key = contacts_get_key (people->contacts, &fp);
  g_assert_cmpint (key_get_level (key), ==, TRUST_CA);
  return key;
}

/* T-06: who came by a chain needs it no more after a person's word, whatever that rests on; what is verified stays so. */
static void
test_chain (People *people, gconstpointer unused)
{
  Fingerprint one = make_fp (1), two = make_fp (2), three = make_fp (3), four = make_fp (4), five = make_fp (5);
  Outcome outcome = { 0 }, block = { 0 };
  Added added = { 0 };
  Contact *contact;

  trust_set_mode (people->trust, TRUST_MODE_CA);
  join (people, 1, "romeo@forza", 1);
  trust_accept (people->trust, &one, &(TrustEvidence){ .source = "user" }, CALLER, outcome_set, &outcome);
  expect_done (&outcome, -1);
  assert_newest (people, 2, "accept", "pinned", "key=0101010101010101 level=ca>pinned source=user*", CALLER);
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &one)), ==, TRUST_PINNED);
  join (people, 2, "juliet@pronto", 3);
  trust_accept (people->trust, &two, &(TrustEvidence){ .source = "qr", .in_person = TRUE }, CALLER, outcome_set, &outcome);
  expect_done (&outcome, -1);
  assert_newest (people, 4, "accept", "verified", "key=0202020202020202 level=ca>verified source=qr*", CALLER);
  join (people, 3, "nurse@pronto", 5);
  trust_add_contact (people->trust, "nurse", &three, &(TrustEvidence){ .source = "fingerprint" }, CALLER, people_on_contact_added, &added);
  store_wait (&added.done);
  assert_newest (people, 6, "add-contact", "pinned", "key=0303030303030303 level=ca>pinned source=fingerprint petname=nurse*", CALLER);
  join (people, 4, "paris@pronto", 7);
  trust_verify (people->trust, &four, CALLER, outcome_set, &outcome);
  expect_done (&outcome, -1);
  assert_newest (people, 8, "verify", "verified", "key=0404040404040404 level=ca>verified source=code*", CALLER);
  trust_accept (people->trust, &four, &(TrustEvidence){ .source = "user" }, CALLER, outcome_set, &outcome);
  expect_done (&outcome, -1);
  assert_newest (people, 9, "accept", "verified", "", CALLER);
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &four)), ==, TRUST_VERIFIED);

  /* T-17: a block that is written first holds against that word, too. */
  contact = key_get_contact (join (people, 5, "tybalt@verona", 10));
  trust_set_blocked (people->trust, contact, TRUE, "first", outcome_set, &block);
  trust_accept (people->trust, &five, &(TrustEvidence){ .source = "user" }, "second", outcome_set, &outcome);
  expect_done (&block, -1);
  expect_done (&outcome, EARSHOT_ERROR_BLOCKED);
  assert_newest (people, 12, "denied", "Blocked", "wanted=accept", "second");
  g_assert_cmpint (key_get_level (contacts_get_key (people->contacts, &five)), ==, TRUST_CA);
}

static void
test_chain_refused (People *people, gconstpointer unused)
{
  Fingerprint fp = make_fp (1);
  TrustProof proof = { .fp = fp, .addr = "other\n@forza", .link = "eth1", .chain = { .word = "chain-other-name" } };

  trust_set_mode (people->trust, TRUST_MODE_CA);
  shown_chain = (RootsVerdict){ .word = "chain-unknown-root" };
  knock (people, 1, "romeo@forza");
  assert_newest (people, 1, "refused", "no-chain",
                 "direction=in mode=ca level=unknown chain=chain-unknown-root left-out=0 link=eth1 name=romeo@forza", "peer");
  shown_chain = (RootsVerdict){ .expired = TRUE, .word = "chain-expired" };
  knock (people, 1, "romeo@forza");
  assert_newest (people, 2, "refused", "expired", "* chain=chain-expired *", "peer");
  join (people, 1, "romeo@forza", 3);
  trust_set_mode (people->trust, TRUST_MODE_ASK);
  shown_chain = (RootsVerdict){ .revoked = TRUE, .word = "chain-revoked" };
  knock (people, 1, "romeo@forza");
  assert_newest (people, 4, "refused", "no-chain", "direction=in mode=ask level=ca chain=chain-revoked *", "peer");
  trust_refuse_other_name (people->trust, &proof);
  assert_newest (people, 5, "refused", "other-name",
                 "direction=out mode=ask level=ca chain=chain-other-name left-out=0 link=eth1 name=other*u{a}@forza", "peer");
  shown_chain = (RootsVerdict){ .valid = FALSE };
}

/* A thousand knocks are a few records, and the next one says how many are missing. */
static void
test_flood (People *people, gconstpointer unused)
{
  g_autoptr (GPtrArray) records = NULL;
  guint n = 0;

  trust_set_mode (people->trust, TRUST_MODE_STRICT);
  for (guint i = 0; i < 300; i++)
    knock (people, (guint8) (1 + i % 200), "romeo@forza");
  records = list (people);
  for (guint i = 0; i < records->len; i++)
    n += strcmp (((AuditRecord *) records->pdata[i])->event, "refused") == 0;
  g_assert_cmpuint (n, ==, 16);
  g_assert_cmpuint (records->len, ==, n);
  /* What people decide is always written. */
  add_person (people, "juliet", &(Fingerprint){ { 250 } });
  assert_newest (people, 17, "add-contact", "pinned", "*", "test");
}

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
#define ADD(name, func) g_test_add ("/trust-record/" name, People, NULL, people_set_up, func, people_tear_down)
  ADD ("decisions", test_decisions);
  ADD ("T-17-a-block-stays", test_block_stays);
  ADD ("T-17-a-block-in-the-same-moment", test_lost_race);
  ADD ("in-person-is-verified", test_in_person);
  ADD ("first-use", test_first_use);
  ADD ("refusals", test_refusals);
  ADD ("T-06-by-a-chain", test_chain);
  ADD ("T-06-chains-refused", test_chain_refused);
  ADD ("X-02-flood", test_flood);
  return g_test_run ();
}
