#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A man in the middle on the bridge (middle.py), against each trust mode, before and after the two know each other's key: what the policy
forbids him he never reads, and the people are told. And whatever else he may try: passing everything on, stripping, older TLS."""
import os
import re
import subprocess

import rig
from certs import Certificate, crl, fp_of, spki_of
from gi.repository import GLib
from middle import Middle
from peer import PORT, Peer, chat, new_id
from people import (PREFIX, contacts, error_of, fingerprint, hang_up, log, queued, received, requests, resolve, send, state_of, wait_received, wait_request,
                    wait_sight, wait_state, with_key)

SECRET = "PRIVY"
NOTHING = GLib.Variant("(a{sv})", ({},))
rig.TROUBLE += (SECRET,)


def three(lan, mode="ask", config=None, **kw):
    """Juliet and Romeo, who see each other and have not met, and the one between them, who does nothing yet."""
    juliet, romeo = (lan.host(name, avahi="embedded").start_daemon(name=who, port=PORT, config=config)
                     for name, who in (("pronto", "juliet"), ("forza", "romeo")))
    for user in (juliet, romeo):
        user.set_prop("", "Manager", "TrustMode", GLib.Variant("s", mode))
    wait_sight(juliet, "romeo"), wait_sight(romeo, "juliet")
    return juliet, romeo, Middle(lan.host("mallory", avahi="none"), (juliet, "juliet"), (romeo, "romeo"), **kw)


def sighted(user, name):
    """Whom people mean by that name when they have not met: the one that is announced."""
    return wait_sight(user, name)


def level(user, fp):
    return user.get_prop("key/" + fp, "Key", "Trust")


def warnings(user):
    return dict(user.get_prop("", "Manager", "Warnings"))


def audit(user):
    return [(record[2], record[3], record[4]) for record in user.manager("ListAudit", GLib.Variant("(tua{sv})", (0, 200, {})))[0]]


def words(n, of="juliet"):
    return "%s %s %s" % (SECRET, of, n)


def accept(user, fp, **options):
    options = {key: GLib.Variant("b", value) for key, value in options.items()}
    user.call("key/" + fp, "Key", "Accept", GLib.Variant("(sa{sv})", (fp, options)))


def friends(juliet, romeo, **options):
    for user, other in ((juliet, romeo), (romeo, juliet)):
        user.manager("AddContact", GLib.Variant("(ssasa{sv})", ("", fingerprint(other), [], {k: GLib.Variant("b", v) for k, v in options.items()})))
    return with_key(juliet, fingerprint(romeo)), with_key(romeo, fingerprint(juliet))


def diverted(middle, user, contact):
    """Calls until a call goes to him: what was cached before his lies counts for a moment."""
    before = len(middle.legs)
    for _ in range(40):
        hang_up(user, contact)
        try:
            user.call(contact, "Contact", "Connect", NOTHING)
        except GLib.Error:
            pass
        if len(middle.legs) > before:
            return
        rig.settle(0.2)
    raise AssertionError("he does not get between them")


# --- nothing but a wire -------------------------------------------------------------------------

WAYS = {"neighbours": lambda middle: middle.spoof_neighbours(), "service": lambda middle: middle.spoof_names(),
        "host": lambda middle: middle.spoof_names(host=True), "aloud": lambda middle: middle.spoof_names(host=True, quiet=False)}


@rig.test
def passes_it_on(lan):
    """2.1 7: whoever takes the place by ARP, neighbour discovery or mDNS and passes all of it on untouched has gained nothing: the keys are the true ones"""
    juliet, romeo, middle = three(lan, how="through")
    contact, back = friends(juliet, romeo)
    for n, take in enumerate(WAYS.values()):
        take(middle)
        diverted(middle, juliet, contact)
        for user, to, of in ((juliet, contact, "juliet"), (romeo, back, "romeo")):
            wait_state(user, send(user, to, words(n, of), require="pinned")[0], "delivered")
        middle.stop()
    assert SECRET.encode() not in middle.read
    assert received(romeo) == [words(n) for n in range(len(WAYS))] and received(juliet) == [words(n, "romeo") for n in range(len(WAYS))]
    assert not requests(juliet) and not requests(romeo)



# --- two TLS sessions ---------------------------------------------------------------------------

def kept_out(middle, user, contact, name, fp, **options):
    """They know each other's key by now, and he is between them: nothing reaches him of what `user` writes, and `user` is told. The message."""
    legs = len(middle.legs)
    diverted(middle, user, contact)
    before = len(middle.read)
    message = send(user, contact, words("for %s alone" % name), **options)[0]
    for _ in range(3):
        assert error_of(user.call, contact, "Contact", "Connect", NOTHING) == "NameConflict"
    assert contacts(user)[contact]["LastError"] == "NameConflict" and state_of(user, message)[0] == "queued"
    mine = [leg for leg in middle.legs[legs:] if leg.caller.user is user]
    assert mine and not any(leg.plain or leg.proof for leg in mine), "he saw a certificate, or more"   # T-12
    assert SECRET.encode() not in middle.read[before:]
    assert level(user, fp) != "unknown"
    return message


def conflict(user, middle, side, old):
    """The question about his key, which names both."""
    def found():
        return [(path, props) for path, props in requests(user, "name-conflict").items()
                if props["Details"]["fingerprint"] == middle.fingerprint(side)]
    user.wait_for(found, 20, "%s to be told of the other key" % user)
    path, props = found()[0]
    assert props["Details"]["old_fingerprint"] == old, props
    assert level(user, middle.fingerprint(side)) == "unknown"
    pending = user.ctl("trust", "pending")
    assert middle.fingerprint(side)[:8] in pending, pending
    return path


def calls_himself(middle, side, imitated, expect):
    """He calls one side under the name of the other, by his own key: what becomes of it, and of what he says."""
    peer = Peer(middle.host, imitated.addr, side.user, certificate=middle.certificates[imitated.addr])
    side.user.address_name = side.addr.split("@")[0]
    stream = peer.dial().secure()
    stream.sasl()
    if expect == "refused":
        stream.failure("not-authorized")
        return
    stream.element("{urn:ietf:params:xml:ns:xmpp-sasl}success")
    stream.restart()
    features = stream.greet()
    assert features.find("{im.earshot:trust:0}restricted") is not None
    stream.send(chat("as %s" % imitated.addr, new_id()))
    stream.alive()
    stream.close()


def nothing_afterwards(middle, juliet, romeo, take, mode="ask", **options):
    """The two have each other's key, and he comes between them: neither tells him a word, each is told of his key, and when he is gone all
    that was written arrives, once."""
    contact, back = with_key(juliet, fingerprint(romeo)), with_key(romeo, fingerprint(juliet))
    had = len(received(romeo)), len(received(juliet))
    take(middle)
    owed = [kept_out(middle, juliet, contact, "romeo", fingerprint(romeo), **options),
            kept_out(middle, romeo, back, "juliet", fingerprint(juliet), **options)]
    for user, side, other in ((juliet, 1, romeo), (romeo, 0, juliet)):
        calls_himself(middle, middle.sides[1 - side], middle.sides[side], "refused" if mode in ("strict", "ca") else "restricted")
        conflict(user, middle, side, fingerprint(other))
        shown = user.ctl("show", fingerprint(other)[:16])
        assert "NameConflict" in shown, shown
        assert ("refused", middle.fingerprint(side), "name-conflict") in audit(user), audit(user)
    assert (len(received(romeo)), len(received(juliet))) == had
    middle.stop()
    for user, message, path in ((juliet, owed[0], contact), (romeo, owed[1], back)):
        wait_state(user, message, "delivered", 60)
    assert received(romeo)[had[0]:] == [words("for romeo alone")] and received(juliet)[had[1]:] == [words("for juliet alone")]
    for user, side in ((juliet, 1), (romeo, 0)):
        resolve(user, conflict(user, middle, side, fingerprint(romeo if user is juliet else juliet)), "reject")


def with_hints(middle):
    """By mDNS, the hash of his keys included."""
    middle.spoof_names(spki={side.addr: middle.certificates[side.addr].fp for side in middle.sides})


@rig.test
def ask(lan):
    """T-07 T-10 T-11 T-12: `ask`: before they met both are asked about his keys and no message leaves; afterwards he gets no certificate and no word"""
    juliet, romeo, middle = three(lan)
    fps = {"juliet": fingerprint(juliet), "romeo": fingerprint(romeo)}
    middle.spoof_neighbours()
    at_juliet, at_romeo = sighted(juliet, "romeo"), sighted(romeo, "juliet")
    first = send(juliet, at_juliet, words("before"))[0]
    for require in ("pinned", "vouched", "ca", "verified"):
        assert error_of(send, juliet, at_juliet, words(require), require=require) == "NotTrusted"
    # He ends the TLS of both, and each has one question, about a key of his.
    juliet.wait_for(lambda: state_of(juliet, first) == ("held", "approval-needed"), 20, "the message to be held")
    for user, side, name in ((juliet, 1, "romeo"), (romeo, 0, "juliet")):
        path, props = wait_request(user, "new-key")
        assert props["Details"]["fingerprint"] == middle.fingerprint(side), props
        assert not [one for one in requests(user).values() if one["Details"]["fingerprint"] == fps[name]]
        # What is announced gives him away: with ARP alone he does not touch that.
        assert props["Details"]["announced_fingerprint"] == fps[name]
        pending = user.ctl("trust", "pending")
        assert middle.fingerprint(side)[:8] in pending and "announced with ANOTHER KEY " + fps[name][:8] in " ".join(pending.split()), pending
        assert level(user, middle.fingerprint(side)) == "unknown"
    back = with_key(romeo, middle.fingerprint(0))
    second = send(romeo, back, words("before", "romeo"))[0]
    romeo.wait_for(lambda: state_of(romeo, second) == ("held", "approval-needed"), 20, "the answer to be held")
    assert len([leg for leg in middle.legs if leg.tls == ["caller", "callee"]]) >= 1
    assert SECRET.encode() not in middle.read and b"<success" in middle.read
    assert received(romeo) == received(juliet) == []

    for user, side in ((juliet, 1), (romeo, 0)):
        resolve(user, wait_request(user, "new-key")[0], "reject")
    middle.stop()
    # He is gone, and the true keys are asked about; the messages waited for that.
    juliet.call(at_juliet, "Contact", "Connect", NOTHING)
    for user, other in ((juliet, romeo), (romeo, juliet)):
        path, props = wait_request(user, "new-key", 60)
        assert props["Details"]["fingerprint"] == fingerprint(other) and "announced_fingerprint" not in props["Details"], props
        resolve(user, path, "accept", fingerprint(other))
    contact, back = with_key(juliet, fps["romeo"]), with_key(romeo, fps["juliet"])
    wait_received(romeo, [words("before")], 60)
    wait_received(juliet, [words("before", "romeo")], 60)

    # The keys that people rejected are refused without another word, but it is on record.
    middle.spoof_neighbours()
    kept_out(middle, juliet, contact, "nobody", fps["romeo"])
    assert not requests(juliet) and ("refused", middle.fingerprint(1), "refused") in audit(juliet), audit(juliet)
    calls_himself(middle, middle.sides[1], middle.sides[0], "refused")
    assert not requests(romeo)
    middle.stop()
    wait_received(romeo, [words("before"), words("for nobody alone")], 60)
    # With new keys, and by another way.
    middle.renew()
    nothing_afterwards(middle, juliet, romeo, with_hints)



@rig.test
def tofu(lan):
    """T-10 T-11 T-12: `tofu`: a first key that is not the announced one is asked about; else it is a leap of faith, on record, and the true key a conflict"""
    juliet, romeo, middle = three(lan, "tofu")
    fps = {"juliet": fingerprint(juliet), "romeo": fingerprint(romeo)}
    # He answers with another key than the one that is announced: nobody leaps.
    middle.spoof_neighbours()
    at_juliet, at_romeo = sighted(juliet, "romeo"), sighted(romeo, "juliet")
    first = send(juliet, at_juliet, words("seen through"))[0]
    for user, side, name in ((juliet, 1, "romeo"), (romeo, 0, "juliet")):
        path, props = wait_request(user, "new-key")
        assert props["Details"]["fingerprint"] == middle.fingerprint(side) and props["Details"]["announced_fingerprint"] == fps[name], props
        assert level(user, middle.fingerprint(side)) == "unknown"
    juliet.wait_for(lambda: state_of(juliet, first) == ("held", "approval-needed"), 20, "the message to be held")
    assert SECRET.encode() not in middle.read


@rig.test
def leap_of_faith(lan):
    """T-10 T-11 T-12: `tofu`, and he forges what is announced as well: he reads what demands no more than `pinned`, as the policy allows; it is on record, and told when he goes"""
    juliet, romeo, middle = three(lan, "tofu")
    fps = {"juliet": fingerprint(juliet), "romeo": fingerprint(romeo)}
    strangers = sighted(juliet, "romeo"), sighted(romeo, "juliet")
    with_hints(middle)
    middle.wait(lambda: wait_sight(juliet, "romeo") != strangers[0] and wait_sight(romeo, "juliet") != strangers[1], 20, "his announcements to count")
    message = send(juliet, sighted(juliet, "romeo"), words("blindly"))[0]
    wait_state(juliet, message, "delivered")
    wait_received(romeo, [words("blindly")])
    assert words("blindly").encode() in middle.read
    contact = with_key(juliet, middle.fingerprint(1))
    for user, side in ((juliet, 1), (romeo, 0)):
        his = middle.fingerprint(side)
        key = user.get_all("key/" + his, "Key")
        assert (key["Trust"], key["TrustSource"]) == ("pinned", "first-use"), key
        assert ("pin", his, "pinned") in audit(user) and not requests(user)
        assert "pinned" in user.ctl("show", his[:16]) and "verified" not in user.ctl("show", his[:16])
    # Who demands more than a leap is safe from him all the same.
    for require in ("vouched", "ca", "verified"):
        assert error_of(send, juliet, contact, words(require), require=require) == "NotTrusted"
        assert words(require).encode() not in middle.read
    # He goes. The one who answers now is not the one who was trusted: told, and nothing more leaves.
    middle.stop()
    hang_up(juliet, contact)
    owed = send(juliet, contact, words("to whom"))[0]
    for user, other, side in ((juliet, "romeo", 1), (romeo, "juliet", 0)):
        if user is romeo:
            send(romeo, with_key(romeo, middle.fingerprint(0)), words("to whom", "romeo"))
        path, props = wait_request(user, "name-conflict", 60)
        assert (props["Details"]["fingerprint"], props["Details"]["old_fingerprint"]) == (fps[other], middle.fingerprint(side)), props
    assert state_of(juliet, owed)[0] == "queued" and received(romeo) == [words("blindly")] and received(juliet) == []
    for user, other in ((juliet, "romeo"), (romeo, "juliet")):
        resolve(user, wait_request(user, "name-conflict")[0], "replace", fps[other], release=True)
    wait_received(romeo, [words("blindly"), words("to whom")], 60)
    wait_received(juliet, [words("to whom", "romeo")], 60)
    middle.renew()
    nothing_afterwards(middle, juliet, romeo, lambda middle: middle.spoof_neighbours())



@rig.test
def strict(lan):
    """T-10 T-11 T-12: `strict`: he is refused and counted, before and after they know each other's key; nobody is asked before, both are told after"""
    juliet, romeo, middle = three(lan, "strict")
    middle.spoof_neighbours()
    at_juliet, at_romeo = sighted(juliet, "romeo"), sighted(romeo, "juliet")
    messages = [send(juliet, at_juliet, words("before"))[0], send(romeo, at_romeo, words("before", "romeo"))[0]]
    for user, at, side in ((juliet, at_juliet, 1), (romeo, at_romeo, 0)):
        user.wait_for(lambda: contacts(user)[at]["LastError"] == "NotTrusted", 20, "%s to be refused" % user)
        calls_himself(middle, middle.sides[1 - side], middle.sides[side], "refused")
        assert "strict" in warnings(user)["strict-refused"], warnings(user)
        assert ("refused", middle.fingerprint(side), "strict") in audit(user) and not requests(user)
        assert "NotTrusted" in user.ctl("show", middle.sides[side].addr)
    assert [state_of(user, one)[0] for user, one in zip((juliet, romeo), messages)] == ["queued", "queued"]
    assert SECRET.encode() not in middle.read and b"<message" not in middle.read
    middle.stop()
    contact, back = friends(juliet, romeo, in_person=True)
    wait_state(juliet, send(juliet, contact, words("in peace"), require="verified")[0], "delivered")
    middle.renew()
    nothing_afterwards(middle, juliet, romeo, with_hints, "strict", require="verified")


class Theirs:
    """The key of a daemon, as a certificate's subject (certs.py)."""

    def __init__(self, user):
        self.path, self.algorithm = os.path.join(user.data_dir, "identity.crt"), "EC"
        self.spki = spki_of(subprocess.run(["openssl", "x509", "-in", self.path, "-outform", "DER"], check=True, capture_output=True).stdout)
        self.fp = fingerprint(user)


@rig.test
def private_roots(lan):
    """T-06 T-10 T-11 T-12: `ca`: without a chain, or with one for another name, he is refused before and after; what needs `ca` reaches only whom the root names"""
    root = Certificate(lan.dir, cn="Our Site", ca=True)
    config = os.path.join(lan.dir, "earshotd.conf")
    with open(os.path.join(lan.dir, "site.crt"), "wb") as out:
        out.write(root.crt)
    with open(config, "w") as out:
        out.write("[earshot]\ntrust-mode=ca\ntrust-roots=%s\n" % out.name.replace("earshotd.conf", "site.crt"))
    juliet, romeo, middle = three(lan, "ca", config)
    fps = fingerprint(juliet), fingerprint(romeo)
    for user, addr in ((juliet, "juliet@pronto"), (romeo, "romeo@forza")):
        pem = Certificate(lan.dir, addr, key=Theirs(user), issuer=root).chain.decode()
        user.manager("SetCertificate", GLib.Variant("(sa{sv})", (pem, {})))
    middle.spoof_neighbours()
    at_juliet, at_romeo = sighted(juliet, "romeo"), sighted(romeo, "juliet")
    owed = send(juliet, at_juliet, words("before"))[0]
    named_otherwise = {side.addr: Certificate(lan.dir, "mallory@mallory", issuer=root) for side in middle.sides}
    for word, certificates in (("chain-unknown-root", middle.certificates), ("chain-other-name", named_otherwise)):
        middle.certificates = certificates
        for user, at, side in ((juliet, at_juliet, 1), (romeo, at_romeo, 0)):
            middle.wait(lambda: error_of(user.call, at, "Contact", "Connect", NOTHING) == "NotTrusted", 20, "him to be refused")
            calls_himself(middle, middle.sides[1 - side], middle.sides[side], "refused")
            his = middle.fingerprint(side)
            assert level(user, his) == "unknown" and word in user.get_prop("key/" + his, "Key", "Warnings")
            assert ("refused", his, "no-chain") in audit(user) and not requests(user)
    assert SECRET.encode() not in middle.read and b"<message" not in middle.read
    middle.stop()
    # Whom the root names gets what waited, and what needs `ca`.
    wait_received(romeo, [words("before")], 60)
    assert (level(juliet, fps[1]), level(romeo, fps[0])) == ("ca", "ca")
    middle.certificates = {side.addr: Certificate(lan.dir, "mallory@mallory", issuer=root) for side in middle.sides}
    nothing_afterwards(middle, juliet, romeo, with_hints, "ca", require="ca")


# --- less than TLS, and words put into mouths --------------------------------------------------------

@rig.test
def strips(lan):
    """S-03 S-05 T-21: he strips STARTTLS and the offer of direct TLS, or ends TLS below 1.3: no stanza leaves, whatever is allowed to those without TLS"""
    juliet, romeo, middle = three(lan)
    contact, back = friends(juliet, romeo)
    wait_state(juliet, send(juliet, contact, words("in peace"))[0], "delivered")
    for user in (juliet, romeo):
        user.set_prop("", "Manager", "LegacyPolicy", GLib.Variant("s", "allow"))
    owed = []
    for how, errors in (("strip", ["PeerInsecure"]), ("old", ["Failed", "NotReachable"])):
        middle.how = how
        middle.spoof_names(bare=True)
        diverted(middle, juliet, contact), diverted(middle, romeo, back)
        for user, to, of in ((juliet, contact, "juliet"), (romeo, back, "romeo")):
            owed.append((user, send(user, to, words(how, of))[0]))
            middle.wait(lambda: error_of(user.call, to, "Contact", "Connect", NOTHING) in errors, 20, errors[0])
            assert contacts(user)[to]["LastError"] in errors and contacts(user)[to]["LastError"] in user.ctl("show", middle.sides[user is juliet].addr)
            assert state_of(user, owed[-1][1])[0] == "queued" and contacts(user)[to]["Kind"] != "legacy"
        assert SECRET.encode() not in middle.read and b"<message" not in middle.read
        middle.stop()
    for user, message in owed:
        wait_state(user, message, "delivered", 60)
    assert not requests(juliet) and not requests(romeo), (requests(juliet), requests(romeo))


@rig.test
def rewrites(lan):
    """S-10 S-15 S-18 T-08 T-11: between strangers he takes the mechanisms out, offers others, says that they are admitted, and lends them a friend's name"""
    juliet, romeo, middle = three(lan)
    nurse = Certificate(lan.dir, "nurse@pronto")
    for user in (juliet, romeo):
        user.manager("AddContact", GLib.Variant("(ssasa{sv})", ("nurse", nurse.fp, [], {})))
    romeo.address_name = "romeo"
    Peer(middle.host, "nurse@pronto", romeo, certificate=nurse).dial().open().close()
    middle.spoof_neighbours()
    at_juliet = sighted(juliet, "romeo")

    def swap(old, new):
        return lambda leg, from_caller, data: data if from_caller else data.replace(old, new)
    for change in (swap(b"<mechanism>EXTERNAL</mechanism>", b""), swap(b"<mechanism>EXTERNAL</mechanism>", b"<mechanism>PLAIN</mechanism>"),
                   swap(b"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", b"<message><body>hello</body></message>")):
        middle.change = change
        before = len(middle.legs)
        assert error_of(juliet.call, at_juliet, "Contact", "Connect", NOTHING)
        assert len(middle.legs) > before and b"PLAIN" not in middle.read
    granted = b"<iq type='set' id='g'><granted xmlns='im.earshot:trust:0'/></iq>"
    middle.change = lambda leg, from_caller, data: data if from_caller else \
        re.sub(b"<restricted [^>]*>", b"", data).replace(b"</stream:features>", b"</stream:features>" + granted if b"<limits" in data else b"</stream:features>")
    message = send(juliet, at_juliet, words("as if"))[0]
    juliet.wait_for(lambda: state_of(juliet, message) == ("held", "approval-needed"), 20, "the message to be held")
    assert b"granted" not in middle.read
    path, props = wait_request(juliet, "new-key")
    assert props["Details"]["fingerprint"] == middle.fingerprint(1)
    # Her words under the name of a friend of his.
    middle.change = lambda leg, from_caller, data: data.replace(b"juliet@pronto", b"nurse@pronto") if from_caller else data
    juliet.call(at_juliet, "Contact", "Disconnect")
    middle.wait(lambda: requests(romeo, "name-conflict") or connect_again(juliet, at_juliet), 20, "romeo to be told")
    path, props = wait_request(romeo, "name-conflict")
    assert props["Details"]["old_fingerprint"] == nurse.fp and level(romeo, nurse.fp) == "pinned"
    assert SECRET.encode() not in middle.read and received(romeo) == []


def connect_again(user, contact):
    try:
        user.call(contact, "Contact", "Connect", NOTHING)
    except GLib.Error:
        pass


rig.main(needs=("openssl", "nft"))
