/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Trusting a key by a link (docs/protocol.md 3.6), or because it was compared face to face. The daemon has the one reader of
 * links; what is here asks the person before anything is done, and says what will change.
 */
#pragma once

#include "cli/ctl.h"

typedef struct {
  char *address, *fingerprint; /* NULL: there is no link */
  char **endpoints;            /* of an invite; or NULL */
  char *invite;                /* id of its one-time secret; or NULL */
  gint64 expires;
  gboolean in_person;          /* the person says so */
  gboolean yes;                /* ask nothing */
} TrustLink;

void trust_link_clear (TrustLink *link);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TrustLink, trust_link_clear)

/* Might it be one? No fingerprint is. */
gboolean trust_link_is (const char *text);
gboolean trust_link_read (Ctl *ctl, const char *text, TrustLink *link, GError **error);
/* Is there anything that Accept() should be told? */
gboolean trust_link_is_evidence (const TrustLink *link);
/* The a{sv} of Accept() and AddContact(), floating. */
GVariant *trust_link_options (const TrustLink *link);
/* As asked for, else as the link says unless somebody has that petname. Caller frees. */
char *trust_link_dup_petname (Ctl *ctl, const TrustLink *link, const char *name);
/* An exit code. `contact` NULL: nobody has the key yet; `petname` NULL: that stays. */
int trust_link_confirm (Ctl *ctl, const TrustLink *link, const char *contact, const char *petname);
/* A key that nobody was seen with: asks, adds, reports. `name` NULL: what the link says. */
int trust_link_add (Ctl *ctl, const TrustLink *link, const char *name);
