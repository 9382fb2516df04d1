#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nothing lost, nothing doubled: kill -9 of either daemon at random moments while both talk. EARSHOT_KILLS and EARSHOT_MESSAGES
(each way) set the size; the seed is printed and EARSHOT_SEED repeats it."""
import os
import random
import sqlite3

import rig
from gi.repository import Gio, GLib
from people import befriend, fingerprint, queued, received, wait_sight, with_key

KILLS = int(os.environ.get("EARSHOT_KILLS", "50"))
MESSAGES = int(os.environ.get("EARSHOT_MESSAGES", "2000"))
SEED = int(os.environ.get("EARSHOT_SEED", str(random.randrange(1 << 30))))


class Sender:
    """A client that pipelines Send calls, each with a token, and asks again with the same tokens after its daemon died."""

    def __init__(self, user, contact, word):
        self.user, self.contact, self.word = user, contact, word
        self.stored = self.asked = self.limit = 0
        self.generation = 0

    def body(self, i):
        return "%s %05d" % (self.word, i)

    def pump(self):
        while self.asked < min(self.limit, self.stored + 64):
            i, generation = self.asked, self.generation
            self.asked += 1
            options = {"token": GLib.Variant("s", "%s-%d" % (self.word, i))}
            self.user.bus.call(rig.NAME, rig.ROOT, rig.NAME + ".Messages", "Send",
                               GLib.Variant("(osa{sv})", (self.contact, self.body(i), options)), None, Gio.DBusCallFlags.NO_AUTO_START, 60000, None,
                               lambda bus, result, i=i, generation=generation: self.answered(i, generation, bus, result))

    def answered(self, i, generation, bus, result):
        try:
            bus.call_finish(result)
        except GLib.Error as error:
            if generation == self.generation and self.user.running():
                rig.note("%s: Send failed: %s" % (self.user, error.message))
            return
        if generation == self.generation and i == self.stored:
            self.stored += 1
            self.pump()

    def again(self):
        """What was not answered is asked again, in order, with the same tokens."""
        self.generation += 1
        self.asked = self.stored
        self.pump()


@rig.test
def kill9_fifty_times(lan):
    """M-01 M-03 M-04 M-06: kill -9 of either daemon at random moments loses nothing, doubles nothing, keeps the order"""
    chance = random.Random(SEED)
    rig.note("seed %d, %d kills, %d messages each way" % (SEED, KILLS, MESSAGES))
    juliet, romeo = (lan.host(name, avahi="embedded").start_daemon(name=who) for name, who in (("pronto", "juliet"), ("forza", "romeo")))
    befriend(juliet, romeo)
    wait_sight(juliet, "romeo")
    wait_sight(romeo, "juliet")
    senders = [Sender(juliet, with_key(juliet, fingerprint(romeo)), "J"), Sender(romeo, with_key(romeo, fingerprint(juliet)), "R")]
    for kill in range(KILLS):
        for sender in senders:
            sender.limit = MESSAGES * (kill + 1) // KILLS
            sender.pump()
        # Some kills come while the two are still finding each other, some in the middle of the stream.
        if chance.random() < 0.7:
            target = chance.choice(senders)
            goal = target.stored + chance.randrange(1, max(2, MESSAGES // KILLS))
            rig.wait(lambda: target.stored >= min(goal, target.limit), 60, "messages to be stored")
        if chance.random() < 0.5:
            peer = juliet if chance.random() < 0.5 else romeo
            path = senders[0].contact if peer is juliet else senders[1].contact
            try:
                peer.wait_for(lambda: peer.get_prop(path, "Contact", "Connected"), 2)
            except rig.Timeout:
                pass
        rig.settle(chance.random() * 0.2)
        victim = chance.randrange(2)
        senders[victim].user.kill9()
        senders[victim].user.restart()
        senders[victim].again()
    for sender in senders:
        sender.limit = MESSAGES
        sender.pump()
    for sender in senders:
        rig.wait(lambda: sender.stored == MESSAGES, 120, "%s to have stored all (%d)" % (sender.user, sender.stored))
    for sender in senders:
        sender.user.wait_for(lambda: queued(sender.user) == 0, 180, "the outbox of %s to empty" % sender.user)
    for sender, other in ((senders[0], romeo), (senders[1], juliet)):
        got = received(other)
        wanted = [sender.body(i) for i in range(MESSAGES)]
        lost, doubled = len(set(wanted) - set(got)), len(got) - len(set(got))
        rig.note("%s: %d received, %d lost, %d doubled" % (other, len(got), lost, doubled))
        assert got == wanted, "first difference: %r" % next(((i, g, w) for i, (g, w) in enumerate(zip(got, wanted)) if g != w), None)
    for user in (juliet, romeo):
        assert user.stop() == 0
        for name in ("messages.db", "trust.db"):
            with sqlite3.connect(os.path.join(user.data_dir, name)) as db:
                assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


rig.main()
