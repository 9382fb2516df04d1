/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The key file and the command line, read once into a plain struct. Modules receive
 * values, not the file. An unknown group or key, or a bad value, is an error with file, line and reason.
 */
#pragma once

#include <glib.h>

#include "daemon/proto/trust-policy.h"

typedef enum { DISCOVERY_AUTO, DISCOVERY_AVAHI, DISCOVERY_EMBEDDED, DISCOVERY_NONE } DiscoveryChoice;

typedef struct {
  char *bus;            /* "session", "system" or a D-Bus address */
  char *data_dir;       /* $XDG_DATA_HOME/earshot */
  char *name;           /* the user part as a person writes it; default: login name */
  guint16 port;         /* 0 = ephemeral */
  DiscoveryChoice discovery;
  char **interfaces;    /* NULL = all */
  TrustMode trust_mode; /* the default until changed over D-Bus */
  LegacyPolicy legacy_policy; /* the default until changed over D-Bus: refuse */
  char **trust_roots, **trust_crls; /* files; NULL = none */
  char *identity;       /* "pkcs11:..."; NULL = the key is a file in data_dir */
  char *pin_file;       /* of that token; NULL = it asks for none */
  gboolean verbose;
  gboolean allow_loopback; /* test switch: dial loopback targets (1.7) */
  guint idle_close_s;   /* close a stream idle that long, default 600; 0 = never */
  guint64 history_max;  /* newest entries kept per conversation, default 0 = no limit */
  guint64 history_mib;  /* so much of each, default 0 = no limit */
  guint64 history_days; /* nothing older, default 0 = no limit */
} Config;

/* Defaults; then the file, when it exists (`required`: it must). */
Config *config_load (const char *path, gboolean required, GError **error);
/* Applies one key as the file would ("port", "5298"); used for the command line. */
gboolean config_set (Config *config, const char *key, const char *value, GError **error);
void config_free (Config *config);
/* $XDG_CONFIG_HOME/earshot/earshotd.conf; caller frees. */
char *config_default_path (void);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Config, config_free)
