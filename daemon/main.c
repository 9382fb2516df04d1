/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * All of main: options, logging, the name, the loop.
 */
#include "earshot-config.h"

#include <glib-unix.h>
#include <locale.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "daemon/base/error.h"
#include "daemon/base/log.h"
#include "daemon/base/names.h"
#include "daemon/bus/bus-connect.h"
#include "daemon/daemon.h"

#define EXIT_USAGE 2
#define EXIT_NO_BUS 9

static char *opt_config;
static gboolean opt_verbose, opt_version;
static char *opt_bus, *opt_data_dir, *opt_name, *opt_port, *opt_discovery;
static char **opt_interfaces;

static const GOptionEntry entries[] = {
  { "bus", 0, 0, G_OPTION_ARG_STRING, &opt_bus, "session (default), system, private, or a D-Bus address", "BUS" },
  { "config", 0, 0, G_OPTION_ARG_FILENAME, &opt_config, "Read this file instead of ~/.config/earshot/earshotd.conf", "FILE" },
  { "data-dir", 0, 0, G_OPTION_ARG_FILENAME, &opt_data_dir, "Keep key, trust and messages here (~/.local/share/earshot)", "DIR" },
  { "name", 0, 0, G_OPTION_ARG_STRING, &opt_name, "The name people see before the @ (your login name)", "NAME" },
  { "port", 0, 0, G_OPTION_ARG_STRING, &opt_port, "TCP port; 0 lets the system choose (default)", "PORT" },
  { "discovery", 0, 0, G_OPTION_ARG_STRING, &opt_discovery, "auto (default), avahi, embedded or none", "HOW" },
  { "interface", 0, 0, G_OPTION_ARG_STRING_ARRAY, &opt_interfaces, "Use only this interface; repeatable", "IF" },
  { "verbose", 0, 0, G_OPTION_ARG_NONE, &opt_verbose, "Log details", NULL },
  { "version", 0, 0, G_OPTION_ARG_NONE, &opt_version, "Print the version and exit", NULL },
  { NULL }
};

static gboolean
apply (Config *config, const char *key, const char *value, GError **error)
{
  return value == NULL || config_set (config, key, value, error);
}

static Config *
read_config (GError **error)
{
  g_autofree char *fallback = config_default_path ();
  g_autoptr (Config) config = config_load (opt_config != NULL ? opt_config : fallback, opt_config != NULL, error);
  g_autofree char *interfaces = opt_interfaces != NULL ? g_strjoinv (";", opt_interfaces) : NULL;

  if (config == NULL || !apply (config, "bus", opt_bus, error) || !apply (config, "data-dir", opt_data_dir, error)
      || !apply (config, "name", opt_name, error) || !apply (config, "port", opt_port, error)
      || !apply (config, "discovery", opt_discovery, error) || !apply (config, "interfaces", interfaces, error))
    return NULL;
  config->verbose |= opt_verbose;
  return g_steal_pointer (&config);
}

typedef struct {
  GMainLoop *loop;
  Daemon *daemon;
  int status;
} Run;

static gboolean
on_signal (gpointer user)
{
  Run *run = user;

  log_notice ("main", "asked to stop");
  g_main_loop_quit (run->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_hangup (gpointer user)
{
  Run *run = user;

  log_notice ("main", "asked to read the trust roots anew");
  daemon_reload (run->daemon);
  return G_SOURCE_CONTINUE;
}

static void
on_name_acquired (GDBusConnection *connection, const char *name, gpointer user)
{
  Run *run = user;

  log_notice ("main", "%s %s is ready", name, PACKAGE_VERSION);
  daemon_go_public (run->daemon);
}

static void
on_name_lost (GDBusConnection *connection, const char *name, gpointer user)
{
  Run *run = user;

  log_warn ("main", connection != NULL ? "another program has the name %s on this bus: stop it first"
                                       : "the bus is gone, and with it %s", name);
  run->status = connection != NULL ? EXIT_FAILURE : EXIT_NO_BUS;
  g_main_loop_quit (run->loop);
}

static int
run_daemon (const Config *config)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) connection = NULL;
  BusGate *gate = NULL;
  Run run = { .status = EXIT_SUCCESS };
  guint owner = 0, int_source, term_source, hup_source;

  if (!bus_connect (config->bus, &connection, &gate, &error))
    {
      g_printerr ("earshotd: no D-Bus at '%s': %s\nMend it, name another with --bus=ADDRESS, or do without one: --bus=private.\n", config->bus, error->message);
      return EXIT_NO_BUS;
    }
  run.daemon = daemon_new (config, &error);
  if (run.daemon == NULL
      || !(connection == NULL ? daemon_open_private (run.daemon, NULL, &error) : daemon_open_window (run.daemon, connection, &error)))
    {
      gboolean mistaken = g_error_matches (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT);

      g_printerr ("earshotd: %s\n", error->message);
      daemon_free (run.daemon);
      bus_gate_free (gate, connection);
      /* What the configuration says of a token does not mend by trying again, least of all a wrong PIN. */
      return mistaken ? EXIT_USAGE : EXIT_FAILURE;
    }
  run.loop = g_main_loop_new (NULL, FALSE);
  int_source = g_unix_signal_add (SIGINT, on_signal, &run);
  term_source = g_unix_signal_add (SIGTERM, on_signal, &run);
  hup_source = g_unix_signal_add (SIGHUP, on_hangup, &run);
  if (connection == NULL)
    daemon_go_public (run.daemon);
  else
    owner = g_bus_own_name_on_connection (connection, EARSHOT_BUS_NAME, G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE, on_name_acquired,
                                          on_name_lost, &run, NULL);
  g_main_loop_run (run.loop);
  if (owner != 0)
    g_bus_unown_name (owner);
  g_source_remove (hup_source);
  daemon_free (run.daemon);
  g_source_remove (int_source);
  g_source_remove (term_source);
  /* Calls that reached us while the loop ended still hold the window: they are told that it is closed. */
  for (guint turn = 0; turn < 100 && g_main_context_iteration (NULL, FALSE); turn++)
    ;
  bus_gate_free (gate, connection);
  g_main_loop_unref (run.loop);
  return run.status;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new ("- serverless messenger for the local link");
  g_autoptr (GError) error = NULL;
  g_autoptr (Config) config = NULL;
  struct rlimit no_core = { 0, 0 };

  setlocale (LC_ALL, "");
  /* A core file would hold the private key. */
  setrlimit (RLIMIT_CORE, &no_core);
  /* Two threads allocate: a second arena for each core would only cost memory. */
  mallopt (M_ARENA_MAX, 2);
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_description (context, "Example:\n  earshotd --name=juliet --discovery=embedded --verbose\n\n"
                                             "Talk to it with xmppctl(1). Manual: earshotd(8).");
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc > 1)
    {
      g_printerr ("earshotd: %s\nUsage: earshotd [OPTION...]; earshotd --help explains.\n",
                  error != NULL ? error->message : "unexpected argument");
      return EXIT_USAGE;
    }
  if (opt_version)
    {
      printf ("earshotd %s\n", PACKAGE_VERSION);
      return EXIT_SUCCESS;
    }
  config = read_config (&error);
  if (config == NULL)
    {
      g_printerr ("earshotd: %s\n", error->message);
      return EXIT_USAGE;
    }
  log_init (config->verbose);
  return run_daemon (config);
}
