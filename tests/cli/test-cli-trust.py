#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xmppctl against a mock daemon on a private bus: decisions, chat, terminals, and every way to fail. TAP."""

import os
import re
import sys
import termios

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (  # noqa: E402
    BOB, F, GHOST, HOSTILE_BODY, JULIET, KEY_JULIET, KEY_MALLORY, KEY_ROMEO, ROMEO, Terminal, add_legacy, error_of, expect, full_name,
    key_path, main, mock_variant, read_until, run, test, wait_for,
)
from mock import ROOT, Failure  # noqa: E402

# --- trust -------------------------------------------------------------------------------


@test("/trust/pending-shows-everything-escaped")
def _():
    text = run("trust", "pending").out
    expect("b2b2b2b2 " * 7 + "b2b2b2b2" in text and "\\u{1b}]0;owned" in text, text)
    expect("it is online too" in text and "xmppctl trust replace c3c3c3c3c3c3c3c3" in text, text)
    expect("xmppctl trust accept b2b2b2b2b2b2b2b2" in text, text)
    expect(not re.search(r"^verified", text, re.M), "a stranger's text in the trust column", text)
    lines = run("trust", "pending", "--json").lines()
    expect(lines[0]["kind"] == "new-key" and lines[0]["preview"][0]["body"] == HOSTILE_BODY, lines)
    expect(lines[1]["old_online"] is True and lines[1]["old_fingerprint"] == KEY_JULIET, lines)


@test("/trust/ls")
def _():
    for arguments in (("trust",), ("trust", "ls")):
        rows = run(*arguments).out.splitlines()
        expect(len(rows) == 4 and rows[1].startswith(("verified", "unknown")), rows)
    expect({l["fingerprint"] for l in run("trust", "ls", "--json").lines()} == {KEY_JULIET, KEY_ROMEO, KEY_MALLORY}, "JSON")


@test("/trust/claimed-names-and-short-prefixes-decide-nothing")
def _():
    for verb in (("trust", "accept"), ("trust", "reject"), ("trust", "replace"), ("trust", "revoke"), ("trust", "forget"), ("block",), ("unblock",)):
        for who in ("romeo@forza", "b2b2b2b2"):
            result = run(*verb, who, code=2)
            expect("16 digits" in result.err, verb, result)
        run(*verb, "nobody", code=3)
    expect(F.mock.calls == [], F.mock.calls)


@test("/trust/accept-needs-the-fingerprint-without-a-terminal")
def _():
    result = run("trust", "accept", KEY_ROMEO[:16], code=2)
    expect("--fingerprint" in result.err and F.mock.calls == [], result)
    run("trust", "accept", KEY_ROMEO[:16], "--fingerprint", KEY_MALLORY, code=7)
    expect(F.mock.calls == [], F.mock.calls)
    run("trust", "accept", KEY_ROMEO[:16], "--fingerprint", "B2B2B2B2 b2b2b2b2", "--name", "romeo")
    expect(F.mock.calls == [("Resolve", ROOT + "/request/1", ("accept", {"fingerprint": KEY_ROMEO, "petname": "romeo"}))], F.mock.calls)
    F.mock.calls.clear()
    run("trust", "accept", "--fingerprint", KEY_ROMEO)
    expect(F.mock.calls == [("Resolve", ROOT + "/request/1", ("accept", {"fingerprint": KEY_ROMEO}))], F.mock.calls)


@test("/trust/accept-without-a-question-is-key-accept")
def _():
    F.mock.do(F.mock.remove, ROOT + "/request/2")
    line = run("--json", "trust", "accept", "juliet", "--fingerprint", KEY_JULIET).lines()[0]
    expect(line["type"] == "decision" and line["choice"] == "accept", line)
    expect(F.mock.calls == [("Accept", key_path(KEY_JULIET), (KEY_JULIET, {}))], F.mock.calls)
    F.mock.do(lambda: F.mock.change(GHOST, "Contact", Petname="ghost"))
    run("trust", "accept", "ghost", "--fingerprint", KEY_JULIET, code=7)


# --- without encryption -----------------------------------------------------------------


@test("/legacy/pending-says-what-it-means-and-how-to-answer")
def _():
    add_legacy()
    text = run("trust", "pending").out
    block = text[text.index("none "):]
    expect("legacy-peer" in block and "address bob@mac" in block and "no encryption" in block, text)
    expect("xmppctl trust legacy 'bob@mac' allow, or refuse, or block" in block and "\x1b" not in text, text)
    line = run("trust", "pending", "--json").lines()[2]
    expect(line["kind"] == "legacy-peer" and line["fingerprint"] == "" and line["address"] == "bob@mac", line)
    expect(line["choices"] == ["allow", "refuse", "block"] and line["peer"]["trust"] == "none", line)


@test("/legacy/allow-needs-a-word-and-only-for-who-has-no-key")
def _():
    add_legacy(request=False)
    result = run("trust", "legacy", "bob@mac", "allow", code=2)
    expect("--yes" in result.err and F.called("Set") == [], result)
    result = run("trust", "legacy", "juliet", "allow", "--yes", code=7)
    expect("has a key" in result.err and F.called("Set") == [], result)
    run("trust", "legacy", "bob@mac", "maybe", code=2)
    run("trust", "legacy", "nobody@mac", "allow", "--yes", code=3)
    expect(F.mock.calls == [], F.mock.calls)
    line = run("--json", "trust", "legacy", "bob@mac", "allow", "--yes", "--name", "bob").lines()[0]
    expect(line["choice"] == "allow" and line["fingerprint"] == "", line)
    expect([(c[1], c[2][1:]) for c in F.called("Set")] == [(BOB, ("LegacyAllowed", True)), (BOB, ("Petname", "bob"))], F.mock.calls)
    run("trust", "legacy", "bob", "refuse")
    expect(F.called("Set")[-1][2][1:] == ("LegacyAllowed", False), F.mock.calls)
    F.mock.failures["Set"] = [Failure("PeerInsecure", "its name has used a key: forget it first")]
    result = run("trust", "legacy", "bob", "allow", "--yes", code=7)
    expect("forget it first" in result.err, result)


@test("/legacy/two-of-one-address-are-never-guessed")
def _():
    add_legacy(request=False)
    F.mock.do(lambda: F.mock.change(GHOST, "Contact", ClaimedAddress="bob@mac"))
    for verb in (("trust", "legacy", "bob@mac", "allow", "--yes"), ("block", "bob@mac"), ("trust", "forget", "bob@mac", "--yes")):
        expect(run(*verb, code=4 if verb[1] == "legacy" else 2).out == "", verb)
    expect(F.mock.calls == [], F.mock.calls)


@test("/legacy/the-question-is-answered-as-any-other")
def _():
    add_legacy()
    result = run("trust", "accept", "bob@mac", code=2)
    expect("trust legacy 'bob@mac' allow --yes" in result.err and F.mock.calls == [], result)
    run("trust", "accept", "bob@mac", "--fingerprint", KEY_ROMEO, code=7)
    expect(F.mock.calls == [], F.mock.calls)
    run("trust", "reject", "bob@mac")
    run("block", "bob@mac")
    expect([c[0] for c in F.mock.calls] == ["Resolve", "Set"], F.mock.calls)
    expect(F.mock.calls[0][1:] == (ROOT + "/request/3", ("refuse", {})), F.mock.calls)


@test("/legacy/allow-on-a-terminal-shows-and-asks")
def _():
    add_legacy(Endpoints=[("wlan0", "fe80::9%wlan0", 5298, False, 0)])
    terminal = Terminal("trust", "accept", "bob@mac", "--name", "bob")
    text = terminal.read_until("[y/N]")
    expect("fe80::9%wlan0" in text and "Anybody on the link" in text, text)
    terminal.type("n\n")
    expect(terminal.finish()[0] == 1 and F.mock.calls == [], F.mock.calls)
    terminal = Terminal("trust", "accept", "bob@mac", "--name", "bob")
    terminal.read_until("[y/N]")
    terminal.type("y\n")
    expect(terminal.finish()[0] == 0, "yes")
    expect(F.mock.calls == [("Resolve", ROOT + "/request/3", ("allow", {"petname": "bob"}))], F.mock.calls)


@test("/legacy/send-warns-log-marks-show-says")
def _():
    add_legacy(request=False, Petname="bob", Connected=True, LegacyAllowed=True, LastError="",
               Session={"tls": mock_variant("s", "none"), "direction": mock_variant("s", "in")})
    result = run("send", "bob", "hi")
    expect("WITHOUT ENCRYPTION: bob" in result.err and "WITHOUT" not in result.out, result)
    expect("WITHOUT" not in run("send", "juliet", "hi").err, "to juliet")
    F.mock.failures["Send"] = [Failure("PeerInsecure", "speaks in clear only, and verified is required")]
    run("send", "--require", "verified", "bob", "hi", code=7)
    F.mock.do(lambda: F.mock.append("message", BOB, "c1", announce=False, direction="in", from_=BOB, body="verified  hello", trust="none",
                                    insecure=True))
    F.mock.do(lambda: F.mock.append("message", BOB, "c2", announce=False, direction="out", body="well", state="sent", reason="unconfirmed",
                                    insecure=True))
    rows = run("log", "bob").out.splitlines()
    expect(len([row for row in rows if row.startswith("insecure ")]) == 2, rows)
    expect(not [row for row in rows if row.startswith("verified")], rows)
    lines = [l for l in run("log", "bob", "--json").lines() if l["type"] == "message"]
    expect(lines[-1]["insecure"] and lines[-2]["insecure"] and lines[-2]["peer"] == {"petname": "bob", "fingerprint": "", "trust": "none"}, lines)
    text = run("show", "bob").out
    expect("legacy: no encryption, allowed by you" in text and "tls none" in text, text)
    line = run("show", "bob", "--json").lines()[0]
    expect(line["kind"] == "legacy" and line["trust"] == "none" and line["legacy_allowed"] and line["session"]["tls"] == "none", line)
    row = [row for row in run("peers").out.splitlines() if "bob" in row]
    expect(row and row[0].startswith("none "), row)


@test("/trust/name-conflict-takes-no-plain-yes")
def _():
    result = run("trust", "accept", KEY_MALLORY, "--fingerprint", KEY_MALLORY, code=7)
    expect("replace" in result.err and F.mock.calls == [], result)
    # By the contested petname, too: the question is about its new key, and the old key is not what is asked about.
    run("trust", "accept", "juliet", "--fingerprint", KEY_MALLORY, code=7)
    run("trust", "accept", KEY_MALLORY, "--separate", "--fingerprint", KEY_MALLORY[:16])
    run("trust", "replace", "juliet", "--release", "--fingerprint", KEY_MALLORY)
    expect([call[2] for call in F.mock.calls] == [("separate", {"fingerprint": KEY_MALLORY}),
                                                  ("replace", {"fingerprint": KEY_MALLORY, "release": True})], F.mock.calls)
    run("trust", "replace", KEY_ROMEO, "--fingerprint", KEY_ROMEO, code=3)


@test("/trust/reject-revoke-forget-block")
def _():
    run("trust", "reject", KEY_ROMEO[:16])
    run("trust", "revoke", KEY_ROMEO, "--fingerprint", KEY_ROMEO, "--reason", "stolen")
    run("trust", "forget", "juliet", "--yes")
    run("block", "juliet")
    run("unblock", "juliet")
    run("name", "romeo@forza", "romeo")
    expect(F.mock.calls == [
        ("Resolve", ROOT + "/request/1", ("reject", {})), ("Revoke", key_path(KEY_ROMEO), (KEY_ROMEO, "stolen")), ("Forget", JULIET, ({},)),
        ("Set", JULIET, (full_name("Contact"), "Blocked", True)), ("Set", JULIET, (full_name("Contact"), "Blocked", False)),
        ("Set", ROMEO, (full_name("Contact"), "Petname", "romeo"))], F.mock.calls)
    expect("blocked" not in run("peers").out, "unblocked")
    run("block", "juliet")
    expect(any(re.match("blocked .* juliet ", row) for row in run("peers").out.splitlines()), "the trust column says blocked")


@test("/trust/a-person-is-shown-the-key-and-asked")
def _():
    terminal = Terminal("trust", "accept", KEY_ROMEO[:16])
    shown = terminal.read_until("[y/N] ")
    expect("b2b2b2b2 " * 5 in shown and "\x1b" not in shown and "\u202e" not in shown, shown)
    expect(F.mock.calls == [], "decided before asking")
    terminal.type("n\n")
    expect(terminal.finish()[0] == 1 and F.mock.calls == [], F.mock.calls)
    terminal = Terminal("trust", "accept", KEY_ROMEO[:16])
    terminal.read_until("[y/N] ")
    terminal.type("y\n")
    expect(terminal.finish()[0] == 0 and F.mock.calls[0][2] == ("accept", {"fingerprint": KEY_ROMEO}), F.mock.calls)


# --- chat --------------------------------------------------------------------------------


@test("/chat/on-a-pipe")
def _():
    result = run("chat", "juliet", input="one\n/quit is no command unless alone\n//slash\n\ntwo")
    expect([call[2][1] for call in F.called("Send")] == ["one", "/slash", "two"], F.mock.calls)
    expect("hi" in result.out and "[1] one" in result.out, result)
    history = run("chat", "juliet", "-n", "1").out
    expect("two" in history and "slash" not in history, history)
    F.mock.calls.clear()
    run("chat", "juliet", input="/quit\nnot any more\n")
    expect(F.called("Send") == [], "after /quit")
    expect(F.called("MarkRead") == [("MarkRead", JULIET, (8,))] or F.called("MarkRead"), F.mock.calls)
    F.mock.failures["Send"] = [Failure("Blocked")]
    run("chat", "juliet", input="x\n", code=7)


@test("/chat/on-a-terminal")
def _():
    terminal = Terminal("chat", "juliet")
    terminal.read_until("\x1b[K> ")
    expect(not termios.tcgetattr(terminal.fd)[3] & termios.ECHO, "echo is off while typing")
    terminal.type("helo\x7flo wörld\x17there\r")
    terminal.read_until("[1] hello there")
    message_id = F.called("Send")[0][2]
    expect(message_id[1] == "hello there", message_id)
    F.mock.do(lambda: F.mock.set_state(F.mock.log[-1][4], "delivered"))
    terminal.read_until("[1] delivered")
    terminal.type("typing")
    terminal.read_until("typing")
    F.mock.do(lambda: F.mock.append("message", JULIET, "c1", direction="in", body=HOSTILE_BODY, trust="verified"))
    shown = terminal.read_until("pay him") + terminal.read_until("typing")
    expect("\u202e" not in shown and "\x1b]" not in shown and "\\u{1b}]0;owned" in shown, repr(shown))
    wait_for(lambda: ("SetTyping", JULIET, (True,)) in F.mock.calls, "that we type")
    F.mock.do(lambda: F.mock.typing(JULIET, True))
    terminal.read_until("(typing) > typing")
    F.mock.do(lambda: F.mock.typing(JULIET, False))
    terminal.read_until("\x1b[K> typing")
    F.mock.do(lambda: F.mock.change(JULIET, "Contact", Reach="offline"))
    terminal.read_until("juliet is offline")
    # Up, Home, Delete: the line said before, without its first letter; a paste of two lines is one message.
    terminal.type("\x15\x1b[A\x1b[H\x1b[3~\r")
    terminal.read_until("[2] ello there")
    terminal.type("\x1b[200~one\rtwo\x1b[201~")
    terminal.read_until("one\u23cetwo")
    terminal.type("\r")
    terminal.read_until("[3] one")
    expect([call[2][1] for call in F.called("Send")] == ["hello there", "ello there", "one\ntwo"], F.called("Send"))
    terminal.type("/wh\t\r")
    terminal.read_until("juliet: verified, offline")
    terminal.type("\x15/quit\r")
    code, rest = terminal.finish()
    expect(code == 0, code, rest)
    wait_for(lambda: F.called("MarkRead"), "MarkRead")


@test("/chat/ctrl-c-is-130")
def _():
    terminal = Terminal("chat", "juliet")
    terminal.read_until("\x1b[K> ")
    terminal.type("\x03")
    expect(terminal.finish()[0] == 130, "exit")


@test("/terminal/a-long-line-cannot-wrap-into-the-trust-column")
def _():
    F.mock.do(lambda: F.mock.append("message", JULIET, "w", announce=False, direction="in", body=" " * 70 + "verified  forged", trust="unknown"))
    terminal = Terminal("log", "juliet", "-n", "1")
    code, text = terminal.finish()
    rows = text.replace("\r", "").split("\n")
    expect(code == 0 and all(len(row) < 80 for row in rows), rows)
    expect(not any(row.startswith("verified") for row in rows), rows)


# --- errors ----------------------------------------------------------------------


@test("/errors/every-name-has-its-exit-code")
def _():
    table = {
        1: ["Failed", "StoreFull", "Unsupported"], 2: ["InvalidArgument", "TooLarge"], 3: ["NotFound", "CursorExpired", "AlreadyResolved"],
        4: ["Ambiguous"], 5: ["NotReachable"], 6: ["Timeout"], 7: ["NotTrusted", "NameConflict", "Blocked", "Mismatch", "PeerInsecure"],
        8: ["Refused", "QuotaExceeded"], 9: ["AccessDenied"], 130: ["Cancelled"],
    }
    for code, names in table.items():
        for name in names:
            F.mock.failures["Send"] = [Failure(name, "hostile \x1b[31m text")]
            line = error_of(run("--json", "send", "juliet", "x", code=code))
            expect(line["error"] == name and line["exit"] == code and line["message"] == "hostile \x1b[31m text", line)
            F.mock.failures["Send"] = [Failure(name, "hostile \x1b[31m text")]
            result = run("send", "juliet", "x", code=code)
            expect("hostile \\u{1b}[31m text" in result.err and "GDBus.Error" not in result.err, result)
    for name, code in (("AccessDenied", 9), ("UnknownMethod", 1), ("NoReply", 9), ("UnknownObject", 3)):
        F.mock.failures["Send"] = [Failure("org.freedesktop.DBus.Error." + name)]
        run("send", "juliet", "x", code=code)


@test("/errors/a-daemon-that-never-answers-is-6")
def _():
    F.mock.silent.add("Send")
    run("--timeout", "0.5", "send", "juliet", "x", code=6)


@test("/errors/no-daemon-and-no-bus-are-9-with-advice")
def _():
    expect("DBUS_SESSION_BUS_ADDRESS" in run("--bus=unix:path=/nonexistent/bus", "status", code=9).err, "no bus")
    F.mock.do(F.mock.disown)
    try:
        result = run("status", code=9)
        expect("earshotd" in result.err and "systemctl --user start earshotd" in result.err, result)
        line = error_of(run("--json", "peers", code=9))
        expect(line["error"] == "Unavailable" and line["exit"] == 9, line)
        expect(run("completion", "peers", code=9).err == "", "completion does not complain")
    finally:
        F.mock.do(F.mock.own)


@test("/errors/an-impostor-on-the-name")
def _():
    F.mock.do(F.mock.disown)
    other = F.bus.connect()
    try:
        other.call_sync("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName", mock_variant("(su)", ("im.earshot.Earshot1", 4)), None, 0, -1, None)
        run("status", code=1)
    finally:
        other.close_sync(None)
        F.mock.do(F.mock.own)


@test("/activation/the-bus-starts-what-is-missing")
def _():
    F.mock.do(F.mock.disown)
    marker = os.path.join(F.bus.dir.name, "activated")
    service = os.path.join(F.bus.dir.name, "im.earshot.Earshot1.service")
    with open(service, "w", encoding="utf-8") as file:
        file.write("[D-BUS Service]\nName=im.earshot.Earshot1\nExec=/bin/sh -c \"touch %s; exit 1\"\n" % marker)
    try:
        F.mock.do(F.mock.bus_call, "ReloadConfig", None)
        run("completion", "peers", code=9)
        expect(not os.path.exists(marker), "completion starts nothing")
        run("status", code=9)
        expect(os.path.exists(marker), "nobody was started")
    finally:
        os.unlink(service)
        F.mock.do(F.mock.bus_call, "ReloadConfig", None)
        F.mock.do(F.mock.own)


if __name__ == "__main__":
    main()
