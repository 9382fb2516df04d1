/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the stream machine says: headers, features, errors, as text for the wire. Every
 * result is the caller's.
 */
#pragma once

#include <glib.h>

#include "daemon/proto/stanza.h"
#include "daemon/proto/stream.h"

/* A section has a parser, two headers and features of its own. */
typedef enum { SECTION_CLEAR, SECTION_PROTECTED, SECTION_FINAL } StreamSection;

/* XEP-0478: what we take, and take for granted that others take. */
#define STREAM_MAX_STANZA 65536

/* `to` may be NULL. A responder's has a fresh id. */
GString *stream_build_header (StreamRole role, const char *from, const char *to);
/* To a legacy caller (docs/protocol.md 8.2): without a version, so that it expects no features. */
GString *stream_build_clear_header (const char *from, const char *to);
GString *stream_build_features (StreamSection section, Stanza *disco_info, gboolean restricted, gboolean managed);
/* 128 bits that nobody can foresee, in hex. */
char *stream_make_id (void);
GString *stream_build_error (const char *condition, const char *app_error);
/* NULL: the certificate alone says who we are, written "=". */
GString *stream_build_auth (const char *authzid);
GString *stream_build_auth_failure (const char *condition);
/* Appends " NAME='ADDR'", escaped; nothing for NULL. */
void stream_append_address (GString *out, const char *name, const char *addr);
