#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a message demands counts when it leaves, not only when it is written: levels that fall in between, and what is under way when they do.
And what a caller can learn from how, and how fast, it is refused."""
import contextlib
import os
import re
import socket
import statistics
import time

import rig
from certs import Certificate
from gi.repository import GLib
from peer import Closed, Peer, Silence, chat, connect, new_id, pin, said, start
from people import (PREFIX, contacts, error_of, fingerprint, received, requests, resolve, send, state_of, wait_received, wait_request, wait_state,
                    with_key)

NOTHING = GLib.Variant("(a{sv})", ({},))


def key_call(user, fp, method, *args):
    user.call("key/" + fp, "Key", method, GLib.Variant("(s%s)" % ("a{sv}" if method == "Accept" else "s"), (fp, *args)))


@rig.test
def revoked_under_way(lan):
    """T-20: what the daemon still holds for a key when it is revoked, or its contact blocked, does not leave any more"""
    juliet = start(lan)
    for number, fall in enumerate((lambda contact, fp: key_call(juliet, fp, "Revoke", "lost"),
                                   lambda contact, fp: juliet.set_prop(contact, "Contact", "Blocked", GLib.Variant("b", True)))):
        romeo = Peer(lan.hosts.get("forza") or lan.host("forza", avahi="none"), "romeo%d@forza" % number, juliet)
        contact = pin(juliet, romeo)
        stream = romeo.dial().open()
        # He stops reading: what is written piles up here, as far as his and the kernel's buffers do not take it.
        stream.wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        ids = [send(juliet, contact, said("%02d " % n) + "x" * 50000)[0] for n in range(60)]
        juliet.wait_for(lambda: state_of(juliet, ids[0])[0] == "sent", 20, "the first to be written")
        rig.settle(0.5)
        written = sum(state_of(juliet, one)[0] == "sent" for one in ids)
        fall(contact, romeo.fp)
        with contextlib.suppress(Closed, Silence):
            while True:
                stream.text += stream.wire.read(10)
        arrived = len(re.findall(b"</message>", stream.text))
        rig.note("%d were written, %d arrived" % (written, arrived))
        assert arrived < written, (arrived, written)
        assert b"<reset" not in stream.text, "it was read to the end"
        assert not contacts(juliet)[contact]["Connected"]


@rig.test
def falls_before_it_leaves(lan):
    """T-06 T-11 T-20: `require`: verified, then replaced by a pinned key; ca, then pinned by a person: what demands more stays, also on an open stream"""
    root = Certificate(lan.dir, cn="Our Site", ca=True)
    config = os.path.join(lan.dir, "earshotd.conf")
    with open(os.path.join(lan.dir, "site.crt"), "wb") as out:
        out.write(root.crt)
    with open(config, "w") as conf:
        conf.write("[earshot]\ntrust-mode=ca\ntrust-roots=%s\n" % out.name)
    juliet = start(lan, config=config)
    host = lan.host("forza", avahi="none")
    romeo = Peer(host, "romeo@forza", juliet, certificate=Certificate(lan.dir, "romeo@forza", issuer=root))
    stream = romeo.dial().open()
    contact = with_key(juliet, romeo.fp)
    by_root = send(juliet, contact, said("by the root"), require="ca")[0]
    assert stream.message(said("by the root")).get("id") == by_root
    # A person's word takes the place of the chain: less than `ca`. The stream does not stay as it was.
    key_call(juliet, romeo.fp, "Accept", {})
    stream.error("reset")
    assert juliet.get_prop("key/" + romeo.fp, "Key", "Trust") == "pinned"
    plain = send(juliet, contact, said("for anybody known"))[0]
    assert error_of(send, juliet, contact, said("no"), require="ca") == "NotTrusted"
    stream = romeo.dial().open()
    assert stream.message(said("for anybody known")).get("id") == plain
    stream.alive()
    assert state_of(juliet, by_root) == ("held", "require"), state_of(juliet, by_root)
    stream.close()
    # Verified in person; written for that; and another key takes the place, with what was written.
    paris = Peer(host, "paris@forza", juliet)
    contact = juliet.manager("AddContact", GLib.Variant("(ssasa{sv})", ("paris", paris.fp, [], {"in_person": GLib.Variant("b", True)})))[0]
    paris.dial().open().close()
    juliet.wait_for(lambda: not contacts(juliet)[contact]["Connected"], 10)
    owed = [send(juliet, contact, said("face to face"), require="verified")[0], send(juliet, contact, said("to whom it may concern"))[0]]
    juliet.set_prop("", "Manager", "TrustMode", GLib.Variant("s", "ask"))
    other = Peer(host, "paris@forza", juliet)
    stream = other.dial().open()
    path, props = wait_request(juliet, "name-conflict")
    resolve(juliet, path, "replace", other.fp, release=True)
    stream.close()  # this one was opened for a stranger
    stream = other.dial().open()
    assert stream.message(said("to whom it may concern")).get("id") == owed[1]
    stream.alive()
    assert state_of(juliet, owed[0])[0] == "held", state_of(juliet, owed[0])
    # On the open stream it is verified, and what waited for that leaves.
    key_call(juliet, other.fp, "Accept", {"in_person": GLib.Variant("b", True)})
    assert stream.message(said("face to face")).get("id") == owed[0]


# --- what a refusal tells ------------------------------------------------------------------------------

TRIES = 60


@rig.test
def refusals_are_alike(lan):
    """S-14: blocked, rejected, revoked and refused callers get the same bytes, and wait for them equally long"""
    juliet = start(lan)
    host = lan.host("forza", avahi="none")
    blocked, rejected, revoked, unknown = (Peer(host, "%s@forza" % name, juliet) for name in ("tybalt", "paris", "gregory", "samson"))
    juliet.set_prop(pin(juliet, blocked), "Contact", "Blocked", GLib.Variant("b", True))
    pin(juliet, revoked)
    key_call(juliet, revoked.fp, "Revoke", "lost")
    rejected.dial().open().close()
    resolve(juliet, wait_request(juliet, "new-key")[0], "reject")
    juliet.set_prop("", "Manager", "TrustMode", GLib.Variant("s", "strict"))
    answers, times = set(), {peer.addr: [] for peer in (blocked, rejected, revoked, unknown)}
    for _ in range(TRIES):
        for peer in (blocked, rejected, revoked, unknown):
            stream = peer.dial().secure()
            stream.text = b""
            begin = time.monotonic()
            stream.sasl()
            stream.element("failure")
            times[peer.addr].append(time.monotonic() - begin)
            with contextlib.suppress(Closed):
                while True:
                    stream.next()
            answers.add(bytes(stream.text))
            stream.wire.close()
    assert len(answers) == 1, answers
    medians = {name: statistics.median(found) * 1e3 for name, found in times.items()}
    rig.note("median milliseconds: " + ", ".join("%s %.3f" % pair for pair in medians.items()))
    # One loop turn each, and nobody waits for a disk; on a busy machine no more can be said than this.
    assert max(medians.values()) < 2 * min(medians.values()) + 0.5, medians


rig.main(needs=("openssl",))
