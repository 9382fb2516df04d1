/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The one place where a stanza gets its sender: the session's contact, whatever it claims (docs/protocol.md 7,
 * misbinding). Answers IQs (ping, disco#info; to accepted keys time, version, idle time), matches IQ replies by (key, id), drops presence, hands messages to
 * delivery. Main thread only.
 */
#pragma once

#include "daemon/model/session.h"

typedef struct _Router Router;

/* An iq set, also on a restricted stream: to be answered with router_answer() or router_bounce(). */
typedef void (*RouterSet) (gpointer user, Session *session, const Stanza *iq, const Stanza *payload);

typedef struct {
  /* A <message/> of any type from the session's contact. */
  void (*message) (gpointer user, Session *session, const Stanza *stanza);
  void (*granted) (gpointer user, Session *session);
  /* By namespace of the payload: NS_LL_SAS. May be NULL. */
  RouterSet sas;
  /* An iq set <succession/>, likewise. May be NULL. */
  RouterSet succession;
  /* Seconds that our user has been idle (XEP-0012), -1 = not told. NULL = never told. */
  gint64 (*idle) (gpointer user);
  /* NS_LL_INVITE. May be NULL. */
  RouterSet invite;
} RouterCallbacks;

Router *router_new (const RouterCallbacks *callbacks, gpointer user);
void router_free (Router *router);
/* From SessionCallbacks.stanza. */
void router_on_stanza (Router *router, Session *session, Stanza *stanza);
/* Open IQs of a session that closed report NOT_REACHABLE. */
void router_on_closed (Router *router, Session *session);
/* Sends an iq (id is set here); `done` gets the result element or an error (REFUSED: an error reply; FAILED: one that says
 * "not now", of the type `wait`; TIMEOUT, NOT_REACHABLE). */
typedef void (*RouterReply) (gpointer user, const Stanza *reply, const GError *error);
void router_query (Router *router, Session *session, const char *type, Stanza *payload_take, guint timeout_ms,
                   RouterReply done, gpointer user);
/* The result for an iq that a callback was given. */
void router_answer (Session *session, const Stanza *iq, Stanza *payload_take);
/* A stanza error in answer to `stanza`; `app` is an element name in NS_LL_TRUST or NULL. Never answers an error. */
void router_bounce (Session *session, const Stanza *stanza, const char *type, const char *condition, const char *app);
