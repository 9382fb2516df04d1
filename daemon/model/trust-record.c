/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the audit is told. A decision's record lies in the change that makes it true; here are the words for it, and the records of
 * what was not done. A stranger's words come last in `inputs`, so that nothing behind them is ours.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/model/trust-private.h"

/* Knocking costs a stranger nothing: it must not push out what people decided (100 000 records last half a year and more at this
 * pace). The journal has all of them. Who speaks no TLS is one refused program that tries again and again: it has a pace of its own. */
const Pace trust_refusal_pace = { .window = G_TIME_SPAN_HOUR, .max = 16 };
const Pace trust_clear_refusal_pace = { .window = G_TIME_SPAN_HOUR, .max = 4 };
const Pace trust_testimony_pace = { .window = G_TIME_SPAN_HOUR, .max = 16 };

static void
record_refusal (Trust *trust, Refusals *refusals, const char *fp, Contact *contact, const char *about, const char *link,
                const char *name, const char *verdict)
{
  gint64 now = g_get_monotonic_time ();
  g_autofree char *safe_link = log_safe (link);
  g_autofree char *safe_name = log_safe (name);
  g_autofree char *inputs = NULL;
  TrustChange *change;

  if (pace_due (&refusals->pace, now) > now)
    {
      refusals->left_out++;
      return;
    }
  pace_note (&refusals->pace, now);
  inputs = g_strdup_printf ("%s left-out=%u link=%s name=%s", about, refusals->left_out, safe_link, safe_name);
  refusals->left_out = 0;
  change = trust_change_new ();
  trust_change_audit (change, &(AuditEntry){ .event = "refused", .fp = fp, .inputs = inputs, .verdict = verdict,
                                             .contact = contact != NULL ? contact_get_id (contact) : 0, .caller = "peer" });
  trust_store_apply (trust->store, change, NULL, NULL);
}

void
trust_record_refusal (Trust *trust, const TrustProof *proof, Contact *contact, TrustLevel level, const char *verdict)
{
  g_autofree char *hex = fingerprint_to_hex (&proof->fp);
  const char *chain = trust->mode == TRUST_MODE_CA || level == TRUST_CA ? proof->chain.word : NULL;
  g_autofree char *about = g_strdup_printf ("direction=%s mode=%s level=%s%s%s", proof->inbound ? "in" : "out",
                                            trust_mode_to_string (trust->mode), trust_level_to_string (level),
                                            chain != NULL ? " chain=" : "", chain != NULL ? chain : "");

  record_refusal (trust, &trust->refusals, hex, contact, about, proof->link, proof->addr, verdict);
}

void
trust_record_clear_refusal (Trust *trust, Contact *contact, const char *addr, const char *link, const LegacyQuestion *question,
                            const char *verdict)
{
  g_autofree char *about =
    g_strdup_printf ("direction=%s clear=yes mode=%s legacy=%s said=%s blocked=%s tls-seen=%s", question->inbound ? "in" : "out",
                     trust_mode_to_string (trust->mode), legacy_policy_to_string (question->policy),
                     legacy_choice_to_string (question->choice), question->blocked ? "yes" : "no",
                     question->tls_seen ? "yes" : "no");

  record_refusal (trust, &trust->clear_refusals, NULL, contact, about, link, addr, verdict);
}

void
trust_record_testimony (Trust *trust, const char *event, const Fingerprint *fp, Contact *from, Key *by, const char *words,
                        const char *verdict)
{
  gint64 now = g_get_monotonic_time ();
  g_autofree char *hex = fp != NULL ? fingerprint_to_hex (fp) : by != NULL ? fingerprint_to_hex (key_get_fingerprint (by)) : NULL;
  g_autofree char *inputs = NULL;
  TrustChange *change;

  if (pace_due (&trust->testimonies.pace, now) > now)
    {
      trust->testimonies.left_out++;
      return;
    }
  pace_note (&trust->testimonies.pace, now);
  inputs = g_strdup_printf ("left-out=%u %s", trust->testimonies.left_out, words);
  log_event (G_LOG_LEVEL_MESSAGE, "trust", contact_get_id (from), 0, verdict, "%s, key %.16s: %s (%s)", event, hex != NULL ? hex : "", verdict,
             inputs);
  trust->testimonies.left_out = 0;
  change = trust_change_new ();
  trust_change_audit (change, &(AuditEntry){ .event = event, .fp = hex, .contact = contact_get_id (from), .inputs = inputs,
                                             .verdict = verdict, .caller = "peer" });
  trust_store_apply (trust->store, change, NULL, NULL);
}

void
trust_record_introduced (Trust *trust, Contact *to, const Fingerprint *fp, const char *caller)
{
  g_autofree char *hex = fingerprint_to_hex (fp);
  TrustChange *change = trust_change_new ();

  trust_change_audit (change, &(AuditEntry){ .event = "introduce", .fp = hex, .contact = contact_get_id (to), .verdict = "queued",
                                             .caller = caller });
  trust_store_apply (trust->store, change, NULL, NULL);
}

void
trust_record_denied (Trust *trust, const char *event, const Fingerprint *fp, guint32 contact, const GError *error,
                     const char *caller)
{
  g_autofree char *hex = fp != NULL ? fingerprint_to_hex (fp) : NULL;
  g_autofree char *inputs = g_strconcat ("wanted=", event, NULL);
  const char *word = error->domain == EARSHOT_ERROR ? earshot_error_name ((EarshotError) error->code) : "Failed";
  g_autofree char *who = log_safe (caller);
  TrustChange *change = trust_change_new ();

  log_event (G_LOG_LEVEL_MESSAGE, "trust", contact, 0, word, "%s denied to %s: %s", event, who, word);
  trust_change_audit (change, &(AuditEntry){ .event = "denied", .fp = hex, .contact = contact, .inputs = inputs, .verdict = word,
                                             .caller = caller });
  trust_store_apply (trust->store, change, NULL, NULL);
}

void
trust_record (Trust *trust, const char *event, const char *inputs, const char *verdict, const char *caller)
{
  TrustChange *change = trust_change_new ();

  trust_change_audit (change, &(AuditEntry){ .event = event, .inputs = inputs, .verdict = verdict, .caller = caller });
  trust_store_apply (trust->store, change, NULL, NULL);
}

static void
describe_key (GString *out, const KeyRow *wanted, const KeyRow *before)
{
  g_autofree char *hex = fingerprint_to_hex (&wanted->fp);

  if (wanted->warned_by != before->warned_by && wanted->warned_by != 0)
    g_string_append_printf (out, "warned-by=%u ", wanted->warned_by);
  if (wanted->level == before->level && wanted->refused == before->refused && wanted->contact == before->contact)
    return;
  g_string_append_printf (out, "key=%.16s level=%s", hex, trust_level_to_string (before->level));
  if (wanted->level != before->level || wanted->since != before->since)
    g_string_append_printf (out, ">%s source=%s", trust_level_to_string (wanted->level), wanted->source);
  if (wanted->refused != before->refused)
    g_string_append_printf (out, " refused=%s", wanted->refused ? "yes" : "no");
  if (wanted->contact != before->contact && before->contact != 0)
    g_string_append_printf (out, " contact=%u>%u", before->contact, wanted->contact);
  g_string_append_c (out, ' ');
}

char *
decision_dup_inputs (Decision *decision)
{
  GString *out = g_string_new (NULL);
  Request *request = decision->request != 0 ? trust_get_request (decision->trust, decision->request) : NULL;
  const char *petname = NULL;

  for (guint i = 0; i < decision->contacts->len; i++)
    {
      const ContactRow *wanted = &g_array_index (decision->contacts, ContactRow, i);
      const ContactRow *before = &g_array_index (decision->contacts_before, ContactRow, i);

      if (wanted->blocked != before->blocked)
        g_string_append_printf (out, "blocked=%s>%s ", before->blocked ? "yes" : "no", wanted->blocked ? "yes" : "no");
      if (wanted->legacy != before->legacy)
        g_string_append_printf (out, "legacy=%s>%s ", legacy_choice_to_string (before->legacy),
                                legacy_choice_to_string (wanted->legacy));
      if (g_strcmp0 (wanted->petname, before->petname) != 0)
        petname = wanted->petname;
    }
  for (guint i = 0; i < decision->keys->len; i++)
    describe_key (out, &g_array_index (decision->keys, KeyRow, i), &g_array_index (decision->keys_before, KeyRow, i));
  if (!decision->release)
    g_string_append (out, "release=no ");
  if (petname != NULL && *petname != '\0')
    {
      g_autofree char *safe = log_safe (petname);

      g_string_append_printf (out, "petname=%s ", safe);
    }
  if (request != NULL)
    {
      g_autofree char *link = log_safe (request->row.link);
      g_autofree char *name = log_safe (request->row.name);

      if (request_is_introduction (request))
        {
          g_autofree char *by = fingerprint_to_hex (&request->row.introducer);

          g_string_append_printf (out, "by=%.16s ", by);
        }
      g_string_append_printf (out, "request=%s link=%s name=%s", request->row.kind, link, name);
    }
  g_strchomp (out->str);
  return g_string_free (out, FALSE);
}
