#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Ways out, in three commands: lost keys, renamed hosts and people of one name, played with xmppctl alone, in scripts and on terminals.
Whatever a person does is counted; whatever happened is in the audit, which is sound."""
import os
import pty
import re
import select
import shutil
import subprocess
import time

import rig
import screen
from people import contacts, fingerprint, named, queued, received, requests, state_of, wait_received, wait_request, wait_sight, with_key

MOST = 3  # commands, on each side


class Person:
    """One who sits at xmppctl. What is typed to get out is counted; see() only looks, for the test."""

    def __init__(self, user):
        self.user, self.typed = user, []

    def types(self, *args, code=0):
        self.typed.append(args)
        assert len(self.typed) <= MOST, "no way out in %d commands: %s" % (MOST, self.typed)
        status, out, err = self.user.ctl(*args, check=False)
        assert status == code, (args, status, out, err)
        return out + err

    def begins(self, *args):
        """The same on a terminal."""
        self.typed.append(args)
        assert len(self.typed) <= MOST, "no way out in %d commands: %s" % (MOST, self.typed)
        return Terminal(self.user, *args)

    def fails(self, code, *args):
        """What must not work; not counted."""
        status, out, err = self.user.ctl(*args, check=False)
        assert status == code, (args, status, out, err)
        return out + err

    def see(self, *args):
        lines = self.user.ctl(*args, "--json")
        return lines if isinstance(lines, list) else [lines]

    def decided(self):
        """(event, verdict, inputs) of what people decided, the record being sound."""
        self.user.ctl("audit", "--check")
        return [(line["event"], line["verdict"], line["inputs"]) for line in self.see("audit") if line["event"] not in ("refused", "denied", "keep")]


class Terminal:
    """xmppctl as a person sees it."""

    def __init__(self, user, *args):
        master, slave = pty.openpty()
        argv = user.host.enter([os.path.join(rig.TOP_BUILD, "xmppctl"), *args])
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                        env=dict(user.env(), DBUS_SESSION_BUS_ADDRESS=user.bus_address, TERM="dumb", NO_COLOR="1"))
        os.close(slave)
        self.fd, self.text = master, ""

    def _more(self, end):
        assert time.monotonic() < end, "the terminal shows only %r" % self.text
        if not select.select([self.fd], [], [], 1)[0]:
            return True
        data = screen.read(self.fd)
        self.text += data.decode(errors="replace")
        return data != b""

    def shows(self, pattern):
        """The match; what stands before and in it is read."""
        end = time.monotonic() + 60 * rig.PATIENCE
        while not re.search(pattern, self.text):
            assert self._more(end), "the terminal closed without %r: %r" % (pattern, self.text)
        found = re.search(pattern, self.text)
        self.text = self.text[found.end():]
        return found

    def code(self):
        return self.shows(r"aloud or by phone:\s+(\d{4} \d{4} \d{4}) ").group(1)

    def type(self, text):
        os.write(self.fd, text.encode() + b"\n")

    def ends(self, code=0):
        end = time.monotonic() + 60 * rig.PATIENCE
        while self._more(end):
            pass
        os.close(self.fd)
        status = self.process.wait()
        assert status == code, (status, self.text)
        return self.text


def couple(lan):
    """Romeo and Juliet, who pinned each other by link; their fingerprints came another way than the network."""
    romeo = lan.host("forza", avahi="embedded").start_daemon(name="romeo")
    juliet = lan.host("pronto", avahi="embedded").start_daemon(name="juliet")
    for one, other, name in ((romeo, juliet, "juliet"), (juliet, romeo, "romeo")):
        other.wait_for(lambda: other.get_prop("", "Manager", "TrustLink"), 20, "a link")
        one.ctl("trust", "accept", "--yes", "--name", name, "--link", other.ctl("id", "show", "--json")["link"])
    wait_sight(romeo, "juliet"), wait_sight(juliet, "romeo")
    romeo.ctl("send", "--wait=delivered", "--timeout", "60", "juliet", "good morrow")
    juliet.ctl("send", "--wait=delivered", "--timeout", "60", "romeo", "by and by")
    return Person(romeo), Person(juliet)


def lose_everything(person, meanwhile=None):
    """Stolen, burnt, installed anew: same machine name, same user name, no memory. The old fingerprint. `meanwhile`: done while it is away."""
    user, old = person.user, fingerprint(person.user)
    user.stop()
    if meanwhile:
        meanwhile()
    shutil.rmtree(user.data_dir)
    user.restart()
    assert fingerprint(user) != old
    return old


def send_id(user, *args):
    return user.ctl("send", "--json", *args)["id"]


def ring(juliet, romeo):
    """Juliet on her new machine writes to the romeo that she sees, and both are asked. The questions' paths."""
    wait_sight(juliet.user, "romeo")
    juliet.types("send", "romeo@forza", "a new machine, it is me")
    wait_request(juliet.user, "new-key", 40)
    wait_request(romeo.user, "name-conflict", 40)


@rig.test
def lost_key(lan):
    """T-11 P-09: a reinstalled machine: two commands take the new key, a third sends what was held for the old one; nothing before"""
    romeo, juliet = couple(lan)
    sent = []
    old = lose_everything(juliet, lambda: sent.append(send_id(romeo.user, "juliet", "are you there?")))
    waiting = sent[0]
    ring(juliet, romeo)
    new, hers = fingerprint(juliet.user), fingerprint(romeo.user)
    # Loud, and no plain yes makes one of the other.
    text = romeo.types("trust", "pending")
    assert "ANOTHER KEY is known as juliet" in text and "trust replace %s --verify" % new[:16] in text, text
    romeo.fails(7, "trust", "accept", "--fingerprint", new)
    romeo.fails(3, "trust", "replace", "juliet", "--fingerprint", old)
    romeo.fails(2, "trust", "replace", "juliet")
    romeo.fails(3, "trust", "release", "juliet", "--yes")
    assert state_of(romeo.user, waiting)[0] in ("queued", "held") and received(juliet.user) == []
    assert romeo.see("show", "juliet")[0]["fingerprint"] == old
    juliet.types("trust", "accept", "--fingerprint", hers, "--name", "romeo")
    romeo.types("trust", "replace", "juliet", "--fingerprint", new)
    juliet.user.ctl("wait", "romeo", "--for", "online", "--timeout", "60")
    wait_received(romeo.user, ["by and by", "a new machine, it is me"], 40, with_key(romeo.user, new))
    romeo.user.wait_for(lambda: state_of(romeo.user, waiting) == ("held", "key-replaced"), 20, "what was for the old key to be held")
    # It works both ways, and still nothing that was for the old key has left.
    romeo.user.ctl("send", "--wait=delivered", "--timeout", "60", "juliet", "welcome back")
    assert received(juliet.user) == ["welcome back"]
    romeo.types("trust", "release", "juliet", "--yes")
    wait_received(juliet.user, ["welcome back", "are you there?"], 40)
    romeo.fails(3, "trust", "release", "juliet", "--yes")
    romeo.fails(3, "trust", "replace", "juliet", "--fingerprint", new)
    assert [(event, verdict) for event, verdict, _ in juliet.decided()] == [("resolve", "accept")]
    event, verdict, inputs = romeo.decided()[-1]
    assert (event, verdict) == ("resolve", "replace") and "key=%.16s level=pinned>revoked" % old in inputs, romeo.decided()
    assert "key=%.16s level=unknown>pinned" % new in inputs and "release=no" in inputs and "request=name-conflict" in inputs, inputs
    assert contacts(romeo.user)[with_key(romeo.user, new)]["Petname"] == "juliet"


@rig.test
def lost_key_compared(lan):
    """T-11 T-16: the same on two terminals: nothing is replaced before the codes were compared; a wrong one changes nothing"""
    romeo, juliet = couple(lan)
    old = lose_everything(juliet, lambda: romeo.user.ctl("send", "juliet", "only for you"))
    ring(juliet, romeo)
    new, hers = fingerprint(juliet.user), fingerprint(romeo.user)
    at_romeo = romeo.begins("trust", "replace", "juliet", "--verify", "--release")
    at_romeo.shows("ANOTHER KEY is known as juliet")
    code = at_romeo.code()
    assert (romeo.see("show", "juliet")[0]["fingerprint"], romeo.see("show", "juliet")[0]["trust"]) == (old, "pinned")
    at_romeo.type("")
    at_romeo.shows("reads to you: ")
    at_romeo.type("1000 1000 1001" if code != "1000 1000 1001" else "1000 1000 1002")
    assert "somebody may sit between" in at_romeo.ends(7)
    assert requests(romeo.user, "name-conflict") and romeo.see("show", "juliet")[0]["fingerprint"] == old
    assert received(juliet.user) == []
    # Again, both of them now; each by the own word. (The stream is gone: he calls where she is announced by now.)
    romeo.user.wait_for(lambda: contacts(romeo.user)[with_key(romeo.user, new)]["Reach"] != "offline", 40, "juliet to be announced anew")
    at_romeo = romeo.begins("trust", "replace", "juliet", "--verify", "--release")
    his = at_romeo.code()
    at_juliet = juliet.begins("trust", "accept", hers[:16], "--verify", "--name", "romeo")
    assert at_juliet.code() == his
    for terminal in (at_romeo, at_juliet):
        terminal.type("")
        terminal.shows("reads to you: ")
        terminal.type(his.replace(" ", ""))
        terminal.ends()
    for person, name in ((romeo, "juliet"), (juliet, "romeo")):
        shown = person.see("show", name)[0]
        assert (shown["trust"], shown["petname"]) == ("verified", name), shown
    wait_received(juliet.user, ["only for you"], 40)
    wait_received(romeo.user, ["by and by", "a new machine, it is me"], 40, with_key(romeo.user, new))
    romeo.user.wait_for(lambda: queued(romeo.user) == 0, 20, "the outbox to empty")
    assert [(event, verdict) for event, verdict, _ in romeo.decided()][-2:] == [("verify", "mismatch: code"), ("resolve", "verify-replace")]
    assert "level=unknown>verified source=code" in romeo.decided()[-1][2], romeo.decided()
    assert ("resolve", "verify") in [(event, verdict) for event, verdict, _ in juliet.decided()]


@rig.test
def renamed_host(lan):
    """M-07 P-12: pronto becomes presto: the key is the person, no command at all, and what waited arrives"""
    romeo, juliet = couple(lan)
    juliet.user.stop()
    waiting = send_id(romeo.user, "juliet", "wherefore?")
    before = romeo.decided()
    juliet.user.host.run("hostname", "presto")
    juliet.user.restart()
    wait_received(juliet.user, ["good morrow", "wherefore?"], 40)
    romeo.user.wait_for(lambda: state_of(romeo.user, waiting)[0] == "delivered", 20, "the receipt")
    juliet.user.ctl("send", "--wait=delivered", "--timeout", "60", "romeo", "thereby")
    shown = romeo.see("show", "juliet")[0]
    assert (shown["address"], shown["trust"], shown["name_warning"]) == ("juliet@presto", "pinned", ""), shown
    assert not requests(romeo.user) and romeo.typed == juliet.typed == [] and romeo.decided() == before


@rig.test
def two_of_one_name(lan):
    """P-11 P-12 T-11: another Juliet, at another machine called pronto: two people, each reached by what romeo calls them"""
    romeo, juliet = couple(lan)
    juliet.user.stop()
    romeo.user.ctl("send", "juliet", "for the first")
    nurse = Person(lan.host("other", avahi="embedded", hostname="pronto").start_daemon(name="juliet"))
    wait_sight(nurse.user, "romeo")
    nurse.types("send", "romeo@forza", "I am called juliet, too")
    wait_request(romeo.user, "name-conflict", 40), wait_request(nurse.user, "new-key", 40)
    first, second = romeo.see("show", "juliet")[0]["fingerprint"], fingerprint(nurse.user)
    # The address says nothing now: no guess; and no two of one petname.
    assert "matches 2 peers" in romeo.fails(4, "send", "juliet@pronto", "which of you?")
    romeo.fails(2, "trust", "accept", "--separate", "--fingerprint", second, "--name", "JULIET")
    row = [row for row in romeo.see("peers") if row["fingerprint"] == second][0]
    assert row["name_warning"] == "duplicate" and row["resembles"]["petname"] == "juliet", row
    nurse.types("trust", "accept", "--fingerprint", fingerprint(romeo.user), "--name", "romeo")
    romeo.types("trust", "accept", "--separate", "--fingerprint", second, "--name", "the nurse")
    romeo.user.ctl("send", "--wait=delivered", "--timeout", "60", "the nurse", "for the second")
    wait_received(nurse.user, ["for the second"], 40)
    # The first comes back, and one of them gets another address; who is who is known by key.
    # (Two who take the same host name in the same moment give way to each other for a minute: the second is announced first.)
    nurse.user.wait_for(lambda: nurse.user.get_prop("", "Manager", "TrustLink"), 40, "the second to be announced")
    juliet.user.restart()
    wait_received(juliet.user, ["good morrow", "for the first"], 60)
    juliet.user.ctl("send", "--wait=delivered", "--timeout", "60", "romeo", "I am here")
    nurse.user.ctl("send", "--wait=delivered", "--timeout", "60", "romeo", "so am I")
    assert received(romeo.user, with_key(romeo.user, first))[-1] == "I am here" and received(romeo.user, with_key(romeo.user, second))[-1] == "so am I"
    assert received(nurse.user) == ["for the second"] and not requests(romeo.user)
    assert [(event, verdict) for event, verdict, _ in romeo.decided()][-1] == ("resolve", "separate")
    nurse.decided(), juliet.decided()


@rig.test
def change_refused(lan):
    """T-11 T-20 S-14: a no to the new key stays a no: nothing of the old one's leaves, who knocks again asks nothing, and the true one comes back"""
    romeo, juliet = couple(lan)
    juliet.user.stop()
    waiting = send_id(romeo.user, "juliet", "only for the true one")
    mallory = Person(lan.host("foe", avahi="embedded", hostname="pronto").start_daemon(name="juliet"))
    wait_sight(mallory.user, "romeo")
    mallory.user.ctl("send", "romeo@forza", "it is me, believe me")
    wait_request(romeo.user, "name-conflict", 40), wait_request(mallory.user, "new-key", 40)
    foe = fingerprint(mallory.user)
    at_foe = with_key(romeo.user, foe)
    romeo.types("trust", "reject", foe[:16])
    romeo.user.wait_for(lambda: not contacts(romeo.user)[at_foe]["Connected"], 20, "the stream to close at once")
    romeo.fails(3, "trust", "reject", foe[:16])
    romeo.fails(3, "trust", "replace", "juliet")
    romeo.fails(7, "trust", "replace", "juliet", "--fingerprint", foe)
    # She accepts him, and knocks again: refused like one who is blocked, and nobody is asked.
    mallory.user.ctl("trust", "accept", "--fingerprint", fingerprint(romeo.user), "--name", "romeo")
    mallory.user.wait_for(lambda: contacts(mallory.user)[with_key(mallory.user, fingerprint(romeo.user))]["LastError"] == "Refused", 40,
                          "the refusal")
    assert not requests(romeo.user) and received(romeo.user) == ["by and by"] and received(mallory.user) == []
    assert state_of(romeo.user, waiting)[0] == "queued" and romeo.see("show", "juliet")[0]["trust"] == "pinned"
    mallory.user.stop()
    juliet.user.restart()
    wait_received(juliet.user, ["good morrow", "only for the true one"], 60)
    assert ("resolve", "reject") in [(event, verdict) for event, verdict, _ in romeo.decided()]
    assert [line["verdict"] for line in romeo.see("audit", "--event", "refused")], "the second knock is on record"


@rig.test
def forgotten_comes_back(lan):
    """T-10: under tofu, who was forgotten is not trusted by itself again: the question says so, and one command settles it"""
    romeo, juliet = couple(lan)
    romeo.user.ctl("config", "set", "trust-mode", "tofu")
    romeo.types("trust", "forget", "juliet", "--yes")
    juliet.user.ctl("send", "romeo", "forgot me?")
    _, request = wait_request(romeo.user, "new-key", 60)
    assert request["Details"]["forgotten"] is True, request
    assert "you forgot this key once" in romeo.types("trust", "pending")
    key = fingerprint(juliet.user)
    assert romeo.user.get_prop("key/" + key, "Key", "Trust") == "unknown" and received(romeo.user) == []
    romeo.types("trust", "accept", "--fingerprint", key, "--name", "juliet")
    wait_received(romeo.user, ["forgot me?"], 40)
    assert named(romeo.user, "juliet") == with_key(romeo.user, key)
    assert [(event, verdict) for event, verdict, _ in romeo.decided()][-3:] == [
        ("setting", "tofu"), ("forget", "forgotten"), ("resolve", "accept")], romeo.decided()


rig.main()
