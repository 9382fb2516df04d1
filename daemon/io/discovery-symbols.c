/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/io/discovery-symbols.h"

#include <dlfcn.h>
#include <string.h>

#include "daemon/base/error.h"

gboolean
discovery_symbols_load (const char *soname, const DiscoverySymbol *symbols, gsize n, gpointer table, GError **error)
{
  void *library = dlopen (soname, RTLD_NOW | RTLD_LOCAL);

  if (!library)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_UNSUPPORTED, "%s", dlerror ());
      return FALSE;
    }
  for (gsize i = 0; i < n; i++)
    {
      void *symbol = dlsym (library, symbols[i].name);

      if (!symbol)
        {
          g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_UNSUPPORTED, "%s", dlerror ());
          return FALSE;
        }
      /* An object pointer holds a function's address by POSIX (dlsym); ISO C has no cast for it. */
      memcpy ((char *) table + symbols[i].offset, &symbol, sizeof symbol);
    }
  return TRUE;
}
