/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/addresses.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

typedef enum { FROM_AFAR, ON_LINK, USELESS } Use;

static gboolean
is_wanted (const struct ifaddrs *item, const char *const *interfaces)
{
  return item->ifa_addr != NULL && (item->ifa_flags & IFF_UP) != 0 && (item->ifa_flags & IFF_LOOPBACK) == 0
         && (interfaces == NULL || interfaces[0] == NULL || g_strv_contains (interfaces, item->ifa_name));
}

static Use
use_of_v4 (const struct in_addr *address)
{
  guint32 number = ntohl (address->s_addr);

  if (number >> 24 == 0 || number >> 24 == 127 || number >> 28 >= 0xe)
    return USELESS;
  return number >> 16 == 0xa9fe ? ON_LINK : FROM_AFAR; /* 169.254/16 */
}

static Use
use_of_v6 (const struct in6_addr *address)
{
  if (IN6_IS_ADDR_LINKLOCAL (address))
    return ON_LINK;
  if (IN6_IS_ADDR_LOOPBACK (address) || IN6_IS_ADDR_UNSPECIFIED (address) || IN6_IS_ADDR_MULTICAST (address)
      || IN6_IS_ADDR_V4MAPPED (address))
    return USELESS;
  return FROM_AFAR;
}

/* Its text without scope; "" for other families. */
static Use
describe (const struct sockaddr *address, char text[INET6_ADDRSTRLEN])
{
  text[0] = '\0';
  if (address->sa_family == AF_INET)
    {
      struct sockaddr_in v4;

      memcpy (&v4, address, sizeof v4);
      inet_ntop (AF_INET, &v4.sin_addr, text, INET6_ADDRSTRLEN);
      return use_of_v4 (&v4.sin_addr);
    }
  if (address->sa_family == AF_INET6)
    {
      struct sockaddr_in6 v6;

      memcpy (&v6, address, sizeof v6);
      inet_ntop (AF_INET6, &v6.sin6_addr, text, INET6_ADDRSTRLEN);
      return use_of_v6 (&v6.sin6_addr);
    }
  return USELESS;
}

static void
add_once (GPtrArray *list, const char *text, guint max)
{
  for (guint i = 0; i < list->len; i++)
    if (strcmp (g_ptr_array_index (list, i), text) == 0)
      return;
  if (list->len < max)
    g_ptr_array_add (list, g_strdup (text));
}

static char **
end_list (GPtrArray *list)
{
  g_ptr_array_add (list, NULL);
  return (char **) g_ptr_array_free (list, FALSE);
}

char **
addresses_list (const char *const *interfaces, guint max)
{
  GPtrArray *list = g_ptr_array_new ();
  struct ifaddrs *all = NULL;

  if (getifaddrs (&all) != 0)
    return end_list (list);
  for (Use wanted = FROM_AFAR; wanted <= ON_LINK; wanted++)
    for (const struct ifaddrs *item = all; item != NULL; item = item->ifa_next)
      {
        char text[INET6_ADDRSTRLEN];

        if (is_wanted (item, interfaces) && describe (item->ifa_addr, text) == wanted)
          add_once (list, text, max);
      }
  freeifaddrs (all);
  return end_list (list);
}

char **
addresses_list_links (const char *const *interfaces, guint max)
{
  GPtrArray *list = g_ptr_array_new ();
  struct ifaddrs *all = NULL;

  if (getifaddrs (&all) != 0)
    return end_list (list);
  for (const struct ifaddrs *item = all; item != NULL; item = item->ifa_next)
    {
      char text[INET6_ADDRSTRLEN];

      /* Without an address of the kind it can not send to one. */
      if (is_wanted (item, interfaces) && item->ifa_addr->sa_family == AF_INET6
          && describe (item->ifa_addr, text) == ON_LINK)
        add_once (list, item->ifa_name, max);
    }
  freeifaddrs (all);
  return end_list (list);
}

gboolean
addresses_need_link (const char *host)
{
  struct in6_addr address;

  return inet_pton (AF_INET6, host, &address) == 1 && IN6_IS_ADDR_LINKLOCAL (&address);
}
