/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/daemon.h"

#include <string.h>
#include <unistd.h>

#include "daemon/base/error.h"
#include "daemon/base/fsutil.h"
#include "daemon/base/jid.h"
#include "daemon/base/log.h"
#include "daemon/bus/private-bus.h"
#include "daemon/bus/window.h"
#include "daemon/io/trust-audit.h"
#include "daemon/io/poller.h"
#include "daemon/model/introductions.h"

#define PRUNE_EVERY_S (24 * 3600)
#define LOCK_WAIT_US (2 * G_TIME_SPAN_SECOND) /* for one that was killed to be gone */

struct _Daemon {
  const Config *config;
  int lock_fd;
  Identity *identity;
  Poller *poller;
  DbWorker *worker;
  TrustStore *trust_store;
  History *history;
  Outbox *outbox;
  Settings *settings;
  Contacts *contacts;
  Trust *trust;
  AppAccess *app_access;
  Roots *roots;
  Router *router;
  Verifications *verifications;
  Successions *successions;
  Invites *invites;
  Delivery *delivery;
  Introductions *introductions;
  Discovery *discovery;
  Sessions *sessions;
  Self *self;
  Doctor *doctor;
  Front *front;
  PrivateBus *private_bus;
  GHashTable *warnings;   /* from before the first window opened: key -> text */
  char *backend, *state, *state_reason;
  char *addr;             /* ours */
  guint prune_source;
};

/* --- wires: each floor speaks upward by the callbacks it got at birth ------------------- */

/* For a window that opens later; one that is open hears of what strangers can count up by itself, and tells it when it may. */
static void
note_warning (gpointer user, const char *key, const char *text)
{
  Daemon *daemon = user;

  if (text != NULL)
    g_hash_table_replace (daemon->warnings, g_strdup (key), g_strdup (text));
  else
    g_hash_table_remove (daemon->warnings, key);
}

static void
warn (gpointer user, const char *key, const char *text)
{
  Daemon *daemon = user;

  note_warning (daemon, key, text);
  if (daemon->front != NULL)
    front_set_warning (daemon->front, key, text);
}

static void
on_discovery_state (gpointer user, const char *backend, const char *state, const char *reason)
{
  Daemon *daemon = user;

  log_notice ("discovery", "%s is %s%s%s", backend, state, reason != NULL ? ": " : "", reason != NULL ? reason : "");
  g_free (daemon->backend);
  g_free (daemon->state);
  g_free (daemon->state_reason);
  daemon->backend = g_strdup (backend);
  daemon->state = g_strdup (state);
  daemon->state_reason = g_strdup (reason);
  if (daemon->front != NULL)
    front_set_network (daemon->front, backend, state, reason);
}

static void set_addr (Daemon *daemon, const char *addr);

static void
on_established (gpointer user, const char *instance)
{
  Daemon *daemon = user;

  log_notice ("discovery", "announced as %s", instance);
  set_addr (daemon, instance);
  if (daemon->front != NULL)
    front_set_address (daemon->front, instance);
}

static void
on_sighted (gpointer user, const DiscoveryRecord *record)
{
  contacts_on_sighted (((Daemon *) user)->contacts, record);
}

static void
on_gone (gpointer user, const char *instance, const char *domain, int ifindex, int family)
{
  contacts_on_gone (((Daemon *) user)->contacts, instance, domain, ifindex, family);
}

static const DiscoveryCallbacks discovery_callbacks = { on_discovery_state, on_established, on_sighted, on_gone, warn };

static void
on_opened (gpointer user, Session *session)
{
  Daemon *daemon = user;

  /* Who we are comes before what we say. */
  successions_on_opened (daemon->successions, session);
  delivery_on_opened (daemon->delivery, session);
  invites_on_opened (daemon->invites, session);
}

static void
on_closed (gpointer user, Session *session)
{
  Daemon *daemon = user;

  router_on_closed (daemon->router, session);
  verifications_on_closed (daemon->verifications, session);
  successions_on_closed (daemon->successions, session);
  invites_on_closed (daemon->invites, session);
  delivery_on_closed (daemon->delivery, session);
}

static void
on_stanza (gpointer user, Session *session, Stanza *stanza)
{
  router_on_stanza (((Daemon *) user)->router, session, stanza);
}

static void
on_changed (gpointer user, Session *session)
{
  delivery_on_changed (((Daemon *) user)->delivery, session);
}

static void
on_failed (gpointer user, Contact *contact)
{
  delivery_on_failed (((Daemon *) user)->delivery, contact);
}

static void
on_writable (gpointer user, Session *session)
{
  delivery_on_writable (((Daemon *) user)->delivery, session);
}

static void
on_acked (gpointer user, Session *session, const char *tag)
{
  delivery_on_acked (((Daemon *) user)->delivery, session, tag);
}

static void
on_lost (gpointer user, Contact *contact)
{
  delivery_on_lost (((Daemon *) user)->delivery, contact);
}

static const SessionCallbacks session_callbacks = { on_opened, on_closed, on_stanza, on_changed, on_failed, on_writable,
                                                    on_acked, on_lost };

static void
on_message (gpointer user, Session *session, const Stanza *stanza)
{
  delivery_on_message (((Daemon *) user)->delivery, session, stanza);
}

static gint64
on_idle_asked (gpointer user)
{
  return delivery_get_idle (((Daemon *) user)->delivery);
}

static void
on_granted (gpointer user, Session *session)
{
  delivery_on_granted (((Daemon *) user)->delivery, session);
}

static void
on_sas (gpointer user, Session *session, const Stanza *iq, const Stanza *payload)
{
  verifications_on_iq (((Daemon *) user)->verifications, session, iq, payload);
}

static void
on_invite (gpointer user, Session *session, const Stanza *iq, const Stanza *payload)
{
  invites_on_iq (((Daemon *) user)->invites, session, iq, payload);
}

static void
on_succession (gpointer user, Session *session, const Stanza *iq, const Stanza *payload)
{
  successions_on_iq (((Daemon *) user)->successions, session, iq, payload);
}

static const RouterCallbacks router_callbacks = { .message = on_message, .granted = on_granted, .sas = on_sas,
                                                  .succession = on_succession, .idle = on_idle_asked, .invite = on_invite };

/* While there are some, people should know whom not to change the key on again. */
static void
on_succession_changed (gpointer user, Contact *contact)
{
  Daemon *daemon = user;
  guint owed = successions_count_owed (daemon->successions);
  g_autofree char *text = NULL;

  delivery_review (daemon->delivery, contact);
  if (owed > 0)
    text = g_strdup_printf ("%u of your contacts have not been told of your new key yet: they are as soon as they are there. Whoever "
                            "misses a change of your key has to verify you again", owed);
  warn (daemon, "succession", text);
}

static void
on_level_changed (gpointer user, Contact *contact, Key *key, gboolean release)
{
  delivery_on_level (((Daemon *) user)->delivery, contact, key, release);
}

static void
on_forgotten (gpointer user, guint32 contact_id, const Fingerprint *fp)
{
  delivery_on_forgotten (((Daemon *) user)->delivery, contact_id, fp);
}

static void review_trust_mode (gpointer user);

static const TrustWatch trust_table = { .level_changed = on_level_changed, .forgotten = on_forgotten,
                                        .mode_changed = review_trust_mode, .warning = note_warning };

/* EagerConnect = always: whom we trust is dialled as soon as they appear. */
static void
on_contact_sighted (gpointer user, Contact *contact)
{
  Daemon *daemon = user;
  const Presence *presence = contact_get_presence (contact);

  /* A hint like any other: a handshake shows whether our key is live there. */
  if (presence != NULL && presence->has_spki && fingerprint_equal (&presence->spki, identity_get_fingerprint (daemon->identity)))
    sessions_prove_own (daemon->sessions, contact);
  if (contact_has_trusted_key (contact) && g_strcmp0 (settings_get (daemon->settings, "eager-connect"), "always") == 0)
    sessions_want (daemon->sessions, contact);
}

static const ContactsWatch contacts_table = { .sighted = on_contact_sighted };

/* In the mode `ca` without a root nobody new gets in: people should know. */
static void
review_trust_mode (gpointer user)
{
  Daemon *daemon = user;

  if (trust_get_mode (daemon->trust) == TRUST_MODE_CA && roots_list (daemon->roots)[0] == NULL)
    warn (daemon, "trust-mode", "The trust mode is ca and there is no root to check against (trust-roots in earshotd.conf): "
                                "nobody new is let in");
  else
    warn (daemon, "trust-mode", NULL);
}

/* A certificate of an issuer says who we are and for how long; peers that go by it take us at its word. */
static void
review_certificate (gpointer user)
{
  Daemon *daemon = user;
  const char *const *addrs = identity_get_xmpp_addrs (daemon->identity);
  gint64 until = identity_get_expiry (daemon->identity);
  g_autofree char *text = NULL;
  gboolean named = daemon->addr == NULL;

  for (guint i = 0; addrs[i] != NULL; i++)
    named = named || jid_same (addrs[i], daemon->addr);
  if (identity_get_issuer (daemon->identity) == NULL)
    ;
  else if (until < g_get_real_time () / G_USEC_PER_SEC)
    text = g_strdup ("Your certificate is out of date: peers that go by its issuer refuse you. Ask for a new one "
                     "(xmppctl id csr) and install it (xmppctl id certificate)");
  else if (!named)
    text = g_strdup_printf ("Your certificate is for %s, and you are announced as %s: peers that go by its issuer refuse you. "
                            "Ask for one with both addresses (xmppctl id csr)",
                            addrs[0] != NULL ? addrs[0] : "nobody", daemon->addr);
  warn (daemon, "certificate", text);
  warn (daemon, "token", identity_get_trouble (daemon->identity));
}

/* Our certificate, our key, or what the token does. */
static void
on_identity_changed (gpointer user)
{
  Daemon *daemon = user;

  review_certificate (daemon);
  self_set_own (daemon->self, identity_get_fingerprint (daemon->identity));
  trust_set_own (daemon->trust, identity_get_fingerprint (daemon->identity), NULL);
  if (daemon->front != NULL)
    front_refresh_manager (daemon->front);
}

static void
set_addr (Daemon *daemon, const char *addr)
{
  g_free (daemon->addr);
  daemon->addr = g_strdup (addr);
  sessions_set_addr (daemon->sessions, addr);
  review_certificate (daemon);
}

/* The roots, or what is in force of them. */
static void
on_roots_changed (gpointer user)
{
  Daemon *daemon = user;

  sessions_review_chains (daemon->sessions);
  review_trust_mode (daemon);
  if (daemon->front != NULL)
    front_refresh_manager (daemon->front);
}

static const RootsCallbacks roots_callbacks = { on_roots_changed, warn };

static void
on_visibility (gpointer user, Visibility visibility)
{
  sessions_set_withheld (((Daemon *) user)->sessions, visibility == VISIBILITY_INVISIBLE);
}

/* --- birth -------------------------------------------------------------------------------- */

static void
note_set_aside (Daemon *daemon, const char *what, const char *moved)
{
  g_autofree char *text = NULL;
  g_autofree char *key = NULL;

  if (moved == NULL)
    return;
  key = g_strconcat ("damaged-", what, NULL);
  text = g_strdup_printf ("The %s database was damaged. It was set aside as %s and a new one was begun; nothing of it "
                          "was deleted. Recover it with: sqlite3 %s .recover", what, moved, moved);
  log_warn ("store", "%s", text);
  warn (daemon, key, text);
}

static gboolean
open_stores (Daemon *daemon, GError **error)
{
  g_autofree char *trust_path = g_build_filename (daemon->config->data_dir, "trust.db", NULL);
  g_autofree char *messages_path = g_build_filename (daemon->config->data_dir, "messages.db", NULL);
  g_autofree char *trust_moved = NULL;
  g_autofree char *messages_moved = NULL;

  daemon->worker = db_worker_new ();
  daemon->trust_store = trust_store_open (daemon->worker, trust_path, &trust_moved, error);
  if (daemon->trust_store == NULL)
    return FALSE;
  daemon->history = history_open (daemon->worker, messages_path, &messages_moved, error);
  if (daemon->history == NULL)
    return FALSE;
  daemon->outbox = outbox_new (history_get_db (daemon->history));
  note_set_aside (daemon, "trust", trust_moved);
  note_set_aside (daemon, "messages", messages_moved);
  return TRUE;
}

static void
restore_settings (Daemon *daemon)
{
  const char *word = settings_get (daemon->settings, "max-strangers");
  guint64 max;
  g_autoptr (GList) statics = settings_list (daemon->settings, CONTACTS_STATIC_SETTING);
  g_autoptr (GList) forgotten = settings_list (daemon->settings, TRUST_FORGOTTEN_SETTING);

  if (word != NULL && g_ascii_string_to_unsigned (word, 10, 1, 100000, &max, NULL))
    contacts_set_max_strangers (daemon->contacts, max);
  word = settings_get (daemon->settings, "nick");
  delivery_set_nick (daemon->delivery, word != NULL ? word : "");
  delivery_set_markers (daemon->delivery, g_strcmp0 (settings_get (daemon->settings, "send-markers"), "false") != 0);
  delivery_set_share_idle (daemon->delivery, g_strcmp0 (settings_get (daemon->settings, "share-idle"), "true") == 0);
  for (GList *item = statics; item != NULL; item = item->next)
    {
      guint64 id = 0;

      g_ascii_string_to_unsigned (settings_get (daemon->settings, item->data), 10, 1, G_MAXINT32, &id, NULL);
      contacts_restore_static (daemon->contacts, (const char *) item->data + strlen (CONTACTS_STATIC_SETTING), id);
    }
  for (GList *item = forgotten; item != NULL; item = item->next)
    {
      guint64 id = 0;

      g_ascii_string_to_unsigned ((const char *) item->data + strlen (TRUST_FORGOTTEN_SETTING), 10, 1, G_MAXINT32, &id, NULL);
      if (id != 0 && contacts_get (daemon->contacts, (guint32) id) == NULL)
        delivery_on_forgotten (daemon->delivery, (guint32) id, NULL);
    }
}

static gboolean
build_invites (Daemon *daemon, GError **error)
{
  InvitesConfig config = { .identity = daemon->identity, .contacts = daemon->contacts, .trust = daemon->trust,
                           .store = daemon->trust_store, .router = daemon->router };
  GArray *made = NULL, *owed = NULL;

  if (!trust_store_load_invites (daemon->trust_store, &made, &owed, error))
    return FALSE;
  daemon->invites = invites_new (&config, made, owed);
  return TRUE;
}

static gboolean
build_people (Daemon *daemon, GError **error)
{
  GArray *contact_rows = NULL, *key_rows = NULL, *request_rows = NULL, *app_rows;
  GHashTable *words = NULL;
  TrustMode mode = daemon->config->trust_mode;
  LegacyPolicy legacy = daemon->config->legacy_policy;
  const char *stored_mode, *stored_legacy;
  DeliveryConfig delivery_config;
  VerificationsConfig verifications_config;
  IntroductionsConfig introductions_config;

  if (!trust_store_load (daemon->trust_store, &contact_rows, &key_rows, &request_rows, &words, error))
    return FALSE;
  app_rows = trust_store_load_apps (daemon->trust_store, error);
  daemon->settings = settings_new (daemon->trust_store, words);
  daemon->contacts = contacts_new (daemon->trust_store, contact_rows, key_rows);
  stored_mode = settings_get (daemon->settings, "trust-mode");
  if (stored_mode != NULL)
    trust_mode_from_string (stored_mode, &mode);
  daemon->trust = trust_new (daemon->contacts, daemon->trust_store, mode, request_rows);
  stored_legacy = settings_get (daemon->settings, "legacy-policy");
  if (stored_legacy != NULL && !legacy_policy_from_string (stored_legacy, &legacy))
    legacy = LEGACY_REFUSE;
  trust_set_legacy_policy (daemon->trust, legacy);
  if (app_rows == NULL)
    return FALSE;
  daemon->app_access = app_access_new (daemon->trust_store, app_rows);
  daemon->router = router_new (&router_callbacks, daemon);
  verifications_config = (VerificationsConfig) { .identity = daemon->identity, .contacts = daemon->contacts,
                                                 .trust = daemon->trust, .router = daemon->router };
  daemon->verifications = verifications_new (&verifications_config);
  if (!build_invites (daemon, error))
    return FALSE;
  delivery_config = (DeliveryConfig) { .history = daemon->history, .outbox = daemon->outbox,
                                       .contacts = daemon->contacts, .trust = daemon->trust };
  daemon->delivery = delivery_new (&delivery_config, error);
  if (daemon->delivery == NULL)
    return FALSE;
  introductions_config = (IntroductionsConfig) { .contacts = daemon->contacts, .trust = daemon->trust, .delivery = daemon->delivery,
                                                 .identity = daemon->identity };
  daemon->introductions = introductions_new (&introductions_config);
  restore_settings (daemon);
  return TRUE;
}

/* What is known of our own key. */
static void
restore_own (Daemon *daemon)
{
  g_autoptr (GList) distrust = settings_list (daemon->settings, TRUST_DISTRUST_SETTING);
  const char *ignored = settings_get (daemon->settings, TRUST_DUPLICATES_SETTING);

  trust_set_own (daemon->trust, identity_get_fingerprint (daemon->identity), ignored);
  for (GList *item = distrust; item != NULL; item = item->next)
    trust_restore_distrust (daemon->trust, (const char *) item->data + strlen (TRUST_DISTRUST_SETTING),
                            settings_get (daemon->settings, item->data));
}

static gboolean
build_doors (Daemon *daemon, GError **error)
{
  const Config *config = daemon->config;
  SessionsConfig sessions_config;
  SuccessionsConfig successions_config;
  DoctorRooms doctor_rooms;

  daemon->poller = poller_new ();
  daemon->roots = roots_new (config->trust_roots, config->trust_crls, &roots_callbacks, daemon);
  review_trust_mode (daemon);
  identity_watch (daemon->identity, on_identity_changed, daemon);
  daemon->discovery = discovery_new (config->discovery, config->interfaces, &discovery_callbacks, daemon);
  sessions_config = (SessionsConfig) { .poller = daemon->poller, .identity = daemon->identity,
                                       .contacts = daemon->contacts, .trust = daemon->trust,
                                       .roots = daemon->roots,
                                       .discovery = daemon->discovery, .port = config->port,
                                       .interfaces = config->interfaces, .allow_loopback = config->allow_loopback,
                                       .idle_close_s = config->idle_close_s };
  daemon->sessions = sessions_new (&sessions_config, &session_callbacks, daemon, error);
  if (daemon->sessions == NULL)
    return FALSE;
  successions_config = (SuccessionsConfig) { .identity = daemon->identity, .contacts = daemon->contacts, .trust = daemon->trust,
                                             .store = daemon->trust_store, .settings = daemon->settings,
                                             .sessions = daemon->sessions, .router = daemon->router,
                                             .changed = on_succession_changed, .user = daemon };
  daemon->successions = successions_new (&successions_config);
  /* After the sessions: a lowered level closes streams before delivery hears of it. */
  trust_watch (daemon->trust, &trust_table, daemon);
  contacts_watch (daemon->contacts, &contacts_table, daemon);
  daemon->self = self_new (daemon->settings, identity_get_fingerprint (daemon->identity), config->name);
  delivery_start (daemon->delivery, daemon->sessions, daemon->router);
  successions_start (daemon->successions);
  restore_own (daemon);
  invites_start (daemon->invites, daemon->sessions);
  doctor_rooms = (DoctorRooms) { .config = config, .identity = daemon->identity, .contacts = daemon->contacts, .trust = daemon->trust,
                                 .sessions = daemon->sessions, .delivery = daemon->delivery, .discovery = daemon->discovery,
                                 .history = daemon->history };
  daemon->doctor = doctor_new (&doctor_rooms);
  return TRUE;
}

/* The address at creation goes into the certificate as a hint that is never checked (docs/protocol.md 3.2). */
static char *
guess_addr (const char *name, GError **error)
{
  char host[256] = "";
  g_autofree char *machine = NULL;

  if (gethostname (host, sizeof host - 1) != 0 || host[0] == '\0')
    g_strlcpy (host, "localhost", sizeof host);
  machine = g_strndup (host, strcspn (host, "."));
  return jid_build_instance (name, machine, 0, error);
}

static gboolean
build (Daemon *daemon, GError **error)
{
  g_autofree char *addr = guess_addr (daemon->config->name, error);

  if (addr == NULL || !fs_ensure_private_dir (daemon->config->data_dir, error))
    return FALSE;
  daemon->lock_fd = fs_lock_dir (daemon->config->data_dir, LOCK_WAIT_US, error);
  if (daemon->lock_fd < 0)
    return FALSE;
  daemon->identity = daemon->config->identity != NULL
                       ? identity_load_token (daemon->config->data_dir, addr, daemon->config->identity,
                                              daemon->config->pin_file, error)
                       : identity_load_or_create (daemon->config->data_dir, addr, error);
  return daemon->identity != NULL && open_stores (daemon, error) && build_people (daemon, error)
         && build_doors (daemon, error);
}

Daemon *
daemon_new (const Config *config, GError **error)
{
  Daemon *daemon = g_new0 (Daemon, 1);

  daemon->config = config;
  daemon->lock_fd = -1;
  daemon->warnings = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  if (!build (daemon, error))
    {
      daemon_free (daemon);
      return NULL;
    }
  return daemon;
}

static void
open_front (Daemon *daemon)
{
  Rooms rooms = { .config = daemon->config, .identity = daemon->identity, .contacts = daemon->contacts,
                  .trust = daemon->trust, .trust_store = daemon->trust_store, .sessions = daemon->sessions,
                  .delivery = daemon->delivery,
                  .discovery = daemon->discovery, .history = daemon->history, .settings = daemon->settings,
                  .self = daemon->self, .router = daemon->router,
                  .verifications = daemon->verifications, .invites = daemon->invites, .successions = daemon->successions, .introductions = daemon->introductions,
                  .roots = daemon->roots, .app_access = daemon->app_access, .doctor = daemon->doctor };
  GHashTableIter iter;
  gpointer key, text;
  const char *instance = discovery_get_instance (daemon->discovery);

  if (daemon->front != NULL)
    return;
  daemon->front = front_new (&rooms);
  g_hash_table_iter_init (&iter, daemon->warnings);
  while (g_hash_table_iter_next (&iter, &key, &text))
    front_set_warning (daemon->front, key, text);
  if (daemon->backend != NULL)
    front_set_network (daemon->front, daemon->backend, daemon->state, daemon->state_reason);
  if (instance != NULL)
    front_set_address (daemon->front, instance);
}

gboolean
daemon_open_window (Daemon *daemon, GDBusConnection *connection, GError **error)
{
  open_front (daemon);
  return window_open (daemon->front, connection, error) != NULL;
}

gboolean
daemon_open_private (Daemon *daemon, const char *path, GError **error)
{
  open_front (daemon);
  daemon->private_bus = private_bus_new (daemon->front, path, error);
  if (daemon->private_bus != NULL)
    log_notice ("main", "earshotd " PACKAGE_VERSION " is ready at %s", private_bus_get_address (daemon->private_bus));
  return daemon->private_bus != NULL;
}

static void
on_unread_gone (gpointer user, guint32 contact, guint unread)
{
  delivery_set_unread (((Daemon *) user)->delivery, contact, unread);
}

static void
on_pruned (gpointer user, guint64 tail, const GError *error)
{
  Daemon *daemon = user;

  if (error == NULL)
    delivery_set_tail (daemon->delivery, tail);
  else if (!g_error_matches (error, EARSHOT_ERROR, EARSHOT_ERROR_CANCELLED))
    log_warn ("store", "tidying failed: %s", error->message);
}

static gboolean
on_prune_time (gpointer user)
{
  Daemon *daemon = user;
  const HistoryLimits limits = { .entries = daemon->config->history_max, .bytes = daemon->config->history_mib << 20,
                                 .days = (guint) daemon->config->history_days };

  review_certificate (daemon);
  history_prune (daemon->history, g_get_real_time (), &limits, on_unread_gone, on_pruned, daemon);
  return G_SOURCE_CONTINUE;
}

/* Nobody may ever ask: so it is checked unasked, and said where people look. */
static void
on_audit_checked (gpointer user, const AuditCheck *check, const GError *error)
{
  g_autofree char *text = NULL;

  if (error != NULL || check->reason == NULL)
    return;
  text = g_strdup_printf ("The log of trust decisions was changed by somebody else (record %" G_GUINT64_FORMAT ": %s). See: "
                          "xmppctl audit --check", check->broken, check->reason);
  log_warn ("trust", "%s", text);
  warn (user, "audit-broken", text);
}

void
daemon_reload (Daemon *daemon)
{
  roots_reload (daemon->roots);
}

void
daemon_go_public (Daemon *daemon)
{
  /* Without mDNS nobody establishes our name: static peers know us by the one we would have announced. */
  g_autofree char *addr = guess_addr (self_get_public_name (daemon->self), NULL);

  if (addr != NULL)
    set_addr (daemon, addr);
  if (daemon->front != NULL && addr != NULL && daemon->config->discovery == DISCOVERY_NONE)
    front_set_address (daemon->front, addr);
  self_set_watch (daemon->self, on_visibility, daemon);
  self_start (daemon->self, daemon->discovery, sessions_get_port (daemon->sessions));
  daemon->prune_source = g_timeout_add_seconds (PRUNE_EVERY_S, on_prune_time, daemon);
  on_prune_time (daemon);
  trust_store_check_audit (daemon->trust_store, NULL, on_audit_checked, daemon);
}

void
daemon_free (Daemon *daemon)
{
  if (daemon == NULL)
    return;
  if (daemon->prune_source != 0)
    g_source_remove (daemon->prune_source);
  if (daemon->history != NULL)
    history_stop (daemon->history);
  /* What was accepted is committed and answered while those who asked still stand. */
  if (daemon->worker != NULL)
    db_worker_flush (daemon->worker);
  doctor_free (daemon->doctor);
  private_bus_free (g_steal_pointer (&daemon->private_bus));
  front_free (g_steal_pointer (&daemon->front));
  if (daemon->contacts != NULL && daemon->sessions != NULL)
    contacts_unwatch (daemon->contacts, daemon);
  /* Goodbyes first, then whatever they still write to the store, then the store. */
  invites_stop (daemon->invites);
  delivery_stop (daemon->delivery);
  sessions_free (daemon->sessions);
  roots_free (daemon->roots);
  if (daemon->discovery != NULL)
    discovery_free (daemon->discovery);
  /* What is queued for the disk is committed and reports to rooms that still stand. */
  if (daemon->worker != NULL)
    db_worker_flush (daemon->worker);
  if (daemon->outbox != NULL)
    outbox_free (daemon->outbox);
  if (daemon->history != NULL)
    history_close (daemon->history);
  if (daemon->trust_store != NULL)
    trust_store_close (daemon->trust_store);
  if (daemon->trust != NULL && daemon->sessions != NULL)
    trust_unwatch (daemon->trust, daemon);
  introductions_free (daemon->introductions);
  delivery_free (daemon->delivery);
  invites_free (daemon->invites);
  verifications_free (daemon->verifications);
  successions_free (daemon->successions);
  router_free (daemon->router);
  self_free (daemon->self);
  app_access_free (daemon->app_access);
  trust_free (daemon->trust);
  contacts_free (daemon->contacts);
  settings_free (daemon->settings);
  if (daemon->worker != NULL)
    db_worker_free (daemon->worker);
  if (daemon->poller != NULL)
    poller_free (daemon->poller);
  if (daemon->identity != NULL)
    identity_free (daemon->identity);
  if (daemon->lock_fd >= 0)
    close (daemon->lock_fd);
  g_hash_table_unref (daemon->warnings);
  g_free (daemon->backend);
  g_free (daemon->state);
  g_free (daemon->state_reason);
  g_free (daemon->addr);
  g_free (daemon);
}
