#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""xmppctl against a mock daemon on a private bus: the ways out of a contested name: trust replace --verify, accept --verify, release. TAP."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import F, JULIET, KEY_JULIET, KEY_MALLORY, KEY_ROMEO, MALLORY, ROMEO, Terminal, expect, key_path, main, run, test  # noqa: E402
from mock import ROOT, Failure, variant  # noqa: E402

RUN = ROOT + "/verification/77"
CODE = "4821 7305 1192"


def on_resolve(contact=MALLORY, key=KEY_MALLORY):
    """The daemon begins to compare; the right code makes the answer true."""
    def choices():
        F.mock.change(ROOT + "/request/1", "Request", Choices=["accept", "verify", "reject", "block"])
        F.mock.change(ROOT + "/request/2", "Request", Choices=["verify-replace", "replace", "separate", "reject", "block"])

    def resolve(_path, choice, options):
        if choice.startswith("verify") and not options.get("in_person"):
            F.mock.add(RUN, "Verification", Contact=contact, Key=key_path(key), Role="initiator", State="comparing", Code=CODE,
                       Expires=1767607331512034)

    def enter(_path, code):
        return variant("(b)", (code == CODE,))
    F.mock.do(choices)
    F.mock.do_Resolve, F.mock.do_EnterCode = resolve, enter


def resolved():
    return [call[2] for call in F.called("Resolve")]


@test("/ways-out/replace-verify-on-a-terminal")
def _():
    on_resolve()
    terminal = Terminal("trust", "replace", "juliet", "--verify", "--release")
    shown = terminal.read_until("[Enter when they have it] ")
    expect("ANOTHER KEY is known as juliet" in shown and "c3c3c3c3 " * 6 in shown and CODE in shown, shown)
    expect(resolved() == [("verify-replace", {"fingerprint": KEY_MALLORY, "release": True})], F.mock.calls)
    terminal.type("\n")
    terminal.read_until("reads to you: ")
    terminal.type(CODE + "\n")
    code, rest = terminal.finish()
    expect(code == 0 and "juliet is verified" in rest and F.called("EnterCode") == [("EnterCode", RUN, (CODE,))], code, rest, F.mock.calls)


@test("/ways-out/replace-verify-in-a-script")
def _():
    on_resolve()
    result = run("trust", "replace", "juliet", "--verify")
    expect(result.out == CODE + "\n" and "xmppctl verify " + KEY_MALLORY[:16] + " --enter" in result.err, result)
    run("verify", KEY_MALLORY[:16], "--enter", "1000 1000 1000", code=7)
    run("verify", KEY_MALLORY[:16], "--enter", CODE)
    expect(resolved() == [("verify-replace", {"fingerprint": KEY_MALLORY})], F.mock.calls)


@test("/ways-out/replace-in-person-names-the-key")
def _():
    on_resolve()
    run("trust", "replace", "juliet", "--in-person", code=2)
    run("trust", "replace", "juliet", "--in-person", "--verify", "--fingerprint", KEY_MALLORY, code=2)
    expect(resolved() == [], F.mock.calls)
    run("trust", "replace", "juliet", "--in-person", "--fingerprint", KEY_MALLORY)
    expect(resolved() == [("verify-replace", {"fingerprint": KEY_MALLORY, "in_person": True})], F.mock.calls)


@test("/ways-out/accept-verify")
def _():
    on_resolve(ROMEO, KEY_ROMEO)
    line = run("--json", "trust", "accept", KEY_ROMEO[:16], "--verify", "--name", "romeo").lines()[0]
    expect(line["type"] == "verification" and line["code"] == CODE and line["fingerprint"] == KEY_ROMEO, line)
    expect(resolved() == [("verify", {"fingerprint": KEY_ROMEO, "petname": "romeo"})], F.mock.calls)
    run("trust", "accept", KEY_ROMEO[:16], "--verify", "--in-person", code=2)
    # A contested name takes no plain yes, and what is not asked about has a command of its own.
    result = run("trust", "accept", KEY_MALLORY[:16], "--verify", code=7)
    expect("trust replace" in result.err and len(resolved()) == 1, result)
    F.mock.do(F.mock.remove, ROOT + "/request/2")
    result = run("trust", "accept", "juliet", "--verify", code=3)
    expect("xmppctl verify juliet" in result.err and len(resolved()) == 1, result)


@test("/ways-out/an-older-daemon-and-refusals")
def _():
    run("trust", "replace", "juliet", "--verify", code=3)  # it offers no such answer
    on_resolve()
    F.mock.failures["Resolve"] = [Failure("NotReachable"), Failure("QuotaExceeded"), Failure("AlreadyResolved"), Failure("NotTrusted")]
    for code in (5, 8, 3, 7):
        run("trust", "replace", "juliet", "--verify", code=code)
    expect(F.called("EnterCode") == [], F.mock.calls)


@test("/ways-out/pending-says-how")
def _():
    on_resolve()
    text = run("trust", "pending").out
    expect("xmppctl trust replace c3c3c3c3c3c3c3c3 --verify, or replace, or accept --separate, or reject, or block" in text, text)
    expect("xmppctl trust accept b2b2b2b2b2b2b2b2, also with --verify, or reject, or block" in text, text)


def hold(number, reason="key-replaced"):
    now = int(time.time() * 1000000)
    for i in range(number):
        F.mock.do(lambda i=i: F.mock.append("message", JULIET, "h%d" % i, time=now + i, announce=False, direction="out", body="old", state="held",
                                            reason=reason))


@test("/ways-out/release-sends-what-is-held-for-the-key-before")
def _():
    run("trust", "release", "juliet", code=3)
    hold(3, "waiting-approval")
    run("trust", "release", "juliet", "--yes", code=3)  # that is for the other side to say
    F.reset()
    hold(1203)
    run("trust", "release", "juliet", code=2)
    run("trust", "release", "romeo@forza", "--yes", code=2)
    expect(F.called("Retry") == [], "released unasked")
    line = run("--json", "trust", "release", "juliet", "--yes").lines()[0]
    expect(line["type"] == "released" and line["count"] == 1203 and line["peer"]["fingerprint"] == KEY_JULIET, line)
    expect([call[2][0] for call in F.called("Retry")] == ["h%d" % i for i in range(1203)], "order")


@test("/ways-out/release-asks-and-says-what-did-not-go")
def _():
    hold(2)
    terminal = Terminal("trust", "release", "juliet")
    shown = terminal.read_until("[y/N] ")
    expect("Send 2 messages, written for the key before, to this one?" in shown and "a1a1a1a1 " * 6 in shown, shown)
    terminal.type("n\n")
    code, _rest = terminal.finish()
    expect(code == 1 and F.called("Retry") == [], code, F.mock.calls)
    F.mock.failures["Retry"] = [Failure("NotTrusted")]
    result = run("trust", "release", "juliet", "--yes", code=10)
    expect("released 1 message" in result.err and "h0" in result.err, result)
    F.mock.do(lambda: F.mock.change(JULIET, "Contact", Trust="revoked"))
    run("trust", "release", "juliet", "--yes", code=7)


main()
