/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The door of delivery: its conversations, what sessions and trust tell it, and what the floor above asks.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/model/delivery-private.h"
#include "daemon/proto/caps.h"

#define EXPIRE_CHECK_US (3600 * (gint64) G_USEC_PER_SEC)
#define GRANT_ANSWER_MS 30000

/* --- conversations ------------------------------------------------------------------ */

static void
conv_free (gpointer data)
{
  Conv *conv = data;

  conv_clear_out (conv);
  g_hash_table_unref (conv->sent);
  g_hash_table_unref (conv->acked);
  g_free (conv->require);
  g_free (conv->marker);
  g_clear_pointer (&conv->keeping, g_ptr_array_unref);
  g_free (conv);
}

Conv *
delivery_find_conv (Delivery *delivery, guint32 contact)
{
  return g_hash_table_lookup (delivery->convs, GUINT_TO_POINTER (contact));
}

Conv *
delivery_conv (Delivery *delivery, guint32 contact)
{
  Conv *conv = delivery_find_conv (delivery, contact);

  if (conv != NULL)
    return conv;
  conv = g_new0 (Conv, 1);
  conv->delivery = delivery;
  conv->contact = contact;
  conv->sent = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  conv->acked = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  conv->require = g_strdup ("");
  conv->typing_pace = (Pace){ .window = DELIVERY_TYPING_WINDOW, .max = DELIVERY_TYPING_MAX };
  g_hash_table_insert (delivery->convs, GUINT_TO_POINTER (contact), conv);
  return conv;
}

static Conv *
conv_of (Delivery *delivery, Contact *contact)
{
  return contact != NULL ? delivery_find_conv (delivery, contact_get_id (contact)) : NULL;
}

void
delivery_appended (Delivery *delivery, guint64 seq, const char *kind, guint32 id)
{
  Contact *contact = contacts_get (delivery->config.contacts, id);

  if (seq == 0)
    return;
  delivery->head = MAX (delivery->head, seq);
  if (delivery->tail == 0)
    delivery->tail = seq;
  if (contact != NULL)
    WATCHERS_CALL (&delivery->watchers, DeliveryWatch, appended, seq, kind, contact);
}

void
delivery_counts_changed (Delivery *delivery, guint32 id)
{
  Contact *contact = contacts_get (delivery->config.contacts, id);

  WATCHERS_CALL (&delivery->watchers, DeliveryWatch, counts_changed, contact);
}

Session *
delivery_session (Delivery *delivery, guint32 id)
{
  Contact *contact = contacts_get (delivery->config.contacts, id);

  return contact != NULL && delivery->config.sessions != NULL ? sessions_find (delivery->config.sessions, contact) : NULL;
}

void
delivery_want (Delivery *delivery, Contact *contact)
{
  Conv *conv = conv_of (delivery, contact);
  Key *key = contact_get_active_key (contact);
  gboolean owed = (conv != NULL && conv->queued > conv->held) || (key != NULL && key_is_grant_owed (key))
                  || contact_is_succession_owed (contact);

  if (delivery->config.sessions == NULL)
    return;
  if (owed && !contact_is_blocked (contact))
    sessions_want (delivery->config.sessions, contact);
  else
    sessions_unwant (delivery->config.sessions, contact);
}

void
delivery_review (Delivery *delivery, Contact *contact)
{
  delivery_want (delivery, contact);
}

static gboolean
is_idle (const Conv *conv)
{
  return !conv->loading && conv->keeping == NULL && conv->queued == 0 && conv->storing == 0 && conv->changing == 0
         && conv->blind == 0 && conv->marking == 0;
}

void
delivery_reap_conv (Delivery *delivery, guint32 id)
{
  Conv *conv = delivery_find_conv (delivery, id);

  if (conv != NULL && is_idle (conv) && contacts_get (delivery->config.contacts, id) == NULL)
    g_hash_table_remove (delivery->convs, GUINT_TO_POINTER (id));
}

/* A stranger that goes takes its conversation state along: what was set aside is on disk and bounded. */
static void
on_contact_removed (gpointer user, Contact *contact)
{
  Delivery *delivery = user;
  Conv *conv = conv_of (delivery, contact);

  if (conv != NULL && is_idle (conv))
    g_hash_table_remove (delivery->convs, GUINT_TO_POINTER (contact_get_id (contact)));
}

static void
on_key_removed (gpointer user, Key *key)
{
  delivery_discard (user, key_get_fingerprint (key));
}

static const ContactsWatch contacts_table = { .removed = on_contact_removed, .key_removed = on_key_removed };

/* Before the new key is let in: nothing of what was written for the old one may slip through in between, nor after a
 * crash in between. */
static void
on_replacing (gpointer user, guint32 contact, gboolean hold)
{
  Conv *conv = delivery_find_conv (user, contact);

  if (conv == NULL)
    return;
  if (hold)
    conv_hold (conv, HELD_REPLACED);
  else
    {
      conv_drop_holds (conv);
      conv_release (conv, HELD_REPLACED);
    }
}

typedef struct {
  Delivery *delivery;
  guint32 from, to;
  guint unread, queued, held;
} Moving;

static void
on_moved_rows (gpointer user, const GError *error)
{
  g_autofree Moving *moving = user;
  Conv *from = delivery_find_conv (moving->delivery, moving->from);
  Conv *to = delivery_conv (moving->delivery, moving->to);

  if (error != NULL)
    {
      log_warn ("delivery", "a conversation could not be moved: %s", error->message);
      if (from != NULL)
        conv_recount (from);
      return;
    }
  if (from != NULL)
    {
      from->unread = 0;
      conv_recount (from);
    }
  to->unread += moving->unread;
  to->queued += moving->queued;
  to->held += moving->held;
  conv_recount (to);
  conv_release (to, HELD_APPROVAL);
}

/* What was written to somebody who turned out to be an old friend with a new key is for that friend. */
static void
on_moved (gpointer user, guint32 from, Contact *to)
{
  Delivery *delivery = user;
  Conv *conv = delivery_find_conv (delivery, from);
  Moving *moving;

  if (conv == NULL)
    return;
  moving = g_new0 (Moving, 1);
  moving->delivery = delivery;
  moving->from = from;
  moving->to = contact_get_id (to);
  moving->unread = conv->unread;
  moving->queued = conv->queued;
  moving->held = conv->held;
  history_move_contact (delivery->config.history, from, moving->to, on_moved_rows, moving);
}

static const TrustWatch trust_table = { .replacing = on_replacing, .moved = on_moved };

/* --- expiry --------------------------------------------------------------------------- */

/* After an expiry: when is the next one due? Rows that are in memory say so; for the others a look in an hour. */
static void
on_expired (gpointer user, const GError *error)
{
  Delivery *delivery = user;
  gint64 next = g_get_real_time () + EXPIRE_CHECK_US;
  gboolean owed = FALSE;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, delivery->items);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (((Item *) value)->row->expires > g_get_real_time ())
      next = MIN (next, ((Item *) value)->row->expires);
  g_hash_table_iter_init (&iter, delivery->convs);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Conv *conv = value;

      if (conv->queued == 0)
        continue;
      owed = TRUE;
      conv_recount (conv);
    }
  if (owed)
    delivery_schedule_expiry (delivery, next);
}

static gboolean
on_expiry_time (gpointer user)
{
  Delivery *delivery = user;

  delivery->expire_source = 0;
  delivery->expire_at = 0;
  outbox_expire (delivery->config.outbox, g_get_real_time (), on_expired, delivery);
  return G_SOURCE_REMOVE;
}

/* Wakes for the earliest expiry; 0 = the default, 30 days away: within an hour is soon enough. Not at all while nothing
 * is queued. */
void
delivery_schedule_expiry (Delivery *delivery, gint64 at)
{
  gint64 now = g_get_real_time ();
  gint64 latest = now + EXPIRE_CHECK_US;

  at = at == 0 ? latest : MIN (at, latest);
  if (delivery->expire_source != 0 && delivery->expire_at <= at)
    return;
  if (delivery->expire_source != 0)
    g_source_remove (delivery->expire_source);
  delivery->expire_at = at;
  /* To the millisecond: a timer in seconds may fire early, and would find nothing. */
  delivery->expire_source = g_timeout_add (MAX (at - now, 0) / 1000 + 10, on_expiry_time, delivery);
}

/* --- birth ------------------------------------------------------------------------------ */

static gboolean
load_conversations (Delivery *delivery, GError **error)
{
  g_autoptr (GArray) rows = NULL;

  if (!history_load_conversations (delivery->config.history, &rows, &delivery->head, &delivery->tail, error))
    return FALSE;
  for (guint i = 0; i < rows->len; i++)
    {
      ConversationRow *row = &g_array_index (rows, ConversationRow, i);
      Conv *conv = delivery_conv (delivery, row->contact);

      conv->last_seq = row->last_seq;
      conv->read_seq = row->read_seq;
      conv->unread = row->unread;
      conv->muted = row->muted;
      g_free (conv->require);
      conv->require = g_strdup (row->require != NULL ? row->require : "");
      if (row->marker != NULL && *row->marker != '\0')
        conv->marker = g_strdup (row->marker);
    }
  return TRUE;
}

static gboolean
load_outbox (Delivery *delivery, GError **error)
{
  g_autoptr (GArray) summaries = NULL;

  if (!outbox_summarize (delivery->config.outbox, &summaries, error))
    return FALSE;
  for (guint i = 0; i < summaries->len; i++)
    {
      OutboxSummary *summary = &g_array_index (summaries, OutboxSummary, i);
      Conv *conv = delivery_conv (delivery, summary->contact);

      conv->queued = summary->queued;
      conv->held = summary->held;
      conv->more = TRUE;
      if (summary->queued > 0)
        delivery_schedule_expiry (delivery, summary->next_expiry);
    }
  return TRUE;
}

Delivery *
delivery_new (const DeliveryConfig *config, GError **error)
{
  Delivery *delivery = g_new0 (Delivery, 1);

  delivery->config = *config;
  delivery->convs = g_hash_table_new_full (NULL, NULL, NULL, conv_free);
  delivery->items = g_hash_table_new (g_str_hash, g_str_equal);
  delivery->cancelling = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  delivery->aside = g_hash_table_new_full (fingerprint_hash, fingerprint_equal_func, g_free, g_free);
  watchers_init (&delivery->watchers);
  delivery->nick = g_strdup ("");
  delivery->markers = TRUE;
  delivery->used = g_get_monotonic_time ();
  contacts_watch (config->contacts, &contacts_table, delivery);
  trust_watch (config->trust, &trust_table, delivery);
  if (!load_conversations (delivery, error) || !load_outbox (delivery, error))
    {
      delivery_free (delivery);
      return NULL;
    }
  return delivery;
}

static void
on_preview_counted (gpointer user, GPtrArray *entries, gboolean more, guint64 last, const GError *error)
{
  Delivery *delivery = user;

  for (guint i = 0; entries != NULL && error == NULL && i < entries->len; i++)
    {
      LogEntry *entry = g_ptr_array_index (entries, i);
      guint *count = g_hash_table_lookup (delivery->aside, &entry->key);

      if (count != NULL)
        *count = entries->len;
    }
  g_clear_pointer (&entries, g_ptr_array_unref);
}

/* A decision may have been committed just before a crash, and what follows from it not: follow now. */
static void
settle_aside (Delivery *delivery)
{
  g_autoptr (GArray) keys = NULL;

  if (!history_list_aside (delivery->config.history, &keys, NULL))
    return;
  for (guint i = 0; i < keys->len; i++)
    {
      Fingerprint *fp = &g_array_index (keys, Fingerprint, i);
      Key *key = contacts_get_key (delivery->config.contacts, fp);

      g_hash_table_insert (delivery->aside, g_memdup2 (fp, sizeof *fp), g_new0 (guint, 1));
      if (key != NULL && key_get_level (key) >= TRUST_PINNED)
        delivery_admit (delivery, key_get_contact (key), fp);
      else if (key == NULL || key_is_refused (key) || contact_is_blocked (key_get_contact (key)))
        delivery_discard (delivery, fp);
      else
        history_preview (delivery->config.history, fp, on_preview_counted, delivery);
    }
}

void
delivery_start (Delivery *delivery, Sessions *sessions, Router *router)
{
  g_autoptr (GPtrArray) all = contacts_list (delivery->config.contacts);

  delivery->config.sessions = sessions;
  delivery->config.router = router;
  settle_aside (delivery);
  for (guint i = 0; i < all->len; i++)
    {
      Contact *contact = g_ptr_array_index (all, i);
      Key *key = contact_get_active_key (contact);
      Conv *conv = conv_of (delivery, contact);

      if ((conv != NULL && conv->queued > conv->held) || (key != NULL && key_is_grant_owed (key)))
        delivery_want (delivery, contact);
    }
}

void
delivery_stop (Delivery *delivery)
{
  if (delivery == NULL)
    return;
  delivery->config.sessions = NULL;
  delivery->config.router = NULL;
}

void
delivery_free (Delivery *delivery)
{
  if (delivery == NULL)
    return;
  contacts_unwatch (delivery->config.contacts, delivery);
  trust_unwatch (delivery->config.trust, delivery);
  if (delivery->expire_source != 0)
    g_source_remove (delivery->expire_source);
  g_hash_table_unref (delivery->convs);
  g_hash_table_unref (delivery->items);
  g_hash_table_unref (delivery->cancelling);
  g_hash_table_unref (delivery->aside);
  watchers_clear (&delivery->watchers);
  g_free (delivery->nick);
  g_free (delivery);
}

void
delivery_set_heed (Delivery *delivery, DeliveryHeed heed, gpointer user)
{
  delivery->heed = heed;
  delivery->heed_user = user;
}

void
delivery_watch (Delivery *delivery, const DeliveryWatch *watch, gpointer user)
{
  watchers_add (&delivery->watchers, watch, user);
}

void
delivery_unwatch (Delivery *delivery, gpointer user)
{
  watchers_remove (&delivery->watchers, user);
}

/* --- what sessions tell --------------------------------------------------------------------- */

typedef struct {
  Delivery *delivery;
  Fingerprint key;
} Asked;

static Asked *
asked_new (Delivery *delivery, Session *session)
{
  Asked *asked = g_new0 (Asked, 1);

  asked->delivery = delivery;
  asked->key = *key_get_fingerprint (session_get_key (session));
  return asked;
}

static void
on_grant_answered (gpointer user, const Stanza *reply, const GError *error)
{
  g_autofree Asked *asked = user;
  Key *key = contacts_get_key (asked->delivery->config.contacts, &asked->key);
  Conv *conv;

  /* A peer that knows no grants has none to miss. */
  if (key == NULL || (error != NULL && error->code != EARSHOT_ERROR_REFUSED))
    return;
  trust_grant_done (asked->delivery->config.trust, key);
  conv = conv_of (asked->delivery, key_get_contact (key));
  if (conv != NULL)
    conv_pump (conv);
  else
    delivery_want (asked->delivery, key_get_contact (key));
}

/* Tells the peer that we let it in (docs/protocol.md 3.4), until it has heard it once. */
static void
offer_grant (Delivery *delivery, Session *session)
{
  Key *key = session_get_key (session);

  if (key == NULL || !session_is_trusted (session) || !key_is_grant_owed (key))
    return;
  router_query (delivery->config.router, session, "set", stanza_new ("granted", NS_LL_TRUST), GRANT_ANSWER_MS,
                on_grant_answered, asked_new (delivery, session));
}

static void
on_disco (gpointer user, const Stanza *reply, const GError *error)
{
  g_autofree Asked *asked = user;
  Key *key = contacts_get_key (asked->delivery->config.contacts, &asked->key);
  Conv *conv = key != NULL ? conv_of (asked->delivery, key_get_contact (key)) : NULL;
  const Stanza *query = reply != NULL ? stanza_get_child (reply, "query", NS_DISCO_INFO) : NULL;

  if (conv == NULL || query == NULL)
    return;
  conv->chat_states |= caps_has_feature (query, NS_CHATSTATES);
  conv->no_receipts = !caps_has_feature (query, NS_RECEIPTS);
  if (conv->no_receipts)
    conv_confirm_unasked (conv);
}

/* Can it confirm? Known from its final features, from its caps hash if it is ours, else asked. */
static void
learn_receipts (Delivery *delivery, Session *session, Conv *conv)
{
  const Stanza *disco = session_get_peer_disco (session);
  const Presence *presence = contact_get_presence (session_get_contact (session));

  /* In clear nobody is asked, and nothing is confirmed. */
  conv->no_receipts = session_is_clear (session);
  if (conv->no_receipts)
    conv->chat_states = FALSE;
  else if (disco != NULL)
    {
      conv->no_receipts = !caps_has_feature (disco, NS_RECEIPTS);
      conv->chat_states = caps_has_feature (disco, NS_CHATSTATES);
    }
  else if (presence == NULL || g_strcmp0 (presence->ver, caps_own_ver ()) != 0)
    router_query (delivery->config.router, session, "get", stanza_new ("query", NS_DISCO_INFO), GRANT_ANSWER_MS, on_disco,
                  asked_new (delivery, session));
  else
    conv->chat_states = TRUE; /* just what we are */
}

static void
release_what_may_go (Delivery *delivery, Session *session, Conv *conv)
{
  if (!session_is_trusted (session))
    return;
  conv_release (conv, HELD_APPROVAL);
  if (!session_is_restricted (session))
    conv_release (conv, HELD_WAITING);
  if (!session_is_clear (session))
    conv_release (conv, HELD_INSECURE);
}

void
delivery_on_opened (Delivery *delivery, Session *session)
{
  Contact *contact = session_get_contact (session);
  Conv *conv;

  if (contact == NULL)
    return;
  conv = delivery_conv (delivery, contact_get_id (contact));
  /* What a resumed stream left unconfirmed went out again already, and only that. */
  if (!session_is_resumed (session))
    {
      conv_stream_lost (conv);
      learn_receipts (delivery, session, conv);
    }
  offer_grant (delivery, session);
  release_what_may_go (delivery, session, conv);
  conv_pump (conv);
  conv_send_marker (conv, session);
}

void
delivery_on_changed (Delivery *delivery, Session *session)
{
  Contact *contact = session_get_contact (session);
  Conv *conv = conv_of (delivery, contact);

  if (contact == NULL)
    return;
  offer_grant (delivery, session);
  if (conv == NULL)
    return;
  /* It may have declined to count what it was sent. */
  if (conv->no_receipts && !session_is_managed (session))
    conv_confirm_unasked (conv);
  release_what_may_go (delivery, session, conv);
  conv_pump (conv);
  conv_send_marker (conv, session);
}

void
delivery_on_closed (Delivery *delivery, Session *session)
{
  Contact *contact = session_get_contact (session);
  Conv *conv = conv_of (delivery, contact);

  if (conv == NULL)
    return;
  if (conv->holding == session_get_id (session))
    conv->holding = 0;
  if (!session_is_suspended (session))
    conv_stream_lost (conv);
  if (conv->typing_in)
    {
      conv->typing_in = FALSE;
      WATCHERS_CALL (&delivery->watchers, DeliveryWatch, typing, contact, FALSE);
    }
  conv->typing_out = FALSE;
  delivery_want (delivery, contact);
}

void
delivery_on_acked (Delivery *delivery, Session *session, const char *id)
{
  Conv *conv = conv_of (delivery, session_get_contact (session));

  if (conv != NULL)
    conv_on_acked (conv, id);
}

void
delivery_on_lost (Delivery *delivery, Contact *contact)
{
  Conv *conv = conv_of (delivery, contact);

  if (conv != NULL)
    conv_stream_lost (conv);
}

void
delivery_on_failed (Delivery *delivery, Contact *contact)
{
  Key *key = contact_get_active_key (contact);

  /* They refuse us: our yes to them is of no use to them now. */
  if (key != NULL && key_is_grant_owed (key) && strcmp (contact_get_last_error (contact), "Refused") == 0)
    {
      trust_grant_done (delivery->config.trust, key);
      delivery_want (delivery, contact);
    }
}

void
delivery_on_writable (Delivery *delivery, Session *session)
{
  Conv *conv = conv_of (delivery, session_get_contact (session));

  if (conv != NULL)
    conv_pump (conv);
}

void
delivery_on_granted (Delivery *delivery, Session *session)
{
  Conv *conv = conv_of (delivery, session_get_contact (session));

  session_set_granted (session);
  if (conv == NULL)
    return;
  release_what_may_go (delivery, session, conv);
  conv_pump (conv);
  conv_send_marker (conv, session);
}

/* --- what trust tells ------------------------------------------------------------------------ */

void
delivery_on_level (Delivery *delivery, Contact *contact, Key *key, gboolean release)
{
  Conv *conv = conv_of (delivery, contact);

  if (key == NULL)
    {
      /* Whether it may speak in clear, or that it is blocked. */
      if (conv != NULL)
        conv_pump (conv);
      else
        delivery_want (delivery, contact);
      return;
    }
  if (contact_is_blocked (contact) || key_is_refused (key) || key_get_level (key) == TRUST_REVOKED)
    {
      delivery_discard (delivery, key_get_fingerprint (key));
      delivery_want (delivery, contact);
      return;
    }
  if (key_get_level (key) < TRUST_PINNED)
    {
      delivery_want (delivery, contact);
      return;
    }
  delivery_admit (delivery, contact, key_get_fingerprint (key));
  if (conv != NULL)
    {
      /* Written for the key before: it goes to the new one only on the user's word. */
      if (!release)
        conv_hold (conv, HELD_REPLACED);
      else
        conv_release (conv, HELD_APPROVAL);
      conv_release (conv, HELD_REQUIRE);
      conv_pump (conv);
    }
  else
    delivery_want (delivery, contact);
}

typedef struct {
  Delivery *delivery;
  guint32 contact;
} Forgotten;

static void
clear_conv (Conv *conv)
{
  conv_clear_out (conv);
  conv->queued = conv->held = conv->unread = 0;
  conv->last_seq = conv->read_seq = 0;
  g_clear_pointer (&conv->marker, g_free);
  conv->more = FALSE;
}

/* The last of its jobs: what others reported meanwhile is deleted, too. */
static void
on_forgotten (gpointer user, const GError *error)
{
  g_autofree Forgotten *forgotten = user;
  Conv *conv = delivery_find_conv (forgotten->delivery, forgotten->contact);

  if (error != NULL)
    log_warn ("delivery", "a forgotten conversation is still on disk: %s", error->message);
  else
    trust_forget_done (forgotten->delivery->config.trust, forgotten->contact);
  if (conv == NULL)
    return;
  clear_conv (conv);
  delivery_reap_conv (forgotten->delivery, forgotten->contact);
  delivery_counts_changed (forgotten->delivery, 0);
}

void
delivery_on_forgotten (Delivery *delivery, guint32 contact_id, const Fingerprint *fp)
{
  Conv *conv = delivery_find_conv (delivery, contact_id);
  Forgotten *forgotten = g_new0 (Forgotten, 1);

  forgotten->delivery = delivery;
  forgotten->contact = contact_id;
  if (conv != NULL)
    clear_conv (conv);
  history_delete_contact (delivery->config.history, contact_id, on_forgotten, forgotten);
  delivery_counts_changed (delivery, contact_id);
}
