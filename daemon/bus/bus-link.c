/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Links to keys on the Manager, and how a caller says what its trust rests on. Reading a link changes nothing.
 */
#include "earshot-config.h"

#include "daemon/bus/window-private.h"

#include <string.h>

#include "daemon/proto/trust-uri.h"

char *
bus_own_link (Window *window)
{
  char *link = window->front->instance != NULL
                 ? trust_uri_format (window->front->instance, identity_get_fingerprint (window->rooms.identity))
                 : NULL;

  return link != NULL ? link : g_strdup ("");
}

void
bus_link_parse (BusCall *call, GVariant *args)
{
  g_auto (TrustUri) uri = { 0 };
  g_autofree char *hex = NULL;
  GError *error = NULL;
  const char *text;

  g_variant_get (args, "(&s)", &text);
  if (!trust_uri_parse (text, strlen (text), &uri, &error))
    {
      bus_call_take_error (call, error);
      return;
    }
  hex = fingerprint_to_hex (&uri.fp);
  bus_call_return (call, g_variant_new ("(ss@a{sv})", uri.addr, hex, bus_link_describe (&uri)));
}

gboolean
bus_evidence_parse (GVariant *options, const char *otherwise, TrustEvidence *out, GError **error)
{
  static const char *const sources[] = { "user", "fingerprint", "qr" };
  g_autofree char *source = NULL;
  gboolean in_person = FALSE;
  const BusOption table[] = { { "source", "s", &source }, { "in_person", "b", &in_person }, { NULL, NULL, NULL } };

  *out = (TrustEvidence){ .source = otherwise };
  if (!bus_options_parse (options, table, error))
    return FALSE;
  out->in_person = in_person;
  if (source == NULL)
    return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (sources); i++)
    if (strcmp (source, sources[i]) == 0)
      {
        out->source = sources[i];
        return TRUE;
      }
  g_set_error_literal (error, EARSHOT_ERROR, EARSHOT_ERROR_INVALID_ARGUMENT, "source is user, fingerprint or qr");
  return FALSE;
}
