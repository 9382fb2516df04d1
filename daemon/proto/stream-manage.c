/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Step 9 and stream management (docs/protocol.md 2.5, 4.1; XEP-0198). Threat: `h`, `previd` and `id` are the peer's
 * words. A state is found by the key that authenticated this stream and by its id, never by the id alone; that is
 * the caller's part, in StreamManagement.take.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/stream-private.h"

#define MAX_S "300"                          /* docs/protocol.md 4.1 */
#define DELAY_AFTER_US (10 * G_USEC_PER_SEC) /* the same */

void
stream_manage_clear (Stream *s)
{
  g_clear_pointer (&s->sm, sm_free);
  s->counting = s->ask_due = s->asked = s->answer_due = FALSE;
}

gboolean
stream_manage_offers (const Stream *s)
{
  return s->manage != NULL && !s->restricted;
}

static void
wake (Stream *s)
{
  if (s->state != STATE_ENDED)
    s->manage->wake (s->user);
}

/* --- what leaves -------------------------------------------------------------- */

static gboolean
has_attr (const char *text, const char *attr)
{
  const char *found = strstr (text, attr);

  /* Quotes and '>' in values are escaped: up to the first '>' only a real one is found. */
  return found != NULL && found < strchr (text, '>');
}

GString *
stream_address (Stream *s, const char *text, gsize len)
{
  GString *out = g_string_sized_new (len + 128);
  gsize name = strcspn (text, " />");

  /* "<message" or "<iq": written without a prefix, since their namespace is the stream's default. */
  g_string_append_len (out, text, (gssize) name);
  if (!has_attr (text, " from='"))
    stream_append_address (out, "from", s->local_addr);
  if (!has_attr (text, " to='"))
    stream_append_address (out, "to", s->peer_addr);
  return g_string_append_len (out, text + name, (gssize) (len - name));
}

void
stream_manage_sent (Stream *s, const char *text, gsize len, const char *tag)
{
  if (s->sm == NULL)
    return;
  sm_sent (s->sm, text, len, tag, s->manage->now (s->user));
  s->ask_due = TRUE;
}

static void
send_ack (Stream *s)
{
  g_autofree char *text = NULL;

  s->answered_h = sm_get_h (s->sm);
  text = g_strdup_printf ("<a xmlns='" NS_SM "' h='%u'/>", s->answered_h);
  stream_send_text (s, text);
}

static void
send_question (Stream *s)
{
  s->asked = TRUE;
  s->ask_due = FALSE;
  stream_send_text (s, "<r xmlns='" NS_SM "'/>");
}

void
stream_manage_last_ack (Stream *s)
{
  if (s->state == STATE_OPEN && s->counting && !s->tag_sent)
    send_ack (s);
}

void
stream_flush (Stream *s)
{
  if (s->state != STATE_OPEN || !s->counting)
    return;
  stream_enter (s);
  if (s->answer_due)
    {
      /* What came before the question is on its way to the disk: the answer follows it, at most once a turn. */
      s->answer_due = !sm_is_handled_up_to (s->sm, s->answer_to);
      if (!s->answer_due || sm_get_h (s->sm) != s->answered_h)
        send_ack (s);
    }
  /* One question under way: whoever sends much asks once a round trip, not once a stanza (docs/protocol.md 4.4). */
  if (s->ask_due && !s->asked && s->state == STATE_OPEN)
    send_question (s);
  stream_leave (s);
}

gboolean
stream_probe (Stream *s)
{
  if (s->state != STATE_OPEN || !s->counting)
    return FALSE;
  stream_enter (s);
  send_question (s);
  stream_leave (s);
  return TRUE;
}

static void
send_failed (Stream *s, const char *condition)
{
  g_autofree char *text = g_strdup_printf ("<failed xmlns='" NS_SM "'><%s xmlns='" NS_STANZA_ERRORS "'/></failed>", condition);

  stream_send_text (s, text);
}

/* XEP-0198 section 4: nobody can have handled more than was sent (S-30). */
static void
fail_too_high (Stream *s, guint32 h, guint32 sent)
{
  g_autofree char *text
    = g_strdup_printf ("<stream:error><undefined-condition xmlns='" NS_STREAM_ERRORS "'/><handled-count-too-high xmlns='" NS_SM
                       "' h='%u' send-count='%u'/></stream:error>", h, sent);

  stream_send_text (s, text);
  stream_send_closing_tag (s);
  stream_end (s, FALSE, FALSE, "undefined-condition");
}

/* --- what comes ----------------------------------------------------------------- */

static gboolean
read_h (const Stanza *e, guint32 *h)
{
  const char *text = stanza_get_attr (e, "h");
  guint64 value = 0;
  gboolean ok = text != NULL && g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT32, &value, NULL);

  *h = (guint32) value;
  return ok;
}

static gboolean
is_true (const char *text)
{
  return g_strcmp0 (text, "true") == 0 || g_strcmp0 (text, "1") == 0;
}

static void
tell_acked (Stream *s, const GPtrArray *tags)
{
  for (guint i = 0; i < tags->len && s->state != STATE_ENDED; i++)
    s->manage->acked (s->user, g_ptr_array_index (tags, i));
}

static void
in_ack (Stream *s, const Stanza *e)
{
  g_autoptr (GPtrArray) tags = g_ptr_array_new_with_free_func (g_free);
  guint32 h;

  if (!read_h (e, &h))
    {
      stream_reproach (s, "bad-format", NULL);
      return;
    }
  if (!sm_acked (s->sm, h, tags))
    {
      fail_too_high (s, h, sm_get_sent (s->sm));
      return;
    }
  s->asked = FALSE;
  if (s->ask_due)
    wake (s);
  tell_acked (s, tags);
}

static void
in_enabled (Stream *s, const Stanza *e)
{
  const char *id = stanza_get_attr (e, "id");

  s->counting = TRUE;
  if (id != NULL && *id != '\0' && strlen (id) <= SM_ID_MAX && is_true (stanza_get_attr (e, "resume")))
    sm_set_id (s->sm, id);
  if (s->ask_due)
    wake (s);
}

/* Responder. `first`: nothing of ours left yet, so that the counts hold everything and it may be resumed. */
static void
in_enable (Stream *s, const Stanza *e, gboolean first)
{
  s->sm = sm_new ();
  s->counting = TRUE;
  if (first && is_true (stanza_get_attr (e, "resume")))
    {
      g_autofree char *id = stream_make_id ();
      g_autofree char *text = g_strdup_printf ("<enabled xmlns='" NS_SM "' id='%s' resume='true' max='" MAX_S "'/>", id);

      sm_set_id (s->sm, id);
      stream_send_text (s, text);
    }
  else
    stream_send_text (s, "<enabled xmlns='" NS_SM "'/>");
}

void
stream_in_managed (Stream *s, const Stanza *e)
{
  const char *name = stanza_get_name (e);
  gboolean asks = strcmp (name, "enable") == 0 || strcmp (name, "resume") == 0;
  gboolean answers = strcmp (name, "enabled") == 0 || strcmp (name, "failed") == 0;

  if (strcmp (name, "a") == 0 && s->sm != NULL)
    in_ack (s, e);
  else if (s->state != STATE_OPEN)
    ; /* behind our closing tag nothing is answered */
  else if (strcmp (name, "r") == 0 && s->counting)
    {
      s->answer_due = TRUE;
      s->answer_to = sm_get_last_ticket (s->sm);
      wake (s);
    }
  else if (answers && s->role == STREAM_INITIATOR && s->sm != NULL && !s->counting)
    {
      if (strcmp (name, "enabled") == 0)
        in_enabled (s, e);
      else
        {
          stream_manage_clear (s);
          s->manage->declined (s->user);
        }
    }
  else if (asks && s->role == STREAM_RESPONDER)
    {
      if (strcmp (name, "enable") == 0 && s->sm == NULL && stream_manage_offers (s))
        in_enable (s, e, FALSE);
      else
        send_failed (s, "unexpected-request"); /* XEP-0198 section 3 */
    }
  else
    stream_reproach (s, "unsupported-stanza-type", NULL);
}

/* --- resumption ----------------------------------------------------------------- */

/* docs/protocol.md 4.1: what waited longer says when it was first sent (M-05). */
static void
add_delay (GString *text, gint64 when, gint64 now, gsize max)
{
  static const char end[] = "</message>";
  g_autoptr (GDateTime) utc = NULL;
  g_autofree char *stamp = NULL;

  if (now - when < DELAY_AFTER_US || !g_str_has_suffix (text->str, end) || strstr (text->str, "<body") == NULL
      || strstr (text->str, "<delay xmlns='" NS_DELAY "'") != NULL || text->len + 100 > max)
    return;
  utc = g_date_time_new_from_unix_utc (when / G_USEC_PER_SEC);
  stamp = utc != NULL ? g_date_time_format (utc, "<delay xmlns='" NS_DELAY "' stamp='%Y-%m-%dT%H:%M:%SZ'/>") : NULL;
  if (stamp != NULL)
    g_string_insert (text, (gssize) (text->len - strlen (end)), stamp);
}

/* Exactly what lies beyond `h`, in order, with this stream's addresses. */
static void
send_again (Stream *s)
{
  gint64 now = s->manage->now (s->user);

  for (GList *link = sm_get_items (s->sm)->head; link != NULL && s->state != STATE_ENDED; link = link->next)
    {
      const SmItem *item = link->data;
      GString *text = stream_address (s, item->text, item->len);

      add_delay (text, item->when, now, s->max_stanza);
      stream_send_built (s, text);
      s->ask_due = TRUE;
    }
}

/* The state is this stream's from here on. FALSE: their `h` was impossible and the stream ended. */
static gboolean
go_on_with (Stream *s, Sm *sm_take, guint32 h, GPtrArray *tags)
{
  if (!sm_acked (sm_take, h, tags))
    {
      fail_too_high (s, h, sm_get_sent (sm_take));
      sm_free (sm_take);
      return FALSE;
    }
  sm_rewind (sm_take);
  s->sm = sm_take;
  s->counting = s->resumed = TRUE;
  s->answered_h = sm_get_h (sm_take);
  s->resent = sm_get_unacked (sm_take);
  return TRUE;
}

static void
in_resume_request (Stream *s, const Stanza *e)
{
  const char *previd = stanza_get_attr (e, "previd");
  g_autoptr (GPtrArray) tags = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GString) text = NULL;
  Sm *sm;
  guint32 h;

  if (previd == NULL || !read_h (e, &h))
    {
      stream_reproach (s, "bad-format", NULL);
      return;
    }
  s->peer_h = h;
  sm = strlen (previd) <= SM_ID_MAX ? s->manage->take (s->user, previd) : NULL;
  if (s->state == STATE_ENDED)
    {
      sm_free (sm);
      return;
    }
  if (sm == NULL)
    {
      send_failed (s, "item-not-found"); /* S-31: unknown, expired and another key's look the same */
      return;
    }
  if (!go_on_with (s, sm, h, tags))
    return;
  text = g_string_new ("<resumed xmlns='" NS_SM "' previd='");
  stanza_escape (sm_get_id (sm), text);
  g_string_append_printf (text, "' h='%u'/>", s->answered_h);
  stream_send_text (s, text->str);
  send_again (s);
  tell_acked (s, tags);
  stream_become_open (s);
}

static void
in_resumed (Stream *s, const Stanza *e)
{
  const char *previd = stanza_get_attr (e, "previd");
  g_autoptr (GPtrArray) tags = g_ptr_array_new_with_free_func (g_free);
  Sm *sm;
  guint32 h;

  if (g_strcmp0 (previd, s->resume_id) != 0 || !read_h (e, &h))
    {
      stream_reproach (s, "bad-format", NULL);
      return;
    }
  s->peer_h = h;
  sm = s->manage->take (s->user, previd);
  /* Expired meanwhile, or another stream went on with it: then what our <resume/> said is not true any more. */
  if (sm == NULL || sm_get_h (sm) != s->resume_h)
    {
      sm_free (sm);
      stream_reproach (s, "conflict", NULL);
      return;
    }
  if (!go_on_with (s, sm, h, tags))
    return;
  send_again (s);
  tell_acked (s, tags);
  stream_become_open (s);
}

/* --- step 9 ----------------------------------------------------------------------- */

/* What is sent behind <enable/> counts, so nobody waits for the answer. */
static void
enable (Stream *s)
{
  s->sm = sm_new ();
  stream_send_text (s, "<enable xmlns='" NS_SM "' resume='true' max='" MAX_S "'/>");
}

gboolean
stream_manage_begin (Stream *s, const Stanza *features)
{
  const Sm *old;
  GString *text;

  if (!stream_manage_offers (s) || stanza_get_child (features, "sm", NS_SM) == NULL)
    return FALSE;
  old = s->manage->wish (s->user);
  if (s->state == STATE_ENDED)
    return TRUE;
  if (old == NULL)
    {
      enable (s);
      return FALSE;
    }
  s->resume_h = sm_get_h (old);
  s->resume_id = g_strdup (sm_get_id (old));
  text = g_string_new (NULL);
  g_string_append_printf (text, "<resume xmlns='" NS_SM "' h='%u' previd='", s->resume_h);
  stanza_escape (s->resume_id, text);
  g_string_append (text, "'/>");
  stream_step (s, STATE_RESUME);
  stream_send_built (s, text);
  return TRUE;
}

void
stream_in_resume (Stream *s, const Stanza *e)
{
  if (stanza_is (e, "resumed", NS_SM))
    in_resumed (s, e);
  else if (stanza_is (e, "failed", NS_SM))
    {
      enable (s);
      stream_become_open (s);
    }
  else
    stream_reproach (s, "bad-format", NULL);
}

void
stream_in_agree (Stream *s, Stanza *e)
{
  if (stanza_is (e, "resume", NS_SM))
    in_resume_request (s, e);
  else if (stanza_is (e, "enable", NS_SM))
    {
      in_enable (s, e, TRUE);
      stream_become_open (s);
    }
  else if (!stanza_is (e, "features", NS_STREAM)) /* an initiator's own are ignored */
    {
      stream_become_open (s);
      if (s->state == STATE_OPEN)
        stream_in_open (s, e);
    }
}

/* --- the caller's verbs --------------------------------------------------------- */

guint64
stream_defer (Stream *s)
{
  guint64 ticket = s->ticket;

  s->ticket = 0;
  return ticket;
}

void
stream_handled (Stream *s, guint64 ticket)
{
  if (s->sm == NULL || ticket == 0)
    return;
  sm_handled (s->sm, ticket);
  if (s->answer_due)
    wake (s);
}

Sm *
stream_take_sm (Stream *s)
{
  if (s->sm == NULL || !s->counting || s->tag_sent || !sm_is_resumable (s->sm) || !(s->state == STATE_OPEN || s->suspended))
    return NULL;
  s->counting = FALSE;
  return g_steal_pointer (&s->sm);
}

void
stream_forgo_management (Stream *s)
{
  s->manage = NULL;
}

const Sm *
stream_get_sm (const Stream *s)
{
  return s->counting ? s->sm : NULL;
}

gboolean
stream_is_managed (const Stream *s)
{
  return s->sm != NULL;
}

gboolean
stream_is_resumed (const Stream *s, guint *resent)
{
  *resent = s->resent;
  return s->resumed;
}

gboolean
stream_is_behind (const Stream *s, const Stream *resumed)
{
  return resumed->resumed && resumed->role == STREAM_INITIATOR && s->peer_h == resumed->peer_h;
}

gboolean
stream_is_resuming (const Stream *s)
{
  return s->state == STATE_RESUME;
}
