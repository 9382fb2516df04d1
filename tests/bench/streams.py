# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a stream costs earshotd in memory: anonymous pages (smaps_rollup) before and after, divided by how many there are.

Each stage has a fresh daemon, since a heap that was used once does not shrink and then grows for free. On the rig of tests/lan: peers of
its own (peer.py), each with its own key, from many addresses, because the limits per address and for strangers hold here too."""
import os
import ssl
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lan'))
import rig  # noqa: E402
from idle import anonymous_kb  # noqa: E402
from peer import SM, Peer, pin, start  # noqa: E402

OPEN = int(os.environ.get('BENCH_STREAMS', 200))
HALF_OPEN = 24  # of strangers, 8 an address


def settled_kb(user):
    """After the worker threads of GLib's pools have ended and what they left is freed."""
    rig.settle(2)
    return anonymous_kb(user.process.pid)


def measure_open():
    """Streams of pinned contacts, managed, each with a stanza each way; and what stays of the contacts alone."""
    with rig.Lan() as lan:
        juliet = start(lan, verbose=False)
        host = lan.host('forza', avahi='none')
        peers = [Peer(host, 'p%d@forza' % i, juliet) for i in range(OPEN + 1)]
        for peer in peers[:1]:
            pin(juliet, peer)
        first = peers[0].dial().open()
        first.alive()  # what is made once is made now
        before = settled_kb(juliet)
        for peer in peers[1:]:
            pin(juliet, peer)
        known = settled_kb(juliet)
        for peer in peers[1:]:
            stream = peer.dial().open(manage=True)
            stream.send("<enable xmlns='%s' resume='true'/>" % SM)
            stream.element('{%s}enabled' % SM)
            stream.alive()
        opened = settled_kb(juliet)
        first.alive()
        for peer in peers:
            peer.hang_up()
        return {'contact_kb': (known - before) / OPEN, 'open_stream_kb': (opened - known) / OPEN}


def measure_half_open(prepare):
    with rig.Lan() as lan:
        juliet = start(lan, verbose=False)
        host = lan.host('forza', avahi='none')
        known = Peer(host, 'known@forza', juliet)
        pin(juliet, known)
        stream = known.dial().open()
        stream.alive()
        before = settled_kb(juliet)
        stranger = Peer(host, 'stranger@forza', juliet)
        for i in range(HALF_OPEN):
            prepare(stranger.dial(source=host.sources[-1 - i // 8]))
        stream.alive()  # they were all read before this
        after = anonymous_kb(juliet.process.pid)  # at once: they are cut after 10 s
        held = juliet.host.run('ss', '-Htn', 'state', 'established').splitlines()
        assert len(held) == HALF_OPEN + 1, held
        stranger.hang_up()
        return (after - before) / HALF_OPEN


def silent(stream):
    """A connection, and not a byte."""


def greeted(stream):
    """The header in clear, and a stanza begun: the parser is at work."""
    stream.greet()
    stream.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls' a='")


def shaking_hands(stream):
    """Direct TLS up to our certificate, which does not come."""
    wire = stream.wire
    wire._in, wire._out = ssl.MemoryBIO(), ssl.MemoryBIO()
    wire.tls = stream.peer.client_context().wrap_bio(wire._in, wire._out, server_side=False)
    try:
        wire.tls.do_handshake()
    except ssl.SSLWantReadError:
        wire.write_raw(wire._out.read())
    wire.read_raw()


def measure():
    result = measure_open()
    for name, prepare in (('silent', silent), ('greeted', greeted), ('in_tls', shaking_hands)):
        result['half_open_%s_kb' % name] = measure_half_open(prepare)
    return result


if __name__ == '__main__':
    rig._become_root()
    print(measure())
