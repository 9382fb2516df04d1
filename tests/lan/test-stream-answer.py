#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How a real earshotd answers a call, step by step up to the open stream, asked by a peer of our own over TCP (peer.py)."""
import os
import ssl
import subprocess

import rig
from certs import Certificate, fp_of, tlv, oid, utf8, xmpp_addr, XMPP_ADDR, DAY
from people import contacts, fingerprint, received, requests, wait_received, with_key
from peer import (DISCO, SASL, STREAM, TLS, TRUST, Closed, Peer, b64, chat, new_id, pin, said, start)


def setting(lan, **kw):
    """The daemon and a peer it does not know."""
    juliet = start(lan)
    return juliet, Peer(lan.host("forza", avahi="none"), "romeo@forza", juliet, **kw)


def nothing_happened(user):
    """No contact, no question, no word."""
    assert not contacts(user), contacts(user)
    assert not requests(user) and received(user) == []


@rig.test
def headers_and_ids(lan):
    """S-01 S-09: the answer has both namespaces, from, to, version and an unpredictable id, new at each restart"""
    juliet, romeo = setting(lan)
    pin(juliet, romeo)
    ids = []
    for _ in range(3):
        stream = romeo.dial().open()
        assert len(stream.headers) == 3
        for header in stream.headers:
            assert header["_"] == "{%s}stream" % STREAM
            assert (header["from"], header["to"], header["version"]) == ("juliet@pronto", "romeo@forza", "1.0"), header
            # 128 bits, in whatever alphabet.
            assert len(header["id"]) >= 22, header
            ids.append(header["id"])
        assert b"xmlns='jabber:client'" in stream.text
        stream.close()
    assert len(set(ids)) == len(ids), "an id came twice"
    bits = [bin(int(one, 16)).count("1") for one in ids]
    assert all(30 < n < 98 for n in bits) and len({one[:4] for one in ids}) > 5, ids


@rig.test
def header_to_may_be_absent(lan):
    """S-01 S-21: a caller that knows only our address leaves `to` out; a `from` is not needed before TLS"""
    juliet, romeo = setting(lan)
    stream = romeo.dial()
    stream.greet(to=None, sender=None)
    assert "to" not in stream.headers[0] and stream.headers[0]["from"] == "juliet@pronto"
    stream.starttls()
    stream.send_header(to=None)
    stream.header()
    stream.read_features()
    # Under TLS it must say who it is, or there is nothing to bind.
    other = romeo.dial()
    other.greet(sender=None)
    other.starttls()
    other.send_header(sender=None)
    other.error("improper-addressing")
    nothing_happened(juliet)


@rig.test
def only_starttls_is_offered(lan):
    """S-02 S-10: before TLS nothing but STARTTLS-required is offered, under it nothing but EXTERNAL"""
    juliet, romeo = setting(lan)
    stream = romeo.dial()
    features = stream.greet()
    assert [child.tag for child in features] == ["{%s}starttls" % TLS]
    assert [child.tag for child in features[0]] == ["{%s}required" % TLS]
    stream.starttls()
    features = stream.greet()
    assert [child.tag for child in features] == ["{%s}mechanisms" % SASL]
    assert [child.text for child in features[0]] == ["EXTERNAL"]
    nothing_happened(juliet)


@rig.test
def final_features(lan):
    """S-16: final features hold limits and disco#info, no bind, no session, no compression; S-29: <offer/> and a caller's features are ignored"""
    juliet, romeo = setting(lan)
    pin(juliet, romeo)
    stream = romeo.dial()
    stream.greet()
    stream.send("<stream:features/>")
    stream.starttls(ask="<starttls xmlns='%s'><offer xmlns='urn:xmpp:tls:0'><key>x</key></offer></starttls>" % TLS)
    stream.greet()
    stream.send("<stream:features><x xmlns='urn:x'/></stream:features>")
    stream.open()
    final = stream.features[2]
    tags = {child.tag for child in final}
    assert "{urn:xmpp:stream-limits:0}limits" in tags and "{%s}query" % DISCO in tags, tags
    assert not [tag for tag in tags if any(word in tag for word in ("bind", "session", "compress", "mechanisms", "starttls"))], tags
    assert "{%s}restricted" % TRUST not in tags
    assert final.findtext("{urn:xmpp:stream-limits:0}limits/{urn:xmpp:stream-limits:0}max-bytes") == "65536"
    # P-18: the same disco#info is the answer to a question, with and without the node.
    query = final.find("{%s}query" % DISCO)
    stream.send("<iq type='get' id='d'><query xmlns='%s'/></iq>" % DISCO)
    answer = stream.stanza(lambda e: e.get("id") == "d")
    assert {f.get("var") for f in answer[0].iter("{%s}feature" % DISCO)} == {f.get("var") for f in query.iter("{%s}feature" % DISCO)}
    stream.close()


@rig.test
def bytes_behind_starttls(lan):
    """S-04: bytes behind <starttls/>, in the same packet or before the handshake, end the connection without a word"""
    juliet, romeo = setting(lan)
    pin(juliet, romeo)
    ask = "<starttls xmlns='%s'/>" % TLS
    for tail in (" ", "<message><body>smuggled</body></message>", "\x16\x03\x01"):
        stream = romeo.dial()
        stream.greet()
        stream.send(ask + tail)
        stream.silent_end()
    # Clear text where the handshake belongs.
    stream = romeo.dial()
    stream.greet()
    stream.send(ask)
    stream.element("proceed")
    stream.send("<stream:stream xmlns='jabber:client' xmlns:stream='%s' version='1.0'><message><body>x</body></message>" % STREAM)
    events, _ = stream_end_of(stream)
    assert not events
    assert received(juliet) == []


def stream_end_of(stream):
    """What XML came until the end; TLS records in between are no XML and are skipped."""
    try:
        while True:
            stream.wire.read_raw(10)
    except Closed as end:
        return list(stream.section.events), end


@rig.test
def only_tls13(lan):
    """S-05 T-22: TLS 1.0 to 1.2, export, NULL and anonymous suites are refused; only TLS 1.3 AEAD suites come out"""
    juliet, romeo = setting(lan)
    pin(juliet, romeo)
    for low in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2):
        for ciphers in ("ALL:COMPLEMENTOFALL:@SECLEVEL=0", "eNULL:aNULL:@SECLEVEL=0"):
            stream = romeo.dial()
            stream.greet()
            try:
                stream.starttls(romeo.client_context(low=low, ciphers=ciphers))
            except (ssl.SSLError, Closed) as error:
                rig.note("%s with %s: %s" % (low.name, ciphers.split(":")[0], error))
            else:
                raise AssertionError("%s was agreed to" % low.name)
            assert b"proceed" in stream.text
            stream_end_of(stream)
    stream = romeo.dial().open()
    assert stream.wire.tls.version() == "TLSv1.3"
    assert stream.wire.tls.cipher()[0] in ("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256")
    stream.close()


@rig.test
def certificate_is_mandatory(lan):
    """S-06: a client without certificate is refused before a word of XML under TLS"""
    juliet, romeo = setting(lan)
    stream = romeo.dial()
    stream.greet()
    before = len(stream.text)
    try:
        # In TLS 1.3 the client is done before the server has looked: the refusal comes with the first read.
        stream.starttls(romeo.client_context(certificate=False))
        stream.send_header()
        events, end = stream.rest()
        assert not events and not end.clean and "CERTIFICATE" in end.reason.upper(), (events, end)
    except (ssl.SSLError, Closed):
        pass
    assert b"<" not in stream.text[before:].split(b"proceed", 1)[1].split(b">", 1)[1], stream.text
    nothing_happened(juliet)


@rig.test
def no_tickets_no_resumption(lan):
    """S-07: no session ticket is given, and a second connection with the first one's session is a full handshake"""
    juliet, romeo = setting(lan)
    pin(juliet, romeo)
    context = romeo.client_context()
    first = romeo.dial().open(context=context)
    first.alive()
    session = first.wire.tls.session
    assert session is None or not session.has_ticket, "a ticket came"
    assert not first.wire.tls.session_reused
    assert first.wire.tls.compression() is None
    first.close()
    second = romeo.dial()
    second.greet()
    second.send("<starttls xmlns='%s'/>" % TLS)
    second.element("proceed")
    second.wire._in, second.wire._out = ssl.MemoryBIO(), ssl.MemoryBIO()
    second.wire.tls = context.wrap_bio(second.wire._in, second.wire._out, session=session)
    second.wire._drive(second.wire.tls.do_handshake, 10)
    assert not second.wire.tls.session_reused
    assert fp_of(second.wire.tls.getpeercert(True)) == fingerprint(juliet)


@rig.test
def alpn(lan):
    """S-08: ALPN xmpp-client is selected when offered, not required, and a list without it gets no_application_protocol"""
    juliet, romeo = setting(lan)
    pin(juliet, romeo)
    for offer, chosen in ((("xmpp-client",), "xmpp-client"), (("h2", "xmpp-client", "http/1.1"), "xmpp-client"), ((), None)):
        stream = romeo.dial().open(context=romeo.client_context(alpn=offer))
        assert stream.wire.tls.selected_alpn_protocol() == chosen, (offer, stream.wire.tls.selected_alpn_protocol())
        stream.close()
    for offer in (("h2", "http/1.1"), ("xmpp-server",)):
        stream = romeo.dial()
        stream.greet()
        try:
            stream.starttls(romeo.client_context(alpn=offer))
        except ssl.SSLError as error:
            assert "NO_APPLICATION_PROTOCOL" in str(error).upper().replace(" ", "_"), error
        else:
            raise AssertionError("%r was taken" % (offer,))


@rig.test
def learnt_before_is_forgotten(lan):
    """S-09: what was claimed before TLS counts for nothing after it, and what after TLS binds the stream"""
    juliet, romeo = setting(lan)
    pin(juliet, romeo)
    stream = romeo.dial()
    stream.greet(sender="mallory@elsewhere")
    stream.starttls()
    stream.greet()
    stream.open()
    juliet.wait_for(lambda: contacts(juliet)[with_key(juliet, romeo.fp)]["ClaimedAddress"] == "romeo@forza", 10, "the bound name")
    # A namespace prefix of the section before is unknown in the next.
    stream.send("<old:message/>")
    stream.error("not-well-formed")
    # Another `from` after SASL than under TLS.
    stream = romeo.dial().secure()
    stream.sasl()
    stream.element("success")
    stream.restart()
    stream.send_header(sender="mallory@elsewhere")
    stream.error("invalid-from")
    # The second section is a section: more than its header and <auth/> fail as strangers' XML does.
    stream = romeo.dial()
    stream.greet()
    stream.starttls()
    stream.send("<auth xmlns='%s' mechanism='EXTERNAL'>=</auth>" % SASL)
    events, _ = stream.rest()
    assert not any(kind == "element" and value.tag == "{%s}success" % SASL for kind, value in events), events


@rig.test
def authzid(lan):
    """S-12: an empty authzid and the exact `from` are taken, anything else is invalid-authzid"""
    juliet, romeo = setting(lan)
    pin(juliet, romeo)
    for good in ("=", "", b64("romeo@forza")):
        romeo.dial().open(authzid=good).close()
    for bad in ("juliet@pronto", "romeo@forza/x", "ROMEO@FORZA", "romeo@forza\0", "romeo", "x" * 300):
        stream = romeo.dial().secure()
        stream.sasl(b64(bad))
        stream.failure("invalid-authzid")
    assert received(juliet) == []


@rig.test
def auth_refusals(lan):
    """S-13: another mechanism, EXTERNAL before TLS, and bad base64 get their own failures, one attempt a connection"""
    juliet, romeo = setting(lan)
    pin(juliet, romeo)
    for mechanism in ("PLAIN", "SCRAM-SHA-1", "ANONYMOUS", "external", ""):
        stream = romeo.dial().secure()
        stream.sasl(b64("\0romeo\0pw"), mechanism)
        stream.failure("invalid-mechanism")
    for text in ("!!!", "cm9tZW8=x", "=cm9", "cm9tZW9AZm9yemE", "cm9t ZW9A"):
        stream = romeo.dial().secure()
        stream.sasl(text)
        stream.failure("incorrect-encoding")
    stream = romeo.dial()
    stream.greet()
    stream.sasl()
    stream.failure("encryption-required")
    stream = romeo.dial().secure()
    stream.send("<abort xmlns='%s'/>" % SASL)
    stream.failure("aborted")
    stream = romeo.dial().secure()
    stream.send("<response xmlns='%s'>=</response>" % SASL)
    stream.failure("malformed-request")
    # A second attempt behind the first is not looked at.
    stream = romeo.dial().secure()
    stream.send(2 * ("<auth xmlns='%s' mechanism='PLAIN'>=</auth>" % SASL))
    stream.failure("invalid-mechanism")


@rig.test
def refused_looks_like_blocked(lan):
    """S-14: blocked, refused before, and strict mode answer with the same bytes"""
    juliet, romeo = setting(lan)
    host = romeo.host
    others = {"block": Peer(host, "tybalt@forza", juliet), "reject": Peer(host, "paris@forza", juliet)}
    for choice, peer in others.items():
        peer.dial().open()
        path = next(p for p, props in requests(juliet).items() if props["Details"]["fingerprint"] == peer.fp)
        juliet.call(path, "Request", "Resolve", rig.GLib.Variant("(sa{sv})", (choice, {})))
    juliet.set_prop("", "Manager", "TrustMode", rig.GLib.Variant("s", "strict"))
    others["strict"] = Peer(host, "nurse@forza", juliet)
    answers = {}
    for why, peer in others.items():
        stream = peer.dial().secure()
        before = len(stream.text)
        stream.sasl()
        stream.failure("not-authorized")
        answers[why] = stream.text[before:]
    assert len(set(answers.values())) == 1, answers
    assert received(juliet) == [] and not requests(juliet)


@rig.test
def stanza_before_success(lan):
    """S-17: a stanza before <success/> gives not-authorized in every section and is not processed"""
    juliet, romeo = setting(lan)
    pin(juliet, romeo)
    message = chat("too early", new_id())
    stream = romeo.dial()
    stream.greet()
    stream.send(message)
    stream.error("not-authorized")
    for kind in (message, "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", "<presence/>", "<x xmlns='urn:y'/>"):
        stream = romeo.dial().secure()
        stream.send(kind)
        stream.error("not-authorized")
    # Behind <auth/>, before the answer can have come.
    stream = romeo.dial().secure()
    stream.send("<auth xmlns='%s' mechanism='EXTERNAL'>=</auth>" % SASL + message)
    stream.error("not-authorized")
    assert received(juliet) == []


@rig.test
def bad_certificates(lan):
    """T-02: RSA below 3072, SHA-1, other curves, NUL or bad UTF-8 or no address in xmppAddr are rejected in TLS"""
    juliet, romeo = setting(lan)
    folder = romeo.host.dir
    bad = {
        "RSA 2048": dict(kind="RSA-2048"),
        "RSA 1024": dict(kind="RSA-1024"),
        "P-521": dict(kind="P-521"),
        "ECDSA with SHA-1": dict(digest="sha1"),
        "RSA 3072 with SHA-1": dict(kind="RSA-3072", digest="sha1"),
        "NUL in xmppAddr": dict(names=[xmpp_addr(b"romeo@forza\0.evil")]),
        "bad UTF-8 in xmppAddr": dict(names=[xmpp_addr(b"romeo\xff@forza")]),
        "overlong UTF-8 in xmppAddr": dict(names=[xmpp_addr(b"romeo\xc0\xaf@forza")]),
        "xmppAddr of another type": dict(names=[tlv(0xa0, oid(XMPP_ADDR), tlv(0xa0, tlv(0x16, b"romeo@forza")))]),
        "empty xmppAddr": dict(names=[xmpp_addr(b"")]),
        "xmppAddr with a resource": dict(names=[xmpp_addr("romeo@forza/balcony")]),
        "second xmppAddr bad": dict(names=[xmpp_addr("romeo@forza"), xmpp_addr(b"a@b\0")]),
        "length beyond the end": dict(names=[tlv(0xa0, oid(XMPP_ADDR), tlv(0xa0, b"\x0c\x7fromeo@forza"))]),
    }
    for what, kw in bad.items():
        certificate = Certificate(folder, **kw)
        stream = romeo.dial()
        stream.greet()
        try:
            stream.starttls(romeo.client_context(certificate=certificate))
            stream.send_header()
            events, end = stream.rest()
            assert not events, "%s was let in: %r" % (what, events)
            rig.note("%s: %s" % (what, end))
        except (ssl.SSLError, Closed) as error:
            rig.note("%s: %s" % (what, error))
    nothing_happened(juliet)


@rig.test
def good_certificates(lan):
    """T-04 T-05: P-384, Ed25519, RSA 3072, other or several or no names, expired or not yet valid: a pinned key connects, flagged"""
    juliet, romeo = setting(lan)
    folder = romeo.host.dir
    good = {
        "P-384": dict(kind="P-384"),
        "P-384 with SHA-384": dict(kind="P-384", digest="sha384"),
        "Ed25519": dict(kind="Ed25519"),
        "RSA 3072": dict(kind="RSA-3072"),
        "another xmppAddr": dict(names=[xmpp_addr("benvolio@elsewhere")]),
        "several xmppAddr": dict(names=[xmpp_addr("a@b"), xmpp_addr("c@d")]),
        "no name at all": dict(names=[]),
        "another name beside": dict(names=[tlv(0x82, b"forza.local"), xmpp_addr("romeo@forza")]),
        "another CN": dict(cn="Somebody Else"),
        "expired": dict(start=-20 * DAY, end=-10 * DAY),
        "not yet valid": dict(start=10 * DAY, end=20 * DAY),
    }
    for n, (what, kw) in enumerate(good.items()):
        # Each its own person and name, so that none is a name conflict.
        peer = Peer(romeo.host, "friend%d@forza" % n, juliet, certificate=Certificate(folder, **kw))
        contact = pin(juliet, peer)
        stream = peer.dial().open(authzid=b64(peer.addr))
        body = "hello from %s" % what
        stream.send(chat(body, new_id()))
        stream.stanza(lambda e: e.find("{urn:xmpp:receipts}received") is not None)
        warnings = juliet.get_prop("key/" + peer.fp, "Key", "Warnings")
        assert ("cert-expired" in warnings) == (what in ("expired", "not yet valid")), (what, warnings)
        assert contacts(juliet)[contact]["Trust"] == "pinned"
        stream.close()
    assert received(juliet) == [said("hello from %s" % what) for what in good]


@rig.test
def own_certificate(lan):
    """T-01 T-03: the daemon's certificate is as in 3.2, its fingerprint the SPKI hash; a renewed certificate of a peer is the same person"""
    juliet, romeo = setting(lan)
    contact = pin(juliet, romeo)
    stream = romeo.dial().open()
    der = stream.wire.tls.getpeercert(True)
    assert fp_of(der) == fingerprint(juliet)
    text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-text", "-nameopt", "RFC2253"], input=der, capture_output=True,
                          check=True).stdout.decode()
    for line in ("Version: 3", "ecdsa-with-SHA256", "NIST CURVE: P-256", "CA:FALSE", "Digital Signature",
                 "TLS Web Server Authentication, TLS Web Client Authentication", "Subject: CN=juliet@pronto"):
        assert line in text, (line, text)
    assert text.count("X509v3 Basic Constraints: critical") == 1 and "DNS:" not in text
    assert tlv(0xa0, oid(XMPP_ADDR), tlv(0xa0, utf8("juliet@pronto"))) in der
    for name, mode in (("identity.key", 0o600), ("", 0o700)):
        assert os.stat(os.path.join(juliet.data_dir, name)).st_mode & 0o777 == mode
    stream.close()
    # The same key, another certificate.
    signals = juliet.signals("Request")
    renewed = Peer(romeo.host, "romeo@forza", juliet, certificate=Certificate(romeo.host.dir, key=romeo.certificate.key, cn="Romeo M."))
    assert renewed.fp == romeo.fp
    stream = renewed.dial().open()
    stream.send(chat("it is still me", new_id()))
    wait_received(juliet, [said("it is still me")], contact=contact)
    assert not requests(juliet) and not signals and len(contacts(juliet)) == 1
    stream.close()


rig.main(needs=("openssl",))
