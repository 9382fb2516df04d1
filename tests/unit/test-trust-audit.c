/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The audit as somebody with write access to the file would have it: each way to change it is found, and pruning is not one.
 */
#include "earshot-config.h"

#include "daemon/io/trust-audit.h"

#include "daemon/io/trust-store-private.h"
#include "tests/unit/store-helper.h"

#define N 20

typedef struct
{
  Store store;
  TrustStore *trust;
} Fixture;

static void
open_trust (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *aside = NULL;

  f->trust = trust_store_open (f->store.worker, f->store.path, &aside, &error);
  g_assert_no_error (error);
  g_assert_null (aside);
}

static void
set_up (Fixture *f, gconstpointer unused)
{
  store_set_up (&f->store, NULL);
  open_trust (f);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  g_assert_true (raw_is_sound (f->trust->db));
  trust_store_close (f->trust);
  store_tear_down (&f->store, NULL);
}

static gint64
sql (Fixture *f, const char *text)
{
  return raw_sql (f->trust->db, text);
}

static void
append (Fixture *f, const AuditEntry *entry)
{
  TrustChange *change = trust_change_new ();
  Outcome outcome = { 0 };

  trust_change_audit (change, entry);
  trust_store_apply (f->trust, change, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, -1);
}

static void
append_many (Fixture *f, guint n)
{
  for (guint i = 1; i <= n; i++)
    {
      g_autofree char *inputs = g_strdup_printf ("number=%u", i);

      append (f, &(AuditEntry){ .time = (gint64) i * 1000, .event = i % 2 ? "accept" : "refused", .fp = i % 5 ? "aa" : "bb",
                                .contact = i % 3, .inputs = inputs, .verdict = "pinned", .caller = "name=:1.7 pid=12" });
    }
}

typedef struct
{
  gboolean done;
  AuditCheck check;
} Checked;

static void
on_checked (gpointer user, const AuditCheck *check, const GError *error)
{
  Checked *checked = user;

  g_assert_no_error (error);
  g_assert_false (checked->done);
  checked->done = TRUE;
  checked->check = *check;
}

static AuditCheck
check_for (Fixture *f, const char *hash)
{
  Checked checked = { 0 };

  trust_store_check_audit (f->trust, hash, on_checked, &checked);
  g_assert_false (checked.done);
  store_wait (&checked.done);
  return checked.check;
}

static AuditCheck
check (Fixture *f)
{
  return check_for (f, NULL);
}

static void
assert_broken (Fixture *f, const char *change, const char *reason, guint64 at)
{
  AuditCheck found;

  sql (f, change);
  found = check (f);
  if (g_strcmp0 (found.reason, reason) != 0 || found.broken != at)
    g_error ("%s: found %s at %" G_GUINT64_FORMAT, change, found.reason, found.broken);
}

typedef struct
{
  gboolean done, more;
  GPtrArray *records;
} Listed;

static void
on_listed (gpointer user, GPtrArray *records, gboolean more, const GError *error)
{
  Listed *listed = user;

  g_assert_no_error (error);
  listed->done = TRUE;
  listed->more = more;
  listed->records = records;
}

/* Their numbers, "20 18 …", with "+" where there is more. */
static char *
list (Fixture *f, const AuditFilter *filter)
{
  Listed listed = { 0 };
  GString *out = g_string_new (NULL);

  trust_store_list_audit (f->trust, filter, on_listed, &listed);
  store_wait (&listed.done);
  for (guint i = 0; i < listed.records->len; i++)
    g_string_append_printf (out, "%s%" G_GUINT64_FORMAT, i > 0 ? " " : "", ((AuditRecord *) listed.records->pdata[i])->n);
  if (listed.more)
    g_string_append (out, "+");
  g_ptr_array_unref (listed.records);
  return g_string_free (out, FALSE);
}

static void
assert_list (Fixture *f, const AuditFilter *filter, const char *expected)
{
  g_autofree char *found = list (f, filter);

  g_assert_cmpstr (found, ==, expected);
}

/* -------------------------------------------------------------------------- */

static void
test_empty (Fixture *f, gconstpointer unused)
{
  AuditCheck found = check (f);

  g_assert_null (found.reason);
  g_assert_cmpuint (found.count, ==, 0);
  g_assert_cmpuint (found.first, ==, 1);
  g_assert_cmpuint (found.last, ==, 0);
  g_assert_cmpuint (strspn (found.head, "0"), ==, AUDIT_HASH_HEX);
  assert_list (f, &(AuditFilter){ 0 }, "");
}

static void
test_sound (Fixture *f, gconstpointer unused)
{
  AuditCheck before, after;

  append_many (f, N);
  before = check (f);
  g_assert_null (before.reason);
  g_assert_cmpuint (before.first, ==, 1);
  g_assert_cmpuint (before.last, ==, N);
  g_assert_cmpuint (before.count, ==, N);
  trust_store_close (f->trust);
  open_trust (f);
  g_assert_cmpstr (check (f).head, ==, before.head);
  append (f, &(AuditEntry){ .event = "block", .verdict = "blocked" });
  after = check (f);
  g_assert_null (after.reason);
  g_assert_cmpuint (after.count, ==, N + 1);
  g_assert_cmpstr (after.head, !=, before.head);
}

/* The chain is the one the header describes: computed here once more, by hand. */
static void
test_hash_is_as_documented (Fixture *f, gconstpointer unused)
{
  static const guint8 record[] = "Earshot audit v1\0"
                                 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                 "\0\0\0\0\0\0\0\1" "\0\0\0\0\0\0\1\2" "\0\0\0\0\0\0\0\7"
                                 "\0\0\0\3pin" "\0\0\0\2aa" "\0\0\0\0" "\0\0\0\6pinned" "\0\0\0\4peer";
  g_autofree char *expected = g_compute_checksum_for_data (G_CHECKSUM_SHA256, record, sizeof record - 1);

  append (f, &(AuditEntry){ .time = 258, .event = "pin", .fp = "aa", .contact = 7, .verdict = "pinned", .caller = "peer" });
  g_assert_cmpstr (check (f).head, ==, expected);
}

static const struct {
  const char *name, *change, *reason;
  guint64 at;
} tampered[] = {
  { "verdict", "UPDATE audit SET verdict = 'blocked' WHERE n = 7", "altered", 7 },
  { "time", "UPDATE audit SET time = time + 1 WHERE n = 7", "altered", 7 },
  { "caller", "UPDATE audit SET caller = 'name=:1.8 pid=13' WHERE n = 7", "altered", 7 },
  { "contact", "UPDATE audit SET contact = 9 WHERE n = 7", "altered", 7 },
  { "contact-out-of-range", "UPDATE audit SET contact = contact + 4294967296 WHERE n = 7", "altered", 7 },
  { "contact-negative", "UPDATE audit SET contact = contact - 4294967296 WHERE n = 7", "altered", 7 },
  { "words-moved", "UPDATE audit SET event = 'acc', fp = 'eptaa' WHERE n = 7", "altered", 7 },
  { "words-swapped", "UPDATE audit SET fp = event, event = fp WHERE n = 7", "altered", 7 },
  { "nul-behind", "UPDATE audit SET verdict = CAST (verdict || x'00' AS TEXT) WHERE n = 7", "altered", 7 },
  { "hash", "UPDATE audit SET hash = zeroblob (32) WHERE n = 7", "altered", 7 },
  { "hash-short", "UPDATE audit SET hash = x'00' WHERE n = 7", "altered", 7 },
  { "newest", "UPDATE audit SET verdict = 'blocked' WHERE n = 20", "altered", 20 },
  { "oldest", "UPDATE audit SET verdict = 'blocked' WHERE n = 1", "altered", 1 },
  { "removed", "DELETE FROM audit WHERE n = 7", "missing", 7 },
  { "removed-oldest", "DELETE FROM audit WHERE n = 1", "missing", 1 },
  { "removed-newest", "DELETE FROM audit WHERE n = 20", "missing", 20 },
  { "cut-off", "DELETE FROM audit WHERE n > 12", "missing", 13 },
  { "all", "DELETE FROM audit", "missing", 1 },
  { "removed-and-closed-up", "DELETE FROM audit WHERE n = 7; UPDATE audit SET n = n - 1 WHERE n > 7", "altered", 7 },
  { "swapped", "UPDATE audit SET n = 99 WHERE n = 7; UPDATE audit SET n = 7 WHERE n = 8; UPDATE audit SET n = 8 WHERE n = 99",
    "altered", 7 },
  { "inserted", "UPDATE audit SET n = -n WHERE n > 7; UPDATE audit SET n = 1 - n WHERE n < 0;"
                " INSERT INTO audit (n, time, event, fp, verdict, caller) VALUES (8, 1, 'e', '', 'v', 'c')", "altered", 8 },
  { "appended", "INSERT INTO audit (n, time, event, fp, verdict, caller) VALUES (21, 1, 'e', '', 'v', 'c')", "inserted", 21 },
  { "far-behind", "INSERT INTO audit (n, time, event, fp, verdict, caller) VALUES (9223372036854775807, 1, 'e', '', 'v', 'c')",
    "inserted", G_MAXINT64 },
  { "put-before", "INSERT INTO audit (n, time, event, fp, verdict, caller) VALUES (0, 1, 'e', '', 'v', 'c')", "inserted", 0 },
  { "negative", "INSERT INTO audit (n, time, event, fp, verdict, caller) VALUES (-5, 1, 'e', '', 'v', 'c')", "inserted", 0 },
  { "anchor-moved", "UPDATE audit_chain SET anchor = 3; DELETE FROM audit WHERE n <= 3", "altered", 4 },
  { "head-moved", "UPDATE audit_chain SET head = 12; DELETE FROM audit WHERE n > 12", "altered", 12 },
  { "head-hash", "UPDATE audit_chain SET head_hash = zeroblob (32)", "altered", 20 },
  { "chain-removed", "DELETE FROM audit_chain", "chain-lost", 0 },
  { "chain-backwards", "UPDATE audit_chain SET head = -1", "chain-lost", 0 },
  { "chain-huge", "UPDATE audit_chain SET head = 9223372036854775807", "chain-lost", 0 },
  { "chain-short-hash", "UPDATE audit_chain SET head_hash = x'00'", "chain-lost", 0 },
  { "chain-begins-anew", "UPDATE audit_chain SET anchor_hash = x''", "chain-lost", 0 },
};

static void
test_tampered (Fixture *f, gconstpointer unused)
{
  append_many (f, N);
  for (guint i = 0; i < G_N_ELEMENTS (tampered); i++)
    {
      g_autofree char *keep = g_strdup ("CREATE TABLE k AS SELECT * FROM audit; CREATE TABLE c AS SELECT * FROM audit_chain");

      g_test_message ("%s", tampered[i].name);
      sql (f, keep);
      assert_broken (f, tampered[i].change, tampered[i].reason, tampered[i].at);
      /* Decisions go on, and the damage stays in sight: a forged record behind the newest is the only one that is overwritten. */
      append (f, &(AuditEntry){ .event = "accept", .verdict = "pinned" });
      if (strcmp (tampered[i].name, "appended") != 0)
        g_assert_nonnull (check (f).reason);
      sql (f, "DELETE FROM audit; INSERT INTO audit (n, time, event, fp, verdict, caller, contact, inputs, hash)"
              " SELECT n, time, event, fp, verdict, caller, contact, inputs, hash FROM k; DROP TABLE k;"
              " DELETE FROM audit_chain; INSERT INTO audit_chain SELECT * FROM c; DROP TABLE c");
      g_assert_null (check (f).reason);
    }
}

/* Who can write the file can compute a new chain; whoever noted a hash finds out. */
static void
test_noted_hash (Fixture *f, gconstpointer unused)
{
  AuditCheck noted, found;
  g_autofree char *upper = NULL;

  append_many (f, 5);
  noted = check (f);
  append_many (f, 5);
  upper = g_ascii_strup (noted.head, -1);
  found = check_for (f, upper);
  g_assert_null (found.reason);
  g_assert_true (found.found);
  g_assert_cmpuint (found.noted, ==, 5);
  g_assert_false (check (f).found);
  /* Rebuilt without the third: sound in itself. */
  sql (f, "DELETE FROM audit WHERE n = 3; UPDATE audit SET n = n - 1 WHERE n > 3; UPDATE audit_chain SET anchor_hash = x''");
  trust_store_close (f->trust);
  open_trust (f);
  found = check_for (f, noted.head);
  g_assert_null (found.reason);
  g_assert_cmpuint (found.count, ==, 9);
  g_assert_false (found.found);
}

static void
test_pruning (Fixture *f, gconstpointer unused)
{
  AuditCheck found;
  g_autofree char *noted = NULL;

  f->trust->audit_max = 8;
  append_many (f, 12);
  noted = g_strdup (check (f).head);
  append_many (f, 8);
  found = check_for (f, noted);
  g_assert_null (found.reason);
  g_assert_cmpuint (found.count, ==, 8);
  g_assert_cmpuint (found.first, ==, 13);
  g_assert_cmpuint (found.last, ==, 20);
  g_assert_true (found.found); /* what went last is still known by its hash */
  g_assert_cmpuint (found.noted, ==, 12);
  g_assert_cmpint (sql (f, "SELECT count(*) FROM audit"), ==, 8);
  assert_list (f, &(AuditFilter){ .limit = 3 }, "20 19 18+");
  append_many (f, 1);
  g_assert_false (check_for (f, noted).found);
  g_assert_null (check (f).reason);
  /* And of the pruned chain, too, nothing may be taken. */
  assert_broken (f, "DELETE FROM audit WHERE n = 14", "missing", 14);
  append_many (f, 1);
  g_assert_nonnull (check (f).reason);
}

/* The last record of a page of those that are pruned was taken by somebody: what is left shows it. */
static void
test_pruning_a_hole (Fixture *f, gconstpointer unused)
{
  f->trust->audit_max = 4;
  append_many (f, 4);
  sql (f, "DELETE FROM audit WHERE n = 1");
  append_many (f, 1);
  g_assert_cmpstr (check (f).reason, ==, "altered");
  g_assert_cmpuint (check (f).broken, ==, 2);
  append_many (f, 5);
  g_assert_null (check (f).reason); /* all that was damaged is gone */
}

/* A file of before: its records are linked when it is opened first. */
static void
test_climb (Fixture *f, gconstpointer unused)
{
  static const char old[] = "ALTER TABLE audit DROP COLUMN contact; ALTER TABLE audit DROP COLUMN inputs;"
                            "ALTER TABLE audit DROP COLUMN hash; DROP TABLE audit_chain; DROP TABLE app; DROP TABLE invite;"
                            "DROP TABLE invite_use; DROP TABLE invite_owed; PRAGMA user_version = 2;"
                            "ALTER TABLE contact DROP COLUMN succession_owed; ALTER TABLE request DROP COLUMN predecessor;"
                            "ALTER TABLE key DROP COLUMN introduced_by; ALTER TABLE key DROP COLUMN introducer; ALTER TABLE key DROP COLUMN warned_by;"
                            "ALTER TABLE request DROP COLUMN introducer; ALTER TABLE request DROP COLUMN note; DROP TABLE declined;"
                            "INSERT INTO audit (n, time, event, fp, verdict, caller) VALUES (41, 5, 'accept', 'aa', 'pinned', 'c'),"
                            " (42, 6, 'revoke', 'aa', 'revoked', 'c'), (43, 7, 'block', '', 'blocked', 'c')";
  AuditCheck found;

  sql (f, old);
  trust_store_close (f->trust);
  open_trust (f);
  found = check (f);
  g_assert_null (found.reason);
  g_assert_cmpuint (found.first, ==, 41);
  g_assert_cmpuint (found.count, ==, 3);
  assert_list (f, &(AuditFilter){ 0 }, "43 42 41");
  append_many (f, 1);
  g_assert_cmpuint (check (f).last, ==, 44);
  assert_broken (f, "UPDATE audit SET caller = 'd' WHERE n = 42", "altered", 42);
}

static void
test_filters (Fixture *f, gconstpointer unused)
{
  static const char *const keys[] = { "bb", NULL };
  AuditFilter filter = { 0 };

  append_many (f, N);
  assert_list (f, &(AuditFilter){ .limit = 4 }, "20 19 18 17+");
  assert_list (f, &(AuditFilter){ .limit = 4, .before = 17 }, "16 15 14 13+");
  assert_list (f, &(AuditFilter){ .limit = 4, .before = 5 }, "4 3 2 1");
  assert_list (f, &(AuditFilter){ .before = G_MAXUINT64, .limit = 1 }, "20+");
  assert_list (f, &(AuditFilter){ .before = 1 }, "");
  assert_list (f, &(AuditFilter){ .since = 18000 }, "20 19 18");
  assert_list (f, &(AuditFilter){ .fp = "b" }, "20 15 10 5");
  assert_list (f, &(AuditFilter){ .fp = "bbb" }, "");
  assert_list (f, &(AuditFilter){ .event = "refused", .since = 15000 }, "20 18 16");
  filter.contact = 1;
  filter.since = 14000;
  assert_list (f, &filter, "19 16");
  filter.keys = keys;
  assert_list (f, &filter, "20 19 16 15");
}

static void
test_page_bound (Fixture *f, gconstpointer unused)
{
  g_autofree char *page = NULL;
  g_auto (GStrv) words = NULL;

  append_many (f, AUDIT_LIST_MAX + 10);
  page = list (f, &(AuditFilter){ .limit = 100000 });
  g_assert_true (g_str_has_suffix (page, "+"));
  words = g_strsplit (page, " ", -1);
  g_assert_cmpuint (g_strv_length (words), ==, AUDIT_LIST_MAX);
}

/* What comes in is cut and made text; what lies on the disk is read as text. */
static void
test_hostile_texts (Fixture *f, gconstpointer unused)
{
  g_autofree char *long_text = g_strnfill (100000, 'x');
  Listed listed = { 0 };
  const AuditRecord *record;

  long_text[2047] = (char) 0xc3;
  long_text[2048] = (char) 0xa9; /* é across the bound */
  append (f, &(AuditEntry){ .event = long_text, .fp = long_text, .inputs = long_text, .verdict = long_text, .caller = "a\xff" "b" });
  append (f, &(AuditEntry){ 0 });
  g_assert_null (check (f).reason);
  sql (f, "UPDATE audit SET verdict = CAST (x'61ff00620a' AS TEXT), time = -1, contact = -7, hash = x'' WHERE n = 2");
  trust_store_list_audit (f->trust, &(AuditFilter){ 0 }, on_listed, &listed);
  store_wait (&listed.done);
  record = listed.records->pdata[1];
  g_assert_cmpuint (strlen (record->event), ==, 32);
  g_assert_cmpuint (strlen (record->fp), ==, 64);
  g_assert_cmpuint (strlen (record->inputs), ==, 2047);
  g_assert_cmpuint (strlen (record->verdict), ==, 256);
  g_assert_true (g_utf8_validate (record->caller, -1, NULL));
  record = listed.records->pdata[0];
  g_assert_true (g_utf8_validate (record->verdict, -1, NULL));
  g_assert_cmpint (record->time, ==, 0);
  g_assert_cmpuint (record->contact, ==, 0);
  g_assert_cmpuint (strlen (record->hash), ==, AUDIT_HASH_HEX);
  g_ptr_array_unref (listed.records);
}

/* A change that fails leaves no record, and the chain as it was. */
static void
test_failed_change (Fixture *f, gconstpointer unused)
{
  TrustChange *change = trust_change_new ();
  ContactRow impossible = { .id = 0, .petname = (char *) "" };
  Outcome outcome = { 0 };
  AuditCheck before;

  append_many (f, 3);
  before = check (f);
  trust_change_audit (change, &(AuditEntry){ .event = "accept" });
  trust_change_put_contact (change, &impossible);
  trust_store_apply (f->trust, change, outcome_set, &outcome);
  g_assert_cmpint (outcome_wait (&outcome), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpstr (check (f).head, ==, before.head);
  append_many (f, 1);
  g_assert_null (check (f).reason);
  g_assert_cmpuint (check (f).last, ==, 4);
}

#define ADD(name, func) g_test_add ("/trust-audit/" name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  ADD ("empty", test_empty);
  ADD ("sound", test_sound);
  ADD ("hash-is-as-documented", test_hash_is_as_documented);
  ADD ("tampered", test_tampered);
  ADD ("noted-hash-finds-a-rebuilt-chain", test_noted_hash);
  ADD ("X-02-pruning-breaks-nothing", test_pruning);
  ADD ("pruning-over-a-hole", test_pruning_a_hole);
  ADD ("file-of-before", test_climb);
  ADD ("filters-and-pages", test_filters);
  ADD ("X-02-page-is-bounded", test_page_bound);
  ADD ("hostile-texts", test_hostile_texts);
  ADD ("failed-change-leaves-no-record", test_failed_change);
  return g_test_run ();
}
