/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Messages between hosts, and the truth about them: what the databases say.
 */
#pragma once

#include "daemon/model/session-private.h"
#include "tests/unit/host-helper.h"

typedef struct
{
  Host *a, *b;
} Talk;

static inline void
talk_set_up (Talk *talk, gconstpointer unused)
{
  talk->a = host_new_started ("alice", TRUE);
  talk->b = host_new_started ("bob", TRUE);
}

static inline void
talk_tear_down (Talk *talk, gconstpointer unused)
{
  host_free (talk->a);
  host_free (talk->b);
}

/* Stops a host and starts it again over its directory; the others must be told where it is now. */
static inline void
host_restart (Host *host)
{
  host_stop (host);
  host_start (host);
}

typedef struct
{
  gboolean done;
  int code;
  char *id;
} Sent;

static inline void
talk_on_sent (gpointer user, const char *id, guint64 seq, const GError *error)
{
  Sent *sent = user;

  g_assert_false (sent->done);
  sent->done = TRUE;
  sent->code = error != NULL ? error->code : -1;
  sent->id = g_strdup (id);
  g_assert_true ((error == NULL) == (id != NULL && seq > 0));
}

static inline void
talk_start_sending (Host *host, Contact *to, const char *body, const DeliveryOptions *options, Sent *sent)
{
  static const DeliveryOptions plain = { .require = REQUIRE_ENCRYPTED };

  delivery_send (host->delivery, to, body, options != NULL ? options : &plain, talk_on_sent, sent);
  g_assert_false (sent->done);
}

/* Durable when it returns. The id is the caller's. */
static inline char *
talk_send_to (Host *host, Contact *to, const char *body)
{
  Sent sent = { 0 };

  talk_start_sending (host, to, body, NULL, &sent);
  host_wait_for (sent.done);
  g_assert_cmpint (sent.code, ==, -1);
  return sent.id;
}

static inline char *
talk_send (Host *host, Host *other, const char *body)
{
  return talk_send_to (host, host_contact (host, other), body);
}

/* "0", "1", … */
static inline void
talk_send_numbers (Host *host, Contact *to, guint from, guint until)
{
  for (guint i = from; i < until; i++)
    {
      g_autofree char *body = g_strdup_printf ("%u", i);
      g_autofree char *id = talk_send_to (host, to, body);
    }
}

static inline int
talk_send_fails (Host *host, Contact *to, const char *body, const DeliveryOptions *options)
{
  Sent sent = { 0 };

  talk_start_sending (host, to, body, options, &sent);
  host_wait_for (sent.done);
  g_free (sent.id);
  return sent.code;
}

typedef struct
{
  gboolean done, more;
  guint64 before;
  GPtrArray *bodies; /* newest first */
} Listing;

static inline void
talk_on_listed (gpointer user, GPtrArray *entries, gboolean more, guint64 last, const GError *error)
{
  Listing *listing = user;

  g_assert_no_error (error);
  for (guint i = 0; i < entries->len; i++)
    {
      LogEntry *entry = g_ptr_array_index (entries, i);

      listing->before = entry->seq;
      if (entry->direction == DIRECTION_IN)
        g_ptr_array_add (listing->bodies, g_strdup (entry->body));
    }
  listing->more = more && entries->len > 0;
  listing->done = TRUE;
  g_ptr_array_unref (entries);
}

/* What was received, in the order of the log. */
static inline GPtrArray *
talk_inbox (Host *host)
{
  static const char *const kinds[] = { "message", NULL };
  Listing listing = { .bodies = g_ptr_array_new_with_free_func (g_free) };

  do
    {
      listing.done = FALSE;
      history_list (host->history, 0, listing.before, 1000, kinds, talk_on_listed, &listing);
      host_wait_for (listing.done);
    }
  while (listing.more);
  for (guint i = 0; i < listing.bodies->len / 2; i++)
    {
      gpointer *items = listing.bodies->pdata, swapped = items[i];

      items[i] = items[listing.bodies->len - 1 - i];
      items[listing.bodies->len - 1 - i] = swapped;
    }
  return listing.bodies;
}

/* 0 … n-1, each once, in order. */
static inline void
talk_assert_numbers (Host *host, guint n)
{
  g_autoptr (GPtrArray) bodies = talk_inbox (host);

  for (guint i = 0; i < bodies->len; i++)
    {
      g_autofree char *wanted = g_strdup_printf ("%u", i);

      g_assert_cmpstr (g_ptr_array_index (bodies, i), ==, wanted);
    }
  g_assert_cmpuint (bodies->len, ==, n);
}

typedef struct
{
  gboolean done;
  char *text;
} Got;

static inline void
talk_on_got (gpointer user, const LogEntry *entry, const GError *error)
{
  Got *got = user;

  got->text = entry == NULL ? g_strdup ("none") : g_strconcat (entry->state, *entry->reason != '\0' ? ":" : "", entry->reason, NULL);
  got->done = TRUE;
}

/* "state" or "state:reason" of a message of ours. */
static inline char *
talk_state (Host *host, const char *id)
{
  Got got = { 0 };

  history_get (host->history, id, talk_on_got, &got);
  host_wait_for (got.done);
  return got.text;
}

static inline void
talk_assert_state (Host *host, const char *id, const char *wanted)
{
  g_autofree char *state = talk_state (host, id);

  g_assert_cmpstr (state, ==, wanted);
}

static inline gint64
talk_sql (Host *host, const char *sql)
{
  db_worker_flush (host->people.store.worker);
  return raw_sql (history_get_db (host->history), sql);
}

/* With nothing on its way to the disk memory says what the disk says, for each contact. */
static inline void
talk_check_counts (Host *host)
{
  g_autoptr (GPtrArray) all = contacts_list (host->people.contacts);
  gint64 queued = talk_sql (host, "SELECT count(*) FROM outbox"), held = talk_sql (host, "SELECT count(*) FROM outbox WHERE held");
  gint64 unread
    = talk_sql (host, "SELECT count(*) FROM log JOIN conversation ON log.contact = conversation.contact WHERE log.kind = 0"
                      " AND log.direction = 0 AND log.retracted = 0 AND log.seq > conversation.read_seq");

  g_assert_cmpint (delivery_get_queued (host->delivery, NULL), ==, queued);
  g_assert_cmpint (delivery_get_held (host->delivery, NULL), ==, held);
  g_assert_cmpint (delivery_get_unread (host->delivery, NULL), ==, unread);
  for (guint i = 0; i < all->len; i++)
    {
      Contact *contact = g_ptr_array_index (all, i);
      g_autofree char *sql = g_strdup_printf ("SELECT count(*) FROM outbox WHERE contact = %u", contact_get_id (contact));
      g_autofree char *held_sql = g_strconcat (sql, " AND held", NULL);

      g_assert_cmpint (delivery_get_queued (host->delivery, contact), ==, raw_sql (history_get_db (host->history), sql));
      g_assert_cmpint (delivery_get_held (host->delivery, contact), ==, raw_sql (history_get_db (host->history), held_sql));
    }
}

static inline void
talk_befriend (Talk *talk)
{
  host_befriend (talk->a, talk->b);
  host_befriend (talk->b, talk->a);
}

/* The cable is cut: what was not written yet never will be, and nobody says goodbye. */
static inline void
session_cut (Session *session)
{
  g_autoptr (Session) held = session_ref (session);

  g_string_truncate (session->out, 0);
  g_clear_pointer (&session->link, link_free);
  session_end (session, "NotReachable");
}

/* Everything that can happen without anybody's help has happened, on this host's disk. */
static inline gboolean
talk_is_settled (Host *host, guint queued, guint held)
{
  return delivery_get_queued (host->delivery, NULL) == queued && delivery_get_held (host->delivery, NULL) == held;
}

static inline int
talk_cancel (Host *host, const char *id)
{
  Outcome outcome = { 0 };

  delivery_cancel (host->delivery, id, outcome_set, &outcome);
  return outcome_wait (&outcome);
}

static inline int
talk_retry (Host *host, const char *id)
{
  Outcome outcome = { 0 };

  delivery_retry (host->delivery, id, outcome_set, &outcome);
  return outcome_wait (&outcome);
}

#define TALK_TEST(path, data, func) g_test_add (path, Talk, data, talk_set_up, func, talk_tear_down)
