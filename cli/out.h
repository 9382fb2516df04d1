/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Data on stdout: plain lines, tables whose first column is trust, and JSON lines. Texts given to the table and the line
 * printers may be a stranger's: they are escaped here.
 */
#pragma once

#include <json-glib/json-glib.h>
#include <stdio.h>

#include "cli/ctl.h"

#define OUT_TRUST_WIDTH 8   /* "verified", "insecure" */
#define OUT_INDENT "          " /* the trust column and what follows it */
#define OUT_COLUMNS_MIN 40  /* narrower terminals wrap */

/* An SGR sequence, or "" without colour; "" as code resets. Static. */
const char *out_color (gboolean enabled, const char *code);
/* Columns of the terminal on stdout; 0 = no terminal. */
guint out_columns (Ctl *ctl);
/* Writes the trust word in its column, coloured. */
void out_trust (Ctl *ctl, const char *trust);
/* One line, escaped. */
void out_line (Ctl *ctl, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* The rest of a line of which `used` columns stand already, escaped. On a terminal what does not fit goes on in lines of its own, under
 * neither the trust column nor what a terminal that wraps by itself would put there. */
void out_rest (Ctl *ctl, guint used, const char *format, ...) G_GNUC_PRINTF (3, 4);
/* "Label:   text", the label as wide as its neighbours; nothing when `text` is empty. */
void out_field (Ctl *ctl, const char *label, const char *text);
/* Pushes everything out; FALSE when stdout is gone or full. */
gboolean out_flush (void);

/* A table: headers, then rows of as many strings; the first column is a trust word. On a terminal columns are cut, and a row that is
 * wider goes on in lines that leave the trust column empty. Caller frees; printing does not. */
typedef struct _Table Table;
Table *table_new (const char *const *headers);
void table_add (Table *table, ...) G_GNUC_NULL_TERMINATED;
void table_print (Table *table, Ctl *ctl);
void table_free (Table *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Table, table_free)

/* JSON: one object per line, `v` and `type` first. */
JsonObject *json_line_new (const char *type);
/* RFC 3339, or null for 0. */
void json_set_time (JsonObject *object, const char *name, gint64 point);
void json_set_strv (JsonObject *object, const char *name, const char *const *texts);
/* A value of the bus, whatever its type. */
void json_set_variant (JsonObject *object, const char *name, GVariant *value);
void json_line_print (FILE *file, JsonObject *object_take);
/* The value of an a{sv} as text for people, not escaped. Caller frees. */
char *variant_to_text (GVariant *value);
