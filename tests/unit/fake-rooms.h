/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Rooms made of cardboard: what the window may call, answering from one table. Every verb that changes something
 * writes a line into `fake.calls`, so that a test can say that nothing happened. Answers come from the main loop.
 */
#pragma once

#include "daemon/bus/window.h"

struct _Contact {
  guint32 id;
  char *petname, *addr;
  gboolean stored, blocked, connected, legacy;
  LegacyChoice choice;
  gint64 last_seen;
  GPtrArray *keys;         /* Key*, borrowed */
  GPtrArray *endpoints;    /* Endpoint* */
  GArray *contests;
};

struct _Key {
  Fingerprint fp;
  Contact *contact;
  TrustLevel level;
  gboolean refused;
  const char *chain;
  Contact *introduced_by;
};

struct _Request {
  guint64 id;
  Key *key;                /* NULL: about `contact` */
  Contact *contact, *contested, *introducer;
  Fingerprint introduced;  /* with an introducer: a key never seen */
  const char *kind;
  gint64 snoozed;
};

struct _Verification {
  guint32 id;
  Key *key;
  VerificationState state;
  const char *code, *reason;
  gboolean ours;
};

typedef struct {
  GString *calls;          /* what was asked of the rooms, one line each */
  int error;               /* next answers fail with this code; -1 = succeed */
  int statics_error;       /* so does the wait for endpoints to be kept */
  gboolean mute;           /* answers are kept until fake_release() */
  GPtrArray *contacts, *keys, *requests, *verifications;
  GPtrArray *apps;         /* AppRow* */
  AppAsked asked;          /* what app_access_ask() answers about an unknown one */
  struct {
    const AppWatch *watch;
    gpointer user;
  } app_watches[80];
  const ContactsWatch *contacts_watch;
  struct {
    const TrustWatch *watch;
    gpointer user;
  } trust_watches[80];     /* of every window and what is above them */
  const DeliveryWatch *delivery_watch;
  const VerificationWatch *verification_watch;
  const InvitesWatch *invites_watch;
  gpointer user;
  guint64 head;
  guint queued, max_strangers;
  char *nick, *require;
  GHashTable *settings;
  TrustMode mode;
  LegacyPolicy legacy;
  Show show;
  GPtrArray *entries;      /* LogEntry*: what reading the log gives */
  GPtrArray *preview;      /* LogEntry* */
  char *selector_matches;  /* "0", "1", "2": how many contacts a selector finds */
  gboolean session_open, session_clear;
  gboolean has_roots, has_invites;
} Fake;

extern Fake fake;

#define TELL_APP(callback, ...)                                                                     \
  for (guint watcher = 0; watcher < G_N_ELEMENTS (fake.app_watches); watcher++)                     \
    if (fake.app_watches[watcher].watch != NULL && fake.app_watches[watcher].watch->callback != NULL) \
      fake.app_watches[watcher].watch->callback (fake.app_watches[watcher].user, __VA_ARGS__)
/* Reports to everybody who watches the trust room. */
#define TELL_TRUST(callback, ...)                                                                       \
  for (guint watcher = 0; watcher < G_N_ELEMENTS (fake.trust_watches); watcher++)                       \
    if (fake.trust_watches[watcher].watch != NULL && fake.trust_watches[watcher].watch->callback != NULL) \
      fake.trust_watches[watcher].watch->callback (fake.trust_watches[watcher].user, __VA_ARGS__)

void fake_setup (Rooms *rooms);
void fake_teardown (void);
/* Lets go of what was muted. */
void fake_release (void);
Contact *fake_add_contact (guint32 id, gboolean stored);
Key *fake_add_key (Contact *contact, guint8 seed);
Request *fake_add_request (guint64 id, Key *key, const char *kind);
/* legacy-peer */
Request *fake_add_legacy_request (guint64 id, Contact *contact);
Request *fake_add_introduction (guint64 id, Contact *introducer, guint8 seed);
void fake_remove_request (guint64 id);
void fake_remove_contact (guint32 id);
Verification *fake_add_verification (guint32 id, Key *key, gboolean ours);
/* It has the code "4821 7305 1192" now. */
void fake_show_code (Verification *run);
void fake_end_verification (Verification *run, VerificationState state, const char *reason);
/* `request` 0: it was decided. */
AppRow *fake_add_app (const char *app, AppScopes scopes, guint64 request);
/* A person says something else. */
void fake_set_app (AppRow *row, AppScopes scopes);
void fake_end_app_question (AppRow *row);
LogEntry *fake_entry (guint64 seq, guint32 contact, const char *id, gsize body);
