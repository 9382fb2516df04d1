/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * im.earshot.Earshot1.Manager, the part about our own certificate.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

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
