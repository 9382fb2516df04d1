#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many calls at once over a real bus: none is lost, doubled or answered too early, and they are nobody else's queue."""
import json
import os
import subprocess

import rig
from gi.repository import GLib
from people import log

PROGRAM = os.path.join(rig.TOP_BUILD, "tests/bench/bench-burst")
CALLS = 3000


class Pinger:
    """Somebody else, who asks little things, one after the other, until the daemon ends."""

    def __init__(self, user):
        self.process = user.spawn([PROGRAM, "ping", user.bus_address], "pinger", lines=True)
        self.process.wait_line("ready", 20)

    def waits(self, start, end):
        """Of those that were under way between two moments, in ms: what was asked of the daemon, and of a program that has nothing else to do."""
        rig.wait(lambda: not self.process.alive(), 20, "the pinger to see that nobody is there")
        self.process.stop()
        asked = [(word, int(at), int(took)) for at, word, took in (line.split() for line in self.process.lines if line != "ready")]
        asked = [(word, took / 1000) for word, at, took in asked if at < end and at + took > start]
        return [took for word, took in asked if word != "floor"], [took for word, took in asked if word == "floor"]


def burst(user, contact, clients, each, after):
    """Kills the daemon at the answer number `after`. The times, and {(client, number): (id, seq)} of what was answered."""
    argv = [PROGRAM, "send", user.bus_address, contact, str(clients), str(each), str(user.process.pid), str(after)]
    first, *answers = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, timeout=240).stdout.splitlines()
    times = json.loads(first)
    assert times["errors"] == times["strange"] == times["disordered"] == 0, times
    answers = [line.split() for line in answers]
    assert len(answers) == after, len(answers)
    user.process._reap()
    return times, {(int(client), int(number)): (id, int(seq)) for client, number, id, seq in answers}


def check_stored(user, contact, answered, whole):
    """What was answered is there as it was answered, nothing twice, and of each client what it asked first comes first, without a hole."""
    entries = log(user, contact)
    bodies = [entry[5]["body"] for entry in entries]
    assert len(set(bodies)) == len(bodies) and len({entry[4] for entry in entries}) == len(entries)
    stored = {tuple(map(int, body.split())): (entry[4], entry[0]) for body, entry in zip(bodies, entries)}
    lost = {call: answer for call, answer in answered.items() if stored.get(call) != answer}
    assert not lost, lost
    by_client = {}
    for client, number in stored:
        by_client.setdefault(client, []).append(number)
    for client, numbers in by_client.items():
        assert numbers == list(range(len(numbers))), (client, numbers)
    assert not whole or len(stored) == len(answered), (len(stored), len(answered))
    assert user.get_prop("", "Messages", "Queued") == len(stored)
    rig.note("%d answered, %d stored" % (len(answered), len(stored)))


def alone(lan):
    juliet = lan.host("pronto", avahi="none").start_daemon(name="juliet", verbose=False)
    contact = juliet.manager("AddContact", GLib.Variant("(ssasa{sv})", ("nobody", "ab" * 32, [], {})))[0]
    return juliet, contact


@rig.test
def one_client_asks_all_at_once(lan):
    """M-01: 3,000 Send calls of one client at once, and kill -9 at the last answer: each was answered after its own commit; somebody else is served meanwhile"""
    juliet, contact = alone(lan)
    pinger = Pinger(juliet)
    times, answered = burst(juliet, contact, 1, CALLS, CALLS)
    ours, floor = pinger.waits(times["start"], times["end"])
    mean, mean_floor = sum(ours) / max(len(ours), 1), sum(floor) / max(len(floor), 1)
    rig.note("%d calls in %d ms; %d little ones took %.1f ms on average, at most %.1f; %.1f where nobody else asked" %
             (CALLS, (times["end"] - times["start"]) / 1000, len(ours), mean, max(ours), mean_floor))
    # Behind the burst, each would have waited for a good part of it. What the bus and the processor are to everybody is the floor.
    assert len(ours) >= 6 and mean < 10 * mean_floor + 50, (ours, floor)
    juliet.restart()
    check_stored(juliet, contact, answered, True)


@rig.test
def a_hundred_clients_and_kill(lan):
    """M-01 M-02: 100 clients with 20 Send calls each at once, and kill -9 in the middle: what was answered is on disk, once, in the order of its client"""
    juliet, contact = alone(lan)
    _, answered = burst(juliet, contact, 100, 20, 1000)
    juliet.restart()
    check_stored(juliet, contact, answered, False)


rig.main()
