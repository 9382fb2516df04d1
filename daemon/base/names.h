/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The names of the outside world, each written once: bus names and paths, XML namespaces,
 * DNS-SD types, and the words that cross the bus.
 */
#pragma once

#define EARSHOT_BUS_NAME "im.earshot.Earshot1"
#define EARSHOT_BUS_ROOT "/im/earshot/Earshot1"
#define EARSHOT_ERROR_PREFIX "im.earshot.Earshot1.Error."

#define EARSHOT_SERVICE_TYPE "_presence._tcp"
#define EARSHOT_ALPN "xmpp-client"
#define EARSHOT_CAPS_NODE "https://earshot.im/caps"
#define EARSHOT_DEFAULT_PORT 5298

#define NS_STREAM "http://etherx.jabber.org/streams"
#define NS_CLIENT "jabber:client"
#define NS_TLS "urn:ietf:params:xml:ns:xmpp-tls"
#define NS_SASL "urn:ietf:params:xml:ns:xmpp-sasl"
#define NS_STREAM_ERRORS "urn:ietf:params:xml:ns:xmpp-streams"
#define NS_STANZA_ERRORS "urn:ietf:params:xml:ns:xmpp-stanzas"
#define NS_APP_ERRORS "urn:xmpp:errors"
#define NS_XML "http://www.w3.org/XML/1998/namespace"
#define NS_DISCO_INFO "http://jabber.org/protocol/disco#info"
#define NS_CAPS "http://jabber.org/protocol/caps"
#define NS_PING "urn:xmpp:ping"
#define NS_SM "urn:xmpp:sm:3"
#define NS_LIMITS "urn:xmpp:stream-limits:0"
#define NS_RECEIPTS "urn:xmpp:receipts"
#define NS_SID "urn:xmpp:sid:0"
#define NS_DELAY "urn:xmpp:delay"
#define NS_CHATSTATES "http://jabber.org/protocol/chatstates"
#define NS_CORRECT "urn:xmpp:message-correct:0"
#define NS_RETRACT "urn:xmpp:message-retract:1"
#define NS_REACTIONS "urn:xmpp:reactions:0"
#define NS_REPLY "urn:xmpp:reply:0"
#define NS_FALLBACK "urn:xmpp:fallback:0"
#define NS_MARKERS "urn:xmpp:chat-markers:0"
#define NS_STYLING "urn:xmpp:styling:0"
#define NS_NICK "http://jabber.org/protocol/nick"
#define NS_OOB "jabber:x:oob"
#define NS_TIME "urn:xmpp:time"
#define NS_VERSION "jabber:iq:version"
#define NS_LAST "jabber:iq:last"
#define NS_LL_TLS "im.earshot:tls:0"
#define NS_LL_TRUST "im.earshot:trust:0"
#define NS_LL_OUTBOX "im.earshot:outbox:0"
#define NS_LL_SAS "im.earshot:sas:0"
#define NS_LL_INVITE "im.earshot:invite:0"
#define NS_LL_INTRO "im.earshot:intro:0"
#define NS_TRUST_MESSAGE "urn:xmpp:tm:1"
