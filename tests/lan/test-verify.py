#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Verification by code between real daemons: two people who compare, a peer of our own that computes the code by itself (and one that
cheats), and a man in the middle who holds a TLS session of his own with each of two people."""
import base64
import hashlib
import hmac
import os
import sqlite3
import xml.etree.ElementTree as ET

from gi.repository import GLib
import rig
from certs import Certificate
from peer import CLIENT, PORT, STANZA_ERRORS, Peer, new_id, start
from people import PREFIX, error_of, fingerprint, hang_up, requests, send, wait_received, wait_state, with_key

SAS = "im.earshot:sas:0"
NOTHING = GLib.Variant("(a{sv})", ({},))


# --- what both kinds of test use ------------------------------------------------------------

def runs(user):
    """{path: Verification properties}"""
    return {path: ifaces[PREFIX + "Verification"] for path, ifaces in user.objects().items() if PREFIX + "Verification" in ifaces}


def run_with(user, contact):
    for path, props in runs(user).items():
        if props["Contact"] == contact:
            return dict(props, path=path)
    return None


def comparing(user, contact):
    """Waits for the code; the run's properties, with its path."""
    def ready():
        found = run_with(user, contact)
        return found if found and found["State"] == "comparing" else None
    return user.wait_for(ready, 20, "a code at %s" % user)


def verify(user, contact):
    return user.call(contact, "Contact", "Verify", NOTHING)[0]


def enter(user, run, code):
    return user.call(run["path"], "Verification", "EnterCode", GLib.Variant("(s)", (code,)))[0]


def level(user, fp):
    return user.get_prop("key/" + fp, "Key", "Trust")


def gone(user, contact):
    user.wait_for(lambda: run_with(user, contact) is None, 20, "the run to end at %s" % user)


def ends(user):
    """A list that grows with (state, reason) of every run that ends."""
    class Ends(list):
        def look(self):
            self[:] = [(args[1]["State"], args[1].get("Reason", "")) for path, i, m, args in self.signals
                       if args[0] == PREFIX + "Verification" and args[1].get("State") in ("done", "mismatch", "cancelled", "expired")]
            return self
    found = Ends()
    found.signals = user.signals("org.freedesktop.DBus.Properties", "PropertiesChanged")
    user.has_owner()  # a round trip: who owns the name is known from here on, and its signals are heard
    return found


def await_end(user, found, state, reason):
    user.wait_for(lambda: found.look(), 60, "a run to end at %s" % user)
    assert found[-1] == (state, reason), found


def audit(user):
    """[(event, fingerprint, verdict)]; the daemon must have stopped."""
    with sqlite3.connect(os.path.join(user.data_dir, "trust.db")) as db:
        return [(event, fp, verdict) for event, fp, verdict in db.execute("SELECT event, fp, verdict FROM audit ORDER BY n")]


def couple(lan):
    """Two daemons that have never met; (juliet, romeo, romeo at juliet). Nobody is trusted by anybody."""
    juliet, romeo = start(lan), start(lan, "forza", "romeo")
    contact = juliet.call("", "Network", "AddStatic", GLib.Variant("(s)", ("%s:%d" % (romeo.host.address, PORT),)))[0]
    return juliet, romeo, contact


# --- two people --------------------------------------------------------------------------------

@rig.test
def strangers(lan):
    """T-14 T-16: two strangers compare, see the same, and each becomes verified by the own user's word alone; then they talk"""
    juliet, romeo, contact = couple(lan)
    path = verify(juliet, contact)  # dials
    at_juliet = comparing(juliet, contact)
    assert at_juliet["path"].endswith(path) and at_juliet["Role"] == "initiator", at_juliet
    fp_juliet, fp_romeo = fingerprint(juliet), fingerprint(romeo)
    romeos_juliet = with_key(romeo, fp_juliet)
    at_romeo = comparing(romeo, romeos_juliet)
    assert at_romeo["Role"] == "responder" and at_romeo["Code"] == at_juliet["Code"], (at_romeo, at_juliet)
    assert at_romeo["Key"].endswith(fp_juliet) and at_juliet["Key"].endswith(fp_romeo)
    numbers = [int(number) for number in at_romeo["Code"].split(" ")]
    assert len(numbers) == 3 and all(1000 <= number <= 9191 for number in numbers), numbers
    # The one who was asked joins the run that is there.
    assert verify(romeo, romeos_juliet) == at_romeo["path"]
    assert (level(juliet, fp_romeo), level(romeo, fp_juliet)) == ("unknown", "unknown")
    assert enter(juliet, at_juliet, at_romeo["Code"]) is True
    assert level(juliet, fp_romeo) == "verified" and juliet.get_prop("key/" + fp_romeo, "Key", "TrustSource") == "code"
    gone(juliet, contact)
    assert level(romeo, fp_juliet) == "unknown" and len(requests(romeo)) == 1 and not requests(juliet)
    romeo.call(at_romeo["path"], "Verification", "Confirm", GLib.Variant("(b)", (True,)))
    assert level(romeo, fp_juliet) == "verified" and not requests(romeo)
    message, _ = send(juliet, with_key(juliet, fp_romeo), "verified, are we?", require="verified")
    wait_received(romeo, ["verified, are we?"])
    wait_state(juliet, message, "delivered")
    # On disk, too.
    juliet.restart()
    juliet.wait_for(lambda: level(juliet, fp_romeo) == "verified", 20)
    romeo.stop()
    assert [row for row in audit(romeo) if row[0] == "verify"] == [("verify", fp_juliet, "verified")]


@rig.test
def the_other_way_round(lan):
    """T-14 T-16: the same with xmppctl on both ends, begun by the other side; a slip costs nothing"""
    juliet, romeo, contact = couple(lan)
    juliet.call(contact, "Contact", "Connect", NOTHING)
    romeo.wait_for(lambda: with_key(romeo, fingerprint(juliet)), 20)
    his, hers = fingerprint(romeo)[:16], fingerprint(juliet)[:16]
    shown = romeo.ctl("verify", hers, "--json")
    assert shown["type"] == "verification" and shown["state"] == "comparing" and shown["role"] == "initiator", shown
    pending = juliet.ctl("trust", "pending")
    assert "xmppctl verify " + his in pending and shown["code"] not in pending, pending
    code = juliet.ctl("verify", his).strip()
    assert code == shown["code"], (code, shown)
    assert juliet.ctl("verify", his, "--enter", "4821 73", check=False)[0] == 2
    assert juliet.ctl("verify", his, "--enter", "0000 0000 0000", check=False)[0] == 2
    juliet.ctl("verify", his, "--enter", shown["code"].replace(" ", "-"))
    assert level(juliet, fingerprint(romeo)) == "verified" and level(romeo, fingerprint(juliet)) == "unknown"
    romeo.ctl("verify", hers, "--enter", code)
    juliet.ctl("wait", his, "--for", "verified", "--timeout", "20")
    romeo.ctl("wait", hers, "--for", "verified", "--timeout", "20")
    assert romeo.ctl("verify", hers, "--enter", code, check=False)[0] == 3  # nothing is being compared any more


@rig.test
def both_begin(lan):
    """Both run `verify` in the same moment: one run, one code"""
    juliet, romeo, contact = couple(lan)
    juliet.call(contact, "Contact", "Connect", NOTHING)
    romeo.wait_for(lambda: with_key(romeo, fingerprint(juliet)), 20)
    romeos_juliet = with_key(romeo, fingerprint(juliet))
    verify(juliet, contact)
    verify(romeo, romeos_juliet)
    a, b = comparing(juliet, contact), comparing(romeo, romeos_juliet)
    assert a["Code"] == b["Code"], (a, b)


@rig.test
def wrong_code(lan):
    """T-16: a wrong code is the only try: nothing changes, the stream closes, it is in the audit of both"""
    juliet, romeo, contact = couple(lan)
    verify(juliet, contact)
    at_juliet = comparing(juliet, contact)
    romeos_juliet = with_key(romeo, fingerprint(juliet))
    comparing(romeo, romeos_juliet)
    his, hers = ends(juliet), ends(romeo)
    wrong = at_juliet["Code"][:-1] + ("1" if at_juliet["Code"][-1] == "0" else "0")
    assert juliet.ctl("verify", fingerprint(romeo)[:16], "--enter", wrong, check=False)[0] == 7
    await_end(juliet, his, "mismatch", "code")
    await_end(romeo, hers, "mismatch", "peer")
    juliet.wait_for(lambda: not juliet.get_prop(contact, "Contact", "Connected"), 20, "the stream to close")
    assert error_of(enter, juliet, at_juliet, at_juliet["Code"]) == "NotFound"
    assert (level(juliet, fingerprint(romeo)), level(romeo, fingerprint(juliet))) == ("unknown", "unknown")
    assert not any(at_juliet["Code"] in str(args) for _, _, _, args in his.signals + hers.signals), "a code in a signal"
    fp_juliet, fp_romeo = fingerprint(juliet), fingerprint(romeo)
    juliet.stop(), romeo.stop()
    assert ("verify", fp_romeo, "mismatch: code") in audit(juliet) and ("verify", fp_juliet, "mismatch: peer") in audit(romeo)
    for user in (juliet, romeo):
        with open(user.process.log, errors="replace") as log:
            assert at_juliet["Code"] not in log.read(), "a code in the log"


@rig.test
def cancelled(lan):
    """Either side cancels; the stream stays. T-16: three runs in ten minutes, whoever begins them, also on new streams"""
    juliet, romeo, contact = couple(lan)
    juliet.call(contact, "Contact", "Connect", NOTHING)
    romeo.wait_for(lambda: with_key(romeo, fingerprint(juliet)), 20)
    romeos_juliet = with_key(romeo, fingerprint(juliet))
    codes = set()
    for number in range(3):
        beginner, other = ((juliet, contact), (romeo, romeos_juliet))[::1 if number % 2 else -1]
        verify(*beginner)
        run, theirs = comparing(*beginner), comparing(*other)
        codes.add(run["Code"])
        found = ends(other[0])
        beginner[0].call(run["path"], "Verification", "Cancel", GLib.Variant("(s)", ("not now",)))
        await_end(other[0], found, "cancelled", "peer")
        gone(*other)
        assert error_of(enter, beginner[0], run, theirs["Code"]) == "NotFound"
        assert beginner[0].get_prop(beginner[1], "Contact", "Connected")
    assert len(codes) == 3, codes
    assert error_of(verify, juliet, contact) == "QuotaExceeded" and error_of(verify, romeo, romeos_juliet) == "QuotaExceeded"
    hang_up(juliet, contact)
    assert error_of(verify, juliet, contact) == "QuotaExceeded"
    assert juliet.ctl("verify", fingerprint(romeo)[:16], check=False)[0] == 8


@rig.test
def stream_closes(lan):
    """The code is bound to the stream: when that goes, also with a crash, there is nothing left to answer"""
    juliet, romeo, contact = couple(lan)
    verify(juliet, contact)
    run, found = comparing(juliet, contact), ends(juliet)
    romeo.kill9()
    await_end(juliet, found, "cancelled", "stream-closed")
    assert error_of(enter, juliet, run, run["Code"]) == "NotFound"
    assert not run_with(juliet, contact)


# --- the same computed elsewhere ------------------------------------------------------------------

def b64(data):
    return base64.b64encode(data).decode()


def commitment(na, fp_a, fp_b):
    return hashlib.sha256(b"LL-SAS-1 commit\0" + na + fp_a + fp_b).digest()


def code_of(na, nb, exporter, fp_a, fp_b):
    """docs/protocol.md 3.6c (4), from RFC 5869."""
    prk = hmac.new(exporter, na + nb, hashlib.sha256).digest()
    bits = int.from_bytes(hmac.new(prk, b"LL-SAS-1" + fp_a + fp_b + b"\1", hashlib.sha256).digest(), "big") >> (256 - 39)
    return "%d %d %d" % tuple(1000 + (bits >> shift & 8191) for shift in (26, 13, 0))


def expand_label(secret, label, context, length, name):
    """RFC 8446 section 7.1; the lengths here need one round of HKDF-Expand."""
    label = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(label)]) + label + bytes([len(context)]) + context
    return hmac.new(secret, info + b"\1", name).digest()[:length]


def exporter_of(keylog):
    """RFC 9266 by RFC 8446 section 7.5, from the exporter secret that OpenSSL wrote down."""
    with open(keylog) as file:
        secret = bytes.fromhex([line.split()[2] for line in file if line.startswith("EXPORTER_SECRET ")][-1])
    name = {32: "sha256", 48: "sha384"}[len(secret)]
    empty = hashlib.new(name, b"").digest()
    derived = expand_label(secret, b"EXPORTER-Channel-Binding", empty, len(secret), name)
    return expand_label(derived, b"exporter", empty, 32, name)


class Leg:
    """An open stream of a peer of ours with a daemon, on which codes can be compared, honestly or not."""

    def __init__(self, peer, user):
        self.peer, self.user = peer, user
        self.own, self.other = bytes.fromhex(peer.fp), bytes.fromhex(fingerprint(user))
        self.keylog = os.path.join(peer.host.dir, "keylog-" + new_id())
        context = peer.client_context()
        context.keylog_filename = self.keylog
        peer.daemon = user
        self.stream = peer.dial().open(context=context)
        self.stream.alive()
        self.contact = user.wait_for(lambda: with_key(user, peer.fp), 20)

    @property
    def exporter(self):
        return exporter_of(self.keylog)

    def set(self, name, data=None, id=None, **attributes):
        id = id or new_id()
        attributes = "".join(" %s='%s'" % pair for pair in attributes.items())
        self.stream.send("<iq type='set' id='%s'><%s xmlns='%s'%s>%s</%s></iq>" % (id, name, SAS, attributes, b64(data) if data else "", name))
        return id

    def result(self, id, name=None, data=None):
        self.stream.send("<iq type='result' id='%s'>%s</iq>" % (id, "<%s xmlns='%s'>%s</%s>" % (name, SAS, b64(data), name) if name else ""))

    def answer(self, id, kind="result"):
        """The answer to what we set, demanded to be of that kind; the payload of ours, decoded, in it."""
        found = self.stream.stanza(lambda e: e.get("id") == id and e.get("type") in ("result", "error"), 20)
        assert found.get("type") == kind, ET.tostring(found)
        return base64.b64decode(found[0].text) if kind == "result" and len(found) else found

    def asked(self, name):
        """What the daemon sets: (id, element)."""
        found = self.stream.stanza(lambda e: e.get("type") == "set" and e.find("{%s}%s" % (SAS, name)) is not None, 20)
        return found.get("id"), found.find("{%s}%s" % (SAS, name))

    def commit(self, na, keys=None):
        return self.set("commit", commitment(na, *(keys or (self.own, self.other))))

    def condition(self, id, condition):
        found = self.answer(id, "error")
        assert found.find("{%s}error/{%s}%s" % (CLIENT, STANZA_ERRORS, condition)) is not None, ET.tostring(found)


@rig.test
def computed_elsewhere(lan):
    """T-14: a peer that computes the code by itself, from the TLS exporter up, comes to the same as the daemon, in either role"""
    juliet = start(lan)
    leg = Leg(Peer(lan.host("forza", avahi="none"), "romeo@forza", juliet), juliet)
    na = os.urandom(32)
    nb = leg.answer(leg.commit(na))
    leg.answer(leg.set("reveal", na))
    run = comparing(juliet, leg.contact)
    assert run["Code"] == code_of(na, nb, leg.exporter, leg.own, leg.other), run
    leg.set("cancel", reason="user")
    gone(juliet, leg.contact)
    # The daemon as A.
    verify(juliet, leg.contact)
    id, commit = leg.asked("commit")
    nb = os.urandom(32)
    leg.result(id, "nonce", nb)
    id, reveal = leg.asked("reveal")
    na = base64.b64decode(reveal.text)
    assert base64.b64decode(commit.text) == commitment(na, leg.other, leg.own)
    assert run_with(juliet, leg.contact)["State"] == "waiting-peer" and run_with(juliet, leg.contact)["Code"] == ""
    leg.result(id)
    run = comparing(juliet, leg.contact)
    assert run["Code"] == code_of(na, nb, leg.exporter, leg.other, leg.own), run
    assert enter(juliet, run, run["Code"]) is True
    assert level(juliet, leg.peer.fp) == "verified"


@rig.test
def tricks(lan):
    """T-14: a wrong reveal, one for other keys, a second commitment, a step too early: the run ends, and nothing comes of it"""
    juliet = start(lan)
    host = lan.host("forza", avahi="none")

    def commits(leg, na, keys=None):
        leg.answer(leg.commit(na, keys))

    def reveal_of_another(leg, na):
        commits(leg, na)
        return leg.set("reveal", os.urandom(32))

    def for_the_other_order(leg, na):
        commits(leg, na, (leg.other, leg.own))
        return leg.set("reveal", na)

    def for_other_keys(leg, na):
        commits(leg, na, (os.urandom(32), leg.other))
        return leg.set("reveal", na)
    for number, trick in enumerate((reveal_of_another, for_the_other_order, for_other_keys)):
        leg = Leg(Peer(host, "romeo%d@forza" % number), juliet)
        found = ends(juliet)
        leg.condition(trick(leg, os.urandom(32)), "bad-request")
        leg.stream.error("reset")
        await_end(juliet, found, "mismatch", "commitment")
        assert level(juliet, leg.peer.fp) == "unknown"

    def twice(leg, na):
        commits(leg, na)
        return leg.commit(na)

    def malformed(leg, na):
        return leg.set("commit", na[:31])

    def revealed_twice(leg, na):
        commits(leg, na)
        leg.answer(leg.set("reveal", na))
        return leg.set("reveal", na)
    for number, trick in enumerate((twice, malformed, revealed_twice)):
        leg = Leg(Peer(host, "mercutio%d@forza" % number), juliet)
        found = ends(juliet)
        leg.condition(trick(leg, os.urandom(32)), "bad-request")
        _, cancel = leg.asked("cancel")
        assert cancel.get("reason") == "mismatch", ET.tostring(cancel)
        gone(juliet, leg.contact)
        assert not found.look() or found[-1] == ("cancelled", "protocol"), found
        assert level(juliet, leg.peer.fp) == "unknown"
        leg.stream.alive()
        leg.condition(leg.set("reveal", os.urandom(32)), "item-not-found")
    juliet.stop()
    assert [row[2] for row in audit(juliet) if row[0] == "verify"] == ["mismatch: commitment"] * 3


@rig.test
def knocks_too_often(lan):
    """T-16: the fourth run of a key in ten minutes is refused, also on another stream, and bothers nobody; another key is another matter"""
    juliet = start(lan)
    host = lan.host("forza", avahi="none")
    peer = Peer(host, "romeo@forza")
    for number in range(6):
        leg = Leg(peer, juliet)
        na = os.urandom(32)
        id = leg.commit(na)
        if number < 3:
            leg.answer(id)
            leg.answer(leg.set("reveal", na))
            comparing(juliet, leg.contact)
        else:
            # Told once, refused each time.
            assert number > 3 or leg.asked("cancel")[1].get("reason") == "limit"
            leg.condition(id, "policy-violation")
            assert not runs(juliet)
        leg.stream.close()
        gone(juliet, leg.contact)
    assert error_of(verify, juliet, leg.contact) in ("QuotaExceeded", "NotReachable")
    other = Leg(Peer(host, "paris@forza"), juliet)
    other.answer(other.commit(os.urandom(32)))


@rig.test
def never_reveals(lan):
    """T-16: who commits and says nothing more is dropped after the half minute that the exchange may take"""
    juliet = start(lan)
    leg = Leg(Peer(lan.host("forza", avahi="none"), "romeo@forza"), juliet)
    leg.answer(leg.commit(os.urandom(32)))
    run = juliet.wait_for(lambda: run_with(juliet, leg.contact), 20)
    assert run["State"] == "waiting-peer" and run["Code"] == "" and run["Expires"] > 0
    assert error_of(enter, juliet, run, "4821 7305 1192") == "Failed"
    cancel = leg.stream.stanza(lambda e: e.find("{%s}cancel" % SAS) is not None, 60).find("{%s}cancel" % SAS)
    gone(juliet, leg.contact)
    assert cancel.get("reason") == "timeout", ET.tostring(cancel)
    assert level(juliet, leg.peer.fp) == "unknown"


# --- a man in the middle ----------------------------------------------------------------------------

ROUNDS = 51  # three for each of his keys: no more are let through


@rig.test
def man_in_the_middle(lan):
    """T-15: somebody with a TLS session and a key of his own towards each of two people never gets both screens to show the same"""
    juliet, romeo = start(lan), start(lan, "forza", "romeo")
    host = lan.host("corte", avahi="none")
    seen = set()
    for number in range(ROUNDS):
        if number % 3 == 0:
            peer = Peer(host, "mallory%d@corte" % number)
            a, b = Leg(peer, juliet), Leg(peer, romeo)
        # Juliet begins; he is B towards her and A towards Romeo.
        verify(juliet, a.contact)
        id, commit = a.asked("commit")
        na_middle = os.urandom(32)
        if number % 3 == 2:
            # He passes on everything that he can: her commitment names the wrong keys for Romeo.
            at_romeo = b.set("commit", base64.b64decode(commit.text))
            nb = b.answer(at_romeo)
            a.result(id, "nonce", nb)
            id, reveal = a.asked("reveal")
            b.condition(b.set("reveal", base64.b64decode(reveal.text)), "bad-request")
            b.stream.error("reset")
            a.result(id)
            comparing(juliet, a.contact)
            assert level(romeo, peer.fp) == "unknown" and not runs(romeo)
            a.stream.close()
            gone(juliet, a.contact)
            continue
        nb = b.answer(b.commit(na_middle))
        # With Romeo's nonce for her, or one of his own choice, made when he knows all that he can know.
        mine = nb if number % 3 else hashlib.sha256(nb).digest()
        a.result(id, "nonce", mine)
        id, reveal = a.asked("reveal")
        na = base64.b64decode(reveal.text)
        a.result(id)
        b.answer(b.set("reveal", na_middle))
        at_juliet, at_romeo = comparing(juliet, a.contact), comparing(romeo, b.contact)
        assert at_juliet["Code"] == code_of(na, mine, a.exporter, a.other, a.own)
        assert at_romeo["Code"] == code_of(na_middle, nb, b.exporter, b.own, b.other)
        assert at_juliet["Code"] != at_romeo["Code"], (number, at_juliet)
        assert not seen & {at_juliet["Code"], at_romeo["Code"]}, "a code came twice"
        seen |= {at_juliet["Code"], at_romeo["Code"]}
        if number == ROUNDS - 2:
            # What people do: she types what stands on his screen.
            assert enter(juliet, at_juliet, at_romeo["Code"]) is False
            a.stream.rest()
            assert level(juliet, peer.fp) == "unknown"
            break
        for user, leg, run in ((juliet, a, at_juliet), (romeo, b, at_romeo)):
            user.call(run["path"], "Verification", "Cancel", GLib.Variant("(s)", ("",)))
            gone(user, leg.contact)
            leg.asked("cancel")
    assert len(seen) >= 60, len(seen)


rig.main(needs=("openssl",))
