/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The ladder of trust.db, and reading all of it at start. Threat: a doctored or rotten row must not become a person
 * who is trusted. What is out of range is left out or read as the least trusted value, and logged.
 *
 * contact, addr, key, request: what the rows in the header say; levels and kinds are words. tombstone: keys once forgotten.
 * declined: introductions a person said no to.
 * audit and audit_chain: daemon/io/trust-audit.h. app: daemon/io/trust-apps.h. invite, invite_use, invite_owed:
 * daemon/io/trust-invites.h. A request about a peer without a key has an empty fp.
 */
#include "earshot-config.h"

#include "daemon/base/log.h"
#include "daemon/io/db-values.h"
#include "daemon/io/trust-audit.h"
#include "daemon/io/trust-store-private.h"

static const char step_1[] =
  "CREATE TABLE contact (id INTEGER PRIMARY KEY, petname TEXT NOT NULL, blocked INTEGER NOT NULL, created INTEGER NOT NULL,"
  " last_seen INTEGER NOT NULL, stored INTEGER NOT NULL) STRICT;"
  "CREATE TABLE addr (contact INTEGER NOT NULL, position INTEGER NOT NULL, addr TEXT NOT NULL,"
  " PRIMARY KEY (contact, position)) STRICT, WITHOUT ROWID;"
  "CREATE TABLE key (fp BLOB PRIMARY KEY NOT NULL, contact INTEGER NOT NULL, level TEXT NOT NULL, source TEXT NOT NULL,"
  " since INTEGER NOT NULL, last_used INTEGER NOT NULL, first_seen INTEGER NOT NULL, refused INTEGER NOT NULL,"
  " grant_owed INTEGER NOT NULL, replaced_by BLOB) STRICT, WITHOUT ROWID;"
  "CREATE INDEX key_contact ON key (contact);"
  "CREATE TABLE tombstone (n INTEGER PRIMARY KEY AUTOINCREMENT, fp BLOB NOT NULL UNIQUE, time INTEGER NOT NULL) STRICT;"
  "CREATE TABLE request (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, contact INTEGER NOT NULL, fp BLOB NOT NULL,"
  " created INTEGER NOT NULL, snoozed_until INTEGER NOT NULL, name TEXT NOT NULL, contested INTEGER NOT NULL,"
  " link TEXT NOT NULL) STRICT;"
  "CREATE INDEX request_contact ON request (contact);"
  "CREATE INDEX request_fp ON request (fp);"
  "CREATE TABLE setting (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
  "CREATE TABLE audit (n INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, event TEXT NOT NULL, fp TEXT NOT NULL,"
  " verdict TEXT NOT NULL, caller TEXT NOT NULL) STRICT;";

/* Who may speak in clear (docs/protocol.md 3.9). Whoever has a key may not. A key that moved away left nothing to tell its former contact
 * by, so where that ever happened nobody known is taken for one that never had TLS. A question tells the name its key came under. */
static const char step_2[] =
  "ALTER TABLE contact ADD COLUMN legacy TEXT NOT NULL DEFAULT '';"
  "ALTER TABLE contact ADD COLUMN tls_seen INTEGER NOT NULL DEFAULT 0;"
  "UPDATE contact SET tls_seen = 1 WHERE id IN (SELECT contact FROM key)"
  " OR EXISTS (SELECT 1 FROM audit WHERE event = 'resolve' AND verdict = 'replace');"
  "INSERT INTO addr (contact, position, addr) SELECT contact, 0, min(name) FROM request"
  " WHERE name <> '' AND contact NOT IN (SELECT contact FROM addr) GROUP BY contact;";

/* The audit becomes a chain; hashes are not for SQL to compute: audit_begin() goes on where anchor_hash is empty. */
static const char step_3[] =
  "ALTER TABLE audit ADD COLUMN contact INTEGER NOT NULL DEFAULT 0;"
  "ALTER TABLE audit ADD COLUMN inputs TEXT NOT NULL DEFAULT '';"
  "ALTER TABLE audit ADD COLUMN hash BLOB NOT NULL DEFAULT x'';"
  "CREATE TABLE audit_chain (id INTEGER PRIMARY KEY, anchor INTEGER NOT NULL, anchor_hash BLOB NOT NULL, head INTEGER NOT NULL,"
  " head_hash BLOB NOT NULL) STRICT;"
  "INSERT INTO audit_chain VALUES (1, 0, x'', 0, x'');";

/* Programs in sandboxes: daemon/io/trust-apps.h. */
static const char step_apps[] =
  "CREATE TABLE app (app TEXT PRIMARY KEY NOT NULL, scopes TEXT NOT NULL, request INTEGER NOT NULL, wants TEXT NOT NULL,"
  " since INTEGER NOT NULL, snoozed_until INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

/* Keys take another's place (docs/protocol.md 3.5): who is to be told of ours, and who named the one that is asked about (empty: nobody). */
static const char step_succession[] =
  "ALTER TABLE contact ADD COLUMN succession_owed INTEGER NOT NULL DEFAULT 0;"
  "ALTER TABLE request ADD COLUMN predecessor BLOB NOT NULL DEFAULT x'';";

/* Invites: made here, used by whom, and proofs owed to others (daemon/io/trust-invites.h). */
static const char step_invites[] =
  "CREATE TABLE invite (id TEXT PRIMARY KEY NOT NULL, secret BLOB NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL,"
  " uses INTEGER NOT NULL, remaining INTEGER NOT NULL, in_person INTEGER NOT NULL, caller TEXT NOT NULL) STRICT, WITHOUT ROWID;"
  "CREATE TABLE invite_use (invite TEXT NOT NULL, fp BLOB NOT NULL, time INTEGER NOT NULL, PRIMARY KEY (invite, fp)) STRICT,"
  " WITHOUT ROWID;"
  "CREATE TABLE invite_owed (fp BLOB PRIMARY KEY NOT NULL, secret BLOB NOT NULL, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

/* Introductions (docs/protocol.md 3.7). */
static const char step_introductions[] =
  "ALTER TABLE key ADD COLUMN introduced_by INTEGER NOT NULL DEFAULT 0;"
  "ALTER TABLE key ADD COLUMN introducer BLOB;"
  "ALTER TABLE key ADD COLUMN warned_by INTEGER NOT NULL DEFAULT 0;"
  "ALTER TABLE request ADD COLUMN introducer BLOB;"
  "ALTER TABLE request ADD COLUMN note TEXT NOT NULL DEFAULT '';"
  "CREATE TABLE declined (n INTEGER PRIMARY KEY AUTOINCREMENT, introducer BLOB NOT NULL, fp BLOB NOT NULL,"
  " UNIQUE (introducer, fp)) STRICT;";

static const char *const steps[] = { step_1, step_2, step_3, step_apps, step_succession, step_invites, step_introductions };

const DbSchema trust_schema = {
  .steps = steps,
  .n_steps = G_N_ELEMENTS (steps),
  .application_id = 0x45725431, /* ErT1 */
};

typedef struct
{
  GArray *contacts, *keys, *requests;
  GHashTable *settings;
  GHashTable *known; /* ids of contacts with a row */
  GHashTable *tombstones;
} Loading;

void
contact_row_clear (ContactRow *row)
{
  g_clear_pointer (&row->petname, g_free);
  g_clear_pointer (&row->addrs, g_strfreev);
}

void
key_row_clear (KeyRow *row)
{
  g_clear_pointer (&row->source, g_free);
}

void
request_row_clear (RequestRow *row)
{
  g_clear_pointer (&row->kind, g_free);
  g_clear_pointer (&row->name, g_free);
  g_clear_pointer (&row->link, g_free);
  g_clear_pointer (&row->note, g_free);
}

static gboolean
load_addrs (sqlite3 *handle, ContactRow *contact, GError **error)
{
  g_autoptr (GPtrArray) addrs = g_ptr_array_new_with_free_func (g_free);
  sqlite3_stmt *stmt = db_prepare (handle, "SELECT addr FROM addr WHERE contact = ?1 ORDER BY position LIMIT 8", error);
  gboolean row;

  if (stmt == NULL)
    return FALSE;
  sqlite3_bind_int64 (stmt, 1, contact->id);
  while (db_step_row (handle, stmt, &row, error))
    {
      if (row)
        {
          g_ptr_array_add (addrs, db_column_dup_or_empty (stmt, 0));
          continue;
        }
      g_ptr_array_add (addrs, NULL);
      contact->addrs = (char **) g_ptr_array_free (g_steal_pointer (&addrs), FALSE);
      return TRUE;
    }
  return FALSE;
}

static gboolean
load_contacts (sqlite3 *handle, Loading *loading, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, "SELECT id, petname, blocked, created, last_seen, stored, legacy, tls_seen,"
                                           " succession_owed FROM contact"
                                           " ORDER BY id", error);
  gboolean row;

  if (stmt == NULL)
    return FALSE;
  while (db_step_row (handle, stmt, &row, error))
    {
      g_autofree char *legacy = NULL;
      ContactRow item = { 0 };

      if (!row)
        return TRUE;
      if (!db_column_contact (stmt, 0, &item.id))
        {
          log_warn ("store", "%s", "a contact with an impossible id was left out");
          continue;
        }
      item.petname = db_column_dup_or_empty (stmt, 1);
      item.blocked = sqlite3_column_int (stmt, 2) != 0;
      item.created = db_column_positive (stmt, 3);
      item.last_seen = db_column_positive (stmt, 4);
      item.stored = sqlite3_column_int (stmt, 5) != 0;
      item.tls_seen = sqlite3_column_int (stmt, 7) != 0;
      item.succession_owed = sqlite3_column_int (stmt, 8) != 0;
      legacy = db_column_dup_or_empty (stmt, 6);
      if (!legacy_choice_from_string (legacy, &item.legacy))
        {
          log_warn ("store", "what contact %u may say in clear is not readable and counts as refused", item.id);
          item.legacy = LEGACY_CHOICE_REFUSED;
        }
      g_array_append_val (loading->contacts, item);
      g_hash_table_add (loading->known, GUINT_TO_POINTER (item.id));
      if (!load_addrs (handle, &g_array_index (loading->contacts, ContactRow, loading->contacts->len - 1), error))
        return FALSE;
    }
  return FALSE;
}

static gboolean
load_tombstones (sqlite3 *handle, GHashTable *set, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, "SELECT fp FROM tombstone", error);
  Fingerprint fp;
  gboolean row;

  if (stmt == NULL)
    return FALSE;
  while (db_step_row (handle, stmt, &row, error))
    {
      if (!row)
        return TRUE;
      if (db_column_fingerprint (stmt, 0, &fp))
        g_hash_table_add (set, g_memdup2 (&fp, sizeof fp));
    }
  return FALSE;
}

static gboolean
load_declined (sqlite3 *handle, GHashTable *set, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, "SELECT introducer, fp FROM declined", error);
  Declined item;
  gboolean row;

  if (stmt == NULL)
    return FALSE;
  while (db_step_row (handle, stmt, &row, error))
    {
      if (!row)
        return TRUE;
      if (db_column_fingerprint (stmt, 0, &item.introducer) && db_column_fingerprint (stmt, 1, &item.fp))
        g_hash_table_add (set, g_memdup2 (&item, sizeof item));
    }
  return FALSE;
}

/* Half an introducer is none: `vouched` then stands alone, which a reader is warned of. */
static void
load_introducer (sqlite3_stmt *stmt, KeyRow *item)
{
  gint64 id;

  if (db_column_range (stmt, 10, 1, CONTACT_ID_MAX, &id) && db_column_fingerprint (stmt, 11, &item->introducer))
    item->introduced_by = (guint32) id;
  if (db_column_range (stmt, 12, 1, CONTACT_ID_MAX, &id))
    item->warned_by = (guint32) id;
}

static gboolean
load_keys (sqlite3 *handle, Loading *loading, GError **error)
{
  static const char sql[] = "SELECT fp, contact, level, source, since, last_used, first_seen, refused, grant_owed, replaced_by,"
                            " introduced_by, introducer, warned_by"
                            " FROM key ORDER BY contact, first_seen, fp";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  gboolean row;

  if (stmt == NULL)
    return FALSE;
  while (db_step_row (handle, stmt, &row, error))
    {
      g_autofree char *level = NULL;
      KeyRow item = { 0 };

      if (!row)
        return TRUE;
      if (!db_column_fingerprint (stmt, 0, &item.fp) || !db_column_contact (stmt, 1, &item.contact)
          || !g_hash_table_contains (loading->known, GUINT_TO_POINTER (item.contact)))
        {
          log_warn ("store", "%s", "a key that belongs to nobody was left out");
          continue;
        }
      level = db_column_dup_or_empty (stmt, 2);
      if (!trust_level_from_string (level, &item.level))
        {
          log_warn ("store", "a key of contact %u has no readable level and counts as unknown", item.contact);
          item.level = TRUST_UNKNOWN;
        }
      item.source = db_column_dup_or_empty (stmt, 3);
      item.since = db_column_positive (stmt, 4);
      item.last_used = db_column_positive (stmt, 5);
      item.first_seen = db_column_positive (stmt, 6);
      item.refused = sqlite3_column_int (stmt, 7) != 0;
      item.grant_owed = sqlite3_column_int (stmt, 8) != 0;
      item.has_replacement = db_column_fingerprint (stmt, 9, &item.replaced_by);
      load_introducer (stmt, &item);
      item.forgotten = g_hash_table_contains (loading->tombstones, &item.fp);
      g_array_append_val (loading->keys, item);
    }
  return FALSE;
}

/* Each kind has its subject: a key, or that there is none. */
static gboolean
load_subject (sqlite3_stmt *stmt, const char *kind, RequestRow *item)
{
  item->keyless = g_str_equal (kind, "legacy-peer");
  if (item->keyless)
    return sqlite3_column_type (stmt, 3) == SQLITE_BLOB && sqlite3_column_bytes (stmt, 3) == 0;
  if (g_str_equal (kind, "introduction"))
    return db_column_fingerprint (stmt, 3, &item->fp) && db_column_fingerprint (stmt, 10, &item->introducer);
  return db_column_fingerprint (stmt, 3, &item->fp)
         && (g_str_equal (kind, "new-key") || g_str_equal (kind, "name-conflict") || g_str_equal (kind, "duplicate-identity"));
}

/* A contact; only what is about our own key is about nobody. */
static gboolean
load_whose (sqlite3_stmt *stmt, const char *kind, const Loading *loading, RequestRow *item)
{
  if (g_str_equal (kind, "duplicate-identity"))
    return sqlite3_column_int64 (stmt, 2) == 0;
  return db_column_contact (stmt, 2, &item->contact) && g_hash_table_contains (loading->known, GUINT_TO_POINTER (item->contact));
}

static gboolean
load_requests (sqlite3 *handle, Loading *loading, GError **error)
{
  static const char sql[] = "SELECT id, kind, contact, fp, created, snoozed_until, name, contested, link, predecessor,"
                            " introducer, note"
                            " FROM request ORDER BY id";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  gboolean row;

  if (stmt == NULL)
    return FALSE;
  while (db_step_row (handle, stmt, &row, error))
    {
      g_autofree char *kind = NULL;
      RequestRow item = { 0 };
      gint64 id, contested;

      if (!row)
        return TRUE;
      kind = db_column_dup_or_empty (stmt, 1);
      if (!db_column_range (stmt, 0, 1, G_MAXINT64, &id) || !load_whose (stmt, kind, loading, &item)
          || !load_subject (stmt, kind, &item) || !db_column_range (stmt, 7, 0, CONTACT_ID_MAX, &contested))
        {
          log_warn ("store", "%s", "a request that makes no sense was left out");
          continue;
        }
      item.id = (guint64) id;
      item.kind = g_steal_pointer (&kind);
      item.created = db_column_positive (stmt, 4);
      item.snoozed_until = db_column_positive (stmt, 5);
      item.name = db_column_dup_or_empty (stmt, 6);
      item.contested = (guint32) contested;
      item.link = db_column_dup_or_empty (stmt, 8);
      item.is_heir = !item.keyless && db_column_fingerprint (stmt, 9, &item.predecessor);
      item.note = db_column_dup_or_empty (stmt, 11);
      g_array_append_val (loading->requests, item);
    }
  return FALSE;
}

static gboolean
load_settings (sqlite3 *handle, Loading *loading, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, "SELECT name, value FROM setting", error);
  gboolean row;

  if (stmt == NULL)
    return FALSE;
  while (db_step_row (handle, stmt, &row, error))
    {
      if (!row)
        return TRUE;
      g_hash_table_replace (loading->settings, db_column_dup_or_empty (stmt, 0), db_column_dup_or_empty (stmt, 1));
    }
  return FALSE;
}

static gboolean
work_load (sqlite3 *handle, gpointer data, GError **error)
{
  Loading *loading = data;

  return load_contacts (handle, loading, error) && load_keys (handle, loading, error)
         && load_requests (handle, loading, error) && load_settings (handle, loading, error);
}

gboolean
trust_store_load (TrustStore *store, GArray **contacts, GArray **keys, GArray **requests, GHashTable **settings,
                  GError **error)
{
  g_autoptr (GArray) all_contacts = g_array_new (FALSE, TRUE, sizeof (ContactRow));
  g_autoptr (GArray) all_keys = g_array_new (FALSE, TRUE, sizeof (KeyRow));
  g_autoptr (GArray) all_requests = g_array_new (FALSE, TRUE, sizeof (RequestRow));
  g_autoptr (GHashTable) all_settings = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr (GHashTable) known = g_hash_table_new (NULL, NULL);
  Loading loading = { .contacts = all_contacts, .keys = all_keys, .requests = all_requests, .settings = all_settings,
                      .known = known, .tombstones = store->tombstones };

  g_array_set_clear_func (all_contacts, (GDestroyNotify) contact_row_clear);
  g_array_set_clear_func (all_keys, (GDestroyNotify) key_row_clear);
  g_array_set_clear_func (all_requests, (GDestroyNotify) request_row_clear);
  if (!db_run_now (store->db, work_load, &loading, error))
    return FALSE;
  *contacts = g_steal_pointer (&all_contacts);
  *keys = g_steal_pointer (&all_keys);
  *requests = g_steal_pointer (&all_requests);
  *settings = g_steal_pointer (&all_settings);
  return TRUE;
}

/* Whatever a person once said no to. */
static gboolean
work_said_no (sqlite3 *handle, gpointer data, GError **error)
{
  TrustStore *store = data;

  return load_tombstones (handle, store->tombstones, error) && load_declined (handle, store->declined, error);
}

TrustStore *
trust_store_open (DbWorker *worker, const char *path, char **set_aside, GError **error)
{
  Db *db = db_open (worker, path, &trust_schema, set_aside, error);
  TrustStore *store;

  if (db == NULL)
    return NULL;
  store = g_new0 (TrustStore, 1);
  store->refs = 1;
  store->db = db;
  store->tombstones = g_hash_table_new_full (fingerprint_hash, fingerprint_equal_func, g_free, NULL);
  store->declined = g_hash_table_new_full (declined_hash, declined_equal, g_free, NULL);
  store->audit_max = AUDIT_MAX;
  if (!db_run_now (db, work_said_no, store, error) || !db_run_now (db, audit_begin, NULL, error))
    {
      trust_store_close (store);
      return NULL;
    }
  return store;
}
