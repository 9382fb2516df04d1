/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/bus/bus-options.h"

#include <string.h>

#include <gio/gio.h>

#include "daemon/base/error.h"

#define OPTION_TEXT_MAX 4096
#define OPTION_WORDS_MAX 64
#define ENDPOINT_MAX 300

static gboolean G_GNUC_PRINTF (2, 3) invalid (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error != NULL)
    *error = g_error_new_valist (EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, format, args);
  va_end (args);
  return FALSE;
}

static gboolean
take_words (const BusOption *option, GVariant *value, GError **error)
{
  g_auto (GStrv) words = g_variant_dup_strv (value, NULL);

  if (g_strv_length (words) > OPTION_WORDS_MAX)
    return invalid (error, "option %s has more than %d words", option->key, OPTION_WORDS_MAX);
  for (gsize i = 0; words[i] != NULL; i++)
    if (!bus_check_line (option->key, words[i], OPTION_TEXT_MAX, error))
      return FALSE;
  *(char ***) option->out = g_steal_pointer (&words);
  return TRUE;
}

static gboolean
take_option (const BusOption *option, GVariant *value, GError **error)
{
  if (strcmp (option->type, g_variant_get_type_string (value)) != 0)
    return invalid (error, "option %s must be of type %s", option->key, option->type);
  if (g_str_equal (option->type, "as"))
    return take_words (option, value, error);
  if (g_str_equal (option->type, "b"))
    {
      *(gboolean *) option->out = g_variant_get_boolean (value);
    }
  else if (g_str_equal (option->type, "u"))
    {
      *(guint32 *) option->out = g_variant_get_uint32 (value);
    }
  else if (g_str_equal (option->type, "x"))
    {
      *(gint64 *) option->out = g_variant_get_int64 (value);
    }
  else
    {
      if (!bus_check_line (option->key, g_variant_get_string (value, NULL), OPTION_TEXT_MAX, error))
        return FALSE;
      *(char **) option->out = g_variant_dup_string (value, NULL);
    }
  return TRUE;
}

gboolean
bus_options_parse (GVariant *options, const BusOption *table, GError **error)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;
  guint64 seen = 0;

  g_variant_iter_init (&iter, options);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    {
      gsize i = 0;
      gboolean ok;

      while (table[i].key != NULL && !g_str_equal (table[i].key, key))
        i++;
      if (table[i].key == NULL)
        ok = invalid (error, "unknown option: %.64s", key);
      else if (seen & (G_GUINT64_CONSTANT (1) << i))
        ok = invalid (error, "option %s is given twice", key);
      else
        ok = take_option (&table[i], value, error);
      if (!ok)
        {
          g_variant_unref (value); /* leaving the loop early */
          return FALSE;
        }
      seen |= G_GUINT64_CONSTANT (1) << i;
    }
  return TRUE;
}

gboolean
bus_options_none (GVariant *options, GError **error)
{
  static const BusOption none[] = { { NULL, NULL, NULL } };

  return bus_options_parse (options, none, error);
}

gboolean
bus_check_line (const char *what, const char *text, gsize max, GError **error)
{
  if (strlen (text) > max)
    return invalid (error, "%s is longer than %" G_GSIZE_FORMAT " bytes", what, max);
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    if (g_unichar_iscntrl (g_utf8_get_char (p)))
      return invalid (error, "%s has control characters", what);
  return TRUE;
}

gboolean
bus_check_fingerprint (const char *text, Fingerprint *out, GError **error)
{
  if (strlen (text) > 256 || !fingerprint_from_hex (text, out))
    return invalid (error, "a fingerprint is 64 hex digits");
  return TRUE;
}

gboolean
bus_check_endpoint (const char *endpoint, GError **error)
{
  const char *colon = strrchr (endpoint, ':');
  g_autofree char *host = NULL;
  guint64 port;

  if (!bus_check_line ("the endpoint", endpoint, ENDPOINT_MAX, error))
    return FALSE;
  if (colon == NULL || colon == endpoint || !g_ascii_string_to_unsigned (colon + 1, 10, 1, G_MAXUINT16, &port, NULL))
    return invalid (error, "an endpoint is HOST:PORT or [IPV6]:PORT");
  host = g_strndup (endpoint, (gsize) (colon - endpoint));
  if (*host == '[')
    {
      gsize len = strlen (host);
      char *scope;

      if (len < 4 || host[len - 1] != ']')
        return invalid (error, "an IPv6 endpoint is [ADDRESS%%LINK]:PORT");
      host[len - 1] = '\0';
      scope = strchr (host, '%');
      if (scope != NULL)
        *scope++ = '\0';
      if (!g_hostname_is_ip_address (host + 1) || strchr (host + 1, ':') == NULL
          || (scope != NULL && (*scope == '\0' || strlen (scope) > 15 || strpbrk (scope, "/% []") != NULL)))
        return invalid (error, "no IPv6 address: %.64s", host + 1);
      return TRUE;
    }
  if (strlen (host) > 253
      || strspn (host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") != strlen (host))
    return invalid (error, "no host name or IPv4 address: %.64s", host);
  return TRUE;
}
