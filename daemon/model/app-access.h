/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What programs in sandboxes may do: the grants of people, and one open question for each program that called and was never decided on.
 * It does not know what a call needs (daemon/bus/bus-scopes.h) nor how a caller is told apart (daemon/bus/bus-access.h).
 *
 * SECURITY CRITICAL. Nothing is granted but by a person's word, `trust` and `admin` never by answering a question. Disk first: a grant or
 * its end is true when the store has it, and the audit has it in the same transaction. Bounds: APPS_MAX programs, QUESTIONS_MAX open
 * questions, eight new ones an hour; who finds no room is refused without a question. Main thread only.
 */
#pragma once

#include "daemon/io/trust-store.h"

#define APPS_MAX 256
#define APP_QUESTIONS_MAX 16

typedef struct _AppAccess AppAccess;

/* Each may be NULL. Rows are borrowed for the call. */
typedef struct {
  void (*question_added) (gpointer user, const AppRow *row);
  void (*question_changed) (gpointer user, const AppRow *row); /* snoozed */
  void (*question_removed) (gpointer user, guint64 id);
  void (*changed) (gpointer user, const char *app);            /* what it may do is other than before */
} AppWatch;

AppAccess *app_access_new (TrustStore *store, GArray *rows_take);
void app_access_free (AppAccess *access);
void app_access_watch (AppAccess *access, const AppWatch *watch, gpointer user);
void app_access_unwatch (AppAccess *access, gpointer user);

AppScopes app_access_get (AppAccess *access, const char *app);
/* Const AppRow*, by name; items borrowed. */
GPtrArray *app_access_list (AppAccess *access);

typedef enum {
  APP_ASKED,               /* a question was raised */
  APP_WAITING,             /* it was asked before and waits */
  APP_DECIDED,             /* a person said what it may */
  APP_NO_ROOM,             /* too many questions, or too fast */
} AppAsked;

/* It called for `wants` and may not. `caller` goes to the audit when a question is raised. */
AppAsked app_access_ask (AppAccess *access, const char *app, AppScopes wants, const char *caller);

/* The open question, or NULL. */
const AppRow *app_access_get_question (AppAccess *access, guint64 id);
/* read, send, deny */
const char *const *app_access_get_choices (void);
/* The first call wins; later ones ALREADY_RESOLVED. INVALID_ARGUMENT: not one of the choices. */
void app_access_resolve (AppAccess *access, guint64 id, const char *choice, const char *caller, DoneFunc done, gpointer user);
void app_access_snooze (AppAccess *access, guint64 id, gint64 until, DoneFunc done, gpointer user);

/* A person's word without a question, or against what was said before; an open question is answered by it. `send` brings `read`.
 * APP_MAY_NOTHING is remembered: it is not asked about again. QUOTA_EXCEEDED: APPS_MAX. */
void app_access_set (AppAccess *access, const char *app, AppScopes scopes, const char *caller, DoneFunc done, gpointer user);
/* As if it had never called: nothing is allowed, and its next call is asked about. NOT_FOUND. */
void app_access_forget (AppAccess *access, const char *app, const char *caller, DoneFunc done, gpointer user);
