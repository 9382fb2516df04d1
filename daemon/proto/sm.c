/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/proto/sm.h"

struct _Sm {
  char *id;
  /* ours */
  guint32 sent, acked;     /* mod 2^32 */
  GQueue items;            /* SmItem*, oldest first; empty while `dropped` */
  gsize bytes;
  gboolean dropped;        /* beyond the bounds: what was unconfirmed is not here any more */
  /* theirs */
  guint32 received;        /* mod 2^32 */
  guint64 last_ticket;
  GQueue open;             /* Open*, oldest first: what is not dealt with. Bounded by who holds the tickets. */
};

typedef struct {
  guint64 ticket;
  guint32 before;          /* how many came before it */
} Open;

static void
item_free (gpointer data)
{
  SmItem *item = data;

  g_free (item->text);
  g_free (item->tag);
  g_free (item);
}

Sm *
sm_new (void)
{
  Sm *sm = g_new0 (Sm, 1);

  g_queue_init (&sm->items);
  g_queue_init (&sm->open);
  return sm;
}

Sm *
sm_new_at (guint32 count)
{
  Sm *sm = sm_new ();

  sm->sent = sm->acked = sm->received = count;
  return sm;
}

void
sm_free (Sm *sm)
{
  if (sm == NULL)
    return;
  g_queue_clear_full (&sm->items, item_free);
  g_queue_clear_full (&sm->open, g_free);
  g_free (sm->id);
  g_free (sm);
}

void
sm_set_id (Sm *sm, const char *id)
{
  g_free (sm->id);
  sm->id = g_strdup (id);
}

const char *
sm_get_id (const Sm *sm)
{
  return sm->id;
}

gboolean
sm_is_resumable (const Sm *sm)
{
  return sm->id != NULL && !sm->dropped;
}

/* --- ours -------------------------------------------------------------------- */

void
sm_sent (Sm *sm, const char *text, gsize len, const char *tag, gint64 when)
{
  SmItem *item;

  sm->sent++;
  if (sm->dropped)
    return;
  if (sm->items.length >= SM_STANZAS_MAX || sm->bytes + len > SM_BYTES_MAX)
    {
      g_queue_clear_full (&sm->items, item_free);
      sm->bytes = 0;
      sm->dropped = TRUE;
      return;
    }
  item = g_new0 (SmItem, 1);
  item->text = g_strndup (text, len);
  item->len = len;
  item->tag = g_strdup (tag);
  item->when = when;
  sm->bytes += len;
  g_queue_push_tail (&sm->items, item);
}

gboolean
sm_acked (Sm *sm, guint32 h, GPtrArray *tags)
{
  guint32 more = h - sm->acked;

  /* XEP-0198 section 4: "the server or client MUST close the stream" when h is greater than what was sent. Less than
   * confirmed before is the same mistake seen from the other side of the wrap-around. */
  if (more > sm->sent - sm->acked)
    return FALSE;
  sm->acked = h;
  if (sm->dropped)
    {
      /* Nothing is unconfirmed any more: from here on all that will be is at hand again. */
      sm->dropped = sm->acked != sm->sent;
      return TRUE;
    }
  for (; more > 0; more--)
    {
      SmItem *item = g_queue_pop_head (&sm->items);

      sm->bytes -= item->len;
      if (item->tag != NULL && tags != NULL)
        g_ptr_array_add (tags, g_steal_pointer (&item->tag));
      item_free (item);
    }
  return TRUE;
}

guint32
sm_get_sent (const Sm *sm)
{
  return sm->sent;
}

guint32
sm_get_unacked (const Sm *sm)
{
  return sm->sent - sm->acked;
}

const GQueue *
sm_get_items (const Sm *sm)
{
  return &sm->items;
}

/* --- theirs -------------------------------------------------------------------- */

guint64
sm_received (Sm *sm)
{
  Open *open = g_new0 (Open, 1);

  open->ticket = ++sm->last_ticket;
  open->before = sm->received++;
  g_queue_push_tail (&sm->open, open);
  return open->ticket;
}

void
sm_handled (Sm *sm, guint64 ticket)
{
  /* The disk answers in order, and what needs no disk is the newest: it is at one of the ends. */
  for (GList *front = sm->open.head, *back = sm->open.tail; front != NULL && back != NULL;
       front = front->next, back = back->prev)
    {
      GList *found = ((Open *) front->data)->ticket == ticket ? front
                     : ((Open *) back->data)->ticket == ticket ? back : NULL;

      if (found != NULL)
        {
          g_free (found->data);
          g_queue_delete_link (&sm->open, found);
          return;
        }
      if (front == back || front->prev == back || ((Open *) front->data)->ticket > ticket)
        return;
    }
}

guint32
sm_get_h (const Sm *sm)
{
  return sm->open.head != NULL ? ((Open *) sm->open.head->data)->before : sm->received;
}

gboolean
sm_is_handled_up_to (const Sm *sm, guint64 ticket)
{
  return sm->open.head == NULL || ((Open *) sm->open.head->data)->ticket > ticket;
}

guint64
sm_get_last_ticket (const Sm *sm)
{
  return sm->last_ticket;
}

void
sm_rewind (Sm *sm)
{
  sm->received = sm_get_h (sm);
  g_queue_clear_full (&sm->open, g_free);
}
