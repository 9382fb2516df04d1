#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xmppctl doctor against a mock daemon on a private bus: what it shows, its exit status, and that words of others stay words. TAP."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import F, JULIET, Terminal, error_of, expect, main, run, test  # noqa: E402
from mock import Failure, variant  # noqa: E402

OK = ("mdns", "ok", "avahi-daemon announces us", {})
WARN = ("vpn", "warn", "the default route goes into a tunnel (tun0)", {"meaning": "That is a VPN.", "fix": "End it.", "link": "tun0"})
FAIL = ("link", "fail", "eth0: nothing comes back\x1b[2J", {"meaning": "It is \u202elost.", "fix": "Let UDP port 5353 in.", "link": "eth0"})
PEER = ("peer-seen", "ok", "this peer is announced", {"contact": JULIET})


def finds(*checks):
    def pack(details):
        return {key: variant("o" if key == "contact" else "s", value) for key, value in details.items()}
    F.mock.do_Diagnose = lambda _path, _options: variant("(a(sssa{sv}))", ([(i, s, t, pack(d)) for i, s, t, d in checks],))


@test("/doctor/what-is-well-ends-0-and-what-is-doubtful-too")
def _():
    finds(OK)
    result = run("doctor")
    expect(result.out == "ok    avahi-daemon announces us\n" and "nothing is wrong" in result.err, result)
    finds(WARN, OK)
    result = run("doctor")
    expect(result.out.splitlines() == ["warn  the default route goes into a tunnel (tun0)", "      That is a VPN.", "      -> End it.", "ok    avahi-daemon announces us"], result)
    expect(run("-q", "doctor").out.splitlines()[-1] == "      -> End it." and run("-q", "doctor").err == "", "quiet")
    expect([call[2] for call in F.called("Diagnose")] == [({},)] * 4, F.mock.calls)


@test("/doctor/what-fails-ends-1-and-is-escaped")
def _():
    finds(FAIL, WARN)
    result = run("doctor", code=1)
    expect("fail  eth0: nothing comes back\\u{1b}[2J" in result.out and "\\u{202e}lost" in result.out and "wrong: 1, doubtful: 1" in result.err, result)
    lines = run("doctor", "--json", code=1).lines()
    expect([(line["type"], line["check"], line["status"], line["link"]) for line in lines] == [("check", "link", "fail", "eth0"), ("check", "vpn", "warn", "tun0")], lines)
    terminal = Terminal("doctor")
    shown = terminal.read_until("Let UDP port 5353 in.")
    expect("a few seconds" in shown and terminal.finish()[0] == 1, shown)


@test("/doctor/a-peer-is-selected-like-everywhere")
def _():
    finds(OK, PEER)
    line = run("doctor", "juliet", "--json").lines()[1]
    expect(line["peer"]["petname"] == "juliet" and line["title"] == "this peer is announced", line)
    expect(F.called("Diagnose")[0][2] == ({"contact": JULIET},), F.mock.calls)
    expect(run("doctor", "nobody", code=3).out == "" and len(F.called("Diagnose")) == 1, F.mock.calls)
    run("doctor", "a", "b", code=2)


@test("/doctor/what-the-daemon-refuses-has-its-exit-code")
def _():
    for name, code in (("QuotaExceeded", 8), ("AccessDenied", 9), ("org.freedesktop.DBus.Error.UnknownMethod", 1)):
        F.mock.failures["Diagnose"] = [Failure(name)]
        expect(error_of(run("doctor", "--json", code=code))["exit"] == code, name)


if __name__ == "__main__":
    main()
