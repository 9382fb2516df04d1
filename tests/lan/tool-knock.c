/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tool-knock ADDRESS SCOPE PORT FIRST COUNT PREFIX: so many strangers knock, one after the other, each with a key of its own that was made
 * for it, from an address of its own (PREFIX and a number), under a name of its own; each leaves a message if it is let in so far. Prints what
 * became of them. For tests in a namespace: what is not an address of the host is bound with IPV6_FREEBIND.
 */
#include "earshot-config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <glib.h>

typedef struct {
  int fd;
  gnutls_session_t tls;
  char heard[16384];
  gsize n;
} Knock;

static gboolean
say (Knock *knock, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  return gnutls_record_send (knock->tls, text, strlen (text)) == (ssize_t) strlen (text);
}

/* Everything up to `token`, which is taken off. FALSE: it ended before. */
static gboolean
hear (Knock *knock, const char *token)
{
  for (;;)
    {
      char *found;
      ssize_t n;

      knock->heard[knock->n] = '\0';
      found = strstr (knock->heard, token);
      if (found != NULL)
        {
          gsize used = (gsize) (found - knock->heard) + strlen (token);

          memmove (knock->heard, knock->heard + used, knock->n - used);
          knock->n -= used;
          return TRUE;
        }
      if (knock->n + 1 >= sizeof knock->heard)
        return FALSE;
      n = gnutls_record_recv (knock->tls, knock->heard + knock->n, sizeof knock->heard - knock->n - 1);
      if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
        continue;
      if (n <= 0)
        return FALSE;
      knock->n += (gsize) n;
    }
}

static gnutls_certificate_credentials_t
make_credentials (void)
{
  gnutls_certificate_credentials_t credentials;
  gnutls_x509_privkey_t key;
  gnutls_x509_crt_t crt;
  guint8 serial[16];

  g_assert (gnutls_x509_privkey_init (&key) == 0 && gnutls_x509_crt_init (&crt) == 0);
  g_assert (gnutls_x509_privkey_generate (key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP256R1), 0) == 0);
  gnutls_x509_crt_set_version (crt, 3);
  gnutls_x509_crt_set_dn (crt, "CN=stranger", NULL);
  gnutls_rnd (GNUTLS_RND_NONCE, serial, sizeof serial);
  serial[0] = 0x40;
  gnutls_x509_crt_set_serial (crt, serial, sizeof serial);
  gnutls_x509_crt_set_activation_time (crt, time (NULL) - 3600);
  gnutls_x509_crt_set_expiration_time (crt, time (NULL) + 86400);
  gnutls_x509_crt_set_key (crt, key);
  g_assert (gnutls_x509_crt_sign2 (crt, crt, key, GNUTLS_DIG_SHA256, 0) == 0);
  g_assert (gnutls_certificate_allocate_credentials (&credentials) == 0);
  g_assert (gnutls_certificate_set_x509_key (credentials, &crt, 1, key) == 0);
  gnutls_x509_crt_deinit (crt);
  gnutls_x509_privkey_deinit (key);
  return credentials;
}

static int
dial (const char *address, unsigned scope, guint16 port, const char *source)
{
  struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons (port), .sin6_scope_id = scope };
  struct sockaddr_in6 from = { .sin6_family = AF_INET6 };
  struct timeval patience = { 20, 0 };
  int fd = socket (AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  struct linger gone = { 1, 0 };

  setsockopt (fd, IPPROTO_IPV6, 78 /* IPV6_FREEBIND */, &one, sizeof one);
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  setsockopt (fd, SOL_SOCKET, SO_LINGER, &gone, sizeof gone);
  if (inet_pton (AF_INET6, address, &to.sin6_addr) == 1 && inet_pton (AF_INET6, source, &from.sin6_addr) == 1
      && bind (fd, (struct sockaddr *) &from, sizeof from) == 0 && connect (fd, (struct sockaddr *) &to, sizeof to) == 0)
    return fd;
  close (fd);
  return -1;
}

/* 0 no connection, 1 no handshake, 2 refused, 3 let in so far, 4 left a message */
static int
knock_once (const char *address, unsigned scope, guint16 port, const char *source, const char *name)
{
  static const char header[] = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
                               "version='1.0' from='%s'>";
  gnutls_certificate_credentials_t credentials = make_credentials ();
  g_autofree char *authzid = g_base64_encode ((const guchar *) name, strlen (name));
  Knock knock = { .fd = dial (address, scope, port, source) };
  int rc, got = 0;

  if (knock.fd < 0)
    goto out;
  got = 1;
  gnutls_init (&knock.tls, GNUTLS_CLIENT);
  gnutls_priority_set_direct (knock.tls, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL);
  gnutls_credentials_set (knock.tls, GNUTLS_CRD_CERTIFICATE, credentials);
  gnutls_transport_set_int (knock.tls, knock.fd);
  do
    rc = gnutls_handshake (knock.tls);
  while (rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED);
  if (rc == 0 && say (&knock, header, name) && hear (&knock, "</stream:features>")
      && say (&knock, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>%s</auth>", authzid))
    {
      got = 2;
      if (hear (&knock, "<success") && hear (&knock, ">"))
        {
          got = 3;
          if (say (&knock, header, name) && hear (&knock, "</stream:features>")
              && say (&knock, "<message id='m' type='chat'><body>let me in</body></message><iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
              && hear (&knock, "id='p'"))
            got = 4;
        }
    }
  gnutls_deinit (knock.tls);
  close (knock.fd);
out:
  gnutls_certificate_free_credentials (credentials);
  return got;
}

int
main (int argc, char **argv)
{
  struct sched_param lowest = { 0 };
  guint counts[5] = { 0 };
  guint first, count;

  if (argc != 7)
    return 2;
  /* Another machine: it must not win by taking the processor of the one it attacks. */
  sched_setscheduler (0, SCHED_IDLE, &lowest);
  first = (guint) atoi (argv[4]);
  count = (guint) atoi (argv[5]);
  puts ("ready");
  fflush (stdout);
  for (guint i = first; i < first + count; i++)
    {
      g_autofree char *source = g_strdup_printf ("%s%x:%x", argv[6], i >> 16, i & 0xffff);
      g_autofree char *name = g_strdup_printf ("stranger%u@crowd", i);

      counts[knock_once (argv[1], (unsigned) atoi (argv[2]), (guint16) atoi (argv[3]), source, name)]++;
    }
  printf ("did %u %u %u %u %u\n", counts[0], counts[1], counts[2], counts[3], counts[4]);
  return 0;
}
