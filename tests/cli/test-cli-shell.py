#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xmppctl shell against a mock daemon: a person at a prompt, lines on a pipe, and what may not come of either. TAP."""

import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (  # noqa: E402
    F, GHOST, KEY_ROMEO, SECRETS, Terminal, expect, main, run, test, wait_for,
)
from mock import ROOT  # noqa: E402

SCRATCH = tempfile.TemporaryDirectory(prefix="earshot-shell.")
MARKER = os.path.join(SCRATCH.name, "pwned")
PROMPT = "me@here (2 unread)> "


def sent():
    return [call[2][1] for call in F.called("Send")]


# --- lines on a pipe ------------------------------------------------------------------------


@test("/shell/pipe/each-line-is-a-command")
def _():
    result = run("shell", input="# two of them\n\nsend juliet 'a  \"b\"' # and what\nxmppctl send juliet c\\ d\nconfig set show dnd")
    expect(sent() == ['a  "b"', "c d"] and F.called("Set"), F.mock.calls)
    expect("me@here" not in result.out + result.err and result.err == "", result)
    lines = run("--json", "shell", input="send juliet x\npeers\n").lines()
    expect([line["type"] for line in lines] == ["sent"] + ["peer"] * 3, lines)


@test("/shell/pipe/the-first-that-fails-ends-it-with-its-code")
def _():
    run("shell", input="show nobody\nsend juliet x\n", code=3)
    run("shell", input="send juliet 'open\nsend juliet x\n", code=2)
    run("shell", input="bogus\nsend juliet x\n", code=2)
    run("shell", input="quit\nsend juliet x\n")
    run("shell", input="send juliet x".encode() + b"\0y\n", code=2)
    run("shell", input="send juliet " + "x" * 70000 + "\n", code=2)
    expect(sent() == [], "went on")
    run("shell", "--keep-going", input="show nobody\nsend juliet x\n", code=10)
    run("shell", "-k", input="send juliet y\n")
    expect(sent() == ["x", "y"], sent())


@test("/shell/pipe/a-command-does-not-eat-the-lines-behind-it")
def _():
    run("shell", input="send juliet -\nsend juliet x\n", code=2)
    run("shell", "-k", input="send juliet -\nsend juliet x\nchat juliet\nsend juliet y\n", code=10)
    expect(sent() == ["x", "y"], sent())


@test("/shell/pipe/nothing-is-expanded-and-nothing-else-run")
def _():
    run("shell", input="send juliet $(touch\\ %s)\nsend juliet '`touch %s`' \nsend juliet \"$HOME ~ *\"\n" % (MARKER, MARKER))
    expect(sent() == ["$(touch %s)" % MARKER, "`touch %s`" % MARKER, "$HOME ~ *"], sent())
    for line in ("!touch %s", "touch %s", "status; touch %s", "status | touch %s", "status && touch %s", "/usr/bin/touch %s", "shell -c %s"):
        F.run("shell", input=line % MARKER)
        expect(not os.path.exists(MARKER), line)


@test("/shell/pipe/its-options-are-those-of-each-line")
def _():
    F.mock.silent.add("Send")
    run("--timeout", "0.3", "shell", input="send juliet x\n", code=6)
    F.mock.silent.clear()
    expect(run("--bus=" + F.bus.address, "shell", input="peers\n", env={"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent"}).out, "its bus")
    expect(run("-q", "shell", input="send juliet x\n").err == "", "quiet")


# --- a person ---------------------------------------------------------------------------------


@test("/shell/prompt/commands-history-and-the-end")
def _():
    terminal = Terminal("shell")
    terminal.read_until(PROMPT)
    terminal.type("send juliet 'at nine'\r")
    terminal.read_until("queued")
    terminal.read_until(PROMPT)
    # Up brings it back; another word at its end.
    terminal.type("\x1b[A 'or ten'\r")
    terminal.read_until("one argument too many" if False else "xmppctl")
    terminal.read_until(PROMPT)
    terminal.type("\x1b[A\x1b[A\r")
    wait_for(lambda: len(sent()) == 2, "the first line again")
    terminal.read_until(PROMPT)
    terminal.type("help\r")
    terminal.read_until("Ctrl-D")
    terminal.read_until("Usage: xmppctl")
    terminal.read_until(PROMPT)
    terminal.type("\x04")
    expect(terminal.finish()[0] == 0, "the end")
    terminal = Terminal("shell")
    terminal.read_until(PROMPT)
    terminal.type("quit\r")
    expect(terminal.finish()[0] == 0, "the other end")


@test("/shell/prompt/says-who-and-how-much-and-follows")
def _():
    terminal = Terminal("shell")
    terminal.read_until(PROMPT)
    F.mock.do(lambda: F.mock.change(ROOT, "Messages", Unread=3))
    terminal.read_until("me@here (3 unread)> ")
    F.mock.do(lambda: F.mock.change(ROOT, "Messages", Unread=0))
    terminal.read_until("me@here> ")
    F.mock.do(lambda: F.mock.change(ROOT, "Manager", Address="me\x1b[2J\u202e@here"))
    shown = terminal.read_until("@here> ")
    expect("\\u{1b}" in shown and "\x1b[2J" not in shown, repr(shown))
    terminal.type("\x04")
    terminal.finish()


@test("/shell/prompt/Ctrl-C-ends-the-command-and-not-the-prompt")
def _():
    terminal = Terminal("shell")
    terminal.read_until(PROMPT)
    terminal.type("typed half\x03")
    terminal.read_until("^C\r\n")
    terminal.read_until(PROMPT)
    terminal.type("watch\r")
    terminal.read_until("Ctrl-C ends")
    terminal.type("\x03")
    terminal.read_until(PROMPT)
    # One that had the terminal raw, and one that is killed: the prompt has it as it was.
    terminal.type("chat juliet\r")
    terminal.read_until("/help lists more")
    terminal.type("\x03")
    terminal.read_until(PROMPT)
    terminal.type("send juliet still here\r")
    terminal.read_until("nobody is called")
    terminal.read_until(PROMPT)
    terminal.type("\x04")
    code, rest = terminal.finish()
    expect(code == 0 and sent() == [], code, rest, sent())


@test("/shell/prompt/what-was-typed-meanwhile-comes-next")
def _():
    terminal = Terminal("shell")
    terminal.read_until(PROMPT)
    terminal.type("send juliet a\rsend juliet b\rsend juliet c\rquit\r")
    expect(terminal.finish()[0] == 0 and sent() == ["a", "b", "c"], sent())


@test("/shell/prompt/a-command-may-ask")
def _():
    terminal = Terminal("shell")
    terminal.read_until(PROMPT)
    terminal.type("trust forget juliet\r")
    terminal.read_until("[y/N] ")
    terminal.type("n\r")
    terminal.read_until(PROMPT)
    terminal.type("\x04")
    expect(terminal.finish()[0] == 0 and not F.called("Forget"), F.mock.calls)


@test("/shell/prompt/Tab-completes-and-quotes")
def _():
    terminal = Terminal("shell")
    terminal.read_until(PROMPT)
    terminal.type("tru\tpen\t\r")
    terminal.read_until("pretends")
    terminal.read_until(PROMPT)
    terminal.type("trust a\t\t")
    shown = terminal.read_until(KEY_ROMEO[:16])
    expect("juliet" in shown and "verified, online" in shown, shown)
    terminal.type("\x03")
    terminal.read_until("^C\r\n")
    terminal.type("qui\t\r")
    code, rest = terminal.finish()
    expect(code == 0, code, rest)
    F.reset()
    name = "it's \"$(touch %s)\" `x` \\" % MARKER
    F.mock.do(lambda: F.mock.change(GHOST, "Contact", ClaimedAddress=name))
    terminal = Terminal("shell")
    terminal.read_until(PROMPT)
    terminal.type("send it\thello\r")
    wait_for(lambda: F.called("Send"), "Send")
    expect(F.called("Send")[0][1:] == (ROOT, (GHOST, "hello", {})) and not os.path.exists(MARKER), F.called("Send"))
    terminal.read_until(PROMPT)
    terminal.type("quit\r")  # a Ctrl-D before the next prompt would be the terminal's own
    code, rest = terminal.finish()
    expect(code == 0, code, rest)


@test("/shell/prompt/Tab-completes-names-of-files")
def _():
    folder = os.path.join(SCRATCH.name, "all letters")
    os.mkdir(folder)
    for name in ("kept.jsonl", "kept\x1b[31m.jsonl", "kept\n", ".hidden", "out-1", "out-2"):
        open(os.path.join(folder, name), "w").close()
    terminal = Terminal("shell")
    terminal.read_until(PROMPT)
    # On through a directory; what a terminal would not show as it is is not offered, and so is no second one that begins so.
    terminal.type("log --import %s/all\tk\t" % SCRATCH.name)
    terminal.read_until("'%s/kept.jsonl' " % folder)
    terminal.type("\x03")
    terminal.read_until("^C\r\n")
    terminal.type("log --import '%s/\t" % folder)
    shown = terminal.read_until("/out-2")
    expect("hidden" not in shown and shown.index("kept.jsonl") < shown.index("out-1") < shown.index("out-2"), shown)
    terminal.type("\x03")
    terminal.read_until("^C\r\n")
    # Where no file is wanted none is offered.
    terminal.type("show %s/all\t\x03" % SCRATCH.name)
    expect("letters" not in terminal.read_until("^C\r\n"), "a file instead of a peer")
    terminal.type("quit\r")
    code, rest = terminal.finish()
    expect(code == 0, code, rest)


@test("/shell/prompt/strangers-write-no-escapes")
def _():
    terminal = Terminal("shell")
    before = terminal.read_until(PROMPT)
    terminal.type("show \t\t")
    shown = terminal.read_until("romeo@forza")
    terminal.type("\x03")
    shown += terminal.read_until("^C\r\n")
    terminal.type("peers\r")
    shown += terminal.read_until("c3c3c3c3c3c3c3c3")
    shown += terminal.read_until(PROMPT)
    terminal.type("\x04")
    shown += terminal.finish()[1]
    for secret in SECRETS:
        # Its own: back to the row's begin, its rest away, pastes bracketed.
        rest = (before + shown).replace("\x1b[K", "").replace("\x1b[?2004h", "").replace("\x1b[?2004l", "").replace("\r", "" if secret == "\r" else "\r")
        expect(secret not in rest, repr(secret), repr(rest))


@test("/shell/prompt/the-daemon-goes-and-comes-back")
def _():
    terminal = Terminal("shell")
    terminal.read_until(PROMPT)
    F.mock.do(F.mock.disown)
    terminal.read_until("earshotd stopped")
    F.mock.do(F.mock.own)
    terminal.read_until("earshotd is back")
    terminal.type("send juliet x\r")
    terminal.read_until("queued")
    terminal.read_until(PROMPT)
    terminal.type("\x04")
    expect(terminal.finish()[0] == 0, "exit")
    F.mock.do(F.mock.disown)
    try:
        terminal = Terminal("shell")
        expect(terminal.finish()[0] == 9, "without a daemon")
    finally:
        F.mock.do(F.mock.own)


@test("/shell/usage")
def _():
    run("shell", "more", code=2)
    terminal = Terminal("shell", "-k")
    expect(terminal.finish()[0] == 2, "for pipes")


if __name__ == "__main__":
    main()
