/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Our own mDNS stack, for hosts without avahi-daemon: the loop's side of discovery-core. Orders and reports cross; what is said about a
 * browser, a registration or a watch that was replaced meanwhile is recognized by its number, and left.
 */
#include "earshot-config.h"

#include "daemon/io/discovery-core.h"

#include "daemon/base/log.h"

typedef struct {
  Discovery *front;
  char **interfaces;
  DiscoveryCore *core;
  guint64 last_number, browsing, registration;
  GHashTable *records; /* number → Record */
} Embedded;

typedef struct {
  guint64 number;
  RecordFunc func;
  gpointer user;
} Record;

static void
on_record (Embedded *self, const CoreReport *report)
{
  Record *record = g_hash_table_lookup (self->records, &report->number);

  if (record)
    record->func (record->user, report->event, report->ifindex, report->family, report->rdata, report->size);
}

static void
on_report (gpointer user, const CoreReport *report)
{
  Embedded *self = user;

  switch (report->kind)
    {
    case REPORT_UP:
      discovery_on_up (self->front);
      break;
    case REPORT_DOWN:
      discovery_on_down (self->front, report->name, report->text);
      break;
    case REPORT_HOST:
      discovery_on_host (self->front, report->name);
      break;
    case REPORT_REGISTERED:
      if (report->number == self->registration)
        discovery_on_registered (self->front, report->outcome, report->text);
      break;
    case REPORT_UNTOLD:
      if (report->number != self->registration)
        break;
      log_warn ("discovery", "the TXT update was refused; registering anew");
      discovery_on_links (self->front);
      break;
    case REPORT_FOUND:
      if (report->number == self->browsing)
        discovery_on_found (self->front, report->name, report->text, report->ifindex, report->family, report->own);
      break;
    case REPORT_LOST:
      if (report->number == self->browsing)
        discovery_on_lost (self->front, report->name, report->text, report->ifindex, report->family);
      break;
    case REPORT_RECORD:
      on_record (self, report);
      break;
    }
}

static gpointer
embedded_open (Discovery *front, char **interfaces)
{
  Embedded *self = g_new0 (Embedded, 1);

  self->front = front;
  self->interfaces = interfaces;
  self->records = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, g_free);
  self->core = discovery_core_new (interfaces, on_report, self);
  return self;
}

static void
embedded_close (gpointer data)
{
  Embedded *self = data;

  discovery_core_free (self->core);
  g_hash_table_unref (self->records);
  g_free (self);
}

static gboolean
embedded_browse (gpointer data)
{
  Embedded *self = data;

  self->browsing = ++self->last_number;
  discovery_core_order (self->core, (CoreOrder){ .kind = ORDER_BROWSE, .number = self->browsing });
  return TRUE;
}

static gpointer
embedded_record_open (gpointer data, const char *name, guint16 type, RecordFunc func, gpointer user, GError **error)
{
  Embedded *self = data;
  Record *record = g_new0 (Record, 1);

  record->number = ++self->last_number;
  record->func = func;
  record->user = user;
  g_hash_table_insert (self->records, &record->number, record);
  discovery_core_order (self->core, (CoreOrder){ .kind = ORDER_WATCH, .number = record->number, .name = (char *) name, .type = type });
  return record;
}

static void
embedded_record_close (gpointer data, gpointer handle)
{
  Embedded *self = data;
  Record *record = handle;

  discovery_core_order (self->core, (CoreOrder){ .kind = ORDER_UNWATCH, .number = record->number });
  g_hash_table_remove (self->records, &record->number);
}

static gboolean
embedded_link (gpointer data, int ifindex, char name[16])
{
  return discovery_link_usable (ifindex, ((Embedded *) data)->interfaces, name);
}

static PublishResult
embedded_publish (gpointer data, const char *instance, guint16 port, const GPtrArray *txt, char **reason)
{
  Embedded *self = data;

  self->registration = ++self->last_number;
  discovery_core_order (self->core, (CoreOrder){ .kind = ORDER_PUBLISH, .number = self->registration, .name = (char *) instance,
                                                 .port = port, .txt = discovery_txt_to_list (txt) });
  return PUBLISH_BEGUN;
}

static gboolean
embedded_update_txt (gpointer data, const char *instance, const GPtrArray *txt)
{
  Embedded *self = data;

  discovery_core_order (self->core, (CoreOrder){ .kind = ORDER_UPDATE_TXT, .name = (char *) instance, .txt = discovery_txt_to_list (txt) });
  return TRUE;
}

static void
embedded_withdraw (gpointer data)
{
  Embedded *self = data;

  self->registration = 0;
  discovery_core_order (self->core, (CoreOrder){ .kind = ORDER_WITHDRAW });
}

const DiscoveryBackend discovery_backend_embedded = {
  .word = "embedded",
  .open = embedded_open,
  .close = embedded_close,
  .browse = embedded_browse,
  .publish = embedded_publish,
  .update_txt = embedded_update_txt,
  .withdraw = embedded_withdraw,
  .record_new = embedded_record_open,
  .record_free = embedded_record_close,
  .link = embedded_link,
};
