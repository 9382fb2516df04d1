/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Revocation lists from files (docs/protocol.md 3.2), read once and kept as sets, so that asking costs a lookup. Nothing is ever
 * fetched. Main thread only.
 *
 * Threat: a list that is missing, stale or not the issuer's says nothing, and saying nothing is not saying good.
 */
#pragma once

#include <glib.h>
#include <gnutls/x509.h>

typedef struct _Crls Crls;

typedef enum { CRLS_MISSING, CRLS_GOOD, CRLS_REVOKED } CrlsAnswer;

Crls *crls_new (void);
void crls_free (Crls *crls);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Crls, crls_free)
/* The lists of a file, PEM; all of them or none. Blocks. */
gboolean crls_load (Crls *crls, const char *path, GError **error);
/* What the lists in force at `now` (seconds) say of a certificate that `issuer` signed; CRLS_MISSING when none of them is of
 * that issuer. A list out of force still revokes. */
CrlsAnswer crls_ask (Crls *crls, gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer, gint64 now);
/* The next moment after `now` at which a list comes into force or leaves it; G_MAXINT64 = none. */
gint64 crls_get_next_date (const Crls *crls, gint64 now);
/* Which files have a list that is out of force: char *, free with g_ptr_array_unref(). */
GPtrArray *crls_list_lapsed (const Crls *crls, gint64 now);
