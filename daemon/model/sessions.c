/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The table of streams, what trust tells it, and one session seen from outside.
 */
#include "earshot-config.h"

#include "daemon/base/jid.h"
#include "daemon/base/log.h"
#include "daemon/model/session-private.h"

#define FORMER_ADDRS_MAX 16

/* --- the table -------------------------------------------------------------- */

/* The key is worth less than it was: what was written for what it was, and has not left, does not leave. A record that went out in part
 * is followed by none; whoever reads so slowly is cut off without a word. */
void
session_fail_fallen (Session *session)
{
  if (session->stream == NULL)
    return;
  session->fallen = TRUE;
  g_string_truncate (session->out, 0);
  if (session->link != NULL && link_get_pending (session->link) > 0)
    link_discard (session->link);
  stream_fail (session->stream, "reset", NULL);
}

/* Trust was lowered, or raised: streams follow at once (T-20). */
static void
on_level_changed (gpointer user, Contact *contact, Key *key, gboolean release)
{
  Sessions *sessions = user;
  g_autoptr (GPtrArray) affected = g_ptr_array_new_with_free_func ((GDestroyNotify) session_unref);

  for (guint i = 0; i < sessions->all->len; i++)
    {
      Session *session = g_ptr_array_index (sessions->all, i);

      if (session->open && session_get_contact (session) == contact)
        g_ptr_array_add (affected, session_ref (session));
    }
  for (guint i = 0; i < affected->len; i++)
    {
      Session *session = g_ptr_array_index (affected, i);
      Key *own = session_get_key (session);

      if (!session->open || session->stream == NULL || session->clear)
        continue;
      if (contact_is_blocked (contact) || own == NULL || key_is_refused (own) || key_get_level (own) < session->level)
        session_fail_fallen (session);
      else
        {
          session->level = key_get_level (own);
          session_rank_link (session);
          sessions->callbacks.changed (sessions->user, session);
        }
    }
  sessions_review_clear (sessions);
  session_kept_review (sessions);
  dialer_on_decided (sessions, contact);
}

static void
on_forgotten (gpointer user, guint32 contact_id, const Fingerprint *fp)
{
  Sessions *sessions = user;
  g_autoptr (GPtrArray) affected = g_ptr_array_new_with_free_func ((GDestroyNotify) session_unref);

  /* Its keys left the tables: streams whose key nobody knows have no owner. */
  for (guint i = 0; i < sessions->all->len; i++)
    {
      Session *session = g_ptr_array_index (sessions->all, i);

      if (session->open && !session->clear && session_get_key (session) == NULL)
        g_ptr_array_add (affected, session_ref (session));
    }
  for (guint i = 0; i < affected->len; i++)
    {
      Session *session = g_ptr_array_index (affected, i);

      session_fail_fallen (session);
    }
  sessions_review_clear (sessions);
  session_kept_review (sessions);
}

static void
on_clear_changed (gpointer user)
{
  sessions_review_clear (user);
  dialer_on_clear_changed (user);
}

static const TrustWatch trust_table = { .level_changed = on_level_changed, .forgotten = on_forgotten,
                                        .clear_changed = on_clear_changed };

Sessions *
sessions_new (const SessionsConfig *config, const SessionCallbacks *callbacks, gpointer user, GError **error)
{
  Sessions *sessions = g_new0 (Sessions, 1);

  sessions->config = *config;
  sessions->callbacks = *callbacks;
  sessions->user = user;
  sessions->all = g_ptr_array_new ();
  sessions->addrs = g_ptr_array_new_with_free_func (g_free);
  sessions->open = g_hash_table_new (fingerprint_hash, fingerprint_equal_func);
  sessions->clear = g_hash_table_new (NULL, NULL);
  session_kept_init (sessions);
  sessions->listener = listener_new (config->poller, config->port, config->interfaces, &listener_limits_default,
                                     session_on_accepted, sessions, error);
  dialer_init (sessions);
  trust_watch (config->trust, &trust_table, sessions);
  if (sessions->listener == NULL)
    {
      sessions_free (sessions);
      return NULL;
    }
  return sessions;
}

void
sessions_free (Sessions *sessions)
{
  if (sessions == NULL)
    return;
  sessions->stopping = TRUE;
  g_clear_handle_id (&sessions->review_source, g_source_remove);
  trust_unwatch (sessions->config.trust, sessions);
  g_clear_pointer (&sessions->listener, listener_free);
  dialer_clear (sessions);
  while (sessions->all->len > 0)
    {
      g_autoptr (Session) session = session_ref (g_ptr_array_index (sessions->all, 0));

      if (session->open && session->stream != NULL)
        stream_fail (session->stream, "system-shutdown", NULL);
      session_drop (session);
    }
  session_kept_clear (sessions);
  g_hash_table_unref (sessions->open);
  g_hash_table_unref (sessions->clear);
  g_ptr_array_unref (sessions->all);
  g_ptr_array_unref (sessions->addrs);
  g_free (sessions);
}

void
sessions_count_opened (Sessions *sessions, guint *inbound, guint *outbound)
{
  *outbound = sessions->opened[0];
  *inbound = sessions->opened[1];
}

guint16
sessions_get_port (Sessions *sessions)
{
  return listener_get_port (sessions->listener);
}

Session *
sessions_find (Sessions *sessions, Contact *contact)
{
  const GPtrArray *keys = contact_get_keys (contact);

  for (guint i = 0; i < keys->len; i++)
    {
      Session *session = g_hash_table_lookup (sessions->open, key_get_fingerprint (g_ptr_array_index (keys, i)));

      if (session != NULL)
        return session;
    }
  return g_hash_table_lookup (sessions->clear, GUINT_TO_POINTER (contact_get_id (contact)));
}

void
sessions_disconnect (Sessions *sessions, Contact *contact)
{
  Session *session;

  dialer_hang_up (sessions, contact);
  session = sessions_find (sessions, contact);
  if (session != NULL && session->stream != NULL)
    stream_close (session->stream);
}

void
sessions_set_addr (Sessions *sessions, const char *addr)
{
  for (guint i = 0; i < sessions->addrs->len; i++)
    if (jid_same (g_ptr_array_index (sessions->addrs, i), addr))
      {
        g_ptr_array_remove_index (sessions->addrs, i);
        break;
      }
  if (sessions->addrs->len >= FORMER_ADDRS_MAX)
    g_ptr_array_remove_index (sessions->addrs, 0);
  g_ptr_array_add (sessions->addrs, g_strdup (addr));
  sessions->named_at = g_get_monotonic_time ();
  dialer_on_named (sessions);
}

void
sessions_reset (Sessions *sessions)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func ((GDestroyNotify) session_unref);

  for (guint i = 0; i < sessions->all->len; i++)
    g_ptr_array_add (all, session_ref (g_ptr_array_index (sessions->all, i)));
  for (guint i = 0; i < all->len; i++)
    {
      Session *session = g_ptr_array_index (all, i);

      if (session->clear || session->ended)
        continue;
      if (session->open && session->stream != NULL)
        stream_fail (session->stream, "reset", NULL);
      else
        session_end (session, "NotReachable");
    }
  session_kept_drop_all (sessions);
}

Session *
sessions_get (Sessions *sessions, guint64 id)
{
  for (guint i = 0; i < sessions->all->len; i++)
    {
      Session *session = g_ptr_array_index (sessions->all, i);

      if (session->id == id)
        return session->open ? session : NULL;
    }
  return NULL;
}

void
sessions_set_withheld (Sessions *sessions, gboolean withheld)
{
  sessions->withhold_addr = withheld;
}

/* --- one session, from outside ----------------------------------------------- */

guint64
session_get_id (const Session *session)
{
  return session->id;
}

Key *
session_get_key (const Session *session)
{
  return session->has_key ? contacts_get_key (session->sessions->config.contacts, &session->fp) : NULL;
}

TrustProof
session_get_proof (const Session *session)
{
  return (TrustProof){ .fp = session->fp, .addr = session->claimed, .link = session->ifname, .inbound = session->inbound,
                       .expired = session->tls != NULL && tls_peer_is_expired (session->tls) };
}

Contact *
session_get_contact (const Session *session)
{
  Key *key = session_get_key (session);

  if (session->clear)
    return contacts_get (session->sessions->config.contacts, session->contact);
  return key != NULL ? key_get_contact (key) : NULL;
}

gboolean
session_is_trusted (const Session *session)
{
  Key *key = session_get_key (session);

  if (session->clear)
    return session_admits_clear (session);
  return key != NULL && key_get_level (key) >= TRUST_PINNED && !contact_is_blocked (key_get_contact (key));
}

gboolean
session_is_clear (const Session *session)
{
  return session->clear;
}

/* A stranger may ask for answers and not read them. We write nothing else to it, so there is no need for much room. And whatever
 * it says waits until those were heard whom we know. */
void
session_rank_link (Session *session)
{
  if (session->link == NULL)
    return;
  link_set_pending_max (session->link, session_is_trusted (session) ? G_MAXSIZE : LINK_HIGH_WATER);
  link_set_first (session->link, session_is_trusted (session));
}

/* Anybody may call, and end what came of it, a hundred times a second. */
GLogLevelFlags
session_log_level (const Session *session, GLogLevelFlags level)
{
  return session_is_trusted (session) || !session->inbound ? level : log_for_stranger (level);
}

gboolean
session_is_restricted (const Session *session)
{
  return !session->granted && session->stream != NULL && stream_is_restricted (session->stream);
}

void
session_set_granted (Session *session)
{
  session->granted = TRUE;
}

gboolean
session_is_ours (const Session *session, const char *addr)
{
  GPtrArray *addrs = session->sessions->addrs;

  for (guint i = 0; i < addrs->len; i++)
    if (jid_same (g_ptr_array_index (addrs, i), addr))
      return TRUE;
  return FALSE;
}

const Stanza *
session_get_peer_disco (const Session *session)
{
  return session->stream != NULL ? stream_get_peer_disco (session->stream) : NULL;
}

gboolean
session_get_exporter (const Session *session, guint8 out[32])
{
  return session->open && session->tls != NULL && tls_get_exporter (session->tls, out);
}

void
session_fail (Session *session, const char *condition)
{
  g_autoptr (Session) held = session_ref (session);

  if (session->open && session->stream != NULL)
    stream_fail (session->stream, condition, NULL);
}

gboolean
session_send (Session *session, const Stanza *stanza)
{
  return session_send_tagged (session, stanza, NULL);
}

gboolean
session_send_tagged (Session *session, const Stanza *stanza, const char *tag)
{
  if (session->clear && !session_admits_clear (session))
    return FALSE;
  return session->stream != NULL && !session->ended && stream_send_tagged (session->stream, stanza, tag);
}

gboolean
session_is_managed (const Session *session)
{
  return session->stream != NULL && stream_is_managed (session->stream);
}

gboolean
session_is_resumed (const Session *session)
{
  return session->resumed;
}

gboolean
session_is_suspended (const Session *session)
{
  return session->suspended;
}

guint64
session_defer (Session *session)
{
  guint64 ticket = session->ticket;

  session->ticket = 0;
  return ticket;
}

void
session_handled (Session *session, guint64 ticket)
{
  if (session->stream != NULL)
    stream_handled (session->stream, ticket);
}

gboolean
session_is_congested (const Session *session)
{
  gboolean full = session->link != NULL && link_get_pending (session->link) + session->out->len > LINK_HIGH_WATER;

  if (full)
    ((Session *) session)->congested = TRUE;
  return full;
}

void
session_hold_reading (Session *session, gboolean hold)
{
  if (hold)
    session->holds++;
  else if (session->holds > 0)
    session->holds--;
  if (session->link != NULL && !session->ended)
    link_set_reading (session->link, session->holds == 0);
}

static void
describe_management (const Session *session, GVariantBuilder *builder)
{
  const Sm *sm = session->stream != NULL ? stream_get_sm (session->stream) : NULL;

  g_variant_builder_add (builder, "{sv}", "sm", g_variant_new_boolean (sm != NULL));
  if (sm == NULL)
    return;
  g_variant_builder_add (builder, "{sv}", "resumable", g_variant_new_boolean (sm_is_resumable (sm)));
  g_variant_builder_add (builder, "{sv}", "resumed", g_variant_new_boolean (session->resumed));
  g_variant_builder_add (builder, "{sv}", "stanzas-in", g_variant_new_uint32 (sm_get_h (sm)));
  g_variant_builder_add (builder, "{sv}", "stanzas-out", g_variant_new_uint32 (sm_get_sent (sm)));
}

GVariant *
session_describe (const Session *session)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  if ((session->tls != NULL || session->clear) && session->link != NULL && session->open)
    {
      g_variant_builder_add (&builder, "{sv}", "insecure", g_variant_new_boolean (session->clear));
      g_variant_builder_add (&builder, "{sv}", "tls",
                             g_variant_new_string (session->clear ? "none" : tls_get_version (session->tls)));
      g_variant_builder_add (&builder, "{sv}", "cipher",
                             g_variant_new_string (session->clear ? "" : tls_get_cipher (session->tls)));
      g_variant_builder_add (&builder, "{sv}", "direction",
                             g_variant_new_string (session->inbound ? "inbound" : "outbound"));
      g_variant_builder_add (&builder, "{sv}", "address", g_variant_new_string (session->address));
      g_variant_builder_add (&builder, "{sv}", "opened", g_variant_new_int64 (session->opened_time));
      g_variant_builder_add (&builder, "{sv}", "bytes-in", g_variant_new_uint64 (link_get_bytes_in (session->link)));
      g_variant_builder_add (&builder, "{sv}", "bytes-out", g_variant_new_uint64 (link_get_bytes_out (session->link)));
      g_variant_builder_add (&builder, "{sv}", "restricted",
                             g_variant_new_boolean (session_is_restricted (session) || !session_is_trusted (session)));
      describe_management (session, &builder);
    }
  return g_variant_builder_end (&builder);
}
