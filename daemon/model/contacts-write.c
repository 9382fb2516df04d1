/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who may write rows, and when. A row goes to the disk whole: made from memory that another change on its way to the
 * disk is about to replace, it would undo that change (a block, say, by a petname set in the same moment). So
 * everything that writes contacts or keys takes a turn, and copies rows only when its turn has come.
 */
#include "earshot-config.h"

#include "daemon/model/contacts-private.h"

typedef struct {
  ContactsTurn begin;
  gpointer user;
} Turn;

void
contacts_await_turn (Contacts *contacts, ContactsTurn begin, gpointer user)
{
  Turn *turn;

  if (!contacts->writing)
    {
      contacts->writing = TRUE;
      begin (user);
      return;
    }
  turn = g_new0 (Turn, 1);
  turn->begin = begin;
  turn->user = user;
  g_queue_push_tail (&contacts->turns, turn);
}

void
contacts_end_turn (Contacts *contacts)
{
  Turn *turn;

  contacts->writing = FALSE;
  if (contacts->turning)
    return; /* a turn that found nothing to do: the loop below goes on */
  contacts->turning = TRUE;
  while (!contacts->writing && (turn = g_queue_pop_head (&contacts->turns)) != NULL)
    {
      contacts->writing = TRUE;
      turn->begin (turn->user);
      g_free (turn);
    }
  contacts->turning = FALSE;
}

void
contacts_hold (Contacts *contacts, guint32 id, gboolean hold)
{
  Contact *contact = contacts_get (contacts, id);

  if (contact == NULL)
    return;
  if (hold)
    contact->busy++;
  else if (contact->busy > 0)
    contact->busy--;
}

/* --- what is no decision ------------------------------------------------------ */

typedef struct {
  Contacts *contacts;
  guint32 id;
} Saving;

static void
on_saved (gpointer user, const GError *error)
{
  contacts_end_turn (user);
}

static void
begin_save (gpointer user)
{
  g_autofree Saving *saving = user;
  Contact *contact = contacts_get (saving->contacts, saving->id);
  TrustChange *change;

  if (contact == NULL)
    {
      contacts_end_turn (saving->contacts);
      return;
    }
  contact->saving = FALSE;
  change = trust_change_new ();
  trust_change_put_contact (change, &contact->row);
  for (guint i = 0; i < contact->keys->len; i++)
    trust_change_put_key (change, &((Key *) g_ptr_array_index (contact->keys, i))->row);
  trust_store_apply (saving->contacts->store, change, on_saved, saving->contacts);
}

void
contacts_save (Contact *contact)
{
  Saving *saving;

  if (contact->saving || !contact->has_row)
    return;
  contact->saving = TRUE;
  saving = g_new0 (Saving, 1);
  saving->contacts = contact->contacts;
  saving->id = contact->row.id;
  contacts_await_turn (contact->contacts, begin_save, saving);
}

void
contacts_clear_turns (Contacts *contacts)
{
  g_queue_clear_full (&contacts->turns, g_free);
}
