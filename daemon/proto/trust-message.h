/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What one peer says about keys (docs/protocol.md 3.7; XEP-0434), as children of a <message/>:
 *   <trust-message xmlns='urn:xmpp:tm:1' usage='im.earshot:intro:0' encryption='im.earshot:tls:0'>
 *     <key-owner jid='juliet@pronto'><trust>BASE64</trust></key-owner>
 *   </trust-message>
 *   <about xmlns='im.earshot:intro:0' name='Juliet'>met her at the market</about>
 * <about/> may be missing; it says how the sender calls the owner, and why it speaks.
 *
 * Threat: whoever we trust most may have been broken into, and its words become a question to a person. So it is read strictly: what
 * is not known is refused with all that stands beside it, a key is named once, in one spelling, and both texts are short, of one line
 * and free of characters that move what stands around them. Addresses are labels and are not even read. Who may say this is decided
 * elsewhere (trust-policy.h). Pure.
 */
#pragma once

#include "daemon/base/fingerprint.h"
#include "daemon/proto/stanza.h"

#define TRUST_MESSAGE_KEYS_MAX 16  /* in one message, whoever owns them */
#define TRUST_MESSAGE_NAME_MAX 80  /* characters, as of a petname */
#define TRUST_MESSAGE_NOTE_MAX 256 /* characters */

typedef struct {
  Fingerprint fp;
  gboolean distrust;
} TrustMessageKey;

typedef struct {
  TrustMessageKey keys[TRUST_MESSAGE_KEYS_MAX];
  guint n_keys;
  char *name; /* cleaned; never NULL where the message was parsed, "" = none */
  char *note; /* the same */
} TrustMessage;

/* Something of the kind stands in it, sound or not. */
gboolean trust_message_is_in (const Stanza *message);
/* INVALID_ARGUMENT says what is wrong, in words of ours; `out` is untouched then. */
gboolean trust_message_parse (const Stanza *message, TrustMessage *out, GError **error);
void trust_message_clear (TrustMessage *said);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (TrustMessage, trust_message_clear)

/* Adds the elements to a message under construction. All keys are one owner's; `jid` "" = no address is known. What is longer than its
 * bound is cut, so that a reader takes it. */
void trust_message_add (Stanza *message, const TrustMessage *said, const char *jid);

/* At most `max` characters of `text`, of one line: without control, separator and bidi-control characters. Caller frees. */
char *trust_message_clean (const char *text, guint max);
