/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/host-facts.h"

#include <dirent.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MDNS_PORT 5353
#define LINKS_MAX 64
#define HOLDERS_MAX 32
#define SOCKETS_MAX 256
#define PROCESSES_MAX 65536
#define DESCRIPTORS_MAX 4096 /* of one process */
#define ROUTE_UP 1           /* RTF_UP */

typedef struct {
  HostFacts facts;
  char *data_dir;
  HostFactsDone done;
  gpointer user;
} Job;

static void
host_link_free (gpointer data)
{
  HostLink *link = data;

  g_free (link->name);
  g_free (link);
}

static void
host_holder_free (gpointer data)
{
  HostHolder *holder = data;

  g_free (holder->program);
  g_free (holder->user);
  g_free (holder);
}

static void
job_free (gpointer data)
{
  Job *job = data;

  g_ptr_array_unref (job->facts.links);
  g_ptr_array_unref (job->facts.holders);
  g_free (job->facts.default_link);
  g_free (job->data_dir);
  g_free (job);
}

/* --- links and routes ---------------------------------------------------------------------- */

static HostLink *
get_link (GPtrArray *links, const struct ifaddrs *item)
{
  HostLink *link;

  for (guint i = 0; i < links->len; i++)
    if (g_str_equal (((HostLink *) links->pdata[i])->name, item->ifa_name))
      return links->pdata[i];
  if (links->len >= LINKS_MAX)
    return NULL;
  link = g_new0 (HostLink, 1);
  link->name = g_utf8_make_valid (item->ifa_name, -1);
  link->index = (int) if_nametoindex (item->ifa_name);
  link->up = (item->ifa_flags & IFF_UP) != 0 && (item->ifa_flags & IFF_RUNNING) != 0;
  link->multicast = (item->ifa_flags & IFF_MULTICAST) != 0;
  link->point_to_point = (item->ifa_flags & IFF_POINTOPOINT) != 0;
  g_ptr_array_add (links, link);
  return link;
}

static void
look_at_links (GPtrArray *links)
{
  struct ifaddrs *all = NULL;

  if (getifaddrs (&all) != 0)
    return;
  for (struct ifaddrs *item = all; item != NULL; item = item->ifa_next)
    {
      HostLink *link = (item->ifa_flags & IFF_LOOPBACK) == 0 ? get_link (links, item) : NULL;

      if (link == NULL || item->ifa_addr == NULL)
        continue;
      if (item->ifa_addr->sa_family == AF_INET)
        link->has_v4 = TRUE;
      else if (item->ifa_addr->sa_family == AF_INET6)
        {
          struct sockaddr_in6 v6;

          memcpy (&v6, item->ifa_addr, sizeof v6);
          link->has_v6 = link->has_v6 || IN6_IS_ADDR_LINKLOCAL (&v6.sin6_addr);
        }
    }
  freeifaddrs (all);
}

char *
host_facts_parse_route (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autofree char *best = NULL;
  guint best_metric = G_MAXUINT;

  /* Iface Destination Gateway Flags RefCnt Use Metric Mask …; numbers are hexadecimal but for the counts and the metric. */
  for (guint i = 0; lines[0] != NULL && lines[i + 1] != NULL; i++)
    {
      char name[IF_NAMESIZE] = "";
      unsigned destination, gateway, flags, refs, uses, metric, mask;

      if (sscanf (lines[i + 1], "%15s %8x %8x %8x %8u %8u %10u %8x", name, &destination, &gateway, &flags, &refs, &uses, &metric, &mask) == 8
          && destination == 0 && mask == 0 && (flags & ROUTE_UP) != 0 && (best == NULL || metric < best_metric))
        {
          g_free (best);
          best = g_utf8_make_valid (name, -1);
          best_metric = metric;
        }
    }
  return g_steal_pointer (&best);
}

static void
look_at_route (HostFacts *facts)
{
  g_autofree char *text = NULL;

  if (!g_file_get_contents ("/proc/net/route", &text, NULL, NULL))
    return;
  facts->default_link = host_facts_parse_route (text);
  for (guint i = 0; facts->default_link != NULL && i < facts->links->len; i++)
    {
      const HostLink *link = facts->links->pdata[i];

      if (g_str_equal (link->name, facts->default_link))
        facts->default_is_tunnel = link->point_to_point;
    }
}

/* --- who holds the port ------------------------------------------------------------------------ */

void
host_facts_parse_udp (const char *text, guint16 port, GArray *inodes, GArray *uids, guint max)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  /* sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode … */
  for (guint i = 0; lines[0] != NULL && lines[i + 1] != NULL && inodes->len < max; i++)
    {
      unsigned local, uid;
      unsigned long inode;

      if (sscanf (lines[i + 1], " %*[0-9]: %*[0-9A-Fa-f]:%4x %*s %*s %*s %*s %*s %10u %*s %20lu", &local, &uid, &inode) == 3 && local == port && inode != 0)
        {
          guint64 wide = inode;
          guint owner = uid;

          g_array_append_val (inodes, wide);
          g_array_append_val (uids, owner);
        }
    }
}

static char *
dup_user (guint uid)
{
  char buffer[4096];
  struct passwd entry, *found = NULL;

  if (getpwuid_r (uid, &entry, buffer, sizeof buffer, &found) == 0 && found != NULL)
    return g_utf8_make_valid (found->pw_name, -1);
  return g_strdup_printf ("user %u", uid);
}

static void
add_holder (GPtrArray *holders, const char *program, guint uid, gboolean own)
{
  g_autofree char *user = dup_user (uid);
  HostHolder *holder;

  for (guint i = 0; i < holders->len; i++)
    {
      holder = holders->pdata[i];
      if (g_str_equal (holder->program, program) && g_str_equal (holder->user, user) && holder->own == own)
        return;
    }
  if (holders->len >= HOLDERS_MAX)
    return;
  holder = g_new0 (HostHolder, 1);
  holder->program = g_strdup (program);
  holder->user = g_steal_pointer (&user);
  holder->own = own;
  g_ptr_array_add (holders, holder);
}

static char *
dup_program (int process)
{
  char text[64] = "";
  int fd = openat (process, "comm", O_RDONLY | O_CLOEXEC);
  gssize n = fd >= 0 ? read (fd, text, sizeof text - 1) : 0;

  if (fd >= 0)
    close (fd);
  text[MAX (n, 0)] = '\0';
  text[strcspn (text, "\n")] = '\0';
  return g_utf8_make_valid (text, -1);
}

/* Marks the inodes among `sockets` (inode -> uid) that this process has open; TRUE when there is one. */
static gboolean
holds_any (int process, GHashTable *sockets, GHashTable *known, guint *uid)
{
  int fd = openat (process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = fd >= 0 ? fdopendir (fd) : NULL;
  gboolean any = FALSE;
  struct dirent *entry;

  if (dir == NULL)
    {
      if (fd >= 0)
        close (fd);
      return FALSE;
    }
  for (guint n = 0; n < DESCRIPTORS_MAX && (entry = readdir (dir)) != NULL; n++)
    {
      char target[64];
      gssize length = readlinkat (dirfd (dir), entry->d_name, target, sizeof target - 1);
      guint64 inode;
      gpointer owner;

      if (length <= 0)
        continue;
      target[length] = '\0';
      if (!g_str_has_prefix (target, "socket:["))
        continue;
      inode = g_ascii_strtoull (target + strlen ("socket:["), NULL, 10);
      if (!g_hash_table_lookup_extended (sockets, &inode, NULL, &owner))
        continue;
      *uid = GPOINTER_TO_UINT (owner);
      g_hash_table_add (known, g_memdup2 (&inode, sizeof inode));
      any = TRUE;
    }
  closedir (dir);
  return any;
}

static void
search_processes (GPtrArray *holders, GHashTable *sockets, GHashTable *known)
{
  DIR *proc = opendir ("/proc");
  struct dirent *entry;

  for (guint n = 0; proc != NULL && n < PROCESSES_MAX && (entry = readdir (proc)) != NULL; n++)
    {
      int process = g_ascii_isdigit (entry->d_name[0]) ? openat (dirfd (proc), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
      guint uid;

      if (process < 0)
        continue;
      if (holds_any (process, sockets, known, &uid))
        {
          g_autofree char *program = dup_program (process);

          add_holder (holders, program, uid, strtol (entry->d_name, NULL, 10) == (long) getpid ());
        }
      close (process);
    }
  if (proc != NULL)
    closedir (proc);
}

static void
look_at_holders (GPtrArray *holders)
{
  static const char *const files[] = { "/proc/net/udp", "/proc/net/udp6" };
  g_autoptr (GArray) inodes = g_array_new (FALSE, FALSE, sizeof (guint64)), uids = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autoptr (GHashTable) sockets = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  g_autoptr (GHashTable) known = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *text = NULL;

      if (g_file_get_contents (files[i], &text, NULL, NULL))
        host_facts_parse_udp (text, MDNS_PORT, inodes, uids, SOCKETS_MAX);
    }
  for (guint i = 0; i < inodes->len; i++)
    g_hash_table_insert (sockets, g_memdup2 (&g_array_index (inodes, guint64, i), sizeof (guint64)), GUINT_TO_POINTER (g_array_index (uids, guint, i)));
  if (g_hash_table_size (sockets) > 0)
    search_processes (holders, sockets, known);
  /* Another user's process does not show what it has open. */
  for (guint i = 0; i < inodes->len; i++)
    if (!g_hash_table_contains (known, &g_array_index (inodes, guint64, i)))
      add_holder (holders, "", g_array_index (uids, guint, i), FALSE);
}

/* --- all of it ---------------------------------------------------------------------------------- */

static void
gather (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Job *job = data;
  struct statvfs room;

  look_at_links (job->facts.links);
  look_at_route (&job->facts);
  look_at_holders (job->facts.holders);
  job->facts.free_bytes = statvfs (job->data_dir, &room) == 0 ? (gint64) room.f_bavail * (gint64) room.f_frsize : -1;
  /* Also of a file system that went read-only; root may do everything else. */
  job->facts.writable = access (job->data_dir, W_OK) == 0;
  g_task_return_boolean (task, TRUE);
}

static void
on_gathered (GObject *source, GAsyncResult *result, gpointer user)
{
  Job *job = g_task_get_task_data (G_TASK (result));

  if (g_task_propagate_boolean (G_TASK (result), NULL))
    job->done (job->user, &job->facts);
}

void
host_facts_gather (const char *data_dir, HostFactsDone done, gpointer user)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, on_gathered, NULL);
  Job *job = g_new0 (Job, 1);

  job->data_dir = g_strdup (data_dir);
  job->done = done;
  job->user = user;
  job->facts.links = g_ptr_array_new_with_free_func (host_link_free);
  job->facts.holders = g_ptr_array_new_with_free_func (host_holder_free);
  g_task_set_task_data (task, job, job_free);
  g_task_run_in_thread (task, gather);
}
