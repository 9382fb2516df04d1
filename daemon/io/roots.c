/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/roots.h"

#include <gio/gio.h>
#include <string.h>

#include <gnutls/x509.h>

#include "daemon/base/error.h"
#include "daemon/base/fingerprint.h"
#include "daemon/base/fsutil.h"
#include "daemon/base/jid.h"
#include "daemon/base/log.h"
#include "daemon/io/certificate.h"
#include "daemon/io/crls.h"

#define FILE_MAX (256 * 1024)
#define ANCHORS_MAX 64
#define SETTLE_MS 250               /* files are changed one after the other */
#define LOOK_AGAIN_S (20 * 24 * 3600) /* at the latest, where a date is far away */

struct _Roots {
  char **root_files, **crl_files;
  RootsCallbacks callbacks;
  gpointer user;
  gnutls_x509_trust_list_t list;
  GPtrArray *names;    /* char *, and a NULL */
  gint64 next_date;    /* of a root, seconds */
  Crls *crls;          /* NULL: no file is configured, nobody asks */
  GPtrArray *monitors; /* GFileMonitor */
  guint settle_source, date_source;
};

G_DEFINE_AUTO_CLEANUP_FREE_FUNC (gnutls_x509_crt_t, gnutls_x509_crt_deinit, NULL)

static gint64
now_s (void)
{
  return g_get_real_time () / G_USEC_PER_SEC;
}

/* --- reading the roots --------------------------------------------------------------- */

/* May it sign certificates, by its own word? NULL, or why not. */
static const char *
why_no_issuer (gnutls_x509_crt_t crt)
{
  guint ca = 0, usage = 0, critical = 0;
  int pathlen;

  if (gnutls_x509_crt_get_basic_constraints (crt, &critical, &ca, &pathlen) < 0 || !ca)
    return "is not an issuer's (CA:TRUE is missing)";
  if (gnutls_x509_crt_get_key_usage (crt, &usage, &critical) >= 0 && (usage & GNUTLS_KEY_KEY_CERT_SIGN) == 0)
    return "may not sign certificates (keyUsage)";
  return NULL;
}

static char *
describe (gnutls_x509_crt_t crt)
{
  gnutls_datum_t dn = { NULL, 0 };
  g_autofree char *hex = NULL;
  g_autofree char *name = NULL;
  Fingerprint fp = { { 0 } };

  certificate_get_fingerprint (crt, &fp);
  hex = fingerprint_to_hex (&fp);
  if (gnutls_x509_crt_get_dn3 (crt, &dn, 0) >= 0)
    name = log_safe ((const char *) dn.data);
  gnutls_free (dn.data);
  return g_strdup_printf ("%s %s", hex, name != NULL ? name : "");
}

static gboolean
check_anchors (const char *path, const gnutls_x509_crt_t *crts, guint n, GError **error)
{
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (GError) weak = NULL;
      const char *why = why_no_issuer (crts[i]);

      if (why == NULL && certificate_check_strength (crts[i], &weak))
        continue;
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s: certificate %u %s%s", path, i + 1,
                   why != NULL ? "" : "is too weak: ", why != NULL ? why : weak->message);
      return FALSE;
    }
  return TRUE;
}

static void
note_dates (Roots *roots, gnutls_x509_crt_t crt)
{
  gint64 from = gnutls_x509_crt_get_activation_time (crt), until = gnutls_x509_crt_get_expiration_time (crt);

  if (from > now_s ())
    roots->next_date = MIN (roots->next_date, from);
  if (until >= now_s ())
    roots->next_date = MIN (roots->next_date, until + 1);
}

static gboolean
load_anchors (Roots *roots, const char *path, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  gnutls_x509_crt_t crts[ANCHORS_MAX];
  gnutls_datum_t pem;
  guint n = ANCHORS_MAX;
  gboolean ok = FALSE;
  gsize len;

  if (!fs_read_shared (path, FILE_MAX, &bytes, error))
    return FALSE;
  pem.data = (guchar *) g_bytes_get_data (bytes, &len);
  pem.size = (guint) len;
  if (gnutls_x509_crt_list_import (crts, &n, &pem, GNUTLS_X509_FMT_PEM, GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED) < 0)
    n = 0;
  if (n == 0 || n + roots->names->len > ANCHORS_MAX)
    g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s %s", path,
                 n == 0 ? "holds no certificates in PEM, or too many" : "has more roots than can be kept (64 in all)");
  else
    ok = check_anchors (path, crts, n, error);
  for (guint i = 0; i < n; i++)
    {
      if (!ok)
        {
          gnutls_x509_crt_deinit (crts[i]);
          continue;
        }
      note_dates (roots, crts[i]);
      g_ptr_array_add (roots->names, describe (crts[i]));
      gnutls_x509_trust_list_add_cas (roots->list, &crts[i], 1, GNUTLS_TL_NO_DUPLICATES); /* takes it */
    }
  return ok;
}

/* --- keeping them ---------------------------------------------------------------------- */

static void
add_line (GString *text, const char *line)
{
  g_string_append_printf (text, "%s%s", text->len > 0 ? "; " : "", line);
}

static void
warn (Roots *roots, const char *key, GString *text, const char *consequence)
{
  if (text->len > 0)
    {
      add_line (text, consequence);
      log_warn ("roots", "%s", text->str);
    }
  roots->callbacks.warning (roots->user, key, text->len > 0 ? text->str : NULL);
}

static void
warn_about_lists (Roots *roots, GString *text)
{
  g_autoptr (GPtrArray) lapsed = roots->crls != NULL ? crls_list_lapsed (roots->crls, now_s ()) : NULL;

  for (guint i = 0; lapsed != NULL && i < lapsed->len; i++)
    {
      g_autofree char *line = g_strdup_printf ("%s is out of date: its issuer must make a new one",
                                               (char *) g_ptr_array_index (lapsed, i));

      add_line (text, line);
    }
  warn (roots, "trust-crls", text, "whoever depends on it is refused in trust mode ca");
}

static void load (Roots *roots);

static gboolean
on_date (gpointer user)
{
  Roots *roots = user;

  roots->date_source = 0;
  roots_reload (roots);
  return G_SOURCE_REMOVE;
}

static void
await_next_date (Roots *roots)
{
  gint64 now = now_s ();
  gint64 next = MIN (roots->next_date, roots->crls != NULL ? crls_get_next_date (roots->crls, now) : G_MAXINT64);

  if (roots->date_source != 0)
    g_source_remove (roots->date_source);
  roots->date_source = next == G_MAXINT64 ? 0
                                          : g_timeout_add_seconds ((guint) CLAMP (next - now, 1, LOOK_AGAIN_S), on_date, roots);
}

static void
load (Roots *roots)
{
  g_autoptr (GString) root_trouble = g_string_new (NULL), crl_trouble = g_string_new (NULL);

  if (roots->list != NULL)
    gnutls_x509_trust_list_deinit (roots->list, 1);
  roots->list = NULL;
  if (gnutls_x509_trust_list_init (&roots->list, 0) < 0)
    g_error ("GnuTLS: out of memory");
  g_ptr_array_set_size (roots->names, 0);
  g_clear_pointer (&roots->crls, crls_free);
  roots->next_date = G_MAXINT64;
  for (char **path = roots->root_files; path != NULL && *path != NULL; path++)
    {
      g_autoptr (GError) error = NULL;

      if (!load_anchors (roots, *path, &error))
        add_line (root_trouble, error->message);
    }
  if (roots->crl_files != NULL && *roots->crl_files != NULL)
    roots->crls = crls_new ();
  for (char **path = roots->crl_files; path != NULL && *path != NULL; path++)
    {
      g_autoptr (GError) error = NULL;

      if (!crls_load (roots->crls, *path, &error))
        add_line (crl_trouble, error->message);
    }
  if (roots->root_files != NULL && *roots->root_files != NULL)
    log_notice ("roots", "%u trust roots are in use", roots->names->len);
  g_ptr_array_add (roots->names, NULL);
  warn (roots, "trust-roots", root_trouble, "no chain to it counts");
  warn_about_lists (roots, crl_trouble);
  await_next_date (roots);
}

void
roots_reload (Roots *roots)
{
  load (roots);
  roots->callbacks.changed (roots->user);
}

static gboolean
on_settled (gpointer user)
{
  Roots *roots = user;

  roots->settle_source = 0;
  log_notice ("roots", "a file of trust roots or revocations changed");
  roots_reload (roots);
  return G_SOURCE_REMOVE;
}

static void
on_file_changed (GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event, gpointer user)
{
  Roots *roots = user;

  /* Every write of a file that is being written is told; the end of it, too. */
  if (event == G_FILE_MONITOR_EVENT_CHANGED)
    return;
  if (roots->settle_source != 0)
    g_source_remove (roots->settle_source);
  roots->settle_source = g_timeout_add (SETTLE_MS, on_settled, roots);
}

static void
watch_files (Roots *roots, char **paths)
{
  for (char **path = paths; path != NULL && *path != NULL; path++)
    {
      g_autoptr (GFile) file = g_file_new_for_path (*path);
      g_autofree char *dir = g_path_get_dirname (*path);
      GFileMonitor *monitor;

      /* GIO would look for a missing directory again and again. */
      monitor = g_file_test (dir, G_FILE_TEST_IS_DIR) ? g_file_monitor_file (file, G_FILE_MONITOR_WATCH_MOVES, NULL, NULL) : NULL;
      if (monitor == NULL)
        {
          log_warn ("roots", "%s can not be watched: send SIGHUP when it changed", *path);
          continue;
        }
      g_signal_connect (monitor, "changed", G_CALLBACK (on_file_changed), roots);
      g_ptr_array_add (roots->monitors, monitor);
    }
}

static void
monitor_free (gpointer data)
{
  g_file_monitor_cancel (data);
  g_object_unref (data);
}

Roots *
roots_new (char **root_files, char **crl_files, const RootsCallbacks *callbacks, gpointer user)
{
  Roots *roots = g_new0 (Roots, 1);

  roots->root_files = g_strdupv (root_files);
  roots->crl_files = g_strdupv (crl_files);
  roots->callbacks = *callbacks;
  roots->user = user;
  roots->names = g_ptr_array_new_with_free_func (g_free);
  roots->monitors = g_ptr_array_new_with_free_func (monitor_free);
  /* First, so that what changes while they are read is not missed. */
  watch_files (roots, roots->root_files);
  watch_files (roots, roots->crl_files);
  load (roots);
  return roots;
}

void
roots_free (Roots *roots)
{
  if (roots == NULL)
    return;
  for (guint i = 0; i < roots->monitors->len; i++)
    g_signal_handlers_disconnect_by_data (g_ptr_array_index (roots->monitors, i), roots);
  g_ptr_array_unref (roots->monitors);
  if (roots->settle_source != 0)
    g_source_remove (roots->settle_source);
  if (roots->date_source != 0)
    g_source_remove (roots->date_source);
  gnutls_x509_trust_list_deinit (roots->list, 1);
  crls_free (roots->crls);
  g_ptr_array_unref (roots->names);
  g_strfreev (roots->root_files);
  g_strfreev (roots->crl_files);
  g_free (roots);
}

const char *const *
roots_list (const Roots *roots)
{
  return (const char *const *) roots->names->pdata;
}

/* --- judging ------------------------------------------------------------------------------ */

typedef struct {
  gnutls_x509_crt_t crts[CERTIFICATE_CHAIN_MAX];
  guint n;
} Chain;

static void
chain_clear (Chain *chain)
{
  for (guint i = 0; i < chain->n; i++)
    gnutls_x509_crt_deinit (chain->crts[i]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Chain, chain_clear)

/* Every key in it is one that is cheap to check: else a stranger's chain would be work for us. */
static gboolean
read_chain (Chain *chain, const gnutls_datum_t *der, guint n)
{
  if (n == 0 || n > CERTIFICATE_CHAIN_MAX)
    return FALSE;
  for (guint i = 0; i < n; i++)
    {
      if (gnutls_x509_crt_init (&chain->crts[i]) < 0)
        return FALSE;
      chain->n++;
      if (gnutls_x509_crt_import (chain->crts[i], &der[i], GNUTLS_X509_FMT_DER) < 0
          || !certificate_check_strength (chain->crts[i], NULL))
        return FALSE;
    }
  return TRUE;
}

/* GnuTLS does the walk of RFC 5280 section 6: signatures, names, basicConstraints with path length, keyCertSign, name
 * constraints, dates of everything with the root. NULL, or the word for what is wrong. */
static const char *
walk (Roots *roots, Chain *chain)
{
  const guint by_dates = GNUTLS_CERT_INVALID | GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED;
  guint status = GNUTLS_CERT_INVALID;
  /* Revocation is asked for below, of sets: GnuTLS would look through each list from its start. */
  int ret = gnutls_x509_trust_list_verify_crt2 (roots->list, chain->crts, chain->n, NULL, 0,
                                                GNUTLS_VERIFY_DO_NOT_ALLOW_X509_V1_CA_CRT | GNUTLS_VERIFY_DISABLE_CRL_CHECKS,
                                                &status, NULL);

  if (ret < 0)
    return "chain-broken";
  if (status == 0)
    return NULL;
  if ((status & ~by_dates) == 0)
    return "chain-expired";
  return (status & GNUTLS_CERT_SIGNER_NOT_FOUND) != 0 ? "chain-unknown-root" : "chain-broken";
}

static gboolean
serves_both_ways (gnutls_x509_crt_t crt)
{
  return gnutls_x509_crt_check_key_purpose (crt, GNUTLS_KP_TLS_WWW_CLIENT, 0)
         && gnutls_x509_crt_check_key_purpose (crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
}

/* The peer's own certificate is a person's, for a key that signs handshakes, as caller and as called. */
static gboolean
is_persons (gnutls_x509_crt_t crt)
{
  guint ca = 0, usage = 0, critical = 0;
  int pathlen;

  if (gnutls_x509_crt_get_basic_constraints (crt, &critical, &ca, &pathlen) >= 0 && ca)
    return FALSE;
  if (gnutls_x509_crt_get_key_usage (crt, &usage, &critical) >= 0 && (usage & GNUTLS_KEY_DIGITAL_SIGNATURE) == 0)
    return FALSE;
  return serves_both_ways (crt);
}

/* The certificate's issuer: a root, else one that came along. */
static gnutls_x509_crt_t
find_issuer (Roots *roots, Chain *chain, gnutls_x509_crt_t crt, gboolean *is_root)
{
  gnutls_x509_crt_t issuer = NULL;

  *is_root = gnutls_x509_trust_list_get_issuer (roots->list, crt, &issuer, 0) >= 0;
  for (guint i = 1; !*is_root && issuer == NULL && i < chain->n; i++)
    if (chain->crts[i] != crt && gnutls_x509_crt_check_issuer (crt, chain->crts[i]))
      issuer = chain->crts[i];
  return issuer;
}

/* From the person up to the root: what the lists say, and what the issuers on the way may be used for. A list of one that
 * only bears the issuer's name proves nothing, crls_ask() checks the signature. */
static const char *
climb (Roots *roots, Chain *chain)
{
  gnutls_x509_crt_t crt = chain->crts[0];
  gboolean at_root = FALSE;

  for (guint i = 0; i < chain->n && !at_root; i++)
    {
      gnutls_x509_crt_t issuer = find_issuer (roots, chain, crt, &at_root);

      if (issuer == NULL)
        return "chain-broken";
      if (!serves_both_ways (issuer))
        return "chain-purpose";
      if (roots->crls != NULL)
        switch (crls_ask (roots->crls, crt, issuer, now_s ()))
          {
          case CRLS_GOOD: break;
          case CRLS_REVOKED: return "chain-revoked";
          case CRLS_MISSING: return "chain-no-crl";
          }
      crt = issuer;
    }
  return at_root ? NULL : "chain-broken";
}

/* "xmppAddr = the contact's JID" (3.4). */
static gboolean
names (gnutls_x509_crt_t crt, const char *addr)
{
  g_autoptr (GPtrArray) addrs = certificate_read_xmpp_addrs (crt, NULL);

  for (guint i = 0; addrs != NULL && i < addrs->len; i++)
    if (addr == NULL ? jid_split_instance (addrs->pdata[i], NULL, NULL) : jid_same (addrs->pdata[i], addr))
      return TRUE;
  return FALSE;
}

RootsVerdict
roots_judge (Roots *roots, const gnutls_datum_t *chain_der, guint n, const char *addr)
{
  g_auto (Chain) chain = { .n = 0 };
  const char *word;

  if (roots->names->pdata[0] == NULL)
    word = "chain-unknown-root";
  else if (!read_chain (&chain, chain_der, n))
    word = "chain-broken";
  else if ((word = walk (roots, &chain)) != NULL)
    ;
  else if (!is_persons (chain.crts[0]))
    word = "chain-purpose";
  else if ((word = climb (roots, &chain)) != NULL)
    ;
  else if (!names (chain.crts[0], addr))
    word = "chain-other-name";
  return (RootsVerdict){ .valid = word == NULL,
                         .expired = g_strcmp0 (word, "chain-expired") == 0,
                         .revoked = g_strcmp0 (word, "chain-revoked") == 0,
                         .word = word };
}
