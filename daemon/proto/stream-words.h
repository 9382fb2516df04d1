/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The words a stream may end with, and the base64 of SASL. Threat: a condition read from the wire is a
 * stranger's text; only words of these tables go up, as static strings.
 */
#pragma once

#include <glib.h>

/* RFC 6120 section 4.9.3; the table's own string, or NULL. */
const char *stream_error_word (const char *name);
/* RFC 6120 section 6.5; the table's own string, or NULL. */
const char *sasl_error_word (const char *name);
/* Our own words of StreamEnd ("closed", "tls", …), else "undefined-condition". */
const char *stream_end_word (const char *name);

/* RFC 6120 section 6.4.2: "=" is an empty response; otherwise strict base64 (RFC 4648 section 4) of `*len` bytes that may
 * be anything, a NUL behind them. NULL: incorrectly encoded. Caller frees. */
guchar *sasl_decode (const char *text, gsize *len);
