# SPDX-License-Identifier: LGPL-2.1-or-later
"""A peer of our own: bytes and TLS 1.3 by hand, towards a real earshotd of the rig, from another host of the rig. Every step can be
done honestly, dishonestly, late or not at all.

    peer = Peer(lan.host("forza", avahi="none"), "romeo@forza")
    stream = peer.dial(daemon)                    # we call the daemon: a TCP connection, nothing said yet
    stream.open()                                 # the honest rest: STARTTLS, TLS, EXTERNAL, final features
    stream.send("<message …/>"); stream.element() # a first-level element

    listener = peer.listen()                      # the daemon calls us
    stream = listener.accept(); stream.open()

The sockets are made inside the host's network namespace and used from here. Reads have a limit and raise; nothing sleeps.
"""
import base64
import collections
import ctypes
import os
import re
import select
import socket
import ssl
import threading
import time
import xml.etree.ElementTree as ET
from xml.parsers import expat

import rig
from certs import Certificate
from gi.repository import Gio, GLib

CLIENT = "jabber:client"
STREAM = "http://etherx.jabber.org/streams"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"
STANZA_ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
APP_ERRORS = "urn:xmpp:errors"
DISCO = "http://jabber.org/protocol/disco#info"
RECEIPTS = "urn:xmpp:receipts"
DELAY = "urn:xmpp:delay"
SID = "urn:xmpp:sid:0"
PING = "urn:xmpp:ping"
SM = "urn:xmpp:sm:3"
TRUST = "im.earshot:trust:0"
PORT = 5298
# in every body these tests send; no log of any program may hold it.
CANARY = "CANARY-9c41"
rig.TROUBLE += (CANARY,)


class Closed(Exception):
    """The connection ended: `clean` by TCP FIN (or TLS close_notify), else by a reset or a TLS alert (`reason`)."""

    def __init__(self, clean, reason=""):
        super().__init__("closed%s %s" % ("" if clean else " uncleanly", reason))
        self.clean, self.reason = clean, reason


class Silence(AssertionError):
    """Nothing came in time."""


# --- sockets in another namespace -------------------------------------------------------

_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def socket_in(host, family=socket.AF_INET, kind=socket.SOCK_STREAM):
    """A TCP socket (or of another kind) that belongs to the namespace of a host; this thread is back home when it returns."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = os.open("/proc/%d/ns/net" % host.ns.pid, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(there)
        try:
            return socket.socket(family, kind)
        finally:
            _setns(home)
    finally:
        os.close(there)
        os.close(home)


# --- bytes -----------------------------------------------------------------------------------

class Wire:
    """A connection; TLS over it when starttls() was done. `raw_in` and `raw_out` keep what really crossed it."""

    def __init__(self, sock):
        self.sock = sock
        sock.setblocking(False)
        self.raw_in, self.raw_out = bytearray(), bytearray()
        self.tls, self._in, self._out = None, None, None

    def _wait(self, writing, end):
        left = end - time.monotonic()
        ready = select.select([] if writing else [self.sock], [self.sock] if writing else [], [], max(0, left))
        if not any(ready):
            raise Silence("the daemon %s nothing" % ("takes" if writing else "says"))

    def write_raw(self, data, timeout=10):
        end = time.monotonic() + timeout * rig.PATIENCE
        data = memoryview(data)
        while data:
            try:
                sent = self.sock.send(data)
            except BlockingIOError:
                self._wait(True, end)
                continue
            except (ConnectionError, BrokenPipeError) as error:
                raise Closed(False, str(error))
            self.raw_out += data[:sent]
            data = data[sent:]

    def read_raw(self, timeout=10):
        """What there is, at least a byte; raises Closed at the end."""
        end = time.monotonic() + timeout * rig.PATIENCE
        while True:
            try:
                data = self.sock.recv(65536)
            except BlockingIOError:
                self._wait(False, end)
                continue
            except ConnectionError as error:
                raise Closed(False, str(error))
            if not data:
                raise Closed(True)
            self.raw_in += data
            return data

    def starttls(self, context, server, timeout=10):
        """The handshake; raises ssl.SSLError (after the alert is sent) or Closed."""
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_side=server)
        self._drive(self.tls.do_handshake, timeout)

    def _flush(self):
        if self._out.pending:
            self.write_raw(self._out.read())

    def _drive(self, call, timeout):
        while True:
            try:
                value = call()
                self._flush()
                return value
            except ssl.SSLWantReadError:
                self._flush()
                self._in.write(self.read_raw(timeout))
            except ssl.SSLError:
                try:
                    self._flush()
                except Closed:
                    pass
                raise

    def write(self, data, timeout=10):
        if self.tls is None:
            self.write_raw(data, timeout)
            return
        self.tls.write(data)
        if self._out.pending:
            self.write_raw(self._out.read(), timeout)

    def read(self, timeout=10):
        if self.tls is None:
            return self.read_raw(timeout)
        try:
            data = self._drive(lambda: self.tls.read(65536), timeout)
        except ssl.SSLError as error:
            raise Closed(False, error.reason or str(error))
        if not data:
            raise Closed(True, "close_notify")
        return data

    def close(self):
        self.sock.close()

    def peer_certificate(self):
        """What the daemon showed in TLS, as DER; None when it showed nothing."""
        try:
            return self.tls.getpeercert(True)
        except ValueError:
            return None  # the handshake was not completed

    def reset(self):
        """Gone by RST, as a crashed peer's kernel does it."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()


# --- XML ------------------------------------------------------------------------------------

class Section:
    """One parser: what came, as ("header", attributes), ("element", Element) and ("close", None)."""

    def __init__(self):
        self.events, self._stack, self._depth = collections.deque(), [], 0
        self.parser = expat.ParserCreate(namespace_separator=" ")
        if hasattr(self.parser, "SetReparseDeferralEnabled"):
            self.parser.SetReparseDeferralEnabled(False)
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    @staticmethod
    def _name(name):
        return "{%s}%s" % tuple(name.split(" ")[:2]) if " " in name else name

    def _start(self, name, attributes):
        attributes = {self._name(key): value for key, value in attributes.items()}
        self._depth += 1
        if self._depth == 1:
            self.events.append(("header", dict(attributes, _=self._name(name))))
            return
        element = ET.Element(self._name(name), attributes)
        if self._stack:
            self._stack[-1].append(element)
        self._stack.append(element)

    def _end(self, name):
        self._depth -= 1
        if self._depth == 0:
            self.events.append(("close", None))
            return
        element = self._stack.pop()
        if not self._stack:
            self.events.append(("element", element))

    def _text(self, text):
        if self._stack:
            element = self._stack[-1]
            if len(element):
                element[-1].tail = (element[-1].tail or "") + text
            else:
                element.text = (element.text or "") + text


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("'", "&apos;")


def b64(text):
    return base64.b64encode(text.encode()).decode()


# --- a stream ---------------------------------------------------------------------------------

class Stream:
    """One connection with a daemon, seen from the peer. `stage` counts the sections: 0 clear, 1 under TLS, 2 after SASL."""

    def __init__(self, peer, wire, initiator):
        self.peer, self.wire, self.initiator = peer, wire, initiator
        self.stage, self.section, self.text = 0, Section(), b""
        self.headers, self.features, self.context = [], [], None
        self.auth = None
        peer.streams.append(self)

    def restart(self):
        self.stage, self.section = self.stage + 1, Section()

    # reading and writing

    def send(self, data, timeout=10):
        self.wire.write(data.encode() if isinstance(data, str) else data, timeout)

    def next(self, timeout=10):
        """("header" | "element" | "close", value); raises Closed at the end of the connection, Silence after `timeout`."""
        while not self.section.events:
            data = self.wire.read(timeout)
            self.text += data
            self.section.parser.Parse(data, False)
        return self.section.events.popleft()

    def header(self, timeout=10):
        kind, value = self.next(timeout)
        assert kind == "header", (kind, value, self.text)
        self.headers.append(value)
        return value

    def element(self, name=None, timeout=10):
        """The next first-level element, demanded to be {ns}name or to end so when `name` is given."""
        kind, value = self.next(timeout)
        assert kind == "element", (kind, value, self.text[-2000:])
        assert name is None or value.tag == name or value.tag.endswith("}" + name), (name, ET.tostring(value))
        return value

    def stanza(self, match, timeout=10):
        """The next element for which match(element) is true, or whose name is `match`; others are skipped."""
        end = time.monotonic() + timeout * rig.PATIENCE
        while True:
            element = self.element(timeout=max(0.01, (end - time.monotonic()) / rig.PATIENCE))
            if element.tag.endswith("}" + match) if isinstance(match, str) else match(element):
                return element

    def message(self, body=None, timeout=10):
        """The next message with a body."""
        found = self.stanza(lambda e: e.find("{%s}body" % CLIENT) is not None, timeout)
        assert body is None or found.findtext("{%s}body" % CLIENT) == body, ET.tostring(found)
        return found

    def receipt(self, wanted, timeout=10):
        """The next receipt, demanded to be for the id `wanted`."""
        found = self.stanza(lambda e: e.find("{%s}received" % RECEIPTS) is not None, timeout)
        assert found.find("{%s}received" % RECEIPTS).get("id") == wanted, ET.tostring(found)
        return found

    def rest(self, timeout=10):
        """Everything until the connection ends, as [(kind, value)], and the Closed."""
        events = []
        while True:
            try:
                events.append(self.next(timeout))
            except Closed as end:
                return events, end

    def until_close(self, timeout=10):
        """Up to the daemon's closing tag, which must come; the elements before it."""
        elements = []
        while True:
            kind, value = self.next(timeout)
            if kind == "close":
                return elements
            elements.append(value)

    def error(self, condition, app=None, timeout=10):
        """Demands that the stream ends now by this stream error, the closing tag and the end of the connection. What came before
        the error is returned."""
        events, _ = self.rest(timeout)
        kinds = [kind for kind, _ in events]
        assert kinds[-2:] == ["element", "close"], (condition, kinds, self.text[-2000:])
        error = events[-2][1]
        assert error.tag == "{%s}error" % STREAM, ET.tostring(error)
        assert error.find("{%s}%s" % (STREAM_ERRORS, condition)) is not None, (condition, ET.tostring(error))
        if app:
            assert error.find("{%s}%s" % (APP_ERRORS, app)) is not None, (app, ET.tostring(error))
        return events[:-2]

    def failure(self, condition, timeout=10):
        """The same for a SASL failure."""
        events, _ = self.rest(timeout)
        assert [kind for kind, _ in events] == ["element", "close"], (condition, events, self.text[-2000:])
        assert events[0][1].tag == "{%s}failure" % SASL, ET.tostring(events[0][1])
        assert [child.tag for child in events[0][1]] == ["{%s}%s" % (SASL, condition)], (condition, ET.tostring(events[0][1]))

    def silent_end(self, timeout=10):
        """Demands that the connection ends without another byte of XML."""
        before = len(self.text)
        events, end = self.rest(timeout)
        assert not events and len(self.text) == before, (events, self.text[before:])
        return end

    def alive(self):
        """Demands an answer to a ping: the stream lives and has worked off what was sent before."""
        name = "p-" + os.urandom(6).hex()
        self.send("<iq type='get' id='%s'><ping xmlns='%s'/></iq>" % (name, PING))
        answer = self.stanza(lambda e: e.get("id") == name, 20)
        assert answer.get("type") == "result", ET.tostring(answer)

    # steps

    def send_header(self, to=True, sender=True, version="1.0", ns=CLIENT, stream_ns=STREAM, root="stream", extra="", declaration=True):
        """Our header of this section; `to` and `sender`: True = the right one, None = left out, or a text. As responder with an id."""
        to = self.peer.daemon_addr if to is True else to
        sender = self.peer.addr if sender is True else sender
        parts = ["<?xml version='1.0'?>" if declaration else "", "<stream:%s" % root]
        for key, value in (("xmlns", ns), ("xmlns:stream", stream_ns), ("to", to), ("from", sender), ("version", version)):
            if value is not None:
                parts.append(" %s='%s'" % (key, escape(value)))
        if not self.initiator and "id=" not in extra:
            parts.append(" id='%s'" % os.urandom(8).hex())
        self.send("".join(parts) + extra + ">")

    def read_features(self):
        features = self.element("{%s}features" % STREAM)
        self.features.append(features)
        return features

    def greet(self, **kw):
        """Initiator: our header, their header and features."""
        self.send_header(**kw)
        self.header()
        return self.read_features()

    def handshake(self, context=None, timeout=10):
        self.context = context or (self.peer.client_context() if self.initiator else self.peer.server_context())
        self.wire.starttls(self.context, not self.initiator, timeout)
        self.restart()

    def starttls(self, context=None, ask="<starttls xmlns='%s'/>" % TLS):
        """Initiator: STARTTLS and TLS."""
        self.send(ask)
        self.element("{%s}proceed" % TLS)
        self.handshake(context)

    def sasl(self, authzid="=", mechanism="EXTERNAL"):
        self.send("<auth xmlns='%s' mechanism='%s'>%s</auth>" % (SASL, mechanism, authzid))

    def secure(self, context=None):
        """Initiator: up to the features under TLS."""
        self.greet()
        self.starttls(context)
        self.greet()
        return self

    def open(self, **kw):
        """All of it, either role; for the initiator authzid=, context= and manage= (the caller enables stream management), for the responder final= (features) and context=."""
        return self._open_initiator(**kw) if self.initiator else self._open_responder(**kw)

    def _open_initiator(self, context=None, authzid="=", manage=False):
        if not self.headers:
            self.secure(context)
        self.sasl(authzid)
        self.element("{%s}success" % SASL)
        self.restart()
        features = self.greet()
        if features.find("{%s}sm" % SM) is not None and not manage:
            # The daemon waits a moment to see whether we want stream management; a stanza says no. This one means nothing.
            self.send("<iq type='result' id='no-sm'/>")
        return self

    # the responder's steps

    def offer(self, features, **kw):
        """Responder: their header, ours, and these features."""
        self.header()
        self.send_header(to=self.headers[-1].get("from"), **kw)
        self.send("<stream:features>%s</stream:features>" % features)

    def proceed(self, context=None):
        self.element("{%s}starttls" % TLS)
        self.send("<proceed xmlns='%s'/>" % TLS)
        self.handshake(context)

    def take_tls(self, context=None):
        """Responder: up to TLS."""
        self.offer("<starttls xmlns='%s'><required/></starttls>" % TLS)
        self.proceed(context)
        return self

    def take_auth(self):
        """Responder: up to the <auth/>, unanswered; its text is kept."""
        self.offer("<mechanisms xmlns='%s'><mechanism>EXTERNAL</mechanism></mechanisms>" % SASL)
        auth = self.element("{%s}auth" % SASL)
        assert auth.get("mechanism") == "EXTERNAL"
        self.auth = auth.text
        return self

    def finish(self, final=None):
        self.send("<success xmlns='%s'/>" % SASL)
        self.restart()
        self.offer(FINAL if final is None else final)
        return self

    def _open_responder(self, context=None, final=None):
        return self.take_tls(context).take_auth().finish(final)

    # the end

    def close(self):
        """Clean, from our side: closing tags both ways and the end of the connection."""
        self.send("</stream:stream>")
        events, end = self.rest()
        assert events and events[-1][0] == "close", events
        self.wire.close()
        return events


FINAL = ("<query xmlns='%s' node='https://example.org/peer#x'><identity category='client' type='pc'/>"
         "<feature var='%s'/><feature var='%s'/><feature var='%s'/></query>" % (DISCO, DISCO, RECEIPTS, PING))


class Listening:
    def __init__(self, peer, sock, endpoint):
        self.peer, self.sock, self.endpoint = peer, sock, endpoint
        sock.setblocking(False)

    def accept(self, timeout=10):
        """The next call of the daemon, as a Stream on which nothing is said yet. The main loop runs meanwhile."""
        found = []
        watch = GLib.io_add_watch(self.sock.fileno(), GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN, lambda *_: found.append(1) and False)
        try:
            rig.wait(lambda: found, timeout, "the daemon to call")
        finally:
            if not found:
                GLib.source_remove(watch)
        return Stream(self.peer, Wire(self.sock.accept()[0]), False)

    def play(self, call, part):
        """Plays part(stream) with everybody who calls until the D-Bus call is answered; its error, and the last stream."""
        stream = None
        tick = GLib.timeout_add(50, lambda: True)
        try:
            while not call.done:
                rig.wait(lambda: call.done or select.select([self.sock], [], [], 0)[0], 20, "a call or an answer")
                if not call.done:
                    stream = Stream(self.peer, Wire(self.sock.accept()[0]), False)
                    part(stream)
        finally:
            GLib.source_remove(tick)
        return call.error, stream

    def nobody(self, seconds):
        """Demands that nobody calls for that long."""
        rig.settle(seconds)
        assert not select.select([self.sock], [], [], 0)[0], "the daemon calls"


class Peer:
    """An identity at a host of the rig. Each dial() comes from another source address, so that the cap of 20 a minute and address
    does not end the test; `source` pins one."""

    SOURCES = 160

    def __init__(self, host, addr="romeo@forza", daemon=None, certificate=None, **kw):
        self.host, self.addr, self.daemon = host, addr, daemon
        self.certificate = certificate or Certificate(host.dir, addr, **kw)
        self.fp = self.certificate.fp
        self.streams = []
        if not hasattr(host, "sources"):
            # 10.77.0.64 and up; the rig hands out small numbers and, on a change of address, those from 101 on.
            used = sum(len(other.sources) for other in host.lan.hosts.values() if hasattr(other, "sources"))
            host.sources = ["10.77.0.%d" % n for n in range(64 + used, 64 + used + (8 if used else self.SOURCES))]
            host.next_source = 0
            host.run("sh", "-c", "for n in %s; do echo addr add $n/24 dev eth0; done | ip -batch -" % " ".join(host.sources))

    @property
    def daemon_addr(self):
        return "%s@%s" % (self.daemon.address_name, self.daemon.host.hostname) if self.daemon else "juliet@pronto"

    def client_context(self, low=None, alpn=("xmpp-client",), certificate=True, **kw):
        """TLS 1.3; `low`: that version instead, whatever today's policy says."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return self._fill(context, low, alpn, certificate, **kw)

    def server_context(self, low=None, alpn=("xmpp-client",), certificate=True, ask=True, tickets=0, **kw):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.num_tickets = tickets
        if ask:
            context.verify_mode = ssl.CERT_REQUIRED
            # The daemon's self-signed certificate is its own anchor.
            context.verify_flags |= 0x80000  # X509_V_FLAG_PARTIAL_CHAIN
            context.load_verify_locations(os.path.join(self.daemon.data_dir, "identity.crt"))
        return self._fill(context, low, alpn, certificate, **kw)

    def _fill(self, context, low, alpn, certificate, ciphers="DEFAULT:@SECLEVEL=0"):
        context.set_ciphers(ciphers)
        context.minimum_version = context.maximum_version = low or ssl.TLSVersion.TLSv1_3
        if certificate:
            context.load_cert_chain(self.certificate.pem if certificate is True else certificate.pem)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context

    def next_source(self):
        self.host.next_source += 1
        return self.host.sources[self.host.next_source % len(self.host.sources)]

    def dial(self, source=None, port=PORT):
        """A TCP connection to the daemon, nothing said yet."""
        sock = socket_in(self.host)
        sock.bind((source or self.next_source(), 0))
        sock.settimeout(10 * rig.PATIENCE)
        sock.connect((self.daemon.host.address, port))
        return Stream(self, Wire(sock), True)

    def listen(self):
        """Waits for the daemon to call, at every address of the host."""
        sock = socket_in(self.host, socket.AF_INET6)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", 0))
        sock.listen(16)
        return Listening(self, sock, "%s:%d" % (self.host.address, sock.getsockname()[1]))

    def hang_up(self):
        for stream in self.streams:
            stream.wire.close()
        self.streams = []


def peer_with(host, daemon, lower, name):
    """A peer whose fingerprint is lower, or higher, than the daemon's."""
    while True:
        peer = Peer(host, name, daemon)
        if (peer.fp < daemon.get_prop("", "Manager", "Fingerprint")) == lower:
            return peer


class Legacy(Peer):
    """A peer that knows no TLS, announced by the avahi-daemon of its host, with the manners of one of those that exist (docs/protocol.md
    8.2): "purple" and "ichat" know no version, id or features; "salut" has a version and sends features, all of them empty."""

    MANNERS = ("purple", "ichat", "salut")

    def __init__(self, host, manners, daemon, name="romeo"):
        self.host, self.manners, self.daemon, self.streams = host, manners, daemon, []
        self.addr = "%s@%s" % (name, host.hostname)
        self.listener, self.publisher = self.listen(), None

    def announce(self, *txt):
        port = self.listener.endpoint.rsplit(":", 1)[1]
        self.publisher = self.host.spawn(["avahi-publish-service", self.addr, "_presence._tcp", port, "txtvers=1", "status=avail", *txt], "publish-" + self.addr,
                                         env=dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=self.host.system_bus_address))
        return self

    def dial(self, source=None, port=PORT):
        return super().dial(source or self.host.address, port)

    def _header(self, stream, sender):
        names = {"purple": 'xmlns="{0}" xmlns:stream="{1}" from="{2}" to="{3}"', "ichat": 'to="{3}" from="{2}" xmlns:stream="{1}" xmlns="{0}"',
                 "salut": 'xmlns="{0}" xmlns:stream="{1}" from="{2}" to="{3}" version="1.0"'}[self.manners]
        names = names.format(CLIENT, STREAM, sender, self.daemon_addr)
        stream.send('<?xml version="1.0" encoding="UTF-8" ?>\n<stream:stream %s>' % names)

    def hail(self, stream, more=""):
        """Its header as a caller; Salut's features and what it has to say wait for the answer."""
        self._header(stream, self.addr)
        if self.manners == "salut":
            stream.header()
            stream.send("<stream:features/>")
        stream.send(more)

    def call(self, more=""):
        stream = self.dial()
        self.hail(stream, more)
        if self.manners != "salut":
            stream.header()
        return stream

    def answer(self, timeout=20):
        """The daemon's next call, answered as it would."""
        stream = self.listener.accept(timeout)
        stream.header()
        self._header(stream, "" if self.manners == "salut" else self.addr)
        return stream

    def text(self, body, id=None):
        """A message as it writes them: libpurple's have no id."""
        return '<message to="%s" from="%s" type="chat"%s><body>%s %s</body></message>' % (
            self.daemon_addr, self.addr, ' id="%s"' % id if id else "", CANARY, escape(body))


# --- the daemon's side ---------------------------------------------------------------------------

def start(lan, host="pronto", name="juliet", **options):
    """An earshotd without discovery, called by its address; the rig's User."""
    options.setdefault("port", PORT)
    user = lan.host(host, avahi="none").start_daemon(name=name, **options)
    user.address_name = name
    await_address(user)
    return user


def await_address(user):
    """Nobody is answered before the daemon has a name, which comes right after the one on the bus."""
    user.wait_for(lambda: user.get_prop("", "Manager", "Address"), 10, "the address of %s" % user)


def pin(user, peer, *listeners):
    """The daemon's user knows the peer's key; the contact path. With listeners it can call there."""
    return user.manager("AddContact", GLib.Variant("(ssasa{sv})", ("", peer.fp, [one.endpoint for one in listeners], {})))[0]


class Call:
    """A D-Bus call under way, so that the test can play the peer meanwhile."""

    def __init__(self, user, path, iface, method, args=None):
        self.done, self.error, self.value = False, None, None
        user.bus.call(rig.NAME, path, rig.NAME + "." + iface, method, args, None, Gio.DBusCallFlags.NONE, 60000, None, self._answered)

    def _answered(self, bus, result):
        try:
            self.value = bus.call_finish(result).unpack()
        except GLib.Error as error:
            self.error = (rig.error_name(error) or str(error)).rsplit(".", 1)[-1]
        self.done = True

    def wait(self, timeout=20):
        """The short error name, or None for success."""
        rig.wait(lambda: self.done, timeout, "the answer to a call")
        return self.error


def connect(user, contact):
    return Call(user, contact, "Contact", "Connect", GLib.Variant("(a{sv})", ({},)))


def together(*functions):
    """Runs functions at once in threads (they may only use sockets) and raises the first exception."""
    trouble = []

    def run(function):
        try:
            function()
        except BaseException as error:
            trouble.append(error)
    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if trouble:
        raise trouble[0]


def chat(body, id, extra="", request=True):
    """A message stanza; its body carries the canary of X-03."""
    return "<message type='chat' id='%s'><body>%s %s</body>%s%s</message>" % (
        escape(id), CANARY, escape(body), "<request xmlns='%s'/>" % RECEIPTS if request else "", extra)


def said(body):
    return "%s %s" % (CANARY, body)


def new_id():
    return os.urandom(8).hex()


def memory_of(user):
    """Resident bytes of the daemon."""
    with open("/proc/%d/status" % user.process.pid) as status:
        return int(re.search(r"VmRSS:\s*(\d+)", status.read()).group(1)) * 1024


def is_sanitized():
    with open(os.path.join(rig.TOP_BUILD, "earshotd"), "rb") as program:
        return b"__asan_init" in program.read()
