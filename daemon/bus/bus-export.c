/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Messages.Export. An export is pages of the log, each written to the caller's descriptor by a thread before the next one is
 * read: memory holds one page, the loop waits for nobody, and a reader that takes nothing for WRITE_WAIT_MS ends it. The descriptor is
 * the caller's own, flags and all: it is not made non-blocking, and never more than PIPE_BUF is written to a pipe that said it has room.
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
add_text (GString *line, const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);

  g_string_append_c (line, '"');
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
add_string (GString *line, const char *key, const char *text)
{
  g_string_append_printf (line, ",\"%s\":", key);
  add_text (line, text);
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

/* Emojis with one space between, as they are on disk. */
static void
add_emojis (GString *line, const char *joined)
{
  g_auto (GStrv) words = joined != NULL && *joined != '\0' ? g_strsplit (joined, " ", -1) : g_new0 (char *, 1);

  g_string_append (line, "\"emojis\":[");
  for (guint i = 0; words[i] != NULL; i++)
    {
      g_string_append (line, i > 0 ? "," : "");
      add_text (line, words[i]);
    }
  g_string_append_c (line, ']');
}

static void
add_reactions (GString *line, const LogEntry *entry)
{
  const char *const joined[] = { entry->reactions_in, entry->reactions_out };
  gboolean some = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (joined); i++)
    if (joined[i] != NULL && *joined[i] != '\0')
      {
        g_string_append (line, some ? "," : ",\"reactions\":[");
        g_string_append_printf (line, "{\"direction\":\"%s\",", i == 0 ? "in" : "out");
        add_emojis (line, joined[i]);
        g_string_append_c (line, '}');
        some = TRUE;
      }
  if (some)
    g_string_append_c (line, ']');
}

/* What became of a message. */
static void
add_amended (GString *line, const LogEntry *entry)
{
  add_time (line, "edited", entry->edited);
  add_time (line, "retracted", entry->retracted);
  add_if (line, "change_state", entry->change_state);
  add_if (line, "change_reason", entry->change_reason);
  add_if (line, "url", entry->url);
  if (entry->unstyled)
    g_string_append (line, ",\"unstyled\":true");
  add_reactions (line, entry);
}

static void
add_amendment (GString *line, const LogEntry *entry)
{
  add_string (line, "direction", entry->direction == DIRECTION_IN ? "in" : "out");
  add_string (line, "about", entry->about);
  if (g_str_equal (entry->kind, "edit"))
    add_string (line, "body", entry->body != NULL ? entry->body : "");
  if (!g_str_equal (entry->kind, "reaction"))
    return;
  g_string_append_c (line, ',');
  add_emojis (line, entry->body);
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
      add_amended (line, entry);
    }
  else if (entry->about != NULL)
    {
      add_amendment (line, entry);
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
