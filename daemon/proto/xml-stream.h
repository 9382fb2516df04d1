/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Bytes to stream-open, stanzas and close, on expat. One parser per stream section
 * (docs/protocol.md 2.3): make a new one after TLS and after SASL.
 *
 * Threat: the bytes are a hostile stranger's. This file owns every limit on their shape:
 * bytes per element and in total, depth, attributes, children, name and value lengths,
 * distinct names; restricted XML (no DTD, comment, processing instruction, foreign
 * entity; UTF-8 only). Memory is bounded by the limits whatever arrives. One thread.
 */
#pragma once

#include <glib.h>

#include "daemon/proto/stanza.h"

typedef struct {
  gsize element_bytes; /* one first-level element, or the header, first '<' to last '>' */
  gsize total_bytes;   /* the whole section; 0 = no limit */
  guint depth;         /* counting the stream element as 1 */
  guint attributes;    /* per element */
  guint children;      /* per element */
  gsize name_bytes;    /* element, attribute, namespace */
  gsize value_bytes;   /* one attribute value */
  guint distinct_names;/* names, prefixes and namespaces in one section: expat keeps them all */
} XmlStreamLimits;

/* docs/protocol.md 2.10: before SASL 10 000 bytes an element and 32 KiB in all; after it 65 536. */
extern const XmlStreamLimits xml_stream_limits_before_auth;
extern const XmlStreamLimits xml_stream_limits_after_auth;

/* Stream error conditions of RFC 6120 4.9.3 that parsing can give. The error's
 * message is ours (never the stranger's text). */
#define XML_STREAM_ERROR (xml_stream_error_quark ())
typedef enum {
  XML_STREAM_ERROR_NOT_WELL_FORMED,
  XML_STREAM_ERROR_UNSUPPORTED_ENCODING,
  XML_STREAM_ERROR_RESTRICTED_XML,
  XML_STREAM_ERROR_BAD_FORMAT,       /* text where only elements may stand */
  XML_STREAM_ERROR_POLICY_VIOLATION, /* too deep, too many of something */
  XML_STREAM_ERROR_STANZA_TOO_BIG    /* policy-violation + <stanza-too-big/> */
} XmlStreamError;
GQuark xml_stream_error_quark (void);

/* Callbacks may call xml_stream_stop() and may free the stream's owner, provided the owner
 * frees the XmlStream with xml_stream_free(), which is safe inside a callback. */
typedef struct {
  /* The root's start tag, as a childless element with its real name and namespace
   * (root checks are the caller's: wrong namespace and wrong name have different errors).
   * `default_ns` is the default namespace the root declared, or NULL. */
  void (*opened) (gpointer user, const Stanza *header, const char *default_ns);
  /* A complete first-level element; borrowed, ref it to keep it. */
  void (*stanza) (gpointer user, Stanza *stanza);
  /* The root's end tag. What follows it is not parsed, as after xml_stream_stop(). */
  void (*closed) (gpointer user);
} XmlStreamHandlers;

typedef struct _XmlStream XmlStream;

XmlStream *xml_stream_new (const XmlStreamLimits *limits, const XmlStreamHandlers *handlers, gpointer user);
void xml_stream_free (XmlStream *xs);

/* Feeds bytes. FALSE sets `error` (domain XML_STREAM_ERROR); the parser is dead then. After
 * xml_stream_stop() the rest is not parsed and `*consumed` (may be NULL) tells where it begins,
 * so that bytes behind <starttls/> or <proceed/> are seen as the injection they are. */
gboolean xml_stream_feed (XmlStream *xs, const char *bytes, gsize len, gsize *consumed, GError **error);

/* From inside a callback: parse no further; feed returns at once, TRUE. For good. */
void xml_stream_stop (XmlStream *xs);

/* From here on these hold; may come from inside a callback. What was counted stays counted. */
void xml_stream_set_limits (XmlStream *xs, const XmlStreamLimits *limits);

/* Bytes held of an element not yet complete. */
gsize xml_stream_pending (const XmlStream *xs);

/* One element that stands alone, in `jabber:client` where it says nothing else, as we keep some on our own disk: whole, and nothing
 * beside it, within the limits of after SASL. NULL: it is none. Owned by the caller. */
Stanza *xml_stream_read_one (const char *xml);
