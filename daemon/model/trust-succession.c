/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SECURITY CRITICAL: the one way in which a peer's word raises a level without anybody being asked (docs/protocol.md 3.5, T-13).
 *
 * Threat: a stranger wants to be somebody's heir. It starts from no and passes every check twice, when it is asked and when its turn to
 * be written has come. What the words are worth was checked before: the statement is signed by the old key, and its heir
 * authenticated the stream. Who has a private key is the person; a thief of it can name an heir, and no check here can tell.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/model/trust-private.h"

/* Whoever left its old key to this one long ago says it again when the answer got lost. */
static gboolean
is_done_already (Trust *trust, const Fingerprint *old_fp, const Fingerprint *new_fp)
{
  Key *old = contacts_get_key (trust->contacts, old_fp), *new = contacts_get_key (trust->contacts, new_fp);

  return old != NULL && new != NULL && key_get_contact (old) == key_get_contact (new) && key_get_level (new) >= TRUST_PINNED
         && key_get_replacement (old) != NULL && fingerprint_equal (key_get_replacement (old), new_fp);
}

const char *
trust_why_no_heir (Trust *trust, const Fingerprint *old_fp, const Fingerprint *new_fp)
{
  Key *old = contacts_get_key (trust->contacts, old_fp), *new = contacts_get_key (trust->contacts, new_fp);

  /* 1. Only who is trusted can leave that to somebody … */
  if (old == NULL)
    return "old-key-unknown";
  /* 2. … "blocked always wins" … */
  if (contact_is_blocked (key_get_contact (old)))
    return "blocked";
  /* 3. … and only once: "a replayed or chained one does not". */
  if (key_get_replacement (old) != NULL)
    return "replaced-already";
  if (key_get_level (old) == TRUST_REVOKED || key_is_refused (old))
    return "old-key-revoked";
  /* 4. A level that a chain gave is the issuer's to give again. */
  if (key_get_level (old) == TRUST_CA)
    return "by-chain";
  if (key_get_level (old) < TRUST_PINNED)
    return "old-key-not-trusted";
  /* 5. Nothing may ever have been decided about the heir: what a person said no to does not come back this way, and whom a person, or a
   * chain, made somebody else stays that. */
  if (new == NULL)
    return "new-key-unknown";
  if (contact_is_blocked (key_get_contact (new)))
    return "blocked";
  if (key_is_refused (new))
    return "new-key-refused";
  if (key_get_level (new) == TRUST_REVOKED || key_get_replacement (new) != NULL)
    return "new-key-revoked";
  if (key_get_level (new) != TRUST_UNKNOWN)
    return "decided-already";
  if (trust_store_was_forgotten (trust->store, new_fp))
    return "new-key-forgotten";
  return NULL;
}

void
trust_refuse_succession (Trust *trust, const Fingerprint *old_fp, const TrustProof *proof, const char *why)
{
  Key *old = contacts_get_key (trust->contacts, old_fp), *new = contacts_get_key (trust->contacts, &proof->fp);
  g_autofree char *old_hex = fingerprint_to_hex (old_fp);
  g_autofree char *new_hex = fingerprint_to_hex (&proof->fp);
  g_autofree char *name = log_safe (proof->addr);
  g_autofree char *verdict = g_strdup_printf ("succession: %s, of %s", why, old_hex);

  log_event (G_LOG_LEVEL_WARNING, "trust", old != NULL ? contact_get_id (key_get_contact (old)) : 0, 0, why,
             "key %.16s as %s says that it takes the place of %.16s: refused", new_hex, name, old_hex);
  trust_record_refusal (trust, proof, old != NULL ? key_get_contact (old) : NULL,
                        new != NULL ? key_get_level (new) : TRUST_UNKNOWN, verdict);
}

/* The heir into the contact, at the level of the old key, which is revoked in its favour. */
void
decide_succession (Decision *decision, Key *old, Key *new)
{
  Contact *contact = key_get_contact (old), *from = key_get_contact (new);
  guint32 warned_by, introduced_by;
  Fingerprint introducer;
  KeyRow *row;

  decide_contact (decision, contact)->stored = TRUE;
  row = decide_key (decision, old);
  warned_by = row->warned_by;
  introduced_by = row->introduced_by;
  introducer = row->introducer;
  key_row_set_level (row, TRUST_REVOKED, key_get_source (old));
  row->grant_owed = FALSE;
  row->has_replacement = TRUE;
  row->replaced_by = *key_get_fingerprint (new);
  row = decide_key (decision, new);
  row->contact = contact_get_id (contact);
  row->grant_owed = TRUE;
  key_row_set_level (row, key_get_level (old), "succession");
  /* What stands beside the level goes along with it: who has the old key may be the very one that others warned about. */
  row->warned_by = warned_by;
  row->introduced_by = introduced_by;
  row->introducer = introducer;
  if (from != contact && contact_is_stored (from))
    decision->moves_from = contact_get_id (from);
  else if (from != contact && contact_get_keys (from)->len == 1)
    decision->emptied = contact_get_id (from);
}

/* Modes that ask. */
static gboolean
asks (Trust *trust)
{
  return trust->mode == TRUST_MODE_STRICT || trust->mode == TRUST_MODE_CA;
}

/* What was said beforehand needs no second key, only another number each time: who may say it must not be able to fill the room of all
 * strangers with it. More than one is shown, for two heirs of one key are news. */
static gboolean
names_too_many (Trust *trust, const Fingerprint *old_fp, const Fingerprint *new_fp)
{
  GHashTableIter iter;
  gpointer value;
  guint others = 0;

  g_hash_table_iter_init (&iter, trust->requests);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const Request *request = value;

      others += request->row.is_heir && fingerprint_equal (&request->row.predecessor, old_fp)
                && !fingerprint_equal (&request->row.fp, new_fp);
    }
  return others >= TRUST_HEIRS_EACH;
}

/* Into the question about the heir, which is that of a friend's name under another key. FALSE: there is no room for one. */
static gboolean
ask_about_heir (Trust *trust, const Fingerprint *old_fp, const TrustProof *proof)
{
  Contact *contact = key_get_contact (contacts_get_key (trust->contacts, old_fp)), *contested = NULL;
  Key *key = contacts_prove_key (trust->contacts, &proof->fp, proof->addr, 0, &contested);
  Request *request;

  /* The name it came under may be nobody's yet, or another's: the old key says whose heir it is. */
  if (key == NULL || key_get_contact (key) == contact)
    return FALSE;
  trust_raise_request (trust, "name-conflict", key, proof, contact);
  request = trust_find_request (trust, &proof->fp);
  if (request == NULL || request->resolving)
    return FALSE;
  request->row.is_heir = TRUE;
  request->row.predecessor = *old_fp;
  trust_keep_request (trust, request);
  return TRUE;
}

void
trust_expect_heir (Trust *trust, const Fingerprint *old_fp, const TrustProof *proof, DoneFunc done, gpointer user)
{
  const char *why = trust_why_no_heir (trust, old_fp, &proof->fp);

  /* Its own stream will show it. */
  if (why != NULL && strcmp (why, "new-key-unknown") == 0)
    why = NULL;
  if (why == NULL && asks (trust) && names_too_many (trust, old_fp, &proof->fp))
    why = "too-many-heirs";
  if (why == NULL && asks (trust) && !ask_about_heir (trust, old_fp, proof))
    why = "no-room";
  if (why != NULL)
    trust_refuse_succession (trust, old_fp, proof, why);
  trust_report (done, user, why != NULL ? EARSHOT_ERROR_NOT_TRUSTED : -1, "%s", why != NULL ? why : "");
}

/* Each heir is a key that is kept for ever, and a record. One who is nobody's friend any more could leave to the next one all day long. */
static gboolean
changes_too_often (Key *old)
{
  const GPtrArray *keys = contact_get_keys (key_get_contact (old));
  gint64 since = g_get_real_time () - G_TIME_SPAN_DAY;
  guint count = 0;

  for (guint i = 0; i < keys->len; i++)
    count += key_get_replacement (keys->pdata[i]) != NULL && key_get_since (keys->pdata[i]) > since;
  return count >= TRUST_HEIRS_A_DAY;
}

void
trust_succeed (Trust *trust, const Fingerprint *old_fp, const TrustProof *proof, DoneFunc done, gpointer user)
{
  const char *why = trust_why_no_heir (trust, old_fp, &proof->fp);
  Key *old = contacts_get_key (trust->contacts, old_fp), *new = contacts_get_key (trust->contacts, &proof->fp);
  Request *request = trust_find_request (trust, &proof->fp);
  g_autofree char *hex = fingerprint_to_hex (old_fp);
  g_autofree char *verdict = NULL;
  Decision *decision;

  if (is_done_already (trust, old_fp, &proof->fp))
    {
      trust_report (done, user, -1, "%s", "");
      return;
    }
  if (why != NULL || asks (trust)) /* "`strict` asks" */
    {
      trust_expect_heir (trust, old_fp, proof, done, user);
      return;
    }
  if (request != NULL && request->resolving)
    {
      trust_report (done, user, EARSHOT_ERROR_ALREADY_RESOLVED, "This key is being decided about right now");
      return;
    }
  if (changes_too_often (old))
    {
      trust_refuse_succession (trust, old_fp, proof, "too-often");
      trust_report (done, user, EARSHOT_ERROR_QUOTA_EXCEEDED, "This contact changed its key too often today");
      return;
    }
  decision = decision_new (trust, done, user);
  decide_subject (decision, &proof->fp);
  decision->succeeds = TRUE;
  decision->predecessor = *old_fp;
  decision->subject_contact = contact_get_id (key_get_contact (old));
  decide_request (decision, request);
  decide_succession (decision, old, new);
  verdict = g_strdup_printf ("%s, from %s", trust_level_to_string (key_get_level (old)), hex);
  decide (decision, "succession", verdict, "peer");
}
