/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How long an open stream lives: idle ones are closed, silent ones are asked, dead ones are ended (docs/protocol.md 2.9).
 */
#include "earshot-config.h"

#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/model/session-private.h"

#define SILENCE_S 60             /* 2.9 */
#define ANSWER_S 30
#define STREAM_LIFE_S (24 * 3600) /* 2.2: replaced after a day */

static gboolean
on_idle_time (gpointer user)
{
  g_autoptr (Session) session = session_ref (user);
  gint64 now = g_get_monotonic_time ();
  gint64 idle_s = (now - MAX (session->last_rx, session->last_tx)) / G_USEC_PER_SEC;
  gint64 limit_s = session->sessions->config.idle_close_s;

  session->idle_source = 0;
  if (session->stream == NULL)
    return G_SOURCE_REMOVE;
  if (!session->awaiting && (idle_s >= limit_s || (now - session->opened_at) / G_USEC_PER_SEC >= STREAM_LIFE_S))
    stream_close (session->stream);
  else
    session->idle_source = g_timeout_add_seconds (CLAMP (limit_s - idle_s, 5, 3600), on_idle_time, session);
  return G_SOURCE_REMOVE;
}

void
session_ping (Session *session)
{
  g_autoptr (Stanza) iq = NULL;
  g_autofree char *id = NULL;

  /* docs/protocol.md 2.9: <r/>, or a ping where stream management is off. */
  if (session->stream == NULL || stream_probe (session->stream))
    return;
  iq = stanza_new ("iq", NS_CLIENT);
  id = g_uuid_string_random ();
  stanza_set_attr (iq, "type", "get");
  stanza_set_attr (iq, "id", id);
  stanza_add_new (iq, "ping", NS_PING, NULL);
  session_send (session, iq);
}

/* Only while an answer is owed: without one, the kernel's keepalive finds a dead peer and nobody wakes up. */
static gboolean
on_watch_time (gpointer user)
{
  g_autoptr (Session) session = session_ref (user);
  gint64 silent_s = (g_get_monotonic_time () - session->last_rx) / G_USEC_PER_SEC;

  session->watch_source = 0;
  if (!session->awaiting || session->stream == NULL)
    return G_SOURCE_REMOVE;
  if (session->pinged && silent_s >= SILENCE_S + ANSWER_S - 1)
    {
      log_event (G_LOG_LEVEL_INFO, "session", 0, session->id, "silent", "no answer for %d s: closed", (int) silent_s);
      session_end (session, "Timeout");
      return G_SOURCE_REMOVE;
    }
  if (silent_s >= SILENCE_S - 1 && !session->pinged)
    {
      session->pinged = TRUE;
      session_ping (session);
    }
  session->watch_source
    = g_timeout_add_seconds (session->pinged ? ANSWER_S : CLAMP (SILENCE_S - silent_s, 1, SILENCE_S), on_watch_time,
                             session);
  return G_SOURCE_REMOVE;
}

void
session_set_awaiting (Session *session, gboolean awaiting)
{
  /* docs/protocol.md 8.2: legacy peers confirm nothing and answer no ping. The kernel's keepalive is all there is. */
  if (session->clear)
    return;
  session->awaiting = awaiting;
  if (awaiting && session->watch_source == 0 && !session->ended)
    session->watch_source = g_timeout_add_seconds (SILENCE_S, on_watch_time, session);
  else if (!awaiting)
    g_clear_handle_id (&session->watch_source, g_source_remove);
}

void
session_start_idling (Session *session)
{
  guint idle_s = session->sessions->config.idle_close_s;

  if (idle_s > 0)
    session->idle_source = g_timeout_add_seconds (idle_s, on_idle_time, session);
}
