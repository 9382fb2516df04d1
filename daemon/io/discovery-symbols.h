/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libavahi-client and libavahi-core, each loaded when its backend is used. They cannot both be linked: both export a function
 * avahi_entry_group_free() and both call theirs by that name, so that whichever comes second in the search order calls the
 * other's with its own objects. Loaded apart, each finds its own. Main thread only; never unloaded.
 */
#pragma once

#include <glib.h>

typedef struct {
  const char *name;
  gsize offset; /* of the function pointer in the table */
} DiscoverySymbol;

/* For a macro LIST (F) that applies F to the names of the library's functions:
 *   static struct { LIST (DISCOVERY_SYMBOL_FIELD) } lib;
 * is the table, and `lib.NAME (…)` a call. */
#define DISCOVERY_SYMBOL_FIELD(name) __typeof__ (&name) name;

/* Fills the table; FALSE and a reason for people when the library or one of its functions is not there. */
gboolean discovery_symbols_load (const char *soname, const DiscoverySymbol *symbols, gsize n, gpointer table, GError **error);
