/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/mailbox.h"

#include <pthread.h>

typedef struct {
  GSource base;
  Mailbox *box;
} BoxSource;

struct _Mailbox {
  /* POSIX and not GLib, so that ThreadSanitizer sees them. */
  pthread_mutex_t lock; /* letters, closed */
  pthread_cond_t room;
  GQueue letters;
  gboolean closed;
  guint most, a_turn;
  MailboxFunc func;
  GDestroyNotify free_letter;
  gpointer user;
  GSource *source;
  guint refs; /* the reader's thread: the owner's, and one while letters are read */
};

static void
box_unref (Mailbox *box)
{
  if (--box->refs > 0)
    return;
  g_queue_clear_full (&box->letters, box->free_letter);
  pthread_mutex_destroy (&box->lock);
  pthread_cond_destroy (&box->room);
  g_free (box);
}

static gpointer
take_letter (Mailbox *box)
{
  gpointer letter;

  pthread_mutex_lock (&box->lock);
  letter = box->closed ? NULL : g_queue_pop_head (&box->letters);
  if (letter == NULL && !box->closed)
    g_source_set_ready_time (box->source, -1);
  pthread_cond_signal (&box->room);
  pthread_mutex_unlock (&box->lock);
  return letter;
}

static gboolean
on_letters (GSource *source, GSourceFunc func, gpointer user)
{
  Mailbox *box = ((BoxSource *) source)->box;
  gpointer letter;

  box->refs++;
  for (guint i = 0; i < box->a_turn && (letter = take_letter (box)) != NULL; i++)
    box->func (box->user, letter);
  box_unref (box);
  return G_SOURCE_CONTINUE;
}

Mailbox *
mailbox_new (GMainContext *context, guint most, guint a_turn, MailboxFunc func, GDestroyNotify free_letter, gpointer user)
{
  static GSourceFuncs funcs = { .dispatch = on_letters };
  Mailbox *box = g_new0 (Mailbox, 1);

  pthread_mutex_init (&box->lock, NULL);
  pthread_cond_init (&box->room, NULL);
  g_queue_init (&box->letters);
  box->most = most;
  box->a_turn = a_turn;
  box->func = func;
  box->free_letter = free_letter;
  box->user = user;
  box->refs = 1;
  box->source = g_source_new (&funcs, sizeof (BoxSource));
  ((BoxSource *) box->source)->box = box;
  g_source_set_name (box->source, "mailbox");
  g_source_attach (box->source, context);
  return box;
}

void
mailbox_put (Mailbox *box, gpointer letter_take)
{
  gboolean closed;

  pthread_mutex_lock (&box->lock);
  while (box->most > 0 && box->letters.length >= box->most && !box->closed)
    pthread_cond_wait (&box->room, &box->lock);
  closed = box->closed;
  if (!closed)
    {
      g_queue_push_tail (&box->letters, letter_take);
      /* One wake-up for all that gather. */
      if (box->letters.length == 1)
        g_source_set_ready_time (box->source, 0);
    }
  pthread_mutex_unlock (&box->lock);
  if (closed)
    box->free_letter (letter_take);
}

void
mailbox_close (Mailbox *box)
{
  pthread_mutex_lock (&box->lock);
  box->closed = TRUE;
  pthread_cond_broadcast (&box->room);
  pthread_mutex_unlock (&box->lock);
  if (box->source == NULL)
    return;
  g_source_destroy (box->source);
  g_clear_pointer (&box->source, g_source_unref);
}

void
mailbox_free (Mailbox *box)
{
  if (box == NULL)
    return;
  mailbox_close (box);
  box_unref (box);
}
