/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The rule table of docs/protocol.md 3.4 and 3.5, written a second time as patterns, and the whole
 * input space (6 levels x 4 modes x 8 flags) run against it. Each point must match
 * exactly one row, so a row that overlaps or leaves a hole fails as well.
 */
#include "earshot-config.h"

#include <glib.h>

#include "daemon/proto/trust-policy.h"

enum { NO, YES, ANY };
#define L(level) (1u << (level))
#define M(mode) (1u << (mode))
#define ALL_LEVELS 0x3fu
#define ALL_MODES 0x0fu
#define TRUSTED (L (TRUST_PINNED) | L (TRUST_VOUCHED) | L (TRUST_CA) | L (TRUST_VERIFIED))
#define BY_PERSON (L (TRUST_PINNED) | L (TRUST_VOUCHED) | L (TRUST_VERIFIED))
#define NOT_REVOKED (ALL_LEVELS & ~L (TRUST_REVOKED))
#define NOT_CA_MODE (ALL_MODES & ~M (TRUST_MODE_CA))

typedef struct {
  guint levels, modes;
  int blocked, refused, name_known, name_seen, hint, chain_valid, chain_expired, chain_revoked;
  TrustAction action;
  TrustAsk ask;
  const char *reason; /* NULL = the word of the level */
} Rule;

static const Rule rules[] = {
  { ALL_LEVELS, ALL_MODES, YES, ANY, ANY, ANY, ANY, ANY, ANY, ANY, TRUST_ACTION_REFUSE, TRUST_ASK_NOTHING, "blocked" },
  { L (TRUST_REVOKED), ALL_MODES, NO, ANY, ANY, ANY, ANY, ANY, ANY, ANY, TRUST_ACTION_REFUSE, TRUST_ASK_NOTHING, "revoked" },
  { NOT_REVOKED, ALL_MODES, NO, YES, ANY, ANY, ANY, ANY, ANY, ANY, TRUST_ACTION_REFUSE, TRUST_ASK_NOTHING, "refused" },
  { NOT_REVOKED, M (TRUST_MODE_CA), NO, NO, ANY, ANY, ANY, ANY, YES, ANY, TRUST_ACTION_REFUSE_EXPIRED, TRUST_ASK_NOTHING,
    "expired" },
  { NOT_REVOKED, M (TRUST_MODE_CA), NO, NO, ANY, ANY, ANY, ANY, NO, YES, TRUST_ACTION_REFUSE, TRUST_ASK_NOTHING,
    "chain-revoked" },
  /* stored trust */
  { BY_PERSON, NOT_CA_MODE, NO, NO, ANY, ANY, ANY, ANY, ANY, ANY, TRUST_ACTION_ADMIT, TRUST_ASK_NOTHING, NULL },
  { BY_PERSON, M (TRUST_MODE_CA), NO, NO, ANY, ANY, ANY, ANY, NO, NO, TRUST_ACTION_ADMIT, TRUST_ASK_NOTHING, NULL },
  { L (TRUST_CA), NOT_CA_MODE, NO, NO, ANY, ANY, ANY, YES, ANY, ANY, TRUST_ACTION_ADMIT, TRUST_ASK_NOTHING, NULL },
  { L (TRUST_CA), NOT_CA_MODE, NO, NO, ANY, ANY, ANY, NO, ANY, ANY, TRUST_ACTION_REFUSE, TRUST_ASK_NOTHING, "no-chain" },
  { L (TRUST_CA), M (TRUST_MODE_CA), NO, NO, ANY, ANY, ANY, YES, NO, NO, TRUST_ACTION_ADMIT, TRUST_ASK_NOTHING, NULL },
  { L (TRUST_CA), M (TRUST_MODE_CA), NO, NO, ANY, ANY, ANY, NO, NO, NO, TRUST_ACTION_REFUSE, TRUST_ASK_NOTHING, "no-chain" },
  /* first sight, by mode */
  { L (TRUST_UNKNOWN), M (TRUST_MODE_ASK), NO, NO, NO, ANY, ANY, ANY, ANY, ANY, TRUST_ACTION_RESTRICT, TRUST_ASK_NEW_KEY,
    "new-key" },
  { L (TRUST_UNKNOWN), M (TRUST_MODE_ASK) | M (TRUST_MODE_TOFU), NO, NO, YES, ANY, ANY, ANY, ANY, ANY, TRUST_ACTION_RESTRICT,
    TRUST_ASK_NAME_CONFLICT, "name-conflict" },
  { L (TRUST_UNKNOWN), M (TRUST_MODE_TOFU), NO, NO, NO, NO, NO, ANY, ANY, ANY, TRUST_ACTION_PIN, TRUST_ASK_NOTHING,
    "first-use" },
  { L (TRUST_UNKNOWN), M (TRUST_MODE_TOFU), NO, NO, NO, NO, YES, ANY, ANY, ANY, TRUST_ACTION_RESTRICT, TRUST_ASK_NEW_KEY,
    "announced-other" },
  { L (TRUST_UNKNOWN), M (TRUST_MODE_TOFU), NO, NO, NO, YES, ANY, ANY, ANY, ANY, TRUST_ACTION_RESTRICT, TRUST_ASK_NEW_KEY,
    "name-seen" },
  { L (TRUST_UNKNOWN), M (TRUST_MODE_STRICT), NO, NO, NO, ANY, ANY, ANY, ANY, ANY, TRUST_ACTION_REFUSE, TRUST_ASK_NOTHING,
    "strict" },
  { L (TRUST_UNKNOWN), M (TRUST_MODE_STRICT), NO, NO, YES, ANY, ANY, ANY, ANY, ANY, TRUST_ACTION_REFUSE,
    TRUST_ASK_NAME_CONFLICT, "name-conflict" },
  { L (TRUST_UNKNOWN), M (TRUST_MODE_CA), NO, NO, NO, ANY, ANY, YES, NO, NO, TRUST_ACTION_JOIN_CA, TRUST_ASK_NOTHING, "ca" },
  { L (TRUST_UNKNOWN), M (TRUST_MODE_CA), NO, NO, YES, ANY, ANY, YES, NO, NO, TRUST_ACTION_JOIN_CA, TRUST_ASK_NAME_CONFLICT,
    "ca-new-key" },
  { L (TRUST_UNKNOWN), M (TRUST_MODE_CA), NO, NO, NO, ANY, ANY, NO, NO, NO, TRUST_ACTION_REFUSE, TRUST_ASK_NOTHING, "no-chain" },
  { L (TRUST_UNKNOWN), M (TRUST_MODE_CA), NO, NO, YES, ANY, ANY, NO, NO, NO, TRUST_ACTION_REFUSE, TRUST_ASK_NAME_CONFLICT,
    "name-conflict" },
};

static gboolean
rule_matches (const Rule *r, const TrustQuestion *q)
{
  return (r->levels & L (q->level)) != 0 && (r->modes & M (q->mode)) != 0
         && (r->blocked == ANY || r->blocked == q->blocked) && (r->refused == ANY || r->refused == q->refused)
         && (r->name_known == ANY || r->name_known == q->name_known)
         && (r->name_seen == ANY || r->name_seen == q->name_seen)
         && (r->hint == ANY || r->hint == q->hint_differs)
         && (r->chain_valid == ANY || r->chain_valid == q->chain_valid)
         && (r->chain_expired == ANY || r->chain_expired == q->chain_expired)
         && (r->chain_revoked == ANY || r->chain_revoked == q->chain_revoked);
}

static TrustQuestion
question_at (guint level, guint mode, guint flags)
{
  return (TrustQuestion){ .mode = mode,
                          .level = level,
                          .inbound = (flags & 1) != 0,
                          .blocked = (flags & 2) != 0,
                          .refused = (flags & 4) != 0,
                          .name_known = (flags & 8) != 0,
                          .name_seen = (flags & 16) != 0,
                          .chain_valid = (flags & 32) != 0,
                          .chain_expired = (flags & 64) != 0,
                          .chain_revoked = (flags & 128) != 0,
                          .hint_differs = (flags & 256) != 0 };
}

#define EACH_QUESTION(q)                                                                                               \
  for (guint level_ = TRUST_REVOKED; level_ <= TRUST_VERIFIED; level_++)                                               \
    for (guint mode_ = TRUST_MODE_ASK; mode_ <= TRUST_MODE_STRICT; mode_++)                                            \
      for (guint flags_ = 0; flags_ < 512; flags_++)                                                                   \
        for (TrustQuestion q = question_at (level_, mode_, flags_), *once_ = &q; once_ != NULL; once_ = NULL)

static void
test_whole_space (void)
{
  guint points = 0, used[G_N_ELEMENTS (rules)] = { 0 };

  EACH_QUESTION (q)
    {
      const Rule *rule = NULL;
      for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
        if (rule_matches (&rules[i], &q))
          {
            g_assert_null (rule);
            rule = &rules[i];
            used[i]++;
          }
      g_assert_nonnull (rule);
      TrustVerdict v = trust_policy_judge (&q);
      g_assert_cmpint (v.action, ==, rule->action);
      g_assert_cmpint (v.ask, ==, rule->ask);
      g_assert_cmpstr (v.reason, ==, rule->reason != NULL ? rule->reason : trust_level_to_string (q.level));
      points++;
    }
  g_assert_cmpuint (points, ==, 6 * 4 * 512);
  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    g_assert_cmpuint (used[i], >, 0);
}

static void
test_blocked_wins (void)
{
  EACH_QUESTION (q)
    {
      if (!q.blocked && !q.refused && q.level != TRUST_REVOKED)
        continue;
      TrustVerdict v = trust_policy_judge (&q);
      g_assert_cmpint (v.action, ==, TRUST_ACTION_REFUSE);
      g_assert_cmpint (v.ask, ==, TRUST_ASK_NOTHING);
    }
}

static void
test_pins (void)
{
  EACH_QUESTION (q)
    {
      TrustVerdict v = trust_policy_judge (&q);
      /* Only tofu pins, only unknown keys under names nobody ever used; only chains make ca. */
      if (v.action == TRUST_ACTION_PIN)
        g_assert_true (q.mode == TRUST_MODE_TOFU && q.level == TRUST_UNKNOWN && !q.name_known && !q.name_seen && !q.hint_differs);
      if (v.action == TRUST_ACTION_JOIN_CA)
        g_assert_true (q.mode == TRUST_MODE_CA && q.chain_valid && !q.chain_expired && !q.chain_revoked);
      if (q.level == TRUST_UNKNOWN)
        g_assert_cmpint (v.action, !=, TRUST_ACTION_ADMIT);
    }
}

static void
test_chains (void)
{
  EACH_QUESTION (q)
    {
      TrustVerdict v = trust_policy_judge (&q);
      gboolean in = v.action == TRUST_ACTION_ADMIT || v.action == TRUST_ACTION_PIN || v.action == TRUST_ACTION_JOIN_CA;

      /* What rests on a chain falls with it; where the chains rule, dates and revocations hold for everybody; and without a
       * chain the chain mode admits nobody whom no person has accepted. */
      if (q.level == TRUST_CA && !q.chain_valid)
        g_assert_false (in);
      if (q.mode == TRUST_MODE_CA && (q.chain_expired || q.chain_revoked))
        g_assert_true (v.action == TRUST_ACTION_REFUSE || v.action == TRUST_ACTION_REFUSE_EXPIRED);
      if (q.mode == TRUST_MODE_CA && q.level == TRUST_UNKNOWN && !q.chain_valid)
        g_assert_false (in || v.action == TRUST_ACTION_RESTRICT);
    }
}

static void
test_name_conflict (void)
{
  EACH_QUESTION (q)
    {
      if (!q.name_known || q.level != TRUST_UNKNOWN || q.blocked || q.refused)
        continue;
      TrustVerdict v = trust_policy_judge (&q);
      g_assert_cmpint (v.action, !=, TRUST_ACTION_PIN);
      g_assert_cmpint (v.action, !=, TRUST_ACTION_ADMIT);
      if (!(q.mode == TRUST_MODE_CA && (q.chain_expired || q.chain_revoked)))
        g_assert_cmpint (v.ask, ==, TRUST_ASK_NAME_CONFLICT);
    }
}

static void
test_direction_is_no_argument (void)
{
  EACH_QUESTION (q)
    {
      TrustQuestion other = q;
      other.inbound = !q.inbound;
      TrustVerdict a = trust_policy_judge (&q), b = trust_policy_judge (&other);
      g_assert_true (a.action == b.action && a.ask == b.ask && a.reason == b.reason);
    }
}

static void
test_garbage_is_no (void)
{
  /* As a damaged store might hold it. */
  TrustQuestion q = { .mode = TRUST_MODE_TOFU, .level = (TrustLevel) 77 };
  g_assert_cmpint (trust_policy_judge (&q).action, ==, TRUST_ACTION_REFUSE);
  q = (TrustQuestion){ .mode = (TrustMode) 77, .level = TRUST_UNKNOWN };
  g_assert_cmpint (trust_policy_judge (&q).action, ==, TRUST_ACTION_REFUSE);
  g_assert_false (trust_policy_may_send ((TrustLevel) 77, FALSE, REQUIRE_ENCRYPTED));
  g_assert_false (trust_policy_may_send (TRUST_VERIFIED, FALSE, (Require) 77));
}

static void
test_may_send (void)
{
  static const TrustLevel needs[] = {
    [REQUIRE_INSECURE_OK] = TRUST_PINNED, [REQUIRE_DEFAULT] = TRUST_PINNED, [REQUIRE_ENCRYPTED] = TRUST_PINNED,
    [REQUIRE_PINNED] = TRUST_PINNED,      [REQUIRE_VOUCHED] = TRUST_VOUCHED, [REQUIRE_CA] = TRUST_CA,
    [REQUIRE_VERIFIED] = TRUST_VERIFIED,
  };
  for (guint require = REQUIRE_INSECURE_OK; require <= REQUIRE_VERIFIED; require++)
    for (guint level = TRUST_REVOKED; level <= TRUST_VERIFIED; level++)
      {
        g_assert_cmpint (trust_policy_may_send (level, FALSE, require), ==, level >= needs[require]);
        g_assert_false (trust_policy_may_send (level, TRUE, require));
      }
}

/* --- in clear ---------------------------------------------------------------- */

#define P(policy) (1u << (policy))
#define C(choice) (1u << (choice))
#define ALL_POLICIES 0x07u
#define ALL_CHOICES 0x07u
#define CAREFUL (M (TRUST_MODE_CA) | M (TRUST_MODE_STRICT))

typedef struct {
  guint policies, modes, choices;
  int blocked, tls_seen, announces_tls, contested;
  LegacyAction action;
  const char *reason;
} ClearRule;

/* docs/protocol.md 3.9, a second time. */
static const ClearRule clear_rules[] = {
  { ALL_POLICIES, ALL_MODES, ALL_CHOICES, YES, ANY, ANY, ANY, LEGACY_ACTION_REFUSE, "blocked" },
  { ALL_POLICIES, ALL_MODES, ALL_CHOICES, NO, YES, ANY, ANY, LEGACY_ACTION_REFUSE, "tls-seen" },
  { ALL_POLICIES, ALL_MODES, ALL_CHOICES, NO, NO, YES, ANY, LEGACY_ACTION_REFUSE, "tls-announced" },
  { ALL_POLICIES, ALL_MODES, ALL_CHOICES, NO, NO, NO, YES, LEGACY_ACTION_REFUSE, "name-contested" },
  { ALL_POLICIES, ALL_MODES, C (LEGACY_CHOICE_REFUSED), NO, NO, NO, NO, LEGACY_ACTION_REFUSE, "refused" },
  { ALL_POLICIES, ALL_MODES, C (LEGACY_CHOICE_ALLOWED), NO, NO, NO, NO, LEGACY_ACTION_ADMIT, "allowed" },
  { ALL_POLICIES, CAREFUL, C (LEGACY_CHOICE_NONE), NO, NO, NO, NO, LEGACY_ACTION_REFUSE, "strict" },
  { P (LEGACY_REFUSE), ALL_MODES & ~CAREFUL, C (LEGACY_CHOICE_NONE), NO, NO, NO, NO, LEGACY_ACTION_REFUSE, "policy" },
  { P (LEGACY_ASK), ALL_MODES & ~CAREFUL, C (LEGACY_CHOICE_NONE), NO, NO, NO, NO, LEGACY_ACTION_ASK, "legacy-peer" },
  { P (LEGACY_ALLOW), ALL_MODES & ~CAREFUL, C (LEGACY_CHOICE_NONE), NO, NO, NO, NO, LEGACY_ACTION_ADMIT, "policy-allow" },
};

static gboolean
is_flag (int wanted, gboolean flag)
{
  return wanted == ANY || (wanted == YES) == flag;
}

static gboolean
clear_rule_matches (const ClearRule *r, const LegacyQuestion *q)
{
  return (r->policies & P (q->policy)) != 0 && (r->modes & M (q->mode)) != 0 && (r->choices & C (q->choice)) != 0
         && is_flag (r->blocked, q->blocked) && is_flag (r->tls_seen, q->tls_seen)
         && is_flag (r->announces_tls, q->announces_tls) && is_flag (r->contested, q->contested);
}

static void
test_clear_whole_space (void)
{
  for (guint n = 0; n < 3 * 4 * 3 * 32; n++)
    {
      LegacyQuestion q = { .policy = n % 3, .mode = n / 3 % 4, .choice = n / 12 % 3, .blocked = n / 36 & 1,
                           .tls_seen = n / 36 >> 1 & 1, .announces_tls = n / 36 >> 2 & 1, .contested = n / 36 >> 3 & 1,
                           .inbound = n / 36 >> 4 & 1 };
      LegacyVerdict v = trust_policy_judge_clear (&q);
      guint hits = 0;

      for (guint i = 0; i < G_N_ELEMENTS (clear_rules); i++)
        {
          if (!clear_rule_matches (&clear_rules[i], &q))
            continue;
          hits++;
          g_assert_cmpint (v.action, ==, clear_rules[i].action);
          g_assert_cmpstr (v.reason, ==, clear_rules[i].reason);
        }
      g_assert_cmpuint (hits, ==, 1);
      /* Whatever else is true. */
      if (q.tls_seen || q.announces_tls || q.blocked || q.contested || q.choice == LEGACY_CHOICE_REFUSED)
        g_assert_cmpint (v.action, ==, LEGACY_ACTION_REFUSE);
    }
}

static void
test_clear_garbage (void)
{
  LegacyQuestion q = { .policy = (LegacyPolicy) 77 };

  g_assert_cmpint (trust_policy_judge_clear (&q).action, ==, LEGACY_ACTION_REFUSE);
  q = (LegacyQuestion){ .policy = LEGACY_ALLOW, .mode = (TrustMode) 77 };
  g_assert_cmpint (trust_policy_judge_clear (&q).action, ==, LEGACY_ACTION_REFUSE);
  q.choice = LEGACY_CHOICE_ALLOWED;
  g_assert_cmpint (trust_policy_judge_clear (&q).action, ==, LEGACY_ACTION_REFUSE);
  q = (LegacyQuestion){ .policy = LEGACY_ALLOW, .choice = (LegacyChoice) 77 };
  g_assert_cmpint (trust_policy_judge_clear (&q).action, ==, LEGACY_ACTION_REFUSE);
  q = (LegacyQuestion){ .policy = LEGACY_ALLOW, .tls_seen = 2 };
  g_assert_cmpint (trust_policy_judge_clear (&q).action, ==, LEGACY_ACTION_REFUSE);
}

static void
test_may_send_clear (void)
{
  for (guint require = REQUIRE_INSECURE_OK; require <= REQUIRE_VERIFIED; require++)
    g_assert_cmpint (trust_policy_may_send_clear (require), ==, require < REQUIRE_ENCRYPTED);
  g_assert_false (trust_policy_may_send_clear ((Require) 77));
}

static void
test_legacy_words (void)
{
  static const char *const policies[] = { "refuse", "ask", "allow" };
  static const char *const choices[] = { "", "allowed", "refused" };
  LegacyPolicy policy = LEGACY_ALLOW;
  LegacyChoice choice = LEGACY_CHOICE_ALLOWED;

  for (guint i = 0; i < 3; i++)
    {
      g_assert_cmpstr (legacy_policy_to_string (i), ==, policies[i]);
      g_assert_true (legacy_policy_from_string (policies[i], &policy) && policy == i);
      g_assert_cmpstr (legacy_choice_to_string (i), ==, choices[i]);
      g_assert_true (legacy_choice_from_string (choices[i], &choice) && choice == i);
    }
  g_assert_false (legacy_policy_from_string ("Allow", &policy) || legacy_policy_from_string ("", &policy));
  g_assert_false (legacy_choice_from_string ("allowed ", &choice) || legacy_choice_from_string (NULL, &choice));
  g_assert_cmpstr (legacy_policy_to_string ((LegacyPolicy) 99), ==, "refuse");
  g_assert_cmpstr (legacy_choice_to_string ((LegacyChoice) 99), ==, "refused");
}

static void
test_words (void)
{
  static const char *const levels[] = { "revoked", "unknown", "pinned", "vouched", "ca", "verified" };
  static const char *const modes[] = { "ask", "tofu", "ca", "strict" };
  static const char *const requires[] = { "insecure-ok", "default", "encrypted", "pinned", "vouched", "ca", "verified" };
  TrustLevel level = TRUST_PINNED;
  TrustMode mode = TRUST_MODE_CA;
  Require require = REQUIRE_CA;

  for (guint i = 0; i < G_N_ELEMENTS (levels); i++)
    {
      g_assert_cmpstr (trust_level_to_string (i), ==, levels[i]);
      g_assert_true (trust_level_from_string (levels[i], &level) && level == i);
    }
  for (guint i = 0; i < G_N_ELEMENTS (modes); i++)
    {
      g_assert_cmpstr (trust_mode_to_string (i), ==, modes[i]);
      g_assert_true (trust_mode_from_string (modes[i], &mode) && mode == i);
    }
  for (guint i = 0; i < G_N_ELEMENTS (requires); i++)
    {
      g_assert_cmpstr (require_to_string (i), ==, requires[i]);
      g_assert_true (require_from_string (requires[i], &require) && require == i);
    }
  /* A misspelt word is no word, and the most careful one stands for what is out of range. */
  g_assert_false (trust_level_from_string ("Verified", &level) || trust_level_from_string (NULL, &level));
  g_assert_false (trust_mode_from_string ("", &mode) || trust_mode_from_string ("tofu ", &mode));
  g_assert_false (require_from_string ("verifed", &require));
  g_assert_cmpint (level, ==, TRUST_VERIFIED);
  g_assert_cmpstr (trust_level_to_string ((TrustLevel) 99), ==, "unknown");
  g_assert_cmpstr (trust_mode_to_string ((TrustMode) 99), ==, "strict");
  g_assert_cmpstr (require_to_string ((Require) 99), ==, "verified");
}

/* --- what peers say about keys ----------------------------------------------------- */

static TestimonyQuestion
testimony_number (guint n)
{
  TestimonyQuestion q = { 0 };
  gboolean *const bits[] = { &q.trusted_stream, &q.speaker_blocked, &q.distrust, &q.ours, &q.own, &q.same_contact, &q.blocked,
                             &q.refused, &q.declined, &q.asked, &q.full };

  for (guint i = 0; i < G_N_ELEMENTS (bits); i++, n /= 2)
    *bits[i] = n % 2;
  q.speaker = n % 6;
  q.level = n / 6;
  return q;
}

/* The most that words do is to ask; whoever says them is verified, was not heard in vain before, and lifts nothing. */
static void
test_testimony_whole_space (void)
{
  guint counts[4] = { 0 };

  for (guint n = 0; n < 2048 * 36; n++)
    {
      TestimonyQuestion q = testimony_number (n);
      TestimonyVerdict verdict = trust_policy_judge_testimony (&q);
      gboolean heard = q.trusted_stream && !q.speaker_blocked, verified = heard && q.speaker == TRUST_VERIFIED;
      gboolean said_no = q.blocked || q.refused || q.declined;

      g_assert_nonnull (verdict.reason);
      g_assert_true ((verdict.action == TESTIMONY_ASK)
                     == (verified && !q.distrust && !q.ours && !q.own && !q.same_contact && !said_no && !q.asked && !q.full
                         && q.level == TRUST_UNKNOWN));
      g_assert_true ((verdict.action == TESTIMONY_REVOKE) == (heard && q.distrust && q.own && q.speaker >= TRUST_PINNED));
      g_assert_true ((verdict.action == TESTIMONY_WARN) == (verified && q.distrust && !q.own && !q.ours));
      counts[verdict.action]++;
    }
  g_assert_cmpuint (counts[TESTIMONY_ASK], ==, 1);
  g_assert_cmpuint (counts[TESTIMONY_REVOKE], >, 0);
  g_assert_cmpuint (counts[TESTIMONY_WARN], >, 0);
}

static void
test_testimony_garbage (void)
{
  static const int garbage[] = { -1, 6, 77, G_MAXINT };
  TestimonyQuestion q = { .trusted_stream = TRUE, .speaker = TRUST_VERIFIED, .level = TRUST_UNKNOWN };

  g_assert_cmpint (trust_policy_judge_testimony (&q).action, ==, TESTIMONY_ASK);
  for (guint i = 0; i < G_N_ELEMENTS (garbage); i++)
    {
      TestimonyQuestion level = q, speaker = q, own = q;

      level.level = (TrustLevel) garbage[i];
      speaker.speaker = own.speaker = (TrustLevel) garbage[i];
      own.own = own.distrust = TRUE;
      g_assert_cmpint (trust_policy_judge_testimony (&level).action, ==, TESTIMONY_IGNORE);
      g_assert_cmpint (trust_policy_judge_testimony (&speaker).action, ==, TESTIMONY_IGNORE);
      g_assert_cmpint (trust_policy_judge_testimony (&own).action, ==, TESTIMONY_IGNORE);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/trust-policy/whole-input-space", test_whole_space);
  g_test_add_func ("/trust-policy/S-14-blocked-and-refused-look-the-same", test_blocked_wins);
  g_test_add_func ("/trust-policy/T-10-only-tofu-pins-only-new-names", test_pins);
  g_test_add_func ("/trust-policy/T-05-T-06-what-rests-on-chains", test_chains);
  g_test_add_func ("/trust-policy/T-11-known-name-new-key", test_name_conflict);
  g_test_add_func ("/trust-policy/direction-is-no-argument", test_direction_is_no_argument);
  g_test_add_func ("/trust-policy/garbage-is-no", test_garbage_is_no);
  g_test_add_func ("/trust-policy/may-send", test_may_send);
  g_test_add_func ("/trust-policy/clear/T-21-whole-input-space", test_clear_whole_space);
  g_test_add_func ("/trust-policy/clear/garbage-is-no", test_clear_garbage);
  g_test_add_func ("/trust-policy/clear/may-send", test_may_send_clear);
  g_test_add_func ("/trust-policy/clear/words", test_legacy_words);
  g_test_add_func ("/trust-policy/testimony/T-18-T-19-whole-input-space", test_testimony_whole_space);
  g_test_add_func ("/trust-policy/testimony/garbage-is-no", test_testimony_garbage);
  g_test_add_func ("/trust-policy/words", test_words);
  return g_test_run ();
}
