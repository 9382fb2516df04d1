/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the peer says before a stream is OPEN: headers, features, STARTTLS, SASL (docs/protocol.md 2.1, 2.4), a function a state.
 *
 * Threat: all of it comes from a stranger, the first part in clear. Whatever is not the one thing that is due ends the stream, and
 * what a section said is forgotten with it (S-09).
 */
#include "earshot-config.h"

#include "daemon/proto/stream-private.h"

#include <string.h>

#include "daemon/base/jid.h"
#include "daemon/base/names.h"
#include "daemon/proto/stream-in.h"
#include "daemon/proto/stream-words.h"

/* --- headers ----------------------------------------------------------------- */

/* Salut writes from="" (docs/protocol.md 8.2): empty is absent. */
const char *
stream_get_filled (const Stanza *s, const char *name)
{
  const char *value = stanza_get_attr (s, name);

  return value != NULL && *value != '\0' ? value : NULL;
}

gboolean
stream_is_address (const char *text)
{
  g_autofree char *prepared = jid_prepare (text);

  return prepared != NULL;
}

/* What both roles demand of a header, in the order that keeps 8.2: a caller without a version must not see ours. */
static gboolean
check_header (Stream *s, const Stanza *header, const char *default_ns)
{
  const char *version = stream_get_filled (header, "version");

  if (strcmp (stanza_get_name (header), "stream") != 0)
    stream_reproach (s, "bad-format", NULL);
  else if (version == NULL && s->section == SECTION_CLEAR)
    stream_clear_on_header (s, header, default_ns);
  else if (strcmp (stanza_get_ns (header), NS_STREAM) != 0 || g_strcmp0 (default_ns, NS_CLIENT) != 0)
    stream_reproach (s, "invalid-namespace", NULL);
  else if (version == NULL || stream_version_is_low (version))
    stream_reproach (s, "unsupported-version", NULL);
  return s->state == STATE_HEADER;
}

/* `from` of a header. In the clear it may be missing (docs/protocol.md 0.2); under TLS it is what the stream is
 * bound to, and the section after that must not say otherwise. */
static gboolean
take_from (Stream *s, const char *from)
{
  if (from != NULL && !stream_is_address (from))
    {
      stream_reproach (s, "improper-addressing", NULL);
      return FALSE;
    }
  s->claimed_from = g_strdup (from);
  if (s->section == SECTION_FINAL && from != NULL && !jid_same (from, s->peer_addr))
    {
      stream_reproach (s, "invalid-from", NULL);
      return FALSE;
    }
  if (s->section == SECTION_PROTECTED)
    {
      if (from == NULL && s->role == STREAM_INITIATOR)
        from = s->remote_addr;
      if (from == NULL)
        {
          stream_reproach (s, "improper-addressing", NULL);
          return FALSE;
        }
      s->peer_addr = g_strdup (from);
      if (s->role == STREAM_INITIATOR && s->callbacks.accept_addr != NULL && !s->callbacks.accept_addr (s->user, from))
        {
          stream_reproach (s, "invalid-from", NULL);
          return FALSE;
        }
    }
  return TRUE;
}

static void
respond_to_header (Stream *s, const Stanza *header)
{
  const char *to = stream_get_filled (header, "to");

  if (to != NULL && !s->callbacks.is_ours (s->user, to))
    {
      stream_reproach (s, "host-unknown", NULL);
      return;
    }
  if (s->state == STATE_ENDED)
    return;
  stream_send_header (s);
  stream_send_built (s, stream_build_features (s->section, s->disco_info, s->restricted, stream_manage_offers (s)));
  switch (s->section)
    {
    case SECTION_CLEAR:
      stream_step (s, STATE_STARTTLS);
      break;
    case SECTION_PROTECTED:
      stream_step (s, STATE_AUTH);
      break;
    case SECTION_FINAL: /* step 9: without <sm/> on offer there is nothing to wait for */
      if (stream_manage_offers (s))
        stream_step (s, STATE_AGREE);
      else if (s->state != STATE_ENDED)
        stream_become_open (s);
      break;
    }
}

void
stream_on_opened (gpointer user, const Stanza *header, const char *default_ns)
{
  Stream *s = user;

  if (s->state != STATE_HEADER || !check_header (s, header, default_ns))
    return;
  if (s->role == STREAM_INITIATOR && stream_get_filled (header, "id") == NULL)
    {
      /* docs/protocol.md 8.2: a legacy peer; it will not offer TLS either. */
      if (s->section == SECTION_CLEAR)
        stream_clear_on_header (s, header, default_ns);
      else
        stream_reproach (s, "bad-format", NULL);
      return;
    }
  if (!take_from (s, stream_get_filled (header, "from")))
    return;
  if (s->role == STREAM_RESPONDER)
    respond_to_header (s, header);
  else
    stream_step (s, STATE_FEATURES);
}

/* --- elements, a function a state --------------------------------------------- */

static void
in_features_clear (Stream *s, const Stanza *features)
{
  /* docs/protocol.md 2.7, S-03: stripping the offer ends in a closed stream, unless people allowed this peer clear text. */
  if (stanza_get_child (features, "starttls", NS_TLS) == NULL)
    {
      stream_clear_on_features (s);
      return;
    }
  stream_step (s, STATE_PROCEED);
  stream_send_text (s, "<starttls xmlns='" NS_TLS "'/>");
}

static void
in_features_protected (Stream *s, const Stanza *features)
{
  if (!stream_offers_external (features))
    {
      stream_reproach (s, "unsupported-feature", NULL);
      return;
    }
  stream_step (s, STATE_SUCCESS);
  if (!s->direct)
    stream_send_auth (s);
}

static void
in_features_final (Stream *s, const Stanza *features)
{
  const Stanza *disco = stanza_get_child (features, "query", NS_DISCO_INFO);

  s->restricted = stanza_get_child (features, "restricted", NS_LL_TRUST) != NULL;
  if (disco != NULL)
    s->peer_disco = stanza_ref ((Stanza *) disco);
  s->max_stanza = stream_read_limit (features);
  if (!stream_manage_begin (s, features) && s->state != STATE_ENDED) /* step 9 */
    stream_become_open (s);
}

void
stream_in_features (Stream *s, const Stanza *e)
{
  if (!stanza_is (e, "features", NS_STREAM))
    {
      stream_reproach (s, "not-authorized", NULL);
      return;
    }
  switch (s->section)
    {
    case SECTION_CLEAR:
      in_features_clear (s, e);
      break;
    case SECTION_PROTECTED:
      in_features_protected (s, e);
      break;
    case SECTION_FINAL:
      in_features_final (s, e);
      break;
    }
}

void
stream_in_starttls (Stream *s, Stanza *e)
{
  if (stanza_is (e, "starttls", NS_TLS))
    stream_stop_and (s, THEN_OFFER_TLS); /* unknown children (XEP-0250) say nothing to us */
  else if (strcmp (stanza_get_ns (e), NS_SASL) == 0)
    stream_fail_auth (s, "encryption-required");
  else if (stanza_is (e, "features", NS_STREAM)) /* an initiator's own are ignored, as Salut sends them */
    s->own_features = stanza_get_child (e, "starttls", NS_TLS) == NULL;
  else if (s->own_features && stream_is_stanza (e))
    stream_clear_on_stanza (s, e);
  else
    stream_reproach (s, "not-authorized", NULL);
}

void
stream_in_proceed (Stream *s, const Stanza *e)
{
  if (stanza_is (e, "proceed", NS_TLS))
    stream_stop_and (s, THEN_START_TLS);
  else if (stanza_is (e, "failure", NS_TLS))
    {
      stream_send_closing_tag (s);
      stream_end (s, TRUE, FALSE, "tls");
    }
  else
    stream_reproach (s, "not-authorized", NULL);
}

static void
fail_tls (Stream *s)
{
  stream_send_text (s, "<failure xmlns='" NS_TLS "'/>");
  stream_send_closing_tag (s);
  stream_end (s, FALSE, FALSE, "tls");
}

void
stream_in_auth (Stream *s, const Stanza *e)
{
  if (stanza_is (e, "auth", NS_SASL))
    {
      const char *failure = stream_check_auth (e, s->claimed_from);

      if (failure != NULL)
        stream_fail_auth (s, failure);
      else
        stream_stop_and (s, THEN_JUDGE);
    }
  else if (stanza_is (e, "abort", NS_SASL))
    stream_fail_auth (s, "aborted");
  else if (strcmp (stanza_get_ns (e), NS_SASL) == 0)
    stream_fail_auth (s, "malformed-request");
  else if (stanza_is (e, "starttls", NS_TLS))
    fail_tls (s); /* the channel is protected already */
  else if (!stanza_is (e, "features", NS_STREAM))
    stream_reproach (s, "not-authorized", NULL); /* S-17 */
}

void
stream_in_success (Stream *s, const Stanza *e)
{
  if (stanza_is (e, "success", NS_SASL))
    stream_stop_and (s, THEN_RESTART);
  else if (stanza_is (e, "failure", NS_SASL))
    {
      const Stanza *child = stanza_get_child (e, NULL, NS_SASL);
      const char *word = child != NULL ? sasl_error_word (stanza_get_name (child)) : NULL;

      stream_send_closing_tag (s);
      stream_end (s, TRUE, FALSE, word != NULL ? word : "undefined-condition");
    }
  else
    stream_reproach (s, "not-authorized", NULL);
}
