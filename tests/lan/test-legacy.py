#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clear-text XEP-0174 software beside the real daemon (docs/protocol.md 2.7, 3.9, 8): libpurple's Bonjour, through real avahi-daemons."""
import rig
from gi.repository import GLib
from people import (befriend, contacts, error_of, fingerprint, log, named, queued, received, requests, resolve, send, state_of,
                    wait_received, wait_request, wait_sight, wait_state, with_key)
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
    wait_said(juliet, "stream ended: peer-insecure", 2, 30)
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


# --- LegacyPolicy allow and ask: in clear, and said so ------------------------------------------

# What survives the way through libpurple's markup. (A tab becomes a space there: not among them.)
TEXTS = ["hello", "two\nlines\n\nand a gap", "<b>not bold</b> & <&> \"quoted\" 'too' <br/>", "Grüße, Ελληνικά, 日本語", "😀 thumbs 👍🏽 up",
         "  leading and  double  ", "http://example.org/?a=1&b=2", "&amp; &lt; literal", "x" * 5000]


def set_policy(user, policy):
    user.set_prop("", "Manager", "LegacyPolicy", GLib.Variant("s", policy))


def allow_contact(user, contact, allowed=True):
    user.set_prop(contact, "Contact", "LegacyAllowed", GLib.Variant("b", allowed))


def entries(user):
    """(direction, body, insecure) of the whole log."""
    return [(data["direction"], data["body"], data.get("insecure")) for _, _, _, _, _, data in log(user)]


def wait_sent(user, *ids):
    for message in ids:
        user.wait_for(lambda: state_of(user, message) == ("sent", "unconfirmed"), 20, "%s: sent, unconfirmed" % user)


def restart(juliet, romeo, leave=None):
    """The daemon goes, libpurple sees that, and they see each other again. (It keeps the old port otherwise.)"""
    (leave or juliet.stop)()
    romeo.wait_shows("juliet@pronto", None, 20)
    juliet.restart()
    romeo.wait_shows("juliet@pronto", ("available", ""), 20)
    wait_sight(juliet, "romeo")
    romeo.say("close", "juliet@pronto")


def talk(juliet, romeo, contact, tag):
    """One line each way over what is there."""
    before = len(received(juliet)), len(romeo.received())
    romeo.send("juliet@pronto", tag + " from Romeo")
    juliet.wait_for(lambda: len(received(juliet)) > before[0], 30, "Romeo's line")
    wait_sent(juliet, send(juliet, contact, tag + " from Juliet")[0])
    rig.wait(lambda: len(romeo.received()) > before[1], 30, "Juliet's line")
    assert received(juliet)[before[0]:] == [tag + " from Romeo"] and romeo.received()[before[1]:] == [tag + " from Juliet"]


@rig.test
def allowed_texts_both_ways(lan):
    """T-21 S-32: under allow texts arrive whole and in order, both ways, each flagged insecure; sent is unconfirmed; no receipt, no typing"""
    juliet, romeo, contact = juliet_and_purple(lan, "allow")
    wire = lan.tcpdump(None, "tcp")
    for text in TEXTS:
        romeo.send("juliet@pronto", text)
    wait_received(juliet, TEXTS)
    contact = wait_sight(juliet, "romeo")
    props = contacts(juliet)[contact]
    assert (props["Kind"], props["Trust"], props["Keys"], props["Stored"]) == ("legacy", "none", [], True), props
    assert not requests(juliet)
    juliet.call(contact, "Conversation", "SetTyping", GLib.Variant("(b)", (True,)))
    ids = [send(juliet, contact, text)[0] for text in TEXTS]
    wait_sent(juliet, *ids)
    romeo.wait_received("juliet@pronto", TEXTS)
    assert entries(juliet) == [("in", text, True) for text in TEXTS] + [("out", text, True) for text in TEXTS], entries(juliet)
    assert juliet.get_prop("", "Messages", "Unread") == len(TEXTS) and queued(juliet) == 0
    assert not romeo.events("typing")
    romeo.send("juliet@pronto", CANARY + " in clear")
    wait_received(juliet, TEXTS + [CANARY + " in clear"])
    juliet.stop()
    data = stop_and_read(wire)
    assert CANARY.encode() in data, "the capture missed what is in clear"
    assert b"urn:xmpp:receipts" not in data and b"chatstates" not in data and b"<presence" not in data and b"urn:xmpp:sm" not in data
    assert data.count(b'from="romeo@forza" to="juliet@pronto"') == 1, "more than one stream was opened"
    no_words_in_logs(juliet)


@rig.test
def insecure_is_said(lan):
    """T-21: the API and every output of xmppctl say that a message came or went in clear"""
    juliet, romeo, contact = juliet_and_purple(lan, "allow")
    juliet.ctl("receive", "--consumer=bot", "--json", check=False)
    romeo.send("juliet@pronto", "from Romeo")
    wait_received(juliet, ["from Romeo"])
    contact = wait_sight(juliet, "romeo")
    message = send(juliet, contact, "from Juliet")[0]
    wait_sent(juliet, message)
    assert juliet.call("", "Messages", "Get", GLib.Variant("(s)", (message,)))[0]["insecure"] is True
    lines = juliet.ctl("--json", "log", "romeo@forza")
    assert [(line["direction"], line["body"], line["insecure"]) for line in lines if line["type"] == "message"] \
        == [("in", "from Romeo", True), ("out", "from Juliet", True)], lines
    line = juliet.ctl("receive", "--consumer=bot", "--json")
    assert (line["body"], line["insecure"]) == ("from Romeo", True), line
    said_in = [line for line in juliet.ctl("log", "romeo@forza").splitlines() if "from " in line]
    assert len(said_in) == 2 and said_in[0].startswith("insecure") and all("insecure" in line or "clear" in line for line in said_in), said_in
    assert "insecure" in juliet.ctl("receive", "--consumer=eye", "--from-start")
    shown = juliet.ctl("show", "romeo@forza")
    assert "insecure yes" in shown and "none" in shown.splitlines()[0], shown
    # Who demands more than clear text gets an error, and nothing is stored.
    for require in ("encrypted", "pinned", "verified"):
        assert error_of(send, juliet, contact, "only " + require, require=require) in ("NotTrusted", "PeerInsecure")
    wait_sent(juliet, send(juliet, contact, "whatever", require="insecure-ok")[0])
    romeo.wait_received("juliet@pronto", ["from Juliet", "whatever"])
    assert len(entries(juliet)) == 3


@rig.test
def asked_and_allowed(lan):
    """T-21: under ask nothing is delivered and nothing leaves until a person allows it; one question, however often it knocks"""
    juliet, romeo, contact = juliet_and_purple(lan, "ask")
    wire = lan.tcpdump(None, "tcp")
    for attempt in range(1, 4):
        romeo.send("juliet@pronto", "%s before %d" % (CANARY, attempt))
        wait_said(juliet, "stream ended: peer-insecure", attempt)
        romeo.say("close", "juliet@pronto")
    path, props = wait_request(juliet, "legacy-peer")
    contact = props["Contact"]
    assert list(props["Choices"]) == ["allow", "refuse", "block"] and contacts(juliet)[contact]["ClaimedAddress"] == "romeo@forza"
    message = send(juliet, contact, CANARY + " waits")[0]
    juliet.wait_for(lambda: contacts(juliet)[contact]["LastError"] == "PeerInsecure" or state_of(juliet, message)[0] == "held", 20, "the refusal")
    assert state_of(juliet, message)[0] in ("queued", "held") and received(juliet) == [] and romeo.received() == []
    assert len(requests(juliet)) == 1 and not contacts(juliet)[contact]["LegacyAllowed"]
    data = stop_and_read(wire)
    assert b'from="romeo@forza" to="juliet@pronto"' in data and CANARY.encode() not in data
    resolve(juliet, path, "allow")
    romeo.wait_received("juliet@pronto", [CANARY + " waits"], 60)
    wait_sent(juliet, message)
    assert contacts(juliet)[contact]["LegacyAllowed"] and not requests(juliet)
    assert contacts(juliet)[contact]["Kind"] == "legacy" and contacts(juliet)[contact]["Trust"] == "none"
    # What it wrote before it was let in is lost; it says nothing about that to anybody.
    romeo.send("juliet@pronto", CANARY + " after")
    wait_received(juliet, [CANARY + " after"])
    # The answer outlives the daemon, and so does taking it back, which ends the stream at once.
    restart(juliet, romeo)
    assert contacts(juliet)[contact]["LegacyAllowed"]
    talk(juliet, romeo, contact, CANARY)
    allow_contact(juliet, contact, False)
    juliet.wait_for(lambda: not contacts(juliet)[contact]["Connected"], 15, "the stream to close")
    count = len(received(juliet))
    before = said(juliet, "stream ended: peer-insecure")
    romeo.say("close", "juliet@pronto")
    romeo.send("juliet@pronto", CANARY + " too late")
    wait_said(juliet, "stream ended: peer-insecure", before + 1)
    assert len(received(juliet)) == count
    no_words_in_logs(juliet)


@rig.test
def asked_and_refused(lan):
    """T-21: refuse and block are remembered: no second question, nothing delivered, nothing leaves, also after a restart"""
    juliet, romeo, contact = juliet_and_purple(lan, "ask")
    wire = lan.tcpdump(None, "tcp")
    times = 0
    for choice in ("refuse", "block"):
        if choice == "block":
            juliet.call(contact, "Contact", "Forget", GLib.Variant("(a{sv})", ({},)))
        romeo.say("close", "juliet@pronto")
        romeo.send("juliet@pronto", CANARY + " please")
        path, props = wait_request(juliet, "legacy-peer")
        contact = props["Contact"]
        resolve(juliet, path, choice)
        juliet.wait_for(lambda: not requests(juliet), 15, "the question to go")
        for again in range(2):
            # Seen on the wire, whatever the log calls it: its stream ends.
            romeo.say("close", "juliet@pronto")
            before = said(juliet, "stream ended")
            romeo.send("juliet@pronto", CANARY + " again")
            wait_said(juliet, "stream ended", before + 1)
        assert not requests(juliet) and received(juliet) == []
        restart(juliet, romeo)
        romeo.send("juliet@pronto", CANARY + " after all")
        wait_said(juliet, "stream ended", 1)
        assert not requests(juliet) and received(juliet) == []
    assert contacts(juliet)[contact]["Blocked"]
    assert CANARY.encode() not in stop_and_read(wire)


@rig.test
def allowed_one_by_one(lan):
    """T-21: with the policy at refuse one contact may be allowed; another still is not; back to refuse ends what allow had opened"""
    juliet, host = lan.host("pronto").start_daemon(name="juliet"), lan.host("forza")
    romeo, tybalt = Purple(host, "romeo"), Purple(host, "tybalt", 5299)
    contact = wait_sight(juliet, "romeo")
    wait_sight(juliet, "tybalt")
    for peer in (romeo, tybalt):
        peer.wait("buddy", "juliet@pronto")
    allow_contact(juliet, contact)
    talk(juliet, romeo, contact, "one")
    tybalt.send("juliet@pronto", CANARY)
    wait_said(juliet, "stream ended: peer-insecure", 1)
    assert len(received(juliet)) == 1
    set_policy(juliet, "allow")
    tybalt.say("close", "juliet@pronto")
    tybalt.send("juliet@pronto", "thou art a villain")
    juliet.wait_for(lambda: "thou art a villain" in received(juliet), 20, "Tybalt's line")
    at_tybalt = named(juliet, "tybalt")
    set_policy(juliet, "refuse")
    juliet.wait_for(lambda: not contacts(juliet)[at_tybalt]["Connected"], 15, "Tybalt's stream to close")
    talk(juliet, romeo, contact, "two")
    before = said(juliet, "stream ended: peer-insecure")
    tybalt.say("close", "juliet@pronto")
    tybalt.send("juliet@pronto", CANARY)
    wait_said(juliet, "stream ended: peer-insecure", before + 1)
    assert CANARY not in received(juliet)


@rig.test
def never_for_a_key(lan):
    """T-21: neither allow nor a person's word lets libpurple speak for somebody who has a key, or hear what is for the key"""
    juliet, host = lan.host("pronto").start_daemon(name="juliet"), lan.host("forza")
    set_policy(juliet, "allow")
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
    assert error_of(allow_contact, juliet, contact) == "PeerInsecure"
    for path, props in contacts(juliet).items():
        if props["ClaimedAddress"] == "romeo@forza":
            assert error_of(allow_contact, juliet, path) == "PeerInsecure"
    message = send(juliet, contact, CANARY + " for the key")[0]
    impostor.send("juliet@pronto", CANARY + " from nobody")
    wait_said(juliet, "stream ended: peer-insecure", 2, 20)
    assert state_of(juliet, message)[0] in ("queued", "held")
    props = contacts(juliet)[contact]
    assert (props["Trust"], props["Kind"], props["LegacyAllowed"]) == ("pinned", "person", False)
    assert received(juliet) == [] and impostor.received() == [] and not requests(juliet, "legacy-peer")
    impostor.quit()
    assert CANARY.encode() not in stop_and_read(wire)
    friend.restart()
    wait_state(juliet, message, "delivered", 60)
    wait_received(friend, [CANARY + " before", CANARY + " for the key"])
    no_words_in_logs(juliet, friend)


@rig.test
def interleaved(lan):
    """T-21 M-04: both write twenty lines at once over one stream: all arrive, once, in order"""
    juliet, romeo, contact = juliet_and_purple(lan, "allow")
    talk(juliet, romeo, contact, "first")
    contact = wait_sight(juliet, "romeo")
    ids = []
    for i in range(20):
        romeo.send("juliet@pronto", "r%d" % i)
        ids.append(send(juliet, contact, "j%d" % i)[0])
    wait_received(juliet, ["first from Romeo"] + ["r%d" % i for i in range(20)])
    romeo.wait_received("juliet@pronto", ["first from Juliet"] + ["j%d" % i for i in range(20)])
    wait_sent(juliet, *ids)


def settle_lines(juliet, romeo, contact, i):
    """A line each way, whatever came before it."""
    wait_sent(juliet, send(juliet, contact, "settled j%d" % i)[0])
    rig.wait(lambda: "settled j%d" % i in romeo.received(), 30, "Juliet's line")
    romeo.send("juliet@pronto", "settled r%d" % i)
    juliet.wait_for(lambda: "settled r%d" % i in received(juliet), 30, "Romeo's line")


@rig.test
def both_begin(lan):
    """8.2 8.5: both open a stream at the same moment, again and again: what libpurple drops is lost, nothing comes twice, the talk goes on"""
    juliet, romeo, contact = juliet_and_purple(lan, "allow")
    talk(juliet, romeo, contact, "first")
    contact = wait_sight(juliet, "romeo")
    lost = [0, 0]
    for i in range(6):
        romeo.say("close", "juliet@pronto")
        juliet.wait_for(lambda: not contacts(juliet)[contact]["Connected"], 15, "the stream to end")
        # One tells first, then the other.
        if i % 2:
            romeo.send("juliet@pronto", "r%d" % i)
            message = send(juliet, contact, "j%d" % i)[0]
        else:
            message = send(juliet, contact, "j%d" % i)[0]
            romeo.send("juliet@pronto", "r%d" % i)
        wait_sent(juliet, message)
        settle_lines(juliet, romeo, contact, i)
        lost[0] += "r%d" % i not in received(juliet)
        lost[1] += "j%d" % i not in romeo.received()
    # What is lost is lost in libpurple, which drops what waits on the stream that ours replaces.
    rig.note("of 6 each: %d of libpurple's and %d of ours were lost" % tuple(lost))
    assert lost[1] == 0, "ours were lost"
    for got in (received(juliet), romeo.received()):
        assert len(got) == len(set(got)), got


@rig.test
def libpurple_restarts(lan):
    """M-07 P-13: libpurple quits or is killed and comes back: what was written meanwhile waits and leaves, once"""
    juliet, romeo, contact = juliet_and_purple(lan, "allow")
    talk(juliet, romeo, contact, "first")
    contact = wait_sight(juliet, "romeo")
    for leave in (romeo.quit, romeo.kill9):
        leave()
        juliet.wait_for(lambda: contacts(juliet)[contact]["Reach"] == "offline" and not contacts(juliet)[contact]["Connected"], 20, "the goodbye")
        ids = [send(juliet, contact, "%s %d" % (leave.__name__, i))[0] for i in range(3)]
        assert all(state_of(juliet, message)[0] == "queued" for message in ids)
        romeo.start()
        wait_sight(juliet, "romeo")
        romeo.wait_received("juliet@pronto", ["%s %d" % (leave.__name__, i) for i in range(3)], 60)
        wait_sent(juliet, *ids)
        romeo.send("juliet@pronto", "back from " + leave.__name__)
        juliet.wait_for(lambda: received(juliet)[-1] == "back from " + leave.__name__, 20, "Romeo's line")
    assert received(juliet) == ["first from Romeo", "back from quit", "back from kill9"]
    assert len([path for path in contacts(juliet)]) == 1


@rig.test
def daemon_restarts(lan):
    """M-01 T-21: the daemon is stopped or killed and comes back: policy, contact and flags are as before, and the talk goes on"""
    juliet, romeo, contact = juliet_and_purple(lan, "allow")
    talk(juliet, romeo, contact, "first")
    contact = wait_sight(juliet, "romeo")
    count = 1
    for leave in (juliet.stop, juliet.kill9):
        restart(juliet, romeo, leave)
        assert juliet.get_prop("", "Manager", "LegacyPolicy") == "allow"
        talk(juliet, romeo, contact, leave.__name__)
        assert contacts(juliet)[contact]["Kind"] == "legacy" and contacts(juliet)[contact]["Trust"] == "none"
        count += 1
        assert len(entries(juliet)) == 2 * count and all(insecure for _, _, insecure in entries(juliet))


rig.main(needs=("tcpdump",))
