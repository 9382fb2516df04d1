/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * No mDNS at all: nobody is seen, nothing is sent; we still have an address, from the host's name.
 */
#include "earshot-config.h"

#include "daemon/io/discovery-backend.h"

#include "daemon/base/error.h"

typedef struct {
  Discovery *front;
  guint open_source;
} None;

static gboolean
on_open (gpointer user)
{
  None *self = user;

  self->open_source = 0;
  discovery_on_up (self->front);
  discovery_on_host (self->front, g_get_host_name ());
  return G_SOURCE_REMOVE;
}

static gpointer
none_open (Discovery *front, char **interfaces)
{
  None *self = g_new0 (None, 1);

  self->front = front;
  self->open_source = g_idle_add (on_open, self);
  return self;
}

static void
none_close (gpointer data)
{
  None *self = data;

  g_clear_handle_id (&self->open_source, g_source_remove);
  g_free (self);
}

static gboolean
none_browse (gpointer data)
{
  return TRUE;
}

static PublishResult
none_publish (gpointer data, const char *instance, guint16 port, const GPtrArray *txt, char **reason)
{
  discovery_on_registered (((None *) data)->front, REGISTERED_STANDS, NULL);
  return PUBLISH_BEGUN;
}

static gboolean
none_update_txt (gpointer data, const char *instance, const GPtrArray *txt)
{
  return TRUE;
}

static void
none_withdraw (gpointer data)
{
}

static gpointer
none_record_new (gpointer data, const char *name, guint16 type, RecordFunc func, gpointer user, GError **error)
{
  g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_REACHABLE, "discovery is switched off");
  return NULL;
}

static void
none_record_free (gpointer data, gpointer record)
{
}

static gboolean
none_link (gpointer data, int ifindex, char name[16])
{
  return FALSE;
}

const DiscoveryBackend discovery_backend_none = {
  .word = "none",
  .open = none_open,
  .close = none_close,
  .browse = none_browse,
  .publish = none_publish,
  .update_txt = none_update_txt,
  .withdraw = none_withdraw,
  .record_new = none_record_new,
  .record_free = none_record_free,
  .link = none_link,
};
