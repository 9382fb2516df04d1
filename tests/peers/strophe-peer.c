/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A peer that is not ours: libstrophe in raw mode does XEP-0174's stream with STARTTLS and SASL EXTERNAL, sends one message,
 * confirms what it receives, and prints what happens, a line each. For tests/lan/test-foreign.py.
 *
 *   strophe-peer HOST PORT OWN-ADDRESS THEIR-ADDRESS CERTIFICATE KEY TEXT
 */
#include "earshot-config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strophe.h>

#define NS_TLS "urn:ietf:params:xml:ns:xmpp-tls"
#define NS_SASL "urn:ietf:params:xml:ns:xmpp-sasl"
#define NS_STREAM "http://etherx.jabber.org/streams"
#define NS_RECEIPTS "urn:xmpp:receipts"

typedef struct {
  xmpp_ctx_t *ctx;
  xmpp_conn_t *conn;
  char *own, *theirs, *text;
  int confirmed, received, authenticated;
} Peer;

static void
say (const char *what, const char *detail)
{
  printf ("%s%s%s\n", what, detail != NULL ? " " : "", detail != NULL ? detail : "");
  fflush (stdout);
}

static void
open_stream (Peer *peer)
{
  char *attributes[] = { (char *) "to", peer->theirs, (char *) "from", peer->own, (char *) "version", (char *) "1.0",
                         (char *) "xmlns", (char *) "jabber:client", (char *) "xmlns:stream", (char *) NS_STREAM };

  xmpp_conn_open_stream (peer->conn, attributes, sizeof attributes / sizeof *attributes);
}

static void
leave_when_done (Peer *peer)
{
  if (peer->confirmed && peer->received)
    {
      say ("done", NULL);
      xmpp_disconnect (peer->conn);
    }
}

static int
on_message (xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *user)
{
  Peer *peer = user;
  xmpp_stanza_t *receipt = xmpp_stanza_get_child_by_name_and_ns (stanza, "received", NS_RECEIPTS);
  char *body = xmpp_message_get_body (stanza);
  const char *id = xmpp_stanza_get_id (stanza);

  if (receipt != NULL)
    {
      peer->confirmed = 1;
      say ("confirmed", xmpp_stanza_get_id (receipt));
    }
  if (body != NULL)
    {
      peer->received = 1;
      say ("received", body);
      xmpp_free (peer->ctx, body);
      if (id != NULL && xmpp_stanza_get_child_by_name_and_ns (stanza, "request", NS_RECEIPTS) != NULL)
        xmpp_send_raw_string (conn, "<message to='%s' id='r-%s'><received xmlns='" NS_RECEIPTS "' id='%s'/></message>",
                              peer->theirs, id, id);
    }
  leave_when_done (peer);
  return 1;
}

static int
on_proceed (xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *user)
{
  Peer *peer = user;

  if (xmpp_conn_tls_start (conn) != 0)
    {
      say ("failed", "tls");
      xmpp_disconnect (conn);
      return 0;
    }
  say ("tls", NULL);
  open_stream (peer);
  return 0;
}

static int
on_success (xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *user)
{
  Peer *peer = user;

  peer->authenticated = 1;
  say ("success", NULL);
  open_stream (peer);
  return 0;
}

static int
on_failure (xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *user)
{
  xmpp_stanza_t *condition = xmpp_stanza_get_children (stanza);

  say ("refused", condition != NULL ? xmpp_stanza_get_name (condition) : NULL);
  xmpp_disconnect (conn);
  return 0;
}

static int
on_features (xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *user)
{
  Peer *peer = user;

  if (xmpp_stanza_get_child_by_name_and_ns (stanza, "starttls", NS_TLS) != NULL)
    xmpp_send_raw_string (conn, "<starttls xmlns='" NS_TLS "'/>");
  else if (xmpp_stanza_get_child_by_name_and_ns (stanza, "mechanisms", NS_SASL) != NULL)
    xmpp_send_raw_string (conn, "<auth xmlns='" NS_SASL "' mechanism='EXTERNAL'>=</auth>");
  else if (peer->authenticated)
    {
      say ("open", NULL);
      xmpp_send_raw_string (conn,
                            "<message from='%s' to='%s' type='chat' id='strophe-1'><body>%s</body>"
                            "<request xmlns='" NS_RECEIPTS "'/></message>", peer->own, peer->theirs, peer->text);
    }
  return 1;
}

static void
on_connection (xmpp_conn_t *conn, xmpp_conn_event_t event, int error, xmpp_stream_error_t *stream_error, void *user)
{
  Peer *peer = user;

  switch (event)
    {
    case XMPP_CONN_RAW_CONNECT:
      say ("connected", NULL);
      xmpp_handler_add (conn, on_features, NS_STREAM, "features", NULL, peer);
      xmpp_handler_add (conn, on_proceed, NS_TLS, "proceed", NULL, peer);
      xmpp_handler_add (conn, on_success, NS_SASL, "success", NULL, peer);
      xmpp_handler_add (conn, on_failure, NS_SASL, "failure", NULL, peer);
      xmpp_handler_add (conn, on_message, NULL, "message", NULL, peer);
      open_stream (peer);
      break;
    case XMPP_CONN_CONNECT:
      break;
    case XMPP_CONN_DISCONNECT:
    case XMPP_CONN_FAIL:
      say ("ended", stream_error != NULL && stream_error->text != NULL ? stream_error->text : error != 0 ? strerror (error) : NULL);
      xmpp_stop (peer->ctx);
      break;
    }
}

int
main (int argc, char **argv)
{
  Peer peer = { 0 };

  if (argc != 8)
    {
      fprintf (stderr, "Usage: strophe-peer HOST PORT OWN-ADDRESS THEIR-ADDRESS CERTIFICATE KEY TEXT\n");
      return 2;
    }
  xmpp_initialize ();
  peer.ctx = xmpp_ctx_new (NULL, xmpp_get_default_logger (XMPP_LEVEL_WARN));
  peer.conn = xmpp_conn_new (peer.ctx);
  peer.own = argv[3];
  peer.theirs = argv[4];
  peer.text = argv[7];
  xmpp_conn_set_flags (peer.conn, XMPP_CONN_FLAG_TRUST_TLS);
  xmpp_conn_set_jid (peer.conn, argv[3]);
  xmpp_conn_set_client_cert (peer.conn, argv[5], argv[6]);
  if (xmpp_connect_raw (peer.conn, argv[1], (unsigned short) atoi (argv[2]), on_connection, &peer) != XMPP_EOK)
    {
      say ("failed", "connect");
      return 1;
    }
  xmpp_run (peer.ctx);
  xmpp_conn_release (peer.conn);
  xmpp_ctx_free (peer.ctx);
  xmpp_shutdown ();
  return peer.confirmed && peer.received ? 0 : 1;
}
