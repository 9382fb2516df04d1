/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Plays over two machines back to back, and one machine against scripted strangers. Every input is
 * given whole and byte by byte: no read holds a whole write.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/stream.h"

#define ROMEO "romeo@forza"
#define JULIET "juliet@pronto"

/* --- one end ------------------------------------------------------------------- */

typedef enum { FREE_NEVER, FREE_SEND, FREE_TLS, FREE_JUDGE, FREE_OPENED, FREE_STANZA, FREE_ENDED, FREE_ACCEPT, FREE_DEADLINE } FreeAt;

typedef struct {
  Stream *stream;
  GString *wire;       /* not yet taken by the other end */
  GString *all;        /* everything ever sent */
  GString *got;        /* stanzas handed up, serialised */
  guint n_stanzas, n_tls, n_judge, n_opened, n_ended, n_accept;
  guint deadline;
  char *judged_from;
  StreamEnd how;
  gboolean wants_tls;
  FreeAt free_at;
  StreamVerdict verdict;
  gboolean judge_at_once;
} End;

static void
maybe_free (End *e, FreeAt at)
{
  if (e->free_at == at)
    g_clear_pointer (&e->stream, stream_free);
}

static void
on_send (gpointer user, const char *bytes, gsize len)
{
  End *e = user;

  g_assert_cmpuint (e->n_ended, ==, 0);
  g_string_append_len (e->wire, bytes, (gssize) len);
  g_string_append_len (e->all, bytes, (gssize) len);
  maybe_free (e, FREE_SEND);
}

static void
on_start_tls (gpointer user)
{
  End *e = user;

  e->n_tls++;
  e->wants_tls = TRUE;
  maybe_free (e, FREE_TLS);
}

static void
on_judge (gpointer user, const char *from)
{
  End *e = user;

  e->n_judge++;
  g_free (e->judged_from);
  e->judged_from = g_strdup (from);
  maybe_free (e, FREE_JUDGE);
  if (e->judge_at_once && e->stream != NULL)
    stream_judged (e->stream, e->verdict);
}

static void
on_opened (gpointer user)
{
  End *e = user;

  e->n_opened++;
  maybe_free (e, FREE_OPENED);
}

static void
on_stanza (gpointer user, Stanza *stanza)
{
  End *e = user;

  g_assert_cmpuint (e->n_opened, ==, 1);
  g_assert_cmpuint (e->n_ended, ==, 0);
  e->n_stanzas++;
  stanza_serialize (stanza, NS_CLIENT, e->got);
  maybe_free (e, FREE_STANZA);
}

static void
on_ended (gpointer user, const StreamEnd *how)
{
  End *e = user;

  e->n_ended++;
  g_assert_cmpuint (e->n_ended, ==, 1);
  g_assert_cmpuint (e->deadline, ==, 0);
  e->how = *how;
  maybe_free (e, FREE_ENDED);
}

static void
on_deadline (gpointer user, guint ms)
{
  End *e = user;

  g_assert_cmpuint (e->n_ended, ==, 0);
  e->deadline = ms;
  maybe_free (e, FREE_DEADLINE);
}

static gboolean
is_ours (gpointer user, const char *addr)
{
  return g_str_equal (addr, JULIET) || g_str_equal (addr, "juliet-1@pronto");
}

static gboolean
on_accept_addr (gpointer user, const char *addr)
{
  End *e = user;

  e->n_accept++;
  g_assert_cmpuint (e->n_opened, ==, 0);
  maybe_free (e, FREE_ACCEPT);
  return !g_str_equal (addr, "impostor@pronto");
}

static const StreamCallbacks callbacks = { on_send, on_start_tls, on_judge, on_opened, on_stanza,
                                           on_ended, on_deadline, is_ours, NULL, on_accept_addr };

static Stanza *
make_disco (void)
{
  Stanza *query = stanza_new ("query", NS_DISCO_INFO);
  Stanza *feature = stanza_add_new (query, "feature", NS_DISCO_INFO, NULL);

  stanza_set_attr (query, "node", EARSHOT_CAPS_NODE "#abc");
  stanza_set_attr (feature, "var", NS_RECEIPTS);
  return query;
}

static void
end_init (End *e, StreamRole role)
{
  g_autoptr (Stanza) disco = make_disco ();
  StreamConfig config = { .role = role, .disco_info = disco };

  config.local_addr = role == STREAM_INITIATOR ? ROMEO : JULIET;
  config.remote_addr = role == STREAM_INITIATOR ? JULIET : NULL;
  config.self_addr_in_cert = role == STREAM_INITIATOR;
  e->wire = g_string_new (NULL);
  e->all = g_string_new (NULL);
  e->got = g_string_new (NULL);
  e->stream = stream_new (&config, &callbacks, e);
}

static void
end_clear (End *e)
{
  g_clear_pointer (&e->stream, stream_free);
  if (e->wire == NULL)
    return;
  g_string_free (e->wire, TRUE);
  g_string_free (e->all, TRUE);
  g_string_free (e->got, TRUE);
  g_free (e->judged_from);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (End, end_clear)

static void
feed (End *e, const char *bytes, gsize len, gsize bite)
{
  for (gsize i = 0; i < len && e->stream != NULL && e->n_ended == 0; i += bite)
    {
      gsize n = MIN (bite, len - i);
      g_autofree char *copy = g_memdup2 (bytes + i, n);

      stream_feed (e->stream, copy, n);
    }
}

/* --- two ends ------------------------------------------------------------------ */

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

static gboolean
carry (End *from, End *to, gsize bite)
{
  g_autoptr (GString) bytes = from->wire;

  from->wire = g_string_new (NULL);
  feed (to, bytes->str, bytes->len, bite);
  return bytes->len > 0;
}

/* Carries bytes, and lets the handshake succeed when both ask for it, until nothing moves. */
static void
play_on (Play *p)
{
  gboolean moved = TRUE;

  while (moved)
    {
      moved = carry (&p->i, &p->r, p->bite);
      moved |= carry (&p->r, &p->i, p->bite);
      if (!moved && p->i.wants_tls && p->r.wants_tls && p->i.stream != NULL && p->r.stream != NULL)
        {
          p->i.wants_tls = p->r.wants_tls = FALSE;
          stream_tls_done (p->r.stream);
          stream_tls_done (p->i.stream);
          moved = TRUE;
        }
    }
}

static void
play_init (Play *p, gsize bite, StreamVerdict verdict)
{
  p->bite = bite;
  end_init (&p->i, STREAM_INITIATOR);
  end_init (&p->r, STREAM_RESPONDER);
  p->r.judge_at_once = TRUE;
  p->r.verdict = verdict;
}

static void
play_start (Play *p)
{
  stream_start (p->r.stream);
  stream_start (p->i.stream);
  play_on (p);
}

static const gsize bites[] = { 1, 3, 1 << 20 };
#define FOR_BITES(var) for (guint var = 0; var < G_N_ELEMENTS (bites); var++)

static void
send_body (End *e, const char *body)
{
  g_autoptr (Stanza) m = stanza_new ("message", NS_CLIENT);

  stanza_add_new (m, "body", NS_CLIENT, body);
  g_assert_true (stream_send (e->stream, m));
}

static void
test_conversation (void)
{
  FOR_BITES (b)
    {
      g_auto (Play) p = { 0 };
      g_autoptr (Stanza) disco = make_disco ();

      play_init (&p, bites[b], STREAM_ADMIT);
      play_start (&p);
      g_assert_true (stream_is_open (p.i.stream) && stream_is_open (p.r.stream));
      g_assert_cmpuint (p.i.deadline + p.r.deadline, ==, 0);
      g_assert_false (stream_is_restricted (p.i.stream) || stream_is_restricted (p.r.stream));
      g_assert_cmpstr (stream_get_peer_addr (p.i.stream), ==, JULIET);
      g_assert_cmpstr (stream_get_peer_addr (p.r.stream), ==, ROMEO);
      g_assert_cmpstr (p.r.judged_from, ==, ROMEO);
      g_assert_true (stanza_equal (stream_get_peer_disco (p.i.stream), disco));
      send_body (&p.i, "wilt thou be gone? <&>");
      send_body (&p.r, "it was the nightingale");
      play_on (&p);
      g_assert_cmpstr (p.r.got->str, ==, "<message from='" ROMEO "' to='" JULIET "'><body>wilt thou be gone? &lt;&amp;&gt;</body></message>");
      g_assert_cmpstr (p.i.got->str, ==, "<message from='" JULIET "' to='" ROMEO "'><body>it was the nightingale</body></message>");
      stream_close (p.i.stream);
      g_assert_cmpuint (p.i.deadline, ==, 5000);
      play_on (&p);
      g_assert_true (p.i.how.clean && p.r.how.clean && p.i.how.reached_open);
      g_assert_true (!p.i.how.by_peer && p.r.how.by_peer);
      g_assert_cmpstr (p.i.how.condition, ==, "closed");
      g_assert_cmpstr (p.r.how.condition, ==, "closed");
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

/* XEP-0368: not a byte before the handshake, and then the same negotiation. */
static void
test_direct_tls (void)
{
  FOR_BITES (b)
    {
      g_auto (Play) p = { 0 };

      play_init (&p, bites[b], STREAM_ADMIT);
      stream_start (p.r.stream); /* it does not know yet what the first byte will be */
      stream_start_direct (p.r.stream);
      stream_start_direct (p.i.stream);
      g_assert_cmpuint (p.i.all->len, ==, 0);
      g_assert_cmpuint (p.r.all->len, ==, 0);
      play_on (&p);
      g_assert_cmpuint (p.i.n_tls, ==, 1);
      g_assert_cmpuint (p.r.n_tls, ==, 1);
      g_assert_cmpuint (p.i.n_opened, ==, 1);
      g_assert_cmpuint (p.r.n_judge, ==, 1);
      g_assert_null (strstr (p.r.all->str, "starttls"));
      send_body (&p.i, "hi");
      play_on (&p);
      g_assert_cmpuint (p.r.n_stanzas, ==, 1);
    }
}

/* 2.2: with direct TLS the <auth/> goes with the header, before a word was read; and it is said once. After STARTTLS it waits
 * for the offer, as RFC 6120 has it. */
static void
test_direct_tls_auth (void)
{
  FOR_BITES (b)
    for (guint direct = 0; direct < 2; direct++)
      {
        g_auto (Play) p = { 0 };

        play_init (&p, bites[b], STREAM_ADMIT);
        stream_start (p.r.stream);
        if (direct == 1)
          {
            stream_start_direct (p.r.stream);
            stream_start_direct (p.i.stream);
          }
        else
          stream_start (p.i.stream);
        while (!p.i.wants_tls || !p.r.wants_tls)
          {
            carry (&p.i, &p.r, p.bite);
            carry (&p.r, &p.i, p.bite);
          }
        p.i.wants_tls = p.r.wants_tls = FALSE;
        stream_tls_done (p.r.stream);
        stream_tls_done (p.i.stream);
        g_assert_cmpuint (count (p.i.all, "<stream:stream "), ==, direct == 1 ? 1 : 2);
        g_assert_cmpuint (count (p.i.all, "<auth "), ==, direct);
        play_on (&p);
        g_assert_cmpuint (count (p.i.all, "<auth "), ==, 1);
        g_assert_cmpuint (p.i.n_opened + p.r.n_opened, ==, 2);
      }
}

/* What it went ahead of is still demanded. */
static void
test_direct_tls_no_external (void)
{
  static const char *const offers[] = {
    "<mechanisms xmlns='" NS_SASL "'><mechanism>PLAIN</mechanism></mechanisms>", "",
  };

  for (guint i = 0; i < G_N_ELEMENTS (offers); i++)
    {
      g_auto (End) e = { 0 };
      g_autofree char *text = g_strconcat ("<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' version='1.0' id='x' from='"
                                           JULIET "'><stream:features>", offers[i], "</stream:features><success xmlns='" NS_SASL "'/>", NULL);

      end_init (&e, STREAM_INITIATOR);
      stream_start_direct (e.stream);
      stream_tls_done (e.stream);
      feed (&e, text, strlen (text), 7);
      g_assert_cmpuint (e.n_ended, ==, 1);
      g_assert_cmpstr (e.how.condition, ==, "unsupported-feature");
      g_assert_cmpuint (e.n_opened, ==, 0);
    }
}

/* Once a header was read or written it is too late: what was said in clear would count as protected. */
static void
test_direct_tls_too_late (void)
{
  g_auto (Play) p = { 0 };

  play_init (&p, 1 << 20, STREAM_ADMIT);
  play_start (&p);
  g_assert_cmpuint (p.r.n_opened, ==, 1);
  stream_start_direct (p.r.stream);
  g_assert_cmpuint (p.r.n_tls, ==, 1);
  g_assert_true (stream_is_open (p.r.stream));
  {
    g_auto (End) e = { 0 };

    end_init (&e, STREAM_INITIATOR);
    stream_start (e.stream);
    stream_start_direct (e.stream);
    g_assert_cmpuint (e.n_tls, ==, 0);
  }
}

static void
test_headers (void)
{
  g_auto (Play) p = { 0 };
  g_autoptr (GHashTable) ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  play_init (&p, 1000, STREAM_ADMIT);
  play_start (&p);
  g_assert_cmpuint (count (p.i.all, "<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM
                                    "' from='" ROMEO "' to='" JULIET "' version='1.0'>"), ==, 3);
  g_assert_cmpuint (count (p.r.all, " from='" JULIET "' to='" ROMEO "' id='"), ==, 3);
  for (const char *id = p.r.all->str; (id = strstr (id, " id='")) != NULL; id += 5)
    {
      char *copy = g_strndup (id + 5, 32);

      g_assert_cmpuint (strspn (copy, "0123456789abcdef"), ==, 32);
      g_assert_cmpint (id[5 + 32], ==, '\'');
      g_assert_true (g_hash_table_add (ids, copy));
    }
  g_assert_cmpuint (g_hash_table_size (ids), ==, 3);
}

static void
test_features (void)
{
  g_auto (Play) p = { 0 };

  play_init (&p, 1000, STREAM_ADMIT);
  play_start (&p);
  g_assert_nonnull (strstr (p.r.all->str, "<stream:features><starttls xmlns='" NS_TLS "'><required/></starttls></stream:features>"));
  g_assert_nonnull (strstr (p.r.all->str, "<stream:features><mechanisms xmlns='" NS_SASL "'><mechanism>EXTERNAL</mechanism></mechanisms></stream:features>"));
  g_assert_nonnull (strstr (p.r.all->str, "<stream:features><limits xmlns='" NS_LIMITS "'><max-bytes>65536</max-bytes></limits><query xmlns='" NS_DISCO_INFO "'"));
  g_assert_null (strstr (p.r.all->str, "bind"));
  g_assert_null (strstr (p.r.all->str, "compress"));
  g_assert_null (strstr (p.r.all->str, "restricted"));
}

static void
test_restricted (void)
{
  FOR_BITES (b)
    {
      g_auto (Play) p = { 0 };

      play_init (&p, bites[b], STREAM_ADMIT_RESTRICTED);
      play_start (&p);
      g_assert_true (stream_is_open (p.i.stream) && stream_is_restricted (p.i.stream));
      g_assert_true (stream_is_open (p.r.stream) && stream_is_restricted (p.r.stream));
      g_assert_null (strstr (p.r.all->str, NS_SM));
    }
}

static void
test_refused (void)
{
  g_autofree char *said = NULL;

  FOR_BITES (b)
    {
      g_auto (Play) p = { 0 };

      play_init (&p, bites[b], STREAM_REFUSE);
      play_start (&p);
      g_assert_cmpuint (p.i.n_opened + p.r.n_opened, ==, 0);
      g_assert_cmpstr (p.i.how.condition, ==, "not-authorized");
      g_assert_cmpstr (p.r.how.condition, ==, "not-authorized");
      g_assert_true (p.i.how.by_peer && !p.r.how.by_peer);
      g_assert_true (g_str_has_suffix (p.r.all->str, "<failure xmlns='" NS_SASL "'><not-authorized/></failure></stream:stream>"));
    }
  {
    g_auto (Play) p = { 0 };

    play_init (&p, 100, STREAM_REFUSE_EXPIRED);
    play_start (&p);
    g_assert_cmpstr (p.i.how.condition, ==, "credentials-expired");
  }
}

/* The verdict may wait for a person; nothing is open meanwhile, and nothing said meanwhile counts. */
static void
test_late_verdict (void)
{
  FOR_BITES (b)
    {
      g_auto (Play) p = { 0 };
      g_auto (Play) q = { 0 };

      play_init (&p, bites[b], STREAM_ADMIT);
      p.r.judge_at_once = FALSE;
      play_start (&p);
      g_assert_cmpuint (p.r.n_judge, ==, 1);
      g_assert_cmpuint (p.i.n_opened + p.r.n_opened, ==, 0);
      feed (&p.r, " \n", 2, 1);
      stream_judged (p.r.stream, STREAM_ADMIT);
      play_on (&p);
      g_assert_true (stream_is_open (p.i.stream) && stream_is_open (p.r.stream));

      play_init (&q, bites[b], STREAM_ADMIT);
      q.r.judge_at_once = FALSE;
      play_start (&q);
      feed (&q.r, "<message><body>early</body></message>", 37, bites[b]);
      g_assert_cmpstr (q.r.how.condition, ==, "not-authorized");
      stream_judged (q.r.stream, STREAM_ADMIT);
      g_assert_cmpuint (q.r.n_opened + q.r.n_stanzas, ==, 0);
    }
}

/* --- one end against a script ---------------------------------------------------- */

#define HEADER_WITH(attrs) "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "'" attrs ">"
#define I_HEADER HEADER_WITH (" from='" ROMEO "' to='" JULIET "' version='1.0'")
#define R_HEADER HEADER_WITH (" from='" JULIET "' to='" ROMEO "' id='x1' version='1.0'")
#define STARTTLS "<starttls xmlns='" NS_TLS "'/>"
#define PROCEED "<proceed xmlns='" NS_TLS "'/>"
#define OFFER "<stream:features><starttls xmlns='" NS_TLS "'><required/></starttls></stream:features>"
#define MECHANISMS "<stream:features><mechanisms xmlns='" NS_SASL "'><mechanism>PLAIN</mechanism><mechanism>EXTERNAL</mechanism></mechanisms></stream:features>"
#define AUTH(text) "<auth xmlns='" NS_SASL "' mechanism='EXTERNAL'>" text "</auth>"
#define SUCCESS "<success xmlns='" NS_SASL "'/>"
#define FEATURES "<stream:features/>"
#define MESSAGE "<message><body>hello</body></message>"

/* How far the script goes along before the test's own input. */
typedef enum { AT_HEADER, AT_FIRST, AT_TLS, AT_HEADER_2, AT_SECOND, AT_HEADER_3, AT_THIRD } Stage;

static void
go_to (End *e, StreamRole role, Stage stage)
{
  static const char *const as_initiator[] = { I_HEADER, STARTTLS, NULL, I_HEADER, AUTH ("="), I_HEADER };
  static const char *const as_responder[] = { R_HEADER, OFFER PROCEED, NULL, R_HEADER, MECHANISMS SUCCESS, R_HEADER };
  const char *const *script = role == STREAM_RESPONDER ? as_initiator : as_responder;

  end_init (e, role);
  e->judge_at_once = TRUE;
  stream_start (e->stream);
  for (guint i = 0; i < (guint) stage; i++)
    {
      if (script[i] != NULL)
        feed (e, script[i], strlen (script[i]), 1);
      else
        stream_tls_done (e->stream);
    }
  g_assert_cmpuint (e->n_ended, ==, 0);
  g_string_truncate (e->all, 0);
}

/* `said` must be in what our end sends from then on; NULL: not a byte may be sent. */
static void
expect_end (StreamRole role, Stage stage, const char *input, const char *condition, const char *said)
{
  FOR_BITES (b)
    {
      g_auto (End) e = { 0 };

      go_to (&e, role, stage);
      feed (&e, input, strlen (input), bites[b]);
      g_assert_cmpuint (e.n_ended, ==, 1);
      g_assert_cmpstr (e.how.condition, ==, condition);
      g_assert_false (e.how.clean);
      g_assert_cmpuint (e.n_stanzas, ==, 0);
      if (said == NULL)
        g_assert_cmpuint (e.all->len, ==, 0);
      else if (strstr (e.all->str, said) == NULL)
        g_error ("not said: %s\nbut: %s", said, e.all->str);
      /* Ended is ended. */
      g_string_truncate (e.all, 0);
      stream_feed (e.stream, MESSAGE, strlen (MESSAGE));
      stream_tls_done (e.stream);
      stream_judged (e.stream, STREAM_ADMIT);
      stream_deadline (e.stream);
      stream_eof (e.stream);
      stream_close (e.stream);
      stream_fail (e.stream, "reset", NULL);
      g_assert_cmpuint (e.all->len, ==, 0);
    }
}

#define ERROR(name) "<stream:error><" name " xmlns='" NS_STREAM_ERRORS "'/></stream:error></stream:stream>"

static void
expect_error (StreamRole role, Stage stage, const char *input, const char *condition)
{
  g_autofree char *said = g_strdup_printf (ERROR ("%s"), condition);

  expect_end (role, stage, input, condition, said);
}

static void
test_no_tls_offered (void)
{
  static const char *const meek[] = {
    R_HEADER FEATURES,
    R_HEADER MECHANISMS,
    R_HEADER "<stream:features><starttls xmlns='urn:other'/></stream:features>",
    HEADER_WITH (" from='" JULIET "' id='1'"),
    HEADER_WITH (" from='' version='1.0'") FEATURES,
  };

  for (guint i = 0; i < G_N_ELEMENTS (meek); i++)
    {
      expect_end (STREAM_INITIATOR, AT_HEADER, meek[i], "peer-insecure", "</stream:stream>");
      FOR_BITES (b)
        {
          g_auto (End) e = { 0 };

          go_to (&e, STREAM_INITIATOR, AT_HEADER);
          g_string_truncate (e.wire, 0);
          feed (&e, meek[i], strlen (meek[i]), bites[b]);
          g_assert_cmpstr (e.wire->str, ==, "</stream:stream>");
        }
    }
}

static void
test_injection (void)
{
  FOR_BITES (b)
    {
      static const char *const behind[] = { MESSAGE, " ", "\n", I_HEADER, STARTTLS, "\x16\x03\x01" };

      for (guint i = 0; i < G_N_ELEMENTS (behind); i++)
        {
          g_auto (End) r = { 0 };
          g_auto (End) in = { 0 };
          g_autofree char *to_r = g_strconcat (STARTTLS, behind[i], NULL);
          g_autofree char *to_i = g_strconcat (PROCEED, behind[i], NULL);

          go_to (&r, STREAM_RESPONDER, AT_FIRST);
          feed (&r, to_r, strlen (to_r), bites[b]);
          g_assert_cmpstr (r.how.condition, ==, "injection");
          if (bites[b] > 1000) /* in one read: not even <proceed/> is answered */
            g_assert_cmpuint (r.all->len + r.n_tls, ==, 0);
          go_to (&in, STREAM_INITIATOR, AT_FIRST);
          feed (&in, OFFER, strlen (OFFER), bites[b]);
          feed (&in, to_i, strlen (to_i), bites[b]);
          g_assert_cmpstr (in.how.condition, ==, "injection");
          if (bites[b] > 1000)
            g_assert_cmpuint (in.n_tls, ==, 0);
        }
    }
}

static void
test_unknown_children (void)
{
  FOR_BITES (b)
    {
      g_auto (End) r = { 0 };
      const char *input = "<starttls xmlns='" NS_TLS "'><offer xmlns='urn:xmpp:tls:1'><x/></offer></starttls>";

      go_to (&r, STREAM_RESPONDER, AT_FIRST);
      feed (&r, FEATURES, strlen (FEATURES), bites[b]); /* S-29: Salut's own */
      feed (&r, input, strlen (input), bites[b]);
      g_assert_cmpuint (r.n_tls, ==, 1);
      g_assert_cmpstr (r.all->str, ==, PROCEED);
    }
}

/* Nothing learnt in the clear lives on: another name may be claimed under TLS, and only that one counts. */
static void
test_forgotten (void)
{
  FOR_BITES (b)
    {
      g_auto (End) r = { 0 };
      const char *header = HEADER_WITH (" from='mallory@forza' to='" JULIET "' version='1.0'");

      go_to (&r, STREAM_RESPONDER, AT_HEADER_2);
      g_string_truncate (r.all, 0);
      stream_tls_done (r.stream); /* out of turn: does nothing */
      feed (&r, header, strlen (header), bites[b]);
      feed (&r, AUTH ("="), strlen (AUTH ("=")), bites[b]);
      g_assert_cmpstr (r.judged_from, ==, "mallory@forza");
      g_assert_nonnull (strstr (r.all->str, " to='mallory@forza'"));
      g_assert_null (strstr (r.all->str, ROMEO));
    }
  /* The old parser is gone: a section starts with a header, not with a stanza. */
  expect_error (STREAM_RESPONDER, AT_HEADER_2, MESSAGE, "bad-format");
  expect_error (STREAM_RESPONDER, AT_HEADER_3, MESSAGE, "bad-format");
  expect_error (STREAM_INITIATOR, AT_HEADER_3, FEATURES, "not-well-formed");
  /* After SASL the name stands. */
  expect_error (STREAM_RESPONDER, AT_HEADER_3, HEADER_WITH (" from='mallory@forza' version='1.0'"), "invalid-from");
  expect_error (STREAM_INITIATOR, AT_HEADER_3, HEADER_WITH (" id='1' from='mallory@forza' version='1.0'"), "invalid-from");
}

/* T-06: whom we called and who calls itself under TLS what it may not is told so before anything else is said; once under TLS, and
 * only there, and only by the caller. */
static void
test_accept_addr (void)
{
  expect_error (STREAM_INITIATOR, AT_HEADER_2, HEADER_WITH (" id='1' from='impostor@pronto' version='1.0'"), "invalid-from");
  FOR_BITES (b)
    {
      g_auto (End) i = { 0 }, r = { 0 };

      go_to (&i, STREAM_INITIATOR, AT_HEADER_2);
      g_assert_cmpuint (i.n_accept, ==, 0);
      feed (&i, HEADER_WITH (" id='1' from='" JULIET "' version='1.0'"),
            strlen (HEADER_WITH (" id='1' from='" JULIET "' version='1.0'")), bites[b]);
      g_assert_cmpuint (i.n_accept, ==, 1);
      go_to (&r, STREAM_RESPONDER, AT_THIRD);
      g_assert_cmpuint (r.n_accept, ==, 0);
    }
}

static void
test_header_refusals (void)
{
  const StreamRole r = STREAM_RESPONDER, i = STREAM_INITIATOR;

  expect_error (r, AT_HEADER, "<stream:stream xmlns='jabber:client' xmlns:stream='urn:x' version='1.0'>", "invalid-namespace");
  expect_error (r, AT_HEADER, "<stream:stream xmlns='jabber:server' xmlns:stream='" NS_STREAM "' version='1.0'>", "invalid-namespace");
  expect_error (r, AT_HEADER, "<stream:stream xmlns:stream='" NS_STREAM "' version='1.0'>", "invalid-namespace");
  expect_error (r, AT_HEADER, "<stream:flow xmlns='jabber:client' xmlns:stream='" NS_STREAM "' version='1.0'>", "bad-format");
  expect_error (r, AT_HEADER, "<message><body>hi</body></message>", "bad-format");
  expect_error (r, AT_HEADER, HEADER_WITH (" to='" JULIET "' version='0.9'"), "unsupported-version");
  expect_error (r, AT_HEADER, HEADER_WITH (" to='" JULIET "' version='one'"), "unsupported-version");
  expect_error (r, AT_HEADER, HEADER_WITH (" to='tybalt@pronto' from='" ROMEO "' version='1.0'"), "host-unknown");
  expect_error (r, AT_HEADER, HEADER_WITH (" from='no address' version='1.0'"), "improper-addressing");
  expect_error (r, AT_HEADER, HEADER_WITH (" from='a@b/c' version='1.0'"), "improper-addressing");
  expect_error (r, AT_HEADER_2, HEADER_WITH (" version='1.0'"), "improper-addressing");
  expect_error (r, AT_HEADER_2, HEADER_WITH (" from='" ROMEO "'"), "unsupported-version");
  expect_error (i, AT_HEADER, HEADER_WITH (" id='1' version='0.9'"), "unsupported-version");
  expect_error (i, AT_HEADER_2, HEADER_WITH (" from='" JULIET "' version='1.0'"), "bad-format");
}

/* S-21: libpurple would send its waiting message in clear at the sight of our header. */
static void
test_legacy_caller (void)
{
  expect_end (STREAM_RESPONDER, AT_HEADER, HEADER_WITH (" to='" JULIET "' from='" ROMEO "'"), "peer-insecure", NULL);
  expect_end (STREAM_RESPONDER, AT_HEADER, HEADER_WITH (" to='" JULIET "' from='" ROMEO "'") MESSAGE, "peer-insecure", NULL);
  expect_end (STREAM_RESPONDER, AT_HEADER, HEADER_WITH (" to='nobody@x' from='?'"), "peer-insecure", NULL);
  expect_end (STREAM_RESPONDER, AT_HEADER, HEADER_WITH (" version=''"), "peer-insecure", NULL);
}

static void
test_good_headers (void)
{
  static const char *const good[] = {
    HEADER_WITH (" version='1.0'"),
    HEADER_WITH (" to='' from='' version='1.0'"),
    HEADER_WITH (" to='juliet-1@pronto' version='1.1'"),
    HEADER_WITH (" version='2.0' xml:lang='en' what='ever'"),
    "<s:stream xmlns='jabber:client' xmlns:s='" NS_STREAM "' version='1.0'>",
  };

  for (guint g = 0; g < G_N_ELEMENTS (good); g++)
    FOR_BITES (b)
      {
        g_auto (End) e = { 0 };

        go_to (&e, STREAM_RESPONDER, AT_HEADER);
        feed (&e, good[g], strlen (good[g]), bites[b]);
        g_assert_cmpuint (e.n_ended, ==, 0);
        g_assert_nonnull (strstr (e.all->str, OFFER));
      }
}

static void
test_authzid_sent (void)
{
  for (guint in_cert = 0; in_cert < 2; in_cert++)
    {
      g_auto (End) e = { 0 };
      StreamConfig config = { STREAM_INITIATOR, ROMEO, NULL, in_cert == 1, NULL };

      end_init (&e, STREAM_INITIATOR);
      stream_free (e.stream);
      e.stream = stream_new (&config, &callbacks, &e);
      stream_start (e.stream);
      g_assert_null (strstr (e.all->str, " to='"));
      feed (&e, R_HEADER OFFER PROCEED, strlen (R_HEADER OFFER PROCEED), 1);
      stream_tls_done (e.stream);
      feed (&e, R_HEADER MECHANISMS, strlen (R_HEADER MECHANISMS), 1);
      g_assert_true (g_str_has_suffix (e.all->str, in_cert ? AUTH ("=") : AUTH ("cm9tZW9AZm9yemE=")));
      g_assert_cmpstr (stream_get_peer_addr (e.stream), ==, JULIET);
    }
}

static void
test_authzid_taken (void)
{
  static const char *const good[] = { AUTH ("="), AUTH (""), AUTH ("cm9tZW9AZm9yemE=") };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    FOR_BITES (b)
      {
        g_auto (End) e = { 0 };

        go_to (&e, STREAM_RESPONDER, AT_SECOND);
        feed (&e, good[i], strlen (good[i]), bites[b]);
        g_assert_cmpstr (e.judged_from, ==, ROMEO);
        g_assert_cmpstr (e.all->str, ==, SUCCESS);
      }
}

static void
expect_sasl (Stage stage, const char *input, const char *condition)
{
  g_autofree char *said = g_strdup_printf ("<failure xmlns='" NS_SASL "'><%s/></failure></stream:stream>", condition);

  expect_end (STREAM_RESPONDER, stage, input, condition, said);
}

static void
test_auth_refusals (void)
{
  expect_sasl (AT_SECOND, AUTH ("bWFsbG9yeUBmb3J6YQ=="), "invalid-authzid"); /* mallory@forza */
  expect_sasl (AT_SECOND, AUTH ("Um9tZW9AZm9yemE="), "invalid-authzid");     /* Romeo@forza */
  expect_sasl (AT_SECOND, AUTH ("cm9tZW9AZm9yemE"), "incorrect-encoding");
  expect_sasl (AT_SECOND, AUTH ("cm9t ZW9AZm9yemE="), "incorrect-encoding");
  expect_sasl (AT_SECOND, AUTH ("!!!!"), "incorrect-encoding");
  expect_sasl (AT_SECOND, AUTH ("===="), "incorrect-encoding");
  expect_sasl (AT_SECOND, AUTH ("cm9tZW9AZm9yemEA"), "invalid-authzid"); /* a NUL behind the name */
  expect_sasl (AT_SECOND, AUTH ("/w=="), "invalid-authzid");             /* no UTF-8 */
  expect_sasl (AT_SECOND, AUTH ("AA=="), "invalid-authzid");             /* one NUL is not empty */
  expect_sasl (AT_SECOND, "<auth xmlns='" NS_SASL "' mechanism='PLAIN'>AGEAYg==</auth>", "invalid-mechanism");
  expect_sasl (AT_SECOND, "<auth xmlns='" NS_SASL "' mechanism='external'>=</auth>", "invalid-mechanism");
  expect_sasl (AT_SECOND, "<auth xmlns='" NS_SASL "'>=</auth>", "invalid-mechanism");
  expect_sasl (AT_SECOND, "<abort xmlns='" NS_SASL "'/>", "aborted");
  expect_sasl (AT_SECOND, "<response xmlns='" NS_SASL "'/>", "malformed-request");
  expect_sasl (AT_FIRST, AUTH ("="), "encryption-required");
  expect_end (STREAM_RESPONDER, AT_SECOND, STARTTLS, "tls", "<failure xmlns='" NS_TLS "'/></stream:stream>");
}

static void
test_early_stanza (void)
{
  static const char *const early[] = {
    MESSAGE, "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", "<presence/>", "<x xmlns='urn:x'/>",
    "<enable xmlns='" NS_SM "'/>", "<resume xmlns='" NS_SM "' h='0' previd='1'/>",
  };

  for (guint i = 0; i < G_N_ELEMENTS (early); i++)
    {
      g_autofree char *behind = g_strconcat (AUTH ("="), early[i], NULL);

      expect_error (STREAM_RESPONDER, AT_FIRST, early[i], "not-authorized");
      expect_error (STREAM_RESPONDER, AT_SECOND, early[i], "not-authorized");
      expect_error (STREAM_INITIATOR, AT_FIRST, early[i], "not-authorized");
      expect_error (STREAM_INITIATOR, AT_SECOND, early[i], "not-authorized");
      expect_error (STREAM_INITIATOR, AT_THIRD, early[i], "not-authorized");
      /* In one read with <auth/>: it must not ride on the verdict. */
      {
        g_auto (End) e = { 0 };

        go_to (&e, STREAM_RESPONDER, AT_SECOND);
        feed (&e, behind, strlen (behind), 1 << 20);
        g_assert_cmpstr (e.how.condition, ==, "not-authorized");
        g_assert_cmpuint (e.n_judge + e.n_opened + e.n_stanzas, ==, 0);
      }
    }
}

/* S-15: whatever the responder says, no stanza leaves before <success/> and final features. */
static void
test_initiator_waits (void)
{
  for (guint stage = AT_HEADER; stage <= AT_THIRD; stage++)
    {
      g_auto (End) e = { 0 };
      g_autoptr (Stanza) m = stanza_new ("message", NS_CLIENT);

      go_to (&e, STREAM_INITIATOR, (Stage) stage);
      g_assert_false (stream_is_open (e.stream));
      g_assert_false (stream_send (e.stream, m));
      g_assert_cmpuint (e.all->len, ==, 0);
    }
}

static void
test_initiator_refusals (void)
{
  const StreamRole i = STREAM_INITIATOR;

  expect_end (i, AT_FIRST, OFFER "<failure xmlns='" NS_TLS "'/></stream:stream>", "tls", "</stream:stream>");
  expect_error (i, AT_SECOND, "<stream:features><mechanisms xmlns='" NS_SASL "'><mechanism>PLAIN</mechanism></mechanisms></stream:features>", "unsupported-feature");
  expect_error (i, AT_SECOND, FEATURES, "unsupported-feature");
  expect_end (i, AT_SECOND, MECHANISMS "<failure xmlns='" NS_SASL "'><not-authorized/><text>x</text></failure>", "not-authorized", "</stream:stream>");
  expect_end (i, AT_SECOND, MECHANISMS "<failure xmlns='" NS_SASL "'><sp\xc3\xadlled-by-a-stranger/></failure>", "undefined-condition", "</stream:stream>");
  expect_error (i, AT_SECOND, MECHANISMS "<challenge xmlns='" NS_SASL "'/>", "not-authorized");
  {
    g_auto (End) e = { 0 };

    /* A responder that runs ahead of our header was never asked. */
    go_to (&e, i, AT_SECOND);
    feed (&e, MECHANISMS SUCCESS R_HEADER, strlen (MECHANISMS SUCCESS R_HEADER), 1 << 20);
    g_assert_cmpstr (e.how.condition, ==, "bad-format");
  }
}

static void
test_restricted_xml (void)
{
  for (guint role = 0; role < 2; role++)
    {
      expect_error ((StreamRole) role, AT_HEADER, "<!DOCTYPE x [<!ENTITY a 'b'>]>", "restricted-xml");
      expect_error ((StreamRole) role, AT_HEADER, "<!-- -->", "restricted-xml");
      expect_error ((StreamRole) role, AT_FIRST, "<?x y?>", "restricted-xml");
      expect_error ((StreamRole) role, AT_SECOND, "<a>&b;</a>", "restricted-xml");
      expect_error ((StreamRole) role, AT_HEADER, "GET / HTTP/1.1\r\n\r\n", "not-well-formed");
      expect_error ((StreamRole) role, AT_FIRST, "<a>\xff</a>", "not-well-formed");
      expect_error ((StreamRole) role, AT_HEADER, "<?xml version='1.0' encoding='UTF-16'?>", "unsupported-encoding");
      expect_error ((StreamRole) role, AT_FIRST, "text", "bad-format");
    }
}

static void
test_oversize (void)
{
  g_autofree char *text = g_strnfill (66000, 'a');
  g_autofree char *big = g_strdup_printf ("<message><body>%s</body></message>", text);
  g_autofree char *flat = g_strdup_printf ("<message><body>%.9000s</body></message>", text);
  const char *said = "<stream:error><policy-violation xmlns='" NS_STREAM_ERRORS "'/><stanza-too-big xmlns='" NS_APP_ERRORS "'/></stream:error></stream:stream>";
  g_autoptr (GString) deep = g_string_new (NULL);
  g_auto (End) e = { 0 };
  g_autoptr (Stanza) m = stanza_new ("message", NS_CLIENT);

  big[10001] = '\0';
  expect_end (STREAM_RESPONDER, AT_FIRST, big, "policy-violation", said);
  expect_end (STREAM_RESPONDER, AT_SECOND, big, "policy-violation", said);
  big[10001] = 'a';
  expect_end (STREAM_RESPONDER, AT_THIRD, big, "policy-violation", said);
  for (guint i = 0; i < 32; i++)
    g_string_append (deep, "<a>");
  expect_error (STREAM_RESPONDER, AT_THIRD, deep->str, "policy-violation");
  /* After SASL more than 10 000 is fine, and ours never goes beyond what the other takes. */
  go_to (&e, STREAM_RESPONDER, AT_THIRD);
  feed (&e, flat, strlen (flat), 1460);
  feed (&e, flat, strlen (flat), 1460);
  g_assert_cmpuint (e.n_stanzas, ==, 2);
  stanza_add_new (m, "body", NS_CLIENT, text);
  g_string_truncate (e.all, 0);
  g_assert_false (stream_send (e.stream, m));
  g_assert_cmpuint (e.all->len, ==, 0);
  g_assert_cmpuint (e.n_ended, ==, 0);
}

/* S-23: ten seconds a step, thirty in all, however lively the bytes drip. */
static void
test_silent_peer (void)
{
  for (guint role = 0; role < 2; role++)
    for (guint stage = AT_HEADER; stage < AT_THIRD; stage++)
      {
        g_auto (End) e = { 0 };
        guint ticks = 0;

        go_to (&e, (StreamRole) role, (Stage) stage);
        while (e.n_ended == 0)
          {
            g_assert_cmpuint (e.deadline, ==, 1000);
            if (stage != AT_TLS)
              feed (&e, "<", ticks == 0 && stage != AT_HEADER, 1);
            stream_deadline (e.stream);
            ticks++;
          }
        g_assert_cmpuint (ticks, ==, 10);
        g_assert_cmpstr (e.how.condition, ==, "connection-timeout");
        g_assert_false (e.how.reached_open);
        if (stage == AT_TLS)
          g_assert_cmpuint (e.all->len, ==, 0);
        else
          g_assert_nonnull (strstr (e.all->str, ERROR ("connection-timeout")));
      }
}

static void
test_dripping_peer (void)
{
  static const char *const script[] = { I_HEADER, STARTTLS, NULL, I_HEADER, AUTH ("="), I_HEADER };
  g_auto (End) e = { 0 };
  guint ticks = 0;

  end_init (&e, STREAM_RESPONDER);
  e.judge_at_once = TRUE;
  stream_start (e.stream);
  for (guint i = 0; i < G_N_ELEMENTS (script) && e.n_ended == 0; i++)
    {
      for (guint t = 0; t < 9 && e.n_ended == 0; t++, ticks++)
        stream_deadline (e.stream);
      if (e.n_ended == 0 && script[i] != NULL)
        feed (&e, script[i], strlen (script[i]), 1);
      else if (e.n_ended == 0)
        stream_tls_done (e.stream);
    }
  g_assert_cmpuint (ticks, ==, 30);
  g_assert_cmpstr (e.how.condition, ==, "connection-timeout");
}

/* --- open ------------------------------------------------------------------------ */

static void
test_foreign_from (void)
{
  const StreamRole r = STREAM_RESPONDER;

  expect_error (r, AT_THIRD, "<message from='mallory@forza'><body>x</body></message>", "invalid-from");
  expect_error (r, AT_THIRD, "<message from='" JULIET "'/>", "invalid-from");
  expect_error (r, AT_THIRD, "<iq type='get' id='1' from='forza'/>", "improper-addressing");
  expect_error (r, AT_THIRD, "<message from=''/>", "improper-addressing");
  FOR_BITES (b)
    {
      g_auto (End) e = { 0 };
      const char *good = "<message/>  <message from='" ROMEO "'/>\n<iq from='ROMEO@Forza'/><presence/><message to='else@where'/>";

      go_to (&e, r, AT_THIRD);
      feed (&e, good, strlen (good), bites[b]);
      g_assert_cmpuint (e.n_stanzas, ==, 5);
      g_assert_cmpuint (e.n_ended, ==, 0);
    }
}

static void
test_unknown_element (void)
{
  expect_error (STREAM_RESPONDER, AT_THIRD, "<x xmlns='urn:x'/>", "unsupported-stanza-type");
  expect_error (STREAM_RESPONDER, AT_THIRD, "<message xmlns='jabber:server'/>", "unsupported-stanza-type");
  expect_error (STREAM_RESPONDER, AT_THIRD, AUTH ("="), "unsupported-stanza-type");
  FOR_BITES (b)
    {
      g_auto (End) e = { 0 };

      go_to (&e, STREAM_RESPONDER, AT_THIRD);
      feed (&e, FEATURES MESSAGE, strlen (FEATURES MESSAGE), bites[b]);
      g_assert_cmpuint (e.n_stanzas, ==, 1);
    }
}

static void
test_no_presence (void)
{
  g_auto (End) e = { 0 };
  g_autoptr (Stanza) p = stanza_new ("presence", NS_CLIENT);
  g_autoptr (Stanza) x = stanza_new ("x", "urn:x");

  go_to (&e, STREAM_RESPONDER, AT_THIRD);
  g_string_truncate (e.all, 0);
  g_assert_false (stream_send (e.stream, p));
  g_assert_false (stream_send (e.stream, x));
  g_assert_cmpuint (e.all->len, ==, 0);
}

static void
test_close_delivers (void)
{
  FOR_BITES (b)
    {
      g_auto (Play) p = { 0 };

      play_init (&p, bites[b], STREAM_ADMIT);
      play_start (&p);
      send_body (&p.r, "one");
      stream_close (p.i.stream);
      g_assert_false (stream_is_open (p.i.stream));
      send_body (&p.r, "two");
      carry (&p.r, &p.i, bites[b]);
      g_assert_cmpuint (p.i.n_stanzas, ==, 2);
      g_assert_cmpuint (p.i.n_ended, ==, 0);
      play_on (&p);
      g_assert_true (p.i.how.clean && p.r.how.clean);
    }
  {
    g_auto (Play) p = { 0 };

    play_init (&p, 100, STREAM_ADMIT);
    play_start (&p);
    stream_close (p.i.stream);
    stream_close (p.i.stream);
    g_assert_cmpuint (p.i.deadline, ==, 5000);
    stream_deadline (p.i.stream);
    g_assert_cmpstr (p.i.how.condition, ==, "connection-timeout");
    g_assert_false (p.i.how.clean);
    g_assert_cmpuint (count (p.i.all, "</stream:stream>"), ==, 1);
  }
  {
    g_auto (Play) p = { 0 };

    /* Behind our closing tag nothing may be written, not even a complaint. */
    play_init (&p, 100, STREAM_ADMIT);
    play_start (&p);
    stream_close (p.i.stream);
    feed (&p.i, "<!-- -->", 8, 1);
    g_assert_cmpstr (p.i.how.condition, ==, "restricted-xml");
    g_assert_true (g_str_has_suffix (p.i.all->str, "</stream:stream>"));
    g_assert_cmpuint (count (p.i.all, "<stream:error>"), ==, 0);
  }
}

static void
test_peer_error (void)
{
  static const struct { const char *input, *condition; } rows[] = {
    { ERROR ("conflict"), "conflict" },
    { "<stream:error><text xmlns='" NS_STREAM_ERRORS "'>\x1b</text></stream:error>", "not-well-formed" },
    { "<stream:error><conflict xmlns='urn:x'/></stream:error>", "undefined-condition" },
    { "<stream:error><eat-this xmlns='" NS_STREAM_ERRORS "'/></stream:error>", "undefined-condition" },
    { "<stream:error/>", "undefined-condition" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    FOR_BITES (b)
      for (guint stage = AT_FIRST; stage <= AT_THIRD; stage++)
        {
          g_auto (End) e = { 0 };

          if (stage == AT_TLS || stage == AT_HEADER_2 || stage == AT_HEADER_3)
            continue;
          go_to (&e, STREAM_RESPONDER, (Stage) stage);
          feed (&e, rows[i].input, strlen (rows[i].input), bites[b]);
          g_assert_cmpstr (e.how.condition, ==, rows[i].condition);
          g_assert_true (e.how.by_peer == (i != 1));
          g_assert_true (g_str_has_suffix (e.all->str, "</stream:stream>"));
        }
}

static void
test_our_error (void)
{
  g_auto (Play) p = { 0 };
  g_auto (End) e = { 0 };

  play_init (&p, 1, STREAM_ADMIT);
  play_start (&p);
  stream_fail (p.r.stream, "undefined-condition", "handled-count-too-high");
  g_assert_true (g_str_has_suffix (p.r.all->str, "<stream:error><undefined-condition xmlns='" NS_STREAM_ERRORS
                                                 "'/><handled-count-too-high xmlns='" NS_APP_ERRORS "'/></stream:error></stream:stream>"));
  play_on (&p);
  g_assert_cmpstr (p.i.how.condition, ==, "undefined-condition");
  g_assert_true (p.i.how.by_peer && p.i.how.reached_open);
  /* The handshake failed: the transport closes, and no XML is written into it. */
  go_to (&e, STREAM_RESPONDER, AT_TLS);
  stream_fail (e.stream, "tls", NULL);
  g_assert_cmpstr (e.how.condition, ==, "tls");
  g_assert_cmpuint (e.all->len, ==, 0);
}

static void
test_eof (void)
{
  for (guint role = 0; role < 2; role++)
    for (guint stage = AT_HEADER; stage <= AT_THIRD; stage++)
      {
        g_auto (End) e = { 0 };
        g_auto (End) f = { 0 };

        go_to (&e, (StreamRole) role, (Stage) stage);
        stream_eof (e.stream);
        g_assert_cmpstr (e.how.condition, ==, "eof");
        g_assert_true (e.how.by_peer && !e.how.clean);
        g_assert_cmpuint (e.all->len, ==, 0);
        go_to (&f, (StreamRole) role, (Stage) stage);
        stream_close (f.stream);
        if (f.n_ended == 0)
          stream_eof (f.stream);
        g_assert_false (f.how.clean);
      }
}

/* --- re-entrancy ------------------------------------------------------------------ */

static void
test_free_inside (void)
{
  for (guint at = FREE_SEND; at <= FREE_DEADLINE; at++)
    for (guint who = 0; who < 2; who++)
      FOR_BITES (b)
        {
          g_auto (Play) p = { 0 };
          End *victim;

          play_init (&p, bites[b], STREAM_ADMIT);
          victim = who == 0 ? &p.i : &p.r;
          victim->free_at = (FreeAt) at;
          stream_start (p.r.stream);
          stream_start (p.i.stream);
          play_on (&p);
          if (p.i.stream != NULL && stream_is_open (p.i.stream))
            send_body (&p.i, "x");
          if (p.r.stream != NULL && stream_is_open (p.r.stream))
            send_body (&p.r, "y");
          play_on (&p);
          if (p.i.stream != NULL)
            stream_close (p.i.stream);
          play_on (&p);
          if (at == FREE_JUDGE && who == 0)
            continue; /* an initiator judges elsewhere */
          if (at == FREE_ACCEPT && who == 1)
            continue; /* a responder judges by it */
          g_assert_null (victim->stream);
        }
}

static void
add_hostile (void)
{
  g_test_add_func ("/stream/S-03-no-tls-offered", test_no_tls_offered);
  g_test_add_func ("/stream/S-04-bytes-behind-starttls", test_injection);
  g_test_add_func ("/stream/S-09-forgotten-after-tls-and-sasl", test_forgotten);
  g_test_add_func ("/stream/T-06-whom-we-called-under-another-name", test_accept_addr);
  g_test_add_func ("/stream/S-11-authzid-sent", test_authzid_sent);
  g_test_add_func ("/stream/S-12-authzid-taken", test_authzid_taken);
  g_test_add_func ("/stream/S-13-auth-refusals", test_auth_refusals);
  g_test_add_func ("/stream/S-14-refused", test_refused);
  g_test_add_func ("/stream/S-15-initiator-waits", test_initiator_waits);
  g_test_add_func ("/stream/S-15-late-verdict", test_late_verdict);
  g_test_add_func ("/stream/S-17-early-stanza", test_early_stanza);
  g_test_add_func ("/stream/S-18-foreign-from", test_foreign_from);
  g_test_add_func ("/stream/S-19-S-20-bad-xml", test_restricted_xml);
  g_test_add_func ("/stream/S-21-header-refusals", test_header_refusals);
  g_test_add_func ("/stream/S-21-legacy-caller-sees-no-header", test_legacy_caller);
  g_test_add_func ("/stream/S-22-oversize", test_oversize);
  g_test_add_func ("/stream/S-23-silent-peer", test_silent_peer);
  g_test_add_func ("/stream/S-23-dripping-peer", test_dripping_peer);
  g_test_add_func ("/stream/S-29-unknown-children-and-features", test_unknown_children);
  g_test_add_func ("/stream/unknown-element-when-open", test_unknown_element);
  g_test_add_func ("/stream/initiator-refusals", test_initiator_refusals);
  g_test_add_func ("/stream/peer-error", test_peer_error);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stream/conversation", test_conversation);
  g_test_add_func ("/stream/direct-tls", test_direct_tls);
  g_test_add_func ("/stream/direct-tls-auth", test_direct_tls_auth);
  g_test_add_func ("/stream/direct-tls-no-external", test_direct_tls_no_external);
  g_test_add_func ("/stream/direct-tls-too-late", test_direct_tls_too_late);
  g_test_add_func ("/stream/S-01-headers", test_headers);
  g_test_add_func ("/stream/S-02-S-10-S-16-features", test_features);
  g_test_add_func ("/stream/T-08-restricted-is-announced", test_restricted);
  g_test_add_func ("/stream/good-headers", test_good_headers);
  g_test_add_func ("/stream/S-25-close-delivers", test_close_delivers);
  g_test_add_func ("/stream/S-32-no-presence", test_no_presence);
  g_test_add_func ("/stream/our-error", test_our_error);
  g_test_add_func ("/stream/eof-and-close-anywhere", test_eof);
  g_test_add_func ("/stream/free-inside-callback", test_free_inside);
  add_hostile ();
  return g_test_run ();
}
