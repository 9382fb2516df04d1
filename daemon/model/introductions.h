/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Introductions (docs/protocol.md 3.7): our user tells one contact about another, who are told so by a message like any other
 * (durable, in order, once); and what contacts say about keys is handed to trust. Depth 1: nothing that was heard is ever said on.
 * Main thread only.
 *
 * SECURITY CRITICAL. Only keys that a person verified here are vouched for, to people whose key was verified here, and both is
 * looked at again when the message leaves. What is heard counts by the level of the stream's key at the moment it is received.
 */
#pragma once

#include "daemon/io/identity.h"
#include "daemon/model/delivery.h"

typedef struct _Introductions Introductions;

typedef struct {
  Contacts *contacts;
  Trust *trust;
  Delivery *delivery;
  Identity *identity;      /* asked anew each time: our key may become another */
} IntroductionsConfig;

/* Before the sessions are made: a peer that gives its key up is answered before its stream ends. */
Introductions *introductions_new (const IntroductionsConfig *config);
/* After the store has reported, before delivery goes. */
void introductions_free (Introductions *introductions);

/* Tells `to` about `other`; `note` "" = none, at most TRUST_MESSAGE_NOTE_MAX characters of one line. The petname that our user gave the
 * other goes along as a suggestion. Reports when it is queued on disk. INVALID_ARGUMENT (the note, or both are one), BLOCKED, NOT_TRUSTED
 * (one of them is not verified), and what delivery_send() reports. */
void introductions_send (Introductions *introductions, Contact *to, Contact *other, const char *note, const char *caller, DoneFunc done,
                         gpointer user);
