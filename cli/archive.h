/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The log out to a file of JSON lines, and back. The daemon writes, into a descriptor of ours; we read, since whose file it is nobody
 * knows: lines and their nesting are bounded, what does not fit is counted and left out.
 */
#pragma once

#include "cli/ctl.h"

/* "-" is stdout. `conversation` "/" = all; `since` 0 = from the start. */
gboolean archive_export (Ctl *ctl, const char *file, const char *conversation, gint64 since, GError **error);
/* "-" is stdin. Says on stderr what became of it. */
gboolean archive_import (Ctl *ctl, const char *file, GError **error);
