/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Being called, and by how many (docs/protocol.md 2.10).
 *
 * Threat: a stranger, or a few with many addresses, who connect until nobody else can. The caps are per
 * source address, which on one's own link costs something to have, and never per claimed name, which costs
 * nothing and would let anybody lock out somebody else (XEP-0205).
 */
#include "earshot-config.h"

#include "daemon/io/link-private.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/error.h"
#include "daemon/base/log.h"

#define BACKLOG 128
#define ACCEPTS_A_TURN 16
#define RATES_MAX 1024 /* addresses remembered for the minute's count */
#define KNOWN_MAX 64
#define MINUTE (60 * G_USEC_PER_SEC)
#define PAUSE_MS 1000  /* without descriptors or memory: try again then */

const ListenerLimits listener_limits_default = {
  .half_open_per_address = 8,
  .half_open_total = 32,
  .half_open_reserved = 8,
  .per_minute = 20,
};

/* IPv4 as ::ffff:a.b.c.d; link-local IPv6 with its scope, since the same address may live on two links. */
typedef struct {
  guint8 bytes[16];
  guint32 scope;
} Source;

typedef struct {
  Source source;
  GList *age;      /* its place in `ages` */
  guint next;      /* where the next stamp goes */
  gint64 stamps[]; /* the last `per_minute` connects, a ring */
} Rate;

typedef struct {
  Link *link;
  Source source;
  gboolean known;
} HalfOpen;

struct _Listener {
  Poller *poller;
  int refs;
  int fd;
  PollerWatch *watch;
  guint16 port;
  char **interfaces;
  ListenerLimits limits;
  ListenerFunc func;
  gpointer user;
  gboolean freed;
  guint pause;          /* source id */
  GArray *half_open;    /* HalfOpen, oldest first */
  GHashTable *rates;    /* Source -> Rate */
  GQueue ages;          /* Rate, longest unseen first */
  GQueue known;         /* Source, oldest first */
};

static void
source_from (const struct sockaddr_storage *addr, Source *source)
{
  memset (source, 0, sizeof *source);
  if (addr->ss_family == AF_INET)
    {
      source->bytes[10] = source->bytes[11] = 0xff;
      memcpy (source->bytes + 12, &((const struct sockaddr_in *) addr)->sin_addr, 4);
      return;
    }
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) addr;
  memcpy (source->bytes, &v6->sin6_addr, 16);
  if (IN6_IS_ADDR_LINKLOCAL (&v6->sin6_addr))
    source->scope = v6->sin6_scope_id;
}

static guint
source_hash (gconstpointer data)
{
  const Source *source = data;
  guint hash = 5381 + source->scope;

  for (guint i = 0; i < sizeof source->bytes; i++)
    hash = hash * 33 + source->bytes[i];
  return hash;
}

static gboolean
source_equal (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, sizeof (Source)) == 0;
}

/* --- counting ----------------------------------------------------------------------------- */

static Rate *
get_rate (Listener *listener, const Source *source)
{
  Rate *rate = g_hash_table_lookup (listener->rates, source);

  if (rate == NULL)
    {
      if (listener->ages.length >= RATES_MAX)
        g_hash_table_remove (listener->rates, &((Rate *) g_queue_pop_head (&listener->ages))->source);
      rate = g_malloc0 (sizeof (Rate) + listener->limits.per_minute * sizeof (gint64));
      rate->source = *source;
      g_queue_push_tail (&listener->ages, rate);
      rate->age = listener->ages.tail;
      g_hash_table_insert (listener->rates, &rate->source, rate);
    }
  else
    {
      g_queue_unlink (&listener->ages, rate->age);
      g_queue_push_tail_link (&listener->ages, rate->age);
    }
  return rate;
}

/* Fewer than `per_minute` connects of this address in the last minute? Only those that pass are counted, so that
 * hammering does not lengthen the wait. */
static gboolean
within_rate (Listener *listener, const Source *source)
{
  Rate *rate = get_rate (listener, source);
  gint64 now = g_get_monotonic_time (), oldest = rate->stamps[rate->next];

  if (oldest != 0 && now - oldest < MINUTE)
    return FALSE;
  rate->stamps[rate->next] = now;
  rate->next = (rate->next + 1) % listener->limits.per_minute;
  return TRUE;
}

static gboolean
is_known (Listener *listener, const Source *source)
{
  for (const GList *l = listener->known.head; l != NULL; l = l->next)
    if (memcmp (((const Source *) l->data)->bytes, source->bytes, sizeof source->bytes) == 0)
      return TRUE;
  return FALSE;
}

static guint
count_of (const Listener *listener, const Source *source)
{
  guint n = 0;

  for (guint i = 0; i < listener->half_open->len; i++)
    n += source_equal (&g_array_index (listener->half_open, HalfOpen, i).source, source);
  return n;
}

static guint
count_strangers (const Listener *listener)
{
  guint n = 0;

  for (guint i = 0; i < listener->half_open->len; i++)
    n += !g_array_index (listener->half_open, HalfOpen, i).known;
  return n;
}

/* "At 32 the oldest half-open of the address that has most is evicted." The list is by age, so the first found of that
 * address is its oldest, and of several addresses with as many the one with the oldest pays. */
static void
evict (Listener *listener, gboolean strangers_only)
{
  const HalfOpen *victim = NULL;
  guint most = 0;

  for (guint i = 0; i < listener->half_open->len; i++)
    {
      const HalfOpen *h = &g_array_index (listener->half_open, HalfOpen, i);
      guint n = count_of (listener, &h->source);

      if (n > most && !(strangers_only && h->known))
        {
          victim = h;
          most = n;
        }
    }
  if (victim != NULL)
    {
      Link *link = victim->link;
      link_mark_open (link);
      link_fail_now (link, g_error_new (EARSHOT_ERROR, EARSHOT_ERROR_QUOTA_EXCEEDED, "evicted: too many half-open streams"));
    }
}

void
listener_forget (Listener *listener, Link *link)
{
  for (guint i = 0; i < listener->half_open->len; i++)
    if (g_array_index (listener->half_open, HalfOpen, i).link == link)
      {
        g_array_remove_index (listener->half_open, i);
        return;
      }
}

void
listener_know (Listener *listener, GInetAddress *address)
{
  Source *source = g_new0 (Source, 1);
  gsize size = g_inet_address_get_native_size (address);

  if (size == 4)
    source->bytes[10] = source->bytes[11] = 0xff;
  memcpy (source->bytes + 16 - size, g_inet_address_to_bytes (address), size);
  for (GList *l = listener->known.head; l != NULL; l = l->next)
    if (memcmp (((const Source *) l->data)->bytes, source->bytes, sizeof source->bytes) == 0)
      {
        g_free (l->data);
        g_queue_delete_link (&listener->known, l);
        break;
      }
  if (listener->known.length >= KNOWN_MAX)
    g_free (g_queue_pop_head (&listener->known));
  g_queue_push_tail (&listener->known, source);
}

/* --- interfaces -------------------------------------------------------------------------------- */

static gboolean
is_listed (const Listener *listener, const char *name)
{
  return name != NULL && g_strv_contains ((const char *const *) listener->interfaces, name);
}

static gboolean
holds_address (const struct ifaddrs *i, const struct sockaddr_storage *local)
{
  if (i->ifa_addr == NULL || i->ifa_addr->sa_family != local->ss_family)
    return FALSE;
  if (local->ss_family == AF_INET)
    return memcmp ((const char *) i->ifa_addr + offsetof (struct sockaddr_in, sin_addr),
                   &((const struct sockaddr_in *) local)->sin_addr, sizeof (struct in_addr)) == 0;
  return memcmp ((const char *) i->ifa_addr + offsetof (struct sockaddr_in6, sin6_addr),
                 &((const struct sockaddr_in6 *) local)->sin6_addr, sizeof (struct in6_addr)) == 0;
}

/* Does the address that was called belong to a listed interface? A link-local one names its own. */
static gboolean
came_by_listed_interface (const Listener *listener, int fd)
{
  struct sockaddr_storage raw = { 0 }, local;
  struct ifaddrs *list = NULL;
  socklen_t len = sizeof raw;
  gboolean ok = FALSE;

  if (listener->interfaces == NULL)
    return TRUE;
  if (getsockname (fd, (struct sockaddr *) &raw, &len) < 0 || !link_normalize (&raw, &local))
    return FALSE;
  if (local.ss_family == AF_INET6 && ((struct sockaddr_in6 *) &local)->sin6_scope_id != 0)
    {
      char name[IF_NAMESIZE];
      return is_listed (listener, if_indextoname (((struct sockaddr_in6 *) &local)->sin6_scope_id, name));
    }
  if (getifaddrs (&list) == 0)
    for (const struct ifaddrs *i = list; i != NULL && !ok; i = i->ifa_next)
      ok = holds_address (i, &local) && is_listed (listener, i->ifa_name);
  if (list != NULL)
    freeifaddrs (list);
  return ok;
}

/* --- accepting ------------------------------------------------------------------------------- */

/* Starts from no; NULL = let it in, else the rule that refuses it. May evict, and so call out. */
static const char *
admit (Listener *listener, int fd, const Source *source, gboolean known)
{
  guint strangers_max;

  if (!within_rate (listener, source))
    return "per-minute";
  if (count_of (listener, source) >= listener->limits.half_open_per_address)
    return "half-open-per-address";
  if (!came_by_listed_interface (listener, fd))
    return "interface";
  /* Four hostile addresses must not shut out a friend: strangers do not get the last slots. */
  strangers_max = listener->limits.half_open_total - MIN (listener->limits.half_open_reserved, listener->limits.half_open_total);
  if (!known && count_strangers (listener) >= strangers_max)
    evict (listener, TRUE);
  if (!listener->freed && listener->half_open->len >= listener->limits.half_open_total)
    evict (listener, FALSE);
  if (listener->freed || listener->half_open->len >= listener->limits.half_open_total)
    return "half-open-total";
  return NULL;
}

static void
hand_over (Listener *listener, int fd, const Source *source, gboolean known)
{
  HalfOpen half_open = { .source = *source, .known = known };
  Link *link = link_new (listener->poller);

  if (!link_adopt (link, fd))
    {
      close (fd);
      link_free (link);
      return;
    }
  link_set_first (link, known);
  half_open.link = link;
  link->listener = listener;
  g_array_append_val (listener->half_open, half_open);
  link_ref (link);
  listener->func (listener->user, link);
  if (!link->freed && !link->has_callbacks)
    link_free (link);
  link_unref (link);
}

static void
consider (Listener *listener, int fd, const struct sockaddr_storage *raw)
{
  struct sockaddr_storage peer;
  const char *rule;
  gboolean known;
  Source source;

  if (!link_normalize (raw, &peer))
    {
      close (fd);
      return;
    }
  source_from (&peer, &source);
  known = is_known (listener, &source);
  rule = admit (listener, fd, &source, known);
  if (rule == NULL)
    {
      hand_over (listener, fd, &source, known);
      return;
    }
  close (fd);
  log_event (G_LOG_LEVEL_DEBUG, "link", 0, 0, rule, "a connection is refused");
}

static gboolean
on_pause_over (gpointer user)
{
  Listener *listener = user;

  listener->pause = 0;
  poller_modify (listener->watch, EPOLLIN);
  return G_SOURCE_REMOVE;
}

static void
on_accept (gpointer user, guint32 events)
{
  Listener *listener = user;

  listener->refs++;
  for (guint i = 0; i < ACCEPTS_A_TURN && !listener->freed; i++)
    {
      struct sockaddr_storage peer = { 0 };
      socklen_t len = sizeof peer;
      int fd = accept4 (listener->fd, (struct sockaddr *) &peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

      if (fd >= 0)
        {
          consider (listener, fd, &peer);
          continue;
        }
      if (errno == EAGAIN || errno == EWOULDBLOCK)
        break;
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        {
          /* The connection stays in the kernel's queue and the socket readable: polling on would spin. */
          log_warn ("link", "no connection can be accepted for a second: %s", g_strerror (errno));
          poller_modify (listener->watch, 0);
          listener->pause = g_timeout_add (PAUSE_MS, on_pause_over, listener);
          break;
        }
      /* accept(2): what else may come (ECONNABORTED, EPROTO, ENETDOWN, …) belongs to the one connection. */
    }
  if (--listener->refs == 0)
    g_free (listener);
}

/* A bound socket, for both families where there is IPv6; -1 with errno. */
static int
open_socket (guint16 port)
{
  struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_port = htons (port), .sin6_addr = IN6ADDR_ANY_INIT };
  struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = htons (port) };
  int one = 1, zero = 0, saved;
  gboolean v6 = TRUE;
  int fd = socket (AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

  if (fd < 0 && errno == EAFNOSUPPORT)
    {
      v6 = FALSE;
      fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    }
  if (fd < 0)
    return -1;
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (v6)
    setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
  if ((v6 ? bind (fd, (struct sockaddr *) &any6, sizeof any6) : bind (fd, (struct sockaddr *) &any4, sizeof any4)) == 0
      && listen (fd, BACKLOG) == 0)
    return fd;
  saved = errno;
  close (fd);
  errno = saved;
  return -1;
}

Listener *
listener_new (Poller *poller, guint16 port, char **interfaces, const ListenerLimits *limits, ListenerFunc func, gpointer user,
              GError **error)
{
  struct sockaddr_storage local = { 0 };
  socklen_t len = sizeof local;
  Listener *listener;
  int fd = open_socket (port);

  if (fd < 0 || getsockname (fd, (struct sockaddr *) &local, &len) < 0)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "cannot listen on port %u: %s", port, g_strerror (errno));
      if (fd >= 0)
        close (fd);
      return NULL;
    }
  listener = g_new0 (Listener, 1);
  listener->poller = poller;
  listener->refs = 1;
  listener->fd = fd;
  listener->port = ntohs (local.ss_family == AF_INET6 ? ((struct sockaddr_in6 *) &local)->sin6_port
                                                      : ((struct sockaddr_in *) &local)->sin_port);
  listener->interfaces = g_strdupv (interfaces);
  listener->limits = limits != NULL ? *limits : listener_limits_default;
  listener->limits.per_minute = CLAMP (listener->limits.per_minute, 1, 1000);
  listener->func = func;
  listener->user = user;
  listener->half_open = g_array_new (FALSE, FALSE, sizeof (HalfOpen));
  listener->rates = g_hash_table_new_full (source_hash, source_equal, NULL, g_free);
  g_queue_init (&listener->ages);
  g_queue_init (&listener->known);
  listener->watch = poller_add (poller, fd, EPOLLIN, on_accept, listener);
  if (listener->watch == NULL)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "cannot watch the listening socket");
      listener_free (listener);
      return NULL;
    }
  return listener;
}

void
listener_free (Listener *listener)
{
  if (listener == NULL || listener->freed)
    return;
  listener->freed = TRUE;
  g_clear_handle_id (&listener->pause, g_source_remove);
  g_clear_pointer (&listener->watch, poller_remove);
  close (listener->fd);
  /* Links outlive it and are then nobody's to count. */
  for (guint i = 0; i < listener->half_open->len; i++)
    g_array_index (listener->half_open, HalfOpen, i).link->listener = NULL;
  g_array_set_size (listener->half_open, 0);
  g_array_unref (listener->half_open);
  g_queue_clear (&listener->ages);
  g_hash_table_unref (listener->rates);
  g_queue_clear_full (&listener->known, g_free);
  g_strfreev (listener->interfaces);
  if (--listener->refs == 0)
    g_free (listener);
}

guint16
listener_get_port (const Listener *listener)
{
  return listener->port;
}
