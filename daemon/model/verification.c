/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SECURITY CRITICAL, see the header. Everything that waits (an answer of the peer, the disk, a timer) remembers a run by its number and
 * looks it up again: in between it may be over.
 */
#include "earshot-config.h"

#include "daemon/model/verification.h"

#include <string.h>
#include <time.h>

#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/model/watchers.h"
#include "daemon/proto/caps.h"
#include "daemon/proto/sas.h"

/* "3 runs per key in 10 min, 5 min per run" */
const VerificationLimits verification_limits_default = {
  .runs = 3, .strangers = 256, .window_ms = 10 * 60 * 1000, .run_ms = 5 * 60 * 1000, .step_ms = 30 * 1000
};

struct _Verification {
  Verifications *owner;
  guint32 id;
  Session *session; /* borrowed until `closed`, then NULL */
  Fingerprint fp;
  Sas *sas;
  VerificationState state;
  const char *reason;
  gboolean ours;
  char role;
  char *code;
  gint64 expires;   /* wall clock, for people */
  gint64 deadline;  /* boot clock: what counts */
  gboolean overdue; /* its time ran out while the user's word was on its way to the disk */
  guint run_source, step_source;
  struct {
    guint64 request; /* 0 = none */
    char *choice, *petname;
    gboolean release;
  } purpose;
};

/* Runs of a key within the window. */
typedef struct {
  GArray *times; /* gint64, monotonic, oldest first */
  gboolean told; /* it was told that these were enough, and so was the log */
} Count;

struct _Verifications {
  VerificationsConfig config;
  VerificationLimits limits;
  GHashTable *runs;   /* id -> Verification* (owned) */
  GHashTable *counts; /* Fingerprint (owned) -> Count (owned) */
  Watchers watchers;
};

static void
verification_free (gpointer data)
{
  Verification *run = data;

  g_clear_handle_id (&run->run_source, g_source_remove);
  g_clear_handle_id (&run->step_source, g_source_remove);
  sas_free (run->sas);
  if (run->code != NULL)
    explicit_bzero (run->code, strlen (run->code));
  g_free (run->code);
  g_free (run->purpose.choice);
  g_free (run->purpose.petname);
  g_free (run);
}

void
verification_set_purpose (Verification *run, guint64 request, const char *choice, const char *petname, gboolean release)
{
  g_free (run->purpose.choice);
  g_free (run->purpose.petname);
  run->purpose.request = request;
  run->purpose.choice = g_strdup (choice);
  run->purpose.petname = g_strdup (petname);
  run->purpose.release = release;
}

/* A run that somebody waits for: never a pointer. */
typedef struct {
  Verifications *owner;
  guint32 id;
  VerificationAnswered done;
  gpointer user;
} Waiting;

static Waiting *
waiting_new (Verification *run)
{
  Waiting *waiting = g_new0 (Waiting, 1);

  waiting->owner = run->owner;
  waiting->id = run->id;
  return waiting;
}

/* Runs on while the machine sleeps: five minutes are five minutes. */
static gint64
boot_time (void)
{
  struct timespec now;

  if (clock_gettime (CLOCK_BOOTTIME, &now) != 0)
    return g_get_monotonic_time ();
  return (gint64) now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

/* --- how often ------------------------------------------------------------------------------------------------ */

static void
count_free (gpointer data)
{
  Count *count = data;

  g_array_unref (count->times);
  g_free (count);
}

static gboolean
is_past (gpointer key, gpointer value, gpointer user)
{
  Count *count = value;
  gint64 oldest = *(gint64 *) user;

  while (count->times->len > 0 && g_array_index (count->times, gint64, 0) <= oldest)
    {
      g_array_remove_index (count->times, 0);
      count->told = FALSE;
    }
  return count->times->len == 0;
}

/* Counts a run of this key; FALSE = there were too many. `ours`: our own user wants it. */
static gboolean
take_turn (Verifications *owner, const Fingerprint *fp, gboolean ours, gboolean stranger)
{
  gint64 now = g_get_monotonic_time (), oldest = now - (gint64) owner->limits.window_ms * 1000;
  Count *count;

  g_hash_table_foreach_remove (owner->counts, is_past, &oldest);
  count = g_hash_table_lookup (owner->counts, fp);
  /* Keys cost nothing: whoever makes many must neither fill memory, nor push out what is counted of others, nor keep our user from
   * beginning with whom he likes. */
  if (count == NULL && stranger && !ours && g_hash_table_size (owner->counts) >= owner->limits.strangers)
    return FALSE;
  if (count == NULL)
    {
      count = g_new0 (Count, 1);
      count->times = g_array_new (FALSE, FALSE, sizeof (gint64));
      g_hash_table_insert (owner->counts, g_memdup2 (fp, sizeof *fp), count);
    }
  if (count->times->len >= owner->limits.runs)
    return FALSE;
  g_array_append_val (count->times, now);
  return TRUE;
}

/* Once in a while: who goes on knocking is neither written to nor written about each time. */
static gboolean
may_tell (Verifications *owner, const Fingerprint *fp)
{
  Count *count = g_hash_table_lookup (owner->counts, fp);

  if (count == NULL || count->told)
    return FALSE;
  count->told = TRUE;
  return TRUE;
}

/* --- the life of a run ------------------------------------------------------------------------------------------ */

static Verification *
find_run (Verifications *owner, const Session *session)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, owner->runs);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (((Verification *) value)->session == session)
      return value;
  return NULL;
}

static void
note_run (const Verification *run, const char *what, const char *who)
{
  g_autofree char *hex = fingerprint_to_hex (&run->fp);
  g_autofree char *caller = log_safe (who);
  Contact *contact = verification_get_contact (run);

  log_event (G_LOG_LEVEL_MESSAGE, "verification", contact != NULL ? contact_get_id (contact) : 0,
             run->session != NULL ? session_get_id (run->session) : 0, *run->reason != '\0' ? run->reason : NULL,
             "verification of key %.16s %s, by %s", hex, what, caller);
}

/* Once; the run is gone afterwards. */
static void
finish (Verification *run, VerificationState state, const char *reason, const char *who)
{
  Verifications *owner = run->owner;

  g_hash_table_steal (owner->runs, GUINT_TO_POINTER (run->id));
  run->state = state;
  run->reason = reason;
  note_run (run, verification_state_to_string (state), who);
  WATCHERS_CALL (&owner->watchers, VerificationWatch, removed, run);
  verification_free (run);
}

static void
on_told (gpointer user, const Stanza *reply, const GError *error)
{
}

/* Nobody waits for the answer. */
static void
tell_cancel (Verifications *owner, Session *session, const char *reason)
{
  if (session != NULL)
    router_query (owner->config.router, session, "set", sas_cancel_new (reason), owner->limits.step_ms, on_told, NULL);
}

static void
give_up (Verification *run, VerificationState state, const char *reason, const char *wire, const char *who)
{
  tell_cancel (run->owner, run->session, wire);
  finish (run, state, reason, who);
}

/* "A mismatch changes no level, closes the stream, is audited": somebody may sit between. `wire` NULL: the peer knows. */
static void
mismatch (Verification *run, const char *reason, const char *wire, const char *who)
{
  Session *session = run->session;

  if (wire != NULL)
    tell_cancel (run->owner, session, wire);
  trust_note_mismatch (run->owner->config.trust, &run->fp, reason, who);
  run->session = NULL; /* what follows closes it */
  finish (run, VERIFICATION_MISMATCH, reason, who);
  if (session != NULL)
    session_fail (session, "reset");
}

static gboolean
on_run_time (gpointer user)
{
  Verification *run = user;

  run->run_source = 0;
  if (run->state == VERIFICATION_CONFIRMED_HERE)
    run->overdue = TRUE; /* the user's word came in time */
  else
    give_up (run, VERIFICATION_EXPIRED, "timeout", "timeout", "time");
  return G_SOURCE_REMOVE;
}

static gboolean
on_step_time (gpointer user)
{
  Verification *run = user;

  run->step_source = 0;
  give_up (run, VERIFICATION_EXPIRED, "timeout", "timeout", "time");
  return G_SOURCE_REMOVE;
}

/* NULL when the key went: a stranger may be evicted while connected. */
static Verification *
run_new (Verifications *owner, Session *session, gboolean ours)
{
  Key *key = session_get_key (session);
  guint8 exporter[SAS_BYTES];
  Verification *run;

  if (key == NULL || !session_get_exporter (session, exporter))
    return NULL;
  run = g_new0 (Verification, 1);
  run->owner = owner;
  do
    run->id = g_random_int () & G_MAXINT32;
  while (run->id == 0 || g_hash_table_contains (owner->runs, GUINT_TO_POINTER (run->id)));
  run->session = session;
  run->fp = *key_get_fingerprint (key);
  run->sas = sas_new (identity_get_fingerprint (owner->config.identity), &run->fp, exporter);
  explicit_bzero (exporter, sizeof exporter);
  run->reason = "";
  run->ours = ours;
  run->code = g_strdup ("");
  run->expires = g_get_real_time () + (gint64) owner->limits.run_ms * 1000;
  run->deadline = boot_time () + (gint64) owner->limits.run_ms * 1000;
  run->run_source = g_timeout_add (owner->limits.run_ms, on_run_time, run);
  run->step_source = g_timeout_add (owner->limits.step_ms, on_step_time, run);
  g_hash_table_insert (owner->runs, GUINT_TO_POINTER (run->id), run);
  return run;
}

static void
note_progress (Verification *run)
{
  run->role = sas_get_role (run->sas);
  if (sas_get_state (run->sas) == SAS_AGREED && run->state == VERIFICATION_WAITING_PEER)
    {
      g_clear_handle_id (&run->step_source, g_source_remove);
      g_free (run->code);
      run->code = g_strdup (sas_get_code (run->sas));
      run->state = VERIFICATION_COMPARING;
    }
  WATCHERS_CALL (&run->owner->watchers, VerificationWatch, changed, run);
}

/* "cancel on any deviation" */
static void
judge (Verification *run, SasVerdict verdict)
{
  switch (verdict)
    {
    case SAS_GOOD:
    case SAS_OVERRULED: note_progress (run); return;
    case SAS_DEVIATES: give_up (run, VERIFICATION_CANCELLED, "protocol", "mismatch", "peer"); return;
    case SAS_MISMATCHES: mismatch (run, "commitment", "mismatch", "peer"); return;
    case SAS_CANCELLED:
      if (strcmp (sas_get_cancel (run->sas), "mismatch") == 0)
        mismatch (run, "peer", NULL, "peer");
      else if (strcmp (sas_get_cancel (run->sas), "timeout") == 0)
        finish (run, VERIFICATION_EXPIRED, "timeout", "peer");
      else
        finish (run, VERIFICATION_CANCELLED, strcmp (sas_get_cancel (run->sas), "limit") == 0 ? "limit" : "peer",
                "peer");
      return;
    }
}

/* --- as A ---------------------------------------------------------------------------------------------------------- */

static const Stanza *
only_child (const Stanza *iq)
{
  return stanza_n_children (iq) == 1 ? stanza_next_child (iq, NULL) : NULL;
}

/* The run that an answer is for; NULL = it is over, or the error has been dealt with. */
static Verification *
take_answer (Waiting *waiting, const GError *error)
{
  Verification *run = g_hash_table_lookup (waiting->owner->runs, GUINT_TO_POINTER (waiting->id));

  g_free (waiting);
  if (run == NULL || error == NULL)
    return run;
  /* A stream that closed reports by itself. */
  if (g_error_matches (error, EARSHOT_ERROR, EARSHOT_ERROR_REFUSED) || g_error_matches (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED))
    {
      /* FAILED: "wait", which is how too many runs are refused (T-16). */
      if (sas_on_refused (run->sas))
        finish (run, VERIFICATION_CANCELLED, "refused", "peer");
    }
  else if (g_error_matches (error, EARSHOT_ERROR, EARSHOT_ERROR_TIMEOUT) && sas_get_role (run->sas) == 'A')
    give_up (run, VERIFICATION_EXPIRED, "timeout", "timeout", "time");
  return NULL;
}

static void
on_accepted (gpointer user, const Stanza *reply, const GError *error)
{
  Verification *run = take_answer (user, error);

  if (run != NULL)
    judge (run, sas_on_accepted (run->sas));
}

static void
on_nonce (gpointer user, const Stanza *reply, const GError *error)
{
  Verification *run = take_answer (user, error);
  Stanza *reveal = NULL;
  SasVerdict verdict;

  if (run == NULL)
    return;
  verdict = sas_on_nonce (run->sas, only_child (reply), &reveal);
  if (reveal != NULL)
    router_query (run->owner->config.router, run->session, "set", reveal, run->owner->limits.step_ms, on_accepted,
                  waiting_new (run));
  judge (run, verdict);
}

static gboolean
is_stranger (Session *session)
{
  return !session_is_trusted (session);
}

Verification *
verifications_start (Verifications *owner, Session *session, const char *caller, GError **error)
{
  Verification *run = find_run (owner, session);
  const Stanza *disco = session_get_peer_disco (session);
  Key *key = session_get_key (session);
  guint8 nonce[SAS_BYTES];

  if (run != NULL)
    return run;
  if (session_is_clear (session))
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_UNSUPPORTED, "In clear text there is no key to compare");
      return NULL;
    }
  if (disco != NULL && !caps_has_feature (disco, NS_LL_SAS))
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_UNSUPPORTED,
                           "The peer's program does not compare codes");
      return NULL;
    }
  if (key != NULL && !take_turn (owner, key_get_fingerprint (key), TRUE, is_stranger (session)))
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_QUOTA_EXCEEDED,
                   "%u attempts in %u minutes are enough: try again later", owner->limits.runs,
                   owner->limits.window_ms / 60000);
      return NULL;
    }
  run = key != NULL ? run_new (owner, session, TRUE) : NULL;
  if (run == NULL)
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_REACHABLE, "The stream is closing");
      return NULL;
    }
  note_run (run, "begins", caller);
  identity_random (nonce, sizeof nonce);
  router_query (owner->config.router, session, "set", sas_start (run->sas, nonce), owner->limits.step_ms, on_nonce,
                waiting_new (run));
  explicit_bzero (nonce, sizeof nonce);
  run->role = sas_get_role (run->sas);
  WATCHERS_CALL (&owner->watchers, VerificationWatch, added, run);
  return run;
}

/* --- what the peer does ---------------------------------------------------------------------------------------------- */

/* NULL after having refused. */
static Verification *
begin_for_peer (Verifications *owner, Session *session, const Stanza *iq)
{
  Key *key = session_get_key (session);
  Verification *run = NULL;

  if (key != NULL && !take_turn (owner, key_get_fingerprint (key), FALSE, is_stranger (session)))
    {
      g_autofree char *hex = fingerprint_to_hex (key_get_fingerprint (key));

      if (may_tell (owner, key_get_fingerprint (key)))
        {
          log_event (G_LOG_LEVEL_MESSAGE, "verification", 0, session_get_id (session), "limit",
                     "key %.16s wants to compare codes too often: refused", hex);
          tell_cancel (owner, session, "limit");
        }
      router_bounce (session, iq, "wait", "policy-violation", NULL);
      return NULL;
    }
  if (key != NULL)
    run = run_new (owner, session, FALSE);
  if (run == NULL)
    router_bounce (session, iq, "cancel", "not-acceptable", NULL);
  else
    note_run (run, "begins", "peer");
  return run;
}

void
verifications_on_iq (Verifications *owner, Session *session, const Stanza *iq, const Stanza *payload)
{
  Verification *run = find_run (owner, session);
  gboolean begins = run == NULL;
  g_autoptr (Stanza) reply = NULL;
  guint8 nonce[SAS_BYTES];
  SasVerdict verdict;

  if (begins && !stanza_is (payload, "commit", NS_LL_SAS))
    {
      /* One that is over here, or never was. */
      router_bounce (session, iq, "cancel", "item-not-found", NULL);
      return;
    }
  if (!begins && run->state == VERIFICATION_CONFIRMED_HERE)
    {
      /* Our user has compared, and the peer has no say in that. */
      router_bounce (session, iq, "cancel", "item-not-found", NULL);
      return;
    }
  if (begins && (run = begin_for_peer (owner, session, iq)) == NULL)
    return;
  identity_random (nonce, sizeof nonce);
  verdict = sas_on_set (run->sas, payload, nonce, &reply);
  explicit_bzero (nonce, sizeof nonce);
  run->role = sas_get_role (run->sas);
  if (begins && verdict == SAS_GOOD)
    WATCHERS_CALL (&owner->watchers, VerificationWatch, added, run);
  if (verdict == SAS_GOOD || verdict == SAS_CANCELLED)
    router_answer (session, iq, g_steal_pointer (&reply));
  else if (verdict == SAS_OVERRULED)
    router_bounce (session, iq, "cancel", "conflict", NULL);
  else
    router_bounce (session, iq, "modify", "bad-request", NULL);
  judge (run, verdict);
}

void
verifications_on_closed (Verifications *owner, Session *session)
{
  Verification *run = find_run (owner, session);

  if (run == NULL)
    return;
  run->session = NULL;
  /* The code is bound to this TLS session, and a word that is on its way to the disk was given while it stood. */
  if (run->state != VERIFICATION_CONFIRMED_HERE)
    finish (run, VERIFICATION_CANCELLED, "stream-closed", "peer");
}

/* --- what the user says ------------------------------------------------------------------------------------------------ */

static void
answer_with (VerificationAnswered done, gpointer user, gboolean matches, int code, const char *text)
{
  g_autoptr (GError) error = code >= 0 ? g_error_new_literal (EARSHOT_ERROR, code, text) : NULL;

  done (user, matches, error);
}

static void
on_verified (gpointer user, const GError *error)
{
  g_autofree Waiting *waiting = user;
  Verification *run = g_hash_table_lookup (waiting->owner->runs, GUINT_TO_POINTER (waiting->id));

  waiting->done (waiting->user, error == NULL, error);
  if (run == NULL)
    return;
  if (error == NULL)
    finish (run, VERIFICATION_DONE, "user", "user");
  else if (run->session == NULL)
    finish (run, VERIFICATION_CANCELLED, "stream-closed", "peer");
  else if (run->overdue)
    give_up (run, VERIFICATION_EXPIRED, "timeout", "timeout", "time");
  else
    {
      run->state = VERIFICATION_COMPARING; /* nothing was changed; the code still stands */
      WATCHERS_CALL (&run->owner->watchers, VerificationWatch, changed, run);
    }
}

/* FALSE after having answered. */
static gboolean
may_answer (Verification *run, VerificationAnswered done, gpointer user)
{
  if (run->state == VERIFICATION_COMPARING && boot_time () < run->deadline)
    return TRUE;
  if (run->state == VERIFICATION_COMPARING)
    {
      give_up (run, VERIFICATION_EXPIRED, "timeout", "timeout", "time"); /* the machine slept, and the timer with it */
      answer_with (done, user, FALSE, EARSHOT_ERROR_TIMEOUT, "The time to compare ran out");
      return FALSE;
    }
  if (run->state == VERIFICATION_WAITING_PEER)
    answer_with (done, user, FALSE, EARSHOT_ERROR_FAILED, "There is no code yet");
  else
    answer_with (done, user, FALSE, EARSHOT_ERROR_ALREADY_RESOLVED, "The answer was given already");
  return FALSE;
}

static void
accept_match (Verification *run, const char *caller, VerificationAnswered done, gpointer user)
{
  Trust *trust = run->owner->config.trust;
  Waiting *waiting = waiting_new (run);

  waiting->done = done;
  waiting->user = user;
  run->state = VERIFICATION_CONFIRMED_HERE;
  WATCHERS_CALL (&run->owner->watchers, VerificationWatch, changed, run);
  if (run->purpose.request != 0 && trust_get_request (trust, run->purpose.request) != NULL)
    trust_resolve_verified (trust, run->purpose.request, run->purpose.choice, &run->fp, run->purpose.petname, run->purpose.release, "code",
                            caller, on_verified, waiting);
  else
    trust_verify (trust, &run->fp, caller, on_verified, waiting);
}

void
verification_enter_code (Verification *run, const char *code, const char *caller, VerificationAnswered done,
                         gpointer user)
{
  if (!may_answer (run, done, user))
    return;
  switch (sas_check_code (run->sas, code))
    {
    case SAS_CODE_MALFORMED:
      answer_with (done, user, FALSE, EARSHOT_ERROR_INVALID_ARGUMENT,
                   "A code is three numbers of four digits, each from 1000 to 9191");
      return;
    case SAS_CODE_RIGHT: accept_match (run, caller, done, user); return;
    case SAS_CODE_WRONG:
      mismatch (run, "code", "mismatch", caller);
      answer_with (done, user, FALSE, -1, NULL);
      return;
    }
}

void
verification_confirm (Verification *run, gboolean matches, const char *caller, VerificationAnswered done, gpointer user)
{
  if (!may_answer (run, done, user))
    return;
  if (matches)
    accept_match (run, caller, done, user);
  else
    {
      mismatch (run, "code", "mismatch", caller);
      answer_with (done, user, FALSE, -1, NULL);
    }
}

gboolean
verification_cancel (Verification *run, const char *caller, GError **error)
{
  if (run->state == VERIFICATION_CONFIRMED_HERE)
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_ALREADY_RESOLVED, "The answer was given already");
      return FALSE;
    }
  give_up (run, VERIFICATION_CANCELLED, "user", "user", caller);
  return TRUE;
}

/* --- reading ------------------------------------------------------------------------------------------------------------ */

Verification *
verifications_get (Verifications *owner, guint32 id)
{
  return g_hash_table_lookup (owner->runs, GUINT_TO_POINTER (id));
}

GPtrArray *
verifications_list (Verifications *owner)
{
  GPtrArray *list = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, owner->runs);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    g_ptr_array_add (list, value);
  return list;
}

guint32
verification_get_id (const Verification *run)
{
  return run->id;
}

Contact *
verification_get_contact (const Verification *run)
{
  Key *key = contacts_get_key (run->owner->config.contacts, &run->fp);

  return key != NULL ? key_get_contact (key) : NULL;
}

const Fingerprint *
verification_get_fingerprint (const Verification *run)
{
  return &run->fp;
}

VerificationState
verification_get_state (const Verification *run)
{
  return run->state;
}

const char *
verification_state_to_string (VerificationState state)
{
  switch (state)
    {
    case VERIFICATION_WAITING_PEER: return "waiting-peer";
    case VERIFICATION_COMPARING: return "comparing";
    case VERIFICATION_CONFIRMED_HERE: return "confirmed-here";
    case VERIFICATION_DONE: return "done";
    case VERIFICATION_MISMATCH: return "mismatch";
    case VERIFICATION_CANCELLED: return "cancelled";
    case VERIFICATION_EXPIRED: return "expired";
    }
  return "cancelled";
}

gboolean
verification_is_ours (const Verification *run)
{
  return run->ours;
}

char
verification_get_role (const Verification *run)
{
  return run->role;
}

const char *
verification_get_code (const Verification *run)
{
  return run->code;
}

gint64
verification_get_expires (const Verification *run)
{
  return run->expires;
}

const char *
verification_get_reason (const Verification *run)
{
  return run->reason;
}

/* --- birth and death ------------------------------------------------------------------------------------------------------- */

Verifications *
verifications_new (const VerificationsConfig *config)
{
  Verifications *owner = g_new0 (Verifications, 1);

  owner->config = *config;
  owner->limits = config->limits != NULL ? *config->limits : verification_limits_default;
  owner->runs = g_hash_table_new_full (g_direct_hash, g_direct_equal, NULL, verification_free);
  owner->counts = g_hash_table_new_full (fingerprint_hash, fingerprint_equal_func, g_free, count_free);
  watchers_init (&owner->watchers);
  return owner;
}

void
verifications_free (Verifications *owner)
{
  if (owner == NULL)
    return;
  g_hash_table_unref (owner->runs);
  g_hash_table_unref (owner->counts);
  watchers_clear (&owner->watchers);
  g_free (owner);
}

void
verifications_watch (Verifications *owner, const VerificationWatch *watch, gpointer user)
{
  watchers_add (&owner->watchers, watch, user);
}

void
verifications_unwatch (Verifications *owner, gpointer user)
{
  watchers_remove (&owner->watchers, user);
}
