#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clear-text XEP-0174 software beside the real daemon (docs/protocol.md 2.7, 3.9, 8): libpurple's Bonjour, through real avahi-daemons."""
import rig
from gi.repository import GLib
from people import (befriend, contacts, error_of, fingerprint, named, queued, received, requests, send, state_of, wait_received, wait_sight,
                    wait_state, with_key)
from purple import Purple

CANARY = "CANARY-legacy"


def juliet_and_purple(lan, policy=None):
    """Juliet runs earshotd, Romeo has libpurple; they see each other. (juliet, romeo, Juliet's contact)."""
    juliet, host = lan.host("pronto").start_daemon(name="juliet"), lan.host("forza")
    if policy:
        juliet.set_prop("", "Manager", "LegacyPolicy", GLib.Variant("s", policy))
    romeo = Purple(host, "romeo")
    contact = wait_sight(juliet, "romeo")
    romeo.wait("buddy", "juliet@pronto")
    return juliet, romeo, contact


def said(user, text):
    """How many lines of the daemon's log hold that."""
    with open(user.process.log, errors="replace") as log:
        return sum(text in line for line in log)


def wait_said(user, text, count, timeout=15):
    user.wait_for(lambda: said(user, text) >= count, timeout, "%d × %r in the log of %s" % (count, text, user))


def no_words_in_logs(*users):
    """X-03. Only those of earshotd: the log of a libpurple peer holds its events."""
    for user in users:
        assert not said(user, CANARY), "the log of %s holds a body" % user


def stop_and_read(wire):
    """Every byte of a capture."""
    wire.stop()
    with open(wire.path, "rb") as capture:
        return capture.read()


def show_of(user, contact):
    props = contacts(user)[contact]
    return props["Show"], props["StatusText"]


# --- presence ----------------------------------------------------------------------------


@rig.test
def presence_both_ways(lan):
    """P-01 P-05 P-13: libpurple and earshotd see each other, their statuses and goodbyes; nobody opens a stream for it"""
    juliet, romeo, contact = juliet_and_purple(lan)
    wire = lan.tcpdump(None, "tcp")
    assert contacts(juliet)[contact]["ClaimedAddress"] == "romeo@forza"
    assert romeo.shows("juliet@pronto") == ("available", "")
    # Markup is no markup: neither in what we announce nor in what we read.
    text = "on the <b>balcony</b> & ☂"
    juliet.set_prop("", "Manager", "Nick", GLib.Variant("s", "Jule"))
    juliet.set_prop("", "Manager", "StatusText", GLib.Variant("s", text))
    juliet.set_prop("", "Manager", "Show", GLib.Variant("s", "dnd"))
    romeo.wait_shows("juliet@pronto", ("away", text))
    romeo.wait("alias", "juliet@pronto", "Jule")
    # docs/protocol.md 8.1: only dnd is away to it; our away reads as available there.
    juliet.set_prop("", "Manager", "Show", GLib.Variant("s", "away"))
    romeo.wait_shows("juliet@pronto", ("available", text))
    for word, show in (("away", "away"), ("dnd", "dnd"), ("avail", "available")):
        romeo.status(word, "I am %s ☂ & more" % word)
        juliet.wait_for(lambda: show_of(juliet, contact) == (show, "I am %s ☂ & more" % word), 20, "Romeo's " + word)
    romeo.quit()
    juliet.wait_for(lambda: not named(juliet, "romeo", ("sighted", "online")), 15, "Romeo's goodbye")
    romeo.start()
    wait_sight(juliet, "romeo")
    romeo.wait("buddy", "juliet@pronto")
    assert juliet.stop() == 0
    romeo.wait("gone", "juliet@pronto")
    data = stop_and_read(wire)
    assert b"<stream" not in data, "presence opened a stream"


@rig.test
def killed_libpurple_vanishes(lan):
    """P-13: libpurple killed with -9: its avahi-daemon says goodbye for it, and it comes back as one contact"""
    juliet, romeo, contact = juliet_and_purple(lan)
    romeo.kill9()
    juliet.wait_for(lambda: not named(juliet, "romeo", ("sighted", "online")), 20, "the goodbye")
    romeo.start()
    back = wait_sight(juliet, "romeo")
    assert contacts(juliet)[back]["ClaimedAddress"] == "romeo@forza" and len(contacts(juliet)) == 1


# --- LegacyPolicy refuse: nothing in clear, either way ---------------------------------------


@rig.test
def their_words_do_not_leave(lan):
    """S-21: libpurple writes: we close without a header, so its words never leave it; nothing is delivered, asked or kept"""
    juliet, romeo, contact = juliet_and_purple(lan)
    wire = lan.tcpdump(None, "tcp")
    for attempt in range(1, 4):
        romeo.send("juliet@pronto", "%s from libpurple %d" % (CANARY, attempt))
        romeo.wait("sent", "juliet@pronto", count=attempt)
        wait_said(juliet, "stream ended: peer-insecure", attempt)
        # It tells nobody that the message is lost, and would put the next one behind it: the window is closed, and opens a new stream.
        romeo.say("close", "juliet@pronto")
    assert received(juliet) == [] and not requests(juliet) and juliet.get_prop("", "Messages", "Unread") == 0
    assert len(contacts(juliet)) == 1 and not contacts(juliet)[contact]["Connected"] and not contacts(juliet)[contact]["Stored"]
    assert not romeo.events("notice")
    assert juliet.running()
    no_words_in_logs(juliet)
    data = stop_and_read(wire)
    assert data.count(b'from="romeo@forza" to="juliet@pronto"') == 3, "the capture missed libpurple's headers"
    assert b"juliet@pronto'" not in data and b"xml version='1.0'" not in data, "our header left"
    assert CANARY.encode() not in data, "its words left in clear"


@rig.test
def our_words_do_not_leave(lan):
    """S-03: we write to libpurple: PeerInsecure, the message stays queued, no byte of it on the wire, and calling on by hand changes nothing"""
    juliet, romeo, contact = juliet_and_purple(lan)
    wire = lan.tcpdump(None, "tcp")
    message = send(juliet, contact, CANARY + " to libpurple")[0]
    juliet.wait_for(lambda: contacts(juliet)[contact]["LastError"] == "PeerInsecure", 20, "PeerInsecure")
    assert error_of(juliet.call, contact, "Contact", "Connect", GLib.Variant("(a{sv})", ({},))) == "PeerInsecure"
    juliet.call("", "Messages", "Retry", GLib.Variant("(s)", (message,)))
    wait_said(juliet, "stream ended: peer-insecure", 3, 30)
    assert state_of(juliet, message)[0] == "queued" and queued(juliet) == 1
    assert not contacts(juliet)[contact]["Connected"] and juliet.running()
    assert "PeerInsecure" in juliet.ctl("show", "romeo@forza")
    no_words_in_logs(juliet)
    assert romeo.received() == []
    data = stop_and_read(wire)
    assert b"from='juliet@pronto' to='romeo@forza' version='1.0'" in data, "the capture missed our header"
    assert CANARY.encode() not in data and b"<message" not in data and b"<body" not in data


@rig.test
def friends_name_on_libpurple(lan):
    """S-03 T-11: libpurple under the name of somebody pinned: what was written for the key waits for the key, and reaches it"""
    juliet, host = lan.host("pronto").start_daemon(name="juliet"), lan.host("forza")
    friend = host.start_daemon(name="romeo")
    befriend(juliet, friend)
    wait_sight(juliet, "romeo")
    contact = with_key(juliet, fingerprint(friend))
    wait_state(juliet, send(juliet, contact, CANARY + " before")[0], "delivered")
    friend.stop()
    juliet.wait_for(lambda: not named(juliet, "romeo", ("sighted", "online")), 15, "Romeo's goodbye")
    wire = lan.tcpdump(None, "tcp")
    impostor = Purple(host, "romeo")
    wait_sight(juliet, "romeo")
    impostor.wait("buddy", "juliet@pronto")
    message = send(juliet, contact, CANARY + " for the key")[0]
    impostor.send("juliet@pronto", CANARY + " from nobody")
    wait_said(juliet, "stream ended: peer-insecure", 2, 20)
    assert state_of(juliet, message)[0] in ("queued", "held") and contacts(juliet)[contact]["Trust"] == "pinned"
    assert received(juliet) == [] and impostor.received() == []
    impostor.quit()
    data = stop_and_read(wire)
    assert CANARY.encode() not in data and b"to=" in data
    friend.restart()
    wait_state(juliet, message, "delivered", 60)
    wait_received(friend, [CANARY + " before", CANARY + " for the key"])
    assert received(juliet) == []
    no_words_in_logs(juliet, friend)


rig.main(needs=("tcpdump",))
