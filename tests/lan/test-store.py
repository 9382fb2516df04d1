#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is kept, over the real thing: disks that take nothing, clocks that leap, yesterday's backup, and finding what was said."""
import errno
import glob
import json
import os
import shutil
import sqlite3

import rig
from gi.repository import Gio, GLib
from people import befriend, error_of, fingerprint, log, queued, received, send, state_of, wait_received, wait_sight, wait_state, with_key
from shim import Shim

HOUR, YEAR = 3600, 365 * 86400


def two(lan):
    """Juliet, who has a shim, and Romeo; the path of each at the other's."""
    shim = Shim(lan, "juliet")
    juliet = lan.host("pronto", avahi="embedded").start_daemon(name="juliet", env=shim.env())
    romeo = lan.host("forza", avahi="embedded").start_daemon(name="romeo")
    befriend(juliet, romeo)
    wait_sight(juliet, "romeo")
    wait_sight(romeo, "juliet")
    return juliet, romeo, with_key(juliet, fingerprint(romeo)), with_key(romeo, fingerprint(juliet)), shim


def sound(user):
    for name in ("messages.db", "trust.db"):
        with sqlite3.connect(os.path.join(user.data_dir, name)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        db.close()
    assert not glob.glob(user.data_dir + "/*.damaged-*")


@rig.test
def disk_takes_nothing(lan):
    """M-01 M-03: read-only, full or broken under the daemon: Send says StoreFull, what a peer sent is not acknowledged and comes once there is a disk again"""
    juliet, romeo, at_juliet, at_romeo, shim = two(lan)
    wait_state(juliet, send(juliet, at_juliet, "before")[0], "delivered")
    shim.refuse_writes(errno.ENOSPC)
    assert error_of(send, juliet, at_juliet, "refused") == "StoreFull"
    shim.refuse_writes(errno.EROFS)
    assert error_of(send, juliet, at_juliet, "refused") == "StoreFull"
    message = send(romeo, at_romeo, "to a disk that takes nothing")[0]
    # Asked and refused again: by now the message had its chance.
    assert error_of(send, juliet, at_juliet, "refused") == "StoreFull"
    assert state_of(romeo, message)[0] in ("queued", "sent", "acked"), state_of(romeo, message)
    shim.refuse_writes()
    wait_received(juliet, ["to a disk that takes nothing"], 90)
    wait_state(romeo, message, "delivered", 90)
    wait_state(juliet, send(juliet, at_juliet, "after")[0], "delivered", 60)
    assert received(romeo) == ["before", "after"]
    assert juliet.stop() == 0
    sound(juliet)


@rig.test
def clock_leaps(lan):
    """M-01 M-12: an hour back and a year forward, while it runs and across a restart: nothing expires, tokens count, the order is that of arrival"""
    juliet, romeo, at_juliet, at_romeo, shim = two(lan)
    wait_state(juliet, send(juliet, at_juliet, "0")[0], "delivered")
    romeo.host.unplug()
    first = send(juliet, at_juliet, "1", token="one")[0]
    shim.set_clock(-HOUR)
    send(juliet, at_juliet, "2")
    shim.set_clock(YEAR)
    send(juliet, at_juliet, "3")
    assert send(juliet, at_juliet, "1", token="one")[0] == first
    juliet.kill9()
    juliet.restart()
    assert queued(juliet) == 4 - 1, queued(juliet)
    assert send(juliet, at_juliet, "1", token="one")[0] == first
    send(juliet, at_juliet, "4")
    shim.set_clock(0)
    send(juliet, at_juliet, "5")
    romeo.host.plug()
    wait_received(romeo, list("012345"), 60)
    juliet.wait_for(lambda: queued(juliet) == 0, 30, "the outbox to empty")
    assert [entry[5]["body"] for entry in log(juliet)] == list("012345")
    assert juliet.stop() == 0
    sound(juliet)


@rig.test
def yesterdays_backup(lan):
    """M-02 M-06: messages.db of yesterday: what it owes and the peer has goes out again and is not shown twice, no number is given twice"""
    juliet, romeo, at_juliet, at_romeo, shim = two(lan)
    wait_state(juliet, send(juliet, at_juliet, "kept")[0], "delivered")
    romeo.host.unplug()
    owed = send(juliet, at_juliet, "owed yesterday")[0]
    juliet.call(rig.ROOT, "Messages", "CreateConsumer", GLib.Variant("(sa{sv})", ("bot", {})))
    assert juliet.stop() == 0
    backup = os.path.join(lan.dir, "backup.db")
    shutil.copy(os.path.join(juliet.data_dir, "messages.db"), backup)
    juliet.restart()
    romeo.host.plug()
    wait_received(romeo, ["kept", "owed yesterday"], 60)
    wait_state(romeo, send(romeo, at_romeo, "today")[0], "delivered", 60)
    wait_state(juliet, owed, "delivered", 60)
    head = juliet.get_prop(rig.ROOT, "Messages", "HeadSeq")
    juliet.call(rig.ROOT, "Messages", "Ack", GLib.Variant("(st)", ("bot", head)))
    assert juliet.stop() == 0
    shutil.copy(backup, os.path.join(juliet.data_dir, "messages.db"))
    juliet.restart()
    wait_state(juliet, owed, "delivered", 60)
    again = send(juliet, at_juliet, "again today")
    assert again[1] > head, (again, head)
    wait_received(romeo, ["kept", "owed yesterday", "again today"], 60)
    # A client that kept today's number may go on with it, and gets what is new.
    juliet.call(rig.ROOT, "Messages", "Ack", GLib.Variant("(st)", ("bot", head)))
    entries = juliet.call(rig.ROOT, "Messages", "Fetch", GLib.Variant("(sua{sv})", ("bot", 100, {})))[0]
    assert [entry[0] for entry in entries if entry[2] == "message"] == [again[1]], entries
    assert juliet.stop() == 0
    sound(juliet)


@rig.test
def words_are_found(lan):
    """Search: of both sides, by words, and not what was deleted; across a restart"""
    juliet, romeo, at_juliet, at_romeo, shim = two(lan)
    wait_state(juliet, send(juliet, at_juliet, "Shall we meet in the garden?")[0], "delivered")
    gone = send(romeo, at_romeo, "The garden is watched")[0]
    wait_state(romeo, gone, "delivered")
    wait_state(romeo, send(romeo, at_romeo, "Then at the GARDEN wall; a \"quoted\" word OR two")[0], "delivered")
    def find(*words):
        found = juliet.ctl("--json", "log", "--grep", *words)
        return [line["body"][:8] for line in ([found] if isinstance(found, dict) else found)]

    assert find("garden") == ["Shall we", "The gard", "Then at "], find("garden")
    assert find("or quoted") == ["Then at "]
    assert find("gard") == []
    juliet.call(rig.ROOT, "Messages", "Delete", GLib.Variant("(asa{sv})", ([gone], {})))
    assert find("garden", "-n", "10") == ["Shall we", "Then at "]
    juliet.kill9()
    juliet.restart()
    assert find("garden") == ["Shall we", "Then at "]
    assert find("watched") == []


@rig.test
def yesterdays_directory(lan):
    """M-02 M-06: all of the directory written over with yesterday's: no number is given twice, what is owed goes out and is not shown twice, a program with today's number goes on"""
    juliet, romeo, at_juliet, at_romeo, shim = two(lan)
    wait_state(juliet, send(juliet, at_juliet, "kept")[0], "delivered")
    romeo.host.unplug()
    owed = send(juliet, at_juliet, "owed yesterday")[0]
    assert juliet.stop() == 0
    backup = os.path.join(lan.dir, "yesterday")
    shutil.copytree(juliet.data_dir, backup)
    juliet.restart()
    romeo.host.plug()
    wait_state(juliet, owed, "delivered", 60)
    for n in range(3):
        wait_state(juliet, send(juliet, at_juliet, "today %d" % n)[0], "delivered", 60)
    head = juliet.get_prop(rig.ROOT, "Messages", "HeadSeq")
    # It went on for a while: so many numbers were given since.
    while GLib.get_real_time() / 1e6 - os.stat(backup + "/messages.db").st_mtime < 1:
        wait_state(juliet, send(juliet, at_juliet, "on and on")[0], "delivered", 60)
        head = juliet.get_prop(rig.ROOT, "Messages", "HeadSeq")
    said = received(romeo)
    assert juliet.stop() == 0
    # As cp does: every file is the one that was there, with other bytes in it.
    for name in os.listdir(backup):
        path = os.path.join(juliet.data_dir, name)
        if os.path.isfile(path) and name.startswith("messages.db"):
            inode = os.stat(path).st_ino
            with open(os.path.join(backup, name), "rb") as old, open(path, "r+b") as new:
                new.truncate()
                new.write(old.read())
            shutil.copystat(os.path.join(backup, name), path)
            assert os.stat(path).st_ino == inode
    juliet.restart()
    wait_state(juliet, owed, "delivered", 60)
    again = send(juliet, at_juliet, "again today")
    assert again[1] > head, (again, head)
    wait_state(juliet, again[0], "delivered", 60)
    assert received(romeo) == said + ["again today"], received(romeo)
    # Nobody makes a copy of it while it runs.
    with sqlite3.connect(os.path.join(juliet.data_dir, "messages.db"), timeout=0) as db:
        try:
            db.execute("SELECT count(*) FROM log").fetchone()
            raise AssertionError("somebody else read it")
        except sqlite3.OperationalError as error:
            assert "locked" in str(error), error
    db.close()
    assert juliet.stop() == 0
    sound(juliet)


@rig.test
def out_and_back(lan):
    """Export: JSON lines of all that was said, to a file, a slow pipe and one that is gone; a daemon that lost its history takes them back, once, and sends nothing"""
    juliet, romeo, at_juliet, at_romeo, shim = two(lan)
    bodies = ["line %d \"quoted\" \\ \u202e back\tslash\nsecond" % i for i in range(300)]
    for body in bodies:
        message = send(juliet, at_juliet, body)[0]
    wait_state(juliet, message, "delivered", 60)
    wait_state(romeo, send(romeo, at_romeo, "answer")[0], "delivered")
    path = os.path.join(lan.dir, "export.jsonl")
    juliet.ctl("log", "--export", path)
    assert os.stat(path).st_mode & 0o777 == 0o600
    with open(path) as file:
        lines = [json.loads(line) for line in file]
    said = [line for line in lines if line["type"] == "message"]
    assert [line["body"] for line in said] == bodies + ["answer"]
    assert all(line["peer"]["fingerprint"] == fingerprint(romeo) for line in said)
    assert juliet.ctl("log", fingerprint(romeo)[:16], "--export", "-").count("\n") == len([line for line in lines if "peer" in line])
    # A reader that is gone ends it, and nobody else notices.
    reader, writer = os.pipe()
    os.close(reader)
    fds = Gio.UnixFDList.new_from_array([writer])
    try:
        juliet.bus.call_with_unix_fd_list_sync(rig.NAME, rig.ROOT, rig.NAME + ".Messages", "Export", GLib.Variant("(ha{sv})", (0, {})), None, 0,
                                               60000, fds, None)
        raise AssertionError("wrote to nobody")
    except GLib.Error as error:
        assert rig.error_name(error).endswith(".Failed"), error
    # One that takes its time gets all of it, and the daemon answers others meanwhile.
    reader, writer = os.pipe()
    fds, answers = Gio.UnixFDList.new_from_array([writer]), []
    juliet.bus.call_with_unix_fd_list(rig.NAME, rig.ROOT, rig.NAME + ".Messages", "Export", GLib.Variant("(ha{sv})", (0, {})), None, 0, 60000, fds,
                                      None, lambda bus, result: answers.append(bus.call_with_unix_fd_list_finish(result)[0].unpack()[0]))
    wait_state(juliet, send(juliet, at_juliet, "meanwhile")[0], "delivered")
    assert not answers
    os.set_blocking(reader, False)

    def take():
        try:
            os.read(reader, 4096)
        except BlockingIOError:
            pass
        return answers

    GLib.timeout_add(10, lambda: not answers)  # something to ask at
    rig.wait(take, 60, "the export to end")
    os.close(reader)
    assert answers == [len(lines)], answers
    # Lost, and taken back.
    assert juliet.stop() == 0
    for left in glob.glob(juliet.data_dir + "/messages.db*"):
        os.unlink(left)
    juliet.restart()
    status, _, note = juliet.ctl("log", "--import", path, check=False)
    assert status == 0 and "301 entries imported, 0 were there" in note, note
    _, _, note = juliet.ctl("log", "--import", path, check=False)
    assert "0 entries imported, 301 were there" in note, note
    assert [entry[5]["body"] for entry in log(juliet)] == bodies + ["answer"]
    assert queued(juliet) == 0 and juliet.get_prop(rig.ROOT, "Messages", "Unread") == 0
    wait_state(romeo, send(romeo, at_romeo, "news")[0], "delivered", 60)
    assert received(romeo) == bodies + ["meanwhile"]
    assert juliet.stop() == 0
    sound(juliet)


def fill(user, contact, n):
    """A long past with one contact, written while the daemon is away."""
    with sqlite3.connect(os.path.join(user.data_dir, "messages.db")) as db:
        db.execute("WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < ?) INSERT INTO log (time, kind, contact, id, direction, insecure,"
                   " sent_time, trust, body) SELECT 1767607332000000 + x, 0, ?, 'old-' || x, x % 2, 0, 1, 'pinned', 'harbour ' || x FROM c", (n, contact))
    db.close()


def rows(user, contact):
    with sqlite3.connect(os.path.join(user.data_dir, "messages.db")) as db:
        count = db.execute("SELECT count(*) FROM log WHERE contact = ?", (contact,)).fetchone()[0]
    db.close()
    return count


@rig.test
def forgotten_at_once(lan):
    """M-01: a contact with 60,000 messages is forgotten: nothing of it is seen again, others are sent to meanwhile, and after kill -9 in the middle it goes on"""
    juliet, romeo, at_juliet, at_romeo, shim = two(lan)
    mercutio = juliet.call("", "Manager", "AddContact", GLib.Variant("(ssasa{sv})", ("mercutio", "ab" * 32, [], {})))[0]
    number = int(mercutio.rsplit("/", 1)[1])
    send(juliet, mercutio, "owed")
    assert juliet.stop() == 0
    shutil.copy(os.path.join(juliet.data_dir, "messages.db"), os.path.join(lan.dir, "before.db"))
    fill(juliet, number, 60000)
    juliet.restart()
    juliet.call(rig.ROOT, "Messages", "CreateConsumer", GLib.Variant("(sa{sv})", ("bot", {"from_start": GLib.Variant("b", True)})))

    def gone():
        assert error_of(juliet.call, "", "Messages", "Get", GLib.Variant("(s)", ("old-30000",))) == "NotFound"
        assert "harbour" not in juliet.ctl("log", "--grep", "harbour")
        assert [entry for entry in log(juliet) if entry[3] != at_juliet] == []
        for entry in juliet.call(rig.ROOT, "Messages", "Fetch", GLib.Variant("(sua{sv})", ("bot", 1000, {})))[0]:
            assert entry[3] != mercutio, entry

    juliet.call(mercutio, "Contact", "Forget", GLib.Variant("(a{sv})", ({},)))
    said = [send(juliet, at_juliet, "meanwhile %d" % n)[0] for n in range(5)]
    juliet.kill9()
    left = rows(juliet, number)
    rig.note("%d rows are left at kill -9" % left)
    assert left > 0, "it was all in one, and the sends waited"
    juliet.restart()
    gone()
    for id in said:
        wait_state(juliet, id, "delivered", 60)
    assert queued(juliet) == 0
    # The daemon is asked for something small until it is through; it ends in order in the middle of it, too.
    for _ in range(100):
        assert juliet.stop() == 0
        left = rows(juliet, number)
        if left == 0:
            break
        juliet.restart()
        for n in range(10):
            wait_state(juliet, send(juliet, at_juliet, "on and on")[0], "delivered", 60)
    assert left == 0, left
    # Killed between the two files: the contact is gone from the one, and its past would be in the other.
    os.unlink(os.path.join(juliet.data_dir, "messages.db"))
    shutil.copy(os.path.join(lan.dir, "before.db"), os.path.join(juliet.data_dir, "messages.db"))
    with sqlite3.connect(os.path.join(juliet.data_dir, "trust.db")) as db:
        assert db.execute("SELECT count(*) FROM setting WHERE name LIKE 'forgotten:%'").fetchone() == (0,)
        db.execute("INSERT INTO setting VALUES (?, '1')", ("forgotten:%d" % number,))
    db.close()
    assert rows(juliet, number) > 0
    juliet.restart()
    assert [entry for entry in log(juliet) if entry[3] == mercutio] == [] and queued(juliet) == 0
    assert juliet.stop() == 0
    assert rows(juliet, number) == 0
    with sqlite3.connect(os.path.join(juliet.data_dir, "trust.db")) as db:
        assert db.execute("SELECT count(*) FROM setting WHERE name LIKE 'forgotten:%'").fetchone() == (0,)
    db.close()
    sound(juliet)


def seen_of(line):
    """What a person sees of an exported entry: not its number, nor that it went through a file."""
    entry = json.loads(line)
    return {key: value for key, value in entry.items() if key not in ("seq", "imported")}


@rig.test
def there_and_back_again(lan):
    """Export, import into an empty daemon, export: the same corrections, tombstones, reactions, links and states; what somebody made up in between is left out alone"""
    juliet, romeo, at_juliet, at_romeo, shim = two(lan)

    def react(user, contact, message, *emojis):
        return user.call("", "Messages", "React", GLib.Variant("(osas)", (contact, message, emojis)))[0]

    first, second = send(juliet, at_juliet, "helo")[0], send(juliet, at_juliet, "not for you")[0]
    theirs = send(romeo, at_romeo, "see this", url="https://x.example/")[0]
    wait_received(juliet, ["see this"])
    wait_received(romeo, ["helo", "not for you"])
    edit = send(juliet, at_juliet, "hello", edit_of=first)[0]
    thumb, party = react(juliet, at_juliet, theirs, "👍"), react(romeo, at_romeo, first, "🎉", "👍")
    gone = juliet.call("", "Messages", "Retract", GLib.Variant("(s)", (second,)))[0]
    answer = send(juliet, at_juliet, "looks good", reply_to=theirs, thread="t")[0]
    for id in (edit, thumb, gone, answer):
        wait_state(juliet, id, "delivered")
    wait_state(romeo, party, "delivered")
    peer = fingerprint(romeo)[:16]
    # Gone, not only cut off: what a stream had taken already would still arrive, expired or not.
    assert romeo.stop() == 0
    late = send(juliet, at_juliet, "goodbye", edit_of=first, expires=GLib.get_real_time() + 300000)[0]
    wait_state(juliet, late, "expired", 30)

    def export(user, name):
        path = os.path.join(lan.dir, name)
        user.ctl("log", "--export", path)
        with open(path) as file:
            lines = [line for line in file if json.loads(line)["type"] in ("message", "edit", "retract", "reaction")]
        return path, lines

    def shown(user):
        # Without the first column, which says `imported` from then on.
        return [line.split("  ", 1)[1].strip() for line in user.ctl("log", peer).splitlines()]

    path, before = export(juliet, "before.jsonl")
    said = shown(juliet)
    assert any("edited; correction expired" in line and "🎉 👍 by" in line and line.endswith("hello") for line in said), said
    assert any("[delivered; retracted]" in line for line in said), said
    assert juliet.stop() == 0
    for left in glob.glob(juliet.data_dir + "/messages.db*"):
        os.unlink(left)
    # Lines that no daemon wrote stand between, and take nothing along.
    forged = json.loads(before[0])
    with open(path) as file, open(path + ".forged", "w") as out:
        for line in file:
            out.write(line)
            for change in ({"url": "javascript:1"}, {"type": "reaction", "about": first, "emojis": ["buy"]}, {"retracted": forged["time"]}, {"type": "edit"}):
                out.write(json.dumps(dict(forged, id="forged", **change)) + "\n")
    juliet.restart()
    _, _, note = juliet.ctl("log", "--import", path + ".forged", check=False)
    assert "%d entries imported, 0 were there" % len(before) in note, note
    _, after = export(juliet, "after.jsonl")
    assert [seen_of(line) for line in after] == [seen_of(line) for line in before], (before, after)
    assert shown(juliet) == said, (said, shown(juliet))
    # Nothing came of it: no number counts, nobody hears anything, and the file once more brings nothing.
    assert queued(juliet) == 0 and juliet.get_prop(rig.ROOT, "Messages", "Unread") == 0
    _, _, note = juliet.ctl("log", "--import", path, check=False)
    assert "0 entries imported, %d were there" % len(before) in note, note
    romeo.restart()
    wait_state(romeo, send(romeo, at_romeo, "still here?")[0], "delivered", 60)
    assert received(romeo) == ["hello", "", "looks good"], received(romeo)
    assert juliet.stop() == 0
    sound(juliet)


rig.main()
