/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The least program that does the same work: D-Bus call, SQLite commit (WAL, FULL), mutual TLS 1.3, SQLite commit, D-Bus
 * signal, receipt back. No XMPP, no trust, no discovery, one peer, one thread. It answers the part of im.earshot.Earshot1
 * that client.c uses, so that both are measured by the same client. Blocking and trusting: never use it for anything else.
 *
 *   floor BUS-ADDRESS DATABASE listen PORT
 *   floor BUS-ADDRESS DATABASE connect HOST PORT */
#include "earshot-config.h"

#include <arpa/inet.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/tcp.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOT "/im/earshot/Earshot1"
#define RECORD 16384

enum { FRAME_MESSAGE = 1, FRAME_RECEIPT, FRAME_HELLO };

typedef struct {
  GDBusMethodInvocation *invocation;
  char *id;
  const char *body; /* the invocation's */
  guint64 seq;
} Pending;

typedef struct {
  GMainLoop *loop;
  GDBusConnection *bus;
  sqlite3 *db;
  sqlite3_stmt *insert, *settle, *fetch, *ack, *begin, *commit;
  GArray *pending; /* Sends of this turn: one commit, one write */
  guint flush_source;
  guint64 cursor;

  gnutls_certificate_credentials_t credentials;
  gnutls_session_t session;
  int listener, fd;
  guint watch;
  const char *host;
  guint16 port;
  GByteArray *in;
} Floor;

static const char introspection[] =
  "<node><interface name='im.earshot.Earshot1.Messages'>"
  "<method name='Send'><arg type='o' direction='in'/><arg type='s' direction='in'/><arg type='a{sv}' direction='in'/>"
  "<arg type='s' direction='out'/><arg type='t' direction='out'/></method>"
  "<method name='CreateConsumer'><arg type='s' direction='in'/><arg type='a{sv}' direction='in'/><arg type='t' direction='out'/></method>"
  "<method name='Fetch'><arg type='s' direction='in'/><arg type='u' direction='in'/><arg type='a{sv}' direction='in'/>"
  "<arg type='a(txsosa{sv})' direction='out'/><arg type='t' direction='out'/><arg type='b' direction='out'/></method>"
  "<method name='Ack'><arg type='s' direction='in'/><arg type='t' direction='in'/></method>"
  "<signal name='Appended'><arg type='t'/><arg type='s'/><arg type='o'/></signal></interface>"
  "<interface name='im.earshot.Earshot1.Contact'>"
  "<method name='Connect'><arg type='a{sv}' direction='in'/></method><method name='Disconnect'/></interface></node>";

static void
check_sql (Floor *floor, int code)
{
  if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW)
    g_error ("sqlite: %s", sqlite3_errmsg (floor->db));
}

static void
step (Floor *floor, sqlite3_stmt *stmt)
{
  check_sql (floor, sqlite3_step (stmt));
  sqlite3_reset (stmt);
}

static sqlite3_stmt *
prepare (Floor *floor, const char *sql)
{
  sqlite3_stmt *stmt = NULL;
  check_sql (floor, sqlite3_prepare_v2 (floor->db, sql, -1, &stmt, NULL));
  return stmt;
}

static void
open_db (Floor *floor, const char *path)
{
  check_sql (floor, sqlite3_open (path, &floor->db));
  check_sql (floor, sqlite3_exec (floor->db,
                                  "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                                  "CREATE TABLE IF NOT EXISTS log (seq INTEGER PRIMARY KEY, id TEXT UNIQUE, time INTEGER, outgoing INTEGER,"
                                  " body TEXT, owed INTEGER); CREATE INDEX IF NOT EXISTS owed ON log (seq) WHERE owed;"
                                  "CREATE TABLE IF NOT EXISTS consumer (name TEXT PRIMARY KEY, cursor INTEGER);",
                                  NULL, NULL, NULL));
  floor->begin = prepare (floor, "BEGIN IMMEDIATE");
  floor->commit = prepare (floor, "COMMIT");
  floor->insert = prepare (floor, "INSERT OR IGNORE INTO log (id, time, outgoing, body, owed) VALUES (?, ?, ?, ?, ?)");
  floor->settle = prepare (floor, "UPDATE log SET owed = 0 WHERE owed AND seq <= ?");
  floor->fetch = prepare (floor, "SELECT seq, time, id, body FROM log WHERE seq > ? AND NOT outgoing ORDER BY seq LIMIT ?");
  floor->ack = prepare (floor, "INSERT OR REPLACE INTO consumer VALUES (?, ?)");
}

static guint64
insert (Floor *floor, const char *id, gsize id_len, const char *body, gsize body_len, gboolean outgoing)
{
  sqlite3_bind_text (floor->insert, 1, id, (int) id_len, SQLITE_STATIC);
  sqlite3_bind_int64 (floor->insert, 2, g_get_real_time ());
  sqlite3_bind_int (floor->insert, 3, outgoing);
  sqlite3_bind_text (floor->insert, 4, body, (int) body_len, SQLITE_STATIC);
  sqlite3_bind_int (floor->insert, 5, outgoing);
  step (floor, floor->insert);
  return (guint64) sqlite3_last_insert_rowid (floor->db);
}

static void
put_frame (GByteArray *out, guint8 type, guint64 seq, const char *id, const char *body)
{
  gsize id_len = id ? strlen (id) : 0, body_len = body ? strlen (body) : 0;
  guint32 len = GUINT32_TO_BE ((guint32) (9 + id_len + body_len));
  guint64 wire_seq = GUINT64_TO_BE (seq);

  g_byte_array_append (out, (const guint8 *) &len, 4);
  g_byte_array_append (out, &type, 1);
  g_byte_array_append (out, (const guint8 *) &wire_seq, 8);
  g_byte_array_append (out, (const guint8 *) id, (guint) id_len);
  g_byte_array_append (out, (const guint8 *) body, (guint) body_len);
}

static void
write_out (Floor *floor, const GByteArray *out)
{
  for (gsize done = 0; floor->session && done < out->len;) {
    ssize_t n = gnutls_record_send (floor->session, out->data + done, MIN (out->len - done, RECORD));
    if (n < 0 && n != GNUTLS_E_INTERRUPTED && n != GNUTLS_E_AGAIN)
      g_error ("send: %s", gnutls_strerror ((int) n));
    if (n > 0)
      done += (gsize) n;
  }
}

static gboolean
on_flush (gpointer user)
{
  Floor *floor = user;
  g_autoptr (GByteArray) out = g_byte_array_new ();

  floor->flush_source = 0;
  step (floor, floor->begin);
  for (guint i = 0; i < floor->pending->len; i++) {
    Pending *p = &g_array_index (floor->pending, Pending, i);
    p->seq = insert (floor, p->id, strlen (p->id), p->body, strlen (p->body), TRUE);
    put_frame (out, FRAME_MESSAGE, p->seq, p->id, p->body);
  }
  step (floor, floor->commit);
  for (guint i = 0; i < floor->pending->len; i++) {
    Pending *p = &g_array_index (floor->pending, Pending, i);
    g_dbus_method_invocation_return_value (p->invocation, g_variant_new ("(st)", p->id, p->seq));
    g_free (p->id);
  }
  g_array_set_size (floor->pending, 0);
  write_out (floor, out);
  return G_SOURCE_REMOVE;
}

static void
handle_frames (Floor *floor)
{
  guint64 received = 0, settled = 0, seq = 0;
  gsize at = 0;

  while (floor->in->len - at >= 13) {
    const guint8 *frame = floor->in->data + at;
    guint32 len;
    memcpy (&len, frame, 4);
    len = GUINT32_FROM_BE (len);
    if (len < 9 || len > (1 << 20))
      g_error ("bad frame");
    if (floor->in->len - at < 4 + (gsize) len)
      break;
    guint64 peer_seq;
    memcpy (&peer_seq, frame + 5, 8);
    peer_seq = GUINT64_FROM_BE (peer_seq);
    if (frame[4] == FRAME_MESSAGE && len >= 9 + 36) {
      if (!received)
        step (floor, floor->begin);
      seq = insert (floor, (const char *) frame + 13, 36, (const char *) frame + 49, len - 45, FALSE);
      received = peer_seq;
    } else if (frame[4] == FRAME_RECEIPT) {
      settled = peer_seq;
    }
    at += 4 + len;
  }
  g_byte_array_remove_range (floor->in, 0, (guint) at);

  if (received) {
    g_autoptr (GByteArray) out = g_byte_array_new ();
    step (floor, floor->commit);
    g_dbus_connection_emit_signal (floor->bus, NULL, ROOT, "im.earshot.Earshot1.Messages", "Appended",
                                   g_variant_new ("(tso)", seq, "message", ROOT "/contact/1"), NULL);
    put_frame (out, FRAME_RECEIPT, received, NULL, NULL);
    write_out (floor, out);
  }
  if (settled) {
    sqlite3_bind_int64 (floor->settle, 1, (gint64) settled);
    step (floor, floor->settle);
  }
}

static void
hang_up (Floor *floor)
{
  if (!floor->session)
    return;
  g_clear_handle_id (&floor->watch, g_source_remove);
  gnutls_bye (floor->session, GNUTLS_SHUT_WR);
  gnutls_deinit (floor->session);
  floor->session = NULL;
  close (floor->fd);
  g_byte_array_set_size (floor->in, 0);
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer user)
{
  Floor *floor = user;
  guint8 buffer[RECORD];

  do {
    ssize_t n = gnutls_record_recv (floor->session, buffer, sizeof buffer);
    if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
      continue;
    if (n <= 0) {
      floor->watch = 0;
      hang_up (floor);
      return G_SOURCE_REMOVE;
    }
    g_byte_array_append (floor->in, buffer, (guint) n);
  } while (gnutls_record_check_pending (floor->session) > 0);
  handle_frames (floor);
  return G_SOURCE_CONTINUE;
}

static void
take_fd (Floor *floor, int fd, unsigned int role)
{
  static const gnutls_datum_t alpn = { (unsigned char *) "floor", 5 };
  int one = 1, code;
  guint8 hello[13];

  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  floor->fd = fd;
  gnutls_init (&floor->session, role | GNUTLS_NO_TICKETS);
  gnutls_priority_set_direct (floor->session, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL);
  gnutls_credentials_set (floor->session, GNUTLS_CRD_CERTIFICATE, floor->credentials);
  gnutls_alpn_set_protocols (floor->session, &alpn, 1, 0);
  if (role == GNUTLS_SERVER)
    gnutls_certificate_server_set_request (floor->session, GNUTLS_CERT_REQUIRE);
  gnutls_transport_set_int (floor->session, fd);
  do
    code = gnutls_handshake (floor->session);
  while (code < 0 && !gnutls_error_is_fatal (code));
  if (code < 0)
    g_error ("handshake: %s", gnutls_strerror (code));

  /* In TLS 1.3 the client is done before the server has judged: the first answer is what counts. */
  if (role == GNUTLS_SERVER) {
    g_autoptr (GByteArray) out = g_byte_array_new ();
    put_frame (out, FRAME_HELLO, 0, NULL, NULL);
    write_out (floor, out);
  } else if (gnutls_record_recv (floor->session, hello, sizeof hello) != sizeof hello) {
    g_error ("no hello");
  }
  floor->watch = g_unix_fd_add (fd, G_IO_IN, on_readable, floor);
}

static gboolean
on_incoming (int fd, GIOCondition condition, gpointer user)
{
  Floor *floor = user;
  int peer = accept (fd, NULL, NULL);

  if (peer >= 0) {
    hang_up (floor);
    take_fd (floor, peer, GNUTLS_SERVER);
  }
  return G_SOURCE_CONTINUE;
}

static void
dial (Floor *floor)
{
  struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons (floor->port) };
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  inet_pton (AF_INET, floor->host, &to.sin_addr);
  if (connect (fd, (struct sockaddr *) &to, sizeof to) != 0)
    g_error ("connect: %s", g_strerror (errno));
  take_fd (floor, fd, GNUTLS_CLIENT);
}

static GVariant *
fetch (Floor *floor, guint limit)
{
  GVariantBuilder entries;
  guint64 last = floor->cursor;
  guint n = 0;

  g_variant_builder_init (&entries, G_VARIANT_TYPE ("a(txsosa{sv})"));
  sqlite3_bind_int64 (floor->fetch, 1, (gint64) floor->cursor);
  sqlite3_bind_int64 (floor->fetch, 2, limit);
  while (sqlite3_step (floor->fetch) == SQLITE_ROW) {
    GVariantDict data;
    last = (guint64) sqlite3_column_int64 (floor->fetch, 0);
    g_variant_dict_init (&data, NULL);
    g_variant_dict_insert (&data, "direction", "s", "in");
    g_variant_dict_insert (&data, "body", "s", (const char *) sqlite3_column_text (floor->fetch, 3));
    g_variant_builder_add (&entries, "(txsos@a{sv})", last, sqlite3_column_int64 (floor->fetch, 1), "message", ROOT "/contact/1",
                           (const char *) sqlite3_column_text (floor->fetch, 2), g_variant_dict_end (&data));
    n++;
  }
  sqlite3_reset (floor->fetch);
  return g_variant_new ("(a(txsosa{sv})tb)", &entries, last, n == limit);
}

static void
on_call (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *method,
         GVariant *args, GDBusMethodInvocation *invocation, gpointer user)
{
  Floor *floor = user;

  if (g_str_equal (method, "Send")) {
    Pending p = { .invocation = invocation, .id = g_uuid_string_random () };
    g_variant_get_child (args, 1, "&s", &p.body);
    g_array_append_val (floor->pending, p);
    if (!floor->flush_source)
      floor->flush_source = g_idle_add_full (G_PRIORITY_DEFAULT + 1, on_flush, floor, NULL);
    return;
  }
  if (g_str_equal (method, "Fetch")) {
    guint limit;
    g_variant_get_child (args, 1, "u", &limit);
    g_dbus_method_invocation_return_value (invocation, fetch (floor, limit));
    return;
  }
  if (g_str_equal (method, "Ack")) {
    const char *name;
    g_variant_get (args, "(&st)", &name, &floor->cursor);
    sqlite3_bind_text (floor->ack, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_int64 (floor->ack, 2, (gint64) floor->cursor);
    step (floor, floor->ack);
  } else if (g_str_equal (method, "Connect") && !floor->session) {
    dial (floor);
  } else if (g_str_equal (method, "Disconnect")) {
    hang_up (floor);
  } else if (g_str_equal (method, "CreateConsumer")) {
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(t)", floor->cursor));
    return;
  }
  g_dbus_method_invocation_return_value (invocation, NULL);
}

static void
make_credentials (Floor *floor)
{
  gnutls_x509_privkey_t key;
  gnutls_x509_crt_t crt;

  gnutls_certificate_allocate_credentials (&floor->credentials);
  gnutls_x509_privkey_init (&key);
  gnutls_x509_privkey_generate (key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP256R1), 0);
  gnutls_x509_crt_init (&crt);
  gnutls_x509_crt_set_version (crt, 3);
  gnutls_x509_crt_set_serial (crt, "\001", 1);
  gnutls_x509_crt_set_dn (crt, "CN=floor", NULL);
  gnutls_x509_crt_set_activation_time (crt, time (NULL) - 86400);
  gnutls_x509_crt_set_expiration_time (crt, time (NULL) + 86400);
  gnutls_x509_crt_set_key (crt, key);
  gnutls_x509_crt_sign2 (crt, crt, key, GNUTLS_DIG_SHA256, 0);
  if (gnutls_certificate_set_x509_key (floor->credentials, &crt, 1, key) < 0)
    g_error ("credentials");
  gnutls_x509_crt_deinit (crt);
  gnutls_x509_privkey_deinit (key);
}

static void
listen_at (Floor *floor)
{
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons (floor->port) };
  int one = 1;

  floor->listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt (floor->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind (floor->listener, (struct sockaddr *) &at, sizeof at) != 0 || listen (floor->listener, 8) != 0)
    g_error ("listen: %s", g_strerror (errno));
  g_unix_fd_add (floor->listener, G_IO_IN, on_incoming, floor);
}

static gboolean
on_term (gpointer user)
{
  g_main_loop_quit (((Floor *) user)->loop);
  return G_SOURCE_REMOVE;
}

int
main (int argc, char **argv)
{
  static const GDBusInterfaceVTable vtable = { .method_call = on_call };
  Floor floor = { .listener = -1, .fd = -1 };
  gboolean server = argc == 5 && g_str_equal (argv[3], "listen");
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (introspection, NULL);
  g_autoptr (GError) error = NULL;

  if (!server && !(argc == 6 && g_str_equal (argv[3], "connect"))) {
    g_printerr ("usage: floor BUS DATABASE listen PORT | connect HOST PORT\n");
    return 2;
  }
  floor.loop = g_main_loop_new (NULL, FALSE);
  floor.pending = g_array_new (FALSE, FALSE, sizeof (Pending));
  floor.in = g_byte_array_new ();
  floor.host = server ? NULL : argv[4];
  floor.port = (guint16) atoi (argv[server ? 4 : 5]);
  open_db (&floor, argv[2]);
  make_credentials (&floor);
  if (server)
    listen_at (&floor);

  floor.bus = g_dbus_connection_new_for_address_sync (argv[1],
                                                      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                        G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                      NULL, NULL, &error);
  if (!floor.bus)
    g_error ("bus: %s", error->message);
  g_dbus_connection_register_object (floor.bus, ROOT, node->interfaces[0], &vtable, &floor, NULL, NULL);
  g_dbus_connection_register_object (floor.bus, ROOT "/contact/1", node->interfaces[1], &vtable, &floor, NULL, NULL);
  g_unix_signal_add (SIGTERM, on_term, &floor);
  guint name = g_bus_own_name_on_connection (floor.bus, "im.earshot.Earshot1", 0, NULL, NULL, NULL, NULL);

  g_main_loop_run (floor.loop);

  g_bus_unown_name (name);
  hang_up (&floor);
  return 0;
}
