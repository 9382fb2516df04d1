/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where an instance is, asked when somebody wants to connect and at no other time (docs/protocol.md 1.7): SRV, then A and
 * AAAA of its hosts, all freed with the answer. Threat: the answers are anybody's. They are bounded here;
 * which addresses may be dialled is the business of link.c.
 */
#include "earshot-config.h"

#include "daemon/io/discovery-private.h"

#include <arpa/inet.h>
#include <avahi-common/domain.h>
#include <netinet/in.h>
#include <string.h>

#include "daemon/base/error.h"
#include "daemon/base/log.h"

#define DEADLINE_MS 5000
/* After the first address the other family has this long (RFC 8305 section 3 in spirit); once both are
 * here, answers by other interfaces have that long. */
#define OTHER_FAMILY_MS 200
#define OTHER_LINKS_MS 20
#define HOSTS_MAX 4
#define PORTS_MAX 4
#define ADDRESSES_MAX 32
#define TARGETS_MAX 32

typedef struct {
  int family;
  int ifindex;
  guint8 bytes[16];
} Address;

typedef struct {
  DiscoveryQuery *query;
  char *name;
  guint16 ports[PORTS_MAX]; /* newest first */
  guint n_ports;
  gpointer a, aaaa;
  gboolean has_a, has_aaaa; /* answered, or nobody answers */
  GArray *addresses;
} Host;

struct _DiscoveryQuery {
  Discovery *d;
  char *instance, *domain;
  DiscoveryResolved done;
  gpointer user;
  gpointer srv;
  GPtrArray *hosts;
  guint deadline, grace;
  gboolean both; /* the running grace is the short one */
  char *refusal;
};

static void
record_drop (Discovery *d, gpointer *record)
{
  if (*record)
    d->backend->record_free (d->stack, g_steal_pointer (record));
}

static void
host_free (gpointer data)
{
  Host *host = data;

  record_drop (host->query->d, &host->a);
  record_drop (host->query->d, &host->aaaa);
  g_array_unref (host->addresses);
  g_free (host->name);
  g_free (host);
}

static void
query_free (DiscoveryQuery *query)
{
  g_clear_handle_id (&query->deadline, g_source_remove);
  g_clear_handle_id (&query->grace, g_source_remove);
  record_drop (query->d, &query->srv);
  g_ptr_array_unref (query->hosts);
  g_free (query->instance);
  g_free (query->domain);
  g_free (query->refusal);
  g_free (query);
}

static gboolean
is_link_local (const Address *address)
{
  /* fe80::/10 (RFC 4291 section 2.4). */
  return address->family == AF_INET6 && address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80;
}

static GSocketAddress *
make_target (const Address *address, guint16 port)
{
  struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = g_htons (port) };
  struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = g_htons (port) };

  if (address->family == AF_INET)
    {
      memcpy (&in4.sin_addr, address->bytes, 4);
      return g_socket_address_new_from_native (&in4, sizeof in4);
    }
  memcpy (&in6.sin6_addr, address->bytes, 16);
  /* "link-local IPv6 needs the interface index as scope" (1.7) */
  if (is_link_local (address))
    in6.sin6_scope_id = (guint32) address->ifindex;
  return g_socket_address_new_from_native (&in6, sizeof in6);
}

static gboolean
same_target (gconstpointer a, gconstpointer b)
{
  struct sockaddr_in6 x = { 0 }, y = { 0 };

  return g_socket_address_to_native (G_SOCKET_ADDRESS (a), &x, sizeof x, NULL)
         && g_socket_address_to_native (G_SOCKET_ADDRESS (b), &y, sizeof y, NULL) && memcmp (&x, &y, sizeof x) == 0;
}

/* 0: link-local IPv6, which no route can lead elsewhere; 1: other IPv6; 2: IPv4. */
static int
rank (const Address *address)
{
  return address->family == AF_INET ? 2 : is_link_local (address) ? 0 : 1;
}

static GPtrArray *
query_get_targets (const DiscoveryQuery *query)
{
  GPtrArray *targets = g_ptr_array_new_with_free_func (g_object_unref);

  for (int wanted = 0; wanted <= 2; wanted++)
    for (guint h = 0; h < query->hosts->len; h++)
      {
        const Host *host = query->hosts->pdata[h];

        for (guint a = 0; a < host->addresses->len; a++)
          for (guint p = 0; p < host->n_ports && targets->len < TARGETS_MAX; p++)
            {
              const Address *address = &g_array_index (host->addresses, Address, a);
              g_autoptr (GSocketAddress) target = NULL;

              if (rank (address) != wanted)
                continue;
              target = make_target (address, host->ports[p]);
              if (!g_ptr_array_find_with_equal_func (targets, target, same_target, NULL))
                g_ptr_array_add (targets, g_steal_pointer (&target));
            }
      }
  return targets;
}

static void
query_report (DiscoveryQuery *query)
{
  g_autoptr (GPtrArray) targets = query_get_targets (query);
  g_autoptr (GError) error = NULL;
  DiscoveryResolved done = query->done;
  gpointer user = query->user;

  if (targets->len == 0)
    g_set_error (&error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_REACHABLE, "%s",
                 query->refusal ? query->refusal : "no address was announced for this name");
  g_ptr_array_remove (query->d->queries, query);
  query_free (query);
  done (user, error ? NULL : targets, error);
}

static gboolean
on_deadline (gpointer user)
{
  DiscoveryQuery *query = user;

  query->deadline = 0;
  query_report (query);
  return G_SOURCE_REMOVE;
}

static gboolean
on_grace (gpointer user)
{
  DiscoveryQuery *query = user;

  query->grace = 0;
  query_report (query);
  return G_SOURCE_REMOVE;
}

/* Reports from a timer and never from a record's own callback, which could not free that record. */
static void
query_progress (DiscoveryQuery *query)
{
  gboolean both = TRUE;
  guint n = 0;

  for (guint i = 0; i < query->hosts->len; i++)
    {
      const Host *host = query->hosts->pdata[i];

      n += host->addresses->len;
      both = both && host->has_a && host->has_aaaa;
    }
  if (n == 0 || (query->grace && (query->both || !both)))
    return;
  g_clear_handle_id (&query->grace, g_source_remove);
  query->both = both;
  query->grace = g_timeout_add (both ? OTHER_LINKS_MS : OTHER_FAMILY_MS, on_grace, query);
}

static void
host_add_address (Host *host, int ifindex, int family, const guint8 *rdata, gsize size)
{
  Discovery *d = host->query->d;
  Address address = { .family = family, .ifindex = ifindex };
  char link[16];

  if (size != (family == AF_INET ? 4u : 16u) || host->addresses->len >= ADDRESSES_MAX
      || !d->backend->link (d->stack, ifindex, link))
    return;
  memcpy (address.bytes, rdata, size);
  for (guint i = 0; i < host->addresses->len; i++)
    {
      const Address *known = &g_array_index (host->addresses, Address, i);

      if (known->family == family && known->ifindex == ifindex && memcmp (known->bytes, address.bytes, sizeof address.bytes) == 0)
        return;
    }
  g_array_append_val (host->addresses, address);
}

static void
on_a (gpointer user, RecordEvent event, int ifindex, int family, const guint8 *rdata, gsize size)
{
  Host *host = user;

  if (event == RECORD_REMOVED)
    return;
  if (event == RECORD_NEW)
    host_add_address (host, ifindex, AF_INET, rdata, size);
  host->has_a = TRUE;
  query_progress (host->query);
}

static void
on_aaaa (gpointer user, RecordEvent event, int ifindex, int family, const guint8 *rdata, gsize size)
{
  Host *host = user;

  if (event == RECORD_REMOVED)
    return;
  if (event == RECORD_NEW)
    host_add_address (host, ifindex, AF_INET6, rdata, size);
  host->has_aaaa = TRUE;
  query_progress (host->query);
}

static gpointer
watch (DiscoveryQuery *query, const char *name, guint16 type, RecordFunc func, gpointer user)
{
  Discovery *d = query->d;
  g_autoptr (GError) error = NULL;
  gpointer record = d->backend->record_new (d->stack, name, type, func, user, &error);

  if (!record)
    {
      log_warn ("discovery", "cannot resolve: %s", error->message);
      g_free (query->refusal);
      query->refusal = g_strdup (error->message);
    }
  return record;
}

static void
on_srv (gpointer user, RecordEvent event, int ifindex, int family, const guint8 *rdata, gsize size)
{
  DiscoveryQuery *query = user;
  g_autofree char *name = NULL;
  guint16 port;
  Host *host = NULL;

  if (event != RECORD_NEW || !discovery_srv_from_rdata (rdata, size, &port, &name))
    return;
  for (guint i = 0; i < query->hosts->len && !host; i++)
    if (avahi_domain_equal (((Host *) query->hosts->pdata[i])->name, name))
      host = query->hosts->pdata[i];
  if (!host)
    {
      if (query->hosts->len >= HOSTS_MAX)
        return;
      host = g_new0 (Host, 1);
      host->query = query;
      host->name = g_steal_pointer (&name);
      host->addresses = g_array_new (FALSE, FALSE, sizeof (Address));
      g_ptr_array_add (query->hosts, host);
      host->aaaa = watch (query, host->name, DNS_TYPE_AAAA, on_aaaa, host);
      host->a = watch (query, host->name, DNS_TYPE_A, on_a, host);
      host->has_a = !host->a;
      host->has_aaaa = !host->aaaa;
    }
  for (guint i = 0; i < host->n_ports; i++)
    if (host->ports[i] == port)
      return;
  if (host->n_ports < PORTS_MAX)
    host->n_ports++;
  memmove (host->ports + 1, host->ports, (host->n_ports - 1) * sizeof host->ports[0]);
  host->ports[0] = port;
  query_progress (query);
}

static void
query_start (DiscoveryQuery *query)
{
  char name[AVAHI_DOMAIN_NAME_MAX];

  if (query->d->up && !query->srv && discovery_full_name (query->instance, query->domain, name, sizeof name))
    query->srv = watch (query, name, DNS_TYPE_SRV, on_srv, query);
}

static void
query_quiet (DiscoveryQuery *query)
{
  record_drop (query->d, &query->srv);
  g_ptr_array_set_size (query->hosts, 0);
  g_clear_handle_id (&query->grace, g_source_remove);
}

DiscoveryQuery *
discovery_resolve (Discovery *d, const char *instance, const char *domain, DiscoveryResolved done, gpointer user)
{
  DiscoveryQuery *query = g_new0 (DiscoveryQuery, 1);

  query->d = d;
  query->instance = g_strdup (instance);
  query->domain = g_strdup (domain);
  query->done = done;
  query->user = user;
  query->hosts = g_ptr_array_new_with_free_func (host_free);
  g_ptr_array_add (d->queries, query);
  query_start (query);
  /* Refused at once is reported at once, but from the loop. A stack that is coming up has its five seconds. */
  query->deadline = g_timeout_add (d->up && !query->srv ? 0 : DEADLINE_MS, on_deadline, query);
  return query;
}

void
discovery_query_cancel (DiscoveryQuery *query)
{
  if (!query)
    return;
  g_ptr_array_remove (query->d->queries, query);
  query_free (query);
}

void
queries_up (Discovery *d)
{
  for (guint i = 0; i < d->queries->len; i++)
    query_start (d->queries->pdata[i]);
}

void
queries_down (Discovery *d)
{
  for (guint i = 0; i < d->queries->len; i++)
    query_quiet (d->queries->pdata[i]);
}

void
queries_gone (Discovery *d, const char *instance, const char *domain)
{
  for (guint i = 0; i < d->queries->len; i++)
    {
      DiscoveryQuery *query = d->queries->pdata[i];

      if (g_ascii_strcasecmp (query->instance, instance) != 0 || g_ascii_strcasecmp (query->domain, domain) != 0)
        continue;
      query_quiet (query);
      g_clear_handle_id (&query->deadline, g_source_remove);
      query->deadline = g_timeout_add (0, on_deadline, query);
    }
}

void
queries_clear (Discovery *d)
{
  while (d->queries->len > 0)
    discovery_query_cancel (d->queries->pdata[0]);
}
