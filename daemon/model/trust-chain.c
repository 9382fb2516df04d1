/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Chains to private roots (docs/protocol.md 3.4): what of them the policy is asked, and streams that stand on one. Threat: a chain
 * is worth what the roots say today, not what they said when the stream was opened.
 */
#include "earshot-config.h"

#include "daemon/model/trust-private.h"

void
trust_ask_about_chain (TrustQuestion *question, const TrustProof *proof)
{
  question->chain_valid = proof->chain.valid;
  /* A peer's own certificate that is out of date is so whoever signed it (T-05). */
  question->chain_expired = proof->chain.expired || proof->expired;
  question->chain_revoked = proof->chain.revoked;
}

gboolean
trust_is_by_chain (Trust *trust, const Fingerprint *fp)
{
  Key *key = contacts_get_key (trust->contacts, fp);

  return key != NULL && key_get_level (key) == TRUST_CA;
}

void
trust_refuse_other_name (Trust *trust, const TrustProof *proof)
{
  Key *key = contacts_get_key (trust->contacts, &proof->fp);

  trust_record_refusal (trust, proof, key != NULL ? key_get_contact (key) : NULL, TRUST_CA, "other-name");
}

gboolean
trust_still_admits (Trust *trust, const TrustProof *proof)
{
  Key *key = contacts_get_key (trust->contacts, &proof->fp);
  TrustQuestion question = { .mode = trust->mode, .inbound = proof->inbound };
  TrustAction action;

  if (key == NULL)
    return FALSE;
  question.blocked = contact_is_blocked (key_get_contact (key));
  question.refused = key_is_refused (key);
  question.level = key_get_level (key);
  question.name_seen = TRUE;
  trust_ask_about_chain (&question, proof);
  action = trust_policy_judge (&question).action;
  return action != TRUST_ACTION_REFUSE && action != TRUST_ACTION_REFUSE_EXPIRED;
}
