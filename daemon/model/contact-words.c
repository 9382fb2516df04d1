/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The user's words about people that are no trust decision: petnames and static endpoints. Disk first.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/model/contacts-private.h"

#define PETNAME_MAX 80
#define STATICS_MAX 256

typedef struct {
  Contacts *contacts;
  guint32 id;
  char *petname;
  ContactRow row;
  DoneFunc done;
  gpointer user;
} Renaming;

static void
on_renamed (gpointer user, const GError *error)
{
  Renaming *renaming = user;
  Contacts *contacts = renaming->contacts;

  contacts_hold (contacts, renaming->id, FALSE);
  if (error == NULL)
    contacts_apply_contact (contacts, &renaming->row);
  if (renaming->done != NULL)
    renaming->done (renaming->user, error);
  contact_row_clear (&renaming->row);
  g_free (renaming->petname);
  g_free (renaming);
  contacts_end_turn (contacts);
}

static void
begin_rename (gpointer user)
{
  Renaming *renaming = user;
  Contact *contact = contacts_get (renaming->contacts, renaming->id);
  g_autoptr (GError) error = NULL;
  TrustChange *change;

  if (contact == NULL)
    error = g_error_new_literal (EARSHOT_ERROR, EARSHOT_ERROR_NOT_FOUND, "The contact was forgotten meanwhile");
  else
    contacts_check_petname (renaming->contacts, contact, renaming->petname, &error);
  if (error != NULL)
    {
      on_renamed (renaming, error);
      return;
    }
  contact_row_copy (&contact->row, &renaming->row);
  g_free (renaming->row.petname);
  renaming->row.petname = g_strdup (renaming->petname);
  renaming->row.stored = TRUE;
  change = trust_change_new ();
  trust_change_put_contact (change, &renaming->row);
  for (guint i = 0; i < contact->keys->len; i++)
    trust_change_put_key (change, &((Key *) g_ptr_array_index (contact->keys, i))->row);
  trust_store_apply (renaming->contacts->store, change, on_renamed, renaming);
}

gboolean
contacts_check_petname (Contacts *contacts, Contact *contact, const char *petname, GError **error)
{
  if (!g_utf8_validate (petname, -1, NULL) || g_utf8_strlen (petname, -1) > PETNAME_MAX)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "The petname is longer than %d characters",
                   PETNAME_MAX);
      return FALSE;
    }
  for (const char *p = petname; *p != '\0'; p = g_utf8_next_char (p))
    {
      GUnicodeType type = g_unichar_type (g_utf8_get_char (p));

      if (type == G_UNICODE_CONTROL || type == G_UNICODE_FORMAT || type == G_UNICODE_LINE_SEPARATOR
          || type == G_UNICODE_PARAGRAPH_SEPARATOR)
        {
          g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT,
                               "The petname contains a control or direction character");
          return FALSE;
        }
    }
  return contacts_check_name (contacts, contact, petname, error);
}

typedef struct {
  DoneFunc done;
  gpointer user;
  GError *error;
} Late;

static gboolean
report_late (gpointer data)
{
  Late *late = data;

  late->done (late->user, late->error);
  g_clear_error (&late->error);
  g_free (late);
  return G_SOURCE_REMOVE;
}

void
contact_set_petname (Contact *contact, const char *petname, DoneFunc done, gpointer user)
{
  Renaming *renaming;
  GError *error = NULL;

  if (!contacts_check_petname (contact->contacts, contact, petname, &error))
    {
      Late *late = g_new0 (Late, 1);

      late->done = done;
      late->user = user;
      late->error = error;
      if (done != NULL)
        g_idle_add_full (G_PRIORITY_DEFAULT, report_late, late, NULL);
      else
        {
          g_clear_error (&late->error);
          g_free (late);
        }
      return;
    }
  renaming = g_new0 (Renaming, 1);
  renaming->contacts = contact->contacts;
  renaming->id = contact->row.id;
  renaming->petname = g_strdup (petname);
  renaming->done = done;
  renaming->user = user;
  contacts_hold (contact->contacts, renaming->id, TRUE);
  contacts_await_turn (contact->contacts, begin_rename, renaming);
}

/* "192.0.2.7:5298", "[fe80::1%wlan0]:5298", "host.local:5298": address and port apart. */
gboolean
contacts_split_endpoint (const char *endpoint, char **host, guint16 *port, GError **error)
{
  const char *colon = strrchr (endpoint, ':');
  guint64 number;

  if (colon == NULL || strlen (endpoint) > 255
      || !g_ascii_string_to_unsigned (colon + 1, 10, 1, 65535, &number, NULL) || colon == endpoint
      || (endpoint[0] == '[') != (colon[-1] == ']') || (endpoint[0] != '[' && memchr (endpoint, ':', colon - endpoint)))
    goto bad;
  *host = endpoint[0] == '[' ? g_strndup (endpoint + 1, colon - endpoint - 2) : g_strndup (endpoint, colon - endpoint);
  for (const char *p = *host; *p != '\0'; p++)
    if (!g_ascii_isgraph (*p) || strchr ("[]/@\"'\\", *p) != NULL)
      {
        g_clear_pointer (host, g_free);
        goto bad;
      }
  if (**host == '\0')
    {
      g_clear_pointer (host, g_free);
      goto bad;
    }
  *port = number;
  return TRUE;
bad:
  g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT,
                       "The endpoint is not of the form HOST:PORT or [IPV6%LINK]:PORT with a port from 1 to 65535");
  return FALSE;
}

static Endpoint *
find_static (Contact *contact, const char *host, guint16 port, guint *index)
{
  for (guint i = 0; i < contact->statics->len; i++)
    {
      Endpoint *endpoint = g_ptr_array_index (contact->statics, i);

      if (endpoint->port == port && g_ascii_strcasecmp (endpoint->address, host) == 0)
        {
          *index = i;
          return endpoint;
        }
    }
  return NULL;
}

static Contact *
owner_of_static (Contacts *contacts, const char *host, guint16 port, guint *index, guint *total)
{
  GHashTableIter iter;
  gpointer value;
  Contact *owner = NULL;

  *total = 0;
  g_hash_table_iter_init (&iter, contacts->by_id);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      *total += ((Contact *) value)->statics->len;
      if (owner == NULL && find_static (value, host, port, index) != NULL)
        owner = value;
    }
  return owner;
}

char *
contacts_join_endpoint (const char *host, guint16 port)
{
  return strchr (host, ':') != NULL ? g_strdup_printf ("[%s]:%u", host, port) : g_strdup_printf ("%s:%u", host, port);
}

static void
on_static_kept (gpointer user, const GError *error)
{
  Contacts *contacts = user;

  if (error == NULL)
    return;
  g_clear_error (&contacts->statics_error);
  contacts->statics_error = g_error_copy (error);
}

/* Kept as a setting: endpoint -> contact id. */
void
contacts_persist_static (Contacts *contacts, const char *host, guint16 port, guint32 id)
{
  TrustChange *change = trust_change_new ();
  g_autofree char *endpoint = contacts_join_endpoint (host, port);
  g_autofree char *key = g_strconcat (CONTACTS_STATIC_SETTING, endpoint, NULL);
  g_autofree char *value = id != 0 ? g_strdup_printf ("%u", id) : NULL;

  trust_change_put_setting (change, key, value);
  trust_store_apply (contacts->store, change, on_static_kept, contacts);
}

typedef struct {
  Contacts *contacts;
  DoneFunc done;
  gpointer user;
} Await;

static void
on_statics_kept (gpointer user, const GError *error)
{
  g_autofree Await *await = user;
  g_autoptr (GError) earlier = g_steal_pointer (&await->contacts->statics_error);

  await->done (await->user, error != NULL ? error : earlier);
}

void
contacts_await_statics (Contacts *contacts, DoneFunc done, gpointer user)
{
  Await *await = g_new0 (Await, 1);

  await->contacts = contacts;
  await->done = done;
  await->user = user;
  /* A change of nothing: what was given to the store before is through when this is. */
  trust_store_apply (contacts->store, trust_change_new (), on_statics_kept, await);
}

/* `to`: whose it is; NULL = a stranger of its own. `restored`: the store knows it. */
static Contact *
add_static (Contacts *contacts, Contact *to, const char *text, gboolean restored, GError **error)
{
  g_autofree char *host = NULL;
  guint16 port;
  guint index, total;
  Contact *contact;
  Endpoint *endpoint;

  if (!contacts_split_endpoint (text, &host, &port, error))
    return NULL;
  contact = owner_of_static (contacts, host, port, &index, &total);
  if (contact != NULL)
    return contact;
  contact = total >= STATICS_MAX ? NULL : to != NULL ? to : contacts_new_stranger (contacts);
  if (contact == NULL)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_QUOTA_EXCEEDED,
                   "There are already %u static endpoints: remove one first", total);
      return NULL;
    }
  endpoint = g_new0 (Endpoint, 1);
  endpoint->ifname = g_strdup ("static");
  endpoint->address = g_strdup (host);
  endpoint->port = port;
  g_ptr_array_add (contact->statics, endpoint);
  contact_rebuild_endpoints (contact);
  if (!restored)
    contacts_persist_static (contacts, host, port, contact->row.id);
  if (contact != to)
    WATCHERS_CALL (&contacts->watchers, ContactsWatch, added, contact);
  else
    contact_changed (contact);
  WATCHERS_CALL (&contacts->watchers, ContactsWatch, sighted, contact);
  return contact;
}

Contact *
contacts_add_static (Contacts *contacts, const char *endpoint, GError **error)
{
  return add_static (contacts, NULL, endpoint, FALSE, error);
}

static Contact *
give_static (Contacts *contacts, Contact *contact, const char *endpoint, gboolean from_anybody, GError **error)
{
  g_autofree char *host = NULL;
  guint16 port;
  guint index, total;
  Contact *owner;
  guint32 id;

  if (!contacts_split_endpoint (endpoint, &host, &port, error))
    return NULL;
  owner = owner_of_static (contacts, host, port, &index, &total);
  /* Nobody has answered there yet, so it was nobody's; that of a known key stays with the key. */
  if (owner != NULL && owner != contact && ((!owner->row.stored && owner->keys->len == 0) || (from_anybody && !owner->connected)))
    {
      id = contact->row.id;
      contacts_remove_static (contacts, endpoint);
      contact = contacts_get (contacts, id);
    }
  return add_static (contacts, contact, endpoint, FALSE, error);
}

Contact *
contacts_add_static_to (Contacts *contacts, Contact *contact, const char *endpoint, GError **error)
{
  return give_static (contacts, contact, endpoint, FALSE, error);
}

Contact *
contacts_take_static (Contacts *contacts, Contact *contact, const char *endpoint, GError **error)
{
  return give_static (contacts, contact, endpoint, TRUE, error);
}

void
contacts_restore_static (Contacts *contacts, const char *endpoint, guint32 id)
{
  Contact *contact = id != 0 ? contacts_get (contacts, id) : NULL;

  add_static (contacts, contact, endpoint, contact != NULL, NULL);
}

gboolean
contacts_remove_static (Contacts *contacts, const char *text)
{
  g_autofree char *host = NULL;
  guint16 port;
  guint index = 0, total;
  Contact *contact;
  Endpoint *endpoint;

  if (!contacts_split_endpoint (text, &host, &port, NULL))
    return FALSE;
  contact = owner_of_static (contacts, host, port, &index, &total);
  if (contact == NULL)
    return FALSE;
  /* The setting has the spelling of who added it. */
  endpoint = g_ptr_array_index (contact->statics, index);
  contacts_persist_static (contacts, endpoint->address, endpoint->port, 0);
  g_ptr_array_remove_index (contact->statics, index);
  contact_rebuild_endpoints (contact);
  if (!contacts_reap (contacts, contact))
    contact_changed (contact);
  return TRUE;
}

void
contacts_note_nick (Contact *contact, const char *nick)
{
  g_autofree char *before = NULL;

  if (g_strcmp0 (contact->said_nick, nick) == 0)
    return;
  before = g_strdup (contact->claimed_name);
  g_free (contact->said_nick);
  contact->said_nick = g_strdup (nick);
  contact_refresh_names (contact);
  if (strcmp (before, contact->claimed_name) != 0)
    contact_changed (contact);
}
