/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Record data as a stranger sent it, to values. No state, no I/O.
 */
#include "earshot-config.h"

#include "daemon/io/discovery-backend.h"

#include <avahi-common/domain.h>
#include <string.h>

#include "daemon/proto/presence-txt.h"

/* RFC 6763 section 6.1: strings of one length byte and up to 255 bytes; an empty one says nothing. */
GPtrArray *
discovery_txt_from_rdata (const guint8 *rdata, gsize size)
{
  g_autoptr (GPtrArray) strings = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  gsize at = 0;

  if (size > PRESENCE_TXT_MAX)
    return NULL;
  while (at < size)
    {
      gsize len = rdata[at++];

      if (len > size - at)
        return NULL;
      if (len > 0)
        g_ptr_array_add (strings, g_bytes_new (rdata + at, len));
      at += len;
    }
  return g_steal_pointer (&strings);
}

AvahiStringList *
discovery_txt_to_list (const GPtrArray *txt)
{
  AvahiStringList *list = NULL;

  /* Both stacks serialize the list from its end, so the string added first is the first of the record (`txtvers`, 1.2). */
  for (guint i = 0; i < txt->len; i++)
    {
      gsize size;
      const guint8 *bytes = g_bytes_get_data (txt->pdata[i], &size);

      list = avahi_string_list_add_arbitrary (list, bytes, MIN (size, 255));
    }
  return list;
}

/* RFC 2782: priority, weight, port, target; the target is never compressed in what the stacks hand out. */
gboolean
discovery_srv_from_rdata (const guint8 *rdata, gsize size, guint16 *port, char **host)
{
  char name[AVAHI_DOMAIN_NAME_MAX];
  gsize used = 0, at = 6;

  if (size < 7)
    return FALSE;
  for (;;)
    {
      gsize len, left = sizeof name - used;
      char *out = name + used;

      if (at >= size)
        return FALSE;
      len = rdata[at++];
      if (len == 0)
        break;
      if (len >= AVAHI_LABEL_MAX || len > size - at || left < 2 || memchr (rdata + at, 0, len))
        return FALSE;
      if (used > 0)
        {
          *out++ = '.';
          left--;
        }
      if (!avahi_escape_label ((const char *) rdata + at, len, &out, &left))
        return FALSE;
      used = strlen (name);
      at += len;
    }
  /* A target of "." means that the service is not available (RFC 2782). */
  if (used == 0 || at != size || !avahi_is_valid_domain_name (name))
    return FALSE;
  *port = (guint16) (rdata[4] << 8 | rdata[5]);
  if (*port == 0)
    return FALSE;
  *host = g_strdup (name);
  return TRUE;
}
