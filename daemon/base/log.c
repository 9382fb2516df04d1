/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAFE_MAX 80
#define STRANGERS_A_MINUTE 60

static gboolean initialised;
static gboolean verbose_lines;
static gboolean to_journal;
static GLogLevelFlags always_fatal;

static const char *
level_word (GLogLevelFlags level)
{
  if ((level & G_LOG_LEVEL_ERROR) != 0)
    return "error";
  if ((level & G_LOG_LEVEL_CRITICAL) != 0)
    return "critical";
  if ((level & G_LOG_LEVEL_WARNING) != 0)
    return "warning";
  if ((level & G_LOG_LEVEL_MESSAGE) != 0)
    return "notice";
  return (level & G_LOG_LEVEL_INFO) != 0 ? "info" : "debug";
}

/* The numbers of syslog, which the journal sorts by. */
static const char *
level_priority (GLogLevelFlags level)
{
  if ((level & G_LOG_LEVEL_ERROR) != 0)
    return "3";
  if ((level & (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING)) != 0)
    return "4";
  if ((level & G_LOG_LEVEL_MESSAGE) != 0)
    return "5";
  return (level & G_LOG_LEVEL_INFO) != 0 ? "6" : "7";
}

static char *
dup_field (const GLogField *fields, gsize n_fields, const char *key)
{
  for (gsize i = 0; i < n_fields; i++)
    if (strcmp (fields[i].key, key) == 0 && fields[i].value != NULL)
      return fields[i].length < 0 ? g_strdup (fields[i].value)
                                  : g_strndup (fields[i].value, (gsize) fields[i].length);
  return NULL;
}

/* One event is one line whoever wrote the message (other libraries log through here too): a line break or an
 * escape sequence in it must not look like another line or reach a terminal. */
static void
append_one_line (GString *line, const char *message)
{
  g_autofree char *valid = g_utf8_make_valid (message, -1);

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      g_string_append_unichar (line, g_unichar_iscntrl (c) ? ' ' : c);
    }
}

static void
append_field (GString *line, const GLogField *fields, gsize n_fields, const char *key, const char *label)
{
  g_autofree char *value = dup_field (fields, n_fields, key);

  if (value != NULL)
    {
      g_string_append_printf (line, " %s=", label);
      append_one_line (line, value);
    }
}

static void
write_stderr (GLogLevelFlags level, const GLogField *fields, gsize n_fields)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *stamp = now != NULL ? g_date_time_format (now, "%H:%M:%S.%f") : NULL;
  g_autofree char *topic = dup_field (fields, n_fields, "EARSHOT_TOPIC");
  g_autofree char *domain = dup_field (fields, n_fields, "GLIB_DOMAIN");
  g_autofree char *message = dup_field (fields, n_fields, "MESSAGE");
  g_autoptr (GString) line = g_string_new (NULL);

  g_string_append_printf (line, "%.12s %s ", stamp != NULL ? stamp : "", level_word (level));
  append_one_line (line, topic != NULL ? topic : domain != NULL ? domain : "-");
  g_string_append (line, ": ");
  append_one_line (line, message != NULL ? message : "");
  append_field (line, fields, n_fields, "EARSHOT_CONTACT", "contact");
  append_field (line, fields, n_fields, "EARSHOT_SESSION", "session");
  append_field (line, fields, n_fields, "EARSHOT_RULE", "rule");
  g_string_append_c (line, '\n');
  fwrite (line->str, 1, line->len, stderr);
  fflush (stderr);
}

static GLogWriterOutput
write_event (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user)
{
  if ((level & G_LOG_LEVEL_DEBUG) != 0 && !verbose_lines)
    return G_LOG_WRITER_HANDLED;
  if (!to_journal || g_log_writer_journald (level, fields, n_fields, user) != G_LOG_WRITER_HANDLED)
    write_stderr (level, fields, n_fields);
  return G_LOG_WRITER_HANDLED;
}

/* What GLib calls, for our lines and for those of every library. G_DEBUG=fatal-criticals and GTest make
 * mistakes of ours fatal; a line with a topic reports the world, and the world must not stop us. */
static GLogWriterOutput
log_writer (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user)
{
  g_autofree char *topic = dup_field (fields, n_fields, "EARSHOT_TOPIC");

  write_event (level, fields, n_fields, user);
  if (topic == NULL && (level & always_fatal) != 0)
    abort ();
  return G_LOG_WRITER_HANDLED;
}

void
log_init (gboolean verbose)
{
  verbose_lines = verbose;
  to_journal = g_log_writer_is_journald (fileno (stderr));
  if (initialised)
    return;
  initialised = TRUE;
  always_fatal = g_log_set_always_fatal (G_LOG_FATAL_MASK);
  g_log_set_always_fatal (always_fatal);
  g_log_set_writer_func (log_writer, NULL, NULL);
}

static void G_GNUC_PRINTF (6, 0)
emit (GLogLevelFlags level, const char *topic, guint32 contact, guint64 session, const char *rule,
      const char *format, va_list args)
{
  g_autofree char *message = g_strdup_vprintf (format, args);
  char contact_text[16], session_text[24];
  GLogField fields[8];
  gsize n = 0;

  fields[n++] = (GLogField){ "MESSAGE", message, -1 };
  fields[n++] = (GLogField){ "PRIORITY", level_priority (level), -1 };
  fields[n++] = (GLogField){ "GLIB_DOMAIN", G_LOG_DOMAIN, -1 };
  fields[n++] = (GLogField){ "EARSHOT_TOPIC", topic, -1 };
  if (contact != 0)
    {
      g_snprintf (contact_text, sizeof contact_text, "%" G_GUINT32_FORMAT, contact);
      fields[n++] = (GLogField){ "EARSHOT_CONTACT", contact_text, -1 };
    }
  if (session != 0)
    {
      g_snprintf (session_text, sizeof session_text, "%" G_GUINT64_FORMAT, session);
      fields[n++] = (GLogField){ "EARSHOT_SESSION", session_text, -1 };
    }
  if (rule != NULL)
    fields[n++] = (GLogField){ "EARSHOT_RULE", rule, -1 };
  /* Straight to the writer: GLib's own would make a warning fatal in a unit test that never called log_init(). */
  write_event (level, fields, n, NULL);
}

void
log_line (GLogLevelFlags level, const char *topic, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  emit (level, topic, 0, 0, NULL, format, args);
  va_end (args);
}

void
log_event (GLogLevelFlags level, const char *topic, guint32 contact, guint64 session, const char *rule,
           const char *format, ...)
{
  va_list args;

  va_start (args, format);
  emit (level, topic, contact, session, rule, format, args);
  va_end (args);
}

GLogLevelFlags
log_for_stranger (GLogLevelFlags level)
{
  static gint64 since;
  static guint lines;
  gint64 now = g_get_monotonic_time ();

  if (lines == 0 || now - since >= G_TIME_SPAN_MINUTE)
    {
      since = now;
      lines = 0;
    }
  if (lines <= STRANGERS_A_MINUTE)
    lines++;
  else
    return G_LOG_LEVEL_DEBUG;
  if (lines <= STRANGERS_A_MINUTE)
    return level;
  log_notice ("log", "there is more about strangers than %d lines a minute; the rest is left out (--verbose has it)", STRANGERS_A_MINUTE);
  return G_LOG_LEVEL_DEBUG;
}

static gboolean
is_unsafe (gunichar c)
{
  switch ((int) g_unichar_type (c))
    {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
      return TRUE;
    }
  return FALSE;
}

char *
log_safe (const char *text)
{
  GString *out;
  guint n = 0;

  if (text == NULL)
    return g_strdup ("-");
  out = g_string_new (NULL);
  while (*text != '\0' && n++ < SAFE_MAX)
    {
      /* A bound on the look-ahead: validating reads no byte behind the terminator. */
      gunichar c = g_utf8_get_char_validated (text, (gssize) strnlen (text, 6));

      if (c == (gunichar) -1 || c == (gunichar) -2)
        {
          g_string_append_printf (out, "\\x%02x", (guint8) *text++);
          continue;
        }
      if (c == '\\')
        g_string_append (out, "\\\\");
      else if (is_unsafe (c))
        g_string_append_printf (out, "\\u{%x}", c);
      else
        g_string_append_unichar (out, c);
      text = g_utf8_next_char (text);
    }
  if (*text != '\0')
    g_string_append (out, "…");
  return g_string_free (out, FALSE);
}
