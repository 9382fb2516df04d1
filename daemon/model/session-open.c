/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A stream that came to be OPEN: is it the one of its key from now on, instead of another, after a while, or not at all
 * (docs/protocol.md 2.8)? One stream a key; what says so is the table, which knows before anybody is told.
 */
#include "earshot-config.h"

#include "daemon/base/log.h"
#include "daemon/model/session-private.h"

#define LIMBO_MS 5000
#define RESTRICTED_MAX 8

static void
limit_restricted (Sessions *sessions)
{
  Session *oldest = NULL;
  guint count = 0;

  for (guint i = 0; i < sessions->all->len; i++)
    {
      Session *session = g_ptr_array_index (sessions->all, i);

      if (!session->open || session_is_trusted (session))
        continue;
      count++;
      if (oldest == NULL || session->opened_at < oldest->opened_at)
        oldest = session;
    }
  if (count > RESTRICTED_MAX)
    {
      log_event (session_log_level (oldest, G_LOG_LEVEL_INFO), "session", 0, oldest->id, "restricted-max", "the oldest restricted stream gave way");
      stream_fail (oldest->stream, "resource-constraint", NULL);
    }
}

/* This stream is the one of its key from now on. */
static void
register_open (Session *session)
{
  Sessions *sessions = session->sessions;
  Key *key = contacts_get_key (sessions->config.contacts, &session->fp);
  Dial *dial = g_steal_pointer (&session->dial);

  if (stream_get_peer_addr (session->stream) != NULL)
    {
      g_free (session->claimed);
      session->claimed = g_strdup (stream_get_peer_addr (session->stream));
    }
  if (key == NULL)
    {
      g_hash_table_remove (sessions->open, &session->fp);
      session->dial = dial;
      stream_fail (session->stream, "resource-constraint", NULL);
      return;
    }
  /* Decided against while it negotiated (T-20). */
  if (contact_is_blocked (key_get_contact (key)) || key_is_refused (key) || key_get_level (key) == TRUST_REVOKED)
    {
      g_hash_table_remove (sessions->open, &session->fp);
      session->dial = dial;
      stream_fail (session->stream, "reset", NULL);
      return;
    }
  session->open = TRUE;
  sessions->opened[session->inbound ? 1 : 0]++;
  if (!session->resumed)
    session_supersede (session);
  g_hash_table_replace (sessions->open, &session->fp, session);
  link_mark_open (session->link);
  session_rank_link (session);
  if (key_get_level (key) >= TRUST_PINNED)
    listener_know (sessions->listener, g_inet_socket_address_get_address (link_get_remote (session->link)));
  contacts_note_endpoint (key_get_contact (key), session->ifname, session->address,
                          g_inet_socket_address_get_port (link_get_remote (session->link)));
  contacts_set_connected (key_get_contact (key), key, session->claimed, TRUE);
  log_event (session_log_level (session, G_LOG_LEVEL_MESSAGE), "session", contact_get_id (key_get_contact (key)), session->id, NULL,
             "stream open (%s, %s%s)", session->inbound ? "inbound" : "outbound", tls_get_cipher (session->tls),
             session_is_trusted (session) ? "" : ", restricted");
  if (session->resumed)
    log_event (G_LOG_LEVEL_MESSAGE, "session", contact_get_id (key_get_contact (key)), session->id, NULL,
               "stream resumed: sent %u, of them again %u, received %u", sm_get_sent (stream_get_sm (session->stream)),
               session->resent, sm_get_h (stream_get_sm (session->stream)));
  session_start_idling (session);
  if (dial != NULL)
    dial_on_session (dial, NULL);
  dialer_on_opened (sessions, key_get_contact (key));
  limit_restricted (sessions);
  if (session->open)
    sessions->callbacks.opened (sessions->user, session);
  while (session->open && session->early.length > 0)
    {
      Early *early = g_queue_pop_head (&session->early);

      session_hear (session, early->stanza, early->ticket);
      session_early_free (early);
    }
}

/* The old stream of this key goes, this one stays. The table knows before anybody is told, so that the contact does not
 * count as disconnected in between. */
static void
take_over (Session *session, Session *old, const char *word)
{
  g_autoptr (Session) held = session_ref (old);

  g_hash_table_replace (session->sessions->open, &session->fp, session);
  if (word != NULL)
    session_end (old, word);
  else if (old->stream != NULL)
    stream_fail (old->stream, "conflict", NULL);
  if (session->stream != NULL)
    register_open (session);
}

/* The old stream had its five seconds (docs/protocol.md 2.8), or answered or ended before. */
static gboolean
on_limbo_time (gpointer user)
{
  g_autoptr (Session) session = session_ref (user);
  Session *old = g_hash_table_lookup (session->sessions->open, &session->fp);

  session->limbo_source = 0;
  if (session->stream == NULL)
    return G_SOURCE_REMOVE;
  if (old != NULL && old->last_rx >= session->opened_at)
    {
      stream_fail (session->stream, "conflict", NULL);
      return G_SOURCE_REMOVE;
    }
  if (old != NULL)
    take_over (session, old, "Timeout");
  else
    register_open (session);
  session_hold_reading (session, FALSE);
  return G_SOURCE_REMOVE;
}

/* Nothing is read from the new one until it is known whether the old one still leads anywhere. */
static void
ask_old (Session *session, Session *old)
{
  session_hold_reading (session, TRUE);
  session_ping (old);
  session->limbo_source = g_timeout_add (LIMBO_MS, on_limbo_time, session);
  old->challenged = TRUE;
}

void
session_end_limbo (Session *old)
{
  Sessions *sessions = old->sessions;

  old->challenged = FALSE;
  for (guint i = 0; i < sessions->all->len; i++)
    {
      Session *session = g_ptr_array_index (sessions->all, i);

      if (session->limbo_source == 0 || !fingerprint_equal (&session->fp, &old->fp))
        continue;
      g_source_remove (session->limbo_source);
      /* From the loop: the old one is not yet out of everybody's hands. */
      session->limbo_source = g_idle_add_full (G_PRIORITY_DEFAULT, on_limbo_time, session, NULL);
    }
}

void
session_on_opened (gpointer user)
{
  g_autoptr (Session) session = session_ref (user);
  Sessions *sessions = session->sessions;
  Session *old = g_hash_table_lookup (sessions->open, &session->fp);
  const Fingerprint *own = identity_get_fingerprint (sessions->config.identity);

  session->opened_at = session->last_rx = session->last_tx = g_get_monotonic_time ();
  session->opened_time = g_get_real_time ();
  session->level = session_get_key (session) != NULL ? key_get_level (session_get_key (session)) : TRUST_UNKNOWN;
  if (stream_is_clear (session->stream))
    {
      session_open_clear (session);
      return;
    }
  session->resumed = stream_is_resumed (session->stream, &session->resent);
  if (old == NULL)
    {
      register_open (session);
      return;
    }
  if (session->resumed)
    ; /* docs/protocol.md 2.8: a valid <resume/> always replaces the old one */
  else if (old->inbound == session->inbound)
    ; /* it crashed and came back: the newer stays */
  else if (session->opened_at - old->opened_at < SIMULTANEOUS_US)
    {
      gboolean outbound_stays = fingerprint_compare (own, &session->fp) < 0;

      /* Who called at the same time hangs up itself once ours reaches it. Who does not may have lost ours: its answer decides, or a
       * stream that is dead there shuts its owner out. */
      if (session->inbound && outbound_stays)
        {
          ask_old (session, old);
          return;
        }
      if (session->inbound == outbound_stays)
        {
          Dial *dial = g_steal_pointer (&session->dial);

          if (dial != NULL)
            dial_on_session (dial, NULL);
          stream_fail (session->stream, "conflict", NULL);
          return;
        }
    }
  else
    {
      ask_old (session, old);
      return;
    }
  take_over (session, old, NULL);
}
