/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/proto/trust-policy.h"

#include <string.h>

/* Threat: everything about the other end except its key is chosen by a stranger, and what is stored
 * may come from a damaged or doctored disk. So each function starts from "no", a value outside
 * its enum is a no, and only a numbered check below turns it into anything else. */

static const char *const level_words[] = {
  [TRUST_REVOKED] = "revoked", [TRUST_UNKNOWN] = "unknown", [TRUST_PINNED] = "pinned",
  [TRUST_VOUCHED] = "vouched", [TRUST_CA] = "ca",           [TRUST_VERIFIED] = "verified",
};

static const char *const mode_words[] = {
  [TRUST_MODE_ASK] = "ask",
  [TRUST_MODE_TOFU] = "tofu",
  [TRUST_MODE_CA] = "ca",
  [TRUST_MODE_STRICT] = "strict",
};

static const char *const require_words[] = {
  [REQUIRE_INSECURE_OK] = "insecure-ok", [REQUIRE_DEFAULT] = "default", [REQUIRE_ENCRYPTED] = "encrypted",
  [REQUIRE_PINNED] = "pinned",           [REQUIRE_VOUCHED] = "vouched", [REQUIRE_CA] = "ca",
  [REQUIRE_VERIFIED] = "verified",
};

static const char *const legacy_words[] = {
  [LEGACY_REFUSE] = "refuse",
  [LEGACY_ASK] = "ask",
  [LEGACY_ALLOW] = "allow",
};

static const char *const choice_words[] = {
  [LEGACY_CHOICE_NONE] = "",
  [LEGACY_CHOICE_ALLOWED] = "allowed",
  [LEGACY_CHOICE_REFUSED] = "refused",
};

static TrustVerdict
verdict (TrustAction action, TrustAsk ask, const char *reason)
{
  return (TrustVerdict){ .action = action, .ask = ask, .reason = reason };
}

/* The key is stored at pinned or above. The name it comes under does not matter: a known
 * key under a new name is usable, the handshake proved it (docs/protocol.md 1.3). */
static TrustVerdict
judge_trusted (const TrustQuestion *q)
{
  /* 5. A level that rests on a chain lasts as long as the chain does, in every mode. */
  if (q->level == TRUST_CA && !q->chain_valid)
    return verdict (TRUST_ACTION_REFUSE, TRUST_ASK_NOTHING, "no-chain");

  /* 6. Trusted by a person's word or by a chain: in. */
  return verdict (TRUST_ACTION_ADMIT, TRUST_ASK_NOTHING, level_words[q->level]);
}

/* First sight of a key: by mode (docs/protocol.md 3.4, table row "unknown"). */
static TrustVerdict
judge_unknown (const TrustQuestion *q)
{
  switch (q->mode)
    {
    case TRUST_MODE_CA:
      /* 7. "A new key with a valid chain for the same JID joins at `ca` with a notice and never
       * inherits `verified`" (3.5): the chain, not the name, is the proof. Without one: refuse. */
      if (q->chain_valid && q->name_known)
        return verdict (TRUST_ACTION_JOIN_CA, TRUST_ASK_NAME_CONFLICT, "ca-new-key");
      if (q->chain_valid)
        return verdict (TRUST_ACTION_JOIN_CA, TRUST_ASK_NOTHING, "ca");
      if (q->name_known)
        return verdict (TRUST_ACTION_REFUSE, TRUST_ASK_NAME_CONFLICT, "name-conflict");
      return verdict (TRUST_ACTION_REFUSE, TRUST_ASK_NOTHING, "no-chain");

    case TRUST_MODE_STRICT:
      /* 8. Strict lets nobody in unasked; that somebody uses a friend's name is told all the same (T-11). */
      if (q->name_known)
        return verdict (TRUST_ACTION_REFUSE, TRUST_ASK_NAME_CONFLICT, "name-conflict");
      return verdict (TRUST_ACTION_REFUSE, TRUST_ASK_NOTHING, "strict");

    case TRUST_MODE_TOFU:
      /* 9. "Known name, new key: … the new key is `unknown`, never auto-pinned even under `tofu`" (3.5). */
      if (q->name_known)
        return verdict (TRUST_ACTION_RESTRICT, TRUST_ASK_NAME_CONFLICT, "name-conflict");
      /* 10. "`tofu` pins only keys of never-seen names" (T-10). */
      if (q->name_seen)
        return verdict (TRUST_ACTION_RESTRICT, TRUST_ASK_NEW_KEY, "name-seen");
      /* 10a. Announcements satisfy no pin, but whoever answers with another key than the one announced may be in the middle: that
       * leap of faith is for people (1.3). */
      if (q->hint_differs)
        return verdict (TRUST_ACTION_RESTRICT, TRUST_ASK_NEW_KEY, "announced-other");
      return verdict (TRUST_ACTION_PIN, TRUST_ASK_NOTHING, "first-use");

    case TRUST_MODE_ASK:
      /* 11. "`ask` pins nothing by itself" (T-10), in both directions. */
      if (q->name_known)
        return verdict (TRUST_ACTION_RESTRICT, TRUST_ASK_NAME_CONFLICT, "name-conflict");
      return verdict (TRUST_ACTION_RESTRICT, TRUST_ASK_NEW_KEY, "new-key");
    }
  return verdict (TRUST_ACTION_REFUSE, TRUST_ASK_NOTHING, "policy");
}

/* Whether the peer called us or we called it makes no difference to any rule; `inbound` is in the question
 * because it belongs to the log line beside the verdict. */
TrustVerdict
trust_policy_judge (const TrustQuestion *q)
{
  /* 1. "Blocked always wins." */
  if (q->blocked)
    return verdict (TRUST_ACTION_REFUSE, TRUST_ASK_NOTHING, "blocked");

  /* 2. A revoked key never comes back by itself. */
  if (q->level == TRUST_REVOKED)
    return verdict (TRUST_ACTION_REFUSE, TRUST_ASK_NOTHING, "revoked");

  /* 3. The user said no to this key, and is not asked again. It outweighs a stored level: they
   * can not both be right, and the default is to refuse. */
  if (q->refused)
    return verdict (TRUST_ACTION_REFUSE, TRUST_ASK_NOTHING, "refused");

  /* 4. "Pin mode ignores dates; CA mode enforces dates" (3.2), also for a pinned key (T-05). */
  if (q->mode == TRUST_MODE_CA && q->chain_expired)
    return verdict (TRUST_ACTION_REFUSE_EXPIRED, TRUST_ASK_NOTHING, "expired");

  /* 4a. "CA mode enforces ... local CRL files" (3.2), also for a pinned key. */
  if (q->mode == TRUST_MODE_CA && q->chain_revoked)
    return verdict (TRUST_ACTION_REFUSE, TRUST_ASK_NOTHING, "chain-revoked");

  switch (q->level)
    {
    case TRUST_PINNED:
    case TRUST_VOUCHED:
    case TRUST_CA:
    case TRUST_VERIFIED:
      return judge_trusted (q);
    case TRUST_UNKNOWN:
      return judge_unknown (q);
    case TRUST_REVOKED:
      break;
    }
  return verdict (TRUST_ACTION_REFUSE, TRUST_ASK_NOTHING, "policy");
}

gboolean
trust_policy_may_send (TrustLevel level, gboolean blocked, Require require)
{
  if (blocked || level < TRUST_PINNED || level > TRUST_VERIFIED)
    return FALSE;
  switch (require)
    {
    case REQUIRE_INSECURE_OK:
    case REQUIRE_DEFAULT:
    case REQUIRE_ENCRYPTED:
    case REQUIRE_PINNED:
      return TRUE;
    case REQUIRE_VOUCHED:
      return level >= TRUST_VOUCHED;
    case REQUIRE_CA:
      return level >= TRUST_CA;
    case REQUIRE_VERIFIED:
      return level >= TRUST_VERIFIED;
    }
  return FALSE;
}

/* --- what peers say about keys (docs/protocol.md 3.7) ------------------------- */

static TestimonyVerdict
testimony (TestimonyAction action, const char *reason)
{
  return (TestimonyVerdict){ .action = action, .reason = reason };
}

static TestimonyVerdict
judge_distrust (const TestimonyQuestion *q)
{
  /* 3. "`<distrust>` of the sender's own key revokes it": whoever holds a key may give it up, and nobody else can have said it. A
   * key that was never trusted has nothing to give up, and strangers must not fill the store. */
  if (q->own)
    return q->speaker >= TRUST_PINNED && q->speaker <= TRUST_VERIFIED ? testimony (TESTIMONY_REVOKE, "own-key")
                                                                      : testimony (TESTIMONY_IGNORE, "speaker-not-trusted");

  /* 4. "Heeded only from `verified` peers." */
  if (q->speaker != TRUST_VERIFIED)
    return testimony (TESTIMONY_IGNORE, "speaker-not-verified");
  if (q->ours)
    return testimony (TESTIMONY_IGNORE, "our-key");

  /* 5. "Of others it only warns." */
  return testimony (TESTIMONY_WARN, "distrusted");
}

TestimonyVerdict
trust_policy_judge_testimony (const TestimonyQuestion *q)
{
  /* 1. A restricted stream carries no word about anybody (3.4), and a stranger none that counts. */
  if (!q->trusted_stream)
    return testimony (TESTIMONY_IGNORE, "stream-not-trusted");

  /* 2. "Blocked always wins." */
  if (q->speaker_blocked)
    return testimony (TESTIMONY_IGNORE, "speaker-blocked");

  if (q->distrust)
    return judge_distrust (q);

  /* 6. "Heeded only from `verified` peers, depth 1": whom others vouch for vouches for nobody. */
  if (q->speaker != TRUST_VERIFIED)
    return testimony (TESTIMONY_IGNORE, "speaker-not-verified");

  /* 7. Nobody needs to be told who we are, and nobody says who he is himself. */
  if (q->ours)
    return testimony (TESTIMONY_IGNORE, "our-key");
  if (q->own || q->same_contact)
    return testimony (TESTIMONY_IGNORE, "speakers-own-key");

  /* 8. What a person said about this key stands: no block is lifted and no answer asked for again. */
  if (q->blocked)
    return testimony (TESTIMONY_IGNORE, "blocked");
  if (q->refused)
    return testimony (TESTIMONY_IGNORE, "refused");
  switch (q->level)
    {
    case TRUST_UNKNOWN:
      break;
    case TRUST_PINNED:
    case TRUST_VOUCHED:
    case TRUST_CA:
    case TRUST_VERIFIED:
      /* 9. Nothing is raised that is trusted, and nothing lowered. */
      return testimony (TESTIMONY_IGNORE, "known");
    case TRUST_REVOKED:
      return testimony (TESTIMONY_IGNORE, "revoked");
    }
  if (q->level != TRUST_UNKNOWN)
    return testimony (TESTIMONY_IGNORE, "policy");
  if (q->declined)
    return testimony (TESTIMONY_IGNORE, "declined");
  if (q->asked)
    return testimony (TESTIMONY_IGNORE, "asked");

  /* 10. One person's attention is what a turned friend would eat up. */
  if (q->full)
    return testimony (TESTIMONY_IGNORE, "too-many");
  return testimony (TESTIMONY_ASK, "introduction");
}

/* --- in clear (docs/protocol.md 3.9) ----------------------------------------- */

static LegacyVerdict
clear_verdict (LegacyAction action, const char *reason)
{
  return (LegacyVerdict){ .action = action, .reason = reason };
}

LegacyVerdict
trust_policy_judge_clear (const LegacyQuestion *q)
{
  /* 1. "Blocked always wins." */
  if (q->blocked)
    return clear_verdict (LEGACY_ACTION_REFUSE, "blocked");

  /* 2. "Never for a name or contact that ever had TLS": whoever strips STARTTLS looks just like a legacy peer. No switch and
   * no choice outweighs it (T-21). */
  if (q->tls_seen)
    return clear_verdict (LEGACY_ACTION_REFUSE, "tls-seen");

  /* 3. It says itself that it speaks TLS. A claim, but this one may only ever refuse. */
  if (q->announces_tls)
    return clear_verdict (LEGACY_ACTION_REFUSE, "tls-announced");

  /* 4. Without keys nobody can tell two of one name apart. */
  if (q->contested)
    return clear_verdict (LEGACY_ACTION_REFUSE, "name-contested");

  /* 5. A person said something about this one. */
  switch (q->choice)
    {
    case LEGACY_CHOICE_REFUSED:
      return clear_verdict (LEGACY_ACTION_REFUSE, "refused");
    case LEGACY_CHOICE_ALLOWED:
      if (q->mode <= TRUST_MODE_STRICT)
        return clear_verdict (LEGACY_ACTION_ADMIT, "allowed");
      return clear_verdict (LEGACY_ACTION_REFUSE, "policy");
    case LEGACY_CHOICE_NONE:
      break;
    }
  if (q->choice != LEGACY_CHOICE_NONE)
    return clear_verdict (LEGACY_ACTION_REFUSE, "policy");

  /* 6. Nobody gets in unasked where the user, or a chain, lets people in. */
  if (q->mode != TRUST_MODE_ASK && q->mode != TRUST_MODE_TOFU)
    return clear_verdict (LEGACY_ACTION_REFUSE, q->mode <= TRUST_MODE_STRICT ? "strict" : "policy");

  /* 7. The switch. */
  switch (q->policy)
    {
    case LEGACY_ASK:
      return clear_verdict (LEGACY_ACTION_ASK, "legacy-peer");
    case LEGACY_ALLOW:
      return clear_verdict (LEGACY_ACTION_ADMIT, "policy-allow");
    case LEGACY_REFUSE:
      break;
    }
  return clear_verdict (LEGACY_ACTION_REFUSE, "policy");
}

gboolean
trust_policy_may_send_clear (Require require)
{
  return require == REQUIRE_INSECURE_OK || require == REQUIRE_DEFAULT;
}

/* --- words --------------------------------------------------------------------- */

static const char *
word_of (const char *const *words, guint n_words, guint value, const char *otherwise)
{
  return value < n_words ? words[value] : otherwise;
}

static gboolean
value_of (const char *const *words, guint n_words, const char *text, guint *out)
{
  for (guint i = 0; text != NULL && i < n_words; i++)
    if (strcmp (words[i], text) == 0)
      {
        *out = i;
        return TRUE;
      }
  return FALSE;
}

const char *
trust_level_to_string (TrustLevel level)
{
  return word_of (level_words, G_N_ELEMENTS (level_words), level, "unknown");
}

gboolean
trust_level_from_string (const char *text, TrustLevel *out)
{
  guint value;
  if (!value_of (level_words, G_N_ELEMENTS (level_words), text, &value))
    return FALSE;
  *out = (TrustLevel) value;
  return TRUE;
}

const char *
trust_mode_to_string (TrustMode mode)
{
  return word_of (mode_words, G_N_ELEMENTS (mode_words), mode, "strict");
}

gboolean
trust_mode_from_string (const char *text, TrustMode *out)
{
  guint value;
  if (!value_of (mode_words, G_N_ELEMENTS (mode_words), text, &value))
    return FALSE;
  *out = (TrustMode) value;
  return TRUE;
}

const char *
legacy_policy_to_string (LegacyPolicy policy)
{
  return word_of (legacy_words, G_N_ELEMENTS (legacy_words), policy, "refuse");
}

gboolean
legacy_policy_from_string (const char *text, LegacyPolicy *out)
{
  guint value;
  if (!value_of (legacy_words, G_N_ELEMENTS (legacy_words), text, &value))
    return FALSE;
  *out = (LegacyPolicy) value;
  return TRUE;
}

const char *
legacy_choice_to_string (LegacyChoice choice)
{
  return word_of (choice_words, G_N_ELEMENTS (choice_words), choice, "refused");
}

gboolean
legacy_choice_from_string (const char *text, LegacyChoice *out)
{
  guint value;
  if (!value_of (choice_words, G_N_ELEMENTS (choice_words), text, &value))
    return FALSE;
  *out = (LegacyChoice) value;
  return TRUE;
}

const char *
require_to_string (Require require)
{
  return word_of (require_words, G_N_ELEMENTS (require_words), require, "verified");
}

gboolean
require_from_string (const char *text, Require *out)
{
  guint value;
  if (!value_of (require_words, G_N_ELEMENTS (require_words), text, &value))
    return FALSE;
  *out = (Require) value;
  return TRUE;
}
