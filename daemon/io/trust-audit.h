/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The audit in trust.db: every change of trust and every refusal, appended in the change that made it true, read back, checked.
 * Nothing edits a record; beyond the bound the oldest go.
 *
 * Threat: somebody edits the file to hide who was trusted when. Each record carries
 *   SHA-256("Earshot audit v1" ‖ 00 ‖ hash of the one before ‖ n ‖ time ‖ contact ‖ event ‖ fp ‖ inputs ‖ verdict ‖ caller),
 * numbers as 8 bytes in network order, each text behind its length in 4. `audit_chain` holds both ends: the hash before the oldest
 * record kept (so that pruning breaks nothing), and the newest. A record altered, removed or put between is found.
 * The secret in it is none: who may write the file can compute a new chain. So the newest hash can be noted elsewhere, and looked for.
 */
#pragma once

#include "daemon/io/trust-store.h"

#define AUDIT_MAX 100000
#define AUDIT_LIST_MAX 256
#define AUDIT_HASH_HEX 64

typedef struct {
  guint64 n;
  gint64 time;
  guint32 contact;         /* 0 = none */
  char *event, *fp, *inputs, *verdict, *caller; /* valid UTF-8, never NULL; inputs and caller may hold what a stranger typed */
  char hash[AUDIT_HASH_HEX + 1];
} AuditRecord;

void audit_record_free (AuditRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AuditRecord, audit_record_free)

/* What is set narrows. */
typedef struct {
  guint64 before;          /* only older records; 0 = from the newest */
  guint limit;             /* 0 or more than AUDIT_LIST_MAX: that many */
  gint64 since;
  const char *event;
  const char *fp;          /* leading digits */
  guint32 contact;         /* about this contact … */
  const char *const *keys; /* … or one of these keys */
} AuditFilter;

/* Newest first. `records` is the receiver's to unref; NULL with an error. */
typedef void (*AuditListed) (gpointer user, GPtrArray *records, gboolean more, const GError *error);
void trust_store_list_audit (TrustStore *store, const AuditFilter *filter, AuditListed done, gpointer user);

typedef struct {
  guint64 first, last;     /* numbers of the oldest and newest record that should be there; last < first: none */
  guint64 count;           /* records that are there */
  char head[AUDIT_HASH_HEX + 1]; /* of the newest sound record; with `count` 0 the hash it begins with */
  const char *reason;      /* NULL = sound; else "altered", "missing", "inserted", "chain-lost" */
  guint64 broken;          /* and the first record that shows it */
  gboolean found;          /* a sound record, or what was pruned last, has the hash asked for … */
  guint64 noted;           /* … and this number */
} AuditCheck;
typedef void (*AuditChecked) (gpointer user, const AuditCheck *check, const GError *error);
/* `hash`: 64 hex digits noted earlier, or NULL. */
void trust_store_check_audit (TrustStore *store, const char *hash, AuditChecked done, gpointer user);

/* --- for the store, within its jobs ---- */

/* Appends, and prunes down to `max`. The texts live until the job ends. */
gboolean audit_append (sqlite3 *handle, const AuditEntry *entry, guint max, GError **error);
/* Once, behind the step of the ladder that brought the chain: links the records of before. */
gboolean audit_begin (sqlite3 *handle, gpointer unused, GError **error);
