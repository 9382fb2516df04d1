/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/proto/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "daemon/base/error.h"

#define HOST_MAX 64
#define LABEL_MAX 63
#define SCOPE_MAX 15
#define TEXT_MAX 128 /* with a scope to be dropped, and zeros that need not be */

static gboolean
refuse (GError **error, const char *why)
{
  g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "no endpoint: %s", why);
  return FALSE;
}

static gboolean
read_port (const char *text, guint *port)
{
  guint64 number;

  /* No sign, no zero in front, nothing behind. */
  if (*text < '1' || *text > '9' || !g_ascii_string_to_unsigned (text, 10, 1, G_MAXUINT16, &number, NULL))
    return FALSE;
  *port = (guint) number;
  return TRUE;
}

/* "this network", loopback, multicast, reserved, broadcast */
static gboolean
is_usable_v4 (const struct in_addr *address)
{
  guint8 first = (guint8) (ntohl (address->s_addr) >> 24);

  return first != 0 && first != 127 && first < 224;
}

static gboolean
is_usable_v6 (const struct in6_addr *address)
{
  static const guint8 zero[12] = { 0 };

  /* ::/96 has the unspecified address, the loopback one and those of the old transition; ::ffff:0:0/96 are IPv4 addresses in
   * another coat. */
  return memcmp (address->s6_addr, zero, 12) != 0 && !IN6_IS_ADDR_V4MAPPED (address) && !IN6_IS_ADDR_MULTICAST (address);
}

/* Without brackets. */
static char *
normalise_v6 (char *host, GError **error)
{
  char *scope = strchr (host, '%');
  char text[INET6_ADDRSTRLEN];
  struct in6_addr address;

  if (scope != NULL)
    *scope++ = '\0';
  if (inet_pton (AF_INET6, host, &address) != 1)
    {
      refuse (error, "its IPv6 address is none");
      return NULL;
    }
  if (!is_usable_v6 (&address))
    {
      refuse (error, "nobody else is reached at such an address");
      return NULL;
    }
  if (scope != NULL && (!IN6_IS_ADDR_LINKLOCAL (&address) || *scope == '\0' || strlen (scope) > SCOPE_MAX))
    {
      refuse (error, "a link is named where none can be");
      return NULL;
    }
  return g_strdup (inet_ntop (AF_INET6, &address, text, sizeof text));
}

/* Letters, digits and hyphens in labels; the last one begins with a letter, so that nothing is left that a resolver takes for a number. */
static gboolean
check_name (const char *host, GError **error)
{
  g_auto (GStrv) labels = g_strsplit (host, ".", -1);
  const char *last = "";

  if (strlen (host) > HOST_MAX)
    return refuse (error, "its host name is too long");
  for (guint i = 0; labels[i] != NULL; i++)
    {
      gsize len = strlen (labels[i]);

      if (len == 0 || len > LABEL_MAX || labels[i][0] == '-' || labels[i][len - 1] == '-'
          || strspn (labels[i], "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
        return refuse (error, "its host name is none");
      last = labels[i];
    }
  if (!g_ascii_isalpha (*last))
    return refuse (error, "its host is neither a name nor an address");
  if (strcmp (last, "localhost") == 0)
    return refuse (error, "nobody else is reached at such a name");
  return TRUE;
}

static char *
normalise_host (const char *given, GError **error)
{
  g_autofree char *host = g_ascii_strdown (given, -1);
  char text[INET_ADDRSTRLEN];
  struct in_addr address;

  /* Four decimal numbers and nothing else. */
  if (inet_pton (AF_INET, host, &address) != 1)
    return check_name (host, error) ? g_steal_pointer (&host) : NULL;
  if (!is_usable_v4 (&address))
    {
      refuse (error, "nobody else is reached at such an address");
      return NULL;
    }
  return g_strdup (inet_ntop (AF_INET, &address, text, sizeof text));
}

char *
endpoint_normalise (const char *text, GError **error)
{
  const char *colon = strrchr (text, ':');
  g_autofree char *given = NULL, *host = NULL;
  gsize len;
  guint port;

  if (colon == NULL || strlen (text) > TEXT_MAX || !read_port (colon + 1, &port))
    {
      refuse (error, "it is not HOST:PORT or [IPV6]:PORT with a port from 1 to 65535");
      return NULL;
    }
  given = g_strndup (text, (gsize) (colon - text));
  len = strlen (given);
  if (*given != '[')
    {
      host = normalise_host (given, error);
      return host != NULL ? g_strdup_printf ("%s:%u", host, port) : NULL;
    }
  if (len < 2 || given[len - 1] != ']')
    {
      refuse (error, "the bracket of its IPv6 address does not close");
      return NULL;
    }
  given[len - 1] = '\0';
  host = normalise_v6 (given + 1, error);
  return host != NULL ? g_strdup_printf ("[%s]:%u", host, port) : NULL;
}
