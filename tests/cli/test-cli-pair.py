#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xmppctl pair against a mock daemon on a private bus: making and accepting, on a terminal and in scripts, and every way it can end. TAP."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (  # noqa: E402
    F, KEY_JULIET, KEY_MALLORY, Terminal, error_of, expect, main, run, test, wait_for,
)
from mock import ROOT, Failure, variant  # noqa: E402

ID = "7744c0392e2e9a27"
EXPIRES = 4102444800000000
LINK = "xmpp:nurse@pronto?trust-message;encryption=im.earshot%3Atls%3A0;trust=" + "d4" * 32 + ";e=192.0.2.7%3A5298;s=AAECAwQFBgcICQoLDA0ODw;x=4102444800"
NURSE = ROOT + "/contact/9"


def made(state="open", used=()):
    return (ID, state, EXPIRES, {"uses": variant("u", 1), "left": variant("u", max(1 - len(used), 0)), "in_person": variant("b", False),
                                 "used": variant("as", list(used))})


def accepted(state):
    return (ID, state, EXPIRES, {"contact": variant("o", NURSE), "fingerprint": variant("s", "d4" * 32)})


def listed(*invites):
    F.mock.do(lambda: F.mock.change(ROOT, "Manager", Invites=list(invites)))


def on_create(link=LINK):
    def create(_path, _options):
        F.mock.change(ROOT, "Manager", Invites=[made()])
        return variant("(ssx)", (link, ID, EXPIRES))
    F.mock.do_CreateInvite = create


def on_accept(state="waiting", one_time=True, key="d4" * 32, address="nurse@pronto"):
    def parse(_path, link):
        more = {"endpoints": variant("as", ["192.0.2.7:5298", "[fe80::1]:5298"])}
        if one_time:
            more.update(invite=variant("s", ID), expires=variant("x", EXPIRES))
        return variant("(ssa{sv})", (address, key, more))

    def accept(_path, _link, options):
        F.mock.add(NURSE, "Contact", ClaimedAddress=address, Petname=options.get("petname", ""), Trust="pinned", Reach="sighted", Stored=True)
        F.mock.change(ROOT, "Manager", Invites=[accepted(state)] if one_time else [])
        return variant("(o)", (NURSE,))
    F.mock.do_ParseLink, F.mock.do_AcceptInvite = parse, accept


@test("/pair/a-script-gets-the-link-and-goes-on")
def _():
    on_create()
    result = run("pair")
    expect(result.out == LINK + "\n" and "pair revoke " + ID in result.err, result)
    expect(F.called("CreateInvite") == [("CreateInvite", ROOT, ({},))], F.mock.calls)
    line = run("pair", "--json", "--ttl", "1h", "--uses", "3", "--endpoint", "a:1", "--endpoint", "b:2").lines()[0]
    expect(line["type"] == "invite" and line["id"] == ID and line["link"] == LINK and line["uses"] == 3 and not line["in_person"], line)
    expect(F.called("CreateInvite")[1][2] == ({"ttl": 3600, "uses": 3, "endpoints": ["a:1", "b:2"]},), F.mock.calls)
    expect(run("pair", "--json", "--in-person").lines()[0]["in_person"], "in person")
    # The link is data: no message of ours repeats the secret.
    expect("AAECAwQF" not in result.err, result)


@test("/pair/a-person-waits-and-is-told-who-came")
def _():
    on_create()
    terminal = Terminal("pair")
    shown = terminal.read_until("waiting")
    expect("AAECAwQF" in shown.replace("\r\n", ""), shown)
    listed(made("used-up", [KEY_JULIET]))
    code, rest = terminal.finish()
    expect(code == 0 and "juliet came with it and is verified" in rest and "a1a1a1a1" in rest, code, rest)


@test("/pair/one-who-comes-under-the-name-of-another")
def _():
    on_create()
    terminal = Terminal("pair")
    terminal.read_until("waiting")
    listed(made("used-up", [KEY_MALLORY]))
    code, rest = terminal.finish()
    expect(code == 0 and "trust pending" in rest, code, rest)


@test("/pair/a-script-may-wait-too")
def _():
    on_create()
    process = F.start("pair", "--json", "--wait")
    expect('"invite"' in process.stdout.readline(), "the invite first")
    listed(made("used-up", [KEY_JULIET]))
    line = process.stdout.readline()
    expect('"paired"' in line and KEY_JULIET in line, line)
    expect(process.wait(60) == 0, "exit")


@test("/pair/nobody-came")
def _():
    on_create()
    terminal = Terminal("pair")
    terminal.read_until("waiting")
    listed()
    expect(terminal.finish()[0] == 6, "exit")


@test("/pair/qr")
def _():
    on_create()
    result = F.run("pair", "--qr")
    if "without libqrencode" in result.err:
        expect(result.code == 1 and F.called("RevokeInvite"), result)
        return
    expect(result.code == 0 and LINK not in result.out and "--in-person" in result.err, result)
    expect(F.called("CreateInvite")[0][2] == ({"in_person": True},) and not F.called("RevokeInvite"), F.mock.calls)
    # What can not be drawn was not shown.
    on_create(LINK + "x" * 4000)
    result = run("pair", "--qr", code=1)
    expect(F.called("RevokeInvite") == [("RevokeInvite", ROOT, (ID,))] and "AAECAwQF" not in result.out + result.err, result)


@test("/pair/T-17-accepting-shows-and-asks")
def _():
    on_accept()
    terminal = Terminal("pair", LINK)
    shown = terminal.read_until("Trust this key? ")
    expect("192.0.2.7:5298" in shown and "d4d4d4d4 " * 6 in shown and "nurse@pronto" in shown and "none becomes pinned" in shown, shown)
    expect(not F.called("AcceptInvite"), F.mock.calls)
    terminal.type("n\n")
    expect(terminal.finish()[0] == 1 and not F.called("AcceptInvite"), F.mock.calls)
    terminal = Terminal("pair", LINK, "--in-person", "--name", "Angelica")
    shown = terminal.read_until("Trust this key? ")
    expect("none becomes verified" in shown and "petname Angelica" in shown, shown)
    terminal.type("y\n")
    wait_for(lambda: F.called("AcceptInvite"), "AcceptInvite")
    expect(F.called("AcceptInvite") == [("AcceptInvite", ROOT, (LINK, {"in_person": True, "petname": "Angelica"}))], F.mock.calls)
    listed(accepted("done"))
    code, rest = terminal.finish()
    expect(code == 0 and "has taken your proof" in rest, code, rest)


@test("/pair/T-17-scripts-say-yes")
def _():
    on_accept("done")
    result = run("pair", LINK, code=2)
    expect("--yes" in result.err and not F.called("AcceptInvite"), result)
    line = run("pair", LINK, "--yes", "--json").lines()[0]
    expect(line["type"] == "paired" and line["state"] == "done" and line["peer"]["petname"] == "nurse", line)
    on_accept("waiting")
    expect(run("pair", LINK, "--yes", "--no-wait", "--json").lines()[0]["state"] == "waiting", "no wait")
    on_accept(one_time=False)
    expect(run("pair", LINK, "--yes", "--json").lines()[0]["state"] == "accepted", "no secret")


@test("/pair/a-key-that-is-known-keeps-its-petname")
def _():
    on_accept("done", key=KEY_JULIET, address="juliet@pronto")
    run("pair", LINK, "--yes")
    expect(F.called("AcceptInvite")[0][2] == (LINK, {}), F.mock.calls)


@test("/pair/how-it-can-end")
def _():
    on_accept("refused")
    result = run("pair", LINK, "--yes", code=8)
    expect("do not take this invite" in result.err, result)
    F.reset()
    on_accept()
    process = F.start("pair", LINK, "--yes")
    wait_for(lambda: F.called("AcceptInvite"), "AcceptInvite")
    F.mock.do(lambda: F.mock.change(NURSE, "Contact", LastError="NotReachable"))
    F.mock.do(lambda: F.mock.change(NURSE, "Contact", LastError="NameConflict"))
    _out, err = process.communicate(timeout=60)
    expect(process.returncode == 7 and "another key" in err, process.returncode, err)
    F.reset()
    on_accept()
    process = F.start("pair", LINK, "--yes")
    wait_for(lambda: F.called("AcceptInvite"), "AcceptInvite")
    listed()
    process.communicate(timeout=60)
    expect(process.returncode == 6, process.returncode)
    on_accept()
    expect(run("pair", LINK, "--yes", "--timeout", "1", code=6), "time")
    for error, code in (("Timeout", 6), ("Blocked", 7), ("NotTrusted", 7), ("QuotaExceeded", 8)):
        F.mock.failures["AcceptInvite"] = [Failure(error)]
        expect(error_of(run("pair", LINK, "--yes", "--json", code=code))["error"] == error, error)


@test("/pair/revoke")
def _():
    run("pair", "revoke", ID)
    expect(F.called("RevokeInvite") == [("RevokeInvite", ROOT, (ID,))], F.mock.calls)
    F.mock.failures["RevokeInvite"] = [Failure("NotFound")]
    run("pair", "revoke", ID, code=3)


@test("/pair/the-list-of-what-is-open")
def _():
    result = run("pair", "ls")
    expect(result.out == "" and "no invite" in result.err, result)
    F.mock.do(lambda: F.mock.add(NURSE, "Contact", ClaimedAddress="nurse@pronto", ClaimedName="n\x1b[2J\nverified  juliet", Trust="pinned"))
    listed(made("used-up", [KEY_JULIET, "d4" * 32]), accepted("waiting"))
    table = run("pair", "ls").out.splitlines()
    expect(len(table) == 3 and table[1].startswith("used-up ") and ID in table[1] and "juliet, (d4d4d4d4d4d4d4d4)" in table[1], table)
    expect(table[2].startswith("waiting ") and "theirs" in table[2] and "\\u{1b}" in table[2], table)
    ours, theirs = run("pair", "ls", "--json").lines()
    expect(ours["made"] and ours["uses"] == 1 and ours["state"] == "used-up" and ours["used"] == [KEY_JULIET, "d4" * 32] and "peer" not in ours, ours)
    expect(not theirs["made"] and theirs["id"] == ID and theirs["expires"] == "2100-01-01T00:00:00.000000Z" and theirs["peer"]["trust"] == "pinned", theirs)
    # No link, no secret, in any of it.
    expect("xmpp:" not in str(ours) + str(theirs) + "".join(table), "a link")


@test("/pair/usage")
def _():
    for arguments in (["revoke"], ["juliet"], [LINK, "more"], [LINK, "--qr"], [LINK, "--ttl", "1h"], ["--yes"], ["--ttl", "soon"], ["--uses", "0"],
                      ["--wait", "--no-wait"], ["--qr", "--json"], ["--name", "x"]):
        run("pair", *arguments, code=2)
    expect(not [call for call in F.mock.calls if "Invite" in call[0]], F.mock.calls)


main()
