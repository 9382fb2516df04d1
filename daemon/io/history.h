/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What was said: the log with its 64-bit seq, duplicates seen, consumers' cursors, reading state, and the
 * messages that strangers left aside. Owns messages.db and its SQL, except the outbox tables.
 * Asynchronous verbs report on the main loop after the commit.
 */
#pragma once

#include <glib.h>

#include "daemon/base/error.h"
#include "daemon/base/fingerprint.h"
#include "daemon/io/db.h"
#include "daemon/proto/trust-policy.h"

typedef enum { DIRECTION_IN, DIRECTION_OUT } Direction;

typedef struct {
  guint64 seq;
  gint64 time;             /* microseconds since the epoch: when we logged it */
  char *kind;              /* message, edit, retract, reaction, state, read, trust, request */
  guint32 contact;         /* the conversation */
  char *id;                /* message id, "" = none */
  /* kind message: */
  Direction direction;
  gboolean imported;       /* from a file: history, and nothing else (daemon/io/history-import.c) */
  gboolean has_key;
  Fingerprint key;         /* who authenticated it */
  char *body;
  gint64 sent_time;        /* the sender's claim, or ours */
  char *trust;             /* level word at that moment */
  gboolean insecure;
  char *thread, *reply_to; /* NULL = none */
  char *url;               /* a link that goes along; never fetched. NULL = none */
  gboolean unstyled;       /* the text means what it says (XEP-0393) */
  gboolean markable;       /* the sender wants to know when it was displayed (XEP-0333) */
  Require require;         /* write only, of ours: what it demands of the key it goes to; a correction of it demands no less */
  /* of a message, read only: what later ones did to it. `body` is its newest text, NULL when it was retracted. */
  gint64 edited, retracted; /* when; 0 = not */
  char *reactions_in, *reactions_out; /* of the contact, and ours: emojis, one space between; NULL or "" = none */
  char *change_state, *change_reason; /* of our newest correction or retraction of it, until the other side has that; NULL = it has */
  /* kind edit, retract, reaction: id of the message that is meant. `body` is the new text, NULL, or the emojis; the rest as in
   * a message. */
  char *about;
  /* kind state, and the current state of a message: */
  char *state, *reason;
  gboolean unread_gone;    /* out of history_receive(), kind retract: what it took back was unread */
} LogEntry;

LogEntry *log_entry_new (void);
void log_entry_free (LogEntry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LogEntry, log_entry_free)

typedef struct _History History;

History *history_open (DbWorker *worker, const char *path, char **set_aside, GError **error);
/* Before the end: searches and tidying report CANCELLED after the job that runs, instead of going on with the next. */
void history_stop (History *history);
void history_close (History *history);
Db *history_get_db (History *history);

/* Appends inside somebody else's job (outbox): writer thread only. Fills entry->seq. */
gboolean history_append_in_job (sqlite3 *handle, LogEntry *entry, GError **error);
/* Updates the state columns of our message's own row and appends the `state` entry; *seq may be NULL. Where the message
 * is not in the log (any more) nothing happens and *seq is 0. A correction or reaction that failed, expired or was cancelled is undone
 * in the message it means: what counts is again what the other side has. The words of a retracted one are gone; that its retraction
 * failed is put down beside it. Writer thread only. */
gboolean history_state_in_job (sqlite3 *handle, guint32 contact, const char *id, const char *state, const char *reason,
                               gint64 time, guint64 *seq, GError **error);

/* Stores one received message, edit, retract or reaction unless (contact, id) was seen in the last 30 days or is among its last
 * 10 000: then `duplicate`, nothing stored. What is about a message counts only if that is of the same conversation: for
 * edit and retract one of the contact's, for a reaction any, not retracted. Else `unknown` for edit and reaction, and
 * `duplicate` for retract, since what it wants is so; nothing is stored. A reply_to that the conversation does not have is
 * dropped. `seq` is the entry's (the first one's). `conflict`: same id, another body: nothing stored, but
 * that an insecure one is stored under an id of its own, which the entry then has.
 * What the log still holds counts as seen whatever its age. An empty id is never a duplicate. */
typedef enum { RECEIVED_NEW, RECEIVED_DUPLICATE, RECEIVED_CONFLICT, RECEIVED_UNKNOWN } ReceivedResult;
typedef void (*HistoryReceived) (gpointer user, const LogEntry *entry, ReceivedResult result, const GError *error);
void history_receive (History *history, LogEntry *entry_take, HistoryReceived done, gpointer user);

/* A stranger's message, aside (docs/protocol.md 3.4): at most `max` a key and 4096 of all, else QUOTA_EXCEEDED; a repeat of
 * an id is RECEIVED_DUPLICATE. The entry has its key. */
void history_set_aside (History *history, LogEntry *entry_take, guint max, HistoryReceived done, gpointer user);
/* Moves a key's messages into the log under `contact` in order of arrival (dedup applies); reports those that are new
 * there as entries. Their time stays that of their arrival. */
typedef void (*HistoryEntries) (gpointer user, GPtrArray *entries, gboolean more, guint64 last, const GError *error);
void history_admit (History *history, const Fingerprint *key, guint32 contact, HistoryEntries done, gpointer user);
void history_discard (History *history, const Fingerprint *key, DoneFunc done, gpointer user);
/* The messages aside of one key, without moving them. */
void history_preview (History *history, const Fingerprint *key, HistoryEntries done, gpointer user);
/* Start-up: keys with messages aside (array of Fingerprint). */
gboolean history_list_aside (History *history, GArray **keys, GError **error);

/* Reading the log. `contact` 0 = all. Entries array is the callee's; at most `limit` and about 1 MiB. */
void history_list (History *history, guint32 contact, guint64 before, guint limit, const char *const *kinds,
                   HistoryEntries done, gpointer user);   /* newest first below `before` (0 = head) */
void history_fetch (History *history, const char *consumer, guint limit, guint32 contact, const char *const *kinds,
                    HistoryEntries done, gpointer user);  /* oldest first after the cursor; NOT_FOUND, CURSOR_EXPIRED. `last`: what
                                                             to ack; without `more` that is the head, whatever the filter left out */
/* Messages with all of `words` in their body, newest first below `before`; INVALID_ARGUMENT for none, or more than this. Words
 * are words, not parts of them: no case, no accents, no operators; what has punctuation inside is a phrase. Brings the index up to
 * date first, which in the first minute after an upgrade of a long log takes its time, in small jobs. */
#define HISTORY_WORDS_MAX 512 /* bytes */
#define HISTORY_WORDS_N 16
void history_search (History *history, guint32 contact, guint64 before, guint limit, const char *words,
                     HistoryEntries done, gpointer user);
/* Only that: for when nobody waits. */
void history_index (History *history, DoneFunc done, gpointer user);
/* For an export: what follows `after`, oldest first, whoever has fetched it. */
void history_walk (History *history, guint32 contact, guint64 after, guint limit, const char *const *kinds,
                   HistoryEntries done, gpointer user);
/* Messages out of an export with what became of them, and edits, retracts and reactions as records that change nothing; all or none. Those
 * that are there, or were and were deleted, are skipped. Their numbers are new, their times are not. The array owns its LogEntry; checked
 * by the caller; `kind` NULL = message. `last`: the highest new number, 0 = none. */
typedef void (*HistoryImported) (gpointer user, guint added, guint skipped, guint64 last, const GError *error);
void history_import (History *history, GPtrArray *entries_take, HistoryImported done, gpointer user);
/* The message, edit, retract or reaction with that id; NULL entry and NOT_FOUND. One that we sent goes first. */
typedef void (*HistoryGot) (gpointer user, const LogEntry *entry, const GError *error);
void history_get (History *history, const char *id, HistoryGot done, gpointer user);
/* Appends an entry of kind trust, request or read. `done` may be NULL, here and everywhere. */
typedef void (*HistoryAppended) (gpointer user, guint64 seq, const GError *error);
void history_note (History *history, LogEntry *entry_take, HistoryAppended done, gpointer user);
/* Deletes messages by id with their state entries and what is about them, all or none: FAILED while one is queued or held (cancel first), NOT_FOUND
 * when none of them exists. Their ids stay seen. Corrections and reactions of ours about them are owed no more; a retraction that is stays,
 * without a word, and goes its way. Reports for each conversation what is unread now and which ids left the queue. */
typedef struct {
  guint32 contact;
  guint unread;
  char **dropped;
} HistoryGone;
typedef void (*HistoryDeleted) (gpointer user, GPtrArray *gone, const GError *error);
void history_delete (History *history, const char *const *ids, HistoryDeleted done, gpointer user);
/* Deletes a whole conversation: log, aside, reading state, and what is owed to it. When it reports, it is gone for everybody and stays so; the
 * last rows of a long one leave the disk soon after, in small jobs, also after a crash. Ids that were received stay seen. */
void history_delete_contact (History *history, guint32 contact, DoneFunc done, gpointer user);
/* Moves a conversation's rows from one contact to another, with what is owed; nothing unread becomes read. */
void history_move_contact (History *history, guint32 from, guint32 to, DoneFunc done, gpointer user);

/* One that exists reports its cursor and stays as it is. INVALID_ARGUMENT (a name of 1 to 64 bytes of UTF-8), QUOTA_EXCEEDED. */
typedef void (*HistoryCursor) (gpointer user, guint64 cursor, const GError *error);
void history_create_consumer (History *history, const char *name, gboolean from_start, HistoryCursor done, gpointer user);
void history_delete_consumer (History *history, const char *name, DoneFunc done, gpointer user);
/* Forward only; behind the cursor is a no-op, beyond the head INVALID_ARGUMENT. */
void history_ack (History *history, const char *consumer, guint64 seq, DoneFunc done, gpointer user);
typedef struct { char *name; guint64 cursor; gint64 last_seen; } ConsumerRow;
typedef void (*HistoryConsumers) (gpointer user, GPtrArray *consumers, const GError *error);
void history_list_consumers (History *history, HistoryConsumers done, gpointer user);

/* Reading state for people; start-up gives it all (array of ConversationRow). */
typedef struct {
  guint32 contact;
  guint64 last_seq, read_seq;
  guint unread;            /* received messages above read_seq */
  gboolean muted;
  char *require;           /* default require word or "" */
  char *marker;            /* id of the message that the contact is still to be told was displayed, or "" */
} ConversationRow;
void conversation_row_clear (ConversationRow *row);
gboolean history_load_conversations (History *history, GArray **rows, guint64 *head, guint64 *tail, GError **error);
/* Forward only, up to the conversation's last entry; reports what is read now, the unread count that remains, and with `marker`
 * the newest message in between whose sender wants to know (NULL = none), which is then also kept as the conversation's. */
typedef void (*HistoryRead) (gpointer user, guint32 contact, guint64 read_seq, guint unread, const char *marker, const GError *error);
void history_mark_read (History *history, guint32 contact, guint64 seq, gboolean marker, HistoryRead done, gpointer user);
/* The marker left, or never will: a later one stays. */
void history_marker_sent (History *history, guint32 contact, const char *id);
/* The contact says that it displayed our message `id`, and so those before: state `displayed` for the newest 500 of them that
 * asked and were delivered. Forward only. Reports the seq of the last state entry, 0 = nothing changed. */
void history_displayed (History *history, guint32 contact, const char *id, HistoryAppended done, gpointer user);
void history_set_conversation (History *history, guint32 contact, gboolean muted, const char *require, DoneFunc done, gpointer user);
/* Once a day and at start, in small jobs: drops, oldest first, the entries beyond the limits (0 = none; each conversation by itself),
 * never what is owed nor what a consumer seen in the last 30 days has not acked; forgets seen-ids past their time; brings the index
 * up to date; gives space back. A clock that leapt makes nothing old (history-clock.c). */
typedef struct {
  guint64 entries;         /* newest kept per conversation */
  guint64 bytes;           /* of bodies and 64 for each entry, per conversation */
  guint days;
} HistoryLimits;
/* Meanwhile, for a conversation that lost unread ones: what is unread now. */
typedef void (*HistoryLost) (gpointer user, guint32 contact, guint unread);
/* Reports the lowest number that a consumer can still ask for. `lost` may be NULL. */
void history_prune (History *history, gint64 now, const HistoryLimits *limits, HistoryLost lost, HistoryAppended done, gpointer user);
