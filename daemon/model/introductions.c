/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/model/introductions.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/proto/trust-message.h"

struct _Introductions {
  IntroductionsConfig config;
  GPtrArray *farewells; /* Farewell*, whose revocation is on its way to the disk */
};

/* --- hearing ------------------------------------------------------------------ */

/* One message: its words about keys are on their way. */
typedef struct {
  guint waits;
  GError *error;
  DoneFunc done;
  gpointer user;
} Hearing;

/* Its speaker gives its own key up. */
typedef struct {
  Introductions *introductions;
  Fingerprint fp;
  Hearing *hearing; /* NULL once that was told */
} Farewell;

static void
on_heard (gpointer user, const GError *error)
{
  Hearing *hearing = user;

  if (error != NULL && hearing->error == NULL)
    hearing->error = g_error_copy (error);
  if (--hearing->waits > 0)
    return;
  if (hearing->done != NULL)
    hearing->done (hearing->user, hearing->error);
  g_clear_error (&hearing->error);
  g_free (hearing);
}

static void
on_farewell (gpointer user, const GError *error)
{
  Farewell *farewell = user;

  g_ptr_array_remove_fast (farewell->introductions->farewells, farewell);
  if (farewell->hearing != NULL)
    on_heard (farewell->hearing, error);
  g_free (farewell);
}

/* On disk, and its stream is still there: its last word is answered, then the sessions end the stream. */
static void
on_level_changed (gpointer user, Contact *contact, Key *key, gboolean release)
{
  Introductions *introductions = user;

  if (key == NULL || key_get_level (key) != TRUST_REVOKED)
    return;
  for (guint i = 0; i < introductions->farewells->len; i++)
    {
      Farewell *farewell = g_ptr_array_index (introductions->farewells, i);

      if (farewell->hearing != NULL && fingerprint_equal (&farewell->fp, key_get_fingerprint (key)))
        on_heard (g_steal_pointer (&farewell->hearing), NULL);
    }
}

static const TrustWatch trust_table = { .level_changed = on_level_changed };

static gboolean
gives_itself_up (const TrustMessageKey *key, Key *by)
{
  return key->distrust && fingerprint_equal (&key->fp, key_get_fingerprint (by));
}

static void
hear (Introductions *introductions, Session *session, const TrustMessage *said, const TrustMessageKey *about, Hearing *hearing)
{
  const Fingerprint *own = identity_get_fingerprint (introductions->config.identity);
  Testimony testimony = { .from = session_get_contact (session), .by = session_get_key (session), .trusted = session_is_trusted (session),
                          .ours = fingerprint_equal (&about->fp, own), .distrust = about->distrust,
                          .fp = about->fp, .name = said->name, .note = said->note };

  hearing->waits++;
  if (gives_itself_up (about, testimony.by))
    {
      Farewell *farewell = g_new0 (Farewell, 1);

      farewell->introductions = introductions;
      farewell->fp = about->fp;
      farewell->hearing = hearing;
      g_ptr_array_add (introductions->farewells, farewell);
      trust_hear (introductions->config.trust, &testimony, on_farewell, farewell);
    }
  else
    trust_hear (introductions->config.trust, &testimony, on_heard, hearing);
}

static void
on_message (gpointer user, Session *session, const Stanza *message, DoneFunc done, gpointer done_user)
{
  Introductions *introductions = user;
  Hearing *hearing = g_new0 (Hearing, 1);
  g_auto (TrustMessage) said = { .n_keys = 0 };
  g_autoptr (GError) error = NULL;

  hearing->done = done;
  hearing->user = done_user;
  hearing->waits = 1;
  if (!trust_message_parse (message, &said, &error))
    trust_note_malformed (introductions->config.trust, session_get_contact (session), session_get_key (session), error->message);
  /* What ends the stream comes last. */
  for (guint last = 0; last < 2; last++)
    for (guint i = 0; i < said.n_keys; i++)
      if (gives_itself_up (&said.keys[i], session_get_key (session)) == (last == 1))
        hear (introductions, session, &said, &said.keys[i], hearing);
  on_heard (hearing, NULL);
}

/* --- saying ------------------------------------------------------------------- */

typedef struct {
  Introductions *introductions;
  guint32 to;
  Fingerprint fp;          /* the first that it is about */
  char *caller;
  DoneFunc done;
  gpointer user;
} Saying;

static void
on_queued (gpointer data, const char *id, guint64 seq, const GError *error)
{
  Saying *saying = data;
  Introductions *introductions = saying->introductions;
  Contact *to = contacts_get (introductions->config.contacts, saying->to);

  if (error == NULL && to != NULL)
    trust_record_introduced (introductions->config.trust, to, &saying->fp, saying->caller);
  if (saying->done != NULL)
    saying->done (saying->user, error);
  g_free (saying->caller);
  g_free (saying);
}

static void
say (Introductions *introductions, Contact *to, const TrustMessage *said, const char *jid, const char *caller, DoneFunc done, gpointer user)
{
  g_autoptr (Stanza) payload = stanza_new ("message", NS_CLIENT);
  g_autofree char *digits = fingerprint_to_display (&said->keys[0].fp);
  g_autofree char *body = NULL;
  DeliveryOptions options = { .require = REQUIRE_VERIFIED, .payload = payload };
  Saying *saying = g_new0 (Saying, 1);

  /* For people, and for programs that know nothing of this: what is said, in words. */
  body = g_strdup_printf ("This is %s, by the key %s%s%s", *said->name != '\0' ? said->name : *jid != '\0' ? jid : "somebody I know", digits,
                          *said->note != '\0' ? ": " : "", said->note);
  trust_message_add (payload, said, jid);
  saying->introductions = introductions;
  saying->to = contact_get_id (to);
  saying->fp = said->keys[0].fp;
  saying->caller = g_strdup (caller);
  saying->done = done;
  saying->user = user;
  delivery_send (introductions->config.delivery, to, body, &options, on_queued, saying);
}

/* A failure is reported from the loop, too. */
typedef struct {
  DoneFunc done;
  gpointer user;
  GError *error;
} Failure;

static gboolean
on_failure (gpointer data)
{
  Failure *failure = data;

  if (failure->done != NULL)
    failure->done (failure->user, failure->error);
  g_error_free (failure->error);
  g_free (failure);
  return G_SOURCE_REMOVE;
}

static void
fail (DoneFunc done, gpointer user, EarshotError code, const char *text)
{
  Failure *failure = g_new0 (Failure, 1);

  failure->done = done;
  failure->user = user;
  failure->error = g_error_new_literal (EARSHOT_ERROR, (gint) code, text);
  g_idle_add_full (G_PRIORITY_DEFAULT, on_failure, failure, NULL);
}

static void
add_verified_keys (Contact *other, TrustMessage *said)
{
  const GPtrArray *keys = contact_get_keys (other);

  for (guint i = 0; i < keys->len && said->n_keys < TRUST_MESSAGE_KEYS_MAX; i++)
    if (key_get_level (g_ptr_array_index (keys, i)) == TRUST_VERIFIED)
      said->keys[said->n_keys++].fp = *key_get_fingerprint (g_ptr_array_index (keys, i));
}

void
introductions_send (Introductions *introductions, Contact *to, Contact *other, const char *note, const char *caller, DoneFunc done,
                    gpointer user)
{
  g_auto (TrustMessage) said = { .n_keys = 0 };

  said.note = trust_message_clean (note, TRUST_MESSAGE_NOTE_MAX);
  said.name = g_strdup (*contact_get_petname (other) != '\0' ? contact_get_petname (other) : contact_get_claimed_name (other));
  add_verified_keys (other, &said);
  if (strcmp (said.note, note) != 0)
    fail (done, user, EARSHOT_ERROR_INVALID_ARGUMENT, "note is one line of at most 256 characters, without control characters");
  else if (to == other)
    fail (done, user, EARSHOT_ERROR_INVALID_ARGUMENT, "nobody is introduced to themselves");
  else if (contact_is_blocked (to) || contact_is_blocked (other))
    fail (done, user, EARSHOT_ERROR_BLOCKED, "One of the two is blocked: unblock it first");
  else if (said.n_keys == 0)
    fail (done, user, EARSHOT_ERROR_NOT_TRUSTED, "Only who is verified can be introduced: verify the other first");
  else
    say (introductions, to, &said, contact_get_claimed_addr (other), caller, done, user);
}

/* --- birth and death ---------------------------------------------------------- */

Introductions *
introductions_new (const IntroductionsConfig *config)
{
  Introductions *introductions = g_new0 (Introductions, 1);

  introductions->config = *config;
  introductions->farewells = g_ptr_array_new ();
  trust_watch (config->trust, &trust_table, introductions);
  delivery_set_heed (config->delivery, on_message, introductions);
  return introductions;
}

void
introductions_free (Introductions *introductions)
{
  if (introductions == NULL)
    return;
  delivery_set_heed (introductions->config.delivery, NULL, NULL);
  trust_unwatch (introductions->config.trust, introductions);
  g_ptr_array_unref (introductions->farewells);
  g_free (introductions);
}
