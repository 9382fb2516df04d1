/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/bus/bus-debt.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOKS 30                 /* at one that takes nothing, before patience is over */

/* Shared with GDBus' thread, in which the filters of all connections run. */
typedef struct {
  int fd;                        /* of our own: GDBus closes its one when it likes, and the number may be another's then */
  const char *reason;            /* atomic; NULL = not cut */
  gint written;                  /* atomic: the serial of the last message whose writing began */
  GHashTable *unanswered;        /* that thread's: serials of its calls */
} Account;

typedef struct {
  GSource base;
  BusDebt *debt;
} TurnSource;

struct _BusDebt {
  GDBusConnection *connection;   /* held */
  Account *account;
  guint filter;
  GSource *turn;
  guint look_ms, look_source, still;
  gint seen_written;
  int seen_bytes;
};

static void
account_clear (gpointer data)
{
  Account *account = data;

  g_hash_table_unref (account->unanswered);
  close (account->fd);
}

static void
account_unref (gpointer data)
{
  g_atomic_rc_box_release_full (data, account_clear);
}

static void
cut (Account *account, const char *reason)
{
  if (g_atomic_pointer_compare_and_exchange (&account->reason, NULL, reason))
    shutdown (account->fd, SHUT_RDWR);
}

/* In GDBus' thread, while its connection has the socket: before a message is handed on, and before one is written. */
static GDBusMessage *
on_message (GDBusConnection *connection, GDBusMessage *message, gboolean incoming, gpointer user)
{
  Account *account = user;
  GDBusMessageType type = g_dbus_message_get_message_type (message);

  if (!incoming)
    {
      g_atomic_int_set (&account->written, (gint) g_dbus_message_get_serial (message));
      if (type == G_DBUS_MESSAGE_TYPE_METHOD_RETURN || type == G_DBUS_MESSAGE_TYPE_ERROR)
        g_hash_table_remove (account->unanswered, GUINT_TO_POINTER (g_dbus_message_get_reply_serial (message)));
      return message;
    }
  if (type == G_DBUS_MESSAGE_TYPE_METHOD_CALL && (g_dbus_message_get_flags (message) & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED) == 0)
    {
      if (g_hash_table_size (account->unanswered) >= BUS_DEBT_CALLS)
        cut (account, "too many calls before their answers were read");
      else if (!g_hash_table_add (account->unanswered, GUINT_TO_POINTER (g_dbus_message_get_serial (message))))
        cut (account, "two calls of one number");
    }
  if (g_atomic_pointer_get (&account->reason) == NULL)
    return message;
  g_object_unref (message);
  return NULL;
}

/* Sent, and GDBus has not begun to write it. */
static gint
count_waiting (const BusDebt *debt)
{
  guint32 sent = g_dbus_connection_get_last_serial (debt->connection);

  return (gint) (sent - (guint32) g_atomic_int_get (&debt->account->written));
}

static int
count_bytes (const BusDebt *debt)
{
  int bytes = 0;

  return ioctl (debt->account->fd, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

/* Was anything taken since? What is being written may be large: then bytes tell, if no message does. */
static gboolean
look (BusDebt *debt)
{
  gint written = g_atomic_int_get (&debt->account->written);
  int bytes = count_bytes (debt);
  gboolean taken = written != debt->seen_written || bytes != debt->seen_bytes;

  debt->seen_written = written;
  debt->seen_bytes = bytes;
  return taken;
}

static gboolean
on_look (gpointer user)
{
  BusDebt *debt = user;

  debt->still = look (debt) ? 0 : debt->still + 1;
  if (count_waiting (debt) > 0 && debt->still >= LOOKS)
    cut (debt->account, "it does not read what it is sent");
  if (count_waiting (debt) > 0 && bus_debt_get_reason (debt) == NULL)
    return G_SOURCE_CONTINUE;
  debt->look_source = 0;
  return G_SOURCE_REMOVE;
}

/* In every turn of the loop, which ends with what was sent in it. */
static gboolean
on_prepare (GSource *source, int *timeout)
{
  BusDebt *debt = ((TurnSource *) source)->debt;
  gint waiting = count_waiting (debt);

  *timeout = -1;
  return bus_debt_get_reason (debt) == NULL && (waiting >= BUS_DEBT_MESSAGES || (waiting > 0 && debt->look_source == 0));
}

static gboolean
on_check (GSource *source)
{
  return FALSE;
}

static gboolean
on_waiting (GSource *source, GSourceFunc func, gpointer user)
{
  BusDebt *debt = ((TurnSource *) source)->debt;

  if (count_waiting (debt) >= BUS_DEBT_MESSAGES)
    {
      cut (debt->account, "it has too much to read");
    }
  else if (debt->look_source == 0)
    {
      debt->still = 0;
      look (debt);
      debt->look_source = g_timeout_add (debt->look_ms, on_look, debt);
    }
  return G_SOURCE_CONTINUE;
}

BusDebt *
bus_debt_new (GDBusConnection *connection, guint patience_ms)
{
  static GSourceFuncs funcs = { .prepare = on_prepare, .check = on_check, .dispatch = on_waiting };
  GIOStream *stream = g_dbus_connection_get_stream (connection);
  BusDebt *debt;
  int fd = -1;

  if (G_IS_SOCKET_CONNECTION (stream))
    fd = fcntl (g_socket_get_fd (g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream))), F_DUPFD_CLOEXEC, 3);
  if (fd < 0)
    return NULL;
  debt = g_new0 (BusDebt, 1);
  debt->connection = g_object_ref (connection);
  debt->look_ms = MAX (patience_ms / LOOKS, 1);
  debt->account = g_atomic_rc_box_new0 (Account);
  debt->account->fd = fd;
  debt->account->unanswered = g_hash_table_new (g_direct_hash, g_direct_equal);
  g_atomic_int_set (&debt->account->written, (gint) g_dbus_connection_get_last_serial (connection));
  debt->filter = g_dbus_connection_add_filter (connection, on_message, g_atomic_rc_box_acquire (debt->account), account_unref);
  debt->turn = g_source_new (&funcs, sizeof (TurnSource));
  ((TurnSource *) debt->turn)->debt = debt;
  g_source_set_name (debt->turn, "bus-debt");
  g_source_attach (debt->turn, g_main_context_get_thread_default ());
  return debt;
}

void
bus_debt_free (BusDebt *debt)
{
  if (debt == NULL)
    return;
  /* Our descriptor would keep the other side waiting. */
  if (g_dbus_connection_is_closed (debt->connection))
    shutdown (debt->account->fd, SHUT_RDWR);
  g_clear_handle_id (&debt->look_source, g_source_remove);
  g_source_destroy (debt->turn);
  g_source_unref (debt->turn);
  g_dbus_connection_remove_filter (debt->connection, debt->filter);
  account_unref (debt->account);
  g_object_unref (debt->connection);
  g_free (debt);
}

const char *
bus_debt_get_reason (const BusDebt *debt)
{
  return g_atomic_pointer_get (&debt->account->reason);
}
