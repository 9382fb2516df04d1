/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What waits for a decision. The disk is the truth about what is held; memory goes before it only in the safe direction:
 * a hold counts at once, a release when the disk has it and the window was read again.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/model/delivery-private.h"

#define HOLD_RETRY_S 30
#define CHANGING_MAX 64 /* releases that a peer can cause, at once */

typedef struct {
  Delivery *delivery;
  guint32 contact;
  gboolean hold;
  char *id, *reason; /* NULL = all */
  guint retry_source;
  DoneFunc done;
  gpointer user;
} Holding;

static void
holding_free (gpointer data)
{
  Holding *holding = data;

  if (holding->retry_source != 0)
    g_source_remove (holding->retry_source);
  g_free (holding->id);
  g_free (holding->reason);
  g_free (holding);
}

void
conv_drop_holds (Conv *conv)
{
  if (conv->hold_retries == NULL)
    return;
  conv->changing -= MIN (conv->changing, conv->hold_retries->len);
  g_clear_pointer (&conv->hold_retries, g_ptr_array_unref);
}

/* --- counts ------------------------------------------------------------------------ */

static void count (Conv *conv);

static void
on_counted (gpointer user, guint32 contact, guint queued, guint held, guint64 last_seq, const GError *error)
{
  Delivery *delivery = user;
  Conv *conv = delivery_find_conv (delivery, contact);

  if (conv == NULL)
    return;
  conv->changing -= conv->changing > 0;
  if (error == NULL)
    {
      conv->queued = queued;
      conv->held = held;
      if (last_seq > conv->last_seq)
        {
          conv->last_seq = last_seq;
          delivery_appended (delivery, last_seq, "state", contact);
        }
      delivery_counts_changed (delivery, contact);
    }
  if (conv->changing == 0 && conv->recount)
    {
      conv->recount = FALSE;
      conv->changing++;
      count (conv);
    }
  else if (conv->changing == 0)
    conv_reload (conv);
  delivery_reap_conv (delivery, contact);
}

static void
count (Conv *conv)
{
  outbox_count (conv->delivery->config.outbox, conv->contact, on_counted, conv->delivery);
}

void
conv_recount (Conv *conv)
{
  if (conv->changing > 0)
    {
      conv->recount = TRUE; /* once more when those are through */
      return;
    }
  conv->changing++;
  count (conv);
}

/* --- holding and releasing ----------------------------------------------------------- */

static void submit (Conv *conv, Holding *holding);

static gboolean
on_hold_retry (gpointer user)
{
  Holding *holding = user;
  Conv *conv = delivery_find_conv (holding->delivery, holding->contact);
  guint index;

  holding->retry_source = 0;
  if (conv != NULL && conv->hold_retries != NULL && g_ptr_array_find (conv->hold_retries, holding, &index))
    submit (conv, g_ptr_array_steal_index_fast (conv->hold_retries, index));
  return G_SOURCE_REMOVE;
}

static void
on_held (gpointer user, const GError *error)
{
  Holding *holding = user;
  Conv *conv = delivery_find_conv (holding->delivery, holding->contact);
  gboolean gone = error != NULL && error->code == EARSHOT_ERROR_NOT_FOUND;

  if (error != NULL && !gone)
    log_warn ("delivery", "messages could not be %s: %s", holding->hold ? "held" : "released", error->message);
  if (holding->done != NULL)
    holding->done (holding->user, error);
  if (conv != NULL && error != NULL && !gone && holding->hold && error->code != EARSHOT_ERROR_CANCELLED)
    {
      /* Nothing that shall be held may be read from the disk as if it were not: stand still until it took it. */
      if (conv->hold_retries == NULL)
        conv->hold_retries = g_ptr_array_new_with_free_func (holding_free);
      g_ptr_array_add (conv->hold_retries, holding);
      holding->done = NULL;
      holding->retry_source = g_timeout_add_seconds (HOLD_RETRY_S, on_hold_retry, holding);
      return;
    }
  if (conv != NULL)
    count (conv);
  holding_free (holding);
}

static void
submit (Conv *conv, Holding *holding)
{
  outbox_set_held (conv->delivery->config.outbox, conv->contact, holding->id, holding->hold, holding->reason, on_held,
                   holding);
}

static void
change_held (Conv *conv, const char *id, gboolean hold, const char *reason, DoneFunc done, gpointer user)
{
  Holding *holding = g_new0 (Holding, 1);

  holding->delivery = conv->delivery;
  holding->contact = conv->contact;
  holding->hold = hold;
  holding->id = g_strdup (id);
  holding->reason = g_strdup (reason);
  holding->done = done;
  holding->user = user;
  conv->changing++;
  submit (conv, holding);
}

static void
mark (Item *item, const char *reason)
{
  item->row->held = TRUE;
  g_free (item->row->reason);
  item->row->reason = g_strdup (reason);
}

void
conv_hold (Conv *conv, const char *reason)
{
  gboolean all = strcmp (reason, HELD_REPLACED) == 0;

  if (conv->queued == 0 || (conv->queued == conv->held && !all))
    return;
  /* Until the disk knows it, memory must not send them. */
  for (GList *link = conv->window.head; link != NULL; link = link->next)
    {
      Item *item = link->data;

      if (!item->row->held || all)
        mark (item, reason);
    }
  conv->held = conv->queued;
  change_held (conv, NULL, TRUE, reason, NULL, NULL);
}

void
conv_hold_one (Conv *conv, Item *item, const char *reason)
{
  mark (item, reason);
  conv->held = MIN (conv->held + 1, conv->queued);
  change_held (conv, item->row->id, TRUE, reason, NULL, NULL);
}

void
conv_release (Conv *conv, const char *reason)
{
  if (conv->held > 0 && conv->changing < CHANGING_MAX)
    change_held (conv, NULL, FALSE, reason, NULL, NULL);
}

void
conv_release_one (Conv *conv, const char *id, DoneFunc done, gpointer user)
{
  change_held (conv, id, FALSE, NULL, done, user);
}
