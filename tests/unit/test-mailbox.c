/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <glib.h>

#include "daemon/io/mailbox.h"

#define MOST 16
#define A_TURN 4

typedef struct {
  Mailbox *box;
  guint n;           /* letters read */
  guint close_after; /* 0 = never */
  guint free_after;
} Reader;

static int letters_alive; /* atomic */

static guint *
letter_new (guint number)
{
  guint *letter = g_new (guint, 1);

  *letter = number;
  g_atomic_int_inc (&letters_alive);
  return letter;
}

static void
letter_free (gpointer letter)
{
  g_atomic_int_add (&letters_alive, -1);
  g_free (letter);
}

static void
on_letter (gpointer user, gpointer letter_take)
{
  Reader *reader = user;

  g_assert_cmpuint (*(guint *) letter_take, ==, reader->n);
  reader->n++;
  letter_free (letter_take);
  if (reader->n == reader->close_after)
    mailbox_close (reader->box);
  if (reader->n == reader->free_after)
    g_clear_pointer (&reader->box, mailbox_free);
}

static void
reader_open (Reader *reader, guint most)
{
  reader->box = mailbox_new (NULL, most, A_TURN, on_letter, letter_free, reader);
}

static gpointer
write_thousand (gpointer data)
{
  for (guint i = 0; i < 1000; i++)
    mailbox_put (data, letter_new (i));
  return NULL;
}

/* In order, a few at each turn of the loop, and nothing is left to do in between. */
static void
test_order (void)
{
  Reader reader = { 0 };

  reader_open (&reader, 0);
  for (guint i = 0; i < 10; i++)
    mailbox_put (reader.box, letter_new (i));
  g_assert_true (g_main_context_iteration (NULL, FALSE));
  g_assert_cmpuint (reader.n, ==, A_TURN);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (reader.n, ==, 10);
  g_assert_false (g_main_context_pending (NULL));
  mailbox_put (reader.box, letter_new (10));
  g_assert_true (g_main_context_iteration (NULL, FALSE));
  g_assert_cmpuint (reader.n, ==, 11);
  mailbox_free (reader.box);
  g_assert_cmpint (letters_alive, ==, 0);
}

/* A writer that is faster than the loop waits; no more than MOST (and those being written) exist. */
static void
test_flood_waits (void)
{
  Reader reader = { 0 };
  GThread *writer;

  reader_open (&reader, MOST);
  writer = g_thread_new ("writer", write_thousand, reader.box);
  while (reader.n < 1000)
    {
      g_main_context_iteration (NULL, TRUE);
      g_assert_cmpint (g_atomic_int_get (&letters_alive), <=, MOST + 1);
    }
  g_thread_join (writer);
  mailbox_free (reader.box);
  g_assert_cmpint (letters_alive, ==, 0);
}

/* Whoever waits for room is let go by the end, and nothing is read after it. */
static void
test_close_lets_go (void)
{
  Reader reader = { .close_after = 5 };
  GThread *writer;

  reader_open (&reader, MOST);
  writer = g_thread_new ("writer", write_thousand, reader.box);
  while (reader.n < 5)
    g_main_context_iteration (NULL, TRUE);
  g_thread_join (writer);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (reader.n, ==, 5);
  mailbox_free (reader.box);
  g_assert_cmpint (letters_alive, ==, 0);
}

static void
test_freed_by_its_reader (void)
{
  Reader reader = { .free_after = 2 };

  reader_open (&reader, 0);
  for (guint i = 0; i < 10; i++)
    mailbox_put (reader.box, letter_new (i));
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (reader.n, ==, 2);
  g_assert_cmpint (letters_alive, ==, 0);
  mailbox_free (NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mailbox/order", test_order);
  g_test_add_func ("/mailbox/flood-waits", test_flood_waits);
  g_test_add_func ("/mailbox/close-lets-go", test_close_lets_go);
  g_test_add_func ("/mailbox/freed-by-its-reader", test_freed_by_its_reader);
  return g_test_run ();
}
