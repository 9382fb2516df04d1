/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A copy of the daemon's objects and properties: one GetManagedObjects reply, kept up to date from signals where a
 * command lives long enough. Interfaces are named without their prefix ("Contact"). What is missing or of another
 * type reads as unset: the daemon may be older or newer than we are. Strings are borrowed until the next change.
 */
#pragma once

#include <gio/gio.h>

typedef struct _Model Model;

Model *model_new (void);
void model_free (Model *model);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Model, model_free)

void model_load (Model *model, GVariant *managed);                                  /* a{oa{sa{sv}}}: replaces all */
void model_add (Model *model, const char *path, GVariant *interfaces);              /* a{sa{sv}} */
void model_remove (Model *model, const char *path, const char *const *interfaces);  /* full interface names */
void model_change (Model *model, const char *path, const char *interface, GVariant *changed); /* a{sv} */

gboolean model_has (Model *model, const char *path, const char *interface);
/* Paths with that interface, numbers in order of value; strings borrowed. Caller unrefs. */
GPtrArray *model_list (Model *model, const char *interface);

/* NULL = unset. */
GVariant *model_get (Model *model, const char *path, const char *interface, const char *property);
const char *model_string (Model *model, const char *path, const char *interface, const char *property);
gboolean model_bool (Model *model, const char *path, const char *interface, const char *property);
gint64 model_number (Model *model, const char *path, const char *interface, const char *property);
/* as and ao; NULL-terminated, container the caller's (g_free), strings borrowed. Never NULL. */
const char **model_strv (Model *model, const char *path, const char *interface, const char *property);

/* Reading an a{sv} the same way. */
const char *dict_string (GVariant *dict, const char *key);
gboolean dict_bool (GVariant *dict, const char *key);
gint64 dict_number (GVariant *dict, const char *key);
