/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Our key as a file under a passphrase (PKCS #12, RFC 7292: the key as PKCS #8 under PBES2 with AES-256, RFC 8018; SHA-256 for the MAC), so that
 * it can be kept elsewhere and go to another machine. `openssl pkcs12` and `certtool` read it.
 *
 * Threat: whoever gets the file may try passphrases for as long as he likes, and GnuTLS fixes what each try costs him; so the passphrase has to
 * be long. A file to import is somebody's who may want us to take his key, or to choke: it is bounded, it is taken apart in a thread of its
 * own, and its key is held to the rules for anybody's. Key, passphrase and file are wiped from memory that is ours.
 */
#include "earshot-config.h"

#include "daemon/io/identity-private.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <gnutls/pkcs12.h>

#include "daemon/base/error.h"
#include "daemon/base/fsutil.h"
#include "daemon/base/log.h"

#define PORTABLE_MAX (64 * 1024)
#define IO_MS 30000 /* a pipe whose other end does nothing */

G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_pkcs12_t, gnutls_pkcs12_deinit, NULL)
G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_pkcs12_bag_t, gnutls_pkcs12_bag_deinit, NULL)

/* What the thread works on; nobody else touches it meanwhile. */
typedef struct {
  Identity *identity;      /* for the main thread only */
  int fd;
  char *passphrase;
  gnutls_x509_privkey_t key;
  IdentityChain chain;
  gboolean replace;
  char *addr;
  DoneFunc done;
  gpointer user;
} Job;

static void
job_free (gpointer data)
{
  Job *job = data;

  if (job->fd >= 0)
    close (job->fd);
  explicit_bzero (job->passphrase, strlen (job->passphrase));
  g_free (job->passphrase);
  if (job->key != NULL)
    gnutls_x509_privkey_deinit (job->key);
  identity_chain_clear (&job->chain);
  g_free (job->addr);
  g_free (job);
}

static void
on_job_done (GObject *source, GAsyncResult *result, gpointer user)
{
  Job *job = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;

  job->identity->portable_busy = FALSE;
  g_task_propagate_boolean (G_TASK (result), &error);
  job->done (job->user, error);
}

/* --- bytes through a descriptor ---------------------------------------------------------- */

static gboolean
await (int fd, short events, gint64 until, GError **error)
{
  struct pollfd poller = { .fd = fd, .events = events };
  gint64 left = (until - g_get_monotonic_time ()) / 1000;
  int n = left > 0 ? poll (&poller, 1, (int) left) : 0;

  if (n > 0 || (n < 0 && errno == EINTR))
    return TRUE;
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_TIMEOUT, "nothing moves at the other end of the file");
  return FALSE;
}

static gboolean
fail_io (GError **error)
{
  g_set_error (error, EARSHOT_ERROR, errno == ENOSPC || errno == EDQUOT ? EARSHOT_ERROR_STORE_FULL : EARSHOT_ERROR_FAILED,
               "the file: %s", g_strerror (errno));
  return FALSE;
}

static gboolean
read_file (int fd, guint8 *out, gsize *len, GError **error)
{
  gint64 until = g_get_monotonic_time () + IO_MS * 1000;

  *len = 0;
  for (;;)
    {
      ssize_t n;

      if (!await (fd, POLLIN, until, error))
        return FALSE;
      n = read (fd, out + *len, PORTABLE_MAX + 1 - *len);
      if (n < 0 && (errno == EINTR || errno == EAGAIN))
        continue;
      if (n < 0)
        return fail_io (error);
      if (n == 0)
        return TRUE;
      *len += (gsize) n;
      if (*len > PORTABLE_MAX)
        {
          g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_TOO_LARGE, "an identity has at most %d bytes", PORTABLE_MAX);
          return FALSE;
        }
    }
}

static gboolean
write_file (int fd, const guint8 *data, gsize len, GError **error)
{
  gint64 until = g_get_monotonic_time () + IO_MS * 1000;

  while (len > 0)
    {
      ssize_t n;

      if (!await (fd, POLLOUT, until, error))
        return FALSE;
      n = write (fd, data, len);
      if (n < 0 && (errno == EINTR || errno == EAGAIN))
        continue;
      if (n < 0)
        return fail_io (error);
      data += n;
      len -= (gsize) n;
    }
  /* A pipe or a terminal has nothing to sync. */
  return fsync (fd) == 0 || errno == EINVAL || errno == EROFS || errno == ENOTSUP || fail_io (error);
}

/* --- out ------------------------------------------------------------------------------------ */

static int
add_key (gnutls_pkcs12_t file, const Job *job)
{
  g_auto (gnutls_pkcs12_bag_t) bag = NULL;
  gnutls_datum_t der = { NULL, 0 };
  Fingerprint fp;
  gnutls_datum_t id = { fp.bytes, sizeof fp.bytes };
  int ret, index;

  if ((ret = gnutls_pkcs12_bag_init (&bag)) < 0
      || (ret = gnutls_x509_privkey_export2_pkcs8 (job->key, GNUTLS_X509_FMT_DER, job->passphrase, GNUTLS_PKCS_PBES2_AES_256, &der)) < 0)
    return ret;
  index = ret = gnutls_pkcs12_bag_set_data (bag, GNUTLS_BAG_PKCS8_ENCRYPTED_KEY, &der);
  gnutls_free (der.data);
  if (ret < 0 || !identity_get_key_fingerprint (job->key, &fp) || (ret = gnutls_pkcs12_bag_set_key_id (bag, index, &id)) < 0
      || (ret = gnutls_pkcs12_bag_set_friendly_name (bag, index, "Earshot identity")) < 0)
    return ret < 0 ? ret : GNUTLS_E_INTERNAL_ERROR;
  return gnutls_pkcs12_set_bag (file, bag);
}

static int
add_chain (gnutls_pkcs12_t file, const Job *job)
{
  g_auto (gnutls_pkcs12_bag_t) bag = NULL;
  Fingerprint fp;
  gnutls_datum_t id = { fp.bytes, sizeof fp.bytes };
  int ret = gnutls_pkcs12_bag_init (&bag);

  for (guint i = 0; ret >= 0 && i < job->chain.n; i++)
    {
      ret = gnutls_pkcs12_bag_set_crt (bag, job->chain.crts[i]);
      /* Ours is the one that goes with the key. */
      if (ret >= 0 && i == 0 && identity_get_key_fingerprint (job->key, &fp))
        ret = gnutls_pkcs12_bag_set_key_id (bag, ret, &id);
    }
  if (ret >= 0)
    ret = gnutls_pkcs12_bag_encrypt (bag, job->passphrase, GNUTLS_PKCS_PBES2_AES_256);
  return ret < 0 ? ret : gnutls_pkcs12_set_bag (file, bag);
}

static void
run_export (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Job *job = data;
  g_auto (gnutls_pkcs12_t) file = NULL;
  gnutls_datum_t der = { NULL, 0 };
  GError *error = NULL;
  int ret;

  if ((ret = gnutls_pkcs12_init (&file)) < 0 || (ret = add_chain (file, job)) < 0 || (ret = add_key (file, job)) < 0
      || (ret = gnutls_pkcs12_generate_mac2 (file, GNUTLS_MAC_SHA256, job->passphrase)) < 0
      || (ret = gnutls_pkcs12_export2 (file, GNUTLS_X509_FMT_DER, &der)) < 0)
    identity_fail (&error, ret, "cannot write the identity");
  else
    write_file (job->fd, der.data, der.size, &error);
  gnutls_free (der.data);
  g_clear_pointer (&job->key, gnutls_x509_privkey_deinit);
  identity_chain_clear (&job->chain);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

/* --- in ------------------------------------------------------------------------------------- */

static gboolean
unpack (Job *job, const guint8 *data, gsize len, GError **error)
{
  g_auto (gnutls_pkcs12_t) file = NULL;
  gnutls_datum_t der = { (guchar *) data, len };
  gnutls_x509_crt_t *crts = NULL;
  guint n = 0;
  int ret;

  if (len == 0 || gnutls_pkcs12_init (&file) < 0 || gnutls_pkcs12_import (file, &der, GNUTLS_X509_FMT_DER, 0) < 0)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "this is no exported identity (PKCS #12)");
      return FALSE;
    }
  if (gnutls_pkcs12_verify_mac (file, job->passphrase) < 0)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_MISMATCH, "the passphrase is wrong, or the file is damaged");
      return FALSE;
    }
  ret = gnutls_pkcs12_simple_parse (file, job->passphrase, &job->key, &crts, &n, NULL, NULL, NULL,
                                    GNUTLS_PKCS12_SP_INCLUDE_SELF_SIGNED);
  for (guint i = 0; i < n; i++)
    if (job->chain.n < CERTIFICATE_CHAIN_MAX)
      job->chain.crts[job->chain.n++] = crts[i];
    else
      gnutls_x509_crt_deinit (crts[i]);
  gnutls_free (crts);
  if (ret >= 0 && job->key != NULL && gnutls_x509_privkey_verify_params (job->key) >= 0)
    return TRUE;
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "there is no key in this file that can be used");
  return FALSE;
}

static void
run_import (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Job *job = data;
  g_autofree guint8 *bytes = g_malloc (PORTABLE_MAX + 1);
  GError *error = NULL;
  gsize len = 0;
  gboolean good = read_file (job->fd, bytes, &len, &error) && unpack (job, bytes, len, &error);

  explicit_bzero (bytes, PORTABLE_MAX + 1);
  if (good)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/* Others would have to take it, too. */
static gboolean
check_key (gnutls_x509_privkey_t key, GError **error)
{
  g_auto (gnutls_pubkey_t) pubkey = NULL;
  g_auto (gnutls_privkey_t) handle = identity_open_file_key (key, error);
  g_autoptr (GError) local = NULL;

  if (handle == NULL)
    return FALSE;
  if (gnutls_pubkey_init (&pubkey) >= 0
      && gnutls_pubkey_import_privkey (pubkey, handle, GNUTLS_KEY_DIGITAL_SIGNATURE, 0) >= 0
      && certificate_check_public_key (pubkey, &local))
    return TRUE;
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "others would refuse this key: %s",
               local != NULL ? local->message : "it can not be read");
  return FALSE;
}

/* On the main thread: the key that came in becomes ours, and the one we had is kept. */
static gboolean
install (Identity *identity, Job *job, GError **error)
{
  g_autofree char *kept = NULL;
  Fingerprint fp, shown;

  if (identity->next_key != NULL)
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_ALREADY_RESOLVED, "the key is being replaced right now");
      return FALSE;
    }
  if (!check_key (job->key, error))
    return FALSE;
  if (!identity_get_key_fingerprint (job->key, &fp))
    return identity_fail (error, GNUTLS_E_INTERNAL_ERROR, "cannot use the key");
  if (fingerprint_equal (&fp, &identity->fp))
    return TRUE; /* that is us */
  if (!job->replace)
    {
      g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT,
                           "there is another identity here already: give the option replace to put this one in its place");
      return FALSE;
    }
  /* A certificate of our own making is made again for where we are now; an issuer's is worth keeping while it lasts. */
  if (job->chain.n > 0
      && (gnutls_x509_crt_check_issuer (job->chain.crts[0], job->chain.crts[0]) || certificate_is_expired (job->chain.crts[0])
          || !certificate_get_fingerprint (job->chain.crts[0], &shown) || !fingerprint_equal (&shown, &fp)))
    identity_chain_clear (&job->chain);
  if (!fs_keep_aside (identity->key_path, "before-import", &kept, error))
    return FALSE;
  log_notice ("identity", "another identity was imported; the key of before is kept as %s", kept);
  if (!identity_write_key (identity->key_path, job->key, error))
    return FALSE;
  return identity_become (identity, &job->key, &job->chain, job->addr, error);
}

static void
on_import_done (GObject *source, GAsyncResult *result, gpointer user)
{
  Job *job = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;

  job->identity->portable_busy = FALSE;
  if (g_task_propagate_boolean (G_TASK (result), &error))
    install (job->identity, job, &error);
  job->done (job->user, error);
}

/* --- verbs ------------------------------------------------------------------------------------ */

static Job *
job_new (Identity *identity, int fd_take, const char *passphrase, DoneFunc done, gpointer user)
{
  Job *job = g_new0 (Job, 1);

  job->identity = identity;
  job->fd = fd_take;
  job->passphrase = g_strdup (passphrase);
  job->done = done;
  job->user = user;
  return job;
}

static gboolean
check_passphrase (const char *passphrase, glong least, GError **error)
{
  if (strlen (passphrase) <= IDENTITY_PASSPHRASE_MAX && g_utf8_validate (passphrase, -1, NULL)
      && g_utf8_strlen (passphrase, -1) >= least)
    return TRUE;
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT,
               "a passphrase has at least %ld characters and at most %d bytes: whoever gets the file can try others for ever", least,
               IDENTITY_PASSPHRASE_MAX);
  return FALSE;
}

static gboolean
check_state (Identity *identity, GError **error)
{
  if (identity->token != NULL)
    g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_UNSUPPORTED,
                         "the key is on a token (identity in earshotd.conf) that it never leaves, and none can be put there by earshotd");
  else if (identity->portable_busy)
    g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_QUOTA_EXCEEDED, "an identity is being exported or imported right now");
  else
    return TRUE;
  return FALSE;
}

static void
start (Job *job_take, GTaskThreadFunc run, GAsyncReadyCallback on_done, GError *error)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, on_done, NULL);

  g_task_set_task_data (task, job_take, job_free);
  if (error != NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  job_take->identity->portable_busy = TRUE;
  g_task_run_in_thread (task, run);
}

/* What was refused before it began leaves the one that runs alone. */
static void
on_not_begun (GObject *source, GAsyncResult *result, gpointer user)
{
  Job *job = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;

  g_task_propagate_boolean (G_TASK (result), &error);
  job->done (job->user, error);
}

void
identity_export (Identity *identity, int fd_take, const char *passphrase, DoneFunc done, gpointer user)
{
  Job *job = job_new (identity, fd_take, passphrase, done, user);
  GError *error = NULL;
  int ret;

  if (check_state (identity, &error) && check_passphrase (passphrase, IDENTITY_PASSPHRASE_MIN, &error)
      && identity_load_chain (identity, &job->chain, &error))
    {
      ret = gnutls_x509_privkey_init (&job->key);
      if (ret >= 0)
        ret = gnutls_x509_privkey_cpy (job->key, identity->file_key);
      if (ret < 0)
        identity_fail (&error, ret, "cannot use the key");
    }
  start (job, run_export, error != NULL ? on_not_begun : on_job_done, error);
}

void
identity_import (Identity *identity, int fd_take, const char *passphrase, gboolean replace, const char *addr, DoneFunc done,
                 gpointer user)
{
  Job *job = job_new (identity, fd_take, passphrase, done, user);
  GError *error = NULL;

  job->replace = replace;
  job->addr = g_strdup (addr);
  if (check_state (identity, &error))
    check_passphrase (passphrase, 1, &error);
  start (job, run_import, error != NULL ? on_not_begun : on_import_done, error);
}
