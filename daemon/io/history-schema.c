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
 * outbox    what is owed (outbox.c); text and threading are in its log row. token: what Send was told to do once.
 * meta      tail: the seq below which retention may have taken entries.
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

static const char *const steps[] = { step_1 };

const DbSchema messages_schema = {
  .steps = steps,
  .n_steps = G_N_ELEMENTS (steps),
  .application_id = 0x45724d31, /* ErM1 */
};
