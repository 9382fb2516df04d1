#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What somebody meets who has never seen xmppctl: on a bare machine, with half a name, before and after the first decision. TAP."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import F, JULIET, KEY_ROMEO, ROMEO, XMPPCTL, Result, expect, main, run, test  # noqa: E402
from mock import NAME  # noqa: E402


def bare(*arguments, **more):
    """xmppctl with nothing of a session in its environment but what is given."""
    env = {"HOME": F.bus.dir.name, "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "XDG_RUNTIME_DIR": F.bus.dir.name + "/empty", **more}
    done = subprocess.run([XMPPCTL, *arguments], capture_output=True, text=True, env=env, stdin=subprocess.DEVNULL, timeout=60)
    return Result(done.returncode, done.stdout, done.stderr)


@test("/first/no-bus-no-daemon-says-what-why-and-what-to-do")
def _():
    for address in (None, "unix:path=/nonexistent/bus"):
        for command in ([], ["peers"], ["send", "juliet", "x"], ["chat", "juliet"], ["doctor"]):
            result = bare(*command, **({"DBUS_SESSION_BUS_ADDRESS": address} if address else {}))
            expect(result.code == 9 and result.out == "" and len(result.err.splitlines()) == 2, result)
            expect("earshotd is not running" in result.err and "no message bus" in result.err and "earshot/bus" in result.err, result)
            expect("hint: start it" in result.err and "X11" not in result.err and "autolaunch" not in result.err, result)


@test("/first/a-bus-without-daemon-says-what-why-and-what-to-do")
def _():
    F.mock.do(F.mock.disown)
    try:
        for command in ([], ["peers"], ["send", "juliet", "x"]):
            result = run(*command, code=9)
            expect("earshotd is not running on this bus" in result.err and "hint: start it" in result.err and NAME not in result.err, result)
    finally:
        F.mock.do(F.mock.own)


@test("/first/half-an-address-is-understood-and-still-selects-nobody")
def _():
    result = run("send", "romeo", "hi", code=3)
    expect("nobody is called romeo" in result.err and "hint: there is romeo@forza" in result.err, result)
    expect(not F.called("Send"), F.mock.calls)
    expect("there is" not in run("show", "nobody", code=3).err, "nobody like that")
    # What is like it may be a stranger's text, and there may be many.
    for i in range(9):
        F.mock.do(lambda i=i: F.mock.add(ROMEO.rsplit("/", 1)[0] + "/%d" % (20 + i), "Contact", ClaimedAddress="ghost@\x1b[2J%d" % i, Kind="person"))
    expect("\\u{1b}[2J" in run("show", "ghost", code=3).err and "and 7 more" in run("show", "ghost", code=3).err, run("show", "ghost", code=3))


@test("/first/who-writes-to-a-stranger-is-told-what-the-message-waits-for")
def _():
    result = run("send", "romeo@forza", "hi")
    expect("waits here until you have accepted the key of (Romeo" in result.err and "trust pending" in result.err, result)
    expect(run("-q", "send", "romeo@forza", "hi").err == "", "quiet")
    expect("waits" not in run("send", "juliet", "hi").err, "accepted")
    F.mock.do(lambda: F.mock.change(ROMEO.rsplit("/contact", 1)[0], "Manager", TrustMode="tofu"))
    expect("waits" not in run("send", "romeo@forza", "hi").err, "tofu pins")


@test("/first/who-accepts-without-a-petname-is-told-how-to-give-one")
def _():
    result = run("trust", "accept", "--fingerprint", KEY_ROMEO)
    expect("xmppctl name %s NAME" % KEY_ROMEO[:16] in result.err, result)
    expect("xmppctl name" not in run("trust", "accept", "--fingerprint", KEY_ROMEO, "--name", "romeo").err, "named")


@test("/first/log-without-a-peer-is-everybody's")
def _():
    F.mock.do(lambda: F.mock.append("message", ROMEO, "x1", announce=False, direction="out", body="soft", state="queued", reason=""))
    out = run("log").out
    expect("juliet  hi" in out and "(Romeo" in out and "soft" in out, out)
    expect([line["id"] for line in run("log", "-n", "2", "--json").lines()] == ["m3", "x1"], "the newest")
    expect(F.called("List")[0][2][0] == "/" and JULIET not in str(F.called("List")), F.called("List"))


if __name__ == "__main__":
    main()
