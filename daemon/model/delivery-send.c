/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What people say, on its way into the outbox: texts, and what is about earlier ones. Checked here, durable before it is
 * reported, then delivery-out.c's.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/message-id.h"
#include "daemon/base/names.h"
#include "daemon/model/delivery-private.h"
#include "daemon/proto/web-link.h"

typedef struct {
  Delivery *delivery;
  OutboxItem *row;
  char *token;
  DeliverySent done;
  gpointer user;
} Sending;

static void
sending_report (Sending *sending, const char *id, guint64 seq, const GError *error)
{
  if (sending->done != NULL)
    sending->done (sending->user, id, seq, error);
  g_clear_pointer (&sending->row, outbox_item_free);
  g_free (sending->token);
  g_free (sending);
}

static void
on_added (gpointer user, OutboxItem *row_take, const char *id, guint64 seq, gboolean repeat, const char *const *dropped,
          const GError *error)
{
  Sending *sending = user;
  Delivery *delivery = sending->delivery;

  if (error == NULL && !repeat && row_take != NULL)
    {
      Conv *conv = delivery_conv (delivery, row_take->contact);

      const char *kind = message_kind_to_string (row_take->kind);

      for (guint i = 0; dropped != NULL && dropped[i] != NULL; i++)
        conv_drop_item (conv, dropped[i]);
      conv->queued++;
      conv->last_seq = MAX (conv->last_seq, seq);
      delivery_schedule_expiry (delivery, row_take->expires);
      if (conv_append (conv, row_take))
        row_take = NULL;
      sending_report (sending, id, seq, NULL);
      /* Before the signals are ordered: what comes first is first in the next turn, and somebody waits for the message. */
      conv_pump (conv);
      if (dropped != NULL)
        delivery_appended (delivery, seq, "state", conv->contact);
      delivery_appended (delivery, seq, kind, conv->contact);
      delivery_counts_changed (delivery, conv->contact);
    }
  else
    sending_report (sending, id, seq, error);
  g_clear_pointer (&row_take, outbox_item_free);
}

static void
add (Sending *sending)
{
  OutboxItem *row = g_steal_pointer (&sending->row);

  outbox_add (sending->delivery->config.outbox, row, sending->token, on_added, sending);
}

typedef struct {
  Delivery *delivery;
  guint32 contact;
} Which;

/* The contact has its row now: what was written to it meanwhile follows in order. */
static void
on_kept (gpointer user, const GError *error)
{
  g_autofree Which *which = user;
  Conv *conv = delivery_conv (which->delivery, which->contact);
  g_autoptr (GPtrArray) waiting = g_steal_pointer (&conv->keeping);
  g_autoptr (GError) gone = NULL;

  if (error == NULL && contacts_get (which->delivery->config.contacts, which->contact) == NULL)
    error = gone = g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_NOT_FOUND, "The contact was forgotten meanwhile");
  for (guint i = 0; waiting != NULL && i < waiting->len; i++)
    {
      Sending *sending = g_ptr_array_index (waiting, i);

      if (error != NULL)
        sending_report (sending, NULL, 0, error);
      else
        add (sending);
    }
  delivery_reap_conv (which->delivery, which->contact);
}

typedef struct {
  DeliverySent done;
  gpointer user;
  GError *error;
} Refusal;

static gboolean
on_refusal (gpointer data)
{
  Refusal *refusal = data;

  if (refusal->done != NULL)
    refusal->done (refusal->user, NULL, 0, refusal->error);
  g_error_free (refusal->error);
  g_free (refusal);
  return G_SOURCE_REMOVE;
}

/* RFC 6120 11: what XML 1.0 cannot carry must not be promised. */
static gboolean
is_xml_text (const char *text)
{
  if (!g_utf8_validate (text, -1, NULL))
    return FALSE;
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0xfffe || c == 0xffff)
        return FALSE;
    }
  return TRUE;
}

static gboolean
is_label (const char *text)
{
  return text == NULL || (*text != '\0' && strlen (text) <= MESSAGE_ID_MAX && is_xml_text (text));
}

/* The text and what goes along; for what has any. */
static gboolean
check_text (const OutboxItem *row, GError **error)
{
  if (row->body == NULL || *row->body == '\0' || !is_xml_text (row->body))
    g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT,
                         row->body == NULL || *row->body == '\0' ? "body is empty" : "body contains characters that XML 1.0 cannot carry");
  else if (!is_label (row->thread) || !is_label (row->reply_to))
    g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT,
                         "thread or reply_to is empty, longer than 255 bytes, or not XML text");
  else if (row->kind == MESSAGE_EDIT && row->reply_to != NULL)
    g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "a correction answers what its message answered");
  else if (row->url != NULL && !web_link_is_valid (row->url))
    g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "url is not an http or https address of at most 2048 bytes");
  else
    return TRUE;
  return FALSE;
}

static gboolean
check_send (Contact *contact, const OutboxItem *row, GError **error)
{
  TrustLevel level = contact_get_trust (contact);

  if ((row->kind == MESSAGE_TEXT || row->kind == MESSAGE_EDIT) && !check_text (row, error))
    return FALSE;
  if ((row->kind == MESSAGE_TEXT) != (row->about == NULL) || !is_label (row->about))
    g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "no id that a message could have");
  else if (row->kind == MESSAGE_REACTION && contact_is_legacy (contact))
    g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_UNSUPPORTED, "The contact's program shows texts only");
  else if (row->expires != 0 && row->expires <= g_get_real_time ())
    g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "expires lies in the past");
  else if (contact_is_blocked (contact))
    g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_BLOCKED, "The contact is blocked: unblock it first");
  else if (row->require > REQUIRE_DEFAULT && contact_is_legacy (contact))
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_PEER_INSECURE, "The contact speaks in clear only, and %s is required",
                 require_to_string (row->require));
  else if (row->require > REQUIRE_ENCRYPTED && !trust_policy_may_send (level, FALSE, row->require))
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_TRUSTED, "The contact's key is %s, and %s is required",
                 trust_level_to_string (level), require_to_string (row->require));
  else
    return TRUE;
  return FALSE;
}

static void
refuse (GError *error_take, DeliverySent done, gpointer user)
{
  Refusal *refusal = g_new0 (Refusal, 1);

  refusal->done = done;
  refusal->user = user;
  refusal->error = error_take;
  g_idle_add_full (G_PRIORITY_DEFAULT, on_refusal, refusal, NULL);
}

/* Room for from, to, <delay/> and companions: the stanza must fit the element limit of 65 536 bytes. */
static gboolean
fits (const OutboxItem *row, GError **error)
{
  g_autoptr (Stanza) probe = NULL;
  gsize payload_size = row->payload != NULL ? strlen (row->payload) : 0;

  /* Escaped, a byte of the body takes six at most: short ones that say no more need no measuring. */
  if (row->body == NULL || (strlen (row->body) <= 8000 && payload_size == 0))
    return TRUE;
  probe = delivery_message (row);
  if (strlen (row->body) <= DELIVERY_BODY_MAX && payload_size <= DELIVERY_PAYLOAD_MAX && stanza_serialized_length (probe, NS_CLIENT) <= 64000)
    return TRUE;
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_TOO_LARGE,
               "The message is larger than a stanza may be (about %d bytes, fewer with many of < > & \")", DELIVERY_BODY_MAX);
  return FALSE;
}

/* The row has its kind and content. */
static void
queue_row (Delivery *delivery, Contact *contact, OutboxItem *row_take, const char *token, DeliverySent done, gpointer user)
{
  Conv *conv = delivery_conv (delivery, contact_get_id (contact));
  Sending *sending;
  GError *error = NULL;

  row_take->contact = contact_get_id (contact);
  row_take->created = g_get_real_time ();
  row_take->id = message_id_new (row_take->created);
  delivery->used = g_get_monotonic_time ();
  row_take->reason = g_strdup ("");
  if (!check_send (contact, row_take, &error) || !fits (row_take, &error))
    {
      refuse (error, done, user);
      outbox_item_free (row_take);
      return;
    }
  sending = g_new0 (Sending, 1);
  sending->delivery = delivery;
  sending->row = row_take;
  sending->token = g_strdup (token);
  sending->done = done;
  sending->user = user;
  if (conv->keeping != NULL)
    g_ptr_array_add (conv->keeping, sending);
  else if (!contact_is_stored (contact))
    {
      Which *which = g_new0 (Which, 1);

      which->delivery = delivery;
      which->contact = conv->contact;
      conv->keeping = g_ptr_array_new ();
      g_ptr_array_add (conv->keeping, sending);
      trust_keep (delivery->config.trust, contact, on_kept, which);
    }
  else
    add (sending);
}

static char *
dup_payload (const DeliveryOptions *options)
{
  GString *xml;

  if (options->payload == NULL)
    return NULL;
  xml = g_string_new (NULL);
  stanza_serialize (options->payload, NULL, xml);
  return g_string_free (xml, FALSE);
}

void
delivery_send (Delivery *delivery, Contact *contact, const char *body, const DeliveryOptions *options, DeliverySent done,
               gpointer user)
{
  OutboxItem *row = g_new0 (OutboxItem, 1);

  row->kind = options->edit_of != NULL ? MESSAGE_EDIT : MESSAGE_TEXT;
  row->about = g_strdup (options->edit_of);
  row->body = g_strdup (body);
  row->thread = g_strdup (options->thread);
  row->reply_to = g_strdup (options->reply_to);
  row->url = g_strdup (options->url);
  row->payload = dup_payload (options);
  row->unstyled = options->unstyled;
  row->expires = options->expires;
  row->require = options->require;
  queue_row (delivery, contact, row, options->token, done, user);
}

/* --- about earlier ones ------------------------------------------------------------- */

/* What the conversation demands of all that is said in it. */
static Require
require_of (Delivery *delivery, Contact *contact)
{
  Require require;

  return require_from_string (delivery_get_require (delivery, contact), &require) ? require : REQUIRE_DEFAULT;
}

void
delivery_react (Delivery *delivery, Contact *contact, const char *id, const char *const *emojis, DeliverySent done, gpointer user)
{
  OutboxItem *row = g_new0 (OutboxItem, 1);

  row->kind = MESSAGE_REACTION;
  row->about = g_strdup (id);
  row->body = message_reactions_join (emojis);
  row->require = require_of (delivery, contact);
  if (row->body == NULL)
    {
      outbox_item_free (row);
      refuse (g_error_new (EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "a reaction is at most %d emojis, and nothing else",
                           MESSAGE_REACTIONS_MAX),
              done, user);
      return;
    }
  queue_row (delivery, contact, row, NULL, done, user);
}

typedef struct {
  Delivery *delivery;
  DeliverySent done;
  gpointer user;
} Retracting;

static void
on_retract_found (gpointer user, const LogEntry *entry, const GError *error)
{
  g_autofree Retracting *retracting = user;
  Delivery *delivery = retracting->delivery;
  Contact *contact = entry != NULL ? contacts_get (delivery->config.contacts, entry->contact) : NULL;
  g_autoptr (GError) refusal = NULL;
  OutboxItem *row;

  if (error == NULL && (contact == NULL || entry->direction != DIRECTION_OUT || g_strcmp0 (entry->kind, "message") != 0))
    error = refusal = g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_NOT_FOUND, "That is no message of ours");
  if (error != NULL)
    {
      if (retracting->done != NULL)
        retracting->done (retracting->user, NULL, 0, error);
      return;
    }
  row = g_new0 (OutboxItem, 1);
  row->kind = MESSAGE_RETRACT;
  row->about = g_strdup (entry->id);
  row->require = require_of (delivery, contact);
  queue_row (delivery, contact, row, NULL, retracting->done, retracting->user);
}

void
delivery_retract (Delivery *delivery, const char *id, DeliverySent done, gpointer user)
{
  Retracting *retracting = g_new0 (Retracting, 1);

  retracting->delivery = delivery;
  retracting->done = done;
  retracting->user = user;
  history_get (delivery->config.history, id, on_retract_found, retracting);
}
