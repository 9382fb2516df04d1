/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/bus/bus-values.h"

GVariant *
bus_text_new (const char *text)
{
  return g_variant_new_take_string (g_utf8_make_valid (text != NULL ? text : "", -1));
}

void
bus_dict_add (GVariantBuilder *dict, const char *key, GVariant *value)
{
  g_variant_builder_add_value (dict, g_variant_new_dict_entry (g_variant_new_string (key), g_variant_new_variant (value)));
}

void
bus_dict_add_text (GVariantBuilder *dict, const char *key, const char *text)
{
  if (text != NULL && *text != '\0')
    bus_dict_add (dict, key, bus_text_new (text));
}
