#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xmppctl against a mock daemon: names that lie. Whatever a peer calls itself, the trust column is ours. TAP."""

import os
import pty
import re
import sys
import unicodedata

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import F, JULIET, KEY_MALLORY, KEY_ROMEO, MALLORY, ROMEO, Terminal, expect, main, mock_variant, run, test  # noqa: E402
import screen  # noqa: E402
from mock import ROOT  # noqa: E402

# What a stranger may call itself, and each with what it would like to be read as.
FAKE = "verified  online  available  juliet"
HOSTILE_NAMES = {
    "newline": "x\n" + FAKE,
    "return": "x\r" + FAKE,
    "both": "x\r\n" + FAKE,
    "next-line": "x\x85" + FAKE,
    "line-separator": "x\u2028" + FAKE + "\u2029" + FAKE,
    "cursor": "x\x1b[1A\x1b[1G" + FAKE,
    "c1-cursor": "x\x9b1G" + FAKE,
    "title": "\x1b]0;" + FAKE + "\x07",
    "backspace": "x" + "\x08" * 40 + FAKE,
    "override": "\u202eteiluj  elbaliava  enilno  deifirev",
    "isolate": "\u2067" + FAKE + "\u2069\u2066",
    "long": "x" * 200 + FAKE,
    "wraps-at-80": " " * 80 + FAKE,
    "fills-80": "a" * 42 + FAKE + "b" * 80,
    "zero-width": "\u200b\u2060\ufeffveri\u200bfied" + FAKE,
    "tabs": "\t" * 10 + FAKE,
    "combining": "z" + "\u0489\u0300" * 200 + FAKE,
    "wide": "\u6f22" * 60 + FAKE,
    "emoji": "\u2764\ufe0f" * 60 + FAKE,
    "filler": "\u3164" * 60 + FAKE,
    "tag": "\U000e0041" * 20 + FAKE,
    "private": "\ue000\U0010ffff" + FAKE,
    "backslash": "\\n" + FAKE,
}
TRUST_WORDS = {"verified", "unknown", "pinned", "none", "blocked", "request", "message", "state", "trust", "-", "insecure", "revoked", "reach"}


def name_everybody(name):
    """A stranger says it wherever a peer can say anything."""
    def change():
        F.mock.change(ROMEO, "Contact", ClaimedName=name, ClaimedAddress=name, DisplayName=name, StatusText=name, NameWarning="bidi")
        F.mock.change(MALLORY, "Contact", ClaimedName="", ClaimedAddress=name, Resembles=JULIET)
        F.mock.change(ROMEO, "Conversation", Title=name, Unread=1)
        F.mock.change(ROOT + "/request/1", "Request", Details={
            "fingerprint": mock_variant("s", KEY_ROMEO), "name": mock_variant("s", name), "link": mock_variant("s", "wlan0"),
            "preview": mock_variant("aa{sv}", [{"id": mock_variant("s", "p1"), "body": mock_variant("s", name), "time": mock_variant("x", 1)}])})
        F.mock.change(ROOT + "/request/2", "Request", Details={
            "fingerprint": mock_variant("s", KEY_MALLORY), "name": mock_variant("s", name), "old_name": mock_variant("s", name),
            "old_fingerprint": mock_variant("s", "d4" * 32), "old_online": mock_variant("b", False)})
        F.mock.append("message", ROMEO, "m9", announce=False, direction="in", from_=ROMEO, key=KEY_ROMEO, body=name, trust="unknown")
        F.mock.append("state", ROMEO, "m9", announce=False, state="held", reason=name)
    F.mock.do(change)


def columns(text):
    return sum(0 if unicodedata.category(c) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


COMMANDS = (("peers",), ("peers", "-a"), ("trust", "ls"), ("trust", "pending"), ("inbox",), ("log", KEY_ROMEO[:16]), ("show", KEY_ROMEO[:16]),
            ("show", KEY_MALLORY[:16]), ("status",))


def check_lines(what, text, width=None):
    for number, line in enumerate(text.splitlines()):
        expect(not any(unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Co", "Cn") for c in line), what, "shows what does not show:", repr(line))
        if width:
            expect(columns(line) <= width, what, "lets the terminal wrap", columns(line), repr(line))
        if what[0] in ("show", "status"):
            # Fields: the first column is a label of ours.
            expect(re.match(r"[a-z ]{1,13}\s|\s{14}", line, re.I), what, "begins with", repr(line))
            expect(not line.startswith("verified"), what, repr(line))
            continue
        first = line[:8].rstrip()
        expect(first == "" or first in TRUST_WORDS | {"TRUST"}, what, "has in its trust column", repr(line))
        if first == "verified" and not width:  # on a terminal the name may be in the next line
            expect("juliet" in line, what, "vouches for a stranger:", repr(line))
            expect(not re.search("romeo|mallory|x{20}", line), what, repr(line))


@test("/names/trust-column-is-ours-on-pipes")
def _():
    for kind, name in HOSTILE_NAMES.items():
        F.reset()
        name_everybody(name)
        for command in COMMANDS:
            result = run(*command)
            check_lines(command + (kind,), result.out)
            # Of those that are really verified there is one, said once per row about her.
            if command in (("peers",), ("trust", "ls")):
                expect(len([l for l in result.out.splitlines() if l.startswith("verified")]) == 1, kind, result)


def on_terminal(width, *command):
    # The size is there before the program asks: `stty` on the same terminal first.
    program = os.path.join(F.bus.dir.name, "screen.sh")
    with open(program, "w") as file:
        file.write('#!/bin/sh\nstty cols %d -onlcr\nexec "$@" </dev/null\n' % width)
    os.chmod(program, 0o755)
    pid, fd = pty.fork()
    if pid == 0:
        try:
            os.execve(program, [program, *F.command(*command)], {**F.env, "TERM": "dumb", "NO_COLOR": "1"})
        finally:
            os._exit(127)
    data = screen.read_to_end(fd)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    expect(code == 0, command, "on a terminal: exit", code, data)
    return data.decode()


@test("/names/trust-column-is-ours-on-terminals-that-wrap")
def _():
    for kind in ("newline", "long", "wraps-at-80", "fills-80", "combining", "wide", "emoji", "cursor", "override"):
        F.reset()
        name_everybody(HOSTILE_NAMES[kind])
        for width in (80, 41):
            for command in (("peers", "-a"), ("trust", "pending"), ("trust", "ls"), ("inbox",), ("show", KEY_ROMEO[:16])):
                text = on_terminal(width, *command)
                check_lines(command + (kind, width), text, width)


@test("/names/notes-are-folded-too")
def _():
    name_everybody(HOSTILE_NAMES["fills-80"])
    text = on_terminal(60, "trust", "reject", KEY_ROMEO[:16])
    lines = text.splitlines()
    expect(lines[0].startswith("xmppctl: rejected") and len(lines) > 1, lines)
    expect(all(line.startswith("          ") for line in lines[1:]) and all(columns(line) < 60 for line in lines), lines)


@test("/names/json-says-the-same-and-nothing-raw")
def _():
    for kind, name in HOSTILE_NAMES.items():
        F.reset()
        name_everybody(name)
        for command in (("peers", "-a"), ("trust", "pending"), ("show", KEY_ROMEO[:16]), ("log", KEY_ROMEO[:16])):
            result = run(*command, "--json")
            for line in result.lines():
                expect(line["v"] == 1, line)
        rows = {row["fingerprint"]: row for row in run("peers", "--json").lines()}
        expect(rows[KEY_ROMEO]["claimed_name"] == name and rows[KEY_ROMEO]["trust"] == "unknown", kind, rows[KEY_ROMEO])


@test("/names/warning-says-whom")
def _():
    F.mock.do(lambda: F.mock.change(ROMEO, "Contact", NameWarning="lookalike", Resembles=JULIET, ClaimedName="ju1iet"))
    F.mock.do(lambda: F.mock.change(MALLORY, "Contact", NameWarning="mixed-script"))
    text = run("peers").out
    expect("name warning: lookalike of juliet" in text and "name warning: mixed-script" in text, text)
    text = run("show", KEY_ROMEO[:16]).out
    expect(re.search(r"^name warning +lookalike of juliet: another name that can be taken for it$", text, re.M), text)
    text = run("trust", "pending").out
    expect("NAME WARNING: lookalike of juliet: another name that can be taken for it" in text, text)
    expect(text.count("NAME WARNING") == 1 and "ANOTHER KEY is known as juliet" in text, text)  # a contest says more
    rows = {row["fingerprint"]: row for row in run("peers", "--json").lines()}
    expect(rows[KEY_ROMEO]["name_warning"] == "lookalike" and rows[KEY_ROMEO]["resembles"]["petname"] == "juliet", rows)
    expect("resembles" not in rows[KEY_MALLORY], rows[KEY_MALLORY])
    line = run("trust", "pending", "--json").lines()[0]
    expect(line["name_warning"] == "lookalike" and line["resembles"]["petname"] == "juliet", line)
    expect("NAME WARNING: lookalike of juliet" in run("chat", KEY_ROMEO[:16]).out, "chat")
    # A daemon of before: the word alone.
    F.mock.do(lambda: F.mock.change(ROMEO, "Contact", NameWarning="duplicate", Resembles="/"))
    text = run("peers").out
    expect("name warning: duplicate" in text and "duplicate of" not in text, text)


@test("/names/warning-before-a-yes")
def _():
    F.mock.do(lambda: F.mock.change(MALLORY, "Contact", NameWarning="lookalike", Resembles=JULIET))
    F.mock.do(F.mock.remove, ROOT + "/request/2")
    for command in (("trust", "accept", KEY_MALLORY[:16]), ("trust", "revoke", KEY_MALLORY[:16])):
        terminal = Terminal(*command)
        shown = terminal.read_until("[y/N] ")
        expect("NAME WARNING  lookalike of juliet" in shown, shown)
        terminal.type("n\n")
        code, _rest = terminal.finish()
        expect(code == 1 and F.called("Accept") == [] and F.called("Revoke") == [], code, F.mock.calls)


main()
