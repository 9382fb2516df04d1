/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What every subcommand gets: the global options, the connection to the daemon, its objects, and the way to fail.
 * One of it per process; main.c makes and frees it. Commands are synchronous; live.h is for those that wait.
 */
#pragma once

#include <gio/gio.h>

#include "cli/exit-code.h"
#include "cli/model.h"
#include "dbus/earshot-dbus.h"

#define EARSHOT_NAME "im.earshot.Earshot1"
#define EARSHOT_ROOT "/im/earshot/Earshot1"

typedef struct _Ctl Ctl;
typedef struct _Command Command;
struct _Completion;

/* A subcommand. `run` gets the arguments without options and returns the exit code. */
struct _Command {
  const char *name;
  const char *args;              /* for the usage line; completion reads it, too (cli/usage.h) */
  const char *summary;           /* one line */
  const char *detail;            /* more of it, or NULL */
  const char *examples;          /* one command line per line */
  const GOptionEntry *options;   /* or NULL */
  int min_args, max_args;        /* max -1 = any number */
  int (*run) (Ctl *ctl, int argc, char **argv); /* NULL: a subcommand must be named */
  const Command *const *subcommands;            /* NULL-terminated, or NULL */
  gboolean by_key;               /* it changes trust: an address does not say which PEER is meant */
  gboolean hidden;               /* for programs, not for people */
  gboolean raw;                  /* what follows is arguments, dashes or not */
  /* Offers what may stand for `what`, a word in capitals of `args` or of an option; `before` is the argument before it, or NULL. FALSE: it
   * knows nothing of that word. May be NULL. */
  gboolean (*complete) (Ctl *ctl, const char *what, const char *before, struct _Completion *completion);
};

struct _Ctl {
  /* global options */
  gboolean json, quiet, verbose;
  char *bus, *color, *timeout_text;
  gint64 deadline;               /* monotonic; 0 = none */
  /* what they come to */
  gboolean color_out, color_err, tty_out, can_ask;
  const char *command_line;      /* "send", "trust accept": for messages */
  const Command *command;
  char *hint;                    /* goes with the next error */
  /* the daemon; valid after ctl_load() */
  GDBusConnection *connection;
  gboolean is_private;           /* there is no bus between us (cli/bus.h) */
  char *owner;                   /* unique name that answered: no lookup before further calls; NULL on the private socket */
  Model *model;
  gboolean no_autostart;
  struct _Live *live;
};

/* Connects; does not call yet. */
gboolean ctl_connect (Ctl *ctl, GError **error);
/* Connects if need be and asks for everything the daemon has: the one round trip of start-up. */
gboolean ctl_load (Ctl *ctl, GError **error);
void ctl_clear (Ctl *ctl);

/* Milliseconds a call may take now. */
int ctl_call_timeout (Ctl *ctl);
/* A generated proxy of an object; made without asking the bus anything. Caller unrefs. */
EarshotManager *ctl_manager (Ctl *ctl, GError **error);
EarshotMessages *ctl_messages (Ctl *ctl, GError **error);
EarshotNetwork *ctl_network (Ctl *ctl, GError **error);
EarshotContact *ctl_contact (Ctl *ctl, const char *path, GError **error);
EarshotConversation *ctl_conversation (Ctl *ctl, const char *path, GError **error);
EarshotKey *ctl_key (Ctl *ctl, const char *path, GError **error);
EarshotRequest *ctl_request (Ctl *ctl, const char *path, GError **error);
EarshotVerification *ctl_verification (Ctl *ctl, const char *path, GError **error);
/* Writes a property; `interface` without prefix. Consumes a floating `value`. */
gboolean ctl_set_property (Ctl *ctl, const char *path, const char *interface, const char *property, GVariant *value,
                           GError **error);
/* An empty a{sv}, floating. */
GVariant *ctl_no_options (void);

/* Failing. Each reports on stderr (JSON when asked) and returns the exit code. */
int ctl_fail (Ctl *ctl, const GError *error);
/* The same, with one of several targets named. */
int ctl_fail_for (Ctl *ctl, const char *whom, const GError *error);
int ctl_usage (Ctl *ctl, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* Sets the hint of the next error. */
void ctl_hint (Ctl *ctl, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* For people, on stderr; nothing under --quiet or --json. Escaped. */
void ctl_note (Ctl *ctl, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* Only with -v. */
void ctl_trace (Ctl *ctl, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* Asks y/N on the terminal; only where ctl->can_ask. */
gboolean ctl_ask (Ctl *ctl, const char *question);
