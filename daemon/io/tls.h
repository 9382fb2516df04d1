/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The handshake: TLS 1.3 only, mutual, ALPN xmpp-client, no tickets, no early data, no SNI
 * (docs/protocol.md 2.2). Over bytes given and taken, so that it needs no socket; reports the peer's key and
 * never judges it beyond the rules of 3.2. Hides GnuTLS's handshake half. Main thread only.
 *
 * Threat: until `established` nothing of the peer is proven, and as server not even then more than possession
 * of a key.
 */
#pragma once

#include <glib.h>

#include "daemon/base/fingerprint.h"
#include "daemon/io/identity.h"

typedef struct _Tls Tls;

/* tls_free() is allowed inside any of them. */
typedef struct {
  void (*send) (gpointer user, const guint8 *cipher, gsize len);
  /* Client only, inside the verify callback, after the server proved its key and before our own certificate is
   * sent: FALSE aborts the handshake (T-12). */
  gboolean (*accept_key) (gpointer user, const Fingerprint *fp);
  void (*established) (gpointer user);
  void (*plain) (gpointer user, const char *bytes, gsize len);
  /* At most once, the last: NULL = close_notify, else what went wrong. */
  void (*ended) (gpointer user, const GError *error);
} TlsCallbacks;

Tls *tls_new (Identity *identity, gboolean server, const TlsCallbacks *callbacks, gpointer user);
void tls_free (Tls *tls);
/* Client: sends its hello. Server: waits. */
void tls_start (Tls *tls);
void tls_feed (Tls *tls, const guint8 *cipher, gsize len);
/* Encrypts `bytes` into as few records as possible; only after established. */
void tls_write (Tls *tls, const char *bytes, gsize len);
/* Sends close_notify. */
void tls_close (Tls *tls);

/* After established (fingerprint: from accept_key on). */
const Fingerprint *tls_get_peer_fingerprint (const Tls *tls);
gboolean tls_peer_is_expired (const Tls *tls);
/* The certificates it sent, its own first; borrowed. At most HANDSHAKE_MAX bytes of them were taken. */
const gnutls_datum_t *tls_get_peer_chain (const Tls *tls, guint *n);
/* RFC 9266 tls-exporter value. */
gboolean tls_get_exporter (Tls *tls, guint8 out[32]);
/* Are these two ends of one handshake? Then we are talking to ourselves, whoever carries the bytes. */
gboolean tls_same_handshake (const Tls *a, const Tls *b);
const char *tls_get_version (const Tls *tls);
/* "AES-256-GCM" and the like; static. */
const char *tls_get_cipher (const Tls *tls);
