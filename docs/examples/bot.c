/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A bot that answers, with nothing but GDBus:   cc bot.c -o bot $(pkg-config --cflags --libs gio-2.0)
 *
 * It says back what people write whose key somebody accepted here, each message once: the cursor is the daemon's, it moves on only when
 * the answer is on disk, and an answer that was sent but not acknowledged before we died is not sent again (`token`).
 */
#include <gio/gio.h>

#define NAME "im.earshot.Earshot1"
#define ROOT "/im/earshot/Earshot1"
#define CONSUMER "example-bot"
#define ANSWER "You said: "

typedef struct {
  GDBusConnection *bus;
  gboolean busy, again; /* one Fetch at a time; Appended came meanwhile */
} Bot;

static void fetch (Bot *bot);

static void
call (Bot *bot, const char *method, GVariant *args, GAsyncReadyCallback done, gpointer user)
{
  g_dbus_connection_call (bot->bus, NAME, ROOT, NAME ".Messages", method, args, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, done, user);
}

/* Waits for the disk, which is what we want here; a bot that does more than this calls asynchronously. */
static gboolean
answer (Bot *bot, guint64 seq, const char *conversation, const char *body)
{
  g_autofree char *text = g_strconcat (ANSWER, body, NULL);
  g_autofree char *token = g_strdup_printf (CONSUMER "-%" G_GUINT64_FORMAT, seq);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autofree char *remote = NULL;
  GVariantBuilder options;

  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&options, "{sv}", "token", g_variant_new_string (token));
  g_variant_builder_add (&options, "{sv}", "require", g_variant_new_string ("pinned"));
  reply = g_dbus_connection_call_sync (bot->bus, NAME, ROOT, NAME ".Messages", "Send",
                                       g_variant_new ("(osa{sv})", conversation, text, &options), NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL,
                                       &error);
  if (reply != NULL)
    return TRUE;
  /* What the daemon refuses it will refuse again: go on with the next. Anything else is tried again later. */
  remote = g_dbus_error_get_remote_error (error);
  g_printerr ("no answer to %" G_GUINT64_FORMAT ": %s\n", seq, remote != NULL ? remote : "no daemon");
  return remote != NULL && g_str_has_prefix (remote, NAME ".Error.") && !g_str_equal (remote, NAME ".Error.StoreFull");
}

static void
on_fetched (GObject *source, GAsyncResult *result, gpointer user)
{
  Bot *bot = user;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (bot->bus, result, &error);
  g_autoptr (GVariantIter) entries = NULL;
  const char *kind, *conversation, *id;
  guint64 seq, last = 0, done = 0;
  gint64 time;
  gboolean more = FALSE, all = TRUE;
  GVariant *data;

  bot->busy = FALSE;
  if (reply == NULL)
    {
      g_printerr ("%s\n", error->message); /* on_appeared() begins anew when it is back */
      return;
    }
  g_variant_get (reply, "(a(txsosa{sv})tb)", &entries, &last, &more);
  while (all && g_variant_iter_next (entries, "(tx&s&o&s@a{sv})", &seq, &time, &kind, &conversation, &id, &data))
    {
      const char *direction = "", *body = "";

      g_variant_lookup (data, "direction", "&s", &direction);
      g_variant_lookup (data, "body", "&s", &body);
      /* Two bots must not talk to each other for ever. */
      if (g_str_equal (kind, "message") && g_str_equal (direction, "in") && !g_str_has_prefix (body, ANSWER))
        all = answer (bot, seq, conversation, body);
      if (all)
        done = seq;
      g_variant_unref (data);
    }
  if (all)
    done = last;
  if (done > 0)
    call (bot, "Ack", g_variant_new ("(st)", CONSUMER, done), NULL, NULL);
  if (all && (more || bot->again))
    fetch (bot);
}

static void
fetch (Bot *bot)
{
  bot->again = bot->busy;
  if (bot->busy)
    return;
  bot->busy = TRUE;
  call (bot, "Fetch", g_variant_new ("(sua{sv})", CONSUMER, 100, NULL), on_fetched, bot);
}

static void
on_appended (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *signal, GVariant *args,
             gpointer user)
{
  fetch (user); /* a hint and no more: what is new is fetched */
}

/* At our start, and whenever the daemon comes back. */
static void
on_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer user)
{
  Bot *bot = user;

  /* A repeat changes nothing: the cursor stays where it is. */
  call (bot, "CreateConsumer", g_variant_new ("(sa{sv})", CONSUMER, NULL), NULL, NULL);
  fetch (bot);
  g_print ("listening\n");
}

int
main (int argc, char **argv)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GError) error = NULL;
  Bot bot = { g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, &error), FALSE, FALSE };

  if (bot.bus == NULL)
    {
      g_printerr ("no session bus: %s\n", error->message);
      return 1;
    }
  g_dbus_connection_signal_subscribe (bot.bus, NAME, NAME ".Messages", "Appended", ROOT, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_appended, &bot,
                                      NULL);
  g_bus_watch_name_on_connection (bot.bus, NAME, G_BUS_NAME_WATCHER_FLAGS_AUTO_START, on_appeared, NULL, &bot, NULL);
  g_main_loop_run (loop);
  return 0;
}
