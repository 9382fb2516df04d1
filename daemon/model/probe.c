/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Asking an address for its key (docs/api.md, Probe), and what addresses a host name or literal stands for. A probe belongs to nobody: it
 * ends with the handshake, nothing is sent and nothing is remembered.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/model/session-private.h"

#define OWN_PROBE_MS 15000
#define PROBES_MAX 16 /* at once: each may hold sixteen sockets */

struct _Probe {
  Sessions *sessions;
  SessionsProbed done;
  gpointer user;
  guint timeout_source;
  GCancellable *lookup;
  DiscoveryQuery *query;
  Session *session;
  int refusal;             /* error code, when it never began */
};

/* Collects every address of a host name or literal, with its scope. */
typedef struct {
  GSocketAddressEnumerator *enumerator;
  GPtrArray *targets;
  GCancellable *cancellable;
  DiscoveryResolved done;
  gpointer user;
} Lookup;

static void
lookup_free (Lookup *lookup)
{
  g_object_unref (lookup->enumerator);
  g_object_unref (lookup->cancellable);
  g_ptr_array_unref (lookup->targets);
  g_free (lookup);
}

static void
on_lookup (GObject *source, GAsyncResult *result, gpointer user)
{
  Lookup *lookup = user;
  g_autoptr (GError) error = NULL;
  GSocketAddress *address = g_socket_address_enumerator_next_finish (lookup->enumerator, result, &error);

  if (g_cancellable_is_cancelled (lookup->cancellable))
    {
      g_clear_object (&address);
      lookup_free (lookup);
      return;
    }
  if (address != NULL && G_IS_INET_SOCKET_ADDRESS (address) && lookup->targets->len < 16)
    {
      g_ptr_array_add (lookup->targets, address);
      g_socket_address_enumerator_next_async (lookup->enumerator, lookup->cancellable, on_lookup, lookup);
      return;
    }
  g_clear_object (&address);
  lookup->done (lookup->user, lookup->targets, error);
  lookup_free (lookup);
}

void
dialer_look_up (const char *host, guint16 port, GCancellable *cancellable, DiscoveryResolved done, gpointer user)
{
  g_autoptr (GSocketConnectable) address = g_network_address_new (host, port);
  Lookup *lookup = g_new0 (Lookup, 1);

  lookup->enumerator = g_socket_connectable_enumerate (address);
  lookup->targets = g_ptr_array_new_with_free_func (g_object_unref);
  lookup->cancellable = g_object_ref (cancellable);
  lookup->done = done;
  lookup->user = user;
  g_socket_address_enumerator_next_async (lookup->enumerator, cancellable, on_lookup, lookup);
}

static void
probe_free (gpointer data)
{
  Probe *probe = data;
  Session *session = g_steal_pointer (&probe->session);

  g_clear_handle_id (&probe->timeout_source, g_source_remove);
  if (probe->lookup != NULL)
    g_cancellable_cancel (probe->lookup);
  g_clear_object (&probe->lookup);
  g_clear_pointer (&probe->query, discovery_query_cancel);
  if (session != NULL)
    session_drop (session);
  g_free (probe);
}

static void
probe_report (Probe *probe, GVariant *result, const GError *error)
{
  probe->done (probe->user, result, error);
  g_ptr_array_remove (probe->sessions->probes, probe);
}

void
probe_on_session (Probe *probe, Session *session, const char *word)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = NULL;
  GVariantBuilder builder;

  probe->session = NULL;
  if (!session->has_key)
    {
      gboolean insecure = strcmp (word, "PeerInsecure") == 0;

      error = g_error_new (EARSHOT_ERROR,
                           insecure ? EARSHOT_ERROR_PEER_INSECURE
                           : strcmp (word, "Timeout") == 0 ? EARSHOT_ERROR_TIMEOUT : EARSHOT_ERROR_NOT_REACHABLE,
                           insecure ? "The peer offers no encryption" : "Nobody who speaks XMPP with TLS answers there");
      probe_report (probe, NULL, error);
      return;
    }
  {
    g_autofree char *hex = fingerprint_to_hex (&session->fp);

    g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add (&builder, "{sv}", "fingerprint", g_variant_new_string (hex));
    g_variant_builder_add (&builder, "{sv}", "address", g_variant_new_string (session->address));
    g_variant_builder_add (&builder, "{sv}", "tls", g_variant_new_string ("TLS1.3"));
    g_variant_builder_add (&builder, "{sv}", "result", g_variant_new_string ("answers"));
    result = g_variant_ref_sink (g_variant_builder_end (&builder));
  }
  probe_report (probe, result, NULL);
}

static gboolean
on_probe_time (gpointer user)
{
  Probe *probe = user;
  g_autoptr (GError) error = g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_TIMEOUT, "No answer in time");

  probe->timeout_source = 0;
  probe_report (probe, NULL, error);
  return G_SOURCE_REMOVE;
}

static void
on_probe_looked_up (gpointer user, GPtrArray *targets, const GError *error)
{
  Probe *probe = user;
  g_autoptr (GError) mapped = NULL;

  g_clear_object (&probe->lookup);
  if (targets->len == 0)
    {
      mapped = g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_NOT_REACHABLE, "The endpoint has no address");
      probe_report (probe, NULL, mapped);
      return;
    }
  probe->session = session_start_outbound (probe->sessions, NULL, probe, targets, NULL, FALSE);
}

static gboolean
on_probe_refused (gpointer user)
{
  Probe *probe = user;
  g_autoptr (GError) error
    = g_error_new_literal (EARSHOT_ERROR, probe->refusal,
                           probe->refusal == EARSHOT_ERROR_QUOTA_EXCEEDED
                             ? "Enough probes are under way: wait for one to end"
                             : "The endpoint is not of the form HOST:PORT or [IPV6%LINK]:PORT");

  probe->timeout_source = 0;
  probe_report (probe, NULL, error);
  return G_SOURCE_REMOVE;
}

void
sessions_probe (Sessions *sessions, const char *endpoint, guint timeout_ms, SessionsProbed done, gpointer user)
{
  Probe *probe = g_new0 (Probe, 1);
  g_autofree char *host = NULL;
  guint16 port = 0;

  probe->sessions = sessions;
  probe->done = done;
  probe->user = user;
  if (sessions->probes->len >= PROBES_MAX)
    probe->refusal = EARSHOT_ERROR_QUOTA_EXCEEDED;
  else if (!contacts_split_endpoint (endpoint, &host, &port, NULL))
    probe->refusal = EARSHOT_ERROR_INVALID_ARGUMENT;
  g_ptr_array_add (sessions->probes, probe);
  if (probe->refusal != 0)
    {
      probe->timeout_source = g_idle_add_full (G_PRIORITY_DEFAULT, on_probe_refused, probe, NULL);
      return;
    }
  probe->timeout_source = g_timeout_add (CLAMP (timeout_ms, 100, 30000), on_probe_time, probe);
  probe->lookup = g_cancellable_new ();
  dialer_look_up (host, port, probe->lookup, on_probe_looked_up, probe);
}

static void
on_probe_resolved (gpointer user, GPtrArray *targets, const GError *error)
{
  Probe *probe = user;
  g_autoptr (GError) mapped = NULL;

  probe->query = NULL;
  if (targets != NULL && targets->len > 0)
    {
      probe->session = session_start_outbound (probe->sessions, NULL, probe, targets, NULL, FALSE);
      return;
    }
  mapped = g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_NOT_REACHABLE, "The announcement leads nowhere");
  probe_report (probe, NULL, mapped);
}

/* Whatever it showed, who has to know was told. */
static void
on_own_probed (gpointer user, GVariant *result, const GError *error)
{
}

void
sessions_prove_own (Sessions *sessions, Contact *contact)
{
  const GPtrArray *endpoints = contact_get_endpoints (contact);
  gint64 now = g_get_monotonic_time ();
  const Endpoint *found = NULL;
  Probe *probe;

  for (guint i = 0; i < endpoints->len && found == NULL; i++)
    if (((const Endpoint *) endpoints->pdata[i])->instance != NULL)
      found = endpoints->pdata[i];
  if (found == NULL || sessions->stopping || sessions->probes->len >= PROBES_MAX || pace_due (&sessions->own_pace, now) > now)
    return;
  pace_note (&sessions->own_pace, now);
  probe = g_new0 (Probe, 1);
  probe->sessions = sessions;
  probe->done = on_own_probed;
  g_ptr_array_add (sessions->probes, probe);
  probe->timeout_source = g_timeout_add (OWN_PROBE_MS, on_probe_time, probe);
  probe->query = discovery_resolve (sessions->config.discovery, found->instance, found->domain, on_probe_resolved, probe);
}

void
probes_init (Sessions *sessions)
{
  sessions->own_pace = (Pace){ .gap = 10 * G_USEC_PER_SEC, .window = G_TIME_SPAN_HOUR, .max = 6 };
  sessions->probes = g_ptr_array_new_with_free_func (probe_free);
}

void
probes_clear (Sessions *sessions, const GError *error)
{
  while (sessions->probes->len > 0)
    probe_report (g_ptr_array_index (sessions->probes, 0), NULL, error);
  g_clear_pointer (&sessions->probes, g_ptr_array_unref);
}
