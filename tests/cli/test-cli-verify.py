#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xmppctl verify against a mock daemon on a private bus: on a terminal, in scripts, and every way it can end. TAP."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (  # noqa: E402
    F, HOSTILE, JULIET, KEY_JULIET, KEY_ROMEO, ROMEO, Terminal, error_of, expect, key_path, main, read_until, run, test, wait_for,
)
from mock import ROOT, Failure, variant  # noqa: E402

RUN = ROOT + "/verification/77"
CODE = "4821 7305 1192"


def add_run(contact=JULIET, key=KEY_JULIET, role="initiator", state="comparing", announce=False):
    F.mock.add(RUN, "Verification", announce=announce, Contact=contact, Key=key_path(key), Role=role, State=state,
               Code=CODE if state == "comparing" else "", Expires=1767607331512034)


def there(**more):
    F.mock.do(lambda: add_run(**more))


def end(state, reason):
    def act():
        F.mock.change(RUN, "Verification", State=state, Reason=reason)
        F.mock.remove(RUN)
    F.mock.do(act)


def on_verify(state="comparing"):
    def verify(_path, _options):
        add_run(state=state)
        return variant("(o)", (RUN,))
    F.mock.do_Verify = verify


def on_enter(right=CODE):
    def enter(_path, code):
        return variant("(b)", (code.replace("-", " ") == right,))
    F.mock.do_EnterCode = enter


@test("/verify/a-person-reads-and-types-what-the-other-screen-shows")
def _():
    on_verify()
    on_enter()
    terminal = Terminal("verify", "juliet", term="xterm")
    shown = terminal.read_until("[Enter when they have it] ")
    expect(CODE in shown and "a1a1a1a1 " * 6 in shown, shown)
    expect(F.called("Verify") == [("Verify", JULIET, ({},))] and not F.called("EnterCode"), F.mock.calls)
    terminal.type("\n")
    # Our own code is wiped before the other one is asked for.
    wiped = terminal.read_until("Type the numbers that juliet reads to you: ")
    expect("\x1b[1A\x1b[2K" in wiped and CODE not in wiped, repr(wiped))
    terminal.type(CODE + "\n")
    code, rest = terminal.finish()
    expect(code == 0 and "juliet is verified" in rest, code, rest)
    expect(F.called("EnterCode") == [("EnterCode", RUN, (CODE,))], F.mock.calls)
    expect(not F.called("Cancel"), F.mock.calls)


@test("/verify/a-slip-is-asked-again-and-a-wrong-code-is-not")
def _():
    on_verify()
    on_enter()
    F.mock.failures["EnterCode"] = [Failure("InvalidArgument")]
    terminal = Terminal("verify", "juliet")
    terminal.read_until("[Enter when they have it] ")
    terminal.type("\n")
    terminal.read_until("reads to you: ")
    terminal.type("4821\n")
    expect("three numbers" in terminal.read_until("reads to you: "), "said what a code is")
    terminal.type("\n")
    terminal.read_until("reads to you: ")
    terminal.type("4821 7305 1193\n")
    code, rest = terminal.finish()
    expect(code == 7 and "not the code" in rest and "between you" in rest, code, rest)
    expect(len(F.called("EnterCode")) == 2, F.mock.calls)


@test("/verify/enter-without-reading-types-nothing")
def _():
    on_verify()
    terminal = Terminal("verify", "juliet")
    terminal.read_until("[Enter when they have it] ")
    terminal.type(CODE + "\n")
    terminal.read_until("reads to you: ")
    expect(not F.called("EnterCode"), F.mock.calls)
    terminal.type("\x04")
    expect(terminal.finish()[0] == 1 and F.called("Cancel") == [("Cancel", RUN, ("",))], F.mock.calls)


@test("/verify/ctrl-c-cancels-the-run")
def _():
    on_verify(state="waiting-peer")
    terminal = Terminal("verify", "juliet")
    terminal.read_until("on the other side")
    wait_for(lambda: F.called("Verify"), "Verify")
    terminal.type("\x03")
    code, rest = terminal.finish()
    expect(code == 130 and F.called("Cancel") and "nothing was changed" in rest, code, rest, F.mock.calls)


@test("/verify/the-other-side-joins")
def _():
    there(role="responder")
    on_enter()
    terminal = Terminal("verify", "juliet")
    shown = terminal.read_until("[Enter when they have it] ")
    expect(CODE in shown and "on the other side" not in shown and not F.called("Verify"), shown, F.mock.calls)
    terminal.type("\n")
    terminal.read_until("reads to you: ")
    terminal.type(CODE.replace(" ", "-") + "\n")
    expect(terminal.finish()[0] == 0, "exit")


@test("/verify/it-ends-while-we-type")
def _():
    for state, reason, wanted, text in (("mismatch", "peer", 7, "typed another code"), ("cancelled", "peer", 8, "ended it"),
                                        ("expired", "timeout", 6, "ran out"), ("cancelled", "stream-closed", 5, "stream closed"),
                                        ("mismatch", "commitment", 7, "committed"), ("cancelled", "limit", 8, "too many"),
                                        ("done", "user", 0, "is verified")):
        F.reset()
        there()
        terminal = Terminal("verify", "juliet")
        terminal.read_until("[Enter when they have it] ")
        end(state, reason)
        code, rest = terminal.finish()
        expect(code == wanted and text in rest, state, reason, code, rest)
        expect(not F.called("Cancel") and not F.called("EnterCode"), F.mock.calls)


@test("/verify/scripts")
def _():
    on_verify()
    on_enter()
    expect(run("verify", "juliet").out == CODE + "\n", "the code alone")
    line = run("verify", "juliet", "--json").lines()[0]
    expect(line["type"] == "verification" and line["state"] == "comparing" and line["code"] == CODE and line["role"] == "initiator", line)
    expect(line["fingerprint"] == KEY_JULIET and line["peer"]["petname"] == "juliet", line)
    expect(len(F.called("Verify")) == 1, "the second joins", F.mock.calls)
    line = run("verify", "juliet", "--json", "--enter", CODE).lines()[0]
    expect(line["state"] == "done", line)
    expect(F.called("EnterCode") == [("EnterCode", RUN, (CODE,))] and not F.called("Cancel"), F.mock.calls)


@test("/verify/scripts-that-err")
def _():
    on_enter()
    # Nothing is begun for a code that comes from nowhere.
    run("verify", "juliet", "--enter", CODE, code=3)
    run("verify", "juliet", "--cancel", code=3)
    expect(F.mock.calls == [], F.mock.calls)
    there()
    result = run("verify", "juliet", "--json", "--enter", "4821 7305 1193", code=7)
    expect(error_of(result)["error"] == "Mismatch", result)
    F.mock.failures["EnterCode"] = [Failure("InvalidArgument"), Failure("StoreFull")]
    run("verify", "juliet", "--enter", "48", code=2)
    run("verify", "juliet", "--enter", CODE, code=1)
    run("verify", "juliet", "--enter", CODE, "--cancel", code=2)
    expect(not F.called("Cancel"), F.mock.calls)
    run("verify", "juliet", "--cancel")
    expect(F.called("Cancel") == [("Cancel", RUN, ("",))], F.mock.calls)
    expect(not F.called("Verify"), F.mock.calls)


@test("/verify/claimed-names-and-short-prefixes-select-nobody")
def _():
    for who in ("romeo@forza", KEY_ROMEO[:8]):
        expect("16 digits" in run("verify", who, code=2).err, who)
    run("verify", "nobody", code=3)
    run("verify", code=2)
    run("verify", "juliet", "--yes", code=2)
    expect(F.mock.calls == [], F.mock.calls)


@test("/verify/refusals-have-their-exit-codes")
def _():
    for name, code in (("NotReachable", 5), ("QuotaExceeded", 8), ("Blocked", 7), ("Unsupported", 1), ("PeerInsecure", 7), ("AccessDenied", 9)):
        F.mock.failures["Verify"] = [Failure(name)]
        expect(error_of(run("verify", "juliet", "--json", code=code))["error"] == name, name)


@test("/verify/timeout-leaves-no-run-behind")
def _():
    on_verify(state="waiting-peer")
    run("--timeout", "2", "verify", "juliet", code=6)
    expect(F.called("Cancel"), F.mock.calls)


@test("/verify/waits-for-the-code")
def _():
    on_verify(state="waiting-peer")
    process = F.start("verify", "juliet")
    wait_for(lambda: F.called("Verify"), "Verify")
    F.mock.do(lambda: F.mock.change(RUN, "Verification", State="comparing", Code=CODE))
    out, err = process.communicate(timeout=60)
    expect(process.returncode == 0 and out == CODE + "\n", out, err)


@test("/verify/pending-and-watch-say-who-waits")
def _():
    there(contact=ROMEO, key=KEY_ROMEO, role="responder")
    text = run("trust", "pending").out
    expect("wants to compare codes: xmppctl verify b2b2b2b2b2b2b2b2" in text and CODE not in text, text)
    lines = [l for l in run("trust", "pending", "--json").lines() if l["type"] == "verification"]
    expect(len(lines) == 1 and lines[0]["fingerprint"] == KEY_ROMEO and "code" not in lines[0], lines)
    F.mock.do(lambda: F.mock.remove(RUN))
    process = F.start("watch")
    read_until(process.stdout, "is online")
    F.mock.do(lambda: add_run(contact=ROMEO, key=KEY_ROMEO, role="responder", announce=True))
    lines = read_until(process.stdout, "compare codes")
    expect("xmppctl verify b2b2b2b2b2b2b2b2" in lines[-1] and HOSTILE not in lines[-1] and "\x1b" not in lines[-1], lines)
    process.terminate()
    process.wait()
    process.stdout.close()
    process.stderr.close()


main()
