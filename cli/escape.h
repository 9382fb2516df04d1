/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What may be printed of a stranger's text. Everything that comes from the bus passes here on its way to a terminal, a
 * pipe or a JSON line. Pure; results are the caller's to free.
 */
#pragma once

#include <glib.h>

/* Controls, bidi and other format characters, line separators, unassigned and private code points. The two joiners
 * that scripts and emoji need (U+200C, U+200D) are safe. */
gboolean escape_is_unsafe (gunichar c);

/* One line: every unsafe character, newline and tab too, becomes \u{HEX}; a byte that is no UTF-8 becomes \x{HH}. */
char *escape_text (const char *text);

/* The same, cut to at most `columns` terminal columns with "..." at the end. */
char *escape_cut (const char *text, guint columns);

/* A message body as lines: newlines separate, tabs widen, the rest as above; with `columns` > 0 long lines are folded,
 * between words where
 * there are any, because a terminal that wraps by itself would let remote text begin in the trust column. Never empty. */
char **escape_lines (const char *text, guint columns);

/* Serialised JSON (unsafe characters can only be inside strings there): unsafe ones as \uXXXX, so still the same JSON. */
char *escape_json (const char *json);

/* The bytes of an escaped text that make its first line when it is folded to `columns`: up to a space where there is one, so that words stay
 * whole, else what fits. *next: where the line after it begins, behind that space. */
gsize escape_fold (const char *text, guint columns, gsize *next);

/* How many bytes of an escaped text fit into `columns` of a terminal: whole characters, at least one (none of ""). */
gsize escape_fitting (const char *text, guint columns);

/* Terminal columns of an escaped text. */
guint escape_columns (const char *text);
