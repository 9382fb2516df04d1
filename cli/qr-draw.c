/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "cli/qr-draw.h"

#include <stdio.h>
#include <string.h>

#include "cli/exit-code.h"
#include "cli/out.h"

#define QR_COLORS "38;5;231;48;5;16"

#ifdef HAVE_QRENCODE
#include <qrencode.h>

#define QUIET 4 /* modules around it, ISO/IEC 18004 */

static gboolean
is_light (const QRcode *code, int x, int y)
{
  if (x < 0 || y < 0 || x >= code->width || y >= code->width)
    return TRUE;
  return (code->data[y * code->width + x] & 1) == 0;
}

char *
qr_draw (const char *text, gboolean blocks, guint *columns)
{
  static const char *const halves[] = { " ", "\u2584", "\u2580", "\u2588" }; /* none, lower, upper, both */
  QRcode *code = QRcode_encodeString8bit (text, 0, QR_ECLEVEL_L);
  GString *out;

  if (code == NULL)
    return NULL;
  out = g_string_new (NULL);
  for (int y = -QUIET; y < code->width + QUIET; y += blocks ? 2 : 1)
    {
      for (int x = -QUIET; x < code->width + QUIET; x++)
        {
          gboolean upper = is_light (code, x, y);
          /* An odd number of rows: nothing stands below the last. */
          gboolean lower = y + 1 < code->width + QUIET && is_light (code, x, y + 1);

          g_string_append (out, blocks ? halves[2 * upper + lower] : upper ? "##" : "  ");
        }
      g_string_append_c (out, '\n');
    }
  *columns = (guint) (code->width + 2 * QUIET) * (blocks ? 1 : 2);
  QRcode_free (code);
  return g_string_free (out, FALSE);
}

#else

char *
qr_draw (const char *text, gboolean blocks, guint *columns)
{
  return NULL;
}

#endif

gboolean
qr_print (const char *text, guint width, gboolean color, GError **error)
{
  guint columns = 0;
  g_autofree char *drawing = qr_draw (text, g_get_charset (NULL), &columns);
  g_auto (GStrv) lines = NULL;

  if (drawing == NULL)
    g_set_error_literal (error, CLI_ERROR, CLI_ERROR_FAILED, "this xmppctl was built without libqrencode");
  else if (width > 0 && width < columns)
    g_set_error (error, CLI_ERROR, CLI_ERROR_FAILED, "the code is %u columns wide, the terminal %u", columns, width);
  else
    {
      lines = g_strsplit (drawing, "\n", -1);
      for (guint i = 0; lines[i] != NULL && *lines[i] != '\0'; i++)
        printf ("%s%s%s\n", out_color (color, QR_COLORS), lines[i], out_color (color, ""));
      return TRUE;
    }
  return FALSE;
}
