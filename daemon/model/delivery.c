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

#define EXPIRE_CHECK_MAX_S (24 * 3600)
#define GRANT_ANSWER_MS 30000

/* --- conversations ------------------------------------------------------------------ */

static void
conv_free (gpointer data)
{
  Conv *conv = data;

  conv_clear_out (conv);
  g_hash_table_unref (conv->sent);
  g_free (conv->require);
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
  conv->require = g_strdup ("");
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

/* A stranger that goes takes its conversation state along: what was set aside is on disk and bounded. */
static void
on_contact_removed (gpointer user, Contact *contact)
{
  Delivery *delivery = user;
  Conv *conv = conv_of (delivery, contact);

  if (conv == NULL || conv->loading || conv->keeping != NULL || conv->queued > 0 || conv->storing > 0)
    return;
  g_hash_table_remove (delivery->convs, GUINT_TO_POINTER (contact_get_id (contact)));
}

static void
on_key_removed (gpointer user, Key *key)
{
  delivery_discard (user, key_get_fingerprint (key));
}

static const ContactsWatch contacts_table = { .removed = on_contact_removed, .key_removed = on_key_removed };

/* --- expiry --------------------------------------------------------------------------- */

static void schedule_expiry (Delivery *delivery, gint64 next);

static void
on_expired (gpointer user, const GError *error)
{
  Delivery *delivery = user;
  g_autoptr (GPtrArray) all = contacts_list (delivery->config.contacts);

  for (guint i = 0; i < all->len; i++)
    {
      Conv *conv = conv_of (delivery, g_ptr_array_index (all, i));

      if (conv != NULL && conv->queued > 0)
        conv_recount (conv);
    }
}

static gboolean
on_expiry_time (gpointer user)
{
  Delivery *delivery = user;

  delivery->expire_source = 0;
  outbox_expire (delivery->config.outbox, g_get_real_time (), on_expired, delivery);
  schedule_expiry (delivery, 0);
  return G_SOURCE_REMOVE;
}

/* Wakes for the next expiry, at the latest once a day; not at all while nothing is queued. */
static void
schedule_expiry (Delivery *delivery, gint64 next)
{
  gint64 in_s = next > 0 ? (next - g_get_real_time ()) / G_USEC_PER_SEC + 1 : EXPIRE_CHECK_MAX_S;

  if (delivery->expire_source != 0)
    {
      if (next == 0)
        return;
      g_source_remove (delivery->expire_source);
    }
  delivery->expire_source = g_timeout_add_seconds (CLAMP (in_s, 1, EXPIRE_CHECK_MAX_S), on_expiry_time, delivery);
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
      if (summary->next_expiry > 0)
        schedule_expiry (delivery, summary->next_expiry);
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
  delivery->aside = g_hash_table_new_full (fingerprint_hash, fingerprint_equal_func, g_free, g_free);
  watchers_init (&delivery->watchers);
  contacts_watch (config->contacts, &contacts_table, delivery);
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

      if (conv != NULL && conv->queued > conv->held)
        conv_pump (conv);
      else if (key != NULL && key_is_grant_owed (key))
        sessions_want (sessions, contact);
    }
}

void
delivery_free (Delivery *delivery)
{
  if (delivery == NULL)
    return;
  contacts_unwatch (delivery->config.contacts, delivery);
  if (delivery->expire_source != 0)
    g_source_remove (delivery->expire_source);
  g_hash_table_unref (delivery->convs);
  g_hash_table_unref (delivery->items);
  g_hash_table_unref (delivery->aside);
  watchers_clear (&delivery->watchers);
  g_free (delivery);
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

  if (conv != NULL && query != NULL)
    conv->no_receipts = !caps_has_feature (query, NS_RECEIPTS);
}

/* Can it confirm? Known from its final features, from its caps hash if it is ours, else asked. */
static void
learn_receipts (Delivery *delivery, Session *session, Conv *conv)
{
  const Stanza *disco = session_get_peer_disco (session);
  const Presence *presence = contact_get_presence (session_get_contact (session));

  conv->no_receipts = FALSE;
  if (disco != NULL)
    conv->no_receipts = !caps_has_feature (disco, NS_RECEIPTS);
  else if (presence == NULL || g_strcmp0 (presence->ver, caps_own_ver ()) != 0)
    router_query (delivery->config.router, session, "get", stanza_new ("query", NS_DISCO_INFO), GRANT_ANSWER_MS, on_disco,
                  asked_new (delivery, session));
}

static void
release_what_may_go (Delivery *delivery, Session *session, Conv *conv)
{
  if (!session_is_trusted (session))
    return;
  conv_release (conv, "approval-needed");
  if (!session_is_restricted (session))
    conv_release (conv, "waiting-approval");
}

void
delivery_on_opened (Delivery *delivery, Session *session)
{
  Contact *contact = session_get_contact (session);
  Conv *conv;

  if (contact == NULL)
    return;
  conv = delivery_conv (delivery, contact_get_id (contact));
  conv_stream_lost (conv);
  learn_receipts (delivery, session, conv);
  offer_grant (delivery, session);
  release_what_may_go (delivery, session, conv);
  conv_pump (conv);
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
  release_what_may_go (delivery, session, conv);
  conv_pump (conv);
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
  conv_stream_lost (conv);
  if (conv->typing_in)
    {
      conv->typing_in = FALSE;
      WATCHERS_CALL (&delivery->watchers, DeliveryWatch, typing, contact, FALSE);
    }
  conv->typing_out = FALSE;
  if (conv->queued > conv->held)
    sessions_want (delivery->config.sessions, contact);
}

void
delivery_on_failed (Delivery *delivery, Contact *contact)
{
  Key *key = contact_get_active_key (contact);

  /* They refuse us: our yes to them is of no use to them now. */
  if (key != NULL && key_is_grant_owed (key) && strcmp (contact_get_last_error (contact), "Refused") == 0)
    {
      Conv *conv = conv_of (delivery, contact);

      trust_grant_done (delivery->config.trust, key);
      if (conv == NULL || conv->queued == conv->held)
        sessions_unwant (delivery->config.sessions, contact);
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
}

/* --- what trust tells ------------------------------------------------------------------------ */

void
delivery_on_level (Delivery *delivery, Contact *contact, Key *key, gboolean release)
{
  Conv *conv = conv_of (delivery, contact);

  if (key == NULL)
    return;
  if (contact_is_blocked (contact) || key_is_refused (key) || key_get_level (key) == TRUST_REVOKED)
    {
      delivery_discard (delivery, key_get_fingerprint (key));
      return;
    }
  if (key_get_level (key) < TRUST_PINNED)
    return;
  delivery_admit (delivery, contact, key_get_fingerprint (key));
  if (conv != NULL)
    {
      /* Written for the key before: it goes to the new one only on the user's word. */
      if (!release)
        conv_hold (conv, "key-replaced");
      else
        conv_release (conv, "approval-needed");
      conv_pump (conv);
    }
  else if (key_is_grant_owed (key) && sessions_find (delivery->config.sessions, contact) == NULL)
    sessions_want (delivery->config.sessions, contact);
}

static void
on_forgotten (gpointer user, const GError *error)
{
  if (error != NULL)
    log_warn ("delivery", "a forgotten conversation is still on disk: %s", error->message);
}

void
delivery_on_forgotten (Delivery *delivery, guint32 contact_id, const Fingerprint *fp)
{
  Conv *conv = delivery_find_conv (delivery, contact_id);

  if (conv != NULL)
    {
      conv_clear_out (conv);
      conv->queued = conv->held = conv->unread = 0;
      conv->last_seq = conv->read_seq = 0;
      conv->more = FALSE;
    }
  outbox_drop_contact (delivery->config.outbox, contact_id, on_forgotten, delivery);
  history_delete_contact (delivery->config.history, contact_id, on_forgotten, delivery);
  delivery_counts_changed (delivery, contact_id);
}

/* --- what the floor above asks ------------------------------------------------------------------ */

typedef struct {
  Delivery *delivery;
  gboolean retry;
  guint32 contact;
  DoneFunc done;
  gpointer user;
} Change;

static void
on_retried (gpointer user, const GError *error)
{
  g_autofree Change *change = user;

  if (error == NULL)
    conv_recount (delivery_conv (change->delivery, change->contact));
  if (change->done != NULL)
    change->done (change->user, error);
}

static void
change_message (Change *change, const LogEntry *entry)
{
  Delivery *delivery = change->delivery;
  Conv *conv = delivery_conv (delivery, entry->contact);
  Item *item = g_hash_table_lookup (delivery->items, entry->id);
  g_autoptr (GError) error = NULL;

  if (entry->direction != DIRECTION_OUT)
    error = g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_NOT_FOUND, "That is no message of ours");
  else if (change->retry)
    {
      change->contact = entry->contact;
      outbox_set_held (delivery->config.outbox, entry->contact, entry->id, FALSE, NULL, on_retried, change);
      return;
    }
  else if ((item != NULL && item->settling) || g_hash_table_contains (conv->sent, entry->id))
    error = g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "The message has left already");
  else
    {
      conv_settle (conv, entry->id, "cancelled", "user", change->done, change->user);
      g_free (change);
      return;
    }
  if (change->done != NULL)
    change->done (change->user, error);
  g_free (change);
}

static void
on_found (gpointer user, const LogEntry *entry, const GError *error)
{
  Change *change = user;

  if (error == NULL && entry != NULL)
    {
      change_message (change, entry);
      return;
    }
  if (change->done != NULL)
    change->done (change->user, error);
  g_free (change);
}

static void
find_and_change (Delivery *delivery, const char *id, gboolean retry, DoneFunc done, gpointer user)
{
  Change *change = g_new0 (Change, 1);

  change->delivery = delivery;
  change->retry = retry;
  change->done = done;
  change->user = user;
  history_get (delivery->config.history, id, on_found, change);
}

void
delivery_cancel (Delivery *delivery, const char *id, DoneFunc done, gpointer user)
{
  find_and_change (delivery, id, FALSE, done, user);
}

void
delivery_retry (Delivery *delivery, const char *id, DoneFunc done, gpointer user)
{
  find_and_change (delivery, id, TRUE, done, user);
}

const char *
delivery_get_live_state (Delivery *delivery, const char *id)
{
  Item *item = g_hash_table_lookup (delivery->items, id);
  Conv *conv = item != NULL && !item->row->held ? delivery_find_conv (delivery, item->row->contact) : NULL;

  return conv != NULL && g_hash_table_contains (conv->sent, id) ? "sent" : NULL;
}

void
delivery_set_typing (Delivery *delivery, Contact *contact, gboolean active)
{
  Conv *conv = delivery_conv (delivery, contact_get_id (contact));
  Session *session = sessions_find (delivery->config.sessions, contact);
  g_autoptr (Stanza) message = NULL;

  /* Never queued, never the same twice in a row (M-11). */
  if (session == NULL || !session_is_trusted (session) || session_is_restricted (session) || conv->typing_out == active)
    return;
  conv->typing_out = active;
  message = stanza_new ("message", NS_CLIENT);
  stanza_set_attr (message, "type", "chat");
  stanza_add_new (message, active ? "composing" : "active", NS_CHATSTATES, NULL);
  session_send (session, message);
}

static guint
sum_of (Delivery *delivery, gsize offset)
{
  GHashTableIter iter;
  gpointer value;
  guint sum = 0;

  g_hash_table_iter_init (&iter, delivery->convs);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    sum += G_STRUCT_MEMBER (guint, value, offset);
  return sum;
}

static guint
count_of (Delivery *delivery, Contact *contact, gsize offset)
{
  Conv *conv;

  if (contact == NULL)
    return sum_of (delivery, offset);
  conv = conv_of (delivery, contact);
  return conv != NULL ? G_STRUCT_MEMBER (guint, conv, offset) : 0;
}

guint
delivery_get_queued (Delivery *delivery, Contact *contact)
{
  return count_of (delivery, contact, G_STRUCT_OFFSET (Conv, queued));
}

guint
delivery_get_held (Delivery *delivery, Contact *contact)
{
  return count_of (delivery, contact, G_STRUCT_OFFSET (Conv, held));
}

guint
delivery_get_unread (Delivery *delivery, Contact *contact)
{
  return count_of (delivery, contact, G_STRUCT_OFFSET (Conv, unread));
}

guint64
delivery_get_head (Delivery *delivery)
{
  return delivery->head;
}

guint64
delivery_get_tail (Delivery *delivery)
{
  return delivery->tail;
}

guint64
delivery_get_last_seq (Delivery *delivery, Contact *contact)
{
  Conv *conv = conv_of (delivery, contact);

  return conv != NULL ? conv->last_seq : 0;
}

guint64
delivery_get_read_seq (Delivery *delivery, Contact *contact)
{
  Conv *conv = conv_of (delivery, contact);

  return conv != NULL ? conv->read_seq : 0;
}

gboolean
delivery_get_muted (Delivery *delivery, Contact *contact)
{
  Conv *conv = conv_of (delivery, contact);

  return conv != NULL && conv->muted;
}

const char *
delivery_get_require (Delivery *delivery, Contact *contact)
{
  Conv *conv = conv_of (delivery, contact);

  return conv != NULL ? conv->require : "";
}

guint
delivery_get_aside (Delivery *delivery, const Fingerprint *key)
{
  guint *count = g_hash_table_lookup (delivery->aside, key);

  return count != NULL ? *count : 0;
}

typedef struct {
  Delivery *delivery;
  guint32 contact;
  gboolean muted;
  char *require;
  DoneFunc done;
  gpointer user;
} ConvChange;

static void
conv_change_done (ConvChange *change, const GError *error)
{
  if (change->done != NULL)
    change->done (change->user, error);
  g_free (change->require);
  g_free (change);
}

static void
on_conversation_set (gpointer user, const GError *error)
{
  ConvChange *change = user;

  if (error == NULL)
    {
      Conv *conv = delivery_conv (change->delivery, change->contact);

      conv->muted = change->muted;
      g_free (conv->require);
      conv->require = g_strdup (change->require);
      delivery_counts_changed (change->delivery, change->contact);
    }
  conv_change_done (change, error);
}

void
delivery_set_conversation (Delivery *delivery, Contact *contact, gboolean muted, const char *require, DoneFunc done,
                           gpointer user)
{
  ConvChange *change = g_new0 (ConvChange, 1);

  change->delivery = delivery;
  change->contact = contact_get_id (contact);
  change->muted = muted;
  change->require = g_strdup (require);
  change->done = done;
  change->user = user;
  history_set_conversation (delivery->config.history, change->contact, muted, require, on_conversation_set, change);
}

static void
on_marked (gpointer user, guint32 contact, guint64 read_seq, guint unread, const GError *error)
{
  ConvChange *change = user;

  if (error == NULL)
    {
      Conv *conv = delivery_conv (change->delivery, contact);

      conv->read_seq = MAX (conv->read_seq, read_seq);
      conv->unread = unread;
      delivery_counts_changed (change->delivery, contact);
    }
  conv_change_done (change, error);
}

void
delivery_mark_read (Delivery *delivery, Contact *contact, guint64 seq, DoneFunc done, gpointer user)
{
  ConvChange *change = g_new0 (ConvChange, 1);

  change->delivery = delivery;
  change->contact = contact_get_id (contact);
  change->done = done;
  change->user = user;
  history_mark_read (delivery->config.history, change->contact, seq, on_marked, change);
}
