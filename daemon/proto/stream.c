/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/proto/stream-private.h"

#include <string.h>

#include "daemon/base/jid.h"
#include "daemon/base/names.h"
#include "daemon/proto/stream-in.h"
#include "daemon/proto/stream-words.h"

/* docs/protocol.md 2.1: a step takes at most 10 s, the whole negotiation 30 s. The machine has no clock, and a
 * timer that every step restarts cannot see the whole; so it asks for one tick a second, lets the ticks run
 * across the steps and counts both. That costs wake-ups only while a negotiation is on. */
#define TICK_MS 1000
#define STEP_TICKS 10
#define WHOLE_TICKS 30
#define AGREE_TICKS 2
#define CLOSE_MS 5000 /* docs/protocol.md 2.9 */

static void on_element (gpointer user, Stanza *element);
static void on_closed (gpointer user);

/* --- life -------------------------------------------------------------------- */

Stream *
stream_new (const StreamConfig *config, const StreamCallbacks *callbacks, gpointer user)
{
  Stream *s;

  g_return_val_if_fail (config->local_addr != NULL, NULL);
  s = g_new0 (Stream, 1);
  s->role = config->role;
  s->callbacks = *callbacks;
  s->user = user;
  s->local_addr = g_strdup (config->local_addr);
  s->withhold_addr = config->withhold_addr;
  s->remote_addr = g_strdup (config->remote_addr);
  s->self_addr_in_cert = config->self_addr_in_cert;
  s->disco_info = config->disco_info != NULL ? stanza_ref (config->disco_info) : NULL;
  s->max_stanza = STREAM_MAX_STANZA;
  s->manage = config->manage;
  return s;
}

static void
destroy (Stream *s)
{
  xml_stream_free (s->xml);
  g_free (s->local_addr);
  g_free (s->remote_addr);
  g_free (s->claimed_from);
  g_free (s->peer_addr);
  g_clear_pointer (&s->disco_info, stanza_unref);
  g_clear_pointer (&s->peer_disco, stanza_unref);
  stream_manage_clear (s);
  stream_clear_drop (s);
  g_free (s->resume_id);
  g_free (s);
}

void
stream_enter (Stream *s)
{
  s->busy++;
}

void
stream_leave (Stream *s)
{
  if (--s->busy == 0 && s->doomed)
    destroy (s);
}

void
stream_free (Stream *s)
{
  if (s == NULL)
    return;
  s->doomed = TRUE;
  s->state = STATE_ENDED; /* no callback follows */
  if (s->xml != NULL)
    xml_stream_stop (s->xml);
  if (s->busy == 0)
    destroy (s);
}

/* --- what leaves the machine --------------------------------------------------- */

void
stream_send_text (Stream *s, const char *text)
{
  if (s->state != STATE_ENDED && !s->tag_sent)
    s->callbacks.send (s->user, text, strlen (text));
}

/* Once, whoever asks again from inside the callback. */
void
stream_send_closing_tag (Stream *s)
{
  if (s->state == STATE_ENDED || s->tag_sent || stream_clear_is_mute (s))
    return;
  s->tag_sent = TRUE;
  s->callbacks.send (s->user, "</stream:stream>", strlen ("</stream:stream>"));
}

static void
ask_deadline (Stream *s, guint ms)
{
  if (s->state != STATE_ENDED)
    s->callbacks.deadline (s->user, ms);
}

/* The one place where a stream ends. */
void
stream_end (Stream *s, gboolean by_peer, gboolean clean, const char *condition)
{
  StreamEnd how = { .by_peer = by_peer, .clean = clean, .reached_open = s->reached_open, .condition = condition };

  if (s->state == STATE_ENDED)
    return;
  /* docs/protocol.md 2.9: without a closing tag it is unclean, and another stream may go on with its state. */
  s->suspended = s->state == STATE_OPEN && !s->tag_sent && strcmp (condition, "eof") == 0;
  s->state = STATE_ENDED; /* first: what is asked of it in the callbacks finds it so */
  if (s->xml != NULL)
    xml_stream_stop (s->xml);
  s->callbacks.deadline (s->user, 0);
  if (!s->doomed)
    s->callbacks.ended (s->user, &how);
}

void
stream_send_built (Stream *s, GString *text_take)
{
  g_autoptr (GString) text = text_take;

  stream_send_text (s, text->str);
}

void
stream_send_header (Stream *s)
{
  const char *from = s->withhold_addr && s->section == SECTION_CLEAR ? NULL : s->local_addr;

  s->header_sent = TRUE;
  stream_send_built (s, stream_build_header (s->role, from,
                                      s->role == STREAM_INITIATOR ? s->remote_addr : s->claimed_from));
}

/* docs/protocol.md 2.6: our header if not yet sent, the stream error, the closing tag. None of it may be written
 * into a TLS handshake or behind our own closing tag. */
void
stream_reproach (Stream *s, const char *condition, const char *app_error)
{
  const char *known = stream_error_word (condition);

  if (s->state == STATE_ENDED)
    return;
  if (s->state != STATE_NEW && s->state != STATE_TLS && !stream_clear_is_mute (s))
    {
      if (!s->header_sent)
        stream_send_header (s);
      stream_manage_last_ack (s);
      if (known != NULL)
        stream_send_built (s, stream_build_error (known, app_error));
      stream_send_closing_tag (s);
    }
  stream_end (s, FALSE, FALSE, known != NULL ? known : stream_end_word (condition));
}

/* RFC 6120 section 6.4.5; one attempt a connection (docs/protocol.md 2.4). */
void
stream_fail_auth (Stream *s, const char *condition)
{
  stream_send_built (s, stream_build_auth_failure (condition));
  stream_send_closing_tag (s);
  stream_end (s, FALSE, FALSE, sasl_error_word (condition));
}

/* Leaves without a reproach: what the other is missing is not an error of XMPP. */
static void
part (Stream *s, const char *word)
{
  stream_send_closing_tag (s);
  stream_end (s, FALSE, FALSE, word);
}

/* --- steps ------------------------------------------------------------------- */

void
stream_step (Stream *s, State state)
{
  if (s->state == STATE_ENDED)
    return;
  s->state = state;
  s->step_ticks = 0;
}

void
stream_send_auth (Stream *s)
{
  stream_send_built (s, stream_build_auth (s->self_addr_in_cert ? NULL : s->local_addr)); /* S-11 */
}

/* S-09: a new parser, a new header; what the section before said is forgotten. */
static void
begin_section (Stream *s, StreamSection section)
{
  static const XmlStreamHandlers handlers = { stream_on_opened, on_element, on_closed };

  if (s->state == STATE_ENDED)
    return;
  s->section = section;
  s->header_sent = FALSE;
  g_clear_pointer (&s->claimed_from, g_free);
  g_clear_pointer (&s->xml, xml_stream_free);
  s->xml = xml_stream_new (section == SECTION_FINAL ? &xml_stream_limits_after_auth : &xml_stream_limits_before_auth,
                           &handlers, s);
  stream_step (s, STATE_HEADER);
  if (s->role != STREAM_INITIATOR)
    return;
  stream_send_header (s);
  /* docs/protocol.md 2.2: who takes direct TLS has said what its features can only repeat; a round trip less. */
  if (s->direct && section == SECTION_PROTECTED)
    stream_send_auth (s);
}

void
stream_stop_and (Stream *s, Then then)
{
  s->then = then;
  xml_stream_stop (s->xml);
}

void
stream_become_open (Stream *s)
{
  stream_step (s, STATE_OPEN);
  ask_deadline (s, 0);
  if (s->state == STATE_ENDED)
    return;
  s->reached_open = TRUE;
  s->callbacks.opened (s->user);
}

/* --- elements ---------------------------------------------------------------- */

void
stream_in_open (Stream *s, Stanza *e)
{
  const char *from;

  if (s->manage != NULL && strcmp (stanza_get_ns (e), NS_SM) == 0)
    {
      stream_in_managed (s, e);
      return;
    }
  if (s->clear && !stream_is_stanza (e))
    {
      stream_clear_other (s, e);
      return;
    }
  if (!stream_is_stanza (e))
    {
      /* An initiator's (empty) features may come late. */
      if (s->role == STREAM_RESPONDER && stanza_is (e, "features", NS_STREAM))
        return;
      stream_reproach (s, "unsupported-stanza-type", NULL);
      return;
    }
  /* docs/protocol.md 2.6, S-18: absent means the peer, another is a lie. The sender is stamped above, by the key. */
  from = s->clear ? stream_get_filled (e, "from") : stanza_get_attr (e, "from");
  if (from != NULL && !stream_is_address (from))
    stream_reproach (s, "improper-addressing", NULL);
  else if (from != NULL && !jid_same (from, s->peer_addr))
    stream_reproach (s, "invalid-from", NULL);
  else
    {
      s->ticket = s->counting ? sm_received (s->sm) : 0;
      s->callbacks.stanza (s->user, e);
      stream_handled (s, stream_defer (s));
    }
}

static void
on_stream_error (Stream *s, const Stanza *e)
{
  const Stanza *child = stanza_get_child (e, NULL, NS_STREAM_ERRORS);
  const char *word = child != NULL ? stream_error_word (stanza_get_name (child)) : NULL;

  stream_send_closing_tag (s);
  stream_end (s, TRUE, FALSE, word != NULL ? word : "undefined-condition");
}

static void
on_element (gpointer user, Stanza *e)
{
  Stream *s = user;

  if (s->state != STATE_ENDED && stanza_is (e, "error", NS_STREAM))
    {
      on_stream_error (s, e);
      return;
    }
  switch (s->state)
    {
    case STATE_FEATURES:
      stream_in_features (s, e);
      break;
    case STATE_CLEAR:
      stream_in_clear (s, e);
      break;
    case STATE_STARTTLS:
      stream_in_starttls (s, e);
      break;
    case STATE_PROCEED:
      stream_in_proceed (s, e);
      break;
    case STATE_AUTH:
      stream_in_auth (s, e);
      break;
    case STATE_SUCCESS:
      stream_in_success (s, e);
      break;
    case STATE_OPEN:
    case STATE_CLOSING: /* S-25 */
      stream_in_open (s, e);
      break;
    case STATE_AGREE:
      stream_in_agree (s, e);
      break;
    case STATE_RESUME:
      stream_in_resume (s, e);
      break;
    case STATE_NEW:
    case STATE_HEADER:
    case STATE_TLS:
    case STATE_JUDGE:
    case STATE_ENDED:
      break; /* no parser runs in these */
    }
}

void
stream_on_closed (Stream *s)
{
  gboolean we_closed = s->state == STATE_CLOSING;

  if (s->state == STATE_ENDED)
    return;
  stream_send_closing_tag (s);
  stream_end (s, !we_closed, TRUE, "closed");
}

static void
on_closed (gpointer user)
{
  Stream *s = user;

  if (s->state == STATE_CLEAR)
    s->parked_close = TRUE;
  else
    stream_on_closed (s);
}

/* --- bytes ------------------------------------------------------------------- */

/* `rest` is what stood behind the element that stopped the parser. */
static void
go_on (Stream *s, const char *rest, gsize len)
{
  Then then = s->then;

  s->then = THEN_NOTHING;
  if (s->state == STATE_ENDED)
    return;
  switch (then)
    {
    case THEN_NOTHING:
      break;
    case THEN_OFFER_TLS:
    case THEN_START_TLS:
      /* S-04: written before TLS, it would be read as if TLS had protected it. Nothing is answered. */
      if (len > 0)
        {
          stream_end (s, FALSE, FALSE, "injection");
          break;
        }
      if (then == THEN_OFFER_TLS)
        stream_send_text (s, "<proceed xmlns='" NS_TLS "'/>");
      stream_step (s, STATE_TLS);
      s->tls_begun = TRUE;
      if (s->state == STATE_TLS)
        s->callbacks.start_tls (s->user);
      break;
    case THEN_JUDGE:
      stream_step (s, STATE_JUDGE);
      if (!stream_is_blank (rest, len))
        stream_reproach (s, "not-authorized", NULL);
      else
        s->callbacks.judge (s->user, s->peer_addr);
      break;
    case THEN_RESTART:
      if (!stream_is_blank (rest, len))
        stream_reproach (s, "bad-format", NULL);
      else
        begin_section (s, SECTION_FINAL);
      break;
    }
}

static void
parse (Stream *s, const char *bytes, gsize len)
{
  g_autoptr (GError) error = NULL;
  gsize consumed = 0;
  gboolean ok;

  s->in_feed = TRUE;
  ok = xml_stream_feed (s->xml, bytes, len, &consumed, &error);
  s->in_feed = FALSE;
  if (!ok)
    stream_reproach (s, stream_parse_word ((XmlStreamError) error->code),
          error->code == XML_STREAM_ERROR_STANZA_TOO_BIG ? "stanza-too-big" : NULL);
  else
    go_on (s, bytes + consumed, len - consumed);
}

void
stream_feed (Stream *s, const char *bytes, gsize len)
{
  g_return_if_fail (!s->in_feed);
  if (len == 0)
    return;
  stream_enter (s);
  switch (s->state)
    {
    case STATE_HEADER:
    case STATE_CLEAR:
    case STATE_FEATURES:
    case STATE_STARTTLS:
    case STATE_PROCEED:
    case STATE_AUTH:
    case STATE_SUCCESS:
    case STATE_AGREE:
    case STATE_RESUME:
    case STATE_OPEN:
    case STATE_CLOSING:
      parse (s, bytes, len);
      break;
    case STATE_JUDGE: /* S-17: nothing may be said before <success/>; whitespace says nothing */
      if (!stream_is_blank (bytes, len))
        stream_reproach (s, "not-authorized", NULL);
      break;
    case STATE_TLS: /* clear text that the handshake did not take: it was never protected */
      stream_end (s, FALSE, FALSE, "injection");
      break;
    case STATE_NEW:
    case STATE_ENDED:
      break;
    }
  stream_leave (s);
}

/* --- the caller's verbs ------------------------------------------------------- */

void
stream_start (Stream *s)
{
  if (s->state != STATE_NEW)
    return;
  stream_enter (s);
  ask_deadline (s, TICK_MS);
  begin_section (s, SECTION_CLEAR);
  stream_leave (s);
}

void
stream_start_direct (Stream *s)
{
  if (s->state != STATE_NEW && (s->state != STATE_HEADER || s->section != SECTION_CLEAR || s->header_sent))
    return;
  stream_enter (s);
  if (s->state == STATE_NEW)
    ask_deadline (s, TICK_MS);
  s->direct = TRUE;
  stream_step (s, STATE_TLS);
  s->tls_begun = TRUE;
  s->callbacks.start_tls (s->user);
  stream_leave (s);
}

void
stream_tls_done (Stream *s)
{
  if (s->state != STATE_TLS)
    return;
  stream_enter (s);
  begin_section (s, SECTION_PROTECTED);
  stream_leave (s);
}

void
stream_judged (Stream *s, StreamVerdict verdict)
{
  if (s->state != STATE_JUDGE || s->judged)
    return;
  s->judged = TRUE;
  stream_enter (s);
  switch (verdict)
    {
    case STREAM_ADMIT:
    case STREAM_ADMIT_RESTRICTED:
      s->restricted = verdict == STREAM_ADMIT_RESTRICTED;
      stream_send_text (s, "<success xmlns='" NS_SASL "'/>");
      begin_section (s, SECTION_FINAL);
      break;
    case STREAM_REFUSE: /* S-14: one answer, whatever the reason */
      stream_fail_auth (s, "not-authorized");
      break;
    case STREAM_REFUSE_EXPIRED:
      stream_fail_auth (s, "credentials-expired");
      break;
    }
  stream_leave (s);
}

gboolean
stream_send_tagged (Stream *s, const Stanza *stanza, const char *tag)
{
  g_autoptr (GString) bare = NULL, out = NULL;

  /* S-32: presence lives in the TXT record, never in a stanza. */
  if (s->state != STATE_OPEN || s->tag_sent || !stream_is_stanza (stanza) || stanza_is (stanza, "presence", NS_CLIENT))
    return FALSE;
  bare = g_string_new (NULL);
  stanza_serialize (stanza, NS_CLIENT, bare);
  out = stream_address (s, bare->str, bare->len);
  if (out->len > s->max_stanza)
    return FALSE;
  stream_enter (s);
  stream_manage_sent (s, bare->str, bare->len, tag);
  s->callbacks.send (s->user, out->str, out->len);
  stream_leave (s);
  return TRUE;
}

gboolean
stream_send (Stream *s, const Stanza *stanza)
{
  return stream_send_tagged (s, stanza, NULL);
}

void
stream_close (Stream *s)
{
  if (s->state == STATE_ENDED || s->state == STATE_CLOSING)
    return;
  stream_enter (s);
  if (s->state == STATE_OPEN)
    {
      stream_manage_last_ack (s);
      stream_send_closing_tag (s);
      stream_step (s, STATE_CLOSING);
      ask_deadline (s, CLOSE_MS);
    }
  else if (s->state != STATE_TLS && s->header_sent)
    part (s, "closed");
  else
    stream_end (s, FALSE, FALSE, "closed");
  stream_leave (s);
}

void
stream_fail (Stream *s, const char *condition, const char *app_error)
{
  stream_enter (s);
  stream_reproach (s, condition, app_error);
  stream_leave (s);
}

void
stream_deadline (Stream *s)
{
  stream_enter (s);
  switch (s->state)
    {
    case STATE_CLOSING:
      stream_end (s, FALSE, FALSE, "connection-timeout");
      break;
    case STATE_NEW:
    case STATE_OPEN:
    case STATE_ENDED:
      break;
    case STATE_HEADER:
    case STATE_CLEAR:
    case STATE_FEATURES:
    case STATE_STARTTLS:
    case STATE_PROCEED:
    case STATE_TLS:
    case STATE_AUTH:
    case STATE_JUDGE:
    case STATE_SUCCESS:
    case STATE_AGREE:
    case STATE_RESUME:
      s->step_ticks++;
      s->whole_ticks++;
      /* Who wants no stream management says nothing, and would be waited for in vain. Whose state we have wants it: its <resume/> is
       * late, or the link is dead again, and to go on without it would throw the state away. */
      if (s->state == STATE_AGREE && s->step_ticks >= AGREE_TICKS && !s->manage->expects (s->user))
        stream_become_open (s);
      else if (s->step_ticks >= STEP_TICKS || s->whole_ticks >= WHOLE_TICKS)
        stream_reproach (s, "connection-timeout", NULL); /* S-23 */
      else
        ask_deadline (s, TICK_MS);
      break;
    }
  stream_leave (s);
}

void
stream_eof (Stream *s)
{
  stream_enter (s);
  stream_end (s, TRUE, FALSE, "eof");
  stream_leave (s);
}

gboolean
stream_is_open (const Stream *s)
{
  return s->state == STATE_OPEN;
}

gboolean
stream_is_restricted (const Stream *s)
{
  return s->restricted;
}

const char *
stream_get_peer_addr (const Stream *s)
{
  return s->peer_addr;
}

const Stanza *
stream_get_peer_disco (const Stream *s)
{
  return s->peer_disco;
}
