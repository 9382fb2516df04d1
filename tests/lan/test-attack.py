#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whoever means harm: floods of announcements, strangers and stanzas, a contact that turned. What is asserted is the same each time:
memory stays bounded, nothing is believed that was not proven, and a friend's message still gets through."""
import contextlib
import os
import random
import re
import subprocess

import foe
import rig
from gi.repository import GLib
from people import (contacts, fingerprint, log, received, requests, resolve, send, state_of, wait_received, wait_request,
                    wait_sight, wait_state, with_key)
from victims import PORT, victim_and_friend, still_there, trust, knock, assert_clean_log


# --- announcements ----------------------------------------------------------------------------------------

HOSTILE = [
    b"esc\x1b]0;owned\x07@x", b"new\nline@x", b"cr\rlf\n@x", b"nul\0@x", b"bad\xff\xfe@x", b"\xc0\xae@x", b"\xed\xa0\x80@x", b"@x", b"x@", b"noat",
    b"a@b@c", b"slash/@x", b"dot.dot@x.y", b"back\\slash@x", b"\\065@x", b"a" * 61 + b"@x", "rtl\u202egnp@x".encode(), "zw\u200b\u2066@x".encode(),
    b"romeo@forza ", b"Romeo@FORZA", b"romeo@evil", "r\u043emeo@forza".encode(), b"%s%n%n@x", b"../../../etc@x", b"$(reboot)@x", b" @x", b"-@-",
]
HOSTILE_TXT = [
    [b"txtvers=1", b"nick=\x1b[2J\x1b[Hroot#", b"msg=line\nverified  romeo  online"], [b"nick=romeo"], [b"nick=\xff\xfe\xfd", b"msg=\xed\xa0\x80"],
    [b"nick=" + "\u202e\u2066romeo".encode()], [b"=", b"==", b"=x", b"nick"], [b"nick=" + b"n" * 250], [b"tls.spki=" + b"A" * 43, b"tls.spki=" + b"B" * 43],
    [b"tls.spki=" + b"A" * 200], [b"status=" + b"\x00" * 200], [b"ver=x", b"hash=sha-1", b"node=" + b"n" * 240], [b"k%d=%d" % (i, i) for i in range(60)],
]


@rig.test
def ten_thousand_announcements(lan):
    """X-02 P-19: 10 000 forged announcements with hostile names and texts neither fill memory nor push out a friend or a question"""
    juliet, romeo = victim_and_friend(lan)
    mallory = lan.host("mallory", avahi="none")
    # A stranger who did knock, and waits for an answer.
    key = foe.Key(lan.dir, "waiting")
    waiting = knock(juliet, mallory, key, "paris@mallory")
    waiting.send(waiting.message("w1", "may I?"))
    wait_request(juliet, "new-key")
    waiting.close()
    before_levels = {path: props["Trust"] for path, props in contacts(juliet).items() if props["Stored"]}
    announcer = foe.Announcer(mallory)
    said = juliet.signals("org.freedesktop.DBus.ObjectManager", "InterfacesAdded")
    chance = random.Random(5)
    with foe.bounded(juliet, 30, "announcements"):
        for i in range(10000 // 20):
            names = [(b"flood%05d-%s@m" % (i * 20 + n, b"y" * 40), chance.choice(HOSTILE_TXT)) for n in range(18)]
            names += [(chance.choice(HOSTILE), chance.choice(HOSTILE_TXT + [None])) for n in range(2)]
            # With a friend's key hint, too: it proves nothing.
            if i % 50 == 0:
                names.append((b"romeo%d@evil" % i, [b"tls.spki=" + spki_text(fingerprint(romeo))]))
            announcer.say(names)
            if i % 10 == 0:
                rig.settle(0.02)
        juliet.wait_for(lambda: len(contacts(juliet)) >= 256, 30, "the flood to be noticed")
        still_there(juliet, romeo, "under announcements")
    people = contacts(juliet)
    strangers = [props for props in people.values() if not props["Stored"]]
    assert len(strangers) <= 256, len(strangers)
    assert {path: props["Trust"] for path, props in people.items() if props["Stored"]} == before_levels
    # Another's TXT changes no trust, and the one who knocked is still known.
    path, props = wait_request(juliet, "new-key")
    assert props["Details"]["fingerprint"] == key.fingerprint and [m["body"] for m in props["Details"]["preview"]] == ["may I?"]
    assert len([1 for signal in said if "/contact/" in signal[3][0]]) <= 30, "signals about strangers: %d" % len(said)
    # A terminal and a script see one line each, without control characters, and a petname finds only its owner.
    status, out, err = juliet.ctl("--color=never", "peers", "-a", check=False, text=False)
    assert status == 0 and not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", out), out
    shown = out.decode()
    assert not re.search("[\u200b\u202a-\u202e\u2066-\u2069]", shown)
    assert len(shown.splitlines()) <= len(people) + 2
    assert juliet.manager("FindContact", GLib.Variant("(s)", ("romeo",)))[0] == with_key(juliet, fingerprint(romeo))
    assert_clean_log(juliet)
    announcer.close()


def spki_text(fp):
    import base64
    return base64.urlsafe_b64encode(bytes.fromhex(fp)).rstrip(b"=")


# --- strangers --------------------------------------------------------------------------------------------

@rig.test
def strangers_by_the_hundred(lan):
    """X-02 S-24 T-08: fresh keys by the hundred from as many addresses, one with 1 000 message requests: caps hold, a friend gets through"""
    juliet, romeo = victim_and_friend(lan)
    mallory = lan.host("mallory", avahi="none")
    count, cap = int(os.environ.get("EARSHOT_STRANGERS", "100")), 64
    juliet.set_prop("", "Manager", "MaxStrangers", GLib.Variant("u", cap))
    sources = ["fe80::bad:%x" % i for i in range(1, count + 1)]
    subprocess.run(mallory.enter(["ip", "-batch", "-"]), input="".join("addr add %s/64 dev eth0 nodad\n" % s for s in sources), text=True, check=True)
    home = (juliet.host.link_local(), PORT)
    keys = [foe.Key(lan.dir, str(i)) for i in range(count)]
    streams, before = [], foe.descriptors(juliet)
    with foe.bounded(juliet, 24, "strangers"):
        # The first leaves a thousand message requests.
        chatty = foe.Stream(mallory, keys[0], "mercutio@m", home, source=sources[0]).open()
        assert b"<restricted " in chatty.features
        for start in range(0, 1000, 50):
            if not chatty.send_quietly("".join(chatty.message("r%d" % i, "please %04d " % i + "x" * 3000) for i in range(start, start + 50))):
                break
        path, props = wait_request(juliet, "new-key")
        juliet.wait_for(lambda: len(requests(juliet)[path]["Details"].get("preview", [])) == 8, 20, "eight of the thousand")
        bounced = 0
        with contextlib.suppress(foe.Ended):
            while bounced < 900:
                piece = chatty.until(b"</message>")
                assert b"<received" not in piece, "an unknown key got a receipt"
                assert b"please" not in piece, "a bounce quotes the body"
                bounced += b"untrusted" in piece
        for i in range(1, count):
            with contextlib.suppress(foe.Ended, OSError):
                stream = foe.Stream(mallory, keys[i], "guest%d@m" % i, home, source=sources[i]).open()
                stream.send_quietly(stream.message("m", "let me in"))
                streams.append(stream)
        rig.note("%d of %d got a stream" % (len(streams), count - 1))
        still_there(juliet, romeo, "among strangers")
    assert len(streams) > count // 2
    assert len([1 for props in contacts(juliet).values() if not props["Stored"]]) <= cap
    assert len(requests(juliet)) <= cap
    assert foe.descriptors(juliet) - before <= 60, foe.descriptors(juliet) - before
    assert received(juliet) == ["hear before", "hear among strangers"]
    # One address alone is stopped at twenty a minute.
    refused = 0
    for i in range(30):
        try:
            foe.Stream(mallory, keys[i], "again@m", (juliet.host.address, PORT)).close()
        except (foe.Ended, OSError):
            refused += 1
    assert refused >= 10, refused
    still_there(juliet, romeo, "after the hammering")
    assert_clean_log(juliet, "please")
    for stream in streams:
        stream.close()


# --- a contact that turned --------------------------------------------------------------------------------

@rig.test
def trusted_peer_turns(lan):
    """S-18 S-22 M-06 M-08 M-12 T-20: a trusted peer floods, lies about ids, times and senders; nothing of it counts for others"""
    juliet, romeo = victim_and_friend(lan)
    mallory = lan.host("mallory", avahi="none")
    key = foe.Key(lan.dir, "tybalt")
    tybalt = trust(juliet, key, "tybalt")
    back = with_key(juliet, fingerprint(romeo))
    romeo.host.unplug()
    owed = send(juliet, back, "for romeo alone")[0]

    def fresh(**options):
        return knock(juliet, mallory, key, "tybalt@mallory", **options)

    stream = fresh(direct=False)
    # Receipts and errors for what it does not own, quoting bodies: they settle nothing.
    for lie in ("<message id='l1'><received xmlns='urn:xmpp:receipts' id='%s'/></message>",
                "<message id='%s' type='error'><body>quoted</body><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
                "<message id='%s' type='error'><error type='auth'><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><untrusted xmlns='im.earshot:trust:0'/></error></message>"):
        stream.send(lie % owed)
    stream.send("".join("<message id='b%d'><received xmlns='urn:xmpp:receipts' id='bogus-%d'/></message>" % (i, i) for i in range(2000)))
    stream.ping()
    assert state_of(juliet, owed)[0] in ("queued", "sent"), state_of(juliet, owed)
    # Its answer under the id of a message of ours does not hide that message.
    mine = send(juliet, tybalt, "to tybalt")[0]
    stream.until(b"to tybalt</body>")
    stream.send(stream.message(mine, "I am thy message"))
    assert mine in stream.receipts(1)
    message = juliet.call("", "Messages", "Get", GLib.Variant("(s)", (mine,)))[0]
    assert message["direction"] == "out" and message["body"] == "to tybalt", message
    # One id, two bodies: the first counts. Stamps of any age neither reorder nor harm.
    stream.send(stream.message("same", "first") + stream.message("same", "second"))
    for stamp in ("9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "-9999-01-01T00:00:00Z", "x" * 200, "2026-02-30T25:61:61Z"):
        stream.send(stream.message("at " + stamp[:20], "at " + stamp[:20], extra="<delay xmlns='urn:xmpp:delay' stamp='%s'/>" % stamp))
    stream.send(stream.message("esc&#10;\u202e", "bell &#9; \u202e rtl"))
    stream.ping()
    juliet.wait_for(lambda: len(received(juliet, tybalt)) == 9, 20, "the oddities")
    assert received(juliet, tybalt)[:3] == ["I am thy message", "first", "at 9999-12-31T23:59:59Z"[:23]]
    times = [entry[1] for entry in log(juliet, tybalt) if entry[5]["direction"] == "in"]
    assert times == sorted(times)
    shown = juliet.ctl("--color=never", "log", "tybalt", text=False)
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", shown) and "\u202e" not in shown.decode(), shown
    # Its ids reach scripts, and scripts make file names of them.
    boxes = os.path.join(juliet.dir, "boxes")
    os.makedirs(os.path.join(boxes, "in"))
    stream.send(stream.message("../out", "escaped") + stream.message("-rf", "dash"))
    stream.ping()
    juliet.wait_for(lambda: len(received(juliet, tybalt)) == 11, 20, "the ids")
    juliet.ctl("receive", "--consumer", "box", "--from-start", "--exec", 'cd %s/in && cat >"$EARSHOT_ID"' % boxes)
    assert os.listdir(boxes) == ["in"], os.listdir(boxes)
    assert not any(name.startswith(("-", ".")) for name in os.listdir(boxes + "/in")), os.listdir(boxes + "/in")
    # Someone else's name: the stream ends, nothing is stored.
    stream.send(stream.message("forged", "from romeo?", **{"from": "romeo@forza"}))
    assert b"<invalid-from" in stream.to_end()
    for garbage, condition in (("<message><body>&bomb;</body></message>", b"restricted-xml"), ("<!-- --><?pi x?>", b"restricted-xml"), ("<!DOCTYPE a><a/>", b"not-well-formed"), ("<a xmlns='urn:x'/>", b"unsupported-stanza-type"),
                               ("<message>" * 40, b"policy-violation"), ("<message id='" + "x" * 9000 + "'/>", b"policy-violation"), ("<message><body>" + "x" * 70000, b"policy-violation"),
                               ("<message><body>\x01</body></message>", b"not-well-formed"), (b"<message><body>\xff</body></message>", b"not-well-formed")):
        stream = fresh()
        stream.send_quietly(garbage)
        assert condition in stream.to_end(), (garbage[:60], stream.said[-300:])
    assert juliet.running()
    romeo.host.plug()
    wait_state(juliet, owed, "delivered", 60)
    assert len(received(juliet, tybalt)) == 11
    assert_clean_log(juliet, "thy message")


@rig.test
def trusted_peer_floods(lan):
    """X-02: 60 kB bodies, 5 000 messages in a burst, queries never read: memory stays bounded, a friend's message gets through"""
    juliet, romeo = victim_and_friend(lan)
    mallory = lan.host("mallory", avahi="none")
    key = foe.Key(lan.dir, "tybalt")
    tybalt = trust(juliet, key, "tybalt")
    with foe.bounded(juliet, 24, "60 kB bodies"):
        stream = knock(juliet, mallory, key, "tybalt@mallory")
        with foe.bounded(juliet, 12, "while they arrive"):
            for i in range(600):
                stream.send(stream.message("big%d" % i, "%03d" % i + "B" * 60000))
        still_there(juliet, romeo, "between big bodies")
        stream.receipts(600)
    with foe.bounded(juliet, 12, "small messages"):
        stream.send("".join(stream.message("small%d" % i, "%04d" % i) for i in range(5000)))
        still_there(juliet, romeo, "between small messages")
        assert stream.receipts(5000) == ["small%d" % i for i in range(5000)]
    assert received(juliet, tybalt)[600:] == ["%04d" % i for i in range(5000)]
    stream.close()
    # Queries whose answers nobody takes.
    with foe.bounded(juliet, 24, "answers nobody reads"):
        stream = knock(juliet, mallory, key, "tybalt@mallory", timeout=2)
        query = "<iq type='get' id='%s'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>" % ("q" * 250)
        sent = 0
        while sent < 40000 and stream.send_quietly(query * 100):
            sent += 100
        rig.note("%d queries were taken" % sent)
        still_there(juliet, romeo, "beside unread answers")
    stream.close()


@rig.test
def stranger_reads_nothing(lan):
    """2.10: a stranger that asks and never reads is cut off before it costs memory"""
    juliet, romeo = victim_and_friend(lan)
    mallory = lan.host("mallory", avahi="none")
    with foe.bounded(juliet, 8, "eight strangers that read nothing"):
        streams = [knock(juliet, mallory, foe.Key(lan.dir, str(i)), "deaf%d@m" % i, timeout=1) for i in range(8)]
        query = "<iq type='get' id='%s'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>" % ("q" * 250)
        for stream in streams:
            sent = 0
            while sent < 10000 and stream.send_quietly(query * 100):
                sent += 100
        still_there(juliet, romeo, "beside the deaf")
    for stream in streams:
        stream.close()


# --- trust ------------------------------------------------------------------------------------------------

@rig.test
def replaced_without_release(lan):
    """T-11 3.5: what was written for the old key stays when the new one takes its place without release, also across kill -9"""
    juliet, romeo = victim_and_friend(lan)
    contact = with_key(juliet, fingerprint(romeo))
    romeo.stop()
    subprocess.run(["rm", "-rf", romeo.data_dir], check=True)
    secrets = [send(juliet, contact, "only for the old key %d" % i)[0] for i in range(5)]
    romeo.restart()
    wait_sight(romeo, "juliet")
    there = romeo.manager("AddContact", GLib.Variant("(ssasa{sv})", ("", fingerprint(juliet), [], {})))[0]
    send(romeo, there, "it is me")
    path, props = wait_request(juliet, "name-conflict", 30)
    # Its stream is open while the decision is made.
    juliet.wait_for(lambda: [1 for one in contacts(juliet).values() if one["Connected"]], 20, "the new key's stream")
    resolve(juliet, path, "replace", fingerprint(romeo))
    wait_received(juliet, ["hear before", "it is me"], 30, contact)
    after = send(juliet, contact, "for the new key")[0]
    wait_state(juliet, after, "delivered", 30)
    assert received(romeo) == ["for the new key"], received(romeo)
    juliet.kill9()
    juliet.restart()
    wait_sight(juliet, "romeo")
    wait_state(juliet, send(juliet, contact, "and on")[0], "delivered", 40)
    assert received(romeo) == ["for the new key", "and on"], received(romeo)
    assert [state_of(juliet, one) for one in secrets] == [("held", "key-replaced")] * 5


@rig.test
def blocked_while_negotiating(lan):
    """T-20 S-14: whoever is blocked between <success/> and the last header gets no stream, and later sees what a refused one sees"""
    juliet, mallory = lan.host("pronto", avahi="none").start_daemon(name="juliet", port=PORT), lan.host("mallory", avahi="none")
    key = foe.Key(lan.dir, "tybalt")
    tybalt = trust(juliet, key, "tybalt")
    to = (juliet.host.address, PORT)
    slow = foe.Stream(mallory, key, "tybalt@mallory", to)
    juliet.set_prop(tybalt, "Contact", "Blocked", GLib.Variant("b", True))
    slow.header()
    said = slow.to_end()
    assert b"<restricted " not in said.split(b"<stream:error>")[0] and b"<reset" in said, said
    assert not contacts(juliet)[tybalt]["Connected"]
    rejected = foe.Key(lan.dir, "paris")
    knock(juliet, mallory, rejected, "paris@mallory").close()
    resolve(juliet, wait_request(juliet, "new-key")[0], "reject")
    views = []
    for one in (key, rejected):
        try:
            foe.Stream(mallory, one, "whoever@mallory", to)
            raise AssertionError("let in")
        except foe.Ended as end:
            views.append(re.sub(r"id='[^']*'", "", str(end)))
    assert views[0] == views[1] and "not-authorized" in views[0], views


@rig.test
def half_open_by_the_dozen(lan):
    """S-23 S-24: connections from sixty addresses that say nothing, and some that drip, do not keep a friend out"""
    juliet, romeo = victim_and_friend(lan)
    mallory = lan.host("mallory", avahi="none")
    sources = ["fe80::bad:%x" % i for i in range(1, 61)]
    subprocess.run(mallory.enter(["ip", "-batch", "-"]), input="".join("addr add %s/64 dev eth0 nodad\n" % s for s in sources), text=True, check=True)
    with foe.inside(mallory):
        scope = foe.socket.if_nametoindex("eth0")
        silent = [foe.socket.socket(foe.socket.AF_INET6, foe.socket.SOCK_STREAM) for _ in sources]
        for one, source in zip(silent, sources):
            one.bind((source, 0, 0, scope))
            one.connect((juliet.host.link_local(), PORT, 0, scope))
    for one in silent[::2]:
        with contextlib.suppress(OSError):
            one.sendall(b"<stream:str")
    romeo.kill9()
    romeo.restart()
    still_there(juliet, romeo, "past the crowd", 40)
    assert foe.descriptors(juliet) < 100
    for one in silent:
        one.close()


@rig.test
def tofu_is_no_open_door(lan):
    """T-10: under tofu made-up names are pinned only as far as MaxStrangers; then people are asked, and nothing is kept without bound"""
    juliet, mallory = lan.host("pronto", avahi="none").start_daemon(name="juliet", port=PORT), lan.host("mallory", avahi="none")
    juliet.set_prop("", "Manager", "TrustMode", GLib.Variant("s", "tofu"))
    juliet.set_prop("", "Manager", "MaxStrangers", GLib.Variant("u", 4))
    for i in range(12):
        stream = knock(juliet, mallory, foe.Key(lan.dir, str(i)), "guest%d@m" % i)
        assert (b"<restricted " in stream.features) == (i >= 4), i
        stream.close()
    levels = [props["Trust"] for props in contacts(juliet).values()]
    assert levels.count("pinned") == 4 and len(levels) <= 8, levels


rig.main(needs=("openssl", "nft"))
