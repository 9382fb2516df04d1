/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who is to be told of our new key is noted in one change with the note that it was made up for this key ("succession-noted"): a crash
 * between the switch of the key (io/identity-rotate.c) and that change is made good at the next start. A debt ends with an answer.
 */
#include "earshot-config.h"

#include "daemon/model/succession.h"

#include "daemon/base/log.h"
#include "daemon/io/succession-sign.h"

#define NOTED "succession-noted"
#define TELL_MS 30000
#define BEFOREHAND_MS 3000
#define TRIES_MAX 4 /* a stream */

typedef struct _Rotating Rotating;

struct _Successions {
  SuccessionsConfig config;
  Rotating *rotating;      /* NULL: our key stays */
  GHashTable *tries;       /* session id -> statements heard on it; what was only told is not in here */
};

/* --- theirs ----------------------------------------------------------------------------- */

typedef struct {
  Successions *owner;
  guint64 session;
  Stanza *iq;
} Hearing;

static void
hearing_free (Hearing *hearing)
{
  stanza_unref (hearing->iq);
  g_free (hearing);
}

static void
on_succeeded (gpointer user, const GError *error)
{
  Hearing *hearing = user;
  Session *session = sessions_get (hearing->owner->config.sessions, hearing->session);

  if (session == NULL)
    ;
  else if (error == NULL)
    router_answer (session, hearing->iq, NULL);
  else if (g_error_matches (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_TRUSTED))
    router_bounce (session, hearing->iq, "cancel", "not-acceptable", NULL);
  else
    router_bounce (session, hearing->iq, "wait", "resource-constraint", NULL);
  hearing_free (hearing);
}

/* Tries of a stream are bounded, whatever became of them. */
static gboolean
may_try (Successions *owner, Session *session)
{
  guint64 id = session_get_id (session);
  guint *count = g_hash_table_lookup (owner->tries, &id);

  if (count == NULL)
    {
      count = g_new0 (guint, 1);
      g_hash_table_insert (owner->tries, g_memdup2 (&id, sizeof id), count);
    }
  return ++*count <= TRIES_MAX;
}

void
successions_on_iq (Successions *owner, Session *session, const Stanza *iq, const Stanza *payload)
{
  g_auto (Succession) statement = { .spki = NULL };
  g_autoptr (GError) error = NULL;
  TrustProof proof = session_get_proof (session);
  const char *why = NULL;
  gboolean beforehand;
  Hearing *hearing;

  if (!may_try (owner, session))
    {
      router_bounce (session, iq, "cancel", "policy-violation", NULL);
      return;
    }
  if (!succession_parse (payload, &statement))
    {
      router_bounce (session, iq, "modify", "bad-request", NULL);
      return;
    }
  /* "Presented on a stream that the new key authenticated (and, if there is time, beforehand on one of the old key)": nobody speaks for
   * another here, and there is no second step in one. */
  beforehand = fingerprint_equal (&statement.old_fp, &proof.fp);
  if (beforehand)
    proof.fp = statement.new_fp;
  if (!fingerprint_equal (&statement.new_fp, &proof.fp))
    why = "not-the-heir";
  /* Nobody made us somebody else, and there is nothing to ask about ourselves. */
  else if (fingerprint_equal (&statement.new_fp, identity_get_fingerprint (owner->config.identity)))
    why = "our-key";
  else if (!succession_check (&statement, &error))
    why = "forged";
  if (why != NULL)
    {
      trust_refuse_succession (owner->config.trust, &statement.old_fp, &proof, why);
      router_bounce (session, iq, "cancel", "not-acceptable", NULL);
      return;
    }
  hearing = g_new0 (Hearing, 1);
  hearing->owner = owner;
  hearing->session = session_get_id (session);
  hearing->iq = stanza_ref ((Stanza *) iq);
  if (beforehand)
    trust_expect_heir (owner->config.trust, &statement.old_fp, &proof, on_succeeded, hearing);
  else
    trust_succeed (owner->config.trust, &statement.old_fp, &proof, on_succeeded, hearing);
}

void
successions_on_closed (Successions *owner, Session *session)
{
  guint64 id = session_get_id (session);

  g_hash_table_remove (owner->tries, &id);
}

/* --- ours: telling ------------------------------------------------------------------------ */

typedef struct {
  Successions *owner;
  guint32 contact;
} Telling;

static void
on_told (gpointer user, const Stanza *reply, const GError *error)
{
  g_autofree Telling *telling = user;
  Successions *owner = telling->owner;
  Contact *contact = contacts_get (owner->config.contacts, telling->contact);

  /* Nobody answered, or "not now": the next stream tells it again. */
  if (contact == NULL || (error != NULL && !g_error_matches (error, EARSHOT_ERROR, EARSHOT_ERROR_REFUSED)))
    return;
  log_event (error != NULL ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_MESSAGE, "identity", telling->contact, 0, NULL, "%s",
             error != NULL ? "our new key is not taken for the old one's heir: the other side decides by hand"
                           : "our new key is known");
  contact_set_succession_owed (contact, FALSE);
  contacts_save (contact);
  owner->config.changed (owner->config.user, contact);
}

static const Succession *
statement_to_tell (Successions *owner)
{
  return identity_is_rotating (owner->config.identity) ? NULL : identity_get_succession (owner->config.identity);
}

void
successions_on_opened (Successions *owner, Session *session)
{
  Contact *contact = session_get_contact (session);
  const Succession *statement = statement_to_tell (owner);
  Telling *telling;

  if (statement == NULL || contact == NULL || session_is_clear (session) || !session_is_trusted (session)
      || !contact_is_succession_owed (contact))
    return;
  telling = g_new0 (Telling, 1);
  telling->owner = owner;
  telling->contact = contact_get_id (contact);
  router_query (owner->config.router, session, "set", succession_to_stanza (statement), TELL_MS, on_told, telling);
}

guint
successions_count_owed (Successions *owner)
{
  g_autoptr (GPtrArray) all = contacts_list (owner->config.contacts);
  guint count = 0;

  for (guint i = 0; i < all->len; i++)
    count += contact_is_succession_owed (g_ptr_array_index (all, i));
  return count;
}

/* --- ours: who is to be told -------------------------------------------------------------- */

/* One for each time they are made up. */
typedef struct {
  Successions *owner;
  char *hex;               /* the key they were made up for; "" = none of ours has an heir */
  char *caller;            /* NULL: a start made good what a crash left */
  GArray *ids;
  DoneFunc done;
  gpointer user;
} Noting;

static void
noting_free (Noting *noting)
{
  g_array_unref (noting->ids);
  g_free (noting->hex);
  g_free (noting->caller);
  g_free (noting);
}

static void
on_noted (gpointer user, const GError *error)
{
  Noting *noting = user;
  Successions *owner = noting->owner;

  if (error != NULL)
    log_warn ("identity", "who is to be told of the new key is not on disk yet: %s", error->message);
  for (guint i = 0; i < noting->ids->len; i++)
    {
      Contact *contact = contacts_get (owner->config.contacts, g_array_index (noting->ids, guint32, i));

      if (contact == NULL)
        continue;
      contact_set_succession_owed (contact, *noting->hex != '\0');
      owner->config.changed (owner->config.user, contact);
    }
  contacts_end_turn (owner->config.contacts);
  /* The key has changed, whatever else did not. */
  if (noting->done != NULL)
    noting->done (noting->user, NULL);
  noting_free (noting);
}

static void
on_noting_turn (gpointer user)
{
  Noting *noting = user;
  Successions *owner = noting->owner;
  const Succession *statement = statement_to_tell (owner);
  g_autoptr (GPtrArray) all = contacts_list (owner->config.contacts);
  TrustChange *change = trust_change_new ();

  for (guint i = 0; i < all->len; i++)
    {
      Contact *contact = g_ptr_array_index (all, i);
      gboolean owed = *noting->hex != '\0' && contact_has_trusted_key (contact) && !contact_is_blocked (contact);
      guint32 id = contact_get_id (contact);
      ContactRow row;

      if (!owed && (*noting->hex != '\0' || !contact_is_succession_owed (contact)))
        continue;
      contact_to_row (contact, &row);
      row.succession_owed = owed;
      trust_change_put_contact (change, &row);
      contact_row_clear (&row);
      g_array_append_val (noting->ids, id);
    }
  trust_change_put_setting (change, NOTED, *noting->hex != '\0' ? noting->hex : NULL);
  if (*noting->hex != '\0' && statement != NULL)
    {
      g_autofree char *old = fingerprint_to_hex (&statement->old_fp);
      g_autofree char *inputs = g_strdup_printf ("old=%s tell=%u", old, noting->ids->len);

      trust_change_audit (change, &(AuditEntry){ .event = "rotate", .fp = noting->hex, .inputs = inputs, .verdict = "our key changed",
                                                 .caller = noting->caller != NULL ? noting->caller : "start" });
    }
  trust_store_apply (owner->config.store, change, on_noted, noting);
}

/* `done` may be NULL. */
static void
note_who (Successions *owner, const char *caller, DoneFunc done, gpointer user)
{
  const Succession *statement = statement_to_tell (owner);
  Noting *noting = g_new0 (Noting, 1);

  noting->owner = owner;
  noting->hex = statement != NULL ? fingerprint_to_hex (&statement->new_fp) : g_strdup ("");
  noting->caller = g_strdup (caller);
  noting->ids = g_array_new (FALSE, FALSE, sizeof (guint32));
  noting->done = done;
  noting->user = user;
  contacts_await_turn (owner->config.contacts, on_noting_turn, noting);
}

void
successions_start (Successions *owner)
{
  const Succession *statement = statement_to_tell (owner);
  g_autofree char *hex = statement != NULL ? fingerprint_to_hex (&statement->new_fp) : NULL;
  g_autoptr (GPtrArray) all = NULL;

  if (g_strcmp0 (hex, settings_get (owner->config.settings, NOTED)) != 0)
    {
      note_who (owner, NULL, NULL, NULL);
      return;
    }
  all = contacts_list (owner->config.contacts);
  for (guint i = 0; i < all->len; i++)
    if (contact_is_succession_owed (g_ptr_array_index (all, i)))
      owner->config.changed (owner->config.user, g_ptr_array_index (all, i));
}

/* --- ours: another key ---------------------------------------------------------------------- */

typedef struct {
  GError *error;
  DoneFunc done;
  gpointer user;
} Failure;

static gboolean
on_failure (gpointer data)
{
  Failure *failure = data;

  failure->done (failure->user, failure->error);
  g_error_free (failure->error);
  g_free (failure);
  return G_SOURCE_REMOVE;
}

static void
report_failure (GError *error_take, DoneFunc done, gpointer user)
{
  Failure *failure = g_new0 (Failure, 1);

  failure->error = error_take;
  failure->done = done;
  failure->user = user;
  g_idle_add_full (G_PRIORITY_DEFAULT, on_failure, failure, NULL);
}

/* One change of our key on its way. */
struct _Rotating {
  Successions *owner;
  char *addr, *caller;
  guint awaited;           /* answers to what was said beforehand */
  guint source;            /* all are there */
  DoneFunc done;
  gpointer user;
};

static void
rotating_free (Rotating *rotating)
{
  if (rotating->source != 0)
    g_source_remove (rotating->source);
  g_free (rotating->addr);
  g_free (rotating->caller);
  g_free (rotating);
}

/* Everybody who is here has been told, or had the time. */
static gboolean
on_all_told (gpointer user)
{
  Rotating *rotating = user;
  Successions *owner = rotating->owner;
  g_autofree char *who = log_safe (rotating->caller);
  GError *error = NULL;

  rotating->source = 0;
  owner->rotating = NULL;
  if (!identity_finish_rotation (owner->config.identity, rotating->addr, &error))
    {
      trust_record (owner->config.trust, "rotate", "", "failed", rotating->caller);
      report_failure (error, rotating->done, rotating->user);
    }
  else
    {
      log_event (G_LOG_LEVEL_MESSAGE, "identity", 0, 0, NULL, "our key was changed by %s", who);
      sessions_reset (owner->config.sessions);
      note_who (owner, rotating->caller, rotating->done, rotating->user);
    }
  rotating_free (rotating);
  return G_SOURCE_REMOVE;
}

static void
on_told_beforehand (gpointer user, const Stanza *reply, const GError *error)
{
  Rotating *rotating = user;

  /* From the loop: it may have been a stream that ended. While the daemon ends nothing follows: the next start goes on. */
  if (--rotating->awaited == 0)
    rotating->source = g_idle_add_full (G_PRIORITY_DEFAULT, on_all_told, rotating, NULL);
}

/* Where unknown keys get no stream at all (`strict`), this is the only one on which it can be said. */
static void
tell_beforehand (Rotating *rotating)
{
  Successions *owner = rotating->owner;
  const Succession *statement = identity_get_succession (owner->config.identity);
  g_autoptr (GPtrArray) all = contacts_list (owner->config.contacts);

  rotating->awaited = 1;
  for (guint i = 0; i < all->len; i++)
    {
      Session *session = sessions_find (owner->config.sessions, g_ptr_array_index (all, i));

      if (session == NULL || session_is_clear (session) || !session_is_trusted (session) || session_is_restricted (session))
        continue;
      rotating->awaited++;
      router_query (owner->config.router, session, "set", succession_to_stanza (statement), BEFOREHAND_MS, on_told_beforehand, rotating);
    }
  on_told_beforehand (rotating, NULL, NULL);
}

void
successions_rotate (Successions *owner, const char *addr, const char *caller, DoneFunc done, gpointer user)
{
  Identity *identity = owner->config.identity;
  GError *error = NULL;

  if (owner->rotating != NULL)
    error = g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_ALREADY_RESOLVED, "the key is being replaced right now");
  /* One that could not be finished is finished now. */
  else if (!identity_is_rotating (identity))
    identity_begin_rotation (identity, &error);
  if (error != NULL)
    {
      trust_record (owner->config.trust, "rotate", "", "failed", caller);
      report_failure (error, done, user);
      return;
    }
  owner->rotating = g_new0 (Rotating, 1);
  owner->rotating->owner = owner;
  owner->rotating->addr = g_strdup (addr);
  owner->rotating->caller = g_strdup (caller);
  owner->rotating->done = done;
  owner->rotating->user = user;
  tell_beforehand (owner->rotating);
}

/* --- ours: kept elsewhere ------------------------------------------------------------------------- */

typedef struct {
  Successions *owner;
  gboolean import;
  char *caller;
  Fingerprint before;
  DoneFunc done;
  gpointer user;
} Carrying;

static void
on_carried (gpointer user, const GError *error)
{
  Carrying *carrying = user;
  Successions *owner = carrying->owner;
  const Fingerprint *own = identity_get_fingerprint (owner->config.identity);
  g_autofree char *old = fingerprint_to_hex (&carrying->before);
  g_autofree char *inputs = g_strconcat (carrying->import ? "old=" : "key=", old, NULL);
  g_autofree char *new = fingerprint_to_hex (own);
  g_autofree char *verdict = error != NULL ? g_strdup ("failed") : carrying->import ? g_strconcat ("our key is ", new, NULL) : g_strdup ("done");
  g_autofree char *who = log_safe (carrying->caller);

  log_event (G_LOG_LEVEL_MESSAGE, "identity", 0, 0, NULL, "our identity was %s by %s: %s", carrying->import ? "imported" : "exported", who,
             error != NULL ? "failed" : "done");
  trust_record (owner->config.trust, carrying->import ? "import-identity" : "export-identity", inputs, verdict, carrying->caller);
  if (error == NULL && !fingerprint_equal (own, &carrying->before))
    {
      sessions_reset (owner->config.sessions);
      note_who (owner, carrying->caller, NULL, NULL);
    }
  carrying->done (carrying->user, error);
  g_free (carrying->caller);
  g_free (carrying);
}

static Carrying *
carrying_new (Successions *owner, gboolean import, const char *caller, DoneFunc done, gpointer user)
{
  Carrying *carrying = g_new0 (Carrying, 1);

  carrying->owner = owner;
  carrying->import = import;
  carrying->caller = g_strdup (caller);
  carrying->before = *identity_get_fingerprint (owner->config.identity);
  carrying->done = done;
  carrying->user = user;
  return carrying;
}

void
successions_import (Successions *owner, int fd_take, const char *passphrase, gboolean replace, const char *addr, const char *caller,
                    DoneFunc done, gpointer user)
{
  identity_import (owner->config.identity, fd_take, passphrase, replace, addr, on_carried,
                   carrying_new (owner, TRUE, caller, done, user));
}

void
successions_export (Successions *owner, int fd_take, const char *passphrase, const char *caller, DoneFunc done, gpointer user)
{
  identity_export (owner->config.identity, fd_take, passphrase, on_carried, carrying_new (owner, FALSE, caller, done, user));
}

/* --- birth and death -------------------------------------------------------------------------- */

Successions *
successions_new (const SuccessionsConfig *config)
{
  Successions *owner = g_new0 (Successions, 1);

  owner->config = *config;
  owner->tries = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  return owner;
}

void
successions_free (Successions *owner)
{
  if (owner == NULL)
    return;
  g_clear_pointer (&owner->rotating, rotating_free); /* who asked is gone, too */
  g_hash_table_unref (owner->tries);
  g_free (owner);
}
