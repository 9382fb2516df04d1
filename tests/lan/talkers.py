# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two who talk without end while their link breaks: numbered lines each way, and what their daemons said of it (`stream can be
resumed`, `stream resumed`). What happened is read from these words and proven by what arrived."""
import re

import rig
from gi.repository import Gio, GLib
from people import befriend, fingerprint, queued, received, wait_sight, with_key

SUSPENDED = re.compile(r"stream can be resumed: sent (\d+), of them not confirmed (\d+), received (\d+)")
RESUMED = re.compile(r"stream resumed: sent (\d+), of them again (\d+), received (\d+)")
_read = {}


def _said(user):
    """What the daemon said of streams so far; each line of the log is read once."""
    path = user.process.log
    lines, at, part = _read.get(path, ([], 0, b""))
    with open(path, "rb") as log:
        log.seek(at)
        data = log.read()
    *whole, rest = (part + data).split(b"\n")
    lines += [line.decode("utf-8", "replace") for line in whole if b"stream " in line]
    _read[path] = lines, at + len(data), rest
    return lines


def words(user, pattern):
    """What the daemon said, as tuples of numbers, in order."""
    return [tuple(int(n) for n in found.groups()) for found in map(re.compile(pattern).search, _said(user)) if found]


def said(user, text):
    return sum(text in line for line in _said(user))


def resumptions(user):
    return words(user, RESUMED.pattern)


class Talker:
    """Sends numbered lines to one contact, pipelined, and knows what the other has to receive."""

    def __init__(self, user, other, word):
        self.user, self.other, self.word = user, other, word
        self.contact = with_key(user, fingerprint(other))
        self.sent = self.stored = 0

    def say(self, count):
        for _ in range(count):
            self.user.bus.call(rig.NAME, rig.ROOT, rig.NAME + ".Messages", "Send",
                               GLib.Variant("(osa{sv})", (self.contact, "%s %05d" % (self.word, self.sent), {})), None,
                               Gio.DBusCallFlags.NO_AUTO_START, 60000, None, self._answered)
            self.sent += 1

    def _answered(self, bus, result):
        bus.call_finish(result)
        self.stored += 1

    def wanted(self):
        return ["%s %05d" % (self.word, i) for i in range(self.sent)]

    def wait_through(self, timeout=60):
        """Until all of it was received and confirmed: exactly this, in this order, once."""
        self.user.wait_for(lambda: self.stored == self.sent and queued(self.user) == 0, timeout, "%s to have nothing queued" % self.user)
        contact = with_key(self.other, fingerprint(self.user))
        got = received(self.other, contact)
        assert got == self.wanted(), "first difference: %r" % next(
            ((i, g, w) for i, (g, w) in enumerate(zip(got + [None], self.wanted() + [None])) if g != w), None)


def meet(lan):
    juliet, romeo = (lan.host(name, avahi="embedded").start_daemon(name=who) for name, who in (("pronto", "juliet"), ("forza", "romeo")))
    befriend(juliet, romeo)
    wait_sight(juliet, "romeo")
    wait_sight(romeo, "juliet")
    talkers = Talker(juliet, romeo, "J"), Talker(romeo, juliet, "R")
    talkers[0].say(5)
    talkers[0].wait_through()
    talkers[1].say(5)
    talkers[1].wait_through()
    return juliet, romeo, talkers


def break_streams(user):
    """The connections of this host end as by a failing network card; who is cut off does not hear of it."""
    user.host.run("ss", "-K", "state", "established", check=False)
