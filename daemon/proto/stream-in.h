/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Questions the stream machine asks about what it was told. Threat: all of it is a stranger's; every
 * answer is a yes, a no, or a word of ours.
 */
#pragma once

#include <glib.h>

#include "daemon/proto/stanza.h"
#include "daemon/proto/xml-stream.h"

gboolean stream_version_is_low (const char *version);
gboolean stream_offers_external (const Stanza *features);
/* What the peer takes (XEP-0478); our own limit when it does not say, or says nonsense. */
gsize stream_read_limit (const Stanza *features);
/* The SASL condition that refuses this <auth/>, or NULL. `from` is the stream's. */
const char *stream_check_auth (const Stanza *auth, const char *from);
/* message, presence or iq of the content namespace. */
gboolean stream_is_stanza (const Stanza *e);
gboolean stream_is_blank (const char *bytes, gsize len);
/* The condition by which a parse error is reported (docs/protocol.md 2.6). */
const char *stream_parse_word (XmlStreamError error);
