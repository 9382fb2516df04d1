/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/token.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gnutls/pkcs11.h>

#include "daemon/base/error.h"
#include "daemon/base/fsutil.h"
#include "daemon/base/log.h"

#define PIN_MAX 255
#define GUARD_MAX 128

struct _Token {
  char *url, *pin_file, *guard;
  gboolean refused; /* in this run */
  gboolean last_try, no_pin;
};

Token *
token_new (const char *url, const char *pin_file, const char *guard)
{
  Token *token = g_new0 (Token, 1);

  token->url = g_strdup (url);
  token->pin_file = g_strdup (pin_file);
  token->guard = g_strdup (guard);
  return token;
}

void
token_free (Token *token)
{
  if (token == NULL)
    return;
  g_free (token->url);
  g_free (token->pin_file);
  g_free (token->guard);
  g_free (token);
}

/* --- the PIN ------------------------------------------------------------------------ */

/* Which edition of the file it is, without a word of what is in it. NULL: it is not there. */
static char *
describe_edition (const char *path)
{
  struct stat st;

  if (path == NULL || stat (path, &st) != 0)
    return NULL;
  return g_strdup_printf ("%" G_GUINT64_FORMAT " %" G_GINT64_FORMAT ".%09ld\n", (guint64) st.st_ino,
                          (gint64) st.st_mtim.tv_sec, (long) st.st_mtim.tv_nsec);
}

static gboolean
was_refused (const Token *token)
{
  g_autofree char *edition = describe_edition (token->pin_file);
  g_autoptr (GBytes) kept = NULL;

  return edition != NULL && fs_read_private (token->guard, GUARD_MAX, &kept, NULL)
         && g_strcmp0 (g_bytes_get_data (kept, NULL), edition) == 0;
}

static void
note_refused (Token *token)
{
  g_autofree char *edition = describe_edition (token->pin_file);
  g_autoptr (GError) error = NULL;

  token->refused = TRUE;
  if (edition != NULL && !fs_write_private (token->guard, edition, strlen (edition), &error))
    log_warn ("identity", "cannot write down that the PIN was refused: %s", error->message);
}

/* GnuTLS asks, and asks again with GNUTLS_PIN_WRONG when the token said no. */
static int
on_pin (void *user, int attempt, const char *token_url, const char *token_label, unsigned int flags, char *pin, size_t pin_max)
{
  Token *token = user;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = NULL;
  char *text;
  gsize len;

  if ((flags & GNUTLS_PIN_WRONG) != 0 || attempt > 0)
    note_refused (token);
  if (token->refused)
    return -1;
  if ((flags & GNUTLS_PIN_FINAL_TRY) != 0)
    {
      token->last_try = TRUE;
      return -1;
    }
  if (token->pin_file == NULL || !fs_read_private (token->pin_file, PIN_MAX, &bytes, &error))
    {
      token->no_pin = TRUE;
      if (error != NULL)
        log_warn ("identity", "no PIN: %s", error->message);
      return -1;
    }
  text = (char *) g_bytes_get_data (bytes, &len);
  len = strcspn (text, "\r\n");
  if (len > 0 && len < pin_max)
    {
      memcpy (pin, text, len);
      pin[len] = '\0';
    }
  else
    token->no_pin = TRUE;
  explicit_bzero (text, g_bytes_get_size (bytes));
  return token->no_pin ? -1 : 0;
}

/* --- the key --------------------------------------------------------------------------- */

static gnutls_privkey_t
fail (GError **error, EarshotError code, const char *format, ...) G_GNUC_PRINTF (3, 4);

static gnutls_privkey_t
fail (GError **error, EarshotError code, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_propagate_error (error, g_error_new_valist (EARSHOT_ERROR, code, format, args));
  va_end (args);
  return NULL;
}

/* What happened, why, what to do. */
static gnutls_privkey_t
explain (const Token *token, int ret, GError **error)
{
  unsigned int flags = 0;

  if (token->refused)
    return fail (error, EARSHOT_ERROR_INVALID_ARGUMENT,
                 "the token refused the PIN in %s. It is not tried again before that file changes, because a token locks itself "
                 "after a few wrong ones: write the right PIN into it (pin-file=)",
                 token->pin_file);
  if (token->last_try)
    return fail (error, EARSHOT_ERROR_INVALID_ARGUMENT,
                 "the token would lock itself at the next wrong PIN, so that the one in %s was not tried: log in once by hand "
                 "(p11tool --login --list-keys '%s'), which resets the count",
                 token->pin_file != NULL ? token->pin_file : "pin-file=", token->url);
  if (token->no_pin && token->pin_file == NULL)
    return fail (error, EARSHOT_ERROR_INVALID_ARGUMENT,
                 "the token asks for a PIN: write it into a file that only you can read (chmod 600) and name that with pin-file=");
  if (token->no_pin)
    return fail (error, EARSHOT_ERROR_INVALID_ARGUMENT,
                 "no PIN could be read from %s: it must be a file of your own, closed to others (chmod 600), with the PIN as its "
                 "first line",
                 token->pin_file);
  if (ret == GNUTLS_E_PKCS11_PIN_LOCKED)
    return fail (error, EARSHOT_ERROR_INVALID_ARGUMENT, "the token is locked after too many wrong PINs: unlock it with its PUK");
  if (gnutls_pkcs11_token_get_flags (token->url, &flags) < 0)
    return fail (error, EARSHOT_ERROR_FAILED,
                 "there is no token for identity=%s: put it in, and see whether p11tool --list-tokens shows it", token->url);
  if (ret == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE || ret == GNUTLS_E_PKCS11_REQUESTED_OBJECT_NOT_AVAILBLE)
    return fail (error, EARSHOT_ERROR_INVALID_ARGUMENT,
                 "the token is there but has no private key %s: p11tool --login --list-keys shows which it has", token->url);
  return fail (error, EARSHOT_ERROR_FAILED, "the token does not give the key %s: %s", token->url, gnutls_strerror (ret));
}

gnutls_privkey_t
token_open_key (Token *token, GError **error)
{
  gnutls_privkey_t key = NULL;
  int ret;

  token->last_try = token->no_pin = FALSE;
  if (token->refused || was_refused (token))
    {
      token->refused = TRUE;
      return explain (token, GNUTLS_E_PKCS11_PIN_ERROR, error);
    }
  if ((ret = gnutls_privkey_init (&key)) < 0)
    return explain (token, ret, error);
  gnutls_privkey_set_pin_function (key, on_pin, token);
  ret = gnutls_privkey_import_url (key, token->url, 0);
  if (ret < 0)
    {
      gnutls_privkey_deinit (key);
      return explain (token, ret, error);
    }
  unlink (token->guard);
  return key;
}
