/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the floor above asks of delivery: cancelling and retrying, counts, reading state, typing.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/names.h"
#include "daemon/model/delivery-private.h"

static Conv *
conv_of (Delivery *delivery, Contact *contact)
{
  return contact != NULL ? delivery_find_conv (delivery, contact_get_id (contact)) : NULL;
}

typedef struct {
  Delivery *delivery;
  gboolean retry;
  DoneFunc done;
  gpointer user;
} Change;

static void
change_message (Change *change, const LogEntry *entry)
{
  Delivery *delivery = change->delivery;
  Conv *conv = delivery_conv (delivery, entry->contact);
  Item *item = g_hash_table_lookup (delivery->items, entry->id);
  g_autoptr (GError) error = NULL;

  if (entry->direction != DIRECTION_OUT)
    error = g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_NOT_FOUND, "That is no message of ours");
  /* Its words are gone. */
  else if (!change->retry && strcmp (entry->kind, "retract") == 0)
    error = g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "What was taken back does not come again");
  else if (change->retry)
    {
      conv_release_one (conv, entry->id, change->done, change->user);
      g_free (change);
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

/* --- deleting ------------------------------------------------------------------------ */

typedef struct {
  Delivery *delivery;
  char **ids;
  guint waiting;
  DoneFunc done;
  gpointer user;
} Deletion;

static void
on_deleted (gpointer user, GPtrArray *gone, const GError *error)
{
  Deletion *deletion = user;
  Delivery *delivery = deletion->delivery;

  for (guint i = 0; gone != NULL && i < gone->len; i++)
    {
      HistoryGone *from = g_ptr_array_index (gone, i);
      Conv *conv = delivery_find_conv (delivery, from->contact);

      if (conv == NULL)
        continue;
      conv->unread = from->unread;
      for (guint j = 0; from->dropped[j] != NULL; j++)
        conv_drop_item (conv, from->dropped[j]);
      delivery_counts_changed (delivery, from->contact);
      conv_pump (conv);
      delivery_reap_conv (delivery, from->contact);
    }
  if (deletion->done != NULL)
    deletion->done (deletion->user, error);
  g_strfreev (deletion->ids);
  g_free (deletion);
}

static void
on_cancelled_for_deletion (gpointer user, const GError *ignored)
{
  Deletion *deletion = user;

  /* Most ids are not waiting to be sent: NotFound is the usual answer. */
  if (--deletion->waiting == 0)
    history_delete (deletion->delivery->config.history, (const char *const *) deletion->ids, on_deleted, deletion);
}

void
delivery_delete (Delivery *delivery, const char *const *ids, DoneFunc done, gpointer user)
{
  Deletion *deletion = g_new0 (Deletion, 1);

  deletion->delivery = delivery;
  deletion->ids = g_strdupv ((char **) ids);
  deletion->waiting = g_strv_length (deletion->ids) + 1;
  deletion->done = done;
  deletion->user = user;
  for (guint i = 0; deletion->ids[i] != NULL; i++)
    delivery_cancel (delivery, deletion->ids[i], on_cancelled_for_deletion, deletion);
  on_cancelled_for_deletion (deletion, NULL);
}

/* --- looking -------------------------------------------------------------------------- */

const char *
delivery_get_live_state (Delivery *delivery, const char *id)
{
  Item *item = g_hash_table_lookup (delivery->items, id);
  Conv *conv = item != NULL && !item->row->held ? delivery_find_conv (delivery, item->row->contact) : NULL;

  if (conv == NULL || !g_hash_table_contains (conv->sent, id))
    return NULL;
  return g_hash_table_contains (conv->acked, id) ? "acked" : "sent";
}

void
delivery_set_typing (Delivery *delivery, Contact *contact, gboolean active)
{
  Conv *conv = delivery_conv (delivery, contact_get_id (contact));
  Session *session = delivery_session (delivery, conv->contact);
  g_autoptr (Stanza) message = NULL;

  delivery->used = g_get_monotonic_time ();
  /* Only to who showed that they know it, never queued, never the same twice in a row (M-11). */
  if (session == NULL || !session_is_trusted (session) || session_is_restricted (session) || !conv->chat_states
      || conv->typing_out == active)
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

void
delivery_raise_head (Delivery *delivery, guint64 seq)
{
  delivery_appended (delivery, seq, "import", 0);
}

void
delivery_set_unread (Delivery *delivery, guint32 contact_id, guint unread)
{
  Conv *conv = delivery_find_conv (delivery, contact_id);

  if (conv == NULL || conv->unread == unread)
    return;
  conv->unread = unread;
  delivery_counts_changed (delivery, contact_id);
}

void
delivery_set_tail (Delivery *delivery, guint64 tail)
{
  if (delivery->tail != 0) /* 0: the log has never had an entry */
    delivery->tail = tail;
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

  if (error == NULL && contacts_get (change->delivery->config.contacts, change->contact) != NULL)
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
