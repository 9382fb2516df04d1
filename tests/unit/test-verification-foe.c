/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A peer without manners who is asked for a code, and a man in the middle with a TLS session of his own towards each of two people.
 */
#include "earshot-config.h"

#include "tests/unit/verify-helper.h"

/* --- a peer without manners -------------------------------------------------------------------------------------------------- */

typedef struct {
  Host *a, *foe;
  Diary diary;
} Siege;

static void
siege_set_up (Siege *siege, gconstpointer limits)
{
  siege->a = start_host ("alice", TRUE, limits);
  siege->foe = start_host ("mallory", FALSE, NULL);
  siege->diary.ends = g_string_new (NULL);
  verifications_watch (siege->a->verifications, &watch, &siege->diary);
  meet (siege->foe, siege->a);
}

static void
siege_tear_down (Siege *siege, gconstpointer unused)
{
  host_free (siege->a);
  host_free (siege->foe);
  g_string_free (siege->diary.ends, TRUE);
}

static void
say (Host *host, Host *other, const char *type, const char *id, Stanza *payload_take)
{
  g_autoptr (Stanza) iq = stanza_new ("iq", NS_CLIENT);

  stanza_set_attr (iq, "type", type);
  stanza_set_attr (iq, "id", id);
  if (payload_take != NULL)
    stanza_add_child (iq, payload_take);
  g_assert_true (session_send (host_session (host, other), iq));
}

static Stanza *
word (const char *name, const guint8 *bytes)
{
  g_autofree char *text = g_base64_encode (bytes, SAS_BYTES);
  Stanza *stanza = stanza_new (name, NS_LL_SAS);

  stanza_add_text (stanza, text);
  return stanza;
}

/* What `host` (which only listens) heard and has not used: the first iq of that type with that id, or with that payload. Steals it. */
static Stanza *
take_heard (Host *host, const char *type, const char *id, const char *payload)
{
  for (guint i = 0; i < host->heard->len; i++)
    {
      Stanza *stanza = g_ptr_array_index (host->heard, i);

      if (g_strcmp0 (stanza_get_attr (stanza, "type"), type) != 0 || (id != NULL && g_strcmp0 (stanza_get_attr (stanza, "id"), id) != 0)
          || (payload != NULL && stanza_get_child (stanza, payload, NS_LL_SAS) == NULL))
        continue;
      return g_ptr_array_steal_index (host->heard, i);
    }
  return NULL;
}

static Stanza *
await_heard (Host *host, const char *type, const char *id, const char *payload)
{
  Stanza *found = NULL;

  host_wait_for ((found = take_heard (host, type, id, payload)) != NULL);
  return found;
}

/* T-14: the nonce is not the one that was committed to. */
static void
test_wrong_reveal (Siege *siege, gconstpointer unused)
{
  guint8 na[SAS_BYTES] = { 1 }, other[SAS_BYTES] = { 2 }, commitment[SAS_BYTES];
  g_autoptr (Stanza) nonce = NULL;

  sas_commitment (na, host_fp (siege->foe), host_fp (siege->a), commitment);
  say (siege->foe, siege->a, "set", "1", word ("commit", commitment));
  nonce = await_heard (siege->foe, "result", "1", "nonce");
  g_assert_cmpint (verification_get_state (run_at (siege->a)), ==, VERIFICATION_WAITING_PEER);
  say (siege->foe, siege->a, "set", "2", word ("reveal", other));
  host_wait_for (run_at (siege->a) == NULL && host_session (siege->a, siege->foe) == NULL);
  g_assert_cmpstr (siege->diary.ends->str, ==, "mismatch:commitment ");
  g_assert_cmpint (audited (siege->a, "mismatch: commitment", "peer"), ==, 1);
  g_assert_cmpint (level_of (siege->a, siege->foe), ==, TRUST_UNKNOWN);
  g_assert_cmpuint (host_count_requests (siege->a), ==, 1); /* still only the first one */
}

/* It never says a word about what it committed to: the code never appears, and nobody waits five minutes for it. */
static const VerificationLimits short_step = { .runs = 3, .strangers = 100, .window_ms = 600000, .run_ms = 300000, .step_ms = 300 };

static void
test_never_reveals (Siege *siege, gconstpointer unused)
{
  guint8 commitment[SAS_BYTES] = { 1 };
  g_autoptr (Stanza) cancel = NULL;

  say (siege->foe, siege->a, "set", "1", word ("commit", commitment));
  host_wait_for (siege->diary.added == 1 && run_at (siege->a) == NULL);
  g_assert_cmpstr (siege->diary.ends->str, ==, "expired:timeout ");
  cancel = await_heard (siege->foe, "set", NULL, "cancel");
  g_assert_cmpstr (stanza_get_attr (stanza_get_child (cancel, "cancel", NS_LL_SAS), "reason"), ==, "timeout");
}

static void
test_never_answers (Siege *siege, gconstpointer unused)
{
  begin (siege->a, siege->foe);
  host_wait_for (run_at (siege->a) == NULL);
  g_assert_cmpstr (siege->diary.ends->str, ==, "expired:timeout ");
}

/* An answer that comes when nobody waits for it any more. */
static void
test_late_answer (Siege *siege, gconstpointer unused)
{
  guint8 nb[SAS_BYTES] = { 3 };
  g_autoptr (Stanza) commit = NULL;

  begin (siege->a, siege->foe);
  commit = await_heard (siege->foe, "set", NULL, "commit");
  verification_cancel (run_at (siege->a), "test", NULL);
  say (siege->foe, siege->a, "result", stanza_get_attr (commit, "id"), word ("nonce", nb));
  host_stay_quiet (50);
  g_assert_null (run_at (siege->a));
  g_assert_null (take_heard (siege->foe, "set", NULL, "reveal"));
}

typedef struct {
  const char *words;  /* c commit, r reveal (right), n nonce, x cancel, g granted in our namespace, m malformed commit */
  const char *end;
} Trick;

/* "cancel on any deviation" */
static void
test_deviations (Siege *siege, gconstpointer unused)
{
  static const Trick tricks[] = {
    { "cc", "cancelled:protocol " }, { "crr", "cancelled:protocol " }, { "crc", "cancelled:protocol " }, { "cn", "cancelled:protocol " },
    { "cg", "cancelled:protocol " }, { "m", "cancelled:protocol " },   { "cx", "cancelled:peer " },
  };
  guint8 na[SAS_BYTES] = { 1 }, commitment[SAS_BYTES];

  sas_commitment (na, host_fp (siege->foe), host_fp (siege->a), commitment);
  for (guint i = 0; i < G_N_ELEMENTS (tricks); i++)
    {
      g_string_truncate (siege->diary.ends, 0);
      for (const char *w = tricks[i].words; *w != '\0'; w++)
        {
          g_autofree char *id = g_strdup_printf ("%u-%s", i, w);
          g_autoptr (Stanza) answer = NULL;

          say (siege->foe, siege->a, "set", id,
               *w == 'c' ? word ("commit", commitment) : *w == 'r' ? word ("reveal", na) : *w == 'n' ? word ("nonce", na)
               : *w == 'x' ? sas_cancel_new ("user") : *w == 'm' ? stanza_new ("commit", NS_LL_SAS) : stanza_new ("granted", NS_LL_SAS));
          host_wait_for ((answer = take_heard (siege->foe, "result", id, NULL)) != NULL
                         || (answer = take_heard (siege->foe, "error", id, NULL)) != NULL);
        }
      host_wait_for (run_at (siege->a) == NULL);
      g_assert_cmpstr (siege->diary.ends->str, ==, tricks[i].end);
      g_assert_nonnull (host_session (siege->a, siege->foe));
    }
  g_assert_cmpint (level_of (siege->a, siege->foe), ==, TRUST_UNKNOWN);
}

/* Words about a run that there is not, an iq get, and errors: an answer or silence, and nothing else. */
static void
test_strays (Siege *siege, gconstpointer unused)
{
  guint8 bytes[SAS_BYTES] = { 1 };
  static const char *const names[] = { "reveal", "cancel", "nonce", "mystery" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (Stanza) answer = NULL;

      say (siege->foe, siege->a, "set", names[i], word (names[i], bytes));
      answer = await_heard (siege->foe, "error", names[i], NULL);
    }
  say (siege->foe, siege->a, "get", "get", word ("commit", bytes));
  {
    g_autoptr (Stanza) answer = await_heard (siege->foe, "error", "get", NULL);
  }
  say (siege->foe, siege->a, "error", "what", word ("commit", bytes));
  say (siege->foe, siege->a, "result", "what", word ("nonce", bytes));
  host_stay_quiet (50);
  g_assert_cmpuint (siege->diary.added, ==, 0);
}

static void
test_refuses (Siege *siege, gconstpointer unused)
{
  g_autoptr (Stanza) commit = NULL;

  begin (siege->a, siege->foe);
  commit = await_heard (siege->foe, "set", NULL, "commit");
  say (siege->foe, siege->a, "error", stanza_get_attr (commit, "id"), NULL);
  host_wait_for (run_at (siege->a) == NULL);
  g_assert_cmpstr (siege->diary.ends->str, ==, "cancelled:refused ");
}

/* --- T-15: a man in the middle --------------------------------------------------------------------------------------------------- */

typedef struct {
  Host *a, *b, *middle;
  Diary at_a, at_b;
} Triangle;

static void
triangle_set_up (Triangle *t, gconstpointer unused)
{
  t->a = start_host ("alice", TRUE, &roomy);
  t->b = start_host ("bob", TRUE, &roomy);
  t->middle = start_host ("mallory", FALSE, NULL);
  t->at_a.ends = g_string_new (NULL);
  t->at_b.ends = g_string_new (NULL);
  verifications_watch (t->a->verifications, &watch, &t->at_a);
  verifications_watch (t->b->verifications, &watch, &t->at_b);
  meet (t->middle, t->a);
  meet (t->middle, t->b);
}

static void
triangle_tear_down (Triangle *t, gconstpointer unused)
{
  host_free (t->a);
  host_free (t->b);
  host_free (t->middle);
  g_string_free (t->at_a.ends, TRUE);
  g_string_free (t->at_b.ends, TRUE);
}

/* Word for word, but for the addresses on the envelope. */
static void
pass_on (Triangle *t, Host *to, Stanza *stanza_take)
{
  g_autoptr (Stanza) stanza = stanza_take;

  say (t->middle, to, stanza_get_attr (stanza, "type"), stanza_get_attr (stanza, "id"),
       stanza_ref ((Stanza *) stanza_next_child (stanza, NULL)));
}

/* He passes everything on, word for word, between two real TLS sessions. */
static void
test_relayed (Triangle *t, gconstpointer unused)
{
  begin (t->a, t->middle);
  pass_on (t, t->b, await_heard (t->middle, "set", NULL, "commit"));
  pass_on (t, t->a, await_heard (t->middle, "result", NULL, "nonce"));
  pass_on (t, t->b, await_heard (t->middle, "set", NULL, "reveal"));
  host_wait_for (host_session (t->b, t->middle) == NULL);
  g_assert_cmpstr (t->at_b.ends->str, ==, "mismatch:commitment ");
  g_assert_cmpint (audited (t->b, "mismatch: commitment", "peer"), ==, 1);
  g_assert_cmpint (verification_get_state (run_at (t->a)), ==, VERIFICATION_WAITING_PEER);
}

/* He runs the exchange with each of them, with nonces of his own or one passed on where it can be: both get a code, and never the same. */
static void
test_own_nonces (Triangle *t, gconstpointer unused)
{
  for (guint round = 0; round < 50; round++)
    {
      guint8 own[SAS_BYTES], commitment[SAS_BYTES];
      g_autoptr (Stanza) commit = NULL, nonce = NULL, reveal = NULL, answer = NULL;
      g_autofree char *id = g_strdup_printf ("to-b-%u", round), *id2 = g_strdup_printf ("reveal-b-%u", round);

      identity_random (own, sizeof own);
      begin (t->a, t->middle);
      commit = await_heard (t->middle, "set", NULL, "commit");
      sas_commitment (own, host_fp (t->middle), host_fp (t->b), commitment);
      say (t->middle, t->b, "set", id, word ("commit", commitment));
      nonce = await_heard (t->middle, "result", id, "nonce");
      if (round % 2 == 0)
        say (t->middle, t->a, "result", stanza_get_attr (commit, "id"), word ("nonce", own));
      else /* bob's own nonce for alice */
        say (t->middle, t->a, "result", stanza_get_attr (commit, "id"), stanza_ref ((Stanza *) stanza_get_child (nonce, "nonce", NS_LL_SAS)));
      reveal = await_heard (t->middle, "set", NULL, "reveal");
      say (t->middle, t->a, "result", stanza_get_attr (reveal, "id"), NULL);
      say (t->middle, t->b, "set", id2, word ("reveal", own));
      host_wait_for (has_code (t->a) && has_code (t->b));
      g_assert_cmpstr (verification_get_code (run_at (t->a)), !=, verification_get_code (run_at (t->b)));
      if (round < 49)
        {
          verification_cancel (run_at (t->a), "test", NULL);
          verification_cancel (run_at (t->b), "test", NULL);
        }
    }
  /* And they find out: alice types what stands on bob's screen. */
  {
    Said said = type_code (t->a, verification_get_code (run_at (t->b)));

    g_assert_false (said.matches);
    g_assert_cmpint (said.code, ==, -1);
    host_wait_for (host_session (t->a, t->middle) == NULL);
    g_assert_cmpint (level_of (t->a, t->middle), ==, TRUST_UNKNOWN);
    g_assert_cmpint (audited (t->a, "mismatch: code", "test"), ==, 1);
  }
}

#define SIEGE(path, limits, func) g_test_add (path, Siege, limits, siege_set_up, func, siege_tear_down)

int
main (int argc, char **argv)
{
  store_main (&argc, &argv);
  SIEGE ("/verification/T-14-attack-wrong-reveal", NULL, test_wrong_reveal);
  SIEGE ("/verification/T-16-attack-never-reveals", &short_step, test_never_reveals);
  SIEGE ("/verification/T-16-attack-never-answers", &short_step, test_never_answers);
  SIEGE ("/verification/attack-late-answer", NULL, test_late_answer);
  SIEGE ("/verification/attack-deviations", &roomy, test_deviations);
  SIEGE ("/verification/attack-strays", NULL, test_strays);
  SIEGE ("/verification/refuses", NULL, test_refuses);
  g_test_add ("/verification/T-15-relayed-word-for-word", Triangle, NULL, triangle_set_up, test_relayed, triangle_tear_down);
  g_test_add ("/verification/T-15-own-nonces", Triangle, NULL, triangle_set_up, test_own_nonces, triangle_tear_down);
  return g_test_run ();
}
