#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An open stream with a real earshotd: what a peer may say on it, what it may not, and how messages survive it (peer.py)."""
import base64
import os
import re
import time
from datetime import datetime, timezone

import rig
from people import (contacts, queued, received, requests, resolve, send, state_of, wait_received, wait_request,
                    wait_state, with_key)
from peer import (CANARY, CLIENT, DELAY, DISCO, PING, RECEIPTS, SID, STANZA_ERRORS, STREAM, Closed, Peer, await_address, b64, chat,
                  is_sanitized, memory_of, new_id, pin, said, start)


def setting(lan, **kw):
    """The daemon, a peer it has pinned, where that listens, and the contact."""
    juliet = start(lan, **kw)
    romeo = Peer(lan.host("forza", avahi="none"), "romeo@forza", juliet)
    listener = romeo.listen()
    return juliet, romeo, listener, pin(juliet, romeo, listener)


def receipt(wanted):
    return "<message type='chat' id='%s'><received xmlns='%s' id='%s'/></message>" % (new_id(), RECEIPTS, wanted)


def condition_of(stanza):
    """(type, condition) of a stanza error."""
    error = stanza.find("{%s}error" % CLIENT)
    return error.get("type"), next(child.tag.split("}")[1] for child in error if child.tag.startswith("{%s}" % STANZA_ERRORS))


@rig.test
def stanza_from(lan):
    """S-18: a foreign `from` gives invalid-from and is not processed; absent, or spelt in another case, it is the peer"""
    juliet, romeo, _, contact = setting(lan)
    stream = romeo.dial().open()
    for n, sender in enumerate(("", " from='romeo@forza'", " from='ROMEO@Forza'")):
        stream.send(chat("mine %d" % n, new_id()).replace("<message", "<message" + sender))
    wait_received(juliet, [said("mine %d" % n) for n in range(3)], contact=contact)
    for sender in ("mallory@elsewhere", "juliet@pronto", "romeo@forza.evil"):
        stream = romeo.dial().open()
        stream.send(chat("a lie", new_id()).replace("<message", "<message from='%s'" % sender))
        stream.error("invalid-from")
        stream = romeo.dial().open()
        stream.send("<iq type='get' id='1' from='%s'><ping xmlns='%s'/></iq>" % (sender, PING))
        stream.error("invalid-from")
    for sender in ("a@@b", "@", "romeo@forza@x", " ", "forza"):
        stream = romeo.dial().open()
        stream.send(chat("a lie", new_id()).replace("<message", "<message from='%s'" % sender))
        stream.error("improper-addressing")
    assert len(received(juliet)) == 3 and len(contacts(juliet)) == 1


@rig.test
def stanza_to(lan):
    """2.6: a stanza `to` somebody else gets item-not-found, is not stored, and the stream lives"""
    juliet, romeo, _, contact = setting(lan)
    stream = romeo.dial().open()
    lost = new_id()
    stream.send(chat("for tybalt", lost).replace("<message", "<message to='tybalt@pronto'"))
    answer = stream.stanza(lambda e: e.get("id") == lost)
    assert answer.get("type") == "error" and condition_of(answer) == ("cancel", "item-not-found")
    stream.send("<iq type='get' id='x' to='tybalt@pronto'><ping xmlns='%s'/></iq>" % PING)
    answer = stream.stanza(lambda e: e.get("id") == "x")
    assert answer.get("type") == "error" and condition_of(answer) == ("cancel", "item-not-found")
    stream.send(chat("for juliet", new_id()).replace("<message", "<message to='Juliet@Pronto'"))
    wait_received(juliet, [said("for juliet")], contact=contact)


ENTITY = "<!DOCTYPE x [<!ENTITY a SYSTEM 'http://%s/x'><!ENTITY b 'bbbbbbbbbb'><!ENTITY c '&b;&b;&b;&b;'>]>"


@rig.test
def restricted_xml(lan):
    """S-19: DTD, processing instruction, comment and foreign entity give restricted-xml in every section; nothing is expanded or fetched"""
    juliet, romeo, listener, contact = setting(lan)
    bait = romeo.listen()
    tricks = ("<!-- c -->", "<?php x?>", "<message><body>&a;</body></message>", "<message><!-- c --></message>",
              "<message><?x y?></message>", "<message><body>&nbsp;</body></message>", "<message id='&a;'/>")
    for section in ("clear", "TLS", "open"):
        for trick in tricks:
            stream = romeo.dial()
            if section == "clear":
                stream.greet()
            elif section == "TLS":
                stream.secure()
            else:
                stream.open()
            stream.send(trick)
            stream.error("restricted-xml")
    for section in range(3):
        stream = romeo.dial()
        if section == 1:
            stream.greet()
            stream.starttls()
        elif section == 2:
            stream.secure()
            stream.sasl()
            stream.element("success")
            stream.restart()
        stream.send("<?xml version='1.0'?>" + ENTITY % bait.endpoint)
        stream.send_header(declaration=False)
        stream.error("restricted-xml")
    bait.nobody(0.3)
    assert received(juliet) == []
    # The predefined and numeric ones are fine, and text stays text.
    stream = romeo.dial().open()
    stream.send("<message id='%s'><body>&lt;b&gt; &amp;amp; &quot;&apos; &#x263a;&#65;<![CDATA[<i>&c;]]></body></message>" % new_id())
    wait_received(juliet, ["<b> &amp; \"' \u263aA<i>&c;"], contact=contact)


@rig.test
def broken_xml(lan):
    """S-20: broken XML or UTF-8 gives not-well-formed, another encoding unsupported-encoding, in every section"""
    juliet, romeo, _, contact = setting(lan)
    broken = {b"<a></b>": "not-well-formed", b"<message><body>\xff\xfe</body></message>": "not-well-formed",
              b"<message><body>\xc0\xaf</body></message>": "not-well-formed", b"<message><body>\xed\xa0\x80</body></message>": "not-well-formed",
              b"<message><body>\0</body></message>": "not-well-formed", b"<message><body>&#0;</body></message>": "not-well-formed",
              b"<message><body>\x08</body></message>": "not-well-formed", b"<message id='1' id='2'/>": "not-well-formed",
              b"<message><x:y/></message>": "not-well-formed", b"<message <": "not-well-formed", b"<message id=1/>": "not-well-formed",
              b"</stream:foo>": "not-well-formed", b"<message>&#xfffe;</message>": "not-well-formed"}
    for trick, condition in broken.items():
        for opened in (False, True):
            stream = romeo.dial().open() if opened else romeo.dial()
            if not opened:
                stream.greet()
            stream.send(trick)
            stream.error(condition)
    header = ("<?xml version='1.0' encoding='%s'?><stream:stream xmlns='jabber:client' xmlns:stream='" + STREAM + "' version='1.0' from='romeo@forza'>")
    for encoding in ("ISO-8859-1", "UTF-16", "US-ASCII", "windows-1252", "x-nonsense"):
        stream = romeo.dial()
        stream.send(header % encoding)
        stream.header()
        stream.error("unsupported-encoding")
    for codec in ("utf-16", "utf-16-be", "utf-16-le"):
        stream = romeo.dial()
        stream.send((header % "UTF-16").encode(codec))
        stream.header()
        stream.error("unsupported-encoding")
    for encoding in ("UTF-8", "utf-8"):
        stream = romeo.dial()
        stream.send(header % encoding)
        stream.header()
        stream.read_features()
    stream = romeo.dial()
    stream.send("nonsense without a bracket")
    stream.header()
    stream.error("not-well-formed")
    assert received(juliet) == []


@rig.test
def wrong_headers(lan):
    """S-21: wrong namespaces give invalid-namespace, a foreign `to` host-unknown, a low version unsupported-version; none: silence"""
    juliet, romeo, _, contact = setting(lan)
    bad = (({"ns": "jabber:server"}, "invalid-namespace"), ({"ns": "urn:x"}, "invalid-namespace"), ({"ns": None}, "invalid-namespace"),
           ({"stream_ns": "urn:x"}, "invalid-namespace"), ({"to": "tybalt@pronto"}, "host-unknown"), ({"to": "pronto"}, "host-unknown"),
           ({"to": "not an address@@"}, "host-unknown"), ({"version": "0.9"}, "unsupported-version"), ({"version": "0"}, "unsupported-version"),
           ({"version": "x"}, "unsupported-version"), ({"version": "-1.0"}, "unsupported-version"), ({"root": "message"}, "bad-format"),
           ({"sender": "a@@b"}, "improper-addressing"))
    for kw, condition in bad:
        for protected in (False, True):
            stream = romeo.dial()
            if protected:
                stream.greet()
                stream.starttls()
            stream.send_header(**kw)
            # RFC 6120 section 4.9.1.1: the error stands behind a header of ours.
            stream.header()
            stream.error(condition)
    for kw in ({"version": "1.1"}, {"version": "1.99"}, {"version": "2.0"}, {"to": "JULIET@pronto"}, {"extra": " xml:lang='de' foo='bar'"}):
        stream = romeo.dial()
        stream.greet(**kw)
        assert stream.headers[0]["version"] == "1.0"
    # Under TLS a version is due as well, but then there is no clear text to lure out.
    stream = romeo.dial()
    stream.greet()
    stream.starttls()
    stream.send_header(version=None)
    stream.header()
    stream.error("unsupported-version")
    for kw in ({"version": None}, {"version": ""}, {"version": None, "to": "tybalt@pronto"}, {"version": None, "ns": "urn:x"}):
        stream = romeo.dial()
        stream.send_header(**kw)
        assert stream.silent_end().clean
        assert not stream.wire.raw_in
    # A text before or instead of the header.
    for text in ("GET / HTTP/1.0\r\n\r\n", "<message xmlns='jabber:client'><body>hi</body></message>"):
        stream = romeo.dial()
        stream.send(text)
        stream.rest()
        assert b"features" not in stream.text
    assert received(juliet) == []


def limits():
    """What is one beyond each limit after SASL, and the same just within."""
    deep = lambda n: "<message>" + "<x xmlns='urn:x'>" * n + "</x>" * n + "</message>"
    wide = lambda n: "<message %s/>" % " ".join("a%d='1'" % i for i in range(n))
    many = lambda n: "<message>" + "<a/>" * n + "</message>"
    value = lambda n: "<message id='%s'/>" % ("x" * n)
    name = lambda n: "<message><%s/></message>" % ("n" * n)
    return {"depth": (deep(31), deep(30)), "attributes": (wide(65), wide(64)), "children": (many(1025), many(1024)),
            "value": (value(8193), value(8192)), "name": (name(300), name(200))}


@rig.test
def too_much(lan):
    """S-22: too big, too deep, too wide gives policy-violation, just within is fine; endless elements are cut and memory stays bounded"""
    juliet, romeo, _, contact = setting(lan)
    body = "<message><body>%s</body></message>"
    size = len(body % "")
    stream = romeo.dial().open()
    stream.send(body % ("x" * (65536 - size)))
    stream.alive()
    for what, (beyond, within) in limits().items():
        stream.send(within)
        stream.alive()
        other = romeo.dial().open()
        other.send(beyond)
        other.error("policy-violation")
        stream = romeo.dial().open()
    stream.send(body % ("x" * (65536 - size + 1)))
    stream.error("policy-violation", "stanza-too-big")
    # Before SASL 10 000 bytes, 32 KiB in all.
    for protected in (False, True):
        stream = romeo.dial()
        if protected:
            stream.greet()
            stream.starttls()
        stream.greet()
        stream.send("<x>%s" % ("y" * 10000))
        stream.error("policy-violation", "stanza-too-big")
        stream = romeo.dial()
        if protected:
            stream.greet()
            stream.starttls()
        stream.send_header(extra=" x='%s'" % ("y" * 10000))
        stream.rest()
        stream = romeo.dial()
        stream.greet()
        for _ in range(8):
            stream.send("<stream:features><x xmlns='urn:x'>%s</x></stream:features>" % ("y" * 5000))
        stream.error("policy-violation")
    before = memory_of(juliet)
    # A stanza without end, three ways: text, attributes, whitespace inside a tag.
    for start_of, more in (("<message><body>", "x" * 65536), ("<message a='", "y" * 65536), ("<message ", " " * 65536)):
        stream = romeo.dial().open()
        stream.send(start_of)
        sent = 0
        try:
            # What comes behind the error is thrown away for a moment, lest a reset take the error along.
            while sent < 64 * 1024 * 1024:
                stream.send(more)
                sent += len(more)
        except Closed:
            pass
        rig.note("%r: closed after %d KiB" % (start_of, sent // 1024))
        assert sent < 16 * 1024 * 1024, "%d bytes were taken" % sent
    grown = memory_of(juliet) - before
    rig.note("memory: %d KiB more" % (grown // 1024))
    # The sanitizer keeps what was freed for a while.
    assert is_sanitized() or grown < 8 * 1024 * 1024, grown
    romeo.dial().open().alive()


@rig.test
def names_are_forgotten(lan):
    """8.5 X-01: 10,000 stanzas, each with a namespace, an element and an attribute never seen before, leave memory where it was"""
    juliet, romeo, _, _ = setting(lan)
    fresh = iter(range(1 << 30))

    def stanza():
        namespace, element, attribute = ("%s%07d%s" % (word, next(fresh), "x" * 192) for word in ("urn:", "e", "a"))
        text = "<%s xmlns='%s' %s='v'/>" % (element, namespace, attribute)
        # As payload, as a question, and as attributes of the stanza itself; each third needs an answer.
        return ("<message id='n'>%s</message>" % text, "<iq type='get' id='n'>%s</iq>" % text,
                "<message %s='v' xmlns:%s='%s'/>" % (attribute, element, namespace))[next(fresh) % 3]

    def stream():
        # One parser may see 4096 names in its life; 3 times 1000 are within that.
        stream = romeo.dial().open()
        for _ in range(10):
            stream.send("".join(stanza() for _ in range(100)), 30)
            stream.alive()
        stream.close()

    stream()
    before = memory_of(juliet)
    for _ in range(10):
        stream()
    grown = memory_of(juliet) - before
    rig.note("%d KiB more after 10000 stanzas with 30000 names of 200 bytes" % (grown // 1024))
    # 6 MB of names, if any table kept them.
    assert is_sanitized() or grown < 1024 * 1024, grown


@rig.test
def closing(lan):
    """S-25: what comes between our closing tag and the peer's is delivered; then the closer closes TCP, at once or after 5 s"""
    juliet, romeo, listener, contact = setting(lan)
    stream = romeo.dial().open()
    disconnect = lambda: juliet.call(contact, "Contact", "Disconnect")
    disconnect()
    stream.until_close()
    stream.send(chat("wait, one more word", new_id()))
    wait_received(juliet, [said("wait, one more word")], contact=contact)
    began = time.monotonic()
    stream.send("</stream:stream>")
    end = stream.silent_end()
    assert end.clean and time.monotonic() - began < 2 * rig.SLOW, (end, time.monotonic() - began)
    # A peer that never answers the closing tag.
    stream = romeo.dial().open()
    disconnect()
    stream.until_close()
    began = time.monotonic()
    stream.rest(8)
    took = time.monotonic() - began
    assert 3 < took < 7 * rig.SLOW, took
    # The peer closes first: our closing tag, and the peer closes TCP. If it does not, we do not wait for ever.
    stream = romeo.dial().open()
    send(juliet, contact, said("on its way"))
    stream.message(said("on its way"))
    stream.send("</stream:stream>")
    stream.until_close()
    stream.rest(8)
    juliet.wait_for(lambda: not contacts(juliet)[contact]["Connected"], 10, "the end of the stream")
    # Behind the peer's closing tag nothing is heard.
    stream = romeo.dial().open()
    stream.send("</stream:stream>" + chat("from beyond", new_id()))
    stream.rest(8)
    assert received(juliet) == [said("wait, one more word")]


@rig.test
def iq_answers(lan):
    """S-29: unknown IQ get and set give service-unavailable, replies and errors give nothing; unknown payloads and features are ignored"""
    juliet, romeo, _, contact = setting(lan)
    stream = romeo.dial().open()
    for n, (kind, payload, expected) in enumerate((
            ("get", "<query xmlns='jabber:iq:search'/>", ("cancel", "service-unavailable")),
            ("set", "<query xmlns='jabber:iq:roster'/>", ("cancel", "service-unavailable")),
            ("get", "<x xmlns='urn:nobody:knows'>text</x>", ("cancel", "service-unavailable")),
            ("set", "<ping xmlns='%s'/>" % PING, ("cancel", "service-unavailable")),
            ("set", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>", ("cancel", "service-unavailable")),
            ("get", "", ("modify", "bad-request")),
            ("get", "<query xmlns='%s' node='other'/>" % DISCO, ("cancel", "item-not-found")))):
        stream.send("<iq type='%s' id='u%d'>%s</iq>" % (kind, n, payload))
        answer = stream.stanza(lambda e: e.get("id") == "u%d" % n)
        assert answer.tag == "{%s}iq" % CLIENT and answer.get("type") == "error", answer.attrib
        assert condition_of(answer) == expected, (payload, condition_of(answer))
    seen = len(stream.text)
    for silent in ("<iq type='result' id='nobody-asked'/>", "<iq type='error' id='e'><error type='cancel'/></iq>", "<iq id='t'/>",
                   "<iq type='nonsense' id='n'><x xmlns='urn:x'/></iq>", "<message type='error' id='e'><body>x</body><error type='cancel'/></message>",
                   "<message id='p'><x xmlns='urn:unknown'/><y xmlns='urn:unknown'/></message>", "<message type='headline'/>", "<message/>",
                   "<stream:features/>", "<stream:features><x xmlns='urn:x'/></stream:features>", "   \n\t "):
        stream.send(silent)
    stream.alive()
    told = stream.text[seen:].decode()
    for word in ("nobody-asked", "'e'", "'t'", "'n'", "'p'", "features"):
        assert word not in told, (word, told)
    assert received(juliet) == []
    # What is no stanza at all ends it.
    stream.send("<x xmlns='urn:x'/>")
    stream.error("unsupported-stanza-type")


@rig.test
def no_presence(lan):
    """S-32: no presence stanza is ever sent, whatever the user sets; received ones do nothing, of any type"""
    juliet, romeo, listener, contact = setting(lan)
    stream = romeo.dial().open()
    before = {key: value for key, value in contacts(juliet)[contact].items() if key not in ("Session", "LastSeen")}
    for kind in ("", " type='unavailable'", " type='subscribe'", " type='subscribed'", " type='probe'", " type='error'", " to='juliet@pronto'"):
        stream.send("<presence%s id='p'><show>dnd</show><status>%s</status><c xmlns='http://jabber.org/protocol/caps' node='x' ver='y' hash='sha-1'/>"
                    "</presence>" % (kind, CANARY))
    for show in ("dnd", "away", "chat", "available"):
        try:
            juliet.set_prop("", "Manager", "Show", rig.GLib.Variant("s", show))
        except rig.GLib.Error:
            pass
    juliet.set_prop("", "Manager", "StatusText", rig.GLib.Variant("s", "on the balcony"))
    stream.alive()
    after = {key: value for key, value in contacts(juliet)[contact].items() if key not in ("Session", "LastSeen")}
    assert after == before, (before, after)
    assert not requests(juliet) and len(contacts(juliet)) == 1
    juliet.stop()
    stream.rest()
    assert b"<presence" not in stream.text


@rig.test
def resent_with_delay(lan):
    """M-02 M-05: a message resent on a new stream keeps its id and, when older than 10 s, carries the first time in UTC"""
    juliet, romeo, listener, contact = setting(lan, env={"TZ": "Asia/Tokyo"})
    first, _ = send(juliet, contact, said("once"))
    written = time.time()
    stream = listener.accept().open()
    message = stream.message(said("once"))
    assert message.get("id") == first and message.find("{%s}origin-id" % SID).get("id") == first
    assert re.fullmatch("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", first), first
    assert message.find("{%s}delay" % DELAY) is None
    assert message.find("{%s}request" % RECEIPTS) is not None
    # It never reached our disk: gone without a receipt.
    stream.wire.reset()
    stream = listener.accept(20).open()
    again = stream.message(said("once"))
    assert again.get("id") == first and again.find("{%s}origin-id" % SID).get("id") == first
    stream.wire.reset()
    rig.settle(max(0, written + 11 - time.time()))
    second, _ = send(juliet, contact, said("twice"))
    stream = romeo.dial().open()
    again = stream.message(said("once"))
    assert again.get("id") == first
    stamp = again.find("{%s}delay" % DELAY).get("stamp")
    when = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()
    assert abs(when - written) < 3 * rig.SLOW, (stamp, written)
    fresh = stream.message(said("twice"))
    assert fresh.get("id") == second and fresh.find("{%s}delay" % DELAY) is None
    for one in (first, second):
        stream.send(receipt(one))
        wait_state(juliet, one, "delivered")
    assert queued(juliet) == 0


@rig.test
def duplicates(lan):
    """M-06: a duplicate is confirmed again and not shown again, on the same stream, the next, and after kill -9; another body is an error"""
    juliet, romeo, _, contact = setting(lan)
    name = new_id()
    for round_ in range(4):
        stream = romeo.dial().open()
        for _ in range(2):
            stream.send(chat("hear me once", name))
            stream.receipt(name)
        if round_ == 1:
            juliet.kill9()
            juliet.restart()
            await_address(juliet)
        elif round_ == 2:
            stream.close()
    assert received(juliet) == [said("hear me once")]
    stream = romeo.dial().open()
    stream.send(chat("another text under the same id", name))
    answer = stream.stanza(lambda e: e.get("id") == name)
    assert answer.get("type") == "error" and condition_of(answer)[0] == "cancel", answer.attrib
    # The same id from somebody else is somebody else's message.
    tybalt = Peer(romeo.host, "tybalt@forza", juliet)
    pin(juliet, tybalt)
    other = tybalt.dial().open()
    other.send(chat("hear me once", name))
    other.receipt(name)
    assert received(juliet) == [said("hear me once")] * 2
    # Without an id, or an empty one, nothing is a repeat.
    for _ in range(2):
        stream.send("<message><body>%s</body></message>" % said("no id"))
    wait_received(juliet, [said("hear me once")] * 2 + [said("no id")] * 2)


@rig.test
def bounces(lan):
    """M-08: error replies move a message to the listed state, only its own sender's, only once; errors never answer errors"""
    juliet, romeo, listener, contact = setting(lan)
    tybalt = Peer(romeo.host, "tybalt@forza", juliet)
    pin(juliet, tybalt)
    ids = [send(juliet, contact, said("number %d" % n))[0] for n in range(5)]
    stream = listener.accept().open()
    for one in ids:
        assert stream.message().get("id") == one
    # Somebody else's error and receipt change nothing.
    other = tybalt.dial().open()
    for one in ids:
        other.send(bounce(one, "cancel", "service-unavailable") + receipt(one))
    other.alive()
    assert [state_of(juliet, one)[0] for one in ids] == ["sent"] * 5 or all(state_of(juliet, one)[0] in ("queued", "sent") for one in ids)
    before = len(stream.text)
    stream.send(bounce(ids[0], "cancel", "service-unavailable"))
    stream.send(bounce(ids[1], "modify", "not-acceptable"))
    stream.send(bounce(ids[2], "wait", "resource-constraint"))
    stream.send(bounce(ids[3], "auth", "not-authorized", "<untrusted xmlns='im.earshot:trust:0'/>"))
    stream.send(bounce("nobody-knows", "cancel", "service-unavailable") + bounce("", "cancel", "gone"))
    stream.send("<message type='error' id='%s'/>" % ids[4])
    wait_state(juliet, ids[0], "failed")
    wait_state(juliet, ids[1], "failed")
    wait_state(juliet, ids[3], "held")
    assert state_of(juliet, ids[0]) == ("failed", "service-unavailable") and state_of(juliet, ids[1]) == ("failed", "not-acceptable")
    assert state_of(juliet, ids[3]) == ("held", "waiting-approval"), state_of(juliet, ids[3])
    assert state_of(juliet, ids[2])[0] in ("queued", "sent") and state_of(juliet, ids[4])[0] in ("queued", "sent")
    stream.alive()
    assert "type='error'" not in stream.text[before:].decode()
    # A late receipt for what failed changes nothing; for the last one it does.
    stream.send(receipt(ids[0]) + receipt(ids[4]) + receipt(ids[4]))
    wait_state(juliet, ids[4], "delivered")
    assert state_of(juliet, ids[0])[0] == "failed"
    # The approval comes: what was held goes out again.
    stream.send("<iq type='set' id='g'><granted xmlns='im.earshot:trust:0'/></iq>")
    again = stream.message(said("number 3"), 20)
    assert again.get("id") == ids[3]
    stream.send(receipt(ids[3]))
    wait_state(juliet, ids[3], "delivered")


def bounce(name, kind, condition, more=""):
    return "<message type='error' id='%s'><body>%s</body><error type='%s'><%s xmlns='%s'/>%s</error></message>" % (
        name, said("quoted"), kind, condition, STANZA_ERRORS, more)


@rig.test
def receipts_only_to_the_trusted(lan):
    """M-09 T-08: receipts carry no request; none go to the unknown until accepted, to the refused or to the blocked"""
    juliet, romeo, _, contact = setting(lan)
    stream = romeo.dial().open()
    name = new_id()
    stream.send(chat("hello", name))
    found = stream.receipt(name)
    assert found.find("{%s}request" % RECEIPTS) is None and found.find("{%s}body" % CLIENT) is None and found.get("id")
    # A receipt with a request in it gets none itself.
    stream.send("<message id='r1'><received xmlns='%s' id='x'/><request xmlns='%s'/></message>" % (RECEIPTS, RECEIPTS))
    # Asked for by a message without a body: nothing to confirm; not asked for: none.
    stream.send("<message id='r2'><request xmlns='%s'/></message>" % RECEIPTS + chat("no request", "r3", request=False))
    before = len(stream.text)
    stream.alive()
    assert b"<received" not in stream.text[before:], stream.text[before:]
    stranger = Peer(romeo.host, "paris@forza", juliet)
    asking = stranger.dial().open()
    assert asking.features[2].find("{im.earshot:trust:0}restricted") is not None
    held = new_id()
    asking.send(chat("marry me", held))
    asking.alive()
    assert b"<received" not in asking.text
    path, props = wait_request(juliet, "new-key")
    juliet.wait_for(lambda: requests(juliet)[path]["Details"].get("preview"), 15, "the preview")
    resolve(juliet, path, "accept", stranger.fp)
    asking.receipt(held)
    # Blocked: the stream ends, and what was said meanwhile is not confirmed.
    juliet.set_prop(with_key(juliet, stranger.fp), "Contact", "Blocked", rig.GLib.Variant("b", True))
    before = len(asking.text)
    try:
        asking.send(chat("please", new_id()))
    except Closed:
        pass
    asking.error("reset")
    assert b"<received" not in asking.text[before:]
    assert [body for body in received(juliet) if "marry" in body] == [said("marry me")]


@rig.test
def nothing_private_in_logs(lan):
    """X-03: no body, key, nonce or exporter value is in any log of either program, also not of what was refused"""
    juliet, romeo, listener, contact = setting(lan)
    stream = romeo.dial().open()
    stream.send(chat("in a body", new_id()) + chat("in a thread", new_id(), extra="<thread>%s</thread>" % said("thread")))
    wait_received(juliet, [said("in a body"), said("in a thread")])
    send(juliet, contact, said("back"))
    stream.message(said("back"))
    stream.send("<message from='mallory@elsewhere'><body>%s</body></message>" % said("refused"))
    stream.error("invalid-from")
    for bad in ("<message><body>%s</a>" % said("broken"), "<!-- %s -->" % CANARY, "<%s/>" % CANARY, "<x xmlns='urn:%s'/>" % CANARY):
        stream = romeo.dial().open()
        stream.send(bad)
        stream.rest()
    stranger = Peer(romeo.host, "paris@forza", juliet)
    asking = stranger.dial().open()
    for n in range(10):
        asking.send(chat("a stranger's word %d" % n, new_id()))
    asking.alive()
    stream = stranger.dial().secure()
    stream.sasl(b64(said("as a name")))
    stream.failure("invalid-authzid")
    juliet.ctl("send", romeo.fp, said("by the command line"))
    juliet.stop()
    with open(os.path.join(juliet.data_dir, "identity.key")) as key_file:
        secret = "".join(line for line in key_file.read().splitlines() if not line.startswith("-----"))
    ids = [header["id"] for one in romeo.streams + stranger.streams for header in one.headers if "id" in header]
    assert len(secret) > 100 and len(ids) > 10
    looked_at = 0
    for folder, _, files in os.walk(lan.dir):
        for name in files:
            if not name.endswith(".log"):
                continue
            with open(os.path.join(folder, name), errors="replace") as file:
                text = file.read()
            looked_at += 1
            assert CANARY not in text, name
            assert "PRIVATE KEY" not in text and not any(secret[i:i + 24] in text for i in range(0, len(secret) - 24, 8)), name
            raw = base64.b64decode(secret).hex()
            assert not any(raw[i:i + 32] in text.lower() for i in range(60, len(raw) - 32, 8)), name
            assert not any(one in text for one in ids), name
    assert looked_at >= 3


rig.main(needs=("openssl",))
