/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/error.h"
#include "daemon/io/link-private.h"

#define READ_CHUNK (16 * 1024)
#define READS_A_TURN 4                   /* then the others have their turn */
#define PENDING_MAX (8 * 1024 * 1024)    /* the caller heeds LINK_HIGH_WATER; this is for when it does not */
#define KEEPALIVE_IDLE 60
#define KEEPALIVE_INTERVAL 10
#define KEEPALIVE_COUNT 3
#define USER_TIMEOUT_MS 30000

gboolean
link_normalize (const struct sockaddr_storage *in, struct sockaddr_storage *out)
{
  struct sockaddr_in6 v6;
  struct sockaddr_in v4 = { .sin_family = AF_INET };

  memset (out, 0, sizeof *out);
  if (in->ss_family == AF_INET)
    {
      memcpy (out, in, sizeof (struct sockaddr_in));
      return TRUE;
    }
  if (in->ss_family != AF_INET6)
    return FALSE;
  memcpy (&v6, in, sizeof v6);
  if (!IN6_IS_ADDR_V4MAPPED (&v6.sin6_addr))
    {
      memcpy (out, in, sizeof v6);
      return TRUE;
    }
  v4.sin_port = v6.sin6_port;
  memcpy (&v4.sin_addr, &v6.sin6_addr.s6_addr[12], 4);
  memcpy (out, &v4, sizeof v4);
  return TRUE;
}

static gboolean read_some (Link *link);
static void drop_report (Link *link);

/* --- lifetime ---------------------------------------------------------------------- */

Link *
link_new (Poller *poller)
{
  Link *link = g_new0 (Link, 1);

  link->poller = poller;
  link->refs = 1;
  link->fd = -1;
  link->out = g_byte_array_new ();
  link->reading = TRUE;
  link->pending_max = PENDING_MAX;
  return link;
}

void
link_ref (Link *link)
{
  link->refs++;
}

void
link_unref (Link *link)
{
  if (--link->refs > 0)
    return;
  g_byte_array_unref (link->out);
  g_clear_object (&link->remote);
  g_clear_error (&link->failure);
  g_free (link);
}

static void
close_socket (Link *link)
{
  g_clear_pointer (&link->watch, poller_remove);
  if (link->fd >= 0)
    close (link->fd);
  link->fd = -1;
}

void
link_free (Link *link)
{
  if (link == NULL || link->freed)
    return;
  link->freed = TRUE;
  if (link->listener != NULL)
    listener_forget (g_steal_pointer (&link->listener), link);
  g_clear_pointer (&link->dial, dial_cancel);
  drop_report (link);
  close_socket (link);
  link_unref (link);
}

void
link_set_callbacks (Link *link, const LinkCallbacks *callbacks, gpointer user)
{
  link->callbacks = *callbacks;
  link->user = user;
  link->has_callbacks = TRUE;
}

void
link_mark_open (Link *link)
{
  if (link->listener != NULL)
    listener_forget (g_steal_pointer (&link->listener), link);
}

void
link_set_first (Link *link, gboolean first)
{
  link->first = first;
  if (link->watch != NULL)
    poller_set_first (link->watch, first);
}

/* --- ends ------------------------------------------------------------------------- */

static void
end_with (Link *link, const GError *error)
{
  if (link->freed || link->ended)
    return;
  link->ended = TRUE;
  if (link->has_callbacks)
    link->callbacks.ended (link->user, error);
}

static void
drop_report (Link *link)
{
  if (link->report == NULL)
    return;
  g_source_destroy (link->report);
  g_clear_pointer (&link->report, g_source_unref);
}

void
link_fail_now (Link *link, GError *error_take)
{
  link_ref (link);
  drop_report (link);
  g_clear_error (&link->failure);
  close_socket (link);
  end_with (link, error_take);
  g_error_free (error_take);
  link_unref (link);
}

/* What the peer said before the failure comes first: a stream error is worth more than "Broken pipe". */
static gboolean
on_report (gpointer user)
{
  Link *link = user;

  link_ref (link);
  g_clear_pointer (&link->report, g_source_unref);
  if (link->fd >= 0 && link->reading && !link->eof)
    read_some (link);
  if (!link->freed && link->failure != NULL)
    link_fail_now (link, g_steal_pointer (&link->failure));
  link_unref (link);
  return G_SOURCE_REMOVE;
}

void
link_fail_later (Link *link, GError *error_take)
{
  if (link->report != NULL || link->freed)
    {
      g_error_free (error_take);
      return;
    }
  link->failure = error_take;
  link->report = g_idle_source_new ();
  g_source_set_priority (link->report, G_PRIORITY_DEFAULT);
  g_source_set_callback (link->report, on_report, link, NULL);
  g_source_attach (link->report, NULL);
}

static GError *
error_from_errno (int saved)
{
  EarshotError code = saved == ETIMEDOUT ? EARSHOT_ERROR_TIMEOUT : EARSHOT_ERROR_NOT_REACHABLE;

  return g_error_new (EARSHOT_ERROR, code, "the connection broke: %s", g_strerror (saved));
}

/* --- bytes ------------------------------------------------------------------------ */

/* Asks epoll for what is wanted now. */
static void
update_watch (Link *link)
{
  guint32 events = 0;

  if (link->fd < 0)
    return;
  if (link->reading && !link->eof)
    events |= EPOLLIN;
  if (link->out->len > link->out_at)
    events |= EPOLLOUT;
  if (link->watch != NULL && events == link->events)
    return;
  link->events = events;
  if (link->watch != NULL)
    poller_modify (link->watch, events);
}

static void
finish_shutdown (Link *link)
{
  if (link->shut && !link->shut_done && link->fd >= 0 && link->out->len == link->out_at)
    {
      link->shut_done = TRUE;
      shutdown (link->fd, SHUT_WR);
    }
}

/* Writes what the socket takes. FALSE with errno: it is broken. */
static gboolean
write_some (Link *link)
{
  while (link->out->len > link->out_at)
    {
      ssize_t n = send (link->fd, link->out->data + link->out_at, link->out->len - link->out_at, MSG_NOSIGNAL);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        break;
      if (n < 0)
        return FALSE;
      link->out_at += (gsize) n;
      link->bytes_out += (guint64) n;
    }
  if (link->out_at == link->out->len)
    {
      /* A buffer that was large once is not kept for good. */
      if (link->out->len > LINK_HIGH_WATER)
        {
          g_byte_array_unref (link->out);
          link->out = g_byte_array_new ();
        }
      g_byte_array_set_size (link->out, 0);
      link->out_at = 0;
    }
  else if (link->out_at > LINK_HIGH_WATER && link->out_at > link->out->len / 2)
    {
      g_byte_array_remove_range (link->out, 0, (guint) link->out_at);
      link->out_at = 0;
    }
  finish_shutdown (link);
  return TRUE;
}

/* Reads a fair share. FALSE: the link ended or was freed meanwhile. */
static gboolean
read_some (Link *link)
{
  guint8 chunk[READ_CHUNK];

  for (guint i = 0; i < READS_A_TURN && link->reading && !link->eof; i++)
    {
      ssize_t n = recv (link->fd, chunk, sizeof chunk, 0);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return TRUE;
      if (n < 0)
        {
          link_fail_now (link, link->failure != NULL ? g_steal_pointer (&link->failure) : error_from_errno (errno));
          return FALSE;
        }
      if (n == 0 && link->failure != NULL)
        {
          link_fail_now (link, g_steal_pointer (&link->failure));
          return FALSE;
        }
      if (n == 0)
        {
          /* Our half stays open: what is queued still goes out until the owner frees us. */
          link->eof = TRUE;
          end_with (link, NULL);
          return !link->freed;
        }
      link->bytes_in += (guint64) n;
      link->callbacks.bytes (link->user, chunk, (gsize) n);
      if (link->freed || link->fd < 0)
        return FALSE;
      if ((gsize) n < sizeof chunk)
        return TRUE;
    }
  return TRUE;
}

static void
on_events (gpointer user, guint32 events)
{
  Link *link = user;

  link_ref (link);
  if ((events & EPOLLIN) != 0 && link->reading && !link->eof && !read_some (link))
    goto out;
  if ((events & EPOLLOUT) != 0 && link->fd >= 0)
    {
      if (!write_some (link))
        {
          link_fail_now (link, error_from_errno (errno));
          goto out;
        }
      if (link->was_high && link->out->len == link->out_at)
        {
          link->was_high = FALSE;
          if (!link->ended && link->callbacks.drained != NULL)
            link->callbacks.drained (link->user);
          if (link->freed || link->fd < 0)
            goto out;
        }
    }
  if ((events & (EPOLLERR | EPOLLHUP)) != 0 && link->fd >= 0)
    {
      /* Hung up on both sides. While the owner reads, read_some() finds the end or the error. Otherwise the watch goes until
       * the owner reads again or frees us: epoll tells of a hang-up asked for or not, and this would spin the loop. */
      if (link->eof || !link->reading)
        g_clear_pointer (&link->watch, poller_remove);
    }
  update_watch (link);
out:
  link_unref (link);
}

gboolean
link_adopt (Link *link, int fd)
{
  int one = 1;
  struct sockaddr_storage raw = { 0 }, peer;
  socklen_t len = sizeof raw;

  /* The caller batches, so nothing is gained by the kernel waiting for more. */
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (getpeername (fd, (struct sockaddr *) &raw, &len) == 0 && link_normalize (&raw, &peer))
    link->remote = G_INET_SOCKET_ADDRESS (g_socket_address_new_from_native (&peer, sizeof peer));
  if (link->remote == NULL)
    return FALSE;
  link->fd = fd;
  link->events = EPOLLIN;
  link->watch = poller_add (link->poller, fd, EPOLLIN, on_events, link);
  if (link->watch == NULL)
    {
      link->fd = -1;
      return FALSE;
    }
  poller_set_first (link->watch, link->first);
  if (link->out->len > 0 && !write_some (link))
    link_fail_later (link, error_from_errno (errno));
  finish_shutdown (link);
  update_watch (link);
  return TRUE;
}

void
link_write (Link *link, const guint8 *bytes, gsize len)
{
  gsize pending = link->out->len - link->out_at;

  if (link->freed || link->shut || link->failure != NULL || len == 0 || (link->fd < 0 && link->dial == NULL))
    return;
  if (len > link->pending_max || pending > link->pending_max - len)
    {
      link_fail_later (link, g_error_new (EARSHOT_ERROR, EARSHOT_ERROR_TIMEOUT, "the peer does not take what is sent"));
      return;
    }
  g_byte_array_append (link->out, bytes, (guint) len);
  if (link->fd < 0)
    return;
  /* Behind what already waits for the socket there is nothing to try. */
  if (pending == 0 && !write_some (link))
    {
      link_fail_later (link, error_from_errno (errno));
      g_byte_array_set_size (link->out, 0);
      link->out_at = 0;
    }
  if (link->out->len - link->out_at > LINK_HIGH_WATER)
    link->was_high = TRUE;
  update_watch (link);
}

gsize
link_get_pending (const Link *link)
{
  return link->out->len - link->out_at;
}

void
link_set_pending_max (Link *link, gsize max)
{
  link->pending_max = MIN (max, PENDING_MAX);
}

void
link_set_reading (Link *link, gboolean reading)
{
  if (link->reading == reading)
    return;
  link->reading = reading;
  if (link->fd < 0 || link->freed)
    return;
  if (link->watch == NULL)
    {
      link->events = 0;
      link->watch = poller_add (link->poller, link->fd, 0, on_events, link);
      if (link->watch == NULL)
        {
          link_fail_later (link, g_error_new (EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "the socket can not be watched"));
          return;
        }
      poller_set_first (link->watch, link->first);
    }
  update_watch (link);
}

void
link_shutdown_write (Link *link)
{
  if (link->freed || link->shut)
    return;
  link->shut = TRUE;
  finish_shutdown (link);
}

void
link_discard (Link *link)
{
  g_byte_array_set_size (link->out, 0);
  link->out_at = 0;
  link_shutdown_write (link);
}

void
link_enable_keepalive (Link *link)
{
  static const struct {
    int level, name, value;
  } options[] = {
    { SOL_SOCKET, SO_KEEPALIVE, 1 },
    { IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE },
    { IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL },
    { IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT },
    { IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS },
  };

  for (guint i = 0; link->fd >= 0 && i < G_N_ELEMENTS (options); i++)
    setsockopt (link->fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value);
}

GInetSocketAddress *
link_get_remote (const Link *link)
{
  return link->remote;
}

guint64
link_get_bytes_in (const Link *link)
{
  return link->bytes_in;
}

guint64
link_get_bytes_out (const Link *link)
{
  return link->bytes_out;
}
