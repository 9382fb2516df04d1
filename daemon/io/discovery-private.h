/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The common part of discovery in three files: discovery.c (who is there, which stack), discovery-publish.c (we), and
 * discovery-resolve.c (where somebody is, asked at connect). Included by those only. Main thread only.
 */
#pragma once

#include "daemon/io/discovery-auto.h"
#include "daemon/io/discovery-backend.h"
#include "daemon/io/pace.h"
#include "daemon/io/renames.h"

typedef struct {
  gboolean wanted;
  char *user_part;
  guint16 port;
  GPtrArray *txt;           /* what should be out */
  GPtrArray *sent;          /* what is out, or on its way with publish() */
  guint collision;          /* n of "-n", 0 = none */
  char *instance;           /* what publish() was called with; NULL = nothing is registered */
  gboolean stands;
  Pace txt_pace;
  Renames renames;
  guint txt_timer, retry_timer, probing_timer, outcome_idle;
  guint probing_s;          /* how long it is waited for an outcome, 0 = the last one came */
  Registered outcome;
  char *outcome_reason;
} Publication;

struct _Discovery {
  DiscoveryCallbacks callbacks;
  gpointer user;
  char **interfaces;

  DiscoveryAuto *chooser;          /* NULL unless the choice is ours to make */
  const DiscoveryBackend *backend; /* NULL until chosen */
  gpointer stack;
  gboolean up;
  char *machine;
  guint fallback_timer;
  GHashTable *warned;              /* keys of standing warnings */

  GHashTable *entries;             /* instance and domain, lower case → Entry */
  GQueue bare;                     /* Entry, those without a TXT record, longest known first */
  guint unwatched;                 /* entries without a TXT watch for lack of room */
  guint sweep_timer;

  Publication own;
  GPtrArray *queries;
};

/* text NULL withdraws; repeated ones are told once. */
void discovery_warn (Discovery *d, const char *key, const char *text);
/* Our name changed: who is listed may change with it. */
void discovery_reconsider (Discovery *d);
/* The full name of an instance's records, or FALSE when it cannot be one. */
gboolean discovery_full_name (const char *instance, const char *domain, char *out, gsize size);

void publication_init (Publication *p);
void publication_clear (Discovery *d);
void publication_begin (Discovery *d);
/* The stack or the host name went; nothing is registered any more. */
void publication_lost (Discovery *d);
gboolean publication_is_ours (const Discovery *d, const char *instance);

void queries_up (Discovery *d);
void queries_down (Discovery *d);
void queries_clear (Discovery *d);
/* The instance left: nobody is asked about it any more. */
void queries_gone (Discovery *d, const char *instance, const char *domain);
