/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/crls.h"

#include <string.h>

#include "daemon/base/error.h"
#include "daemon/base/fingerprint.h"
#include "daemon/base/fsutil.h"
#include "daemon/io/certificate.h"

#define FILE_MAX (1024 * 1024) /* some 20 000 certificates: read in the loop, in 0.1 s */
#define LISTS_MAX 64
#define SERIAL_MAX 64          /* RFC 5280 section 4.1.2.2: at most 20 octets */

typedef struct {
  char *path;
  gnutls_x509_crl_t crl;
  GBytes *issuer;          /* its name, as DER */
  GHashTable *serials;     /* GBytes */
  gint64 from, until;
  gboolean proven;         /* the signature is the one of … */
  Fingerprint prover;
} List;

struct _Crls {
  GPtrArray *lists; /* List */
};

static void
list_free (gpointer data)
{
  List *list = data;

  gnutls_x509_crl_deinit (list->crl);
  g_clear_pointer (&list->issuer, g_bytes_unref);
  g_clear_pointer (&list->serials, g_hash_table_unref);
  g_free (list->path);
  g_free (list);
}

Crls *
crls_new (void)
{
  Crls *crls = g_new0 (Crls, 1);

  crls->lists = g_ptr_array_new_with_free_func (list_free);
  return crls;
}

void
crls_free (Crls *crls)
{
  if (crls == NULL)
    return;
  g_ptr_array_unref (crls->lists);
  g_free (crls);
}

/* --- reading ------------------------------------------------------------------------ */

static GBytes *
normal_serial (const guint8 *serial, gsize len)
{
  while (len > 1 && *serial == 0)
    {
      serial++;
      len--;
    }
  return g_bytes_new (serial, len);
}

/* RFC 5280 section 5.2: a list with a critical extension that one does not know must not be used. Delta lists and lists for
 * a part of the certificates are such. */
static gboolean
has_critical_extension (gnutls_x509_crl_t crl)
{
  for (guint i = 0;; i++)
    {
      char oid[128];
      size_t len = sizeof oid;
      guint critical = 1;
      int ret = gnutls_x509_crl_get_extension_info (crl, i, oid, &len, &critical);

      if (ret == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
        return FALSE;
      if (ret < 0 || critical)
        return TRUE;
    }
}

static gboolean
read_serials (List *list)
{
  gnutls_x509_crl_iter_t iter = NULL;
  guint8 serial[SERIAL_MAX];
  size_t len = sizeof serial;
  time_t when;
  int ret;

  while ((ret = gnutls_x509_crl_iter_crt_serial (list->crl, &iter, serial, &len, &when)) >= 0)
    {
      g_hash_table_add (list->serials, normal_serial (serial, len));
      len = sizeof serial;
    }
  gnutls_x509_crl_iter_deinit (iter);
  return ret == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE;
}

/* NULL sets the reason. Takes `crl`. */
static List *
list_new (const char *path, gnutls_x509_crl_t crl, const char **why)
{
  List *list = g_new0 (List, 1);
  gnutls_datum_t dn = { NULL, 0 };

  list->path = g_strdup (path);
  list->crl = crl;
  list->serials = g_hash_table_new_full (g_bytes_hash, g_bytes_equal, (GDestroyNotify) g_bytes_unref, NULL);
  list->from = gnutls_x509_crl_get_this_update (crl);
  list->until = gnutls_x509_crl_get_next_update (crl);
  if (gnutls_x509_crl_get_raw_issuer_dn (crl, &dn) >= 0)
    list->issuer = g_bytes_new (dn.data, dn.size);
  gnutls_free (dn.data);
  if (list->issuer == NULL || list->from < 0 || !read_serials (list))
    *why = "can not be read";
  else if (list->until < 0)
    *why = "has no date of the next one (nextUpdate), so that nobody could tell a stale one";
  else if (has_critical_extension (crl))
    *why = "has a critical extension: only plain, complete lists are understood";
  if (*why == NULL)
    return list;
  list_free (list);
  return NULL;
}

gboolean
crls_load (Crls *crls, const char *path, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  gnutls_x509_crl_t *parsed = NULL;
  gnutls_datum_t pem;
  guint n = 0, kept = crls->lists->len;
  const char *why = NULL;
  gsize len;

  if (!fs_read_shared (path, FILE_MAX, &bytes, error))
    return FALSE;
  pem.data = (guchar *) g_bytes_get_data (bytes, &len);
  pem.size = (guint) len;
  if (gnutls_x509_crl_list_import2 (&parsed, &n, &pem, GNUTLS_X509_FMT_PEM, 0) < 0 || n == 0)
    why = "is no revocation list in PEM";
  else if (kept + n > LISTS_MAX)
    why = "has more lists than can be kept (64 in all)";
  for (guint i = 0; i < n; i++)
    {
      List *list = why == NULL ? list_new (path, g_steal_pointer (&parsed[i]), &why) : NULL;

      if (list != NULL)
        g_ptr_array_add (crls->lists, list);
      else if (parsed[i] != NULL)
        gnutls_x509_crl_deinit (parsed[i]);
    }
  gnutls_free (parsed);
  if (why == NULL)
    return TRUE;
  g_ptr_array_set_size (crls->lists, (int) kept);
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_FAILED, "%s %s", path, why);
  return FALSE;
}

/* --- asking ------------------------------------------------------------------------- */

static gboolean
is_of (List *list, const gnutls_datum_t *issuer_dn, gnutls_x509_crt_t issuer)
{
  const guint by_dates = GNUTLS_CERT_REVOCATION_DATA_SUPERSEDED | GNUTLS_CERT_REVOCATION_DATA_ISSUED_IN_FUTURE;
  Fingerprint fp;
  guint status = GNUTLS_CERT_INVALID;
  gsize len;
  const void *dn = g_bytes_get_data (list->issuer, &len);

  if (len != issuer_dn->size || memcmp (dn, issuer_dn->data, len) != 0 || !certificate_get_fingerprint (issuer, &fp))
    return FALSE;
  if (list->proven && fingerprint_equal (&list->prover, &fp))
    return TRUE;
  /* Also that the issuer may sign lists (keyUsage cRLSign). Dates are ours to judge: a stale list still revokes. */
  if (gnutls_x509_crl_verify (list->crl, &issuer, 1, GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &status) < 0)
    return FALSE;
  if (status != 0 && ((status & by_dates) == 0 || (status & ~(by_dates | GNUTLS_CERT_INVALID)) != 0))
    return FALSE;
  list->proven = TRUE;
  list->prover = fp;
  return TRUE;
}

CrlsAnswer
crls_ask (Crls *crls, gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer, gint64 now)
{
  gnutls_datum_t dn = { NULL, 0 };
  guint8 serial[SERIAL_MAX];
  size_t len = sizeof serial;
  CrlsAnswer answer = CRLS_MISSING;
  g_autoptr (GBytes) wanted = NULL;

  if (gnutls_x509_crt_get_serial (crt, serial, &len) < 0 || gnutls_x509_crt_get_raw_dn (issuer, &dn) < 0)
    return CRLS_MISSING;
  wanted = normal_serial (serial, len);
  for (guint i = 0; i < crls->lists->len && answer != CRLS_REVOKED; i++)
    {
      List *list = g_ptr_array_index (crls->lists, i);

      if (!is_of (list, &dn, issuer))
        continue;
      if (g_hash_table_contains (list->serials, wanted))
        answer = CRLS_REVOKED;
      else if (now >= list->from && now <= list->until)
        answer = CRLS_GOOD;
    }
  gnutls_free (dn.data);
  return answer;
}

gint64
crls_get_next_date (const Crls *crls, gint64 now)
{
  gint64 next = G_MAXINT64;

  for (guint i = 0; i < crls->lists->len; i++)
    {
      const List *list = g_ptr_array_index (crls->lists, i);

      if (list->from > now)
        next = MIN (next, list->from);
      if (list->until >= now)
        next = MIN (next, list->until + 1);
    }
  return next;
}

GPtrArray *
crls_list_lapsed (const Crls *crls, gint64 now)
{
  GPtrArray *lapsed = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < crls->lists->len; i++)
    {
      const List *list = g_ptr_array_index (crls->lists, i);

      if ((now < list->from || now > list->until)
          && !g_ptr_array_find_with_equal_func (lapsed, list->path, g_str_equal, NULL))
        g_ptr_array_add (lapsed, g_strdup (list->path));
    }
  return lapsed;
}
