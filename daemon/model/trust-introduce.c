/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What peers say about keys (docs/protocol.md 3.7). Threat: a friend who turned, or whose machine was broken into, says what it likes
 * about anybody, a thousand times. SECURITY CRITICAL: gathers what the policy must know and asks it. The most that follows is a
 * question to the user, TRUST_INTRODUCTIONS_EACH of one speaker; only the user's answer raises anything, and only to `vouched`.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/model/trust-private.h"

#define EVENT "introduction"

/* --- open questions ----------------------------------------------------------- */

static Request *
find_introduction (Trust *trust, const Fingerprint *by, const Fingerprint *fp)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, trust->requests);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Request *request = value;

      if (request_is_introduction (request) && fingerprint_equal (&request->row.fp, fp)
          && fingerprint_equal (&request->row.introducer, by))
        return request;
    }
  return NULL;
}

static gboolean
is_full (Trust *trust, guint32 contact)
{
  guint all = 0, of_this = 0;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, trust->requests);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Request *request = value;

      all += request_is_introduction (request);
      of_this += request_is_introduction (request) && request->row.contact == contact;
    }
  return all >= TRUST_INTRODUCTIONS_MAX || of_this >= TRUST_INTRODUCTIONS_EACH;
}

static const char *
reason_to_withdraw (Trust *trust, Request *request)
{
  Key *key = contacts_get_key (trust->contacts, &request->row.fp);

  if (!contacts_may_introduce (trust->contacts, request->row.contact, &request->row.introducer))
    return "withdrawn: speaker-not-verified";
  if (key != NULL && (key_get_level (key) != TRUST_UNKNOWN || key_is_refused (key) || contact_is_blocked (key_get_contact (key))))
    return "withdrawn: answered";
  return NULL;
}

/* From wherever trust changes, and at start: what a crash kept from being withdrawn on disk is withdrawn then. */
void
trust_review_introductions (Trust *trust)
{
  g_autoptr (GPtrArray) all = trust_list_requests (trust);

  for (guint i = 0; i < all->len; i++)
    {
      Request *request = g_ptr_array_index (all, i);
      const char *why = request_is_introduction (request) && !request->resolving ? reason_to_withdraw (trust, request) : NULL;
      g_autofree char *hex = NULL;
      TrustChange *change;

      if (why == NULL)
        continue;
      hex = fingerprint_to_hex (&request->row.fp);
      log_event (G_LOG_LEVEL_MESSAGE, "trust", request->row.contact, 0, why, "introduction of key %.16s: %s", hex, why);
      change = trust_change_new ();
      trust_change_delete_request (change, request->row.id);
      trust_change_audit (change, &(AuditEntry){ .event = EVENT, .fp = hex, .contact = request->row.contact, .verdict = why,
                                                 .caller = "policy" });
      trust_store_apply (trust->store, change, NULL, NULL);
      trust_drop_request (trust, request);
    }
}

void
trust_introductions_on_key (Trust *trust, const Fingerprint *fp)
{
  g_autoptr (GPtrArray) all = trust_list_requests (trust);

  for (guint i = 0; i < all->len; i++)
    {
      Request *request = g_ptr_array_index (all, i);

      if (request_is_introduction (request) && fingerprint_equal (&request->row.fp, fp))
        WATCHERS_CALL (&trust->watchers, TrustWatch, request_changed, request);
    }
}

Contact *
request_get_introducer (const Request *request)
{
  return request_is_introduction (request) ? contacts_get (request->trust->contacts, request->row.contact) : NULL;
}

const Fingerprint *
request_get_introducer_fingerprint (const Request *request)
{
  return request_is_introduction (request) ? &request->row.introducer : NULL;
}

const char *
request_get_note (const Request *request)
{
  return request->row.note != NULL ? request->row.note : "";
}

gboolean
request_was_forgotten (const Request *request)
{
  Key *key = request->row.keyless ? NULL : contacts_get_key (request->trust->contacts, &request->row.fp);
  KeyRow row = { 0 };
  gboolean forgotten;

  if (request->row.keyless)
    return FALSE;
  if (key == NULL)
    return trust_store_was_forgotten (request->trust->store, &request->row.fp);
  key_to_row (key, &row);
  forgotten = row.forgotten || row.refused || row.level == TRUST_REVOKED;
  key_row_clear (&row);
  return forgotten;
}

/* --- asking ------------------------------------------------------------------- */

typedef struct {
  Trust *trust;
  guint64 request;         /* 0: only what is on its way is waited for */
  char *event_inputs;
  DoneFunc done;
  gpointer user;
} Asking;

static void
asking_report (Asking *asking, const GError *error)
{
  if (asking->done != NULL)
    asking->done (asking->user, error);
  g_free (asking->event_inputs);
  g_free (asking);
}

static void
on_asked (gpointer user, const GError *error)
{
  Asking *asking = user;
  Trust *trust = asking->trust;
  Request *request = trust_get_request (trust, asking->request);

  if (error != NULL)
    log_warn ("trust", "an introduction could not be stored: %s", error->message);
  /* Whoever said it keeps it and says it again. */
  if (error != NULL && request != NULL && !request->resolving)
    trust_drop_request (trust, request);
  else if (request != NULL)
    request->kept = TRUE;
  asking_report (asking, error);
  contacts_end_turn (trust->contacts);
}

static void
on_ask_turn (gpointer user)
{
  Asking *asking = user;
  Trust *trust = asking->trust;
  Request *request = asking->request != 0 ? trust_get_request (trust, asking->request) : NULL;
  g_autofree char *hex = request != NULL ? fingerprint_to_hex (&request->row.fp) : NULL;
  TrustChange *change;

  /* Answered or withdrawn meanwhile, or it is said for the second time. */
  if (request == NULL)
    {
      asking_report (asking, NULL);
      contacts_end_turn (trust->contacts);
      return;
    }
  change = trust_change_new ();
  trust_change_put_request (change, &request->row);
  trust_change_audit (change, &(AuditEntry){ .event = EVENT, .fp = hex, .contact = request->row.contact,
                                             .inputs = asking->event_inputs, .verdict = "asked", .caller = "peer" });
  trust_store_apply (trust->store, change, on_asked, asking);
}

static char *
dup_words (const Testimony *said)
{
  g_autofree char *hex = fingerprint_to_hex (key_get_fingerprint (said->by));
  g_autofree char *name = log_safe (said->name);

  return g_strdup_printf ("by=%.16s level=%s trusted=%s says=%s name=%s", hex, trust_level_to_string (key_get_level (said->by)),
                          said->trusted ? "yes" : "no", said->distrust ? "distrust" : "trust", name);
}

static void
ask (Trust *trust, const Testimony *said, gboolean anew, DoneFunc done, gpointer user)
{
  Asking *asking = g_new0 (Asking, 1);

  asking->trust = trust;
  asking->done = done;
  asking->user = user;
  if (anew)
    {
      Request *request = g_new0 (Request, 1);

      request->row.kind = g_strdup ("introduction");
      request->row.contact = contact_get_id (said->from);
      request->row.fp = said->fp;
      request->row.introducer = *key_get_fingerprint (said->by);
      request->row.name = g_strdup (said->name);
      request->row.note = g_strdup (said->note);
      request->row.link = g_strdup ("");
      trust_take_request (trust, request);
      asking->request = request->row.id;
      asking->event_inputs = dup_words (said);
      WATCHERS_CALL (&trust->watchers, TrustWatch, request_added, request);
    }
  contacts_await_turn (trust->contacts, on_ask_turn, asking);
}

/* --- hearing ------------------------------------------------------------------ */

static void
fill_question (Trust *trust, const Testimony *said, TestimonyQuestion *question)
{
  Key *key = contacts_get_key (trust->contacts, &said->fp);
  const Fingerprint *by = key_get_fingerprint (said->by);

  *question = (TestimonyQuestion){
    .trusted_stream = said->trusted,
    .speaker = key_get_level (said->by),
    .speaker_blocked = contact_is_blocked (said->from),
    .distrust = said->distrust,
    .ours = said->ours,
    .own = fingerprint_equal (by, &said->fp),
    .same_contact = key != NULL && key_get_contact (key) == said->from,
    .level = key != NULL ? key_get_level (key) : TRUST_UNKNOWN,
    .blocked = key != NULL && contact_is_blocked (key_get_contact (key)),
    .refused = key != NULL && key_is_refused (key),
    .declined = trust_store_was_declined (trust->store, by, &said->fp),
    .asked = find_introduction (trust, by, &said->fp) != NULL,
    .full = is_full (trust, contact_get_id (said->from)),
  };
}

typedef struct {
  Trust *trust;
  Fingerprint fp;
  DoneFunc done;
  gpointer user;
} Warning;

static void
on_warned (gpointer user, const GError *error)
{
  g_autofree Warning *warning = user;

  g_hash_table_remove (warning->trust->warned, &warning->fp);
  if (warning->done != NULL)
    warning->done (warning->user, error);
}

static Warning *
warning_new (Trust *trust, const Fingerprint *fp, DoneFunc done, gpointer user)
{
  Warning *warning = g_new0 (Warning, 1);

  warning->trust = trust;
  warning->fp = *fp;
  warning->done = done;
  warning->user = user;
  g_hash_table_add (trust->warned, g_memdup2 (fp, sizeof *fp));
  return warning;
}

/* Shown at the key until a person decides about it anew; one that nobody met has no place to show it at. */
static void
warn_about (Trust *trust, const Testimony *said, const char *words, DoneFunc done, gpointer user)
{
  Key *key = contacts_get_key (trust->contacts, &said->fp);
  Decision *decision;

  if (key == NULL || key_is_distrusted (key))
    {
      trust_record_testimony (trust, "distrust", &said->fp, said->from, said->by, words,
                              key != NULL ? "warned before" : "key never seen");
      if (done != NULL)
        done (user, NULL);
      return;
    }
  /* Each is a record in the audit: who says it a thousand times before the first is on disk must not push out what people decided. */
  if (g_hash_table_contains (trust->warned, &said->fp))
    {
      ask (trust, said, FALSE, done, user);
      return;
    }
  decision = decision_new (trust, on_warned, warning_new (trust, &said->fp, done, user));
  decide_subject (decision, &said->fp);
  decision->subject_contact = contact_get_id (key_get_contact (key));
  decide_contact (decision, key_get_contact (key));
  decide_key (decision, key)->warned_by = contact_get_id (said->from);
  decide (decision, "distrust", "warned", "peer");
}

void
trust_hear (Trust *trust, const Testimony *said, DoneFunc done, gpointer user)
{
  g_autofree char *hex = fingerprint_to_hex (&said->fp);
  g_autofree char *words = dup_words (said);
  TestimonyQuestion question;
  TestimonyVerdict verdict;

  fill_question (trust, said, &question);
  verdict = trust_policy_judge_testimony (&question);
  /* What is not heeded is logged as far as it is recorded: who says it may say it for ever. */
  log_event (verdict.action != TESTIMONY_IGNORE ? G_LOG_LEVEL_MESSAGE : G_LOG_LEVEL_DEBUG, "trust", contact_get_id (said->from), 0,
             verdict.reason, "said about key %.16s: %s; it is %s%s%s%s: %s", hex, words, trust_level_to_string (question.level),
             question.blocked ? ", blocked" : "", question.refused ? ", refused" : "", question.declined ? ", declined" : "",
             verdict.reason);
  switch (verdict.action)
    {
    case TESTIMONY_ASK:
      ask (trust, said, TRUE, done, user);
      return;
    case TESTIMONY_REVOKE:
      trust_revoke (trust, &said->fp, "given up by its owner", "peer", done, user);
      return;
    case TESTIMONY_WARN:
      warn_about (trust, said, words, done, user);
      return;
    case TESTIMONY_IGNORE:
      break;
    }
  if (strcmp (verdict.reason, "asked") == 0)
    {
      /* Its first saying may still be on its way to the disk. */
      ask (trust, said, FALSE, done, user);
      return;
    }
  /* Honest repeats are no news. */
  if (strcmp (verdict.reason, "known") != 0 && strcmp (verdict.reason, "declined") != 0)
    trust_record_testimony (trust, said->distrust ? "distrust" : EVENT, &said->fp, said->from, said->by, words, verdict.reason);
  /* Heeded it is not, but people want to know: this one may refuse them next. */
  if (strcmp (verdict.reason, "our-key") == 0 && said->distrust != key_distrusts_us (said->by))
    trust_note_distrust (trust, said->by, said->distrust, done, user);
  else if (done != NULL)
    done (user, NULL);
}

void
trust_note_malformed (Trust *trust, Contact *from, Key *by, const char *why)
{
  trust_record_testimony (trust, EVENT, NULL, from, by, why, "malformed");
}

/* --- answering ---------------------------------------------------------------- */

static void
decide_introduced (Decision *decision, const Request *request, Key *key, TrustLevel level, const char *petname)
{
  const char *source = level == TRUST_VERIFIED ? "fingerprint" : "introduction";
  Request *knocked = trust_find_request (decision->trust, &request->row.fp);
  KeyRow *row;

  if (key == NULL)
    row = decide_new_contact (decision, petname != NULL ? petname : "", &request->row.fp, level, source);
  else
    {
      decision->subject_contact = contact_get_id (key_get_contact (key));
      row = decide_accept (decision, key, level, source, petname);
    }
  if (strcmp (row->source, "introduction") == 0)
    {
      row->introduced_by = request->row.contact;
      row->introducer = request->row.introducer;
    }
  /* What it knocked for has its answer. So has a conflict about its name (drop_answered()): it is a contact of its own, as by `separate`. */
  if (knocked != NULL && strcmp (knocked->row.kind, "new-key") == 0)
    {
      knocked->resolving = TRUE;
      decision->also = knocked->row.id;
      trust_change_delete_request (decision->change, knocked->row.id);
    }
}

/* The caller has checked choice, petname and fingerprint. */
void
trust_resolve_introduction (Trust *trust, Request *request, const char *choice, const char *petname, const char *caller,
                            DoneFunc done, gpointer user)
{
  Key *key = contacts_get_key (trust->contacts, &request->row.fp);
  Request *knocked = trust_find_request (trust, &request->row.fp);
  Decision *decision;

  if (knocked != NULL && knocked->resolving)
    {
      trust_report (done, user, EARSHOT_ERROR_ALREADY_RESOLVED, "This key is being decided about right now");
      return;
    }
  decision = decision_new (trust, done, user);
  decide_subject (decision, &request->row.fp);
  decide_request (decision, request);
  decision->resolves = TRUE;
  decision->subject_contact = request->row.contact;
  if (strcmp (choice, "reject") == 0)
    trust_change_decline (decision->change, &request->row.introducer, &request->row.fp);
  else
    {
      decision->unless_revoked = TRUE;
      decide_introduced (decision, request, key, strcmp (choice, "verify") == 0 ? TRUST_VERIFIED : TRUST_VOUCHED, petname);
    }
  decide (decision, "resolve", choice, caller);
}
