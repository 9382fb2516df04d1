/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SECURITY CRITICAL: judges what handshakes show, and holds the open questions. It raises no level itself except through a
 * Decision (trust-decide.c).
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/model/trust-private.h"

static const char *const choices_new_key[] = { "accept", "verify", "reject", "block", NULL };
static const char *const choices_own[] = { "rotate", "ignore", NULL };
static const char *const choices_conflict[] = { "verify-replace", "replace", "separate", "reject", "block", NULL };
static const char *const choices_legacy[] = { "allow", "refuse", "block", NULL };
static const char *const choices_introduction[] = { "accept", "verify", "reject", NULL };

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
  g_idle_add_full (G_PRIORITY_DEFAULT, on_late, late, NULL);
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
    if (!((Request *) value)->row.keyless && !request_is_introduction (value) && fingerprint_equal (&((Request *) value)->row.fp, fp))
      return value;
  return NULL;
}

gboolean
request_is_introduction (const Request *request)
{
  return strcmp (request->row.kind, "introduction") == 0;
}

/* A stranger was evicted, or a key deleted: its question goes too. */
static void
on_key_removed (gpointer user, Key *key)
{
  Trust *trust = user;
  Request *request = trust_find_request (trust, key_get_fingerprint (key));

  if (request != NULL)
    trust_drop_request (trust, request);
  trust_introductions_on_key (trust, key_get_fingerprint (key));
}

static void
on_key_added (gpointer user, Key *key)
{
  trust_clear_on_key (user, key_get_contact (key));
  trust_introductions_on_key (user, key_get_fingerprint (key));
}

static void
on_removed (gpointer user, Contact *contact)
{
  trust_clear_on_removed (user, contact);
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
  trust_review_clear (trust);
}

/* --- questions -------------------------------------------------------------- */

typedef struct {
  Trust *trust;
  guint64 request;
} Keeping;

static void
on_request_stored (gpointer user, const GError *error)
{
  g_autofree Keeping *keeping = user;

  if (error != NULL)
    log_warn ("trust", "an open question is not on disk yet: %s", error->message);
  contacts_end_turn (keeping->trust->contacts);
}

/* The question with its contact and key, which keep their level. */
static void
on_request_turn (gpointer user)
{
  Keeping *keeping = user;
  Trust *trust = keeping->trust;
  Request *request = trust_get_request (trust, keeping->request);
  Contact *contact = request != NULL ? request_get_contact (request) : NULL;
  Key *key = request != NULL && !request->row.keyless ? contacts_get_key (trust->contacts, &request->row.fp) : NULL;
  TrustChange *change;
  ContactRow contact_row;
  KeyRow key_row;

  if (request != NULL && request_is_own (request))
    {
      change = trust_change_new ();
      trust_change_put_request (change, &request->row);
      trust_store_apply (trust->store, change, on_request_stored, keeping);
      return;
    }
  if (contact == NULL)
    {
      contacts_end_turn (trust->contacts);
      g_free (keeping);
      return;
    }
  contact_to_row (contact, &contact_row);
  request->row.contact = contact_row.id;
  change = trust_change_new ();
  trust_change_put_contact (change, &contact_row);
  if (key != NULL)
    {
      key_to_row (key, &key_row);
      trust_change_put_key (change, &key_row);
      key_row_clear (&key_row);
    }
  trust_change_put_request (change, &request->row);
  contact_row_clear (&contact_row);
  trust_store_apply (trust->store, change, on_request_stored, keeping);
}

static void
keep_request (Trust *trust, Request *request)
{
  Keeping *keeping = g_new0 (Keeping, 1);

  keeping->trust = trust;
  keeping->request = request->row.id;
  contacts_await_turn (trust->contacts, on_request_turn, keeping);
}

static void
describe_request (Request *request, const char *kind, const TrustProof *proof, Contact *contested)
{
  g_free (request->row.kind);
  g_free (request->row.name);
  g_free (request->row.link);
  request->row.kind = g_strdup (kind);
  request->row.name = g_strdup (proof->addr != NULL ? proof->addr : "");
  request->row.link = g_strdup (proof->link != NULL ? proof->link : "");
  request->row.contested = contested != NULL ? contact_get_id (contested) : 0;
}

void
trust_keep_request (Trust *trust, Request *request)
{
  keep_request (trust, request);
  WATCHERS_CALL (&trust->watchers, TrustWatch, request_changed, request);
}

void
trust_raise_request (Trust *trust, const char *kind, Key *key, const TrustProof *proof, Contact *contested)
{
  Contact *contact = key_get_contact (key);
  Request *request = trust_find_request (trust, &proof->fp);

  if (request != NULL)
    {
      if (contested == NULL || request->resolving || request->row.contested == contact_get_id (contested))
        return;
      describe_request (request, kind, proof, contested);
      request->row.is_heir = FALSE; /* it was said about somebody else's name */
      trust_keep_request (trust, request);
      return;
    }
  request = g_new0 (Request, 1);
  request->row.contact = contact_get_id (contact);
  request->row.fp = proof->fp;
  describe_request (request, kind, proof, contested);
  trust_open_request (trust, request);
}

void
trust_take_request (Trust *trust, Request *request_take)
{
  Request *request = request_take;

  request->trust = trust;
  do
    request->row.id = ((guint64) g_random_int () << 21 ^ g_random_int ()) & G_MAXINT32;
  while (request->row.id == 0 || g_hash_table_contains (trust->requests, &request->row.id));
  request->row.created = g_get_real_time ();
  g_hash_table_insert (trust->requests, &request->row.id, request);
}

void
trust_open_request (Trust *trust, Request *request_take)
{
  Request *request = request_take;
  ContactRow row;

  trust_take_request (trust, request);
  if (request_is_own (request))
    {
      keep_request (trust, request);
      WATCHERS_CALL (&trust->watchers, TrustWatch, request_added, request);
      return;
    }
  contact_to_row (request_get_contact (request), &row);
  /* With the name: what a key used is never spoken to in clear (3.9), and one without a key is known by nothing else. */
  if (row.addrs[0] == NULL && *request->row.name != '\0')
    {
      g_strfreev (row.addrs);
      row.addrs = g_new0 (char *, 2);
      row.addrs[0] = g_strdup (request->row.name);
    }
  contacts_apply_contact (trust->contacts, &row); /* nothing else changes but that a row exists */
  contact_row_clear (&row);
  keep_request (trust, request);
  WATCHERS_CALL (&trust->watchers, TrustWatch, request_added, request);
}

/* --- judging ---------------------------------------------------------------- */

typedef struct {
  Trust *trust;
  TrustProof proof;
  char *addr, *link;     /* what proof points to */
  TrustVerdict verdict;
  gboolean may_pin;      /* its turn to write has come */
  gboolean own_turn;     /* … and is to be ended */
  ContactRow contact_row;
  KeyRow key_row;
  guint idle_source;
  TrustJudged done;
  gpointer user;
} Judgement;

static void
report_judgement (Judgement *judgement, const GError *error)
{
  Trust *trust = judgement->trust;
  Key *key = contacts_get_key (trust->contacts, &judgement->proof.fp);
  TrustVerdict verdict = judgement->verdict;

  if (error != NULL || key == NULL)
    {
      verdict.action = TRUST_ACTION_REFUSE;
      verdict.reason = error != NULL ? "store-failed" : "too-many-strangers";
    }
  g_ptr_array_remove_fast (trust->judgements, judgement);
  if (judgement->idle_source != 0)
    g_source_remove (judgement->idle_source);
  judgement->done (judgement->user, verdict, key != NULL ? key_get_contact (key) : NULL, key);
  contact_row_clear (&judgement->contact_row);
  key_row_clear (&judgement->key_row);
  g_free (judgement->addr);
  g_free (judgement->link);
  g_free (judgement);
}

static gboolean
on_judgement_idle (gpointer user)
{
  Judgement *judgement = user;

  judgement->idle_source = 0;
  report_judgement (judgement, NULL);
  return G_SOURCE_REMOVE;
}

static void
count_strict_refusal (Trust *trust)
{
  g_autofree char *text = NULL;

  trust->refused_strict++;
  text = g_strdup_printf ("%u attempts by unknown keys were refused because the trust mode is strict",
                          trust->refused_strict);
  WATCHERS_CALL (&trust->watchers, TrustWatch, warning, "strict-refused", text);
}

static void
on_pinned (gpointer user, const GError *error)
{
  Judgement *judgement = user;
  Trust *trust = judgement->trust;

  contacts_hold (trust->contacts, judgement->contact_row.id, FALSE);
  if (error == NULL)
    {
      Key *key;

      contacts_apply_contact (trust->contacts, &judgement->contact_row);
      key = contacts_apply_key (trust->contacts, &judgement->key_row);
      if (key != NULL)
        WATCHERS_CALL (&trust->watchers, TrustWatch, level_changed, key_get_contact (key), key, TRUE);
      trust_review_introductions (trust);
    }
  else
    log_warn ("trust", "a new key could not be stored: %s", error->message);
  report_judgement (judgement, error);
  contacts_end_turn (trust->contacts);
}

/* `tofu`: the key of a name never seen. `ca`: one that a private root vouches for. Disk first. */
static void
pin (Judgement *judgement, Key *key, const char *hex)
{
  gboolean joins = judgement->verdict.action == TRUST_ACTION_JOIN_CA;
  TrustLevel level = joins ? TRUST_CA : TRUST_PINNED;
  const char *source = joins ? "ca" : "first-use";
  Trust *trust = judgement->trust;
  TrustChange *change = trust_change_new ();
  ContactRow *row = &judgement->contact_row;
  g_autofree char *name = NULL;
  g_autofree char *inputs = NULL;

  contact_to_row (key_get_contact (key), row);
  key_to_row (key, &judgement->key_row);
  row->stored = TRUE;
  /* With its name: from this moment on no other key is the first under it. */
  if (row->addrs[0] == NULL && judgement->proof.addr != NULL && *judgement->proof.addr != '\0')
    {
      g_strfreev (row->addrs);
      row->addrs = g_new0 (char *, 2);
      row->addrs[0] = g_strdup (judgement->proof.addr);
    }
  key_row_set_level (&judgement->key_row, level, source);
  judgement->key_row.grant_owed = FALSE;
  contacts_hold (trust->contacts, row->id, TRUE);
  trust_change_put_contact (change, row);
  trust_change_put_key (change, &judgement->key_row);
  name = log_safe (judgement->proof.addr);
  inputs = g_strdup_printf ("direction=%s mode=%s level=unknown name=%s", judgement->proof.inbound ? "in" : "out",
                            trust_mode_to_string (trust->mode), name);
  trust_change_audit (change, &(AuditEntry){ .event = joins ? "join" : "pin", .fp = hex, .contact = row->id, .inputs = inputs,
                                             .verdict = trust_level_to_string (level), .caller = source });
  trust_store_apply (trust->store, change, on_pinned, judgement);
}

/* Names cost nothing: who makes up a thousand must not be kept a thousand times. As many as strangers, then people are asked. */
static gboolean
has_room_for_first_use (Trust *trust)
{
  g_autoptr (GPtrArray) all = contacts_list (trust->contacts);
  guint max = contacts_get_max_strangers (trust->contacts), count = 0;
  g_autofree char *text = NULL;

  for (guint i = 0; i < all->len; i++)
    {
      Key *key = contact_get_active_key (g_ptr_array_index (all, i));

      count += key != NULL && strcmp (key_get_source (key), "first-use") == 0;
    }
  if (count < max)
    {
      if (trust->first_use_full)
        WATCHERS_CALL (&trust->watchers, TrustWatch, warning, "first-use-full", NULL);
      trust->first_use_full = FALSE;
      return TRUE;
    }
  trust->first_use_full = TRUE;
  text = g_strdup_printf ("%u people were trusted at first use, and no more will be (MaxStrangers): you are asked instead", count);
  WATCHERS_CALL (&trust->watchers, TrustWatch, warning, "first-use-full", text);
  return FALSE;
}

static void judge (Judgement *judgement);

static void
on_pin_turn (gpointer user)
{
  Judgement *judgement = user;

  judgement->may_pin = judgement->own_turn = TRUE;
  judge (judgement);
}

static void
judge (Judgement *judgement)
{
  Trust *trust = judgement->trust;
  const TrustProof *proof = &judgement->proof;
  Contact *contested = NULL;
  Key *key = trust->mode == TRUST_MODE_CA && proof->chain.valid
               ? contacts_prove_key_by_chain (trust->contacts, &proof->fp, proof->addr, proof->expected, &contested)
               : contacts_prove_key (trust->contacts, &proof->fp, proof->addr, proof->expected, &contested);
  TrustQuestion question = { .mode = trust->mode, .inbound = proof->inbound };
  g_autofree char *hex = fingerprint_to_hex (&proof->fp);
  g_autofree char *name = log_safe (proof->addr);

  if (key != NULL)
    {
      question.blocked = contact_is_blocked (key_get_contact (key));
      question.refused = key_is_refused (key);
      question.level = key_get_level (key);
      question.name_known = contested != NULL && question.level == TRUST_UNKNOWN;
      /* A key that was forgotten once does not come back by itself either. */
      question.name_seen = question.name_known || contacts_name_was_used (trust->contacts, proof->addr, key)
                           || trust_store_was_forgotten (trust->store, &proof->fp)
                           || (question.mode == TRUST_MODE_TOFU && question.level == TRUST_UNKNOWN
                               && !has_room_for_first_use (trust));
      question.hint_differs = question.level == TRUST_UNKNOWN
                              && contacts_get_announced_key (trust->contacts, proof->addr, &proof->fp) != NULL;
      trust_ask_about_chain (&question, proof);
      judgement->verdict = trust_policy_judge (&question);
      if (!judgement->may_pin
          && (judgement->verdict.action == TRUST_ACTION_JOIN_CA
              || (question.mode == TRUST_MODE_TOFU && question.level == TRUST_UNKNOWN
                  && judgement->verdict.action != TRUST_ACTION_REFUSE)))
        {
          /* Two keys may come under one new name in the same moment, or one key twice: who comes second is judged when
           * the first is written. */
          contacts_await_turn (trust->contacts, on_pin_turn, judgement);
          return;
        }
      contacts_set_key_expired (key, proof->expired);
      contacts_set_key_chain (key, question.mode == TRUST_MODE_CA || question.level == TRUST_CA ? proof->chain.word : NULL);
      log_event (question.level == TRUST_UNKNOWN ? log_for_stranger (G_LOG_LEVEL_MESSAGE) : G_LOG_LEVEL_MESSAGE, "trust",
                 contact_get_id (key_get_contact (key)), 0, judgement->verdict.reason,
                 "key %.16s as %s (%s, mode %s, level %s%s%s%s%s%s%s%s): %s", hex, name,
                 proof->inbound ? "inbound" : "outbound", trust_mode_to_string (question.mode),
                 trust_level_to_string (question.level), question.blocked ? ", blocked" : "",
                 question.refused ? ", refused before" : "", question.name_known ? ", name known" : "",
                 question.name_seen ? ", name or key seen before" : "",
                 question.hint_differs ? ", announced with another key" : "", key_get_chain_word (key) != NULL ? ", " : "",
                 key_get_chain_word (key) != NULL ? key_get_chain_word (key) : "", judgement->verdict.reason);
      if (judgement->verdict.ask != TRUST_ASK_NOTHING)
        trust_raise_request (trust, judgement->verdict.ask == TRUST_ASK_NEW_KEY ? "new-key" : "name-conflict", key, proof,
                       contested);
      if (judgement->verdict.action == TRUST_ACTION_REFUSE || judgement->verdict.action == TRUST_ACTION_REFUSE_EXPIRED)
        trust_record_refusal (trust, proof, key_get_contact (key), question.level, judgement->verdict.reason);
      if (judgement->verdict.action == TRUST_ACTION_REFUSE && g_strcmp0 (judgement->verdict.reason, "strict") == 0)
        count_strict_refusal (trust);
      if (judgement->verdict.action == TRUST_ACTION_PIN || judgement->verdict.action == TRUST_ACTION_JOIN_CA)
        {
          pin (judgement, key, hex);
          return;
        }
    }
  else
    {
      log_event (log_for_stranger (G_LOG_LEVEL_MESSAGE), "trust", 0, 0, "max-strangers", "key %.16s as %s: refused, no room", hex, name);
      trust_record_refusal (trust, proof, NULL, TRUST_UNKNOWN, "max-strangers");
    }
  judgement->idle_source = g_idle_add_full (G_PRIORITY_DEFAULT, on_judgement_idle, judgement, NULL);
  if (judgement->own_turn)
    contacts_end_turn (trust->contacts);
}

void
trust_judge (Trust *trust, const TrustProof *proof, TrustJudged done, gpointer user)
{
  Judgement *judgement = g_new0 (Judgement, 1);

  judgement->trust = trust;
  judgement->proof = *proof;
  judgement->proof.addr = judgement->addr = g_strdup (proof->addr);
  judgement->proof.link = judgement->link = g_strdup (proof->link);
  judgement->done = done;
  judgement->user = user;
  g_ptr_array_add (trust->judgements, judgement);
  judge (judgement);
}

static gboolean
not_this_key (Trust *trust, Contact *contact, Key *key, const TrustProof *proof, const char *verdict)
{
  g_autofree char *hex = fingerprint_to_hex (&proof->fp);

  log_event (G_LOG_LEVEL_WARNING, "trust", contact_get_id (contact), 0, verdict,
             "another key than the trusted one answered: %.16s (%s); nothing was sent to it", hex, verdict);
  trust_record_refusal (trust, proof, contact, key != NULL ? key_get_level (key) : TRUST_UNKNOWN, verdict);
  return FALSE;
}

gboolean
trust_accepts_for (Trust *trust, Contact *contact, const Fingerprint *fp, const char *addr, const char *link)
{
  Key *key = contacts_get_key (trust->contacts, fp);
  TrustProof proof = { .fp = *fp, .addr = addr, .link = link };
  Contact *contested = NULL;

  if (contact_is_blocked (contact) || (key != NULL && contact_is_blocked (key_get_contact (key))))
    return not_this_key (trust, contact, key, &proof, "blocked");
  if (key != NULL && key_get_level (key) == TRUST_REVOKED)
    return not_this_key (trust, contact, key, &proof, "revoked");
  if (key != NULL && key_get_contact (key) == contact && key_get_level (key) >= TRUST_PINNED)
    return TRUE;
  /* Nobody in particular was expected: any key may answer, as itself. */
  if (!contact_has_trusted_key (contact))
    return TRUE;
  if (key != NULL && key_is_refused (key))
    return not_this_key (trust, contact, key, &proof, "refused"); /* people said so, and are not asked again */
  not_this_key (trust, contact, key, &proof, "name-conflict");
  if (key != NULL && key_get_contact (key) == contact)
    return FALSE; /* it was asked about before it was known who this is */
  key = contacts_prove_key (trust->contacts, fp, addr, 0, &contested);
  if (key != NULL && !key_is_refused (key) && key_get_level (key) == TRUST_UNKNOWN
      && !contact_is_blocked (key_get_contact (key)))
    trust_raise_request (trust, "name-conflict", key, &proof, contested != NULL ? contested : contact);
  return FALSE;
}

/* --- birth and death --------------------------------------------------------- */

static const ContactsWatch contacts_table = { .removed = on_removed, .key_added = on_key_added, .key_removed = on_key_removed };

Trust *
trust_new (Contacts *contacts, TrustStore *store, TrustMode mode, GArray *request_rows_take)
{
  Trust *trust = g_new0 (Trust, 1);

  trust->contacts = contacts;
  trust->store = store;
  trust->mode = mode;
  trust->requests = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, request_free);
  trust->judgements = g_ptr_array_new ();
  trust->warned = g_hash_table_new_full (fingerprint_hash, fingerprint_equal_func, g_free, NULL);
  trust->refusals.pace = trust_refusal_pace;
  trust->clear_refusals.pace = trust_clear_refusal_pace;
  trust->testimonies.pace = trust_testimony_pace;
  watchers_init (&trust->watchers);
  for (guint i = 0; request_rows_take != NULL && i < request_rows_take->len; i++)
    {
      RequestRow *row = &g_array_index (request_rows_take, RequestRow, i);
      Request *request;

      Contact *contact = row->keyless ? contacts_get (contacts, row->contact) : NULL;

      if (strcmp (row->kind, "introduction") == 0)
        ; /* about whoever it may be; whether it stands is seen below */
      else if (row->keyless ? contact == NULL || contacts_saw_tls (contacts, contact, NULL)
                            : strcmp (row->kind, "duplicate-identity") != 0 && contacts_get_key (contacts, &row->fp) == NULL)
        continue;
      if (contact != NULL)
        contacts_note_clear (contact); /* or nobody would have been asked */
      request = g_new0 (Request, 1);
      request->trust = trust;
      request->kept = TRUE;
      request->row = *row;
      memset (row, 0, sizeof *row);
      g_hash_table_replace (trust->requests, &request->row.id, request);
    }
  g_clear_pointer (&request_rows_take, g_array_unref);
  contacts_watch (contacts, &contacts_table, trust);
  trust_review_introductions (trust);
  return trust;
}

void
trust_free (Trust *trust)
{
  if (trust == NULL)
    return;
  contacts_unwatch (trust->contacts, trust);
  if (trust->review_source != 0)
    g_source_remove (trust->review_source);
  /* Who still waits gets an answer; the sessions are gone and only drop what they held. */
  while (trust->judgements->len > 0)
    {
      Judgement *judgement = g_ptr_array_index (trust->judgements, 0);

      judgement->verdict = (TrustVerdict){ .action = TRUST_ACTION_REFUSE, .reason = "shutdown" };
      report_judgement (judgement, NULL);
    }
  g_ptr_array_unref (trust->judgements);
  g_clear_pointer (&trust->duplicates, g_ptr_array_unref);
  g_hash_table_unref (trust->warned);
  g_hash_table_unref (trust->requests);
  watchers_clear (&trust->watchers);
  g_free (trust);
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
  return request->row.keyless ? NULL : &request->row.fp;
}

Contact *
request_get_contact (const Request *request)
{
  Key *key;

  if (request->row.keyless)
    return contacts_get (request->trust->contacts, request->row.contact);
  key = contacts_get_key (request->trust->contacts, &request->row.fp);
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

const Fingerprint *
request_get_predecessor (const Request *request)
{
  return request->row.is_heir ? &request->row.predecessor : NULL;
}

const char *
request_get_link (const Request *request)
{
  return request->row.link;
}

const char *const *
request_get_choices (const Request *request)
{
  if (request->row.keyless)
    return choices_legacy;
  if (request_is_own (request))
    return choices_own;
  if (request_is_introduction (request))
    return choices_introduction;
  return strcmp (request->row.kind, "name-conflict") == 0 && request_get_contested (request) != NULL ? choices_conflict
                                                                                                    : choices_new_key;
}
