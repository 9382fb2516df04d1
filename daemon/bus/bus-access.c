/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/bus/bus-access.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/app-id.h"
#include "daemon/base/error.h"
#include "daemon/base/log.h"

#define INSPECT_FILE_MAX (64 * 1024)
/* Identifications under way. On a bus with a burst of newcomers each costs it two calls of ours, which are before all else that we say, and
 * their answers come behind the newcomers' own calls: none of these calls is served sooner for more of them. */
#define ASKING_MAX 8
#define PENDING_MAX 4096 /* calls of one sender that wait for its identification; it may be a busy machine that keeps them */

typedef struct {
  BusAccess *access; /* NULL once it was freed */
  char *name;
  guint watch; /* NameOwnerChanged of this name */
  gboolean known;
  GError *denied; /* NULL = may call */
  char *audit, *app;
  GQueue pending; /* Waiting* */
} Caller;

typedef struct {
  BusAccessChecked done;
  gpointer user;
} Waiting;

struct _BusAccess {
  GDBusConnection *connection;
  GHashTable *callers; /* unique name -> Caller, held; NULL once it was freed */
  GQueue unasked;      /* Caller*, held: the bus is to be asked about them */
  guint asking;
};

typedef struct {
  BusAccess *access;
  Caller *caller;
} Question;

/* What the thread gets and gives back. */
typedef struct {
  guint pid;
  char *label;
  BusProcess process;
} Inspection;

static void
caller_clear (gpointer data)
{
  Caller *caller = data;

  g_free (caller->name);
  g_free (caller->audit);
  g_free (caller->app);
  g_clear_error (&caller->denied);
}

static void
caller_unref (gpointer data)
{
  g_rc_box_release_full (data, caller_clear);
}

static void
access_clear (gpointer data)
{
  g_object_unref (((BusAccess *) data)->connection);
}

static void
access_unref (BusAccess *access)
{
  g_rc_box_release_full (access, access_clear);
}

static void
inspection_free (gpointer data)
{
  Inspection *inspection = data;

  g_free (inspection->label);
  g_free (inspection->process.program);
  g_free (inspection->process.app);
  g_free (inspection);
}

/* Reads a small file without following links or waiting for anybody. ENOENT gives TRUE with NULL. */
static gboolean
read_small (int dir, const char *name, char **out, GError **error)
{
  g_autofree char *buffer = NULL;
  gsize used = 0;
  int fd = openat (dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK);

  *out = NULL;
  if (fd < 0 && errno == ENOENT)
    return TRUE;
  if (fd < 0)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_ACCESS_DENIED, "%s can not be read: %s", name,
                   g_strerror (errno));
      return FALSE;
    }
  buffer = g_malloc (INSPECT_FILE_MAX + 1);
  while (used < INSPECT_FILE_MAX)
    {
      gssize n = read (fd, buffer + used, INSPECT_FILE_MAX - used);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        break;
      used += (gsize) n;
    }
  close (fd);
  buffer[used] = '\0';
  *out = g_steal_pointer (&buffer);
  return TRUE;
}

/* Whose claim it is: the sandbox's, which the application can not change, yet what is no name names nobody. */
static char *
app_name (const char *sandbox, const char *name)
{
  g_autofree char *app = g_strconcat (sandbox, ":", name, NULL);

  return name != NULL && app_id_is_valid (app) ? g_steal_pointer (&app) : g_strdup ("");
}

/* Flatpak puts /.flatpak-info into every sandbox it makes, that of the bus proxy included; the application can not
 * remove it, nor make mount namespaces of its own. That the file exists is the verdict; its content only says whose. */
static gboolean
inspect_flatpak (int process_dir, BusProcess *out, GError **error)
{
  g_autofree char *text = NULL;
  g_autofree char *name = NULL;
  g_autoptr (GKeyFile) keys = NULL;
  int root = openat (process_dir, "root", O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NONBLOCK | O_NOCTTY);
  gboolean ok;

  if (root < 0)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_ACCESS_DENIED, "its root directory can not be inspected: %s",
                   g_strerror (errno));
      return FALSE;
    }
  ok = read_small (root, ".flatpak-info", &text, error);
  close (root);
  if (!ok)
    return FALSE;
  if (text == NULL)
    return TRUE;
  keys = g_key_file_new ();
  if (g_key_file_load_from_data (keys, text, strlen (text), G_KEY_FILE_NONE, NULL))
    name = g_key_file_get_string (keys, "Application", "name", NULL);
  out->app = app_name ("flatpak", name);
  return TRUE;
}

/* snap.NAME.COMMAND, whatever follows. */
static char *
snap_name (const char *label)
{
  g_auto (GStrv) parts = g_strsplit (label, ".", 3);

  return app_name ("snap", g_strv_length (parts) == 3 ? parts[1] : NULL);
}

/* Snap names its processes in the AppArmor label and, with or without AppArmor, in the cgroup. */
static gboolean
inspect_snap (int process_dir, const char *label, BusProcess *out, GError **error)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) parts = NULL;

  if (label != NULL && g_str_has_prefix (label, "snap."))
    {
      out->app = snap_name (label);
      return TRUE;
    }
  if (!read_small (process_dir, "cgroup", &text, error))
    return FALSE;
  if (text == NULL)
    return TRUE;
  parts = g_strsplit_set (text, "/\n", -1);
  for (gsize i = 0; parts[i] != NULL; i++)
    if (g_str_has_prefix (parts[i], "snap."))
      {
        out->app = snap_name (parts[i]);
        return TRUE;
      }
  return TRUE;
}

gboolean
bus_access_inspect (const char *proc, guint pid, const char *label, BusProcess *out, GError **error)
{
  g_autofree char *path = g_strdup_printf ("%s/%u", proc, pid);
  char program[1024];
  gssize n;
  int dir = open (path, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
  gboolean ok;

  if (dir < 0)
    {
      g_set_error (error, EARSHOT_ERROR, EARSHOT_ERROR_ACCESS_DENIED, "the process is gone: %s", g_strerror (errno));
      return FALSE;
    }
  n = readlinkat (dir, "exe", program, sizeof program - 1);
  program[n > 0 ? n : 0] = '\0';
  out->program = g_strdup (n > 0 ? program : "?");
  ok = inspect_flatpak (dir, out, error);
  if (ok && out->app == NULL)
    ok = inspect_snap (dir, label, out, error);
  close (dir);
  return ok;
}

/* --- answers --------------------------------------------------------------------------------------------------- */

static void
caller_tell (Caller *caller, BusAccessChecked done, gpointer user)
{
  BusCaller told = { caller->audit, caller->app };

  done (user, &told, caller->denied);
}

static void
caller_settle (Caller *caller, guint pid, const BusProcess *process, GError *denied_take)
{
  g_autofree char *program = log_safe (process != NULL ? process->program : NULL);
  g_autofree char *app = log_safe (process != NULL ? process->app : NULL);
  Waiting *waiting;

  caller->known = TRUE;
  caller->denied = denied_take;
  caller->app = process != NULL ? g_strdup (process->app) : NULL;
  caller->audit = g_strdup_printf ("name=%s pid=%u program=%s app=%s", caller->name, pid, program, app);
  if (caller->denied != NULL)
    log_event (G_LOG_LEVEL_MESSAGE, "bus", 0, 0, "caller", "refused %s: %s", caller->audit, caller->denied->message);
  else
    log_debug ("bus", "known: %s", caller->audit);
  g_rc_box_acquire (caller); /* a callback may end the window, and with it us */
  while ((waiting = g_queue_pop_head (&caller->pending)) != NULL)
    {
      caller_tell (caller, waiting->done, waiting->user);
      g_free (waiting);
    }
  caller_unref (caller);
}

static void
inspect_in_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Inspection *inspection = data;
  GError *error = NULL;

  if (bus_access_inspect ("/proc", inspection->pid, inspection->label, &inspection->process, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
on_inspected (GObject *source, GAsyncResult *result, gpointer user)
{
  Caller *caller = user;
  Inspection *inspection = g_task_get_task_data (G_TASK (result));
  GError *error = NULL;

  if (g_task_propagate_boolean (G_TASK (result), &error) && inspection->process.app != NULL
      && *inspection->process.app == '\0')
    g_set_error (&error, EARSHOT_ERROR, EARSHOT_ERROR_ACCESS_DENIED, "you run in a sandbox that gives you no name");
  if (!caller->known)
    caller_settle (caller, inspection->pid, &inspection->process, error);
  else
    g_clear_error (&error);
  caller_unref (caller);
}

static void
caller_inspect (Caller *caller, guint pid, const char *label)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, on_inspected, g_rc_box_acquire (caller));
  Inspection *inspection = g_new0 (Inspection, 1);

  inspection->pid = pid;
  inspection->label = g_strdup (label);
  g_task_set_task_data (task, inspection, inspection_free);
  /* A stranger's root may be a file system of its own making that answers late: not on our loop. */
  g_task_run_in_thread (task, inspect_in_thread);
}

/* `uid` G_MAXUINT32 and `pid` 0: not known. */
static void
caller_judge (Caller *caller, guint32 uid, guint32 pid, const char *label)
{
  BusProcess unknown = { (char *) "?", NULL };

  if (uid != (guint32) geteuid () && uid != 0)
    caller_settle (caller, pid, &unknown,
                   g_error_new (EARSHOT_ERROR, EARSHOT_ERROR_ACCESS_DENIED, "another user's messages are served here"));
  else if (uid == 0 && geteuid () != 0)
    /* Root may do what it likes, and we may not look into its processes. */
    caller_settle (caller, pid, &unknown, NULL);
  else if (pid == 0)
    caller_settle (caller, pid, &unknown,
                   g_error_new (EARSHOT_ERROR, EARSHOT_ERROR_ACCESS_DENIED, "the bus does not tell your process"));
  else
    caller_inspect (caller, pid, label);
}

static void
judge_credentials (Caller *caller, GVariant *credentials)
{
  g_autoptr (GVariant) label = g_variant_lookup_value (credentials, "LinuxSecurityLabel", G_VARIANT_TYPE_BYTESTRING);
  guint32 uid = G_MAXUINT32, pid = 0;

  if (!g_variant_lookup (credentials, "UnixUserID", "u", &uid))
    uid = G_MAXUINT32;
  if (!g_variant_lookup (credentials, "ProcessID", "u", &pid))
    pid = 0;
  caller_judge (caller, uid, pid, label != NULL ? g_variant_get_bytestring (label) : NULL);
}

/* No bus between us: the one at the other end of the connection, as the kernel told when it connected. It was looked at then. */
static void
judge_peer (Caller *caller, GCredentials *credentials)
{
  uid_t uid = credentials != NULL ? g_credentials_get_unix_user (credentials, NULL) : (uid_t) -1;
  pid_t pid = credentials != NULL ? g_credentials_get_unix_pid (credentials, NULL) : -1;
  BusProcess process = { credentials != NULL ? g_object_get_data (G_OBJECT (credentials), BUS_ACCESS_PROGRAM) : NULL, NULL };

  if (process.program != NULL && uid == geteuid () && pid > 0)
    caller_settle (caller, (guint) pid, &process, NULL);
  else
    caller_judge (caller, (guint32) uid, pid > 0 ? (guint32) pid : 0, NULL);
}

static void ask_next (BusAccess *access);

static void
on_credentials (GObject *source, GAsyncResult *result, gpointer user)
{
  g_autofree Question *question = user;
  BusAccess *access = question->access;
  Caller *caller = question->caller;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);

  if (!caller->known && reply == NULL)
    {
      caller_settle (caller, 0, NULL,
                     g_error_new (EARSHOT_ERROR, EARSHOT_ERROR_ACCESS_DENIED, "you can not be identified"));
      /* It may have gone before we watched it, and then nobody says so again. */
      if (caller->access != NULL)
        g_hash_table_remove (access->callers, caller->name);
    }
  else if (!caller->known)
    {
      g_autoptr (GVariant) credentials = g_variant_get_child_value (reply, 0);

      judge_credentials (caller, credentials);
    }
  caller_unref (caller);
  access->asking--;
  ask_next (access);
  access_unref (access);
}

static void
on_owner_changed (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                  const char *signal, GVariant *parameters, gpointer user)
{
  Caller *caller = user;
  const char *owner = "";

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sss)")))
    return;
  g_variant_get (parameters, "(&s&s&s)", NULL, NULL, &owner);
  if (*owner == '\0' && caller->access != NULL)
    g_hash_table_remove (caller->access->callers, caller->name);
}

/* From the table: nothing new is asked about this caller; what still waits is answered. */
static void
caller_drop (gpointer data)
{
  Caller *caller = data;
  BusAccess *access = caller->access;

  g_rc_box_acquire (caller);
  caller->access = NULL;
  if (caller->watch != 0)
    g_dbus_connection_signal_unsubscribe (access->connection, caller->watch);
  if (!caller->known)
    caller_settle (caller, 0, NULL,
                   g_error_new (EARSHOT_ERROR, EARSHOT_ERROR_CANCELLED, "the caller or the daemon is gone"));
  caller_unref (caller);
  caller_unref (caller);
}

static void
ask_next (BusAccess *access)
{
  Caller *caller;

  while (access->asking < ASKING_MAX && (caller = g_queue_pop_head (&access->unasked)) != NULL)
    {
      Question *question;

      if (caller->access == NULL)
        {
          caller_unref (caller);
          continue;
        }
      question = g_new (Question, 1);
      question->access = g_rc_box_acquire (access);
      question->caller = caller;
      access->asking++;
      /* The subscription comes first, so that a name that goes meanwhile is not kept for ever. */
      caller->watch = g_dbus_connection_signal_subscribe (
        access->connection, "org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged", "/org/freedesktop/DBus",
        caller->name, G_DBUS_SIGNAL_FLAGS_NONE, on_owner_changed, g_rc_box_acquire (caller), caller_unref);
      g_dbus_connection_call (access->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                              "org.freedesktop.DBus", "GetConnectionCredentials", g_variant_new ("(s)", caller->name),
                              G_VARIANT_TYPE ("(a{sv})"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_credentials, question);
    }
}

BusAccess *
bus_access_new (GDBusConnection *connection)
{
  BusAccess *access = g_rc_box_new0 (BusAccess);

  g_queue_init (&access->unasked);
  access->connection = g_object_ref (connection);
  access->callers = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, caller_drop);
  return access;
}

void
bus_access_free (BusAccess *access)
{
  g_clear_pointer (&access->callers, g_hash_table_unref);
  g_queue_clear_full (&access->unasked, caller_unref);
  access_unref (access);
}

void
bus_access_check (BusAccess *access, const char *sender, BusAccessChecked done, gpointer user)
{
  static const BusCaller nobody = { "name=- pid=0 program=- app=-", NULL };
  gboolean direct = g_dbus_connection_get_unique_name (access->connection) == NULL;
  Caller *caller;
  Waiting *waiting;

  if (direct)
    sender = "private";
  caller = sender != NULL ? g_hash_table_lookup (access->callers, sender) : NULL;
  if (sender == NULL)
    {
      g_autoptr (GError) error = g_error_new (EARSHOT_ERROR, EARSHOT_ERROR_ACCESS_DENIED, "there is no bus between us");

      done (user, &nobody, error);
      return;
    }
  if (caller != NULL && caller->known)
    {
      caller_tell (caller, done, user);
      return;
    }
  if (caller == NULL)
    {
      caller = g_rc_box_new0 (Caller);
      caller->access = access;
      caller->name = g_strdup (sender);
      g_queue_init (&caller->pending);
      g_hash_table_insert (access->callers, caller->name, caller);
      if (direct)
        {
          judge_peer (caller, g_dbus_connection_get_peer_credentials (access->connection));
          bus_access_check (access, sender, done, user);
          return;
        }
      g_queue_push_tail (&access->unasked, g_rc_box_acquire (caller));
      ask_next (access);
    }
  if (g_queue_get_length (&caller->pending) >= PENDING_MAX)
    {
      g_autoptr (GError) error =
        g_error_new (EARSHOT_ERROR, EARSHOT_ERROR_ACCESS_DENIED, "too many calls before you were identified");

      done (user, &nobody, error);
      return;
    }
  waiting = g_new0 (Waiting, 1);
  waiting->done = done;
  waiting->user = user;
  g_queue_push_tail (&caller->pending, waiting);
}
