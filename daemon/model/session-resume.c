/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is left of a stream that ended uncleanly: its XEP-0198 state, kept in memory until another stream with the same key
 * goes on with it (docs/protocol.md 2.8, 2.9, 4.1). Threat: an id alone resumes nothing, the key that
 * authenticated the new stream must be the one of the old (S-31). One state a key, KEPT_MAX in all, KEPT_S seconds.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/model/session-private.h"

#define KEPT_MAX 64
#define KEPT_S 300

typedef struct {
  Sessions *sessions;
  Fingerprint fp;
  Sm *sm;
  TrustLevel level;        /* what the key was worth when this was sent to it */
  gint64 since;
  guint source;
} Kept;

static void
kept_free (gpointer data)
{
  Kept *kept = data;

  if (kept->source != 0)
    g_source_remove (kept->source);
  sm_free (kept->sm);
  g_free (kept);
}

void
session_kept_init (Sessions *sessions)
{
  sessions->kept = g_hash_table_new_full (fingerprint_hash, fingerprint_equal_func, NULL, kept_free);
}

void
session_kept_clear (Sessions *sessions)
{
  g_clear_pointer (&sessions->kept, g_hash_table_unref);
}

/* What was sent and not confirmed goes out anew with the next stream. */
static void
tell_lost (Sessions *sessions, const Fingerprint *fp)
{
  Key *key = contacts_get_key (sessions->config.contacts, fp);

  if (key != NULL && sessions->callbacks.lost != NULL && !sessions->stopping
      && sessions_find (sessions, key_get_contact (key)) == NULL)
    sessions->callbacks.lost (sessions->user, key_get_contact (key));
}

static void
drop (Kept *kept)
{
  Sessions *sessions = kept->sessions;
  Fingerprint fp = kept->fp;

  g_hash_table_remove (sessions->kept, &fp);
  tell_lost (sessions, &fp);
}

void
session_kept_drop_all (Sessions *sessions)
{
  g_autoptr (GList) all = g_hash_table_get_values (sessions->kept);

  for (GList *item = all; item != NULL; item = item->next)
    drop (item->data);
}

static gboolean
on_kept_time (gpointer user)
{
  Kept *kept = user;

  kept->source = 0;
  drop (kept);
  return G_SOURCE_REMOVE;
}

static void
make_room (Sessions *sessions)
{
  Kept *oldest = NULL;
  GHashTableIter iter;
  gpointer value;

  if (g_hash_table_size (sessions->kept) < KEPT_MAX)
    return;
  g_hash_table_iter_init (&iter, sessions->kept);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (oldest == NULL || ((Kept *) value)->since < oldest->since)
      oldest = value;
  drop (oldest);
}

/* The stream broke off: its state waits for another one. Not where either side does not let the other in: what is set
 * aside is confirmed by nobody (docs/protocol.md 3.4). */
void
session_keep (Session *session)
{
  Sessions *sessions = session->sessions;
  Sm *sm;
  Kept *kept;

  if (sessions->stopping || session->fallen || !session_is_trusted (session) || session_is_restricted (session))
    return;
  sm = stream_take_sm (session->stream);
  if (sm == NULL)
    return;
  g_hash_table_remove (sessions->kept, &session->fp);
  make_room (sessions);
  kept = g_new0 (Kept, 1);
  kept->sessions = sessions;
  kept->fp = session->fp;
  kept->sm = sm;
  kept->level = session->level;
  kept->since = g_get_monotonic_time ();
  kept->source = g_timeout_add_seconds (KEPT_S, on_kept_time, kept);
  g_hash_table_insert (sessions->kept, &kept->fp, kept);
  session->suspended = TRUE;
  log_event (G_LOG_LEVEL_INFO, "session", 0, session->id, NULL,
             "stream can be resumed: sent %u, of them not confirmed %u, received %u", sm_get_sent (sm), sm_get_unacked (sm),
             sm_get_h (sm));
}

/* Another stream with one of the contact's keys began anew, so that everything unconfirmed goes out on it. */
void
session_supersede (Session *session)
{
  Contact *contact = session_get_contact (session);
  const GPtrArray *keys = contact != NULL ? contact_get_keys (contact) : NULL;

  for (guint i = 0; keys != NULL && i < keys->len; i++)
    g_hash_table_remove (session->sessions->kept, key_get_fingerprint (g_ptr_array_index (keys, i)));
}

/* Trust changed: what may not be resumed any more is not kept either. */
void
session_kept_review (Sessions *sessions)
{
  g_autoptr (GPtrArray) gone = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, sessions->kept);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Key *key = contacts_get_key (sessions->config.contacts, &((Kept *) value)->fp);

      if (key == NULL || key_is_refused (key) || key_get_level (key) < ((Kept *) value)->level || contact_is_blocked (key_get_contact (key)))
        g_ptr_array_add (gone, value);
    }
  for (guint i = 0; i < gone->len; i++)
    drop (g_ptr_array_index (gone, i));
}

/* --- what the stream machine asks for -------------------------------------------- */

static const Sm *
on_wish (gpointer user)
{
  Session *session = user;
  Session *open = g_hash_table_lookup (session->sessions->open, &session->fp);
  Kept *kept = g_hash_table_lookup (session->sessions->kept, &session->fp);

  /* They called, too, and what this call wanted to resume goes on there already: to begin anew would end that one. */
  if (open != NULL && open->resumed && g_get_monotonic_time () - open->opened_at < SIMULTANEOUS_US)
    {
      stream_fail (session->stream, "conflict", NULL);
      return NULL;
    }
  return kept != NULL && session_is_trusted (session) ? kept->sm : NULL;
}

static gboolean
on_expects (gpointer user)
{
  Session *session = user;
  Session *open = g_hash_table_lookup (session->sessions->open, &session->fp);

  return g_hash_table_contains (session->sessions->kept, &session->fp)
         || (open != NULL && open->stream != NULL && stream_get_sm (open->stream) != NULL);
}

/* Both ends call to resume the same state: the call of the lower fingerprint is the one that counts, as for simultaneous
 * opens (docs/protocol.md 2.8). The other one keeps its state and is told `conflict`. */
static gboolean
gives_way (Session *session)
{
  Sessions *sessions = session->sessions;

  if (fingerprint_compare (identity_get_fingerprint (sessions->config.identity), &session->fp) > 0)
    return FALSE;
  for (guint i = 0; i < sessions->all->len; i++)
    {
      Session *other = g_ptr_array_index (sessions->all, i);

      if (!other->inbound && other->has_key && fingerprint_equal (&other->fp, &session->fp) && other->stream != NULL
          && stream_is_resuming (other->stream))
        return TRUE;
    }
  return FALSE;
}

/* The old stream is not known to be dead here: its peer says so, and proved to be the one. */
static Sm *
take_live (Session *old, const char *id)
{
  const Sm *live = old->stream != NULL ? stream_get_sm (old->stream) : NULL;
  Sm *sm = NULL;

  if (live == NULL || g_strcmp0 (sm_get_id (live), id) != 0 || !session_is_trusted (old) || session_is_restricted (old))
    return NULL;
  sm = stream_take_sm (old->stream);
  old->suspended = sm != NULL;
  return sm;
}

/* Both called to resume, ours was granted, and only then theirs comes in: to follow it would end the stream that they go on with,
 * and leave both without the state. */
static gboolean
is_overtaken (Session *session, const Session *old)
{
  return old->stream != NULL && g_get_monotonic_time () - old->opened_at < SIMULTANEOUS_US
         && stream_is_behind (session->stream, old->stream);
}

static Sm *
on_take (gpointer user, const char *id)
{
  Session *session = user;
  Sessions *sessions = session->sessions;
  Session *old = g_hash_table_lookup (sessions->open, &session->fp);
  Kept *kept = g_hash_table_lookup (sessions->kept, &session->fp);
  Sm *sm;

  if (!session_is_trusted (session))
    return NULL;
  if (old != NULL && session->inbound && is_overtaken (session, old))
    {
      stream_fail (session->stream, "conflict", NULL);
      return NULL;
    }
  if (old != NULL)
    return take_live (old, id);
  if (kept == NULL || g_strcmp0 (sm_get_id (kept->sm), id) != 0)
    return NULL;
  if (session->inbound && gives_way (session))
    {
      stream_fail (session->stream, "conflict", NULL);
      return NULL;
    }
  sm = g_steal_pointer (&kept->sm);
  g_hash_table_remove (sessions->kept, &session->fp);
  return sm;
}

static void
on_wake (gpointer user)
{
  session_flush_later (user);
}

static void
on_acked (gpointer user, const char *tag)
{
  Session *session = user;
  Sessions *sessions = session->sessions;

  if (sessions->callbacks.acked != NULL)
    sessions->callbacks.acked (sessions->user, session, tag);
}

static void
on_declined (gpointer user)
{
  Session *session = user;

  if (session->open && !session->ended)
    session->sessions->callbacks.changed (session->sessions->user, session);
}

static gint64
on_now (gpointer user)
{
  return g_get_real_time ();
}

const StreamManagement session_management = { on_wish, on_expects, on_take, on_wake, on_acked, on_declined, on_now };
