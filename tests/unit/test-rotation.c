/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Our own key changes (docs/protocol.md 3.5): whatever is on the disk when the power goes, the next start has one key, and either the
 * old one as if nothing had been or the new one with the old one's word for it. And statements of others (T-13).
 */
#include "earshot-config.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/error.h"
#include "daemon/io/identity.h"
#include "daemon/io/succession-sign.h"
#include "tests/unit/test-certs.h"

#define ADDR "juliet@pronto"

static Identity *
load (const char *dir)
{
  g_autoptr (GError) error = NULL;
  Identity *identity = identity_load_or_create (dir, ADDR, &error);

  g_assert_no_error (error);
  return identity;
}

static char *
in (const char *dir, const char *name)
{
  return g_build_filename (dir, name, NULL);
}

static gboolean
is_there (const char *dir, const char *name)
{
  g_autofree char *path = in (dir, name);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static void
copy (const char *dir, const char *from, const char *to)
{
  g_autofree char *source = in (dir, from);
  g_autofree char *target = in (dir, to);
  g_autofree char *data = NULL;
  gsize len;

  g_assert_true (g_file_get_contents (source, &data, &len, NULL));
  g_unlink (target);
  g_assert_true (g_file_set_contents_full (target, data, len, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

static void
drop (const char *dir, const char *name)
{
  g_autofree char *path = in (dir, name);

  g_assert_no_errno (g_unlink (path));
}

static void
assert_mode (const char *dir, const char *name)
{
  g_autofree char *path = in (dir, name);
  struct stat st;

  g_assert_no_errno (stat (path, &st));
  g_assert_cmpuint (st.st_mode & 0777, ==, 0600);
}

static void
rotate (Identity *identity)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (identity_begin_rotation (identity, &error));
  g_assert_no_error (error);
  g_assert_true (identity_finish_rotation (identity, ADDR, &error));
  g_assert_no_error (error);
}

static void
assert_statement (const Identity *identity, const Fingerprint *old, const Fingerprint *new)
{
  const Succession *statement = identity_get_succession (identity);
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (statement);
  g_assert_true (fingerprint_equal (&statement->old_fp, old));
  g_assert_true (fingerprint_equal (&statement->new_fp, new));
  g_assert_true (succession_check (statement, &error));
  g_assert_no_error (error);
}

static void
on_changed (gpointer user)
{
  ++*(guint *) user;
}

static void
test_rotates (void)
{
  char *dir = make_dir ();
  g_autoptr (Identity) identity = load (dir);
  g_autoptr (Identity) again = NULL;
  Fingerprint old = *identity_get_fingerprint (identity), new;
  g_autoptr (GError) error = NULL;
  guint changes = 0;

  g_assert_null (identity_get_succession (identity));
  g_assert_false (identity_finish_rotation (identity, ADDR, &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_FOUND);
  g_clear_error (&error);
  identity_watch (identity, on_changed, &changes);
  g_assert_true (identity_begin_rotation (identity, &error));
  /* The old key is ours until it is over. */
  g_assert_true (fingerprint_equal (identity_get_fingerprint (identity), &old));
  g_assert_true (identity_is_rotating (identity));
  new = identity_get_succession (identity)->new_fp;
  assert_statement (identity, &old, &new);
  assert_mode (dir, "identity-next.key");
  assert_mode (dir, "identity.succession");
  g_assert_false (identity_begin_rotation (identity, &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_ALREADY_RESOLVED);
  g_clear_error (&error);
  g_assert_true (identity_finish_rotation (identity, ADDR, &error));
  g_assert_no_error (error);
  g_assert_true (fingerprint_equal (identity_get_fingerprint (identity), &new));
  g_assert_false (identity_is_rotating (identity));
  g_assert_false (is_there (dir, "identity-next.key"));
  g_assert_cmpuint (changes, ==, 1);
  g_assert_cmpstr (identity_get_xmpp_addr (identity), ==, ADDR);
  assert_mode (dir, "identity.key");
  again = load (dir);
  g_assert_true (fingerprint_equal (identity_get_fingerprint (again), &new));
  assert_statement (again, &old, &new);
  /* And once more: of two changes the last is told. */
  rotate (again);
  assert_statement (again, &new, identity_get_fingerprint (again));
  remove_dir (dir);
}

/* The private key that was replaced is nowhere in the directory, and what its file held was overwritten. */
static void
test_old_key_is_gone (void)
{
  char *dir = make_dir ();
  g_autoptr (Identity) identity = load (dir);
  g_autofree char *path = in (dir, "identity.key");
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  char held[4096];
  ssize_t n;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (fd, >=, 0);
  g_assert_true (identity_begin_rotation (identity, &error));
  /* Through a name of before: a file that has another name besides (a backup's) is not ours to overwrite. */
  g_assert_true (identity_finish_rotation (identity, ADDR, &error));
  n = pread (fd, held, sizeof held, 0);
  g_assert_cmpint (n, >, 100);
  for (ssize_t i = 0; i < n; i++)
    g_assert_cmpint (held[i], ==, 0);
  close (fd);
  remove_dir (dir);
}

static void
test_backup_by_hard_link_stays (void)
{
  char *dir = make_dir ();
  g_autoptr (Identity) identity = load (dir);
  g_autofree char *path = in (dir, "identity.key");
  g_autofree char *backup = in (dir, "backup");
  g_autofree char *text = NULL;

  g_assert_no_errno (link (path, backup));
  rotate (identity);
  g_assert_true (g_file_get_contents (backup, &text, NULL, NULL));
  g_assert_nonnull (strstr (text, "PRIVATE KEY"));
  remove_dir (dir);
}

/* --- kill -9 between any two steps -------------------------------------------------------- */

static void
test_killed_before_the_statement (void)
{
  char *dir = make_dir ();
  g_autoptr (Identity) identity = load (dir);
  g_autoptr (Identity) again = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (identity_begin_rotation (identity, &error));
  drop (dir, "identity.succession");
  again = load (dir);
  g_assert_true (fingerprint_equal (identity_get_fingerprint (again), identity_get_fingerprint (identity)));
  g_assert_null (identity_get_succession (again));
  g_assert_false (is_there (dir, "identity-next.key"));
  remove_dir (dir);
}

/* The statement is that of the change before: it says nothing about the key that was being made. */
static void
test_killed_before_the_second_statement (void)
{
  char *dir = make_dir ();
  g_autoptr (Identity) identity = load (dir);
  g_autoptr (Identity) again = NULL;
  Fingerprint first = *identity_get_fingerprint (identity), second;

  rotate (identity);
  second = *identity_get_fingerprint (identity);
  copy (dir, "identity.succession", "kept");
  g_assert_true (identity_begin_rotation (identity, NULL));
  copy (dir, "kept", "identity.succession");
  again = load (dir);
  g_assert_true (fingerprint_equal (identity_get_fingerprint (again), &second));
  assert_statement (again, &first, &second);
  g_assert_false (is_there (dir, "identity-next.key"));
  remove_dir (dir);
}

static void
test_killed_before_the_switch (void)
{
  char *dir = make_dir ();
  g_autoptr (Identity) identity = load (dir);
  g_autoptr (Identity) again = NULL;
  Fingerprint old = *identity_get_fingerprint (identity), new;

  g_assert_true (identity_begin_rotation (identity, NULL));
  new = identity_get_succession (identity)->new_fp;
  /* It may have been told already: there is no way back. */
  again = load (dir);
  g_assert_true (fingerprint_equal (identity_get_fingerprint (again), &new));
  assert_statement (again, &old, &new);
  g_assert_false (identity_is_rotating (again));
  g_assert_false (is_there (dir, "identity-next.key"));
  remove_dir (dir);
}

static void
test_killed_before_the_certificate (void)
{
  char *dir = make_dir ();
  g_autoptr (Identity) identity = load (dir);
  g_autoptr (Identity) again = NULL;
  Fingerprint old = *identity_get_fingerprint (identity), new;

  copy (dir, "identity.crt", "old.crt");
  rotate (identity);
  new = *identity_get_fingerprint (identity);
  copy (dir, "old.crt", "identity.crt");
  again = load (dir);
  g_assert_true (fingerprint_equal (identity_get_fingerprint (again), &new));
  assert_statement (again, &old, &new);
  remove_dir (dir);
}

static void
test_killed_while_writing (void)
{
  static const char *const files[] = { "identity-next.key", "identity.succession" };

  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      char *dir = make_dir ();
      g_autoptr (Identity) identity = load (dir);
      g_autoptr (Identity) again = NULL;
      g_autofree char *path = in (dir, files[i]);

      g_assert_true (identity_begin_rotation (identity, NULL));
      g_assert_no_errno (g_unlink (path));
      g_assert_true (g_file_set_contents_full (path, "-----BEGIN", -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
      again = load (dir);
      g_assert_true (fingerprint_equal (identity_get_fingerprint (again), identity_get_fingerprint (identity)));
      g_assert_null (identity_get_succession (again));
      g_assert_false (is_there (dir, "identity-next.key"));
      remove_dir (dir);
    }
}

/* Somebody who may write the directory may do worse, but a statement is believed for its signature only. */
static void
test_doctored_statement (void)
{
  char *dir = make_dir ();
  char *other_dir = make_dir ();
  g_autoptr (Identity) identity = load (dir);
  g_autoptr (Identity) other = load (other_dir);
  g_autoptr (Identity) again = NULL;
  g_autofree char *from = in (other_dir, "identity.succession");
  g_autofree char *to = in (dir, "identity.succession");
  g_autofree char *text = NULL;

  g_assert_true (identity_begin_rotation (identity, NULL));
  rotate (other);
  g_assert_true (g_file_get_contents (from, &text, NULL, NULL));
  g_assert_no_errno (g_unlink (to));
  g_assert_true (g_file_set_contents_full (to, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
  again = load (dir);
  g_assert_true (fingerprint_equal (identity_get_fingerprint (again), identity_get_fingerprint (identity)));
  g_assert_null (identity_get_succession (again));
  remove_dir (dir);
  remove_dir (other_dir);
}

/* A disk that takes nothing: the old key stands, and nothing is half done. */
static void
test_no_room (void)
{
  char *dir = make_dir ();
  g_autoptr (Identity) identity = load (dir);
  g_autoptr (Identity) again = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *in_the_way = in (dir, "identity.succession");

  g_assert_no_errno (g_mkdir (in_the_way, 0700));
  g_assert_false (identity_begin_rotation (identity, &error));
  g_assert_nonnull (error);
  g_assert_false (identity_is_rotating (identity));
  g_assert_false (is_there (dir, "identity-next.key"));
  g_assert_no_errno (g_rmdir (in_the_way));
  again = load (dir);
  g_assert_true (fingerprint_equal (identity_get_fingerprint (again), identity_get_fingerprint (identity)));
  remove_dir (dir);
}

/* --- statements of others --------------------------------------------------------------- */

static gnutls_privkey_t
privkey_of (gnutls_x509_privkey_t key)
{
  gnutls_privkey_t handle;

  g_assert_cmpint (gnutls_privkey_init (&handle), ==, 0);
  g_assert_cmpint (gnutls_privkey_import_x509 (handle, key, GNUTLS_PRIVKEY_IMPORT_COPY), ==, 0);
  return handle;
}

static void
make_statement (const CertOrder *order, Succession *out)
{
  gnutls_x509_privkey_t key = make_key (order);
  gnutls_privkey_t handle = privkey_of (key);
  Fingerprint heir = { { 1, 2, 3 } };
  g_autoptr (GError) error = NULL;

  g_assert_true (succession_sign (handle, &heir, out, &error));
  g_assert_no_error (error);
  gnutls_privkey_deinit (handle);
  gnutls_x509_privkey_deinit (key);
}

static const CertOrder kinds[] = {
  { .pk = GNUTLS_PK_ECDSA, .bits = GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP256R1) },
  { .pk = GNUTLS_PK_ECDSA, .bits = GNUTLS_CURVE_TO_BITS (GNUTLS_ECC_CURVE_SECP384R1) },
  { .pk = GNUTLS_PK_EDDSA_ED25519, .bits = 256 },
  { .pk = GNUTLS_PK_RSA, .bits = 3072 },
};

static void
assert_refused (const Succession *statement)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (succession_check (statement, &error));
  g_assert_error (error, EARSHOT_ERROR, EARSHOT_ERROR_NOT_TRUSTED);
}

static void
test_kinds_of_keys (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_auto (Succession) good = { .spki = NULL };
      Succession bent;

      make_statement (&kinds[i], &good);
      g_assert_cmpint (good.alg, ==, (SuccessionAlg) i);
      g_assert_true (succession_check (&good, NULL));
      /* For another heir, or from another to this one; or signed in another way than the key's own. */
      bent = good;
      bent.new_fp.bytes[31] ^= 1;
      assert_refused (&bent);
      bent = good;
      bent.old_fp.bytes[0] ^= 1;
      assert_refused (&bent);
      bent = good;
      bent.alg = (good.alg + 1) % SUCCESSION_N_ALGS;
      assert_refused (&bent);
    }
}

static void
test_forged (void)
{
  g_auto (Succession) victim = { .spki = NULL };
  g_auto (Succession) foe = { .spki = NULL };
  Succession forged;
  gsize n;
  const guint8 *signature;
  guint8 changed[SUCCESSION_SIGNATURE_MAX];

  make_statement (&kinds[0], &victim);
  make_statement (&kinds[0], &foe);
  /* The foe's signature over the victim's key, and the foe's key under the victim's hash. */
  forged = victim;
  forged.signature = foe.signature;
  assert_refused (&forged);
  forged = victim;
  forged.spki = foe.spki;
  forged.signature = foe.signature;
  assert_refused (&forged);
  signature = g_bytes_get_data (victim.signature, &n);
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GBytes) bytes = NULL;

      memcpy (changed, signature, n);
      changed[i] ^= 0x10;
      bytes = g_bytes_new (changed, n);
      forged = victim;
      forged.signature = bytes;
      assert_refused (&forged);
    }
}

static void
test_weak_keys (void)
{
  static const CertOrder weak[] = {
    { .pk = GNUTLS_PK_RSA, .bits = 2048 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (weak); i++)
    {
      g_auto (Succession) statement = { .spki = NULL };

      make_statement (&weak[i], &statement);
      assert_refused (&statement);
    }
}

/* Not a key at all. */
static void
test_garbage_key (void)
{
  g_autofree char *hash = g_compute_checksum_for_string (G_CHECKSUM_SHA256, "junk", 4);
  g_autofree char *heir = g_strnfill (64, '1');
  g_auto (Succession) statement = { .spki = NULL };

  g_assert_true (succession_from_words (hash, heir, "ecdsa-p256-sha256", "anVuaw==", "anVuaw==", &statement));
  assert_refused (&statement);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rotation/one-key-then-another", test_rotates);
  g_test_add_func ("/rotation/old-key-is-overwritten", test_old_key_is_gone);
  g_test_add_func ("/rotation/backup-by-hard-link-stays", test_backup_by_hard_link_stays);
  g_test_add_func ("/rotation/killed/before-the-statement", test_killed_before_the_statement);
  g_test_add_func ("/rotation/killed/before-the-second-statement", test_killed_before_the_second_statement);
  g_test_add_func ("/rotation/killed/before-the-switch", test_killed_before_the_switch);
  g_test_add_func ("/rotation/killed/before-the-certificate", test_killed_before_the_certificate);
  g_test_add_func ("/rotation/killed/while-writing", test_killed_while_writing);
  g_test_add_func ("/rotation/doctored-statement", test_doctored_statement);
  g_test_add_func ("/rotation/no-room-on-disk", test_no_room);
  g_test_add_func ("/rotation/T-13-each-kind-of-key", test_kinds_of_keys);
  g_test_add_func ("/rotation/T-13-forged", test_forged);
  g_test_add_func ("/rotation/T-13-weak-keys", test_weak_keys);
  g_test_add_func ("/rotation/T-13-garbage-for-a-key", test_garbage_key);
  return g_test_run ();
}
