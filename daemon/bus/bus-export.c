/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Messages.Export. An export is pages of the log, each poured into the caller's descriptor (bus-pour.h) by a thread before the next one is
 * read: memory holds one page, the loop waits for nobody, and a reader that takes next to nothing for PATIENCE_MS ends it. EXPORTS_MAX go on
 * at a time, one of each caller and one of all applications in sandboxes: none of these keeps a person's programs from it.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <unistd.h>

#include "daemon/bus/bus-pour.h"

#define PAGE 200
#define EXPORTS_MAX 2
#define PATIENCE_MS 30000
#define TIME_MAX G_GINT64_CONSTANT (253402300800000000) /* the year 10000 */

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
  BusPour pour;            /* the thread's, while it writes */
} Export;

static Export *exports[EXPORTS_MAX]; /* going on, NULL = free; main thread */

static void
export_free (gpointer data)
{
  Export *export = data;

  close (export->fd);
  g_strfreev (export->kinds);
  g_string_free (export->text, TRUE);
  g_free (export);
  for (guint i = 0; i < EXPORTS_MAX; i++)
    if (exports[i] == export)
      exports[i] = NULL;
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
  GError *error = NULL;

  if (bus_pour (&export->pour, export->fd, export->text->str, export->text->len, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
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

/* An application is one caller however often it connects; of other programs a connection tells. */
static gboolean
is_same_caller (const BusCall *one, const BusCall *two)
{
  if (one->app != NULL || two->app != NULL)
    return g_strcmp0 (one->app, two->app) == 0;
  return one->window == two->window && g_strcmp0 (bus_call_get_sender (one), bus_call_get_sender (two)) == 0;
}

/* Where to put it; NULL after having failed the call. */
static Export **
find_slot (BusCall *call)
{
  Export **slot = NULL;

  for (guint i = 0; i < EXPORTS_MAX; i++)
    {
      const BusCall *other = exports[i] != NULL ? exports[i]->call : NULL;

      if (other == NULL)
        slot = &exports[i];
      else if (is_same_caller (call, other) || (call->app != NULL && other->app != NULL))
        {
          bus_call_fail (call, EARSHOT_ERROR_QUOTA_EXCEEDED, "an export of %s is going on",
                         is_same_caller (call, other) ? "yours" : "another application");
          return NULL;
        }
    }
  if (slot == NULL)
    bus_call_fail (call, EARSHOT_ERROR_QUOTA_EXCEEDED, "%d exports are going on", EXPORTS_MAX);
  return slot;
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
  Export *export, **slot;
  int fd = -1;

  if (!bus_options_parse (filter, table, &error) || !bus_check_kinds (kinds, &error)
      || (path != NULL && !bus_check_conversation (call->window, path, &contact, &error))
      || (fd = take_descriptor (call, args, &error)) < 0)
    {
      bus_call_take_error (call, error);
      return;
    }
  slot = find_slot (call);
  if (slot == NULL)
    {
      close (fd);
      return;
    }
  export = *slot = g_new0 (Export, 1);
  export->pour.patience_ms = PATIENCE_MS;
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
