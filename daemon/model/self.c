/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/model/self.h"

#include <string.h>

#include "daemon/base/error.h"
#include "daemon/base/names.h"
#include "daemon/proto/caps.h"

#define TEXT_MAX 240 /* octets: a TXT string of at most 255 with its key */

struct _Self {
  Settings *settings;
  Fingerprint own;
  char *name;
  char *private_name;      /* random, made at start; used while visibility is private */
  Discovery *discovery;
  guint16 port;
  gboolean published;
  Visibility published_as;
  SelfVisible watch;
  gpointer watch_user;
};

Self *
self_new (Settings *settings, const Fingerprint *own, const char *name)
{
  Self *self = g_new0 (Self, 1);

  self->settings = settings;
  self->own = *own;
  self->name = g_strdup (name);
  self->private_name = g_strdup_printf ("%08x", g_random_int ());
  return self;
}

void
self_free (Self *self)
{
  if (self == NULL)
    return;
  g_free (self->name);
  g_free (self->private_name);
  g_free (self);
}

static const char *
word (Self *self, const char *key)
{
  const char *value = settings_get (self->settings, key);

  return value != NULL ? value : "";
}

static char *
set_or_null (const char *text)
{
  return text != NULL && *text != '\0' ? g_strdup (text) : NULL;
}

/* docs/protocol.md 1.2: what is published by default, what only when switched on. */
static Presence *
make_presence (Self *self)
{
  Presence *presence = presence_new ();

  presence->show = self_get_show (self);
  presence->msg = set_or_null (self_get_status_text (self));
  presence->nick = set_or_null (self_get_nick (self));
  presence->node = g_strdup (EARSHOT_CAPS_NODE);
  presence->ver = g_strdup (caps_own_ver ());
  if (self_get_share (self, "name"))
    {
      presence->first = set_or_null (self_get_profile (self, "first"));
      presence->last = set_or_null (self_get_profile (self, "last"));
    }
  if (self_get_share (self, "jid"))
    presence->jid = set_or_null (self_get_profile (self, "jid"));
  if (self_get_share (self, "email"))
    presence->email = set_or_null (self_get_profile (self, "email"));
  presence->has_spki = self_get_visibility (self) != VISIBILITY_PRIVATE;
  presence->spki = self->own;
  presence->direct_tls = TRUE;
  return presence;
}

static void
publish (Self *self)
{
  g_autoptr (Presence) presence = NULL;
  g_autoptr (GPtrArray) txt = NULL;
  Visibility visibility = self_get_visibility (self);

  if (self->discovery == NULL)
    return;
  if (self->watch != NULL)
    self->watch (self->watch_user, visibility);
  if (visibility == VISIBILITY_INVISIBLE)
    {
      if (self->published)
        discovery_withdraw (self->discovery);
      self->published = FALSE;
      return;
    }
  presence = make_presence (self);
  txt = presence_to_txt (presence);
  if (!self->published || self->published_as != visibility)
    discovery_publish (self->discovery, self_get_public_name (self), self->port,
                       txt);
  else
    discovery_update_txt (self->discovery, txt);
  self->published = TRUE;
  self->published_as = visibility;
}

void
self_set_own (Self *self, const Fingerprint *own)
{
  if (fingerprint_equal (&self->own, own))
    return;
  self->own = *own;
  publish (self);
}

void
self_set_watch (Self *self, SelfVisible func, gpointer user)
{
  self->watch = func;
  self->watch_user = user;
}

const char *
self_get_public_name (Self *self)
{
  return self_get_visibility (self) == VISIBILITY_PRIVATE ? self->private_name : self->name;
}

void
self_start (Self *self, Discovery *discovery, guint16 port)
{
  self->discovery = discovery;
  self->port = port;
  publish (self);
}

const char *
self_get_nick (Self *self)
{
  return word (self, "nick");
}

const char *
self_get_status_text (Self *self)
{
  return word (self, "status-text");
}

Show
self_get_show (Self *self)
{
  Show show = SHOW_AVAILABLE;

  show_from_string (word (self, "show"), &show);
  return show;
}

Visibility
self_get_visibility (Self *self)
{
  Visibility visibility = VISIBILITY_EVERYONE;

  visibility_from_string (word (self, "visibility"), &visibility);
  return visibility;
}

gboolean
self_get_share (Self *self, const char *what)
{
  g_autofree char *key = g_strconcat ("share-", what, NULL);

  return strcmp (word (self, key), "yes") == 0;
}

const char *
self_get_profile (Self *self, const char *key)
{
  g_autofree char *full = g_strconcat ("profile-", key, NULL);

  return word (self, full);
}

/* --- setting: disk, then memory, then the link -------------------------------- */

typedef struct {
  Self *self;
  DoneFunc done;
  gpointer user;
  GError *error;
} Setting;

static void
on_set (gpointer user, const GError *error)
{
  Setting *setting = user;

  if (error == NULL)
    publish (setting->self);
  if (setting->done != NULL)
    setting->done (setting->user, error);
  g_free (setting);
}

static gboolean
on_refused (gpointer user)
{
  Setting *setting = user;

  if (setting->done != NULL)
    setting->done (setting->user, setting->error);
  g_error_free (setting->error);
  g_free (setting);
  return G_SOURCE_REMOVE;
}

static gboolean
is_clean (const char *text)
{
  if (!g_utf8_validate (text, -1, NULL) || strlen (text) > TEXT_MAX)
    return FALSE;
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    if (g_unichar_iscntrl (g_utf8_get_char (p)))
      return FALSE;
  return TRUE;
}

static void
set_word (Self *self, const char *key, const char *value, DoneFunc done, gpointer user)
{
  Setting *setting = g_new0 (Setting, 1);

  setting->self = self;
  setting->done = done;
  setting->user = user;
  if (is_clean (value))
    {
      settings_set (self->settings, key, *value != '\0' ? value : NULL, on_set, setting);
      return;
    }
  setting->error = g_error_new (EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT,
                                "%s is longer than %d bytes or contains a control character", key, TEXT_MAX);
  g_idle_add_full (G_PRIORITY_DEFAULT, on_refused, setting, NULL);
}

void
self_set_nick (Self *self, const char *nick, DoneFunc done, gpointer user)
{
  set_word (self, "nick", nick, done, user);
}

void
self_set_status_text (Self *self, const char *text, DoneFunc done, gpointer user)
{
  set_word (self, "status-text", text, done, user);
}

void
self_set_show (Self *self, Show show, DoneFunc done, gpointer user)
{
  set_word (self, "show", show_to_string (show), done, user);
}

void
self_set_visibility (Self *self, Visibility visibility, DoneFunc done, gpointer user)
{
  set_word (self, "visibility", visibility_to_string (visibility), done, user);
}

void
self_set_share (Self *self, const char *what, gboolean on, DoneFunc done, gpointer user)
{
  g_autofree char *key = g_strconcat ("share-", what, NULL);

  set_word (self, key, on ? "yes" : "", done, user);
}

void
self_set_profile (Self *self, const char *key, const char *value, DoneFunc done, gpointer user)
{
  g_autofree char *full = g_strconcat ("profile-", key, NULL);

  set_word (self, full, value, done, user);
}

const char *
visibility_to_string (Visibility visibility)
{
  switch (visibility)
    {
    case VISIBILITY_EVERYONE: return "everyone";
    case VISIBILITY_PRIVATE: return "private";
    case VISIBILITY_INVISIBLE: return "invisible";
    }
  return "everyone";
}

gboolean
visibility_from_string (const char *text, Visibility *out)
{
  for (Visibility v = VISIBILITY_EVERYONE; v <= VISIBILITY_INVISIBLE; v++)
    if (strcmp (text, visibility_to_string (v)) == 0)
      {
        *out = v;
        return TRUE;
      }
  return FALSE;
}
