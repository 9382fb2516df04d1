/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SECURITY CRITICAL, see the header: invites made here. Whatever waits for the disk remembers an invite by its name and a session by its
 * number, and looks both up again.
 */
#include "earshot-config.h"

#include "daemon/model/invites-private.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/names.h"

#define EXPIRY_LOOK_S 60 /* at most until the clock is looked at again: it may be set */

const InviteLimits invite_limits_default = { .stream_tries = 3, .invite_tries = 10, .answer_ms = 30000, .again_ms = 30000 };

/* As refusals of peers: knocking costs nothing, and must not push out what people decided. */
static const Pace wrong_pace = { .window = G_TIME_SPAN_HOUR, .max = 16 };

static void
made_free (gpointer data)
{
  Made *made = data;

  invite_row_clear (&made->row);
  g_free (made);
}

void
invites_changed (Invites *invites)
{
  WATCHERS_CALL (&invites->watchers, InvitesWatch, changed);
}

Session *
invites_find_session (Invites *invites, const Fingerprint *fp)
{
  Key *key = contacts_get_key (invites->config.contacts, fp);

  return key != NULL && invites->sessions != NULL ? sessions_find (invites->sessions, key_get_contact (key)) : NULL;
}

/* --- time ----------------------------------------------------------------------------------------------------- */

static gboolean
is_in_force (const Made *made, gint64 now)
{
  return !made->withdrawn && now < made->row.expires && now >= made->row.created - CLOCK_SLACK;
}

static void
on_deleted (gpointer user, const GError *error)
{
  if (error != NULL)
    log_warn ("invite", "an invite is not deleted on disk: %s", error->message); /* where it is looked at with the clock, too */
}

/* Without a decision: it ran out, or it is void. */
static void
drop_made (Invites *invites, Made *made, const char *verdict)
{
  TrustChange *change = trust_change_new ();
  g_autofree char *inputs = g_strconcat ("invite=", made->row.id, NULL);

  log_event (G_LOG_LEVEL_MESSAGE, "invite", 0, 0, NULL, "invite %s: %s", made->row.id, verdict);
  trust_change_delete_invite (change, made->row.id);
  if (made->row.left > 0)
    trust_change_audit (change, &(AuditEntry){ .event = "invite", .inputs = inputs, .verdict = verdict, .caller = "earshotd" });
  trust_store_apply (invites->config.store, change, on_deleted, NULL);
  g_hash_table_remove (invites->made, made->row.id);
}

static gboolean
on_expiry (gpointer user)
{
  Invites *invites = user;
  gint64 now = g_get_real_time ();
  g_autoptr (GList) all = g_hash_table_get_values (invites->made);
  gboolean changed = owed_expire (invites, now);

  invites->expiry_source = 0;
  for (GList *item = all; item != NULL; item = item->next)
    {
      Made *made = item->data;

      /* What is on its way to the disk reports to an invite that is still there. */
      if (is_in_force (made, now) || made->pending > 0 || made->withdrawn)
        continue;
      drop_made (invites, made, "expired");
      changed = TRUE;
    }
  invites_schedule (invites);
  if (changed)
    invites_changed (invites);
  return G_SOURCE_REMOVE;
}

void
invites_schedule (Invites *invites)
{
  gint64 next = owed_next_expiry (invites);
  GHashTableIter iter;
  gpointer value;

  g_clear_handle_id (&invites->expiry_source, g_source_remove);
  g_hash_table_iter_init (&iter, invites->made);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    next = MIN (next, ((Made *) value)->row.expires);
  if (next != G_MAXINT64)
    invites->expiry_source =
      g_timeout_add_seconds ((guint) CLAMP ((next - g_get_real_time ()) / G_USEC_PER_SEC + 1, 1, EXPIRY_LOOK_S), on_expiry, invites);
}

/* --- making ----------------------------------------------------------------------------------------------------- */

typedef struct {
  Invites *invites;
  Made *made;
  char *link;
  GError *error;
  InviteMade done;
  gpointer user;
} Making;

static void
making_free (Making *making)
{
  g_clear_pointer (&making->made, made_free);
  if (making->link != NULL)
    explicit_bzero (making->link, strlen (making->link));
  g_free (making->link);
  g_clear_error (&making->error);
  g_free (making);
}

static void
on_made (gpointer user, const GError *error)
{
  Making *making = user;
  Invites *invites = making->invites;
  Made *made = g_steal_pointer (&making->made);
  char id[INVITE_ID_LENGTH + 1];
  gint64 expires = made->row.expires;

  if (error == NULL)
    {
      g_strlcpy (id, made->row.id, sizeof id);
      g_hash_table_replace (invites->made, made->row.id, made);
      making->done (making->user, making->link, id, expires, NULL);
      invites_schedule (invites);
      invites_changed (invites);
    }
  else
    {
      made_free (made);
      making->done (making->user, NULL, NULL, 0, error);
    }
  making_free (making);
}

static gboolean
on_not_made (gpointer user)
{
  Making *making = user;

  making->done (making->user, NULL, NULL, 0, making->error);
  making_free (making);
  return G_SOURCE_REMOVE;
}

static gboolean
check_wish (Invites *invites, const InviteWish *wish, GError **error)
{
  TrustMode mode = trust_get_mode (invites->config.trust);

  if (wish->ttl_s < INVITE_TTL_MIN_S || wish->ttl_s > INVITE_TTL_MAX_S)
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "ttl is %d to %d seconds", INVITE_TTL_MIN_S,
                 INVITE_TTL_MAX_S);
  else if (wish->uses < 1 || wish->uses > INVITE_USES_MAX)
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "uses is 1 to %d", INVITE_USES_MAX);
  else if (wish->in_person && wish->uses != 1)
    g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "in_person is for one person: uses must be 1");
  else if (mode == TRUST_MODE_STRICT || mode == TRUST_MODE_CA)
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_UNSUPPORTED,
                 "In the trust mode %s nobody unknown gets far enough to use an invite", trust_mode_to_string (mode));
  else if (g_hash_table_size (invites->made) >= INVITES_MAX)
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_QUOTA_EXCEEDED, "There are %d invites already: revoke one", INVITES_MAX);
  else
    return TRUE;
  return FALSE;
}

void
invites_create (Invites *invites, const InviteWish *wish, InviteMade done, gpointer user)
{
  Making *making = g_new0 (Making, 1);
  Made *made = making->made = g_new0 (Made, 1);
  InviteRow *row = &made->row;
  TrustUri uri = { .addr = (char *) wish->addr, .fp = *identity_get_fingerprint (invites->config.identity),
                   .endpoints = wish->endpoints, .one_time = TRUE };
  g_autofree char *who = log_safe (wish->caller);
  g_autofree char *inputs = NULL;
  TrustChange *change;

  making->invites = invites;
  making->done = done;
  making->user = user;
  row->created = g_get_real_time ();
  /* Whole seconds, as the link says them. */
  uri.expires = row->created / G_USEC_PER_SEC + wish->ttl_s;
  row->expires = uri.expires * G_USEC_PER_SEC;
  row->uses = row->left = wish->uses;
  row->in_person = wish->in_person;
  row->caller = g_strdup (wish->caller);
  row->used = g_array_new (FALSE, FALSE, sizeof (Fingerprint));
  identity_random (row->secret, sizeof row->secret);
  invite_id (row->secret, row->id);
  memcpy (uri.secret, row->secret, sizeof uri.secret);
  if (check_wish (invites, wish, &making->error))
    making->link = trust_uri_write (&uri);
  explicit_bzero (uri.secret, sizeof uri.secret);
  if (making->link == NULL)
    {
      if (making->error == NULL)
        making->error = g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT,
                                             "There is no link for such an address, or for these endpoints");
      g_idle_add_full (G_PRIORITY_DEFAULT, on_not_made, making, NULL);
      return;
    }
  inputs = g_strdup_printf ("invite=%s uses=%u ttl=%u in-person=%s", row->id, row->uses, wish->ttl_s, row->in_person ? "yes" : "no");
  log_event (G_LOG_LEVEL_MESSAGE, "invite", 0, 0, NULL, "%s, made by %s", inputs, who);
  change = trust_change_new ();
  trust_change_put_invite (change, row);
  trust_change_audit (change, &(AuditEntry){ .event = "invite", .inputs = inputs, .verdict = "made", .caller = wish->caller });
  trust_store_apply (invites->config.store, change, on_made, making);
}

/* --- taking back -------------------------------------------------------------------------------------------------- */

typedef struct {
  Invites *invites;
  char id[INVITE_ID_LENGTH + 1];
  DoneFunc done;
  gpointer user;
} Revoking;

static void
on_revoked (gpointer user, const GError *error)
{
  g_autofree Revoking *revoking = user;
  Invites *invites = revoking->invites;
  Made *made = g_hash_table_lookup (invites->made, revoking->id);

  if (made != NULL && error == NULL)
    g_hash_table_remove (invites->made, revoking->id);
  else if (made != NULL)
    made->withdrawn = FALSE;
  revoking->done (revoking->user, error);
  invites_schedule (invites);
  invites_changed (invites);
}

static gboolean
on_not_revoked (gpointer user)
{
  g_autofree Revoking *revoking = user;
  g_autoptr (GError) error = g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_NOT_FOUND, "There is no such invite");

  revoking->done (revoking->user, error);
  return G_SOURCE_REMOVE;
}

void
invites_revoke (Invites *invites, const char *id, const char *caller, DoneFunc done, gpointer user)
{
  Made *made = g_hash_table_lookup (invites->made, id);
  Revoking *revoking = g_new0 (Revoking, 1);
  g_autofree char *who = log_safe (caller);
  g_autofree char *inputs = NULL;
  TrustChange *change;

  revoking->invites = invites;
  revoking->done = done;
  revoking->user = user;
  if (made == NULL || made->withdrawn)
    {
      g_idle_add_full (G_PRIORITY_DEFAULT, on_not_revoked, revoking, NULL);
      return;
    }
  g_strlcpy (revoking->id, made->row.id, sizeof revoking->id);
  /* At once, before the disk: who proves now comes too late. One who is on the way there already comes first, or fails. */
  made->withdrawn = TRUE;
  inputs = g_strdup_printf ("invite=%s left=%u", made->row.id, made->row.left);
  log_event (G_LOG_LEVEL_MESSAGE, "invite", 0, 0, NULL, "%s, revoked by %s", inputs, who);
  change = trust_change_new ();
  trust_change_delete_invite (change, made->row.id);
  trust_change_audit (change, &(AuditEntry){ .event = "invite", .inputs = inputs, .verdict = "revoked", .caller = caller });
  trust_store_apply (invites->config.store, change, on_revoked, revoking);
}

/* --- proofs --------------------------------------------------------------------------------------------------------- */

/* The same whatever is wrong: no such invite, expired, used up, void, the proof, the key. */
static void
refuse (Session *session, const Stanza *iq)
{
  router_bounce (session, iq, "auth", "not-authorized", NULL);
}

static guint
count_tries (Invites *invites, Session *session, guint more)
{
  gint64 id = (gint64) session_get_id (session);
  guint tries = GPOINTER_TO_UINT (g_hash_table_lookup (invites->tries, &id)) + more;

  if (more > 0)
    g_hash_table_replace (invites->tries, g_memdup2 (&id, sizeof id), GUINT_TO_POINTER (tries));
  return tries;
}

static void
note_wrong (Invites *invites, Session *session, Made *made, const char *why)
{
  gint64 now = g_get_monotonic_time ();
  g_autofree char *hex = fingerprint_to_hex (key_get_fingerprint (session_get_key (session)));
  g_autofree char *inputs = NULL;
  TrustChange *change;

  count_tries (invites, session, 1);
  log_event (G_LOG_LEVEL_MESSAGE, "invite", contact_get_id (session_get_contact (session)), session_get_id (session), why,
             "key %.16s does not prove an invite: %s", hex, why);
  if (pace_due (&invites->wrong_pace, now) > now)
    invites->wrong_left_out++;
  else
    {
      pace_note (&invites->wrong_pace, now);
      inputs = g_strdup_printf ("left-out=%u%s%s", invites->wrong_left_out, made != NULL ? " invite=" : "",
                                made != NULL ? made->row.id : "");
      invites->wrong_left_out = 0;
      change = trust_change_new ();
      trust_change_audit (change, &(AuditEntry){ .event = "invite", .fp = hex, .inputs = inputs, .verdict = why, .caller = "peer",
                                                 .contact = contact_get_id (session_get_contact (session)) });
      trust_store_apply (invites->config.store, change, NULL, NULL);
    }
  if (made == NULL || made->withdrawn || ++made->wrong < invites->limits.invite_tries || made->pending > 0)
    return;
  /* Who knows its name and not its secret has read what is ours; somebody else makes a new one sooner than he guesses. */
  drop_made (invites, made, "void: too many wrong proofs");
  invites_schedule (invites);
  invites_changed (invites);
}

static gboolean
has_used (const Made *made, const Fingerprint *fp)
{
  for (guint i = 0; i < made->row.used->len; i++)
    if (fingerprint_equal (&g_array_index (made->row.used, Fingerprint, i), fp))
      return TRUE;
  return FALSE;
}

/* "single-use and at most 10 minutes old, because links leak" */
static gboolean
makes_verified (const Made *made, gint64 now)
{
  return made->row.in_person && made->row.uses == 1 && now - made->row.created <= INVITE_FRESH_S * G_TIME_SPAN_SECOND;
}

typedef struct {
  Invites *invites;
  char id[INVITE_ID_LENGTH + 1];
  Fingerprint fp;
  guint64 session;
  Stanza *iq;
} Admitting;

static void
answer_later (Session *session, const Stanza *iq)
{
  router_answer (session, iq, stanza_new ("later", NS_LL_INVITE));
}

static void
on_admitted (gpointer user, const GError *error)
{
  Admitting *admitting = user;
  Invites *invites = admitting->invites;
  Made *made = g_hash_table_lookup (invites->made, admitting->id);
  Session *session = invites_find_session (invites, &admitting->fp);
  gboolean never = error != NULL && error->domain == EARSHOT_ERROR
                   && (error->code == EARSHOT_ERROR_BLOCKED || error->code == EARSHOT_ERROR_NOT_TRUSTED
                       || error->code == EARSHOT_ERROR_NOT_FOUND);

  if (session != NULL && session_get_id (session) != admitting->session)
    session = NULL;
  if (made != NULL)
    {
      made->pending--;
      if (error == NULL)
        {
          made->row.left--;
          g_array_append_val (made->row.used, admitting->fp);
        }
    }
  if (session != NULL && error == NULL)
    router_answer (session, admitting->iq, NULL);
  else if (session != NULL && never)
    {
      count_tries (invites, session, 1);
      refuse (session, admitting->iq);
    }
  else if (session != NULL)
    answer_later (session, admitting->iq);
  if (error == NULL)
    invites_changed (invites);
  stanza_unref (admitting->iq);
  g_free (admitting);
}

static void
admit (Invites *invites, Made *made, Session *session, const Stanza *iq, const Fingerprint *fp)
{
  Admitting *admitting = g_new0 (Admitting, 1);
  g_autofree char *caller = g_strdup_printf ("invite %s of %s", made->row.id, made->row.caller);

  admitting->invites = invites;
  g_strlcpy (admitting->id, made->row.id, sizeof admitting->id);
  admitting->fp = *fp;
  admitting->session = session_get_id (session);
  admitting->iq = stanza_ref ((Stanza *) iq);
  made->pending++;
  trust_admit_invited (invites->config.trust, fp, made->row.id, makes_verified (made, g_get_real_time ()), caller, on_admitted,
                       admitting);
}

void
invites_on_iq (Invites *invites, Session *session, const Stanza *iq, const Stanza *payload)
{
  const Fingerprint *own = identity_get_fingerprint (invites->config.identity);
  Key *key = session_get_key (session);
  guint8 exporter[32], wanted[INVITE_PROOF_BYTES], given[INVITE_PROOF_BYTES];
  char id[INVITE_ID_LENGTH + 1];
  gboolean there, same, used;
  Made *made;

  if (key == NULL || !session_get_exporter (session, exporter))
    {
      router_bounce (session, iq, "cancel", "service-unavailable", NULL);
      return;
    }
  if (count_tries (invites, session, 0) >= invites->limits.stream_tries)
    {
      refuse (session, iq);
      return;
    }
  if (!invite_stanza_read (payload, id, given))
    {
      note_wrong (invites, session, NULL, "malformed");
      router_bounce (session, iq, "modify", "bad-request", NULL);
      return;
    }
  made = g_hash_table_lookup (invites->made, id);
  there = made != NULL && is_in_force (made, g_get_real_time ());
  used = there && has_used (made, key_get_fingerprint (key));
  invite_proof (there ? made->row.secret : invites->nobody, exporter, own, key_get_fingerprint (key), wanted);
  same = invite_proof_same (wanted, given) && there;
  explicit_bzero (wanted, sizeof wanted);
  explicit_bzero (exporter, sizeof exporter);
  if (same && used)
    router_answer (session, iq, NULL); /* our answer got lost */
  else if (same && made->pending < made->row.left)
    admit (invites, made, session, iq, key_get_fingerprint (key));
  else if (same && made->pending > 0)
    answer_later (session, iq); /* it may fail yet */
  else
    {
      refuse (session, iq);
      note_wrong (invites, session, there && !same ? made : NULL, same ? "used-up" : there ? "wrong-proof" : "no-such-invite");
    }
}

void
invites_on_closed (Invites *invites, Session *session)
{
  gint64 id = (gint64) session_get_id (session);

  g_hash_table_remove (invites->tries, &id);
}

/* --- reading ---------------------------------------------------------------------------------------------------------- */

static int
compare_expiry (gconstpointer a, gconstpointer b)
{
  gint64 x = ((const InviteInfo *) a)->expires, y = ((const InviteInfo *) b)->expires;

  return x < y ? -1 : x > y;
}

GArray *
invites_list (Invites *invites)
{
  static const char *const words[] = { [OWED_WAITING] = "waiting", [OWED_DONE] = "done", [OWED_REFUSED] = "refused" };
  GArray *list = g_array_new (FALSE, TRUE, sizeof (InviteInfo));
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, invites->made);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const Made *made = value;
      InviteInfo info = { .id = made->row.id, .made = TRUE, .state = made->row.left > 0 ? "open" : "used-up",
                          .expires = made->row.expires, .uses = made->row.uses, .left = made->row.left,
                          .in_person = made->row.in_person, .used = made->row.used };

      if (!made->withdrawn)
        g_array_append_val (list, info);
    }
  g_hash_table_iter_init (&iter, invites->owed);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const Owed *owed = value;
      InviteInfo info = { .id = owed->id, .state = words[owed->state], .expires = owed->row.expires, .fp = owed->row.fp };

      g_array_append_val (list, info);
    }
  g_array_sort (list, compare_expiry);
  return list;
}

/* --- birth and death --------------------------------------------------------------------------------------------------- */

Invites *
invites_new (const InvitesConfig *config, GArray *made_take, GArray *owed_take)
{
  Invites *invites = g_new0 (Invites, 1);

  invites->config = *config;
  invites->limits = config->limits != NULL ? *config->limits : invite_limits_default;
  invites->made = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, made_free);
  invites->owed = g_hash_table_new_full (fingerprint_hash, fingerprint_equal_func, NULL, owed_free);
  invites->tries = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  invites->wrong_pace = wrong_pace;
  identity_random (invites->nobody, sizeof invites->nobody);
  watchers_init (&invites->watchers);
  for (guint i = 0; i < made_take->len; i++)
    {
      Made *made = g_new0 (Made, 1);

      made->row = g_array_index (made_take, InviteRow, i);
      memset (&g_array_index (made_take, InviteRow, i), 0, sizeof (InviteRow));
      g_hash_table_replace (invites->made, made->row.id, made);
    }
  for (guint i = 0; i < owed_take->len; i++)
    owed_adopt (invites, &g_array_index (owed_take, InviteOwedRow, i));
  g_array_unref (made_take);
  g_array_unref (owed_take);
  trust_watch (config->trust, &owed_trust_table, invites);
  invites_schedule (invites);
  return invites;
}

void
invites_free (Invites *invites)
{
  if (invites == NULL)
    return;
  trust_unwatch (invites->config.trust, invites);
  g_clear_handle_id (&invites->expiry_source, g_source_remove);
  g_hash_table_unref (invites->made);
  g_hash_table_unref (invites->owed);
  g_hash_table_unref (invites->tries);
  watchers_clear (&invites->watchers);
  g_free (invites);
}

void
invites_watch (Invites *invites, const InvitesWatch *watch, gpointer user)
{
  watchers_add (&invites->watchers, watch, user);
}

void
invites_unwatch (Invites *invites, gpointer user)
{
  watchers_remove (&invites->watchers, user);
}
