/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The load: sends on one bus, hears on the other, and prints what it measured as one JSON object. It knows nothing of
 * what is between: earshotd or floor.c.
 *
 *   bench-client SENDER-BUS RECEIVER-BUS CONVERSATION LATENCY-ROUNDS MESSAGES STREAM-ROUNDS */
#include "earshot-config.h"

#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>

#define NAME "im.earshot.Earshot1"
#define ROOT "/im/earshot/Earshot1"
#define WINDOW 256
#define BATCH 500
#define PATIENCE_S 120

typedef struct {
  GDBusConnection *sender, *receiver;
  const char *conversation;
  char *body;
  guint64 heard;            /* highest seq of a message signal */
  gboolean fetching, dirty; /* a Fetch runs; a signal came meanwhile */
  guint to_send, in_flight, received, wanted;
  gint64 first_send;
  guint timeout;
} Bench;

static void pump (Bench *bench);
static void fetch (Bench *bench);

static void
give_up (const char *what, const GError *error)
{
  g_printerr ("bench-client: %s: %s\n", what, error ? error->message : "nothing happened in time");
  exit (1);
}

static gboolean
on_patience (gpointer what)
{
  give_up (what, NULL);
  return G_SOURCE_REMOVE;
}

static GDBusConnection *
open_bus (const char *address)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *bus = g_dbus_connection_new_for_address_sync (address,
                                                                 G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                                 NULL, NULL, &error);
  if (!bus)
    give_up (address, error);
  return bus;
}

static GVariant *
call (GDBusConnection *bus, const char *path, const char *interface, const char *method, GVariant *args)
{
  g_autoptr (GError) error = NULL;
  GVariant *reply = g_dbus_connection_call_sync (bus, NAME, path, interface, method, args, NULL, G_DBUS_CALL_FLAGS_NONE,
                                                 PATIENCE_S * 1000, NULL, &error);
  if (!reply)
    give_up (method, error);
  return reply;
}

static GVariant *
no_options (void)
{
  return g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0);
}

static void
on_appended (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *signal,
             GVariant *args, gpointer user)
{
  Bench *bench = user;
  guint64 seq;
  const char *kind;

  g_variant_get (args, "(t&s&o)", &seq, &kind, NULL);
  if (!g_str_equal (kind, "message"))
    return;
  bench->heard = MAX (bench->heard, seq);
  bench->dirty = TRUE;
  if (bench->wanted)
    fetch (bench);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;
  return x < y ? -1 : x > y;
}

static gint64
percentile (GArray *samples, guint percent)
{
  g_array_sort (samples, compare);
  return g_array_index (samples, gint64, MIN (samples->len - 1, samples->len * percent / 100));
}

/* One message at a time: from the call to the signal at the other end. */
static void
measure_latency (Bench *bench, guint rounds, GArray *samples)
{
  for (guint i = 0; i < rounds + 20; i++) {
    guint64 before = bench->heard;
    guint patience = g_timeout_add_seconds (PATIENCE_S, on_patience, (gpointer) "latency");
    gint64 start = g_get_monotonic_time ();
    g_dbus_connection_call (bench->sender, NAME, ROOT, NAME ".Messages", "Send",
                            g_variant_new ("(os@a{sv})", bench->conversation, bench->body, no_options ()), NULL,
                            G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, NULL);
    while (bench->heard == before)
      g_main_context_iteration (NULL, TRUE);
    gint64 took = g_get_monotonic_time () - start;
    g_source_remove (patience);
    if (i >= 20) /* the first ones warm caches */
      g_array_append_val (samples, took);
  }
}

static void
on_acked (GObject *source, GAsyncResult *result, gpointer user)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  if (!reply)
    give_up ("Ack", error);
}

static void
on_fetched (GObject *source, GAsyncResult *result, gpointer user)
{
  Bench *bench = user;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) entries = NULL;
  guint64 last;
  gboolean more;

  if (!reply)
    give_up ("Fetch", error);
  g_variant_get (reply, "(@a(txsosa{sv})tb)", &entries, &last, &more);
  for (gsize i = 0; i < g_variant_n_children (entries); i++) {
    g_autoptr (GVariant) entry = g_variant_get_child_value (entries, i);
    const char *kind;
    g_variant_get_child (entry, 2, "&s", &kind);
    if (g_str_equal (kind, "message"))
      bench->received++;
  }
  bench->fetching = FALSE;
  if (g_variant_n_children (entries) > 0) {
    bench->dirty |= more;
    g_dbus_connection_call (bench->receiver, NAME, ROOT, NAME ".Messages", "Ack", g_variant_new ("(st)", "bench", last), NULL,
                            G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_acked, bench);
  }
  fetch (bench);
}

static void
fetch (Bench *bench)
{
  if (bench->fetching || !bench->dirty)
    return;
  bench->fetching = TRUE;
  bench->dirty = FALSE;
  g_dbus_connection_call (bench->receiver, NAME, ROOT, NAME ".Messages", "Fetch",
                          g_variant_new ("(su@a{sv})", "bench", (guint) BATCH, no_options ()), NULL, G_DBUS_CALL_FLAGS_NONE, -1,
                          NULL, on_fetched, bench);
}

static void
on_sent (GObject *source, GAsyncResult *result, gpointer user)
{
  Bench *bench = user;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (!reply)
    give_up ("Send", error);
  bench->in_flight--;
  pump (bench);
}

static void
pump (Bench *bench)
{
  while (bench->to_send > 0 && bench->in_flight < WINDOW) {
    bench->to_send--;
    bench->in_flight++;
    g_dbus_connection_call (bench->sender, NAME, ROOT, NAME ".Messages", "Send",
                            g_variant_new ("(os@a{sv})", bench->conversation, bench->body, no_options ()), NULL,
                            G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_sent, bench);
  }
}

/* What was left unread by the latency rounds is fetched first, so that the count is right. */
static void
drain (Bench *bench)
{
  bench->wanted = G_MAXUINT;
  bench->dirty = TRUE;
  fetch (bench);
  while (bench->fetching || bench->dirty)
    g_main_context_iteration (NULL, TRUE);
  bench->received = 0;
}

/* As many as the sender takes, WINDOW calls open, until the receiver has fetched every one. */
static double
measure_throughput (Bench *bench, guint messages)
{
  drain (bench);
  bench->wanted = messages;
  bench->to_send = messages;
  guint patience = g_timeout_add_seconds (PATIENCE_S, on_patience, (gpointer) "throughput");
  gint64 start = g_get_monotonic_time ();
  pump (bench);
  while (bench->received < messages || bench->in_flight > 0)
    g_main_context_iteration (NULL, TRUE);
  double seconds = (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
  g_source_remove (patience);
  return messages / seconds;
}

static void
measure_streams (Bench *bench, guint rounds, GArray *samples)
{
  for (guint i = 0; i < rounds; i++) {
    g_variant_unref (call (bench->sender, bench->conversation, NAME ".Contact", "Disconnect", NULL));
    g_usleep (300000); /* the other end notices; the caps on connects a minute are not what is measured */
    gint64 start = g_get_monotonic_time ();
    g_variant_unref (call (bench->sender, bench->conversation, NAME ".Contact", "Connect", g_variant_new ("(@a{sv})", no_options ())));
    gint64 took = g_get_monotonic_time () - start;
    g_array_append_val (samples, took);
  }
}

int
main (int argc, char **argv)
{
  if (argc != 7) {
    g_printerr ("usage: bench-client SENDER-BUS RECEIVER-BUS CONVERSATION LATENCY-ROUNDS MESSAGES STREAM-ROUNDS\n");
    return 2;
  }
  Bench bench = { .sender = open_bus (argv[1]), .receiver = open_bus (argv[2]), .conversation = argv[3] };
  guint messages = (guint) atoi (argv[5]);
  g_autoptr (GArray) latency = g_array_new (FALSE, FALSE, sizeof (gint64));
  g_autoptr (GArray) streams = g_array_new (FALSE, FALSE, sizeof (gint64));

  bench.body = g_strnfill (100, 'x');
  g_dbus_connection_signal_subscribe (bench.receiver, NAME, NAME ".Messages", "Appended", ROOT, NULL,
                                      G_DBUS_SIGNAL_FLAGS_NONE, on_appended, &bench, NULL);
  g_variant_unref (call (bench.receiver, ROOT, NAME ".Messages", "CreateConsumer", g_variant_new ("(s@a{sv})", "bench", no_options ())));
  g_variant_unref (call (bench.sender, bench.conversation, NAME ".Contact", "Connect", g_variant_new ("(@a{sv})", no_options ())));

  measure_latency (&bench, (guint) atoi (argv[4]), latency);
  double rate = measure_throughput (&bench, messages);
  measure_streams (&bench, (guint) atoi (argv[6]), streams);

  g_print ("{\"latency_p50_us\": %" G_GINT64_FORMAT ", \"latency_p99_us\": %" G_GINT64_FORMAT
           ", \"messages_per_s\": %.0f, \"stream_open_p50_us\": %" G_GINT64_FORMAT "}\n",
           percentile (latency, 50), percentile (latency, 99), rate, percentile (streams, 50));
  return 0;
}
