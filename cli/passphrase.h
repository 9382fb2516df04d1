/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Passphrases: typed on the terminal without echo, or the first line of a file. Never from the command line, where everybody on the machine
 * reads along.
 */
#pragma once

#include "cli/ctl.h"

/* `path` NULL: asks on the terminal, twice where `fresh`, and fails where there is none. passphrase_free(); NULL sets the error. */
char *passphrase_get (Ctl *ctl, const char *path, gboolean fresh, GError **error);
/* Wipes it. */
void passphrase_free (char *passphrase);
