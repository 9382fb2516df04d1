/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "cli/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/out.h"
#include "cli/progress.h"

#define LINE_MAX_BYTES (512 * 1024) /* a body of 60,000 bytes with every character escaped, and the rest */
#define DEPTH_MAX 8
#define BATCH_ENTRIES 200
#define EMOJIS_MAX 64
#define BATCH_BYTES (512 * 1024)

gboolean
archive_export (Ctl *ctl, const char *file, const char *conversation, gint64 since, GError **error)
{
  g_autoptr (EarshotMessages) messages = ctl_messages (ctl, error);
  g_autoptr (GVariantBuilder) filter = g_variant_builder_new (G_VARIANT_TYPE_VARDICT);
  g_autoptr (GUnixFDList) list = g_unix_fd_list_new ();
  g_autoptr (GVariant) reply = NULL;
  gboolean to_stdout = g_str_equal (file, "-");
  guint64 count;
  /* Not over a file that is there: it may be the only copy. */
  int fd = to_stdout ? dup (STDOUT_FILENO) : open (file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  gboolean done;

  if (messages == NULL || fd < 0 || g_unix_fd_list_append (list, fd, error) < 0)
    {
      if (messages != NULL && fd < 0)
        g_set_error (error, CLI_ERROR, CLI_ERROR_FAILED, "cannot write %s: %s", file, g_strerror (errno));
      if (fd >= 0)
        close (fd);
      return FALSE;
    }
  g_variant_builder_add (filter, "{sv}", "conversation", g_variant_new_object_path (conversation));
  if (since > 0)
    g_variant_builder_add (filter, "{sv}", "since", g_variant_new_int64 (since));
  /* The daemon writes to our terminal itself then. */
  if (!to_stdout || !ctl->tty_out)
    progress_begin (ctl, "exporting");
  /* As long as it takes, or as --timeout says. */
  reply = g_dbus_proxy_call_with_unix_fd_list_sync (G_DBUS_PROXY (messages), "Export",
                                                    g_variant_new ("(h@a{sv})", 0, g_variant_builder_end (filter)),
                                                    G_DBUS_CALL_FLAGS_NONE, ctl->deadline > 0 ? ctl_call_timeout (ctl) : G_MAXINT, list,
                                                    NULL, NULL, error);
  progress_end ();
  done = reply != NULL && (to_stdout || fsync (fd) == 0);
  close (fd);
  if (!done)
    return FALSE;
  g_variant_get (reply, "(t)", &count);
  ctl_note (ctl, "%" G_GUINT64_FORMAT " entries exported", count);
  return TRUE;
}

/* --- back ------------------------------------------------------------------------ */

typedef struct {
  Ctl *ctl;
  EarshotMessages *messages;
  gboolean amended;        /* the daemon takes more than plain messages */
  GPtrArray *batch;        /* GVariant */
  gsize bytes;
  guint64 added, skipped, strangers, others;
} Import;

/* The parser goes down for each bracket: a line of brackets only is not for it. */
static gboolean
is_flat (const char *line)
{
  gboolean in_string = FALSE;
  int depth = 0;

  for (const char *p = line; *p != '\0'; p++)
    if (in_string && *p == '\\' && p[1] != '\0')
      p++;
    else if (*p == '"')
      in_string = !in_string;
    else if (!in_string && (*p == '{' || *p == '['))
      {
        if (++depth > DEPTH_MAX)
          return FALSE;
      }
    else if (!in_string && (*p == '}' || *p == ']'))
      depth--;
  return TRUE;
}

static const char *
member (JsonObject *object, const char *name)
{
  JsonNode *node = object != NULL ? json_object_get_member (object, name) : NULL;

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : NULL;
}

static gboolean
flag (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_BOOLEAN && json_node_get_boolean (node);
}

static gint64
time_of (JsonObject *object, const char *name)
{
  const char *text = member (object, name);
  g_autoptr (GDateTime) when = text != NULL && strlen (text) < 64 ? g_date_time_new_from_iso8601 (text, NULL) : NULL;

  return when != NULL ? g_date_time_to_unix (when) * G_USEC_PER_SEC + g_date_time_get_microsecond (when) : 0;
}

/* The contact that has the key; NULL: nobody here. A name says nothing about whose message it was. */
static const char *
find_contact (Ctl *ctl, const char *fingerprint)
{
  g_autofree char *path = NULL;

  if (fingerprint == NULL || strlen (fingerprint) != 64 || strspn (fingerprint, "0123456789abcdef") != 64)
    return NULL;
  path = g_strconcat (EARSHOT_ROOT "/key/", fingerprint, NULL);
  return model_has (ctl->model, path, "Key") ? model_string (ctl->model, path, "Key", "Contact") : NULL;
}

static void
add_text (GVariantBuilder *data, const char *key, const char *text)
{
  if (text != NULL && *text != '\0')
    g_variant_builder_add (data, "{sv}", key, g_variant_new_string (text));
}

/* How many of the batch the daemon took; FALSE with INVALID_ARGUMENT: none, for one of them is not fit. */
static gboolean
call_import (Import *import, GVariant *const *entries, guint n, GError **error)
{
  guint added = 0, skipped = 0;

  if (!earshot_messages_call_import_sync (import->messages, g_variant_new_array (G_VARIANT_TYPE ("(xossa{sv})"), entries, n), ctl_no_options (),
                                          &added, &skipped, NULL, error))
    return FALSE;
  import->added += added;
  import->skipped += skipped;
  progress_begin (import->ctl, "importing: %" G_GUINT64_FORMAT " entries", import->added + import->skipped);
  return TRUE;
}

/* Where it refuses one of them it gets them one by one: a line that somebody made up does not take its neighbours along. */
static gboolean
send_batch (Import *import, GError **error)
{
  g_autoptr (GPtrArray) batch = import->batch;
  GVariant *const *entries = (GVariant *const *) batch->pdata;
  g_autoptr (GError) refused = NULL;

  import->batch = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  import->bytes = 0;
  if (batch->len == 0 || call_import (import, entries, batch->len, &refused))
    return TRUE;
  for (guint i = 0; i < batch->len && refused != NULL && exit_code_of_error (refused, NULL, NULL) == EXIT_USAGE; i++)
    {
      g_autoptr (GError) alone = NULL;

      if (batch->len > 1 && call_import (import, &entries[i], 1, &alone))
        continue;
      if (batch->len > 1 && exit_code_of_error (alone, NULL, NULL) != EXIT_USAGE)
        {
          g_propagate_error (error, g_steal_pointer (&alone));
          return FALSE;
        }
      import->others++;
    }
  if (exit_code_of_error (refused, NULL, NULL) == EXIT_USAGE)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&refused));
  return FALSE;
}

/* A plain entry, as most are; the daemon judges the rest. */
static gboolean
is_fit (const char *id, const char *body, const char *direction, gint64 time)
{
  gsize n = id != NULL ? strlen (id) : 0;

  if (n == 0 || n > 255 || body == NULL || strlen (body) > 60000 || time <= 0
      || (g_strcmp0 (direction, "in") != 0 && g_strcmp0 (direction, "out") != 0))
    return FALSE;
  for (const guchar *p = (const guchar *) id; *p != '\0'; p++)
    if (*p < 0x20 || *p == 0x7f)
      return FALSE;
  for (const guchar *p = (const guchar *) body; *p != '\0'; p++)
    if ((*p < 0x20 && *p != '\t' && *p != '\n' && *p != '\r') || (p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe))
      return FALSE;
  return TRUE;
}

static const char *
short_line (JsonObject *object, const char *name)
{
  const char *text = member (object, name);

  if (text == NULL || strlen (text) > 255)
    return NULL;
  for (const guchar *p = (const guchar *) text; *p != '\0'; p++)
    if (*p < 0x20 || *p == 0x7f)
      return NULL;
  return text;
}

/* Texts of an array of texts, at most EMOJIS_MAX; NULL: no such array. */
static char **
dup_words (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);
  JsonArray *array = node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  g_autoptr (GStrvBuilder) words = g_strv_builder_new ();

  if (array == NULL)
    return NULL;
  for (guint i = 0; i < MIN (json_array_get_length (array), EMOJIS_MAX); i++)
    {
      JsonNode *item = json_array_get_element (array, i);

      if (JSON_NODE_HOLDS_VALUE (item) && json_node_get_value_type (item) == G_TYPE_STRING)
        g_strv_builder_add (words, json_node_get_string (item));
    }
  return g_strv_builder_end (words);
}

static void
add_words (GVariantBuilder *data, const char *key, JsonObject *object)
{
  g_auto (GStrv) words = dup_words (object, "emojis");

  if (words != NULL)
    g_variant_builder_add (data, "{sv}", key, g_variant_new_strv ((const char *const *) words, -1));
}

static void
add_reactions (GVariantBuilder *data, JsonObject *object)
{
  JsonNode *node = json_object_get_member (object, "reactions");
  JsonArray *array = node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  gboolean in = FALSE, out = FALSE;

  for (guint i = 0; array != NULL && i < MIN (json_array_get_length (array), 2); i++)
    {
      JsonNode *item = json_array_get_element (array, i);
      JsonObject *one = JSON_NODE_HOLDS_OBJECT (item) ? json_node_get_object (item) : NULL;
      gboolean ours = g_strcmp0 (member (one, "direction"), "out") == 0;

      if (one == NULL || (ours ? out : in))
        continue;
      add_words (data, ours ? "reactions_out" : "reactions_in", one);
      *(ours ? &out : &in) = TRUE;
    }
}

static void
add_when (GVariantBuilder *data, const char *key, JsonObject *object)
{
  gint64 time = time_of (object, key);

  if (time > 0)
    g_variant_builder_add (data, "{sv}", key, g_variant_new_int64 (time));
}

/* What became of a message, or what an edit, retract or reaction is about; daemons before this one know neither. */
static void
add_amended (GVariantBuilder *data, JsonObject *object, const char *kind)
{
  const char *url = member (object, "url");

  if (url != NULL && strlen (url) <= 2048)
    add_text (data, "url", url);
  if (flag (object, "unstyled"))
    g_variant_builder_add (data, "{sv}", "unstyled", g_variant_new_boolean (TRUE));
  if (g_str_equal (kind, "message"))
    {
      add_when (data, "edited", object);
      add_when (data, "retracted", object);
      add_text (data, "change_state", short_line (object, "change_state"));
      add_text (data, "change_reason", short_line (object, "change_reason"));
      add_reactions (data, object);
      return;
    }
  add_text (data, "kind", kind);
  add_text (data, "about", short_line (object, "about"));
  if (g_str_equal (kind, "reaction"))
    add_words (data, "emojis", object);
}

static gboolean
add_entry (Import *import, JsonObject *object, const char *kind, gsize length, GError **error)
{
  static const char *const levels[] = { "unknown", "pinned", "vouched", "ca", "verified", "revoked", "none", NULL };
  JsonNode *peer_node = json_object_get_member (object, "peer");
  JsonObject *peer = peer_node != NULL && JSON_NODE_HOLDS_OBJECT (peer_node) ? json_node_get_object (peer_node) : NULL;
  const char *fingerprint = member (peer, "fingerprint"), *trust = member (peer, "trust");
  const char *id = member (object, "id"), *body = member (object, "body"), *direction = member (object, "direction");
  const char *contact = find_contact (import->ctl, fingerprint);
  gint64 time = time_of (object, "time");
  GVariantBuilder data;

  if (!is_fit (id, body != NULL ? body : "", direction, time))
    {
      import->others++;
      return TRUE;
    }
  if (contact == NULL)
    {
      import->strangers++;
      return TRUE;
    }
  g_variant_builder_init (&data, G_VARIANT_TYPE_VARDICT);
  add_text (&data, "direction", direction);
  if (g_str_equal (direction, "in"))
    add_text (&data, "key", fingerprint);
  if (trust != NULL && g_strv_contains (levels, trust))
    add_text (&data, "trust", trust);
  add_when (&data, "sent_time", object);
  g_variant_builder_add (&data, "{sv}", "insecure", g_variant_new_boolean (flag (object, "insecure")));
  add_text (&data, "thread", short_line (object, "thread"));
  add_text (&data, "reply_to", short_line (object, "reply_to"));
  add_text (&data, "state", short_line (object, "state"));
  add_text (&data, "reason", short_line (object, "reason"));
  if (import->amended)
    add_amended (&data, object, kind);
  g_ptr_array_add (import->batch, g_variant_ref_sink (g_variant_new ("(xossa{sv})", time, contact, id, body != NULL ? body : "", &data)));
  import->bytes += length;
  return (import->batch->len < BATCH_ENTRIES && import->bytes < BATCH_BYTES) || send_batch (import, error);
}

/* NULL: nothing to import. */
static const char *
kind_of (const Import *import, JsonObject *object)
{
  static const char *const kinds[] = { "message", "edit", "retract", "reaction", NULL };
  const char *type = member (object, "type");

  return type != NULL && g_strv_contains (kinds, type) && (import->amended || g_str_equal (type, "message")) ? type : NULL;
}

static gboolean
take_line (Import *import, const char *line, gsize length, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  const char *kind;
  JsonNode *root;

  if (length == 0)
    return TRUE;
  if (strlen (line) != length || !g_utf8_validate (line, (gssize) length, NULL) || !is_flat (line)
      || !json_parser_load_from_data (parser, line, (gssize) length, NULL) || (root = json_parser_get_root (parser)) == NULL
      || !JSON_NODE_HOLDS_OBJECT (root) || (kind = kind_of (import, json_node_get_object (root))) == NULL)
    {
      import->others++;
      return TRUE;
    }
  return add_entry (import, json_node_get_object (root), kind, length, error);
}

/* Lines of at most LINE_MAX_BYTES; of a longer one nothing is taken. */
static gboolean
take_file (Import *import, FILE *file, GError **error)
{
  g_autofree char *line = g_malloc (LINE_MAX_BYTES + 2);
  gboolean too_long = FALSE;
  gsize length = 0;
  int c;

  while ((c = getc_unlocked (file)) != EOF)
    {
      if (c != '\n' && length < LINE_MAX_BYTES)
        {
          line[length++] = (char) c;
          continue;
        }
      if (c != '\n')
        {
          too_long = TRUE;
          continue;
        }
      line[length] = '\0';
      if (too_long)
        import->others++;
      else if (!take_line (import, line, length, error))
        return FALSE;
      too_long = FALSE;
      length = 0;
    }
  if (ferror (file))
    {
      g_set_error (error, CLI_ERROR, CLI_ERROR_FAILED, "cannot read the file: %s", g_strerror (errno));
      return FALSE;
    }
  line[length] = '\0';
  if (too_long)
    import->others++;
  else if (!take_line (import, line, length, error))
    return FALSE;
  return send_batch (import, error);
}

gboolean
archive_import (Ctl *ctl, const char *file, GError **error)
{
  g_autoptr (EarshotMessages) messages = ctl_messages (ctl, error);
  Import import = { .ctl = ctl, .messages = messages };
  g_autofree const char **features = NULL;
  FILE *in = g_str_equal (file, "-") ? stdin : fopen (file, "re");
  gboolean done;

  if (messages == NULL || in == NULL)
    {
      if (in == NULL && messages != NULL)
        g_set_error (error, CLI_ERROR, CLI_ERROR_FAILED, "cannot read %s: %s", file, g_strerror (errno));
      else if (in != NULL && in != stdin)
        fclose (in);
      return FALSE;
    }
  features = model_strv (ctl->model, EARSHOT_ROOT, "Manager", "Features");
  import.amended = g_strv_contains (features, "import-amended");
  import.batch = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  done = take_file (&import, in, error);
  g_ptr_array_unref (import.batch);
  if (in != stdin)
    fclose (in);
  ctl_note (ctl, "%" G_GUINT64_FORMAT " entries imported, %" G_GUINT64_FORMAT " were there already", import.added, import.skipped);
  if (import.strangers > 0)
    ctl_note (ctl, "%" G_GUINT64_FORMAT " left out: nobody here has their key", import.strangers);
  if (import.others > 0)
    ctl_note (ctl, "%" G_GUINT64_FORMAT " lines left out: nothing that was said", import.others);
  return done;
}
