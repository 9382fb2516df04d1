/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What invites.c (made here) and invites-accept.c (accepted here) share. Nobody else includes it.
 */
#pragma once

#include "daemon/io/pace.h"
#include "daemon/model/invites.h"
#include "daemon/model/watchers.h"

#define CLOCK_SLACK (60 * G_TIME_SPAN_SECOND) /* of one clock that is corrected a little */
#define CLOCKS_SLACK (5 * G_TIME_SPAN_MINUTE) /* of two clocks that differ */

typedef struct {
  InviteRow row;
  guint pending;           /* uses on their way to the disk */
  guint wrong;             /* proofs */
  gboolean withdrawn;      /* its end is on its way to the disk */
} Made;

typedef enum { OWED_WAITING, OWED_DONE, OWED_REFUSED } OwedState;

typedef struct {
  Invites *invites;
  InviteOwedRow row;       /* the secret is wiped when it is over */
  char id[INVITE_ID_LENGTH + 1];
  OwedState state;
  guint64 asked;           /* the session whose answer is awaited; 0 = none */
  guint again_source;
} Owed;

struct _Invites {
  InvitesConfig config;
  InviteLimits limits;
  Sessions *sessions;      /* between start and stop */
  GHashTable *made;        /* row.id -> Made* (owned) */
  GHashTable *owed;        /* &row.fp -> Owed* (owned) */
  GHashTable *tries;       /* session id (gint64, owned) -> number of wrong proofs */
  Watchers watchers;
  guint8 nobody[INVITE_SECRET_BYTES]; /* what is compared with where there is no invite: the time it takes is the same */
  Pace wrong_pace;         /* wrong proofs, into the audit */
  guint wrong_left_out;
  guint expiry_source;
};

void invites_changed (Invites *invites);
/* Looks at the clock again when the next one ends. */
void invites_schedule (Invites *invites);
/* The open session of a key, or NULL. */
Session *invites_find_session (Invites *invites, const Fingerprint *fp);

/* --- invites-accept.c ---- */

void owed_free (gpointer owed);
void owed_adopt (Invites *invites, const InviteOwedRow *row);
/* Those that ran out at `now` go. TRUE when there were any. */
gboolean owed_expire (Invites *invites, gint64 now);
/* The earliest end, or G_MAXINT64. */
gint64 owed_next_expiry (Invites *invites);
extern const TrustWatch owed_trust_table;
