/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Words about keys, as the children of a <message/>. What is read is within its bounds, and said again by us it is read as the same.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/base/names.h"
#include "daemon/proto/trust-message.h"
#include "daemon/proto/xml-stream.h"
#include "tests/fuzz/fuzz.h"

static void
check_text (const char *text, guint max)
{
  g_autofree char *again = trust_message_clean (text, max);

  g_assert (g_utf8_validate (text, -1, NULL) && g_utf8_strlen (text, -1) <= (glong) max);
  g_assert_cmpstr (text, ==, again);
}

static void
check (const TrustMessage *said)
{
  g_autoptr (Stanza) message = stanza_new ("message", NS_CLIENT);
  g_autoptr (GError) error = NULL;
  g_auto (TrustMessage) again = { .n_keys = 0 };

  g_assert (said->n_keys >= 1 && said->n_keys <= TRUST_MESSAGE_KEYS_MAX);
  check_text (said->name, TRUST_MESSAGE_NAME_MAX);
  check_text (said->note, TRUST_MESSAGE_NOTE_MAX);
  trust_message_add (message, said, "juliet@pronto");
  g_assert (trust_message_is_in (message));
  trust_message_parse (message, &again, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (again.name, ==, said->name);
  g_assert_cmpstr (again.note, ==, said->note);
  g_assert (again.n_keys == said->n_keys);
  for (guint i = 0; i < said->n_keys; i++)
    g_assert (fingerprint_equal (&again.keys[i].fp, &said->keys[i].fp) && again.keys[i].distrust == said->keys[i].distrust);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autofree char *xml = g_strconcat ("<message>", text, "</message>", NULL);
  g_autoptr (Stanza) message = xml_stream_read_one (xml);
  g_autofree char *name = trust_message_clean (text, TRUST_MESSAGE_NAME_MAX);
  g_auto (TrustMessage) said = { .n_keys = 0 };
  g_autoptr (GError) error = NULL;

  check_text (name, TRUST_MESSAGE_NAME_MAX);
  if (message == NULL)
    return 0;
  if (trust_message_parse (message, &said, &error))
    {
      g_assert (error == NULL && trust_message_is_in (message));
      check (&said);
    }
  else
    g_assert (error != NULL && said.name == NULL && said.note == NULL && said.n_keys == 0);
  return 0;
}
