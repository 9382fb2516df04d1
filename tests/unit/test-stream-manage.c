/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Stream management over two machines back to back, and against scripted strangers: what is counted, when it is
 * confirmed, and what another stream goes on with.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/stream.h"

#define ROMEO "romeo@forza"
#define JULIET "juliet@pronto"
#define SM(name, attrs) "<" name " xmlns='" NS_SM "'" attrs "/>"
#define R SM ("r", "")
#define ENABLE SM ("enable", " resume='true' max='300'")
#define MESSAGE "<message><body>hello</body></message>"

typedef struct {
  Stream *stream;
  GString *wire, *all;
  GString *got;           /* bodies handed up, one letter each */
  GString *tags;          /* acked, one letter each */
  guint n_opened, n_ended, n_wakes, n_declined;
  StreamEnd how;
  gboolean wants_tls;
  gboolean defer;
  guint64 tickets[16];
  guint n_tickets;
  Sm *kept;
  gboolean hide_kept;     /* as from another key */
  StreamVerdict verdict;
  gint64 now;
} End;

static void
on_send (gpointer user, const char *bytes, gsize len)
{
  End *e = user;

  g_string_append_len (e->wire, bytes, (gssize) len);
  g_string_append_len (e->all, bytes, (gssize) len);
}

static void
on_start_tls (gpointer user)
{
  ((End *) user)->wants_tls = TRUE;
}

static void
on_judge (gpointer user, const char *from)
{
  End *e = user;

  stream_judged (e->stream, e->verdict);
}

static void
on_opened (gpointer user)
{
  ((End *) user)->n_opened++;
}

static void
on_stanza (gpointer user, Stanza *stanza)
{
  End *e = user;
  const Stanza *body = stanza_get_child (stanza, "body", NS_CLIENT);
  g_autofree char *text = body != NULL ? stanza_dup_text (body) : g_strdup ("-");

  g_assert_cmpuint (e->n_opened, ==, 1);
  g_string_append (e->got, text);
  if (e->defer)
    e->tickets[e->n_tickets++] = stream_defer (e->stream);
}

static void
on_ended (gpointer user, const StreamEnd *how)
{
  End *e = user;

  e->n_ended++;
  e->how = *how;
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
  return ((End *) user)->kept;
}

static gboolean
on_expects (gpointer user)
{
  return ((End *) user)->kept != NULL;
}

static Sm *
on_take (gpointer user, const char *id)
{
  End *e = user;

  if (e->kept == NULL || e->hide_kept || !g_str_equal (sm_get_id (e->kept), id))
    return NULL;
  return g_steal_pointer (&e->kept);
}

static void
on_wake (gpointer user)
{
  ((End *) user)->n_wakes++;
}

static void
on_acked (gpointer user, const char *tag)
{
  g_string_append (((End *) user)->tags, tag);
}

static void
on_declined (gpointer user)
{
  ((End *) user)->n_declined++;
}

static gint64
on_now (gpointer user)
{
  return ((End *) user)->now;
}

static const StreamCallbacks callbacks = { on_send, on_start_tls, on_judge, on_opened, on_stanza, on_ended, on_deadline, is_ours };
static const StreamManagement management = { on_wish, on_expects, on_take, on_wake, on_acked, on_declined, on_now };

static void
end_init (End *e, StreamRole role, gboolean managed)
{
  StreamConfig config = { .role = role, .manage = managed ? &management : NULL, .self_addr_in_cert = TRUE };

  config.local_addr = role == STREAM_INITIATOR ? ROMEO : JULIET;
  config.remote_addr = role == STREAM_INITIATOR ? JULIET : NULL;
  e->wire = g_string_new (NULL);
  e->all = g_string_new (NULL);
  e->got = g_string_new (NULL);
  e->tags = g_string_new (NULL);
  e->stream = stream_new (&config, &callbacks, e);
  e->now = 1700000000 * (gint64) G_USEC_PER_SEC;
}

static void
end_clear (End *e)
{
  g_clear_pointer (&e->stream, stream_free);
  if (e->wire == NULL)
    return;
  sm_free (e->kept);
  g_string_free (e->wire, TRUE);
  g_string_free (e->all, TRUE);
  g_string_free (e->got, TRUE);
  g_string_free (e->tags, TRUE);
}

typedef struct {
  End i, r;
  gsize bite;
} Play;

static void
play_clear (Play *p)
{
  end_clear (&p->i);
  end_clear (&p->r);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Play, play_clear)

static void
feed (End *e, const char *bytes, gsize len, gsize bite)
{
  for (gsize at = 0; at < len && e->n_ended == 0; at += bite)
    {
      gsize n = MIN (bite, len - at);
      g_autofree char *copy = g_memdup2 (bytes + at, n);

      stream_feed (e->stream, copy, n);
    }
}

static gboolean
carry (End *from, End *to, gsize bite)
{
  g_autoptr (GString) bytes = from->wire;

  from->wire = g_string_new (NULL);
  feed (to, bytes->str, bytes->len, bite);
  return bytes->len > 0;
}

static void
play_on (Play *p)
{
  gboolean moved = TRUE;

  while (moved)
    {
      moved = carry (&p->i, &p->r, p->bite);
      moved |= carry (&p->r, &p->i, p->bite);
      if (!moved && p->i.wants_tls && p->r.wants_tls)
        {
          p->i.wants_tls = p->r.wants_tls = FALSE;
          stream_tls_done (p->r.stream);
          stream_tls_done (p->i.stream);
          moved = TRUE;
        }
    }
}

static void
play_init (Play *p, gsize bite)
{
  p->bite = bite;
  end_init (&p->i, STREAM_INITIATOR, TRUE);
  end_init (&p->r, STREAM_RESPONDER, TRUE);
}

static void
play_start (Play *p)
{
  stream_start (p->r.stream);
  stream_start (p->i.stream);
  play_on (p);
}

/* A turn of both loops: what is due is said. */
static void
turn (Play *p)
{
  for (guint i = 0; i < 4; i++)
    {
      stream_flush (p->i.stream);
      stream_flush (p->r.stream);
      play_on (p);
    }
}

static void
say (End *e, const char *letters)
{
  for (; *letters != '\0'; letters++)
    {
      char letter[2] = { *letters, '\0' };
      g_autoptr (Stanza) m = stanza_new ("message", NS_CLIENT);

      stanza_add_new (m, "body", NS_CLIENT, letter);
      g_assert_true (stream_send_tagged (e->stream, m, letter));
    }
}

static guint
count (const GString *text, const char *what)
{
  guint n = 0;

  for (const char *p = text->str; (p = strstr (p, what)) != NULL; p += strlen (what))
    n++;
  return n;
}

static const gsize bites[] = { 1, 3, 1 << 20 };
#define FOR_BITES(var) for (guint var = 0; var < G_N_ELEMENTS (bites); var++)

static void
test_enable (void)
{
  FOR_BITES (b)
    {
      g_auto (Play) p = { 0 };

      play_init (&p, bites[b]);
      play_start (&p);
      g_assert_cmpuint (p.i.n_opened + p.r.n_opened, ==, 2);
      g_assert_nonnull (strstr (p.r.all->str, "<stream:features><sm xmlns='" NS_SM "'/><limits"));
      g_assert_true (g_str_has_suffix (p.i.all->str, ENABLE));
      g_assert_nonnull (stream_get_sm (p.i.stream));
      g_assert_true (sm_is_resumable (stream_get_sm (p.i.stream)) && sm_is_resumable (stream_get_sm (p.r.stream)));
      g_assert_cmpstr (sm_get_id (stream_get_sm (p.i.stream)), ==, sm_get_id (stream_get_sm (p.r.stream)));
      g_assert_cmpuint (strlen (sm_get_id (stream_get_sm (p.r.stream))), ==, 32);
    }
}

/* Up to the initiator's <enable/>, which is on its way. */
static void
play_until_enable (Play *p)
{
  play_init (p, 1 << 20);
  stream_start (p->r.stream);
  stream_start (p->i.stream);
  while (p->i.n_opened == 0)
    {
      carry (&p->i, &p->r, p->bite);
      carry (&p->r, &p->i, p->bite);
      if (p->i.wants_tls && p->r.wants_tls)
        {
          p->i.wants_tls = p->r.wants_tls = FALSE;
          stream_tls_done (p->r.stream);
          stream_tls_done (p->i.stream);
        }
    }
}

/* The initiator does not wait for <enabled/>, and what it says meanwhile counts. */
static void
test_no_round_trip (void)
{
  g_auto (Play) p = { 0 };

  play_until_enable (&p);
  g_assert_cmpuint (p.r.n_opened, ==, 0);
  g_assert_true (stream_is_managed (p.i.stream));
  say (&p.i, "ab");
  play_on (&p);
  g_assert_cmpstr (p.r.got->str, ==, "ab");
  turn (&p);
  g_assert_cmpstr (p.i.tags->str, ==, "ab");
}

/* Unless it is refused after all: then nobody will confirm it, and that is said. */
static void
test_declined (void)
{
  g_auto (Play) p = { 0 };
  static const char failed[] = "<failed xmlns='" NS_SM "'/>";

  play_until_enable (&p);
  say (&p.i, "ab");
  g_assert_cmpuint (p.i.n_declined, ==, 0);
  stream_feed (p.i.stream, failed, strlen (failed));
  g_assert_cmpuint (p.i.n_declined, ==, 1);
  g_assert_false (stream_is_managed (p.i.stream));
  g_assert_true (stream_is_open (p.i.stream));
  say (&p.i, "c");
  stream_flush (p.i.stream);
  g_assert_null (strstr (p.i.all->str, "<r "));
}

static void
test_batches (void)
{
  FOR_BITES (b)
    {
      g_auto (Play) p = { 0 };

      play_init (&p, bites[b]);
      play_start (&p);
      say (&p.i, "abcdefgh");
      say (&p.r, "xyz");
      turn (&p);
      g_assert_cmpstr (p.r.got->str, ==, "abcdefgh");
      g_assert_cmpstr (p.i.tags->str, ==, "abcdefgh");
      g_assert_cmpstr (p.r.tags->str, ==, "xyz");
      /* Once a batch, not once a stanza. */
      g_assert_cmpuint (count (p.i.all, R), ==, 1);
      g_assert_cmpuint (count (p.r.all, R), ==, 1);
      g_assert_cmpuint (count (p.r.all, SM ("a", " h='8'")), ==, 1);
      g_assert_cmpuint (count (p.r.all, "<a xmlns"), ==, 1);
      turn (&p);
      g_assert_cmpuint (count (p.r.all, "<a xmlns") + count (p.i.all, R), ==, 2);
    }
}

/* M-03: on disk first, counted then; in whatever order the disk reports. */
static void
test_deferred (void)
{
  FOR_BITES (b)
    {
      g_auto (Play) p = { 0 };

      play_init (&p, bites[b]);
      play_start (&p);
      p.r.defer = TRUE;
      say (&p.i, "abc");
      turn (&p);
      g_assert_cmpuint (p.r.n_tickets, ==, 3);
      g_assert_cmpuint (count (p.r.all, "<a xmlns"), ==, 0);
      stream_handled (p.r.stream, p.r.tickets[2]);
      turn (&p);
      g_assert_cmpuint (count (p.r.all, "<a xmlns"), ==, 0);
      stream_handled (p.r.stream, p.r.tickets[0]);
      g_assert_cmpuint (p.r.n_wakes, >, 0);
      turn (&p);
      g_assert_cmpstr (p.i.tags->str, ==, "a");
      stream_handled (p.r.stream, p.r.tickets[1]);
      turn (&p);
      g_assert_cmpstr (p.i.tags->str, ==, "abc");
      g_assert_cmpuint (count (p.r.all, "<a xmlns"), ==, 2);
    }
}

/* The next stream of the same two: each has what the old one left. */
static void
next_stream (Play *p, Play *next, gboolean swap)
{
  play_init (next, p->bite);
  stream_eof (p->i.stream);
  stream_eof (p->r.stream);
  (swap ? &next->r : &next->i)->kept = stream_take_sm (p->i.stream);
  (swap ? &next->i : &next->r)->kept = stream_take_sm (p->r.stream);
  g_assert_true (next->i.kept != NULL && next->r.kept != NULL);
}

static void
test_resume (void)
{
  FOR_BITES (b)
    for (guint swap = 0; swap < 2; swap++)
      {
        g_auto (Play) p = { 0 };
        g_auto (Play) q = { 0 };
        End *talker, *hearer;
        guint resent = 0;

        play_init (&p, bites[b]);
        play_start (&p);
        say (&p.i, "ab");
        turn (&p);
        say (&p.i, "cd");      /* heard, and not confirmed any more */
        play_on (&p);
        say (&p.i, "ef");      /* never heard */
        say (&p.r, "xyz");
        next_stream (&p, &q, swap == 1);
        talker = swap == 1 ? &q.r : &q.i;
        hearer = swap == 1 ? &q.i : &q.r;
        talker->now += 60 * G_USEC_PER_SEC;
        play_start (&q);
        g_assert_cmpuint (q.i.n_opened + q.r.n_opened, ==, 2);
        g_assert_true (stream_is_resumed (q.i.stream, &resent) && stream_is_resumed (q.r.stream, &resent));
        /* Exactly what lies beyond h, with the time it was first said. */
        g_assert_cmpstr (hearer->got->str, ==, "ef");
        g_assert_cmpstr (talker->got->str, ==, "xyz");
        g_assert_cmpuint (count (talker->all, "<delay xmlns='" NS_DELAY "' stamp='2023-11-14T22:13:20Z'/></message>"), ==, 2);
        g_assert_cmpuint (count (hearer->all, "<delay"), ==, 0);
        g_assert_cmpuint (count (q.i.all, "<enable "), ==, 0);
        g_assert_cmpstr (talker->tags->str, ==, "cd");
        say (talker, "g");
        turn (&q);
        g_assert_cmpstr (hearer->got->str, ==, "efg");
        g_assert_cmpstr (talker->tags->str, ==, "cdefg");
        g_assert_cmpstr (hearer->tags->str, ==, "xyz");
      }
}

/* What was on its way to the disk when the stream broke is sent again: h did not count it. */
static void
test_resume_undone (void)
{
  g_auto (Play) p = { 0 };
  g_auto (Play) q = { 0 };

  play_init (&p, 1 << 20);
  play_start (&p);
  p.r.defer = TRUE;
  say (&p.i, "abc");
  play_on (&p);
  stream_handled (p.r.stream, p.r.tickets[0]);
  stream_handled (p.r.stream, p.r.tickets[2]);
  next_stream (&p, &q, FALSE);
  play_start (&q);
  g_assert_cmpstr (q.r.got->str, ==, "bc");
  turn (&q);
  g_assert_cmpstr (q.i.tags->str, ==, "abc");
}

/* Resumed, and broken again before the answer arrived: the next try finds both as they were. */
static void
test_resume_twice (void)
{
  g_auto (Play) p = { 0 };
  g_auto (Play) q = { 0 };
  g_auto (Play) again = { 0 };

  play_init (&p, 1 << 20);
  play_start (&p);
  say (&p.i, "ab");
  say (&p.r, "xy");
  next_stream (&p, &q, FALSE);
  stream_start (q.r.stream);
  stream_start (q.i.stream);
  while (q.r.n_opened == 0)
    {
      carry (&q.i, &q.r, q.bite);
      if (q.r.n_opened == 0)
        carry (&q.r, &q.i, q.bite);
      if (q.i.wants_tls && q.r.wants_tls)
        {
          q.i.wants_tls = q.r.wants_tls = FALSE;
          stream_tls_done (q.r.stream);
          stream_tls_done (q.i.stream);
        }
    }
  g_assert_true (stream_is_resuming (q.i.stream));
  play_init (&again, 1 << 20);
  stream_eof (q.r.stream);
  again.r.kept = stream_take_sm (q.r.stream);
  again.i.kept = g_steal_pointer (&q.i.kept);
  g_assert_true (again.r.kept != NULL && again.i.kept != NULL);
  play_start (&again);
  g_assert_cmpstr (again.r.got->str, ==, "ab");
  g_assert_cmpstr (again.i.got->str, ==, "xy");
}

/* S-31: the responder knows no such state for this key; a normal stream follows. */
static void
test_item_not_found (void)
{
  FOR_BITES (b)
    {
      g_auto (Play) p = { 0 };
      g_auto (Play) q = { 0 };
      guint resent = 0;

      play_init (&p, bites[b]);
      play_start (&p);
      say (&p.i, "ab");
      next_stream (&p, &q, FALSE);
      q.r.hide_kept = TRUE;
      play_start (&q);
      g_assert_cmpuint (count (q.r.all, "<failed xmlns='" NS_SM "'><item-not-found xmlns='" NS_STANZA_ERRORS "'/></failed>"), ==, 1);
      g_assert_cmpuint (q.i.n_opened + q.r.n_opened, ==, 2);
      g_assert_false (stream_is_resumed (q.i.stream, &resent) || stream_is_resumed (q.r.stream, &resent));
      g_assert_cmpstr (q.r.got->str, ==, "");
      g_assert_nonnull (q.r.kept);
      say (&q.i, "c");
      turn (&q);
      g_assert_cmpstr (q.i.tags->str, ==, "c");
    }
}

static void
expect_too_high (const End *e, guint h, guint sent)
{
  g_autofree char *text = g_strdup_printf ("<handled-count-too-high xmlns='" NS_SM "' h='%u' send-count='%u'/></stream:error></stream:stream>", h, sent);

  g_assert_cmpuint (e->n_ended, ==, 1);
  g_assert_cmpstr (e->how.condition, ==, "undefined-condition");
  g_assert_true (g_str_has_suffix (e->all->str, text));
}

static void
test_too_high (void)
{
  FOR_BITES (b)
    {
      g_auto (Play) p = { 0 };
      g_auto (Play) q = { 0 };
      g_auto (Play) s = { 0 };
      g_autofree char *resume = NULL;

      play_init (&p, bites[b]);
      play_start (&p);
      say (&p.r, "abc");
      feed (&p.r, SM ("a", " h='4'"), strlen (SM ("a", " h='4'")), bites[b]);
      expect_too_high (&p.r, 4, 3);
      g_assert_null (stream_take_sm (p.r.stream));

      play_init (&q, bites[b]);
      q.i.kept = sm_new_at (5);
      q.r.kept = sm_new_at (4);
      sm_set_id (q.i.kept, "x");
      sm_set_id (q.r.kept, "x");
      play_start (&q);
      expect_too_high (&q.r, 5, 4);
      g_assert_cmpuint (q.r.n_opened + q.i.n_opened, ==, 0);

      play_init (&s, bites[b]);
      s.i.kept = sm_new_at (4);
      s.r.kept = sm_new_at (4);
      sm_set_id (s.i.kept, "x");
      sm_set_id (s.r.kept, "x");
      sm_received (s.r.kept);
      sm_handled (s.r.kept, 1);
      play_start (&s);
      expect_too_high (&s.i, 5, 4);
      g_assert_cmpuint (s.i.n_opened, ==, 0);
    }
}

/* --- one end against a script -------------------------------------------------------- */

#define HEADER "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' from='" ROMEO "' to='" JULIET "' version='1.0'>"
#define AUTH "<auth xmlns='" NS_SASL "' mechanism='EXTERNAL'>=</auth>"

/* The responder, as far as `steps` goes: 1 = before TLS, 2 = before SASL, 3 = before step 9. */
static void
responder (End *e, guint steps)
{
  end_init (e, STREAM_RESPONDER, TRUE);
  stream_start (e->stream);
  feed (e, HEADER, strlen (HEADER), 1000);
  if (steps == 1)
    return;
  feed (e, "<starttls xmlns='" NS_TLS "'/>", strlen ("<starttls xmlns='" NS_TLS "'/>"), 1000);
  stream_tls_done (e->stream);
  feed (e, HEADER, strlen (HEADER), 1000);
  if (steps == 2)
    return;
  feed (e, AUTH, strlen (AUTH), 1000);
  feed (e, HEADER, strlen (HEADER), 1000);
}

static void
give (End *e, const char *text)
{
  feed (e, text, strlen (text), 1000);
}

static void
test_too_early (void)
{
  static const char *const asked[] = { ENABLE, SM ("resume", " previd='x' h='0'"), R, SM ("a", " h='0'") };

  for (guint steps = 1; steps <= 2; steps++)
    for (guint i = 0; i < G_N_ELEMENTS (asked); i++)
      {
        End e = { 0 };

        responder (&e, steps);
        e.kept = sm_new ();
        sm_set_id (e.kept, "x");
        give (&e, asked[i]);
        g_assert_cmpstr (e.how.condition, ==, "not-authorized");
        g_assert_nonnull (e.kept);
        g_assert_cmpuint (e.n_opened, ==, 0);
        end_clear (&e);
      }
}

static void
test_twice (void)
{
  End e = { 0 };

  responder (&e, 3);
  g_assert_cmpuint (e.n_opened, ==, 0);
  give (&e, ENABLE MESSAGE ENABLE SM ("resume", " previd='x' h='0'"));
  g_assert_cmpuint (count (e.all, "<failed xmlns='" NS_SM "'><unexpected-request xmlns='" NS_STANZA_ERRORS "'/></failed>"), ==, 2);
  g_assert_cmpuint (e.n_ended, ==, 0);
  /* Stanzas count, and nothing else does. */
  give (&e, R);
  stream_flush (e.stream);
  g_assert_true (g_str_has_suffix (e.all->str, SM ("a", " h='1'")));
  end_clear (&e);
}

static void
test_not_offered (void)
{
  End e = { 0 };

  e.verdict = STREAM_ADMIT_RESTRICTED;
  responder (&e, 3);
  g_assert_cmpuint (e.n_opened, ==, 1);
  g_assert_null (strstr (e.all->str, NS_SM));
  give (&e, ENABLE);
  g_assert_cmpuint (count (e.all, "unexpected-request"), ==, 1);
  g_assert_null (stream_get_sm (e.stream));
  give (&e, R);
  g_assert_cmpstr (e.how.condition, ==, "unsupported-stanza-type");
  end_clear (&e);
}

/* Who wants none of it is not waited for, and may change its mind: counted then, but not to be resumed. */
static void
test_silent (void)
{
  End e = { 0 };

  responder (&e, 3);
  stream_deadline (e.stream);
  stream_deadline (e.stream);
  g_assert_cmpuint (e.n_opened, ==, 1);
  g_assert_null (stream_get_sm (e.stream));
  say (&e, "a");
  give (&e, ENABLE);
  g_assert_true (g_str_has_suffix (e.all->str, SM ("enabled", "")));
  stream_eof (e.stream);
  g_assert_null (stream_take_sm (e.stream));
  end_clear (&e);

  e = (End) { 0 };
  responder (&e, 3);
  give (&e, MESSAGE);
  g_assert_cmpuint (e.n_opened, ==, 1);
  g_assert_cmpstr (e.got->str, ==, "hello");
  end_clear (&e);
}

/* Seen on a link that lost every fifth frame: the <resume/> came late, the responder had begun anew, and the state was gone. */
static void
test_late_resume (void)
{
  g_auto (Play) p = { 0 };
  g_auto (Play) q = { 0 };
  guint resent = 0;

  play_init (&p, 1 << 20);
  play_start (&p);
  say (&p.r, "xyz");
  next_stream (&p, &q, FALSE);
  stream_start (q.r.stream);
  stream_start (q.i.stream);
  while (count (q.i.all, "<resume ") == 0)
    {
      carry (&q.r, &q.i, q.bite);
      if (count (q.i.all, "<resume ") == 0)
        carry (&q.i, &q.r, q.bite);
      if (q.i.wants_tls && q.r.wants_tls)
        {
          q.i.wants_tls = q.r.wants_tls = FALSE;
          stream_tls_done (q.r.stream);
          stream_tls_done (q.i.stream);
        }
    }
  for (guint second = 0; second < 9; second++)
    stream_deadline (q.r.stream);
  g_assert_cmpuint (q.r.n_opened + q.r.n_ended, ==, 0);
  play_on (&q);
  g_assert_true (stream_is_resumed (q.i.stream, &resent) && stream_is_resumed (q.r.stream, &resent));
  g_assert_cmpstr (q.i.got->str, ==, "xyz");

  /* Not for ever: who is silent for a whole step is cut, as in any other, and the state waits on. */
  {
    End e = { 0 };

    responder (&e, 3);
    e.kept = sm_new ();
    for (guint second = 0; second < 9; second++)
      stream_deadline (e.stream);
    g_assert_cmpuint (e.n_opened + e.n_ended, ==, 0);
    stream_deadline (e.stream);
    g_assert_cmpuint (e.n_opened, ==, 0);
    g_assert_cmpstr (e.how.condition, ==, "connection-timeout");
    g_assert_nonnull (e.kept);
    end_clear (&e);

    /* Once it is gone, silence says what it says of anybody. */
    e = (End) { 0 };
    responder (&e, 3);
    e.kept = sm_new ();
    for (guint second = 0; second < 5; second++)
      stream_deadline (e.stream);
    g_clear_pointer (&e.kept, sm_free);
    stream_deadline (e.stream);
    g_assert_cmpuint (e.n_opened, ==, 1);
    end_clear (&e);
  }
}

static void
test_garbage (void)
{
  static const char *const said[] = { SM ("a", ""), SM ("a", " h='-1'"), SM ("a", " h='4294967296'"), SM ("a", " h='1x'"),
                                      SM ("enabled", ""), SM ("failed", ""), SM ("resumed", ""), SM ("what", "") };

  for (guint i = 0; i < G_N_ELEMENTS (said); i++)
    {
      End e = { 0 };

      responder (&e, 3);
      give (&e, ENABLE);
      g_assert_cmpuint (e.n_opened, ==, 1);
      give (&e, said[i]);
      g_assert_cmpstr (e.how.condition, ==, i < 4 ? "bad-format" : "unsupported-stanza-type");
      end_clear (&e);
    }
}

/* The last word before a closing tag and before a `conflict` is what was dealt with. */
static void
test_last_ack (void)
{
  for (guint i = 0; i < 2; i++)
    {
      End e = { 0 };

      responder (&e, 3);
      give (&e, ENABLE MESSAGE MESSAGE);
      if (i == 0)
        stream_close (e.stream);
      else
        stream_fail (e.stream, "conflict", NULL);
      g_assert_nonnull (strstr (e.all->str, i == 0 ? SM ("a", " h='2'") "</stream:stream>" : SM ("a", " h='2'") "<stream:error><conflict"));
      if (i == 0)
        give (&e, SM ("a", " h='0'") R "</stream:stream>");
      g_assert_cmpuint (e.n_ended, ==, 1);
      g_assert_true (e.how.clean == (i == 0));
      g_assert_true (g_str_has_suffix (e.all->str, "</stream:stream>"));
      g_assert_null (stream_take_sm (e.stream));
      end_clear (&e);
    }
}

static void
test_probe (void)
{
  g_auto (Play) p = { 0 };
  End e = { 0 };

  play_init (&p, 1 << 20);
  play_start (&p);
  g_assert_true (stream_probe (p.i.stream));
  turn (&p);
  g_assert_true (g_str_has_suffix (p.r.all->str, SM ("a", " h='0'")));
  end_init (&e, STREAM_RESPONDER, TRUE);
  g_assert_false (stream_probe (e.stream));
  end_clear (&e);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stream-manage/S-16-enable", test_enable);
  g_test_add_func ("/stream-manage/no-round-trip", test_no_round_trip);
  g_test_add_func ("/stream-manage/declined", test_declined);
  g_test_add_func ("/stream-manage/batches", test_batches);
  g_test_add_func ("/stream-manage/M-03-deferred", test_deferred);
  g_test_add_func ("/stream-manage/M-05-resume", test_resume);
  g_test_add_func ("/stream-manage/M-03-resume-undone", test_resume_undone);
  g_test_add_func ("/stream-manage/resume-twice", test_resume_twice);
  g_test_add_func ("/stream-manage/S-31-item-not-found", test_item_not_found);
  g_test_add_func ("/stream-manage/S-30-too-high", test_too_high);
  g_test_add_func ("/stream-manage/S-30-too-early", test_too_early);
  g_test_add_func ("/stream-manage/S-30-twice", test_twice);
  g_test_add_func ("/stream-manage/not-offered", test_not_offered);
  g_test_add_func ("/stream-manage/silent", test_silent);
  g_test_add_func ("/stream-manage/S-27-late-resume", test_late_resume);
  g_test_add_func ("/stream-manage/garbage", test_garbage);
  g_test_add_func ("/stream-manage/last-ack", test_last_ack);
  g_test_add_func ("/stream-manage/probe", test_probe);
  return g_test_run ();
}
