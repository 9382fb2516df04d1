#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keys that go by link, and the record of what was decided, on two real daemons; the record also as somebody with sqlite3 would have it."""
import os
import sqlite3

import rig
from people import contacts, fingerprint, named, received, requests, send, wait_sight, wait_state, with_key


def key_of(user, fp):
    return user.get_all("key/" + fp, "Key")


def link_of(user):
    user.wait_for(lambda: user.get_prop("", "Manager", "TrustLink"), 20, "%s to have a link" % user)
    return user.ctl("id", "show", "--json")["link"]


@rig.test
def link_makes_friends(lan):
    """T-17: a link pins its key after a yes, verifies it with --in-person, and lifts no block; deviations change nothing"""
    juliet, romeo = (lan.host(name, avahi="embedded").start_daemon(name=who) for name, who in (("pronto", "juliet"), ("forza", "romeo")))
    hers, his = link_of(juliet), link_of(romeo)
    fp = fingerprint(juliet)
    assert hers == "xmpp:juliet@pronto?trust-message;encryption=im.earshot%3Atls%3A0;trust=" + fp, hers
    # Nothing happens unasked, nor for a link that is not quite one.
    assert romeo.ctl("trust", "accept", "--link", hers, check=False)[0] == 2
    for bad in (hers + ";trust=" + fingerprint(romeo), hers.replace("trust=", "distrust=", 1), hers.replace(fp, fp.upper()), hers + "#x",
                hers.replace("%3A", ":"), hers.replace("juliet@", "juliet%00@"), hers[:-1]):
        status, _, err = romeo.ctl("trust", "accept", "--yes", "--link", bad, check=False)
        assert status == 2 and "link" in err, (bad, err)
    assert with_key(romeo, fp) is None
    assert romeo.ctl("trust", "accept", "--yes", "--link", his, check=False)[0] == 2, "our own key"
    romeo.ctl("trust", "accept", "--yes", "--link", hers)
    juliet.ctl("trust", "accept", "--yes", "--in-person", "--link", his)
    assert (key_of(romeo, fp)["Trust"], key_of(romeo, fp)["TrustSource"]) == ("pinned", "fingerprint")
    assert (key_of(juliet, fingerprint(romeo))["Trust"], key_of(juliet, fingerprint(romeo))["TrustSource"]) == ("verified", "qr")
    at_romeo = with_key(romeo, fp)
    assert contacts(romeo)[at_romeo]["Petname"] == "juliet"
    wait_state(romeo, send(romeo, at_romeo, "by link")[0], "delivered", 30)
    assert received(juliet) == ["by link"] and not requests(juliet) and not requests(romeo)
    # Blocked stays blocked, in person or not.
    romeo.ctl("block", "juliet")
    for more in ([], ["--in-person"]):
        assert romeo.ctl("trust", "accept", "--yes", *more, "--link", hers, check=False)[0] == 7
    assert contacts(romeo)[at_romeo]["Blocked"] and key_of(romeo, fp)["Trust"] == "pinned"
    romeo.ctl("unblock", "juliet")
    romeo.ctl("trust", "accept", "--yes", "--in-person", "--link", hers)
    assert key_of(romeo, fp)["Trust"] == "verified"
    events = [(line["event"], line["verdict"]) for line in romeo.ctl("audit", "--json") if line["event"] != "refused"]
    assert events == [("add-contact", "pinned"), ("block", "blocked"), ("unblock", "unblocked"), ("accept", "verified")], events


@rig.test
def link_of_a_stranger_who_knocked(lan):
    """T-17: a link answers the open question about its key, with what it rests on"""
    juliet, romeo = (lan.host(name, avahi="embedded").start_daemon(name=who) for name, who in (("pronto", "juliet"), ("forza", "romeo")))
    juliet.ctl("trust", "accept", "--yes", "--link", link_of(romeo))
    wait_sight(juliet, "romeo")
    asked = send(juliet, with_key(juliet, fingerprint(romeo)), "may I?")[0]
    romeo.wait_for(lambda: requests(romeo, "new-key"), 30, "a question at romeo")
    romeo.ctl("trust", "accept", "--yes", "--in-person", "--link", link_of(juliet))
    assert not requests(romeo)
    wait_state(juliet, asked, "delivered", 30)
    assert key_of(romeo, fingerprint(juliet))["Trust"] == "verified" and named(romeo, "juliet") == with_key(romeo, fingerprint(juliet))


@rig.test
def tampering_is_found(lan):
    """The record of decisions tells who decided, survives restarts, and shows what was altered, removed or rebuilt"""
    juliet = lan.host("pronto", avahi="none").start_daemon(name="juliet", discovery="none")
    path = os.path.join(juliet.data_dir, "trust.db")
    for i in range(6):
        juliet.ctl("trust", "accept", "--yes", "--name", "friend %d" % i, "--link",
                   "xmpp:x%d@host?trust-message;encryption=im.earshot%%3Atls%%3A0;trust=%s" % (i, "%02x" % (i + 1) * 32))
    juliet.ctl("config", "set", "trust-mode", "strict")
    lines = juliet.ctl("audit", "--json")
    assert [line["event"] for line in lines] == ["add-contact"] * 6 + ["setting"], lines
    assert all("program=" in line["caller"] and "xmppctl" in line["caller"] and "pid=" in line["caller"] for line in lines), lines[0]
    assert lines[2]["peer"]["petname"] == "friend 2" and "source=fingerprint" in lines[2]["inputs"], lines[2]
    assert juliet.ctl("audit", "--contact", "friend 3", "--json", "-n", "5")["n"] == 4
    noted = juliet.ctl("audit", "--check", "--json")["head"]
    assert noted == lines[-1]["hash"]
    original = None

    def tamper(*statements):
        """The daemon stopped, the file changed, the daemon started: as --check and Warnings say then."""
        nonlocal original
        assert juliet.stop() == 0
        if original is None:
            original = open(path, "rb").read()
            assert not os.path.exists(path + "-wal") or os.path.getsize(path + "-wal") == 0
        with open(path, "wb") as file:
            file.write(original)
        with sqlite3.connect(path) as db:
            for statement in statements:
                db.execute(statement)
        db.close()
        juliet.restart()
        status, out, err = juliet.ctl("audit", "--check", "--json", check=False)
        if status != 0:
            juliet.wait_for(lambda: "audit-broken" in dict(juliet.get_prop("", "Manager", "Warnings")), 20, "a warning")
        return status, out, err

    assert tamper()[0] == 0
    for statements, where in (
            (["UPDATE audit SET caller = 'nobody' WHERE n = 3"], '"broken":3'),
            (["DELETE FROM audit WHERE n = 3"], '"broken":3'),
            (["DELETE FROM audit WHERE n > 4"], '"broken":5'),
            (["UPDATE audit SET n = -n WHERE n > 3", "UPDATE audit SET n = 1 - n WHERE n < 0",
              "INSERT INTO audit (n, time, event, fp, verdict, caller) VALUES (4, 1, 'accept', '', 'pinned', 'peer')"], '"broken":4')):
        status, out, err = tamper(*statements)
        assert status == 1 and where in out and "tampered" in err, (statements, out, err)
    # Rebuilt as a whole it is sound in itself; who noted a head knows better.
    assert tamper("DELETE FROM audit WHERE n = 7", "UPDATE audit_chain SET anchor_hash = x''")[0] == 0
    assert juliet.ctl("audit", "--check", "--head", noted, check=False)[0] == 1
    assert tamper()[0] == 0 and juliet.ctl("audit", "--check", "--head", noted)
    # And life goes on with a broken one.
    assert tamper("DELETE FROM audit_chain")[0] == 1
    juliet.ctl("block", "friend 1")
    assert juliet.ctl("audit", "--json")[-1]["event"] == "block" and juliet.ctl("audit", "--check", check=False)[0] == 1


rig.main()
