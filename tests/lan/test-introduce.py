#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Introductions between real daemons: a friend of two people makes them known to each other, by xmppctl from end to end; and what peers of
our own try who are no such friends, or say what no friend would."""
import base64
import os
import sqlite3
import xml.etree.ElementTree as ET

from gi.repository import GLib
import rig
from peer import CLIENT, RECEIPTS, Peer, new_id, start
from people import error_of, fingerprint, requests, send, wait_received, wait_request, wait_sight, wait_state, with_key

INTRODUCTION = "introduction"


def verified(user, fp, petname, in_person=True):
    """The contact of that key, compared face to face; or pinned."""
    options = {"in_person": GLib.Variant("b", True), "source": GLib.Variant("s", "qr")} if in_person else {}
    return user.manager("AddContact", GLib.Variant("(ssasa{sv})", (petname, fp, [], options)))[0]


def key(user, fp, name):
    return user.get_prop("key/" + fp, "Key", name)


def audit(user, **wanted):
    """The records of the daemon's audit that have these values."""
    with sqlite3.connect("file:%s?mode=ro" % os.path.join(user.data_dir, "trust.db"), uri=True) as db:
        db.row_factory = sqlite3.Row
        return [row["verdict"] for row in db.execute("SELECT * FROM audit ORDER BY n")
                if all(row[name] == value for name, value in wanted.items())]


# --- people -----------------------------------------------------------------------------------


@rig.test
def three_people(lan):
    """T-18: romeo, who verified both, introduces juliet and paris to each other; each is asked, accepts and sees whose word it is; they talk"""
    juliet, romeo, paris = (lan.host(host, avahi="embedded").start_daemon(name=name)
                            for host, name in (("pronto", "juliet"), ("forza", "romeo"), ("corte", "paris")))
    fp_juliet, fp_romeo, fp_paris = fingerprint(juliet), fingerprint(romeo), fingerprint(paris)
    verified(romeo, fp_juliet, "juliet")
    verified(juliet, fp_romeo, "romeo")
    verified(paris, fp_romeo, "romeo")
    # He pinned paris, and no more.
    assert "pinned" in verified(romeo, fp_paris, "paris", in_person=False) or key(romeo, fp_paris, "Trust") == "pinned"
    assert romeo.ctl("trust", "introduce", "juliet", "paris", check=False)[0] == 7
    verified(romeo, fp_paris, "paris")
    for user, name in ((romeo, "juliet"), (romeo, "paris"), (juliet, "romeo")):
        wait_sight(user, name)
    # She is away; he says it, and his machine crashes. Nothing is lost, nothing doubled.
    juliet.kill9()
    romeo.ctl("trust", "introduce", "juliet", "paris", "--note", "the count's kinsman")
    wait_request(paris, INTRODUCTION)
    romeo.kill9()
    romeo.restart()
    juliet.restart()
    path, request = wait_request(juliet, INTRODUCTION, 40)
    details = request["Details"]
    assert (request["Contact"], request["Key"]) in (("/", "/"), (with_key(juliet, fp_paris), rig.ROOT + "/key/" + fp_paris)), request
    assert details["fingerprint"] == fp_paris and details["name"] == "paris" and details["note"] == "the count's kinsman", details
    assert details["introducer"] == with_key(juliet, fp_romeo) and details["introducer_fingerprint"] == fp_romeo and not details["forgotten"]
    assert request["Choices"] == ["accept", "verify", "reject"], request
    romeo.wait_for(lambda: romeo.get_prop("", "Messages", "Queued") == 0, 30, "both to have been told")
    assert len(requests(juliet, INTRODUCTION)) == len(requests(paris, INTRODUCTION)) == 1
    pending = juliet.ctl("trust", "pending")
    assert "introduced by romeo, key %s" % fp_romeo[:16] in pending and "| the count's kinsman" in pending, pending
    # Nothing has come of it yet.
    assert with_key(juliet, fp_paris) is None or key(juliet, fp_paris, "Trust") == "unknown"
    assert juliet.ctl("trust", "accept", fp_paris[:16], check=False)[0] == 2
    assert error_of(juliet.call, path, "Request", "Resolve", GLib.Variant("(sa{sv})", ("accept", {}))) == "InvalidArgument"
    assert error_of(juliet.call, path, "Request", "Resolve", GLib.Variant("(sa{sv})", (
        "verify", {"fingerprint": GLib.Variant("s", fp_paris)}))) == "InvalidArgument"
    juliet.ctl("trust", "accept", "--fingerprint", fp_paris, "--name", "paris")
    paris.ctl("trust", "accept", "--fingerprint", fp_juliet, "--name", "juliet")
    for user, fp in ((juliet, fp_paris), (paris, fp_juliet)):
        assert key(user, fp, "Trust") == "vouched" and key(user, fp, "TrustSource") == "introduction", user
        assert key(user, fp, "IntroducedBy") == with_key(user, fp_romeo) and key(user, fp, "Warnings") == []
        assert not requests(user)
    assert "introduction of romeo" in juliet.ctl("trust", "ls") and "vouched by introduction of romeo" in juliet.ctl("show", "paris")
    message, _ = send(juliet, with_key(juliet, fp_paris), "well met", require="vouched")
    wait_received(paris, ["well met"], contact=with_key(paris, fp_juliet))
    wait_state(juliet, message, "delivered")
    assert error_of(send, juliet, with_key(juliet, fp_paris), "too much", require="verified") == "NotTrusted"
    # Said once more it asks nobody; and whose word it was is no friend's any more.
    romeo.ctl("trust", "introduce", "juliet", "paris", "--one-way")
    romeo.wait_for(lambda: romeo.get_prop("", "Messages", "Queued") == 0, 30, "that to be told, too")
    assert not requests(juliet)
    juliet.ctl("trust", "revoke", "romeo", "--fingerprint", fp_romeo)
    assert key(juliet, fp_paris, "Trust") == "vouched" and key(juliet, fp_paris, "Warnings") == ["introducer-untrusted"]
    juliet.ctl("trust", "forget", "paris", "--yes")
    assert with_key(juliet, fp_paris) is None or key(juliet, fp_paris, "Trust") == "unknown"


# --- peers of our own -----------------------------------------------------------------------------


def trust_message(*keys, word="trust", usage="im.earshot:intro:0"):
    said = "".join("<%s>%s</%s>" % (word, base64.b64encode(bytes.fromhex(fp)).decode(), word) for fp in keys)
    return ("<trust-message xmlns='urn:xmpp:tm:1' usage='%s' encryption='im.earshot:tls:0'><key-owner jid='x@y'>%s</key-owner></trust-message>"
            % (usage, said))


def say(stream, payload, body=None):
    """The id of a message with that in it, which asks for a receipt."""
    id = new_id()
    words = "<body>%s</body>" % body if body else ""
    stream.send("<message type='chat' id='%s'>%s<request xmlns='%s'/>%s</message>" % (id, words, RECEIPTS, payload))
    return id


def confirmed(stream, payload, body=None):
    """The daemon confirms it like any message."""
    stream.receipt(say(stream, payload, body), 20)


@rig.test
def who_is_not_heard(lan):
    """T-18: words of a pinned, a vouched and an unknown key, and malformed ones, are answered like any message and ask nobody anything"""
    juliet = start(lan)
    host = lan.host("forza", avahi="none")
    romeo, tybalt, paris, nurse = (Peer(host, name + "@forza", juliet) for name in ("romeo", "tybalt", "paris", "nurse"))
    verified(juliet, romeo.fp, "romeo")
    verified(juliet, tybalt.fp, "tybalt", in_person=False)
    with_romeo, with_tybalt = romeo.dial().open(), tybalt.dial().open()
    for body in ("meet Paris", None):
        confirmed(with_tybalt, trust_message(paris.fp), body)
    for nothing in (trust_message(paris.fp, usage="urn:xmpp:atm:1"), trust_message(paris.fp, paris.fp), trust_message(paris.fp[:60]),
                    trust_message(*(("%02x" % n) * 32 for n in range(17))), trust_message(romeo.fp), trust_message(fingerprint(juliet)),
                    trust_message(tybalt.fp)):
        confirmed(with_romeo, nothing)
    assert not requests(juliet), requests(juliet)
    # The friend is heard, once, with words and without.
    for body in (None, "meet Paris", None):
        confirmed(with_romeo, trust_message(paris.fp), body)
    path, request = wait_request(juliet, INTRODUCTION)
    assert len(requests(juliet)) == 1 and request["Key"] == "/" and with_key(juliet, paris.fp) is None
    juliet.restart()
    juliet.wait_for(lambda: list(requests(juliet)) == [path], 20, "the question to be there again")
    juliet.ctl("trust", "accept", "--fingerprint", paris.fp)
    assert key(juliet, paris.fp, "Trust") == "vouched"
    # Whom he vouched for vouches for nobody.
    with_paris = paris.dial().open()
    confirmed(with_paris, trust_message(nurse.fp), "meet the nurse")
    assert not requests(juliet)
    # A stranger's words wait with the knock, and what is beside them is not even that.
    with_nurse = nurse.dial().open()
    bounced = say(with_nurse, trust_message("77" * 32))
    error = with_nurse.stanza(lambda e: e.get("id") == bounced, 20)
    assert error.get("type") == "error" and error.find("{%s}error" % CLIENT) is not None, ET.tostring(error)
    say(with_nurse, trust_message("77" * 32), "meet somebody")
    with_nurse.alive()
    assert [props["Kind"] for props in requests(juliet).values()] == ["new-key"]
    # A no is remembered.
    with_romeo = romeo.dial().open()
    confirmed(with_romeo, trust_message("88" * 32))
    path, _ = wait_request(juliet, INTRODUCTION)
    juliet.ctl("trust", "reject", "88" * 8)
    confirmed(with_romeo, trust_message("88" * 32))
    assert not requests(juliet, INTRODUCTION)
    # A thousand of them are not a thousand questions.
    for n in range(64):
        say(with_romeo, trust_message(*("%04x" % (16 * n + m) * 16 for m in range(16))))
    with_romeo.alive()
    juliet.wait_for(lambda: len(requests(juliet, INTRODUCTION)) == 16, 20, "as many questions as one may raise")
    juliet.stop()
    verdicts = audit(juliet, event=INTRODUCTION, caller="peer")
    assert verdicts.count("speaker-not-verified") == 3 and "malformed" in verdicts and "too-many" in verdicts and len(verdicts) < 50, verdicts


@rig.test
def keys_given_up(lan):
    """T-19: a key that distrusts itself is revoked, its streams end and it is not let in again; of another key it is only a warning"""
    juliet = start(lan)
    host = lan.host("forza", avahi="none")
    romeo, tybalt = Peer(host, "romeo@forza", juliet), Peer(host, "tybalt@forza", juliet)
    verified(juliet, romeo.fp, "romeo")
    verified(juliet, tybalt.fp, "tybalt", in_person=False)
    with_romeo, with_tybalt = romeo.dial().open(), tybalt.dial().open()
    confirmed(with_tybalt, trust_message(romeo.fp, word="distrust"))
    assert key(juliet, romeo.fp, "Trust") == "verified" and key(juliet, romeo.fp, "Warnings") == []
    confirmed(with_romeo, trust_message(tybalt.fp, word="distrust"), "he lost his phone")
    juliet.wait_for(lambda: key(juliet, tybalt.fp, "Warnings") == ["distrusted"], 20, "the warning")
    assert key(juliet, tybalt.fp, "Trust") == "pinned"
    with_tybalt.alive()
    assert "distrusted" in juliet.ctl("show", "tybalt")
    id = say(with_romeo, trust_message(romeo.fp, word="distrust"), "and so did I")
    before = with_romeo.error("reset", timeout=20)
    receipts = [event.find("{%s}received" % RECEIPTS) for kind, event in before if kind == "element"]
    assert [one.get("id") for one in receipts if one is not None] == [id], before
    assert key(juliet, romeo.fp, "Trust") == "revoked"
    stream = romeo.dial().secure()
    stream.sasl()
    stream.failure("not-authorized")
    # What a person says after a warning counts.
    juliet.ctl("trust", "accept", "tybalt", "--fingerprint", tybalt.fp)
    assert key(juliet, tybalt.fp, "Warnings") == []
    juliet.stop()
    assert audit(juliet, event="revoke", caller="peer") == ["revoked: given up by its owner"]
    assert audit(juliet, event="distrust", caller="peer") == ["speaker-not-verified", "warned"]


rig.main(needs=("openssl",))
