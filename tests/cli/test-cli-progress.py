#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What xmppctl says while something takes its time, against a mock daemon: on terminals only, and gone when it is over. TAP."""

import os
import re
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import F, JULIET, KEY_JULIET, KEY_ME, Terminal, expect, key_path, main, run, test  # noqa: E402
from mock import ROOT, variant  # noqa: E402

BOB, KEY_BOB = ROOT + "/contact/6", "e5" * 32

ERASED = re.compile(r"\r +\r")


def slow(method, answer):
    """The mock answers when the terminal has shown that it waits."""
    import threading
    go = threading.Event()

    def wait(*_):
        go.wait(60)
        return answer
    setattr(F.mock, "do_" + method, wait)
    return go


@test("/progress/a-wait-says-for-what-and-leaves-nothing")
def _():
    terminal = Terminal("wait", "juliet", "--for", "message", term="xterm")
    began = time.monotonic()
    shown = terminal.read_until("waiting for a message of juliet ...")
    expect(time.monotonic() - began >= 0.9 and "\x1b" not in shown, shown)
    F.mock.do(lambda: F.mock.append("message", JULIET, "m9", direction="in", from_=JULIET, key=KEY_JULIET, body="now", trust="verified"))
    code, rest = terminal.finish()
    expect(code == 0 and ERASED.match(rest) and "now" in ERASED.split(rest)[1] and "waiting" not in rest, repr(rest))


@test("/progress/calls-that-block")
def _():
    for arguments, method, answer, text in (
            (["audit", "--check"], "CheckAudit", variant("(a{sv})", ({"sound": variant("b", True), "head": variant("s", KEY_ME), "count": variant("t", 1)},)), "checking every record"),
            (["net", "probe", "192.0.2.7:1\u202e"], "Probe", variant("(a{sv})", ({"result": variant("s", "ok")},)), "trying 192.0.2.7:1\\u{202e}"),
            (["log", "juliet"], "List", variant("(a(txsosa{sv})b)", ([], False)), "reading the log")):
        F.reset()
        before = getattr(F.mock, "do_" + method, None)
        go = slow(method, answer)
        terminal = Terminal(*arguments, term="xterm")
        terminal.read_until(text + " ...")
        go.set()
        code, rest = terminal.finish()
        expect(code == 0 and ERASED.match(rest), arguments, code, repr(rest))
        if before is not None:
            setattr(F.mock, "do_" + method, before)


@test("/progress/keys-and-introductions")
def _():
    with tempfile.TemporaryDirectory() as folder:
        word, out, made = (os.path.join(folder, name) for name in ("word", "out.p12", "made.p12"))
        for path, text in ((word, "four random words here\n"), (made, "x")):
            with open(path, "w") as file:
                file.write(text)
        for arguments, method, answer, text in (
                (["id", "rotate", "--yes"], "RotateIdentity", variant("(s)", ("77" * 32,)), "making a new key"),
                (["id", "export", out, "--passphrase-file", word], "ExportIdentity", None, "locking the key with the passphrase"),
                (["id", "import", made, "--yes", "--passphrase-file", word], "ImportIdentity", variant("(s)", ("88" * 32,)),
                 "opening the file with the passphrase"),
                (["trust", "introduce", "juliet", "bob", "--one-way"], "Introduce", None, "introducing bob to juliet")):
            F.reset()
            F.mock.do(lambda: F.mock.add(BOB, "Contact", Petname="bob", Stored=True, Kind="person", Keys=[key_path(KEY_BOB)], ActiveKey=key_path(KEY_BOB),
                                         Trust="verified"))
            F.mock.do(lambda: F.mock.add(key_path(KEY_BOB), "Key", Fingerprint=KEY_BOB, Contact=BOB, Trust="verified"))
            before = getattr(F.mock, "do_" + method, None)
            go = slow(method, answer)
            terminal = Terminal(*arguments, term="xterm")
            terminal.read_until(text + " ...")
            go.set()
            code, rest = terminal.finish()
            expect(code == 0 and ERASED.search(rest) and text not in ERASED.split(rest)[-1], arguments, code, repr(rest))
            if before is not None:
                setattr(F.mock, "do_" + method, before)
            else:
                delattr(F.mock, "do_" + method)


@test("/progress/what-is-to-be-said-comes-in-its-place")
def _():
    terminal = Terminal("send", "--wait", "delivered", "juliet", "x", term="xterm")
    terminal.read_until("waiting until it is delivered ...")
    F.mock.do(F.mock.disown)
    try:
        code, rest = terminal.finish()
    finally:
        F.mock.do(F.mock.own)
    expect(code == 9 and "stopped while we waited" in ERASED.split(rest)[1], code, repr(rest))


@test("/progress/an-interrupt-leaves-no-half-line")
def _():
    terminal = Terminal("wait", "juliet", "--for", "message", term="xterm")
    terminal.read_until("juliet ...")
    terminal.type("\x03")
    code, rest = terminal.finish()
    expect(code == 130 and ERASED.search(rest), code, repr(rest))


@test("/progress/import-counts")
def _():
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        for n in range(300):
            file.write('{"v":1,"type":"message","id":"i%d","time":"2026-01-05T10:02:11Z","direction":"in","peer":{"fingerprint":"%s"},"body":"x"}\n' % (n, KEY_JULIET))
        file.flush()
        taken = []

        def slowly(_path, entries, _options):
            taken.append(len(entries))
            if len(taken) == 2:
                time.sleep(1.5)
            return variant("(uu)", (len(entries), 0))
        before, F.mock.do_Import = F.mock.do_Import, slowly
        try:
            terminal = Terminal("log", "--import", file.name, term="xterm")
            terminal.read_until("importing: 200 entries ...")
            code, rest = terminal.finish()
        finally:
            F.mock.do_Import = before
        expect(code == 0 and "300 entries imported" in rest, rest)


@test("/progress/nothing-for-programs")
def _():
    # All at once: each waits for more than its second.
    waits = [F.start(*more, "--timeout", "1.5", "wait", "juliet", "--for", "message") for more in ([], ["--json"], ["-v"])]
    terminals = [Terminal(*more, "--timeout", "1.5", "wait", "juliet", "--for", "message", term=term)
                 for more, term in ((["-q"], "xterm"), (["--json"], "xterm"), ([], "dumb"))]
    for process in waits:
        _out, err = process.communicate(timeout=60)
        expect(process.returncode == 6 and "waiting" not in err, err)
    for terminal in terminals:
        code, rest = terminal.finish()
        expect(code == 6 and "waiting" not in rest, rest)
    run("peers")


if __name__ == "__main__":
    main()
