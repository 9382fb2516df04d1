/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Calling: all addresses of a peer, IPv6 first, 250 ms apart, the first to answer wins (RFC 8305 in spirit).
 */
#include "earshot-config.h"

#include "daemon/io/link-private.h"

#include <errno.h>
#include <ifaddrs.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/error.h"
#include "daemon/base/log.h"

#define STAGGER_MS 250
#define DEADLINE_MS 10000
#define TARGETS_MAX 16 /* a hostile announcement may hold any number of addresses */

typedef struct {
  Dial *dial;
  int fd;
  PollerWatch *watch;
} Attempt;

struct _Dial {
  Link *link; /* owns us */
  struct sockaddr_storage targets[TARGETS_MAX];
  guint n_targets, next;
  GPtrArray *attempts;
  guint stagger, deadline; /* source ids */
  int last_errno;
};

static void start_next (Dial *dial);

static void
attempt_free (gpointer data)
{
  Attempt *attempt = data;

  poller_remove (attempt->watch);
  if (attempt->fd >= 0)
    close (attempt->fd);
  g_free (attempt);
}

void
dial_cancel (Dial *dial)
{
  g_clear_handle_id (&dial->stagger, g_source_remove);
  g_clear_handle_id (&dial->deadline, g_source_remove);
  g_ptr_array_unref (dial->attempts);
  g_free (dial);
}

/* --- which targets are refused (docs/protocol.md 1.7) -------------------------------------- */

static gboolean
is_loopback (const struct sockaddr_storage *addr)
{
  if (addr->ss_family == AF_INET)
    return ntohl (((const struct sockaddr_in *) addr)->sin_addr.s_addr) >> 24 == 127;
  return IN6_IS_ADDR_LOOPBACK (&((const struct sockaddr_in6 *) addr)->sin6_addr);
}

/* Unspecified, multicast, broadcast and reserved: no host lives there. */
static gboolean
is_nobody (const struct sockaddr_storage *addr)
{
  if (addr->ss_family == AF_INET)
    {
      guint32 first = ntohl (((const struct sockaddr_in *) addr)->sin_addr.s_addr) >> 24;
      return first == 0 || first >= 224;
    }
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) addr;
  if (IN6_IS_ADDR_LOOPBACK (&v6->sin6_addr))
    return FALSE;
  if (IN6_IS_ADDR_UNSPECIFIED (&v6->sin6_addr) || IN6_IS_ADDR_MULTICAST (&v6->sin6_addr)
      || IN6_IS_ADDR_V4COMPAT (&v6->sin6_addr))
    return TRUE;
  /* Without a scope it means nothing (RFC 4007 section 6), or some other link than was heard. */
  return IN6_IS_ADDR_LINKLOCAL (&v6->sin6_addr) && v6->sin6_scope_id == 0;
}

static guint16
port_of (const struct sockaddr_storage *addr)
{
  return ntohs (addr->ss_family == AF_INET ? ((const struct sockaddr_in *) addr)->sin_port
                                           : ((const struct sockaddr_in6 *) addr)->sin6_port);
}

static gboolean
same_host (const struct sockaddr_storage *a, const struct sockaddr *b)
{
  if (b == NULL || a->ss_family != b->sa_family)
    return FALSE;
  if (a->ss_family == AF_INET)
    return memcmp (&((const struct sockaddr_in *) a)->sin_addr, (const char *) b + offsetof (struct sockaddr_in, sin_addr),
                   sizeof (struct in_addr)) == 0;
  return memcmp (&((const struct sockaddr_in6 *) a)->sin6_addr,
                 (const char *) b + offsetof (struct sockaddr_in6, sin6_addr), sizeof (struct in6_addr)) == 0;
}

static gboolean
is_own_address (const struct sockaddr_storage *addr)
{
  struct ifaddrs *list = NULL;
  gboolean found = is_loopback (addr);

  if (!found && getifaddrs (&list) == 0)
    for (const struct ifaddrs *i = list; i != NULL && !found; i = i->ifa_next)
      found = same_host (addr, i->ifa_addr);
  if (list != NULL)
    freeifaddrs (list);
  return found;
}

/* Why `addr` is not dialled; NULL = it is. */
static const char *
refusal (const struct sockaddr_storage *addr, gboolean allow_loopback, guint16 own_port)
{
  if (port_of (addr) == 0)
    return "port";
  if (is_nobody (addr))
    return "nobody";
  if (is_loopback (addr) && !allow_loopback)
    return "loopback";
  if (own_port != 0 && port_of (addr) == own_port && is_own_address (addr))
    return "own-listener";
  return NULL;
}

/* --- attempts ------------------------------------------------------------------------------- */

static void
give_up_if_done (Dial *dial)
{
  Link *link = dial->link;
  GError *error;

  if (dial->attempts->len > 0 || dial->next < dial->n_targets)
    return;
  error = g_error_new (EARSHOT_ERROR, EARSHOT_ERROR_NOT_REACHABLE, "%s",
                       dial->last_errno != 0 ? g_strerror (dial->last_errno) : "no address that may be dialled");
  g_clear_pointer (&link->dial, dial_cancel);
  link_fail_later (link, error);
}

/* A socket that dialled its own port number meets itself (TCP simultaneous open). */
static gboolean
talks_to_itself (int fd)
{
  struct sockaddr_storage a = { 0 }, b = { 0 };
  socklen_t a_len = sizeof a, b_len = sizeof b;

  return getsockname (fd, (struct sockaddr *) &a, &a_len) == 0 && getpeername (fd, (struct sockaddr *) &b, &b_len) == 0
         && port_of (&a) == port_of (&b) && same_host (&a, (struct sockaddr *) &b);
}

static void
on_attempt (gpointer user, guint32 events)
{
  Attempt *attempt = user;
  Dial *dial = attempt->dial;
  Link *link = dial->link;
  int error = 0, fd = attempt->fd;
  socklen_t len = sizeof error;

  if (getsockopt (fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
    error = errno;
  if (error == 0 && talks_to_itself (fd))
    error = ECONNREFUSED;
  if (error != 0)
    {
      dial->last_errno = error;
      g_ptr_array_remove_fast (dial->attempts, attempt);
      /* RFC 8305 section 5: a failure starts the next attempt at once. */
      start_next (dial);
      return;
    }
  attempt->fd = -1;
  g_clear_pointer (&attempt->watch, poller_remove);
  g_clear_pointer (&link->dial, dial_cancel);
  if (!link_adopt (link, fd))
    {
      close (fd);
      link_fail_later (link, g_error_new (EARSHOT_ERROR, EARSHOT_ERROR_NOT_REACHABLE, "the connection broke at once"));
      return;
    }
  link->callbacks.connected (link->user);
}

static gboolean
start_one (Dial *dial, const struct sockaddr_storage *target)
{
  socklen_t len = target->ss_family == AF_INET ? sizeof (struct sockaddr_in) : sizeof (struct sockaddr_in6);
  Attempt *attempt = g_new0 (Attempt, 1);

  attempt->dial = dial;
  attempt->fd = socket (target->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (attempt->fd >= 0 && (connect (attempt->fd, (const struct sockaddr *) target, len) == 0 || errno == EINPROGRESS))
    {
      attempt->watch = poller_add (dial->link->poller, attempt->fd, EPOLLOUT, on_attempt, attempt);
      if (attempt->watch != NULL)
        {
          g_ptr_array_add (dial->attempts, attempt);
          return TRUE;
        }
      errno = ENOMEM;
    }
  dial->last_errno = errno;
  attempt_free (attempt);
  return FALSE;
}

static gboolean
on_stagger (gpointer user)
{
  Dial *dial = user;

  dial->stagger = 0;
  start_next (dial);
  return G_SOURCE_REMOVE;
}

static void
start_next (Dial *dial)
{
  g_clear_handle_id (&dial->stagger, g_source_remove);
  while (dial->next < dial->n_targets)
    if (start_one (dial, &dial->targets[dial->next++]))
      break;
  if (dial->next < dial->n_targets)
    dial->stagger = g_timeout_add (STAGGER_MS, on_stagger, dial);
  give_up_if_done (dial);
}

static gboolean
on_deadline (gpointer user)
{
  Dial *dial = user;
  Link *link = dial->link;

  dial->deadline = 0;
  g_clear_pointer (&link->dial, dial_cancel);
  link_fail_now (link, g_error_new (EARSHOT_ERROR, EARSHOT_ERROR_NOT_REACHABLE, "no answer within 10 seconds"));
  return G_SOURCE_REMOVE;
}

/* The targets that may be dialled, IPv6 first, otherwise in the order given. */
static void
take_targets (Dial *dial, GPtrArray *targets, gboolean allow_loopback, guint16 own_port)
{
  static const int families[] = { AF_INET6, AF_INET };

  for (guint f = 0; f < G_N_ELEMENTS (families); f++)
    for (guint i = 0; i < targets->len && dial->n_targets < TARGETS_MAX; i++)
      {
        struct sockaddr_storage raw = { 0 }, addr;
        const char *rule;

        if (g_socket_address_get_native_size (targets->pdata[i]) > (gssize) sizeof raw
            || !g_socket_address_to_native (targets->pdata[i], &raw, sizeof raw, NULL) || !link_normalize (&raw, &addr)
            || addr.ss_family != families[f])
          continue;
        rule = refusal (&addr, allow_loopback, own_port);
        if (rule != NULL)
          log_event (G_LOG_LEVEL_INFO, "link", 0, 0, rule, "an announced address is not dialled");
        else
          dial->targets[dial->n_targets++] = addr;
      }
}

Link *
link_dial (Poller *poller, GPtrArray *targets, gboolean allow_loopback, guint16 own_port, const LinkCallbacks *callbacks,
           gpointer user)
{
  Link *link = link_new (poller);
  Dial *dial = g_new0 (Dial, 1);

  link_set_callbacks (link, callbacks, user);
  dial->link = link;
  dial->attempts = g_ptr_array_new_with_free_func (attempt_free);
  link->dial = dial;
  take_targets (dial, targets, allow_loopback, own_port);
  dial->deadline = g_timeout_add (DEADLINE_MS, on_deadline, dial);
  start_next (dial);
  return link;
}
