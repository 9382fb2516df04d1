# SPDX-License-Identifier: LGPL-2.1-or-later
"""A peer that does as it likes: keys of its own, a TLS client that says whatever it is told, and forged mDNS. On top of rig.py.

The sockets are made inside the network namespace of a host and used from the test, so a foe needs no process of its own."""
import base64
import contextlib
import ctypes
import hashlib
import os
import re
import socket
import ssl
import struct
import subprocess

import rig

_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


@contextlib.contextmanager
def inside(host):
    """Sockets made in here belong to the host's network."""
    with open("/proc/self/ns/net") as home, open("/proc/%d/ns/net" % host.ns.pid) as there:
        if _libc.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            if _libc.setns(home.fileno(), CLONE_NEWNET) != 0:
                os._exit(99)  # never on in a wrong network


class Key:
    """A fresh P-256 key with a certificate."""

    def __init__(self, folder, name):
        self.path = os.path.join(folder, "foe-%s.pem" % name)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                        "/CN=foe", "-keyout", self.path, "-out", self.path + ".crt"], check=True, capture_output=True)
        der = subprocess.run(["openssl", "pkey", "-in", self.path, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
        self.spki = hashlib.sha256(der).digest()
        self.fingerprint = self.spki.hex()


class Ended(AssertionError):
    """The daemon closed; what it said is in the text."""


class Stream:
    """A stream towards a daemon, open unless it refuses."""

    def __init__(self, host, key, addr, to, source=None, timeout=20, direct=True):
        """to: (address, port) or (address, port, scope name)."""
        self.addr, self.said = addr, b""
        with inside(host):
            v6 = ":" in to[0]
            self.tcp = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_STREAM)
            self.tcp.settimeout(timeout * rig.SLOW)
            scope = socket.if_nametoindex("eth0") if v6 else 0
            if source:
                self.tcp.bind((source, 0, 0, scope) if v6 else (source, 0))
            self.tcp.connect((to[0], to[1], 0, scope) if v6 else to[:2])
        self.sock = self.tcp
        if not direct:
            self.header()
            self.until(b"</stream:features>")
            self.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
            self.until(b"<proceed")
            self.until(b">")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(key.path + ".crt", key.path)
        self.sock = context.wrap_socket(self.tcp)
        self.header()
        self.until(b"</stream:features>")
        self.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>%s</auth>" % base64.b64encode(addr.encode()).decode())
        self.until(b"<success")
        self.until(b">")

    def open(self):
        self.header()
        self.features = self.until(b"</stream:features>")
        return self

    def header(self):
        self.send("<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' "
                  "from='%s'>" % self.addr)

    def send(self, text):
        self.sock.sendall(text.encode() if isinstance(text, str) else text)

    def send_quietly(self, text):
        """What a daemon does not want to hear it may cut off."""
        try:
            self.send(text)
            return True
        except OSError:
            return False

    def until(self, token):
        """Everything up to and with the token."""
        while token not in self.said:
            try:
                data = self.sock.recv(65536)
            except (ssl.SSLError, ConnectionError, socket.timeout) as why:
                raise Ended("%s after %r" % (why, self.said[-400:]))
            if not data:
                raise Ended(repr(self.said[-400:]))
            self.said += data
        end = self.said.index(token) + len(token)
        found, self.said = self.said[:end], self.said[end:]
        return found

    def to_end(self):
        """All that comes until the daemon closes."""
        with contextlib.suppress(Ended):
            self.until(b"\0 is never in XML")
        return self.said

    def ping(self):
        """Everything said before was read: the bytes up to the answer."""
        self.n = getattr(self, "n", 0) + 1
        self.send("<iq type='get' id='ping%d'><ping xmlns='urn:xmpp:ping'/></iq>" % self.n)
        return self.until(b"id='ping%d'" % self.n)

    def message(self, id, body, extra="<request xmlns='urn:xmpp:receipts'/>", **attributes):
        more = "".join(" %s='%s'" % pair for pair in attributes.items())
        return "<message type='chat' id='%s'%s><body>%s</body>%s</message>" % (id, more, body, extra)

    def receipts(self, count):
        """The ids of that many receipts."""
        got = []
        while len(got) < count:
            got += re.findall(rb"<received xmlns='urn:xmpp:receipts' id='([^']*)'", self.until(b"</message>"))
        return [one.decode() for one in got]

    def close(self):
        with contextlib.suppress(OSError):
            self.tcp.close()
            self.sock.close()


# --- mDNS ---------------------------------------------------------------------------------

SERVICE = b"\x09_presence\x04_tcp\x05local\x00"


class Announcer:
    """Says what it likes on the host's link, from port 5353 as a responder does."""

    def __init__(self, host):
        with inside(host):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(host.address))
            self.socket.bind((host.address, 5353))

    def say(self, instances, ttl=4500):
        """instances: (label bytes, TXT strings or None for a bare PTR), as many as fit one packet each time."""
        packet, count = b"", 0
        for label, txt in instances:
            records, n = self._records(label, txt, 12 + len(packet), ttl)
            if packet and 12 + len(packet) + len(records) > 1400:
                self._send(packet, count)
                packet, count = b"", 0
                records, n = self._records(label, txt, 12, ttl)
            packet, count = packet + records, count + n
        if packet:
            self._send(packet, count)

    @staticmethod
    def _records(label, txt, at, ttl):
        name = bytes([len(label)]) + label
        records = SERVICE + struct.pack(">HHIH", 12, 1, ttl, len(name) + 2) + name + struct.pack(">H", 0xc000 | at)
        if txt is None:
            return records, 1
        rdata = b"".join(bytes([len(one)]) + one for one in txt) or b"\0"
        records += struct.pack(">H", 0xc000 | (at + len(SERVICE) + 10)) + struct.pack(">HHIH", 16, 0x8001, ttl, len(rdata)) + rdata
        return records, 2

    def _send(self, packet, count):
        self.socket.sendto(struct.pack(">HHHHHH", 0, 0x8400, 0, count, 0, 0) + packet, ("224.0.0.251", 5353))

    def close(self):
        self.socket.close()


# --- how much a daemon holds --------------------------------------------------------------

def anonymous(user):
    """MiB of memory that is the process's own."""
    with open("/proc/%d/smaps_rollup" % user.process.pid) as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith("Anonymous:")) / 1024


def descriptors(user):
    return len(os.listdir("/proc/%d/fd" % user.process.pid))


def sanitized(user):
    with open("/proc/%d/maps" % user.process.pid) as maps:
        return any("/libasan" in line or "/libtsan" in line for line in maps)


@contextlib.contextmanager
def bounded(user, mib, what):
    """The process may not be more than `mib` larger afterwards; sanitizers keep what was freed."""
    before = anonymous(user)
    yield
    after = anonymous(user)
    rig.note("%s: %.1f MiB before, %.1f MiB after" % (what, before, after))
    if not sanitized(user):
        assert after - before <= mib, "%s: grew by %.1f MiB" % (what, after - before)
