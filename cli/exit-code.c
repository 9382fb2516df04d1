/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include <string.h>

#include "cli/exit-code.h"

#define ERROR_PREFIX "im.earshot.Earshot1.Error."

G_DEFINE_QUARK (earshot - cli - error, cli_error)

static const struct {
  const char *name;
  ExitCode code;
  const char *hint;
} table[] = {
  { "Failed", EXIT_FAILED, "look into the daemon's log: journalctl --user -u earshotd" },
  { "StoreFull", EXIT_FAILED, "make room on the disk that holds the daemon's data, then try again" },
  { "Unsupported", EXIT_FAILED, "see which features the running daemon has: xmppctl -v status" },
  { "InvalidArgument", EXIT_USAGE, NULL },
  { "TooLarge", EXIT_USAGE, "send it in parts; --lines sends each line as a message of its own" },
  { "NotFound", EXIT_NOT_FOUND, "see who is there: xmppctl peers -a" },
  { "CursorExpired", EXIT_NOT_FOUND,
    "entries were pruned before they were read; go on with what is kept: add --from-start" },
  { "AlreadyResolved", EXIT_NOT_FOUND, "somebody decided before you; see the result: xmppctl trust ls" },
  { "Ambiguous", EXIT_AMBIGUOUS, "name one of them by petname, or by more digits of its fingerprint" },
  { "NotReachable", EXIT_NOT_REACHABLE, "see why: xmppctl show PEER" },
  { "Timeout", EXIT_TIMEOUT, "allow more time with --timeout" },
  { "NotTrusted", EXIT_NOT_TRUSTED, "see what waits for a decision: xmppctl trust pending" },
  { "NameConflict", EXIT_NOT_TRUSTED, "another key claims this name; see both: xmppctl trust pending" },
  { "Blocked", EXIT_NOT_TRUSTED, "allow it again with: xmppctl unblock PEER" },
  { "Mismatch", EXIT_NOT_TRUSTED, "the fingerprint is of another key; compare: xmppctl trust pending" },
  { "PeerInsecure", EXIT_NOT_TRUSTED, "the peer offers no encryption, or may not be spoken to without; see: xmppctl trust legacy --help" },
  { "Refused", EXIT_REFUSED, "the other side has to accept you first" },
  { "QuotaExceeded", EXIT_REFUSED, "too much is waiting there already; try again later" },
  { "AccessDenied", EXIT_UNAVAILABLE, "this program may not do that on this bus; see: xmppctl trust pending" },
  { "Unavailable", EXIT_UNAVAILABLE, "start the daemon with: systemctl --user start earshotd" },
  { "Partial", EXIT_PARTIAL, NULL },
  { "Cancelled", EXIT_INTERRUPTED, NULL },
};

static ExitCode
look_up (const char *wanted, const char **name, const char **hint)
{
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    if (g_str_equal (table[i].name, wanted))
      {
        *name = table[i].name;
        *hint = table[i].hint;
        return table[i].code;
      }
  *name = "Failed";
  *hint = NULL;
  return EXIT_FAILED;
}

static const char *
name_of_cli_error (CliError code)
{
  switch (code)
    {
    case CLI_ERROR_FAILED: return ""; /* "Failed" without the hint to a log that knows nothing of it */
    case CLI_ERROR_USAGE: return "InvalidArgument";
    case CLI_ERROR_NOT_FOUND: return "NotFound";
    case CLI_ERROR_AMBIGUOUS: return "Ambiguous";
    case CLI_ERROR_NOT_REACHABLE: return "NotReachable";
    case CLI_ERROR_TIMEOUT: return "Timeout";
    case CLI_ERROR_NOT_TRUSTED: return "NotTrusted";
    case CLI_ERROR_MISMATCH: return "Mismatch";
    case CLI_ERROR_REFUSED: return "Refused";
    case CLI_ERROR_UNAVAILABLE: return "Unavailable";
    case CLI_ERROR_PARTIAL: return "Partial";
    case CLI_ERROR_CANCELLED: return "Cancelled";
    }
  return "";
}

/* What the bus itself, or GLib on its behalf, says. */
static const char *
name_of_bus_error (const char *remote)
{
  static const struct {
    const char *remote, *name;
  } known[] = {
    { "ServiceUnknown", "Unavailable" },
    { "NameHasNoOwner", "Unavailable" },
    { "NoReply", "Unavailable" },
    { "NoServer", "Unavailable" },
    { "Disconnected", "Unavailable" },
    { "AccessDenied", "AccessDenied" },
    { "AuthFailed", "AccessDenied" },
    { "UnknownObject", "NotFound" },
    { "UnknownMethod", "Unsupported" },
    { "UnknownInterface", "Unsupported" },
    { "UnknownProperty", "Unsupported" },
    { "InvalidArgs", "InvalidArgument" },
    { "PropertyReadOnly", "InvalidArgument" },
    { "LimitsExceeded", "TooLarge" },
    { "Timeout", "Timeout" },
    { "TimedOut", "Timeout" },
  };
  const char *prefix = "org.freedesktop.DBus.Error.";

  if (!g_str_has_prefix (remote, prefix))
    return "Failed";
  remote += strlen (prefix);
  if (g_str_has_prefix (remote, "Spawn."))
    return "Unavailable";
  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    if (g_str_equal (known[i].remote, remote))
      return known[i].name;
  return "Failed";
}

static const char *
name_of_local_error (const GError *error)
{
  if (error->domain == G_OPTION_ERROR)
    return "InvalidArgument";
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    return "Timeout";
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return "Cancelled";
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED))
    return "Unavailable";
  return "";
}

ExitCode
exit_code_of_error (const GError *error, const char **name, const char **hint)
{
  const char *n, *h;
  g_autofree char *remote = g_dbus_error_get_remote_error (error);
  const char *wanted;

  if (error->domain == CLI_ERROR)
    wanted = name_of_cli_error ((CliError) error->code);
  else if (remote != NULL && g_str_has_prefix (remote, ERROR_PREFIX))
    wanted = remote + strlen (ERROR_PREFIX);
  else if (remote != NULL)
    wanted = name_of_bus_error (remote);
  else
    wanted = name_of_local_error (error);
  ExitCode code = look_up (wanted, &n, &h);

  if (name != NULL)
    *name = n;
  if (hint != NULL)
    *hint = h;
  return code;
}

ExitCode
exit_code_of_state (const char *state, const char *reason)
{
  static const char *const refused[] = { "refused", "blocked-by-peer", "waiting-approval", "quota", "rejected", NULL };

  if (g_str_equal (state, "expired"))
    return EXIT_TIMEOUT;
  if (g_strv_contains (refused, reason))
    return EXIT_REFUSED;
  if (g_str_equal (state, "held"))
    return EXIT_NOT_TRUSTED;
  if (g_str_equal (state, "failed") && (g_strrstr (reason, "trust") != NULL || g_strrstr (reason, "insecure") != NULL))
    return EXIT_NOT_TRUSTED;
  /* What bounced, bounced over there (docs/protocol.md 4.2: cancel and modify become failed). */
  if (g_str_equal (state, "failed"))
    return EXIT_REFUSED;
  return EXIT_FAILED;
}
