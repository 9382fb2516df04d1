/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whole stacks whose people invite each other: what the tests of invites share. Nobody is announced unless a test says so.
 */
#pragma once

#include "daemon/io/trust-store-private.h"
#include "daemon/model/invites-private.h"
#include "tests/unit/talk-helper.h"

typedef struct
{
  gboolean done;
  char *link, *id;
  int code;
} Invite;

static inline void
invite_on_made (gpointer user, const char *link, const char *id, gint64 expires, const GError *error)
{
  Invite *invite = user;

  g_assert_false (invite->done);
  invite->done = TRUE;
  invite->link = g_strdup (link);
  invite->id = g_strdup (id);
  invite->code = error != NULL ? error->code : -1;
}

static inline void
invite_clear (Invite *invite)
{
  g_free (invite->link);
  g_free (invite->id);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Invite, invite_clear)

static inline Invite
invite_wish (Host *host, guint ttl_s, guint uses, gboolean in_person)
{
  InviteWish wish = { .addr = host->addr, .ttl_s = ttl_s, .uses = uses, .in_person = in_person, .caller = "test" };
  Invite invite = { .done = FALSE };

  invites_create (host->invites, &wish, invite_on_made, &invite);
  g_assert_false (invite.done);
  host_wait_for (invite.done);
  return invite;
}

/* What the link says, and where its maker listens: on loopback, which no real link may say. */
static inline TrustUri
invite_read (const Invite *invite, Host *where)
{
  g_autoptr (GError) error = NULL;
  TrustUri uri = { 0 };

  g_assert_cmpint (invite->code, ==, -1);
  trust_uri_parse (invite->link, strlen (invite->link), &uri, &error);
  g_assert_no_error (error);
  if (where != NULL)
    {
      uri.endpoints = g_new0 (char *, 2);
      uri.endpoints[0] = g_strdup_printf ("[::1]:%u", sessions_get_port (where->sessions));
    }
  return uri;
}

/* An error code, or -1. */
static inline int
invite_accept (Host *host, const TrustUri *uri, gboolean in_person)
{
  Added added = { 0 };

  invites_accept (host->invites, uri, "", in_person, "test", people_on_contact_added, &added);
  g_assert_false (added.done);
  host_wait_for (added.done);
  return added.code;
}

static inline int
invite_revoke (Host *host, const char *id)
{
  Outcome outcome = { 0 };

  invites_revoke (host->invites, id, "test", outcome_set, &outcome);
  return outcome_wait (&outcome);
}

/* The state that the list tells, "" when it is not in it. */
static inline const char *
invite_state (Host *host, const char *id)
{
  g_autoptr (GArray) list = invites_list (host->invites);

  for (guint i = 0; i < list->len; i++)
    if (strcmp (g_array_index (list, InviteInfo, i).id, id) == 0)
      return g_array_index (list, InviteInfo, i).state;
  return "";
}

#define invite_is(host, wanted_id, wanted) (strcmp (invite_state (host, wanted_id), wanted) == 0)

static inline Made *
invite_made (Host *host, const char *id)
{
  return g_hash_table_lookup (host->invites->made, id);
}

static inline TrustLevel
level_of (Host *host, Host *other)
{
  Key *key = contacts_get_key (host->people.contacts, host_fp (other));

  return key != NULL ? key_get_level (key) : TRUST_UNKNOWN;
}

static inline gint64
trust_sql (Host *host, const char *sql)
{
  db_worker_flush (host->people.store.worker);
  return raw_sql (host->people.trust_store->db, sql);
}

/* A proof given by hand: how it is answered. */
typedef struct
{
  gboolean done, later;
  int code;
} Proved;

static inline void
invite_on_proved (gpointer user, const Stanza *reply, const GError *error)
{
  Proved *proved = user;

  proved->done = TRUE;
  proved->code = error != NULL ? error->code : -1;
  proved->later = reply != NULL && stanza_get_child (reply, "later", NS_LL_INVITE) != NULL;
}

static inline Proved
invite_prove (Host *host, Host *other, const char *id, const guint8 proof[INVITE_PROOF_BYTES])
{
  Proved proved = { 0 };

  router_query (host->router, host_session (host, other), "set", invite_stanza_new (id, proof), 60000, invite_on_proved, &proved);
  host_wait_for (proved.done);
  return proved;
}

/* What `host` would prove to `other` on the stream that is open. */
static inline void
invite_compute (Host *host, Host *other, const guint8 secret[INVITE_SECRET_BYTES], guint8 proof[INVITE_PROOF_BYTES])
{
  guint8 exporter[32];

  g_assert_true (session_get_exporter (host_session (host, other), exporter));
  invite_proof (secret, exporter, host_fp (other), host_fp (host), proof);
}

static inline void
invite_meet (Host *a, Host *b)
{
  host_sees (a, b);
  g_assert_cmpint (host_connect (a, b), ==, -1);
  host_wait_for (host_session (a, b) != NULL && host_session (b, a) != NULL);
}
