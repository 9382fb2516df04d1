/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Threat: a peer may write any `from`, any id, any payload. The sender is the session's key (the stream machine already
 * refused a foreign `from`); replies are matched by (session, id); wrappers that carry somebody else's message are not
 * opened; errors are never answered.
 */
#include "earshot-config.h"

#include "daemon/model/router.h"

#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/caps.h"

#define QUERIES_MAX 64 /* open at once on a session */

typedef struct {
  Router *router;
  guint64 session;
  char *id;
  RouterReply done;
  gpointer user;
  guint timeout_source;
} Query;

struct _Router {
  RouterCallbacks callbacks;
  gpointer user;
  GHashTable *queries; /* id -> Query* (owned): ids are random and ours */
};

static void
query_free (gpointer data)
{
  Query *query = data;

  if (query->timeout_source != 0)
    g_source_remove (query->timeout_source);
  g_free (query->id);
  g_free (query);
}

Router *
router_new (const RouterCallbacks *callbacks, gpointer user)
{
  Router *router = g_new0 (Router, 1);

  router->callbacks = *callbacks;
  router->user = user;
  router->queries = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, query_free);
  return router;
}

void
router_free (Router *router)
{
  if (router == NULL)
    return;
  g_hash_table_unref (router->queries);
  g_free (router);
}

/* --- answering --------------------------------------------------------------- */

void
router_bounce (Session *session, const Stanza *stanza, const char *type, const char *condition, const char *app)
{
  g_autoptr (Stanza) reply = NULL;
  Stanza *error;
  const char *id = stanza_get_attr (stanza, "id");

  /* RFC 6120 8.3.1: an error is never answered by an error. */
  if (g_strcmp0 (stanza_get_attr (stanza, "type"), "error") == 0)
    return;
  /* In clear an error is shown as speech (docs/protocol.md 8.3). */
  if (session_is_clear (session))
    return;
  reply = stanza_new (stanza_get_name (stanza), NS_CLIENT);
  stanza_set_attr (reply, "type", "error");
  if (id != NULL)
    stanza_set_attr (reply, "id", id);
  /* Never quotes the body: some peers show an error's body as speech (docs/protocol.md 8.3). */
  error = stanza_add_new (reply, "error", NS_CLIENT, NULL);
  stanza_set_attr (error, "type", type);
  stanza_add_new (error, condition, NS_STANZA_ERRORS, NULL);
  if (app != NULL)
    stanza_add_new (error, app, NS_LL_TRUST, NULL);
  session_send (session, reply);
}

static void
answer_result (Session *session, const char *id, Stanza *payload_take)
{
  g_autoptr (Stanza) reply = stanza_new ("iq", NS_CLIENT);

  stanza_set_attr (reply, "type", "result");
  stanza_set_attr (reply, "id", id);
  if (payload_take != NULL)
    stanza_add_child (reply, payload_take);
  session_send (session, reply);
}

void
router_answer (Session *session, const Stanza *iq, Stanza *payload_take)
{
  answer_result (session, stanza_get_attr (iq, "id"), payload_take);
}

/* XEP-0030: without a node, or with the node our caps name. */
static void
answer_disco (Session *session, const Stanza *iq, const Stanza *query, const char *id)
{
  const char *node = stanza_get_attr (query, "node");
  g_autofree char *ours = g_strconcat (EARSHOT_CAPS_NODE "#", caps_own_ver (), NULL);

  if (node == NULL || strcmp (node, ours) == 0)
    answer_result (session, id, caps_own_disco_info ());
  else
    router_bounce (session, iq, "cancel", "item-not-found", NULL);
}

/* --- about us: only for keys that people accepted, and no more than it needs ------------ */

/* XEP-0202, in UTC: where we are is nobody's business. */
static void
answer_time (Session *session, const char *id)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *stamp = g_date_time_format (now, "%Y-%m-%dT%H:%M:%SZ");
  Stanza *time = stanza_new ("time", NS_TIME);

  stanza_add_new (time, "tzo", NS_TIME, "+00:00");
  stanza_add_new (time, "utc", NS_TIME, stamp);
  answer_result (session, id, time);
}

/* XEP-0092, without the operating system. */
static void
answer_version (Session *session, const char *id)
{
  Stanza *query = stanza_new ("query", NS_VERSION);

  stanza_add_new (query, "name", NS_VERSION, "Earshot");
  stanza_add_new (query, "version", NS_VERSION, PACKAGE_VERSION);
  answer_result (session, id, query);
}

/* XEP-0012 */
static void
answer_idle (Router *router, Session *session, const Stanza *iq, const char *id)
{
  gint64 idle = router->callbacks.idle != NULL ? router->callbacks.idle (router->user) : -1;
  g_autofree char *seconds = g_strdup_printf ("%" G_GINT64_FORMAT, idle);
  Stanza *query;

  if (idle < 0)
    {
      router_bounce (session, iq, "auth", "forbidden", NULL);
      return;
    }
  query = stanza_new ("query", NS_LAST);
  stanza_set_attr (query, "seconds", seconds);
  answer_result (session, id, query);
}

/* TRUE when it was answered. */
static gboolean
answer_about_us (Router *router, Session *session, const Stanza *iq, const Stanza *payload, const char *id)
{
  if (session_is_clear (session))
    return FALSE;
  if (stanza_is (payload, "time", NS_TIME))
    answer_time (session, id);
  else if (stanza_is (payload, "query", NS_VERSION))
    answer_version (session, id);
  else if (stanza_is (payload, "query", NS_LAST))
    answer_idle (router, session, iq, id);
  else
    return FALSE;
  return TRUE;
}

/* --- what strangers may, too ------------------------------------------------------------- */

/* docs/protocol.md 3.4: strangers may, that is what these are for. NULL: nobody here takes it. */
static RouterSet
find_set (Router *router, const Stanza *payload)
{
  const struct {
    const char *ns;
    RouterSet set;
  } sets[] = {
    { NS_LL_SAS, router->callbacks.sas },
    { NS_LL_INVITE, router->callbacks.invite },
  };

  for (guint i = 0; i < G_N_ELEMENTS (sets); i++)
    if (strcmp (stanza_get_ns (payload), sets[i].ns) == 0)
      return sets[i].set;
  return NULL;
}

static void
on_request (Router *router, Session *session, const Stanza *iq, const char *type, const char *id)
{
  const Stanza *payload = stanza_next_child (iq, NULL);
  gboolean get = strcmp (type, "get") == 0;

  if (payload == NULL || stanza_n_children (iq) != 1)
    router_bounce (session, iq, "modify", "bad-request", NULL);
  else if (get && stanza_is (payload, "ping", NS_PING))
    answer_result (session, id, NULL);
  else if (get && stanza_is (payload, "query", NS_DISCO_INFO))
    answer_disco (session, iq, payload, id);
  else if (!get && stanza_is (payload, "granted", NS_LL_TRUST) && !session_is_clear (session))
    {
      answer_result (session, id, NULL);
      router->callbacks.granted (router->user, session);
    }
  else if (!get && find_set (router, payload) != NULL)
    find_set (router, payload) (router->user, session, iq, payload);
  else if (!get && router->callbacks.succession != NULL && stanza_is (payload, "succession", NS_LL_TRUST)
           && !session_is_clear (session))
    router->callbacks.succession (router->user, session, iq, payload); /* 3.5: the new key is unknown where it is presented */
  else if (!session_is_trusted (session))
    router_bounce (session, iq, "auth", "not-authorized", "untrusted");
  else if (!get || !answer_about_us (router, session, iq, payload, id))
    router_bounce (session, iq, "cancel", "service-unavailable", NULL); /* S-29 */
}

static void
on_reply (Router *router, Session *session, const Stanza *iq, const char *type, const char *id)
{
  Query *query = g_hash_table_lookup (router->queries, id);
  g_autoptr (GError) error = NULL;

  if (query == NULL || query->session != session_get_id (session))
    return; /* nobody asked, or somebody else was asked */
  g_hash_table_steal (router->queries, id);
  if (strcmp (type, "error") == 0)
    {
      const Stanza *what = stanza_get_child (iq, "error", NS_CLIENT);
      gboolean wait = what != NULL && g_strcmp0 (stanza_get_attr (what, "type"), "wait") == 0;

      error = g_error_new_literal (EARSHOT_ERROR, wait ? EARSHOT_ERROR_FAILED : EARSHOT_ERROR_REFUSED,
                                   "The peer answered with an error");
    }
  query->done (query->user, error == NULL ? iq : NULL, error);
  query_free (query);
}

void
router_on_stanza (Router *router, Session *session, Stanza *stanza)
{
  const char *type = stanza_get_attr (stanza, "type");
  const char *id = stanza_get_attr (stanza, "id");
  const char *to = stanza_get_attr (stanza, "to");

  /* docs/protocol.md 2.6: there is nobody else here; the stream lives. Replies are not replied to. */
  if (to != NULL && *to != '\0' && !session_is_ours (session, to))
    {
      if (!stanza_is (stanza, "presence", NS_CLIENT) && g_strcmp0 (type, "result") != 0)
        router_bounce (session, stanza, "cancel", "item-not-found", NULL);
      return;
    }
  if (stanza_is (stanza, "message", NS_CLIENT))
    {
      router->callbacks.message (router->user, session, stanza);
      return;
    }
  /* Presence is the TXT record; a presence stanza does nothing (S-32). */
  if (!stanza_is (stanza, "iq", NS_CLIENT) || type == NULL)
    return;
  if (id == NULL || strlen (id) > 256)
    router_bounce (session, stanza, "modify", "bad-request", NULL);
  else if (strcmp (type, "get") == 0 || strcmp (type, "set") == 0)
    on_request (router, session, stanza, type, id);
  else if (strcmp (type, "result") == 0 || strcmp (type, "error") == 0)
    on_reply (router, session, stanza, type, id);
}

/* --- asking ------------------------------------------------------------------ */

static void
fail_query (Query *query, int code, const char *text)
{
  g_autoptr (GError) error = g_error_new_literal (EARSHOT_ERROR, code, text);

  query->done (query->user, NULL, error);
  query_free (query);
}

void
router_on_closed (Router *router, Session *session)
{
  g_autoptr (GPtrArray) lost = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, router->queries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (((Query *) value)->session == session_get_id (session))
      {
        g_ptr_array_add (lost, value);
        g_hash_table_iter_steal (&iter);
      }
  for (guint i = 0; i < lost->len; i++)
    fail_query (g_ptr_array_index (lost, i), EARSHOT_ERROR_NOT_REACHABLE, "The stream ended before the answer");
}

static gboolean
on_query_time (gpointer user)
{
  Query *query = user;

  query->timeout_source = 0;
  g_hash_table_steal (query->router->queries, query->id);
  fail_query (query, EARSHOT_ERROR_TIMEOUT, "The peer did not answer in time");
  return G_SOURCE_REMOVE;
}

void
router_query (Router *router, Session *session, const char *type, Stanza *payload_take, guint timeout_ms,
              RouterReply done, gpointer user)
{
  g_autoptr (Stanza) iq = stanza_new ("iq", NS_CLIENT);
  Query *query = g_new0 (Query, 1);
  guint open = 0;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, router->queries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    open += ((Query *) value)->session == session_get_id (session);
  query->router = router;
  query->session = session_get_id (session);
  query->id = g_uuid_string_random ();
  query->done = done;
  query->user = user;
  g_hash_table_insert (router->queries, query->id, query);
  stanza_set_attr (iq, "type", type);
  stanza_set_attr (iq, "id", query->id);
  stanza_add_child (iq, payload_take);
  /* A stream that cannot take it any more reports through the same timer, from the loop. */
  if (!session_send (session, iq) || open >= QUERIES_MAX)
    timeout_ms = 1;
  query->timeout_source = g_timeout_add (timeout_ms, on_query_time, query);
}
