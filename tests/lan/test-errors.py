#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every error name and every exit code of docs/api.md section 8, reached: by calls over D-Bus, and by xmppctl, of the real programs.

reach() and leave() note what they saw; the last test compares that with the document. tests/docs/test-errors.py sees that the document names
what there is in the sources, and where those are reached that no play can time (ELSEWHERE)."""
import errno
import os
import re
import signal
import sqlite3
import sys

import rig
import sandbox
from gi.repository import Gio, GLib
from peer import CLIENT, STREAM, Peer, connect, pin, start
from people import error_of, fingerprint, requests, resolve, send, wait_request, wait_state, with_key
from shim import Shim

NOTHING = GLib.Variant("(a{sv})", ({},))
# By a window that closes before the bus has told who calls.
ELSEWHERE = {"Cancelled": "tests/unit/test-bus-access.c"}
reached, left = set(ELSEWHERE), set()


def documented():
    """{exit code: [error names]} as the document has it."""
    with open(os.path.join(rig.TOP_SRC, "docs/api.md"), encoding="utf-8") as file:
        section = file.read().split("\n## 8. ", 1)[1].split("\n## ", 1)[0]
    codes = {}
    for line in section.splitlines():
        cells = line.strip("|").split("|")
        if re.match(r"\| \d", line):
            numbers = [int(number) for number in cells[0].split("/")]
            groups = cells[2].split(" / ")
            for number, names in zip(numbers, groups if len(groups) == len(numbers) else groups * len(numbers)):
                codes[number] = re.findall(r"`(\w+)`", names)
    return codes


def reach(name, call, *args, **kw):
    """The call fails with this error."""
    got = error_of(call, *args, **kw)
    assert got == name, "%s, not %s" % (got, name)
    reached.add(name)


def leave(code, user, *args):
    """xmppctl ARGS ends with this status; what it said."""
    status, out, err = user.ctl(*args, check=False)
    assert status == code, "xmppctl %s: %d, not %d: %s%s" % (" ".join(args), status, code, out, err)
    left.add(code)
    return out, err


def add(user, petname, fp, *endpoints):
    return user.manager("AddContact", GLib.Variant("(ssasa{sv})", (petname, fp, endpoints, {})))[0]


def set_trust_mode(user, mode):
    user.set_prop("", "Manager", "TrustMode", GLib.Variant("s", mode))


def create_invite(user):
    return user.manager("CreateInvite", GLib.Variant("(a{sv})", ({"endpoints": GLib.Variant("as", ["192.0.2.7:5298"])},)))


def export_to_nobody(user):
    """Into a pipe that nobody reads from any more."""
    reading, writing = os.pipe()
    os.close(reading)
    fds = Gio.UnixFDList.new_from_array([writing])  # owns it now
    user.bus.call_with_unix_fd_list_sync(rig.NAME, rig.ROOT, rig.NAME + ".Messages", "Export", GLib.Variant("(ha{sv})", (0, {})), None, 0, 20000, fds, None)


@rig.test
def by_oneself(lan):
    """What a caller gets wrong, and what its own side says no to: errors by name, exit codes of xmppctl"""
    shim = Shim(lan, "juliet")
    juliet = lan.host("pronto", avahi="none").start_daemon(name="juliet", env=shim.env())
    ghost = add(juliet, "ghost", "abababab" + "01" * 28)
    enemy = add(juliet, "enemy", "abababab" + "02" * 28)
    juliet.set_prop(enemy, "Contact", "Blocked", GLib.Variant("b", True))

    leave(0, juliet, "status")
    send(juliet, ghost, "never answered")
    reach("InvalidArgument", send, juliet, ghost, "")
    leave(2, juliet, "send")
    reach("TooLarge", send, juliet, ghost, "x" * 70000)
    reach("NotFound", juliet.call, "", "Messages", "Get", GLib.Variant("(s)", ("no such id",)))
    leave(3, juliet, "show", "nobody")
    reach("Ambiguous", juliet.manager, "FindContact", GLib.Variant("(s)", ("abababab",)))
    leave(4, juliet, "show", "abababab")
    reach("NotReachable", juliet.call, ghost, "Contact", "Connect", NOTHING)
    leave(5, juliet, "net", "probe", "10.77.0.1:9")
    leave(6, juliet, "--timeout", "1", "wait", "ghost", "--for", "online")
    reach("NotTrusted", send, juliet, ghost, "for your eyes only", require="verified")
    leave(7, juliet, "send", "--require", "verified", "ghost", "for your eyes only")
    reach("Blocked", send, juliet, enemy, "are you there")
    reach("Mismatch", juliet.call, "key/abababab" + "02" * 28, "Key", "Accept", GLib.Variant("(sa{sv})", ("ff" * 32, {})))
    reach("Unsupported", set_trust_mode, juliet, "ca")
    leave(10, juliet, "send", "--to", "ghost", "--to", "enemy", "to both of you")

    reach("Failed", export_to_nobody, juliet)
    shim.refuse_writes(errno.ENOSPC)
    reach("StoreFull", send, juliet, ghost, "to a full disk")
    leave(1, juliet, "send", "ghost", "to a full disk")
    shim.refuse_writes()
    for _ in range(64):
        create_invite(juliet)
    reach("QuotaExceeded", create_invite, juliet)
    leave(8, juliet, "pair", "--endpoint", "192.0.2.7:5298")

    status, _, err = sandbox.ctl(juliet, "org.example.Chat", "--json", "status")
    assert '"AccessDenied"' in err and status == 9, (status, err)
    reached.add("AccessDenied")
    leave(9, juliet, "--bus=unix:path=/nonexistent/bus", "status")

    follower = juliet.spawn([os.path.join(rig.TOP_BUILD, "xmppctl"), "watch", "--json", "--since", "0"], "watch", lines=True)
    follower.wait_line("{")
    follower.popen.send_signal(signal.SIGINT)
    assert follower.popen.wait(20 * rig.PATIENCE) == 130
    left.add(130)
    # Of all that two things happened: the first message, and the half of what was said to two.
    assert juliet.get_prop("", "Messages", "Queued") == 2


@rig.test
def by_others(lan):
    """What another side says no to: silence, clear text, another key, a refusal, somebody who decided before"""
    juliet, romeo = start(lan), start(lan, "forza", "romeo")
    at = "%s:%d" % (romeo.host.address, romeo.get_prop("", "Network", "Port"))
    peer = Peer(lan.host("mantua", avahi="none"), "peer@mantua", juliet)
    listener = peer.listen()

    reach("Timeout", juliet.call, "", "Network", "Probe", GLib.Variant("(su)", (listener.endpoint, 300)))
    listener.accept()
    def in_clear(stream):
        stream.header()
        stream.send("<stream:stream xmlns='%s' xmlns:stream='%s' from='peer@mantua'>" % (CLIENT, STREAM))
        stream.rest()
    error, _ = listener.play(connect(juliet, pin(juliet, peer, listener)), in_clear)
    assert error == "PeerInsecure", error
    reached.add("PeerInsecure")

    # A stranger writes, is accepted twice, and refuses in the end.
    address = "%s:%d" % (juliet.host.address, juliet.get_prop("", "Network", "Port"))
    message = send(romeo, add(romeo, "juliet", fingerprint(juliet), address), "may I")[0]
    path, _ = wait_request(juliet, "new-key")
    resolve(juliet, path, "accept", fingerprint(romeo))
    reach("AlreadyResolved", resolve, juliet, path, "accept", fingerprint(romeo))
    wait_state(romeo, message, "delivered", 60)
    assert not requests(juliet)
    reach("NameConflict", juliet.call, add(juliet, "another", "ef" * 32, at), "Contact", "Connect", NOTHING)
    romeo.set_prop(with_key(romeo, fingerprint(juliet)), "Contact", "Blocked", GLib.Variant("b", True))
    stranger = start(lan, "verona", "tybalt")
    to_romeo = add(stranger, "romeo", fingerprint(romeo), at)
    add(romeo, "tybalt", fingerprint(stranger))
    romeo.set_prop(with_key(romeo, fingerprint(stranger)), "Contact", "Blocked", GLib.Variant("b", True))
    reach("Refused", stranger.call, to_romeo, "Contact", "Connect", NOTHING)


@rig.test
def after_a_long_time(lan):
    """A consumer that was away for a month, where little history is kept: CursorExpired, and xmppctl says how to go on"""
    config = os.path.join(lan.dir, "earshotd.conf")
    with open(config, "w") as file:
        file.write("[earshot]\nhistory-max=1\n")
    juliet = lan.host("pronto", avahi="none").start_daemon(name="juliet", config=config)
    ghost = add(juliet, "ghost", "ab" * 32)
    juliet.call("", "Messages", "CreateConsumer", GLib.Variant("(sa{sv})", ("bot", {})))
    for text in "abc":
        juliet.call("", "Messages", "Cancel", GLib.Variant("(s)", (send(juliet, ghost, text)[0],)))
    assert juliet.stop() == 0
    # By the store's own clock: one that is put forward makes nothing old.
    with sqlite3.connect(os.path.join(juliet.data_dir, "messages.db")) as db:
        db.execute("UPDATE consumer SET last_seen = last_seen - 31 * 86400000000")
    db.close()
    juliet.restart()
    juliet.wait_for(lambda: juliet.get_prop("", "Messages", "TailSeq") > 3, 20, "history to be tidied up")
    reach("CursorExpired", juliet.call, "", "Messages", "Fetch", GLib.Variant("(sua{sv})", ("bot", 10, {})))
    _, err = leave(3, juliet, "receive", "--consumer", "bot")
    assert "--from-start" in err, err


@rig.test
def nothing_is_left_out(lan):
    """Every error name and every exit code of the document was reached"""
    codes = documented()
    assert sorted(codes) == [*range(11), 130], codes
    missing = {name for names in codes.values() for name in names} - reached, set(codes) - left
    assert missing == (set(), set()) or len(sys.argv) > 1, missing
    assert reached <= {name for names in codes.values() for name in names}, reached


rig.main()
