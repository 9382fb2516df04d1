/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Keys that take another's place (docs/protocol.md 3.5). Ours: changes it, and tells everybody who knew the old one, now or when they
 * come, until they confirm. Others': hears their statements and brings those that are well signed to trust. Main thread only.
 *
 * Threat: on a restricted stream anybody may present a statement. Each stream has a few tries, which bounds what checking signatures costs;
 * trust hears only of what is well signed. The answer does not tell why: whom we trust is nobody's business.
 */
#pragma once

#include "daemon/io/identity.h"
#include "daemon/model/router.h"
#include "daemon/model/settings.h"

typedef struct _Successions Successions;

typedef struct {
  Identity *identity;
  Contacts *contacts;
  Trust *trust;
  TrustStore *store;
  Settings *settings;
  Sessions *sessions;
  Router *router;
  /* There is something to tell a contact, or no more. */
  void (*changed) (gpointer user, Contact *contact);
  gpointer user;
} SuccessionsConfig;

Successions *successions_new (const SuccessionsConfig *config);
/* After the sessions, and after the store has reported. */
void successions_free (Successions *successions);
/* Who is to be told is made up, if a crash came before that. Once, when everything is wired. */
void successions_start (Successions *successions);

/* Another key in the place of ours, with a certificate for `addr`. Every stream ends and those who trust us are dialled. Reports what
 * identity_begin_rotation() and identity_finish_rotation() do; ALREADY_RESOLVED also while one is under way. */
void successions_rotate (Successions *successions, const char *addr, const char *caller, DoneFunc done, gpointer user);
/* The key of an exported file in the place of ours (identity_import()). No word goes with it: to those who know that key we are who we were. */
void successions_import (Successions *successions, int fd_take, const char *passphrase, gboolean replace, const char *addr,
                         const char *caller, DoneFunc done, gpointer user);
/* identity_export(), on record. */
void successions_export (Successions *successions, int fd_take, const char *passphrase, const char *caller, DoneFunc done, gpointer user);
/* How many contacts were not told yet. */
guint successions_count_owed (Successions *successions);

/* From RouterCallbacks.succession, SessionCallbacks.opened and closed. */
void successions_on_iq (Successions *successions, Session *session, const Stanza *iq, const Stanza *payload);
void successions_on_opened (Successions *successions, Session *session);
void successions_on_closed (Successions *successions, Session *session);
