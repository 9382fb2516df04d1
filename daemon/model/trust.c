/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SECURITY CRITICAL: judges what handshakes show, and holds the open questions. It raises no level itself except through a
 * Decision (trust-decide.c).
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/model/trust-private.h"

static const char *const choices_new_key[] = { "accept", "reject", "block", NULL };
static const char *const choices_conflict[] = { "replace", "separate", "reject", "block", NULL };

/* Reports an error from the loop, never from inside the verb. */
typedef struct {
  DoneFunc done;
  gpointer user;
  GError *error;
} Late;

static gboolean
on_late (gpointer data)
{
  Late *late = data;

  if (late->done != NULL)
    late->done (late->user, late->error);
  g_clear_error (&late->error);
  g_free (late);
  return G_SOURCE_REMOVE;
}

void
trust_report (DoneFunc done, gpointer user, int code, const char *format, ...)
{
  Late *late = g_new0 (Late, 1);
  va_list args;

  late->done = done;
  late->user = user;
  if (code >= 0)
    {
      va_start (args, format);
      late->error = g_error_new_valist (EARSHOT_ERROR, code, format, args);
      va_end (args);
    }
  g_idle_add (on_late, late);
}

static void
request_free (gpointer data)
{
  Request *request = data;

  request_row_clear (&request->row);
  g_free (request);
}

void
trust_drop_request (Trust *trust, Request *request)
{
  WATCHERS_CALL (&trust->watchers, TrustWatch, request_removed, request);
  g_hash_table_remove (trust->requests, &request->row.id);
}

Request *
trust_find_request (Trust *trust, const Fingerprint *fp)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, trust->requests);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (fingerprint_equal (&((Request *) value)->row.fp, fp))
      return value;
  return NULL;
}

/* A stranger was evicted, or a key deleted: its question goes too. */
static void
on_key_removed (gpointer user, Key *key)
{
  Trust *trust = user;
  Request *request = trust_find_request (trust, key_get_fingerprint (key));

  if (request != NULL)
    trust_drop_request (trust, request);
}

static const ContactsWatch contacts_table = { .key_removed = on_key_removed };

Trust *
trust_new (Contacts *contacts, TrustStore *store, TrustMode mode, GArray *request_rows_take)
{
  Trust *trust = g_new0 (Trust, 1);

  trust->contacts = contacts;
  trust->store = store;
  trust->mode = mode;
  trust->requests = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, request_free);
  watchers_init (&trust->watchers);
  for (guint i = 0; request_rows_take != NULL && i < request_rows_take->len; i++)
    {
      RequestRow *row = &g_array_index (request_rows_take, RequestRow, i);
      Request *request;

      if (contacts_get_key (contacts, &row->fp) == NULL)
        continue;
      request = g_new0 (Request, 1);
      request->trust = trust;
      request->kept = TRUE;
      request->row = *row;
      memset (row, 0, sizeof *row);
      g_hash_table_replace (trust->requests, &request->row.id, request);
    }
  g_clear_pointer (&request_rows_take, g_array_unref);
  contacts_watch (contacts, &contacts_table, trust);
  return trust;
}

void
trust_free (Trust *trust)
{
  if (trust == NULL)
    return;
  contacts_unwatch (trust->contacts, trust);
  g_hash_table_unref (trust->requests);
  watchers_clear (&trust->watchers);
  g_free (trust);
}

void
trust_watch (Trust *trust, const TrustWatch *watch, gpointer user)
{
  watchers_add (&trust->watchers, watch, user);
}

void
trust_unwatch (Trust *trust, gpointer user)
{
  watchers_remove (&trust->watchers, user);
}

TrustMode
trust_get_mode (Trust *trust)
{
  return trust->mode;
}

void
trust_set_mode (Trust *trust, TrustMode mode)
{
  if (trust->mode == mode)
    return;
  log_notice ("trust", "mode %s replaces %s", trust_mode_to_string (mode), trust_mode_to_string (trust->mode));
  trust->mode = mode;
  WATCHERS_CALL (&trust->watchers, TrustWatch, mode_changed);
}

/* --- questions -------------------------------------------------------------- */

static void
on_request_stored (gpointer user, const GError *error)
{
  if (error != NULL)
    log_warn ("trust", "an open question is not on disk yet: %s", error->message);
}

/* One question a key, however often it knocks. */
static void
raise_request (Trust *trust, const char *kind, Key *key, const TrustProof *proof, Contact *contested)
{
  Contact *contact = key_get_contact (key);
  Request *request;
  TrustChange *change;
  ContactRow contact_row;
  KeyRow key_row;

  if (trust_find_request (trust, &proof->fp) != NULL)
    return;
  request = g_new0 (Request, 1);
  request->trust = trust;
  do
    request->row.id = ((guint64) g_random_int () << 21 ^ g_random_int ()) & G_MAXINT32;
  while (request->row.id == 0 || g_hash_table_contains (trust->requests, &request->row.id));
  request->row.kind = g_strdup (kind);
  request->row.contact = contact_get_id (contact);
  request->row.fp = proof->fp;
  request->row.created = g_get_real_time ();
  request->row.name = g_strdup (proof->addr != NULL ? proof->addr : "");
  request->row.link = g_strdup (proof->link != NULL ? proof->link : "");
  request->row.contested = contested != NULL ? contact_get_id (contested) : 0;
  g_hash_table_insert (trust->requests, &request->row.id, request);

  change = trust_change_new ();
  contact_to_row (contact, &contact_row);
  key_to_row (key, &key_row);
  trust_change_put_contact (change, &contact_row);
  trust_change_put_key (change, &key_row);
  trust_change_put_request (change, &request->row);
  contacts_apply_contact (trust->contacts, &contact_row); /* no level in it: only that a row exists */
  contact_row_clear (&contact_row);
  key_row_clear (&key_row);
  trust_store_apply (trust->store, change, on_request_stored, trust);
  WATCHERS_CALL (&trust->watchers, TrustWatch, request_added, request);
}

/* --- judging ---------------------------------------------------------------- */

typedef struct {
  Trust *trust;
  Fingerprint fp;
  TrustVerdict verdict;
  TrustJudged done;
  gpointer user;
} Judgement;

static void
report_judgement (gpointer user, const GError *error)
{
  Judgement *judgement = user;
  Key *key = contacts_get_key (judgement->trust->contacts, &judgement->fp);
  TrustVerdict verdict = judgement->verdict;

  if (error != NULL || key == NULL)
    {
      verdict.action = TRUST_ACTION_REFUSE;
      verdict.reason = error != NULL ? "store-failed" : "too-many-strangers";
    }
  judgement->done (judgement->user, verdict, key != NULL ? key_get_contact (key) : NULL, key);
  g_free (judgement);
}

static gboolean
on_judgement_idle (gpointer user)
{
  report_judgement (user, NULL);
  return G_SOURCE_REMOVE;
}

static void
count_strict_refusal (Trust *trust, const TrustProof *proof)
{
  TrustChange *change = trust_change_new ();
  g_autofree char *hex = fingerprint_to_hex (&proof->fp);
  g_autofree char *text = NULL;

  trust->refused_strict++;
  text = g_strdup_printf ("%u attempts by unknown keys were refused because the trust mode is strict",
                          trust->refused_strict);
  WATCHERS_CALL (&trust->watchers, TrustWatch, warning, "strict-refused", text);
  /* Bounded: a hostile caller may knock for ever; the connection caps limit how often. */
  if (trust->refused_strict <= 1000)
    trust_change_audit (change, g_get_real_time (), "refused", hex, "strict", "peer");
  trust_store_apply (trust->store, change, NULL, NULL);
}

void
trust_judge (Trust *trust, const TrustProof *proof, TrustJudged done, gpointer user)
{
  Judgement *judgement = g_new0 (Judgement, 1);
  Contact *contested = NULL;
  Key *key = contacts_prove_key (trust->contacts, &proof->fp, proof->addr, proof->expected, &contested);
  TrustQuestion question = { .mode = trust->mode, .inbound = proof->inbound };
  g_autofree char *hex = fingerprint_to_hex (&proof->fp);
  g_autofree char *name = log_safe (proof->addr);

  judgement->trust = trust;
  judgement->fp = proof->fp;
  judgement->done = done;
  judgement->user = user;
  if (key == NULL)
    {
      log_event (G_LOG_LEVEL_MESSAGE, "trust", 0, 0, "max-strangers", "key %.16s as %s: refused, no room", hex, name);
      g_idle_add (on_judgement_idle, judgement);
      return;
    }
  question.blocked = contact_is_blocked (key_get_contact (key));
  question.refused = key_is_refused (key);
  question.level = key_get_level (key);
  question.name_known = contested != NULL && question.level == TRUST_UNKNOWN;
  question.name_seen = question.name_known;
  judgement->verdict = trust_policy_judge (&question);
  contacts_set_key_expired (key, proof->expired);
  log_event (G_LOG_LEVEL_MESSAGE, "trust", contact_get_id (key_get_contact (key)), 0, judgement->verdict.reason,
             "key %.16s as %s (%s, mode %s, level %s%s%s%s): %s", hex, name, proof->inbound ? "inbound" : "outbound",
             trust_mode_to_string (question.mode), trust_level_to_string (question.level),
             question.blocked ? ", blocked" : "", question.refused ? ", refused before" : "",
             question.name_known ? ", name known" : "", judgement->verdict.reason);
  if (judgement->verdict.ask != TRUST_ASK_NOTHING)
    raise_request (trust, judgement->verdict.ask == TRUST_ASK_NEW_KEY ? "new-key" : "name-conflict", key, proof,
                   contested);
  if (judgement->verdict.action == TRUST_ACTION_REFUSE && g_strcmp0 (judgement->verdict.reason, "strict") == 0)
    count_strict_refusal (trust, proof);
  if (judgement->verdict.action == TRUST_ACTION_PIN)
    {
      Decision *decision = decision_new (trust, report_judgement, judgement);
      ContactRow *contact_row = decide_contact (decision, key_get_contact (key));

      contact_row->stored = TRUE;
      key_row_set_level (decide_key (decision, key), TRUST_PINNED, "first-use");
      decide_subject (decision, &proof->fp);
      decide (decision, "pin", "pinned", "first-use");
      return;
    }
  g_idle_add (on_judgement_idle, judgement);
}

gboolean
trust_accepts_for (Trust *trust, Contact *contact, const Fingerprint *fp, const char *addr, const char *link)
{
  Key *key = contacts_get_key (trust->contacts, fp);
  TrustProof proof = { .fp = *fp, .addr = addr, .link = link };
  Contact *contested = NULL;
  g_autofree char *hex = fingerprint_to_hex (fp);

  if (contact_is_blocked (contact) || (key != NULL && key_get_level (key) == TRUST_REVOKED)
      || (key != NULL && contact_is_blocked (key_get_contact (key))))
    return FALSE;
  if (key != NULL && key_get_contact (key) == contact)
    return key_get_level (key) >= TRUST_PINNED || !contact_has_trusted_key (contact);
  /* Nobody in particular was expected: any key may answer, as itself. */
  if (!contact_has_trusted_key (contact))
    return TRUE;
  log_event (G_LOG_LEVEL_WARNING, "trust", contact_get_id (contact), 0, "name-conflict",
             "another key than the trusted one answered: %.16s; nothing was sent to it", hex);
  key = contacts_prove_key (trust->contacts, fp, addr, 0, &contested);
  if (key != NULL && !key_is_refused (key) && key_get_level (key) == TRUST_UNKNOWN
      && !contact_is_blocked (key_get_contact (key)))
    raise_request (trust, "name-conflict", key, &proof, contested != NULL ? contested : contact);
  return FALSE;
}

/* --- reading questions ------------------------------------------------------ */

GPtrArray *
trust_list_requests (Trust *trust)
{
  GPtrArray *list = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, trust->requests);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    g_ptr_array_add (list, value);
  return list;
}

Request *
trust_get_request (Trust *trust, guint64 id)
{
  return g_hash_table_lookup (trust->requests, &id);
}

guint64
request_get_id (const Request *request)
{
  return request->row.id;
}

const char *
request_get_kind (const Request *request)
{
  return request->row.kind;
}

const Fingerprint *
request_get_fingerprint (const Request *request)
{
  return &request->row.fp;
}

Contact *
request_get_contact (const Request *request)
{
  Key *key = contacts_get_key (request->trust->contacts, &request->row.fp);

  return key != NULL ? key_get_contact (key) : NULL;
}

Contact *
request_get_contested (const Request *request)
{
  return request->row.contested != 0 ? contacts_get (request->trust->contacts, request->row.contested) : NULL;
}

gint64
request_get_created (const Request *request)
{
  return request->row.created;
}

gint64
request_get_snoozed (const Request *request)
{
  return request->row.snoozed_until;
}

const char *
request_get_name (const Request *request)
{
  return request->row.name;
}

const char *
request_get_link (const Request *request)
{
  return request->row.link;
}

const char *const *
request_get_choices (const Request *request)
{
  return strcmp (request->row.kind, "name-conflict") == 0 && request_get_contested (request) != NULL ? choices_conflict
                                                                                                    : choices_new_key;
}
