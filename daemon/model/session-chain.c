/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Streams and the private roots: the chain a peer showed, judged for the name it goes by. Threat: whoever has a chain for one name
 * would like to be let in by it under another.
 */
#include "earshot-config.h"

#include "daemon/base/log.h"
#include "daemon/model/session-private.h"

RootsVerdict
session_judge_chain (Session *session, const char *addr)
{
  Roots *roots = session->sessions->config.roots;
  const gnutls_datum_t *chain;
  guint n;

  if (roots == NULL || session->tls == NULL)
    return (RootsVerdict){ .valid = FALSE };
  chain = tls_get_peer_chain (session->tls, &n);
  return roots_judge (roots, chain, n, addr);
}

/* Whom we called has a name at last, or another one than we called it by. Who is in for the sake of a chain is the one it names. */
gboolean
session_on_accept_addr (gpointer user, const char *addr)
{
  Session *session = user;
  TrustProof proof = { .fp = session->fp, .addr = addr, .link = session->ifname, .inbound = session->inbound };

  if (session->probe != NULL || !trust_is_by_chain (session->sessions->config.trust, &session->fp))
    return TRUE;
  proof.chain = session_judge_chain (session, addr);
  session->other_name = !proof.chain.valid;
  if (!proof.chain.valid)
    {
      log_event (G_LOG_LEVEL_WARNING, "session", 0, session->id, proof.chain.word, "it calls itself what its chain does not");
      trust_refuse_other_name (session->sessions->config.trust, &proof);
    }
  return proof.chain.valid;
}

void
sessions_review_chains (Sessions *sessions)
{
  g_autoptr (GPtrArray) affected = g_ptr_array_new_with_free_func ((GDestroyNotify) session_unref);

  for (guint i = 0; i < sessions->all->len; i++)
    {
      Session *session = g_ptr_array_index (sessions->all, i);
      TrustProof proof;

      if (!session->open || session->stream == NULL || session->tls == NULL)
        continue;
      proof = (TrustProof){ .fp = session->fp, .addr = session->claimed, .inbound = session->inbound,
                            .expired = tls_peer_is_expired (session->tls),
                            .chain = session_judge_chain (session, session->claimed) };
      if (!trust_still_admits (sessions->config.trust, &proof))
        g_ptr_array_add (affected, session_ref (session));
    }
  for (guint i = 0; i < affected->len; i++)
    {
      Session *session = g_ptr_array_index (affected, i);

      session_fail_fallen (session);
    }
}
