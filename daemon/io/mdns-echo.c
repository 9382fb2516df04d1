/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/mdns-echo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib-unix.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MDNS_PORT 5353
#define GROUP_V4 0xe00000fb /* 224.0.0.251 */
#define ANSWER_HEAD 12
#define READS_MAX 64        /* of one socket in a turn of the loop */
/* Shared records are answered after up to 120 ms (RFC 6762 section 6); slow hosts get the rest. */
#define MOMENT_MS 400

/* PTR _presence._tcp.local, class IN; the first two bytes are the number of the question. */
static const guint8 question[] = {
  0,   0,   0,   0,   0,   1,   0,   0,   0,   0,   0,   0,                                           /* head: one question */
  9,   '_', 'p', 'r', 'e', 's', 'e', 'n', 'c', 'e', 4, '_', 't', 'c', 'p', 5, 'l', 'o', 'c', 'a', 'l', 0, /* whose */
  0,   12,  0,   1,
};

typedef struct {
  MdnsEcho *echo;
  guint link;              /* index into echo->links */
  int family, fd;
  guint source;
  GHashTable *others;      /* set of address texts */
} Asked;

struct _MdnsEcho {
  GArray *links;           /* MdnsEchoLink */
  GPtrArray *asked;        /* Asked */
  GHashTable *own;         /* set of address texts */
  guint16 number;
  guint timeout_source, moment_source;
  MdnsEchoDone done;
  gpointer user;
};

static void
asked_free (gpointer data)
{
  Asked *asked = data;

  g_clear_handle_id (&asked->source, g_source_remove);
  if (asked->fd >= 0)
    close (asked->fd);
  g_hash_table_unref (asked->others);
  g_free (asked);
}

void
mdns_echo_free (MdnsEcho *echo)
{
  if (echo == NULL)
    return;
  g_clear_handle_id (&echo->timeout_source, g_source_remove);
  g_clear_handle_id (&echo->moment_source, g_source_remove);
  g_ptr_array_unref (echo->asked);
  g_hash_table_unref (echo->own);
  g_array_unref (echo->links);
  g_free (echo);
}

/* Without scope: a link-local address may be on several links, and whose it is does not depend on that. */
static char *
dup_address (const struct sockaddr_storage *from)
{
  char text[INET6_ADDRSTRLEN] = "";

  if (from->ss_family == AF_INET)
    inet_ntop (AF_INET, &((const struct sockaddr_in *) from)->sin_addr, text, sizeof text);
  else if (from->ss_family == AF_INET6)
    inet_ntop (AF_INET6, &((const struct sockaddr_in6 *) from)->sin6_addr, text, sizeof text);
  return g_strdup (text);
}

static GHashTable *
list_own (void)
{
  GHashTable *own = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  struct ifaddrs *all = NULL;

  if (getifaddrs (&all) != 0)
    return own;
  for (struct ifaddrs *item = all; item != NULL; item = item->ifa_next)
    if (item->ifa_addr != NULL && (item->ifa_addr->sa_family == AF_INET || item->ifa_addr->sa_family == AF_INET6))
      {
        struct sockaddr_storage address = { 0 };

        memcpy (&address, item->ifa_addr, item->ifa_addr->sa_family == AF_INET ? sizeof (struct sockaddr_in) : sizeof (struct sockaddr_in6));
        g_hash_table_add (own, dup_address (&address));
      }
  freeifaddrs (all);
  return own;
}

/* --- the end ----------------------------------------------------------------------------------- */

static gboolean
on_end (gpointer user)
{
  MdnsEcho *echo = user;

  echo->timeout_source = 0;
  g_clear_handle_id (&echo->moment_source, g_source_remove);
  /* A host has an address in each family: they are not added up. */
  for (guint i = 0; i < echo->asked->len; i++)
    {
      const Asked *asked = echo->asked->pdata[i];
      MdnsEchoLink *link = &g_array_index (echo->links, MdnsEchoLink, asked->link);

      link->others = MAX (link->others, g_hash_table_size (asked->others));
    }
  echo->done (echo->user, echo->links);
  mdns_echo_free (echo);
  return G_SOURCE_REMOVE;
}

static gboolean
on_moment (gpointer user)
{
  MdnsEcho *echo = user;

  echo->moment_source = 0;
  g_clear_handle_id (&echo->timeout_source, g_source_remove);
  on_end (echo);
  return G_SOURCE_REMOVE;
}

static void
look_whether_all (MdnsEcho *echo)
{
  for (guint i = 0; i < echo->asked->len; i++)
    {
      const Asked *asked = echo->asked->pdata[i];
      const MdnsEchoLink *link = &g_array_index (echo->links, MdnsEchoLink, asked->link);

      if (asked->family == AF_INET ? !link->own_v4 : !link->own_v6)
        return;
    }
  if (echo->moment_source == 0)
    echo->moment_source = g_timeout_add (MOMENT_MS, on_moment, echo);
}

/* --- asking and hearing -------------------------------------------------------------------------- */

static guint16
port_of (const struct sockaddr_storage *from)
{
  return from->ss_family == AF_INET ? ntohs (((const struct sockaddr_in *) from)->sin_port) : ntohs (((const struct sockaddr_in6 *) from)->sin6_port);
}

gboolean
mdns_echo_is_answer (const guint8 *data, gsize size, guint16 port, guint16 number)
{
  return size >= ANSWER_HEAD && (data[0] << 8 | data[1]) == number && (data[2] & 0x80) != 0 && port == MDNS_PORT;
}

static void
take (Asked *asked, const guint8 *data, gsize size, const struct sockaddr_storage *from)
{
  MdnsEcho *echo = asked->echo;
  MdnsEchoLink *link = &g_array_index (echo->links, MdnsEchoLink, asked->link);
  g_autofree char *address = dup_address (from);

  if (!mdns_echo_is_answer (data, size, port_of (from), echo->number))
    return;
  if (!g_hash_table_contains (echo->own, address))
    {
      if (g_hash_table_size (asked->others) < MDNS_ECHO_OTHERS_MAX)
        g_hash_table_add (asked->others, g_steal_pointer (&address));
      return;
    }
  if (asked->family == AF_INET)
    link->own_v4 = TRUE;
  else
    link->own_v6 = TRUE;
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer user)
{
  Asked *asked = user;

  for (guint i = 0; i < READS_MAX; i++)
    {
      guint8 data[64]; /* its head; the rest is cut off */
      struct sockaddr_storage from = { 0 };
      socklen_t length = sizeof from;
      gssize n = recvfrom (fd, data, sizeof data, MSG_DONTWAIT, (struct sockaddr *) &from, &length);

      if (n < 0)
        break;
      take (asked, data, (gsize) n, &from);
    }
  look_whether_all (asked->echo);
  return G_SOURCE_CONTINUE;
}

static gboolean
send_question (MdnsEcho *echo, int fd, int family, int index)
{
  guint8 packet[sizeof question];
  struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons (MDNS_PORT), .sin_addr.s_addr = htonl (GROUP_V4) };
  struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons (MDNS_PORT), .sin6_scope_id = (guint32) index };
  struct ip_mreqn through = { .imr_ifindex = index };
  int hops = 255, loop = 1;
  gssize n;

  memcpy (packet, question, sizeof packet);
  packet[0] = (guint8) (echo->number >> 8);
  packet[1] = (guint8) (echo->number & 0xff);
  if (family == AF_INET)
    {
      if (setsockopt (fd, IPPROTO_IP, IP_MULTICAST_IF, &through, sizeof through) != 0
          || setsockopt (fd, IPPROTO_IP, IP_MULTICAST_TTL, &hops, sizeof hops) != 0 || setsockopt (fd, IPPROTO_IP, IP_MULTICAST_LOOP, &loop, sizeof loop) != 0)
        return FALSE;
      n = sendto (fd, packet, sizeof packet, MSG_DONTWAIT, (struct sockaddr *) &v4, sizeof v4);
    }
  else
    {
      inet_pton (AF_INET6, "ff02::fb", &v6.sin6_addr);
      if (setsockopt (fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof index) != 0
          || setsockopt (fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops) != 0
          || setsockopt (fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &loop, sizeof loop) != 0)
        return FALSE;
      n = sendto (fd, packet, sizeof packet, MSG_DONTWAIT, (struct sockaddr *) &v6, sizeof v6);
    }
  return n == (gssize) sizeof packet;
}

static void
ask (MdnsEcho *echo, guint at, int family)
{
  MdnsEchoLink *link = &g_array_index (echo->links, MdnsEchoLink, at);
  Asked *asked = g_new0 (Asked, 1);

  asked->echo = echo;
  asked->link = at;
  asked->family = family;
  asked->others = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  asked->fd = socket (family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (asked->fd < 0 || !send_question (echo, asked->fd, family, link->index))
    {
      link->refused = TRUE;
      asked_free (asked);
      return;
    }
  asked->source = g_unix_fd_add (asked->fd, G_IO_IN, on_readable, asked);
  g_ptr_array_add (echo->asked, asked);
}

MdnsEcho *
mdns_echo_new (const GArray *links, guint timeout_ms, MdnsEchoDone done, gpointer user)
{
  MdnsEcho *echo = g_new0 (MdnsEcho, 1);

  echo->links = g_array_new (FALSE, FALSE, sizeof (MdnsEchoLink));
  echo->asked = g_ptr_array_new_with_free_func (asked_free);
  echo->own = list_own ();
  echo->number = (guint16) g_random_int_range (1, 0x10000);
  echo->done = done;
  echo->user = user;
  if (links->len > 0)
    g_array_append_vals (echo->links, links->data, MIN (links->len, MDNS_ECHO_LINKS_MAX));
  for (guint i = 0; i < echo->links->len; i++)
    {
      MdnsEchoLink *link = &g_array_index (echo->links, MdnsEchoLink, i);

      link->own_v4 = link->own_v6 = link->refused = FALSE;
      link->others = 0;
      if (link->v4)
        ask (echo, i, AF_INET);
      if (link->v6)
        ask (echo, i, AF_INET6);
    }
  echo->timeout_source = g_timeout_add (echo->asked->len > 0 ? timeout_ms : 0, on_end, echo);
  return echo;
}
