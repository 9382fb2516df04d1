/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The stream machine and peers that speak no TLS (docs/protocol.md 2.7, 3.9, 8.2), true ones and those that pretend to be one. The
 * verdict is the test's; what must hold is what happens before it, and without it.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/stream.h"

#define US "juliet@pronto"
#define PEER "romeo@forza"

typedef enum { LATER, REFUSE, ADMIT } Answer;
typedef enum { FREE_NEVER, FREE_JUDGE, FREE_OPENED, FREE_STANZA, FREE_SEND, FREE_ENDED } FreeAt;

typedef struct {
  Stream *stream;
  GString *said, *got;
  guint n_tls, n_asked, n_opened, n_stanzas, n_ended, deadline;
  char *from;
  StreamEnd how;
  Answer answer;
  FreeAt free_at;
  gboolean admitted, close_in_opened;
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
  g_string_append_len (e->said, bytes, (gssize) len);
  /* The one thing that counts: no stanza leaves before somebody said it may. */
  g_assert_true (e->admitted || strstr (e->said->str, "<message") == NULL);
  maybe_free (e, FREE_SEND);
}

static void
on_start_tls (gpointer user)
{
  ((End *) user)->n_tls++;
}

static void
on_judge (gpointer user, const char *from)
{
  g_assert_not_reached ();
}

static void
on_opened (gpointer user)
{
  End *e = user;

  g_assert_true (e->admitted);
  g_assert_true (stream_is_open (e->stream) && stream_is_clear (e->stream));
  g_assert_cmpuint (e->deadline, ==, 0);
  e->n_opened++;
  if (e->close_in_opened)
    stream_close (e->stream);
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
  e->how = *how;
  maybe_free (e, FREE_ENDED);
}

static void
on_deadline (gpointer user, guint ms)
{
  ((End *) user)->deadline = ms;
}

static gboolean
is_ours (gpointer user, const char *addr)
{
  return g_str_equal (addr, US);
}

static void
on_judge_clear (gpointer user, const char *from)
{
  End *e = user;

  e->n_asked++;
  g_assert_cmpuint (e->n_asked, ==, 1);
  g_assert_cmpuint (e->n_tls, ==, 0);
  g_assert_true (from == NULL || *from != '\0');
  g_free (e->from);
  e->from = g_strdup (from);
  maybe_free (e, FREE_JUDGE);
  if (e->answer == LATER || e->stream == NULL)
    return;
  e->admitted = e->answer == ADMIT;
  stream_judged_clear (e->stream, e->admitted);
}

static void
end_clear (End *e)
{
  g_clear_pointer (&e->stream, stream_free);
  if (e->said == NULL)
    return;
  g_string_free (e->said, TRUE);
  g_string_free (e->got, TRUE);
  g_free (e->from);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (End, end_clear)

static void
end_init_with (End *e, StreamRole role, Answer answer, const char *remote, gboolean withheld, gboolean deaf)
{
  StreamCallbacks callbacks = { on_send, on_start_tls, on_judge, on_opened, on_stanza, on_ended, on_deadline, is_ours,
                                deaf ? NULL : on_judge_clear };
  g_autoptr (Stanza) disco = stanza_new ("query", NS_DISCO_INFO);
  StreamConfig config = { .role = role, .local_addr = US, .remote_addr = remote, .withhold_addr = withheld, .disco_info = disco };

  e->answer = answer;
  e->said = g_string_new (NULL);
  e->got = g_string_new (NULL);
  e->stream = stream_new (&config, &callbacks, e);
  stream_start (e->stream);
}

static void
end_init (End *e, StreamRole role, Answer answer)
{
  end_init_with (e, role, answer, role == STREAM_INITIATOR ? PEER : NULL, FALSE, FALSE);
}

static void
feed (End *e, const char *text, gsize bite)
{
  gsize len = strlen (text);

  for (gsize i = 0; i < len && e->stream != NULL; i += bite)
    {
      gsize n = MIN (bite, len - i);
      g_autofree char *copy = g_memdup2 (text + i, n);

      stream_feed (e->stream, copy, n);
    }
}

static void
admit (End *e)
{
  e->admitted = TRUE;
  stream_judged_clear (e->stream, TRUE);
}

static gboolean
say (End *e, const char *body)
{
  g_autoptr (Stanza) m = stanza_new ("message", NS_CLIENT);

  stanza_add_new (m, "body", NS_CLIENT, body);
  return stream_send (e->stream, m);
}

static const gsize bites[] = { 1, 7, 1 << 20 };
#define FOR_BITES(var) for (guint var = 0; var < G_N_ELEMENTS (bites); var++)

#define ROOT(attrs) "<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "'" attrs ">"
/* What libpurple 2.14 writes, to the letter. */
#define PURPLE "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<stream:stream xmlns=\"jabber:client\" " \
               "xmlns:stream=\"http://etherx.jabber.org/streams\" from=\"" PEER "\" to=\"" US "\">"
/* iChat orders them otherwise. */
#define ICHAT "<?xml version=\"1.0\" encoding=\"UTF-8\" ?><stream:stream to=\"" US "\" from=\"" PEER "\" " \
              "xmlns:stream=\"http://etherx.jabber.org/streams\" xmlns=\"jabber:client\">"
#define SALUT_ANSWER "<?xml version='1.0' encoding='UTF-8'?>\n" ROOT (" to=\"" US "\" from=\"\" version=\"1.0\"")
#define SALUT_CALL "<?xml version='1.0' encoding='UTF-8'?>\n" ROOT (" to=\"" US "\" from=\"" PEER "\" version=\"1.0\"")
#define HEADER_10 ROOT (" from='" PEER "' to='" US "' id='1' version='1.0'")
#define EMPTY "<stream:features/>"
#define OFFER "<stream:features><starttls xmlns='" NS_TLS "'><required/></starttls></stream:features>"
#define STARTTLS "<starttls xmlns='" NS_TLS "'/>"
#define PROCEED "<proceed xmlns='" NS_TLS "'/>"
#define AUTH "<auth xmlns='" NS_SASL "' mechanism='EXTERNAL'>=</auth>"
#define HELLO "<message to='" US "' from='" PEER "' type='chat'><body>hello</body></message>"
#define MORE "<message type='chat'><body>more</body></message>"
#define GOT_BOTH "<message to='" US "' from='" PEER "' type='chat'><body>hello</body></message>" \
                 "<message type='chat'><body>more</body></message>"

/* --- both roles, every kind of peer: what is asked, and what each answer leads to ------------- */

static const struct {
  const char *name;
  StreamRole role;
  const char *first;    /* up to the question */
  const char *from;     /* what it claims */
  const char *answered; /* what we say when it is admitted, before anything else; NULL: nothing */
  const char *refused;  /* what we end with when it is refused; NULL: not a byte */
  const char *condition;
} peers[] = {
  { "libpurple calls", STREAM_RESPONDER, PURPLE, PEER,
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' from='" US "' to='" PEER "'>", NULL,
    "peer-insecure" },
  { "iChat calls", STREAM_RESPONDER, ICHAT, PEER,
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' from='" US "' to='" PEER "'>", NULL,
    "peer-insecure" },
  { "a caller that names only itself", STREAM_RESPONDER, ROOT (" from='" PEER "'"), PEER,
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' from='" US "' to='" PEER "'>", NULL,
    "peer-insecure" },
  { "libpurple answers", STREAM_INITIATOR, PURPLE, PEER, NULL, "</stream:stream>", "peer-insecure" },
  { "iChat answers", STREAM_INITIATOR, ICHAT, PEER, NULL, "</stream:stream>", "peer-insecure" },
  { "who answers without a name", STREAM_INITIATOR, ROOT (""), NULL, NULL, "</stream:stream>", "peer-insecure" },
  { "Salut answers", STREAM_INITIATOR, SALUT_ANSWER, NULL, NULL, "</stream:stream>", "peer-insecure" },
  { "empty features", STREAM_INITIATOR, HEADER_10 EMPTY, PEER, NULL, "</stream:stream>", "peer-insecure" },
  { "features of another kind", STREAM_INITIATOR, HEADER_10 "<stream:features><starttls xmlns='urn:x'/></stream:features>", PEER,
    NULL, "</stream:stream>", "peer-insecure" },
};

static void
test_refused (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (peers); i++)
    FOR_BITES (b)
      for (guint deaf = 0; deaf < 3; deaf++) /* the last time later */
        {
          g_auto (End) e = { 0 };
          gsize before;

          end_init_with (&e, peers[i].role, deaf == 2 ? LATER : REFUSE, peers[i].role == STREAM_INITIATOR ? PEER : NULL, FALSE,
                         deaf == 0);
          before = e.said->len;
          feed (&e, peers[i].first, bites[b]);
          if (deaf == 2)
            {
              g_assert_cmpuint (e.n_ended, ==, 0);
              g_assert_cmpuint (e.said->len, ==, before); /* not a byte while it is open */
              feed (&e, HELLO, bites[b]);
              stream_judged_clear (e.stream, FALSE);
            }
          g_assert_cmpuint (e.n_asked, ==, deaf == 0 ? 0 : 1);
          g_assert_cmpuint (e.n_ended, ==, 1);
          g_assert_cmpstr (e.how.condition, ==, peers[i].condition);
          g_assert_false (e.how.reached_open);
          g_assert_cmpstr (e.said->str + before, ==, peers[i].refused != NULL ? peers[i].refused : "");
          /* Ended is ended, whoever changes his mind. */
          stream_judged_clear (e.stream, TRUE);
          feed (&e, HELLO, bites[b]);
          g_assert_false (say (&e, "no"));
          g_assert_cmpuint (e.n_opened + e.n_stanzas, ==, 0);
        }
}

static void
test_admitted (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (peers); i++)
    FOR_BITES (b)
      for (Answer answer = LATER; answer <= ADMIT; answer += ADMIT - LATER)
        {
          g_auto (End) e = { 0 };
          gsize before;

          end_init (&e, peers[i].role, answer);
          before = e.said->len;
          feed (&e, peers[i].first, bites[b]);
          if (answer == LATER)
            {
              g_assert_cmpuint (e.n_opened + e.n_ended, ==, 0);
              g_assert_false (say (&e, "too early"));
              g_assert_cmpuint (e.said->len, ==, before);
              g_assert_cmpuint (e.deadline, !=, 0);
              admit (&e);
            }
          g_assert_cmpuint (e.n_asked, ==, 1);
          g_assert_cmpstr (e.from, ==, peers[i].from);
          g_assert_cmpuint (e.n_opened, ==, 1);
          g_assert_cmpstr (e.said->str + before, ==, peers[i].answered != NULL ? peers[i].answered : "");
          g_assert_true (stream_is_open (e.stream) && stream_is_clear (e.stream));
          g_assert_false (stream_is_restricted (e.stream));
          g_assert_null (stream_get_peer_disco (e.stream));
          g_assert_null (stream_get_sm (e.stream));
          g_assert_false (stream_probe (e.stream));
          g_assert_cmpstr (stream_get_peer_addr (e.stream), ==, PEER);
          /* Both ways, and the features that Salut sends late. */
          feed (&e, EMPTY HELLO " \n" EMPTY MORE, bites[b]);
          g_assert_cmpstr (e.got->str, ==, GOT_BOTH);
          g_string_truncate (e.said, 0);
          g_assert_true (say (&e, "good <night>"));
          g_assert_cmpstr (e.said->str, ==, "<message from='" US "' to='" PEER "'><body>good &lt;night&gt;</body></message>");
          g_string_truncate (e.said, 0);
          stream_flush (e.stream);
          g_assert_cmpuint (e.said->len, ==, 0);
          g_assert_cmpuint (e.n_tls, ==, 0);
          feed (&e, "</stream:stream>", bites[b]);
          g_assert_cmpstr (e.said->str, ==, "</stream:stream>");
          g_assert_cmpstr (e.how.condition, ==, "closed");
          g_assert_true (e.how.clean && e.how.by_peer && e.how.reached_open);
        }
}

/* --- Salut calls ------------------------------------------------------------------------- */

static void
test_salut_calls (void)
{
  FOR_BITES (b)
    for (Answer answer = LATER; answer <= ADMIT; answer++)
      {
        g_auto (End) e = { 0 };

        end_init (&e, STREAM_RESPONDER, answer);
        feed (&e, SALUT_CALL EMPTY, bites[b]);
        /* It may still want TLS: nobody is asked before it says something in clear. */
        g_assert_cmpuint (e.n_asked + e.n_ended, ==, 0);
        g_assert_nonnull (strstr (e.said->str, "<required/>"));
        g_string_truncate (e.said, 0);
        feed (&e, HELLO, bites[b]);
        g_assert_cmpuint (e.n_asked, ==, 1);
        g_assert_cmpstr (e.from, ==, PEER);
        if (answer == REFUSE)
          {
            g_assert_cmpstr (e.how.condition, ==, "not-authorized");
            g_assert_cmpuint (e.n_stanzas + e.n_opened, ==, 0);
            continue;
          }
        if (answer == LATER)
          {
            g_assert_cmpuint (e.n_stanzas + e.n_opened, ==, 0);
            feed (&e, MORE, bites[b]);
            admit (&e);
          }
        else
          feed (&e, MORE, bites[b]);
        g_assert_cmpstr (e.got->str, ==, GOT_BOTH);
        g_assert_cmpuint (e.said->len, ==, 0); /* it has our header */
        g_assert_true (say (&e, "good night"));
      }
}

/* S-17: features alone bring nobody into clear text, nor does a stanza alone, nor both where TLS was offered or wanted. */
static void
test_no_salut (void)
{
  static const struct { const char *input, *condition; guint n_tls; } plays[] = {
    { SALUT_CALL HELLO, "not-authorized", 0 },
    { SALUT_CALL OFFER HELLO, "not-authorized", 0 },
    { SALUT_CALL EMPTY OFFER HELLO, "not-authorized", 0 },
    { SALUT_CALL EMPTY AUTH, "encryption-required", 0 },
    { SALUT_CALL EMPTY "<a xmlns='urn:x'/>", "not-authorized", 0 },
    { SALUT_CALL EMPTY STARTTLS HELLO, "injection", 1 },
    { ROOT (" version='1.0'") EMPTY HELLO, "not-authorized", 0 },
    { ROOT (" from='' version='1.0'") EMPTY HELLO, "not-authorized", 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (plays); i++)
    FOR_BITES (b)
      {
        g_auto (End) e = { 0 };

        end_init (&e, STREAM_RESPONDER, ADMIT);
        feed (&e, plays[i].input, bites[b]);
        g_assert_cmpuint (e.n_asked + e.n_opened + e.n_stanzas, ==, 0);
        g_assert_cmpstr (e.how.condition, ==, plays[i].condition);
        g_assert_cmpuint (e.n_tls, <=, plays[i].n_tls);
      }
  {
    g_auto (End) e = { 0 };

    end_init (&e, STREAM_RESPONDER, ADMIT);
    feed (&e, SALUT_CALL EMPTY STARTTLS, 1);
    g_assert_cmpuint (e.n_tls, ==, 1);
    g_assert_cmpuint (e.n_asked, ==, 0);
  }
}

/* --- what is not even asked ---------------------------------------------------------------- */

static void
test_not_asked (void)
{
  static const struct { StreamRole role; const char *input, *said; } plays[] = {
    /* Nobody to be: a caller without a name, or with one that is none. */
    { STREAM_RESPONDER, ROOT (" to='" US "'"), NULL },
    { STREAM_RESPONDER, ROOT (" from='' to='" US "'"), NULL },
    { STREAM_RESPONDER, ROOT (" from='a@b/c' to='" US "'"), NULL },
    { STREAM_RESPONDER, ROOT (" from='?'"), NULL },
    /* Not for us. */
    { STREAM_RESPONDER, ROOT (" from='" PEER "' to='tybalt@pronto'"), NULL },
    /* Not XMPP. */
    { STREAM_RESPONDER, "<stream:stream xmlns='jabber:server' xmlns:stream='" NS_STREAM "' from='" PEER "'>", NULL },
    { STREAM_RESPONDER, "<stream:stream xmlns='jabber:client' xmlns:stream='urn:x' from='" PEER "'>", NULL },
    /* Somebody else answers. */
    { STREAM_INITIATOR, ROOT (" from='mallory@forza'"), "</stream:stream>" },
    { STREAM_INITIATOR, ROOT (" from='no address'"), "</stream:stream>" },
    { STREAM_INITIATOR, ROOT (" from='mallory@forza' version='1.0'"), "</stream:stream>" },
    { STREAM_INITIATOR, ROOT (" from='mallory@forza' id='1' version='1.0'") EMPTY, "</stream:stream>" },
    { STREAM_INITIATOR, "<stream:stream xmlns='jabber:client' xmlns:stream='urn:x'>", "</stream:stream>" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (plays); i++)
    FOR_BITES (b)
      {
        g_auto (End) e = { 0 };

        end_init (&e, plays[i].role, ADMIT);
        g_string_truncate (e.said, 0);
        feed (&e, plays[i].input, bites[b]);
        feed (&e, HELLO, bites[b]);
        g_assert_cmpuint (e.n_asked + e.n_opened + e.n_stanzas, ==, 0);
        g_assert_cmpstr (e.how.condition, ==, "peer-insecure");
        g_assert_cmpstr (e.said->str, ==, plays[i].said != NULL ? plays[i].said : "");
      }
  /* Only an address was dialled: there is no name that people could have allowed. And who hides its own name says nothing in clear. */
  for (guint i = 0; i < 2; i++)
    {
      g_auto (End) e = { 0 };

      end_init_with (&e, STREAM_INITIATOR, ADMIT, i == 0 ? NULL : PEER, i == 1, FALSE);
      feed (&e, PURPLE, 1);
      g_assert_cmpuint (e.n_asked, ==, 0);
      g_assert_cmpstr (e.how.condition, ==, "peer-insecure");
    }
}

/* --- downgrades ------------------------------------------------------------------------------ */

/* Once TLS was begun there is no way back, whatever the peer leaves out of its headers and features from then on. */
static void
test_never_after_tls (void)
{
  static const struct { StreamRole role; const char *clear, *protected; } plays[] = {
    { STREAM_RESPONDER, HEADER_10 STARTTLS, PURPLE HELLO },
    { STREAM_RESPONDER, HEADER_10 STARTTLS, HEADER_10 EMPTY HELLO },
    { STREAM_RESPONDER, NULL, PURPLE HELLO },
    { STREAM_RESPONDER, NULL, HEADER_10 EMPTY HELLO },
    { STREAM_INITIATOR, HEADER_10 OFFER PROCEED, PURPLE HELLO },
    { STREAM_INITIATOR, HEADER_10 OFFER PROCEED, SALUT_ANSWER EMPTY HELLO },
    { STREAM_INITIATOR, HEADER_10 OFFER PROCEED, HEADER_10 EMPTY HELLO },
    { STREAM_INITIATOR, NULL, PURPLE HELLO },
    { STREAM_INITIATOR, NULL, HEADER_10 EMPTY HELLO },
  };

  for (guint i = 0; i < G_N_ELEMENTS (plays); i++)
    FOR_BITES (b)
      {
        g_auto (End) e = { 0 };

        if (plays[i].clear != NULL)
          {
            end_init (&e, plays[i].role, ADMIT);
            feed (&e, plays[i].clear, bites[b]);
          }
        else
          {
            StreamCallbacks callbacks = { on_send, on_start_tls, on_judge, on_opened, on_stanza, on_ended, on_deadline, is_ours,
                                          on_judge_clear };
            StreamConfig config = { .role = plays[i].role, .local_addr = US, .remote_addr = PEER };

            e.answer = ADMIT;
            e.said = g_string_new (NULL);
            e.got = g_string_new (NULL);
            e.stream = stream_new (&config, &callbacks, &e);
            stream_start_direct (e.stream);
          }
        g_assert_cmpuint (e.n_tls, ==, 1);
        stream_judged_clear (e.stream, TRUE); /* nobody asked */
        stream_tls_done (e.stream);
        feed (&e, plays[i].protected, bites[b]);
        stream_judged_clear (e.stream, TRUE);
        g_assert_cmpuint (e.n_asked + e.n_opened + e.n_stanzas, ==, 0);
        g_assert_cmpuint (e.n_ended, ==, 1);
        g_assert_false (stream_is_clear (e.stream));
      }
}

/* The offer was made: what comes instead of TLS is no peer without TLS. */
static void
test_never_in_negotiation (void)
{
  static const char *const plays[] = {
    HEADER_10 OFFER HELLO, HEADER_10 OFFER EMPTY HELLO, HEADER_10 OFFER "<failure xmlns='" NS_TLS "'/>" HELLO,
    HEADER_10 OFFER PROCEED HELLO, HEADER_10 HELLO, HEADER_10 OFFER PURPLE,
  };

  for (guint i = 0; i < G_N_ELEMENTS (plays); i++)
    FOR_BITES (b)
      {
        g_auto (End) e = { 0 };

        end_init (&e, STREAM_INITIATOR, ADMIT);
        feed (&e, plays[i], bites[b]);
        stream_judged_clear (e.stream, TRUE);
        g_assert_cmpuint (e.n_asked + e.n_opened + e.n_stanzas, ==, 0);
        g_assert_cmpuint (e.n_ended, ==, 1);
      }
}

/* A verdict that nobody asked for opens nothing. */
static void
test_unasked_verdict (void)
{
  static const char *const as_responder[] = { "", HEADER_10, HEADER_10 EMPTY, HEADER_10 STARTTLS };
  static const char *const as_initiator[] = { "", HEADER_10, HEADER_10 OFFER, HEADER_10 OFFER PROCEED };

  for (guint role = 0; role < 2; role++)
    for (guint i = 0; i < G_N_ELEMENTS (as_initiator); i++)
      {
        g_auto (End) e = { 0 };

        end_init (&e, role == 0 ? STREAM_INITIATOR : STREAM_RESPONDER, LATER);
        feed (&e, role == 0 ? as_initiator[i] : as_responder[i], 1 << 20);
        stream_judged_clear (e.stream, TRUE);
        stream_judged_clear (e.stream, FALSE);
        g_assert_cmpuint (e.n_opened + e.n_ended, ==, 0);
        g_assert_false (stream_is_clear (e.stream));
      }
}

/* Who offers TLS while we think about clear text is none of these, and who asks for it later is too late. */
static void
test_tls_after_all (void)
{
  static const struct { StreamRole role; const char *first; } ends[] = { { STREAM_INITIATOR, SALUT_ANSWER },
                                                                         { STREAM_RESPONDER, PURPLE } };
  static const char *const offers[] = { OFFER, STARTTLS, PROCEED, AUTH, "<enable xmlns='" NS_SM "'/>", "<r xmlns='" NS_SM "'/>",
                                        "<success xmlns='" NS_SASL "'/>", "<iq xmlns='jabber:server'/>" };

  for (guint r = 0; r < G_N_ELEMENTS (ends); r++)
    for (guint i = 0; i < G_N_ELEMENTS (offers); i++)
      for (guint late = 0; late < 2; late++)
        {
          g_auto (End) e = { 0 };

          end_init (&e, ends[r].role, late ? ADMIT : LATER);
          feed (&e, ends[r].first, 1);
          g_string_truncate (e.said, 0);
          feed (&e, offers[i], 1);
          g_assert_cmpuint (e.n_ended, ==, 1);
          g_assert_cmpuint (e.n_tls, ==, 0);
          if (late)
            g_assert_cmpstr (e.how.condition, ==, "unsupported-stanza-type");
          else
            {
              g_assert_cmpstr (e.how.condition, ==, "peer-insecure");
              g_assert_cmpstr (e.said->str, ==, ends[r].role == STREAM_RESPONDER ? "" : "</stream:stream>");
              stream_judged_clear (e.stream, TRUE);
              g_assert_cmpuint (e.n_opened, ==, 0);
            }
        }
}

/* --- before the verdict ------------------------------------------------------------------------ */

static void
test_pipelined (void)
{
  FOR_BITES (b)
    for (guint admitted = 0; admitted < 2; admitted++)
      {
        g_auto (End) e = { 0 };

        end_init (&e, STREAM_RESPONDER, LATER);
        feed (&e, PURPLE HELLO EMPTY MORE "</stream:stream>", bites[b]);
        g_assert_cmpuint (e.n_stanzas + e.n_ended + e.said->len, ==, 0);
        if (admitted)
          {
            admit (&e);
            g_assert_cmpstr (e.got->str, ==, GOT_BOTH); /* once, in order, and before the end */
            g_assert_cmpstr (e.how.condition, ==, "closed");
            g_assert_true (e.how.clean && e.how.by_peer);
          }
        else
          {
            stream_judged_clear (e.stream, FALSE);
            g_assert_cmpuint (e.n_stanzas + e.said->len, ==, 0);
            g_assert_cmpstr (e.how.condition, ==, "peer-insecure");
          }
        g_assert_cmpuint (e.n_ended, ==, 1);
      }
}

/* S-22: what waits for the verdict is bounded, and only who was admitted may say more. */
static void
test_bounds (void)
{
  g_autofree char *long_body = g_strnfill (20000, 'x');
  g_autofree char *long_stanza = g_strdup_printf ("<message><body>%s</body></message>", long_body);
  g_autofree char *huge_body = g_strnfill (70000, 'x');
  g_autofree char *huge_stanza = g_strdup_printf ("<message><body>%s</body></message>", huge_body);

  {
    g_auto (End) e = { 0 };

    end_init (&e, STREAM_RESPONDER, LATER);
    feed (&e, PURPLE, 1);
    feed (&e, long_stanza, 1000);
    g_assert_cmpstr (e.how.condition, ==, "policy-violation");
    g_assert_cmpuint (e.said->len, ==, 0);
  }
  {
    g_auto (End) e = { 0 };
    guint n = 0;

    end_init (&e, STREAM_RESPONDER, LATER);
    feed (&e, PURPLE, 1);
    while (e.n_ended == 0 && n++ < 1000)
      feed (&e, "<iq/>", 5);
    g_assert_cmpuint (n, ==, 65);
    g_assert_cmpstr (e.how.condition, ==, "peer-insecure");
    g_assert_cmpuint (e.said->len, ==, 0);
  }
  FOR_BITES (b)
    {
      g_auto (End) e = { 0 };

      end_init (&e, STREAM_RESPONDER, ADMIT);
      feed (&e, PURPLE, bites[b]);
      for (guint i = 0; i < 4; i++) /* and more in all than before SASL */
        feed (&e, long_stanza, bites[b]);
      g_assert_cmpuint (e.n_stanzas, ==, 4);
      feed (&e, huge_stanza, bites[b]);
      g_assert_cmpstr (e.how.condition, ==, "policy-violation");
      g_assert_cmpuint (e.n_stanzas, ==, 4);
    }
}

/* S-23, S-21: nobody decides, the peer goes, or talks nonsense: not a byte of ours leaves a responder. */
static void
test_ends_while_asked (void)
{
  enum { SILENCE, GONE, GARBAGE, ERROR, CLOSE, FAIL, N };
  static const char *const words[] = { "connection-timeout", "eof", "not-well-formed", "conflict", "closed", "reset" };

  for (guint how = 0; how < N; how++)
    for (guint role = 0; role < 2; role++)
      {
        g_auto (End) e = { 0 };
        guint ticks = 0;

        end_init (&e, role == 0 ? STREAM_RESPONDER : STREAM_INITIATOR, LATER);
        feed (&e, PURPLE HELLO, 1);
        g_string_truncate (e.said, 0);
        switch (how)
          {
          case SILENCE:
            while (e.n_ended == 0 && ticks++ < 100)
              {
                feed (&e, " ", 1);
                stream_deadline (e.stream);
              }
            g_assert_cmpuint (ticks, ==, 10);
            break;
          case GONE: stream_eof (e.stream); break;
          case GARBAGE: feed (&e, "<<", 1); break;
          case ERROR: feed (&e, "<stream:error><conflict xmlns='" NS_STREAM_ERRORS "'/></stream:error>", 1); break;
          case CLOSE: stream_close (e.stream); break;
          case FAIL: stream_fail (e.stream, "reset", NULL); break;
          default: g_assert_not_reached ();
          }
        g_assert_cmpuint (e.n_ended, ==, 1);
        g_assert_cmpstr (e.how.condition, ==, words[how]);
        g_assert_cmpuint (e.n_stanzas + e.n_opened, ==, 0);
        if (role == 0)
          g_assert_cmpuint (e.said->len, ==, 0);
        stream_judged_clear (e.stream, TRUE);
        g_assert_cmpuint (e.n_opened, ==, 0);
      }
}

/* Direct TLS is for the first byte only. */
static void
test_no_direct_tls_while_asked (void)
{
  g_auto (End) e = { 0 };

  end_init (&e, STREAM_RESPONDER, LATER);
  feed (&e, PURPLE, 1);
  stream_start_direct (e.stream);
  stream_tls_done (e.stream);
  stream_judged (e.stream, STREAM_ADMIT);
  g_assert_cmpuint (e.n_tls + e.n_opened, ==, 0);
}

/* --- once it is open ------------------------------------------------------------------------------ */

static void
test_from (void)
{
  static const struct { const char *from, *condition; } plays[] = {
    { "from='" PEER "'", NULL },        { "from='Romeo@FORZA'", NULL },  { "from=''", NULL },          { "", NULL },
    { "from='mallory@forza'", "invalid-from" }, { "from='" US "'", "invalid-from" }, { "from='a@b/c'", "improper-addressing" },
  };

  for (guint role = 0; role < 2; role++)
    for (guint i = 0; i < G_N_ELEMENTS (plays); i++)
      {
        g_auto (End) e = { 0 };
        g_autofree char *stanza = g_strdup_printf ("<message %s><body>x</body></message>", plays[i].from);

        end_init (&e, role == 0 ? STREAM_INITIATOR : STREAM_RESPONDER, ADMIT);
        feed (&e, PURPLE, 1);
        feed (&e, stanza, 1);
        g_assert_cmpuint (e.n_stanzas, ==, plays[i].condition == NULL);
        g_assert_cmpuint (e.n_ended, ==, plays[i].condition != NULL);
        if (plays[i].condition != NULL)
          g_assert_cmpstr (e.how.condition, ==, plays[i].condition);
      }
}

/* We close: five seconds for the other side, and what it says meanwhile is heard. */
static void
test_our_close (void)
{
  g_auto (End) e = { 0 };

  end_init (&e, STREAM_RESPONDER, ADMIT);
  feed (&e, PURPLE, 1);
  g_string_truncate (e.said, 0);
  stream_close (e.stream);
  g_assert_cmpstr (e.said->str, ==, "</stream:stream>");
  g_assert_cmpuint (e.deadline, ==, 5000);
  feed (&e, HELLO, 1);
  g_assert_cmpuint (e.n_stanzas, ==, 1);
  stream_deadline (e.stream);
  g_assert_cmpstr (e.how.condition, ==, "connection-timeout");
  {
    g_auto (End) early = { 0 };

    /* Closed by whoever was told that it is open: what waited is heard all the same (S-25). */
    end_init (&early, STREAM_RESPONDER, LATER);
    early.close_in_opened = TRUE;
    feed (&early, PURPLE HELLO MORE "</stream:stream>", 1);
    admit (&early);
    g_assert_cmpstr (early.got->str, ==, GOT_BOTH);
    g_assert_true (early.how.clean && !early.how.by_peer);
  }
}

static void
test_free_inside (void)
{
  for (FreeAt at = FREE_JUDGE; at <= FREE_ENDED; at++)
    for (guint role = 0; role < 2; role++)
      for (Answer answer = LATER; answer <= ADMIT; answer++)
        FOR_BITES (b)
          {
            g_auto (End) e = { 0 };

            end_init (&e, role == 0 ? STREAM_RESPONDER : STREAM_INITIATOR, answer);
            e.free_at = at;
            feed (&e, PURPLE HELLO MORE, bites[b]);
            if (answer == LATER && e.stream != NULL)
              admit (&e);
            if (e.stream != NULL)
              feed (&e, "</stream:stream>", bites[b]);
            if (at == FREE_JUDGE || (answer != REFUSE && (at == FREE_STANZA || at == FREE_OPENED)))
              g_assert_true (e.stream == NULL && e.n_ended == 0);
            g_assert_cmpuint (e.n_ended, <=, 1);
          }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stream-clear/S-03-S-21-refused-as-ever", test_refused);
  g_test_add_func ("/stream-clear/admitted", test_admitted);
  g_test_add_func ("/stream-clear/salut-calls", test_salut_calls);
  g_test_add_func ("/stream-clear/S-17-no-salut", test_no_salut);
  g_test_add_func ("/stream-clear/S-21-T-21-not-asked", test_not_asked);
  g_test_add_func ("/stream-clear/T-21-never-after-tls", test_never_after_tls);
  g_test_add_func ("/stream-clear/T-21-never-in-negotiation", test_never_in_negotiation);
  g_test_add_func ("/stream-clear/T-21-unasked-verdict", test_unasked_verdict);
  g_test_add_func ("/stream-clear/tls-after-all", test_tls_after_all);
  g_test_add_func ("/stream-clear/pipelined-behind-the-header", test_pipelined);
  g_test_add_func ("/stream-clear/S-22-bounds", test_bounds);
  g_test_add_func ("/stream-clear/S-23-S-21-ends-while-asked", test_ends_while_asked);
  g_test_add_func ("/stream-clear/no-direct-tls-while-asked", test_no_direct_tls_while_asked);
  g_test_add_func ("/stream-clear/S-18-foreign-from", test_from);
  g_test_add_func ("/stream-clear/S-25-our-close", test_our_close);
  g_test_add_func ("/stream-clear/free-inside-callback", test_free_inside);
  return g_test_run ();
}
