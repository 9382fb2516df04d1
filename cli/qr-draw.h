/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A QR code as text for a terminal. Pure.
 */
#pragma once

#include <glib.h>

/* Lines of `columns` characters each, with the quiet zone; light is ink, for terminals that write light on dark. `blocks`: two rows a
 * line in half blocks of UTF-8; else one row a line, two ASCII characters a module. NULL: too long, or built without libqrencode. */
char *qr_draw (const char *text, gboolean blocks, guint *columns);
