/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/base/error.h"

#include <string.h>

#include <gio/gio.h>

#include "daemon/base/names.h"

static const GDBusErrorEntry error_entries[] = {
  { EARSHOT_ERROR_FAILED, EARSHOT_ERROR_PREFIX "Failed" },
  { EARSHOT_ERROR_STORE_FULL, EARSHOT_ERROR_PREFIX "StoreFull" },
  { EARSHOT_ERROR_UNSUPPORTED, EARSHOT_ERROR_PREFIX "Unsupported" },
  { EARSHOT_ERROR_INVALID_ARGUMENT, EARSHOT_ERROR_PREFIX "InvalidArgument" },
  { EARSHOT_ERROR_TOO_LARGE, EARSHOT_ERROR_PREFIX "TooLarge" },
  { EARSHOT_ERROR_NOT_FOUND, EARSHOT_ERROR_PREFIX "NotFound" },
  { EARSHOT_ERROR_CURSOR_EXPIRED, EARSHOT_ERROR_PREFIX "CursorExpired" },
  { EARSHOT_ERROR_ALREADY_RESOLVED, EARSHOT_ERROR_PREFIX "AlreadyResolved" },
  { EARSHOT_ERROR_AMBIGUOUS, EARSHOT_ERROR_PREFIX "Ambiguous" },
  { EARSHOT_ERROR_NOT_REACHABLE, EARSHOT_ERROR_PREFIX "NotReachable" },
  { EARSHOT_ERROR_TIMEOUT, EARSHOT_ERROR_PREFIX "Timeout" },
  { EARSHOT_ERROR_NOT_TRUSTED, EARSHOT_ERROR_PREFIX "NotTrusted" },
  { EARSHOT_ERROR_NAME_CONFLICT, EARSHOT_ERROR_PREFIX "NameConflict" },
  { EARSHOT_ERROR_BLOCKED, EARSHOT_ERROR_PREFIX "Blocked" },
  { EARSHOT_ERROR_MISMATCH, EARSHOT_ERROR_PREFIX "Mismatch" },
  { EARSHOT_ERROR_PEER_INSECURE, EARSHOT_ERROR_PREFIX "PeerInsecure" },
  { EARSHOT_ERROR_REFUSED, EARSHOT_ERROR_PREFIX "Refused" },
  { EARSHOT_ERROR_QUOTA_EXCEEDED, EARSHOT_ERROR_PREFIX "QuotaExceeded" },
  { EARSHOT_ERROR_ACCESS_DENIED, EARSHOT_ERROR_PREFIX "AccessDenied" },
  { EARSHOT_ERROR_CANCELLED, EARSHOT_ERROR_PREFIX "Cancelled" },
};
G_STATIC_ASSERT (G_N_ELEMENTS (error_entries) == EARSHOT_ERROR_N);

GQuark
earshot_error_quark (void)
{
  static gsize quark;

  g_dbus_error_register_error_domain ("earshot-error-quark", &quark, error_entries,
                                      G_N_ELEMENTS (error_entries));
  return (GQuark) quark;
}

const char *
earshot_error_name (EarshotError code)
{
  for (gsize i = 0; i < G_N_ELEMENTS (error_entries); i++)
    if (error_entries[i].error_code == (int) code)
      return error_entries[i].dbus_error_name + strlen (EARSHOT_ERROR_PREFIX);
  return "Failed";
}
