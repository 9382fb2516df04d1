/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Invites in trust.db (docs/protocol.md 3.11): those that were made here, who used them, and the proofs that are owed to others. The
 * one-time secret is stored as it is, since a proof is computed from it; the file has mode 0600, and a secret is worth nothing after
 * its use or expiry. A use is written in the change that raises the key, so that no crash comes between.
 */
#pragma once

#include "daemon/io/trust-store.h"
#include "daemon/proto/invite-proof.h"

#define INVITE_USES_MAX 100

/* Made here. */
typedef struct {
  char id[INVITE_ID_LENGTH + 1];
  guint8 secret[INVITE_SECRET_BYTES];
  gint64 created, expires; /* microseconds since the epoch */
  guint uses;              /* for how many people it was made */
  guint left;
  gboolean in_person;      /* shown face to face: may make `verified` */
  char *caller;            /* who made it */
  GArray *used;            /* Fingerprint; NULL = nobody */
} InviteRow;

/* Accepted here: its maker has not acknowledged our proof yet. One a key. */
typedef struct {
  Fingerprint fp;          /* of who made it */
  guint8 secret[INVITE_SECRET_BYTES];
  gint64 expires;
} InviteOwedRow;

/* Both wipe. */
void invite_row_clear (InviteRow *row);
void invite_owed_row_clear (InviteOwedRow *row);

/* Steps of a change. */
void trust_change_put_invite (TrustChange *change, const InviteRow *row); /* without `used` */
/* One use less, and the key noted. The whole change fails with ALREADY_RESOLVED when there is no use left, or the key had its own. */
void trust_change_use_invite (TrustChange *change, const char *id, const Fingerprint *fp);
void trust_change_delete_invite (TrustChange *change, const char *id);
void trust_change_put_owed (TrustChange *change, const InviteOwedRow *row);
void trust_change_delete_owed (TrustChange *change, const Fingerprint *fp);

/* Start-up only: arrays of rows by value. */
gboolean trust_store_load_invites (TrustStore *store, GArray **invites, GArray **owed, GError **error);

/* --- for the store, within its jobs ---- */

gboolean invites_put (sqlite3 *handle, const InviteRow *row, GError **error);
gboolean invites_use (sqlite3 *handle, const char *id, const Fingerprint *fp, GError **error);
gboolean invites_delete (sqlite3 *handle, const char *id, GError **error);
gboolean invites_put_owed (sqlite3 *handle, const InviteOwedRow *row, GError **error);
gboolean invites_delete_owed (sqlite3 *handle, const Fingerprint *fp, GError **error);
