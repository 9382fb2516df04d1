/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/discovery-private.h"

#include <avahi-common/domain.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/error.h"
#include "daemon/base/jid.h"
#include "daemon/base/log.h"
#include "daemon/base/names.h"

#define ENTRIES_MAX 1024
#define SIGHTINGS_MAX 32
/* Different TXT records heard under one name at the same time: the old one of a change lives on for a second. */
#define HEARD_MAX 4
/* How long what is known stays listed while the stack restarts, and how long a new browser has to confirm it. */
#define LOST_STACK_S 10
#define CONFIRM_S 5

/* One instance on one (interface, family). */
typedef struct {
  int ifindex, family;
  char ifname[IF_NAMESIZE];
  gboolean ptr;     /* a PTR record stands */
  gboolean own;     /* the stack says that it is ours */
  gboolean stale;   /* known from before; the browser has not confirmed it */
  gboolean shown;   /* the floor above knows */
  GPtrArray *heard; /* GBytes, TXT rdata, newest last */
  GPtrArray *txt;   /* what the newest says; NULL = not known yet */
} Sighting;

typedef struct {
  Discovery *d;
  char *instance, *domain;
  GPtrArray *sightings;
  gpointer watch;
  gboolean refused; /* no watch for lack of room; counted in `unwatched` */
  GList bare;       /* its place in `bare`, while it is in there */
} Entry;

static void
sighting_free (gpointer data)
{
  Sighting *s = data;

  g_ptr_array_unref (s->heard);
  g_clear_pointer (&s->txt, g_ptr_array_unref);
  g_free (s);
}

static gboolean
entry_is_backed (const Entry *e)
{
  for (guint i = 0; i < e->sightings->len; i++)
    if (((Sighting *) e->sightings->pdata[i])->txt != NULL)
      return TRUE;
  return FALSE;
}

/* Does it make room, if need be? Whoever could not show a TXT record, because it is not watched for one, does not. */
static void
entry_set_bare (Entry *e, gboolean bare)
{
  if (bare == (e->bare.data != NULL))
    return;
  e->bare.data = bare ? e : NULL;
  if (bare)
    g_queue_push_tail_link (&e->d->bare, &e->bare);
  else
    g_queue_unlink (&e->d->bare, &e->bare);
}

static void
entry_unwatch (Entry *e)
{
  if (e->watch)
    e->d->backend->record_free (e->d->stack, g_steal_pointer (&e->watch));
  if (e->refused)
    e->d->unwatched--;
  e->refused = FALSE;
}

static void
entry_free (gpointer data)
{
  Entry *e = data;

  entry_unwatch (e);
  entry_set_bare (e, FALSE);
  g_ptr_array_unref (e->sightings);
  g_free (e->instance);
  g_free (e->domain);
  g_free (e);
}

void
discovery_record_free (DiscoveryRecord *record)
{
  if (!record)
    return;
  g_free (record->instance);
  g_free (record->domain);
  g_free (record->ifname);
  g_clear_pointer (&record->txt, g_ptr_array_unref);
  g_free (record);
}

void
discovery_warn (Discovery *d, const char *key, const char *text)
{
  if (!text && !g_hash_table_remove (d->warned, key))
    return;
  if (text && !g_hash_table_add (d->warned, g_strdup (key)))
    return;
  if (text)
    log_warn ("discovery", "%s: %s", key, text);
  if (d->callbacks.warning)
    d->callbacks.warning (d->user, key, text);
}

gboolean
discovery_full_name (const char *instance, const char *domain, char *out, gsize size)
{
  return avahi_is_valid_service_name (instance) && avahi_is_valid_domain_name (domain)
         && avahi_service_name_join (out, size, instance, EARSHOT_SERVICE_TYPE, domain) == 0;
}

/* --- interfaces ------------------------------------------------------------ */

static gboolean
is_loopback (const char *name)
{
  struct ifreq request = { 0 };
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  gboolean loopback = FALSE;

  if (fd < 0)
    return FALSE;
  g_strlcpy (request.ifr_name, name, sizeof request.ifr_name);
  if (ioctl (fd, SIOCGIFFLAGS, &request) == 0)
    loopback = (request.ifr_flags & IFF_LOOPBACK) != 0;
  close (fd);
  return loopback;
}

gboolean
discovery_link_usable (int ifindex, char **interfaces, char name[16])
{
  G_STATIC_ASSERT (IF_NAMESIZE <= 16);

  if (ifindex <= 0 || !if_indextoname (ifindex, name))
    return FALSE;
  return interfaces ? g_strv_contains ((const char *const *) interfaces, name) : !is_loopback (name);
}

/* --- who is there ------------------------------------------------------------ */

static char *
entry_key (const char *instance, const char *domain)
{
  /* DNS names compare without regard to ASCII case (RFC 6762 section 16). A label holds no newline: it was checked. */
  g_autofree char *i = g_ascii_strdown (instance, -1);
  g_autofree char *d = g_ascii_strdown (domain, -1);

  return g_strconcat (i, "\n", d, NULL);
}

/* Tells the floor above what changed for it, if anything did. */
static void
sighting_settle (Entry *e, Sighting *s, gboolean changed)
{
  Discovery *d = e->d;
  gboolean show = s->ptr && !s->own && !publication_is_ours (d, e->instance);

  if (show && (changed || !s->shown))
    {
      DiscoveryRecord record = { .instance = e->instance, .domain = e->domain, .ifindex = s->ifindex, .ifname = s->ifname,
                                 .family = s->family, .txt = s->txt };
      s->shown = TRUE;
      if (d->callbacks.sighted)
        d->callbacks.sighted (d->user, &record);
    }
  else if (!show && s->shown)
    {
      s->shown = FALSE;
      if (d->callbacks.gone)
        d->callbacks.gone (d->user, e->instance, e->domain, s->ifindex, s->family);
    }
}

static Sighting *
entry_get_sighting (Entry *e, int ifindex, int family, gboolean create)
{
  char name[IF_NAMESIZE];
  Sighting *s;

  for (guint i = 0; i < e->sightings->len; i++)
    {
      s = e->sightings->pdata[i];
      if (s->ifindex == ifindex && s->family == family)
        return s;
    }
  if (!create || e->sightings->len >= SIGHTINGS_MAX || !e->d->backend->link (e->d->stack, ifindex, name))
    return NULL;
  s = g_new0 (Sighting, 1);
  s->ifindex = ifindex;
  s->family = family;
  g_strlcpy (s->ifname, name, sizeof s->ifname);
  s->heard = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  g_ptr_array_add (e->sightings, s);
  return s;
}

static void
on_txt (gpointer user, RecordEvent event, int ifindex, int family, const guint8 *rdata, gsize size)
{
  Entry *e = user;
  Sighting *s;
  g_autoptr (GBytes) bytes = NULL;
  GBytes *newest;
  g_autoptr (GPtrArray) txt = NULL;
  guint at;

  if (event == RECORD_FAILED)
    log_info ("discovery", "a TXT watch ended early");
  if (event != RECORD_NEW && event != RECORD_REMOVED)
    return;
  if (size > 0 && !rdata)
    return;
  txt = discovery_txt_from_rdata (rdata, size);
  s = txt ? entry_get_sighting (e, ifindex, family, event == RECORD_NEW) : NULL;
  if (!s)
    return;
  bytes = g_bytes_new (rdata, size);
  if (g_ptr_array_find_with_equal_func (s->heard, bytes, (GEqualFunc) g_bytes_equal, &at))
    g_ptr_array_remove_index (s->heard, at);
  if (event == RECORD_NEW)
    g_ptr_array_add (s->heard, g_steal_pointer (&bytes));
  if (s->heard->len > HEARD_MAX)
    g_ptr_array_remove_index (s->heard, 0);
  if (s->heard->len == 0)
    return; /* the last one known stays until the instance goes */

  /* A change back to a record that the cache still holds brings no NEW, only the end of the one between. */
  newest = s->heard->pdata[s->heard->len - 1];
  g_ptr_array_unref (g_steal_pointer (&txt));
  txt = discovery_txt_from_rdata (g_bytes_get_data (newest, NULL), g_bytes_get_size (newest));
  if (s->txt && txt && s->txt->len == txt->len)
    {
      guint i = 0;

      while (i < txt->len && g_bytes_equal (s->txt->pdata[i], txt->pdata[i]))
        i++;
      if (i == txt->len)
        return;
    }
  g_clear_pointer (&s->txt, g_ptr_array_unref);
  s->txt = g_steal_pointer (&txt);
  entry_set_bare (e, FALSE);
  sighting_settle (e, s, TRUE);
}

static void
entry_watch (Entry *e)
{
  Discovery *d = e->d;
  char name[AVAHI_DOMAIN_NAME_MAX];
  g_autoptr (GError) error = NULL;

  if (e->watch || e->refused || !d->up || publication_is_ours (d, e->instance))
    return;
  entry_set_bare (e, !entry_is_backed (e));
  if (!discovery_full_name (e->instance, e->domain, name, sizeof name))
    return;
  e->watch = d->backend->record_new (d->stack, name, DNS_TYPE_TXT, on_txt, e, &error);
  if (e->watch)
    return;
  e->refused = TRUE;
  entry_set_bare (e, FALSE);
  d->unwatched++;
  if (g_error_matches (error, EARSHOT_ERROR, EARSHOT_ERROR_QUOTA_EXCEEDED))
    discovery_warn (d, "discovery-limit", error->message);
  else
    log_warn ("discovery", "no TXT watch: %s", error->message);
}

/* Room was made: one of those who got no watch may have it. */
static void
watch_another (Discovery *d)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, d->entries);
  while (d->up && d->unwatched > 0 && g_hash_table_iter_next (&iter, NULL, &value))
    {
      Entry *e = value;

      if (!e->refused)
        continue;
      e->refused = FALSE;
      d->unwatched--;
      entry_watch (e);
      break;
    }
  if (d->unwatched == 0)
    discovery_warn (d, "discovery-limit", NULL);
}

static void
entry_drop (Discovery *d, const char *key)
{
  Entry *e = g_hash_table_lookup (d->entries, key);

  for (guint i = 0; i < e->sightings->len; i++)
    {
      Sighting *s = e->sightings->pdata[i];

      s->ptr = FALSE;
      sighting_settle (e, s, FALSE);
    }
  /* "On removal cancel every TXT/SRV/NULL query for that peer" (1.6). */
  queries_gone (d, e->instance, e->domain);
  g_hash_table_remove (d->entries, key);
  if (d->unwatched > 0)
    watch_another (d);
  if (g_hash_table_size (d->entries) < ENTRIES_MAX - ENTRIES_MAX / 8)
    discovery_warn (d, "discovery-crowded", NULL);
}

/* In a full table a name that nobody backs with a TXT record makes room, the one that had most time for it, as a flood of PTR
 * records is cheap. So is saying no to it. */
static gboolean
has_room (Discovery *d)
{
  if (g_hash_table_size (d->entries) < ENTRIES_MAX)
    return TRUE;
  discovery_warn (d, "discovery-crowded", "More than 1024 names are announced on this network; some are not listed.");
  return d->bare.head != NULL;
}

static void
make_room (Discovery *d)
{
  const Entry *victim = d->bare.head ? d->bare.head->data : NULL;
  g_autofree char *key = NULL;

  if (g_hash_table_size (d->entries) < ENTRIES_MAX || !victim)
    return;
  key = entry_key (victim->instance, victim->domain);
  entry_drop (d, key);
}

void
discovery_on_found (Discovery *d, const char *instance, const char *domain, int ifindex, int family, gboolean own)
{
  g_autofree char *key = NULL;
  char link[IF_NAMESIZE];
  Entry *e;
  Sighting *s;

  if (!jid_split_instance (instance, NULL, NULL) || !avahi_is_valid_domain_name (domain))
    {
      g_autofree char *safe = log_safe (instance);

      log_debug ("discovery", "not an address: %s", safe);
      return;
    }
  key = entry_key (instance, domain);
  e = g_hash_table_lookup (d->entries, key);
  if ((!e && !has_room (d)) || !d->backend->link (d->stack, ifindex, link))
    return;
  if (!e)
    {
      make_room (d);
      e = g_new0 (Entry, 1);
      e->d = d;
      e->instance = g_strdup (instance);
      e->domain = g_strdup (domain);
      e->sightings = g_ptr_array_new_with_free_func (sighting_free);
      g_hash_table_insert (d->entries, g_strdup (key), e);
    }
  s = entry_get_sighting (e, ifindex, family, TRUE);
  if (!s)
    return;
  s->ptr = TRUE;
  s->own = own;
  s->stale = FALSE;
  sighting_settle (e, s, FALSE);
  if (!own)
    entry_watch (e);
}

static gboolean
entry_stands (const Entry *e)
{
  for (guint i = 0; i < e->sightings->len; i++)
    if (((Sighting *) e->sightings->pdata[i])->ptr)
      return TRUE;
  return FALSE;
}

void
discovery_on_lost (Discovery *d, const char *instance, const char *domain, int ifindex, int family)
{
  g_autofree char *key = entry_key (instance, domain);
  Entry *e = g_hash_table_lookup (d->entries, key);
  Sighting *s = e ? entry_get_sighting (e, ifindex, family, FALSE) : NULL;

  if (!s)
    return;
  s->ptr = FALSE;
  sighting_settle (e, s, FALSE);
  if (!entry_stands (e))
    entry_drop (d, key);
}

void
discovery_reconsider (Discovery *d)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, d->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Entry *e = value;

      for (guint i = 0; i < e->sightings->len; i++)
        sighting_settle (e, e->sightings->pdata[i], FALSE);
      entry_watch (e);
    }
}

static gboolean
on_sweep (gpointer user)
{
  Discovery *d = user;
  g_autoptr (GPtrArray) empty = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer key, value;

  d->sweep_timer = 0;
  g_hash_table_iter_init (&iter, d->entries);
  while (g_hash_table_iter_next (&iter, &key, &value))
    {
      Entry *e = value;

      for (guint i = 0; i < e->sightings->len; i++)
        {
          Sighting *s = e->sightings->pdata[i];

          if (!s->stale)
            continue;
          s->stale = s->ptr = FALSE;
          sighting_settle (e, s, FALSE);
        }
      if (!entry_stands (e))
        g_ptr_array_add (empty, g_strdup (key));
    }
  for (guint i = 0; i < empty->len; i++)
    entry_drop (d, empty->pdata[i]);
  return G_SOURCE_REMOVE;
}

static void
sweep_in (Discovery *d, guint seconds)
{
  g_clear_handle_id (&d->sweep_timer, g_source_remove);
  if (g_hash_table_size (d->entries) > 0)
    d->sweep_timer = g_timeout_add_seconds (seconds, on_sweep, d);
}

/* Everything known has to be confirmed by the next browser, or goes with the sweep: a restart of avahi-daemon is
 * no reason to tell that everybody left. */
static void
doubt_all (Discovery *d)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, d->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Entry *e = value;

      entry_unwatch (e);
      for (guint i = 0; i < e->sightings->len; i++)
        {
          Sighting *s = e->sightings->pdata[i];

          s->stale = s->ptr;
          g_ptr_array_set_size (s->heard, 0);
        }
    }
}

/* --- the stack ----------------------------------------------------------------- */

static void
tell_state (Discovery *d, const char *state, const char *reason)
{
  log_info ("discovery", "%s is %s%s%s", d->backend->word, state, reason ? ": " : "", reason ? reason : "");
  if (d->callbacks.state)
    d->callbacks.state (d->user, d->backend->word, state, reason);
}

void
discovery_on_up (Discovery *d)
{
  d->up = TRUE;
  tell_state (d, "running", NULL);
  if (!d->backend->browse (d->stack))
    log_warn ("discovery", "cannot browse");
  sweep_in (d, CONFIRM_S);
  queries_up (d);
}

static void
lose_stack (Discovery *d)
{
  queries_down (d);
  doubt_all (d);
  publication_lost (d);
  d->up = FALSE;
  g_clear_pointer (&d->machine, g_free);
}

void
discovery_on_down (Discovery *d, const char *state, const char *reason)
{
  gboolean was_up = d->up;

  lose_stack (d);
  if (was_up)
    sweep_in (d, LOST_STACK_S);
  tell_state (d, state, reason);
}

/* `machine` in an address is ASCII (1.1), but a host label need not be. */
static char *
machine_from_label (const char *label)
{
  GString *out = g_string_new (NULL);

  for (const char *p = label; *p && *p != '.' && out->len < 40; p++)
    if (g_ascii_isalnum (*p))
      g_string_append_c (out, *p);
    else if (out->len > 0 && out->str[out->len - 1] != '-')
      g_string_append_c (out, '-');
  while (out->len > 0 && out->str[out->len - 1] == '-')
    g_string_truncate (out, out->len - 1);
  if (out->len == 0)
    g_string_assign (out, "host");
  return g_string_free (out, FALSE);
}

void
discovery_on_host (Discovery *d, const char *label)
{
  g_autofree char *machine = label ? machine_from_label (label) : NULL;

  publication_lost (d);
  g_free (d->machine);
  d->machine = g_steal_pointer (&machine);
  if (d->machine)
    publication_begin (d);
}

static void
close_backend (Discovery *d)
{
  if (!d->backend)
    return;
  lose_stack (d);
  d->backend->close (d->stack);
  d->stack = NULL;
  d->backend = NULL;
}

static void
open_backend (Discovery *d, const DiscoveryBackend *backend)
{
  if (d->backend == backend)
    return;
  close_backend (d);
  log_info ("discovery", "using %s", backend->word);
  d->backend = backend;
  d->stack = backend->open (d, d->interfaces);
  sweep_in (d, LOST_STACK_S);
}

static gboolean
on_fallback (gpointer user)
{
  Discovery *d = user;

  d->fallback_timer = 0;
  open_backend (d, &discovery_backend_embedded);
  return G_SOURCE_REMOVE;
}

/* avahi-daemon may start after us, or be stopped for good: then the choice is another one. A restart is short. */
static void
on_avahi (gpointer user, gboolean there)
{
  Discovery *d = user;

  g_clear_handle_id (&d->fallback_timer, g_source_remove);
  if (there)
    open_backend (d, &discovery_backend_avahi);
  else if (!d->backend)
    open_backend (d, &discovery_backend_embedded);
  else if (d->backend == &discovery_backend_avahi)
    d->fallback_timer = g_timeout_add_seconds (LOST_STACK_S, on_fallback, d);
}

static Discovery *
discovery_alloc (char **interfaces, const DiscoveryCallbacks *callbacks, gpointer user)
{
  Discovery *d = g_new0 (Discovery, 1);

  d->callbacks = *callbacks;
  d->user = user;
  d->interfaces = interfaces && interfaces[0] ? g_strdupv (interfaces) : NULL;
  d->warned = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  d->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, entry_free);
  d->queries = g_ptr_array_new ();
  publication_init (&d->own);
  return d;
}

Discovery *
discovery_new_with_backend (const DiscoveryBackend *backend, char **interfaces,
                            const DiscoveryCallbacks *callbacks, gpointer user)
{
  Discovery *d = discovery_alloc (interfaces, callbacks, user);

  open_backend (d, backend);
  return d;
}

Discovery *
discovery_new (DiscoveryChoice choice, char **interfaces, const DiscoveryCallbacks *callbacks, gpointer user)
{
  Discovery *d = discovery_alloc (interfaces, callbacks, user);

  switch (choice)
    {
    case DISCOVERY_AUTO:
      d->chooser = discovery_auto_new (on_avahi, d);
      break;
    case DISCOVERY_AVAHI:
      open_backend (d, &discovery_backend_avahi);
      break;
    case DISCOVERY_EMBEDDED:
      open_backend (d, &discovery_backend_embedded);
      break;
    case DISCOVERY_NONE:
      open_backend (d, &discovery_backend_none);
      break;
    }
  return d;
}

void
discovery_free (Discovery *d)
{
  if (!d)
    return;
  d->callbacks = (DiscoveryCallbacks) { 0 };
  g_clear_pointer (&d->chooser, discovery_auto_free);
  g_clear_handle_id (&d->fallback_timer, g_source_remove);
  g_clear_handle_id (&d->sweep_timer, g_source_remove);
  queries_clear (d);
  close_backend (d);
  publication_clear (d);
  g_hash_table_unref (d->entries);
  g_ptr_array_unref (d->queries);
  g_hash_table_unref (d->warned);
  g_strfreev (d->interfaces);
  g_free (d->machine);
  g_free (d);
}

void
discovery_rescan (Discovery *d)
{
  if (!d->up)
    return;
  doubt_all (d);
  if (!d->backend->browse (d->stack))
    log_warn ("discovery", "cannot browse");
  sweep_in (d, CONFIRM_S);
}

gboolean
discovery_is_host_renamed (const Discovery *d)
{
  g_autofree char *own = machine_from_label (g_get_host_name ());
  gsize length = strlen (own);

  /* "pronto-2"; anything else is a name that avahi-daemon was configured with. */
  return d->machine != NULL && g_ascii_strncasecmp (d->machine, own, length) == 0 && d->machine[length] == '-' && g_ascii_isdigit (d->machine[length + 1]);
}

const char *
discovery_get_machine (const Discovery *d)
{
  return d->machine;
}
