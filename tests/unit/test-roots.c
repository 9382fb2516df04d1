/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A site's certification authority, its people, and those who would like to pass for them: each chain breaks one rule.
 */
#include "earshot-config.h"

#include <gnutls/x509-ext.h>
#include <sys/stat.h>

#include "daemon/io/certificate.h"
#include "daemon/io/roots.h"
#include "tests/unit/test-certs.h"

#define ADDR "juliet@pronto"
#define DAY 86400

typedef struct {
  gnutls_x509_privkey_t key;
  gnutls_x509_crt_t crt;
} Holder;

typedef struct {
  const char *cn;           /* NULL: "juliet" */
  gboolean ca;
  int pathlen;              /* with ca; 0 = none given, n = n - 1 */
  guint usage;              /* 0: what is usual */
  const char *purposes[3];  /* NULL: both */
  gboolean no_purposes;
  const char *addrs[4];     /* NULL: ADDR, unless ca */
  gint64 from, until;       /* days from now; 0, 0 = yesterday until in a year */
  const char *nc_email;     /* name constraints: permitted */
  gboolean nc_other;        /* … a critical one for otherName */
  gnutls_digest_algorithm_t hash;
  guint8 serial;
  int kind;                 /* 0 = P-256, else RSA bits */
} Form;

static guint8 next_serial;

static void
fill (Holder *holder, const Form *form)
{
  const char *cn = form->cn != NULL ? form->cn : "juliet";
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;
  guint8 serial = form->serial != 0 ? form->serial : ++next_serial;

  g_assert_cmpint (gnutls_x509_crt_init (&holder->crt), ==, 0);
  gnutls_x509_crt_set_version (holder->crt, 3);
  gnutls_x509_crt_set_serial (holder->crt, &serial, 1);
  gnutls_x509_crt_set_dn_by_oid (holder->crt, GNUTLS_OID_X520_COMMON_NAME, 0, cn, strlen (cn));
  gnutls_x509_crt_set_activation_time (holder->crt, now + (form->from != 0 ? form->from : -1) * DAY);
  gnutls_x509_crt_set_expiration_time (holder->crt, now + (form->until != 0 ? form->until : 365) * DAY);
  gnutls_x509_crt_set_key (holder->crt, holder->key);
  gnutls_x509_crt_set_basic_constraints (holder->crt, form->ca, form->pathlen - 1);
  gnutls_x509_crt_set_key_usage (holder->crt, form->usage != 0 ? form->usage
                                              : form->ca       ? GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN
                                                               : GNUTLS_KEY_DIGITAL_SIGNATURE);
  for (guint i = 0; form->purposes[i] != NULL; i++)
    gnutls_x509_crt_set_key_purpose_oid (holder->crt, form->purposes[i], 0);
  if (form->purposes[0] == NULL && !form->ca && !form->no_purposes)
    {
      gnutls_x509_crt_set_key_purpose_oid (holder->crt, GNUTLS_KP_TLS_WWW_CLIENT, 0);
      gnutls_x509_crt_set_key_purpose_oid (holder->crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
    }
  for (guint i = 0; i == 0 || form->addrs[i] != NULL; i++)
    {
      const char *addr = form->addrs[i] != NULL ? form->addrs[i] : ADDR;

      if (!form->ca)
        g_assert_cmpint (gnutls_x509_crt_set_subject_alt_othername (holder->crt, TEST_OID_XMPP_ADDR, addr, strlen (addr),
                                                                    GNUTLS_FSAN_APPEND | GNUTLS_FSAN_ENCODE_UTF8_STRING),
                         ==, 0);
    }
  if (form->nc_email != NULL)
    {
      gnutls_x509_name_constraints_t nc;
      gnutls_datum_t name = { (guchar *) form->nc_email, strlen (form->nc_email) };

      gnutls_x509_name_constraints_init (&nc);
      g_assert_cmpint (gnutls_x509_name_constraints_add_permitted (nc, GNUTLS_SAN_RFC822NAME, &name), ==, 0);
      g_assert_cmpint (gnutls_x509_crt_set_name_constraints (holder->crt, nc, 1), ==, 0);
      gnutls_x509_name_constraints_deinit (nc);
    }
  if (form->nc_other)
    {
      /* permittedSubtrees { otherName { id-on-xmppAddr, UTF8String "x@y" } } */
      static const guint8 der[] = "\x30\x17\xa0\x15\x30\x13\xa0\x11\x06\x08\x2b\x06\x01\x05\x05\x07\x08\x05\xa0\x05\x0c\x03x@y";

      g_assert_cmpint (gnutls_x509_crt_set_extension_by_oid (holder->crt, "2.5.29.30", der, sizeof der - 1, 1), ==, 0);
    }
}

static Holder
issue (const Holder *issuer, const Form *form)
{
  Holder holder;
  CertOrder ec = { ORDER_P256 }, rsa = { .pk = GNUTLS_PK_RSA, .bits = (guint) form->kind };

  holder.key = make_key (form->kind == 0 ? &ec : &rsa);
  fill (&holder, form);
  g_assert_cmpint (gnutls_x509_crt_sign2 (holder.crt, issuer != NULL ? issuer->crt : holder.crt,
                                          issuer != NULL ? issuer->key : holder.key,
                                          form->hash != 0 ? form->hash : GNUTLS_DIG_SHA256, 0),
                   ==, 0);
  return holder;
}

static void
holder_clear (Holder *holder)
{
  gnutls_x509_crt_deinit (holder->crt);
  gnutls_x509_privkey_deinit (holder->key);
}

/* --- files and what is reported --------------------------------------------------------- */

typedef struct {
  char *dir, *root_path, *crl_path;
  Holder root;
  Roots *roots;
  guint changes;
  GHashTable *warnings;
  GBytes *der[16];
  gnutls_datum_t chain[16];
  guint n;
} Site;

static void
on_changed (gpointer user)
{
  ((Site *) user)->changes++;
}

static void
on_warning (gpointer user, const char *key, const char *text)
{
  Site *site = user;

  if (text != NULL)
    g_hash_table_replace (site->warnings, g_strdup (key), g_strdup (text));
  else
    g_hash_table_remove (site->warnings, key);
}

static void
put (const char *path, const char *text, gsize len, gboolean append)
{
  g_autofree char *old = NULL, *tmp = g_strconcat (path, ".new", NULL);
  g_autoptr (GString) all = g_string_new (NULL);

  if (append && g_file_get_contents (path, &old, NULL, NULL))
    g_string_append (all, old);
  g_string_append_len (all, text, (gssize) len);
  g_assert_true (g_file_set_contents_full (tmp, all->str, (gssize) all->len, G_FILE_SET_CONTENTS_NONE, 0644, NULL));
  g_assert_no_errno (g_rename (tmp, path));
}

static void
put_cert (const char *path, const Holder *holder, gboolean append)
{
  gnutls_datum_t pem;

  g_assert_cmpint (gnutls_x509_crt_export2 (holder->crt, GNUTLS_X509_FMT_PEM, &pem), ==, 0);
  put (path, (const char *) pem.data, pem.size, append);
  gnutls_free (pem.data);
}

static void
put_crl (const char *path, const Holder *issuer, const Holder *revoked, gint64 from, gint64 until, gboolean append)
{
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;
  gnutls_x509_crl_t crl;
  gnutls_datum_t pem;

  gnutls_x509_crl_init (&crl);
  gnutls_x509_crl_set_version (crl, 2);
  gnutls_x509_crl_set_this_update (crl, now + from);
  gnutls_x509_crl_set_next_update (crl, now + until);
  gnutls_x509_crl_set_number (crl, "\x01", 1);
  if (revoked != NULL)
    gnutls_x509_crl_set_crt (crl, revoked->crt, now - 5);
  g_assert_cmpint (gnutls_x509_crl_sign2 (crl, issuer->crt, issuer->key, GNUTLS_DIG_SHA256, 0), ==, 0);
  g_assert_cmpint (gnutls_x509_crl_export2 (crl, GNUTLS_X509_FMT_PEM, &pem), ==, 0);
  put (path, (const char *) pem.data, pem.size, append);
  gnutls_free (pem.data);
  gnutls_x509_crl_deinit (crl);
}

static void
open_roots (Site *site, gboolean with_crl)
{
  static const RootsCallbacks callbacks = { on_changed, on_warning };
  char *roots[] = { site->root_path, NULL }, *crls[] = { site->crl_path, NULL };

  site->roots = roots_new (roots, with_crl ? crls : NULL, &callbacks, site);
}

static void
site_open (Site *site, gconstpointer unused)
{
  site->dir = make_dir ();
  site->root_path = g_build_filename (site->dir, "site.crt", NULL);
  site->crl_path = g_build_filename (site->dir, "site.crl", NULL);
  site->warnings = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  site->root = issue (NULL, &(Form){ .cn = "Site", .ca = TRUE });
  put_cert (site->root_path, &site->root, FALSE);
}

static void
forget_chain (Site *site)
{
  for (guint i = 0; i < site->n; i++)
    g_bytes_unref (site->der[i]);
  site->n = 0;
}

static void
site_close (Site *site, gconstpointer unused)
{
  roots_free (site->roots);
  forget_chain (site);
  holder_clear (&site->root);
  g_hash_table_unref (site->warnings);
  g_free (site->root_path);
  g_free (site->crl_path);
  remove_dir (site->dir);
}

/* --- judging --------------------------------------------------------------------------------- */

static void
show_one (Site *site, const Holder *holder)
{
  gnutls_datum_t der;

  g_assert_cmpint (gnutls_x509_crt_export2 (holder->crt, GNUTLS_X509_FMT_DER, &der), ==, 0);
  site->der[site->n] = g_bytes_new (der.data, der.size);
  gnutls_free (der.data);
  site->chain[site->n].data = (guchar *) g_bytes_get_data (site->der[site->n], NULL);
  site->chain[site->n].size = g_bytes_get_size (site->der[site->n]);
  site->n++;
}

static RootsVerdict
judge_as (Site *site, const char *addr, const Holder *first, const Holder *second, const Holder *third)
{
  const Holder *shown[] = { first, second, third };

  forget_chain (site);
  for (guint i = 0; i < 3; i++)
    if (shown[i] != NULL)
      show_one (site, shown[i]);
  return roots_judge (site->roots, site->chain, site->n, addr);
}

#define expect(site, word_, ...)                                       \
  G_STMT_START                                                          \
  {                                                                     \
    RootsVerdict verdict_ = judge_as (site, ADDR, __VA_ARGS__);         \
    g_assert_cmpstr (verdict_.word, ==, word_);                         \
    g_assert_cmpint (verdict_.valid, ==, verdict_.word == NULL);        \
    g_assert_cmpint (verdict_.expired, ==, g_strcmp0 (verdict_.word, "chain-expired") == 0); \
    g_assert_cmpint (verdict_.revoked, ==, g_strcmp0 (verdict_.word, "chain-revoked") == 0); \
  }                                                                     \
  G_STMT_END

/* What the site's root issued, one rule broken in each. */
static void
test_person (Site *site, gconstpointer unused)
{
  static const struct { Form form; const char *word; } people[] = {
    { { .cn = NULL }, NULL },
    { { .no_purposes = TRUE }, NULL }, /* RFC 5280 section 4.2.1.12: no extension, no restriction */
    { { .addrs = { "someone@else", "JULIET@Pronto" } }, NULL },
    { { .addrs = { "romeo@forza" } }, "chain-other-name" },
    { { .addrs = { "juliet@pronto.example.org" } }, "chain-other-name" },
    { { .addrs = { "pronto" } }, "chain-other-name" },
    { { .from = -20, .until = -1 }, "chain-expired" },
    { { .from = 1 }, "chain-expired" },
    { { .purposes = { GNUTLS_KP_TLS_WWW_SERVER } }, "chain-purpose" },
    { { .purposes = { GNUTLS_KP_TLS_WWW_CLIENT } }, "chain-purpose" },
    { { .purposes = { GNUTLS_KP_EMAIL_PROTECTION } }, "chain-purpose" },
    { { .purposes = { GNUTLS_KP_TLS_WWW_CLIENT, GNUTLS_KP_TLS_WWW_SERVER } }, NULL },
    { { .ca = TRUE }, "chain-purpose" },
    { { .usage = GNUTLS_KEY_KEY_ENCIPHERMENT }, "chain-purpose" },
    { { .kind = 2048 }, "chain-broken" },
    { { .hash = GNUTLS_DIG_SHA1 }, "chain-broken" },
  };

  open_roots (site, FALSE);
  g_assert_cmpuint (g_hash_table_size (site->warnings), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (people); i++)
    {
      Holder person = issue (&site->root, &people[i].form);

      g_test_message ("person %u", i);
      expect (site, people[i].word, &person, NULL, NULL);
      /* With the root behind it, as some send it, it is the same. */
      expect (site, people[i].word, &person, &site->root, NULL);
      holder_clear (&person);
    }
}

static void
test_strangers (Site *site, gconstpointer unused)
{
  Holder other = issue (NULL, &(Form){ .cn = "Other", .ca = TRUE });
  /* The root's own name, not its key. */
  Holder twin = issue (NULL, &(Form){ .cn = "Site", .ca = TRUE });
  Holder of_other = issue (&other, &(Form){ 0 }), of_twin = issue (&twin, &(Form){ 0 }), own = issue (NULL, &(Form){ 0 });
  Holder juliet = issue (&site->root, &(Form){ 0 });

  open_roots (site, FALSE);
  expect (site, "chain-unknown-root", &of_other, NULL, NULL);
  expect (site, "chain-unknown-root", &of_other, &other, NULL);
  expect (site, "chain-unknown-root", &of_other, &site->root, NULL);
  expect (site, "chain-unknown-root", &of_other, &juliet, NULL);
  expect (site, "chain-unknown-root", &own, NULL, NULL);
  g_assert_false (judge_as (site, ADDR, &of_twin, NULL, NULL).valid);
  g_assert_false (judge_as (site, ADDR, &of_twin, &twin, NULL).valid);
  g_assert_false (judge_as (site, ADDR, &of_twin, &twin, &site->root).valid);
  /* The root itself is nobody. */
  g_assert_false (judge_as (site, ADDR, &site->root, NULL, NULL).valid);
  g_assert_false (judge_as (site, NULL, &site->root, NULL, NULL).valid);
  expect (site, NULL, &juliet, NULL, NULL);
  g_assert_true (judge_as (site, NULL, &juliet, NULL, NULL).valid);
  holder_clear (&other);
  holder_clear (&twin);
  holder_clear (&of_other);
  holder_clear (&of_twin);
  holder_clear (&own);
  holder_clear (&juliet);
}

/* People below an issuer below the root. */
static void
test_issuers (Site *site, gconstpointer unused)
{
  static const struct { Form form; const char *word; } issuers[] = {
    { { .cn = "Branch", .ca = TRUE }, NULL },
    { { .cn = "Branch", .ca = TRUE, .pathlen = 1 }, NULL },
    { { .cn = "Branch" }, "chain-broken" }, /* a person who signs */
    { { .cn = "Branch", .ca = TRUE, .usage = GNUTLS_KEY_DIGITAL_SIGNATURE }, "chain-broken" },
    { { .cn = "Branch", .ca = TRUE, .from = -20, .until = -1 }, "chain-expired" },
    { { .cn = "Branch", .ca = TRUE, .purposes = { GNUTLS_KP_TLS_WWW_SERVER } }, "chain-purpose" },
    { { .cn = "Branch", .ca = TRUE, .kind = 2048 }, "chain-broken" },
    /* GnuTLS knows no constraints on xmppAddr: what it can not check it refuses. */
    { { .cn = "Branch", .ca = TRUE, .nc_other = TRUE }, "chain-broken" },
    /* They are about other kinds of names, and juliet has none of those. */
    { { .cn = "Branch", .ca = TRUE, .nc_email = "example.org" }, NULL },
  };

  open_roots (site, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (issuers); i++)
    {
      Holder branch = issue (&site->root, &issuers[i].form), person = issue (&branch, &(Form){ 0 });

      g_test_message ("issuer %u", i);
      expect (site, issuers[i].word, &person, &branch, NULL);
      expect (site, issuers[i].word, &person, &site->root, &branch); /* in any order (RFC 8446 section 4.4.2) */
      g_assert_false (judge_as (site, ADDR, &person, NULL, NULL).valid);
      g_assert_false (judge_as (site, ADDR, &person, &site->root, NULL).valid);
      holder_clear (&branch);
      holder_clear (&person);
    }
}

static void
test_path_length (Site *site, gconstpointer unused)
{
  Holder branch = issue (&site->root, &(Form){ .cn = "Branch", .ca = TRUE, .pathlen = 1 });
  Holder twig = issue (&branch, &(Form){ .cn = "Twig", .ca = TRUE }), person = issue (&twig, &(Form){ 0 });

  open_roots (site, FALSE);
  expect (site, "chain-broken", &person, &twig, &branch);
  holder_clear (&branch);
  holder_clear (&twig);
  holder_clear (&person);
}

static void
test_bounds (Site *site, gconstpointer unused)
{
  Holder above = { NULL, NULL }, holders[10];
  gint64 start;

  open_roots (site, FALSE);
  /* One certificate too many, all of them good, is not looked at. */
  for (guint i = 0; i < 9; i++)
    {
      g_autofree char *cn = g_strdup_printf ("Issuer %u", i);

      holders[i] = issue (i == 0 ? &site->root : &holders[i - 1], &(Form){ .cn = cn, .ca = TRUE });
    }
  holders[9] = issue (&holders[8], &(Form){ 0 });
  above = issue (&holders[6], &(Form){ 0 });
  forget_chain (site);
  for (guint i = 0; i < 10; i++)
    show_one (site, &holders[9 - i]);
  g_assert_cmpstr (roots_judge (site->roots, site->chain, 10, ADDR).word, ==, "chain-broken");
  forget_chain (site);
  show_one (site, &above);
  for (guint i = 0; i < 7; i++)
    show_one (site, &holders[6 - i]);
  g_assert_cmpuint (site->n, ==, 8);
  g_assert_true (roots_judge (site->roots, site->chain, 8, ADDR).valid);
  /* The same certificate over and over, and nothing at all. */
  forget_chain (site);
  for (guint i = 0; i < 8; i++)
    show_one (site, &above);
  start = g_get_monotonic_time ();
  g_assert_false (roots_judge (site->roots, site->chain, 8, ADDR).valid);
  g_test_message ("eight of the same: %" G_GINT64_FORMAT " us", g_get_monotonic_time () - start);
  g_assert_cmpstr (roots_judge (site->roots, site->chain, 0, ADDR).word, ==, "chain-broken");
  g_assert_cmpstr (roots_judge (site->roots, NULL, 0, ADDR).word, ==, "chain-broken");
  site->chain[0].size /= 2;
  g_assert_cmpstr (roots_judge (site->roots, site->chain, 1, ADDR).word, ==, "chain-broken");
  for (guint i = 0; i < 10; i++)
    holder_clear (&holders[i]);
  holder_clear (&above);
}

/* --- revocation -------------------------------------------------------------------------------- */

static void
test_revoked (Site *site, gconstpointer unused)
{
  Holder juliet = issue (&site->root, &(Form){ 0 }), romeo = issue (&site->root, &(Form){ 0 });
  Holder twin = issue (NULL, &(Form){ .cn = "Site", .ca = TRUE });
  Holder mute = issue (NULL, &(Form){ .cn = "Mute", .ca = TRUE, .usage = GNUTLS_KEY_KEY_CERT_SIGN });
  Holder of_mute = issue (&mute, &(Form){ 0 });

  put_crl (site->crl_path, &site->root, &romeo, -60, DAY, FALSE);
  open_roots (site, TRUE);
  g_assert_cmpuint (g_hash_table_size (site->warnings), ==, 0);
  expect (site, NULL, &juliet, NULL, NULL);
  expect (site, "chain-revoked", &romeo, NULL, NULL);
  expect (site, "chain-revoked", &romeo, &site->root, NULL);

  /* A list that nobody signed but a namesake says nothing, and then nobody is good. */
  put_crl (site->crl_path, &twin, &juliet, -60, DAY, FALSE);
  roots_reload (site->roots);
  expect (site, "chain-no-crl", &juliet, NULL, NULL);
  expect (site, "chain-no-crl", &romeo, NULL, NULL);
  /* Beside the right one it changes nothing. */
  put_crl (site->crl_path, &site->root, &romeo, -60, DAY, TRUE);
  roots_reload (site->roots);
  expect (site, NULL, &juliet, NULL, NULL);
  expect (site, "chain-revoked", &romeo, NULL, NULL);

  /* Stale: whom it revoked stays so, the others are in doubt, and people are told. */
  put_crl (site->crl_path, &site->root, &romeo, -2 * DAY, -DAY, FALSE);
  roots_reload (site->roots);
  expect (site, "chain-no-crl", &juliet, NULL, NULL);
  expect (site, "chain-revoked", &romeo, NULL, NULL);
  g_assert_nonnull (g_hash_table_lookup (site->warnings, "trust-crls"));
  g_assert_nonnull (strstr (g_hash_table_lookup (site->warnings, "trust-crls"), site->crl_path));
  put_crl (site->crl_path, &site->root, NULL, -60, DAY, FALSE);
  roots_reload (site->roots);
  g_assert_null (g_hash_table_lookup (site->warnings, "trust-crls"));
  expect (site, NULL, &romeo, NULL, NULL);

  /* Stale, and a namesake's: it does not even revoke. */
  put_crl (site->crl_path, &twin, &romeo, -2 * DAY, -DAY, FALSE);
  roots_reload (site->roots);
  expect (site, "chain-no-crl", &romeo, NULL, NULL);

  /* Not yet in force; no list at all; damaged. */
  put_crl (site->crl_path, &site->root, NULL, DAY, 2 * DAY, FALSE);
  roots_reload (site->roots);
  expect (site, "chain-no-crl", &juliet, NULL, NULL);
  g_assert_no_errno (g_unlink (site->crl_path));
  roots_reload (site->roots);
  expect (site, "chain-no-crl", &juliet, NULL, NULL);
  put (site->crl_path, "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", 53, FALSE);
  roots_reload (site->roots);
  expect (site, "chain-no-crl", &juliet, NULL, NULL);
  g_assert_nonnull (g_hash_table_lookup (site->warnings, "trust-crls"));

  /* An issuer that may not sign lists. */
  put_cert (site->root_path, &mute, TRUE);
  put_crl (site->crl_path, &mute, NULL, -60, DAY, FALSE);
  roots_reload (site->roots);
  expect (site, "chain-no-crl", &of_mute, NULL, NULL);
  holder_clear (&juliet);
  holder_clear (&romeo);
  holder_clear (&twin);
  holder_clear (&mute);
  holder_clear (&of_mute);
}

static void
test_revoked_below (Site *site, gconstpointer unused)
{
  Holder branch = issue (&site->root, &(Form){ .cn = "Branch", .ca = TRUE });
  Holder twin = issue (NULL, &(Form){ .cn = "Branch", .ca = TRUE });
  Holder juliet = issue (&branch, &(Form){ 0 }), romeo = issue (&branch, &(Form){ 0 });

  put_crl (site->crl_path, &site->root, NULL, -60, DAY, FALSE);
  open_roots (site, TRUE);
  expect (site, "chain-no-crl", &juliet, &branch, NULL); /* nobody speaks for the branch */
  put_crl (site->crl_path, &branch, &romeo, -60, DAY, TRUE);
  roots_reload (site->roots);
  expect (site, NULL, &juliet, &branch, NULL);
  expect (site, "chain-revoked", &romeo, &branch, NULL);
  /* A namesake put in between does not hide it. */
  g_assert_false (judge_as (site, ADDR, &romeo, &twin, &branch).valid);
  g_assert_false (judge_as (site, ADDR, &romeo, &branch, &twin).valid);
  /* The branch itself. */
  put_crl (site->crl_path, &site->root, &branch, -60, DAY, FALSE);
  put_crl (site->crl_path, &branch, NULL, -60, DAY, TRUE);
  roots_reload (site->roots);
  expect (site, "chain-revoked", &juliet, &branch, NULL);
  expect (site, "chain-revoked", &romeo, &branch, NULL);
  holder_clear (&branch);
  holder_clear (&twin);
  holder_clear (&juliet);
  holder_clear (&romeo);
}

/* A list as long as it may be costs a lookup, not a walk. */
static void
test_long_list (Site *site, gconstpointer unused)
{
  gint64 now = g_get_real_time () / G_USEC_PER_SEC, start, asked;
  Holder juliet = issue (&site->root, &(Form){ .serial = 0x11 });
  gnutls_x509_crl_t crl;
  gnutls_datum_t pem;
  guint judged = 0;

  gnutls_x509_crl_init (&crl);
  gnutls_x509_crl_set_version (crl, 2);
  gnutls_x509_crl_set_this_update (crl, now - 60);
  gnutls_x509_crl_set_next_update (crl, now + DAY);
  for (guint i = 0; i < 3000; i++)
    {
      guint32 serial = GUINT32_TO_BE (0x40000000 + i);

      g_assert_cmpint (gnutls_x509_crl_set_crt_serial (crl, &serial, sizeof serial, now - 5), ==, 0);
    }
  g_assert_cmpint (gnutls_x509_crl_sign2 (crl, site->root.crt, site->root.key, GNUTLS_DIG_SHA256, 0), ==, 0);
  g_assert_cmpint (gnutls_x509_crl_export2 (crl, GNUTLS_X509_FMT_PEM, &pem), ==, 0);
  put (site->crl_path, (const char *) pem.data, pem.size, FALSE);
  start = g_get_monotonic_time ();
  open_roots (site, TRUE);
  g_test_message ("%u bytes read in %" G_GINT64_FORMAT " ms", pem.size, (g_get_monotonic_time () - start) / 1000);
  expect (site, NULL, &juliet, NULL, NULL);
  start = g_get_monotonic_time ();
  for (; judged < 100; judged++)
    g_assert_true (judge_as (site, ADDR, &juliet, NULL, NULL).valid);
  asked = g_get_monotonic_time () - start;
  g_test_message ("a judgement: %" G_GINT64_FORMAT " us", asked / judged);
  gnutls_free (pem.data);
  gnutls_x509_crl_deinit (crl);
  holder_clear (&juliet);
}

/* --- files --------------------------------------------------------------------------------------- */

static void
test_bad_files (Site *site, gconstpointer unused)
{
  Holder person = issue (&site->root, &(Form){ 0 });
  Holder weak = issue (NULL, &(Form){ .cn = "Weak", .ca = TRUE, .kind = 2048 });
  Holder no_ca = issue (NULL, &(Form){ .cn = "Nobody" });
  Holder no_sign = issue (NULL, &(Form){ .cn = "Mute", .ca = TRUE, .usage = GNUTLS_KEY_CRL_SIGN });
  const Holder *bad[] = { &weak, &no_ca, &no_sign };
  const char *warning;

  open_roots (site, FALSE);
  g_assert_nonnull (roots_list (site->roots)[0]);
  g_assert_true (g_str_has_suffix (roots_list (site->roots)[0], " CN=Site"));
  g_assert_null (roots_list (site->roots)[1]);
  expect (site, NULL, &person, NULL, NULL);
  /* A good root beside a bad one does not count either: somebody made a mistake in that file. */
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      put_cert (site->root_path, &site->root, FALSE);
      put_cert (site->root_path, bad[i], TRUE);
      roots_reload (site->roots);
      expect (site, "chain-unknown-root", &person, NULL, NULL);
      warning = g_hash_table_lookup (site->warnings, "trust-roots");
      g_assert_nonnull (warning);
      g_assert_nonnull (strstr (warning, site->root_path));
      g_assert_null (roots_list (site->roots)[0]);
    }
  put_cert (site->root_path, &site->root, FALSE);
  g_assert_no_errno (g_chmod (site->root_path, 0666));
  roots_reload (site->roots);
  expect (site, "chain-unknown-root", &person, NULL, NULL);
  g_assert_nonnull (strstr (g_hash_table_lookup (site->warnings, "trust-roots"), "chmod go-w"));
  g_assert_no_errno (g_unlink (site->root_path));
  g_assert_no_errno (mkfifo (site->root_path, 0600));
  roots_reload (site->roots);
  expect (site, "chain-unknown-root", &person, NULL, NULL);
  g_assert_no_errno (g_unlink (site->root_path));
  put_cert (site->root_path, &site->root, FALSE);
  g_assert_cmpuint (site->changes, >=, 5);
  roots_reload (site->roots);
  g_assert_cmpuint (g_hash_table_size (site->warnings), ==, 0);
  expect (site, NULL, &person, NULL, NULL);
  holder_clear (&person);
  holder_clear (&weak);
  holder_clear (&no_ca);
  holder_clear (&no_sign);
}

/* Without being told, and without looking again and again: the kernel says so. */
static void
test_files_are_watched (Site *site, gconstpointer unused)
{
  Holder person = issue (&site->root, &(Form){ 0 }), other = issue (NULL, &(Form){ .cn = "Other", .ca = TRUE });

  put_crl (site->crl_path, &site->root, NULL, -60, DAY, FALSE);
  open_roots (site, TRUE);
  expect (site, NULL, &person, NULL, NULL);
  put_crl (site->crl_path, &site->root, &person, -60, DAY, FALSE); /* put in its place */
  while (site->changes == 0)
    g_main_context_iteration (NULL, TRUE);
  expect (site, "chain-revoked", &person, NULL, NULL);
  site->changes = 0;
  g_assert_no_errno (g_unlink (site->root_path));
  while (site->changes == 0)
    g_main_context_iteration (NULL, TRUE);
  expect (site, "chain-unknown-root", &person, NULL, NULL);
  site->changes = 0;
  put_cert (site->root_path, &other, FALSE);
  while (site->changes == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (g_str_has_suffix (roots_list (site->roots)[0], "CN=Other"));
  holder_clear (&person);
  holder_clear (&other);
}

static void
test_root_dates (Site *site, gconstpointer unused)
{
  Holder old = issue (NULL, &(Form){ .cn = "Old", .ca = TRUE, .from = -20, .until = -1 });
  Holder young = issue (NULL, &(Form){ .cn = "Young", .ca = TRUE, .from = 1 });
  Holder of_old = issue (&old, &(Form){ 0 }), of_young = issue (&young, &(Form){ 0 });

  put_cert (site->root_path, &old, TRUE);
  put_cert (site->root_path, &young, TRUE);
  open_roots (site, FALSE);
  expect (site, "chain-expired", &of_old, NULL, NULL);
  expect (site, "chain-expired", &of_young, NULL, NULL);
  holder_clear (&old);
  holder_clear (&young);
  holder_clear (&of_old);
  holder_clear (&of_young);
}

#define SITE_TEST(path, func) g_test_add (path, Site, NULL, site_open, func, site_close)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  /* Damaged files are warned about, which is no reason to end here. */
  g_log_set_always_fatal (G_LOG_FATAL_MASK);
  SITE_TEST ("/roots/T-06-a-persons-certificate", test_person);
  SITE_TEST ("/roots/T-06-strangers-and-namesakes", test_strangers);
  SITE_TEST ("/roots/T-06-issuers-below-the-root", test_issuers);
  SITE_TEST ("/roots/T-06-path-length", test_path_length);
  SITE_TEST ("/roots/T-06-root-dates", test_root_dates);
  SITE_TEST ("/roots/T-06-revoked-or-in-doubt", test_revoked);
  SITE_TEST ("/roots/T-06-revoked-below-the-root", test_revoked_below);
  SITE_TEST ("/roots/long-list", test_long_list);
  SITE_TEST ("/roots/X-01-bounds-of-a-chain", test_bounds);
  SITE_TEST ("/roots/bad-files-prove-nothing", test_bad_files);
  SITE_TEST ("/roots/files-are-watched", test_files_are_watched);
  return g_test_run ();
}
