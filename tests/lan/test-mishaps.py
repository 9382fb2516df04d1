#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong at home: a daemon killed in the middle, a bus client without manners, a link pulled from under it, a disk that lies.
Memory stays bounded, what was confirmed stands, and a friend's message still gets through."""
import contextlib
import os
import random

import foe
import rig
from gi.repository import Gio, GLib
from people import contacts, fingerprint, queued, received, requests, send, wait_request, wait_state, with_key
from victims import knock, log_lines, victim_and_friend


@rig.test
def decisions_survive_kill9(lan):
    """T-20: kill -9 while decisions are being stored: what was confirmed stands, nothing rises by itself"""
    host = lan.host("pronto", avahi="none")
    juliet = host.start_daemon(name="juliet")
    chance = random.Random(int(os.environ.get("EARSHOT_SEED", "7")))
    keys = ["%064x" % (i + 1) for i in range(12)]
    confirmed, asked = {}, {}
    for key in keys:
        juliet.manager("AddContact", GLib.Variant("(ssasa{sv})", ("", key, [], {})))
        confirmed[key] = ("pinned", False)
    for kill in range(8):
        flight = []
        for key in chance.sample(keys, 6):
            path, blocked = with_key(juliet, key), chance.random() < 0.5
            asked.setdefault(key, []).append(blocked)

            def done(bus, result, key=key, blocked=blocked, generation=kill):
                with contextlib.suppress(GLib.Error):
                    bus.call_finish(result)
                    confirmed[key] = ("pinned", blocked)
                    asked[key] = []
                flight.append(key)

            juliet.bus.call(rig.NAME, path, "org.freedesktop.DBus.Properties", "Set",
                            GLib.Variant("(ssv)", (rig.NAME + ".Contact", "Blocked", GLib.Variant("b", blocked))), None,
                            Gio.DBusCallFlags.NO_AUTO_START, 20000, None, done)
        enough = chance.randrange(7)
        rig.wait(lambda: len(flight) >= enough, 20, "some answers")
        juliet.kill9()
        rig.wait(lambda: len(flight) == 6, 20, "every call to end")
        juliet.restart()
        for key in keys:
            props = contacts(juliet)[with_key(juliet, key)]
            allowed = [confirmed[key][1]] + asked.get(key, [])
            assert props["Trust"] == "pinned" and props["Blocked"] in allowed, (key, props["Blocked"], allowed)
            confirmed[key], asked[key] = ("pinned", props["Blocked"]), []
    assert dict(juliet.get_prop("", "Manager", "Warnings")) == {} or "damaged-trust" not in dict(juliet.get_prop("", "Manager", "Warnings"))


# --- the bus ----------------------------------------------------------------------------------------------

def flood(user, calls, timeout=120, peak=lambda: None):
    """Pipelines (path, interface, method, arguments) from a connection of its own; the results: errors by short name, None for success."""
    bus = user._bus_daemon.connect()
    results = []

    def done(connection, result):
        try:
            connection.call_finish(result)
            results.append(None)
        except GLib.Error as error:
            results.append((rig.error_name(error) or str(error)).rsplit(".", 1)[-1])
        peak()

    n = 0
    for path, iface, method, args in calls:
        bus.call(rig.NAME, path, iface if "." in iface else rig.NAME + "." + iface, method, args, None, Gio.DBusCallFlags.NO_AUTO_START, 1000 * timeout,
                 None, done)
        n += 1
        if n == 1:  # who we are is asked once, and until then only so many may wait
            rig.wait(lambda: len(results) == 1, timeout, "the first answer")
    rig.wait(lambda: len(results) == n, timeout, "%d answers (%d)" % (n, len(results)))
    bus.close_sync()
    return results


@rig.test
def bus_client_floods(lan):
    """A bus client without manners: pipelined sends, huge bodies, consumers, wrong types, vanished objects, silent and dying agents"""
    juliet, romeo = victim_and_friend(lan)
    contact = with_key(juliet, fingerprint(romeo))
    romeo.host.unplug()
    sends = lambda body, count: [(rig.ROOT, "Messages", "Send", GLib.Variant("(osa{sv})", (contact, body % i, {}))) for i in range(count)]
    with foe.bounded(juliet, 40, "10 000 pipelined sends"):
        assert set(flood(juliet, sends("%05d", 10000))) == {None}
        assert queued(juliet) == 10000
    with foe.bounded(juliet, 40, "huge bodies"):
        assert set(flood(juliet, [(rig.ROOT, "Messages", "Send", GLib.Variant("(osa{sv})", (contact, "x" * 2000000, {})))] * 40)) == {"TooLarge"}
    with foe.bounded(juliet, 16, "a thousand consumers"):
        results = flood(juliet, [(rig.ROOT, "Messages", "CreateConsumer", GLib.Variant("(sa{sv})", ("c%d" % i, {}))) for i in range(1000)])
        assert results.count(None) <= 256 and set(results) == {None, "QuotaExceeded"}, set(results)
        results = flood(juliet, [(rig.ROOT, "Messages", "DeleteConsumer", GLib.Variant("(s)", ("c%d" % i,))) for i in range(1000)])
        assert set(results) == {None, "NotFound"}
    descriptors, most = foe.descriptors(juliet), [0]
    with foe.bounded(juliet, 8, "probes and rescans"):
        results = flood(juliet, [(rig.ROOT, "Network", "Probe", GLib.Variant("(su)", ("10.77.0.%d:9" % (100 + i % 100), 2000))) for i in range(1500)]
                        + [(rig.ROOT, "Network", "Rescan", None)] * 500, peak=lambda: most.append(foe.descriptors(juliet)))
        assert "QuotaExceeded" in results and max(most) - descriptors <= 40, (set(results), max(most) - descriptors)
    s, o = GLib.Variant("(s)", ("x",)), GLib.Variant("(o)", ("/",))
    wrong = [(path, iface, method, args) for path in (rig.ROOT, contact, rig.ROOT + "/contact/4242", rig.ROOT + "/key/" + "0" * 64, rig.ROOT + "/request/7", "/")
             for iface in ("Manager", "Messages", "Contact", "Key", "Request", "Network", "Conversation", "org.freedesktop.DBus.Properties", "no.such.Thing")
             for method in ("Send", "Get", "Set", "Resolve", "Forget", "Accept", "FindContact", "AddContact", "List", "Nonsense")
             for args in (None, s, o, GLib.Variant("(ssv)", ("a", "b", GLib.Variant("as", ["c"] * 100))))]
    results = flood(juliet, wrong)
    assert None not in [result for result, call in zip(results, wrong) if call[1] != "org.freedesktop.DBus.Properties"], "something odd succeeded"
    assert contacts(juliet)[contact]["Trust"] == "pinned" and queued(juliet) == 10000

    # Agents: one never answers, one dies, one takes every place; the question stays with the people.
    mallory = lan.host("mallory", avahi="none")
    stream = knock(juliet, mallory, foe.Key(lan.dir, "agent"), "paris@m")
    path, props = wait_request(juliet, "new-key")
    agents = [juliet._bus_daemon.connect() for _ in range(3)]
    register = GLib.Variant("(osa{sv})", ("/agent", "interactive", {}))
    for agent in agents:
        agent.register_object("/agent", Gio.DBusNodeInfo.new_for_xml(
            "<node><interface name='%s.Agent'><method name='Present'><arg type='o' direction='in'/><arg type='s' direction='in'/>"
            "<arg type='a{sv}' direction='in'/></method><method name='Withdraw'><arg type='o' direction='in'/><arg type='s' direction='in'/></method>"
            "<method name='Release'/></interface></node>" % rig.NAME).interfaces[0], lambda *_: None, None, None)
        agent.call_sync(rig.NAME, rig.ROOT, rig.NAME + ".Manager", "RegisterAgent", register, None, 0, 20000, None)
    with foe.bounded(juliet, 8, "agents that take each other's place"):
        for i in range(200):
            agents[i % 3].call_sync(rig.NAME, rig.ROOT, rig.NAME + ".Manager", "RegisterAgent", register, None, 0, 20000, None)
    for agent in agents:
        agent.close_sync()
    assert path in requests(juliet)
    # Two front ends decide at once: the first wins, and only the first.
    outcomes = flood(juliet, [(path, "Request", "Resolve", GLib.Variant("(sa{sv})", (choice, {"fingerprint": GLib.Variant("s", props["Details"]["fingerprint"])})))
                              for choice in ("reject", "accept", "block", "accept")])
    assert outcomes[0] is None and set(outcomes[1:]) <= {"AlreadyResolved", "NotFound"}, outcomes
    assert contacts(juliet)[with_key(juliet, props["Details"]["fingerprint"])]["Trust"] == "unknown"
    stream.close()
    romeo.host.plug()
    juliet.wait_for(lambda: queued(juliet) == 0, 90, "all of it to arrive")
    assert received(romeo)[1:10001] == ["%05d" % i for i in range(10000)]


# --- the link ---------------------------------------------------------------------------------------------

@rig.test
def link_pulled_from_under(lan):
    """S-27 S-28 M-04: a peer stopped for 20 s, an interface that vanishes under an open stream, a host renamed: nothing lost"""
    juliet, romeo = victim_and_friend(lan)
    contact = with_key(juliet, fingerprint(romeo))
    os.kill(romeo.process.pid, 19)
    stopped = [send(juliet, contact, "while stopped %d" % i)[0] for i in range(300)]
    rig.settle(20)
    assert juliet.running() and queued(juliet) == 300
    os.kill(romeo.process.pid, 18)
    for one in (stopped[0], stopped[-1]):
        wait_state(juliet, one, "delivered", 60)
    # The interface itself goes, with the stream on it, and another comes.
    romeo.host.run("ip", "link", "del", "eth0")
    lost = send(juliet, contact, "without a link")[0]
    romeo.host.run("hostname", "verona")
    romeo.host.attach("eth0", "port77", lan.bridge, "10.77.0.77")
    wait_state(juliet, lost, "delivered", 90)
    assert received(romeo) == ["answer before"] + ["while stopped %d" % i for i in range(300)] + ["without a link"]
    assert juliet.running() and romeo.running()


# --- the disk ---------------------------------------------------------------------------------------------

def start_fails(user, words):
    """The daemon does not start, says why, and changes nothing in its directory."""
    def listing():
        found = {}
        for name in sorted(os.listdir(user.data_dir)):
            path = os.path.join(user.data_dir, name)
            if name != "lock" and os.path.isfile(path):
                with open(path, "rb") as data:
                    found[name] = (data.read(), os.stat(path).st_mode)
        return found
    before = listing()
    try:
        user.restart()
    except (AssertionError, rig.Timeout):
        pass
    assert not user.running(), "started with %s" % words
    said = "\n".join(line.decode("utf-8", "replace") for line in log_lines(user))
    assert any(word in said for word in words), said
    assert listing() == before, "something was changed"


@rig.test
def disk_that_lies(lan):
    """The disk: a damaged or open key, a read-only or full directory, a rotten trust.db; no pin vanishes without a word, no key is replaced"""
    host = lan.host("pronto", avahi="none")
    juliet = host.start_daemon(name="juliet")
    for i in range(40):
        juliet.manager("AddContact", GLib.Variant("(ssasa{sv})", ("friend %d" % i, "%064x" % (i + 1), [], {})))
    own = fingerprint(juliet)
    assert juliet.stop() == 0
    key, db = os.path.join(juliet.data_dir, "identity.key"), os.path.join(juliet.data_dir, "trust.db")
    with open(key, "rb") as data:
        good_key = data.read()
    with open(db, "rb") as data:
        good_db = data.read()

    def put(path, data, mode=0o600):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with open(path, "wb") as out:
            out.write(data)
        os.chmod(path, mode)

    os.chmod(key, 0o644)
    start_fails(juliet, ["is open to others"])
    put(key, good_key[:100])
    start_fails(juliet, ["damaged"])
    put(key, b"")
    start_fails(juliet, ["damaged"])
    os.unlink(key)
    start_fails(juliet, ["is missing"])
    os.symlink("/dev/zero", key)
    start_fails(juliet, ["cannot open", "not a regular file"])
    os.unlink(key)
    os.mkfifo(key, 0o600)
    start_fails(juliet, ["not a regular file"])
    put(key, good_key)
    # Others may write there: whatever stands in it is theirs.
    os.chmod(juliet.data_dir, 0o777)
    start_fails(juliet, ["may be written to by others"])
    os.chmod(juliet.data_dir, 0o700)
    # trust.db cannot be redirected.
    os.rename(db, db + ".elsewhere")
    os.symlink(db + ".elsewhere", db)
    start_fails(juliet, ["trust.db"])
    os.unlink(db)
    os.rename(db + ".elsewhere", db)

    # Rot in the middle of a page, a file cut short, a file of another program: set aside or refused, always told.
    rng = random.Random(3)
    rotten = bytearray(good_db)
    for page in range(1, len(rotten) // 4096):
        for _ in range(64):
            rotten[page * 4096 + rng.randrange(4096)] = rng.randrange(256)
    for damage in (bytes(rotten), good_db[:len(good_db) // 2], b"garbage" * 1000):
        put(db, damage)
        juliet.restart()
        warnings = dict(juliet.get_prop("", "Manager", "Warnings"))
        aside = [name for name in os.listdir(juliet.data_dir) if name.startswith("trust.db.damaged-") and not name.endswith(("-wal", "-shm"))]
        assert "damaged-trust" in warnings and aside and all(name in " ".join(warnings.values()) for name in aside), (aside, warnings)
        with open(os.path.join(juliet.data_dir, aside[0]), "rb") as data:
            assert data.read() == damage, "what was set aside is not what was there"
        assert fingerprint(juliet) == own
        assert juliet.stop() == 0
        for name in os.listdir(juliet.data_dir):
            if name.startswith("trust.db"):
                os.unlink(os.path.join(juliet.data_dir, name))
    put(db, good_db.replace(b"ErT1", b"ErX9", 1))
    start_fails(juliet, ["another program"])
    put(db, good_db)
    juliet.restart()
    assert len([1 for props in contacts(juliet).values() if props["Trust"] == "pinned"]) == 40
    assert juliet.stop() == 0

    # A directory nobody can write to, and one without room.
    host.run("mount", "--bind", juliet.data_dir, juliet.data_dir)
    host.run("mount", "-o", "remount,bind,ro", juliet.data_dir)
    start_fails(juliet, ["Read-only", "read-only"])
    host.run("umount", juliet.data_dir)
    full = os.path.join(juliet.dir, "full")
    os.mkdir(full, 0o700)
    host.run("mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "none", full)
    host.run("sh", "-c", "dd if=/dev/zero of=%s/ballast bs=1k count=1000 2>/dev/null; true" % full)
    new = host.user("new")
    new.data_dir = full
    with contextlib.suppress(AssertionError, rig.Timeout):
        new.start_daemon(name="nobody", discovery="none")
    assert not new.running() and b"cannot" in b"".join(log_lines(new)) or b"full" in b"".join(log_lines(new)), log_lines(new)
    left = host.run("ls", "-A", full)
    assert "identity.key\n" not in left, left
    juliet.restart()
    assert fingerprint(juliet) == own and len(contacts(juliet)) == 40


rig.main(needs=("openssl", "nft"))
