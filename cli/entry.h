/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Entries of the daemon's log, a(txsosa{sv}), read one way for log, inbox, receive, watch and chat.
 */
#pragma once

#include "cli/ctl.h"
#include "cli/out.h"

typedef struct {
  guint64 seq;
  gint64 time;
  const char *kind;          /* message, edit, retract, reaction, state, read, trust, request, ... */
  const char *conversation;  /* contact path */
  const char *id;            /* message id or "" */
  GVariant *data;            /* a{sv} */
  /* from data, "" where unset */
  gboolean outgoing, insecure, imported;
  const char *from, *key, *body, *trust, *state, *reason, *thread, *reply_to;
  const char *about, *url, *change_state, *change_reason;
  gint64 sent_time, edited, retracted;
  gboolean unstyled;
  gboolean show_id;          /* entry_print(): with the first digits of its id */
} Entry;

/* Item `index` of an a(txsosa{sv}); the strings live as long as `entries` does. `entry` is cleared first. */
void entry_read (Entry *entry, GVariant *entries, gsize index);
void entry_clear (Entry *entry);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Entry, entry_clear)
/* Kind "message" that somebody else wrote. */
gboolean entry_is_incoming (const Entry *entry);
/* Kind edit, retract or reaction. */
gboolean entry_is_amendment (const Entry *entry);
/* What an amendment says: the new text, nothing, or the emojis. Caller frees. */
char *entry_dup_amendment (const Entry *entry);
/* The word for the trust column: what the sender's key was worth when it arrived; "insecure" for clear text. */
const char *entry_get_trust (const Entry *entry);

/* One line, more when the body has more; further lines are indented past the trust column. */
void entry_print (Ctl *ctl, const Entry *entry);
void entry_print_json (Ctl *ctl, const Entry *entry);

/* Which kinds to ask for; the filter of List() and Fetch(), floating. */
typedef enum { ENTRY_ALL, ENTRY_MESSAGES, ENTRY_SPOKEN } EntryKinds; /* SPOKEN: amendments, too */
GVariant *entry_filter (EntryKinds kinds);
/* ENTRY_SPOKEN, or what an older daemon knows of it. */
EntryKinds entry_spoken (Ctl *ctl);

/* Calls `each` for every entry with after < seq <= head, oldest first, in pages, whatever the size of the log.
 * `conversation` "/" = all. FALSE when a call failed or `each` said stop with an error. */
typedef gboolean (*EntryFunc) (Ctl *ctl, const Entry *entry, gpointer user, GError **error);
gboolean entries_forward (Ctl *ctl, const char *conversation, EntryKinds kinds, guint64 after, guint64 head, EntryFunc each,
                          gpointer user, GError **error);
