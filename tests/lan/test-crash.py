#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nothing lost, nothing doubled: kill -9 of either daemon at random moments while both talk; every other one in the middle of a write to
its disk (shim.c). After each its databases are copied as they lie there, and the copies are sound. EARSHOT_KILLS and EARSHOT_BAD_KILLS (on a
link that delays, loses, reorders and is cut) set the size; the seed is printed and EARSHOT_SEED repeats it. `make crash-campaign` plays it at
full size."""
import os
import random
import shutil
import sqlite3
import tempfile

import rig
from gi.repository import Gio, GLib
from people import befriend, fingerprint, queued, received, wait_sight, with_key
from shim import Shim

KILLS = int(os.environ.get("EARSHOT_KILLS", "50"))
BAD_KILLS = int(os.environ.get("EARSHOT_BAD_KILLS", "10"))
SEED = int(os.environ.get("EARSHOT_SEED", str(random.randrange(1 << 30))))
DATABASES = ("messages.db", "trust.db")


EVERY_MS, AT_ONCE, WINDOW = 20, 2, 16


class Sender:
    """A client that never stops: two Send calls every 20 ms, each with a token, asked again with the same tokens after its daemon died."""

    def __init__(self, user, contact, word, shim):
        self.user, self.contact, self.word, self.shim = user, contact, word, shim
        self.stored = self.asked = self.furthest = self.generation = 0
        self.paused = False
        self.limit = None
        GLib.timeout_add(EVERY_MS, self.pump)

    def body(self, i):
        return "%s %05d" % (self.word, i)

    def pump(self):
        for _ in range(AT_ONCE):
            if self.asked == self.limit or self.asked >= self.stored + WINDOW or self.paused:
                break
            i, generation = self.asked, self.generation
            self.asked += 1
            self.furthest = max(self.furthest, self.asked)
            options = {"token": GLib.Variant("s", "%s-%d" % (self.word, i))}
            self.user.bus.call(rig.NAME, rig.ROOT, rig.NAME + ".Messages", "Send",
                               GLib.Variant("(osa{sv})", (self.contact, self.body(i), options)), None, Gio.DBusCallFlags.NO_AUTO_START, 60000, None,
                               lambda bus, result, i=i, generation=generation: self.answered(i, generation, bus, result))
        return self.stored != self.limit

    def answered(self, i, generation, bus, result):
        try:
            bus.call_finish(result)
        except GLib.Error as error:
            if not any(word in error.message for word in ("NoReply", "NameHasNoOwner")):
                rig.note("%s: Send failed: %s" % (self.user, error.message))
            return
        if generation == self.generation and i == self.stored:
            self.stored += 1

    def again(self):
        """What was not answered is asked again, in order, with the same tokens."""
        self.generation += 1
        self.asked = self.stored
        self.paused = False

    def end(self):
        self.limit = self.furthest


def check_databases(user):
    """As they lie there: what the next start would find. The files of a daemon that is gone, copied."""
    with tempfile.TemporaryDirectory(prefix="earshot-crash-") as place:
        for name in os.listdir(user.data_dir):
            if name.startswith(DATABASES) and not name.endswith("-open"):
                shutil.copy(os.path.join(user.data_dir, name), place)
                assert ".damaged-" not in name, name
        for name in DATABASES:
            with sqlite3.connect(os.path.join(place, name)) as db:
                assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)], name
            db.close()


class Campaign:
    def __init__(self, lan, **bad):
        self.chance = random.Random(SEED)
        self.lan = lan
        self.inside = self.waiting = 0
        shims = [Shim(lan, name) for name in ("juliet", "romeo")]
        self.users = [lan.host(host, avahi="embedded").start_daemon(name=who, env=shim.env())
                      for host, who, shim in (("pronto", "juliet", shims[0]), ("forza", "romeo", shims[1]))]
        self.link = lan.relay(seed=SEED, **bad) if bad else None
        juliet, romeo = self.users
        befriend(juliet, romeo)
        wait_sight(juliet, "romeo", 60)
        wait_sight(romeo, "juliet", 60)
        self.senders = [Sender(juliet, with_key(juliet, fingerprint(romeo)), "J", shims[0]),
                        Sender(romeo, with_key(romeo, fingerprint(juliet)), "R", shims[1])]

    def wait_somewhere(self):
        """Some kills come while the two are still finding each other, some in the middle of the stream."""
        chance = self.chance
        if chance.random() < 0.5:
            sender = chance.choice(self.senders)
            try:
                sender.user.wait_for(lambda: sender.user.get_prop(sender.contact, "Contact", "Connected"), 2, patience=1)
            except rig.Timeout:
                pass
        rig.settle(chance.random() * 0.4)

    def kill(self, victim):
        if self.chance.random() < 0.5:
            victim.shim.die_at(self.chance.randrange(1, 30))
            try:
                rig.wait(lambda: not victim.user.running(), 1, "death in a write", patience=1)
                self.inside += 1
            except rig.Timeout:
                pass
        victim.paused = True
        victim.user.kill9()
        self.waiting += victim.asked > victim.stored
        victim.shim.die_at(0)
        check_databases(victim.user)
        victim.user.restart()
        victim.again()

    def round(self):
        if self.link and self.chance.random() < 0.3:
            self.link.cut(*(user.host for user in self.users))
            rig.settle(self.chance.random() * 2)
            self.link.heal()
        self.wait_somewhere()
        self.kill(self.chance.choice(self.senders))

    def finish(self, kills):
        senders = self.senders
        for sender in senders:
            sender.end()
        for sender in senders:
            rig.wait(lambda: sender.stored == sender.limit, 120, "%s to have stored all (%d)" % (sender.user, sender.stored))
        if self.link:
            self.link.set(loss=0, reorder=0, delay=0)
        for sender in senders:
            sender.user.wait_for(lambda: queued(sender.user) == 0, 240, "the outbox of %s to empty" % sender.user)
        for sender, other in ((senders[0], self.users[1]), (senders[1], self.users[0])):
            got = received(other)
            wanted = [sender.body(i) for i in range(sender.limit)]
            lost, doubled = len(set(wanted) - set(got)), len(got) - len(set(got))
            rig.note("%s: %d received, %d lost, %d doubled" % (other, len(got), lost, doubled))
            assert got == wanted, "first difference: %r" % next(((i, g, w) for i, (g, w) in enumerate(zip(got, wanted)) if g != w), None)
        for user in self.users:
            assert user.stop() == 0
            check_databases(user)
        rig.note("campaign: kills=%d kills_in_a_write=%d kills_with_calls_waiting=%d messages=%d"
                 % (kills, self.inside, self.waiting, sum(sender.limit for sender in senders)))


def play(lan, kills, **bad):
    rig.note("seed %d, %d kills" % (SEED, kills))
    campaign = Campaign(lan, **bad)
    for _ in range(kills):
        campaign.round()
    campaign.finish(kills)


@rig.test
def kill9_fifty_times(lan):
    """M-01 M-03 M-04 M-06: kill -9 of either daemon at random moments, many of them in a write, loses nothing, doubles nothing, keeps the order"""
    play(lan, KILLS)


@rig.test
def kill9_on_a_bad_link(lan):
    """M-01 M-03 M-04 M-06: the same on a link that delays, loses, reorders and is cut"""
    play(lan, BAD_KILLS, delay=0.005, loss=0.03, reorder=0.05)


rig.main()
