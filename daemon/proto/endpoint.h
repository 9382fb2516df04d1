/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where somebody can be reached, as an invite tells it (docs/protocol.md 3.6): HOST:PORT or [IPV6]:PORT, each in one spelling.
 *
 * Threat: an invite comes from anywhere, and whoever accepts it dials what it says. So an endpoint is never this machine, nobody, or
 * everybody, in whatever notation (127.1, 0x7f000001, ::ffff:127.0.0.1); what a name leads to is judged when it is dialled (1.7).
 * A link-local address bears no scope: links have other names elsewhere. Pure.
 */
#pragma once

#include <glib.h>

#define ENDPOINT_TEXT_MAX 72 /* bytes: a host name of 64, a colon, a port; or an IPv6 address with brackets */

/* The one spelling of `text`: small letters, the short form of an address, no scope behind a link-local one. NULL and
 * INVALID_ARGUMENT for what is none, or may not be. Caller frees. */
char *endpoint_normalise (const char *text, GError **error);
