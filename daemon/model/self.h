/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The face we show: nickname, availability, status text, visibility, what personal data is shared; turns them into the TXT record
 * that discovery publishes, and keeps them in the settings (docs/protocol.md 1.2). Main thread only.
 */
#pragma once

#include "daemon/io/discovery.h"
#include "daemon/model/settings.h"
#include "daemon/proto/presence-txt.h"

typedef struct _Self Self;
typedef enum { VISIBILITY_EVERYONE, VISIBILITY_PRIVATE, VISIBILITY_INVISIBLE } Visibility;

Self *self_new (Settings *settings, const Fingerprint *own, const char *name);
void self_free (Self *self);
/* Our key is another one now. */
void self_set_own (Self *self, const Fingerprint *own);
/* Publishes as soon as it may; discovery outlives self. */
/* Told once at self_start() and whenever it changed: what else must hide. */
typedef void (*SelfVisible) (gpointer user, Visibility visibility);
void self_set_watch (Self *self, SelfVisible func, gpointer user);
/* The user part that is announced: the name, or in private mode a random one of this run. */
const char *self_get_public_name (Self *self);
void self_start (Self *self, Discovery *discovery, guint16 port);

const char *self_get_nick (Self *self);         /* "" = unset */
const char *self_get_status_text (Self *self);
Show self_get_show (Self *self);
Visibility self_get_visibility (Self *self);
gboolean self_get_share (Self *self, const char *what);        /* "name", "jid", "email" */
const char *self_get_profile (Self *self, const char *key);    /* "first", "last", "jid", "email" */
/* INVALID_ARGUMENT: too long (255 octets), control characters. Persisted, then published. `done` may be NULL. */
void self_set_nick (Self *self, const char *nick, DoneFunc done, gpointer user);
void self_set_status_text (Self *self, const char *text, DoneFunc done, gpointer user);
void self_set_show (Self *self, Show show, DoneFunc done, gpointer user);
void self_set_visibility (Self *self, Visibility visibility, DoneFunc done, gpointer user);
void self_set_share (Self *self, const char *what, gboolean on, DoneFunc done, gpointer user);
void self_set_profile (Self *self, const char *key, const char *value, DoneFunc done, gpointer user);
const char *visibility_to_string (Visibility visibility);
gboolean visibility_from_string (const char *text, Visibility *out);
