/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Invites accepted here. A proof is owed, on disk, from the moment the contact is, and goes out on each stream with that very key,
 * whoever opened it, until its maker answers; nobody else ever gets one. What waits remembers the key.
 */
#include "earshot-config.h"

#include "daemon/model/invites-private.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/names.h"

static void give_proof (Owed *owed);

void
owed_free (gpointer data)
{
  Owed *owed = data;

  g_clear_handle_id (&owed->again_source, g_source_remove);
  invite_owed_row_clear (&owed->row);
  g_free (owed);
}

void
owed_adopt (Invites *invites, const InviteOwedRow *row)
{
  Owed *owed = g_new0 (Owed, 1);

  owed->invites = invites;
  owed->row = *row;
  invite_id (row->secret, owed->id);
  g_hash_table_replace (invites->owed, &owed->row.fp, owed);
}

/* Another reason than this one may still want it. */
static void
unwant (Owed *owed)
{
  Key *key = contacts_get_key (owed->invites->config.contacts, &owed->row.fp);

  if (key != NULL && owed->invites->sessions != NULL)
    sessions_unwant_for (owed->invites->sessions, key_get_contact (key), SESSIONS_FOR_INVITE);
}

static void
on_forgotten_on_disk (gpointer user, const GError *error)
{
  if (error != NULL)
    log_warn ("invite", "a proof that is owed no more is still on disk: %s", error->message); /* until it runs out */
}

static void
forget_on_disk (Owed *owed, const char *verdict, const char *caller)
{
  Key *key = contacts_get_key (owed->invites->config.contacts, &owed->row.fp);
  guint32 contact = key != NULL ? contact_get_id (key_get_contact (key)) : 0;
  g_autofree char *hex = fingerprint_to_hex (&owed->row.fp);
  g_autofree char *inputs = g_strconcat ("invite=", owed->id, NULL);
  TrustChange *change = trust_change_new ();

  log_event (G_LOG_LEVEL_MESSAGE, "invite", contact, 0, NULL, "invite %s of key %.16s: %s", owed->id, hex, verdict);
  trust_change_delete_owed (change, &owed->row.fp);
  trust_change_audit (change, &(AuditEntry){ .event = "invite", .fp = hex, .contact = contact, .inputs = inputs, .verdict = verdict,
                                             .caller = caller });
  trust_store_apply (owed->invites->config.store, change, on_forgotten_on_disk, NULL);
  g_clear_handle_id (&owed->again_source, g_source_remove);
  explicit_bzero (owed->row.secret, sizeof owed->row.secret);
  unwant (owed);
}

/* It stays in the list until it runs out, for people to see. */
static void
finish (Owed *owed, OwedState state, const char *verdict)
{
  owed->state = state;
  owed->asked = 0;
  forget_on_disk (owed, verdict, "peer");
  invites_changed (owed->invites);
}

static void
drop (Owed *owed, const char *verdict)
{
  Invites *invites = owed->invites;

  if (owed->state == OWED_WAITING)
    forget_on_disk (owed, verdict, "earshotd");
  g_hash_table_remove (invites->owed, &owed->row.fp);
}

/* --- giving it -------------------------------------------------------------------------------------------------------- */

typedef struct {
  Invites *invites;
  Fingerprint fp;
  char id[INVITE_ID_LENGTH + 1];
  guint64 session;
} Asked;

static gboolean
on_again (gpointer user)
{
  Owed *owed = user;

  owed->again_source = 0;
  give_proof (owed);
  return G_SOURCE_REMOVE;
}

static void
on_answer (gpointer user, const Stanza *reply, const GError *error)
{
  g_autofree Asked *asked = user;
  Owed *owed = g_hash_table_lookup (asked->invites->owed, &asked->fp);

  /* Over, or another invite of the same person by now. */
  if (owed == NULL || owed->state != OWED_WAITING || owed->asked != asked->session || strcmp (owed->id, asked->id) != 0)
    return;
  owed->asked = 0;
  if (error == NULL && stanza_get_child (reply, "later", NS_LL_INVITE) == NULL)
    finish (owed, OWED_DONE, "acknowledged");
  else if (g_error_matches (error, EARSHOT_ERROR, EARSHOT_ERROR_REFUSED))
    finish (owed, OWED_REFUSED, "not acknowledged");
  else if (!g_error_matches (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_REACHABLE) && owed->again_source == 0)
    owed->again_source = g_timeout_add (owed->invites->limits.again_ms, on_again, owed);
}

/* To whom it is owed, on a stream which that key authenticated, if there is one. */
static void
give_proof (Owed *owed)
{
  Invites *invites = owed->invites;
  Session *session = invites_find_session (invites, &owed->row.fp);
  Key *key = session != NULL ? session_get_key (session) : NULL;
  guint8 exporter[32], proof[INVITE_PROOF_BYTES];
  Asked *asked;

  if (owed->state != OWED_WAITING || key == NULL || !fingerprint_equal (key_get_fingerprint (key), &owed->row.fp)
      || owed->asked == session_get_id (session) || !session_get_exporter (session, exporter)
      || g_get_real_time () >= owed->row.expires)
    return;
  g_clear_handle_id (&owed->again_source, g_source_remove);
  invite_proof (owed->row.secret, exporter, &owed->row.fp, identity_get_fingerprint (invites->config.identity), proof);
  explicit_bzero (exporter, sizeof exporter);
  asked = g_new0 (Asked, 1);
  asked->invites = invites;
  asked->fp = owed->row.fp;
  g_strlcpy (asked->id, owed->id, sizeof asked->id);
  asked->session = owed->asked = session_get_id (session);
  router_query (invites->config.router, session, "set", invite_stanza_new (owed->id, proof), invites->limits.answer_ms, on_answer,
                asked);
}

void
invites_on_opened (Invites *invites, Session *session)
{
  Key *key = session_get_key (session);
  Owed *owed = key != NULL ? g_hash_table_lookup (invites->owed, key_get_fingerprint (key)) : NULL;

  if (owed != NULL)
    give_proof (owed);
}

/* Dials until the answer is there. */
static void
want (Owed *owed)
{
  Key *key = contacts_get_key (owed->invites->config.contacts, &owed->row.fp);

  if (key == NULL || owed->invites->sessions == NULL || owed->state != OWED_WAITING)
    return;
  sessions_want_for (owed->invites->sessions, key_get_contact (key), SESSIONS_FOR_INVITE);
  give_proof (owed);
}

void
invites_start (Invites *invites, Sessions *sessions)
{
  GHashTableIter iter;
  gpointer value;

  invites->sessions = sessions;
  g_hash_table_iter_init (&iter, invites->owed);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    want (value);
}

void
invites_stop (Invites *invites)
{
  if (invites != NULL)
    invites->sessions = NULL;
}

/* --- what ends it --------------------------------------------------------------------------------------------------- */

gboolean
owed_expire (Invites *invites, gint64 now)
{
  g_autoptr (GList) all = g_hash_table_get_values (invites->owed);
  gboolean any = FALSE;

  for (GList *item = all; item != NULL; item = item->next)
    if (((Owed *) item->data)->row.expires <= now)
      {
        drop (item->data, "expired");
        any = TRUE;
      }
  return any;
}

gint64
owed_next_expiry (Invites *invites)
{
  gint64 next = G_MAXINT64;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, invites->owed);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    next = MIN (next, ((Owed *) value)->row.expires);
  return next;
}

/* Who was forgotten, blocked or revoked meanwhile gets nothing from us. */
static void
review (Invites *invites)
{
  g_autoptr (GList) all = g_hash_table_get_values (invites->owed);
  gboolean any = FALSE;

  for (GList *item = all; item != NULL; item = item->next)
    {
      Owed *owed = item->data;
      Key *key = contacts_get_key (invites->config.contacts, &owed->row.fp);

      if (key != NULL && key_get_level (key) >= TRUST_PINNED && !contact_is_blocked (key_get_contact (key)))
        continue;
      drop (owed, "withdrawn");
      any = TRUE;
    }
  if (any)
    invites_changed (invites);
}

static void
on_level_changed (gpointer user, Contact *contact, Key *key, gboolean release)
{
  review (user);
}

static void
on_forgotten (gpointer user, guint32 contact_id, const Fingerprint *fp)
{
  review (user);
}

const TrustWatch owed_trust_table = { .level_changed = on_level_changed, .forgotten = on_forgotten };

/* --- accepting ------------------------------------------------------------------------------------------------------ */

typedef struct {
  Invites *invites;
  InviteOwedRow owed;
  gboolean one_time;
  char **endpoints;
  guint32 id;
  GError *error;
  TrustAdded done;
  gpointer user;
} Accepting;

static void
accepting_free (Accepting *accepting)
{
  invite_owed_row_clear (&accepting->owed);
  g_strfreev (accepting->endpoints);
  g_clear_error (&accepting->error);
  g_free (accepting);
}

/* An attempt that nobody waits for: LastError tells. */
static void
on_connected (gpointer user, const GError *error)
{
}

static void
learn_endpoints (Invites *invites, guint32 id, char **endpoints)
{
  for (guint i = 0; endpoints != NULL && endpoints[i] != NULL; i++)
    {
      Contact *contact = contacts_get (invites->config.contacts, id);
      g_autoptr (GError) error = NULL;

      if (contact != NULL && contacts_take_static (invites->config.contacts, contact, endpoints[i], &error) == NULL)
        log_warn ("invite", "an endpoint is not kept: %s", error->message);
    }
}

static void
on_endpoints_kept (gpointer user, const GError *error)
{
  Accepting *accepting = user;

  accepting->done (accepting->user, accepting->id, error);
  accepting_free (accepting);
}

static void
on_followed (gpointer user, guint32 id, const GError *error)
{
  Accepting *accepting = user;
  Invites *invites = accepting->invites;
  Contact *contact;

  if (error == NULL)
    learn_endpoints (invites, id, accepting->endpoints);
  contact = error == NULL ? contacts_get (invites->config.contacts, id) : NULL;
  if (contact != NULL && accepting->one_time)
    {
      owed_adopt (invites, &accepting->owed);
      want (g_hash_table_lookup (invites->owed, &accepting->owed.fp));
      invites_schedule (invites);
    }
  else if (contact != NULL && invites->sessions != NULL)
    sessions_connect (invites->sessions, contact, on_connected, NULL);
  if (contact != NULL && accepting->one_time)
    invites_changed (invites);
  if (error != NULL)
    {
      accepting->done (accepting->user, id, error);
      accepting_free (accepting);
      return;
    }
  /* Accepted is what is found again after a crash, with where it is to be found: a maker whom nobody announces is called there alone. */
  accepting->id = id;
  contacts_await_statics (invites->config.contacts, on_endpoints_kept, accepting);
}

static gboolean
on_not_accepted (gpointer user)
{
  Accepting *accepting = user;

  accepting->done (accepting->user, 0, accepting->error);
  accepting_free (accepting);
  return G_SOURCE_REMOVE;
}

/* One that is over makes room. */
static gboolean
has_room (Invites *invites, const Fingerprint *fp)
{
  GHashTableIter iter;
  gpointer value;

  if (g_hash_table_contains (invites->owed, fp))
    return TRUE;
  g_hash_table_iter_init (&iter, invites->owed);
  while (g_hash_table_size (invites->owed) >= INVITES_MAX && g_hash_table_iter_next (&iter, NULL, &value))
    if (((Owed *) value)->state != OWED_WAITING)
      g_hash_table_iter_remove (&iter);
  return g_hash_table_size (invites->owed) < INVITES_MAX;
}

static GError *
check_uri (Invites *invites, const TrustUri *uri, gint64 until, gint64 now)
{
  if (fingerprint_equal (&uri->fp, identity_get_fingerprint (invites->config.identity)))
    return g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "that is our own key");
  if (uri->one_time && until <= now)
    return g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_TIMEOUT, "This invite has expired: ask for a new one");
  if (uri->one_time && !has_room (invites, &uri->fp))
    return g_error_new (EARSHOT_ERROR, EARSHOT_ERROR_QUOTA_EXCEEDED, "%d accepted invites wait for their makers already",
                        INVITES_MAX);
  return NULL;
}

void
invites_accept (Invites *invites, const TrustUri *uri, const char *petname, gboolean in_person, const char *caller, TrustAdded done,
                gpointer user)
{
  Accepting *accepting = g_new0 (Accepting, 1);
  gint64 now = g_get_real_time ();
  /* Its maker's clock decides, and may differ from ours; but nobody makes us dial for ever. */
  gint64 until = uri->expires * G_USEC_PER_SEC + CLOCKS_SLACK;

  accepting->invites = invites;
  accepting->done = done;
  accepting->user = user;
  accepting->one_time = uri->one_time;
  accepting->endpoints = g_strdupv (uri->endpoints);
  accepting->owed.fp = uri->fp;
  accepting->owed.expires = MIN (until, now + INVITE_TTL_MAX_S * G_TIME_SPAN_SECOND + 2 * CLOCKS_SLACK);
  memcpy (accepting->owed.secret, uri->secret, sizeof accepting->owed.secret);
  accepting->error = check_uri (invites, uri, until, now);
  if (accepting->error != NULL)
    g_idle_add_full (G_PRIORITY_DEFAULT, on_not_accepted, accepting, NULL);
  else
    trust_accept_invite (invites->config.trust, petname, &uri->fp, in_person, uri->one_time ? &accepting->owed : NULL, caller,
                         on_followed, accepting);
}
