/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whose name does this one resemble? An index of the names that people are known by, under their spelling and their looks
 * (io/confusable.h), so that a name is compared with all of them by a few look-ups, however many there are and however many
 * strangers claim one. Knows no contacts: owners are numbers. Main thread only.
 */
#pragma once

#include <glib.h>

typedef struct _Lookalikes Lookalikes;

typedef enum {
  LIKENESS_NONE,
  LIKENESS_LOOKS, /* another name that can be taken for it */
  LIKENESS_SAME   /* the same to a reader */
} Likeness;

Lookalikes *lookalikes_new (void);
void lookalikes_free (Lookalikes *lookalikes);

/* From now on `owner` (not 0) is known by these, instead of those before: what the user calls it ("" = nothing), and what it calls
 * itself (NULL = nothing; empty ones do not count). */
void lookalikes_set (Lookalikes *lookalikes, guint32 owner, const char *petname, const char *const *names);

/* Names prepared for comparing: costs microseconds each, so that who asks again keeps it. NULL-terminated, free with g_strfreev(). */
char **lookalikes_prepare (const char *const *names);

/* The closest that one of the prepared names comes to a name of somebody else than `self` (0 = nobody), and whose that is: among equals,
 * somebody with a petname. With `petnames` only those count. `whose` receives 0 for LIKENESS_NONE. */
Likeness lookalikes_find (Lookalikes *lookalikes, const char *const *prepared, guint32 self, gboolean petnames, guint32 *whose);
