/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The stream machine in conversation with a peer who speaks XMPP well enough to get far and then lies. The input is a
 * score: each letter is a deed, the characters behind it choose among prepared words. FUZZ_ROLE is our side.
 *
 *   H header (prolog, root, namespace, from, to, id, version, extra)   F features (a character a child, until ';')
 *   E element   M stanza (kind, from, to, payload)   G raw bytes until ';'   > closing tag   _ white space
 *   B what follows goes out in one piece until B again   C piece size
 *   T handshake done   J verdict   U verdict about clear text   D deadline   X we close   Z eof   Q we fail   S we send   K freed
 *   A in the next callback (which, what to do there)   L direct TLS, before anything was said
 *
 * The first character is a sum: 1 the peer's address is not known, 2 our certificate names us, 4 direct TLS from the
 * start, 8 our address is withheld in clear, 16 peers without TLS are judged, 32 and let in at once.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/jid.h"
#include "daemon/base/names.h"
#include "daemon/proto/caps.h"
#include "daemon/proto/stream.h"
#include "daemon/proto/stream-words.h"
#include "daemon/proto/xml-stream.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/input.h"

#define US "juliet@pronto"
#define PEER "romeo@forza"

typedef enum { IN_SEND, IN_TLS, IN_JUDGE, IN_OPENED, IN_STANZA, IN_ENDED, IN_DEADLINE, IN_OURS, IN_CLEAR, IN_N } Moment;

typedef struct {
  Stream *stream;
  gboolean direct, withheld, fed;
  XmlStream *heard;     /* reads what the machine says */
  gboolean opened, ended, in_tls, was_tls, asked, judged, refused, said_goodbye, re_entered, by_chance;
  gboolean asked_clear, judged_clear, may_clear, at_once;
  guint deadline;
  guint8 plan[IN_N];    /* what to do in a callback, once; 0 = nothing */
  GString *joined;      /* NULL = every deed feeds for itself */
  gsize piece;
  GString *delivered;
} Talk;

static const XmlStreamLimits roomy = { 1 << 20, 0, 64, 64, 4096, 4096, 1 << 18, 4096 };

/* --- what the machine says must be XML, and in its time ------------------------------ */

static void
heard_opened (gpointer user, const Stanza *header, const char *default_ns)
{
  Talk *t = user;

  g_assert_cmpstr (default_ns, ==, NS_CLIENT);
  g_assert (stanza_is (header, "stream", NS_STREAM));
  if (!t->was_tls)
    g_assert (!t->direct && (!t->withheld || stanza_get_attr (header, "from") == NULL));
}

static void
heard_element (gpointer user, Stanza *element)
{
  Talk *t = user;

  /* S-15, S-17: no stanza before the stream is open. */
  g_assert (stream_is_open (t->stream) || strcmp (stanza_get_ns (element), NS_CLIENT) != 0);
  g_assert (t->was_tls || strcmp (stanza_get_ns (element), NS_SASL) != 0
            || strcmp (stanza_get_name (element), "failure") == 0);
}

static void
heard_closed (gpointer user)
{
  ((Talk *) user)->said_goodbye = TRUE;
}

static void
hear (Talk *t, const char *bytes, gsize len)
{
  static const XmlStreamHandlers handlers = { heard_opened, heard_element, heard_closed };
  g_autoptr (GError) error = NULL;

  if (len > 5 && memcmp (bytes, "<?xml", 5) == 0)
    {
      xml_stream_free (t->heard);
      t->heard = xml_stream_new (&roomy, &handlers, t);
    }
  g_assert (t->heard != NULL);
  xml_stream_feed (t->heard, bytes, len, NULL, &error);
  g_assert_no_error (error);
}

/* --- the caller ----------------------------------------------------------------------- */

static void
shake_hands (Talk *t)
{
  t->was_tls = t->was_tls || t->in_tls;
  t->in_tls = FALSE;
  stream_tls_done (t->stream);
}

/* A caller that does as it likes inside a callback; feeding is not allowed there. */
static void
act (Talk *t, Moment moment)
{
  guint8 plan = t->plan[moment];
  g_autoptr (Stanza) message = NULL;

  if (plan == 0 || t->stream == NULL)
    return;
  t->plan[moment] = 0;
  if (moment == IN_DEADLINE && plan != 7) /* the one callback that must not speak to the stream */
    return;
  t->re_entered = TRUE;
  switch (plan)
    {
    case 1:
      stream_close (t->stream);
      break;
    case 2:
      stream_fail (t->stream, "conflict", NULL);
      break;
    case 3:
      stream_eof (t->stream);
      break;
    case 4:
      t->judged = t->judged || t->asked;
      stream_judged (t->stream, STREAM_ADMIT);
      break;
    case 5:
      shake_hands (t);
      break;
    case 6:
      message = stanza_new ("message", NS_CLIENT);
      stream_send (t->stream, message);
      break;
    case 7:
      stream_free (g_steal_pointer (&t->stream));
      break;
    }
}

static void
on_send (gpointer user, const char *bytes, gsize len)
{
  Talk *t = user;

  g_assert (!t->ended && !t->in_tls && !t->said_goodbye && len > 0);
  hear (t, bytes, len);
  act (t, IN_SEND);
}

static void
on_start_tls (gpointer user)
{
  Talk *t = user;

  g_assert (!t->ended && !t->was_tls);
  t->in_tls = TRUE;
  act (t, IN_TLS);
}

static void
on_judge (gpointer user, const char *from)
{
  Talk *t = user;
  g_autofree char *prepared = jid_prepare (from);

  g_assert (!t->ended && t->was_tls && !t->asked && prepared != NULL);
  g_assert (FUZZ_ROLE == STREAM_RESPONDER);
  t->asked = TRUE;
  act (t, IN_JUDGE);
}

static void
judge_clear (Talk *t, gboolean admit)
{
  gboolean waiting = t->asked_clear && !t->judged_clear && !t->ended; /* there is one verdict */

  t->judged_clear = t->judged_clear || waiting;
  t->may_clear = t->may_clear || (waiting && admit);
  stream_judged_clear (t->stream, admit);
}

static void
on_judge_clear (gpointer user, const char *from)
{
  Talk *t = user;
  g_autofree char *prepared = from != NULL ? jid_prepare (from) : NULL;

  g_assert (!t->ended && !t->opened && !t->in_tls && !t->was_tls && !t->direct && !t->asked_clear && !t->withheld);
  g_assert (FUZZ_ROLE == STREAM_RESPONDER ? prepared != NULL : from == NULL || jid_same (from, PEER));
  t->asked_clear = TRUE;
  act (t, IN_CLEAR);
  if (t->at_once && t->stream != NULL)
    judge_clear (t, TRUE);
}

static void
on_opened (gpointer user)
{
  Talk *t = user;
  g_autofree char *peer = jid_prepare (stream_get_peer_addr (t->stream));

  g_assert (!t->opened && !t->ended && !t->refused && peer != NULL);
  /* T-21: in clear only who was admitted to that, never behind TLS, and nobody else without TLS. */
  g_assert (stream_is_clear (t->stream) ? t->may_clear && !t->was_tls : t->was_tls);
  g_assert (FUZZ_ROLE == STREAM_INITIATOR || t->asked || t->may_clear);
  g_assert (stream_is_open (t->stream) && t->deadline == 0);
  t->opened = TRUE;
  act (t, IN_OPENED);
}

static void
on_stanza (gpointer user, Stanza *stanza)
{
  Talk *t = user;
  const char *from = stanza_get_attr (stanza, "from");

  g_assert (t->opened && !t->ended);
  g_assert_cmpstr (stanza_get_ns (stanza), ==, NS_CLIENT);
  /* docs/protocol.md 8.2: empty is absent, in clear. */
  g_assert (from == NULL || (*from == '\0' && stream_is_clear (t->stream)) || jid_same (from, stream_get_peer_addr (t->stream)));
  stanza_serialize (stanza, NS_CLIENT, t->delivered);
  act (t, IN_STANZA);
}

/* The reason is a word we know, never one we were told. */
static gboolean
is_known_word (const char *condition)
{
  return stream_error_word (condition) != NULL || sasl_error_word (condition) != NULL
         || strcmp (stream_end_word (condition), condition) == 0;
}

static void
on_ended (gpointer user, const StreamEnd *how)
{
  Talk *t = user;

  g_assert (!t->ended && t->deadline == 0 && how->condition != NULL && is_known_word (how->condition));
  g_assert (how->reached_open == t->opened);
  t->ended = TRUE;
  act (t, IN_ENDED);
}

static void
on_deadline (gpointer user, guint ms)
{
  Talk *t = user;

  g_assert (!t->ended);
  t->deadline = ms;
  act (t, IN_DEADLINE);
}

static gboolean
is_ours (gpointer user, const char *addr)
{
  act (user, IN_OURS);
  return jid_same (addr, US);
}

/* --- the peer ------------------------------------------------------------------------- */

static void
feed_pieces (Talk *t, const char *bytes, gsize len)
{
  gsize piece = t->piece > 0 ? t->piece : MAX (len, 1);

  t->fed = t->fed || len > 0;
  for (gsize i = 0; i < len && t->stream != NULL; i += piece)
    stream_feed (t->stream, bytes + i, MIN (piece, len - i));
}

static void
say (Talk *t, const char *bytes, gsize len)
{
  if (t->joined != NULL)
    g_string_append_len (t->joined, bytes, (gssize) len);
  else
    feed_pieces (t, bytes, len);
}

static void
flush (Talk *t)
{
  GString *joined = g_steal_pointer (&t->joined);

  if (joined == NULL)
    return;
  /* Who speaks too early may be found out or not, by what the network does: that one piece counts as it comes. */
  t->by_chance = t->by_chance || !t->opened;
  feed_pieces (t, joined->str, joined->len);
  g_string_free (joined, TRUE);
}

#define PICK(in, table) table[input_below (in, G_N_ELEMENTS (table))]

static const char *const addrs[] = {
  PEER, US, "Romeo@FORZA", "", "romeo@forza/x", "tybalt@verona", "a@b@c", "romeo@", "@forza", "\xe1\xba\x9e@forza",
  "\xef\xbd\x92\xef\xbd\x8f\xef\xbd\x8d\xef\xbd\x85\xef\xbd\x8f@forza", "r\\40x@forza", "r&#10;m@forza", "&#xE9;@x",
  "0123456789012345678901234567890123456789012345678901234567890123@x", "romeo\xef\xbc\xa0x@forza",
};

static void
append_attr (GString *out, const char *name, const char *value)
{
  if (value != NULL)
    g_string_append_printf (out, " %s='%s'", name, value);
}

static void
say_header (Talk *t, Input *in)
{
  static const char *const prologs[] = { "<?xml version='1.0'?>", "", "\n<?xml version='1.0'?>", " ",
                                         "<?xml version='1.0' encoding='utf-16'?>",
                                         "<?xml version='1.0' encoding='UTF-8' standalone='yes'?>",
                                         "<!DOCTYPE x [<!ENTITY a 'b'>]>", "<!-- -->", "\xef\xbb\xbf" };
  static const char *const roots[] = { "stream:stream", "stream", "stream:features", "s:stream", "message" };
  static const char *const spaces[] = {
    "xmlns='" NS_CLIENT "' xmlns:stream='" NS_STREAM "' xmlns:s='" NS_STREAM "'", "xmlns='jabber:server' xmlns:stream='" NS_STREAM "'",
    "xmlns='" NS_CLIENT "' xmlns:stream='urn:x'", "xmlns:stream='" NS_STREAM "'", "xmlns='" NS_STREAM "'", "",
  };
  static const char *const ids[] = { "7", NULL, "", "&lt;&#9;" };
  static const char *const versions[] = { "1.0", NULL, "0.9", "1.1", "2.0", "1", "1.", ".", "", "99999999999999999999.0",
                                          "-1.0", "1.0&#10;" };
  static const char *const extras[] = { "", " xml:lang='de'", " stream:x='1'", " from='x'", " a='1' b='2' c='3'" };
  g_autoptr (GString) out = g_string_new (PICK (in, prologs));
  guint from, to;

  g_string_append_printf (out, "<%s %s", PICK (in, roots), PICK (in, spaces));
  from = input_below (in, G_N_ELEMENTS (addrs) + 1);
  to = input_below (in, G_N_ELEMENTS (addrs) + 1);
  append_attr (out, "from", from < G_N_ELEMENTS (addrs) ? addrs[from] : NULL);
  append_attr (out, "to", to < G_N_ELEMENTS (addrs) ? addrs[to] : NULL);
  append_attr (out, "id", PICK (in, ids));
  append_attr (out, "version", PICK (in, versions));
  g_string_append_printf (out, "%s>", PICK (in, extras));
  say (t, out->str, out->len);
}

static void
say_features (Talk *t, Input *in)
{
  static const char *const children[] = {
    "<starttls xmlns='" NS_TLS "'/>", "<starttls xmlns='" NS_TLS "'><required/></starttls>",
    "<mechanisms xmlns='" NS_SASL "'><mechanism>EXTERNAL</mechanism></mechanisms>",
    "<mechanisms xmlns='" NS_SASL "'><mechanism>PLAIN</mechanism><mechanism> EXTERNAL\n</mechanism></mechanisms>",
    "<mechanisms xmlns='" NS_SASL "'><mechanism>PLAIN</mechanism></mechanisms>", "<mechanisms xmlns='" NS_SASL "'/>",
    "<query xmlns='" NS_DISCO_INFO "'><identity category='client' type='pc'/><feature var='urn:xmpp:ping'/></query>",
    "<limits xmlns='" NS_LIMITS "'><max-bytes>10000</max-bytes></limits>",
    "<limits xmlns='" NS_LIMITS "'><max-bytes>99999999999999999999</max-bytes></limits>",
    "<limits xmlns='" NS_LIMITS "'><max-bytes>1</max-bytes></limits>", "<restricted xmlns='" NS_LL_TRUST "'/>",
    "<sm xmlns='urn:xmpp:sm:3'/>", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>", "text",
    "<limits xmlns='" NS_LIMITS "'/>",
  };
  g_autoptr (GString) out = g_string_new ("<stream:features>");

  while (in->at < in->stop && *in->at != ';' && out->len < 4096)
    g_string_append (out, PICK (in, children));
  input_byte (in);
  g_string_append (out, "</stream:features>");
  say (t, out->str, out->len);
}

static void
say_element (Talk *t, Input *in)
{
  static const char *const elements[] = {
    "<starttls xmlns='" NS_TLS "'/>", "<starttls xmlns='" NS_TLS "'><hash>x</hash></starttls>", "<proceed xmlns='" NS_TLS "'/>",
    "<failure xmlns='" NS_TLS "'/>", "<auth xmlns='" NS_SASL "' mechanism='EXTERNAL'>=</auth>",
    "<auth xmlns='" NS_SASL "' mechanism='EXTERNAL'>cm9tZW9AZm9yemE=</auth>",
    "<auth xmlns='" NS_SASL "' mechanism='EXTERNAL'>cm9t%%</auth>", "<auth xmlns='" NS_SASL "' mechanism='EXTERNAL'/>",
    "<auth xmlns='" NS_SASL "' mechanism='PLAIN'>AGEAYg==</auth>", "<auth xmlns='" NS_SASL "'>=</auth>",
    "<auth xmlns='" NS_SASL "' mechanism='EXTERNAL'>dHliYWx0QHZlcm9uYQ==</auth>", "<success xmlns='" NS_SASL "'/>",
    "<success xmlns='" NS_SASL "'>data</success>", "<failure xmlns='" NS_SASL "'><not-authorized/></failure>",
    "<failure xmlns='" NS_SASL "'><rude-word/></failure>", "<failure xmlns='" NS_SASL "'/>", "<abort xmlns='" NS_SASL "'/>",
    "<challenge xmlns='" NS_SASL "'/>", "<response xmlns='" NS_SASL "'>=</response>",
    "<stream:error><conflict xmlns='" NS_STREAM_ERRORS "'/></stream:error>",
    "<stream:error><%s%n xmlns='" NS_STREAM_ERRORS "'/></stream:error>",
    "<stream:error><rude xmlns='" NS_STREAM_ERRORS "'/><text xmlns='" NS_STREAM_ERRORS "'>no</text></stream:error>",
    "<stream:error/>", "<stream:features/>", "<enable xmlns='urn:xmpp:sm:3'/>", "<r xmlns='urn:xmpp:sm:3'/>",
    "<resume xmlns='urn:xmpp:sm:3' h='1' previd='x'/>", "<stream:stream/>", "<x xmlns=''/>",
    "<auth xmlns='" NS_SASL "' mechanism='EXTERNAL'>AGEAYg==</auth>", "<!-- -->", "<?pi x?>", "&nbsp;", "]]>",
    "<![CDATA[x]]>", "<auth xmlns='" NS_SASL "' mechanism='EXTERNAL'>\n=\n</auth>",
  };
  const char *element = PICK (in, elements);

  say (t, element, strlen (element));
}

static void
say_stanza (Talk *t, Input *in)
{
  static const char *const kinds[] = { "message", "iq", "presence", "Message", "x:message", "query" };
  static const char *const payloads[] = {
    "", "<body>Wherefore</body>", "<body xmlns='urn:x'/>", "<ping xmlns='urn:xmpp:ping'/>", "<a><b><c/></b></a>",
    "<body>&#x1F339;&amp;</body><request xmlns='urn:xmpp:receipts'/>", "<body>", "</body>", "<x xmlns:m='" NS_CLIENT "'><m:message/></x>",
    "<delay xmlns='urn:xmpp:delay' stamp='9999-99-99T99:99:99Z'/>",
  };
  const char *kind = PICK (in, kinds);
  guint from = input_below (in, G_N_ELEMENTS (addrs) + 1), to = input_below (in, G_N_ELEMENTS (addrs) + 1);
  g_autoptr (GString) out = g_string_new (NULL);

  g_string_append_printf (out, "<%s xmlns:x='" NS_CLIENT "'", kind);
  append_attr (out, "from", from > 0 ? addrs[from - 1] : NULL);
  append_attr (out, "to", to > 0 ? addrs[to - 1] : NULL);
  g_string_append_printf (out, ">%s</%s>", PICK (in, payloads), kind);
  say (t, out->str, out->len);
}

/* --- the score ------------------------------------------------------------------------ */

static void
do_send (Talk *t, Input *in)
{
  static const char *const kinds[] = { "message", "iq", "presence", "query" };
  g_autoptr (Stanza) stanza = stanza_new (PICK (in, kinds), NS_CLIENT);
  gsize len;
  const guint8 *bytes = input_span (in, ';', 256, &len);
  g_autofree char *text = g_strndup ((const char *) bytes, len);
  gboolean sent;

  stanza_set_attr (stanza, "id", text);
  stanza_add_new (stanza, "body", NS_CLIENT, text);
  sent = stream_send (t->stream, stanza);
  g_assert (!sent || t->opened);
}

static void
do_verdict (Talk *t, Input *in)
{
  StreamVerdict verdict = input_below (in, 4);
  gboolean waiting = t->asked && !t->judged && !t->ended; /* there is one verdict */

  t->judged = t->judged || waiting;
  if (waiting && verdict >= STREAM_REFUSE)
    t->refused = TRUE;
  stream_judged (t->stream, verdict);
  if (t->stream != NULL && waiting && verdict == STREAM_ADMIT_RESTRICTED && !t->re_entered)
    g_assert (stream_is_restricted (t->stream));
}

/* A deed of the peer. FALSE: it was none. */
static gboolean
peer_deed (Talk *t, char deed, Input *in)
{
  const guint8 *raw;
  gsize len;

  switch (deed)
    {
    case 'H':
      say_header (t, in);
      return TRUE;
    case 'F':
      say_features (t, in);
      return TRUE;
    case 'E':
      say_element (t, in);
      return TRUE;
    case 'M':
      say_stanza (t, in);
      return TRUE;
    case 'G':
      raw = input_span (in, ';', 4096, &len);
      say (t, (const char *) raw, len);
      return TRUE;
    case '>':
      say (t, "</stream:stream>", 16);
      return TRUE;
    case '_':
      say (t, " \n", 2);
      return TRUE;
    default:
      return FALSE;
    }
}

static void
our_deed (Talk *t, char deed, Input *in)
{
  static const char *const words[] = { "conflict", "tls", "policy-violation", "rude", "reset", "eof" };
  Moment moment;

  switch (deed)
    {
    case 'T':
      shake_hands (t);
      break;
    case 'L':
      if (t->fed || t->direct || FUZZ_ROLE == STREAM_INITIATOR)
        break;
      t->direct = TRUE;
      stream_start_direct (t->stream);
      break;
    case 'J':
      do_verdict (t, in);
      break;
    case 'U':
      judge_clear (t, input_below (in, 2) == 0);
      break;
    case 'D':
      t->deadline = 0;
      stream_deadline (t->stream);
      break;
    case 'X':
      stream_close (t->stream);
      break;
    case 'Z':
      stream_eof (t->stream);
      break;
    case 'Q':
      stream_fail (t->stream, PICK (in, words), input_below (in, 2) != 0 ? "stanza-too-big" : NULL);
      break;
    case 'S':
      do_send (t, in);
      break;
    case 'K':
      g_clear_pointer (&t->stream, stream_free);
      break;
    case 'C':
      t->piece = input_below (in, 64);
      break;
    case 'A':
      moment = input_below (in, IN_N);
      t->plan[moment] = (guint8) (1 + input_below (in, 7));
      break;
    default:
      break;
    }
}

static void
check_deadline (Talk *t)
{
  /* S-23: until it is open, and after it was closed, somebody watches the clock. */
  if (t->stream != NULL && !t->ended)
    g_assert ((t->deadline != 0) == !stream_is_open (t->stream) || t->re_entered);
}

static void
play (Talk *t, Input *in)
{
  while (in->at < in->stop && t->stream != NULL)
    {
      char deed = (char) input_byte (in);

      if (deed == 'B' && t->joined == NULL)
        t->joined = g_string_new (NULL);
      else if (deed == 'B')
        flush (t);
      else if (!peer_deed (t, deed, in))
        {
          if (deed != 'C' && deed != 'A')
            flush (t);
          if (t->stream != NULL)
            our_deed (t, deed, in);
        }
      check_deadline (t);
    }
  flush (t);
  /* Nobody says anything more: the machine ends by its own clock, unless it is open. */
  for (guint i = 0; i < 32 && t->stream != NULL && t->deadline != 0; i++)
    {
      t->deadline = 0;
      stream_deadline (t->stream);
    }
  g_assert (t->stream == NULL || t->ended || stream_is_open (t->stream));
}

/* What was handed up; NULL when a callback interfered or chance played a part. */
static char *
perform (const uint8_t *data, size_t size, gsize piece)
{
  StreamCallbacks callbacks = { on_send, on_start_tls, on_judge, on_opened, on_stanza, on_ended, on_deadline, is_ours };
  g_autoptr (Stanza) disco = caps_own_disco_info ();
  Input in = { data, data + size };
  guint flags = input_below (&in, 64);
  StreamConfig config = { .role = FUZZ_ROLE, .local_addr = US, .disco_info = disco };
  Talk t = { .delivered = g_string_new (NULL), .piece = piece };

  config.remote_addr = (flags & 1) == 0 && FUZZ_ROLE == STREAM_INITIATOR ? PEER : NULL;
  config.self_addr_in_cert = (flags & 2) != 0;
  config.withhold_addr = t.withheld = (flags & 8) != 0;
  t.direct = (flags & 4) != 0;
  callbacks.judge_clear = (flags & 16) != 0 ? on_judge_clear : NULL;
  t.at_once = (flags & 32) != 0;
  t.stream = stream_new (&config, &callbacks, &t);
  if (t.direct)
    stream_start_direct (t.stream);
  else
    stream_start (t.stream);
  play (&t, &in);
  g_clear_pointer (&t.stream, stream_free);
  xml_stream_free (t.heard);
  if (t.opened)
    g_string_append (t.delivered, "opened");
  return g_string_free (t.delivered, t.re_entered || t.by_chance);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *as_told = perform (data, size, 0);
  g_autofree char *again = perform (data, size, 1);

  /* How the network cuts the bytes changes nothing that is handed up. */
  if (as_told != NULL && again != NULL)
    g_assert_cmpstr (as_told, ==, again);
  return 0;
}
