/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * We on the link: one registration, its name when others hold it already (docs/protocol.md 1.5), and the
 * pace of its changes (1.6). Threat: anybody can force a rename by claiming our name; the budget bounds what that moves.
 */
#include "earshot-config.h"

#include "daemon/io/discovery-private.h"

#include "daemon/base/jid.h"
#include "daemon/base/log.h"

/* "Coalesce updates: >= 1 s apart, <= 10 a minute" (1.6; RFC 6762 section 8.4). */
#define TXT_GAP_US G_USEC_PER_SEC
#define TXT_WINDOW_US (60 * G_USEC_PER_SEC)
#define TXT_MAX 10
/* RFC 6762 8.1: probing takes under a second. avahi-daemon 0.8 never finishes it for a service whose link vanishes meanwhile; so
 * what is not reported in time is registered anew, less and less often. */
#define PROBING_FIRST_S 10
#define PROBING_MAX_S 320

void
publication_init (Publication *p)
{
  p->txt_pace = (Pace) { .gap = TXT_GAP_US, .window = TXT_WINDOW_US, .max = TXT_MAX };
  renames_init (&p->renames);
}

static void
publication_forget_timers (Publication *p)
{
  g_clear_handle_id (&p->txt_timer, g_source_remove);
  g_clear_handle_id (&p->retry_timer, g_source_remove);
  g_clear_handle_id (&p->probing_timer, g_source_remove);
  g_clear_handle_id (&p->outcome_idle, g_source_remove);
  g_clear_pointer (&p->outcome_reason, g_free);
}

void
publication_clear (Discovery *d)
{
  Publication *p = &d->own;

  publication_forget_timers (p);
  g_clear_pointer (&p->user_part, g_free);
  g_clear_pointer (&p->instance, g_free);
  g_clear_pointer (&p->txt, g_ptr_array_unref);
  g_clear_pointer (&p->sent, g_ptr_array_unref);
}

void
publication_lost (Discovery *d)
{
  Publication *p = &d->own;

  publication_forget_timers (p);
  g_clear_pointer (&p->sent, g_ptr_array_unref);
  p->stands = FALSE;
}

gboolean
publication_is_ours (const Discovery *d, const char *instance)
{
  const Publication *p = &d->own;

  return p->wanted && p->instance && g_ascii_strcasecmp (p->instance, instance) == 0;
}

static gboolean
on_retry (gpointer user)
{
  Discovery *d = user;

  d->own.retry_timer = 0;
  publication_begin (d);
  return G_SOURCE_REMOVE;
}

static void
retry_later (Discovery *d)
{
  if (!d->own.retry_timer)
    d->own.retry_timer = g_timeout_add_seconds (renames_retry_s (), on_retry, d);
}

static gboolean
on_probing_time (gpointer user)
{
  Discovery *d = user;

  d->own.probing_timer = 0;
  log_info ("discovery", "no word of our registration for %u s; registering anew", d->own.probing_s);
  publication_begin (d);
  return G_SOURCE_REMOVE;
}

static void
await_outcome (Discovery *d)
{
  Publication *p = &d->own;

  p->probing_s = p->probing_s == 0 ? PROBING_FIRST_S : MIN (p->probing_s * 2, PROBING_MAX_S);
  p->probing_timer = g_timeout_add_seconds (p->probing_s, on_probing_time, d);
}

/* Another holds the name we asked for. Another one, or FALSE: the budget is spent. */
static gboolean
next_name (Discovery *d)
{
  Publication *p = &d->own;
  guint step = renames_step (&p->renames, g_get_monotonic_time ());
  g_autofree char *safe = log_safe (p->instance);

  if (step == 0)
    {
      g_autofree char *text
          = g_strdup_printf ("The name %s is taken on this network again and again; it is tried again every minute. "
                             "Another name can be chosen with --name.", safe);

      discovery_warn (d, "name-taken", text);
      return FALSE;
    }
  p->collision += step;
  log_notice ("discovery", "the name %s is taken", safe);
  return TRUE;
}

/* Asks the stack for the current name; with `d->machine` and a running stack only. */
void
publication_begin (Discovery *d)
{
  Publication *p = &d->own;

  publication_forget_timers (p);
  while (p->wanted && d->up && d->machine)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *instance = jid_build_instance (p->user_part, d->machine, p->collision, &error);
      g_autofree char *reason = NULL;
      PublishResult result;

      p->stands = FALSE;
      if (!instance)
        {
          discovery_warn (d, "name-unusable", error->message);
          return;
        }
      g_free (p->instance);
      p->instance = g_steal_pointer (&instance);
      discovery_reconsider (d);
      g_clear_pointer (&p->sent, g_ptr_array_unref);
      p->sent = g_ptr_array_ref (p->txt);
      result = d->backend->publish (d->stack, p->instance, p->port, p->txt, &reason);
      if (result == PUBLISH_BEGUN)
        {
          pace_note (&p->txt_pace, g_get_monotonic_time ());
          if (p->outcome_idle == 0)
            await_outcome (d);
          return;
        }
      if (result == PUBLISH_FAILED)
        discovery_warn (d, "publish-failed", reason ? reason : "The mDNS stack refused our registration.");
      if (result == PUBLISH_FAILED || !next_name (d))
        {
          retry_later (d);
          return;
        }
    }
}

static void send_txt (Discovery *d);

static gboolean
on_txt_due (gpointer user)
{
  Discovery *d = user;

  d->own.txt_timer = 0;
  send_txt (d);
  return G_SOURCE_REMOVE;
}

static gboolean
same_txt (const GPtrArray *a, const GPtrArray *b)
{
  if (!a || !b || a->len != b->len)
    return FALSE;
  for (guint i = 0; i < a->len; i++)
    if (!g_bytes_equal (a->pdata[i], b->pdata[i]))
      return FALSE;
  return TRUE;
}

/* Brings out what changed, now or when the pace allows; several changes until then are one. */
static void
send_txt (Discovery *d)
{
  Publication *p = &d->own;
  gint64 now = g_get_monotonic_time ();
  gint64 due;

  if (!p->stands || p->txt_timer || same_txt (p->txt, p->sent))
    return;
  due = pace_due (&p->txt_pace, now);
  if (due > now)
    {
      p->txt_timer = g_timeout_add ((guint) ((due - now) / 1000 + 1), on_txt_due, d);
      return;
    }
  pace_note (&p->txt_pace, now);
  g_clear_pointer (&p->sent, g_ptr_array_unref);
  p->sent = g_ptr_array_ref (p->txt);
  if (!d->backend->update_txt (d->stack, p->instance, p->txt))
    {
      log_warn ("discovery", "the TXT update was refused; registering anew");
      publication_begin (d);
    }
}

static gboolean
on_outcome (gpointer user)
{
  Discovery *d = user;
  Publication *p = &d->own;
  g_autofree char *reason = g_steal_pointer (&p->outcome_reason);

  p->outcome_idle = 0;
  g_clear_handle_id (&p->probing_timer, g_source_remove);
  if (!p->wanted || !p->instance)
    return G_SOURCE_REMOVE;
  p->stands = FALSE;
  switch (p->outcome)
    {
    case REGISTERED_STANDS:
      p->stands = TRUE;
      p->probing_s = 0;
      discovery_warn (d, "name-taken", NULL);
      discovery_warn (d, "publish-failed", NULL);
      discovery_warn (d, "name-unusable", NULL);
      log_info ("discovery", "announced as %s", p->instance);
      send_txt (d);
      if (d->callbacks.established)
        d->callbacks.established (d->user, p->instance);
      break;
    case REGISTERED_COLLISION:
      if (next_name (d))
        publication_begin (d);
      else
        retry_later (d);
      break;
    case REGISTERED_FAILED:
      discovery_warn (d, "publish-failed", reason ? reason : "The mDNS stack dropped our registration.");
      retry_later (d);
      break;
    }
  return G_SOURCE_REMOVE;
}

/* A stack may report from inside publish(), but no callback may fire inside discovery_publish(). */
void
discovery_on_registered (Discovery *d, Registered outcome, const char *reason)
{
  Publication *p = &d->own;

  p->outcome = outcome;
  g_free (p->outcome_reason);
  p->outcome_reason = g_strdup (reason);
  if (!p->outcome_idle)
    p->outcome_idle = g_idle_add_full (G_PRIORITY_DEFAULT, on_outcome, d, NULL);
}

void
discovery_on_links (Discovery *d)
{
  publication_begin (d);
}

void
discovery_publish (Discovery *d, const char *user_part, guint16 port, GPtrArray *txt)
{
  Publication *p = &d->own;

  if (p->wanted && p->port == port && g_strcmp0 (p->user_part, user_part) == 0)
    {
      discovery_update_txt (d, txt);
      return;
    }
  if (g_strcmp0 (p->user_part, user_part) != 0)
    p->collision = 0;
  p->wanted = TRUE;
  g_free (p->user_part);
  p->user_part = g_strdup (user_part);
  p->port = port;
  g_ptr_array_ref (txt);
  g_clear_pointer (&p->txt, g_ptr_array_unref);
  p->txt = txt;
  publication_begin (d);
}

void
discovery_update_txt (Discovery *d, GPtrArray *txt)
{
  Publication *p = &d->own;

  g_ptr_array_ref (txt);
  g_clear_pointer (&p->txt, g_ptr_array_unref);
  p->txt = txt;
  if (p->wanted)
    send_txt (d);
}

void
discovery_withdraw (Discovery *d)
{
  Publication *p = &d->own;

  if (!p->wanted)
    return;
  p->wanted = FALSE;
  publication_lost (d);
  if (d->up)
    d->backend->withdraw (d->stack);
  g_clear_pointer (&p->instance, g_free);
  discovery_reconsider (d);
}

guint
discovery_get_collisions (const Discovery *d)
{
  return d->own.stands ? d->own.collision : 0;
}

const char *
discovery_get_instance (const Discovery *d)
{
  return d->own.stands ? d->own.instance : NULL;
}
