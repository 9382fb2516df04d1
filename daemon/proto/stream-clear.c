/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Peers that speak no TLS (docs/protocol.md 2.7, 3.9, 8.2): iChat and libpurple, whose headers have no version, and Salut, whose header
 * has no id and whose features are empty.
 *
 * Threat: whoever strips STARTTLS from the wire looks just like one of them. So nothing is decided here: the caller is
 * asked, and until it admits the peer no stanza leaves and none is handed up. Asked is only before TLS was begun, in the first section,
 * and for a peer with a name: the one that was called, or that the caller claims.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/jid.h"
#include "daemon/base/names.h"
#include "daemon/proto/stream-in.h"
#include "daemon/proto/stream-private.h"

#define PARKED_MAX 64

void
stream_clear_drop (Stream *s)
{
  g_queue_clear_full (&s->parked, (GDestroyNotify) stanza_unref);
}

gboolean
stream_clear_is_mute (const Stream *s)
{
  return s->state == STATE_CLEAR && !s->header_sent;
}

/* As if nobody had been asked. */
static void
refuse (Stream *s)
{
  stream_clear_drop (s);
  if (s->role == STREAM_RESPONDER && s->header_sent)
    {
      stream_reproach (s, "not-authorized", NULL); /* S-17 */
      return;
    }
  /* S-21: libpurple sends its waiting message in clear the moment our header arrives. As initiators we have sent ours;
   * closing before any stanza is all there is to do (2.7). */
  if (s->role == STREAM_INITIATOR)
    stream_send_closing_tag (s);
  stream_end (s, FALSE, FALSE, "peer-insecure");
}

static gboolean
is_named (const Stream *s, const char *from)
{
  g_autofree char *prepared = from != NULL ? jid_prepare (from) : NULL;

  if (s->role == STREAM_RESPONDER)
    return prepared != NULL;
  return s->remote_addr != NULL && (from == NULL || jid_same (from, s->remote_addr));
}

static void
ask (Stream *s, const char *from)
{
  if (s->callbacks.judge_clear == NULL || s->section != SECTION_CLEAR || s->tls_begun || s->withhold_addr || !is_named (s, from))
    {
      refuse (s);
      return;
    }
  stream_step (s, STATE_CLEAR);
  s->callbacks.judge_clear (s->user, from);
}

void
stream_clear_on_header (Stream *s, const Stanza *header, const char *default_ns)
{
  const char *to = stream_get_filled (header, "to");

  s->claimed_from = g_strdup (stream_get_filled (header, "from"));
  if (strcmp (stanza_get_ns (header), NS_STREAM) != 0 || g_strcmp0 (default_ns, NS_CLIENT) != 0
      || (s->role == STREAM_RESPONDER && to != NULL && !s->callbacks.is_ours (s->user, to)))
    refuse (s);
  else if (s->state != STATE_ENDED)
    ask (s, s->claimed_from);
}

void
stream_clear_on_features (Stream *s)
{
  ask (s, s->claimed_from);
}

/* Salut calls with a version, sends features that nobody asked for, and then what it has to say. */
void
stream_clear_on_stanza (Stream *s, Stanza *stanza)
{
  g_queue_push_tail (&s->parked, stanza_ref (stanza));
  ask (s, s->claimed_from);
}

/* Features that offer TLS: it can do better than this. */
static gboolean
is_idle_features (const Stanza *e)
{
  return stanza_is (e, "features", NS_STREAM) && stanza_get_child (e, "starttls", NS_TLS) == NULL;
}

void
stream_in_clear (Stream *s, Stanza *e)
{
  if (stream_is_stanza (e) && s->parked.length < PARKED_MAX)
    g_queue_push_tail (&s->parked, stanza_ref (e));
  else if (!is_idle_features (e))
    refuse (s);
}

void
stream_clear_other (Stream *s, const Stanza *e)
{
  /* docs/protocol.md 8.2: Salut's come late. It is too late for anything else. */
  if (!is_idle_features (e))
    stream_reproach (s, "unsupported-stanza-type", NULL);
}

static void
open_clear (Stream *s)
{
  Stanza *e;

  s->clear = TRUE;
  s->peer_addr = g_strdup (s->role == STREAM_INITIATOR ? s->remote_addr : s->claimed_from);
  stream_forgo_management (s);
  xml_stream_set_limits (s->xml, &xml_stream_limits_after_auth); /* the parser goes on: no section begins */
  if (!s->header_sent)
    {
      s->header_sent = TRUE;
      stream_send_built (s, stream_build_clear_header (s->local_addr, s->peer_addr));
    }
  if (s->state == STATE_CLEAR)
    stream_become_open (s);
  while ((s->state == STATE_OPEN || s->state == STATE_CLOSING) && (e = g_queue_pop_head (&s->parked)) != NULL)
    {
      stream_in_open (s, e);
      stanza_unref (e);
    }
  if (s->parked_close)
    stream_on_closed (s);
}

void
stream_judged_clear (Stream *s, gboolean admit)
{
  if (s->state != STATE_CLEAR)
    return;
  stream_enter (s);
  if (admit)
    open_clear (s);
  else
    refuse (s);
  stream_leave (s);
}

gboolean
stream_is_clear (const Stream *s)
{
  return s->clear;
}
