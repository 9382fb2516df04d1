/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * im.earshot.Earshot1.Manager, the part about our own key and certificate.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

#include <gio/gunixfdlist.h>

#include "daemon/base/log.h"

#define ADDRESSES_MAX 16
#define ADDRESS_MAX 2047
#define PEM_MAX (64 * 1024)

GVariant *
bus_identity_describe (const Identity *identity)
{
  const char *issuer = identity_get_issuer (identity);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert_value (&dict, "addresses", g_variant_new_strv (identity_get_xmpp_addrs (identity), -1));
  g_variant_dict_insert (&dict, "issuer", "s", issuer != NULL ? issuer : "");
  g_variant_dict_insert (&dict, "expires", "x", identity_get_expiry (identity) * G_USEC_PER_SEC);
  return g_variant_dict_end (&dict);
}

void
bus_identity_create_request (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) options = NULL;
  g_auto (GStrv) addresses = NULL;
  g_autofree char *pem = NULL;
  GError *error = NULL;

  g_variant_get (args, "(^as@a{sv})", &addresses, &options);
  if (addresses[0] == NULL && call->window->front->instance != NULL)
    {
      g_strfreev (addresses);
      addresses = g_strdupv ((char *[]){ call->window->front->instance, NULL });
    }
  if (g_strv_length (addresses) > ADDRESSES_MAX)
    {
      bus_call_fail (call, EARSHOT_ERROR_INVALID_ARGUMENT, "at most %d addresses", ADDRESSES_MAX);
      return;
    }
  for (gsize i = 0; addresses[i] != NULL; i++)
    if (!bus_check_line ("an address", addresses[i], ADDRESS_MAX, &error))
      {
        bus_call_take_error (call, error);
        return;
      }
  if (bus_options_none (options, &error))
    pem = identity_create_request (call->window->rooms.identity, (const char *const *) addresses, &error);
  if (pem != NULL)
    bus_call_return (call, g_variant_new ("(s)", pem));
  else
    bus_call_take_error (call, error);
}

void
bus_identity_set_certificate (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) options = NULL;
  GError *error = NULL;
  const char *pem;

  g_variant_get (args, "(&s@a{sv})", &pem, &options);
  if (strlen (pem) > PEM_MAX)
    {
      bus_call_fail (call, EARSHOT_ERROR_TOO_LARGE, "a certificate with its chain has at most %d bytes", PEM_MAX);
      return;
    }
  if (!bus_options_none (options, &error) || !identity_set_certificate (call->window->rooms.identity, pem, &error))
    {
      bus_call_take_error (call, error);
      return;
    }
  log_event (G_LOG_LEVEL_MESSAGE, "identity", 0, 0, NULL, "the certificate was set by %s", call->audit);
  bus_call_done_root (call, NULL);
}

/* --- another key --------------------------------------------------------------------------------------------- */

/* Where we are now; a hint in the certificate (docs/protocol.md 3.2). */
const char *
bus_own_addr (Window *window)
{
  const char *const *addrs = identity_get_xmpp_addrs (window->rooms.identity);

  return window->front->instance != NULL ? window->front->instance : addrs[0];
}

/* A DoneFunc: whose key it is now. */
static void
on_key_changed (gpointer user, const GError *error)
{
  BusCall *call = user;

  if (error != NULL)
    bus_call_return_error (call, error);
  else if (call->window->closed)
    bus_call_fail (call, EARSHOT_ERROR_FAILED, "earshotd is going away");
  else
    {
      g_autofree char *hex = fingerprint_to_hex (identity_get_fingerprint (call->window->rooms.identity));

      window_touch_root (call->window);
      bus_call_return (call, g_variant_new ("(s)", hex));
    }
}

void
bus_identity_rotate (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) options = NULL;
  GError *error = NULL;

  g_variant_get (args, "(@a{sv})", &options);
  if (!bus_options_none (options, &error))
    bus_call_take_error (call, error);
  else
    successions_rotate (call->window->rooms.successions, bus_own_addr (call->window), call->audit, on_key_changed, call);
}

/* The one descriptor that came with the call; -1 with INVALID_ARGUMENT. */
static int
take_descriptor (BusCall *call, int handle, GError **error)
{
  GUnixFDList *list = g_dbus_message_get_unix_fd_list (g_dbus_method_invocation_get_message (call->invocation));
  int fd = list != NULL && g_unix_fd_list_get_length (list) == 1 && handle == 0 ? g_unix_fd_list_get (list, handle, NULL) : -1;

  if (fd < 0)
    g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "the call brings one open file");
  return fd;
}

void
bus_identity_export (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) options = NULL;
  const char *passphrase;
  GError *error = NULL;
  int handle, fd = -1;

  g_variant_get (args, "(h&s@a{sv})", &handle, &passphrase, &options);
  if (bus_options_none (options, &error))
    fd = take_descriptor (call, handle, &error);
  if (fd < 0)
    bus_call_take_error (call, error);
  else
    successions_export (call->window->rooms.successions, fd, passphrase, call->audit, bus_call_done, call);
}

void
bus_identity_import (BusCall *call, GVariant *args)
{
  g_autoptr (GVariant) options = NULL;
  gboolean replace = FALSE;
  const BusOption table[] = { { "replace", "b", &replace }, { NULL, NULL, NULL } };
  const char *passphrase;
  GError *error = NULL;
  int handle, fd = -1;

  g_variant_get (args, "(h&s@a{sv})", &handle, &passphrase, &options);
  if (bus_options_parse (options, table, &error))
    fd = take_descriptor (call, handle, &error);
  if (fd < 0)
    bus_call_take_error (call, error);
  else
    successions_import (call->window->rooms.successions, fd, passphrase, replace, bus_own_addr (call->window), call->audit,
                        on_key_changed, call);
}
