/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What was read here, and what the other side says that it displayed (XEP-0333). Threat: markers tell when a person looks at
 * the screen, so they go to keys from pinned upwards only, and can be switched off; a peer's marker is its claim about messages
 * that it got, moves their state forward only and is never answered.
 */
#include "earshot-config.h"

#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/model/delivery-private.h"

#define MARKING_MAX 16 /* markers of one peer at once on their way to the disk; the newest says it all */

void
delivery_set_markers (Delivery *delivery, gboolean on)
{
  delivery->markers = on;
}

gboolean
delivery_get_markers (Delivery *delivery)
{
  return delivery->markers;
}

void
delivery_set_nick (Delivery *delivery, const char *nick)
{
  g_free (delivery->nick);
  delivery->nick = g_strdup (nick);
}

void
delivery_set_share_idle (Delivery *delivery, gboolean on)
{
  delivery->share_idle = on;
}

gboolean
delivery_get_share_idle (Delivery *delivery)
{
  return delivery->share_idle;
}

gint64
delivery_get_idle (Delivery *delivery)
{
  return delivery->share_idle ? (g_get_monotonic_time () - delivery->used) / G_USEC_PER_SEC : -1;
}

/* --- what was read here ------------------------------------------------------------------- */

void
conv_send_marker (Conv *conv, Session *session)
{
  g_autoptr (Stanza) message = NULL;
  g_autofree char *own = NULL, *id = NULL;

  if (conv->marker == NULL)
    return;
  /* They were switched off since. */
  if (!conv->delivery->markers)
    {
      history_marker_sent (conv->delivery->config.history, conv->contact, conv->marker);
      g_clear_pointer (&conv->marker, g_free);
      return;
    }
  if (session == NULL || session_is_clear (session) || !session_is_trusted (session) || session_is_restricted (session))
    return;
  own = g_uuid_string_random ();
  message = stanza_new ("message", NS_CLIENT);
  stanza_set_attr (message, "type", "chat");
  stanza_set_attr (message, "id", own);
  stanza_set_attr (stanza_add_new (message, "displayed", NS_MARKERS, NULL), "id", conv->marker);
  if (!session_send (session, message))
    return;
  id = g_steal_pointer (&conv->marker);
  history_marker_sent (conv->delivery->config.history, conv->contact, id);
}

typedef struct {
  Delivery *delivery;
  DoneFunc done;
  gpointer user;
} Reading;

static void
on_marked (gpointer user, guint32 contact, guint64 read_seq, guint unread, const char *marker, const GError *error)
{
  g_autofree Reading *reading = user;
  Delivery *delivery = reading->delivery;

  if (error == NULL && contacts_get (delivery->config.contacts, contact) != NULL)
    {
      Conv *conv = delivery_conv (delivery, contact);

      conv->read_seq = MAX (conv->read_seq, read_seq);
      conv->unread = unread;
      delivery_counts_changed (delivery, contact);
      if (marker != NULL)
        {
          g_free (conv->marker);
          conv->marker = g_strdup (marker);
          conv_send_marker (conv, delivery_session (delivery, contact));
        }
    }
  if (reading->done != NULL)
    reading->done (reading->user, error);
}

void
delivery_mark_read (Delivery *delivery, Contact *contact, guint64 seq, DoneFunc done, gpointer user)
{
  Reading *reading = g_new0 (Reading, 1);

  reading->delivery = delivery;
  reading->done = done;
  reading->user = user;
  delivery->used = g_get_monotonic_time ();
  history_mark_read (delivery->config.history, contact_get_id (contact), seq, delivery->markers, on_marked, reading);
}

/* --- what was displayed there --------------------------------------------------------------- */

typedef struct {
  Delivery *delivery;
  guint32 contact;
} Displaying;

static void
on_displayed (gpointer user, guint64 seq, const GError *error)
{
  g_autofree Displaying *displaying = user;
  Conv *conv = delivery_find_conv (displaying->delivery, displaying->contact);

  if (error != NULL)
    log_warn ("delivery", "a marker could not be stored: %s", error->message);
  if (conv == NULL)
    return;
  conv->marking -= conv->marking > 0;
  conv->last_seq = MAX (conv->last_seq, seq);
  if (seq > 0)
    {
      delivery_appended (displaying->delivery, seq, "state", displaying->contact);
      delivery_counts_changed (displaying->delivery, displaying->contact);
    }
  delivery_reap_conv (displaying->delivery, displaying->contact);
}

void
conv_on_displayed (Conv *conv, const char *id)
{
  Displaying *displaying;

  if (conv->marking >= MARKING_MAX)
    return;
  /* Who displays it has it. */
  if (g_hash_table_contains (conv->sent, id))
    conv_on_receipt (conv, id);
  conv->marking++;
  displaying = g_new0 (Displaying, 1);
  displaying->delivery = conv->delivery;
  displaying->contact = conv->contact;
  history_displayed (conv->delivery->config.history, conv->contact, id, on_displayed, displaying);
}
