/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Our own key is live on another machine: a copy that somebody forgot, or took. Nothing here trusts or distrusts anybody; people are told,
 * once, and choose: another key (model/succession.h), or to leave it at that.
 *
 * Threat: it must be proven. Anybody announces any hash; only a handshake shows a key, and a session whose other end is our own listener
 * shows ours (model/session.c tells them apart).
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/log.h"
#include "daemon/model/trust-private.h"

#define KIND "duplicate-identity"
#define DUPLICATES_MAX 8

gboolean
request_is_own (const Request *request)
{
  return strcmp (request->row.kind, KIND) == 0;
}

static void
tell (Trust *trust, gboolean live)
{
  WATCHERS_CALL (&trust->watchers, TrustWatch, warning, KIND,
                 live ? "Your own key is in use on another machine: a copy you forgot, or somebody took it. If you do not know of one, "
                        "change your key: xmppctl id rotate. If you do, stop it there, or: xmppctl id ignore"
                      : NULL);
}

/* --- left alone ---------------------------------------------------------------------------- */

/* By address: a copy that people know of is where it is, and one that turns up elsewhere is asked about. Who has our key may say that he is
 * at that address, as he may in every other respect say that he is us. */
static gboolean
is_ignored (Trust *trust, const char *addr)
{
  return trust->duplicates != NULL && addr != NULL && g_ptr_array_find_with_equal_func (trust->duplicates, addr, g_str_equal, NULL);
}

/* "FINGERPRINT ADDRESS\nADDRESS…": for the key we had then. */
static char *
dup_ignored (Trust *trust, const Fingerprint *own)
{
  g_autofree char *hex = fingerprint_to_hex (own);
  GString *text = g_string_new (hex);

  for (guint i = 0; i < trust->duplicates->len; i++)
    g_string_append_printf (text, "%c%s", i == 0 ? ' ' : '\n', (char *) trust->duplicates->pdata[i]);
  return g_string_free (text, FALSE);
}

static void
ignore (Trust *trust, const char *addr)
{
  if (addr == NULL || *addr == '\0' || strchr (addr, '\n') != NULL || is_ignored (trust, addr))
    return;
  if (trust->duplicates->len >= DUPLICATES_MAX)
    g_ptr_array_remove_index (trust->duplicates, 0);
  g_ptr_array_add (trust->duplicates, g_strdup (addr));
}

static void
read_ignored (Trust *trust, const Fingerprint *own, const char *text)
{
  g_autofree char *hex = fingerprint_to_hex (own);
  gsize length = strlen (hex);
  g_auto (GStrv) addrs = NULL;

  g_clear_pointer (&trust->duplicates, g_ptr_array_unref);
  trust->duplicates = g_ptr_array_new_with_free_func (g_free);
  if (text == NULL || !g_str_has_prefix (text, hex) || text[length] != ' ')
    return;
  addrs = g_strsplit (text + length + 1, "\n", DUPLICATES_MAX + 1);
  for (guint i = 0; addrs[i] != NULL && i < DUPLICATES_MAX; i++)
    ignore (trust, addrs[i]);
}

/* --- asked about ---------------------------------------------------------------------------- */

void
trust_note_duplicate (Trust *trust, const TrustProof *proof)
{
  g_autofree char *hex = fingerprint_to_hex (&proof->fp);
  g_autofree char *name = log_safe (proof->addr);
  Request *request;

  log_event (G_LOG_LEVEL_WARNING, "trust", 0, 0, KIND, "our own key %.16s is live elsewhere, as %s (%s): refused", hex, name,
             proof->inbound ? "inbound" : "outbound");
  trust_record_refusal (trust, proof, NULL, TRUST_UNKNOWN, KIND);
  if (is_ignored (trust, proof->addr) || trust_find_request (trust, &proof->fp) != NULL)
    return;
  request = g_new0 (Request, 1);
  request->row.kind = g_strdup (KIND);
  request->row.fp = proof->fp;
  request->row.name = g_strdup (proof->addr != NULL ? proof->addr : "");
  request->row.link = g_strdup (proof->link != NULL ? proof->link : "");
  trust_open_request (trust, request);
  tell (trust, TRUE);
}

/* --- what others say of it -------------------------------------------------------------------- */

static void
tell_distrust (Trust *trust)
{
  g_autoptr (GPtrArray) all = contacts_list (trust->contacts);
  g_autofree char *text = NULL;
  guint n = 0;

  for (guint i = 0; i < all->len; i++)
    {
      const GPtrArray *keys = contact_get_keys (g_ptr_array_index (all, i));

      for (guint j = 0; j < keys->len; j++)
        n += key_distrusts_us (g_ptr_array_index (keys, j));
    }
  if (n > 0)
    text = g_strdup_printf ("%u verified contact%s that your own key is not to be trusted any more. Ask them why (`distrusts-us` in: xmppctl trust ls); "
                            "if somebody may have your key: xmppctl id rotate", n, n == 1 ? " says" : "s say");
  WATCHERS_CALL (&trust->watchers, TrustWatch, warning, "key-distrusted", text);
}

typedef struct {
  Trust *trust;
  Fingerprint own, by;
  gboolean distrust;
  DoneFunc done;
  gpointer user;
} Noting;

static void
on_noted (gpointer user, const GError *error)
{
  g_autofree Noting *noting = user;
  Key *key = contacts_get_key (noting->trust->contacts, &noting->by);

  if (error == NULL && key != NULL && fingerprint_equal (&noting->own, &noting->trust->own))
    {
      contacts_set_key_distrusts_us (key, noting->distrust);
      tell_distrust (noting->trust);
    }
  if (noting->done != NULL)
    noting->done (noting->user, error);
}

void
trust_note_distrust (Trust *trust, Key *by, gboolean distrust, DoneFunc done, gpointer user)
{
  g_autofree char *hex = fingerprint_to_hex (key_get_fingerprint (by)), *own = fingerprint_to_hex (&trust->own);
  g_autofree char *setting = g_strconcat (TRUST_DISTRUST_SETTING, hex, NULL);
  TrustChange *change = trust_change_new ();
  Noting *noting = g_new0 (Noting, 1);

  noting->trust = trust;
  noting->own = trust->own;
  noting->by = *key_get_fingerprint (by);
  noting->distrust = distrust;
  noting->done = done;
  noting->user = user;
  trust_change_put_setting (change, setting, distrust ? own : NULL);
  trust_store_apply (trust->store, change, on_noted, noting);
}

void
trust_restore_distrust (Trust *trust, const char *name, const char *value)
{
  g_autofree char *own = fingerprint_to_hex (&trust->own);
  Fingerprint fp;
  Key *key = fingerprint_from_hex (name, &fp) ? contacts_get_key (trust->contacts, &fp) : NULL;

  if (key == NULL || g_strcmp0 (value, own) != 0)
    return;
  contacts_set_key_distrusts_us (key, TRUE);
  tell_distrust (trust);
}

/* It was said of another key. */
static void
forget_distrust (Trust *trust)
{
  g_autoptr (GPtrArray) all = contacts_list (trust->contacts);

  for (guint i = 0; i < all->len; i++)
    {
      const GPtrArray *keys = contact_get_keys (g_ptr_array_index (all, i));

      for (guint j = 0; j < keys->len; j++)
        contacts_set_key_distrusts_us (g_ptr_array_index (keys, j), FALSE);
    }
  tell_distrust (trust);
}

/* --- which it is ------------------------------------------------------------------------------ */

static void
on_dropped (gpointer user, const GError *error)
{
  if (error != NULL)
    log_warn ("trust", "a question about a key that we do not have any more is still on disk: %s", error->message);
}

void
trust_set_own (Trust *trust, const Fingerprint *own, const char *ignored)
{
  g_autoptr (GPtrArray) all = trust_list_requests (trust);
  gboolean live = FALSE;

  if (ignored != NULL || !fingerprint_equal (&trust->own, own))
    read_ignored (trust, own, ignored);
  if (!fingerprint_equal (&trust->own, own))
    {
      trust->own = *own;
      forget_distrust (trust);
    }
  for (guint i = 0; i < all->len; i++)
    {
      Request *request = g_ptr_array_index (all, i);

      if (!request_is_own (request))
        continue;
      if (fingerprint_equal (&request->row.fp, own))
        live = TRUE;
      else
        {
          TrustChange *change = trust_change_new ();

          trust_change_delete_request (change, request->row.id);
          trust_store_apply (trust->store, change, on_dropped, NULL);
          trust_drop_request (trust, request);
        }
    }
  tell (trust, live);
}

void
trust_resolve_own (Trust *trust, Request *request, const char *choice, const char *caller, DoneFunc done, gpointer user)
{
  g_autofree char *ignored = NULL;
  Decision *decision;

  /* `rotate` is done where the key is, and then there is nothing left to ask. */
  if (strcmp (choice, "ignore") != 0)
    {
      trust_report (done, user, EARSHOT_ERROR_INVALID_ARGUMENT, "choice is not one of: rotate, ignore");
      return;
    }
  decision = decision_new (trust, done, user);
  decide_subject (decision, &request->row.fp);
  decide_request (decision, request);
  decision->resolves = TRUE;
  if (trust->duplicates != NULL)
    {
      ignore (trust, request->row.name);
      ignored = dup_ignored (trust, &request->row.fp);
      trust_change_put_setting (decision->change, TRUST_DUPLICATES_SETTING, ignored);
    }
  tell (trust, FALSE);
  decide (decision, "resolve", "ignore", caller);
}
