/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * TXT record to presence and back (docs/protocol.md 1.2). Garbage is a value, not a failure.
 * Threat: anybody on the link can publish anything; every field is a claim, bounded
 * and cleaned here, and none of it is proof of anything. One thread.
 */
#pragma once

#include <glib.h>

#include "daemon/base/fingerprint.h"

#define PRESENCE_TXT_BUDGET 400  /* what we publish */
#define PRESENCE_TXT_MAX 1300    /* RFC 6763 section 6.2 */

typedef enum { SHOW_AVAILABLE, SHOW_AWAY, SHOW_DND } Show;

/* Strings are valid UTF-8 without control characters, at most 255 octets; NULL = not given. */
typedef struct {
  Show show;
  char *msg, *nick;
  char *node, *ver;            /* only together with hash=sha-1 */
  char *phsh;                  /* 40 lower-case hex digits or NULL */
  char *first, *last, *email, *jid;
  gboolean has_spki;
  Fingerprint spki;            /* a hint only (1.3) */
  gboolean direct_tls;         /* takes direct TLS on its port (2.2) */
} Presence;

Presence *presence_new (void);
Presence *presence_copy (const Presence *p);
gboolean presence_equal (const Presence *a, const Presence *b);
void presence_free (Presence *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Presence, presence_free)

/* `strings`: GBytes, one per TXT string, as received; NULL or empty = shares nothing. */
Presence *presence_from_txt (const GPtrArray *strings);
/* The strings to publish, `txtvers=1` first, within PRESENCE_TXT_BUDGET; `msg` is cut at a character
 * boundary when it must. Array of GBytes; caller unrefs. */
GPtrArray *presence_to_txt (const Presence *p);

const char *show_to_string (Show show);          /* the bus words: available, away, dnd */
gboolean show_from_string (const char *text, Show *out);
