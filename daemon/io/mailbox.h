/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Letters from one thread to the main context of another, in order; bounded where the writer may wait. An empty box costs the
 * reader's loop nothing, and a full one no more than a few letters at each of its turns.
 */
#pragma once

#include <glib.h>

typedef struct _Mailbox Mailbox;

/* Takes the letter. Runs in the reader's loop, and may close or free the box. */
typedef void (*MailboxFunc) (gpointer user, gpointer letter_take);

/* The reader's thread, which owns the box. `most` letters wait, 0 = any number; `a_turn` are read at each turn of the loop. `context`
 * NULL: the default one. */
Mailbox *mailbox_new (GMainContext *context, guint most, guint a_turn, MailboxFunc func, GDestroyNotify free_letter, gpointer user);
/* Any thread. With `most` letters in the box it waits until one was read, or the box is closed; what is put into a closed
 * box is freed. */
void mailbox_put (Mailbox *box, gpointer letter_take);
/* The reader's thread: nothing is read any more, and nobody waits. */
void mailbox_close (Mailbox *box);
/* The reader's thread, once no other has the box. */
void mailbox_free (Mailbox *box);
