/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An item is a row of `outbox` beside its log row, which has the text. Both come and change in one transaction, so that
 * there is no instant at which a message is owed and not logged or the other way round (docs/protocol.md 4.1).
 */
#include "earshot-config.h"

#include "daemon/io/outbox.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/io/db-values.h"
#include "daemon/io/history-private.h"
#include "daemon/io/outbox-private.h"

#define ITEMS_MAX 100000
#define LOAD_MAX 1000
#define TOKEN_BYTES_MAX 256
#define ITEM_LIFE (30 * G_TIME_SPAN_DAY)

void
outbox_item_free (OutboxItem *item)
{
  if (item == NULL)
    return;
  g_free (item->id);
  g_free (item->body);
  g_free (item->thread);
  g_free (item->reply_to);
  g_free (item->about);
  g_free (item->url);
  g_free (item->payload);
  g_free (item->reason);
  g_free (item);
}

static void
outbox_unref (Outbox *outbox)
{
  if (--outbox->refs > 0)
    return;
  g_hash_table_unref (outbox->marks);
  g_free (outbox);
}

Owing *
owing_new (Outbox *outbox, gpointer user)
{
  Owing *owing = g_new0 (Owing, 1);

  outbox->refs++;
  owing->outbox = outbox;
  owing->user = user;
  return owing;
}

/* Work may run twice. */
void
owing_reset (Owing *owing)
{
  g_clear_error (&owing->refusal);
  g_clear_pointer (&owing->items, g_ptr_array_unref);
  g_clear_pointer (&owing->first_id, g_free);
  g_clear_pointer (&owing->dropped, g_ptr_array_unref);
  owing->seq = 0;
  owing->count = 0;
  owing->held = 0;
  owing->repeat = owing->counted = FALSE;
}

void
owing_free (gpointer data)
{
  Owing *owing = data;

  owing_reset (owing);
  outbox_item_free (owing->item);
  g_free (owing->text);
  g_free (owing->state);
  g_free (owing->reason);
  g_clear_pointer (&owing->marks, g_hash_table_unref);
  outbox_unref (owing->outbox);
  g_free (owing);
}

gboolean
owing_refuse (Owing *owing, EarshotError code, const char *message)
{
  g_clear_error (&owing->refusal);
  owing->refusal = g_error_new_literal (EARSHOT_ERROR, (gint) code, message);
  return TRUE;
}

void
owing_done (gpointer data, const GError *error)
{
  Owing *owing = data;

  if (owing->report.done != NULL)
    owing->report.done (owing->user, error != NULL ? error : owing->refusal);
}

/* --- adding --------------------------------------------------------------- */

static gboolean
find_token (sqlite3 *handle, Owing *owing, GError **error)
{
  static const char sql[] = "SELECT seq, id FROM token WHERE contact = ?1 AND token = ?2 AND time > ?3 AND " OUTBOX_LEFT_OF ("token");
  sqlite3_stmt *stmt;
  gboolean row;
  gint64 age;

  if (!history_clock_in_job (handle, owing->now, FALSE, &age, error) || (stmt = db_prepare (handle, sql, error)) == NULL)
    return FALSE;
  sqlite3_bind_int64 (stmt, 1, owing->item->contact);
  db_bind_text (stmt, 2, owing->text);
  sqlite3_bind_int64 (stmt, 3, age - TOKEN_LIFE);
  if (!db_step_row (handle, stmt, &row, error))
    return FALSE;
  if (row)
    {
      owing->repeat = TRUE;
      owing->seq = (guint64) db_column_positive (stmt, 0);
      owing->first_id = db_column_dup_or_empty (stmt, 1);
    }
  return TRUE;
}

static gboolean
insert_token (sqlite3 *handle, Owing *owing, GError **error)
{
  static const char sql[] = "INSERT OR REPLACE INTO token (contact, token, seq, id, time) VALUES (?1, ?2, ?3, ?4, ?5)";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);

  if (stmt == NULL)
    return FALSE;
  sqlite3_bind_int64 (stmt, 1, owing->item->contact);
  db_bind_text (stmt, 2, owing->text);
  db_bind_seq (stmt, 3, owing->seq);
  db_bind_text (stmt, 4, owing->item->id);
  sqlite3_bind_int64 (stmt, 5, owing->now);
  return db_step_done (handle, stmt, error);
}

static gboolean
insert_item (sqlite3 *handle, const OutboxItem *item, guint64 seq, GError **error)
{
  static const char sql[] = "INSERT INTO outbox (seq, contact, created, first_sent, expires, require, held, reason, payload)"
                            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);

  if (stmt == NULL)
    return FALSE;
  db_bind_seq (stmt, 1, seq);
  sqlite3_bind_int64 (stmt, 2, item->contact);
  sqlite3_bind_int64 (stmt, 3, item->created);
  sqlite3_bind_int64 (stmt, 4, item->first_sent);
  sqlite3_bind_int64 (stmt, 5, item->expires);
  db_bind_text (stmt, 6, require_to_string (item->require));
  sqlite3_bind_int (stmt, 7, item->held ? 1 : 0);
  db_bind_text (stmt, 8, item->reason != NULL ? item->reason : "");
  db_bind_text (stmt, 9, item->payload);
  return db_step_done (handle, stmt, error);
}

static gboolean
count_items (sqlite3 *handle, guint64 *count, GError **error)
{
  static const char sql[] = "SELECT (SELECT count(*) FROM outbox) - (SELECT count(*) FROM doomed CROSS JOIN outbox INDEXED BY outbox_contact"
                            " ON outbox.contact = doomed.contact AND outbox.seq <= doomed.until)";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  gboolean row;

  if (stmt == NULL || !db_step_row (handle, stmt, &row, error))
    return FALSE;
  *count = row ? (guint64) db_column_positive (stmt, 0) : 0;
  return TRUE;
}

static gboolean
never_arrives (sqlite3 *handle, const OutboxItem *item, gboolean *never, GError **error)
{
  static const char sql[] = "SELECT state IN ('failed', 'cancelled') FROM log INDEXED BY log_id WHERE id = ?1 AND contact = ?2"
                            " AND kind = 0 AND direction = 1 LIMIT 1";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  gboolean row;

  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, item->about);
  sqlite3_bind_int64 (stmt, 2, item->contact);
  if (!db_step_row (handle, stmt, &row, error))
    return FALSE;
  *never = row && item->kind != MESSAGE_REACTION && sqlite3_column_int (stmt, 0) != 0;
  return TRUE;
}

/* A correction says again what its message said: it demands no less of the key it goes to, and so never goes before it. */
static gboolean
demand_as_much (sqlite3 *handle, OutboxItem *item, GError **error)
{
  static const char sql[] = "SELECT flags >> " G_STRINGIFY (FLAG_REQUIRE_SHIFT) " & 7 FROM log INDEXED BY log_id WHERE id = ?1 AND contact = ?2"
                            " AND kind = 0 AND direction = 1 LIMIT 1";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  gboolean row;

  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, item->about);
  sqlite3_bind_int64 (stmt, 2, item->contact);
  if (!db_step_row (handle, stmt, &row, error))
    return FALSE;
  if (row)
    item->require = CLAMP ((Require) sqlite3_column_int (stmt, 0), item->require, REQUIRE_VERIFIED);
  return TRUE;
}

/* What it says about a message is done here at once; the peer hears of it in its turn. */
static gboolean
amend (sqlite3 *handle, Owing *owing, LogEntry *entry, GError **error)
{
  OutboxItem *item = owing->item;
  gboolean found, never;

  if (!never_arrives (handle, item, &never, error))
    return FALSE;
  if (never)
    return owing_refuse (owing, EARSHOT_ERROR_FAILED, "that message never arrived");
  entry->about = g_strdup (item->about);
  if (!history_amend_in_job (handle, entry, &found, error))
    return FALSE;
  g_free (item->about);
  item->about = entry->about;
  if (!found)
    return owing_refuse (owing, EARSHOT_ERROR_NOT_FOUND, "no message with that id can be meant");
  if (item->kind == MESSAGE_EDIT)
    return demand_as_much (handle, item, error);
  if (item->kind != MESSAGE_RETRACT)
    return TRUE;
  owing->dropped = g_ptr_array_new_with_free_func (g_free);
  return outbox_cancel_in_job (handle, item->contact, item->about, "retracted", owing->now, owing->dropped, error);
}

static gboolean
note_change (sqlite3 *handle, const OutboxItem *item, const char *state, GError **error)
{
  Kind kind = item->kind == MESSAGE_EDIT ? KIND_EDIT : item->kind == MESSAGE_RETRACT ? KIND_RETRACT : KIND_REACTION;

  return history_change_in_job (handle, item->contact, kind, item->about, state, error);
}

static gboolean
work_add (sqlite3 *handle, gpointer data, GError **error)
{
  Owing *owing = data;
  OutboxItem *item = owing->item;
  LogEntry entry = { .time = item->created, .kind = (char *) message_kind_to_string (item->kind), .contact = item->contact,
                     .id = item->id, .direction = DIRECTION_OUT, .body = item->body, .sent_time = item->created,
                     .thread = item->thread, .reply_to = item->reply_to, .url = item->url, .unstyled = item->unstyled,
                     .markable = item->kind == MESSAGE_TEXT, .require = item->require, .state = (char *) (item->held ? "held" : "queued"),
                     .reason = item->reason };

  owing_reset (owing);
  if (item->contact == 0 || item->contact > CONTACT_ID_MAX || item->id == NULL || item->id[0] == '\0'
      || (owing->text != NULL && strlen (owing->text) > TOKEN_BYTES_MAX))
    return owing_refuse (owing, EARSHOT_ERROR_INVALID_ARGUMENT, "no item, or a token over 256 bytes");
  if (owing->text != NULL && !find_token (handle, owing, error))
    return FALSE;
  if (owing->repeat)
    return TRUE;
  if (owing->flag)
    {
      if (!count_items (handle, &owing->count, error))
        return FALSE;
      owing->counted = TRUE;
      if (owing->count >= ITEMS_MAX)
        return owing_refuse (owing, EARSHOT_ERROR_QUOTA_EXCEEDED, "too many messages wait");
    }
  if (item->kind != MESSAGE_TEXT && !amend (handle, owing, &entry, error))
    return FALSE;
  if (owing->refusal != NULL)
    return TRUE;
  if (!history_append_in_job (handle, &entry, error) || !insert_item (handle, item, entry.seq, error)
      || (item->kind != MESSAGE_TEXT && !note_change (handle, item, entry.state, error)))
    return FALSE;
  owing->seq = entry.seq;
  return owing->text == NULL || insert_token (handle, owing, error);
}

static void
done_added (gpointer data, const GError *error)
{
  Owing *owing = data;
  Outbox *outbox = owing->outbox;
  OutboxItem *item = g_steal_pointer (&owing->item);
  guint dropped = owing->dropped != NULL && error == NULL ? owing->dropped->len : 0;

  if (error == NULL)
    error = owing->refusal;
  if (error != NULL || owing->repeat)
    outbox->items -= MIN (outbox->items, 1);
  outbox->items -= MIN (outbox->items, dropped);
  if (dropped > 0)
    g_ptr_array_add (owing->dropped, NULL);
  if (owing->counted)
    outbox->items = owing->count + db_get_pending (outbox->db) + 1;
  item->seq = error == NULL ? owing->seq : 0;
  if (owing->report.added == NULL)
    outbox_item_free (item);
  else if (error != NULL)
    owing->report.added (owing->user, item, NULL, 0, FALSE, NULL, error);
  else
    owing->report.added (owing->user, item, owing->repeat ? owing->first_id : item->id, owing->seq, owing->repeat,
                         dropped > 0 ? (const char *const *) owing->dropped->pdata : NULL, NULL);
}

void
outbox_add (Outbox *outbox, OutboxItem *item_take, const char *token, OutboxAdded done, gpointer user)
{
  Owing *owing = owing_new (outbox, user);

  owing->item = item_take;
  owing->text = g_strdup (token);
  owing->now = g_get_real_time ();
  if (item_take->created <= 0)
    item_take->created = owing->now;
  if (item_take->expires <= 0)
    item_take->expires = item_take->created + ITEM_LIFE;
  /* The exact count costs a scan: only where it might matter. */
  owing->flag = outbox->items >= ITEMS_MAX;
  outbox->items++;
  owing->report.added = done;
  db_submit (outbox->db, TRUE, work_add, done_added, owing, owing_free);
}

/* --- loading -------------------------------------------------------------- */

#define ITEM_COLUMNS "outbox.seq, log.id, outbox.contact, coalesce(log.original, log.body), log.thread, log.reply_to, outbox.created," \
                     " outbox.first_sent, outbox.expires, outbox.require, outbox.held, outbox.reason, log.kind, log.about," \
                     " CASE WHEN log.original_flags IS NULL THEN log.url ELSE log.original_url END," \
                     " coalesce(log.original_flags, log.flags), outbox.payload"

static gboolean
read_kind (sqlite3_stmt *stmt, OutboxItem *item)
{
  gint64 kind;

  if (!db_column_range (stmt, 12, 0, KIND_N - 1, &kind))
    return FALSE;
  item->kind = kind == KIND_EDIT       ? MESSAGE_EDIT
               : kind == KIND_RETRACT  ? MESSAGE_RETRACT
               : kind == KIND_REACTION ? MESSAGE_REACTION
                                       : MESSAGE_TEXT;
  item->about = db_column_dup (stmt, 13);
  item->url = db_column_dup (stmt, 14);
  item->unstyled = (sqlite3_column_int (stmt, 15) & FLAG_UNSTYLED) != 0;
  return (item->kind == MESSAGE_TEXT) == (item->about == NULL);
}

static OutboxItem *
read_item (sqlite3_stmt *stmt)
{
  g_autoptr (OutboxItem) item = g_new0 (OutboxItem, 1);
  g_autofree char *require = db_column_dup_or_empty (stmt, 9);

  item->seq = (guint64) db_column_positive (stmt, 0);
  item->id = db_column_dup_or_empty (stmt, 1);
  if (item->seq == 0 || item->id[0] == '\0' || !db_column_contact (stmt, 2, &item->contact) || !read_kind (stmt, item))
    return NULL;
  item->body = db_column_dup_or_empty (stmt, 3);
  item->thread = db_column_dup (stmt, 4);
  item->reply_to = db_column_dup (stmt, 5);
  item->created = db_column_positive (stmt, 6);
  item->first_sent = db_column_positive (stmt, 7);
  item->expires = db_column_positive (stmt, 8);
  if (!require_from_string (require, &item->require))
    item->require = REQUIRE_VERIFIED; /* not readable: the most careful one */
  item->held = sqlite3_column_int (stmt, 10) != 0;
  item->reason = db_column_dup_or_empty (stmt, 11);
  item->payload = db_column_dup (stmt, 16);
  return g_steal_pointer (&item);
}

static gboolean
work_load (sqlite3 *handle, gpointer data, GError **error)
{
  static const char sql[] = "SELECT " ITEM_COLUMNS " FROM outbox INDEXED BY outbox_contact CROSS JOIN log ON log.seq = outbox.seq"
                            " WHERE outbox.contact = ?1 AND outbox.seq > ?2 AND " OUTBOX_LEFT " ORDER BY outbox.seq LIMIT ?3";
  Owing *owing = data;
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  gboolean row;

  owing_reset (owing);
  owing->items = g_ptr_array_new_with_free_func ((GDestroyNotify) outbox_item_free);
  if (stmt == NULL)
    return FALSE;
  sqlite3_bind_int64 (stmt, 1, owing->contact);
  db_bind_seq (stmt, 2, owing->after);
  sqlite3_bind_int64 (stmt, 3, owing->limit);
  while (db_step_row (handle, stmt, &row, error))
    {
      OutboxItem *item;

      if (!row)
        return TRUE;
      item = read_item (stmt);
      if (item != NULL)
        g_ptr_array_add (owing->items, item);
    }
  return FALSE;
}

static void
done_loaded (gpointer data, const GError *error)
{
  Owing *owing = data;

  if (owing->report.loaded != NULL)
    owing->report.loaded (owing->user, error == NULL ? g_steal_pointer (&owing->items) : NULL, error);
}

void
outbox_load (Outbox *outbox, guint32 contact, guint64 after, guint limit, OutboxLoaded done, gpointer user)
{
  Owing *owing = owing_new (outbox, user);

  outbox_write_marks (outbox);
  owing->contact = contact;
  owing->after = after;
  owing->limit = MIN (limit, LOAD_MAX);
  owing->report.loaded = done;
  db_submit (outbox->db, FALSE, work_load, done_loaded, owing, owing_free);
}

/* --- settling ------------------------------------------------------------- */

/* The seq of the item with that id, 0 = none. Contact 0: whoever has it. */
gboolean
outbox_find_in_job (sqlite3 *handle, guint32 contact, const char *id, guint64 *seq, GError **error)
{
  static const char sql[] = "SELECT outbox.seq FROM log INDEXED BY log_id CROSS JOIN outbox ON outbox.seq = log.seq"
                            " WHERE log.id = ?1 AND " SPOKEN_OF ("log.kind") " AND log.direction = 1"
                            " AND (?2 = 0 OR outbox.contact = ?2) AND " OUTBOX_LEFT " LIMIT 1";
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  gboolean row;

  *seq = 0;
  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, id);
  sqlite3_bind_int64 (stmt, 2, contact);
  if (!db_step_row (handle, stmt, &row, error))
    return FALSE;
  if (row)
    *seq = (guint64) db_column_positive (stmt, 0);
  return TRUE;
}

gboolean
outbox_cancel_in_job (sqlite3 *handle, guint32 contact, const char *id, const char *reason, gint64 now, GPtrArray *dropped,
                      GError **error)
{
  static const char sql[] = "SELECT id FROM log INDEXED BY log_id WHERE id = ?1 AND contact = ?2 AND kind = 0 AND direction = 1"
                            " UNION ALL SELECT id FROM log INDEXED BY log_about WHERE about = ?1 AND contact = ?2 AND kind = 5"
                            " AND direction = 1";
  g_autoptr (GPtrArray) ids = g_ptr_array_new_with_free_func (g_free);
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  gboolean row;
  guint64 seq;

  if (stmt == NULL)
    return FALSE;
  db_bind_text (stmt, 1, id);
  sqlite3_bind_int64 (stmt, 2, contact);
  do
    {
      if (!db_step_row (handle, stmt, &row, error))
        return FALSE;
      if (row)
        g_ptr_array_add (ids, db_column_dup_or_empty (stmt, 0));
    }
  while (row);
  for (guint i = 0; i < ids->len; i++)
    {
      if (!outbox_find_in_job (handle, contact, ids->pdata[i], &seq, error))
        return FALSE;
      if (seq == 0)
        continue;
      if (!outbox_remove_in_job (handle, seq, error)
          || !history_state_in_job (handle, contact, ids->pdata[i], "cancelled", reason, now, NULL, error))
        return FALSE;
      g_ptr_array_add (dropped, g_strdup (ids->pdata[i]));
    }
  return TRUE;
}

gboolean
outbox_remove_in_job (sqlite3 *handle, guint64 seq, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, "DELETE FROM outbox WHERE seq = ?1", error);

  if (stmt == NULL)
    return FALSE;
  db_bind_seq (stmt, 1, seq);
  return db_step_done (handle, stmt, error);
}

/* The log's row has the number of the item. */
static gboolean
flag_insecure (sqlite3 *handle, guint64 seq, GError **error)
{
  sqlite3_stmt *stmt = db_prepare (handle, "UPDATE log SET insecure = 1 WHERE seq = ?1", error);

  if (stmt == NULL)
    return FALSE;
  db_bind_seq (stmt, 1, seq);
  return db_step_done (handle, stmt, error);
}

static gboolean
work_settle (sqlite3 *handle, gpointer data, GError **error)
{
  Owing *owing = data;
  guint64 item;

  owing_reset (owing);
  if (owing->contact == 0)
    return owing_refuse (owing, EARSHOT_ERROR_NOT_FOUND, "no contact");
  if (!outbox_find_in_job (handle, owing->contact, owing->text, &item, error))
    return FALSE;
  if (item == 0)
    return owing_refuse (owing, EARSHOT_ERROR_NOT_FOUND, "nothing of that id is owed to this contact");
  if (!outbox_remove_in_job (handle, item, error) || (owing->flag && !flag_insecure (handle, item, error)))
    return FALSE;
  /* What corrects a message that nobody gets is for nobody. */
  owing->dropped = g_ptr_array_new_with_free_func (g_free);
  if (strcmp (owing->state, "cancelled") == 0
      && !outbox_cancel_in_job (handle, owing->contact, owing->text, owing->reason, owing->now, owing->dropped, error))
    return FALSE;
  owing->count = 1 + owing->dropped->len;
  return history_state_in_job (handle, owing->contact, owing->text, owing->state, owing->reason, owing->now, &owing->seq, error);
}

static void
done_settled (gpointer data, const GError *error)
{
  Owing *owing = data;
  const char *const *dropped = NULL;

  if (error == NULL)
    error = owing->refusal;
  if (error == NULL && owing->dropped->len > 0)
    {
      g_ptr_array_add (owing->dropped, NULL);
      dropped = (const char *const *) owing->dropped->pdata;
    }
  if (error == NULL)
    {
      /* Not before: another contact that names this id settles nothing. */
      g_hash_table_remove (owing->outbox->marks, owing->text);
      owing->outbox->items -= MIN (owing->outbox->items, owing->count);
    }
  if (owing->report.settled != NULL)
    owing->report.settled (owing->user, owing->contact, owing->text, error == NULL ? owing->seq : 0, dropped, error);
}

static void
settle (Outbox *outbox, guint32 contact, const char *id, const char *state, const char *reason, gboolean insecure,
        OutboxSettled done, gpointer user)
{
  Owing *owing = owing_new (outbox, user);

  owing->contact = contact;
  owing->text = g_strdup (id);
  owing->state = g_strdup (state);
  owing->reason = g_strdup (reason != NULL ? reason : "");
  owing->now = g_get_real_time ();
  owing->flag = insecure;
  owing->report.settled = done;
  db_submit_patient (outbox->db, work_settle, done_settled, owing, owing_free);
}

void
outbox_settle (Outbox *outbox, guint32 contact, const char *id, const char *state, const char *reason,
               OutboxSettled done, gpointer user)
{
  settle (outbox, contact, id, state, reason, FALSE, done, user);
}

void
outbox_settle_clear (Outbox *outbox, guint32 contact, const char *id, OutboxSettled done, gpointer user)
{
  settle (outbox, contact, id, "sent", "unconfirmed", TRUE, done, user);
}

/* --- start-up ------------------------------------------------------------- */

static gboolean
work_count (sqlite3 *handle, gpointer data, GError **error)
{
  return count_items (handle, data, error);
}

Outbox *
outbox_new (Db *db)
{
  g_autoptr (GError) error = NULL;
  Outbox *outbox = g_new0 (Outbox, 1);

  outbox->refs = 1;
  outbox->db = db;
  outbox->marks = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  if (!db_run_now (db, work_count, &outbox->items, &error))
    {
      /* The exact count is then asked for at the first add. */
      log_warn ("store", "outbox: %s", error->message);
      outbox->items = ITEMS_MAX;
    }
  return outbox;
}

void
outbox_free (Outbox *outbox)
{
  if (outbox == NULL)
    return;
  outbox_write_marks (outbox);
  outbox_unref (outbox);
}

static gboolean
work_summarize (sqlite3 *handle, gpointer data, GError **error)
{
  static const char sql[] = "SELECT contact, count(*), sum(held <> 0), min(seq), min(expires) FROM outbox WHERE " OUTBOX_LEFT " GROUP BY contact"
                            " ORDER BY min(seq)";
  GArray *summaries = data;
  sqlite3_stmt *stmt = db_prepare (handle, sql, error);
  gboolean row;

  g_array_set_size (summaries, 0);
  if (stmt == NULL)
    return FALSE;
  while (db_step_row (handle, stmt, &row, error))
    {
      OutboxSummary summary = { 0 };

      if (!row)
        return TRUE;
      if (!db_column_contact (stmt, 0, &summary.contact))
        continue;
      summary.queued = (guint) MIN (db_column_positive (stmt, 1), G_MAXINT32);
      summary.held = (guint) MIN (db_column_positive (stmt, 2), G_MAXINT32);
      summary.first_seq = (guint64) db_column_positive (stmt, 3);
      summary.next_expiry = db_column_positive (stmt, 4);
      g_array_append_val (summaries, summary);
    }
  return FALSE;
}

gboolean
outbox_summarize (Outbox *outbox, GArray **summaries, GError **error)
{
  g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (OutboxSummary));

  if (!db_run_now (outbox->db, work_summarize, found, error))
    return FALSE;
  *summaries = g_steal_pointer (&found);
  return TRUE;
}
