#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The first conversation: see each other, decide trust, talk. Real daemons, real buses, real mDNS."""
import base64
import os
import re
import subprocess

import rig
from people import (befriend, contacts, error_of, fingerprint, log, named, queued, received, requests, resolve, send,
                    state_of, wait_received, wait_request, wait_sight, wait_state, with_key)


def pair(lan, avahi="embedded"):
    juliet, romeo = lan.host("pronto", avahi=avahi), lan.host("forza", avahi=avahi)
    juliet.start_daemon(name="juliet")
    romeo.start_daemon(name="romeo")
    return juliet.me, romeo.me


@rig.test
def stranger_accepted_later(lan):
    """T-07 T-08 T-09: a stranger's messages are held, accepted later, delivered once and in order, receipted"""
    juliet, romeo = pair(lan)
    at_juliet = wait_sight(juliet, "romeo")
    wait_sight(romeo, "juliet")
    bodies = ["line %d" % i for i in range(12)]
    ids = [send(juliet, at_juliet, body)[0] for body in bodies]
    # Juliet's daemon asks Juliet about the key that answered; nothing has left yet.
    path, props = wait_request(juliet, "new-key")
    assert props["Details"]["fingerprint"] == fingerprint(romeo)
    juliet.wait_for(lambda: state_of(juliet, ids[0]) == ("held", "approval-needed"), 15, "the message to be held")
    assert error_of(resolve, juliet, path, "accept") == "InvalidArgument"          # T-23
    assert error_of(resolve, juliet, path, "accept", "0" * 64) == "Mismatch"
    resolve(juliet, path, "accept", fingerprint(romeo))
    assert error_of(resolve, juliet, path, "accept", fingerprint(romeo)) in ("AlreadyResolved", "NotFound", "UnknownMethod", "UnknownObject")
    # Romeo's daemon asks Romeo, once, with what she said so far.
    path, props = wait_request(romeo, "new-key")
    romeo.wait_for(lambda: len(requests(romeo)[path]["Details"].get("preview", [])) == 8, 15, "the message request of 8")
    assert received(romeo) == [] and romeo.get_prop("", "Messages", "Unread") == 0
    juliet.wait_for(lambda: state_of(juliet, ids[11]) == ("held", "waiting-approval"), 15, "the rest to be held")
    assert all(state_of(juliet, i)[0] in ("held", "sent") for i in ids)
    resolve(romeo, path, "accept", fingerprint(juliet))
    wait_received(romeo, bodies)
    for message in ids:
        wait_state(juliet, message, "delivered")
    assert queued(juliet) == 0
    # And back.
    back = with_key(romeo, fingerprint(juliet))
    answer = send(romeo, back, "by yonder blessed moon")[0]
    wait_received(juliet, ["by yonder blessed moon"])
    wait_state(romeo, answer, "delivered")


@rig.test
def requests_survive_restart(lan):
    """T-07: a question and the words set aside survive kill -9; deciding later delivers them"""
    juliet, romeo = pair(lan)
    at_juliet = wait_sight(juliet, "romeo")
    juliet.manager("AddContact", rig.GLib.Variant("(ssasa{sv})", ("", fingerprint(romeo), [], {})))
    at_juliet = with_key(juliet, fingerprint(romeo))
    wait_sight(juliet, "romeo")
    sent = send(juliet, at_juliet, "wherefore art thou")[0]
    path, props = wait_request(romeo, "new-key")
    romeo.wait_for(lambda: len(requests(romeo)[path]["Details"].get("preview", [])) == 1, 15, "the preview")
    romeo.kill9()
    romeo.restart()
    path, props = wait_request(romeo, "new-key")
    assert len(props["Details"]["preview"]) == 1
    resolve(romeo, path, "accept", fingerprint(juliet))
    wait_received(romeo, ["wherefore art thou"])
    wait_state(juliet, sent, "delivered", 60)


@rig.test
def blocked_looks_like_refused(lan):
    """S-14 T-20: a blocked stranger cannot tell block from refusal, and live streams close at once"""
    juliet = lan.host("pronto", avahi="embedded")
    others = [lan.host(name, avahi="embedded") for name in ("forza", "quarto")]
    juliet.start_daemon(name="juliet")
    tybalt, paris = others[0].start_daemon(name="tybalt"), others[1].start_daemon(name="paris")
    fates = {tybalt: "block", paris: "reject"}
    for person, choice in fates.items():
        wait_sight(person, "juliet")
        befriended = person.manager("AddContact", rig.GLib.Variant("(ssasa{sv})", ("", fingerprint(juliet), [], {})))[0]
        send(person, befriended, "hear me")
        juliet.wait_for(lambda: [p for p in requests(juliet).values() if p["Details"]["fingerprint"] == fingerprint(person)], 15, "the knock")
        path = [k for k, p in requests(juliet).items() if p["Details"]["fingerprint"] == fingerprint(person)][0]
        resolve(juliet, path, choice)
        person.wait_for(lambda: not contacts(person)[befriended]["Connected"], 15, "the stream to close")
        assert error_of(person.call, befriended, "Contact", "Connect", rig.GLib.Variant("(a{sv})", ({},))) == "Refused"
        assert contacts(person)[befriended]["LastError"] == "Refused"
    assert received(juliet) == []
    assert not requests(juliet)
    # What each could see on its own side, word for word.
    views = []
    for person in fates:
        with open(person.process.log) as out:
            views.append([re.sub(r"\[[^]]*\]|[0-9a-f]{16}|\d+", "", line).split("stream ended")[1]
                          for line in out if "stream ended" in line][-1])
    assert views[0] == views[1], views


@rig.test
def changed_key_under_known_name(lan):
    """P-09 T-11 T-12: a changed key under a known name delivers nothing and raises a request; replace with release delivers"""
    juliet, romeo = pair(lan)
    befriend(juliet, romeo)
    wait_sight(juliet, "romeo")
    contact = with_key(juliet, fingerprint(romeo))
    first = send(juliet, contact, "for the old key")[0]
    wait_state(juliet, first, "delivered")
    old = fingerprint(romeo)
    # Romeo's machine is reinstalled: same name, no memory.
    romeo.stop()
    subprocess.run(["rm", "-rf", romeo.data_dir], check=True)
    romeo.restart()
    assert fingerprint(romeo) != old
    second = send(juliet, contact, "for the old key only")[0]
    path, props = wait_request(juliet, "name-conflict", 30)
    assert props["Details"]["fingerprint"] == fingerprint(romeo) and props["Details"]["old_fingerprint"] == old
    assert received(romeo) == []
    assert state_of(juliet, second)[0] in ("queued", "held")
    assert contacts(juliet)[contact]["Trust"] == "pinned"
    resolve(juliet, path, "replace", fingerprint(romeo), release=True)
    knock, _ = wait_request(romeo, "new-key", 30)
    resolve(romeo, knock, "accept", fingerprint(juliet))
    wait_received(romeo, ["for the old key only"], 40)
    wait_state(juliet, second, "delivered", 40)


@rig.test
def nothing_in_clear(lan):
    """Section 2: a capture of a whole conversation holds no message byte and no certificate in clear"""
    canary = "CANARY-this-must-not-be-seen"
    juliet, romeo = pair(lan)
    wire = lan.tcpdump()
    befriend(juliet, romeo)
    wait_sight(juliet, "romeo")
    contact = with_key(juliet, fingerprint(romeo))
    for i in range(20):
        send(juliet, contact, "%s %d" % (canary, i))
    wait_received(romeo, ["%s %d" % (canary, i) for i in range(20)])
    send(romeo, with_key(romeo, fingerprint(juliet)), canary + " back")
    wait_received(juliet, [canary + " back"])
    juliet.stop()
    romeo.stop()
    wire.stop()
    with open(wire.path, "rb") as capture:
        data = capture.read()
    assert b"xmpp-client" in data, "the capture missed the ClientHello"
    assert b"<stream" not in data, "direct TLS sends no header in clear"
    assert b"CANARY" not in data and canary.encode("utf-16-le") not in data
    for person in (juliet, romeo):
        der = subprocess.run(["openssl", "x509", "-in", person.data_dir + "/identity.crt", "-outform", "DER"], capture_output=True,
                             check=True).stdout
        for piece in range(0, len(der) - 24, 12):
            assert der[piece:piece + 24] not in data, "a piece of a certificate is in clear"
    # nor in the logs.
    for person in (juliet, romeo):
        with open(person.process.log, "rb") as out:
            assert b"CANARY" not in out.read()


@rig.test
def starttls_where_direct_tls_is_not_announced(lan):
    """S-01 S-02: a static endpoint announces nothing, so STARTTLS opens the stream; its header is all that is in clear"""
    juliet, romeo = (lan.host(name, avahi="none").start_daemon(name=who, port=5298) for name, who in (("pronto", "juliet"), ("forza", "romeo")))
    wire = lan.tcpdump()
    befriend(juliet, romeo)
    static = juliet.call("", "Network", "AddStatic", rig.GLib.Variant("(s)", (romeo.host.address + ":5298",)))[0]
    juliet.call(static, "Contact", "Connect", rig.GLib.Variant("(a{sv})", ({},)))
    contact = with_key(juliet, fingerprint(romeo))
    wait_state(juliet, send(juliet, contact, "CANARY-static")[0], "delivered")
    wait_received(romeo, ["CANARY-static"])
    juliet.stop()
    romeo.stop()
    wire.stop()
    with open(wire.path, "rb") as capture:
        data = capture.read()
    assert b"<starttls" in data and b"<proceed" in data and b"CANARY" not in data


PROXY = """
import socket, sys, threading
server = socket.create_server(("", 7000)); print("ready", flush=True)
def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
    except OSError:
        pass
    for s in (a, b):
        try: s.shutdown(socket.SHUT_RDWR)
        except OSError: pass
def serve(a):
    first = a.recv(1)
    print("first %02x" % first[0], flush=True)
    if first == b"\\x16":
        return a.close()
    b = socket.create_connection(("127.0.0.1", 5298)); b.sendall(first)
    threading.Thread(target=pump, args=(b, a), daemon=True).start(); pump(a, b)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""


@rig.test
def announced_direct_tls_that_is_not_there(lan):
    """2.2: whoever announces direct TLS and does not speak it is reached by STARTTLS, and must show the same key"""
    if not rig.shutil.which("avahi-publish-service"):
        raise rig.Skip("needs avahi-publish-service")
    juliet = lan.host("pronto", avahi="embedded").start_daemon(name="juliet")
    host = lan.host("forza", avahi="daemon")
    romeo = host.start_daemon(name="romeo", discovery="none", port=5298)
    proxy = host.spawn([rig.sys.executable, "-c", PROXY], "proxy", lines=True)
    proxy.wait_line("ready")
    befriend(juliet, romeo)
    spki = base64.urlsafe_b64encode(bytes.fromhex(fingerprint(romeo))).decode().rstrip("=")
    host.spawn(["avahi-publish-service", "romeo@forza", "_presence._tcp", "7000", "txtvers=1", "status=avail", "tls.spki=" + spki,
                "tls.direct=1"], "publish", env=dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=host.system_bus_address))
    contact = with_key(juliet, fingerprint(romeo))
    juliet.wait_for(lambda: contacts(juliet)[contact]["Reach"] != "offline", 15, "the announcement")
    wait_state(juliet, send(juliet, contact, "all the same")[0], "delivered")
    wait_received(romeo, ["all the same"])
    assert proxy.lines[1:3] == ["first 16", "first 3c"], proxy.lines


@rig.test
def tofu_and_strict(lan):
    """T-10: tofu pins a key of a never-seen name, strict refuses unknown keys and counts them"""
    juliet, romeo = pair(lan)
    for person, mode in ((juliet, "tofu"), (romeo, "tofu")):
        person.set_prop("", "Manager", "TrustMode", rig.GLib.Variant("s", mode))
    at_juliet = wait_sight(juliet, "romeo")
    wait_sight(romeo, "juliet")
    sent = send(juliet, at_juliet, "without a question")[0]
    wait_received(romeo, ["without a question"])
    wait_state(juliet, sent, "delivered")
    assert not requests(juliet) and not requests(romeo)
    assert contacts(juliet)[with_key(juliet, fingerprint(romeo))]["Trust"] == "pinned"
    nurse = lan.host("quarto", avahi="embedded").start_daemon(name="nurse")
    romeo.set_prop("", "Manager", "TrustMode", rig.GLib.Variant("s", "strict"))
    at_nurse = wait_sight(nurse, "romeo")
    nurse.manager("AddContact", rig.GLib.Variant("(ssasa{sv})", ("", fingerprint(romeo), [], {})))
    refused = with_key(nurse, fingerprint(romeo))
    send(nurse, refused, "let me in")
    nurse.wait_for(lambda: contacts(nurse)[refused]["LastError"] == "Refused", 20, "the refusal")
    assert not requests(romeo) and received(romeo) == ["without a question"]
    assert any("strict" in text for _, text in romeo.get_prop("", "Manager", "Warnings"))


@rig.test
def away_for_a_minute(lan):
    """M-07 P-15: the receiver leaves the link, comes back under another address, and queued messages arrive by themselves"""
    juliet, romeo = pair(lan, avahi="daemon")
    # Announced, not merely connected: avahi-daemon 0.8 never finishes a registration whose link vanishes while it probes.
    wait_sight(juliet, "romeo")
    wait_sight(romeo, "juliet")
    befriend(juliet, romeo)
    contact = with_key(juliet, fingerprint(romeo))
    wait_state(juliet, send(juliet, contact, "before")[0], "delivered")
    romeo.host.link_down()
    ids = [send(juliet, contact, "while away %d" % i)[0] for i in range(5)]
    rig.settle(float(os.environ.get("EARSHOT_AWAY", "35")))
    assert received(romeo) == ["before"]
    romeo.host.change_address()
    romeo.host.link_up()
    wait_received(romeo, ["before"] + ["while away %d" % i for i in range(5)], 90)
    for message in ids:
        wait_state(juliet, message, "delivered", 30)


rig.main(needs=("openssl", "tcpdump", "nft"))
