/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * im.earshot.Earshot1.Messages: sending, and reading the log. Send is the hot path: nothing here is done per message
 * that can be done per loop turn.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

#include <string.h>

#include "daemon/bus/bus-values.h"

#define LIMIT_MAX 1000
#define REPLY_MAX (1024 * 1024)
#define REPLY_SPARE 1024 /* the rest of the reply's body */
#define CONSUMER_MAX 64
#define ID_MAX 255
#define TOKEN_MAX 128
#define IDS_MAX 1000

static void
messages_refresh (Window *window, BusObject *object, GDBusInterfaceSkeleton *interface, gboolean full)
{
  EarshotMessages *skeleton = EARSHOT_MESSAGES (interface);
  Delivery *delivery = window->rooms.delivery;

  earshot_messages_set_head_seq (skeleton, delivery_get_head (delivery));
  earshot_messages_set_tail_seq (skeleton, delivery_get_tail (delivery));
  earshot_messages_set_queued (skeleton, delivery_get_queued (delivery, NULL));
  earshot_messages_set_held (skeleton, delivery_get_held (delivery, NULL));
  earshot_messages_set_unread (skeleton, delivery_get_unread (delivery, NULL));
}

void
bus_messages_emit_appended (Window *window, guint64 seq, const char *kind, guint32 contact)
{
  g_autofree char *path = contact != 0 ? bus_path_contact (contact) : g_strdup ("/");

  earshot_messages_emit_appended (EARSHOT_MESSAGES (window->root->skeletons[1]), seq, kind, path);
}

/* --- checks ---------------------------------------------------------------------------------------------------- */

static gboolean
check_consumer (const char *name, GError **error)
{
  gsize len = strlen (name);

  if (len >= 1 && len <= CONSUMER_MAX
      && strspn (name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len)
    return TRUE;
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT,
               "a consumer's name is 1 to %d of A-Z a-z 0-9 . _ -", CONSUMER_MAX);
  return FALSE;
}

/* A program in a sandbox has one consumer, of its own name: to move another's cursor would keep messages from whoever reads with it. */
static gboolean
check_own_consumer (BusCall *call, const char *name, GError **error)
{
  const char *own = call->app != NULL ? strchr (call->app, ':') + 1 : NULL;

  if (!check_consumer (name, error))
    return FALSE;
  if (own == NULL || g_str_equal (name, own))
    return TRUE;
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_ACCESS_DENIED, "in a sandbox your consumer is called %s", own);
  return FALSE;
}

gboolean
bus_check_id (const char *id, GError **error)
{
  if (*id != '\0')
    return bus_check_line ("the id", id, ID_MAX, error);
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "the id is empty");
  return FALSE;
}

/* XML 1.0 section 2.2: tab, line ends, and everything from U+0020 except surrogates, U+FFFE and U+FFFF. */
gboolean
bus_check_body (const char *body, GError **error)
{
  gsize len = strlen (body);

  if (len == 0)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "the body is empty");
      return FALSE;
    }
  if (len > DELIVERY_BODY_MAX)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_TOO_LARGE, "the body is longer than %d bytes",
                   DELIVERY_BODY_MAX);
      return FALSE;
    }
  for (const guchar *p = (const guchar *) body; *p != '\0'; p++)
    if ((*p < 0x20 && *p != '\t' && *p != '\n' && *p != '\r') || (p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe))
      {
        g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "the body has characters that XML forbids");
        return FALSE;
      }
  return TRUE;
}

gboolean
bus_check_kinds (char **kinds, GError **error)
{
  static const char *const known[] = { "message", "state", "read",    "edit",     "retract",
                                       "reaction", "trust", "request", "transfer", NULL };

  for (gsize i = 0; kinds != NULL && kinds[i] != NULL; i++)
    if (!g_strv_contains (known, kinds[i]))
      {
        g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "no such kind: %.64s", kinds[i]);
        return FALSE;
      }
  return TRUE;
}

/* 0 for `/`. */
gboolean
bus_check_conversation (Window *window, const char *path, guint32 *id, GError **error)
{
  Contact *contact;

  *id = 0;
  if (g_str_equal (path, "/"))
    return TRUE;
  contact = bus_contact_at (window, path, error);
  if (contact != NULL)
    *id = contact_get_id (contact);
  return contact != NULL;
}

static guint
cap_limit (guint limit)
{
  return limit == 0 ? LIMIT_MAX : MIN (limit, LIMIT_MAX);
}

/* --- entries --------------------------------------------------------------------------------------------------- */

/* What people say, rather than what became of it. */
static gboolean
is_spoken (const LogEntry *entry)
{
  return g_str_equal (entry->kind, "message") || entry->about != NULL;
}

static void
add_state (Window *window, const LogEntry *entry, GVariantBuilder *builder)
{
  const char *live = NULL, *reason = entry->reason;

  if (is_spoken (entry) && g_strcmp0 (entry->state, "queued") == 0)
    {
      Contact *contact = contacts_get (window->rooms.contacts, entry->contact);

      live = delivery_get_live_state (window->rooms.delivery, entry->id);
      /* What it waits for is known now, not when it was stored. */
      if (live == NULL && contact != NULL && (reason == NULL || *reason == '\0'))
        reason = contact_get_last_error (contact);
    }
  bus_dict_add_text (builder, "state", live != NULL ? live : entry->state);
  bus_dict_add_text (builder, "reason", reason);
}

static void
add_message (Window *window, const LogEntry *entry, const char *path, GVariantBuilder *builder)
{
  gboolean in = entry->direction == DIRECTION_IN;

  bus_dict_add (builder, "direction", g_variant_new_string (in ? "in" : "out"));
  bus_dict_add (builder, "from", g_variant_new_object_path (in ? path : "/"));
  if (entry->has_key)
    bus_dict_add (builder, "key", g_variant_new_take_string (fingerprint_to_hex (&entry->key)));
  if (!g_str_equal (entry->kind, "retract") && !g_str_equal (entry->kind, "reaction"))
    bus_dict_add (builder, "body", bus_text_new (entry->body));
  bus_dict_add (builder, "sent_time", g_variant_new_int64 (entry->sent_time));
  bus_dict_add_text (builder, "trust", entry->trust);
  bus_dict_add (builder, "insecure", g_variant_new_boolean (entry->insecure));
  if (entry->imported)
    bus_dict_add (builder, "imported", g_variant_new_boolean (TRUE));
  bus_dict_add_text (builder, "thread", entry->thread);
  bus_dict_add_text (builder, "reply_to", entry->reply_to);
  bus_amend_describe (window, entry, builder);
}

static GVariant *
describe_entry (Window *window, const LogEntry *entry)
{
  g_autofree char *path = entry->contact != 0 ? bus_path_contact (entry->contact) : g_strdup ("/");
  GVariantBuilder data;
  GVariant *children[6];

  g_variant_builder_init (&data, G_VARIANT_TYPE_VARDICT);
  if (is_spoken (entry))
    add_message (window, entry, path, &data);
  add_state (window, entry, &data);
  children[0] = g_variant_new_uint64 (entry->seq);
  children[1] = g_variant_new_int64 (entry->time);
  children[2] = g_variant_new_string (entry->kind);
  children[3] = g_variant_new_object_path (path);
  children[4] = bus_text_new (entry->id);
  children[5] = g_variant_builder_end (&data);
  return g_variant_new_tuple (children, G_N_ELEMENTS (children));
}

/* a(txsosa{sv}) of at most 1 MiB, floating; `*last` is the last entry that found room, `*more` is raised if one did not. */
static GVariant *
describe_entries (Window *window, GPtrArray *entries, guint64 *last, gboolean *more)
{
  GVariantBuilder builder;
  gsize size = REPLY_SPARE;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(txsosa{sv})"));
  for (guint i = 0; i < entries->len; i++)
    {
      g_autoptr (GVariant) item = g_variant_ref_sink (describe_entry (window, entries->pdata[i]));

      /* D-Bus pads more than GVariant does; an eighth and a few bytes cover it. */
      size += g_variant_get_size (item) + g_variant_get_size (item) / 8 + 16;
      if (size > REPLY_MAX && i > 0)
        {
          *more = TRUE;
          *last = ((const LogEntry *) entries->pdata[i - 1])->seq;
          break;
        }
      g_variant_builder_add_value (&builder, item);
    }
  return g_variant_builder_end (&builder);
}

/* --- sending --------------------------------------------------------------------------------------------------- */

static void
on_sent (gpointer user, const char *id, guint64 seq, const GError *error)
{
  BusCall *call = user;

  if (error != NULL)
    bus_call_return_error (call, error);
  else
    bus_call_return (call, g_variant_new ("(st)", id, seq));
}

typedef struct {
  char *token, *require, *reply_to, *thread, *edit_of, *url;
  gint64 expires;
  gboolean receipt, unstyled;
} SendOptions;

static void
send_options_clear (SendOptions *options)
{
  g_free (options->token);
  g_free (options->require);
  g_free (options->reply_to);
  g_free (options->thread);
  g_free (options->edit_of);
  g_free (options->url);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (SendOptions, send_options_clear)

static gboolean
parse_send_options (GVariant *given, SendOptions *options, Require *require, GError **error)
{
  const BusOption table[] = {
    { "token", "s", &options->token },
    { "require", "s", &options->require },
    { "expires", "x", &options->expires },
    { "reply_to", "s", &options->reply_to },
    { "thread", "s", &options->thread },
    { "receipt", "b", &options->receipt },
    { "edit_of", "s", &options->edit_of },
    { "url", "s", &options->url },
    { "unstyled", "b", &options->unstyled },
    { NULL, NULL, NULL },
  };

  if (!bus_options_parse (given, table, error))
    return FALSE;
  if ((options->token != NULL && !bus_check_line ("token", options->token, TOKEN_MAX, error))
      || (options->reply_to != NULL && !bus_check_line ("reply_to", options->reply_to, ID_MAX, error))
      || (options->thread != NULL && !bus_check_line ("thread", options->thread, ID_MAX, error)))
    return FALSE;
  if (options->edit_of != NULL && !bus_check_id (options->edit_of, error))
    return FALSE;
  if (options->token != NULL && *options->token == '\0')
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "token is empty");
  else if (!options->receipt)
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "receipt can only be true");
  else if (options->expires != 0 && options->expires <= g_get_real_time ())
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "expires is in the past");
  else if (options->require != NULL
           && (!require_from_string (options->require, require) || *require == REQUIRE_DEFAULT))
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "no such level for require: %.64s",
                 options->require);
  else
    return TRUE;
  return FALSE;
}

static void
send_message (BusCall *call, GVariant *args)
{
  Window *window = call->window;
  g_autoptr (GVariant) given = NULL;
  g_auto (SendOptions) options = { .receipt = TRUE };
  DeliveryOptions send = { .require = REQUIRE_DEFAULT };
  const char *path, *body;
  GError *error = NULL;
  Contact *contact = NULL;

  g_variant_get (args, "(&o&s@a{sv})", &path, &body, &given);
  if (parse_send_options (given, &options, &send.require, &error) && bus_check_body (body, &error))
    contact = bus_contact_at (window, path, &error);
  if (contact == NULL)
    {
      bus_call_take_error (call, error);
      return;
    }
  if (options.require == NULL
      && !require_from_string (delivery_get_require (window->rooms.delivery, contact), &send.require))
    send.require = REQUIRE_DEFAULT;
  send.token = options.token;
  send.expires = options.expires;
  send.reply_to = options.reply_to;
  send.thread = options.thread;
  send.edit_of = options.edit_of;
  send.url = options.url;
  send.unstyled = options.unstyled;
  delivery_send (window->rooms.delivery, contact, body, &send, on_sent, call);
}

/* --- one message by its id ------------------------------------------------------------------------------------- */

static const char *
arg_id (BusCall *call, GVariant *args)
{
  GError *error = NULL;
  const char *id;

  g_variant_get_child (args, 0, "&s", &id);
  if (bus_check_id (id, &error))
    return id;
  bus_call_take_error (call, error);
  return NULL;
}

static void
cancel (BusCall *call, GVariant *args)
{
  const char *id = arg_id (call, args);

  if (id != NULL)
    delivery_cancel (call->window->rooms.delivery, id, bus_call_done, call);
}

static void
retry (BusCall *call, GVariant *args)
{
  const char *id = arg_id (call, args);

  if (id != NULL)
    delivery_retry (call->window->rooms.delivery, id, bus_call_done, call);
}

static void
on_got (gpointer user, const LogEntry *entry, const GError *error)
{
  BusCall *call = user;
  GVariantBuilder data;
  g_autofree char *path = NULL;

  if (error != NULL || call->window->closed || entry == NULL)
    {
      if (error != NULL)
        bus_call_return_error (call, error);
      else
        bus_call_fail (call, EARSHOT_ERROR_NOT_FOUND, "no such message");
      return;
    }
  path = bus_path_contact (entry->contact);
  g_variant_builder_init (&data, G_VARIANT_TYPE_VARDICT);
  bus_dict_add (&data, "seq", g_variant_new_uint64 (entry->seq));
  bus_dict_add (&data, "time", g_variant_new_int64 (entry->time));
  bus_dict_add (&data, "conversation", g_variant_new_object_path (path));
  bus_dict_add_text (&data, "id", entry->id);
  bus_dict_add_text (&data, "kind", entry->kind);
  add_message (call->window, entry, path, &data);
  add_state (call->window, entry, &data);
  bus_call_return (call, g_variant_new ("(a{sv})", &data));
}

static void
get (BusCall *call, GVariant *args)
{
  const char *id = arg_id (call, args);

  if (id != NULL)
    history_get (call->window->rooms.history, id, on_got, call);
}

static void
delete_messages (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) options = NULL;
  g_auto (GStrv) ids = NULL;
  GError *error = NULL;
  guint n;

  g_variant_get (args, "(^as@a{sv})", &ids, &options);
  n = g_strv_length (ids);
  if (n == 0 || n > IDS_MAX)
    g_set_error (&error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "1 to %d ids", IDS_MAX);
  else
    bus_options_none (options, &error);
  for (guint i = 0; error == NULL && i < n; i++)
    bus_check_id (ids[i], &error);
  if (error != NULL)
    {
      bus_call_take_error (call, error);
      return;
    }
  delivery_delete (call->window->rooms.delivery, (const char *const *) ids, bus_call_done, call);
}

/* --- reading the log ------------------------------------------------------------------------------------------- */

static void
on_fetched (gpointer user, GPtrArray *entries, gboolean more, guint64 last, const GError *error)
{
  BusCall *call = user;
  g_autoptr (GPtrArray) owned = entries;
  GVariant *list;

  if (error != NULL)
    {
      bus_call_return_error (call, error);
      return;
    }
  if (call->window->closed)
    {
      bus_call_fail (call, EARSHOT_ERROR_FAILED, "earshotd is going away");
      return;
    }
  list = describe_entries (call->window, entries, &last, &more);
  bus_call_return (call, g_variant_new ("(@a(txsosa{sv})tb)", list, last, more));
}

static void
fetch (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) filter = NULL;
  g_autofree char *path = NULL;
  g_auto (GStrv) kinds = NULL;
  const BusOption table[] = { { "conversation", "o", &path }, { "kinds", "as", &kinds }, { NULL, NULL, NULL } };
  const char *consumer;
  GError *error = NULL;
  guint32 contact = 0;
  guint limit;

  g_variant_get (args, "(&su@a{sv})", &consumer, &limit, &filter);
  if (!check_own_consumer (call, consumer, &error) || !bus_options_parse (filter, table, &error) || !bus_check_kinds (kinds, &error)
      || (path != NULL && !bus_check_conversation (call->window, path, &contact, &error)))
    bus_call_take_error (call, error);
  else
    history_fetch (call->window->rooms.history, consumer, cap_limit (limit), contact, (const char *const *) kinds,
                   on_fetched, call);
}

static void
on_listed (gpointer user, GPtrArray *entries, gboolean more, guint64 last, const GError *error)
{
  BusCall *call = user;
  g_autoptr (GPtrArray) owned = entries;
  GVariant *list;

  if (error != NULL)
    {
      bus_call_return_error (call, error);
      return;
    }
  if (call->window->closed)
    {
      bus_call_fail (call, EARSHOT_ERROR_FAILED, "earshotd is going away");
      return;
    }
  list = describe_entries (call->window, entries, &last, &more);
  bus_call_return (call, g_variant_new ("(@a(txsosa{sv})b)", list, more));
}

static void
list_log (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) filter = NULL;
  g_auto (GStrv) kinds = NULL;
  g_autofree char *words = NULL;
  const BusOption table[] = { { "kinds", "as", &kinds }, { "words", "s", &words }, { NULL, NULL, NULL } };
  const char *path;
  GError *error = NULL;
  guint32 contact = 0;
  guint64 before;
  guint limit;

  g_variant_get (args, "(&otu@a{sv})", &path, &before, &limit, &filter);
  if (!bus_options_parse (filter, table, &error) || !bus_check_kinds (kinds, &error)
      || !bus_check_conversation (call->window, path, &contact, &error))
    bus_call_take_error (call, error);
  else if (words != NULL && kinds != NULL && !g_strv_contains ((const char *const *) kinds, "message"))
    bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "words are in messages, which kinds leaves out");
  else if (words != NULL)
    history_search (call->window->rooms.history, contact, before, cap_limit (limit), words, on_listed, call);
  else
    history_list (call->window->rooms.history, contact, before, cap_limit (limit), (const char *const *) kinds,
                  on_listed, call);
}

/* --- consumers ------------------------------------------------------------------------------------------------- */

static const char *
arg_consumer (BusCall *call, GVariant *args)
{
  GError *error = NULL;
  const char *name;

  g_variant_get_child (args, 0, "&s", &name);
  if (check_own_consumer (call, name, &error))
    return name;
  bus_call_take_error (call, error);
  return NULL;
}

static void
ack (BusCall *call, GVariant *args)
{
  const char *name = arg_consumer (call, args);
  guint64 seq;

  if (name == NULL)
    return;
  g_variant_get_child (args, 1, "t", &seq);
  if (seq > delivery_get_head (call->window->rooms.delivery))
    bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "the log does not go that far");
  else
    history_ack (call->window->rooms.history, name, seq, bus_call_done, call);
}

static void
on_cursor (gpointer user, guint64 cursor, const GError *error)
{
  BusCall *call = user;

  if (error != NULL)
    bus_call_return_error (call, error);
  else
    bus_call_return (call, g_variant_new ("(t)", cursor));
}

static void
create_consumer (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (args, 1);
  gboolean from_start = FALSE;
  const BusOption table[] = { { "from_start", "b", &from_start }, { NULL, NULL, NULL } };
  const char *name = arg_consumer (call, args);
  GError *error = NULL;

  if (name == NULL)
    return;
  if (!bus_options_parse (options, table, &error))
    bus_call_take_error (call, error);
  else
    history_create_consumer (call->window->rooms.history, name, from_start, on_cursor, call);
}

static void
delete_consumer (BusCall *call, GVariant *args)
{
  const char *name = arg_consumer (call, args);

  if (name != NULL)
    history_delete_consumer (call->window->rooms.history, name, bus_call_done, call);
}

static void
on_consumers (gpointer user, GPtrArray *consumers, const GError *error)
{
  BusCall *call = user;
  g_autoptr (GPtrArray) owned = consumers;
  GVariantBuilder builder;

  if (error != NULL)
    {
      bus_call_return_error (call, error);
      return;
    }
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(stx)"));
  for (guint i = 0; i < consumers->len; i++)
    {
      const ConsumerRow *row = consumers->pdata[i];

      g_variant_builder_add (&builder, "(stx)", row->name, row->cursor, row->last_seen);
    }
  bus_call_return (call, g_variant_new ("(a(stx))", &builder));
}

static void
list_consumers (BusCall *call, GVariant *args)
{
  history_list_consumers (call->window->rooms.history, on_consumers, call);
}

static const BusVerb methods[] = {
  { "Send", send_message },
  { "Fetch", fetch },
  { "Ack", ack },
  { "List", list_log },
  { "Get", get },
  { "Cancel", cancel },
  { "Retry", retry },
  { "React", bus_amend_react },
  { "Retract", bus_amend_retract },
  { "Delete", delete_messages },
  { "Export", bus_messages_export },
  { "Import", bus_messages_import },
  { "CreateConsumer", create_consumer },
  { "DeleteConsumer", delete_consumer },
  { "ListConsumers", list_consumers },
  { NULL, NULL },
};

static const BusVerb setters[] = { { NULL, NULL } };

const BusInterface bus_messages = { earshot_messages_skeleton_get_type, methods, setters, messages_refresh, NULL };
