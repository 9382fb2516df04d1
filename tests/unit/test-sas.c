/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Verification by code on paper: known answers, the two honest ends, and everything that somebody in between may try.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/sas.h"

/* SHA-256 of "WORD NUMBER": the inputs of the known answers. */
static void
fill (const char *word, guint number, guint8 out[32])
{
  g_autofree char *text = g_strdup_printf ("%s %u", word, number);
  GChecksum *sum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize len = 32;

  g_checksum_update (sum, (const guchar *) text, -1);
  g_checksum_get_digest (sum, out, &len);
  g_checksum_free (sum);
}

static char *
hex_of (const guint8 *bytes)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < 32; i++)
    g_string_append_printf (text, "%02x", bytes[i]);
  return g_string_free (text, FALSE);
}

/* Computed by Python's hashlib and hmac from the formulas of docs/protocol.md 3.6c. */
static void
test_known_answers (void)
{
  static const struct { const char *commitment; guint numbers[3]; } answers[] = {
    { "3f92327a717bddb0a11ff6f466d52806269859743bda30b88ab55b2d6bc0da23", { 8195, 8128, 2270 } },
    { "1615afe940f0b2c733d4723104a452ba619623750f806e8ee547577979a4af2b", { 5738, 8335, 9089 } },
    { "9ec45385979d7b80dfd4ac30bcc224d9810649fbf74353d12d0a3d1c31f56bef", { 8069, 7295, 6266 } },
    { "4751b645ed47e023a094b3fddc901471448d610766af9d0ca2a820a400f79c55", { 3564, 6432, 3299 } },
  };
  guint8 na[32], nb[32], exporter[32], commitment[32];
  Fingerprint a, b;
  guint n[3];

  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      g_autofree char *hex = NULL;

      fill ("nonce A", i, na);
      fill ("nonce B", i, nb);
      fill ("exporter", i, exporter);
      fill ("key A", i, a.bytes);
      fill ("key B", i, b.bytes);
      sas_commitment (na, &a, &b, commitment);
      hex = hex_of (commitment);
      g_assert_cmpstr (hex, ==, answers[i].commitment);
      sas_numbers (na, nb, exporter, &a, &b, n);
      for (guint k = 0; k < 3; k++)
        g_assert_cmpuint (n[k], ==, answers[i].numbers[k]);
    }
  memset (na, 0, 32);
  memset (nb, 0xff, 32);
  memset (a.bytes, 0, 32);
  memset (b.bytes, 0xff, 32);
  sas_numbers (na, nb, na, &a, &b, n);
  g_assert_cmpuint (n[0] * 100000000ull + n[1] * 10000 + n[2], ==, 161563922237);
  sas_numbers (nb, na, nb, &b, &a, n);
  g_assert_cmpuint (n[0] * 100000000ull + n[1] * 10000 + n[2], ==, 878859574899);
}

/* --- a play with two ends ---------------------------------------------------------------------------------------- */

typedef struct {
  Sas *low, *high;      /* the one with the lower key */
  guint8 exporter[32], nonce[4][32];
  Fingerprint fp_low, fp_high;
} Play;

static void
set_up (Play *play, gconstpointer unused)
{
  memset (play->fp_low.bytes, 1, 32);
  memset (play->fp_high.bytes, 2, 32);
  fill ("exporter", 7, play->exporter);
  for (guint i = 0; i < 4; i++)
    fill ("nonce", i, play->nonce[i]);
  play->low = sas_new (&play->fp_low, &play->fp_high, play->exporter);
  play->high = sas_new (&play->fp_high, &play->fp_low, play->exporter);
}

static void
tear_down (Play *play, gconstpointer unused)
{
  sas_free (play->low);
  sas_free (play->high);
}

static Stanza *
word (const char *name, const char *text)
{
  Stanza *stanza = stanza_new (name, NS_LL_SAS);

  if (text != NULL)
    stanza_add_text (stanza, text);
  return stanza;
}

static Stanza *
word_of (const char *name, const guint8 *bytes)
{
  g_autofree char *text = g_base64_encode (bytes, 32);

  return word (name, text);
}

/* What an iq set leads to at `sas`; the reply is dropped. */
static SasVerdict
hear (Sas *sas, Stanza *payload_take)
{
  g_autoptr (Stanza) payload = payload_take;
  g_autoptr (Stanza) reply = NULL;
  guint8 nonce[32];

  fill ("fresh", 1, nonce);
  return sas_on_set (sas, payload, nonce, &reply);
}

/* The honest exchange with `a` as A, up to what `a` reveals. */
static Stanza *
play_until_reveal (Play *play, Sas *a, Sas *b)
{
  g_autoptr (Stanza) commit = sas_start (a, play->nonce[0]);
  g_autoptr (Stanza) nonce = NULL;
  Stanza *reveal = NULL;

  g_assert_cmpint (sas_on_set (b, commit, play->nonce[1], &nonce), ==, SAS_GOOD);
  g_assert_cmpint (sas_on_nonce (a, nonce, &reveal), ==, SAS_GOOD);
  g_assert_null (sas_get_code (a));
  g_assert_null (sas_get_code (b));
  return reveal;
}

static void
agree (Play *play, Sas *a, Sas *b)
{
  g_assert_cmpint (hear (b, play_until_reveal (play, a, b)), ==, SAS_GOOD);
  g_assert_null (sas_get_code (a));
  g_assert_cmpint (sas_on_accepted (a), ==, SAS_GOOD);
  g_assert_nonnull (sas_get_code (a));
  g_assert_cmpstr (sas_get_code (a), ==, sas_get_code (b));
}

static void
test_honest_low (Play *play, gconstpointer unused)
{
  g_auto (GStrv) words = NULL;

  agree (play, play->low, play->high);
  g_assert_cmpint (sas_get_role (play->low), ==, 'A');
  g_assert_cmpint (sas_get_role (play->high), ==, 'B');
  words = g_strsplit (sas_get_code (play->low), " ", -1);
  g_assert_cmpuint (g_strv_length (words), ==, 3);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpuint (strlen (words[i]), ==, 4);
}

static void
test_honest_high (Play *play, gconstpointer unused)
{
  agree (play, play->high, play->low);
}

/* "both start → lower fp" is A; each hears the other's commitment before it hears of its own. */
static void
test_both_start (Play *play, gconstpointer unused)
{
  g_autoptr (Stanza) from_low = sas_start (play->low, play->nonce[0]);
  g_autoptr (Stanza) from_high = sas_start (play->high, play->nonce[1]);
  g_autoptr (Stanza) nonce = NULL, nothing = NULL, reveal = NULL, reply = NULL;

  g_assert_cmpint (sas_on_set (play->low, from_high, play->nonce[2], &nothing), ==, SAS_OVERRULED);
  g_assert_null (nothing);
  g_assert_cmpint (sas_on_set (play->high, from_low, play->nonce[3], &nonce), ==, SAS_GOOD);
  g_assert_false (sas_on_refused (play->high)); /* of its own commitment: expected */
  g_assert_cmpint (sas_on_nonce (play->low, nonce, &reveal), ==, SAS_GOOD);
  g_assert_cmpint (sas_on_set (play->high, reveal, play->nonce[3], &reply), ==, SAS_GOOD);
  g_assert_null (reply);
  g_assert_cmpint (sas_on_accepted (play->low), ==, SAS_GOOD);
  g_assert_cmpstr (sas_get_code (play->low), ==, sas_get_code (play->high));
  g_assert_cmpint (sas_get_role (play->high), ==, 'B');
  /* The nonce it gave is not the one its own commitment hides. */
  {
    g_autofree char *text = stanza_dup_text (nonce);
    g_autofree char *hidden = g_base64_encode (play->nonce[1], 32);

    g_assert_cmpstr (text, !=, hidden);
  }
}

/* Refused once is an accident of timing; what goes on is none. */
static void
test_overruled_twice (Play *play, gconstpointer unused)
{
  g_autoptr (Stanza) commit = sas_start (play->low, play->nonce[0]);

  g_assert_cmpint (hear (play->low, word_of ("commit", play->nonce[1])), ==, SAS_OVERRULED);
  g_assert_cmpint (sas_get_state (play->low), ==, SAS_COMMITTED);
  g_assert_cmpint (hear (play->low, word_of ("commit", play->nonce[1])), ==, SAS_DEVIATES);
  g_assert_cmpint (sas_get_state (play->low), ==, SAS_ENDED);
}

static void
test_void_commitment_answered (Play *play, gconstpointer unused)
{
  g_autoptr (Stanza) commit = sas_start (play->high, play->nonce[0]);
  g_autoptr (Stanza) nonce = word_of ("nonce", play->nonce[2]);
  g_autoptr (Stanza) reveal = NULL;

  g_assert_cmpint (hear (play->high, word_of ("commit", play->nonce[1])), ==, SAS_GOOD);
  g_assert_cmpint (sas_on_nonce (play->high, nonce, &reveal), ==, SAS_DEVIATES);
  g_assert_null (reveal); /* the nonce stays hidden */
}

/* --- T-14: a wrong reveal ------------------------------------------------------------------------------------------- */

static void
test_wrong_reveal (Play *play, gconstpointer unused)
{
  g_autoptr (Stanza) honest = play_until_reveal (play, play->low, play->high);

  g_assert_cmpint (hear (play->high, word_of ("reveal", play->nonce[2])), ==, SAS_MISMATCHES);
  g_assert_cmpint (sas_get_state (play->high), ==, SAS_ENDED);
  /* The right one does not mend it. */
  g_assert_cmpint (hear (play->high, stanza_ref (honest)), ==, SAS_DEVIATES);
  g_assert_null (sas_get_code (play->high));
}

static void
test_each_bit_counts (Play *play, gconstpointer unused)
{
  for (guint bit = 0; bit < 256; bit++)
    {
      g_autoptr (Sas) b = sas_new (&play->fp_high, &play->fp_low, play->exporter);
      guint8 commitment[32], na[32];

      sas_commitment (play->nonce[0], &play->fp_low, &play->fp_high, commitment);
      memcpy (na, play->nonce[0], 32);
      na[bit / 8] ^= (guint8) (1 << bit % 8);
      g_assert_cmpint (hear (b, word_of ("commit", commitment)), ==, SAS_GOOD);
      g_assert_cmpint (hear (b, word_of ("reveal", na)), ==, SAS_MISMATCHES);
    }
}

/* A commitment to other keys, or to the same in the other order, is none. */
static void
test_commitment_binds_keys (Play *play, gconstpointer unused)
{
  Fingerprint third;
  const Fingerprint *pairs[][2] = { { &play->fp_high, &play->fp_low }, { &third, &play->fp_high }, { &play->fp_low, &third } };

  memset (third.bytes, 3, 32);
  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    {
      g_autoptr (Sas) b = sas_new (&play->fp_high, &play->fp_low, play->exporter);
      guint8 commitment[32];

      sas_commitment (play->nonce[0], pairs[i][0], pairs[i][1], commitment);
      g_assert_cmpint (hear (b, word_of ("commit", commitment)), ==, SAS_GOOD);
      g_assert_cmpint (hear (b, word_of ("reveal", play->nonce[0])), ==, SAS_MISMATCHES);
    }
}

/* The numbers depend on everything. */
static void
test_everything_counts (Play *play, gconstpointer unused)
{
  Fingerprint third;
  guint honest[3], other[3];
  guint same = 0;

  memset (third.bytes, 3, 32);
  sas_numbers (play->nonce[0], play->nonce[1], play->exporter, &play->fp_low, &play->fp_high, honest);
  sas_numbers (play->nonce[1], play->nonce[0], play->exporter, &play->fp_low, &play->fp_high, other);
  same += memcmp (honest, other, sizeof honest) == 0;
  sas_numbers (play->nonce[0], play->nonce[1], play->nonce[2], &play->fp_low, &play->fp_high, other);
  same += memcmp (honest, other, sizeof honest) == 0;
  sas_numbers (play->nonce[0], play->nonce[1], play->exporter, &play->fp_high, &play->fp_low, other);
  same += memcmp (honest, other, sizeof honest) == 0;
  sas_numbers (play->nonce[0], play->nonce[1], play->exporter, &third, &play->fp_high, other);
  same += memcmp (honest, other, sizeof honest) == 0;
  g_assert_cmpuint (same, ==, 0);
}

/* --- out of order, twice, not well formed ---------------------------------------------------------------------------- */

static Sas *
sas_in (Play *play, SasState state)
{
  Sas *sas = sas_new (&play->fp_low, &play->fp_high, play->exporter);
  g_autoptr (Stanza) commit = NULL, nonce = word_of ("nonce", play->nonce[1]), reveal = NULL;
  guint8 commitment[32];

  if (state == SAS_ANSWERED)
    {
      sas_commitment (play->nonce[1], &play->fp_high, &play->fp_low, commitment);
      g_assert_cmpint (hear (sas, word_of ("commit", commitment)), ==, SAS_GOOD);
    }
  if (state == SAS_COMMITTED || state == SAS_REVEALED || state == SAS_AGREED)
    commit = sas_start (sas, play->nonce[0]);
  if (state == SAS_REVEALED || state == SAS_AGREED)
    g_assert_cmpint (sas_on_nonce (sas, nonce, &reveal), ==, SAS_GOOD);
  if (state == SAS_AGREED)
    g_assert_cmpint (sas_on_accepted (sas), ==, SAS_GOOD);
  if (state == SAS_ENDED)
    g_assert_cmpint (hear (sas, word ("cancel", NULL)), ==, SAS_CANCELLED);
  g_assert_cmpint (sas_get_state (sas), ==, state);
  return sas;
}

/* Every word in every state: what is not the next step ends the run, and gives nothing away. */
static void
test_out_of_order (Play *play, gconstpointer unused)
{
  static const char *const names[] = { "commit", "reveal", "nonce", "granted", "" };

  for (SasState state = SAS_NEW; state <= SAS_ENDED; state++)
    for (guint i = 0; i < G_N_ELEMENTS (names); i++)
      {
        g_autoptr (Sas) sas = sas_in (play, state);
        SasVerdict verdict;

        if ((i == 0 && (state == SAS_NEW || state == SAS_COMMITTED)) || (i == 1 && state == SAS_ANSWERED))
          continue;
        verdict = hear (sas, word_of (names[i], play->nonce[1]));
        g_assert_cmpint (verdict, ==, SAS_DEVIATES);
        g_assert_cmpint (sas_get_state (sas), ==, SAS_ENDED);
        g_assert_null (sas_get_code (sas));
      }
}

/* What is over is not ended again, by whatever word. */
static void
test_over_is_over (Play *play, gconstpointer unused)
{
  g_autoptr (Sas) sas = sas_in (play, SAS_ENDED);
  Stanza *cancel = sas_cancel_new ("mismatch");

  g_assert_cmpint (hear (sas, cancel), ==, SAS_DEVIATES);
  g_assert_cmpstr (sas_get_cancel (sas), ==, "user");
}

static void
test_answers_out_of_order (Play *play, gconstpointer unused)
{
  for (SasState state = SAS_NEW; state <= SAS_ENDED; state++)
    {
      g_autoptr (Sas) one = sas_in (play, state), other = sas_in (play, state);
      g_autoptr (Stanza) nonce = word_of ("nonce", play->nonce[1]), reveal = NULL;

      if (state != SAS_COMMITTED)
        {
          g_assert_cmpint (sas_on_nonce (one, nonce, &reveal), ==, SAS_DEVIATES);
          g_assert_null (reveal);
        }
      if (state != SAS_REVEALED)
        g_assert_cmpint (sas_on_accepted (other), ==, SAS_DEVIATES);
      g_assert_null (sas_get_code (one));
      g_assert_null (sas_get_code (other));
    }
}

static void
test_malformed (Play *play, gconstpointer unused)
{
  g_autofree char *good = g_base64_encode (play->nonce[1], 32);
  g_autofree char *short_one = g_base64_encode (play->nonce[1], 31);
  g_autofree char *long_one = g_base64_encode ((guint8 *) play->nonce, 64);
  g_autofree char *spaced = g_strconcat (" ", good, NULL);
  g_autofree char *hole = g_strdup (good);
  g_autofree char *loose = g_strdup (good);
  const char *texts[] = { NULL, "", "=", short_one, long_one, spaced, hole, loose };

  hole[5] = '*';
  /* The last digit before the padding has two spare bits: another spelling of the same bytes. */
  loose[42] = loose[42] == 'A' ? 'B' : (char) (loose[42] + 1);
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (Sas) b = sas_in (play, SAS_NEW), late = sas_in (play, SAS_ANSWERED), a = sas_in (play, SAS_COMMITTED);
      g_autoptr (Stanza) nonce = word ("nonce", texts[i]), reveal = NULL;

      g_assert_cmpint (hear (b, word ("commit", texts[i])), ==, SAS_DEVIATES);
      g_assert_cmpint (hear (late, word ("reveal", texts[i])), ==, SAS_DEVIATES);
      g_assert_cmpint (sas_on_nonce (a, nonce, &reveal), ==, SAS_DEVIATES);
      g_assert_null (reveal);
    }
  {
    g_autoptr (Sas) a = sas_in (play, SAS_COMMITTED), b = sas_in (play, SAS_NEW), c = sas_in (play, SAS_COMMITTED);
    g_autoptr (Stanza) reveal = NULL;
    Stanza *nested = word ("commit", good);
    g_autoptr (Stanza) foreign = stanza_new ("nonce", NS_LL_TRUST);

    stanza_add_new (nested, "more", NS_LL_SAS, NULL);
    g_assert_cmpint (hear (b, nested), ==, SAS_DEVIATES);
    g_assert_cmpint (sas_on_nonce (a, NULL, &reveal), ==, SAS_DEVIATES);
    stanza_add_text (foreign, good);
    g_assert_cmpint (sas_on_nonce (c, foreign, &reveal), ==, SAS_DEVIATES);
  }
}

static void
test_cancel (Play *play, gconstpointer unused)
{
  static const char *const said[] = { "user", "mismatch", "timeout", "limit", "because \033[2J", NULL };
  static const char *const heard[] = { "user", "mismatch", "timeout", "limit", "user", "user" };

  for (guint i = 0; i < G_N_ELEMENTS (said); i++)
    {
      g_autoptr (Sas) sas = sas_in (play, i % 2 ? SAS_ANSWERED : SAS_AGREED);
      Stanza *cancel = word ("cancel", NULL);

      stanza_set_attr (cancel, "reason", said[i]);
      g_assert_cmpint (hear (sas, cancel), ==, SAS_CANCELLED);
      g_assert_cmpstr (sas_get_cancel (sas), ==, heard[i]);
      g_assert_null (sas_get_code (sas));
    }
  {
    g_autoptr (Sas) sas = sas_in (play, SAS_COMMITTED);

    g_assert_true (sas_on_refused (sas));
    g_assert_cmpint (sas_get_state (sas), ==, SAS_ENDED);
  }
}

/* --- what people type --------------------------------------------------------------------------------------------------- */

static void
test_typed (Play *play, gconstpointer unused)
{
  static const char *const slips[] = { "", " ", "4821 7305", "4821 7305 11922", "4821 7305 119a", "0999 7305 1192", "4821 9192 1192",
                                       "4821,7305,1192", "４８２１ 7305 1192", "+4821 7305 1192" };
  g_autofree char *code = NULL, *joined = NULL, *dashes = NULL, *spread = NULL, *wrong = NULL;

  agree (play, play->low, play->high);
  code = g_strdup (sas_get_code (play->low));
  joined = g_strdup (code);
  g_strdelimit (joined, " ", '-');
  dashes = g_strdup (joined);
  spread = g_strconcat ("  ", code, " ", NULL);
  g_assert_cmpint (sas_check_code (play->high, code), ==, SAS_CODE_RIGHT);
  g_assert_cmpint (sas_check_code (play->high, dashes), ==, SAS_CODE_RIGHT);
  g_assert_cmpint (sas_check_code (play->high, spread), ==, SAS_CODE_RIGHT);
  wrong = g_strdup (code);
  wrong[13] = wrong[13] == '0' ? '1' : '0';
  g_assert_cmpint (sas_check_code (play->high, wrong), ==, SAS_CODE_WRONG);
  for (guint i = 0; i < G_N_ELEMENTS (slips); i++)
    g_assert_cmpint (sas_check_code (play->high, slips[i]), ==, SAS_CODE_MALFORMED);
}

/* Nothing is right before there is a code, nor after it. */
static void
test_typed_without_code (Play *play, gconstpointer unused)
{
  for (SasState state = SAS_NEW; state <= SAS_ENDED; state++)
    {
      g_autoptr (Sas) sas = sas_in (play, state);

      if (state != SAS_AGREED)
        for (guint n = 1000; n < 1010; n++)
          {
            g_autofree char *text = g_strdup_printf ("%u %u %u", n, n, n);

            g_assert_cmpint (sas_check_code (sas, text), ==, SAS_CODE_WRONG);
          }
    }
}

/* --- T-15 on paper: a man in the middle with a session and a key of his own on each side ------------------------------- */

/* Each hides a whole man in the middle; he hears everything and may say anything, but has two exporters, and his keys are on both legs. */
static void
test_relay (Play *play, gconstpointer unused)
{
  for (guint round = 0; round < 200; round++)
    {
      Fingerprint middle;
      guint8 exporter[2][32], na[32], nb[32], commitment[32], own[2][32];
      Sas *a, *b;
      g_autoptr (Stanza) commit = NULL, to_b = NULL, nonce_b = NULL, to_a = NULL, reveal = NULL, to_b_too = NULL, reply = NULL;
      SasVerdict verdict;
      gboolean own_towards_a = round & 1, own_towards_b = round & 2;

      fill ("middle", round, middle.bytes);
      fill ("leg A", round, exporter[0]);
      fill ("leg B", round, exporter[1]);
      fill ("na", round, na);
      fill ("nb", round, nb);
      fill ("own A", round, own[0]);
      fill ("own B", round, own[1]);
      a = sas_new (&play->fp_low, &middle, exporter[0]);
      b = sas_new (&play->fp_high, &middle, exporter[1]);
      commit = sas_start (a, na);
      /* Towards B he passes the commitment on, or makes his own. */
      sas_commitment (own[1], &middle, &play->fp_high, commitment);
      to_b = own_towards_b ? word_of ("commit", commitment) : stanza_ref (commit);
      g_assert_cmpint (sas_on_set (b, to_b, nb, &nonce_b), ==, SAS_GOOD);
      /* Towards A he passes B's nonce on, or says his own. */
      to_a = own_towards_a ? word_of ("nonce", own[0]) : stanza_ref (nonce_b);
      g_assert_cmpint (sas_on_nonce (a, to_a, &reveal), ==, SAS_GOOD);
      to_b_too = own_towards_b ? word_of ("reveal", own[1]) : stanza_ref (reveal);
      verdict = sas_on_set (b, to_b_too, nb, &reply);
      g_assert_cmpint (sas_on_accepted (a), ==, SAS_GOOD);
      if (own_towards_b)
        {
          g_assert_cmpint (verdict, ==, SAS_GOOD);
          g_assert_cmpstr (sas_get_code (a), !=, sas_get_code (b));
          g_assert_cmpint (sas_check_code (b, sas_get_code (a)), ==, SAS_CODE_WRONG);
          g_assert_cmpint (sas_check_code (a, sas_get_code (b)), ==, SAS_CODE_WRONG);
        }
      else
        g_assert_cmpint (verdict, ==, SAS_MISMATCHES); /* A's commitment names another pair of keys */
      sas_free (a);
      sas_free (b);
    }
}

#define PLAY(path, func) g_test_add (path, Play, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sas/known-answers", test_known_answers);
  PLAY ("/sas/T-14-honest-ends-show-the-same", test_honest_low);
  PLAY ("/sas/T-14-whoever-starts", test_honest_high);
  PLAY ("/sas/both-start", test_both_start);
  PLAY ("/sas/attack-overruled-twice", test_overruled_twice);
  PLAY ("/sas/attack-void-commitment-answered", test_void_commitment_answered);
  PLAY ("/sas/T-14-wrong-reveal", test_wrong_reveal);
  PLAY ("/sas/T-14-each-bit-of-the-reveal-counts", test_each_bit_counts);
  PLAY ("/sas/commitment-binds-both-keys", test_commitment_binds_keys);
  PLAY ("/sas/numbers-depend-on-everything", test_everything_counts);
  PLAY ("/sas/attack-out-of-order", test_out_of_order);
  PLAY ("/sas/over-is-over", test_over_is_over);
  PLAY ("/sas/attack-answers-out-of-order", test_answers_out_of_order);
  PLAY ("/sas/attack-malformed", test_malformed);
  PLAY ("/sas/cancel", test_cancel);
  PLAY ("/sas/typed", test_typed);
  PLAY ("/sas/attack-typed-without-code", test_typed_without_code);
  PLAY ("/sas/T-15-man-in-the-middle", test_relay);
  return g_test_run ();
}
