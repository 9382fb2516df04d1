/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/trust-audit.h"

#include <string.h>

#include "daemon/io/db-values.h"
#include "daemon/io/trust-store-private.h"

#define HASH_BYTES 32
#define NUMBER_MAX (G_MAXINT64 / 2)
#define COLUMNS "n, time, contact, event, fp, inputs, verdict, caller, hash"

static const char chain_label[] = "Earshot audit v1";
static const guint8 chain_start[HASH_BYTES];

enum { COLUMN_N, COLUMN_TIME, COLUMN_CONTACT, COLUMN_EVENT, COLUMN_CALLER = COLUMN_EVENT + 4, COLUMN_HASH };

/* The two ends of the chain. */
typedef struct
{
  guint64 anchor, head; /* number before the oldest record, number of the newest */
  guint8 anchor_hash[HASH_BYTES], head_hash[HASH_BYTES];
  gboolean begun;       /* FALSE: the step that brought the chain has run, audit_begin() has not */
} Chain;

/* --- hashing ------------------------------------------------------------------ */

static GChecksum *
link_new (const guint8 *before, guint64 n, gint64 time, guint32 contact)
{
  GChecksum *sum = g_checksum_new (G_CHECKSUM_SHA256);
  const guint64 numbers[] = { GUINT64_TO_BE (n), GUINT64_TO_BE ((guint64) time), GUINT64_TO_BE ((guint64) contact) };

  g_checksum_update (sum, (const guchar *) chain_label, sizeof chain_label);
  g_checksum_update (sum, before, HASH_BYTES);
  g_checksum_update (sum, (const guchar *) numbers, sizeof numbers);
  return sum;
}

static void
link_add (GChecksum *sum, const void *text, gsize length)
{
  guint32 bytes = GUINT32_TO_BE ((guint32) length);

  g_checksum_update (sum, (const guchar *) &bytes, sizeof bytes);
  if (length > 0)
    g_checksum_update (sum, text, (gssize) length);
}

static void
link_close (GChecksum *sum_take, guint8 *hash)
{
  gsize length = HASH_BYTES;

  g_checksum_get_digest (sum_take, hash, &length);
  g_checksum_free (sum_take);
}

/* What a row should carry; of the bytes as they lie on the disk, whatever they are. */
static void
hash_row (sqlite3_stmt *stmt, const guint8 *before, guint8 *hash)
{
  /* A contact out of range is no contact of ours, and no hash of ours either: it is cut here and will not match. */
  GChecksum *sum = link_new (before, (guint64) sqlite3_column_int64 (stmt, COLUMN_N),
                             sqlite3_column_int64 (stmt, COLUMN_TIME),
                             (guint32) sqlite3_column_int64 (stmt, COLUMN_CONTACT));

  if (sqlite3_column_int64 (stmt, COLUMN_CONTACT) > CONTACT_ID_MAX || sqlite3_column_int64 (stmt, COLUMN_CONTACT) < 0)
    link_add (sum, "", 0);
  for (int column = COLUMN_EVENT; column <= COLUMN_CALLER; column++)
    {
      const void *bytes = sqlite3_column_blob (stmt, column);

      link_add (sum, bytes, bytes != NULL ? (gsize) sqlite3_column_bytes (stmt, column) : 0);
    }
  link_close (sum, hash);
}

static gboolean
column_hash (sqlite3_stmt *stmt, int column, guint8 *hash)
{
  const void *bytes = sqlite3_column_blob (stmt, column);

  if (bytes == NULL || sqlite3_column_bytes (stmt, column) != HASH_BYTES)
    return FALSE;
  memcpy (hash, bytes, HASH_BYTES);
  return TRUE;
}

static void
hash_to_hex (const guint8 *hash, char *hex)
{
  for (guint i = 0; i < HASH_BYTES; i++)
    g_snprintf (hex + 2 * i, 3, "%02x", hash[i]);
}

/* --- the ends of the chain ------------------------------------------------------ */

/* *there FALSE: the row is gone or makes no sense. */
static gboolean
read_chain (sqlite3 *handle, Chain *chain, gboolean *there, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, "SELECT anchor, anchor_hash, head, head_hash FROM audit_chain WHERE id = 1", error);
  gint64 anchor, head;
  gboolean row;

  *there = FALSE;
  if (stmt == NULL || !db_step_row (handle, stmt, &row, error))
    return FALSE;
  if (!row || !db_column_range (stmt, 0, 0, NUMBER_MAX, &anchor) || !db_column_range (stmt, 2, anchor, NUMBER_MAX, &head))
    return TRUE;
  chain->anchor = (guint64) anchor;
  chain->head = (guint64) head;
  chain->begun = sqlite3_column_bytes (stmt, 1) > 0;
  *there = !chain->begun || (column_hash (stmt, 1, chain->anchor_hash) && column_hash (stmt, 3, chain->head_hash));
  return TRUE;
}

static gboolean
write_chain (sqlite3 *handle, const Chain *chain, GError **error)
{
  static const char sql[] = "INSERT OR REPLACE INTO audit_chain (id, anchor, anchor_hash, head, head_hash) VALUES (1, ?1, ?2, ?3, ?4)";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);

  if (stmt == NULL)
    return FALSE;
  db_bind_seq (stmt, 1, chain->anchor);
  sqlite3_bind_blob (stmt, 2, chain->anchor_hash, HASH_BYTES, SQLITE_STATIC);
  db_bind_seq (stmt, 3, chain->head);
  sqlite3_bind_blob (stmt, 4, chain->head_hash, HASH_BYTES, SQLITE_STATIC);
  return db_step_done (handle, stmt, error);
}

static gboolean
read_newest (sqlite3 *handle, guint64 *n, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, "SELECT max(n) FROM audit", error);
  gboolean row;

  if (stmt == NULL || !db_step_row (handle, stmt, &row, error))
    return FALSE;
  *n = row ? (guint64) CLAMP (sqlite3_column_int64 (stmt, 0), 0, NUMBER_MAX) : 0;
  return TRUE;
}

gboolean
audit_begin (sqlite3 *handle, gpointer unused, GError **error)
{
  sqlite3_stmt *all, *set;
  Chain chain = { 0 };
  gboolean there, row = TRUE, first = TRUE;

  if (!read_chain (handle, &chain, &there, error))
    return FALSE;
  if (!there || chain.begun)
    return TRUE;
  memcpy (chain.anchor_hash, chain_start, HASH_BYTES);
  memcpy (chain.head_hash, chain_start, HASH_BYTES);
  chain.anchor = chain.head = 0;
  all = db_prepare (handle, "SELECT " COLUMNS " FROM audit ORDER BY n", error);
  if (all == NULL)
    return FALSE;
  while (row)
    {
      if (!db_step_row (handle, all, &row, error))
        return FALSE;
      if (!row)
        break;
      chain.head = (guint64) CLAMP (sqlite3_column_int64 (all, COLUMN_N), 1, NUMBER_MAX);
      if (first)
        chain.anchor = chain.head - 1;
      first = FALSE;
      hash_row (all, chain.head_hash, chain.head_hash);
      set = db_prepare (handle, "UPDATE audit SET hash = ?2 WHERE n = ?1", error);
      if (set == NULL)
        return FALSE;
      db_bind_seq (set, 1, chain.head);
      sqlite3_bind_blob (set, 2, chain.head_hash, HASH_BYTES, SQLITE_STATIC);
      if (!db_step_done (handle, set, error))
        return FALSE;
    }
  return write_chain (handle, &chain, error);
}

/* --- appending ------------------------------------------------------------------- */

/* The oldest go, and the hash of the last that went stays: the next one still has something to stand on. */
static gboolean
prune (sqlite3 *handle, Chain *chain, guint max, GError **error)
{
  sqlite3_stmt *stmt;
  gboolean row;

  if (chain->head - chain->anchor <= max)
    return TRUE;
  chain->anchor = chain->head - max;
  stmt = db_prepare (handle, "SELECT hash FROM audit WHERE n = ?1", error);
  if (stmt == NULL)
    return FALSE;
  db_bind_seq (stmt, 1, chain->anchor);
  if (!db_step_row (handle, stmt, &row, error))
    return FALSE;
  /* Somebody took it: what follows has nothing to stand on, and a check says so. */
  if (!row || !column_hash (stmt, 0, chain->anchor_hash))
    memset (chain->anchor_hash, 0xff, HASH_BYTES);
  stmt = db_prepare (handle, "DELETE FROM audit WHERE n <= ?1", error);
  if (stmt == NULL)
    return FALSE;
  db_bind_seq (stmt, 1, chain->anchor);
  return db_step_done (handle, stmt, error);
}

gboolean
audit_append (sqlite3 *handle, const AuditEntry *entry, guint max, GError **error)
{
  static const char sql[] = "INSERT OR REPLACE INTO audit (n, time, contact, event, fp, inputs, verdict, caller, hash)"
                            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
  const char *const texts[] = { entry->event, entry->fp, entry->inputs, entry->verdict, entry->caller };
  Chain chain = { 0 };
  sqlite3_stmt *stmt;
  GChecksum *sum;
  gboolean there;

  if (!read_chain (handle, &chain, &there, error))
    return FALSE;
  if (!there || !chain.begun)
    {
      /* Somebody took the ends of the chain. Decisions must go on; a new chain begins, and a check finds what lies before it. */
      if (!read_newest (handle, &chain.head, error))
        return FALSE;
      chain.anchor = chain.head = MIN (chain.head, NUMBER_MAX - 1);
      memset (chain.anchor_hash, 0xff, HASH_BYTES);
      memset (chain.head_hash, 0xff, HASH_BYTES);
    }
  chain.head = MIN (chain.head + 1, NUMBER_MAX);
  sum = link_new (chain.head_hash, chain.head, entry->time, entry->contact);
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    link_add (sum, texts[i], strlen (texts[i]));
  link_close (sum, chain.head_hash);
  stmt = db_prepare (handle, sql, error);
  if (stmt == NULL)
    return FALSE;
  db_bind_seq (stmt, 1, chain.head);
  sqlite3_bind_int64 (stmt, 2, entry->time);
  sqlite3_bind_int64 (stmt, 3, entry->contact);
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    db_bind_text (stmt, (int) i + 4, texts[i]);
  sqlite3_bind_blob (stmt, 9, chain.head_hash, HASH_BYTES, SQLITE_STATIC);
  return db_step_done (handle, stmt, error) && prune (handle, &chain, max, error) && write_chain (handle, &chain, error);
}

/* --- reading ----------------------------------------------------------------------- */

typedef struct
{
  AuditFilter filter; /* its texts are ours */
  char *event, *fp;
  char **keys;
  GPtrArray *records;
  gboolean more;
  AuditListed done;
  gpointer user;
} Listing;

void
audit_record_free (AuditRecord *record)
{
  g_free (record->event);
  g_free (record->fp);
  g_free (record->inputs);
  g_free (record->verdict);
  g_free (record->caller);
  g_free (record);
}

static AuditRecord *
record_read (sqlite3_stmt *stmt)
{
  AuditRecord *record = g_new0 (AuditRecord, 1);
  guint8 hash[HASH_BYTES] = { 0 };

  record->n = (guint64) db_column_positive (stmt, COLUMN_N);
  record->time = db_column_positive (stmt, COLUMN_TIME);
  if (!db_column_contact (stmt, COLUMN_CONTACT, &record->contact))
    record->contact = 0;
  record->event = db_column_dup_or_empty (stmt, COLUMN_EVENT);
  record->fp = db_column_dup_or_empty (stmt, COLUMN_EVENT + 1);
  record->inputs = db_column_dup_or_empty (stmt, COLUMN_EVENT + 2);
  record->verdict = db_column_dup_or_empty (stmt, COLUMN_EVENT + 3);
  record->caller = db_column_dup_or_empty (stmt, COLUMN_CALLER);
  column_hash (stmt, COLUMN_HASH, hash);
  hash_to_hex (hash, record->hash);
  return record;
}

static gboolean
is_wanted (const Listing *job, const AuditRecord *record)
{
  if (record->time < job->filter.since || (job->event != NULL && strcmp (record->event, job->event) != 0)
      || (job->fp != NULL && !g_str_has_prefix (record->fp, job->fp)))
    return FALSE;
  if (job->filter.contact == 0 || record->contact == job->filter.contact)
    return TRUE;
  return job->keys != NULL && g_strv_contains ((const char *const *) job->keys, record->fp);
}

static gboolean
work_list (sqlite3 *handle, gpointer data, GError **error)
{
  Listing *job = data;
  sqlite3_stmt *stmt = db_prepare (handle, "SELECT " COLUMNS " FROM audit WHERE n < ?1 ORDER BY n DESC", error);
  gboolean row = TRUE;

  g_clear_pointer (&job->records, g_ptr_array_unref);
  job->records = g_ptr_array_new_with_free_func ((GDestroyNotify) audit_record_free);
  job->more = FALSE;
  if (stmt == NULL)
    return FALSE;
  db_bind_seq (stmt, 1, job->filter.before != 0 ? job->filter.before : G_MAXINT64);
  while (!job->more)
    {
      g_autoptr (AuditRecord) record = NULL;

      if (!db_step_row (handle, stmt, &row, error))
        return FALSE;
      if (!row)
        return TRUE;
      record = record_read (stmt);
      if (!is_wanted (job, record))
        continue;
      job->more = job->records->len >= job->filter.limit;
      if (!job->more)
        g_ptr_array_add (job->records, g_steal_pointer (&record));
    }
  return TRUE;
}

static void
done_list (gpointer data, const GError *error)
{
  Listing *job = data;

  job->done (job->user, error == NULL ? g_steal_pointer (&job->records) : NULL, job->more, error);
}

static void
free_list (gpointer data)
{
  Listing *job = data;

  g_clear_pointer (&job->records, g_ptr_array_unref);
  g_free (job->event);
  g_free (job->fp);
  g_strfreev (job->keys);
  g_free (job);
}

void
trust_store_list_audit (TrustStore *store, const AuditFilter *filter, AuditListed done, gpointer user)
{
  Listing *job = g_new0 (Listing, 1);

  job->filter = *filter;
  if (filter->limit == 0 || filter->limit > AUDIT_LIST_MAX)
    job->filter.limit = AUDIT_LIST_MAX;
  job->event = g_strdup (filter->event);
  job->fp = g_strdup (filter->fp);
  job->keys = g_strdupv ((char **) filter->keys);
  job->done = done;
  job->user = user;
  db_submit (store->db, FALSE, work_list, done_list, job, free_list);
}

/* --- checking ------------------------------------------------------------------------ */

typedef struct
{
  char *wanted; /* hash to look for, or NULL */
  AuditCheck check;
  AuditChecked done;
  gpointer user;
} Checking;

static gboolean
found_broken (AuditCheck *check, const char *reason, guint64 n)
{
  check->reason = reason;
  check->broken = n;
  return TRUE;
}

static void
note_sound (Checking *job, const guint8 *hash, guint64 n)
{
  hash_to_hex (hash, job->check.head);
  if (job->wanted != NULL && strcmp (job->wanted, job->check.head) == 0)
    {
      job->check.found = TRUE;
      job->check.noted = n;
    }
}

/* From one end to the other; the first thing that does not fit ends it. */
static gboolean
walk (sqlite3 *handle, const Chain *chain, Checking *job, GError **error)
{
  AuditCheck *check = &job->check;
  sqlite3_stmt *stmt = db_prepare (handle, "SELECT " COLUMNS " FROM audit ORDER BY n", error);
  guint8 hash[HASH_BYTES], stored[HASH_BYTES];
  guint64 expected = chain->anchor + 1;
  gboolean row = TRUE;

  if (stmt == NULL)
    return FALSE;
  memcpy (hash, chain->anchor_hash, HASH_BYTES);
  note_sound (job, hash, chain->anchor);
  for (;; expected++)
    {
      gint64 n;

      if (!db_step_row (handle, stmt, &row, error))
        return FALSE;
      if (!row)
        break;
      n = sqlite3_column_int64 (stmt, COLUMN_N);
      if (n <= (gint64) chain->anchor || n > (gint64) chain->head)
        return found_broken (check, "inserted", (guint64) MAX (n, 0));
      if (n != (gint64) expected)
        return found_broken (check, "missing", expected);
      hash_row (stmt, hash, hash);
      if (!column_hash (stmt, COLUMN_HASH, stored) || memcmp (hash, stored, HASH_BYTES) != 0)
        return found_broken (check, "altered", expected);
      check->count++;
      note_sound (job, hash, expected);
    }
  if (expected <= chain->head)
    return found_broken (check, "missing", expected);
  if (memcmp (hash, chain->head_hash, HASH_BYTES) != 0)
    return found_broken (check, "altered", chain->head);
  return TRUE;
}

static gboolean
work_check (sqlite3 *handle, gpointer data, GError **error)
{
  Checking *job = data;
  Chain chain = { 0 };
  gboolean there;

  job->check = (AuditCheck){ 0 };
  if (!read_chain (handle, &chain, &there, error))
    return FALSE;
  if (!there || !chain.begun)
    return found_broken (&job->check, "chain-lost", 0);
  job->check.first = chain.anchor + 1;
  job->check.last = chain.head;
  return walk (handle, &chain, job, error);
}

static void
done_check (gpointer data, const GError *error)
{
  Checking *job = data;

  job->done (job->user, error == NULL ? &job->check : NULL, error);
}

static void
free_check (gpointer data)
{
  Checking *job = data;

  g_free (job->wanted);
  g_free (job);
}

void
trust_store_check_audit (TrustStore *store, const char *hash, AuditChecked done, gpointer user)
{
  Checking *job = g_new0 (Checking, 1);

  job->wanted = hash != NULL ? g_ascii_strdown (hash, -1) : NULL;
  job->done = done;
  job->user = user;
  db_submit (store->db, FALSE, work_check, done_check, job, free_check);
}
