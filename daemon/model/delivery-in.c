/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What arrives. Threat: bodies, ids, stamps and receipts are the peer's claims; the sender is the session's key and nothing
 * else. A receipt leaves only after the commit; an unknown key's words are set aside, few and small, and never confirmed.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/model/delivery-private.h"
#include "daemon/proto/trust-message.h"

#define ID_MAX MESSAGE_ID_MAX
/* Received messages on their way to the disk before a session's reading is held: each counts one, and one for each KiB. */
#define STORING_HIGH 512
#define STORING_LOW 128

void
delivery_receipt (Session *session, const char *id)
{
  g_autoptr (Stanza) message = stanza_new ("message", NS_CLIENT);
  g_autofree char *own = g_uuid_string_random ();

  /* XEP-0184 section 5: a receipt asks for none (M-09). */
  stanza_set_attr (message, "type", "chat");
  stanza_set_attr (message, "id", own);
  stanza_set_attr (stanza_add_new (message, "received", NS_RECEIPTS, NULL), "id", id);
  session_send (session, message);
}

/* --- storing -------------------------------------------------------------------- */

typedef struct {
  Delivery *delivery;
  guint64 session;
  guint32 contact;
  Fingerprint key;
  char *id;
  int weight;
  guint64 ticket;          /* what counts as handled once this is on disk (M-03) */
  gboolean wants_receipt;
  gboolean aside;
  gboolean clear;          /* `key` is nobody's */
  gboolean trusted;        /* … when it came; its own words may have ended that */
  guint waits;             /* what must be on disk before it is confirmed: the words, what follows from the rest */
  gboolean failed, conflict, unknown;
} Incoming;

static void
incoming_free (Incoming *incoming)
{
  g_free (incoming->id);
  g_free (incoming);
}

/* The session it came by, if it still is the one. */
static Session *
incoming_session (const Incoming *incoming)
{
  Key *key = incoming->clear ? NULL : contacts_get_key (incoming->delivery->config.contacts, &incoming->key);
  guint32 contact = incoming->clear ? incoming->contact : key != NULL ? contact_get_id (key_get_contact (key)) : 0;
  Session *session = contact != 0 ? delivery_session (incoming->delivery, contact) : NULL;

  return session != NULL && session_get_id (session) == incoming->session ? session : NULL;
}

static void
count_storing (Conv *conv, Session *session, int by)
{
  conv->storing += by;
  if (by > 0 && conv->storing >= STORING_HIGH && conv->holding == 0)
    {
      conv->holding = session_get_id (session);
      session_hold_reading (session, TRUE);
    }
  else if (by < 0 && conv->storing <= STORING_LOW && conv->holding != 0)
    {
      if (session != NULL && session_get_id (session) == conv->holding)
        session_hold_reading (session, FALSE);
      conv->holding = 0;
    }
}

static void
bounce_id (Session *session, const char *id, const char *type, const char *condition, const char *app)
{
  g_autoptr (Stanza) original = stanza_new ("message", NS_CLIENT);

  stanza_set_attr (original, "id", id);
  router_bounce (session, original, type, condition, app);
}

/* One of the things that it waited for happened. */
static void
confirm (Incoming *incoming)
{
  Session *session;

  if (--incoming->waits > 0)
    return;
  session = incoming_session (incoming);
  count_storing (delivery_conv (incoming->delivery, incoming->contact), session, -incoming->weight);
  /* Not confirmed, so the sender keeps it, and is asked to try again later. */
  if (session != NULL && incoming->failed)
    bounce_id (session, incoming->id, "wait", "resource-constraint", NULL);
  /* About nothing that it may speak about (M-10): it hears so, or its words would be lost in silence. */
  else if (session != NULL && (incoming->conflict || incoming->unknown))
    bounce_id (session, incoming->id, "cancel", incoming->conflict ? "conflict" : "item-not-found", NULL);
  else if (session != NULL && incoming->wants_receipt && incoming->trusted)
    {
      delivery_receipt (session, incoming->id);
      /* Its own words ended that, and are about to end the stream. */
      if (!session_is_trusted (session))
        session_flush (session);
    }
  /* Only behind the receipt: without a stream to say it on, the message stays beyond `h` and comes again. */
  if (session != NULL)
    session_handled (session, incoming->ticket);
  delivery_reap_conv (incoming->delivery, incoming->contact);
  incoming_free (incoming);
}

static void
on_received (gpointer user, const LogEntry *entry, ReceivedResult result, const GError *error)
{
  Incoming *incoming = user;
  Delivery *delivery = incoming->delivery;
  Conv *conv = delivery_conv (delivery, incoming->contact);

  if (error != NULL)
    log_warn ("delivery", "a received message could not be stored: %s", error->message);
  incoming->failed |= error != NULL;
  incoming->conflict = error == NULL && result == RECEIVED_CONFLICT;
  incoming->unknown = error == NULL && result == RECEIVED_UNKNOWN;
  if (error == NULL && result == RECEIVED_NEW && contacts_get (delivery->config.contacts, incoming->contact) != NULL)
    {
      conv->unread += strcmp (entry->kind, "message") == 0;
      conv->unread -= entry->unread_gone && conv->unread > 0;
      conv->last_seq = MAX (conv->last_seq, entry->seq);
      delivery_appended (delivery, entry->seq, entry->kind, incoming->contact);
      delivery_counts_changed (delivery, incoming->contact);
    }
  confirm (incoming);
}

static void
on_heeded (gpointer user, const GError *error)
{
  Incoming *incoming = user;

  if (error != NULL)
    log_warn ("delivery", "what a message says about keys could not be stored: %s", error->message);
  incoming->failed |= error != NULL;
  confirm (incoming);
}

/* What it says about keys, which of all but a trusted stream is only noted. */
static void
heed (Delivery *delivery, Session *session, const Stanza *message, Incoming *incoming)
{
  if (delivery->heed == NULL || !trust_message_is_in (message))
    return;
  if (incoming != NULL)
    incoming->waits++;
  delivery->heed (delivery->heed_user, session, message, incoming != NULL ? on_heeded : NULL, incoming);
}

static void
on_set_aside (gpointer user, const LogEntry *entry, ReceivedResult result, const GError *error)
{
  Incoming *incoming = user;
  Delivery *delivery = incoming->delivery;
  Session *session = incoming_session (incoming);
  Key *key = contacts_get_key (delivery->config.contacts, &incoming->key);

  count_storing (delivery_conv (delivery, incoming->contact), session, -incoming->weight);
  if (error != NULL)
    {
      if (session != NULL)
        bounce_id (session, incoming->id, "auth", "not-authorized", "untrusted");
    }
  else if (result == RECEIVED_NEW)
    {
      guint *count = g_hash_table_lookup (delivery->aside, &incoming->key);

      if (count == NULL)
        {
          count = g_new0 (guint, 1);
          g_hash_table_insert (delivery->aside, g_memdup2 (&incoming->key, sizeof incoming->key), count);
        }
      (*count)++;
      WATCHERS_CALL (&delivery->watchers, DeliveryWatch, aside_changed, &incoming->key);
      /* Accepted or refused while it was on its way to the disk. */
      if (key != NULL && key_get_level (key) >= TRUST_PINNED)
        delivery_admit (delivery, key_get_contact (key), &incoming->key);
      else if (key == NULL || key_is_refused (key) || key_get_level (key) == TRUST_REVOKED
               || contact_is_blocked (key_get_contact (key)))
        delivery_discard (delivery, &incoming->key);
    }
  if (session != NULL)
    session_handled (session, incoming->ticket);
  delivery_reap_conv (delivery, incoming->contact);
  incoming_free (incoming);
}

static gint64
claimed_time (const Stanza *message, gint64 now)
{
  const Stanza *delay = stanza_get_child (message, "delay", NS_DELAY);
  const char *stamp = delay != NULL ? stanza_get_attr (delay, "stamp") : NULL;
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
  g_autoptr (GDateTime) when = stamp != NULL && strlen (stamp) < 40 ? g_date_time_new_from_iso8601 (stamp, utc) : NULL;
  gint64 time;

  if (when == NULL)
    return now;
  /* A claim, shown as such; order is by arrival whatever it says (M-12). */
  time = g_date_time_to_unix (when);
  return time > 0 && time < G_MAXINT64 / G_USEC_PER_SEC ? time * G_USEC_PER_SEC : now;
}

static Incoming *
incoming_new (Delivery *delivery, Session *session, const Stanza *message)
{
  Contact *contact = session_get_contact (session);
  Incoming *incoming = g_new0 (Incoming, 1);
  const char *id = stanza_get_attr (message, "id");

  incoming->delivery = delivery;
  incoming->session = session_get_id (session);
  incoming->contact = contact_get_id (contact);
  incoming->clear = session_is_clear (session);
  if (!incoming->clear)
    incoming->key = *key_get_fingerprint (session_get_key (session));
  /* Without an id nobody can repeat it knowingly: it gets one of ours. */
  incoming->id = id != NULL && *id != '\0' && strlen (id) <= ID_MAX ? g_strdup (id) : g_uuid_string_random ();
  incoming->wants_receipt = !incoming->clear && id != NULL && *id != '\0' && stanza_get_child (message, "request", NS_RECEIPTS) != NULL;
  incoming->trusted = session_is_trusted (session);
  incoming->aside = !incoming->clear && !incoming->trusted;
  incoming->ticket = session_defer (session);
  return incoming;
}

/* Takes the texts of `parts`. */
static void
store_message (Delivery *delivery, Session *session, const Stanza *message, MessageParts *parts)
{
  Key *key = session_get_key (session);
  Incoming *incoming = incoming_new (delivery, session, message);
  LogEntry *entry = log_entry_new ();

  g_free (entry->kind);
  entry->kind = g_strdup (message_kind_to_string (parts->kind));
  entry->time = g_get_real_time ();
  entry->contact = incoming->contact;
  g_free (entry->id);
  entry->id = g_strdup (incoming->id);
  entry->direction = DIRECTION_IN;
  entry->has_key = !incoming->clear;
  entry->key = incoming->key;
  entry->insecure = incoming->clear;
  entry->body = g_steal_pointer (&parts->body);
  entry->about = g_steal_pointer (&parts->about);
  entry->thread = g_steal_pointer (&parts->thread);
  entry->reply_to = g_steal_pointer (&parts->reply_to);
  entry->url = g_steal_pointer (&parts->url);
  entry->unstyled = parts->unstyled;
  entry->markable = parts->markable && !incoming->clear;
  entry->sent_time = claimed_time (message, entry->time);
  g_free (entry->trust);
  entry->trust = g_strdup (incoming->clear ? "none" : trust_level_to_string (key_get_level (key)));
  incoming->weight = 1 + (int) (entry->body != NULL ? strlen (entry->body) / 1024 : 0);
  count_storing (delivery_conv (delivery, incoming->contact), session, incoming->weight);
  if (incoming->aside)
    {
      heed (delivery, session, message, NULL);
      history_set_aside (delivery->config.history, entry, DELIVERY_ASIDE_MAX, on_set_aside, incoming);
      return;
    }
  incoming->waits = 1;
  /* The words first: what follows from the rest may end the stream that they are confirmed on. */
  history_receive (delivery->config.history, entry, on_received, incoming);
  if (!incoming->clear)
    heed (delivery, session, message, incoming);
}

/* As programs do that follow XEP-0434 to the letter. It is confirmed like one with words. */
static void
on_words_about_keys (Delivery *delivery, Session *session, const Stanza *message)
{
  Incoming *incoming;

  if (!session_is_trusted (session))
    {
      heed (delivery, session, message, NULL);
      router_bounce (session, message, "auth", "not-authorized", "untrusted");
      return;
    }
  incoming = incoming_new (delivery, session, message);
  incoming->waits = 1;
  incoming->weight = 1;
  count_storing (delivery_conv (delivery, incoming->contact), session, incoming->weight);
  heed (delivery, session, message, incoming);
  confirm (incoming);
}

/* --- stanzas --------------------------------------------------------------------- */

/* What a stranger may leave aside is a short text with an id. */
static gboolean
is_request (const MessageParts *parts, const char *id)
{
  return parts->kind == MESSAGE_TEXT && strlen (parts->body) <= DELIVERY_ASIDE_BODY_MAX && id != NULL;
}

static void
on_content (Delivery *delivery, Session *session, const Stanza *message)
{
  const char *id = stanza_get_attr (message, "id");
  g_auto (MessageParts) parts = { 0 };
  MessageVerdict verdict = message_parts_read (message, &parts);

  if (verdict == MESSAGE_NOTHING && !trust_message_is_in (message))
    return;
  if (verdict == MESSAGE_MALFORMED || (id != NULL && strlen (id) > ID_MAX))
    {
      router_bounce (session, message, "modify", "bad-request", NULL);
      return;
    }
  if (verdict == MESSAGE_NOTHING)
    {
      on_words_about_keys (delivery, session, message);
      return;
    }
  if (!session_is_trusted (session) && !is_request (&parts, id))
    {
      /* Not stored; the sender's daemon holds it (docs/protocol.md 3.4). */
      router_bounce (session, message, "auth", "not-authorized", "untrusted");
      return;
    }
  if (parts.nick != NULL)
    contacts_note_nick (session_get_contact (session), parts.nick);
  store_message (delivery, session, message, &parts);
}

/* Words only: receipts, states and errors prove nothing there. Nothing is answered, for an answer would be shown as speech (8.3). */
static void
on_clear (Delivery *delivery, Session *session, const Stanza *message, const Stanza *body)
{
  const char *type = stanza_get_attr (message, "type");
  g_auto (MessageParts) parts = { 0 };

  if (body == NULL || g_strcmp0 (type, "error") == 0 || g_strcmp0 (type, "groupchat") == 0)
    return;
  /* It showed a key this moment, or people said no: the stream is about to end. */
  if (!session_is_trusted (session) || !trust_still_admits_clear (delivery->config.trust, session_get_contact (session)))
    return;
  parts.body = stanza_dup_text (body);
  store_message (delivery, session, message, &parts);
}

static void
on_chat_state (Delivery *delivery, Session *session, const Stanza *message)
{
  Contact *contact = session_get_contact (session);
  Conv *conv = delivery_conv (delivery, contact_get_id (contact));
  gboolean active = stanza_get_child (message, "composing", NS_CHATSTATES) != NULL;
  gint64 now = g_get_monotonic_time ();

  /* A receipt or a marker says nothing about who is writing; a text does. */
  if (stanza_get_child (message, NULL, NS_CHATSTATES) == NULL && stanza_get_child (message, "body", NS_CLIENT) == NULL)
    return;
  conv->chat_states |= active || stanza_get_child (message, "active", NS_CHATSTATES) != NULL;
  if (conv->typing_in == active || (active && pace_due (&conv->typing_pace, now) > now))
    return;
  if (active)
    pace_note (&conv->typing_pace, now);
  conv->typing_in = active;
  WATCHERS_CALL (&delivery->watchers, DeliveryWatch, typing, contact, active);
}

void
delivery_on_message (Delivery *delivery, Session *session, const Stanza *message)
{
  const char *type = stanza_get_attr (message, "type");
  const char *id = stanza_get_attr (message, "id");
  const Stanza *received = stanza_get_child (message, "received", NS_RECEIPTS);
  const Stanza *body = stanza_get_child (message, "body", NS_CLIENT);
  Contact *contact = session_get_contact (session);
  const char *confirmed = received != NULL ? stanza_get_attr (received, "id") : NULL;
  const Stanza *marker = stanza_get_child (message, "displayed", NS_MARKERS);
  const char *displayed = marker != NULL ? stanza_get_attr (marker, "id") : NULL;
  Conv *conv;

  if (contact == NULL)
    return;
  if (session_is_clear (session))
    {
      on_clear (delivery, session, message, body);
      return;
    }
  if (g_strcmp0 (type, "error") == 0)
    {
      conv = delivery_find_conv (delivery, contact_get_id (contact));
      if (conv != NULL && id != NULL)
        conv_on_bounce (conv, id, message);
      return;
    }
  if (confirmed != NULL && session_is_trusted (session))
    {
      conv = delivery_find_conv (delivery, contact_get_id (contact));
      if (conv != NULL && strlen (confirmed) <= ID_MAX)
        conv_on_receipt (conv, confirmed);
    }
  if (displayed != NULL && session_is_trusted (session))
    {
      conv = delivery_find_conv (delivery, contact_get_id (contact));
      if (conv != NULL && strlen (displayed) <= ID_MAX)
        conv_on_displayed (conv, displayed);
    }
  if (g_strcmp0 (type, "groupchat") == 0)
    return;
  if (session_is_trusted (session))
    on_chat_state (delivery, session, message);
  on_content (delivery, session, message);
}

/* --- after a decision ---------------------------------------------------------------- */

static void
on_admitted (gpointer user, GPtrArray *entries, gboolean more, guint64 last, const GError *error)
{
  Incoming *incoming = user;
  Delivery *delivery = incoming->delivery;
  Contact *contact = contacts_get (delivery->config.contacts, incoming->contact);
  Session *session = delivery_session (delivery, incoming->contact);

  if (error != NULL)
    log_warn ("delivery", "messages set aside could not be taken over yet: %s", error->message);
  else if (contact != NULL)
    {
      Conv *conv = delivery_conv (delivery, incoming->contact);

      g_hash_table_remove (delivery->aside, &incoming->key);
      for (guint i = 0; i < entries->len; i++)
        {
          LogEntry *entry = g_ptr_array_index (entries, i);

          if (session != NULL && session_is_trusted (session))
            delivery_receipt (session, entry->id);
          if (entry->seq == 0)
            continue; /* it was in the log already */
          conv->unread++;
          conv->last_seq = MAX (conv->last_seq, entry->seq);
          delivery_appended (delivery, entry->seq, "message", incoming->contact);
        }
      delivery_counts_changed (delivery, incoming->contact);
    }
  g_clear_pointer (&entries, g_ptr_array_unref);
  incoming_free (incoming);
}

void
delivery_admit (Delivery *delivery, Contact *contact, const Fingerprint *fp)
{
  Incoming *incoming = g_new0 (Incoming, 1);

  incoming->delivery = delivery;
  incoming->contact = contact_get_id (contact);
  incoming->key = *fp;
  history_admit (delivery->config.history, fp, incoming->contact, on_admitted, incoming);
}

void
delivery_discard (Delivery *delivery, const Fingerprint *fp)
{
  if (g_hash_table_remove (delivery->aside, fp))
    history_discard (delivery->config.history, fp, NULL, NULL);
}
