/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Messages.Export and Import. An export is pages of the log, each written to the caller's descriptor by a thread before the next one is
 * read: memory holds one page, the loop waits for nobody, and a reader that takes nothing for WRITE_WAIT_MS ends it. The descriptor is
 * the caller's own, flags and all: it is not made non-blocking, and never more than PIPE_BUF is written to a pipe that said it has room.
 *
 * Import takes entries and no file: what reads somebody's JSON is the caller, with the caller's rights.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 200
#define EXPORTS_MAX 2
#define WRITE_WAIT_MS 30000
#define IMPORT_MAX 1000
#define TEXT_MAX 255
#define TIME_MAX G_GINT64_CONSTANT (253402300800000000) /* the year 10000 */

static guint exports; /* going on; main thread */

typedef struct
{
  BusCall *call;
  int fd;
  guint32 contact;
  char **kinds;
  gint64 since;
  guint64 after, head, count;
  GString *text;
  gboolean more;
} Export;

static void
export_free (gpointer data)
{
  Export *export = data;

  close (export->fd);
  g_strfreev (export->kinds);
  g_string_free (export->text, TRUE);
  g_free (export);
  exports--;
}

/* --- JSON ------------------------------------------------------------------------------------------------------- */

static void
add_string (GString *line, const char *key, const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  g_string_append_printf (line, ",\"%s\":\"", key);
  for (const char *p = valid; *p != '\0'; p++)
    if (*p == '"' || *p == '\\')
      g_string_append_printf (line, "\\%c", *p);
    else if ((guchar) *p < 0x20 || *p == 0x7f)
      g_string_append_printf (line, "\\u%04x", (guint) (guchar) *p);
    else
      g_string_append_c (line, *p);
  g_string_append_c (line, '"');
}

static void
add_if (GString *line, const char *key, const char *text)
{
  if (text != NULL && *text != '\0')
    add_string (line, key, text);
}

static void
add_time (GString *line, const char *key, gint64 time)
{
  g_autoptr (GDateTime) when = time > 0 && time < TIME_MAX ? g_date_time_new_from_unix_utc (time / G_USEC_PER_SEC) : NULL;
  g_autofree char *text = when != NULL ? g_date_time_format (when, "%Y-%m-%dT%H:%M:%S") : NULL;

  if (text != NULL)
    g_string_append_printf (line, ",\"%s\":\"%s.%06dZ\"", key, text, (int) (time % G_USEC_PER_SEC));
}

static void
add_peer (GString *line, Window *window, const LogEntry *entry)
{
  const Contact *contact = contacts_get (window->rooms.contacts, entry->contact);
  Key *key = contact != NULL ? contact_get_active_key (contact) : NULL;
  g_autofree char *fp = entry->has_key ? fingerprint_to_hex (&entry->key) : key != NULL ? fingerprint_to_hex (key_get_fingerprint (key)) : NULL;
  g_autofree char *path = bus_path_contact (entry->contact);

  if (entry->contact == 0)
    return;
  g_string_append_printf (line, ",\"peer\":{\"contact\":\"%s\"", path);
  if (contact != NULL)
    add_if (line, "petname", contact_get_petname (contact));
  add_if (line, "fingerprint", fp);
  add_if (line, "trust", entry->trust);
  g_string_append_c (line, '}');
}

static void
add_line (GString *line, Window *window, const LogEntry *entry)
{
  g_string_append_printf (line, "{\"v\":1,\"type\":\"%s\",\"seq\":%" G_GUINT64_FORMAT, entry->kind, entry->seq);
  add_if (line, "id", entry->id);
  add_time (line, "time", entry->time);
  add_peer (line, window, entry);
  if (g_str_equal (entry->kind, "message"))
    {
      add_string (line, "direction", entry->direction == DIRECTION_IN ? "in" : "out");
      add_string (line, "body", entry->body != NULL ? entry->body : "");
      add_time (line, "sent_time", entry->sent_time);
      g_string_append_printf (line, ",\"insecure\":%s", entry->insecure ? "true" : "false");
      add_if (line, "thread", entry->thread);
      add_if (line, "reply_to", entry->reply_to);
      if (entry->imported)
        g_string_append (line, ",\"imported\":true");
    }
  add_if (line, "state", entry->state);
  add_if (line, "reason", entry->reason);
  g_string_append (line, "}\n");
}

/* --- writing, in a thread --------------------------------------------------------------------------------------- */

static void
write_page (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Export *export = data;
  const char *at = export->text->str;
  gsize left = export->text->len;
  struct stat st;
  gsize most = fstat (export->fd, &st) == 0 && S_ISREG (st.st_mode) ? 65536 : PIPE_BUF;

  while (left > 0)
    {
      struct pollfd ready = { .fd = export->fd, .events = POLLOUT };
      int n = poll (&ready, 1, WRITE_WAIT_MS);
      ssize_t written;

      if (n == 0)
        {
          g_task_return_new_error (task, EARSHOT_ERROR, EARSHOT_ERROR_TIMEOUT, "whoever reads the export takes nothing");
          return;
        }
      written = n < 0 ? -1 : write (export->fd, at, MIN (left, most));
      if (written < 0 && errno != EINTR && errno != EAGAIN)
        {
          g_task_return_new_error (task, EARSHOT_ERROR, errno == ENOSPC || errno == EDQUOT ? EARSHOT_ERROR_STORE_FULL : EARSHOT_ERROR_FAILED,
                                   "cannot write the export: %s", g_strerror (errno));
          return;
        }
      at += MAX (written, 0);
      left -= (gsize) MAX (written, 0);
    }
  g_task_return_boolean (task, TRUE);
}

static void export_next (Export *export);

static void
on_written (GObject *source, GAsyncResult *result, gpointer user)
{
  Export *export = user;
  BusCall *call = export->call;
  GError *error = NULL;

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    bus_call_take_error (call, error);
  else if (export->more && export->after < export->head)
    export_next (export);
  else
    bus_call_return (call, g_variant_new ("(t)", export->count));
}

static void
on_page (gpointer user, GPtrArray *entries, gboolean more, guint64 last, const GError *error)
{
  Export *export = user;
  BusCall *call = export->call;
  g_autoptr (GPtrArray) owned = entries;
  g_autoptr (GTask) task = NULL;

  if (error != NULL || call->window->closed)
    {
      if (error != NULL)
        bus_call_return_error (call, error);
      else
        bus_call_fail (call, EARSHOT_ERROR_FAILED, "earshotd is going away");
      return;
    }
  g_string_truncate (export->text, 0);
  for (guint i = 0; i < entries->len; i++)
    {
      const LogEntry *entry = entries->pdata[i];

      export->after = entry->seq;
      if (entry->seq > export->head || entry->time < export->since)
        continue;
      add_line (export->text, call->window, entry);
      export->count++;
    }
  export->more = more && entries->len > 0;
  task = g_task_new (NULL, NULL, on_written, export);
  g_task_set_task_data (task, export, NULL);
  g_task_run_in_thread (task, write_page);
}

static void
export_next (Export *export)
{
  Window *window = export->call->window;

  if (window->closed)
    bus_call_fail (export->call, EARSHOT_ERROR_FAILED, "earshotd is going away");
  else
    history_walk (window->rooms.history, export->contact, export->after, PAGE, (const char *const *) export->kinds, on_page, export);
}

/* The caller's descriptor, as one of ours; -1 with an error. */
static int
take_descriptor (BusCall *call, GVariant *args, GError **error)
{
  GUnixFDList *list = g_dbus_message_get_unix_fd_list (g_dbus_method_invocation_get_message (call->invocation));
  gint32 handle;
  int fd, flags;

  g_variant_get_child (args, 0, "h", &handle);
  fd = list != NULL && handle >= 0 && handle < g_unix_fd_list_get_length (list) ? g_unix_fd_list_get (list, handle, NULL) : -1;
  flags = fd >= 0 ? fcntl (fd, F_GETFL) : -1;
  if (flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && (flags & O_PATH) == 0)
    return fd;
  if (fd >= 0)
    close (fd);
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "out is not a descriptor that can be written to");
  return -1;
}

void
bus_messages_export (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) filter = g_variant_get_child_value (args, 1);
  g_autofree char *path = NULL;
  g_auto (GStrv) kinds = NULL;
  gint64 since = 0;
  const BusOption table[] = { { "conversation", "o", &path }, { "kinds", "as", &kinds }, { "since", "x", &since }, { NULL, NULL, NULL } };
  GError *error = NULL;
  guint32 contact = 0;
  Export *export;
  int fd = -1;

  if (!bus_options_parse (filter, table, &error) || !bus_check_kinds (kinds, &error)
      || (path != NULL && !bus_check_conversation (call->window, path, &contact, &error))
      || (fd = take_descriptor (call, args, &error)) < 0)
    {
      bus_call_take_error (call, error);
      return;
    }
  if (exports >= EXPORTS_MAX)
    {
      close (fd);
      bus_call_fail (call, EARSHOT_ERROR_QUOTA_EXCEEDED, "%d exports are going on", EXPORTS_MAX);
      return;
    }
  exports++;
  export = g_new0 (Export, 1);
  export->call = call;
  export->fd = fd;
  export->contact = contact;
  export->kinds = g_steal_pointer (&kinds);
  export->since = since;
  export->head = delivery_get_head (call->window->rooms.delivery);
  export->text = g_string_new (NULL);
  call->data = export;
  call->data_free = export_free;
  export_next (export);
}

/* --- back again ------------------------------------------------------------------------------------------------- */

static gboolean
is_trust_word (const char *word)
{
  static const char *const words[] = { "unknown", "pinned", "vouched", "ca", "verified", "revoked", "none", NULL };

  return g_strv_contains (words, word);
}

static gboolean
read_data (GVariant *data, LogEntry *entry, GError **error)
{
  g_autofree char *direction = NULL;
  g_autofree char *key = NULL;
  const BusOption table[] = {
    { "direction", "s", &direction }, { "sent_time", "x", &entry->sent_time }, { "key", "s", &key },
    { "trust", "s", &entry->trust }, { "insecure", "b", &entry->insecure }, { "thread", "s", &entry->thread },
    { "reply_to", "s", &entry->reply_to }, { "state", "s", &entry->state }, { "reason", "s", &entry->reason }, { NULL, NULL, NULL },
  };

  if (!bus_options_parse (data, table, error))
    return FALSE;
  if (direction == NULL || (!g_str_equal (direction, "in") && !g_str_equal (direction, "out")))
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "direction is in or out");
  else if (entry->sent_time < 0 || entry->sent_time >= TIME_MAX)
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "sent_time is no time");
  else if (entry->trust != NULL && !is_trust_word (entry->trust))
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "no such level: %.64s", entry->trust);
  else if ((key == NULL || bus_check_fingerprint (key, &entry->key, error))
           && (entry->thread == NULL || bus_check_line ("thread", entry->thread, TEXT_MAX, error))
           && (entry->reply_to == NULL || bus_check_line ("reply_to", entry->reply_to, TEXT_MAX, error))
           && (entry->state == NULL || bus_check_line ("state", entry->state, TEXT_MAX, error))
           && (entry->reason == NULL || bus_check_line ("reason", entry->reason, TEXT_MAX, error)))
    {
      entry->direction = g_str_equal (direction, "in") ? DIRECTION_IN : DIRECTION_OUT;
      entry->has_key = key != NULL;
      return TRUE;
    }
  return FALSE;
}

static LogEntry *
read_entry (Window *window, GVariant *item, GError **error)
{
  g_autoptr (LogEntry) entry = log_entry_new ();
  g_autoptr (GVariant) data = NULL;
  const char *path, *id, *body;

  g_variant_get (item, "(x&o&s&s@a{sv})", &entry->time, &path, &id, &body, &data);
  if (entry->time <= 0 || entry->time >= TIME_MAX)
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "the time is none");
  else if (bus_check_id (id, error) && bus_check_body (body, error)
           && bus_check_conversation (window, path, &entry->contact, error) && read_data (data, entry, error))
    {
      if (entry->contact != 0)
        {
          entry->id = g_strdup (id);
          entry->body = g_strdup (body);
          return g_steal_pointer (&entry);
        }
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "a message has a conversation");
    }
  return NULL;
}

static void
on_imported (gpointer user, guint added, guint skipped, guint64 last, const GError *error)
{
  BusCall *call = user;

  if (error != NULL)
    {
      bus_call_return_error (call, error);
      return;
    }
  if (last != 0 && !call->window->closed)
    delivery_raise_head (call->window->rooms.delivery, last);
  bus_call_return (call, g_variant_new ("(uu)", added, skipped));
}

void
bus_messages_import (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) list = g_variant_get_child_value (args, 0);
  g_autoptr (GVariant) options = g_variant_get_child_value (args, 1);
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func ((GDestroyNotify) log_entry_free);
  GError *error = NULL;
  gsize n = g_variant_n_children (list);

  if (n > IMPORT_MAX)
    g_set_error (&error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "at most %d entries", IMPORT_MAX);
  else
    bus_options_none (options, &error);
  for (gsize i = 0; i < n && error == NULL; i++)
    {
      g_autoptr (GVariant) item = g_variant_get_child_value (list, i);
      LogEntry *entry = read_entry (call->window, item, &error);

      if (entry != NULL)
        g_ptr_array_add (entries, entry);
      else
        g_prefix_error (&error, "entry %" G_GSIZE_FORMAT ": ", i);
    }
  if (error != NULL)
    bus_call_take_error (call, error);
  else
    history_import (call->window->rooms.history, g_steal_pointer (&entries), on_imported, call);
}
