/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Invites on the Manager. SECURITY: the link with its secret is in one reply, to who asked for it; property and signals name invites by
 * what does not tell the secret.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

#include <string.h>

#include "daemon/io/addresses.h"
#include "daemon/proto/endpoint.h"
#include "daemon/proto/invite-id.h"
#include "daemon/proto/trust-uri.h"

#define TTL_DEFAULT_S 600
#define PETNAME_MAX 320 /* bytes; the room counts characters */

/* --- reading links ------------------------------------------------------------------------------------------------ */

GVariant *
bus_link_describe (const TrustUri *uri)
{
  static const char *const none[] = { NULL };
  char id[INVITE_ID_LENGTH + 1];
  GVariantBuilder more;

  g_variant_builder_init (&more, G_VARIANT_TYPE_VARDICT);
  if (uri->endpoints != NULL || uri->one_time)
    g_variant_builder_add (&more, "{sv}", "endpoints",
                           g_variant_new_strv (uri->endpoints != NULL ? (const char *const *) uri->endpoints : none, -1));
  if (uri->one_time)
    {
      invite_id (uri->secret, id);
      g_variant_builder_add (&more, "{sv}", "invite", g_variant_new_string (id));
      g_variant_builder_add (&more, "{sv}", "expires", g_variant_new_int64 (uri->expires * G_USEC_PER_SEC));
    }
  return g_variant_builder_end (&more);
}

/* --- the property --------------------------------------------------------------------------------------------------- */

static GVariant *
describe_made (const InviteInfo *info)
{
  GVariantBuilder details, used;

  g_variant_builder_init (&used, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint i = 0; i < info->used->len; i++)
    {
      g_autofree char *hex = fingerprint_to_hex (&g_array_index (info->used, Fingerprint, i));

      g_variant_builder_add (&used, "s", hex);
    }
  g_variant_builder_init (&details, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&details, "{sv}", "uses", g_variant_new_uint32 (info->uses));
  g_variant_builder_add (&details, "{sv}", "left", g_variant_new_uint32 (info->left));
  g_variant_builder_add (&details, "{sv}", "in_person", g_variant_new_boolean (info->in_person));
  g_variant_builder_add (&details, "{sv}", "used", g_variant_builder_end (&used));
  return g_variant_builder_end (&details);
}

static GVariant *
describe_accepted (Window *window, const InviteInfo *info)
{
  Key *key = contacts_get_key (window->rooms.contacts, &info->fp);
  g_autofree char *path = key != NULL ? bus_path_contact (contact_get_id (key_get_contact (key))) : g_strdup ("/");
  g_autofree char *hex = fingerprint_to_hex (&info->fp);
  GVariantBuilder details;

  g_variant_builder_init (&details, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&details, "{sv}", "contact", g_variant_new_object_path (path));
  g_variant_builder_add (&details, "{sv}", "fingerprint", g_variant_new_string (hex));
  return g_variant_builder_end (&details);
}

GVariant *
bus_invites_describe (Window *window)
{
  g_autoptr (GArray) list = invites_list (window->rooms.invites);
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(ssxa{sv})"));
  for (guint i = 0; i < list->len; i++)
    {
      const InviteInfo *info = &g_array_index (list, InviteInfo, i);

      g_variant_builder_add (&builder, "(ssx@a{sv})", info->id, info->state, info->expires,
                             info->made ? describe_made (info) : describe_accepted (window, info));
    }
  return g_variant_builder_end (&builder);
}

/* --- CreateInvite --------------------------------------------------------------------------------------------------- */

/* As people type them, in the one spelling of links; each once. */
static char **
normalise_all (char **given, GError **error)
{
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; given[i] != NULL; i++)
    {
      g_autofree char *normal = endpoint_normalise (given[i], error);

      if (normal == NULL)
        return NULL;
      if (!g_ptr_array_find_with_equal_func (list, normal, g_str_equal, NULL))
        g_ptr_array_add (list, g_steal_pointer (&normal));
    }
  if (list->len > TRUST_URI_ENDPOINTS_MAX)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "at most %d endpoints", TRUST_URI_ENDPOINTS_MAX);
      return NULL;
    }
  g_ptr_array_add (list, NULL);
  return (char **) g_ptr_array_steal (list, NULL);
}

/* Where this host can be reached now. */
static char **
list_own (Window *window)
{
  g_auto (GStrv) addresses =
    addresses_list ((const char *const *) window->rooms.config->interfaces, TRUST_URI_ENDPOINTS_MAX);
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (g_free);
  guint16 port = sessions_get_port (window->rooms.sessions);

  for (guint i = 0; addresses[i] != NULL; i++)
    {
      g_autofree char *text =
        g_strdup_printf (strchr (addresses[i], ':') != NULL ? "[%s]:%u" : "%s:%u", addresses[i], port);
      char *normal = endpoint_normalise (text, NULL);

      if (normal != NULL)
        g_ptr_array_add (list, normal);
    }
  g_ptr_array_add (list, NULL);
  return (char **) g_ptr_array_steal (list, NULL);
}

static void
on_created (gpointer user, const char *link, const char *id, gint64 expires, const GError *error)
{
  BusCall *call = user;

  if (error != NULL)
    bus_call_return_error (call, error);
  else
    bus_call_return (call, g_variant_new ("(ssx)", link, id, expires));
}

void
bus_invite_create (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (args, 0);
  g_auto (GStrv) given = NULL, endpoints = NULL;
  guint32 ttl = TTL_DEFAULT_S, uses = 1;
  gboolean in_person = FALSE;
  const BusOption table[] = { { "ttl", "u", &ttl },
                              { "uses", "u", &uses },
                              { "endpoints", "as", &given },
                              { "in_person", "b", &in_person },
                              { NULL, NULL, NULL } };
  GError *error = NULL;
  InviteWish wish;

  if (!bus_options_parse (options, table, &error))
    {
      bus_call_take_error (call, error);
      return;
    }
  endpoints = given != NULL ? normalise_all (given, &error) : list_own (call->window);
  if (endpoints == NULL)
    {
      bus_call_take_error (call, error);
      return;
    }
  if (call->window->front->instance == NULL || *call->window->front->instance == '\0')
    {
      bus_call_fail (call, EARSHOT_ERROR_NOT_FOUND, "we have no address of our own yet");
      return;
    }
  wish = (InviteWish){ .addr = call->window->front->instance, .endpoints = endpoints, .ttl_s = ttl, .uses = uses,
                       .in_person = in_person, .caller = call->audit };
  invites_create (call->window->rooms.invites, &wish, on_created, call);
}

void
bus_invite_revoke (BusCall *call, GVariant *args)
{
  const char *id;

  g_variant_get (args, "(&s)", &id);
  if (invite_id_is (id))
    invites_revoke (call->window->rooms.invites, id, call->audit, bus_call_done, call);
  else
    bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "an invite's id is %d hex digits", INVITE_ID_LENGTH);
}

/* --- AcceptInvite --------------------------------------------------------------------------------------------------- */

static void
on_accepted (gpointer user, guint32 id, const GError *error)
{
  g_autofree char *path = bus_path_contact (id);

  if (error != NULL)
    bus_call_return_error (user, error);
  else
    bus_call_return (user, g_variant_new ("(o)", path));
}

void
bus_invite_accept (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) options = NULL;
  g_autofree char *petname = NULL;
  g_auto (TrustUri) uri = { 0 };
  gboolean in_person = FALSE;
  const BusOption table[] = { { "in_person", "b", &in_person }, { "petname", "s", &petname }, { NULL, NULL, NULL } };
  GError *error = NULL;
  const char *text;

  g_variant_get (args, "(&s@a{sv})", &text, &options);
  if (!bus_options_parse (options, table, &error)
      || (petname != NULL && !bus_check_line ("the petname", petname, PETNAME_MAX, &error))
      || !trust_uri_parse (text, strlen (text), &uri, &error))
    {
      bus_call_take_error (call, error);
      return;
    }
  invites_accept (call->window->rooms.invites, &uri, petname != NULL ? petname : "", in_person, call->audit, on_accepted, call);
}
