/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Streams with peers that speak no TLS (docs/protocol.md 2.7, 3.9, 8.2). Whether people want that is trust's to say; here is who asks,
 * and about whom: the contact that was dialled, or the one that is announced under the name the caller claims and at the address
 * it calls from. Threat: all of that is anybody's to imitate, and no check here proves anything; it keeps those out who did not even
 * take the trouble. Every answer that is not plainly yes is no.
 */
#include "earshot-config.h"

#include "daemon/base/jid.h"
#include "daemon/base/log.h"
#include "daemon/model/session-private.h"

#define SETTLED_US (3 * G_USEC_PER_SEC) /* docs/protocol.md 8.2: what comes from a name it does not know yet ends Salut's process */
#define SAME_MOMENT_US (10 * G_USEC_PER_SEC) /* as docs/protocol.md 2.8 has it */
#define WEIGH_MS 50                     /* until our own call was answered; the clock of the negotiation bounds it */
#define CLEAR_MAX 32                    /* open at once: names cost nothing */

static Contact *
get_contact (const Session *session)
{
  return contacts_get (session->sessions->config.contacts, session->contact);
}

/* What no word of anybody's outweighs. */
static gboolean
is_out_of_question (const Contact *contact)
{
  return contact_is_blocked (contact) || contact_get_keys (contact)->len > 0;
}

gboolean
session_admits_clear (const Session *session)
{
  Contact *contact = get_contact (session);

  return contact != NULL && !is_out_of_question (contact) && trust_still_admits_clear (session->sessions->config.trust, contact);
}

void
session_stop_asking (Session *session)
{
  if (session->query != NULL)
    discovery_query_cancel (g_steal_pointer (&session->query));
  g_clear_handle_id (&session->clear_source, g_source_remove);
}

static void
answer (Session *session, gboolean admit)
{
  if (session->stream != NULL && !session->ended)
    stream_judged_clear (session->stream, admit);
}

/* `rule`: why. */
static void
refuse (Session *session, const char *rule, const char *text)
{
  log_event (session_log_level (session, G_LOG_LEVEL_INFO), "session", session->contact, session->id, rule, "a peer without TLS is refused: %s", text);
  answer (session, FALSE);
}

/* The verdict, and the question to people if one is due. */
static gboolean
is_admitted (Session *session, Contact *contact)
{
  gboolean never = is_out_of_question (contact);

  /* Asked even then: trust logs what was tried. */
  return trust_admits_clear (session->sessions->config.trust, contact, session->claimed, session->ifname, session->inbound) && !never;
}

/* --- they call ---------------------------------------------------------------- */

/* The one contact that is announced under this name; NULL = nobody, or several: then the name says nothing. `domain` is borrowed. */
static Contact *
find_announced (Sessions *sessions, const char *addr, const char **domain)
{
  g_autoptr (GPtrArray) all = contacts_list (sessions->config.contacts);
  Contact *found = NULL;

  for (guint i = 0; i < all->len; i++)
    {
      Contact *contact = g_ptr_array_index (all, i);
      const GPtrArray *endpoints = contact_get_endpoints (contact);

      for (guint j = 0; j < endpoints->len; j++)
        {
          const Endpoint *endpoint = g_ptr_array_index (endpoints, j);

          if (endpoint->instance == NULL || !jid_same (endpoint->instance, addr))
            continue;
          if (found != NULL && found != contact)
            return NULL;
          found = contact;
          *domain = endpoint->domain;
        }
    }
  return found;
}

static gboolean
is_at (GInetSocketAddress *caller, GPtrArray *targets)
{
  GInetAddress *address = g_inet_socket_address_get_address (caller);

  for (guint i = 0; targets != NULL && i < targets->len; i++)
    {
      GInetSocketAddress *target = g_ptr_array_index (targets, i);

      /* The port is the listener's, not the caller's; the scope tells links with the same addresses apart. */
      if (g_inet_address_equal (g_inet_socket_address_get_address (target), address)
          && (!g_inet_address_get_is_link_local (address) || g_inet_address_get_family (address) != G_SOCKET_FAMILY_IPV6
              || g_inet_socket_address_get_scope_id (target) == g_inet_socket_address_get_scope_id (caller)))
        return TRUE;
    }
  return FALSE;
}

/* Our call to the same contact, if it got so far that our header is on its way to it or arrived. */
static Session *
find_ours (const Session *theirs)
{
  const GPtrArray *all = theirs->sessions->all;

  for (guint i = 0; i < all->len; i++)
    {
      Session *session = g_ptr_array_index (all, i);

      if (session->inbound || session->ended || session->direct || session->tls != NULL || !session->connected)
        continue;
      if (session->clear ? session->contact == theirs->contact
                         : session->dial != NULL && dial_get_contact_id (session->dial) == theirs->contact)
        return session;
    }
  return NULL;
}

static gboolean on_weigh (gpointer user);

/* docs/protocol.md 8.2: libpurple keeps the stream that came last, and drops what waits on the other. Both called at once, and our
 * header is on its way to it: so it keeps ours, and what we said on theirs would be lost. While it has not answered that, it
 * may hang up on us just as well. `contact` of ours is set once it answered. */
static void
weigh (Session *session)
{
  Session *ours = find_ours (session);

  if (ours != NULL && ours->open && g_get_monotonic_time () - ours->opened_at > SAME_MOMENT_US)
    ours = NULL; /* it comes back: ours is dead */
  if (!session->crossed && ours != NULL && ours->contact != session->contact)
    {
      session->clear_source = g_timeout_add (WEIGH_MS, on_weigh, session);
      return;
    }
  session_hold_reading (session, FALSE);
  if (session->crossed || ours != NULL)
    refuse (session, "legacy-crossed", "both called, and it keeps our stream");
  else if (!session_admits_clear (session))
    refuse (session, "legacy-changed", "what people allow changed meanwhile");
  else
    answer (session, TRUE);
}

static gboolean
on_weigh (gpointer user)
{
  g_autoptr (Session) session = session_ref (user);

  session->clear_source = 0;
  weigh (session);
  return G_SOURCE_REMOVE;
}

static void
on_located (gpointer user, GPtrArray *targets, const GError *error)
{
  g_autoptr (Session) session = session_ref (user);
  Sessions *sessions = session->sessions;
  const char *domain = NULL;
  Contact *contact = find_announced (sessions, session->claimed, &domain);

  session->query = NULL;
  if (contact != NULL && contact_get_id (contact) == session->contact && is_at (link_get_remote (session->link), targets)
      && is_admitted (session, contact))
    {
      weigh (session);
      return;
    }
  session_hold_reading (session, FALSE);
  if (contact == NULL || contact_get_id (contact) != session->contact)
    refuse (session, "legacy-unannounced", "it vanished");
  else if (!is_at (link_get_remote (session->link), targets))
    refuse (session, "legacy-address", "that name does not live where it calls from");
  else
    answer (session, FALSE);
}

static void
judge_caller (Session *session, const char *from)
{
  Sessions *sessions = session->sessions;
  const char *domain = NULL;
  Contact *contact = find_announced (sessions, from, &domain);

  if (contact == NULL)
    {
      refuse (session, "legacy-unannounced", "the name it claims is not announced, or more than once");
      return;
    }
  session->contact = contact_get_id (contact);
  g_free (session->claimed);
  session->claimed = g_strdup (from);
  /* Nothing more is read before the verdict, while the clock of the negotiation runs. */
  session_hold_reading (session, TRUE);
  session->query = discovery_resolve (sessions->config.discovery, from, domain, on_located, session);
}

/* --- we call -------------------------------------------------------------------- */

static gboolean
have_theirs (Session *session)
{
  /* docs/protocol.md 8.2: they called meanwhile. They drop one of two streams; theirs stays. */
  return g_hash_table_contains (session->sessions->clear, GUINT_TO_POINTER (session->contact));
}

/* It answered our call: calls of its own that wait for their verdict are left by it, whatever becomes of ours. */
static void
mark_crossed (const Session *ours)
{
  const GPtrArray *all = ours->sessions->all;

  for (guint i = 0; i < all->len; i++)
    {
      Session *session = g_ptr_array_index (all, i);

      if (session->inbound && !session->ended && !session->open && session->tls == NULL && session->contact == ours->contact)
        session->crossed = TRUE;
    }
}

static gboolean
on_settled (gpointer user)
{
  g_autoptr (Session) session = session_ref (user);

  session->clear_source = 0;
  if (have_theirs (session))
    answer (session, FALSE);
  else if (!session_admits_clear (session))
    refuse (session, "legacy-changed", "what people allow changed meanwhile");
  else
    answer (session, TRUE);
  return G_SOURCE_REMOVE;
}

static void
judge_called (Session *session)
{
  Sessions *sessions = session->sessions;
  gint64 settled = sessions->named_at + SETTLED_US - g_get_monotonic_time ();

  session->contact = dial_get_contact_id (session->dial);
  if (have_theirs (session))
    answer (session, FALSE);
  else if (get_contact (session) == NULL
           || !is_admitted (session, get_contact (session)))
    refuse (session, "peer-insecure", "nobody allowed it clear text");
  else
    {
      mark_crossed (session);
      if (settled > 0)
        session->clear_source = g_timeout_add ((guint) (settled / 1000 + 1), on_settled, session);
      else
        answer (session, TRUE);
    }
}

void
session_on_judge_clear (gpointer user, const char *from)
{
  Session *session = user;

  if (!session->inbound && session->dial == NULL)
    refuse (session, "peer-insecure", "it was only asked for its key");
  else if (session->sessions->withhold_addr)
    refuse (session, "legacy-invisible", "we are invisible, and in clear everybody would read our name");
  else if (session->inbound)
    judge_caller (session, from);
  else
    judge_called (session);
}

/* --- OPEN ------------------------------------------------------------------------- */

static void
limit_clear (Sessions *sessions)
{
  Session *oldest = NULL;
  GHashTableIter iter;
  gpointer value;

  if (g_hash_table_size (sessions->clear) <= CLEAR_MAX)
    return;
  g_hash_table_iter_init (&iter, sessions->clear);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (oldest == NULL || ((Session *) value)->opened_at < oldest->opened_at)
      oldest = value;
  log_event (G_LOG_LEVEL_INFO, "session", oldest->contact, oldest->id, "legacy-max", "the oldest stream in clear gave way");
  stream_fail (oldest->stream, "resource-constraint", NULL);
}

/* The table knows before anybody is told, so that the contact does not count as disconnected in between. */
static void
replace_old (Session *session)
{
  Sessions *sessions = session->sessions;
  Session *old = g_hash_table_lookup (sessions->clear, GUINT_TO_POINTER (session->contact));
  g_autoptr (Session) held = old != NULL ? session_ref (old) : NULL;

  session->clear = TRUE;
  g_hash_table_insert (sessions->clear, GUINT_TO_POINTER (session->contact), session);
  if (held != NULL && held->stream != NULL)
    stream_fail (held->stream, "conflict", NULL);
}

void
session_open_clear (Session *session)
{
  Sessions *sessions = session->sessions;
  Contact *contact;
  Dial *dial;

  if (!session_admits_clear (session))
    {
      stream_fail (session->stream, "reset", NULL);
      return;
    }
  replace_old (session);
  contact = get_contact (session);
  if (session->stream == NULL || contact == NULL)
    return;
  dial = g_steal_pointer (&session->dial);
  session->open = TRUE;
  link_mark_open (session->link);
  session_rank_link (session);
  contacts_set_connected (contact, NULL, session->claimed, TRUE);
  log_event (G_LOG_LEVEL_MESSAGE, "session", session->contact, session->id, NULL, "stream open (%s, in clear)",
             session->inbound ? "inbound" : "outbound");
  session_start_idling (session);
  if (dial != NULL)
    dial_on_session (dial, NULL);
  dialer_on_clear (sessions, contact);
  limit_clear (sessions);
  if (session->open)
    sessions->callbacks.opened (sessions->user, session);
}

void
sessions_review_clear (Sessions *sessions)
{
  g_autoptr (GPtrArray) gone = g_ptr_array_new_with_free_func ((GDestroyNotify) session_unref);
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, sessions->clear);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (!session_admits_clear (value))
      g_ptr_array_add (gone, session_ref (value));
  for (guint i = 0; i < gone->len; i++)
    {
      Session *session = g_ptr_array_index (gone, i);

      if (session->stream == NULL)
        continue;
      log_event (G_LOG_LEVEL_MESSAGE, "session", session->contact, session->id, "legacy-changed",
                 "a stream in clear is not admitted any more");
      stream_fail (session->stream, "reset", NULL);
    }
}

static gboolean
on_review (gpointer user)
{
  Sessions *sessions = user;

  sessions->review_source = 0;
  sessions_review_clear (sessions);
  return G_SOURCE_REMOVE;
}

void
session_review_later (Sessions *sessions)
{
  if (sessions->review_source == 0 && g_hash_table_size (sessions->clear) > 0)
    sessions->review_source = g_idle_add_full (G_PRIORITY_HIGH, on_review, sessions, NULL);
}
