/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whole stacks whose people compare codes: what the tests of verification share.
 */
#pragma once

#include "daemon/io/trust-store-private.h"
#include "daemon/proto/sas.h"
#include "tests/unit/talk-helper.h"

/* Generous, where the limits are not what is tested. */
static const VerificationLimits roomy = { .runs = 1000, .strangers = 100, .window_ms = 600000, .run_ms = 300000, .step_ms = 60000 };

static inline Host *
start_host (const char *name, gboolean delivers, const VerificationLimits *limits)
{
  Host *host = host_new (name);

  host->delivers = delivers;
  host->limits = limits;
  host_start (host);
  return host;
}

static inline void
meet (Host *a, Host *b)
{
  host_sees (a, b);
  g_assert_cmpint (host_connect (a, b), ==, -1);
  host_wait_for (host_session (a, b) != NULL && host_session (b, a) != NULL);
}

static inline Verification *
run_at (Host *host)
{
  g_autoptr (GPtrArray) all = verifications_list (host->verifications);

  g_assert_cmpuint (all->len, <=, 1);
  return all->len > 0 ? g_ptr_array_index (all, 0) : NULL;
}

static inline gboolean
has_code (Host *host)
{
  return run_at (host) != NULL && verification_get_state (run_at (host)) == VERIFICATION_COMPARING;
}

static inline void
begin (Host *host, Host *other)
{
  g_autoptr (GError) error = NULL;
  Verification *run = verifications_start (host->verifications, host_session (host, other), "test", &error);

  g_assert_no_error (error);
  g_assert_true (fingerprint_equal (verification_get_fingerprint (run), host_fp (other)));
  g_assert_true (verification_is_ours (run));
  g_assert_cmpint (verification_get_state (run), ==, VERIFICATION_WAITING_PEER);
  g_assert_cmpstr (verification_get_code (run), ==, "");
}

static inline int
begin_fails (Host *host, Host *other)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (verifications_start (host->verifications, host_session (host, other), "test", &error));
  return error->code;
}

static inline void
compare (Host *a, Host *b)
{
  begin (a, b);
  host_wait_for (has_code (a) && has_code (b));
  g_assert_cmpstr (verification_get_code (run_at (a)), ==, verification_get_code (run_at (b)));
  g_assert_cmpuint (strlen (verification_get_code (run_at (a))), ==, 14);
}

typedef struct {
  gboolean done, matches;
  int code;
} Said;

static inline void
on_said (gpointer user, gboolean matches, const GError *error)
{
  Said *said = user;

  g_assert_false (said->done);
  said->done = TRUE;
  said->matches = matches;
  said->code = error != NULL ? error->code : -1;
}

static inline Said
type_code (Host *host, const char *code)
{
  Said said = { 0 };

  verification_enter_code (run_at (host), code, "test", on_said, &said);
  host_wait_for (said.done);
  return said;
}

/* Another code than this one, that could be one. */
static inline char *
other_code (const char *code)
{
  char *other = g_strdup (code);

  other[13] = other[13] == '0' ? '1' : '0';
  return other;
}

static inline TrustLevel
level_of (Host *host, Host *other)
{
  return key_get_level (contacts_get_key (host->people.contacts, host_fp (other)));
}

/* Rows of the audit like this. */
static inline gint64
audited (Host *host, const char *verdict, const char *caller)
{
  g_autofree char *sql = g_strdup_printf ("SELECT count(*) FROM audit WHERE event = 'verify' AND verdict = '%s' AND caller LIKE '%s'",
                                          verdict, caller);

  db_worker_flush (host->people.store.worker);
  return raw_sql (host->people.trust_store->db, sql);
}

/* How runs ended, in order. */
typedef struct {
  GString *ends;
  guint added, changed;
} Diary;

static inline void
on_added (gpointer user, Verification *run)
{
  ((Diary *) user)->added++;
}

static inline void
on_changed (gpointer user, Verification *run)
{
  ((Diary *) user)->changed++;
}

static inline void
on_removed (gpointer user, Verification *run)
{
  g_string_append_printf (((Diary *) user)->ends, "%s:%s ", verification_state_to_string (verification_get_state (run)),
                          verification_get_reason (run));
}

static const VerificationWatch watch = { on_added, on_changed, on_removed };
