# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who is attacked in test-attack.py and test-mishaps.py: juliet, who listens at a known port, and romeo, whose messages must get through."""
import re

import foe
from gi.repository import GLib
from people import befriend, fingerprint, received, send, wait_sight, wait_state, with_key

PORT = 5298


def victim_and_friend(lan, **options):
    """juliet, listening at a known port, and romeo, whom she trusts; both see each other."""
    juliet, romeo = lan.host("pronto", avahi="embedded"), lan.host("forza", avahi="embedded")
    juliet.start_daemon(name="juliet", port=PORT, **options)
    romeo.start_daemon(name="romeo")
    befriend(juliet.me, romeo.me, petname_b="romeo")
    wait_sight(juliet.me, "romeo")
    wait_sight(romeo.me, "juliet")
    still_there(juliet.me, romeo.me, "before")
    return juliet.me, romeo.me


def still_there(juliet, romeo, word, timeout=20):
    """A friend's message gets through, both ways."""
    there, back = with_key(romeo, fingerprint(juliet)), with_key(juliet, fingerprint(romeo))
    wait_state(romeo, send(romeo, there, "hear " + word)[0], "delivered", timeout)
    wait_state(juliet, send(juliet, back, "answer " + word)[0], "delivered", timeout)
    assert received(juliet, back)[-1] == "hear " + word


def trust(user, key, petname=""):
    return user.manager("AddContact", GLib.Variant("(ssasa{sv})", (petname, key.fingerprint, [], {})))[0]


def knock(juliet, host, key, addr, **options):
    return foe.Stream(host, key, addr, (juliet.host.address, PORT), **options).open()


def log_lines(user):
    with open(user.process.log, "rb") as out:
        return out.read().splitlines()


def assert_clean_log(user, canary=None):
    """One event is one line without a control character, and holds nobody's words (X-03)."""
    for line in log_lines(user):
        assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", line), line
        line.decode("utf-8")
        assert canary is None or canary.encode() not in line, line
