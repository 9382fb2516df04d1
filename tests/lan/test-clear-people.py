#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Peers that know no TLS, and what people have to say about them (docs/protocol.md 3.9): asked, answered and remembered, with xmppctl."""
import rig
from gi.repository import GLib
from people import contacts, send, state_of, wait_sight
from peer import CANARY, Legacy, said


@rig.test
def asked_and_answered(lan):
    """T-21: nobody speaks in clear before a person said so; the word outlives a restart; what demands encryption never leaves; all is marked"""
    juliet = lan.host("pronto", avahi="embedded").start_daemon(name="juliet", port=5298)
    juliet.address_name = "juliet"
    assert juliet.ctl("config", "get", "legacy-policy").strip() == "refuse"
    juliet.ctl("config", "set", "legacy-policy", "ask")
    romeo = Legacy(lan.host("forza"), "purple", juliet).announce()
    contact = wait_sight(juliet, "romeo")

    # He knocks thrice: one question, nothing heard, and nothing said.
    for _ in range(3):
        stream = romeo.dial()
        romeo.hail(stream, romeo.text("may I"))
        stream.rest()
        assert not stream.wire.raw_in, stream.wire.raw_in
    pending = lines(juliet, "trust", "pending")
    assert [(line["kind"], line["fingerprint"], line["claimed_name"]) for line in pending] == [("legacy-peer", "", romeo.addr)], pending
    assert "trust legacy" in juliet.ctl("trust", "pending")
    assert contacts(juliet)[contact]["Kind"] == "legacy" and contacts(juliet)[contact]["Trust"] == "none"
    status, _out, err = juliet.ctl("send", "--require", "encrypted", romeo.addr, "x", check=False)
    assert status == 7, (status, err)
    status, _out, err = juliet.ctl("send", romeo.addr, said("for romeo"), check=False)
    assert status == 0 and "WITHOUT ENCRYPTION" in err, (status, err)
    stream = romeo.answer()  # she calls to see what he is, and leaves before a word of it
    stream.rest()
    assert b"for romeo" not in stream.wire.raw_in, stream.wire.raw_in

    # Restarted, the question still stands, about the same contact; and the policy does.
    juliet.stop()
    juliet = juliet.host.start_daemon(name="juliet", port=5298)
    juliet.address_name = "juliet"
    romeo.daemon = juliet
    assert wait_sight(juliet, "romeo") == contact
    assert [line["kind"] for line in lines(juliet, "trust", "pending")] == ["legacy-peer"]
    juliet.ctl("trust", "legacy", romeo.addr, "allow", "--yes", "--name", "romeo")
    assert not lines(juliet, "trust", "pending")

    # The word alone makes her call; what waited leaves.
    stream = romeo.answer()
    stream.message(said("for romeo"))
    stream.send(romeo.text("thanks"))
    juliet.wait_for(lambda: len(talk(juliet)) == 2, 20, "his answer")
    out, back = talk(juliet)
    assert out["insecure"] and (out["state"], out["reason"]) == ("sent", "unconfirmed"), out
    assert back["insecure"] and back["peer"] == {"petname": "romeo", "fingerprint": "", "trust": "none"}, back
    assert back["body"] == said("thanks"), back
    shown = lines(juliet, "show", "romeo")[0]
    assert shown["legacy_allowed"] and shown["session"]["tls"] == "none" and not shown["presence_proven"], shown
    rows = juliet.ctl("log", "romeo").splitlines()
    assert [row.split()[0] for row in rows if "verona" not in row and row.strip()] == ["insecure", "insecure"], rows

    # A no: nothing any more, also under `allow`, and nobody is asked again.
    juliet.ctl("trust", "legacy", "romeo", "refuse")
    stream.rest()
    juliet.ctl("config", "set", "legacy-policy", "allow")
    stream = romeo.dial()
    romeo.hail(stream, romeo.text("and now"))
    stream.rest()
    assert not stream.wire.raw_in and len(talk(juliet)) == 2 and not lines(juliet, "trust", "pending")
    with open(juliet.process.log, errors="replace") as log:
        assert CANARY not in log.read()


@rig.test
def default_require(lan):
    """T-21: a conversation that demands encryption holds what is written in it, and says why"""
    juliet = lan.host("pronto", avahi="embedded").start_daemon(name="juliet", port=5298)
    juliet.address_name = "juliet"
    juliet.set_prop("", "Manager", "LegacyPolicy", GLib.Variant("s", "allow"))
    romeo = Legacy(lan.host("forza"), "purple", juliet).announce()
    contact = wait_sight(juliet, "romeo")
    juliet.set_prop(contact, "Conversation", "DefaultRequire", GLib.Variant("s", "encrypted"))
    message = send(juliet, contact, said("for a key"))[0]  # nobody knows yet what he is
    stream = romeo.answer()  # she calls, for there is something to say; a call of his would cross hers
    juliet.wait_for(lambda: state_of(juliet, message) == ("held", "PeerInsecure"), 20, "held")
    status, _out, err = juliet.ctl("send", romeo.addr, "x", check=False)
    assert status == 7, (status, err)
    juliet.set_prop(contact, "Conversation", "DefaultRequire", GLib.Variant("s", ""))
    second = send(juliet, contact, said("for anybody"))[0]
    stream.message(said("for anybody"))
    juliet.wait_for(lambda: state_of(juliet, second) == ("sent", "unconfirmed"), 20, "sent")
    assert state_of(juliet, message) == ("held", "PeerInsecure")
    assert b"for a key" not in stream.wire.raw_in


def lines(user, *args):
    """--json, as a list whatever the number of lines."""
    found = user.ctl("--json", *args)
    return found if isinstance(found, list) else [found] if found else []


def talk(user):
    return [line for line in lines(user, "log", "romeo") if line["type"] == "message"]


rig.main()
