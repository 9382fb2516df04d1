/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/model/dial-candidates.h"

#include <string.h>

#include "daemon/io/addresses.h"
#include "daemon/model/session-private.h"

#define CANDIDATES_MAX 16
#define LINKS_MAX 8          /* on which a link-local address without scope is looked for */

static void
candidate_free (gpointer data)
{
  DialCandidate *candidate = data;

  g_free (candidate->instance);
  g_free (candidate->domain);
  g_free (candidate->host);
  g_clear_object (&candidate->literal);
  g_free (candidate);
}

static void
add_candidate (GPtrArray *list, const Endpoint *endpoint)
{
  DialCandidate *candidate;

  for (guint i = 0; i < list->len; i++)
    {
      candidate = g_ptr_array_index (list, i);
      if (g_strcmp0 (candidate->instance, endpoint->instance) == 0
          && g_strcmp0 (candidate->domain, endpoint->domain) == 0
          && (endpoint->instance != NULL || (g_strcmp0 (candidate->host, endpoint->address) == 0
                                             && candidate->port == endpoint->port)))
        return;
    }
  if (list->len >= CANDIDATES_MAX)
    return;
  candidate = g_new0 (DialCandidate, 1);
  candidate->instance = g_strdup (endpoint->instance);
  candidate->domain = g_strdup (endpoint->domain);
  candidate->direct = endpoint->direct_tls;
  if (endpoint->instance == NULL)
    {
      candidate->host = g_strdup (endpoint->address);
      candidate->port = endpoint->port;
      candidate->literal = g_inet_socket_address_new_from_string (candidate->host, candidate->port);
    }
  g_ptr_array_add (list, candidate);
}

/* An invite can not know what our links are called (docs/protocol.md 3.11): the same address on each of them is another host. */
static void
add_candidate_on_each_link (Sessions *sessions, GPtrArray *list, const Endpoint *endpoint)
{
  g_auto (GStrv) links = addresses_list_links ((const char *const *) sessions->config.interfaces, LINKS_MAX);

  for (guint i = 0; links[i] != NULL; i++)
    {
      g_autofree char *scoped = g_strconcat (endpoint->address, "%", links[i], NULL);
      Endpoint on_link = *endpoint;

      on_link.address = scoped;
      add_candidate (list, &on_link);
    }
}

static void
add_candidates_of (Sessions *sessions, GPtrArray *list, Contact *contact)
{
  const GPtrArray *endpoints = contact_get_endpoints (contact);

  for (int proven = 1; proven >= 0; proven--)
    for (guint i = 0; i < endpoints->len; i++)
      {
        const Endpoint *endpoint = g_ptr_array_index (endpoints, i);

        if ((endpoint->instance == NULL && strcmp (endpoint->ifname, "static") != 0) || endpoint->proven != proven)
          continue;
        if (endpoint->instance == NULL && addresses_need_link (endpoint->address))
          add_candidate_on_each_link (sessions, list, endpoint);
        else
          add_candidate (list, endpoint);
      }
}

static gboolean
contests (Contact *stranger, guint32 id)
{
  const GArray *list = contact_get_contests (stranger);

  for (guint i = 0; i < list->len; i++)
    if (g_array_index (list, guint32, i) == id)
      return TRUE;
  return FALSE;
}

GPtrArray *
dial_candidates_of (Sessions *sessions, Contact *contact)
{
  GPtrArray *list = g_ptr_array_new_with_free_func (candidate_free);
  g_autoptr (GPtrArray) all = NULL;

  add_candidates_of (sessions, list, contact);
  if (!contact_has_trusted_key (contact))
    return list;
  all = contacts_list (sessions->config.contacts);
  for (guint i = 0; i < all->len; i++)
    if (contests (g_ptr_array_index (all, i), contact_get_id (contact)))
      add_candidates_of (sessions, list, g_ptr_array_index (all, i));
  return list;
}

gboolean
dial_candidate_is_at (const DialCandidate *candidate, GInetSocketAddress *place)
{
  GInetSocketAddress *own = G_INET_SOCKET_ADDRESS (candidate->literal);
  GInetAddress *host = g_inet_socket_address_get_address (own);

  if (g_inet_socket_address_get_port (own) != g_inet_socket_address_get_port (place)
      || !g_inet_address_equal (host, g_inet_socket_address_get_address (place)))
    return FALSE;
  return g_inet_address_get_family (host) != G_SOCKET_FAMILY_IPV6
         || g_inet_socket_address_get_scope_id (own) == g_inet_socket_address_get_scope_id (place);
}
