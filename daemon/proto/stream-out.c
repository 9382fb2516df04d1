/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"

#include "daemon/proto/stream-out.h"

#include <string.h>
#include <unistd.h>

#include "daemon/base/names.h"

static GString *
to_text (const Stanza *element)
{
  GString *out = g_string_new (NULL);

  stanza_serialize (element, NS_CLIENT, out);
  return out;
}

/* S-01: new at each restart. */
char *
stream_make_id (void)
{
  guint8 bytes[16];
  char *id = g_new (char, 2 * sizeof bytes + 1);

  if (getentropy (bytes, sizeof bytes) != 0)
    g_error ("the system gives no random bytes");
  for (gsize i = 0; i < sizeof bytes; i++)
    g_snprintf (id + 2 * i, 3, "%02x", bytes[i]);
  return id;
}

void
stream_append_address (GString *out, const char *name, const char *addr)
{
  if (addr == NULL)
    return;
  g_string_append_printf (out, " %s='", name);
  stanza_escape (addr, out);
  g_string_append_c (out, '\'');
}

GString *
stream_build_header (StreamRole role, const char *from, const char *to)
{
  GString *out = g_string_new ("<?xml version='1.0'?><stream:stream xmlns='" NS_CLIENT "' xmlns:stream='" NS_STREAM "'");

  stream_append_address (out, "from", from);
  stream_append_address (out, "to", to);
  if (role == STREAM_RESPONDER)
    {
      g_autofree char *id = stream_make_id ();

      g_string_append_printf (out, " id='%s'", id);
    }
  return g_string_append (out, " version='1.0'>");
}

GString *
stream_build_clear_header (const char *from, const char *to)
{
  GString *out = g_string_new ("<?xml version='1.0'?><stream:stream xmlns='" NS_CLIENT "' xmlns:stream='" NS_STREAM "'");

  stream_append_address (out, "from", from);
  stream_append_address (out, "to", to);
  return g_string_append_c (out, '>');
}

/* docs/protocol.md 2.5. */
static void
add_final (Stanza *features, Stanza *disco_info, gboolean restricted, gboolean managed)
{
  Stanza *limits = NULL;
  g_autofree char *max = g_strdup_printf ("%d", STREAM_MAX_STANZA);

  if (managed)
    stanza_add_new (features, "sm", NS_SM, NULL);
  limits = stanza_add_new (features, "limits", NS_LIMITS, NULL);
  stanza_add_new (limits, "max-bytes", NS_LIMITS, max);
  if (disco_info != NULL)
    stanza_add_child (features, stanza_ref (disco_info));
  if (restricted)
    stanza_add_new (features, "restricted", NS_LL_TRUST, NULL);
}

GString *
stream_build_features (StreamSection section, Stanza *disco_info, gboolean restricted, gboolean managed)
{
  g_autoptr (Stanza) features = stanza_new ("features", NS_STREAM);
  Stanza *child;

  switch (section)
    {
    case SECTION_CLEAR: /* S-02 */
      child = stanza_add_new (features, "starttls", NS_TLS, NULL);
      stanza_add_new (child, "required", NS_TLS, NULL);
      break;
    case SECTION_PROTECTED: /* S-10 */
      child = stanza_add_new (features, "mechanisms", NS_SASL, NULL);
      stanza_add_new (child, "mechanism", NS_SASL, "EXTERNAL");
      break;
    case SECTION_FINAL:
      add_final (features, disco_info, restricted, managed);
      break;
    }
  return to_text (features);
}

GString *
stream_build_error (const char *condition, const char *app_error)
{
  g_autoptr (Stanza) error = stanza_new ("error", NS_STREAM);

  stanza_add_new (error, condition, NS_STREAM_ERRORS, NULL);
  if (app_error != NULL)
    stanza_add_new (error, app_error, NS_APP_ERRORS, NULL);
  return to_text (error);
}

GString *
stream_build_auth (const char *authzid)
{
  g_autoptr (Stanza) auth = stanza_new ("auth", NS_SASL);
  g_autofree char *text = authzid == NULL ? g_strdup ("=")
                                          : g_base64_encode ((const guint8 *) authzid, strlen (authzid));

  stanza_set_attr (auth, "mechanism", "EXTERNAL");
  stanza_add_text (auth, text);
  return to_text (auth);
}

GString *
stream_build_auth_failure (const char *condition)
{
  g_autoptr (Stanza) failure = stanza_new ("failure", NS_SASL);

  stanza_add_new (failure, condition, NS_SASL, NULL);
  return to_text (failure);
}
