/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Two of ours against each other, and ours against raw GnuTLS sessions that break one rule each. The wire is a
 * pair of buffers, delivered in pieces.
 */
#include "earshot-config.h"

#include <errno.h>
#include <glib.h>

#include "daemon/base/error.h"
#include "daemon/io/tls.h"
#include "tests/unit/test-certs.h"

static char *dirs[2];
static Identity *ids[2]; /* 0 client, 1 server */

/* --- one of ours ------------------------------------------------------------------- */

typedef enum { FREE_NEVER, FREE_IN_ACCEPT, FREE_IN_SEND, FREE_IN_ESTABLISHED, FREE_IN_PLAIN, FREE_IN_ENDED } FreeWhen;

typedef struct {
  Tls *tls;
  GByteArray *out;      /* cipher bytes on their way to the peer */
  GByteArray *plain;
  gboolean established, ended, refuse;
  guint accepts;
  gsize sent_before_accept, sends;
  Fingerprint accepted;
  GError *error;
  FreeWhen free_when;
} End;

static void
maybe_free (End *end, FreeWhen now)
{
  if (end->free_when == now)
    g_clear_pointer (&end->tls, tls_free);
}

static void
on_send (gpointer user, const guint8 *cipher, gsize len)
{
  End *end = user;
  g_assert_cmpuint (len, >, 0);
  g_byte_array_append (end->out, cipher, len);
  end->sends++;
  maybe_free (end, FREE_IN_SEND);
}

static gboolean
on_accept (gpointer user, const Fingerprint *fp)
{
  End *end = user;
  end->accepts++;
  end->accepted = *fp;
  g_assert_true (fingerprint_equal (tls_get_peer_fingerprint (end->tls), fp));
  maybe_free (end, FREE_IN_ACCEPT);
  return !end->refuse;
}

static void
on_established (gpointer user)
{
  End *end = user;
  g_assert_false (end->established || end->ended);
  end->established = TRUE;
  maybe_free (end, FREE_IN_ESTABLISHED);
}

static void
on_plain (gpointer user, const char *bytes, gsize len)
{
  End *end = user;
  g_assert_true (end->established && !end->ended);
  g_byte_array_append (end->plain, (const guint8 *) bytes, len);
  maybe_free (end, FREE_IN_PLAIN);
}

static void
on_ended (gpointer user, const GError *error)
{
  End *end = user;
  g_assert_false (end->ended);
  end->ended = TRUE;
  end->error = error != NULL ? g_error_copy (error) : NULL;
  maybe_free (end, FREE_IN_ENDED);
}

static const TlsCallbacks callbacks = { on_send, on_accept, on_established, on_plain, on_ended };

static void
end_open (End *end, gboolean server)
{
  end->out = g_byte_array_new ();
  end->plain = g_byte_array_new ();
  end->tls = tls_new (ids[server], server, &callbacks, end);
}

static void
end_close (End *end)
{
  g_clear_pointer (&end->tls, tls_free);
  g_byte_array_unref (end->out);
  g_byte_array_unref (end->plain);
  g_clear_error (&end->error);
}

/* Gives what `from` sent to `to`, `piece` bytes at a time. */
static gboolean
deliver (GByteArray *from, End *to, gsize piece)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  g_byte_array_append (bytes, from->data, from->len);
  g_byte_array_set_size (from, 0);
  for (gsize at = 0; at < bytes->len && to->tls != NULL; at += piece)
    tls_feed (to->tls, bytes->data + at, MIN (piece, bytes->len - at));
  return bytes->len > 0;
}

static void
pump (End *a, End *b, gsize piece)
{
  while (deliver (a->out, b, piece) | deliver (b->out, a, piece))
    ;
}

static void
pair_open (End *client, End *server, gsize piece)
{
  end_open (client, FALSE);
  end_open (server, TRUE);
  tls_start (client->tls);
  if (server->tls != NULL)
    tls_start (server->tls);
  pump (client, server, piece);
}

/* --- a raw GnuTLS peer --------------------------------------------------------------- */

typedef struct {
  const char *priority;
  gboolean server, no_cert;
  const char *const *alpn;
  const CertOrder *cert;     /* NULL = P-256 */
  gboolean foreign_key;      /* shows a certificate whose key it does not have */
} RawOrder;

typedef struct {
  gnutls_session_t session;
  gnutls_certificate_credentials_t credentials;
  GByteArray *in, *out;
  int result; /* of the handshake: GNUTLS_E_AGAIN while it runs */
  guint certificates_seen;
} Raw;

#define GOOD "NONE:+VERS-TLS1.3:+AES-128-GCM:+AEAD:+GROUP-X25519:+CTYPE-X509:+SIGN-ALL"

static ssize_t
raw_push (gnutls_transport_ptr_t ptr, const void *data, size_t len)
{
  Raw *raw = ptr;
  g_byte_array_append (raw->out, data, len);
  return len;
}

static ssize_t
raw_pull (gnutls_transport_ptr_t ptr, void *data, size_t len)
{
  Raw *raw = ptr;
  gsize n = MIN (len, raw->in->len);
  if (n == 0)
    {
      gnutls_transport_set_errno (raw->session, EAGAIN);
      return -1;
    }
  memcpy (data, raw->in->data, n);
  g_byte_array_remove_range (raw->in, 0, n);
  return n;
}

static int
raw_saw_certificate (gnutls_session_t session, unsigned int type, unsigned when, unsigned int incoming,
                     const gnutls_datum_t *message)
{
  Raw *raw = gnutls_session_get_ptr (session);
  if (incoming)
    raw->certificates_seen++;
  return 0;
}

static void
raw_open (Raw *raw, const RawOrder *order)
{
  CertOrder p256 = { ORDER_P256, .addr = "raw@peer" };
  const CertOrder *cert = order->cert != NULL ? order->cert : &p256;
  gnutls_x509_privkey_t key = make_key (cert);
  gnutls_x509_crt_t crt = make_cert (cert, key);

  raw->in = g_byte_array_new ();
  raw->out = g_byte_array_new ();
  raw->result = GNUTLS_E_AGAIN;
  g_assert_cmpint (gnutls_certificate_allocate_credentials (&raw->credentials), ==, 0);
  if (order->foreign_key)
    {
      gnutls_x509_privkey_deinit (key);
      key = make_key (cert);
      gnutls_certificate_set_flags (raw->credentials, GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
    }
  if (!order->no_cert)
    g_assert_cmpint (gnutls_certificate_set_x509_key (raw->credentials, &crt, 1, key), >=, 0);
  g_assert_cmpint (gnutls_init (&raw->session, (order->server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK), ==, 0);
  g_assert_cmpint (gnutls_priority_set_direct (raw->session, order->priority != NULL ? order->priority : GOOD, NULL), ==, 0);
  gnutls_credentials_set (raw->session, GNUTLS_CRD_CERTIFICATE, raw->credentials);
  if (order->server)
    gnutls_certificate_server_set_request (raw->session, GNUTLS_CERT_REQUEST);
  for (guint i = 0; order->alpn != NULL && order->alpn[i] != NULL; i++)
    {
      gnutls_datum_t names[4];
      names[i] = (gnutls_datum_t){ (guchar *) order->alpn[i], strlen (order->alpn[i]) };
      if (order->alpn[i + 1] == NULL)
        {
          for (guint j = 0; j < i; j++)
            names[j] = (gnutls_datum_t){ (guchar *) order->alpn[j], strlen (order->alpn[j]) };
          gnutls_alpn_set_protocols (raw->session, names, i + 1, 0);
        }
    }
  gnutls_session_set_ptr (raw->session, raw);
  gnutls_handshake_set_hook_function (raw->session, GNUTLS_HANDSHAKE_CERTIFICATE_PKT, GNUTLS_HOOK_POST, raw_saw_certificate);
  gnutls_transport_set_ptr (raw->session, raw);
  gnutls_transport_set_push_function (raw->session, raw_push);
  gnutls_transport_set_pull_function (raw->session, raw_pull);
  gnutls_x509_crt_deinit (crt);
  gnutls_x509_privkey_deinit (key);
}

static void
raw_close (Raw *raw)
{
  gnutls_deinit (raw->session);
  gnutls_certificate_free_credentials (raw->credentials);
  g_byte_array_unref (raw->in);
  g_byte_array_unref (raw->out);
}

/* Runs both until neither has anything to say. */
static void
raw_pump (Raw *raw, End *end)
{
  do
    {
      while (raw->result == GNUTLS_E_AGAIN || raw->result == GNUTLS_E_INTERRUPTED)
        {
          gsize before = raw->in->len;
          raw->result = gnutls_handshake (raw->session);
          if (raw->result == GNUTLS_E_AGAIN && raw->in->len == before)
            break;
        }
      if (raw->result < 0 && raw->result != GNUTLS_E_AGAIN && raw->result != GNUTLS_E_FATAL_ALERT_RECEIVED)
        gnutls_alert_send_appropriate (raw->session, raw->result);
      deliver (raw->out, end, 1000);
      g_byte_array_append (raw->in, end->out->data, end->out->len);
      g_byte_array_set_size (end->out, 0);
    }
  while (raw->in->len > 0 && raw->result == GNUTLS_E_AGAIN);
}

static void
raw_meet (Raw *raw, End *end, const RawOrder *order)
{
  raw_open (raw, order);
  end_open (end, !order->server);
  tls_start (end->tls);
  if (order->server)
    {
      g_byte_array_append (raw->in, end->out->data, end->out->len);
      g_byte_array_set_size (end->out, 0);
    }
  raw_pump (raw, end);
}

/* What the raw side reads next: bytes, 0, or an error; *alert tells which alert it was. */
static ssize_t
raw_read (Raw *raw, End *end, char *buffer, gsize size)
{
  ssize_t ret;
  g_byte_array_append (raw->in, end->out->data, end->out->len);
  g_byte_array_set_size (end->out, 0);
  do
    ret = gnutls_record_recv (raw->session, buffer, size);
  while (ret == GNUTLS_E_INTERRUPTED || (ret == GNUTLS_E_AGAIN && raw->in->len > 0));
  return ret;
}

/* --- tests ---------------------------------------------------------------------------- */

static void
test_pair (void)
{
  static const gsize pieces[] = { 1, 7, 1000, 100000 };

  for (guint i = 0; i < G_N_ELEMENTS (pieces); i++)
    {
      End client = { 0 }, server = { 0 };
      guint8 a[32], b[32];

      pair_open (&client, &server, pieces[i]);
      g_assert_true (client.established && server.established);
      g_assert_false (client.ended || server.ended);
      g_assert_cmpuint (client.accepts, ==, 1);
      g_assert_cmpuint (server.accepts, ==, 0);
      g_assert_true (fingerprint_equal (tls_get_peer_fingerprint (client.tls), identity_get_fingerprint (ids[1])));
      g_assert_true (fingerprint_equal (tls_get_peer_fingerprint (server.tls), identity_get_fingerprint (ids[0])));
      g_assert_cmpstr (tls_get_version (client.tls), ==, "TLS1.3");
      g_assert_cmpstr (tls_get_cipher (client.tls), ==, tls_get_cipher (server.tls));
      g_assert_false (tls_peer_is_expired (client.tls));
      g_assert_true (tls_get_exporter (client.tls, a) && tls_get_exporter (server.tls, b));
      g_assert_cmpmem (a, 32, b, 32);
      tls_write (client.tls, "<a/>", 4);
      tls_write (server.tls, "<b/>", 4);
      pump (&client, &server, pieces[i]);
      g_assert_cmpmem (server.plain->data, server.plain->len, "<a/>", 4);
      g_assert_cmpmem (client.plain->data, client.plain->len, "<b/>", 4);
      /* Half close: what the other still says arrives. */
      tls_close (client.tls);
      pump (&client, &server, pieces[i]);
      g_assert_true (server.ended && server.error == NULL);
      tls_close (server.tls);
      pump (&client, &server, pieces[i]);
      g_assert_true (client.ended && client.error == NULL);
      end_close (&client);
      end_close (&server);
    }
}

static void
test_exporters_differ (void)
{
  guint8 a[32], b[32];
  for (guint i = 0; i < 2; i++)
    {
      End client = { 0 }, server = { 0 };
      pair_open (&client, &server, 5000);
      g_assert_true (tls_get_exporter (client.tls, i == 0 ? a : b));
      end_close (&client);
      end_close (&server);
    }
  g_assert_true (memcmp (a, b, 32) != 0);
}

static void
test_old_versions (void)
{
  static const char *const old = "NORMAL:-VERS-ALL:+VERS-TLS1.2";

  for (guint server = 0; server < 2; server++)
    {
      Raw raw = { 0 };
      End end = { 0 };
      raw_meet (&raw, &end, &(RawOrder){ .priority = old, .server = server });
      g_assert_cmpint (raw.result, <, 0);
      g_assert_cmpint (raw.result, !=, GNUTLS_E_AGAIN);
      g_assert_true (end.ended && !end.established);
      g_assert_error (end.error, EARSHOT_ERROR, EARSHOT_ERROR_PEER_INSECURE);
      end_close (&end);
      raw_close (&raw);
    }
  /* A peer that knows both settles on 1.3. */
  Raw raw = { 0 };
  End end = { 0 };
  raw_meet (&raw, &end, &(RawOrder){ .priority = "NORMAL" });
  g_assert_cmpint (raw.result, ==, 0);
  g_assert_cmpint (gnutls_protocol_get_version (raw.session), ==, GNUTLS_TLS1_3);
  end_close (&end);
  raw_close (&raw);
}

static void
test_no_null (void)
{
  Raw raw = { 0 };
  End end = { 0 };
  raw_meet (&raw, &end, &(RawOrder){ .priority = "NONE:+VERS-TLS1.2:+NULL:+SHA1:+SHA256:+RSA:+ECDHE-ECDSA:+SIGN-ALL:+GROUP-ALL:+CTYPE-X509" });
  g_assert_cmpint (raw.result, <, 0);
  g_assert_true (end.ended && !end.established);
  end_close (&end);
  raw_close (&raw);
}

static void
test_no_client_certificate (void)
{
  Raw raw = { 0 };
  End end = { 0 };
  char buffer[64];

  raw_meet (&raw, &end, &(RawOrder){ .no_cert = TRUE });
  g_assert_true (end.ended && !end.established);
  g_assert_error (end.error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_TRUSTED);
  g_assert_null (tls_get_peer_fingerprint (end.tls));
  /* In TLS 1.3 the client learns it afterwards. */
  g_assert_cmpint (raw_read (&raw, &end, buffer, sizeof buffer), ==, GNUTLS_E_FATAL_ALERT_RECEIVED);
  end_close (&end);
  raw_close (&raw);
}

static void
test_server_without_request (void)
{
  Raw raw = { 0 };
  End end = { 0 };

  raw_open (&raw, &(RawOrder){ .server = TRUE });
  gnutls_certificate_server_set_request (raw.session, GNUTLS_CERT_IGNORE);
  end_open (&end, FALSE);
  tls_start (end.tls);
  g_byte_array_append (raw.in, end.out->data, end.out->len);
  g_byte_array_set_size (end.out, 0);
  raw_pump (&raw, &end);
  g_assert_true (end.ended && !end.established);
  g_assert_error (end.error, EARSHOT_ERROR, EARSHOT_ERROR_PEER_INSECURE);
  end_close (&end);
  raw_close (&raw);
}

static void
test_no_tickets_no_sni (void)
{
  Raw raw = { 0 };
  End end = { 0 };
  char buffer[64];
  size_t size = sizeof buffer;
  guint type;

  raw_meet (&raw, &end, &(RawOrder){ 0 });
  g_assert_cmpint (raw.result, ==, 0);
  tls_write (end.tls, "x", 1);
  g_assert_cmpint (raw_read (&raw, &end, buffer, sizeof buffer), ==, 1);
  g_assert_cmpint (gnutls_session_get_flags (raw.session) & GNUTLS_SFLAGS_SESSION_TICKET, ==, 0);
  g_assert_cmpint (gnutls_session_is_resumed (raw.session), ==, 0);
  end_close (&end);
  raw_close (&raw);

  raw = (Raw){ 0 };
  end = (End){ 0 };
  raw_meet (&raw, &end, &(RawOrder){ .server = TRUE });
  g_assert_cmpint (raw.result, ==, 0);
  g_assert_cmpint (gnutls_server_name_get (raw.session, buffer, &size, &type, 0), ==, GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE);
  end_close (&end);
  raw_close (&raw);
}

static void
alpn_case (gboolean raw_is_server, const char *const *list, const char *selected, gboolean works)
{
  Raw raw = { 0 };
  End end = { 0 };
  gnutls_datum_t name;

  raw_meet (&raw, &end, &(RawOrder){ .server = raw_is_server, .alpn = list });
  g_assert_cmpint (end.established, ==, works);
  g_assert_cmpint (end.ended, ==, !works);
  if (works && selected != NULL)
    {
      g_assert_cmpint (gnutls_alpn_get_selected_protocol (raw.session, &name), ==, 0);
      g_assert_cmpmem (name.data, name.size, selected, strlen (selected));
    }
  if (!works)
    {
      g_assert_cmpint (raw.result, ==, GNUTLS_E_FATAL_ALERT_RECEIVED);
      g_assert_cmpint (gnutls_alert_get (raw.session), ==, GNUTLS_A_NO_APPLICATION_PROTOCOL);
    }
  end_close (&end);
  raw_close (&raw);
}

static void
test_alpn (void)
{
  alpn_case (FALSE, (const char *const[]){ "h2", "xmpp-client", NULL }, "xmpp-client", TRUE);
  alpn_case (FALSE, NULL, NULL, TRUE);
  alpn_case (FALSE, (const char *const[]){ "h2", "xmpp-server", NULL }, NULL, FALSE);
  alpn_case (TRUE, (const char *const[]){ "xmpp-client", NULL }, "xmpp-client", TRUE); /* so we did offer it */
  alpn_case (TRUE, NULL, NULL, TRUE);
}

static void
test_refused_key_never_sees_ours (void)
{
  Raw raw = { 0 };
  End end = { .refuse = TRUE };

  raw_meet (&raw, &end, &(RawOrder){ .server = TRUE });
  g_assert_cmpuint (end.accepts, ==, 1);
  g_assert_true (end.ended && !end.established);
  g_assert_error (end.error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_TRUSTED);
  /* The server got an alert in the place of a certificate. */
  g_assert_cmpint (raw.result, ==, GNUTLS_E_FATAL_ALERT_RECEIVED);
  g_assert_cmpuint (raw.certificates_seen, ==, 0);
  g_assert_null (gnutls_certificate_get_peers (raw.session, NULL));
  end_close (&end);
  raw_close (&raw);

  /* The same server does see it from a client that accepts, so the check above can fail. */
  raw = (Raw){ 0 };
  end = (End){ 0 };
  raw_meet (&raw, &end, &(RawOrder){ .server = TRUE });
  g_assert_cmpint (raw.result, ==, 0);
  g_assert_cmpuint (raw.certificates_seen, ==, 1);
  end_close (&end);
  raw_close (&raw);
}

static void
test_key_is_proven_before_asked (void)
{
  Raw raw = { 0 };
  End end = { 0 };

  /* A stolen certificate without its key: CertificateVerify fails, nobody is asked, nothing is shown. */
  raw_meet (&raw, &end, &(RawOrder){ .server = TRUE, .foreign_key = TRUE });
  g_assert_cmpuint (end.accepts, ==, 0);
  g_assert_true (end.ended && !end.established);
  g_assert_cmpuint (raw.certificates_seen, ==, 0);
  end_close (&end);
  raw_close (&raw);

  raw = (Raw){ 0 };
  end = (End){ 0 };
  raw_meet (&raw, &end, &(RawOrder){ .foreign_key = TRUE });
  g_assert_true (end.ended && !end.established);
  end_close (&end);
  raw_close (&raw);
}

static void
test_bad_certificates (void)
{
  static const CertOrder bad[] = {
    { .pk = GNUTLS_PK_RSA, .bits = 2048, .hash = GNUTLS_DIG_SHA256, .addr = "raw@peer" },
    { ORDER_P256, .xmpp_addr_der = (const guint8 *) "\x0c\x05" "a@b\0c", .xmpp_addr_der_len = 7 },
  };
  for (guint server = 0; server < 2; server++)
    for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
      {
        Raw raw = { 0 };
        End end = { 0 };
        raw_meet (&raw, &end, &(RawOrder){ .server = server, .cert = &bad[i] });
        g_assert_true (end.ended && !end.established);
        g_assert_error (end.error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_TRUSTED);
        g_assert_cmpuint (end.accepts, ==, 0);
        end_close (&end);
        raw_close (&raw);
      }
}

static void
test_other_good_certificates (void)
{
  static const CertOrder good[] = {
    { .pk = GNUTLS_PK_EDDSA_ED25519, .bits = GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_ED25519), .hash = GNUTLS_DIG_SHA512 },
    { .pk = GNUTLS_PK_ECDSA, .bits = GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP384R1), .hash = GNUTLS_DIG_SHA384 },
    { .pk = GNUTLS_PK_RSA, .bits = 3072, .hash = GNUTLS_DIG_SHA256 },
    { ORDER_P256, .from = -20 * 86400, .until = -86400 },
  };
  for (guint server = 0; server < 2; server++)
    for (guint i = 0; i < G_N_ELEMENTS (good); i++)
      {
        Raw raw = { 0 };
        End end = { 0 };
        raw_meet (&raw, &end, &(RawOrder){ .server = server, .cert = &good[i] });
        g_assert_no_error (end.error);
        g_assert_true (end.established);
        g_assert_cmpint (tls_peer_is_expired (end.tls), ==, i == 3);
        end_close (&end);
        raw_close (&raw);
      }
}

static void
test_key_update (void)
{
  for (guint server = 0; server < 2; server++)
    {
      Raw raw = { 0 };
      End end = { 0 };
      char buffer[64];

      raw_meet (&raw, &end, &(RawOrder){ .server = server });
      g_assert_true (end.established);
      for (guint i = 0; i < 4; i++)
        {
          g_byte_array_set_size (end.plain, 0);
          g_assert_cmpint (gnutls_session_key_update (raw.session, i % 2 == 0 ? GNUTLS_KU_PEER : 0), ==, 0);
          g_assert_cmpint (gnutls_record_send (raw.session, "ping", 4), ==, 4);
          deliver (raw.out, &end, 3);
          g_assert_cmpmem (end.plain->data, end.plain->len, "ping", 4);
          tls_write (end.tls, "pong", 4);
          g_assert_cmpint (raw_read (&raw, &end, buffer, sizeof buffer), ==, 4);
          g_assert_cmpmem (buffer, 4, "pong", 4);
        }
      g_assert_false (end.ended);
      end_close (&end);
      raw_close (&raw);
    }
}

static guint
count_records (const GByteArray *bytes)
{
  guint n = 0;
  gsize at = 0;
  for (; at + 5 <= bytes->len; n++)
    {
      g_assert_cmpuint (bytes->data[at], ==, 23);
      at += 5 + (bytes->data[at + 3] << 8 | bytes->data[at + 4]);
    }
  g_assert_cmpuint (at, ==, bytes->len);
  return n;
}

static void
test_records_are_full (void)
{
  End client = { 0 }, server = { 0 };
  g_autofree char *big = g_strnfill (100000, 'x');

  pair_open (&client, &server, 5000);
  client.sends = 0;
  tls_write (client.tls, big, 16384);
  g_assert_cmpuint (count_records (client.out), ==, 1);
  tls_write (client.tls, big, 83616);
  g_assert_cmpuint (count_records (client.out), ==, 1 + 6);
  g_assert_cmpuint (client.sends, ==, 2);
  pump (&client, &server, 4099);
  g_assert_cmpmem (server.plain->data, server.plain->len, big, 100000);
  end_close (&client);
  end_close (&server);
}

static void
test_tampered (void)
{
  /* A bit flipped anywhere in a record ends the session and lets nothing through. */
  for (guint at = 0;; at++)
    {
      End client = { 0 }, server = { 0 };
      gboolean more;

      pair_open (&client, &server, 5000);
      tls_write (client.tls, "attack at dawn", 14);
      more = at < client.out->len;
      if (more)
        client.out->data[at] ^= 1 << (at % 8);
      deliver (client.out, &server, 5000);
      if (!more || server.plain->len > 0)
        {
          /* Nothing was bent, or only the outer type, which TLS 1.3 does not use: the real one is inside. */
          g_assert_true (!more || at == 0);
          g_assert_cmpmem (server.plain->data, server.plain->len, "attack at dawn", 14);
        }
      else
        {
          g_assert_cmpuint (server.plain->len, ==, 0);
          if (at != 3 && at != 4) /* a longer length waits for more */
            g_assert_true (server.ended && server.error != NULL);
        }
      end_close (&client);
      end_close (&server);
      if (!more)
        break;
    }
}

static void
test_replayed (void)
{
  End client = { 0 }, server = { 0 };
  g_autoptr (GByteArray) copy = g_byte_array_new ();

  pair_open (&client, &server, 5000);
  tls_write (client.tls, "pay", 3);
  g_byte_array_append (copy, client.out->data, client.out->len);
  pump (&client, &server, 5000);
  deliver (copy, &server, 5000);
  g_assert_cmpmem (server.plain->data, server.plain->len, "pay", 3);
  g_assert_true (server.ended && server.error != NULL);
  end_close (&client);
  end_close (&server);
}

static void
test_garbage (void)
{
  static const char xml[] = "<?xml version='1.0'?><stream:stream xmlns='jabber:client'>";
  for (guint server = 0; server < 2; server++)
    {
      End end = { 0 };
      end_open (&end, server);
      tls_start (end.tls);
      tls_feed (end.tls, (const guint8 *) xml, sizeof xml - 1);
      g_assert_true (end.ended && end.error != NULL && !end.established);
      tls_feed (end.tls, (const guint8 *) xml, sizeof xml - 1); /* nothing more happens */
      tls_write (end.tls, "x", 1);
      end_close (&end);
    }
  for (guint i = 0; i < 300; i++)
    {
      End client = { 0 }, server = { 0 };
      end_open (&client, FALSE);
      end_open (&server, TRUE);
      tls_start (client.tls);
      tls_start (server.tls);
      /* A hello, then a server flight, each with a few bytes bent. */
      for (guint n = g_test_rand_int_range (0, 4); n > 0; n--)
        client.out->data[g_test_rand_int_range (0, client.out->len)] = g_test_rand_int_range (0, 256);
      deliver (client.out, &server, 5000);
      for (guint n = g_test_rand_int_range (1, 4); n > 0 && server.out->len > 0; n--)
        server.out->data[g_test_rand_int_range (0, server.out->len)] = g_test_rand_int_range (0, 256);
      pump (&client, &server, 5000);
      end_close (&client);
      end_close (&server);
    }
}

static void
test_huge_message (void)
{
  /* Handshake type 1, length 0xffffff: GnuTLS would gather all 16 MiB of it. */
  guint8 record[5 + 16384] = { 22, 3, 1, 0x40, 0x00, 1, 0xff, 0xff, 0xff };
  End end = { 0 };

  end_open (&end, TRUE);
  tls_start (end.tls);
  for (guint i = 0; i < 5; i++)
    tls_feed (end.tls, record, sizeof record);
  g_assert_true (end.ended);
  g_assert_nonnull (strstr (end.error->message, "without end"));
  end_close (&end);

  /* The same behind the handshake, from a peer with a key; and a lot of plain text in one piece is no such thing. */
  End client = { 0 }, server = { 0 };
  g_autofree char *big = g_strnfill (1000000, 'x');
  pair_open (&client, &server, 5000);
  tls_write (client.tls, big, 1000000);
  deliver (client.out, &server, 2000000);
  g_assert_cmpuint (server.plain->len, ==, 1000000);
  g_assert_false (server.ended);
  end_close (&client);
  end_close (&server);
}

static void
test_freed_inside (void)
{
  static const FreeWhen when[] = { FREE_IN_ACCEPT, FREE_IN_SEND, FREE_IN_ESTABLISHED, FREE_IN_PLAIN, FREE_IN_ENDED };

  for (guint i = 0; i < G_N_ELEMENTS (when); i++)
    for (guint side = 0; side < 2; side++)
      {
        End ends[2] = { 0 };
        if (when[i] == FREE_IN_ACCEPT && side == 1)
          continue;
        ends[side].free_when = when[i];
        pair_open (&ends[0], &ends[1], 5000);
        for (guint j = 0; j < 2; j++)
          if (ends[j].tls != NULL)
            tls_write (ends[j].tls, "x", 1);
        pump (&ends[0], &ends[1], 5000);
        for (guint j = 0; j < 2; j++)
          if (ends[j].tls != NULL)
            tls_close (ends[j].tls);
        pump (&ends[0], &ends[1], 5000);
        g_assert_null (ends[side].tls);
        if (when[i] == FREE_IN_ACCEPT)
          g_assert_false (ends[1].established);
        end_close (&ends[0]);
        end_close (&ends[1]);
      }
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  int result;

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < 2; i++)
    {
      dirs[i] = make_dir ();
      ids[i] = identity_load_or_create (dirs[i], i == 0 ? "romeo@forza" : "juliet@pronto", &error);
      g_assert_no_error (error);
    }
  g_test_add_func ("/tls/pair-in-pieces", test_pair);
  g_test_add_func ("/tls/T-15-exporters-differ-by-connection", test_exporters_differ);
  g_test_add_func ("/tls/S-05-old-versions", test_old_versions);
  g_test_add_func ("/tls/T-22-no-null-suite", test_no_null);
  g_test_add_func ("/tls/S-06-client-without-certificate", test_no_client_certificate);
  g_test_add_func ("/tls/server-that-asks-for-no-certificate", test_server_without_request);
  g_test_add_func ("/tls/S-07-no-tickets-no-sni", test_no_tickets_no_sni);
  g_test_add_func ("/tls/S-08-alpn", test_alpn);
  g_test_add_func ("/tls/T-12-refused-key-never-sees-our-certificate", test_refused_key_never_sees_ours);
  g_test_add_func ("/tls/T-12-key-is-proven-before-anybody-is-asked", test_key_is_proven_before_asked);
  g_test_add_func ("/tls/T-02-bad-certificates", test_bad_certificates);
  g_test_add_func ("/tls/T-05-other-certificates-connect", test_other_good_certificates);
  g_test_add_func ("/tls/key-update", test_key_update);
  g_test_add_func ("/tls/records-are-full", test_records_are_full);
  g_test_add_func ("/tls/tampered", test_tampered);
  g_test_add_func ("/tls/replayed", test_replayed);
  g_test_add_func ("/tls/X-01-garbage", test_garbage);
  g_test_add_func ("/tls/huge-handshake-message", test_huge_message);
  g_test_add_func ("/tls/freed-inside-its-callbacks", test_freed_inside);
  result = g_test_run ();
  for (guint i = 0; i < 2; i++)
    {
      identity_free (ids[i]);
      remove_dir (dirs[i]);
    }
  return result;
}
