/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Succession statements and keys (docs/protocol.md 3.5): signing one, and whether one was signed by the key it names. What such a
 * statement may do is decided elsewhere. Any thread.
 *
 * Threat: the statement and the key in it are a stranger's. The key is held to the same rules as one in a certificate, and signs in the
 * one way that its kind has.
 */
#pragma once

#include <gnutls/abstract.h>

#include "daemon/proto/succession.h"

/* `old_key` says that the key with `new_fp` takes its place. UNSUPPORTED: a kind of key that has no way of signing here. */
gboolean succession_sign (gnutls_privkey_t old_key, const Fingerprint *new_fp, Succession *out, GError **error);
/* NOT_TRUSTED: forged, or by a key or in a way that is not good enough. */
gboolean succession_check (const Succession *succession, GError **error);
