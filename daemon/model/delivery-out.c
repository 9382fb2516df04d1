/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Queues towards people. The disk has every message; a window of each queue is in memory. FIFO per contact: a message that
 * waits for a decision keeps those behind it back; one stalled contact blocks no other.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/model/delivery-private.h"
#include "daemon/proto/caps.h"

#define WINDOW_BYTES (1024 * 1024)
#define DELAY_AFTER_US (10 * G_USEC_PER_SEC) /* docs/protocol.md 4.1 */
#define BOUNCE_RETRY_S 30

#define BULKY_LOAD 32                        /* rows, where few fill the window */
#define BLIND_MAX 64                         /* receipts at once for what is not in the window */

static void
item_free (Delivery *delivery, Item *item)
{
  g_hash_table_remove (delivery->items, item->row->id);
  outbox_item_free (item->row);
  g_free (item);
}

static void
remove_link (Conv *conv, GList *link)
{
  Item *item = link->data;

  if (conv->cursor == link)
    conv->cursor = link->next;
  conv->window_bytes -= item->size;
  g_queue_delete_link (&conv->window, link);
  item_free (conv->delivery, item);
}

static void
clear_window (Conv *conv)
{
  while (conv->window.head != NULL)
    remove_link (conv, conv->window.head);
  conv->cursor = NULL;
}

static void
conv_forget_sent (Conv *conv)
{
  g_hash_table_remove_all (conv->sent);
  g_hash_table_remove_all (conv->acked);
}

void
conv_clear_out (Conv *conv)
{
  clear_window (conv);
  conv_forget_sent (conv);
  if (conv->retry_source != 0)
    g_source_remove (conv->retry_source);
  conv->retry_source = 0;
  conv_drop_holds (conv);
}

gboolean
conv_window_is_full (const Conv *conv)
{
  return conv->window.length >= DELIVERY_WINDOW || conv->window_bytes >= WINDOW_BYTES;
}

/* Takes the row into the window when it belongs at its end and there is room. */
static void
append_row (Conv *conv, OutboxItem *row_take)
{
  Item *item;

  if (row_take->seq <= conv->loaded || g_hash_table_contains (conv->delivery->items, row_take->id))
    {
      outbox_item_free (row_take);
      return;
    }
  item = g_new0 (Item, 1);
  item->row = row_take;
  item->size = sizeof *item + sizeof *row_take + (row_take->body != NULL ? strlen (row_take->body) : 0)
               + (row_take->payload != NULL ? strlen (row_take->payload) : 0);
  conv->loaded = row_take->seq;
  conv->window_bytes += item->size;
  g_queue_push_tail (&conv->window, item);
  g_hash_table_insert (conv->delivery->items, row_take->id, item);
  if (conv->cursor == NULL)
    conv->cursor = conv->window.tail;
}

gboolean
conv_append (Conv *conv, OutboxItem *row)
{
  if (conv->more || conv->loading || conv->changing > 0 || conv_window_is_full (conv))
    {
      conv->more = TRUE; /* a load is due, or on its way and sees it or not: the disk keeps the order */
      return FALSE;
    }
  append_row (conv, row);
  return TRUE;
}

static void
on_loaded (gpointer user, GPtrArray *items, const GError *error)
{
  Conv *conv = user;
  guint taken = 0;
  guint limit = conv->bulky ? BULKY_LOAD : DELIVERY_WINDOW;

  conv->loading = FALSE;
  if (conv->reload || conv->changing > 0)
    {
      g_clear_pointer (&items, g_ptr_array_unref);
      conv->more = TRUE;
      if (conv->changing == 0)
        conv_reload (conv);
      delivery_reap_conv (conv->delivery, conv->contact);
      return;
    }
  if (error != NULL)
    {
      log_warn ("delivery", "the outbox could not be read: %s", error->message);
      g_clear_pointer (&items, g_ptr_array_unref);
      delivery_reap_conv (conv->delivery, conv->contact);
      return;
    }
  while (taken < items->len && !conv_window_is_full (conv))
    {
      append_row (conv, g_ptr_array_index (items, taken));
      items->pdata[taken++] = NULL;
    }
  conv->bulky = taken < items->len;
  conv->more = conv->bulky || items->len >= limit;
  g_ptr_array_set_free_func (items, NULL);
  for (; taken < items->len; taken++)
    outbox_item_free (g_ptr_array_index (items, taken));
  g_ptr_array_unref (items);
  conv_pump (conv);
  delivery_reap_conv (conv->delivery, conv->contact);
}

static void
load_more (Conv *conv)
{
  /* Half empty first, and few at a time where each is large: one that is confirmed must not cost hundreds of reads. */
  if (conv->loading || !conv->more || conv->changing > 0 || conv->window.length >= DELIVERY_WINDOW / 2
      || conv->window_bytes >= WINDOW_BYTES / 2)
    return;
  conv->loading = TRUE;
  outbox_load (conv->delivery->config.outbox, conv->contact, conv->loaded, conv->bulky ? BULKY_LOAD : DELIVERY_WINDOW,
               on_loaded, conv);
}

/* Forgets the window and reads it again: what is held changed on disk. */
void
conv_reload (Conv *conv)
{
  if (conv->loading)
    {
      conv->reload = TRUE;
      return;
    }
  conv->reload = FALSE;
  clear_window (conv);
  conv->loaded = 0;
  conv->more = TRUE;
  load_more (conv);
}

/* --- writing to a stream -------------------------------------------------------- */

static void
add_delay (Stanza *message, gint64 when)
{
  g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (when / G_USEC_PER_SEC);
  g_autofree char *stamp = utc != NULL ? g_date_time_format (utc, "%Y-%m-%dT%H:%M:%SZ") : NULL;

  if (stamp != NULL)
    stanza_set_attr (stanza_add_new (message, "delay", NS_DELAY, NULL), "stamp", stamp);
}

Stanza *
delivery_message (const OutboxItem *row)
{
  const MessageParts parts = { .kind = row->kind, .about = row->about, .body = row->body, .thread = row->thread,
                               .reply_to = row->reply_to, .url = row->url, .unstyled = row->unstyled,
                               .markable = row->kind == MESSAGE_TEXT };
  Stanza *message = stanza_new ("message", NS_CLIENT);

  stanza_set_attr (message, "type", "chat");
  stanza_set_attr (message, "id", row->id);
  message_parts_write (&parts, message);
  stanza_set_attr (stanza_add_new (message, "origin-id", NS_SID, NULL), "id", row->id);
  stanza_add_new (message, "request", NS_RECEIPTS, NULL);
  delivery_add_payload (message, row);
  /* XEP-0203: when it was written, if that is not now. */
  if (g_get_real_time () - row->created > DELAY_AFTER_US)
    add_delay (message, row->created);
  return message;
}

/* What goes along with a text on this stream, and is none of its own. */
static void
add_companions (Conv *conv, Stanza *message)
{
  const char *nick = conv->delivery->nick;

  /* XEP-0172: once is enough; who has our announcement knows it already. */
  if (!conv->nick_told && *nick != '\0')
    stanza_add_new (message, "nick", NS_NICK, nick);
  conv->nick_told = TRUE;
  /* XEP-0085 5.1: what was being written is this. */
  if (conv->typing_out)
    stanza_add_new (message, "active", NS_CHATSTATES, NULL);
  conv->typing_out = FALSE;
}

static gboolean
write_item (Conv *conv, Session *session, Item *item)
{
  gboolean clear = session_is_clear (session);
  g_autoptr (Stanza) message = clear ? delivery_clear_message (item->row) : delivery_message (item->row);

  if (!clear && item->row->kind == MESSAGE_TEXT)
    add_companions (conv, message);
  if (!session_send_tagged (session, message, item->row->id))
    return FALSE;
  g_hash_table_add (conv->sent, g_strdup (item->row->id));
  /* No log entry: a hint that Get has news. */
  delivery_appended (conv->delivery, item->row->seq, "state", conv->contact);
  return TRUE;
}

/* The disk is told that it is owed no more, or that what it corrects is not, which takes it along. */
static gboolean
is_leaving (const Conv *conv, const Item *item)
{
  return item->settling || (item->row->kind == MESSAGE_EDIT && g_hash_table_contains (conv->delivery->cancelling, item->row->about));
}

static gboolean
blocks_the_rest (const Item *item)
{
  return item->row->held && (strcmp (item->row->reason, HELD_APPROVAL) == 0 || strcmp (item->row->reason, HELD_WAITING) == 0);
}

/* Only what will be confirmed is awaited: on a restricted stream nothing is. */
void
conv_update_awaiting (Conv *conv, Session *session)
{
  session_set_awaiting (session, session_is_trusted (session) && !session_is_restricted (session) && !conv->no_receipts
                                   && g_hash_table_size (conv->sent) > 0);
}

/* On a stream that the peer restricts: a message request of a few short messages; the rest waits for its word. */
static void
pump_restricted (Conv *conv, Session *session)
{
  for (GList *link = conv->window.head; link != NULL && conv->aside_sent < DELIVERY_ASIDE_MAX; link = link->next)
    {
      Item *item = link->data;

      if (is_leaving (conv, item) || g_hash_table_contains (conv->sent, item->row->id))
        continue;
      if (item->row->held && strcmp (item->row->reason, HELD_APPROVAL) == 0)
        return; /* a release is on its way, and reloads */
      if (item->row->held && strcmp (item->row->reason, HELD_WAITING) != 0)
        continue;
      if (item->row->kind != MESSAGE_TEXT || strlen (item->row->body) > DELIVERY_ASIDE_BODY_MAX || item->row->require > REQUIRE_ENCRYPTED)
        break;
      if (!write_item (conv, session, item))
        return;
      conv->aside_sent++;
    }
  conv_hold (conv, HELD_WAITING);
}

/* Peers that cannot confirm (no XEP-0184, no stream management): written is all we can know. */
static void
on_unconfirmed (Conv *conv, Item *item)
{
  g_autofree char *id = g_strdup (item->row->id);

  conv_settle (conv, id, "sent", "unconfirmed", NULL, NULL);
}

/* What it says besides words was true when it was queued, and is not any more. */
static gboolean
cancel_untrue (Conv *conv, Item *item)
{
  const char *why = item->untrue ? NULL : delivery_check_payload (conv->delivery, item->row);

  item->untrue |= why != NULL;
  if (why != NULL)
    conv_settle (conv, item->row->id, "cancelled", why, NULL, NULL);
  return item->untrue;
}

static void
pump_trusted (Conv *conv, Contact *contact, Session *session)
{
  TrustLevel level = key_get_level (session_get_key (session));

  while (conv->cursor != NULL && !session_is_congested (session))
    {
      GList *link = conv->cursor;
      Item *item = link->data;

      if (blocks_the_rest (item) && !item->settling)
        return; /* a release is on its way or will come, and reloads */
      if (is_leaving (conv, item) || g_hash_table_contains (conv->sent, item->row->id))
        {
          conv->cursor = link->next;
          continue;
        }
      if (!item->row->held && !trust_policy_may_send (level, contact_is_blocked (contact), item->row->require))
        conv_hold_one (conv, item, HELD_REQUIRE);
      if (!item->row->held && cancel_untrue (conv, item))
        ;
      else if (!item->row->held)
        {
          if (!write_item (conv, session, item))
            return;
          if (conv->no_receipts && !session_is_managed (session))
            on_unconfirmed (conv, item);
        }
      conv->cursor = link->next;
    }
}

static void settle (Conv *conv, const char *id, const char *state, const char *reason, gboolean blind, DoneFunc done,
                    gpointer user);

/* Only what demands nothing leaves in clear, and only while people let it. The rest waits for a stream with TLS. */
static void
pump_clear (Conv *conv, Contact *contact, Session *session)
{
  if (!session_is_trusted (session) || !trust_still_admits_clear (conv->delivery->config.trust, contact))
    return;
  while (conv->cursor != NULL && !session_is_congested (session))
    {
      GList *link = conv->cursor;
      Item *item = link->data;
      gboolean waits = is_leaving (conv, item) || g_hash_table_contains (conv->sent, item->row->id);

      if (blocks_the_rest (item) && !item->settling)
        return; /* a release is on its way, and reloads */
      if (!waits && !item->row->held && !trust_policy_may_send_clear (item->row->require))
        conv_hold_one (conv, item, HELD_INSECURE);
      if (!waits && !item->row->held)
        {
          if (!write_item (conv, session, item))
            return;
          settle (conv, item->row->id, NULL, NULL, FALSE, NULL, NULL);
        }
      conv->cursor = link->next;
    }
}

void
conv_confirm_unasked (Conv *conv)
{
  Session *session = delivery_session (conv->delivery, conv->contact);
  gboolean managed = session != NULL && session_is_managed (session);

  for (GList *link = conv->window.head; link != NULL; link = link->next)
    {
      Item *item = link->data;

      if (!item->settling && g_hash_table_contains (conv->sent, item->row->id))
        {
          if (!managed)
            on_unconfirmed (conv, item);
          else if (g_hash_table_contains (conv->acked, item->row->id))
            conv_settle (conv, item->row->id, "acked", "", NULL, NULL);
        }
    }
}

void
conv_pump (Conv *conv)
{
  Delivery *delivery = conv->delivery;
  Contact *contact = contacts_get (delivery->config.contacts, conv->contact);
  Session *session = delivery_session (delivery, conv->contact);

  if (contact == NULL)
    return;
  delivery_want (delivery, contact);
  if (session == NULL)
    return;
  if (conv->queued > 0)
    {
      load_more (conv);
      if (session_is_clear (session))
        pump_clear (conv, contact, session);
      else if (!session_is_trusted (session))
        conv_hold (conv, HELD_APPROVAL);
      else if (session_is_restricted (session))
        pump_restricted (conv, session);
      else
        pump_trusted (conv, contact, session);
    }
  conv_update_awaiting (conv, session);
}

void
conv_stream_lost (Conv *conv)
{
  conv_forget_sent (conv);
  conv->cursor = conv->window.head;
  conv->aside_sent = 0;
  conv->no_receipts = FALSE;
  conv->chat_states = FALSE;
  conv->nick_told = FALSE;
}

/* --- settling ------------------------------------------------------------------- */

typedef struct {
  Delivery *delivery;
  gboolean blind;
  DoneFunc done;
  gpointer user;
} Settling;

void
conv_drop_item (Conv *conv, const char *id)
{
  Item *item = g_hash_table_lookup (conv->delivery->items, id);

  g_hash_table_remove (conv->sent, id);
  g_hash_table_remove (conv->acked, id);
  conv->queued -= conv->queued > 0;
  if (item != NULL)
    {
      conv->held -= item->row->held && conv->held > 0;
      /* Receipts come in order: it is at or near the head. */
      remove_link (conv, g_queue_find (&conv->window, item));
    }
  else if (conv->held > 0)
    conv_recount (conv); /* nobody here knows whether that one was held */
  conv->held = MIN (conv->held, conv->queued);
}

static void
settled (Conv *conv, const char *id, guint64 seq, const char *const *dropped)
{
  for (guint i = 0; dropped != NULL && dropped[i] != NULL; i++)
    conv_drop_item (conv, dropped[i]);
  conv_drop_item (conv, id);
  delivery_appended (conv->delivery, seq, "state", conv->contact);
  delivery_counts_changed (conv->delivery, conv->contact);
  /* It may have been what kept the others back. */
  conv_pump (conv);
}

static void
on_settled (gpointer user, guint32 contact, const char *id, guint64 seq, const char *const *dropped, const GError *error)
{
  g_autofree Settling *settling = user;
  Delivery *delivery = settling->delivery;
  Conv *conv = delivery_find_conv (delivery, contact);
  Item *item = g_hash_table_lookup (delivery->items, id);
  gboolean cancelling = g_hash_table_remove (delivery->cancelling, id);

  if (conv != NULL && settling->blind)
    conv->blind -= conv->blind > 0;
  if (conv != NULL && error == NULL)
    settled (conv, id, seq, dropped);
  else if (conv != NULL && (item != NULL || cancelling))
    {
      if (item != NULL)
        item->settling = FALSE;
      /* The queue went past it meanwhile, and past what corrects it. */
      if (cancelling || !g_hash_table_contains (conv->sent, id))
        {
          conv->cursor = conv->window.head;
          conv_pump (conv);
        }
    }
  if (settling->done != NULL)
    settling->done (settling->user, error);
  delivery_reap_conv (delivery, contact);
}

/* `state` NULL: written in clear. */
static void
settle (Conv *conv, const char *id, const char *state, const char *reason, gboolean blind, DoneFunc done, gpointer user)
{
  Settling *settling = g_new0 (Settling, 1);
  Item *item = g_hash_table_lookup (conv->delivery->items, id);

  if (item != NULL && item->row->contact == conv->contact)
    item->settling = TRUE;
  if (g_strcmp0 (state, "cancelled") == 0)
    g_hash_table_add (conv->delivery->cancelling, g_strdup (id));
  conv->blind += blind;
  settling->delivery = conv->delivery;
  settling->blind = blind;
  settling->done = done;
  settling->user = user;
  if (state == NULL)
    outbox_settle_clear (conv->delivery->config.outbox, conv->contact, id, on_settled, settling);
  else
    outbox_settle (conv->delivery->config.outbox, conv->contact, id, state, reason, on_settled, settling);
}

void
conv_settle (Conv *conv, const char *id, const char *state, const char *reason, DoneFunc done, gpointer user)
{
  settle (conv, id, state, reason, FALSE, done, user);
}

void
conv_on_acked (Conv *conv, const char *id)
{
  Item *item = g_hash_table_lookup (conv->delivery->items, id);

  if (!g_hash_table_contains (conv->sent, id))
    return;
  g_hash_table_add (conv->acked, g_strdup (id));
  if (item == NULL || item->settling)
    return;
  /* docs/protocol.md 4.1: without receipts this is the peer's word that it has it. */
  if (conv->no_receipts)
    conv_settle (conv, item->row->id, "acked", "", NULL, NULL);
  else
    delivery_appended (conv->delivery, item->row->seq, "state", conv->contact);
}

void
conv_on_receipt (Conv *conv, const char *id)
{
  Item *item = g_hash_table_lookup (conv->delivery->items, id);

  /* Only for what is owed to this very contact; a second one for the same id changes nothing. One that is not in the
   * window is looked up on disk, few at a time: who sends receipts for nothing must not fill the memory. */
  if (item != NULL ? item->row->contact == conv->contact && !item->settling
                   : (conv->more || conv->loading || conv->changing > 0) && conv->blind < BLIND_MAX)
    settle (conv, id, "delivered", "", item == NULL, NULL, NULL);
}

static gboolean
on_retry_time (gpointer user)
{
  Conv *conv = user;

  conv->retry_source = 0;
  conv_forget_sent (conv);
  conv->cursor = conv->window.head;
  conv_pump (conv);
  return G_SOURCE_REMOVE;
}

/* docs/protocol.md 4.2. The reason is a known word of RFC 6120 8.3.3, never the peer's text. */
static const char *
condition_of (const Stanza *error)
{
  static const char *const known[] = { "bad-request", "conflict", "feature-not-implemented", "forbidden", "gone",
                                       "internal-server-error", "item-not-found", "jid-malformed", "not-acceptable",
                                       "not-allowed", "not-authorized", "policy-violation", "recipient-unavailable",
                                       "redirect", "registration-required", "remote-server-not-found",
                                       "remote-server-timeout", "resource-constraint", "service-unavailable",
                                       "subscription-required", "unexpected-request" };

  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    if (stanza_get_child (error, known[i], NS_STANZA_ERRORS) != NULL)
      return known[i];
  return "undefined-condition";
}

void
conv_on_bounce (Conv *conv, const char *id, const Stanza *stanza)
{
  Item *item = g_hash_table_lookup (conv->delivery->items, id);
  const Stanza *error = stanza_get_child (stanza, "error", NS_CLIENT);
  const char *type = error != NULL ? stanza_get_attr (error, "type") : NULL;

  if (item == NULL || item->row->contact != conv->contact || item->settling || error == NULL)
    return;
  if (g_strcmp0 (type, "auth") == 0 && stanza_get_child (error, "untrusted", NS_LL_TRUST) != NULL)
    {
      /* Not over there: written again when it is released. What came behind it waits, too. */
      g_hash_table_remove (conv->sent, id);
      g_hash_table_remove (conv->acked, id);
      if (!item->row->held)
        conv_hold_one (conv, item, HELD_WAITING);
      conv->cursor = conv->window.head;
    }
  else if (g_strcmp0 (type, "wait") == 0)
    {
      if (conv->retry_source == 0)
        conv->retry_source = g_timeout_add_seconds (BOUNCE_RETRY_S, on_retry_time, conv);
    }
  else
    conv_settle (conv, id, "failed", condition_of (error), NULL, NULL);
}
