/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/proto/web-link.h"

#include <string.h>

gboolean
web_link_is_valid (const char *url)
{
  g_autoptr (GUri) uri = NULL;

  if (strlen (url) > WEB_LINK_MAX)
    return FALSE;
  for (const char *p = url; *p != '\0'; p++)
    if (*p <= ' ' || *p >= 0x7f || strchr ("<>\"\\^`{|}", *p) != NULL)
      return FALSE;
  uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);
  return uri != NULL && (strcmp (g_uri_get_scheme (uri), "http") == 0 || strcmp (g_uri_get_scheme (uri), "https") == 0)
         && g_uri_get_host (uri) != NULL && *g_uri_get_host (uri) != '\0' && g_uri_get_userinfo (uri) == NULL;
}
