/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * People, keys, open questions and settings on disk: trust.db, a file of its own, so that losing history
 * never loses a pin. Owns its SQL and nothing else: no policy. Rows are plain values; contact ids are random and never reused.
 */
#pragma once

#include <glib.h>

#include "daemon/base/error.h"
#include "daemon/base/fingerprint.h"
#include "daemon/io/db.h"
#include "daemon/io/trust-apps.h"
#include "daemon/proto/trust-policy.h"

typedef struct {
  guint32 id;              /* random, 1 … 2^31-1 */
  char *petname;           /* "" = none */
  gboolean blocked;
  gint64 created, last_seen; /* microseconds since the epoch */
  gboolean stored;         /* a decision or a message of ours holds it; FALSE: a stranger that only knocked */
  char **addrs;            /* names its keys used, newest first, at most 8, as written; of one without keys, what it was announced as */
  LegacyChoice legacy;     /* may it speak in clear? What a person said */
  gboolean tls_seen;       /* it has or had a key: never in clear again */
  gboolean succession_owed; /* our own key changed, and it has not confirmed that it was told */
} ContactRow;

typedef struct {
  Fingerprint fp;
  guint32 contact;
  TrustLevel level;
  char *source;            /* api word: first-use, user, fingerprint, … "" */
  gint64 since, last_used, first_seen;
  gboolean refused;        /* the user rejected it */
  gboolean grant_owed;     /* accepted, <granted/> not yet acknowledged by the peer */
  gboolean forgotten;      /* was forgotten or blocked once; see trust_store_was_forgotten() */
  gboolean has_replacement;
  Fingerprint replaced_by;
  guint32 introduced_by;   /* source introduction: the contact that made it; 0 = nobody */
  Fingerprint introducer;  /* and the key it spoke with */
  guint32 warned_by;       /* the contact that last said not to trust it, since a person last decided; 0 = nobody */
} KeyRow;

typedef struct {
  guint64 id;
  char *kind;              /* new-key, name-conflict, legacy-peer, introduction; duplicate-identity: of our own key, contact 0 */
  guint32 contact;         /* whose the key is; introduction: who introduces it */
  gboolean keyless;        /* legacy-peer: there is no key to ask about */
  Fingerprint fp;
  gint64 created;
  gint64 snoozed_until;
  char *name;              /* the name the key came under, as claimed */
  guint32 contested;       /* name-conflict: the contact whose name it is; 0 = none */
  char *link;              /* interface it came by, "" = unknown */
  gboolean is_heir;        /* name-conflict: the key named below said, well signed, that this one takes its place */
  Fingerprint predecessor;
  Fingerprint introducer;  /* introduction: the key it was made with */
  char *note;              /* and what was said along with it, "" = nothing */
} RequestRow;

void contact_row_clear (ContactRow *row);
void key_row_clear (KeyRow *row);
void request_row_clear (RequestRow *row);

typedef struct _TrustStore TrustStore;
typedef struct _TrustChange TrustChange;

TrustStore *trust_store_open (DbWorker *worker, const char *path, char **set_aside, GError **error);
void trust_store_close (TrustStore *store);

/* Start-up only: everything, as arrays of rows (ContactRow etc. by value, cleared with the array). */
gboolean trust_store_load (TrustStore *store, GArray **contacts, GArray **keys, GArray **requests,
                           GHashTable **settings, GError **error);
/* Start-up only: AppRow by value, cleared with the array; NULL with an error. */
GArray *trust_store_load_apps (TrustStore *store, GError **error);

/* Tombstones: a key deleted by trust_change_delete_key() or with its contact leaves one, so does putting a row with
 * `forgotten`, and nothing takes it away again. A key that comes back has `forgotten` when loaded, whatever was put.
 * For a key without a row this answers from memory; it knows what is applied as soon as that was reported. */
gboolean trust_store_was_forgotten (TrustStore *store, const Fingerprint *fp);

/* Introductions that a person said no to: this introducer is not heard about that key again. The newest 4096 are known, from memory
 * as above. */
gboolean trust_store_was_declined (TrustStore *store, const Fingerprint *introducer, const Fingerprint *fp);

/* One atomic change: fill it, apply it. The rows are copied; the steps are done in the order given. */
TrustChange *trust_change_new (void);
void trust_change_free (TrustChange *change);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TrustChange, trust_change_free)
void trust_change_put_contact (TrustChange *change, const ContactRow *row);
void trust_change_delete_contact (TrustChange *change, guint32 id); /* its keys and requests go too, tombstones stay */
/* The same without tombstones: a stranger that only knocked makes room for another. Nobody forgot it. */
void trust_change_drop_contact (TrustChange *change, guint32 id);
void trust_change_put_key (TrustChange *change, const KeyRow *row);
void trust_change_delete_key (TrustChange *change, const Fingerprint *fp);
void trust_change_put_request (TrustChange *change, const RequestRow *row);
void trust_change_delete_request (TrustChange *change, guint64 id);
void trust_change_decline (TrustChange *change, const Fingerprint *introducer, const Fingerprint *fp);
void trust_change_put_setting (TrustChange *change, const char *key, const char *value); /* NULL deletes */
void trust_change_put_app (TrustChange *change, const AppRow *row);
void trust_change_delete_app (TrustChange *change, const char *app);
/* Every trust change and refusal, appended (daemon/io/trust-audit.h reads and checks them). The last 100 000 are kept. NULL is "";
 * what is longer than its bound is cut. `inputs` and `caller` went through log_safe() where they hold a stranger's words. */
typedef struct {
  gint64 time;             /* 0 = now */
  guint32 contact;         /* 0 = about none */
  const char *event;       /* pin, resolve, accept, block, refused, … */
  const char *fp;          /* 64 hex digits */
  const char *inputs;      /* what the verdict was made of, as name=value words */
  const char *verdict;
  const char *caller;      /* whose word it was: a caller of the bus, "peer", "first-use", … */
} AuditEntry;
void trust_change_audit (TrustChange *change, const AuditEntry *entry);
/* Takes the change. `done` may be NULL. */
void trust_store_apply (TrustStore *store, TrustChange *change_take, DoneFunc done, gpointer user);
