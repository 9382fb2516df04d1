/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/proto/xml-stream.h"

#include <expat.h>
#include <string.h>

#include "daemon/base/names.h"

/* Between the parts of a name as expat hands them over: namespace, local name, prefix. No XML
 * document can hold a form feed, so no namespace can imitate the seam. */
#define SEAM '\f'
/* expat takes an int; this also bounds what one call buffers beyond an element. */
#define SLICE_MAX 65536

const XmlStreamLimits xml_stream_limits_before_auth = {
  .element_bytes = 10000,
  .total_bytes = 32 * 1024,
  .depth = 32,
  .attributes = 64,
  .children = 1024,
  .name_bytes = 256,
  .value_bytes = 8 * 1024,
  .distinct_names = 4096,
};

const XmlStreamLimits xml_stream_limits_after_auth = {
  .element_bytes = 65536,
  .total_bytes = 0,
  .depth = 32,
  .attributes = 64,
  .children = 1024,
  .name_bytes = 256,
  .value_bytes = 8 * 1024,
  .distinct_names = 4096,
};

struct _XmlStream {
  XmlStreamLimits limits;
  XmlStreamHandlers handlers;
  gpointer user;
  XML_Parser parser;

  guint depth;
  GPtrArray *open;   /* borrowed: the open elements from the first-level one inwards */
  Stanza *building;  /* the first-level element, owned */
  GHashTable *names; /* GRefString set; see intern() */
  char *default_ns;  /* declared on the root */
  guint n_declared;  /* namespace declarations of the start tag being read */

  guint64 fed;       /* bytes given to expat */
  guint64 settled;   /* up to here everything is done with: an element in progress begins at or behind it */
  guint64 stop_at;   /* where parsing stopped for good */
  guint8 first_byte; /* of the section: with the second it tells the encoding */
  guint fed_start;   /* how many of the two were seen */

  GError *failure;   /* found in a callback of expat, reported by feed */
  gboolean stopped;
  gboolean in_feed;
  gboolean doomed;   /* freed inside a callback */
};

G_DEFINE_QUARK (xml-stream-error-quark, xml_stream_error)

/* --- helpers of the callbacks ------------------------------------------------ */

static guint64
event_start (XmlStream *xs)
{
  return (guint64) XML_GetCurrentByteIndex (xs->parser);
}

static guint64
event_end (XmlStream *xs)
{
  return event_start (xs) + (guint64) XML_GetCurrentByteCount (xs->parser);
}

static void
fail (XmlStream *xs, XmlStreamError code, const char *why)
{
  if (xs->failure != NULL)
    return;
  g_set_error_literal (&xs->failure, XML_STREAM_ERROR, code, why);
  xs->stopped = TRUE;
  XML_StopParser (xs->parser, XML_FALSE);
}

static void
stop_here (XmlStream *xs)
{
  xs->stop_at = event_end (xs);
  XML_StopParser (xs->parser, XML_FALSE);
}

/* expat keeps every distinct name, prefix and namespace it ever saw until the section ends; so they are counted
 * (docs/protocol.md 2.3), and the copy that counting needs is what the stanzas share. NULL: refused. */
static GRefString *
intern (XmlStream *xs, const char *text, gsize len)
{
  g_autofree char *key = NULL;
  GRefString *name;

  if (len > xs->limits.name_bytes)
    {
      fail (xs, XML_STREAM_ERROR_POLICY_VIOLATION, "a name is too long");
      return NULL;
    }
  key = g_strndup (text, len);
  name = g_hash_table_lookup (xs->names, key);
  if (name != NULL)
    return name;
  if (g_hash_table_size (xs->names) >= xs->limits.distinct_names)
    {
      fail (xs, XML_STREAM_ERROR_POLICY_VIOLATION, "too many different names");
      return NULL;
    }
  name = g_ref_string_new (key);
  g_hash_table_add (xs->names, name);
  return name;
}

/* Takes apart "namespace SEAM local SEAM prefix" (the latter parts optional). */
static gboolean
intern_name (XmlStream *xs, const char *joined, GRefString **name, GRefString **ns)
{
  const char *local = strchr (joined, SEAM);
  const char *prefix;
  gsize len;

  *ns = intern (xs, joined, local != NULL ? (gsize) (local - joined) : 0);
  if (*ns == NULL)
    return FALSE;
  local = local != NULL ? local + 1 : joined;
  prefix = strchr (local, SEAM);
  len = prefix != NULL ? (gsize) (prefix - local) : strlen (local);
  *name = intern (xs, local, len);
  if (*name == NULL)
    return FALSE;
  if (prefix != NULL)
    {
      /* expat's table is keyed by the name as written: few prefixes times few names are many of those. */
      g_autofree char *written = g_strdup_printf ("%s:%s", prefix + 1, *name);

      if (strlen (prefix + 1) > xs->limits.name_bytes)
        {
          fail (xs, XML_STREAM_ERROR_POLICY_VIOLATION, "a name is too long");
          return FALSE;
        }
      if (g_hash_table_lookup (xs->names, written) == NULL)
        {
          if (g_hash_table_size (xs->names) >= xs->limits.distinct_names)
            {
              fail (xs, XML_STREAM_ERROR_POLICY_VIOLATION, "too many different names");
              return FALSE;
            }
          g_hash_table_add (xs->names, g_ref_string_new (written));
        }
    }
  return TRUE;
}

static Stanza *
make_element (XmlStream *xs, const char *joined, const char **attrs)
{
  GRefString *name, *ns;
  g_autoptr (Stanza) s = NULL;
  guint n = xs->n_declared;

  if (!intern_name (xs, joined, &name, &ns))
    return NULL;
  s = stanza_new_shared (name, ns);
  for (guint i = 0; attrs[i] != NULL; i += 2)
    {
      if (++n > xs->limits.attributes)
        {
          fail (xs, XML_STREAM_ERROR_POLICY_VIOLATION, "too many attributes");
          return NULL;
        }
      if (strlen (attrs[i + 1]) > xs->limits.value_bytes)
        {
          fail (xs, XML_STREAM_ERROR_POLICY_VIOLATION, "an attribute is too long");
          return NULL;
        }
      if (!intern_name (xs, attrs[i], &name, &ns))
        return NULL;
      stanza_set_attr_shared (s, name, *ns != '\0' ? ns : NULL, attrs[i + 1]);
    }
  return g_steal_pointer (&s);
}

/* --- expat's callbacks ------------------------------------------------------- */

static void
on_start_namespace (void *user, const char *prefix, const char *uri)
{
  XmlStream *xs = user;

  if (xs->stopped)
    return;
  if (++xs->n_declared > xs->limits.attributes)
    {
      fail (xs, XML_STREAM_ERROR_POLICY_VIOLATION, "too many attributes");
      return;
    }
  if (prefix != NULL && intern (xs, prefix, strlen (prefix)) == NULL)
    return;
  if (uri != NULL && intern (xs, uri, strlen (uri)) == NULL)
    return;
  if (prefix == NULL && xs->depth == 0)
    xs->default_ns = g_strdup (uri);
}

static void
on_start_root (XmlStream *xs, Stanza *root)
{
  /* The header is measured, too: first '<' to last '>'. */
  if (event_end (xs) - event_start (xs) > xs->limits.element_bytes)
    {
      fail (xs, XML_STREAM_ERROR_STANZA_TOO_BIG, "the stream header is too big");
      return;
    }
  xs->settled = event_end (xs);
  xs->handlers.opened (xs->user, root, xs->default_ns);
  if (xs->stopped)
    stop_here (xs);
}

static void
on_start_element (void *user, const char *name, const char **attrs)
{
  XmlStream *xs = user;
  g_autoptr (Stanza) element = NULL;
  Stanza *parent;

  if (xs->stopped)
    return;
  if (++xs->depth > xs->limits.depth)
    {
      fail (xs, XML_STREAM_ERROR_POLICY_VIOLATION, "elements are nested too deeply");
      return;
    }
  element = make_element (xs, name, attrs);
  xs->n_declared = 0;
  if (element == NULL)
    return;
  if (xs->depth == 1)
    {
      on_start_root (xs, element);
      return;
    }
  if (xs->depth == 2)
    {
      xs->settled = event_start (xs);
      xs->building = g_steal_pointer (&element);
      g_ptr_array_add (xs->open, xs->building);
      return;
    }
  parent = g_ptr_array_index (xs->open, xs->open->len - 1);
  if (stanza_n_children (parent) >= xs->limits.children)
    {
      fail (xs, XML_STREAM_ERROR_POLICY_VIOLATION, "an element has too many children");
      return;
    }
  g_ptr_array_add (xs->open, stanza_add_child (parent, g_steal_pointer (&element)));
}

static void
on_end_element (void *user, const char *name)
{
  XmlStream *xs = user;
  g_autoptr (Stanza) done = NULL;

  if (xs->stopped)
    return;
  xs->depth--;
  if (xs->depth > 1)
    {
      g_ptr_array_set_size (xs->open, (int) xs->open->len - 1);
      return;
    }
  if (xs->depth == 0)
    {
      xs->settled = event_end (xs);
      xs->stopped = TRUE; /* nothing may follow, so nothing is read */
      xs->handlers.closed (xs->user);
      stop_here (xs);
      return;
    }
  if (event_end (xs) - xs->settled > xs->limits.element_bytes)
    {
      fail (xs, XML_STREAM_ERROR_STANZA_TOO_BIG, "an element is too big");
      return;
    }
  g_ptr_array_set_size (xs->open, 0);
  xs->settled = event_end (xs);
  done = g_steal_pointer (&xs->building);
  xs->handlers.stanza (xs->user, done);
  if (xs->stopped)
    stop_here (xs);
}

static void
on_text (void *user, const char *text, int len)
{
  XmlStream *xs = user;

  if (xs->stopped)
    return;
  if (xs->open->len > 0)
    {
      stanza_add_parsed_text (g_ptr_array_index (xs->open, xs->open->len - 1), text, (gsize) len);
      return;
    }
  /* RFC 6120 section 4.4: whitespace between stanzas keeps a stream alive; other text has no meaning. */
  for (int i = 0; i < len; i++)
    if (strchr (" \t\r\n", text[i]) == NULL)
      {
        fail (xs, XML_STREAM_ERROR_BAD_FORMAT, "text stands between elements");
        return;
      }
  xs->settled = event_end (xs);
}

/* RFC 6120 section 11.1: comments, processing instructions, DTD subsets and entity references beyond the
 * predefined are prohibited. The first sign of one stops the parser, so nothing is ever declared or expanded. */
static void
on_comment (void *user, const char *text)
{
  XmlStream *xs = user;

  if (!xs->stopped)
    fail (xs, XML_STREAM_ERROR_RESTRICTED_XML, "comments are not allowed");
}

static void
on_instruction (void *user, const char *target, const char *data)
{
  XmlStream *xs = user;

  if (!xs->stopped)
    fail (xs, XML_STREAM_ERROR_RESTRICTED_XML, "processing instructions are not allowed");
}

static void
on_doctype (void *user, const char *name, const char *sysid, const char *pubid, int has_subset)
{
  XmlStream *xs = user;

  if (!xs->stopped)
    fail (xs, XML_STREAM_ERROR_RESTRICTED_XML, "document type declarations are not allowed");
}

static void
on_skipped_entity (void *user, const char *name, int is_parameter)
{
  XmlStream *xs = user;

  if (!xs->stopped)
    fail (xs, XML_STREAM_ERROR_RESTRICTED_XML, "entity references are not allowed");
}

static void
on_declaration (void *user, const char *version, const char *encoding, int standalone)
{
  XmlStream *xs = user;

  if (xs->stopped)
    return;
  if (encoding != NULL && g_ascii_strcasecmp (encoding, "UTF-8") != 0)
    fail (xs, XML_STREAM_ERROR_UNSUPPORTED_ENCODING, "only UTF-8 is supported");
  else if (g_strcmp0 (version, "1.0") != 0)
    fail (xs, XML_STREAM_ERROR_NOT_WELL_FORMED, "only XML 1.0 is supported");
  else
    xs->settled = event_end (xs);
}

/* --- life -------------------------------------------------------------------- */

XmlStream *
xml_stream_new (const XmlStreamLimits *limits, const XmlStreamHandlers *handlers, gpointer user)
{
  XmlStream *xs = g_new0 (XmlStream, 1);

  xs->limits = *limits;
  xs->handlers = *handlers;
  xs->user = user;
  xs->open = g_ptr_array_new ();
  xs->names = g_hash_table_new_full (g_str_hash, g_str_equal, (GDestroyNotify) g_ref_string_release, NULL);
  /* The protocol's encoding, which no declaration and no byte order mark overrides. */
  xs->parser = XML_ParserCreateNS ("UTF-8", SEAM);
  if (xs->parser == NULL)
    g_error ("out of memory");
  XML_SetReturnNSTriplet (xs->parser, 1);
#ifdef HAVE_XML_SETREPARSEDEFERRALENABLED
  /* A stanza is wanted the moment its last byte is there, not when the next one arrives. */
  XML_SetReparseDeferralEnabled (xs->parser, XML_FALSE);
#endif
  XML_SetUserData (xs->parser, xs);
  XML_SetElementHandler (xs->parser, on_start_element, on_end_element);
  XML_SetStartNamespaceDeclHandler (xs->parser, on_start_namespace);
  XML_SetCharacterDataHandler (xs->parser, on_text);
  XML_SetCommentHandler (xs->parser, on_comment);
  XML_SetProcessingInstructionHandler (xs->parser, on_instruction);
  XML_SetStartDoctypeDeclHandler (xs->parser, on_doctype);
  XML_SetSkippedEntityHandler (xs->parser, on_skipped_entity);
  XML_SetXmlDeclHandler (xs->parser, on_declaration);
  return xs;
}

void
xml_stream_set_limits (XmlStream *xs, const XmlStreamLimits *limits)
{
  xs->limits = *limits;
}

void
xml_stream_free (XmlStream *xs)
{
  if (xs == NULL)
    return;
  if (xs->in_feed)
    {
      xs->doomed = TRUE;
      xs->stopped = TRUE;
      return;
    }
  XML_ParserFree (xs->parser);
  g_clear_pointer (&xs->building, stanza_unref);
  g_ptr_array_unref (xs->open);
  g_hash_table_unref (xs->names);
  g_free (xs->default_ns);
  g_clear_error (&xs->failure);
  g_free (xs);
}

void
xml_stream_stop (XmlStream *xs)
{
  if (!xs->stopped && !xs->in_feed)
    xs->stop_at = xs->fed;
  xs->stopped = TRUE;
}

gsize
xml_stream_pending (const XmlStream *xs)
{
  return (gsize) (xs->fed - MIN (xs->settled, xs->fed));
}

/* --- feeding ----------------------------------------------------------------- */

static XmlStreamError
code_of (enum XML_Error error)
{
  switch ((int) error)
    {
    case XML_ERROR_UNDEFINED_ENTITY:
    case XML_ERROR_RECURSIVE_ENTITY_REF:
    case XML_ERROR_ASYNC_ENTITY:
    case XML_ERROR_BINARY_ENTITY_REF:
    case XML_ERROR_ATTRIBUTE_EXTERNAL_ENTITY_REF:
    case XML_ERROR_EXTERNAL_ENTITY_HANDLING:
    case XML_ERROR_ENTITY_DECLARED_IN_PE:
    case XML_ERROR_PARAM_ENTITY_REF:
    case XML_ERROR_AMPLIFICATION_LIMIT_BREACH:
      return XML_STREAM_ERROR_RESTRICTED_XML;
    case XML_ERROR_UNKNOWN_ENCODING:
    case XML_ERROR_INCORRECT_ENCODING:
      return XML_STREAM_ERROR_UNSUPPORTED_ENCODING;
    }
  return XML_STREAM_ERROR_NOT_WELL_FORMED;
}

/* XML 1.0 appendix F: the first bytes betray UTF-16 and UTF-32, with a mark or without. expat would follow them in
 * spite of the encoding it was told, so they are looked at before. A document begins with '<' or white space; a mark
 * of UTF-8 begins no stream (RFC 6120 section 11.6). */
static gboolean
check_start (XmlStream *xs, guint8 byte)
{
  guint8 first = xs->first_byte;

  if (xs->fed_start == 0)
    {
      xs->first_byte = byte;
      if (byte == 0)
        fail (xs, XML_STREAM_ERROR_UNSUPPORTED_ENCODING, "only UTF-8 is supported");
      else if (byte != 0xfe && byte != 0xff && strchr ("< \t\r\n", byte) == NULL)
        fail (xs, XML_STREAM_ERROR_NOT_WELL_FORMED, "this begins no XML");
    }
  else if (byte == 0 || (first == 0xfe && byte == 0xff) || (first == 0xff && byte == 0xfe))
    fail (xs, XML_STREAM_ERROR_UNSUPPORTED_ENCODING, "only UTF-8 is supported");
  else if (first >= 0xfe)
    fail (xs, XML_STREAM_ERROR_NOT_WELL_FORMED, "this begins no XML");
  xs->fed_start++;
  return xs->failure == NULL;
}

static gboolean
check_encoding (XmlStream *xs, const char *bytes, gsize len)
{
  for (gsize i = 0; i < len && xs->fed_start < 2; i++)
    if (!check_start (xs, (guint8) bytes[i]))
      return FALSE;
  return TRUE;
}

/* How many of `len` bytes expat may have before a limit would be passed; 0 after a failure. */
static gsize
allowance (XmlStream *xs, gsize len)
{
  gsize pending = xml_stream_pending (xs);

  if (xs->limits.total_bytes > 0 && xs->fed >= xs->limits.total_bytes)
    {
      fail (xs, XML_STREAM_ERROR_POLICY_VIOLATION, "too much was sent");
      return 0;
    }
  if (pending >= xs->limits.element_bytes)
    {
      fail (xs, XML_STREAM_ERROR_STANZA_TOO_BIG, "an element is too big");
      return 0;
    }
  len = MIN (len, SLICE_MAX);
  len = MIN (len, xs->limits.element_bytes - pending);
  if (xs->limits.total_bytes > 0)
    len = MIN (len, xs->limits.total_bytes - xs->fed);
  return len;
}

/* One slice into expat. Even a refused byte was never buffered beyond the limits. */
static void
feed_slice (XmlStream *xs, const char *bytes, gsize len)
{
  enum XML_Status status;

  xs->fed += len;
  status = XML_Parse (xs->parser, bytes, (int) len, XML_FALSE);
  if (status == XML_STATUS_ERROR && !xs->stopped)
    {
      XmlStreamError code = code_of (XML_GetErrorCode (xs->parser));

      fail (xs, code, code == XML_STREAM_ERROR_NOT_WELL_FORMED ? "the XML is not well-formed" : "this XML is not allowed");
    }
}

gboolean
xml_stream_feed (XmlStream *xs, const char *bytes, gsize len, gsize *consumed, GError **error)
{
  guint64 before = xs->fed;
  gsize done = 0;
  gboolean ok;

  g_return_val_if_fail (!xs->in_feed, FALSE);
  xs->in_feed = TRUE;
  while (done < len && !xs->stopped)
    {
      gsize slice = allowance (xs, len - done);

      if (slice == 0 || !check_encoding (xs, bytes + done, slice))
        break;
      feed_slice (xs, bytes + done, slice);
      done += slice;
    }
  xs->in_feed = FALSE;
  ok = xs->failure == NULL;
  if (!ok && error != NULL)
    *error = g_error_copy (xs->failure);
  if (consumed != NULL)
    *consumed = xs->stopped && ok ? (gsize) (xs->stop_at > before ? xs->stop_at - before : 0) : done;
  if (xs->doomed)
    xml_stream_free (xs);
  return ok;
}

/* --- one element ------------------------------------------------------------ */

typedef struct
{
  Stanza *first;
  guint n;
} One;

static void
on_one_opened (gpointer user, const Stanza *header, const char *default_ns)
{
}

static void
on_one (gpointer user, Stanza *stanza)
{
  One *one = user;

  if (one->n++ == 0)
    one->first = stanza_ref (stanza);
}

static void
on_one_closed (gpointer user)
{
  ((One *) user)->n = G_MAXUINT / 2; /* its end tag is ours to write */
}

Stanza *
xml_stream_read_one (const char *xml)
{
  static const XmlStreamHandlers handlers = { on_one_opened, on_one, on_one_closed };
  static const char header[] = "<stream:stream xmlns='" NS_CLIENT "' xmlns:stream='" NS_STREAM "'>";
  One one = { NULL, 0 };
  XmlStream *xs = xml_stream_new (&xml_stream_limits_after_auth, &handlers, &one);
  gboolean good = xml_stream_feed (xs, header, sizeof header - 1, NULL, NULL) && xml_stream_feed (xs, xml, strlen (xml), NULL, NULL)
                  && xml_stream_pending (xs) == 0;

  xml_stream_free (xs);
  if (!good || one.n != 1)
    g_clear_pointer (&one.first, stanza_unref);
  return one.first;
}
