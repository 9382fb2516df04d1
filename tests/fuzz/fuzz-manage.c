/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Stream management towards a peer who counts as it likes. The first character says whether a state is there to be resumed; each line
 * after that is what the peer says once step 9 is reached, or one of our own deeds:
 *   !f flush   !s we send   !o the oldest that waits for the disk is stored   !n the newest is   !r probe   !d deadline
 *   !x we close   !c we fail   !z eof
 * Whatever it says: `h` never goes beyond what is stored, nothing is confirmed that was not sent, a resumption sends again
 * just what was unconfirmed.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/stream.h"
#include "tests/fuzz/fuzz.h"

#define HEADER "<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' from='romeo@forza' to='juliet@pronto' version='1.0'>"

typedef struct {
  Stream *stream;
  Sm *kept;
  GArray *waiting;      /* tickets */
  gboolean opened, ended;
  guint heard, stored;  /* stanzas */
  guint sent, acked;
  guint base_in, base_out;
} Talk;

/* What we say of theirs: never more than is stored. */
static void
on_send (gpointer user, const char *bytes, gsize len)
{
  Talk *t = user;
  g_autofree char *text = g_strndup (bytes, len);
  const char *a = strstr (text, "<a xmlns='" NS_SM "' h='");

  g_assert (!t->ended);
  if (a == text)
    g_assert_cmpuint (g_ascii_strtoull (strstr (text, "h='") + 3, NULL, 10), <=, t->base_in + t->stored);
}

static void
on_start_tls (gpointer user)
{
}

static void
on_judge (gpointer user, const char *from)
{
  stream_judged (((Talk *) user)->stream, STREAM_ADMIT);
}

static void
on_opened (gpointer user)
{
  Talk *t = user;

  g_assert (!t->opened);
  t->opened = TRUE;
}

static void
on_stanza (gpointer user, Stanza *stanza)
{
  Talk *t = user;
  guint64 ticket;

  g_assert (t->opened && !t->ended);
  if (stanza_is (stanza, "message", NS_CLIENT))
    {
      ticket = stream_defer (t->stream);
      if (ticket != 0)
        g_array_append_val (t->waiting, ticket);
    }
  else
    t->stored++; /* it counts on return, which is before anything is said */
  t->heard++;
}

static void
on_ended (gpointer user, const StreamEnd *how)
{
  Talk *t = user;

  g_assert (!t->ended);
  t->ended = TRUE;
}

static void
on_deadline (gpointer user, guint ms)
{
}

static gboolean
is_ours (gpointer user, const char *addr)
{
  return TRUE;
}

static const Sm *
on_wish (gpointer user)
{
  return NULL;
}

static gboolean
on_expects (gpointer user)
{
  return ((Talk *) user)->kept != NULL;
}

static Sm *
on_take (gpointer user, const char *id)
{
  Talk *t = user;

  if (t->kept == NULL || !g_str_equal (id, sm_get_id (t->kept)))
    return NULL;
  t->base_in = sm_get_h (t->kept);
  t->base_out = sm_get_sent (t->kept);
  t->stored = t->heard = 0;
  return g_steal_pointer (&t->kept);
}

static void
on_wake (gpointer user)
{
}

static void
on_acked (gpointer user, const char *tag)
{
  Talk *t = user;

  t->acked++;
  g_assert_cmpuint (t->acked, <=, t->sent);
}

static void
on_declined (gpointer user)
{
}

static gint64
on_now (gpointer user)
{
  return 1700000000 * (gint64) G_USEC_PER_SEC;
}

static const StreamCallbacks callbacks = { on_send, on_start_tls, on_judge, on_opened, on_stanza, on_ended, on_deadline, is_ours };
static const StreamManagement management = { on_wish, on_expects, on_take, on_wake, on_acked, on_declined, on_now };

static void
feed (Talk *t, const char *text, gsize len)
{
  g_autofree char *copy = g_memdup2 (text, len);

  if (!t->ended)
    stream_feed (t->stream, copy, len);
}

static void
say (Talk *t)
{
  g_autoptr (Stanza) m = stanza_new ("message", NS_CLIENT);

  stanza_add_new (m, "body", NS_CLIENT, "x");
  t->sent += stream_send_tagged (t->stream, m, "x");
}

static void
store (Talk *t, gboolean newest)
{
  guint i = newest && t->waiting->len > 0 ? t->waiting->len - 1 : 0;

  if (t->waiting->len == 0)
    return;
  t->stored++;
  stream_handled (t->stream, g_array_index (t->waiting, guint64, i));
  g_array_remove_index (t->waiting, i);
}

static void
deed (Talk *t, char which)
{
  switch (which)
    {
    case 'f': stream_flush (t->stream); break;
    case 's': say (t); break;
    case 'o': store (t, FALSE); break;
    case 'n': store (t, TRUE); break;
    case 'r': stream_probe (t->stream); break;
    case 'd': stream_deadline (t->stream); break;
    case 'x': stream_close (t->stream); break;
    case 'c': stream_fail (t->stream, "conflict", NULL); break;
    case 'z': stream_eof (t->stream); break;
    default: break;
    }
}

static void
reach_step_9 (Talk *t)
{
  stream_start (t->stream);
  feed (t, HEADER, strlen (HEADER));
  feed (t, "<starttls xmlns='" NS_TLS "'/>", strlen ("<starttls xmlns='" NS_TLS "'/>"));
  stream_tls_done (t->stream);
  feed (t, HEADER, strlen (HEADER));
  feed (t, "<auth xmlns='" NS_SASL "' mechanism='EXTERNAL'>=</auth>", strlen ("<auth xmlns='" NS_SASL "' mechanism='EXTERNAL'>=</auth>"));
  feed (t, HEADER, strlen (HEADER));
  g_assert (!t->ended && !t->opened);
}

static void
keep_state (Talk *t)
{
  t->kept = sm_new ();
  sm_set_id (t->kept, "k");
  for (guint i = 0; i < 3; i++)
    sm_sent (t->kept, "<message><body>x</body></message>", 33, "x", 0);
  sm_handled (t->kept, sm_received (t->kept));
  sm_received (t->kept);
  t->sent = 3;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  StreamConfig config = { .role = STREAM_RESPONDER, .local_addr = "juliet@pronto", .manage = &management };
  Talk t = { .waiting = g_array_new (FALSE, FALSE, sizeof (guint64)) };
  const char *at = (const char *) data, *end = at + size;
  Sm *left;

  t.stream = stream_new (&config, &callbacks, &t);
  reach_step_9 (&t);
  if (size > 0 && *at++ == 'k')
    keep_state (&t);
  while (at < end)
    {
      const char *stop = memchr (at, '\n', (gsize) (end - at));
      gsize len = (gsize) ((stop != NULL ? stop : end) - at);

      if (len == 2 && at[0] == '!')
        deed (&t, at[1]);
      else
        feed (&t, at, len);
      at += len + 1;
    }
  left = stream_take_sm (t.stream);
  if (left != NULL)
    {
      g_assert_cmpuint (sm_get_h (left), <=, t.base_in + t.stored);
      g_assert_cmpuint (sm_get_items (left)->length, ==, sm_get_unacked (left));
      g_assert_cmpuint (sm_get_unacked (left) + t.acked, <=, t.sent);
    }
  sm_free (left);
  sm_free (t.kept);
  stream_free (t.stream);
  g_array_unref (t.waiting);
  return 0;
}
