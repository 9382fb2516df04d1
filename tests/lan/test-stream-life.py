#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Streams with a real earshotd over time: silence, crowds, two at once, death and return (peer.py). What has to wait waits at
once, in threads. EARSHOT_LONG=1 adds what takes a minute and a half."""
import os
import time

import rig
from people import contacts, queued, received, requests, send, state_of, wait_received, wait_state
from peer import (PING, RECEIPTS, STANZA_ERRORS, TLS, TRUST, Call, Closed, Peer, Silence, chat, connect, new_id, peer_with, pin, said, start,
                  together)

LONG = os.environ.get("EARSHOT_LONG") == "1"


def receipt(wanted):
    return "<message type='chat' id='%s'><received xmlns='%s' id='%s'/></message>" % (new_id(), RECEIPTS, wanted)


def ends_between(stream, least, most, since, condition="connection-timeout"):
    """Demands the end in that time, by this stream error (None = without a word of XML)."""
    if condition:
        stream.error(condition, timeout=most + 5)
    else:
        stream.silent_end(timeout=most + 5)
    took = time.monotonic() - since
    assert least - 1 < took < most * rig.SLOW + 2, "ended after %.1f s, not within %s to %s" % (took, least, most)


def drip(stream, data, gap, seconds):
    """Bytes one by one, a gap before each, until the end of the connection or of the time."""
    end = time.monotonic() + seconds
    for i in range(len(data)):
        time.sleep(gap)
        if time.monotonic() > end:
            return
        try:
            stream.wire.write_raw(data[i:i + 1])
        except Closed:
            return


# --- S-23 and S-28: these wait together ------------------------------------------------------

def says_nothing(peer):
    began, stream = time.monotonic(), peer.dial()
    # RFC 6120 section 4.9.1.1: the error stands behind a header.
    stream.header(timeout=13)
    ends_between(stream, 10, 12, began)


def drips_a_header(peer):
    began, stream = time.monotonic(), peer.dial()
    drip(stream, b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx", 0.4, 13)
    stream.header()
    ends_between(stream, 10, 14, began)


def drips_whitespace(peer):
    stream = peer.dial()
    stream.greet()
    began = time.monotonic()
    drip(stream, b" " * 100, 0.4, 13)
    ends_between(stream, 10, 14, began)


def drips_a_client_hello(peer):
    stream = peer.dial()
    stream.greet()
    stream.send("<starttls xmlns='%s'/>" % TLS)
    stream.element("proceed")
    began = time.monotonic()
    drip(stream, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"r" * 60, 0.4, 13)
    try:
        while True:
            stream.wire.read_raw(15)
    except Closed:
        pass
    assert 9 < time.monotonic() - began < 14 * rig.SLOW + 2, time.monotonic() - began


def hangs_after_tls(peer):
    stream = peer.dial()
    stream.greet()
    stream.starttls()
    began = time.monotonic()
    stream.header(timeout=13)
    ends_between(stream, 10, 12, began)


def hangs_before_auth(peer):
    stream = peer.dial().secure()
    began = time.monotonic()
    ends_between(stream, 10, 12, began)


def slow_but_steady(peer):
    """Each step is within its 10 s, the whole is not within 30."""
    began, stream = time.monotonic(), peer.dial()
    time.sleep(8.5)
    stream.greet()
    time.sleep(8.5)
    stream.starttls()
    time.sleep(8.5)
    stream.greet()
    ends_between(stream, 30, 31, began)


def slow_but_in_time(peer):
    """25 s for all of it are fine."""
    stream = peer.dial()
    time.sleep(6)
    stream.greet()
    time.sleep(6)
    stream.starttls()
    time.sleep(6)
    stream.greet()
    time.sleep(6)
    stream.open()
    stream.alive()


KEEPALIVE = 2


def kernel_timer(host):
    """What the kernel waits for on the one open connection of a host, and how many seconds: proc_net_tcp(5)."""
    lines = [line.split() for line in host.run("cat", "/proc/net/tcp6").splitlines()[1:]]
    kind, when = next(line[5] for line in lines if line[3] == "01").split(":")
    return int(kind, 16), int(when, 16) / os.sysconf("SC_CLK_TCK")


@rig.test
def silence_is_cut(lan):
    """S-23 S-28 M-08: silent and dripping peers are cut after 10 s a step and 30 s in all; idle streams close cleanly; a cut link is found"""
    juliet = start(lan)
    host = lan.host("forza", avahi="none")
    friend = Peer(host, "romeo@forza", juliet)
    pin(juliet, friend)
    slow = Peer(host, "slow@forza", juliet)
    pin(juliet, slow)
    # Another daemon, told to close idle streams soon.
    settings = os.path.join(lan.dir, "nurse.conf")
    with open(settings, "w") as out:
        out.write("[earshot]\nidle-close=3\n")
    nurse = start(lan, "quarto", "nurse", config=settings)
    visitor = Peer(host, "visitor@forza", nurse)
    pin(nurse, visitor)
    # A peer whose link will be cut.
    far = Peer(lan.host("lontano", avahi="none"), "far@lontano", juliet)
    contact_far = pin(juliet, far)
    dead = far.dial().open()
    dead.alive()
    for _ in range(50):
        kind, seconds = kernel_timer(juliet.host)
        if kind == KEEPALIVE:  # what was sent last is acknowledged
            break
        rig.settle(0.1)
    assert kind == KEEPALIVE and 0 < seconds <= 60, (kind, seconds)
    # A listener that answers nothing, called by the daemon.
    deaf = Peer(host, "deaf@forza", juliet)
    hears_nothing = deaf.listen()
    call = connect(juliet, pin(juliet, deaf, hears_nothing))
    called = hears_nothing.accept()
    called_at = time.monotonic()
    lan.cut(juliet.host, far.host)
    cut_at = time.monotonic()
    message = send(juliet, contact_far, said("into the void"))[0]

    def idle():
        stream = visitor.dial().open()
        stream.alive()
        began = time.monotonic()
        stream.until_close(15)
        took = time.monotonic() - began
        stream.send("</stream:stream>")
        assert stream.silent_end().clean
        assert 2 < took < 9 * rig.SLOW, took

    def not_answered():
        called.header()
        ends_between(called, 10, 12, called_at)

    def long_silence():
        """Awaiting a receipt: a ping after 60 s of silence, the end 30 s after it."""
        stream = slow.dial().open()
        asked = stream.stanza(lambda e: e.find("{%s}body" % "jabber:client") is not None, 20)
        began = time.monotonic()
        ping = stream.stanza(lambda e: e.find("{%s}ping" % PING) is not None, 70)
        assert asked is not None and ping.get("type") == "get" and 58 < time.monotonic() - began < 64 * rig.SLOW
        stream.rest(45)
        assert 88 < time.monotonic() - began < 100 * rig.SLOW, time.monotonic() - began

    patient = Peer(host, "patient@forza", juliet)
    later = send(juliet, pin(juliet, patient), said("try again later"))[0]

    def asked_to_wait():
        """M-08: an error of type wait is followed by another try, not by failure."""
        stream = patient.dial().open()
        assert stream.message(said("try again later")).get("id") == later
        began = time.monotonic()
        stream.send("<message type='error' id='%s'><error type='wait'><resource-constraint xmlns='%s'/></error></message>"
                    % (later, STANZA_ERRORS))
        assert stream.message(said("try again later"), 40).get("id") == later
        assert 28 < time.monotonic() - began < 40 * rig.SLOW
        stream.send(receipt(later))
        stream.alive()

    strangers = [Peer(host, "s%d@forza" % n, juliet, certificate=slow.certificate) for n in range(6)]
    parts = [lambda part=part, peer=peer: part(peer) for part, peer in zip(
        (says_nothing, drips_a_header, drips_whitespace, drips_a_client_hello, hangs_after_tls, hangs_before_auth), strangers)]
    parts += [lambda: slow_but_steady(friend), lambda: slow_but_in_time(friend), idle, not_answered,
              asked_to_wait]
    if LONG:
        waiting = pin(juliet, slow)
        send(juliet, waiting, said("are you there"))
        parts.append(long_silence)
    together(*parts)
    assert call.wait() == "Timeout", call.error
    wait_state(juliet, later, "delivered")
    # TCP_USER_TIMEOUT: what was sent and is not acknowledged for 30 s ends it.
    juliet.wait_for(lambda: not contacts(juliet)[contact_far]["Connected"], 20, "the dead peer to be noticed")
    took = time.monotonic() - cut_at
    rig.note("a cut link with something to say was found after %.1f s" % took)
    assert LONG or took < 60 * rig.SLOW, took
    assert state_of(juliet, message)[0] in ("queued", "sent"), state_of(juliet, message)
    lan.heal()
    again = far.dial().open()
    again.message(said("into the void"), 30)
    assert not received(juliet) and not received(nurse)


# --- crowds --------------------------------------------------------------------------------------

def refused(peer, source):
    """Demands that a connection from there is closed before a byte of XML."""
    stream = peer.dial(source=source)
    try:
        stream.send_header()
        stream.header(3)
    except Closed:
        return not stream.wire.raw_in
    return False


@rig.test
def half_open_limits(lan):
    """S-24 X-02: 8 half-open a source address, 24 for strangers, 20 connects a minute; others, and friends above all, still get in"""
    juliet = start(lan)
    host = lan.host("forza", avahi="none")
    romeo, stranger = Peer(host, "romeo@forza", juliet), Peer(host, "stranger@forza", juliet)
    pin(juliet, romeo)
    home = host.sources[100]
    romeo.dial(source=home).open().close()
    first = host.sources[0]
    held = [stranger.dial(source=first) for _ in range(8)]
    for stream in held:
        stream.greet()
    for _ in range(3):
        assert refused(stranger, first), "a ninth half-open stream of one address was let in"
    # Another address is another matter.
    held += [stranger.dial(source=host.sources[n]) for n in (1, 2) for _ in range(8)]
    for stream in held[8:]:
        stream.greet()
    # 24 strangers: a newcomer takes the place of the oldest of the address that has most.
    late = stranger.dial(source=host.sources[3])
    late.greet()
    held[0].rest(5)
    for stream in held[1:] + [late]:
        try:
            stream.wire.read_raw(0.01)
        except Silence:
            continue
        except Closed:
            raise AssertionError("more than one was evicted")
    # Four addresses do not shut out a friend, nor an eleventh stranger from elsewhere.
    held += [stranger.dial(source=host.sources[3]) for _ in range(7)]
    for stream in held[-7:]:
        stream.send_header()
    friend = romeo.dial(source=home).open()
    friend.send(chat("through the crowd", new_id()))
    wait_received(juliet, [said("through the crowd")])
    other = stranger.dial(source=host.sources[9]).open()
    other.alive()
    friend.alive()
    # Only open ones are without a cap: when the crowd is gone the address may connect again, up to its 20 a minute.
    for stream in held + [late]:
        stream.wire.reset()
    count = 0
    busy = host.sources[20]
    while count < 40:
        stream = stranger.dial(source=busy)
        try:
            stream.send_header()
            stream.header(5)
        except Closed:
            break
        count += 1
        stream.wire.reset()
        # The daemon must have seen the end before the next comes, or the cap of 8 speaks first.
        friend.alive()
    rig.note("%d connects of one address were let in" % count)
    assert count == 20, count
    assert refused(stranger, busy) and not refused(stranger, host.sources[21])
    friend.alive()
    assert received(juliet) == [said("through the crowd")]


@rig.test
def restricted_streams_limit(lan):
    """X-02 T-08: of strangers' streams 8 stay open, the oldest gives way; friends' are not counted; one question a key"""
    juliet = start(lan)
    host = lan.host("forza", avahi="none")
    romeo = Peer(host, "romeo@forza", juliet)
    pin(juliet, romeo)
    friend = romeo.dial().open()
    patient = Peer(host, "patient@forza", juliet)
    later = send(juliet, pin(juliet, patient), said("try again later"))[0]

    def asked_to_wait():
        """M-08: an error of type wait is followed by another try, not by failure."""
        stream = patient.dial().open()
        assert stream.message(said("try again later")).get("id") == later
        began = time.monotonic()
        stream.send("<message type='error' id='%s'><error type='wait'><resource-constraint xmlns='%s'/></error></message>"
                    % (later, STANZA_ERRORS))
        assert stream.message(said("try again later"), 40).get("id") == later
        assert 28 < time.monotonic() - began < 40 * rig.SLOW
        stream.send(receipt(later))
        stream.alive()

    strangers = [Peer(host, "stranger%d@forza" % n, juliet) for n in range(10)]
    streams = []
    for peer in strangers:
        stream = peer.dial().open()
        assert stream.features[2].find("{%s}restricted" % TRUST) is not None
        stream.alive()
        streams.append(stream)
    for stream in streams[:2]:
        stream.error("resource-constraint")
    for stream in streams[2:] + [friend]:
        stream.alive()
    for _ in range(3):
        strangers[0].dial().open().close()
    found = [props["Details"]["fingerprint"] for props in requests(juliet).values()]
    assert sorted(found) == sorted(peer.fp for peer in strangers), "%d questions" % len(found)
    friend.send(chat("still here", new_id()))
    wait_received(juliet, [said("still here")])


# --- two at once ------------------------------------------------------------------------------------

@rig.test
def simultaneous_open(lan):
    """S-26: of two streams opened at once the one of the lower fingerprint stays, in whatever order; nothing is lost or doubled"""
    juliet = start(lan)
    host = lan.host("forza", avahi="none")
    wanted = []
    for n, (lower, ours_first) in enumerate(((True, True), (True, False), (False, True), (False, False))):
        peer = peer_with(host, juliet, lower, "p%d@forza" % n)
        listener = peer.listen()
        contact = pin(juliet, peer, listener)
        # Both ends have something to say, and both call.
        outgoing = send(juliet, contact, said("out %d" % n))[0]
        theirs = listener.accept().take_tls().take_auth()
        ours = peer.dial().secure()
        if ours_first:
            ours.open()
            theirs.finish()
        else:
            theirs.finish()
            # It is open there, too, when the first word comes.
            theirs.stanza(lambda e: e.get("id") == outgoing)
            ours.open()
        stays, goes = (ours, theirs) if lower else (theirs, ours)
        if goes is ours and not ours_first:
            # Its own one stays, if it still leads anywhere.
            ping = stays.stanza(lambda e: e.find("{%s}ping" % PING) is not None)
            stays.send("<iq type='result' id='%s'/>" % ping.get("id"))
        name = new_id()
        try:
            goes.send(chat("in %d" % n, name))
        except Closed:
            pass
        lost = [element for kind, element in goes.error("conflict") if kind == "element"]
        # As an honest peer does: what was not confirmed goes again over the one that stays.
        stays.send(chat("in %d" % n, name))
        confirmed = [e for e in lost if e.find("{%s}received" % RECEIPTS) is not None]
        stays.receipt(name)
        assert len(confirmed) <= 1
        # The daemon does the same with its own, whichever stream it chose at first.
        if ("id='%s'" % outgoing).encode() not in stays.text:
            stays.stanza(lambda e: e.get("id") == outgoing, 15)
        stays.send(receipt(outgoing))
        wait_state(juliet, outgoing, "delivered")
        stays.alive()
        wanted.append(said("in %d" % n))
        assert contacts(juliet)[contact]["Connected"]
        assert received(juliet) == wanted, received(juliet)
        listener.nobody(0.3)
    assert queued(juliet) == 0


@rig.test
def peer_comes_back(lan):
    """S-27: a peer back after a dead link replaces its stale stream, at once or within 10 s; a living one is not replaced"""
    juliet = start(lan)
    host = lan.host("forza", avahi="none")
    romeo, quick = Peer(host, "romeo@forza", juliet), Peer(host, "quick@forza", juliet)
    living = Peer(host, "living@forza", juliet)
    pin(juliet, quick)
    # Who called before and calls again has crashed: the newer stays.
    first = quick.dial().open()
    first.alive()
    second = quick.dial().open()
    first.error("conflict")
    second.send(chat("back at once", new_id()))
    wait_received(juliet, [said("back at once")])
    # We called, and later they call us.
    streams = {}
    for peer in (romeo, living):
        listener = peer.listen()
        contact = pin(juliet, peer, listener)
        call = connect(juliet, contact)
        streams[peer] = listener.accept().open()
        assert call.wait() is None
        streams[peer].alive()
    message = send(juliet, contacts_path(juliet, romeo), said("to whom it may concern"))[0]
    rig.settle(10.5)

    def dead():
        """The old stream says nothing any more; the new one is heard within 10 s."""
        new = romeo.dial().open()
        began = time.monotonic()
        name = new_id()
        new.send(chat("it is me again", name))
        # What was not confirmed on the old one comes again, once.
        found = new.stanza(lambda e: e.get("id") == message, 15)
        assert found.findtext("{jabber:client}body") == said("to whom it may concern")
        new.receipt(name, 15)
        took = time.monotonic() - began
        assert took < 10 * rig.SLOW, took
        new.send(receipt(message))
        new.alive()
        rig.note("replaced after %.1f s" % took)

    def alive():
        """The old one answers, so the new one has to go."""
        old = streams[living]
        new = living.dial().open()
        ping = old.stanza(lambda e: e.find("{%s}ping" % PING) is not None, 8)
        old.send("<iq type='result' id='%s'/>" % ping.get("id"))
        new.error("conflict", timeout=15)
        old.alive()
    together(dead, alive)
    wait_state(juliet, message, "delivered")
    assert sorted(received(juliet)) == sorted([said("back at once"), said("it is me again")])
    assert queued(juliet) == 0


@rig.test
def stopped_while_somebody_waits(lan):
    """2.9: a daemon that is told to stop in the middle of a handshake answers those who wait for it, and leaks nothing"""
    juliet = start(lan)
    romeo = Peer(lan.host("forza", avahi="none"), "romeo@forza", juliet)
    listener = romeo.listen()
    calls = [connect(juliet, pin(juliet, romeo, listener)),
             Call(juliet, rig.ROOT, "Network", "Probe", rig.GLib.Variant("(su)", (listener.endpoint, 0)))]
    streams = [listener.accept() for _ in calls]
    for stream in streams:
        stream.header()
    juliet.process.popen.terminate()
    for call in calls:
        assert call.wait() in ("NotReachable", "NoReply", "Disconnected"), call.error
    assert juliet.stop() == 0


def contacts_path(user, peer):
    return user.get_prop("key/" + peer.fp, "Key", "Contact")


rig.main(needs=("openssl", "nft"))
