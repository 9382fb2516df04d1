/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Between outbox.c (adding, loading, settling) and outbox-hold.c (the rest), and the outbox's part of history's
 * transactions. `_in_job`: writer thread only.
 */
#pragma once

#include "daemon/io/db-values.h"
#include "daemon/io/outbox.h"

#define TOKEN_LIFE (7 * G_TIME_SPAN_DAY)

struct _Outbox
{
  guint refs; /* the owner's and one for each job on its way */
  Db *db;
  guint64 items;     /* never less than there are; made exact where it would refuse something */
  GHashTable *marks; /* id → gint64*: first sent, not yet written */
  GSource *marks_timer;
};

/* Of a row of `table`: its conversation was not forgotten (history-forget.c). What was is owed no more, and its rows are on their way out. */
#define OUTBOX_LEFT_OF(table) \
  "NOT EXISTS (SELECT 1 FROM doomed WHERE doomed.contact = " table ".contact AND doomed.until >= " table ".seq)"
#define OUTBOX_LEFT OUTBOX_LEFT_OF ("outbox")

/* A job: arguments in, results out; work sets its results anew, since it may run twice. */
typedef struct
{
  Outbox *outbox;
  /* arguments */
  OutboxItem *item;
  char *text; /* token, or message id */
  guint32 contact;
  guint64 after;
  guint limit;
  gboolean flag;
  char *state, *reason;
  gint64 now;
  GHashTable *marks;
  /* results */
  GError *refusal;
  GPtrArray *items;
  char *first_id;
  guint64 seq;
  guint64 count;
  guint held;
  gboolean repeat, counted;
  GPtrArray *dropped;
  /* who asked */
  union
  {
    DoneFunc done;
    OutboxAdded added;
    OutboxLoaded loaded;
    OutboxSettled settled;
    OutboxCounted counted;
  } report;
  gpointer user;
} Owing;

Owing *owing_new (Outbox *outbox, gpointer user);
void owing_free (gpointer owing);
/* Clears the results: first line of each work function. */
void owing_reset (Owing *owing);
/* Says no without failing the transaction. Returns TRUE. */
gboolean owing_refuse (Owing *owing, EarshotError code, const char *message);
/* DbDone for a DoneFunc. */
void owing_done (gpointer owing, const GError *error);

/* The seq of the item with that id, 0 = none. Contact 0: whoever has it. */
gboolean outbox_find_in_job (sqlite3 *handle, guint32 contact, const char *id, guint64 *seq, GError **error);
gboolean outbox_remove_in_job (sqlite3 *handle, guint64 seq, GError **error);
/* Takes a message and its corrections out of the queue, cancelled for `reason`; ids into `dropped`. */
gboolean outbox_cancel_in_job (sqlite3 *handle, guint32 contact, const char *id, const char *reason, gint64 now, GPtrArray *dropped,
                               GError **error);
/* Sends the marks of first sending to the disk. */
void outbox_write_marks (Outbox *outbox);

/* For history-keep.c. */
gboolean outbox_move_in_job (sqlite3 *handle, guint32 from, guint32 to, GError **error);
/* The items of a contact whose numbers are up to `until`: as many as there are log rows. */
gboolean outbox_drop_in_job (sqlite3 *handle, guint32 contact, guint64 until, GError **error);
/* The next `limit` of its tokens of before `until`; *left: there may be more. */
gboolean outbox_drop_tokens_in_job (sqlite3 *handle, guint32 contact, guint64 until, guint limit, gboolean *left, GError **error);
