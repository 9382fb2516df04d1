/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/bus/bus-pour.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/error.h"

/* Until there is room; FALSE when patience is over. */
static gboolean
await_room (BusPour *pour, int fd)
{
  struct pollfd ready = { .fd = fd, .events = POLLOUT };
  gint64 most = (gint64) pour->patience_ms * 1000;

  while (pour->waited < most)
    {
      gint64 began = g_get_monotonic_time ();
      int n = poll (&ready, 1, (int) ((most - pour->waited + 999) / 1000));

      pour->waited += g_get_monotonic_time () - began;
      if (n > 0)
        return TRUE;
    }
  return FALSE;
}

gboolean
bus_pour (BusPour *pour, int fd, const char *text, gsize length, GError **error)
{
  struct stat st;
  gsize most = fstat (fd, &st) == 0 && S_ISREG (st.st_mode) ? 65536 : PIPE_BUF;

  while (length > 0)
    {
      gssize written;

      if (!await_room (pour, fd))
        {
          g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_TIMEOUT, "whoever reads the export takes nothing, or next to nothing");
          return FALSE;
        }
      written = write (fd, text, MIN (length, most));
      if (written < 0 && errno != EINTR && errno != EAGAIN)
        {
          g_set_error (error, EARSHOT_ERROR, errno == ENOSPC || errno == EDQUOT ? EARSHOT_ERROR_STORE_FULL : EARSHOT_ERROR_FAILED,
                       "cannot write the export: %s", g_strerror (errno));
          return FALSE;
        }
      text += MAX (written, 0);
      length -= (gsize) MAX (written, 0);
      pour->taken += (gsize) MAX (written, 0);
      if (pour->taken >= BUS_POUR_PACE)
        {
          pour->taken = 0;
          pour->waited = 0;
        }
    }
  return TRUE;
}
