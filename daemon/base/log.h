/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Structured logging on g_log_structured: every line has a topic and may name a
 * contact and a session. Threat: a log line is read on terminals and by
 * scripts. Never pass a message body, key material, a nonce or a stranger's raw
 * bytes; a stranger's *name* goes through log_safe() first.
 */
#pragma once

#include <glib.h>

/* Installs the writer: the journal when stderr is connected to it, else
 * stderr, one line an event. `verbose` lets debug lines through. */
void log_init (gboolean verbose);

/* `topic` is a static word ("session", "trust", …). */
void log_line (GLogLevelFlags level, const char *topic, const char *format, ...) G_GNUC_PRINTF (3, 4);

/* The same with structured fields: `contact` (0 = none), `session` (0 = none),
 * `rule` names the rule that refused something (NULL = none). */
void log_event (GLogLevelFlags level, const char *topic, guint32 contact, guint64 session,
                const char *rule, const char *format, ...) G_GNUC_PRINTF (6, 7);

/* The level for a line that strangers can cause as often as they like: as given for 60 lines in a minute, debug for what is
 * more; that lines are left out is said once a minute. Main thread only. */
GLogLevelFlags log_for_stranger (GLogLevelFlags level);

#define log_debug(topic, ...) log_line (G_LOG_LEVEL_DEBUG, topic, __VA_ARGS__)
#define log_info(topic, ...) log_line (G_LOG_LEVEL_INFO, topic, __VA_ARGS__)
#define log_notice(topic, ...) log_line (G_LOG_LEVEL_MESSAGE, topic, __VA_ARGS__)
#define log_warn(topic, ...) log_line (G_LOG_LEVEL_WARNING, topic, __VA_ARGS__)

/* A copy of at most 80 characters of `text` fit for a log line: control,
 * bidi-control and invalid bytes become \u{…} or \x.. escapes. NULL gives "-". */
char *log_safe (const char *text);
