/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The pipeline of one stream: link, tls, stream, and who is on it. Threat: everything below is a stranger until
 * the verdict; every callback may end the session, so each entry point holds a reference.
 */
#include "earshot-config.h"

#include <net/if.h>
#include <string.h>

#include "daemon/base/jid.h"
#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/model/session-private.h"
#include "daemon/proto/caps.h"

#define DRAIN_MS 2000                         /* 2.10 */
#define DRAIN_BYTES (1024 * 1024)             /* more than a socket's buffers hold: whoever goes on does not read the error */
#define FLUSH_BYTES (64 * 1024)
#define STEADY_US (10 * G_USEC_PER_SEC)       /* a stream that lived so long was one */

void
session_early_free (gpointer data)
{
  Early *early = data;

  stanza_unref (early->stanza);
  g_free (early);
}

Session *
session_ref (Session *session)
{
  session->refs++;
  return session;
}

void
session_unref (Session *session)
{
  if (--session->refs > 0)
    return;
  g_queue_clear_full (&session->early, session_early_free);
  g_string_free (session->out, TRUE);
  g_free (session->claimed);
  g_free (session->ifname);
  g_free (session->address);
  g_free (session);
}

static void
clear_source (guint *source)
{
  if (*source != 0)
    g_source_remove (*source);
  *source = 0;
}

static void
clear_timers (Session *session)
{
  clear_source (&session->deadline_source);
  clear_source (&session->idle_source);
  clear_source (&session->watch_source);
  clear_source (&session->limbo_source);
}

static void
leave_tables (Session *session)
{
  Sessions *sessions = session->sessions;

  if (g_hash_table_lookup (sessions->open, &session->fp) == session)
    g_hash_table_remove (sessions->open, &session->fp);
  if (session->clear && g_hash_table_lookup (sessions->clear, GUINT_TO_POINTER (session->contact)) == session)
    g_hash_table_remove (sessions->clear, GUINT_TO_POINTER (session->contact));
}

/* Frees the transport and leaves the table. Fires nothing. */
void
session_drop (Session *session)
{
  Sessions *sessions = session->sessions;

  clear_timers (session);
  clear_source (&session->drain_source);
  clear_source (&session->flush_source);
  session_stop_asking (session);
  leave_tables (session);
  session->ended = TRUE;
  session->dial = NULL;
  session->probe = NULL;
  g_clear_pointer (&session->stream, stream_free);
  g_clear_pointer (&session->tls, tls_free);
  g_clear_pointer (&session->link, link_free);
  if (sessions->all != NULL && g_ptr_array_remove_fast (sessions->all, session))
    session_unref (session);
}

static gboolean
on_drained_time (gpointer user)
{
  Session *session = user;

  session->drain_source = 0;
  session_drop (session);
  return G_SOURCE_REMOVE;
}

/* --- writing ---------------------------------------------------------------- */

static void
flush_now (Session *session)
{
  clear_source (&session->flush_source);
  if (session->out->len == 0 || session->tls == NULL)
    return;
  session->last_tx = g_get_monotonic_time ();
  tls_write (session->tls, session->out->str, session->out->len);
  g_string_truncate (session->out, 0);
}

/* One write a loop turn: acks, receipts and messages of the turn share their records. */
static gboolean
on_flush (gpointer user)
{
  g_autoptr (Session) session = session_ref (user);

  if (session->stream != NULL)
    stream_flush (session->stream); /* while this source still counts as armed: it arms no other */
  session->flush_source = 0;
  flush_now (session);
  if (session->congested && session->open && session->link != NULL && link_get_pending (session->link) < LINK_HIGH_WATER)
    {
      session->congested = FALSE;
      session->sessions->callbacks.writable (session->sessions->user, session);
    }
  return G_SOURCE_REMOVE;
}

void
session_flush (Session *session)
{
  if (session->stream != NULL)
    stream_flush (session->stream);
  flush_now (session);
}

void
session_flush_later (Session *session)
{
  if (session->flush_source == 0 && session->link != NULL)
    session->flush_source = g_idle_add_full (G_PRIORITY_DEFAULT, on_flush, session, NULL);
}

static void
on_stream_send (gpointer user, const char *bytes, gsize len)
{
  Session *session = user;

  if (session->link == NULL)
    return;
  if (session->tls == NULL)
    {
      session->last_tx = g_get_monotonic_time ();
      link_write (session->link, (const guint8 *) bytes, len);
      return;
    }
  g_string_append_len (session->out, bytes, len);
  if (session->out->len >= FLUSH_BYTES)
    flush_now (session);
  else
    session_flush_later (session);
}

/* --- TLS -------------------------------------------------------------------- */

static void
on_tls_send (gpointer user, const guint8 *cipher, gsize len)
{
  Session *session = user;

  if (session->link != NULL)
    link_write (session->link, cipher, len);
}

/* The other end has our own key: a copy on another machine, unless we called ourselves. A wrong SRV, or somebody who passes our bytes back
 * to us, does that; then the other end of this very handshake is among our sessions. */
static void
note_own_key (Session *session)
{
  Sessions *sessions = session->sessions;
  TrustProof proof = session_get_proof (session);

  for (guint i = 0; i < sessions->all->len; i++)
    {
      Session *other = g_ptr_array_index (sessions->all, i);

      if (other->inbound != session->inbound && other->tls != NULL && tls_same_handshake (other->tls, session->tls))
        {
          log_event (G_LOG_LEVEL_WARNING, "session", 0, session->id, "own-key", "we called ourselves");
          return;
        }
    }
  if (proof.addr == NULL)
    proof.addr = session->address;
  trust_note_duplicate (sessions->config.trust, &proof);
}

static gboolean
on_tls_accept_key (gpointer user, const Fingerprint *fp)
{
  Session *session = user;
  Sessions *sessions = session->sessions;
  Contact *contact;

  session->fp = *fp;
  session->has_key = TRUE;
  if (fingerprint_equal (fp, identity_get_fingerprint (sessions->config.identity)))
    {
      note_own_key (session);
      return FALSE;
    }
  if (session->probe != NULL)
    return FALSE;
  contact = session->dial != NULL ? contacts_get (sessions->config.contacts, dial_get_contact_id (session->dial)) : NULL;
  if (contact != NULL
      && trust_accepts_for (sessions->config.trust, contact, fp, session->claimed, session->ifname))
    return TRUE;
  session->mismatch = TRUE;
  return FALSE;
}

/* The initiator's verdict, before its first header inside TLS (docs/protocol.md 2.1 step 6). */
static void
on_judged_outbound (gpointer user, TrustVerdict verdict, Contact *contact, Key *key)
{
  g_autoptr (Session) session = user;

  if (session->ended)
    return;
  switch (verdict.action)
    {
    case TRUST_ACTION_ADMIT:
    case TRUST_ACTION_PIN:
    case TRUST_ACTION_JOIN_CA:
      stream_tls_done (session->stream);
      return;
    case TRUST_ACTION_RESTRICT:
      stream_forgo_management (session->stream); /* what is set aside counts for nothing (docs/protocol.md 3.4) */
      stream_tls_done (session->stream);
      return;
    case TRUST_ACTION_REFUSE:
    case TRUST_ACTION_REFUSE_EXPIRED:
      session_end (session, contact != NULL && contact_is_blocked (contact) ? "Blocked" : "NotTrusted");
      return;
    }
}

static void
on_tls_established (gpointer user)
{
  g_autoptr (Session) session = session_ref (user);
  Sessions *sessions = session->sessions;

  session->tls_up = TRUE;
  session->fp = *tls_get_peer_fingerprint (session->tls);
  session->has_key = TRUE;
  if (session->inbound)
    stream_tls_done (session->stream);
  else
    {
      TrustProof proof = { .fp = session->fp, .addr = session->claimed, .link = session->ifname,
                           .expired = tls_peer_is_expired (session->tls),
                           .chain = session_judge_chain (session, session->claimed),
                           .expected = session->dial != NULL ? dial_get_contact_id (session->dial) : 0 };

      trust_judge (sessions->config.trust, &proof, on_judged_outbound, session_ref (session));
    }
}

static void
note_alive (Session *session)
{
  session->last_rx = g_get_monotonic_time ();
  if (session->challenged)
    session_end_limbo (session);
  session->pinged = FALSE;
}

static void
on_tls_plain (gpointer user, const char *bytes, gsize len)
{
  g_autoptr (Session) session = session_ref (user);

  note_alive (session);
  if (session->stream != NULL)
    stream_feed (session->stream, bytes, len);
}

/* Why nothing came of the handshake, as Contact.LastError says it. */
static const char *
word_of_tls (const Session *session, const GError *error)
{
  if (session->mismatch)
    return "NameConflict";
  if (!session->open && g_error_matches (error, EARSHOT_ERROR, EARSHOT_ERROR_REFUSED))
    return "Refused";
  if (!session->open && g_error_matches (error, EARSHOT_ERROR, EARSHOT_ERROR_PEER_INSECURE))
    return "PeerInsecure";
  if (!session->open && g_error_matches (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_TRUSTED))
    return "NotTrusted";
  return "Failed";
}

static void
on_tls_ended (gpointer user, const GError *error)
{
  g_autoptr (Session) session = session_ref (user);

  if (error != NULL)
    {
      log_event (session_log_level (session, G_LOG_LEVEL_INFO), "session", 0, session->id, "tls", "TLS ended: %s", error->message);
      session_end (session, word_of_tls (session, error));
    }
  else if (session->stream != NULL)
    stream_eof (session->stream);
}

static const TlsCallbacks tls_callbacks = { on_tls_send, on_tls_accept_key, on_tls_established, on_tls_plain,
                                            on_tls_ended };

static void
on_stream_start_tls (gpointer user)
{
  Session *session = user;

  session->tls = tls_new (session->sessions->config.identity, session->inbound, &tls_callbacks, session);
  tls_start (session->tls);
}

/* --- the stream's questions -------------------------------------------------- */

static void
on_judged_inbound (gpointer user, TrustVerdict verdict, Contact *contact, Key *key)
{
  g_autoptr (Session) session = user;
  StreamVerdict answer = STREAM_REFUSE;

  if (session->ended)
    return;
  switch (verdict.action)
    {
    case TRUST_ACTION_ADMIT:
    case TRUST_ACTION_PIN:
    case TRUST_ACTION_JOIN_CA: answer = STREAM_ADMIT; break;
    case TRUST_ACTION_RESTRICT: answer = STREAM_ADMIT_RESTRICTED; break;
    case TRUST_ACTION_REFUSE: answer = STREAM_REFUSE; break;
    case TRUST_ACTION_REFUSE_EXPIRED: answer = STREAM_REFUSE_EXPIRED; break;
    }
  stream_judged (session->stream, answer);
}

static void
on_stream_judge (gpointer user, const char *from)
{
  Session *session = user;
  Sessions *sessions = session->sessions;
  TrustProof proof = { .fp = session->fp, .addr = from, .link = session->ifname, .inbound = TRUE,
                       .expired = tls_peer_is_expired (session->tls),
                       .chain = session_judge_chain (session, from) };

  g_free (session->claimed);
  session->claimed = g_strdup (from);
  if (fingerprint_equal (&session->fp, identity_get_fingerprint (sessions->config.identity)))
    {
      note_own_key (session);
      stream_judged (session->stream, STREAM_REFUSE);
      return;
    }
  trust_judge (sessions->config.trust, &proof, on_judged_inbound, session_ref (session));
}

static gboolean
on_stream_is_ours (gpointer user, const char *addr)
{
  return session_is_ours (user, addr);
}

static gboolean
on_deadline (gpointer user)
{
  g_autoptr (Session) session = session_ref (user);

  session->deadline_source = 0;
  if (session->stream != NULL)
    stream_deadline (session->stream);
  return G_SOURCE_REMOVE;
}

static void
on_stream_deadline (gpointer user, guint ms)
{
  Session *session = user;

  clear_source (&session->deadline_source);
  if (ms > 0)
    session->deadline_source = g_timeout_add (ms, on_deadline, session);
}

/* Who needs the disk for it claims the ticket by session_defer(); for others it is dealt with on return. */
void
session_hear (Session *session, Stanza *stanza, guint64 ticket)
{
  /* In clear people's word counts as of now: who took it back hears nothing of what follows. */
  if (session->clear && !session_admits_clear (session))
    return;
  session->ticket = ticket;
  session->sessions->callbacks.stanza (session->sessions->user, session, stanza);
  session_handled (session, session_defer (session));
}

static void
on_stream_stanza (gpointer user, Stanza *stanza)
{
  Session *session = user;

  guint64 ticket = stream_defer (session->stream);

  /* What a stream says that lost against another one is not heard and not counted: its sender keeps it until a receipt
   * comes. One that still waits to be registered is heard later; its reading is held, so there is little. */
  if (session->open)
    session_hear (session, stanza, ticket);
  else if (session->limbo_source != 0)
    {
      Early *early = g_new0 (Early, 1);

      early->stanza = stanza_ref (stanza);
      early->ticket = ticket;
      g_queue_push_tail (&session->early, early);
    }
}

/* --- the end ---------------------------------------------------------------- */

static const char *
word_of (const StreamEnd *end)
{
  static const struct { const char *condition, *word; } words[] = {
    { "not-authorized", "Refused" },      { "credentials-expired", "Refused" }, { "peer-insecure", "PeerInsecure" },
    { "connection-timeout", "Timeout" },  { "eof", "NotReachable" },            { "closed", "NotReachable" },
    { "host-unknown", "NotReachable" },   { "resource-constraint", "NotReachable" },
    { "system-shutdown", "NotReachable" }, { "conflict", "NotReachable" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_strcmp0 (end->condition, words[i].condition) == 0)
      return words[i].word;
  return "Failed";
}

static void
on_stream_ended (gpointer user, const StreamEnd *end)
{
  g_autoptr (Session) session = session_ref (user);

  log_event (session_log_level (session, G_LOG_LEVEL_INFO), "session", 0, session->id, end->by_peer ? NULL : end->condition, "stream ended: %s%s",
             end->condition, end->by_peer ? " (by the peer)" : "");
  session->sent_off = end->by_peer && strcmp (end->condition, "eof") != 0;
  session_end (session, session->other_name ? "NotTrusted" : word_of (end));
}

static void
unregister (Session *session)
{
  Sessions *sessions = session->sessions;
  Key *key = session_get_key (session);
  Contact *contact = session_get_contact (session);
  guint32 id = contact != NULL ? contact_get_id (contact) : 0;

  session->open = FALSE;
  leave_tables (session);
  if (session->challenged)
    session_end_limbo (session);
  sessions->callbacks.closed (sessions->user, session);
  /* A stranger may be gone with its stream. */
  if (contact != NULL && sessions_find (sessions, contact) == NULL)
    {
      contacts_set_connected (contact, key, session->claimed, FALSE);
      contact = contacts_get (sessions->config.contacts, id);
      if (contact != NULL)
        dialer_on_closed (sessions, contact, session->sent_off && g_get_monotonic_time () - session->opened_at < STEADY_US);
    }
}

/* Once: tells everybody, says what is left to say, and drains. */
void
session_end (Session *session, const char *word)
{
  Dial *dial = g_steal_pointer (&session->dial);
  Probe *probe = g_steal_pointer (&session->probe);

  if (session->ended)
    return;
  session->ended = TRUE;
  /* Whoever announced direct TLS and then does not speak it gets STARTTLS; who did speak it is not asked twice. */
  if (session->direct && session->connected && !session->tls_up && !session->mismatch)
    word = "Failed";
  clear_timers (session);
  session_stop_asking (session);
  if (session->open && session->stream != NULL)
    session_keep (session);
  g_clear_pointer (&session->stream, stream_free);
  flush_now (session);
  if (session->open)
    unregister (session);
  else if (g_hash_table_lookup (session->sessions->open, &session->fp) == session)
    g_hash_table_remove (session->sessions->open, &session->fp);
  if (session->tls != NULL)
    tls_close (session->tls);
  if (session->link != NULL && link_get_remote (session->link) != NULL)
    {
      /* The error must not be lost to a RST: drain for a moment. */
      link_set_reading (session->link, TRUE);
      link_shutdown_write (session->link);
      session->drain_source = g_timeout_add (DRAIN_MS, on_drained_time, session);
    }
  if (probe != NULL)
    probe_on_session (probe, session, word);
  if (dial != NULL)
    dial_on_session (dial, word);
  if (session->drain_source == 0)
    session_drop (session);
}

static const StreamCallbacks stream_callbacks = { on_stream_send, on_stream_start_tls, on_stream_judge, session_on_opened,
                                                  on_stream_stanza, on_stream_ended, on_stream_deadline,
                                                  on_stream_is_ours, session_on_judge_clear, session_on_accept_addr };

/* --- the link --------------------------------------------------------------- */

static const char *
current_addr (Sessions *sessions)
{
  return sessions->addrs->len > 0 ? g_ptr_array_index (sessions->addrs, sessions->addrs->len - 1) : NULL;
}

static void
note_remote (Session *session)
{
  GInetSocketAddress *remote = link_get_remote (session->link);
  GInetAddress *bare = g_inet_socket_address_get_address (remote);
  g_autofree char *text = g_inet_address_to_string (bare);
  guint scope
    = g_inet_address_get_family (bare) == G_SOCKET_FAMILY_IPV6 ? g_inet_socket_address_get_scope_id (remote) : 0;
  char name[IF_NAMESIZE] = "";

  if (scope != 0 && if_indextoname (scope, name) == NULL)
    name[0] = '\0';
  g_free (session->ifname);
  g_free (session->address);
  session->ifname = g_strdup (name);
  session->address = *name != '\0' ? g_strdup_printf ("%s%%%s", text, name) : g_strdup (text);
}

static void
start_stream (Session *session)
{
  Sessions *sessions = session->sessions;
  g_autoptr (Stanza) disco = caps_own_disco_info ();
  const char *addr = current_addr (sessions);
  StreamConfig config = { .role = session->inbound ? STREAM_RESPONDER : STREAM_INITIATOR,
                          .local_addr = addr,
                          .withhold_addr = sessions->withhold_addr,
                          .remote_addr = session->inbound ? NULL : session->claimed,
                          .disco_info = disco,
                          .manage = session->probe == NULL ? &session_management : NULL };

  config.self_addr_in_cert = addr != NULL
                             && g_strcmp0 (identity_get_xmpp_addr (sessions->config.identity), addr) == 0;
  note_remote (session);
  session->last_rx = session->last_tx = g_get_monotonic_time ();
  link_enable_keepalive (session->link);
  session->connected = TRUE;
  session->stream = stream_new (&config, &stream_callbacks, session);
  if (session->direct)
    stream_start_direct (session->stream);
  else
    stream_start (session->stream);
}

static void
on_link_connected (gpointer user)
{
  g_autoptr (Session) session = session_ref (user);

  start_stream (session);
}

static void
on_link_bytes (gpointer user, const guint8 *bytes, gsize len)
{
  g_autoptr (Session) session = session_ref (user);

  if (session->ended)
    {
      session->drained += len;
      if (session->drained > DRAIN_BYTES)
        session_drop (session);
      return;
    }
  /* The first byte of a TLS record tells direct TLS from a stream header, which begins with '<' (XEP-0368). */
  if (session->inbound && session->tls == NULL && session->stream != NULL && !session->heard && bytes[0] == 0x16)
    {
      session->direct = TRUE;
      stream_start_direct (session->stream);
    }
  session->heard = TRUE;
  if (session->tls != NULL)
    tls_feed (session->tls, bytes, len);
  else if (session->stream != NULL)
    {
      note_alive (session);
      stream_feed (session->stream, (const char *) bytes, len);
    }
}

static void
on_link_drained (gpointer user)
{
  g_autoptr (Session) session = session_ref (user);

  if (!session->congested || !session->open)
    return;
  session->congested = FALSE;
  session->sessions->callbacks.writable (session->sessions->user, session);
}

static void
on_link_ended (gpointer user, const GError *error)
{
  g_autoptr (Session) session = session_ref (user);

  if (session->ended)
    {
      session_drop (session);
      return;
    }
  if (error == NULL && session->stream != NULL)
    {
      stream_eof (session->stream);
      return;
    }
  if (error != NULL)
    log_event (session_log_level (session, G_LOG_LEVEL_INFO), "session", 0, session->id, "link", "connection ended: %s", error->message);
  session_end (session, g_error_matches (error, EARSHOT_ERROR, EARSHOT_ERROR_TIMEOUT) ? "Timeout" : "NotReachable");
}

static const LinkCallbacks link_callbacks = { on_link_connected, on_link_bytes, on_link_drained, on_link_ended };

static Session *
session_new (Sessions *sessions, gboolean inbound)
{
  Session *session = g_new0 (Session, 1);

  session->refs = 1;
  session->sessions = sessions;
  session->id = ++sessions->next_id;
  session->inbound = inbound;
  session->out = g_string_new (NULL);
  session->ifname = g_strdup ("");
  session->address = g_strdup ("");
  g_ptr_array_add (sessions->all, session);
  return session;
}

void
session_on_accepted (gpointer user, Link *link_take)
{
  Sessions *sessions = user;
  Session *session;

  if (current_addr (sessions) == NULL || sessions->stopping)
    {
      link_free (link_take); /* we have no name to answer by yet */
      return;
    }
  session = session_new (sessions, TRUE);
  session->link = link_take;
  link_set_callbacks (link_take, &link_callbacks, session);
  start_stream (session);
}

Session *
session_start_outbound (Sessions *sessions, Dial *dial, Probe *probe, GPtrArray *targets, const char *instance,
                        gboolean direct)
{
  Session *session = session_new (sessions, FALSE);

  session->dial = dial;
  session->probe = probe;
  session->claimed = g_strdup (instance);
  session->direct = direct;
  session->link = link_dial (sessions->config.poller, targets, sessions->config.allow_loopback,
                             listener_get_port (sessions->listener), &link_callbacks, session);
  return session;
}
