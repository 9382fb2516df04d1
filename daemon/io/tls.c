/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/tls.h"

#include <errno.h>
#include <string.h>
#ifdef __aarch64__
#include <sys/auxv.h>
#endif

#include "daemon/base/error.h"
#include "daemon/base/names.h"
#include "daemon/io/certificate.h"

#define HANDSHAKE_MAX (32 * 1024) /* one handshake message: a chain of a few certificates */
#define RECORD_MAX 16384          /* RFC 8446 section 5.1 */
#define QUIET_MAX (64 * 1024)     /* bytes that may come without yielding plain text: a whole handshake fits */

/* docs/protocol.md 2.2. The RSA-SHA* entries (PKCS #1) are for signatures inside certificates; TLS 1.3
 * itself does not sign with them. */
#define PRIORITY(ciphers)                                                                                              \
  "NONE:+VERS-TLS1.3:" ciphers ":+AEAD:+GROUP-X25519:+GROUP-SECP256R1:+CTYPE-X509"                                     \
  ":+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SECP384R1-SHA384:+SIGN-EDDSA-ED25519"                                     \
  ":+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-PSS-RSAE-SHA384:+SIGN-RSA-PSS-RSAE-SHA512"                                     \
  ":+SIGN-RSA-PSS-SHA256:+SIGN-RSA-PSS-SHA384:+SIGN-RSA-PSS-SHA512"                                                    \
  ":+SIGN-RSA-SHA256:+SIGN-RSA-SHA384:+SIGN-RSA-SHA512:+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SHA384"
#define PRIORITY_AES_FIRST PRIORITY ("+AES-256-GCM:+AES-128-GCM:+CHACHA20-POLY1305")
#define PRIORITY_CHACHA_FIRST PRIORITY ("+CHACHA20-POLY1305:+AES-256-GCM:+AES-128-GCM")

typedef enum { TLS_NEW, TLS_HANDSHAKE, TLS_ESTABLISHED, TLS_ENDED } TlsState;

struct _Tls {
  gnutls_session_t session;
  Identity *identity;
  gboolean server;
  TlsCallbacks callbacks;
  gpointer user;
  TlsState state;
  GByteArray *out;   /* what GnuTLS pushed, handed over when its call has returned */
  const guint8 *in;  /* what tls_feed() was given and GnuTLS has not pulled */
  gsize in_len;
  gsize quiet;       /* pulled since the start or the last plain text */
  guint depth;       /* > 0: one of our calls is on the stack */
  gboolean freed;
  gboolean closed;   /* our close_notify is out */
  gboolean has_fp;
  Fingerprint fp;
  gboolean expired;
  GError *verdict;   /* why the verify function said no */
};

static gboolean
processor_has_aes (void)
{
#if defined(__x86_64__) || defined(__i386__)
  return __builtin_cpu_supports ("aes") != 0;
#elif defined(__aarch64__)
  return (getauxval (AT_HWCAP) & (1 << 3)) != 0; /* HWCAP_AES */
#else
  return FALSE;
#endif
}

/* --- what GnuTLS calls ----------------------------------------------------------------- */

static ssize_t
on_push (gnutls_transport_ptr_t ptr, const void *data, size_t len)
{
  Tls *tls = ptr;
  g_byte_array_append (tls->out, data, len);
  return (ssize_t) len;
}

static ssize_t
on_pull (gnutls_transport_ptr_t ptr, void *data, size_t len)
{
  Tls *tls = ptr;
  gsize n = MIN (len, tls->in_len);

  if (n == 0)
    {
      gnutls_transport_set_errno (tls->session, EAGAIN);
      return -1;
    }
  /* GnuTLS gathers a handshake message until it is complete and looks at its length, up to 16 MiB, only then: seen
   * with 3.7.9 for the very first message of a stranger. So what is not plain text is counted here. */
  tls->quiet += n;
  if (tls->quiet > QUIET_MAX)
    {
      if (tls->verdict == NULL)
        g_set_error (&tls->verdict, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "the peer sends a handshake without end");
      gnutls_transport_set_errno (tls->session, EMSGSIZE);
      return -1;
    }
  memcpy (data, tls->in, n);
  tls->in += n;
  tls->in_len -= n;
  return (ssize_t) n;
}

static int
on_pull_timeout (gnutls_transport_ptr_t ptr, unsigned int ms)
{
  Tls *tls = ptr;
  return tls->in_len > 0;
}

/* Runs once, after the peer's CertificateVerify was checked. In GnuTLS's TLS 1.3 client that is before it reads the
 * server's Finished and before it sends its own Certificate, so a key refused here never learns who called (T-12);
 * test-tls holds GnuTLS to it. */
static int
on_verify (gnutls_session_t session)
{
  Tls *tls = gnutls_session_get_ptr (session);
  guint n = 0;
  const gnutls_datum_t *certs = gnutls_certificate_get_peers (session, &n);

  if (tls->freed || tls->verdict != NULL)
    return GNUTLS_E_CERTIFICATE_ERROR;
  if (gnutls_certificate_type_get2 (session, GNUTLS_CTYPE_PEERS) != GNUTLS_CRT_X509 || certs == NULL || n == 0)
    {
      g_set_error (&tls->verdict, EARSHOT_ERROR, EARSHOT_ERROR_NOT_TRUSTED, "the peer showed no X.509 certificate");
      return GNUTLS_E_CERTIFICATE_ERROR;
    }
  if (!certificate_inspect (&certs[0], &tls->fp, &tls->expired, &tls->verdict))
    return GNUTLS_E_CERTIFICATE_ERROR;
  tls->has_fp = TRUE;
  if (!tls->server && tls->callbacks.accept_key != NULL && !tls->callbacks.accept_key (tls->user, &tls->fp))
    {
      g_clear_error (&tls->verdict);
      g_set_error (&tls->verdict, EARSHOT_ERROR, EARSHOT_ERROR_NOT_TRUSTED, "the peer has another key than expected");
      return GNUTLS_E_CERTIFICATE_ERROR;
    }
  return 0;
}

/* --- between GnuTLS and the callbacks ---------------------------------------------------- */

static void
tls_destroy (Tls *tls)
{
  gnutls_deinit (tls->session);
  g_byte_array_unref (tls->out);
  g_clear_error (&tls->verdict);
  g_free (tls);
}

static void
enter (Tls *tls)
{
  tls->depth++;
}

static void
leave (Tls *tls)
{
  if (--tls->depth == 0 && tls->freed)
    tls_destroy (tls);
}

static void
flush (Tls *tls)
{
  g_autoptr (GByteArray) bytes = NULL;

  if (tls->freed || tls->out->len == 0)
    return;
  bytes = g_steal_pointer (&tls->out);
  tls->out = g_byte_array_new ();
  tls->callbacks.send (tls->user, bytes->data, bytes->len);
}

static void
end_with (Tls *tls, const GError *error)
{
  flush (tls);
  if (tls->freed || tls->state == TLS_ENDED)
    return;
  tls->state = TLS_ENDED;
  tls->callbacks.ended (tls->user, error);
}

/* Our words for a GnuTLS failure; the texts are GnuTLS's own, nothing of the peer's is in them. */
static GError *
explain (Tls *tls, int code)
{
  if (tls->verdict != NULL)
    return g_error_copy (tls->verdict);
  switch (code)
    {
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
      {
        gnutls_alert_description_t alert = gnutls_alert_get (tls->session);
        const char *name = gnutls_alert_get_name (alert);
        EarshotError word = EARSHOT_ERROR_FAILED;

        if (alert == GNUTLS_A_BAD_CERTIFICATE || alert == GNUTLS_A_CERTIFICATE_UNKNOWN || alert == GNUTLS_A_UNKNOWN_CA
            || alert == GNUTLS_A_ACCESS_DENIED || alert == GNUTLS_A_CERTIFICATE_REVOKED
            || alert == GNUTLS_A_CERTIFICATE_EXPIRED || alert == GNUTLS_A_UNSUPPORTED_CERTIFICATE
            || alert == GNUTLS_A_CERTIFICATE_REQUIRED)
          word = EARSHOT_ERROR_REFUSED;
        /* RFC 8446 section 6.2: "unable to negotiate an acceptable set of security parameters". */
        else if (alert == GNUTLS_A_PROTOCOL_VERSION || alert == GNUTLS_A_INSUFFICIENT_SECURITY
                 || alert == GNUTLS_A_HANDSHAKE_FAILURE)
          word = EARSHOT_ERROR_PEER_INSECURE;
        return g_error_new (EARSHOT_ERROR, word, "the peer ended TLS: %s", name != NULL ? name : "unknown alert");
      }
    case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
    case GNUTLS_E_NO_CIPHER_SUITES:
    case GNUTLS_E_INSUFFICIENT_SECURITY:
      return g_error_new (EARSHOT_ERROR, EARSHOT_ERROR_PEER_INSECURE, "TLS: %s", gnutls_strerror (code));
    case GNUTLS_E_NO_CERTIFICATE_FOUND:
    case GNUTLS_E_CERTIFICATE_REQUIRED:
      return g_error_new (EARSHOT_ERROR, EARSHOT_ERROR_NOT_TRUSTED, "the peer showed no certificate");
    default:
      return g_error_new (EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "TLS: %s", gnutls_strerror (code));
    }
}

/* Sends the alert that belongs to `code`, then ends. */
static void
fail (Tls *tls, int code)
{
  g_autoptr (GError) error = explain (tls, code);

  if (code != GNUTLS_E_FATAL_ALERT_RECEIVED && code != GNUTLS_E_PREMATURE_TERMINATION && !tls->freed)
    gnutls_alert_send_appropriate (tls->session, code);
  end_with (tls, error);
}

/* Nothing GnuTLS negotiated is taken on faith: what the priorities say must also be what came out. */
static gboolean
check_outcome (Tls *tls)
{
  gnutls_datum_t alpn;

  if (gnutls_protocol_get_version (tls->session) != GNUTLS_TLS1_3 || !tls->has_fp)
    return FALSE;
  /* A server that asks for no certificate could not know whom it talks to. */
  if (!tls->server && !gnutls_certificate_client_get_request_status (tls->session))
    return FALSE;
  /* Selected, it must be ours; not selected is fine, since servers need not know ALPN (docs/protocol.md 2.2). */
  if (gnutls_alpn_get_selected_protocol (tls->session, &alpn) >= 0)
    return alpn.size == strlen (EARSHOT_ALPN) && memcmp (alpn.data, EARSHOT_ALPN, alpn.size) == 0;
  return TRUE;
}

static void
run_handshake (Tls *tls)
{
  int ret;

  do
    ret = gnutls_handshake (tls->session);
  while (!tls->freed && (ret == GNUTLS_E_INTERRUPTED || ret == GNUTLS_E_WARNING_ALERT_RECEIVED));
  if (tls->freed)
    return;
  if (ret == GNUTLS_E_AGAIN)
    {
      flush (tls);
      return;
    }
  identity_note_signing (tls->identity, ret);
  if (ret < 0)
    {
      fail (tls, ret);
      return;
    }
  if (!check_outcome (tls))
    {
      g_autoptr (GError) error = g_error_new (EARSHOT_ERROR, EARSHOT_ERROR_PEER_INSECURE,
                                              "the peer did not agree to mutual TLS 1.3");
      gnutls_alert_send (tls->session, GNUTLS_AL_FATAL, GNUTLS_A_HANDSHAKE_FAILURE);
      end_with (tls, error);
      return;
    }
  tls->state = TLS_ESTABLISHED;
  tls->quiet = 0;
  flush (tls);
  if (!tls->freed)
    tls->callbacks.established (tls->user);
}

/* Key updates, our own and the peer's, happen inside gnutls_record_recv(); what they make us send is flushed. */
static void
run_records (Tls *tls)
{
  g_autofree char *buffer = g_malloc (RECORD_MAX);

  while (!tls->freed && tls->state == TLS_ESTABLISHED)
    {
      gsize before = tls->in_len;
      ssize_t ret = gnutls_record_recv (tls->session, buffer, RECORD_MAX);

      /* GnuTLS also says "again" when it took a record that is not for us, such as a session ticket, and more is there. */
      if (ret == GNUTLS_E_AGAIN && tls->in_len > 0 && tls->in_len < before)
        continue;
      if (ret == GNUTLS_E_AGAIN)
        break;
      if (ret == GNUTLS_E_INTERRUPTED || ret == GNUTLS_E_WARNING_ALERT_RECEIVED)
        continue;
      if (ret == 0)
        end_with (tls, NULL);
      else if (ret < 0)
        fail (tls, (int) ret);
      else
        {
          tls->quiet = 0;
          tls->callbacks.plain (tls->user, buffer, ret);
        }
    }
  flush (tls);
  /* The plain text may have been a private matter. */
  explicit_bzero (buffer, RECORD_MAX);
}

/* --- verbs -------------------------------------------------------------------------------- */

Tls *
tls_new (Identity *identity, gboolean server, const TlsCallbacks *callbacks, gpointer user)
{
  static const gnutls_datum_t alpn = { (guchar *) EARSHOT_ALPN, sizeof EARSHOT_ALPN - 1 };
  Tls *tls = g_new0 (Tls, 1);
  /* Without GNUTLS_NO_TICKETS the server would hand out tickets, and with one a client could come back without its
   * certificate being looked at. Sessions are given no name, so there is no SNI. */
  guint flags = (server ? GNUTLS_SERVER : GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT) | GNUTLS_NONBLOCK
                | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS;
  int ret;

  tls->identity = identity;
  tls->server = server;
  tls->callbacks = *callbacks;
  tls->user = user;
  tls->out = g_byte_array_new ();
  if ((ret = gnutls_init (&tls->session, flags)) < 0
      || (ret = gnutls_priority_set_direct (tls->session, processor_has_aes () ? PRIORITY_AES_FIRST : PRIORITY_CHACHA_FIRST,
                                            NULL)) < 0
      || (ret = gnutls_credentials_set (tls->session, GNUTLS_CRD_CERTIFICATE, identity_get_credentials (identity))) < 0
      /* Mandatory only bites when the client offers a list: then one that lacks ours is answered by the alert
       * no_application_protocol (RFC 7301 section 3.2). */
      || (ret = gnutls_alpn_set_protocols (tls->session, &alpn, 1, server ? GNUTLS_ALPN_MANDATORY : 0)) < 0)
    /* Out of memory, or a GnuTLS that can not do what this program is for. */
    g_error ("GnuTLS: %s", gnutls_strerror (ret));
  if (server)
    gnutls_certificate_server_set_request (tls->session, GNUTLS_CERT_REQUIRE);
  gnutls_session_set_ptr (tls->session, tls);
  gnutls_session_set_verify_function (tls->session, on_verify);
  gnutls_handshake_set_max_packet_length (tls->session, HANDSHAKE_MAX);
  gnutls_handshake_set_timeout (tls->session, 0); /* time is the stream's business */
  gnutls_transport_set_ptr (tls->session, tls);
  gnutls_transport_set_push_function (tls->session, on_push);
  gnutls_transport_set_pull_function (tls->session, on_pull);
  gnutls_transport_set_pull_timeout_function (tls->session, on_pull_timeout);
  return tls;
}

void
tls_free (Tls *tls)
{
  if (tls == NULL || tls->freed)
    return;
  tls->freed = TRUE;
  if (tls->depth == 0)
    tls_destroy (tls);
}

void
tls_start (Tls *tls)
{
  if (tls->state != TLS_NEW)
    return;
  tls->state = TLS_HANDSHAKE;
  if (tls->server)
    return;
  enter (tls);
  run_handshake (tls);
  leave (tls);
}

void
tls_feed (Tls *tls, const guint8 *cipher, gsize len)
{
  /* From inside one of its own callbacks it would feed GnuTLS while GnuTLS is feeding us. */
  g_return_if_fail (tls->in_len == 0);
  if (tls->state == TLS_ENDED || tls->state == TLS_NEW || len == 0)
    return;
  enter (tls);
  tls->in = cipher;
  tls->in_len = len;
  if (tls->state == TLS_HANDSHAKE)
    run_handshake (tls);
  /* The handshake's last flight may have application data behind it. */
  if (!tls->freed && tls->state == TLS_ESTABLISHED)
    run_records (tls);
  tls->in = NULL;
  tls->in_len = 0;
  leave (tls);
}

void
tls_write (Tls *tls, const char *bytes, gsize len)
{
  if (tls->freed || tls->state != TLS_ESTABLISHED || tls->closed)
    return;
  enter (tls);
  while (len > 0)
    {
      ssize_t ret = gnutls_record_send (tls->session, bytes, MIN (len, RECORD_MAX));

      /* The push function takes everything, so there is no "again" but for a key update to be sent first. */
      if (ret == GNUTLS_E_INTERRUPTED || ret == GNUTLS_E_AGAIN)
        continue;
      if (ret < 0)
        {
          fail (tls, (int) ret);
          break;
        }
      bytes += ret;
      len -= (gsize) ret;
    }
  flush (tls);
  leave (tls);
}

void
tls_close (Tls *tls)
{
  if (tls->freed || tls->closed || !tls->has_fp || tls->state == TLS_HANDSHAKE)
    return;
  tls->closed = TRUE;
  enter (tls);
  gnutls_bye (tls->session, GNUTLS_SHUT_WR);
  flush (tls);
  leave (tls);
}

const Fingerprint *
tls_get_peer_fingerprint (const Tls *tls)
{
  return tls->has_fp ? &tls->fp : NULL;
}

gboolean
tls_peer_is_expired (const Tls *tls)
{
  return tls->expired;
}

const gnutls_datum_t *
tls_get_peer_chain (const Tls *tls, guint *n)
{
  *n = 0;
  return tls->has_fp ? gnutls_certificate_get_peers (tls->session, n) : NULL;
}

gboolean
tls_get_exporter (Tls *tls, guint8 out[32])
{
  static const char label[] = "EXPORTER-Channel-Binding";

  return tls->state == TLS_ESTABLISHED
         && gnutls_prf_rfc5705 (tls->session, sizeof label - 1, label, 0, "", 32, (char *) out) >= 0;
}

gboolean
tls_same_handshake (const Tls *a, const Tls *b)
{
  gnutls_datum_t client[2] = { { NULL, 0 }, { NULL, 0 } }, server[2] = { { NULL, 0 }, { NULL, 0 } };

  gnutls_session_get_random (a->session, &client[0], &server[0]);
  gnutls_session_get_random (b->session, &client[1], &server[1]);
  /* RFC 8446 section 4.1.2: 32 random bytes of each side. */
  return client[0].size > 0 && client[0].size == client[1].size && server[0].size > 0 && server[0].size == server[1].size
         && memcmp (client[0].data, client[1].data, client[0].size) == 0
         && memcmp (server[0].data, server[1].data, server[0].size) == 0;
}

const char *
tls_get_version (const Tls *tls)
{
  return gnutls_protocol_get_name (gnutls_protocol_get_version (tls->session));
}

const char *
tls_get_cipher (const Tls *tls)
{
  return gnutls_cipher_get_name (gnutls_cipher_get (tls->session));
}
