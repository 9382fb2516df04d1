/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A person is a key: SHA-256 over the DER SubjectPublicKeyInfo of the peer's
 * certificate, 32 bytes (docs/protocol.md 3.3), and its spellings. A plain value: copy it.
 */
#pragma once

#include <glib.h>

#define FINGERPRINT_BYTES 32

typedef struct {
  guint8 bytes[FINGERPRINT_BYTES];
} Fingerprint;

gboolean fingerprint_equal (const Fingerprint *a, const Fingerprint *b);
/* Byte order, as the simultaneous-open rule needs it (docs/protocol.md 2.8). */
int fingerprint_compare (const Fingerprint *a, const Fingerprint *b);
/* For GHashTable keyed by `const Fingerprint *`. */
guint fingerprint_hash (gconstpointer fp);
gboolean fingerprint_equal_func (gconstpointer a, gconstpointer b);

/* 64 lower-case hex digits: the form of API and JSON. Caller frees. */
char *fingerprint_to_hex (const Fingerprint *fp);
/* Accepts exactly 64 hex digits of either case; spaces, dashes and colons
 * between digits are skipped. FALSE leaves `out` untouched. */
gboolean fingerprint_from_hex (const char *text, Fingerprint *out);
/* 8 groups of 8 hex digits separated by a space: the form for people. Caller frees. */
char *fingerprint_to_display (const Fingerprint *fp);
/* base64url without padding, 43 characters: the form in TXT. Caller frees. */
char *fingerprint_to_base64url (const Fingerprint *fp);
gboolean fingerprint_from_base64url (const char *text, gsize len, Fingerprint *out);
