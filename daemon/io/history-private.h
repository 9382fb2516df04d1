/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Between history.c (what comes in, opening), history-amend.c (what that does to earlier messages), history-read.c (what is
 * asked), history-search.c (what is looked for), history-keep.c (deleting, consumers, reading state), history-forget.c (a whole
 * conversation) and history-upkeep.c (retention). A job carries its arguments in and its results out; work sets its results anew, since it may run twice.
 */
#pragma once

#include "daemon/io/db-values.h"
#include "daemon/io/history.h"

extern const DbSchema messages_schema;

struct _History
{
  Db *db;
  guint tidy_source;
  gboolean stopping, forgetting;
};

/* How kinds are written to disk; never renumbered. */
typedef enum {
  KIND_MESSAGE,
  KIND_STATE,
  KIND_READ,
  KIND_TRUST,
  KIND_REQUEST,
  KIND_EDIT,
  KIND_RETRACT,
  KIND_TRANSFER,
  KIND_REACTION,
  KIND_N
} Kind;
/* What people say to each other: it has an id, a way to the peer and a state there. A bit for each kind: for a list of more than two, SQLite
 * makes a table each time, and that was a fifth of all that the writer did. */
#define SPOKEN_OF(column) "(353 >> " column " & 1)" /* message, edit, retract, reaction */
#define SPOKEN SPOKEN_OF ("kind")
/* A bit of the direction on disk. */
#define DIRECTION_IMPORTED 2
#define FLAG_UNSTYLED 1
#define FLAG_MARKABLE 2
#define FLAG_REQUIRE_SHIFT 2 /* three bits, of what we sent: Require; 0 in rows of older releases */

typedef struct
{
  /* arguments */
  History *history;
  LogEntry *entry;
  Fingerprint key;
  guint32 contact, other;
  guint64 seq;
  guint64 max;
  gint64 now;
  guint limit;
  guint kinds; /* bits 1 << Kind */
  gboolean flag;
  char *name;
  char **ids;
  /* results */
  GError *refusal;
  ReceivedResult received;
  GPtrArray *items;
  gboolean more;
  guint64 last;
  guint count;
  /* who asked */
  union
  {
    DoneFunc done;
    HistoryReceived received;
    HistoryEntries entries;
    HistoryGot got;
    HistoryAppended appended;
    HistoryCursor cursor;
    HistoryConsumers consumers;
    HistoryRead read;
    HistoryDeleted deleted;
  } report;
  gpointer user;
} Job;

Job *job_new (gpointer user);
void job_free (gpointer job);
/* Between two jobs of a long story: is it to end here? */
gboolean history_is_stopping (History *history, GError **error);
/* Clears the results: first line of each work function. */
void job_reset (Job *job);
/* Says no without failing the transaction; nothing has been changed. Returns TRUE. */
gboolean job_refuse (Job *job, EarshotError code, const char *message);
/* DbDone for verbs that report a DoneFunc. */
void job_done (gpointer job, const GError *error);
/* DbDone for verbs that report entries. */
void job_done_entries (gpointer job, const GError *error);

/* The columns of `log` in the order log_entry_read() wants them. */
#define LOG_COLUMNS \
  "seq, time, kind, contact, id, direction, insecure, sent_time, key, trust, thread, reply_to, state, reason, body," \
  " about, edited, retracted, reactions_in, reactions_out, url, flags, change_state, change_reason"
/* A row, checked; NULL: not sane. */
LogEntry *log_entry_read (sqlite3_stmt *stmt);
#define ANSWER_BYTES_MAX (1000 * 1000) /* of 1 MiB, which the bus message has for all of it */
/* What an entry takes of that. */
gsize log_entry_bytes (const LogEntry *entry);
guint history_clamp_limit (guint limit);
gboolean kind_from_string (const char *text, Kind *kind);
/* FALSE: a word that is no kind. NULL or empty means all. */
gboolean kinds_from_strings (const char *const *words, guint *kinds);

/* Runs a statement whose parameters are numbers. */
gboolean history_run_numbers (sqlite3 *handle, const char *static_sql, const gint64 *numbers, int n, GError **error);
/* The first column of the only row; `otherwise` without a row or for NULL. */
gboolean history_ask_number (sqlite3 *handle, const char *static_sql, const gint64 *numbers, int n, gint64 otherwise, gint64 *value,
                             GError **error);
/* Before the entry with that new number is committed: it is given once (history-numbers.c). */
gboolean history_number_in_job (sqlite3 *handle, guint64 seq, GError **error);
/* DbWork for the start, and for the end. */
gboolean history_begin_numbers (sqlite3 *handle, gpointer unused, GError **error);
gboolean history_end_numbers (sqlite3 *handle, gpointer unused, GError **error);
/* The time that ages are told by: `now`, unless the clock leapt (history-clock.c). `look`: remembers what the clock says. */
gboolean history_clock_in_job (sqlite3 *handle, gint64 now, gboolean look, gint64 *age, GError **error);
/* Of `log`: it was not forgotten (history-forget.c). */
#define HISTORY_LEFT "NOT EXISTS (SELECT 1 FROM doomed WHERE doomed.contact = log.contact AND doomed.until >= log.seq)"
/* What was begun to be forgotten goes on, unless it does already. */
void history_forget_on (History *history);
/* A DbWork for the start: how many conversations that are (gint64). */
gboolean history_find_doomed (sqlite3 *handle, gpointer count, GError **error);
/* An entry that retention must leave. */
#define OWED "(" SPOKEN " AND direction = 1 AND state IN ('queued', 'held'))"
/* What was deleted leaves its last traces, in a minute: a row of deletions is tidied up behind once. */
#define TIDY_AFTER_S 60
void history_tidy_soon (History *history);
/* Takes out of the index what was deleted or changed since, at most `limit` texts; *left (may be NULL): there may be more. */
#define UNINDEX_MAX 1000
gboolean history_unindex_in_job (sqlite3 *handle, int limit, gboolean *left, GError **error);
/* Does to its message what an entry of kind edit, retract or reaction says; its `about` becomes the id of that message. FALSE
 * in *found: there is none that it may mean, and nothing was changed. Writer thread only. */
gboolean history_amend_in_job (sqlite3 *handle, LogEntry *entry, gboolean *found, GError **error);
/* Our entry of that kind about `about` is in `state` now: undone where that means that it never arrives, and put down in its message. */
gboolean history_change_in_job (sqlite3 *handle, guint32 contact, Kind kind, const char *about, const char *state, GError **error);
/* Drops a reply_to that names nothing of this conversation: another one's would be shown as a quote in this one. */
gboolean history_check_reply_in_job (sqlite3 *handle, LogEntry *entry, GError **error);
/* The newest received message of after < seq <= until that asks for a marker, kept as the conversation's; *id is the caller's and
 * stays as it is when there is none. */
gboolean history_find_marker_in_job (sqlite3 *handle, guint32 contact, guint64 after, guint64 until, char **id, GError **error);
/* Counts a conversation's unread messages anew. */
gboolean history_recount_in_job (sqlite3 *handle, guint32 contact, GError **error);
/* Highest seq ever given. */
gboolean history_head_in_job (sqlite3 *handle, guint64 *head, GError **error);
/* Lowest seq a consumer can still ask for. */
gboolean history_tail_in_job (sqlite3 *handle, guint64 *tail, GError **error);
