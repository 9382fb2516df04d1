/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The ladder of messages.db. A released step is never edited: a change is a new step.
 *
 * log       what was said, in order; AUTOINCREMENT, so that a seq is never given twice. A message's row carries its
 *           current state, each change of it is an entry of its own. The body comes last: what filters by the other
 *           columns does not read its overflow pages.
 * log_contact answers "newest of a conversation", with kind and direction inside, so that counting unread messages
 *           reads the index only. log_id answers everything asked by message id, duplicates included.
 * seen      ids whose log row is gone (deleted, pruned) and that may still be sent again.
 * aside     messages of strangers, until the user decides.
 * outbox    what is owed (outbox.c); text and threading are in its log row, payload is what goes along besides. token: what Send was told to do once.
 * meta      tail: the seq below which retention may have taken entries. indexed, unmerged: see step_search.
 *
 * Since step_amend: a correction, retraction or reaction is a row of its own, `about` the message whose id it names. The message's
 * row carries what came of them: its newest text is `body`, `original` the first one where that is another (an owed
 * message leaves with it, and a repeat is compared with it), `edited` and `retracted` are times. `flags`: 1 unstyled,
 * 2 markable. log_about finds what is about a message. conversation: `marker` is the id that we still have to say was
 * displayed here, `displayed` the seq up to which the contact said so.
 */
#include "earshot-config.h"

#include "daemon/io/history-private.h"

static const char step_1[] =
  "CREATE TABLE meta (name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
  "CREATE TABLE log (seq INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, kind INTEGER NOT NULL,"
  " contact INTEGER NOT NULL, id TEXT NOT NULL, direction INTEGER NOT NULL, insecure INTEGER NOT NULL,"
  " sent_time INTEGER NOT NULL, key BLOB, trust TEXT, thread TEXT, reply_to TEXT, state TEXT, reason TEXT,"
  " body TEXT) STRICT;"
  "CREATE INDEX log_id ON log (id);"
  "CREATE INDEX log_contact ON log (contact, seq, kind, direction);"
  "CREATE TABLE conversation (contact INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL, read_seq INTEGER NOT NULL,"
  " unread INTEGER NOT NULL, muted INTEGER NOT NULL, require TEXT NOT NULL) STRICT;"
  "CREATE TABLE consumer (name TEXT PRIMARY KEY NOT NULL, cursor INTEGER NOT NULL, last_seen INTEGER NOT NULL)"
  " STRICT, WITHOUT ROWID;"
  "CREATE TABLE seen (contact INTEGER NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, time INTEGER NOT NULL,"
  " PRIMARY KEY (contact, id)) STRICT, WITHOUT ROWID;"
  "CREATE TABLE aside (n INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL, contact INTEGER NOT NULL, id TEXT NOT NULL,"
  " time INTEGER NOT NULL, sent_time INTEGER NOT NULL, insecure INTEGER NOT NULL, trust TEXT, thread TEXT,"
  " reply_to TEXT, body TEXT NOT NULL) STRICT;"
  "CREATE INDEX aside_key ON aside (key);"
  "CREATE TABLE outbox (seq INTEGER PRIMARY KEY, contact INTEGER NOT NULL, created INTEGER NOT NULL,"
  " first_sent INTEGER NOT NULL, expires INTEGER NOT NULL, require TEXT NOT NULL, held INTEGER NOT NULL,"
  " reason TEXT NOT NULL) STRICT;"
  "CREATE INDEX outbox_contact ON outbox (contact);"
  "CREATE TABLE token (contact INTEGER NOT NULL, token TEXT NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL,"
  " time INTEGER NOT NULL, PRIMARY KEY (contact, token)) STRICT, WITHOUT ROWID;";

/* The words of messages (history-search.c). Only the terms are here, the text stays in `log`. An entry is in it when its
 * number is not above meta 'indexed'. A trigger may not write to the index (trusted_schema is off), so that what leaves it,
 * or has another text now, is put down in `log_text_gone` with the text the index knows. What leaves an FTS5 index stays in
 * its pages as a word until they are merged: 'unmerged' says that they are to be. */
#define IN_INDEX "old.kind = 0 AND old.seq <= (SELECT value FROM meta WHERE name = 'indexed')"
#define PUT_DOWN "BEGIN INSERT OR IGNORE INTO log_text_gone (seq, body) VALUES (old.seq, old.body); END;"

static const char step_search[] =
  "CREATE VIRTUAL TABLE log_text USING fts5 (body, content='log', content_rowid='seq', columnsize=0,"
  " tokenize='unicode61 remove_diacritics 2');"
  "CREATE TABLE log_text_gone (seq INTEGER PRIMARY KEY, body TEXT) STRICT;"
  "CREATE TRIGGER log_text_deleted AFTER DELETE ON log WHEN " IN_INDEX " " PUT_DOWN
  "CREATE TRIGGER log_text_changed AFTER UPDATE OF body ON log WHEN " IN_INDEX " " PUT_DOWN;

static const char step_amend[] =
  "ALTER TABLE log ADD COLUMN about TEXT;"
  "ALTER TABLE log ADD COLUMN original TEXT;"
  "ALTER TABLE log ADD COLUMN edited INTEGER NOT NULL DEFAULT 0;"
  "ALTER TABLE log ADD COLUMN retracted INTEGER NOT NULL DEFAULT 0;"
  "ALTER TABLE log ADD COLUMN reactions_in TEXT;"
  "ALTER TABLE log ADD COLUMN reactions_out TEXT;"
  "ALTER TABLE log ADD COLUMN url TEXT;"
  "ALTER TABLE log ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;"
  "CREATE INDEX log_about ON log (about) WHERE about IS NOT NULL;"
  "ALTER TABLE conversation ADD COLUMN marker TEXT NOT NULL DEFAULT '';"
  "ALTER TABLE conversation ADD COLUMN displayed INTEGER NOT NULL DEFAULT 0;"
  "ALTER TABLE aside ADD COLUMN url TEXT;"
  "ALTER TABLE aside ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;";

/* Messages that say more than words: an introduction (docs/protocol.md 3.7). */
static const char step_payload[] = "ALTER TABLE outbox ADD COLUMN payload TEXT;";

/* What a failed correction leaves counts again, so what it took the place of is kept: `original_url` and the one flag a correction
 * changes, NULL where an earlier version did not put them down. change_state, change_reason: how far our newest correction or
 * retraction of the message came, NULL once the other side has it. */
static const char step_change[] =
  "ALTER TABLE log ADD COLUMN original_url TEXT;"
  "ALTER TABLE log ADD COLUMN original_flags INTEGER;"
  "ALTER TABLE log ADD COLUMN change_state TEXT;"
  "ALTER TABLE log ADD COLUMN change_reason TEXT;"
  "CREATE INDEX log_retracted ON log (contact, seq) WHERE retracted <> 0;"
  "UPDATE conversation SET unread = max (0, unread - (SELECT count(*) FROM log WHERE log.contact = conversation.contact"
  " AND log.seq > conversation.read_seq AND log.retracted <> 0 AND log.kind = 0 AND log.direction = 0));";

/* Conversations that were forgotten and whose rows, up to a number, are still to go (history-forget.c). */
static const char step_forget[] = "CREATE TABLE doomed (contact INTEGER PRIMARY KEY, until INTEGER NOT NULL) STRICT;";

static const char *const steps[] = { step_1, step_search, step_amend, step_payload, step_change, step_forget };

const DbSchema messages_schema = {
  .steps = steps,
  .n_steps = G_N_ELEMENTS (steps),
  .application_id = 0x45724d31, /* ErM1 */
};
