/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From what went wrong to the documented exit code, the error's name and a hint. Pure.
 */
#pragma once

#include <gio/gio.h>

typedef enum {
  EXIT_DONE = 0,
  EXIT_FAILED = 1,
  EXIT_USAGE = 2,
  EXIT_NOT_FOUND = 3,
  EXIT_AMBIGUOUS = 4,
  EXIT_NOT_REACHABLE = 5,
  EXIT_TIMEOUT = 6,
  EXIT_NOT_TRUSTED = 7,
  EXIT_REFUSED = 8,
  EXIT_UNAVAILABLE = 9,
  EXIT_PARTIAL = 10,
  EXIT_INTERRUPTED = 130
} ExitCode;

/* Errors of our own making; the code is an index into the same table as the daemon's error names. */
#define CLI_ERROR (cli_error_quark ())
GQuark cli_error_quark (void);

typedef enum {
  CLI_ERROR_FAILED,
  CLI_ERROR_USAGE,         /* InvalidArgument */
  CLI_ERROR_NOT_FOUND,
  CLI_ERROR_AMBIGUOUS,
  CLI_ERROR_NOT_REACHABLE,
  CLI_ERROR_TIMEOUT,
  CLI_ERROR_NOT_TRUSTED,
  CLI_ERROR_MISMATCH,
  CLI_ERROR_REFUSED,
  CLI_ERROR_UNAVAILABLE,   /* no bus, no daemon */
  CLI_ERROR_PARTIAL,
  CLI_ERROR_CANCELLED
} CliError;

/* `name` (static, or NULL to ignore) is "NotTrusted", "Unavailable", ...; `hint` static or NULL. */
ExitCode exit_code_of_error (const GError *error, const char **name, const char **hint);

/* For a message that went aside: held, failed, expired, cancelled. */
ExitCode exit_code_of_state (const char *state, const char *reason);
