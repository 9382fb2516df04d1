/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The stream machine under a stranger and a clumsy caller. The input is a list of deeds parted by 0xff, a byte
 * no UTF-8 holds: the first byte of each says what is done, the rest is fed.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/stream.h"
#include "tests/fuzz/fuzz.h"

typedef struct {
  Stream *stream;
  gboolean opened, ended, in_tls, was_tls, asked_clear, may_clear, at_once;
  guint deadline;
} Caller;

static void
on_send (gpointer user, const char *bytes, gsize len)
{
  Caller *c = user;

  g_assert (!c->ended && !c->in_tls && len > 0);
}

static void
on_start_tls (gpointer user)
{
  Caller *c = user;

  g_assert (!c->ended && !c->in_tls);
  c->in_tls = c->was_tls = TRUE;
}

static void
judge_clear (Caller *c, gboolean admit)
{
  c->may_clear |= admit && c->asked_clear && !c->ended;
  stream_judged_clear (c->stream, admit);
}

static void
on_judge_clear (gpointer user, const char *from)
{
  Caller *c = user;

  g_assert (!c->ended && !c->was_tls && !c->asked_clear && !c->opened);
  c->asked_clear = TRUE;
  if (c->at_once)
    judge_clear (c, TRUE);
}

static void
on_judge (gpointer user, const char *from)
{
  g_assert (from != NULL);
}

static void
on_opened (gpointer user)
{
  Caller *c = user;

  g_assert (!c->opened && !c->ended);
  /* T-21: in clear only who was admitted to that, never behind TLS, and nobody else without TLS. */
  g_assert (stream_is_clear (c->stream) ? c->may_clear && !c->was_tls : c->was_tls);
  c->opened = TRUE;
}

static void
on_stanza (gpointer user, Stanza *stanza)
{
  Caller *c = user;

  g_assert (c->opened && !c->ended);
  g_assert_cmpstr (stanza_get_ns (stanza), ==, NS_CLIENT);
}

static void
on_ended (gpointer user, const StreamEnd *how)
{
  Caller *c = user;

  g_assert (!c->ended && c->deadline == 0 && how->condition != NULL);
  g_assert (how->reached_open == c->opened);
  c->ended = TRUE;
}

static void
on_deadline (gpointer user, guint ms)
{
  Caller *c = user;

  g_assert (!c->ended);
  c->deadline = ms;
}

static gboolean
is_ours (gpointer user, const char *addr)
{
  return strcmp (addr, "juliet@pronto") == 0;
}

static void
feed (Caller *c, const char *bytes, gsize len, gsize bite)
{
  for (gsize i = 0; i < len && c->stream != NULL; i += bite)
    stream_feed (c->stream, bytes + i, MIN (bite, len - i));
}

static void
do_deed (Caller *c, const char *deed, gsize len)
{
  g_autoptr (Stanza) message = stanza_new ("message", NS_CLIENT);

  if (len == 0 || c->stream == NULL)
    return;
  switch (deed[0])
    {
    case 'b':
      feed (c, deed + 1, len - 1, 1);
      break;
    case 't':
      c->in_tls = FALSE;
      stream_tls_done (c->stream);
      break;
    case 'j':
      stream_judged (c->stream, len > 1 ? (StreamVerdict) (deed[1] & 3) : STREAM_ADMIT);
      break;
    case 'l':
      judge_clear (c, len > 1 && (deed[1] & 1) != 0);
      break;
    case 'd':
      stream_deadline (c->stream);
      break;
    case 'c':
      stream_close (c->stream);
      break;
    case 'e':
      stream_eof (c->stream);
      break;
    case 'x':
      stream_fail (c->stream, "conflict", NULL);
      break;
    case 's':
      stream_send (c->stream, message);
      break;
    case 'k':
      g_clear_pointer (&c->stream, stream_free);
      break;
    default:
      feed (c, deed + 1, len - 1, len);
      break;
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  StreamCallbacks callbacks = { on_send, on_start_tls, on_judge, on_opened, on_stanza, on_ended, on_deadline, is_ours };
  StreamConfig config = { .local_addr = "juliet@pronto", .remote_addr = NULL };
  const char *at = (const char *) data, *stop = at + size;
  Caller c = { 0 };

  if (size < 1)
    return 0;
  /* 1 we call; 2 peers without TLS are judged, 4 and let in at once; 8 we know whom we call. */
  config.role = (*at & 1) != 0 ? STREAM_INITIATOR : STREAM_RESPONDER;
  callbacks.judge_clear = (*at & 2) != 0 ? on_judge_clear : NULL;
  c.at_once = (*at & 4) != 0;
  config.remote_addr = (*at++ & 8) != 0 ? "romeo@forza" : NULL;
  c.stream = stream_new (&config, &callbacks, &c);
  stream_start (c.stream);
  while (at < stop)
    {
      const char *next = memchr (at, 0xff, (gsize) (stop - at));

      if (next == NULL)
        next = stop;
      do_deed (&c, at, (gsize) (next - at));
      at = next + 1;
    }
  g_clear_pointer (&c.stream, stream_free);
  return 0;
}
