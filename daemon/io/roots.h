/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The private roots (docs/protocol.md 3.2, 3.4): whether a certificate chain leads to a root configured here, by the rules and in
 * force. Watches its files and reads them anew when they change. Decides nothing. Main thread only.
 *
 * Threat: a chain is a stranger's. Its length is bounded before anything of it is parsed; nothing in it is ever followed
 * (AIA, OCSP, CRL distribution points); the system's roots are never looked at. What can not be read, or is out of
 * force, proves nothing.
 */
#pragma once

#include <glib.h>
#include <gnutls/gnutls.h>

typedef struct _Roots Roots;

typedef struct {
  /* Roots or revocation lists are others now, or a date has passed: what was judged may be judged otherwise. */
  void (*changed) (gpointer user);
  /* For Manager.Warnings: stable key, text (NULL withdraws). Also from inside roots_new(). */
  void (*warning) (gpointer user, const char *key, const char *text);
} RootsCallbacks;

typedef struct {
  gboolean valid;      /* a chain to a configured root, all of it in force, for that name */
  gboolean expired;    /* it fails by dates */
  gboolean revoked;    /* its issuer says that it counts no more */
  const char *word;    /* static, for log and Key.Warnings: why it is not valid ("chain-unknown-root", …), or NULL */
} RootsVerdict;

/* Files in PEM. A file that can not be used is warned about, and none of it counts. NULL lists are empty. Blocks. */
Roots *roots_new (char **root_files, char **crl_files, const RootsCallbacks *callbacks, gpointer user);
void roots_free (Roots *roots);
/* Reads the files anew. Reports `changed`. */
void roots_reload (Roots *roots);

/* "FINGERPRINT NAME" of each root in use; NULL-terminated, borrowed until `changed`. */
const char *const *roots_list (const Roots *roots);

/* `chain` as it came in TLS, the peer's own first, DER. `addr` must be one of its xmppAddr names; NULL = whichever it has. */
RootsVerdict roots_judge (Roots *roots, const gnutls_datum_t *chain, guint n, const char *addr);
