/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Our identity as a file under a passphrase: what goes out comes in again, and nothing else does.
 */
#include "earshot-config.h"

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/error.h"
#include "daemon/io/identity.h"
#include "tests/unit/test-certs.h"

#define ADDR "juliet@pronto"
#define SECRET "four random words here"
/* Of a PKCS #12 file, what is around its body at most. */
#define FRAME_HEAD 64
#define FRAME_TAIL 128

typedef struct {
  gboolean done;
  int code; /* -1: no error */
} Outcome;

static void
on_done (gpointer user, const GError *error)
{
  Outcome *outcome = user;

  g_assert_false (outcome->done);
  g_assert_true (error == NULL || error->domain == EARSHOT_ERROR);
  outcome->done = TRUE;
  outcome->code = error != NULL ? error->code : -1;
}

static int
await (Outcome *outcome)
{
  while (!outcome->done)
    g_main_context_iteration (NULL, TRUE);
  return outcome->code;
}

static Identity *
load (const char *dir)
{
  g_autoptr (GError) error = NULL;
  Identity *identity = identity_load_or_create (dir, ADDR, &error);

  g_assert_no_error (error);
  return identity;
}

static int
open_file (const char *dir, const char *name, int flags)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);
  int fd = open (path, flags | O_CLOEXEC, 0600);

  g_assert_cmpint (fd, >=, 0);
  return fd;
}

static int
export_to (Identity *identity, const char *dir, const char *name, const char *passphrase)
{
  Outcome outcome = { FALSE };

  identity_export (identity, open_file (dir, name, O_WRONLY | O_CREAT | O_TRUNC), passphrase, on_done, &outcome);
  g_assert_false (outcome.done);
  return await (&outcome);
}

static int
import_from (Identity *identity, const char *dir, const char *name, const char *passphrase, gboolean replace)
{
  Outcome outcome = { FALSE };

  identity_import (identity, open_file (dir, name, O_RDONLY), passphrase, replace, "juliet@forza", on_done, &outcome);
  g_assert_false (outcome.done);
  return await (&outcome);
}

static void
put (const char *dir, const char *name, const void *data, gssize len)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);

  g_assert_true (g_file_set_contents (path, data, len, NULL));
}

static guint
count_files (const char *dir, const char *prefix)
{
  g_autoptr (GDir) open = g_dir_open (dir, 0, NULL);
  const char *name;
  guint n = 0;

  while ((name = g_dir_read_name (open)) != NULL)
    if (g_str_has_prefix (name, prefix))
      {
        g_autofree char *path = g_build_filename (dir, name, NULL);
        struct stat st;

        g_assert_no_errno (stat (path, &st));
        g_assert_cmpuint (st.st_mode & 0777, ==, 0600);
        n++;
      }
  return n;
}

static void
test_there_and_back (void)
{
  char *one_dir = make_dir (), *two_dir = make_dir ();
  g_autoptr (Identity) one = load (one_dir);
  g_autoptr (Identity) two = load (two_dir);
  g_autoptr (Identity) again = NULL;
  Fingerprint own = *identity_get_fingerprint (one), before = *identity_get_fingerprint (two);
  g_autofree char *path = g_build_filename (one_dir, "me.p12", NULL);
  g_autofree char *bytes = NULL;
  gsize len;

  g_assert_cmpint (export_to (one, one_dir, "me.p12", SECRET), ==, -1);
  g_assert_true (g_file_get_contents (path, &bytes, &len, NULL));
  g_assert_cmpuint (len, >, 500);
  g_assert_cmpuint (bytes[0], ==, 0x30);
  /* There is somebody here already. */
  g_assert_cmpint (import_from (two, one_dir, "me.p12", SECRET, FALSE), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_true (fingerprint_equal (identity_get_fingerprint (two), &before));
  g_assert_cmpint (import_from (two, one_dir, "me.p12", SECRET, TRUE), ==, -1);
  g_assert_true (fingerprint_equal (identity_get_fingerprint (two), &own));
  g_assert_cmpstr (identity_get_xmpp_addr (two), ==, "juliet@forza");
  g_assert_cmpuint (count_files (two_dir, "identity.key.before-import-"), ==, 1);
  again = load (two_dir);
  g_assert_true (fingerprint_equal (identity_get_fingerprint (again), &own));
  /* That is us: nothing to ask, nothing to keep. */
  g_assert_cmpint (import_from (two, one_dir, "me.p12", SECRET, FALSE), ==, -1);
  g_assert_cmpuint (count_files (two_dir, "identity.key.before-import-"), ==, 1);
  remove_dir (one_dir);
  remove_dir (two_dir);
}

static void
test_passphrases (void)
{
  char *dir = make_dir (), *other_dir = make_dir ();
  g_autoptr (Identity) one = load (dir);
  g_autoptr (Identity) two = load (other_dir);
  Fingerprint before = *identity_get_fingerprint (two);
  g_autofree char *long_one = g_strnfill (IDENTITY_PASSPHRASE_MAX + 1, 'x');

  g_assert_cmpint (export_to (one, dir, "a", ""), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (export_to (one, dir, "a", "eleven char"), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  /* Characters, not bytes. */
  g_assert_cmpint (export_to (one, dir, "a", "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc"), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (export_to (one, dir, "a", long_one), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (export_to (one, dir, "a", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (export_to (one, dir, "me.p12", "zw\xc3\xb6lf Zeichen \xe2\x9c\x93"), ==, -1);
  g_assert_cmpint (import_from (two, dir, "me.p12", SECRET, TRUE), ==, EARSHOT_ERROR_MISMATCH);
  g_assert_cmpint (import_from (two, dir, "me.p12", "", TRUE), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_true (fingerprint_equal (identity_get_fingerprint (two), &before));
  g_assert_cmpuint (count_files (other_dir, "identity.key.before"), ==, 0);
  g_assert_cmpint (import_from (two, dir, "me.p12", "zw\xc3\xb6lf Zeichen \xe2\x9c\x93", TRUE), ==, -1);
  remove_dir (dir);
  remove_dir (other_dir);
}

/* A file of which a bit of the frame was bent, around what the passphrase vouches for (RFC 7292 section 4): some are read by nobody. It is refused, or it
 * brings the key that was exported. */
static void
bend_frame (Identity *one, const char *dir, char *bytes, gsize len)
{
  char *other_dir = make_dir ();
  g_autoptr (Identity) three = load (other_dir);

  for (guint i = 0; i < 12; i++)
    {
      gsize at = (gsize) g_test_rand_int_range (0, FRAME_HEAD + FRAME_TAIL);
      char *bent = at < FRAME_HEAD ? bytes + at : bytes + len - 1 - (at - FRAME_HEAD);
      char kept = *bent;
      int code;

      *bent ^= (char) (1 << g_test_rand_int_range (0, 8));
      put (dir, "bent", bytes, (gssize) len);
      code = import_from (three, dir, "bent", SECRET, TRUE);
      *bent = kept;
      g_assert_true (code != -1 || fingerprint_equal (identity_get_fingerprint (three), identity_get_fingerprint (one)));
      if (code == -1)
        break;
    }
  remove_dir (other_dir);
}

/* Whatever is in the file: it is refused, and we are who we were. */
static void
test_hostile_files (void)
{
  char *dir = make_dir (), *other_dir = make_dir ();
  g_autoptr (Identity) one = load (dir);
  g_autoptr (Identity) two = load (other_dir);
  Fingerprint before = *identity_get_fingerprint (two);
  g_autofree char *path = g_build_filename (dir, "me.p12", NULL);
  g_autofree char *big = g_malloc0 (64 * 1024 + 1);
  g_autofree char *bytes = NULL;
  gsize len;

  g_assert_cmpint (export_to (one, dir, "me.p12", SECRET), ==, -1);
  g_assert_true (g_file_get_contents (path, &bytes, &len, NULL));
  put (dir, "empty", "", 0);
  g_assert_cmpint (import_from (two, dir, "empty", SECRET, TRUE), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  put (dir, "text", "-----BEGIN PRIVATE KEY-----\n", -1);
  g_assert_cmpint (import_from (two, dir, "text", SECRET, TRUE), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  g_assert_cmpint (import_from (two, dir, "identity.key", SECRET, TRUE), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  put (dir, "big", big, 64 * 1024 + 1);
  g_assert_cmpint (import_from (two, dir, "big", SECRET, TRUE), ==, EARSHOT_ERROR_TOO_LARGE);
  put (dir, "cut", bytes, (gssize) len / 2);
  g_assert_cmpint (import_from (two, dir, "cut", SECRET, TRUE), !=, -1);
  for (guint i = 0; i < 12; i++)
    {
      gsize at = (gsize) g_test_rand_int_range (FRAME_HEAD, (int) len - FRAME_TAIL);
      char kept = bytes[at];

      bytes[at] ^= (char) (1 << g_test_rand_int_range (0, 8));
      put (dir, "bent", bytes, (gssize) len);
      g_assert_cmpint (import_from (two, dir, "bent", SECRET, TRUE), !=, -1);
      bytes[at] = kept;
    }
  bend_frame (one, dir, bytes, len);
  g_assert_true (fingerprint_equal (identity_get_fingerprint (two), &before));
  g_assert_cmpuint (count_files (other_dir, "identity.key"), ==, 1);
  remove_dir (dir);
  remove_dir (other_dir);
}

/* A key that others would not let in is no identity. */
static void
test_weak_key (void)
{
  char *dir = make_dir (), *other_dir = make_dir ();
  CertOrder weak = { .pk = GNUTLS_PK_RSA, .bits = 2048 };
  gnutls_x509_privkey_t key = make_key (&weak);
  gnutls_datum_t pem;
  g_autoptr (Identity) two = load (other_dir);
  g_autofree char *command = NULL;
  g_autoptr (GError) error = NULL;
  int status;

  g_assert_cmpint (gnutls_x509_privkey_export2_pkcs8 (key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem), ==, 0);
  put (dir, "weak.pem", pem.data, pem.size);
  gnutls_free (pem.data);
  gnutls_x509_privkey_deinit (key);
  command = g_strdup_printf ("openssl pkcs12 -export -nocerts -inkey %s/weak.pem -out %s/weak.p12 -passout 'pass:%s'", dir, dir, SECRET);
  if (!g_spawn_command_line_sync (command, NULL, NULL, &status, &error) || !g_spawn_check_wait_status (status, NULL))
    g_test_skip ("no openssl here");
  else
    g_assert_cmpint (import_from (two, dir, "weak.p12", SECRET, TRUE), ==, EARSHOT_ERROR_INVALID_ARGUMENT);
  remove_dir (dir);
  remove_dir (other_dir);
}

/* One at a time, and what was refused does not end the one that runs. */
static void
test_one_at_a_time (void)
{
  char *dir = make_dir ();
  g_autoptr (Identity) identity = load (dir);
  Outcome first = { FALSE }, second = { FALSE }, third = { FALSE };

  identity_export (identity, open_file (dir, "a", O_WRONLY | O_CREAT), SECRET, on_done, &first);
  identity_export (identity, open_file (dir, "b", O_WRONLY | O_CREAT), SECRET, on_done, &second);
  identity_import (identity, open_file (dir, "identity.key", O_RDONLY), SECRET, TRUE, ADDR, on_done, &third);
  g_assert_cmpint (await (&second), ==, EARSHOT_ERROR_QUOTA_EXCEEDED);
  g_assert_cmpint (await (&third), ==, EARSHOT_ERROR_QUOTA_EXCEEDED);
  g_assert_cmpint (await (&first), ==, -1);
  g_assert_cmpint (export_to (identity, dir, "b", SECRET), ==, -1);
  remove_dir (dir);
}

/* What is under way is not pulled from under it. */
static void
test_while_rotating (void)
{
  char *dir = make_dir (), *other_dir = make_dir ();
  g_autoptr (Identity) one = load (dir);
  g_autoptr (Identity) two = load (other_dir);
  Fingerprint imported = *identity_get_fingerprint (one);

  g_assert_cmpint (export_to (one, dir, "me.p12", SECRET), ==, -1);
  g_assert_true (identity_begin_rotation (two, NULL));
  g_assert_cmpint (import_from (two, dir, "me.p12", SECRET, TRUE), ==, EARSHOT_ERROR_ALREADY_RESOLVED);
  g_assert_true (identity_finish_rotation (two, ADDR, NULL));
  g_assert_nonnull (identity_get_succession (two));
  /* The word of a key that we do not have any more is not ours to tell. */
  g_assert_cmpint (import_from (two, dir, "me.p12", SECRET, TRUE), ==, -1);
  g_assert_true (fingerprint_equal (identity_get_fingerprint (two), &imported));
  g_assert_null (identity_get_succession (two));
  remove_dir (dir);
  remove_dir (other_dir);
}

/* An end that can not be written to. */
static void
test_bad_descriptor (void)
{
  char *dir = make_dir ();
  g_autoptr (Identity) identity = load (dir);
  Outcome outcome = { FALSE };

  identity_export (identity, open_file (dir, "identity.crt", O_RDONLY), SECRET, on_done, &outcome);
  g_assert_cmpint (await (&outcome), ==, EARSHOT_ERROR_FAILED);
  outcome.done = FALSE;
  identity_export (identity, open ("/dev/full", O_WRONLY | O_CLOEXEC), SECRET, on_done, &outcome);
  g_assert_cmpint (await (&outcome), ==, EARSHOT_ERROR_STORE_FULL);
  remove_dir (dir);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/portable/there-and-back", test_there_and_back);
  g_test_add_func ("/portable/passphrases", test_passphrases);
  g_test_add_func ("/portable/hostile-files", test_hostile_files);
  g_test_add_func ("/portable/weak-key", test_weak_key);
  g_test_add_func ("/portable/one-at-a-time", test_one_at_a_time);
  g_test_add_func ("/portable/while-rotating", test_while_rotating);
  g_test_add_func ("/portable/bad-descriptor", test_bad_descriptor);
  return g_test_run ();
}
