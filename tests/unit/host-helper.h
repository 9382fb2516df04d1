/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whole stacks of the model floor in one process, each with its own key, store and sockets on loopback; discovery is the fake.
 * A test that hangs dies by an alarm.
 */
#pragma once

#include <sys/socket.h>

#include "daemon/base/names.h"
#include "daemon/model/delivery.h"
#include "daemon/model/invites.h"
#include "daemon/model/introductions.h"
#include "daemon/model/verification.h"
#include "tests/unit/fake-discovery.h"
#include "tests/unit/people-helper.h"

typedef struct
{
  People people; /* its store.dir is the host's */
  char *addr;
  Identity *identity;
  Poller *poller;
  Discovery *discovery;
  Sessions *sessions;
  /* with delivery only */
  gboolean delivers;
  History *history;
  Outbox *outbox;
  Router *router;
  Delivery *delivery;
  Introductions *introductions;
  Verifications *verifications;
  Invites *invites;
  /* settings before host_start() */
  guint idle_close_s;
  const VerificationLimits *limits;
  const InviteLimits *invite_limits;
  /* what was reported */
  guint opened, closed, changed, failed, writable;
  GPtrArray *heard; /* Stanza* */
  gboolean unwant_on_fail, hold_on_open;
} Host;

static inline void
host_on_opened (gpointer user, Session *session)
{
  Host *host = user;

  host->opened++;
  g_assert_true (sessions_find (host->sessions, session_get_contact (session)) == session);
  if (host->hold_on_open)
    session_hold_reading (session, TRUE);
  if (!host->delivers)
    return;
  delivery_on_opened (host->delivery, session);
  invites_on_opened (host->invites, session);
}

static inline void
host_on_closed (gpointer user, Session *session)
{
  Host *host = user;

  host->closed++;
  if (!host->delivers)
    return;
  router_on_closed (host->router, session);
  verifications_on_closed (host->verifications, session);
  invites_on_closed (host->invites, session);
  delivery_on_closed (host->delivery, session);
}

static inline void
host_on_stanza (gpointer user, Session *session, Stanza *stanza)
{
  Host *host = user;

  if (host->delivers)
    router_on_stanza (host->router, session, stanza);
  else
    g_ptr_array_add (host->heard, stanza_ref (stanza));
}

static inline void
host_on_changed (gpointer user, Session *session)
{
  Host *host = user;

  host->changed++;
  if (host->delivers)
    delivery_on_changed (host->delivery, session);
}

static inline void
host_on_failed (gpointer user, Contact *contact)
{
  Host *host = user;

  host->failed++;
  if (host->delivers)
    delivery_on_failed (host->delivery, contact);
  if (host->unwant_on_fail)
    sessions_unwant (host->sessions, contact);
}

static inline void
host_on_writable (gpointer user, Session *session)
{
  Host *host = user;

  host->writable++;
  if (host->delivers)
    delivery_on_writable (host->delivery, session);
}

static inline void
host_on_message (gpointer user, Session *session, const Stanza *stanza)
{
  delivery_on_message (((Host *) user)->delivery, session, stanza);
}

static inline void
host_on_granted (gpointer user, Session *session)
{
  delivery_on_granted (((Host *) user)->delivery, session);
}

static inline void
host_on_sas (gpointer user, Session *session, const Stanza *iq, const Stanza *payload)
{
  verifications_on_iq (((Host *) user)->verifications, session, iq, payload);
}

static inline void
host_on_invite (gpointer user, Session *session, const Stanza *iq, const Stanza *payload)
{
  invites_on_iq (((Host *) user)->invites, session, iq, payload);
}

static inline Invites *
host_make_invites (Host *host)
{
  InvitesConfig config = { .identity = host->identity, .contacts = host->people.contacts, .trust = host->people.trust,
                           .store = host->people.trust_store, .router = host->router, .limits = host->invite_limits };
  g_autoptr (GError) error = NULL;
  GArray *made = NULL, *owed = NULL;

  trust_store_load_invites (host->people.trust_store, &made, &owed, &error);
  g_assert_no_error (error);
  return invites_new (&config, made, owed);
}

static inline void
host_on_level (gpointer user, Contact *contact, Key *key, gboolean release)
{
  delivery_on_level (((Host *) user)->delivery, contact, key, release);
}

static inline void
host_on_forgotten (gpointer user, guint32 id, const Fingerprint *fp)
{
  delivery_on_forgotten (((Host *) user)->delivery, id, fp);
}

static inline void
host_on_sighted (gpointer user, const DiscoveryRecord *record)
{
  contacts_on_sighted (((Host *) user)->people.contacts, record);
}

static const TrustWatch host_trust_watch = { .level_changed = host_on_level, .forgotten = host_on_forgotten };

/* Opens stores, people and sockets of a host whose directory stands. */
static inline void
host_start (Host *host)
{
  static const SessionCallbacks callbacks = { host_on_opened, host_on_closed, host_on_stanza,
                                              host_on_changed, host_on_failed, host_on_writable };
  static const RouterCallbacks router_callbacks = { .message = host_on_message, .granted = host_on_granted, .sas = host_on_sas,
                                                    .invite = host_on_invite };
  DiscoveryCallbacks discovery_callbacks = { .sighted = host_on_sighted };
  g_autofree char *messages = g_build_filename (host->people.store.dir, "messages.db", NULL);
  g_autoptr (GError) error = NULL;
  SessionsConfig config = { .allow_loopback = TRUE, .idle_close_s = host->idle_close_s };

  host->people.store.worker = db_worker_new ();
  host->identity = identity_load_or_create (host->people.store.dir, host->addr, &error);
  g_assert_no_error (error);
  people_open (&host->people, TRUST_MODE_ASK);
  host->poller = poller_new ();
  host->discovery = discovery_new (DISCOVERY_NONE, NULL, &discovery_callbacks, host);
  if (host->delivers)
    {
      VerificationsConfig verifications_config = { .identity = host->identity, .contacts = host->people.contacts,
                                                   .trust = host->people.trust, .limits = host->limits };
      IntroductionsConfig introductions_config = { .contacts = host->people.contacts, .trust = host->people.trust };
      DeliveryConfig delivery_config = { .contacts = host->people.contacts, .trust = host->people.trust };

      host->history = history_open (host->people.store.worker, messages, NULL, &error);
      g_assert_no_error (error);
      host->outbox = outbox_new (history_get_db (host->history));
      host->router = router_new (&router_callbacks, host);
      verifications_config.router = host->router;
      host->verifications = verifications_new (&verifications_config);
      host->invites = host_make_invites (host);
      delivery_config.history = host->history;
      delivery_config.outbox = host->outbox;
      host->delivery = delivery_new (&delivery_config, &error);
      g_assert_no_error (error);
      introductions_config.delivery = host->delivery;
      introductions_config.identity = host->identity;
      host->introductions = introductions_new (&introductions_config);
    }
  config.poller = host->poller;
  config.identity = host->identity;
  config.contacts = host->people.contacts;
  config.trust = host->people.trust;
  config.discovery = host->discovery;
  host->sessions = sessions_new (&config, &callbacks, host, &error);
  g_assert_no_error (error);
  if (host->delivers)
    {
      trust_watch (host->people.trust, &host_trust_watch, host);
      delivery_start (host->delivery, host->sessions, host->router);
      invites_start (host->invites, host->sessions);
    }
  sessions_set_addr (host->sessions, host->addr);
}

/* As daemon_free() does. */
static inline void
host_stop (Host *host)
{
  if (host->delivers)
    {
      invites_stop (host->invites);
      delivery_stop (host->delivery);
    }
  sessions_free (host->sessions);
  host->sessions = NULL;
  discovery_free (host->discovery);
  db_worker_flush (host->people.store.worker);
  if (host->delivers)
    {
      outbox_free (host->outbox);
      history_close (host->history);
    }
  trust_store_close (host->people.trust_store);
  if (host->delivers)
    {
      introductions_free (host->introductions);
      delivery_free (host->delivery);
      invites_free (host->invites);
      verifications_free (host->verifications);
      router_free (host->router);
    }
  trust_free (host->people.trust);
  contacts_free (host->people.contacts);
  g_hash_table_unref (host->people.words);
  db_worker_free (host->people.store.worker);
  poller_free (host->poller);
  identity_free (host->identity);
}

static inline Host *
host_new_in (const char *name, char *dir_take)
{
  Host *host = g_new0 (Host, 1);

  host->addr = g_strdup_printf ("%s@test", name);
  host->people.store.dir = dir_take;
  host->people.store.path = g_build_filename (dir_take, "trust.db", NULL);
  host->heard = g_ptr_array_new_with_free_func ((GDestroyNotify) stanza_unref);
  host->idle_close_s = 600;
  return host;
}

static inline Host *
host_new (const char *name)
{
  return host_new_in (name, g_dir_make_tmp ("earshot-host-XXXXXX", NULL));
}

static inline void
host_free (Host *host)
{
  if (host->sessions != NULL)
    host_stop (host);
  store_remove_dir (host->people.store.dir);
  g_free (host->people.store.dir);
  g_free (host->people.store.path);
  g_free (host->people.warning);
  g_ptr_array_unref (host->heard);
  g_free (host->addr);
  g_free (host);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Host, host_free)

static inline Host *
host_new_started (const char *name, gboolean delivers)
{
  Host *host = host_new (name);

  host->delivers = delivers;
  host_start (host);
  return host;
}

/* Waits on events until the condition holds. */
#define host_wait_for(condition)                  \
  G_STMT_START                                    \
  {                                               \
    while (!(condition))                          \
      g_main_context_iteration (NULL, TRUE);      \
  }                                               \
  G_STMT_END

/* Lets everything happen that is under way for this long: only to see that something does NOT happen. */
static inline gboolean
host_on_quiet (gpointer flag)
{
  *(gboolean *) flag = TRUE;
  return G_SOURCE_REMOVE;
}

static inline void
host_stay_quiet (guint ms)
{
  gboolean over = FALSE;

  g_timeout_add_full (G_PRIORITY_LOW, ms, host_on_quiet, &over, NULL);
  host_wait_for (over);
}

static inline const Fingerprint *
host_fp (Host *host)
{
  return identity_get_fingerprint (host->identity);
}

/* `host` hears of `other` under that instance, and can resolve it. */
static inline void
host_sees_as (Host *host, Host *other, const char *instance, gboolean hint)
{
  g_autofree char *base64 = fingerprint_to_base64url (host_fp (other));
  g_autofree char *spki = g_strconcat ("tls.spki=", base64, NULL);
  const char *txt[] = { "txtvers=1", hint ? spki : NULL, NULL };

  fake_discovery_locate (host->discovery, instance, "::1", sessions_get_port (other->sessions));
  fake_discovery_sight (host->discovery, instance, 1, AF_INET6, txt);
}

static inline void
host_sees (Host *host, Host *other)
{
  host_sees_as (host, other, other->addr, TRUE);
}

/* The contact that has the key of `other`, or is announced under its address. */
static inline Contact *
host_contact (Host *host, Host *other)
{
  Key *key = contacts_get_key (host->people.contacts, host_fp (other));

  return key != NULL ? key_get_contact (key) : find_one (host->people.contacts, other->addr);
}

static inline Session *
host_session (Host *host, Host *other)
{
  Key *key = contacts_get_key (host->people.contacts, host_fp (other));

  return key != NULL ? sessions_find (host->sessions, key_get_contact (key)) : NULL;
}

/* Each pins the other by fingerprint. */
static inline void
host_befriend (Host *host, Host *other)
{
  if (contacts_get_key (host->people.contacts, host_fp (other)) == NULL)
    add_person (&host->people, "", host_fp (other));
}

static inline int
host_connect (Host *host, Host *other)
{
  Outcome outcome = { 0 };

  sessions_connect (host->sessions, host_contact (host, other), outcome_set, &outcome);
  g_assert_false (outcome.done);
  return outcome_wait (&outcome);
}

/* Names on the session's own words. */
static inline Request *
host_only_request (Host *host)
{
  g_autoptr (GPtrArray) all = trust_list_requests (host->people.trust);

  g_assert_cmpuint (all->len, ==, 1);
  return g_ptr_array_index (all, 0);
}

static inline guint
host_count_requests (Host *host)
{
  g_autoptr (GPtrArray) all = trust_list_requests (host->people.trust);

  return all->len;
}

static inline int
host_resolve (Host *host, const char *choice, gboolean release)
{
  Request *request = host_only_request (host);
  Outcome outcome = { 0 };

  trust_resolve (host->people.trust, request_get_id (request), choice, request_get_fingerprint (request), NULL, release,
                 "test", outcome_set, &outcome);
  return outcome_wait (&outcome);
}
