/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Values for the bus, where many are made: without reading a format for each. What comes from the disk or from a peer is no friend: what is
 * not UTF-8 in it is replaced.
 */
#pragma once

#include <glib.h>

/* A string, floating; NULL is "". */
GVariant *bus_text_new (const char *text);
/* Of a builder for a{sv}; takes a floating value. */
void bus_dict_add (GVariantBuilder *dict, const char *key, GVariant *value);
/* Nothing for NULL and "". */
void bus_dict_add_text (GVariantBuilder *dict, const char *key, const char *text);
