/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Between trust-store.c (changes) and trust-store-load.c (schema, start-up).
 */
#pragma once

#include "daemon/io/trust-store.h"

#define CONTACT_ADDRS_MAX 8

/* An introduction that was declined. */
typedef struct
{
  Fingerprint introducer, fp;
} Declined;

guint declined_hash (gconstpointer declined);
gboolean declined_equal (gconstpointer a, gconstpointer b);

extern const DbSchema trust_schema;

struct _TrustStore
{
  guint refs; /* the owner's and one for each change on its way */
  Db *db;
  GHashTable *tombstones; /* Fingerprint*, a set */
  GHashTable *declined;   /* Declined*, a set */
  guint audit_max;
};
