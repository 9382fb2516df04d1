/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/proto/invite-id.h"

#include <string.h>

static const char id_label[] = "LL-INVITE-1 id"; /* hashed with its final zero byte */

void
invite_id (const guint8 secret[INVITE_SECRET_BYTES], char out[INVITE_ID_LENGTH + 1])
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);

  g_checksum_update (sum, (const guchar *) id_label, sizeof id_label);
  g_checksum_update (sum, secret, INVITE_SECRET_BYTES);
  g_strlcpy (out, g_checksum_get_string (sum), INVITE_ID_LENGTH + 1);
}

gboolean
invite_id_is (const char *text)
{
  return strlen (text) == INVITE_ID_LENGTH && strspn (text, "0123456789abcdef") == INVITE_ID_LENGTH;
}
