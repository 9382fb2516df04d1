/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Another key in the place of ours. SECURITY CRITICAL: whoever loses the key here is a stranger to all friends, and whoever keeps the
 * old one can name another heir. So it goes in steps, each of which is on disk before the next begins:
 *
 *   1. identity-next.key     the new key. Alone it means nothing and goes at the next start.
 *   2. identity.succession   the old key's word. From here on there is no way back: the next start goes on with 3.
 *   3. identity.key          is replaced by the new key in one rename; what it held is overwritten.
 *   4. identity.crt          a certificate for the new key. One that does not fit is replaced at the next start anyway.
 *
 * The statement is kept until the next rotation: contacts that were away are told when they come (model/succession.h).
 */
#include "earshot-config.h"

#include "daemon/io/identity-private.h"

#include <string.h>

#include "daemon/base/error.h"
#include "daemon/base/fsutil.h"
#include "daemon/base/log.h"
#include "daemon/io/succession-sign.h"

#define GROUP "Succession"
#define STATEMENT_MAX (8 * 1024)

/* --- the statement on disk ---------------------------------------------------------- */

static gboolean
write_statement (const char *path, const Succession *statement, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (Stanza) element = succession_to_stanza (statement);
  g_autofree char *text = NULL;
  gsize len;

  for (const char *const *word = (const char *const[]){ "old", "new", "alg", "spki", "sig", NULL }; *word != NULL; word++)
    g_key_file_set_string (file, GROUP, *word, stanza_get_attr (element, *word));
  text = g_key_file_to_data (file, &len, NULL);
  return fs_write_private (path, text, len, error);
}

/* NULL: there is none, or what is there is none. It is held to the rules for a stranger's: the disk may be doctored. */
static Succession *
read_statement (const char *path)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  char *words[5] = { NULL };
  Succession statement = { .spki = NULL };
  gboolean good;

  if (!fs_read_private (path, STATEMENT_MAX, &bytes, &error))
    {
      if (!g_error_matches (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_FOUND))
        log_warn ("identity", "the statement about the last change of key can not be read: %s", error->message);
      return NULL;
    }
  good = g_key_file_load_from_bytes (file, bytes, G_KEY_FILE_NONE, NULL);
  for (guint i = 0; good && i < G_N_ELEMENTS (words); i++)
    words[i] = g_key_file_get_string (file, GROUP, (const char *const[]){ "old", "new", "alg", "spki", "sig" }[i], NULL);
  good = good && succession_from_words (words[0], words[1], words[2], words[3], words[4], &statement);
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    g_free (words[i]);
  if (good && succession_check (&statement, &error))
    return g_memdup2 (&statement, sizeof statement);
  succession_clear (&statement);
  log_warn ("identity", "%s is damaged and counts for nothing", path);
  return NULL;
}

static void
drop_statement (Identity *identity)
{
  if (identity->statement != NULL)
    succession_clear (identity->statement);
  g_clear_pointer (&identity->statement, g_free);
}

/* --- beginning ----------------------------------------------------------------------- */

static gboolean
check_may_rotate (Identity *identity, GError **error)
{
  if (identity->token != NULL)
    g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_UNSUPPORTED,
                         "the key is on a token, which earshotd does not write to: make another key on it, name it in earshotd.conf "
                         "(identity), and let your contacts verify it");
  else if (identity->next_key != NULL)
    g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_ALREADY_RESOLVED, "the key is being replaced right now");
  else
    return TRUE;
  return FALSE;
}

gboolean
identity_begin_rotation (Identity *identity, GError **error)
{
  g_auto (gnutls_x509_privkey_t) next = NULL;
  g_auto (gnutls_privkey_t) old = NULL;
  Succession statement = { .spki = NULL };
  Fingerprint fp;
  int ret;

  if (!check_may_rotate (identity, error) || (old = identity_open_file_key (identity->file_key, error)) == NULL)
    return FALSE;
  if ((ret = gnutls_x509_privkey_init (&next)) < 0)
    return identity_fail (error, ret, "cannot start the cryptography");
  if (!identity_create_key (identity->next_path, next, error))
    return FALSE;
  if (!identity_get_key_fingerprint (next, &fp) || !succession_sign (old, &fp, &statement, error)
      || !succession_check (&statement, error) || !write_statement (identity->statement_path, &statement, error))
    {
      if (error != NULL && *error == NULL)
        identity_fail (error, GNUTLS_E_INTERNAL_ERROR, "cannot hand over to a new key");
      succession_clear (&statement);
      fs_remove_wiping (identity->next_path, NULL);
      return FALSE;
    }
  drop_statement (identity);
  identity->statement = g_memdup2 (&statement, sizeof statement);
  identity->next_key = g_steal_pointer (&next);
  return TRUE;
}

/* --- the switch ------------------------------------------------------------------------ */

gboolean
identity_finish_rotation (Identity *identity, const char *addr, GError **error)
{
  g_auto (IdentityChain) chain = { .n = 0 };
  g_autofree char *kept = NULL;
  g_autoptr (GError) local = NULL;

  if (identity->next_key == NULL)
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_FOUND, "no change of key is under way");
      return FALSE;
    }
  /* Somebody may have paid for it. */
  if (identity->issuer != NULL && fs_keep_aside (identity->crt_path, "of-old-key", &kept, &local))
    log_warn ("identity", "the issuer's certificate was for the old key and is kept as %s: ask for one for the new key", kept);
  if (!fs_replace_wiping (identity->next_path, identity->key_path, error))
    return FALSE;
  /* The new key is ours on disk: what fails from here on is made good by the next start. */
  if (!identity_become (identity, &identity->next_key, &chain, addr, error))
    return FALSE;
  log_notice ("identity", "a new key took the place of the old one");
  return TRUE;
}

/* Both keys as they are on disk, and what the old one said. */
gboolean
identity_settle_rotation (Identity *identity, GError **error)
{
  g_auto (gnutls_x509_privkey_t) next = NULL;
  g_autoptr (GError) local = NULL;
  Fingerprint own, heir;
  gboolean found, decided;

  identity->statement = read_statement (identity->statement_path);
  if (!identity_get_key_fingerprint (identity->file_key, &own) || gnutls_x509_privkey_init (&next) < 0)
    return identity_fail (error, GNUTLS_E_INTERNAL_ERROR, "cannot use the key");
  found = identity_load_key (identity->next_path, next, &local) && identity_get_key_fingerprint (next, &heir);
  if (!found && !g_error_matches (local, EARSHOT_ERROR, EARSHOT_ERROR_NOT_FOUND))
    log_warn ("identity", "a key that was being made can not be read and is dropped");
  decided = found && identity->statement != NULL && fingerprint_equal (&identity->statement->old_fp, &own)
            && fingerprint_equal (&identity->statement->new_fp, &heir);
  if (decided)
    {
      log_notice ("identity", "a change of key was interrupted: it is completed now");
      if (!fs_replace_wiping (identity->next_path, identity->key_path, error))
        return FALSE;
      gnutls_x509_privkey_deinit (identity->file_key);
      identity->file_key = g_steal_pointer (&next);
      return TRUE;
    }
  if (!g_error_matches (local, EARSHOT_ERROR, EARSHOT_ERROR_NOT_FOUND) && !fs_remove_wiping (identity->next_path, error))
    return FALSE;
  /* Of a key that we do not have. */
  if (identity->statement != NULL && !fingerprint_equal (&identity->statement->new_fp, &own))
    drop_statement (identity);
  return TRUE;
}

const Succession *
identity_get_succession (const Identity *identity)
{
  /* After an import it may be another key's. */
  return identity->statement != NULL
             && (identity->next_key != NULL || fingerprint_equal (&identity->statement->new_fp, &identity->fp))
           ? identity->statement
           : NULL;
}

gboolean
identity_is_rotating (const Identity *identity)
{
  return identity->next_key != NULL;
}
