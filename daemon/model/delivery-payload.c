/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What messages of ours say besides words: an introduction (docs/protocol.md 3.7). It lies with its message on disk, as XML, and is read
 * there like a stranger's. It may wait for weeks, so it is looked at once more before it leaves: nobody is vouched for whom the
 * user has stopped trusting meanwhile.
 */
#include "earshot-config.h"

#include <string.h>

#include "daemon/model/delivery-private.h"
#include "daemon/proto/trust-message.h"
#include "daemon/proto/xml-stream.h"

void
delivery_add_payload (Stanza *message, const OutboxItem *row)
{
  g_autoptr (Stanza) payload = row->payload != NULL ? xml_stream_read_one (row->payload) : NULL;

  if (payload == NULL)
    return;
  for (const Stanza *child = stanza_next_child (payload, NULL); child != NULL; child = stanza_next_child (payload, child))
    stanza_add_child (message, stanza_ref ((Stanza *) child)); /* standing in the payload, it is copied */
}

const char *
delivery_check_payload (Delivery *delivery, const OutboxItem *row)
{
  g_autoptr (Stanza) payload = row->payload != NULL ? xml_stream_read_one (row->payload) : NULL;
  g_auto (TrustMessage) said = { .n_keys = 0 };

  if (row->payload == NULL)
    return NULL;
  if (payload == NULL || !trust_message_parse (payload, &said, NULL))
    return "damaged";
  for (guint i = 0; i < said.n_keys; i++)
    {
      Key *key = contacts_get_key (delivery->config.contacts, &said.keys[i].fp);

      /* Nobody here speaks against a key. */
      if (said.keys[i].distrust || key == NULL || key_get_level (key) != TRUST_VERIFIED || contact_is_blocked (key_get_contact (key)))
        return "not-verified";
    }
  return NULL;
}
