/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * discovery.h on a command line, for the LAN tests. Arguments: CHOICE NAME PORT [INTERFACE…]; NAME "-" publishes nothing.
 * Commands on stdin, a line each: txt STRING…, name NAME, resolve INSTANCE, rescan, withdraw, quit. What happens is printed, a line each.
 */
#include "earshot-config.h"

#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/base/log.h"
#include "daemon/io/discovery.h"

typedef struct {
  GMainLoop *loop;
  Discovery *discovery;
  guint16 port;
  GPtrArray *txt;
} Tool;

static GPtrArray *
make_txt (char **strings)
{
  GPtrArray *txt = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);

  g_ptr_array_add (txt, g_bytes_new_static ("txtvers=1", 9));
  for (; *strings; strings++)
    g_ptr_array_add (txt, g_bytes_new (*strings, strlen (*strings)));
  return txt;
}

static void
on_state (gpointer user, const char *backend, const char *state, const char *reason)
{
  printf ("STATE %s %s %s\n", backend, state, reason ? reason : "-");
}

static void
on_established (gpointer user, const char *instance)
{
  Tool *tool = user;

  printf ("ESTABLISHED %s %s\n", instance, discovery_get_machine (tool->discovery));
}

static void
on_sighted (gpointer user, const DiscoveryRecord *record)
{
  g_autofree char *instance = g_strescape (record->instance, NULL);

  printf ("SIGHTED %s %s %s %d %d %s", instance, record->domain, record->ifname, record->ifindex, record->family == AF_INET6 ? 6 : 4,
          record->txt ? "txt" : "-");
  for (guint i = 0; record->txt && i < record->txt->len; i++)
    {
      gsize size;
      const char *bytes = g_bytes_get_data (record->txt->pdata[i], &size);
      g_autofree char *text = g_strndup (bytes, size);
      g_autofree char *escaped = g_strescape (text, NULL);

      printf (" %s", escaped);
    }
  printf ("\n");
}

static void
on_gone (gpointer user, const char *instance, const char *domain, int ifindex, int family)
{
  g_autofree char *escaped = g_strescape (instance, NULL);

  printf ("GONE %s %s %d %d\n", escaped, domain, ifindex, family == AF_INET6 ? 6 : 4);
}

static void
on_warning (gpointer user, const char *key, const char *text)
{
  printf ("WARNING %s %s\n", key, text ? text : "-");
}

static void
on_resolved (gpointer user, GPtrArray *targets, const GError *error)
{
  printf ("RESOLVED");
  for (guint i = 0; targets && i < targets->len; i++)
    {
      g_autofree char *text = g_socket_connectable_to_string (targets->pdata[i]);

      printf (" %s", text);
    }
  printf ("%s%s\n", error ? " error " : "", error ? error->message : "");
}

static void
on_command (Tool *tool, char **words)
{
  if (strcmp (words[0], "txt") == 0)
    {
      g_ptr_array_unref (tool->txt);
      tool->txt = make_txt (words + 1);
      discovery_update_txt (tool->discovery, tool->txt);
    }
  else if (strcmp (words[0], "name") == 0 && words[1])
    discovery_publish (tool->discovery, words[1], tool->port, tool->txt);
  else if (strcmp (words[0], "resolve") == 0 && words[1])
    discovery_resolve (tool->discovery, words[1], "local", on_resolved, tool);
  else if (strcmp (words[0], "rescan") == 0)
    discovery_rescan (tool->discovery);
  else if (strcmp (words[0], "withdraw") == 0)
    discovery_withdraw (tool->discovery);
  else
    g_main_loop_quit (tool->loop);
}

static gboolean
on_input (GIOChannel *channel, GIOCondition condition, gpointer user)
{
  Tool *tool = user;
  g_autofree char *line = NULL;
  g_auto (GStrv) words = NULL;

  if (g_io_channel_read_line (channel, &line, NULL, NULL, NULL) != G_IO_STATUS_NORMAL)
    {
      g_main_loop_quit (tool->loop);
      return G_SOURCE_REMOVE;
    }
  words = g_strsplit (g_strstrip (line), " ", -1);
  if (words[0])
    on_command (tool, words);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_signal (gpointer user)
{
  g_main_loop_quit (((Tool *) user)->loop);
  return G_SOURCE_CONTINUE;
}

static DiscoveryChoice
parse_choice (const char *word)
{
  if (strcmp (word, "avahi") == 0)
    return DISCOVERY_AVAHI;
  if (strcmp (word, "embedded") == 0)
    return DISCOVERY_EMBEDDED;
  return strcmp (word, "none") == 0 ? DISCOVERY_NONE : DISCOVERY_AUTO;
}

int
main (int argc, char **argv)
{
  DiscoveryCallbacks callbacks = { on_state, on_established, on_sighted, on_gone, on_warning };
  char *nothing[] = { NULL };
  g_autoptr (GIOChannel) input = NULL;
  Tool tool = { 0 };
  guint input_id, signal_id;

  if (argc < 4)
    return EXIT_FAILURE;
  log_init (TRUE);
  setvbuf (stdout, NULL, _IOLBF, 0);
  tool.loop = g_main_loop_new (NULL, FALSE);
  tool.txt = make_txt (nothing);
  tool.port = (guint16) atoi (argv[3]);
  tool.discovery = discovery_new (parse_choice (argv[1]), argc > 4 ? argv + 4 : NULL, &callbacks, &tool);
  if (strcmp (argv[2], "-") != 0)
    discovery_publish (tool.discovery, argv[2], tool.port, tool.txt);
  input = g_io_channel_unix_new (0);
  input_id = g_io_add_watch (input, G_IO_IN | G_IO_HUP, on_input, &tool);
  signal_id = g_unix_signal_add (SIGTERM, on_signal, &tool);
  g_main_loop_run (tool.loop);
  discovery_free (tool.discovery);
  g_source_remove (signal_id);
  if (g_main_context_find_source_by_id (NULL, input_id))
    g_source_remove (input_id);
  g_ptr_array_unref (tool.txt);
  g_main_loop_unref (tool.loop);
  return EXIT_SUCCESS;
}
