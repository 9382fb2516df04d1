/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * im.earshot.Earshot1.Conversation: reading state and settings of what is said with one contact.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

static void
conversation_refresh (Window *window, BusObject *object, GDBusInterfaceSkeleton *interface, gboolean full)
{
  EarshotConversation *skeleton = EARSHOT_CONVERSATION (interface);
  Delivery *delivery = window->rooms.delivery;
  Contact *contact = contacts_get (window->rooms.contacts, object->id.contact);
  g_autofree char *title = contact != NULL ? contact_dup_display_name (contact) : NULL;

  if (contact == NULL)
    return;
  earshot_conversation_set_title (skeleton, title);
  earshot_conversation_set_unread (skeleton, delivery_get_unread (delivery, contact));
  earshot_conversation_set_last_seq (skeleton, delivery_get_last_seq (delivery, contact));
  earshot_conversation_set_read_seq (skeleton, delivery_get_read_seq (delivery, contact));
  earshot_conversation_set_muted (skeleton, delivery_get_muted (delivery, contact));
  earshot_conversation_set_default_require (skeleton, delivery_get_require (delivery, contact));
}

static void
mark_read (BusCall *call, GVariant *args)
{
  Contact *contact;
  guint64 seq;

  g_variant_get (args, "(t)", &seq);
  if (seq > delivery_get_head (call->window->rooms.delivery))
    {
      bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "the log does not go that far");
      return;
    }
  contact = bus_call_get_contact (call);
  if (contact != NULL)
    delivery_mark_read (call->window->rooms.delivery, contact, seq, bus_call_done, call);
}

static void
set_typing (BusCall *call, GVariant *args)
{
  Contact *contact = bus_call_get_contact (call);
  gboolean active;

  if (contact == NULL)
    return;
  g_variant_get (args, "(b)", &active);
  delivery_set_typing (call->window->rooms.delivery, contact, active);
  bus_call_return (call, NULL);
}

static void
on_conversation_set (gpointer user, const GError *error)
{
  BusCall *call = user;

  if (error == NULL && !call->window->closed)
    window_touch (call->window, bus_objects_get_contact (call->window->objects, call->id.contact));
  bus_call_done (call, error);
}

static void
set_muted (BusCall *call, GVariant *value)
{
  Delivery *delivery = call->window->rooms.delivery;
  Contact *contact = bus_call_get_contact (call);

  if (contact != NULL)
    delivery_set_conversation (delivery, contact, g_variant_get_boolean (value),
                               delivery_get_require (delivery, contact), on_conversation_set, call);
}

static void
set_default_require (BusCall *call, GVariant *value)
{
  Delivery *delivery = call->window->rooms.delivery;
  const char *word = g_variant_get_string (value, NULL);
  Contact *contact;
  Require require;

  if (*word != '\0' && (!require_from_string (word, &require) || require == REQUIRE_DEFAULT))
    {
      bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "DefaultRequire is empty or a level");
      return;
    }
  contact = bus_call_get_contact (call);
  if (contact != NULL)
    delivery_set_conversation (delivery, contact, delivery_get_muted (delivery, contact), word, on_conversation_set,
                               call);
}

static const BusVerb methods[] = {
  { "MarkRead", mark_read },
  { "SetTyping", set_typing },
  { NULL, NULL },
};

static const BusVerb setters[] = {
  { "Muted", set_muted },
  { "DefaultRequire", set_default_require },
  { NULL, NULL },
};

const BusInterface bus_conversation = { earshot_conversation_skeleton_get_type, methods, setters, conversation_refresh,
                                        NULL };
