#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`make bench-past`: what a long history costs. Two earshotd, one with 1,000 messages of history and one with BENCH_PAST (1,000,000), asked the
same in turns; prints medians in ms and their ratio as JSON. On the rig of tests/lan, so that nothing leaves its namespaces.

The rows are written into the file of a stopped daemon, in the mix of a person with 8 contacts, so that each question has its 50 answers in both; the index over them is brought up to date by
the daemon, and how long that takes beside a client that sends is measured as well."""
import json
import os
import random
import sqlite3
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lan"))
import rig  # noqa: E402
from bench import enter_namespace  # noqa: E402
from gi.repository import GLib  # noqa: E402

FEW, MANY = 1000, int(os.environ.get("BENCH_PAST", "1000000"))
CONTACTS = 8
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "200"))
STARTS = 11
START = 1700000000000000
WORDS = ["word%d" % i for i in range(20000)]


def body(chance, i):
    text = " ".join(WORDS[min(int(chance.expovariate(1 / 600)), len(WORDS) - 1)] for _ in range(12))
    return text + (" needle" if i % 13 == 0 else "") + (" the" if chance.random() < 0.6 else "")


def fill(user, count):
    """As many messages, from and to 8 people, the last hundred of them unread."""
    paths = [user.manager("AddContact", GLib.Variant("(ssasa{sv})", ("person%d" % i, "%064x" % (i + 1), [], {})))[0] for i in range(CONTACTS)]
    ids = [int(path.rsplit("/", 1)[1]) for path in paths]
    user.call(rig.ROOT, "Messages", "CreateConsumer", GLib.Variant("(sa{sv})", ("bench", {})))
    assert user.stop() == 0
    chance = random.Random(1)

    def rows():
        for i in range(count):
            out = i % 2
            yield (START + i * 1000000, ids[chance.randrange(CONTACTS)], "%032x" % i, out, START + i * 1000000, "delivered" if out else None,
                   body(chance, i))

    with sqlite3.connect(os.path.join(user.data_dir, "messages.db"), isolation_level=None) as db:
        db.execute("PRAGMA synchronous=OFF")
        db.execute("BEGIN")
        db.executemany("INSERT INTO log (time, kind, contact, id, direction, insecure, sent_time, trust, state, body)"
                       " VALUES (?, 0, ?, ?, ?, 0, ?, 'pinned', ?, ?)", rows())
        head = db.execute("SELECT max(seq) FROM log").fetchone()[0]
        db.execute("INSERT OR REPLACE INTO conversation (contact, last_seq, read_seq, unread, muted, require) SELECT contact, max(seq), ?,"
                   " sum(seq > ? AND direction = 0), 0, '' FROM log GROUP BY contact", (head - 100, head - 100))
        db.execute("UPDATE consumer SET cursor = ?", (head - 50,))
        db.execute("COMMIT")
    db.close()
    return paths


def start(user):
    begin = time.monotonic()
    user.restart()
    return (time.monotonic() - begin) * 1000


def raw(user, interface, method, arguments):
    """Python takes longer to unpack an answer than the daemon to give it."""
    return user.bus.call_sync(rig.NAME, rig.ROOT, rig.NAME + "." + interface if interface else "org.freedesktop.DBus.Properties", method,
                              arguments, None, 0, 600000, None)


def ask_list(conversation, **filters):
    arguments = GLib.Variant("(otua{sv})", (conversation, 0, 50, filters))
    return lambda user: raw(user, "Messages", "List", arguments)


def timed(user, ask):
    begin = time.monotonic()
    ask(user)
    return (time.monotonic() - begin) * 1000


def median(values):
    return sorted(values)[len(values) // 2]


def quantile(values, part):
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


def index_meanwhile(user, path):
    """The index is made while somebody sends: how long, and how long does one Send wait at most?"""
    waits, done = [], []
    begin = time.monotonic()
    user.bus.call(rig.NAME, rig.ROOT, rig.NAME + ".Messages", "List", GLib.Variant("(otua{sv})", ("/", 0, 1, {"words": GLib.Variant("s", "needle")})),
                  None, 0, 600000, None, lambda bus, result: done.append(bus.call_finish(result)))
    while not done:
        waits.append(timed(user, lambda user: user.call(rig.ROOT, "Messages", "Send", GLib.Variant("(osa{sv})", (path, "meanwhile", {})))))
        GLib.MainContext.default().iteration(False)
    return {"seconds": round(time.monotonic() - begin, 1), "send_p50_ms": round(median(waits), 2), "send_p99_ms": round(quantile(waits, 0.99), 2),
            "send_max_ms": round(max(waits), 1), "sends": len(waits)}


def measure():
    with rig.Lan() as lan:
        users = [lan.host(name, avahi="none").start_daemon(name="juliet", verbose=False) for name in ("pronto", "forza")]
        paths = [fill(user, count) for user, count in zip(users, (FEW, MANY))]
        for user in users:
            user.restart()
        result = {"messages": [FEW, MANY], "index": index_meanwhile(users[1], paths[1][0])}
        questions = {
            "list_all": [ask_list("/")] * 2,
            "list_one": [ask_list(of[7]) for of in paths],
            "fetch": [lambda user: raw(user, "Messages", "Fetch", GLib.Variant("(sua{sv})", ("bench", 50, {})))] * 2,
            "unread": [lambda user: raw(user, None, "Get", GLib.Variant("(ss)", (rig.NAME + ".Messages", "Unread")))] * 2,
            "search_common": [ask_list("/", words=GLib.Variant("s", "the"))] * 2,
            "search_rare": [ask_list("/", words=GLib.Variant("s", "needle"))] * 2,
            "search_none": [ask_list("/", words=GLib.Variant("s", "nowhere"))] * 2,
            "search_one": [ask_list(of[7], words=GLib.Variant("s", "the")) for of in paths],
        }
        for name, asks in questions.items():
            times = [[], []]
            for round_ in range(ROUNDS + 5):
                for user, ask, into in zip(users, asks, times):
                    taken = timed(user, ask)
                    if round_ >= 5:
                        into.append(taken)
            result[name] = [round(median(values), 3) for values in times]
        times = [[], []]
        for _ in range(STARTS):
            for user, into in zip(users, times):
                assert user.stop() == 0
                into.append(start(user))
        result["start"] = [round(median(values), 1) for values in times]
        times = [[], []]
        for _ in range(3):
            for user, into in zip(users, times):
                user.call(rig.ROOT, "Messages", "Send", GLib.Variant("(osa{sv})", (paths[users.index(user)][0], "x", {})))
                user.kill9()
                into.append(start(user))
        result["start_after_kill"] = [round(median(values), 1) for values in times]
        for key, value in list(result.items()):
            if key != "messages" and isinstance(value, list):
                result[key] = {"few_ms": value[0], "many_ms": value[1], "ratio": round(value[1] / value[0], 2)}
        result["file_mb"] = round(os.path.getsize(os.path.join(users[1].data_dir, "messages.db")) / 1e6)
        return result


if __name__ == "__main__":
    enter_namespace()
    print(json.dumps(measure(), indent=2))
