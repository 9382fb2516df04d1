#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Peers that know no TLS, and those that pretend to be one, against a real earshotd (docs/protocol.md 2.7, 3.9, 8.2). The peers are ours,
with the manners of iChat, libpurple and Salut: what is not said is as important here as what is."""
import socket

import rig
from gi.repository import GLib
from people import contacts, error_of, queued, received, requests, send, state_of, wait_received, wait_sight
from peer import CANARY, STREAM, Closed, Legacy, Peer, connect, said


def people(lan, manners, *txt, policy=None):
    """Juliet's daemon, Romeo who knows no TLS and is announced, and the contact."""
    juliet = lan.host("pronto", avahi="embedded").start_daemon(name="juliet", port=5298)
    juliet.address_name = "juliet"
    if policy:
        juliet.set_prop("", "Manager", "LegacyPolicy", GLib.Variant("s", policy))
    romeo = Legacy(lan.host("forza"), manners, juliet).announce(*txt)
    return juliet, romeo, wait_sight(juliet, "romeo")


def no_stanza_left(romeo):
    """Every byte that any connection of Romeo's took."""
    for stream in romeo.streams:
        raw = bytes(stream.wire.raw_in)
        assert b"<message" not in raw and b"<iq" not in raw and b"<presence" not in raw and CANARY.encode() not in raw, raw


def expect_no_call(juliet, romeo, contact, word="PeerInsecure"):
    """Juliet writes; nothing leaves, and connecting by hand says why."""
    message = send(juliet, contact, said("for a key"))[0]
    error, stream = romeo.listener.play(connect(juliet, contact), lambda stream: hear_out(romeo, stream))
    assert error == word, (error, stream and bytes(stream.wire.raw_in))
    juliet.wait_for(lambda: contacts(juliet)[contact]["LastError"] == word, 20, word)
    assert state_of(juliet, message)[0] in ("queued", "held"), state_of(juliet, message)
    assert not contacts(juliet)[contact]["Connected"]
    no_stanza_left(romeo)


def hear_out(romeo, stream):
    """Answers a call as a legacy peer, says something, and reads to the end."""
    try:
        stream.header()
        romeo._header(stream, "" if romeo.manners == "salut" else romeo.addr)
        stream.send("<stream:features/>" + romeo.text("unheard"))
        stream.rest()
    except Closed:
        pass  # whatever the daemon makes of it, what counts is what it said


def expect_no_answer(juliet, romeo, source=None):
    """Romeo calls and talks at once: not a byte for who has no version, and nothing but the offer of TLS for Salut."""
    before = len(received(juliet))
    stream = romeo.dial(source)
    try:
        romeo.hail(stream, romeo.text("unheard"))
        events, _ = stream.rest()
    except Closed:
        events = []
    raw = bytes(stream.wire.raw_in)
    if romeo.manners == "salut":
        assert [value.tag for kind, value in events if kind == "element"] == ["{%s}features" % STREAM, "{%s}error" % STREAM], raw
    else:
        assert raw == b"", raw
    assert len(received(juliet)) == before
    no_stanza_left(romeo)


# --- nobody was allowed clear text ---------------------------------------------------------------




def refused(lan, manners):
    juliet, romeo, contact = people(lan, manners)
    for _ in range(2):
        expect_no_answer(juliet, romeo)
        expect_no_call(juliet, romeo, contact)
    assert received(juliet) == [] and not requests(juliet) and juliet.running()
    assert queued(juliet) == 2


@rig.test
def refused_purple(lan):
    """S-03 S-21 T-21: manners of libpurple: by default nothing is said or heard in clear, either way, and the reason is told"""
    refused(lan, "purple")


@rig.test
def refused_ichat(lan):
    """S-03 S-21 T-21: manners of iChat: the same"""
    refused(lan, "ichat")


@rig.test
def refused_salut(lan):
    """S-03 S-17 T-21: manners of Salut, which has a version: the same, and it is told why"""
    refused(lan, "salut")


@rig.test
def called_once(lan):
    """8.2: each call is a header into which libpurple speaks in clear: who has no TLS is called again when people decide, not by the clock"""
    juliet, romeo, contact = people(lan, "purple")
    message = send(juliet, contact, said("in due time"))[0]
    hear_out(romeo, romeo.listener.accept(20))
    juliet.wait_for(lambda: state_of(juliet, message) == ("queued", "PeerInsecure"), 20, "the reason")
    romeo.publisher.stop()
    romeo.announce("msg=anew")
    juliet.wait_for(lambda: contacts(juliet)[contact]["StatusText"] == "anew", 20, "another announcement")
    rig.settle(4)
    with open(juliet.process.log) as log:
        assert log.read().count("not connected: PeerInsecure") == 1
    juliet.set_prop(contact, "Contact", "LegacyAllowed", GLib.Variant("b", True))
    hear(romeo, romeo.answer(), "in due time")
    juliet.wait_for(lambda: state_of(juliet, message) == ("sent", "unconfirmed"), 15, "sent")


# --- allowed ---------------------------------------------------------------------------------------


def log_of(user):
    with open(user.process.log, errors="replace") as log:
        return log.read()


def hear(romeo, stream, body):
    """The next message on it, which is written for software of that kind: plain, and again as what libpurple reads."""
    message = stream.message(said(body))
    assert message.get("from") == romeo.daemon_addr and message.get("to") == romeo.addr, message.attrib
    assert not [child.tag for child in message if "receipts" in child.tag or "delay" in child.tag], [child.tag for child in message]
    return message


def both_ways(lan, manners):
    juliet, romeo, contact = people(lan, manners, policy="allow")
    wire = None
    bodies = []
    for turn in range(3):
        # Juliet speaks first: she calls, and Romeo answers on the same stream.
        first = send(juliet, contact, said("juliet %d" % turn))[0]
        wire = romeo.answer()
        hear(romeo, wire, "juliet %d" % turn)
        if manners == "salut":
            wire.send("<stream:features/>")  # late, as they may be
        juliet.wait_for(lambda: state_of(juliet, first) == ("sent", "unconfirmed"), 15, "sent")
        assert contacts(juliet)[contact]["Connected"]
        session = contacts(juliet)[contact]["Session"]
        assert (session["tls"], session["cipher"], session["sm"], session["insecure"]) == ("none", "", False, True), session
        wire.send(romeo.text("romeo %d" % turn))
        bodies.append(said("romeo %d" % turn))
        wait_received(juliet, bodies)
        end(romeo, juliet, contact, wire, turn)
        # Romeo speaks first: he calls.
        wire = romeo.call(romeo.text("romeo calls %d" % turn))
        bodies.append(said("romeo calls %d" % turn))
        wait_received(juliet, bodies)
        second = send(juliet, contact, said("juliet answers %d" % turn))[0]
        hear(romeo, wire, "juliet answers %d" % turn)
        juliet.wait_for(lambda: state_of(juliet, second) == ("sent", "unconfirmed"), 15, "sent")
        end(romeo, juliet, contact, wire, turn)
    assert queued(juliet) == 0 and not requests(juliet) and juliet.running()
    # Once each: nothing was said that nobody waited for, and no IQ asks whether such a peer lives.
    heard = b"".join(bytes(stream.wire.raw_in) for stream in romeo.streams)
    assert heard.count(b"<message") == 6 and b"<iq" not in heard and b"<presence" not in heard, heard
    assert all(heard.count(b"<body>%s" % said("juliet %d" % turn).encode()) == 1 for turn in range(3))
    assert CANARY not in log_of(juliet)


def end(romeo, juliet, contact, stream, turn):
    """They all close: libpurple and the kernel reset it, iChat just goes, Salut says goodbye after five idle seconds and waits for ours."""
    if romeo.manners != "ichat":
        stream.send("</stream:stream>")
    if romeo.manners == "salut":
        assert [kind for kind, _ in stream.rest()[0]] == ["close"]
        stream.wire.close()
    elif romeo.manners == "purple" and turn % 2:
        stream.wire.reset()
    else:
        stream.wire.close()
    juliet.wait_for(lambda: not contacts(juliet)[contact]["Connected"], 15, "the end of the stream")


@rig.test
def allowed_purple(lan):
    """manners of libpurple: text both ways, on streams of either; closed and reset between any two, nothing lost, nothing doubled"""
    both_ways(lan, "purple")


@rig.test
def allowed_ichat(lan):
    """manners of iChat: the same"""
    both_ways(lan, "ichat")


@rig.test
def allowed_salut(lan):
    """manners of Salut: the same"""
    both_ways(lan, "salut")


@rig.test
def both_call(lan):
    """Both call at once: libpurple keeps ours, which came last, so theirs ends without a byte; the message leaves once"""
    juliet, romeo, contact = people(lan, "purple", policy="allow")
    send(juliet, contact, said("once"))
    ours = romeo.listener.accept(20)
    ours.header()
    theirs = romeo.dial()
    romeo.hail(theirs)
    romeo._header(ours, romeo.addr)
    hear(romeo, ours, "once")
    theirs.rest()
    assert theirs.wire.raw_in == b""
    ours.send("</stream:stream>")
    ours.rest()
    # A newer call of theirs replaces the older: they have forgotten it.
    older = romeo.call()
    newer = romeo.call()
    older.rest()
    send(juliet, contact, said("on the newer"))
    hear(romeo, newer, "on the newer")


@rig.test
def other_family(lan):
    """docs/protocol.md 8.2: hung up on without a word over one address family, the daemon calls by the other"""
    juliet, romeo, contact = people(lan, "purple", policy="allow")
    send(juliet, contact, said("by the other way"))
    rude = romeo.listener.accept(20)
    family = rude.wire.sock.getpeername()[0].startswith("::ffff:")
    rude.wire.close()
    stream = romeo.listener.accept(20)
    assert stream.wire.sock.getpeername()[0].startswith("::ffff:") != family
    stream.header()
    romeo._header(stream, romeo.addr)
    hear(romeo, stream, "by the other way")


@rig.test
def taken_back(lan):
    """T-20: the policy, the word about one contact, a block: each ends the stream at once, and nothing more passes either way"""
    juliet, romeo, contact = people(lan, "purple", policy="allow")

    def allow(word):
        juliet.set_prop("", "Manager", "LegacyPolicy", GLib.Variant("s", word))

    def refuse_one(refused):
        juliet.set_prop(contact, "Contact", "LegacyAllowed", GLib.Variant("b", not refused))

    def block(blocked):
        juliet.set_prop(contact, "Contact", "Blocked", GLib.Variant("b", blocked))
    for number, (take, give) in enumerate([(lambda: allow("refuse"), lambda: allow("allow")), (lambda: refuse_one(True), lambda: refuse_one(False)),
                                           (lambda: block(True), lambda: block(False))]):
        stream = romeo.call(romeo.text("before %d" % number))
        juliet.wait_for(lambda: len(received(juliet)) == number + 1, 15, "what came before")
        take()
        romeo_says(stream, romeo.text("after %d" % number))
        stream.rest()
        assert len(received(juliet)) == number + 1
        expect_no_answer(juliet, romeo)
        give()
    no_stanza_left(romeo)


def romeo_says(stream, text):
    try:
        stream.send(text)
    except Closed:
        pass


# --- allowed, and yet not ----------------------------------------------------------------------------


@rig.test
def callers_who_are_nobody(lan):
    """S-21: under `allow`, too: not a byte for a name that is not announced, that lives elsewhere, or that is no name"""
    juliet, romeo, contact = people(lan, "purple", policy="allow")
    tybalt = Legacy(lan.hosts["forza"], "purple", juliet, name="tybalt")
    expect_no_answer(juliet, tybalt)
    # Somebody else's name, from another host.
    mallory = Legacy(lan.host("verona"), "purple", juliet)
    mallory.addr = romeo.addr
    expect_no_answer(juliet, mallory)
    stream = mallory.dial()
    stream.send('<stream:stream xmlns="jabber:client" xmlns:stream="%s" to="%s">' % (STREAM, mallory.daemon_addr))
    stream.rest()
    assert not stream.wire.raw_in
    assert received(juliet) == [] and not requests(juliet)
    # The true one is heard.
    romeo.call(romeo.text("it is me"))
    wait_received(juliet, [said("it is me")])


@rig.test
def announced_tls(lan):
    """T-21: who announces a key or direct TLS is not spoken to in clear, whatever the policy"""
    juliet = lan.host("pronto", avahi="embedded").start_daemon(name="juliet", port=5298)
    juliet.address_name = "juliet"
    juliet.set_prop("", "Manager", "LegacyPolicy", GLib.Variant("s", "allow"))
    host = lan.host("forza")
    for name, txt in (("romeo", "tls.spki=" + "A" * 43), ("tybalt", "tls.direct=1")):
        peer = Legacy(host, "purple", juliet, name=name).announce(txt)
        contact = wait_sight(juliet, name)
        expect_no_answer(juliet, peer)
        if name == "romeo":
            expect_no_call(juliet, peer, contact)
    assert received(juliet) == [] and juliet.running()


@rig.test
def names_of_keys(lan):
    """T-21 S-03: a name that a pinned key ever used is never heard or spoken to in clear, also when only that name is announced, without TLS"""
    juliet = lan.host("pronto", avahi="embedded").start_daemon(name="juliet", port=5298)
    juliet.address_name = "juliet"
    juliet.set_prop("", "Manager", "LegacyPolicy", GLib.Variant("s", "allow"))
    friend = Peer(lan.host("verona", avahi="none"), "romeo@forza", juliet)
    contact = juliet.manager("AddContact", GLib.Variant("(ssasa{sv})", ("", friend.fp, [], {})))[0]
    stream = friend.dial().open()
    stream.alive()
    stream.close()
    juliet.wait_for(lambda: not contacts(juliet)[contact]["Connected"], 15, "the end")
    # Juliet's words for the key, and an impostor in clear.
    impostor = Legacy(lan.host("forza"), "purple", juliet).announce()
    wait_sight(juliet, "romeo")
    expect_no_answer(juliet, impostor)
    announced = [path for path, props in contacts(juliet).items() if props["ClaimedAddress"] == "romeo@forza"]
    for path in announced:
        expect_no_call(juliet, impostor, path)
    assert received(juliet) == [] and juliet.running()
    assert error_of(juliet.set_prop, contact, "Contact", "LegacyAllowed", GLib.Variant("b", True)) == "PeerInsecure"


@rig.test
def stripped(lan):
    """T-21 S-03: somebody between two earshotds takes the offer of STARTTLS away: under `allow` on both sides not a stanza leaves in clear"""
    juliet = lan.host("pronto", avahi="embedded").start_daemon(name="juliet", port=5298)
    juliet.address_name = "juliet"
    juliet.set_prop("", "Manager", "LegacyPolicy", GLib.Variant("s", "allow"))
    middle = Legacy(lan.host("forza"), "purple", juliet).announce("tls.spki=" + "A" * 43, "tls.direct=1")
    contact = wait_sight(juliet, "romeo")
    message = send(juliet, contact, said("for a key"))[0]

    def strip(stream):
        stream.wire.sock.settimeout(10 * rig.PATIENCE)
        if stream.wire.sock.recv(1, socket.MSG_PEEK) == b"\x16":
            stream.wire.close()  # direct TLS does not come about
            return
        stream.wire.sock.setblocking(False)
        try:
            stream.header()
            stream.send_header(to=middle.daemon_addr)
            stream.send("<stream:features/>" + middle.text("unheard"))
            stream.rest()
        except Closed:
            pass
    error, _ = middle.listener.play(connect(juliet, contact), strip)
    assert error in ("PeerInsecure", "Failed", "NotReachable"), error
    no_stanza_left(middle)
    assert state_of(juliet, message)[0] in ("queued", "held") and received(juliet) == []


rig.main()
