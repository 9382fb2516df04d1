/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/bus/bus-lines.h"

#include <string.h>
#include <unistd.h>

typedef struct {
  BusMessage *head, *tail;
} Queue;

typedef struct {
  Queue queue;
  GList turn;       /* its place in BusLines.turns, while something waits */
  guint open;
  char *caller;
} Line;

/* Let in, and not answered. */
typedef struct {
  GList link;
  Line *line;
  guint32 serial;
  gint64 since;
} Open;

enum { NONE_OPEN, SOME_OPEN, N_TURNS };

struct _BusLines {
  GHashTable *by_caller; /* char* -> Line, of those that have something waiting or open */
  GQueue turns[N_TURNS]; /* Line*, whose turn it is first */
  GQueue open;           /* Open*, oldest first */
  Queue answers, signals;
  guint64 arrivals;
  gsize bytes;
};

BusMessage *
bus_message_new (gconstpointer bytes, gsize length)
{
  BusMessage *message = g_malloc (sizeof (BusMessage) + length);

  *message = (BusMessage){ .length = length };
  memcpy (message->bytes, bytes, length);
  return message;
}

void
bus_message_free (BusMessage *message)
{
  if (message == NULL)
    return;
  for (guint i = 0; i < message->n_fds; i++)
    close (message->fds[i]);
  g_free (message->fds);
  g_free (message);
}

static void
queue_push (Queue *queue, BusMessage *message)
{
  message->next = NULL;
  if (queue->tail != NULL)
    queue->tail->next = message;
  else
    queue->head = message;
  queue->tail = message;
}

static BusMessage *
queue_pop (Queue *queue)
{
  BusMessage *message = queue->head;

  if (message == NULL)
    return NULL;
  queue->head = message->next;
  if (queue->head == NULL)
    queue->tail = NULL;
  message->next = NULL;
  return message;
}

static void
queue_clear (Queue *queue)
{
  BusMessage *message;

  while ((message = queue_pop (queue)) != NULL)
    bus_message_free (message);
}

static void
line_free (gpointer data)
{
  Line *line = data;

  queue_clear (&line->queue);
  g_free (line->caller);
  g_free (line);
}

BusLines *
bus_lines_new (void)
{
  BusLines *lines = g_new0 (BusLines, 1);

  lines->by_caller = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, line_free);
  return lines;
}

void
bus_lines_free (BusLines *lines)
{
  if (lines == NULL)
    return;
  queue_clear (&lines->answers);
  queue_clear (&lines->signals);
  bus_lines_expire (lines, G_MAXINT64);
  g_hash_table_unref (lines->by_caller);
  g_free (lines);
}

/* --- whose turn it is ---------------------------------------------------------------------------------------------- */

static GQueue *
turns_of (BusLines *lines, const Line *line)
{
  return &lines->turns[line->open > 0 ? SOME_OPEN : NONE_OPEN];
}

/* What waits in it, or is open of it, changes from here to line_settle(). */
static void
line_unsettle (BusLines *lines, Line *line)
{
  if (line->queue.head != NULL)
    g_queue_unlink (turns_of (lines, line), &line->turn);
}

static void
line_settle (BusLines *lines, Line *line)
{
  if (line->queue.head != NULL)
    g_queue_push_tail_link (turns_of (lines, line), &line->turn);
  else if (line->open == 0)
    g_hash_table_remove (lines->by_caller, line->caller);
}

static void
close_one (BusLines *lines, Open *open)
{
  Line *line = open->line;
  /* Not the first of many: it keeps its turn. */
  gboolean last = line->open == 1;

  g_queue_unlink (&lines->open, &open->link);
  g_free (open);
  if (last)
    line_unsettle (lines, line);
  line->open--;
  if (last)
    line_settle (lines, line);
}

void
bus_lines_answered (BusLines *lines, const char *caller, guint32 serial)
{
  Line *line = g_hash_table_lookup (lines->by_caller, caller);

  if (line == NULL || line->open == 0)
    return;
  for (GList *link = lines->open.head; link != NULL; link = link->next)
    {
      Open *open = link->data;

      if (open->line == line && open->serial == serial)
        {
          close_one (lines, open);
          return;
        }
    }
}

void
bus_lines_expire (BusLines *lines, gint64 before)
{
  while (lines->open.head != NULL && ((Open *) lines->open.head->data)->since <= before)
    close_one (lines, lines->open.head->data);
}

guint
bus_lines_count_open (const BusLines *lines)
{
  return lines->open.length;
}

/* --- in and out ---------------------------------------------------------------------------------------------------- */

void
bus_lines_push (BusLines *lines, BusMessage *message_take, const BusFrame *frame)
{
  Line *line;

  message_take->arrival = lines->arrivals++;
  message_take->serial = frame->serial;
  lines->bytes += message_take->length;
  if (frame->type == BUS_FRAME_REPLY || frame->type == BUS_FRAME_ERROR)
    {
      queue_push (&lines->answers, message_take);
      return;
    }
  if (frame->type != BUS_FRAME_CALL)
    {
      queue_push (&lines->signals, message_take);
      return;
    }
  line = g_hash_table_lookup (lines->by_caller, frame->sender);
  if (line == NULL)
    {
      line = g_new0 (Line, 1);
      line->caller = g_strdup (frame->sender);
      line->turn.data = line;
      g_hash_table_insert (lines->by_caller, line->caller, line);
    }
  if (line->queue.head == NULL)
    g_queue_push_tail_link (turns_of (lines, line), &line->turn);
  queue_push (&line->queue, message_take);
}

/* Is there a call that came before this signal? There are few lines. */
static gboolean
is_preceded (const BusLines *lines, const BusMessage *signal)
{
  for (guint i = 0; i < N_TURNS; i++)
    for (const GList *turn = lines->turns[i].head; turn != NULL; turn = turn->next)
      if (((const Line *) turn->data)->queue.head->arrival < signal->arrival)
        return TRUE;
  return FALSE;
}

static BusMessage *
pop_call (BusLines *lines, gboolean more, gint64 now)
{
  const GList *turn = lines->turns[NONE_OPEN].head;
  BusMessage *message;
  Open *open;

  if (turn == NULL && more)
    turn = lines->turns[SOME_OPEN].head;
  if (turn == NULL)
    return NULL;
  open = g_new0 (Open, 1);
  open->line = turn->data;
  open->link.data = open;
  open->since = now;
  line_unsettle (lines, open->line);
  message = queue_pop (&open->line->queue);
  open->serial = message->serial;
  open->line->open++;
  g_queue_push_tail_link (&lines->open, &open->link);
  line_settle (lines, open->line);
  return message;
}

BusMessage *
bus_lines_pop (BusLines *lines, gboolean more, gint64 now)
{
  BusMessage *message = queue_pop (&lines->answers);

  if (message == NULL && lines->signals.head != NULL && !is_preceded (lines, lines->signals.head))
    message = queue_pop (&lines->signals);
  if (message == NULL)
    message = pop_call (lines, more, now);
  if (message != NULL)
    lines->bytes -= message->length;
  return message;
}

gsize
bus_lines_get_bytes (const BusLines *lines)
{
  return lines->bytes;
}
