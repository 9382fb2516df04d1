/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * im.earshot.Earshot1.Messages: what is about earlier messages: React and Retract, and how the log tells of it.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

#include <string.h>

#include "daemon/bus/bus-values.h"
#include "daemon/proto/web-link.h"

static void
on_said (gpointer user, const char *id, guint64 seq, const GError *error)
{
  BusCall *call = user;

  if (error != NULL)
    bus_call_return_error (call, error);
  else
    bus_call_return (call, g_variant_new ("(st)", id, seq));
}

static gboolean
check_id (const char *id, GError **error)
{
  if (*id != '\0')
    return bus_check_line ("the id", id, MESSAGE_ID_MAX, error);
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "the id is empty");
  return FALSE;
}

void
bus_amend_react (BusCall *call, GVariant *args)
{
  const char *path, *id;
  g_autofree const char **emojis = NULL;
  GError *error = NULL;
  Contact *contact = NULL;

  g_variant_get (args, "(&o&s^a&s)", &path, &id, &emojis);
  if (check_id (id, &error))
    {
      if (g_strv_length ((char **) emojis) > MESSAGE_REACTIONS_MAX)
        g_set_error (&error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "at most %d emojis", MESSAGE_REACTIONS_MAX);
      else
        contact = bus_contact_at (call->window, path, &error);
    }
  if (contact == NULL)
    bus_call_take_error (call, error);
  else
    delivery_react (call->window->rooms.delivery, contact, id, emojis, on_said, call);
}

void
bus_amend_retract (BusCall *call, GVariant *args)
{
  GError *error = NULL;
  const char *id;

  g_variant_get (args, "(&s)", &id);
  if (check_id (id, &error))
    delivery_retract (call->window->rooms.delivery, id, on_said, call);
  else
    bus_call_take_error (call, error);
}

/* --- describing --------------------------------------------------------------------------------------------------- */

/* The disk is no friend either. */
static GVariant *
new_words (const char *joined)
{
  g_autofree char *valid = g_utf8_make_valid (joined != NULL ? joined : "", -1);
  g_auto (GStrv) words = *valid != '\0' ? g_strsplit (valid, " ", -1) : g_new0 (char *, 1);

  return g_variant_new_strv ((const char *const *) words, -1);
}

static void
add_reactions (const LogEntry *entry, GVariantBuilder *builder)
{
  g_autofree char *path = NULL;
  GVariantBuilder list;
  gboolean in = entry->reactions_in != NULL && *entry->reactions_in != '\0';
  gboolean out = entry->reactions_out != NULL && *entry->reactions_out != '\0';

  if (!in && !out)
    return;
  path = bus_path_contact (entry->contact);
  g_variant_builder_init (&list, G_VARIANT_TYPE ("a(oas)"));
  if (in)
    g_variant_builder_add (&list, "(o@as)", path, new_words (entry->reactions_in));
  if (out)
    g_variant_builder_add (&list, "(o@as)", "/", new_words (entry->reactions_out));
  bus_dict_add (builder, "reactions", g_variant_builder_end (&list));
}

/* What is shown is not what the other side has, and why. */
static void
add_change (Window *window, const LogEntry *entry, GVariantBuilder *builder)
{
  Contact *contact = contacts_get (window->rooms.contacts, entry->contact);
  const char *reason = entry->change_reason;

  if (entry->change_state == NULL || *entry->change_state == '\0')
    return;
  if (strcmp (entry->change_state, "queued") == 0 && contact != NULL && (reason == NULL || *reason == '\0'))
    reason = contact_get_last_error (contact);
  bus_dict_add_text (builder, "change_state", entry->change_state);
  bus_dict_add_text (builder, "change_reason", reason);
}

void
bus_amend_describe (Window *window, const LogEntry *entry, GVariantBuilder *builder)
{
  if (entry->about != NULL)
    bus_dict_add (builder, "about", bus_text_new (entry->about));
  if (strcmp (entry->kind, "reaction") == 0)
    bus_dict_add (builder, "emojis", new_words (entry->body));
  if (entry->edited > 0)
    bus_dict_add (builder, "edited", g_variant_new_int64 (entry->edited));
  if (entry->retracted > 0)
    bus_dict_add (builder, "retracted", g_variant_new_int64 (entry->retracted));
  add_change (window, entry, builder);
  add_reactions (entry, builder);
  /* It was checked when it came; nobody here opens it. */
  if (entry->url != NULL && web_link_is_valid (entry->url))
    bus_dict_add (builder, "url", g_variant_new_string (entry->url));
  if (entry->unstyled)
    bus_dict_add (builder, "unstyled", g_variant_new_boolean (TRUE));
}
