/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Getting to people: a contact's endpoints (dial-candidates.h) one after another, addresses together; and when to try again. Addresses are
 * resolved anew for each attempt and never kept (docs/protocol.md 1.7). Threat: announcements are anybody's; dialling one
 * proves or refutes it, and a flapping announcer costs at most one attempt in two seconds.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/model/dial-candidates.h"
#include "daemon/model/session-private.h"

#define DELAY_FIRST_MS 1000
#define DELAY_MAX_MS 30000
#define DELAY_REFUSED_MS 300000
#define AGAIN_MS 2000        /* least time between two attempts that an announcement causes */

typedef struct {
  DoneFunc done;
  gpointer user;
} Waiter;

struct _Dial {
  Sessions *sessions;
  guint32 contact_id;
  guint wanted;            /* SessionsReason */
  GArray *waiters;         /* of one attempt */
  GPtrArray *candidates;   /* of the attempt under way; NULL = none is */
  guint next;
  DiscoveryQuery *query;
  GCancellable *lookup;
  GPtrArray *targets;      /* of the candidate under way, until the other family was tried, too */
  Session *session;        /* the one being tried, borrowed until it reports */
  guint retry_source;
  guint delay_ms;
  gint64 last_attempt;
  const char *word;        /* why the last candidate failed */
  gboolean conflict;       /* at one of them another key answered: of all words that is what people must know */
};

static void dial_attempt (Dial *dial);
static void try_next (Dial *dial);

static void
clear_source (guint *source)
{
  if (*source != 0)
    g_source_remove (*source);
  *source = 0;
}

/* Stops what is under way. */
static void
stop_attempt (Dial *dial)
{
  Session *session = g_steal_pointer (&dial->session);

  clear_source (&dial->retry_source);
  if (dial->query != NULL)
    discovery_query_cancel (g_steal_pointer (&dial->query));
  if (dial->lookup != NULL)
    g_cancellable_cancel (dial->lookup);
  g_clear_object (&dial->lookup);
  g_clear_pointer (&dial->targets, g_ptr_array_unref);
  g_clear_pointer (&dial->candidates, g_ptr_array_unref);
  if (session != NULL)
    session_drop (session);
}

static void
tell_waiters (Dial *dial, const char *word)
{
  GArray *waiters = dial->waiters;
  g_autoptr (GError) error = NULL;

  if (word != NULL)
    {
      static const struct { const char *word; int code; const char *text; } known[] = {
        { "NotReachable", EARSHOT_ERROR_NOT_REACHABLE, "The peer does not answer at any known address" },
        { "Timeout", EARSHOT_ERROR_TIMEOUT, "The peer took too long to answer" },
        { "Refused", EARSHOT_ERROR_REFUSED, "The peer refused our key" },
        { "NotTrusted", EARSHOT_ERROR_NOT_TRUSTED, "The peer's key is not trusted here" },
        { "NameConflict", EARSHOT_ERROR_NAME_CONFLICT, "Another key than the trusted one answers under this name" },
        { "PeerInsecure", EARSHOT_ERROR_PEER_INSECURE, "The peer offers no encryption" },
        { "Blocked", EARSHOT_ERROR_BLOCKED, "The contact is blocked here" },
        { "Disconnected", EARSHOT_ERROR_NOT_REACHABLE, "The call was ended here by Disconnect" },
      };

      for (guint i = 0; i < G_N_ELEMENTS (known) && error == NULL; i++)
        if (strcmp (known[i].word, word) == 0)
          error = g_error_new_literal (EARSHOT_ERROR, known[i].code, known[i].text);
      if (error == NULL)
        error = g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "The stream could not be opened");
    }
  dial->waiters = g_array_new (FALSE, FALSE, sizeof (Waiter));
  for (guint i = 0; i < waiters->len; i++)
    {
      Waiter *waiter = &g_array_index (waiters, Waiter, i);

      waiter->done (waiter->user, error);
    }
  g_array_unref (waiters);
}

static void
dial_free (gpointer data)
{
  Dial *dial = data;

  stop_attempt (dial);
  g_array_unref (dial->waiters);
  g_free (dial);
}

static Dial *
obtain_dial (Sessions *sessions, Contact *contact)
{
  gpointer id = GUINT_TO_POINTER (contact_get_id (contact));
  Dial *dial = g_hash_table_lookup (sessions->dials, id);

  if (dial == NULL)
    {
      dial = g_new0 (Dial, 1);
      dial->sessions = sessions;
      dial->contact_id = contact_get_id (contact);
      dial->waiters = g_array_new (FALSE, FALSE, sizeof (Waiter));
      dial->delay_ms = DELAY_FIRST_MS;
      g_hash_table_insert (sessions->dials, id, dial);
    }
  return dial;
}

guint32
dial_get_contact_id (const Dial *dial)
{
  return dial->contact_id;
}

static gboolean
is_busy (const Dial *dial)
{
  return dial->candidates != NULL;
}

/* Nobody asks for it any more. By number: who was told something meanwhile may have reaped it already. */
static void
reap_dial (Sessions *sessions, guint32 contact_id)
{
  Dial *dial = sessions->dials != NULL ? g_hash_table_lookup (sessions->dials, GUINT_TO_POINTER (contact_id)) : NULL;

  if (dial != NULL && !dial->wanted && !is_busy (dial) && dial->waiters->len == 0)
    g_hash_table_remove (sessions->dials, GUINT_TO_POINTER (contact_id));
}

static gboolean
on_retry (gpointer user)
{
  Dial *dial = user;

  dial->retry_source = 0;
  dial_attempt (dial);
  return G_SOURCE_REMOVE;
}

static void
schedule_retry (Dial *dial, guint ms)
{
  clear_source (&dial->retry_source);
  /* Jitter: two peers that both lost a stream must not collide for ever (docs/protocol.md 2.8). */
  dial->retry_source = g_timeout_add (ms / 2 + g_random_int_range (0, ms / 2 + 1), on_retry, dial);
}

/* A peer that has no TLS and never had. Each call is a header of ours, into which libpurple says in clear whatever its user has written
 * until we hang up (docs/protocol.md 8.2): it is not called again and again, only after a while and when people or announcements say
 * that something changed. Whoever has a key is: otherwise one stripped offer of STARTTLS would keep two friends apart. */
static gboolean
is_known_insecure (Dial *dial, Contact *contact)
{
  return g_strcmp0 (dial->word, "PeerInsecure") == 0 && contact_get_keys (contact)->len == 0
         && !contacts_announce_tls (dial->sessions->config.contacts, contact, NULL);
}

/* Is there somebody to call: itself, or whoever took its name? */
static gboolean
is_callable (Dial *dial, Contact *contact)
{
  g_autoptr (GPtrArray) candidates = NULL;

  if (contact_get_reach (contact) != REACH_OFFLINE)
    return TRUE;
  candidates = dial_candidates_of (dial->sessions, contact);
  return candidates->len > 0;
}

static void
attempt_failed (Dial *dial)
{
  Sessions *sessions = dial->sessions;
  const char *last = dial->word, *word = dial->conflict ? "NameConflict" : last;
  guint32 id = dial->contact_id;
  Contact *contact = contacts_get (sessions->config.contacts, id);

  g_clear_pointer (&dial->candidates, g_ptr_array_unref);
  if (contact != NULL)
    {
      contacts_set_last_error (contact, word);
      log_event (G_LOG_LEVEL_INFO, "dial", dial->contact_id, 0, NULL, "not connected: %s", word);
    }
  /* The name may have been taken while we called: then there is nobody of this key any more, but somebody to tell the people about. */
  if (dial->wanted && contact != NULL && is_callable (dial, contact))
    {
      gboolean refused = strcmp (last, "Refused") == 0 || strcmp (last, "Blocked") == 0 || is_known_insecure (dial, contact);
      /* Whoever answered is not the one who was meant, and may be between us for a moment only: who stands there for a second must
       * not keep friends apart for minutes, who stays is not called for ever. */
      gboolean another = strcmp (last, "NotTrusted") == 0 || strcmp (last, "NameConflict") == 0;

      schedule_retry (dial, refused ? DELAY_REFUSED_MS : dial->delay_ms);
      dial->delay_ms = MIN (dial->delay_ms * 2, another ? DELAY_REFUSED_MS : DELAY_MAX_MS);
    }
  /* From here on whoever hears of it may drop the dial. */
  tell_waiters (dial, word);
  contact = contacts_get (sessions->config.contacts, id);
  if (contact != NULL)
    sessions->callbacks.failed (sessions->user, contact);
  reap_dial (sessions, id);
}

/* There is a stream: the attempt, if any, is over. */
static void
attempt_succeeded (Dial *dial)
{
  Sessions *sessions = dial->sessions;
  guint32 id = dial->contact_id;

  stop_attempt (dial);
  tell_waiters (dial, NULL);
  reap_dial (sessions, id);
}

/* --- one after another, or together ------------------------------------------ */

static gpointer
copy_target (gconstpointer target, gpointer unused)
{
  return g_object_ref ((gpointer) target);
}

static void
on_resolved (gpointer user, GPtrArray *targets, const GError *error)
{
  Dial *dial = user;
  DialCandidate *candidate = g_ptr_array_index (dial->candidates, dial->next - 1);

  dial->query = NULL;
  if (error != NULL || targets == NULL || targets->len == 0)
    {
      dial->word = "NotReachable";
      try_next (dial);
      return;
    }
  g_clear_pointer (&dial->targets, g_ptr_array_unref);
  dial->targets = g_ptr_array_copy (targets, copy_target, NULL);
  g_ptr_array_set_free_func (dial->targets, g_object_unref);
  dial->session = session_start_outbound (dial->sessions, dial, NULL, targets, candidate->instance,
                                          candidate->direct);
}

/* docs/protocol.md 8.2: libpurple hangs up on a caller whose address it did not resolve for that name, before it says a word. It may
 * know the one of the other family. Once a candidate, and only where no key was ever seen. TRUE: another call is under way. */
static gboolean
call_by_other_family (Dial *dial, const Session *session, Contact *contact)
{
  g_autoptr (GPtrArray) targets = g_steal_pointer (&dial->targets);
  g_autoptr (GPtrArray) others = g_ptr_array_new ();
  DialCandidate *candidate = g_ptr_array_index (dial->candidates, dial->next - 1);
  GSocketFamily tried;

  if (targets == NULL || session == NULL || !session->connected || session->heard || session->direct || contact == NULL
      || contact_get_keys (contact)->len > 0)
    return FALSE;
  tried = g_socket_address_get_family (G_SOCKET_ADDRESS (link_get_remote (session->link)));
  for (guint i = 0; i < targets->len; i++)
    if (g_socket_address_get_family (g_ptr_array_index (targets, i)) != tried)
      g_ptr_array_add (others, g_ptr_array_index (targets, i));
  if (others->len == 0)
    return FALSE;
  dial->session = session_start_outbound (dial->sessions, dial, NULL, others, candidate->instance, FALSE);
  return TRUE;
}

static void
on_host_looked_up (gpointer user, GPtrArray *targets, const GError *error)
{
  Dial *dial = user;

  g_clear_object (&dial->lookup);
  on_resolved (dial, targets, error);
}

/* Addresses that follow one another are called together, and the first to answer is spoken with; link_dial() has the pace (RFC 8305
 * section 5) and closes the others. A dead one, as there are in each invite from a host with several networks, costs no ten seconds. */
static void
call_together (Dial *dial)
{
  g_autoptr (GPtrArray) targets = g_ptr_array_new ();

  for (guint i = dial->next; i < dial->candidates->len; i++)
    {
      DialCandidate *candidate = g_ptr_array_index (dial->candidates, i);

      if (candidate->literal == NULL)
        break;
      if (candidate->spent)
        continue;
      candidate->called = TRUE;
      g_ptr_array_add (targets, candidate->literal);
    }
  dial->session = session_start_outbound (dial->sessions, dial, NULL, targets, NULL, FALSE);
}

/* Of those called together who answered, and was of no use, had its turn, and the others are called again; all had, when none did.
 * FALSE: it was another kind of call. */
static gboolean
settle_together (Dial *dial, const Session *session)
{
  GInetSocketAddress *place = session != NULL && session->connected ? link_get_remote (session->link) : NULL;
  DialCandidate *answered = NULL;
  gboolean any = FALSE;

  for (guint i = 0; place != NULL && answered == NULL && i < dial->candidates->len; i++)
    {
      DialCandidate *candidate = g_ptr_array_index (dial->candidates, i);

      if (candidate->called && dial_candidate_is_at (candidate, place))
        answered = candidate;
    }
  for (guint i = 0; i < dial->candidates->len; i++)
    {
      DialCandidate *candidate = g_ptr_array_index (dial->candidates, i);

      any |= candidate->called;
      candidate->spent |= candidate->called && (answered == NULL || candidate == answered);
      candidate->called = FALSE;
    }
  return any;
}

static void
try_next (Dial *dial)
{
  DialCandidate *candidate;

  while (dial->next < dial->candidates->len && ((DialCandidate *) g_ptr_array_index (dial->candidates, dial->next))->spent)
    dial->next++;
  if (dial->next >= dial->candidates->len)
    {
      attempt_failed (dial);
      return;
    }
  candidate = g_ptr_array_index (dial->candidates, dial->next);
  if (candidate->literal != NULL)
    {
      call_together (dial);
      return;
    }
  dial->next++;
  if (candidate->instance != NULL)
    dial->query = discovery_resolve (dial->sessions->config.discovery, candidate->instance, candidate->domain,
                                     on_resolved, dial);
  else
    {
      dial->lookup = g_cancellable_new ();
      dialer_look_up (candidate->host, candidate->port, dial->lookup, on_host_looked_up, dial);
    }
}

static void
dial_attempt (Dial *dial)
{
  Contact *contact = contacts_get (dial->sessions->config.contacts, dial->contact_id);

  /* Without a name of our own nobody would answer; sessions_set_addr() comes back to it. */
  if (is_busy (dial) || contact == NULL || dial->sessions->addrs->len == 0)
    return;
  clear_source (&dial->retry_source);
  if (sessions_find (dial->sessions, contact) != NULL)
    {
      attempt_succeeded (dial);
      return;
    }
  dial->candidates = dial_candidates_of (dial->sessions, contact);
  dial->next = 0;
  dial->word = "NotReachable";
  dial->conflict = FALSE;
  if (contact_is_blocked (contact))
    {
      dial->word = "Blocked";
      attempt_failed (dial);
      return;
    }
  if (dial->candidates->len == 0)
    {
      Sessions *sessions = dial->sessions;
      guint32 id = dial->contact_id;

      /* Nowhere to go: an announcement will wake us. */
      g_clear_pointer (&dial->candidates, g_ptr_array_unref);
      contacts_set_last_error (contact, "NotReachable");
      tell_waiters (dial, "NotReachable");
      reap_dial (sessions, id);
      return;
    }
  dial->last_attempt = g_get_monotonic_time ();
  try_next (dial);
}

void
dial_on_session (Dial *dial, const char *word)
{
  Contact *contact = contacts_get (dial->sessions->config.contacts, dial->contact_id);

  Session *session = g_steal_pointer (&dial->session);

  if (dial->candidates == NULL)
    return;
  /* Ours lost against theirs (docs/protocol.md 2.8): connected all the same. */
  if (word != NULL && (contact == NULL || sessions_find (dial->sessions, contact) == NULL))
    {
      if (!settle_together (dial, session))
        {
          DialCandidate *candidate = g_ptr_array_index (dial->candidates, dial->next - 1);

          if (strcmp (word, "NotReachable") == 0 && call_by_other_family (dial, session, contact))
            return;
          /* Never a step down: STARTTLS ends in the same TLS with the same key demanded. */
          if (candidate->direct && strcmp (word, "Failed") == 0)
            {
              candidate->direct = FALSE;
              dial->next--;
            }
        }
      dial->word = word;
      dial->conflict |= strcmp (word, "NameConflict") == 0;
      try_next (dial);
      return;
    }
  attempt_succeeded (dial);
}

void
dialer_on_opened (Sessions *sessions, Contact *contact)
{
  Dial *dial = g_hash_table_lookup (sessions->dials, GUINT_TO_POINTER (contact_get_id (contact)));

  /* They called us while we were still looking for them. An attempt that got as far as a session
   * is settled by the rule for simultaneous opens instead. */
  if (dial != NULL && dial->session == NULL)
    attempt_succeeded (dial);
}

void
dialer_on_clear (Sessions *sessions, Contact *contact)
{
  Dial *dial = g_hash_table_lookup (sessions->dials, GUINT_TO_POINTER (contact_get_id (contact)));

  if (dial != NULL && (dial->session == NULL || dial->session->tls == NULL))
    attempt_succeeded (dial);
}

/* We have a name now: who waited for that may start. */
void
dialer_on_named (Sessions *sessions)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, sessions->dials);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Dial *dial = value;

      if (!is_busy (dial) && dial->retry_source == 0 && (dial->wanted || dial->waiters->len > 0))
        dial->retry_source = g_idle_add_full (G_PRIORITY_DEFAULT, on_retry, dial, NULL);
    }
}

void
dialer_on_closed (Sessions *sessions, Contact *contact, gboolean turned_away)
{
  Dial *dial;

  if (sessions->stopping)
    return;
  dial = g_hash_table_lookup (sessions->dials, GUINT_TO_POINTER (contact_get_id (contact)));
  if (dial == NULL || !dial->wanted || is_busy (dial))
    return;
  /* Whoever lets us in and hangs up at once is called less and less often, too: each call counts there, and who calls too often is not
   * let in for a minute. */
  if (!turned_away)
    dial->delay_ms = DELAY_FIRST_MS;
  schedule_retry (dial, dial->delay_ms / 4);
  if (turned_away)
    dial->delay_ms = MIN (dial->delay_ms * 2, DELAY_MAX_MS);
}

void
sessions_want (Sessions *sessions, Contact *contact)
{
  sessions_want_for (sessions, contact, SESSIONS_FOR_MESSAGES);
}

void
sessions_unwant (Sessions *sessions, Contact *contact)
{
  sessions_unwant_for (sessions, contact, SESSIONS_FOR_MESSAGES);
}

void
sessions_want_for (Sessions *sessions, Contact *contact, SessionsReason reason)
{
  Dial *dial;
  gboolean wanted;

  if (sessions->stopping)
    return;
  dial = obtain_dial (sessions, contact);
  wanted = dial->wanted != 0;
  dial->wanted |= reason;
  if (wanted)
    return;
  /* From the loop: the caller may be in the middle of something. */
  if (!is_busy (dial) && dial->retry_source == 0)
    dial->retry_source = g_idle_add_full (G_PRIORITY_DEFAULT, on_retry, dial, NULL);
}

void
sessions_unwant_for (Sessions *sessions, Contact *contact, SessionsReason reason)
{
  Dial *dial;

  if (sessions->stopping)
    return;
  dial = g_hash_table_lookup (sessions->dials, GUINT_TO_POINTER (contact_get_id (contact)));
  if (dial == NULL || (dial->wanted & reason) == 0)
    return;
  dial->wanted &= ~(guint) reason;
  if (dial->wanted == 0 && !is_busy (dial) && dial->waiters->len == 0)
    clear_source (&dial->retry_source);
  reap_dial (sessions, contact_get_id (contact));
}

typedef struct {
  DoneFunc done;
  gpointer user;
} Connected;

static gboolean
on_already_connected (gpointer data)
{
  Connected *connected = data;

  connected->done (connected->user, NULL);
  g_free (connected);
  return G_SOURCE_REMOVE;
}

void
sessions_connect (Sessions *sessions, Contact *contact, DoneFunc done, gpointer user)
{
  Dial *dial;
  Waiter waiter = { done, user };

  if (sessions_find (sessions, contact) != NULL)
    {
      Connected *connected = g_new0 (Connected, 1);

      connected->done = done;
      connected->user = user;
      g_idle_add_full (G_PRIORITY_DEFAULT, on_already_connected, connected, NULL);
      return;
    }
  dial = obtain_dial (sessions, contact);
  g_array_append_val (dial->waiters, waiter);
  if (is_busy (dial))
    return;
  clear_source (&dial->retry_source);
  dial->retry_source = g_idle_add_full (G_PRIORITY_DEFAULT, on_retry, dial, NULL);
}

/* What waits to be sent may call again, but not at once. */
void
dialer_hang_up (Sessions *sessions, Contact *contact)
{
  Dial *dial = g_hash_table_lookup (sessions->dials, GUINT_TO_POINTER (contact_get_id (contact)));
  guint32 id = contact_get_id (contact);

  if (dial == NULL || (!is_busy (dial) && dial->waiters->len == 0))
    return;
  stop_attempt (dial);
  if (dial->wanted)
    schedule_retry (dial, dial->delay_ms);
  tell_waiters (dial, "Disconnected");
  reap_dial (sessions, id);
}

/* --- what contacts tell ------------------------------------------------------ */

static void
kick (Sessions *sessions, guint32 id)
{
  Dial *dial = g_hash_table_lookup (sessions->dials, GUINT_TO_POINTER (id));
  gint64 since_ms;

  if (dial == NULL || !dial->wanted || is_busy (dial))
    return;
  since_ms = (g_get_monotonic_time () - dial->last_attempt) / 1000;
  dial->delay_ms = DELAY_FIRST_MS;
  clear_source (&dial->retry_source);
  if (dial->last_attempt == 0 || since_ms >= AGAIN_MS)
    dial->retry_source = g_idle_add_full (G_PRIORITY_DEFAULT, on_retry, dial, NULL);
  else
    dial->retry_source = g_timeout_add (AGAIN_MS - since_ms, on_retry, dial);
}

static void
on_sighted (gpointer user, Contact *contact)
{
  Sessions *sessions = user;
  const GArray *contested = contact_get_contests (contact);

  Dial *dial = g_hash_table_lookup (sessions->dials, GUINT_TO_POINTER (contact_get_id (contact)));

  session_review_later (sessions);
  if (dial != NULL && !is_known_insecure (dial, contact))
    kick (sessions, contact_get_id (contact));
  for (guint i = 0; i < contested->len; i++)
    kick (sessions, g_array_index (contested, guint32, i));
}

/* A decision changed what may answer there: a long wait after a refusal is over. */
void
dialer_on_decided (Sessions *sessions, Contact *contact)
{
  Dial *dial = g_hash_table_lookup (sessions->dials, GUINT_TO_POINTER (contact_get_id (contact)));

  if (dial != NULL)
    dial->last_attempt = 0;
  kick (sessions, contact_get_id (contact));
}

/* Whom nobody allowed clear text may be called again now. */
void
dialer_on_clear_changed (Sessions *sessions)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (guint32));
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, sessions->dials);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (g_strcmp0 (((Dial *) value)->word, "PeerInsecure") == 0)
      g_array_append_val (ids, ((Dial *) value)->contact_id);
  for (guint i = 0; i < ids->len; i++)
    {
      Contact *contact = contacts_get (sessions->config.contacts, g_array_index (ids, guint32, i));

      if (contact != NULL)
        dialer_on_decided (sessions, contact);
    }
}

static void
on_removed (gpointer user, Contact *contact)
{
  Sessions *sessions = user;
  gpointer id = GUINT_TO_POINTER (contact_get_id (contact));
  Dial *dial = g_hash_table_lookup (sessions->dials, id);

  session_review_later (sessions);
  if (dial == NULL)
    return;
  g_hash_table_steal (sessions->dials, id);
  stop_attempt (dial);
  tell_waiters (dial, "NotReachable");
  dial_free (dial);
}

/* Who has a key has no use for clear text. */
static void
on_key_added (gpointer user, Key *key)
{
  session_review_later (user);
}

static const ContactsWatch contacts_table = { .sighted = on_sighted, .removed = on_removed, .key_added = on_key_added };

void
dialer_init (Sessions *sessions)
{
  sessions->dials = g_hash_table_new_full (NULL, NULL, NULL, dial_free);
  probes_init (sessions);
  contacts_watch (sessions->config.contacts, &contacts_table, sessions);
}

void
dialer_clear (Sessions *sessions)
{
  g_autoptr (GError) error = g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_NOT_REACHABLE, "earshotd is going away");
  GHashTableIter iter;
  gpointer dial;

  contacts_unwatch (sessions->config.contacts, sessions);
  /* Whoever waits is told: they hold what they wait with. */
  probes_clear (sessions, error);
  g_hash_table_iter_init (&iter, sessions->dials);
  while (g_hash_table_iter_next (&iter, NULL, &dial))
    tell_waiters (dial, "NotReachable");
  g_hash_table_remove_all (sessions->dials);
  g_clear_pointer (&sessions->dials, g_hash_table_unref);
}
