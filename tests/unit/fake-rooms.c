/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "tests/unit/fake-rooms.h"

#include "daemon/io/addresses.h"
#include "daemon/io/trust-audit.h"

#include <string.h>
#include <unistd.h>

Fake fake;

typedef struct {
  enum { DONE, SENT, ADDED, ENTRIES, GOT, CURSOR, CONSUMERS, PROBED, PONG, LISTED, CHECKED, INVITED, EXAMINED } kind;
  gpointer func, user;
  GPtrArray *entries;
  int error;
} Answer;

static GPtrArray *muted;

static void G_GNUC_PRINTF (1, 2)
note (const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_string_append_vprintf (fake.calls, format, args);
  g_string_append_c (fake.calls, '\n');
  va_end (args);
}

static void
answer_entries (Answer *answer, const GError *error)
{
  GPtrArray *entries = answer->entries;
  guint64 last = entries->len > 0 ? ((LogEntry *) entries->pdata[entries->len - 1])->seq : 0;

  ((HistoryEntries) answer->func) (answer->user, error == NULL ? g_ptr_array_ref (entries) : NULL, FALSE, last, error);
}

static void
answer_records (Answer *answer, const GError *error)
{
  g_autoptr (GPtrArray) records = g_ptr_array_new_with_free_func ((GDestroyNotify) audit_record_free);
  AuditRecord *record = g_new0 (AuditRecord, 1);

  record->n = 9;
  record->time = 1000;
  record->contact = 7;
  record->event = g_strdup ("accept");
  record->fp = g_strdup ("01");
  record->inputs = g_strdup ("name=\x1b[31m");
  record->verdict = g_strdup ("pinned");
  record->caller = g_strdup ("name=:1.7");
  g_ptr_array_add (records, record);
  ((AuditListed) answer->func) (answer->user, error == NULL ? g_ptr_array_ref (records) : NULL, TRUE, error);
}

static gboolean
answer_now (gpointer data)
{
  Answer *answer = data;
  g_autoptr (GError) error = NULL;

  if (answer->error >= 0)
    error = g_error_new (EARSHOT_ERROR, answer->error, "the room says\x1b no");
  switch (answer->kind) {
  case DONE:
    ((DoneFunc) answer->func) (answer->user, error);
    break;
  case SENT:
    ((DeliverySent) answer->func) (answer->user, error == NULL ? "id-1" : NULL, 7, error);
    break;
  case ADDED:
    ((TrustAdded) answer->func) (answer->user, 7, error);
    break;
  case LISTED:
    answer_records (answer, error);
    break;
  case CHECKED: {
    AuditCheck check = { .first = 3, .last = 9, .count = 4, .reason = "missing", .broken = 7, .found = TRUE, .noted = 5 };

    ((AuditChecked) answer->func) (answer->user, error == NULL ? &check : NULL, error);
    break;
  }
  case ENTRIES:
    answer_entries (answer, error);
    break;
  case GOT:
    ((HistoryGot) answer->func) (answer->user, error == NULL ? fake.entries->pdata[0] : NULL, error);
    break;
  case CURSOR:
    ((HistoryCursor) answer->func) (answer->user, 9, error);
    break;
  case CONSUMERS: {
    ConsumerRow row = { (char *) "desktop", 3, 4 };
    g_autoptr (GPtrArray) rows = g_ptr_array_new ();

    g_ptr_array_add (rows, &row);
    ((HistoryConsumers) answer->func) (answer->user, error == NULL ? g_steal_pointer (&rows) : NULL, error);
    break;
  }
  case PROBED: {
    g_autoptr (GVariant) result = g_variant_ref_sink (g_variant_new_parsed ("{'result': <'ok'>}"));

    ((SessionsProbed) answer->func) (answer->user, error == NULL ? result : NULL, error);
    break;
  }
  case EXAMINED: {
    g_autoptr (GPtrArray) checks = g_ptr_array_new ();
    Check check = { .id = "link", .status = CHECK_FAIL, .title = (char *) "eth0: silent", .meaning = (char *) "", .fix = (char *) "listen", .link = (char *) "eth0" };

    g_ptr_array_add (checks, &check);
    ((DoctorDone) answer->func) (answer->user, error == NULL ? checks : NULL, error);
    break;
  }
  case INVITED:
    ((InviteMade) answer->func) (answer->user, error == NULL ? "xmpp:me@pronto?the-link" : NULL, "00112233445566aa", 99, error);
    break;
  case PONG:
    ((RouterReply) answer->func) (answer->user, NULL, error);
    break;
  }
  g_free (answer);
  return G_SOURCE_REMOVE;
}

static void
answer_with (int kind, gpointer func, gpointer user, GPtrArray *entries)
{
  Answer *answer = g_new0 (Answer, 1);

  answer->kind = kind;
  answer->func = func;
  answer->user = user;
  answer->entries = entries;
  answer->error = fake.error;
  if (func == NULL)
    g_free (answer);
  else if (fake.mute)
    g_ptr_array_add (muted, answer);
  else
    g_idle_add (answer_now, answer);
}

static void
answer (int kind, gpointer func, gpointer user)
{
  answer_with (kind, func, user, NULL);
}

void
fake_release (void)
{
  fake.mute = FALSE;
  while (muted->len > 0)
    answer_now (g_ptr_array_steal_index (muted, 0));
}

/* --- the table ------------------------------------------------------------------------------------------------- */

static void
contact_free (gpointer data)
{
  Contact *contact = data;

  g_free (contact->petname);
  g_free (contact->addr);
  g_ptr_array_unref (contact->keys);
  g_ptr_array_unref (contact->endpoints);
  g_array_unref (contact->contests);
  g_free (contact);
}

static void
entry_free (gpointer data)
{
  LogEntry *entry = data;

  g_free (entry->kind);
  g_free (entry->id);
  g_free (entry->body);
  g_free (entry->state);
  g_free (entry);
}

static void
app_row_free (gpointer data)
{
  AppRow *row = data;

  g_free (row->app);
  g_free (row);
}

void
fake_setup (Rooms *rooms)
{
  static Config config;
  static char place[15];   /* the window hands these back and never looks inside */

  memset (&fake, 0, sizeof fake);
  fake.calls = g_string_new (NULL);
  fake.error = fake.statics_error = -1;
  fake.contacts = g_ptr_array_new_with_free_func (contact_free);
  fake.keys = g_ptr_array_new_with_free_func (g_free);
  fake.requests = g_ptr_array_new_with_free_func (g_free);
  fake.verifications = g_ptr_array_new_with_free_func (g_free);
  fake.apps = g_ptr_array_new_with_free_func (app_row_free);
  fake.entries = g_ptr_array_new_with_free_func (entry_free);
  fake.preview = g_ptr_array_new_with_free_func (entry_free);
  fake.settings = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  fake.nick = g_strdup ("");
  fake.require = g_strdup ("");
  fake.head = 100;
  fake.max_strangers = 256;
  muted = g_ptr_array_new ();
  *rooms = (Rooms) {
    .config = &config, .identity = (gpointer) &place[0], .contacts = (gpointer) &place[1], .trust = (gpointer) &place[2],
    .sessions = (gpointer) &place[3], .router = (gpointer) &place[4], .delivery = (gpointer) &place[5],
    .discovery = (gpointer) &place[6], .history = (gpointer) &place[7], .settings = (gpointer) &place[8],
    .self = (gpointer) &place[9], .verifications = (gpointer) &place[10], .roots = (gpointer) &place[11],
    .app_access = (gpointer) &place[12], .invites = (gpointer) &place[13], .introductions = (gpointer) &place[14],
  };
}

void
fake_teardown (void)
{
  g_string_free (fake.calls, TRUE);
  g_ptr_array_unref (fake.contacts);
  g_ptr_array_unref (fake.keys);
  g_ptr_array_unref (fake.requests);
  g_ptr_array_unref (fake.verifications);
  g_ptr_array_unref (fake.apps);
  g_ptr_array_unref (fake.entries);
  g_ptr_array_unref (fake.preview);
  g_hash_table_unref (fake.settings);
  g_free (fake.nick);
  g_free (fake.require);
  g_assert_cmpuint (muted->len, ==, 0);
  g_ptr_array_unref (muted);
}

Contact *
fake_add_contact (guint32 id, gboolean stored)
{
  Contact *contact = g_new0 (Contact, 1);

  contact->id = id;
  contact->stored = stored;
  contact->petname = g_strdup ("");
  contact->addr = g_strdup_printf ("user%u@pronto", id);
  contact->keys = g_ptr_array_new ();
  contact->endpoints = g_ptr_array_new_with_free_func (g_free);
  contact->contests = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_ptr_array_add (fake.contacts, contact);
  if (fake.contacts_watch != NULL)
    fake.contacts_watch->added (fake.user, contact);
  return contact;
}

Key *
fake_add_key (Contact *contact, guint8 seed)
{
  Key *key = g_new0 (Key, 1);

  memset (key->fp.bytes, seed, sizeof key->fp.bytes);
  key->contact = contact;
  key->level = TRUST_UNKNOWN;
  g_ptr_array_add (fake.keys, key);
  g_ptr_array_add (contact->keys, key);
  if (fake.contacts_watch != NULL)
    fake.contacts_watch->key_added (fake.user, key);
  return key;
}

Request *
fake_add_request (guint64 id, Key *key, const char *kind)
{
  Request *request = g_new0 (Request, 1);

  request->id = id;
  request->key = key;
  request->kind = kind;
  g_ptr_array_add (fake.requests, request);
  TELL_TRUST (request_added, request);
  return request;
}

Request *
fake_add_introduction (guint64 id, Contact *introducer, guint8 seed)
{
  Request *request = g_new0 (Request, 1);

  request->id = id;
  request->introducer = introducer;
  memset (request->introduced.bytes, seed, sizeof request->introduced.bytes);
  request->kind = "introduction";
  g_ptr_array_add (fake.requests, request);
  TELL_TRUST (request_added, request);
  return request;
}

Request *
fake_add_legacy_request (guint64 id, Contact *contact)
{
  Request *request = g_new0 (Request, 1);

  request->id = id;
  request->contact = contact;
  request->kind = "legacy-peer";
  g_ptr_array_add (fake.requests, request);
  TELL_TRUST (request_added, request);
  return request;
}

void
fake_remove_request (guint64 id)
{
  Request *request = trust_get_request (NULL, id);

  TELL_TRUST (request_removed, request);
  g_ptr_array_remove (fake.requests, request);
}

void
fake_remove_contact (guint32 id)
{
  Contact *contact = contacts_get (NULL, id);

  if (fake.contacts_watch != NULL)
    fake.contacts_watch->removed (fake.user, contact);
  g_ptr_array_remove (fake.contacts, contact);
}

LogEntry *
fake_entry (guint64 seq, guint32 contact, const char *id, gsize body)
{
  LogEntry *entry = g_new0 (LogEntry, 1);

  entry->seq = seq;
  entry->time = 1000;
  entry->kind = g_strdup ("message");
  entry->contact = contact;
  entry->id = g_strdup (id);
  entry->direction = DIRECTION_IN;
  entry->body = g_strnfill (body, 'x');
  entry->trust = (char *) "pinned";
  return entry;
}

/* --- contacts -------------------------------------------------------------------------------------------------- */

void
contacts_watch (Contacts *contacts, const ContactsWatch *watch, gpointer user)
{
  fake.contacts_watch = watch;
  fake.user = user;
}

void
contacts_unwatch (Contacts *contacts, gpointer user)
{
  fake.contacts_watch = NULL;
}

void
contacts_set_max_strangers (Contacts *contacts, guint max)
{
  note ("max-strangers %u", max);
  fake.max_strangers = max;
}

guint
contacts_get_max_strangers (Contacts *contacts)
{
  return fake.max_strangers;
}

Contact *
contacts_get (Contacts *contacts, guint32 id)
{
  for (guint i = 0; i < fake.contacts->len; i++)
    if (((Contact *) fake.contacts->pdata[i])->id == id)
      return fake.contacts->pdata[i];
  return NULL;
}

Key *
contacts_get_key (Contacts *contacts, const Fingerprint *fp)
{
  for (guint i = 0; i < fake.keys->len; i++)
    if (fingerprint_equal (&((Key *) fake.keys->pdata[i])->fp, fp))
      return fake.keys->pdata[i];
  return NULL;
}

GPtrArray *
contacts_list (Contacts *contacts)
{
  GPtrArray *list = g_ptr_array_new ();

  for (guint i = 0; i < fake.contacts->len; i++)
    g_ptr_array_add (list, fake.contacts->pdata[i]);
  return list;
}

GPtrArray *
contacts_select (Contacts *contacts, const char *selector)
{
  GPtrArray *list = g_ptr_array_new ();

  note ("select %s", selector);
  for (guint i = 0; i < fake.contacts->len && i < (guint) (fake.selector_matches[0] - '0'); i++)
    g_ptr_array_add (list, fake.contacts->pdata[i]);
  return list;
}

guint32 contact_get_id (const Contact *c) { return c->id; }
const char *contact_get_petname (const Contact *c) { return c->petname; }
const char *contact_get_claimed_name (const Contact *c) { return ""; }
const char *contact_get_claimed_addr (const Contact *c) { return c->addr; }
char *contact_dup_display_name (const Contact *c) { return g_strdup (*c->petname != '\0' ? c->petname : c->addr); }
const char *contact_get_name_warning (const Contact *c) { return ""; }
Contact *contact_get_resembled (const Contact *c) { return NULL; }
gboolean contact_is_stored (const Contact *c) { return c->stored; }
gboolean contact_is_blocked (const Contact *c) { return c->blocked; }
Reach contact_get_reach (const Contact *c) { return c->connected ? REACH_ONLINE : REACH_OFFLINE; }
const char *reach_to_string (Reach reach) { return reach == REACH_ONLINE ? "online" : "offline"; }
gboolean contact_is_connected (const Contact *c) { return c->connected; }
const Presence *contact_get_presence (const Contact *c) { return NULL; }
gint64 contact_get_last_seen (const Contact *c) { return c->last_seen; }
gint64 contact_get_first_seen (const Contact *c) { return 1; }
const char *contact_get_last_error (const Contact *c) { return ""; }
TrustLevel contact_get_trust (const Contact *c) { return TRUST_UNKNOWN; }
Key *contact_get_active_key (const Contact *c) { return c->keys->len > 0 ? c->keys->pdata[0] : NULL; }
const GPtrArray *contact_get_keys (const Contact *c) { return c->keys; }
const GArray *contact_get_contests (const Contact *c) { return c->contests; }
const Fingerprint *contacts_get_announced_key (Contacts *c, const char *a, const Fingerprint *f) { return NULL; }
const GPtrArray *contact_get_endpoints (const Contact *c) { return c->endpoints; }
const Fingerprint *key_get_fingerprint (const Key *k) { return &k->fp; }
Contact *key_get_contact (const Key *k) { return k->contact; }
TrustLevel key_get_level (const Key *k) { return k->level; }
const char *key_get_source (const Key *k) { return ""; }
gint64 key_get_since (const Key *k) { return 0; }
gint64 key_get_last_used (const Key *k) { return 0; }
gboolean key_is_refused (const Key *k) { return k->refused; }
gboolean key_is_expired (const Key *k) { return FALSE; }
const char *key_get_chain_word (const Key *k) { return k->chain; }
const Fingerprint *key_get_replacement (const Key *k) { return NULL; }
Contact *key_get_introduced_by (const Key *k) { return k->introduced_by; }
gboolean key_is_distrusted (const Key *k) { return k->introduced_by != NULL; }
gboolean key_distrusts_us (const Key *k) { return FALSE; }
gboolean key_is_introducer_lost (const Key *k) { return k->introduced_by != NULL; }

void
introductions_send (Introductions *introductions, Contact *to, Contact *other, const char *text, const char *caller, DoneFunc done,
                    gpointer user)
{
  note ("introduce %u to %u: %s", other->id, to->id, text);
  note ("by %s", caller);
  answer (DONE, done, user);
}

void key_row_clear (KeyRow *row) { }

void
key_to_row (const Key *key, KeyRow *row)
{
  row->level = key->level;
  row->refused = key->refused;
}

void
contact_set_petname (Contact *contact, const char *petname, DoneFunc done, gpointer user)
{
  note ("petname %u %s", contact->id, petname);
  answer (DONE, done, user);
}

Contact *
contacts_add_static (Contacts *contacts, const char *endpoint, GError **error)
{
  note ("add-static %s", endpoint);
  if (fake.error >= 0) {
    g_set_error (error, EARSHOT_ERROR, fake.error, "the room says no");
    return NULL;
  }
  return fake.contacts->pdata[0];
}

Contact *
contacts_add_static_to (Contacts *contacts, Contact *contact, const char *endpoint, GError **error)
{
  note ("add-static-to %u %s", contact->id, endpoint);
  if (fake.error >= 0) {
    g_set_error (error, EARSHOT_ERROR, fake.error, "the room says no");
    return NULL;
  }
  return contact;
}

void
contacts_await_statics (Contacts *contacts, DoneFunc done, gpointer user)
{
  int error = fake.error;

  fake.error = fake.statics_error;
  answer (DONE, done, user);
  fake.error = error;
}

gboolean
contacts_remove_static (Contacts *contacts, const char *endpoint)
{
  note ("remove-static %s", endpoint);
  return fake.error < 0;
}

/* --- trust ----------------------------------------------------------------------------------------------------- */

void
trust_watch (Trust *trust, const TrustWatch *watch, gpointer user)
{
  for (guint i = 0; i < G_N_ELEMENTS (fake.trust_watches); i++)
    if (fake.trust_watches[i].watch == NULL)
      {
        fake.trust_watches[i].watch = watch;
        fake.trust_watches[i].user = user;
        return;
      }
  g_assert_not_reached ();
}

void
trust_unwatch (Trust *trust, gpointer user)
{
  for (guint i = 0; i < G_N_ELEMENTS (fake.trust_watches); i++)
    if (fake.trust_watches[i].user == user)
      fake.trust_watches[i].watch = NULL;
}

TrustMode trust_get_mode (Trust *trust) { return fake.mode; }

void
trust_set_mode (Trust *trust, TrustMode mode)
{
  note ("mode %s", trust_mode_to_string (mode));
  fake.mode = mode;
}

LegacyPolicy trust_get_legacy_policy (Trust *trust) { return fake.legacy; }
gboolean contact_is_legacy (const Contact *c) { return c->legacy; }
LegacyChoice contact_get_legacy_choice (const Contact *c) { return c->choice; }

void
trust_set_legacy_policy (Trust *trust, LegacyPolicy policy)
{
  note ("legacy %s", legacy_policy_to_string (policy));
  fake.legacy = policy;
}

void
trust_set_legacy_choice (Trust *trust, Contact *contact, LegacyChoice choice, const char *caller, DoneFunc done, gpointer user)
{
  note ("legacy-choice %u %s", contact->id, legacy_choice_to_string (choice));
  answer (DONE, done, user);
}

GPtrArray *
trust_list_requests (Trust *trust)
{
  GPtrArray *list = g_ptr_array_new ();

  for (guint i = 0; i < fake.requests->len; i++)
    g_ptr_array_add (list, fake.requests->pdata[i]);
  return list;
}

Request *
trust_get_request (Trust *trust, guint64 id)
{
  for (guint i = 0; i < fake.requests->len; i++)
    if (((Request *) fake.requests->pdata[i])->id == id)
      return fake.requests->pdata[i];
  return NULL;
}

guint64 request_get_id (const Request *r) { return r->id; }
const char *request_get_kind (const Request *r) { return r->kind; }

const Fingerprint *
request_get_fingerprint (const Request *r)
{
  return r->key != NULL ? &r->key->fp : r->introducer != NULL ? &r->introduced : NULL;
}

Contact *request_get_contact (const Request *r) { return r->key != NULL ? r->key->contact : r->contact; }
Contact *request_get_contested (const Request *r) { return r->contested; }
gint64 request_get_created (const Request *r) { return 11; }
gint64 request_get_snoozed (const Request *r) { return r->snoozed; }
const char *request_get_name (const Request *r) { return "mallory@pronto"; }
gboolean request_is_own (const Request *r) { return g_str_equal (request_get_kind (r), "duplicate-identity"); }
const Fingerprint *request_get_predecessor (const Request *r) { return NULL; }
const char *request_get_link (const Request *r) { return "wlan0"; }

Contact *
request_get_introducer (const Request *r)
{
  return r->introducer;
}

const Fingerprint *
request_get_introducer_fingerprint (const Request *r)
{
  return r->introducer != NULL ? &((Key *) r->introducer->keys->pdata[0])->fp : NULL;
}

const char *
request_get_note (const Request *r)
{
  return "the cook";
}

gboolean
request_was_forgotten (const Request *r)
{
  return FALSE;
}

const char *const *
request_get_choices (const Request *r)
{
  static const char *const introduction[] = { "accept", "verify", "reject", NULL };
  static const char *const choices[] = { "accept", "verify", "reject", "block", NULL };
  static const char *const legacy[] = { "allow", "refuse", "block", NULL };

  return r->introducer != NULL ? introduction : r->key != NULL ? choices : legacy;
}

void
trust_resolve (Trust *trust, guint64 id, const char *choice, const Fingerprint *fp, const char *petname, gboolean release,
               const char *caller, DoneFunc done, gpointer user)
{
  note ("resolve %" G_GUINT64_FORMAT " %s %s %s %d", id, choice, fp != NULL ? "fp" : "-", petname != NULL ? petname : "-", release);
  note ("by %s", caller);
  answer (DONE, done, user);
}

gboolean trust_needs_comparison (const char *choice) { return g_str_has_prefix (choice, "verify"); }

gboolean
trust_may_verify (Trust *trust, guint64 id, const char *choice, const Fingerprint *fp, const char *petname, const char *caller,
                  GError **error)
{
  if (fp != NULL)
    return TRUE;
  g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "fingerprint");
  return FALSE;
}

void
trust_resolve_verified (Trust *trust, guint64 id, const char *choice, const Fingerprint *fp, const char *petname, gboolean release,
                        const char *source, const char *caller, DoneFunc done, gpointer user)
{
  note ("resolve %" G_GUINT64_FORMAT " %s %s %s %d %s", id, choice, fp != NULL ? "fp" : "-", petname != NULL ? petname : "-", release,
        source);
  answer (DONE, done, user);
}

void
trust_snooze (Trust *trust, guint64 id, gint64 until, DoneFunc done, gpointer user)
{
  note ("snooze %" G_GUINT64_FORMAT, id);
  answer (DONE, done, user);
}

void
trust_record (Trust *trust, const char *event, const char *inputs, const char *verdict, const char *caller)
{
  note ("record %s %s %s", event, inputs, verdict);
}

void
audit_record_free (AuditRecord *record)
{
  g_free (record->event);
  g_free (record->fp);
  g_free (record->inputs);
  g_free (record->verdict);
  g_free (record->caller);
  g_free (record);
}

void
trust_store_list_audit (TrustStore *store, const AuditFilter *filter, AuditListed done, gpointer user)
{
  g_autofree char *keys = filter->keys != NULL ? g_strjoinv (",", (char **) filter->keys) : g_strdup ("-");

  note ("audit %" G_GUINT64_FORMAT " %u %u %.8s %s %s %" G_GINT64_FORMAT, filter->before, filter->limit, filter->contact, keys,
        filter->fp != NULL ? filter->fp : "-", filter->event != NULL ? filter->event : "-", filter->since);
  answer (LISTED, done, user);
}

void
trust_store_check_audit (TrustStore *store, const char *hash, AuditChecked done, gpointer user)
{
  note ("check-audit %.4s", hash != NULL ? hash : "-");
  answer (CHECKED, done, user);
}

void
trust_accept (Trust *trust, const Fingerprint *fp, const TrustEvidence *evidence, const char *caller, DoneFunc done,
              gpointer user)
{
  note ("accept %02x %s%s", fp->bytes[0], evidence->source, evidence->in_person ? " in-person" : "");
  answer (DONE, done, user);
}

void
trust_revoke (Trust *trust, const Fingerprint *fp, const char *reason, const char *caller, DoneFunc done, gpointer user)
{
  note ("revoke %02x %s", fp->bytes[0], reason);
  answer (DONE, done, user);
}

void
trust_set_blocked (Trust *trust, Contact *contact, gboolean blocked, const char *caller, DoneFunc done, gpointer user)
{
  note ("blocked %u %d", contact->id, blocked);
  answer (DONE, done, user);
}

void
trust_forget (Trust *trust, Contact *contact, const char *caller, DoneFunc done, gpointer user)
{
  note ("forget %u", contact->id);
  answer (DONE, done, user);
}

void
trust_add_contact (Trust *trust, const char *petname, const Fingerprint *fp, const TrustEvidence *evidence,
                   const char *caller, TrustAdded done, gpointer user)
{
  note ("add-contact %s %02x %s%s", petname, fp->bytes[0], evidence->source, evidence->in_person ? " in-person" : "");
  answer (ADDED, done, user);
}

/* --- delivery and history -------------------------------------------------------------------------------------- */

void delivery_watch (Delivery *delivery, const DeliveryWatch *watch, gpointer user) { fake.delivery_watch = watch; }
void delivery_unwatch (Delivery *delivery, gpointer user) { fake.delivery_watch = NULL; }
guint delivery_get_queued (Delivery *delivery, Contact *c) { return fake.queued; }
guint delivery_get_held (Delivery *delivery, Contact *c) { return 0; }
guint delivery_get_unread (Delivery *delivery, Contact *c) { return 0; }
guint64 delivery_get_head (Delivery *delivery) { return fake.head; }
guint64 delivery_get_tail (Delivery *delivery) { return 1; }
guint64 delivery_get_last_seq (Delivery *delivery, Contact *c) { return fake.head; }
guint64 delivery_get_read_seq (Delivery *delivery, Contact *c) { return 0; }
gboolean delivery_get_muted (Delivery *delivery, Contact *c) { return FALSE; }
const char *delivery_get_require (Delivery *delivery, Contact *c) { return fake.require; }
const char *delivery_get_live_state (Delivery *delivery, const char *id) { return "sent"; }

void
delivery_send (Delivery *delivery, Contact *contact, const char *body, const DeliveryOptions *options, DeliverySent done,
               gpointer user)
{
  note ("send %u %s %s %s%s%s%s%s%s", contact->id, strlen (body) < 100 ? body : "(long)", require_to_string (options->require),
        options->token != NULL ? options->token : "-", options->edit_of != NULL ? " edit-of " : "",
        options->edit_of != NULL ? options->edit_of : "", options->url != NULL ? " url " : "",
        options->url != NULL ? options->url : "", options->unstyled ? " unstyled" : "");
  answer (SENT, done, user);
}

void
delivery_react (Delivery *delivery, Contact *contact, const char *id, const char *const *emojis, DeliverySent done, gpointer user)
{
  g_autofree char *joined = g_strjoinv (" ", (char **) emojis);

  note ("react %u %s %s", contact->id, id, joined);
  answer (SENT, done, user);
}

void
delivery_retract (Delivery *delivery, const char *id, DeliverySent done, gpointer user)
{
  note ("retract %s", id);
  answer (SENT, done, user);
}

void delivery_set_nick (Delivery *delivery, const char *nick) { note ("delivery-nick %s", nick); }
void delivery_set_markers (Delivery *delivery, gboolean on) { note ("markers %d", on); }
gboolean delivery_get_markers (Delivery *delivery) { return TRUE; }
void delivery_set_share_idle (Delivery *delivery, gboolean on) { note ("share-idle %d", on); }
gboolean delivery_get_share_idle (Delivery *delivery) { return FALSE; }

void
delivery_cancel (Delivery *delivery, const char *id, DoneFunc done, gpointer user)
{
  note ("cancel %s", id);
  answer (DONE, done, user);
}

void
delivery_retry (Delivery *delivery, const char *id, DoneFunc done, gpointer user)
{
  note ("retry %s", id);
  answer (DONE, done, user);
}

void
delivery_set_typing (Delivery *delivery, Contact *contact, gboolean active)
{
  note ("typing %u %d", contact->id, active);
}

void
delivery_set_conversation (Delivery *delivery, Contact *contact, gboolean muted, const char *require, DoneFunc done, gpointer user)
{
  note ("conversation %u %d %s", contact->id, muted, require);
  answer (DONE, done, user);
}

void
delivery_mark_read (Delivery *delivery, Contact *contact, guint64 seq, DoneFunc done, gpointer user)
{
  note ("read %u %" G_GUINT64_FORMAT, contact->id, seq);
  answer (DONE, done, user);
}

void
history_preview (History *history, const Fingerprint *key, HistoryEntries done, gpointer user)
{
  answer_with (ENTRIES, done, user, fake.preview);
}

void
history_list (History *history, guint32 contact, guint64 before, guint limit, const char *const *kinds, HistoryEntries done,
              gpointer user)
{
  note ("list %u %" G_GUINT64_FORMAT " %u %s", contact, before, limit, kinds != NULL ? kinds[0] : "-");
  answer_with (ENTRIES, done, user, fake.entries);
}

void
history_search (History *history, guint32 contact, guint64 before, guint limit, const char *words, HistoryEntries done,
                gpointer user)
{
  note ("search %u %" G_GUINT64_FORMAT " %u %s", contact, before, limit, words);
  answer_with (ENTRIES, done, user, fake.entries);
}

void
history_walk (History *history, guint32 contact, guint64 after, guint limit, const char *const *kinds, HistoryEntries done,
              gpointer user)
{
  note ("walk %u %" G_GUINT64_FORMAT " %u %s", contact, after, limit, kinds != NULL ? kinds[0] : "-");
  answer_with (ENTRIES, done, user, fake.entries);
}

LogEntry *
log_entry_new (void)
{
  return g_new0 (LogEntry, 1);
}

void
log_entry_free (LogEntry *entry)
{
  char *const texts[] = { entry->kind, entry->id, entry->body, entry->trust, entry->thread, entry->reply_to, entry->state, entry->reason,
                          entry->url, entry->about, entry->reactions_in, entry->reactions_out, entry->change_state, entry->change_reason };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    g_free (texts[i]);
  g_free (entry);
}

void
history_import (History *history, GPtrArray *entries_take, HistoryImported done, gpointer user)
{
  const LogEntry *entry = entries_take->len > 0 ? entries_take->pdata[0] : NULL;

  note ("import %u %s %d %s", entries_take->len, entry != NULL ? entry->id : "-", entry != NULL ? (int) entry->direction : -1,
        entry != NULL ? entry->body : "-");
  done (user, entries_take->len, 0, 0, NULL);
  g_ptr_array_unref (entries_take);
}

void delivery_raise_head (Delivery *delivery, guint64 seq) { }

void
history_fetch (History *history, const char *consumer, guint limit, guint32 contact, const char *const *kinds,
               HistoryEntries done, gpointer user)
{
  note ("fetch %s %u %u %s", consumer, limit, contact, kinds != NULL ? kinds[0] : "-");
  answer_with (ENTRIES, done, user, fake.entries);
}

void
history_get (History *history, const char *id, HistoryGot done, gpointer user)
{
  note ("get %s", id);
  answer (GOT, done, user);
}

void
delivery_delete (Delivery *delivery, const char *const *ids, DoneFunc done, gpointer user)
{
  note ("delete %s", ids[0]);
  answer (DONE, done, user);
}

void
history_create_consumer (History *history, const char *name, gboolean from_start, HistoryCursor done, gpointer user)
{
  note ("create %s %d", name, from_start);
  answer (CURSOR, done, user);
}

void
history_delete_consumer (History *history, const char *name, DoneFunc done, gpointer user)
{
  note ("delete-consumer %s", name);
  answer (DONE, done, user);
}

void
history_ack (History *history, const char *consumer, guint64 seq, DoneFunc done, gpointer user)
{
  note ("ack %s %" G_GUINT64_FORMAT, consumer, seq);
  answer (DONE, done, user);
}

void
history_list_consumers (History *history, HistoryConsumers done, gpointer user)
{
  answer (CONSUMERS, done, user);
}

/* --- the rest -------------------------------------------------------------------------------------------------- */

const Fingerprint *
identity_get_fingerprint (const Identity *identity)
{
  static const Fingerprint own = { { 0xee } };

  return &own;
}

const char *const *
identity_get_xmpp_addrs (const Identity *identity)
{
  static const char *const addrs[] = { "me@pronto", NULL };

  return addrs;
}

const char *identity_get_issuer (const Identity *identity) { return "CN=Site"; }
gint64 identity_get_expiry (const Identity *identity) { return 1900000000; }

char *
identity_create_request (Identity *identity, const char *const *addrs, GError **error)
{
  note ("request %s", addrs[0] != NULL ? addrs[0] : "nobody");
  if (fake.error < 0)
    return g_strdup ("-----BEGIN NEW CERTIFICATE REQUEST-----");
  g_set_error_literal (error, EARSHOT_ERROR, fake.error, "as ordered");
  return NULL;
}

gboolean
identity_set_certificate (Identity *identity, const char *pem, GError **error)
{
  note ("certificate %s", pem);
  if (fake.error < 0)
    return TRUE;
  g_set_error_literal (error, EARSHOT_ERROR, fake.error, "as ordered");
  return FALSE;
}

void
successions_rotate (Successions *successions, const char *addr, const char *caller, DoneFunc done, gpointer user)
{
  note ("rotate %s", addr);
  answer (DONE, done, user);
}

void
successions_export (Successions *successions, int fd_take, const char *passphrase, const char *caller, DoneFunc done, gpointer user)
{
  note ("export");
  close (fd_take);
  answer (DONE, done, user);
}

void
successions_import (Successions *successions, int fd_take, const char *passphrase, gboolean replace, const char *addr,
                    const char *caller, DoneFunc done, gpointer user)
{
  note ("import %s", addr);
  close (fd_take);
  answer (DONE, done, user);
}

const char *const *
roots_list (const Roots *roots)
{
  static const char *const some[] = { "ff CN=Site", NULL }, *const none[] = { NULL };

  return fake.has_roots ? some : none;
}

const char *discovery_get_instance (const Discovery *discovery) { return "me@pronto"; }
void discovery_rescan (Discovery *discovery) { note ("rescan"); }
guint16 sessions_get_port (Sessions *sessions) { return 5298; }
void sessions_disconnect (Sessions *sessions, Contact *contact) { note ("disconnect %u", contact->id); }
gboolean session_is_clear (const Session *session) { return fake.session_clear; }
Session *sessions_find (Sessions *sessions, Contact *contact) { return fake.session_open ? (gpointer) &fake : NULL; }
GVariant *session_describe (const Session *session) { return g_variant_new_parsed ("{'tls': <'1.3'>}"); }
Stanza *stanza_new (const char *name, const char *ns) { return NULL; }

void
sessions_connect (Sessions *sessions, Contact *contact, DoneFunc done, gpointer user)
{
  note ("connect %u", contact->id);
  answer (DONE, done, user);
}

const char *
check_status_to_string (CheckStatus status)
{
  return status == CHECK_FAIL ? "fail" : "ok";
}

gboolean
doctor_examine (Doctor *doctor, const DoctorView *view, guint32 contact, DoctorDone done, gpointer user, GError **error)
{
  note ("examine %u", contact);
  answer (EXAMINED, done, user);
  return TRUE;
}

void
sessions_probe (Sessions *sessions, const char *endpoint, guint timeout_ms, SessionsProbed done, gpointer user)
{
  note ("probe %s %u", endpoint, timeout_ms);
  answer (PROBED, done, user);
}

void
router_query (Router *router, Session *session, const char *type, Stanza *payload, guint timeout_ms, RouterReply done, gpointer user)
{
  note ("query %s %u", type, timeout_ms);
  answer (PONG, done, user);
}

const char *settings_get (Settings *settings, const char *key) { return g_hash_table_lookup (fake.settings, key); }

void
settings_set (Settings *settings, const char *key, const char *value, DoneFunc done, gpointer user)
{
  note ("set %s %s", key, value);
  if (fake.error < 0)
    g_hash_table_replace (fake.settings, g_strdup (key), g_strdup (value));
  answer (DONE, done, user);
}

const char *self_get_nick (Self *self) { return fake.nick; }
const char *self_get_status_text (Self *self) { return ""; }
Show self_get_show (Self *self) { return fake.show; }
Visibility self_get_visibility (Self *self) { return VISIBILITY_EVERYONE; }
gboolean self_get_share (Self *self, const char *what) { return FALSE; }
const char *visibility_to_string (Visibility visibility) { return "everyone"; }

gboolean
visibility_from_string (const char *text, Visibility *out)
{
  *out = VISIBILITY_EVERYONE;
  return g_str_equal (text, "everyone");
}

void
self_set_nick (Self *self, const char *nick, DoneFunc done, gpointer user)
{
  note ("nick %s", nick);
  if (fake.error < 0) {
    g_free (fake.nick);
    fake.nick = g_strdup (nick);
  }
  answer (DONE, done, user);
}

void
self_set_status_text (Self *self, const char *text, DoneFunc done, gpointer user)
{
  note ("status %s", text);
  answer (DONE, done, user);
}

void
self_set_show (Self *self, Show show, DoneFunc done, gpointer user)
{
  note ("show %s", show_to_string (show));
  answer (DONE, done, user);
}

void
self_set_visibility (Self *self, Visibility visibility, DoneFunc done, gpointer user)
{
  note ("visibility");
  answer (DONE, done, user);
}

void
self_set_share (Self *self, const char *what, gboolean on, DoneFunc done, gpointer user)
{
  note ("share %s %d", what, on);
  answer (DONE, done, user);
}

void
self_set_profile (Self *self, const char *key, const char *value, DoneFunc done, gpointer user)
{
  note ("profile %s %s", key, value);
  answer (DONE, done, user);
}

/* --- invites --------------------------------------------------------------------------------------------------- */

char **
addresses_list (const char *const *interfaces, guint max)
{
  return g_strsplit ("192.0.2.7 fe80::7 127.0.0.1", " ", -1);
}

void invites_watch (Invites *invites, const InvitesWatch *watch, gpointer user) { fake.invites_watch = watch; }
void invites_unwatch (Invites *invites, gpointer user) { fake.invites_watch = NULL; }

void
invites_create (Invites *invites, const InviteWish *wish, InviteMade done, gpointer user)
{
  g_autofree char *endpoints = g_strjoinv (",", wish->endpoints);

  note ("create-invite %s %s %u %u%s", wish->addr, endpoints, wish->ttl_s, wish->uses, wish->in_person ? " in-person" : "");
  answer (INVITED, done, user);
}

void
invites_revoke (Invites *invites, const char *id, const char *caller, DoneFunc done, gpointer user)
{
  note ("revoke-invite %s", id);
  answer (DONE, done, user);
}

void
invites_accept (Invites *invites, const TrustUri *uri, const char *petname, gboolean in_person, const char *caller, TrustAdded done,
                gpointer user)
{
  note ("accept-invite %s %02x %s%s%s", uri->addr, uri->fp.bytes[0], petname, in_person ? " in-person" : "",
        uri->one_time ? " once" : "");
  answer (ADDED, done, user);
}

GArray *
invites_list (Invites *invites)
{
  GArray *list = g_array_new (FALSE, TRUE, sizeof (InviteInfo));
  static const Fingerprint fp = { { 1 } };
  static GArray used = { .data = (gpointer) &fp, .len = 1 };
  InviteInfo made = { .id = "00112233445566aa", .made = TRUE, .state = "used-up", .expires = 99, .uses = 1, .used = &used };
  InviteInfo accepted = { .id = "ff112233445566aa", .state = "waiting", .expires = 100, .fp = fp };

  if (fake.has_invites)
    {
      g_array_append_val (list, made);
      g_array_append_val (list, accepted);
    }
  return list;
}

/* --- verifications --------------------------------------------------------------------------------------------- */

Verification *
fake_add_verification (guint32 id, Key *key, gboolean ours)
{
  Verification *run = g_new0 (Verification, 1);

  run->id = id;
  run->key = key;
  run->ours = ours;
  run->code = run->reason = "";
  g_ptr_array_add (fake.verifications, run);
  if (fake.verification_watch != NULL)
    fake.verification_watch->added (fake.user, run);
  return run;
}

void
fake_show_code (Verification *run)
{
  run->state = VERIFICATION_COMPARING;
  run->code = "4821 7305 1192";
  fake.verification_watch->changed (fake.user, run);
}

void
fake_end_verification (Verification *run, VerificationState state, const char *reason)
{
  g_ptr_array_steal_index (fake.verifications, 0);
  run->state = state;
  run->reason = reason;
  fake.verification_watch->removed (fake.user, run);
  g_free (run);
}

void
verifications_watch (Verifications *verifications, const VerificationWatch *watch, gpointer user)
{
  fake.verification_watch = watch;
}

void
verifications_unwatch (Verifications *verifications, gpointer user)
{
  fake.verification_watch = NULL;
}

Verification *
verifications_start (Verifications *verifications, Session *session, const char *caller, GError **error)
{
  note ("verify");
  if (fake.error < 0)
    return fake.verifications->len > 0 ? fake.verifications->pdata[0] : fake_add_verification (5, fake.keys->pdata[0], TRUE);
  g_set_error (error, EARSHOT_ERROR, fake.error, "the room says\x1b no");
  return NULL;
}

void
verification_set_purpose (Verification *run, guint64 request, const char *choice, const char *petname, gboolean release)
{
  note ("purpose %" G_GUINT64_FORMAT " %s %s %d", request, choice, petname != NULL ? petname : "-", release);
}

Verification *
verifications_get (Verifications *verifications, guint32 id)
{
  for (guint i = 0; i < fake.verifications->len; i++)
    if (((Verification *) fake.verifications->pdata[i])->id == id)
      return fake.verifications->pdata[i];
  return NULL;
}

GPtrArray *
verifications_list (Verifications *verifications)
{
  GPtrArray *list = g_ptr_array_new ();

  for (guint i = 0; i < fake.verifications->len; i++)
    g_ptr_array_add (list, fake.verifications->pdata[i]);
  return list;
}

guint32 verification_get_id (const Verification *run) { return run->id; }
Contact *verification_get_contact (const Verification *run) { return run->key->contact; }
const Fingerprint *verification_get_fingerprint (const Verification *run) { return &run->key->fp; }
VerificationState verification_get_state (const Verification *run) { return run->state; }
gboolean verification_is_ours (const Verification *run) { return run->ours; }
const char *verification_get_code (const Verification *run) { return run->code; }
gint64 verification_get_expires (const Verification *run) { return 99; }
const char *verification_get_reason (const Verification *run) { return run->reason; }

const char *
verification_state_to_string (VerificationState state)
{
  static const char *const words[] = { "waiting-peer", "comparing", "confirmed-here", "done", "mismatch", "cancelled", "expired" };

  return words[state];
}

static void
answer_word (gboolean matches, VerificationAnswered done, gpointer user)
{
  g_autoptr (GError) error = fake.error >= 0 ? g_error_new (EARSHOT_ERROR, fake.error, "the room says\x1b no") : NULL;

  done (user, matches, error);
}

void
verification_enter_code (Verification *run, const char *code, const char *caller, VerificationAnswered done, gpointer user)
{
  note ("enter %u %s", run->id, code);
  answer_word (g_str_equal (code, run->code), done, user);
}

void
verification_confirm (Verification *run, gboolean matches, const char *caller, VerificationAnswered done, gpointer user)
{
  note ("confirm %u %d", run->id, matches);
  answer_word (matches, done, user);
}

gboolean
verification_cancel (Verification *run, const char *caller, GError **error)
{
  note ("cancel-run %u", run->id);
  return TRUE;
}

/* --- applications ------------------------------------------------------------------------------------------------ */

static AppRow *
find_app (const char *app)
{
  for (guint i = 0; i < fake.apps->len; i++)
    if (g_str_equal (((AppRow *) fake.apps->pdata[i])->app, app))
      return fake.apps->pdata[i];
  return NULL;
}

AppRow *
fake_add_app (const char *app, AppScopes scopes, guint64 request)
{
  AppRow *row = g_new0 (AppRow, 1);

  row->app = g_strdup (app);
  row->scopes = scopes;
  row->request = request;
  row->wants = APP_MAY_SEND;
  row->since = 1000;
  g_ptr_array_add (fake.apps, row);
  if (request != 0)
    TELL_APP (question_added, row);
  return row;
}

void
fake_set_app (AppRow *row, AppScopes scopes)
{
  row->scopes = scopes;
  TELL_APP (changed, row->app);
}

void
fake_end_app_question (AppRow *row)
{
  guint64 id = row->request;

  row->request = 0;
  TELL_APP (question_removed, id);
}

void
app_access_watch (AppAccess *access, const AppWatch *watch, gpointer user)
{
  for (guint i = 0; i < G_N_ELEMENTS (fake.app_watches); i++)
    if (fake.app_watches[i].watch == NULL)
      {
        fake.app_watches[i].watch = watch;
        fake.app_watches[i].user = user;
        return;
      }
  g_assert_not_reached ();
}

void
app_access_unwatch (AppAccess *access, gpointer user)
{
  for (guint i = 0; i < G_N_ELEMENTS (fake.app_watches); i++)
    if (fake.app_watches[i].user == user)
      fake.app_watches[i].watch = NULL;
}

AppScopes
app_access_get (AppAccess *access, const char *app)
{
  AppRow *row = find_app (app);

  return row != NULL ? row->scopes : APP_MAY_NOTHING;
}

GPtrArray *
app_access_list (AppAccess *access)
{
  GPtrArray *list = g_ptr_array_new ();

  for (guint i = 0; i < fake.apps->len; i++)
    g_ptr_array_add (list, fake.apps->pdata[i]);
  return list;
}

AppAsked
app_access_ask (AppAccess *access, const char *app, AppScopes wants, const char *caller)
{
  AppRow *row = find_app (app);
  g_autofree char *words = app_scopes_to_string (wants);

  note ("app-ask %s %s", app, words);
  if (row == NULL)
    return fake.asked;
  return row->request != 0 ? APP_WAITING : APP_DECIDED;
}

const AppRow *
app_access_get_question (AppAccess *access, guint64 id)
{
  for (guint i = 0; i < fake.apps->len; i++)
    if (((AppRow *) fake.apps->pdata[i])->request == id)
      return fake.apps->pdata[i];
  return NULL;
}

const char *const *
app_access_get_choices (void)
{
  static const char *const choices[] = { "read", "send", "deny", NULL };

  return choices;
}

void
app_access_resolve (AppAccess *access, guint64 id, const char *choice, const char *caller, DoneFunc done, gpointer user)
{
  note ("app-resolve %" G_GUINT64_FORMAT " %s", id, choice);
  answer (DONE, done, user);
}

void
app_access_snooze (AppAccess *access, guint64 id, gint64 until, DoneFunc done, gpointer user)
{
  note ("app-snooze %" G_GUINT64_FORMAT, id);
  answer (DONE, done, user);
}

void
app_access_set (AppAccess *access, const char *app, AppScopes scopes, const char *caller, DoneFunc done, gpointer user)
{
  g_autofree char *words = app_scopes_to_string (scopes);

  note ("app-set %s %s", app, words);
  answer (DONE, done, user);
}

void
app_access_forget (AppAccess *access, const char *app, const char *caller, DoneFunc done, gpointer user)
{
  note ("app-forget %s", app);
  answer (DONE, done, user);
}
