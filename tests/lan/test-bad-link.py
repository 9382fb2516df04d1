#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Streams on links that delay, lose, reorder and break (link.py). Small here; `make campaign` runs the same at full size."""
import os
import random
import shutil
import socket
import ssl
import struct
import threading
import time

import rig
from certs import Certificate
from gi.repository import GLib
from people import befriend, contacts, fingerprint, hang_up, send, wait_sight, wait_state, with_key
from peer import socket_in
from talkers import break_streams, meet, resumptions, said

RESUMPTIONS = int(os.environ.get("EARSHOT_RESUMPTIONS", "4"))
CUT_MAX = float(os.environ.get("EARSHOT_CUT_MAX", "3"))
SEED = int(os.environ.get("EARSHOT_SEED", str(random.randrange(1 << 30))))


def udp_pair(a, b):
    there, here = (socket_in(host, kind=socket.SOCK_DGRAM) for host in (b, a))
    for sock, host in ((there, b), (here, a)):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        sock.bind((host.address, 7777))
        sock.settimeout(5 * rig.PATIENCE)
    return here, there


@rig.test
def the_link(lan):
    """the relay itself: late, lost, out of order and cut as told, and nothing else"""
    a, b = lan.host("pronto", avahi="none"), lan.host("forza", avahi="none")
    link = lan.relay(seed=SEED)
    here, there = udp_pair(a, b)

    def burst(count, first=0):
        """Small enough for the buffers of any kernel. Frames that are sent back to back may overtake each other where processes change
        their processor, so that order says nothing here."""
        for i in range(first, first + count):
            here.sendto(b"%06d" % i, (b.address, 7777))

    def handled(before):
        now = link.counts()
        return sum(now[word] - before[word] for word in ("passed", "lost", "cut"))

    def arrived(count):
        got = []
        for first in range(0, count, 100):
            burst(100, first)
            got += [there.recv(100) for _ in range(100)]
        return got

    whole = [b"%06d" % i for i in range(1000)]
    assert sorted(arrived(1000)) == whole
    link.set(delay=0.1)
    start = time.monotonic()
    here.sendto(b"ping", (b.address, 7777))
    assert there.recv(100) == b"ping"
    there.sendto(b"pong", (a.address, 7777))
    assert here.recv(100) == b"pong"
    assert time.monotonic() - start >= 0.2, "faster than the link"
    # Many under way at once: the delay is no rate.
    start = time.monotonic()
    assert sorted(arrived(1000)) == whole
    assert time.monotonic() - start >= 1
    link.set(delay=0, loss=0.2)
    for first in range(0, 2000, 100):
        before = link.counts()
        burst(100, first)
        while handled(before) < 100:
            pass
    link.set(loss=0)
    here.sendto(b"last", (b.address, 7777))
    got = []
    while not got or got[-1] != b"last":
        got.append(there.recv(100))
    assert len(set(got)) == len(got) and 1450 <= len(got) <= 1750, len(got)
    link.set(reorder=0.1, later=0.02)
    got = arrived(1000)
    assert sum(one > two for one, two in zip(got, got[1:])) >= 5 and sorted(got) == whole
    link.set(reorder=0)
    link.cut(a, b)
    before = link.counts()["cut"]
    burst(10)
    while link.counts()["cut"] < before + 10:
        pass
    link.heal()
    here.sendto(b"last", (b.address, 7777))
    assert there.recv(100) == b"last"


@rig.test
def cuts(lan):
    """M-04 M-06 S-27 S-31: resumptions under 20 % loss, after cuts of any length, noticed by one end, both or neither"""
    chance = random.Random(SEED)
    rig.note("seed %d, %d resumptions, cuts of 1 to %g s" % (SEED, RESUMPTIONS, CUT_MAX))
    link = lan.relay(seed=SEED)
    juliet, romeo, talkers = meet(lan)
    users = (juliet, romeo)
    link.set(loss=0.2, delay=0.01, reorder=0.02)
    count = lambda: min(len(resumptions(user)) for user in users)
    opened = lambda: [said(user, "stream open") for user in users]
    anew = lambda: sum(opened()) - first - sum(len(resumptions(user)) for user in users)
    first, number, lasted, waits = sum(opened()), 0, 0.0, []
    while count() < RESUMPTIONS:
        done, streams = count(), opened()
        for talker in talkers:
            talker.say(chance.randrange(3, 30))
        rig.settle(chance.random() * 2)
        length = chance.uniform(1, CUT_MAX)
        link.cut(juliet.host)
        # Who notices at once: one, the other, both, or nobody, until the kernel has not been answered for 30 s.
        unnoticed = number % 4 == 3
        for user in ((juliet,), (romeo,), users, ())[number % 4]:
            break_streams(user)
        for talker in talkers:
            talker.say(chance.randrange(1, 10))
        rig.settle(length)
        link.heal()
        start = time.monotonic()
        number, lasted = number + 1, lasted + length
        if not unnoticed:
            for i, user in enumerate(users):
                user.wait_for(lambda: opened()[i] > streams[i], 240, "%s to have a stream after cut %d of %.1f s" % (user, number, length))
        for talker in talkers:
            talker.wait_through(240)
        waits.append(time.monotonic() - start)
        rig.note("cut %d: %.1f s, %d resumed, all through after %.1f s" % (number, length, count() - done, waits[-1]))
    counts = link.counts()
    rig.note("campaign: cuts=%d resumptions=%d anew=%d messages=%d seconds_cut=%d frames_lost=%d frames_passed=%d longest=%d" % (
        number, count(), anew(), sum(t.sent for t in talkers), lasted, counts["lost"], counts["passed"], max(waits)))
    assert counts["lost"] > counts["passed"] / 10, "hardly anything was lost: the test is void"


def segments(path):
    """What a capture holds of TCP: {(initiator's address and port): [(time, from the initiator, bytes of payload, SYN)]}."""
    with open(path, "rb") as capture:
        data = capture.read()
    found, at = {}, 24
    while at < len(data):
        seconds, micro, kept, _ = struct.unpack_from("<IIII", data, at)
        frame, at = data[at + 16:at + 16 + kept], at + 16 + kept
        kind, = struct.unpack_from(">H", frame, 12)
        if kind == 0x0800 and frame[23] == 6:
            size, addresses, tcp = struct.unpack_from(">H", frame, 16)[0] + 14, (frame[26:30], frame[30:34]), 14 + (frame[14] & 15) * 4
        elif kind == 0x86dd and frame[20] == 6:
            size, addresses, tcp = struct.unpack_from(">H", frame, 18)[0] + 54, (frame[22:38], frame[38:54]), 54
        else:
            continue
        source, target, flags = *struct.unpack_from(">HH", frame, tcp), frame[tcp + 13]
        here, there = (addresses[0], source), (addresses[1], target)
        if flags & 0x12 == 2:
            found.setdefault(here, [])
        ours = here in found
        if ours or there in found:
            found[here if ours else there].append((seconds + micro / 1e6, ours, size - tcp - (frame[tcp + 12] >> 4) * 4, bool(flags & 2)))
    return found


LONG = 8000


def cost(events):
    """From the SYN until the initiator has sent LONG bytes in one go, which no handshake does: how many times it waited for the other
    side, and how long it took. None where that never came."""
    waited, gone, last, start = 0, 0, True, events[0][0]
    for when, ours, size, syn in events:
        if not size and not syn:
            continue
        waited += last and not ours
        gone = gone + size if ours and last else size if ours else 0
        last = ours
        if gone >= LONG:
            return waited, when - start
    return None


def bare(lan, a, b):
    """TLS 1.3 with certificates both ways and nothing else, then LONG bytes."""
    certificates = [Certificate(host.dir, "bare@" + host.name) for host in (a, b)]
    client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for context, own, other in ((client, *certificates), (server, *reversed(certificates))):
        context.check_hostname = False
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(own.pem)
        context.load_verify_locations(other.pem)
        context.verify_flags |= 0x80000  # X509_V_FLAG_PARTIAL_CHAIN
        context.verify_mode = ssl.CERT_REQUIRED
    server.num_tickets = 0
    listener = socket_in(b)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((b.address, 7000))
    listener.listen()
    got = []

    def serve():
        with server.wrap_socket(listener.accept()[0], server_side=True) as stream:
            while len(got) < LONG:
                got.extend(stream.recv(65536))
    thread = threading.Thread(target=serve)
    thread.start()
    sock = socket_in(a)
    sock.settimeout(20 * rig.PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.connect((b.address, 7000))
    with client.wrap_socket(sock) as stream:
        stream.sendall(bytes(LONG))
        thread.join()
    listener.close()


TRIES = 3


@rig.test
def setup(lan):
    """2.2: with direct TLS a stream is two round trips more than a bare TLS 1.3 handshake; three when it is resumed; with STARTTLS five"""
    if not shutil.which("tcpdump"):
        raise rig.Skip("needs tcpdump")
    link = lan.relay()
    # Who sees the other knows that it takes direct TLS; a given address says nothing, and gets STARTTLS.
    juliet, romeo = (lan.host(name, avahi="embedded").start_daemon(name=who, port=5298) for name, who in (("pronto", "juliet"), ("forza", "romeo")))
    paris, tybalt = (lan.host(name, avahi="none").start_daemon(name=who, port=5299) for name, who in (("bianco", "paris"), ("nero", "tybalt")))
    befriend(juliet, romeo)
    wait_sight(juliet, "romeo")
    wait_sight(romeo, "juliet")
    befriend(tybalt, paris)

    def sending(user, other):
        contact = with_key(user, fingerprint(other))
        return contact, send(user, contact, "x" * LONG)[0]

    def message(user, other):
        contact, name = sending(user, other)
        wait_state(user, name, "delivered")
        for one, path in ((user, contact), (other, with_key(other, fingerprint(user)))):
            hang_up(one, path)

    def broken_message(user, other):
        """What is said after a break leaves on the stream that goes on."""
        contact, name = sending(user, other)
        wait_state(user, name, "delivered")
        count = len(resumptions(user))
        capture = lan.tcpdump(os.path.join(lan.dir, "resumed-%d.pcap" % count), "tcp port 5298", host=user.host)
        break_streams(user)
        user.wait_for(lambda: said(user, "stream can be resumed") > count, 20, "the break to be noticed")
        wait_state(user, sending(user, other)[1], "delivered")
        assert len(resumptions(user)) == count + 1
        capture.stop()
        return [one for one in map(cost, segments(capture.path).values()) if one]

    def waiting_message(user, other):
        """What waits for an address leaves when there is one."""
        _, name = sending(user, other)
        user.manager("AddContact", GLib.Variant("(ssasa{sv})", ("", fingerprint(other), [other.host.address + ":5299"], {})))
        wait_state(user, name, "delivered")

    def measured(word, host, port, play, *args, tries=TRIES):
        costs = []
        # A machine that stops in the middle splits what leaves in one go, and then there is nothing to count: again.
        for attempt in range(4 * tries):
            if len(costs) == tries:
                break
            capture = lan.tcpdump(os.path.join(lan.dir, "%s-%d.pcap" % (word, attempt)), "tcp port %d" % port, host=host)
            play(*args)
            capture.stop()
            found = [one for one in map(cost, segments(capture.path).values()) if one]
            assert len(found) <= 1, found
            costs += found
        assert costs, "%s: never a message in one go" % word
        rig.note("%s: %s round trips, %s ms" % (word, [waited for waited, _ in costs], [round(1000 * took) for _, took in costs]))
        return [waited for waited, _ in costs], min(took for _, took in costs)

    message(juliet, romeo)  # whoever called first, there is no stream now
    link.set(delay=0.05)
    floor, floor_took = measured("bare", juliet.host, 7000, bare, lan, juliet.host, romeo.host)
    direct, direct_took = measured("direct", juliet.host, 5298, message, juliet, romeo)
    resumed = []
    for _ in range(4 * TRIES):
        if len(resumed) < TRIES:
            resumed += [waited for waited, _ in broken_message(juliet, romeo)]
    resumed = min(resumed)
    rig.note("resumed: %d round trips" % resumed)
    waiting_message(paris, tybalt)
    paris.call(with_key(paris, fingerprint(tybalt)), "Contact", "Disconnect")
    clear, _ = measured("starttls", paris.host, 5299, message, paris, tybalt)
    assert set(floor) == {2}, "SYN and ClientHello are what a bare handshake waits for"
    # Of several tries the best: a machine that stops in the middle splits what leaves in one go.
    assert min(direct) <= 2 + 2 and resumed <= 2 + 3 and min(clear) <= 2 + 5, (direct, resumed, clear)
    assert direct_took <= floor_took + 0.25, (floor_took, direct_took)


rig.main(needs=("ss",))
