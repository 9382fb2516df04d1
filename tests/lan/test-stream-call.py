#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How a real earshotd calls somebody, step by step, answered by a peer of our own that is honest, dishonest or slow (peer.py)."""
import base64
import os
import select
import ssl

import rig
from certs import Certificate, fp_of, xmpp_addr
from people import contacts, fingerprint, queued, received, requests, send, state_of, wait_sight, wait_state
from peer import CLIENT, SASL, STREAM, TLS, Closed, Peer, Silence, b64, chat, connect, new_id, pin, said, start


def setting(lan, **kw):
    """The daemon, a peer it has pinned, where that listens, and the contact."""
    juliet = start(lan)
    romeo = Peer(lan.host("forza", avahi="none"), "romeo@forza", juliet, **kw)
    listener = romeo.listen()
    return juliet, romeo, listener, pin(juliet, romeo, listener)


def says_nothing(stream, seconds=0.5):
    """Demands that no byte comes for a while."""
    readable = select.select([stream.wire.sock], [], [], seconds)[0]
    assert not readable and not stream.section.events, (stream.wire.read_raw(1), list(stream.section.events))


def client_hello(raw):
    """(cipher suites, compression methods, {extension: bytes}) of the first handshake message in TLS records."""
    assert raw[0] == 22 and raw[5] == 1, raw[:16]
    at = 9 + 2 + 32
    at += 1 + raw[at]
    n = int.from_bytes(raw[at:at + 2], "big")
    suites = [int.from_bytes(raw[at + 2 + i:at + 4 + i], "big") for i in range(0, n, 2)]
    at += 2 + n
    compression = list(raw[at + 1:at + 1 + raw[at]])
    at += 1 + raw[at]
    end = at + 2 + int.from_bytes(raw[at:at + 2], "big")
    at += 2
    extensions = {}
    while at < end:
        kind, size = int.from_bytes(raw[at:at + 2], "big"), int.from_bytes(raw[at + 2:at + 4], "big")
        assert kind not in extensions
        extensions[kind] = bytes(raw[at + 4:at + 4 + size])
        at += 4 + size
    return suites, compression, extensions


@rig.test
def initial_header(lan):
    """S-01: the caller's header has both namespaces, from and version, no id, and `to` unless only an address is known; then it waits"""
    juliet, romeo, listener, contact = setting(lan)
    call = connect(juliet, contact)
    stream = listener.accept()
    header = stream.header()
    assert header == {"_": "{%s}stream" % STREAM, "from": "juliet@pronto", "version": "1.0"}, header
    assert b"xmlns='jabber:client'" in stream.text and stream.text.count(b"<") == 2, stream.text
    says_nothing(stream)
    stream.send_header(to="juliet@pronto")
    says_nothing(stream)
    stream.send("<stream:features><starttls xmlns='%s'><required/></starttls></stream:features>" % TLS)
    stream.proceed()
    stream.take_auth().finish()
    assert call.wait() is None
    assert all("id" not in one for one in stream.headers) and [one.get("from") for one in stream.headers] == ["juliet@pronto"] * 3
    # Once it knows who answered, it says so.
    stream.alive()
    stream.close()


@rig.test
def header_to_of_an_announced_peer(lan):
    """S-01 P-06 P-15: whom DNS-SD announced is called by that name, at the port of the SRV record, resolved anew when it moved"""
    juliet = lan.host("pronto", avahi="embedded").start_daemon(name="juliet", port=5298)
    juliet.address_name = "juliet"
    host = lan.host("forza", avahi="daemon")
    romeo = Peer(host, "romeo@forza", juliet)
    contact = pin(juliet, romeo)

    def announce(listener):
        port = listener.endpoint.rsplit(":", 1)[1]
        return host.spawn(["avahi-publish-service", "romeo@forza", "_presence._tcp", port, "txtvers=1", "status=avail", "port.p2pj=9",
                           "tls.spki=" + base64.urlsafe_b64encode(bytes.fromhex(romeo.fp)).decode().rstrip("=")], "publish", env=dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=host.system_bus_address))
    for body in ("first", "second"):
        listener = romeo.listen()
        publisher = announce(listener)
        assert wait_sight(juliet, "romeo") == contact
        send(juliet, contact, said(body))
        stream = listener.accept(20)
        stream.open()
        assert [one.get("to") for one in stream.headers] == ["romeo@forza"] * 3, stream.headers
        message = stream.message(said(body))
        stream.send("<message id='%s'><received xmlns='urn:xmpp:receipts' id='%s'/></message>" % (new_id(), message.get("id")))
        juliet.wait_for(lambda: queued(juliet) == 0, 15, "the receipt")
        stream.close()
        publisher.stop()
        listener.sock.close()
    assert contacts(juliet)[contact]["Trust"] == "pinned"


NO_TLS = {
    "empty features": "<stream:features/>",
    "SASL in clear": "<stream:features><mechanisms xmlns='%s'><mechanism>EXTERNAL</mechanism><mechanism>PLAIN</mechanism></mechanisms>"
                     "</stream:features>" % SASL,
    "starttls of another namespace": "<stream:features><starttls xmlns='urn:x'/></stream:features>",
    "starttls too deep": "<stream:features><x xmlns='urn:x'><starttls xmlns='%s'/></x></stream:features>" % TLS,
}


@rig.test
def no_starttls_offered(lan):
    """S-03: no STARTTLS, or a legacy header without version or id: no stanza leaves, the message stays queued, PeerInsecure"""
    juliet, romeo, listener, contact = setting(lan)
    message = send(juliet, contact, said("for encrypted ears only"))[0]
    headers = dict.fromkeys(NO_TLS, "<stream:stream xmlns='%s' xmlns:stream='%s' from='romeo@forza' id='1' version='1.0'>" % (CLIENT, STREAM))
    for what, attributes in {"no version": "from='romeo@forza' id='1'", "no id": "from='romeo@forza' version='1.0'",
                             "empty id": "from='' id='' version='1.0'"}.items():
        headers[what] = "<stream:stream xmlns='%s' xmlns:stream='%s' %s>" % (CLIENT, STREAM, attributes)
    for what, header in headers.items():
        def part(stream):
            stream.header()
            stream.send(header + NO_TLS.get(what, ""))
            events, _ = stream.rest()
            assert [kind for kind, _ in events] == ["close"], (what, stream.text)
            assert b"message" not in stream.wire.raw_in
        error, _ = listener.play(connect(juliet, contact), part)
        assert error == "PeerInsecure", (what, error)
        assert contacts(juliet)[contact]["LastError"] == "PeerInsecure"
    assert state_of(juliet, message) == ("queued", "PeerInsecure"), state_of(juliet, message)
    # And it still goes out to whom it was for.
    connect(juliet, contact)
    stream = listener.accept().open()
    stream.message(said("for encrypted ears only"))


@rig.test
def bytes_behind_proceed(lan):
    """S-04: bytes behind <proceed/> end the connection; no stanza leaves"""
    juliet, romeo, listener, contact = setting(lan)
    message = send(juliet, contact, said("hush"))[0]
    for tail in (" ", "<stream:features/>", "\x16\x03\x03"):
        def part(stream):
            stream.offer("<starttls xmlns='%s'><required/></starttls>" % TLS)
            stream.element("starttls")
            stream.send("<proceed xmlns='%s'/>%s" % (TLS, tail))
            stream.silent_end()
            assert stream.wire.raw_in.endswith(b"starttls xmlns='%s'/>" % TLS.encode()), bytes(stream.wire.raw_in)
        error, _ = listener.play(connect(juliet, contact), part)
        assert error == "Failed", error
    assert state_of(juliet, message)[0] == "queued"


@rig.test
def answers_to_starttls(lan):
    """S-03 S-04: <failure/>, nonsense, or a stanza instead of <proceed/> end the attempt; no stanza leaves"""
    juliet, romeo, listener, contact = setting(lan)
    message = send(juliet, contact, said("hush"))[0]
    for answer in ("<failure xmlns='%s'/></stream:stream>" % TLS, "<success xmlns='%s'/>" % SASL, chat("hi", new_id()),
                   "<proceed xmlns='urn:x'/>", "</stream:stream>"):
        def part(stream):
            stream.offer("<starttls xmlns='%s'><required/></starttls>" % TLS)
            stream.element("starttls")
            stream.send(answer)
            stream.rest()
            assert b"<message" not in stream.wire.raw_in and b"<iq" not in stream.wire.raw_in
        error, _ = listener.play(connect(juliet, contact), part)
        assert error is not None
    assert state_of(juliet, message)[0] == "queued" and received(juliet) == []


@rig.test
def old_tls_server(lan):
    """S-05 T-22: a server below TLS 1.3 gets no handshake and the report is PeerInsecure"""
    juliet, romeo, listener, contact = setting(lan)
    message = send(juliet, contact, said("hush"))[0]
    for low in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_2):
        def part(stream):
            try:
                stream.take_tls(romeo.server_context(low=low, ciphers="ALL:COMPLEMENTOFALL:@SECLEVEL=0"))
            except (ssl.SSLError, Closed) as error:
                rig.note("%s: %s" % (low.name, error))
            else:
                raise AssertionError("%s was agreed to" % low.name)
            stream.wire.close()
        error, _ = listener.play(connect(juliet, contact), part)
        assert error == "PeerInsecure", (low, error)
    assert state_of(juliet, message)[0] == "queued"


@rig.test
def client_hello_is_plain(lan):
    """S-07 S-08: the ClientHello has no SNI, ticket, PSK, early data or compression, only TLS 1.3, ALPN xmpp-client; also the second time"""
    juliet, romeo, listener, contact = setting(lan)
    for attempt in range(2):
        call = connect(juliet, contact)
        stream = listener.accept()
        # This server hands out tickets; a caller that resumes would show it the next time.
        stream.open(context=romeo.server_context(tickets=2))
        assert call.wait() is None
        stream.alive()
        raw = bytes(stream.wire.raw_in).split(b"starttls xmlns='%s'/>" % TLS.encode(), 1)[1]
        suites, compression, extensions = client_hello(raw)
        assert set(suites) - {0x00ff} <= {0x1301, 0x1302, 0x1303}, suites
        assert compression == [0]
        for name, kind in (("SNI", 0), ("ticket", 35), ("PSK", 41), ("early data", 42), ("compression of certificates", 27)):
            assert kind not in extensions, "%s: %r" % (name, extensions[kind])
        assert extensions[43] == b"\x02\x03\x04", extensions[43]
        assert extensions[16] == b"\x00\x0c\x0bxmpp-client", extensions[16]
        groups = extensions[10][2:]
        assert {groups[i:i + 2] for i in range(0, len(groups), 2)} <= {b"\x00\x1d", b"\x00\x17"}, groups
        assert stream.wire.tls.selected_alpn_protocol() == "xmpp-client" and not stream.wire.tls.session_reused
        stream.close()
        juliet.wait_for(lambda: not contacts(juliet)[contact]["Connected"], 10, "the end of the stream")
    # Not required of a server.
    call = connect(juliet, contact)
    stream = listener.accept().open(context=romeo.server_context(alpn=()))
    assert call.wait() is None and stream.wire.tls.selected_alpn_protocol() is None


@rig.test
def sections_forget(lan):
    """S-09: the responder's clear-text name and features count for nothing under TLS; ids are needed anew; another name after SASL ends it"""
    juliet, romeo, listener, contact = setting(lan)
    connect(juliet, contact)
    stream = listener.accept()
    stream.offer("<starttls xmlns='%s'/><mechanisms xmlns='%s'><mechanism>EXTERNAL</mechanism></mechanisms>" % (TLS, SASL),
                 sender="mallory@elsewhere")
    stream.proceed()
    stream.take_auth().finish()
    juliet.wait_for(lambda: contacts(juliet)[contact]["Connected"], 10, "the stream")
    assert contacts(juliet)[contact]["ClaimedAddress"] == "romeo@forza"
    stream.close()
    # Features of the first section are not used in the second.
    connect(juliet, contact)
    stream = listener.accept().take_tls()
    stream.offer("<starttls xmlns='%s'/>" % TLS)
    stream.error("unsupported-feature")
    # Another name in the last section.
    connect(juliet, contact)
    stream = listener.accept().take_tls().take_auth()
    stream.send("<success xmlns='%s'/>" % SASL)
    stream.restart()
    stream.header()
    stream.send_header(to="juliet@pronto", sender="mallory@elsewhere")
    stream.error("invalid-from")
    # An id is due in each section.
    connect(juliet, contact)
    stream = listener.accept().take_tls()
    stream.header()
    stream.send("<stream:stream xmlns='%s' xmlns:stream='%s' from='romeo@forza' version='1.0'>" % (CLIENT, STREAM))
    stream.error("bad-format")


@rig.test
def authzid_by_the_rule(lan):
    """S-11: `=` while the certificate's only xmppAddr is the stream's from, else base64 of from"""
    juliet, romeo, listener, contact = setting(lan)
    connect(juliet, contact)
    stream = listener.accept().open()
    assert stream.auth == "=", stream.auth
    juliet.stop()
    juliet.start_daemon(name="capulet", port=5298)
    connect(juliet, contact)
    stream = listener.accept().open()
    assert stream.headers[0]["from"] == "capulet@pronto"
    assert stream.auth == b64("capulet@pronto"), stream.auth
    # The certificate still says what it said, and need not match (T-04).
    assert b"juliet@pronto" in stream.wire.peer_certificate()
    assert fp_of(stream.wire.peer_certificate()) == fingerprint(juliet)


@rig.test
def initiator_waits(lan):
    """S-15: with a message waiting, not a byte leaves before each answer, and no stanza before <success/> and final features"""
    juliet, romeo, listener, contact = setting(lan)
    send(juliet, contact, said("patience"))
    stream = listener.accept().take_tls().take_auth()
    says_nothing(stream)
    stream.send("<success xmlns='%s'/>" % SASL)
    stream.restart()
    stream.header()
    says_nothing(stream)
    stream.send_header(to="juliet@pronto")
    says_nothing(stream)
    assert b"patience" not in stream.text and b"<message" not in stream.text and b"<iq" not in stream.text
    stream.send("<stream:features/>")
    stream.message(said("patience"))
    # A stanza of ours where an answer was due ends it, and is not heard.
    stream.close()
    juliet.wait_for(lambda: not contacts(juliet)[contact]["Connected"], 10, "the end of the stream")
    connect(juliet, contact)
    stream = listener.accept().take_tls().take_auth()
    stream.send(chat("not yet", new_id()))
    stream.error("not-authorized")
    assert received(juliet) == []


@rig.test
def refused_by_the_peer(lan):
    """2.4: a SASL failure is reported as Refused and closes; the message stays"""
    juliet, romeo, listener, contact = setting(lan)
    message = send(juliet, contact, said("let me in"))[0]
    for condition, error in (("not-authorized", "Refused"), ("credentials-expired", "Refused"), ("no-such-condition", "Failed")):
        def part(stream):
            stream.take_tls().take_auth()
            stream.send("<failure xmlns='%s'><%s/></failure></stream:stream>" % (SASL, condition))
            events, _ = stream.rest()
            assert [kind for kind, _ in events] == ["close"], stream.text
        found, _ = listener.play(connect(juliet, contact), part)
        assert found == error, (condition, found)
    assert state_of(juliet, message)[0] == "queued"


@rig.test
def another_key_answers(lan):
    """T-12: whoever expects another key aborts before its own certificate is sent: NameConflict, one question, nothing delivered"""
    juliet, romeo, listener, contact = setting(lan)
    message = send(juliet, contact, said("for romeo"))[0]
    listener.peer = tybalt = Peer(romeo.host, "romeo@forza", juliet)
    for _ in range(2):
        def part(stream):
            try:
                stream.take_tls(tybalt.server_context())
            except (ssl.SSLError, Closed) as error:
                rig.note(str(error))
            else:
                raise AssertionError("another key was taken")
            assert stream.wire.peer_certificate() is None
            raw = bytes(stream.wire.raw_in).split(b"starttls xmlns='%s'/>" % TLS.encode(), 1)[1]
            hello = 5 + int.from_bytes(raw[3:5], "big")
            # Behind the ClientHello at most a change_cipher_spec and an alert: no room for a certificate of some 400 bytes.
            assert len(raw) - hello < 64, (len(raw), hello)
            stream.wire.close()
        error, _ = listener.play(connect(juliet, contact), part)
        assert error in ("NameConflict", "NotTrusted"), error
    found = requests(juliet)
    assert len(found) == 1 and next(iter(found.values()))["Details"]["fingerprint"] == tybalt.fp, found
    assert contacts(juliet)[contact]["Trust"] == "pinned" and state_of(juliet, message)[0] == "queued"
    # Romeo himself is let in as ever.
    listener.peer = romeo
    connect(juliet, contact)
    listener.accept(20).open().message(said("for romeo"))


@rig.test
def bad_server_certificates(lan):
    """T-02 T-04: a responder's RSA 2048, SHA-1 or NUL in xmppAddr ends the handshake before our certificate; P-384 and odd names do not"""
    juliet, romeo, listener, contact = setting(lan)
    folder = romeo.host.dir
    for what, kw in {"RSA 2048": dict(kind="RSA-2048"), "SHA-1": dict(digest="sha1"),
                     "NUL": dict(names=[xmpp_addr(b"romeo@forza\0.evil")])}.items():
        listener.peer = peer = Peer(romeo.host, "romeo@forza", juliet, certificate=Certificate(folder, **kw))
        its = pin(juliet, peer, listener)
        send(juliet, its, said(what))
        stream = listener.accept(20)
        try:
            stream.take_tls()
            raise AssertionError("%s was taken" % what)
        except (ssl.SSLError, Closed) as error:
            rig.note("%s: %s" % (what, error))
        assert stream.wire.peer_certificate() is None
        stream.wire.close()
        juliet.call("", "Network", "RemoveStatic", rig.GLib.Variant("(s)", (listener.endpoint,)))
        listener.sock.close()
        listener = romeo.listen()
    for kw in (dict(kind="P-384"), dict(names=[xmpp_addr("x@y"), xmpp_addr("z@w")], kind="Ed25519"), dict(kind="RSA-3072", start=-9e5, end=-8e5)):
        listener = romeo.listen()
        listener.peer = peer = Peer(romeo.host, "romeo@forza", juliet, certificate=Certificate(folder, **kw))
        send(juliet, pin(juliet, peer, listener), said("fine"))
        listener.accept(20).open().message(said("fine"))


@rig.test
def server_that_asks_for_no_certificate(lan):
    """S-06: a responder that asks for no certificate could not know whom it talks to: not gone on with"""
    juliet, romeo, listener, contact = setting(lan)
    send(juliet, contact, said("who am i"))
    stream = listener.accept()
    try:
        stream.take_tls(romeo.server_context(ask=False))
        events, _ = stream.rest()
        assert not events, events
    except (ssl.SSLError, Closed):
        pass
    assert b"<" not in stream.text.split(b"starttls xmlns='%s'/>" % TLS.encode(), 1)[1]


rig.main(needs=("openssl",))
