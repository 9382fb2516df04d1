/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A QR code as text for a terminal.
 */
#pragma once

#include <glib.h>

/* Lines of `columns` characters each, with the quiet zone; light is ink, for terminals that write light on dark. `blocks`: two rows a
 * line in half blocks of UTF-8; else one row a line, two ASCII characters a module. NULL: too long, or built without libqrencode. */
char *qr_draw (const char *text, gboolean blocks, guint *columns);
/* On stdout, white on black whatever the terminal's own colours are with `color`. FALSE: it can not be drawn, or is wider than `width`
 * (0 = no terminal). */
gboolean qr_print (const char *text, guint width, gboolean color, GError **error);
